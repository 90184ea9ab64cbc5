"""One case: the whole of it, and what an officer or an applicant may do to it."""

from datetime import date, datetime
from functools import partial
from typing import Annotated

import strawberry

from casework.acts import (
    CaseView,
    Decide,
    ExtendClock,
    FileApplication,
    FiledView,
    MaterialGiven,
    PrepareDecision,
    ReceiveSupplement,
    ResumeClock,
    StopClock,
    ViewCase,
    Withdraw,
)
from casework.intake.query_passwords import query_password
from casework.process_record import case_detail
from kernel.acts import Done
from kernel.chance import Secrets
from mobile_api.context import Context, Info, perform
from mobile_api.enums import CaseStatus, Channel, Decision, Light, RecordGroup, Role, StopGround
from mobile_api.links import UploadReceipt, read
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal
from mobile_api.signing import SignedInput, SigningResult, signing_payload
from mobile_api.tasks import CaseSummary, SignedStep


@strawberry.type(description="Masked for those who do not handle the case.")
class Applicant:
    name: str
    id_number: str
    phone: str


@strawberry.type
class OpenTask:
    id: strawberry.ID
    step: str
    step_name: str
    role: Role
    unit: str
    opened_at: datetime
    due_on: date | None
    light: Light


@strawberry.type(description="What the applicant handed in. Ask `viewMaterial` for a link to the file.")
class Material:
    id: strawberry.ID
    name: str
    file_name: str
    media_type: str
    sha256: str
    size: int
    on_paper: bool
    received_at: datetime


@strawberry.type(description="A sealed statutory document. Ask `viewDocument` for a link to it.")
class Document:
    id: strawberry.ID
    kind: str
    number: str
    title: str
    sha256: str
    seal_serial: str
    issued_at: datetime


@strawberry.type(description="One line of the legal clock: start, stop, resume, extend or end.")
class ClockLine:
    kind: str
    day: date
    ground: StopGround | None
    until: date | None
    days: int | None
    document: str | None


@strawberry.type
class Fact:
    label: str
    value: str


@strawberry.type(description="One event of the case, with its place and hash in the chain.")
class RecordEntry:
    seq: int
    tag: str
    at: datetime
    title: str
    officer_name: str | None
    facts: list[Fact]
    hash: str


@strawberry.type
class RecordPart:
    group: RecordGroup
    title: str
    entries: list[RecordEntry]


@strawberry.type(description="Everything about one case.")
class Case(CaseSummary):
    unit_name: str | None
    statutory_days: int
    committed_days: int
    days_left: int | None
    applicant: Applicant
    open_task: OpenTask | None
    materials: list[Material]
    steps: list[SignedStep]
    documents: list[Document]
    clock: list[ClockLine]
    timeline: list[RecordEntry]
    record: list[RecordPart]


@strawberry.type(description="A case as an act left it.")
class CaseState:
    number: strawberry.ID
    status: CaseStatus
    revision: int
    step: str | None
    committed_due: date | None
    statutory_due: date | None


@strawberry.type
class CasePayload:
    case: CaseState


CaseResult = Annotated[CasePayload | Refusal, strawberry.union("CaseResult")]


@strawberry.type(description="Show the number and the query password once; a text brings them too.")
class FiledPayload:
    number: strawberry.ID
    receipt: str
    query_password: str
    told_by: date
    revision: int


FiledResult = Annotated[FiledPayload | Refusal, strawberry.union("FiledResult")]


@strawberry.input(description="`upload`: the receipt of POST /files; left out for a material on paper.")
class MaterialInput:
    name: str
    upload: str | None = None

    def to_material(self, context: Context) -> MaterialGiven:
        """Raises LINK_INVALID."""
        if self.upload is None:
            return MaterialGiven(name=self.name)
        services = context.services
        file = read(services.secrets, UploadReceipt, self.upload, now=services.clock.now())
        return MaterialGiven(
            name=self.name, file_name=file.name, media_type=file.media_type, sha256=file.sha256, size=file.size
        )


@strawberry.input
class ApplicationInput:
    item: str
    stage: str
    applicant_name: str
    applicant_id_number: str
    applicant_phone: str
    materials: list[MaterialInput]
    channel: Channel = Channel.ONLINE
    received_on: date | None = strawberry.field(default=None, description="Window only: the day of receipt.")


@strawberry.input(description="The same when preparing and when deciding; `items` lists all that is missing, once.")
class DecisionInput:
    case: strawberry.ID
    revision: int
    step: str
    decision: Decision
    opinion: str
    items: list[str] = strawberry.field(default_factory=list)


