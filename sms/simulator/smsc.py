"""The simulated SMSC: accounts, receipts, messages from phones, over real TCP, for any SMPP 3.4 client.

It speaks through the same session as the office's own link, in the other role. What an ESME does not take (an error,
no answer, a lost connection) is delivered again, as carriers do; nothing is kept over a restart.
Limits: no scheduled delivery, no validity period, no query_sm, data_coding is not checked against the octets.
"""

import asyncio
import ssl
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import TracebackType

from kernel.clock import Clock
from sms import text
from sms.conversation import ROK, Answered, Event, Received, Role, Unanswered
from sms.receipts import MessageState, Receipt
from sms.simulator.faults import Faults
from sms.simulator.handset import Handset
from sms.smpp import receipts
from sms.smpp.session import BindRequested, Session, Terms
from sms.smpp.vocabulary import DeliverSm, SubmitSm
from sms.wire import Wire

RINVPASWD, RINVSYSID, RTHROTTLED = 0x0E, 0x0F, 0x58
#: A wide window and patience: the simulator shall never be what limits its peer.
TERMS = Terms(window=1000, max_unacknowledged=10_000, enquire_after_s=60.0)
#: Beyond it, texts to numbers nobody has asked for are answered and forgotten.
_MAX_HANDSETS = 10_000
_NAMESPACE = uuid.UUID(int=0)


class IdStyle(StrEnum):
    """How message ids are written. Some carriers answer hexadecimal and put decimal into the receipt: MIXED."""

    HEX = "hex"
    DECIMAL = "decimal"
    MIXED = "mixed"
    UUID = "uuid"


class _Delivery:
    """One deliver_sm until it is taken."""

    __slots__ = ("pdu", "taken")

    def __init__(self, pdu: DeliverSm, taken: "asyncio.Future[None] | None" = None) -> None:
        self.pdu, self.taken = pdu, taken


class _Account:
    def __init__(self, password: str) -> None:
        self.password = password
        self.queue: deque[_Delivery] = deque()
        self.wires: list[Wire] = []

    def wake(self) -> None:
        for wire in self.wires:
            wire.turn_soon()


