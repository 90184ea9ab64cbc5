"""The catalogue as an Excel workbook: which sheets there are, what stands in which column, and how a value is written.

One row is one thing: an item, a stage, a material. Rows name what they belong to by code, in the order in which they
stand. Every field of a definition has its column, so that a workbook says all that a definition says; a test holds it.

A text of one line stands in its cell as it is, a list with one entry to the line; what could not be told apart so (a
list of one entry, a text of two lines, a text that would be a formula) stands there as JSON.
Limits: pure; reading and judging a whole file is `exchange`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, TypeVar

import msgspec

from casework.catalogue.definitions import (
    CLASS_NAMES,
    FORM_NAMES,
    MODE_NAMES,
    ONLINE_LEVEL_NAMES,
    Grade,
    Handling,
    StageKind,
)
from casework.flow.steps import ROLE_NAMES
from kernel.words import is_plain

E = TypeVar("E", bound=str)

#: What Excel holds in one cell, less some room.
CELL = 30_000
YES, NO = "是", "否"

KIND_NAMES = {
    StageKind.GRANT: "核发",
    StageKind.CHANGE: "变更",
    StageKind.RENEWAL: "延续",
    StageKind.ANNUAL_REVIEW: "年审",
    StageKind.RECORD: "备案",
    StageKind.CANCEL: "注销",
}
HANDLING_NAMES = {Handling.SINGLE: "单办", Handling.PARALLEL: "并联", Handling.JOINT: "联合"}


class Wrong(ValueError):
    """A cell that cannot be read; the message says in Chinese and English what belongs there."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh)
        self.zh, self.en = zh, en


class Form(NamedTuple):
    """How one kind of value is written into a cell, and read from it."""

    write: Callable[[object], object]
    read: Callable[[object], object]


@dataclass(frozen=True)
class Column:
    """`field`: the field of the definition; with a dot, of the part that is there when any of its cells is filled."""

    header: str
    field: str
    form: Form


@dataclass(frozen=True)
class Sheet:
    name: str
    columns: tuple[Column, ...]

    def column(self, field: str) -> str:
        """The header over `field`."""
        return next((each.header for each in self.columns if each.field == field), "")


# ----------------------------------------------------------------------------------------------------------- cells
#: What a text must not begin with to stand in a cell as it is: JSON of ours, formulas of Excel's.
_MARKED = re.compile(r"[\"\[=+\-@']|\s")
_json = msgspec.json.Encoder()


def _write_text(value: object) -> object:
    text = str(value)
    return _json.encode(text).decode() if _needs_json(text) else text


def _read_text(cell: object) -> str:
    value = _read_words(cell)
    if not isinstance(value, str):
        raise Wrong("应为一行文字", "one line of text")
    return value


def _write_words(value: object) -> object:
    if not isinstance(value, list | tuple):
        return _write_text(value) if value else None
    plain = len(value) > 1 and not any(not str(line) or _needs_json(str(line)) for line in value)
    return "\n".join(map(str, value)) if plain else _json.encode(value).decode()


def _read_words(cell: object) -> object:
    """A text, or a list of texts."""
    if cell is None:
        return ""
    if isinstance(cell, bool | date) or not isinstance(cell, str | int | float):
        raise Wrong("应为文字", "a text")
    text = str(cell)
    if text[:1] in ('"', "["):
        try:
            return msgspec.json.decode(text, type=str | list[str])
        except msgspec.DecodeError:
            raise Wrong(
                "引号或方括号开头的内容应为JSON文字或列表", "what begins so must be a JSON text or list"
            ) from None
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if len(lines) > 1 else text


def _write_lines(value: object) -> object:
    return _write_words(value) if value else None


def _read_lines(cell: object) -> object:
    words = _read_words(cell)
    return words if isinstance(words, list) else [words] if words else []


def _read_integer(cell: object) -> int:
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, str) and re.fullmatch(r"-?\d{1,15}", cell.strip()):
        return int(cell)
    if isinstance(cell, bool) or not isinstance(cell, int):
        raise Wrong("应为整数", "a whole number")
    return cell


def _read_yes(cell: object) -> bool:
    said = {YES: True, NO: False, True: True, False: False}.get(cell if isinstance(cell, str | bool) else "")
    if said is None:
        raise Wrong(f"应为“{YES}”或“{NO}”", f"{YES} or {NO}")
    return said


