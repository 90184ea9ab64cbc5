"""The catalogue as one file, JSON or Excel: what is exported can be imported again and says exactly the same.

A file is judged as a whole: everything wrong with it is told at once, each with its sheet, row, column, stable code
and sentences, so that whoever keeps the catalogue in a workbook mends it in one go. JSON holds a list of definitions;
Excel the sheets of `sheets`. Secret items are in no file that leaves here.

Limits: pure. What the directory and the history of the catalogue say (an unknown unit, a retired code) is asked where
they are (`publishing.standing_problems`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from casework.catalogue import sheets
from casework.catalogue.checks import check
from casework.catalogue.definitions import ItemDefinition, ItemMalformed, parse
from casework.catalogue.file_problems import Place, Problem, Reading
from casework.catalogue.rows import items_in, tables_of
from casework.catalogue.workbooks import MAX_OCTETS, MAX_ROWS, CatalogueFileRefused, opened, written
from casework.rules import CaseworkRules

_ZIP, _OLE = b"PK", b"\xd0\xcf\x11\xe0"


def read(document: bytes, rules: CaseworkRules) -> Reading:
    """Reads and judges a file of either form, told apart by its octets."""
    reading = Reading()
    try:
        if document[:2] == _ZIP:
            items_in(opened(document), reading)
        else:
            _read_json(document, reading)
    except CatalogueFileRefused as refused:
        reading.problems.append(_whole(refused.code, refused.zh, refused.en))
        return reading
    codes = Counter(item.code for item in reading.items)
    for item in reading.items:
        if codes[item.code] > 1:
            reading.problems.append(_twice(reading.places, item.code))
            codes[item.code] = 1
        for refusal in check(item, rules):
            reading.blame(item, refusal)
    return reading


def _read_json(document: bytes, reading: Reading) -> None:
    """A list of definitions, or a single one. Numbers in the list stand for rows."""
    if document[:4] == _OLE:
        raise CatalogueFileRefused("FILE_UNREADABLE", "请另存为.xlsx格式", "is an old .xls; save it as .xlsx")
    if len(document) > MAX_OCTETS:
        raise CatalogueFileRefused(
            "FILE_TOO_LARGE", f"文件超过{MAX_OCTETS >> 20}MB", f"larger than {MAX_OCTETS >> 20} MB"
        )
    for number, definition in enumerate(definitions(document), 1):
        try:
            item = parse(definition)
        except ItemMalformed as malformed:
            why = str(malformed.details.get("why", ""))
            path = why.rpartition(" - at ")[2].strip("`") if " - at " in why else ""
            problem = Problem(
                sheet="", row=number, column=path, code=malformed.code, text=malformed.text, text_en=malformed.text_en
            )
            reading.problems.append(problem)
            continue
        reading.items.append(item)
        reading.places.append(Place("", number, item.code))


def definitions(document: bytes) -> list[bytes]:
    """The definitions of a JSON file as it spells them. Raises CatalogueFileRefused for a list that cannot be read."""
    text = document.removeprefix(b"\xef\xbb\xbf").strip()
    if not text.startswith(b"["):
        return [text]
    try:
        found = [bytes(each) for each in msgspec.json.decode(text, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CatalogueFileRefused("FILE_UNREADABLE", "文件不是完整的JSON", f"is no whole JSON: {error}") from None
    if len(found) > MAX_ROWS:
        raise CatalogueFileRefused("FILE_TOO_LARGE", f"超过{MAX_ROWS}项", f"more than {MAX_ROWS} items")
    return found


def _twice(places: Sequence[Place], code: str) -> Problem:
    rows = [place for place in places if place.of == code]
    sheet, row = (rows[-1].sheet, rows[-1].row) if rows else ("", 0)
    zh, en = f"事项{code}在文件中出现多次", f"item {code} is in the file more than once"
    column = sheets.ITEMS.column("code") if sheet else "code"
    return Problem(sheet=sheet, row=row, column=column, code="ITEM_TWICE", text=zh, text_en=en, item=code)


def _whole(code: str, zh: str, en: str) -> Problem:
    return Problem(sheet="", row=0, column="", code=code, text=zh, text_en=f"the file {en}")


def as_json(items: Iterable[ItemDefinition]) -> bytes:
    """A list of definitions, one after the other, in the order given. Secret items are left out."""
    return msgspec.json.format(msgspec.json.encode(_open(items)), indent=1) + b"\n"


def as_excel(items: Iterable[ItemDefinition]) -> bytes:
    """The same as a workbook. Secret items are left out."""
    return written(tables_of(_open(items)))


def _open(items: Iterable[ItemDefinition]) -> list[ItemDefinition]:
    return [item for item in items if not item.secret]
