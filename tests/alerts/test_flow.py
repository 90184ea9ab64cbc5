"""Urging and standing in: who gets which text."""

import json
from datetime import date

import pytest

from casework.acts import Decision
from casework.flow.acts import Urge
from supervision.tables import SupervisionOrder
from tests.alerts.county import phone_of
from tests.casework.flow import PARALLEL, absent, accepted, parallel, shown, waiting
from tests.casework.town import person


@pytest.mark.feature("FLOW-09")
async def test_urging_texts_and_marks_whoevers_turn_it_is_and_is_counted(county):
    number = await county.accepted()
    await county.decide("HANDLER", number, "level:1", Decision.AGREE)
    await county.do(Urge(case=number), person("CHIEF"))
    await county.tell()
    told = {phone: body for phone, body in await county.texts("T28")}
    assert phone_of("HEAD") in told
    assert phone_of("HANDLER") not in told
    assert told[phone_of("HEAD")] == (
        f"【衡江政务服务】催办（第1次）：衡住建请您尽快办理{number}“建筑工程施工许可证核发”，"
        "现处审核，应于10月22日前办理，剩20个工作日。"
    )
    rows, _ = await waiting(county, "HEAD")
    assert (rows[0]["urges"], rows[0]["urged_at"]) == (1, county.clock.now())
    assert (await county.do(Urge(case=number), person("LEADER"))).code == "URGED_RECENTLY"
    seen = await shown(county, "WATCH", number)
    assert seen["urges"] == 1
    assert "催办" in [entry["title"] for entry in seen["timeline"]]


async def test_each_unit_of_a_parallel_case_is_urged_about_its_own_limit(county):
    number = await parallel(county)
    await county.do(Urge(case=number), person("CHIEF"))
    await county.tell()
    told = {phone: body for phone, body in await county.texts("T28")}
    assert "现处会办承办，应于10月9日前办理" in told[phone_of("FIRE")]
    assert "现处承办，应于11月19日前办理" in told[phone_of("HANDLER")]


@pytest.mark.feature("FLOW-16")
async def test_a_delegate_is_told_of_the_turns_and_lights_they_stand_in_for(county):
    await absent(county, last_day=date(2026, 12, 31), reason="援藏。")
    number = await county.accepted()
    await county.decide("HANDLER", number, "level:1", Decision.AGREE)
    await county.tell()
    turns = [phone for phone, body in await county.texts("T01") if "审核" in body]
    assert {phone_of("HEAD"), phone_of("CHIEF")} <= set(turns)
    county.at("2026-10-21 00:00")
    await county.turn_lights()
    assert phone_of("CHIEF") in [phone for phone, _ in await county.texts("T02")]


async def test_an_order_about_a_late_branch_goes_to_its_own_unit(county):
    """A branch whose limit is the whole case's: when the case is late, each unit has an order of its own."""
    definition = json.loads(PARALLEL)
    definition["stages"][0]["branches"][0]["limit_days"] = 40
    number = await accepted(county, json.dumps(definition, ensure_ascii=False).encode())
    county.at("2026-11-20 00:00")
    await county.turn_lights()
    orders = await SupervisionOrder.all()
    assert {order.unit_code for order in orders} == {"ZJ", "XF"}
    told = {phone for phone, body in await county.texts("T03") if number in body and "衡消防" in body}
    assert phone_of("FIRE") in told
    assert phone_of("HANDLER") not in told
