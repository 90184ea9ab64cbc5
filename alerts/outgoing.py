"""The queue of messages: claimed in batches, sent by others, settled in batches, on SQLite and PostgreSQL alike.

Nothing is lost: a message is in the database before anybody sends it, and what is claimed carries a lease. Nothing
whose submit_resp was recorded is sent twice: each accepted part is a row, and only parts without one are sent again.
After a crash or a cut connection the outcome is unknown, which is not failure: an ordinary text is sent again at once
(the person may read it twice); a text that carries a reply code waits CODE_WAIT for a receipt to settle it, and is
sent again only when none came. settling.py writes down what became of messages.
Bookkeeping of the queue is no act of an office, so `claim`, `renew` and `recover` open their own transactions.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from alerts.states import (
    PRIORITIES,
    URGENT,
    State,
    after_unknown,
    as_int,
    as_json,
    by_index,
    listed,
    move,
)
from alerts.texts import Code, Text, TextRefused, filled
from kernel.chance import Secrets
from kernel.db import Database, Row, SqlValue, instant_of

#: A claim that is not renewed for this long belongs to a gateway that died.
LEASE = timedelta(seconds=60)


class Channel(StrEnum):
    SMS = "sms"
    MAIL = "mail"


class Letter(Struct, frozen=True, kw_only=True):
    """A rendered text on one channel to one person. Two with the same `dedupe_key` are one."""

    dedupe_key: str
    channel: Channel
    text: Text
    to: str
    send_after: datetime
    expires_at: datetime
    case_number: str = ""
    unit_code: str = ""
    #: Digits behind the access number, by which an answer is known.
    extension: str = ""
    #: Set: not to be queued before somebody looks again, then, and `why_held`.
    held_until: datetime | None = None
    why_held: str = ""
    #: Whether it waits while people sleep, also when it is tried again.
    quiet: bool = False
    #: The message in whose place this one goes.
    stands_for: int | None = None
    #: A carrier that shall not have it while another is up: it is news of that carrier's trouble.
    not_by: str = ""


class Outgoing(Struct, frozen=True, kw_only=True):
    """A claimed message. `accepted` are the numbers of the parts the carrier already has."""

    id: int
    priority: int
    to: str
    subject: str
    body: str
    secret: str
    confirms: bool
    parts: int
    attempts: int
    expires_at: datetime
    extension: str = ""
    template: str = ""
    template_version: int = 0
    #: When it was queued, and since when it could have gone: after a try that failed, since the pause behind it.
    queued_at: datetime
    due_at: datetime
    accepted: frozenset[int] = frozenset()

    def words(self, secrets: Secrets) -> str:
        """The text as it leaves, with its code."""
        return words_with_code(self.body, self.secret, secrets)


def words_with_code(body: str, secret: str, secrets: Secrets) -> str:
    """`body` with the code that `secret` stands for; the code itself is stored nowhere."""
    if not secret:
        return body
    purpose, value, digits = secret.split("|")
    return filled(body, secrets.derived_code(purpose, value, int(digits)))


async def enqueue(database: Database, letters: Sequence[Letter], *, now: datetime) -> int:
    """Puts `letters` into the queue, in the caller's transaction; returns how many were new."""
    for letter in letters:
        if not letter.text.body.startswith("【"):
            raise TextRefused(template=letter.text.template.id, why="缺少签名")
    rows = [_row(letter, now) for letter in letters]
    tail = "ON CONFLICT (dedupe_key) DO NOTHING RETURNING id"
    return len(await database.insert("message", _COLUMNS, rows, tail=tail))


