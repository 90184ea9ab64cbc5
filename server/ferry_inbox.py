"""Texts from people across the gap: kept and joined outside, handed inside as they came, performed there once.

Outside a part is kept before it is acknowledged, known again when a carrier repeats it, and joined, as in any zone
(sms/mo_parts.py). A whole text is handed over with the octets of its parts and when they came; in the same transaction
its words, number and frames are struck out here. Inside they become rows of the inbox, which reads the words from the
octets and seals the frames as evidence.
Limits: a text that fits no record (65 KiB) is not handed over; it counts as stuck in `zhangban sms status`.
"""

import asyncio
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import cast

from tortoise.exceptions import OperationalError

from ferry.outgoing import hand_over
from ferry.records import Envelope
from ferry.refusals import RecordRefused
from ferry.station import Route
from ferry.zones.texts import ARRIVED, ArrivedPart, Concat, TextArrived, decent
from ferry.zones.texts_outside import forget_texts, report_texts
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from sms.carriers import Arrival
from sms.mo_limits import INBOX_RULES, InboxRules
from sms.mo_parts import Parts, keep_whole
from sms.patience import cause_of
from sms.tables import InboundMessage, InboundPdu

log = logging.getLogger(__name__)

_BATCH = 100


_FORGET_EVERY = timedelta(hours=1)


def _nobody() -> None:
    pass


class RelayInbox:
    """The outer zone's inbox, in place of sms.inbound.Inbox: it hands over what comes and performs nothing.

    In the same rounds it tells inside what became of the texts that came from there. `look_s`: between two rounds.
    `handed` is called when records wait to be carried.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        route: Route,
        *,
        rules: InboxRules = INBOX_RULES,
        look_s: float = 0.5,
        handed: Callable[[], None] = _nobody,
    ) -> None:
        self._database, self._clock, self._route = database, clock, route
        self._secrets, self._rules, self._look_s, self._handed = secrets, rules, look_s, handed
        self._taking, self._news, self._is_stopped = asyncio.Lock(), asyncio.Event(), False
        self._parts = Parts(database, secrets.token(), join_within=rules.join_within, has_news=self._news.set)
        self._forgot_at: datetime | None = None

    async def take(self, arrival: Arrival) -> int:
        """Keeps one part; when it returns 0, the carrier may forget it."""
        said_at = self._clock.now()
        async with self._taking, self._database.transaction():
            await self._parts.keep(arrival, said_at, self._clock.now())
        self._news.set()
        return 0

    async def run(self) -> None:
        while not self._is_stopped:
            self._news.clear()
            busy = False
            try:
                busy = await self.round()
            except OperationalError as refused:
                log.warning("texts between the zones: the database is busy: %s", cause_of(refused))
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if busy else self._look_s):
                    await self._news.wait()
        with suppress(OperationalError):  # what the carriers' farewells have proved
            await self._join_waiting()

    def wake(self) -> None:
        """Something may have changed."""
        self._news.set()

    def stop(self) -> None:
        """Ends `run` after what it is at; the rest stays in its rows."""
        self._is_stopped = True
        self._news.set()

    async def round(self) -> bool:
        """Hands over what waits, and tells what changed; whether there may be more."""
        now = self._clock.now()
        await self._join_waiting()
        waiting = await InboundMessage.filter(handled_at=None, tries__lt=self._rules.tries).order_by("id").limit(_BATCH)
        for message in waiting:
            await self._hand_over(message, now)
        told = await report_texts(self._database, self._route, now=now)
        if waiting or told:
            self._handed()
        if self._forgot_at is None or not timedelta(0) <= now - self._forgot_at < _FORGET_EVERY:
            await forget_texts(self._database, self._route.peer, now=now)
            self._forgot_at = now
        return bool(waiting or told)

    async def _join_waiting(self) -> None:
        async with self._taking, self._database.transaction():
            await self._parts.join_waiting(self._clock.now())

    async def _hand_over(self, message: InboundMessage, now: datetime) -> None:
        try:
            async with self._database.transaction():
                ours = await InboundMessage.filter(id=message.id, handled_at=None).update(
                    handled_at=now, outcome="RELAYED", is_answered=False, sender="", text="", masked_at=now
                )
                if ours:
                    parts = await InboundPdu.filter(message_id=message.id).order_by("number")
                    await hand_over(self._database, self._route, [self._envelope(message, parts)], now=now)
                    await InboundPdu.filter(message_id=message.id).update(sender="", octets=b"", frame=b"")
        except RecordRefused as refusal:
            log.error("inbound %s cannot be handed inside: %s", message.id, refusal.code)
            await InboundMessage.filter(id=message.id).update(tries=self._rules.tries)

    def _envelope(self, message: InboundMessage, parts: list[InboundPdu]) -> Envelope:
        # Not the number of its row alone: after a restore it is given again.
        rid = self._secrets.digest("text.arrived", f"{message.id} {message.received_at} {[p.digest for p in parts]}")
        return Envelope(
            rid=f"mo.{rid[:32]}",
            type=ARRIVED,
            key=f"{message.carrier}:{message.id}",
            at=message.received_at,
            body=TextArrived(
                carrier=message.carrier,
                sender=decent(message.sender, 32),
                receiver=decent(message.receiver, 32),
                parts=tuple(map(_part, parts)),
            ),
        )


async def keep_arrived(peer: str, database: Database, now: datetime, envelope: Envelope) -> None:
    """Inside, in the transaction that applies the record: rows of the inbox, as if the carrier had delivered it here.

    When it came the outer zone says, but nothing has come later than now.
    """
    body = envelope.body
    assert isinstance(body, TextArrived)
    await keep_whole(
        [
            InboundPdu(
                carrier=body.carrier,
                sender=body.sender,
                receiver=body.receiver,
                data_coding=part.data_coding,
                octets=b64decode(part.octets, validate=True),
                frame=b64decode(part.frame, validate=True),
                concat=part.concat,
                reference=part.reference,
                total=part.total,
                number=part.number,
                digest=part.digest,
                run=envelope.rid,
                received_at=min(part.received_at, now),
            )
            for part in body.parts
        ],
        via=peer,
    )


def _part(row: InboundPdu) -> ArrivedPart:
    return ArrivedPart(
        frame=b64encode(bytes(row.frame)).decode(),
        octets=b64encode(bytes(row.octets)).decode(),
        data_coding=row.data_coding,
        digest=row.digest,
        received_at=row.received_at,
        concat=cast("Concat", row.concat),
        reference=row.reference,
        total=row.total,
        number=row.number,
    )
