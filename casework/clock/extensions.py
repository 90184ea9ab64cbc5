"""延长: once, in time, signed by the head who may, and told to the applicant with its reason.

Source: Administrative Licensing Law, art. 42(1): ten working days by the head of the authority; art. 42(2), 26:
fifteen, where several authorities handle a case, by the head of the government of the same level. How many and by
whom stands in `ledger.EXTENSIONS`; here it is found out who signs, and the notice is issued.
"""

from functools import partial

import msgspec

from casework.acts import CaseView, ExtendClock
from casework.clock.acts import PrepareExtension
from casework.clock.clocks import dues, move_clock, running
from casework.clock.ledger import APPROVER_NAMES, Approver, Extended, Handling, Ledger, append
from casework.clock.time_limits import extend
from casework.clock.working_days import Calendar, day_of
from casework.events import ClockExtended
from casework.files import unit_in_charge, view
from casework.papers.documents import DocumentKind, issue
from casework.permissions import AUTHORITY_HEADS
from casework.refusals import SignedSomethingElse
from casework.tables import Case
from kernel.actor import Role
from kernel.acts import SigningRequest, Statement
from kernel.refusals import ChangedMeanwhile
from kernel.tables import Officer
from kernel.work import Work


async def prepare_extension(work: Work, act: PrepareExtension) -> SigningRequest:
    """The exact bytes the head signs. Refuses now what `extend_clock` would refuse later."""
    case, ledger = await running(act.case)
    if case.revision != act.revision:
        raise ChangedMeanwhile(subject=f"case:{case.number}")
    extended = await _extended(work, case, ledger, act)
    statement = _statement(work, case, ledger, extended, act.revision)
    await work.rehearse(partial(_carry_out, work, case, ledger, extended, act.revision))
    return await work.notary.prepare(work, _with_notice(work, statement))


async def extend_clock(work: Work, act: ExtendClock) -> CaseView:
    """Raises ALREADY_EXTENDED, EXTENSION_TOO_LONG, EXTENSION_TOO_LATE, EXTENSION_UNAPPROVED, EXTENSION_UNEXPLAINED,
    SIGNED_SOMETHING_ELSE.
    """
    case, ledger = await running(act.case)
    extended = await _extended(work, case, ledger, act)
    statement = _statement(work, case, ledger, extended, act.revision)
    await _carry_out(work, case, ledger, extended, act.revision)
    if work.assured.statement != _with_notice(work, statement):
        raise SignedSomethingElse(case=act.case)
    return await view(case)


async def _carry_out(work: Work, case: Case, ledger: Ledger, extended: Extended, revision: int) -> None:
    notice = await issue(
        work,
        case,
        DocumentKind.EXTENSION,
        lines=(
            ("延长期限", f"{extended.working_days}个工作日"),
            ("延长后的办结期限", _due_with(work, case, ledger, extended)),
            ("批准", APPROVER_NAMES[extended.approver]),
            ("理由", extended.reason),
        ),
        unit=await unit_in_charge(case),
    )
    entry = msgspec.structs.replace(extended, notice=notice.number)
    due = await move_clock(work, case, append(ledger, entry), entry, revision=revision)
    work.record(
        ClockExtended(
            case=case.number,
            days=entry.working_days,
            reason=entry.reason,
            document=notice.number,
            committed_due=due,
            officer=work.actor.id,
            evidence=work.assured.evidence,
        )
    )


async def _extended(work: Work, case: Case, ledger: Ledger, act: PrepareExtension | ExtendClock) -> Extended:
    """The ledger's line, lawful but for the number of its notice, which is issued only once it is signed."""
    extended = Extended(
        day=day_of(work.now),
        working_days=act.days,
        approver=await _approver(work, case, ledger.started.handling),
        reason=act.reason,
        notice="—",
    )
    extend(ledger, extended, case.committed_days, work.given(Calendar))
    return extended


async def _approver(work: Work, case: Case, handling: Handling) -> Approver:
    """As what the actor signs: somebody may head both the authority and the government."""
    officer = await Officer.get(id=work.actor.id)
    is_head = not set(AUTHORITY_HEADS).isdisjoint(officer.roles)
    heads_authority = is_head and officer.unit_code == await unit_in_charge(case)
    if Role.GOVERNMENT_HEAD in officer.roles and (handling is Handling.JOINT or not heads_authority):
        return Approver.HEAD_OF_GOVERNMENT
    return Approver.HEAD_OF_AUTHORITY


def _statement(work: Work, case: Case, ledger: Ledger, extended: Extended, revision: int) -> Statement:
    """What the head is shown and signs; generated alike when preparing and when performing."""
    longer = _due_with(work, case, ledger, extended)
    return Statement(
        kind="case.extension",
        subject=case.number,
        revision=revision,
        title=f"{case.item_name}·延长办理期限",
        lines=(
            ("办件编号", case.number),
            ("事项", case.item_name),
            ("申请人", case.applicant_name),
            ("延长", f"{extended.working_days}个工作日"),
            ("现办结期限", dues(work, case, ledger).committed.day.isoformat()),
            ("延长后的办结期限", longer),
            ("批准", APPROVER_NAMES[extended.approver]),
            ("理由", extended.reason),
        ),
        facts={
            "days": str(extended.working_days),
            "approver": extended.approver.value,
            "due": longer,
            "reason": extended.reason,
        },
    )


def _with_notice(work: Work, statement: Statement) -> Statement:
    """The statement with the notice that the extension itself issues, as a draft without number and date."""
    return msgspec.structs.replace(statement, documents=tuple(work.papers[statement.subject]))


def _due_with(work: Work, case: Case, ledger: Ledger, extended: Extended) -> str:
    return dues(work, case, append(ledger, extended)).committed.day.isoformat()
