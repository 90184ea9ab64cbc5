"""The approval flow: a signed opinion at every step, each step once, nobody twice in a row.

Source: Administrative Licensing Law, art. 34, 38 (decision in writing, reasons and remedy), 42, 44; the six signed
links of the online approval rules (受理、退（补）件、承办、批准、办结、送达). Which decision is possible where, and
what it does, is the table in `casework.flow.steps`.
"""

from functools import partial

import msgspec

from casework.acts import CaseView, Decide, Decision, PrepareDecision, Status
from casework.clock import hearings
from casework.clock.clocks import ledger_of, write
from casework.clock.ledger import Ended
from casework.clock.time_limits import deliver_by
from casework.clock.working_days import Calendar, day_of
from casework.events import CaseCompleted, CaseDecided, CaseDelivered
from casework.files import find, swap, view
from casework.flow import branches, delivery, levels, packages, steps
from casework.flow.delegations import ensure_not_adjacent, in_whose_name
from casework.flow.events import SignedOnBehalf
from casework.flow.steps import DECISION_NAMES, Move
from casework.flow.tasks import close_task, open_task
from casework.flow.turn import Turn, stage_of
from casework.intake import acceptance, gates
from casework.licences import grants
from casework.papers.documents import REMEDY, DocumentKind, issue
from casework.refusals import OpinionMissing, ReasonMissing, SignedSomethingElse, StepClosed, ToldTooLate
from casework.rules import CaseworkRules
from casework.tables import Case, Step, Task
from kernel.actor import Role
from kernel.acts import DocumentDigest, SigningRequest, Statement
from kernel.refusals import ChangedMeanwhile
from kernel.rows import one
from kernel.tables import Officer
from kernel.work import Work

#: What lies in the case's file: materials as they were handed in, then documents, each in its order.
_DIGESTS = (
    "SELECT 1 AS place, id, name, sha256 FROM material WHERE case_id = $1 AND sha256 <> ''"
    " UNION ALL SELECT 2 AS place, id, number AS name, sha256 FROM document WHERE case_id = $1 ORDER BY place, id"
)


async def prepare_decision(work: Work, act: PrepareDecision) -> SigningRequest:
    """The exact bytes the officer signs for this decision. Refuses now what `decide` would refuse later."""
    turn = await _turn(work, act)
    statement = await statement_of(work, turn, act)
    if turn.move not in _PASSED_ON:
        await work.rehearse(partial(_carry_out, work, turn, Decide(**msgspec.structs.asdict(act))))
    return await work.notary.prepare(work, _with_papers(work, statement))


async def decide(work: Work, act: Decide) -> CaseView:
    """Closes the open step with a signed opinion and moves the case on.

    Raises CHANGED_MEANWHILE (another revision), STEP_CLOSED, ILLEGAL_STEP, OPINION_MISSING, REASON_MISSING,
    SAME_PERSON_TWICE, SIGNED_SOMETHING_ELSE and what the single moves refuse.
    """
    turn = await _turn(work, act)
    statement = await statement_of(work, turn, act)
    await _carry_out(work, turn, act)
    if work.assured.statement != _with_papers(work, statement):
        raise SignedSomethingElse(case=act.case)
    return await view(turn.case)


async def _carry_out(work: Work, turn: Turn, act: Decide) -> None:
    await close_task(work, turn.task)
    await _sign_step(work, turn, act)
    await _MOVES[turn.move](work, turn, act)


def _with_papers(work: Work, statement: Statement) -> Statement:
    """The statement with the documents that this decision itself issues, as drafts without number and date."""
    drafts = work.papers[statement.subject]
    return msgspec.structs.replace(statement, documents=(*statement.documents, *drafts))


async def statement_of(work: Work, turn: Turn, act: PrepareDecision | Decide) -> Statement:
    """What the officer is shown and signs; generated alike when preparing and when performing."""
    case = turn.case
    digests = await work.database.rows(_DIGESTS, case.id)
    lines = [
        ("办件编号", case.number),
        ("事项", case.item_name),
        ("阶段", turn.stage.name),
        ("申请人", case.applicant_name),
        ("环节", steps.step_name(act.step, turn.task.role)),
        ("决定", DECISION_NAMES[act.decision]),
        ("意见", act.opinion),
    ]
    if act.items:
        label = steps.ITEM_LABELS.get(act.decision, "附记")
        lines.append((label, "\n".join(f"{n}. {item}" for n, item in enumerate(act.items, 1))))
    facts = {
        "step": act.step,
        "decision": act.decision.value,
        "opinion": act.opinion,
        "items": msgspec.json.encode(act.items).decode(),
    }
    if act.return_to:
        lines.append(("退回至", levels.name_of(turn, act.return_to)))
        facts["return_to"] = act.return_to
    if turn.principal:
        lines.append(("签署人", turn.signer(work.actor)))
        facts["principal"] = turn.principal.id
    lines += await gates.attested(turn, act)
    return Statement(
        kind="case.decision",
        subject=case.number,
        revision=act.revision,
        title=f"{case.item_name}·{DECISION_NAMES[act.decision]}",
        lines=tuple(lines),
        facts=facts,
        documents=tuple(DocumentDigest(name=str(row["name"]), sha256=str(row["sha256"])) for row in digests),
    )


