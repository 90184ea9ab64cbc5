"""并联办理: the lead unit and its co-units work on one case at once, and the lead decides when all have spoken.

Source: Administrative Licensing Law, art. 26(2) (one department accepts, the others give their opinions, one decision),
42(2) (forty-five working days in all). Each co-unit's line of levels ends in a signed opinion, agreement or dissent
with reasons. The lead unit decides when every branch has ended; it may grant over a dissent, by answering it.
"""

from collections.abc import Sequence

from casework.acts import Decide, Decision, PrepareDecision
from casework.catalogue.definitions import Stage
from casework.flow import steps
from casework.flow.events import BranchEnded, BranchesJoined, DissentAnswered
from casework.flow.refusals import BranchesOpen, DissentUnanswered
from casework.flow.tables import Branch
from casework.flow.tasks import open_task
from casework.flow.turn import Turn, posts_of
from casework.tables import Case
from kernel.work import Work


async def open_lines(work: Work, case: Case, stage: Stage) -> None:
    """Begins the approval of a case just accepted: the first level of its own line and of every branch."""
    for number, part in enumerate(stage.branches, 1):
        await Branch.create(case_id=case.id, number=number, unit_code=part.unit, name=part.name, opened_at=work.now)
    for branch in range(len(stage.branches) + 1):
        first = posts_of(stage, case, branch)[0]
        await open_task(
            work,
            case,
            steps.at_level(1, branch),
            role=first.role,
            unit=first.unit,
            due_on=case.committed_due,
            limit_days=first.limit_days,
            line_days=first.line_days,
        )


async def end(work: Work, turn: Turn, act: Decide) -> None:
    """The co-unit's last level has spoken."""
    case, number = turn.case, turn.task.branch
    verdict = act.decision.value
    await Branch.filter(case_id=case.id, number=number).update(
        ended_at=work.now,
        verdict=verdict,
        opinion=act.opinion,
        officer_name=turn.signer(work.actor),
        evidence=work.assured.evidence or "",
    )
    work.record(
        BranchEnded(
            case=case.number,
            branch=number,
            unit=turn.task.unit_code,
            verdict=verdict,
            officer=work.actor.id,
            evidence=work.assured.evidence,
        )
    )
    if not await Branch.filter(case_id=case.id, ended_at=None).exists():
        work.record(BranchesJoined(case=case.number, branches=len(turn.stage.branches)))


async def ensure_joined(case: Case, act: PrepareDecision | Decide) -> None:
    """Raises BRANCHES_OPEN while a co-unit has not spoken, DISSENT_UNANSWERED for a grant that passes over one.

    `act.items` answers the dissents one by one, in the order of the branches.
    """
    branches = await Branch.filter(case_id=case.id).order_by("number")
    if unended := [branch.name for branch in branches if branch.ended_at is None]:
        raise BranchesOpen(branches=unended)
    dissents = _dissents(branches)
    answers = [item for item in act.items if item.strip()]
    if act.decision is Decision.GRANT and len(answers) < len(dissents):
        raise DissentUnanswered(branches=[branch.name for branch in dissents])


async def keep_answers(work: Work, case: Case, act: Decide) -> None:
    """Keeps, with each dissent, how the decision dealt with it."""
    if act.decision is not Decision.GRANT:
        return
    branches = await Branch.filter(case_id=case.id, verdict=Decision.DISSENT).order_by("number")
    for branch, answer in zip(branches, (item.strip() for item in act.items if item.strip()), strict=False):
        await Branch.filter(id=branch.id).update(answer=answer)
        work.record(
            DissentAnswered(
                case=case.number,
                branch=branch.number,
                unit=branch.unit_code,
                officer=work.actor.id,
                evidence=work.assured.evidence,
            )
        )


def _dissents(branches: Sequence[Branch]) -> list[Branch]:
    return [branch for branch in branches if branch.verdict == Decision.DISSENT]
