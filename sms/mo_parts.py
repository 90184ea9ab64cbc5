"""Parts of texts from people: kept as they came, known again when a carrier repeats them, joined to whole texts.

What a carrier says twice is one text: always when the identity has its own id or the second of sending in it
(`Arrival.is_dated`); a part of a long text while its reference can still mean the same text; anything else while the
first of the two is not handled yet, or within REPEAT_WITHIN, in which nobody reads an answer and types again, or
within LOST_WITHIN when the connection to the carrier broke between the two, and our answer perhaps with it. Else it is
a person who repeats themselves: also over a new connection, if it is proved that the carrier had read our answer
(sms/unread.py). Proofs are kept with the part, in batches; one that a crash took away is none.
Every caller's transaction is its own: of two processes that hold the last two parts of one text, one joins them.
Limits: the same words within REPEAT_WITHIN, or on both sides of a new connection and within LOST_WITHIN without that
proof, are one text, whoever said them twice; said a third time over that connection they are another one.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import inf

from alerts.texts import national_number
from kernel.db import Database
from sms.carriers import Arrival
from sms.tables import InboundMessage, InboundPdu
from sms.text import Concat, ConcatKind, Joined, Part, Reassembler

#: Carriers deliver the parts of a long text within seconds, or retry within minutes.
JOIN_WITHIN = timedelta(minutes=10)
REPEAT_WITHIN = timedelta(seconds=10)
#: For an outage of the gateway, or of the line, after which a carrier says again what nobody answered.
LOST_WITHIN = timedelta(hours=1)
_LOOKED_AT = 100
#: Columns of the table are no wider; numbers have 21 digits at most.
_LONGEST_NUMBER = 32


def _nobody() -> None:
    pass


class Parts:
    """`run` names this process in the rows. What misses a part for `join_within` is given out with the gap.

    `has_news` is called when `join_waiting` has a proof to keep.
    """

    def __init__(
        self,
        database: Database,
        run: str,
        *,
        join_within: timedelta = JOIN_WITHIN,
        has_news: Callable[[], None] = _nobody,
    ) -> None:
        self._database, self._run, self._join_within, self._has_news = database, run, join_within, has_news
        #: By part: which of its sayings has an answer that was certainly read, as is not kept yet.
        self._read: dict[int, datetime] = {}

    async def keep(self, arrival: Arrival, said_at: datetime, now: datetime) -> None:
        """Keeps a part, said at `said_at`, unless it is kept already, and stores the whole text that it completes."""
        digest = hashlib.sha256(arrival.carrier.encode() + arrival.identity).hexdigest()
        row = await self._kept_before(arrival, digest, said_at)
        if row is None:
            row = await self._kept(arrival, digest, said_at, now)
            await self._join(row, now)
        elif not arrival.is_dated:
            await InboundPdu.filter(id=row.id).update(said_at=said_at)
        if arrival.was_read is not None:
            arrival.was_read.add_done_callback(partial(self._was_read, row.id, said_at))

    async def join_waiting(self, now: datetime, *, most: int = 1000) -> None:
        """Joins what two processes received at once, and gives out, with gaps, what has waited long enough.

        And keeps what was proved since the last time.
        """
        if self._read:
            await self._keep_proofs(dict(self._read))
        seen: set[tuple[object, ...]] = set()
        for row in await InboundPdu.filter(message_id=None).order_by("id").limit(most):
            if (key := _key(row)) not in seen:
                seen.add(key)
                await self._join(row, now)

    async def _kept_before(self, arrival: Arrival, digest: str, said_at: datetime) -> InboundPdu | None:
        """The part that this is said again of."""
        is_part = arrival.part.concat is not None and arrival.part.concat.total > 1
        for row in await InboundPdu.filter(digest=digest).order_by("-id").limit(_LOOKED_AT):
            age = said_at - max(row.received_at, row.said_at or row.received_at)
            # The acknowledgement went down with its connection, or with the process. What was said over a connection
            # that is gone may have waited, and been kept, while the next one stood already.
            is_after_a_break = (
                arrival.connected_at is not None
                and (row.said_at or row.received_at) < arrival.connected_at
                and age < LOST_WITHIN
                and not self._is_answer_read(row)
            )
            if is_after_a_break or arrival.is_dated or age < (self._join_within if is_part else REPEAT_WITHIN):
                return row
            if age < self._join_within and (
                row.message_id is None or await InboundMessage.exists(id=row.message_id, handled_at=None)
            ):
                return row
        return None

    def _is_answer_read(self, row: InboundPdu) -> bool:
        """Whether the carrier cannot have missed our answer to what it said last."""
        return row.said_at is not None and row.said_at in (row.read_at, self._read.get(row.id))

    def _was_read(self, row: int, said_at: datetime, was_read: "asyncio.Future[None]") -> None:
        if not was_read.cancelled():
            self._read[row] = said_at
            self._has_news()

    async def _keep_proofs(self, read: Mapping[int, datetime]) -> None:
        await self._database.execute_many(
            "UPDATE inbound_pdu SET read_at = $1 WHERE id = $2", [(said_at, row) for row, said_at in read.items()]
        )
        # Only now: until then whoever asks is told from here.
        self._read = {row: said_at for row, said_at in self._read.items() if read.get(row) != said_at}

    async def _kept(self, arrival: Arrival, digest: str, said_at: datetime, now: datetime) -> InboundPdu:
        part = arrival.part
        concat = part.concat if part.concat is not None and part.concat.total > 1 else None
        return await InboundPdu.create(
            carrier=arrival.carrier,
            sender=part.source[:_LONGEST_NUMBER],
            receiver=part.destination[:_LONGEST_NUMBER],
            data_coding=part.data_coding,
            octets=part.octets,
            frame=part.raw,
            concat=concat.kind if concat else "",
            reference=concat.reference if concat else 0,
            total=concat.total if concat else 1,
            number=concat.number if concat else 1,
            digest=digest,
            run=self._run,
            received_at=now,
            said_at=said_at,
        )

    async def _join(self, row: InboundPdu, now: datetime) -> None:
        rows = [row]
        if row.concat:
            waiting = InboundPdu.filter(
                message_id=None,
                carrier=row.carrier,
                sender=row.sender,
                receiver=row.receiver,
                concat=row.concat,
                reference=row.reference,
                total=row.total,
            )
            # Locked: whoever comes second waits, and then finds them taken.
            rows = await waiting.order_by("id").select_for_update()
        parts = {id(part): (each, part) for each in rows for part in (part_of(each),)}
        joiner = Reassembler(patience_s=self._join_within.total_seconds())
        whole: list[Joined] = []
        for each, part in parts.values():
            whole += joiner.take(part, each.received_at.timestamp())
        whole += joiner.handle_timer(now.timestamp())
        for joined in whole:
            await _store(joined, [parts[id(part)][0] for part in joined.parts])


async def keep_whole(rows: Sequence[InboundPdu], *, via: str) -> None:
    """Keeps the parts of one text that another zone of ours received and joined, and its text, gaps and all.

    In the caller's transaction.
    """
    for row in rows:
        await row.save(force_create=True)
    parts = {id(part): (row, part) for row in rows for part in (part_of(row),)}
    joiner = Reassembler()
    whole: list[Joined] = []
    for _, part in parts.values():
        whole += joiner.take(part, 0.0)
    whole += joiner.handle_timer(inf)
    for joined in whole:
        await _store(joined, [parts[id(part)][0] for part in joined.parts], via=via)


def part_of(row: InboundPdu) -> Part:
    concat = Concat(ConcatKind(row.concat), row.reference, row.total, row.number) if row.concat else None
    return Part(row.sender, row.receiver, row.data_coding, bytes(row.octets), concat, bytes(row.frame))


async def _store(joined: Joined, rows: Sequence[InboundPdu], *, via: str = "") -> None:
    first = rows[0]
    message = await InboundMessage.create(
        carrier=first.carrier,
        sender=national_number(joined.source),
        receiver=joined.destination,
        text=joined.text.replace("\0", ""),  # PostgreSQL keeps no NUL; the octets are in the rows
        is_complete=joined.is_complete,
        received_at=max(row.received_at for row in rows),
        via=via,
    )
    await InboundPdu.filter(id__in=[row.id for row in rows]).update(message_id=message.id)


def _key(row: InboundPdu) -> tuple[object, ...]:
    if not row.concat:
        return (row.id,)
    return (row.carrier, row.sender, row.receiver, row.concat, row.reference, row.total)
