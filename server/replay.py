"""A department's real event log, lived through again in simulated time.

The log's cases are imported and its steps and ends reported as that system would have done it, in the order of time;
at every instant at which a light is due the same sweep runs that the server runs, so each light falls on its own
instant. What happens at one instant happens in this order: cases begin, steps and ends are reported, lights turn; an
end at the very deadline is in time.

Limits: the log's deadlines are taken as they are. A case cannot be reported on before it began, so steps dated before
its start arrive with the start; steps are reported once a day, ends at their instant. In `server.replay_exchange` the
same log is told as any system that reports does, and judged by the standard's days.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Protocol

import msgspec

from casework.acts import ForeignCaseRow, ForeignStep, ImportForeignCases, ReportForeignSteps, Status
from casework.clock.working_days import CHINA, day_of
from casework.intake.xes import ForeignCase, each_once
from casework.tables import Case
from ferry.exchange.tables import ExchangeSender
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

#: Of one of the clock's acts at a time.
BATCH = 500
_TICK = timedelta(microseconds=1)
_NOBODY = "—"
#: When an empty log plays.
NEVER = datetime(2010, 1, 1, tzinfo=CHINA)


class DatabaseInUse(Refusal):
    code = "DATABASE_IN_USE"
    zh = "重放须使用空数据库，该库已有办件或报送系统。"
    en = "A replay needs an empty database; this one holds cases, or systems that report some."


class ExchangeCourse(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a log that was told in batches.

    `rows`: what the log says, which is the verdicts of intake and `unsayable` together; `unsayable_codes`: why, a row
    may have several. `waiting`: rows held that still wait. `marks`: of rows that were taken, a row may bear several.
    """

    batches: int
    rows: int
    accepted: int
    flagged: int
    held: int
    ignored: int
    rejected: int
    unsayable: int
    unsayable_codes: dict[str, int]
    waiting: int
    marks: dict[str, int]
    cases_without_limit: int
    days_missing: int
    drifts: int
    complete_until: date | None
    findings: dict[str, int]


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the office found, counted in its own tables. `exchange`: of a log that was told by it."""

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
    exchange: ExchangeCourse | None = None


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

    async def perform(self, act: Act[Done], actor: Actor) -> Done:
        outcome = await self.office.perform(act, actor, key=None)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def refuse_used(self) -> None:
        """Raises DATABASE_IN_USE."""
        if await Case.exists() or await ExchangeSender.exists():
            raise DatabaseInUse()


#: What happens at one instant.
Scene = tuple[datetime, Callable[[], Awaitable[object]]]


class Clockwork(msgspec.Struct, frozen=True):
    """The clock's acts that a replay needs, each with its limit, and by SQL the next instant (`due`) that one has."""

    due: str
    acts: tuple[Act[Done], ...]


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
        stop = as_utc(until or max((at for case in log for at in instants_of(case)), default=NEVER))
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


def instants_of(case: ForeignCase) -> list[datetime]:
    """When something happened about it."""
    return [case.started_at, *([case.ended_at] if case.ended_at else []), *(event.at for event in case.events)]


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
CLOCKWORK = Clockwork("SELECT MIN(next_light_at) AS due FROM task", (TurnLights(limit=BATCH), IssueOrders(limit=BATCH)))


async def play(stage: Stage, script: Script, *, watcher: Watcher | None = None) -> ReplayReport:
    """Performs the script on an empty stage and counts what came of it."""
    begun = time.perf_counter()
    await stage.refuse_used()
    await _register(script, stage.supervision_unit)
    scenes = [(cue.at, partial(stage.perform, cue.act, THE_OPERATOR)) for cue in script.cues]
    await live(stage, scenes, CLOCKWORK, until=script.until, watcher=watcher)
    return await _report(stage.database, seconds=time.perf_counter() - begun)


async def live(
    stage: Stage, scenes: Sequence[Scene], clockwork: Clockwork, *, until: datetime, watcher: Watcher | None
) -> None:
    """Lives through the scenes, which are in the order of time; the clock's acts are done when they are due, at one
    instant after what else happens, and until the end."""
    for n, (at, happen) in enumerate(scenes, 1):
        if at > stage.clock.now():
            await _keep_time(stage, clockwork, before=at)
            stage.clock.set(at)
        await happen()
        if watcher is not None:
            watcher(n, len(scenes))
    await _keep_time(stage, clockwork, before=until + _TICK)


async def _keep_time(stage: Stage, clockwork: Clockwork, *, before: datetime) -> None:
    """Does what is due at every instant before `before`, exactly then."""
    while (due := await _next_due(stage.database, clockwork)) is not None and due < before:
        stage.clock.set(max(due, stage.clock.now()))
        for act in clockwork.acts:
            while (await stage.perform(act, THE_CLOCK)).count == BATCH:
                pass


async def _next_due(database: Database, clockwork: Clockwork) -> datetime | None:
    [row] = await database.rows(clockwork.due)
    return instant(row["due"])


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