async def _turn(work: Work, act: PrepareDecision | Decide) -> Turn:
    case = await find(act.case)
    if case.revision != act.revision:
        raise ChangedMeanwhile(subject=f"case:{case.number}")
    task = await one(Task, case_id=case.id, step=act.step, closed_at=None)
    if task is None:
        raise StepClosed(case=case.number, step=steps.step_name(act.step))
    _check_still_open(work, case, act)
    stage = await stage_of(case)
    move = levels.move_of(stage, case, act)
    if not act.opinion.strip():
        raise ReasonMissing() if act.decision in steps.NEED_REASONS else OpinionMissing()
    officer = await one(Officer, id=work.actor.id)
    principal = await in_whose_name(work, officer, task, case.item_code) if officer else None
    await ensure_not_adjacent(work, case, task, principal)
    await gates.ensure_open(case, task, act)
    if move is Move.DECIDE:
        await hearings.ensure_none_pending(work, case)
    if move is Move.DECIDE and stage.branches:
        await branches.ensure_joined(case, act)
    return Turn(case, task, stage, move, principal)


def _check_still_open(work: Work, case: Case, act: PrepareDecision | Decide) -> None:
    """Once the law has accepted by silence nobody refuses or asks any more; a corrected application is accepted as
    of the day it was complete, however late the window says so.
    """
    by_silence = case.deemed_at is not None and work.now >= case.deemed_at
    if by_silence and not (act.step == steps.SUPPLEMENT and act.decision is Decision.ACCEPT):
        raise ToldTooLate(case=case.number)


async def _sign_step(work: Work, turn: Turn, act: Decide) -> None:
    principal = turn.principal
    await Step.create(
        case_id=turn.case.id,
        seq=await Step.filter(case_id=turn.case.id).count() + 1,
        step=act.step,
        branch=turn.task.branch,
        level=turn.task.level,
        decision=act.decision,
        opinion=act.opinion,
        officer=work.actor.id,
        officer_name=work.actor.name,
        principal=principal.id if principal else "",
        principal_name=principal.name if principal else "",
        role=turn.task.role,
        signature=work.assured.evidence or "",
        at=work.now,
    )
    if principal:
        work.record(
            SignedOnBehalf(
                case=turn.case.number,
                step=act.step,
                decision=act.decision,
                officer=work.actor.id,
                principal=principal.id,
                evidence=work.assured.evidence,
            )
        )


async def _decide(work: Work, turn: Turn, act: Decide) -> None:
    case, today = turn.case, day_of(work.now)
    granted = act.decision is Decision.GRANT
    document = await issue(
        work,
        case,
        DocumentKind.GRANT if granted else DocumentKind.REFUSAL,
        unit=turn.task.unit_code,
        lines=(("决定", act.opinion),) if granted else (("理由", act.opinion), ("救济途径", REMEDY)),
    )
    await ledger_of(case)  # the clock must have been started lawfully
    await write(work, case, Ended(day=today))
    await swap(
        case,
        act.revision,
        status=Status.GRANTED if granted else Status.REFUSED,
        outcome="granted" if granted else "refused",
        decided_at=work.now,
    )
    if turn.stage.branches:
        await branches.keep_answers(work, case, act)
    if granted:
        await grants.carry_out(work, case, document)
        if case.package_number:
            await packages.go_on(work, case)
    await open_task(
        work,
        case,
        steps.COMPLETE,
        role=Role.HANDLER,
        unit=turn.task.unit_code,
        due_on=deliver_by(today, work.given(Calendar)),
    )
    work.record(
        CaseDecided(
            case=case.number,
            unit=turn.task.unit_code,
            step=act.step,
            outcome=case.outcome,
            officer=work.actor.id,
            evidence=work.assured.evidence,
            document=document.number,
        )
    )


async def _to_delivery(work: Work, turn: Turn, act: Decide) -> None:
    case = turn.case
    electronic = await delivery.is_electronic(case)
    await swap(case, act.revision)
    if not electronic:
        await open_task(
            work,
            case,
            steps.DELIVER,
            role=Role.WINDOW_CLERK,
            unit=case.window_unit or work.given(CaseworkRules).hall_unit,
            due_on=turn.task.due_on,
        )
    work.record(
        CaseCompleted(
            case=case.number,
            unit=turn.task.unit_code,
            outcome=case.outcome,
            officer=work.actor.id,
            evidence=work.assured.evidence,
        )
    )
    if electronic:
        await delivery.deliver_electronically(work, case)


async def _close(work: Work, turn: Turn, act: Decide) -> None:
    case = turn.case
    await gates.keep_attested(work, turn, act)
    lines = await delivery.receipt_lines(case, how=act.opinion, by=turn.signer(work.actor))
    receipt = await issue(work, case, DocumentKind.DELIVERY, lines=lines)
    await swap(case, act.revision, status=Status.DELIVERED, closed_at=work.now)
    work.record(
        CaseDelivered(case=case.number, officer=work.actor.id, evidence=work.assured.evidence, document=receipt.number)
    )


_MOVES = {
    Move.BEGIN_APPROVAL: acceptance.accept,
    Move.WAIT_FOR_SUPPLEMENT: acceptance.ask_supplement,
    Move.CLOSE_UNACCEPTED: acceptance.refuse_acceptance,
    Move.CLOSE_NOT_NEEDED: acceptance.refuse_acceptance,
    Move.CLOSE_NOT_OURS: acceptance.refuse_acceptance,
    Move.UP: levels.up,
    Move.BACK: levels.back,
    Move.REPORT: levels.report,
    Move.END_BRANCH: levels.end_branch,
    Move.DECIDE: _decide,
    Move.TO_DELIVERY: _to_delivery,
    Move.CLOSE: _close,
}
#: Moves that issue nothing: preparing one of them needs no rehearsal.
_PASSED_ON = frozenset({Move.UP, Move.BACK, Move.END_BRANCH})
