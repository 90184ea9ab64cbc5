"""Receipt and acceptance: applications in, numbers and receipts out, silence turned into acceptance.

Source: Administrative Licensing Law, art. 32: tell once within five working days what is missing, else the
application is accepted as of receipt; complete or corrected applications must be accepted.
"""

import logging
import re
from datetime import date
from functools import partial

from tortoise.expressions import Q

from casework.acts import (
    CaseView,
    DeemAccepted,
    FileApplication,
    FiledView,
    MaterialGiven,
    ReceiveSupplement,
    Status,
    Withdraw,
)
from casework.catalogue.publishing import published
from casework.clock.clocks import ledger_of, write
from casework.clock.ledger import Ended, EndReason
from casework.clock.time_limits import deemed_accepted_at, last_day_to_tell
from casework.clock.working_days import Calendar, day_of
from casework.events import CaseFiled, CaseWithdrawn, SupplementReceived
from casework.files import find, swap, view
from casework.flow import steps
from casework.flow.tasks import close_task, open_task, press
from casework.intake.acceptance import begin_approval
from casework.intake.query_passwords import objection, query_password
from casework.papers.documents import DocumentKind, issue
from casework.refusals import NotAwaitingSupplement, ReceivedInFuture
from casework.rules import CaseworkRules
from casework.tables import Case, Material, Task
from kernel.actor import Role
from kernel.acts import Done
from kernel.numbers import next_number
from kernel.refusals import Invalid, Refusal
from kernel.work import Work

log = logging.getLogger(__name__)

_PHONE = re.compile(r"1\d{10}")
_OPEN = (Status.RECEIVED, Status.AWAITING_SUPPLEMENT, Status.IN_APPROVAL)


async def file_application(work: Work, act: FileApplication) -> FiledView:
    """申报: one case, one number, one sealed 《接件凭证》; the five days to speak begin on the day of receipt.

    Raises UNKNOWN_ITEM, STAGE_UNKNOWN, INVALID, RECEIVED_IN_FUTURE.
    """
    _check_applicant(act)
    version, definition = await published(act.item)
    stage = definition.stage(act.stage)
    calendar, today = work.given(Calendar), day_of(work.now)
    received_on = act.received_on or today
    if received_on > today:
        raise ReceivedInFuture(day=received_on.isoformat())
    case = await Case.create(
        number=f"{today.year}{await next_number(f'case:{today.year}'):08d}",
        status=Status.RECEIVED,
        channel=act.channel,
        item_code=version.item_code,
        item_version=version.version,
        item_name=version.name,
        stage_code=stage.code,
        secret=version.secret,
        unit_code=version.unit_code,
        applicant_name=act.applicant_name,
        applicant_id_number=act.applicant_id_number,
        applicant_phone=act.applicant_phone,
        statutory_days=stage.statutory_limit_days,
        committed_days=stage.committed_limit_days,
        yellow_before_days=stage.yellow_before_days,
        received_on=received_on,
        entered_at=work.now,
        deemed_at=deemed_accepted_at(received_on, calendar),
    )
    await _keep(work, case, act.materials)
    rules = work.given(CaseworkRules)
    password = query_password(work.secrets, case.number)
    receipt = await issue(
        work,
        case,
        DocumentKind.RECEIPT,
        lines=(
            ("收件日期", received_on.isoformat()),
            ("材料清单", "\n".join(material.name for material in act.materials) or "无"),
            ("查询方式", f"凭办件编号和查询密码{password}查询，或发送短信CX{case.number}"),
            ("告知期限", f"{last_day_to_tell(received_on, calendar).isoformat()}前告知是否受理"),
        ),
        unit=rules.hall_unit,
    )
    await open_task(
        work, case, steps.ACCEPT, role=Role.WINDOW_CLERK, unit=rules.hall_unit, due_on=None, sort_at=case.deemed_at
    )
    work.record(
        CaseFiled(
            case=case.number,
            item=case.item_code,
            unit=case.unit_code,
            channel=act.channel,
            receipt=receipt.number,
            received_on=received_on,
            late_entry=received_on != today,
        )
    )
    return FiledView(
        number=case.number,
        receipt=receipt.number,
        told_by=last_day_to_tell(received_on, calendar),
        revision=case.revision,
    )


