"""The closed shape of a state: for each mirrored table a struct made of its columns, with the columns' own limits.

A state is one subject's rows, whole. It crosses in as many records as it takes, each below the limit of a record; a
text that is too long for one continues in `more`. A part is checked by itself, and nothing is written before all are
there. Sealed texts cross octet for octet: one whose characters no record may hold crosses in base 64, marked as such.
"""

import base64
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from tortoise import fields
from tortoise.fields.base import Field
from tortoise.models import Model

from casework.papers.printing import check_code
from casework.tables import Document
from ferry.zones.mirrored import KINDS, Mirrored, SameAs, Way
from kernel.chance import Secrets
from kernel.db import SqlValue

#: Characters of a text that stand in its row; longer ones continue in `more`, so much at a time.
HEAD_CHARS = 5000
#: Of the longest text at all, and of the longest encoded octets.
MAX_TEXT = 1_000_000
_MAX_OCTETS = 12 << 10
#: Encoded octets of rows in one part: with one row more still below the limit of a record.
PART_OCTETS = 20 << 10
MAX_PARTS = 4000
_MAX_LIST = 400
_CODED = "base64:"

_Int32 = Annotated[int, Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
_Int64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Text = Annotated[str, Meta(max_length=HEAD_CHARS)]
_Octets = Annotated[str, Meta(max_length=_MAX_OCTETS * 4 // 3 + 4)]
_Words = Annotated[tuple[Annotated[str, Meta(max_length=120)], ...], Meta(max_length=_MAX_LIST)]
_Subject = Annotated[str, Meta(max_length=100)]


class More(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The text of `column`, in the row of `table` with this `place`, goes on."""

    table: Annotated[str, Meta(max_length=40)]
    column: Annotated[str, Meta(max_length=40)]
    place: Annotated[int, Meta(ge=0, le=100_000)]
    text: _Text


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `parts` of a state. A struct of each kind adds a list of rows for each of its tables."""

    subject: _Subject
    revision: Annotated[int, Meta(ge=1, le=1 << 62)]
    part: Annotated[int, Meta(ge=1, le=MAX_PARTS)]
    parts: Annotated[int, Meta(ge=1, le=MAX_PARTS)]
    more: Annotated[tuple[More, ...], Meta(max_length=8)] = ()


#: A state: rows by table, each a struct of that table.
State = Mapping[str, Sequence[Struct]]


@cache
def part_of(kind: str) -> type[Part]:
    """The struct of the parts of a kind's states."""
    lists = [
        (each.name, Annotated[tuple[row_of(each), ...], Meta(max_length=1000)], ())  # type: ignore[misc]  # a type made at run time
        for each in KINDS[kind]
    ]
    made = msgspec.defstruct(
        f"{kind.title()}Part", lists, bases=(Part,), frozen=True, kw_only=True, forbid_unknown_fields=True
    )
    assert issubclass(made, Part)
    return made


@cache
def _row(name: str, columns: tuple[tuple[str, Any], ...]) -> type[Struct]:
    return msgspec.defstruct(f"{name}_row", list(columns), frozen=True, kw_only=True, forbid_unknown_fields=True)


def row_of(table: Mirrored) -> type[Struct]:
    """The struct of one row: the columns that cross, as narrow as the table has them."""
    known = table.model._meta.fields_map
    return _row(table.name, tuple((name, _type_of(known[name])) for name in table.crossing))


def told(table: Mirrored, row: Model, secrets: Secrets) -> Struct:
    """The row as it crosses."""
    values = {}
    for name in table.crossing:
        way, value = table.ways.get(name), getattr(row, name)
        if way is Way.THEIRS:
            value = -value
        elif way is Way.MASKED:
            value = _masked(value)
        elif way is Way.CHECK:
            assert isinstance(row, Document)
            value = check_code(secrets, row.number)
        values[name] = _plain(table.model._meta.fields_map[name], value, is_sealed=way is Way.SEALED)
    return row_of(table)(**values)


def written(table: Mirrored, row: Struct) -> tuple[SqlValue, ...]:
    """The values of all its columns as the table outside gets them, in the order of `columns_of`."""
    known = table.model._meta.fields_map
    values: list[SqlValue] = [_stored(known[name], getattr(row, name)) for name in table.crossing]
    for neutral in table.withheld.values():
        values.append(getattr(row, neutral.column) if isinstance(neutral, SameAs) else neutral)
    return tuple(values)


def columns_of(table: Mirrored) -> tuple[str, ...]:
    return (*table.crossing, *table.withheld)


def split(kind: str, subject: str, revision: int, state: State) -> list[Part]:
    """The state as parts, each small enough for a record. Raises ValueError for what is too large at all."""
    contents: list[tuple[dict[str, list[Struct]], list[More]]] = [({}, [])]
    room = PART_OCTETS
    for table, row, rest in _pieces(state):
        for item in (row, *rest):
            octets = len(msgspec.json.encode(item))
            if octets > room or len(contents[-1][1]) == 8:
                contents.append(({}, []))
                room = PART_OCTETS
            room -= octets
            if isinstance(item, More):
                contents[-1][1].append(item)
            else:
                contents[-1][0].setdefault(table, []).append(item)
    if len(contents) > MAX_PARTS:
        raise ValueError(f"a state of {len(contents)} parts")
    struct = part_of(kind)
    return [
        struct(
            subject=subject,
            revision=revision,
            part=number,
            parts=len(contents),
            more=tuple(more),
            **{table: tuple(found) for table, found in rows.items()},
        )
        for number, (rows, more) in enumerate(contents, 1)
    ]


def whole(kind: str, parts: Iterable[Part]) -> State:
    """The state of its parts, in their order. Raises ValueError when they do not fit together."""
    rows: dict[str, list[Struct]] = {table.name: [] for table in KINDS[kind]}
    for part in parts:
        for name, found in rows.items():
            found.extend(getattr(part, name))
        for more in part.more:
            try:
                row = rows[more.table][more.place]
                text = getattr(row, more.column) + more.text
            except (KeyError, IndexError, AttributeError, TypeError):
                raise ValueError("a text that continues nothing") from None
            if len(text) > MAX_TEXT:
                raise ValueError("a text without end")
            rows[more.table][more.place] = msgspec.structs.replace(row, **{more.column: text})
    return rows


# ------------------------------------------------------------------------------------------------------------ below
def _pieces(state: State) -> Iterable[tuple[str, Struct, list[More]]]:
    for table, rows in state.items():
        for place, row in enumerate(rows):
            cut, rest = {}, []
            for name in row.__struct_fields__:
                value = getattr(row, name)
                # Octets are bounded by their column, and never so long.
                if isinstance(value, str) and len(value) > HEAD_CHARS and not _is_octets(type(row), name):
                    cut[name] = value[:HEAD_CHARS]
                    rest += [
                        More(table=table, column=name, place=place, text=value[start : start + HEAD_CHARS])
                        for start in range(HEAD_CHARS, len(value), HEAD_CHARS)
                    ]
            yield table, msgspec.structs.replace(row, **cut) if cut else row, rest


@cache
def _is_octets(row: type[Struct], name: str) -> bool:
    return any(field.name == name and field.type == _Octets for field in msgspec.structs.fields(row))


def _type_of(column: Field[Any]) -> Any:
    match column:
        case fields.TextField():
            kind: Any = _Text
        case fields.BinaryField():
            kind = _Octets
        case fields.JSONField():
            kind = _Words
        case fields.BooleanField():
            kind = bool
        case fields.DatetimeField():
            kind = datetime
        case fields.DateField():
            kind = date
        case fields.CharField():
            kind = Annotated[str, Meta(max_length=column.max_length)]
        case fields.BigIntField():
            kind = _Int64
        case fields.IntField() | fields.SmallIntField():
            kind = _Int32
        case _:
            raise TypeError(f"{type(column).__name__} has no shape")
    return kind | None if column.null else kind


def _plain(column: Field[Any], value: object, *, is_sealed: bool) -> object:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple):
        return tuple(_decent(str(each), 120) for each in value)
    if not isinstance(value, str):
        return value
    if not isinstance(column, fields.CharField) and is_sealed:
        if _is_decent(value) and not value.startswith(_CODED):
            return value
        return _CODED + base64.b64encode(value.encode()).decode()
    return _decent(value, getattr(column, "max_length", None) or MAX_TEXT)


def _stored(column: Field[Any], value: Any) -> SqlValue:
    if isinstance(value, tuple):
        return msgspec.json.encode(value).decode()
    if isinstance(value, str):
        if isinstance(column, fields.BinaryField):
            return base64.b64decode(value, validate=True)
        if value.startswith(_CODED) and isinstance(column, fields.TextField):
            return base64.b64decode(value.removeprefix(_CODED), validate=True).decode()
    assert value is None or isinstance(value, str | int | bool | datetime | date)
    return value


def _masked(number: str) -> str:
    return "•" * (len(number) - 4) + number[-4:] if len(number) >= 8 else "•" * len(number)


def _is_decent(text: str) -> bool:
    return (text.isascii() and text.isprintable()) or _decent(text, len(text)) == text


def _decent(text: str, most: int) -> str:
    """As records may hold it: composed, without characters that show otherwise than they are stored."""
    if text.isascii() and text.isprintable():
        return text[:most]
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\t", " "))
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn")
    text = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in hidden)
    return unicodedata.normalize("NFC", text)[:most]
