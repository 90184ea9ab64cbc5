"""The loops of a running server: they outlive failures, stop when told, and the clock's own acts come in time."""

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from casework.acts import Channel, DeemAccepted, FileApplication, FiledView, MaterialGiven, Status
from casework.catalogue.definitions import Material
from casework.seed import items
from casework.tables import Case, Task
from kernel.actor import ANYBODY, THE_CLOCK
from kernel.acts import Done
from kernel.clock import FakeClock
from kernel.refusals import Busy, Refusal
from server import processes
from server.desk import load_county
from server.processes import (
    CLOCKWORK,
    Pace,
    Stop,
    Timer,
    deliver_events,
    keep_time,
    listening,
    running,
    until_stopped,
)
from server.settings import DatabaseSettings, Settings
from server.wiring import System, open_system
from supervision.acts import TurnLights
from tests.contracts.sources import ROOT

BRISK = Pace(courier_s=0.01, timer_s=0.01)


# -------------------------------------------------------------------------------------------------------- the loops
async def test_a_loop_outlives_its_failures_and_names_their_cause(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processes, "_AFTER_FAILURE_S", 0.001)
    stop, turns = Stop(), 0

    async def turn() -> bool:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise LookupError("nothing there\nDETAIL: Key (to_phone)=(13800138000) already exists.")
        if turns == 2:
            raise ExceptionGroup("unhandled", [ExceptionGroup("again", [OSError("cut")]), ValueError("other")])
        if turns == 5:
            stop()
        return True

    with capture_logs() as logs:
        await asyncio.wait_for(until_stopped(stop, "courier", turn, pause_s=0.0), 60)
    assert turns == 5
    assert [(log["loop"], log["kind"], log["fault"]) for log in logs] == [
        ("courier", "LookupError", "nothing there"),
        ("courier", "OSError", "cut"),
    ]


async def test_a_busy_loop_does_not_pause_and_an_idle_one_does():
    stop, begun = Stop(), asyncio.get_running_loop().time()
    left = 50

    async def turn() -> bool:
        nonlocal left
        left -= 1
        return left > 0

    loop = asyncio.create_task(until_stopped(stop, "x", turn, pause_s=60.0))
    async with asyncio.timeout(50):  # less than one pause
        while left:  # noqa: ASYNC110  the loop has no bell
            await asyncio.sleep(0.001)
    stop()
    await loop
    assert asyncio.get_running_loop().time() - begun < 60


async def test_what_runs_beside_a_block_ends_with_it():
    stop, ended = Stop(), []

    async def loop(name: str) -> None:
        await stop.event.wait()
        ended.append(name)

    async with running(loop("courier"), loop("timer"), stop=stop):
        await asyncio.sleep(0)
        assert not stop.said
    assert sorted(ended) == ["courier", "timer"]


