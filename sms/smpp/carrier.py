"""A carrier that speaks SMPP 3.4: texts as submit_sm with a user data header, deliver_sm as receipts and texts.

Source: reference of the Chinese gateways, which expect UDH (esm_class 0x40) for long texts and UCS2 (data_coding 8);
SMPP 3.4 §7.1.1.2 for the validity period, which is told in the relative form, as our clock need not be the carrier's.
Limits: a receipt that names no message is acknowledged and counted, nothing more; a validity period has whole seconds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import lru_cache, partial

from msgspec import Struct
from msgspec.structs import replace

from alerts.settling import Heard
from alerts.states import State
from kernel.clock import Clock
from sms.carriers import UNTOLD, Arrival, Condition, Ears, MobileText, OnSent
from sms.conversation import ROK, Dialect, Role
from sms.link import BACKOFF, Backoff, Followed, Link, OnDeliver, Target
from sms.outcomes import heard_of
from sms.pacing import Rate
from sms.receipts import READ_ID, MessageState, ReceiptIds
from sms.smpp import receipts
from sms.smpp.pdus import RINVPARLEN
from sms.smpp.session import TERMS, Session, Terms
from sms.smpp.vocabulary import Bind, BindReceiver, BindTransmitter, DeliverSm, SubmitSm
from sms.statuses import Meaning, OwnErrors, of_status
from sms.text import segments
from sms.trunk import Trunk

log = logging.getLogger(__name__)

_USER_DATA_HEADER = 0x40
#: ESME_RX_T_APPN: "not now, deliver it again".
RX_T_APPN = 0x64
#: Octets of text in one part behind its header: what a message_payload is billed by.
_PART_OCTETS = 134
#: Days have two digits, but a carrier may read them as days of a month.
_LONGEST_VALIDITY = timedelta(days=30)


class Contract(Struct, frozen=True, kw_only=True):
    """What one carrier's contract says of its binds and of every text.

    `binds` connections, each of them a pair if the bind is a transmitter. `is_rate_per_bind`: else the account has one
    rate for all. `destination_prefix` is put before national numbers. `longest_validity`: what validity_period may say
    at most; None: nothing. `tells_priority`: urgent texts carry a priority_flag. `own_errors`: the carrier's own list.
    `receipt_ids`: how receipts write the id that the answer to the text had.
    """

    binds: int = 1
    is_rate_per_bind: bool = False
    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    destination_ton: int = 0
    destination_npi: int = 0
    destination_prefix: str = ""
    longest_validity: timedelta | None = timedelta(hours=72)
    tells_priority: bool = False
    own_errors: OwnErrors = OwnErrors()
    receipt_ids: ReceiptIds = ReceiptIds.SAME


CONTRACT = Contract()


class SmppCarrier:
    """`source` is the access number people see and answer to; `jitter` draws from [0, 1).

    `bind` is repeated as often as the contract says. A BindTransmitter gets a BindReceiver of the same account beside
    it, at `receiver` if that is another place.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        bind: Bind,
        *,
        source: str,
        clock: Clock,
        jitter: Callable[[], float],
        receiver: Target | None = None,
        terms: Terms = TERMS,
        contract: Contract = CONTRACT,
        parts_per_s: float | None = None,
        backoff: Backoff = BACKOFF,
        ahead: int | None = None,
        weight: int = 10,
    ) -> None:
        self.name, self.weight = name, weight
        self.needs_left = UNTOLD if contract.longest_validity is None else timedelta()
        # Not more than may be delivered at once: else receipts queue up at the carrier, and each text is written twice,
        # once when it was taken and once when its receipt comes.
        self.ahead = ahead or contract.binds * max(32, min(4 * terms.window, terms.max_unacknowledged))
        self._source, self._contract = source, contract
        self._read_id = READ_ID[contract.receipt_ids]
        self._ears: Ears | None = None
        self._taken: asyncio.Future[int] | None = None
        shared = None if contract.is_rate_per_bind else Rate(parts_per_s)

        def link(target: Target, bind: Bind) -> Link[SubmitSm, DeliverSm]:
            spoken = dialect(bind, terms, contract)
            taken: OnDeliver[DeliverSm] = self._delivered
            return Link(
                target, spoken, taken, jitter=jitter, parts_per_s=parts_per_s, rate=shared, backoff=backoff, clock=clock
            )

        numbers = range(1, contract.binds + 1)
        if isinstance(bind, BindTransmitter):
            senders = {f"transmitter {number}": link(target, bind) for number in numbers}
            receivers = {f"receiver {number}": link(receiver or target, _receiving(bind)) for number in numbers}
        else:
            senders, receivers = {f"transceiver {number}": link(target, bind) for number in numbers}, {}
        self._trunk = Trunk(senders, receivers, partial(of_status, own=contract.own_errors.statuses))

    @property
    def is_up(self) -> bool:
        return self._trunk.is_up

    def condition(self) -> Condition:
        return self._trunk.condition()

    async def bound(self, timeout_s: float) -> None:
        """Returns when every bind stands. Raises TimeoutError."""
        await self._trunk.bound(timeout_s)

    async def run(self, ears: Ears) -> None:
        self._ears = ears
        await self._trunk.run()

    async def drain(self, timeout_s: float) -> None:
        await self._trunk.drain(timeout_s)

    # ---- out

    def send(self, text: MobileText, on_sent: OnSent) -> None:
        contract = self._contract
        # Eight bits of reference: sixteen would cost a character of each part, and 134 characters are two parts.
        divided = segments(text.words, reference=text.reference)
        parts = [
            (
                number,
                SubmitSm(
                    service_type=contract.service_type,
                    source_ton=contract.source_ton,
                    source_npi=contract.source_npi,
                    source=self._source + text.extension,
                    destination_ton=contract.destination_ton,
                    destination_npi=contract.destination_npi,
                    destination=contract.destination_prefix + text.phone,
                    esm_class=_USER_DATA_HEADER if divided.has_header else 0,
                    priority=_priority_flag(text.priority) if contract.tells_priority else 0,
                    registered_delivery=1,
                    data_coding=divided.coding,
                    short_message=short_message,
                ),
            )
            for number, short_message in enumerate(divided.parts, 1)
            if number not in text.skip
        ]
        self._trunk.send(parts, on_sent, priority=text.priority, expires_at=text.expires_at)

    # ---- in

    def _delivered(self, pdu: DeliverSm, raw: bytes) -> "Awaitable[int] | Followed":
        assert self._ears is not None
        if pdu.message_state == MessageState.DELIVERED and pdu.receipted_message_id:
            # Nearly all of the traffic, and nothing in its text that the optional parameters do not say.
            return self._ears.heard(Heard(self._read_id(pdu.receipted_message_id), State.DELIVERED, pdu.source))
        receipt = receipts.parse(pdu)
        if receipt is not None and receipt.state.is_final:
            return self._ears.heard(heard_of(receipt, pdu.source, self._contract.own_errors.receipts, self._read_id))
        if receipt is not None or receipts.is_marked(pdu):
            if receipt is None:
                log.warning("carrier %s: a receipt names no message", self.name)
            return self._at_once()
        was_read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        arrival = Arrival(
            self.name, pdu.part(raw), identity_of(raw), connected_at=self._trunk.bound_at, was_read=was_read
        )
        return Followed(self._ears.arrived(arrival), was_read)

    def _at_once(self) -> "asyncio.Future[int]":
        if self._taken is None:
            self._taken = asyncio.get_running_loop().create_future()
            self._taken.set_result(ROK)
        return self._taken


