"""A department's real event log, lived through again in simulated time.

The log's cases are imported and its steps and ends reported as that system would have done it, in the order of time;
at every instant at which a light is due the same sweep runs that the server runs, so each light falls on its own
instant. What happens at one instant happens in this order: cases begin, steps and ends are reported, lights turn; an
end at the very deadline is in time.

Limits: the log's deadlines are taken as they are. A case cannot be reported on before it began, so steps dated before
its start arrive with the start; steps are reported once a day, ends at their instant.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Protocol

import msgspec

from casework.acts import ForeignCaseRow, ForeignStep, ImportForeignCases, ReportForeignSteps, Status
from casework.clock.working_days import CHINA, day_of
from casework.intake.xes import ForeignCase, each_once
from casework.tables import Case
from kernel.actor import THE_CLOCK, THE_OPERATOR, Actor
from kernel.acts import Act, Done
from kernel.clock import FakeClock, as_utc
from kernel.db import Database, instant
from kernel.office import Office
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from supervision.acts import IssueOrders, TurnLights
from supervision.queries import card_tally, light_tally
from supervision.rules import SupervisionRules

_BATCH = 500
_TICK = timedelta(microseconds=1)
_NOBODY = "—"


class DatabaseInUse(Refusal):
    code = "DATABASE_IN_USE"
    zh = "重放须使用空数据库，该库已有办件。"
    en = "A replay needs an empty database; this one holds cases."


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the office found, counted in its own tables."""

    cases: int
    events: int
    officers: int
    finished_in_time: int
    finished_late: int
    open_in_time: int
    open_overdue: int
    yellow_lights: int
    red_lights: int
    cards_proposed: int
    seconds: float