async def claim(
    database: Database,
    *,
    now: datetime,
    limit: int,
    channel: Channel,
    carrier: str,
    may_repeat: bool = True,
    urgent_only: bool = False,
    needs_left: timedelta = timedelta(),
    leaves_codes: bool = False,
    takes_codes: bool = True,
) -> list[Outgoing]:
    """Up to `limit` due messages, the urgent first, now ours until the lease ends.

    Without `may_repeat` what this carrier had last is left to the others. What has less of its life left than
    `needs_left` is not claimed. With `leaves_codes` neither is a code that no carrier has had yet; without
    `takes_codes` no text whose code acts.
    """
    priorities = URGENT if urgent_only else PRIORITIES
    due = _due(
        database,
        int(limit),
        priorities,
        may_repeat=may_repeat,
        leaves_codes=leaves_codes,
        takes_codes=takes_codes,
    )
    async with database.transaction():
        await by_index(database)
        rows = await database.rows(
            "UPDATE message SET state = 'sending', attempts = attempts + 1, carrier = $1, claimed_until = $2"
            f" WHERE id {due}"
            " RETURNING id, priority, COALESCE(NULLIF(to_phone, ''), to_email) AS \"to\","
            " subject, body, secret, confirms, parts, attempts, expires_at, extension, template, template_version,"
            " created_at AS queued_at, send_after AS due_at",
            carrier,
            now + LEASE,
            channel,
            now,
            now + needs_left,
        )
        claimed = msgspec.convert(rows, list[Outgoing], strict=False)  # SQLite's booleans are 0 and 1
        accepted = await accepted_parts(database, [message.id for message in claimed if message.attempts > 1])
    claimed.sort(key=attrgetter("priority", "id"))
    if accepted:
        claimed = [replace(message, accepted=accepted.get(message.id, frozenset())) for message in claimed]
    return claimed


async def renew(database: Database, held: Collection[int], *, now: datetime) -> None:
    """Keeps the leases of messages that take long: a throttled carrier may need minutes."""
    if not held:
        return
    ours = f"SELECT r.id FROM {listed(database, 2, id='bigint')} JOIN message ON message.id = r.id WHERE {_IS_SENDING}"
    # What is just being settled needs no lease any more, and to wait for it would be a deadlock.
    theirs = (
        f"= ANY(ARRAY({ours} FOR UPDATE OF message SKIP LOCKED))" if database.dialect == "postgres" else f"IN ({ours})"
    )
    async with database.transaction():
        await by_index(database)
        await database.execute(
            f"UPDATE message SET claimed_until = $1 WHERE id {theirs}",
            now + LEASE,
            as_json({"id": message} for message in held),
        )


async def recover(
    database: Database,
    *,
    now: datetime,
    channel: Channel,
    held: Collection[int] = (),
    alone_on: str | None = None,
) -> int:
    """Takes over what a dead gateway had claimed; returns how many. `held` are our own.

    `alone_on` names a carrier that nobody else speaks to: at the start its claims are orphans whatever their lease.
    """
    async with database.transaction():
        rows = await database.rows(
            "SELECT id, confirms, attempts FROM message WHERE state = 'sending' AND channel = $3"
            " AND (claimed_until <= $1 OR carrier = $2)",
            now,
            alone_on,
            channel,
        )
        return await _taken_over(database, now, [row for row in rows if as_int(row["id"]) not in held])


async def claims(database: Database, *, channel: Channel) -> dict[int, datetime]:
    """Every claim of every gateway, and when its lease ends by the clock of whoever holds it."""
    rows = await database.rows(
        "SELECT id, claimed_until FROM message WHERE state = 'sending' AND channel = $1", channel
    )
    return {as_int(row["id"]): instant_of(row["claimed_until"]) for row in rows}


async def take_over(database: Database, orphans: Collection[int], *, now: datetime) -> int:
    """What `recover` does, for messages that the caller knows to be orphans."""
    if not orphans:
        return 0
    async with database.transaction():
        rows = await database.rows(
            f"SELECT message.id, confirms, attempts FROM message JOIN {listed(database, 1, id='bigint')}"
            f" ON message.id = r.id WHERE {_IS_SENDING}",
            as_json({"id": message} for message in orphans),
        )
        return await _taken_over(database, now, rows)


# ------------------------------------------------------------------------------------------------------------ below

