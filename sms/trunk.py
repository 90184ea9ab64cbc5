"""Several binds of one account as one way out: which of them a text takes, and how they are together. Any protocol.

Rules: all parts of one text go through one bind, because carriers join them there; the bind with the least in hand
gets the next text, one that is paused only if all are; what a bind that ended had not sent goes to another bind at
once, or back to the queue. Deliveries are taken on every bind.
Limits: order is kept within a bind, not between two.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Generic

from sms.carriers import Condition, OnSent, Sent
from sms.conversation import Delivered, Submitted
from sms.link import Link, Snapshot
from sms.outcomes import Gathering, alone
from sms.pacing import LINK_GONE
from sms.statuses import Fault, Meaning

#: Those who only receive leave after the senders, and have at least this long for it.
_LEAVE_S = 1.0


class Trunk(Generic[Submitted, Delivered]):
    """`senders` and `receivers` by the names the status page shows; a transceiver is a sender."""

    def __init__(
        self,
        senders: Mapping[str, Link[Submitted, Delivered]],
        receivers: Mapping[str, Link[Submitted, Delivered]],
        meaning: Callable[[int], Meaning],
    ) -> None:
        self._senders, self._receivers = tuple(senders.values()), tuple(receivers.values())
        self._links, self._meaning = {**senders, **receivers}, meaning

    @property
    def is_up(self) -> bool:
        return any(link.is_open for link in self._senders)

    @property
    def bound_at(self) -> datetime | None:
        """When the newest of the binds began."""
        return max((link.bound_at for link in self._links.values() if link.bound_at is not None), default=None)

    def send(
        self,
        parts: Sequence[tuple[int, Submitted]],
        on_sent: OnSent,
        *,
        priority: int = 0,
        expires_at: datetime | None = None,
    ) -> None:
        """The numbered parts of one text, at least one. `on_sent` is called once, perhaps before this returns."""
        link = self._next()
        if link is None:
            on_sent(Sent((), Fault.TEMPORARY, "not bound", is_unsent=True))
            return
        if len(self._senders) > 1:
            on_sent = partial(self._perhaps_another_way, parts, on_sent, priority, expires_at)
        if len(parts) == 1:
            number, pdu = parts[0]
            link.submit_nowait(pdu, partial(alone, number, on_sent, self._meaning), priority, expires_at)
            return
        gathering = Gathering(len(parts), on_sent, self._meaning)
        for number, pdu in parts:
            link.submit_nowait(pdu, partial(gathering.take, number), priority, expires_at)

    async def bound(self, timeout_s: float) -> None:
        """Returns when every bind stands. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(link.bound(timeout_s) for link in self._links.values()))

    async def run(self) -> None:
        """Keeps every bind up until `drain`."""
        async with asyncio.TaskGroup() as group:
            for link in self._links.values():
                group.create_task(link.run())

    async def drain(self, timeout_s: float) -> None:
        """Finishes what is under way; receipts for it are taken as long as that lasts."""
        ends_at = _now() + timeout_s
        await asyncio.gather(*(link.drain(timeout_s) for link in self._senders))
        await asyncio.gather(*(link.drain(max(_LEAVE_S, ends_at - _now())) for link in self._receivers))

    def condition(self) -> Condition:
        """The sums, and each bind by its name if there are several."""
        each = {name: condition_of(link.snapshot()) for name, link in self._links.items()}
        if len(each) == 1:
            return next(iter(each.values()))
        snapshots = [link.snapshot() for link in self._links.values()]
        bound = sum(snapshot.state.is_bound for snapshot in snapshots)
        all_bound = "bound" if bound == len(each) else f"{bound} of {len(each)} bound"
        # A rate that several draw on counts once.
        rates = {id(link.rate): link.rate.per_s for link in self._senders}.values()
        silences = [snapshot.silent_for_s for snapshot in snapshots if snapshot.silent_for_s is not None]
        return Condition(
            state=all_bound if bound else snapshots[0].state,
            in_flight=sum(snapshot.in_flight for snapshot in snapshots),
            window=sum(link.snapshot().window for link in self._senders),
            waiting=sum(snapshot.waiting for snapshot in snapshots),
            parts_per_s=None if None in rates else sum(rate for rate in rates if rate is not None),
            paused_for_s=max(snapshot.paused_for_s for snapshot in snapshots),
            silent_for_s=min(silences, default=None),
            answer_s=max((one.answer_s for one in snapshots if one.answer_s is not None), default=None),
            last_error="; ".join(f"{name}: {one.last_error}" for name, one in each.items() if one.last_error),
            last_error_at=max((one.last_error_at for one in snapshots if one.last_error_at), default=None),
            is_error_past=any(one.is_error_past for one in snapshots)
            and all(one.is_error_past for one in snapshots if one.last_error),
            counts=_sum(snapshot.counts for snapshot in snapshots),
            refusals=_sum(snapshot.refusals for snapshot in snapshots),
            links=each,
        )

    def _next(self) -> Link[Submitted, Delivered] | None:
        if len(self._senders) == 1:
            link = self._senders[0]
            return link if link.is_open else None
        return min((link for link in self._senders if link.is_open), key=_burden, default=None)

    def _perhaps_another_way(
        self,
        parts: Sequence[tuple[int, Submitted]],
        on_sent: OnSent,
        priority: int,
        expires_at: datetime | None,
        sent: Sent,
    ) -> None:
        if sent.is_unsent and not sent.accepted and sent.error == LINK_GONE and self.is_up:
            self.send(parts, on_sent, priority=priority, expires_at=expires_at)
        else:
            on_sent(sent)


def condition_of(link: Snapshot) -> Condition:
    return Condition(
        state=link.state,
        in_flight=link.in_flight,
        window=link.window,
        waiting=link.waiting,
        parts_per_s=link.parts_per_s,
        paused_for_s=link.paused_for_s,
        silent_for_s=link.silent_for_s,
        answer_s=link.answer_s,
        last_error=link.last_error,
        last_error_at=link.last_error_at,
        is_error_past=link.is_error_past,
        counts=link.counts,
        refusals=link.refusals,
    )


def _burden(link: Link[Submitted, Delivered]) -> tuple[bool, int]:
    return link.is_paused, link.load


def _sum(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _now() -> float:
    return asyncio.get_running_loop().time()
