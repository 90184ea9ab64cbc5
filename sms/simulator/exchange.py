"""The inside of the simulated SMSC: accounts, phones, message ids, receipts; what a submission is answered.

No sockets here: smsc.py has them. Everything that is kept is bounded, so that it can run for days: what is too much is
forgotten, the oldest first, and counted ("forgotten").
"""

import asyncio
import re
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVarTuple

from kernel.clock import Clock
from sms import text
from sms.conversation import ROK
from sms.receipts import MessageState, Receipt
from sms.simulator.faults import Faults, ReceiptIds
from sms.simulator.handset import Handset
from sms.smpp import receipts
from sms.smpp.carrier import parts
from sms.smpp.vocabulary import Bind, DeliverSm, SubmitSm
from sms.wire import Wire

RALYBND, RINVSRCADR, RINVDSTADR, RINVPASWD, RINVSYSID, RTHROTTLED, RINVEXPIRY = (
    0x05, 0x0A, 0x0B, 0x0E, 0x0F, 0x58, 0x62,
)  # fmt: skip
#: Beyond it, texts to numbers nobody has asked for are answered and forgotten.
_MAX_HANDSETS: Final = 10_000
#: What all phones together remember, what waits for one account, and what waits for its time.
_MAX_TEXTS: Final = 100_000
_MAX_QUEUED: Final = 100_000
_MAX_DELAYED: Final = 100_000
_NAMESPACE = uuid.UUID(int=0)
#: SMPP 3.4 §7.1.1.
_TIME = re.compile(r"\d{15}[R+-]", re.ASCII)
_NUMBER = re.compile(r"\+?\d+", re.ASCII)

Ts = TypeVarTuple("Ts")


class IdStyle(StrEnum):
    """How message ids are written. Some carriers answer hexadecimal and put decimal into the receipt: MIXED."""

    HEX = "hex"
    DECIMAL = "decimal"
    MIXED = "mixed"
    UUID = "uuid"


class Delivery:
    """One deliver_sm until it is taken."""

    __slots__ = ("pdu", "taken")

    def __init__(self, pdu: DeliverSm, taken: "asyncio.Future[None] | None" = None) -> None:
        self.pdu, self.taken = pdu, taken


