"""Changing the catalogue: drafts, public notice, signed confirmations, and what waits for whom."""

from datetime import date, datetime
from typing import Annotated

import strawberry

from casework.catalogue import queries
from casework.catalogue.acts import (
    ChangeVerdict,
    ChangeView,
    CheckChange,
    CommentOnChange,
    DecideChange,
    DiscardChange,
    PrepareChangeDecision,
    SaveChange,
)
from casework.clock.working_days import day_of
from kernel.acts import Done
from mobile_api.context import Info, perform
from mobile_api.enums import ChangeDecision, ChangeKind, ChangeState, ChangeStep
from mobile_api.pages import shaped
from mobile_api.public import GuideElement
from mobile_api.refusals import Refusal, refused
from mobile_api.scalars import Base64URL
from mobile_api.signing import SignedInput, SigningResult, signing_payload


@strawberry.type(description="A proposed change of the catalogue. `nextStep`: whose signature it waits for.")
class ChangeSummary:
    number: strawberry.ID
    kind: ChangeKind
    state: ChangeState
    revision: int
    item_code: str
    item_name: str
    unit: str
    unit_name: str | None
    reason: str
    has_fees: bool
    effective_on: date | None
    notice_from: date | None
    notice_until: date | None
    next_step: ChangeStep | None
    saved_at: datetime
    effective_at: datetime | None


@strawberry.type(description="One definition as its unit wrote it (`json`), and as the guide would show it.")
class ProposedItem:
    code: str
    name: str
    class_name: str
    sha256: str
    json: str
    elements: list[GuideElement]


@strawberry.type(description="`round` grows when a change is returned; signatures of earlier rounds no longer count.")
class ChangeSignature:
    round: int
    step: ChangeStep
    decision: ChangeDecision
    opinion: str
    officer: str
    officer_name: str
    evidence: str
    at: datetime


@strawberry.type(description="What somebody of the public said while the change was on notice.")
class ChangeComment:
    name: str
    phone: str
    text: str
    at: datetime


@strawberry.type(description="Everything about one change. `problems`: what keeps a draft from being submitted.")
class ItemChange(ChangeSummary):
    round: int
    document_sha256: str
    seal_serial: str
    proposed: list[ProposedItem]
    signatures: list[ChangeSignature]
    comments: list[ChangeComment]
    problems: list[Refusal]


@strawberry.type
class ChangePage:
    nodes: list[ChangeSummary]
    end_cursor: str | None


@strawberry.type(description="An item that was to be online by now.")
class OverdueDeferral:
    code: strawberry.ID
    name: str
    unit: str
    unit_name: str | None
    planned_on: date


@strawberry.type(description="`overdueDeferrals` are the reform office's; empty for everybody else.")
class CatalogueTodos:
    changes: list[ChangeSummary]
    end_cursor: str | None
    overdue_deferrals: list[OverdueDeferral]


@strawberry.type(description="A change on public notice, with all that is proposed.")
class Notice(ChangeSummary):
    proposed: list[ProposedItem]


@strawberry.type
class NoticePage:
    nodes: list[Notice]
    end_cursor: str | None


@strawberry.type(description="A signature that was verified for this answer.")
class SignatureSeen:
    step: ChangeStep
    officer: str
    officer_name: str
    signed_at: datetime
    evidence: str


@strawberry.type(description="`intact`: every signature and the seal verify over what is kept, and it is in force.")
class ChangeVerified:
    number: strawberry.ID
    intact: bool
    faults: list[str]
    signatures: list[SignatureSeen]
    seal_serial: str


ChangeVerifiedResult = Annotated[ChangeVerified | Refusal, strawberry.union("ChangeVerifiedResult")]


@strawberry.type(description="A change as an act left it.")
class ChangeStanding:
    number: strawberry.ID
    state: ChangeState
    revision: int
    next_step: ChangeStep | None
    notice_until: date | None


@strawberry.type
class ChangePayload:
    change: ChangeStanding


ChangeResult = Annotated[ChangePayload | Refusal, strawberry.union("ChangeResult")]


@strawberry.type
class CommentPayload:
    change: strawberry.ID


CommentResult = Annotated[CommentPayload | Refusal, strawberry.union("CommentResult")]


@strawberry.input(
    description="ADD and ADJUST: one definition with the code of `item`. SPLIT: two or more. REMOVE: none. "
    "`change` and `revision`: the draft to rewrite."
)
class ChangeInput:
    kind: ChangeKind
    item: str
    reason: str
    definitions: list[Base64URL] = strawberry.field(default_factory=list, description="JSON, UTF-8.")
    effective_on: date | None = strawberry.field(default=None, description="Null: with the last confirmation.")
    change: strawberry.ID | None = None
    revision: int = 0


@strawberry.input(description="The same when preparing and when deciding.")
class ChangeDecisionInput:
    change: strawberry.ID
    revision: int
    step: ChangeStep
    decision: ChangeDecision
    opinion: str


@strawberry.input(description="公示意见. Name and phone may stay empty.")
class CommentInput:
    change: strawberry.ID
    text: str
    name: str = ""
    phone: str = ""


