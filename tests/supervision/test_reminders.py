"""Nobody answers: office hours are counted, a reminder goes out, then the matter is escalated."""

import json
from datetime import timedelta

import pytest

from casework.clock.calendars import builtin_calendar
from kernel.actor import Role
from kernel.refusals import Refusal
from kernel.tables import Officer
from supervision.acts import CardColour, CardDecision, CardView, ConfirmCard, PrepareCardDecision, ProposeCard
from supervision.grounds import Ground
from supervision.reminders import remind_at
from supervision.tables import Card
from tests.supervision.office import County, local

FOUR_HOURS = timedelta(hours=4)


@pytest.mark.parametrize(
    ("since", "reminded"),
    [
        ("2026-10-23 00:00", "2026-10-23 13:00"),  # a light of midnight waits for the office to open
        ("2026-10-23 10:30", "2026-10-23 14:30"),
        ("2026-10-23 15:00", "2026-10-26 11:00"),  # Friday afternoon: two hours, then Monday
        ("2026-10-23 13:00", "2026-10-23 17:00"),
        ("2026-10-23 20:00", "2026-10-26 13:00"),
        ("2026-10-02 12:00", "2026-10-08 13:00"),  # the National Day holiday
        ("2026-10-09 16:00", "2026-10-10 12:00"),  # Saturday 10-10 is worked
    ],
)
def test_only_office_hours_of_working_days_count(since: str, reminded: str):
    assert remind_at(local(since), FOUR_HOURS, builtin_calendar()) == local(reminded)


@pytest.mark.feature("CARD-02")
async def test_an_unconfirmed_card_is_reminded_of_and_then_escalated(county: County):
    await county.proposed_card()  # Friday 2026-10-23 00:00
    county.clock.set(local("2026-10-23 12:59"))
    assert await county.remind() == 0
    county.clock.set(local("2026-10-23 13:00"))
    assert await county.remind() == 1
    county.clock.set(local("2026-10-23 17:00"))
    assert await county.remind() == 1
    county.clock.set(local("2026-11-30 12:00"))
    assert await county.remind() == 0
    assert [json.loads(event)["escalated"] for event in await county.events("card.reminded")] == [False, True]


async def escalated_card(county: County) -> str:
    card = await county.proposed_card()
    for instant in ("2026-10-23 13:00", "2026-10-23 17:00"):
        county.clock.set(local(instant))
        assert await county.remind() == 1
    return card


async def employ(id: str, *roles: Role, unit: str = "JC") -> None:
    await Officer.create(
        id=id, name=f"某{id[-1]}", unit_code=unit, phone=f"1380000000{id[-1]}", roles=[str(role) for role in roles]
    )


@pytest.mark.feature("CARD-02")
@pytest.mark.parametrize(
    ("head_office", "asked"),
    [
        (True, "OFF-5"),  # the efficiency office, where there is one
        (False, "OFF-6"),  # else the head of the supervising unit, not of the unit that is late
    ],
)
async def test_the_escalation_asks_those_above_who_may_then_decide(county: County, head_office: bool, asked: str):
    if head_office:
        await employ("OFF-5", Role.EFFICIENCY_OFFICE, unit="FGW")
    await employ("OFF-6", Role.UNIT_HEAD)
    card = await escalated_card(county)
    assert {code.officer for code in await county.codes(card)} == {"OFF-8", "OFF-9", asked}
    assert json.loads((await county.events("card.reminded"))[1])["officers"] == ["OFF-8", "OFF-9", asked]
    await county.text(asked, ConfirmCard(code=await county.code(card, asked)))
    assert (await Card.get(id=card)).decided_by == f"officer:{asked}"


async def test_those_above_decide_nothing_before_the_escalation(county: County):
    await employ("OFF-6", Role.UNIT_HEAD, Role.SUPERVISION_LEADER)
    card = await county.proposed_card()
    await Officer.filter(id="OFF-6").update(roles=[Role.UNIT_HEAD])  # no leader any more, but with a code in hand
    outcome = await county.text("OFF-6", ConfirmCard(code=await county.code(card, "OFF-6")))
    assert isinstance(outcome, Refusal)
    assert outcome.code == "NOT_PERMITTED"


async def test_who_proposed_a_card_is_not_reminded_of_it(county: County):
    await county.late_case()
    await Officer.filter(id="OFF-8").update(roles=[Role.SUPERVISOR, Role.SUPERVISION_LEADER])
    act = ProposeCard(case="202600000001", colour=CardColour.YELLOW, ground=Ground.NO_REASONS)
    card = await county.perform(act, "OFF-8")
    assert isinstance(card, CardView)
    county.clock.set(local("2026-10-26 13:00"))
    await county.remind()
    assert [code.officer for code in await county.codes(card.id)] == ["OFF-9"]


async def test_a_reminder_brings_a_new_code_when_the_old_one_is_dead(county: County):
    card = await county.proposed_card()
    old = await county.code(card, "OFF-8")
    county.clock.set(local("2026-10-26 13:00"))
    assert await county.codes(card) == []
    await county.remind()
    fresh = await county.codes(card)
    assert [code.officer for code in fresh] == ["OFF-8", "OFF-9"]
    assert old not in {code.code for code in fresh if code.officer == "OFF-8"}
    await county.text("OFF-8", ConfirmCard(code=fresh[0].code))
    assert len(await county.events("card.confirmed")) == 1


async def test_a_reminder_leaves_a_living_code_as_it_is(county: County):
    card = await county.proposed_card()
    before = await county.codes(card)
    county.clock.set(local("2026-10-23 13:00"))
    await county.remind()
    assert await county.codes(card) == before


async def test_nobody_is_reminded_of_a_decided_card(county: County):
    card = await county.proposed_card()
    await county.signed("OFF-8", PrepareCardDecision(card=card, revision=1, decision=CardDecision.REJECT))
    county.clock.set(local("2026-10-26 13:00"))
    assert await county.remind() == 0
