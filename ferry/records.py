"""What may cross: a closed list of record types, and for each a closed shape. Everything else is refused, both ways.

A record is one line of JSON with sorted keys. The sender reads its own line back before it is queued, and the
receiver reads it again: the same list, the same limits. A type whose strings, lists or numbers have no bound cannot
be entered in the list at all.
"""

import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec import inspect as shape

from ferry.lanes import Lane
from ferry.parcel import Word
from ferry.refusals import RecordMalformed, RecordMisdirected, RecordOversize, RecordUnknownType
from kernel.db import Database

MAX_RECORD_OCTETS = 64 << 10
MAX_DEPTH = 8

Rid = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z][0-9A-Za-z:._-]{0,63}\Z")]
Key = Annotated[str, Meta(max_length=80)]


class Direction(StrEnum):
    INWARD = "inward"  # from the outer zone to the inner
    OUTWARD = "outward"
    UPWARD = "upward"  # to the level above
    DOWNWARD = "downward"
    EITHER = "either"


class Envelope(Struct, frozen=True, kw_only=True):
    """A record. Two with one `rid` are one. `key`: what it is about; `at`: when it happened, by its source's clock."""

    rid: str
    type: str
    key: str
    at: datetime
    body: Struct
    #: Worth nothing afterwards: a one-time code. Dropped where it lies, and the source is told.
    expires: datetime | None = None


#: Applies one record inside the transaction that moves the cursor: rows and acts, no network, no waiting. A Refusal it
#: raises makes the record a poison one: kept, told to the source, passed over.
Apply = Callable[[Database, datetime, Envelope], Awaitable[None]]
#: The same for a run of records of one type, where one statement can do for many.
ApplyMany = Callable[[Database, datetime, Sequence[Envelope]], Awaitable[None]]
#: Tells the source that its record was not applied, and why (a code). Inside a transaction, once.
Told = Callable[[Database, datetime, Envelope, str], Awaitable[None]]
#: Something about records (their `rid`s) after one side was restored from a backup. Inside a transaction.
Remembered = Callable[[Database, datetime, Sequence[str]], Awaitable[None]]


class RecordType(Struct, frozen=True, kw_only=True):
    """`strict`: when one of these cannot be applied, the lane stops, because what follows would be wrong without it.

    `again`: at the receiver, of records that it applied before: whoever sent them may have forgotten what came of them.
    `forgotten`: at the sender, of records that the receiver knew and does not know any more. Such a type is not simply
    sent again, because that would do it twice: its source decides, and hands over other records.
    """

    name: str
    direction: Direction
    lane: Lane
    struct: type[Struct]
    apply: Apply
    apply_many: ApplyMany | None = None
    told: Told | None = None
    again: Remembered | None = None
    forgotten: Remembered | None = None
    strict: bool = False


class Registry:
    """The whitelist. Raises TypeError for a type that does not bound what may be in it."""

    def __init__(self, types: Iterable[RecordType]) -> None:
        self._types: dict[str, RecordType] = {}
        for kind in types:
            if kind.name in self._types:
                raise TypeError(f"{kind.name} is entered twice")
            _must_have_bounds(kind.struct, kind.name)
            self._types[kind.name] = kind

    def __iter__(self) -> Iterator[RecordType]:
        return iter(self._types.values())

    def kind(self, name: str) -> RecordType:
        """Raises RecordUnknownType."""
        kind = self._types.get(name)
        if kind is None:
            raise RecordUnknownType(type=name[:40])
        return kind

    def line(self, envelope: Envelope, direction: Direction) -> bytes:
        """The record as it crosses. Raises a RecordRefused for what the other side would refuse."""
        line = _CANONICAL.encode(_Sent.of(envelope))
        self.read(line, direction)
        return line

    def read(self, line: bytes, direction: Direction) -> Envelope:
        """Raises a RecordRefused."""
        if len(line) > MAX_RECORD_OCTETS:
            raise RecordOversize(limit=MAX_RECORD_OCTETS)
        plain = _plain(line)
        wire = _converted(plain, _Wire)
        kind = self.kind(wire.type)
        if direction is not kind.direction and kind.direction is not Direction.EITHER:
            raise RecordMisdirected(type=kind.name)
        return Envelope(
            rid=wire.rid,
            type=wire.type,
            key=wire.key,
            at=wire.at,
            body=_converted(wire.body, kind.struct),
            expires=wire.expires,
        )


def rid_of(line: bytes) -> str:
    """The number under which a refused record can be told to its source; empty if it has none."""
    try:
        return msgspec.json.decode(line, type=_OnlyRid).rid
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""


