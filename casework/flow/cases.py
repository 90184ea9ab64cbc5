"""The approval flow: a signed opinion at every step, each step once, nobody twice in a row.

Source: Administrative Licensing Law, art. 34, 38 (decision in writing, reasons and remedy), 42, 44; the six signed
links of the online approval rules (受理、退（补）件、承办、批准、办结、送达). Which decision is possible where, and
what it does, is the table in `casework.flow.steps`.
"""

import msgspec

from casework.acts import CaseView, Decide, Decision, PrepareDecision, Status
from casework.clock.clocks import ledger_of, write
from casework.clock.ledger import Ended
from casework.clock.time_limits import deliver_by
from casework.clock.working_days import Calendar, day_of
from casework.events import (
    CaseAdvanced,
    CaseCompleted,
    CaseDecided,
    CaseDelivered,
    CaseReturned,
)
from casework.files import find, swap, view
from casework.flow import steps
from casework.flow.steps import DECISION_NAMES, Move
from casework.flow.tasks import close_task, open_task
from casework.flow.turn import Turn, stage_of
from casework.intake import acceptance
from casework.papers.documents import REMEDY, DocumentKind, issue
from casework.refusals import (
    OpinionMissing,
    ReasonMissing,
    SamePersonTwice,
    SignedSomethingElse,
    StepClosed,
    ToldTooLate,
)
from casework.rules import CaseworkRules
from casework.tables import Case, Document, Material, Step, Task
from kernel.actor import Role
from kernel.acts import DocumentDigest, SigningRequest, Statement
from kernel.refusals import ChangedMeanwhile
from kernel.work import Work


async def prepare_decision(work: Work, act: PrepareDecision) -> SigningRequest:
    """The exact bytes the officer signs for this decision. Refuses now what `decide` would refuse later."""
    turn = await _turn(work, act)
    return await work.notary.prepare(work, await statement_of(turn, act))


async def decide(work: Work, act: Decide) -> CaseView:
    """Closes the open step with a signed opinion and moves the case on.

    Raises CHANGED_MEANWHILE (another revision), STEP_CLOSED, ILLEGAL_STEP, OPINION_MISSING, REASON_MISSING,
    SAME_PERSON_TWICE, SIGNED_SOMETHING_ELSE and what the single moves refuse.
    """
    turn = await _turn(work, act)
    if work.assured.statement != await statement_of(turn, act):
        raise SignedSomethingElse(case=act.case)
    await close_task(work, turn.task)
    await _sign_step(work, turn, act)
    await _MOVES[turn.move](work, turn, act)
    return await view(turn.case)


async def statement_of(turn: Turn, act: PrepareDecision | Decide) -> Statement:
    """What the officer is shown and signs; generated alike when preparing and when performing."""
    case = turn.case
    files = await Material.filter(case_id=case.id, sha256__not="").order_by("id").values_list("name", "sha256")
    documents = await Document.filter(case_id=case.id).order_by("id").values_list("number", "sha256")
    lines = [
        ("办件编号", case.number),
        ("事项", case.item_name),
        ("申请人", case.applicant_name),
        ("环节", steps.step_name(act.step, turn.task.role)),
        ("决定", DECISION_NAMES[act.decision]),
        ("意见", act.opinion),
    ]
    if act.items:
        label = "补正内容" if act.decision is Decision.ASK_SUPPLEMENT else "附记"
        lines.append((label, "\n".join(f"{n}. {item}" for n, item in enumerate(act.items, 1))))
    return Statement(
        kind="case.decision",
        subject=case.number,
        revision=act.revision,
        title=f"{case.item_name}·{DECISION_NAMES[act.decision]}",
        lines=tuple(lines),
        facts={
            "step": act.step,
            "decision": act.decision.value,
            "opinion": act.opinion,
            "items": msgspec.json.encode(act.items).decode(),
        },
        documents=tuple(DocumentDigest(name=name, sha256=digest) for name, digest in (*files, *documents)),
    )


async def _turn(work: Work, act: PrepareDecision | Decide) -> Turn:
    case = await find(act.case)
    if case.revision != act.revision:
        raise ChangedMeanwhile(subject=f"case:{case.number}")
    task = await Task.get_or_none(case_id=case.id, step=act.step, closed_at=None)
    if task is None:
        raise StepClosed(case=case.number, step=steps.step_name(act.step))
    _check_still_open(work, case, act)
    stage = await stage_of(case)
    move = steps.move_for(act.step, act.decision, levels=len(stage.levels))
    if not act.opinion.strip():
        raise ReasonMissing() if act.decision in steps.NEED_REASONS else OpinionMissing()
    await _check_not_adjacent(work, case, act.step)
    return Turn(case, task, stage, move)


