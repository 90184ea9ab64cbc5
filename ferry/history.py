"""One-way: how a receiver that cannot answer proves that it has everything, or says exactly what is missing.

Nothing is acknowledged, so every parcel is repeated over a day, and the sender tells its history: the identity of each
of the last parcels, and a Merkle root over every thousand before them (RFC 6962's tree, SHA-256). A parcel that never
came holds up its lane for some patience; then the lane passes it, and the gap is listed until it is filled. Records
behind a gap may thus be applied before those in it: types that cross one way must tell states, not changes.
Invariant: the gaps that are reported are the gaps there are.
"""

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from alerts.states import as_int
from ferry import quarantine
from ferry.lanes import Lane
from ferry.parcel import Number, Sha256
from ferry.refusals import ParcelMalformed
from ferry.station import Station
from ferry.status import missing
from ferry.tables import FerryChannel, FerryCursor, FerryGap, FerryHeld
from kernel import rows

log = logging.getLogger(__name__)

#: In one line of a status.
_IDS = 500


class Recent(Struct, frozen=True, kw_only=True, tag="recent", forbid_unknown_fields=True):
    """Identities of consecutive parcels from `first` on."""

    lane: Lane
    epoch: str
    first: Number
    ids: Annotated[tuple[Sha256, ...], Meta(max_length=_IDS)]


class Block(Struct, frozen=True, kw_only=True, tag="block", forbid_unknown_fields=True):
    """The root over the identities of `count` parcels from `first` on."""

    lane: Lane
    epoch: str
    first: Number
    count: Annotated[int, Meta(ge=1, le=100_000)]
    root: Sha256


class Gaps(Struct, frozen=True, kw_only=True):
    """What a lane does not have of what it knows was sent, and how far the history proves the rest."""

    lane: Lane
    missing: tuple[tuple[int, int], ...]
    applied: int
    proved: int


async def told(station: Station) -> list[bytes]:
    """The history of all lanes of our epoch, as lines of a status."""
    lines: list[bytes] = []
    for channel in await rows.many(FerryChannel, peer=station.peer):
        found = await station.database.rows(
            "SELECT seq, content_id FROM ferry_parcel WHERE peer = $1 AND lane = $2 AND epoch = $3 ORDER BY seq",
            channel.peer, channel.lane, channel.epoch,
        )  # fmt: skip
        ids = {as_int(row["seq"]): str(row["content_id"]) for row in found}
        if ids:
            lines += [msgspec.json.encode(part) for part in _parts(station, channel, ids)]
    return lines


async def compare(station: Station, lines: Sequence[bytes], *, now: datetime) -> None:
    """Checks what was applied against the sender's history. Another content freezes the lane: two were signed."""
    for line in lines:
        try:
            part = msgspec.json.decode(line, type=Recent | Block)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ParcelMalformed(why="history") from None
        where = {"peer": station.peer, "lane": part.lane, "epoch": part.epoch}
        cursor = await rows.one(FerryCursor, **where)
        if cursor is None:
            continue
        count = part.count if isinstance(part, Block) else len(part.ids)
        found = await station.database.rows(
            "SELECT seq, content_id FROM ferry_inbox WHERE peer = $1 AND lane = $2 AND epoch = $3"
            " AND seq BETWEEN $4 AND $5 ORDER BY seq",
            station.peer, part.lane, part.epoch, part.first, part.first + count - 1,
        )  # fmt: skip
        here = {as_int(row["seq"]): str(row["content_id"]) for row in found}
        if not _agrees(part, here):
            await quarantine.freeze(station, part.lane, "history tells another content")
        elif len(here) == count and cursor.proved >= part.first - 1:
            async with station.database.transaction():
                proved = max(cursor.proved, part.first + count - 1)
                await rows.change(FerryCursor, where, proved=proved)


async def pass_gaps(station: Station, *, now: datetime) -> int:
    """Lets lanes go on whose next parcel has been missing for longer than patience; how many parcels were passed."""
    passed = 0
    for cursor in await rows.many(FerryCursor, peer=station.peer, frozen_why=""):
        where = {"peer": station.peer, "lane": cursor.lane, "epoch": cursor.epoch}
        held = await FerryHeld.filter(**where, seq__gt=cursor.applied).order_by("seq").first()
        since = await FerryHeld.filter(**where, seq__gt=cursor.applied).order_by("at").first()
        if held is None or since is None or now - since.at < station.pace.patience:
            continue
        columns = ("peer", "lane", "epoch", "seq", "passed_at")
        gaps = [(station.peer, cursor.lane, cursor.epoch, seq, now) for seq in range(cursor.applied + 1, held.seq)]
        async with station.database.transaction():
            stood = {**where, "applied": cursor.applied, "content_id": cursor.content_id}
            # The next one itself says after what it comes.
            if await rows.change(FerryCursor, stood, applied=held.seq - 1, content_id=held.prev):
                await station.database.insert("ferry_gap", columns, gaps, tail="ON CONFLICT DO NOTHING")
                passed += len(gaps)
        log.error("ferry: lane %s from %s passes %s missing parcels", cursor.lane, station.peer, len(gaps))
    return passed


async def gaps(station: Station) -> list[Gaps]:
    """Of every lane, what is missing. The same ranges stand in each status, and so in a list that a person carries."""
    return [
        Gaps(
            lane=Lane(cursor.lane),
            missing=tuple(await missing(station, cursor)),
            applied=cursor.applied,
            proved=cursor.proved,
        )
        for cursor in await rows.many(FerryCursor, peer=station.peer)
    ]


async def open_gaps(station: Station) -> int:
    return await FerryGap.filter(peer=station.peer, filled_at=None).count()


def merkle_root(ids: Sequence[str]) -> str:
    """RFC 6962, 2.1, over the octets of the identities."""
    return _tree([bytes.fromhex(identity) for identity in ids]).hex()


# ------------------------------------------------------------------------------------------------------------ below


def _tree(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _tree(leaves[:split]) + _tree(leaves[split:])).digest()


def _parts(station: Station, channel: FerryChannel, ids: dict[int, str]) -> list[Recent | Block]:
    """Whole blocks up to the window, one by one from there. Blocks that are kept no longer are left out."""
    pace, lane, head = station.pace, Lane(channel.lane), max(ids)
    blocks = max(0, head - pace.window) // pace.block
    parts: list[Recent | Block] = []
    for number in range(blocks):
        first = number * pace.block + 1
        inside = [ids[seq] for seq in range(first, first + pace.block) if seq in ids]
        if len(inside) == pace.block:
            root = merkle_root(inside)
            parts.append(Block(lane=lane, epoch=channel.epoch, first=first, count=pace.block, root=root))
    recent = [seq for seq in ids if seq > blocks * pace.block]
    for at in range(0, len(recent), _IDS):
        some = recent[at : at + _IDS]
        parts.append(Recent(lane=lane, epoch=channel.epoch, first=some[0], ids=tuple(ids[seq] for seq in some)))
    return parts


def _agrees(part: Recent | Block, here: dict[int, str]) -> bool:
    """Whether what was applied is what was sent. Of a block with gaps nothing can be said."""
    if isinstance(part, Recent):
        return all(part.ids[seq - part.first] == identity for seq, identity in here.items())
    return len(here) < part.count or merkle_root(list(here.values())) == part.root
