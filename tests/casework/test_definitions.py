"""What an item must say before it may be published."""

from datetime import date

import msgspec
import pytest

from casework.catalogue.checks import (
    CommittedOverStatutory,
    DeedInvalid,
    DeferralUnexplained,
    FeeWithoutBasis,
    FormSchemaInvalid,
    HandlingInvalid,
    ItemCodeInvalid,
    ItemIncomplete,
    ItemNameInvalid,
    ItemSecret,
    ItemUngraded,
    LevelsMissing,
    LevelUnknown,
    LicenceInvalid,
    LimitInvalid,
    MaterialWithoutBasis,
    ModeContradictsLevel,
    NobodyResponsible,
    NotOnline,
    PackageInvalid,
    PaperInOnlineMode,
    ReviewTooLong,
    StageCodeInvalid,
    StageWithoutBasis,
    StepLimitsOverTotal,
    TextTooLong,
    check,
    ensure_files_online,
    ensure_publishable,
)
from casework.catalogue.definitions import (
    CLASS_NAMES,
    Branch,
    Deferral,
    Fee,
    Grade,
    Handling,
    ItemClass,
    ItemDefinition,
    ItemMalformed,
    Level,
    Licence,
    Material,
    MaterialForm,
    OnlineLevel,
    PackagePart,
    ReportUp,
    ServiceMode,
    Stage,
    StageUnknown,
    parse,
)
from casework.catalogue.elements import complaint_channel, elements_in_order, missing_elements
from casework.clock.time_limits import Limits
from casework.rules import CaseworkRules
from kernel.actor import Role
from kernel.refusals import Refusal
from tests.casework.town import item as written_item

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
HANDLER = (Level(role=Role.HANDLER),)
_WRITTEN = parse(written_item(statutory=7, committed=3))
#: Seven days by law, three promised, one for each of its three levels.
PERMIT = msgspec.structs.replace(
    _WRITTEN,
    stages=(
        msgspec.structs.replace(
            _WRITTEN.stages[0],
            levels=tuple(Level(role=level.role, limit_days=1) for level in _WRITTEN.stages[0].levels),
        ),
    ),
)


def changed(**changes) -> ItemDefinition:
    return msgspec.structs.replace(PERMIT, **changes)


def staged(**changes) -> ItemDefinition:
    return changed(stages=(msgspec.structs.replace(PERMIT.stages[0], **changes),))


def problems(item: ItemDefinition, rules: CaseworkRules | None = None) -> list[type[Refusal]]:
    return [type(problem) for problem in check(item, rules)]


def test_the_guide_shows_the_fourteen_elements_in_their_order():
    elements = elements_in_order(PERMIT)
    assert [element.name for element in elements] == THE_FOURTEEN
    assert [element.number for element in elements] == list(range(1, 15))
    assert elements[9].lines == (
        "法定时限7个工作日（《建筑法》第八条）",
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
        (changed(secret=True), ItemSecret),
        (changed(grade=None), ItemUngraded),
        (changed(deeds=("17", "17")), DeedInvalid),  # twice the same deed
        (changed(deeds=(" ",)), DeedInvalid),
        (staged(basis=" "), StageWithoutBasis),
        (staged(fees=(Fee(name="工本费", standard="每证10元", basis=""),)), FeeWithoutBasis),
        (
            staged(fees=(Fee(name="工本费", standard="每证10元", basis="价费〔2020〕1号", amount_cents=-1),)),
            FeeWithoutBasis,
        ),
        (staged(handling=Handling.PARALLEL), HandlingInvalid),  # parallel to whom?
        (staged(branches=(Branch(unit="SJJ", name="消防", limit_days=1),)), HandlingInvalid),  # single, with co-units
        (staged(form={"type": "string"}), FormSchemaInvalid),
    ],
)
def test_what_cannot_be_published_is_said(item, problem):
    assert problem in problems(item)
    assert problems(PERMIT) == []


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("section", "责任科室"),
        ("person", "责任人"),
        ("duties", "岗位职责"),
        ("phone", "公开电话"),
        ("enquiries_and_complaints", "投诉渠道"),
    ],
)
def test_an_item_for_which_nobody_answers_is_refused_and_what_is_missing_named(field, named):
    (refused,) = check(changed(**{field: "咨询：0700-8801001" if named == "投诉渠道" else " "}))
    assert (refused.code, refused.details["missing"]) == ("NOBODY_RESPONSIBLE", [named])


