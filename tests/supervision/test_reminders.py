"""Nobody answers: office hours are counted, a reminder goes out, then the matter is escalated."""

import json
from datetime import timedelta

import pytest

from casework.calendars import builtin_calendar
from kernel.actor import THE_CLOCK
from kernel.acts import Done
from supervision.acts import CardDecision, ConfirmCard, PrepareCardDecision, RemindUnconfirmed
from supervision.reminders import remind_at
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


async def remind(county: County) -> int:
    outcome = await county.office.perform(RemindUnconfirmed(), THE_CLOCK, key=None)
    assert isinstance(outcome, Done)
    return outcome.count


@pytest.mark.feature("CARD-02")
async def test_an_unconfirmed_card_is_reminded_of_and_then_escalated(county: County):
    await county.proposed_card()  # Friday 2026-10-23 00:00
    county.clock.set(local("2026-10-23 12:59"))
    assert await remind(county) == 0
    county.clock.set(local("2026-10-23 13:00"))
    assert await remind(county) == 1
    county.clock.set(local("2026-10-23 17:00"))
    assert await remind(county) == 1
    county.clock.set(local("2026-11-30 12:00"))
    assert await remind(county) == 0
    assert [json.loads(event)["escalated"] for event in await county.events("card.reminded")] == [False, True]


async def test_a_reminder_brings_a_new_code_when_the_old_one_is_dead(county: County):
    card = await county.proposed_card()
    old = await county.code(card, "OFF-8")
    county.clock.set(local("2026-10-26 13:00"))
    assert await county.codes(card) == []
    await remind(county)
    fresh = await county.codes(card)
    assert [code.officer for code in fresh] == ["OFF-8", "OFF-9"]
    assert old not in {code.code for code in fresh if code.officer == "OFF-8"}
    await county.text("OFF-8", ConfirmCard(code=fresh[0].code))
    assert len(await county.events("card.confirmed")) == 1


async def test_a_reminder_leaves_a_living_code_as_it_is(county: County):
    card = await county.proposed_card()
    before = await county.codes(card)
    county.clock.set(local("2026-10-23 13:00"))
    await remind(county)
    assert await county.codes(card) == before


async def test_nobody_is_reminded_of_a_decided_card(county: County):
    card = await county.proposed_card()
    await county.signed("OFF-8", PrepareCardDecision(card=card, revision=1, decision=CardDecision.REJECT))
    county.clock.set(local("2026-10-26 13:00"))
    assert await remind(county) == 0
