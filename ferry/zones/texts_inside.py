"""The inner zone's book of the texts it handed out: which record each is, and what is known of it by now.

Written by whoever carries texts across, in its transactions, and by the reports that come back (texts.py).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from alerts.states import State, as_int, as_json, listed
from ferry.zones.texts import ENDED, FORGOTTEN, REFUSED
from kernel.db import Database, Row

#: In one batch.
MOST = 500
#: The ends of a text that no carrier took, as far as is known; and those after which it is tried under a new number:
#: a new try cannot be a second text, or whoever asks for it knows that it may be.
LOST = frozenset({*ENDED, REFUSED, FORGOTTEN} - {State.DELIVERED})
AGAIN = frozenset({State.EXPIRED, REFUSED, FORGOTTEN})
#: Longer than anything is heard of a text over there.
KEEP = timedelta(days=70)


class Entry(Struct, frozen=True):
    """A try: the message, which try of it, and the number of the record."""

    reference: int
    tries: int
    rid: str


async def known(database: Database, peer: str, references: Collection[int]) -> Mapping[int, Row]:
    """What the book says of these messages."""
    rows = await database.rows(
        f"SELECT a.* FROM text_across a JOIN {listed(database, 1, reference='bigint')} ON a.reference = r.reference"
        " WHERE a.peer = $2",
        as_json({"reference": reference} for reference in references),
        peer,
    )
    return {as_int(row["reference"]): row for row in rows}


async def codes_across(database: Database, peer: str, phone: str, *, now: datetime) -> list[str]:
    """What stands for the codes of the texts to `phone` that were handed to `peer`, while the texts mean anything."""
    rows = await database.rows(
        "SELECT m.secret FROM message m JOIN text_across a ON a.reference = m.id WHERE a.peer = $1"
        " AND m.to_phone = $2 AND m.confirms = TRUE AND m.secret <> '' AND m.expires_at > $3",
        peer,
        phone,
        now,
    )
    return [str(row["secret"]) for row in rows]


async def enter(database: Database, peer: str, entries: Sequence[Entry], *, now: datetime) -> None:
    """Begins tries, each in place of the message's last one."""
    await database.insert(
        "text_across",
        ("peer", "reference", "tries", "rid", "state", "taken", "error", "via", "number", "news", "handed_at"),
        [(peer, each.reference, each.tries, each.rid, State.QUEUED, False, "", "", 0, False, now) for each in entries],
        tail="ON CONFLICT (peer, reference) DO UPDATE SET tries = excluded.tries, rid = excluded.rid,"
        " state = excluded.state, taken = excluded.taken, error = '', via = '', number = 0, news = excluded.news,"
        " handed_at = excluded.handed_at, reported_at = NULL",
    )


async def news(database: Database, peer: str, awaited: Collection[str]) -> list[Row]:
    """What nobody was told yet; and of the `awaited` records those that were answered, to whomever that was told."""
    rows = await database.rows(f"{_BOOK} WHERE a.peer = $1 AND a.news = TRUE {_FIRST}", peer)
    if awaited:
        rows += await database.rows(
            f"{_BOOK} JOIN {listed(database, 2, rid='text')} ON a.rid = r.rid WHERE a.peer = $1 AND a.news = FALSE"
            f" AND (a.taken = TRUE OR a.state IN ({_LOST})) {_FIRST}",
            peer,
            as_json({"rid": rid} for rid in awaited),
        )
    return rows


async def were_told(database: Database, rows: Sequence[Row]) -> None:
    """Unless there is news of them again."""
    await database.execute(
        f"UPDATE text_across SET news = FALSE FROM {listed(database, 1, id='bigint', number='int')}"
        " WHERE text_across.id = r.id AND text_across.number = r.number",
        as_json({"id": row["id"], "number": row["number"]} for row in rows),
    )


async def forget(database: Database, peer: str, *, now: datetime) -> None:
    await database.execute(
        "DELETE FROM text_across WHERE peer = $1 AND handed_at < $2 AND news = FALSE", peer, now - KEEP
    )


# ------------------------------------------------------------------------------------------------------------ below

_LOST = ", ".join(f"'{state}'" for state in sorted(LOST))
_BOOK = "SELECT a.*, m.to_phone FROM text_across a LEFT JOIN message m ON m.id = a.reference"
_FIRST = f"ORDER BY a.id LIMIT {MOST}"
