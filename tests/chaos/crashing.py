"""Databases that go away under a server: PostgreSQL as by a power cut, SQLite behind somebody else's lock."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
from tortoise.exceptions import OperationalError

from kernel.db import GONE
from server.wiring import sqlite_file
from sms.simulator import Smsc
from tests.chaos.installations import Installations
from tests.chaos.world import PATIENCE_S, World
from tools.postgres import Account, Postgres

_OUTAGE_S = 0.5


async def crashing_postgres(stage, *, crashes: int) -> tuple[str, tuple[str, ...]]:
    """On a server of its own, which waits for the disk: what it said was written must be there afterwards."""
    from tests.chaos.scenarios import healed

    with Postgres.start(durable=True) as server:
        installations = Installations(server.folder / "chaos", server.url)
        (server.folder / "chaos").mkdir()
        await installations.prepare(stage.servers)
        async with replace(stage, installation=installations).one_carrier() as (world, smsc):
            async with world.server():
                for _ in range(crashes):
                    await world.queue(texts=stage.some(150), long=stage.some(30), codes=stage.some(20))
                    world.text_us(3)
                    async with _busy(smsc):
                        await asyncio.sleep(stage.chance.uniform(0.05, 0.5))
                        await _crash(server)
                        await asyncio.sleep(_OUTAGE_S)
                        await _start(server)
                    await _answers(world)
                binds = smsc.counts["binds"]
            told = await healed(world, () if binds == 1 else (f"cut off: {binds - 1} times while it was away",))
    return f"{crashes} crashes, {told.figures}", told.violations


@asynccontextmanager
async def _busy(smsc: Smsc) -> AsyncIterator[None]:
    """The carrier is slow for once, so that texts are under way when it happens."""
    smsc.faults.response_delay_s = smsc.faults.receipt_delay_s = 0.1
    yield
    smsc.faults.response_delay_s = smsc.faults.receipt_delay_s = 0.0


async def _crash(server: Postgres) -> None:
    """`pg_ctl stop -m immediate`: no checkpoint, no farewell."""
    server.process.send_signal(signal.SIGQUIT)
    await asyncio.to_thread(server.process.wait, PATIENCE_S)


async def _start(server: Postgres) -> None:
    command = server.process.args
    assert isinstance(command, list)
    server.process = Account.fitting().runs([str(word) for word in command], server.folder)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(OSError, asyncpg.PostgresError):
                await (await asyncpg.connect(server.url)).close()
                return
            await asyncio.sleep(0.05)


async def _answers(world: World) -> None:
    """Our own connections to it have died as well."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(OperationalError, *GONE):
                await world.states()
                return
            await asyncio.sleep(0.05)


async def locked_sqlite(stage, *, times: int) -> tuple[str, tuple[str, ...]]:
    from tests.chaos.scenarios import healed

    async with stage.one_carrier() as (world, smsc):
        file = sqlite_file(world.database.url)
        assert file is not None
        async with world.server():
            for _ in range(times):
                await world.queue(texts=stage.some(100), long=stage.some(20), codes=stage.some(20))
                world.text_us(3)
                async with _busy(smsc):
                    await asyncio.sleep(stage.chance.uniform(0.02, 0.2))
                    await asyncio.to_thread(partial(_locked, file, 7.0 * stage.size))
            binds = smsc.counts["binds"]
        told = await healed(world, () if binds == 1 else (f"cut off: {binds - 1} times while it was locked",))
    return f"{times} locks, {told.figures}", told.violations


def _locked(file: Path, seconds: float) -> None:
    """As by the sqlite3 tool, in which somebody has typed BEGIN EXCLUSIVE and thinks."""
    script = f"import sqlite3, time; c = sqlite3.connect({str(file)!r}, 30, isolation_level=None)"
    script += f"; c.execute('BEGIN EXCLUSIVE'); time.sleep({seconds}); c.execute('ROLLBACK')"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE_S)
