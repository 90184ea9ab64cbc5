"""Deciding about cards, serving them, acknowledging them: by text message and in the app, one rule for both.

A card has no effect before a supervision leader has confirmed it, or after the escalation somebody above; only then
it gets its number (黄牌 and 红牌 in series of their own), its sealed paper, and its way to the unit. Confirming twice
is the same as once.
What a text may not do is refused by returning, so that the log and the count of wrong tries are kept.
"""

from casework.clock.working_days import day_of
from casework.files import find as find_case
from casework.refusals import SignedSomethingElse
from kernel.actor import ActorKind, Role
from kernel.acts import SigningRequest, Statement
from kernel.permissions import permission
from kernel.refusals import ChangedMeanwhile, Invalid, NotPermitted, Refusal
from kernel.tables import Officer, Unit
from kernel.work import Work
from supervision.acts import (
    AcknowledgeCard,
    CardColour,
    CardDecision,
    CardState,
    CardView,
    ConfirmCard,
    DecideCard,
    PrepareCardDecision,
    ProposeCard,
    RejectCard,
)
from supervision.events import CardAcknowledged, CardConfirmed, CardRejected, CardReplyRefused, CardServed
from supervision.grounds import GROUNDS, Ground
from supervision.papers import SECRET_ITEM, Draft, in_words, issuer, numbers, seal_drafts
from supervision.people import UNIT_LEADERS, is_phone_lost, officer_behind, those_above, unit_leaders, who
from supervision.proposals import Proposal, propose, standing_cards
from supervision.refusals import (
    CardAlreadyDecided,
    CardExists,
    CardNotServed,
    CodeExpired,
    CodeWrong,
    FactsMissing,
    NotTheRegisteredNumber,
    ObjectInTheApp,
    OnlyAReceipt,
    PhoneReportedLost,
    ProposerMayNotDecide,
    UnknownCard,
)
from supervision.reply_codes import Asked, Purpose, draw, find, masked, use
from supervision.rules import SupervisionRules
from supervision.tables import Card, ReplyCode

COLOUR_NAMES = {CardColour.YELLOW: "黄牌", CardColour.RED: "红牌"}
_DECISION_NAMES = {CardDecision.CONFIRM: "同意发牌", CardDecision.REJECT: "不同意发牌"}
_ID_LENGTH, _WORDS = 12, 200
_SETTLED = {CardDecision.CONFIRM: CardState.EFFECTIVE, CardDecision.REJECT: CardState.REJECTED}


@permission("any officer | a text with a code")
async def officer_or_text(work: Work, act: AcknowledgeCard) -> bool:
    """Whose card or number it is is asked inside, so that a refused text stays sealed."""
    return act.code is not None or work.actor.kind is ActorKind.OFFICER


async def propose_card(work: Work, act: ProposeCard) -> CardView:
    """A supervisor's proposal. Raises UNKNOWN_CASE, CARD_FACTS_MISSING, CARD_EXISTS."""
    _check_words("事实", act.facts)
    if act.ground is Ground.OTHER and not act.facts.strip():
        raise FactsMissing()
    case = await find_case(act.case)
    proposal = Proposal(
        case_id=case.id,
        case_number=case.number,
        item_name=SECRET_ITEM if case.secret else case.item_name,
        unit=case.unit_code,
        officer=None,
        colour=act.colour,
        ground=act.ground,
        facts=act.facts,
    )
    for card in await propose(work, [proposal]):
        return view(card)
    raise CardExists(card=(await standing_cards([proposal]))[proposal.fact])


async def confirm_card(work: Work, act: ConfirmCard) -> CardView | Refusal:
    """`1<code>`: confirms a proposed card, or acknowledges a served one, as the code was meant."""
    code = await _code_of(work, act.code, act.card)
    if isinstance(code, ReplyCode) and code.purpose == Purpose.ACKNOWLEDGE:
        return await _acknowledge_by_text(work, code)
    return await _decide_by_text(work, code, CardDecision.CONFIRM)


async def reject_card(work: Work, act: RejectCard) -> CardView | Refusal:
    """`2<code>`: rejects a proposed card. To a served card one objects in the app, with reasons."""
    _check_words("理由", act.reason)
    code = await _code_of(work, act.code, act.card)
    if isinstance(code, ReplyCode) and code.purpose == Purpose.ACKNOWLEDGE:
        return _refused(work, ObjectInTheApp(), code.card_id)
    return await _decide_by_text(work, code, CardDecision.REJECT, act.reason)


async def acknowledge_card(work: Work, act: AcknowledgeCard) -> CardView | Refusal:
    """签收, by text with the code or in the app by a leader of the card's unit."""
    if act.code is not None:
        code = await _code_of(work, act.code, act.card)
        if isinstance(code, ReplyCode) and code.purpose == Purpose.CONFIRM:
            return _refused(work, OnlyAReceipt(), code.card_id)
        return await _acknowledge_by_text(work, code)
    if act.card is None:
        raise Invalid(field="card", why="缺少牌号")
    card = await find_card(act.card)
    objection = await _objection_to_receipt(work, card)
    if objection is not None:
        raise objection
    return await _acknowledge(work, card)


