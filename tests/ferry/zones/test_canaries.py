"""What must not leave never does, in any octet: planted everywhere it could be, and looked for in all that crosses."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tortoise import fields
from tortoise.models import Model

from casework.tables import Case, ItemVersion
from ferry.opening import check, unseal
from ferry.parcel import canonical
from ferry.records import Direction, Envelope, Registry
from ferry.refusals import RecordMalformed, RecordMisdirected, RecordOversize, RecordRefused
from ferry.simulator.gap import Gap
from ferry.zones.mirrored import KINDS
from kernel.tables import Officer
from server.ferry_stations import record_types
from supervision.acts import IssueOrders, TurnLights
from tests.ferry.pair import KEYS
from tests.ferry.zones.glass import Glass
from tests.ferry.zones.test_mirror import granted
from tests.mobile_api.stage import HANDLER, ITEM

CANARY = "隐芒鸟"
OPEN_ITEM = "SJ-XK-001"


async def plant_everywhere(glass: Glass, number: str, item: str) -> None:
    """The word in every text of a secret case and of its item, and of everything that belongs to them."""
    database = glass.inner.database
    case = await Case.get(number=number)
    by = {"case_id": case.id, "case_number": number, "item_code": item, "code": item, "number": number,
          "subject": f"case:{number}"}  # fmt: skip
    parents = {
        "bill_id": f"SELECT id FROM fee_bill WHERE case_id = {case.id}",
        "licence_id": f"SELECT id FROM licence WHERE case_number = '{number}'",
    }
    planted = 0
    for table in (each for kind in ("case", "card", "licence", "package", "item", "change") for each in KINDS[kind]):
        columns = table.model._meta.fields_map
        known = ("number",) if table.model is Case else (*by, *parents)
        owner = next((name for name in known if name in columns), None)
        if owner is None:
            continue
        where = f"{owner} = '{by[owner]}'" if owner in by else f"{owner} IN ({parents[owner]})"
        for name in planted_in(table.model):
            if name == "definition":  # which acts read: planted within
                continue
            word = f"{CANARY}{name}"[:12]
            planted += await database.execute(f"UPDATE {table.name} SET {name} = $1 WHERE {where}", word)
    assert planted > 100


async def plant_in_definitions(glass: Glass) -> None:
    for version in await ItemVersion.filter(item_code=ITEM):
        definition = msgspec.json.decode(version.definition)
        for name in ("name", "section", "person", "certificate", "kind_and_effect", "deciding_authority", "forms"):
            definition[name] = f"{CANARY}{name}"
        text = msgspec.json.encode({**definition, "secret": True}).decode()
        await ItemVersion.filter(id=version.id).update(secret=True, name=CANARY, definition=text)


def planted_in(model: type[Model]) -> list[str]:
    """Columns that hold words: not what rows are found by, and nothing that must be unique."""
    keys = {"number", "code", "item_code", "case_number", "subject", "unit_code", "licence_number", "package_number",
            "change_number", "order_number", "hash", "previous_hash", "state"}  # fmt: skip
    return [
        name
        for name, column in model._meta.fields_map.items()
        if isinstance(column, fields.TextField)
        or (isinstance(column, fields.CharField) and column.max_length >= 12 and not column.unique)
        if name not in keys and not column.pk
    ]


@pytest.mark.feature("FERRY-04")
async def test_no_octet_of_what_is_secret_or_private_is_ever_outside(glass: Glass):
    inner, database = glass.inner, glass.inner.database
    # Private: what the directory knows of officers, what applicants' papers are numbered, what they typed.
    with glass.pair.inner.here():
        for place, officer in enumerate(await Officer.all()):
            await Officer.filter(id=officer.id).update(
                phone=f"138{CANARY}{place:04d}", second_phone=f"139{CANARY}", email=f"{CANARY}@x"
            )
    open_case = await granted(glass, applicantIdNumber=f"4304{CANARY}19990101")
    with glass.pair.inner.here():
        await database.execute("UPDATE case_file SET agent_id_number = $1, form = $2", f"4304{CANARY}19990101", CANARY)
        await database.execute("UPDATE licence SET holder_id_number = $1, holder_phone = $2", f"4304{CANARY}19990101",
                               f"138{CANARY}")  # fmt: skip
    await glass.settle()
    shown = await glass.pair.outer.rows("SELECT number, applicant_id_number FROM case_file")
    assert [row["number"] for row in shown] == [open_case]
    # Secret: an item and two cases of it, one of them on its way, with everything that follows.
    secret, going = await granted(glass), await inner.accepted()
    with glass.pair.inner.here():
        await database.execute("UPDATE case_file SET secret = TRUE WHERE number <> $1", open_case)
        await database.execute("UPDATE licence SET secret = TRUE WHERE case_number <> $1", open_case)
        await plant_in_definitions(glass)
        await database.execute("UPDATE case_file SET item_name = $1, applicant_name = $1, applicant_phone = $1"
                               " WHERE number <> $2", CANARY, open_case)  # fmt: skip
        while await inner.courier.deliver():
            pass
        await plant_everywhere(glass, secret, ITEM)
    await glass.settle()
    await inner.decide(HANDLER, going, "AGREE", f"{CANARY}同意")
    glass.pair.clock.advance(timedelta(days=40))
    with glass.pair.inner.here():
        await inner.clock_does(TurnLights())
        await inner.clock_does(IssueOrders())
    await glass.settle()
    await glass.snapshot()
    await glass.settle()
    told = await glass.told()
    assert len(told) > 100
    assert not [line for line in told if CANARY in line]
    for hidden in (secret, going):
        assert not [line for line in told if hidden in line]
    await nothing_outside(glass)
    crossed = list(said_in_parcels(glass.pair.back, "outer", "inner"))
    for spelled in (CANARY.encode(), CANARY.encode("ascii", "backslashreplace")):
        assert not [octets for octets in crossed if spelled in octets]
    for hidden in (secret, going):
        assert not [octets for octets in crossed if hidden.encode() in octets]
    assert [octets for octets in crossed if open_case.encode() in octets], "nothing was opened"
    assert await glass.pair.outer.rows("SELECT code FROM item") == [{"code": OPEN_ITEM}]


def said_in_parcels(device: Gap, receiver: str, sender: str) -> Iterator[bytes]:
    """All that ever went through the device, decrypted and decompressed: headers, records, pieces, manifests."""
    public, pieces = KEYS[sender].public_key(), list[bytes]()
    for _, octets in device.swallowed:
        source = io.BytesIO(octets)
        checked = check(source, lambda header: public)
        inside = unseal(source, checked, KEYS[receiver], public, lambda name, at, content: pieces.append(content))
        yield canonical(checked.header)
        yield from (*inside.records, inside.signed_manifest)
    yield from pieces


async def nothing_outside(glass: Glass) -> None:
    """Not in a table, nor in any file of the outer zone."""
    for table in await tables_of(glass):
        assert CANARY not in str(await glass.pair.outer.rows(f"SELECT * FROM {table}")), table
    url, found = glass.pair.outer.url, list(glass.pair.outer.folder.rglob("*"))
    if url.startswith("sqlite"):
        found += [Path(url.split("://", 1)[1].split("?")[0] + end) for end in ("", "-wal")]
    for file in found:
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), file.name


async def tables_of(glass: Glass) -> list[str]:
    return sorted({table.name for kind in KINDS.values() for table in kind})


async def test_a_record_with_a_field_more_is_refused_on_both_sides(glass: Glass):
    await glass.inner.accepted()
    await glass.tell()
    types = record_types("outer", "outer")
    seen = set()
    for line in await glass.told():
        record = msgspec.json.decode(line)
        kind = record["type"]
        if kind in seen:
            continue
        seen.add(kind)
        types.read(line.encode(), Direction.OUTWARD)
        if types.kind(kind).direction is Direction.OUTWARD:
            with pytest.raises(RecordMisdirected):
                types.read(line.encode(), Direction.INWARD)
        for place in places(record["body"]):
            place["opinion_of_somebody"] = "x"
            with pytest.raises(RecordMalformed):
                types.read(msgspec.json.encode(record, order="sorted"), Direction.OUTWARD)
            del place["opinion_of_somebody"]
        wide = {**record, "body": {**record["body"], "subject": "x" * 101}}
        with pytest.raises(RecordRefused):
            types.read(msgspec.json.encode(wide, order="sorted"), Direction.OUTWARD)
        huge = {**record, "key": "x" * (64 << 10)}
        with pytest.raises(RecordOversize):
            types.read(msgspec.json.encode(huge, order="sorted"), Direction.OUTWARD)
    assert {"state.case", "state.officer", "state.item", "state.units", "state.age"} <= seen


def places(body: dict) -> list[dict]:
    """The body, and the first row of each table in it."""
    return [body, *(rows[0] for rows in body.values() if isinstance(rows, list) and rows and isinstance(rows[0], dict))]


@pytest.mark.parametrize("relation", ["inner", "outer"])
def test_every_type_of_record_between_the_zones_takes_no_unknown_field(relation):
    """Of whatever type and in whichever direction."""
    types: Registry = record_types("other", relation)
    for kind in types:
        given = {"rid": "r:1", "type": kind.name, "key": "", "at": "2026-11-22T00:00:00Z", "body": {"unknown": 1}}
        line = msgspec.json.encode(given, order="sorted")
        for direction in (Direction.INWARD, Direction.OUTWARD):
            with pytest.raises((RecordMalformed, RecordMisdirected)):
                types.read(line, direction)
        assert kind.struct.__struct_config__.forbid_unknown_fields, kind.name
    assert {"state.case", "act.do"} <= {kind.name for kind in types}
    assert Envelope.__struct_fields__  # the envelope itself is closed: tests/ferry/test_records.py
