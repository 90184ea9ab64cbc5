"""What each side tells the other about itself: how far it is, what it misses, what it could not apply.

A status travels as a parcel of its own outside every order (channel `status`, its number is the parcel's): the newest
counts, one that is lost is made good by the next, none is acknowledged. It says everything anew, so it may be carried
late, twice, or by a person: a status that was written to a stick is a signed list of gaps.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from alerts.states import as_int
from ferry.lanes import Lane
from ferry.offering import ASKED, ask_again, take_back
from ferry.outgoing import tell_source, total
from ferry.parcel import Number, Sha256
from ferry.station import Station
from ferry.tables import FerryChannel, FerryCursor, FerryGap, FerryParcel, FerryPeer
from kernel import rows
from kernel.db import instant_of

log = logging.getLogger(__name__)

#: In one status; more missing parcels, or more refused records, wait for the next.
MAX_RANGES, MAX_REFUSED = 500, 200

Epoch = Annotated[str, Meta(pattern=r"\A([0-9a-f]{32})?\Z")]
Code = Annotated[str, Meta(pattern=r"\A[A-Z0-9_]{1,40}\Z")]
Rid = Annotated[str, Meta(max_length=64)]


class Applied(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a lane of the other side is applied here. `missing`: first and last, inclusive."""

    epoch: Epoch
    applied: Number
    content_id: Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")]
    missing: Annotated[tuple[tuple[Number, Number], ...], Meta(max_length=MAX_RANGES)] = ()
    held_octets: Number = 0
    frozen: Annotated[str, Meta(max_length=40)] = ""


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a lane of our own goes."""

    seq: Number
    content_id: Sha256


class RefusedRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rid: Rid
    code: Code


class Status(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`former`: our epoch before this one. `heard`: the other side's epoch and status we have heard last."""

    no: Number
    epoch: Epoch
    former: Epoch
    at: datetime
    heard_epoch: Epoch
    heard_no: Number
    lanes: Annotated[dict[Lane, Applied], Meta(max_length=8)]
    heads: Annotated[dict[Lane, Head], Meta(max_length=8)]
    refused: Annotated[tuple[RefusedRecord, ...], Meta(max_length=MAX_REFUSED)] = ()


class Diverged(Struct, frozen=True, kw_only=True):
    """One of the two databases is older than what was last said: it was restored from a backup."""

    why: str
    #: Whether it is theirs that is older.
    has_forgotten: bool = False
    #: Whether what was acknowledged must go out again.
    everything: bool = False


async def compose(station: Station, *, now: datetime) -> Status:
    """Numbers the next status and says what is so now. Opens its own transaction."""
    database = station.database
    async with database.transaction():
        await database.execute(
            "UPDATE ferry_peer SET status_no = status_no + 1, status_at = $2 WHERE peer = $1", station.peer, now
        )
        peer = await rows.one(FerryPeer, peer=station.peer)
        assert peer is not None
        number = peer.status_no
        await database.execute(
            "UPDATE ferry_poison SET told_in = $1 WHERE id IN (SELECT id FROM ferry_poison WHERE peer = $2"
            f" AND heard = FALSE AND rid <> '' ORDER BY id LIMIT {MAX_REFUSED}) AND told_in IS NULL",
            number,
            station.peer,
        )
        refused = await database.rows(
            "SELECT rid, code FROM ferry_poison WHERE peer = $1 AND heard = FALSE AND told_in IS NOT NULL"
            f" ORDER BY id LIMIT {MAX_REFUSED}",
            station.peer,
        )
        cursors = await rows.many(FerryCursor, peer=station.peer)
        channels = await rows.many(FerryChannel, peer=station.peer)
        return Status(
            no=number,
            epoch=peer.epoch,
            former=peer.former,
            at=now,
            heard_epoch=peer.their_epoch,
            heard_no=peer.their_status_no,
            lanes={Lane(cursor.lane): await _applied(station, cursor) for cursor in cursors},
            heads={Lane(lane.lane): Head(seq=lane.head_seq, content_id=lane.head_id) for lane in channels},
            refused=tuple(RefusedRecord(rid=str(row["rid"]), code=str(row["code"])) for row in refused),
        )


