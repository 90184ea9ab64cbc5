"""The sweep: announces every light that is due, with the proposed card that a red light brings.

A light depends on no paper: the order of a red light is only marked as due, and made by an act of its own.

It reads one index of open turns, so it costs what is due, not what is open. All day-based lights turn at 00:00, so it
takes a whole province's morning in batches of a few statements each; on PostgreSQL several workers may sweep at once
(rows are claimed with SKIP LOCKED). A turn is announced once per case, colour and instant, however often a task
asks for it.
"""

from collections.abc import Sequence
from datetime import date

import msgspec

from casework.clock.time_limits import Light
from casework.flow.steps import COMPLETE, DELIVER
from kernel.acts import Done
from kernel.db import Row, chunks, instant, instant_of
from kernel.work import Work
from supervision.acts import CardColour, TurnLights
from supervision.events import LightTurned
from supervision.grounds import Ground
from supervision.lights import Limits, Turn, due_turns
from supervision.papers import day_in, in_words
from supervision.proposals import Proposal, propose

_IDS_PER_STATEMENT = 500


class DueTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task with a due turn, and what its light and its card say about its case."""

    id: int
    limits: Limits
    case_id: int
    case_number: str
    item_name: str
    unit: str
    step: str
    role: str
    due_on: date | None
    assignee: str | None


async def turn_lights(work: Work, act: TurnLights) -> Done:
    """Announces what is due, up to `limit` tasks."""
    due = await _claim(work, act.limit)
    turns = [(task, turn) for task in due for turn in due_turns(task.limits, work.now)]
    fresh = await _announced_first(work, turns)
    await _move_on(work, due)
    for task, turn in fresh:
        work.record(_turned(task, turn))
    await propose(work, [_overdue(task) for task, turn in fresh if turn.colour is Light.RED])
    return Done(count=len(due))


async def _claim(work: Work, limit: int) -> list[DueTask]:
    lock = " FOR UPDATE OF t SKIP LOCKED" if work.database.dialect == "postgres" else ""
    rows = await work.database.rows(
        "SELECT t.id, t.case_id, t.step, t.role, t.unit_code, t.assignee, t.due_on, t.yellow_at, t.red_at,"
        " t.next_light_at, t.closed_at, c.number, c.item_name FROM task t JOIN case_file c ON c.id = t.case_id"
        f" WHERE t.next_light_at <= $1 ORDER BY t.next_light_at, t.id LIMIT {int(limit)}{lock}",
        work.now,
    )
    return [_due_task(row) for row in rows]


async def _announced_first(work: Work, turns: Sequence[tuple[DueTask, Turn]]) -> list[tuple[DueTask, Turn]]:
    """Writes the lights and returns those that were not there yet."""
    fresh: set[tuple[str, int]] = set()
    for colour, column, order_due_at in ((Light.YELLOW, "yellow_at", "NULL"), (Light.RED, "red_at", "$1")):
        for ids, marks in _in_chunks([task.id for task, turn in turns if turn.colour is colour], first=2):
            written = await work.database.rows(
                "INSERT INTO light"
                " (case_id, task_id, unit_code, step, role, due_on, colour, at, noticed_at, order_due_at)"
                f" SELECT case_id, id, unit_code, step, role, due_on, '{colour}', {column}, $1, {order_due_at}"
                f" FROM task WHERE id IN ({marks}) ON CONFLICT (case_id, colour, at) DO NOTHING RETURNING task_id",
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
        case=task.case_number,
        task=task.id,
        colour=turn.colour,
        at=turn.at,
        unit=task.unit,
        role=task.role,
        step=task.step,
        due_on=task.due_on,
        assignee=task.assignee,
    )


def _overdue(task: DueTask) -> Proposal:
    return Proposal(
        case_id=task.case_id,
        case_number=task.case_number,
        item_name=task.item_name,
        unit=task.unit,
        officer=task.assignee,
        colour=CardColour.YELLOW,
        # The promise to the applicant ends with the decision; what follows are steps with limits of their own.
        ground=Ground.STEP_OVERTIME if task.step in (COMPLETE, DELIVER) else Ground.OVER_COMMITTED_LIMIT,
        facts=f"应于{in_words(task.due_on)}前办结，逾期未办结" if task.due_on else "逾期未办结",
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
        case_id=int(str(row["case_id"])),
        case_number=str(row["number"]),
        item_name=str(row["item_name"]),
        unit=str(row["unit_code"]),
        step=str(row["step"]),
        role=str(row["role"]),
        due_on=day_in(row["due_on"]),
        assignee=str(row["assignee"]) if row["assignee"] else None,
    )
