"""The gateway: from the durable queue to carriers and back, in batches, with no database connection held meanwhile.

Per carrier there is one lane: it claims a batch, hands it over, and writes outcomes and receipts down as they come,
all that arrived during one transaction in the next. A receipt is acknowledged once it is committed. On SIGTERM call
`drain`: nothing more is claimed, the window is finished and recorded, the binds are ended. After SIGKILL the leases
tell (alerts/outgoing.py). While the database is busy nothing is claimed and the binds stay up. Only outcomes that
cannot be written down after several tries end `run`; whoever runs it starts it again, and nothing is forgotten.
Limits: lanes share the queue as fast as each carrier takes; there are no weights.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Protocol

from msgspec import Struct
from tortoise.exceptions import OperationalError

from alerts.outgoing import Channel, Outgoing, claim, recover, renew
from alerts.settling import Heard, Outcome, Report, record, tend
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from sms.carriers import Arrival, Carrier, MobileText, Sent
from sms.patience import cause_of, patiently
from sms.receipts import same_message_ids
from sms.statuses import Fault, RetryIn, decide

log = logging.getLogger(__name__)


class Pace(Struct, frozen=True, kw_only=True):
    """Waits, in seconds."""

    #: A wake-up that was lost costs this much.
    poll_s: float = 0.5
    #: Well below the lease: three renewals may fail before somebody else takes over.
    tend_s: float = 5.0
    #: For what is under way at SIGTERM; a response takes longer only from a carrier that is gone.
    drain_s: float = 15.0


PACE = Pace()
#: More in one statement gain nothing and delay the first.
_MOST_AT_ONCE = 500


class Inbox(Protocol):
    """Who takes texts from people; sms.inbound.Inbox."""

    async def take(self, arrival: Arrival) -> int: ...

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class Gateway:
    """`alone`: no other process speaks to these carriers (always so on SQLite), so orphans are taken over at once."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        *,
        carriers: Sequence[Carrier],
        inbox: Inbox,
        alone: bool = False,
        pace: Pace = PACE,
    ) -> None:
        self._database, self._clock, self._pace, self._alone = database, clock, pace, alone
        self._inbox = inbox
        # Between a claim and the note of it nobody may look for orphans: a fake clock can jump past a lease.
        self._claiming = asyncio.Lock()
        self._lanes = [Lane(database, clock, secrets, carrier, inbox, self._claiming, pace) for carrier in carriers]
        self._drained = asyncio.Event()

    async def run(self) -> None:
        """Until `drain`, or until the database will not take outcomes."""
        if self._alone:
            for lane in self._lanes:
                await recover(
                    self._database, now=self._clock.now(), channel=Channel.SMS, held=lane.held, alone_on=lane.name
                )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._inbox.run())
            group.create_task(self._tend_regularly())
            for lane in self._lanes:
                for job in lane.jobs():
                    group.create_task(job)

    def wake(self) -> None:
        """Something was queued."""
        for lane in self._lanes:
            lane.wake()

    async def drain(self) -> None:
        """Finishes what is under way, records it, ends the binds; `run` returns."""
        await asyncio.gather(*(lane.drain() for lane in self._lanes))
        self._inbox.stop()
        self._drained.set()

    async def tend(self) -> None:
        """One round of housekeeping, as `run` makes them all the time."""
        async with self._claiming:
            held = {message for lane in self._lanes for message in lane.held}
            await renew(self._database, held, now=self._clock.now())
            await recover(self._database, now=self._clock.now(), channel=Channel.SMS, held=held)
            await tend(self._database, now=self._clock.now(), spellings=same_message_ids)
        self.wake()

    async def _tend_regularly(self) -> None:
        while not self._drained.is_set():
            try:
                await self.tend()
            except OperationalError as refused:
                # The next round comes well within a lease.
                log.warning("housekeeping of the queue failed: %s", cause_of(refused))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.tend_s):
                    await self._drained.wait()


