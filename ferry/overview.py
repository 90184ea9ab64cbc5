"""How the ferry is doing: every lane both ways, what was put aside, and what a person should look at.

A number is an alarm from seven tenths of its limit on: who hears of it at ten tenths hears too late.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from ferry.history import open_gaps
from ferry.identity import lives
from ferry.inspecting import unchecked
from ferry.lanes import ALARM_SHARE, Lane
from ferry.ledger_tables import FerryLedger
from ferry.lost import Missed, missed
from ferry.outgoing import Backlog, backlogs, total
from ferry.records import Direction
from ferry.station import Station
from ferry.status import missing
from ferry.tables import FerryChannel, FerryCursor, FerryPeer, FerryPoison, FerryQuarantine
from ferry.transports.folder import Folder
from ferry.zones import turns
from kernel import rows
from kernel.db import Row, instant

#: Heartbeats of the other side that may stay away before somebody is told.
_SILENT_HEARTBEATS = 3
#: Between its number and its file a parcel has a moment; longer, and a disk is full or a server gone.
_UNWRITTEN_AFTER = timedelta(seconds=30)


class Concern(StrEnum):
    SILENT = "SILENT"  # nothing heard from the other side for three heartbeats
    CLOCKS_DIFFER = "CLOCKS_DIFFER"
    FOLDER_GONE = "FOLDER_GONE"  # one that was there once: something is not mounted
    LANE_FULL = "LANE_FULL"  # what is under way comes near its limit
    LANE_UNWRITTEN = "LANE_UNWRITTEN"  # a numbered parcel finds no room, or no way
    LANE_STUCK = "LANE_STUCK"  # the rows of a numbered parcel are gone
    LANE_FROZEN = "LANE_FROZEN"  # ours: somebody must look before it goes on
    STASH_FULL = "STASH_FULL"  # what waits for an earlier parcel comes near its limit
    GAPS = "GAPS"  # one-way: parcels that never came
    QUARANTINE = "QUARANTINE"
    POISON = "POISON"
    FILE_CORRUPT = "FILE_CORRUPT"  # pieces from the other side do not make the file they name
    FILE_LOST = "FILE_LOST"  # ours: gone from the file store before it crossed
    FILE_LATE = "FILE_LATE"  # named by an act a day ago, and some of its pieces have not come
    LEDGERS_DIFFER = "LEDGERS_DIFFER"  # of a past day, and the time for it is over
    FILES_UNCHECKED = "FILES_UNCHECKED"  # the scanner does not answer, or a disk does not read them
    KEYS_ENDING = "KEYS_ENDING"  # seven tenths of a certificate's life are over
    ACTS_WAIT = "ACTS_WAIT"  # acts from outside that wait inside, or for an outcome, come near their limit
    DISK_LOW = "DISK_LOW"  # some lane is, or will soon be, stopped for want of room


class Alarm(Struct, frozen=True, kw_only=True):
    concern: Concern
    lane: Lane | None = None
    count: int = 0


class LaneState(Struct, frozen=True, kw_only=True):
    """Sending: `head`, `acked`, what waits and is under way. Receiving: `applied`, what is held and missing."""

    lane: Lane
    wanted: str
    head: int
    acked: int
    backlog: Backlog
    oldest_under_way: datetime | None
    #: Since when the oldest parcel has its number and is in no file.
    unwritten_since: datetime | None
    applied: int
    held: int
    held_octets: int
    missing: tuple[tuple[int, int], ...]
    frozen: str


class Overview(Struct, frozen=True, kw_only=True):
    peer: str
    epoch: str
    their_epoch: str
    heard_at: datetime | None
    skew_ms: int
    round_trip_ms: int
    lanes: tuple[LaneState, ...]
    quarantined: int
    poison: int
    alarms: tuple[Alarm, ...]
    #: Files that do not arrive unless somebody does something.
    files: tuple[Missed, ...] = ()
    #: Days of which the two ledgers differ.
    unequal_days: int = 0
    #: Between two zones: up to when the outer one was told, or has heard, everything; how many states are left to tell.
    mirrored_until: datetime | None = None
    untold: int = 0


async def overview(station: Station, *, now: datetime) -> Overview:
    """Reads only."""
    peer = await rows.one(FerryPeer, peer=station.peer)
    if peer is None:
        peer = FerryPeer(peer=station.peer)
    waiting = await backlogs(station)
    lanes = tuple([await _lane(station, lane, waiting[lane]) for lane in station.rules])
    quarantined = await FerryQuarantine.filter(peer=station.peer, state="kept").count()
    poison = await FerryPoison.filter(peer=station.peer, closed_at=None).count()
    files = await missed(station)
    counts = {
        Concern.QUARANTINE: quarantined,
        Concern.POISON: poison,
        Concern.GAPS: await open_gaps(station),
        Concern.FILES_UNCHECKED: await unchecked(station),
        Concern.FILE_CORRUPT: sum(file.state == "corrupt" for file in files),
        Concern.FILE_LOST: sum(file.state == "lost" for file in files),
        Concern.FILE_LATE: sum(file.state == "coming" for file in files),
        Concern.LEDGERS_DIFFER: await FerryLedger.filter(peer=station.peer, state="different").count(),
    }
    alarms = [Alarm(concern=concern, count=count) for concern, count in counts.items() if count]
    alarms += _of_peer(station, peer, now)
    alarms += _of_keys(await lives(station.route.own, station.peer), now)
    alarms += [Alarm(concern=concern, lane=lane.lane) for lane in lanes for concern in _of_lane(station, lane, now)]
    alarms += await _of_acts(station)
    mirror = await station.database.rows(
        "SELECT (SELECT MAX(as_of) FROM ferry_mirror_age WHERE peer IN ($1, $2)) AS as_of,"
        " (SELECT COUNT(*) FROM ferry_mirror_subject WHERE peer = $1 AND dirty_since IS NOT NULL) AS untold",
        station.peer,
        station.route.own,
    )
    return Overview(
        peer=station.peer,
        epoch=peer.epoch,
        their_epoch=peer.their_epoch,
        heard_at=peer.heard_at,
        skew_ms=peer.skew_ms,
        round_trip_ms=peer.round_trip_ms,
        lanes=lanes,
        quarantined=quarantined,
        poison=poison,
        files=files,
        unequal_days=counts[Concern.LEDGERS_DIFFER],
        alarms=tuple(alarms),
        mirrored_until=instant(mirror[0]["as_of"]),
        untold=total(mirror[0]["untold"]),
    )


# ------------------------------------------------------------------------------------------------------------ below


async def _lane(station: Station, lane: Lane, backlog: Backlog) -> LaneState:
    channel = await rows.one(FerryChannel, peer=station.peer, lane=lane)
    cursor = await rows.one(FerryCursor, peer=station.peer, lane=lane)
    under_way = await _first(
        station,
        "SELECT MIN(seq) AS seq, MIN(assigned_at) AS oldest, MIN(CASE state WHEN 'assigned' THEN assigned_at END)"
        " AS unwritten FROM ferry_parcel WHERE peer = $1 AND lane = $2"
        " AND epoch = $3 AND state IN ('assigned', 'sealed')",
        lane,
        channel.epoch if channel else "",
    )
    held = await _first(
        station,
        "SELECT COUNT(*) AS parcels, COALESCE(SUM(octets), 0) AS octets FROM ferry_held"
        " WHERE peer = $1 AND lane = $2 AND epoch = $3",
        lane,
        cursor.epoch if cursor else "",
    )
    head = channel.head_seq if channel else 0
    return LaneState(
        lane=lane,
        wanted=channel.wanted if channel else "running",
        head=head,
        acked=head if under_way["seq"] is None else int(str(under_way["seq"])) - 1,
        backlog=backlog,
        oldest_under_way=instant(under_way["oldest"]),
        unwritten_since=instant(under_way["unwritten"]),
        applied=cursor.applied if cursor else 0,
        held=total(held["parcels"]),
        held_octets=total(held["octets"]),
        missing=tuple(await missing(station, cursor)) if cursor else (),
        frozen=cursor.frozen_why if cursor else "",
    )


async def _of_acts(station: Station) -> list[Alarm]:
    """Both zones have both tables, and each uses its own."""
    if station.route.sends in (Direction.UPWARD, Direction.DOWNWARD):
        return []
    [row] = await station.database.rows(
        f"SELECT ({turns.waiting_inside()}) AS inside, ({turns.waiting_outside()}) AS outside"
    )
    limits = {turns.MOST: total(row["inside"]), turns.MOST_OUTSIDE: total(row["outside"])}
    return [
        Alarm(concern=Concern.ACTS_WAIT, count=count) for most, count in limits.items() if count >= ALARM_SHARE * most
    ]


def _of_peer(station: Station, peer: FerryPeer, now: datetime) -> list[Alarm]:
    found = []
    silence = _SILENT_HEARTBEATS * station.pace.heartbeat
    if station.into is not None and (peer.heard_at is None or now - peer.heard_at > silence):
        found.append(Alarm(concern=Concern.SILENT))
    if abs(peer.skew_ms) > station.pace.skew_alarm.total_seconds() * 1000:
        found.append(Alarm(concern=Concern.CLOCKS_DIFFER, count=peer.skew_ms // 1000))
    gone = sum(isinstance(way, Folder) and way.is_gone for way in (station.out, station.into))
    if gone:
        found.append(Alarm(concern=Concern.FOLDER_GONE, count=gone))
    free = station.free_octets() if station.free_octets else None
    if free is not None and any(free * ALARM_SHARE < rule.free_octets for rule in station.rules.values()):
        found.append(Alarm(concern=Concern.DISK_LOW, count=free))
    return found


def _of_keys(lives: Sequence[tuple[datetime, datetime]], now: datetime) -> list[Alarm]:
    ending = [until for since, until in lives if now - since >= ALARM_SHARE * (until - since)]
    return [Alarm(concern=Concern.KEYS_ENDING, count=(min(ending) - now).days)] if ending else []


def _of_lane(station: Station, lane: LaneState, now: datetime) -> list[Concern]:
    rule, since = station.rules[lane.lane], lane.unwritten_since
    stash = max(lane.held / rule.stash_parcels, lane.held_octets / rule.stash_octets)
    said = {
        Concern.LANE_FULL: not station.is_one_way and lane.backlog.is_near(rule),
        Concern.LANE_UNWRITTEN: lane.wanted == "running" and since is not None and now - since >= _UNWRITTEN_AFTER,
        Concern.LANE_STUCK: lane.wanted == "stuck",
        Concern.LANE_FROZEN: bool(lane.frozen),
        Concern.STASH_FULL: stash >= ALARM_SHARE,
    }
    return [concern for concern, is_so in said.items() if is_so]


async def _first(station: Station, sql: str, lane: Lane, epoch: str) -> Row:
    return (await station.database.rows(sql, station.peer, lane, epoch))[0]
