"""An applicant's own cases (凭账号查询进度及结果): those filed for the phone of their account, or by it as an agent.

Every query binds the account's phone in SQL, so a case of somebody else does not exist here, whoever knows its
number; neither does a secret one. Nobody in the office is named.
"""

from datetime import date, datetime

from casework.acts import Status
from casework.clock.working_days import Calendar, day_of
from casework.flow.steps import COMPLETE, step_name
from casework.queries import day, days_left, gaps_of
from casework.tables import Case, ViewLog
from hall.progress import status_name
from kernel.actor import Actor, ActorKind
from kernel.acts import Act, Done
from kernel.db import Database, Row, SqlValue, instant, instant_of
from kernel.permissions import permission
from kernel.refusals import NotFound
from kernel.work import Work

_OWN = "c.secret = FALSE AND (c.applicant_phone = $1 OR c.agent_phone = $1)"
_COLUMNS = (
    "c.id, c.number, c.status, c.channel, c.item_code, c.item_name, c.unit_code, u.name AS unit_name, c.applicant_name,"
    " c.agent_name, c.received_on, c.accepted_on, c.committed_due, c.due_provisional, c.decided_at, c.closed_at,"
    " c.outcome, t.step, t.role"
)
#: Where several have a turn at once, the one that began first.
_FROM = (
    " FROM case_file c LEFT JOIN unit u ON u.code = c.unit_code LEFT JOIN task t ON t.id ="
    " (SELECT MIN(o.id) FROM task o WHERE o.case_id = c.id AND o.branch = 0 AND o.closed_at IS NULL)"
)


class ViewOwnCase(Act[Done], frozen=True, tag="hall.view_own_case"):
    """Logs that the applicant looked at their case, or at one of its files."""

    case: str
    what: str = "case"


@permission("the applicant or agent of the case")
async def applicant_of_the_case(work: Work, act: ViewOwnCase) -> bool:
    if work.actor.kind is not ActorKind.APPLICANT or not work.actor.phone:
        return False
    found = await work.database.rows(
        f"SELECT c.id FROM case_file c WHERE c.number = $2 AND {_OWN}", work.actor.phone, act.case
    )
    return bool(found)


async def view_own_case(work: Work, act: ViewOwnCase) -> Done:
    case = await Case.get_or_none(number=act.case)
    if case is None:
        raise NotFound(what="办件")
    viewer = f"{work.actor.kind}:{work.actor.id}"
    await ViewLog.create(case_id=case.id, what=act.what, viewer=viewer, at=work.now)
    return Done()


async def own_cases(
    database: Database,
    applicant: Actor,
    *,
    now: datetime,
    calendar: Calendar,
    first: int = 20,
    after: int | None = None,
) -> tuple[list[Row], int | None]:
    """The applicant's cases, newest first, and the id after which the next page begins."""
    if applicant.kind is not ActorKind.APPLICANT or not applicant.phone:
        return [], None
    sql, values = f"SELECT {_COLUMNS}{_FROM} WHERE {_OWN}", list[SqlValue]([applicant.phone])
    if after is not None:
        values.append(after)
        sql += " AND c.id < $2"
    found = await database.rows(f"{sql} ORDER BY c.id DESC LIMIT {int(first) + 1}", *values)
    rows = await _shown(database, found[:first], now=now, calendar=calendar)
    return rows, _id(found[first - 1]) if len(found) > first else None


async def own_case(
    database: Database, applicant: Actor, number: str, *, now: datetime, calendar: Calendar
) -> Row | None:
    """One of them with its materials and documents; None for any other."""
    if applicant.kind is not ActorKind.APPLICANT or not applicant.phone:
        return None
    found = await database.rows(
        f"SELECT {_COLUMNS}{_FROM} WHERE {_OWN} AND c.number = $2", applicant.phone, number.strip().upper()
    )
    if not found:
        return None
    (case,) = await _shown(database, found, now=now, calendar=calendar)
    materials = await database.rows(
        "SELECT id, name, file_name, sha256, received_at FROM material WHERE case_id = $1 ORDER BY id", _id(found[0])
    )
    documents = await database.rows(
        "SELECT id, kind, number, title, sha256, issued_at FROM document WHERE case_id = $1 ORDER BY id", _id(found[0])
    )
    (rated,) = await database.rows(
        "SELECT (SELECT MAX(at) FROM case_step WHERE case_id = $1 AND step = $2) AS completed_at,"
        " (SELECT score FROM rating WHERE case_number = $3) AS score",
        _id(found[0]),
        COMPLETE,
        str(found[0]["number"]),
    )
    return {
        **case,
        "completed_at": instant(rated["completed_at"]),
        "rating": rated["score"],
        "materials": [
            {**row, "received_at": instant_of(row["received_at"]), "on_paper": not row["sha256"]} for row in materials
        ],
        "documents": [{**row, "issued_at": instant_of(row["issued_at"])} for row in documents],
    }


async def _shown(database: Database, found: list[Row], *, now: datetime, calendar: Calendar) -> list[Row]:
    running = [_id(row) for row in found if _runs(row)]
    gaps = await gaps_of(database, running)
    rows: list[Row] = []
    for row in found:
        due: date | None = day(row["committed_due"]) if _runs(row) else None
        left = None if due is None else days_left(due, day_of(now), calendar, gaps.get(_id(row), ()))
        rows.append(
            {
                "number": row["number"],
                "status": row["status"],
                "status_name": status_name(Status(str(row["status"]))),
                "channel": row["channel"],
                "item_code": row["item_code"],
                "item_name": row["item_name"],
                "unit_name": row["unit_name"],
                "applicant_name": row["applicant_name"],
                "agent_name": row["agent_name"] or None,
                "received_on": day(row["received_on"]),
                "accepted_on": day(row["accepted_on"]),
                "step_name": step_name(str(row["step"]), str(row["role"])) if row["step"] else "办结",
                "due_on": due,
                "due_provisional": bool(row["due_provisional"]),
                "days_left": left,
                "decided_at": instant(row["decided_at"]),
                "outcome": row["outcome"] or None,
            }
        )
    return rows


def _runs(row: Row) -> bool:
    """Whether the promise to the applicant is still to be kept."""
    return row["committed_due"] is not None and row["decided_at"] is None and row["closed_at"] is None


def _id(row: Row) -> int:
    return int(str(row["id"]))
