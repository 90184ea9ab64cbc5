"""Drops from the queue what is news no more, a slice of it at a time.

No index is in the order of expiry. So what waits is walked through in the order of the queue: an ordinary one in one
round, a million texts within minutes. Nothing is sent meanwhile that has expired (outgoing.claim).
"""

from datetime import datetime

from alerts.states import Change, State, as_int, move
from kernel.db import Database, SqlValue, instant_of

#: So many are looked at in one round, for each state: some tens of milliseconds.
SLICE = 20_000
_ORDER = "channel, priority, send_after, id"


class Expiry:
    """Remembers how far the walk has come; a new one begins at the front."""

    def __init__(self) -> None:
        self._come_to: dict[State, tuple[SqlValue, ...]] = {}

    async def drop(self, database: Database, now: datetime) -> None:
        """One round, in the caller's transaction."""
        for state in (State.QUEUED, State.HELD):
            behind = self._come_to.pop(state, ())
            waiting = f"FROM outstanding WHERE state = '{state}'"
            if behind:
                waiting += f" AND ({_ORDER}) > ($1, $2, $3, $4)"
            waiting += f" ORDER BY {_ORDER}"
            last = await database.rows(f"SELECT {_ORDER} {waiting} LIMIT 1 OFFSET {SLICE - 1}", *behind)
            over = await database.rows(
                f"SELECT m.id FROM (SELECT id {waiting} LIMIT {SLICE}) AS slice JOIN message m ON m.id = slice.id"
                f" WHERE m.expires_at <= ${len(behind) + 1}",
                *behind,
                now,
            )
            await move(database, now, {as_int(row["id"]): Change(state=State.EXPIRED) for row in over})
            for row in last:
                self._come_to[state] = (
                    str(row["channel"]),
                    as_int(row["priority"]),
                    instant_of(row["send_after"]),
                    as_int(row["id"]),
                )
