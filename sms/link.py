"""A lasting link to one carrier: the thin asyncio shell around a session and pacing.py, in either dialect.

Connects, binds, reconnects; sends what the pacer lets go; hands in what the carrier delivers and acknowledges it only
once it has been taken. The durable queue is in the database, so nothing waits here while the link is down: what is
certainly unsent comes back as NotSent and may go another way.
Limits: one TCP connection per link; trunk.py makes one carrier of several.
"""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Generic

from msgspec import Struct

from kernel.clock import Clock
from sms.conversation import (
    ROK,
    Answered,
    BindRefused,
    Bound,
    Delivered,
    Dialect,
    Event,
    LinkDead,
    ProtocolViolation,
    Received,
    State,
    Submitted,
    Unanswered,
)
from sms.pacing import LINK_GONE, NotSent, OnOutcome, Pacer, Rate, Submission, SubmitOutcome
from sms.statuses import DEFAULT_POLICY, Policy
from sms.unread import Unread
from sms.wire import Wire

log = logging.getLogger(__name__)

#: An answer that came later may be one that the carrier waits for no more: it will deliver again, though it read it.
PROMPT_S = 2.0


class Followed(Struct, frozen=True):
    """One delivery, and somebody who wants to know when the carrier has certainly read that it was taken."""

    taking: Awaitable[int]
    was_read: asyncio.Future[None]


#: Takes one delivery and its frame; the status it comes to is the answer. A coroutine, or a Future for those who take
#: many at once.
OnDeliver = Callable[[Delivered, bytes], Awaitable[int] | Followed]


