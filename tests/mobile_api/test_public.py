import json

import pytest

from tests.mobile_api.stage import ITEM, STAGE, Stage

ELEMENTS = [
    *("事项名称", "颁发的证件及有效期", "审批类型及法律效力", "设定依据", "审批条件", "申请资料", "审批受理机构及地点"),
    *("审批决定机关", "审批程序", "审批时限", "审批收费", "审批表格", "年审或年检", "受理咨询与投诉的机构和电话"),
]


@pytest.mark.feature("CAT-02")
async def test_the_public_guide_has_the_fourteen_elements_in_order(stage: Stage) -> None:
    guide = await stage.get("Guide", code=ITEM)
    assert [element["name"] for element in guide["elements"]] == ELEMENTS
    assert [element["number"] for element in guide["elements"]] == list(range(1, 15))
    assert all(element["lines"] for element in guide["elements"])
    assert guide["stages"][0]["committedDays"] == 3


async def test_guides_are_paged_by_code_and_found_by_name(stage: Stage) -> None:
    first = await stage.get("Guides", first=1)
    second = await stage.get("Guides", first=1, after=first["endCursor"])
    assert [page["nodes"][0]["code"] for page in (first, second)] == ["SJ-XK-001", ITEM]
    assert second["endCursor"] is None
    assert [node["code"] for node in (await stage.get("Guides", text="施工"))["nodes"]] == [ITEM]
    assert [node["code"] for node in (await stage.get("Guides", unit="SJJ"))["nodes"]] == ["SJ-XK-001"]


@pytest.mark.parametrize("change", ["UPDATE item_version SET secret = TRUE", "UPDATE item SET state = 'retired'"])
async def test_secret_and_retired_items_are_not_in_the_guide(stage: Stage, change: str) -> None:
    await stage.database.execute(change)
    assert await stage.get("Guide", code=ITEM) is None
    assert (await stage.get("Guides"))["nodes"] == []


async def test_the_query_password_is_answered_again_but_never_remembered(stage: Stage) -> None:
    application = {
        "item": ITEM,
        "stage": STAGE,
        "applicantName": "甲",
        "applicantIdNumber": "1",
        "applicantPhone": "13800000001",
        "materials": [],
    }
    filed = await stage.get("FileApplication", idempotencyKey="file-once", application=application)
    again = await stage.get("FileApplication", idempotencyKey="file-once", application=application)
    assert again == filed
    remembered = await stage.database.rows("SELECT outcome FROM performed_act")
    assert remembered
    assert not any(filed["queryPassword"] in str(row["outcome"]) for row in remembered)


async def test_progress_needs_the_password_that_came_with_the_receipt(stage: Stage) -> None:
    filed = await stage.file()
    progress = await stage.get("Progress", number=filed["number"], password=filed["queryPassword"])
    assert (progress["step"], progress["status"], progress["dueOn"]) == ("受理", "已接件，待受理", None)
    wrong = await stage.get("Progress", number=filed["number"], password="wrong")
    assert (wrong["code"], wrong["details"][0]["value"]) == ("QUERY_PASSWORD_WRONG", "9")
    withdrawn = await stage.get(
        "Withdraw", idempotencyKey="withdraw-1", case=filed["number"], password=filed["queryPassword"]
    )
    assert withdrawn["case"]["status"] == "WITHDRAWN"


@pytest.mark.parametrize("nothing", [r"\u0000", r"\u{0}", r"\u{0000}"])
async def test_what_no_database_can_keep_is_no_argument(stage: Stage, nothing: str) -> None:
    """PostgreSQL has no U+0000 in its texts, and GraphQL writes it in more than one way."""
    answer = (await stage.post({"query": f'{{ guide(code: "{nothing}") {{ code }} }}'})).json()
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    spelt = json.dumps({"query": f'{{ guide(code: "{nothing}") {{ code }} }}'}).replace("0", r"\u0030")
    answer = (await stage.post(spelt.encode())).json()
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