# ------------------------------------------------------------------------------------------------------------ below


_CANONICAL = msgspec.json.Encoder(order="sorted")
#: One without a zone could be compared with nothing.
_Instant = Annotated[datetime, Meta(tz=True)]


class _Wire(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rid: Rid
    type: Word
    key: Key
    at: _Instant
    body: dict[str, Any]
    expires: _Instant | None = None


class _Sent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    rid: str
    type: str
    key: str
    at: datetime
    body: Struct
    expires: datetime | None = None

    @classmethod
    def of(cls, envelope: Envelope) -> "_Sent":
        return cls(**msgspec.structs.asdict(envelope))


class _OnlyRid(Struct, frozen=True, kw_only=True):
    rid: Rid = ""


def _plain(line: bytes) -> object:
    """The line as plain values: one spelling only, no text that shows otherwise than it is stored."""
    try:
        plain = msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise RecordMalformed(why="not JSON") from None
    if not _is_plainly_decent(line):
        _must_be_decent(plain, MAX_DEPTH)
    # A key twice, a space, another escape: what one parser reads and another does not.
    if _CANONICAL.encode(plain) != line:
        raise RecordMalformed(why="not in canonical form")
    return plain


def _is_plainly_decent(line: bytes) -> bool:
    """Whether nothing in the whole line can offend: what is true of it is true of every string in it."""
    text = line.decode()
    return (
        "\\" not in text
        and text.count("{") + text.count("[") <= MAX_DEPTH
        and text.isprintable()
        and (text.isascii() or unicodedata.is_normalized("NFC", text))
    )


def _must_be_decent(value: object, depth: int) -> None:
    if depth < 0:
        raise RecordMalformed(why="nested too deep")
    if isinstance(value, str):
        if not value.isascii() and not unicodedata.is_normalized("NFC", value):
            raise RecordMalformed(why="text not in NFC")
        if not value.isprintable() and any(_is_hidden(character) for character in value):
            raise RecordMalformed(why="control characters")
    elif isinstance(value, dict):
        for key, inside in value.items():
            _must_be_decent(key, depth - 1)
            _must_be_decent(inside, depth - 1)
    elif isinstance(value, list):
        for inside in value:
            _must_be_decent(inside, depth - 1)


def _is_hidden(character: str) -> bool:
    """Control and format characters, which direct a terminal or turn the writing around; a line feed is a line feed."""
    return character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")


def _converted(plain: object, into: Any) -> Any:
    try:
        return msgspec.convert(plain, into)
    except msgspec.ValidationError as wrong:
        # Only where: what msgspec says may quote the value, and values do not go into logs.
        _, _, where = str(wrong).partition(" - at `")
        raise RecordMalformed(why=where.rstrip("`")[:60] or "shape") from None


@cache
def _must_have_bounds(struct: type[Struct], name: str) -> None:
    """Once for each type: every registry of every peer is made of the same."""
    _must_be_bounded(shape.type_info(struct), name)


def _must_be_bounded(kind: shape.Type, where: str) -> None:
    """Closed structs, strings and lists with a longest, numbers with both ends."""
    problem = ""
    inside: list[tuple[str, shape.Type]] = []
    match kind:
        case shape.StrType(max_length=None):
            problem = "a string without max_length"
        case shape.IntType() | shape.FloatType():
            if (kind.ge is None and kind.gt is None) or (kind.le is None and kind.lt is None):
                problem = "a number without both bounds"
        case shape.ListType(max_length=None) | shape.VarTupleType(max_length=None) | shape.DictType(max_length=None):
            problem = "a collection without max_length"
        case shape.ListType(item_type=item) | shape.VarTupleType(item_type=item):
            inside = [("[]", item)]
        case shape.DictType(key_type=key, value_type=item):
            inside = [("{key}", key), ("{}", item)]
        case shape.UnionType(types=types):
            inside = [("", item) for item in types]
        case shape.TupleType(item_types=types):
            inside = [("[]", item) for item in types]
        case shape.StructType(fields=fields):
            if not kind.forbid_unknown_fields:
                problem = "a struct that takes unknown fields"
            inside = [(f".{field.name}", field.type) for field in fields]
        case shape.StrType() | shape.BoolType() | shape.NoneType() | shape.EnumType() | shape.LiteralType():
            pass
        case shape.DateTimeType() | shape.DateType():
            pass
        case _:
            problem = f"{type(kind).__name__} has no bound"
    if problem:
        raise TypeError(f"{where}: {problem}")
    for name, item in inside:
        _must_be_bounded(item, where + name)
