"""The simulated SMSC: accounts, receipts, messages from phones, over real TCP, for any SMPP 3.4 client.

It speaks through the same session as the office's own link, in the other role. What an ESME does not take (an error,
no answer, a lost connection) is delivered again, as carriers do; nothing is kept over a restart.
Limits: no scheduled delivery, no query_sm, data_coding is not checked against the octets; a phone is on or off, so a
validity period is checked for its form and recorded with the submission, but nobody waits for its end.
"""

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Mapping
from types import TracebackType

from kernel.clock import Clock
from sms import text
from sms.conversation import ROK, Answered, Event, Received, Role, State, Unanswered
from sms.simulator.exchange import Account, Delivery, Exchange, IdStyle
from sms.simulator.faults import Faults
from sms.simulator.handset import Handset
from sms.smpp.pdus import encode
from sms.smpp.session import BindRequested, Session, Terms
from sms.smpp.vocabulary import Bind, DeliverSm, SubmitSm, SubmitSmResp
from sms.wire import Wire

__all__ = ["TERMS", "IdStyle", "Smsc"]

#: A wide window and patience: the simulator shall never be what limits its peer.
TERMS = Terms(window=1000, max_unacknowledged=10_000, enquire_after_s=60.0)


class Smsc:
    """`async with Smsc({"system_id": "password"}, clock=...) as smsc:` then connect to `smsc.port`.

    `routes` says which account owns which access code, by prefix; what matches none goes to the first account.

    While it runs: `faults` are the knobs (knobs.py sets them by name), `handset(number)` is a phone with its
    `inbox` and `send(to, body)`, `cut()` breaks the connections, `unbind()` ends them politely, `deliver(pdu)` puts
    any deliver_sm before an ESME. What has happened: `stats()`, of which `counts` are a part, `accepted`, the last
    messages taken as (message id, submit_sm), `binds`, the last that were asked for, and `connections`. `reset()`
    forgets it all, but not the faults.
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
        self.host, self.port, self.clock = host, port, clock
        self.faults = faults or Faults()
        if receipt_delay_s:
            self.faults.receipt_delay_s = receipt_delay_s
        self._exchange = Exchange(accounts, clock=clock, routes=routes or {}, id_style=id_style, faults=self.faults)
        self.counts: Counter[str] = self._exchange.counts
        self.accepted: deque[tuple[str, SubmitSm]] = self._exchange.accepted
        self.binds: deque[Bind] = self._exchange.binds
        self._tls, self._terms, self._redeliver_s = tls, terms, redeliver_s
        self._peers: set[_Peer] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Smsc":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._wire, self.host, self.port, ssl=self._tls)
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

    def _wire(self) -> Wire:
        return _Peer(self._exchange, self._peers, self._terms, self._redeliver_s).wire

    @property
    def connections(self) -> int:
        return len(self._peers)

    def stats(self) -> dict[str, object]:
        """Connections, phones, what waits, binds and queue of each account, and `counts`: ready for JSON."""
        return {"connections": self.connections, **self._exchange.stats()}

    def reset(self) -> None:
        """Empties counts, inboxes and what waits for ESMEs. Connections stand, faults stay, ids go on."""
        self._exchange.forget()

    def handset(self, number: str) -> Handset:
        """The phone with this number; there is exactly one."""
        return self._exchange.handset(number)

    def cut(self) -> None:
        """Break every TCP connection."""
        for peer in list(self._peers):
            peer.wire.transport.abort()

    async def unbind(self) -> None:
        """Leave every peer politely."""
        await asyncio.gather(*(peer.wire.leave() for peer in list(self._peers)))

    def deliver(self, pdu: DeliverSm, system_id: str | None = None) -> None:
        """Put any deliver_sm, however odd, in front of the account that owns its destination."""
        self._exchange.deliver(pdu, system_id)

    async def carry(self, source: str, destination: str, segments: text.Segments, timeout_s: float) -> None:
        """From a phone to the ESME. Returns when every part was taken."""
        await self._exchange.carry(source, destination, segments, timeout_s)


class _Peer:
    """One connection: the owner of its wire."""

    def __init__(self, exchange: Exchange, peers: "set[_Peer]", terms: Terms, redeliver_s: float) -> None:
        self._exchange, self._peers, self._terms, self._redeliver_s = exchange, peers, terms, redeliver_s
        self._account: Account | None = None
        self._under_way: dict[int, Delivery] = {}
        self._is_cut = False
        self.wire = _Ear(self._session, self)
        self.wire.faults = exchange.faults

    def _session(self, now: float) -> Session:
        self.session = Session(Role.SMSC, now, self._terms)
        return self.session

    def opened(self, wire: Wire, now: float) -> None:
        self._peers.add(self)

    def happened(self, wire: Wire, event: Event, now: float) -> None:
        match event:
            case Received(sequence, SubmitSm() as pdu, _):
                self._submitted(sequence, pdu, now)
            case Answered(sequence, status, _):
                self._answered(self._under_way.pop(sequence), is_taken=status == ROK)
            case Unanswered(sequence, _):
                self._answered(self._under_way.pop(sequence), is_taken=False)
            case BindRequested():
                self._introduced(event, now)
            case _:
                self._exchange.counts[type(event).__name__] += 1

    def pump(self, wire: Wire, now: float) -> float | None:
        queue = self._account.queue if self._account else ()
        while queue and wire.session.room:
            delivery = queue.popleft()
            self._under_way[wire.session.send(delivery.pdu, now)] = delivery
        return None

    def ended(self, wire: Wire) -> None:
        self._peers.discard(self)
        if self._account:
            self._account.wires.remove(wire)
            self._account.wake()

    def _introduced(self, event: BindRequested, now: float) -> None:
        if self.session.state is State.CLOSED:
            return  # what came in the same packet was no SMPP
        if status := self._exchange.bind_status(event.bind):
            self.session.refuse(event.sequence, status)
            self._exchange.counts["bind refused"] += 1
            return
        self.session.accept(event.sequence, "SIMULATOR", now)
        self._exchange.counts["binds"] += 1
        self._account = self._exchange.accounts[event.bind.system_id]
        self._account.wires.append(self.wire)

    def _submitted(self, sequence: int, pdu: SubmitSm, now: float) -> None:
        exchange, faults, account = self._exchange, self._exchange.faults, self._account
        if self._is_cut or account is None:
            return
        counts = exchange.counts
        counts["submitted"] += 1
        if faults.drop_next or (faults.drop_every and counts["submitted"] % faults.drop_every == 0):
            faults.drop_next = max(0, faults.drop_next - 1)
            counts["dropped"] += 1
            self.session.disregard(sequence)
            return
        if status := exchange.submit_status(account, pdu, now):
            counts[f"answered 0x{status:02X}"] += 1
            self.session.acknowledge(sequence, status)
            return
        message_id, receipt = exchange.take(pdu, now)
        if faults.receipt_first:
            exchange.report(account, pdu, receipt)
            self.wire.turn()
        if faults.cut_after == 1:
            self._cut(sequence, message_id)
        elif faults.lose_responses:
            faults.lose_responses -= 1
            self.session.disregard(sequence)
        elif faults.response_delay_s:
            exchange.later(faults.response_delay_s, self._acknowledge, sequence, message_id)
        else:
            self.session.acknowledge(sequence, ROK, message_id)
            if faults.duplicate_responses:
                self._repeat(sequence, message_id)
        faults.cut_after = max(0, faults.cut_after - 1)
        if not faults.receipt_first:
            exchange.report(account, pdu, receipt)

    def _acknowledge(self, sequence: int, message_id: str) -> None:
        self.session.acknowledge(sequence, ROK, message_id)
        if self._exchange.faults.duplicate_responses:
            self._repeat(sequence, message_id)
        self.wire.turn_soon()

    # ---- what a session does not do: it is done behind its back

    def _repeat(self, sequence: int, message_id: str) -> None:
        if self.session.state.is_bound:
            self.wire.turn()
            self.wire.transport.write(encode(SubmitSmResp(message_id=message_id), sequence))

    def _cut(self, sequence: int, message_id: str) -> None:
        self._is_cut = True
        if self._exchange.faults.cuts_mid_pdu:
            frame = encode(SubmitSmResp(message_id=message_id), sequence)
            self.wire.transport.write(self.session.data_to_send() + frame[: len(frame) // 2])
            self.wire.transport.close()
        else:
            self.wire.transport.abort()

    # ---- what the ESME has taken

    def _answered(self, delivery: Delivery, *, is_taken: bool) -> None:
        if is_taken:
            if delivery.taken and not delivery.taken.done():
                delivery.taken.set_result(None)
            return
        self._exchange.counts["redelivered"] += 1
        self._exchange.later(self._redeliver_s, self._again, delivery)

    def _again(self, delivery: Delivery) -> None:
        assert self._account is not None
        self._account.queue.appendleft(delivery)
        self._account.wake()


class _Ear(Wire):
    """A wire that can go deaf, and mute."""

    faults: Faults

    def data_received(self, data: bytes) -> None:
        if not (self.faults.is_deaf or self.faults.is_half_open):
            super().data_received(data)

    def turn(self) -> None:
        if self.faults.is_half_open and not self.transport.is_closing():
            self._is_turning_soon = False
            return
        super().turn()
