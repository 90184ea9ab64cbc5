"""One store of a region: our own cases and those that departments' systems and lower levels report, in one list.

Each with the light of its legal limit, by one reckoning; nobody is named who applied. Secret cases are in no list.
Read by name are tables that `ferry.exchange` writes. Beside the cases stand the systems that report: until which day
they are proved complete, and which days are missing.
"""

from datetime import datetime

from msgspec import Struct

from casework.queries import Place
from casework.queries import day as day_in
from kernel.db import Database, Row, SqlValue, instant
from supervision.statistics import Colour

#: The worst light that turned; of a case elsewhere, by its reckoned instants until it ended.
_OWN = (
    "SELECT c.id * 2 AS id, c.number, '' AS source, '' AS region, c.unit_code, u.name AS unit_name, c.item_name,"
    " c.status AS state, c.entered_at AS at, c.committed_due AS due_on, c.closed_at AS ended_at,"
    " CASE WHEN EXISTS (SELECT 1 FROM light l WHERE l.case_id = c.id AND l.colour = 'red' AND l.of_step = FALSE)"
    " THEN 'red' WHEN EXISTS (SELECT 1 FROM light l WHERE l.case_id = c.id AND l.of_step = FALSE) THEN 'yellow'"
    " ELSE 'none' END AS light FROM case_file c LEFT JOIN unit u ON u.code = c.unit_code"
    " WHERE c.secret = FALSE AND c.channel <> 'self_built'"
)
_REPORTED = (
    "SELECT e.id * 2 + 1, e.projid, e.source_system, e.region, e.unit_code, u.name, e.item_name, e.state,"
    " COALESCE(e.applied_at, e.last_event_at), e.due_on, e.ended_at,"
    " CASE WHEN e.red_at <= COALESCE(e.ended_at, $1) THEN 'red' WHEN e.yellow_at <= COALESCE(e.ended_at, $1)"
    " THEN 'yellow' ELSE 'none' END FROM exchange_case e LEFT JOIN unit u ON u.code = e.unit_code"
)


class RegionFilter(Struct, frozen=True, kw_only=True):
    """Narrows to what fits every value given. `region`: six digits, or the first of them; `source`: a system."""

    light: Colour | None = None
    region: str | None = None
    source: str | None = None
    unit: str | None = None
    own: bool | None = None


async def region_cases(
    database: Database, chosen: RegionFilter, *, now: datetime, limit: int, after: Place | None = None
) -> list[Row]:
    """The latest begun first; key: (at, id)."""
    tables = [sql for sql, is_own in ((_OWN, True), (_REPORTED, False)) if chosen.own in (None, is_own)]
    values: list[SqlValue] = [now]
    where = ["at <= $1"]
    for column, value in (("light", chosen.light), ("source", chosen.source), ("unit_code", chosen.unit)):
        if value is not None:
            values.append(str(value))
            where.append(f"{column} = ${len(values)}")
    if chosen.region is not None:
        values.append(f"{chosen.region}%")
        where.append(f"region LIKE ${len(values)}")
    if after is not None:
        values += [after.at, after.id]
        where.append(f"(at, id) < (${len(values) - 1}, ${len(values)})")
    if chosen.own is False:
        tables = [f"SELECT * FROM ({_OWN}) none_of_ours WHERE 1 = 0", *tables]  # which names the columns
    rows = await database.rows(
        f"SELECT * FROM ({' UNION ALL '.join(tables)}) cases WHERE {' AND '.join(where)}"
        f" ORDER BY at DESC, id DESC LIMIT {int(limit)}",
        *values,
    )
    return [_shown(row) for row in rows]


async def reporting_systems(database: Database) -> list[Row]:
    """Every system that may report, by name, those that were revoked left out."""
    rows = await database.rows(
        "SELECT s.source_system AS source, s.name, s.region, s.org, s.closed_on AS complete_until,"
        " (SELECT COUNT(*) FROM exchange_gap g WHERE g.source_system = s.source_system AND g.healed_at IS NULL)"
        " AS missing_days,"
        " (SELECT MIN(g.day) FROM exchange_gap g WHERE g.source_system = s.source_system AND g.healed_at IS NULL)"
        " AS missing_since,"
        " (SELECT MAX(b.complete_at) FROM exchange_batch b WHERE b.source_system = s.source_system) AS heard_at,"
        " (SELECT COUNT(*) FROM exchange_batch b WHERE b.source_system = s.source_system AND b.drifts > 0 AND"
        " b.id = (SELECT MAX(n.id) FROM exchange_batch n WHERE n.source_system = s.source_system AND n.day = b.day"
        " AND n.complete_at IS NOT NULL)) AS days_that_differ"
        " FROM exchange_sender s WHERE s.revoked_at IS NULL ORDER BY s.source_system"
    )
    return [
        {
            **row,
            "complete_until": day_in(row["complete_until"]),
            "missing_since": day_in(row["missing_since"]),
            "heard_at": instant(row["heard_at"]),
        }
        for row in rows
    ]


def _shown(row: Row) -> Row:
    return {
        **row,
        "at": instant(row["at"]),
        "ended_at": instant(row["ended_at"]),
        "due_on": day_in(row["due_on"]),
        "light": Colour(str(row["light"])),
    }
