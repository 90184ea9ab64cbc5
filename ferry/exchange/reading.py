"""Rows read from lines of JSON or from XML, with every column that is wrong named, not only the first.

A row that keeps to the standard is decoded once. Only a row that does not is looked at column by column. XML is read as
a stream; document types, entities and foreign files are refused by the parser.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import IO
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse
from msgspec import Struct
from msgspec import inspect as shape
from msgspec.structs import FieldInfo

from ferry.exchange.codes import Table
from ferry.exchange.payloads import Payload
from ferry.exchange.standard import MAX_ROW_OCTETS, TABLES, Envelope, Read, decode

NAMESPACE = "urn:case-exchange:1"
#: From this length a column is prose, and may have lines.
_PROSE = 500


class Finding(Struct, frozen=True):
    """One thing that is wrong: the code, and the column if it is one column's."""

    code: str
    column: str = ""


class Seen(Struct, frozen=True, kw_only=True):
    """A row of a file: `line` from 1; `read` is None when its form is wrong. `rid` as far as it could be read."""

    line: int
    rid: str
    read: Read | None = None
    findings: tuple[Finding, ...] = ()


class RowsUnreadable(Exception):
    """The file as a whole is no rows: what XML's parser said, without what it had read."""


def from_line(octets: bytes, line: int) -> Seen:
    """One line of JSON."""
    if len(octets) > MAX_ROW_OCTETS:
        return Seen(line=line, rid="", findings=(Finding("ROW_TOO_LARGE"),))
    try:
        read = decode(octets)
        if _is_plainly_clean(octets) or not _unclean_of(read):
            return Seen(line=line, rid=read.envelope.rid, read=read)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass
    try:
        plain = msgspec.json.decode(octets)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        plain = None
    return from_plain(plain, line)


def from_plain(plain: object, line: int, *, as_text: bool = False) -> Seen:
    """`as_text`: every value is text, as in XML."""
    if not isinstance(plain, dict):
        return Seen(line=line, rid="", findings=(Finding("ROW_UNREADABLE"),))
    rid = plain.get("rid")
    findings = _faults_of(plain, Envelope, as_text, apart="payload")
    inner, table = plain.get("payload"), plain.get("table")
    if inner is None:
        findings.append(Finding("COLUMN_MISSING", "payload"))
    elif not isinstance(inner, dict):
        findings.append(Finding("ROW_UNREADABLE", "payload"))
    elif isinstance(table, str) and table in set(Table):
        findings += _faults_of(inner, TABLES[Table(table)].struct, as_text)
    shown = rid if isinstance(rid, str) and len(rid) <= 64 else ""
    if findings:
        return Seen(line=line, rid=shown, findings=tuple(findings))
    envelope = msgspec.convert(_without(plain), Envelope, strict=not as_text)
    payload: Payload = msgspec.convert(inner, TABLES[envelope.table].struct, strict=not as_text)
    return Seen(line=line, rid=shown, read=Read(envelope=envelope, payload=payload))


def lines_of(source: IO[bytes]) -> Iterator[Seen]:
    """The rows of a file of lines; empty lines count, and are nothing."""
    number = 0
    while octets := source.readline(MAX_ROW_OCTETS + 2):
        number += 1
        whole = octets.endswith(b"\n") or len(octets) < MAX_ROW_OCTETS + 2
        while not whole and (more := source.readline(MAX_ROW_OCTETS)):
            whole = more.endswith(b"\n")
        if octets := octets.rstrip(b"\r\n"):
            yield from_line(octets, number)


def elements_of(source: IO[bytes]) -> Iterator[Seen]:
    """The rows of an XML file; `line` is the number of the row. Raises RowsUnreadable."""
    number, depth = 0, 0
    root: Element | None = None
    try:
        for event, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
            depth += 1 if event == "start" else -1
            if event == "start" and depth == 1:
                if element.tag != f"{{{NAMESPACE}}}rows":
                    raise RowsUnreadable("the root element is not rows of case-exchange/1")
                root = element
            elif event == "end" and depth == 1 and root is not None:
                number += 1
                yield from_plain(_row_of(element), number, as_text=True)
                root.clear()
    except (ParseError, DefusedXmlException, ValueError) as broken:
        raise RowsUnreadable(type(broken).__name__) from None