#: Not by the index of states: SQLite would go through the whole list of messages for each that is being sent.
_IS_SENDING = "message.state || '' = 'sending'"
_COLUMNS = (
    "dedupe_key", "channel", "message_class", "priority", "template", "template_version", "to_phone", "to_email",
    "subject", "body", "secret", "confirms", "parts", "state", "case_number", "unit_code", "created_at", "send_after",
    "expires_at", "attempts", "carrier", "error", "extension", "stands_for", "quiet",
)  # fmt: skip


def _due(
    database: Database,
    limit: int,
    priorities: Sequence[int],
    *,
    may_repeat: bool,
    leaves_codes: bool,
    takes_codes: bool,
) -> str:
    """The condition on `id`: the first `limit` that are due, by priority and by the time since when.

    Priority by priority, because only so one range of the index holds what is due and nothing else: of a hundred
    thousand texts that may not go yet none is looked at.
    """
    # The rest of a long text goes the way of its beginning, or the phone could not join them: while that carrier is
    # down it waits, at most until it expires.
    begun = "EXISTS (SELECT 1 FROM message_part p WHERE p.message_id = message.id)"
    whose = f"(parts = 1 OR carrier IN ('', $1) OR NOT {begun})"
    if not may_repeat:
        whose += f" AND (carrier <> $1 OR parts > 1 AND {begun})"
    if leaves_codes:
        # One that came from another zone has its code in its words.
        whose += " AND (secret = '' AND confirms = FALSE OR carrier <> '')"
    if not takes_codes:
        whose += " AND confirms = FALSE"

    def first(priority: object) -> str:
        return (
            f"SELECT id FROM message WHERE state = 'queued' AND channel = $3 AND priority = {priority}"
            f" AND send_after <= $4 AND expires_at > $5 AND {whose} ORDER BY send_after, id LIMIT {limit}"
        )

    if database.dialect == "postgres":
        # An array, because PostgreSQL would join a subquery by reading the whole table.
        levels = ", ".join(f"({priority})" for priority in priorities)
        return (
            f"= ANY(ARRAY(SELECT due.id FROM (VALUES {levels}) AS level(priority),"
            f" LATERAL ({first('level.priority')} FOR UPDATE SKIP LOCKED) AS due LIMIT {limit}))"
        )
    return f"IN ({' UNION ALL '.join(f'SELECT id FROM ({first(priority)})' for priority in priorities)} LIMIT {limit})"


def _row(letter: Letter, now: datetime) -> tuple[SqlValue, ...]:
    text, template = letter.text, letter.text.template
    if template.priority not in PRIORITIES:
        raise ValueError(f"{template.id}: nobody asks for priority {template.priority}")
    phone, email = (letter.to, "") if letter.channel is Channel.SMS else ("", letter.to)
    return (
        letter.dedupe_key, letter.channel, template.message_class, template.priority, template.id, template.version,
        phone, email, f"{text.signature}{template.title}", text.body, _secret(text.code), template.confirms,
        text.parts, State.HELD if letter.held_until else State.QUEUED, letter.case_number, letter.unit_code, now,
        letter.held_until or letter.send_after, letter.expires_at, 0, letter.not_by, letter.why_held, letter.extension,
        letter.stands_for, letter.quiet,
    )  # fmt: skip


def _secret(code: Code | None) -> str:
    return f"{code.purpose}|{code.value}|{code.digits}" if code else ""


async def _taken_over(database: Database, now: datetime, orphans: Sequence[Row]) -> int:
    await move(
        database,
        now,
        {as_int(row["id"]): after_unknown(bool(row["confirms"]), as_int(row["attempts"]), now) for row in orphans},
    )
    return len(orphans)


async def accepted_parts(database: Database, messages: Sequence[int]) -> dict[int, frozenset[int]]:
    """The parts that carriers took, by message."""
    found: dict[int, set[int]] = {}
    if messages:
        for row in await database.rows(
            f"SELECT message_id, seq FROM message_part JOIN {listed(database, 1, id='bigint')} ON message_id = r.id",
            as_json({"id": message} for message in messages),
        ):
            found.setdefault(as_int(row["message_id"]), set()).add(as_int(row["seq"]))
    return {message: frozenset(seqs) for message, seqs in found.items()}
