"""What every protocol session over one TCP connection says and is asked, whether it speaks SMPP or CMPP.

A session is sans-IO: octets in, events out, `now` passed in. wire.py gives it a socket, link.py keeps it up, pacing.py
fills its window; none of them knows which protocol it is. A `Dialect` is what they are told about the protocol.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from kernel.refusals import Refusal
from sms.statuses import Meaning

#: What the client submits, and what the carrier delivers to it.
Submitted = TypeVar("Submitted")
Submitted_contra = TypeVar("Submitted_contra", contravariant=True)
Delivered = TypeVar("Delivered")

#: The status of everything that went well, in every protocol here.
ROK = 0


class Role(IntEnum):
    ESME = 0  # we, towards a carrier; CMPP says SP
    SMSC = 1  # the carrier; CMPP says ISMG. The simulator

    @property
    def peer(self) -> "Role":
        return Role(1 - self)


class State(StrEnum):
    OPEN = "open"  # connected, nobody has introduced himself
    BINDING = "binding"
    BOUND_TX = "bound for sending"
    BOUND_RX = "bound for receiving"
    BOUND_TRX = "bound"
    UNBINDING = "unbinding"
    CLOSED = "closed"

    @property
    def is_bound(self) -> bool:
        return self in (State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX)


# ---------------------------------------------------------------------------------------------------------- events


class Event(Struct, frozen=True):
    """What has happened. The session is CLOSED after BindRefused, Unbound, LinkDead and ProtocolViolation."""


class Bound(Event, frozen=True):
    state: State
    system_id: str


class BindRefused(Event, frozen=True):
    status: int


class Received(Event, Generic[Delivered], frozen=True):
    """A text, a receipt or, at the carrier's end, a submission; to be answered by `acknowledge`. `raw`: the frame."""

    sequence: int
    pdu: Delivered
    raw: bytes


class Answered(Event, frozen=True):
    """The outcome of `send`. Accepted if status is 0; the dialect tells what another one means."""

    sequence: int
    status: int
    message_id: str


class Unanswered(Event, frozen=True):
    """The outcome of `send` is unknown: the peer may or may not have taken it."""

    sequence: int
    why: str


class Rejected(Event, frozen=True):
    """The peer asked something it may not ask, and was told `status`."""

    sequence: int
    command_id: int
    status: int


class Stray(Event, frozen=True):
    """The peer answered what nobody asked, or too late."""

    sequence: int
    command_id: int


class Unbound(Event, frozen=True):
    by_peer: bool


class LinkDead(Event, frozen=True):
    why: str


class ProtocolViolation(Event, frozen=True):
    why: str


class IllegalMove(Exception):
    """Our own fault: this session may not send this now."""

    def __init__(self, role: Role, state: State, pdu: str) -> None:
        super().__init__(f"{role.name} may not send {pdu} while {state.value}")


class WindowFull(Exception):
    """Our own fault: look at `room` before `send`."""


class FieldRefused(Refusal):
    """Our own caller's fault: the field cannot travel."""

    code = "SMS_FIELD_REFUSED"
    zh = "短信字段“{field}”不合规：最多{limit}个字符，且仅限可显示的英文字符。"
    en = "{field} cannot be sent: at most {limit} octets of printable ASCII."


# --------------------------------------------------------------------------------------------------------- session


class Conversation(Protocol[Submitted_contra]):
    """One session. After every call its owner sends `data_to_send()`, arms a timer for `next_timer()`, and hangs up
    once `state` is CLOSED. `now` is seconds of one steady clock."""

    state: State
    #: The numbers of our newest request, and of the one that the peer answered last.
    requested: int
    answered: int

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet answered."""

    @property
    def can_send(self) -> bool:
        """Whether it is bound for sending."""

    @property
    def room(self) -> int:
        """How many requests `send` would take now."""

    def send(self, pdu: Submitted_contra, now: float) -> int:
        """Puts one request under way; Answered or Unanswered follows with the number returned.

        Raises WindowFull, IllegalMove; FieldRefused for what cannot travel.
        """

    def acknowledge(self, sequence: int, status: int = ROK, message_id: str = "") -> None:
        """Answers a Received."""

    def probe(self, now: float) -> None:
        """Asks whether the peer is there, unless it owes that answer already."""

    def unbind(self, now: float) -> None: ...

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Takes octets in whatever pieces they come. Never raises on account of the peer."""

    def handle_timer(self, now: float) -> list[Event]: ...

    def next_timer(self) -> float | None: ...

    def data_to_send(self) -> bytes: ...

    def connection_lost(self) -> list[Event]: ...


class Dialect(Struct, Generic[Submitted], frozen=True, kw_only=True):
    """One protocol with one account at one carrier, for link.py and pacing.py.

    `open`: a new session over a connection that stands, its bind already under way. `window`: requests at once.
    `parts`: what the carrier counts and bills one submission by. `unfit`: the status of a submission that has a field
    which cannot travel. `not_now`: the status that says "deliver it again". `leaving`: a submission as it leaves when
    that much time is left until it is news no more, which is positive.
    """

    account: str
    window: int
    open: Callable[[float], Conversation[Submitted]]
    meaning: Callable[[int], Meaning]
    parts: Callable[[Submitted], int]
    unfit: int
    not_now: int
    leaving: Callable[[Submitted, timedelta], Submitted] | None = None
