"""The simulated ISMG: accounts, status reports, texts from phones, over real TCP, for any client of CMPP 2.0 or 3.0.

It speaks through the same session as the office's own link, in the other role. What an SP does not take (a result, no
answer, a lost connection) is delivered again with the same Msg_Id, as gateways do; nothing is kept over a restart.
Limits: no scheduled sending, ValId_Time is checked for its form only, nothing can be cancelled.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType

from msgspec.structs import replace

from kernel.clock import Clock
from sms.cmpp.pdus import encode
from sms.cmpp.session import Asked, ConnectRequested, Session, Terms
from sms.cmpp.statuses import NOT_CANCELLED
from sms.cmpp.vocabulary import Account, ActiveTest, CancelResp, Query, Submit, Version
from sms.conversation import ROK, Answered, Event, Received, Role, State, Unanswered
from sms.simulator.cmpp_exchange import Client, CmppExchange, Delivery, IsmgFaults
from sms.wire import Wire

__all__ = ["Ismg", "IsmgFaults"]

#: A wide window and patience: the simulator shall never be what limits its peer.
TERMS = Terms(window=1000, max_unacknowledged=10_000, test_after_s=180.0, test_answer_s=60.0)


class Ismg(CmppExchange):
    """`async with Ismg({"sp_id": "secret"}, clock=...) as ismg:` then connect to `ismg.port`.

    `version` is the highest it speaks. Texts from phones go to the account whose access number `routes` says, by
    prefix; what matches none goes to the first account. `gateway` is its number in every Msg_Id.
    """

    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
        version: Version = Version.V3,
        routes: Mapping[str, str] | None = None,
        gateway: int = 1,
        redeliver_s: float = 0.02,
        faults: IsmgFaults | None = None,
        terms: Terms = TERMS,
    ) -> None:
        super().__init__(
            accounts,
            clock=clock,
            version=version,
            routes=routes or {},
            gateway=gateway,
            redeliver_s=redeliver_s,
            faults=faults or IsmgFaults(),
        )
        self.host, self.port = host, port
        self.terms = replace(terms, version=version)
        self.peers: set[_Peer] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Ismg":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self).wire, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        ended = [peer.wire.ended for peer in self.peers]
        self.cut()
        await asyncio.gather(*ended)
        await self._server.wait_closed()

    @property
    def connections(self) -> int:
        return len(self.peers)

    def cut(self, *, mid_pdu: bool = False) -> None:
        """Break every TCP connection; `mid_pdu`: after the first half of a message."""
        for peer in list(self.peers):
            if mid_pdu:
                peer.cut_within(encode(ActiveTest(), 1, peer.session.version))
            else:
                peer.wire.transport.abort()

    async def terminate(self) -> None:
        """Leave every peer politely."""
        await asyncio.gather(*(peer.wire.leave() for peer in list(self.peers)))


class _Peer:
    """One connection: the owner of its wire."""

    def __init__(self, ismg: Ismg) -> None:
        self._ismg = ismg
        self._client: Client | None = None
        self._under_way: dict[int, Delivery] = {}
        self.wire = _Ear(self._open, self)
        self.wire.faults = ismg.faults

    def _open(self, now: float) -> Session:
        self.session = Session(Role.SMSC, now, self._ismg.terms)
        return self.session

    def opened(self, wire: Wire, now: float) -> None:
        self._ismg.peers.add(self)

    def happened(self, wire: Wire, event: Event, now: float) -> None:
        match event:
            case Received(sequence, Submit() as pdu, _):
                self._submitted(sequence, pdu, now)
            case Answered(sequence, status, _):
                self._answered(self._under_way.pop(sequence), is_taken=status == ROK)
            case Unanswered(sequence, _):
                self._answered(self._under_way.pop(sequence), is_taken=False)
            case ConnectRequested():
                self._introduced(event, now)
            case Asked(sequence, Query() as query):
                self.session.answer(sequence, self._ismg.counted(query))
            case Asked(sequence, _):
                self.session.answer(sequence, CancelResp(status=NOT_CANCELLED))
            case _:
                self._ismg.counts[type(event).__name__] += 1

    def pump(self, wire: Wire, now: float) -> float | None:
        queue = self._client.queue if self._client else ()
        while queue and self.session.room:
            delivery = queue.popleft()
            self._under_way[self.session.send(delivery.pdu, now)] = delivery
        return None

    def ended(self, wire: Wire) -> None:
        self._ismg.peers.discard(self)
        if self._client:
            self._client.wires.remove(wire)
            self._client.wake()

    def cut_within(self, octets: bytes) -> None:
        """Says the first half of `octets`, and no more."""
        self.wire.transport.write(octets[: len(octets) // 2])
        self.wire.transport.close()

    def _introduced(self, event: ConnectRequested, now: float) -> None:
        ismg = self._ismg
        if self.session.state is State.CLOSED:
            return  # what came in the same packet was no CMPP
        if status := ismg.connect_status(event.connect):
            self.session.refuse(event.sequence, status)
            ismg.counts["connect refused"] += 1
            return
        client = self._client = ismg.clients[event.connect.source]
        account = client.account if not ismg.faults.lacks_proof else Account(client.account.sp_id, "")
        self.session.accept(event.sequence, account, now)
        ismg.counts["connects"] += 1
        client.wires.append(self.wire)

    def _submitted(self, sequence: int, pdu: Submit, now: float) -> None:
        ismg, faults, client = self._ismg, self._ismg.faults, self._client
        assert client is not None
        ismg.counts["submitted"] += 1
        if faults.drop_next:
            faults.drop_next -= 1
            return
        if status := ismg.submit_status(client, pdu, now):
            self.session.acknowledge(sequence, status)
            return
        message_id, receipts = ismg.take(pdu, now)
        if faults.receipt_first:
            ismg.report(client, pdu, receipts, self.session.version)
            self.wire.turn()
        if not self._is_cut(sequence, message_id):
            self._respond(sequence, message_id)
        if not faults.receipt_first:
            ismg.report(client, pdu, receipts, self.session.version)

    def _is_cut(self, sequence: int, message_id: str) -> bool:
        faults = self._ismg.faults
        if not faults.cut_after:
            return False
        faults.cut_after -= 1
        if faults.cut_after:
            return False
        if faults.cuts_mid_pdu:
            self.session.acknowledge(sequence, ROK, message_id)
            self.cut_within(self.session.data_to_send())
        else:
            self.wire.transport.abort()
        return True

    def _respond(self, sequence: int, message_id: str) -> None:
        faults = self._ismg.faults
        if faults.lose_responses:
            faults.lose_responses -= 1
        else:
            self._ismg.later(faults.response_delay_s, self._acknowledge, sequence, message_id)

    def _acknowledge(self, sequence: int, message_id: str) -> None:
        self.session.acknowledge(sequence, ROK, message_id)
        self.wire.turn_soon()

    def _answered(self, delivery: Delivery, *, is_taken: bool) -> None:
        assert self._client is not None
        if not is_taken:
            self._ismg.again(self._client, delivery)
            return
        self._ismg.counts["delivered"] += 1
        if delivery.taken and not delivery.taken.done():
            delivery.taken.set_result(None)


class _Ear(Wire):
    """A wire that can go deaf."""

    faults: IsmgFaults

    def data_received(self, data: bytes) -> None:
        if not self.faults.is_deaf:
            super().data_received(data)
