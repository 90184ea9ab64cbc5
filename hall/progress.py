"""Where a case stands, for the applicant: by text message or on the public page.

From the applicant's or the agent's phone no password is needed; from anywhere else the query password is.
Secret cases do not exist here. The answer names no person.
"""

from datetime import date, datetime

from casework.acts import Status
from casework.clock.working_days import Calendar, day_of
from casework.flow.steps import step_name
from casework.intake.query_passwords import objection
from casework.queries import days_left, gaps_of
from casework.tables import Case, Task
from kernel.acts import Act, View
from kernel.refusals import Refusal
from kernel.tables import Unit
from kernel.work import Work

STATUS_NAMES = {
    Status.RECEIVED: "已接件，待受理",
    Status.AWAITING_SUPPLEMENT: "待申请人补正",
    Status.NOT_ACCEPTED: "不予受理",
    Status.IN_APPROVAL: "审批中",
    Status.GRANTED: "准予许可，待送达",
    Status.REFUSED: "不予许可，待送达",
    Status.DELIVERED: "已送达",
    Status.WITHDRAWN: "申请人已撤回",
    Status.FOREIGN_OPEN: "办理中",
    Status.FOREIGN_ENDED: "已办结",
}


def status_name(status: Status) -> str:
    return STATUS_NAMES.get(status, "办理中")


class ProgressView(View, frozen=True, tag="progress"):
    """What template T16 says. `due_on` and `days_left` are null while no limit runs."""

    number: str
    item: str
    step: str
    status: str
    unit: str
    due_on: date | None = None
    days_left: int | None = None
    #: When it stood so: an answer may have come from the other zone, or be repeated.
    as_of: datetime | None = None


class QueryProgress(Act[ProgressView], frozen=True, tag="hall.progress"):
    """`password`: needed from any phone but the one the case was filed from."""

    number: str
    password: str | None = None


class UnknownNumber(Refusal):
    code = "UNKNOWN_NUMBER"
    zh = "未找到编号为{number}的办件，请核对后重试。"
    en = "There is no case {number} to ask about."


async def query_progress(work: Work, act: QueryProgress) -> ProgressView | Refusal:
    """The progress, or a refusal; a wrong password is returned, not raised, so that its count is kept."""
    case = await Case.get_or_none(number=act.number.strip().upper(), secret=False)
    if case is None:
        raise UnknownNumber(number=act.number)
    if not _is_registered_phone(work, case) and (refusal := await objection(work, case.number, act.password)):
        return refusal
    return await _progress(work, case)


def _is_registered_phone(work: Work, case: Case) -> bool:
    """Only a text message, or a login by one, proves a phone; a number that was merely typed in never does."""
    return bool(work.actor.phone) and work.actor.phone in (case.applicant_phone, case.agent_phone)


async def _progress(work: Work, case: Case) -> ProgressView:
    unit = await Unit.get_or_none(code=case.unit_code)
    task = await Task.get_or_none(case_id=case.id, branch=0, closed_at=None)  # the case's own line, not its co-units'
    runs = case.committed_due is not None and case.decided_at is None and case.closed_at is None
    left = None
    if runs and case.committed_due is not None:
        gaps = (await gaps_of(work.database, [case.id])).get(case.id, [])
        left = days_left(case.committed_due, day_of(work.now), work.given(Calendar), gaps)
    return ProgressView(
        number=case.number,
        item=case.item_name,
        step=step_name(task.step, task.role) if task else "办结",
        status=status_name(Status(case.status)),
        unit=unit.short_name if unit else case.unit_code,
        due_on=case.committed_due if runs else None,
        days_left=left,
        as_of=work.now,
    )