class Lane:
    """One carrier's share of the queue."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        carrier: Carrier,
        inbox: Inbox,
        claiming: asyncio.Lock,
        pace: Pace,
    ) -> None:
        self._database, self._clock, self._secrets, self._pace = database, clock, secrets, pace
        self._carrier, self._inbox, self._claiming = carrier, inbox, claiming
        #: Claimed and not yet recorded.
        self.held: dict[int, Outgoing] = {}
        self._under_way = 0
        self._reports: list[Report] = []
        self._heard: list[Heard] = []
        self._written: asyncio.Future[int] | None = None
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._is_fed, self._is_idle = asyncio.Event(), asyncio.Event()
        self._is_idle.set()
        self._is_draining = self._is_closed = False

    @property
    def name(self) -> str:
        return self._carrier.name

    def jobs(self) -> tuple[Coroutine[None, None, None], ...]:
        """What must run for this lane."""
        return self._carrier.run(self), self._feed(), self._write()

    def wake(self) -> None:
        self._room.set()

    async def drain(self) -> None:
        self._is_draining = True
        self.wake()
        # Each step is bounded: a carrier that never answers must not keep the process alive.
        await self._within_grace(self._is_fed)
        await self._carrier.drain(self._pace.drain_s)
        await self._within_grace(self._is_idle)
        self._is_closed = True
        self._news.set()

    async def _within_grace(self, event: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.drain_s):
                await event.wait()

    # ---- out

    async def _feed(self) -> None:
        while not self._is_draining:
            self._room.clear()
            room = min(self._carrier.ahead - self._under_way, _MOST_AT_ONCE)
            if room > 0 and self._carrier.is_up and await self._claim(room) == room:
                if self._carrier.ahead - self._under_way > 0:
                    continue
                timeout_s = None  # there is more: go on as soon as there is room
            else:
                timeout_s = self._pace.poll_s
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._room.wait()
        self._is_fed.set()

    async def _claim(self, room: int) -> int:
        async with self._claiming:
            try:
                claimed = await claim(
                    self._database, now=self._clock.now(), limit=room, channel=Channel.SMS, carrier=self.name
                )
            except OperationalError as refused:
                # Asked again after a poll. To give up would cut the carrier off in the middle of its answers.
                log.warning("lane %s: nothing could be claimed: %s", self.name, cause_of(refused))
                return 0
            self.held.update((message.id, message) for message in claimed)
        self._under_way += len(claimed)
        for message in claimed:
            self._send(message)
        return len(claimed)

    def _send(self, message: Outgoing) -> None:
        if len(message.accepted) >= message.parts:
            # A crash came between the record of its parts and of itself.
            self._sent(message, Sent(()))
            return
        text = MobileText(
            phone=message.to,
            words=message.words(self._secrets),
            reference=message.id,
            expires_at=message.expires_at,
            skip=message.accepted,
            priority=message.priority,
            extension=message.extension,
        )
        self._carrier.send(text, partial(self._sent, message))

    def _sent(self, message: Outgoing, sent: Sent) -> None:
        self._reports.append(_report(message, sent))
        self._has_news()
        self._under_way -= 1
        # Half empty, not one free: a claim costs the same for one message and for a hundred.
        if self._under_way <= self._carrier.ahead // 2:
            self._room.set()

    # ---- in

    def heard(self, receipt: Heard) -> "asyncio.Future[int]":
        """All receipts of one batch share one future."""
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        self._heard.append(receipt)
        self._has_news()
        return self._written

    async def arrived(self, arrival: Arrival) -> int:
        return await self._inbox.take(arrival)

    # ---- the books

    def _has_news(self) -> None:
        if not self._news.is_set():
            self._is_idle.clear()
            self._news.set()

    async def _write(self) -> None:
        while not self._is_closed:
            await self._news.wait()
            self._news.clear()
            reports, heard, written = self._reports, self._heard, self._written
            self._reports, self._heard, self._written = [], [], None
            is_written = False
            try:
                await self._record(reports, heard)
                is_written = True
            finally:
                if not is_written:
                    # Known, so not to be lost: the next run writes it. Receipts the carrier will send again.
                    self._reports = reports + self._reports
                    self._has_news()
                if written is not None and not written.done():
                    if is_written:
                        written.set_result(0)
                    else:
                        written.cancel()
            for report in reports:
                self.held.pop(report.message.id, None)
            if not self._news.is_set():
                self._is_idle.set()

    async def _record(self, reports: Sequence[Report], heard: Sequence[Heard]) -> None:
        # Two gateways that hear about the same parts can be each other's deadlock.
        await patiently(
            lambda: record(self._database, now=self._clock.now(), carrier=self.name, reports=reports, heard=heard),
            f"lane {self.name}: outcomes",
        )


def _report(message: Outgoing, sent: Sent) -> Report:
    outcome, wait = Outcome.SUBMITTED, timedelta()
    match sent.fault:
        case None:
            pass
        case _ if sent.is_unsent:
            outcome = Outcome.AGAIN
        case Fault.UNKNOWN:
            outcome = Outcome.UNKNOWN
        case Fault.PERMANENT:
            outcome = Outcome.REFUSED
        case fault:
            again = decide(fault, message.attempts)
            outcome = Outcome.AGAIN if isinstance(again, RetryIn) else Outcome.GIVEN_UP
            wait = timedelta(seconds=again.seconds) if isinstance(again, RetryIn) else wait
    return Report(message=message, outcome=outcome, accepted=sent.accepted, wait=wait, error=sent.error)
