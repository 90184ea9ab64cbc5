"""The transaction in which a parcel takes effect: its records, its place in the inbox, the cursor; all or nothing.

Which parcel may take effect is `judge`, a pure function. A record that cannot be applied is kept and told to its
source, and the lane goes on; but where a strict one fails, or too many of a parcel do, the lane stops instead.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import groupby

from msgspec import Struct
from tortoise.exceptions import IntegrityError

from alerts.states import as_json, instant_at, listed
from ferry import pieces
from ferry.ledger import sorts_of
from ferry.parcel import Label, Piece
from ferry.records import Envelope, RecordType, rid_of
from ferry.refusals import RecordExpired, RecordMisdirected, RecordRefused
from ferry.station import Station
from ferry.tables import FerryCursor, FerryInbox, FerryPeer
from kernel import rows
from kernel.refusals import Refusal

#: A parcel of at least so many records with more than this share of poison is no accident of single records.
MAX_POISON_SHARE, AMONG = 0.2, 10


class Arrival(Struct, frozen=True, kw_only=True):
    """A parcel that was opened."""

    lane: str
    label: Label
    content_id: str
    records: tuple[bytes, ...]
    pieces: tuple[Piece, ...]
    manifest: bytes
    file: str
    sha256: str


class Known(Struct, frozen=True, kw_only=True):
    """What is known about a number: the content applied under it and before it, and what the next says came before.

    Empty: nothing. Of numbers that were applied long ago nothing is known any more.
    """

    applied: str = ""
    before: str = ""
    after: str = ""
    is_gap: bool = False


class Verdict(Enum):
    NEXT = auto()
    AHEAD = auto()  # its predecessor is missing
    DUPLICATE = auto()
    LATE = auto()  # one-way: was passed over, and comes after all
    EQUIVOCAL = auto()  # another content under a number that is taken
    FROZEN = auto()


class _Spoilt(Exception):
    """Undoes a parcel that stops its lane."""


def judge(cursor: FerryCursor, label: Label, content_id: str, known: Known) -> Verdict:
    """What to do with a parcel of the cursor's epoch."""
    if label.seq <= cursor.applied:
        if known.is_gap:
            # Its neighbours name it, and name what it must follow.
            fits = known.before in ("", label.prev) and known.after in ("", content_id)
            return Verdict.LATE if fits else Verdict.EQUIVOCAL
        return Verdict.DUPLICATE if known.applied in ("", content_id) else Verdict.EQUIVOCAL
    if cursor.frozen_why:
        return Verdict.FROZEN
    if label.seq > cursor.applied + 1:
        return Verdict.AHEAD
    return Verdict.NEXT if label.prev == cursor.content_id else Verdict.EQUIVOCAL


async def apply(station: Station, arrival: Arrival, *, now: datetime) -> str:
    """Applies the parcel that is next, or late. Returns why the lane must stop; empty when it was applied.

    Applied already by another process: nothing happens.
    """
    try:
        async with station.database.transaction():
            if await _take_place(station, arrival, now):
                await _apply_records(station, arrival, now)
            station.reach("before apply commit")
    except _Spoilt as stop:
        return str(stop)
    station.reach("after apply commit")
    return ""


# ------------------------------------------------------------------------------------------------------------ below


async def _take_place(station: Station, arrival: Arrival, now: datetime) -> bool:
    """Moves the cursor by compare-and-swap, first of all: two processes wait for each other here."""
    label = arrival.label
    where = {"peer": station.peer, "lane": arrival.lane, "epoch": label.epoch}
    cursor = await rows.one(FerryCursor, **where)
    if cursor is None:
        return False
    if label.seq > cursor.applied:
        stood = {**where, "applied": label.seq - 1, "content_id": label.prev, "frozen_why": ""}
        if not await rows.change(FerryCursor, stood, applied=label.seq, content_id=arrival.content_id):
            return False
    lines = b"".join(b"%b\n" % line for line in arrival.records)
    octets = len(lines) + sum(piece.octets for piece in arrival.pieces)
    inbox = (station.peer, arrival.lane, label.epoch, label.seq, label.prev, arrival.content_id, len(arrival.records),
             octets, sorts_of(lines), arrival.file[:80], arrival.sha256, arrival.manifest.decode(),
             now)  # fmt: skip
    columns = ("peer", "lane", "epoch", "seq", "prev", "content_id", "count", "octets", "sorts", "file", "sha256",
               "manifest", "at")  # fmt: skip
    new = await station.database.insert(
        FerryInbox._meta.db_table, columns, [inbox], tail="ON CONFLICT DO NOTHING RETURNING id"
    )
    if not new:
        return False
    await station.database.execute(
        "UPDATE ferry_gap SET filled_at = $1 WHERE peer = $2 AND lane = $3 AND epoch = $4 AND seq = $5",
        now, station.peer, arrival.lane, label.epoch, label.seq,
    )  # fmt: skip
    await station.database.execute(
        "DELETE FROM ferry_held WHERE peer = $1 AND lane = $2 AND epoch = $3 AND seq = $4",
        station.peer, arrival.lane, label.epoch, label.seq,
    )  # fmt: skip
    await pieces.note(station, arrival.pieces, now=now)
    return True


