"""From the sender's tables to numbered parcels. A number is committed before its file is written, never after.

Records wait without a number. The sealer takes those that have none (never "all behind the last": ids are not commit
order), gives them the next number by compare-and-swap on the head of the lane, and commits. Whoever finds the parcel
later writes the same content. Numbers first and files second is what makes a crash between the two harmless.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from alerts.states import as_int, as_json, as_numbers, beside, instant_at, listed
from ferry.lanes import ALARM_SHARE, Lane, LaneRule
from ferry.ledger import sorts_of
from ferry.parcel import MAX_PIECE_OCTETS, Label, Piece, content_id
from ferry.records import Envelope
from ferry.refusals import RecordExpired
from ferry.station import Route, Station
from ferry.tables import LEFT_OUT, UNJUDGED, FerryChannel, FerryParcel
from kernel import rows
from kernel.db import Database, Row, SqlValue, instant, stored_instant


class _Overtaken(Exception):
    """Another sealer took the number, or a record came in between: what we picked is its now, or comes next."""


class Content(Struct, frozen=True, kw_only=True):
    """What is in a parcel, in its order: its records, a line each, and its pieces with the files they are of."""

    lines: bytes = b""
    pieces: Sequence[tuple[Piece, Path]] = ()


class Backlog(Struct, frozen=True, kw_only=True):
    """What waits in a lane for a number, and what is under way without acknowledgement."""

    waiting: int = 0
    waiting_octets: int = 0
    oldest: datetime | None = None
    parcels: int = 0
    octets: int = 0

    def has_room(self, rule: LaneRule) -> bool:
        return self.parcels < rule.under_way_parcels and self.octets < rule.under_way_octets

    def is_near(self, rule: LaneRule) -> bool:
        """Whether somebody should know how full the lane is."""
        share = max(self.parcels / rule.under_way_parcels, self.octets / rule.under_way_octets)
        return share >= ALARM_SHARE


async def hand_over(database: Database, route: Route, envelopes: Sequence[Envelope], *, now: datetime) -> int:
    """Puts records into their lanes, in the caller's transaction; how many were new. Raises a RecordRefused."""
    given: dict[Lane, list[dict[str, object]]] = {}
    for envelope in envelopes:
        line = route.types.line(envelope, route.sends)
        row: dict[str, object] = {
            "rid": envelope.rid,
            "line": line.decode(),
            "expires_at": envelope.expires and stored_instant(envelope.expires),
        }
        given.setdefault(route.types.kind(envelope.type).lane, []).append(row)
    return sum([await _take_in(database, route.peer, lane, given[lane], now) for lane in given])


async def hand_over_file(database: Database, route: Route, *, sha256: str, size: int, now: datetime) -> int:
    """Puts a file into the bulk lane, piece by piece, in the caller's transaction; how many pieces were new.

    Its octets must lie in the station's file store as long as parcels of it may be sealed again.
    """
    starts = range(0, size, MAX_PIECE_OCTETS) if size else [0]
    given: list[tuple[SqlValue, ...]] = [
        (route.peer, sha256, size, start, min(MAX_PIECE_OCTETS, size - start), now, UNJUDGED) for start in starts
    ]
    columns = ("peer", "sha256", "size", "start", "octets", "at", "epoch")
    return len(await database.insert("ferry_piece", columns, given, tail=_NEW))


async def backlogs(station: Station) -> dict[Lane, Backlog]:
    """What every lane has to do; what waits is counted up to one full parcel."""
    # Counting characters would have PostgreSQL read every one of them.
    octets = "OCTET_LENGTH(line)" if station.database.dialect == "postgres" else "LENGTH(CAST(line AS BLOB))"
    places = _places(station.database)
    parts = [
        _WAITING.format(lane=lane, octets=octets, places=places, first=_FIRST.format(records=rule.records))
        for lane, rule in station.rules.items()
    ]
    found = await station.database.rows(" UNION ALL ".join([*parts, _PIECES, _UNDER_WAY]), station.peer)
    backlogs = dict.fromkeys(Lane, Backlog())
    for row in found:
        lane = Lane(str(row["lane"]))
        known, oldest = backlogs[lane], instant(row["oldest"])
        backlogs[lane] = Backlog(
            waiting=known.waiting + total(row["waiting"]),
            waiting_octets=known.waiting_octets + total(row["waiting_octets"]),
            oldest=min(filter(None, (known.oldest, oldest)), default=None),
            parcels=known.parcels + total(row["parcels"]),
            octets=known.octets + total(row["octets"]),
        )
    return backlogs


