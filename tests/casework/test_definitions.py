"""What an item must say before it may be published, and that the seeded catalogue says it."""

import re

import msgspec
import pytest

from casework.catalogue.definitions import (
    CLASS_NAMES,
    CommittedOverStatutory,
    Fee,
    ItemClass,
    ItemCodeInvalid,
    ItemDefinition,
    ItemIncomplete,
    ItemMalformed,
    Level,
    LevelUnknown,
    LimitInvalid,
    Material,
    MaterialWithoutBasis,
    NobodyResponsible,
    Stage,
    StageCodeInvalid,
    StageUnknown,
    StepLimitsOverTotal,
    check,
    elements_in_order,
    ensure_publishable,
    missing_elements,
    parse,
)
from casework.clock.time_limits import Limits
from casework.seed import county, items
from kernel.actor import Role
from kernel.refusals import Refusal

THE_FOURTEEN = [
    "事项名称",
    "颁发的证件及有效期",
    "审批类型及法律效力",
    "设定依据",
    "审批条件",
    "申请资料",
    "审批受理机构及地点",
    "审批决定机关",
    "审批程序",
    "审批时限",
    "审批收费",
    "审批表格",
    "年审或年检",
    "受理咨询与投诉的机构和电话",
]
PERMIT = items()[0]
SEEDED = {item.code: item for item in items()}


def changed(**changes) -> ItemDefinition:
    return msgspec.structs.replace(PERMIT, **changes)


def staged(**changes) -> ItemDefinition:
    return changed(stages=(msgspec.structs.replace(PERMIT.stages[0], **changes),))


def problems(item: ItemDefinition) -> list[type[Refusal]]:
    return [type(problem) for problem in check(item)]


def test_the_guide_shows_the_fourteen_elements_in_their_order():
    elements = elements_in_order(PERMIT)
    assert [element.name for element in elements] == THE_FOURTEEN
    assert [element.number for element in elements] == list(range(1, 15))
    assert elements[9].lines == (
        "法定时限7个工作日（《中华人民共和国建筑法》第八条第二款：自收到申请之日起七日内）",
        "承诺时限3个工作日",
    )
    assert elements[8].lines == ("接件 → 受理 → 承办人审查 → 科室负责人审核 → 分管领导批准 → 办结 → 送达",)


def test_an_empty_draft_lacks_all_fourteen_elements():
    draft = ItemDefinition(code="ZJ-XK-009", item_class=ItemClass.PERMIT, unit="ZJJ")
    assert missing_elements(draft) == THE_FOURTEEN


@pytest.mark.parametrize(
    ("draft", "missing"),
    [
        (changed(name=" "), "事项名称"),
        (changed(certificate=""), "颁发的证件及有效期"),
        (changed(kind_and_effect=()), "审批类型及法律效力"),
        (changed(basis=("",)), "设定依据"),
        (changed(conditions=()), "审批条件"),
        (staged(materials=()), "申请资料"),
        (changed(accepting_office=""), "审批受理机构及地点"),
        (changed(deciding_authority=""), "审批决定机关"),
        (staged(levels=()), "审批程序"),
        (
            staged(
                statutory_limit_days=0, committed_limit_days=0, yellow_before_days=0, levels=(Level(role=Role.HANDLER),)
            ),
            "审批时限",
        ),
        (staged(fees=()), "审批收费"),
        (changed(forms=""), "审批表格"),
        (changed(inspection=""), "年审或年检"),
        (changed(enquiries_and_complaints=""), "受理咨询与投诉的机构和电话"),
    ],
)
def test_each_missing_element_is_named(draft, missing):
    with pytest.raises(ItemIncomplete, match=missing) as refused:
        ensure_publishable(draft)
    assert refused.value.details["missing"] == [missing]
    assert missing in refused.value.text


def test_an_explicit_none_is_an_answer():
    assert check(staged(materials="无", fees="无")) == []
    assert elements_in_order(staged(materials="无"))[5].lines == ("无",)


def test_one_silent_stage_makes_the_element_missing():
    silent = Stage(code="ZJ-XK-001-02", name="变更", statutory_limit_days=5, committed_limit_days=5)
    assert missing_elements(changed(stages=(*PERMIT.stages, silent))) == ["申请资料", "审批程序", "审批收费"]


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (changed(code="XK1"), ItemCodeInvalid),  # not the pattern (its stage code no longer fits either)
        (staged(code="ZJ-XK-002-01"), StageCodeInvalid),  # the stage of another item
        (changed(stages=PERMIT.stages * 2), StageCodeInvalid),  # twice the same stage
        (changed(section="", phone=" "), NobodyResponsible),
        (staged(committed_limit_days=8), CommittedOverStatutory),  # promises less than the law demands
        (staged(committed_limit_days=2), StepLimitsOverTotal),  # the steps take three days
        (staged(yellow_before_days=4), LimitInvalid),  # yellow before the clock starts
        (staged(levels=(Level(role=Role.HANDLER, limit_days=0),)), LimitInvalid),
        (staged(levels=(Level(role=Role.SUPERVISOR),)), LevelUnknown),  # supervision does not approve
        (staged(materials=(Material(name="无犯罪记录证明"),)), MaterialWithoutBasis),  # no law asks for it
    ],
)
def test_what_cannot_be_published_is_said(item, problem):
    assert problem in problems(item)
    assert problems(PERMIT) == []


