"""SQLite without a thread, as long as nobody could tell: waking it is a tenth of what a test costs.

aiosqlite hands every statement to a thread of its own, so that the loop can serve others meanwhile. Where the loop has
nothing else at all, no task, callback, timer, socket or signal, the statement is run at once. With anybody else there,
all is as in the program: what tests show of two who meet in a database, they show of the program's own ways.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")

_by_its_thread = aiosqlite.Connection._execute


def spare_the_thread() -> None:
    """For every connection that this process opens from now on."""
    setattr(aiosqlite, "connect", functools.partial(aiosqlite.connect, check_same_thread=False))  # noqa: B010
    setattr(aiosqlite.Connection, "_execute", _execute)  # noqa: B010


async def _execute(self: Any, work: Callable[..., T], *args: object, **kwargs: object) -> T:
    in_order = self._running and self._connection and not getattr(self, "_left_at_work", False)
    if in_order and _nobody_else(asyncio.get_running_loop()):
        return work(*args, **kwargs)
    try:
        result: T = await _by_its_thread(self, work, *args, **kwargs)
    except asyncio.CancelledError:
        self._left_at_work = True  # the thread may not have finished, and the next statement comes after this one
        raise
    return result


def _nobody_else(loop: asyncio.AbstractEventLoop) -> bool:
    if any(getattr(loop, waiting, True) for waiting in ("_ready", "_scheduled", "_signal_handlers")):
        return False
    sockets = getattr(loop, "_selector").get_map()  # noqa: B009  one of them is the loop's own
    return len(sockets) == 1 and len(asyncio.all_tasks(loop)) == 1