class Watcher(Protocol):
    """Hears how far the replay is."""

    def __call__(self, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The office that lives through the log, its database, and the clock that only the replay moves."""

    office: Office
    database: Database
    clock: FakeClock
    supervision_unit: str = SupervisionRules().supervision_unit


# --------------------------------------------------------------------------------------------------- the script
class Cue(msgspec.Struct, frozen=True):
    """What is performed at one instant."""

    at: datetime
    act: ImportForeignCases | ReportForeignSteps


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A log as acts in the order of time, with the units and officers that occur in it (name to code)."""

    cues: Sequence[Cue]
    units: dict[str, str]
    officers: dict[str, str]
    begins_at: datetime
    until: datetime

    @classmethod
    def of(cls, log: Sequence[ForeignCase], until: datetime | None) -> "Script":
        stop = as_utc(until or max((_last_instant(case) for case in log), default=datetime(2010, 1, 1, tzinfo=CHINA)))
        begun_cases = each_once(case for case in log if case.started_at <= stop)
        cases = sorted(begun_cases, key=lambda case: case.started_at)
        units = _coded("DEP", {case.department or _NOBODY for case in cases})
        resources = {event.resource or _NOBODY for case in cases for event in case.events}
        officers = _coded("OFF", resources | {case.responsible or _NOBODY for case in cases})
        cues = [
            Cue(at, ImportForeignCases(source="xes", cases=tuple(_row(case, units, officers) for case in begun)))
            for at, begun in groupby(cases, key=lambda case: as_utc(case.started_at))
        ]
        cues += [cue for case in cases for cue in _reports(case, stop, officers)]
        cues.sort(key=lambda cue: cue.at)  # stable: at one instant cases begin before anything is reported
        begins_at = cues[0].at if cues else stop
        return cls(cues=cues, units=units, officers=officers, begins_at=begins_at, until=stop)


def _last_instant(case: ForeignCase) -> datetime:
    return max([case.started_at, case.ended_at or case.started_at, *(event.at for event in case.events)])


def _coded(mark: str, names: set[str]) -> dict[str, str]:
    return {name: f"{mark}-{n:04d}" for n, name in enumerate(sorted(names), 1)}


def _row(case: ForeignCase, units: dict[str, str], officers: dict[str, str]) -> ForeignCaseRow:
    return ForeignCaseRow(
        number=case.id,
        unit=units[case.department or _NOBODY],
        item_name="自建系统办件",
        channel=case.channel,
        responsible=officers[case.responsible or _NOBODY],
        started_at=as_utc(case.started_at),
        deadline=as_utc(case.due_at),
    )


def _reports(case: ForeignCase, until: datetime, officers: dict[str, str]) -> Iterator[Cue]:
    """The reports about one case: each day's steps with the last of them, the end at its instant."""
    start = as_utc(case.started_at)
    ended_at = as_utc(case.ended_at) if case.ended_at and case.ended_at <= until else None
    days: dict[tuple[bool, date], list[ForeignStep]] = {}
    for event in sorted(case.events, key=lambda event: event.at):
        if event.at <= until:
            step = ForeignStep(
                activity=event.activity, officer=officers[event.resource or _NOBODY], at=as_utc(event.at)
            )
            is_after_end = ended_at is not None and step.at > ended_at
            days.setdefault((is_after_end, day_of(max(step.at, start))), []).append(step)
    if ended_at is not None:
        told_at = max(ended_at, start)
        last_steps = days.pop((False, day_of(told_at)), [])
        yield Cue(told_at, ReportForeignSteps(case=case.id, steps=tuple(last_steps), ended_at=ended_at))
    for steps in days.values():
        yield Cue(max(steps[-1].at, start), ReportForeignSteps(case=case.id, steps=tuple(steps)))


# ------------------------------------------------------------------------------------------------------ the play
async def play(stage: Stage, script: Script, *, watcher: Watcher | None = None) -> ReplayReport:
    """Performs the script on an empty stage and counts what came of it."""
    begun = time.perf_counter()
    if await Case.exists():
        raise DatabaseInUse()
    await _register(script, stage.supervision_unit)
    for n, cue in enumerate(script.cues, 1):
        if cue.at > stage.clock.now():
            await _turn_lights(stage, before=cue.at)
            stage.clock.set(cue.at)
        await _perform(stage, cue.act, THE_OPERATOR)
        if watcher is not None:
            watcher(n, len(script.cues))
    await _turn_lights(stage, before=script.until + _TICK)
    return await _report(stage.database, seconds=time.perf_counter() - begun)


async def _register(script: Script, supervision: str) -> None:
    """The log's people and departments; nobody of them has a telephone here."""
    await Unit.get_or_create(
        code=supervision, defaults={"name": "行政效能监察室", "short_name": "监察", "kind": "supervision"}
    )
    await Unit.bulk_create(
        [Unit(code=code, name=name[:80], short_name=name[:20], kind="authority") for name, code in script.units.items()]
    )
    # The log does not say where its people work, and nothing here depends on it.
    home = min(script.units.values(), default=supervision)
    await Officer.bulk_create(
        [
            Officer(id=code, name=name[:40], unit_code=home, phone=code, roles=["handler"])
            for name, code in script.officers.items()
        ]
    )


async def _turn_lights(stage: Stage, *, before: datetime) -> None:
    """Sweeps at every instant before `before` at which a light is due, exactly then."""
    while (due := await _next_light(stage.database)) is not None and due < before:
        stage.clock.set(max(due, stage.clock.now()))
        for act in (TurnLights(limit=_BATCH), IssueOrders(limit=_BATCH)):
            while (await _perform(stage, act, THE_CLOCK)).count == _BATCH:
                pass


async def _next_light(database: Database) -> datetime | None:
    [row] = await database.rows("SELECT MIN(next_light_at) AS due FROM task")
    return instant(row["due"])


async def _perform(stage: Stage, act: Act[Done], actor: Actor) -> Done:
    outcome = await stage.office.perform(act, actor, key=None)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


async def _report(database: Database, *, seconds: float) -> ReplayReport:
    """In time is who got no red light."""
    ended = await database.rows(
        "SELECT c.status, r.case_id IS NULL AS in_time, COUNT(*) AS n FROM case_file c"
        " LEFT JOIN light r ON r.case_id = c.id AND r.colour = 'red' GROUP BY c.status, r.case_id IS NULL"
    )
    counts = {(str(row["status"]), bool(row["in_time"])): int(str(row["n"])) for row in ended}
    [steps] = await database.rows("SELECT COUNT(*) AS events, COUNT(DISTINCT officer) AS officers FROM case_step")
    lights, cards = await light_tally(database), await card_tally(database)
    return ReplayReport(
        cases=sum(counts.values()),
        events=int(str(steps["events"])),
        officers=int(str(steps["officers"])),
        finished_in_time=counts.get((Status.FOREIGN_ENDED, True), 0),
        finished_late=counts.get((Status.FOREIGN_ENDED, False), 0),
        open_in_time=counts.get((Status.FOREIGN_OPEN, True), 0),
        open_overdue=counts.get((Status.FOREIGN_OPEN, False), 0),
        yellow_lights=lights.yellow,
        red_lights=lights.red,
        cards_proposed=cards.proposed,
        seconds=round(seconds, 3),
    )
