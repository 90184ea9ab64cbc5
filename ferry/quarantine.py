"""Files that were refused, and lanes that stopped. Nothing is deleted but by a person, with a reason."""

import asyncio
import hashlib
import logging
from datetime import datetime
from pathlib import Path

from ferry.refusals import ParcelReplayed
from ferry.station import Station, unlink
from ferry.tables import FerryCursor, FerryPoison, FerryQuarantine
from kernel import rows
from kernel.db import SqlValue
from kernel.refusals import NotFound, Refusal

log = logging.getLogger(__name__)

_COLUMNS = ("peer", "sha256", "file", "octets", "code", "why", "state", "times", "at", "closed_why")
_SEEN = "ON CONFLICT (peer, sha256) DO UPDATE SET times = ferry_quarantine.times + 1"


async def keep(station: Station, copy: Path, name: str, refusal: Refusal, *, now: datetime) -> None:
    """Moves the file `copy` out of the way and notes why. The same octets again are counted, not kept twice."""
    sha256, octets = await asyncio.to_thread(_digest, copy)
    await asyncio.to_thread(copy.replace, _place(station, sha256))
    log.warning("ferry: a file from %s is in quarantine: %s", station.peer, refusal.code)
    await _note(station, (station.peer, sha256, name[:120], octets, *_why(refusal), "kept", 1, now, ""))


async def note_replay(station: Station, sha256: str, octets: int, name: str, *, now: datetime) -> None:
    """Octets that were applied and came again: the ledger says so, the octets are worth nothing."""
    await _note(station, (station.peer, sha256, name[:120], octets, *_why(ParcelReplayed()), "noted", 1, now, ""))


async def freeze(station: Station, lane: str, why: str) -> None:
    """Stops a lane until a person lets it go on."""
    log.error("ferry: lane %s from %s is frozen: %s", lane, station.peer, why)
    async with station.database.transaction():
        await rows.change(FerryCursor, {"peer": station.peer, "lane": lane, "frozen_why": ""}, frozen_why=why)


async def thaw(station: Station, lane: str) -> bool:
    """Lets a frozen lane go on from where it stands; False if it was not frozen."""
    async with station.database.transaction():
        cursor = await rows.one(FerryCursor, peer=station.peer, lane=lane)
        if cursor is None or not cursor.frozen_why:
            return False
        return bool(await rows.change(FerryCursor, {"id": cursor.id}, frozen_why=""))


async def kept(station: Station, item_id: int) -> FerryQuarantine:
    """An item whose file is kept. Raises NotFound."""
    item = await rows.one(FerryQuarantine, id=item_id, peer=station.peer, state="kept")
    if item is None:
        raise NotFound(what="隔离文件")
    return item


def octets_of(station: Station, item: FerryQuarantine) -> Path:
    """Where its file lies: to be looked at, or taken in again by `Engine.retry`."""
    return _place(station, item.sha256)


async def close(station: Station, item_id: int, *, state: str, why: str, now: datetime) -> FerryQuarantine:
    """Closes an item as `retried` (it took effect) or `discarded`, and deletes its file. Raises NotFound."""
    async with station.database.transaction():
        item = await kept(station, item_id)
        await rows.change(FerryQuarantine, {"id": item.id}, state=state, closed_at=now, closed_why=why[:200])
    await unlink(_place(station, item.sha256))
    return item


async def close_poison(station: Station, poison_id: int, *, why: str, now: datetime) -> FerryPoison:
    """A person has seen to a record that could not be applied. Raises NotFound."""
    async with station.database.transaction():
        poison = await rows.one(FerryPoison, id=poison_id, peer=station.peer, closed_at=None)
        if poison is None:
            raise NotFound(what="未应用记录")
        await rows.change(FerryPoison, {"id": poison.id}, closed_at=now, closed_why=why[:200])
        return poison


def _place(station: Station, sha256: str) -> Path:
    return station.place("quarantine") / f"{sha256}.fry"


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _why(refusal: Refusal) -> tuple[str, str]:
    return refusal.code, refusal.text_en[:200]


async def _note(station: Station, row: tuple[SqlValue, ...]) -> None:
    async with station.database.transaction():
        await station.database.insert("ferry_quarantine", _COLUMNS, [row], tail=_SEEN)