def test_where_to_complain_is_taken_from_the_fourteenth_element():
    assert complaint_channel(PERMIT) == ("投诉：监察中心 0734-7654321",)


# ----------------------------------------------------------------------------------- grades, deferrals, online levels


@pytest.mark.parametrize(
    ("deferral", "missing"),
    [
        (None, ["延期理由", "计划上网日期"]),
        (Deferral(reason=" ", planned_on=date(2026, 12, 31)), ["延期理由"]),
        (Deferral(reason="系统对接中"), ["计划上网日期"]),
    ],
)
def test_an_item_of_a_deferred_grade_says_why_and_when(deferral, missing):
    (refused,) = check(changed(grade=Grade.C, deferral=deferral))
    assert refused == DeferralUnexplained(item=PERMIT.code, missing=missing)


def test_a_region_says_which_grades_are_deferred():
    rules = CaseworkRules(deferred_grades=(Grade.D,))
    assert check(changed(grade=Grade.C), rules) == []
    assert problems(changed(grade=Grade.D), rules) == [DeferralUnexplained]
    # A deferral that is written must be whole, whatever the grade.
    assert problems(changed(grade=Grade.A, deferral=Deferral(reason="待对接")), rules) == [DeferralUnexplained]


def test_online_levels_are_in_rising_order():
    display, acceptance, handling = OnlineLevel
    assert [level.reaches(acceptance) for level in OnlineLevel] == [False, True, True]
    assert handling.reaches(display)
    assert not display.reaches(handling)


def test_what_is_only_shown_online_is_not_filed_online():
    with pytest.raises(NotOnline):
        ensure_files_online(changed(online_level=OnlineLevel.DISPLAY))
    ensure_files_online(changed(online_level=OnlineLevel.ACCEPTANCE))


@pytest.mark.parametrize(
    ("mode", "level", "is_possible"),
    [
        (ServiceMode.WINDOW, OnlineLevel.DISPLAY, True),
        (ServiceMode.PRE_REVIEW, OnlineLevel.DISPLAY, False),  # reviewed online before it is accepted online
        (ServiceMode.PRE_REVIEW, OnlineLevel.ACCEPTANCE, True),
        (ServiceMode.ONLINE, OnlineLevel.ACCEPTANCE, False),  # online throughout needs an answer online
        (ServiceMode.ONLINE, OnlineLevel.HANDLING, True),
    ],
)
def test_a_mode_needs_its_online_level(mode, level, is_possible):
    found = problems(changed(mode=mode, online_level=level))
    assert (ModeContradictsLevel not in found) == is_possible


def test_an_item_that_is_online_throughout_asks_for_no_paper():
    paper = Material(name="身份证原件", form=MaterialForm.PAPER, basis="《居民身份证法》第十三条")
    assert problems(staged(materials=(paper,))) == []
    online = msgspec.structs.replace(staged(materials=(paper,)), mode=ServiceMode.ONLINE)
    assert problems(online) == [PaperInOnlineMode]


# ------------------------------------------------------------------------------------------------------ joint levels


