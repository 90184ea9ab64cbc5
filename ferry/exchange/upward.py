"""A level tells the level above what it supervises: its own cases, and what came from below, without anybody's doing.

Events mark what is due; a report takes what is due and not yet said, signed for the level above, and one report is on
its way at a time, so every case's rows arrive in order. After each day another proves by its tallies that all of it
was said. A row from below goes on under our name, with its system's name before its numbers, because case numbers of
two systems may coincide. A level above never hears of secret cases, and nothing goes back where it came from.

Limits: a row is said once under its number; a report that the level above refuses is made anew, with new signature.
"""

import hashlib
import io
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import msgspec

from casework.clock.working_days import CHINA, day_of
from ferry.exchange.answers import Answer
from ferry.exchange.codes import Table
from ferry.exchange.events import BatchTaken
from ferry.exchange.own_cases import Voice, rows_of
from ferry.exchange.package import Package
from ferry.exchange.reports import Speaker, batch_name, packed, passed_on, said_again
from ferry.exchange.standard import Read, decode
from ferry.exchange.tables import ExchangeBatch
from ferry.exchange.tallies import Counted, Tally, tallied
from ferry.exchange.upward_tables import ExchangeReport
from kernel.clock import Clock
from kernel.db import Database, Row, chunks, instant_of
from kernel.events import Event, Recorded
from kernel.outbox import Consumer
from kernel.rows import change, one
from kernel.work import Work

log = logging.getLogger(__name__)

#: Cases, and rows from below, of one report.
_CASES, _ROWS = 200, 4000
_AT_ONCE = 500
#: After midnight, until what happened before it is certainly marked as due.
_GRACE = timedelta(minutes=5)
#: Pauses between attempts; the last goes on.
RETRY_AFTER = tuple(timedelta(seconds=each) for each in (2, 10, 60, 300, 900))
_MOST_REASONS = 1000
#: Longer than an answer may take: until then nobody else sends the same.
_LEASE = timedelta(minutes=3)
#: How long a report that was taken whole is shown.
_KEPT = timedelta(days=90)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class NotTaken(Exception):
    """`code`: ours for what is in the way, theirs for what they said. `anew`: this very package will never be taken."""

    def __init__(self, code: str, *, anew: bool = False) -> None:
        super().__init__(code)
        self.code, self.anew = code, anew


class Way(Protocol):
    """How a package gets to the level above."""

    async def send(self, package: bytes, sha256: str) -> Answer | None:
        """The answer; None: it comes later, by itself. Raises NotTaken."""


# ------------------------------------------------------------------------------------------------------- what is due
def consumer(events: Iterable[type[Event]], *, own: str) -> Consumer:
    """Marks every case about which something happened, and every batch that is in. `own`: our name above."""

    async def due(work: Work, events: Sequence[Recorded]) -> None:
        found = [each for recorded in events if (each := await _due_of(recorded, own)) is not None]
        await _mark(work.database, found, work.now)

    wants = tuple(each for each in events if each.about == "case" or each is BatchTaken)
    return Consumer(name="reports", wants=wants, handle_all=due)


async def _due_of(recorded: Recorded, own: str) -> tuple[str, str] | None:
    about, _, number = recorded.subject.partition(":")
    if not isinstance(recorded.event, BatchTaken):
        return ("case", number) if about == "case" else None
    if recorded.event.exchange == own:
        return None
    batch = await one(ExchangeBatch, source_system=recorded.event.exchange, batch=recorded.event.batch)
    return ("batch", f"{batch.id}:0") if batch is not None else None


async def _mark(database: Database, due: Iterable[tuple[str, str]], now: datetime) -> None:
    """In one order, so that nobody waits for whoever waits for him; batches as they came, by their numbers."""
    rows = [(kind, name, now) for kind, name in sorted(set(due), key=lambda each: (each[0], len(each[1]), each[1]))]
    await database.insert("exchange_due", ("kind", "name", "at"), rows, tail="ON CONFLICT DO NOTHING")