class Smsc:
    """`async with Smsc({"system_id": "password"}, clock=...) as smsc:` then connect to `smsc.port`.

    `routes` says which account owns which access code, by prefix; what matches none goes to the first account.
    """

    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        routes: Mapping[str, str] | None = None,
        id_style: IdStyle = IdStyle.HEX,
        receipt_delay_s: float = 0.0,
        redeliver_s: float = 0.02,
        faults: Faults | None = None,
        terms: Terms = TERMS,
    ) -> None:
        self.host, self.port = host, port
        self.faults = faults or Faults()
        #: The last messages taken, as (message id, submit_sm), and counts since the start.
        self.accepted: deque[tuple[str, SubmitSm]] = deque(maxlen=10_000)
        self.counts: Counter[str] = Counter()
        self._accounts = {system_id: _Account(password) for system_id, password in accounts.items()}
        self._routes, self._clock, self._tls, self._terms = routes or {}, clock, tls, terms
        self._id_style, self._receipt_delay_s, self._redeliver_s = id_style, receipt_delay_s, redeliver_s
        self._handsets: dict[str, Handset] = {}
        self._reassembler = text.Reassembler()
        self._peers: set[_Peer] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Smsc":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self).wire, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        ended = [peer.wire.ended for peer in self._peers]
        self.cut()
        await asyncio.gather(*ended)
        await self._server.wait_closed()

    @property
    def connections(self) -> int:
        return len(self._peers)

    def handset(self, number: str) -> Handset:
        """The phone with this number; there is exactly one."""
        if number not in self._handsets:
            self._handsets[number] = Handset(number, self, self._clock.now)
        return self._handsets[number]

    def cut(self) -> None:
        """Break every TCP connection."""
        for peer in list(self._peers):
            peer.wire.transport.abort()

    async def unbind(self) -> None:
        """Leave every peer politely."""
        await asyncio.gather(*(peer.wire.leave() for peer in list(self._peers)))

    def deliver(self, pdu: DeliverSm, system_id: str | None = None) -> None:
        """Put any deliver_sm, however odd, in front of the account that owns its destination."""
        account = self._accounts[system_id or self._owner(pdu.destination)]
        account.queue.append(_Delivery(pdu))
        account.wake()

    async def carry(self, source: str, destination: str, segments: text.Segments, timeout_s: float) -> None:
        """From a phone to the ESME. Returns when every part was taken."""
        account = self._accounts[self._owner(destination)]
        loop = asyncio.get_running_loop()
        deliveries = [
            _Delivery(
                DeliverSm(
                    source=source,
                    destination=destination,
                    esm_class=0x40 if segments.has_header else 0,
                    data_coding=segments.coding,
                    short_message=octets,
                ),
                loop.create_future(),
            )
            for octets in segments.parts
        ]
        account.queue.extend(deliveries)
        account.wake()
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(delivery.taken for delivery in deliveries if delivery.taken))

    def _owner(self, number: str) -> str:
        prefixes = [prefix for prefix in self._routes if number.startswith(prefix)]
        return self._routes[max(prefixes, key=len)] if prefixes else next(iter(self._accounts))

    # ---- one message

    def _take(self, pdu: SubmitSm) -> tuple[str, Receipt]:
        """Accept one submit_sm: its id, and what its receipt will say."""
        self.counts["accepted"] += 1
        number = self.counts["accepted"]
        message_id, in_receipt = self._ids(number)
        self.accepted.append((message_id, pdu))
        if pdu.destination in self.faults.undeliverable:
            return message_id, Receipt(in_receipt, MessageState.UNDELIVERABLE, error="001")
        for joined in self._reassembler.take(pdu.part(), asyncio.get_running_loop().time()):
            if joined.destination in self._handsets or len(self._handsets) < _MAX_HANDSETS:
                self.handset(joined.destination).receive(joined.source, joined.text)
        return message_id, Receipt(in_receipt, MessageState.DELIVERED)

    def _ids(self, number: int) -> tuple[str, str]:
        """The id as the response and as the receipt writes it. Numbered from 2^28, so that hexadecimal shows."""
        number += 0x10000000
        match self._id_style:
            case IdStyle.HEX:
                return f"{number:X}", f"{number:X}"
            case IdStyle.DECIMAL:
                return str(number), str(number)
            case IdStyle.MIXED:
                return f"{number:X}", str(number)
        name = str(uuid.uuid5(_NAMESPACE, str(number)))
        return name, name

    def _receipt(self, account: _Account, pdu: SubmitSm, receipt: Receipt, submitted_at: datetime) -> None:
        done_at = self._clock.now()
        body = receipts.render(receipt, submitted_at=submitted_at, done_at=done_at)
        delivery = _Delivery(
            DeliverSm(
                source=pdu.destination,
                destination=pdu.source,
                esm_class=0x04,
                short_message=body,
                message_state=receipt.state,
                receipted_message_id=receipt.message_id,
            )
        )
        self.counts["receipts"] += 1
        account.queue.extend([delivery] * (2 if self.faults.duplicate_receipts else 1))
        account.wake()