def _read_day(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    try:
        return date.fromisoformat(str(cell)).isoformat()
    except ValueError:
        raise Wrong("应为日期，如2027-06-30", "a date such as 2027-06-30") from None


def _needs_json(text: str) -> bool:
    return bool(_MARKED.match(text)) or not is_plain(text) or not text


def _optional(form: Form) -> Form:
    return Form(
        lambda value: None if value is None else form.write(value),
        lambda cell: None if cell is None else form.read(cell),
    )


def _choice(names: Mapping[E, str]) -> Form:
    """One of `names`, shown in Chinese; the code is understood as well."""
    by_code = {str(code): name for code, name in names.items()}
    by_name = {name: code for code, name in by_code.items()} | {code: code for code in by_code}

    def read(cell: object) -> str:
        code = by_name.get(str(cell).strip())
        if code is None:
            raise Wrong(f"应为：{'、'.join(names.values())}", f"one of {', '.join(map(str, names))}")
        return code

    return Form(lambda value: by_code.get(str(value), str(value)), read)


TEXT = Form(lambda value: _write_text(value) if value else None, _read_text)
#: A text that is part of something optional: the empty text is written, the missing one is not.
PART = Form(_write_text, _read_text)
WORDS = Form(_write_words, _read_words)
LINES = Form(_write_lines, _read_lines)
INTEGER = Form(lambda value: value, _read_integer)
YES_NO = Form(lambda value: YES if value else NO, _read_yes)
DAY = Form(str, _read_day)


# ---------------------------------------------------------------------------------------------------------- sheets
ITEMS = Sheet(
    "事项",
    (
        Column("事项编码", "code", TEXT),
        Column("事项类别", "item_class", _choice(CLASS_NAMES)),
        Column("单位代码", "unit", TEXT),
        Column("事项名称", "name", TEXT),
        Column("涉密", "secret", YES_NO),
        Column("责任科室", "section", TEXT),
        Column("责任人", "person", TEXT),
        Column("公开电话", "phone", TEXT),
        Column("岗位职责", "duties", TEXT),
        Column("档次", "grade", _optional(_choice({grade: grade.value for grade in Grade}))),
        Column("在线办理程度", "online_level", _choice(ONLINE_LEVEL_NAMES)),
        Column("办理模式", "mode", _choice(MODE_NAMES)),
        Column("延期上网理由", "deferral.reason", PART),
        Column("计划上网日期", "deferral.planned_on", _optional(DAY)),
        Column("颁发的证件及有效期", "certificate", WORDS),
        Column("审批类型及法律效力", "kind_and_effect", WORDS),
        Column("设定依据", "basis", WORDS),
        Column("审批条件", "conditions", WORDS),
        Column("审批受理机构及地点", "accepting_office", WORDS),
        Column("审批决定机关", "deciding_authority", WORDS),
        Column("审批表格", "forms", WORDS),
        Column("年审或年检", "inspection", WORDS),
        Column("受理咨询与投诉的机构和电话", "enquiries_and_complaints", WORDS),
        Column("百件实事编号", "deeds", LINES),
        Column("可办理地点", "offered_at", LINES),
        Column("服务对象", "served", WORDS),
        Column("结果公开", "results_public", YES_NO),
        Column("证件名称", "licence.name", PART),
        Column("证件有效月数", "licence.valid_months", _optional(INTEGER)),
        Column("证件年审", "licence.annual_review", YES_NO),
        Column("到期前提醒天数", "licence.remind_days", INTEGER),
    ),
)
STAGES = Sheet(
    "阶段",
    (
        Column("事项编码", "item", TEXT),
        Column("阶段编码", "code", TEXT),
        Column("阶段名称", "name", TEXT),
        Column("阶段类型", "kind", _choice(KIND_NAMES)),
        Column("阶段依据", "basis", TEXT),
        Column("法定时限", "statutory_limit_days", INTEGER),
        Column("承诺时限", "committed_limit_days", INTEGER),
        Column("预警提前量", "yellow_before_days", INTEGER),
        Column("时限依据", "limit_basis", TEXT),
        Column("没有申请资料", "materials", YES_NO),
        Column("没有收费", "fees", YES_NO),
        Column("办理方式", "handling", _choice(HANDLING_NAMES)),
        Column("可退回任一环节", "return_anywhere", YES_NO),
        Column("其他程序", "process", LINES),
        Column("上报单位代码", "report_up.unit", PART),
        Column("初审时限", "report_up.review_limit_days", INTEGER),
        Column("初审时限依据", "report_up.basis", PART),
    ),
)
MATERIALS = Sheet(
    "申请资料",
    (
        Column("阶段编码", "stage", TEXT),
        Column("资料名称", "name", TEXT),
        Column("份数", "copies", INTEGER),
        Column("必交", "required", YES_NO),
        Column("形式", "form", _choice(FORM_NAMES)),
        Column("依据", "basis", TEXT),
        Column("可复用证照", "licence", TEXT),
    ),
)
FEES = Sheet(
    "收费",
    (
        Column("阶段编码", "stage", TEXT),
        Column("收费项目", "name", TEXT),
        Column("收费标准", "standard", TEXT),
        Column("收费依据", "basis", TEXT),
        Column("金额（分）", "amount_cents", _optional(INTEGER)),
    ),
)
BRANCHES = Sheet(
    "会办",
    (
        Column("阶段编码", "stage", TEXT),
        Column("会办单位代码", "unit", TEXT),
        Column("会办名称", "name", TEXT),
        Column("会办时限", "limit_days", INTEGER),
    ),
)
#: `line`: 0 the stage's own, -1 the authority it reports to, 1 and on the branches in their order.
OWN_LINE, LINE_ABOVE = 0, -1
LEVELS = Sheet(
    "环节",
    (
        Column("阶段编码", "stage", TEXT),
        Column("序列", "line", INTEGER),
        Column("审批层级", "role", _choice(ROLE_NAMES)),
        Column("环节时限", "limit_days", _optional(INTEGER)),
    ),
)
PARTS = Sheet(
    "一件事",
    (
        Column("套餐编码", "package", TEXT),
        Column("事项编码", "item", TEXT),
        Column("阶段编码", "stage", TEXT),
        Column("须先办结的阶段", "after", LINES),
    ),
)
#: A form may be longer than a cell: its text is cut, row after row.
FORMS = Sheet("网上表单", (Column("阶段编码", "stage", TEXT), Column("表单（JSON Schema）", "text", TEXT)))

SHEETS = (ITEMS, STAGES, MATERIALS, FEES, BRANCHES, LEVELS, PARTS, FORMS)
