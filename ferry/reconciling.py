"""The daily reconciliation: past midnight each side closes a ledger of what it sent, and both compare it.

The sender tells its account of the day; the receiver compares, and answers its own as soon as everything is there, or
when the time for it is over; the sender compares too. What is under way until then is open, and afterwards different.
An account is told again when it has changed, so that a side restored from a backup comes out, and is set right. One
way there is no answer: the receiver alone compares. A verdict stands in the log, with a seal over both accounts.

Limits: days are compared again for a week while they are equal, and as long as parcels are kept while they are not.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType

import msgspec

from alerts.states import as_int
from casework.clock.working_days import day_of, end_of_day
from ferry import accounts
from ferry.accounts import Span
from ferry.lanes import Lane
from ferry.ledger import (
    AT_ONCE,
    PER_PART,
    Account,
    Difference,
    Kind,
    LedgerPart,
    compared,
    digest_of,
    missing_of,
)
from ferry.ledger_tables import FerryLedger, FerryLedgerPart
from ferry.orders import AboutFerry, Routes
from ferry.outgoing import hand_over
from ferry.records import Direction, Envelope, RecordType
from ferry.refusals import RecordMalformed
from ferry.station import Route
from kernel.acts import Act, Done
from kernel.db import Database, chunks, instant
from kernel.events import Event
from kernel.work import Work

log = logging.getLogger(__name__)

LEDGER = "ledger.day"
OUT, IN = "out", "in"
#: After midnight, until what was numbered before it is committed.
_GRACE = timedelta(minutes=5)
#: How often a day is compared again that is not equal, or is.
_SOON, _SELDOM = timedelta(seconds=50), timedelta(hours=1)
#: Before so many looks nobody is late: a clock that jumps over the hours has not waited for anybody.
_LOOKS = 3
_AGAIN_DAYS = 7
#: An account that keeps changing is told no oftener.
_RETOLD = timedelta(minutes=10)
_KEPT = timedelta(days=3 * 365)
_MOST_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Way:
    """Of one peer: which directions there are, how long a parcel may take, and how long parcels are kept."""

    sends: bool = True
    takes: bool = True
    late_after: timedelta = timedelta(hours=2)
    keep: timedelta = timedelta(days=35)


@dataclass(frozen=True, kw_only=True)
class LedgerRules:
    ways: Mapping[str, Way] = field(default_factory=lambda: MappingProxyType({}))


class ReconcileFerry(Act[Done], frozen=True, tag="ferry.reconcile"):
    """The clock's act: closes the past day, compares with the other sides, tells them."""


class FerryLedgerCompared(AboutFerry, frozen=True, tag="ferry.ledger_compared"):
    """`seal`: SHA-256 over both accounts and what came of them; `differences`: the first few, as JSON."""

    way: str
    day: date
    state: str
    seal: str
    differences: str


EVENTS: tuple[type[Event], ...] = (FerryLedgerCompared,)


def ledger_records(peer: str) -> list[RecordType]:
    """What two sides tell each other of a day; `peer`: the other one."""

    async def arrived(database: Database, now: datetime, envelope: Envelope) -> None:
        part = envelope.body
        assert isinstance(part, LedgerPart)
        if part.part > part.parts or not all(each.is_sound for each in part.stretches):
            raise RecordMalformed(why="ledger")
        body = msgspec.json.encode(part).decode()
        row = (peer, part.account, part.day, part.stamp, part.part, part.parts, body)
        columns = ("peer", "account", "day", "stamp", "part", "parts", "body")
        await database.insert("ferry_ledger_part", columns, [row], tail="ON CONFLICT DO NOTHING")

    return [RecordType(name=LEDGER, direction=Direction.EITHER, lane=Lane.CTL, struct=LedgerPart, apply=arrived)]


async def reconcile_ferry(work: Work, act: ReconcileFerry) -> Done:
    rules, count = work.given(LedgerRules), 0
    for route in work.given(Routes).routes:
        book = _Book(work, route, rules.ways.get(route.peer, Way()))
        fault = await work.apart(book.reconcile)
        if fault is not None:
            log.error("ferry: no ledger with %s can be closed: %s", route.peer, type(fault).__name__)
        else:
            count += book.done
    return Done(count=count)


def past_day(now: datetime) -> date:
    """The last day whose ledger may be closed."""
    return day_of(now - _GRACE) - timedelta(days=1)


def seal_of(row: FerryLedger) -> str:
    said = [row.peer, row.way, str(row.day)[:10], row.ours, row.theirs, row.state, row.differences]
    return _digest(json.dumps(said, ensure_ascii=False))


