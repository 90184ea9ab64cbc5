"""The queue of messages: claimed in batches, sent by others, settled in batches, on SQLite and PostgreSQL alike.

Nothing is lost: a message is in the database before anybody sends it, and what is claimed carries a lease. Nothing
whose submit_resp was recorded is sent twice: each accepted part is a row, and only parts without one are sent again.
After a crash or a cut connection the outcome is unknown, which is not failure: an ordinary text is sent again at once
(the person may read it twice); a text that carries a reply code waits CODE_WAIT for a receipt to settle it, and is
sent again only when none came. settling.py writes down what became of messages.
Bookkeeping of the queue is no act of an office, so `claim` and `take_over` open their own transactions.
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
    among,
    as_int,
    as_json,
    as_numbers,
    by_index,
    listed,
    settle,
    stand,
)
from alerts.texts import Code, Text, TextRefused, filled
from kernel.chance import Secrets
from kernel.db import Database, SqlValue, instant_of

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
    """A claimed message. `accepted` are the numbers of the parts the carrier already has; `claim` is its batch."""

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
    claim: int = 0

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
    added = [as_int(row["id"]) for row in await database.insert("message", _COLUMNS, rows, tail=tail)]
    await stand(database, added)
    return len(added)


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
        rows = await database.rows(due, carrier, channel, now, now + needs_left)
        if not rows:
            return []
        numbers = as_numbers(as_int(row["id"]) for row in rows)
        await database.execute(f"DELETE FROM outstanding WHERE id {among(database, 1)}", numbers)
        columns = ("channel", "carrier", "until", "messages")
        (made,) = await database.insert(
            "message_claim", columns, [(channel, carrier, now + LEASE, numbers)], tail="RETURNING id"
        )
        for row in rows:
            row["claim"] = made["id"]
        claimed = msgspec.convert(rows, list[Outgoing], strict=False)  # SQLite's booleans are 0 and 1
        accepted = await accepted_parts(database, [message.id for message in claimed if message.attempts > 1])
    claimed.sort(key=attrgetter("priority", "id"))
    if accepted:
        claimed = [replace(message, accepted=accepted.get(message.id, frozenset())) for message in claimed]
    return claimed


async def renew(database: Database, held: Collection[int], *, now: datetime) -> None:
    """Keeps the leases of claims that take long: a throttled carrier may need minutes.

    Not of one that `let_go` has locked just now, which renews it itself.
    """
    if held:
        free = _in_order(database, 2, or_else="SKIP LOCKED")
        await database.execute(
            f"UPDATE message_claim SET until = $1 WHERE id IN ({free})", now + LEASE, as_numbers(held)
        )


async def let_go(database: Database, messages: Sequence[Outgoing], *, now: datetime) -> set[int]:
    """Takes `messages` off their claims, which stay locked; says which were still there.

    The others went to another gateway, or were let go before. What is left on a claim is ours for another lease:
    whoever says what became of a part of it is alive.
    """
    if not messages:
        return set()
    lock = " FOR UPDATE" if database.dialect == "postgres" else ""
    claims = {
        as_int(row["id"]): msgspec.json.decode(str(row["messages"]), type=list[int])
        for row in await database.rows(
            f"SELECT id, messages FROM message_claim WHERE id {among(database, 1)} ORDER BY id{lock}",
            as_numbers({message.claim for message in messages}),
        )
    }
    members = {claim: set(ids) for claim, ids in claims.items()}
    gone = {message.id for message in messages if message.id in members.get(message.claim, ())}
    left = {claim: [id for id in ids if id not in gone] for claim, ids in claims.items()}
    await database.execute(
        f"DELETE FROM message_claim WHERE id {among(database, 1)}",
        as_numbers(claim for claim, ids in left.items() if not ids),
    )
    await database.execute_many(
        "UPDATE message_claim SET messages = $1, until = $2 WHERE id = $3",
        [(as_numbers(ids), now + LEASE, claim) for claim, ids in left.items() if ids],
    )
    return gone


async def recover(
    database: Database,
    *,
    now: datetime,
    channel: Channel,
    held: Collection[int] = (),
    alone_on: str | None = None,
) -> int:
    """Takes over what a dead gateway had claimed; returns how many messages. `held` are our own claims.

    `alone_on` names a carrier that nobody else speaks to: at the start its claims are orphans whatever their lease.
    """
    rows = await database.rows(
        "SELECT id FROM message_claim WHERE channel = $3 AND (until <= $1 OR carrier = $2)", now, alone_on, channel
    )
    return await take_over(database, {as_int(row["id"]) for row in rows} - set(held), now=now)


async def claims(database: Database, *, channel: Channel) -> dict[int, datetime]:
    """Every claim of every gateway, and when its lease ends by the clock of whoever holds it."""
    rows = await database.rows("SELECT id, until FROM message_claim WHERE channel = $1", channel)
    return {as_int(row["id"]): instant_of(row["until"]) for row in rows}


async def take_over(database: Database, orphans: Collection[int], *, now: datetime) -> int:
    """What `recover` does, for claims that the caller knows to be orphans."""
    taken = 0
    if orphans:
        async with database.transaction():
            for carrier, messages in await _ended(database, orphans):
                rows = await database.rows(
                    f"SELECT id, confirms, attempts + 1 AS attempts FROM message WHERE id {among(database, 1)}",
                    as_numbers(messages),
                )
                changes = {
                    as_int(row["id"]): after_unknown(bool(row["confirms"]), as_int(row["attempts"]), now)
                    for row in rows
                }
                await settle(database, now, carrier, changes)
                taken += len(rows)
    return taken


def being_sent(database: Database) -> str:
    """What stands behind FROM: claims as `c`, and beside each of them its messages as `m`."""
    members = (
        "json_array_elements_text(CAST(c.messages AS json))"
        if database.dialect == "postgres"
        else "json_each(c.messages)"
    )
    return f"message_claim c CROSS JOIN {members} AS each JOIN message m ON m.id = CAST(each.value AS bigint)"


# ------------------------------------------------------------------------------------------------------------ below

_CLAIMED = (
    "message.id, message.priority, COALESCE(NULLIF(to_phone, ''), to_email) AS \"to\", subject, body, secret, confirms,"
    " parts, attempts + 1 AS attempts, expires_at, extension, template, template_version, created_at AS queued_at,"
    " message.send_after AS due_at"
)
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
    """The first `limit` that are due, by priority and by the time since when.

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
            f"SELECT {_CLAIMED} FROM outstanding o {across} JOIN message ON message.id = o.id"
            f" WHERE o.state = 'queued' AND o.channel = $2 AND o.priority = {priority} AND o.send_after <= $3"
            f" AND expires_at > $4 AND {whose} ORDER BY o.send_after, o.id LIMIT {limit}"
        )

    if database.dialect == "postgres":
        across, levels = "", ", ".join(f"({priority})" for priority in priorities)
        return (
            f"SELECT due.* FROM (VALUES {levels}) AS level(priority),"
            f" LATERAL ({first('level.priority')} FOR UPDATE OF o SKIP LOCKED) AS due LIMIT {limit}"
        )
    across = "CROSS"  # in this order: the index first, then each message by its number
    return f"{' UNION ALL '.join(f'SELECT * FROM ({first(priority)})' for priority in priorities)} LIMIT {limit}"


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


