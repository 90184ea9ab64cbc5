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
from sms import receipts
from sms.carriers import Arrival, Ears, OnSent, Sent
from sms.link import BACKOFF, Backoff, Link, Snapshot, Target
from sms.pacing import Accepted, NotSent, OutcomeUnknown, Refused, SubmitOutcome
from sms.receipts import MessageState, Receipt
from sms.session import TERMS, Terms
from sms.statuses import Fault, of_receipt, of_status
from sms.text import segments
from sms.vocabulary import ROK, Bind, DeliverSm, SubmitSm

log = logging.getLogger(__name__)

_USER_DATA_HEADER = 0x40
_STATES = {MessageState.DELIVERED: State.DELIVERED, MessageState.EXPIRED: State.EXPIRED}


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
    ) -> None:
        self.name = name
        self.ahead = ahead or max(32, 4 * terms.window)
        self._source = source
        self._ears: Ears | None = None
        self._taken: asyncio.Future[int] | None = None
        self._link = Link(
            target, bind, self._delivered, jitter=jitter, terms=terms, parts_per_s=parts_per_s, backoff=backoff
        )

    @property
    def is_up(self) -> bool:
        return self._link.snapshot().state.is_bound

    def snapshot(self) -> Snapshot:
        return self._link.snapshot()

    async def bound(self, timeout_s: float) -> None:
        """Returns when messages can be sent. Raises TimeoutError."""
        await self._link.bound(timeout_s)

    async def run(self, ears: Ears) -> None:
        self._ears = ears
        await self._link.run()

    async def drain(self, timeout_s: float) -> None:
        await self._link.drain(timeout_s)

    # ---- out

    def send(self, phone: str, words: str, *, reference: int, skip: frozenset[int], on_sent: OnSent) -> None:
        # Eight bits of reference: sixteen would cost a character of each part, and 134 characters are two parts.
        divided = segments(words, reference=reference)
        numbered = [(number, part) for number, part in enumerate(divided.parts, 1) if number not in skip]
        gathering = _Gathering(len(numbered), on_sent)
        for number, short_message in numbered:
            pdu = SubmitSm(
                source=self._source,
                destination=phone,
                esm_class=_USER_DATA_HEADER if divided.has_header else 0,
                registered_delivery=1,
                data_coding=divided.coding,
                short_message=short_message,
            )
            self._link.submit_nowait(pdu, partial(gathering.take, number))

    # ---- in

    def _delivered(self, pdu: DeliverSm, raw: bytes) -> "Awaitable[int]":
        assert self._ears is not None
        if pdu.message_state == MessageState.DELIVERED and pdu.receipted_message_id:
            # Nearly all of the traffic, and nothing in its text that the optional parameters do not say.
            return self._ears.heard(Heard(plain_id(pdu.receipted_message_id), State.DELIVERED, pdu.source))
        receipt = receipts.parse(pdu)
        if receipt is not None and receipt.state.is_final:
            return self._ears.heard(_heard(receipt, pdu.source))
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


def identity_of(frame: bytes) -> bytes:
    """The PDU without its sequence number (octets 12 to 15), which is another one each time."""
    return frame[:12] + frame[16:]


class _Gathering:
    """The outcomes of one message's parts, until there is one for each."""

    __slots__ = ("_accepted", "_error", "_fault", "_is_unsent", "_missing", "_on_sent")

    def __init__(self, parts: int, on_sent: OnSent) -> None:
        self._missing, self._on_sent = parts, on_sent
        self._accepted: list[tuple[int, str]] = []
        self._fault: Fault | None = None
        self._error = ""
        self._is_unsent = False

    def take(self, number: int, outcome: SubmitOutcome) -> None:
        match outcome:
            case Accepted(message_id):
                self._accepted.append((number, plain_id(message_id)))
            case Refused(status):
                meaning = of_status(status)
                self._note(meaning.fault or Fault.TECHNICAL, meaning.name)
            case OutcomeUnknown(why):
                self._note(Fault.UNKNOWN, why)
            case NotSent(why):
                self._is_unsent = self._fault is None
                self._note(Fault.TEMPORARY, why)
        self._missing -= 1
        if self._missing == 0:
            self._on_sent(Sent(tuple(self._accepted), self._fault, self._error, self._is_unsent))

    def _note(self, fault: Fault, error: str) -> None:
        """The worst is told: what is unknown must not be taken for unsent, nor what is refused for good."""
        if self._fault is None or _GRAVITY[fault] > _GRAVITY[self._fault]:
            self._is_unsent = self._is_unsent and self._fault is None
            self._fault, self._error = fault, error


_GRAVITY = {Fault.TEMPORARY: 0, Fault.THROTTLED: 1, Fault.TECHNICAL: 2, Fault.PERMANENT: 3, Fault.UNKNOWN: 4}


def _heard(receipt: Receipt, phone: str) -> Heard:
    state = _STATES.get(receipt.state, State.FAILED)
    error = "" if state is State.DELIVERED else f"{receipt.error or ''} {of_receipt(receipt).name}".strip()
    return Heard(plain_id(receipt.message_id), state, phone, error)


def plain_id(message_id: str) -> str:
    """The first of `receipts.same_message_ids`, without the others, which are rarely wanted."""
    return message_id.strip().lower().lstrip("0") or "0"
