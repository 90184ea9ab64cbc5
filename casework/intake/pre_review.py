"""材料预审 and 原件核对: what an officer finds in the materials before acceptance, and the originals at the window.

A pre-review happens inside the five working days and stops nothing: silence accepts an application that was only
pre-reviewed. "Passed, originals needed" asks the applicant to the window, and nothing is decided before the window
has recorded what it saw.

Source: 网上预审后通知申请人提供原始材料; the three modes of handling; Administrative Licensing Law, art. 32(1)(4), 34.
"""

from casework.acts import CaseView, Status
from casework.catalogue.definitions import ItemDefinition, ServiceMode
from casework.catalogue.publishing import version_of
from casework.files import find, swap, view
from casework.intake.acts import PreReviewOutcome, RecordOriginals, ReviewMaterials
from casework.intake.events import MaterialsReviewed, OriginalsAsked, OriginalsChecked
from casework.intake.refusals import OriginalsAlreadyChecked, OriginalsNotAsked, PreReviewClosed
from casework.intake.tables import OriginalsCheck, PreReview
from casework.papers.documents import issue
from casework.papers.kinds import DocumentKind
from casework.refusals import OpinionMissing, ToldTooLate
from casework.rules import CaseworkRules
from casework.tables import Case
from kernel.refusals import Invalid
from kernel.work import Work

_LONGEST = 500
#: While the originals may still be looked at.
_UNDECIDED = (Status.RECEIVED, Status.AWAITING_SUPPLEMENT, Status.IN_APPROVAL)


async def review_materials(work: Work, act: ReviewMaterials) -> CaseView:
    """预审. Raises PRE_REVIEW_CLOSED, TOLD_TOO_LATE, OPINION_MISSING, ORIGINALS_NOT_ASKED."""
    case = await find(act.case)
    if case.status != Status.RECEIVED:
        raise PreReviewClosed()
    if case.deemed_at is not None and work.now >= case.deemed_at:
        raise ToldTooLate(case=case.number)
    opinion = act.opinion.strip()
    if not opinion:
        raise OpinionMissing()
    if len(opinion) > _LONGEST:
        raise Invalid(field="预审意见", why=f"不超过{_LONGEST}字")
    await swap(case, act.revision)
    await PreReview.create(
        case_id=case.id,
        outcome=act.outcome,
        opinion=opinion,
        officer=work.actor.id,
        officer_name=work.actor.name,
        at=work.now,
    )
    work.record(MaterialsReviewed(case=case.number, outcome=act.outcome, officer=work.actor.id))
    if act.outcome is PreReviewOutcome.ORIGINALS:
        await _ask_for_originals(work, case, opinion)
    return await view(case)


async def record_originals(work: Work, act: RecordOriginals) -> CaseView:
    """核对: what the window saw, also unasked. A check that found differences may be done again.

    Raises ORIGINALS_ALREADY_CHECKED, ORIGINALS_NOT_ASKED, INVALID.
    """
    case = await find(act.case)
    check = await OriginalsCheck.get_or_none(case_id=case.id)
    if (check is not None and check.matches) or case.status not in _UNDECIDED:
        raise OriginalsAlreadyChecked()
    if check is None and (await _item_of(case)).mode is ServiceMode.ONLINE:
        raise OriginalsNotAsked()
    note = act.note.strip()
    if (not act.matches and not note) or len(note) > _LONGEST:
        raise Invalid(field="核对情况", why=f"不一致的须写明何处不一致（不超过{_LONGEST}字）")
    await swap(case, act.revision)
    check = check or OriginalsCheck(case_id=case.id, unit_code=work.actor.unit or "")
    check.checked_at, check.matches, check.note, check.officer = work.now, act.matches, note, work.actor.id
    await check.save()
    work.record(OriginalsChecked(case=case.number, matches=act.matches, officer=work.actor.id))
    return await view(case)


async def _ask_for_originals(work: Work, case: Case, opinion: str) -> None:
    """The notice to the applicant and the window's to-do; asking again asks the same once."""
    if (await _item_of(case)).mode is ServiceMode.ONLINE:
        raise OriginalsNotAsked()
    if await OriginalsCheck.exists(case_id=case.id):
        return
    window = case.window_unit or work.given(CaseworkRules).hall_unit
    notice = await issue(
        work,
        case,
        DocumentKind.ORIGINALS,
        lines=(("预审意见", opinion), ("核对地点", "请携带所提交材料的原件到受理窗口核对")),
        unit=window,
    )
    await OriginalsCheck.create(case_id=case.id, unit_code=window, notice=notice.number, asked_at=work.now)
    work.record(OriginalsAsked(case=case.number, document=notice.number, window=window, officer=work.actor.id))


async def _item_of(case: Case) -> ItemDefinition:
    _, definition = await version_of(case.item_code, case.item_version)
    return definition
