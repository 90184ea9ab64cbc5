"""Lets go what was held: for the morning, or for room under a limit; several to-dos of one person as one text.

A to-do that is merged keeps its row, which names the digest: nothing goes unannounced, and it can be shown what told
of it. What is queued when the quiet hours begin, because a carrier was down or refused it for now, is held with the
rest of the night.
Limits: a digest names the first case numbers and counts them all. The rest of a half-sent long text follows its
beginning at any hour.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from alerts.limits import (
    DIGEST,
    LOOK_AGAIN,
    OVER_LIMIT,
    QUIET_HOURS,
    TO_DO,
    Pair,
    Standing,
    free_at,
    limits_of,
    room,
    standings,
)
from alerts.outgoing import Channel, Letter, enqueue
from alerts.settings import AlertRules
from alerts.states import Change, State, as_int, as_json, instant_at, listed, move
from alerts.templates import TEMPLATES
from alerts.texts import render
from alerts.wordings import worded
from kernel.acts import Act, Done
from kernel.db import Database
from kernel.work import Work

log = logging.getLogger(__name__)


class ReleaseHeld(Act[Done], frozen=True, tag="alerts.release"):
    """The clock's: queues up to `limit` held messages whose time has come, and holds what must not go at night."""

    limit: int = 500


class Held(Struct, frozen=True, kw_only=True):
    """A held message."""

    id: int
    channel: Channel
    phone: str
    template: str
    reason: str
    quiet: bool
    case_number: str
    unit_code: str


async def release_held(work: Work, act: ReleaseHeld) -> Done:
    """`count`: messages that were let go, merged, or held for the night."""
    database, now, rules = work.database, work.now, work.given(AlertRules)
    night_ends = rules.quiet_end(now)
    rested = await _rest(database, now, night_ends, act.limit) if night_ends else 0
    due = await _due(database, now, act.limit)
    later: dict[int, datetime] = {}
    if night_ends:
        later = {message.id: night_ends for message in due if message.quiet}
        due = [message for message in due if not message.quiet]
    texts: dict[Pair, list[Held]] = {}
    for message in due:
        if message.channel is Channel.SMS:
            texts.setdefault((message.phone, message.template), []).append(message)
    counted = {*texts, *((phone, DIGEST) for phone, template in texts if template == TO_DO)}
    standing = dict(await standings(database, counted, rules=rules, now=now))
    free = [message.id for message in due if message.channel is Channel.MAIL]
    merged = 0
    # To-dos last: a digest that waited for the morning takes the place of one that is made now.
    for pair, waiting in sorted(texts.items(), key=_todos_last):
        if pair[1] == TO_DO:
            merged += await _todos(work, rules, waiting, standing, free, later)
            continue
        limits = limits_of(pair[1], rules)
        most = max(0, room(standing[pair], limits, now))
        free += [message.id for message in waiting[:most]]
        standing[pair] = standing[pair].with_more(len(waiting[:most]))
        again = max(free_at(standing[pair], limits, now), now + LOOK_AGAIN)
        later |= {message.id: again for message in waiting[most:]}
    await move(database, now, {message: Change(state=State.QUEUED, send_after=now) for message in free})
    await _postpone(database, later, rules)
    return Done(count=rested + len(free) + merged)


# ------------------------------------------------------------------------------------------------------------ below


async def _rest(database: Database, now: datetime, night_ends: datetime, limit: int) -> int:
    rows = await database.rows(
        "SELECT o.id FROM outstanding o JOIN message ON message.id = o.id WHERE o.state = 'queued' AND quiet"
        f" AND (parts = 1 OR attempts = 0) ORDER BY o.id LIMIT {int(limit)}"
    )
    rest = Change(state=State.HELD, error=QUIET_HOURS, send_after=night_ends)
    await move(database, now, {as_int(row["id"]): rest for row in rows})
    return len(rows)


async def _postpone(database: Database, later: Mapping[int, datetime], rules: AlertRules) -> None:
    """Holds them longer. What waits for room is as good as ever when there is some; a code ends when it ends."""
    instant = instant_at(database, 3)
    held = [(until, message) for message, until in later.items()]
    await database.execute_many("UPDATE outstanding SET send_after = $1 WHERE id = $2 AND state = 'held'", held)
    await database.execute_many(
        "UPDATE message SET send_after = $1, expires_at ="
        f" CASE WHEN secret = '' AND expires_at < {instant} THEN {instant} ELSE expires_at END"
        " WHERE id = $2 AND state = 'held'",
        [(until, message, until + rules.valid_for) for until, message in held],
    )


