"""The catalogue as one file: what goes out comes in again the same, and everything wrong with a file is told by row."""

import io
import json
import random
import zipfile
from collections.abc import Callable

import msgspec
import pytest
from openpyxl import Workbook, load_workbook

from casework.catalogue import checks, definitions, file_problems, sheets
from casework.catalogue.definitions import (
    Branch,
    Deferral,
    Fee,
    ItemClass,
    ItemDefinition,
    Level,
    Licence,
    Material,
    PackagePart,
    ReportUp,
    Stage,
)
from casework.catalogue.exchange import as_excel, as_json, read
from casework.rules import CaseworkRules
from casework.seed import items
from kernel.actor import Role
from kernel.refusals import Refusal

RULES = CaseworkRules()
FIRST = items()[0]


def problems(document: bytes) -> list[tuple[str, int, str, str]]:
    return [(each.sheet, each.row, each.column, each.code) for each in read(document, RULES).problems]


def changed(change: Callable[[Workbook], object], *given: ItemDefinition) -> bytes:
    """The workbook of `given`, or of the seed, after somebody worked on it."""
    book = load_workbook(io.BytesIO(as_excel(given or items())))
    change(book)
    return saved(book)


def saved(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def cell(book: Workbook, sheet: str, row: int, header: str):
    titles = [each.value for each in book[sheet][1]]
    return book[sheet].cell(row=row, column=titles.index(header) + 1)


# ------------------------------------------------------------------------------------------------------ round trip
@pytest.mark.parametrize("written", [as_json, as_excel])
def test_what_is_exported_is_imported_exactly(written):
    reading = read(written(items()), RULES)
    assert reading.problems == []
    assert tuple(reading.items) == items()


def test_the_two_forms_say_the_same_in_a_circle():
    from_excel = read(as_excel(items()), RULES).items
    assert as_json(from_excel) == as_json(items())


NASTY = [
    "=1+1",
    "+86",
    "-",
    "@a",
    "'quoted",
    '"quoted"',
    "[not a list",
    " blank before",
    "two\nlines",
    "\x00\x1f bell\x07",
    "tab\there",
    "_x0041_",
    "1",
    "是",
    "😀　中",
    "<b>&amp;</b>",
]


@pytest.mark.parametrize("text", NASTY)
def test_no_text_changes_on_its_way_through_a_workbook(text):
    stage = Stage(
        code="ZJ-XK-001-01",
        name=text,
        process=(text, text),
        materials=(Material(name=text, basis=text),),
        fees=(Fee(name=text, standard=text, basis=text),),
        branches=(Branch(unit=text, name=text, limit_days=1, levels=()),),
        report_up=ReportUp(unit=text, review_limit_days=1, levels=(), basis=""),
        form={"title": text},
    )
    item = ItemDefinition(
        code="ZJ-XK-001",
        item_class=ItemClass.PERMIT,
        unit="ZJJ",
        name=text,
        basis=text,
        conditions=(text,),
        forms=(text, ""),
        inspection=(),
        deeds=(text,),
        deferral=Deferral(reason=""),
        licence=Licence(name=text),
        package=(PackagePart(item=text, stage=text, after=(text, text)),),
        stages=(stage,),
    )
    assert read(as_excel([item]), RULES).items == [item]
    assert read(as_json([item]), RULES).items == [item]


def test_an_empty_draft_and_a_form_longer_than_a_cell_survive():
    long = Stage(code="ZJ-XK-002-01", name="核发", form={"description": "长" * 70_000, "type": "object"})
    drafts = [
        ItemDefinition(code="ZJ-XK-001", item_class=ItemClass.SERVICE, unit=""),
        ItemDefinition(code="ZJ-XK-002", item_class=ItemClass.APPROVAL, unit="ZJJ", stages=(long,)),
    ]
    assert read(as_excel(drafts), RULES).items == drafts


ROWS = {
    ItemDefinition: sheets.ITEMS,
    Stage: sheets.STAGES,
    Material: sheets.MATERIALS,
    Fee: sheets.FEES,
    Branch: sheets.BRANCHES,
    Level: sheets.LEVELS,
    PackagePart: sheets.PARTS,
}
#: Parts of a row whose columns stand beside it.
BESIDE = {"deferral": Deferral, "licence": Licence, "report_up": ReportUp}
#: Fields that are rows of a sheet of their own.
APART = {
    (ItemDefinition, "stages"),
    (ItemDefinition, "package"),
    (Stage, "levels"),
    (Stage, "branches"),
    (Stage, "form"),
    (Branch, "levels"),
    (ReportUp, "levels"),
}


def test_every_field_of_a_definition_has_its_column():
    """A field without a column would be lost on its way through Excel."""
    structs = {
        each for each in vars(definitions).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)
    }
    ours = {each for each in structs if each.__module__ == definitions.__name__ and each.__struct_fields__}
    assert ours == {*ROWS, *BESIDE.values()}
    for kind, sheet in ROWS.items():
        held = {column.field for column in sheet.columns}
        for name in kind.__struct_fields__:
            if (kind, name) in APART:
                continue
            beside = BESIDE.get(name) if kind in (ItemDefinition, Stage) else None
            fields = (
                [f"{name}.{field}" for field in beside.__struct_fields__ if (beside, field) not in APART]
                if beside
                else [name]
            )
            assert set(fields) <= held, f"{kind.__name__}: {fields}"


