"""Questions of the public: numbered, routed, limited, in the unit's to-do list, called out when late, answered."""

from datetime import date

import pytest

from casework.clock.calendars import builtin_calendar
from casework.intake.query_passwords import query_password
from hall.consultations import (
    AnswerQuestion,
    AskQuestion,
    CallOverdueAnswers,
    ConsultationView,
    ReadAnswer,
    consultations,
)
from hall.rules import HallRules
from kernel.actor import ANYBODY, THE_CLOCK
from kernel.refusals import NotPermitted
from tests.hall.office import Hall, code

ITEM = "ZJ-XK-001"


async def ask(hall: Hall, **changes) -> ConsultationView:
    asked = {"title": "施工许可证", "question": "临时工棚需要办理吗？", "item": ITEM, "phone": "13800000009", **changes}
    view = await hall.do(AskQuestion(**asked), ANYBODY)
    assert isinstance(view, ConsultationView), view
    return view


async def waiting(hall: Hall, who: str, **more) -> list[str]:
    rows, _ = await consultations(
        hall.database, await hall.officer(who), now=hall.clock.now(), calendar=builtin_calendar(), **more
    )
    return [str(row["number"]) for row in rows]


async def answer(hall: Hall, who: str, number: str, revision: int = 1, **more):
    act = AnswerQuestion(number=number, revision=revision, answer="三百平方米以下的临时建筑不需要。", **more)
    return await hall.do(act, await hall.officer(who))


@pytest.mark.feature("HALL-09")
async def test_a_question_gets_a_number_a_unit_and_five_working_days(hall: Hall) -> None:
    first, second = await ask(hall), await ask(hall)
    assert (first.number, second.number) == ("ZX2026000001", "ZX2026000002")
    # Asked on Friday the 18th; Sunday the 20th is worked, so the five are the 20th to the 24th.
    assert (first.unit, first.due_on) == ("ZJ", date(2026, 9, 24))
    assert await waiting(hall, "HANDLER") == [first.number, second.number]
    assert await waiting(hall, "CLERK") == []


@pytest.mark.feature("HALL-09")
async def test_a_city_sets_its_own_limit_for_answers(hall: Hall) -> None:
    hall.desk.provisions[HallRules] = HallRules(answer_limit_days=2)  # type: ignore[index]  # the test's own dict
    assert (await ask(hall)).due_on == date(2026, 9, 21)


async def test_a_question_about_no_item_is_the_halls(hall: Hall) -> None:
    asked = await ask(hall, item="")
    assert asked.unit == "HALL"
    assert await waiting(hall, "CLERK") == [asked.number]


@pytest.mark.feature("HALL-09")
async def test_a_question_nobody_answered_is_late_and_supervision_sees_it(hall: Hall) -> None:
    asked = await ask(hall)
    assert (await hall.do(CallOverdueAnswers(), THE_CLOCK)).count == 0
    assert await waiting(hall, "JCCLERK", supervised=True, late_only=True) == []
    hall.at("2026-09-30")
    assert (await hall.do(CallOverdueAnswers(), THE_CLOCK)).count == 1
    assert (await hall.do(CallOverdueAnswers(), THE_CLOCK)).count == 0
    (event,) = await hall.database.rows("SELECT subject FROM event WHERE tag = 'hall.answer_overdue'")
    assert event["subject"] == f"consultation:{asked.number}"
    assert await waiting(hall, "JCCLERK", supervised=True, late_only=True) == [asked.number]
    with pytest.raises(NotPermitted):
        await waiting(hall, "HANDLER", supervised=True)


async def test_an_officer_of_the_unit_answers_and_whoever_asked_reads_it(hall: Hall) -> None:
    asked = await ask(hall)
    password = query_password(hall.secrets, asked.number)
    unanswered = await hall.do(ReadAnswer(number=asked.number, password=password), ANYBODY)
    assert unanswered.answer == ""
    assert code(await answer(hall, "CLERK", asked.number)) == "NOT_PERMITTED"
    assert code(await answer(hall, "HANDLER", asked.number, revision=7)) == "CHANGED_MEANWHILE"
    answered = await answer(hall, "HANDLER", asked.number)
    assert (answered.answer, answered.revision) == ("三百平方米以下的临时建筑不需要。", 2)
    assert code(await answer(hall, "HEAD", asked.number, revision=2)) == "ALREADY_ANSWERED"
    read = await hall.do(ReadAnswer(number=asked.number.lower(), password=password), ANYBODY)
    assert read.answer == answered.answer
    assert code(await hall.do(ReadAnswer(number=asked.number, password="000000x"), ANYBODY)) == "QUERY_PASSWORD_WRONG"
    assert code(await hall.do(ReadAnswer(number="ZX2026999999", password=password), ANYBODY)) == "UNKNOWN_CONSULTATION"
    assert await waiting(hall, "HANDLER") == []
    assert await waiting(hall, "HANDLER", answered=True) == [asked.number]
    hall.at("2026-09-30")
    assert (await hall.do(CallOverdueAnswers(), THE_CLOCK)).count == 0


async def test_an_answer_for_everybody_begins_as_a_draft(hall: Hall) -> None:
    asked = await ask(hall)
    refused = await answer(hall, "HANDLER", asked.number, publish=True)
    assert (code(refused), refused.details["field"]) == ("INVALID", "公开的问题")
    answered = await answer(hall, "HANDLER", asked.number, publish=True, public_question="临时工棚要办证吗？")
    (draft,) = await hall.database.rows("SELECT number, kind, state, body, consultation FROM announcement")
    assert (draft["number"], draft["kind"], draft["state"]) == (answered.announcement, "answer", "draft")
    assert str(draft["body"]).startswith("问：临时工棚要办证吗？")
    assert draft["consultation"] == asked.number


async def test_what_the_public_reads_is_in_no_word_the_askers(hall: Hall) -> None:
    asked = await ask(hall, title="张三丰家的临时工棚", question="我是张三丰，要办证吗？")
    await answer(hall, "HANDLER", asked.number, publish=True, public_question="临时工棚要办证吗？\n在农村呢？")
    (draft,) = await hall.database.rows("SELECT title, body FROM announcement")
    assert draft["title"] == "临时工棚要办证吗？"
    assert "张三丰" not in str(draft["body"])


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"title": " "}, "INVALID"),
        ({"title": "字" * 81}, "INVALID"),
        ({"question": "字" * 2001}, "INVALID"),
        ({"phone": "12345"}, "INVALID"),
        ({"item": "ZJ-XK-999"}, "NOT_FOUND"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(hall: Hall, change, refusal) -> None:
    asked = {"title": "施工许可证", "question": "？", "item": ITEM, **change}
    assert code(await hall.do(AskQuestion(**asked), ANYBODY)) == refusal


async def test_a_secret_item_cannot_be_asked_about(hall: Hall) -> None:
    await hall.database.execute("UPDATE item_version SET secret = TRUE")
    assert code(await hall.do(AskQuestion(title="一", question="二", item=ITEM), ANYBODY)) == "NOT_FOUND"


async def test_events_hold_neither_the_question_nor_the_phone(hall: Hall) -> None:
    asked = await ask(hall)
    await answer(hall, "HANDLER", asked.number)
    bodies = str(await hall.database.rows("SELECT body FROM event WHERE tag LIKE 'hall.%'"))
    assert asked.number in bodies
    for private in ("13800000009", "工棚", "三百平方米"):
        assert private not in bodies
