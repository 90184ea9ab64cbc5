"""From level to level: up with an opinion, back with a reason, up to the authority above, or to a branch's end.

Source: 三级角色 and 回退机制 of the online approval rules; Administrative Licensing Law, art. 43 (a lower authority
reviews within twenty days and reports up all materials with its opinion). A return never stops the clock.
"""

from casework.acts import Decide, Decision, PrepareDecision
from casework.catalogue.definitions import Stage
from casework.events import CaseAdvanced, CaseReturned
from casework.files import swap
from casework.flow import branches, steps
from casework.flow.events import CaseReportedUp
from casework.flow.refusals import ReturnImpossible
from casework.flow.steps import Move
from casework.flow.tasks import open_task
from casework.flow.turn import Turn, posts_of, signed_by
from casework.papers.documents import DocumentKind, issue
from casework.tables import Case, Material, Step
from kernel.tables import Unit
from kernel.work import Work


def move_of(stage: Stage, case: Case, act: PrepareDecision | Decide) -> Move:
    """What the act's decision does. Raises ILLEGAL_STEP, RETURN_IMPOSSIBLE."""
    move = steps.move_for(
        act.step,
        act.decision,
        levels=len(posts_of(stage, case, steps.branch_of(act.step))),
        reviews=len(stage.levels) if stage.report_up else 0,
    )
    if move is Move.BACK or act.return_to:
        _target(stage, act)
    return move


async def up(work: Work, turn: Turn, act: Decide) -> None:
    await swap(turn.case, act.revision)
    next_step = await _open(work, turn, _level(act) + 1)
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


async def back(work: Work, turn: Turn, act: Decide) -> None:
    """退回: one level, or where the item allows it to any earlier one; counted."""
    await swap(turn.case, act.revision, returns=turn.case.returns + 1)
    next_step = await _open(work, turn, _target(turn.stage, act))
    work.record(
        CaseReturned(
            case=turn.case.number,
            step=act.step,
            officer=work.actor.id,
            evidence=work.assured.evidence,
            next_step=next_step,
        )
    )


async def report(work: Work, turn: Turn, act: Decide) -> None:
    """上报: the first review is over; by a letter with its opinions, every material goes to the authority above."""
    case = turn.case
    await swap(case, act.revision, reported_up_at=work.now)
    opinions = await Step.filter(case_id=case.id, branch=0, level__gt=0).order_by("seq")
    materials = await Material.filter(case_id=case.id).order_by("id").values_list("name", flat=True)
    above = await Unit.get(code=posts_of(turn.stage, case)[_level(act)].unit)
    letter = await issue(
        work,
        case,
        DocumentKind.REPORT_UP,
        unit=turn.task.unit_code,
        addressee=above.name,
        lines=(
            *((f"初审意见（{signed_by(step.officer_name, step.principal_name)}）", step.opinion) for step in opinions),
            ("申请材料", "\n".join(str(name) for name in materials) or "无"),
        ),
    )
    next_step = await _open(work, turn, _level(act) + 1)
    work.record(
        CaseReportedUp(
            case=case.number,
            from_unit=turn.task.unit_code,
            to_unit=above.code,
            materials=len(materials),
            opinions=tuple(step.signature for step in opinions),
            document=letter.number,
            officer=work.actor.id,
            evidence=work.assured.evidence,
            next_step=next_step,
        )
    )


async def end_branch(work: Work, turn: Turn, act: Decide) -> None:
    await swap(turn.case, act.revision)
    await branches.end(work, turn, act)


def name_of(turn: Turn, step: str) -> str:
    """What a level of the turn's own line is called."""
    level = steps.level_of(step) or 1
    return steps.step_name(step, posts_of(turn.stage, turn.case, turn.task.branch)[level - 1].role)


async def _open(work: Work, turn: Turn, level: int) -> str:
    """Opens `level` of the turn's own line and returns its step."""
    case, branch = turn.case, turn.task.branch
    post, step = posts_of(turn.stage, case, branch)[level - 1], steps.at_level(level, branch)
    await open_task(
        work,
        case,
        step,
        role=post.role,
        unit=post.unit,
        due_on=case.committed_due,
        limit_days=post.limit_days,
        line_days=post.line_days,
    )
    return step


def _target(stage: Stage, act: PrepareDecision | Decide) -> int:
    """The level that a return goes to. Raises RETURN_IMPOSSIBLE."""
    here, branch = _level(act), steps.branch_of(act.step)
    if not act.return_to:
        return here - 1
    nearest = 1 if stage.return_anywhere else max(1, here - 1)
    earlier = {steps.at_level(level, branch): level for level in range(nearest, here)}
    if act.decision is not Decision.RETURN or act.return_to not in earlier:
        raise ReturnImpossible(step=act.return_to)
    return earlier[act.return_to]


def _level(act: PrepareDecision | Decide) -> int:
    return steps.level_of(act.step) or 0
