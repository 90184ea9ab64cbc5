"""What became of messages: reports of whoever sent them, and receipts, before or after the submit_resp they belong to.

Everything takes a whole batch and costs the same few statements however long it is. Bookkeeping of the queue is no
act of an office, so `record` and `tend` open their own transactions; no network call is made inside one.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from alerts.expiry import Expiry
from alerts.outgoing import Outgoing, accepted_parts, arrived, let_go
from alerts.spellings import whose
from alerts.states import (
    MAX_ATTEMPTS,
    Change,
    State,
    after_unknown,
    as_int,
    as_json,
    beside,
    by_index,
    instant_at,
    listed,
    lock,
    move,
    settle,
)
from alerts.texts import national_number
from kernel.db import Database, Row, SqlValue, instant_of

#: A receipt may come this much earlier than the record of its submit_resp, not more: ids are used again.
EARLY_RECEIPT = timedelta(minutes=10)
KEEP_RECEIPTS = timedelta(days=2)
#: Nothing is heard of a part so long after it was taken, but of another one under the same id.
LATEST_RECEIPT = timedelta(days=14)
#: Waiting receipts are looked at in pages, at most so many a round.
_PAGE, _PAGES, _BEYOND = 1000, 10, 1 << 62


class Outcome(StrEnum):
    SUBMITTED = "submitted"
    AGAIN = "again"  # certainly not taken: once more after `wait`
    UNSENT = "unsent"  # nobody was asked to take it: once more at once, and no attempt is lost
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
    database: Database,
    *,
    now: datetime,
    carrier: str,
    reports: Sequence[Report] = (),
    heard: Sequence[Heard] = (),
    perhaps_before: bool = False,
) -> None:
    """Writes down, in one transaction, what became of claimed messages and which receipts came.

    A receipt for a part that is not recorded yet is kept for it; one for a part that is already final is ignored.
    `perhaps_before`: the database went away under an earlier try, which may have been committed all the same.
    """
    if not reports and not heard:
        return
    accepted = [(report, seq, _readable(sms_id, _ID)) for report in reports for seq, sms_id in report.accepted]
    receipts = {receipt.sms_id: receipt for receipt in map(_storable, heard)}
    async with database.transaction():
        await by_index(database)
        if perhaps_before:
            before = await accepted_parts(database, [report.message.id for report in reports])
            accepted = [each for each in accepted if each[1] not in before.get(each[0].message.id, ())]
        phones = {sms_id: report.message.to for report, _, sms_id in accepted}
        held = await let_go(database, [report.message for report in reports], now=now)
        ours = [report for report in reports if report.message.id in held]
        # A receipt in the same batch as its submit_resp costs no statement of its own.
        known = {id_: each for id_, each in receipts.items() if id_ in phones and _may_be_of(each, phones[id_])}
        late = [receipt for sms_id, receipt in receipts.items() if sms_id not in known]
        known |= await _early_receipts(database, now, carrier, {i: p for i, p in phones.items() if i not in known})
        await _insert_parts(database, now, carrier, accepted, known)
        touched = await _update_parts(database, now, carrier, late)
        changes = {report.message.id: _after(report, known, now) for report in ours}
        by_parts = {report.message.id for report in ours if report.message.parts > 1 or report.message.accepted}
        by_parts |= {report.message.id for report in reports if report.message.id not in held and report.accepted}
        elsewhere: dict[int, Change] = {}
        for row in touched:
            message = as_int(row["message_id"])
            if as_int(row["total"]) == 1 and receipts[str(row["sms_id"])].state is State.DELIVERED:
                (changes if message in changes else elsewhere)[message] = Change(state=State.DELIVERED)
            else:
                by_parts.add(message)
        matched = {str(row["sms_id"]) for row in touched}
        await _keep_waiting(database, now, carrier, [receipt for receipt in late if receipt.sms_id not in matched])
        untried = {report.message.id for report in ours if report.outcome is Outcome.UNSENT}
        again = [report.message.id for report in ours if report.message.attempts > 1 and report.message.parts == 1]
        if again:
            await lock(database, changes)  # all at once, as who waits for one of them may have another
            for message in await arrived(database, again):
                changes[message] = Change(state=State.DELIVERED)
        await settle(database, now, carrier, changes, untried=untried)
        # What is not moved is perhaps being sent once more: whoever does must see the part that came before.
        by_parts |= elsewhere.keys() - await move(database, now, elsewhere)
        await _settle_by_parts(database, now, by_parts)


async def tend(database: Database, *, now: datetime, spellings: Spellings, expiry: Expiry | None = None) -> None:
    """Housekeeping: drops what is news no more, settles what receipts can settle, tries unsettled codes again."""
    async with database.transaction():
        await by_index(database)
        await (expiry or Expiry()).drop(database, now)
        await _match_waiting(database, now, spellings)
        await _settle_unknown(database, now)
        await database.execute("DELETE FROM receipt WHERE at < $1", now - KEEP_RECEIPTS)


# ------------------------------------------------------------------------------------------- reports and receipts


def _after(report: Report, known: Mapping[str, Heard], now: datetime) -> Change:
    match report.outcome:
        case Outcome.AGAIN | Outcome.UNSENT:
            # Without a wait it keeps its place: it was due before what has come since.
            later = now + report.wait if report.wait else None
            return Change(state=State.QUEUED, error=report.error, send_after=later)
        case Outcome.REFUSED:
            return Change(state=State.FAILED, error=report.error)
        case Outcome.GIVEN_UP:
            return Change(state=State.DEAD, error=report.error)
        case Outcome.UNKNOWN:
            return after_unknown(report.message.confirms, report.message.attempts, now)
    if report.message.parts == 1 and report.accepted:
        heard = known.get(_readable(report.accepted[0][1], _ID))
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
    its_part = f"x.sms_id = r.sms_id AND x.carrier = $2 AND x.submitted_at > {instant_at(database, 3)}"
    found = await database.rows(
        "SELECT x.id, x.message_id, x.total, x.sms_id, x.state"
        f" FROM {listed(database, 1, sms_id='text', phone='text')} {beside(database, 'message_part', its_part)}"
        " WHERE r.phone IN ('', (SELECT to_phone FROM message WHERE message.id = x.message_id)) ORDER BY x.id",
        as_json(
            {"sms_id": each.sms_id, "phone": each.phone if _MOBILE.fullmatch(each.phone) else ""} for each in heard
        ),
        carrier,
        now - LATEST_RECEIPT,
    )
    said = {each.sms_id: each for each in heard}
    news = [(row["id"], said[str(row["sms_id"])]) for row in found if row["state"] == State.SUBMITTED]
    if news:
        await database.execute(
            f"UPDATE message_part SET state = r.state, error = r.error, done_at = {instant_at(database, 2)}"
            f" FROM {listed(database, 1, id='bigint', state='text', error='text')}"
            " WHERE message_part.id = r.id AND message_part.state = 'submitted'",
            as_json({"id": part, "state": each.state, "error": each.error} for part, each in news),
            now,
        )
    return found


async def _early_receipts(
    database: Database, now: datetime, carrier: str, phones: Mapping[str, str]
) -> dict[str, Heard]:
    """Takes out the receipts that came before their submit_resp was recorded. `phones`: whose each id is."""
    if not phones:
        return {}
    rows = await database.rows(
        f"SELECT x.id, x.sms_id, x.phone, x.state, x.error FROM {listed(database, 1, sms_id='text')}"
        f" {beside(database, 'receipt', 'x.sms_id = r.sms_id AND x.carrier = $2 AND x.at > $3')} ORDER BY x.id",
        as_json({"sms_id": sms_id} for sms_id in phones),
        carrier,
        now - EARLY_RECEIPT,
    )
    early: dict[str, Heard] = {}
    used: list[int] = []
    for row in rows:
        id_, state = str(row["sms_id"]), State(str(row["state"]))
        receipt = Heard(id_, state, str(row["phone"]), str(row["error"]))
        if _may_be_of(receipt, phones[id_]):
            early[id_] = receipt
            used.append(as_int(row["id"]))
    await _forget(database, used)
    return early


async def _forget(database: Database, receipts: Collection[int]) -> None:
    if receipts:
        await database.execute(
            f"DELETE FROM receipt WHERE id IN (SELECT r.id FROM {listed(database, 1, id='bigint')})",
            as_json({"id": receipt} for receipt in receipts),
        )


async def _keep_waiting(database: Database, now: datetime, carrier: str, heard: Sequence[Heard]) -> None:
    columns = ("carrier", "sms_id", "phone", "state", "error", "at")
    rows = [(carrier, each.sms_id, each.phone, each.state, each.error, now) for each in heard]
    await database.insert("receipt", columns, rows)


#: What the columns of an id, a phone and an error hold.
_ID, _PHONE, _ERROR = 64, 20, 80
_MOBILE = re.compile(r"1[3-9]\d{9}", re.ASCII)


def _readable(text: str, most: int) -> str:
    if len(text) <= most and text.isprintable():
        return text
    return "".join(character for character in text if character.isprintable())[:most]


def _storable(receipt: Heard) -> Heard:
    """As our columns can hold it. Carriers write what they like, and one receipt must not keep back all the others."""
    id_, phone = receipt.sms_id, receipt.phone
    if not receipt.error and len(id_) <= _ID and id_.isprintable() and _MOBILE.fullmatch(phone):
        return receipt  # nearly all of them
    phone = _readable(national_number(receipt.phone), _PHONE)
    return Heard(_readable(receipt.sms_id, _ID), receipt.state, phone, _readable(receipt.error, _ERROR))


def _may_be_of(receipt: Heard, phone: str) -> bool:
    """Not if it names another person's number. Some carriers name none, or ours: then the id must do."""
    return receipt.phone == phone or not _MOBILE.fullmatch(receipt.phone)


