"""The clock of a case: stoppage, extension, lights that move with the due date."""

from datetime import date

import pytest

from casework.acts import CheckCalendar, ExtendClock, ResumeClock, StopClock
from casework.clock.ledger import StopGround
from casework.tables import Case, ClockEntry, Document, Task
from kernel.acts import Done
from kernel.tables import EventRow
from tests.casework.town import person


async def _stop(town, number: str, days: int, ground: StopGround = StopGround.EXPERT_REVIEW):
    revision = (await Case.get(number=number)).revision
    act = StopClock(case=number, revision=revision, ground=ground, told_days=days, reason="需专家评审")
    return await town.do(act, person("HANDLER"))


@pytest.mark.feature("CLK-03")
async def test_an_article_45_procedure_stops_the_clock_with_a_written_notice(town):
    number = await town.accepted()
    town.at("2026-09-22")
    await _stop(town, number, 9)
    town.at("2026-10-12")
    revision = (await Case.get(number=number)).revision
    await town.do(ResumeClock(case=number, revision=revision), person("HANDLER"))
    case = await Case.get(number=number)
    assert case.committed_due == date(2026, 11, 4)
    notice = await Document.get(kind="special_procedure")
    assert "专家评审" in notice.html
    assert str((await Task.get(closed_at=None)).due_on) == "2026-11-04"


async def test_a_stoppage_that_tells_no_time_is_refused(town):
    number = await town.accepted()
    assert (await _stop(town, number, 0)).code == "STOPPAGE_UNNOTIFIED"


@pytest.mark.feature("CLK-05")
async def test_an_extension_is_ten_working_days_once_by_the_head_with_its_reason(town):
    number = await town.accepted()
    revision = (await Case.get(number=number)).revision

    def extend(days: int = 10, reason: str = "案情复杂", who: str = "CHIEF", revision: int = revision):
        return town.do(ExtendClock(case=number, revision=revision, days=days, reason=reason), person(who))

    assert (await extend(11)).code == "EXTENSION_TOO_LONG"
    assert (await extend(reason=" ")).code == "EXTENSION_UNEXPLAINED"
    assert (await extend(who="HANDLER")).code == "NOT_PERMITTED"
    assert not await Document.exists(kind="extension")
    assert (await extend()).committed_due == date(2026, 11, 5)
    assert "案情复杂" in (await Document.get(kind="extension")).html
    assert (await extend(revision=revision + 1)).code == "ALREADY_EXTENDED"


async def test_nobody_stops_a_clock_for_good_without_reason_or_after_its_end(town):
    number = await town.accepted()
    assert (await _stop(town, number, 3000)).code == "STOPPAGE_TOO_LONG"
    revision = (await Case.get(number=number)).revision
    silent = StopClock(case=number, revision=revision, ground=StopGround.TESTING, told_days=5, reason=" ")
    assert (await town.do(silent, person("HANDLER"))).code == "REASON_MISSING"
    town.at("2026-10-23")
    assert (await _stop(town, number, 5)).code == "STOPPAGE_TOO_LATE"
    assert not await Document.exists(kind="special_procedure")


async def test_a_moved_due_date_moves_the_lights(town):
    number = await town.accepted()
    revision = (await Case.get(number=number)).revision
    await town.do(ExtendClock(case=number, revision=revision, days=10, reason="案情复杂"), person("CHIEF"))
    task = await Task.get(closed_at=None)
    # due 2026-11-05: yellow one working day before at 00:00, red when the due day has ended, in Shanghai
    assert str(task.yellow_at) == "2026-11-03 16:00:00+00:00"
    assert str(task.red_at) == "2026-11-05 16:00:00+00:00"
    assert task.next_light_at == task.yellow_at


async def test_every_ledger_line_names_who_made_it(town):
    number = await town.accepted()
    await _stop(town, number, 5)
    lines = await ClockEntry.all().order_by("seq")
    assert [line.actor for line in lines] == ["officer:CLERK", "officer:HANDLER"]
    assert await EventRow.filter(tag="case.clock_stopped").count() == 1


async def test_a_clock_that_does_not_run_cannot_be_stopped(town):
    filed = await town.file()
    assert (await _stop(town, filed.number, 5)).code == "CLOCK_NOT_RUNNING"


@pytest.mark.feature("CLK-10")
async def test_from_november_the_missing_arrangement_of_next_year_is_alarmed_once(town):
    town.at("2026-10-31")
    assert await town.do(CheckCalendar()) == Done(count=0)
    town.at("2026-11-01")
    assert await town.do(CheckCalendar()) == Done(count=1)
    assert await EventRow.filter(subject="calendar:2027", tag="calendar.provisional").count() == 1
    town.at("2026-11-02")
    assert await town.do(CheckCalendar()) == Done(count=0)


@pytest.mark.feature("CLK-10")
async def test_a_clock_that_reaches_a_year_without_arrangement_is_marked_and_never_raises(town):
    town.at("2026-12-10")
    case = await Case.get(number=await town.accepted())
    assert case.due_provisional is True
    assert str(case.committed_due) > "2027-01-01"
