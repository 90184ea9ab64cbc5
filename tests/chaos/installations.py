"""Installations to break: started once, then copied, on SQLite or PostgreSQL."""

import random
import shutil
import signal
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Literal

import asyncpg

from sms.simulator import Smsc
from tests.chaos.ferry_meeting import meet
from tests.chaos.world import Victims, World, opened, smpp


class Installations:
    """`await installations()` comes to a database URL and a folder of its own. Without `server_url` it is SQLite."""

    def __init__(self, folder: Path, server_url: str | None) -> None:
        self._folder, self._server_url, self._numbers = folder, server_url, count(1)

    async def __call__(self) -> tuple[str, Path]:
        return await self.copied("first")

    async def copied(self, first: str) -> tuple[str, Path]:
        """Another like `first`, whose database nobody has open."""
        name = f"chaos{next(self._numbers)}"
        folder = self._folder / name
        shutil.copytree(self._folder / first, folder, ignore=shutil.ignore_patterns("*.log"))
        return await self._database(name, first), folder

    async def zones(self, servers: Victims) -> Mapping[Literal["outer", "inner"], tuple[str, Path]]:
        """An outer and an inner zone that have met."""
        if not (self._folder / "outer").exists():
            urls: dict[Literal["outer", "inner"], str] = {}
            for own in ("outer", "inner"):
                (self._folder / own).mkdir()
                urls[own] = await self._database(own)
            await meet({own: (url, self._folder / own) for own, url in urls.items()}, servers)
        return {"outer": await self.copied("outer"), "inner": await self.copied("inner")}

    @property
    def last_words(self) -> str:
        """What the last server said."""
        logs = sorted(self._folder.glob("*/*.log"), key=lambda log: log.stat().st_mtime_ns)
        return logs[-1].read_text(errors="replace")[-1500:] if logs else ""

    async def prepare(self, servers: Victims) -> None:
        """A first start: migrations, keys, the built-in calendar."""
        folder = self._folder / "first"
        folder.mkdir()
        database = await opened(await self._database("first"))
        world = World(database, folder, servers, random.Random(0))
        try:
            async with Smsc({"zhangban": "secret"}, clock=world) as smsc:
                world.connect(smpp("east", smsc.port))
                async with world.server() as server:
                    server.kill(signal.SIGTERM)
                    await server.gone()
        finally:
            await database.close()

    async def _database(self, name: str, first: str = "") -> str:
        if self._server_url is None:
            return f"sqlite://{self._folder / name}/zhangban.db"
        name, template = f"{self._folder.name}-{name}", f"{self._folder.name}-{first}" if first else "template0"
        connection = await asyncpg.connect(self._server_url)
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        await connection.close()
        return f"{self._server_url.rpartition('/')[0]}/{name}"
