"""年检、年审: one row per licence and year, announced a year ahead, recorded by the unit or by a granted case.

A review that failed may be recorded again; what follows for the licence is a decision of its own. The day is the
anniversary of the day of issue.
"""

from casework.clock.working_days import day_of
from casework.licences.acts import LicenceState, RecordAnnualReview, ReviewState, ReviewView
from casework.licences.events import AnnualReviewRecorded
from casework.licences.refusals import LicenceNotStanding, LicenceReasonMissing, NoReviewOpen
from casework.licences.register import STATE_NAMES, add_months, announce_review, find_licence
from casework.licences.tables import AnnualReview, Licence
from kernel.work import Work

_OPEN = (ReviewState.DUE, ReviewState.OVERDUE, ReviewState.FAILED)
_LONGEST = 200


async def record_annual_review(work: Work, act: RecordAnnualReview) -> ReviewView:
    """Raises UNKNOWN_LICENCE, LICENCE_NOT_STANDING, LICENCE_REASON_MISSING, NO_REVIEW_OPEN."""
    licence = await find_licence(act.licence)
    if licence.state != LicenceState.VALID:
        raise LicenceNotStanding(licence=licence.number, state=STATE_NAMES[LicenceState(licence.state)])
    if not 0 < len(act.opinion.strip()) <= _LONGEST:
        raise LicenceReasonMissing()
    review = await _open(licence)
    if review is None:
        raise NoReviewOpen(licence=licence.number)
    return await _record(work, licence, review, passed=act.passed, opinion=act.opinion, case="")


async def pass_review(work: Work, licence: Licence, *, case: str) -> None:
    """A granted case of the review's stage. Raises NO_REVIEW_OPEN."""
    review = await _open(licence)
    if review is None:
        raise NoReviewOpen(licence=licence.number)
    await _record(work, licence, review, passed=True, opinion="", case=case)


async def _open(licence: Licence) -> AnnualReview | None:
    """The oldest review that has not been passed."""
    return await AnnualReview.filter(licence_id=licence.id, state__in=_OPEN).order_by("due_on").first()


async def _record(
    work: Work, licence: Licence, review: AnnualReview, *, passed: bool, opinion: str, case: str
) -> ReviewView:
    state = ReviewState.PASSED if passed else ReviewState.FAILED
    await AnnualReview.filter(id=review.id).update(
        state=state,
        opinion=opinion,
        officer=work.actor.id,
        case_number=case,
        reviewed_at=work.now,
        # A failed review is still to be passed by its day.
        clock_on=None if passed or review.due_on < day_of(work.now) else review.clock_on,
    )
    if passed:
        await announce_review(licence, due_on=add_months(review.due_on, 12))
    work.record(
        AnnualReviewRecorded(
            licence=licence.number,
            case=licence.case_number,
            unit=licence.unit_code,
            due_on=review.due_on,
            passed=passed,
            officer=work.actor.id,
        )
    )
    return ReviewView(licence=licence.number, due_on=review.due_on, state=state)
