"""The sweep: what turns, when, and what a red light brings."""

import hashlib
from datetime import date

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from casework.tables import Task
from kernel.actor import Role
from kernel.acts import Done
from kernel.log import verify
from kernel.refusals import Refusal
from kernel.tables import Unit
from supervision.queries import (
    CardTally,
    LightTally,
    card_tally,
    light_tally,
    lights_of,
    orders_due,
    orders_of,
    pending_cards,
)
from supervision.tables import Card, ExplanationTask, LightRow, SupervisionOrder
from tests.supervision.office import County, local

CASE = "202600000001"


@pytest.mark.feature("MON-02")
async def test_the_yellow_light_turns_at_midnight_of_the_last_working_day_before_the_due_day(county: County):
    await county.late_case()
    county.clock.set(local("2026-10-20 23:59:59.999999"))
    assert await county.sweep() == 0
    county.clock.set(local("2026-10-21 00:00"))
    assert await county.sweep() == 1
    [light] = await lights_of(county.database, CASE)
    assert (light["colour"], light["at"], light["noticed_at"]) == (
        "yellow",
        local("2026-10-21 00:00"),
        local("2026-10-21 00:00"),
    )
    [event] = await county.events("supervision.light")
    assert '"assignee":"OFF-1"' in event  # the responsible person is named to whoever words the text
    assert await SupervisionOrder.all().count() == await Card.all().count() == 0


@pytest.mark.feature("MON-03")
async def test_the_red_light_brings_a_numbered_sealed_order_and_an_explanation_task_with_its_limit(county: County):
    await county.late_case()
    county.clock.set(local("2026-10-22 23:59:59"))
    await county.sweep()
    assert (await light_tally(county.database)).red == 0  # the due day is not over
    county.clock.set(local("2026-10-23 00:00"))
    await county.sweep()
    await county.order()

    order = await SupervisionOrder.get()
    assert order.number == "衡江监察督〔2026〕1号"
    assert order.limit_on == date(2026, 10, 28)  # the third working day after Friday 10-23
    assert CASE in order.html
    assert "2026年10月28日" in order.html
    assert "衡江县发展和改革局" in order.html
    assert order.sha256 == hashlib.sha256(order.html.encode()).hexdigest()
    county.notary.key.public_key().verify(order.seal_signature, order.html.encode(), ec.ECDSA(hashes.SHA256()))

    task = await ExplanationTask.get(order_number=order.number)
    assert (task.unit_code, task.limit_on, task.closed_at) == ("FGW", order.limit_on, None)
    [issued] = await county.events("supervision.order")
    assert order.number in issued
    [shown] = await orders_of(county.database, CASE)
    assert (shown["number"], shown["explained_at"]) == (order.number, None)


async def test_a_red_light_proposes_a_yellow_card_at_once_and_asks_every_leader(county: County):
    card_id = await county.proposed_card()
    card = await Card.get(id=card_id)
    assert (card.colour, card.ground, card.state, card.officer) == (
        "yellow",
        "over_committed_limit",
        "proposed",
        "OFF-1",
    )
    assert card.proposed_at == local("2026-10-23 00:00")  # in the same sweep as the light, not a minute later
    assert {code.officer for code in await county.codes(card_id)} == {"OFF-8", "OFF-9"}
    [pending] = await pending_cards(county.database, leader="OFF-8")
    assert (pending["id"], pending["unit_name"], pending["why"]) == (
        card_id,
        "衡江县发展和改革局",
        "超过承诺时限未办结",
    )


@pytest.mark.feature("CARD-14")
async def test_lights_and_cards_are_counted_apart(county: County):
    await county.proposed_card()
    lights, cards = await light_tally(county.database), await card_tally(county.database)
    assert (lights.yellow, lights.red) == (1, 1)
    assert (cards.yellow, cards.red, cards.proposed) == (0, 0, 1)
    assert not set(LightRow._meta.fields_map) & {"number", "state", "ground"}  # a light is not issued
    assert "total" not in {*LightTally.__struct_fields__, *CardTally.__struct_fields__}


async def test_a_task_first_seen_after_both_instants_gets_both_lights_at_their_own_instants(county: County):
    await county.late_case()
    county.clock.set(local("2026-10-26 10:00"))
    assert await county.sweep() == 1
    assert [
        (light["colour"], light["at"], light["noticed_at"]) for light in await lights_of(county.database, CASE)
    ] == [
        ("yellow", local("2026-10-21 00:00"), local("2026-10-26 10:00")),
        ("red", local("2026-10-23 00:00"), local("2026-10-26 10:00")),
    ]
    assert await county.sweep() == 0


async def test_a_light_is_announced_once_whoever_has_the_case(county: County):
    task = await county.late_case()
    county.clock.set(local("2026-10-23 00:00"))
    await county.sweep()
    await Task.filter(id=task.id).update(closed_at=county.clock.now())
    await Task.create(
        case_id=task.case_id,
        step="level:2",
        role="section_head",
        unit_code="FGW",
        opened_at=county.clock.now(),
        yellow_at=task.yellow_at,
        red_at=task.red_at,
        next_light_at=task.yellow_at,
        sort_at=task.red_at,
    )
    assert await county.sweep() == 1  # the new turn is taken up …
    assert len(await county.events("supervision.light")) == 2  # … and says nothing new
    await county.order()
    assert await SupervisionOrder.all().count() == await Card.all().count() == 1


