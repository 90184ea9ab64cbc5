"""Who may act on a case, asked at the moment of the act from the directory, not from what a token once said."""

from collections.abc import Collection

from casework.acts import (
    Channel,
    Decide,
    ExtendClock,
    FileApplication,
    PrepareDecision,
    ReceiveSupplement,
    ResumeClock,
    StopClock,
    ViewCase,
)
from casework.rules import CaseworkRules
from casework.tables import Case, Task
from kernel.actor import ActorKind, Role
from kernel.permissions import permission
from kernel.tables import Officer
from kernel.work import Work

#: Roles whose office is to watch every unit.
SUPERVISORS = (Role.SUPERVISOR, Role.SUPERVISION_LEADER, Role.EFFICIENCY_OFFICE)


@permission("holder of the step's task")
async def holder_of_the_task(work: Work, act: Decide | PrepareDecision) -> bool:
    """An active officer of the task's unit and role. Also true after the step was closed, so that the one who comes
    second hears that the case has moved on, not that they were never entitled."""
    officer = await _officer(work)
    case = await Case.get_or_none(number=act.case)
    if officer is None or case is None:
        return False
    task = await Task.filter(case_id=case.id, step=act.step).order_by("-id").first()
    if task is None or task.unit_code != officer.unit_code or task.role not in officer.roles:
        return False
    return task.assignee in (None, officer.id)


@permission("officer of the case's unit who handles it")
async def handler_of_the_case(work: Work, act: StopClock | ResumeClock) -> bool:
    officer, case = await _officer(work), await Case.get_or_none(number=act.case)
    return _works_on(officer, case, Role.HANDLER, Role.SECTION_HEAD, Role.DEPUTY_LEADER)


@permission("head of the case's authority")
async def head_of_the_authority(work: Work, act: ExtendClock) -> bool:
    """Source: Administrative Licensing Law, art. 42(1): 经本行政机关负责人批准."""
    officer, case = await _officer(work), await Case.get_or_none(number=act.case)
    return _works_on(officer, case, Role.UNIT_HEAD, Role.DEPUTY_LEADER)


@permission("window clerk")
async def window_clerk(work: Work, act: ReceiveSupplement) -> bool:
    officer = await _officer(work)
    return (
        officer is not None
        and officer.unit_code == work.given(CaseworkRules).hall_unit
        and Role.WINDOW_CLERK in officer.roles
    )


@permission("applicant online, or window clerk")
async def may_file(work: Work, act: FileApplication) -> bool:
    """Online anybody may apply, for themselves and for today; everything else is the window's."""
    if act.channel == Channel.ONLINE:
        return act.received_on is None
    if act.channel == Channel.SELF_BUILT:
        return False
    officer = await _officer(work)
    return officer is not None and Role.WINDOW_CLERK in officer.roles


@permission("officer who may see the case")
async def may_see(work: Work, act: ViewCase) -> bool:
    officer = await _officer(work)
    if officer is None:
        return False
    shown = visible_cases(officer.roles, unit="$2")
    found = await work.database.rows(
        f"SELECT c.id FROM case_file c WHERE c.number = $1 AND {shown}", act.case, officer.unit_code
    )
    return bool(found)


def visible_cases(roles: Collection[str], *, unit: str) -> str:
    """THE rule of who may see a case, as an SQL condition on `case_file c`; `unit`: where their unit is bound.

    A unit's officers see its cases and those that were ever at the unit, supervisors every case; a secret case is
    seen where its open step is, and nowhere else.
    """
    open_here = f"EXISTS (SELECT 1 FROM task o WHERE o.case_id = c.id AND o.closed_at IS NULL AND o.unit_code = {unit})"
    if not set(SUPERVISORS).isdisjoint(roles):
        return f"(c.secret = FALSE OR {open_here})"
    was_here = f"EXISTS (SELECT 1 FROM task h WHERE h.case_id = c.id AND h.unit_code = {unit})"
    return f"((c.secret = FALSE AND (c.unit_code = {unit} OR {was_here})) OR {open_here})"


async def _officer(work: Work) -> Officer | None:
    if work.actor.kind is not ActorKind.OFFICER:
        return None
    return await Officer.get_or_none(id=work.actor.id, active=True)


def _works_on(officer: Officer | None, case: Case | None, *roles: Role) -> bool:
    if officer is None or case is None or officer.unit_code != case.unit_code:
        return False
    return not set(roles).isdisjoint(officer.roles)
