"""Items and the rows of a workbook: a definition taken apart into the sheets of `sheets`, and put together again.

Reading tells everything that is wrong with a row or a cell and leaves out the items it spoils; whether what could be
read may be published is judged by `exchange`.
Limits: pure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from casework.catalogue import sheets
from casework.catalogue.definitions import NONE, ItemDefinition
from casework.catalogue.file_problems import Place, Problem, Reading
from casework.catalogue.sheets import LINE_ABOVE, OWN_LINE, SHEETS, Column, Sheet, Wrong
from casework.catalogue.workbooks import MAX_ROWS, Row, Table, table

Values = dict[str, object]


def items_in(tables: Sequence[Table], reading: Reading) -> None:
    """Adds to `reading` the items of a workbook, where each stands, and what cannot be read."""
    _Workbook(reading).read(tables)


def tables_of(items: Iterable[ItemDefinition]) -> Iterator[Table]:
    """Every sheet with the rows of all `items`."""
    rows: dict[str, list[list[object]]] = {sheet.name: [] for sheet in SHEETS}
    for item in items:
        for sheet, values in _rows_of(item):
            rows[sheet.name].append([_cell(column, values) for column in sheet.columns])
    for sheet in SHEETS:
        yield table(sheet.name, [column.header for column in sheet.columns], rows[sheet.name])


# ---------------------------------------------------------------------------------------------------------- reading
class _Line(NamedTuple):
    """A sound row: the sheet it stands in, its number, and its values by field."""

    sheet: Sheet
    number: int
    values: Values


class _Workbook:
    """Puts items together from the rows of all sheets."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._spoilt: set[str] = set()  # codes of items and stages with a cell that cannot be read

    def read(self, tables: Sequence[Table]) -> None:
        by_name = {each.name: each for each in tables}
        for name in sorted(by_name.keys() - {sheet.name for sheet in SHEETS}):
            self._fault(name, 0, "", "SHEET_UNKNOWN", "目录文件中没有这个工作表", "is no sheet of a catalogue")
        lines = {sheet.name: self._lines(sheet, by_name.get(sheet.name)) for sheet in SHEETS}
        self._strays(lines)
        for item in lines[sheets.ITEMS.name]:
            self._item(item, lines)

    def _lines(self, sheet: Sheet, given: Table | None) -> list[_Line]:
        if given is None:
            self._fault(sheet.name, 0, "", "SHEET_MISSING", "缺少这个工作表", "the sheet is missing")
            return []
        if given.too_long:
            self._fault(sheet.name, 0, "", "SHEET_TOO_LONG", f"超过{MAX_ROWS}行", f"has more than {MAX_ROWS} rows")
        places = self._columns(sheet, given)
        return [self._line(sheet, row, places) for row in given.rows] if places else []

    def _columns(self, sheet: Sheet, given: Table) -> Mapping[str, int]:
        """Where each field's column is; nothing when one is missing, twice there or not known."""
        wanted, found = [column.header for column in sheet.columns], Counter(given.header)
        sound = True
        for header in dict.fromkeys([*wanted, *given.header]):
            if header in wanted and found[header] == 1:
                continue
            sound = False
            if header not in wanted:
                fault = ("COLUMN_UNKNOWN", "表头中有不认识的列", "is no column of this sheet")
            elif found[header]:
                fault = ("COLUMN_TWICE", "表头中这一列重复", "the column is there twice")
            else:
                fault = ("COLUMN_MISSING", "表头中缺少这一列", "the column is missing")
            self._fault(sheet.name, 1, header, *fault)
        return {column.field: given.header.index(column.header) for column in sheet.columns} if sound else {}

    def _line(self, sheet: Sheet, row: Row, places: Mapping[str, int]) -> _Line:
        values: Values = {}
        spoilt = False
        for column in sheet.columns:
            cell = row.cells[places[column.field]]
            try:
                if cell.formula:
                    raise Wrong("不能是公式，请粘贴为数值", "a value, not a formula")
                if cell.value is not None or not _is_part(column):
                    values[column.field] = _value(column, cell.value)
            except Wrong as wrong:
                spoilt = True
                self._fault(sheet.name, row.number, column.header, "CELL_INVALID", wrong.zh, wrong.en)
        if spoilt:
            self._spoilt |= {str(values.get(key)) for key in ("item", "code", "stage", "package") if key in values}
        return _Line(sheet, row.number, values)

    def _strays(self, lines: Mapping[str, list[_Line]]) -> None:
        """Rows that belong to an item or stage that the file does not have."""
        items = {str(line.values.get("code")) for line in lines[sheets.ITEMS.name]}
        stages = {str(line.values.get("code")) for line in lines[sheets.STAGES.name]}
        owners = {sheets.STAGES.name: ("item", items), sheets.PARTS.name: ("package", items)}
        for sheet in SHEETS[1:]:
            key, known = owners.get(sheet.name, ("stage", stages))
            for line in lines[sheet.name]:
                if key in line.values and line.values[key] not in known:
                    zh = f"文件中没有{line.values[key] or '空的编码'}"
                    en = f"there is no {line.values[key]!r} in the file"
                    self._fault(sheet.name, line.number, sheet.column(key), "OWNER_UNKNOWN", zh, en)
        twice = Counter(str(line.values.get("code")) for line in lines[sheets.STAGES.name])
        for line in lines[sheets.STAGES.name]:
            code = str(line.values.get("code"))
            if twice[code] > 1:
                header = sheets.STAGES.column("code")
                self._fault(sheets.STAGES.name, line.number, header, "STAGE_TWICE", f"阶段{code}重复", "is there twice")

    def _item(self, line: _Line, lines: Mapping[str, list[_Line]]) -> None:
        code = str(line.values.get("code", ""))
        self._reading.places.append(Place(sheets.ITEMS.name, line.number, code))
        item = _nested(line.values)
        stages = [self._stage(each, lines) for each in lines[sheets.STAGES.name] if each.values.get("item") == code]
        item["stages"] = stages
        item["package"] = [
            _without(part.values, "package") for part in lines[sheets.PARTS.name] if part.values.get("package") == code
        ]
        if code in self._spoilt or any(str(stage.get("code")) in self._spoilt for stage in stages):
            return
        try:
            self._reading.items.append(msgspec.convert(item, ItemDefinition))
        except msgspec.ValidationError as error:
            self._fault(sheets.ITEMS.name, line.number, "", "ITEM_MALFORMED", "这一行无法组成事项", str(error))

    def _stage(self, line: _Line, lines: Mapping[str, list[_Line]]) -> Values:
        code = str(line.values.get("code", ""))
        self._reading.places.append(Place(sheets.STAGES.name, line.number, code))
        stage = _nested(_without(line.values, "item"))

        def of(sheet: Sheet) -> list[Values]:
            mine = [each for each in lines[sheet.name] if each.values.get("stage") == code]
            for each in mine:
                name = str(each.values.get("name", each.values.get("role", "")))
                self._reading.places.append(Place(sheet.name, each.number, code, name))
            return [_without(each.values, "stage") for each in mine]

        for key, sheet in (("materials", sheets.MATERIALS), ("fees", sheets.FEES)):
            rows, none = of(sheet), stage.pop(key, False)
            if none and rows:
                header = sheets.STAGES.column(key)
                zh, en = f"写明没有，{sheet.name}中却有{len(rows)}行", f"says none, but {sheet.name} has rows"
                self._fault(sheets.STAGES.name, line.number, header, "ROWS_CONTRADICT", zh, en)
            stage[key] = NONE if none else rows
        levels: dict[object, list[Values]] = {}
        for level in of(sheets.LEVELS):
            levels.setdefault(level.pop("line", OWN_LINE), []).append(level)
        stage["levels"] = levels.pop(OWN_LINE, [])
        stage["branches"] = [
            {**branch, "levels": levels.pop(number, [])} for number, branch in enumerate(of(sheets.BRANCHES), 1)
        ]
        above = levels.pop(LINE_ABOVE, [])
        if isinstance(report := stage.get("report_up"), dict):
            report["levels"] = above
        if levels or (above and "report_up" not in stage):
            header = sheets.LEVELS.column("line")
            zh = "环节的序列没有对应的会办或者上报"
            en = "levels stand in a line that the stage does not have"
            self._fault(sheets.STAGES.name, line.number, header, "LINE_UNKNOWN", zh, en)
        if texts := of(sheets.FORMS):
            stage["form"] = self._form(line, "".join(str(text.get("text", "")) for text in texts))
        return stage

    def _form(self, line: _Line, text: str) -> object:
        try:
            return msgspec.json.decode(text, type=dict[str, object])
        except msgspec.DecodeError as error:
            header = sheets.FORMS.column("text")
            self._fault(sheets.FORMS.name, line.number, header, "CELL_INVALID", "表单不是JSON对象", str(error))
            return None

    def _fault(self, sheet: str, row: int, column: str, code: str, zh: str, en: str) -> None:
        self._reading.problems.append(Problem(sheet=sheet, row=row, column=column, code=code, text=zh, text_en=en))


