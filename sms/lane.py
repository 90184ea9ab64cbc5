"""One carrier's lane: texts out, outcomes and receipts into the books, in batches.

What became of texts is kept until it is written, however long the database is away: meanwhile the binds stay up,
nothing more is taken from the queue, and receipts are answered "not now" and written when they can be. A receipt is
acknowledged once it is committed.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from msgspec import Struct
from tortoise.exceptions import OperationalError

from alerts.outgoing import Outgoing
from alerts.settling import Heard, Outcome, Report, record
from alerts.wordings import Wordings
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from sms.carriers import Arrival, Carrier, Condition, MobileText, Sent
from sms.latency import Latencies
from sms.orders import Wanted
from sms.patience import cause_of
from sms.statuses import Fault, RetryIn, decide, is_the_carriers
from sms.weights import BLAMED, Health

log = logging.getLogger(__name__)


class Pace(Struct, frozen=True, kw_only=True):
    """Waits, in seconds."""

    #: A wake-up that was lost costs this much.
    poll_s: float = 0.5
    #: Well below the lease: three renewals may fail before somebody else takes over.
    tend_s: float = 5.0
    #: For what is under way at SIGTERM; a response takes longer only from a carrier that is gone.
    drain_s: float = 15.0
    #: An operator who paused a carrier looks at it after a second.
    steer_s: float = 1.0
    #: Before what the database refused is written again; twice as long each time, up to a few seconds.
    again_s: float = 0.2
    #: For the receipt of what was just taken, where they come at once: to write both together costs half.
    linger_s: float = 0.06


PACE = Pace()
#: Beyond `ahead`, for texts that must not wait until half of what a slow carrier holds has gone.
RESERVE = 16
#: The longest pause between two tries while the database is away; after so many who delivers is told "not now".
_AGAIN_CAP_S, _NOT_NOW_AFTER = 5.0, 4
#: So many writes are lingered over after a receipt that came at once.
_LINGERS = 20


class Inbox(Protocol):
    """Who takes texts from people; sms.inbound.Inbox."""

    async def take(self, arrival: Arrival) -> int: ...

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class NotRecorded(Exception):
    """The database is away: say it again later."""


class Lane:
    """`has_room` is called when half of what it may hold is gone. `others` says how many other carriers take texts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        carrier: Carrier,
        inbox: Inbox,
        *,
        pace: Pace,
        has_room: Callable[[], None],
        others: Callable[[], int],
        wordings: Wordings,
    ) -> None:
        self._database, self._clock, self._secrets, self._pace = database, clock, secrets, pace
        self._carrier, self._inbox, self._has_room, self._others = carrier, inbox, has_room, others
        self._wordings = wordings
        self.name, self.configured, self.needs_left = carrier.name, carrier.weight, carrier.needs_left
        #: Claimed and not yet recorded.
        self.held: dict[int, Outgoing] = {}
        #: Its weight as it is now, of which the gateway makes its share.
        self.weight = float(carrier.weight)
        self.health = Health(at=clock.now())
        self.down_since: datetime | None = None
        #: Since when none of the texts it holds has come to anything.
        self.stuck_since: datetime | None = None
        #: Since the start, for the metrics: texts by what became of a try, receipts by state, parts that were taken.
        self.outcomes: Counter[str] = Counter()
        self.receipts: Counter[str] = Counter()
        self.parts = 0
        self.latencies = Latencies()
        self._wanted = Wanted.RUNNING
        self._good = self._bad = self._throttled = 0
        self._under_way = 0
        self._reports: list[Report] = []
        #: Kept back once, for their receipts.
        self._lingering: list[Report] = []
        self._lingers, self._just_taken = 0, frozenset[str]()
        #: By id: a carrier that is not answered says it again.
        self._heard: dict[str, Heard] = {}
        self._written: asyncio.Future[int] | None = None
        self._news, self._closing, self._is_idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._may_bind, self._shall_leave = asyncio.Event(), asyncio.Event()
        self._may_bind.set()
        self._is_idle.set()
        self._is_draining = self._is_behind = False

    # ---- what the gateway asks

    @property
    def is_up(self) -> bool:
        return self._carrier.is_up

    @property
    def is_taking(self) -> bool:
        """Whether texts may be given to it: it is up, nobody paused it, and what became of the last ones is written."""
        return self.is_wanted and not self._is_behind and not self._is_draining and self._carrier.is_up

    @property
    def is_wanted(self) -> bool:
        return self._wanted is Wanted.RUNNING

    @property
    def is_ready(self) -> bool:
        """Whether it wants texts. Half empty, not one free: a claim costs the same for one and for a hundred."""
        return self.is_taking and len(self.held) <= self._carrier.ahead // 2 and not self._is_resting()

    @property
    def room(self) -> int:
        return self._carrier.ahead - len(self.held)

    @property
    def urgent_room(self) -> int:
        """For texts that go before all it holds; a carrier that told us to wait gets none."""
        return max(0, self.room + RESERVE) if self.is_taking and not self._is_resting() else 0

    def condition(self) -> Condition:
        return self._carrier.condition()

    def observe(self, condition: Condition, now: datetime) -> None:
        """Takes in what was seen since the last time."""
        throttled = condition.counts.get("throttled", 0)
        seen = self._good + self._bad
        self.health = self.health.after(now, good=self._good, bad=self._bad + max(0, throttled - self._throttled))
        self._good, self._bad, self._throttled = 0, 0, throttled
        if self._carrier.is_up or self._wanted is Wanted.DRAINED:
            self.down_since = None
        elif self.down_since is None:
            self.down_since = now
        if seen or not self._under_way or self.stuck_since is None or now < self.stuck_since:
            self.stuck_since = now

    # ---- what it runs

    def jobs(self) -> tuple[Coroutine[None, None, None], ...]:
        """What must run for this lane."""
        return self._stay_bound(), self._leave_when_told(), self._write()

    def obey(self, wanted: Wanted) -> bool:
        """Whether that is new. Leaving takes its time; coming back waits for it."""
        if wanted is self._wanted or self._is_draining:
            return False
        log.info("lane %s: %s, as the operator wants", self.name, wanted)
        self._wanted = wanted
        if wanted is Wanted.DRAINED:
            self._may_bind.clear()
            self._shall_leave.set()
        else:
            self._may_bind.set()
        self._has_room()
        return True

    async def drain(self) -> None:
        """Finishes what is under way, records it, ends the bind; the jobs return. Nothing must be given to it now."""
        self._is_draining = True
        self._may_bind.set()
        self._shall_leave.set()
        # Each step is bounded: a carrier that never answers must not keep the process alive.
        await self._carrier.drain(self._pace.drain_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.drain_s):
                await self._is_idle.wait()
        self._closing.set()
        self._news.set()

    async def _stay_bound(self) -> None:
        while True:
            await self._may_bind.wait()
            if self._is_draining:
                return
            await self._carrier.run(self)
            await self._pause(self._pace.poll_s)

    async def _leave_when_told(self) -> None:
        while True:
            await self._shall_leave.wait()
            self._shall_leave.clear()
            if self._is_draining:
                return
            await self._carrier.drain(self._pace.drain_s)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _is_resting(self) -> bool:
        """Whether every bind was told to be slower, and waits."""
        condition = self._carrier.condition()
        return min((bind.paused_for_s for bind in condition.links.values()), default=condition.paused_for_s) > 0

    # ---- out

    def give(self, messages: Sequence[Outgoing]) -> None:
        self.held.update((message.id, message) for message in messages)
        self._under_way += len(messages)
        for message in messages:
            self._send(message)

    def _send(self, message: Outgoing) -> None:
        if len(message.accepted) >= message.parts:
            # A crash came between the record of its parts and of itself.
            self._sent(message, Sent(()))
            return
        made_of = self._wordings.of(message.template, message.template_version)
        text = MobileText(
            phone=message.to,
            words=message.words(self._secrets),
            reference=message.id,
            expires_at=message.expires_at,
            skip=message.accepted,
            priority=message.priority,
            extension=message.extension,
            template=message.template,
            wording=made_of.body,
            registered=made_of.registered.get(self.name, ""),
        )
        self._carrier.send(text, partial(self._sent, message))

    def _sent(self, message: Outgoing, sent: Sent) -> None:
        if sent.fault in BLAMED:
            self._bad += not sent.is_unsent
        else:
            self._good += 1
        self._reports.append(report_of(message, sent, self._others))
        self._has_news()
        self._under_way -= 1

    # ---- in

    def heard(self, receipt: Heard) -> "asyncio.Future[int]":
        """All receipts of one batch share one future."""
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        if receipt.error and is_the_carriers(receipt.error):
            self._bad += 1
        self._heard[receipt.sms_id] = receipt
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
        while not self._closing.is_set():
            await self._news.wait()
            self._news.clear()
            heard, self._heard = self._heard, {}
            written, self._written = self._written, None
            reports = self._ripe(heard)
            known_at = self._clock.now()
            is_written = False
            try:
                is_written = await self._record(reports, heard, written)
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
            if is_written:
                for report in reports:
                    self.held.pop(report.message.id, None)
                self._count(reports, heard)
                self.latencies.note(reports, heard.values(), now=known_at)
                if len(self.held) <= self._carrier.ahead // 2:
                    self._has_room()
            if not self._news.is_set() and not self._lingering:
                self._is_idle.set()

    def _ripe(self, heard: Mapping[str, Heard]) -> list[Report]:
        """What is to be written now: all but what was taken this moment, where receipts come at once."""
        ripe, fresh = self._lingering, self._reports
        self._reports, self._lingering = [], []
        taken = [report.accepted[0][1] for report in fresh if report.accepted]
        if not heard.keys().isdisjoint(self._just_taken) or not heard.keys().isdisjoint(taken):
            self._lingers = _LINGERS
        self._just_taken = frozenset(taken)
        if not self._lingers or self._is_draining:
            return ripe + fresh
        self._lingers -= 1
        for report in fresh:
            waits = report.accepted and report.accepted[0][1] not in heard
            (self._lingering if waits else ripe).append(report)
        if self._lingering:
            asyncio.get_running_loop().call_later(self._pace.linger_s, self._has_news)
        return ripe

    def _count(self, reports: Sequence[Report], heard: Mapping[str, Heard]) -> None:
        self.outcomes.update(report.outcome for report in reports)
        self.receipts.update(receipt.state for receipt in heard.values())
        self.parts += sum(len(report.accepted) for report in reports)

    async def _record(
        self, reports: Sequence[Report], heard: Mapping[str, Heard], written: "asyncio.Future[int] | None"
    ) -> bool:
        """Whether it was written; False only when the lane closes while the database is away."""
        tries = 0
        while True:
            try:
                await record(
                    self._database,
                    now=self._clock.now(),
                    carrier=self.name,
                    reports=reports,
                    heard=tuple(heard.values()),
                    perhaps_before=tries > 0,
                )
            except OperationalError as refused:
                # Also another gateway that heard about the same parts: one of two was a deadlock's victim.
                tries += 1
                log.warning("lane %s: outcomes: try %s: %s", self.name, tries, cause_of(refused))
                if self._closing.is_set():
                    log.error("lane %s: what became of %s texts could not be written", self.name, len(reports))
                    return False
                if tries >= _NOT_NOW_AFTER:
                    self._is_behind = True
                    self._say_not_now(written)
                await self._pause(min(_AGAIN_CAP_S, self._pace.again_s * 2.0 ** min(tries - 1, 10)))
            else:
                self._is_behind = False
                return True

    def _say_not_now(self, written: "asyncio.Future[int] | None") -> None:
        """To whoever waits for a receipt to be written: a carrier that is not answered for long cuts the bind."""
        for waiting in (written, self._written):
            if waiting is not None and not waiting.done():
                waiting.set_exception(NotRecorded())
        self._written = None


def report_of(message: Outgoing, sent: Sent, others: Callable[[], int]) -> Report:
    """What is to be written of it. `others`: how many other carriers would take it now."""
    outcome, wait = Outcome.SUBMITTED, timedelta()
    match sent.fault:
        case None:
            pass
        case _ if sent.is_unsent:
            # A text of which parts were taken was tried.
            outcome = Outcome.AGAIN if sent.accepted or message.accepted else Outcome.UNSENT
        case Fault.UNKNOWN:
            outcome = Outcome.UNKNOWN
        case Fault.PERMANENT:
            outcome = Outcome.REFUSED
        case fault:
            again = decide(fault, message.attempts)
            outcome = Outcome.AGAIN if isinstance(again, RetryIn) else Outcome.GIVEN_UP
            # What one carrier refuses for its own reasons goes to the next at once; then all have had their turn.
            # But what has begun by one carrier ends there.
            goes_on = not sent.accepted and not message.accepted and message.attempts <= others()
            wait = timedelta(seconds=again.seconds) if isinstance(again, RetryIn) and not goes_on else wait
    return Report(message=message, outcome=outcome, accepted=sent.accepted, wait=wait, error=sent.error)
