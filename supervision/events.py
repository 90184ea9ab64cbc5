"""What supervision saw, ordered and issued. Codes and numbers only: no names, phones or reply codes."""

from datetime import date, datetime
from typing import ClassVar

from kernel.events import Event


class LightTurned(Event, frozen=True, tag="supervision.light"):
    """A case's light turned `colour` (yellow, red) at `at`, while `task` was open at `step`."""

    case: str
    task: int
    colour: str
    at: datetime
    unit: str
    role: str
    step: str
    due_on: date | None = None
    assignee: str | None = None


class OrderIssued(Event, frozen=True, tag="supervision.order"):
    """督办单 `number`: finish and explain by `limit_on`."""

    case: str
    number: str
    unit: str
    limit_on: date


class IrregularityFound(Event, frozen=True, tag="supervision.finding"):
    """`kind`: silence (nobody spoke in five working days)."""

    case: str
    unit: str
    kind: str


class CardProposed(Event, frozen=True, tag="card.proposed"):
    about: ClassVar[str] = "card"
    card: str
    case: str
    unit: str
    colour: str
    ground: str
    officer: str | None = None


class CardConfirmed(Event, frozen=True, tag="card.confirmed"):
    """The card has effect from now on."""

    about: ClassVar[str] = "card"
    card: str
    number: str
    case: str
    unit: str
    officer: str
    evidence: str


class CardRejected(Event, frozen=True, tag="card.rejected"):
    about: ClassVar[str] = "card"
    card: str
    case: str
    unit: str
    officer: str
    evidence: str


class CardServed(Event, frozen=True, tag="card.served"):
    """The card's paper is before the unit, whose leaders `officers` are asked for a receipt."""

    about: ClassVar[str] = "card"
    card: str
    number: str
    case: str
    unit: str
    officers: tuple[str, ...]


class CardAcknowledged(Event, frozen=True, tag="card.acknowledged"):
    about: ClassVar[str] = "card"
    card: str
    number: str
    unit: str
    officer: str
    evidence: str


class CardReminded(Event, frozen=True, tag="card.reminded"):
    """Nobody answered: `officers` may and shall. `escalated`: the reminder was not answered either, those above are
    among them."""

    about: ClassVar[str] = "card"
    card: str
    case: str
    unit: str
    escalated: bool
    officers: tuple[str, ...] = ()


class CardReplyRefused(Event, frozen=True, tag="card.reply_refused"):
    """A text asked for something it could not have. `phone` is masked, `why` the refusal's code."""

    about: ClassVar[str] = "phone"
    phone: str
    why: str
    card: str = ""
    evidence: str = ""


EVENTS = (
    LightTurned,
    OrderIssued,
    IrregularityFound,
    CardProposed,
    CardConfirmed,
    CardRejected,
    CardServed,
    CardAcknowledged,
    CardReminded,
    CardReplyRefused,
)