async def missing(station: Station, cursor: FerryCursor) -> list[tuple[int, int]]:
    """The parcels of a lane that others show to have been sent: those between what is held, and passed ones.

    One-way also up to the head the sender told; two-way it offers what is not acknowledged anyway.
    """
    held = await station.database.rows(
        "SELECT seq FROM ferry_held WHERE peer = $1 AND lane = $2 AND epoch = $3 AND seq > $4 ORDER BY seq",
        cursor.peer, cursor.lane, cursor.epoch, cursor.applied,
    )  # fmt: skip
    passed = await FerryGap.filter(
        peer=cursor.peer, lane=cursor.lane, epoch=cursor.epoch, filled_at=None
    ).order_by("seq")  # fmt: skip
    ranges = [(gap.seq, gap.seq) for gap in passed]
    following = cursor.applied + 1
    for seq in [*(as_int(row["seq"]) for row in held), cursor.head_seq + 1 if station.is_one_way else 0]:
        if seq > following:
            ranges.append((following, seq - 1))
        following = max(following, seq + 1)
    return joined(ranges)


def joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours as one range."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


async def heed(station: Station, status: Status, *, now: datetime) -> Diverged | None:
    """Does what a status asks for: acknowledges, offers again, tells sources. Opens its own transactions.

    A status that is not newer than the last, or of another epoch than the peer's present one, changes nothing.
    """
    database = station.database
    async with database.transaction():
        known = {"peer": station.peer, "their_epoch": status.epoch}
        peer = await rows.one(FerryPeer, **known)
        if peer is None or status.no <= peer.their_status_no:
            return None
        await rows.change(
            FerryPeer, known, their_status_no=status.no, heard_at=now,
            skew_ms=_skew(peer, status, now),
        )  # fmt: skip
        for lane, head in status.heads.items():
            where = {"peer": station.peer, "lane": lane, "epoch": status.epoch}
            await rows.change(FerryCursor, where, head_seq=head.seq, head_id=head.content_id)
        if status.heard_epoch == peer.epoch:
            if status.heard_no > peer.status_no:
                return Diverged(why="the peer heard a status we have not written")
            await database.execute(
                "UPDATE ferry_poison SET heard = TRUE WHERE peer = $1 AND told_in <= $2", station.peer, status.heard_no
            )
        if await _has_forgotten(station, peer, status):
            return Diverged(why="the peer was restored to before our epoch", has_forgotten=True, everything=True)
        await _tell(station, status.refused, now)
        files: list[str] = []
        forgot: Diverged | None = None
        for lane, applied in status.lanes.items():
            if applied.epoch != peer.epoch:
                continue
            diverged = await _acknowledge(station, peer, lane, applied, files, now)
            if diverged is not None and not diverged.has_forgotten:
                return diverged
            forgot = forgot or diverged
    if station.out is not None:
        try:
            await take_back(station.out, files)
        except OSError as fault:
            log.warning("ferry: what was taken cannot be taken away: %s", type(fault).__name__)
    return forgot


# ------------------------------------------------------------------------------------------------------------ below


async def _applied(station: Station, cursor: FerryCursor) -> Applied:
    held = await station.database.rows(
        "SELECT COALESCE(SUM(octets), 0) AS octets FROM ferry_held WHERE peer = $1 AND lane = $2",
        cursor.peer,
        cursor.lane,
    )
    return Applied(
        epoch=cursor.epoch,
        applied=cursor.applied,
        content_id=cursor.content_id,
        missing=tuple((await missing(station, cursor))[:MAX_RANGES]),
        held_octets=total(held[0]["octets"]),
        frozen=cursor.frozen_why,
    )