async def prepare_card_decision(work: Work, act: PrepareCardDecision) -> SigningRequest:
    """The exact bytes for the leader to sign."""
    _check_words("理由", act.reason)
    card = await find_card(act.card)
    objection = await _objection(work, card, act.decision)
    if objection is not None:
        raise objection
    if card.state != CardState.PROPOSED:
        raise CardAlreadyDecided(card=card.id, state=card.state)
    if card.revision != act.revision:
        raise ChangedMeanwhile(subject=f"card:{card.id}")
    return await work.notary.prepare(work, await _statement(card, act))


async def decide_card(work: Work, act: DecideCard) -> CardView:
    """A signed decision. When the card already stands as the leader wants it, nothing happens a second time."""
    _check_words("理由", act.reason)
    card = await find_card(act.card)
    objection = await _objection(work, card, act.decision)
    if objection is not None:
        raise objection
    if card.state == _SETTLED[act.decision]:
        return view(card)
    if work.assured.statement != await _statement(card, act):
        raise SignedSomethingElse()
    if card.revision != act.revision:
        raise ChangedMeanwhile(subject=f"card:{card.id}")
    return await _settle(work, card, act.decision, act.reason)


async def find_card(card_id: str) -> Card:
    card = await Card.get_or_none(id=card_id) if len(card_id) <= _ID_LENGTH else None
    if card is None:
        raise UnknownCard(card=card_id)
    return card


def _check_words(field: str, text: str) -> None:
    if len(text) > _WORDS:
        raise Invalid(field=field, why=f"不超过{_WORDS}字")


def view(card: Card) -> CardView:
    return CardView(
        id=card.id,
        number=card.number,
        colour=CardColour(card.colour),
        ground=Ground(card.ground),
        state=CardState(card.state),
        revision=card.revision,
        unit=card.unit_code,
        case=card.case_number,
        evidence=card.receipt_evidence or card.evidence,
        decided_at=card.decided_at,
        acknowledged_at=card.acknowledged_at,
    )


# -------------------------------------------------------------------------------------------------------- by text
async def _code_of(work: Work, code: str, card: str | None) -> ReplyCode | Refusal:
    """The row the text answers, if it still belongs to the officer who holds this number."""
    found = await find(work, code)
    if isinstance(found, Refusal):
        return found
    officer = await officer_behind(work.actor)
    if officer is None or officer.id != found.officer_id or found.phone not in (officer.phone, officer.second_phone):
        return NotTheRegisteredNumber()
    if officer.phone_since is not None and found.drawn_at < officer.phone_since:
        return CodeExpired()  # the number was somebody else's meanwhile
    if await is_phone_lost(officer):
        return PhoneReportedLost()
    return CodeWrong(left=0) if card not in (None, found.card_id) else found


async def _decide_by_text(
    work: Work, code: ReplyCode | Refusal, decision: CardDecision, reason: str = ""
) -> CardView | Refusal:
    if isinstance(code, Refusal):
        return _refused(work, code)
    card = await find_card(code.card_id)
    objection = await _objection(work, card, decision)
    if objection is not None:
        return _refused(work, objection, card.id)
    await use(work, code)
    return view(card) if card.state == _SETTLED[decision] else await _settle(work, card, decision, reason)


async def _acknowledge_by_text(work: Work, code: ReplyCode | Refusal) -> CardView | Refusal:
    if isinstance(code, Refusal):
        return _refused(work, code)
    card = await find_card(code.card_id)
    objection = await _objection_to_receipt(work, card)
    if objection is not None:
        return _refused(work, objection, card.id)
    await use(work, code)
    return await _acknowledge(work, card)


def _refused(work: Work, refusal: Refusal, card: str = "") -> Refusal:
    work.record(
        CardReplyRefused(
            phone=masked(work.actor.phone or ""), why=refusal.code, card=card, evidence=work.assured.evidence or ""
        )
    )
    return refusal


# ------------------------------------------------------------------------------------------------ one rule for all
async def _objection(work: Work, card: Card, decision: CardDecision) -> Refusal | None:
    """Why the actor may not decide so about this card, asked before anything is written."""
    officer = await officer_behind(work.actor)
    if officer is None or not await _may_decide(work, card, officer):
        return NotPermitted(act="card.decide", needs=Role.SUPERVISION_LEADER)
    if card.proposed_by == who(work.actor):
        return ProposerMayNotDecide()
    if card.state not in (CardState.PROPOSED, _SETTLED[decision]):
        return CardAlreadyDecided(card=card.id, state=card.state)
    return None


async def _may_decide(work: Work, card: Card, officer: Officer) -> bool:
    """The leaders of supervision; once they have stayed silent too long, those above as well."""
    if Role.SUPERVISION_LEADER in officer.roles:
        return True
    return card.escalated_at is not None and officer.id in {each.id for each in await those_above(work)}


async def _objection_to_receipt(work: Work, card: Card) -> Refusal | None:
    officer = await officer_behind(work.actor)
    if officer is None or officer.unit_code != card.unit_code or set(UNIT_LEADERS).isdisjoint(officer.roles):
        return NotPermitted(act="card.acknowledge", needs="unit_head")
    return None if card.state == CardState.EFFECTIVE else CardNotServed(card=card.id)