def reported(review: int, *, above: int = 5, own: int = 0, basis: str = "") -> ItemDefinition:
    """Forty days promised: the unit reviews in `review`, its own level takes `own` of them; the city takes `above`."""
    return staged(
        statutory_limit_days=45,
        committed_limit_days=40,
        levels=(Level(role=Role.HANDLER, limit_days=own or None),),
        report_up=ReportUp(
            unit="CITY",
            review_limit_days=review,
            levels=(Level(role=Role.DEPUTY_LEADER, limit_days=above),),
            basis=basis,
        ),
    )


@pytest.mark.feature("CAT-20")
@pytest.mark.parametrize(
    ("item", "found"),
    [
        (reported(20, above=20), []),
        (reported(20, above=21), [StepLimitsOverTotal]),  # 41 days of 40
        (reported(21), [ReviewTooLong]),  # art. 43: twenty working days
        (reported(21, basis="《某某条例》第十条"), []),  # unless the law says otherwise
        (reported(10, own=11), [StepLimitsOverTotal]),  # the review's own levels take longer than the review
        (reported(0), [LimitInvalid]),
    ],
)
def test_the_levels_of_two_authorities_fit_their_limits(item, found):
    assert problems(item) == found


@pytest.mark.parametrize(
    ("branch", "found"),
    [
        (Branch(unit="SJJ", name="消防意见", limit_days=3, levels=HANDLER), []),
        (Branch(unit="SJJ", name="消防意见", limit_days=4, levels=HANDLER), [StepLimitsOverTotal]),  # of 3
        (
            Branch(unit="SJJ", name="消防意见", limit_days=1, levels=(Level(role=Role.HANDLER, limit_days=2),)),
            [StepLimitsOverTotal],
        ),
        (Branch(unit="SJJ", name="消防意见", limit_days=0, levels=HANDLER), [LimitInvalid]),
    ],
)
def test_co_units_fit_the_promise(branch, found):
    assert problems(staged(handling=Handling.PARALLEL, branches=(branch,))) == found


# ------------------------------------------------------------------------------------------------------------- forms

FORM = {
    "type": "object",
    "required": ["area"],
    "properties": {"area": {"$ref": "#/$defs/area"}},
    "additionalProperties": False,
    "$defs": {"area": {"type": "integer", "minimum": 1}},
}


def deep(levels: int) -> dict[str, object]:
    form: dict[str, object] = {"type": "string"}
    for _ in range(levels):
        form = {"type": "object", "properties": {"a": form}}
    return form


def doubled(times: int) -> dict[str, object]:
    definitions: dict[str, object] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} if n < times else {} for n in range(times + 1)
    }
    return {"type": "object", "$defs": definitions, "allOf": [{"$ref": "#/$defs/d0"}]}


