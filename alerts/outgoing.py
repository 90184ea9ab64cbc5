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
    State,
    after_unknown,
    as_int,
    as_json,
    listed,
    move,
)
from alerts.texts import Code, Text, TextRefused, filled
from kernel.chance import Secrets
from kernel.db import Database, SqlValue

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


async def claim(database: Database, *, now: datetime, limit: int, channel: Channel, carrier: str) -> list[Outgoing]:
    """Up to `limit` due messages, the urgent first, now ours until the lease ends."""
    due = (
        "SELECT id FROM message WHERE state = 'queued' AND channel = $3 AND send_after <= $4 AND expires_at > $4"
        # The rest of a long text goes the way of its beginning, or the phone could not join them.
        " AND (parts = 1 OR carrier IN ('', $1)"
        " OR NOT EXISTS (SELECT 1 FROM message_part p WHERE p.message_id = message.id))"
        f" ORDER BY priority, id LIMIT {int(limit)}"
    )
    # An array, because PostgreSQL would join a subquery by reading the whole table.
    chosen = f"= ANY(ARRAY({due} FOR UPDATE SKIP LOCKED))" if database.dialect == "postgres" else f"IN ({due})"
    async with database.transaction():
        rows = await database.rows(
            "UPDATE message SET state = 'sending', attempts = attempts + 1, carrier = $1, claimed_until = $2"
            f" WHERE id {chosen}"
            " RETURNING id, priority, COALESCE(NULLIF(to_phone, ''), to_email) AS \"to\","
            " subject, body, secret, confirms, parts, attempts, expires_at, extension",
            carrier,
            now + LEASE,
            channel,
            now,
        )
        claimed = msgspec.convert(rows, list[Outgoing], strict=False)  # SQLite's booleans are 0 and 1
        accepted = await _accepted_parts(database, [message.id for message in claimed if message.attempts > 1])
    claimed.sort(key=attrgetter("priority", "id"))
    if accepted:
        claimed = [replace(message, accepted=accepted.get(message.id, frozenset())) for message in claimed]
    return claimed


async def renew(database: Database, held: Collection[int], *, now: datetime) -> None:
    """Keeps the leases of messages that take long: a throttled carrier may need minutes."""
    if held:
        async with database.transaction():
            await database.execute(
                f"UPDATE message SET claimed_until = $1 FROM {listed(database, 2, id='bigint')}"
                " WHERE message.id = r.id AND message.state = 'sending'",
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
        orphans = [row for row in rows if as_int(row["id"]) not in held]
        await move(
            database,
            now,
            {as_int(row["id"]): after_unknown(bool(row["confirms"]), as_int(row["attempts"]), now) for row in orphans},
        )
    return len(orphans)


# ------------------------------------------------------------------------------------------------------------ below

_COLUMNS = (
    "dedupe_key", "channel", "message_class", "priority", "template", "template_version", "to_phone", "to_email",
    "subject", "body", "secret", "confirms", "parts", "state", "case_number", "unit_code", "created_at", "send_after",
    "expires_at", "attempts", "carrier", "error", "extension",
)  # fmt: skip


def _row(letter: Letter, now: datetime) -> tuple[SqlValue, ...]:
    text, template = letter.text, letter.text.template
    phone, email = (letter.to, "") if letter.channel is Channel.SMS else ("", letter.to)
    return (
        letter.dedupe_key, letter.channel, template.message_class, template.priority, template.id, template.version,
        phone, email, template.title, text.body, _secret(text.code), template.confirms, text.parts, State.QUEUED,
        letter.case_number, letter.unit_code, now, letter.send_after, letter.expires_at, 0, "", "", letter.extension,
    )  # fmt: skip


def _secret(code: Code | None) -> str:
    return f"{code.purpose}|{code.value}|{code.digits}" if code else ""


async def _accepted_parts(database: Database, messages: Sequence[int]) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {}
    if messages:
        for row in await database.rows(
            f"SELECT message_id, seq FROM message_part JOIN {listed(database, 1, id='bigint')} ON message_id = r.id",
            as_json({"id": message} for message in messages),
        ):
            found.setdefault(as_int(row["message_id"]), set()).add(as_int(row["seq"]))
    return {message: frozenset(seqs) for message, seqs in found.items()}
