"""The rows of one part beside what is held: a few statements however many rows.

Rows that wait are released by the row they waited for, at once, or by the clock after 24 hours, with a mark.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from msgspec import Struct

from casework.clock.working_days import Calendar, day_of
from ferry.exchange.acts import ReleaseHeldRows
from ferry.exchange.cases import project
from ferry.exchange.codes import HandlingKind, Op, Table
from ferry.exchange.faults import Verdict, verdict_of
from ferry.exchange.reading import Seen
from ferry.exchange.rules import HOLD, CaseKnown, Filing, Known, Sender, enter, judge_alone, judge_known, needed
from ferry.exchange.standard import Key, Read, decode_payload, encode_payload
from ferry.exchange.tables import ExchangeBatch, ExchangeSender
from kernel.acts import Done
from kernel.db import Row, SqlValue, chunks, instant_of
from kernel.work import Work
from supervision.events import ReportSuspect

_AT_ONCE = 500
_COLUMNS = (
    *("source_system", "projid", "table_name", "number", "version", "rid", "op", "org", "region", "event_time"),
    *("sent_time", "day", "batch_id", "received_at", "digest", "payload", "flags", "state", "held_until"),
    "superseded",
)


class _Fresh(Struct, kw_only=True):
    """A row of this part that will be written."""

    read: Read
    codes: tuple[str, ...]
    held: bool
    superseded: bool = False


class Desk:
    """One part under examination. `touched`: the cases whose valid rows changed."""

    def __init__(self, work: Work, batch: ExchangeBatch, sender: ExchangeSender, calendar: Calendar) -> None:
        self._work, self._batch, self._row, self._calendar = work, batch, sender, calendar
        self._sender = Sender(source_system=sender.source_system, org=sender.org, region=sender.region)
        self.filing = Filing(unit=sender.unit_code, org=sender.org)
        self._cases: dict[str, CaseKnown] = {}
        self._rids: dict[str, str] = {}
        self._ids: dict[tuple[str, Key], int] = {}
        self._fresh: dict[tuple[str, Key], list[_Fresh]] = {}
        self._superseded: set[int] = set()
        self.touched: set[str] = set()

    async def take(self, seen: Sequence[Seen]) -> list[tuple[str, ...]]:
        """Judges the rows in order, writes what is taken, and answers the codes of each."""
        reads = [each.read for each in seen if each.read is not None]
        await self._look_up(reads)
        answers = [self._judge(each) for each in seen]
        await self._release(sorted(self.touched))
        await self._write()
        return answers

    def _judge(self, seen: Seen) -> tuple[str, ...]:
        read = seen.read
        if read is None:
            return _distinct(finding.code for finding in seen.findings)
        known = self._cases[read.envelope.projid]
        findings = judge_alone(
            read, sender=self._sender, batch=self._batch.batch, made_at=self._batch.made_at, calendar=self._calendar
        )
        findings += judge_known(read, known, self._rids, closed_on=self._row.closed_on)
        codes = _distinct(finding.code for finding in findings)
        verdict = verdict_of(codes)
        if verdict in (Verdict.REJECTED, Verdict.IGNORED):
            return codes
        place = (read.envelope.projid, read.key)
        if place in self._ids:
            self._superseded.add(self._ids[place])
        for older in self._fresh.get(place, ()):
            older.superseded = True
        is_held = verdict is Verdict.HELD
        enter(read, known, held=is_held)
        self._rids[read.envelope.rid] = read.digest
        self._fresh.setdefault(place, []).append(_Fresh(read=read, codes=codes, held=is_held))
        self.touched.add(read.envelope.projid)
        return codes

    # ------------------------------------------------------------------------------------------------- what is held
    async def _look_up(self, reads: Sequence[Read]) -> None:
        database, source = self._work.database, self._batch.source_system
        projids = sorted({read.envelope.projid for read in reads})
        self._cases = {projid: CaseKnown(rows={}) for projid in projids}
        for part in chunks(projids, _AT_ONCE):
            marks = _marks(part, first=2)
            for row in await database.rows(
                "SELECT id, projid, table_name, number, version, rid, digest, event_time, org, op, state,"
                " CASE WHEN state = 'held' THEN payload END AS payload"
                f" FROM exchange_record WHERE source_system = $1 AND projid IN ({marks}) AND superseded = FALSE",
                source,
                *part,
            ):
                projid, key = str(row["projid"]), (Table(str(row["table_name"])), int(str(row["number"])))
                self._cases[projid].rows[key] = _known(row)
                self._ids[projid, key] = int(str(row["id"]))
            for row in await database.rows(
                "SELECT projid, handling, promise_date, extended_no FROM exchange_case"
                f" WHERE source_system = $1 AND projid IN ({marks})",
                source,
                *part,
            ):
                case = self._cases[str(row["projid"])]
                case.handling = HandlingKind(str(row["handling"])) if row["handling"] else None
                case.due_on = _day(row["promise_date"])
                case.extended = int(str(row["extended_no"])) if row["extended_no"] is not None else None
        for rids in chunks(sorted({read.envelope.rid for read in reads}), _AT_ONCE):
            for row in await database.rows(
                "SELECT rid, digest FROM exchange_record"
                f" WHERE source_system = $1 AND rid IN ({_marks(rids, first=2)})",
                source,
                *rids,
            ):
                self._rids[str(row["rid"])] = str(row["digest"])

    # ----------------------------------------------------------------------------------------------- rows that waited
    async def _release(self, projids: Iterable[str]) -> None:
        """Whoever waited for a row that is here now waits no longer; it may itself be what another waited for."""
        for projid in projids:
            known = self._cases[projid]
            while ready := [(key, before) for key, before in _waiting(known) if before is not None]:
                for key, before in ready:
                    row = known.rows[key]
                    row.held = False
                    mark = "TIME_BACKWARDS" if row.event_time < before.event_time else ""
                    await self._set_free(projid, key, mark)

    async def _set_free(self, projid: str, key: Key, mark: str) -> None:
        fresh = self._fresh.get((projid, key))
        if fresh:
            fresh[-1].held = False
            fresh[-1].codes = _distinct([*fresh[-1].codes, *([mark] if mark else ())])
            return
        await self._work.database.execute(
            "UPDATE exchange_record SET state = 'kept', held_until = NULL,"
            " flags = CASE WHEN $1 = '' THEN flags WHEN flags = '' THEN $1 ELSE flags || ',' || $1 END WHERE id = $2",
            mark,
            self._ids[projid, key],
        )

    # ---------------------------------------------------------------------------------------------------- what is new
    async def _write(self) -> None:
        database, now = self._work.database, self._work.now
        for ids in chunks(sorted(self._superseded), _AT_ONCE):
            await database.execute(
                f"UPDATE exchange_record SET superseded = TRUE, held_until = NULL WHERE id IN ({_marks(ids, first=1)})",
                *ids,
            )
        fresh = [row for rows in self._fresh.values() for row in rows]
        await database.insert("exchange_record", _COLUMNS, [self._columns(row, now) for row in fresh])
        days: dict[tuple[str, date], list[int]] = {}
        for row in fresh:
            unit = self.filing.unit_of(row.read.envelope.org, row.read.envelope.region)
            counted = days.setdefault((unit, day_of(row.read.envelope.event_time)), [0, 0])
            counted[0] += 1
            counted[1] += bool(_flags(row.codes))
        await database.insert(
            "reported_day",
            ("source", "unit_code", "day", "rows", "flagged"),
            [(self._batch.source_system, unit, day, *counted) for (unit, day), counted in sorted(days.items())],
            tail="ON CONFLICT (source, unit_code, day) DO UPDATE SET rows = reported_day.rows + excluded.rows,"
            " flagged = reported_day.flagged + excluded.flagged",
        )

    def _columns(self, row: _Fresh, now: datetime) -> tuple[SqlValue, ...]:
        envelope = row.read.envelope
        return (
            envelope.source_system,
            envelope.projid,
            str(envelope.table),
            envelope.no,
            envelope.version,
            envelope.rid,
            str(envelope.op),
            envelope.org,
            envelope.region,
            envelope.event_time,
            envelope.sent_time,
            day_of(envelope.event_time),
            self._batch.id,
            now,
            row.read.digest,
            encode_payload(row.read.payload).decode(),
            ",".join(_flags(row.codes)),
            "held" if row.held else "kept",
            now + HOLD if row.held and not row.superseded else None,
            row.superseded,
        )


async def release_held_rows(work: Work, act: ReleaseHeldRows) -> Done:
    """24 hours are over: the rows count as they are, marked, and supervision is told per system."""
    rows = await work.database.rows(
        "SELECT r.id, r.source_system, r.projid, r.flags, b.batch, s.unit_code, s.org FROM exchange_record r"
        " JOIN exchange_batch b ON b.id = r.batch_id JOIN exchange_sender s ON s.source_system = r.source_system"
        f" WHERE r.held_until <= $1 ORDER BY r.held_until, r.id LIMIT {int(act.limit)}",
        work.now,
    )
    groups: dict[tuple[str, str, str, str], set[str]] = {}
    counts: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        flags = ",".join(filter(None, (str(row["flags"]), "ORDER_BROKEN")))
        await work.database.execute(
            "UPDATE exchange_record SET state = 'kept', held_until = NULL, flags = $1 WHERE id = $2",
            flags,
            int(str(row["id"])),
        )
        group = (str(row["source_system"]), str(row["batch"]), str(row["unit_code"]), str(row["org"]))
        groups.setdefault(group, set()).add(str(row["projid"]))
        counts[group] = counts.get(group, 0) + 1
    for (source, batch, unit, org), projids in groups.items():
        await project(work, source, Filing(unit=unit, org=org), sorted(projids))
        many_rows = counts[source, batch, unit, org]
        work.record(
            ReportSuspect(report=source, unit=unit or org, batch=batch, rows=many_rows, codes=("ORDER_BROKEN",))
        )
    return Done(count=len(rows))


# ------------------------------------------------------------------------------------------------------------- below
def _waiting(known: CaseKnown) -> list[tuple[Key, Known | None]]:
    return [(key, known.before(key, row.needs)) for key, row in known.rows.items() if row.held and row.needs]


def _known(row: Row) -> Known:
    table, held = Table(str(row["table_name"])), row["state"] == "held"
    return Known(
        rid=str(row["rid"]),
        version=int(str(row["version"])),
        digest=str(row["digest"]),
        event_time=instant_of(row["event_time"]),
        org=str(row["org"]),
        op=Op(str(row["op"])),
        held=held,
        needs=needed(table, decode_payload(table, str(row["payload"]).encode())) if held else None,
    )


def _flags(codes: Iterable[str]) -> list[str]:
    """What stays with the row: that it waited is over when it no longer waits."""
    return [code for code in codes if code != "ORDER_HELD"]


def _distinct(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))


def _marks(values: Sequence[object], *, first: int) -> str:
    return ", ".join(f"${n}" for n in range(first, first + len(values)))


def _day(value: object) -> date | None:
    return None if value is None else date.fromisoformat(str(value)[:10])