async def test_an_extension_after_the_red_light_allows_a_second_red_but_no_second_card_for_the_same_fact(
    county: County,
):
    await county.proposed_card()
    later = local("2026-11-06 00:00")
    await Task.all().update(due_on=date(2026, 11, 5), yellow_at=later, red_at=later, next_light_at=later)
    county.clock.set(later)
    await county.sweep()
    await county.order()
    assert (await light_tally(county.database)).red == 2
    assert await SupervisionOrder.all().count() == 2
    assert await Card.all().count() == 1


async def test_lateness_that_was_closed_before_the_sweep_came_is_not_forgotten(county: County):
    task = await county.late_case()
    await Task.filter(id=task.id).update(closed_at=local("2026-10-23 08:00"))
    county.clock.set(local("2026-10-23 09:00"))
    await county.sweep()
    assert (await light_tally(county.database)).red == 1


@pytest.mark.feature("CLK-08")
async def test_a_task_closed_at_midnight_after_its_due_day_is_red_and_one_closed_a_moment_before_is_not(county: County):
    for number, closed_at in (("202600000001", "2026-10-23 00:00"), ("202600000002", "2026-10-22 23:59:59")):
        task = await county.late_case(number)
        await Task.filter(id=task.id).update(closed_at=local(closed_at))
    county.clock.set(local("2026-10-23 00:00"))
    await county.sweep()
    assert [light["colour"] for light in await lights_of(county.database, "202600000001")] == ["yellow", "red"]
    assert [light["colour"] for light in await lights_of(county.database, "202600000002")] == ["yellow"]


async def test_no_light_waits_for_a_paper_and_a_missing_supervising_unit_can_be_entered_later(county: County):
    await Unit.filter(code="JC").delete()
    for number in ("202600000001", "202600000002"):
        await county.late_case(number)
    county.clock.set(local("2026-10-23 00:00"))
    assert await county.sweep() == 2
    assert await light_tally(county.database) == LightTally(yellow=2, red=2)
    assert len(await county.events("supervision.light")) == 4
    assert (await card_tally(county.database)).proposed == 2

    refusal = await county.order()
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.details) == ("SUPERVISION_UNIT_MISSING", {"unit": "JC"})
    assert await orders_due(county.database) == 2
    assert await county.order() == Done(count=0)  # said once, then again after a pause

    await Unit.create(code="JC", name="衡江县行政效能监察室", short_name="衡江监察", kind="supervision")
    county.wait(minutes=1)
    assert await county.order() == Done(count=2)
    assert await orders_due(county.database) == 0
    assert {order.number for order in await SupervisionOrder.all()} == {
        "衡江监察督〔2026〕1号",
        "衡江监察督〔2026〕2号",
    }
    assert await ExplanationTask.all().count() == 2
    assert await county.order() == Done(count=0)


async def test_a_seal_that_refuses_leaves_no_gap_in_the_numbers_and_the_order_due(county: County):
    await county.late_case()
    county.clock.set(local("2026-10-23 00:00"))
    await county.sweep()
    county.notary.is_without_seal = True
    assert isinstance(await county.order(), Refusal)
    assert await orders_due(county.database) == 1
    county.notary.is_without_seal = False
    assert await county.order() == Done(count=1)
    assert (await SupervisionOrder.get()).number == "衡江监察督〔2026〕1号"


async def test_a_delivery_that_is_late_is_carded_for_its_step_not_for_the_promise(county: County):
    red = local("2026-10-23 00:00")
    await county.case("202600000002", due_on=date(2026, 10, 22), yellow=red, red=red, step="deliver")
    county.clock.set(red)
    await county.sweep()
    assert (await Card.get()).ground == "step_overtime"


async def test_a_step_that_somebody_else_was_late_with_keeps_its_card_beside_the_late_cases(county: County):
    late, after = local("2026-10-09 00:00"), local("2026-10-23 00:00")
    task = await county.late_case()
    await Task.create(
        case_id=task.case_id,
        step="level:2",
        role=Role.SECTION_HEAD,
        unit_code="FGW",
        assignee="OFF-3",
        opened_at=local("2026-10-12 10:00"),
        due_on=task.due_on,
        yellow_at=task.yellow_at,
        red_at=task.red_at,
        next_light_at=task.yellow_at,
        sort_at=task.red_at,
    )
    closed = local("2026-10-12 10:00")
    await Task.filter(id=task.id).update(
        due_on=date(2026, 10, 8), yellow_at=late, red_at=late, next_light_at=late, closed_at=closed
    )
    county.clock.set(after)  # nobody looked before
    await county.sweep()
    cards = await Card.all().order_by("ground").values_list("ground", "officer")
    assert cards == [("over_committed_limit", "OFF-3"), ("step_overtime", "OFF-1")]


async def test_a_morning_is_taken_in_batches_with_numbers_without_gaps(county: County):
    for n in range(7):
        await county.late_case(f"20260000{n:04d}")
    county.clock.set(local("2026-10-23 00:00"))
    assert [await county.sweep(limit=3) for _ in range(4)] == [3, 3, 1, 0]
    assert [await county.order(limit=3) for _ in range(4)] == [Done(count=n) for n in (3, 3, 1, 0)]
    numbers = {order.number for order in await SupervisionOrder.all()}
    assert numbers == {f"衡江监察督〔2026〕{n}号" for n in range(1, 8)}
    assert (await light_tally(county.database)).red == 7
    assert (await verify(county.database)).broken is None


async def test_markup_in_a_name_stays_text_in_the_order(county: County):
    await county.late_case("2026<b>1</b>")
    county.clock.set(local("2026-10-23 00:00"))
    await county.sweep()
    await county.order()
    assert "2026&lt;b&gt;1&lt;/b&gt;" in (await SupervisionOrder.get()).html
