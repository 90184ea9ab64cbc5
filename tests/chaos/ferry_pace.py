"""A ferry in a hurry, so that a bad day is short: the same rules, seconds in place of minutes and hours."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import structlog
from msgspec.structs import replace

from ferry.lanes import Lane, LaneRule
from ferry.zones import performing
from server import ferry_stations
from server.commands import settings_of
from server.settings import Settings
from server.wiring import open_system
from server.zones import Ferryman

_S = timedelta(seconds=1)
#: One-way: how often each parcel leaves, and how long a missing one is waited for. As in life, the second is longer.
REPEATS, PATIENCE = (0 * _S, 0.3 * _S, 0.6 * _S), 3 * _S
_MOST_PARCELS = 100_000


def hurry(*, one_by_one: bool) -> None:
    """Of whatever ferry this process opens from now on."""
    plain = ferry_stations.pace_of

    def pace_of(settings: Settings):
        return replace(
            plain(settings), status_after=0.3 * _S, heartbeat=2 * _S, first_again=1 * _S, longest_again=4 * _S,
            torn_after=1 * _S, repeats=REPEATS, patience=PATIENCE, history=0.5 * _S,
        )  # fmt: skip

    ferry_stations.pace_of = pace_of
    performing.TRY_AGAIN = (0.5 * _S, 1 * _S, 2 * _S)
    wide = ferry_stations.rules_of

    def rules_of(settings: Settings) -> Mapping[Lane, LaneRule]:
        rules = {lane: _on_a_small_disk(rule) for lane, rule in wide(settings).items()}
        return {lane: _single(rule) for lane, rule in rules.items()} if one_by_one else rules

    ferry_stations.rules_of = rules_of


def _on_a_small_disk(rule: LaneRule) -> LaneRule:
    """One of megabytes, where a lane in life wants gigabytes to be free."""
    return replace(rule, free_octets=rule.free_octets >> 8)


def _single(rule: LaneRule) -> LaneRule:
    return replace(rule, records=1, after=timedelta(0), under_way_parcels=_MOST_PARCELS, stash_parcels=_MOST_PARCELS)


def seal_only(config: Path, peer: str) -> None:
    """A second process at one zone's ferry, which is all it does."""
    asyncio.run(_seal(settings_of(config), peer))


async def _seal(settings: Settings, peer: str) -> None:
    async with open_system(settings) as system:
        (chosen,) = (each for each in settings.ferry.peers if each.name == peer)
        ferryman = Ferryman(system, chosen)
        structlog.get_logger(__name__).info("serving the ferry alone")
        while True:
            await ferryman.turn()
