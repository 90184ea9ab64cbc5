"""One case: the whole of it, and what an officer or an applicant may do to it."""

from datetime import date, datetime

import strawberry

from casework.acts import (
    Decide,
    PrepareDecision,
    ViewCase,
    Withdraw,
)
from casework.process_record import case_detail
from kernel.acts import Done
from mobile_api.case_state import CaseResult, state_of
from mobile_api.clock import Hearing, Renewal
from mobile_api.context import Info, perform
from mobile_api.enums import Decision, Light, RecordGroup, Role, StopGround
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


@strawberry.type(description="并联会办: a co-unit's part in the case.")
class CaseBranch:
    id: strawberry.ID
    number: int
    unit: str
    name: str
    step_name: str
    due_on: date | None
    light: Light
    ended_at: datetime | None
    verdict: Decision | None = strawberry.field(description="CONCUR or DISSENT; null until the branch has ended.")
    opinion: str
    officer_name: str
    evidence: str | None
    answer: str = strawberry.field(description="How the lead unit dealt with a dissent when it granted.")


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
    template_version: int
    sha256: str
    seal_serial: str
    issued_at: datetime


@strawberry.type(description="One line of the legal clock: start, stop, resume, extend, recalculate or end.")
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
    open_task: OpenTask | None = strawberry.field(description="The open step of the case's own line.")
    open_tasks: list[OpenTask] = strawberry.field(description="Every open step, of parallel branches as well.")
    branches: list[CaseBranch]
    urges: int = strawberry.field(description="催办: how often the case was urged.")
    urged_at: datetime | None
    reported_up_at: datetime | None = strawberry.field(description="上报: when the first review ended.")
    materials: list[Material]
    steps: list[SignedStep]
    documents: list[Document]
    clock: list[ClockLine]
    hearing: Hearing | None
    renewal: Renewal | None
    timeline: list[RecordEntry]
    record: list[RecordPart]


@strawberry.input(description="The same when preparing and when deciding; `items` lists all that is missing, once.")
class DecisionInput:
    case: strawberry.ID
    revision: int
    step: str
    decision: Decision
    opinion: str
    items: list[str] = strawberry.field(default_factory=list)
    return_to: str = strawberry.field(
        default="", description="RETURN: an earlier level, where the item allows it; empty: the one before."
    )


async def _case(info: Info, number: strawberry.ID) -> Case | None:
    context = info.context
    services, officer = context.services, context.officer()
    seen = await perform(info, ViewCase(case=number), _nothing)
    if isinstance(seen, Refusal):
        return None
    detail = await case_detail(services.database, officer, number, now=services.clock.now(), calendar=services.calendar)
    return None if detail is None else shaped(Case, detail)


async def _prepare_decision(info: Info, decision: DecisionInput) -> SigningResult:
    act = PrepareDecision(
        case=decision.case,
        revision=decision.revision,
        step=decision.step,
        decision=decision.decision,
        opinion=decision.opinion,
        items=tuple(decision.items),
        return_to=decision.return_to,
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
        return_to=decision.return_to,
    )
    return await perform(info, act, state_of, key=idempotency_key, proof=signed.to_proof())


async def _withdraw(info: Info, idempotency_key: str, case: strawberry.ID, password: str) -> CaseResult:
    return await perform(info, Withdraw(case=case, password=password), state_of, key=idempotency_key)


def _nothing(view: Done) -> None:
    """The view was logged; there is nothing to show of that."""


@strawberry.type
class CaseQueries:
    case: Case | None = strawberry.field(
        resolver=_case,
        description="Null when there is no such case or the caller may not see it. Every view is logged.",
    )


@strawberry.type
class CaseMutations:
    prepare_decision: SigningResult = strawberry.field(
        resolver=_prepare_decision, description="The exact bytes to sign for `decide` with the same input."
    )
    decide: CaseResult = strawberry.field(resolver=_decide)
    withdraw: CaseResult = strawberry.field(
        resolver=_withdraw, description="The applicant ends the case with its query password."
    )
