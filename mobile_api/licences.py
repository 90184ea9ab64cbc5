"""The library of licences: what a unit reads and does, what anybody may check, and the public list of decisions."""

import re
from datetime import date, datetime
from typing import Annotated

import strawberry

from casework.licences.acts import (
    ChangeLicence,
    CheckLicence,
    EndLicence,
    LicencesView,
    LicenceView,
    LookUpLicences,
    PrepareLicenceChange,
    PrepareLicenceEnd,
    RecordAnnualReview,
    ReviewView,
    ViewLicence,
)
from casework.licences.acts import LicenceStanding as StandingView
from casework.licences.queries import licence_detail, unit_licences
from casework.licences.results import granted_decisions
from kernel.acts import Done
from kernel.refusals import Invalid
from mobile_api.context import Info, perform
from mobile_api.enums import LicenceChangeKind, LicenceEnding, LicenceState, ReviewState
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal
from mobile_api.scalars import decoded, encoded
from mobile_api.signing import SignedInput, SigningResult, signing_payload

_ID = re.compile(rb"[0-9]{1,18}")


@strawberry.type(description="What other units may know of a licence.")
class LicenceSummary:
    number: strawberry.ID
    kind: str
    item: str
    unit: str
    unit_name: str | None
    holder_name: str
    issued_on: date
    valid_from: date
    valid_until: date | None
    state: LicenceState
    revision: int
    sha256: str


@strawberry.type(description="One revision; the first is the issue. Each is sealed by the unit and kept.")
class LicenceRevision:
    revision: int
    change: LicenceChangeKind
    case_number: str | None
    reason: str
    sha256: str
    evidence: str | None
    officer_name: str | None
    at: datetime


@strawberry.type
class AnnualReview:
    due_on: date
    state: ReviewState
    opinion: str
    case_number: str | None
    officer_name: str | None
    reviewed_at: datetime | None


@strawberry.type(description="A licence as its unit holds it. The holder's numbers are masked for supervision.")
class LicenceEntry:
    number: strawberry.ID
    kind: str
    item: str
    case_number: str
    unit: str
    unit_name: str | None
    holder_name: str
    holder_id_number: str
    holder_phone: str
    issued_on: date
    valid_from: date
    valid_until: date | None
    state: LicenceState
    revision: int
    sha256: str
    seal_serial: str


@strawberry.type(description="With its history and its annual reviews.")
class Licence(LicenceEntry):
    history: list[LicenceRevision]
    reviews: list[AnnualReview]


@strawberry.type
class LicencePage:
    nodes: list[LicenceEntry]
    end_cursor: str | None


@strawberry.type(description="All that the public may know of a licence.")
class LicenceStanding:
    number: strawberry.ID
    kind: str
    state: LicenceState
    valid_until: date | None


@strawberry.type
class LicencesFound:
    licences: list[LicenceSummary]


@strawberry.type
class LicencePayload:
    licence: LicenceSummary


@strawberry.type
class ReviewPayload:
    number: strawberry.ID
    due_on: date
    state: ReviewState


@strawberry.type(description="A granted decision, masked: no person can be recognised. `state`: of its licence today.")
class GrantedDecision:
    number: strawberry.ID
    item: str
    item_name: str
    unit: str
    unit_name: str | None
    holder: str
    holder_id: str
    document: str
    licence: str | None
    state: LicenceState | None
    decided_on: date
    valid_until: date | None


@strawberry.type
class GrantedDecisionPage:
    nodes: list[GrantedDecision]
    end_cursor: str | None


LicenceCheckResult = Annotated[LicenceStanding | Refusal, strawberry.union("LicenceCheckResult")]
LicenceLookupResult = Annotated[LicencesFound | Refusal, strawberry.union("LicenceLookupResult")]
LicenceResult = Annotated[LicencePayload | Refusal, strawberry.union("LicenceResult")]
ReviewResult = Annotated[ReviewPayload | Refusal, strawberry.union("ReviewResult")]


@strawberry.input(description="Who holds it from now on; the same when preparing and when changing.")
class LicenceChangeInput:
    licence: strawberry.ID
    revision: int
    holder_name: str
    holder_id_number: str
    holder_phone: str
    reason: str


@strawberry.input(description="The same when preparing and when ending.")
class LicenceEndInput:
    licence: strawberry.ID
    revision: int
    ending: LicenceEnding
    reason: str


async def _granted_decisions(
    info: Info, first: int = 20, after: str | None = None, unit: str | None = None, item: str | None = None
) -> GrantedDecisionPage:
    context = info.context
    rows, end = await granted_decisions(
        context.services.database, first=context.page(first), before=_id_of(after), unit=unit, item=item
    )
    return shaped(GrantedDecisionPage, {"nodes": rows, "end_cursor": _cursor(end)})


async def _licence_check(info: Info, number: strawberry.ID, holder_check: str) -> LicenceCheckResult:
    return await perform(info, CheckLicence(licence=number, holder_check=holder_check), _standing)


async def _licence_lookup(
    info: Info, case: strawberry.ID, holder_id_number: str, reason: str, kind: str = ""
) -> LicenceLookupResult:
    act = LookUpLicences(case=case, holder_id_number=holder_id_number, reason=reason, kind=kind)
    return await perform(info, act, _found)


async def _licence(info: Info, number: strawberry.ID) -> Licence | None:
    officer = info.context.officer()
    if isinstance(await perform(info, ViewLicence(licence=number), _nothing), Refusal):
        return None
    row = await licence_detail(info.context.services.database, officer, number)
    return None if row is None else shaped(Licence, row)