async def _ended(database: Database, orphans: Collection[int]) -> list[tuple[str, list[int]]]:
    """Ends those claims that nobody was faster with: the carrier and the messages of each."""
    rows = await database.rows(
        f"DELETE FROM message_claim WHERE id IN ({_in_order(database, 1)}) RETURNING carrier, messages",
        as_numbers(orphans),
    )
    return [(str(row["carrier"]), msgspec.json.decode(str(row["messages"]), type=list[int])) for row in rows]


def _in_order(database: Database, placeholder: int, *, or_else: str = "") -> str:
    """The claims among `placeholder`, locked one after the other, so that nobody waits for whoever waits for him."""
    lock = f" ORDER BY id FOR UPDATE {or_else}" if database.dialect == "postgres" else ""
    return f"SELECT id FROM message_claim WHERE id {among(database, placeholder)}{lock}"


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


async def arrived(database: Database, messages: Collection[int]) -> set[int]:
    """Those of `messages`, each of one part, of which a copy has arrived. The caller has locked them: a receipt of
    another copy is in the books before they are read, or finds what is written of them next."""
    rows = await database.rows(
        f"SELECT message_id FROM message_part WHERE message_id {among(database, 1)} AND state = 'delivered'",
        as_numbers(messages),
    )
    return {as_int(row["message_id"]) for row in rows}
