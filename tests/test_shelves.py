"""A database that comes back to the shelf is, for the next test, a new one."""

import asyncpg
import pytest

from tests.shelves import PostgresShelf, Shelf


@pytest.fixture
def shelf(_shelf: Shelf, dialect: str) -> PostgresShelf:
    if not isinstance(_shelf, PostgresShelf):
        pytest.skip("a file is copied anew for every test")
    return _shelf


SCHEMA = """
SELECT c.relname AS name, a.attname AS part, concat_ws(' ', c.relkind, a.attnum, a.atttypid::regtype, a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid)) AS meaning
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON (adrelid, adnum) = (c.oid, attnum)
WHERE c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped AND a.attnum > 0
UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY name, part, meaning
"""
SEQUENCES = "SELECT sequencename, start_value, increment_by, last_value FROM pg_sequences ORDER BY sequencename"


ALTERATIONS = (
    "ALTER TABLE unit ADD COLUMN note TEXT",
    "ALTER TABLE unit ALTER COLUMN short_name DROP NOT NULL",
    "ALTER TABLE unit ALTER COLUMN short_name SET DEFAULT 'x'",
    "ALTER TABLE message RENAME TO messages",
    "ALTER TABLE message SET (fillfactor = 70)",
    "CREATE TABLE somebodys_own (id INT)",
    "CREATE INDEX somebodys_own ON unit (short_name)",
    "DROP TABLE ferry_gap",
    "CREATE FUNCTION one() RETURNS INT LANGUAGE SQL AS 'SELECT 1'",
    "CREATE VIEW somebodys_own AS SELECT 1 AS one",
    "ANALYZE unit",
)

#: What a column takes, said with the row's number.
VALUES = {
    "character varying": "n::text",
    "text": "repeat(md5(n::text), 200)",
    "date": "DATE '2026-09-18' + n",
    "timestamp with time zone": "TIMESTAMPTZ '2026-09-18T09:00+08:00'",
    "boolean": "n % 2 = 0",
    "jsonb": "'{}'::jsonb",
    "bytea": "'\\x00'::bytea",
}
COLUMNS = """
SELECT table_name, string_agg(format('%I', column_name), ',' ORDER BY column_name) AS columns,
       array_agg(data_type ORDER BY column_name)::text[] AS types
FROM information_schema.columns WHERE table_schema = 'public' AND column_default IS NULL AND is_identity = 'NO'
GROUP BY table_name
"""


async def told(url: str) -> dict[str, list[asyncpg.Record]]:
    """All that a test could find there: the schema, the sequences, the rows as they come."""
    connection = await asyncpg.connect(url)
    found = {"the schema": await connection.fetch(SCHEMA), "the sequences": await connection.fetch(SEQUENCES)}
    for (table,) in await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND oid >= 16384"):
        found[table] = await connection.fetch(f'SELECT * FROM "{table}"')
    await connection.close()
    return found


async def fill(url: str) -> None:
    """Rows in every table, in some of them many."""
    connection = await asyncpg.connect(url)
    for table, columns, types in await connection.fetch(COLUMNS):
        values = ", ".join(VALUES.get(type, "n") for type in types)
        rows = 400 if table in ("event", "message", "unit") else 2
        await connection.execute(f'INSERT INTO "{table}" ({columns}) SELECT {values} FROM generate_series(1, {rows}) n')
    await connection.close()


def lent_again(shelf: PostgresShelf, url: str) -> None:
    """Brings the database back, and takes it from the shelf again."""
    shelf.discard(url)
    others = []
    while (lent := shelf.migrated()) != url:
        others.append(lent)
    for other in others:
        shelf.discard(other)


async def test_a_database_that_comes_back_is_like_a_new_one(shelf: PostgresShelf) -> None:
    used, new = shelf.migrated(), shelf.migrated()
    fresh = await told(new)
    await fill(new)
    filled = await told(new)
    assert all(len(rows) >= 2 for rows in filled.values())
    for _ in range(2):
        await fill(used)
        lent_again(shelf, used)
        assert await told(used) == fresh
    await fill(used)
    assert await told(used) == filled
    shelf.discard(used)
    shelf.discard(new)


async def test_who_has_stayed_in_a_database_is_put_out_before_it_is_lent_again(shelf: PostgresShelf) -> None:
    url = shelf.migrated()
    fresh = await told(url)
    stayed = await asyncpg.connect(url)
    await stayed.execute("BEGIN; SELECT pg_advisory_lock(1); INSERT INTO number_series (name, reached) VALUES ('x', 1)")
    lent_again(shelf, url)
    assert await told(url) == fresh
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
        await stayed.execute("COMMIT")
    stayed.terminate()
    shelf.discard(url)


@pytest.mark.parametrize("alteration", ALTERATIONS)
async def test_an_altered_database_is_replaced_by_a_new_one(shelf: PostgresShelf, alteration: str) -> None:
    url = shelf.migrated()
    before = await number_of(url)
    connection = await asyncpg.connect(url)
    await connection.execute(alteration)
    await connection.close()
    lent_again(shelf, url)
    assert await number_of(url) != before
    shelf.discard(url)


async def number_of(url: str) -> int:
    """The server's own number of the database, which no other ever has."""
    connection = await asyncpg.connect(url)
    (number,) = await connection.fetchrow("SELECT oid FROM pg_database WHERE datname = current_database()")
    await connection.close()
    return int(number)
