"""What a catalogue item says: its class, its fourteen elements, its stages with limits, materials and fees.

A definition is a JSON document, parsed into frozen values; a published version is never changed, cases keep the
one they were accepted under. Elements that follow from the stages (materials, procedure, limits, fees) are derived
from them, so the public guide can never promise other limits than a case is held to.

Source: the fourteen elements, three classes and the rule "no legal basis, no material" of the municipal catalogue
rules (行政审批事项目录); Administrative Licensing Law art. 30 (what must be made public) and 42.
Limits: pure; uniqueness of codes over the whole catalogue is the catalogue's matter.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from enum import StrEnum
from typing import Literal

import msgspec

from casework.clock.time_limits import YELLOW_BEFORE, Limits
from kernel.actor import Role
from kernel.refusals import Refusal

#: The explicit "none" that an element must say when there is nothing to say.
NONE: Literal["无"] = "无"
#: Department, class and serial: ZJ-XK-001. Stages add two digits: ZJ-XK-001-01. A region may set its own.
CODE_PATTERN = r"[A-Z]{2}-(XK|SP|FW)-\d{3}"
_STAGE_SUFFIX = r"-\d{2}"


class ItemClass(StrEnum):
    PERMIT = "permit"
    APPROVAL = "approval"
    SERVICE = "service"


#: A region may show its own words for the three classes.
CLASS_NAMES = {
    ItemClass.PERMIT: "行政许可",
    ItemClass.APPROVAL: "非行政许可审批",
    ItemClass.SERVICE: "其他在办事项",
}

#: Who may stand on an approval level, and what the level is called in the guide.
LEVEL_NAMES = {
    Role.HANDLER: "承办人审查",
    Role.SECTION_HEAD: "科室负责人审核",
    Role.DEPUTY_LEADER: "分管领导批准",
    Role.UNIT_HEAD: "单位主要负责人批准",
}


class MaterialForm(StrEnum):
    PAPER = "paper"
    DIGITAL = "digital"
    EITHER = "either"


FORM_NAMES = {MaterialForm.PAPER: "纸质", MaterialForm.DIGITAL: "电子", MaterialForm.EITHER: "纸质或电子"}


class Grade(StrEnum):
    """四档. The seeds do not define the letters; a region gives them their meaning (`CaseworkRules.grade_names`)."""

    A = "A"  # 全程网上
    B = "B"  # 网上受理预审，窗口核对
    C = "C"  # 延期上网
    D = "D"  # 不上网


class OnlineLevel(StrEnum):
    """在线办理程度, in rising order."""

    DISPLAY = "display"  # 在线公示和表格下载
    ACCEPTANCE = "acceptance"  # 在线受理
    HANDLING = "handling"  # 在线办理和在线反馈


class ServiceMode(StrEnum):
    """办理模式."""

    WINDOW = "window"  # 窗口受理核对材料，网上办理，窗口发证
    PRE_REVIEW = "pre_review"  # 网上受理、网上预审，窗口核对材料并发证
    ONLINE = "online"  # 全程网上


class StageKind(StrEnum):
    GRANT = "grant"  # 核发、登记
    CHANGE = "change"  # 变更
    RENEWAL = "renewal"  # 延续: no decision before expiry = renewed (art. 50)
    ANNUAL_REVIEW = "annual_review"  # 年检、年审
    RECORD = "record"  # 备案
    CANCEL = "cancel"  # 注销


class Handling(StrEnum):
    """How many authorities handle a case. Unified, joint or central handling: Administrative Licensing Law, art. 26,
    42(2): 45 working days, 15 more approved by the head of the government.
    """

    SINGLE = "single"
    PARALLEL = "parallel"  # 并联: co-units at once, a join waits for all
    JOINT = "joint"  # 联合、统一、集中办理


Words = str | tuple[str, ...]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a definition. An unknown field is a spelling mistake, not an extension."""


class Material(_Value, frozen=True):
    name: str
    copies: int = 1
    required: bool = True
    form: MaterialForm = MaterialForm.EITHER
    basis: str = ""
    #: The kind of licence in the shared library that makes asking for this material unnecessary.
    licence: str = ""


class Fee(_Value, frozen=True):
    """`standard` is the approved rate in words; `basis` the price authority's document."""

    name: str
    standard: str
    basis: str
    #: The fixed rate in cents; None where the standard is a formula and the window enters the amount.
    amount_cents: int | None = None


