"""What became of messages: reports of whoever sent them, and receipts, before or after the submit_resp they belong to.

Everything takes a whole batch and costs the same few statements however long it is. Bookkeeping of the queue is no
act of an office, so `record` and `tend` open their own transactions; no network call is made inside one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from alerts.outgoing import LEASE, Outgoing
from alerts.states import (
    MAX_ATTEMPTS,
    Change,
    State,
    after_unknown,
    as_int,
    as_json,
    instant_at,
    listed,
    move,
)
from alerts.texts import national_number
from kernel.db import Database, Row, instant_of

#: A receipt may come this much earlier than the record of its submit_resp, not more: ids are used again.
EARLY_RECEIPT = timedelta(minutes=10)
KEEP_RECEIPTS = timedelta(days=2)


class Outcome(StrEnum):
    SUBMITTED = "submitted"
    AGAIN = "again"  # certainly not taken: once more after `wait`
    REFUSED = "refused"  # never
    GIVEN_UP = "given_up"  # tried often enough
    UNKNOWN = "unknown"


class Report(Struct, frozen=True, kw_only=True):
    """What became of a claimed message. `accepted`: number and carrier's id of each part it took this time."""

    message: Outgoing
    outcome: Outcome
    accepted: tuple[tuple[int, str], ...] = ()
    wait: timedelta = timedelta()
    error: str = ""


class Heard(Struct, frozen=True):
    """A final receipt: `state` is delivered, failed or expired; `phone` as the carrier writes it."""

    sms_id: str
    state: State
    phone: str = ""
    error: str = ""


#: Every way one message id is written, the likeliest first; carriers answer in hexadecimal and report in decimal.
Spellings = Callable[[str], Sequence[str]]


async def record(
    database: Database, *, now: datetime, carrier: str, reports: Sequence[Report] = (), heard: Sequence[Heard] = ()
) -> None:
    """Writes down, in one transaction, what became of claimed messages and which receipts came.

    A receipt for a part that is not recorded yet is kept for it; one for a part that is already final is ignored.
    """
    if not reports and not heard:
        return
    accepted = [(report, seq, sms_id) for report in reports for seq, sms_id in report.accepted]
    taken = {sms_id for _, _, sms_id in accepted}
    receipts = {receipt.sms_id: receipt for receipt in heard}
    async with database.transaction():
        # A receipt in the same batch as its submit_resp costs no statement of its own.
        known = {**await _early_receipts(database, now, carrier, taken), **receipts}
        await _insert_parts(database, now, carrier, accepted, known)
        late = [receipt for sms_id, receipt in receipts.items() if sms_id not in taken]
        touched = await _update_parts(database, now, carrier, late)
        changes = {report.message.id: _after(report, known, now) for report in reports}
        long = {report.message.id for report in reports if report.message.parts > 1 or report.message.accepted}
        for row in touched:
            if as_int(row["total"]) == 1:
                heard_of = receipts[str(row["sms_id"])]
                changes[as_int(row["message_id"])] = Change(state=heard_of.state, error=heard_of.error)
            else:
                long.add(as_int(row["message_id"]))
        matched = {str(row["sms_id"]) for row in touched}
        await _keep_waiting(database, now, carrier, [receipt for receipt in late if receipt.sms_id not in matched])
        await move(database, now, changes)
        await _settle_long(database, now, long)


async def tend(database: Database, *, now: datetime, spellings: Spellings) -> None:
    """Housekeeping: drops what is news no more, settles what receipts can settle, tries unsettled codes again."""
    async with database.transaction():
        rows = await database.rows("SELECT id FROM message WHERE state = 'queued' AND expires_at <= $1", now)
        await move(database, now, {as_int(row["id"]): Change(state=State.EXPIRED) for row in rows})
        await _match_waiting(database, now, spellings)
        await _settle_unknown(database, now)
        await database.execute("DELETE FROM receipt WHERE at < $1", now - KEEP_RECEIPTS)


# ------------------------------------------------------------------------------------------- reports and receipts