def test_a_form_is_a_closed_schema_of_its_own():
    assert problems(staged(form=FORM)) == []


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({**FORM, "properties": {"area": {"type": "square"}}}, "square"),  # no schema at all
        ({**FORM, "$schema": "http://json-schema.org/draft-04/schema#"}, "2020-12"),
        ({"properties": {}}, "object"),  # says not what it describes
        ({**FORM, "properties": {"area": {"$ref": "https://example.org/area.json"}}}, "引用"),  # never fetched
        ({**FORM, "properties": {"area": {"$ref": "#"}}}, "引用"),
        ({**FORM, "$defs": {}}, "area"),  # leads nowhere
        ({**FORM, "$defs": {"area": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/area"}}}, "循环"),
        ({**FORM, "properties": {"a": {"type": "string", "pattern": f"^{'[0-9]' * 50}$"}}}, "正则"),
        ({**FORM, "properties": {"a": {"type": "string", "pattern": "^([a-z]$"}}}, "pattern"),
        ({**FORM, "properties": {"a": {"type": "string", "format": "email"}}}, "format"),  # read differently
        ({**FORM, "description": "长" * 30_000}, "KB"),
        (doubled(30), "展开"),  # small, and a thousand million schemas
        (deep(20), "嵌套"),
        (deep(400), "嵌套"),
    ],
)
def test_a_form_that_reaches_out_or_never_ends_is_refused(form, why):
    (refused,) = check(staged(form=form))
    assert isinstance(refused, FormSchemaInvalid)
    assert why in str(refused.details["why"])


def test_a_region_may_set_its_own_code_pattern():
    assert check(PERMIT, CaseworkRules(item_code_pattern=r"ZJ-XK-\d{3}")) == []
    assert problems(PERMIT, CaseworkRules(item_code_pattern=r"\d{6}")) == [ItemCodeInvalid]


def test_a_definition_without_a_class_or_with_a_spelling_mistake_is_not_read():
    written = msgspec.json.encode(PERMIT)
    assert parse(written) == PERMIT
    for broken in (
        written.replace(b'"item_class":"permit",', b""),
        written.replace(b'"permit"', b'"licence"'),
        written.replace(b'"secret"', b'"secrte"'),
        written.replace(b'"form":null', b'"form":' + b'{"a":' * 5000 + b"1" + b"}" * 5000),  # deeper than a stack
        b"{",
    ):
        with pytest.raises(ItemMalformed):
            parse(broken)


@pytest.mark.parametrize("name", ["许可\u202e证", "许可\0证", "许可\n证"])
def test_a_name_that_nobody_could_be_shown_for_signing_is_not_published(name):
    assert problems(changed(name=name)) == [ItemNameInvalid]


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


LONG = "长" * 121


@pytest.mark.parametrize(
    ("stage", "problem"),
    [
        ({"statutory_limit_days": 20_000, "committed_limit_days": 20_000}, LimitInvalid),
        ({"materials": (Material(name=LONG, basis="《办法》"),)}, TextTooLong),
        ({"fees": (Fee(name=LONG, standard="10元", basis="价费"),)}, TextTooLong),
        ({"fees": (Fee(name="费", standard="长" * 501, basis="价费"),)}, TextTooLong),
        ({"fees": (Fee(name="费", standard="10元", basis="价费", amount_cents=10**19),)}, FeeWithoutBasis),
        ({"report_up": ReportUp(unit="SZJ", review_limit_days=1, levels=())}, LevelsMissing),
        (
            {"handling": Handling.PARALLEL, "branches": (Branch(unit="XF", name="消防", limit_days=1, levels=()),)},
            LevelsMissing,
        ),
        (
            {"handling": Handling.PARALLEL, "branches": (Branch(unit="XF", name=LONG, limit_days=1),)},
            TextTooLong,
        ),
    ],
)
def test_an_item_whose_cases_could_never_be_accepted_is_not_published(stage, problem):
    assert problem in problems(staged(**stage))


@pytest.mark.parametrize(
    "terms", [{"name": ""}, {"name": LONG}, {"valid_months": 0}, {"valid_months": 10**6}, {"remind_days": 10**9}]
)
def test_a_licence_that_no_grant_could_make_is_not_published(terms):
    assert problems(changed(licence=Licence(**{"name": "许可证", **terms}))) == [LicenceInvalid]


@pytest.mark.parametrize(
    ("parts", "fits"),
    [
        ([("ZJ-XK-002", ()), ("ZJ-XK-003", ("ZJ-XK-002-01",))], True),
        ([("ZJ-XK-002", ("ZJ-XK-002-01",))], False),  # for itself
        ([("ZJ-XK-002", ("ZJ-XK-003-01",)), ("ZJ-XK-003", ())], False),  # for a later one
        ([("ZJ-XK-002", ("nobody",))], False),
        ([("ZJ-XK-002", ()), ("ZJ-XK-002", ())], False),
        ([(PERMIT.code, ())], False),
    ],
)
def test_the_parts_of_a_package_wait_only_for_parts_before_them(parts, fits):
    package = tuple(PackagePart(item=code, stage=f"{code}-01", after=after) for code, after in parts)
    assert problems(changed(package=package)) == ([] if fits else [PackageInvalid])
