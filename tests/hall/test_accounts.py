"""An applicant's account: a phone number proved by a texted code, and nothing but their own cases behind it."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from casework.acts import Decision, Status
from casework.clock.calendars import builtin_calendar
from hall.accounts import ApplicantSession, ForgetLoginCodes, LoginCodeView
from hall.own_cases import ViewOwnCase, own_case, own_cases
from hall.progress import STATUS_NAMES, ProgressView, QueryProgress
from kernel.actor import ANYBODY, THE_CLOCK, Actor, ActorKind
from kernel.refusals import Refusal
from tests.hall.office import Hall, code

A, B, AGENT = "13800000001", "13800000002", "13800000003"


async def test_the_code_that_was_texted_logs_in_once(hall: Hall) -> None:
    asked = await hall.ask_for_code(A)
    assert asked == LoginCodeView(expires_at=hall.clock.now() + timedelta(minutes=5))
    right = await hall.code_of(A)
    assert len(right) == 6
    assert right.isdecimal()
    session = await hall.log_in(A, right)
    assert isinstance(session, ApplicantSession)
    assert session.expires_at == hall.clock.now() + timedelta(hours=1)
    assert code(await hall.log_in(A, right)) == "LOGIN_CODE_WRONG"


async def test_the_third_wrong_code_locks_and_those_that_arrive_together_get_no_more(hall: Hall) -> None:
    await hall.ask_for_code(A)
    right = await hall.code_of(A)
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    guesses = await asyncio.gather(*(hall.log_in(A, wrong) for _ in range(6)))
    assert {code(guess) for guess in guesses} == {"LOGIN_CODE_WRONG"}
    assert code(await hall.log_in(A, right)) == "LOGIN_CODE_WRONG"
    hall.clock.advance(timedelta(minutes=1))
    await hall.ask_for_code(A)
    assert isinstance(await hall.log_in(A), ApplicantSession)


async def test_the_third_try_may_still_be_right(hall: Hall) -> None:
    await hall.ask_for_code(A)
    right = await hall.code_of(A)
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    for _ in range(2):
        assert code(await hall.log_in(A, wrong)) == "LOGIN_CODE_WRONG"
    assert isinstance(await hall.log_in(A, right), ApplicantSession)


async def test_a_code_lives_five_minutes_and_a_newer_one_ends_it(hall: Hall) -> None:
    await hall.ask_for_code(A)
    old = await hall.code_of(A)
    hall.clock.advance(timedelta(minutes=5))
    assert code(await hall.log_in(A, old)) == "LOGIN_CODE_WRONG"
    await hall.ask_for_code(A)
    first = await hall.code_of(A)
    hall.clock.advance(timedelta(minutes=1))
    await hall.ask_for_code(A)
    assert await hall.code_of(A) != first
    assert code(await hall.log_in(A, first)) == "LOGIN_CODE_WRONG"
    assert isinstance(await hall.log_in(A), ApplicantSession)


async def test_a_code_is_good_for_its_own_phone_only(hall: Hall) -> None:
    await hall.ask_for_code(A)
    await hall.ask_for_code(B)
    if await hall.code_of(A) != await hall.code_of(B):
        assert code(await hall.log_in(B, await hall.code_of(A))) == "LOGIN_CODE_WRONG"


async def test_one_phone_is_texted_once_a_minute_five_times_an_hour_ten_times_a_day(hall: Hall) -> None:
    begun = hall.clock.now()
    sent = []
    for minute in range(24 * 60):
        hall.clock.set(begun + timedelta(minutes=minute))
        if minute % 15 == 0 or minute < 10:
            outcome = await hall.ask_for_code(A)
            if isinstance(outcome, LoginCodeView):
                sent.append(minute)
            else:
                assert code(outcome) == "LOGIN_CODE_TOO_OFTEN"
                assert isinstance(outcome.details["seconds"], int)
    assert len(sent) == 10
    assert all(sum(1 for each in sent if m - 60 < each <= m) <= 5 for m in sent)
    assert code(await hall.ask_for_code(A)) == "LOGIN_CODE_TOO_OFTEN"
    assert isinstance(await hall.ask_for_code(B), LoginCodeView)


async def test_codes_asked_for_at_one_instant_are_one_text(hall: Hall) -> None:
    outcomes = await asyncio.gather(*(hall.ask_for_code(A) for _ in range(5)))
    assert sum(isinstance(outcome, LoginCodeView) for outcome in outcomes) == 1


@pytest.mark.parametrize("number", ["", "1380000000", "23800000001", "+8613800000001", "138００００0001"])
async def test_only_a_mobile_number_can_have_an_account(hall: Hall, number: str) -> None:
    assert code(await hall.ask_for_code(number)) == "INVALID"


async def test_nobody_learns_whether_a_number_has_an_account(hall: Hall) -> None:
    await hall.applicant(A)
    known, unknown = await hall.log_in(A, "000000"), await hall.log_in(B, "000000")
    assert known == unknown
    assert code(unknown) == "LOGIN_CODE_WRONG"


async def test_no_table_and_no_event_holds_a_code_or_names_a_phone(hall: Hall) -> None:
    await hall.applicant(A)
    right = await hall.code_of(A)
    rows = await hall.database.rows("SELECT * FROM login_code")
    assert right not in str(rows)
    events = str(await hall.database.rows("SELECT subject, actor, body FROM event WHERE tag LIKE 'hall.%'"))
    assert "applicant:AP00000001" in events
    assert A not in events
    assert right not in str(await hall.database.rows("SELECT outcome FROM performed_act"))


async def test_codes_and_accounts_nobody_proved_are_forgotten_after_two_days(hall: Hall) -> None:
    await hall.applicant(A)
    await hall.ask_for_code(B)
    hall.clock.advance(timedelta(days=2, seconds=1))
    assert (await hall.do(ForgetLoginCodes(), THE_CLOCK)).count == 3
    (left,) = await hall.database.rows("SELECT phone FROM applicant")
    assert left["phone"] == A


# ------------------------------------------------------------------------------------------------------ own cases
async def numbers(hall: Hall, who: Actor) -> list[str]:
    rows, _ = await own_cases(hall.database, who, now=hall.clock.now(), calendar=builtin_calendar())
    return [str(row["number"]) for row in rows]


async def test_an_applicant_sees_their_own_cases_and_no_other_by_any_way(hall: Hall) -> None:
    """Who asks × whose case × by which way in."""
    own = {phone: await hall.accepted(applicant_phone=phone) for phone in (A, B)}
    people = {phone: await hall.applicant(phone) for phone in (A, B, AGENT)}
    now, calendar = hall.clock.now(), builtin_calendar()
    for phone, who in people.items():
        assert await numbers(hall, who) == [number for owner, number in own.items() if owner == phone]
        for owner, number in own.items():
            mine = owner == phone
            assert (await own_case(hall.database, who, number, now=now, calendar=calendar) is not None) == mine
            viewed = await hall.do(ViewOwnCase(case=number), who)
            assert isinstance(viewed, Refusal) != mine
            progress = (
                await hall.query(number, phone=None) if not mine else await hall.do(QueryProgress(number=number), who)
            )
            assert isinstance(progress, ProgressView) == mine
    for stranger in (ANYBODY, Actor(kind=ActorKind.ANONYMOUS, id="x", phone=A), await hall.officer("HANDLER")):
        assert await numbers(hall, stranger) == []
        assert await own_case(hall.database, stranger, own[A], now=now, calendar=calendar) is None
        assert code(await hall.do(ViewOwnCase(case=own[A]), stranger)) == "NOT_PERMITTED"


async def test_the_agent_sees_the_case_as_well(hall: Hall) -> None:
    number = await hall.accepted(
        applicant_phone=A, agent_name="李代理", agent_id_number="430400199001010018", agent_phone=AGENT
    )
    assert await numbers(hall, await hall.applicant(AGENT)) == [number]
    assert isinstance(await hall.query(number, phone=AGENT), ProgressView)


async def test_an_own_case_shows_step_due_date_days_left_and_documents(hall: Hall) -> None:
    number = await hall.accepted(applicant_phone=A)
    who = await hall.applicant(A)
    now = hall.clock.now()
    shown = await own_case(hall.database, who, number.lower(), now=now, calendar=builtin_calendar())
    assert shown is not None
    assert (shown["status_name"], shown["step_name"], shown["days_left"]) == ("审批中", "承办", 20)
    assert str(shown["due_on"]) == "2026-10-22"
    titles = [document["title"] for document in shown["documents"]]  # type: ignore[attr-defined]
    assert titles == ["接件凭证", "受理通知书"]
    assert "张承办" not in msgspec.json.encode(shown).decode()
    await hall.decide("HANDLER", number, "level:1", Decision.AGREE)
    hall.at("2026-10-26")
    late = await own_case(hall.database, who, number, now=hall.clock.now(), calendar=builtin_calendar())
    assert late is not None
    assert late["days_left"] == -2


async def test_a_secret_case_is_nobodys_own(hall: Hall) -> None:
    number = await hall.accepted(applicant_phone=A)
    who = await hall.applicant(A)
    await hall.database.execute("UPDATE case_file SET secret = TRUE")
    assert await numbers(hall, who) == []
    assert code(await hall.do(ViewOwnCase(case=number), who)) == "NOT_PERMITTED"


async def test_looking_at_an_own_case_is_logged(hall: Hall) -> None:
    number = await hall.accepted(applicant_phone=A)
    await hall.do(ViewOwnCase(case=number), await hall.applicant(A))
    (viewed,) = await hall.database.rows("SELECT viewer, what FROM view_log")
    assert (viewed["viewer"], viewed["what"]) == ("applicant:AP00000001", "case")


async def test_own_cases_are_paged_newest_first(hall: Hall) -> None:
    filed = [(await hall.file(applicant_phone=A)).number for _ in range(3)]
    who, now = await hall.applicant(A), hall.clock.now()
    rows, end = await own_cases(hall.database, who, now=now, calendar=builtin_calendar(), first=2)
    rest, last = await own_cases(hall.database, who, now=now, calendar=builtin_calendar(), first=2, after=end)
    assert [row["number"] for row in (*rows, *rest)] == filed[::-1]
    assert last is None


def test_every_status_has_its_words_for_the_public() -> None:
    assert set(STATUS_NAMES) == set(Status)
