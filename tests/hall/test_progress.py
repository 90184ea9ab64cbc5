import asyncio
from datetime import date

import msgspec
import pytest

from casework.acts import Decision
from casework.intake.query_passwords import MOST_WRONG
from hall.progress import ProgressView
from kernel.refusals import Refusal
from tests.hall.office import Hall

REGISTERED, STRANGER = "13800000001", "13900009999"


def code(outcome: ProgressView | Refusal) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


@pytest.mark.feature("HALL-06")
async def test_the_registered_phone_learns_where_its_case_stands_without_a_password(hall: Hall) -> None:
    number = await hall.accepted()
    assert await hall.query(number, phone=REGISTERED) == ProgressView(
        number=number,
        item="建筑工程施工许可证核发",
        step="承办",
        status="审批中",
        unit="衡住建",
        due_on=date(2026, 10, 22),
        days_left=20,
        as_of=hall.clock.now(),
    )


@pytest.mark.feature("HALL-06")
async def test_another_phone_needs_the_query_password(hall: Hall) -> None:
    filed = await hall.file()
    assert code(await hall.query(filed.number, phone=STRANGER)) == "QUERY_PASSWORD_NEEDED"
    assert code(await hall.query(filed.number, phone=STRANGER, password="000000")) == "QUERY_PASSWORD_WRONG"
    assert isinstance(await hall.query(filed.number, phone=STRANGER, password=hall.password_of(filed)), ProgressView)
    assert isinstance(await hall.query(filed.number, phone=None, password=hall.password_of(filed)), ProgressView)


@pytest.mark.feature("HALL-06")
async def test_an_unknown_number_is_refused(hall: Hall) -> None:
    assert code(await hall.query("209900000001", phone=REGISTERED)) == "UNKNOWN_NUMBER"


async def test_ten_wrong_passwords_close_a_case_to_passwords_until_tomorrow(hall: Hall) -> None:
    filed = await hall.file()
    for left in range(MOST_WRONG - 1, -1, -1):
        refusal = await hall.query(filed.number, phone=STRANGER, password="wrong!")
        assert isinstance(refusal, Refusal)
        assert refusal.details == {"left": left}
    assert code(await hall.query(filed.number, phone=STRANGER, password=hall.password_of(filed))) == "QUERY_LOCKED"
    assert isinstance(await hall.query(filed.number, phone=REGISTERED), ProgressView)
    hall.at("2026-09-19")
    assert isinstance(await hall.query(filed.number, phone=STRANGER, password=hall.password_of(filed)), ProgressView)


async def test_guesses_that_arrive_together_get_no_more_tries_than_one_after_another(hall: Hall) -> None:
    filed = await hall.file()
    guesses = (hall.query(filed.number, phone=STRANGER, password="wrong!") for _ in range(60))
    answers = [code(answer) for answer in await asyncio.gather(*guesses)]
    assert answers.count("QUERY_PASSWORD_WRONG") == MOST_WRONG
    assert answers.count("QUERY_LOCKED") == 60 - MOST_WRONG


async def test_the_right_password_uses_up_no_try(hall: Hall) -> None:
    filed = await hall.file()
    for _ in range(MOST_WRONG - 1):
        await hall.query(filed.number, phone=STRANGER, password="wrong!")
    right = [hall.query(filed.number, phone=STRANGER, password=hall.password_of(filed)) for _ in range(4)]
    for answer in await asyncio.gather(*right):
        assert isinstance(answer, ProgressView)
    assert code(await hall.query(filed.number, phone=STRANGER, password="wrong!")) == "QUERY_PASSWORD_WRONG"
    assert code(await hall.query(filed.number, phone=STRANGER, password=hall.password_of(filed))) == "QUERY_LOCKED"


async def test_no_deadline_is_told_before_acceptance_or_after_the_decision(hall: Hall) -> None:
    filed = await hall.file()
    waiting = await hall.query(filed.number, phone=REGISTERED)
    assert isinstance(waiting, ProgressView)
    assert (waiting.step, waiting.due_on, waiting.days_left) == ("受理", None, None)
    await hall.decide("CLERK", filed.number, "accept", Decision.ACCEPT, "受理。")
    await hall.decide("HANDLER", filed.number, "level:1", Decision.AGREE)
    await hall.decide("HEAD", filed.number, "level:2", Decision.AGREE)
    await hall.decide("LEADER", filed.number, "level:3", Decision.GRANT)
    decided = await hall.query(filed.number, phone=REGISTERED)
    assert isinstance(decided, ProgressView)
    assert (decided.step, decided.status, decided.due_on) == ("办结", "准予许可，待送达", None)


async def test_the_answer_names_no_person(hall: Hall) -> None:
    number = await hall.accepted()
    answer = msgspec.json.encode(await hall.query(number, phone=REGISTERED)).decode()
    for private in ("衡江建设有限公司", "91430400MA4L000000", REGISTERED, "窗小李"):
        assert private not in answer


async def test_a_secret_case_does_not_exist_here(hall: Hall) -> None:
    number = await hall.accepted()
    await hall.database.execute("UPDATE case_file SET secret = TRUE")
    assert code(await hall.query(number, phone=REGISTERED)) == "UNKNOWN_NUMBER"
