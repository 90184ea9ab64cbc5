"""Where the tests get their databases: files in a folder, or databases of one PostgreSQL server.

What is made at length, a schema or a first start, is made once per worker and copied. A copy costs PostgreSQL 1,200
files and two checkpoints, 40 ms of processor; so one that holds nothing but the schema goes back on the shelf after
its test, emptied. It is again what a copy is: no row, every sequence at its start, the catalogues untouched, nobody
connected. What cannot be made so by emptying is dropped and copied anew.
"""

import asyncio
import shutil
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Self, TypeVar

import asyncpg

from kernel.clock import FakeClock
from kernel.db import Database
from server.settings import DatabaseSettings, Settings
from server.wiring import TABLES, open_system

T = TypeVar("T")


class SqliteShelf:
    """Databases are files in one folder; what is made at length is made once and copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = count(1)
        self._templates: dict[str, Path] = {}

    def blank(self) -> str:
        return f"sqlite://{self._folder / f'{next(self._names)}.db'}"

    def migrated(self) -> str:
        return self.copy("migrated", _create_schema)

    def installed(self) -> str:
        return self.copy("installed", _install)

    def copy(self, name: str, make: "Make") -> str:
        """A database like the one that `make` made when `name` was first asked for."""
        if name not in self._templates:
            self._templates[name] = self._folder / f"template-{name}.db"
            _elsewhere(make(f"sqlite://{self._templates[name]}"))
        return self.copy_of(f"sqlite://{self._templates[name]}")

    def copy_of(self, url: str) -> str:
        """A database with everything that is in that one, which must be closed."""
        made = self.blank()
        shutil.copyfile(url.removeprefix("sqlite://"), made.removeprefix("sqlite://"))
        return made

    def discard(self, url: str) -> None:
        name = Path(url).name
        for file in self._folder.glob(f"{name}*"):  # with its -wal and -shm
            file.unlink()

    def close(self) -> None:
        """The folder goes with everything in it."""


class PostgresShelf:
    """Databases of one server. A thread of its own empties or drops what was used and copies the next meanwhile."""

    def __init__(self, server_url: str, worker: str = "main") -> None:
        self._server_url, self._worker = server_url, worker
        self._names = count(1)
        self._templates: dict[str, str] = {}
        self._ready: defaultdict[str, deque[Future[str]]] = defaultdict(deque)
        self._broom: _Broom | None = None
        self._lent: set[str] = set()  # what the broom sweeps when it comes back
        self._loop, self._thread = asyncio.new_event_loop(), ThreadPoolExecutor(1)
        self._connection = self._does(asyncpg.connect(self._server_url)).result()
        self._drops: list[Future[str]] = []

    def blank(self) -> str:
        return self._cloned("template0").result()

    def migrated(self) -> str:
        url = self.copy("migrated", _create_schema)
        if self._broom is None:
            self._broom = self._does(_Broom.like(self._url(self._templates["migrated"]))).result()
        self._lent.add(url)
        return url

    def installed(self) -> str:
        return self.copy("installed", _install)

    def copy(self, name: str, make: "Make") -> str:
        """A database like the one that `make` made when `name` was first asked for."""
        if name not in self._templates:
            url = self.blank()
            _elsewhere(make(url))
            self._templates[name] = _named(url)
        ready = self._ready[name]
        while len(ready) < 2:
            ready.append(self._cloned(self._templates[name]))
        return ready.popleft().result()

    def copy_of(self, url: str) -> str:
        """A database with everything that is in that one, to which nobody may be connected."""
        return self._cloned(_named(url)).result()

    def discard(self, url: str) -> None:
        if url in self._lent:
            self._lent.remove(url)
            self._ready["migrated"].append(self._does(self._swept(url)))
        else:
            self._drops.append(self._does(self._drop(url)))

    def close(self) -> None:
        for work in (*self._drops, *(each for ready in self._ready.values() for each in ready)):
            work.result()
        if self._broom is not None:
            self._does(self._broom.close()).result()
        self._does(self._connection.close()).result()
        self._thread.submit(self._loop.close).result()
        self._thread.shutdown()

    def _cloned(self, template: str) -> "Future[str]":
        return self._does(self._clone(template, self._url(f"{self._worker}_{next(self._names)}")))

    def _url(self, name: str) -> str:
        return f"{self._server_url.rsplit('/', 1)[0]}/{name}"

    async def _clone(self, template: str, url: str) -> str:
        if self._broom is not None:
            await self._broom.leave(self._url(template))
        # Copying files beats writing the copy to the log as long as nobody waits for a disk.
        await self._connection.execute(f'CREATE DATABASE "{_named(url)}" TEMPLATE "{template}" STRATEGY file_copy')
        return url

    async def _drop(self, url: str) -> str:
        await self._connection.execute(f'DROP DATABASE "{_named(url)}" WITH (FORCE)')
        return url

    async def _swept(self, url: str) -> str:
        if self._broom is None or not await self._broom.sweeps(url):
            await self._drop(url)
            await self._clone(self._templates["migrated"], url)
        return url

    def _does(self, work: Coroutine[None, None, T]) -> "Future[T]":
        return self._thread.submit(self._loop.run_until_complete, work)


#: Where a change of the schema shows: whoever writes a row leaves a later transaction's number in it, whoever deletes
#: one lessens their count. Emptying a table writes its row in pg_class, of which therefore only the meaning counts.
_CATALOGUES = (
    "pg_attrdef", "pg_attribute", "pg_constraint", "pg_enum", "pg_index", "pg_largeobject_metadata", "pg_namespace",
    "pg_policy", "pg_proc", "pg_rewrite", "pg_sequence", "pg_statistic", "pg_trigger", "pg_type",
)  # fmt: skip
_SCHEMA = " UNION ALL ".join(
    (
        *(f"SELECT '{each}', count(*), max(xmin::text::bigint) FROM {each}" for each in _CATALOGUES),
        "SELECT 'pg_class', count(*), sum(hashtext(concat_ws(' ', oid, relname, relnamespace, relowner, relacl,"
        " reltablespace, relpersistence, relkind, reloptions))) FROM pg_class",
        "SELECT 'planned', count(*), 0 FROM pg_class WHERE relkind = 'r' AND oid >= 16384 AND reltuples >= 0",
    )
)
#: Whatever was written to since it was last truncated. Emptied by DELETE it would give later rows in another order.
_USED = (
    "SELECT oid::regclass::text FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0"
)
_ADVANCED = (
    "SELECT format('SELECT setval(%L, %s, false)', format('%I.%I', schemaname, sequencename), start_value)"
    " FROM pg_sequences WHERE last_value IS NOT NULL"
)
_OTHERS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class _Broom:
    """Makes used copies of one database, which has tables and no row, what they were: through a connection to each."""

    def __init__(self, schema: list[asyncpg.Record]) -> None:
        self._schema = schema
        self._connections: dict[str, asyncpg.Connection] = {}

    @classmethod
    async def like(cls, url: str) -> Self:
        connection = await asyncpg.connect(url)
        made = cls(await connection.fetch(_SCHEMA))
        await connection.close()
        return made

    async def sweeps(self, url: str) -> bool:
        """Empties it. False: it can only be thrown away."""
        try:
            if url not in self._connections:
                self._connections[url] = await asyncpg.connect(url)
            clean = await self._cleaned(self._connections[url])
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            clean = False
        if not clean:
            await self.leave(url)
        return clean

    async def leave(self, url: str) -> None:
        """Stays connected no longer."""
        if url in self._connections:
            await self._connections.pop(url).close()

    async def close(self) -> None:
        for url in list(self._connections):
            await self.leave(url)

    async def _cleaned(self, connection: asyncpg.Connection) -> bool:
        await connection.execute(_OTHERS)
        if await connection.fetch(_SCHEMA) != self._schema:
            return False
        used = [table for (table,) in await connection.fetch(_USED)]
        statements = [statement for (statement,) in await connection.fetch(_ADVANCED)]
        if used:
            statements.append(f"TRUNCATE {', '.join(used)}")
        if statements:
            await connection.execute("; ".join(statements))
        return True


Shelf = SqliteShelf | PostgresShelf
#: Fills the new database of that URL, and closes it.
Make = Callable[[str], Coroutine[None, None, None]]


async def _install(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), database=DatabaseSettings(url=url))
        async with open_system(settings, clock=FakeClock(datetime(2026, 9, 1, tzinfo=UTC))):
            pass


async def _create_schema(url: str) -> None:
    database = await Database.open(url, modules=TABLES)
    await database.create_schema()
    await database.close()


def _named(url: str) -> str:
    """The database's name on its server."""
    return url.rsplit("/", 1)[1]


def _elsewhere(work: Coroutine[None, None, None]) -> None:
    """Runs `work` in a loop and a thread of its own: the loop of the test must not be disturbed."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
