"""Installations to break: started once, then copied, on SQLite or PostgreSQL."""

import random
import shutil
import signal
from itertools import count
from pathlib import Path

import asyncpg

from sms.simulator import Smsc
from tests.chaos.world import Victims, World, opened, smpp


class Installations:
    """`await installations()` comes to a database URL and a folder of its own. Without `server_url` it is SQLite."""

    def __init__(self, folder: Path, server_url: str | None) -> None:
        self._folder, self._server_url, self._numbers = folder, server_url, count(1)
        self._template = ""

    async def __call__(self) -> tuple[str, Path]:
        name = f"chaos{next(self._numbers)}"
        folder = self._folder / name
        shutil.copytree(self._folder / "first", folder, ignore=shutil.ignore_patterns("*.log"))
        return await self._database(name), folder

    @property
    def last_words(self) -> str:
        """What the last server said."""
        logs = sorted(self._folder.glob("*/*.log"), key=lambda log: log.stat().st_mtime_ns)
        return logs[-1].read_text(errors="replace")[-1500:] if logs else ""

    async def prepare(self, servers: Victims) -> None:
        """A first start: migrations, keys, the built-in calendar."""
        folder = self._folder / "first"
        folder.mkdir()
        self._template = await self._database("first")
        database = await opened(self._template)
        world = World(database, folder, servers, random.Random(0))
        try:
            async with Smsc({"zhangban": "secret"}, clock=world) as smsc:
                world.connect(smpp("east", smsc.port))
                async with world.server() as server:
                    server.kill(signal.SIGTERM)
                    await server.gone()
        finally:
            await database.close()

    async def _database(self, name: str) -> str:
        if self._server_url is None:
            return f"sqlite://{self._folder / name}/zhangban.db"
        name, copied = f"{self._folder.name}-{name}", f"{self._folder.name}-first"
        connection = await asyncpg.connect(self._server_url)
        template = "template0" if name == copied else copied
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        await connection.close()
        return f"{self._server_url.rpartition('/')[0]}/{name}"