def test_a_region_may_set_its_own_code_pattern():
    assert check(PERMIT, code_pattern=r"ZJ-XK-\d{3}") == []
    assert [type(problem) for problem in check(PERMIT, code_pattern=r"\d{6}")] == [ItemCodeInvalid]


def test_a_definition_without_a_class_or_with_a_spelling_mistake_is_not_read():
    written = msgspec.json.encode(PERMIT)
    assert parse(written) == PERMIT
    for broken in (
        written.replace(b'"item_class":"permit",', b""),
        written.replace(b'"permit"', b'"licence"'),
        written.replace(b'"secret"', b'"secrte"'),
        b"{",
    ):
        with pytest.raises(ItemMalformed):
            parse(broken)


def test_there_are_three_classes():
    assert list(CLASS_NAMES) == list(ItemClass)
    assert len(ItemClass) == 3


def test_a_stage_has_its_own_limits_materials_and_fees():
    fees = (Fee(name="工本费", standard="每证10元", basis="价格主管部门核定"),)
    first = msgspec.structs.replace(PERMIT.stages[0], fees=fees)
    second = msgspec.structs.replace(first, code="ZJ-XK-001-02", name="变更", fees="无", committed_limit_days=4)
    item = changed(stages=(first, second))
    assert check(item) == []
    assert item.stage("ZJ-XK-001-02").limits == Limits(statutory=7, committed=4)
    assert elements_in_order(item)[10].lines == ("核发：工本费：每证10元（价格主管部门核定）", "变更：无")
    with pytest.raises(StageUnknown):
        item.stage("ZJ-XK-001-03")


# --------------------------------------------------------------------------------------------------- the seed


@pytest.mark.parametrize("item", items(), ids=lambda item: item.code)
def test_every_seeded_item_may_be_published(item):
    assert check(item) == []
    assert not item.secret
    assert item.unit in {unit.code for unit in county().units if unit.kind == "department"}
    assert item.person in {officer.name for officer in county().officers if officer.unit_code == item.unit}
    assert all(stage.limit_basis.startswith("《") for stage in item.stages)


@pytest.mark.parametrize(
    ("stage", "statutory"),
    [
        ("ZJ-XK-001-01", 7),  # 建筑法 art. 8
        ("ZJ-XK-002-01", 15),  # 城镇污水排入排水管网许可管理办法 art. 6
        ("SJ-XK-001-01", 10),  # 食品经营许可和备案管理办法
        ("WJ-XK-001-01", 20),  # 公共场所卫生管理条例实施细则
        ("JT-XK-001-01", 20),  # 道路运输条例 art. 24
        ("CG-XK-001-01", 20),  # 城市建筑垃圾管理规定 art. 7
        ("RS-XK-001-01", 20),  # 劳务派遣行政许可实施办法 art. 12
        ("RS-XK-001-02", 10),  # the same measures, for a change
        ("SL-XK-001-01", 45),  # 取水许可和水资源费征收管理条例 art. 19
    ],
)
def test_seeded_limits_are_the_law_s(stage, statutory):
    item = SEEDED[stage.rpartition("-")[0]]
    assert item.stage(stage).statutory_limit_days == statutory


def test_the_county_has_everybody_a_case_needs():
    officers = county().officers
    by_unit = {
        unit.code: {role for each in officers if each.unit_code == unit.code for role in each.roles}
        for unit in county().units
    }
    approving = {Role.HANDLER, Role.SECTION_HEAD, Role.DEPUTY_LEADER, Role.UNIT_HEAD}
    for unit in county().units:
        if unit.kind == "department":
            assert by_unit[unit.code] == approving
    assert Role.WINDOW_CLERK in by_unit["ZWZX"]
    assert by_unit["JCZX"] == {Role.SUPERVISOR, Role.SUPERVISION_LEADER}
    assert by_unit["RAZX"] == {Role.RA_OPERATOR}
    assert by_unit["XXZX"] == {Role.INFORMATION_CENTRE}


def test_the_county_s_numbers_are_unique_and_belong_to_nobody():
    officers = county().officers
    for values in ([each.id for each in officers], [each.phone for each in officers]):
        assert len(set(values)) == len(values)
    assert all(re.fullmatch(r"OFF-\d{4}", each.id) for each in officers)
    assert all(re.fullmatch(r"139000\d{5}", each.phone) for each in officers)
    assert all(each.email.endswith(".example") for each in officers)
    assert {each.unit_code for each in officers} == {unit.code for unit in county().units}