def ready(
    backlogs: Mapping[Lane, Backlog],
    station: Station,
    paused: Collection[str],
    closed_at: Mapping[Lane, datetime],
    *,
    now: datetime,
) -> set[Lane]:
    """The lanes in which a parcel may be closed now. `closed_at`: when the last one was."""
    free = station.free_octets() if station.free_octets else None
    return {
        lane
        for lane, backlog in backlogs.items()
        if lane not in paused
        and _is_due(backlog, rule := station.rules[lane], closed_at.get(lane), now)
        # Without acknowledgements nothing tells how much is under way.
        and (station.is_one_way or backlog.has_room(rule))
        and (free is None or free >= rule.free_octets)
    }


async def assign(station: Station, lane: Lane, *, now: datetime) -> tuple[FerryParcel, Content] | None:
    """Gives the next number of the lane to what waits in it; None if nothing does, or another sealer was faster."""
    try:
        async with station.database.transaction():
            assigned = await _assigned(station, lane, now)
            station.reach("before commit A")
    except _Overtaken:
        return None
    station.reach("after commit A")
    return assigned


async def content(station: Station, parcel: FerryParcel) -> Content:
    """What a numbered parcel was given."""
    found = await _stretch(station, Lane(parcel.lane), "s.parcel = $3 ORDER BY s.id", parcel.id)
    pieces: list[Piece] = []
    if parcel.lane == Lane.BULK:
        rows_of_pieces = await station.database.rows(
            "SELECT sha256, size, start, octets FROM ferry_piece WHERE peer = $1 AND epoch = $2 AND seq = $3"
            " ORDER BY id",
            parcel.peer,
            parcel.epoch,
            parcel.seq,
        )
        pieces = [_piece(row) for row in rows_of_pieces]
    return _content(station, found.lines, pieces)


def label_of(route: Route, parcel: FerryParcel) -> Label:
    return Label(channel=route.outgoing(parcel.lane), epoch=parcel.epoch, seq=parcel.seq, prev=parcel.prev)


async def place_parcel(
    station: Station, channel: FerryChannel, lines: bytes, pieces: Sequence[Piece], *, now: datetime
) -> FerryParcel:
    """The row of the parcel that follows the head of `channel`. Raises when the head is no longer there."""
    label = Label(
        channel=station.route.outgoing(channel.lane),
        epoch=channel.epoch,
        seq=channel.head_seq + 1,
        prev=channel.head_id,
    )
    identity = content_id(label, hashlib.sha256(lines).hexdigest(), tuple(pieces))
    head = {"epoch": channel.epoch, "head_seq": channel.head_seq, "head_id": channel.head_id}
    where = {"peer": channel.peer, "lane": channel.lane, **head}
    if not await rows.change(FerryChannel, where, head_seq=label.seq, head_id=identity):
        raise _Overtaken
    return await FerryParcel.create(
        peer=channel.peer,
        lane=channel.lane,
        epoch=label.epoch,
        seq=label.seq,
        prev=label.prev,
        content_id=identity,
        count=lines.count(b"\n"),
        octets=len(lines) + sum(piece.octets for piece in pieces),
        sorts=sorts_of(lines),
        state="assigned",
        assigned_at=now,
    )


async def tell_source(station: Station, refused: Sequence[tuple[int, bytes, str]], *, now: datetime) -> None:
    """Notes why records were not applied and tells who handed them over: (id, line, code), in a transaction."""
    for row_id, line, code in refused:
        await station.database.execute("UPDATE ferry_record SET refused = $1 WHERE id = $2", code, row_id)
        envelope = station.route.types.read(line, station.route.sends)
        told = station.route.types.kind(envelope.type).told
        if told is not None:
            await told(station.database, now, envelope, code)


async def leave_out(database: Database, records: Sequence[int]) -> None:
    """These will never be in a parcel."""
    await database.execute_many("UPDATE ferry_place SET parcel = $1 WHERE id = $2", [(LEFT_OUT, id) for id in records])


