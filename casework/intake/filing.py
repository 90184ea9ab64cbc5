"""Receipt and acceptance: applications in, numbers and receipts out, silence turned into acceptance.

Source: Administrative Licensing Law, art. 32: tell once within five working days what is missing, else the
application is accepted as of receipt; complete or corrected applications must be accepted.
"""

import logging
from datetime import date
from functools import partial

from tortoise.expressions import Q

from casework.acts import (
    CaseView,
    Channel,
    DeemAccepted,
    FileApplication,
    FiledView,
    MaterialGiven,
    ReceiveSupplement,
    Status,
    Withdraw,
)
from casework.catalogue.definitions import NONE, Stage
from casework.catalogue.publishing import published
from casework.clock.clocks import ledger_of, write
from casework.clock.ledger import Ended, EndReason
from casework.clock.renewals import watch_renewal
from casework.clock.time_limits import deemed_accepted_at, last_day_to_tell
from casework.clock.working_days import Calendar, day_of
from casework.events import CaseFiled, CaseWithdrawn, SupplementReceived
from casework.files import find, swap, view
from casework.flow import steps
from casework.flow.tasks import close_task, open_task, press
from casework.flow.turn import stage_of
from casework.intake import papers
from casework.intake.acceptance import begin_approval
from casework.intake.admission import check_form, check_materials, check_people, received_day, window_for
from casework.intake.query_passwords import objection, query_password
from casework.intake.second_entry import note_second_entry
from casework.intake.uploads import keep_for_good
from casework.licences.library import satisfied_by
from casework.papers.documents import issue
from casework.papers.kinds import DocumentKind
from casework.refusals import NotAwaitingSupplement
from casework.tables import Case, Material, Task
from kernel.actor import Role
from kernel.acts import Done
from kernel.numbers import next_number
from kernel.refusals import Invalid, Refusal
from kernel.work import Work

log = logging.getLogger(__name__)

_OPEN = (Status.RECEIVED, Status.AWAITING_SUPPLEMENT, Status.IN_APPROVAL)


async def file_application(work: Work, act: FileApplication, *, window: str = "") -> FiledView:
    """申报: one case, one number, one sealed 《接件凭证》; the five days to speak begin on the day of receipt.

    What is missing is named and keeps nobody from filing: the window may ask for it. `window` is given for a later
    part of a package, which stays where its first was filed. Raises UNKNOWN_ITEM,
    STAGE_UNKNOWN, INVALID, RECEIVED_IN_FUTURE and what `admission` refuses.
    """
    check_people(act)
    check_materials(act.materials)
    version, definition = await published(act.item)
    stage = definition.stage(act.stage)
    window = window or await window_for(work, act, definition)
    received_on = received_day(work, act)
    check_form(stage, act.channel, act.form)
    calendar, today = work.given(Calendar), day_of(work.now)
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
        agent_name=act.agent_name,
        agent_id_number=act.agent_id_number,
        agent_phone=act.agent_phone,
        form=act.form,
        window_unit=window,
        licence_number=act.licence_number,
        statutory_days=stage.statutory_limit_days,
        committed_days=stage.committed_limit_days,
        yellow_before_days=stage.yellow_before_days,
        received_on=received_on,
        entered_at=work.now,
        deemed_at=deemed_accepted_at(received_on, calendar),
        calendar_version=calendar.version,
    )
    await watch_renewal(work, case, stage)
    await keep_materials(work, case, act.materials)
    await papers.follow(work, case, stage, window=window, at_window=act.channel != Channel.ONLINE)
    missing, reused = await _wanting(work, case, stage, act.materials)
    receipt = await issue(
        work,
        case,
        DocumentKind.RECEIPT,
        lines=_receipt_lines(work, case, act, missing=missing, reused=reused),
        unit=window,
    )
    await open_task(work, case, steps.ACCEPT, role=Role.WINDOW_CLERK, unit=window, due_on=None, sort_at=case.deemed_at)
    work.record(
        CaseFiled(
            case=case.number,
            item=case.item_code,
            unit=case.unit_code,
            channel=act.channel,
            receipt=receipt.number,
            received_on=received_on,
            late_entry=act.channel == Channel.WINDOW and received_on != today,
        )
    )
    if act.channel == Channel.SECOND_ENTRY:
        await note_second_entry(work, case, act.source.strip())
    return FiledView(
        number=case.number,
        receipt=receipt.number,
        told_by=last_day_to_tell(received_on, calendar),
        revision=case.revision,
        missing=missing,
        reused=tuple(reused),
    )


async def receive_supplement(work: Work, act: ReceiveSupplement) -> CaseView:
    """Corrections arrive. When the window finds them complete, the day is the day of acceptance (art. 32(1)(5)).

    From then on the window has the same five days: silence accepts the application as of this day.
    """
    case = await find(act.case)
    if case.status != Status.AWAITING_SUPPLEMENT or case.supplemented_on is not None:
        raise NotAwaitingSupplement(case=act.case)
    today = day_of(work.now)
    check_materials(act.materials)
    await keep_materials(work, case, act.materials)
    window = work.actor.unit or case.window_unit
    await papers.follow(work, case, await stage_of(case), window=window, at_window=True)
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


async def keep_materials(work: Work, case: Case, materials: tuple[MaterialGiven, ...]) -> None:
    """Adds what was handed in to the case's materials; its files are kept from then on."""
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
    await keep_for_good(material.sha256 for material in materials)


async def _wanting(
    work: Work, case: Case, stage: Stage, given: tuple[MaterialGiven, ...]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The required materials that are missing, and those that the library of licences replaces, with the number.

    The library logs that it was read for this case.
    """
    demanded = () if stage.materials == NONE else stage.materials
    here = {material.name for material in given}
    missing, reused = [], {}
    for material in demanded:
        if material.name in here:
            continue
        licence = None
        if material.licence:
            licence = await satisfied_by(
                work,
                holder_id_number=case.applicant_id_number,
                licence_kind=material.licence,
                case_number=case.number,
            )
        if licence is not None:
            reused[material.name] = str(licence.number)
        elif material.required:
            missing.append(material.name)
    return tuple(missing), reused


def _receipt_lines(
    work: Work, case: Case, act: FileApplication, *, missing: tuple[str, ...], reused: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    password = query_password(work.secrets, case.number)
    told_by = last_day_to_tell(case.received_on, work.given(Calendar))
    lines = [
        ("代理人", case.agent_name),
        ("收件日期", case.received_on.isoformat()),
        ("材料清单", "\n".join(material.name for material in act.materials) or "无"),
        ("共享证照", "\n".join(f"{name}（{number}，免于提交）" for name, number in reused.items())),
        ("尚缺材料", "\n".join(missing)),
        ("查询方式", f"凭办件编号和查询密码{password}查询，或发送短信CX{case.number}"),
        ("告知期限", f"{told_by.isoformat()}前告知是否受理"),
    ]
    return tuple((label, value) for label, value in lines if value)
