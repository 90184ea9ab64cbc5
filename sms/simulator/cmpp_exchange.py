"""The inside of the simulated ISMG: accounts, phones, ids, reports; what a connection and a submission are answered.

No sockets here: cmpp.py has them. Everything that is kept is bounded, so that it can run for days: what is too much is
forgotten, the oldest first, and counted ("forgotten").
"""

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVarTuple

from kernel.clock import Clock
from sms import text
from sms.cmpp import reports
from sms.cmpp.statuses import BAD_SECRET, BAD_SOURCE, BAD_VERSION, CONNECT_OTHER, FLOW, STRUCTURE
from sms.cmpp.vocabulary import Account, Connect, Deliver, MessageId, Query, QueryResp, Submit, Version
from sms.conversation import ROK
from sms.receipts import MessageState, Receipt
from sms.simulator.handset import Handset
from sms.wire import Wire

BAD_SRC_ID, BAD_MSG_SRC, BAD_DESTINATION = 10, 11, 13
#: Beyond it, texts to numbers nobody has asked for are answered and forgotten.
_MAX_HANDSETS: Final = 10_000
#: What all phones together remember, what waits for one account, and what waits for its time.
_MAX_TEXTS: Final = 100_000
_MAX_QUEUED: Final = 100_000
_MAX_DELAYED: Final = 100_000
_NUMBER = re.compile(r"\+?\d{3,20}", re.ASCII)
#: SMPP 3.3 §7.1.1.
_TIME = re.compile(r"\d{15}[R+-]", re.ASCII)

Ts = TypeVarTuple("Ts")


@dataclass(kw_only=True)
class IsmgFaults:
    """What can be made to go wrong. Every knob may be turned while it runs.

    Numbers called `…_next` and `…_after` count down to 0, which is "no more"; `…_every` 0 is never.
    """

    #: Every CONNECT is answered so; 0: as the secret says.
    connect_status: int = 0
    #: CONNECT is answered by a gateway that does not know the secret.
    lacks_proof: bool = False
    #: A version above ours is refused; else it is answered with ours.
    refuses_higher_version: bool = False
    #: More connections of one account are refused; 0: as many as like.
    max_connections: int = 0

    #: The next so many submissions, and every so-manieth, are answered 8: flow control.
    throttle_next: int = 0
    throttle_every: int = 0
    #: What one account submits beyond so many in one second is answered 8; 0: no limit.
    max_parts_per_s: int = 0
    error_every: int = 0
    error_status: int = 9
    #: Only from access numbers that begin so; others are answered 10. Empty: from all.
    sources: set[str] = field(default_factory=set)

    #: CMPP_SUBMIT_RESP comes so much later.
    response_delay_s: float = 0.0
    #: The next so many submissions are taken, but not answered: the sender cannot know.
    lose_responses: int = 0
    #: The next so many submissions vanish: neither taken nor answered.
    drop_next: int = 0
    #: At the so-manieth submission from now, which is still taken, its connection is cut: before its answer, or in
    #: the middle of it.
    cut_after: int = 0
    cuts_mid_pdu: bool = False
    #: Half-dead: the connections stand, nothing that comes is read.
    is_deaf: bool = False

    receipt_delay_s: float = 0.0
    #: Reports overtake the answer to their submission.
    receipt_first: bool = False
    duplicate_receipts: bool = False
    no_receipts: bool = False
    lose_receipt_every: int = 0
    #: Reports name an id that nobody was given.
    unknown_receipt_ids: bool = False
    #: Reports of 3.0 in the 60 octets of 2.0.
    short_reports: bool = False
    #: Numbers that get UNDELIV with the error of an empty number, and EXPIRED.
    undeliverable: set[str] = field(default_factory=set)
    switched_off: set[str] = field(default_factory=set)
    #: Every text from a phone is delivered once more after it was taken.
    duplicate_texts: bool = False


class Delivery:
    """One CMPP_DELIVER until it is taken."""

    __slots__ = ("pdu", "taken")

    def __init__(self, pdu: Deliver, taken: "asyncio.Future[None] | None" = None) -> None:
        self.pdu, self.taken = pdu, taken


