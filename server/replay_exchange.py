"""A department's real event log, told day by day as any system that reports does, in simulated time.

The department's system is registered and certified. At the end of each working day what happened on it, and on the
days of rest before it, goes into a signed batch as `zhangban exchange from-log` writes it, an empty one if nothing
did, and is taken by the acts that take every batch; at one instant before lights turn. Who is late is judged by the
standard's limit, the end of a working day (ADR 0042); of cases of other systems no cards are proposed.

Limits: one system with one organisation, whatever departments the log names; days are told until the log ends, or
until the end that is asked for.
"""

import io
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from casework.clock.working_days import Calendar, day_of, end_of_day, start_of_day
from casework.intake.xes import ForeignCase, each_once
from ferry.exchange import credentials, logs
from ferry.exchange.acts import ReleaseHeldRows, TurnReportedLights, WatchDays
from ferry.exchange.codes import Table
from ferry.exchange.faults import Verdict
from ferry.exchange.payloads import Step
from ferry.exchange.rules import Sender
from ferry.exchange.standard import decode_payload
from ferry.exchange.tables import ExchangeBatch, ExchangeCase
from kernel.clock import FakeClock, as_utc
from kernel.db import Database
from kernel.refusals import Refusal
from server import exchange_desk
from server.replay import (
    BATCH,
    NEVER,
    Clockwork,
    ExchangeCourse,
    ReplayReport,
    Stage,
    Watcher,
    instants_of,
    live,
)
from server.wiring import System
from supervision.events import ReportedLightTurned
from supervision.queries import card_tally
from supervision.region import reporting_systems


class LogTooLong(Refusal):
    code = "LOG_TOO_LONG"
    zh = "重放到{until}，超出本系统CA的有效期（至{ends}），请用更早的 --until。"
    en = "The replay goes on until {until}, and the office's CA ends on {ends}; say an earlier --until."


#: As whom the log speaks: it does not say whose it is.
SENDER = Sender(source_system="XES", org="XES", region="430421")
_NAME = "自建系统（事件日志）"
_DAY = timedelta(days=1)
_PAGE = 5000
#: The server's own: rows that waited long enough, lights, days that are missing.
CLOCKWORK = Clockwork(
    "SELECT MIN(at) AS due FROM (SELECT MIN(held_until) AS at FROM exchange_record"
    " UNION ALL SELECT MIN(next_light_at) FROM exchange_case"
    " UNION ALL SELECT MIN(watch_due_at) FROM exchange_sender) turns",
    (ReleaseHeldRows(limit=BATCH), TurnReportedLights(limit=BATCH), WatchDays(limit=BATCH)),
)


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch tells: of these local days, and about which cases something happened on them."""

    since: date
    day: date
    cases: Sequence[ForeignCase]


class Diary(msgspec.Struct, frozen=True, kw_only=True):
    """A log by local days: on each the places in the log of the cases about which something happened."""

    log: Sequence[ForeignCase]
    days: Mapping[date, Sequence[int]]

    @classmethod
    def of(cls, log: Sequence[ForeignCase]) -> "Diary":
        """Raises LOG_WITHOUT_DEADLINE and LOG_CASE_TWICE before anything is told."""
        days: dict[date, list[int]] = {}
        for place, case in enumerate(each_once(log)):
            _ = case.due_at  # of every case, also of those that nobody will be told of
            for day in {day_of(at) for at in instants_of(case)}:
                days.setdefault(day, []).append(place)
        return cls(log=log, days=days)

    @property
    def begins_at(self) -> datetime:
        return start_of_day(min(self.days)) if self.days else as_utc(NEVER)

    def tellings(self, calendar: Calendar, until: datetime | None) -> Iterator[Telling]:
        """A working day's, with the days of rest before it, until the log or the given time has ended."""
        since, last = day_of(self.begins_at), max(self.days, default=date.min)
        while self.days and (until is not None or since <= last):
            day = calendar.next_working_day(since - _DAY)
            if until is not None and end_of_day(day) > until:
                return
            span = [since + n * _DAY for n in range((day - since).days + 1)]
            places = sorted({place for each in span for place in self.days.get(each, ())})
            yield Telling(since=since, day=day, cases=[self.log[place] for place in places])
            since = day + _DAY