async def _apply_records(station: Station, arrival: Arrival, now: datetime) -> None:
    if not arrival.records:
        return
    peer = await rows.one(FerryPeer, peer=station.peer)
    assert peer is not None
    # Of two clocks that disagree the sender's decides: it set the hour.
    their_now = now - timedelta(milliseconds=peer.skew_ms)
    good: list[tuple[int, Envelope]] = []
    poison: list[tuple[int, str]] = []
    expired: list[tuple[int, str]] = []
    for place, line in enumerate(arrival.records):
        try:
            envelope = station.route.types.read(line, station.route.takes)
            if station.route.types.kind(envelope.type).lane != arrival.lane:
                raise RecordMisdirected(type=envelope.type)
        except RecordRefused as refusal:
            poison.append((place, refusal.code))
            continue
        if envelope.expires is not None and envelope.expires <= their_now:
            expired.append((place, RecordExpired.code))
        else:
            good.append((place, envelope))
    new = await _new_ones(station, good, now)
    if len(new) < len(good):
        await _remind(station, good, {place for place, _ in new}, now)
    failed = await _performed(station, new, now)
    poison += failed
    strict = {place for place, envelope in new if station.route.types.kind(envelope.type).strict}
    if any(place in strict for place, _ in failed):
        raise _Spoilt("a strict record cannot be applied")
    if len(arrival.records) >= AMONG and len(poison) > MAX_POISON_SHARE * len(arrival.records):
        raise _Spoilt("too many records cannot be applied")
    await _keep_poison(station, arrival, sorted(poison + expired), now)


async def _new_ones(
    station: Station, good: Sequence[tuple[int, Envelope]], now: datetime
) -> list[tuple[int, Envelope]]:
    """Those that were never applied, each once."""
    database = station.database
    inserted = await database.rows(
        f"INSERT INTO ferry_applied (peer, rid, at) SELECT $1, r.rid, {instant_at(database, 2)}"
        f" FROM {listed(database, 3, rid='text')} WHERE true ON CONFLICT DO NOTHING RETURNING rid",
        station.peer,
        now,
        as_json({"rid": rid} for rid in dict.fromkeys(envelope.rid for _, envelope in good)),
    )
    fresh = {str(row["rid"]) for row in inserted}
    new = []
    for place, envelope in good:
        if envelope.rid in fresh:
            fresh.discard(envelope.rid)
            new.append((place, envelope))
    return new


async def _remind(station: Station, good: Sequence[tuple[int, Envelope]], new: Collection[int], now: datetime) -> None:
    """Has what was applied before answered again, where somebody may wait for the answer."""
    known: dict[str, list[str]] = {}
    for place, envelope in good:
        if place not in new:
            known.setdefault(envelope.type, []).append(envelope.rid)
    for name, rids in known.items():
        if (again := station.route.types.kind(name).again) is not None:
            await again(station.database, now, rids)


async def _performed(station: Station, new: Sequence[tuple[int, Envelope]], now: datetime) -> list[tuple[int, str]]:
    """Applies them in order; the places of those that failed, with the code. At first all at once: few ever fail."""
    types = station.route.types
    try:
        async with station.database.transaction():
            for name, run in groupby(new, key=lambda pair: pair[1].type):
                await _perform(station, types.kind(name), [envelope for _, envelope in run], now)
        return []
    except _FAULTS:
        pass
    failed = []
    for place, envelope in new:
        try:
            async with station.database.transaction():
                await types.kind(envelope.type).apply(station.database, now, envelope)
        except _FAULTS as fault:
            failed.append((place, fault.code if isinstance(fault, Refusal) else "RECORD_FAILED"))
    return failed


async def _perform(station: Station, kind: RecordType, envelopes: Sequence[Envelope], now: datetime) -> None:
    if kind.apply_many is not None:
        await kind.apply_many(station.database, now, envelopes)
        return
    for envelope in envelopes:
        await kind.apply(station.database, now, envelope)


async def _keep_poison(station: Station, arrival: Arrival, poison: Sequence[tuple[int, str]], now: datetime) -> None:
    label = arrival.label
    columns = ("peer", "lane", "epoch", "seq", "place", "rid", "line", "code", "at", "heard", "closed_why")
    given = []
    for place, code in poison:
        line = arrival.records[place]
        # What is not even text is kept as what can be shown of it.
        shown = line.decode("utf-8", "backslashreplace").replace("\0", "\\0")
        given.append((station.peer, arrival.lane, label.epoch, label.seq, place, rid_of(line), shown, code, now, False,
                      ""))  # fmt: skip
    await station.database.insert("ferry_poison", columns, given, tail="ON CONFLICT DO NOTHING")


#: What makes a record poison: a no, or values that fit nowhere. A database that is busy or gone is no record's fault.
_FAULTS = (Refusal, IntegrityError, ValueError, LookupError, TypeError)
