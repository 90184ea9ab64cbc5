"""Files that do not arrive: ours that are gone from the store, theirs that came damaged, late or were refused.

A file that is gone holds up nobody: its pieces cross as zeros (`ferry/offering.py`), so that parcels with a number stay
what they are, and the receiver finds that they do not make the file and waits for it no longer. Put back into the store
it goes again: within the hour by itself, or at once when somebody orders it, as any file may that the other side has
not. Its parcels are offered again, and the receiver takes from them the pieces of files that are not there.
Limits: after `keep` nothing is known of a file any more; whoever brought it must bring it again.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from alerts.states import as_int
from ferry.inspecting import GIVEN_UP, LOST, judge
from ferry.offering import ASKED
from ferry.refusals import AttachmentRefused, AttachmentUnchecked, FerryFileUnusable
from ferry.station import Station
from ferry.tables import UNJUDGED, WAITING
from kernel.db import instant_of
from kernel.refusals import NotFound

#: Of one kind, the oldest: who has more looks into the disk first.
_MOST = 200
#: So long after an act named it, a file of which pieces are missing is missed: perhaps the sender was restored.
LATE = timedelta(days=1)
STATES = ("lost", "corrupt", "refused", "coming")
_DIGEST = re.compile(r"[0-9a-f]{8,64}")


class Missed(Struct, frozen=True, kw_only=True):
    """`state`: one of STATES. Ours: lost (gone from the store). Theirs: corrupt, refused, coming (for LATE or longer).

    `about`: its case, or its record.
    """

    sha256: str
    size: int
    state: str
    since: datetime
    about: str = ""


async def missed(station: Station) -> tuple[Missed, ...]:
    """What a person should see to, the oldest first."""
    found = await station.database.rows(
        "SELECT v.sha256, MAX(p.size) AS size, 'lost' AS state, v.at FROM ferry_verdict v"
        " JOIN ferry_piece p ON p.sha256 = v.sha256 WHERE p.peer = $1 AND v.code = $2"
        f" GROUP BY v.sha256, v.at ORDER BY v.at LIMIT {_MOST}",
        station.peer,
        LOST,
    )
    found += await station.database.rows(
        "SELECT sha256, size, state, at FROM ferry_file WHERE peer = $1 AND state IN ('corrupt', 'refused')"
        f" ORDER BY at LIMIT {_MOST}",
        station.peer,
    )
    late = await station.database.rows(
        "SELECT sha256, size, state, at FROM ferry_file WHERE peer = $1 AND state = 'coming' AND at <= $2"
        f" ORDER BY at LIMIT {_MOST}",
        station.peer,
        station.clock.now() - LATE,
    )
    # Of what came long ago, and is named once more, no piece comes.
    for row in late:
        if await asyncio.to_thread(_octets, station.files.path_of(str(row["sha256"]))) < 0:
            found.append(row)
    return tuple(
        Missed(
            sha256=str(row["sha256"]), size=as_int(row["size"]), state=str(row["state"]), since=instant_of(row["at"])
        )
        for row in found
    )


async def with_subjects(station: Station, files: Sequence[Missed]) -> list[Missed]:
    """The same, each with what it is about. Reads the records that are kept: for a person, not for a loop."""
    return [replace(file, about=await _about(station, file.sha256)) for file in files]


async def digest_of(station: Station, begins: str) -> str:
    """The file whose SHA-256 begins so, of all that are known here. Raises NotFound unless it is one."""
    found = []
    if _DIGEST.fullmatch(begins):
        found = await station.database.rows(
            "SELECT sha256 FROM ferry_piece WHERE peer = $1 AND sha256 LIKE $2"
            " UNION SELECT sha256 FROM ferry_file WHERE peer = $1 AND sha256 LIKE $2 LIMIT 2",
            station.peer,
            f"{begins}%",
        )
    if len(found) != 1:
        raise NotFound(what="附件")
    return str(found[0]["sha256"])


async def send_again(station: Station, sha256: str, *, now: datetime) -> None:
    """Has a file of ours cross once more, after a look into it.

    Raises NotFound, FERRY_FILE_UNUSABLE while it is not in the store, AttachmentRefused, AttachmentUnchecked.
    """
    database = station.database
    known = await database.rows(
        "SELECT MAX(size) AS size FROM ferry_piece WHERE peer = $1 AND sha256 = $2 HAVING COUNT(*) > 0",
        station.peer,
        sha256,
    )
    if not known:
        raise NotFound(what="附件")
    path = station.files.path_of(sha256)
    if await asyncio.to_thread(_octets, path) != as_int(known[0]["size"]):
        raise FerryFileUnusable(file=str(path), why="not in the file store, or not as long as it was")
    await judge(station, sha256, path, now=now)
    async with database.transaction():
        # Where nobody looks into files there is no other verdict.
        await database.execute(
            "DELETE FROM ferry_verdict WHERE sha256 = $1 AND code IN ($2, $3)", sha256, LOST, GIVEN_UP
        )
        await database.execute(
            "UPDATE ferry_parcel SET state = 'sealed', again_at = $3 WHERE peer = $1 AND lane = 'bulk'"
            f" AND state <> 'assigned' AND epoch = ({_EPOCH}) AND seq IN (SELECT p.seq FROM ferry_piece p"
            " WHERE p.peer = $1 AND p.sha256 = $2 AND p.epoch = ferry_parcel.epoch)",
            station.peer, sha256, ASKED,
        )  # fmt: skip
        # What was in a parcel of an epoch that has ended, or in none, is numbered anew.
        await database.execute(
            "UPDATE ferry_piece SET epoch = $3, seq = NULL WHERE peer = $1 AND sha256 = $2"
            f" AND epoch NOT IN ($3, $4) AND epoch <> ({_EPOCH})",
            station.peer, sha256, WAITING, UNJUDGED,
        )  # fmt: skip


async def look_again(station: Station, *, now: datetime) -> int:
    """Sends what is back in the store; how many files."""
    count = 0
    for file in await missed(station):
        if file.state == "lost":
            try:
                await send_again(station, file.sha256, now=now)
            except (NotFound, FerryFileUnusable, AttachmentRefused, AttachmentUnchecked):
                continue
            count += 1
    return count


async def close(station: Station, sha256: str, *, now: datetime) -> None:
    """A person has seen to a file that does not arrive. Raises NotFound."""
    async with station.database.transaction():
        closed = await station.database.execute(
            "UPDATE ferry_verdict SET code = $3, at = $4 WHERE sha256 = $2 AND code = $5"
            " AND EXISTS (SELECT 1 FROM ferry_piece p WHERE p.peer = $1 AND p.sha256 = $2)",
            station.peer, sha256, GIVEN_UP, now, LOST,
        )  # fmt: skip
        closed += await station.database.execute(
            "UPDATE ferry_file SET state = 'closed', at = $3 WHERE peer = $1 AND sha256 = $2"
            " AND state IN ('corrupt', 'refused', 'coming')",
            station.peer, sha256, now,
        )  # fmt: skip
        if not closed:
            raise NotFound(what="附件")


# ------------------------------------------------------------------------------------------------------------ below

_EPOCH = "SELECT e.epoch FROM ferry_peer e WHERE e.peer = $1"


def _octets(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1


async def _about(station: Station, sha256: str) -> str:
    found = await station.database.rows(
        "SELECT c.number AS about FROM material m JOIN case_file c ON c.id = m.case_id WHERE m.sha256 = $1 LIMIT 1",
        sha256,
    )
    if not found:
        found = await station.database.rows(
            "SELECT rid AS about FROM ferry_record WHERE peer = $1 AND line LIKE $2 ORDER BY id DESC LIMIT 1",
            station.peer,
            f"%{sha256}%",
        )
    return str(found[0]["about"]) if found else ""