async def _case(info: Info, number: strawberry.ID) -> Case | None:
    context = info.context
    services, officer = context.services, context.officer()
    seen = await perform(info, ViewCase(case=number), _nothing)
    if isinstance(seen, Refusal):
        return None
    detail = await case_detail(services.database, officer, number, now=services.clock.now(), calendar=services.calendar)
    return None if detail is None else shaped(Case, detail)


async def _file_application(info: Info, idempotency_key: str, application: ApplicationInput) -> FiledResult:
    act = FileApplication(
        item=application.item,
        stage=application.stage,
        applicant_name=application.applicant_name,
        applicant_id_number=application.applicant_id_number,
        applicant_phone=application.applicant_phone,
        channel=application.channel,
        materials=tuple(material.to_material(info.context) for material in application.materials),
        received_on=application.received_on,
    )
    return await perform(info, act, partial(_filed, info.context.services.secrets), key=idempotency_key)


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
    return await perform(info, act, _state, key=idempotency_key)


async def _prepare_decision(info: Info, decision: DecisionInput) -> SigningResult:
    act = PrepareDecision(
        case=decision.case,
        revision=decision.revision,
        step=decision.step,
        decision=decision.decision,
        opinion=decision.opinion,
        items=tuple(decision.items),
    )
    return await perform(info, act, signing_payload)


async def _decide(info: Info, idempotency_key: str, decision: DecisionInput, signed: SignedInput) -> CaseResult:
    act = Decide(
        case=decision.case,
        revision=decision.revision,
        step=decision.step,
        decision=decision.decision,
        opinion=decision.opinion,
        items=tuple(decision.items),
    )
    return await perform(info, act, _state, key=idempotency_key, proof=signed.to_proof())


async def _stop_clock(
    info: Info,
    idempotency_key: str,
    case: strawberry.ID,
    revision: int,
    ground: StopGround,
    told_days: int,
    reason: str,
) -> CaseResult:
    act = StopClock(case=case, revision=revision, ground=ground, told_days=told_days, reason=reason)
    return await perform(info, act, _state, key=idempotency_key)


async def _resume_clock(info: Info, idempotency_key: str, case: strawberry.ID, revision: int) -> CaseResult:
    return await perform(info, ResumeClock(case=case, revision=revision), _state, key=idempotency_key)


async def _extend_clock(
    info: Info, idempotency_key: str, case: strawberry.ID, revision: int, days: int, reason: str
) -> CaseResult:
    act = ExtendClock(case=case, revision=revision, days=days, reason=reason)
    return await perform(info, act, _state, key=idempotency_key)


async def _withdraw(info: Info, idempotency_key: str, case: strawberry.ID, password: str) -> CaseResult:
    return await perform(info, Withdraw(case=case, password=password), _state, key=idempotency_key)


def _nothing(view: Done) -> None:
    """The view was logged; there is nothing to show of that."""


def _state(view: CaseView) -> CasePayload:
    return CasePayload(
        case=CaseState(
            number=strawberry.ID(view.number),
            status=view.status,
            revision=view.revision,
            step=view.step,
            committed_due=view.committed_due,
            statutory_due=view.statutory_due,
        )
    )


def _filed(secrets: Secrets, view: FiledView) -> FiledPayload:
    return FiledPayload(
        number=strawberry.ID(view.number),
        receipt=view.receipt,
        query_password=query_password(secrets, view.number),
        told_by=view.told_by,
        revision=view.revision,
    )


@strawberry.type
class CaseQueries:
    case: Case | None = strawberry.field(
        resolver=_case,
        description="Null when there is no such case or the caller may not see it. Every view is logged.",
    )


@strawberry.type
class CaseMutations:
    file_application: FiledResult = strawberry.field(resolver=_file_application)
    receive_supplement: CaseResult = strawberry.field(resolver=_receive_supplement)
    prepare_decision: SigningResult = strawberry.field(
        resolver=_prepare_decision, description="The exact bytes to sign for `decide` with the same input."
    )
    decide: CaseResult = strawberry.field(resolver=_decide)
    stop_clock: CaseResult = strawberry.field(resolver=_stop_clock)
    resume_clock: CaseResult = strawberry.field(resolver=_resume_clock)
    extend_clock: CaseResult = strawberry.field(resolver=_extend_clock)
    withdraw: CaseResult = strawberry.field(
        resolver=_withdraw, description="The applicant ends the case with its query password."
    )