async def _unit_licences(
    info: Info, first: int = 20, after: str | None = None, state: LicenceState | None = None
) -> LicencePage:
    context = info.context
    rows, end = await unit_licences(
        context.services.database, context.officer(), state=state, first=context.page(first), before=_id_of(after)
    )
    return shaped(LicencePage, {"nodes": rows, "end_cursor": _cursor(end)})


async def _prepare_licence_change(info: Info, change: LicenceChangeInput) -> SigningResult:
    act = PrepareLicenceChange(
        licence=change.licence,
        revision=change.revision,
        holder_name=change.holder_name,
        holder_id_number=change.holder_id_number,
        holder_phone=change.holder_phone,
        reason=change.reason,
    )
    return await perform(info, act, signing_payload)


async def _change_licence(
    info: Info, idempotency_key: str, change: LicenceChangeInput, signed: SignedInput
) -> LicenceResult:
    act = ChangeLicence(
        licence=change.licence,
        revision=change.revision,
        holder_name=change.holder_name,
        holder_id_number=change.holder_id_number,
        holder_phone=change.holder_phone,
        reason=change.reason,
    )
    return await perform(info, act, _payload, key=idempotency_key, proof=signed.to_proof())


async def _prepare_licence_end(info: Info, end: LicenceEndInput) -> SigningResult:
    act = PrepareLicenceEnd(licence=end.licence, revision=end.revision, ending=end.ending, reason=end.reason)
    return await perform(info, act, signing_payload)


async def _end_licence(info: Info, idempotency_key: str, end: LicenceEndInput, signed: SignedInput) -> LicenceResult:
    act = EndLicence(licence=end.licence, revision=end.revision, ending=end.ending, reason=end.reason)
    return await perform(info, act, _payload, key=idempotency_key, proof=signed.to_proof())


async def _record_annual_review(
    info: Info, idempotency_key: str, licence: strawberry.ID, passed: bool, opinion: str
) -> ReviewResult:
    act = RecordAnnualReview(licence=licence, passed=passed, opinion=opinion)
    return await perform(info, act, _reviewed, key=idempotency_key)


def _nothing(view: Done) -> None:
    """The view was logged; there is nothing to show of that."""


def _standing(view: StandingView) -> LicenceStanding:
    return LicenceStanding(
        number=strawberry.ID(view.number), kind=view.kind, state=view.state, valid_until=view.valid_until
    )


def _found(view: LicencesView) -> LicencesFound:
    return LicencesFound(licences=[_summary(licence) for licence in view.licences])


def _payload(view: LicenceView) -> LicencePayload:
    return LicencePayload(licence=_summary(view))


def _summary(view: LicenceView) -> LicenceSummary:
    return LicenceSummary(
        number=strawberry.ID(view.number),
        kind=view.kind,
        item=view.item,
        unit=view.unit,
        unit_name=view.unit_name,
        holder_name=view.holder_name,
        issued_on=view.issued_on,
        valid_from=view.valid_from,
        valid_until=view.valid_until,
        state=view.state,
        revision=view.revision,
        sha256=view.sha256,
    )


def _reviewed(view: ReviewView) -> ReviewPayload:
    return ReviewPayload(number=strawberry.ID(view.licence), due_on=view.due_on, state=view.state)


def _cursor(last: int | None) -> str | None:
    return None if last is None else encoded(str(last).encode())


def _id_of(cursor: str | None) -> int | None:
    """Raises INVALID for a cursor that this server never gave out."""
    if cursor is None:
        return None
    try:
        number = decoded(cursor)
    except ValueError:
        number = b""
    if not _ID.fullmatch(number):
        raise Invalid(field="after", why="游标无效，请从第一页重新读取")
    return int(number)


@strawberry.type
class LicenceQueries:
    granted_decisions: GrantedDecisionPage = strawberry.field(
        resolver=_granted_decisions, description="For everybody: what was granted, newest first, as each item allows."
    )
    licence_check: LicenceCheckResult = strawberry.field(
        resolver=_licence_check,
        description="For everybody: whether a licence stands. `holderCheck`: the last four of the holder's id number.",
    )
    licence_lookup: LicenceLookupResult = strawberry.field(
        resolver=_licence_lookup,
        description="A holder's licences, for a case the caller may see; every read is logged with its reason.",
    )
    licence: Licence | None = strawberry.field(
        resolver=_licence, description="For its unit and for supervision; null otherwise. Every view is logged."
    )
    unit_licences: LicencePage = strawberry.field(
        resolver=_unit_licences, description="The licences of the caller's unit, newest first."
    )


@strawberry.type
class LicenceMutations:
    prepare_licence_change: SigningResult = strawberry.field(
        resolver=_prepare_licence_change, description="The exact bytes to sign for `changeLicence` with the same input."
    )
    change_licence: LicenceResult = strawberry.field(resolver=_change_licence)
    prepare_licence_end: SigningResult = strawberry.field(
        resolver=_prepare_licence_end, description="The exact bytes to sign for `endLicence` with the same input."
    )
    end_licence: LicenceResult = strawberry.field(
        resolver=_end_licence, description="注销、撤销、吊销. Nothing is deleted; the state stands for good."
    )
    record_annual_review: ReviewResult = strawberry.field(
        resolver=_record_annual_review, description="年检、年审: the result of the oldest review that is not passed."
    )
