"""Two zones to break: an inner and an outer `zhangban serve`, each with a database and a folder of its own.

Between them is a device that carries files from one folder to another, and may do to them what such devices do. People
file at the outer zone's door and hold phones at a carrier that only it reaches; they ask again until they are answered.
"""

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from msgspec import Struct
from tortoise.context import TortoiseContext, _current_context

from casework.clock.working_days import CHINA
from ferry.simulator.gap import Faults, Gap
from kernel.db import Database, Row, SqlValue, dialect_of, tortoise_config
from server.wiring import TABLES
from sms.simulator import Smsc
from tests.chaos.ferry_people import Filings
from tests.chaos.world import PATIENCE_S, ROOT, Victims, World, free_port, smpp

Name = Literal["outer", "inner"]
#: How the zones are told to be: the same rules as ever, and a second instead of a minute.
_FERRY = """
[api]
strangers_per_minute = 100000
requests_per_address = 100000
requests_per_minute = 100000
[ferry]
zone = "{own}"
gather_milliseconds = 100
status_seconds = 1
heartbeat_seconds = 5
resend_seconds = 1
answer_seconds = 2
[[ferry.peers]]
kind = "folder"
name = "{peer}"
relation = "{peer}"
out = "{out}"
into = "{into}"
"""
_SWEEP_S = 0.03


class Neighbour(Database):
    """A database beside another in one process: whatever is asked of it is asked of this one."""

    @classmethod
    async def opened(cls, url: str) -> "Neighbour":
        context = TortoiseContext()
        with context:
            await context.init(config=tortoise_config(url, modules=TABLES))
        return cls(context, dialect_of(url), url, list(TABLES))

    @contextmanager
    def here(self) -> Iterator[None]:
        token = _current_context.set(self._context)
        try:
            yield
        finally:
            _current_context.reset(token)

    async def rows(self, sql: str, *values: SqlValue) -> list[Row]:
        with self.here():
            return await super().rows(sql, *values)

    async def execute(self, sql: str, *values: SqlValue) -> int:
        with self.here():
            return await super().execute(sql, *values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self.here():
            async with super().transaction():
                yield


class Zone(World):
    """One side. `out` and `into`: folders that the device knows; One-way nothing comes back inside."""

    def __init__(
        self, own: Name, database: Neighbour, folder: Path, servers: Victims, chance: random.Random, box: Path
    ) -> None:
        super().__init__(database, folder, servers, chance)
        self.own: Name = own
        self.peer: Name = "inner" if own == "outer" else "outer"
        self.out, self.into = box / own / "out", box / own / "in"
        self.neighbour = database
        #: Records that were handed over from here, as its own programs do.
        self.handed = 0

    def settle_in(self, *carriers: str, http_port: int = 0, is_one_way: bool = False) -> None:
        """Writes the configuration."""
        for folder in (self.out, self.into):
            folder.mkdir(parents=True, exist_ok=True)
        out = "" if is_one_way and self.own == "outer" else str(self.out)
        into = "" if is_one_way and self.own == "inner" else str(self.into)
        ferry = _FERRY.format(own=self.own, peer=self.peer, out=out, into=into)
        head = f'data_dir = "{self.folder}/var"\n[database]\nurl = "{self.database.url}"\n[http]\nport = {http_port}\n'
        self.config.write_text(head + ferry + "".join(f"[[sms.carriers]]\n{each}\n" for each in carriers))

    async def typed(self, *arguments: str, code: int | None = 0) -> str:
        """What an operator types at this zone's server. Raises RuntimeError, unless it ends with `code` (None: any)."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.ferry_typed", str(self.ahead_s), "ferry", *arguments,
            "--config", str(self.config), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S):
            said, wrong = await process.communicate()
        if code is not None and process.returncode != code:
            raise RuntimeError(f"ferry {arguments[0]}: {wrong.decode()[-500:]}")
        return said.decode()

    async def restored(self, database: Neighbour) -> None:
        await self.database.close()
        self.database = self.neighbour = database


class Files(MutableMapping[str, bytes]):
    """A folder as the device has it: whole files only, none that begins with a dot."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[str]:
        with suppress(FileNotFoundError, NotADirectoryError):
            yield from sorted(path.name for path in self._folder.iterdir() if not path.name.startswith("."))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, octets: bytes) -> None:
        unfinished = self._folder / f".device-{name}"
        unfinished.write_bytes(octets)
        unfinished.replace(self._folder / name)

    def __delitem__(self, name: str) -> None:
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            raise KeyError(name) from None