async def _settle_by_parts(database: Database, now: datetime, messages: Collection[int]) -> None:
    """A message is delivered when all its parts are, and failed when one of them is.

    Of a part that was sent more than once any copy may arrive; it is lost when every one of them is.
    """
    if not messages:
        return
    wanted, ids = listed(database, 1, id="bigint"), as_json({"id": message} for message in sorted(messages))
    await lock(database, messages)  # two gateways that each deliver one half must see each other's half
    other = "SELECT 1 FROM message_part c WHERE c.message_id = p.message_id AND c.seq = p.seq"
    is_lost = f"state IN ('failed', 'expired') AND NOT EXISTS ({other} AND c.state IN ('submitted', 'delivered'))"
    rows = await database.rows(
        "SELECT message_id, MAX(total) AS total,"
        " COUNT(DISTINCT CASE WHEN state = 'delivered' THEN seq END) AS delivered,"
        f" MAX(CASE WHEN {is_lost} THEN state ELSE '' END) AS ended, MAX(error) AS error"
        f" FROM message_part p JOIN {wanted} ON message_id = r.id GROUP BY message_id",
        ids,
    )
    changes: dict[int, Change] = {}
    for row in rows:
        if row["delivered"] == row["total"]:
            changes[as_int(row["message_id"])] = Change(state=State.DELIVERED)
        elif row["ended"]:
            changes[as_int(row["message_id"])] = Change(state=State(str(row["ended"])), error=str(row["error"]))
    await move(database, now, changes)


