"""The verdict on every file, asked for on both sides and kept: by which rules, by which scanner, when.

The sender looks before it seals, the receiver before it keeps; neither believes the other. Without an answer of the
scanner that is configured a file waits, and is asked about again: nothing crosses unchecked. Of a file that is gone
the verdict says so, and it does not cross either (`ferry/lost.py`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from alerts.states import as_int
from ferry.disarm import RULES, inspect
from ferry.refusals import AttachmentRefused, AttachmentUnchecked
from ferry.tables import DROPPED, UNJUDGED, WAITING, FerryVerdict
from kernel import rows
from kernel.db import Database, chunks

if TYPE_CHECKING:
    from ferry.station import Station

log = logging.getLogger(__name__)

#: How long a file rests after the scanner did not answer.
AGAIN = timedelta(seconds=30)
_FILES_IN_A_TURN = 5
#: In `code` of a verdict: gone from the store; and the same, which two persons have seen to.
LOST, GIVEN_UP = "ATTACHMENT_LOST", "ATTACHMENT_GIVEN_UP"

#: Says which engine found nothing. Raises AttachmentRefused with what it found, AttachmentUnchecked.
Scan = Callable[[Path], Awaitable[str]]


class Inspector(Struct, frozen=True, kw_only=True):
    """`scan` None: no scanner is configured, the rules of content alone decide."""

    max_octets: int
    scan: Scan | None = None

    async def look(self, path: Path) -> tuple[str, str]:
        """Media type and engine of a file that may cross. Raises AttachmentRefused, AttachmentUnchecked."""
        found = await asyncio.to_thread(inspect, path, max_octets=self.max_octets)
        if self.scan is None:
            return found.media_type, RULES
        return found.media_type, f"{RULES}, {await self.scan(path)}"


async def judge(station: "Station", sha256: str, path: Path, *, now: datetime) -> None:
    """Looks at a file and keeps the verdict. Raises AttachmentRefused, AttachmentUnchecked, FileNotFoundError."""
    if station.inspector is not None:
        await judge_file(station.database, station.inspector, sha256, path, now=now)


async def judge_file(database: Database, inspector: Inspector, sha256: str, path: Path, *, now: datetime) -> None:
    """The same without a ferry's end: also before anything is handed over."""
    try:
        media_type, engine = await _looked(inspector, path)
    except (AttachmentRefused, AttachmentUnchecked) as refusal:
        log.warning("ferry: a file may not cross: %s", refusal.code)
        await _keep(database, sha256, refusal.code, str(refusal.details.get("why", "")), "", RULES, now)
        raise
    await _keep(database, sha256, "", "", media_type, engine, now)


async def judge_waiting(station: "Station", *, now: datetime) -> int:
    """Looks at files that were handed over and lets their pieces go, or not; how many files."""
    database = station.database
    waiting = await database.rows(
        "SELECT p.sha256 FROM ferry_piece p LEFT JOIN ferry_verdict v ON v.sha256 = p.sha256"
        " WHERE p.peer = $1 AND p.epoch = $2 AND (v.code IS NULL OR v.code <> $3 OR v.at <= $4 OR v.at > $5)"
        f" GROUP BY p.sha256 ORDER BY MIN(p.id) LIMIT {_FILES_IN_A_TURN}",
        station.peer, UNJUDGED, AttachmentUnchecked.code, now - AGAIN, now,
    )  # fmt: skip
    for row in waiting:
        sha256, becomes = str(row["sha256"]), WAITING
        try:
            await judge(station, sha256, station.files.path_of(sha256), now=now)
        except AttachmentUnchecked:
            continue
        except AttachmentRefused:
            becomes = DROPPED
        except FileNotFoundError:
            if not await note_lost(station, sha256, now=now):
                await _keep(database, sha256, AttachmentUnchecked.code, "the file store is empty", "", RULES, now)
                continue
        async with database.transaction():
            await database.execute(
                "UPDATE ferry_piece SET epoch = $1 WHERE peer = $2 AND sha256 = $3 AND epoch = $4",
                becomes, station.peer, sha256, UNJUDGED,
            )  # fmt: skip
    return len(waiting)


async def note_lost(station: "Station", sha256: str, *, now: datetime) -> bool:
    """Gives a file up until it is back. False, and nothing is noted, where the whole store is gone."""
    if not await asyncio.to_thread(_holds_anything, station.files.root):
        return False
    log.error("ferry: a file that is to cross is gone from the file store: %s", sha256)
    if not await lost_among(station.database, [sha256]):
        await _keep(station.database, sha256, LOST, "gone from the file store", "", "", now)
    return True


async def lost_among(database: Database, digests: Collection[str]) -> set[str]:
    """Those that were given up: their octets do not cross, even if they are back, before somebody looked into them."""
    found: set[str] = set()
    for part in chunks(sorted(set(digests)), 500):
        marks = ", ".join(f"${n}" for n in range(3, len(part) + 3))
        given_up = await database.rows(
            f"SELECT sha256 FROM ferry_verdict WHERE code IN ($1, $2) AND sha256 IN ({marks})", LOST, GIVEN_UP, *part
        )
        found |= {str(row["sha256"]) for row in given_up}
    return found


async def unchecked(station: "Station") -> int:
    """Files, of this side or the other, that wait because nobody could look into them."""
    found = await station.database.rows(
        "SELECT COUNT(*) AS files FROM ferry_verdict v WHERE code = $2 AND (EXISTS (SELECT 1 FROM ferry_piece p"
        " WHERE p.sha256 = v.sha256 AND p.peer = $1 AND p.epoch = $3) OR EXISTS (SELECT 1 FROM ferry_file f"
        " WHERE f.sha256 = v.sha256 AND f.peer = $1 AND f.state = 'waiting'))",
        station.peer, AttachmentUnchecked.code, UNJUDGED,
    )  # fmt: skip
    return as_int(found[0]["files"])


async def verdict_of(sha256: str) -> FerryVerdict | None:
    return await rows.one(FerryVerdict, sha256=sha256)


def _holds_anything(folder: Path) -> bool:
    """A disk that is not mounted is an empty folder, or none."""
    return folder.is_dir() and any(folder.iterdir())


async def _looked(inspector: Inspector, path: Path) -> tuple[str, str]:
    """As the inspector does; a disk that fails is no verdict."""
    try:
        return await inspector.look(path)
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise AttachmentUnchecked(why=type(fault).__name__) from None


async def _keep(
    database: Database, sha256: str, code: str, why: str, media_type: str, engine: str, now: datetime
) -> None:
    columns = ("sha256", "code", "why", "media_type", "engine", "at")
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    async with database.transaction():
        await database.insert(
            "ferry_verdict",
            columns,
            [(sha256, code, why[:200], media_type, engine[:200], now)],
            tail=f"ON CONFLICT (sha256) DO UPDATE SET {changes}",
        )