class Account:
    """`queue` waits for whoever is bound for receiving."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.queue: deque[Delivery] = deque(maxlen=_MAX_QUEUED)
        self.wires: list[Wire] = []
        self._second, self._parts = 0.0, 0

    def wake(self) -> None:
        for wire in self.wires:
            wire.turn_soon()

    def is_too_fast(self, more: int, per_s: int, now: float) -> bool:
        """Whether `more` parts exceed `per_s` in the second that began with the first of them."""
        if now - self._second >= 1.0:
            self._second, self._parts = now, 0
        if self._parts + more > per_s:
            return True
        self._parts += more
        return False


class Exchange:
    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        clock: Clock,
        routes: Mapping[str, str],
        id_style: IdStyle,
        faults: Faults,
    ) -> None:
        self.clock, self.faults = clock, faults
        self.accepted: deque[tuple[str, SubmitSm]] = deque(maxlen=10_000)
        self.counts: Counter[str] = Counter()
        self.binds: deque[Bind] = deque(maxlen=100)
        self.accounts = {system_id: Account(password) for system_id, password in accounts.items()}
        self._routes, self._id_style = routes, id_style
        self._handsets: dict[str, Handset] = {}
        self._texts: deque[Handset] = deque()
        self._reassembler = text.Reassembler()
        self._taken = self._receipts = self._delayed = 0

    # ---- phones

    def handset(self, number: str) -> Handset:
        if number not in self._handsets:
            self._handsets[number] = Handset(number, self, self.clock.now)
        return self._handsets[number]

    async def carry(self, source: str, destination: str, segments: text.Segments, timeout_s: float) -> None:
        """From a phone to the ESME. Returns when every part was taken."""
        account = self.accounts[self._owner(destination)]
        loop = asyncio.get_running_loop()
        deliveries = [
            Delivery(
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
        self._put(account, *deliveries)
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(delivery.taken for delivery in deliveries if delivery.taken))

    def deliver(self, pdu: DeliverSm, system_id: str | None) -> None:
        self._put(self.accounts[system_id or self._owner(pdu.destination)], Delivery(pdu))

    def forget(self) -> None:
        self.counts.clear()
        self.accepted.clear()
        self.binds.clear()
        self._texts.clear()
        for handset in self._handsets.values():
            handset.forget()
        for account in self.accounts.values():
            account.queue.clear()

    def stats(self) -> dict[str, object]:
        return {
            "handsets": len(self._handsets),
            "delayed": self._delayed,
            "accounts": {
                system_id: {"binds": len(account.wires), "queued": len(account.queue)}
                for system_id, account in self.accounts.items()
            },
            "counts": dict(self.counts),
        }

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

    # ---- what peers are answered

    def bind_status(self, bind: Bind) -> int:
        self.binds.append(bind)
        account = self.accounts.get(bind.system_id)
        if account is None:
            return RINVSYSID
        if account.password != bind.password:
            return RINVPASWD
        if self.faults.max_binds and len(account.wires) >= self.faults.max_binds:
            return RALYBND
        return self.faults.bind_status

    def submit_status(self, account: Account, pdu: SubmitSm, now: float) -> int:
        """What submission number counts["submitted"] is answered."""
        faults, number = self.faults, self.counts["submitted"]
        if faults.throttle_next:
            faults.throttle_next -= 1
            return faults.throttle_status
        if faults.throttle_every and number % faults.throttle_every == 0:
            return faults.throttle_status
        if faults.error_every and number % faults.error_every == 0:
            return faults.error_status
        if faults.sources and not pdu.source.startswith(tuple(faults.sources)):
            return RINVSRCADR
        if not _NUMBER.fullmatch(pdu.destination):
            return RINVDSTADR
        if pdu.validity_period and not _TIME.fullmatch(pdu.validity_period):
            return RINVEXPIRY
        if faults.max_parts_per_s and account.is_too_fast(parts(pdu), faults.max_parts_per_s, now):
            return RTHROTTLED
        return ROK

    def take(self, pdu: SubmitSm, now: float) -> tuple[str, Receipt]:
        """Accept one submit_sm: its id, and what its receipt will say."""
        self.counts["accepted"] += 1
        self._taken += 1
        message_id, in_receipt = self._ids(self._taken)
        self.accepted.append((message_id, pdu))
        if pdu.destination in self.faults.undeliverable:
            return message_id, Receipt(in_receipt, MessageState.UNDELIVERABLE, error="001")
        if pdu.destination in self.faults.switched_off:
            return message_id, Receipt(in_receipt, MessageState.EXPIRED, error="027")
        for joined in self._reassembler.take(pdu.part(), now):
            if joined.destination in self._handsets or len(self._handsets) < _MAX_HANDSETS:
                self._show(self.handset(joined.destination), joined)
        return message_id, Receipt(in_receipt, MessageState.DELIVERED)

    def report(self, account: Account, pdu: SubmitSm, receipt: Receipt) -> None:
        """A receipt if one was asked for: always, or on failure only. Source: SMPP 3.4 §5.2.17."""
        wanted = pdu.registered_delivery & 0x03
        if not wanted or self.faults.no_receipts or (wanted == 2 and receipt.state is MessageState.DELIVERED):
            return
        self._receipts += 1
        if self.faults.lose_receipt_every and self._receipts % self.faults.lose_receipt_every == 0:
            self.counts["receipts lost"] += 1
            return
        self.later(self.faults.receipt_delay_s, self._report, account, pdu, receipt, self.clock.now())

    def _report(self, account: Account, pdu: SubmitSm, receipt: Receipt, submitted_at: datetime) -> None:
        body = receipts.render(receipt, submitted_at=submitted_at, done_at=self.clock.now())
        delivery = Delivery(
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
        self._put(account, *([delivery] * (2 if self.faults.duplicate_receipts else 1)))

    # ---- below

    def _put(self, account: Account, *deliveries: Delivery) -> None:
        if (too_many := len(account.queue) + len(deliveries) - _MAX_QUEUED) > 0:
            self.counts["forgotten"] += too_many
        account.queue.extend(deliveries)
        account.wake()

    def _show(self, handset: Handset, joined: text.Joined) -> None:
        handset.receive(joined.source, joined.text)
        self._texts.append(handset)
        if len(self._texts) > _MAX_TEXTS:
            self._texts.popleft().forget_oldest()

    def _owner(self, number: str) -> str:
        prefixes = [prefix for prefix in self._routes if number.startswith(prefix)]
        return self._routes[max(prefixes, key=len)] if prefixes else next(iter(self.accounts))

    def _ids(self, number: int) -> tuple[str, str]:
        """The id as the response and as the receipt writes it. Numbered from 2^28, so that hexadecimal shows."""
        number += 0x10000000
        in_hex, in_decimal = f"{number:X}", str(number)
        answered, reported = in_hex, in_hex
        match self._id_style:
            case IdStyle.DECIMAL:
                answered = reported = in_decimal
            case IdStyle.MIXED:
                reported = in_decimal
            case IdStyle.UUID:
                answered = reported = str(uuid.uuid5(_NAMESPACE, in_decimal))
        match self.faults.receipt_ids:
            case ReceiptIds.OTHER:
                return answered, in_decimal if reported == in_hex else in_hex
            case ReceiptIds.UNKNOWN:
                return answered, f"F{in_hex}"
        return answered, reported