async def receive_supplement(work: Work, act: ReceiveSupplement) -> CaseView:
    """Corrections arrive. When the window finds them complete, the day is the day of acceptance (art. 32(1)(5)).

    From then on the window has the same five days: silence accepts the application as of this day.
    """
    case = await find(act.case)
    if case.status != Status.AWAITING_SUPPLEMENT or case.supplemented_on is not None:
        raise NotAwaitingSupplement(case=act.case)
    today = day_of(work.now)
    await _keep(work, case, act.materials)
    if act.complete:
        silent_until = deemed_accepted_at(today, work.given(Calendar))
        await swap(case, act.revision, supplemented_on=today, deemed_at=silent_until)
        await press(work, case, await Task.get(case_id=case.id, closed_at=None), until=silent_until)
    else:
        await swap(case, act.revision)
    names = tuple(material.name for material in act.materials)
    work.record(SupplementReceived(case=case.number, materials=names, complete=act.complete))
    return await view(case)


async def deem_accepted(work: Work, act: DeemAccepted) -> Done:
    """视为受理: accepts, as of receipt, every application about which nobody spoke in time.

    Performed by the clock in batches. Source: Administrative Licensing Law, art. 32(1)(4).
    """
    waiting = (
        await Case.filter(Q(status=Status.RECEIVED) | Q(status=Status.AWAITING_SUPPLEMENT), deemed_at__lte=work.now)
        .order_by("deemed_at")
        .limit(act.limit)
    )
    accepted = 0
    for case in waiting:
        # Each by itself: what is wrong with one application must not keep the law from the others.
        fault = await work.apart(partial(_deem, work, case))
        if fault is None:
            accepted += 1
        else:
            log.error("case %s could not be deemed accepted: %s", case.number, type(fault).__name__)
    return Done(count=accepted)


async def _deem(work: Work, case: Case) -> None:
    for task in await Task.filter(case_id=case.id, closed_at=None):
        await close_task(work, task)
    accepted_on: date = case.supplemented_on or case.received_on
    await begin_approval(work, case, case.revision, accepted_on=accepted_on, deemed=True)


async def withdraw(work: Work, act: Withdraw) -> CaseView | Refusal:
    """撤回: the applicant, with the query password, ends the case and all its clocks."""
    case = await find(act.case)
    if (refusal := await objection(work, case.number, act.password)) is not None:
        return refusal
    if case.status not in _OPEN:
        raise Invalid(field="办件", why="已经办结，不能撤回")
    if case.status == Status.IN_APPROVAL:
        await ledger_of(case)
        await write(work, case, Ended(day=day_of(work.now), reason=EndReason.WITHDRAWN))
    await swap(case, case.revision, status=Status.WITHDRAWN, deemed_at=None, closed_at=work.now)
    for task in await Task.filter(case_id=case.id, closed_at=None):
        await close_task(work, task)
    work.record(CaseWithdrawn(case=case.number))
    return await view(case)


def _check_applicant(act: FileApplication) -> None:
    if not act.applicant_name.strip() or len(act.applicant_name) > 120:
        raise Invalid(field="申请人", why="请填写姓名或名称（不超过120字）")
    if not act.applicant_id_number.strip() or len(act.applicant_id_number) > 40:
        raise Invalid(field="证件号码", why="请填写身份证号或统一社会信用代码")
    if not _PHONE.fullmatch(act.applicant_phone):
        raise Invalid(field="手机号码", why="应为11位大陆手机号码")
    for material in act.materials:
        if not material.name.strip() or len(material.name) > 120:
            raise Invalid(field="申请材料", why="材料名称不能为空，且不超过120字")


async def _keep(work: Work, case: Case, materials: tuple[MaterialGiven, ...]) -> None:
    await Material.bulk_create(
        [
            Material(
                case_id=case.id,
                name=material.name,
                file_name=material.file_name,
                media_type=material.media_type,
                sha256=material.sha256,
                size=material.size,
                received_at=work.now,
            )
            for material in materials
        ]
    )
