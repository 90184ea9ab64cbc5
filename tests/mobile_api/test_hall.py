"""The public hall at the door: what is public over plain HTTP, questions, announcements, complaints."""

import json

import msgspec
import pytest

from casework.acts import PublishItem
from casework.seed import items
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from tests.mobile_api.stage import CHIEF, CLERK, HANDLER, HEAD, ITEM, LEADER, STAGE, SUPERVISOR, Stage
from tests.mobile_api.visitors import take_step

PUBLISHER = "OFF-0035"
FORM = {
    "type": "object",
    "required": ["工程名称"],
    "properties": {
        "工程名称": {"type": "string", "examples": ["衡江大道一期"]},
        "结构": {"type": "string", "enum": ["框架", "砖混"], "description": "以施工图为准"},
        "建设地点": {"type": "object", "properties": {"街道": {"type": "string"}, "面积": {"type": "number"}}},
    },
}


async def republish(stage: Stage, **changes) -> None:
    """The item's next version; `form` goes to its first stage."""
    definition = msgspec.to_builtins(next(item for item in items() if item.code == ITEM))
    if "form" in changes:
        definition["stages"][0]["form"] = changes.pop("form")
    act = PublishItem(definition=msgspec.json.encode({**definition, **changes}))
    outcome = await stage.office.perform(act, THE_OPERATOR, key=None)
    assert not isinstance(outcome, Refusal), outcome


async def granted(stage: Stage, **changes) -> str:
    number = await stage.accepted(**changes)
    for officer, decision in ((HANDLER, "AGREE"), (HEAD, "AGREE"), (LEADER, "GRANT")):
        decided = await stage.decide(officer, number, decision)
        assert decided["__typename"] == "CasePayload", decided
    return number


# -------------------------------------------------------------------------------------------- public without a login
@pytest.mark.feature("HALL-07")
async def test_every_published_item_is_public_with_what_the_law_wants_known(stage: Stage) -> None:
    page = (await stage.http.get("/public/guides")).json()
    assert [item["code"] for item in page["items"]] == ["SJ-XK-001", ITEM]
    guide = (await stage.http.get(f"/public/guides/{ITEM}")).json()
    assert len(guide["elements"]) == 14
    assert guide["served"] == ["公民、法人和其他组织"]
    assert guide["limits"] == [{"stage": STAGE, "statutory_days": 7, "committed_days": 3}]
    procedure = next(element for element in guide["elements"] if element["name"] == "审批程序")
    assert "受理" in procedure["lines"][0]
    assert guide["forms"][0]["url"] == f"/public/forms/{ITEM}/{STAGE}.html"
    await republish(stage, served=["建设单位"], results_public=True)
    guide = (await stage.http.get(f"/public/guides/{ITEM}")).json()
    assert (guide["served"], guide["results"]) == (["建设单位"], f"/public/results?item={ITEM}")


@pytest.mark.feature("HALL-07")
@pytest.mark.parametrize("change", ["UPDATE item_version SET secret = TRUE", "UPDATE item SET state = 'draft'"])
async def test_what_is_secret_or_unpublished_is_not_there_by_any_address(stage: Stage, change: str) -> None:
    await stage.database.execute(change)
    assert (await stage.http.get("/public/guides")).json()["items"] == []
    assert (await stage.http.get("/public/results")).json()["results"] == []
    for address in (f"/public/guides/{ITEM}", f"/public/forms/{ITEM}", f"/public/forms/{ITEM}/{STAGE}.html"):
        answer = await stage.http.get(address)
        assert answer.status_code == 404
        assert "施工" not in answer.text


@pytest.mark.feature("HALL-07")
async def test_results_are_public_as_each_item_says_and_name_no_person_in_full(stage: Stage) -> None:
    """With guide, items, for whom, procedure and limits above: the sixth thing that must be public."""
    await republish(stage, results_public=False)
    unpublished = await granted(stage)
    assert (await stage.http.get("/public/results")).json()["results"] == []
    await republish(stage, results_public=True)
    number = await granted(stage, applicantName="欧阳振华", applicantIdNumber="430400199001010018")
    (result,) = (await stage.http.get("/public/results", params={"item": ITEM})).json()["results"]
    assert (result["number"], result["holder"]) == (number, "欧***")
    assert unpublished != number
    assert "199001" not in str(result)
    assert (await stage.http.get("/public/results", params={"unit": "SJJ"})).json()["results"] == []
    await stage.database.execute("UPDATE item_version SET secret = TRUE")
    assert (await stage.http.get("/public/results")).json()["results"] == []


