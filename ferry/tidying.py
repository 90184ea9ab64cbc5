"""What the ferry forgets, and when: after the other side has it and `keep` has passed besides.

The receiver remembers numbers twice as long as the sender keeps records, so that nothing that can still be sent again
is ever taken for new. Files that only passed through here go with their pieces.
"""

import asyncio
import shutil
from datetime import datetime, timedelta

from alerts.states import among, as_int, as_numbers
from casework.intake.tables import Upload
from ferry.station import Station, throw_away, unlink
from ferry.tables import LEFT_OUT, FerryFile, FerryHeld
from kernel import rows
from kernel.db import chunks

EVERY = timedelta(hours=1)
#: Rows in one transaction: others wait for it.
_BATCH = 5000
_FILES = 200
#: Pieces lie there before a row says so, and for longer while somebody works on it.
_SETTLED = timedelta(days=1)
_UNFINISHED = ("coming", "waiting", "corrupt")

#: Of parcels: the other side has it, or will never be sent it.
_DONE = "state IN ('acked', 'spent', 'retired') AND COALESCE(acked_at, assigned_at) < $2"
#: Table, condition on its rows; $1 the peer, $2 the instant before which they may go.
_SENT = (
    (
        "ferry_piece",
        f"at < $2 AND EXISTS (SELECT 1 FROM ferry_parcel p WHERE p.peer = $1 AND p.lane = 'bulk'"
        f" AND p.epoch = ferry_piece.epoch AND p.seq = ferry_piece.seq AND {_DONE})",
    ),
    ("ferry_piece", "epoch = '-' AND at < $2"),
    ("ferry_parcel", _DONE),
)
#: Of places `s`: what is in parcels that are done, and what was left out.
_PLACES = (
    "SELECT s.id FROM ferry_parcel p JOIN ferry_place s ON s.peer = p.peer AND s.lane = p.lane AND s.parcel = p.id"
    f" WHERE p.peer = $1 AND {_DONE}",
    "SELECT s.id FROM ferry_place s JOIN ferry_record r ON r.id = s.id"
    f" WHERE s.peer = $1 AND s.parcel = {LEFT_OUT} AND r.at < $2",
)
_RECEIVED = (
    ("ferry_applied", "at < $2"),
    ("ferry_inbox", "at < $2"),
    ("ferry_gap", "filled_at < $2"),
    ("ferry_poison", "closed_at < $2"),
    ("ferry_quarantine", "state <> 'kept' AND at < $2"),
)


async def tidy(station: Station, *, now: datetime) -> int:
    """Removes what is no longer needed, in small transactions; how many rows."""
    keep, count = station.pace.keep, 0
    for which in _PLACES:
        count += await _remove_records(station, which, now - keep)
    for table, condition in _SENT:
        count += await _remove(station, table, condition, now - keep)
    if not station.keeps_sent_files and not station.is_one_way:
        count += await _let_go(station, now - keep)
    for table, condition in _RECEIVED:
        count += await _remove(station, table, condition, now - 2 * keep)
    count += await _forget_files(station, now - 2 * keep)
    await _sweep_pieces(station, now - _SETTLED)
    return count


async def _let_go(station: Station, before: datetime) -> int:
    """Uploads that crossed: of those that are kept every one was handed over, and pieces stay until nobody asks."""
    count = 0
    while True:
        async with station.database.transaction():
            gone = await station.database.rows(
                "DELETE FROM upload WHERE sha256 IN (SELECT u.sha256 FROM upload u WHERE u.kept AND u.uploaded_at < $1"
                f" AND NOT EXISTS (SELECT 1 FROM ferry_piece p WHERE p.sha256 = u.sha256) LIMIT {_FILES})"
                " AND uploaded_at < $1 RETURNING sha256",
                before,
            )
            for row in gone:
                await asyncio.to_thread(station.files.discard, str(row["sha256"]))
        count += len(gone)
        if len(gone) < _FILES:
            return count


async def _forget_files(station: Station, before: datetime) -> int:
    """Files that came, or never came whole, so long ago that none of their pieces can come again.

    The octets stay where something here refers to them: then they are noted as an upload, whose keeping is casework's.
    """
    count = 0
    while True:
        async with station.database.transaction():
            forgotten = await station.database.rows(
                "DELETE FROM ferry_file WHERE id IN (SELECT id FROM ferry_file WHERE peer = $1 AND at < $2"
                f" AND state <> 'waiting' LIMIT {_FILES}) RETURNING sha256",
                station.peer,
                before,
            )
            names = [str(row["sha256"]) for row in forgotten]
            for part in chunks(names, 500):
                marks = ", ".join(f"${n}" for n in range(2, len(part) + 2))
                await station.database.execute(
                    f"DELETE FROM ferry_arrived_piece WHERE peer = $1 AND sha256 IN ({marks})", station.peer, *part
                )
            # Another peer may have brought the same file.
            wanted = {upload.sha256 for upload in await Upload.filter(sha256__in=names)}
            wanted |= {file.sha256 for file in await FerryFile.filter(sha256__in=names)}
            for name in set(names) - wanted:
                await asyncio.to_thread(station.files.discard, name)
        count += len(names)
        if len(names) < _FILES:
            return count


async def _sweep_pieces(station: Station, before: datetime) -> None:
    """Pieces of files that are whole, refused or forgotten: they came once more, or somebody died before this."""
    wanted = {file.sha256 for file in await FerryFile.filter(peer=station.peer, state__in=_UNFINISHED)}
    for left in station.place("pieces").iterdir():
        if left.name not in wanted and left.stat().st_mtime < before.timestamp():
            await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)


async def _remove_records(station: Station, which: str, before: datetime) -> int:
    total = 0
    while True:
        async with station.database.transaction():
            gone = await station.database.rows(
                f"DELETE FROM ferry_place WHERE id IN ({which} LIMIT {_BATCH}) RETURNING id", station.peer, before
            )
            await station.database.execute(
                f"DELETE FROM ferry_record WHERE id {among(station.database, 1)}",
                as_numbers(as_int(row["id"]) for row in gone),
            )
        total += len(gone)
        if len(gone) < _BATCH:
            return total


async def _remove(station: Station, table: str, condition: str, before: datetime) -> int:
    total = 0
    while True:
        async with station.database.transaction():
            count = await station.database.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE peer = $1 AND {condition}"
                f" LIMIT {_BATCH})",
                station.peer,
                before,
            )
        total += count
        if count < _BATCH:
            return total


async def unlink_unless_held(station: Station, file: str) -> None:
    if await rows.one(FerryHeld, peer=station.peer, file=file) is None:
        await unlink(station.place("held") / file)


async def sweep(station: Station) -> None:
    """At the start: what a process that died left half done. Nothing of it was ever noted."""
    for kind in ("incoming", "sealing"):
        for left in station.place(kind).iterdir():
            throw_away(left)
    held = {parcel.file for parcel in await rows.many(FerryHeld, peer=station.peer)}
    for left in station.place("held").iterdir():
        if left.name not in held:
            throw_away(left)
