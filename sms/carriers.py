"""What the gateway needs of a carrier, whatever it speaks: SMPP, CMPP, MAS by HTTP or by database.

A carrier divides the text itself, because only it knows how its parts travel, and reports once per message. What it
hears it hands to `Ears`, and tells its peer "taken" only when they have.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from alerts.settling import Heard
from sms.statuses import Fault
from sms.text import Part


class MobileText(Struct, frozen=True, kw_only=True):
    """One text to one phone (MT). `skip` are parts the carrier took before, under the same `reference`.

    `priority` 0 goes first. `extension` is put behind the access number, so that an answer names it. `expires_at`:
    beyond it the text is news no more, which the carrier is told where its protocol can say so. For a carrier that
    takes nothing but registered templates: `template` is the id of what the words were made of, `wording` its own words
    with their places, `registered` this carrier's number of exactly those, where the register of wordings has one.
    """

    phone: str
    words: str
    reference: int
    expires_at: datetime
    skip: frozenset[int] = frozenset()
    priority: int = 0
    extension: str = ""
    template: str = ""
    wording: str = ""
    registered: str = ""


class Condition(Struct, frozen=True, kw_only=True):
    """How a carrier is, for the status page and the metrics. Counts are since the start of this process.

    `state`: the word of its protocol (bound, up, down …). `waiting`: texts in our hands that wait for the window, the
    rate or the end of a pause. `last_error_at`: when that was, where it is known; `is_error_past`: every connection has
    come to stand since, or answered. `answer_s`: how long an answer takes, smoothed over the last ones. In `counts` the
    gateway looks for `throttled`, how often it was told to be slower. `refusals`: how often each code of the carrier
    was the answer. `links`: each of several connections by its name; then the rest are their sums.
    """

    state: str
    in_flight: int = 0
    window: int = 0
    waiting: int = 0
    parts_per_s: float | None = None
    paused_for_s: float = 0.0
    silent_for_s: float | None = None
    answer_s: float | None = None
    last_error: str = ""
    last_error_at: datetime | None = None
    is_error_past: bool = False
    counts: Mapping[str, int] = {}
    refusals: Mapping[str, int] = {}
    links: "Mapping[str, Condition]" = {}


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

    `identity` is what stays the same when the carrier says it again: not the number it gave this delivery. If it
    `is_dated`, it holds the moment at which the person sent it, so that no other text will ever have the same. If it
    is not: `connected_at` is when the newest connection to the carrier began, for a carrier says again what it had no
    answer to before that. `was_read` comes true once the carrier has certainly read that it was taken; where that stays
    unknown, never.
    """

    carrier: str
    part: Part
    identity: bytes
    is_dated: bool = False
    connected_at: datetime | None = None
    was_read: asyncio.Future[None] | None = None


class Ears(Protocol):
    def heard(self, receipt: Heard) -> "Awaitable[int]":
        """Comes to 0 once the receipt is recorded."""

    def arrived(self, arrival: Arrival) -> "Awaitable[int]":
        """Comes to 0 once the text is recorded."""


#: For a carrier that is not told: a text that leaves now may wait there, and a code is worth minutes.
UNTOLD = timedelta(seconds=60)


class Carrier(Protocol):
    name: str
    #: Its share of the traffic beside the others, while all are well.
    weight: int
    #: How many messages it may hold at once: enough to keep its window full, few enough to lose little in a crash.
    ahead: int
    #: How much of its life a text must have left to be given to it. None of it where the carrier is told when a text is
    #: news no more; else what it holds may be read at any time, and cannot be taken back.
    needs_left: timedelta

    @property
    def is_up(self) -> bool:
        """Whether messages can be sent now."""

    def condition(self) -> Condition:
        """How it is now."""

    def send(self, text: MobileText, on_sent: OnSent) -> None:
        """`on_sent` is called exactly once, perhaps before this returns."""

    async def run(self, ears: Ears) -> None:
        """Keeps the connection up until `drain`; may be called again after it."""

    async def drain(self, timeout_s: float) -> None:
        """Takes nothing more, finishes what is under way, says goodbye."""