def total(value: object) -> int:
    """A sum of a raw row: PostgreSQL gives a decimal, and nothing for no rows."""
    return int(value) if isinstance(value, int | Decimal) else 0


# ------------------------------------------------------------------------------------------------------------ below

_NEW = "ON CONFLICT DO NOTHING RETURNING id"
#: The lines of rows in the order of a subquery, which both databases keep for want of anything that could change it;
#: each with its line feed, as octets.
_JOINED = {
    "postgres": "convert_to(string_agg(line, E'\\n') || E'\\n', 'UTF8')",
    "sqlite": "CAST(group_concat(line, char(10)) || char(10) AS BLOB)",
}
#: Of what waits no more is looked at than one parcel takes: backlogs get long.
_WAITING = (
    "SELECT '{lane}' AS lane, COUNT(*) AS waiting, SUM({octets}) AS waiting_octets, MIN(at) AS oldest,"
    " 0 AS parcels, 0 AS octets FROM (SELECT x.line, x.at FROM {places} WHERE s.peer = $1 AND s.lane = '{lane}'"
    " AND {first}) AS first_{lane}"
)
#: What waits in a lane, in its order: so told that PostgreSQL does not take the index of all ids for it.
_FIRST = "s.parcel IS NULL ORDER BY s.parcel, s.id LIMIT {records}"
_PIECES = (
    "SELECT 'bulk', 0, SUM(octets), MIN(at), 0, 0 FROM (SELECT octets, at FROM ferry_piece WHERE peer = $1"
    " AND epoch = '' AND seq IS NULL ORDER BY seq, id LIMIT 100) AS first_pieces"
)
_UNDER_WAY = (
    "SELECT lane, 0, 0, NULL, COUNT(*), SUM(octets) FROM ferry_parcel"
    " WHERE peer = $1 AND state IN ('assigned', 'sealed') GROUP BY lane"
)


def _places(database: Database) -> str:
    """Places `s`, each with its record `x`."""
    return f"ferry_place AS s {beside(database, 'ferry_record', 'x.id = s.id')}"


class _Stretch(Struct, frozen=True, kw_only=True):
    """Records in their order: how many, the first id and the last, their lines, and when the first of them expires."""

    count: int
    ids: tuple[int, int]
    lines: bytes
    expires: datetime | None


async def _take_in(
    database: Database, peer: str, lane: Lane, given: Sequence[Mapping[str, object]], now: datetime
) -> int:
    columns = listed(database, 3, rid="text", line="text", expires_at="timestamptz")
    records = (
        "INSERT INTO ferry_record (peer, rid, line, at, expires_at, refused)"
        f" SELECT $1, r.rid, r.line, {instant_at(database, 2)}, r.expires_at, '' FROM {columns} WHERE true {_NEW}"
    )
    place = "INSERT INTO ferry_place (id, peer, lane)"
    values = (peer, now, as_json(given))
    if database.dialect == "postgres":
        both = f"WITH new AS ({records}) {place} SELECT id, $1, $4 FROM new RETURNING id"
        return len(await database.rows(both, *values, lane))
    new = as_numbers(as_int(row["id"]) for row in await database.rows(records, *values))
    return await database.execute(f"{place} SELECT value, $1, $2 FROM json_each($3)", peer, lane, new)


def _is_due(backlog: Backlog, rule: LaneRule, closed_at: datetime | None, now: datetime) -> bool:
    """In a lane that has been quiet the first record leaves at once; those that follow it leave together."""
    if backlog.oldest is None:
        return False
    is_full = backlog.waiting >= rule.records or backlog.waiting_octets >= rule.octets
    # A clock that was set back keeps nobody waiting until it is where it was.
    is_quiet = closed_at is None or not timedelta(0) <= now - closed_at < rule.after
    return is_full or is_quiet or now - backlog.oldest >= rule.after


