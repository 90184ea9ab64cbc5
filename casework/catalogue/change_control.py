"""Change control (审查、公示、确认): how a draft comes into force.

    草案 ─ head's signature, unit's seal ─► 公示 (N working days) [─ 物价, when it has fees] ─ 审改办 ─ 法制 ─► 生效

Every step is signed by an officer of the role whose step it is; who wrote, submitted or confirmed does not confirm
again. A returned change is a draft anew and begins from the front. Cases keep the version they were accepted under.
Source: the catalogue rules on sign-off, public notice and confirmation (签字盖章报审、公示、审改办与法制机构确认), on
fees approved by the price office, and on filing with 法制办 and 效能办.
"""

import logging
from functools import partial

from tortoise.expressions import Q

from casework.catalogue.acts import (
    BringChangesIntoEffect,
    ChangeDecision,
    ChangeKind,
    ChangeState,
    ChangeStep,
    ChangeView,
    CommentOnChange,
    DecideChange,
    PrepareChangeDecision,
)
from casework.catalogue.elements import elements_in_order
from casework.catalogue.events import (
    ChangeCommented,
    ChangeConfirmed,
    ChangeEffective,
    ChangeReturned,
    ChangeSubmitted,
)
from casework.catalogue.proposals import (
    KIND_NAMES,
    digest_of,
    ensure_base,
    ensure_new,
    find_change,
    proposal_of,
    swap_change,
    view_of,
)
from casework.catalogue.publishing import ensure_may_stand, put_in_force, take_out
from casework.catalogue.refusals import (
    ChangeStepClosed,
    ChangeUnderWay,
    ConfirmsOwnChange,
    NoticeRunning,
    NotOnNotice,
)
from casework.catalogue.tables import ChangeComment, ChangeSignature, ItemChange
from casework.clock.working_days import Calendar, day_of
from casework.refusals import OpinionMissing, ReasonMissing, SignedSomethingElse
from casework.rules import CaseworkRules
from kernel.actor import Role
from kernel.acts import DocumentDigest, Done, SigningRequest, Statement
from kernel.refusals import ChangedMeanwhile, Invalid, Refusal
from kernel.work import Work

log = logging.getLogger(__name__)

STEP_NAMES = {
    ChangeStep.SUBMIT: "签字盖章报审",
    ChangeStep.PRICE: "物价核定",
    ChangeStep.REFORM: "审改办确认",
    ChangeStep.LEGAL: "法制确认",
}
#: Whose step it is. The head is that of the proposing unit.
ROLE_OF = {
    ChangeStep.SUBMIT: Role.UNIT_HEAD,
    ChangeStep.PRICE: Role.PRICE_OFFICE,
    ChangeStep.REFORM: Role.REFORM_OFFICE,
    ChangeStep.LEGAL: Role.LEGAL_OFFICE,
}
#: The state that agreement at a step leads to, and the step that follows; PRICE only for a change with fees.
_LEADS_TO = {
    ChangeStep.SUBMIT: (ChangeState.ON_NOTICE, ChangeStep.PRICE),
    ChangeStep.PRICE: (ChangeState.PRICE_CONFIRMED, ChangeStep.REFORM),
    ChangeStep.REFORM: (ChangeState.REFORM_CONFIRMED, ChangeStep.LEGAL),
    ChangeStep.LEGAL: (ChangeState.LEGAL_CONFIRMED, None),
}
_UNDER_WAY = (
    ChangeState.ON_NOTICE,
    ChangeState.PRICE_CONFIRMED,
    ChangeState.REFORM_CONFIRMED,
    ChangeState.LEGAL_CONFIRMED,
)
FILED_TO = (Role.LEGAL_OFFICE.value, Role.EFFICIENCY_OFFICE.value)
_LONGEST_COMMENT, _LONGEST_NAME, _LONGEST_PHONE = 1000, 40, 20


async def prepare_change_decision(work: Work, act: PrepareChangeDecision) -> SigningRequest:
    """The exact bytes the officer signs. Refuses now what `decide_change` would refuse later."""
    change = await _change_at(work, act)
    return await work.notary.prepare(work, await statement_of(change, act))


