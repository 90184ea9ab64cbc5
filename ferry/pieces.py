"""Files that come in pieces: kept as they arrive, put together when all are there, believed when the SHA-256 fits.

A piece becomes part of a file when the parcel it came in takes effect. Files are named by content, so the order of
their pieces, and a piece that comes twice, mean nothing; what has arrived need not come again. Only of a file that is
not here, though all of its pieces came, they are taken once more.
"""

import asyncio
import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from alerts.states import as_int
from ferry import quarantine
from ferry.inspecting import AGAIN, judge
from ferry.parcel import Piece
from ferry.refusals import AttachmentRefused, AttachmentUnchecked
from ferry.station import Station, throw_away
from ferry.transports.folder import sync
from kernel.db import Database, Row, chunks

log = logging.getLogger(__name__)

_CHUNK = 1 << 20


def settle(station: Station, staged: Path, pieces: Sequence[Piece]) -> None:
    """Moves the pieces of a parcel that proved sound out of `staged`, durably, before anybody notes them."""
    for piece in pieces:
        place = _place(station, piece.sha256)
        place.mkdir(parents=True, exist_ok=True)
        came = staged / f"{piece.sha256}@{piece.offset}"
        sync(came)
        came.replace(place / str(piece.offset))
        sync(place)
    shutil.rmtree(staged, ignore_errors=True)


async def note(station: Station, pieces: Sequence[Piece], *, now: datetime) -> None:
    """Notes pieces, in the transaction in which their parcel takes effect."""
    database = station.database
    for piece in pieces:
        row = (station.peer, piece.sha256, piece.offset, piece.octets)
        columns = ("peer", "sha256", "start", "octets")
        new = await database.insert("ferry_arrived_piece", columns, [row], tail="ON CONFLICT DO NOTHING RETURNING id")
        await expect(database, station.peer, [(piece.sha256, piece.size)], now=now)
        if new:
            await database.execute(
                "UPDATE ferry_file SET here = here + $1 WHERE peer = $2 AND sha256 = $3",
                piece.octets,
                station.peer,
                piece.sha256,
            )
    await _reopen(station, await _missed(station, pieces), now)


async def expect(database: Database, peer: str, files: Iterable[tuple[str, int]], *, now: datetime) -> None:
    """Notes files that records name, (SHA-256, octets), so that one of which no piece ever comes is missed too."""
    columns = ("peer", "sha256", "size", "here", "state", "at")
    coming = [(peer, sha256, size, 0, "coming", now) for sha256, size in files]
    await database.insert("ferry_file", columns, coming, tail="ON CONFLICT DO NOTHING")


async def are_missing(database: Database, peer: str, digests: Collection[str]) -> bool:
    """Whether any of these files was to come from this peer, and has not: of others nothing is said."""
    for part in chunks(sorted(digests), 500):
        marks = ", ".join(f"${n}" for n in range(2, len(part) + 2))
        if await database.rows(
            f"SELECT 1 AS one FROM ferry_file WHERE peer = $1 AND sha256 IN ({marks})"
            " AND state NOT IN ('whole', 'waiting') AND (state <> 'coming' OR here < size) LIMIT 1",
            peer,
            *part,
        ):
            return True
    return False


async def take_again(station: Station, staged: Path, pieces: Sequence[Piece], *, now: datetime) -> None:
    """Of a parcel that took effect before: pieces of files that ended as something else than the file."""
    missed = await _missed(station, pieces)
    if not missed:
        return
    await asyncio.to_thread(settle, station, staged, [piece for piece in pieces if piece.sha256 in missed])
    async with station.database.transaction():
        await _reopen(station, missed, now)


