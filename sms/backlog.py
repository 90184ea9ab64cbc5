"""How much waits, since when, and what went wrong lately: the figures of the status page and of the metrics.

Everything is asked of the database, so it is true of all processes together, and every question is bounded, however
long the queue: texts of each state and priority are counted in one index, up to COUNT_TO; what must be read row by row
(classes, carriers, errors) is read of LOOK_AT of them, those that go first or came last. Reads only.
Limits: beyond COUNT_TO a figure says "at least"; beyond LOOK_AT those by class, carrier and error are of so many.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from alerts.outgoing import being_sent
from alerts.states import LOST, PRIORITIES, State
from alerts.unreported import NO_RECEIPT
from kernel.db import Database, Row, instant
from sms.cmpp import statuses as cmpp
from sms.mas import messages as mas
from sms.mo_limits import INBOX_RULES
from sms.statuses import COMMAND_STATUSES, FAMILIES, RECEIPT_ERRORS, RECEIPT_STATES, Fault, Meaning

COUNT_TO, LOOK_AT = 100_000, 5_000
#: A receipt comes within the validity of a text or never.
RECEIPT_WITHIN = timedelta(days=3)
#: The clock follows dead letters up three times a minute; what is left after this long, it cannot.
FOLLOWED_UP_WITHIN = timedelta(minutes=2)
#: And after this long it is history.
DEAD_SINCE = timedelta(days=7)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Level(Struct, frozen=True, kw_only=True):
    """What waits at one priority; 0 goes first. `later`: how many of them may not go yet (the pause before another
    try). `oldest_due_at`: since when the oldest of the others could have gone. `by_class`: of LOOK_AT that go first."""

    priority: int
    waiting: int
    later: int
    oldest_due_at: datetime | None
    by_class: Mapping[str, int]


class Held(Struct, frozen=True, kw_only=True):
    """What one carrier has of ours. `outstanding`: taken within three days, and no final receipt yet. `lost`: ended
    undelivered; `dead_letters` of them were not even followed up. `unreported`: ended because no receipt came."""

    sending: int = 0
    unknown: int = 0
    outstanding: int = 0
    outstanding_over_1h: int = 0
    lost_last_hour: int = 0
    lost_last_day: int = 0
    dead_letters: int = 0
    unreported_last_day: int = 0


class Trouble(Struct, frozen=True, kw_only=True):
    """One reason why texts were not delivered, as the carrier said it. `waiting`: will be tried again.

    `fault` is empty and the words are where no table of ours knows the code.
    """

    carrier: str
    error: str
    fault: str
    zh: str
    en: str
    last_hour: int
    last_day: int
    waiting: int


class Waiting(Struct, frozen=True, kw_only=True):
    """Of texts from people, or of events for their consumers; `stuck` were tried to the end and need a person."""

    waiting: int
    stuck: int
    oldest_at: datetime | None


class Backlog(Struct, frozen=True, kw_only=True):
    """`totals`: texts by state, of those that have not ended. `unmatched`: receipts for no part we know, by carrier."""

    at: datetime
    totals: Mapping[str, int]
    levels: tuple[Level, ...]
    by_carrier: Mapping[str, Held]
    troubles: tuple[Trouble, ...]
    inbox: Waiting
    events: Waiting
    unmatched: Mapping[str, int]

    @property
    def unmatched_receipts(self) -> int:
        return sum(self.unmatched.values())

    @property
    def oldest_due_at(self) -> datetime | None:
        return min((level.oldest_due_at for level in self.levels if level.oldest_due_at), default=None)

    @property
    def dead_letters(self) -> int:
        return sum(held.dead_letters for held in self.by_carrier.values())


async def backlog(database: Database, *, now: datetime) -> Backlog:
    """The figures as they are at `now`. A few statements, no transaction."""
    counted = await _counted(database, now)
    totals: dict[str, int] = dict.fromkeys(map(str, _STATES), 0)
    for row in counted:
        totals[str(row["state"])] += _int(row["n"])
    queued = [row for row in counted if row["state"] == State.QUEUED]
    looked_at = [(State(str(row["state"])), _int(row["priority"])) for row in counted]
    looked_at += [(state, priority) for state in sorted({*LOST, State.UNREPORTED}) for priority in PRIORITIES]
    rows = await _by_carrier(database, looked_at, now)
    return Backlog(
        at=now,
        totals=totals,
        levels=await _levels(database, queued, now),
        by_carrier={carrier: _held(rows, carrier) for carrier in sorted({str(row["carrier"]) for row in rows})},
        troubles=tuple(_troubles(rows)),
        inbox=await _inbox(database),
        events=await _events(database),
        unmatched=await _unmatched(database),
    )


def meaning_of(error: str) -> Meaning | None:
    """What a message's error means: the carrier's own code, then its name in our tables, as settling writes them."""
    if error.startswith(("outcome unknown", "no answer")):
        return _UNKNOWN
    if error == NO_RECEIPT:
        return _UNREPORTED
    return _BY_NAME.get(error) or _BY_NAME.get(error.rpartition(" ")[2])


# ------------------------------------------------------------------------------------------------------------ below

#: Where something is still to come.
_STATES = (State.HELD, State.QUEUED, State.SENDING, State.UNKNOWN, State.SUBMITTED)
_UNKNOWN = Meaning("outcome unknown", Fault.UNKNOWN, "结果未知，可能已送达", "the outcome is unknown")
_UNREPORTED = Meaning(NO_RECEIPT, Fault.UNKNOWN, "有效期过后仍无回执", "no receipt came in its time")
_ANSWERS = (COMMAND_STATUSES, cmpp.SUBMIT_RESULTS, cmpp.CONNECT_STATUSES)
_BY_NAME: Mapping[str, Meaning] = {
    meaning.name: meaning
    for table in (FAMILIES, RECEIPT_ERRORS, RECEIPT_STATES, mas.RESPONSES, *_ANSWERS)
    for meaning in table.values()
} | {fault: Meaning(fault, fault, "运营商自己的代码", "a code of the carrier's own") for fault in Fault}


async def _counted(database: Database, now: datetime) -> list[Row]:
    """Of each state and priority: how many, how many of them later, and since when the first is due."""
    pairs = [(state, priority) for state in _STATES if state is not State.SENDING for priority in PRIORITIES]
    sending = await database.rows(
        f"SELECT 'sending' AS state, m.priority, COUNT(*) AS n, 0 AS later, NULL AS oldest"
        f" FROM {being_sent(database)} WHERE c.channel = 'sms' GROUP BY m.priority"
    )
    rows = sending + await database.rows(
        " UNION ALL ".join(
            f"SELECT '{state}' AS state, {priority} AS priority, COUNT(*) AS n,"
            " SUM(CASE WHEN send_after > $1 THEN 1 ELSE 0 END) AS later, MIN(send_after) AS oldest"
            f" FROM (SELECT send_after FROM outstanding WHERE state = '{state}' AND channel = 'sms'"
            f" AND priority = {priority} ORDER BY send_after LIMIT {COUNT_TO}) AS of_{state}_{priority}"
            for state, priority in pairs
        ),
        now,
    )
    return [row for row in rows if row["n"]]


async def _levels(database: Database, queued: Sequence[Row], now: datetime) -> tuple[Level, ...]:
    if not queued:
        return ()
    by_class: dict[int, dict[str, int]] = {_int(row["priority"]): {} for row in queued}
    for row in await database.rows(
        " UNION ALL ".join(
            f"SELECT {priority} AS priority, message_class, COUNT(*) AS n FROM (SELECT message_class"
            " FROM outstanding o JOIN message m ON m.id = o.id"
            f" WHERE o.state = 'queued' AND o.channel = 'sms' AND o.priority = {priority}"
            f" ORDER BY o.send_after, o.id LIMIT {LOOK_AT}) AS of_{priority} GROUP BY message_class"
            for priority in by_class
        )
    ):
        by_class[_int(row["priority"])][str(row["message_class"])] = _int(row["n"])
    return tuple(_level(row, by_class[_int(row["priority"])], now) for row in queued)


def _level(row: Row, by_class: Mapping[str, int], now: datetime) -> Level:
    oldest = instant(row["oldest"])
    return Level(
        priority=_int(row["priority"]),
        waiting=_int(row["n"]),
        later=_int(row["later"]),
        oldest_due_at=oldest if oldest and oldest <= now else None,
        by_class=dict(sorted(by_class.items())),
    )


async def _by_carrier(database: Database, pairs: Sequence[tuple[State, int]], now: datetime) -> list[Row]:
    """Of each state and priority the rows that go first or came last, grouped by carrier and error."""
    columns = "carrier, error, submitted_at, finished_at, replaced_at, followed_up_at"
    slices = " UNION ALL ".join(
        f"SELECT * FROM (SELECT o.state, {columns} FROM outstanding o JOIN message m ON m.id = o.id"
        f" WHERE o.state = '{state}' AND o.channel = 'sms' AND o.priority = {priority}"
        f" ORDER BY {_order(state)} LIMIT {LOOK_AT}) AS of_{state}_{priority}"
        for state, priority in pairs
        if state is not State.SENDING
    )
    slices += (
        " UNION ALL SELECT 'sending', c.carrier, error, submitted_at, finished_at, replaced_at, followed_up_at"
        f" FROM {being_sent(database)} WHERE c.channel = 'sms'"
    )
    return await database.rows(
        "SELECT state, carrier, error, COUNT(*) AS n,"
        " SUM(CASE WHEN submitted_at > $1 THEN 1 ELSE 0 END) AS outstanding,"
        " SUM(CASE WHEN submitted_at > $1 AND submitted_at <= $2 THEN 1 ELSE 0 END) AS long_outstanding,"
        " SUM(CASE WHEN finished_at > $3 AND finished_at <= $5 AND replaced_at IS NULL AND followed_up_at IS NULL"
        " THEN 1 ELSE 0 END) AS dead,"
        " SUM(CASE WHEN finished_at > $2 THEN 1 ELSE 0 END) AS last_hour,"
        " SUM(CASE WHEN finished_at > $4 THEN 1 ELSE 0 END) AS last_day"
        f" FROM ({slices}) AS looked_at GROUP BY state, carrier, error",
        now - RECEIPT_WITHIN,
        now - HOUR,
        now - DEAD_SINCE,
        now - DAY,
        now - FOLLOWED_UP_WITHIN,
    )


def _held(rows: Sequence[Row], carrier: str) -> Held:
    def total(column: str, *states: State) -> int:
        return sum(_int(row[column]) for row in rows if row["carrier"] == carrier and row["state"] in states)

    return Held(
        sending=total("n", State.SENDING),
        unknown=total("n", State.UNKNOWN),
        outstanding=total("outstanding", State.SUBMITTED),
        outstanding_over_1h=total("long_outstanding", State.SUBMITTED),
        lost_last_hour=total("last_hour", *LOST),
        lost_last_day=total("last_day", *LOST),
        dead_letters=total("dead", *LOST),
        unreported_last_day=total("last_day", State.UNREPORTED),
    )


def _troubles(rows: Sequence[Row]) -> Iterator[Trouble]:
    """The most frequent of the last day first."""
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if not row["error"]:
            continue
        hour, day, waiting = found.setdefault((str(row["carrier"]), str(row["error"])), [0, 0, 0])
        is_waiting = row["state"] == State.QUEUED
        found[str(row["carrier"]), str(row["error"])] = [
            hour + _int(row["last_hour"]),
            day + _int(row["last_day"]),
            waiting + (_int(row["n"]) if is_waiting else 0),
        ]
    for (carrier, error), (hour, day, waiting) in sorted(found.items(), key=lambda each: (-each[1][1], each[0])):
        if day or waiting:
            known = meaning_of(error)
            yield Trouble(
                carrier=carrier,
                error=error,
                fault=str(known.fault or "") if known else "",
                zh=known.zh if known else "",
                en=known.en if known else "",
                last_hour=hour,
                last_day=day,
                waiting=waiting,
            )


async def _unmatched(database: Database) -> Mapping[str, int]:
    """Of the last LOOK_AT; 0 for a carrier that has none, so that a rise is seen from its beginning."""
    rows = await database.rows(
        "SELECT name, 0 AS n FROM carrier UNION ALL SELECT carrier AS name, COUNT(*) AS n"
        f" FROM (SELECT carrier FROM receipt ORDER BY id DESC LIMIT {LOOK_AT}) AS r GROUP BY carrier"
    )
    counted: Counter[str] = Counter()
    for row in rows:
        counted[str(row["name"])] += _int(row["n"])
    return dict(sorted(counted.items()))


async def _inbox(database: Database) -> Waiting:
    rows = await database.rows(
        "SELECT COUNT(*) AS n, SUM(CASE WHEN tries >= $1 THEN 1 ELSE 0 END) AS stuck, MIN(received_at) AS oldest"
        f" FROM (SELECT tries, received_at FROM inbound_message WHERE handled_at IS NULL LIMIT {COUNT_TO}) AS i",
        INBOX_RULES.tries,
    )
    return _waiting(rows[0])


async def _events(database: Database) -> Waiting:
    rows = await database.rows(
        "SELECT COUNT(*) AS n, SUM(CASE WHEN parked THEN 1 ELSE 0 END) AS stuck,"
        " MIN(CASE WHEN NOT parked THEN due_at END) AS oldest FROM"
        f" (SELECT * FROM (SELECT parked, due_at FROM outbox WHERE parked = TRUE LIMIT {COUNT_TO}) AS of_true"
        " UNION ALL SELECT * FROM (SELECT parked, due_at FROM outbox WHERE parked = FALSE"
        f" ORDER BY due_at LIMIT {COUNT_TO}) AS of_false) AS looked_at"
    )
    return _waiting(rows[0])


def _waiting(row: Row) -> Waiting:
    return Waiting(waiting=_int(row["n"]), stuck=_int(row["stuck"]), oldest_at=instant(row["oldest"]))


def _order(state: State) -> str:
    """In the order of the index: what goes first, or what came last."""
    return "o.send_after, o.id" if state is State.QUEUED else "o.send_after DESC, o.id DESC"


def _int(value: object) -> int:
    """A count, or the sum over nothing."""
    return int(str(value or 0))
