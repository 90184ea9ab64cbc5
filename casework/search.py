"""Finding cases (任务查询): by number, applicant, state and item, among those that the officer may see.

`permissions.visible_cases` decides what is seen, as everywhere. Newest first; a page ends at an id.
Limits: names are looked for as a piece of text, so on a large database a unit or a state should narrow the search.
"""

from collections.abc import Callable, Sequence

import msgspec

from casework.acts import Status
from casework.permissions import visible_cases
from casework.queries import case_summary
from kernel.actor import Actor, ActorKind
from kernel.db import Database, Row, SqlValue


class CaseSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Narrows to what fits every value given. `applicant`: a piece of the name, or a whole id number or phone."""

    number: str = ""
    applicant: str = ""
    statuses: tuple[Status, ...] = ()
    item: str = ""
    unit: str = ""


async def search_cases(
    database: Database, officer: Actor, wanted: CaseSearch, *, first: int = 20, after: int | None = None
) -> tuple[list[Row], int | None]:
    """Cases newest first, and the id after which the next page begins."""
    if officer.kind is not ActorKind.OFFICER or officer.unit is None:
        return [], None
    values: list[SqlValue] = []

    def bound(value: SqlValue) -> str:
        values.append(value)
        return f"${len(values)}"

    conditions = [visible_cases(officer.roles, unit=bound(officer.unit)), *_conditions(wanted, bound)]
    if after is not None:
        conditions.append(f"c.id < {bound(after)}")
    found = await database.rows(
        "SELECT c.*, c.unit_code AS case_unit, u.name AS unit_name, t.step AS open_step FROM case_file c"
        " LEFT JOIN unit u ON u.code = c.unit_code LEFT JOIN task t ON t.id ="
        " (SELECT MIN(o.id) FROM task o WHERE o.case_id = c.id AND o.branch = 0 AND o.closed_at IS NULL)"
        f" WHERE {' AND '.join(conditions)} ORDER BY c.id DESC LIMIT {int(first) + 1}",
        *values,
    )
    rows: list[Row] = [
        {**case_summary(row, ()), "unit_name": row["unit_name"], "open_step": row["open_step"]} for row in found[:first]
    ]
    return rows, int(str(found[first - 1]["id"])) if len(found) > first else None


def _conditions(wanted: CaseSearch, bound: Callable[[SqlValue], str]) -> Sequence[str]:
    found = []
    if wanted.number:
        found.append(f"c.number LIKE {bound(_plain(wanted.number.upper()) + '%')} ESCAPE '!'")
    if wanted.applicant:
        piece, whole = bound(f"%{_plain(wanted.applicant)}%"), bound(wanted.applicant)
        found.append(
            f"(c.applicant_name LIKE {piece} ESCAPE '!' OR c.applicant_id_number = {whole}"
            f" OR c.applicant_phone = {whole})"
        )
    if wanted.statuses:
        found.append(f"c.status IN ({', '.join(bound(status) for status in wanted.statuses)})")
    if wanted.item:
        found.append(f"c.item_code = {bound(wanted.item)}")
    if wanted.unit:
        found.append(f"c.unit_code = {bound(wanted.unit)}")
    return found


def _plain(text: str) -> str:
    """`text` without the wildcards of LIKE."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
