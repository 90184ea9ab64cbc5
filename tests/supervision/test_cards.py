"""A card from proposal to receipt: who may, what it brings, what it never does before it is confirmed."""

import asyncio
import hashlib
import json

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from casework.tables import Task
from kernel.actor import Role
from kernel.acts import SignedBytes, SigningRequest
from kernel.db import instant_of
from kernel.refusals import Refusal
from kernel.tables import Officer
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
from supervision.grounds import GROUNDS, Ground
from supervision.queries import card_tally, cards_of_unit, pending_cards
from supervision.reply_codes import Purpose
from supervision.tables import Card
from tests.supervision.office import County, local

CASE = "202600000001"


def refused(outcome: object) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def prepare(card: str, decision: CardDecision = CardDecision.CONFIRM, *, revision: int = 1, reason: str = ""):
    return PrepareCardDecision(card=card, revision=revision, decision=decision, reason=reason)


@pytest.mark.feature("CARD-02")
async def test_a_card_has_neither_number_nor_paper_nor_effect_before_it_is_confirmed(county: County):
    card = await Card.get(id=await county.proposed_card())
    assert (card.state, card.number, card.html, card.served_at) == ("proposed", None, "", None)
    assert (await card_tally(county.database)).yellow == 0
    assert await cards_of_unit(county.database, "FGW") == []
    outcome = await county.text("OFF-8", ConfirmCard(code=await county.code(card.id, "OFF-8")))
    assert isinstance(outcome, CardView)
    assert (await card_tally(county.database)).yellow == 1
    [shown] = await cards_of_unit(county.database, "FGW")
    assert shown["number"] == outcome.number


@pytest.mark.feature("CARD-02")
async def test_the_app_confirms_by_a_signature_over_what_was_shown(county: County):
    card = await county.proposed_card()
    outcome = await county.signed("OFF-9", prepare(card))
    assert isinstance(outcome, CardView)
    assert (outcome.state, outcome.revision) == (CardState.EFFECTIVE, 2)
    [event] = await county.events("card.confirmed")
    assert json.loads(event)["officer"] == "OFF-9"


async def test_text_and_app_reach_the_same_state_and_confirming_twice_changes_nothing(county: County):
    by_text, by_app = await county.proposed_card(), await county.proposed_card("202600000002")
    await county.text("OFF-8", ConfirmCard(code=await county.code(by_text, "OFF-8")))
    await county.signed("OFF-8", prepare(by_app))
    kept = ("state", "revision", "decided_by", "colour", "ground", "acknowledged_at")
    first, second = [await Card.get(id=card).values(*kept) for card in (by_text, by_app)]
    assert first == second

    before = await Card.get(id=by_text).values()
    again = await county.text("OFF-9", ConfirmCard(code=await county.code(by_text, "OFF-9")))
    assert isinstance(again, CardView)
    assert again.state is CardState.EFFECTIVE
    assert await Card.get(id=by_text).values() == before
    assert len(await county.events("card.confirmed")) == 2  # one for each card


async def test_a_signature_prepared_before_somebody_else_confirmed_is_a_no_op(county: County):
    card = await county.proposed_card()
    request = await county.perform(prepare(card), "OFF-9")
    assert isinstance(request, SigningRequest)
    await county.text("OFF-8", ConfirmCard(code=await county.code(card, "OFF-8")))
    act = DecideCard(card=card, revision=1, decision=CardDecision.CONFIRM)
    outcome = await county.perform(act, "OFF-9", proof=SignedBytes(nonce=request.nonce, signature=b"s"))
    assert isinstance(outcome, CardView)
    assert (outcome.state, outcome.revision) == (CardState.EFFECTIVE, 2)
    assert (await Card.get(id=card)).decided_by == "officer:OFF-8"


async def test_a_signature_over_another_decision_is_refused(county: County):
    card = await county.proposed_card()
    request = await county.perform(prepare(card, CardDecision.REJECT, reason="已办结"), "OFF-8")
    assert isinstance(request, SigningRequest)
    act = DecideCard(card=card, revision=1, decision=CardDecision.CONFIRM)
    outcome = await county.perform(act, "OFF-8", proof=SignedBytes(nonce=request.nonce, signature=b"s"))
    assert refused(outcome) == "SIGNED_SOMETHING_ELSE"


async def test_a_stale_revision_is_told_apart(county: County):
    card = await county.proposed_card()
    assert refused(await county.perform(prepare(card, revision=7), "OFF-8")) == "CHANGED_MEANWHILE"
    assert refused(await county.perform(prepare("C999999"), "OFF-8")) == "UNKNOWN_CARD"


async def test_a_decided_card_takes_no_other_decision(county: County):
    card = await county.proposed_card()
    other = await county.code(card, "OFF-9")
    await county.signed("OFF-8", prepare(card))
    assert refused(await county.text("OFF-9", RejectCard(code=other))) == "CARD_ALREADY_DECIDED"
    assert refused(await county.signed("OFF-8", prepare(card, CardDecision.REJECT, revision=2))) == (
        "CARD_ALREADY_DECIDED"
    )
    assert (await Card.get(id=card)).state == "effective"