async def _assigned(station: Station, lane: Lane, now: datetime) -> tuple[FerryParcel, Content] | None:
    database, rule = station.database, station.rules[lane]
    channel = await rows.one(FerryChannel, peer=station.peer, lane=lane)
    assert channel is not None
    records = await _waiting_records(station, lane, rule.records)
    if records.expires is not None and records.expires <= now:
        dropped = await _drop_expired(station, lane, rule.records, now)
        records = await _waiting_records(station, lane, rule.records - dropped)
    while len(records.lines) > rule.octets and records.count > 1:
        fitting = records.lines.count(b"\n", 0, rule.octets)
        records = await _waiting_records(station, lane, max(1, fitting))
    pieces = await _waiting_pieces(station, rule.octets - len(records.lines)) if lane is Lane.BULK else []
    if not records.count and not pieces:
        return None
    said = [_piece(row) for row in pieces]
    parcel = await place_parcel(station, channel, records.lines, said, now=now)
    await _number(
        database, records.count, "UPDATE ferry_place SET parcel = $1 WHERE peer = $2 AND lane = $3 AND parcel IS NULL"
        " AND id BETWEEN $4 AND $5", parcel.id, parcel.peer, lane, *records.ids,
    )  # fmt: skip
    ids = [as_int(row["id"]) for row in pieces]
    await _number(
        database, len(ids), "UPDATE ferry_piece SET epoch = $1, seq = $2 WHERE peer = $3 AND epoch = ''"
        " AND seq IS NULL AND id BETWEEN $4 AND $5", parcel.epoch, parcel.seq, parcel.peer,
        min(ids, default=0), max(ids, default=0),
    )  # fmt: skip
    return parcel, _content(station, records.lines, said)


async def _waiting_records(station: Station, lane: Lane, most: int) -> "_Stretch":
    return await _stretch(station, lane, _FIRST.format(records=most))


async def _stretch(station: Station, lane: Lane, which: str, *values: SqlValue) -> "_Stretch":
    """Records of a lane joined by the database: a thousand rows that never become objects here."""
    [row] = await station.database.rows(
        f"SELECT COUNT(*) AS count, MIN(id) AS first, MAX(id) AS last, MIN(expires_at) AS expires,"
        f" {_JOINED[station.database.dialect]} AS lines"
        f" FROM (SELECT s.id, x.line, x.expires_at FROM {_places(station.database)}"
        f" WHERE s.peer = $1 AND s.lane = $2 AND {which}) AS r",
        station.peer,
        lane,
        *values,
    )
    lines = row["lines"] or b""
    assert isinstance(lines, bytes)
    return _Stretch(
        count=as_int(row["count"]),
        ids=(total(row["first"]), total(row["last"])),
        lines=lines,
        expires=instant(row["expires"]),
    )


async def _drop_expired(station: Station, lane: Lane, most: int, now: datetime) -> int:
    """Of the first `most` that wait; how many were of no use any more."""
    found = await station.database.rows(
        f"SELECT id, line FROM (SELECT s.id, x.line, x.expires_at FROM {_places(station.database)} WHERE s.peer = $1"
        f" AND s.lane = $2 AND {_FIRST.format(records=most)}) AS r WHERE expires_at <= $3 ORDER BY id",
        station.peer,
        lane,
        now,
    )
    expired = [(as_int(row["id"]), str(row["line"]).encode(), RecordExpired.code) for row in found]
    await leave_out(station.database, [row_id for row_id, _, _ in expired])
    await tell_source(station, expired, now=now)
    return len(expired)


async def _waiting_pieces(station: Station, octets: int) -> list[Row]:
    found = await station.database.rows(
        "SELECT id, sha256, size, start, octets FROM ferry_piece WHERE peer = $1 AND epoch = '' AND seq IS NULL"
        " ORDER BY seq, id LIMIT 1000",
        station.peer,
    )
    fit: list[Row] = []
    for row in found:
        octets -= as_int(row["octets"])
        if octets < 0 and fit:
            break
        fit.append(row)
    return fit


async def _number(database: Database, count: int, sql: str, *values: SqlValue) -> None:
    """From the first to the last id, which is a fraction of the cost of a list. Raises _Overtaken if others came in."""
    if count and await database.execute(sql, *values) != count:
        raise _Overtaken


def _content(station: Station, lines: bytes, pieces: Sequence[Piece]) -> Content:
    return Content(lines=lines, pieces=[(piece, station.files.path_of(piece.sha256)) for piece in pieces])


def _piece(row: Row) -> Piece:
    return Piece(
        sha256=str(row["sha256"]),
        size=as_int(row["size"]),
        offset=as_int(row["start"]),
        octets=as_int(row["octets"]),
    )
