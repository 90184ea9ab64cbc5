"""A table of a front-end database (前置库) that a gap device copies row by row: where no file may cross at all.

A file is as many rows as it has mebibytes, because devices and servers limit the length of a value; it is there when
all its rows are. `flag` is '0' for what is new and '1' for what was taken, as such tables have it: whoever takes a
file deletes its rows, or, where the device must not see deletions, flags them and empties them. Expected of the
device: it copies rows with flag '0', in any order, perhaps twice. Nothing is expected of ids or times.

    CREATE TABLE ferry_out (id VARCHAR(80) PRIMARY KEY, name VARCHAR(64) NOT NULL, part INTEGER NOT NULL,
                            parts INTEGER NOT NULL, octets BLOB NOT NULL, flag CHAR(1) NOT NULL)

with BYTEA on PostgreSQL and LONGBLOB on MySQL; `make_table` does it. Limits: one schema; no Oracle.
"""

import asyncio
import os
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, Protocol

from ferry.transports.names import is_there, refuse_bad_name

_CHUNK = 1 << 20
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}(\.[A-Za-z_][A-Za-z0-9_]{0,39})?")
#: A device keeps and repeats rows; more files than these are looked at in the next turn.
_AT_ONCE = 1000

Value = str | int | bytes
Row = Sequence[object]


class Connection(Protocol):
    """One account at one database. Both raise OSError for whatever went wrong; `?` stands for each value."""

    octets: str  # the type of the column

    async def rows(self, sql: str, *values: Value) -> Sequence[Row]: ...

    async def write(self, statements: Iterable[tuple[str, Sequence[Value]]]) -> None:
        """All in one transaction; each is asked for when its turn has come."""


class Table:
    """`ferry.transports.Transport` over one table, one direction."""

    def __init__(self, connection: Connection, table: str, *, taken: Literal["delete", "flag"] = "delete") -> None:
        if _TABLE.fullmatch(table) is None:
            raise ValueError(f"not a table's name: {table!r}")
        self._connection, self._table, self._taken = connection, table, taken

    async def make_table(self) -> None:
        """Makes the table where it is not there; many sites let nobody but the DBA do that."""
        sql = (
            f"CREATE TABLE IF NOT EXISTS {self._table} (id VARCHAR(80) PRIMARY KEY, name VARCHAR(64) NOT NULL,"
            f" part INTEGER NOT NULL, parts INTEGER NOT NULL, octets {self._connection.octets} NOT NULL,"
            " flag CHAR(1) NOT NULL)"
        )
        await self._connection.write([(sql, ())])

    async def put(self, name: str, path: Path) -> None:
        refuse_bad_name(name)
        parts = max(1, -(-await asyncio.to_thread(os.path.getsize, path) // _CHUNK))
        # In one transaction: whoever dies here, or finds the disk full, leaves no rows that nobody would ever remove.
        with path.open("rb") as source:
            rows = ((f"{name}#{part}", name, part, parts, source.read(_CHUNK), "0") for part in range(parts))
            replaced = (f"DELETE FROM {self._table} WHERE name = ?", (name,))
            await self._connection.write(chain([replaced], ((self._inserting, row) for row in rows)))
        await asyncio.to_thread(path.unlink)

    async def names(self) -> list[str]:
        found = await self._connection.rows(
            f"SELECT name, COUNT(DISTINCT part), MIN(parts), MAX(parts) FROM {self._table} WHERE flag = '0'"
            f" GROUP BY name ORDER BY name LIMIT {_AT_ONCE}"
        )
        return [
            str(name) for name, there, fewest, most in found if there == fewest == most and is_there(str(name).strip())
        ]

    async def get(self, name: str, path: Path) -> None:
        parts = await self._connection.rows(
            f"SELECT part, MIN(id), MAX(parts) FROM {self._table} WHERE name = ? AND flag = '0'"
            " GROUP BY part ORDER BY part",
            name,
        )
        wanted = int(str(parts[0][2])) if parts else 0
        if not parts or [int(str(part)) for part, _, _ in parts] != list(range(wanted)):
            raise FileNotFoundError("not in the table, or not all of it")
        with path.open("wb") as target:
            for _, row_id, _ in parts:
                found = await self._connection.rows(
                    f"SELECT octets FROM {self._table} WHERE id = ? AND flag = '0'", str(row_id)
                )
                if not found:
                    raise FileNotFoundError("taken away meanwhile")
                octets = found[0][0]
                assert isinstance(octets, bytes | bytearray | memoryview)
                target.write(octets)

    async def remove(self, name: str) -> None:
        if self._taken == "delete":
            statement = f"DELETE FROM {self._table} WHERE name = ?", (name,)
            await self._connection.write([statement])
        else:
            values: tuple[Value, ...] = (b"", name)
            await self._connection.write(
                [(f"UPDATE {self._table} SET flag = '1', octets = ? WHERE name = ? AND flag = '0'", values)]
            )

    @property
    def _inserting(self) -> str:
        return f"INSERT INTO {self._table} (id, name, part, parts, octets, flag) VALUES (?, ?, ?, ?, ?, ?)"
