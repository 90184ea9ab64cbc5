"""What a catalogue item says: its class, its fourteen elements, its stages with limits, materials and fees.

A definition is a JSON document, parsed into frozen values; a published version is never changed, cases keep the
one they were accepted under. How the fourteen elements follow from it: `elements`; what keeps it from being published:
`checks`.

Source: the fourteen elements, three classes and four grades of the municipal catalogue rules (行政审批事项目录);
Administrative Licensing Law art. 30 (what must be made public) and 42.
Limits: pure; uniqueness of codes over the whole catalogue is the catalogue's matter.
"""

from datetime import date
from enum import StrEnum
from typing import Literal

import msgspec

from casework.clock.time_limits import YELLOW_BEFORE, Limits
from kernel.actor import Role
from kernel.refusals import Refusal

#: The explicit "none" that an element must say when there is nothing to say.
NONE: Literal["无"] = "无"
#: Department, class and serial: ZJ-XK-001. A region may set its own; stages always add two digits: ZJ-XK-001-01.
CODE_PATTERN = r"[A-Z]{2}-(XK|SP|FW)-\d{3}"


class ItemClass(StrEnum):
    PERMIT = "permit"
    APPROVAL = "approval"
    SERVICE = "service"


#: A region may show its own words for the three classes (`CaseworkRules.class_names`).
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
    """四档. No rule defines the letters; a region gives them their meaning (`CaseworkRules.grade_names`)."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


GRADE_NAMES = {Grade.A: "全程网上", Grade.B: "网上受理预审，窗口核对", Grade.C: "延期上网", Grade.D: "不上网"}


class OnlineLevel(StrEnum):
    """在线办理程度, in rising order: `reaches` compares."""

    DISPLAY = "display"
    ACCEPTANCE = "acceptance"
    HANDLING = "handling"

    def reaches(self, other: "OnlineLevel") -> bool:
        rising = list(OnlineLevel)
        return rising.index(self) >= rising.index(other)


ONLINE_LEVEL_NAMES = {
    OnlineLevel.DISPLAY: "在线公示和表格下载",
    OnlineLevel.ACCEPTANCE: "在线受理",
    OnlineLevel.HANDLING: "在线办理和在线反馈",
}


class ServiceMode(StrEnum):
    """办理模式."""

    WINDOW = "window"
    PRE_REVIEW = "pre_review"
    ONLINE = "online"


MODE_NAMES = {
    ServiceMode.WINDOW: "窗口受理并核对材料，网上办理，窗口发证",
    ServiceMode.PRE_REVIEW: "网上受理、网上预审，窗口核对材料并发证",
    ServiceMode.ONLINE: "全程网上：受理、核对、审批、发证",
}


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
    """上报: the unit reviews first, then all materials go up to `unit`, which decides.

    Source: art. 43: review takes twenty working days at most, unless the law named in `basis` says otherwise.
    """

    unit: str
    review_limit_days: int
    levels: tuple[Level, ...] = (Level(role=Role.HANDLER), Level(role=Role.DEPUTY_LEADER))
    basis: str = ""


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
    # The responsible section and person, what they answer for, and the public phone.
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
    #: 服务对象: for whom the item is; empty: whom the law lets apply.
    served: Words = ""

    def stage(self, code: str) -> Stage:
        """Raises StageUnknown."""
        for stage in self.stages:
            if stage.code == code:
                return stage
        raise StageUnknown(item=self.code, stage=code)


def parse(document: bytes | str) -> ItemDefinition:
    """Raises ItemMalformed, also when the class is missing or unknown, the octets are not UTF-8, or it has no end."""
    try:
        return msgspec.json.decode(document, type=ItemDefinition)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ItemMalformed(why=str(error)) from None


class ItemMalformed(Refusal):
    code = "ITEM_MALFORMED"
    zh = "事项定义格式有误，无法读取。"
    en = "The item's definition cannot be read: {why}."


class StageUnknown(Refusal):
    code = "STAGE_UNKNOWN"
    zh = "事项{item}没有阶段{stage}。"
    en = "Item {item} has no stage {stage}."