def _after(report: Report, known: Mapping[str, Heard], now: datetime) -> Change:
    match report.outcome:
        case Outcome.AGAIN:
            return Change(state=State.QUEUED, error=report.error, send_after=now + report.wait)
        case Outcome.REFUSED:
            return Change(state=State.FAILED, error=report.error)
        case Outcome.GIVEN_UP:
            return Change(state=State.DEAD, error=report.error)
        case Outcome.UNKNOWN:
            return after_unknown(report.message.confirms, report.message.attempts, now)
    if report.message.parts == 1 and report.accepted:
        heard = known.get(report.accepted[0][1])
        if heard is not None:
            return Change(state=heard.state, error=heard.error)
    return Change(state=State.SUBMITTED)


async def _insert_parts(
    database: Database,
    now: datetime,
    carrier: str,
    accepted: Sequence[tuple[Report, int, str]],
    known: Mapping[str, Heard],
) -> None:
    if not accepted:
        return
    rows = listed(database, 1, message="bigint", seq="int", total="int", sms_id="text", state="text", error="text")
    instant = instant_at(database, 3)
    await database.execute(
        "INSERT INTO message_part (message_id, seq, total, carrier, sms_id, state, error, submitted_at, done_at)"
        f" SELECT r.message, r.seq, r.total, $2, r.sms_id, r.state, r.error, {instant},"
        f" CASE WHEN r.state = 'submitted' THEN NULL ELSE {instant} END FROM {rows}",
        as_json(
            {
                "message": report.message.id,
                "seq": seq,
                "total": report.message.parts,
                "sms_id": sms_id,
                "state": known[sms_id].state if sms_id in known else State.SUBMITTED,
                "error": known[sms_id].error if sms_id in known else "",
            }
            for report, seq, sms_id in accepted
        ),
        carrier,
        now,
    )


async def _update_parts(database: Database, now: datetime, carrier: str, heard: Sequence[Heard]) -> list[Row]:
    """Settles the parts of `heard`; returns every part it concerns, also those that were final already."""
    if not heard:
        return []
    rows = listed(database, 1, sms_id="text", state="text", error="text")
    # An array, because PostgreSQL may remember a plan from when the table was small, which reads all of it.
    few = f" AND message_part.sms_id = ANY(ARRAY(SELECT sms_id FROM {rows}))" if database.dialect == "postgres" else ""
    return await database.rows(
        "UPDATE message_part SET state = CASE WHEN message_part.state = 'submitted' THEN r.state"
        " ELSE message_part.state END, error = CASE WHEN message_part.state = 'submitted' THEN r.error"
        f" ELSE message_part.error END, done_at = COALESCE(done_at, {instant_at(database, 3)})"
        f" FROM {rows} WHERE message_part.sms_id = r.sms_id AND carrier = $2{few}"
        " RETURNING message_id, total, message_part.sms_id",
        as_json({"sms_id": each.sms_id, "state": each.state, "error": each.error} for each in heard),
        carrier,
        now,
    )


async def _early_receipts(
    database: Database, now: datetime, carrier: str, sms_ids: Collection[str]
) -> dict[str, Heard]:
    """Takes out the receipts that came before their submit_resp was recorded."""
    if not sms_ids:
        return {}
    rows = await database.rows(
        "DELETE FROM receipt WHERE carrier = $2 AND at > $3"
        f" AND sms_id IN (SELECT r.sms_id FROM {listed(database, 1, sms_id='text')})"
        " RETURNING sms_id, state, error",
        as_json({"sms_id": sms_id} for sms_id in sms_ids),
        carrier,
        now - EARLY_RECEIPT,
    )
    return {
        str(row["sms_id"]): Heard(str(row["sms_id"]), State(str(row["state"])), error=str(row["error"])) for row in rows
    }


async def _keep_waiting(database: Database, now: datetime, carrier: str, heard: Sequence[Heard]) -> None:
    columns = ("carrier", "sms_id", "phone", "state", "error", "at")
    rows = [(carrier, h.sms_id, national_number(h.phone), h.state, h.error[:80], now) for h in heard]
    await database.insert("receipt", columns, rows)