async def _settle(work: Work, card: Card, decision: CardDecision, reason: str) -> CardView:
    evidence = work.assured.evidence or ""
    settled: dict[str, object] = {
        "state": _SETTLED[decision],
        "decided_at": work.now,
        "decided_by": who(work.actor),
        "reason": reason,
        "evidence": evidence,
        "remind_at": None,
    }
    if decision is CardDecision.REJECT:
        await _swap(card, **settled, fact_key=None)
        work.record(
            CardRejected(
                card=card.id, case=card.case_number, unit=card.unit_code, officer=work.actor.id, evidence=evidence
            )
        )
        return view(card)
    await _swap(card, **settled, served_at=work.now, **await _paper_of(work, card))
    work.record(
        CardConfirmed(
            card=card.id,
            number=card.number or "",
            case=card.case_number,
            unit=card.unit_code,
            officer=work.actor.id,
            evidence=evidence,
        )
    )
    await _serve(work, card)
    return view(card)


async def _paper_of(work: Work, card: Card) -> dict[str, object]:
    """The number and the sealed paper that a card gets with its effect."""
    rules, unit = work.given(SupervisionRules), await issuer(work)
    mark = rules.yellow_card_mark if card.colour == CardColour.YELLOW else rules.red_card_mark
    [number] = await numbers(work, unit, mark)
    addressee = await Unit.get_or_none(code=card.unit_code)
    officer = await Officer.get_or_none(id=card.officer) if card.officer else None
    citation = GROUNDS[Ground(card.ground)]
    draft = Draft(
        title=f"行政效能监察{COLOUR_NAMES[CardColour(card.colour)]}",
        number=number,
        addressee=addressee.name if addressee else card.unit_code,
        opening="经监察领导确认，现对你单位发出本牌：",
        lines=(
            ("办件编号", card.case_number),
            ("事项名称", card.item_name),
            ("责任人", officer.name if officer else "—"),
            ("发牌情形", citation.short),
            ("依据", citation.law),
            ("事实", card.facts or "—"),
            ("确认日期", in_words(day_of(work.now))),
        ),
        closing="请及时签收并整改；如有异议，可以登录系统提出申诉。",
    )
    [paper] = await seal_drafts(work, unit, [draft])
    return {
        "number": number,
        "html": paper.html,
        "sha256": paper.sha256,
        "seal_serial": paper.seal_serial,
        "seal_signature": paper.seal_signature,
    }


async def _serve(work: Work, card: Card) -> None:
    """Puts the card before the unit's leaders, each with a code to acknowledge it."""
    leaders = await unit_leaders(card.unit_code)
    await draw(
        work,
        [Asked(card=card.id, purpose=Purpose.ACKNOWLEDGE, officer=leader.id, phone=leader.phone) for leader in leaders],
    )
    work.record(
        CardServed(
            card=card.id,
            number=card.number or "",
            case=card.case_number,
            unit=card.unit_code,
            officers=tuple(leader.id for leader in leaders),
        )
    )


async def _acknowledge(work: Work, card: Card) -> CardView:
    if card.acknowledged_at is not None:
        return view(card)
    evidence = work.assured.evidence or ""
    await _swap(card, acknowledged_at=work.now, acknowledged_by=who(work.actor), receipt_evidence=evidence)
    work.record(
        CardAcknowledged(
            card=card.id,
            number=card.number or "",
            unit=card.unit_code,
            officer=work.actor.id,
            evidence=evidence,
        )
    )
    return view(card)


async def _swap(card: Card, **changes: object) -> None:
    """Writes `changes` if the card is still at its revision. Raises ChangedMeanwhile."""
    written = await Card.filter(id=card.id, revision=card.revision).update(revision=card.revision + 1, **changes)
    if written != 1:
        raise ChangedMeanwhile(subject=f"card:{card.id}")
    card.update_from_dict({"revision": card.revision + 1, **changes})


async def _statement(card: Card, act: PrepareCardDecision | DecideCard) -> Statement:
    """What the leader signs; made twice, when it is prepared and when it is performed."""
    unit = await Unit.get_or_none(code=card.unit_code)
    citation = GROUNDS[Ground(card.ground)]
    return Statement(
        kind="card",
        subject=card.id,
        revision=act.revision,
        title="发牌确认",
        lines=(
            ("拟发牌别", COLOUR_NAMES[CardColour(card.colour)]),
            ("责任单位", unit.name if unit else card.unit_code),
            ("办件编号", card.case_number),
            ("事项名称", card.item_name),
            ("发牌情形", citation.short),
            ("依据", citation.law),
            ("事实", card.facts or "—"),
            ("决定", _DECISION_NAMES[act.decision]),
            ("理由", act.reason or "—"),
        ),
        facts={
            "card": card.id,
            "case": card.case_number,
            "colour": card.colour,
            "ground": card.ground,
            "decision": act.decision,
            "reason": act.reason,
        },
    )
