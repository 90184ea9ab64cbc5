"""The database: one tortoise connection per process, SQLite or PostgreSQL, the same statements on both.

Transactions are begun in this package only (the Office for acts, the outbox for deliveries). SQL is written with
`$1` placeholders; they become SQLite's `?1`. The connection is named by its dialect, because tortoise caches
prepared SQL by connection name and would otherwise send one dialect's text to the other.
"""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from tortoise import Tortoise, connections
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.context import TortoiseContext
from tortoise.exceptions import BaseORMException, OperationalError, TransactionManagementError
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.transactions import in_transaction

from kernel.refusals import Refusal

SqlValue = str | int | float | bool | bytes | datetime | date | None
Row = dict[str, object]

T = TypeVar("T")

_FROM_THE_DRIVER = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a farewell has arrived in the middle of a question
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.TooManyConnectionsError,
    asyncpg.exceptions.TransactionRollbackError,  # a deadlock's victim
)
#: What is said when a server stops, starts or cannot be reached; tortoise passes it through. InterfaceError is also
#: what a value of a wrong type is called, which is a ValueError besides.
GONE = (*_FROM_THE_DRIVER, OSError)
#: Values bound in one statement; both databases allow 32 thousand, but planning cost grows sooner.
_BOUND_VALUES = 4000
#: Where the application keeps the migrations of all packages' tables.
MIGRATIONS = "server.migrations"
_PLACEHOLDER = re.compile(r"\$(\d+)")


class DatabaseUnavailable(Refusal):
    code = "DATABASE_UNAVAILABLE"
    zh = "数据库无法打开：{why}。"
    en = "The database cannot be opened: {why}."
    retryable = True


class DatabaseNewer(Refusal):
    code = "DATABASE_NEWER"
    zh = "数据库已由更新的版本升级（{migrations}），请使用新版程序。"
    en = "A later program has migrated this database: {migrations}."


class DatabaseUnfit(Refusal):
    code = "DATABASE_UNFIT"
    zh = "数据库缺少本版程序的表或列（{missing}），请从备份恢复，或按运维手册处理。"
    en = "The database lacks tables or columns of this program: {missing}. Restore a backup, or see docs/operations.md."


#: What there is, by table and column.
_COLUMNS = {
    "sqlite": "SELECT m.name AS name, c.name AS col FROM sqlite_master m JOIN pragma_table_info(m.name) c"
    " WHERE m.type = 'table'",
    "postgres": "SELECT table_name AS name, column_name AS col FROM information_schema.columns"
    " WHERE table_schema = current_schema()",
}
_SHOWN = 12

#: Locks out other processes that migrate (SQLite by any write), then makes what tortoise keeps its history in.
_ALONE_WITH_HISTORY = {
    "sqlite": (
        "PRAGMA user_version = 0",
        'CREATE TABLE IF NOT EXISTS "tortoise_migrations" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,'
        ' "app" VARCHAR(255) NOT NULL, "name" VARCHAR(255) NOT NULL, "applied_at" TIMESTAMP NOT NULL,'
        ' UNIQUE ("app", "name"))',
    ),
    "postgres": (
        "SELECT pg_advisory_xact_lock(20260918)",
        'CREATE TABLE IF NOT EXISTS "tortoise_migrations" ("id" SERIAL PRIMARY KEY, "app" VARCHAR(255) NOT NULL,'
        ' "name" VARCHAR(255) NOT NULL, "applied_at" TIMESTAMPTZ NOT NULL, UNIQUE ("app", "name"))',
    ),
}


class _History(MigrationRecorder):
    """tortoise makes its table by a script, which on SQLite would end our transaction."""

    async def ensure_schema(self, schema_editor: object) -> None:
        pass