def dialect(bind: Bind, terms: Terms = TERMS, contract: Contract = CONTRACT) -> Dialect[SubmitSm]:
    """SMPP with one account, for link.py."""

    def opened(now: float) -> Session:
        session = Session(Role.ESME, now, terms)
        session.bind(bind, now)
        return session

    own: Mapping[int, Meaning] = contract.own_errors.statuses
    return Dialect(
        account=bind.system_id,
        window=terms.window,
        open=opened,
        meaning=partial(of_status, own=own),
        parts=parts,
        unfit=RINVPARLEN,
        not_now=RX_T_APPN,
        leaving=None if contract.longest_validity is None else partial(_valid, contract.longest_validity),
    )


def parts(pdu: SubmitSm) -> int:
    """What the carrier counts."""
    return 1 if pdu.message_payload is None else max(1, -(-len(pdu.message_payload) // _PART_OCTETS))


def identity_of(frame: bytes) -> bytes:
    """The PDU without its sequence number (octets 12 to 15), which is another one each time."""
    return frame[:12] + frame[16:]


@lru_cache(4096)  # the texts of one hour share a few thousand values
def validity_period(seconds: int) -> str:
    """The relative form. Source: SMPP 3.4 §7.1.1.2; 0 would mean "as long as you like"."""
    minutes, second = divmod(max(1, seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"0000{days:02}{hour:02}{minute:02}{second:02}000R"


def _valid(longest: timedelta, pdu: SubmitSm, left: timedelta) -> SubmitSm:
    return replace(pdu, validity_period=validity_period(min(left, longest, _LONGEST_VALIDITY) // _SECOND))


_SECOND = timedelta(seconds=1)


def _priority_flag(priority: int) -> int:
    """SMPP 3.4 §5.2.14 counts the other way: 3 is the most urgent, 0 is bulk."""
    return max(0, 3 - priority)


def _receiving(bind: Bind) -> BindReceiver:
    return BindReceiver(**{field: getattr(bind, field) for field in bind.__struct_fields__})
