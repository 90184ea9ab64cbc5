"""Connections to a front-end database that is not ours: PostgreSQL, MySQL or MariaDB, SQLite for a single machine.

Each opens when it is first needed and anew after a failure. What a server says is never repeated, because it may
quote a value: the kind of failure is. Limits: one statement at a time; no pool; certificates of servers are the URL's
business (`sslmode`) on PostgreSQL, and TLS is all or nothing on MySQL.
"""

import asyncio
import re
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

import aiosqlite
import asyncpg
from asyncmy import errors
from asyncmy.connection import Connection as MysqlDriver

from ferry.transports.table import Connection, Row, Value

_CONNECT_S, _ANSWER_S = 15.0, 60.0
_MARK = re.compile(r"\?")


def connection(url: str) -> Connection:
    """By the scheme of its URL: postgres://, mysql:// (mysql+tls:// to insist on TLS) or sqlite://file."""
    scheme = urlsplit(url).scheme
    if scheme in ("postgres", "postgresql"):
        return Postgres(url)
    if scheme in ("mysql", "mysql+tls"):
        return Mysql(url)
    if scheme == "sqlite":
        return Sqlite(url.split("://", 1)[1])
    raise ValueError("a front-end database is postgres://, mysql:// or sqlite://")


class Postgres:
    octets = "BYTEA"

    def __init__(self, url: str) -> None:
        self._url = url
        self._open: _Postgres | None = None
        self._alone = asyncio.Lock()

    async def rows(self, sql: str, *values: Value) -> Sequence[Row]:
        async with self._alone:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    driver = await self._driver()
                    return [tuple(row) for row in await driver.fetch(_numbered(sql), *values)]
            except _POSTGRES_FAULTS as fault:
                raise await self._failed(fault) from None

    async def write(self, statements: Iterable[tuple[str, Sequence[Value]]]) -> None:
        async with self._alone:
            try:
                async with asyncio.timeout(_ANSWER_S) as limit:
                    driver = await self._driver()
                    async with driver.transaction():
                        for sql, values in statements:
                            await driver.execute(_numbered(sql), *values)
                            _extend(limit)
            except _POSTGRES_FAULTS as fault:
                raise await self._failed(fault) from None

    async def close(self) -> None:
        driver, self._open = self._open, None
        if driver is not None:
            with suppress(*_POSTGRES_FAULTS):
                await driver.close(timeout=5)

    async def _driver(self) -> "_Postgres":
        if self._open is None or self._open.is_closed():
            self._open = cast(_Postgres, await asyncpg.connect(self._url, timeout=_CONNECT_S))
        return self._open

    async def _failed(self, fault: BaseException) -> OSError:
        await self.close()
        return OSError(f"PostgreSQL: {type(fault).__name__}")


class Mysql:
    octets = "LONGBLOB"

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._open: _Mysql | None = None
        self._alone = asyncio.Lock()

    async def rows(self, sql: str, *values: Value) -> Sequence[Row]:
        return await self._alone_in_step([(sql, values)])

    async def write(self, statements: Iterable[tuple[str, Sequence[Value]]]) -> None:
        await self._alone_in_step(chain([("START TRANSACTION", ())], statements, [("COMMIT", ())]))

    async def close(self) -> None:
        self._abort()

    async def _alone_in_step(self, statements: Iterable[tuple[str, Sequence[Value]]]) -> Sequence[Row]:
        """The rows of the last statement. Whatever fails takes the connection with it: an answer may be on its way."""
        found: Sequence[Row] = ()
        async with self._alone:
            is_in_step = False
            try:
                async with asyncio.timeout(_ANSWER_S) as limit:
                    for sql, values in statements:
                        found = await self._run(sql, values)
                        _extend(limit)
                is_in_step = True
            except _MYSQL_FAULTS as fault:
                raise _mysql_failure(fault) from None
            finally:
                if not is_in_step:
                    self._abort()
        return found

    async def _run(self, sql: str, values: Sequence[Value]) -> Sequence[Row]:
        if self._open is None:
            self._open = await self._connected()
        # Prepared: values travel apart from the statement, octets as octets.
        prepared = await self._open.prepare(sql)
        try:
            return (await prepared.execute(tuple(values))).rows or ()
        finally:
            await prepared.close()

    async def _connected(self) -> "_Mysql":
        parts = self._parts
        driver = MysqlDriver(  # type: ignore[no-untyped-call]  # its stub has no types
            host=parts.hostname or "localhost",
            port=parts.port or 3306,
            database=parts.path.lstrip("/"),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or "").encode(),
            ssl=ssl.create_default_context() if parts.scheme == "mysql+tls" else None,
            connect_timeout=_CONNECT_S,
            charset="utf8mb4",
            autocommit=True,
        )
        opened = cast(_Mysql, driver)
        await opened.connect()
        return opened

    def _abort(self) -> None:
        driver, self._open = self._open, None
        if driver is not None:
            driver.close()


class Sqlite:
    octets = "BLOB"

    def __init__(self, file: str) -> None:
        self._file = file

    async def rows(self, sql: str, *values: Value) -> Sequence[Row]:
        try:
            async with aiosqlite.connect(self._file) as driver:
                return [tuple(row) for row in await driver.execute_fetchall(sql, values)]
        except aiosqlite.Error as fault:
            raise OSError(f"SQLite: {type(fault).__name__}") from None

    async def write(self, statements: Iterable[tuple[str, Sequence[Value]]]) -> None:
        try:
            async with aiosqlite.connect(self._file) as driver:
                for sql, values in statements:
                    await driver.execute(sql, values)
                await driver.commit()
        except aiosqlite.Error as fault:
            raise OSError(f"SQLite: {type(fault).__name__}") from None

    async def close(self) -> None:
        """Nothing stays open between two statements."""


# -------------------------------------------------------------------------------------------- drivers as we use them

_POSTGRES_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
_MYSQL_FAULTS = (errors.MySQLError, OSError, TimeoutError, asyncio.IncompleteReadError)


def _mysql_failure(fault: BaseException) -> OSError:
    code = fault.args[0] if isinstance(fault, errors.MySQLError) and fault.args else ""
    return OSError(f"MySQL: {type(fault).__name__} {code if isinstance(code, int) else ''}".rstrip())


def _extend(limit: asyncio.Timeout) -> None:
    """Each statement has its own time: a parcel is many."""
    limit.reschedule(asyncio.get_running_loop().time() + _ANSWER_S)


class _Transaction(Protocol):
    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *fault: object) -> object: ...


class _Postgres(Protocol):
    async def fetch(self, sql: str, *values: Value) -> Sequence[Row]: ...

    async def execute(self, sql: str, *values: Value) -> str: ...

    def transaction(self) -> _Transaction: ...

    def is_closed(self) -> bool: ...

    async def close(self, *, timeout: float) -> None: ...


class _Result(Protocol):
    rows: Sequence[Row] | None


class _Prepared(Protocol):
    async def execute(self, args: tuple[Value, ...]) -> _Result: ...

    async def close(self) -> None: ...


class _Mysql(Protocol):
    """What we use of asyncmy's Connection, whose own signatures say less."""

    async def connect(self) -> object: ...

    async def prepare(self, query: str) -> _Prepared: ...

    def close(self) -> None: ...


def _numbered(sql: str) -> str:
    """`?` as PostgreSQL writes it."""
    numbers = iter(range(1, 100))
    return _MARK.sub(lambda _: f"${next(numbers)}", sql)