async def test_an_answer_has_a_tag_and_who_has_it_is_sent_nothing(stage: Stage) -> None:
    first = await stage.http.get(f"/public/guides/{ITEM}")
    assert "max-age" in first.headers["cache-control"]
    tag = first.headers["etag"]
    again = await stage.http.get(f"/public/guides/{ITEM}", headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    await republish(stage, served="建设单位")
    changed = await stage.http.get(f"/public/guides/{ITEM}", headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


@pytest.mark.feature("HALL-07")
async def test_forms_and_samples_can_be_downloaded(stage: Stage) -> None:
    await republish(stage, form=FORM)
    listed = (await stage.http.get(f"/public/forms/{ITEM}")).json()["forms"]
    assert [form["url"].partition(STAGE)[2] for form in listed] == [".html", ".sample.html", ".schema.json"]
    blank, sample, schema = [await stage.http.get(form["url"]) for form in listed]
    assert blank.headers["content-disposition"].startswith("attachment")
    for words in (
        "申请人姓名或名称",
        "工程名称＊",
        "□ 框架",
        "以施工图为准",
        "建设地点·街道",
        "建筑工程施工许可证申请表",
    ):
        assert words in blank.text
    assert "衡江大道一期" not in blank.text
    assert "衡江大道一期" in sample.text
    assert "张三" in sample.text
    assert schema.json() == FORM
    for name in (f"{STAGE}.exe", f"{STAGE}.html.html", "SJ-XK-001-01.html", ".html", "..%2f..%2fetc"):
        assert (await stage.http.get(f"/public/forms/{ITEM}/{name}")).status_code == 404


async def test_what_a_department_wrote_into_a_form_cannot_run_in_a_browser(stage: Stage) -> None:
    await republish(stage, form={"type": "object", "properties": {"<script>alert(1)</script>": {"type": "string"}}})
    page = await stage.http.get(f"/public/forms/{ITEM}/{STAGE}.html")
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_pages_of_the_public_lists_are_asked_for_within_limits(stage: Stage) -> None:
    first = (await stage.http.get("/public/guides", params={"first": 1})).json()
    second = (await stage.http.get("/public/guides", params={"first": 1, "after": first["next"]})).json()
    assert [page["items"][0]["code"] for page in (first, second)] == ["SJ-XK-001", ITEM]
    assert second["next"] is None
    for wrong in ("0", "51", "-1", "a", "9" * 30, "0000019999", "000001" + "9" * 5000):
        assert (await stage.http.get("/public/guides", params={"first": wrong})).status_code == 400
    assert (await stage.http.get("/public/announcements", params={"kind": "secret"})).status_code == 400
    assert (await stage.http.get("/public/results", params={"after": "nonsense"})).status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        *("/public/guides/%00", "/public/guides?after=%00", "/public/forms/%00/x.html", "/public/results?item=%00"),
        *("/verify/%00", "/verify?number=%00&c=1"),
    ],
)
async def test_what_no_database_can_keep_is_no_address(stage: Stage, address: str) -> None:
    """PostgreSQL has no U+0000 in its texts."""
    refused = await stage.http.get(address)
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")


async def test_who_asks_too_often_waits(stage: Stage) -> None:
    stage.open_door(per_address="3/minute")
    answers = [(await stage.http.get("/public/guides")).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]


