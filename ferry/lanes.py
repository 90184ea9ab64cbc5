"""The lanes of a channel: what goes first, when a parcel closes, and how much may be under way.

Order holds within a lane and nowhere else. `ctl` and `urgent` go before everything; the others share by weight, so
that attachments never starve and never hold up a case. The numbers are of records and octets before compression.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

#: From this share of a limit on, somebody is told.
ALARM_SHARE = 0.7

_MIB, _GIB = 1 << 20, 1 << 30


class Lane(StrEnum):
    CTL = "ctl"  # epochs, keys
    URGENT = "urgent"  # texts and one-time codes, most of which expire
    CASE = "case"  # applications, progress, decisions
    BULK = "bulk"  # attachments, piece by piece
    SUPERVISE = "supervise"  # what levels tell each other


class LaneRule(Struct, frozen=True, kw_only=True):
    """One row of the table.

    `weight` 0: strictly before what stands below. A parcel closes at `records`, at `octets`, `after` its oldest record,
    or at once in a lane that has closed none for so long.
    `under_way_…`: parcels the other side has not acknowledged; `stash_…`: parcels that wait here for an earlier one.
    `free_octets`: with less room on the disk nothing more is sealed; 0: always.
    """

    weight: int = 0
    records: int = 1000
    octets: int = 8 * _MIB
    after: timedelta = timedelta(seconds=2)
    under_way_parcels: int
    under_way_octets: int
    stash_parcels: int = 512
    stash_octets: int = 512 * _MIB
    free_octets: int = 0


RULES: Mapping[Lane, LaneRule] = MappingProxyType(
    {
        Lane.CTL: LaneRule(after=timedelta(0), under_way_parcels=10_000, under_way_octets=_GIB),
        Lane.URGENT: LaneRule(after=timedelta(milliseconds=200), under_way_parcels=10_000, under_way_octets=_GIB),
        Lane.CASE: LaneRule(
            weight=8, under_way_parcels=256, under_way_octets=256 * _MIB, free_octets=256 * _MIB
        ),
        Lane.BULK: LaneRule(
            weight=4, octets=64 * _MIB, under_way_parcels=32, under_way_octets=2 * _GIB, stash_parcels=64,
            stash_octets=4 * _GIB, free_octets=2 * _GIB,
        ),
        Lane.SUPERVISE: LaneRule(weight=1, under_way_parcels=64, under_way_octets=128 * _MIB, free_octets=_GIB),
    }
)  # fmt: skip


class Turns:
    """Whose turn it is: the strict in the order of the table, then the weighted, each as often as its weight says."""

    def __init__(self, rules: Mapping[Lane, LaneRule] = RULES) -> None:
        self._rules = rules
        self._credit = dict.fromkeys(rules, 0)

    def next(self, ready: Collection[Lane]) -> Lane | None:
        """One of `ready`; None if nobody is. Smooth weighted round robin: 8 : 4 : 1 without runs of eight."""
        waiting = [lane for lane in self._rules if lane in ready]
        strict = [lane for lane in waiting if not self._rules[lane].weight]
        if strict or not waiting:
            return strict[0] if strict else None
        for lane in waiting:
            self._credit[lane] += self._rules[lane].weight
        chosen = max(waiting, key=self._credit.__getitem__)
        self._credit[chosen] -= sum(self._rules[lane].weight for lane in waiting)
        return chosen


def rank(lane: str) -> int:
    """Its place in the table; what is no lane of ours comes last."""
    return next((place for place, known in enumerate(RULES) if known == lane), len(RULES))
