"""Two zones with a gap device between them: two databases, sealed files, and a process at each end that may die."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Meta, Struct
from tortoise.context import TortoiseContext, _current_context

from casework.intake.uploads import FileStore
from ferry.engine import Engine
from ferry.epochs import EPOCH_RECORD
from ferry.lanes import Lane
from ferry.outgoing import hand_over
from ferry.records import Direction, Envelope, RecordType, Registry
from ferry.sealing import Addressed, SealingKeys
from ferry.simulator.gap import Gap
from ferry.station import Pace, PinnedKeys, Route, Station
from ferry.transports import Transport
from kernel.clock import Clock, FakeClock
from kernel.db import Database, dialect_of, tortoise_config
from kernel.refusals import Refusal
from server.wiring import TABLES

KEYS = {zone: ec.generate_private_key(ec.SECP256R1()) for zone in ("inner", "outer", "stranger")}
#: Impatient, so that a test is short; the same rules.
PACE = Pace(
    status_after=timedelta(seconds=5),
    heartbeat=timedelta(seconds=60),
    first_again=timedelta(seconds=20),
    longest_again=timedelta(seconds=80),
    torn_after=timedelta(seconds=60),
    seals=8,
)


class Note(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=4000)]
    number: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Unwelcome(Refusal):
    code = "TEST_UNWELCOME"


async def count_effect(database: Database, now: datetime, envelope: Envelope) -> None:
    """One row per record, with how often it took effect."""
    assert isinstance(envelope.body, Note)
    if envelope.body.text == "poison":
        raise Unwelcome()
    await database.execute(
        "INSERT INTO number_series (name, reached) VALUES ($1, 1)"
        " ON CONFLICT (name) DO UPDATE SET reached = number_series.reached + 1",
        f"{envelope.type}/{envelope.rid}",
    )


async def note_refusal(database: Database, now: datetime, envelope: Envelope, code: str) -> None:
    await database.execute(
        "INSERT INTO number_series (name, reached) VALUES ($1, 1)"
        " ON CONFLICT (name) DO UPDATE SET reached = number_series.reached + 1",
        f"told/{envelope.rid}/{code}",
    )


def kind(name: str, lane: Lane, **changes) -> RecordType:
    given = {"direction": Direction.EITHER, "struct": Note, "apply": count_effect, "told": note_refusal, **changes}
    return RecordType(name=name, lane=lane, **given)


TYPES = Registry(
    [
        EPOCH_RECORD,
        kind("sms.text", Lane.URGENT),
        kind("case.state", Lane.CASE),
        kind("case.strict", Lane.CASE, strict=True),
        kind("bulk.note", Lane.BULK),
        kind("level.day", Lane.SUPERVISE),
    ]
)


def keys_of(own: str, peer: str) -> PinnedKeys:
    return PinnedKeys(
        address=Addressed(
            sender=own, receiver=peer, sender_certificate=own.encode().hex().ljust(64, "0"),
            receiver_key=peer.encode().hex().ljust(64, "1"),
        ),
        seals=SealingKeys(own=KEYS[own], receiver=KEYS[peer].public_key()),
        senders={peer.encode().hex().ljust(64, "0"): KEYS[peer].public_key()},
        unwrapping={own.encode().hex().ljust(64, "1"): KEYS[own]},
    )  # fmt: skip


class Killed(BaseException):
    """The process died here."""


class Side:
    """One zone: its database, its folder, and the process that is running at the moment."""

    def __init__(self, own: str, peer: str, clock: Clock, folder: Path) -> None:
        self.own, self.peer, self.clock, self.folder = own, peer, clock, folder
        self.files = FileStore(folder / "files")
        self.deaths: dict[str, int] = {}
        self.dies: Callable[[str], bool] = lambda point: False
        self.changes: dict = {}
        self.out: Transport | None = None
        self.into: Transport | None = None

    async def open(self, url: str) -> None:
        self.url = url
        self.context = TortoiseContext()
        with self.context:
            await self.context.init(config=tortoise_config(url, modules=TABLES))
        self.database = Database(self.context, dialect_of(url), url, list(TABLES))

    def live_in(self, database: Database) -> None:
        """In a database that is open already, and that somebody else closes."""
        self.database, self.context, self.url = database, database._context, database.url

    async def close(self) -> None:
        await self.context.close_connections()

    @contextmanager
    def here(self) -> Iterator[None]:
        """This side's database is the one that tables mean; each task may be somewhere else."""
        token = _current_context.set(self.context)
        try:
            yield
        finally:
            _current_context.reset(token)

    @property
    def route(self) -> Route:
        return Route(own=self.own, peer=self.peer, sends=Direction.EITHER, takes=Direction.EITHER, types=TYPES)

    @property
    def station(self) -> Station:
        given = {
            "database": self.database, "route": self.route, "keys": keys_of(self.own, self.peer), "clock": self.clock,
            "folder": self.folder / "ferry", "files": self.files, "out": self.out, "into": self.into, "pace": PACE,
            "reach": self.reach,
        }  # fmt: skip
        return Station(**{**given, **self.changes})

    def reach(self, point: str) -> None:
        if self.dies(point):
            self.deaths[point] = self.deaths.get(point, 0) + 1
            raise Killed(point)

    async def start(self) -> None:
        with self.here():
            self.engine = Engine(self.station)
            await self.engine.start(now=self.clock.now())

    def engine_of(self) -> Engine:
        return Engine(self.station)

    async def turn(self) -> None:
        """One turn; who dies begins again as another process."""
        with self.here():
            try:
                self.last = await self.engine.turn(self.clock.now())
            except Killed:
                pass
            else:
                return
        await self.start()

    async def hand_over(self, *rids: str, type: str = "case.state", text: str = "承办", expires=None) -> None:
        envelopes = [
            Envelope(rid=rid, type=type, key=rid, at=self.clock.now(), body=Note(text=text), expires=expires)
            for rid in rids
        ]
        with self.here():
            async with self.database.transaction():
                await hand_over(self.database, self.route, envelopes, now=self.clock.now())

    async def rows(self, sql: str, *values) -> list[dict]:
        with self.here():
            return await self.database.rows(sql, *values)

    async def effects(self) -> dict[str, int]:
        """What took effect here, and how often."""
        found = await self.rows("SELECT name, reached FROM number_series WHERE name LIKE '%/%'")
        return {str(row["name"]): int(row["reached"]) for row in found if not str(row["name"]).startswith("told/")}

    async def told(self) -> dict[str, int]:
        found = await self.rows("SELECT name, reached FROM number_series WHERE name LIKE 'told/%'")
        return {str(row["name"]).removeprefix("told/"): int(row["reached"]) for row in found}

    async def parcels(self, *states: str) -> list[dict]:
        found = await self.rows("SELECT * FROM ferry_parcel ORDER BY lane, seq")
        return [row for row in found if not states or row["state"] in states]

    async def quarantined(self) -> dict[str, str]:
        found = await self.rows("SELECT code, state FROM ferry_quarantine")
        return {str(row["code"]): str(row["state"]) for row in found}


