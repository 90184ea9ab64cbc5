"""Reports about the catalogue, as they are filed: tables that name when they were made and what they hold.

Four are filed with the efficiency office (备案): 审批项目统计表, 组织机构代码一览表, 审批项目明细, 流程图. Two show how
the catalogue gets on: which limits are not yet shortened enough, and how many items each department has in each grade.
A report's SHA-256 is over its kind, instant, columns and rows, so that a copy can be compared with what was filed.

Source: the municipal rules on the cleaned-up catalogue (时限压缩50%以上; A、B、C、D四档; 统计表备案).
Limits: pure; given the items in force, which hold no secret one.
"""

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from casework.catalogue.definitions import ONLINE_LEVEL_NAMES, Grade, ItemClass, ItemDefinition, OnlineLevel, Stage
from casework.catalogue.elements import fee_lines
from casework.catalogue.flowchart import flowchart
from casework.catalogue.flowchart_svg import svg
from casework.catalogue.sheets import KIND_NAMES
from casework.catalogue.workbooks import table, written
from casework.clock.working_days import CHINA
from casework.rules import CaseworkRules

Cells = tuple[str, ...]
_UNIT = ("单位代码", "单位名称")


class ReportKind(StrEnum):
    STATISTICS = "statistics"
    UNITS = "units"
    ITEMS = "items"
    FLOWCHARTS = "flowcharts"
    COMPRESSION = "compression"
    GRADES = "grades"


#: What is filed with the efficiency office.
FILED = (ReportKind.STATISTICS, ReportKind.UNITS, ReportKind.ITEMS, ReportKind.FLOWCHARTS)


