"""What the catalogue says about itself: reports that are filed, limits not yet short enough, grades, deeds, windows."""

import hashlib
import io
import zipfile
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from openpyxl import load_workbook

from casework.acts import PublishItem
from casework.catalogue.checks import check
from casework.catalogue.current import deeds, items_in_force, offered, whole_catalogue, windows
from casework.catalogue.definitions import Grade, ItemClass
from casework.catalogue.flowchart import flowchart
from casework.catalogue.flowchart_svg import svg
from casework.catalogue.reports import FILED, Catalogue, Report, ReportKind, UnitEntry, as_file, report, shortened
from casework.rules import CaseworkRules
from casework.seed import county, items
from casework.tables import Item
from kernel.actor import THE_OPERATOR
from kernel.refusals import NotFound
from kernel.tables import Unit
from tests.casework.town import Town

NOW = datetime(2026, 9, 18, 1, 0, tzinfo=UTC)
UNITS = [UnitEntry(**msgspec.structs.asdict(unit)) for unit in county().units]
CATALOGUE = Catalogue(items(), UNITS, CaseworkRules())


def made(kind: ReportKind, catalogue: Catalogue = CATALOGUE) -> Report:
    return report(kind, catalogue, now=NOW)


def column(found: Report, title: str) -> list[str]:
    return [row[found.columns.index(title)] for row in found.rows]


@pytest.fixture
async def county_town(database, clock) -> Town:
    """The sample county's units, and its whole catalogue in force."""
    town = Town(database, clock, CaseworkRules())
    await Unit.bulk_create([Unit(**msgspec.structs.asdict(unit)) for unit in county().units])
    for item in items():
        await town.do(PublishItem(definition=msgspec.json.encode(item)), THE_OPERATOR)
    return town


# ----------------------------------------------------------------------------------------------------- compression
@pytest.mark.feature("CAT-06")
def test_limits_that_are_not_shortened_by_half_are_listed_and_the_threshold_is_the_region_s():
    found = made(ReportKind.COMPRESSION)
    late = {
        stage.code
        for item in items()
        for stage in item.stages
        if item.item_class is not ItemClass.SERVICE
        and 1 - stage.committed_limit_days / stage.statutory_limit_days < 0.5
    }
    assert "WL-XK-002-01" in late  # three days by law, two promised
    assert "ZJ-XK-003-01" not in late  # ten and five: exactly half
    assert set(column(found, "阶段编码")) == late
    assert column(found, "压缩比例") == sorted(column(found, "压缩比例"), key=lambda share: float(share[:-1]))
    assert found.title == "时限压缩不足50%的事项"

    stricter = CATALOGUE._replace(rules=CaseworkRules(compression_target=0.6))
    more = set(column(made(ReportKind.COMPRESSION, stricter), "阶段编码"))
    assert "ZJ-XK-003-01" in more
    assert more > late
    none = CATALOGUE._replace(rules=CaseworkRules(compression_target=0.0))
    assert made(ReportKind.COMPRESSION, none).rows == ()


def test_what_the_law_leaves_no_room_for_is_not_shortened_at_all():
    only = next(item for item in items() if item.code == "GA-XK-003").stages[1]
    assert (only.statutory_limit_days, only.committed_limit_days, shortened(only)) == (1, 1, 0.0)


# ---------------------------------------------------------------------------------------------------------- grades
@pytest.mark.feature("CAT-08")
def test_every_item_has_a_grade_and_they_are_counted_by_department_in_the_region_s_words():
    ungraded = msgspec.structs.replace(items()[0], grade=None)
    assert [problem.code for problem in check(ungraded)] == ["ITEM_UNGRADED"]
    rules = CaseworkRules(grade_names={grade: f"{grade}档" for grade in Grade})
    found = made(ReportKind.GRADES, CATALOGUE._replace(rules=rules))
    assert found.columns == ("单位代码", "单位名称", "A（A档）", "B（B档）", "C（C档）", "D（D档）", "未分档", "合计")
    expected = Counter((item.unit, item.grade) for item in items())
    for code, _, *numbers, total in found.rows[:-1]:
        assert [int(number) for number in numbers] == [expected[code, grade] for grade in (*Grade, None)]
        assert int(total) == sum(int(number) for number in numbers)
    assert {row[0] for row in found.rows[:-1]} == {item.unit for item in items()}
    assert found.rows[-1][-1] == str(len(items()))