class Level(_Value, frozen=True):
    """One approval level. `limit_days`: working days of this step, None for no limit of its own."""

    role: Role
    limit_days: int | None = None


class Branch(_Value, frozen=True):
    """A co-unit of parallel or joint handling, with its own limit in working days and its own levels."""

    unit: str
    name: str
    limit_days: int
    levels: tuple[Level, ...] = (Level(role=Role.HANDLER),)


class ReportUp(_Value, frozen=True):
    """上报: the unit reviews first, then all materials go up to `unit`, which decides. Source: art. 43 (20 days)."""

    unit: str
    review_limit_days: int


class Licence(_Value, frozen=True):
    """The licence a grant makes. `valid_months` None: without end. `remind_days`: calendar days before expiry."""

    name: str
    valid_months: int | None = None
    annual_review: bool = False
    remind_days: int = 30


class Deferral(_Value, frozen=True):
    """延期上网说明: why the item is not online yet, and by when it will be."""

    reason: str
    planned_on: date | None = None


class PackagePart(_Value, frozen=True):
    """One case of a package item (一条龙), in order; `after`: codes of the stages that must be granted first."""

    item: str
    stage: str
    after: tuple[str, ...] = ()


class Stage(_Value, frozen=True):
    """One stage of an item (登记, 变更, 延续 …) with its own basis, materials, limits and fees.

    Limits are working days; 0 means not yet said. `process` adds steps in words, such as a site inspection.
    """

    code: str
    name: str
    basis: str = ""
    materials: tuple[Material, ...] | Literal["无"] = ()
    statutory_limit_days: int = 0
    committed_limit_days: int = 0
    yellow_before_days: int = YELLOW_BEFORE
    limit_basis: str = ""
    fees: tuple[Fee, ...] | Literal["无"] = ()
    levels: tuple[Level, ...] = ()
    process: tuple[str, ...] = ()
    kind: StageKind = StageKind.GRANT
    #: JSON Schema (2020-12) of the online form; None: no form but the paper one.
    form: dict[str, object] | None = None
    handling: Handling = Handling.SINGLE
    branches: tuple[Branch, ...] = ()
    report_up: ReportUp | None = None
    #: Whether a level may return to any earlier level, not only to the one before.
    return_anywhere: bool = False

    @property
    def limits(self) -> Limits:
        return Limits(statutory=self.statutory_limit_days, committed=self.committed_limit_days)


class ItemDefinition(_Value, frozen=True):
    """The whole item. Every text may stay empty in a draft; `check` says what publishing still needs."""

    code: str
    item_class: ItemClass
    unit: str
    name: str = ""
    secret: bool = False
    # The responsible section and person, and the public phone.
    section: str = ""
    person: str = ""
    phone: str = ""
    # Elements that are not derived from the stages.
    certificate: Words = ""
    kind_and_effect: Words = ""
    basis: Words = ""
    conditions: Words = ""
    accepting_office: Words = ""
    deciding_authority: Words = ""
    forms: Words = ""
    inspection: Words = ""
    enquiries_and_complaints: Words = ""
    stages: tuple[Stage, ...] = ()
    grade: Grade | None = None
    online_level: OnlineLevel = OnlineLevel.HANDLING
    mode: ServiceMode = ServiceMode.PRE_REVIEW
    deferral: Deferral | None = None
    duties: str = ""
    #: 百件实事 numbers this item belongs to.
    deeds: tuple[str, ...] = ()
    #: Units of kind hall, branch or centre where it may be filed at a window; empty: every one of them.
    offered_at: tuple[str, ...] = ()
    results_public: bool = False
    licence: Licence | None = None
    package: tuple[PackagePart, ...] = ()

    def stage(self, code: str) -> Stage:
        """Raises StageUnknown."""
        for stage in self.stages:
            if stage.code == code:
                return stage
        raise StageUnknown(item=self.code, stage=code)


class Element(msgspec.Struct, frozen=True):
    """One of the fourteen elements, as the public guide shows it. No lines: not yet said."""

    number: int
    name: str
    lines: tuple[str, ...]


def parse(document: bytes | str) -> ItemDefinition:
    """Raises ItemMalformed, also when the class is missing or unknown, or the octets are not UTF-8."""
    try:
        return msgspec.json.decode(document, type=ItemDefinition)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ItemMalformed(why=str(error)) from None


