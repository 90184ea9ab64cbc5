"""What happens in the exchange. What supervision must look at, it says in `supervision.events`."""

from datetime import date
from typing import ClassVar

from kernel.events import Event


class SenderAdded(Event, frozen=True, tag="exchange.sender_added"):
    about: ClassVar[str] = "exchange"
    exchange: str
    org: str
    region: str
    serial: str


class SenderRevoked(Event, frozen=True, tag="exchange.sender_revoked"):
    about: ClassVar[str] = "exchange"
    exchange: str
    serial: str


class BatchOpened(Event, frozen=True, tag="exchange.batch_opened"):
    about: ClassVar[str] = "exchange"
    exchange: str
    batch: str
    day: date
    rows: int
    manifest_sha256: str


class BatchTaken(Event, frozen=True, tag="exchange.batch_taken"):
    """The last part is in."""

    about: ClassVar[str] = "exchange"
    exchange: str
    batch: str
    accepted: int
    flagged: int
    held: int
    ignored: int
    rejected: int
    drifts: int


EVENTS: tuple[type[Event], ...] = (SenderAdded, SenderRevoked, BatchOpened, BatchTaken)