class UnitEntry(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    short_name: str
    kind: str
    phone: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A table of texts. `generated_at` is UTC."""

    kind: ReportKind
    title: str
    generated_at: datetime
    columns: Cells
    rows: tuple[Cells, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Catalogue(NamedTuple):
    """What reports are made of: the items in force, the directory, the region's rules."""

    items: Sequence[ItemDefinition]
    units: Sequence[UnitEntry]
    rules: CaseworkRules

    @property
    def names(self) -> dict[str, str]:
        return {unit.code: unit.name for unit in self.units}


def report(kind: ReportKind, catalogue: Catalogue, *, now: datetime) -> Report:
    title, columns, rows = _REPORTS[kind](catalogue)
    return Report(kind=kind, title=title, generated_at=now, columns=columns, rows=tuple(rows))


def as_file(report: Report, catalogue: Catalogue) -> tuple[bytes, str]:
    """The report as it is filed, and the suffix of such a file: a workbook, or for flowcharts an archive that holds
    the workbook and every picture it lists.
    """
    made = report.generated_at.astimezone(CHINA).isoformat(timespec="seconds")
    about = (("报表", report.title), ("生成时间", made), ("SHA-256", report.sha256), ("行数", str(len(report.rows))))
    workbook = written([table(report.title, report.columns, report.rows), table("说明", ("项目", "内容"), about)])
    if report.kind is not ReportKind.FLOWCHARTS:
        return workbook, ".xlsx"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        day = report.generated_at.astimezone(CHINA).timetuple()[:6]
        archive.writestr(zipfile.ZipInfo(f"{report.title}.xlsx", day), workbook)
        for stage, picture in _pictures(catalogue):
            archive.writestr(zipfile.ZipInfo(f"{quote(stage.code, safe='')}.svg", day), picture)
    return file.getvalue(), ".zip"


# ------------------------------------------------------------------------------------------------------ the reports
Content = tuple[str, Cells, Iterator[Cells]]


def _statistics(catalogue: Catalogue) -> Content:
    """One row per department, and the sum of all."""
    classes = [catalogue.rules.class_names[item_class] for item_class in ItemClass]
    columns = (
        "单位代码",
        "单位名称",
        "事项数",
        *classes,
        "阶段数",
        "可网上受理",
        "可网上办理",
        "涉及收费",
        "并联或联合",
    )

    def row(code: str, name: str, items: Sequence[ItemDefinition]) -> Cells:
        by_class = Counter(item.item_class for item in items)
        stages = [stage for item in items for stage in item.stages]
        numbers = (
            len(items),
            *(by_class[item_class] for item_class in ItemClass),
            len(stages),
            sum(item.online_level.reaches(OnlineLevel.ACCEPTANCE) for item in items),
            sum(item.online_level.reaches(OnlineLevel.HANDLING) for item in items),
            sum(any(_has_fees(stage) for stage in item.stages) for item in items),
            sum(any(stage.branches for stage in item.stages) for item in items),
        )
        return (code, name, *map(str, numbers))

    def rows() -> Iterator[Cells]:
        for code, items in _by_unit(catalogue):
            yield row(code, catalogue.names.get(code, code), items)
        yield row("", "合计", catalogue.items)

    return "审批项目统计表", columns, rows()


def _units(catalogue: Catalogue) -> Content:
    items = Counter(item.unit for item in catalogue.items)
    rows = (
        (unit.code, unit.name, unit.short_name, UNIT_KINDS.get(unit.kind, unit.kind), unit.phone, str(items[unit.code]))
        for unit in sorted(catalogue.units, key=lambda unit: unit.code)
    )
    return "组织机构代码一览表", (*_UNIT, "简称", "类别", "电话", "事项数"), rows


def _items(catalogue: Catalogue) -> Content:
    """One row per stage."""
    columns = (
        *(
            "事项编码",
            "事项名称",
            "类别",
            "单位代码",
            "单位名称",
            "档次",
            "在线办理程度",
            "责任科室",
            "责任人",
            "公开电话",
        ),
        *("阶段编码", "阶段名称", "阶段类型", "法定时限", "承诺时限", "压缩比例", "时限依据", "收费"),
    )
    rows = (
        (
            item.code,
            item.name,
            catalogue.rules.class_names[item.item_class],
            item.unit,
            catalogue.names.get(item.unit, item.unit),
            item.grade or "",
            ONLINE_LEVEL_NAMES[item.online_level],
            item.section,
            item.person,
            item.phone,
            stage.code,
            stage.name,
            KIND_NAMES[stage.kind],
            str(stage.statutory_limit_days),
            str(stage.committed_limit_days),
            _percent(shortened(stage)),
            stage.limit_basis,
            "；".join(fee_lines(stage)),
        )
        for item, stage in _stages(catalogue)
    )
    return "审批项目明细", columns, rows


def _flowcharts(catalogue: Catalogue) -> Content:
    columns = ("事项编码", "事项名称", "阶段编码", "阶段名称", "图的SHA-256")
    pictures = {stage.code: hashlib.sha256(picture.encode()).hexdigest() for stage, picture in _pictures(catalogue)}
    rows = ((item.code, item.name, stage.code, stage.name, pictures[stage.code]) for item, stage in _stages(catalogue))
    return "流程图", columns, rows


def _compression(catalogue: Catalogue) -> Content:
    """Stages of permits and approvals whose promise is not short enough, least shortened first."""
    target = catalogue.rules.compression_target
    late = [
        (shortened(stage), item, stage)
        for item, stage in _stages(catalogue)
        if item.item_class is not ItemClass.SERVICE and shortened(stage) < target
    ]
    rows = (
        (
            item.code,
            item.name,
            item.unit,
            catalogue.names.get(item.unit, item.unit),
            stage.code,
            stage.name,
            str(stage.statutory_limit_days),
            str(stage.committed_limit_days),
            _percent(share),
        )
        for share, item, stage in sorted(late, key=lambda each: (each[0], each[2].code))
    )
    columns = (
        "事项编码",
        "事项名称",
        "单位代码",
        "单位名称",
        "阶段编码",
        "阶段名称",
        "法定时限",
        "承诺时限",
        "压缩比例",
    )
    return f"时限压缩不足{_percent(target)}的事项", columns, rows


def _grades(catalogue: Catalogue) -> Content:
    grades: list[Grade | None] = [*Grade, None]
    names = [f"{grade}（{catalogue.rules.grade_names[grade]}）" if grade else "未分档" for grade in grades]

    def row(code: str, name: str, items: Sequence[ItemDefinition]) -> Cells:
        found = Counter(item.grade for item in items)
        return (code, name, *(str(found[grade]) for grade in grades), str(len(items)))

    def rows() -> Iterator[Cells]:
        for code, items in _by_unit(catalogue):
            yield row(code, catalogue.names.get(code, code), items)
        yield row("", "合计", catalogue.items)

    return "事项分档统计表", (*_UNIT, *names, "合计"), rows()


_REPORTS: Mapping[ReportKind, Callable[[Catalogue], Content]] = {
    ReportKind.STATISTICS: _statistics,
    ReportKind.UNITS: _units,
    ReportKind.ITEMS: _items,
    ReportKind.FLOWCHARTS: _flowcharts,
    ReportKind.COMPRESSION: _compression,
    ReportKind.GRADES: _grades,
}

#: What a unit is, as people call it.
UNIT_KINDS = {
    "department": "部门",
    "office": "机关",
    "government": "人民政府",
    "hall": "政务大厅",
    "branch": "分厅",
    "centre": "便民服务中心",
    "supervision": "监察机构",
    "ra": "证书受理点",
    "information": "信息中心",
}


def shortened(stage: Stage) -> float:
    """By how much the promise is shorter than the law's limit, 0 to 1."""
    if stage.statutory_limit_days < 1:
        return 0.0
    return round(1 - stage.committed_limit_days / stage.statutory_limit_days, 9)


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%" if share * 100 % 1 == 0 else f"{share * 100:.1f}%"


def _has_fees(stage: Stage) -> bool:
    return not isinstance(stage.fees, str) and bool(stage.fees)


def _by_unit(catalogue: Catalogue) -> Iterator[tuple[str, list[ItemDefinition]]]:
    found: dict[str, list[ItemDefinition]] = {}
    for item in catalogue.items:
        found.setdefault(item.unit, []).append(item)
    yield from sorted(found.items())


def _stages(catalogue: Catalogue) -> Iterator[tuple[ItemDefinition, Stage]]:
    return ((item, stage) for item in catalogue.items for stage in item.stages)


def _pictures(catalogue: Catalogue) -> Iterator[tuple[Stage, str]]:
    names = {unit.code: unit.short_name for unit in catalogue.units}
    for item, stage in _stages(catalogue):
        yield stage, svg(flowchart(item, stage.code, names))
