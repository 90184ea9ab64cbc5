"""The region's one list: own cases and reported ones, their lights, and the systems that report."""

from typing import Any

import pytest

from ferry.exchange.acts import TurnReportedLights, WatchDays
from ferry.exchange.codes import Table
from ferry.exchange.rules import Sender
from ferry.exchange.tables import ExchangeCase
from supervision.acts import TurnLights
from tests.contracts.test_secret_doors import WORD, make_secret
from tests.ferry.exchange.systems import SendingSystem, clock_does, deliver, register, utc
from tests.mobile_api.stage import HANDLER, SUPERVISOR, Stage

COUNTY = Sender(source_system="HENGJIANG", org="ALL", region="430421")


async def a_city(stage: Stage) -> tuple[str, SendingSystem]:
    """A case of its own, one of a department's system, two of a county, of which one is late."""
    number = await stage.accepted()
    market, county = SendingSystem(), SendingSystem(COUNTY)
    await register(stage, market, unit="SJJ")
    await register(stage, county)
    await deliver(stage, market.package(market.case()))
    late = [
        county.row(Table.APPLY, "2026-09-16T08:00", case="C2", sent="2026-09-17T08:00"),
        county.row(Table.ACCEPT, "2026-09-16T09:00", case="C2", sent="2026-09-17T08:00",
                   payload={"promise_days": 1, "promise_date": "2026-09-17"}),
    ]  # fmt: skip
    await deliver(stage, county.package([*county.case("C1"), *late]))
    return number, county


@pytest.mark.feature("EXCH-10")
async def test_own_and_reported_cases_of_a_region_are_answered_by_one_store(stage: Stage):
    number, _ = await a_city(stage)
    token = (await stage.phone(SUPERVISOR)).token

    async def shown(**chosen: Any) -> set[tuple[str, str, str, str, str]]:
        found = await stage.get("RegionCases", token, **chosen)
        return {
            (each["number"], each["source"], each["region"], each["unitCode"], each["light"]) for each in found["nodes"]
        }

    own = (number, "", "", "ZJJ", "NONE")
    market = ("A1", "SJJ-YWXT", "430421", "SJJ", "NONE")
    done = ("C1", "HENGJIANG", "430421", "430421.SJJ", "NONE")
    late = ("C2", "HENGJIANG", "430421", "430421.SJJ", "RED")
    assert await shown() == {own, market, done, late}
    assert await shown(own=True) == {own}
    assert await shown(own=False, source="HENGJIANG") == {done, late}
    assert await shown(light="RED") == {late}
    assert await shown(regionCode="4304") == {market, done, late}
    assert await shown(unit="SJJ") == {market}  # a county's unit of that name is another
    pages, after = [], None
    while True:
        page = await stage.get("RegionCases", token, first=1, after=after)
        pages += [each["number"] for each in page["nodes"]]
        if (after := page["endCursor"]) is None:
            break
    assert sorted(pages) == sorted([number, "A1", "C1", "C2"])
    await make_secret(stage.database)
    assert WORD not in str(await stage.get("RegionCases", token))
    assert await shown(own=True) == set()
    token = (await stage.phone(HANDLER)).token
    for operation in ("RegionCases", "ReportingSystems"):
        assert (await stage.ask(operation, token))["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"


async def test_a_reported_red_light_is_a_finding_and_a_missing_day_stands_beside_its_system(stage: Stage):
    await a_city(stage)
    await clock_does(stage, TurnReportedLights())
    while await stage.courier.deliver():
        pass
    token = (await stage.phone(SUPERVISOR)).token
    (finding,) = (await stage.get("Findings", token, kind="REPORTED_OVERDUE"))["nodes"]
    assert (finding["caseNumber"], finding["unitCode"]) == ("C2", "430421.SJJ")
    stage.clock.set(utc("2026-09-21T08:01"))
    await clock_does(stage, WatchDays())
    await clock_does(stage, TurnLights())
    token = (await stage.phone(SUPERVISOR)).token
    systems = {each["source"]: each for each in await stage.get("ReportingSystems", token)}
    assert systems["HENGJIANG"]["completeUntil"] == "2026-09-16"
    assert (systems["HENGJIANG"]["missingDays"], systems["HENGJIANG"]["missingSince"]) == (1, "2026-09-18")
    assert (systems["SJJ-YWXT"]["org"], systems["SJJ-YWXT"]["daysThatDiffer"]) == ("SJJ", 0)
    assert await ExchangeCase.all().count() == 3


async def test_a_level_takes_only_what_is_of_its_subordinates_and_sees_no_sibling(stage: Stage):
    """A certificate says for which region it speaks; what is of another is rejected row by row."""
    _, county = await a_city(stage)
    county.batch = "B2"
    parts = (await deliver(stage, county.package([county.row(Table.APPLY, case="D1", region="430422")])))[1]
    assert parts[0].receipts[0].codes == ("REGION_FOREIGN",)
    token = (await stage.phone(SUPERVISOR)).token
    assert (await stage.get("RegionCases", token, regionCode="430422"))["nodes"] == []
