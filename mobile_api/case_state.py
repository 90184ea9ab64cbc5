"""A case as an act left it: the answer of every mutation that changes one."""

from datetime import date
from typing import Annotated

import strawberry

from casework.acts import CaseView
from mobile_api.enums import CaseStatus
from mobile_api.refusals import Refusal


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


def state_of(view: CaseView) -> CasePayload:
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
