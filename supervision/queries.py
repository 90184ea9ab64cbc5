"""What supervision shows: dict rows in keyset pages. Lights and cards are counted apart and never added up."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from casework.permissions import SUPERVISORS
from kernel.actor import Actor
from kernel.db import Database, Row, SqlValue, instant
from supervision.acts import CardState
from supervision.grounds import GROUNDS, Ground

#: Where a page begins: the key of the last row of the page before.
PageKey = tuple[datetime, str]


async def pending_cards(database: Database, *, leader: str, after: PageKey | None = None, limit: int = 20) -> list[Row]:
    """Proposed cards that the leader `leader` (an officer's id) may decide, oldest first; key: (proposed_at, id)."""
    since, last_id = after or (datetime.fromisoformat("1970-01-01T00:00:00+00:00"), "")
    rows = await database.rows(
        "SELECT k.id, k.revision, k.colour, k.ground, k.facts, k.case_number, k.item_name, k.unit_code,"
        " u.name AS unit_name, k.officer, k.proposed_at, k.proposed_by, k.reminders"
        " FROM card k LEFT JOIN unit u ON u.code = k.unit_code"
        " WHERE k.state = $1 AND (k.proposed_at, k.id) > ($2, $3) AND k.proposed_by <> $4"
        f" ORDER BY k.proposed_at, k.id LIMIT {int(limit)}",
        CardState.PROPOSED,
        since,
        last_id,
        f"officer:{leader}",
    )
    return [_explained(_with_instants(row, "proposed_at")) for row in rows]


async def visible_card(database: Database, actor: Actor, card: str) -> Row | None:
    """Supervision sees every card, a unit's officers those in effect against their unit; nobody else any."""
    visible, values = "TRUE", [card]
    if not actor.has(*SUPERVISORS):
        visible, values = "k.unit_code = $2 AND k.state = 'effective'", [card, actor.unit or ""]
    found = await database.rows(
        "SELECT k.*, u.name AS unit_name FROM card k LEFT JOIN unit u ON u.code = k.unit_code"
        f" WHERE k.id = $1 AND {visible}",
        *values,
    )
    instants = ("proposed_at", "served_at", "acknowledged_at", "decided_at")
    return _explained(_with_instants(found[0], *instants)) if found else None


async def cards_of_unit(database: Database, unit: str, *, after: PageKey | None = None, limit: int = 20) -> list[Row]:
    """The effective cards of a unit, latest first; key: (served_at, id). A proposed card has no effect: not shown."""
    since, last_id = after or (datetime.fromisoformat("9999-01-01T00:00:00+00:00"), "")
    rows = await database.rows(
        "SELECT id, number, revision, colour, ground, case_number, item_name, officer, served_at, acknowledged_at"
        " FROM card WHERE unit_code = $1 AND state = $2 AND (served_at, id) < ($3, $4)"
        f" ORDER BY served_at DESC, id DESC LIMIT {int(limit)}",
        unit,
        CardState.EFFECTIVE,
        since,
        last_id,
    )
    return [_with_instants(row, "served_at", "acknowledged_at") for row in rows]


async def lights_of(database: Database, case_number: str) -> list[Row]:
    """The lights of a case in the order in which they turned."""
    rows = await database.rows(
        "SELECT l.colour, l.at, l.noticed_at, l.unit_code, l.step, l.role, l.due_on, l.of_step FROM light l"
        " JOIN case_file c ON c.id = l.case_id WHERE c.number = $1 ORDER BY l.at, l.id",
        case_number,
    )
    return [_with_instants(row, "at", "noticed_at") for row in rows]


async def orders_of(database: Database, case_number: str) -> list[Row]:
    """The orders of a case with the state of the explanation they ask for, oldest first."""
    rows = await database.rows(
        "SELECT o.number, o.unit_code, o.issued_at, o.limit_on, o.reason, o.sha256, e.closed_at AS explained_at"
        " FROM supervision_order o JOIN case_file c ON c.id = o.case_id"
        " JOIN explanation_task e ON e.order_number = o.number WHERE c.number = $1 ORDER BY o.issued_at, o.number",
        case_number,
    )
    return [_with_instants(row, "issued_at", "explained_at") for row in rows]


async def orders_due(database: Database) -> int:
    """Red lights whose order is not made yet: for long only when something hinders every order."""
    [row] = await database.rows("SELECT COUNT(*) AS n FROM light WHERE order_due_at IS NOT NULL")
    return int(str(row["n"]))


async def course_of(database: Database, case_number: str) -> list[Row]:
    """自动采集: everything that happened to a case, as the log has it, with the findings' marks."""
    rows = await database.rows(
        "SELECT e.seq, e.tag, e.at, e.actor, e.body, f.kind AS finding FROM event e"
        " LEFT JOIN finding f ON f.event_id = e.id WHERE e.subject = $1 ORDER BY e.seq",
        f"case:{case_number}",
    )
    return [_with_instants(row, "at") for row in rows]


class FindingTally(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    unit: str
    findings: int


async def findings(
    database: Database, *, kind: str | None = None, unit: str | None = None, first: int = 20, before: int | None = None
) -> list[Row]:
    """Findings, latest first, with what they are about; `before`: the id of the last row of the page before."""
    values: list[SqlValue] = [before or 2**62]
    where = "f.id < $1 AND (c.secret = FALSE OR c.secret IS NULL)"
    for column, value in (("f.kind", kind), ("f.unit_code", unit)):
        if value is not None:
            values.append(value)
            where += f" AND {column} = ${len(values)}"
    rows = await database.rows(
        "SELECT f.id, f.kind, f.case_number, f.unit_code, u.name AS unit_name, c.item_name, f.at FROM finding f"
        " LEFT JOIN case_file c ON c.number = f.case_number LEFT JOIN unit u ON u.code = f.unit_code"
        f" WHERE {where} ORDER BY f.id DESC LIMIT {int(first)}",
        *values,
    )
    return [_with_instants(row, "at") for row in rows]


async def finding_tallies(database: Database, *, since: datetime) -> list[FindingTally]:
    """How many findings of each kind each unit has had since then."""
    rows = await database.rows(
        "SELECT f.kind, f.unit_code, COUNT(*) AS n FROM finding f WHERE f.at >= $1 GROUP BY f.kind, f.unit_code"
        " ORDER BY f.kind, f.unit_code",
        since,
    )
    return [
        FindingTally(kind=str(row["kind"]), unit=str(row["unit_code"]), findings=int(str(row["n"]))) for row in rows
    ]


class LightTally(msgspec.Struct, frozen=True, kw_only=True):
    """Lights that turned by the limits of cases, not of steps; a light is a signal and no reproach."""

    yellow: int
    red: int


class CardTally(msgspec.Struct, frozen=True, kw_only=True):
    """Cards in effect (units), and those still proposed."""

    yellow: int
    red: int
    proposed: int


async def light_tally(database: Database) -> LightTally:
    counts = _counts(
        await database.rows("SELECT colour AS kind, COUNT(*) AS n FROM light WHERE of_step = FALSE GROUP BY colour")
    )
    return LightTally(yellow=counts.get("yellow", 0), red=counts.get("red", 0))


async def card_tally(database: Database) -> CardTally:
    effective = _counts(
        await database.rows(
            "SELECT colour AS kind, COUNT(*) AS n FROM card WHERE state = $1 GROUP BY colour", CardState.EFFECTIVE
        )
    )
    proposed = await database.rows("SELECT COUNT(*) AS n FROM card WHERE state = $1", CardState.PROPOSED)
    return CardTally(
        yellow=effective.get("yellow", 0), red=effective.get("red", 0), proposed=int(str(proposed[0]["n"]))
    )


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    return {str(row["kind"]): int(str(row["n"])) for row in rows}


def _explained(row: Row) -> Row:
    return {**row, "why": GROUNDS[Ground(str(row["ground"]))].short}


def _with_instants(row: Row, *columns: str) -> Row:
    return {**row, **{column: instant(row[column]) for column in columns}}