async def _match_waiting(database: Database, now: datetime, spellings: Spellings) -> None:
    """Receipts whose id is written in another way than submit_resp wrote it, or that crossed with their part.

    Which other way to write it is believed says spellings.py. The newest first, page by page, while most of them are
    somebody's: what is nobody's is not read again and again.
    """
    before = _BEYOND
    for _ in range(_PAGES):
        page = await database.rows(f"SELECT * FROM receipt WHERE id < $1 ORDER BY id DESC LIMIT {_PAGE}", before)
        if not page or await _match(database, now, spellings, page) * 2 < len(page):
            return
        before = as_int(page[-1]["id"])


async def _match(database: Database, now: datetime, spellings: Spellings, waiting: Sequence[Row]) -> int:
    """How many of `waiting` settled a part."""
    forms = {form for row in waiting for form in spellings(str(row["sms_id"]))}
    parts: dict[tuple[str, str], list[Row]] = {}
    for row in await database.rows(
        "SELECT p.id, p.message_id, p.carrier, p.sms_id, p.submitted_at, m.to_phone FROM message_part p JOIN message m"
        f" ON m.id = p.message_id JOIN {listed(database, 1, sms_id='text')} ON p.sms_id = r.sms_id"
        f" WHERE p.state = 'submitted' AND p.submitted_at > {instant_at(database, 2)} ORDER BY p.id",
        as_json({"sms_id": form} for form in forms),
        now - LATEST_RECEIPT,
    ):
        parts.setdefault((str(row["carrier"]), str(row["sms_id"])), []).append(row)
    settled: list[tuple[SqlValue, ...]] = []
    used: list[int] = []
    messages: set[int] = set()
    for receipt in waiting:
        phone = str(receipt["phone"])
        its = whose(
            spellings(str(receipt["sms_id"])),
            parts,
            carrier=str(receipt["carrier"]),
            phone=phone,
            is_a_phone=_MOBILE.fullmatch(phone) is not None,
            before=instant_of(receipt["at"]) + EARLY_RECEIPT,
        )
        if its:
            key = (str(its[0]["carrier"]), str(its[0]["sms_id"]))
            parts[key] = [part for part in parts[key] if part["to_phone"] != its[0]["to_phone"]]
            used.append(as_int(receipt["id"]))
            messages.update(as_int(part["message_id"]) for part in its)
            state, error = str(receipt["state"]), str(receipt["error"])
            settled += [(state, error, now, as_int(part["id"])) for part in its]
    await database.execute_many(
        "UPDATE message_part SET state = $1, error = $2, done_at = $3 WHERE id = $4 AND state = 'submitted'",
        settled,
    )
    await _forget(database, used)
    await _settle_by_parts(database, now, messages)
    return len(used)


