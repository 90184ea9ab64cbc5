"""Proposing cards, whether the sweep does it when a red light turns or a supervisor for what no clock can see.

A proposal has no number and no effect. One fact gets one card of a colour: while a card on the same ground stands for
a case, no second one is proposed (一事不二罚). The unique `fact_key` holds this against whoever proposes at the same
time; it is given up when a card no longer stands.
"""

from collections.abc import Sequence

import msgspec

from casework.clock.working_days import Calendar
from kernel.numbers import next_number
from kernel.work import Work
from supervision.acts import CardColour, CardState
from supervision.events import CardProposed
from supervision.grounds import Ground
from supervision.people import supervision_leaders, who
from supervision.reminders import remind_at
from supervision.reply_codes import Asked, Purpose, draw
from supervision.rules import SupervisionRules
from supervision.tables import Card


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    case_id: int
    case_number: str
    item_name: str
    unit: str
    officer: str | None
    colour: CardColour
    ground: Ground
    facts: str
    #: Of a parallel case: each co-unit answers for its own.
    branch: int = 0

    @property
    def fact(self) -> str:
        """What may be punished once."""
        whole = f"{self.case_id}:{self.ground}:{self.colour}"
        return f"{whole}:{self.branch}" if self.branch else whole


async def propose(work: Work, proposals: Sequence[Proposal]) -> list[Card]:
    """Keeps the proposals whose fact has no card yet, and asks every supervision leader by a code of their own."""
    standing = await standing_cards(proposals)
    fresh = [proposal for proposal in proposals if proposal.fact not in standing]
    if not fresh:
        return []
    first = await next_number("card", len(fresh))
    remind = remind_at(work.now, work.given(SupervisionRules).remind_after, work.given(Calendar))
    drafted = [
        Card(
            id=f"C{serial:06d}",
            colour=proposal.colour,
            ground=proposal.ground,
            facts=proposal.facts,
            state=CardState.PROPOSED,
            fact_key=proposal.fact,
            case_id=proposal.case_id,
            case_number=proposal.case_number,
            item_name=proposal.item_name,
            unit_code=proposal.unit,
            officer=proposal.officer,
            proposed_at=work.now,
            proposed_by=who(work.actor),
            remind_at=remind,
        )
        for serial, proposal in enumerate(fresh, first)
    ]
    await Card.bulk_create(drafted, ignore_conflicts=True)
    cards = await Card.filter(id__in=[card.id for card in drafted]).order_by("id")
    leaders = await supervision_leaders(work)
    await draw(
        work,
        [
            Asked(card=card.id, purpose=Purpose.CONFIRM, officer=leader.id, phone=leader.phone)
            for card in cards
            for leader in leaders
            if card.proposed_by != f"officer:{leader.id}"
        ],
    )
    for card in cards:
        work.record(
            CardProposed(
                card=card.id,
                case=card.case_number,
                unit=card.unit_code,
                colour=card.colour,
                ground=card.ground,
                officer=card.officer,
            )
        )
    return cards


async def standing_cards(proposals: Sequence[Proposal]) -> dict[str, str]:
    """The cards that already stand for the same facts, by fact."""
    rows = await Card.filter(fact_key__in=[proposal.fact for proposal in proposals]).values("id", "fact_key")
    return {row["fact_key"]: row["id"] for row in rows}