async def test_a_rejected_card_gets_no_number_and_leaves_no_gap_in_the_series(county: County):
    first, second = await county.proposed_card(), await county.proposed_card("202600000002")
    await county.signed("OFF-8", prepare(first, CardDecision.REJECT, reason="系法定停办期间"))
    outcome = await county.signed("OFF-8", prepare(second))
    assert isinstance(outcome, CardView)
    assert outcome.number == "衡江监察黄牌〔2026〕1号"
    assert (await Card.get(id=first)).reason == "系法定停办期间"


@pytest.mark.feature("CARD-04")
def test_each_of_the_eight_grounds_cites_its_law_or_rule():
    assert len(Ground) == 8
    assert set(GROUNDS) == set(Ground)
    assert all("《" in citation.law and citation.short for citation in GROUNDS.values())


@pytest.mark.feature("CARD-04")
@pytest.mark.parametrize("ground", [None, "", "because"])
def test_a_card_without_a_published_ground_cannot_even_be_said(ground: str | None):
    act = {"act": "card.propose", "case": CASE, "colour": "yellow"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(act if ground is None else {**act, "ground": ground}, ProposeCard)


@pytest.mark.feature("CARD-04")
async def test_other_is_a_ground_only_with_the_facts(county: County):
    await county.late_case()
    act = ProposeCard(case=CASE, colour=CardColour.RED, ground=Ground.OTHER)
    assert refused(await county.perform(act, "OFF-7")) == "CARD_FACTS_MISSING"


async def test_words_that_would_not_fit_the_paper_are_refused(county: County):
    card, long = await county.proposed_card(), "长" * 201
    act = ProposeCard(case=CASE, colour=CardColour.RED, ground=Ground.OTHER, facts=long)
    assert refused(await county.perform(act, "OFF-7")) == "INVALID"
    assert refused(await county.perform(prepare(card, CardDecision.REJECT, reason=long), "OFF-8")) == "INVALID"
    assert refused(await county.perform(prepare("C" * 13), "OFF-8")) == "UNKNOWN_CARD"


@pytest.mark.feature("CARD-05")
async def test_yellow_and_red_cards_are_numbered_apart_sealed_served_and_received(county: County):
    yellow = await county.effective_card()
    red = await county.perform(
        ProposeCard(case=CASE, colour=CardColour.RED, ground=Ground.ILLEGAL_FEE, facts="另收<押金>"), "OFF-7"
    )
    assert isinstance(red, CardView)
    await county.signed("OFF-8", prepare(red.id))
    cards = {row.id: row for row in await Card.all()}
    assert cards[yellow].number == "衡江监察黄牌〔2026〕1号"
    assert cards[red.id].number == "衡江监察红牌〔2026〕1号"

    paper = cards[red.id].html
    assert "衡江县发展和改革局" in paper
    assert GROUNDS[Ground.ILLEGAL_FEE].law in paper
    assert "另收&lt;押金&gt;" in paper
    assert cards[red.id].sha256 == hashlib.sha256(paper.encode()).hexdigest()
    county.notary.key.public_key().verify(
        cards[red.id].seal_signature or b"", paper.encode(), ec.ECDSA(hashes.SHA256())
    )

    assert cards[yellow].served_at == local("2026-10-23 00:00")
    served = json.loads((await county.events("card.served"))[0])
    assert (served["unit"], served["officers"]) == ("FGW", ["OFF-2"])
    county.wait(hours=9)
    code = await county.code(yellow, "OFF-2", Purpose.ACKNOWLEDGE)
    receipt = await county.text("OFF-2", ConfirmCard(code=code))  # 签收回复 1<code>
    assert isinstance(receipt, CardView)
    assert receipt.acknowledged_at == local("2026-10-23 09:00")
    assert (await Card.get(id=yellow)).receipt_evidence == receipt.evidence
    assert len(await county.events("card.acknowledged")) == 1


async def test_the_unit_s_leader_acknowledges_in_the_app_once(county: County):
    card = await county.effective_card()
    first = await county.perform(AcknowledgeCard(card=card), "OFF-2")
    county.wait(hours=1)
    again = await county.perform(AcknowledgeCard(card=card), "OFF-2")
    assert isinstance(first, CardView)
    assert isinstance(again, CardView)
    assert first.acknowledged_at == again.acknowledged_at


async def test_only_a_leader_of_the_unit_acknowledges_and_only_what_has_effect(county: County):
    card = await county.proposed_card()
    assert refused(await county.perform(AcknowledgeCard(card=card), "OFF-2")) == "CARD_NOT_SERVED"
    await county.signed("OFF-8", prepare(card))
    assert refused(await county.perform(AcknowledgeCard(card=card), "OFF-1")) == "NOT_PERMITTED"
    assert refused(await county.perform(AcknowledgeCard(card=card), "OFF-8")) == "NOT_PERMITTED"
    assert refused(await county.perform(AcknowledgeCard(), "OFF-2")) == "INVALID"


async def test_to_a_served_card_one_objects_in_the_app_not_by_text(county: County):
    card = await county.effective_card()
    code = await county.code(card, "OFF-2", Purpose.ACKNOWLEDGE)
    assert refused(await county.text("OFF-2", RejectCard(code=code))) == "OBJECT_IN_THE_APP"
    assert isinstance(await county.text("OFF-2", AcknowledgeCard(code=code)), CardView)  # the code was not spent


async def test_without_a_registered_head_the_deputy_leaders_are_asked(county: County):
    await county.database.execute("UPDATE officer SET active = FALSE WHERE id = 'OFF-2'")
    card = await county.effective_card()
    assert [code.officer for code in await county.codes(card, Purpose.ACKNOWLEDGE)] == ["OFF-3"]


async def test_who_proposed_a_card_may_not_confirm_it(county: County):
    await county.late_case()
    await Officer.filter(id="OFF-8").update(roles=[Role.SUPERVISOR, Role.SUPERVISION_LEADER])
    act = ProposeCard(case=CASE, colour=CardColour.YELLOW, ground=Ground.NO_REASONS)
    card = await county.perform(act, "OFF-8")
    assert isinstance(card, CardView)
    assert [code.officer for code in await county.codes(card.id)] == ["OFF-9"]  # nobody is asked about their own
    assert refused(await county.signed("OFF-8", prepare(card.id))) == "PROPOSER_MAY_NOT_DECIDE"
    assert await pending_cards(county.database, leader="OFF-8") == []
    assert isinstance(await county.signed("OFF-9", prepare(card.id)), CardView)


@pytest.mark.feature("CARD-13")
async def test_one_fact_gets_one_card(county: County):
    card = await county.proposed_card()
    act = ProposeCard(case=CASE, colour=CardColour.YELLOW, ground=Ground.OVER_COMMITTED_LIMIT)
    assert refused(await county.perform(act, "OFF-7")) == "CARD_EXISTS"
    await county.signed("OFF-8", prepare(card, CardDecision.REJECT))
    assert isinstance(await county.perform(act, "OFF-7"), CardView)  # the first one did not stand


@pytest.mark.feature("CARD-13")
async def test_one_fact_gets_one_card_however_many_propose_it_at_once(county: County):
    await county.late_case()
    act = ProposeCard(case=CASE, colour=CardColour.YELLOW, ground=Ground.NO_REASONS)
    outcomes = await asyncio.gather(*(county.perform(act, "OFF-7") for _ in range(6)))
    [card] = [outcome for outcome in outcomes if isinstance(outcome, CardView)]
    assert sorted(refused(outcome) for outcome in outcomes if outcome is not card) == ["CARD_EXISTS"] * 5
    assert [str(row["id"]) for row in await county.database.rows("SELECT id FROM card")] == [card.id]
    assert len(await county.events("card.proposed")) == 1


@pytest.mark.feature("CARD-13")
async def test_two_late_turns_of_one_case_in_one_sweep_are_one_fact(county: County):
    task = await county.late_case()
    red = local("2026-10-22 12:00")
    await Task.create(
        case_id=task.case_id,
        step="level:2",
        role=Role.SECTION_HEAD,
        unit_code="FGW",
        opened_at=county.clock.now(),
        red_at=red,
        next_light_at=red,
        sort_at=red,
    )
    county.clock.set(local("2026-10-23 00:00"))
    await county.sweep()
    assert await Card.all().count() == len(await county.events("card.proposed")) == 1


async def test_a_leader_who_is_no_supervisor_proposes_nothing(county: County):
    await county.late_case()
    act = ProposeCard(case=CASE, colour=CardColour.YELLOW, ground=Ground.NO_REASONS)
    assert refused(await county.perform(act, "OFF-8")) == "NOT_PERMITTED"


async def test_nobody_else_decides_about_cards(county: County):
    card = await county.proposed_card()
    for who in ("OFF-1", "OFF-2", "OFF-7"):
        assert refused(await county.perform(prepare(card), who)) == "NOT_PERMITTED"
    assert Role.SUPERVISION_LEADER not in (await county.officer("OFF-7")).roles


async def test_pending_cards_come_in_keyset_pages(county: County):
    for n in range(5):
        await county.proposed_card(f"20260000{n:04d}")
    first = await pending_cards(county.database, leader="OFF-8", limit=3)
    place = (instant_of(first[-1]["proposed_at"]), str(first[-1]["id"]))
    rest = await pending_cards(county.database, leader="OFF-8", after=place, limit=3)
    assert [row["id"] for row in first + rest] == [f"C{n:06d}" for n in range(1, 6)]
