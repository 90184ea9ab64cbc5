"""Supervision cards: proposed by a supervisor, waiting for a leader, served to a unit; the answers to each."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated

import strawberry

from casework.queries import visible_numbers
from kernel.actor import Role
from kernel.db import Row
from kernel.refusals import NotPermitted
from mobile_api.context import Info, perform
from mobile_api.enums import CardColour, CardDecision, CardGround, CardState
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal
from mobile_api.signing import SignedInput, SigningResult, signing_payload
from supervision.acts import AcknowledgeCard, CardView, DecideCard, PrepareCardDecision, ProposeCard
from supervision.queries import pending_cards, visible_card


@strawberry.type(description="A yellow or red card. Without number and effect until a supervision leader confirms it.")
class Card:
    id: strawberry.ID
    number: str | None
    revision: int
    state: CardState
    colour: CardColour
    ground: CardGround
    why: str
    facts: str
    case_number: str
    item_name: str = strawberry.field(description="（不公开） where the caller may not see the case: it is secret.")
    unit: str
    unit_name: str | None
    officer: str | None
    proposed_at: datetime
    served_at: datetime | None
    acknowledged_at: datetime | None
    decided_at: datetime | None
    evidence: str


@strawberry.type(description="A card as an act left it.")
class CardStanding:
    id: strawberry.ID
    number: str | None
    colour: CardColour
    ground: CardGround
    state: CardState
    revision: int
    unit: str
    case_number: str
    evidence: str
    decided_at: datetime | None
    acknowledged_at: datetime | None


@strawberry.type
class CardPayload:
    card: CardStanding


CardResult = Annotated[CardPayload | Refusal, strawberry.union("CardResult")]


@strawberry.input(description="The same when preparing and when deciding.")
class CardDecisionInput:
    card: strawberry.ID
    revision: int
    decision: CardDecision
    reason: str = ""


async def _pending_cards(info: Info, first: int = 20) -> list[Card]:
    context = info.context
    officer = context.officer()
    if not officer.has(Role.SUPERVISION_LEADER):
        raise NotPermitted(act="pendingCards", needs=Role.SUPERVISION_LEADER.value)
    database = context.services.database
    waiting = await pending_cards(database, leader=officer.id, limit=context.page(first))
    seen = await visible_numbers(database, officer, [str(row["case_number"]) for row in waiting])
    return [shaped(Card, _row({**_NOT_DECIDED, **row}, seen)) for row in waiting]


async def _card(info: Info, id: strawberry.ID) -> Card | None:
    database, officer = info.context.services.database, info.context.officer()
    row = await visible_card(database, officer, id)
    if row is None:
        return None
    return shaped(Card, _row(row, await visible_numbers(database, officer, [str(row["case_number"])])))


_NOT_DECIDED: Row = {
    "number": None,
    "state": CardState.PROPOSED,
    "served_at": None,
    "acknowledged_at": None,
    "decided_at": None,
    "evidence": "",
}


#: In place of the item's name, for a reader who may not see the case.
_NOT_SHOWN = "（不公开）"


def _row(row: Row, seen: Collection[str]) -> Row:
    item_name = row["item_name"] if row["case_number"] in seen else _NOT_SHOWN
    return {**row, "unit": row["unit_code"], "item_name": item_name}


async def _propose_card(
    info: Info, idempotency_key: str, case: strawberry.ID, colour: CardColour, ground: CardGround, facts: str = ""
) -> CardResult:
    act = ProposeCard(case=case, colour=colour, ground=ground, facts=facts)
    return await perform(info, act, _standing, key=idempotency_key)


async def _prepare_card_decision(info: Info, decision: CardDecisionInput) -> SigningResult:
    act = PrepareCardDecision(
        card=decision.card, revision=decision.revision, decision=decision.decision, reason=decision.reason
    )
    return await perform(info, act, signing_payload)


async def _decide_card(
    info: Info, idempotency_key: str, decision: CardDecisionInput, signed: SignedInput
) -> CardResult:
    act = DecideCard(card=decision.card, revision=decision.revision, decision=decision.decision, reason=decision.reason)
    return await perform(info, act, _standing, key=idempotency_key, proof=signed.to_proof())


async def _confirm_card(
    info: Info, idempotency_key: str, card: strawberry.ID, revision: int, signed: SignedInput
) -> CardResult:
    decision = CardDecisionInput(card=card, revision=revision, decision=CardDecision.CONFIRM)
    return await _decide_card(info, idempotency_key, decision, signed)


async def _reject_card(
    info: Info, idempotency_key: str, card: strawberry.ID, revision: int, reason: str, signed: SignedInput
) -> CardResult:
    decision = CardDecisionInput(card=card, revision=revision, decision=CardDecision.REJECT, reason=reason)
    return await _decide_card(info, idempotency_key, decision, signed)


async def _acknowledge_card(info: Info, idempotency_key: str, card: strawberry.ID) -> CardResult:
    return await perform(info, AcknowledgeCard(card=card), _standing, key=idempotency_key)


def _standing(view: CardView) -> CardPayload:
    return CardPayload(
        card=CardStanding(
            id=strawberry.ID(view.id),
            number=view.number,
            colour=view.colour,
            ground=view.ground,
            state=view.state,
            revision=view.revision,
            unit=view.unit,
            case_number=view.case,
            evidence=view.evidence,
            decided_at=view.decided_at,
            acknowledged_at=view.acknowledged_at,
        )
    )


@strawberry.type
class CardQueries:
    pending_cards: list[Card] = strawberry.field(
        resolver=_pending_cards, description="Proposed cards the caller may decide, oldest first."
    )
    card: Card | None = strawberry.field(resolver=_card)


@strawberry.type
class CardMutations:
    propose_card: CardResult = strawberry.field(
        resolver=_propose_card, description="For supervisors. `facts` must say what happened when the ground is OTHER."
    )
    prepare_card_decision: SigningResult = strawberry.field(
        resolver=_prepare_card_decision, description="The exact bytes to sign for a decision with the same input."
    )
    decide_card: CardResult = strawberry.field(resolver=_decide_card)
    confirm_card: CardResult = strawberry.field(
        resolver=_confirm_card, description="`decideCard` with CONFIRM; prepared with CONFIRM and no reason."
    )
    reject_card: CardResult = strawberry.field(resolver=_reject_card, description="`decideCard` with REJECT.")
    acknowledge_card: CardResult = strawberry.field(
        resolver=_acknowledge_card, description="The unit's leader has received the card; no admission."
    )
