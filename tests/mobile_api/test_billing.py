"""The month's bill on the phone: the information centre's, with the same numbers as at the server."""

from tests.contracts.story_billing import INFORMATION_CENTRE, a_carrier_takes_texts
from tests.mobile_api.stage import CHIEF, SUPERVISOR, Stage


async def test_the_information_centre_reads_what_each_unit_costs(stage: Stage) -> None:
    await a_carrier_takes_texts(stage)
    token = (await stage.phone(INFORMATION_CENTRE)).token
    found = await stage.get("SmsBill", token, month="2026-09")
    total = {"texts": 5, "parts": 6, "delivered": 1, "failed": 1, "open": 4}
    assert found["total"] == {"__typename": "SmsCharge", **total}
    lines = {(line["unit"], line["messageClass"]): line["charge"]["parts"] for line in found["lines"]}
    assert lines == {(None, "NOTICE"): 1, ("SJJ", "ITEM"): 1, ("ZJJ", "ITEM"): 3, ("ZJJ", "WARNING"): 1}
    assert found["lines"][0]["unitName"] == "系统公用"
    assert (await stage.get("SmsBill", token, month="2026-08"))["lines"] == []


async def test_nobody_else_reads_it_and_only_a_month_is_one(stage: Stage) -> None:
    for officer in (None, CHIEF, SUPERVISOR):
        token = (await stage.phone(officer)).token if officer else None
        assert (await stage.ask("SmsBill", token, month="2026-09"))["errors"][0]["extensions"]["code"] in (
            "NOT_PERMITTED",
            "LOGIN_NEEDED",
        )
    answer = await stage.ask("SmsBill", (await stage.phone(INFORMATION_CENTRE)).token, month="2026-9")
    assert answer["errors"][0]["extensions"]["code"] == "INVALID"