async def _acknowledge(
    station: Station, peer: FerryPeer, lane: Lane, applied: Applied, files: list[str], now: datetime
) -> Diverged | None:
    """What is applied is done; what was done and is not applied any more is not; what is missing is sent again."""
    channel = await rows.one(FerryChannel, peer=station.peer, lane=lane, epoch=peer.epoch)
    if channel is None:
        return None
    where = (station.peer, lane, peer.epoch)
    if applied.applied > channel.head_seq:
        return Diverged(why="the peer applied a parcel we have not numbered")
    if applied.applied:
        reached = await rows.one(FerryParcel, peer=station.peer, lane=lane, epoch=peer.epoch, seq=applied.applied)
        if reached is not None and reached.content_id != applied.content_id:
            return Diverged(why="the peer applied another content under our number")
    done = await station.database.rows(
        "UPDATE ferry_parcel SET state = 'acked', acked_at = $4, again_at = NULL WHERE peer = $1 AND lane = $2"
        " AND epoch = $3 AND seq <= $5 AND state IN ('assigned', 'sealed', 'spent')"
        # What a person asked for goes once more, though it was applied.
        " AND (again_at IS NULL OR again_at <> $6)"
        " RETURNING seq, file, offers, offered_at",
        *where, now, applied.applied, ASKED,
    )  # fmt: skip
    files += [str(row["file"]) for row in done]
    prompt = [now - instant_of(row["offered_at"]) for row in done if row["offers"] == 1]
    if prompt and min(prompt) >= timedelta(0):  # else the clock was set back meanwhile
        took = int(max(prompt) / timedelta(milliseconds=1))
        smoothed = (7 * peer.round_trip_ms + took) // 8 if peer.round_trip_ms else took
        await rows.change(FerryPeer, {"peer": station.peer}, round_trip_ms=smoothed)
    forgotten = await station.database.execute(
        "UPDATE ferry_parcel SET state = 'sealed', again_at = $4, offers = 0 WHERE peer = $1 AND lane = $2"
        " AND epoch = $3 AND seq > $5 AND state = 'acked'",
        *where, now, applied.applied,
    )  # fmt: skip
    if forgotten:
        # In an epoch of its own, because what they forgot is not all that must be said again.
        return Diverged(why="the peer was restored from a backup", has_forgotten=True)
    for first, last in applied.missing:
        await ask_again(station, lane, first, last, now=now, force=station.is_one_way)
    return None


async def _tell(station: Station, refused: Sequence[RefusedRecord], now: datetime) -> None:
    for record in refused:
        found = await station.database.rows(
            "SELECT id, line FROM ferry_record WHERE peer = $1 AND rid = $2 AND refused = ''", station.peer, record.rid
        )
        codes = [(as_int(row["id"]), str(row["line"]).encode(), record.code) for row in found]
        await tell_source(station, codes, now=now)


def _skew(peer: FerryPeer, status: Status, now: datetime) -> int:
    """By how much our clock is ahead. The way can only add to that, so the smaller is the better; a drift is followed.

    What was said after hearing us was not said before: a clock that jumped is known by that at once.
    """
    ms = (now - status.at) // timedelta(milliseconds=1)
    if peer.heard_at is not None and ms > peer.skew_ms:
        ms = (15 * peer.skew_ms + ms) // 16
    if peer.status_at is not None and (status.heard_epoch, status.heard_no) == (peer.epoch, peer.status_no):
        ms = max(ms, (peer.status_at - status.at) // timedelta(milliseconds=1))
    return ms


def encoded(status: Status) -> bytes:
    return msgspec.json.encode(status, order="sorted")


async def _has_forgotten(station: Station, peer: FerryPeer, status: Status) -> bool:
    """Whether they once acknowledged the parcel that announced our epoch, and do not have it any more."""
    control = status.lanes.get(Lane.CTL)
    if status.heard_epoch == peer.epoch and control is not None and control.applied:
        return False
    first = await rows.one(FerryParcel, peer=station.peer, lane=Lane.CTL, epoch=peer.epoch, seq=1)
    return first is not None and first.state == "acked"
