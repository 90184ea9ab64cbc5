"""延续: an application to renew comes thirty days before the licence ends, and from then on the clock watches the end.

Source: Administrative Licensing Law, art. 50. What happens at the end: `silence`.
Limits: a licence that the library does not hold has no end that anybody here knows.
"""

from casework.catalogue.definitions import Stage, StageKind
from casework.clock.refusals import RenewalTooLate
from casework.clock.tables import Renewal
from casework.clock.time_limits import renew_by, renewed_by_silence_at
from casework.clock.working_days import Calendar
from casework.licences import grants
from casework.licences.tables import Licence
from casework.rules import CaseworkRules
from casework.tables import Case
from kernel.work import Work


async def watch_renewal(work: Work, case: Case, stage: Stage) -> None:
    """For a case just filed: if it renews a licence that ends, its end is watched.

    Raises RENEWAL_TOO_LATE when it was received fewer than thirty days before the licence ends, and what
    `grants.of_applicant` raises about a licence that is not theirs to renew.
    """
    if stage.kind is not StageKind.RENEWAL or not case.licence_number:
        return
    if not await Licence.exists(number=case.licence_number):
        return
    licence = await grants.of_applicant(
        case.licence_number, item_code=case.item_code, holder_id_number=case.applicant_id_number
    )
    if (valid_until := licence.valid_until) is None:
        return
    by = renew_by(valid_until, work.given(Calendar), work.given(CaseworkRules).renewal_days_unit)
    if case.received_on > by:
        raise RenewalTooLate(licence=licence.number, valid_until=valid_until.isoformat(), by=by.isoformat())
    await Renewal.create(
        case_id=case.id,
        licence_number=licence.number,
        valid_until=valid_until,
        silent_at=renewed_by_silence_at(valid_until),
    )
