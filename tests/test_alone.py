"""A statement is run without its thread only where nobody else could have used the time."""

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator

import aiosqlite
import pytest


@pytest.fixture
async def connection() -> AsyncIterator[aiosqlite.Connection]:
    async with aiosqlite.connect(":memory:") as opened:
        yield opened


async def runs_here(connection: aiosqlite.Connection) -> bool:
    return bool(await connection._execute(threading.get_ident) == threading.get_ident())


async def test_who_is_alone_waits_for_no_thread(connection: aiosqlite.Connection) -> None:
    assert await runs_here(connection)
    await connection.execute("CREATE TABLE t (n INT)")
    with pytest.raises(aiosqlite.OperationalError):
        await connection.execute("CREATE TABLE t (n INT)")


async def test_another_task_runs_on_while_a_statement_does(connection: aiosqlite.Connection) -> None:
    other = asyncio.create_task(asyncio.sleep(60))
    assert not await runs_here(connection)
    other.cancel()


async def test_a_callback_a_timer_a_socket_and_a_signal_are_attended_to(connection: aiosqlite.Connection) -> None:
    loop = asyncio.get_running_loop()
    called = asyncio.Event()
    loop.call_soon(called.set)
    assert not await runs_here(connection)
    assert called.is_set()
    timer = loop.call_later(60, called.set)
    assert not await runs_here(connection)
    timer.cancel()
    await asyncio.sleep(0)
    assert await runs_here(connection)
    one, other = socket.socketpair()
    with one, other:
        loop.add_reader(one, called.set)
        assert not await runs_here(connection)
        loop.remove_reader(one)
    assert await runs_here(connection)
    loop.add_signal_handler(signal.SIGUSR2, called.set)
    assert not await runs_here(connection)
    loop.remove_signal_handler(signal.SIGUSR2)


async def test_a_statement_comes_after_the_one_that_was_left(connection: aiosqlite.Connection) -> None:
    held = threading.Event()
    left = asyncio.create_task(connection._execute(held.wait))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait([left])
    threading.Timer(0.05, held.set).start()
    assert not await runs_here(connection)
    assert held.is_set()
