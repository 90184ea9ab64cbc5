"""One SMPP 3.4 session, without a socket and without a clock: octets in, events out, `now` is an argument.

Holds SMPP 3.4 §2.2-2.3 (by the table in moves.py), §2.7-2.9 (sequence numbers, timers, window). Both ends are here,
ESME and SMSC, because they obey the same table. Rule: everything that changes a session's state lives here.
A shell (link.py, simulator/) does three things after every call: sends `data_to_send()`, arms one timer for
`next_timer()`, and hangs up once `state` is CLOSED.
Limits: no outbind, no data_sm; a response that comes after its time-out is only reported as stray.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from sms.conversation import (
    ROK,
    Answered,
    BindRefused,
    Bound,
    Event,
    IllegalMove,
    LinkDead,
    ProtocolViolation,
    Received,
    Rejected,
    Role,
    State,
    Stray,
    Unanswered,
    Unbound,
    WindowFull,
)
from sms.framing import FramingError
from sms.smpp.moves import BOUND_AS, MAY_SEND, NEVER_ANSWERED
from sms.smpp.pdus import MAX_PDU_OCTETS, RINVCMDLEN, Framer, Malformed, decode, encode
from sms.smpp.vocabulary import (
    BINDS,
    Bind,
    BindResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    GenericNack,
    Pdu,
    Request,
    Response,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    Unknown,
)

RINVCMDID, RINVBNDSTS, RALYBND, RSYSERR, RTHROTTLED = 0x03, 0x04, 0x05, 0x08, 0x58
MAX_SEQUENCE: Final = 0x7FFFFFFF


class Terms(Struct, frozen=True, kw_only=True):
    """What one carrier's contract says, in PDUs, seconds and octets."""

    window: int = 16  # requests under way at once; carriers allow 10 to 64
    response_s: float = 30.0  # then the outcome of a request is unknown
    bind_s: float = 10.0
    enquire_after_s: float = 30.0  # without an answer to anything we asked
    enquire_answer_s: float = 10.0
    max_unacknowledged: int = 2000  # beyond it the peer is told to slow down
    max_pdu_octets: int = MAX_PDU_OCTETS


class BindRequested(Event, frozen=True):
    """SMSC only: to be answered by `accept` or `refuse`."""

    sequence: int
    bind: Bind


# --------------------------------------------------------------------------------------------------------- session


TERMS = Terms()


