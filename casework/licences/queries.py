"""Reading the library as dict rows: one licence with its history and reviews, and a unit's own licences.

Whoever opens one licence is logged first (`library.view_licence`); here it is only asked once more in SQL what the
actor may see. A secret licence is seen in its own unit, and nowhere else.
"""

from datetime import date

from casework.licences.acts import LicenceState
from casework.permissions import SUPERVISORS
from casework.process_record import masked
from kernel.actor import Actor, ActorKind
from kernel.db import Database, Row, SqlValue, instant_of

_COLUMNS = (
    "l.id, l.number, l.kind, l.item_code, l.case_number, l.unit_code, u.name AS unit_name, l.holder_name,"
    " l.holder_id_number, l.holder_phone, l.issued_on, l.valid_from, l.valid_until, l.state, l.revision, l.sha256,"
    " l.seal_serial"
)
_FROM = " FROM licence l LEFT JOIN unit u ON u.code = l.unit_code"


async def licence_detail(database: Database, actor: Actor, number: str) -> Row | None:
    """The licence, its revisions and its reviews; None when there is none, or it is not this actor's to see."""
    if actor.kind is not ActorKind.OFFICER or actor.unit is None:
        return None
    elsewhere = " OR l.secret = FALSE" if actor.has(*SUPERVISORS) else ""
    found = await database.rows(
        f"SELECT {_COLUMNS}{_FROM} WHERE l.number = $1 AND (l.unit_code = $2{elsewhere})", number, actor.unit
    )
    if not found:
        return None
    (row,) = found
    return {
        **_licence(row, whole=actor.unit == row["unit_code"]),
        "history": await _history(database, row["id"]),
        "reviews": await _reviews(database, row["id"]),
    }


async def unit_licences(
    database: Database, actor: Actor, *, state: LicenceState | None = None, first: int = 20, before: int | None = None
) -> tuple[list[Row], int | None]:
    """The licences of the actor's own unit, newest first, and the id before which the next page begins."""
    if actor.kind is not ActorKind.OFFICER or actor.unit is None:
        return [], None
    values: list[SqlValue] = [actor.unit, before if before is not None else 1 << 62]
    where = "l.unit_code = $1 AND l.id < $2"
    if state is not None:
        values.append(state.value)
        where += " AND l.state = $3"
    found = await database.rows(
        f"SELECT {_COLUMNS}{_FROM} WHERE {where} ORDER BY l.id DESC LIMIT {int(first) + 1}", *values
    )
    rows = [_licence(row, whole=True) for row in found[:first]]
    return rows, int(str(found[first - 1]["id"])) if len(found) > first else None


def _licence(row: Row, *, whole: bool) -> Row:
    """Supervision has no need of the holder's numbers."""
    id_number, phone = str(row["holder_id_number"]), str(row["holder_phone"])
    return {
        "number": row["number"],
        "kind": row["kind"],
        "item": row["item_code"],
        "case_number": row["case_number"],
        "unit": row["unit_code"],
        "unit_name": row["unit_name"],
        "holder_name": row["holder_name"],
        "holder_id_number": id_number if whole else masked(id_number),
        "holder_phone": phone if whole else masked(phone),
        "issued_on": _day(row["issued_on"]),
        "valid_from": _day(row["valid_from"]),
        "valid_until": None if row["valid_until"] is None else _day(row["valid_until"]),
        "state": row["state"],
        "revision": row["revision"],
        "sha256": row["sha256"],
        "seal_serial": row["seal_serial"],
    }


async def _history(database: Database, licence: object) -> list[Row]:
    rows = await database.rows(
        "SELECT c.revision, c.change, c.case_number, c.reason, c.sha256, c.evidence, c.at, o.name AS officer_name"
        " FROM licence_change c LEFT JOIN officer o ON 'officer:' || o.id = c.actor WHERE c.licence_id = $1"
        " ORDER BY c.revision",
        int(str(licence)),
    )
    return [
        {
            "revision": row["revision"],
            "change": row["change"],
            "case_number": row["case_number"] or None,
            "reason": row["reason"],
            "sha256": row["sha256"],
            "evidence": row["evidence"] or None,
            "officer_name": row["officer_name"],
            "at": instant_of(row["at"]),
        }
        for row in rows
    ]


async def _reviews(database: Database, licence: object) -> list[Row]:
    rows = await database.rows(
        "SELECT r.due_on, r.state, r.opinion, r.case_number, r.reviewed_at, o.name AS officer_name"
        " FROM annual_review r LEFT JOIN officer o ON o.id = r.officer WHERE r.licence_id = $1 ORDER BY r.due_on",
        int(str(licence)),
    )
    return [
        {
            "due_on": _day(row["due_on"]),
            "state": row["state"],
            "opinion": row["opinion"],
            "case_number": row["case_number"] or None,
            "officer_name": row["officer_name"],
            "reviewed_at": None if row["reviewed_at"] is None else instant_of(row["reviewed_at"]),
        }
        for row in rows
    ]


def _day(value: object) -> date:
    """A date column of a raw row: SQLite gives text, PostgreSQL a date."""
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
