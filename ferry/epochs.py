"""Epochs: one for each life of a sender's database. Numbers count within an epoch, so none is ever used twice.

A database that was restored from a backup does not know what it sent since. Its next epoch begins with `ctl.epoch`,
and everything of which it does not know that it was applied goes out anew; the receiver knows records by their `rid`.
An epoch that ended never comes back, whoever repeats its parcels. Each status names its epoch and the one before, so
that a one-way receiver that lost the announcement is not lost with it.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from alerts.states import as_int
from ferry.lanes import Lane
from ferry.outgoing import leave_out, place_parcel
from ferry.parcel import NO_PARCEL, Number, json_lines
from ferry.records import Direction, Envelope, RecordType
from ferry.station import Route, Station
from ferry.tables import (
    LEFT_OUT,
    WAITING,
    FerryChannel,
    FerryCursor,
    FerryEpoch,
    FerryHeld,
    FerryPeer,
    FerryPlace,
    FerryRecord,
)
from kernel import rows
from kernel.db import Database

log = logging.getLogger(__name__)

EPOCH = "ctl.epoch"
_EpochId = Annotated[str, Meta(pattern=r"\A([0-9a-f]{32})?\Z", max_length=32)]


class EpochBegun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`last_known`: how far the sender believes each lane went in the old epoch."""

    new: _EpochId
    old: _EpochId
    last_known: Annotated[dict[Lane, Number], Meta(max_length=8)]


async def _known_already(database: Database, now: datetime, envelope: Envelope) -> None:
    """Whoever applies the first parcel of an epoch took the epoch up before."""


EPOCH_RECORD = RecordType(
    name=EPOCH, direction=Direction.EITHER, lane=Lane.CTL, struct=EpochBegun, apply=_known_already, strict=True
)


async def open_peer(station: Station, *, now: datetime) -> None:
    """Makes what a new peer needs, our first epoch among it. Safe to run again."""
    async with station.database.transaction():
        columns = ("peer", "epoch", "former", "status_no", "status_file", "their_epoch", "their_status_no", "skew_ms",
                   "round_trip_ms")  # fmt: skip
        values = (station.peer, "", "", 0, "", "", 0, 0, 0)
        await station.database.insert("ferry_peer", columns, [values], tail="ON CONFLICT DO NOTHING")
        peer = await rows.one(FerryPeer, peer=station.peer)
        if peer is not None and not peer.epoch:
            await begin(station, now=now)


async def begin(station: Station, *, now: datetime, everything: bool = False, has_forgotten: bool = False) -> str:
    """Begins a new epoch towards the peer, in a transaction; what it has not acknowledged waits for a number again.

    `everything`: what it did acknowledge too, as far as it is kept: the peer was restored from an old backup.
    `has_forgotten`: what it has not, it may have had, and lost by a restore.
    """
    async with station.database.transaction():
        database, peer = station.database, await rows.one(FerryPeer, peer=station.peer)
        assert peer is not None
        new = secrets.token_hex(16)
        known = {lane.lane: lane for lane in await rows.many(FerryChannel, peer=station.peer)}
        # Of a retired parcel only what was acknowledged still has its number.
        states = ["assigned", "sealed", "spent", *(("acked", "retired") if everything else ())]
        if has_forgotten:
            await _leave_to_sources(station, states, now)
        await _unnumber(station, states)
        await rows.change(FerryPeer, {"peer": station.peer}, epoch=new, former=peer.epoch, status_no=0)
        for lane in Lane:
            changed = {"epoch": new, "head_seq": 0, "head_id": NO_PARCEL}
            if not await rows.change(FerryChannel, {"peer": station.peer, "lane": lane}, **changed):
                await FerryChannel(peer=station.peer, lane=lane, **changed).save()
        # Refused records are told again: of the numbers under which they were told, none holds.
        await database.execute("UPDATE ferry_poison SET told_in = NULL WHERE peer = $1 AND heard = FALSE", station.peer)
        begun = EpochBegun(
            new=new, old=peer.epoch, last_known={Lane(name): lane.head_seq for name, lane in known.items()}
        )
        envelope = Envelope(rid=f"epoch:{new}", type=EPOCH, key=station.route.own, at=now, body=begun)
        await _announce(station, envelope, now)
    log.warning("ferry: %s begins epoch %s towards %s", station.route.own, new[:8], station.peer)
    return new


async def adopt(station: Station, new: str, old: str, *, now: datetime) -> bool:
    """Follows the peer into its new epoch, in the caller's transaction. False if that epoch has ended already."""
    peer = await rows.one(FerryPeer, peer=station.peer)
    assert peer is not None
    if peer.their_epoch == new:
        return True
    if await is_ended(station.database, station.peer, new):
        return False
    used = [(station.peer, epoch, now) for epoch in (new, old) if epoch]
    await station.database.insert("ferry_epoch", ("peer", "epoch", "at"), used, tail="ON CONFLICT DO NOTHING")
    await rows.change(FerryPeer, {"peer": station.peer}, their_epoch=new, their_status_no=0)
    start = {"epoch": new, "applied": 0, "content_id": NO_PARCEL, "frozen_why": "", "head_seq": 0, "head_id": NO_PARCEL,
             "proved": 0}  # fmt: skip
    for lane in Lane:
        if not await rows.change(FerryCursor, {"peer": station.peer, "lane": lane}, **start):
            await FerryCursor(peer=station.peer, lane=lane, **start).save()
    return True


