"""即时催办: one word to everybody whose turn it is: a text, a mark in their to-do list, a line in the record.

Urging changes no deadline and no revision, so it never disturbs whoever is signing. How often one case may be urged is
the region's rule; the count is shown to supervision.
"""

from datetime import timedelta

from tortoise.expressions import F, Q

from casework.clock.working_days import CHINA
from casework.files import find
from casework.flow.acts import Urge
from casework.flow.events import CaseUrged
from casework.flow.refusals import NothingToUrge, UrgedRecently
from casework.flow.tasks import NEVER
from casework.rules import CaseworkRules
from casework.tables import Case, Task
from kernel.acts import Done
from kernel.work import Work


async def urge(work: Work, act: Urge) -> Done:
    """Urges every open turn of the case. Raises NOTHING_TO_URGE, URGED_RECENTLY with the moment from when again."""
    case = await find(act.case)
    # A turn without any limit waits for the applicant, not for an officer.
    turns = await Task.filter(case_id=case.id, closed_at=None, sort_at__lt=NEVER).order_by("branch", "id")
    if not turns:
        raise NothingToUrge(case=case.number)
    await _claim(work, case)
    for task in turns:
        work.record(
            CaseUrged(
                case=case.number,
                task=task.id,
                step=task.step,
                role=task.role,
                unit=task.unit_code,
                count=case.urges + 1,
                officer=work.actor.id,
                by_unit=work.actor.unit or "",
                assignee=task.assignee,
            )
        )
    return Done(count=len(turns))


async def _claim(work: Work, case: Case) -> None:
    """Counts this urging, if it is time for one: of several at once one is counted."""
    pause = timedelta(hours=work.given(CaseworkRules).urge_every_hours)
    due = Q(urged_at=None) | Q(urged_at__lte=work.now - pause)
    if await Case.filter(due, id=case.id).update(urges=F("urges") + 1, urged_at=work.now) == 1:
        return
    await case.refresh_from_db(fields=["urged_at"])
    again = (case.urged_at or work.now) + pause
    raise UrgedRecently(again_at=f"{again.astimezone(CHINA):%Y-%m-%d %H:%M}")
