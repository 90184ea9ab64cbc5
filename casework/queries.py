"""Reading casework: to-do, done and overdue lists and the case itself, as dict rows.

Every query takes the actor and filters in SQL by what they may see (`permissions.visible_cases`); whoever is not
named there sees nothing. Pages are keysets of (instant, id), so an item that leaves the list moves nobody's place.

Limits: one deployment supervises all of its units; `SUPERVISORS` see every unit's cases that are not secret.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from casework.clock.ledger import Entry, Ledger, excluded, replay
from casework.clock.time_limits import Light
from casework.clock.working_days import Calendar, day_of
from casework.flow.delegations import mandates_of
from casework.flow.steps import DECISION_NAMES, step_name
from casework.flow.waiting import EVERYTHING, Sql, TodoFilter, acted_on_the_adjacent_level, narrowed, turns_of
from casework.permissions import SUPERVISORS, visible_cases
from kernel.actor import Actor, ActorKind
from kernel.db import Database, Row, instant_of
from kernel.refusals import NotPermitted

#: How many signed opinions a list shows of each case, newest first.
RECENT_STEPS = 3

_entry = msgspec.json.Decoder(Entry)
_lines = msgspec.json.Decoder(list[list[object]])


class Place(NamedTuple):
    """Where a page ended: the sort instant and the id of its last row."""

    at: datetime
    id: int


class Page(NamedTuple):
    rows: list[Row]
    next: Place | None


class Scope(StrEnum):
    OWN_UNIT = "own_unit"
    SUPERVISED = "supervised"


_CASE_COLUMNS = (
    "c.id AS case_id, c.number, c.status, c.revision, c.channel, c.item_code, c.item_name, c.stage_code,"
    " c.unit_code AS case_unit, c.applicant_name, c.received_on, c.accepted_on, c.deemed_accepted, c.committed_due,"
    " c.statutory_due, c.due_provisional, c.decided_at, c.outcome, c.closed_at, c.returns, c.urges, c.urged_at,"
    " EXISTS (SELECT 1 FROM clock_entry k WHERE k.case_id = c.id AND k.seq > 1) AS clock_moved"
)
_STEP_COLUMNS = "s.id, s.step, s.role, s.decision, s.opinion, s.officer_name, s.principal_name, s.signature, s.at"
#: The newest opinions of each case as JSON, read backwards from an index: no second statement, whatever the page.
_RECENT = {
    "postgres": "(SELECT json_agg(r.line) FROM (SELECT json_build_array({step}) AS line FROM case_step s"
    " WHERE s.case_id = c.id ORDER BY s.seq DESC LIMIT {most}) r) AS recent",
    "sqlite": "(SELECT json_group_array(json(r.line)) FROM (SELECT json_array({step}) AS line FROM case_step s"
    " WHERE s.case_id = c.id ORDER BY s.seq DESC LIMIT {most}) r) AS recent",
}
_OWN = ("id", "step", "role", "decision", "opinion", "officer_name", "principal_name", "signature", "at")
_TASK_COLUMNS = "t.id, t.step, t.role, t.unit_code, t.opened_at, t.due_on, t.yellow_at, t.red_at, t.sort_at"


async def todos(
    database: Database,
    actor: Actor,
    *,
    now: datetime,
    calendar: Calendar,
    first: int = 20,
    after: Place | None = None,
    only: TodoFilter = EVERYTHING,
    same_person_adjacent: bool = False,
) -> Page:
    """The open tasks this actor may act on, most urgent first, each with its case and its recent steps: their own,
    and those of the officers they stand in for. One scan of the to-do index for each.
    """
    if actor.kind is not ActorKind.OFFICER or actor.unit is None or not actor.roles:
        return Page([], None)
    mandates, delegated_once = await mandates_of(database, actor.id, now)
    apart = (len(actor.roles) > 1 or delegated_once) and not same_person_adjacent
    lists: list[_Waiting] = []
    for mandate in (None, *mandates):
        sql = Sql()
        mine = turns_of(sql, actor, mandate)
        if apart:
            mine += f" AND NOT {acted_on_the_adjacent_level(sql, actor, mandate)}"
        lists.append(_Waiting(sql, mine + narrowed(sql, only, now), mandate.name if mandate else None))
    return await _open_tasks(database, lists, now=now, calendar=calendar, first=first, after=after)


async def overdue(
    database: Database,
    actor: Actor,
    *,
    scope: Scope,
    now: datetime,
    calendar: Calendar,
    first: int = 20,
    after: Place | None = None,
) -> Page:
    """Open tasks past their red instant, longest overdue first. Raises NotPermitted for a scope beyond the actor."""
    if actor.kind is not ActorKind.OFFICER or (scope is Scope.SUPERVISED and not actor.has(*SUPERVISORS)):
        raise NotPermitted(act="overdue", needs=" | ".join(SUPERVISORS))
    sql = Sql()
    # A task with lights sorts by its red instant, so the index over open tasks answers this by a range.
    late = f"t.closed_at IS NULL AND t.sort_at <= {sql(now)} AND t.red_at <= {sql(now)}"
    if scope is Scope.OWN_UNIT:
        late += f" AND t.unit_code = {sql(actor.unit)}"
    late += f" AND (c.secret = FALSE OR t.unit_code = {sql(actor.unit)})"
    return await _open_tasks(database, [_Waiting(sql, late)], now=now, calendar=calendar, first=first, after=after)


async def done(database: Database, actor: Actor, *, first: int = 20, after: Place | None = None) -> Page:
    """Cases the actor has decided on, latest first, with their own last opinion, whatever became of them later."""
    sql = Sql()
    mine = (
        f"SELECT {_STEP_COLUMNS}, s.case_id,"
        " row_number() OVER (PARTITION BY s.case_id ORDER BY s.seq DESC) AS place"
        f" FROM case_step s WHERE s.officer = {sql(actor.id)}"
    )
    where = f"m.place = 1 AND {_visible(sql, actor)}"
    if after is not None:
        where += f" AND (m.at, m.id) < ({sql(after.at)}, {sql(after.id)})"
    found = await database.rows(
        f"SELECT {', '.join(f'm.{name}' for name in _OWN)}, {_case_columns(database)} FROM ({mine}) m"
        f" JOIN case_file c ON c.id = m.case_id WHERE {where} ORDER BY m.at DESC, m.id DESC LIMIT {int(first) + 1}",
        *sql.values,
    )
    rows: list[Row] = [
        {"id": row["id"], "case": _case(row), "own": _step([row[name] for name in _OWN]), "at": _at(row["at"])}
        for row in found[:first]
    ]
    last = Place(_at(rows[-1]["at"]), _int(rows[-1]["id"])) if len(found) > first else None
    return Page(rows, last)


async def steps_of(database: Database, case: int) -> list[Row]:
    """Every signed opinion of one case, oldest first."""
    found = await database.rows(f"SELECT {_STEP_COLUMNS} FROM case_step s WHERE s.case_id = $1 ORDER BY s.seq", case)
    return [_step(list(row.values())) for row in found]


async def visible_case(database: Database, actor: Actor, number: str) -> Row | None:
    """The case's whole row if this actor may see it; None for a case that is not there or not theirs."""
    sql = Sql()
    found = await database.rows(
        f"SELECT c.*, c.id AS case_id, c.unit_code AS case_unit, u.name AS unit_name, TRUE AS clock_moved"
        f" FROM case_file c LEFT JOIN unit u ON u.code = c.unit_code"
        f" WHERE c.number = {sql(number)} AND {_visible(sql, actor)}",
        *sql.values,
    )
    return found[0] if found else None