async def is_ended(database: Database, peer: str, epoch: str) -> bool:
    """Whether the peer used this epoch before its present one."""
    known = await rows.one(FerryEpoch, peer=peer, epoch=epoch)
    if known is None:
        return False
    present = await rows.one(FerryPeer, peer=peer)
    return present is None or present.their_epoch != epoch


async def left_behind(station: Station) -> list[FerryHeld]:
    """Parcels that were held for an epoch that has ended."""
    held = await rows.many(FerryHeld, peer=station.peer)
    ended = {
        epoch for epoch in {parcel.epoch for parcel in held} if await is_ended(station.database, station.peer, epoch)
    }
    return [parcel for parcel in held if parcel.epoch in ended]


Snapshot = Callable[[Database, Route, datetime], Awaitable[int]]


async def resend_state(station: Station, snapshot: Snapshot, *, now: datetime) -> int:
    """Total loss of the other side: a new epoch, and `snapshot` hands over the present state through the same door.

    Records that were kept are not sent again: the state says what they said. Returns how many records it is.
    """
    async with station.database.transaction():
        await begin(station, now=now)
        await station.database.execute(
            "UPDATE ferry_place SET parcel = $2 WHERE peer = $1 AND parcel IS NULL AND lane <> $3",
            station.peer,
            LEFT_OUT,
            Lane.URGENT,
        )
        return await snapshot(station.database, station.route, now)


# ------------------------------------------------------------------------------------------------------------ below


def _parcels(states: Sequence[str], condition: str) -> str:
    """Whether there is a parcel `p` in one of these states; $1 is the peer."""
    return (
        f"EXISTS (SELECT 1 FROM ferry_parcel p WHERE p.peer = $1 AND p.state IN ({', '.join(map(repr, states))})"
        f" AND {condition})"
    )


async def _leave_to_sources(station: Station, states: Sequence[str], now: datetime) -> None:
    """What a receiver must not be sent twice is not numbered again: its source hears that it is forgotten."""
    database, types = station.database, station.route.types
    for kind in types:
        if kind.forgotten is None:
            continue
        found = await database.rows(
            "SELECT r.id, r.rid, r.line FROM ferry_place s JOIN ferry_record r ON r.id = s.id WHERE s.peer = $1"
            f" AND s.lane = $2 AND {_parcels(states, 'p.id = s.parcel')} AND r.refused = '' ORDER BY r.id",
            station.peer,
            kind.lane,
        )
        theirs = [row for row in found if types.read(str(row["line"]).encode(), station.route.sends).type == kind.name]
        await leave_out(database, [as_int(row["id"]) for row in theirs])
        await kind.forgotten(database, now, [str(row["rid"]) for row in theirs])


async def _unnumber(station: Station, states: Sequence[str]) -> None:
    """Records and pieces of parcels in these states wait for a number again, in the order they came."""
    database, peer = station.database, station.peer
    await database.execute(
        f"UPDATE ferry_place SET parcel = NULL WHERE peer = $1 AND {_parcels(states, 'p.id = ferry_place.parcel')}",
        peer,
    )
    numbered = f"p.lane = '{Lane.BULK}' AND p.epoch = ferry_piece.epoch AND p.seq = ferry_piece.seq"
    await database.execute(
        f"UPDATE ferry_piece SET epoch = $2, seq = NULL WHERE peer = $1 AND {_parcels(states, numbered)}", peer, WAITING
    )
    # An old announcement would announce what is no more.
    await database.execute(
        "UPDATE ferry_place SET parcel = $2 WHERE peer = $1 AND lane = $3 AND parcel IS NULL"
        " AND EXISTS (SELECT 1 FROM ferry_record r WHERE r.id = ferry_place.id AND r.rid LIKE 'epoch:%')",
        peer,
        LEFT_OUT,
        Lane.CTL,
    )
    await database.execute("UPDATE ferry_parcel SET state = 'retired', again_at = NULL WHERE peer = $1", peer)


async def _announce(station: Station, envelope: Envelope, now: datetime) -> None:
    """The first parcel of the control lane: this record and nothing else."""
    channel = await rows.one(FerryChannel, peer=station.peer, lane=Lane.CTL)
    assert channel is not None
    line = station.route.types.line(envelope, station.route.sends)
    parcel = await place_parcel(station, channel, json_lines([line]), [], now=now)
    record = await FerryRecord.create(peer=station.peer, rid=envelope.rid, line=line.decode(), at=now)
    await FerryPlace.create(id=record.id, peer=station.peer, lane=Lane.CTL, parcel=parcel.id)