async def decide_change(work: Work, act: DecideChange) -> ChangeView:
    """Closes the change's open step with a signed decision.

    Raises CHANGED_MEANWHILE, CHANGE_STEP_CLOSED, NOTICE_RUNNING, CONFIRMS_OWN_CHANGE, OPINION_MISSING, REASON_MISSING,
    SIGNED_SOMETHING_ELSE, CHANGE_UNDER_WAY, and at submission everything that keeps a definition from being published.
    """
    change = await _change_at(work, act)
    if work.assured.statement != await statement_of(change, act):
        raise SignedSomethingElse(change=act.change)
    await ChangeSignature.create(
        change_number=change.number,
        round=change.round,
        step=act.step,
        decision=act.decision,
        opinion=act.opinion,
        officer=work.actor.id,
        officer_name=work.actor.name,
        evidence=work.assured.evidence or "",
        at=work.now,
    )
    if act.decision is ChangeDecision.RETURN:
        await _return(work, change, act.step, officer=work.actor.id)
    elif act.step is ChangeStep.SUBMIT:
        await _submit(work, change)
    else:
        await _confirm(work, change, act.step)
    return view_of(change)


async def statement_of(change: ItemChange, act: PrepareChangeDecision | DecideChange) -> Statement:
    """What the officer is shown and signs: the whole proposal by its digest, limits and fees in words."""
    proposal = proposal_of(change)
    items = list(zip(proposal.items(), proposal.definitions, strict=True))
    decision = "同意" if act.decision is ChangeDecision.AGREE else "退回"
    lines = [
        ("变更编号", change.number),
        ("变更类型", KIND_NAMES[proposal.kind]),
        ("事项", f"{proposal.item} {change.item_name}"),
        ("变更理由", proposal.reason),
        ("生效日期", proposal.effective_on.isoformat() if proposal.effective_on else "法制确认之日"),
    ]
    for item, _ in items:
        said = {element.name: element.lines for element in elements_in_order(item)}
        lines += [(f"{item.code}{name}", "\n".join(said[name])) for name in ("审批时限", "审批收费")]
    if act.step is not ChangeStep.SUBMIT:
        lines.append(("公示意见", f"{await ChangeComment.filter(change_number=change.number).count()}条"))
    lines += [("环节", STEP_NAMES[act.step]), ("决定", decision), ("意见", act.opinion)]
    return Statement(
        kind="item.change",
        subject=change.number,
        revision=act.revision,
        title=f"事项目录变更·{STEP_NAMES[act.step]}·{decision}",
        lines=tuple(lines),
        facts={"step": act.step.value, "decision": act.decision.value, "opinion": act.opinion},
        documents=(
            DocumentDigest(name="事项变更报审表", sha256=digest_of(change.document)),
            *(DocumentDigest(name=f"{item.code} {item.name}", sha256=digest_of(text)) for item, text in items),
        ),
    )


async def comment_on_change(work: Work, act: CommentOnChange) -> Done:
    """公示意见: anybody, while the notice lies open."""
    change = await find_change(act.change)
    if change.state != ChangeState.ON_NOTICE or day_of(work.now) > (change.notice_until or day_of(work.now)):
        raise NotOnNotice(change=act.change)
    if not act.text.strip() or len(act.text) > _LONGEST_COMMENT:
        raise Invalid(field="意见", why=f"请填写意见（不超过{_LONGEST_COMMENT}字）")
    if len(act.name) > _LONGEST_NAME or len(act.phone) > _LONGEST_PHONE:
        raise Invalid(field="姓名、电话", why=f"姓名不超过{_LONGEST_NAME}字，电话不超过{_LONGEST_PHONE}位")
    comment = await ChangeComment.create(
        change_number=change.number, name=act.name.strip(), phone=act.phone.strip(), text=act.text.strip(), at=work.now
    )
    work.record(ChangeCommented(change=change.number, comment=comment.id))
    return Done()


async def bring_changes_into_effect(work: Work, act: BringChangesIntoEffect) -> Done:
    """The clock's: what was confirmed for a later day takes effect on it; what no longer fits goes back to its unit."""
    due = (
        await ItemChange.filter(state=ChangeState.LEGAL_CONFIRMED, effective_on__lte=day_of(work.now))
        .order_by("number")
        .limit(act.limit)
    )
    for change in due:
        fault = await work.apart(partial(_take_effect, work, change))
        if isinstance(fault, Refusal):
            await _return(work, await find_change(change.number), "effect", officer="")
        elif fault is not None:
            log.error("change %s could not take effect: %s", change.number, type(fault).__name__)
    return Done(count=len(due))


