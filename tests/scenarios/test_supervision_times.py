"""How soon supervision knows and acts: the timer and the courier at the pace of `serve`, on a clock that runs.

The clock may be set forward to just before something is due; from there on nobody calls anything, and seconds are
real.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casework.acts import Channel, FileApplication, FiledView, MaterialGiven
from casework.catalogue.definitions import Material
from casework.seed import items
from casework.tables import Case, Task
from kernel.actor import ANYBODY
from kernel.clock import SystemClock
from server.desk import load_county
from server.processes import Pace, Stop, deliver_events, keep_time, running
from server.settings import DatabaseSettings, Settings
from server.wiring import System, open_system
from supervision.queries import course_of
from supervision.tables import Card, ExplanationTask, Finding, LightRow, SupervisionOrder
from tests.scenarios.server_process import until

BEFORE = timedelta(seconds=0.5)


class RunningClock:
    """Runs as fast as the real one, from an instant of the test's choice."""

    def __init__(self, start: datetime) -> None:
        self.set(start)

    def now(self) -> datetime:
        return SystemClock().now() + self._ahead

    def set(self, instant: datetime) -> None:
        self._ahead = instant - SystemClock().now()


@asynccontextmanager
async def office(folder: Path, url: str, clock: RunningClock) -> AsyncIterator[System]:
    """A county whose loops run."""
    settings = Settings(data_dir=folder / "var", database=DatabaseSettings(url=url))
    async with open_system(settings, clock=clock) as system:
        await load_county(system)
        stop, pace = Stop(), Pace()
        loops = (keep_time(system, stop, pace), deliver_events(system, stop, pace, delivered=lambda: None))
        async with running(*loops, stop=stop):
            yield system


@pytest.fixture
def running_clock() -> RunningClock:
    """Friday 2026-09-18 09:00 in Shanghai."""
    return RunningClock(datetime(2026, 9, 18, 1, 0, tzinfo=UTC))


async def filed(system: System) -> Case:
    item = max(items(), key=lambda item: item.stages[0].committed_limit_days or 0)
    stage = item.stages[0]
    act = FileApplication(
        item=item.code,
        stage=stage.code,
        applicant_name="衡江远大建设有限公司",
        applicant_id_number="91990426MA00000001",
        applicant_phone="13811110001",
        channel=Channel.ONLINE,
        materials=tuple(MaterialGiven(name=each.name) for each in stage.materials if isinstance(each, Material)),
    )
    outcome = await system.office.perform(act, ANYBODY, key="one")
    assert isinstance(outcome, FiledView), outcome
    return await Case.get(number=outcome.number)


async def passed(clock: RunningClock, due: datetime | None, is_so: Callable[[], Awaitable[bool]]) -> timedelta:
    """Sets the clock just before `due` and answers how long after it `is_so`, as the office's clock has it."""
    assert due is not None
    clock.set(due - BEFORE)
    await until(is_so)
    return clock.now() - due


@pytest.mark.feature("MON-01")
async def test_what_happens_to_a_case_is_with_supervision_within_five_seconds_and_nobody_types_it_in(
    tmp_path: Path, installed_url: str, running_clock: RunningClock
):
    async with office(tmp_path, installed_url, running_clock) as system:
        begun = running_clock.now()
        case = await filed(system)
        assert "case.filed" in [row["tag"] for row in await course_of(system.database, case.number)]
        assert running_clock.now() - begun < timedelta(seconds=5)

        async def is_noted() -> bool:
            return await Finding.exists(case_number=case.number, kind="silence")

        assert await passed(running_clock, case.deemed_at, is_noted) < timedelta(seconds=5)
        course = [(row["tag"], row["finding"]) for row in await course_of(system.database, case.number)]
        assert ("case.accepted", "silence") in course
        assert ("supervision.finding", None) in course


@pytest.mark.feature("MON-03")
@pytest.mark.feature("CARD-01")
async def test_a_case_over_its_limit_has_light_order_and_proposed_card_within_seconds(
    tmp_path: Path, installed_url: str, running_clock: RunningClock
):
    async with office(tmp_path, installed_url, running_clock) as system:
        case = await filed(system)

        async def is_accepted() -> bool:
            return await Task.filter(case_id=case.id, closed_at=None).exclude(red_at=None).exists()

        await passed(running_clock, case.deemed_at, is_accepted)
        task = await Task.get(case_id=case.id, closed_at=None)
        red_at = task.case_red_at or task.red_at
        assert red_at is not None

        async def has_all() -> bool:
            return (
                await LightRow.exists(case_id=case.id, colour="red", at=red_at)
                and await SupervisionOrder.exists(case_id=case.id)
                and await ExplanationTask.exists(case_id=case.id)
                and await Card.exists(case_id=case.id, state="proposed", ground="over_committed_limit")
                and await has_texts(system, "T03", "T05")
            )

        assert await passed(running_clock, red_at, has_all) < timedelta(seconds=10)
        card = await Card.get(case_id=case.id, ground="over_committed_limit")
        assert timedelta(0) <= card.proposed_at - red_at < timedelta(seconds=10)


async def has_texts(system: System, *templates: str) -> bool:
    rows = await system.database.rows("SELECT DISTINCT template FROM message")
    return all(any(str(row["template"]).startswith(template) for row in rows) for template in templates)
