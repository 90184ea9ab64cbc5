"""The database under cancelled requests, and the two dialects' placeholders."""

import asyncio
from contextlib import suppress

import pytest

from kernel.db import Database, DatabaseUnavailable, dialect_of
from kernel.numbers import next_number
from kernel.tables import NumberSeries


@pytest.mark.parametrize("steps", range(0, 24, 2))
async def test_a_request_cancelled_anywhere_leaves_the_database_usable(database: Database, steps: int):
    async def request() -> None:
        async with database.transaction():
            await next_number("x")

    task = asyncio.create_task(request())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        await request()
        assert (await NumberSeries.get(name="x")).reached in (1, 2)


async def test_a_cancelled_wait_for_another_transaction_does_not_end_that_one(database: Database):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.transaction():
            await next_number("x")
            begun.set()
            await go_on.wait()

    async def second() -> None:
        async with database.transaction():
            await next_number("x")

    running = asyncio.create_task(first())
    await begun.wait()
    waiting = asyncio.create_task(second())
    await asyncio.sleep(0.01)
    waiting.cancel()
    go_on.set()
    await asyncio.gather(running, waiting, return_exceptions=True)
    assert (await NumberSeries.get(name="x")).reached == 1


async def test_many_rows_are_inserted_in_few_statements_and_returned(database: Database):
    rows = [(f"n{n}", n) for n in range(5000)]
    returned = await database.insert("number_series", ("name", "reached"), rows, tail="RETURNING name")
    assert len(returned) == 5000
    found = await database.rows("SELECT reached FROM number_series WHERE name = $1", "n4999")
    assert found == [{"reached": 4999}]


async def test_the_victim_of_a_deadlock_is_told_to_try_again(database: Database, dialect: str):
    if dialect == "sqlite":
        pytest.skip("one writer at a time")
    await database.insert("number_series", ("name", "reached"), [("a", 0), ("b", 0)])
    both_began = asyncio.Barrier(2)

    async def cross(first: str, second: str) -> None:
        async with database.transaction():
            await NumberSeries.filter(name=first).update(reached=1)
            await both_began.wait()
            await NumberSeries.filter(name=second).update(reached=2)

    outcomes = await asyncio.gather(cross("a", "b"), cross("b", "a"), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "OperationalError"]


@pytest.mark.parametrize("url", ["mysql://x", "nothing", ""])
def test_an_unknown_database_is_refused(url: str):
    with pytest.raises(ValueError, match="sqlite:// or postgres://"):
        dialect_of(url)


@pytest.mark.parametrize("url", ["sqlite:///dev/null/x/y.db", "sqlite:///etc", "postgres://a:b@127.0.0.1:1/c"])
async def test_a_database_that_cannot_be_opened_is_a_refusal_not_a_crash(url: str):
    with pytest.raises(DatabaseUnavailable):
        await Database.open(url, modules=["kernel.tables"])