def test_a_secret_item_is_in_no_file():
    secret = msgspec.structs.replace(FIRST, secret=True, code="ZJ-XK-009", name="某涉密事项")
    for written in (as_json, as_excel):
        reading = read(written([FIRST, secret]), RULES)
        assert [item.code for item in reading.items] == [FIRST.code]
    assert "某涉密事项" not in as_json([FIRST, secret]).decode()


# ---------------------------------------------------------------------------------------------------- what is wrong
def row_of(book: Workbook, sheet: str, code: str) -> int:
    """The first row about the item or stage `code`."""
    rows = enumerate(book[sheet].iter_rows(min_row=2, values_only=True), 2)
    return next(number for number, row in rows if code in row[:2])


def test_everything_wrong_is_told_at_once_by_sheet_row_and_column():
    expected = set()

    def spoil(book: Workbook) -> None:
        for sheet, code, header, value, told in (
            ("事项", "ZJ-XK-001", "事项类别", "许可证", "CELL_INVALID"),
            ("事项", "ZJ-XK-002", "责任人", None, "NOBODY_RESPONSIBLE"),
            ("阶段", "ZJ-XK-002-02", "承诺时限", 99, "COMMITTED_OVER_STATUTORY"),
            ("申请资料", "ZJ-XK-002-01", "依据", None, "MATERIAL_WITHOUT_BASIS"),
            ("事项", "ZJ-XK-003", "涉密", "是", "ITEM_SECRET"),
            ("阶段", "ZJ-FW-001-01", "法定时限", "七日", "CELL_INVALID"),
            ("申请资料", "SJ-XK-002-01", "份数", "=1+1", "CELL_INVALID"),
            ("环节", "SJ-XK-003-01", "审批层级", "省长", "CELL_INVALID"),
            ("会办", "JT-XK-003-01", "会办时限", None, "CELL_INVALID"),
            ("阶段", "CG-XK-001-01", "事项编码", "ZJ-XK-777", "OWNER_UNKNOWN"),
            ("事项", "RS-XK-001", "计划上网日期", "明年", "CELL_INVALID"),
        ):
            row = row_of(book, sheet, code)
            cell(book, sheet, row, header).value = value
            expected.add((sheet, row, header, told))
        expected.add(
            ("事项", row_of(book, "事项", "CG-XK-001"), "申请资料、审批程序、审批时限、审批收费", "ITEM_INCOMPLETE")
        )

    found = read(changed(spoil), RULES).problems
    assert {(each.sheet, each.row, each.column, each.code) for each in found} == expected
    assert all(each.text and each.text_en for each in found)
    assert str(found[0]).startswith("事项 第2行 事项类别：应为：行政许可、非行政许可审批、其他在办事项 · one of permit")


