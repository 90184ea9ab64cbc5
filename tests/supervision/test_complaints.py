"""Complaints of the public: numbered, with a limit, with or without a name; only supervision reads who complained."""

from typing import Any

import pytest

from casework.clock.calendars import builtin_calendar
from casework.intake.query_passwords import query_password
from kernel.actor import ANYBODY, Actor, ActorKind
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.refusals import NotPermitted
from supervision.complaints import (
    ComplaintAbout,
    ComplaintState,
    ComplaintView,
    DecideComplaint,
    FileComplaint,
    QueryComplaint,
    complaints,
)
from tests.hall.office import Hall, code

NAMED: dict[str, Any] = {
    "about": ComplaintAbout.UNIT,
    "subject": "住房和城乡建设局",
    "text": "窗口要求重复提交材料。",
    "name": "李四",
    "phone": "13800000008",
}


@pytest.fixture
async def hall(database: Database, clock: FakeClock) -> Hall:
    hall = Hall(database, clock)
    await hall.settle()
    return hall


async def file(hall: Hall, **changes) -> ComplaintView:
    view = await hall.do(FileComplaint(**{**NAMED, **changes}), ANYBODY)
    assert isinstance(view, ComplaintView), view
    return view


async def listed(hall: Hall, who: str, **more):
    rows, _ = await complaints(
        hall.database, await hall.officer(who), now=hall.clock.now(), calendar=builtin_calendar(), **more
    )
    return rows


async def test_a_complaint_gets_a_number_and_five_working_days_for_the_decision(hall: Hall) -> None:
    filed = await file(hall)
    assert (filed.number, filed.state) == ("TS2026000001", ComplaintState.REGISTERED)
    assert filed.decide_by == builtin_calendar().nth_working_day_after(filed.filed_on, 5)


@pytest.mark.feature("COM-04")
async def test_a_name_needs_a_phone_and_without_a_name_neither_is_needed(hall: Hall) -> None:
    assert code(await hall.do(FileComplaint(**{**NAMED, "phone": ""}), ANYBODY)) == "INVALID"
    anonymous = await file(hall, name="", phone="")
    (row,) = await listed(hall, "JCCLERK")
    assert (row["number"], row["name"], row["phone"]) == (anonymous.number, "", "")


@pytest.mark.parametrize("change", [{"subject": " "}, {"text": ""}, {"text": "字" * 4001}, {"phone": "123"}])
async def test_a_complaint_that_says_nothing_is_refused(hall: Hall, change) -> None:
    assert code(await hall.do(FileComplaint(**{**NAMED, **change}), ANYBODY)) == "INVALID"


@pytest.mark.feature("COM-04")
async def test_only_supervision_reads_complaints(hall: Hall) -> None:
    filed = await file(hall)
    (row,) = await listed(hall, "JCCLERK", state=ComplaintState.REGISTERED)
    assert (row["number"], row["name"], row["subject"], row["is_late"]) == (
        filed.number,
        "李四",
        "住房和城乡建设局",
        False,
    )
    for who in ("HANDLER", "CHIEF", "CLERK"):  # of the unit complained about, and of another
        with pytest.raises(NotPermitted):
            await listed(hall, who)
    bodies = str(await hall.database.rows("SELECT body FROM event"))
    for private in ("李四", "13800000008", "重复提交", "住房和城乡建设局"):
        assert private not in bodies


async def test_a_supervisor_accepts_or_refuses_with_reasons_once(hall: Hall) -> None:
    filed, other = await file(hall), await file(hall)
    officer = await hall.officer("JCCLERK")
    refuse: dict[str, Any] = {"number": other.number, "revision": 1, "accept": False}
    assert code(await hall.do(DecideComplaint(**refuse), officer)) == "INVALID"
    assert code(await hall.do(DecideComplaint(**refuse, reason="。"), await hall.officer("CHIEF"))) == "NOT_PERMITTED"
    assert (
        code(await hall.do(DecideComplaint(**{**refuse, "revision": 4}, reason="。"), officer)) == "CHANGED_MEANWHILE"
    )
    refused = await hall.do(DecideComplaint(**refuse, reason="不属于行政审批事项。"), officer)
    accepted = await hall.do(DecideComplaint(number=filed.number, revision=1, accept=True), officer)
    assert (refused.state, accepted.state) == (ComplaintState.REFUSED, ComplaintState.ACCEPTED)
    again = DecideComplaint(number=filed.number, revision=2, accept=False, reason="改主意。")
    assert code(await hall.do(again, officer)) == "COMPLAINT_ALREADY_DECIDED"
    assert await listed(hall, "JCLEADER", state=ComplaintState.REGISTERED) == []


async def test_a_complaint_nobody_decided_is_late_after_the_fifth_working_day(hall: Hall) -> None:
    filed = await file(hall)
    hall.at(f"{filed.decide_by} 23:59")
    assert [row["is_late"] for row in await listed(hall, "JCCLERK")] == [False]
    hall.at("2026-09-30 00:00")
    assert [row["is_late"] for row in await listed(hall, "JCCLERK")] == [True]


async def test_whoever_complained_asks_by_number_from_their_phone_or_with_the_password(hall: Hall) -> None:
    filed = await file(hall)
    phone = Actor(kind=ActorKind.ANONYMOUS, id="p", phone=NAMED["phone"])
    assert (await hall.do(QueryComplaint(number=filed.number.lower()), phone)).number == filed.number
    assert code(await hall.do(QueryComplaint(number=filed.number), ANYBODY)) == "QUERY_PASSWORD_NEEDED"
    wrong = QueryComplaint(number=filed.number, password="000000x")
    assert code(await hall.do(wrong, ANYBODY)) == "QUERY_PASSWORD_WRONG"
    right = QueryComplaint(number=filed.number, password=query_password(hall.secrets, filed.number))
    assert (await hall.do(right, ANYBODY)).state is ComplaintState.REGISTERED
    assert code(await hall.do(QueryComplaint(number="TS2026999999"), ANYBODY)) == "UNKNOWN_COMPLAINT"
