"""Applicants: login by a code that is texted to their phone, and their own cases (凭账号查询)."""

from datetime import date, datetime
from typing import Annotated

import strawberry

from hall.accounts import ApplicantSession, LogInByCode, LoginCodeView, RequestLoginCode
from hall.own_cases import ViewOwnCase, own_case, own_cases
from hall.ratings import RateCase, RatingView
from kernel.acts import Done
from mobile_api.context import Info, perform
from mobile_api.enums import CaseStatus, Channel
from mobile_api.pages import cursor_after, id_after, shaped
from mobile_api.refusals import Refusal


@strawberry.type(description="A text with the code is on its way.")
class LoginCodePayload:
    expires_at: datetime


@strawberry.type(description="Send `token` as `Authorization: Bearer …`. Good for the applicant's own cases only.")
class ApplicantSessionPayload:
    token: str
    expires_at: datetime


LoginCodeResult = Annotated[LoginCodePayload | Refusal, strawberry.union("LoginCodeResult")]
ApplicantSessionResult = Annotated[ApplicantSessionPayload | Refusal, strawberry.union("ApplicantSessionResult")]


@strawberry.type(description="A case of the caller's own, as its applicant or as the agent. No officer is named.")
class MyCase:
    number: strawberry.ID
    status: CaseStatus
    status_name: str
    channel: Channel
    item_code: str
    item_name: str
    unit_name: str | None
    applicant_name: str
    agent_name: str | None
    received_on: date
    accepted_on: date | None
    step_name: str = strawberry.field(description="Where the case is now; 办结 when nobody has a turn any more.")
    due_on: date | None = strawberry.field(description="The day promised; null while no limit runs.")
    due_provisional: bool
    days_left: int | None = strawberry.field(description="Counted working days; negative when overdue.")
    decided_at: datetime | None
    outcome: str | None


@strawberry.type
class MyCasePage:
    nodes: list[MyCase]
    end_cursor: str | None
    as_of: datetime | None = strawberry.field(description="现状截至: what happened later is not shown yet.")


@strawberry.type(description="Ask `viewOwnMaterial` for a link to the file.")
class MyMaterial:
    id: strawberry.ID
    name: str
    file_name: str
    on_paper: bool
    received_at: datetime


@strawberry.type(description="Ask `viewOwnDocument` for a link to it.")
class MyDocument:
    id: strawberry.ID
    kind: str
    number: str
    title: str
    sha256: str
    issued_at: datetime


@strawberry.type
class MyCaseDetail(MyCase):
    materials: list[MyMaterial]
    documents: list[MyDocument]
    completed_at: datetime | None = strawberry.field(description="办结; from then on the case can be rated.")
    rating: int | None = strawberry.field(description="From 1 to 5, 5 is best; null until it was rated.")
    as_of: datetime | None = strawberry.field(description="现状截至: what happened later is not shown yet.")


@strawberry.type(description="The rating that stands. `score` is from 1 to 5, 5 is best.")
class RatingPayload:
    case: strawberry.ID
    score: int
    rated_at: datetime


RatingResult = Annotated[RatingPayload | Refusal, strawberry.union("RatingResult")]


async def _request_login_code(info: Info, idempotency_key: str, phone: str) -> LoginCodeResult:
    return await perform(info, RequestLoginCode(phone=phone.strip()), _code_sent, key=idempotency_key)


async def _log_in_by_code(info: Info, idempotency_key: str, phone: str, code: str) -> ApplicantSessionResult:
    def session(view: ApplicantSession) -> ApplicantSessionPayload:
        token = info.context.services.authenticator.token_for_applicant(view)
        return ApplicantSessionPayload(token=token, expires_at=view.expires_at)

    return await perform(info, LogInByCode(phone=phone.strip(), code=code), session, key=idempotency_key)


async def _my_cases(info: Info, first: int = 20, after: str | None = None) -> MyCasePage:
    context = info.context
    services = context.services
    as_of = await services.as_of()
    rows, end = await own_cases(
        services.database,
        context.applicant(),
        now=services.clock.now(),
        calendar=services.calendar,
        first=context.page(first),
        after=id_after(after),
    )
    return shaped(MyCasePage, {"nodes": rows, "end_cursor": cursor_after(end), "as_of": as_of})


async def _my_case(info: Info, number: strawberry.ID) -> MyCaseDetail | None:
    services, applicant = info.context.services, info.context.applicant()
    if isinstance(await perform(info, ViewOwnCase(case=number), _nothing), Refusal):
        return None
    as_of = await services.as_of()
    row = await own_case(services.database, applicant, number, now=services.clock.now(), calendar=services.calendar)
    return None if row is None else shaped(MyCaseDetail, {**row, "as_of": as_of})


async def _rate_case(info: Info, idempotency_key: str, case: strawberry.ID, score: int) -> RatingResult:
    return await perform(info, RateCase(case=case, score=score), _rated, key=idempotency_key)


def _rated(view: RatingView) -> RatingPayload:
    return RatingPayload(case=strawberry.ID(view.case), score=view.score, rated_at=view.rated_at)


def _code_sent(view: LoginCodeView) -> LoginCodePayload:
    return LoginCodePayload(expires_at=view.expires_at)


def _nothing(view: Done) -> None:
    """The view was logged; there is nothing to show of that."""


@strawberry.type
class ApplicantQueries:
    my_cases: MyCasePage = strawberry.field(resolver=_my_cases, description="For applicants, newest first.")
    my_case: MyCaseDetail | None = strawberry.field(
        resolver=_my_case, description="Null for a case that is not the caller's. Every view is logged."
    )


@strawberry.type
class ApplicantMutations:
    request_login_code: LoginCodeResult = strawberry.field(
        resolver=_request_login_code, description="Six digits by text, good for five minutes and three tries."
    )
    log_in_by_code: ApplicantSessionResult = strawberry.field(
        resolver=_log_in_by_code, description="A new key for every code that was typed."
    )
    rate_case: RatingResult = strawberry.field(
        resolver=_rate_case, description="For applicants: a completed case of their own, once."
    )
