"""催办: a word to whoever's turn it is, counted, at most once in four hours."""

import asyncio

from casework.acts import Decision
from casework.flow.acts import Urge
from casework.rules import CaseworkRules
from casework.tables import Case
from kernel.acts import Done
from kernel.tables import EventRow
from tests.casework.flow import parallel, shown, waiting
from tests.casework.town import Town, person


async def first_todo(town: Town, who: str):
    rows, _ = await waiting(town, who)
    return rows[0]


async def test_urging_marks_the_turn_is_logged_and_counted_and_waits_four_hours(town):
    number = await town.accepted()
    revision = (await Case.get(number=number)).revision
    assert (await first_todo(town, "HANDLER"))["urged_at"] is None
    assert await town.do(Urge(case=number), person("LEADER")) == Done(count=1)
    row = await first_todo(town, "HANDLER")
    assert (row["urges"], row["urged_at"]) == (1, town.clock.now())
    event = await EventRow.get(tag="case.urged")
    assert event.actor == "officer:LEADER"
    assert (await Case.get(number=number)).revision == revision  # nobody's signature is disturbed

    town.at("2026-09-18 12:59")
    soon = await town.do(Urge(case=number), person("WATCH"))
    assert (soon.code, soon.details["again_at"]) == ("URGED_RECENTLY", "2026-09-18 13:00")
    town.at("2026-09-18 13:00")
    assert isinstance(await town.do(Urge(case=number), person("WATCH")), Done)
    watched = await shown(town, "WATCH", number)
    assert watched["urges"] == 2
    assert [entry["title"] for entry in watched["timeline"]].count("催办") == 2


async def test_the_mark_belongs_to_the_turn_that_was_urged(town):
    number = await town.accepted()
    await town.do(Urge(case=number), person("LEADER"))
    town.at("2026-09-18 10:00")
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    row = await first_todo(town, "HEAD")
    assert (row["urges"], row["urged_at"]) == (1, None)


async def test_the_region_says_how_often_a_case_may_be_urged(database, clock):
    town = Town(database, clock, CaseworkRules(urge_every_hours=1))
    await town.settle()
    await town.publish()
    number = await town.accepted()
    await town.do(Urge(case=number), person("LEADER"))
    town.at("2026-09-18 10:00")
    assert isinstance(await town.do(Urge(case=number), person("LEADER")), Done)


async def test_of_two_who_urge_at_once_one_is_counted(town):
    number = await town.accepted()
    answers = await asyncio.gather(*(town.do(Urge(case=number), person(who)) for who in ("LEADER", "CHIEF")))
    assert sorted(type(answer).__name__ for answer in answers) == ["Done", "UrgedRecently"]
    assert (await Case.get(number=number)).urges == 1


async def test_every_open_turn_of_a_parallel_case_is_urged(town):
    number = await parallel(town)
    assert await town.do(Urge(case=number), person("LEADER")) == Done(count=3)
    for who in ("HANDLER", "FIRE", "SHELTER"):
        assert (await first_todo(town, who))["urged_at"] is not None


async def test_handlers_strangers_and_closed_cases_are_refused(town):
    number = await town.accepted()
    assert (await town.do(Urge(case=number), person("HANDLER2"))).code == "NOT_PERMITTED"
    assert (await town.do(Urge(case=number), person("FIRE_HEAD"))).code == "NOT_PERMITTED"
    assert (await town.do(Urge(case="202600000404"), person("LEADER"))).code == "NOT_PERMITTED"
    filed = await town.file()
    await town.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "缺图纸。", items=("图纸",))
    waiting = await town.do(Urge(case=filed.number), person("CLERK"))
    assert waiting.code == "NOTHING_TO_URGE"  # it is the applicant's turn
