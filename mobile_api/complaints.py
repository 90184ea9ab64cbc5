"""Complaints of the public (违规投诉举报): filing, asking after one, and supervision's list."""

from datetime import date, datetime
from typing import Annotated

import strawberry

from casework.intake.query_passwords import query_password
from mobile_api.context import Info, perform
from mobile_api.enums import ComplaintAbout, ComplaintState
from mobile_api.pages import cursor_after, id_after, shaped
from mobile_api.refusals import Refusal
from supervision import complaints as complaining
from supervision.complaints import ComplaintView, DecideComplaint, FileComplaint, QueryComplaint


@strawberry.type(description="A complaint, for whoever filed it.")
class Complaint:
    number: strawberry.ID
    state: ComplaintState
    filed_on: date
    decide_by: date
    revision: int
    reason: str


@strawberry.type(description="Show the number and the query password once: they open its state.")
class ComplaintFiledPayload:
    complaint: Complaint
    query_password: str


@strawberry.type
class ComplaintPayload:
    complaint: Complaint


@strawberry.type(description="A complaint as supervision sees it. No name: anonymous.")
class ComplaintRecord:
    number: strawberry.ID
    revision: int
    state: ComplaintState
    state_name: str
    about: ComplaintAbout
    subject: str
    text: str
    name: str
    phone: str
    filed_at: datetime
    decide_by: date
    days_left: int | None
    is_late: bool
    decided_at: datetime | None
    reason: str


@strawberry.type
class ComplaintPage:
    nodes: list[ComplaintRecord]
    end_cursor: str | None


ComplaintFiledResult = Annotated[ComplaintFiledPayload | Refusal, strawberry.union("ComplaintFiledResult")]
ComplaintResult = Annotated[ComplaintPayload | Refusal, strawberry.union("ComplaintResult")]


@strawberry.input(description="With `name` a phone is needed; without, the complaint is anonymous.")
class ComplaintInput:
    about: ComplaintAbout
    subject: str = strawberry.field(description="The case number, unit or officer, as the person knows it.")
    text: str
    name: str = ""
    phone: str = ""


async def _file_complaint(info: Info, idempotency_key: str, complaint: ComplaintInput) -> ComplaintFiledResult:
    def filed(view: ComplaintView) -> ComplaintFiledPayload:
        password = query_password(info.context.services.secrets, view.number)
        return ComplaintFiledPayload(complaint=_complaint(view), query_password=password)

    return await perform(info, FileComplaint(**vars(complaint)), filed, key=idempotency_key)


async def _decide_complaint(
    info: Info, idempotency_key: str, number: strawberry.ID, revision: int, accept: bool, reason: str = ""
) -> ComplaintResult:
    act = DecideComplaint(number=number, revision=revision, accept=accept, reason=reason)
    return await perform(info, act, _complaint_payload, key=idempotency_key)


async def _complaint_read(info: Info, number: strawberry.ID, password: str) -> ComplaintResult:
    return await perform(info, QueryComplaint(number=number, password=password), _complaint_payload)


async def _complaints(
    info: Info, state: ComplaintState | None = None, first: int = 20, after: str | None = None
) -> ComplaintPage:
    context = info.context
    rows, end = await complaining.complaints(
        context.services.database,
        context.officer(),
        now=context.services.clock.now(),
        calendar=context.services.calendar,
        state=state,
        first=context.page(first),
        after=id_after(after) or 0,
    )
    return shaped(ComplaintPage, {"nodes": rows, "end_cursor": cursor_after(end)})


def _complaint(view: ComplaintView) -> Complaint:
    return Complaint(
        number=strawberry.ID(view.number),
        state=view.state,
        filed_on=view.filed_on,
        decide_by=view.decide_by,
        revision=view.revision,
        reason=view.reason,
    )


def _complaint_payload(view: ComplaintView) -> ComplaintPayload:
    return ComplaintPayload(complaint=_complaint(view))


@strawberry.type
class ComplaintQueries:
    complaint: ComplaintResult = strawberry.field(
        resolver=_complaint_read, description="With the query password that came with its number."
    )
    complaints: ComplaintPage = strawberry.field(resolver=_complaints, description="For supervisors, oldest first.")


@strawberry.type
class ComplaintMutations:
    file_complaint: ComplaintFiledResult = strawberry.field(resolver=_file_complaint)
    decide_complaint: ComplaintResult = strawberry.field(
        resolver=_decide_complaint, description="For supervisors: accept it, or refuse it with reasons."
    )
