"""What the gateway needs of a carrier, whatever it speaks: SMPP today, MAS by HTTP or by database tomorrow.

A carrier divides the text itself, because only it knows how its parts travel, and reports once per message. What it
hears it hands to `Ears`, and tells its peer "taken" only when they have.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from alerts.settling import Heard
from sms.statuses import Fault
from sms.text import Part


class Sent(Struct, frozen=True):
    """What became of one message. `accepted`: number (from 1) and carrier's id of each part that was taken.

    `fault` is why the others were not; None: all were. With `is_unsent` they certainly never left.
    """

    accepted: tuple[tuple[int, str], ...]
    fault: Fault | None = None
    error: str = ""
    is_unsent: bool = False


OnSent = Callable[[Sent], None]


class Arrival(Struct, frozen=True):
    """A text, or a part of one, from a person. `part.raw` is kept as evidence.

    `identity` is what stays the same when the carrier says it again: not the number it gave this delivery.
    """

    carrier: str
    part: Part
    identity: bytes


class Ears(Protocol):
    def heard(self, receipt: Heard) -> "Awaitable[int]":
        """Comes to 0 once the receipt is recorded."""

    def arrived(self, arrival: Arrival) -> "Awaitable[int]":
        """Comes to 0 once the text is recorded."""


class Carrier(Protocol):
    name: str
    #: How many messages it may hold at once: enough to keep its window full, few enough to lose little in a crash.
    ahead: int

    @property
    def is_up(self) -> bool:
        """Whether messages can be sent now."""

    def send(self, phone: str, words: str, *, reference: int, skip: frozenset[int], on_sent: OnSent) -> None:
        """`on_sent` is called exactly once. `skip` are parts it took before, under the same `reference`."""

    async def run(self, ears: Ears) -> None:
        """Keeps the connection up until `drain`."""

    async def drain(self, timeout_s: float) -> None:
        """Takes nothing more, finishes what is under way, says goodbye."""
