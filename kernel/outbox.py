"""Events to their consumers, each exactly once.

Every interested consumer has its own entry per event, written with the event; handling an entry and removing it
is one transaction, so a crash between the two is impossible. Entries are claimed by row lock, never by
`id > last`: ids are not commit order.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from tortoise.exceptions import BaseORMException

from kernel.actor import THE_CLOCK
from kernel.db import Database, Row, instant_of
from kernel.events import Event, EventCodec, Recorded
from kernel.log import ChainContended, append
from kernel.notary import Assured
from kernel.refusals import Refusal
from kernel.work import Desk, Work

#: A failed entry is tried again after these waits; after the last it is parked for an operator.
RETRY_AFTER = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120, 600, 1800, 3600))

#: Both databases know the word.
_FALSE = "FALSE"

Handler = Callable[[Work, Recorded], Awaitable[None]]
BatchHandler = Callable[[Work, Sequence[Recorded]], Awaitable[None]]


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who wants to know, in the transaction that takes the entries: no network, no waiting.

    `handle` is handed one event after the other; `handle_all` instead, at the end, all that the transaction holds for
    it: whoever locks a row for each event can so lock them in one order, whatever order the events have.
    """

    name: str
    wants: tuple[type[Event], ...]
    handle: Handler | None = None
    handle_all: BatchHandler | None = None

    def __post_init__(self) -> None:
        if (self.handle is None) == (self.handle_all is None):
            raise ValueError(f"{self.name}: one of handle and handle_all")


class Outbox:
    def __init__(self, database: Database, codec: EventCodec, consumers: Sequence[Consumer]) -> None:
        self._database = database
        self._codec = codec
        self._consumers = {consumer.name: consumer for consumer in consumers}
        for consumer in consumers:
            for event_type in consumer.wants:
                if not codec.knows(event_type):
                    raise TypeError(f"{consumer.name} wants {event_type.__name__}, which nobody can decode")

    async def write(self, events: Sequence[Event], *, at: datetime, actor: str) -> None:
        """Appends `events` to the log with one outbox entry per interested consumer, in the caller's transaction."""
        recorded = await append(self._database, events, at=at, actor=actor)
        await self._database.insert(
            "outbox",
            ("event_id", "consumer", "due_at", "attempts", "last_error", "parked"),
            [
                (event_id, consumer.name, at, 0, "", False)
                for event_id, event in recorded
                for consumer in self._consumers.values()
                if isinstance(event, consumer.wants)
            ],
        )


class Courier:
    """Delivers outbox entries. Any number of couriers may run; each entry is handled once."""

    def __init__(self, desk: Desk, *, outbox: Outbox, codec: EventCodec, consumers: Sequence[Consumer]) -> None:
        self._desk = desk
        self._database = desk.database
        self._outbox = outbox
        self._codec = codec
        self._consumers = {consumer.name: consumer for consumer in consumers}

    async def deliver(self, limit: int = 100) -> int:
        """Handles up to `limit` due entries and returns how many were handled.

        They share one transaction; when one fails, that batch is undone and each entry gets a transaction of its
        own, so a poisonous event delays nobody but its own consumer.
        """
        try:
            async with self._database.transaction():
                rows = await self._claim(limit)
                await self._handle(rows)
                return len(rows)
        except _HANDLER_FAULTS:
            return await self._deliver_singly(limit)

    async def _deliver_singly(self, limit: int) -> int:
        handled = 0
        for _ in range(limit):
            row: Row | None = None
            try:
                async with self._database.transaction():
                    rows = await self._claim(1)
                    if not rows:
                        return handled
                    row = rows[0]
                    await self._handle(rows)
                    handled += 1
            except _HANDLER_FAULTS as fault:
                if row is None:
                    raise
                await self._postpone(row, fault)
        return handled

    async def _claim(self, limit: int) -> list[Row]:
        lock = " FOR UPDATE OF o SKIP LOCKED" if self._database.dialect == "postgres" else ""
        return await self._database.rows(
            "SELECT o.id AS entry, o.consumer, o.attempts, e.id, e.subject, e.seq, e.tag, e.at, e.actor, e.body"
            " FROM outbox o JOIN event e ON e.id = o.event_id"
            f" WHERE o.parked = {_FALSE} AND o.due_at <= $1 ORDER BY o.id LIMIT {int(limit)}{lock}",
            self._desk.clock.now(),
        )

    async def _handle(self, rows: Sequence[Row]) -> None:
        gathered: dict[str, list[Recorded]] = {}
        for row in rows:
            consumer = self._consumers.get(str(row["consumer"]))
            if consumer is not None:  # a consumer that was taken out of service leaves entries behind
                recorded = self._recorded(row)
                if consumer.handle_all is None:
                    await self._hand(consumer, [recorded])
                else:
                    gathered.setdefault(consumer.name, []).append(recorded)
            await self._database.execute("DELETE FROM outbox WHERE id = $1", int(str(row["entry"])))
        for name, events in gathered.items():
            await self._hand(self._consumers[name], events)

    async def _hand(self, consumer: Consumer, events: Sequence[Recorded]) -> None:
        now = self._desk.clock.now()
        work = Work(self._desk, now=now, actor=THE_CLOCK, assured=Assured(level=THE_CLOCK.assurance))
        if consumer.handle_all is not None:
            await consumer.handle_all(work, events)
        if consumer.handle is not None:
            for recorded in events:
                await consumer.handle(work, recorded)
        await self._outbox.write(work.events, at=work.now, actor=f"consumer:{consumer.name}")

    def _recorded(self, row: Row) -> Recorded:
        return Recorded(
            id=int(str(row["id"])),
            subject=str(row["subject"]),
            seq=int(str(row["seq"])),
            at=instant_of(row["at"]),
            actor=str(row["actor"]),
            event=self._codec.decode(str(row["tag"]), str(row["body"])),
        )

    async def _postpone(self, row: Row, fault: Exception) -> None:
        attempts = int(str(row["attempts"]))
        parked = attempts >= len(RETRY_AFTER)
        due_at = self._desk.clock.now() + RETRY_AFTER[min(attempts, len(RETRY_AFTER) - 1)]
        async with self._database.transaction():
            await self._database.execute(
                "UPDATE outbox SET attempts = attempts + 1, due_at = $1, last_error = $2, parked = $3 WHERE id = $4",
                due_at,
                f"{type(fault).__name__}: {fault}"[:200],
                parked,
                int(str(row["entry"])),
            )


#: What a handler may raise without stopping the courier: a refusal, a defect of its own, the database's no.
_HANDLER_FAULTS = (Refusal, ChainContended, ValueError, LookupError, TypeError, AttributeError, BaseORMException)
