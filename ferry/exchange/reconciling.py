"""What the senders say they hold, beside what we hold.

A batch's manifest tallies every day it touches. When its last part is in, both are compared: where they differ,
supervision is told. `reconcile` asks the same again for any day, from the rows as they stand.
"""

import hashlib
from collections.abc import Sequence
from datetime import date

from ferry.exchange.codes import Table
from ferry.exchange.tables import ExchangeTally
from ferry.exchange.tallies import Drift, Tally, compared
from kernel.db import Database
from kernel.rows import one
from kernel.work import Work

_PAGE = 5000
#: Sorted by code points, as the digest is.
_RID = {"sqlite": "rid", "postgres": 'rid COLLATE "C"'}
_WHERE = "source_system = $1 AND org = $2 AND table_name = $3 AND day = $4 AND superseded = FALSE"


async def keep(work: Work, source_system: str, tallies: Sequence[Tally]) -> None:
    """What a sender says last, holds."""
    for tally in tallies:
        place = {
            "source_system": source_system,
            "org": tally.org,
            "table_name": str(tally.table),
            "day": tally.day,
        }
        row = await one(ExchangeTally, **place) or ExchangeTally(**place)
        row.count, row.cases, row.digest, row.said_at = tally.count, tally.cases, tally.digest, work.now
        await row.save()


async def drifts_at(database: Database, source_system: str, theirs: Sequence[Tally]) -> list[Drift]:
    """Where we hold something else than the sender says, of the places it speaks of."""
    ours = [await _held(database, source_system, *tally.place) for tally in theirs]
    return compared(theirs, [tally for tally in ours if tally is not None])


async def drifts_on(database: Database, day: date, source_system: str | None = None) -> dict[str, list[Drift]]:
    """By sender, everything that differs on `day`: what only we know of as well."""
    found: dict[str, list[Drift]] = {}
    for source in await _sources(database, day, source_system):
        said = [_said(row) for row in await ExchangeTally.filter(source_system=source, day=day).order_by("id")]
        places = {tally.place: None for tally in said} | dict.fromkeys(await _places(database, source, day))
        ours = [await _held(database, source, *place) for place in places]
        found[source] = compared([tally for tally in said if tally.count], [tally for tally in ours if tally])
    return found


async def held_on(database: Database, source_system: str, day: date) -> list[Tally]:
    """What we hold of a sender for a day."""
    found = [await _held(database, source_system, *place) for place in await _places(database, source_system, day)]
    return [tally for tally in found if tally is not None]


async def _held(database: Database, source_system: str, org: str, table: Table, day: date) -> Tally | None:
    """The rows are read in pages: a day of a province is no reason to hold it in memory."""
    rid, lines, last, count = _RID[database.dialect], hashlib.sha256(), "", 0
    while True:
        page = await database.rows(
            f"SELECT rid, version FROM exchange_record WHERE {_WHERE} AND {rid} > $5 ORDER BY {rid} LIMIT {_PAGE}",
            source_system,
            org,
            str(table),
            day,
            last,
        )
        for row in page:
            lines.update(f"{chr(10) if count else ''}{row['rid']} {row['version']}".encode())
            count += 1
        if len(page) < _PAGE:
            break
        last = str(page[-1]["rid"])
    if not count:
        return None
    (cases,) = await database.rows(
        f"SELECT COUNT(DISTINCT projid) AS n FROM exchange_record WHERE {_WHERE}", source_system, org, str(table), day
    )
    digest, distinct = lines.hexdigest(), int(str(cases["n"]))
    return Tally(org=org, table=table, day=day, count=count, cases=distinct, digest=digest)


async def _sources(database: Database, day: date, only: str | None) -> list[str]:
    rows = await database.rows(
        "SELECT source_system FROM exchange_tally WHERE day = $1 UNION"
        " SELECT source_system FROM exchange_record WHERE day = $1 ORDER BY source_system",
        day,
    )
    return [source for row in rows if (source := str(row["source_system"])) and only in (None, source)]


async def _places(database: Database, source_system: str, day: date) -> list[tuple[str, Table, date]]:
    rows = await database.rows(
        "SELECT DISTINCT org, table_name FROM exchange_record WHERE source_system = $1 AND day = $2"
        " AND superseded = FALSE ORDER BY org, table_name",
        source_system,
        day,
    )
    return [(str(row["org"]), Table(str(row["table_name"])), day) for row in rows]


def _said(row: ExchangeTally) -> Tally:
    return Tally(
        org=row.org, table=Table(row.table_name), day=row.day, count=row.count, cases=row.cases, digest=row.digest
    )
