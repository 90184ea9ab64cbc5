"""Filing an application and what the window does about it before, beside and after acceptance."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated

import strawberry

from casework.acts import FileApplication, FiledView, MaterialGiven, ReceiveSupplement, ViewCase
from casework.intake.acts import (
    CorrectOnSpot,
    RecordOriginals,
    ReviewMaterials,
)
from casework.intake.query_passwords import query_password
from casework.intake.records import intake_of
from kernel.acts import Done
from kernel.chance import Secrets
from mobile_api.case_state import CaseResult, state_of
from mobile_api.context import Context, Info, perform
from mobile_api.enums import Channel, PreReviewOutcome
from mobile_api.links import UploadReceipt, opened
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal


@strawberry.type(description="Show the number and the query password once; a text brings them too.")
class FiledPayload:
    number: strawberry.ID
    receipt: str
    query_password: str
    told_by: date
    revision: int
    missing: list[str] = strawberry.field(description="Required materials that were not handed in.")
    reused: list[str] = strawberry.field(description="Materials that the library of licences replaces.")


FiledResult = Annotated[FiledPayload | Refusal, strawberry.union("FiledResult")]


@strawberry.type(description="Masked for those who do not handle the case.")
class Agent:
    name: str
    id_number: str
    phone: str


@strawberry.type
class PreReview:
    outcome: PreReviewOutcome
    opinion: str
    officer_name: str
    at: datetime


@strawberry.type(description="`notice` is null when the window looked unasked; `checkedAt` while it still has to.")
class OriginalsCheck:
    window: str
    notice: str | None
    asked_at: datetime | None
    checked_at: datetime | None
    matches: bool | None
    note: str


@strawberry.type(description="One hand-over. `fromUnit` is null when the applicant brings the paper.")
class PaperMove:
    material: str
    from_unit: str | None
    to_unit: str
    handed_at: datetime
    received_at: datetime | None
    waived_reason: str | None


@strawberry.type(description="`listed`: in the approved list; else `reason` says why it was charged all the same.")
class FeeLine:
    seq: int
    name: str
    standard: str
    basis: str
    amount_cents: int | None
    fixed: bool
    listed: bool
    reason: str | None


@strawberry.type(description="The one bill of a case.")
class Bill:
    number: str
    total_cents: int
    settled_at: datetime | None
    lines: list[FeeLine]


@strawberry.type
class SecondEntryMark:
    source: str
    operator: str
    received_on: date
    entered_on: date
    late_working_days: int


@strawberry.type(description="What intake keeps of a case. `form`: the answers as JSON text, for those who handle it.")
class CaseIntake:
    number: strawberry.ID
    revision: int
    channel: Channel
    window: str
    licence_number: str | None
    agent: Agent | None
    form: str | None
    pre_reviews: list[PreReview]
    originals: OriginalsCheck | None
    papers: list[PaperMove]
    bill: Bill | None
    second_entry: SecondEntryMark | None


@strawberry.input(description="`upload`: the receipt of POST /files; left out for a material on paper.")
class MaterialInput:
    name: str
    upload: str | None = None

    def to_material(self, context: Context) -> MaterialGiven:
        """Raises LINK_INVALID."""
        if (file := self._receipt(context)) is None:
            return MaterialGiven(name=self.name)
        return MaterialGiven(
            name=self.name, file_name=file.name, media_type=file.media_type, sha256=file.sha256, size=file.size
        )

    def is_late(self, context: Context) -> bool:
        """Whether its receipt has expired. Raises LINK_INVALID."""
        file = self._receipt(context)
        return file is not None and context.services.clock.now() >= file.until

    def _receipt(self, context: Context) -> UploadReceipt | None:
        return None if self.upload is None else opened(context.services.secrets, UploadReceipt, self.upload)


@strawberry.input
class AgentInput:
    name: str
    id_number: str
    phone: str


@strawberry.input
class ApplicationInput:
    item: str
    stage: str
    applicant_name: str
    applicant_id_number: str
    applicant_phone: str
    materials: list[MaterialInput]
    channel: Channel = Channel.ONLINE
    received_on: date | None = strawberry.field(
        default=None, description="Window: the day of receipt. Second entry: the original day, which it needs."
    )
    agent: AgentInput | None = strawberry.field(default=None, description="Who acts for the applicant.")
    form: str | None = strawberry.field(
        default=None, description="The answers to the stage's form, as JSON text; see forms/README.md."
    )
    licence_number: str | None = strawberry.field(default=None, description="To renew, change or cancel.")
    window: str | None = strawberry.field(default=None, description="Where the applicant wants to be served.")
    source: str | None = strawberry.field(default=None, description="Second entry: the system where it began.")

    def to_act(self, context: Context) -> FileApplication:
        """Raises LINK_INVALID."""
        return _act_of(self, context)

    def is_late(self, context: Context) -> bool:
        """Whether a receipt in it has expired. Raises LINK_INVALID."""
        return _are_late(self.materials, context)


@strawberry.input(description="What was mended; entries left out or null stay as they were.")
class CorrectionInput:
    corrected: list[str]
    applicant_name: str | None = None
    applicant_id_number: str | None = None
    applicant_phone: str | None = None
    form: str | None = None
    materials: list[MaterialInput] = strawberry.field(default_factory=list)


async def _case_intake(info: Info, number: strawberry.ID) -> CaseIntake | None:
    context = info.context
    officer = context.officer()
    seen = await perform(info, ViewCase(case=number, what="intake"), _nothing)
    if isinstance(seen, Refusal):
        return None
    row = await intake_of(context.services.database, officer, number)
    return None if row is None else shaped(CaseIntake, row)


async def _file_application(info: Info, idempotency_key: str, application: ApplicationInput) -> FiledResult:
    shown, is_late = partial(_filed, info.context.services.secrets), application.is_late(info.context)
    return await perform(info, _act_of(application, info.context), shown, key=idempotency_key, is_late=is_late)


def _are_late(materials: Sequence[MaterialInput], context: Context) -> bool:
    return any(material.is_late(context) for material in materials)


def _act_of(application: ApplicationInput, context: Context) -> FileApplication:
    """Raises LINK_INVALID."""
    agent = application.agent
    return FileApplication(
        item=application.item,
        stage=application.stage,
        applicant_name=application.applicant_name,
        applicant_id_number=application.applicant_id_number,
        applicant_phone=application.applicant_phone,
        channel=application.channel,
        materials=tuple(material.to_material(context) for material in application.materials),
        received_on=application.received_on,
        agent_name=agent.name if agent else "",
        agent_id_number=agent.id_number if agent else "",
        agent_phone=agent.phone if agent else "",
        form=application.form or "",
        licence_number=application.licence_number or "",
        window=application.window or "",
        source=application.source or "",
    )


async def _receive_supplement(
    info: Info,
    idempotency_key: str,
    case: strawberry.ID,
    revision: int,
    materials: list[MaterialInput],
    complete: bool,
) -> CaseResult:
    given = tuple(material.to_material(info.context) for material in materials)
    act = ReceiveSupplement(case=case, revision=revision, materials=given, complete=complete)
    return await perform(info, act, state_of, key=idempotency_key, is_late=_are_late(materials, info.context))


async def _review_materials(
    info: Info, idempotency_key: str, case: strawberry.ID, revision: int, outcome: PreReviewOutcome, opinion: str
) -> CaseResult:
    act = ReviewMaterials(case=case, revision=revision, outcome=outcome, opinion=opinion)
    return await perform(info, act, state_of, key=idempotency_key)


async def _record_originals(
    info: Info, idempotency_key: str, case: strawberry.ID, revision: int, matches: bool, note: str = ""
) -> CaseResult:
    act = RecordOriginals(case=case, revision=revision, matches=matches, note=note)
    return await perform(info, act, state_of, key=idempotency_key)


async def _correct_on_spot(
    info: Info, idempotency_key: str, case: strawberry.ID, revision: int, correction: CorrectionInput
) -> CaseResult:
    act = CorrectOnSpot(
        case=case,
        revision=revision,
        corrected=tuple(correction.corrected),
        applicant_name=correction.applicant_name or "",
        applicant_id_number=correction.applicant_id_number or "",
        applicant_phone=correction.applicant_phone or "",
        form=correction.form or "",
        materials=tuple(material.to_material(info.context) for material in correction.materials),
    )
    is_late = _are_late(correction.materials, info.context)
    return await perform(info, act, state_of, key=idempotency_key, is_late=is_late)


def _nothing(view: Done) -> None:
    """The view was logged; there is nothing to show of that."""


def _filed(secrets: Secrets, view: FiledView) -> FiledPayload:
    return FiledPayload(
        number=strawberry.ID(view.number),
        receipt=view.receipt,
        query_password=query_password(secrets, view.number),
        told_by=view.told_by,
        revision=view.revision,
        missing=list(view.missing),
        reused=list(view.reused),
    )


@strawberry.type
class IntakeQueries:
    case_intake: CaseIntake | None = strawberry.field(
        resolver=_case_intake, description="Null as for `case`. Every view is logged."
    )


@strawberry.type
class IntakeMutations:
    file_application: FiledResult = strawberry.field(resolver=_file_application)
    receive_supplement: CaseResult = strawberry.field(resolver=_receive_supplement)
    review_materials: CaseResult = strawberry.field(
        resolver=_review_materials, description="Before acceptance; it stops no deadline."
    )
    record_originals: CaseResult = strawberry.field(
        resolver=_record_originals, description="At the window; what differs is said in `note`."
    )
    correct_on_spot: CaseResult = strawberry.field(resolver=_correct_on_spot)