# ----------------------------------------------------------------------------------------------------------- filed
@pytest.mark.feature("CAT-19")
async def test_the_four_filed_reports_match_the_catalogue_and_carry_time_and_hash(county_town):
    catalogue = await whole_catalogue(county_town.database, CaseworkRules())
    assert tuple(catalogue.items) == tuple(sorted(items(), key=lambda item: item.code))
    stages = [stage for item in items() for stage in item.stages]
    found = {kind: made(kind, catalogue) for kind in FILED}
    assert [each.title for each in found.values()] == ["审批项目统计表", "组织机构代码一览表", "审批项目明细", "流程图"]

    totals = dict(zip(found[ReportKind.STATISTICS].columns, found[ReportKind.STATISTICS].rows[-1], strict=True))
    assert int(totals["事项数"]) == await Item.filter(state="published").count() == len(items())
    assert int(totals["阶段数"]) == len(stages)
    by_unit = Counter(item.unit for item in items())
    counted = found[ReportKind.STATISTICS].rows[:-1]
    assert {row[0]: int(row[2]) for row in counted} == dict(by_unit)
    assert sum(int(totals[name]) for name in CaseworkRules().class_names.values()) == len(items())
    assert {row[0]: int(row[5]) for row in found[ReportKind.UNITS].rows} == {
        unit.code: by_unit[unit.code] for unit in county().units
    }
    assert Counter(column(found[ReportKind.ITEMS], "阶段编码")) == Counter(stage.code for stage in stages)
    assert len(found[ReportKind.FLOWCHARTS].rows) == len(stages)

    for kind, each in found.items():
        assert each.generated_at == NOW
        content, suffix = as_file(each, catalogue)
        if kind is ReportKind.FLOWCHARTS:
            assert suffix == ".zip"
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                assert archive.testzip() is None
                for _, _, stage, _, digest in each.rows:
                    assert hashlib.sha256(archive.read(f"{stage}.svg")).hexdigest() == digest
                content = archive.read("流程图.xlsx")
        table, about = load_workbook(io.BytesIO(content)).worksheets
        assert [tuple(cell or "" for cell in row) for row in table.iter_rows(min_row=2, values_only=True)] == [
            *each.rows
        ]
        told = {row[0]: row[1] for row in about.iter_rows(min_row=2, values_only=True)}
        assert (told["生成时间"], told["SHA-256"]) == ("2026-09-18T09:00:00+08:00", each.sha256)


def test_the_hash_is_over_everything_a_report_says():
    first = made(ReportKind.ITEMS)
    assert first.sha256 == made(ReportKind.ITEMS).sha256
    assert first.sha256 != report(ReportKind.ITEMS, CATALOGUE, now=datetime(2026, 9, 19, tzinfo=UTC)).sha256
    fewer = msgspec.structs.replace(first, rows=first.rows[:-1])
    assert fewer.sha256 != first.sha256


def test_a_picture_that_is_filed_is_the_one_that_is_shown():
    names = {unit.code: unit.short_name for unit in county().units}
    rows = {row[2]: row[4] for row in made(ReportKind.FLOWCHARTS).rows}
    shown = svg(flowchart(items()[0], "ZJ-XK-001-01", names))
    assert rows["ZJ-XK-001-01"] == hashlib.sha256(shown.encode()).hexdigest()


async def test_secret_and_retired_items_are_in_no_report(county_town):
    await county_town.database.execute("UPDATE item_version SET secret = TRUE WHERE item_code = 'ZJ-XK-001'")
    await county_town.database.execute("UPDATE item SET state = 'retired' WHERE code = 'ZJ-XK-002'")
    codes = {item.code for item in await items_in_force(county_town.database)}
    assert codes == {item.code for item in items()} - {"ZJ-XK-001", "ZJ-XK-002"}
    catalogue = await whole_catalogue(county_town.database, CaseworkRules())
    for kind in ReportKind:
        assert not [cell for row in made(kind, catalogue).rows for cell in row if "ZJ-XK-001" in cell]


# -------------------------------------------------------------------------------------------------- deeds, windows
async def test_deeds_count_their_items_and_lead_to_them(county_town):
    rows, end = await deeds(county_town.database, first=10)
    assert end is None
    assert [(row["number"], row["count"]) for row in rows] == [("012", 4), ("036", 2)]
    links = {str(row["number"]): msgspec.convert(row["items"], list[dict[str, Any]]) for row in rows}
    assert [link["code"] for link in links["036"]] == ["GA-XK-003", "ZR-SP-001"]
    assert all(number in link["deeds"] for number, items_of_it in links.items() for link in items_of_it)
    first, end = await deeds(county_town.database, first=1)
    second, none = await deeds(county_town.database, first=1, after=str(end))
    assert ([*first, *second], none) == (rows, None)


async def test_a_window_takes_what_names_it_and_what_names_no_place(county_town):
    counts = {row["code"]: row["count"] for row in await windows(county_town.database)}
    everywhere = {item.code for item in items() if not item.offered_at}
    assert len(counts) == 1 + 3 + 15
    for window, count in counts.items():
        taken, _ = await offered(county_town.database, str(window), first=100)
        codes = {link["code"] for link in taken}
        assert codes == everywhere | {item.code for item in items() if window in item.offered_at}
        assert len(codes) == count
    assert "ZR-XK-002" in {link["code"] for link in (await offered(county_town.database, "BM-XZ01", first=100))[0]}
    with pytest.raises(NotFound):
        await offered(county_town.database, "ZJJ", first=10)
