"""How much of the traffic each carrier gets: its configured weight, less what its errors and its slowness cost it.

The last couple of hundred outcomes, and the last minutes, are remembered. A weight falls with every failure that is
the carrier's fault and comes back with success and with time; it never falls to nothing, so that a trickle keeps
trying. Each process weighs for itself, by what it saw. Pure: observations and `now` come in.
Limits: who is slow is told by the smoothed time of its answers, so a carrier that answers nothing at all is found by
its unknown outcomes, not by its slowness.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from math import ceil

from msgspec import Struct

from sms.statuses import Fault

#: Refused by the carrier or left without an answer. What is wrong with the number (permanent) is not its fault.
BLAMED = frozenset({Fault.TEMPORARY, Fault.THROTTLED, Fault.TECHNICAL, Fault.UNKNOWN})

#: Of what is remembered, half is forgotten in this time. A carrier that was repaired is back within a few of them.
HALF_LIFE = timedelta(minutes=2)
#: So many outcomes count, or a carrier that took a million would have to fail a hundred thousand times to be noticed.
_MEMORY = 200.0
#: Outcomes everybody starts with, all of them good: one failure in an idle hour is no trend.
_CREDIT = 10.0
#: A failure costs more than its share, for it costs a text its time: 5 % leave about 0.8 of the weight, 20 % a third.
_SEVERITY = 5
FLOOR = 0.05

#: Slower than this is slow whatever the others do; quicker than the other is never slow.
_SLOW_S, _QUICK_S = 5.0, 1.0
#: So many times as long as the quickest other carrier.
_SLOWER = 3.0


class Health(Struct, frozen=True, kw_only=True):
    """What one carrier's outcomes amount to at `at`: how many went well and how many badly, the older ones fading."""

    at: datetime
    good: float = 0.0
    bad: float = 0.0

    def after(self, now: datetime, *, good: int = 0, bad: int = 0) -> "Health":
        """With what was seen since. A clock that was put back stops the fading and nothing else."""
        fading = 0.5 ** (max(now - self.at, timedelta()) / HALF_LIFE)
        had, failed = self.good * fading + good, self.bad * fading + bad
        surplus = max(1.0, (had + failed) / _MEMORY)
        return Health(at=now, good=had / surplus, bad=failed / surplus)

    @property
    def level(self) -> float:
        """From FLOOR to 1: what part of its weight the carrier keeps."""
        failing = self.bad / (self.good + self.bad + _CREDIT)
        return max(FLOOR, (1.0 - failing) ** _SEVERITY)


def speed(answer_s: float | None, others_s: Collection[float]) -> float:
    """From FLOOR to 1: what part of its weight a carrier keeps that takes `answer_s` to answer."""
    tolerated = min(_SLOW_S, max(_QUICK_S, _SLOWER * min(others_s, default=_SLOW_S)))
    return max(FLOOR, min(1.0, tolerated / answer_s)) if answer_s else 1.0


class Turns:
    """Who may take from the queue next, when several could: in the long run each its share.

    A credit per carrier: whatever one takes is owed to all that could have taken it, by their weights. The one to
    whom most is owed goes first. Who is alone, or finds the others busy, takes what there is, and owes nothing.
    """

    #: What one that was slow for long may catch up with later.
    MOST = 500.0

    def __init__(self) -> None:
        self._owed: dict[str, float] = {}

    def first(self, ready: Mapping[str, float]) -> str:
        """Of those that could take something, with their weights. They are asked for once, so never empty."""
        return max(ready, key=lambda name: (self._owed.get(name, 0.0), ready[name]))

    def took(self, name: str, count: int, ready: Mapping[str, float]) -> None:
        total = sum(ready.values())
        for each, weight in ready.items():
            owed = self._owed.get(each, 0.0) + count * weight / total - (count if each == name else 0)
            self._owed[each] = max(-self.MOST, min(self.MOST, owed))


def quota(name: str, rooms: Mapping[str, int], ready: Mapping[str, float]) -> int:
    """How many `name` may claim at once: its share of all the room there is, as far as it has room itself."""
    share = ready[name] / sum(ready.values())
    return min(rooms[name], ceil(share * sum(rooms[each] for each in ready)))