async def visible_numbers(database: Database, actor: Actor, numbers: Iterable[str]) -> set[str]:
    """Those of the cases `numbers` that this actor may see."""
    sql = Sql()
    these = sql.each(numbers) or "NULL"
    found = await database.rows(
        f"SELECT c.number FROM case_file c WHERE c.number IN ({these}) AND {_visible(sql, actor)}", *sql.values
    )
    return {str(row["number"]) for row in found}


async def gaps_of(database: Database, cases: Sequence[int]) -> dict[int, list[tuple[date, date]]]:
    """The days (S, E] that the law does not count, of each case whose clock was ever stopped."""
    return {case: excluded(ledger) for case, ledger in (await ledgers_of(database, cases)).items()}


async def ledgers_of(database: Database, cases: Sequence[int]) -> dict[int, Ledger]:
    """The clocks of those of `cases` that have been accepted."""
    if not cases:
        return {}
    sql = Sql()
    entries: dict[int, list[Entry]] = {}
    for row in await database.rows(
        f"SELECT case_id, entry FROM clock_entry WHERE case_id IN ({sql.each(cases)}) ORDER BY case_id, seq",
        *sql.values,
    ):
        entries.setdefault(_int(row["case_id"]), []).append(_entry.decode(str(row["entry"])))
    return {case: replay(lines) for case, lines in entries.items()}