async def _change_at(work: Work, act: PrepareChangeDecision | DecideChange) -> ItemChange:
    """The change, if this decision is possible now."""
    change = await find_change(act.change)
    if change.revision != act.revision:
        raise ChangedMeanwhile(subject=f"change:{change.number}")
    if change.next_step != act.step:
        raise ChangeStepClosed(change=change.number, step=STEP_NAMES[act.step])
    if act.step is ChangeStep.SUBMIT:
        if act.decision is ChangeDecision.RETURN:
            raise Invalid(field="决定", why="草案不能退回，可以修改或撤销")
        await _ensure_fit(work, change)
    else:
        await _ensure_other_hands(work, change)
    if act.decision is ChangeDecision.AGREE and change.notice_until and day_of(work.now) <= change.notice_until:
        raise NoticeRunning(until=change.notice_until.isoformat())
    if not act.opinion.strip():
        raise OpinionMissing() if act.decision is ChangeDecision.AGREE else ReasonMissing()
    return change


async def _ensure_fit(work: Work, change: ItemChange) -> None:
    """Before anybody signs: complete, still about the catalogue as it stands, and nothing else on its way."""
    proposal = proposal_of(change)
    await ensure_base(proposal)
    for item in proposal.items():
        await ensure_may_stand(work, item)
    other = await ItemChange.filter(item_code=change.item_code, state__in=_UNDER_WAY).first()
    if other is not None:
        raise ChangeUnderWay(item=change.item_code, change=other.number)


async def _ensure_other_hands(work: Work, change: ItemChange) -> None:
    signed = ChangeSignature.filter(Q(change_number=change.number), Q(round=change.round), Q(officer=work.actor.id))
    if work.actor.id in change.authors or await signed.exists():
        raise ConfirmsOwnChange(change=change.number)


async def _submit(work: Work, change: ItemChange) -> None:
    (seal,) = await work.notary.seal(work, change.unit_code, [change.document.encode()])
    today = day_of(work.now)
    notice_until = work.given(Calendar).nth_working_day_after(today, work.given(CaseworkRules).notice_working_days)
    state, following = _LEADS_TO[ChangeStep.SUBMIT]
    await swap_change(
        change,
        change.revision,
        state=state,
        next_step=following if change.has_fees else ChangeStep.REFORM,
        notice_from=today,
        notice_until=notice_until,
        seal_serial=seal.serial,
        seal_signature=seal.signature,
    )
    work.record(
        ChangeSubmitted(
            change=change.number,
            kind=change.kind,
            item=change.item_code,
            unit=change.unit_code,
            document_sha256=digest_of(change.document),
            officer=work.actor.id,
            evidence=work.assured.evidence,
            seal_serial=seal.serial,
            notice_until=notice_until,
        )
    )


async def _confirm(work: Work, change: ItemChange, step: ChangeStep) -> None:
    state, following = _LEADS_TO[step]
    await swap_change(change, change.revision, state=state, next_step=following or "")
    work.record(ChangeConfirmed(change=change.number, step=step, officer=work.actor.id, evidence=work.assured.evidence))
    if following is None and (change.effective_on is None or change.effective_on <= day_of(work.now)):
        await _take_effect(work, change)


async def _return(work: Work, change: ItemChange, step: str, *, officer: str) -> None:
    await swap_change(
        change,
        change.revision,
        state=ChangeState.DRAFT,
        round=change.round + 1,
        next_step=ChangeStep.SUBMIT,
        notice_from=None,
        notice_until=None,
        seal_serial="",
        seal_signature=None,
    )
    work.record(ChangeReturned(change=change.number, step=step, officer=officer, evidence=work.assured.evidence))


async def _take_effect(work: Work, change: ItemChange) -> None:
    """Each definition becomes its item's next version; an item that is removed or wholly split is never used again."""
    proposal = proposal_of(change)
    await ensure_base(proposal)
    for item, text in zip(proposal.items(), proposal.definitions, strict=True):
        if item.code != proposal.item:
            await ensure_new(item.code)
        await put_in_force(work, text, change=change.number)
    if proposal.item not in [item.code for item in proposal.items()]:
        await take_out(work, proposal.item, change=change.number)
    await swap_change(change, change.revision, state=ChangeState.EFFECTIVE, effective_at=work.now)
    work.record(
        ChangeEffective(
            change=change.number,
            kind=ChangeKind(change.kind),
            item=change.item_code,
            unit=change.unit_code,
            filed_to=FILED_TO,
        )
    )
