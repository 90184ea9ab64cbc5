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
from casework.clock.acts import (
    AnnounceHearing,
    AskHearing,
    HoldHearing,
    PrepareExtension,
    TellHearingRight,
    TellLonger,
)
from casework.files import unit_in_charge
from casework.flow.acts import FilePackage, Urge
from casework.flow.delegations import in_whose_name, is_own
from casework.intake.acts import (
    ChargeUnlisted,
    ConfirmPapers,
    CorrectOnSpot,
    EnterFee,
    HandOverPapers,
    RecordOriginals,
    ReviewMaterials,
    SettleBill,
    WaivePapers,
)
from casework.rules import CaseworkRules
from casework.tables import Case, Task
from kernel.actor import ActorKind, Role
from kernel.permissions import permission
from kernel.rows import one
from kernel.tables import Officer
from kernel.work import Work

AtTheWindow = (
    ReceiveSupplement | ReviewMaterials | RecordOriginals | CorrectOnSpot | EnterFee | ChargeUnlisted | SettleBill
)
OfTheHandler = StopClock | TellLonger | ResumeClock | TellHearingRight | AnnounceHearing | HoldHearing
OfPapers = HandOverPapers | ConfirmPapers | WaivePapers

#: Who is a head (负责人) of an authority. Source: Administrative Licensing Law, art. 42(1).
AUTHORITY_HEADS = (Role.UNIT_HEAD, Role.DEPUTY_LEADER)
#: Roles whose office is to watch every unit.
SUPERVISORS = (Role.SUPERVISOR, Role.SUPERVISION_LEADER, Role.EFFICIENCY_OFFICE)


@permission("holder of the step's task")
async def holder_of_the_task(work: Work, act: Decide | PrepareDecision) -> bool:
    """An active officer of the task's unit and role, or who stands in for one. Also true after the step was closed, so
    that the one who comes second hears that the case has moved on, not that they were never entitled."""
    officer = await _officer(work)
    case = await one(Case, number=act.case)
    if officer is None or case is None:
        return False
    task = await one(Task, case_id=case.id, step=act.step)
    if task is None:
        return False
    return is_own(officer, task) or await in_whose_name(work, officer, task, case.item_code) is not None


@permission("officer of the case's unit who handles it")
async def handler_of_the_case(work: Work, act: OfTheHandler) -> bool:
    officer, case = await _officer(work), await one(Case, number=act.case)
    return await _is_in_charge(officer, case, Role.HANDLER, Role.SECTION_HEAD, Role.DEPUTY_LEADER)


@permission("head of the case's authority, or of the government")
async def head_who_may_extend(work: Work, act: PrepareExtension | ExtendClock) -> bool:
    """Source: Administrative Licensing Law, art. 42: 经本行政机关负责人批准, and of joint handling
    经本级人民政府负责人批准. Which of the two a case needs is said by its ledger."""
    officer, case = await _officer(work), await one(Case, number=act.case)
    if officer is not None and case is not None and Role.GOVERNMENT_HEAD in officer.roles:
        return True
    return await _is_in_charge(officer, case, *AUTHORITY_HEADS)


@permission("applicant with the query password, or officer of the window or the case's unit")
async def may_ask_hearing(work: Work, act: AskHearing) -> bool:
    """The password of whoever is no officer is asked inside."""
    if work.actor.kind is not ActorKind.OFFICER:
        return True
    officer, case = await _officer(work), await one(Case, number=act.case)
    window = (case.window_unit if case else "") or work.given(CaseworkRules).hall_unit
    is_clerk = officer is not None and officer.unit_code == window and Role.WINDOW_CLERK in officer.roles
    return is_clerk or await _is_in_charge(officer, case, Role.HANDLER, Role.SECTION_HEAD)


@permission("clerk of the window that keeps the case")
async def window_clerk(work: Work, act: AtTheWindow) -> bool:
    officer, case = await _officer(work), await one(Case, number=act.case)
    window = (case.window_unit if case else "") or work.given(CaseworkRules).hall_unit
    return officer is not None and officer.unit_code == window and Role.WINDOW_CLERK in officer.roles


@permission("handler or section head of the case's unit")
async def reviewer_of_the_case(work: Work, act: ReviewMaterials) -> bool:
    officer, case = await _officer(work), await one(Case, number=act.case)
    return _works_on(officer, case, Role.HANDLER, Role.SECTION_HEAD)


@permission("whoever has, or waits for, the case's papers")
async def keeper_of_the_papers(work: Work, act: OfPapers) -> bool:
    """Window clerks and handlers of the units where the case is, was, or its papers were sent."""
    officer = await _officer(work)
    if officer is None or {Role.WINDOW_CLERK, Role.HANDLER, Role.SECTION_HEAD}.isdisjoint(officer.roles):
        return False
    found = await work.database.rows(
        "SELECT c.id FROM case_file c WHERE c.number = $1 AND (c.unit_code = $2 OR c.window_unit = $2"
        " OR EXISTS (SELECT 1 FROM task t WHERE t.case_id = c.id AND t.unit_code = $2)"
        " OR EXISTS (SELECT 1 FROM paper_move p WHERE p.case_id = c.id AND p.to_unit = $2))",
        act.case,
        officer.unit_code,
    )
    return bool(found)


@permission("applicant online, or window clerk")
async def may_file(work: Work, act: FileApplication) -> bool:
    """Online anybody may apply, for themselves and for today; everything else is the window's."""
    return await _may_file(work, act)


@permission("applicant online, or window clerk")
async def may_file_package(work: Work, act: FilePackage) -> bool:
    return await _may_file(work, act.application)


async def _may_file(work: Work, act: FileApplication) -> bool:
    if act.channel == Channel.ONLINE:
        return act.received_on is None
    if act.channel == Channel.SELF_BUILT:
        return False
    officer = await _officer(work)
    return officer is not None and Role.WINDOW_CLERK in officer.roles


@permission("officer who may see the case")
async def may_see(work: Work, act: ViewCase | Urge) -> bool:
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
    return await one(Officer, id=work.actor.id, active=True)


def _works_on(officer: Officer | None, case: Case | None, *roles: Role) -> bool:
    if officer is None or case is None or officer.unit_code != case.unit_code:
        return False
    return not set(roles).isdisjoint(officer.roles)


async def _is_in_charge(officer: Officer | None, case: Case | None, *roles: Role) -> bool:
    """The same of the unit that handles the case now."""
    if officer is None or case is None or officer.unit_code != await unit_in_charge(case):
        return False
    return not set(roles).isdisjoint(officer.roles)
