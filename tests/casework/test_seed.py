"""The sample county: enough people for every case, and a catalogue that says what the law says."""

import re
from collections import Counter
from datetime import date

import pytest

from casework.catalogue.checks import check
from casework.catalogue.definitions import NONE, Grade, Handling, ItemClass, StageKind
from casework.catalogue.elements import missing_elements
from casework.seed import county, items
from kernel.actor import Role

ITEMS = {item.code: item for item in items()}
STAGES = {stage.code: stage for item in items() for stage in item.stages}
UNITS = {unit.code: unit for unit in county().units}


# ------------------------------------------------------------------------------------------------------- catalogue
@pytest.mark.parametrize("item", items(), ids=lambda item: item.code)
def test_every_seeded_item_may_be_published(item):
    assert check(item) == []
    assert missing_elements(item) == []
    assert not item.secret
    assert UNITS[item.unit].kind == "department"
    assert item.person in {officer.name for officer in county().officers if officer.unit_code == item.unit}
    assert all(UNITS[code].kind in ("hall", "branch", "centre") for code in item.offered_at)
    for stage in item.stages:
        assert stage.limit_basis.startswith("《")
        assert stage.basis.startswith("《")
        others = [branch.unit for branch in stage.branches] + ([stage.report_up.unit] if stage.report_up else [])
        assert set(others) <= UNITS.keys() - {item.unit}


def test_the_catalogue_is_large_enough_to_be_a_county_s():
    assert len(ITEMS) == len(items()) >= 32
    assert len({item.unit for item in items()}) >= 8
    assert {item.item_class for item in items()} == set(ItemClass)
    assert {item.grade for item in items()} == set(Grade)


def test_the_catalogue_holds_every_kind_of_handling():
    assert {stage.handling for stage in STAGES.values()} == set(Handling)
    assert {StageKind.GRANT, StageKind.CHANGE, StageKind.RENEWAL, StageKind.ANNUAL_REVIEW, StageKind.RECORD} == {
        stage.kind for stage in STAGES.values()
    }
    assert [code for code, stage in STAGES.items() if stage.report_up] == ["JY-XK-002-01"]
    assert len([stage for stage in STAGES.values() if stage.form]) >= 3
    assert len([stage for stage in STAGES.values() if stage.fees != NONE]) >= 3
    assert len([item for item in items() if item.results_public]) > len(ITEMS) / 2
    deferred = [(item.grade, item.deferral.planned_on) for item in items() if item.deferral]
    assert deferred == [(Grade.C, date(2027, 6, 30))]


def test_the_parts_of_a_package_are_stages_of_the_catalogue_in_a_possible_order():
    (package,) = [item for item in items() if item.package]
    granted: set[str] = set()
    for part in package.package:
        assert part.stage in {stage.code for stage in ITEMS[part.item].stages}
        assert set(part.after) <= granted
        granted.add(part.stage)


def test_deeds_are_carried_by_more_than_one_item():
    deeds = Counter(deed for item in items() for deed in item.deeds)
    assert deeds == {"012": 4, "036": 2}


def test_a_licence_that_is_asked_for_is_a_licence_that_somebody_grants():
    granted = {item.licence.name for item in items() if item.licence}
    asked = {
        material.licence
        for stage in STAGES.values()
        if stage.materials != NONE
        for material in stage.materials
        if material.licence
    }
    assert asked
    assert asked <= granted


