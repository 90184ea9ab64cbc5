"""Migrations: they amount to the models, keep every row, and survive crashes and company."""

import asyncio
import importlib
import pkgutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tortoise import fields
from tortoise.models import Model

import kernel.db
from alerts.outgoing import Channel, recover
from alerts.states import ARRIVED, State
from ferry.tables import LEFT_OUT
from kernel.db import Database, DatabaseUnfit, Row
from kernel.refusals import Refusal
from kernel.tables import NumberSeries
from server.wiring import TABLES
from tests.standing import states_by_number
from tools.migrations import pending

ROOT = Path(__file__).parents[2]
#: tortoise's own list of what was applied.
HISTORY = "tortoise_migrations"
#: By table, columns of earlier versions that it has no more, and what was in them.
GONE: dict[str, dict[str, Any]] = {
    "message": {"claimed_until": fields.DatetimeField(null=True)},
    "ferry_record": {
        "lane": fields.CharField(max_length=12),
        "epoch": fields.CharField(max_length=32),
        "seq": fields.BigIntField(null=True),
    },
}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url, modules=TABLES)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def made_by(migrations: str, url: str) -> AsyncIterator[Database]:
    """The database as the program with these migrations makes it."""
    with pytest.MonkeyPatch.context() as program:
        program.setattr(kernel.db, "MIGRATIONS", migrations)
        async with opened(url) as database:
            await database.migrate()
            yield database


async def test_the_migrations_hold_everything_the_models_say():
    missing = [operation for writer in await pending() for operation in writer.operations]
    assert missing == [], "write a migration: python -m tools.migrations NAME"


async def test_migrating_an_empty_database_makes_the_same_schema_as_the_models(blank_url: str, database: Database):
    as_modelled = await schema(database)
    async with opened(blank_url) as migrated:
        assert await migrated.migrate() != []
        made = await schema(migrated)
        assert made.keys() == as_modelled.keys()
        for table in made:
            assert made[table] == as_modelled[table], table
        assert await migrated.migrate() == [], "nothing is left to do"


async def test_a_database_made_by_the_models_has_every_table_of_every_package(database: Database):
    names = {model._meta.db_table for model in models()}
    assert (await schema(database)).keys() == names


# ----------------------------------------------------------------------------------------------------- filled forward
async def test_migrating_again_keeps_every_row(blank_url: str):
    async with opened(blank_url) as database:
        await database.migrate()
        before = await fill(database)
        assert await database.migrate() == []
        assert await contents(database) == before


async def test_a_filled_database_of_any_earlier_version_comes_forward_with_every_row(
    blank_url: str, earlier_version: str
):
    async with made_by(earlier_version, blank_url) as database:
        before = await fill_as_it_was(database)
    async with opened(blank_url) as database:
        assert await database.migrate() != []
        after = await contents(database)
        for table, rows in before.items():
            left = [column for column in rows[0] if column not in GONE.get(table, {})]
            before_it, after_it = (
                [{column: row[column] for column in left} for row in of] for of in (rows, after[table])
            )
            assert sorted(after_it, key=repr) == sorted(before_it, key=repr), table
        # The program reads what was written before it.
        for model in models():
            assert len(await model.all()) == len(after[model._meta.db_table])


@pytest.mark.parametrize("earlier_version", ["0004_ledgers"], indirect=True)
async def test_every_message_comes_forward_to_where_it_stands(blank_url: str, earlier_version: str):
    """From before there was a table of what is outstanding: one message in every state, by text and by mail."""
    async with made_by(earlier_version, blank_url) as database:
        await database.insert("message", list(_messages()[0]), [tuple(row.values()) for row in _messages()])
    async with opened(blank_url) as database:
        await database.migrate()
        assert list((await states_by_number(database)).values()) == [row["state"] for row in _messages()]
        standing = await database.rows("SELECT m.state, m.channel FROM outstanding o JOIN message m ON m.id = o.id")
        assert {(row["state"], row["channel"]) for row in standing} == {
            (row["state"], row["channel"])
            for row in _messages()
            if row["state"] not in ("sending", *ARRIVED) and (row["channel"], row["state"]) != ("mail", "submitted")
        }
        # Whose gateway is gone: its attempt counts, and the next one has the text at once.
        now = datetime(2026, 9, 1, 12, tzinfo=UTC)
        assert await recover(database, now=now, channel=Channel.SMS) == 1
        [row] = await database.rows("SELECT m.state, attempts FROM message m WHERE dedupe_key = 'sms:sending'")
        assert row == {"state": "queued", "attempts": 1}