class Pair:
    """The inner and the outer zone. `there` carries from outer to inner, `back` the other way."""

    def __init__(self, clock: FakeClock, folder: Path, *, seed: int = 0) -> None:
        self.clock, self.chance = clock, random.Random(seed)
        self.there, self.back = Gap(self.chance), Gap(self.chance)
        #: Thrown away at the end.
        self.databases: list[str] = []
        self.outer = Side("outer", "inner", clock, folder / "outer")
        self.inner = Side("inner", "outer", clock, folder / "inner")
        self.outer.out, self.outer.into = self.there.entrance, self.back.exit
        self.inner.out, self.inner.into = self.back.entrance, self.there.exit

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.outer, self.inner

    async def start(self) -> None:
        for side in self.sides:
            await side.start()

    async def step(self, seconds: float = 5) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await self.outer.turn()
        self.there.sweep()
        await self.inner.turn()
        self.back.sweep()

    async def settle(self, steps: int = 200, seconds: float = 5) -> None:
        """Goes on until nothing waits and everything is acknowledged, both ways."""
        for _ in range(steps):
            await self.step(seconds)
            if await self.is_quiet():
                return
        raise AssertionError("the two sides did not come to rest")

    async def is_quiet(self) -> bool:
        for side in self.sides:
            found = await side.rows(
                "SELECT (SELECT COUNT(*) FROM ferry_place WHERE parcel IS NULL)"
                " + (SELECT COUNT(*) FROM ferry_piece WHERE epoch = '')"
                " + (SELECT COUNT(*) FROM ferry_parcel WHERE state IN ('assigned', 'sealed')) AS left_over"
            )
            if found[0]["left_over"]:
                return False
        return True
