"""One CMPP session, without a socket and without a clock: octets in, events out, `now` is an argument.

Holds CMPP 3.0 §6 (by the table in moves.py): connect with authenticators, sequence numbers, window, active test. Both
ends are here, SP and ISMG, because they obey the same table. Rule: everything that changes a session's state lives
here. What goes unanswered is not repeated, though the specification lets one repeat it three times: whoever repeats a
text that was taken tells a person twice. Its outcome is unknown.
Limits: an answer that comes after its time-out is only reported as stray. The window is ours, not the peer's.
"""

from typing import Final

from msgspec import Struct

from sms.cmpp.moves import may_send
from sms.cmpp.pdus import HEADER, MAX_PDU_OCTETS, Malformed, decode, encode
from sms.cmpp.statuses import COMMAND, CONNECT_OTHER, FLOW, NOT_CANCELLED, OF_CONNECT, UNPROVEN
from sms.cmpp.vocabulary import (
    NO_ID,
    Account,
    ActiveTest,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Nack,
    Pdu,
    Query,
    QueryResp,
    Request,
    Response,
    Submit,
    SubmitResp,
    Terminate,
    Unknown,
    Version,
)
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
from sms.framing import Framer, FramingError

#: Half of what four octets hold: some gateways read them as a signed number.
MAX_SEQUENCE: Final = 0x7FFFFFFF


class Terms(Struct, frozen=True, kw_only=True):
    """What one gateway's contract says, in messages, seconds and octets."""

    #: The highest that is spoken; a gateway may answer with a lower one.
    version: Version = Version.V3
    window: int = 16  # CMPP 3.0 §6.4
    response_s: float = 60.0  # CMPP 3.0 §6.4: T; then the outcome of a request is unknown
    connect_s: float = 10.0
    #: The specification says three minutes; a firewall forgets a silent connection sooner.
    test_after_s: float = 30.0
    test_answer_s: float = 20.0
    tests: int = 3  # CMPP 3.0 §6.4: N; so many in a row without an answer, and the peer is dead
    #: Whether a gateway that cannot prove that it knows the secret is left again.
    is_proof_wanted: bool = True
    max_unacknowledged: int = 1000  # beyond it the peer is told to slow down
    max_pdu_octets: int = MAX_PDU_OCTETS


TERMS = Terms()


class ConnectRequested(Event, frozen=True):
    """ISMG only: to be answered by `accept` or `refuse`."""

    sequence: int
    connect: Connect


class Asked(Event, frozen=True):
    """ISMG only: to be answered by `answer`."""

    sequence: int
    pdu: Query | Cancel


