"""Rows of case-exchange/1 as rows of an older standard, and back. A profile is a table; this reads it.

A column of ours is written `table.column`, one of the envelope `table.@column`. Where a profile cannot say something,
the table of what is lost says so, and coming back the column is left out or given the value the profile names; what is
then missing, the conformance suite says.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct

from casework.clock.working_days import CHINA, Calendar, CalendarUnknown, day_of
from ferry.exchange.codes import IdKind, Table
from ferry.exchange.identities import is_credit_code, is_id_card, is_org_code
from ferry.exchange.reading import Seen, from_plain
from ferry.exchange.schemas import columns
from ferry.exchange.standard import STANDARD, TABLES, Read

_SEPARATOR = "；"


class As(Struct, frozen=True, kw_only=True):
    """How a value is written there. `codes`: ours to theirs; `also`: ours that have no code of their own there;
    `otherwise`: ours for whatever else they say."""

    kind: str = "text"  # text, instant, day, list, yuan, code, id_kind, applicant_kind
    codes: Mapping[str, str] = {}
    also: Mapping[str, str] = {}
    otherwise: str = ""


TEXT, INSTANT, DAY, LIST, YUAN = (As(kind=kind) for kind in ("text", "instant", "day", "list", "yuan"))
#: Only read: the number itself shows what it is, and whose.
ID_KIND, APPLICANT_KIND = As(kind="id_kind"), As(kind="applicant_kind")


def codes(mapping: Mapping[str, str], also: Mapping[str, str] | None = None, otherwise: str = "") -> As:
    return As(kind="code", codes=mapping, also=also or {}, otherwise=otherwise)


class Line(Struct, frozen=True):
    foreign: str
    ours: str
    by: As = TEXT


class ForeignTable(Struct, frozen=True, kw_only=True):
    """`sources`: our tables that make one of its rows, the first of them always. `given`: what ours gets in return.

    `unfilled`: its columns that we leave empty. `one_way`: why its rows cannot come back, if they cannot.
    """

    name: str
    sources: tuple[Table, ...]
    lines: tuple[Line, ...]
    given: Mapping[str, str] = {}
    unfilled: tuple[str, ...] = ()
    one_way: str = ""


class Profile(Struct, frozen=True, kw_only=True):
    """`notes`: what a reader must know of columns whose code lists are not public."""

    name: str
    title: str
    tables: tuple[ForeignTable, ...]
    notes: tuple[str, ...] = ()


class Origin(Struct, frozen=True, kw_only=True):
    """What an older row does not say of itself."""

    source_system: str
    org: str
    org_name: str
    region: str
    sent_time: datetime
    batch: str
    calendar: Calendar | None = None


ForeignRow = tuple[str, dict[str, str]]


def to_foreign(profile: Profile, rows: Iterable[Read]) -> list[ForeignRow]:
    """The rows of whole cases, table by table, in the order of their cases."""
    found: dict[tuple[str, int], dict[Table, dict[str, object]]] = {}
    for row in rows:
        group = found.setdefault((row.envelope.projid, row.envelope.no), {})
        group[row.envelope.table] = _flat(row)
    made: list[ForeignRow] = []
    for table in profile.tables:
        for group in found.values():
            if table.sources[0] in group:
                made.append((table.name, _written(table, group)))
    return made


def from_foreign(profile: Profile, rows: Iterable[ForeignRow], origin: Origin) -> Iterator[Seen]:
    """Each older row as one or more of ours, judged by its form; what cannot come back is passed over."""
    tables = {table.name: table for table in profile.tables}
    numbers: dict[tuple[str, Table], int] = {}
    for line, (name, row) in enumerate(rows, 1):
        table = tables.get(name)
        if table is None or table.one_way:
            continue
        for source in table.sources:
            envelope, payload = _read_back(table, source, row, origin)
            if "event_time" not in envelope:
                continue  # that part of the row has not happened yet
            place = (envelope.get("projid", ""), source)
            numbers[place] = numbers.get(place, 0) + 1
            envelope.setdefault("no", str(numbers[place]) if TABLES[source].many else "1")
            key = (envelope.get("projid", ""), source, envelope["no"], envelope.setdefault("version", "1"))
            yield from_plain(
                {
                    "std": STANDARD,
                    "table": str(source),
                    "rid": ".".join(key),
                    "op": "I",
                    "org": origin.org,
                    "region": origin.region,
                    "source_system": origin.source_system,
                    "sent_time": origin.sent_time.isoformat(),
                    "batch": origin.batch,
                    **envelope,
                    "payload": payload,
                },
                line,
                as_text=True,
            )


def lost(profile: Profile) -> dict[Table, list[str]]:
    """Our columns that the profile has no place for, by table; a table that is not there at all has every one."""
    said = {line.ours for table in profile.tables for line in table.lines if line.by not in (ID_KIND, APPLICANT_KIND)}
    return {
        table: missing
        for table in Table
        if (missing := [each.name for each in columns(TABLES[table].struct) if f"{table}.{each.name}" not in said])
    }


# ----------------------------------------------------------------------------------------------------------- outward
def _flat(row: Read) -> dict[str, object]:
    """By column, what is said by its default as well."""
    envelope, payload = (
        {name: value for name in struct.__struct_fields__ if (value := getattr(struct, name)) is not None}
        for struct in (row.envelope, row.payload)
    )
    said: dict[str, object] = msgspec.to_builtins(
        {**{f"@{name}": value for name, value in envelope.items()}, **payload}
    )
    return said


def _written(table: ForeignTable, group: Mapping[Table, Mapping[str, object]]) -> dict[str, str]:
    row: dict[str, str] = {}
    for line in table.lines:
        source, _, column = line.ours.partition(".")
        value = group.get(Table(source), {}).get(column)
        if value is not None and line.foreign and (text := _spelt(value, line.by)):
            row.setdefault(line.foreign, text)
    return row


def _spelt(value: object, by: As) -> str:
    match by.kind:
        case "instant":
            return f"{datetime.fromisoformat(str(value)).astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
        case "list":
            return _SEPARATOR.join(map(str, value)) if isinstance(value, list | tuple) else ""
        case "yuan":
            return str(Decimal(str(value)) / 100)
        case "code":
            return by.codes.get(str(value)) or by.also.get(str(value), "")
        case "id_kind" | "applicant_kind":
            return ""
        case _:
            return str(value)


# ------------------------------------------------------------------------------------------------------------ inward
def _read_back(
    table: ForeignTable, source: Table, row: Mapping[str, str], origin: Origin
) -> tuple[dict[str, str], dict[str, object]]:
    envelope: dict[str, str] = {}
    payload: dict[str, object] = {}
    for line in table.lines:
        of, _, column = line.ours.partition(".")
        text = row.get(line.foreign, "")
        if of != source or not text or (value := _meant(text, line.by)) is None:
            continue
        if column.startswith("@"):
            envelope[column[1:]] = str(value)
        else:
            payload[column] = value
    for ours, value in table.given.items():
        of, _, column = ours.partition(".")
        if of == source:
            payload.setdefault(column, value)
    required = {each.name for each in columns(TABLES[source].struct) if each.required}
    if "org_name" in required:
        payload.setdefault("org_name", origin.org_name)
    if source is Table.ACCEPT and "promise_days" not in payload and "promise_date" in payload:
        payload |= _days_promised(envelope.get("event_time", ""), str(payload["promise_date"]), origin.calendar)
    return envelope, payload


def _meant(text: str, by: As) -> object | None:
    """None: the value says nothing that we could say."""
    match by.kind:
        case "instant":
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                return text
            return (moment if moment.tzinfo else moment.replace(tzinfo=CHINA)).isoformat()
        case "day":
            return text[:10]
        case "list":
            return [each for each in text.split(_SEPARATOR) if each]
        case "yuan":
            try:
                return str(int(Decimal(text) * 100))
            except InvalidOperation:
                return text
        case "code":
            return next((ours for ours, theirs in by.codes.items() if theirs == text), by.otherwise or text)
        case "id_kind":
            return id_kind_of(text)
        case "applicant_kind":
            return {IdKind.ID_CARD: "person", IdKind.CREDIT_CODE: "enterprise"}.get(id_kind_of(text), "other")
        case _:
            return text


def id_kind_of(number: str) -> IdKind:
    """What a number shows itself to be."""
    if is_id_card(number):
        return IdKind.ID_CARD
    if is_credit_code(number):
        return IdKind.CREDIT_CODE
    return IdKind.ORG_CODE if is_org_code(number) else IdKind.OTHER


def _days_promised(event_time: str, promised: str, calendar: Calendar | None) -> dict[str, str]:
    try:
        accepted_on, due = day_of(datetime.fromisoformat(event_time)), date.fromisoformat(promised)
        days = calendar.working_days_between(accepted_on, due) if calendar is not None else 0
    except (ValueError, CalendarUnknown):
        return {}
    return {"promise_days": str(days)} if days > 0 else {}