@pytest.mark.parametrize("earlier_version", ["0005_outstanding"], indirect=True)
async def test_every_record_comes_forward_to_where_it_stands(blank_url: str, earlier_version: str):
    """From before there was a table of places: waiting, numbered, left out, and one whose parcel is forgotten."""
    at = datetime(2026, 9, 1, tzinfo=UTC)
    stood = [("waits", "", None), ("first", "e1", 1), ("second", "e1", 2), ("out", "-", None), ("lost", "e0", 2)]
    async with made_by(earlier_version, blank_url) as database:
        given = [
            (peer, lane, f"{lane}.{name}", f"{peer}.{lane}.{name}", at, epoch, seq, "")
            for peer in ("inner", "level")
            for lane in ("case", "urgent")
            for name, epoch, seq in stood
        ]
        parcels = [
            (peer, lane, "e1", seq, "", f"{peer}.{lane}.{seq}", 1, 1, "sealed", "", 0, at)
            for seq in (2, 1)
            for lane in ("urgent", "case")
            for peer in ("inner", "level")
        ]
        records = ("peer", "lane", "rid", "line", "at", "epoch", "seq", "refused")
        await database.insert("ferry_record", records, given)
        numbers = (
            "peer", "lane", "epoch", "seq", "prev", "content_id", "count", "octets", "state", "file", "offers",
            "assigned_at",
        )  # fmt: skip
        await database.insert("ferry_parcel", numbers, parcels)
    async with opened(blank_url) as database:
        await database.migrate()
        found = await database.rows(
            "SELECT r.line, s.peer, s.lane, s.parcel, p.content_id FROM ferry_record r"
            " JOIN ferry_place s ON s.id = r.id LEFT JOIN ferry_parcel p ON p.id = s.parcel"
        )
        assert len(found) == len(given)
        for row in found:
            peer, lane, name = str(row["line"]).split(".")
            assert (row["peer"], row["lane"]) == (peer, lane)
            numbered = {"first": f"{peer}.{lane}.1", "second": f"{peer}.{lane}.2"}
            assert row["content_id"] == numbered.get(name), row
            if name not in numbered:
                assert row["parcel"] == (None if name == "waits" else LEFT_OUT)


def _messages() -> list[dict[str, Any]]:
    at = datetime(2026, 9, 1, tzinfo=UTC)
    return [
        {
            "dedupe_key": f"{channel}:{state}", "channel": channel, "message_class": "item", "priority": 4,
            "template": "T11", "template_version": 1, "to_phone": "13800138000", "to_email": "", "subject": "",
            "body": "【衡江】测试", "secret": "", "confirms": False, "parts": 1, "state": str(state), "case_number": "",
            "unit_code": "", "created_at": at, "send_after": at, "expires_at": at + timedelta(days=1), "attempts": 1,
            "carrier": "east", "error": "",
            "claimed_until": at + timedelta(minutes=1) if state is State.SENDING else None,
        }
        for channel in ("sms", "mail")
        for state in State
    ]  # fmt: skip


def versions() -> list[str]:
    """Every migration of today, the oldest first."""
    return sorted(name for _, name, _ in pkgutil.iter_modules(importlib.import_module(kernel.db.MIGRATIONS).__path__))


NEXT = """
from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("zhangban", "{last}")]
    operations = [
        ops.CreateModel(
            name="Added",
            fields=[("id", fields.BigIntField(primary_key=True)), ("what", fields.CharField(max_length=20))],
            options={{"table": "added", "app": "zhangban", "pk_attr": "id"}},
            bases=["Model"],
        ),
        ops.AddField("Unit", "address", fields.CharField(max_length=80, default="", db_default="")),
        ops.AddField(model_name="Message", name="cost", field=fields.IntField(null=True)),
        ops.AddIndex(model_name="Officer", index=Index(fields=("active",), name="idx_officer_active")),
    ]
"""


