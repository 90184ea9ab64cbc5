"""当场更正: errors in an application that the applicant mends at the window, and the case goes on.

Source: Administrative Licensing Law, art. 32(1)(3): 可以当场更正的错误，应当允许申请人当场更正. It is no supplement: no
notice, no new deadline, and the one supplement notice that the law allows is still to be had.
"""

from casework.acts import CaseView, Status
from casework.files import find, swap, view
from casework.flow.turn import stage_of
from casework.intake import papers
from casework.intake.acts import CorrectOnSpot
from casework.intake.admission import check_form, check_materials, check_person
from casework.intake.events import CorrectedOnSpot
from casework.intake.filing import keep_materials
from casework.intake.refusals import CorrectionTooLate, NothingCorrected
from casework.refusals import ToldTooLate
from kernel.work import Work

_ENTRIES = ("applicant_name", "applicant_id_number", "applicant_phone", "form")


async def correct_on_spot(work: Work, act: CorrectOnSpot) -> CaseView:
    """Mends the entries that are given. Raises CORRECTION_TOO_LATE, TOLD_TOO_LATE, NOTHING_CORRECTED, INVALID,
    FORM_ANSWERS_INVALID.
    """
    case = await find(act.case)
    if case.status != Status.RECEIVED:
        raise CorrectionTooLate()
    if case.deemed_at is not None and work.now >= case.deemed_at:
        raise ToldTooLate(case=case.number)
    corrected = tuple(line.strip() for line in act.corrected if line.strip())
    if not corrected:
        raise NothingCorrected()
    mended: dict[str, object] = {name: value for name in _ENTRIES if (value := getattr(act, name))}
    check_person(
        "申请人",
        act.applicant_name or case.applicant_name,
        act.applicant_id_number or case.applicant_id_number,
        act.applicant_phone or case.applicant_phone,
    )
    check_materials(act.materials)
    stage = await stage_of(case)
    if act.form:
        check_form(stage, case.channel, act.form)
    await swap(case, act.revision, **mended)
    await keep_materials(work, case, act.materials)
    await papers.follow(work, case, stage, window=work.actor.unit or case.window_unit, at_window=True)
    fields = (*mended, *(["materials"] if act.materials else []))
    work.record(CorrectedOnSpot(case=case.number, fields=fields, corrected=len(corrected), officer=work.actor.id))
    return await view(case)
