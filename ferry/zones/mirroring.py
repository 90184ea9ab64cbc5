"""The mirror, outside: states become the rows that the same readers read, in the transaction of their parcel.

What a state holds replaces what stood there of its subject; an older state changes nothing. A state of several parts
waits until all are there; when a newer one is complete before, it is forgotten.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from msgspec import Struct

from ferry.lanes import Lane
from ferry.records import Direction, Envelope, RecordType
from ferry.refusals import RecordMalformed
from ferry.zones.mirror import SHOWN, Age, Census, note_age
from ferry.zones.mirrored import KINDS, SHARED, Mirrored
from ferry.zones.shapes import Part, State, columns_of, part_of, whole, written
from kernel.db import Database, SqlValue, instant


def state_records() -> list[RecordType]:
    """What an inner zone tells an outer one of its tables."""
    made = [
        RecordType(
            name=f"state.{kind}",
            direction=Direction.OUTWARD,
            lane=Lane.CASE,
            struct=part_of(kind),
            apply=apply_state,
        )
        for kind in KINDS
    ]
    # What an act from outside changed comes beside its outcome.
    urgent = [msgspec.structs.replace(each, name=f"{SHOWN}{each.name[6:]}", lane=Lane.URGENT) for each in made]
    return [
        *made,
        *urgent,
        RecordType(
            name="state.census", direction=Direction.OUTWARD, lane=Lane.CASE, struct=Census, apply=apply_census
        ),
        RecordType(
            name="state.age", direction=Direction.OUTWARD, lane=Lane.CASE, struct=Age, apply=apply_age
        ),
    ]  # fmt: skip


async def apply_state(database: Database, now: datetime, envelope: Envelope) -> None:
    """Writes a state, or keeps a part of one. Raises RecordMalformed for parts that make no state of this kind."""
    part = envelope.body
    assert isinstance(part, Part)
    kind = envelope.type.partition(".")[2]
    if not part.subject.startswith(f"{kind}:") or part.part > part.parts:
        raise RecordMalformed(why="subject")
    known = await database.rows("SELECT revision FROM ferry_mirror_heard WHERE subject = $1", part.subject)
    if known and int(str(known[0]["revision"])) >= part.revision:
        return
    parts: Sequence[Part] = [part]
    if part.parts > 1:
        parts = await _kept(database, kind, part)
        if len(parts) < part.parts:
            return
    try:
        state = whole(kind, parts)
    except ValueError as fault:
        raise RecordMalformed(why=str(fault)) from None
    await _replace(database, kind, part.subject, state)
    await database.execute(
        "DELETE FROM ferry_mirror_part WHERE subject = $1 AND revision <= $2", part.subject, part.revision
    )
    await database.execute(
        "INSERT INTO ferry_mirror_heard (subject, revision, at) VALUES ($1, $2, $3) ON CONFLICT (subject) DO UPDATE"
        " SET revision = excluded.revision, at = excluded.at",
        part.subject,
        part.revision,
        envelope.at,
    )


async def apply_age(database: Database, now: datetime, envelope: Envelope) -> None:
    age = envelope.body
    assert isinstance(age, Age)
    await note_age(database, age.peer, age.as_of, now=now)


async def apply_census(database: Database, now: datetime, envelope: Envelope) -> None:
    """Deletes what the inner zone does not know to have told, unless it was told later."""
    census = envelope.body
    assert isinstance(census, Census)
    # Both sides compare texts octet by octet.
    subject = 'subject COLLATE "C"' if database.dialect == "postgres" else "subject"
    within = f"revision < $1 AND {subject} > $2" + (f" AND {subject} <= $3" if census.until else "")
    bounds: list[SqlValue] = [census.revision, census.after, *([census.until] if census.until else [])]
    heard = await database.rows(f"SELECT subject FROM ferry_mirror_heard WHERE {within}", *bounds)
    for gone in sorted({str(row["subject"]) for row in heard} - set(census.subjects)):
        kind = gone.partition(":")[0]
        if kind in KINDS:
            await _replace(database, kind, gone, {table.name: () for table in KINDS[kind]})
        await database.execute("DELETE FROM ferry_mirror_heard WHERE subject = $1", gone)


async def shown_as_of(database: Database) -> datetime | None:
    """Since when at the latest nothing inside is missing here; None when nothing has come yet."""
    found = await database.rows("SELECT MAX(as_of) AS as_of FROM ferry_mirror_age")
    return instant(found[0]["as_of"])


# ------------------------------------------------------------------------------------------------------------ below
async def _kept(database: Database, kind: str, part: Part) -> list[Part]:
    """The parts of this state that are there, this one among them."""
    body = msgspec.json.encode(part).decode()
    await database.insert(
        "ferry_mirror_part",
        ("subject", "revision", "part", "parts", "body"),
        [(part.subject, part.revision, part.part, part.parts, body)],
        tail="ON CONFLICT DO NOTHING",
    )
    found = await database.rows(
        "SELECT body FROM ferry_mirror_part WHERE subject = $1 AND revision = $2 AND parts = $3 ORDER BY part",
        part.subject,
        part.revision,
        part.parts,
    )
    struct = part_of(kind)
    return [msgspec.json.decode(str(row["body"]), type=struct) for row in found] if len(found) >= part.parts else []


async def _replace(database: Database, kind: str, subject: str, state: State) -> None:
    key = subject.partition(":")[2]
    parents: dict[str, list[SqlValue]] = {}
    for table in KINDS[kind]:
        parents[table.name] = await _ids(database, table, subject, key, parents, state)
    for table in reversed(KINDS[kind]):
        await _delete(database, table, subject, key, parents)
    for table in KINDS[kind]:
        rows = [written(table, row) for row in state[table.name]]
        _refuse_foreign(table, subject, key, state, parents)
        await database.insert(table.name, columns_of(table), rows, tail=_over_the_forgotten(table))


def _over_the_forgotten(table: Mirrored) -> str:
    """What another subject has under an id that comes now is of a life the inner zone forgot by a restore."""
    others = [name for name in columns_of(table) if name != "id"]
    if len(others) == len(columns_of(table)):
        return ""
    return f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}"


async def _ids(
    database: Database,
    table: Mirrored,
    subject: str,
    key: str,
    parents: dict[str, list[SqlValue]],
    state: State,
) -> list[SqlValue]:
    """Of the tables that others belong to: the ids that stand here and those that come."""
    if not any(other.of is table.model for other in KINDS[table.kind]):
        return []
    where, values = _where(table, subject, key, parents)
    here = await database.rows(f"SELECT id FROM {table.name} WHERE {where}", *values)
    coming: list[object] = [_value(row, "id") for row in state[table.name]]
    return list(dict.fromkeys(int(str(each)) for each in [*(row["id"] for row in here), *coming]))


async def _delete(
    database: Database, table: Mirrored, subject: str, key: str, parents: dict[str, list[SqlValue]]
) -> None:
    where, values = _where(table, subject, key, parents)
    await database.execute(f"DELETE FROM {table.name} WHERE {where}", *values)


def _where(
    table: Mirrored, subject: str, key: str, parents: dict[str, list[SqlValue]]
) -> tuple[str, list[SqlValue]]:  # fmt: skip
    """Which rows of the table are this subject's."""
    terms, values = [], list[SqlValue]()
    if table.of == "key":
        column = table.model._meta.fields_map[table.by]
        values.append(int(key) if column.field_type is int else key)
        terms.append(f"{table.by} = $1")
    elif table.of == "subject":
        values.append(subject)
        terms.append(f"{table.by} = $1")
    elif table.of == "year":
        year = int(key)
        values += [date(year, 1, 1), date(year, 12, 31)]
        terms.append(f"{table.by} >= $1 AND {table.by} <= $2")
    elif not isinstance(table.of, str):
        values += parents[str(table.of._meta.db_table)]
        marks = ", ".join(f"${n}" for n in range(1, len(values) + 1)) or "NULL"
        terms.append(f"{table.by} IN ({marks})")
    for name, allowed in table.only.items():
        marks = ", ".join(f"${len(values) + n}" for n in range(1, len(allowed) + 1))
        values += allowed
        terms.append(f"{name} IN ({marks})")
    if table.name in SHARED:
        terms.append("id < 0")  # the zone's own have numbers of their own
    return " AND ".join(terms) or "1 = 1", values


def _refuse_foreign(table: Mirrored, subject: str, key: str, state: State, parents: dict[str, list[SqlValue]]) -> None:
    """A state may only hold rows of its own subject."""
    for row in state[table.name]:
        value = _value(row, table.by)
        if table.of == "key":
            fits = str(value) == key
        elif table.of == "subject":
            fits = value == subject
        elif table.of == "year":
            fits = str(value)[:4] == key
        elif isinstance(table.of, str):
            fits = True
        else:
            fits = value in parents[str(table.of._meta.db_table)]
        if not fits or any(_value(row, name) not in allowed for name, allowed in table.only.items()):
            raise RecordMalformed(why=f"a row of {table.name} that belongs elsewhere")


def _value(row: Struct, name: str) -> object:
    return getattr(row, name)