class Session:
    """`now` is seconds of one steady clock. Every method that takes octets or time returns what happened.

    `version` is what is spoken at present; `offered` the highest that the gateway's last answer named.
    """

    def __init__(self, role: Role, now: float, terms: Terms = TERMS, *, first_sequence: int = 1) -> None:
        self.state = State.OPEN
        self.terms, self.version = terms, terms.version
        self.offered: Version | None = None
        self._role, self._peer = role, role.peer
        self._framer = Framer(HEADER.size, terms.max_pdu_octets)
        self.requested = self.answered = first_sequence - 1  # our newest request, and the last that was answered
        self._in_flight: dict[int, float] = {}  # deadlines; one time-out for all, so the first is the earliest
        self._asked: dict[int, tuple[Request, float]] = {}  # connect, active test, terminate under way
        self._unacknowledged: dict[int, str] = {}  # the Msg_Id that the answer repeats
        self._to_answer: dict[int, type[Request]] = {}  # queries and cancellations
        self._connect: Connect | None = None
        self._account: Account | None = None
        self._silent_tests = 0
        self._life = now  # when the peer last answered something we asked: the only proof that it works
        self._opened = now
        self._out: list[bytes] = []

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def can_send(self) -> bool:
        """Whether this end may send texts: Submit for the SP, Deliver for the ISMG."""
        return self._may_send(Submit if self._role is Role.ESME else Deliver)

    @property
    def room(self) -> int:
        """How many requests `send` would take now."""
        return self.terms.window - len(self._in_flight) if self.can_send else 0

    # ---- what we want

    def connect(self, account: Account, connect: Connect, now: float) -> None:
        """SP only; `connect` is the account's introduction. Bound, BindRefused or LinkDead will follow."""
        self._account, self._connect = account, connect
        self._ask(connect, now, self.terms.connect_s)
        self.state = State.BINDING

    def accept(self, sequence: int, account: Account, now: float) -> list[Event]:
        """ISMG only: the answer to ConnectRequested. The lower of the two versions is spoken from here on."""
        connect = self._connect_requested()
        width = 1 if self.version is Version.V2 else 4
        digest = account.gateway_digest(ROK, width, connect)
        self._transmit(ConnectResp(authenticator=digest, version=self.version), sequence)
        self._life, self.state = now, State.BOUND_TRX
        return [Bound(self.state, connect.source)]

    def refuse(self, sequence: int, status: int) -> list[Event]:
        """ISMG only: the answer to ConnectRequested, with the highest version that is spoken here."""
        self._connect_requested()
        self._transmit(ConnectResp(status=status, version=self.terms.version), sequence)
        return self._close(BindRefused(OF_CONNECT + status))

    def send(self, pdu: Submit | Deliver, now: float) -> int:
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
        """Answer a Received. Once the connection is gone nobody can be told: the peer will send it again.

        An SP refuses by flow control, whatever the reason: gateways answer that by delivering again.
        """
        its_id = self._unacknowledged.pop(sequence, None)
        kind = DeliverResp if self._role is Role.ESME else SubmitResp
        if its_id is not None and self._may_send(kind):
            status = FLOW if status and self._role is Role.ESME else status
            self._transmit(kind(message_id=message_id or its_id, status=status), sequence)

    def answer(self, sequence: int, pdu: QueryResp | CancelResp) -> None:
        """ISMG only: the answer to Asked."""
        if self._to_answer.pop(sequence, None) and self._may_send(type(pdu)):
            self._transmit(pdu, sequence)

    def probe(self, now: float) -> None:
        """Ask whether the peer is there, unless it owes that answer already."""
        if self.state.is_bound and not self._asked:
            self._ask(ActiveTest(), now, self.terms.test_answer_s)

    def unbind(self, now: float) -> None:
        """Leave politely. Unbound or LinkDead will follow."""
        self._ask(Terminate(), now, self.terms.test_answer_s)
        self.state = State.UNBINDING

    def connection_lost(self) -> list[Event]:
        """The shell's transport has ended."""
        return [] if self.state is State.CLOSED else self._close(LinkDead("the connection ended"))

    def data_to_send(self) -> bytes:
        data, self._out = b"".join(self._out), []
        return data

    # ---- time

    def next_timer(self) -> float | None:
        """When `handle_timer` must be called, if nothing else happens before."""
        if self.state is State.CLOSED:
            return None
        timers = [deadline for _, deadline in self._asked.values()]
        timers += [next(iter(self._in_flight.values()))] if self._in_flight else []
        if self.state.is_bound and not self._asked:
            timers.append(self._life + self.terms.test_after_s)
        if self.state is State.OPEN:
            timers.append(self._opened + self.terms.connect_s)
        return min(timers, default=None)

    def handle_timer(self, now: float) -> list[Event]:
        events: list[Event] = []
        for sequence, deadline in list(self._in_flight.items()):
            if deadline > now:
                break
            del self._in_flight[sequence]
            events.append(Unanswered(sequence, "no response in time"))
        for sequence, (request, deadline) in list(self._asked.items()):
            if deadline > now:
                continue
            del self._asked[sequence]
            self._silent_tests += 1
            if not isinstance(request, ActiveTest) or self._silent_tests >= self.terms.tests:
                return events + self._close(LinkDead(f"no answer to {request.name}"))
            self._ask(ActiveTest(), now, self.terms.test_answer_s)
        if self.state is State.OPEN and self._opened + self.terms.connect_s <= now:
            return events + self._close(LinkDead("no CMPP_CONNECT"))
        if self._life + self.terms.test_after_s <= now:
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
                events += self._close(ProtocolViolation(str(error)))
        return events

    def _take(self, frame: bytes, now: float, events: list[Event]) -> None:
        try:
            sequence, pdu = decode(frame, self.version)
        except Malformed as error:
            events.append(self._reject(error.sequence, error.command_id, error.status))
            return
        if isinstance(pdu, Unknown):
            events.append(self._reject(sequence, pdu.command_id, COMMAND))
        elif not may_send(self._peer, self.state, type(pdu)):
            status = CONNECT_OTHER if isinstance(pdu, Connect) else COMMAND
            events.append(self._reject(sequence, pdu.command_id, status))
        elif isinstance(pdu, _ANSWERS):
            self._answered(sequence, pdu.command_id, pdu.status, pdu.message_id, now, events)
        elif isinstance(pdu, _MESSAGES):
            self._received(sequence, pdu, frame, events)
        elif isinstance(pdu, Response):
            self._control_answered(sequence, pdu, now, events)
        elif isinstance(pdu, Connect):
            self._connect_comes(sequence, pdu, now, events)
        elif isinstance(pdu, _QUESTIONS):
            if len(self._to_answer) < self.terms.window:
                self._to_answer[sequence] = type(pdu)
                events.append(Asked(sequence, pdu))
        elif isinstance(pdu, Request):
            self._transmit(pdu.response(), sequence)
            if isinstance(pdu, Terminate):
                events += self._close(Unbound(by_peer=True))

    def _connect_comes(self, sequence: int, pdu: Connect, now: float, events: list[Event]) -> None:
        self.state, self._connect = State.BINDING, pdu
        self.version = min(self.terms.version, Version.of(pdu.version) or Version.V2)
        self._asked[-1] = (pdu, now + self.terms.connect_s)  # the host must decide in time, too
        events.append(ConnectRequested(sequence, pdu))

    def _answered(
        self, sequence: int, command_id: int, status: int, message_id: str, now: float, events: list[Event]
    ) -> None:
        if self._in_flight.pop(sequence, None) is None:
            events.append(Stray(sequence, command_id))
        else:
            self._is_alive(sequence, now)
            events.append(Answered(sequence, status, message_id))

    def _received(self, sequence: int, pdu: Submit | Deliver, frame: bytes, events: list[Event]) -> None:
        if sequence in self._unacknowledged:
            return  # an impatient peer repeats itself; the one answer will serve both
        if len(self._unacknowledged) >= self.terms.max_unacknowledged:
            events.append(self._reject(sequence, pdu.command_id, FLOW, pdu.message_id))
            return
        self._unacknowledged[sequence] = pdu.message_id
        events.append(Received(sequence, pdu, frame))

    def _control_answered(self, sequence: int, pdu: Response, now: float, events: list[Event]) -> None:
        if isinstance(pdu, Nack) and sequence in self._in_flight:
            # Not even recognised, so certainly not taken: a refusal.
            self._answered(sequence, pdu.command_id, COMMAND, "", now, events)
            return
        request, _ = self._asked.get(sequence, (None, 0.0))
        if request is None or not isinstance(pdu, request.response | Nack):
            events.append(Stray(sequence, pdu.command_id))
            return
        del self._asked[sequence]
        self._is_alive(sequence, now)
        if isinstance(request, Connect):
            events += self._introduced(request, pdu)
        elif isinstance(request, Terminate):
            events += self._close(Unbound(by_peer=False))

    def _introduced(self, connect: Connect, pdu: Response) -> list[Event]:
        if not isinstance(pdu, ConnectResp):
            return self._close(BindRefused(OF_CONNECT + CONNECT_OTHER))
        self.offered = Version.of(pdu.version)
        if pdu.status != ROK:
            return self._close(BindRefused(OF_CONNECT + pdu.status))
        if self.terms.is_proof_wanted and not self._has_proof(connect, pdu):
            return self._close(BindRefused(UNPROVEN))
        self.version = min(self.version, self.offered or self.version)
        self.state = State.BOUND_TRX
        return [Bound(self.state, f"CMPP {self.version >> 4}.0")]

    def _has_proof(self, connect: Connect, answer: ConnectResp) -> bool:
        assert self._account is not None
        # Gateways of 3.0 that hash one octet of status exist, because their library grew up with 2.0.
        return answer.authenticator in [self._account.gateway_digest(ROK, width, connect) for width in (1, 4)]

    # ---- below the surface

    def _is_alive(self, answered: int, now: float) -> None:
        self.answered, self._life, self._silent_tests = answered, now, 0

    def _reject(self, sequence: int, command_id: int, status: int, message_id: str = NO_ID) -> Event:
        """Tell the peer no, in the answer of its own request if that has a status. Answers are never answered."""
        if command_id & 0x80000000:
            return Stray(sequence, command_id)
        no: Response
        match command_id:
            case Connect.command_id:
                no = ConnectResp(status=status, version=self.terms.version)
            case Submit.command_id:
                no = SubmitResp(status=status)
            case Deliver.command_id:
                no = DeliverResp(status=status, message_id=message_id)
            case Cancel.command_id:
                no = CancelResp(status=NOT_CANCELLED)
            case _:
                no = Nack()
        self._out.append(encode(no, sequence, self.version))
        return Rejected(sequence, command_id, status)

    def _connect_requested(self) -> Connect:
        if self._connect is None or self.state is not State.BINDING or self._role is Role.ESME:
            raise IllegalMove(self._role, self.state, ConnectResp.name)
        connect, self._connect = self._connect, None
        self._asked.pop(-1, None)
        return connect

    def _ask(self, request: Request, now: float, within_s: float) -> None:
        sequence = self._next_sequence()
        self._transmit(request, sequence)
        self._asked[sequence] = (request, now + within_s)

    def _may_send(self, kind: type[Pdu]) -> bool:
        return may_send(self._role, self.state, kind)

    def _transmit(self, pdu: Pdu, sequence: int) -> None:
        if not self._may_send(type(pdu)):
            raise IllegalMove(self._role, self.state, pdu.name)
        self._out.append(encode(pdu, sequence, self.version))

    def _next_sequence(self) -> int:
        """1 upward and round again, past the numbers still under way."""
        while True:
            self.requested = self.requested % MAX_SEQUENCE + 1
            if self.requested not in self._in_flight and self.requested not in self._asked:
                return self.requested

    def _close(self, last: BindRefused | Unbound | LinkDead | ProtocolViolation) -> list[Event]:
        why = last.why if isinstance(last, LinkDead | ProtocolViolation) else "the session ended"
        unanswered: list[Event] = [Unanswered(sequence, why) for sequence in self._in_flight]
        self._in_flight, self._asked, self._unacknowledged, self._to_answer = {}, {}, {}, {}
        self.state = State.CLOSED
        return [*unanswered, last]


# Not `A | B`, which Python would build anew for every message.
_ANSWERS, _MESSAGES, _QUESTIONS = (SubmitResp, DeliverResp), (Submit, Deliver), (Query, Cancel)