async def _settle_unknown(database: Database, now: datetime) -> None:
    """A text with a code of unknown outcome: a receipt from its phone settles it; after CODE_WAIT it goes again."""
    changes: dict[int, Change] = {}
    used: set[int] = set()
    for row in await database.rows(
        # Their own receipts first: else SQLite would read every waiting one for each text.
        "WITH c AS MATERIALIZED (SELECT * FROM receipt WHERE phone IN"
        " (SELECT to_phone FROM outstanding o JOIN message m ON m.id = o.id WHERE o.state = 'unknown'))"
        " SELECT m.id, m.attempts, m.send_after, m.created_at, c.id AS receipt, c.state AS heard, c.error, c.at"
        " FROM outstanding o JOIN message m ON m.id = o.id"
        " LEFT JOIN c ON c.phone = m.to_phone AND c.carrier = m.carrier"
        " WHERE o.state = 'unknown' ORDER BY m.id, c.id"
    ):
        message = as_int(row["id"])
        # Since it was queued, not since it was claimed: a lease that was renewed no longer says when that was.
        made = instant_of(row["created_at"])
        if row["receipt"] is not None and row["receipt"] not in used and instant_of(row["at"]) >= made:
            if message not in changes or changes[message].state is not State.DELIVERED:
                used.add(as_int(row["receipt"]))
                changes[message] = Change(state=State(str(row["heard"])), error=str(row["error"]))
        elif message not in changes and instant_of(row["send_after"]) <= now:
            is_last = as_int(row["attempts"]) >= MAX_ATTEMPTS
            changes[message] = Change(state=State.DEAD if is_last else State.QUEUED, error="outcome unknown")
    await move(database, now, changes)
    await _forget(database, used)
