"""Whose turn it is, and when its lights turn."""

from datetime import UTC, date, datetime

from casework.clock.time_limits import red_at, yellow_at
from casework.clock.working_days import Calendar
from casework.events import TaskOpened
from casework.tables import Case, Task
from kernel.actor import Role
from kernel.work import Work

#: Where a task without a limit sorts: after every real deadline.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


async def open_task(
    work: Work, case: Case, step: str, *, role: Role, unit: str, due_on: date | None, sort_at: datetime | None = None
) -> Task:
    """Opens the case's next task. `due_on` gives it lights; `sort_at` only a place in the to-do list."""
    task = await Task.create(
        case_id=case.id, step=step, role=role, unit_code=unit, opened_at=work.now, sort_at=sort_at or NEVER
    )
    if due_on is not None:
        await relight(work, task, due_on, yellow_before=case.yellow_before_days)
    work.record(TaskOpened(case=case.number, task=task.id, step=step, role=role, unit=unit))
    return task


async def press(work: Work, case: Case, task: Task, *, until: datetime) -> None:
    """Gives an open task without lights its place in the to-do list, and says again whose turn it is."""
    await Task.filter(id=task.id).update(sort_at=until)
    work.record(TaskOpened(case=case.number, task=task.id, step=task.step, role=task.role, unit=task.unit_code))


async def close_task(work: Work, task: Task) -> None:
    """Ends the turn and its coming lights. A turn that is due but not yet announced stays: late is late, however
    soon after it somebody decided. A second closer finds nothing to close: the case's revision decides.
    """
    changes: dict[str, object] = {"closed_at": work.now}
    if task.next_light_at is not None and task.next_light_at > work.now:
        changes["next_light_at"] = None
    await Task.filter(id=task.id, closed_at=None).update(**changes)


async def relight(work: Work, task: Task, due_on: date, *, yellow_before: int) -> None:
    """Sets the instants at which the task turns yellow and red.

    A moved due date may call for a light that was announced before: the sweep announces each turn once per instant.
    """
    yellow = yellow_at(due_on, work.given(Calendar), yellow_before)
    red = red_at(due_on)
    await Task.filter(id=task.id).update(due_on=due_on, yellow_at=yellow, red_at=red, next_light_at=yellow, sort_at=red)
