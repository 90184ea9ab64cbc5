"""The six functions of the public hall (公众六项主要功能), walked over HTTP by people without a certificate.

办事程序查询, 政策法规咨询, 资料表格下载, 审批材料申报, 办理结果反馈, 违规投诉举报: anonymously, and once more as
somebody whose phone is registered. Everything goes through the doors: the public side never opens the database.
"""

from collections.abc import AsyncIterator

import httpx
import pytest

from certs.authority import Authority
from kernel.clock import FakeClock
from kernel.db import Database
from mobile_api.app import build_app
from server.processes import http_door, listening
from tests.mobile_api.conftest import authority  # noqa: F401  fixture
from tests.mobile_api.stage import CLERK, HANDLER, HEAD, ITEM, LEADER, STAGE, SUPERVISOR, Stage
from tests.mobile_api.visitors import log_in, take_step

PUBLISHER = "OFF-0035"
PHONE = "13800000001"


@pytest.fixture
async def stage(
    database: Database,
    clock: FakeClock,
    authority: Authority,  # noqa: F811
    tmp_path,
) -> AsyncIterator[Stage]:
    """The sample county behind a real socket."""
    stage = Stage(database, clock, authority, tmp_path / "files")
    await stage.settle()
    async with http_door(build_app(stage.services), door=listening("127.0.0.1", 0)) as port:
        stage.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
        yield stage
        await stage.http.aclose()


async def decided(stage: Stage, case: str) -> None:
    for officer, decision in ((HANDLER, "AGREE"), (HEAD, "AGREE"), (LEADER, "GRANT")):
        assert (await stage.decide(officer, case, decision))["__typename"] == "CasePayload"


@pytest.mark.feature("HALL-01")
@pytest.mark.parametrize("registered", [False, True], ids=["anonymous", "registered"])
async def test_the_six_functions_are_there_for_everybody(stage: Stage, registered: bool) -> None:
    token = await log_in(stage, PHONE) if registered else None

    # 1. 办事程序查询: how is it done, by whom, how long does it take?
    guide = await stage.get("Guide", token, code=ITEM)
    procedure = next(element for element in guide["elements"] if element["name"] == "审批程序")
    assert "受理" in procedure["lines"][0]
    assert (await stage.http.get(f"/public/guides/{ITEM}")).json()["limits"][0]["committed_days"] == 3

    # 2. 政策法规咨询: a question, answered by the item's own unit, read by whoever asked, and published once reviewed.
    question = {"title": "施工许可", "question": "临时工棚需要办理吗？", "item": ITEM}
    asked = await stage.get("AskQuestion", token, idempotencyKey="question-1", **question)
    number = asked["consultation"]["number"]
    handler = await stage.phone(HANDLER)
    answered = await stage.get(
        "AnswerQuestion",
        handler.token,
        idempotencyKey="answer-01",
        number=number,
        revision=1,
        answer="不需要。",
        publish=True,
        publicQuestion="临时工棚要办证吗？",
    )
    read = await stage.get("Consultation", token, number=number, password=asked["queryPassword"])
    assert read["consultation"]["answer"] == "不需要。"
    draft = answered["consultation"]["announcement"]
    for officer, step in ((HANDLER, "SUBMIT"), (HEAD, "REVIEW"), (LEADER, "APPROVE"), (PUBLISHER, "PUBLISH")):
        assert (await take_step(stage, officer, draft, step))["__typename"] == "AnnouncementPayload"
    (public,) = (await stage.get("Announcements", token, kind="ANSWER"))["nodes"]
    assert public["body"] == "问：临时工棚要办证吗？\n答：不需要。"

    # 3. 资料表格下载: the blank form and a sample.
    forms = (await stage.http.get(f"/public/forms/{ITEM}")).json()["forms"]
    pages = [await stage.http.get(form["url"]) for form in forms if form["url"].endswith(".html")]
    assert len(pages) >= 2
    assert all(page.status_code == 200 and "申请人" in page.text for page in pages)

    # 4. 审批材料申报: a file and an application.
    ticket = (await stage.get("OpenFiling", token))["ticket"]
    upload = await stage.http.post(
        "/files",
        params={"name": "申请表.pdf"},
        content=b"%PDF-1.7\n",
        headers={"authorization": f"Ticket {ticket}"},
    )
    application = {
        "item": ITEM,
        "stage": STAGE,
        "applicantName": "衡江建设有限公司",
        "applicantIdNumber": "91430400MA4L000000",
        "applicantPhone": PHONE,
        "materials": [{"name": "申请表", "upload": upload.json()["upload"]}],
    }
    filed = await stage.get("FileApplication", token, idempotencyKey="filing-01", application=application)
    case, password = filed["number"], filed["queryPassword"]
    await stage.decide(CLERK, case, "ACCEPT", "材料齐全，予以受理。")

    # 5. 办理结果反馈: where it stands, and what became of it.
    async def progress() -> str:
        own = "" if registered else password
        return str((await stage.get("Progress", token, number=case, password=own))["status"])

    assert await progress() == "审批中"
    await decided(stage, case)
    assert await progress() == "准予许可，待送达"
    assert case in [result["number"] for result in (await stage.http.get("/public/results")).json()["results"]]
    if token is not None:
        mine = await stage.get("MyCase", token, number=case)
        assert mine["outcome"] == "granted"
        assert len(mine["documents"]) >= 3

    # 6. 违规投诉举报: registered with a number, decided by supervision, told to whoever complained.
    complaint = {"about": "CASE", "subject": case, "text": "窗口要求重复提交材料。"}
    complained = await stage.get("FileComplaint", token, idempotencyKey="complain-1", complaint=complaint)
    number = complained["complaint"]["number"]
    supervisor = (await stage.phone(SUPERVISOR)).token
    await stage.get("DecideComplaint", supervisor, idempotencyKey="decide-01", number=number, revision=1, accept=True)
    told = await stage.get("Complaint", token, number=number, password=complained["queryPassword"])
    assert told["complaint"]["state"] == "ACCEPTED"


async def test_a_filing_from_outside_appears_inside_and_its_result_outside_through_the_doors_alone(
    stage: Stage,
) -> None:
    """网站受理、内部处理、网站反馈: in one zone. Two networks are joined by the ferry, which carries the same acts."""
    filed = await stage.file()
    case = filed["number"]
    (waiting,) = (await stage.get("Todos", (await stage.phone(CLERK)).token))["nodes"]
    assert (waiting["case"]["number"], waiting["case"]["channel"]) == (case, "ONLINE")
    await stage.decide(CLERK, case, "ACCEPT", "材料齐全，予以受理。")
    seen = await stage.get("Progress", number=case, password=filed["queryPassword"])
    assert (seen["status"], seen["step"], seen["dueOn"]) == ("审批中", "承办", "2026-09-22")
    await decided(stage, case)
    seen = await stage.get("Progress", number=case, password=filed["queryPassword"])
    assert (seen["status"], seen["dueOn"]) == ("准予许可，待送达", None)
    assert (await stage.http.get("/public/results")).json()["results"][0]["number"] == case