@pytest.fixture(params=versions()[:-1])
def earlier_version(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The program as it was when this was its last migration."""
    names = versions()
    yield from _package(tmp_path, monkeypatch, names[: names.index(request.param) + 1])


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A later version of the program: today's migrations and one more."""
    names = versions()
    (tmp_path / "9999_next.py").write_text(NEXT.format(last=names[-1]))
    yield from _package(tmp_path, monkeypatch, names, tmp_path / "9999_next.py")


def _package(folder: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], *more: Path) -> Iterator[str]:
    """A package of these migrations, and more."""
    package = folder / "other_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in names:
        (package / f"{name}.py").write_text(
            f"import importlib\nMigration = importlib.import_module('{kernel.db.MIGRATIONS}.{name}').Migration\n"
        )
    for file in more:
        file.rename(package / file.name)
    monkeypatch.syspath_prepend(folder)
    yield package.name
    for module in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[module]


async def test_an_additive_migration_keeps_every_row(
    blank_url: str, next_version: str, monkeypatch: pytest.MonkeyPatch
):
    async with opened(blank_url) as database:
        await database.migrate()
        before = await fill(database)
        old = await schema(database)
    monkeypatch.setattr(kernel.db, "MIGRATIONS", next_version)
    async with opened(blank_url) as database:
        assert await database.migrate() == ["9999_next"]
        after, new = await contents(database), await schema(database)
        for row in after["unit"]:
            assert row.pop("address") == ""
        for row in after["message"]:
            assert row.pop("cost") is None
        assert after.pop("added") == []
        assert after == before
        added = {"added", "unit", "message", "officer"}
        assert {table: new[table] for table in new if table not in added} == {
            table: old[table] for table in old if table not in added
        }
        for table in added - {"added"}:
            assert old[table] < new[table], "nothing that was there is gone"


# ------------------------------------------------------------------------------------------------ crashes and company
MIGRATES = """
import asyncio, sys
from kernel.db import Database
from server.wiring import TABLES

async def main():
    database = await Database.open(sys.argv[1], modules=TABLES)
    try:
        print(*await database.migrate())
    finally:
        await database.close()

asyncio.run(main())
"""
#: Dies at the worst moment: the tables are made, and nobody has noted it.
DIES = """
import os, signal
from tortoise.migrations.recorder import MigrationRecorder

async def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

MigrationRecorder.record_applied = die
"""


async def run(script: str, url: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, url, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(110):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode().strip(), errors.decode()


async def test_processes_that_migrate_at_once_do_it_once(blank_url: str):
    runs = await asyncio.gather(*(run(MIGRATES, blank_url) for _ in range(2)))
    assert [(code, errors) for code, _, errors in runs] == [(0, "")] * 2
    assert sorted(applied.split()[:1] for _, applied, _ in runs) == [[], ["0001_initial"]]


async def test_a_crash_in_the_middle_of_migrating_is_made_good_by_the_next_start(blank_url: str):
    code, _, _ = await run(DIES + MIGRATES, blank_url)
    assert code == -signal.SIGKILL
    async with opened(blank_url) as database:
        assert await database.migrate() != []


async def test_a_program_older_than_its_database_refuses_to_touch_it(blank_url: str, next_version: str):
    async with made_by(next_version, blank_url):
        pass
    async with opened(blank_url) as database:
        with pytest.raises(Refusal, match="9999_next"):
            await database.migrate()


async def test_a_database_that_lacks_what_the_migrations_say_it_has_is_refused_by_name(blank_url: str):
    async with opened(blank_url) as database:
        await database.migrate()
        await database.refuse_unfit()
        await database.execute("ALTER TABLE unit DROP COLUMN short_name")
        await database.execute("DROP TABLE ferry_gap")
        await database.execute("ALTER TABLE unit ADD COLUMN note TEXT")  # somebody's own: no harm
        with pytest.raises(DatabaseUnfit, match=r"DATABASE_UNFIT.*: ferry_gap、unit\.short_name"):
            await database.refuse_unfit()


# -------------------------------------------------------------------------------------------------------------- below


def models() -> list[type[Model]]:
    modules = [importlib.import_module(name) for name in TABLES]
    return [
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Model) and thing.__module__ == module.__name__
    ]