class Target(Struct, frozen=True, kw_only=True):
    """Where the carrier listens. `host` is a name, an IPv4 or an IPv6 address."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_hostname: str | None = None  # the name in the certificate, if it is not `host`
    connect_s: float = 10.0


class Backoff(Struct, frozen=True):
    """Waits before connecting again: twice as long each time, of which half is left to chance."""

    first_s: float = 1.0
    cap_s: float = 60.0

    def wait(self, failures: int, chance: float) -> float:
        return min(self.cap_s, self.first_s * 2.0 ** min(failures, 30)) * (0.5 + chance / 2)


BACKOFF = Backoff()


class Snapshot(Struct, frozen=True, kw_only=True):
    """For the status page. `silent_for_s` is None before the first connection; counts are since the start."""

    state: State
    in_flight: int
    window: int
    waiting: int
    paused_for_s: float
    parts_per_s: float | None
    silent_for_s: float | None
    answer_s: float | None
    last_error: str
    last_error_at: datetime | None
    is_error_past: bool
    counts: Mapping[str, int]
    #: By the name of the status.
    refusals: Mapping[str, int]


class Link(Generic[Submitted, Delivered]):
    """`run()` it in a task. `jitter` draws from [0, 1), so that all gateways do not return at the same moment.

    `rate` is one that several links draw on, in place of `parts_per_s`. Without a `clock` nothing expires here.
    """

    def __init__(
        self,
        target: Target,
        dialect: Dialect[Submitted],
        on_deliver: OnDeliver[Delivered],
        *,
        jitter: Callable[[], float],
        parts_per_s: float | None = None,
        rate: Rate | None = None,
        backoff: Backoff = BACKOFF,
        policy: Policy = DEFAULT_POLICY,
        clock: Clock | None = None,
    ) -> None:
        self._target, self._dialect, self._on_deliver = target, dialect, on_deliver
        self._backoff, self._jitter, self._clock = backoff, jitter, clock
        self._pacer = Pacer(dialect, parts_per_s, policy, rate)
        self._wire: Wire | None = None
        #: Who waits for which taking; a batch of receipts shares one.
        self._taking: dict[asyncio.Future[int], list[tuple[Wire, int]]] = {}
        #: Who wants to know that its answer was read, and since when it was asked for.
        self._followed: dict[asyncio.Future[int], tuple[asyncio.Future[None], float]] = {}
        self._unread = Unread()
        self._is_bound, self._is_stopping, self._is_idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._last_activity: float | None = None
        self._last_error = ""
        self._last_error_at: datetime | None = None
        #: Whether a bind has come to stand since.
        self._is_error_past = False
        #: When the last bind stood. Without a clock nobody knows.
        self.bound_at: datetime | None = None

    @property
    def counts(self) -> Counter[str]:
        return self._pacer.counts

    @property
    def is_open(self) -> bool:
        """Whether something can be submitted now."""
        return self._wire is not None and not self._is_stopping.is_set() and self._wire.session.can_send

    @property
    def load(self) -> int:
        """How many submissions are in its hands, sent or not."""
        return self._pacer.load

    @property
    def is_paused(self) -> bool:
        """Whether the carrier has told it that it is too fast."""
        return self._pacer.paused_until > asyncio.get_running_loop().time()

    @property
    def rate(self) -> Rate:
        return self._pacer.rate

    async def submit(self, pdu: Submitted) -> SubmitOutcome:
        """The outcome, once known. Run many at once: they are pipelined. Cancelling withdraws what is not yet sent."""
        future: asyncio.Future[SubmitOutcome] = asyncio.get_running_loop().create_future()
        submission = self.submit_nowait(pdu, partial(_resolve, future))
        try:
            return await future
        finally:
            submission.withdraw()

    def submit_nowait(
        self, pdu: Submitted, on_outcome: OnOutcome, priority: int = 0, expires_at: datetime | None = None
    ) -> Submission[Submitted]:
        """`on_outcome` is called exactly once, perhaps before this returns. Without a task or a future per message.

        What still waits at `expires_at` is NotSent.
        """
        submission = self._pacer.submission(pdu, on_outcome, priority, expires_at)
        if self._is_stopping.is_set() or self._wire is None or not self._wire.session.can_send:
            self._pacer.settle(submission, NotSent("draining" if self._is_stopping.is_set() else "not bound"))
        else:
            self._pacer.put(submission)
            self._wire.turn_soon()
        return submission

    async def bound(self, timeout_s: float) -> None:
        """Returns when messages can be submitted. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._is_bound.wait()

    async def run(self) -> None:
        """Keep the link up until `drain`, whatever the network does; `snapshot().last_error` tells what it did.

        May be called again afterwards. A `drain` that finds it not running ends the next run at its beginning.
        """
        failures = 0
        while not self._is_stopping.is_set():
            binds = self.counts["binds"]
            await self._connection()
            failures = 0 if self.counts["binds"] > binds else failures
            try:
                async with asyncio.timeout(self._backoff.wait(failures, self._jitter())):
                    await self._is_stopping.wait()
            except TimeoutError:
                failures += 1
        self._is_stopping.clear()
        self._is_idle.clear()

    async def drain(self, timeout_s: float) -> None:
        """Take nothing more, finish what is under way for at most `timeout_s`, unbind, and `run()` returns."""
        self._is_stopping.set()
        if self._wire is None:
            return
        self._wire.turn_soon()
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_idle.wait()
        except TimeoutError:
            self._failed("drain ran out of time")
        self._pacer.abandon("draining")
        if self._wire is not None:
            await self._wire.leave()

    def snapshot(self) -> Snapshot:
        session = self._wire.session if self._wire else None
        heard_at, now = self._wire.heard_at if self._wire else self._last_activity, asyncio.get_running_loop().time()
        return Snapshot(
            state=session.state if session else State.CLOSED,
            in_flight=session.in_flight if session else 0,
            window=self._dialect.window,
            waiting=self._pacer.waiting,
            parts_per_s=self._pacer.rate.per_s,
            paused_for_s=max(0.0, self._pacer.paused_until - now),
            silent_for_s=None if heard_at is None else now - heard_at,
            answer_s=self._pacer.answer_s,
            last_error=self._last_error,
            last_error_at=self._last_error_at,
            is_error_past=self._is_error_past,
            counts=dict(self.counts),
            refusals=dict(self._pacer.refusals),
        )

    def _failed(self, what: str) -> None:
        self.counts["errors"] += 1
        self._last_error, self._is_error_past = what, False
        self._last_error_at = self._clock.now() if self._clock else None
        log.warning("link %s: %s", self._dialect.account, what)

    async def _connection(self) -> None:
        """One connection, from its beginning to its end."""
        target, wire = self._target, Wire(self._dialect.open, self)
        try:
            async with asyncio.timeout(target.connect_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: wire,
                    target.host,
                    target.port,
                    ssl=target.tls,
                    server_hostname=(target.server_hostname or target.host) if target.tls else None,
                )
        except OSError as error:  # TimeoutError and ssl.SSLError are among them
            self._failed(f"cannot connect: {type(error).__name__}")
            return
        try:
            await wire.ended
        finally:
            wire.transport.abort()

    # ---- what the wire tells

    def opened(self, wire: Wire, now: float) -> None:
        self._wire, self._unread = wire, Unread()
        self.counts["connects"] += 1
        if self._is_stopping.is_set():
            wire.transport.abort()

    def happened(self, wire: Wire, event: Event, now: float) -> None:
        # These two are the traffic; patterns would cost twice as much.
        if isinstance(event, _OUTCOMES):
            self._pacer.take(event, now)
            return
        if isinstance(event, Received):
            taking = self._on_deliver(event.pdu, event.raw)
            if not isinstance(taking, asyncio.Future):
                taking = self._follow(taking, now)
            if (waiting := self._taking.get(taking)) is None:
                waiting = self._taking[taking] = []
                taking.add_done_callback(self._taken)
            waiting.append((wire, event.sequence))
            return
        match event:
            case Bound():
                self.counts["binds"] += 1
                self.bound_at = self._clock.now() if self._clock else None
                self._is_bound.set()
                self._is_error_past = bool(self._last_error)
            case BindRefused(status):
                self._failed(f"bind refused: {self._dialect.meaning(status).name}")
            case LinkDead(why) | ProtocolViolation(why):
                self._failed(why)
            case _:
                self.counts[type(event).__name__] += 1

    def pump(self, wire: Wire, now: float) -> float | None:
        again_at = self._pacer.pump(
            wire.session, now, self._clock.now() if self._clock and self._pacer.waiting else None
        )
        if self._is_stopping.is_set() and self._pacer.is_empty and not self._taking:
            self._is_idle.set()
        if self._unread and wire is self._wire and (look_at := self._unread.look(wire.session, now)) is not None:
            again_at = look_at if again_at is None else min(again_at, look_at)
        return again_at

    def ended(self, wire: Wire) -> None:
        self._wire, self._last_activity = None, wire.heard_at
        self._is_bound.clear()
        self._pacer.abandon(LINK_GONE)
        self._is_idle.set()

    def _follow(self, taking: Awaitable[int] | Followed, now: float) -> asyncio.Future[int]:
        if not isinstance(taking, Followed):
            return asyncio.ensure_future(taking)
        task = asyncio.ensure_future(taking.taking)
        self._followed[task] = taking.was_read, now
        return task

    def _taken(self, taking: asyncio.Future[int]) -> None:
        waiting, followed = self._taking.pop(taking), self._followed.pop(taking, None)
        if taking.cancelled():
            return
        if error := taking.exception():
            self._failed(f"a delivery was not taken: {type(error).__name__}")
        status = self._dialect.not_now if error else taking.result()
        for wire, sequence in waiting:
            wire.session.acknowledge(sequence, status)
            if followed is not None and wire is self._wire and status == ROK:
                was_read, since = followed
                if (now := asyncio.get_running_loop().time()) - since < PROMPT_S:
                    self._unread.put(wire.session, was_read, now)
        for wire in {wire for wire, _ in waiting}:
            wire.turn_soon()


_OUTCOMES = (Answered, Unanswered)  # not `A | B`, which Python would build anew for every event


def _resolve(future: asyncio.Future[SubmitOutcome], outcome: SubmitOutcome) -> None:
    if not future.done():
        future.set_result(outcome)
