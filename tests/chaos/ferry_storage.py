"""Disks that are full, or where nothing can be synced or named."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from shutil import copytree

import asyncpg

from server.wiring import sqlite_file
from tests.chaos.ferry_disk import FSYNC, RENAME
from tests.chaos.ferry_healing import healed
from tests.chaos.ferry_zones import Neighbour, Zone, two_zones
from tests.chaos.scenarios import Stage, Told
from tools.postgres import Account

_MIB = 1 << 20
#: Room for a zone and a bad day.
_SMALL_MIB = 96
_FULL_FOR_S = 2.5


# ---------------------------------------------------------------------------------------------------------- full disks


async def nothing_can_be_synced_or_named(stage: Stage) -> Told:
    """Where parcels and their folders lie, syncing fails for a while, then renaming: injected in both processes."""
    async with two_zones(stage) as zones:
        zones.has_lost_writes = True
        flag = zones.outer.folder / "fails"
        async with AsyncExitStack() as stack:
            for zone in zones.both:
                await stack.enter_async_context(zone.server(disk=str(flag)))
            for _ in range(stage.some(3)):
                for fault in (FSYNC, RENAME):
                    await zones.busy()
                    flag.write_text(fault)
                    await asyncio.sleep(1.5)
                    flag.unlink()
                    await asyncio.sleep(0.7)
        return await healed(zones)


async def disk_full(stage: Stage) -> Told:
    """The disk of either zone, with its database, its files and what it seals, is full in the middle of a day."""
    async with two_zones(stage) as zones, AsyncExitStack() as disks:
        zones.has_lost_writes = True
        small: dict[Zone, Path] = {}
        for zone in zones.both:
            mount = await disks.enter_async_context(_mounted())
            if mount is None:
                return Told("not played: no disk can be mounted here; errors of one were injected above")
            await _move(zone, mount, stage)
            disks.push_async_callback(_moved_away, zone)
            small[zone] = mount
        zones.settle_in()
        met = 0
        async with zones.serving():
            for number in range(stage.some(4)):
                zone = zones.both[number % 2]
                ballast = small[zone] / "ballast"
                await zones.busy()
                await asyncio.sleep(stage.chance.uniform(0.0, 0.6))
                _fill(ballast)
                await zones.busy(texts=0)
                await asyncio.sleep(_FULL_FOR_S)
                met += _is_full(small[zone])
                ballast.unlink()
                await asyncio.sleep(0.7)
        missed = [] if met == stage.some(4) else [f"there was room: {stage.some(4) - met} times"]
        return await healed(zones, missed, f"{met} times full; ")


@asynccontextmanager
async def _mounted() -> AsyncIterator[Path | None]:
    """A small disk; None where nobody may mount one. PostgreSQL, another user, must reach it."""
    folder = tempfile.mkdtemp(prefix="zb-small-")
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_MIB}m,mode=0755", "tmpfs", folder]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    try:
        yield None if done.returncode else Path(folder)
    finally:
        if done.returncode == 0:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", folder], check=False)
        await asyncio.to_thread(os.rmdir, folder)


async def _move(zone: Zone, mount: Path, stage: Stage) -> None:
    """The zone onto the small disk: its folder, and on PostgreSQL its database, in a tablespace."""
    url = zone.database.url
    await zone.database.close()
    copytree(zone.folder, mount / "zone")
    if sqlite_file(url) is not None:
        url = f"sqlite://{mount}/zone/zhangban.db"
    else:
        (mount / "tables").mkdir()
        Account.fitting().owns(mount / "tables")
        await _says(url, f"CREATE TABLESPACE \"{mount.name}\" LOCATION '{mount}/tables'",
                    f'ALTER DATABASE "{url.rpartition("/")[2]}" SET TABLESPACE "{mount.name}"')  # fmt: skip
    zone.folder = mount / "zone"
    await zone.restored(await Neighbour.opened(url))


async def _moved_away(zone: Zone) -> None:
    """Before its disk goes."""
    await zone.database.close()
    url = zone.database.url
    if sqlite_file(url) is None:
        await _says(url, f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')


async def _says(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url.rpartition("/")[0] + "/postgres")
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        for octets in (_MIB, 4096):
            with suppress(OSError):
                while file.write(bytes(octets)):
                    pass


def _is_full(mount: Path) -> bool:
    try:
        (mount / "probe").write_bytes(bytes(256 << 10))
    except OSError:
        return True
    finally:
        (mount / "probe").unlink(missing_ok=True)
    return False
