"""What a unit does beside its steps: papers that travel, the bill of a case, and what still waits for it."""

from datetime import datetime
from typing import Annotated

import strawberry

from casework.intake.acts import (
    BillView,
    ChargeUnlisted,
    ConfirmPapers,
    EnterFee,
    HandOverPapers,
    SettleBill,
    WaivePapers,
)
from casework.intake.records import originals_due, papers_due
from kernel.acts import Done
from mobile_api.context import Info, perform
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal


@strawberry.type(description="Amounts in cents. `openLines`: amounts that are still to be entered.")
class BillPayload:
    case: strawberry.ID
    number: str
    total_cents: int
    open_lines: int
    settled: bool


BillResult = Annotated[BillPayload | Refusal, strawberry.union("BillResult")]


@strawberry.type(description="How many papers it concerned.")
class PapersPayload:
    count: int


PapersResult = Annotated[PapersPayload | Refusal, strawberry.union("PapersResult")]


@strawberry.type
class OriginalsDue:
    number: strawberry.ID
    item_name: str
    applicant_name: str
    revision: int
    asked_at: datetime


@strawberry.type
class PaperDue:
    number: strawberry.ID
    item_name: str
    applicant_name: str
    material: str
    from_unit: str | None
    handed_at: datetime


@strawberry.type(description="What the caller's unit has to do beside its steps, longest waiting first.")
class Duties:
    originals: list[OriginalsDue]
    papers: list[PaperDue]


async def _duties(info: Info, first: int = 50) -> Duties:
    context = info.context
    database, unit, most = context.services.database, context.officer().unit or "", context.page(first)
    originals = await originals_due(database, unit, first=most)
    return shaped(Duties, {"originals": originals, "papers": await papers_due(database, unit, first=most)})


async def _hand_over_papers(info: Info, idempotency_key: str, case: strawberry.ID, to_unit: str) -> PapersResult:
    return await perform(info, HandOverPapers(case=case, to_unit=to_unit), _counted, key=idempotency_key)


async def _confirm_papers(info: Info, idempotency_key: str, case: strawberry.ID) -> PapersResult:
    return await perform(info, ConfirmPapers(case=case), _counted, key=idempotency_key)


async def _waive_papers(info: Info, idempotency_key: str, case: strawberry.ID, reason: str) -> PapersResult:
    return await perform(info, WaivePapers(case=case, reason=reason), _counted, key=idempotency_key)


async def _enter_fee(info: Info, idempotency_key: str, case: strawberry.ID, line: int, amount_cents: int) -> BillResult:
    return await perform(info, EnterFee(case=case, line=line, amount_cents=amount_cents), _billed, key=idempotency_key)


async def _charge_unlisted(
    info: Info, idempotency_key: str, case: strawberry.ID, fee: str, amount_cents: int, reason: str
) -> BillResult:
    act = ChargeUnlisted(case=case, name=fee, amount_cents=amount_cents, reason=reason)
    return await perform(info, act, _billed, key=idempotency_key)


async def _settle_bill(info: Info, idempotency_key: str, case: strawberry.ID) -> BillResult:
    return await perform(info, SettleBill(case=case), _billed, key=idempotency_key)


def _counted(view: Done) -> PapersPayload:
    return PapersPayload(count=view.count)


def _billed(view: BillView) -> BillPayload:
    return BillPayload(
        case=strawberry.ID(view.case),
        number=view.number,
        total_cents=view.total_cents,
        open_lines=view.open_lines,
        settled=view.settled,
    )


@strawberry.type
class WindowQueries:
    duties: Duties = strawberry.field(
        resolver=_duties, description="Originals to check and papers to receive at the caller's unit."
    )


@strawberry.type
class WindowMutations:
    hand_over_papers: PapersResult = strawberry.field(resolver=_hand_over_papers)
    confirm_papers: PapersResult = strawberry.field(resolver=_confirm_papers)
    waive_papers: PapersResult = strawberry.field(resolver=_waive_papers)
    enter_fee: BillResult = strawberry.field(resolver=_enter_fee)
    charge_unlisted: BillResult = strawberry.field(
        resolver=_charge_unlisted, description="Supervision hears of every such charge."
    )
    settle_bill: BillResult = strawberry.field(resolver=_settle_bill)
