"""Where messages stand, as somebody who looks at one sees it; and what a test that writes states itself must say."""

from collections import Counter

from alerts.outgoing import being_sent
from alerts.states import State
from kernel.db import Database


async def states_by_number(database: Database) -> dict[int, str]:
    rows = await database.rows("SELECT id, state FROM message ORDER BY id")
    sending = {row["id"] for row in await database.rows(f"SELECT m.id FROM {being_sent(database)}")}
    return {int(str(row["id"])): str(State.SENDING if row["id"] in sending else row["state"]) for row in rows}


async def count_of_states(database: Database) -> dict[str, int]:
    return dict(Counter((await states_by_number(database)).values()))


async def stand_anew(database: Database) -> None:
    """Makes `outstanding` say what the rows of messages say, after a test has written them by itself."""
    async with database.transaction():
        await database.execute("DELETE FROM message_claim")
        await database.execute("DELETE FROM outstanding")
        await database.execute(
            "INSERT INTO outstanding (id, state, channel, priority, send_after)"
            " SELECT id, state, channel, priority, send_after FROM message"
            " WHERE state NOT IN ('delivered', 'merged') AND (state <> 'submitted' OR channel <> 'mail')"
        )
