"""The eight functions of an officer (官员八项功能), walked on one case from the phones of those who may.

在线答疑, 实时受理, 任务查询, 材料预审, 并联办理, 统计分析, 即时催办, 信息发布. Each is tried first by somebody who may
not: an API without a permission would be a hole, not a function.
"""

from typing import Any

import pytest

from tests.mobile_api.conftest import authority, stage  # noqa: F401  fixtures
from tests.mobile_api.parallel import PARALLEL, PARALLEL_STAGE, publish_parallel
from tests.mobile_api.stage import CHIEF, CLERK, HANDLER, HEAD, LEADER, OTHER_HANDLER, SUPERVISOR, Stage
from tests.mobile_api.visitors import log_in, take_step

PUBLISHER, STRANGER = "OFF-0035", "OFF-0009"  # the information centre; a handler of a bureau that has no part in this


async def refused(county: Stage, who: str, name: str, **variables: Any) -> str:
    """The code with which an operation refuses an officer, or the holder of an applicant's token."""
    token = (await county.phone(who)).token if who.startswith("OFF-") else who
    answer = await county.ask(name, token, **variables)
    if "errors" in answer:
        return str(answer["errors"][0]["extensions"]["code"])
    (field,) = answer["data"].values()
    return str(field["code"])


async def does(county: Stage, who: str, name: str, **variables: Any) -> Any:
    token = (await county.phone(who)).token
    answer = await county.get(name, token, **variables)
    assert answer["__typename"] != "Refusal", answer
    return answer


@pytest.mark.feature("FLOW-08")
async def test_officers_have_their_eight_functions_and_only_those_who_may(stage: Stage) -> None:  # noqa: F811
    await publish_parallel(stage)
    filed = await stage.file(item=PARALLEL, stage=PARALLEL_STAGE)
    case = filed["number"]
    applicant = await log_in(stage, "13800000001")

    # 1. 在线答疑
    question = {"title": "主体资格", "question": "个体工商户可以申请吗？", "item": PARALLEL}
    asked = await stage.get("AskQuestion", idempotencyKey="question-1", **question)
    answer = {"number": asked["consultation"]["number"], "revision": 1, "answer": "可以。"}
    assert (
        await refused(stage, OTHER_HANDLER, "AnswerQuestion", idempotencyKey="answer-01", **answer) == "NOT_PERMITTED"
    )
    assert (await does(stage, HANDLER, "Questions"))["nodes"][0]["title"] == "主体资格"
    answered = await does(stage, HANDLER, "AnswerQuestion", idempotencyKey="answer-01", **answer)
    assert answered["consultation"]["answer"] == "可以。"

    # 2. 材料预审, before acceptance
    review = {"case": case, "revision": 1, "outcome": "PASS", "opinion": "材料齐全。"}
    assert await refused(stage, STRANGER, "ReviewMaterials", idempotencyKey="review-01", **review) == "NOT_PERMITTED"
    reviewed = await does(stage, HANDLER, "ReviewMaterials", idempotencyKey="review-01", **review)
    assert reviewed["case"]["status"] == "RECEIVED"

    # 3. 实时受理
    chosen = {"case": case, "revision": 2, "step": "accept", "decision": "ACCEPT", "opinion": "予以受理。"}
    assert await refused(stage, STRANGER, "PrepareDecision", decision=chosen) == "NOT_PERMITTED"
    accepted = await stage.decide(CLERK, case, "ACCEPT", "材料齐全，予以受理。")
    assert accepted["case"]["status"] == "IN_APPROVAL"

    # 4. 任务查询: those who may see the case find it, others find nothing
    assert await refused(stage, applicant, "SearchCases", search={"number": case}) == "LOGIN_NEEDED"
    assert (await does(stage, STRANGER, "SearchCases", search={"number": case}))["nodes"] == []
    (found,) = (
        await does(stage, HANDLER, "SearchCases", search={"applicant": "衡江建设", "statuses": ["IN_APPROVAL"]})
    )["nodes"]
    assert found["number"] == case

    # 5. 即时催办
    assert await refused(stage, STRANGER, "Urge", idempotencyKey="urge-0001", case=case) == "NOT_PERMITTED"
    assert (await does(stage, LEADER, "Urge", idempotencyKey="urge-0001", case=case))["turns"] >= 1
    (task, *_) = (await does(stage, HANDLER, "Todos"))["nodes"]
    assert (task["case"]["number"], task["urges"]) == (case, 1)

    # 6. 并联办理: two bureaus at once, joined before the decision
    for officer in (HANDLER, HEAD):
        await stage.decide(officer, case, "AGREE")
    chosen = {"case": case, "revision": 5, "step": "level:3", "decision": "GRANT", "opinion": "准予。"}
    assert await refused(stage, LEADER, "PrepareDecision", decision=chosen) == "BRANCHES_OPEN"
    await stage.decide(OTHER_HANDLER, case, "CONCUR", "主体资格无误。")
    granted = await stage.decide(LEADER, case, "GRANT", "准予。")
    assert granted["case"]["status"] == "GRANTED"

    # 7. 统计分析: one's own unit; supervisors every unit
    assert await refused(stage, applicant, "Statistics") == "LOGIN_NEEDED"
    assert await refused(stage, HANDLER, "Statistics", filter={"unit": "SJJ"}) == "NOT_PERMITTED"
    mine = (await does(stage, HANDLER, "Statistics", by=["RESULT"]))["total"]
    assert (mine["received"], mine["granted"], mine["onTimeRate"]) == (1, 1, "100.0")
    assert (await does(stage, STRANGER, "Statistics"))["total"]["received"] == 0
    assert (await does(stage, SUPERVISOR, "Statistics", filter={"unit": "ZJJ"}))["total"] == mine

    # 8. 信息发布: nobody approves what they wrote
    words = {"kind": "NOTICE", "title": "并联办理事项上线", "body": "即日起两局同时办理。"}
    assert await refused(stage, applicant, "DraftAnnouncement", idempotencyKey="draft-001", **words) == "NOT_PERMITTED"
    drafted = await does(stage, LEADER, "DraftAnnouncement", idempotencyKey="draft-001", **words)
    number = drafted["number"]
    await take_step(stage, LEADER, number, "SUBMIT")
    await take_step(stage, HEAD, number, "REVIEW")
    assert (await take_step(stage, LEADER, number, "APPROVE"))["code"] == "OWN_ANNOUNCEMENT"
    assert (await take_step(stage, CHIEF, number, "APPROVE"))["state"] == "APPROVED"
    assert (await take_step(stage, PUBLISHER, number, "PUBLISH"))["state"] == "PUBLISHED"
    assert [node["number"] for node in (await stage.get("Announcements"))["nodes"]] == [number]