def _is_part(column: Column) -> bool:
    return "." in column.field


def _value(column: Column, cell: object) -> object:
    if cell is None and column.form in (sheets.INTEGER, sheets.YES_NO):
        raise Wrong("不能为空", "must not be empty")
    return column.form.read(cell)


def _nested(values: Values) -> Values:
    """`licence.name` into a licence of its own."""
    nested: Values = {}
    for key, value in values.items():
        outer, dot, inner = key.partition(".")
        if not dot:
            nested[key] = value
            continue
        part = nested.setdefault(outer, {})
        if isinstance(part, dict):
            part[inner] = value
    return nested


def _without(values: Values, key: str) -> Values:
    return {name: value for name, value in values.items() if name != key}


# ---------------------------------------------------------------------------------------------------------- writing
def _rows_of(item: ItemDefinition) -> Iterator[tuple[Sheet, Values]]:
    """Every row that the item fills, as values by field."""
    yield sheets.ITEMS, _plain(item)
    for stage in item.stages:
        of_stage = {"stage": stage.code}
        none = {"materials": stage.materials == NONE, "fees": stage.fees == NONE}
        yield sheets.STAGES, {**_plain(stage), **none, "item": item.code}
        for material in () if stage.materials == NONE else stage.materials:
            yield sheets.MATERIALS, {**_plain(material), **of_stage}
        for fee in () if stage.fees == NONE else stage.fees:
            yield sheets.FEES, {**_plain(fee), **of_stage}
        lines = {OWN_LINE: stage.levels, LINE_ABOVE: stage.report_up.levels if stage.report_up else ()}
        for number, branch in enumerate(stage.branches, 1):
            yield sheets.BRANCHES, {**_plain(branch), **of_stage}
            lines[number] = branch.levels
        for number, levels in lines.items():
            for level in levels:
                yield sheets.LEVELS, {**_plain(level), **of_stage, "line": number}
        if stage.form is not None:
            text = msgspec.json.encode(stage.form).decode()
            for start in range(0, len(text), sheets.CELL):
                yield sheets.FORMS, {**of_stage, "text": text[start : start + sheets.CELL]}
    for part in item.package:
        yield sheets.PARTS, {**_plain(part), "package": item.code}


def _plain(value: msgspec.Struct) -> Values:
    """By field, with `licence.name` for what is nested."""
    flat: Values = {}
    for name, inner in msgspec.to_builtins(value).items():
        if isinstance(inner, dict) and name != "form":
            flat |= {f"{name}.{key}": each for key, each in inner.items()}
        else:
            flat[name] = inner
    return flat


def _cell(column: Column, values: Values) -> object:
    if column.field not in values:
        return None
    value = values[column.field]
    return None if value is None else column.form.write(value)
