"""Acts from outside wait for their turn inside, in an order that is fair and with an end; how many at either end.

Turns: an actor's next act has its turn behind their last one, and whoever has nothing waiting comes in where the line
is now. So one who asks a thousand things at once waits for themselves, and everybody else for one of them.
Above a quota an act is kept only to be answered TOO_MANY_ACTS, in bulk and unread: the lane goes on, because texts
travel in it too.
Limits: whoever is not logged in is one actor to this zone; per address the doors outside count.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from alerts.states import as_int, as_json, listed
from kernel.db import Database

#: Acts that may wait inside: all, those of nobody in particular, those of one who is known.
MOST, MOST_OF_ANYBODY, MOST_OF_ONE = 100_000, 75_000, 1_000
#: And outside, for an outcome: an honest outer zone stays below all three.
MOST_OUTSIDE, MOST_OF_ANYBODY_OUTSIDE, MOST_OF_ONE_OUTSIDE = 50_000, 40_000, 200


class Arriving(Struct, frozen=True, kw_only=True):
    """`asked`: the act as JSON. `is_known`: whether its actor is one person."""

    rid: str
    tag: str
    actor: str
    is_known: bool
    asked: str
    asked_at: datetime


async def take(database: Database, peer: str, arriving: Sequence[Arriving], *, now: datetime) -> None:
    """Keeps the acts in the caller's transaction; each is performed in one of its own."""
    known = await database.rows(
        f"SELECT a.actor, MAX(a.turn) AS turn, COUNT(*) AS waiting FROM {listed(database, 1, actor='text')}"
        " JOIN arrived_act a ON a.actor = r.actor WHERE a.outcome = '' AND a.surplus = FALSE GROUP BY a.actor",
        as_json({"actor": actor} for actor in sorted({each.actor for each in arriving})),
    )
    last = {str(row["actor"]): as_int(row["turn"]) for row in known}
    waiting = {str(row["actor"]): as_int(row["waiting"]) for row in known}
    [line] = await database.rows(
        "SELECT (SELECT MIN(turn) FROM arrived_act WHERE outcome = '' AND surplus = FALSE) AS first,"
        f" ({waiting_inside()}) AS waiting"
    )
    first, room = as_int(line["first"] or 0), MOST - as_int(line["waiting"])
    given = []
    for each in arriving:
        count = waiting.get(each.actor, 0)
        is_surplus = room <= 0 or count >= (MOST_OF_ONE if each.is_known else MOST_OF_ANYBODY)
        turn = last.get(each.actor, first - 1) + 1
        if not is_surplus:
            last[each.actor], waiting[each.actor], room = turn, count + 1, room - 1
        asked = "" if is_surplus else each.asked
        given.append(
            (each.rid, peer, each.tag, asked, each.asked_at, now, 0, now, "", each.actor, turn, is_surplus)
        )  # fmt: skip
    await database.insert("arrived_act", _COLUMNS, given, tail="ON CONFLICT DO NOTHING")


def waiting_inside() -> str:
    """SQL of a number: how many acts wait, up to MOST."""
    return f"SELECT COUNT(*) FROM (SELECT 1 FROM arrived_act WHERE outcome = '' AND surplus = FALSE LIMIT {MOST}) AS w"


def waiting_outside() -> str:
    """The same of acts that wait for an outcome, up to MOST_OUTSIDE."""
    return f"SELECT COUNT(*) FROM (SELECT 1 FROM relayed_act WHERE answered_at IS NULL LIMIT {MOST_OUTSIDE}) AS w"


_COLUMNS = (
    *("rid", "peer", "tag", "asked", "asked_at", "at", "tries", "due_at", "outcome"),
    *("actor", "turn", "surplus"),
)