# -------------------------------------------------------------------------------------------------------- questions
async def test_a_question_goes_to_the_items_unit_and_its_answer_to_whoever_asked(stage: Stage) -> None:
    asked = await stage.get(
        "AskQuestion", idempotencyKey="ask-1234", title="施工许可", question="临时工棚要办吗？", item=ITEM
    )
    number, password = asked["consultation"]["number"], asked["queryPassword"]
    handler = await stage.phone(HANDLER)
    (waiting,) = (await stage.get("Questions", handler.token))["nodes"]
    assert (waiting["number"], waiting["unitCode"], waiting["isLate"]) == (number, "ZJJ", False)
    assert (await stage.get("Questions", (await stage.phone(CLERK)).token))["nodes"] == []
    await stage.get(
        "AnswerQuestion", handler.token, idempotencyKey="answer-1", number=number, revision=1, answer="不需要。"
    )
    read = await stage.get("Consultation", number=number, password=password)
    assert read["consultation"]["answer"] == "不需要。"
    again = await stage.get(
        "AskQuestion", idempotencyKey="ask-1234", title="施工许可", question="临时工棚要办吗？", item=ITEM
    )
    assert again["queryPassword"] == password
    assert password not in str(await stage.database.rows("SELECT outcome FROM performed_act"))


async def test_supervisors_see_the_late_questions_of_every_unit(stage: Stage) -> None:
    await stage.get("AskQuestion", idempotencyKey="ask-1234", title="一", question="二", item=ITEM)
    stage.clock.set(stage.clock.now().replace(day=30))
    token = (await stage.phone(SUPERVISOR)).token
    (late,) = (await stage.get("Questions", token, supervised=True, lateOnly=True))["nodes"]
    assert late["isLate"]
    answer = await stage.ask("Questions", (await stage.phone(HANDLER)).token, supervised=True)
    assert answer["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"


# ---------------------------------------------------------------------------------------------------- announcements
async def test_an_announcement_is_public_after_four_signatures(stage: Stage) -> None:
    handler = await stage.phone(HANDLER)
    drafted = await stage.get(
        "DraftAnnouncement",
        handler.token,
        idempotencyKey="draft-01",
        kind="NOTICE",
        title="停水通知",
        body="九月三十日。",
    )
    number = drafted["number"]
    for officer, step in ((HANDLER, "SUBMIT"), (HEAD, "REVIEW"), (LEADER, "APPROVE")):
        assert (await take_step(stage, officer, number, step))["__typename"] == "AnnouncementPayload"
        assert (await stage.get("Announcements"))["nodes"] == []
    assert (await take_step(stage, PUBLISHER, number, "PUBLISH"))["state"] == "PUBLISHED"
    (public,) = (await stage.get("Announcements"))["nodes"]
    assert (public["number"], public["title"]) == (number, "停水通知")
    (listed,) = (await stage.http.get("/public/announcements")).json()["announcements"]
    assert listed["number"] == number
    assert "id" not in listed
    desk = await stage.get("AnnouncementDesk", handler.token)
    assert [step["stepName"] for step in desk["nodes"][0]["steps"]] == ["送审", "审核", "批准", "发布"]


# ------------------------------------------------------------------------------------------------------- complaints
async def test_a_complaint_is_registered_and_decided_by_supervision(stage: Stage) -> None:
    complaint = {
        "about": "UNIT",
        "subject": "住建局",
        "text": "要求重复提交材料。",
        "name": "李四",
        "phone": "13800000007",
    }
    filed = await stage.get("FileComplaint", idempotencyKey="complain-1", complaint=complaint)
    number = filed["complaint"]["number"]
    supervisor = (await stage.phone(SUPERVISOR)).token
    (listed,) = (await stage.get("Complaints", supervisor, state="REGISTERED"))["nodes"]
    assert (listed["number"], listed["name"]) == (number, "李四")
    for officer in (HANDLER, CHIEF):
        answer = await stage.ask("Complaints", (await stage.phone(officer)).token)
        assert answer["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"
        assert "李四" not in json.dumps(answer, ensure_ascii=False)
    decided = await stage.get(
        "DecideComplaint", supervisor, idempotencyKey="decide-1", number=number, revision=1, accept=True
    )
    assert decided["complaint"]["state"] == "ACCEPTED"
    read = await stage.get("Complaint", number=number, password=filed["queryPassword"])
    assert read["complaint"]["state"] == "ACCEPTED"