class Database:
    """An open database. `url` is `sqlite://path`, `sqlite://:memory:` or `postgres://user@host/name`."""

    def __init__(self, context: TortoiseContext, dialect: str, url: str, modules: list[str]) -> None:
        self._context = context
        self._modules = modules
        self.dialect = dialect
        self.url = url

    @classmethod
    async def open(cls, url: str, *, modules: Iterable[str]) -> "Database":
        """Opens the database for this process; `modules` name the tables' modules. Raises DatabaseUnavailable."""
        dialect, modules = dialect_of(url), list(modules)
        config = tortoise_config(url, modules=modules)
        context = await Tortoise.init(config=config, _enable_global_fallback=True)
        database = cls(context, dialect, url, modules)
        try:
            if dialect == "sqlite" and not url.endswith(":memory:"):
                Path(url.split("://", 1)[1].split("?", 1)[0]).parent.mkdir(parents=True, exist_ok=True)
            # Now rather than within the first transaction, where a cancelled request would leave it half made.
            await database.rows("SELECT 1")
        except (OSError, BaseORMException, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
            await database.close()
            await asyncio.sleep(0.05)  # aiosqlite's thread still has something to say to this loop
            raise DatabaseUnavailable(why=f"{type(fault).__name__}: {fault}"[:200]) from None
        return database

    async def close(self) -> None:
        await self._context.close_connections()

    async def migrate(self) -> list[str]:
        """Brings the tables to the newest version and returns the migrations applied. Safe to run again.

        Raises DatabaseNewer for a database that a later program has migrated. Several processes may begin at once.
        All is one transaction, tortoise's note of what was applied included: whoever dies leaves the version that was.
        """
        applied: list[str] = []

        def note(step: str, label: str, name: str) -> None:
            if step == "apply_done":
                applied.append(name)

        apps = tortoise_config(self.url, modules=self._modules)["apps"]
        async with in_transaction(self.dialect):  # not ours: its table may not be there yet
            for statement in _ALONE_WITH_HISTORY[self.dialect]:
                await self.execute(statement)
            executor = MigrationExecutor(self.connection, apps)
            executor.recorder = executor.loader.recorder = _History(self.connection)
            await executor.migrate(progress=note)
            known = {key.name for key in executor.loader.graph.nodes}
            done = {key.name for key in await executor.recorder.applied_migrations()}
            if later := sorted(done - known):
                raise DatabaseNewer(migrations=later)
        return applied

    async def refuse_unfit(self) -> None:
        """Raises DatabaseUnfit unless every column of the models is there.

        The migrations may say so and be wrong: of a development version that was never released, of a database that
        somebody altered by hand. Better not to start than to fail in the middle of an act.
        """
        there: dict[str, set[str]] = {}
        for row in await self.rows(_COLUMNS[self.dialect]):
            there.setdefault(str(row["name"]), set()).add(str(row["col"]))
        assert self._context.apps is not None
        missing: list[str] = []
        for meta in (model._meta for models in self._context.apps.values() for model in models.values()):
            if meta.db_table not in there:
                missing.append(meta.db_table)
                continue
            lacking = set(meta.fields_db_projection.values()) - there[meta.db_table]
            missing += [f"{meta.db_table}.{column}" for column in lacking]
        if missing:
            more = f" … ({len(missing)})" if len(missing) > _SHOWN else ""
            raise DatabaseUnfit(missing="、".join(sorted(missing)[:_SHOWN]) + more)

    async def create_schema(self) -> None:
        """Creates every table from the models at once: what the migrations must amount to."""
        await Tortoise.generate_schemas()
        for model in Tortoise.apps["zhangban"].values() if self.dialect == "postgres" else ():
            if percent := getattr(model, "fill_percent", None):
                await self.execute(f"ALTER TABLE {model._meta.db_table} SET (fillfactor = {percent})")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Everything in the block is committed together, or nothing. Inside another transaction: a savepoint.

        Raises OperationalError when the database is busy or gone, and tells a deadlock's victim the same.
        """
        context = in_transaction(self.dialect)
        try:
            await context.__aenter__()
        except (asyncio.CancelledError, *GONE) as ended:
            # While it began: tortoise would keep the connection for ever, and this task on it. Nothing was written,
            # and this exception type says that there is nothing to roll back.
            if hasattr(context, "token"):
                await context.__aexit__(TransactionManagementError, None, None)
            if isinstance(ended, asyncio.CancelledError):
                raise
            raise _operational(ended) from ended
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_exit(context)
                if self.dialect == "sqlite":
                    # tortoise begins deferred, and a reader that turns writer fails at once when another process
                    # writes. A write that touches nothing makes this one wait its turn instead.
                    await self.execute("DELETE FROM number_series WHERE name IS NULL")
                yield
        except _FROM_THE_DRIVER as lost:
            if isinstance(lost, ValueError):
                raise
            raise _operational(lost) from lost

    @property
    def connection(self) -> BaseDBAsyncClient:
        """The ambient connection: inside a transaction, the transaction's own."""
        connection: BaseDBAsyncClient = connections.get(self.dialect)
        return connection

    async def rows(self, sql: str, *values: SqlValue) -> list[Row]:
        """Rows as dicts. Instants come back as the driver gives them: use `instant` on each."""
        try:
            return await self.connection.execute_query_dict(self._spoken(sql), self._bound(values))
        except GONE as lost:
            if isinstance(lost, ValueError):
                raise
            raise _operational(lost) from lost

    async def execute(self, sql: str, *values: SqlValue) -> int:
        """Runs one statement and returns the number of rows it touched."""
        try:
            count, _ = await self.connection.execute_query(self._spoken(sql), self._bound(values))
        except GONE as lost:
            if isinstance(lost, ValueError):
                raise
            raise _operational(lost) from lost
        return count

    async def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[SqlValue]], *, tail: str = ""
    ) -> list[Row]:
        """Inserts many rows with as few statements as the bound-value limit allows.

        `tail` is what follows VALUES: `ON CONFLICT … DO NOTHING`, `RETURNING …`. Returns what RETURNING gave, which
        promises no order.
        """
        returned: list[Row] = []
        width = len(columns)
        for chunk in chunks(rows, max(1, _BOUND_VALUES // width)):
            values = ", ".join(
                "(" + ", ".join(f"${n * width + k}" for k in range(1, width + 1)) + ")" for n in range(len(chunk))
            )
            returned += await self.rows(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} {tail}",
                *(value for row in chunk for value in row),
            )
        return returned

    async def execute_many(self, sql: str, rows: Sequence[Sequence[SqlValue]]) -> None:
        if rows:
            await self.connection.execute_many(self._spoken(sql), [self._bound(row) for row in rows])

    def _spoken(self, sql: str) -> str:
        return _PLACEHOLDER.sub(r"?\1", sql) if self.dialect == "sqlite" else sql

    def _bound(self, values: Sequence[SqlValue]) -> list[SqlValue]:
        if self.dialect != "sqlite":
            return list(values)
        return [_stored(value) for value in values]


def _operational(lost: BaseException) -> OperationalError:
    """What a busy SQLite says, for callers who know one word for both."""
    return OperationalError(f"{type(lost).__name__}: {lost}")


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def dialect_of(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return "sqlite"
    if scheme in ("postgres", "postgresql", "asyncpg"):
        return "postgres"
    raise ValueError(f"unknown database scheme {scheme!r}: use sqlite:// or postgres://")


def tortoise_config(url: str, *, modules: Iterable[str]) -> dict[str, Any]:
    """The configuration in tortoise's own shape."""
    dialect = dialect_of(url)
    connection: str | dict[str, Any] = url
    if dialect == "postgres":
        connection = expand_db_url("asyncpg://" + url.split("://", 1)[1])
        # No statement of ours changes a connection's session, so it need not be reset after each use.
        connection["credentials"] = {"maxsize": 20, **connection["credentials"], "reset": _leave_as_is}
    return {
        "connections": {dialect: connection},
        "apps": {
            "zhangban": {
                "models": list(modules),
                "default_connection": dialect,
                "migrations": MIGRATIONS,
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


async def _leave_as_is(connection: object) -> None:
    """asyncpg's own reset asks the server four things after every statement outside a transaction."""


def instant(value: object) -> datetime | None:
    """An instant column of a raw row: SQLite gives text, PostgreSQL a datetime."""
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def instant_of(value: object) -> datetime:
    """The same for a column that is never null."""
    moment = instant(value)
    if moment is None:
        raise ValueError("an instant is missing")
    return moment


def _stored(value: SqlValue) -> SqlValue:
    if isinstance(value, datetime):
        return stored_instant(value)
    return value.isoformat() if isinstance(value, date) else value


def stored_instant(moment: datetime) -> str:
    """The text SQLite keeps for an instant, as tortoise writes it; text order is time order."""
    return str(moment.astimezone(UTC))
