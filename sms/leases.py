"""Whose claims nobody renews any more: told by watching them, because two clocks need not agree. Pure.

A gateway renews its claims every few seconds. One that another gateway has let stand for several rounds, by our own
steady clock, is an orphan once its lease has ended; one that stood for a whole lease is an orphan whatever the time
on it says. So a clock that jumps, here or there, takes nothing from a gateway that lives.
"""

from collections.abc import Container, Mapping
from datetime import datetime

from alerts.outgoing import LEASE


class Leases:
    """`grace_s`: rounds enough for any living gateway to renew."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        #: By claim: the end of its lease, and since when it has been that.
        self._seen: dict[int, tuple[datetime, float]] = {}

    def orphans(
        self, claimed: Mapping[int, datetime], *, held: Container[int], now: datetime, steady_s: float
    ) -> frozenset[int]:
        """Of all claims those to take over. `held` are our own; `steady_s` is a clock that nobody sets."""
        seen = {}
        for claim, ends_at in claimed.items():
            if claim not in held:
                before = self._seen.get(claim)
                seen[claim] = before if before and before[0] == ends_at else (ends_at, steady_s)
        self._seen = seen
        return frozenset(
            claim
            for claim, (ends_at, since_s) in seen.items()
            if steady_s - since_s >= (self._grace_s if ends_at <= now else LEASE.total_seconds())
        )
