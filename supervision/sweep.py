"""The sweep: announces every light that is due, with the order and the proposed card that a red light brings.

It reads one index of open turns, so it costs what is due, not what is open. All day-based lights turn at 00:00, so it
takes a whole province's morning in batches of a few statements each; on PostgreSQL several workers may sweep at once
(rows are claimed with SKIP LOCKED). A turn is announced once per case, colour and instant, however often a task
asks for it.
"""

from collections.abc import Sequence
from datetime import date

import msgspec

from casework.steps import COMPLETE, DELIVER
from casework.time_limits import Light
from kernel.acts import Done
from kernel.db import Row, chunks, instant, instant_of
from kernel.work import Work
from supervision.acts import CardColour, TurnLights
from supervision.events import LightTurned
from supervision.grounds import Ground
from supervision.lights import Limits, Turn, due_turns
from supervision.orders import LateCase, issue_orders
from supervision.papers import in_words
from supervision.proposals import Proposal, propose

_IDS_PER_STATEMENT = 500


class DueTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task with a due turn, and what the papers say about its case."""

    id: int
    limits: Limits
    late: LateCase
    assignee: str | None


async def turn_lights(work: Work, act: TurnLights) -> Done:
    """Announces what is due, up to `limit` tasks."""
    due = await _claim(work, act.limit)
    turns = [(task, turn) for task in due for turn in due_turns(task.limits, work.now)]
    fresh = await _announced_first(work, turns)
    await _move_on(work, due)
    for task, turn in fresh:
        work.record(_turned(task, turn))
    late = [task for task, turn in fresh if turn.colour is Light.RED]
    await issue_orders(work, [task.late for task in late])
    await propose(work, [_overdue(task) for task in late])
    return Done(count=len(due))


async def _claim(work: Work, limit: int) -> list[DueTask]:
    lock = " FOR UPDATE OF t SKIP LOCKED" if work.database.dialect == "postgres" else ""
    rows = await work.database.rows(
        "SELECT t.id, t.case_id, t.step, t.role, t.unit_code, t.assignee, t.due_on, t.yellow_at, t.red_at,"
        " t.next_light_at, t.closed_at, c.number, c.item_name, u.name AS unit_name"
        " FROM task t JOIN case_file c ON c.id = t.case_id LEFT JOIN unit u ON u.code = t.unit_code"
        f" WHERE t.next_light_at <= $1 ORDER BY t.next_light_at, t.id LIMIT {int(limit)}{lock}",
        work.now,
    )
    return [_due_task(row) for row in rows]


async def _announced_first(work: Work, turns: Sequence[tuple[DueTask, Turn]]) -> list[tuple[DueTask, Turn]]:
    """Writes the lights and returns those that were not there yet."""
    fresh: set[tuple[str, int]] = set()
    for colour, column in ((Light.YELLOW, "yellow_at"), (Light.RED, "red_at")):
        for ids, marks in _in_chunks([task.id for task, turn in turns if turn.colour is colour], first=2):
            written = await work.database.rows(
                "INSERT INTO light (case_id, task_id, colour, at, noticed_at, unit_code, step, role, due_on)"
                f" SELECT case_id, id, '{colour}', {column}, $1, unit_code, step, role, due_on FROM task"
                f" WHERE id IN ({marks}) ON CONFLICT (case_id, colour, at) DO NOTHING RETURNING task_id",
                work.now,
                *ids,
            )
            fresh.update((colour, int(str(row["task_id"]))) for row in written)
    return [(task, turn) for task, turn in turns if (turn.colour, task.id) in fresh]


async def _move_on(work: Work, due: Sequence[DueTask]) -> None:
    """Sets each task's next turn: its red instant if that is still to come, else none."""
    for ids, marks in _in_chunks([task.id for task in due], first=2):
        await work.database.execute(
            "UPDATE task SET next_light_at = CASE WHEN closed_at IS NULL AND red_at > $1 THEN red_at END"
            f" WHERE id IN ({marks})",
            work.now,
            *ids,
        )


def _in_chunks(ids: Sequence[int], *, first: int) -> list[tuple[Sequence[int], str]]:
    """The ids with their placeholders, of which the first is `$first`."""
    return [
        (chunk, ", ".join(f"${n}" for n in range(first, first + len(chunk))))
        for chunk in chunks(ids, _IDS_PER_STATEMENT)
    ]


def _turned(task: DueTask, turn: Turn) -> LightTurned:
    return LightTurned(
        case=task.late.case_number,
        task=task.id,
        colour=turn.colour,
        at=turn.at,
        unit=task.late.unit,
        role=task.late.role,
        step=task.late.step,
        due_on=task.late.due_on,
        assignee=task.assignee,
    )


def _overdue(task: DueTask) -> Proposal:
    return Proposal(
        case_id=task.late.case_id,
        case_number=task.late.case_number,
        item_name=task.late.item_name,
        unit=task.late.unit,
        officer=task.assignee,
        colour=CardColour.YELLOW,
        # The promise to the applicant ends with the decision; what follows are steps with limits of their own.
        ground=Ground.STEP_OVERTIME if task.late.step in (COMPLETE, DELIVER) else Ground.OVER_COMMITTED_LIMIT,
        facts=f"应于{in_words(task.late.due_on)}前办结，逾期未办结" if task.late.due_on else "逾期未办结",
    )


def _due_task(row: Row) -> DueTask:
    return DueTask(
        id=int(str(row["id"])),
        limits=Limits(
            yellow_at=instant(row["yellow_at"]),
            red_at=instant(row["red_at"]),
            next_light_at=instant_of(row["next_light_at"]),
            closed_at=instant(row["closed_at"]),
        ),
        late=LateCase(
            case_id=int(str(row["case_id"])),
            case_number=str(row["number"]),
            item_name=str(row["item_name"]),
            unit=str(row["unit_code"]),
            unit_name=str(row["unit_name"] or row["unit_code"]),
            step=str(row["step"]),
            role=str(row["role"]),
            due_on=_day(row["due_on"]),
        ),
        assignee=str(row["assignee"]) if row["assignee"] else None,
    )


def _day(value: object) -> date | None:
    """A date column of a raw row: SQLite gives text."""
    if value is None or isinstance(value, date):
        return value
    return date.fromisoformat(str(value))
