"""What /metrics says of the ferry: every lane of every peer, what was put aside, acts that wait, reports to above.

Asked together with the other figures of the database, and as old as they. docs/monitoring/README.md lists them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from ferry.exchange.status import Above, above
from ferry.lost import STATES
from ferry.overview import LaneState, Overview
from kernel.db import Database, instant
from server.families import Metric, gauge


class FerryFigures(Struct, frozen=True, kw_only=True):
    """`acts`: sent inside and not answered; or arrived from outside and not performed. With the oldest of them."""

    at: datetime
    overviews: Sequence[Overview] = ()
    acts: int = 0
    oldest_act: datetime | None = None
    above: Above = Above(due=0, waiting=0)


async def ferry_figures(database: Database, overviews: Sequence[Overview], *, now: datetime) -> FerryFigures:
    (row,) = await database.rows(
        "SELECT COUNT(*) AS n, MIN(at) AS oldest FROM (SELECT at FROM relayed_act WHERE answered_at IS NULL"
        " UNION ALL SELECT at FROM arrived_act WHERE outcome = '') AS waiting"
    )
    return FerryFigures(
        at=now,
        overviews=overviews,
        acts=int(str(row["n"])),
        oldest_act=instant(row["oldest"]),
        above=await above(database, now=now),
    )


def of_ferries(figures: FerryFigures) -> Iterator[Metric]:
    lanes = [(found.peer, lane) for found in figures.overviews for lane in found.lanes]

    def each(name: str, help: str, *values: float) -> Metric:
        labelled = [((peer, lane.lane.value), value) for (peer, lane), value in zip(lanes, values, strict=True)]
        return gauge(f"ferry_{name}", help, ("peer", "lane"), labelled)

    states = [lane for _, lane in lanes]
    yield each("waiting", "Records that wait to be sealed, counted up to one parcel.",
               *(lane.backlog.waiting for lane in states))  # fmt: skip
    yield each("under_way", "Parcels that the other side has not acknowledged.",
               *(lane.backlog.parcels for lane in states))  # fmt: skip
    yield each("under_way_octets", "Their octets.", *(lane.backlog.octets for lane in states))
    yield each("oldest_seconds", "How long the oldest of both has waited.",
               *(_oldest(lane, figures.at) for lane in states))  # fmt: skip
    yield each("held", "Parcels that wait here for an earlier one.", *(lane.held for lane in states))
    yield each("missing", "Numbers that have not come.",
               *(sum(last - first + 1 for first, last in lane.missing) for lane in states))  # fmt: skip
    yield each("stopped", "Whether the lane is paused, stuck or frozen.",
               *(lane.wanted != "running" or bool(lane.frozen) for lane in states))  # fmt: skip
    for name, help, values in (
        ("quarantine", "Refused files that wait for a person.", [found.quarantined for found in figures.overviews]),
        ("poison", "Records that could not be applied.", [found.poison for found in figures.overviews]),
        ("ledgers_unequal", "Past days of which the two ledgers differ.",
         [found.unequal_days for found in figures.overviews]),
        ("heard_seconds", "Since the other side last said anything; -1: never.",
         [_seconds(found.heard_at, figures.at) for found in figures.overviews]),
        ("skew_seconds", "By which our clock is ahead, at most.",
         [found.skew_ms / 1000 for found in figures.overviews]),
        ("alarms", "What a person should look at.", [len(found.alarms) for found in figures.overviews]),
    ):  # fmt: skip
        peers = [found.peer for found in figures.overviews]
        yield gauge(
            f"ferry_{name}", help, ("peer",), [((peer,), value) for peer, value in zip(peers, values, strict=True)]
        )
    files = Counter((found.peer, file.state) for found in figures.overviews for file in found.files)
    of_files = [(found.peer, state) for found in figures.overviews for state in STATES]
    yield gauge("ferry_files", "Files that do not arrive unless somebody does something.", ("peer", "state"),
                [(which, files[which]) for which in of_files])  # fmt: skip
    yield gauge("ferry_acts_waiting", "Acts across the zones without an outcome.", (), [((), figures.acts)])
    yield gauge("ferry_acts_oldest_seconds", "How long the oldest of them waits.", (),
                [((), max(0.0, _seconds(figures.oldest_act, figures.at)))])  # fmt: skip
    up = figures.above
    yield gauge("exchange_due", "Cases and batches that are in no report to the level above.", (), [((), up.due)])
    yield gauge("exchange_reports_waiting", "Reports that the level above has not taken.", (), [((), up.waiting)])
    yield gauge("exchange_oldest_seconds", "How long the oldest of them waits.", (),
                [((), max(0.0, _seconds(up.since, figures.at)))])  # fmt: skip
    yield gauge("exchange_stuck", "Whether somebody should look why nothing is taken.", (), [((), up.stuck)])


def _oldest(lane: LaneState, now: datetime) -> float:
    since = min(filter(None, (lane.backlog.oldest, lane.oldest_under_way)), default=None)
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _seconds(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since else -1.0
