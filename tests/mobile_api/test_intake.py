"""Intake as phones and windows use it: forms, agents, pre-review, originals, papers, bills, lists of supervision."""

from typing import Any

import pytest

from tests.mobile_api.demanding import DEED, application, publish_demanding
from tests.mobile_api.stage import CHIEF, CLERK, HANDLER, HEAD, LEADER, SUPERVISOR, Stage


@pytest.fixture
async def demanding(stage: Stage) -> Stage:
    await publish_demanding(stage)
    return stage


async def does(stage: Stage, who: str, operation: str, **variables: Any) -> dict[str, Any]:
    """The union member that a mutation answered."""
    token = (await stage.phone(who)).token
    answered = await stage.get(operation, token, idempotencyKey=stage.secrets.token(), **variables)
    assert isinstance(answered, dict)
    return answered


async def filed(stage: Stage, **changes: Any) -> dict[str, Any]:
    answered = await stage.get(
        "FileApplication", idempotencyKey=stage.secrets.token(), application=application(**changes)
    )
    assert isinstance(answered, dict)
    return answered


async def test_a_filing_says_what_is_missing_and_a_wrong_form_says_where(demanding: Stage) -> None:
    refused = await filed(demanding, form='{"tons": "three"}')
    assert refused["code"] == "FORM_ANSWERS_INVALID"
    assert {"name": "pointers", "value": "/outlet、/tons", "__typename": "Detail"} in refused["details"]
    taken = await filed(demanding)
    assert (taken["missing"], taken["reused"]) == (["水质检测报告"], [])


async def test_a_case_walks_through_the_window_to_the_grant(demanding: Stage) -> None:
    """Pre-review, correction, papers, originals and the bill, in one day."""
    stage, case = demanding, str((await filed(demanding))["number"])
    reviewed = await does(
        stage, HANDLER, "ReviewMaterials", case=case, revision=1, outcome="ORIGINALS", opinion="请核对原件。"
    )
    assert reviewed["case"]["revision"] == 2
    await does(stage, CLERK, "CorrectOnSpot", case=case, revision=2, correction={"corrected": ["笔误"]})
    clerk = (await stage.phone(CLERK)).token
    duties = await stage.get("Duties", clerk)
    assert ([row["number"] for row in duties["originals"]], duties["papers"][0]["material"]) == ([case], DEED)
    await does(stage, CLERK, "ConfirmPapers", case=case)
    await stage.decide(CLERK, case, "ACCEPT", "予以受理。")
    await does(stage, CLERK, "HandOverPapers", case=case, toUnit="ZJJ")
    await does(stage, HANDLER, "ConfirmPapers", case=case)
    await stage.decide(HANDLER, case, "AGREE")
    await stage.decide(HEAD, case, "AGREE")
    granting = {"case": case, "revision": 6, "step": "level:3", "decision": "GRANT", "opinion": "准予许可。"}
    leader = (await stage.phone(LEADER)).token
    outstanding = await stage.get("PrepareDecision", leader, decision=granting)
    assert outstanding["code"] == "ORIGINALS_OUTSTANDING"
    await does(stage, CLERK, "RecordOriginals", case=case, revision=6, matches=True, note="")
    await stage.decide(LEADER, case, "GRANT", "准予许可。")
    bill = await does(stage, CLERK, "EnterFee", case=case, line=2, amountCents=36000)
    assert (bill["totalCents"], bill["openLines"]) == (37000, 0)
    assert (await does(stage, CLERK, "SettleBill", case=case))["settled"]
    seen = await stage.get("CaseIntake", clerk, number=case)
    assert [move["toUnit"] for move in seen["papers"]] == ["ZWZX", "ZJJ"]
    assert seen["originals"]["matches"] is True
    record = await stage.get("CaseRecord", clerk, number=case)
    titles = [entry["title"] for entry in record["timeline"]]
    for title in ("材料预审", "通知核对原件", "当场更正", "纸质材料移交", "纸质材料签收", "原件核对", "开具缴费单"):
        assert title in titles


