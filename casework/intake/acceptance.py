"""受理, 补正告知, 不予受理: what the window decides about an application.

Source: Administrative Licensing Law, art. 32.
"""

from datetime import date

from casework.acts import Channel, Decide, Decision, Status
from casework.clock.clocks import LEGAL_HANDLING, dues, write
from casework.clock.ledger import Ledger, Started
from casework.clock.working_days import day_of
from casework.events import AcceptanceRefused, CaseAccepted, SupplementAsked
from casework.files import swap
from casework.flow import steps
from casework.flow.branches import open_lines
from casework.flow.tasks import open_task
from casework.flow.turn import Turn, stage_of
from casework.intake.fees import issue_bill
from casework.papers.documents import issue
from casework.papers.kinds import REMEDY, DocumentKind
from casework.refusals import NothingMissing, SupplementAlreadyAsked, SupplementOutstanding
from casework.tables import Case
from kernel.actor import Role
from kernel.work import Work


async def accept(work: Work, turn: Turn, act: Decide) -> None:
    await begin_approval(work, turn.case, act.revision, accepted_on=_acceptance_day(work, turn), deemed=False)


def _acceptance_day(work: Work, turn: Turn) -> date:
    case, today = turn.case, day_of(work.now)
    if turn.task.step == steps.SUPPLEMENT:
        if case.supplemented_on is None:
            raise SupplementOutstanding(case=case.number)
        return case.supplemented_on
    # What a window entered late cost the applicant no day: the receipt starts the clock.
    late_entry = case.channel != Channel.ONLINE and case.received_on < day_of(case.entered_at)
    return case.received_on if late_entry else today


async def ask_supplement(work: Work, turn: Turn, act: Decide) -> None:
    case = turn.case
    missing = tuple(item.strip() for item in act.items if item.strip())
    if case.supplement_asked:
        raise SupplementAlreadyAsked(case=case.number)
    if not missing:
        raise NothingMissing()
    notice = await issue(
        work,
        case,
        DocumentKind.SUPPLEMENT_NOTICE,
        lines=(("需要补正的全部内容", "\n".join(f"{n}. {item}" for n, item in enumerate(missing, 1))),),
    )
    await swap(case, act.revision, status=Status.AWAITING_SUPPLEMENT, supplement_asked=True, deemed_at=None)
    await open_task(work, case, steps.SUPPLEMENT, role=Role.WINDOW_CLERK, unit=turn.task.unit_code, due_on=None)
    work.record(SupplementAsked(case=case.number, missing=missing, document=notice.number, officer=work.actor.id))


async def refuse_acceptance(work: Work, turn: Turn, act: Decide) -> None:
    """不予受理, with its reasons: not qualified, not needed (art. 32(1)(1)), or another authority's (art. 32(1)(2)),
    which is named.
    """
    case = turn.case
    authority = (
        "、".join(item.strip() for item in act.items if item.strip()) if act.decision is Decision.NOT_OURS else ""
    )
    lines = (("理由", act.opinion), ("请向下列机关申请", authority), ("救济途径", REMEDY))
    kind = DocumentKind.NOT_NEEDED if act.decision is Decision.NOT_NEEDED else DocumentKind.NON_ACCEPTANCE
    document = await issue(work, case, kind, lines=tuple((label, value) for label, value in lines if value))
    await swap(case, act.revision, status=Status.NOT_ACCEPTED, deemed_at=None, closed_at=work.now)
    work.record(
        AcceptanceRefused(
            case=case.number,
            unit=case.unit_code,
            document=document.number,
            officer=work.actor.id,
            ground=act.decision,
            authority=authority,
        )
    )


async def begin_approval(work: Work, case: Case, revision: int, *, accepted_on: date, deemed: bool) -> None:
    """受理: starts the legal clock on `accepted_on`, issues 《受理通知书》 and gives the case to the first level."""
    stage = await stage_of(case)
    started = Started(day=accepted_on, handling=LEGAL_HANDLING[stage.handling])
    due = dues(work, case, Ledger((started,)))
    await swap(
        case,
        revision,
        status=Status.IN_APPROVAL,
        accepted_on=accepted_on,
        deemed_accepted=deemed,
        deemed_at=None,
        statutory_due=due.statutory.day,
        committed_due=due.committed.day,
        due_provisional=due.committed.provisional,
    )
    await write(work, case, started)
    how = "逾期未告知补正内容，依法自收到申请材料之日起视为受理" if deemed else "申请材料齐全、符合法定形式"
    document = await issue(
        work,
        case,
        DocumentKind.ACCEPTANCE,
        lines=(
            ("受理日期", accepted_on.isoformat()),
            ("受理依据", how),
            ("办结期限", f"{due.committed.day.isoformat()}（承诺{case.committed_days}个工作日）"),
        ),
    )
    await issue_bill(work, case, stage)
    await open_lines(work, case, stage)
    work.record(
        CaseAccepted(
            case=case.number,
            unit=case.unit_code,
            accepted_on=accepted_on,
            statutory_due=due.statutory.day,
            committed_due=due.committed.day,
            committed_days=case.committed_days,
            deemed=deemed,
            document=document.number,
        )
    )