# ------------------------------------------------------------------------------------------------------ the reporter
class Reporter:
    """One system's reports to the level above. `speaker` is asked for at every report: certificates are renewed."""

    def __init__(self, database: Database, clock: Clock, way: Way, speaker: Callable[[], Speaker]) -> None:
        self._database, self._clock, self._way, self._speaker = database, clock, way, speaker
        self._begun = False

    async def turn(self) -> bool:
        """Makes or sends the next report; whether it did something. Raises what `speaker` raises."""
        now = self._clock.now()
        if not self._begun:
            await self._begin(now)
        report = await _next()
        if report is None:
            return await self._made(now)
        if report.state == "under_way" or report.due_at > now:
            return False
        if report.state == "refused":
            await self._make_anew(report, now)
            return True
        if not await self._note(report, due_at=now + _LEASE):
            return False  # another process sends it
        try:
            answer = await self._way.send(bytes(report.package), report.sha256)
        except NotTaken as fault:
            await self._put_off(report, fault, now)
            return False
        if answer is None:
            await self._note(report, state="under_way", attempts=report.attempts + 1, error="")
        else:
            async with self._database.transaction():
                await settle(self._database, report.sha256, answer, now=now)
        return True

    async def _begin(self, now: datetime) -> None:
        """The first time everything that is here is due."""
        async with self._database.transaction():
            if not await ExchangeReport.all().exists():
                await self._database.execute(
                    "INSERT INTO exchange_due (kind, name, at) SELECT 'case', number, $1 FROM case_file"
                    " WHERE secret = FALSE ORDER BY LENGTH(number), number ON CONFLICT DO NOTHING",
                    now,
                )
                own, _ = self._speaker().voice
                batches = await self._database.rows(
                    "SELECT id FROM exchange_batch WHERE complete_at IS NOT NULL AND source_system <> $1 ORDER BY id",
                    own,
                )
                await _mark(self._database, [("batch", f"{row['id']}:0") for row in batches], now)
        self._begun = True

    # ------------------------------------------------------------------------------------------------------- making
    async def _made(self, now: datetime) -> bool:
        local = now.astimezone(CHINA)
        if local - local.replace(hour=0, minute=0, second=0, microsecond=0) < _GRACE:
            return False
        closed, yesterday = await self._closed(), day_of(now) - timedelta(days=1)
        # What is told in the course of a day names the last day that is closed: its own would pass for reported.
        day, closes = (closed, None) if closed is not None and closed >= yesterday else (yesterday, yesterday)
        if closes is None and not await self._is_more_due():
            return False
        speaker = self._speaker()
        own, region = speaker.voice
        voice = Voice(source_system=own, region=region, batch=batch_name(day_of(now)), sent_time=now)
        async with self._database.transaction():
            due = await self._database.rows(
                "DELETE FROM exchange_due WHERE id IN (SELECT id FROM exchange_due ORDER BY id LIMIT"
                f" {_CASES}) RETURNING id, kind, name"
            )
            due.sort(key=lambda each: int(str(each["id"])))
            rows = [row async for row in self._rows(due, voice, now)]
            # A day is closed only by the report that leaves nothing of it unsaid.
            if closes is not None and await self._is_more_due():
                day, closes = closed or closes - timedelta(days=1), None
            if not rows and closes is None:
                return bool(due)
            await self._say(rows, now)
            tallies = await self._tallies(await self._days(rows, until=closes or closed, closing=closes is not None))
            await self._keep(rows, tallies, voice, speaker, day=day, closes=closes, now=now)
            if closes is not None:
                await self._database.execute(
                    "DELETE FROM exchange_report WHERE state = 'taken' AND rejected = 0 AND made_at < $1", now - _KEPT
                )
        return True

    async def _rows(self, due: Sequence[Row], voice: Voice, now: datetime) -> AsyncIterator[Read]:
        """What is due and was not said, each case's rows in their order."""
        numbers = sorted(str(row["name"]) for row in due if row["kind"] == "case")
        async for case in rows_of(self._database, voice, numbers):
            for row in await self._unsaid(case):
                yield row
        room = _ROWS
        for each in due:
            if each["kind"] != "batch":
                continue
            batch, _, after = str(each["name"]).partition(":")
            found = (
                await self._database.rows(
                    f"SELECT * FROM exchange_record WHERE batch_id = $1 AND id > $2 ORDER BY id LIMIT {_ROWS}",
                    int(batch),
                    int(after),
                )
                if room > 0
                else []
            )
            room -= len(found)
            if len(found) == _ROWS or room <= 0:
                last = int(str(found[-1]["id"])) if found else int(after)
                await _mark(self._database, [("batch", f"{batch}:{last}")], now)
            for row in await self._unsaid([passed_on(row, voice) for row in found]):
                yield row

    async def _unsaid(self, rows: Sequence[Read]) -> list[Read]:
        said: set[str] = set()
        for part in chunks([row.envelope.rid for row in rows], _AT_ONCE):
            marks = ", ".join(f"${n}" for n in range(1, len(part) + 1))
            found = await self._database.rows(f"SELECT rid FROM exchange_said WHERE rid IN ({marks})", *part)
            said |= {str(row["rid"]) for row in found}
        return [row for row in rows if row.envelope.rid not in said]

    async def _is_more_due(self) -> bool:
        return bool(await self._database.rows("SELECT id FROM exchange_due LIMIT 1"))

    async def _say(self, rows: Sequence[Read], now: datetime) -> None:
        await self._database.insert(
            "exchange_said",
            ("rid", "projid", "table_name", "number", "version", "org", "day", "said_at"),
            [
                (
                    row.envelope.rid,
                    row.envelope.projid,
                    str(row.envelope.table),
                    row.envelope.no,
                    row.envelope.version,
                    row.envelope.org,
                    day_of(row.envelope.event_time),
                    now,
                )
                for row in rows
            ],
            tail="ON CONFLICT DO NOTHING",
        )

    async def _keep(
        self,
        rows: Sequence[Read],
        tallies: Sequence[Tally],
        voice: Voice,
        speaker: Speaker,
        *,
        day: date,
        closes: date | None,
        now: datetime,
    ) -> None:
        package = packed(rows, tallies, speaker, batch=voice.batch, day=day, now=now)
        await ExchangeReport.create(
            batch=voice.batch,
            day=day,
            closes=closes,
            package=package,
            sha256=hashlib.sha256(package).hexdigest(),
            rows=len(rows),
            made_at=now,
            state="waiting",
            due_at=now,
        )

    # ------------------------------------------------------------------------------------------------------ closing
    async def _closed(self) -> date | None:
        """Until which day everything was proved."""
        (last,) = await self._database.rows("SELECT MAX(closes) AS day FROM exchange_report")
        return _day(last["day"]) if last["day"] is not None else None

    async def _days(self, rows: Sequence[Read], *, until: date | None, closing: bool) -> list[date]:
        """The days this report must prove: when it closes one, all of which something was said since the last proof;
        and those proved before of which it says more."""
        days = {day_of(row.envelope.event_time) for row in rows}
        if closing:
            (last,) = await self._database.rows(
                "SELECT MAX(made_at) AS at FROM exchange_report WHERE closes IS NOT NULL"
            )
            since = instant_of(last["at"]) if last["at"] is not None else _EVER
            found = await self._database.rows("SELECT DISTINCT day FROM exchange_said WHERE said_at >= $1", since)
            days |= {_day(row["day"]) for row in found}
        return sorted(day for day in days if until is not None and day <= until)

    async def _tallies(self, days: Sequence[date]) -> list[Tally]:
        if not days:
            return []
        marks = ", ".join(f"${n}" for n in range(1, len(days) + 1))
        found = await self._database.rows(
            "SELECT s.rid, s.projid, s.table_name, s.org, s.day, s.version FROM exchange_said s"
            f" WHERE s.day IN ({marks})"
            " AND NOT EXISTS (SELECT 1 FROM exchange_said n WHERE n.projid = s.projid"
            " AND n.table_name = s.table_name AND n.number = s.number AND n.version > s.version)",
            *days,
        )
        return tallied(
            Counted(
                str(row["org"]),
                Table(str(row["table_name"])),
                _day(row["day"]),
                str(row["projid"]),
                str(row["rid"]),
                int(str(row["version"])),
            )
            for row in found
        )

    # ------------------------------------------------------------------------------------------------------- sending
    async def _put_off(self, report: ExchangeReport, fault: NotTaken, now: datetime) -> None:
        pause = RETRY_AFTER[min(report.attempts, len(RETRY_AFTER) - 1)]
        state = "refused" if fault.anew else "waiting"
        log.warning("exchange: report %s was not taken: %s", report.batch, fault.code)
        await self._note(report, state=state, attempts=report.attempts + 1, error=fault.code[:60], due_at=now + pause)

    async def _make_anew(self, report: ExchangeReport, now: datetime) -> None:
        """The same rows under a new name and today's certificate."""
        speaker, package = self._speaker(), Package(io.BytesIO(bytes(report.package)))
        own, _ = speaker.voice
        batch = batch_name(day_of(now))
        lines = [line for _, octets in package.parts() for line in octets.splitlines()]
        rows = [said_again(decode(line), own, batch, now) for line in lines]
        octets = packed(rows, package.manifest.tallies, speaker, batch=batch, day=report.day, now=now)
        sha256 = hashlib.sha256(octets).hexdigest()
        await self._note(report, batch=batch, package=octets, sha256=sha256, made_at=now, state="waiting", due_at=now)

    async def _note(self, report: ExchangeReport, **changes: object) -> bool:
        """Unless another process was faster."""
        as_it_was = {"id": report.id, "state": report.state, "sha256": report.sha256, "due_at": report.due_at}
        async with self._database.transaction():
            noted = await change(ExchangeReport, as_it_was, **changes) == 1
        for name, value in changes.items() if noted else ():
            setattr(report, name, value)
        return noted


async def settle(database: Database, sha256: str, answer: Answer | str, *, now: datetime) -> None:
    """What the level above said of a package, in the caller's transaction. A str: the code of its refusal."""
    report = await ExchangeReport.filter(sha256=sha256).order_by("-id").first()
    if report is None or report.state == "taken":
        return
    if isinstance(answer, str):
        pause = RETRY_AFTER[min(report.attempts, len(RETRY_AFTER) - 1)]
        await ExchangeReport.filter(id=report.id).update(state="refused", error=answer[:60], due_at=now + pause)
        return
    reasons = [each for each in answer.receipts if each.verdict == "rejected"][:_MOST_REASONS]
    await ExchangeReport.filter(id=report.id).update(
        state="taken",
        package=b"",
        error="",
        answered_at=now,
        rejected=answer.rejected,
        flagged=answer.flagged,
        drifts=answer.drifts,
        reasons=msgspec.json.encode(reasons).decode() if reasons else "",
    )


# ------------------------------------------------------------------------------------------------------------- below
async def _next() -> ExchangeReport | None:
    return await ExchangeReport.filter(state__in=("waiting", "under_way", "refused")).order_by("id").first()


def _day(value: object) -> date:
    return date.fromisoformat(str(value)[:10])