def elements_in_order(item: ItemDefinition) -> tuple[Element, ...]:
    """The fourteen elements in the order of the catalogue rules."""
    said = (
        ("事项名称", _lines(item.name)),
        ("颁发的证件及有效期", _lines(item.certificate)),
        ("审批类型及法律效力", _lines(item.kind_and_effect)),
        ("设定依据", _lines(item.basis)),
        ("审批条件", _lines(item.conditions)),
        ("申请资料", _by_stage(item, _materials_of)),
        ("审批受理机构及地点", _lines(item.accepting_office)),
        ("审批决定机关", _lines(item.deciding_authority)),
        ("审批程序", _by_stage(item, _procedure_of)),
        ("审批时限", _by_stage(item, _limits_of)),
        ("审批收费", _by_stage(item, _fees_of)),
        ("审批表格", _lines(item.forms)),
        ("年审或年检", _lines(item.inspection)),
        ("受理咨询与投诉的机构和电话", _lines(item.enquiries_and_complaints)),
    )
    return tuple(Element(number, name, lines) for number, (name, lines) in enumerate(said, 1))


def missing_elements(item: ItemDefinition) -> list[str]:
    """Names of the elements that are neither said nor explicitly 无."""
    return [element.name for element in elements_in_order(item) if not element.lines]


def check(item: ItemDefinition, *, code_pattern: str = CODE_PATTERN) -> list[Refusal]:
    """Everything that keeps the item from being published, in the order a person would mend it."""
    return list(_problems(item, code_pattern))


def ensure_publishable(item: ItemDefinition, *, code_pattern: str = CODE_PATTERN) -> None:
    """Raises the first problem of `check`."""
    for problem in _problems(item, code_pattern):
        raise problem


def _problems(item: ItemDefinition, code_pattern: str) -> Iterator[Refusal]:
    if not re.fullmatch(code_pattern, item.code):
        yield ItemCodeInvalid(code=item.code, pattern=code_pattern)
    if missing := missing_elements(item):
        yield ItemIncomplete(item=item.code, missing=missing)
    responsible = {"责任科室": item.section, "责任人": item.person, "公开电话": item.phone}
    if unnamed := [name for name, value in responsible.items() if not value.strip()]:
        yield NobodyResponsible(item=item.code, missing=unnamed)
    codes = [stage.code for stage in item.stages]
    for stage in item.stages:
        if codes.count(stage.code) > 1 or not re.fullmatch(re.escape(item.code) + _STAGE_SUFFIX, stage.code):
            yield StageCodeInvalid(stage=stage.code, item=item.code)
        yield from _stage_problems(stage)


def _stage_problems(stage: Stage) -> Iterator[Refusal]:
    statutory, committed = stage.statutory_limit_days, stage.committed_limit_days
    if min(statutory, committed) < 0 or not 0 <= stage.yellow_before_days <= max(committed, 0):
        yield LimitInvalid(stage=stage.code)
    if committed > statutory:
        yield CommittedOverStatutory(stage=stage.code, committed=committed, statutory=statutory)
    steps = sum(level.limit_days or 0 for level in stage.levels)
    if steps > committed:
        yield StepLimitsOverTotal(stage=stage.code, steps=steps, committed=committed)
    if any(level.limit_days is not None and level.limit_days < 1 for level in stage.levels):
        yield LimitInvalid(stage=stage.code)
    if strangers := [level.role.value for level in stage.levels if level.role not in LEVEL_NAMES]:
        yield LevelUnknown(stage=stage.code, roles=strangers)
    materials = () if stage.materials == NONE else stage.materials
    if baseless := [material.name for material in materials if not material.basis.strip()]:
        yield MaterialWithoutBasis(stage=stage.code, materials=baseless)


def _lines(words: Words) -> tuple[str, ...]:
    lines = (words,) if isinstance(words, str) else words
    return tuple(line.strip() for line in lines if line.strip())


def _by_stage(item: ItemDefinition, lines_of: Callable[[Stage], tuple[str, ...]]) -> tuple[str, ...]:
    """The lines of all stages; nothing at all while any stage has not said its part."""
    said = [lines_of(stage) for stage in item.stages]
    if not all(said):
        return ()
    if len(said) == 1:
        return said[0]
    return tuple(f"{stage.name}：{line}" for stage, lines in zip(item.stages, said, strict=True) for line in lines)


