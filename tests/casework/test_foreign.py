"""Cases of a department's own system: imported once, followed, closed as reported."""

from datetime import date, datetime
from typing import Any

import pytest

from casework.acts import ForeignCaseRow, ForeignStep, ImportForeignCases, ReportForeignSteps, Status
from casework.tables import Case, Step, Task
from kernel.actor import THE_OPERATOR
from kernel.acts import Done
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.refusals import Refusal
from tests.supervision.office import County, local


@pytest.fixture
async def county(database: Database, clock: FakeClock) -> County:
    """Stands at Friday 2026-09-18 09:00."""
    county = County(database, clock)
    await county.settle()
    return county


def row(number: str = "Z-1", **changes: Any) -> ForeignCaseRow:
    """Due on Thursday 2026-09-24 at 17:00."""
    facts: dict[str, Any] = {
        "unit": "ZJ",
        "item_name": "建筑工程施工许可",
        "channel": "self",
        "responsible": "OFF-5",
        "started_at": local("2026-09-17 10:00"),
        "deadline": local("2026-09-24 17:00"),
    }
    return ForeignCaseRow(number=number, **{**facts, **changes})


async def imports(county: County, *rows: ForeignCaseRow) -> Done | Refusal:
    act = ImportForeignCases(source="zj", cases=rows)
    return await county.office.perform(act, THE_OPERATOR, key=None)


async def reports(
    county: County, *steps: tuple[str, str], ended: datetime | None = None, case: str = "Z-1"
) -> Done | Refusal:
    given = tuple(ForeignStep(activity=name, officer="OFF-5", at=local(at)) for name, at in steps)
    act = ReportForeignSteps(case=case, steps=given, ended_at=ended)
    return await county.office.perform(act, THE_OPERATOR, key=None)


async def test_an_imported_case_keeps_the_source_s_deadline_and_gets_one_open_task(county: County):
    await imports(county, row())
    case, task = await Case.get(number="Z-1"), await Task.get()
    assert (case.status, case.channel, case.received_on) == (Status.FOREIGN_OPEN, "self_built", date(2026, 9, 17))
    assert (task.assignee, task.unit_code, task.due_on) == ("OFF-5", "ZJ", date(2026, 9, 24))
    assert task.red_at == local("2026-09-24 17:00")
    assert task.yellow_at == task.next_light_at == local("2026-09-23 00:00")


async def test_a_deadline_with_a_foreign_offset_is_the_same_instant(county: County):
    elsewhere = datetime.fromisoformat("2026-09-24T11:00:00+02:00")
    await imports(county, row("Z-1"), row("Z-2", deadline=elsewhere))
    assert len({str(each["red_at"]) for each in await county.database.rows("SELECT red_at FROM task")}) == 1
    assert len({str(each["sort_at"]) for each in await county.database.rows("SELECT sort_at FROM task")}) == 1


async def test_a_case_that_comes_when_it_is_already_near_its_limit_is_yellow_at_once(county: County):
    await imports(county, row(deadline=local("2026-09-18 17:00")))
    assert (await Task.get()).yellow_at == county.clock.now()
    assert await county.sweep() == 1


async def test_importing_again_changes_nothing(county: County):
    await imports(county, row())
    assert await imports(county, row(item_name="改名"), row("Z-2")) == Done(count=1)
    assert (await Case.get(number="Z-1")).item_name == "建筑工程施工许可"
    assert len(await county.events("case.imported")) == 2


async def test_steps_are_added_in_the_order_of_the_reports(county: County):
    await imports(county, row())
    await reports(county, ("收件", "2026-09-17 10:05"), ("初审", "2026-09-18 08:00"))
    county.wait(hours=1)
    await reports(county, ("复审", "2026-09-18 09:30"))
    assert [(step.seq, step.opinion) for step in await Step.all().order_by("seq")] == [
        (1, "收件"),
        (2, "初审"),
        (3, "复审"),
    ]
    assert len(await county.events("case.foreign_step")) == 3


async def test_the_end_closes_case_and_task_at_the_reported_instant(county: County):
    await imports(county, row())
    county.clock.set(local("2026-09-24 17:00"))
    await reports(county, ended=local("2026-09-24 17:00"))
    case, task = await Case.get(number="Z-1"), await Task.get()
    assert (case.status, case.closed_at) == (Status.FOREIGN_ENDED, local("2026-09-24 17:00"))
    assert task.closed_at == local("2026-09-24 17:00")
    await county.sweep()
    rows = await county.database.rows("SELECT colour FROM light")
    assert [each["colour"] for each in rows] == ["yellow"]  # ended at the very deadline: in time


async def test_an_end_at_the_very_deadline_is_in_time_though_nobody_looked_before(county: County):
    await imports(county, row())
    county.clock.set(local("2026-09-25 09:00"))
    await reports(county, ended=local("2026-09-24 17:00"))
    await county.sweep()
    rows = await county.database.rows("SELECT colour FROM light")
    assert [each["colour"] for each in rows] == ["yellow"]


async def test_a_late_report_of_a_late_end_hides_nothing(county: County):
    await imports(county, row())
    county.clock.set(local("2026-09-28 09:00"))
    await reports(county, ended=local("2026-09-25 10:00"))
    await county.sweep()
    rows = await county.database.rows("SELECT colour FROM light ORDER BY at")
    assert [each["colour"] for each in rows] == ["yellow", "red"]
    assert (await Task.get()).next_light_at is None


async def test_a_second_end_is_ignored(county: County):
    await imports(county, row())
    county.wait(hours=3)
    await reports(county, ended=local("2026-09-18 11:00"))
    await reports(county, ended=local("2026-09-18 12:00"))
    assert (await Case.get(number="Z-1")).closed_at == local("2026-09-18 11:00")
    assert len(await county.events("case.foreign_end")) == 1


@pytest.mark.parametrize("number", ["", "9" * 41])
async def test_a_number_that_cannot_be_kept_is_refused(county: County, number: str):
    outcome = await imports(county, row(number))
    assert isinstance(outcome, Refusal)
    assert outcome.code == "INVALID"


async def test_only_self_built_cases_are_reported_on(county: County):
    await county.late_case("202600000001")
    outcome = await reports(county, ("收件", "2026-09-17 10:05"), case="202600000001")
    assert isinstance(outcome, Refusal)
    assert outcome.code == "UNKNOWN_CASE"
