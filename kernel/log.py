"""Writing the event log and checking it. Append-only: nothing here updates or deletes an event."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from kernel.db import Database, Row, SqlValue, chunks, instant_of
from kernel.events import GENESIS, Event, chained_hash, encode, tag_of

_PAGE = 2000


class ChainContended(Exception):
    """Two transactions wrote a subject's first event at once; whoever comes second begins again."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Where a chain stands."""

    length: int
    head: str


async def append(database: Database, events: Sequence[Event], *, at: datetime, actor: str) -> list[tuple[int, Event]]:
    """Appends `events` to their subjects' chains and returns each with its row id, in order.

    Three statements however many events. Raises ChainContended when another transaction began a chain first.
    """
    if not events:
        return []
    heads = await _heads(database, {event.subject for event in events})
    known = set(heads)
    rows: list[tuple[SqlValue, ...]] = []
    for event in events:
        link = heads.get(event.subject, Link(length=0, head=GENESIS))
        body, tag, seq = encode(event), tag_of(type(event)), link.length + 1
        digest = chained_hash(
            previous=link.head, subject=event.subject, seq=seq, tag=tag, at=at, actor=actor, body=body
        )
        rows.append((event.subject, seq, tag, at, actor, body, link.head, digest))
        heads[event.subject] = Link(length=seq, head=digest)
    await _move_heads(database, heads, known, grown=events)
    ids = await _insert(database, rows)
    return list(zip(ids, events, strict=True))


async def _heads(database: Database, subjects: set[str]) -> dict[str, Link]:
    found: dict[str, Link] = {}
    for chunk in chunks(sorted(subjects), 500):
        marks = ", ".join(f"${n}" for n in range(1, len(chunk) + 1))
        lock = " FOR UPDATE" if database.dialect == "postgres" else ""
        sql = f"SELECT subject, length, head FROM event_chain WHERE subject IN ({marks}) ORDER BY subject{lock}"
        for row in await database.rows(sql, *chunk):
            found[str(row["subject"])] = Link(length=int(str(row["length"])), head=str(row["head"]))
    return found


async def _move_heads(database: Database, heads: dict[str, Link], known: set[str], *, grown: Sequence[Event]) -> None:
    fresh = [(subject, link.length, link.head) for subject, link in heads.items() if subject not in known]
    moved = [(link.length, link.head, subject) for subject, link in heads.items() if subject in known]
    tail = "ON CONFLICT (subject) DO NOTHING RETURNING subject"
    if len(await database.insert("event_chain", ("subject", "length", "head"), fresh, tail=tail)) != len(fresh):
        raise ChainContended(grown[0].subject)
    await database.execute_many("UPDATE event_chain SET length = $1, head = $2 WHERE subject = $3", moved)


async def _insert(database: Database, rows: Sequence[tuple[SqlValue, ...]]) -> list[int]:
    columns = ("subject", "seq", "tag", "at", "actor", "body", "previous_hash", "hash")
    written = await database.insert("event", columns, rows, tail="RETURNING id, subject, seq")
    ids = {(row["subject"], row["seq"]): int(str(row["id"])) for row in written}
    return [ids[row[0], row[1]] for row in rows]


class BrokenLink(msgspec.Struct, frozen=True, kw_only=True):
    """The first place where a chain does not hold, and why."""

    subject: str
    seq: int
    why: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    events: int
    chains: int
    broken: BrokenLink | None = None


async def verify(database: Database) -> Verdict:
    """Walks every chain from its first event and stops at the first broken link.

    Finds an edited column, a deleted, inserted or swapped row, and a cut tail. Memory is one page of rows.
    """
    heads = {
        str(row["subject"]): Link(length=_number(row["length"]), head=str(row["head"]))
        for row in await database.rows("SELECT subject, length, head FROM event_chain")
    }
    chains, events = len(heads), 0
    walked = _Walk()
    async for row in _rows_in_chain_order(database):
        events += 1
        if (broken := walked.step(row, heads)) is not None:
            return Verdict(events=events, chains=chains, broken=broken)
    if (broken := walked.finish(heads)) is not None:
        return Verdict(events=events, chains=chains, broken=broken)
    return Verdict(events=events, chains=chains)


class _Walk:
    """Holds the previous link while the rows of all chains stream past, ordered by subject and place."""

    def __init__(self) -> None:
        self._subject: str | None = None
        self._link = Link(length=0, head=GENESIS)
        self._seen: set[str] = set()

    def step(self, row: Row, heads: dict[str, Link]) -> BrokenLink | None:
        subject, seq = str(row["subject"]), _number(row["seq"])
        if subject != self._subject:
            if (cut := self._check_end(heads)) is not None:
                return cut
            self._subject, self._link = subject, Link(length=0, head=GENESIS)
            self._seen.add(subject)
        if seq != self._link.length + 1:
            return BrokenLink(subject=subject, seq=self._link.length + 1, why="the event is missing")
        if row["previous_hash"] != self._link.head:
            return BrokenLink(subject=subject, seq=seq, why="it does not follow its predecessor")
        digest = _digest(row, previous=self._link.head)
        if digest is None or digest != row["hash"]:
            return BrokenLink(subject=subject, seq=seq, why="its content was changed")
        self._link = Link(length=seq, head=digest)
        return None

    def finish(self, heads: dict[str, Link]) -> BrokenLink | None:
        if (cut := self._check_end(heads)) is not None:
            return cut
        for subject in sorted(heads):
            if subject not in self._seen:
                return BrokenLink(subject=subject, seq=1, why="the event is missing")
        return None

    def _check_end(self, heads: dict[str, Link]) -> BrokenLink | None:
        if self._subject is None:
            return None
        head = heads.get(self._subject)
        if head is None:
            return BrokenLink(subject=self._subject, seq=self._link.length, why="the chain is not registered")
        if head != self._link:
            return BrokenLink(subject=self._subject, seq=self._link.length + 1, why="the chain's end was cut or moved")
        return None


def _digest(row: Row, *, previous: str) -> str | None:
    """The hash this row ought to have; None when its instant is no instant any more (SQLite keeps any word)."""
    try:
        at = instant_of(row["at"])
    except ValueError:
        return None
    return chained_hash(
        previous=previous,
        subject=str(row["subject"]),
        seq=_number(row["seq"]),
        tag=str(row["tag"]),
        at=at,
        actor=str(row["actor"]),
        body=str(row["body"]),
    )


def _number(value: object) -> int:
    """A count as the database has it; -1, which fits no chain, for a word."""
    return value if isinstance(value, int) else -1


async def _rows_in_chain_order(database: Database) -> AsyncIterator[Row]:
    place = ("", 0)
    while True:
        page = await database.rows(
            "SELECT subject, seq, tag, at, actor, body, previous_hash, hash FROM event"
            f" WHERE (subject, seq) > ($1, $2) ORDER BY subject, seq LIMIT {_PAGE}",
            *place,
        )
        for row in page:
            yield row
        if len(page) < _PAGE:
            return
        place = (str(page[-1]["subject"]), _number(page[-1]["seq"]))
