"""The standard for other programs: one JSON Schema per table, one XSD for all, made from the structs.

Both say of a row's form what `reading` says, and are tested to. What no schema can say (check digits, order, working
days) is in `rules`.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Any
from xml.sax.saxutils import quoteattr

import msgspec
from msgspec import Struct
from msgspec import inspect as shape
from msgspec.structs import replace

from ferry.exchange.codes import NAMES, Table
from ferry.exchange.reading import NAMESPACE
from ferry.exchange.standard import STANDARD, TABLES, Envelope

Schema = dict[str, Any]  # as JSON Schema is: free in depth


class Column(Struct, frozen=True, kw_only=True):
    """A column as people and schemas want to know it. `codes`: its list, if it has one."""

    name: str
    zh: str
    kind: str  # text, list, integer, boolean, instant, date, code, constant
    required: bool
    most: int | None = None
    least: int | None = None
    pattern: str | None = None
    note: str = ""
    codes: type[StrEnum] | None = None
    constant: str = ""
    item: "Column | None" = None


@cache
def columns(struct: type[Struct]) -> tuple[Column, ...]:
    """The columns of an envelope or a payload, in order; a profile asks for them at every row."""
    return tuple(
        _column(field.encode_name, shape.type_info(field.type), required=field.required)
        for field in msgspec.structs.fields(struct)
    )


def _column(name: str, kind: shape.Type, *, required: bool) -> Column:
    title, note = "", ""
    while isinstance(kind, shape.Metadata | shape.UnionType):
        if isinstance(kind, shape.UnionType):
            kind = next(each for each in kind.types if not isinstance(each, shape.NoneType))
        else:
            said = kind.extra_json_schema or {}
            title, note = title or str(said.get("title", "")), note or str(said.get("description", ""))
            kind = kind.type
    bare = Column(name=name, zh=title, note=note, required=required, kind="")
    match kind:
        case shape.StrType(max_length=most, min_length=least, pattern=pattern):
            return replace(bare, kind="text", most=most, least=least or 0, pattern=pattern)
        case shape.IntType(ge=least, le=most):
            return replace(bare, kind="integer", most=most, least=least)
        case shape.BoolType():
            return replace(bare, kind="boolean")
        case shape.DateTimeType():
            return replace(bare, kind="instant")
        case shape.DateType():
            return replace(bare, kind="date")
        case shape.EnumType(cls=cls) if issubclass(cls, StrEnum):
            return replace(bare, kind="code", codes=cls)
        case shape.LiteralType(values=(value,)):
            return replace(bare, kind="constant", constant=str(value))
        case shape.VarTupleType(item_type=inner, max_length=most, min_length=least):
            return replace(bare, kind="list", most=most, least=least, item=_column("item", inner, required=True))
        case _:
            raise TypeError(f"no schema for {name}: {kind}")


# -------------------------------------------------------------------------------------------------------- JSON Schema
def json_schema(table: Table) -> Schema:
    """JSON Schema 2020-12 of one row of `table`."""
    envelope = {column.name: _json(column) for column in columns(Envelope)}
    envelope["table"] = {"title": "数据表", "const": str(table)}
    payload = columns(TABLES[table].struct)
    envelope["payload"] = {
        "type": "object",
        "properties": {column.name: _json(column) for column in payload},
        "required": [column.name for column in payload if column.required],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{STANDARD.replace('/', ':')}:{table}:{TABLES[table].version}",
        "title": dict(zip(Table, NAMES[Table][1], strict=True))[table],
        "type": "object",
        "properties": envelope,
        "required": [*(column.name for column in columns(Envelope) if column.required), "payload"],
        "additionalProperties": False,
    }


def _json(column: Column) -> Schema:
    """A column that need not be there may be null as well."""
    said = _json_kind(column)
    if not column.required and column.kind not in ("integer", "boolean", "constant"):
        said = {"anyOf": [said, {"type": "null"}]}
    head: Schema = {"title": column.zh} if column.zh else {}
    if column.note:
        head["description"] = column.note
    return {**head, **said}


def _json_kind(column: Column) -> Schema:
    match column.kind:
        case "text":
            said: Schema = {"type": "string", "minLength": column.least or 0, "maxLength": column.most}
            return said | ({"pattern": column.pattern} if column.pattern else {})
        case "integer":
            return {"type": "integer", "minimum": column.least, "maximum": column.most}
        case "boolean":
            return {"type": "boolean"}
        case "instant":
            return {"type": "string", "format": "date-time", "pattern": _INSTANT_JSON}
        case "date":
            return {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
        case "code":
            assert column.codes is not None
            return {"enum": [str(code) for code in column.codes]}
        case "constant":
            return {"const": int(column.constant) if column.constant.isdigit() else column.constant}
        case _:
            assert column.item is not None
            return {
                "type": "array",
                "items": _json(column.item),
                "minItems": column.least or 0,
                "maxItems": column.most,
            }


_INSTANT_JSON = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})$"


# ---------------------------------------------------------------------------------------------------------------- XSD
def xsd() -> str:
    """XML Schema 1.0 of a file of rows: an element per table, its columns in any order."""
    return "\n".join(_xsd()) + "\n"


def _xsd() -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{NAMESPACE}"'
    yield f'  targetNamespace="{NAMESPACE}" elementFormDefault="qualified">'
    yield '  <xs:element name="rows"><xs:complexType><xs:choice minOccurs="0" maxOccurs="unbounded">'
    for table in Table:
        yield f'    <xs:element name="{table}" type="{table}"/>'
    yield "  </xs:choice></xs:complexType></xs:element>"
    for table in Table:
        yield f'  <xs:complexType name="{table}"><xs:all>'
        for column in columns(Envelope):
            if column.name != "table":  # the element's own name
                yield from _element(column)
        yield '    <xs:element name="payload"><xs:complexType><xs:all>'
        for column in columns(TABLES[table].struct):
            yield from _element(column)
        yield "    </xs:all></xs:complexType></xs:element>"
        yield "  </xs:all></xs:complexType>"
    yield "</xs:schema>"


def _element(column: Column) -> Iterator[str]:
    least = "" if column.required else ' minOccurs="0"'
    note = quoteattr(column.zh) if column.zh else ""
    head = f'      <xs:element name="{column.name}"{least}'
    if column.kind == "list":
        assert column.item is not None
        assert column.most is not None
        yield f"{head}><xs:complexType><xs:sequence>"
        inner = "".join(_simple(column.item))
        often = f'minOccurs="{column.least}" maxOccurs="{column.most}"'
        yield f'        <xs:element name="item" {often}>{inner}</xs:element>'
        yield "      </xs:sequence></xs:complexType></xs:element>"
    else:
        said = f"<xs:annotation><xs:documentation>{note[1:-1]}</xs:documentation></xs:annotation>" if note else ""
        yield f"{head}>{said}{''.join(_simple(column))}</xs:element>"


def _simple(column: Column) -> Iterator[str]:
    base, facets = _facets(column)
    yield f'<xs:simpleType><xs:restriction base="xs:{base}">'
    for name, value in facets:
        yield f"<xs:{name} value={quoteattr(str(value))}/>"
    yield "</xs:restriction></xs:simpleType>"


def _facets(column: Column) -> tuple[str, list[tuple[str, object]]]:
    match column.kind:
        case "text":
            pattern = [("pattern", column.pattern.strip("^$"))] if column.pattern else []
            return "string", [("minLength", column.least or 0), ("maxLength", column.most), *pattern]
        case "integer":
            return "integer", [("minInclusive", column.least), ("maxInclusive", column.most), ("pattern", "-?[0-9]+")]
        case "boolean":
            return "boolean", []
        case "instant":
            return "dateTime", [("pattern", ".*(Z|[+-][0-9]{2}:[0-9]{2})")]
        case "date":
            return "date", [("pattern", "[0-9]{4}-[0-9]{2}-[0-9]{2}")]
        case "code":
            assert column.codes is not None
            return "string", [("enumeration", str(code)) for code in column.codes]
        case _:
            return "string", [("enumeration", column.constant)]