async def _settle_long(database: Database, now: datetime, messages: Collection[int]) -> None:
    """A message of several parts is delivered when all its parts are, and failed when one of them is."""
    if not messages:
        return
    wanted, ids = listed(database, 1, id="bigint"), as_json({"id": message} for message in sorted(messages))
    if database.dialect == "postgres":
        # Two gateways that each deliver one half must see each other's half.
        await database.rows(
            f"SELECT m.id FROM message m JOIN {wanted} ON m.id = r.id ORDER BY m.id FOR UPDATE OF m", ids
        )
    rows = await database.rows(
        "SELECT message_id, MAX(total) AS total,"
        " COUNT(DISTINCT CASE WHEN state = 'delivered' THEN seq END) AS delivered,"
        " MAX(CASE WHEN state IN ('failed', 'expired') THEN state ELSE '' END) AS ended, MAX(error) AS error"
        f" FROM message_part JOIN {wanted} ON message_id = r.id GROUP BY message_id",
        ids,
    )
    changes: dict[int, Change] = {}
    for row in rows:
        if row["ended"]:
            changes[as_int(row["message_id"])] = Change(state=State(str(row["ended"])), error=str(row["error"]))
        elif row["delivered"] == row["total"]:
            changes[as_int(row["message_id"])] = Change(state=State.DELIVERED)
    await move(database, now, changes)


async def _match_waiting(database: Database, now: datetime, spellings: Spellings) -> None:
    """Receipts whose id is written in another way than submit_resp wrote it, or that crossed with their part.

    Another way to write it is believed only together with the phone: "10" is also "16" and "a".
    """
    waiting = await database.rows("SELECT * FROM receipt ORDER BY id DESC LIMIT 1000")
    forms = {form for row in waiting for form in spellings(str(row["sms_id"]))}
    if not forms:
        return
    parts: dict[tuple[str, str, str], Row] = {}
    for row in await database.rows(
        "SELECT p.id, p.message_id, p.carrier, p.sms_id, m.to_phone FROM message_part p JOIN message m"
        f" ON m.id = p.message_id JOIN {listed(database, 1, sms_id='text')} ON p.sms_id = r.sms_id"
        " WHERE p.state = 'submitted'",
        as_json({"sms_id": form} for form in forms),
    ):
        parts[str(row["carrier"]), str(row["sms_id"]), str(row["to_phone"])] = row
    found: dict[int, Row] = {}
    for receipt in waiting:
        for form in spellings(str(receipt["sms_id"])):
            part = parts.pop((str(receipt["carrier"]), form, str(receipt["phone"])), None)
            if part is not None:
                found[as_int(receipt["id"])] = {**receipt, "part": part["id"], "message": part["message_id"]}
                break
    await database.execute_many(
        "UPDATE message_part SET state = $1, error = $2, done_at = $3 WHERE id = $4 AND state = 'submitted'",
        [(str(row["state"]), str(row["error"]), now, as_int(row["part"])) for row in found.values()],
    )
    await database.execute_many("DELETE FROM receipt WHERE id = $1", [(receipt,) for receipt in found])
    await _settle_long(database, now, {as_int(row["message"]) for row in found.values()})


async def _settle_unknown(database: Database, now: datetime) -> None:
    """A text with a code of unknown outcome: a receipt from its phone settles it; after CODE_WAIT it goes again."""
    changes: dict[int, Change] = {}
    used: set[int] = set()
    for row in await database.rows(
        "SELECT m.id, m.attempts, m.send_after, m.claimed_until, c.id AS receipt, c.state AS heard, c.error, c.at"
        " FROM message m LEFT JOIN receipt c ON c.phone = m.to_phone AND c.carrier = m.carrier"
        " WHERE m.state = 'unknown' ORDER BY m.id, c.id"
    ):
        message = as_int(row["id"])
        claimed = instant_of(row["claimed_until"]) - LEASE
        if row["receipt"] is not None and row["receipt"] not in used and instant_of(row["at"]) >= claimed:
            if message not in changes or changes[message].state is not State.DELIVERED:
                used.add(as_int(row["receipt"]))
                changes[message] = Change(state=State(str(row["heard"])), error=str(row["error"]))
        elif message not in changes and instant_of(row["send_after"]) <= now:
            is_last = as_int(row["attempts"]) >= MAX_ATTEMPTS
            changes[message] = Change(state=State.DEAD if is_last else State.QUEUED, error="outcome unknown")
    await move(database, now, changes)
    await database.execute_many("DELETE FROM receipt WHERE id = $1", [(receipt,) for receipt in used])
