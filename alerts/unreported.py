"""Ends texts that a carrier took and never spoke of again: every message reaches a final state.

A text is waited for as long as the carrier may still deliver it, which is its own life (what the wire is told is never
longer), and a grace after that, for receipts travel slowly when something is wrong. Then it is `unreported`: nobody
knows whether the person read it. It is not sent again. Where it had to reach somebody, a red light or a card, it is
followed up like a dead letter (alerts/dead_letters.py). A receipt that comes later still is the better knowledge and
corrects the record, within LATEST_RECEIPT; from there nothing leads back.
No index is in the order of expiry, so the oldest of each priority are walked through in the order of the queue.
Where receipts come, hardly anything is that old.
Limits: a carrier that keeps no promise about validity may deliver what is ended here.
"""

import logging
from datetime import datetime, timedelta

from alerts.states import PRIORITIES, Change, State, as_int, by_index, move
from kernel.db import Database, instant_of

log = logging.getLogger(__name__)

#: Where nobody has decided.
USUAL_GRACE = timedelta(hours=24)
#: Stands in `message.error`.
NO_RECEIPT = "no receipt"
#: So many are looked at in one round.
SLICE = 20_000
#: Between two walks: nothing is in a hurry after a day.
REST = timedelta(minutes=1)


class Unreported:
    """Remembers how far the walk has come; a new one begins at the front. `grace` after the end of a text's life."""

    def __init__(self, grace: timedelta) -> None:
        self._grace = grace
        self._priority = 0
        self._behind: tuple[datetime, int] | None = None
        self._rests_since: datetime | None = None

    async def end(self, database: Database, *, now: datetime) -> int:
        """One round: how many it ended. Bookkeeping of the queue, so it opens its own transactions."""
        if self._rests_since is not None and self._rests_since <= now < self._rests_since + REST:
            return 0
        self._rests_since = None
        ended = 0
        while self._priority in PRIORITIES:
            found, self._behind = await self._slice(database, now)
            ended += found
            if self._behind is not None:
                break
            self._priority += 1
        else:
            self._priority, self._rests_since = 0, now
        if ended:
            log.warning("%s texts: no receipt came in their time, nor after it", ended)
        return ended

    async def _slice(self, database: Database, now: datetime) -> tuple[int, tuple[datetime, int] | None]:
        """How many it ended at this priority, and the last it looked at if there may be more."""
        over = now - self._grace
        old = f"FROM outstanding WHERE state = '{State.SUBMITTED}' AND channel = 'sms' AND priority = {self._priority}"
        old += " AND send_after <= $1"  # nothing expires before it is due
        if self._behind is not None:
            old += " AND (send_after, id) > ($2, $3)"
        old += " ORDER BY send_after, id"
        known = (over, *(self._behind or ()))
        async with database.transaction():
            await by_index(database)
            last = await database.rows(f"SELECT send_after, id {old} LIMIT 1 OFFSET {SLICE - 1}", *known)
            rows = await database.rows(
                f"SELECT m.id FROM (SELECT id {old} LIMIT {SLICE}) AS slice JOIN message m ON m.id = slice.id"
                " WHERE m.expires_at <= $1",
                *known,
            )
            silent = Change(state=State.UNREPORTED, error=NO_RECEIPT)
            await move(database, now, {as_int(row["id"]): silent for row in rows})
        behind = (instant_of(last[0]["send_after"]), as_int(last[0]["id"])) if last else None
        return len(rows), behind