async def schema(database: Database) -> dict[str, set[str]]:
    """Table to its columns, indexes and storage, each as one normalised line."""
    found: dict[str, set[str]] = {}
    for row in await database.rows(_COLUMNS[database.dialect]):
        found.setdefault(str(row.pop("table_name")), set()).add(repr(tuple(row.values())))
    for row in await database.rows(_INDEXES[database.dialect]):
        found[str(row["table_name"])].add(" ".join(str(row["definition"]).split()))
    return {table: lines for table, lines in found.items() if table not in (HISTORY, "sqlite_sequence")}


_COLUMNS = {
    "sqlite": 'SELECT m.name AS table_name, c.name, c.type, c."notnull", c.dflt_value, c.pk'
    " FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    "postgres": "SELECT table_name, column_name, data_type, is_nullable, column_default, character_maximum_length,"
    " is_identity FROM information_schema.columns WHERE table_schema = 'public'",
}
#: Indexes made by hand keep their names; those behind a UNIQUE are told by what they hold.
_INDEXES = {
    "sqlite": "SELECT m.name AS table_name, CASE WHEN l.origin = 'c' THEN l.name ELSE '' END || ' ' || l.\"unique\""
    " || ' (' || (SELECT group_concat(i.name) FROM pragma_index_info(l.name) i) || ')' AS definition"
    " FROM sqlite_master m JOIN pragma_index_list(m.name) l WHERE m.type = 'table'",
    "postgres": "SELECT tablename AS table_name, indexdef AS definition FROM pg_indexes WHERE schemaname = 'public'"
    " UNION ALL SELECT relname, array_to_string(reloptions, ', ') FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reloptions IS NOT NULL",
}


async def contents(database: Database) -> dict[str, list[Row]]:
    tables = sorted(await schema(database))
    return {table: sorted(await database.rows(f"SELECT * FROM {table}"), key=repr) for table in tables}


async def fill(database: Database) -> dict[str, list[Row]]:
    """Three rows in every table, with something in every column."""
    for model in models():
        for n in range(1, 4):
            row: dict[str, Any] = {name: _value(field, n) for name, field in model._meta.fields_map.items()}
            await model.create(**row)
    filled = await contents(database)
    assert all(len(rows) == 3 for rows in filled.values())
    assert any(row["name"] == "3" for row in filled[NumberSeries._meta.db_table])
    return filled


async def fill_as_it_was(database: Database) -> dict[str, list[Row]]:
    """Three rows in every table of an earlier version, with something in every column it had."""
    tables = await contents(database)
    for model in models():
        table = model._meta.db_table
        if table in tables:
            described = await database.rows(_COLUMNS[database.dialect])
            columns = [str(list(row.values())[1]) for row in described if row["table_name"] == table]
            fields_of = GONE.get(table, {}) | {
                field.source_field or name: field for name, field in model._meta.fields_map.items()
            }
            rows = [
                tuple(fields_of[column].to_db_value(_value(fields_of[column], n), model) for column in columns)
                for n in range(1, 4)
            ]
            await database.insert(table, columns, rows)
    filled = await contents(database)
    assert all(len(rows) == 3 for rows in filled.values())
    return filled


def _value(field: Any, n: int) -> object:
    """A value of the field's type, different for every `n`."""
    values: tuple[tuple[type, object], ...] = (
        (fields.BooleanField, n % 2 == 0),
        (fields.IntField, n),
        (fields.JSONField, {"n": n}),
        (fields.DatetimeField, datetime(2026, 9, n, tzinfo=UTC)),
        (fields.DateField, date(2026, 9, n)),
        (fields.BinaryField, bytes([0, n, 255])),
        (fields.DecimalField, Decimal(n)),
        (fields.FloatField, n / 2),
    )
    enum_type = getattr(field, "enum_type", None)
    if enum_type is not None:
        return list(enum_type)[n % len(enum_type)]
    return next((value for kind, value in values if isinstance(field, kind)), str(n))
