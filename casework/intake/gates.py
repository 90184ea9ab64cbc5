"""What must be true before a step is closed: the papers are here, the originals were seen, the authority is named.

Asked when a decision is prepared and again when it is performed. None of it holds up the law: silence accepts whether
or not papers and originals have come.

Source: paper follows the electronic flow (纸质材料同步流转); originals are checked after pre-review (预审后核对原件);
the three modes of handling (办理模式); Administrative Licensing Law, art. 32(1)(2), (4).
"""

from casework.acts import Channel, Decide, Decision, PrepareDecision
from casework.catalogue.definitions import ServiceMode
from casework.catalogue.publishing import version_of
from casework.flow import steps
from casework.flow.turn import Turn
from casework.intake.events import OriginalsChecked
from casework.intake.papers import missing_at
from casework.intake.refusals import (
    NotOursWithoutAuthority,
    OriginalsDiffer,
    OriginalsOutstanding,
    PapersNotReceived,
)
from casework.intake.tables import OriginalsCheck
from casework.refusals import NothingMissing
from casework.tables import Case, Task
from kernel.rows import one
from kernel.work import Work

#: Decisions that take the case forward: whoever closes such a step has the papers on the desk.
_FORWARD = frozenset({Decision.ACCEPT, Decision.AGREE, Decision.REPORT_UP, Decision.GRANT, Decision.REFUSE})
_NAMED = {Decision.ASK_SUPPLEMENT: NothingMissing, Decision.NOT_OURS: NotOursWithoutAuthority}
#: The words under which a clerk signs that the originals were seen as the result was handed out.
_ATTESTED = ("原件核对", "已当面核对原件，与网上提交的材料一致")


async def ensure_open(case: Case, task: Task, act: PrepareDecision | Decide) -> None:
    """Raises SUPPLEMENT_EMPTY, NOT_OURS_WITHOUT_AUTHORITY, PAPERS_NOT_RECEIVED, ORIGINALS_OUTSTANDING,
    ORIGINALS_DIFFER.
    """
    if act.decision in _NAMED and not any(item.strip() for item in act.items):
        raise _NAMED[act.decision]()
    # A co-unit at work beside the case's own line has no papers to wait for: there is one set.
    if act.decision in _FORWARD and task.branch == 0:
        absent = await missing_at(case, task.unit_code)
        if absent:
            raise PapersNotReceived(materials=absent)
    if act.decision in (Decision.GRANT, Decision.REFUSE):
        check = await one(OriginalsCheck, case_id=case.id)
        if check is not None and check.checked_at is None:
            raise OriginalsOutstanding()
        if check is not None and not check.matches and act.decision is Decision.GRANT:
            raise OriginalsDiffer()


async def attested(turn: Turn, act: PrepareDecision | Decide) -> list[tuple[str, str]]:
    """What a clerk signs besides when handing out the result of an application that no window has seen."""
    if act.decision is not Decision.DELIVER or not await _window_has_to_look(turn.case):
        return []
    return [_ATTESTED]


async def keep_attested(work: Work, turn: Turn, act: Decide) -> None:
    """Records the check that the signed delivery attested."""
    case = turn.case
    if turn.task.step != steps.DELIVER or not await _window_has_to_look(case):
        return
    # A check that was asked for and never done is still open where the law granted by silence (art. 50).
    check = await one(OriginalsCheck, case_id=case.id) or OriginalsCheck(case_id=case.id)
    check.unit_code, check.officer = turn.task.unit_code, work.actor.id
    check.checked_at, check.matches, check.note = work.now, True, _ATTESTED[1]
    await check.save()
    work.record(OriginalsChecked(case=case.number, matches=True, officer=work.actor.id))


async def _window_has_to_look(case: Case) -> bool:
    """Granted, filed online, of an item whose originals are checked at the window, and nobody did."""
    if case.channel != Channel.ONLINE or case.outcome != "granted":
        return False
    if await OriginalsCheck.exists(case_id=case.id, checked_at__isnull=False):
        return False
    _, definition = await version_of(case.item_code, case.item_version)
    return definition.mode is ServiceMode.PRE_REVIEW