def _check_still_open(work: Work, case: Case, act: PrepareDecision | Decide) -> None:
    """Once the law has accepted by silence nobody refuses or asks any more; a corrected application is accepted as
    of the day it was complete, however late the window says so.
    """
    by_silence = case.deemed_at is not None and work.now >= case.deemed_at
    if by_silence and not (act.step == steps.SUPPLEMENT and act.decision is Decision.ACCEPT):
        raise ToldTooLate(case=case.number)


async def _check_not_adjacent(work: Work, case: Case, step: str) -> None:
    level = steps.level_of(step)
    if level is None or work.given(CaseworkRules).same_person_adjacent:
        return
    neighbours = [steps.at_level(level - 1), steps.at_level(level + 1)]
    if await Step.exists(case_id=case.id, step__in=neighbours, officer=work.actor.id):
        raise SamePersonTwice(case=case.number)


async def _sign_step(work: Work, turn: Turn, act: Decide) -> None:
    await Step.create(
        case_id=turn.case.id,
        seq=await Step.filter(case_id=turn.case.id).count() + 1,
        step=act.step,
        decision=act.decision,
        opinion=act.opinion,
        officer=work.actor.id,
        officer_name=work.actor.name,
        role=turn.task.role,
        signature=work.assured.evidence or "",
        at=work.now,
    )


async def _up(work: Work, turn: Turn, act: Decide) -> None:
    next_step = await _hand_over(work, turn, act, by=1)
    work.record(
        CaseAdvanced(
            case=turn.case.number,
            step=act.step,
            decision=act.decision,
            officer=work.actor.id,
            evidence=work.assured.evidence,
            next_step=next_step,
        )
    )


async def _back(work: Work, turn: Turn, act: Decide) -> None:
    next_step = await _hand_over(work, turn, act, by=-1)
    work.record(
        CaseReturned(
            case=turn.case.number,
            step=act.step,
            officer=work.actor.id,
            evidence=work.assured.evidence,
            next_step=next_step,
        )
    )


async def _hand_over(work: Work, turn: Turn, act: Decide, *, by: int) -> str:
    case = turn.case
    level = (steps.level_of(act.step) or 0) + by
    await swap(case, act.revision, returns=case.returns + (by < 0))
    await open_task(
        work,
        case,
        steps.at_level(level),
        role=turn.stage.levels[level - 1].role,
        unit=case.unit_code,
        due_on=case.committed_due,
    )
    return steps.at_level(level)


async def _decide(work: Work, turn: Turn, act: Decide) -> None:
    case, today = turn.case, day_of(work.now)
    granted = act.decision is Decision.GRANT
    document = await issue(
        work,
        case,
        DocumentKind.GRANT if granted else DocumentKind.REFUSAL,
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
    await open_task(
        work,
        case,
        steps.COMPLETE,
        role=Role.HANDLER,
        unit=case.unit_code,
        due_on=deliver_by(today, work.given(Calendar)),
    )
    work.record(
        CaseDecided(
            case=case.number,
            unit=case.unit_code,
            step=act.step,
            outcome=case.outcome,
            officer=work.actor.id,
            evidence=work.assured.evidence,
            document=document.number,
        )
    )


async def _to_delivery(work: Work, turn: Turn, act: Decide) -> None:
    case = turn.case
    await swap(case, act.revision)
    await open_task(
        work,
        case,
        steps.DELIVER,
        role=Role.WINDOW_CLERK,
        unit=work.given(CaseworkRules).hall_unit,
        due_on=turn.task.due_on,
    )
    work.record(
        CaseCompleted(
            case=case.number,
            unit=case.unit_code,
            outcome=case.outcome,
            officer=work.actor.id,
            evidence=work.assured.evidence,
        )
    )


async def _close(work: Work, turn: Turn, act: Decide) -> None:
    case = turn.case
    receipt = await issue(work, case, DocumentKind.DELIVERY, lines=(("送达情况", act.opinion),))
    await swap(case, act.revision, status=Status.DELIVERED, closed_at=work.now)
    work.record(
        CaseDelivered(case=case.number, officer=work.actor.id, evidence=work.assured.evidence, document=receipt.number)
    )


_MOVES = {
    Move.BEGIN_APPROVAL: acceptance.accept,
    Move.WAIT_FOR_SUPPLEMENT: acceptance.ask_supplement,
    Move.CLOSE_UNACCEPTED: acceptance.refuse_acceptance,
    Move.UP: _up,
    Move.BACK: _back,
    Move.DECIDE: _decide,
    Move.TO_DELIVERY: _to_delivery,
    Move.CLOSE: _close,
}