class _Peer:
    """One connection: the owner of its wire."""

    def __init__(self, smsc: Smsc) -> None:
        self._smsc = smsc
        self._loop = asyncio.get_running_loop()
        self._account: _Account | None = None
        self._under_way: dict[int, _Delivery] = {}
        self.wire = _Ear(self._session, self)
        self.wire.faults = smsc.faults

    def _session(self, now: float) -> Session:
        self.session = Session(Role.SMSC, now, self._smsc._terms)
        return self.session

    def opened(self, wire: Wire, now: float) -> None:
        self._smsc._peers.add(self)

    def happened(self, wire: Wire, event: Event, now: float) -> None:
        match event:
            case Received(sequence, SubmitSm() as pdu, _):
                self._submitted(sequence, pdu)
            case Answered(sequence, status, _):
                self._answered(self._under_way.pop(sequence), is_taken=status == ROK)
            case Unanswered(sequence, _):
                self._answered(self._under_way.pop(sequence), is_taken=False)
            case BindRequested():
                self._introduced(event, now)
            case _:
                self._smsc.counts[type(event).__name__] += 1

    def pump(self, wire: Wire, now: float) -> float | None:
        queue = self._account.queue if self._account else ()
        while queue and wire.session.room:
            delivery = queue.popleft()
            self._under_way[wire.session.send(delivery.pdu, now)] = delivery
        return None

    def ended(self, wire: Wire) -> None:
        self._smsc._peers.discard(self)
        if self._account:
            self._account.wires.remove(wire)
            self._account.wake()

    def _introduced(self, event: BindRequested, now: float) -> None:
        session, account = self.session, self._smsc._accounts.get(event.bind.system_id)
        if account is None or account.password != event.bind.password:
            session.refuse(event.sequence, RINVSYSID if account is None else RINVPASWD)
            self._smsc.counts["bind refused"] += 1
            return
        session.accept(event.sequence, "SIMULATOR", now)
        self._smsc.counts["binds"] += 1
        self._account = account
        account.wires.append(self.wire)

    def _submitted(self, sequence: int, pdu: SubmitSm) -> None:
        smsc, faults, session = self._smsc, self._smsc.faults, self.session
        smsc.counts["submitted"] += 1
        if faults.throttle_next:
            faults.throttle_next -= 1
            session.acknowledge(sequence, RTHROTTLED)
            return
        if faults.error_every and smsc.counts["submitted"] % faults.error_every == 0:
            session.acknowledge(sequence, faults.error_status)
            return
        message_id, receipt = smsc._take(pdu)
        if faults.receipt_first:
            self._report(pdu, receipt)
            self.wire.turn()
        if faults.lose_responses:
            faults.lose_responses -= 1
        elif faults.response_delay_s:
            self._loop.call_later(faults.response_delay_s, self._acknowledge, sequence, message_id)
        else:
            session.acknowledge(sequence, ROK, message_id)
        if not faults.receipt_first:
            self._report(pdu, receipt)

    def _acknowledge(self, sequence: int, message_id: str) -> None:
        self.wire.session.acknowledge(sequence, ROK, message_id)
        self.wire.turn_soon()

    def _report(self, pdu: SubmitSm, receipt: Receipt) -> None:
        """A receipt if one was asked for: always, or on failure only. Source: SMPP 3.4 §5.2.17."""
        wanted = pdu.registered_delivery & 0x03
        if not wanted or self._smsc.faults.no_receipts or self._account is None:
            return
        if wanted == 2 and receipt.state is MessageState.DELIVERED:
            return
        facts = (self._account, pdu, receipt, self._smsc._clock.now())
        if self._smsc._receipt_delay_s:
            self._loop.call_later(self._smsc._receipt_delay_s, self._smsc._receipt, *facts)
        else:
            self._smsc._receipt(*facts)

    def _answered(self, delivery: _Delivery, *, is_taken: bool) -> None:
        if is_taken:
            if delivery.taken and not delivery.taken.done():
                delivery.taken.set_result(None)
            return
        self._smsc.counts["redelivered"] += 1
        self._loop.call_later(self._smsc._redeliver_s, self._again, delivery)

    def _again(self, delivery: _Delivery) -> None:
        assert self._account is not None
        self._account.queue.appendleft(delivery)
        self._account.wake()


class _Ear(Wire):
    """A wire that can go deaf."""

    faults: Faults

    def data_received(self, data: bytes) -> None:
        if not self.faults.is_deaf:
            super().data_received(data)