class Client:
    """One account and its connections."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.queue: deque[Delivery] = deque(maxlen=_MAX_QUEUED)
        self.wires: list[Wire] = []
        self._second, self._parts = 0.0, 0

    def wake(self) -> None:
        for wire in self.wires:
            wire.turn_soon()

    def is_too_fast(self, per_s: int, now: float) -> bool:
        """Whether one more exceeds `per_s` in the second that began with the first of them."""
        if now - self._second >= 1.0:
            self._second, self._parts = now, 0
        self._parts += 1
        return self._parts > per_s


class CmppExchange:
    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        clock: Clock,
        version: Version,
        routes: Mapping[str, str],
        gateway: int,
        redeliver_s: float,
        faults: IsmgFaults,
    ) -> None:
        self.clock, self.version, self.faults = clock, version, faults
        #: The last submissions taken, as (Msg_Id, submission), and counts since the start.
        self.accepted: deque[tuple[str, Submit]] = deque(maxlen=10_000)
        self.counts: Counter[str] = Counter()
        self.clients = {sp_id: Client(Account(sp_id, secret)) for sp_id, secret in accounts.items()}
        self._routes, self._gateway, self._redeliver_s = routes, gateway, redeliver_s
        self._handsets: dict[str, Handset] = {}
        self._texts: deque[Handset] = deque()
        self._reassembler = text.Reassembler()
        self._ids = self._reports = self._delayed = 0

    def handset(self, number: str) -> Handset:
        """The phone with this number; there is exactly one."""
        if number not in self._handsets:
            self._handsets[number] = Handset(number, self, self.clock.now)
        return self._handsets[number]

    def stats(self) -> dict[str, object]:
        """Ready for JSON."""
        accounts = {
            sp_id: {"connections": len(client.wires), "queued": len(client.queue)}
            for sp_id, client in self.clients.items()
        }
        return {"handsets": len(self._handsets), "accounts": accounts, "counts": dict(self.counts)}

    def reset(self) -> None:
        """Empties counts, inboxes and what waits for SPs. Connections stand, faults stay, ids go on."""
        self.counts.clear()
        self.accepted.clear()
        self._texts.clear()
        for handset in self._handsets.values():
            handset.forget()
        for client in self.clients.values():
            client.queue.clear()

    async def carry(self, source: str, destination: str, segments: text.Segments, timeout_s: float) -> None:
        """From a phone to the SP. Returns when every part was taken."""
        await self.deliver(self.texts(source, destination, segments), timeout_s)

    def texts(self, source: str, destination: str, segments: text.Segments) -> list[Deliver]:
        """A text from a phone as it is delivered, each part with an id of its own."""
        return [
            Deliver(
                message_id=self.next_id(),
                source=source,
                destination=destination,
                has_header=int(segments.has_header),
                format=segments.coding,
                content=content,
            )
            for content in segments.parts
        ]

    async def deliver(self, pdus: Sequence[Deliver], timeout_s: float = 30.0) -> None:
        """Any deliveries, however odd, once more the same ones: to the SP. Returns when they were taken."""
        loop = asyncio.get_running_loop()
        again = 2 if self.faults.duplicate_texts else 1
        deliveries = [Delivery(pdu, loop.create_future()) for _ in range(again) for pdu in pdus]
        for delivery in deliveries:
            self._put(self.clients[self._owner(delivery.pdu.destination)], delivery)
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(delivery.taken for delivery in deliveries if delivery.taken))

    def next_id(self) -> str:
        self._ids += 1
        return MessageId.at(self.clock.now(), self._gateway, self._ids).text

    # ---- what peers are answered

    def connect_status(self, connect: Connect) -> int:
        faults = self.faults
        client = self.clients.get(connect.source)
        version = Version.of(connect.version)
        if client is None:
            return BAD_SOURCE
        if not client.account.made(connect):
            return BAD_SECRET
        if version is None or (version > self.version and faults.refuses_higher_version):
            return BAD_VERSION
        if faults.max_connections and len(client.wires) >= faults.max_connections:
            return CONNECT_OTHER
        return faults.connect_status

    def submit_status(self, client: Client, pdu: Submit, now: float) -> int:
        """What submission number counts["submitted"] is answered."""
        faults, number = self.faults, self.counts["submitted"]
        if faults.throttle_next:
            faults.throttle_next -= 1
            return FLOW
        if faults.throttle_every and number % faults.throttle_every == 0:
            return FLOW
        if faults.error_every and number % faults.error_every == 0:
            return faults.error_status
        if pdu.account != client.account.sp_id:
            return BAD_MSG_SRC
        if faults.sources and not pdu.source.startswith(tuple(faults.sources)):
            return BAD_SRC_ID
        if not pdu.destinations or not all(map(_NUMBER.fullmatch, pdu.destinations)):
            return BAD_DESTINATION
        if pdu.valid_until and not _TIME.fullmatch(pdu.valid_until):
            return STRUCTURE
        if faults.max_parts_per_s and client.is_too_fast(faults.max_parts_per_s, now):
            return FLOW
        return ROK

    def take(self, pdu: Submit, now: float) -> tuple[str, list[Receipt]]:
        """Accept one submission: its id, and what the report of each receiver will say."""
        self.counts["accepted"] += 1
        message_id = self.next_id()
        self.accepted.append((message_id, pdu))
        reported = self.next_id() if self.faults.unknown_receipt_ids else message_id
        return message_id, [self._reach(pdu, destination, reported, now) for destination in pdu.destinations]

    def report(self, client: Client, pdu: Submit, receipts: list[Receipt], version: Version) -> None:
        """A report per receiver, if the submission asked for them."""
        if pdu.registered_delivery != 1 or self.faults.no_receipts:
            return
        for destination, receipt in zip(pdu.destinations, receipts, strict=True):
            self._reports += 1
            if self.faults.lose_receipt_every and self._reports % self.faults.lose_receipt_every == 0:
                self.counts["receipts lost"] += 1
                continue
            facts = (client, pdu, destination, receipt, version, self.clock.now())
            self.later(self.faults.receipt_delay_s, self._report, *facts)

    def counted(self, query: Query) -> QueryResp:
        """Since the start; there is but one service and one day."""
        counts = self.counts
        return QueryResp(
            day=query.day,
            kind=query.kind,
            code=query.code,
            submitted=counts["submitted"],
            receivers=counts["accepted"],
            sent=counts["accepted"],
            failed=counts["submitted"] - counts["accepted"],
            delivered=counts["delivered"],
        )

    def later(self, delay_s: float, act: Callable[[*Ts], None], *args: *Ts) -> None:
        """Calls `act` then; at once if too much waits already."""
        if delay_s <= 0 or self._delayed >= _MAX_DELAYED:
            act(*args)
            return

        def due() -> None:
            self._delayed -= 1
            act(*args)

        self._delayed += 1
        asyncio.get_running_loop().call_later(delay_s, due)

    def again(self, client: Client, delivery: Delivery) -> None:
        self.counts["redelivered"] += 1
        self.later(self._redeliver_s, self._put, client, delivery)

    # ---- below

    def _reach(self, pdu: Submit, destination: str, message_id: str, now: float) -> Receipt:
        if destination in self.faults.undeliverable:
            return Receipt(message_id, MessageState.UNDELIVERABLE, error="MK:0001")
        if destination in self.faults.switched_off:
            return Receipt(message_id, MessageState.EXPIRED)
        for joined in self._reassembler.take(pdu.part(destination), now):
            if destination in self._handsets or len(self._handsets) < _MAX_HANDSETS:
                self._show(self.handset(destination), joined)
        return Receipt(message_id, MessageState.DELIVERED)

    def _report(
        self,
        client: Client,
        pdu: Submit,
        destination: str,
        receipt: Receipt,
        version: Version,
        submitted_at: datetime,
    ) -> None:
        layout = Version.V2 if self.faults.short_reports else version
        content = reports.render(
            receipt,
            layout,
            phone=destination,
            submitted_at=submitted_at,
            done_at=self.clock.now(),
            serial=self._reports,
        )
        delivery = Delivery(
            Deliver(
                message_id=receipt.message_id,
                source=destination,
                destination=pdu.source,
                service_id=pdu.service_id,
                format=0,
                is_report=1,
                content=content,
            )
        )
        self.counts["receipts"] += 1
        for _ in range(2 if self.faults.duplicate_receipts else 1):
            self._put(client, delivery)

    def _put(self, client: Client, delivery: Delivery) -> None:
        self.counts["forgotten"] += len(client.queue) == _MAX_QUEUED
        client.queue.append(delivery)
        client.wake()

    def _show(self, handset: Handset, joined: text.Joined) -> None:
        handset.receive(joined.source, joined.text)
        self._texts.append(handset)
        if len(self._texts) > _MAX_TEXTS:
            self._texts.popleft().forget_oldest()

    def _owner(self, number: str) -> str:
        prefixes = [prefix for prefix in self._routes if number.startswith(prefix)]
        return self._routes[max(prefixes, key=len)] if prefixes else next(iter(self.clients))
