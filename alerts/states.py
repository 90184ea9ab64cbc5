"""The states of a message, the legal moves between them, and the one statement that makes moves, in batches.

A move that is not in the table is not made: a late "sent" after "delivered" finds nothing to do.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

import msgspec
from msgspec import Struct

from kernel.db import Database, stored_instant

#: Receipts come within seconds, or hours later when a phone was off; a code is worth minutes.
CODE_WAIT = timedelta(minutes=2)
#: A text whose outcome stays unknown this often goes to a person.
MAX_ATTEMPTS = 5
#: Before the third, fourth and fifth try of it. The second is made at once; but a line that breaks whenever it is used
#: would use up all of them within seconds.
UNKNOWN_WAITS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
#: Of templates; 0 goes first. The urgent are warnings, and what carries a code.
PRIORITIES, URGENT = range(8), range(2)


class State(StrEnum):
    HELD = "held"  # waits for its hour or for room under a limit, and is queued then
    MERGED = "merged"  # one message says what this one and others would have said
    QUEUED = "queued"
    SENDING = "sending"  # claimed; nobody may touch it until the lease ends
    SUBMITTED = "submitted"  # the carrier took every part; for mail the end
    UNKNOWN = "unknown"  # a text with a code of which nobody knows whether the carrier took it
    DELIVERED = "delivered"
    FAILED = "failed"  # the carrier or the receipt said never
    EXPIRED = "expired"
    DEAD = "dead"  # given up after the last attempt: a person must look
    UNREPORTED = "unreported"  # the carrier took it and never said more: nobody knows, and only a person sends it again


MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.HELD: frozenset({State.QUEUED, State.MERGED, State.EXPIRED}),
        State.QUEUED: frozenset({State.SENDING, State.HELD, State.EXPIRED}),
        State.SENDING: frozenset(set(State) - {State.SENDING, State.HELD, State.MERGED, State.UNREPORTED}),
        State.UNKNOWN: frozenset({State.QUEUED, State.DELIVERED, State.FAILED, State.EXPIRED, State.DEAD}),
        State.SUBMITTED: frozenset({State.DELIVERED, State.FAILED, State.EXPIRED, State.UNREPORTED}),
        # Ended for want of knowledge: a receipt that comes all the same corrects it. Nothing leads back to the queue.
        State.UNREPORTED: frozenset({State.DELIVERED, State.FAILED, State.EXPIRED}),
        State.DELIVERED: frozenset(),
        State.FAILED: frozenset(),
        State.EXPIRED: frozenset(),
        State.DEAD: frozenset(),
        State.MERGED: frozenset(),
    }
)
FINAL = frozenset(state for state, following in MOVES.items() if not following) | {State.UNREPORTED}
#: Dead letters: the end of a message that nobody got.
LOST = frozenset({State.FAILED, State.EXPIRED, State.DEAD})


class Change(Struct, frozen=True, kw_only=True):
    state: State
    error: str = ""
    send_after: datetime | None = None


_LEGAL = ", ".join(f"'{state}>{after}'" for state, following in MOVES.items() for after in sorted(following))
_FINAL = ", ".join(f"'{state}'" for state in sorted(FINAL))
#: What nobody looks for any more. For a mail that includes that a server took it: it has no receipt.
ARRIVED = frozenset({State.DELIVERED, State.MERGED})


async def stand(database: Database, messages: Collection[int]) -> None:
    """Says in `outstanding` where `messages` stand, of which no row says it yet."""
    if messages:
        arrived = ", ".join(f"'{state}'" for state in sorted(ARRIVED))
        await database.execute(
            "INSERT INTO outstanding (id, state, channel, priority, send_after)"
            f" SELECT id, state, channel, priority, send_after FROM message WHERE id {among(database, 1)}"
            f" AND state NOT IN ({arrived}) AND (state <> 'submitted' OR channel <> 'mail')",
            as_numbers(messages),
        )


async def move(database: Database, now: datetime, changes: Mapping[int, Change]) -> set[int]:
    """Makes every change that is legal from where its message stands, and says which; the others come too late.

    Whoever takes the row that says where a message stands writes the message, and nobody else. So what a gateway has
    claimed is left to it, which has `settle`.
    """
    if not changes:
        return set()
    taken = await _take(database, changes)
    if len(taken) < len(changes) and database.dialect == "postgres":
        # Somebody moved it while we waited for its row: from where it stands now this may still be legal.
        taken |= await _take(database, {id: change for id, change in changes.items() if id not in taken})
    await _write(database, now, {message: changes[message] for message in taken})
    return taken


async def settle(
    database: Database, now: datetime, carrier: str, changes: Mapping[int, Change], *, untried: Collection[int] = ()
) -> None:
    """Makes the changes of messages that `carrier` was sending, and whose claim the caller has locked.

    Of `untried` it was not even asked: that is no attempt, or a link that comes and goes would use them all up.
    """
    await _write(database, now, changes, carrier=carrier, untried=untried)


async def lock(database: Database, messages: Collection[int]) -> None:
    """Locks where `messages` stand, and then the messages, in the order in which `move` does."""
    if database.dialect == "postgres":
        for table in ("outstanding", "message"):
            await database.rows(
                f"SELECT id FROM {table} WHERE id {among(database, 1)} ORDER BY id FOR UPDATE", as_numbers(messages)
            )


async def _take(database: Database, changes: Mapping[int, Change]) -> set[int]:
    """Deletes the rows of those that may make their change, and says which. Rows are locked in order of their number:
    two gateways that heard the same receipts must not wait for each other."""
    rows, legal = listed(database, 1, id="bigint", state="text"), f"o.state || '>' || r.state IN ({_LEGAL})"
    lock = " ORDER BY o.id FOR UPDATE OF o" if database.dialect == "postgres" else ""
    taken = await database.rows(
        "DELETE FROM outstanding WHERE id IN"
        f" (SELECT o.id FROM {rows} JOIN outstanding o ON o.id = r.id WHERE {legal}{lock}) RETURNING id",
        as_json({"id": message, "state": change.state} for message, change in sorted(changes.items())),
    )
    return {as_int(row["id"]) for row in taken}


async def _write(
    database: Database,
    now: datetime,
    changes: Mapping[int, Change],
    *,
    carrier: str | None = None,
    untried: Collection[int] = (),
) -> None:
    if not changes:
        return
    rows = listed(database, 1, id="bigint", state="text", error="text", send_after="timestamptz", tries="int")
    instant = instant_at(database, 2)
    await database.execute(
        "UPDATE message SET state = r.state, error = r.error, send_after = COALESCE(r.send_after, message.send_after),"
        " carrier = COALESCE($3, carrier), attempts = attempts + r.tries,"
        f" submitted_at = CASE WHEN submitted_at IS NULL AND r.state IN ('submitted', 'delivered') THEN {instant}"
        f" ELSE submitted_at END, finished_at = CASE WHEN r.state IN ({_FINAL}) THEN {instant} END"
        f" FROM {rows} WHERE message.id = r.id",
        as_json(
            {
                "id": message,
                "state": change.state,
                "error": change.error[:80],
                "send_after": change.send_after and stored_instant(change.send_after),
                "tries": int(carrier is not None and message not in untried),
            }
            for message, change in sorted(changes.items())
        ),
        now,
        carrier,
    )
    await stand(database, [message for message, change in changes.items() if change.state not in ARRIVED])


def after_unknown(confirms: bool, attempts: int, now: datetime) -> Change:
    if confirms:
        return Change(state=State.UNKNOWN, error="outcome unknown", send_after=now + CODE_WAIT)
    if attempts >= MAX_ATTEMPTS:
        return Change(state=State.DEAD, error="outcome unknown")
    wait = UNKNOWN_WAITS[attempts - 2] if attempts >= 2 else timedelta()
    return Change(state=State.QUEUED, error="outcome unknown", send_after=now + wait if wait else None)


# ------------------------------------------------------------------------------------------------------ two dialects


def as_json(rows: Iterable[Mapping[str, object]]) -> str:
    return msgspec.json.encode(list(rows)).decode()


def as_numbers(messages: Iterable[int]) -> str:
    return msgspec.json.encode(list(messages)).decode()


def among(database: Database, placeholder: int) -> str:
    """The condition that a number is among those that `as_numbers` wrote."""
    if database.dialect == "postgres":
        return f"= ANY(ARRAY(SELECT value::bigint FROM json_array_elements_text(CAST(${placeholder} AS json))))"
    return f"IN (SELECT value FROM json_each(${placeholder}))"


def listed(database: Database, placeholder: int, **columns: str) -> str:
    """A JSON parameter as the table `r`: one prepared statement serves a batch of any size."""
    if database.dialect == "postgres":
        shape = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"json_to_recordset(CAST(${placeholder} AS json)) AS r({shape})"
    taken = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"(SELECT {taken} FROM json_each(${placeholder})) AS r"


def beside(database: Database, table: str, condition: str) -> str:
    """Behind a table, to join to each of its rows the rows `x` of `table` that meet `condition`, looked up one by one.

    However much or little PostgreSQL knows of `table`: on a guess of one row it reads all of it, once for every row.
    """
    if database.dialect == "postgres":
        return f"CROSS JOIN LATERAL (SELECT * FROM {table} AS x WHERE {condition} OFFSET 0) AS x"
    return f"CROSS JOIN {table} AS x ON {condition}"


async def by_index(database: Database) -> None:
    """In this transaction PostgreSQL looks up each row of a batch by an index.

    It remembers plans, and one from when a table was empty reads all of it, until its statistics are made anew: with
    a few thousand rows a batch took a hundred milliseconds instead of ten.
    """
    if database.dialect == "postgres":
        await database.rows(_BY_INDEX)


_BY_INDEX = "SELECT " + ", ".join(
    f"set_config('enable_{way}', 'off', true)" for way in ("seqscan", "hashjoin", "mergejoin")
)


def instant_at(database: Database, placeholder: int) -> str:
    """An instant where PostgreSQL cannot tell the type from the column."""
    return f"CAST(${placeholder} AS timestamptz)" if database.dialect == "postgres" else f"${placeholder}"


def as_int(value: object) -> int:
    """An integer column of a raw row."""
    assert isinstance(value, int)
    return value