async def assemble(station: Station, *, now: datetime) -> int:
    """Puts together what is complete; how many files became whole. One that does not fit its name is `corrupt`.

    One for which the disk has no room waits, and keeps no other from being whole.
    """
    done = 0
    complete = await station.database.rows(
        "SELECT sha256, size FROM ferry_file WHERE peer = $1 AND here >= size"
        " AND (state = 'coming' OR (state = 'waiting' AND (at <= $2 OR at > $3)))",
        station.peer,
        now - AGAIN,
        now,
    )
    for row in complete:
        sha256 = str(row["sha256"])
        parts = await station.database.rows(
            "SELECT start, octets FROM ferry_arrived_piece WHERE peer = $1 AND sha256 = $2 ORDER BY start",
            station.peer,
            sha256,
        )
        try:
            state = await _assembled(station, sha256, as_int(row["size"]), parts, now)
        except OSError as fault:
            log.error("ferry: a file from %s cannot be put together: %s", station.peer, type(fault).__name__)
            continue
        station.reach("after assembly")
        async with station.database.transaction():
            changed = await station.database.execute(
                "UPDATE ferry_file SET state = $1, at = $2 WHERE peer = $3 AND sha256 = $4"
                " AND state IN ('coming', 'waiting')",
                state, now, station.peer, sha256,
            )  # fmt: skip
            if changed and state == "whole":
                await station.on_file(station.database, now, sha256)
                done += 1
        if state == "waiting":
            continue
        if state != "corrupt":
            shutil.rmtree(_place(station, sha256), ignore_errors=True)
        else:
            log.error("ferry: the pieces of a file from %s do not make that file", station.peer)
    return done


async def _missed(station: Station, pieces: Sequence[Piece]) -> set[str]:
    """The files among these of which all pieces came, and that are not here."""
    missed: set[str] = set()
    for part in chunks(sorted({piece.sha256 for piece in pieces}), 500):
        marks = ", ".join(f"${n}" for n in range(2, len(part) + 2))
        ended = await station.database.rows(
            f"SELECT sha256 FROM ferry_file WHERE peer = $1 AND sha256 IN ({marks})"
            " AND state IN ('whole', 'corrupt', 'refused', 'closed')",
            station.peer,
            *part,
        )
        missed |= {sha256 for row in ended if not station.files.path_of(sha256 := str(row["sha256"])).exists()}
    return missed


async def _reopen(station: Station, digests: Collection[str], now: datetime) -> None:
    for sha256 in digests:
        await station.database.execute(
            "UPDATE ferry_file SET state = 'coming', at = $1 WHERE peer = $2 AND sha256 = $3", now, station.peer, sha256
        )


async def _assembled(station: Station, sha256: str, size: int, parts: Sequence[Row], now: datetime) -> str:
    """What became of the file: whole, corrupt, refused for its content, waiting as long as the scanner is gone."""
    target = station.files.path_of(sha256)
    if target.exists():
        # Perhaps a disk failed just when its name should outlive a power cut.
        sync(target.parent)
        return "whole"
    part = await asyncio.to_thread(_joined, station, sha256, size, parts)
    if part is None:
        return "corrupt"
    try:
        await judge(station, sha256, part, now=now)
    except AttachmentUnchecked:
        throw_away(part)
        return "waiting"
    except AttachmentRefused as refusal:
        await quarantine.keep(station, part, sha256, refusal, now=now)
        return "refused"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
    finally:
        throw_away(part)
    sync(target.parent)
    return "whole"


def _joined(station: Station, sha256: str, size: int, parts: Sequence[Row]) -> Path | None:
    """Writes the whole file aside. The sender chooses where pieces begin, so they are checked to adjoin.

    None where they do not make the file: one may be gone, where a backup of the database is newer than this disk.
    """
    place = _place(station, sha256)
    station.files.root.mkdir(parents=True, exist_ok=True)
    part = station.files.part(f"ferry-{sha256}-{secrets.token_hex(4)}")
    digest, reached, is_good = hashlib.sha256(), 0, False
    try:
        with part.open("wb") as whole:
            for row in parts:
                came = place / str(row["start"])
                if as_int(row["start"]) != reached or not came.exists():
                    break
                with came.open("rb") as piece:
                    while octets := piece.read(_CHUNK):
                        digest.update(octets)
                        whole.write(octets)
                        reached += len(octets)
            whole.flush()
            os.fsync(whole.fileno())
        is_good = reached == size and digest.hexdigest() == sha256
    finally:
        if not is_good:
            throw_away(part)
    return part if is_good else None


def _place(station: Station, sha256: str) -> Path:
    return station.place("pieces") / sha256