def test_every_fault_of_an_item_is_about_a_column():
    """Those that name what is missing are put under the names of it."""
    by_name = {"ITEM_INCOMPLETE", "NOBODY_RESPONSIBLE"}
    faults = {
        each.code
        for each in vars(checks).values()
        if isinstance(each, type) and issubclass(each, Refusal) and each.__module__ == checks.__name__
    }
    assert faults - by_name - {"NOT_ONLINE"} <= file_problems._COLUMN_OF.keys()
    assert all(sheet.column(field) for sheet, field in file_problems._COLUMN_OF.values())


def test_what_is_said_twice_or_against_itself_is_told():
    def spoil(book: Workbook) -> None:
        last = book["事项"].max_row
        cell(book, "事项", last, "事项编码").value = FIRST.code
        cell(book, "阶段", 2, "没有申请资料").value = "是"
        cell(book, "阶段", 4, "阶段编码").value = cell(book, "阶段", 3, "阶段编码").value
        cell(book, "环节", 2, "序列").value = 3  # there is no third branch

    found = problems(changed(spoil))
    assert ("事项", 1 + len(items()), "事项编码", "ITEM_TWICE") in found
    assert ("阶段", 2, "没有申请资料", "ROWS_CONTRADICT") in found
    assert ("阶段", 2, "序列", "LINE_UNKNOWN") in found
    assert [each[:2] for each in found if each[3] == "STAGE_TWICE"] == [("阶段", 3), ("阶段", 4)]


def test_a_level_of_somebody_who_does_not_approve_is_told_by_its_row():
    def spoil(book: Workbook) -> None:
        cell(book, "环节", 2, "审批层级").value = "窗口人员"

    assert problems(changed(spoil, FIRST)) == [("环节", 2, "审批层级", "LEVEL_UNKNOWN")]


def test_a_list_of_definitions_is_told_by_its_number_and_path():
    sound = msgspec.to_builtins(FIRST)
    mistaken = {**sound, "stages": [{**sound["stages"][0], "materials": [{"nmae": "申请表"}]}]}
    longer = {**sound, "code": "ZJ-XK-008", "stages": [{**sound["stages"][0], "code": "ZJ-XK-008-01"}]}
    longer["stages"][0] |= {"committed_limit_days": 99}
    document = json.dumps([sound, mistaken, longer, sound], default=str).encode()
    assert problems(document) == [
        ("", 2, "$.stages[0].materials[0]", "ITEM_MALFORMED"),
        ("", 4, "code", "ITEM_TWICE"),
        ("", 3, "ZJ-XK-008-01 committed_limit_days", "COMMITTED_OVER_STATUTORY"),
    ]


def test_dates_and_numbers_that_excel_made_of_them_are_understood():
    def typed(book: Workbook) -> None:
        cell(book, "事项", 2, "公开电话").value = 8801001
        cell(book, "阶段", 2, "法定时限").value = 7.0
        cell(book, "阶段", 2, "承诺时限").value = "3"

    reading = read(changed(typed, FIRST), RULES)
    assert reading.problems == []
    assert reading.items[0].phone == "8801001"
    assert (reading.items[0].stages[0].statutory_limit_days, reading.items[0].stages[0].committed_limit_days) == (7, 3)