def _materials_of(stage: Stage) -> tuple[str, ...]:
    if stage.materials == NONE:
        return (NONE,)
    return tuple(f"{number}. {_described(material)}" for number, material in enumerate(stage.materials, 1))


def _described(material: Material) -> str:
    need = "必交" if material.required else "视情况提交"
    return f"{material.name}（{need}，{material.copies}份，{FORM_NAMES[material.form]}）"


def _procedure_of(stage: Stage) -> tuple[str, ...]:
    if not stage.levels:
        return ()
    levels = [LEVEL_NAMES.get(level.role, level.role.value) for level in stage.levels]
    return (" → ".join(["接件", "受理", *levels, "办结", "送达"]), *stage.process)


def _limits_of(stage: Stage) -> tuple[str, ...]:
    if stage.statutory_limit_days < 1 or stage.committed_limit_days < 1:
        return ()
    basis = f"（{stage.limit_basis}）" if stage.limit_basis else ""
    return (f"法定时限{stage.statutory_limit_days}个工作日{basis}", f"承诺时限{stage.committed_limit_days}个工作日")


def _fees_of(stage: Stage) -> tuple[str, ...]:
    if stage.fees == NONE:
        return (NONE,)
    return tuple(f"{fee.name}：{fee.standard}（{fee.basis}）" for fee in stage.fees)


class ItemMalformed(Refusal):
    code = "ITEM_MALFORMED"
    zh = "事项定义格式有误，无法读取。"
    en = "The item's definition cannot be read: {why}."


class ItemSecret(Refusal):
    code = "ITEM_SECRET"
    zh = "涉密事项一律不上网办理。"
    en = "Item {item} is secret and never goes online."


class ItemIncomplete(Refusal):
    code = "ITEM_INCOMPLETE"
    zh = "事项要素不完整，缺少：{missing}。没有内容的要素请填“无”。"
    en = "Item {item} lacks: {missing}."


class ItemCodeInvalid(Refusal):
    code = "ITEM_CODE_INVALID"
    zh = "事项编码“{code}”不符合编码规则。"
    en = "The item code {code} does not match {pattern}."


class StageCodeInvalid(Refusal):
    code = "STAGE_CODE_INVALID"
    zh = "阶段编码“{stage}”重复或不符合编码规则（应为{item}-两位序号）。"
    en = "The stage code {stage} is a duplicate or is not {item} with two digits."


class StageUnknown(Refusal):
    code = "STAGE_UNKNOWN"
    zh = "事项{item}没有阶段{stage}。"
    en = "Item {item} has no stage {stage}."


class NobodyResponsible(Refusal):
    code = "NOBODY_RESPONSIBLE"
    zh = "事项未明确责任，缺少：{missing}。"
    en = "Item {item} does not name: {missing}."


class CommittedOverStatutory(Refusal):
    code = "COMMITTED_OVER_STATUTORY"
    zh = "阶段{stage}的承诺时限（{committed}个工作日）不得超过法定时限（{statutory}个工作日）。"
    en = "Stage {stage} promises {committed} working days, the law allows {statutory}."


class StepLimitsOverTotal(Refusal):
    code = "STEP_LIMITS_OVER_TOTAL"
    zh = "阶段{stage}各环节时限合计{steps}个工作日，超过承诺时限{committed}个工作日。"
    en = "The steps of stage {stage} take {steps} working days, more than the {committed} promised."


class LimitInvalid(Refusal):
    code = "LIMIT_INVALID"
    zh = "阶段{stage}的时限或预警提前量填写有误。"
    en = "Stage {stage} has a limit or a warning threshold that no clock can keep."


class LevelUnknown(Refusal):
    code = "LEVEL_UNKNOWN"
    zh = "阶段{stage}的审批层级中有不能审批的角色。"
    en = "Stage {stage} has approval levels for roles that do not approve: {roles}."


class MaterialWithoutBasis(Refusal):
    code = "MATERIAL_WITHOUT_BASIS"
    zh = "阶段{stage}的申请资料没有法律依据，不得要求：{materials}。"
    en = "Stage {stage} asks for materials without a legal basis: {materials}."
