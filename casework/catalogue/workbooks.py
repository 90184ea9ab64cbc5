"""Excel workbooks as tables of plain values: opened with distrust, written so that nothing in them runs.

A file from somewhere may be anything. It is weighed before it is unpacked, must be a plain workbook without macros,
links or embedded objects, and its XML is parsed without entities; a formula is not a value, and is told as such.
Limits: .xlsx only; styles, comments and charts are not read.
"""

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import defusedxml  # noqa: F401  openpyxl parses by it where it is installed: a machine without it shall not start
from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

MAX_OCTETS = 20 * 1024 * 1024
#: Of all members together, unpacked.
MAX_UNPACKED = 100 * 1024 * 1024
MAX_MEMBERS = 500
MAX_SHEETS = 32
MAX_ROWS = 20_000
MAX_COLUMNS = 48

#: Parts of a workbook that are no data.
_ACTIVE = ("vbaproject", "vbadata", "externallinks/", "embeddings/", "activex/", "macrosheets/", "dialogsheets/")
#: What the libraries answer a broken file with.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    SyntaxError,  # how ElementTree and lxml, whichever openpyxl finds, call broken XML
    InvalidFileException,
    ValueError,  # defusedxml's too
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    RuntimeError,
)


class Cell(NamedTuple):
    """`formula`: `value` is one, and was not worked out."""

    value: object
    formula: bool = False


_EMPTY = Cell(None)


class Row(NamedTuple):
    """`number` as Excel counts it."""

    number: int
    cells: tuple[Cell, ...]


class Table(NamedTuple):
    """One sheet: the texts of its first row, and the rows below that hold anything. `too_long`: there are
    more than anybody wants to read, and none is given.
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    too_long: bool = False


class CatalogueFileRefused(ValueError):
    """The file is not read at all; the code and both sentences say why."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.code, self.zh, self.en = code, zh, en


def opened(document: bytes) -> list[Table]:
    """Every sheet of the workbook. Raises CatalogueFileRefused."""
    try:
        _weigh(document)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            book = load_workbook(io.BytesIO(document), read_only=True, keep_links=False)
            if len(book.worksheets) > MAX_SHEETS:
                raise _too_large(f"工作表超过{MAX_SHEETS}张", f"more than {MAX_SHEETS} sheets")
            # The size that a sheet claims to have is the sheet's own word.
            return [
                _table(sheet.title, sheet.iter_rows(min_row=1, max_row=MAX_ROWS + 2, min_col=1, max_col=MAX_COLUMNS))
                for sheet in book.worksheets
            ]
    except CatalogueFileRefused:
        raise
    except _UNREADABLE:
        raise CatalogueFileRefused(
            "FILE_UNREADABLE", "文件损坏或者不是Excel工作簿（.xlsx）", "is damaged, or no Excel workbook (.xlsx)"
        ) from None


def written(tables: Iterable[Table]) -> bytes:
    """A workbook of these sheets; row numbers are given anew. A text stays a text, whatever it begins with."""
    book = Workbook(write_only=True)
    for table in tables:
        sheet = book.create_sheet(table.name)
        sheet.freeze_panes = "A2"
        for number, title in enumerate(table.header, 1):
            sheet.column_dimensions[get_column_letter(number)].width = max(12, min(60, 2 * len(title) + 8))
        heading = [WriteOnlyCell(sheet, title) for title in table.header]
        for cell in heading:
            cell.font = Font(bold=True)
        sheet.append(heading)
        for row in table.rows:
            sheet.append([_cell(sheet, given.value) for given in row.cells])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


class _Read(Protocol):
    @property
    def value(self) -> object: ...
    @property
    def data_type(self) -> object: ...


def _weigh(document: bytes) -> None:
    """Refuses by the archive's own list what shall not be unpacked; the list binds, zipfile reads no more than it."""
    if len(document) > MAX_OCTETS:
        raise _too_large(f"文件超过{MAX_OCTETS >> 20}MB", f"larger than {MAX_OCTETS >> 20} MB")
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED:
            raise _too_large("解压后过大", "too large once unpacked")
        names = [member.filename.lower() for member in members]
        types = archive.read("[Content_Types].xml").lower() if "[content_types].xml" in names else b""
    if any(part in name for name in names for part in _ACTIVE) or b"macroenabled" in types:
        raise CatalogueFileRefused(
            "FILE_ACTIVE", "工作簿含有宏、外部链接或者嵌入对象", "holds macros, external links or embedded objects"
        )


def _too_large(zh: str, en: str) -> CatalogueFileRefused:
    return CatalogueFileRefused("FILE_TOO_LARGE", zh, en)


def _table(name: str, lines: Iterable[tuple[_Read, ...]]) -> Table:
    rows: list[Row] = []
    header: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        cells = tuple(_EMPTY if cell.value is None else Cell(cell.value, cell.data_type == "f") for cell in line)
        if number == 1:
            header = tuple("" if cell.value is None else str(cell.value).strip() for cell in cells)
        elif any(cell.value is not None for cell in cells):
            if number > MAX_ROWS + 1:
                return Table(name, _trimmed(header), (), too_long=True)
            rows.append(Row(number, cells))
    return Table(name, _trimmed(header), tuple(rows))


def _trimmed(header: tuple[str, ...]) -> tuple[str, ...]:
    used = [number for number, title in enumerate(header, 1) if title]
    return header[: max(used, default=0)]


def _cell(sheet: object, value: object) -> object:
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, value)  # type: ignore[arg-type]  # openpyxl's stubs know no write-only sheet
    cell.data_type = "s"
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def table(name: str, header: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """A sheet to be written, of plain values."""
    return Table(name, tuple(header), tuple(_numbered(rows)))


def _numbered(rows: Iterable[Iterable[object]]) -> Iterator[Row]:
    for number, values in enumerate(rows, 2):
        yield Row(number, tuple(Cell(value) for value in values))
