"""What a granted case does to the library: issues, changes, renews, reviews or cancels, in the decision's transaction.

Source: Administrative Licensing Law, art. 39 (certificates), 49 (变更), 50 (延续), 70 (注销). A licence from before the
library has no entry: changing or renewing it makes one; cancelling or reviewing it leaves nothing to write down.
"""

from datetime import timedelta

from casework.catalogue.definitions import ItemDefinition, StageKind
from casework.catalogue.definitions import Licence as LicenceTerms
from casework.catalogue.publishing import version_of
from casework.clock.working_days import day_of
from casework.licences.acts import LicenceChangeKind, LicenceState
from casework.licences.events import LicenceChanged, LicenceEnded, LicenceIssued, LicenceRenewed
from casework.licences.refusals import LicenceNotStanding, LicenceOfAnotherHolder, LicenceOfAnotherItem
from casework.licences.register import STATE_NAMES, amend, enter, find_licence, go_on_reviewing, term, valid_until
from casework.licences.results import publish_result
from casework.licences.reviews import pass_review
from casework.licences.tables import Licence
from casework.tables import Case, Document
from kernel.work import Work

#: States after which nothing can be done with a licence by applying for it.
_ENDED = (LicenceState.CANCELLED, LicenceState.REVOKED, LicenceState.WITHDRAWN)
#: Stages that make an entry when the case names none that the library knows.
_MAKE_ONE = (StageKind.CHANGE, StageKind.RENEWAL, StageKind.RECORD)


async def carry_out(work: Work, case: Case, decision: Document) -> None:
    """Does what the granted `case` asked for. Raises what `of_applicant` raises."""
    _, item = await version_of(case.item_code, case.item_version)
    licence = await _touched(work, case, item, item.licence, decision) if item.licence is not None else None
    await publish_result(work, case, item, decision, licence)


async def of_applicant(number: str, *, item_code: str, holder_id_number: str) -> Licence:
    """The licence an application to renew, review or cancel is about.

    Raises UNKNOWN_LICENCE, LICENCE_OF_ANOTHER_ITEM, LICENCE_OF_ANOTHER_HOLDER, LICENCE_NOT_STANDING.
    """
    licence = await _standing(number, item_code)
    if licence.holder_id_number != holder_id_number:
        raise LicenceOfAnotherHolder(licence=number)
    return licence


async def renew(work: Work, licence_number: str, *, case_number: str, deemed: bool = False) -> Licence:
    """延续: one more term, from the day after the old one ended, sealed anew.

    `deemed`: by the law, because nobody decided before the end. A licence that has lapsed in the meantime stands
    again; one whose new term would be over by today begins today. Raises UNKNOWN_LICENCE, LICENCE_NOT_STANDING.
    """
    licence = await _standing(licence_number)
    case = await Case.get(number=case_number)
    _, item = await version_of(case.item_code, case.item_version)
    terms = item.licence or LicenceTerms(name=licence.kind)
    today = day_of(work.now)
    first = today if licence.valid_until is None else licence.valid_until + timedelta(days=1)
    until = valid_until(first, terms)
    if until is not None and until < today:
        until = valid_until(today, terms)
    change = LicenceChangeKind.DEEMED_RENEWED if deemed else LicenceChangeKind.RENEWED
    changes = {"state": LicenceState.VALID, **term(until, terms, today)}
    await amend(work, licence, change, changes, case=case_number)
    if terms.annual_review:
        await go_on_reviewing(licence, today)
    work.record(
        LicenceRenewed(
            licence=licence.number,
            case=licence.case_number,
            unit=licence.unit_code,
            sha256=licence.sha256,
            valid_until=until,
            by_case=case_number,
            deemed=deemed,
        )
    )
    return licence


async def _touched(
    work: Work, case: Case, item: ItemDefinition, terms: LicenceTerms, decision: Document
) -> Licence | None:
    kind = item.stage(case.stage_code).kind
    number = case.licence_number if await Licence.exists(number=case.licence_number) else ""
    if kind is StageKind.GRANT or (not number and kind in _MAKE_ONE):
        return await _issue(work, case, item, terms, unit=decision.unit_code)
    if kind is StageKind.RECORD or not number:
        return None
    if kind is StageKind.CHANGE:
        return await _change_holder(work, case)
    licence = await of_applicant(number, item_code=item.code, holder_id_number=case.applicant_id_number)
    if kind is StageKind.RENEWAL:
        return await renew(work, number, case_number=case.number)
    if kind is StageKind.CANCEL:
        return await _cancel(work, case, licence)
    await pass_review(work, licence, case=case.number)
    return licence


async def _issue(work: Work, case: Case, item: ItemDefinition, terms: LicenceTerms, *, unit: str) -> Licence:
    licence = await enter(work, case, item, terms, unit=unit)
    work.record(
        LicenceIssued(
            licence=licence.number,
            case=case.number,
            unit=licence.unit_code,
            sha256=licence.sha256,
            valid_until=licence.valid_until,
        )
    )
    return licence


async def _change_holder(work: Work, case: Case) -> Licence:
    """变更, also to another holder where a law lets a licence pass on (art. 9): the officers have decided it."""
    licence = await _standing(case.licence_number, case.item_code)
    await amend(
        work,
        licence,
        LicenceChangeKind.CHANGED,
        {
            "holder_name": case.applicant_name,
            "holder_id_number": case.applicant_id_number,
            "holder_phone": case.applicant_phone,
        },
        case=case.number,
    )
    work.record(
        LicenceChanged(
            licence=licence.number,
            case=licence.case_number,
            unit=licence.unit_code,
            sha256=licence.sha256,
            officer=work.actor.id,
            evidence=work.assured.evidence,
            by_case=case.number,
        )
    )
    return licence


async def _cancel(work: Work, case: Case, licence: Licence) -> Licence:
    await end(work, licence, LicenceState.CANCELLED, case=case.number, reason="持有人申请注销")
    return licence


async def end(work: Work, licence: Licence, state: LicenceState, *, case: str, reason: str) -> None:
    """Ends a licence for good; the clock has nothing more to do with it."""
    change = LicenceChangeKind(state.value)
    ended = {"state": state, "remind_on": None, "lapses_on": None}
    await amend(work, licence, change, ended, case=case, reason=reason)
    work.record(
        LicenceEnded(
            licence=licence.number,
            case=licence.case_number,
            unit=licence.unit_code,
            sha256=licence.sha256,
            state=state,
            officer=work.actor.id,
            evidence=work.assured.evidence,
            by_case=case,
        )
    )


async def _standing(number: str, item_code: str | None = None) -> Licence:
    licence = await find_licence(number)
    if item_code is not None and licence.item_code != item_code:
        raise LicenceOfAnotherItem(licence=number, item=item_code)
    if licence.state in _ENDED:
        raise LicenceNotStanding(licence=number, state=STATE_NAMES[LicenceState(licence.state)])
    return licence
