"""Writes numbered parcels and brings them to the transport: at first, again when they are missed, and on a schedule.

A parcel that is offered again is sealed again: another file with the same identity, for the keys of today. As long as
its last file still lies in the transport nobody took it, and another would not help. For pieces of a file that is gone
from the store zeros are written: the parcel stays what it is, and the receiver sees that they do not make the file.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerts.states import as_int
from ferry.inspecting import lost_among, note_lost
from ferry.outgoing import Content, content, label_of
from ferry.parcel import Piece
from ferry.refusals import FerryForgotten
from ferry.sealing import Sealed, seal
from ferry.station import SCHEMA, Station, still_there, throw_away
from ferry.tables import FerryParcel, FerryPeer
from ferry.transports import Transport
from kernel import rows
from kernel.db import SqlValue


async def offer(station: Station, parcel: FerryParcel, held: Content | None = None, *, now: datetime) -> None:
    """Seals the parcel, puts it into the transport, and notes that. Raises FerryForgotten, OSError.

    `held`: what is in it, where the caller has just numbered it; else it is read.
    """
    assert station.out is not None
    if parcel.file:
        await station.out.remove(parcel.file)
    name = f"{station.route.outgoing(parcel.lane)}.{parcel.seq}.{secrets.token_hex(4)}.fry"
    path = station.place("sealing") / f".tmp-{name}"
    held = held or await content(station, parcel)
    try:
        sealed = await _sealed(station, parcel, held, path, now)
        if sealed.content_id != parcel.content_id:
            raise FerryForgotten(lane=parcel.lane, seq=parcel.seq)
        station.reach("after tmp")
        await station.out.put(name, path)
    finally:
        throw_away(path)
    station.reach("after rename")
    async with station.database.transaction():
        again_at = await _again_at(station, parcel, now)
        # An acknowledgement may have come in between: it stands.
        await station.database.execute(
            "UPDATE ferry_parcel SET state = CASE WHEN state IN ('assigned', 'sealed') THEN $1 ELSE state END,"
            " file = $2, offers = offers + 1, offered_at = $3, again_at = $4 WHERE id = $5",
            "sealed" if again_at else "spent",
            name,
            now,
            again_at,
            parcel.id,
        )
    station.reach("after commit B")


async def unsealed(station: Station) -> list[FerryParcel]:
    """Parcels that have a number and no file: a crash was in between, or a disk was full."""
    return await rows.many(FerryParcel, peer=station.peer, state="assigned")


async def due_again(station: Station, *, now: datetime) -> list[FerryParcel]:
    """Parcels to offer again: two-way the oldest of each lane without acknowledgement, and what was asked for."""
    pace = station.pace
    only = "" if station.is_one_way else f" AND (again_at = $4 OR seq = ({_OLDEST}))"
    asked: tuple[SqlValue, ...] = () if station.is_one_way else (ASKED,)
    # Later than anybody would wait: the clock was ahead when that was reckoned.
    never = now + (pace.repeats[-1] if station.is_one_way else max(pace.longest_again, pace.first_again))
    found = await station.database.rows(
        f"SELECT p.id FROM ferry_parcel p WHERE peer = $1 AND state = 'sealed' AND (again_at <= $2 OR again_at > $3)"
        f"{only} ORDER BY id LIMIT {pace.seals}",
        station.peer,
        now,
        never,
        *asked,
    )
    if not found:
        return []
    due = await FerryParcel.filter(id__in=[as_int(row["id"]) for row in found]).order_by("id")
    assert station.out is not None
    waiting = await still_there(station.out, {parcel.file for parcel in due})
    for parcel in due:
        if parcel.file in waiting:
            await _postpone(station, parcel, now)
    return [parcel for parcel in due if parcel.file not in waiting]


async def ask_again(station: Station, lane: str, first: int, last: int, *, now: datetime, force: bool = False) -> int:
    """Has parcels of our epoch offered again at the next turn; how many. Without `force`, none that just left."""
    peer = await rows.one(FerryPeer, peer=station.peer)
    assert peer is not None
    round_trip = max(timedelta(milliseconds=peer.round_trip_ms), timedelta(seconds=1))
    left_before = now if force else now - min(round_trip, station.pace.longest_again)
    values: list[SqlValue] = [station.peer, lane, peer.epoch, first, last, left_before, ASKED, now]
    return await station.database.execute(
        "UPDATE ferry_parcel SET state = 'sealed', again_at = $7 WHERE peer = $1 AND lane = $2 AND epoch = $3"
        " AND seq BETWEEN $4 AND $5 AND state <> 'assigned' AND (offered_at <= $6 OR offered_at > $8)",
        *values,
    )


async def take_back(out: Transport, names: list[str]) -> None:
    """Removes files that nobody needs to take any more."""
    for name in await still_there(out, names):
        await out.remove(name)


# ------------------------------------------------------------------------------------------------------------ below

_OLDEST = "SELECT MIN(o.seq) FROM ferry_parcel o WHERE o.peer = p.peer AND o.lane = p.lane AND o.state = 'sealed'"
#: `again_at` of a parcel that somebody asked for: the other side, which misses it, or a person.
ASKED = datetime(1970, 1, 1, tzinfo=UTC)


class _FileGone(OSError):
    def __init__(self, sha256: str) -> None:
        self.sha256 = sha256


async def _sealed(station: Station, parcel: FerryParcel, held: Content, path: Path, now: datetime) -> Sealed:
    lost = await lost_among(station.database, {piece.sha256 for piece, _ in held.pieces})
    while True:
        try:
            return await asyncio.to_thread(_write, station, parcel, held, path, lost)
        except _FileGone as gone:
            if gone.sha256 in lost or not await note_lost(station, gone.sha256, now=now):
                raise
            lost.add(gone.sha256)


def _write(station: Station, parcel: FerryParcel, held: Content, path: Path, lost: Collection[str]) -> Sealed:
    with path.open("wb") as target:
        sealed = seal(
            target,
            label_of(station.route, parcel),
            held.lines,
            [(piece, _zeros(piece) if piece.sha256 in lost else _read(piece, source)) for piece, source in held.pieces],
            schema=SCHEMA,
            addressed=station.keys.addressed(),
            keys=station.keys.sealing(),
            clock=station.clock,
            suite=station.suite,
        )
        os.fsync(target.fileno())
    return sealed


def _read(piece: Piece, source: Path) -> Callable[[], bytes]:
    def octets() -> bytes:
        try:
            with source.open("rb") as file:
                file.seek(piece.offset)
                found = file.read(piece.octets)
        except FileNotFoundError:
            raise _FileGone(piece.sha256) from None
        if len(found) < piece.octets:
            raise _FileGone(piece.sha256)
        return found

    return octets


def _zeros(piece: Piece) -> Callable[[], bytes]:
    return lambda: bytes(piece.octets)


async def _again_at(station: Station, parcel: FerryParcel, now: datetime) -> datetime | None:
    pace, offers = station.pace, parcel.offers + 1
    if station.is_one_way:
        if offers >= len(pace.repeats):
            return None
        return min(parcel.offered_at or now, now) + pace.repeats[offers] - pace.repeats[offers - 1]
    peer = await rows.one(FerryPeer, peer=station.peer)
    assert peer is not None
    first = max(pace.first_again, 3 * timedelta(milliseconds=peer.round_trip_ms))
    return now + min(first * (1 << min(offers - 1, 20)), pace.longest_again)


async def _postpone(station: Station, parcel: FerryParcel, now: datetime) -> None:
    async with station.database.transaction():
        await rows.change(FerryParcel, {"id": parcel.id}, again_at=now + station.pace.first_again)
