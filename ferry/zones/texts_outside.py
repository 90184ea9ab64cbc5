"""The outer zone tells what became of the texts it took from inside, and forgets them.

Whoever sends texts here writes into the tables of the queue and knows nothing of zones; this looks at what has changed
since it was told last. A report and the note that it was told are one transaction. Once a carrier has all parts of a
text nobody here needs its words, and once it is final nobody needs its number: both are struck out then.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerts.settling import LATEST_RECEIPT
from alerts.states import FINAL, State, as_int, as_json, listed
from ferry.outgoing import hand_over
from ferry.records import Envelope
from ferry.station import Route
from ferry.zones.texts import ENDED, REPORT, TextReport, decent
from kernel.db import Database, Row

#: In one transaction; carriers are told at most a second later.
MOST = 500
#: No receipt comes any more for what was taken so long ago.
OPEN_FOR = LATEST_RECEIPT + timedelta(days=1)
#: As long as the ferry remembers the numbers of records at least.
KEEP = timedelta(days=70)


async def report_texts(database: Database, route: Route, *, now: datetime) -> int:
    """Tells inside how texts are by now, in a transaction of its own; how many were told of."""
    async with database.transaction():
        changed = await database.rows(_CHANGED, route.peer)
        if not changed:
            return 0
        # By compare-and-swap: of two processes that saw the same change one tells it.
        given = listed(database, 1, rid="text", number="int", state="text", error="text", is_open="int")
        told = await database.rows(
            "UPDATE text_ferried SET number = r.number, state = r.state, error = r.error,"
            f" is_open = CASE WHEN r.is_open = 1 THEN TRUE ELSE FALSE END FROM {given}"
            " WHERE text_ferried.rid = r.rid AND text_ferried.number = r.number - 1 RETURNING text_ferried.rid",
            as_json(
                {
                    "rid": row["rid"],
                    "number": as_int(row["number"]) + 1,
                    "state": row["state"],
                    "error": row["error"],
                    "is_open": int(row["state"] not in ENDED),
                }
                for row in changed
            ),
        )
        ours = {row["rid"] for row in told}
        changed = [row for row in changed if row["rid"] in ours]
        await hand_over(database, route, [_report(row, now) for row in changed], now=now)
        await _strike_out(database, changed, now)
    return len(changed)


async def forget_texts(database: Database, peer: str, *, now: datetime) -> None:
    """Closes what no receipt came for, and forgets what is long over; in a transaction of its own."""
    async with database.transaction():
        silent = await database.rows(
            "SELECT message_id FROM text_ferried WHERE peer = $1 AND is_open = TRUE AND taken_at < $2",
            peer,
            now - OPEN_FOR,
        )
        await database.execute(
            f"UPDATE message SET to_phone = '', body = '', masked_at = $2 FROM {listed(database, 1, id='bigint')}"
            " WHERE message.id = r.id",
            as_json({"id": row["message_id"]} for row in silent),
            now,
        )
        await database.execute(
            f"UPDATE text_ferried SET is_open = FALSE FROM {listed(database, 1, id='bigint')} WHERE message_id = r.id",
            as_json({"id": row["message_id"]} for row in silent),
        )
        await database.execute(
            "DELETE FROM text_ferried WHERE peer = $1 AND is_open = FALSE AND taken_at < $2", peer, now - KEEP
        )


# ------------------------------------------------------------------------------------------------------------ below

_CHANGED = (
    "SELECT f.rid, f.number, m.id, m.state, m.error, m.carrier, m.parts,"
    " (SELECT COUNT(DISTINCT p.seq) FROM message_part p WHERE p.message_id = m.id) AS accepted"
    " FROM text_ferried f JOIN message m ON m.id = f.message_id WHERE f.peer = $1 AND f.is_open = TRUE"
    f" AND (m.state <> f.state OR m.error <> f.error) ORDER BY f.id LIMIT {MOST}"
)
#: From here on a carrier has it, or nobody ever will.
_SPOKEN = frozenset({State.SUBMITTED, *FINAL})
_TAKEN = frozenset({State.SUBMITTED, State.DELIVERED, State.UNREPORTED})


def _report(row: Row, now: datetime) -> Envelope:
    rid, number, state = str(row["rid"]), as_int(row["number"]) + 1, State(str(row["state"]))
    # What only its receipt settled has no parts in the books.
    taken = as_int(row["accepted"]) >= as_int(row["parts"]) or state in _TAKEN
    return Envelope(
        rid=f"{rid}.{number}",
        type=REPORT,
        key=rid,
        at=now,
        body=TextReport(
            text=rid,
            number=number,
            state=state,
            taken=taken,
            carrier=decent(str(row["carrier"]), 20),
            error=decent(str(row["error"]), 80),
        ),
    )


async def _strike_out(database: Database, changed: Sequence[Row], now: datetime) -> None:
    spoken = [row for row in changed if row["state"] in _SPOKEN]
    await database.execute(
        "UPDATE message SET body = '', extension = '', to_phone = CASE WHEN r.is_final = 1 THEN '' ELSE to_phone END,"
        f" masked_at = CASE WHEN r.is_final = 1 THEN $2 ELSE masked_at END"
        f" FROM {listed(database, 1, id='bigint', is_final='int')} WHERE message.id = r.id",
        as_json({"id": row["id"], "is_final": int(row["state"] in ENDED)} for row in spoken),
        now,
    )
