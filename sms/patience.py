"""Patience with a database that is busy: what it refused is asked again, a few times, after growing pauses.

SQLite has one writer at a time and says "database is locked" to the next; PostgreSQL picks a victim out of a deadlock.
Limits: only for whole transactions, which may run twice; the last refusal is raised.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tortoise.exceptions import OperationalError

log = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES = 4
_PAUSE_S = 0.1


async def patiently(transaction: Callable[[], Awaitable[T]], what: str) -> T:
    """What `transaction` returns. `what` is tried, for the log. Raises OperationalError after the last try."""
    for attempt in range(1, _TRIES):
        try:
            return await transaction()
        except OperationalError as refused:
            log.warning("%s: try %s of %s: %s", what, attempt, _TRIES, cause_of(refused))
            await asyncio.sleep(attempt * _PAUSE_S)
    return await transaction()


def cause_of(refused: OperationalError) -> str:
    """For the log: what the database said first; what follows may quote values."""
    return str(refused).partition("\n")[0][:200]
