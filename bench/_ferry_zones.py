"""Two zones in one process for bench/ferry.py: each with a database of its own, and a folder between them."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Meta, Struct
from tortoise.context import TortoiseContext, _current_context

from alerts.states import as_json, listed
from casework.intake.uploads import FileStore
from ferry.engine import Engine
from ferry.epochs import EPOCH_RECORD
from ferry.lanes import Lane
from ferry.records import Direction, Envelope, RecordType, Registry
from ferry.sealing import Addressed, SealingKeys
from ferry.station import Pace, PinnedKeys, Route, Station
from ferry.transports.folder import Folder
from kernel.clock import Clock, SystemClock
from kernel.db import Database, dialect_of, tortoise_config
from server.wiring import TABLES

RECORD_OCTETS = 1000
KEYS = {zone: ec.generate_private_key(ec.SECP256R1()) for zone in ("inner", "outer")}
#: Nobody waits here: every turn seals and tells all it can.
PACE = Pace(status_after=timedelta(0), seals=1000, takes=1000)


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=2000)]


async def _keep(database: Database, now: datetime, envelope: Envelope) -> None:
    await _keep_many(database, now, [envelope])


async def _keep_many(database: Database, now: datetime, envelopes: Sequence[Envelope]) -> None:
    """The whole state of one thing each, as a mirror keeps it."""
    await database.execute(
        f"INSERT INTO bench_state (rid, text, times) SELECT r.rid, r.text, 1 FROM"
        f" {listed(database, 1, rid='text', text='text')} WHERE true"
        " ON CONFLICT (rid) DO UPDATE SET text = excluded.text, times = bench_state.times + 1",
        as_json(
            {"rid": envelope.rid, "text": envelope.body.text}
            for envelope in envelopes
            if isinstance(envelope.body, State)
        ),
    )
    SEEN.update(dict.fromkeys(envelope.rid for envelope in envelopes if envelope.type == "bench.urgent"))


#: Urgent records in the order in which they took effect; looked at after the commit.
SEEN: dict[str, None] = {}


def _kind(name: str, lane: Lane) -> RecordType:
    return RecordType(
        name=name, direction=Direction.EITHER, lane=lane, struct=State, apply=_keep, apply_many=_keep_many
    )


TYPES = Registry([EPOCH_RECORD, _kind("bench.state", Lane.CASE), _kind("bench.urgent", Lane.URGENT)])


@dataclass
class Side:
    own: str
    peer: str
    folder: Path
    clock: Clock = field(default_factory=SystemClock)

    async def open(self, url: str) -> None:
        self.context = TortoiseContext()
        with self.context:
            await self.context.init(config=tortoise_config(url, modules=TABLES))
        self.database = Database(self.context, dialect_of(url), url, list(TABLES))
        self.route = Route(own=self.own, peer=self.peer, sends=Direction.EITHER, takes=Direction.EITHER, types=TYPES)
        self.files = FileStore(self.folder / f"{self.own}-files")
        station = Station(
            database=self.database,
            route=self.route,
            keys=pinned(self.own, self.peer),
            clock=self.clock,
            folder=self.folder / f"{self.own}-ferry",
            files=self.files,
            out=Folder(self.folder / f"to-{self.peer}"),
            into=Folder(self.folder / f"to-{self.own}"),
            pace=PACE,
        )
        self.engine = Engine(station)
        with self.here():
            await self.database.migrate()
            await self.database.execute(
                "CREATE TABLE bench_state (rid VARCHAR(64) PRIMARY KEY, text TEXT NOT NULL, times INT NOT NULL)"
            )
            await self.engine.start(now=self.clock.now())

    async def close(self) -> None:
        await self.context.close_connections()

    async def run(self, stop: asyncio.Event) -> None:
        with self.here():
            await self.engine.run(stop)

    async def seen(self, rid: str) -> None:
        while rid not in SEEN:  # noqa: ASYNC110  it happens in the other zone
            await asyncio.sleep(0.002)
        with self.here():
            while not await self.database.rows("SELECT 1 FROM bench_state WHERE rid = $1", rid):  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    @contextmanager
    def here(self) -> Iterator[None]:
        """This zone's database is the one that tables mean, for the task that asks."""
        token = _current_context.set(self.context)
        try:
            yield
        finally:
            _current_context.reset(token)


def pinned(own: str, peer: str) -> PinnedKeys:
    return PinnedKeys(
        address=address(own, peer),
        seals=sealing_keys(own, peer),
        senders={mark(peer): KEYS[peer].public_key()},
        unwrapping={mark(own): KEYS[own]},
    )


def address(own: str = "outer", peer: str = "inner") -> Addressed:
    return Addressed(sender=own, receiver=peer, sender_certificate=mark(own), receiver_key=mark(peer))


def sealing_keys(own: str = "outer", peer: str = "inner") -> SealingKeys:
    return SealingKeys(own=KEYS[own], receiver=KEYS[peer].public_key())


def mark(zone: str) -> str:
    return hashlib.sha256(zone.encode()).hexdigest()


def envelope(kind: str, number: int) -> Envelope:
    """A record of about a kilobyte that does not compress better than case data do."""
    rid = f"{kind}-{number}"
    text = f"{secrets.token_hex(110)} 经审查，用地、规划、施工图和资金证明齐全，建议准予许可。" * 3
    body = State(text=text[: RECORD_OCTETS - 260])
    return Envelope(rid=rid, type=kind, key=rid, at=SystemClock().now(), body=body)
