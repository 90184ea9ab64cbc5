"""From the settings of a ferry's peer to what its engine is given: the route, the transports, the pace, the keys."""

import shutil
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from casework.intake.uploads import FileStore
from ferry.clamd import Clamd
from ferry.epochs import EPOCH_RECORD
from ferry.exchange.parcels import level_records
from ferry.identity import ZoneKeys
from ferry.inspecting import Inspector
from ferry.lanes import RULES, Lane, LaneRule
from ferry.orders import Routes
from ferry.reconciling import LedgerRules, Way, ledger_records
from ferry.records import Direction, Registry
from ferry.station import Pace, Route, Station
from ferry.suites import DEFAULT, suite_named
from ferry.transports import Transport
from ferry.transports.folder import Folder
from ferry.trust import key_records
from ferry.zones.acting import act_records
from ferry.zones.mirroring import state_records
from ferry.zones.texts import text_records
from kernel.clock import Clock
from server.ferry_inbox import keep_arrived
from server.ferry_settings import FolderPeer, SftpPeer, TablePeer
from server.settings import Settings

if TYPE_CHECKING:
    from server.wiring import System


#: What is sent to a peer, and taken from it, by what it is to us.
_DIRECTIONS = {
    "inner": (Direction.INWARD, Direction.OUTWARD),
    "outer": (Direction.OUTWARD, Direction.INWARD),
    "above": (Direction.UPWARD, Direction.DOWNWARD),
    "below": (Direction.DOWNWARD, Direction.UPWARD),
}
_Peer = FolderPeer | SftpPeer | TablePeer


def zone_of(settings: Settings) -> str:
    """This zone's name; empty where nothing crosses."""
    return settings.ferry.name or (settings.ferry.zone if settings.ferry.peers else "")


def routes_of(settings: Settings) -> Routes:
    zone = zone_of(settings)
    return Routes(zone=zone, routes=tuple(_route(zone, peer) for peer in settings.ferry.peers))


def ledger_rules(settings: Settings) -> LedgerRules:
    """When a day must be the same on both sides: two-way after two rounds of offering again, one-way after patience."""
    pace, ways = pace_of(settings), {}
    for peer in settings.ferry.peers:
        sends, takes = bool(peer.out), bool(peer.into)
        late_after = 2 * pace.longest_again if sends and takes else pace.patience + pace.longest_again
        ways[peer.name] = Way(sends=sends, takes=takes, late_after=late_after, keep=pace.keep)
    return LedgerRules(ways=ways)


def record_types(peer: str, relation: str) -> Registry:
    """What may cross between this zone and `peer`; `relation`: what the peer is to us."""
    types = [EPOCH_RECORD, *key_records(peer), *ledger_records(peer)]
    if relation in ("inner", "outer"):
        types += [*act_records(peer), *text_records(peer, partial(keep_arrived, peer)), *state_records()]
    if relation in ("above", "below"):
        types += level_records(peer)
    return Registry(types)


async def station(system: "System", name: str, *, with_keys: bool = True) -> tuple[Station, ZoneKeys]:
    """This zone's end towards the peer `name`; its keys are refreshed by the caller before every turn.

    Raises FERRY_UNKNOWN_PEER; FERRY_KEYS_MISSING, unless nothing is to be sealed or opened.
    """
    settings, routes = system.settings, routes_of(system.settings)
    route = routes.to(name)
    peer = next(peer for peer in settings.ferry.peers if peer.name == name)
    keys = ZoneKeys(system.authority.keyring, system.database, system.clock, own=routes.zone, peer=name)
    if with_keys:
        await keys.refresh()
    folder = settings.data_dir / "ferry" / name
    made = Station(
        database=system.database,
        route=route,
        keys=keys,
        clock=system.clock,
        folder=folder,
        files=FileStore(system.files),
        # Papers of applicants lie outside no longer than they must.
        keeps_sent_files=settings.ferry.zone != "outer",
        out=transport(peer, peer.out, system.clock, noted_in=folder / "was-there" / "out"),
        into=transport(peer, peer.into, system.clock, noted_in=folder / "was-there" / "into"),
        pace=pace_of(settings),
        rules=rules_of(settings),
        inspector=inspector_of(settings),
        suite=suite_named(peer.suite) if peer.suite else DEFAULT,
        free_octets=lambda: shutil.disk_usage(settings.data_dir).free,
    )
    return made, keys


def transport(peer: _Peer, place: str, clock: Clock, *, noted_in: Path | None = None) -> Transport | None:
    """One direction; None where the settings leave it out. `noted_in`: that a folder has been there."""
    if not place:
        return None
    if isinstance(peer, FolderPeer):
        return Folder(Path(place), noted_in=noted_in)
    if isinstance(peer, SftpPeer):
        # asyncssh and the foreign drivers cost tens of megabytes, which only those who have such a peer shall pay.
        from ferry.transports.sftp import Account, Sftp

        account = Account(
            host=peer.host,
            port=peer.port,
            user=peer.user,
            host_key=peer.host_key,
            client_key=peer.client_key,
            password=peer.password.get_secret_value(),
            connect_s=peer.connect_s,
            answer_s=peer.answer_s,
        )
        return Sftp(account, place, clock)
    from ferry.transports.databases import connection
    from ferry.transports.table import Table

    return Table(connection(peer.url.get_secret_value()), place, taken=peer.taken)


def inspector_of(settings: Settings) -> Inspector:
    chosen = settings.ferry
    scan = Clamd(chosen.clamd, timeout_s=chosen.clamd_seconds) if chosen.clamd else None
    return Inspector(max_octets=chosen.attachment_mebibytes << 20, scan=scan)


def rules_of(settings: Settings) -> Mapping[Lane, LaneRule]:
    """The lanes' rules with the time that is set; what is urgent never waits longer than what is not."""
    gathered = timedelta(milliseconds=settings.ferry.gather_milliseconds)
    urgent, case = RULES[Lane.URGENT], RULES[Lane.CASE]
    shorter = min(urgent.after, gathered)
    return {**RULES, Lane.URGENT: replace(urgent, after=shorter), Lane.CASE: replace(case, after=gathered)}


def pace_of(settings: Settings) -> Pace:
    chosen = settings.ferry
    return Pace(
        status_after=timedelta(seconds=chosen.status_seconds),
        heartbeat=timedelta(seconds=chosen.heartbeat_seconds),
        first_again=timedelta(seconds=chosen.resend_seconds),
        keep=timedelta(days=chosen.keep_days),
    )


def _route(zone: str, peer: _Peer) -> Route:
    sends, takes = _DIRECTIONS[peer.relation]
    return Route(own=zone, peer=peer.name, sends=sends, takes=takes, types=record_types(peer.name, peer.relation))