def light_of(row: Mapping[str, object], now: datetime) -> Light:
    """What colour a task shows: its two instants against the clock on the wall."""
    yellow, red = _at_or_none(row["yellow_at"]), _at_or_none(row["red_at"])
    if red is not None and now >= red:
        return Light.RED
    return Light.YELLOW if yellow is not None and now >= yellow else Light.GREEN


def days_left(due: date, today: date, calendar: Calendar, gaps: Iterable[tuple[date, date]] = ()) -> int:
    """Counted working days in (today, due]; negative by those of (due, today] when overdue.

    The days of `gaps` (S, E] do not count. Source: Administrative Licensing Law, art. 45, 82.
    """
    early, late = min(today, due), max(today, due)
    counted = calendar.working_days_between(early, late)
    for after, until in gaps:
        begin, end = max(after, early), min(until, late)
        if begin < end:
            counted -= calendar.working_days_between(begin, end)
    return counted if today <= due else -counted


class _Waiting(NamedTuple):
    """Open tasks: where they are found, and in whose name the reader may take them."""

    sql: Sql
    where: str
    on_behalf_of: str | None = None


async def _open_tasks(
    database: Database,
    lists: Sequence[_Waiting],
    *,
    now: datetime,
    calendar: Calendar,
    first: int,
    after: Place | None,
) -> Page:
    found: list[Row] = []
    for sql, where, on_behalf_of in lists:
        if after is not None:
            where += f" AND (t.sort_at, t.id) > ({sql(after.at)}, {sql(after.id)})"
        # PostgreSQL reads the to-do index in order only if the order names its third column, null in every open task.
        rows = await database.rows(
            f"SELECT {_TASK_COLUMNS}, {_case_columns(database)} FROM task t JOIN case_file c ON c.id = t.case_id"
            f" WHERE {where} ORDER BY t.closed_at, t.sort_at, t.id LIMIT {int(first) + 1}",
            *sql.values,
        )
        found += [{**row, "on_behalf_of": on_behalf_of} for row in rows] if on_behalf_of else rows
    if len(lists) > 1:
        # What is theirs by office as well stays theirs: the own list comes first.
        once = {_int(row["id"]): row for row in reversed(found)}
        found = sorted(once.values(), key=lambda row: (_at(row["sort_at"]), _int(row["id"])))
    shown = found[:first]
    gaps = await gaps_of(database, [_int(row["case_id"]) for row in shown if row["clock_moved"]])
    today = day_of(now)
    rows = [_task(row, gaps, now=now, today=today, calendar=calendar) for row in shown]
    last = shown[-1] if len(found) > first else None
    return Page(rows, Place(_at(last["sort_at"]), _int(last["id"])) if last else None)