@pytest.mark.parametrize(
    ("who", "operation", "variables", "code"),
    [
        (CHIEF, "ReviewMaterials", {"revision": 1, "outcome": "PASS", "opinion": "好"}, "NOT_PERMITTED"),
        (HANDLER, "ReviewMaterials", {"revision": 9, "outcome": "PASS", "opinion": "好"}, "CHANGED_MEANWHILE"),
        (HANDLER, "CorrectOnSpot", {"revision": 1, "correction": {"corrected": ["笔误"]}}, "NOT_PERMITTED"),
        (CLERK, "CorrectOnSpot", {"revision": 1, "correction": {"corrected": []}}, "NOTHING_CORRECTED"),
        (HANDLER, "RecordOriginals", {"revision": 1, "matches": True, "note": ""}, "NOT_PERMITTED"),
        (LEADER, "ConfirmPapers", {}, "NOT_PERMITTED"),
        (CLERK, "HandOverPapers", {"toUnit": "ZJJ"}, "NO_PAPERS_HERE"),
        (CLERK, "WaivePapers", {"reason": ""}, "INVALID"),
        (CLERK, "SettleBill", {}, "NO_BILL"),
        (HANDLER, "ChargeUnlisted", {"fee": "资料费", "amountCents": 1, "reason": "误收"}, "NOT_PERMITTED"),
        (CLERK, "ChargeUnlisted", {"fee": "资料费", "amountCents": -1, "reason": "误收"}, "INVALID"),
    ],
)
async def test_what_is_refused_is_refused_with_its_code(
    demanding: Stage, who: str, operation: str, variables: dict[str, Any], code: str
) -> None:
    case = (await filed(demanding))["number"]
    assert (await does(demanding, who, operation, case=case, **variables))["code"] == code


async def test_agent_and_form_are_whole_for_those_who_handle_the_case_only(demanding: Stage) -> None:
    agent = {"name": "陈代办", "idNumber": "430400199001011234", "phone": "13800000002"}
    case = (await filed(demanding, agent=agent))["number"]
    for who, phone, has_form in ((CLERK, "13800000002", True), (SUPERVISOR, "138••••••02", False)):
        seen = await demanding.get("CaseIntake", (await demanding.phone(who)).token, number=case)
        assert (seen["agent"]["phone"], seen["form"] is not None) == (phone, has_form)
    rows = await demanding.database.rows("SELECT viewer FROM view_log WHERE what = 'intake'")
    assert [row["viewer"] for row in rows] == [f"officer:{CLERK}", f"officer:{SUPERVISOR}"]


async def test_supervision_reads_findings_and_second_entries_and_nobody_else(demanding: Stage) -> None:
    late = application(channel="SECOND_ENTRY", receivedOn="2026-09-16", source="省排水许可系统")
    taken = await does(demanding, CLERK, "FileApplication", application=late)
    assert taken["__typename"] == "FiledPayload"
    ordinary = await demanding.file()
    await demanding.decide(CLERK, ordinary["number"], "NOT_NEEDED", "依法不需要许可。")
    await demanding.courier.deliver(limit=100)
    token = (await demanding.phone(SUPERVISOR)).token
    page = await demanding.get("Findings", token, first=10)
    assert [(row["kind"], row["caseNumber"]) for row in page["nodes"]] == [("NOT_ACCEPTED", ordinary["number"])]
    entries = await demanding.get("SecondEntries", token, since="2026-09-01", until="2026-09-30")
    assert (entries["tallies"][0]["lateDays"], entries["latest"][0]["operator"]) == (2, CLERK)
    for operation, variables in (
        ("Findings", {}),
        ("FindingTallies", {"since": "2026-09-01"}),
        ("SecondEntries", {"since": "2026-09-01", "until": "2026-09-30"}),
    ):
        answer = await demanding.ask(operation, (await demanding.phone(HANDLER)).token, **variables)
        assert answer["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"
        assert (await demanding.ask(operation, None, **variables))["errors"][0]["extensions"]["code"] == "LOGIN_NEEDED"


async def test_no_day_is_taken_that_a_time_zone_would_push_off_the_calendar(stage: Stage) -> None:
    phone = await stage.phone(SUPERVISOR)
    for day in ("0001-01-01", "9999-12-31"):
        answer = await stage.ask("FindingTallies", phone.token, since=day)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"]