async def _due(database: Database, now: datetime, limit: int) -> list[Held]:
    rows = await database.rows(
        f"SELECT {_COLUMNS} FROM outstanding o JOIN message m ON m.id = o.id"
        f" WHERE o.state = 'held' AND o.send_after <= $1 ORDER BY m.priority, m.id LIMIT {int(limit)}{_lock(database)}",
        now,
    )
    return [_held(row) for row in rows]


def _todos_last(waiting: tuple[Pair, list[Held]]) -> tuple[bool, Pair]:
    pair, _ = waiting
    return pair[1] == TO_DO, pair


async def _todos(
    work: Work,
    rules: AlertRules,
    due: Sequence[Held],
    standing: Mapping[Pair, Standing],
    free: list[int],
    later: dict[int, datetime],
) -> int:
    """The to-dos of one phone: as they are while there is room, else as one digest; returns how many it took in."""
    phone = due[0].phone
    rows = await work.database.rows(
        f"SELECT {_COLUMNS} FROM message m JOIN outstanding o ON o.id = m.id"
        " WHERE m.to_phone = $1 AND m.template = $2 AND m.state = 'held' AND m.error = $3"
        f" ORDER BY m.id{_lock(work.database)}",
        phone,
        TO_DO,
        OVER_LIMIT,
    )
    # Those that were over the limit go together with what is due, though their own time has not quite come.
    todos = sorted({message.id: message for message in (*due, *map(_held, rows))}.values(), key=lambda each: each.id)
    is_crowd = len(todos) > 1 and any(message.reason == OVER_LIMIT for message in todos)
    if not is_crowd and len(todos) <= room(standing[phone, TO_DO], limits_of(TO_DO, rules), work.now):
        free += [message.id for message in todos]
        return 0
    limits = limits_of(DIGEST, rules)
    if room(standing[phone, DIGEST], limits, work.now) < 1:
        again = max(free_at(standing[phone, DIGEST], limits, work.now), work.now + LOOK_AGAIN)
        later |= {message.id: again for message in todos}
        return 0
    await _merge(work, rules, todos)
    return len(todos)


async def _merge(work: Work, rules: AlertRules, todos: Sequence[Held]) -> None:
    numbers = dict.fromkeys(message.case_number for message in todos if message.case_number)
    words = {"n": str(len(todos)), "sum": "、".join(numbers) or "详见系统"}
    letter = Letter(
        dedupe_key=f"digest:{todos[0].id}:{Channel.SMS}",
        channel=Channel.SMS,
        text=render(await worded(work.database, TEMPLATES["T33"]), signature=rules.signature, variables=words),
        to=todos[0].phone,
        send_after=work.now,
        expires_at=work.now + rules.valid_for,
        unit_code=todos[0].unit_code,
        quiet=todos[0].quiet,
    )
    await enqueue(work.database, [letter], now=work.now)
    [digest] = await work.database.rows("SELECT id FROM message WHERE dedupe_key = $1", letter.dedupe_key)
    await move(work.database, work.now, {message.id: Change(state=State.MERGED) for message in todos})
    await work.database.execute(
        f"UPDATE message SET merged_into = $2, replaced_at = $3 FROM {listed(work.database, 1, id='bigint')}"
        " WHERE message.id = r.id",
        as_json({"id": message.id} for message in todos),
        as_int(digest["id"]),
        work.now,
    )
    log.info("%s to-dos were merged into message %s", len(todos), digest["id"])


_COLUMNS = "m.id, m.channel, m.to_phone, m.template, m.error, m.quiet, m.case_number, m.unit_code"


def _held(row: Mapping[str, object]) -> Held:
    return Held(
        id=as_int(row["id"]),
        channel=Channel(str(row["channel"])),
        phone=str(row["to_phone"]),
        template=str(row["template"]),
        reason=str(row["error"]),
        quiet=bool(row["quiet"]),
        case_number=str(row["case_number"]),
        unit_code=str(row["unit_code"]),
    )


def _lock(database: Database) -> str:
    return " FOR UPDATE OF o SKIP LOCKED" if database.dialect == "postgres" else ""
