"""A carrier that is a database: texts are inserted into tables of an on-premise MAS, receipts and answers read there.

Two connections: one inserts, in batches, and one asks every few seconds how the machine is and takes away what it has
written. A text counts as accepted when the server has committed its row. Where the answer to that was lost, the rows
are looked for: what is found there, or in a receipt, was accepted, and what is not found in time stays unknown. Rows
are deleted after they were recorded, so a crash in between reads them twice, which nobody notices. The carrier is up
while the machine answers and says that it works; while it is not, nothing waits here.
Limits: texts in the outbox of a machine that stands still are accepted and yet not sent; while the database of ours is
away receipts wait in theirs. Of several processes at one account one reads.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec import Struct

from kernel.clock import Clock
from sms.carriers import UNTOLD, Arrival, Condition, Ears, MobileText, OnSent
from sms.link import BACKOFF, Backoff
from sms.mas.hand import Hand, Message
from sms.mas.interface import Interface, Pile, Row, Statement
from sms.mas.mysql import PATIENCE, Lost, NotConnected, Patience, Rejected, Server, Session
from sms.pacing import Rate
from sms.statuses import DEFAULT_POLICY, Fault, Policy, RetryIn, decide
from sms.tally import tally

log = logging.getLogger(__name__)

#: More rows in one statement gain nothing.
_BATCH = 64
#: Rows that are read at once.
_MOST_ROWS = 500
_HOUSEKEEPING_S = 3600.0
#: Longer than any pause between two looks.
_FORGOTTEN_S = 180
#: Errors that one row is to blame for: it is there already, its text does not fit, its characters are not known there.
_DUPLICATE = 1062
_OF_THE_ROW = frozenset({_DUPLICATE, 1264, 1265, 1292, 1300, 1366, 1406, 3988})
_TROUBLES = (NotConnected, Lost, Rejected)


class Pace(Struct, frozen=True, kw_only=True):
    """Waits, in seconds."""

    #: Between two looks at their tables.
    poll_s: float = 2.0
    #: How long a row of which nobody knows is looked for: a server that lost us may still be at our statement.
    doubt_s: float = 30.0


PACE = Pace()


class MasDatabaseCarrier:
    """`jitter` draws from [0, 1)."""

    def __init__(
        self,
        name: str,
        server: Server,
        interface: Interface,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        parts_per_s: float | None = None,
        pace: Pace = PACE,
        patience: Patience = PATIENCE,
        backoff: Backoff = BACKOFF,
        policy: Policy = DEFAULT_POLICY,
        ahead: int = 2 * _BATCH,
        weight: int = 10,
        needs_left: timedelta = UNTOLD,
    ) -> None:
        self.name, self.weight, self.ahead, self.needs_left = name, weight, ahead, needs_left
        self.refusals: Counter[str] = Counter()
        self.last_error = ""
        self._last_error_at: datetime | None = None
        self._is_error_past = False
        self._interface, self._clock, self._jitter = interface, clock, jitter
        self._parts_per_s, self._hand = parts_per_s, Hand(Rate(parts_per_s))
        self._pace, self._backoff, self._policy = pace, backoff, policy
        self._inserting, self._reading = Session(server, patience), Session(server, patience)
        self._ears: Ears | None = None
        self._news, self._stir = asyncio.Event(), asyncio.Event()
        self._jobs: set[asyncio.Task[None]] = set()
        self._is_reachable = self._is_draining = self._is_reader = False
        self._is_heard = True
        #: Why the machine sends nothing, by its own account.
        self._ailment = ""
        self._heard_at: float | None = None
        self._answer_s: float | None = None
        self._kept_house_at = float("-inf")
        #: Failed insertions in a row, and until when to rest, on the event loop's clock.
        self._streak, self._rest_until = 0, 0.0

    @property
    def counts(self) -> Counter[str]:
        return self._hand.counts

    @property
    def is_up(self) -> bool:
        return self._is_reachable and not self._ailment and not self._is_draining and _now() >= self._rest_until

    def condition(self) -> Condition:
        now = _now()
        return Condition(
            state="draining" if self._is_draining else "up" if self.is_up else "down",
            in_flight=self._hand.in_flight,
            window=_BATCH,
            waiting=self._hand.waiting,
            parts_per_s=self._parts_per_s,
            paused_for_s=max(0.0, self._rest_until - now),
            silent_for_s=None if self._heard_at is None else now - self._heard_at,
            answer_s=self._answer_s,
            last_error=self.last_error,
            last_error_at=self._last_error_at,
            is_error_past=self._is_error_past,
            counts=dict(self.counts),
            refusals=dict(self.refusals),
        )

    def send(self, text: MobileText, on_sent: OnSent) -> None:
        placement = self._interface.placement(text)
        message = Message(text, placement, self._interface.part_id(placement.id), on_sent)
        if why := self._interface.unfit(placement):
            self._hand.refused(message, why)
        elif not self.is_up:
            self._hand.unsent([message], "draining" if self._is_draining else self.last_error or "not connected")
        else:
            self._hand.put(message)
            self._news.set()

    async def run(self, ears: Ears) -> None:
        """Until `drain`, whatever their server does."""
        self._ears, self._is_draining = ears, False
        try:
            async with asyncio.TaskGroup() as group:
                self._jobs = {group.create_task(self._insert()), group.create_task(self._read())}
        finally:
            self._is_reachable, self._ears, self._jobs = False, None, set()
            self._hand.let_go()
            await self._inserting.close()
            await self._reading.close()

    async def drain(self, timeout_s: float) -> None:
        """What has not left goes back to the queue; what is under way or in doubt has `timeout_s` to be known."""
        self._is_draining = True
        self._hand.give_back("draining")
        self._news.set()
        self._stir.set()
        if self._jobs:
            _, late = await asyncio.wait(self._jobs, timeout=timeout_s)
            for job in late:
                job.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # ---- out

    async def _insert(self) -> None:
        while not self._is_draining:
            self._news.clear()
            batch, wait_s = self._hand.batch(_BATCH, self._clock.now() + self.needs_left, _now())
            if batch:
                await self._place(batch)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
        self._stir.set()

    async def _place(self, batch: Sequence[Message]) -> None:
        began = _now()
        try:
            await self._inserting.open()
        except (NotConnected, Rejected) as error:
            self._hand.unsent(batch, str(error))
            self._trouble(str(error))
            return
        try:
            await self._inserting.run(self._interface.place([message.placement for message in batch]))
        except NotConnected as error:
            self._hand.unsent(batch, str(error))
            self._trouble(str(error))
        except Lost as error:
            self._hand.doubt(batch, _now())
            self._trouble(str(error))
        except Rejected as rejected:
            await self._sort_out(batch, rejected)
        else:
            took = _now() - began
            self._answer_s = took if self._answer_s is None else self._answer_s + (took - self._answer_s) / 12
            self._streak, self._is_error_past = 0, bool(self.last_error)
            self._hand.accepted(batch)

    async def _sort_out(self, batch: Sequence[Message], rejected: Rejected) -> None:
        """What the server refused together. Tables that know no transactions may hold some of it all the same."""
        tally(self.refusals, str(rejected.code))
        try:
            there = await self._found(self._inserting, batch)
        except _TROUBLES as error:
            self._hand.doubt(batch, _now())
            self._trouble(str(error))
            return
        self._hand.accepted(there)
        missing = [message for message in batch if message not in there]
        if rejected.code not in _OF_THE_ROW:
            self._hand.unsent(missing, str(rejected))
            self._trouble(str(rejected))
        elif len(batch) > 1:
            for message in missing:
                await self._place([message])
        elif rejected.code == _DUPLICATE:
            self._hand.accepted(missing)  # it was there, and the machine has taken it since
        elif missing:
            self._hand.refused(missing[0], str(rejected))

    async def _found(self, session: Session, messages: Iterable[Message]) -> list[Message]:
        by_id = {message.placement.id: message for message in messages}
        there: set[str] = set()
        for statement in self._interface.look(list(by_id)):
            there.update(self._interface.part_id(str(row[0])) for row in await session.run(statement))
        return [message for message in by_id.values() if message.part_id in there]

    # ---- in

    async def _read(self) -> None:
        failures = 0
        while not self._is_draining or self._hand.in_flight:
            self._stir.clear()
            wait_s = self._pace.poll_s
            try:
                if await self._round():
                    wait_s = 0.0
                failures = 0
            except _TROUBLES as error:
                self._down(str(error))
                wait_s = self._backoff.wait(failures, self._jitter())
                failures += 1
            self._hand.give_up_doubts(_now() - self._pace.doubt_s, "no answer, and not in their tables")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, self._pace.doubt_s) if self._hand.doubts else wait_s):
                    await self._stir.wait()

    async def _round(self) -> bool:
        """One look at their tables; True: there is more."""
        if await self._reading.open():
            self._is_reader = False
            # A server that does not notice that we are gone must not keep our lock for hours.
            await self._reading.run(Statement("SET SESSION wait_timeout = ?", (_FORGOTTEN_S,)))
        self._up(self._interface.ailment(await self._reading.run(self._interface.ask())))
        if self._hand.doubts:
            self._hand.accepted(await self._found(self._reading, self._hand.doubts))
        if not self._is_reader:
            # Held as long as the connection stands: two who read one table would answer each text twice.
            rows = await self._reading.run(Statement("SELECT GET_LOCK(?, 0)", (f"zhangban:{self._interface.account}",)))
            self._is_reader = rows[0][0] == 1
            if not self._is_reader:
                return False
        has_more_reports = await self._take_reports()
        has_more_sayings = await self._take_sayings()
        await self._keep_house()
        return has_more_reports or has_more_sayings

    async def _take_reports(self) -> bool:
        pile = self._interface.reports
        rows = await self._reading.run(pile.take(_MOST_ROWS))
        assert self._ears is not None
        taking: set[asyncio.Future[int]] = set()
        for row in rows:
            report = self._interface.report(row)
            if report is None:
                continue
            self.counts["reports"] += 1
            self._hand.heard_of(report.heard.sms_id)
            if report.fault is Fault.THROTTLED:
                self.counts["throttled"] += 1
                self._rest("the gateway is too slow for the machine", self._throttle_pause)
            taking.add(asyncio.ensure_future(self._ears.heard(report.heard)))
        if not await self._recorded(taking):
            return False
        await self._forget(pile, rows)
        return len(rows) == _MOST_ROWS

    async def _take_sayings(self) -> bool:
        pile = self._interface.sayings
        rows = await self._reading.run(pile.take(_MOST_ROWS))
        assert self._ears is not None
        for row in rows:
            saying = self._interface.saying(row)
            arrival = Arrival(self.name, saying.part, saying.identity, saying.is_dated)
            # One after the other: what the second says may rest on the first.
            if not await self._recorded({asyncio.ensure_future(self._ears.arrived(arrival))}):
                return False
            await self._forget(pile, [row])
            self.counts["texts"] += 1
        return len(rows) == _MOST_ROWS

    async def _recorded(self, taking: set[asyncio.Future[int]]) -> bool:
        """If not, the rows are read again with the next look."""
        if taking:
            await asyncio.wait(taking)
        was_heard, self._is_heard = self._is_heard, True
        for future in taking:
            if future.cancelled() or future.exception() or future.result():
                self._is_heard = False
        if was_heard and not self._is_heard:
            log.warning("carrier %s: what it says cannot be recorded", self.name)
        return self._is_heard

    async def _forget(self, pile: Pile, rows: Sequence[Row]) -> None:
        if rows:
            await self._reading.run(pile.forget([key for row in rows if (key := row[0]) is not None]))

    async def _keep_house(self) -> None:
        if _now() - self._kept_house_at < _HOUSEKEEPING_S:
            return
        self._kept_house_at = _now()
        for statement in self._interface.housekeeping:
            await self._reading.run(statement)

    # ---- up and down

    def _up(self, ailment: str) -> None:
        was_down = not self._is_reachable or bool(self._ailment)
        self._heard_at, self._is_reachable = _now(), True
        if ailment and ailment != self._ailment:
            self._note(ailment)
        self._ailment = ailment
        if ailment:
            self._hand.give_back(ailment)
        elif was_down:
            self._is_error_past = bool(self.last_error)

    def _down(self, why: str) -> None:
        if self._is_reachable or why != self.last_error:
            self._note(why)
        self._is_reachable = False
        self._hand.give_back(why)

    def _trouble(self, why: str) -> None:
        """An insertion failed: rest, and give the others another way."""
        self._rest(why, lambda streak: self._backoff.wait(streak - 1, self._jitter()))
        self._stir.set()

    def _throttle_pause(self, streak: int) -> float:
        pause = decide(Fault.THROTTLED, streak, self._policy)
        return pause.seconds if isinstance(pause, RetryIn) else self._policy[Fault.THROTTLED].cap_s

    def _rest(self, why: str, pause: Callable[[int], float]) -> None:
        if _now() >= self._rest_until:
            self._note(why)
            self._streak += 1
            self._rest_until = _now() + pause(self._streak)
        self._hand.give_back(why)

    def _note(self, why: str) -> None:
        self.counts["troubles"] += 1
        self.last_error, self._last_error_at, self._is_error_past = why, self._clock.now(), False
        log.warning("carrier %s: %s", self.name, why)


def _now() -> float:
    return asyncio.get_running_loop().time()