class Department:
    """The log's system: the key that it made, and the certificate that the office gave it."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._chain: tuple[x509.Certificate, ...] = ()
        self.rows = 0
        self.unsayable = 0
        self.unsayable_codes: Counter[str] = Counter()

    async def register(self) -> None:
        organisation = self._system.settings.certs.organisation
        request = credentials.request_of(SENDER, self._key, organisation=organisation)
        view = await exchange_desk.add_sender(self._system, SENDER, name=_NAME, unit="", request=request)
        chain = exchange_desk.chain_of(self._system, view.certificate)
        self._chain = tuple(x509.load_pem_x509_certificates(chain))

    async def tell(self, telling: Telling) -> None:
        """Writes the batch and hands it to the office, under a new certificate where the old one is about to end."""
        system, now = self._system, self._system.clock.now()
        if now > self._chain[0].not_valid_after_utc - _DAY:
            await exchange_desk.revoke_sender(system, SENDER.source_system)
            await self.register()
        portion = logs.Portion(
            sender=SENDER, batch=f"{telling.day:%Y%m%d}", since=telling.since, until=telling.day, made_at=now
        )
        with io.BytesIO() as batch:
            told = logs.write_log(batch, telling.cases, portion, system.calendar, self._key, self._chain)
            batch.seek(0)
            await exchange_desk.take(system, batch)
        self.rows += told.rows
        self.unsayable += told.verdicts.get(Verdict.REJECTED, 0)
        self.unsayable_codes.update(code for _, _, code in {(fact.line, fact.rid, fact.code) for fact in told.facts})


async def play(
    system: System, clock: FakeClock, diary: Diary, until: datetime | None, *, watcher: Watcher | None = None
) -> ReplayReport:
    """Tells the log to an empty office, whose clock stands where the diary begins, and counts what came of it."""
    begun = time.perf_counter()
    stage = Stage(office=system.office, database=system.database, clock=clock)
    await stage.refuse_used()
    tellings = list(diary.tellings(system.calendar, until))
    department = Department(system)
    scenes = [(end_of_day(telling.day), partial(department.tell, telling)) for telling in tellings]
    ends_at = as_utc(until) if until else scenes[-1][0] if scenes else diary.begins_at
    if ends_at > (ca_ends := system.authority.issuing.not_valid_after_utc):
        raise LogTooLong(until=day_of(ends_at).isoformat(), ends=day_of(ca_ends).isoformat())
    await department.register()
    await live(stage, scenes, CLOCKWORK, until=ends_at, watcher=watcher)
    while await system.courier.deliver():  # what supervision finds, it is told by events
        pass
    return await _report(system, department, seconds=time.perf_counter() - begun)


# ------------------------------------------------------------------------------------------------------------- below
async def _report(system: System, department: Department, *, seconds: float) -> ReplayReport:
    """In time is who got no red light."""
    cases = Counter[tuple[bool, bool]]()
    without_limit = 0
    for case in await ExchangeCase.all():
        if case.due_on is None:
            without_limit += 1
        else:
            is_red = case.said_at is not None and case.red_at is not None and case.said_at >= case.red_at
            cases[case.ended_at is not None, is_red] += 1
    lights = await _lights(system)
    events, officers = await _steps(system.database)
    return ReplayReport(
        cases=cases.total() + without_limit,
        events=events,
        officers=officers,
        finished_in_time=cases[True, False],
        finished_late=cases[True, True],
        open_in_time=cases[False, False],
        open_overdue=cases[False, True],
        yellow_lights=lights["yellow"],
        red_lights=lights["red"],
        cards_proposed=(await card_tally(system.database)).proposed,
        seconds=round(seconds, 3),
        exchange=await _course(system.database, department, without_limit),
    )


async def _course(database: Database, department: Department, without_limit: int) -> ExchangeCourse:
    batches = await ExchangeBatch.all()
    (sender,) = await reporting_systems(database)
    marks = Counter[str]()
    for row in await database.rows("SELECT flags, COUNT(*) AS n FROM exchange_record WHERE flags <> '' GROUP BY flags"):
        marks.update(dict.fromkeys(str(row["flags"]).split(","), int(str(row["n"]))))
    (waiting,) = await database.rows("SELECT COUNT(*) AS n FROM exchange_record WHERE state = 'held'")
    findings = await database.rows("SELECT kind, COUNT(*) AS n FROM finding GROUP BY kind ORDER BY kind")
    complete_until = sender["complete_until"]
    return ExchangeCourse(
        batches=len(batches),
        rows=department.rows,
        accepted=sum(batch.accepted for batch in batches),
        flagged=sum(batch.flagged for batch in batches),
        held=sum(batch.held for batch in batches),
        ignored=sum(batch.ignored for batch in batches),
        rejected=sum(batch.rejected for batch in batches),
        unsayable=department.unsayable,
        unsayable_codes=dict(sorted(department.unsayable_codes.items())),
        waiting=int(str(waiting["n"])),
        marks=dict(sorted(marks.items())),
        cases_without_limit=without_limit,
        days_missing=int(str(sender["missing_days"])),
        drifts=sum(batch.drifts for batch in batches),
        complete_until=complete_until if isinstance(complete_until, date) else None,
        findings={str(row["kind"]): int(str(row["n"])) for row in findings},
    )


async def _lights(system: System) -> Counter[str]:
    """Those that were announced, by colour."""
    tag = str(ReportedLightTurned.__struct_config__.tag)
    rows = await system.database.rows("SELECT body FROM event WHERE tag = $1", tag)
    turned = (system.codec.decode(tag, str(row["body"])) for row in rows)
    return Counter(event.colour for event in turned if isinstance(event, ReportedLightTurned))


async def _steps(database: Database) -> tuple[int, int]:
    """How many steps are held, and of how many officers."""
    count, last, officers = 0, 0, set[str]()
    while page := await database.rows(
        "SELECT id, payload FROM exchange_record WHERE table_name = $1 AND superseded = FALSE AND id > $2"
        f" ORDER BY id LIMIT {_PAGE}",
        str(Table.STEP),
        last,
    ):
        count, last = count + len(page), int(str(page[-1]["id"]))
        for row in page:
            step = decode_payload(Table.STEP, str(row["payload"]).encode())
            assert isinstance(step, Step)
            officers.add(step.officer_name)
    return count, len(officers)