def _row_of(element: Element) -> dict[str, object]:
    """The element's name is the table; what is said twice is unknown the second time."""
    row: dict[str, object] = {"table": _local(element)}
    for child in element:
        _enter(row, child, _columns_of(child) if _local(child) == "payload" else child.text or "")
    return row


def _columns_of(payload: Element) -> dict[str, object]:
    columns: dict[str, object] = {}
    for child in payload:
        _enter(columns, child, [item.text or "" for item in child] if len(child) else child.text or "")
    return columns


def _enter(into: dict[str, object], child: Element, value: object) -> None:
    name = _local(child)
    into[name if name not in into else f"{name}:2"] = value


def _local(element: Element) -> str:
    """The name in our namespace; any other keeps its own, which no column has."""
    return element.tag.removeprefix(f"{{{NAMESPACE}}}")


def _without(plain: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in plain.items() if name != "payload"}


# -------------------------------------------------------------------------------------------------- column by column
def _faults_of(plain: dict[str, object], struct: type[Struct], as_text: bool, *, apart: str = "") -> list[Finding]:
    fields = _fields(struct)
    found = [Finding("COLUMN_UNKNOWN", str(name)[:60]) for name in plain if name not in fields and name != apart]
    for name, field in fields.items():
        if name not in plain:
            if field.required:
                found.append(Finding("COLUMN_MISSING", name))
            continue
        try:
            msgspec.convert(plain[name], field.type, strict=not as_text)
        except msgspec.ValidationError:
            found.append(Finding(_code_of(plain[name], shape.type_info(field.type)), name))
        else:
            if _is_unclean(plain[name], field.type):
                found.append(Finding("TEXT_UNCLEAN", name))
    return found


@cache
def _fields(struct: type[Struct]) -> Mapping[str, FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def _code_of(value: object, kind: shape.Type) -> str:
    """Which rule of a column the value breaks."""
    while isinstance(kind, shape.Metadata):
        kind = kind.type
    match kind:
        case shape.UnionType(types=types):
            return _code_of(value, next(each for each in types if not isinstance(each, shape.NoneType)))
        case shape.EnumType() | shape.LiteralType():
            return "CODE_UNKNOWN"
        case shape.StrType(max_length=most) if isinstance(value, str) and most is not None and len(value) > most:
            return "TEXT_TOO_LONG"
        case shape.IntType() | shape.BoolType():
            return "NUMBER_UNFIT"
        case shape.DateTimeType() | shape.DateType():
            return "TIME_UNFIT"
        case shape.VarTupleType(item_type=item) if isinstance(value, list) and value:
            return next((code for each in value if (code := _code_of(each, item)) != "TEXT_UNFIT"), "TEXT_UNFIT")
        case _:
            return "TEXT_UNFIT"


# ------------------------------------------------------------------------------------------------------- clean texts
def _is_plainly_clean(octets: bytes) -> bool:
    """Most rows: nothing escaped and everything printable, so no column need be looked at."""
    if b"\\" in octets:
        return False
    text = octets.decode()
    return text.isprintable() and unicodedata.is_normalized("NFC", text)


def _unclean_of(read: Read) -> list[str]:
    return [
        name
        for struct in (read.envelope, read.payload)
        for name, field in _fields(type(struct)).items()
        if _is_unclean(getattr(struct, field.name), field.type)
    ]


def _is_unclean(value: object, kind: object) -> bool:
    """Control and format characters direct a terminal or turn the writing around; NFC: one spelling of one text."""
    if isinstance(value, list | tuple):
        return any(_is_unclean(each, str) for each in value)
    if not isinstance(value, str):
        return False
    if not unicodedata.is_normalized("NFC", value):
        return True
    if value.isprintable():
        return False
    allowed = "\n" if _is_prose(kind) else ""
    return any(
        char not in allowed and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        for char in value
    )


def _is_prose(kind: object) -> bool:
    info = shape.type_info(kind)
    types = info.types if isinstance(info, shape.UnionType) else (info,)
    plain = (each.type if isinstance(each, shape.Metadata) else each for each in types)
    return any(isinstance(each, shape.StrType) and (each.max_length or 0) >= _PROSE for each in plain)
