"""A carrier that speaks CMPP: texts as CMPP_SUBMIT with a user data header, CMPP_DELIVER as reports and texts.

Source: CMPP 2.0 and 3.0. Texts leave as UCS2, which every gateway takes; a long one is divided here (TP_udhi,
Pk_total), each part with an id and a report of its own. What goes unanswered is not repeated: see session.py.
Limits: one receiver per submission; nothing is cancelled or queried; a report that names no message is acknowledged
and counted, nothing more.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from alerts.settling import Heard
from alerts.states import State
from kernel.clock import Clock
from sms.carriers import UNTOLD, Arrival, Condition, Ears, MobileText, OnSent
from sms.cmpp import reports
from sms.cmpp.session import TERMS, Session, Terms
from sms.cmpp.statuses import FLOW, STRUCTURE, of_status
from sms.cmpp.vocabulary import Account, Deliver, Format, MessageId, Submit, absolute_time
from sms.conversation import ROK, Dialect, Role
from sms.link import BACKOFF, Backoff, Followed, Link, OnDeliver, Target
from sms.outcomes import heard_of
from sms.pacing import Rate
from sms.receipts import plain_id
from sms.statuses import OwnErrors
from sms.text import segments
from sms.trunk import Trunk

log = logging.getLogger(__name__)

_DELIVERED = b"DELIVRD"


class Contract(Struct, frozen=True, kw_only=True):
    """What one gateway's contract says of the account and of every text.

    `connections` stand at once and share one rate. `longest_validity`: what ValId_Time may say at most; None: nothing.
    `fee_user_type` 2 charges the SP. `destination_prefix` is put before national numbers. `own_errors`: the gateway's
    own list.
    """

    connections: int = 1
    service_id: str = ""
    fee_user_type: int = 2
    fee_type: str = "01"
    fee_code: str = "000000"
    destination_prefix: str = ""
    longest_validity: timedelta | None = timedelta(hours=48)
    own_errors: OwnErrors = OwnErrors()


CONTRACT = Contract()


class CmppCarrier:
    """`source` is the access number people see and answer to; `jitter` draws from [0, 1)."""

    def __init__(
        self,
        name: str,
        target: Target,
        account: Account,
        *,
        source: str,
        clock: Clock,
        jitter: Callable[[], float],
        terms: Terms = TERMS,
        contract: Contract = CONTRACT,
        parts_per_s: float | None = None,
        backoff: Backoff = BACKOFF,
        ahead: int | None = None,
        weight: int = 10,
    ) -> None:
        self.name, self.weight = name, weight
        self.needs_left = UNTOLD if contract.longest_validity is None else timedelta()
        self.ahead = ahead or contract.connections * max(32, 4 * terms.window)
        self._source, self._account, self._contract = source, account, contract
        self._ears: Ears | None = None
        self._taken: asyncio.Future[int] | None = None
        taken: OnDeliver[Deliver] = self._delivered
        rate = Rate(parts_per_s)
        links = {
            f"connection {number}": Link(
                target,
                dialect(account, clock, terms, contract),
                taken,
                jitter=jitter,
                rate=rate,
                backoff=backoff,
                clock=clock,
            )
            for number in range(1, contract.connections + 1)
        }
        self._trunk = Trunk(links, {}, partial(of_status, own=contract.own_errors.statuses))

    @property
    def is_up(self) -> bool:
        return self._trunk.is_up

    def condition(self) -> Condition:
        return self._trunk.condition()

    async def bound(self, timeout_s: float) -> None:
        """Returns when every connection stands. Raises TimeoutError."""
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
                Submit(
                    part_total=len(divided.parts),
                    part_number=number,
                    registered_delivery=1,
                    service_id=contract.service_id,
                    fee_user_type=contract.fee_user_type,
                    has_header=int(divided.has_header),
                    format=Format.UCS2,
                    account=self._account.sp_id,
                    fee_type=contract.fee_type,
                    fee_code=contract.fee_code,
                    source=self._source + text.extension,
                    destinations=(contract.destination_prefix + text.phone,),
                    content=content,
                ),
            )
            for number, content in enumerate(divided.parts, 1)
            if number not in text.skip
        ]
        self._trunk.send(parts, on_sent, priority=text.priority, expires_at=text.expires_at)

    # ---- in

    def _delivered(self, pdu: Deliver, raw: bytes) -> "Awaitable[int] | Followed":
        assert self._ears is not None
        if not pdu.is_report & 1:
            return self._arrived(pdu, raw)
        if pdu.content[8:15] == _DELIVERED:
            # Nearly all of the traffic, and nothing in the rest of it that anybody asks for.
            return self._ears.heard(Heard(plain_id(pdu.content[:8].hex()), State.DELIVERED, reports.phone_of(pdu)))
        receipt = reports.parse(pdu)
        if receipt is not None and receipt.state.is_final:
            return self._ears.heard(heard_of(receipt, reports.phone_of(pdu), self._contract.own_errors.receipts))
        if receipt is None:
            log.warning("carrier %s: a report names no message", self.name)
        return self._at_once()

    def _arrived(self, pdu: Deliver, raw: bytes) -> Followed:
        assert self._ears is not None
        was_read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        arrival = Arrival(
            self.name,
            pdu.part(raw),
            identity_of(pdu),
            is_dated=MessageId.read(pdu.message_id).is_dated,
            connected_at=self._trunk.bound_at,
            was_read=was_read,
        )
        return Followed(self._ears.arrived(arrival), was_read)

    def _at_once(self) -> "asyncio.Future[int]":
        if self._taken is None:
            self._taken = asyncio.get_running_loop().create_future()
            self._taken.set_result(ROK)
        return self._taken


def dialect(account: Account, clock: Clock, terms: Terms = TERMS, contract: Contract = CONTRACT) -> Dialect[Submit]:
    """CMPP with one account, for link.py."""
    longest = contract.longest_validity
    return Dialect(
        account=account.sp_id,
        window=terms.window,
        open=_Opening(account, clock, terms),
        meaning=partial(of_status, own=contract.own_errors.statuses),
        parts=_one,
        unfit=STRUCTURE,
        not_now=FLOW,
        leaving=None if longest is None else partial(_valid, clock, longest),
    )


class _Opening:
    """Opens one session after the other, each in the version that the gateway named last."""

    def __init__(self, account: Account, clock: Clock, terms: Terms) -> None:
        self._account, self._clock, self._terms = account, clock, terms
        self._last: Session | None = None

    def __call__(self, now: float) -> Session:
        offered = self._last.offered if self._last else None
        terms = replace(self._terms, version=min(self._terms.version, offered or self._terms.version))
        session = self._last = Session(Role.ESME, now, terms)
        session.connect(self._account, self._account.introduction(self._clock.now(), terms.version), now)
        return session


def identity_of(pdu: Deliver) -> bytes:
    """What stays when a gateway delivers again, on whichever connection: Msg_Id, and for the careless who and what."""
    return f"{pdu.message_id} {pdu.source} {pdu.destination} ".encode() + pdu.content


def _one(pdu: Submit) -> int:
    """What the gateway counts: every submission has one receiver and is one part."""
    return 1


def _valid(clock: Clock, longest: timedelta, pdu: Submit, left: timedelta) -> Submit:
    return replace(pdu, valid_until=absolute_time(clock.now() + min(left, longest)))
