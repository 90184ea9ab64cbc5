"""Parallel cases, urging, standing in and packages, as phones meet them."""

import pytest

from tests.mobile_api.parallel import PACKAGE, PARALLEL, PARALLEL_STAGE, publish_package, publish_parallel
from tests.mobile_api.stage import CHIEF, CLERK, HANDLER, HEAD, LEADER, OTHER_HANDLER, SUPERVISOR, Stage

AWAY = {"delegate": CHIEF, "firstDay": "2026-09-18", "lastDay": "2026-09-25", "reason": "出差。"}


async def token(stage: Stage, officer: str) -> str:
    phone = await stage.phone(officer)
    assert phone.token
    return phone.token


async def test_a_parallel_case_is_worked_by_two_units_at_once(stage: Stage) -> None:
    await publish_parallel(stage)
    number = await stage.accepted(item=PARALLEL, stage=PARALLEL_STAGE)
    await stage.decide(HANDLER, number, "AGREE")
    await stage.decide(HEAD, number, "AGREE")
    chosen = {"case": number, "revision": 4, "step": "level:3", "decision": "GRANT", "opinion": "准予。"}
    early = await stage.get("PrepareDecision", await token(stage, LEADER), decision=chosen)
    assert early["code"] == "BRANCHES_OPEN"
    await stage.decide(OTHER_HANDLER, number, "DISSENT", "主体资格存疑。")
    case = await stage.get("Case", await token(stage, LEADER), number=number)
    (branch,) = case["branches"]
    assert (branch["name"], branch["verdict"], branch["light"]) == ("主体资格核查", "DISSENT", "OUT")
    assert [task["step"] for task in case["openTasks"]] == ["level:3"]
    granted = await stage.decide(LEADER, number, "GRANT", "准予。", items=["已补充核查，主体资格无误。"])
    assert granted["case"]["status"] == "GRANTED"
    case = await stage.get("Case", await token(stage, OTHER_HANDLER), number=number)
    assert case["branches"][0]["answer"] == "已补充核查，主体资格无误。"


async def test_a_leader_returns_to_a_chosen_level_from_the_phone(stage: Stage) -> None:
    await publish_parallel(stage)
    number = await stage.accepted(item=PARALLEL, stage=PARALLEL_STAGE)
    await stage.decide(HANDLER, number, "AGREE")
    await stage.decide(HEAD, number, "AGREE")
    returned = await stage.decide(LEADER, number, "RETURN", "请重新勘查。", returnTo="level:1")
    assert returned["case"]["step"] == "level:1"


async def test_urging_is_one_tap_and_shows_in_the_handlers_list_and_to_supervision(stage: Stage) -> None:
    number = await stage.accepted()
    urged = await stage.get("Urge", await token(stage, LEADER), idempotencyKey="urge-the-case", case=number)
    assert urged == {"turns": 1, "__typename": "UrgePayload"}
    (task,) = (await stage.get("Todos", await token(stage, HANDLER)))["nodes"]
    assert (task["urges"], task["urgedAt"]) == (1, "2026-09-18T01:00:00+00:00")
    again = await stage.get("Urge", await token(stage, SUPERVISOR), idempotencyKey="urge-again", case=number)
    assert again["code"] == "URGED_RECENTLY"
    assert (await stage.get("Case", await token(stage, SUPERVISOR), number=number))["urges"] == 1


@pytest.mark.feature("FLOW-16")
async def test_a_delegate_finds_the_turn_signs_it_and_both_names_are_shown(stage: Stage) -> None:
    number = await stage.accepted()
    await stage.decide(HANDLER, number, "AGREE")
    await stage.phone(CHIEF)
    phone = await stage.phone(HEAD)
    prepared = await stage.get("PrepareDelegation", phone.token, delegation=AWAY)
    assert "代理人：何建国（OFF-0004）\n起止：2026-09-18至2026-09-25" in prepared["display"]
    signed = phone.signed(prepared)
    made = await stage.get("Delegate", phone.token, idempotencyKey="away-for-a-week", delegation=AWAY, signed=signed)
    assert made["__typename"] == "DelegationPayload", made
    (task,) = (await stage.get("Todos", await token(stage, CHIEF)))["nodes"]
    assert (task["step"], task["onBehalfOf"]) == ("level:2", "吴清和")
    chosen = {"case": number, "revision": 3, "step": "level:2", "decision": "AGREE", "opinion": "同意。"}
    request = await stage.get("PrepareDecision", await token(stage, CHIEF), decision=chosen)
    assert "何建国 代 吴清和" in request["display"]
    decided = await stage.decide(CHIEF, number, "AGREE")
    assert decided["case"]["step"] == "level:3"
    step = (await stage.get("Case", await token(stage, HANDLER), number=number))["steps"][-1]
    assert (step["officerName"], step["onBehalfOf"]) == ("何建国", "吴清和")
    revoked = await stage.get(
        "RevokeDelegation", await token(stage, HEAD), idempotencyKey="back-again", delegation=made["delegation"]["id"]
    )
    assert revoked["delegation"]["revoked"] is True


async def test_who_has_no_certificate_cannot_stand_in(stage: Stage) -> None:
    refused = await stage.get("PrepareDelegation", await token(stage, HEAD), delegation=AWAY)
    assert (refused["code"], refused["message"]) == ("DELEGATE_UNFIT", "不能委托该人员：代理人没有有效的签名证书。")


async def test_a_delegation_that_nobody_numbered_is_unknown(stage: Stage) -> None:
    for wrong in ("x", "", "²", "404"):
        answer = await stage.get(
            "RevokeDelegation", await token(stage, HEAD), idempotencyKey=f"revoke-{wrong}-it", delegation=wrong
        )
        assert answer["code"] == "UNKNOWN_DELEGATION", wrong


@pytest.mark.feature("FLOW-07")
async def test_a_package_is_filed_once_and_goes_on_by_itself(stage: Stage) -> None:
    await publish_package(stage)
    application = {
        "item": PACKAGE,
        "stage": "",
        "applicantName": "衡江建设有限公司",
        "applicantIdNumber": "91430400MA4L000000",
        "applicantPhone": "13800000001",
        "materials": [{"name": "建筑工程施工许可证申请表"}],
    }
    filed = await stage.get("FilePackage", idempotencyKey="one-for-all", application=application)
    number, password = filed["package"]["number"], filed["queryPassword"]
    first = filed["package"]["parts"][0]["case"]
    await stage.decide(CLERK, first, "ACCEPT", "受理。")
    for who, decision in ((HANDLER, "AGREE"), (HEAD, "AGREE"), (LEADER, "GRANT")):
        await stage.decide(who, first, decision)
    package = await stage.get("Package", number=number, password=password)
    assert [(part["state"], part["status"]) for part in package["parts"]] == [
        ("FILED", "GRANTED"),
        ("FILED", "RECEIVED"),
    ]
    assert (await stage.get("Package", number=number))["code"] == "QUERY_PASSWORD_NEEDED"
    assert (await stage.get("Package", await token(stage, HANDLER), number=number))["number"] == number
