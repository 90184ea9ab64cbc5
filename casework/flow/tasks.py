"""Whose turn it is, and when its lights turn."""

from datetime import UTC, date, datetime

from casework.clock.clocks import calendar_version, lights_of
from casework.events import TaskOpened
from casework.flow.steps import branch_of, level_of
from casework.tables import Case, Task
from kernel.actor import Role
from kernel.rows import change
from kernel.work import Work

#: Where a task without a limit sorts: after every real deadline.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


async def open_task(
    work: Work,
    case: Case,
    step: str,
    *,
    role: Role,
    unit: str,
    due_on: date | None,
    limit_days: int | None = None,
    line_days: int | None = None,
    sort_at: datetime | None = None,
) -> Task:
    """Opens the case's next task. `due_on`, the case's day, gives it lights, earlier ones if its own `limit_days`, or
    the `line_days` of its line, end sooner; `sort_at` gives it only a place in the to-do list.
    """
    task = Task(
        case_id=case.id,
        step=step,
        branch=branch_of(step),
        level=level_of(step) or 0,
        role=role,
        unit_code=unit,
        opened_at=work.now,
        limit_days=limit_days,
        line_days=line_days,
        calendar_version=calendar_version(work, case),
        sort_at=sort_at or NEVER,
    )
    if due_on is not None:
        task.update_from_dict(await lights_of(work, case, task, due_on))
    await task.save()
    work.record(TaskOpened(case=case.number, task=task.id, step=step, role=role, unit=unit))
    return task


async def press(work: Work, case: Case, task: Task, *, until: datetime) -> None:
    """Gives an open task without lights its place in the to-do list, and says again whose turn it is."""
    await Task.filter(id=task.id).update(sort_at=until, calendar_version=calendar_version(work, case))
    work.record(TaskOpened(case=case.number, task=task.id, step=task.step, role=task.role, unit=task.unit_code))


async def close_task(work: Work, task: Task) -> None:
    """Ends the turn and its coming lights. A turn that is due but not yet announced stays: late is late, however
    soon after it somebody decided. A second closer finds nothing to close: the case's revision decides.
    """
    changes: dict[str, object] = {"closed_at": work.now}
    if task.next_light_at is not None and task.next_light_at > work.now:
        changes["next_light_at"] = None
    await change(Task, {"id": task.id, "closed_at": None}, **changes)
