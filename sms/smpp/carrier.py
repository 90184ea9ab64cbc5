"""A carrier that speaks SMPP 3.4: texts as submit_sm with a user data header, deliver_sm as receipts and texts.

Source: reference of the Chinese gateways, which expect UDH (esm_class 0x40) for long texts and UCS2 (data_coding 8).
Limits: one bind; a receipt that names no message is acknowledged and counted, nothing more.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from alerts.settling import Heard
from alerts.states import State
from sms.carriers import Arrival, Condition, Ears, MobileText, OnSent
from sms.conversation import ROK, Dialect, Role
from sms.link import BACKOFF, Backoff, Link, Snapshot, Target
from sms.outcomes import Gathering, heard_of, plain_id
from sms.receipts import MessageState
from sms.smpp import receipts
from sms.smpp.pdus import RINVPARLEN
from sms.smpp.session import TERMS, Session, Terms
from sms.smpp.vocabulary import Bind, DeliverSm, SubmitSm
from sms.statuses import of_status
from sms.text import segments

log = logging.getLogger(__name__)

_USER_DATA_HEADER = 0x40
#: ESME_RX_T_APPN: "not now, deliver it again".
RX_T_APPN = 0x64
#: Octets of text in one part behind its header: what a message_payload is billed by.
_PART_OCTETS = 134


class SmppCarrier:
    """`source` is the access number people see and answer to; `jitter` draws from [0, 1)."""

    def __init__(
        self,
        name: str,
        target: Target,
        bind: Bind,
        *,
        source: str,
        jitter: Callable[[], float],
        terms: Terms = TERMS,
        parts_per_s: float | None = None,
        backoff: Backoff = BACKOFF,
        ahead: int | None = None,
        weight: int = 10,
    ) -> None:
        self.name, self.weight = name, weight
        self.ahead = ahead or max(32, 4 * terms.window)
        self._source = source
        self._ears: Ears | None = None
        self._taken: asyncio.Future[int] | None = None
        self._link = Link(
            target, dialect(bind, terms), self._delivered, jitter=jitter, parts_per_s=parts_per_s, backoff=backoff
        )

    @property
    def is_up(self) -> bool:
        return self._link.snapshot().state.is_bound

    def snapshot(self) -> Snapshot:
        return self._link.snapshot()

    def condition(self) -> Condition:
        return condition_of(self._link.snapshot())

    async def bound(self, timeout_s: float) -> None:
        """Returns when messages can be sent. Raises TimeoutError."""
        await self._link.bound(timeout_s)

    async def run(self, ears: Ears) -> None:
        self._ears = ears
        await self._link.run()

    async def drain(self, timeout_s: float) -> None:
        await self._link.drain(timeout_s)

    # ---- out

    def send(self, text: MobileText, on_sent: OnSent) -> None:
        # Eight bits of reference: sixteen would cost a character of each part, and 134 characters are two parts.
        divided = segments(text.words, reference=text.reference)
        numbered = [(number, part) for number, part in enumerate(divided.parts, 1) if number not in text.skip]
        gathering = Gathering(len(numbered), on_sent, of_status)
        for number, short_message in numbered:
            pdu = SubmitSm(
                source=self._source + text.extension,
                destination=text.phone,
                esm_class=_USER_DATA_HEADER if divided.has_header else 0,
                registered_delivery=1,
                data_coding=divided.coding,
                short_message=short_message,
            )
            self._link.submit_nowait(pdu, partial(gathering.take, number), text.priority)

    # ---- in

    def _delivered(self, pdu: DeliverSm, raw: bytes) -> "Awaitable[int]":
        assert self._ears is not None
        if pdu.message_state == MessageState.DELIVERED and pdu.receipted_message_id:
            # Nearly all of the traffic, and nothing in its text that the optional parameters do not say.
            return self._ears.heard(Heard(plain_id(pdu.receipted_message_id), State.DELIVERED, pdu.source))
        receipt = receipts.parse(pdu)
        if receipt is not None and receipt.state.is_final:
            return self._ears.heard(heard_of(receipt, pdu.source))
        if receipt is not None or receipts.is_marked(pdu):
            if receipt is None:
                log.warning("carrier %s: a receipt names no message", self.name)
            return self._at_once()
        return self._ears.arrived(Arrival(self.name, pdu.part(raw), identity_of(raw)))

    def _at_once(self) -> "asyncio.Future[int]":
        if self._taken is None:
            self._taken = asyncio.get_running_loop().create_future()
            self._taken.set_result(ROK)
        return self._taken


def dialect(bind: Bind, terms: Terms = TERMS) -> Dialect[SubmitSm]:
    """SMPP with one account, for link.py."""

    def opened(now: float) -> Session:
        session = Session(Role.ESME, now, terms)
        session.bind(bind, now)
        return session

    return Dialect(
        account=bind.system_id,
        window=terms.window,
        open=opened,
        meaning=of_status,
        parts=parts,
        unfit=RINVPARLEN,
        not_now=RX_T_APPN,
    )


def condition_of(link: Snapshot) -> Condition:
    return Condition(
        state=link.state,
        in_flight=link.in_flight,
        window=link.window,
        waiting=link.waiting,
        parts_per_s=link.parts_per_s,
        paused_for_s=link.paused_for_s,
        silent_for_s=link.silent_for_s,
        last_error=link.last_error,
        counts=link.counts,
        refusals=link.refusals,
    )


def parts(pdu: SubmitSm) -> int:
    """What the carrier counts."""
    return 1 if pdu.message_payload is None else max(1, -(-len(pdu.message_payload) // _PART_OCTETS))


def identity_of(frame: bytes) -> bytes:
    """The PDU without its sequence number (octets 12 to 15), which is another one each time."""
    return frame[:12] + frame[16:]
