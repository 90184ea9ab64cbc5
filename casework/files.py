"""Finding a case's row, changing it by compare-and-swap, showing it, and logging who looked."""

from casework.acts import CaseView, Status, ViewCase
from casework.refusals import UnknownCase
from casework.tables import Case, Task, ViewLog
from kernel.acts import Done
from kernel.refusals import ChangedMeanwhile
from kernel.rows import change, one
from kernel.work import Work


async def find(number: str) -> Case:
    case = await one(Case, number=number)
    if case is None:
        raise UnknownCase(case=number)
    return case


async def unit_in_charge(case: Case) -> str:
    """The unit that handles the case now: its own, or once it was reported up (art. 43) the one above."""
    if case.reported_up_at is None:
        return str(case.unit_code)
    task = await one(Task, case_id=case.id, branch=0, closed_at=None)
    return str(task.unit_code if task else case.unit_code)


async def swap(case: Case, revision: int, **changes: object) -> None:
    """Writes `changes` if the case is still at `revision`, and brings `case` up to date.

    Raises ChangedMeanwhile when somebody else was first: on both databases exactly one writer wins a revision.
    """
    changed = await change(Case, {"id": case.id, "revision": revision}, revision=revision + 1, **changes)
    if changed != 1:
        raise ChangedMeanwhile(subject=f"case:{case.number}")
    case.update_from_dict({"revision": revision + 1, **changes})


async def view(case: Case) -> CaseView:
    task = await one(Task, case_id=case.id, branch=0, closed_at=None)
    return CaseView(
        number=case.number,
        status=Status(case.status),
        revision=case.revision,
        step=task.step if task else None,
        committed_due=case.committed_due,
        statutory_due=case.statutory_due,
    )


async def view_case(work: Work, act: ViewCase) -> Done:
    """Logs that the actor looked at the case or at one of its files (查阅留痕)."""
    case = await find(act.case)
    viewer = f"{work.actor.kind}:{work.actor.id}"
    await ViewLog.create(case_id=case.id, what=act.what, viewer=viewer, at=work.now)
    return Done()