@pytest.mark.parametrize(
    ("stage", "statutory"),
    [
        ("ZJ-XK-001-01", 7),  # 建筑法 art. 8
        ("ZJ-XK-002-01", 15),  # 城镇污水排入排水管网许可管理办法 art. 6
        ("ZJ-XK-003-01", 10),  # 城市商品房预售管理办法 art. 10
        ("ZJ-FW-001-01", 45),  # 行政许可法 art. 42(2)
        ("SJ-XK-001-01", 10),  # 食品经营许可和备案管理办法
        ("SJ-XK-002-01", 10),  # 食品生产许可管理办法 art. 22
        ("SJ-SP-001-01", 3),  # 市场主体登记管理条例 art. 19
        ("WJ-XK-001-01", 20),  # 公共场所卫生管理条例实施细则
        ("WJ-XK-002-01", 45),  # 医疗机构管理条例 art. 19
        ("WJ-XK-004-02", 7),  # 护士条例 art. 9
        ("JT-XK-001-01", 20),  # 道路运输条例 art. 24
        ("JT-XK-003-01", 20),  # 公路安全保护条例 art. 28
        ("CG-XK-001-01", 20),  # 城市建筑垃圾管理规定 art. 7
        ("RS-XK-001-01", 20),  # 劳务派遣行政许可实施办法 art. 12
        ("RS-XK-001-02", 10),  # the same measures, for a change
        ("SL-XK-001-01", 45),  # 取水许可和水资源费征收管理条例 art. 19
        ("FG-XK-001-01", 20),  # 企业投资项目核准和备案管理条例 art. 11
        ("JY-XK-001-01", 30),  # 教师资格条例 art. 16
        ("GA-XK-002-01", 7),  # 大型群众性活动安全管理条例 art. 14
        ("GA-XK-003-01", 5),  # 道路交通安全法 art. 9
        ("MZ-XK-001-01", 60),  # 社会团体登记管理条例 art. 12
        ("ZR-SP-001-01", 30),  # 不动产登记暂行条例 art. 20
        ("NY-XK-002-01", 30),  # 兽药管理条例 art. 22
        ("NY-XK-003-01", 20),  # 农药管理条例 art. 25
        ("WL-XK-002-01", 3),  # 营业性演出管理条例 art. 13
        ("YJ-XK-001-01", 20),  # 烟花爆竹安全管理条例 art. 19
        ("XF-XK-001-01", 10),  # 消防法 art. 15
    ],
)
def test_seeded_limits_are_the_law_s(stage, statutory):
    assert STAGES[stage].statutory_limit_days == statutory


@pytest.mark.parametrize(
    ("item", "months"),
    [("SJ-XK-001", 60), ("WJ-XK-001", 48), ("RS-XK-001", 36), ("WL-XK-001", 24), ("WJ-XK-005", None)],
)
def test_seeded_licences_are_valid_as_long_as_the_law_says(item, months):
    granted = ITEMS[item].licence
    assert granted is not None
    assert granted.valid_months == months


# ---------------------------------------------------------------------------------------------------------- county
def test_the_county_has_everybody_a_case_needs():
    by_unit = {
        code: {role for each in county().officers if each.unit_code == code for role in each.roles} for code in UNITS
    }
    approving = {Role.HANDLER, Role.SECTION_HEAD, Role.DEPUTY_LEADER, Role.UNIT_HEAD}
    for unit in UNITS.values():
        if unit.kind in ("department", "government"):
            assert approving <= by_unit[unit.code]
        if unit.kind in ("hall", "branch", "centre"):
            assert Role.WINDOW_CLERK in by_unit[unit.code]
    assert by_unit["JCZX"] == {Role.SUPERVISOR, Role.SUPERVISION_LEADER}
    assert by_unit["RAZX"] == {Role.RA_OPERATOR}
    assert by_unit["XXZX"] == {Role.INFORMATION_CENTRE}
    everybody = set().union(*by_unit.values())
    assert {Role.REFORM_OFFICE, Role.LEGAL_OFFICE, Role.PRICE_OFFICE, Role.EFFICIENCY_OFFICE} <= everybody


def test_the_county_has_one_hall_three_branches_and_fifteen_centres():
    kinds = Counter(unit.kind for unit in UNITS.values())
    assert (kinds["hall"], kinds["branch"], kinds["centre"]) == (1, 3, 15)
    towns = [unit.short_name for unit in UNITS.values() if unit.kind == "centre"]
    assert len([name for name in towns if "街道" in name]) == 5


def test_the_county_s_numbers_are_unique_and_belong_to_nobody():
    officers = county().officers
    for values in (
        [each.id for each in officers],
        [each.phone for each in officers],
        [each.email for each in officers],
    ):
        assert len(set(values)) == len(values)
    assert len(UNITS) == len(county().units)
    assert all(re.fullmatch(r"OFF-\d{4}", each.id) for each in officers)
    assert all(re.fullmatch(r"139000\d{5}", each.phone) for each in officers)
    assert all(each.email.endswith(".example") for each in officers)
    assert {each.unit_code for each in officers} == UNITS.keys()