class Device:
    """`there` carries from the outer to the inner zone, `back` the other way; `carries`: those that are not away."""

    def __init__(self, outer: Zone, inner: Zone, chance: random.Random) -> None:
        self.there, self.back = Gap(chance), Gap(chance)
        for gap, sender, receiver in ((self.there, outer, inner), (self.back, inner, outer)):
            gap.entrance.files, gap.exit.files = Files(sender.out), Files(receiver.into)  # type: ignore[assignment]
        self.carries = self.both

    @property
    def both(self) -> tuple[Gap, ...]:
        return self.there, self.back

    def misbehave(self, faults: Faults) -> None:
        self.there.faults = self.back.faults = faults

    @property
    def counts(self) -> dict[str, int]:
        names = {*self.there.counts, *self.back.counts}
        return {name: self.there.counts.get(name, 0) + self.back.counts.get(name, 0) for name in sorted(names)}

    async def run(self) -> None:
        while True:
            for gap in self.carries:
                # What a zone takes back, or takes in, while we look at it.
                with suppress(KeyError, FileNotFoundError, NotADirectoryError):
                    gap.sweep()
            await asyncio.sleep(_SWEEP_S)


class Restore(Struct, frozen=True):
    """A database that was put back. What it forgot: (lane, epoch, number), records, cases. `unknown`: whose texts had
    not come to anything inside then: what became of them nobody may know."""

    own: Name
    numbers: frozenset[tuple[object, ...]]
    records: frozenset[str]
    cases: frozenset[str]
    unknown: frozenset[str]


class Zones:
    """Both, the device between them, the carrier outside, and those who file."""

    def __init__(self, outer: Zone, inner: Zone, smsc: Smsc, chance: random.Random) -> None:
        self.outer, self.inner, self.smsc, self.chance = outer, inner, smsc, chance
        self.device = Device(outer, inner, chance)
        self.port = free_port()
        self.filings = Filings(f"http://127.0.0.1:{self.port}", chance)
        self.restores: list[Restore] = []
        #: Writes that a full disk refused: what was done is done again.
        self.has_lost_writes = False
        outer.watch("east", smsc)
        inner.carriers = outer.carriers

    @property
    def both(self) -> tuple[Zone, Zone]:
        return self.outer, self.inner

    @property
    def kills(self) -> int:
        return self.outer.kills + self.inner.kills

    def settle_in(self, *, is_one_way: bool = False) -> None:
        """One-way no text crosses either: nobody inside would hear what became of it."""
        inside = () if is_one_way else ('kind = "ferry"\nname = "outer"\npeer = "outer"\n',)
        self.outer.settle_in(smpp("east", self.smsc.port), http_port=self.port, is_one_way=is_one_way)
        self.inner.settle_in(*inside, is_one_way=is_one_way)

    def pass_time(self, by: timedelta) -> None:
        for zone in self.both:
            zone.pass_time(by)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Both zones at work; killed at the end."""
        async with AsyncExitStack() as stack:
            async with asyncio.TaskGroup() as starting:
                for zone in self.both:
                    starting.create_task(stack.enter_async_context(zone.server()))
            yield

    async def busy(
        self, *, filings: int = 3, files: int = 1, refused: int = 1, texts: int = 4, people: int = 1
    ) -> None:
        """So much more to do, all at once."""
        for _ in range(filings):
            self.filings.file()
        for _ in range(files):
            self.filings.file(with_attachment=True)
        for _ in range(refused):
            self.filings.file(is_wrong=True)
        await self.inner.queue(texts=texts, codes=texts // 3)
        self.inner.text_us(people)


@asynccontextmanager
async def two_zones(stage) -> AsyncIterator[Zones]:
    """Zones of their own, which know each other and have the county inside; nobody serves yet."""
    made = await stage.installation.zones(stage.servers)
    box = made["outer"][1].with_suffix(".box")
    async with AsyncExitStack() as stack:
        zones = []
        for own, (url, folder) in made.items():
            zone = Zone(own, await Neighbour.opened(url), folder, stage.servers, stage.chance, box)
            stack.push_async_callback(_closed, zone)
            zones.append(zone)
        smsc = await stack.enter_async_context(Smsc({"zhangban": "secret"}, clock=zones[0]))
        outer, inner = zones
        both = Zones(outer, inner, smsc, stage.chance)
        both.pass_time(_until_morning(zones[0].now()))
        both.settle_in()
        carrying = asyncio.create_task(both.device.run())
        try:
            yield both
            for folder in (box, *(zone.folder for zone in zones)):  # else they are left to be looked at
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
            await both.filings.close()


def _until_morning(now: datetime) -> timedelta:
    """Until nine on a Wednesday: at night some texts wait for the morning, and on Sunday nobody works."""
    local = now.astimezone(CHINA)
    days = (2 - local.weekday()) % 7 or 7
    return local.replace(hour=9, minute=0) + timedelta(days=days) - local


async def _closed(zone: Zone) -> None:
    await zone.close()
    await zone.database.close()