# ---------------------------------------------------------------------------------------------------- hostile files
def repacked(change: Callable[[str, bytes], bytes], **more: bytes) -> bytes:
    """The seed's workbook with its members changed, and more of them."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(as_excel([FIRST]))) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in more.items():
            new.writestr(name, content, compress_type=zipfile.ZIP_DEFLATED)
    return file.getvalue()


def only(document: bytes) -> str:
    reading = read(document, RULES)
    assert reading.items == []
    (problem,) = reading.problems
    assert (problem.sheet, problem.row) == ("", 0)
    return problem.code


@pytest.mark.parametrize(
    "document",
    [
        b"PK\x03\x04 not really",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an .xls of old",
        b"[1, 2",
        as_excel([FIRST])[:-40],
        repacked(lambda name, content: b"<oops" if name.endswith("workbook.xml") else content),
    ],
)
def test_a_file_that_is_no_whole_file_is_refused(document):
    assert only(document) == "FILE_UNREADABLE"


def test_a_bomb_is_weighed_before_it_is_unpacked():
    bomb = repacked(lambda _, content: content, **{"xl/worksheets/more.xml": b" " * (101 * 1024 * 1024)})
    assert len(bomb) < 1024 * 1024
    assert only(bomb) == "FILE_TOO_LARGE"
    many = repacked(lambda _, content: content, **{f"xl/{number}": b"" for number in range(501)})
    assert only(many) == "FILE_TOO_LARGE"


@pytest.mark.parametrize("member", ["xl/vbaProject.bin", "xl/externalLinks/externalLink1.xml", "xl/embeddings/a.bin"])
def test_macros_links_and_embedded_objects_are_refused(member):
    assert only(repacked(lambda _, content: content, **{member: b"x"})) == "FILE_ACTIVE"
    enabled = repacked(
        lambda name, content: (
            content.replace(b"sheet.main+xml", b"sheet.macroEnabled.main+xml")
            if name == "[Content_Types].xml"
            else content
        )
    )
    assert only(enabled) == "FILE_ACTIVE"


def test_entities_are_not_expanded():
    laughs = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'
    assert only(repacked(lambda name, content: laughs if "sheet1" in name else content)) == "FILE_UNREADABLE"


def test_a_hundred_thousand_rows_are_not_read():
    row = '<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>ZJ-XK-001-01</t></is></c></row>'
    rows = "".join(row.format(n=number) for number in range(2, 100_002)).encode()
    place = list(sheets.SHEETS).index(sheets.FEES) + 1
    long = repacked(
        lambda name, content: (
            content.replace(b"</sheetData>", rows + b"</sheetData>") if f"sheet{place}." in name else content
        )
    )
    assert problems(long) == [(sheets.FEES.name, 0, "", "SHEET_TOO_LONG")]


def test_sheets_and_columns_of_other_names_are_told():
    def spoil(book: Workbook) -> None:
        book["收费"].title = "费用"
        cell(book, "会办", 1, "会办时限").value = "期限"
        cell(book, "一件事", 1, "事项编码").value = "套餐编码"

    assert sorted(problems(changed(spoil, FIRST))) == [
        ("一件事", 1, "事项编码", "COLUMN_MISSING"),
        ("一件事", 1, "套餐编码", "COLUMN_TWICE"),
        ("会办", 1, "会办时限", "COLUMN_MISSING"),
        ("会办", 1, "期限", "COLUMN_UNKNOWN"),
        ("收费", 0, "", "SHEET_MISSING"),
        ("费用", 0, "", "SHEET_UNKNOWN"),
    ]
    assert [each[3] for each in problems(saved(Workbook()))] == ["SHEET_UNKNOWN", *["SHEET_MISSING"] * 8]


def test_a_sheet_that_lies_about_its_size_is_read_all_the_same():
    small = repacked(
        lambda name, content: content.replace(b'ref="A1:', b'ref="A1" x="') if "sheet" in name else content
    )
    assert read(small, RULES).items == [FIRST]


def test_no_octet_turned_over_brings_the_reader_down():
    chance = random.Random(20261122)
    sound = as_excel([FIRST])
    for _ in range(60):
        broken = bytearray(sound)
        for _ in range(chance.randint(1, 12)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        reading = read(bytes(broken), RULES)
        assert reading.items or reading.problems


def test_the_roles_of_levels_are_shown_as_people_call_them():
    book = load_workbook(io.BytesIO(as_excel([FIRST])))
    shown = [row[2].value for row in book["环节"].iter_rows(min_row=2)]
    assert shown == ["承办人", "科室负责人", "分管领导"]
    assert FIRST.stages[0].levels[0].role is Role.HANDLER
