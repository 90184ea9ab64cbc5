"""The catalogue from other sides, as phones and the public ask: flowcharts, 百件实事, windows, reports."""

import msgspec
import pytest

from casework.acts import PublishItem
from casework.seed import county, items
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from tests.mobile_api.stage import HANDLER, ITEM, STAGE, SUPERVISOR, Stage

REFORM, EFFICIENCY = "OFF-0081", "OFF-0084"
#: Of each deed and each kind of window something.
CODES = ("SJ-SP-001", "GA-XK-003", "ZR-SP-001", "ZR-XK-002", "SW-XK-001", "YJ-XK-001")


@pytest.fixture
async def published(stage: Stage) -> Stage:
    for item in items():
        if item.code in CODES:
            act = PublishItem(definition=msgspec.json.encode(item))
            outcome = await stage.office.perform(act, THE_OPERATOR, key=f"publish {item.code}")
            assert not isinstance(outcome, Refusal), outcome
    return stage


async def test_the_public_sees_the_flowchart_of_a_published_stage(stage: Stage) -> None:
    chart = await stage.get("Flowchart", item=ITEM, stage=STAGE)
    assert chart["title"] == "建筑工程施工许可证核发（核发）办理流程图"
    assert chart["mermaid"].splitlines()[3] == "flowchart TD"
    assert chart["svg"].startswith("<svg ")
    assert await stage.get("Flowchart", item=ITEM, stage="ZJ-XK-001-09") is None
    await stage.database.execute("UPDATE item_version SET secret = TRUE")
    assert await stage.get("Flowchart", item=ITEM, stage=STAGE) is None


@pytest.mark.feature("CAT-21")
async def test_deeds_count_their_items_and_links_lead_both_ways(published: Stage) -> None:
    page = await published.get("Deeds")
    counts = {deed["number"]: deed["count"] for deed in page["nodes"]}
    assert counts == {"012": 2, "036": 2}  # as far as they are published here
    for deed in page["nodes"]:
        assert deed["count"] == len(deed["items"])
        for link in deed["items"]:
            guide = await published.get("Guide", code=link["code"])
            assert (guide["code"], guide["name"]) == (link["code"], link["name"])
            assert deed["number"] in guide["deeds"]
    assert (await published.get("Guide", code=ITEM))["deeds"] == []
    await published.database.execute("UPDATE item SET state = 'retired' WHERE code = 'GA-XK-003'")
    assert [deed["count"] for deed in (await published.get("Deeds"))["nodes"]] == [2, 1]


@pytest.mark.feature("CAT-22")
async def test_an_item_may_be_offered_at_some_windows_only(published: Stage) -> None:
    windows = await published.get("Windows")
    kinds = [window["kind"] for window in windows]
    assert (kinds.count("hall"), kinds.count("branch"), kinds.count("centre")) == (1, 3, 15)
    everywhere = {item.code for item in items() if item.code in (*CODES, ITEM, "SJ-XK-001") and not item.offered_at}
    for window, only in (
        ("FT-CGS", {"GA-XK-003"}),
        ("FT-SW", {"SW-XK-001"}),
        ("FT-BDC", {"ZR-SP-001"}),
        ("ZWZX", {"ZR-SP-001"}),
        ("BM-XZ01", {"ZR-XK-002"}),  # a township,
        ("BM-JD01", set()),  # and a street
    ):
        taken = (await published.get("OfferedAt", window=window, first=50))["nodes"]
        assert {link["code"] for link in taken} == everywhere | only, window
        (shown,) = [each for each in windows if each["code"] == window]
        assert shown["count"] == len(taken)
    guide = await published.get("Guide", code="GA-XK-003")
    assert [(at["code"], at["name"]) for at in guide["offeredAt"]] == [("FT-CGS", "衡江县政务服务中心车管所分厅")]


async def test_what_a_window_offers_is_paged_by_code(published: Stage) -> None:
    first = await published.get("OfferedAt", window="FT-BDC", first=1)
    rest = await published.get("OfferedAt", window="FT-BDC", first=50, after=first["endCursor"])
    codes = [link["code"] for link in (*first["nodes"], *rest["nodes"])]
    assert codes == sorted(set(codes))
    assert rest["endCursor"] is None
    refused = await published.ask("OfferedAt", window="ZJJ")
    assert refused["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("officer", [REFORM, EFFICIENCY, "OFF-0031"])
async def test_reports_are_for_the_reform_office_and_the_efficiency_office(stage: Stage, officer: str) -> None:
    token = (await stage.phone(officer)).token
    report = await stage.get("CatalogueReport", token, kind="UNITS")
    assert len(report["rows"]) == len(county().units)
    assert len(report["sha256"]) == 64
    assert report["generatedAt"].startswith("2026-09-18T01:00:00")
    assert all(len(row) == len(report["columns"]) for row in report["rows"])


async def test_nobody_else_is_given_reports(stage: Stage) -> None:
    for officer in (HANDLER, SUPERVISOR):
        answer = await stage.ask("CatalogueReport", (await stage.phone(officer)).token, kind="ITEMS")
        assert answer["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"
    answer = await stage.ask("CatalogueReport", kind="ITEMS")
    assert answer["errors"][0]["extensions"]["code"] == "LOGIN_NEEDED"