# -------------------------------------------------------------------------------------------------------- the timer
class Ledger:
    """An office that performs nothing and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Done | Refusal | Exception] = {}

    async def perform(self, act, actor, *, key):
        assert (actor, key) == (THE_CLOCK, None)
        name = type(act).__name__
        self.asked.append(name)
        answer = self.answers.get(name, Done(count=1))
        if isinstance(answer, Exception) and not isinstance(answer, Refusal):
            raise answer
        return answer

    def told(self) -> list[str]:
        told, self.asked = self.asked, []
        return told


def timer(clock: FakeClock) -> tuple[Timer, Ledger]:
    ledger = Ledger()
    return Timer(SimpleNamespace(clock=clock, office=ledger)), ledger  # type: ignore[arg-type]  # nothing else is used


def due_after(rest: timedelta) -> list[str]:
    return [type(act).__name__ for act, rests in CLOCKWORK if rests <= rest]


async def test_each_act_of_the_clock_rests_as_long_as_the_table_says(clock: FakeClock):
    ticking, ledger = timer(clock)
    assert await ticking.tick() == len(CLOCKWORK)
    assert ledger.told() == due_after(timedelta.max)
    for rest in (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)):
        clock.advance(rest)
        assert await ticking.tick() == len(due_after(rest))
        assert ledger.told() == due_after(rest)
    clock.advance(timedelta(days=40))
    await ticking.tick()
    assert ledger.told() == due_after(timedelta.max)


async def test_a_clock_that_is_set_back_does_not_stop_the_acts_of_the_clock(clock: FakeClock):
    ticking, ledger = timer(clock)
    await ticking.tick()
    ledger.told()
    ticking._system = SimpleNamespace(clock=FakeClock(clock.now() - timedelta(days=1)), office=ledger)  # type: ignore[assignment]  # as above
    await ticking.tick()
    assert ledger.told() == due_after(timedelta.max)
    await ticking.tick()
    assert ledger.told() == due_after(timedelta(0))


async def test_an_act_of_the_clock_that_fails_delays_no_other(clock: FakeClock):
    ticking, ledger = timer(clock)
    ledger.answers = {"DeemAccepted": KeyError("one bad case"), "TurnLights": Busy()}
    with capture_logs() as logs:
        assert await ticking.tick() == len(CLOCKWORK) - 2
    assert ledger.told() == due_after(timedelta.max)
    assert [(log["act"], log.get("kind", log.get("code"))) for log in logs] == [
        ("DeemAccepted", "KeyError"),
        ("TurnLights", "BUSY"),
    ]
    await ticking.tick()
    assert ledger.told() == due_after(timedelta(0))


# ----------------------------------------------------------------------------------------------- in a whole system
@asynccontextmanager
async def county(folder: Path, url: str, clock: FakeClock) -> AsyncIterator[System]:
    settings = Settings(data_dir=folder / "var", database=DatabaseSettings(url=url))
    async with open_system(settings, clock=clock) as system:
        await load_county(system)
        yield system


async def filed(system: System) -> str:
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
    return outcome.number


async def until(is_so) -> None:
    async with asyncio.timeout(60):
        while not await is_so():  # noqa: ASYNC110  the database has no bell
            await asyncio.sleep(0.01)


async def test_silence_lights_and_texts_come_by_themselves(tmp_path: Path, installed_url: str, clock: FakeClock):
    async with county(tmp_path, installed_url, clock) as system:
        number = await filed(system)
        stop, woken = Stop(), asyncio.Event()
        loops = (keep_time(system, stop, BRISK), deliver_events(system, stop, BRISK, delivered=woken.set))
        async with running(*loops, stop=stop):
            await asyncio.wait_for(woken.wait(), 60)

            async def accepted() -> bool:
                return await Case.exists(number=number, status=Status.IN_APPROVAL)

            assert not await accepted()
            case = await Case.get(number=number)
            move(clock, case.deemed_at)
            await until(accepted)
            task = await Task.get(case_id=case.id, closed_at=None)
            move(clock, task.yellow_at)
            await until(lambda: has_light(system, "yellow"))
            move(clock, task.case_red_at or task.red_at)
            await until(lambda: has_light(system, "red"))
            await until(lambda: has_text(system, "T03"))
        assert stop.said


def move(clock: FakeClock, to: datetime | None) -> None:
    assert to is not None
    clock.set(to)


async def has_light(system: System, colour: str) -> bool:
    return bool(await system.database.rows("SELECT 1 AS there FROM light WHERE colour = $1", colour))


async def has_text(system: System, template: str) -> bool:
    return bool(await system.database.rows("SELECT 1 AS there FROM message WHERE template LIKE $1", f"{template}%"))


def test_the_clock_performs_deemed_acceptance_and_lights_at_every_turn():
    rests = {type(act): rest for act, rest in CLOCKWORK}
    assert rests[DeemAccepted] == rests[TurnLights] == timedelta(0)


def test_warnings_of_carriers_stand_in_the_log_with_their_time():
    told = subprocess.run(
        [sys.executable, "-c", "from server.serve import *; date_warnings(); logging.getLogger('sms').warning('down')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[WARNING\] down\n", told.stderr)


def test_the_body_of_an_answer_does_not_wait_until_its_head_is_acknowledged():
    with listening("127.0.0.1", 0) as door, socket.create_connection(door.getsockname()) as _:
        connection, _ = door.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
