"""The hand-written peer: everything one run of ours said to PostgreSQL, said again by asyncpg alone.

The statements are overheard once, act by act, with their values. On an identical copy of the database they are then
replayed, prepared, over one connection a client, all clients at once: the same transactions with nothing around them.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

#: One act's statements with their values, in order, from BEGIN to COMMIT.
Statements = list[tuple[str, Sequence[Any]]]


@contextmanager
def overheard() -> Iterator[Statements]:
    """Everything this process says to PostgreSQL meanwhile, by any connection."""
    heard: Statements = []
    connection = asyncpg.Connection
    kept = {name: getattr(connection, name) for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval")}

    def listening(name: str) -> Any:
        async def said(self: asyncpg.Connection, query: str, *values: Any, **more: Any) -> Any:
            if name == "executemany":
                values = (list(values[0]),)
                heard.extend((query, row) for row in values[0])
            else:
                heard.append((query, values))
            return await kept[name](self, query, *values, **more)

        return said

    for name in kept:
        setattr(connection, name, listening(name))
    try:
        yield heard
    finally:
        for name, method in kept.items():
            setattr(connection, name, method)


async def replay(
    url: str, spoken: Sequence[Sequence[Statements]], *, beside: Callable[[int, int], None] | None = None
) -> float:
    """Acts a second. `spoken`: per client its acts; `beside(client, n)`: what is to be computed for the n-th act."""
    connections = [await asyncpg.connect(url) for _ in spoken]

    async def client(number: int) -> None:
        connection = connections[number]
        for n, statements in enumerate(spoken[number]):
            if beside is not None:
                beside(number, n)
            for query, values in statements:
                if values:
                    await connection.fetch(query, *values)
                else:
                    await connection.execute(query)

    begun = time.perf_counter()
    await asyncio.gather(*map(client, range(len(spoken))))
    took = time.perf_counter() - begun
    for connection in connections:
        await connection.close()
    return sum(map(len, spoken)) / took