async def _item_changes(
    info: Info, first: int = 20, after: str | None = None, state: ChangeState | None = None
) -> ChangePage:
    context = info.context
    rows, end = await queries.changes(context.officer(), state=state, first=context.page(first), after=after or "")
    return shaped(ChangePage, {"nodes": rows, "end_cursor": end})


async def _item_change(info: Info, number: strawberry.ID) -> ItemChange | None:
    context = info.context
    found = await queries.change(context.officer(), number, context.services.rules)
    if found is None:
        return None
    row, problems = found
    return shaped(ItemChange, row | {"problems": [refused(problem) for problem in problems]})


async def _catalogue_todos(info: Info, first: int = 20, after: str | None = None) -> CatalogueTodos:
    context = info.context
    today = day_of(context.services.clock.now())
    row = await queries.waiting_for(context.officer(), today=today, first=context.page(first), after=after or "")
    return shaped(CatalogueTodos, row)


async def _notices(info: Info, first: int = 20, after: str | None = None) -> NoticePage:
    context = info.context
    services = context.services
    rows, end = await queries.notices(
        services.rules, today=day_of(services.clock.now()), first=context.page(first), after=after or ""
    )
    return shaped(NoticePage, {"nodes": rows, "end_cursor": end})


async def _check_change(info: Info, number: strawberry.ID) -> ChangeVerifiedResult:
    return await perform(info, CheckChange(change=number), _verified)


async def _save_change(info: Info, idempotency_key: str, change: ChangeInput) -> ChangeResult:
    act = SaveChange(
        kind=change.kind,
        item=change.item,
        definitions=tuple(change.definitions),
        reason=change.reason,
        effective_on=change.effective_on,
        change=change.change,
        revision=change.revision,
    )
    return await perform(info, act, _standing, key=idempotency_key)


async def _discard_change(info: Info, idempotency_key: str, change: strawberry.ID, revision: int) -> ChangeResult:
    return await perform(info, DiscardChange(change=change, revision=revision), _standing, key=idempotency_key)


async def _prepare_change_decision(info: Info, decision: ChangeDecisionInput) -> SigningResult:
    act = PrepareChangeDecision(
        change=decision.change,
        revision=decision.revision,
        step=decision.step,
        decision=decision.decision,
        opinion=decision.opinion,
    )
    return await perform(info, act, signing_payload)


async def _decide_change(
    info: Info, idempotency_key: str, decision: ChangeDecisionInput, signed: SignedInput
) -> ChangeResult:
    act = DecideChange(
        change=decision.change,
        revision=decision.revision,
        step=decision.step,
        decision=decision.decision,
        opinion=decision.opinion,
    )
    return await perform(info, act, _standing, key=idempotency_key, proof=signed.to_proof())


async def _comment_on_change(info: Info, idempotency_key: str, comment: CommentInput) -> CommentResult:
    def commented(done: Done) -> CommentPayload:
        return CommentPayload(change=comment.change)

    act = CommentOnChange(change=comment.change, text=comment.text, name=comment.name, phone=comment.phone)
    return await perform(info, act, commented, key=idempotency_key)


def _standing(view: ChangeView) -> ChangePayload:
    return ChangePayload(
        change=ChangeStanding(
            number=strawberry.ID(view.number),
            state=view.state,
            revision=view.revision,
            next_step=view.next_step,
            notice_until=view.notice_until,
        )
    )


def _verified(view: ChangeVerdict) -> ChangeVerified:
    return ChangeVerified(
        number=strawberry.ID(view.number),
        intact=not view.faults,
        faults=list(view.faults),
        signatures=[
            SignatureSeen(
                step=seen.step,
                officer=seen.officer,
                officer_name=seen.officer_name,
                signed_at=seen.signed_at,
                evidence=seen.evidence,
            )
            for seen in view.signatures
        ],
        seal_serial=view.seal_serial,
    )


@strawberry.type
class CatalogueQueries:
    item_changes: ChangePage = strawberry.field(
        resolver=_item_changes,
        description="Of the caller's unit, and for the confirming offices of every unit once submitted.",
    )
    item_change: ItemChange | None = strawberry.field(resolver=_item_change)
    catalogue_todos: CatalogueTodos = strawberry.field(
        resolver=_catalogue_todos, description="What waits for the caller's signature now."
    )
    notices: NoticePage = strawberry.field(resolver=_notices, description="Changes that lie open to everybody (公示).")
    check_change: ChangeVerifiedResult = strawberry.field(
        resolver=_check_change, description="Verifies signatures and seal anew and compares them with what is kept."
    )


@strawberry.type
class CatalogueMutations:
    save_change: ChangeResult = strawberry.field(resolver=_save_change, description="Writes or rewrites a draft.")
    discard_change: ChangeResult = strawberry.field(resolver=_discard_change)
    prepare_change_decision: SigningResult = strawberry.field(
        resolver=_prepare_change_decision, description="The exact bytes to sign for `decideChange` with the same input."
    )
    decide_change: ChangeResult = strawberry.field(
        resolver=_decide_change, description="Submits, confirms or returns; the last confirmation puts it in force."
    )
    comment_on_change: CommentResult = strawberry.field(
        resolver=_comment_on_change, description="Anybody, while the notice lies open."
    )