class Session:
    """`now` is seconds of one steady clock. Every method that takes octets or time returns what happened."""

    def __init__(self, role: Role, now: float, terms: Terms = TERMS, *, first_sequence: int = 1) -> None:
        self.terms = terms
        self._role = role
        self.state = State.OPEN
        self._framer = Framer(terms.max_pdu_octets)
        self.requested = self.answered = first_sequence - 1  # our newest request, and the last that was answered
        self._in_flight: dict[int, float] = {}  # deadlines; one time-out for all, so the first is the earliest
        self._asked: dict[int, tuple[Request, float]] = {}  # bind, enquire_link, unbind under way
        self._unacknowledged: dict[int, type[Request]] = {}
        self._bind_request: Bind | None = None
        self._life = now  # when the peer last answered something we asked: the only proof that it works
        self._opened = now
        self._out: list[bytes] = []

    @property
    def state(self) -> State:
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        # What the table says of this state is looked up once, not for every PDU.
        self._state = state
        self._ours, self._theirs = MAY_SEND[state][self._role], MAY_SEND[state][self._role.peer]
        #: Whether this end is bound for sending: submit_sm for the ESME, deliver_sm for the SMSC.
        self.can_send = (SubmitSm if self._role is Role.ESME else DeliverSm) in self._ours

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """How many requests `send` would take now."""
        return self.terms.window - len(self._in_flight) if self.can_send else 0

    # ---- what we want

    def bind(self, pdu: Bind, now: float) -> None:
        """ESME only. Bound, BindRefused or LinkDead will follow."""
        self._ask(pdu, now, self.terms.bind_s)
        self.state = State.BINDING

    def accept(self, sequence: int, system_id: str, now: float) -> list[Event]:
        """SMSC only: the answer to BindRequested."""
        bind = self._bind_requested()
        self._transmit(bind.response(system_id=system_id), sequence)
        self._life, self.state = now, BOUND_AS[type(bind)]
        return [Bound(self.state, bind.system_id)]

    def refuse(self, sequence: int, status: int) -> list[Event]:
        """SMSC only: the answer to BindRequested."""
        self._transmit(self._bind_requested().response(status=status), sequence)
        return self._close(BindRefused(status))

    def send(self, pdu: SubmitSm | DeliverSm, now: float) -> int:
        """Put one request under way. Answered or Unanswered will follow with the sequence number returned.

        Raises WindowFull, IllegalMove; FieldRefused for what cannot travel.
        """
        if len(self._in_flight) >= self.terms.window:
            raise WindowFull
        sequence = self._next_sequence()
        self._transmit(pdu, sequence)
        self._in_flight[sequence] = now + self.terms.response_s
        return sequence

    def acknowledge(self, sequence: int, status: int = ROK, message_id: str = "") -> None:
        """Answer a Received. Once the connection is gone nobody can be told: the peer will send it again."""
        kind = self._unacknowledged.pop(sequence, None)
        if kind is not None and kind.response in self._ours:
            answer = DeliverSmResp if kind is DeliverSm else SubmitSmResp
            self._out.append(encode(answer(status=status, message_id=message_id), sequence))

    def disregard(self, sequence: int) -> None:
        """Never answer a Received: the peer shall not know. For a simulated carrier; ours always answers."""
        self._unacknowledged.pop(sequence, None)

    def probe(self, now: float) -> None:
        """Ask whether the peer is there, unless it owes that answer already. LinkDead will follow if it is not."""
        if self.state.is_bound and not self._asked:
            self._ask(EnquireLink(), now, self.terms.enquire_answer_s)

    def unbind(self, now: float) -> None:
        """Leave politely. Unbound or LinkDead will follow."""
        self._ask(Unbind(), now, self.terms.enquire_answer_s)
        self.state = State.UNBINDING

    def connection_lost(self) -> list[Event]:
        """The shell's transport has ended."""
        return [] if self.state is State.CLOSED else self._close(LinkDead("the connection ended"))

    def data_to_send(self) -> bytes:
        data = b"".join(self._out)
        self._out.clear()
        return data

    # ---- time

    def next_timer(self) -> float | None:
        """When `handle_timer` must be called, if nothing else happens before."""
        if self.state is State.CLOSED:
            return None
        timers = [deadline for _, deadline in self._asked.values()]
        timers += [next(iter(self._in_flight.values()))] if self._in_flight else []
        if self.state.is_bound and not self._asked:
            timers.append(self._life + self.terms.enquire_after_s)
        if self.state is State.OPEN:
            timers.append(self._opened + self.terms.bind_s)
        return min(timers, default=None)

    def handle_timer(self, now: float) -> list[Event]:
        events: list[Event] = []
        for sequence, deadline in list(self._in_flight.items()):
            if deadline > now:
                break
            del self._in_flight[sequence]
            events.append(Unanswered(sequence, "no response in time"))
        late = [request.name for request, deadline in self._asked.values() if deadline <= now]
        if late:
            return events + self._close(LinkDead(f"no answer to {late[0]}"))
        if self.state is State.OPEN and self._opened + self.terms.bind_s <= now:
            return events + self._close(LinkDead("no bind"))
        if self._life + self.terms.enquire_after_s <= now:
            self.probe(now)
        return events

    # ---- what the peer wants

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take octets in whatever pieces they come. Never raises on account of the peer."""
        events: list[Event] = []
        try:
            for frame in self._framer.feed(data):
                if self.state is State.CLOSED:
                    break
                self._take(frame, now, events)
        except FramingError as error:
            if self.state is not State.CLOSED:
                self._out.append(encode(GenericNack(status=RINVCMDLEN), 0))
                events += self._close(ProtocolViolation(str(error)))
        return events

    def _take(self, frame: bytes, now: float, events: list[Event]) -> None:
        try:
            sequence, pdu = decode(frame)
        except Malformed as error:
            events.append(self._reject(error.sequence, error.command_id, error.command_status))
            return
        if type(pdu) not in self._theirs:
            if isinstance(pdu, Unknown):
                status = RINVCMDID
            else:
                status = RALYBND if isinstance(pdu, Bind) and self.state.is_bound else RINVBNDSTS
            events.append(self._reject(sequence, pdu.command_id, status))
        elif isinstance(pdu, _ANSWERS):
            self._answered(sequence, pdu, pdu.message_id, now, events)
        elif isinstance(pdu, _MESSAGES):
            self._received(sequence, pdu, frame, events)
        elif isinstance(pdu, Response):
            self._control_answered(sequence, pdu, now, events)
        elif isinstance(pdu, Bind):
            self.state, self._bind_request = State.BINDING, pdu
            self._asked[-1] = (pdu, now + self.terms.bind_s)  # the host must decide in time, too
            events.append(BindRequested(sequence, pdu))
        elif isinstance(pdu, Request):
            self._transmit(pdu.response(), sequence)
            if isinstance(pdu, Unbind):
                events += self._close(Unbound(by_peer=True))

    def _answered(self, sequence: int, pdu: Response, message_id: str, now: float, events: list[Event]) -> None:
        self._life = now
        if self._in_flight.pop(sequence, None) is None:
            events.append(Stray(sequence, pdu.command_id))
        else:
            self.answered = sequence
            events.append(Answered(sequence, pdu.status, message_id))

    def _received(self, sequence: int, pdu: SubmitSm | DeliverSm, frame: bytes, events: list[Event]) -> None:
        if sequence in self._unacknowledged:
            return  # an impatient peer repeats itself; the one answer will serve both
        if len(self._unacknowledged) >= self.terms.max_unacknowledged:
            events.append(self._reject(sequence, pdu.command_id, RTHROTTLED))
            return
        self._unacknowledged[sequence] = type(pdu)
        events.append(Received(sequence, pdu, frame))

    def _control_answered(self, sequence: int, pdu: Response, now: float, events: list[Event]) -> None:
        if isinstance(pdu, GenericNack) and sequence in self._in_flight:
            # Not even recognised, so certainly not taken: a refusal, whatever status the peer forgot to write.
            self._answered(sequence, GenericNack(status=pdu.status or RSYSERR), "", now, events)
            return
        request, _ = self._asked.get(sequence, (None, 0.0))
        if request is None or not isinstance(pdu, request.response | GenericNack):
            events.append(Stray(sequence, pdu.command_id))
            return
        del self._asked[sequence]
        self._life, self.answered = now, sequence
        if isinstance(request, Bind):
            if isinstance(pdu, BindResp) and pdu.status == ROK:
                self.state = BOUND_AS[type(request)]
                events.append(Bound(self.state, pdu.system_id))
            else:
                events += self._close(BindRefused(pdu.status or RSYSERR))
        elif isinstance(request, Unbind):
            events += self._close(Unbound(by_peer=False))

    # ---- below the surface

    def _reject(self, sequence: int, command_id: int, status: int) -> Event:
        """Tell the peer no, in the response of its own request if there is one. Responses are never answered."""
        if command_id & 0x80000000 or command_id in NEVER_ANSWERED:
            return Stray(sequence, command_id)
        own = _RESPONSES.get(command_id, GenericNack)
        self._out.append(encode(own(status=status), sequence))
        return Rejected(sequence, command_id, status)

    def _bind_requested(self) -> Bind:
        if self._bind_request is None or self.state is not State.BINDING:
            raise IllegalMove(self._role, self.state, "bind_resp")
        bind, self._bind_request = self._bind_request, None
        self._asked.pop(-1, None)
        return bind

    def _ask(self, request: Request, now: float, within_s: float) -> None:
        sequence = self._next_sequence()
        self._transmit(request, sequence)
        self._asked[sequence] = (request, now + within_s)

    def _transmit(self, pdu: Pdu, sequence: int) -> None:
        if type(pdu) not in self._ours:
            raise IllegalMove(self._role, self.state, pdu.name)
        self._out.append(encode(pdu, sequence))

    def _next_sequence(self) -> int:
        """1 to 0x7FFFFFFF and round again, past the numbers still under way. Source: SMPP 3.4 §5.1.4."""
        while True:
            self.requested = self.requested % MAX_SEQUENCE + 1
            if self.requested not in self._in_flight and self.requested not in self._asked:
                return self.requested

    def _close(self, last: BindRefused | Unbound | LinkDead | ProtocolViolation) -> list[Event]:
        why = last.why if isinstance(last, LinkDead | ProtocolViolation) else "the session ended"
        unanswered: list[Event] = [Unanswered(sequence, why) for sequence in self._in_flight]
        self._in_flight.clear()
        self._asked.clear()
        self._unacknowledged.clear()
        self.state = State.CLOSED
        return [*unanswered, last]


# Not `A | B`, which Python would build anew for every PDU.
_ANSWERS, _MESSAGES = (SubmitSmResp, DeliverSmResp), (SubmitSm, DeliverSm)

_RESPONSES: Mapping[int, type[Response]] = {
    kind.command_id: kind.response for kind in (*BINDS, SubmitSm, DeliverSm, EnquireLink, Unbind)
}