def _task(
    row: Row,
    gaps: Mapping[int, list[tuple[date, date]]],
    *,
    now: datetime,
    today: date,
    calendar: Calendar,
) -> Row:
    due = day(row["due_on"])
    return {
        "id": row["id"],
        "step": row["step"],
        "step_name": _step_name(row["step"], row["role"]),
        "role": row["role"],
        "unit": row["unit_code"],
        "opened_at": _at(row["opened_at"]),
        "due_on": due,
        "light": light_of(row, now),
        "days_left": None if due is None else days_left(due, today, calendar, gaps.get(_int(row["case_id"]), ())),
        "on_behalf_of": row.get("on_behalf_of"),
        "urges": row["urges"],
        "urged_at": _urged_at(row),
        "case": _case(row),
    }


def _urged_at(row: Row) -> datetime | None:
    """When the case was last urged, if that was meant for whoever has this turn."""
    urged = _at_or_none(row["urged_at"])
    return urged if urged is not None and urged >= _at(row["opened_at"]) else None


def _case_columns(database: Database) -> str:
    return f"{_CASE_COLUMNS}, {_RECENT[database.dialect].format(step=_STEP_COLUMNS, most=RECENT_STEPS)}"


def _case(row: Row) -> Row:
    """The part of a case that lists show."""
    recent = row["recent"]
    return case_summary(row, [_step(step) for step in _lines.decode(str(recent))] if recent else [])


def case_summary(row: Row, recent: Sequence[Row]) -> Row:
    """The same of a whole case row."""
    return {
        "number": row["number"],
        "status": row["status"],
        "revision": row["revision"],
        "channel": row["channel"],
        "item_code": row["item_code"],
        "item_name": row["item_name"],
        "stage": row["stage_code"],
        "unit": row["case_unit"],
        "applicant_name": row["applicant_name"],
        "received_on": day(row["received_on"]),
        "accepted_on": day(row["accepted_on"]),
        "deemed_accepted": bool(row["deemed_accepted"]),
        "committed_due": day(row["committed_due"]),
        "statutory_due": day(row["statutory_due"]),
        "due_provisional": bool(row["due_provisional"]),
        "decided_at": _at_or_none(row["decided_at"]),
        "outcome": row["outcome"] or None,
        "closed_at": _at_or_none(row["closed_at"]),
        "returns": row["returns"],
        "recent_steps": recent,
    }


def _step(columns: Sequence[object]) -> Row:
    """A row of `_STEP_COLUMNS`, by place: from JSON and from the database alike."""
    number, step, role, decision, opinion, officer_name, principal_name, signature, at = columns
    return {
        "id": number,
        "step": step,
        "step_name": _step_name(step, role),
        "decision": decision,
        "decision_name": _DECISIONS.get(decision, decision),
        "opinion": opinion,
        "officer_name": officer_name,
        "on_behalf_of": principal_name or None,
        "evidence": signature or None,
        "at": _at(at),
    }


@lru_cache(maxsize=256)
def _step_name(step: object, role: object) -> str:
    return step_name(str(step), str(role))


_DECISIONS: Mapping[object, object] = {str(decision): name for decision, name in DECISION_NAMES.items()}


def _visible(sql: Sql, actor: Actor) -> str:
    """A condition on `c`: the cases this actor may see. Default: none."""
    if actor.kind is not ActorKind.OFFICER or actor.unit is None:
        return "FALSE"
    return visible_cases(actor.roles, unit=sql(actor.unit))


def day(value: object) -> date | None:
    """A date column of a raw row: SQLite gives text, PostgreSQL a date."""
    if value is None or type(value) is date:
        return value
    return date.fromisoformat(str(value)[:10])


def _at(value: object) -> datetime:
    """An instant column that is never null; PostgreSQL's are in UTC already."""
    return value if type(value) is datetime and value.tzinfo is UTC else instant_of(value)


def _at_or_none(value: object) -> datetime | None:
    return None if value is None else _at(value)


def _int(value: object) -> int:
    return value if type(value) is int else int(str(value))