async def accept(peer: str, day: date) -> int:
    """Two officers know of these differences and their cause, which nothing mends; of others somebody hears again.

    In the caller's transaction; of how many directions they are.
    """
    rows = await FerryLedger.filter(peer=peer, day=day, state="different")
    for row in rows:
        row.accepted, row.compared_at = _digest(row.differences), None
        await row.save()
    return len(rows)


# ------------------------------------------------------------------------------------------------------------ below


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Book:
    """The ledgers of one peer, within one act."""

    def __init__(self, work: Work, route: Route, way: Way) -> None:
        self._work, self._database, self._now = work, work.database, work.now
        self._route, self._peer, self._way = route, route.peer, way
        #: Days that were told, or got another verdict.
        self.done = 0

    async def reconcile(self) -> None:
        # Another process that keeps time waits here, and finds it done.
        await self._database.execute("UPDATE ferry_peer SET peer = peer WHERE peer = $1", self._peer)
        await self._close()
        await self._gather()
        await self._expect()
        for row in await self._due():
            self.done += await self._compare(row)

    # ------------------------------------------------------------------------------------------------- which days
    async def _close(self) -> None:
        """Fixes the numbers of the days that are over."""
        if not self._way.sends:
            return
        last = await self._last(OUT)
        until, first = past_day(self._now), last is None
        day = last.day + timedelta(days=1) if last else until
        reached = json.loads(last.reached) if last else {}
        while day <= until:
            # What was numbered on several days on which nobody kept time is all of the last one's.
            if until - day < timedelta(days=_AGAIN_DAYS):
                spans, reached = await accounts.spans_of(self._database, self._peer, day, reached, is_first=first)
                written = msgspec.json.encode(spans).decode()
                row = FerryLedger(peer=self._peer, way=OUT, day=day, opened_at=self._now, spans=written)
                row.reached = json.dumps(reached)
                await row.save()
                first = False
            day += timedelta(days=1)
        await FerryLedger.filter(peer=self._peer, day__lt=until - _KEPT).delete()
        await FerryLedgerPart.filter(peer=self._peer, day__lt=until - self._way.keep).delete()

    async def _gather(self) -> None:
        """Puts together the accounts of which every part is here; the newest of a day counts."""
        whole = await self._database.rows(
            "SELECT account, day, stamp FROM ferry_ledger_part WHERE peer = $1 GROUP BY account, day, stamp"
            " HAVING COUNT(*) = MIN(parts) ORDER BY stamp",
            self._peer,
        )
        for found in whole:
            account, day, stamp = str(found["account"]), date.fromisoformat(str(found["day"])[:10]), found["stamp"]
            which = (self._peer, account, day, as_int(stamp))
            where = "WHERE peer = $1 AND account = $2 AND day = $3 AND stamp"
            parts = await self._database.rows(f"SELECT body FROM ferry_ledger_part {where} = $4 ORDER BY part", *which)
            await self._database.execute(f"DELETE FROM ferry_ledger_part {where} <= $4", *which)
            await self._take(account, day, as_int(stamp), [str(part["body"]) for part in parts])

    async def _take(self, account: str, day: date, stamp: int, bodies: Sequence[str]) -> None:
        parts = [msgspec.json.decode(body, type=LedgerPart) for body in bodies]
        whole = Account(stretches=tuple(each for part in parts for each in part.stretches), aside=parts[0].aside)
        way = IN if account == "sent" else OUT
        row = await FerryLedger.get_or_none(peer=self._peer, way=way, day=day)
        if row is None and way == IN and day <= day_of(self._now) + timedelta(days=1):
            row = FerryLedger(peer=self._peer, way=way, day=day, opened_at=self._now)
        # An answer to a day that we do not know was to a ledger that went with a backup.
        if row is None or stamp <= row.their_stamp:
            return
        row.theirs, row.their_stamp, row.compared_at = msgspec.json.encode(whole).decode(), stamp, None
        if way == IN:
            row.spans, row.told = msgspec.json.encode(accounts.claimed(whole)).decode(), ""
        await row.save()

    async def _expect(self) -> None:
        """Of a peer that has ever told a ledger, one of every day is due."""
        last = await self._last(IN)
        if last is None or not self._way.takes:
            return
        until = past_day(self._now)
        day = max(last.day + timedelta(days=1), until - timedelta(days=_AGAIN_DAYS))
        while day <= until:
            await FerryLedger.create(peer=self._peer, way=IN, day=day, opened_at=self._now)
            day += timedelta(days=1)

    async def _last(self, way: str) -> FerryLedger | None:
        return await FerryLedger.filter(peer=self._peer, way=way).order_by("-day").first()

    async def _due(self) -> list[FerryLedger]:
        """Those to be compared now. Of parcels that are forgotten nothing can be made anew."""
        today = day_of(self._now)
        kept = FerryLedger.filter(peer=self._peer, day__gt=today - self._way.keep + timedelta(days=1))
        rows = await kept.order_by("day", "way").all()
        # A side that was restored from a backup takes back what it acknowledged: those days are looked at at once.
        (oldest,) = await self._database.rows(
            "SELECT MIN(assigned_at) AS at FROM ferry_parcel WHERE peer = $1 AND state IN ('assigned', 'sealed')",
            self._peer,
        )
        since = instant(oldest["at"]) if self._way.takes else None
        open_from = day_of(since) if since is not None else date.max
        return [row for row in rows if self._is_due(row, today, is_open=row.way == OUT and row.day >= open_from)]

    def _is_due(self, row: FerryLedger, today: date, *, is_open: bool) -> bool:
        if row.compared_at is None or row.compared_at > self._now:
            return True
        is_settled = row.state in ("equal", "accepted", "alone") and not is_open
        if is_settled and today - row.day > timedelta(days=_AGAIN_DAYS):
            return False
        return self._now - row.compared_at >= (_SELDOM if is_settled else _SOON)

    # -------------------------------------------------------------------------------------------------- comparing
    async def _compare(self, row: FerryLedger) -> bool:
        # Whoever was switched off at midnight has as long from when it opened the day's ledger.
        late = row.looks >= _LOOKS and self._now >= max(end_of_day(row.day), row.opened_at) + self._way.late_after
        row.looks += 1
        ours, found = await (self._sent(row) if row.way == OUT else self._taken(row))
        state = "equal" if not found else "open"
        if any(late or each.kind in AT_ONCE for each in found):
            state = "different"
        if row.way == OUT and not self._way.takes:
            state, found = "alone", []
        differences = msgspec.json.encode(found[:_MOST_SHOWN]).decode()
        if state == "different" and row.accepted == _digest(differences):
            state = "accepted"
        told = await self._tell(row, ours, is_whole=not found, is_final=state != "open")
        row.ours, row.state = msgspec.json.encode(ours).decode(), state
        row.differences, row.compared_at, before = differences, self._now, row.seal
        row.seal = "" if state == "open" else seal_of(row)
        await row.save()
        if row.seal in ("", before):
            return told
        if state == "different":
            log.error("ferry: the ledgers of %s with %s differ (%s)", row.day, self._peer, row.way)
        shown = msgspec.json.encode(found[:5]).decode()
        self._work.record(
            FerryLedgerCompared(
                ferry=self._peer, way=row.way, day=row.day, state=state, seal=row.seal, differences=shown
            )
        )
        return True

    async def _sent(self, row: FerryLedger) -> tuple[Account, list[Difference]]:
        spans = msgspec.json.decode(row.spans, type=list[Span])
        sent = await accounts.sent(self._database, self._peer, row.day, spans)
        if not row.theirs:
            return sent.account, [Difference(kind=Kind.UNHEARD)]
        found = compared(sent.account, msgspec.json.decode(row.theirs, type=Account))
        # A receiver that was restored from a backup has answered before, and lacks what it had then.
        return sent.account, found or missing_of(sent.under_way)

    async def _taken(self, row: FerryLedger) -> tuple[Account, list[Difference]]:
        claim = msgspec.json.decode(row.theirs, type=Account) if row.theirs else Account()
        taken = await accounts.taken(self._database, self._peer, row.day, claim)
        found = compared(claim, taken)
        return taken, found if row.theirs else [Difference(kind=Kind.UNHEARD), *found]

    async def _tell(self, row: FerryLedger, ours: Account, *, is_whole: bool, is_final: bool) -> bool:
        """Hands our account over when they do not know it: as the sender at once, as the receiver with its verdict."""
        digest = digest_of(ours)
        is_ready = row.way == OUT or (row.theirs != "" and is_final)
        if not self._way.sends or not is_ready or row.told == digest:
            return False
        if row.told and not is_whole and row.told_at is not None and self._now - row.told_at < _RETOLD:
            return False
        account, stamp = "sent" if row.way == OUT else "taken", int(self._now.timestamp() * 1000)
        parts = chunks(ours.stretches, PER_PART) or [()]
        envelopes = [
            Envelope(
                rid=f"ledger:{account}:{row.day}:{stamp}:{number}",
                type=LEDGER,
                key=str(row.day),
                at=self._now,
                body=LedgerPart(
                    account=account,
                    day=row.day,
                    stamp=stamp,
                    part=number,
                    parts=len(parts),
                    stretches=tuple(stretches),
                    aside=ours.aside,
                ),
            )
            for number, stretches in enumerate(parts, 1)
        ]
        await hand_over(self._database, self._route, envelopes, now=self._now)
        row.told, row.told_at = digest, self._now
        return True
