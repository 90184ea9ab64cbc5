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
from supervision.events import LightTurned, StepOverdue
from supervision.grounds import Ground
from supervision.lights import Limits, Turn, due_turns
from supervision.papers import ITEM_NAMED, day_in, in_words
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
    branch: int
    role: str
    due_on: date | None
    case_due_on: date | None
    assignee: str | None

    def due(self, turn: Turn) -> date | None:
        """The day that `turn` is about."""
        return self.due_on if turn.of_step else self.case_due_on or self.due_on


async def turn_lights(work: Work, act: TurnLights) -> Done:
    """Announces what is due, up to `limit` tasks."""
    due = await _claim(work, act.limit)
    turns = [(task, turn) for task in due for turn in due_turns(task.limits, work.now)]
    fresh = await _announced_first(work, turns)
    await _move_on(work, due)
    for task, turn in fresh:
        work.record(_turned(task, turn))
        if turn.of_step and turn.colour is Light.RED:
            work.record(_step_overdue(task))
    await propose(work, _reproaches(fresh))
    return Done(count=len(due))


def _reproaches(fresh: Sequence[tuple[DueTask, Turn]]) -> list[Proposal]:
    """One proposal per red light. Whoever is found to have let the step and the case pass is reproached once, for the
    case; a step that somebody else was late with, before them or in another branch, is a fact of its own."""
    red = [(task, turn) for task, turn in fresh if turn.colour is Light.RED]
    late = {task.id for task, turn in red if not turn.of_step}
    return [_overdue(task, turn) for task, turn in red if not (turn.of_step and task.id in late)]


async def _claim(work: Work, limit: int) -> list[DueTask]:
    lock = " FOR UPDATE OF t SKIP LOCKED" if work.database.dialect == "postgres" else ""
    rows = await work.database.rows(
        "SELECT t.id, t.case_id, t.step, t.branch, t.role, t.unit_code, t.assignee, t.due_on, t.yellow_at, t.red_at,"
        " t.case_due_on, t.case_yellow_at, t.case_red_at, t.next_light_at, t.closed_at, c.number,"
        f" {ITEM_NAMED}, c.committed_due FROM task t JOIN case_file c ON c.id = t.case_id"
        f" WHERE t.next_light_at <= $1 ORDER BY t.next_light_at, t.id LIMIT {int(limit)}{lock}",
        work.now,
    )
    return [_due_task(row) for row in rows]


async def _announced_first(work: Work, turns: Sequence[tuple[DueTask, Turn]]) -> list[tuple[DueTask, Turn]]:
    """Writes the lights and returns those that were not there yet."""
    alike: dict[tuple[Light, bool, str], list[int]] = {}
    for task, turn in turns:
        alike.setdefault((turn.colour, turn.of_step, _columns(task, turn)), []).append(task.id)
    fresh: set[tuple[str, bool, int]] = set()
    for (colour, of_step, columns), tasks in alike.items():
        # A late step is no late case: it is told and noted, and wants no order.
        order_due_at = "$1" if colour is Light.RED and not of_step else "NULL"
        for ids, marks in _in_chunks(tasks, first=2):
            written = await work.database.rows(
                "INSERT INTO light (case_id, task_id, unit_code, step, branch, role, due_on, colour, of_step, at,"
                " noticed_at, order_due_at)"
                f" SELECT case_id, id, unit_code, step, branch, role, {columns}due_on, '{colour}', {of_step},"
                f" {columns}{colour}_at, $1, {order_due_at} FROM task WHERE id IN ({marks})"
                " ON CONFLICT (case_id, branch, colour, at) DO NOTHING RETURNING task_id",
                work.now,
                *ids,
            )
            fresh.update((colour, of_step, int(str(row["task_id"]))) for row in written)
    return [(task, turn) for task, turn in turns if (turn.colour, turn.of_step, task.id) in fresh]


def _columns(task: DueTask, turn: Turn) -> str:
    """The prefix of the task's columns that hold the turn."""
    return "case_" if task.case_due_on is not None and not turn.of_step else ""


async def _move_on(work: Work, due: Sequence[DueTask]) -> None:
    """Sets each task's next turn: the first of its instants that is still to come, if any.

    Yellow is over by now, a step's red comes before the case's, and either may be before the case's yellow.
    """
    for ids, marks in _in_chunks([task.id for task in due], first=2):
        await work.database.execute(
            "UPDATE task SET next_light_at = CASE WHEN closed_at IS NOT NULL THEN NULL"
            " WHEN yellow_at > $1 AND yellow_at < red_at THEN yellow_at"
            " WHEN red_at > $1 AND (case_yellow_at IS NULL OR case_yellow_at <= $1 OR red_at <= case_yellow_at)"
            " THEN red_at WHEN case_yellow_at > $1 THEN case_yellow_at WHEN case_red_at > $1 THEN case_red_at END"
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
        due_on=task.due(turn),
        assignee=task.assignee,
        of_step=turn.of_step,
    )


def _step_overdue(task: DueTask) -> StepOverdue:
    return StepOverdue(
        case=task.case_number,
        task=task.id,
        unit=task.unit,
        role=task.role,
        step=task.step,
        due_on=task.due_on,
        assignee=task.assignee,
    )


def _overdue(task: DueTask, turn: Turn) -> Proposal:
    due_on = task.due(turn)
    return Proposal(
        case_id=task.case_id,
        case_number=task.case_number,
        item_name=task.item_name,
        unit=task.unit,
        officer=task.assignee,
        colour=CardColour.YELLOW,
        # The promise to the applicant ends with the decision; what follows are steps with limits of their own.
        ground=Ground.STEP_OVERTIME
        if turn.of_step or task.step in (COMPLETE, DELIVER)
        else Ground.OVER_COMMITTED_LIMIT,
        facts=f"应于{in_words(due_on)}前办结，逾期未办结" if due_on else "逾期未办结",
        branch=task.branch,
    )


def _due_task(row: Row) -> DueTask:
    due_on, case_due = day_in(row["due_on"]), day_in(row["committed_due"])
    return DueTask(
        id=int(str(row["id"])),
        limits=Limits(
            yellow_at=instant(row["yellow_at"]),
            red_at=instant(row["red_at"]),
            of_step=due_on is not None and case_due is not None and due_on < case_due,
            case_yellow_at=instant(row["case_yellow_at"]),
            case_red_at=instant(row["case_red_at"]),
            next_light_at=instant_of(row["next_light_at"]),
            closed_at=instant(row["closed_at"]),
        ),
        case_id=int(str(row["case_id"])),
        case_number=str(row["number"]),
        item_name=str(row["item_name"]),
        unit=str(row["unit_code"]),
        step=str(row["step"]),
        branch=int(str(row["branch"])),
        role=str(row["role"]),
        due_on=due_on,
        case_due_on=day_in(row["case_due_on"]),
        assignee=str(row["assignee"]) if row["assignee"] else None,
    )
