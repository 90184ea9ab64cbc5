"""One connection to a MySQL or MariaDB server, and what can become of a statement on it.

Every statement is prepared, so values travel apart from it; what it changes is committed with it. A message of the
server is never repeated, because it may quote a text or a number: its code is. Limits: one statement at a time; a
connection that broke is opened again only when asked for.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Protocol, cast

from asyncmy import errors
from asyncmy.connection import Connection
from msgspec import Struct

from sms.mas.interface import Row, Statement


class Server(Struct, frozen=True, kw_only=True):
    """With `tls` a server that offers none is refused; `host` must stand in its certificate."""

    host: str
    port: int
    database: str
    user: str
    password: str
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"Server({self.host!r}, {self.port!r}, {self.database!r})"


class Patience(Struct, frozen=True, kw_only=True):
    """Waits, in seconds."""

    connect_s: float = 10.0
    #: A statement of ours takes milliseconds; a lock of the machine's, seconds.
    answer_s: float = 20.0
    #: After this much silence a connection is asked whether it still stands, before anything is entrusted to it.
    idle_s: float = 15.0


PATIENCE = Patience()


class NotConnected(Exception):
    """Nothing was done."""


class Lost(Exception):
    """The connection broke, or the answer did not come: what was asked may have been done."""


class Rejected(Exception):
    """The server said no. `code` is its own, as in "1146"."""

    def __init__(self, code: int) -> None:
        super().__init__(f"MySQL error {code}")
        self.code = code


class Session:
    """One account at one database; one statement at a time."""

    def __init__(self, server: Server, patience: Patience = PATIENCE) -> None:
        self._server, self._patience = server, patience
        self._driver: _Driver | None = None
        self._used_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._driver is not None

    async def open(self) -> bool:
        """Connects unless connected; True: anew. Raises NotConnected, or Rejected when the account is wrong."""
        if self._driver is not None:
            if _now() - self._used_at < self._patience.idle_s:
                return False
            with suppress(NotConnected, Lost, Rejected):
                await self.run(Statement("SELECT 1"))
                return False
        self.abort()
        driver = _driver(self._server, self._patience.connect_s)
        try:
            async with asyncio.timeout(self._patience.connect_s):
                await driver.connect()
            self._driver, self._used_at = driver, _now()
        except (errors.MySQLError, OSError) as error:
            if code := _server_code(error):
                raise Rejected(code) from None
            raise NotConnected(f"cannot connect: {type(error.__cause__ or error).__name__}") from None
        finally:
            if self._driver is None:
                driver.close()
        return True

    async def run(self, statement: Statement) -> list[Row]:
        """Raises NotConnected, Lost or Rejected."""
        driver = self._driver
        if driver is None:
            raise NotConnected("not connected")
        prepared: _Prepared | None = None
        is_in_step = False
        try:
            async with asyncio.timeout(self._patience.answer_s):
                prepared = await driver.prepare(statement.sql)
                try:
                    rows = (await prepared.execute(statement.values)).rows
                finally:
                    await prepared.close()
            is_in_step = True
        except (errors.MySQLError, OSError) as error:
            if code := _server_code(error):
                is_in_step = True
                raise Rejected(code) from None
            # Until it is prepared, a statement is a question only.
            raise (Lost if prepared else NotConnected)(f"no answer: {type(error).__name__}") from None
        finally:
            if not is_in_step:
                self.abort()  # the answer, should it come, would be taken for that of the next statement
        self._used_at = _now()
        return list(rows or ())

    async def close(self) -> None:
        """Says goodbye, if that takes no time."""
        driver, self._driver = self._driver, None
        if driver is not None:
            with suppress(errors.MySQLError, OSError):
                async with asyncio.timeout(1.0):
                    await driver.ensure_closed()
            driver.close()

    def abort(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()


# ---------------------------------------------------------------------------------------------------------- asyncmy


class _Result(Protocol):
    rows: tuple[Row, ...] | None


class _Prepared(Protocol):
    async def execute(self, args: tuple[str | int, ...]) -> _Result: ...

    async def close(self) -> None: ...


class _Driver(Protocol):
    """What we use of asyncmy's Connection, whose own signatures say less."""

    async def connect(self) -> object: ...

    async def prepare(self, query: str) -> _Prepared: ...

    async def ensure_closed(self) -> None: ...

    def close(self) -> None: ...


def _driver(server: Server, connect_s: float) -> _Driver:
    made = Connection(  # type: ignore[no-untyped-call]  # its stub has no types
        host=server.host,
        port=server.port,
        database=server.database,
        user=server.user,
        password=server.password.encode(),
        ssl=server.tls,
        connect_timeout=connect_s,
        # Which every server since 4.1 knows, and which can hold whatever one of their columns says.
        charset="utf8",
        autocommit=True,
    )
    return cast(_Driver, made)


def _server_code(error: BaseException) -> int:
    """The server's own code: those from 2000 to 2999 are the client's, and mean that the connection is gone."""
    code = error.args[0] if isinstance(error, errors.MySQLError) and error.args else 0
    return code if isinstance(code, int) and code >= 1000 and not 2000 <= code < 3000 else 0


def _now() -> float:
    return asyncio.get_running_loop().time()
