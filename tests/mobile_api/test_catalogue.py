"""The catalogue at the phones' door: what the guide tells, and changes signed with real certificates."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from casework.acts import PublishItem
from casework.catalogue.definitions import Grade, ItemClass, OnlineLevel
from casework.clock.working_days import CHINA
from casework.rules import CaseworkRules
from casework.seed import items
from certs.encodings import b64u
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from tests.contracts.story_catalogue import EFFICIENCY, FEES, LEGAL, PRICE, REFORM
from tests.mobile_api.stage import CHIEF, CLERK, HANDLER, HEAD, ITEM, STAGE, Stage

#: What must be taken from a definition so that an element is not said; an element of a stage by the stage's field.
UNSAID: tuple[tuple[str, Any], ...] = (
    ("事项名称", "name"),
    ("颁发的证件及有效期", "certificate"),
    ("审批类型及法律效力", "kind_and_effect"),
    ("设定依据", "basis"),
    ("审批条件", "conditions"),
    ("申请资料", ("materials", [])),
    ("审批受理机构及地点", "accepting_office"),
    ("审批决定机关", "deciding_authority"),
    ("审批程序", ("levels", [])),
    ("审批时限", ("statutory_limit_days", 0)),
    ("审批收费", ("fees", [])),
    ("审批表格", "forms"),
    ("年审或年检", "inspection"),
    ("受理咨询与投诉的机构和电话", "enquiries_and_complaints"),
)
FORM = {"type": "object", "properties": {"area": {"type": "integer", "title": "建筑面积"}}, "required": ["area"]}


def sample(code: str = ITEM) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(msgspec.json.encode(next(item for item in items() if item.code == code)))
    return definition


def sent(definition: dict[str, Any]) -> str:
    return b64u(json.dumps(definition, ensure_ascii=False).encode())


async def published(stage: Stage, definition: dict[str, Any]) -> Any:
    """What the operator gets to hear at the desk."""
    octets = json.dumps(definition, ensure_ascii=False).encode()
    return await stage.office.perform(PublishItem(definition=octets), THE_OPERATOR, key=None)


async def saved(stage: Stage, *definitions: dict[str, Any], who: str = HANDLER, **more: Any) -> Any:
    change = {
        "kind": "ADJUST",
        "item": ITEM,
        "reason": "依据调整。",
        "definitions": list(map(sent, definitions)),
        **more,
    }
    token = (await stage.phone(who)).token
    return await stage.get("SaveChange", token, idempotencyKey=stage.secrets.token(), change=change)


async def decided(stage: Stage, who: str, number: str, revision: int, step: str, decision: str = "AGREE") -> Any:
    """Prepares, signs and submits; the refusal of either."""
    phone = await stage.phone(who)
    chosen = {"change": number, "revision": revision, "step": step, "decision": decision, "opinion": "同意。"}
    request = await stage.get("PrepareChangeDecision", phone.token, decision=chosen)
    if request["__typename"] != "SigningPayload":
        return request
    key = stage.secrets.token()
    return await stage.get(
        "DecideChange", phone.token, idempotencyKey=key, decision=chosen, signed=phone.signed(request)
    )


async def in_force(stage: Stage, *definitions: dict[str, Any], **more: Any) -> str:
    """The number of a change that went the whole way; the clock then stands after its notice."""
    number = str((await saved(stage, *definitions, **more))["change"]["number"])
    await decided(stage, CHIEF, number, 1, "SUBMIT")
    stage.clock.set(datetime(2026, 9, 28, 9, tzinfo=CHINA))
    await decided(stage, REFORM, number, 2, "REFORM")
    outcome = await decided(stage, LEGAL, number, 3, "LEGAL")
    assert outcome["change"]["state"] == "EFFECTIVE", outcome
    return number


async def verdict(stage: Stage, number: str) -> Any:
    return await stage.get("CheckChange", (await stage.phone(EFFICIENCY)).token, number=number)


# -------------------------------------------------------------------------------------------------- what is said


@pytest.mark.feature("CAT-01")
async def test_items_have_one_of_three_classes_under_the_names_of_the_region(stage: Stage) -> None:
    assert [each.value for each in ItemClass] == ["permit", "approval", "service"]
    definition = sample()
    del definition["item_class"]
    assert (await published(stage, definition)).code == "ITEM_MALFORMED"
    assert (await saved(stage, definition))["code"] == "ITEM_MALFORMED"
    guide = await stage.get("Guide", code=ITEM)
    assert (guide["itemClass"], guide["className"]) == ("PERMIT", "行政许可")
    names = {ItemClass.PERMIT: "许可类", ItemClass.APPROVAL: "审批类", ItemClass.SERVICE: "服务类"}
    stage.services = replace(stage.services, rules=CaseworkRules(class_names=names))
    stage.open_door()
    guide = await stage.get("Guide", code=ITEM)
    assert (guide["itemClass"], guide["className"]) == ("PERMIT", "许可类")


@pytest.mark.feature("CAT-02")
@pytest.mark.parametrize(("element", "field"), UNSAID, ids=[name for name, _ in UNSAID])
async def test_an_item_that_lacks_an_element_is_not_submitted_and_the_element_named(stage, element, field) -> None:
    definition = sample()
    if isinstance(field, str):
        definition[field] = " "
    else:
        definition["stages"][0][field[0]] = field[1]
    number = (await saved(stage, definition))["change"]["number"]
    refused = await decided(stage, CHIEF, number, 1, "SUBMIT")
    details = {detail["name"]: detail["value"] for detail in refused["details"]}
    assert (refused["code"], details["missing"]) == ("ITEM_INCOMPLETE", element)
    draft = await stage.get("ItemChange", (await stage.phone(HANDLER)).token, number=number)
    assert "ITEM_INCOMPLETE" in [problem["code"] for problem in draft["problems"]]


@pytest.mark.feature("CAT-07")
async def test_an_item_that_is_only_shown_online_says_so_and_is_not_filed_online(stage: Stage) -> None:
    rising = list(OnlineLevel)
    assert [one.reaches(other) for one in rising for other in rising] == [
        one >= other for one in range(3) for other in range(3)
    ]
    await in_force(stage, sample() | {"online_level": "display", "mode": "window"})
    guide = await stage.get("Guide", code=ITEM)
    assert (guide["onlineLevel"], guide["onlineLevelName"]) == ("DISPLAY", "在线公示和表格下载")
    application = {
        "item": ITEM,
        "stage": STAGE,
        "applicantName": "甲",
        "applicantIdNumber": "1",
        "applicantPhone": "13800000001",
        "materials": [],
    }
    refused = await stage.get("FileApplication", idempotencyKey="file-online", application=application)
    assert refused["code"] == "NOT_ONLINE"
    assert "请到窗口办理" in refused["message"]


async def test_a_grade_is_asked_for_and_means_what_the_region_says(stage: Stage) -> None:
    definition = sample()
    del definition["grade"]
    assert (await published(stage, definition)).code == "ITEM_UNGRADED"
    await published(stage, sample() | {"grade": "B"})
    guide = await stage.get("Guide", code=ITEM)
    assert (guide["grade"], guide["gradeName"]) == ("B", "网上受理预审，窗口核对")
    names = {grade: f"{grade}档" for grade in Grade}
    stage.services = replace(stage.services, rules=CaseworkRules(grade_names=names))
    stage.open_door()
    assert (await stage.get("Guide", code=ITEM))["gradeName"] == "B档"


@pytest.mark.feature("CAT-13")
async def test_a_material_without_a_legal_basis_cannot_be_published(stage: Stage) -> None:
    definition = sample()
    definition["stages"][0]["materials"].append({"name": "无犯罪记录证明"})
    refused = await published(stage, definition)
    assert refused.details["materials"] == ["无犯罪记录证明"]
    number = (await saved(stage, definition))["change"]["number"]
    assert (await decided(stage, CHIEF, number, 1, "SUBMIT"))["code"] == "MATERIAL_WITHOUT_BASIS"


@pytest.mark.feature("CAT-16")
@pytest.mark.parametrize("field", ["section", "person", "duties", "phone", "enquiries_and_complaints"])
async def test_the_guide_names_who_answers_for_an_item_and_nothing_is_published_without(stage: Stage, field) -> None:
    unsaid = sample() | {field: "咨询：0700-8801001" if field == "enquiries_and_complaints" else ""}
    assert (await published(stage, unsaid)).code == "NOBODY_RESPONSIBLE"
    said = sample()
    guide = await stage.get("Guide", code=ITEM)
    for name in ("section", "person", "duties", "phone"):
        assert guide[name] == said[name] != ""
    assert guide["complaintChannel"] == [line for line in said["enquiries_and_complaints"] if "投诉" in line] != []


async def test_the_guide_tells_forms_fees_licences_and_windows(stage: Stage) -> None:
    definition = sample() | {"licence": {"name": "施工许可证", "valid_months": 36}, "offered_at": ["ZWZX"]}
    definition["stages"][0] |= {"fees": FEES, "form": FORM}
    assert not isinstance(await published(stage, definition), Refusal)
    guide = await stage.get("Guide", code=ITEM)
    assert json.loads(guide["stages"][0]["form"]) == FORM
    assert [(fee["name"], fee["amountCents"]) for fee in guide["stages"][0]["fees"]] == [("工本费", 1000)]
    assert (guide["licence"]["name"], guide["licence"]["validMonths"]) == ("施工许可证", 36)
    assert [(window["code"], window["name"]) for window in guide["offeredAt"]] == [("ZWZX", "衡江县政务服务中心")]
    assert (guide["mode"], guide["stages"][0]["kind"]) == ("PRE_REVIEW", "GRANT")


# ------------------------------------------------------------------------------------------------ signed and sealed


@pytest.mark.feature("CAT-12")
async def test_a_head_signs_a_unit_seals_and_one_altered_element_shows(stage: Stage) -> None:
    number = str((await saved(stage, sample() | {"inspection": "每年一次"}))["change"]["number"])
    for who in (HEAD, CLERK):  # neither a deputy nor anybody else submits
        assert (await decided(stage, who, number, 1, "SUBMIT"))["code"] == "NOT_PERMITTED"
    await decided(stage, CHIEF, number, 1, "SUBMIT")
    intact = await verdict(stage, number)
    assert (intact["intact"], intact["faults"]) == (True, [])
    assert [(seen["step"], seen["officer"]) for seen in intact["signatures"]] == [("SUBMIT", CHIEF)]
    (seal,) = await stage.database.rows(
        "SELECT holder, profile FROM certificate WHERE serial = $1", intact["sealSerial"]
    )
    assert (seal["holder"], seal["profile"]) == ("ZJJ", "unit_seal")
    await stage.database.execute("UPDATE item_change SET document = REPLACE(document, '每年一次', '每年两次')")
    altered = await verdict(stage, number)
    assert altered["intact"] is False
    assert "签字盖章报审（何建国）所签内容与现存内容不一致" in altered["faults"]
    assert any(fault.startswith("单位印章与现存内容不一致") for fault in altered["faults"])


@pytest.mark.feature("CAT-12")
async def test_an_altered_signature_and_an_altered_version_in_force_show(stage: Stage) -> None:
    number = await in_force(stage, sample() | {"inspection": "每年一次"})
    assert (await verdict(stage, number))["intact"] is True
    await stage.database.execute("UPDATE item_version SET definition = REPLACE(definition, '每年一次', '每年两次')")
    assert (await verdict(stage, number))["faults"] == ["生效的事项定义与签字盖章的定义不一致"]
    await stage.database.execute("UPDATE item_change_signature SET opinion = '保留意见。' WHERE step = 'legal'")
    assert "法制确认（尚可依）签名与登记的环节不一致" in (await verdict(stage, number))["faults"]
    await stage.database.execute("UPDATE signature SET signature = $1", b"0")
    faults = (await verdict(stage, number))["faults"]
    assert sum("签名无效" in fault for fault in faults) == 3


async def test_fees_need_the_price_office(stage: Stage) -> None:
    definition = sample()
    definition["stages"][0]["fees"] = FEES
    number = (await saved(stage, definition))["change"]["number"]
    await decided(stage, CHIEF, number, 1, "SUBMIT")
    stage.clock.set(datetime(2026, 9, 28, 9, tzinfo=CHINA))
    assert (await decided(stage, REFORM, number, 2, "REFORM"))["code"] == "CHANGE_STEP_CLOSED"
    confirmed = await decided(stage, PRICE, number, 2, "PRICE")
    assert (confirmed["change"]["state"], confirmed["change"]["nextStep"]) == ("PRICE_CONFIRMED", "REFORM")


@pytest.mark.feature("CAT-03")
async def test_a_removed_item_leaves_the_guide_and_its_code_is_never_used_again(stage: Stage) -> None:
    case = await stage.accepted()
    await in_force(stage, kind="REMOVE")
    assert await stage.get("Guide", code=ITEM) is None
    assert (await saved(stage, kind="REMOVE"))["code"] == "UNKNOWN_ITEM"
    assert (await saved(stage, sample(), kind="ADD"))["code"] == "ITEM_RETIRED"
    assert (await published(stage, sample())).code == "ITEM_RETIRED"
    moved = await stage.decide(HANDLER, case, "AGREE", "初审同意。")  # what was accepted goes on
    assert moved["case"]["step"] == "level:2"
