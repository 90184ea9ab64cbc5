"""What an operator may do with texts: say something to somebody, send again what was lost, look at one.

A final state is final (alerts/states.py), so a text that is sent again is a new one that stands for the old. Nothing is
sent again that reached its reader, that is still under way, whose code is worth nothing any more, or whose words were
struck out; what may have reached its reader only when the operator says so.
Limits: a text of the operator's own is refused, not mended, when it holds what no text may say.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from alerts.dispatch import secret_names, send
from alerts.events import TextResent, TextSent, TextViewed
from alerts.fallback import Way
from alerts.outgoing import Channel, Letter
from alerts.settings import AlertRules
from alerts.states import LOST, Change, State, as_int, as_json, instant_at, listed, lock, move, stand
from alerts.texts import (
    MAX_PARTS,
    MessageClass,
    Template,
    Text,
    TextRefused,
    national_number,
    parts_needed,
    unfit_for_a_text,
)
from kernel.acts import Act, View
from kernel.db import Database, Row, instant_of
from kernel.refusals import Invalid, NotFound, Refusal
from kernel.work import Work

#: In one transaction.
MOST_AT_ONCE = 500
#: Says what an operator typed.
BY_HAND = Template("O01_BY_HAND", "运维短信", MessageClass.NOTICE, 2, "{words}")


class QueuedText(View, frozen=True, tag="queued_text"):
    """`send_after`: not before; quiet hours or the limit of the phone may lie between."""

    text: int
    parts: int
    send_after: datetime


class SendText(Act[QueuedText], frozen=True, tag="text.send"):
    """`at_once`: even in quiet hours. `by`: the operator's account at the server."""

    to: str
    words: str
    at_once: bool = False
    by: str = ""


class Kept(StrEnum):
    """Why a text is not sent again."""

    NOT_FOUND = "not_found"
    DELIVERED = "delivered"
    MERGED = "merged"
    UNDER_WAY = "under_way"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CODE_ENDED = "code_ended"
    REPLACED = "replaced"
    STRUCK_OUT = "struck_out"


KEPT_BECAUSE = {
    Kept.NOT_FOUND: ("没有这条短信", "there is no such text"),
    Kept.DELIVERED: ("已送达", "it was delivered"),
    Kept.MERGED: ("已并入汇总短信", "a digest said it"),
    Kept.UNDER_WAY: ("仍在发送中", "it is still under way"),
    Kept.OUTCOME_UNKNOWN: ("结果未知，对方可能已收到", "its outcome is unknown: the person may have read it"),
    Kept.CODE_ENDED: ("其中的确认码已失效", "the code in it is worth nothing any more"),
    Kept.REPLACED: ("已有另一条代发", "another one was sent in its place"),
    Kept.STRUCK_OUT: ("内容已按保存期限清除", "its words were struck out"),
}


class Resent(Struct, frozen=True):
    text: int
    as_text: int


class KeptBack(Struct, frozen=True):
    text: int
    why: Kept


class ResentTexts(View, frozen=True, tag="resent_texts"):
    resent: tuple[Resent, ...] = ()
    kept: tuple[KeptBack, ...] = ()


class ResendTexts(Act[ResentTexts], frozen=True, tag="text.resend"):
    """At most MOST_AT_ONCE. `even_if_unknown`: the person may read it twice."""

    texts: tuple[int, ...]
    even_if_unknown: bool = False
    by: str = ""


class TextContent(View, frozen=True, tag="text_content"):
    """Codes are stored nowhere, so the words have a mask in their place."""

    phone: str
    words: str


class ViewText(Act[TextContent], frozen=True, tag="text.view"):
    """To whom a text went, in which words. The view is logged."""

    text: int
    by: str = ""


class NotResent(Refusal):
    code = "TEXT_NOT_RESENT"
    zh = "短信{text}不能补发：{why}。"
    en = "Text {text} is not sent again: {why_en}."


class TextStruckOut(Refusal):
    code = "TEXT_STRUCK_OUT"
    zh = "短信{text}的号码和内容已按保存期限清除。"
    en = "Number and words of text {text} were struck out, as their time was over."


async def send_text(work: Work, act: SendText) -> QueuedText:
    """Queues the operator's words under the office's signature. Raises TEXT_REFUSED, INVALID."""
    rules = work.given(AlertRules)
    phone = national_number(act.to)
    if not (phone.isascii() and phone.isdigit() and 3 <= len(phone) <= 20):
        raise Invalid(field="to", why="不是电话号码")
    unsayable = await secret_names(work.database)
    text = _signed(act.words.strip(), rules.signature.strip("【】"), unsayable=unsayable, ours=rules.service_phone)
    quiet = not act.at_once and BY_HAND.message_class in rules.quiet_classes
    send_after = rules.send_after(work.now, BY_HAND.message_class) if quiet else work.now
    key = f"by-hand:{work.secrets.token()}"
    letter = Letter(
        dedupe_key=key,
        channel=Channel.SMS,
        text=text,
        to=phone,
        send_after=send_after,
        expires_at=send_after + rules.valid_for,
        quiet=quiet,
    )
    await send(work.database, [letter], rules=rules, now=work.now)
    (row,) = await work.database.rows("SELECT id, send_after FROM message WHERE dedupe_key = $1", key)
    message = as_int(row["id"])
    work.record(TextSent(text=message, parts=text.parts, by=act.by))
    return QueuedText(text=message, parts=text.parts, send_after=instant_of(row["send_after"]))


async def resend_texts(work: Work, act: ResendTexts) -> ResentTexts:
    """Queues a new text for each that may be sent again; what may not is named. One alone is refused instead."""
    wanted = tuple(dict.fromkeys(act.texts))
    if len(wanted) > MOST_AT_ONCE:
        raise Invalid(field="texts", why=f"一次最多{MOST_AT_ONCE}条")
    rows = {as_int(row["id"]): row for row in await _rows(work.database, wanted)}
    replaced = await _replaced(work.database, list(rows.values()))
    verdicts = {text: _verdict(rows.get(text), replaced, work.now, act.even_if_unknown) for text in wanted}
    kept = tuple(KeptBack(text, why) for text, why in verdicts.items() if why is not None)
    if len(wanted) == 1 and kept:
        zh, en = KEPT_BECAUSE[kept[0].why]
        raise NotResent(text=kept[0].text, why=zh, why_en=en)
    chosen = [rows[text] for text, why in verdicts.items() if why is None]
    resent = await _sent_again(work, chosen)
    for each in resent:
        work.record(TextResent(text=each.text, as_text=each.as_text, was=str(rows[each.text]["state"]), by=act.by))
    return ResentTexts(resent=resent, kept=kept)


async def view_text(work: Work, act: ViewText) -> TextContent:
    """The number and the words. Raises NOT_FOUND, TEXT_STRUCK_OUT."""
    rows = await work.database.rows(
        "SELECT to_phone, body, masked_at FROM message WHERE id = $1 AND channel = 'sms'", act.text
    )
    if not rows:
        raise NotFound(what=f"短信{act.text}")
    if rows[0]["masked_at"] is not None:
        raise TextStruckOut(text=act.text)
    work.record(TextViewed(text=act.text, by=act.by))
    return TextContent(phone=str(rows[0]["to_phone"]), words=str(rows[0]["body"]))


async def lost_texts(database: Database, *, since: datetime, carrier: str = "") -> list[int]:
    """Texts that ended undelivered after `since` and were not sent again; oldest first."""
    states = ", ".join(f"'{state}'" for state in sorted(LOST))
    rows = await database.rows(
        "SELECT m.id FROM outstanding o JOIN message m ON m.id = o.id"
        f" WHERE o.state IN ({states}) AND o.channel = 'sms' AND finished_at >= $1 AND (carrier = $2 OR $2 = '')"
        " AND NOT EXISTS (SELECT 1 FROM message again WHERE again.dedupe_key = 'resend:' || m.id)",
        since,
        carrier,
    )
    return sorted(as_int(row["id"]) for row in rows)


# ------------------------------------------------------------------------------------------------------------ below

#: Some carrier took all of it, or nobody knows.
_MAYBE = (State.SUBMITTED, State.UNKNOWN, State.UNREPORTED)
_COPIED = (
    "channel, message_class, priority, template, template_version, to_phone, to_email, subject, body, secret,"
    " confirms, parts, case_number, unit_code, extension, quiet"
)


def _signed(words: str, signature: str, *, unsayable: Sequence[str], ours: str) -> Text:
    prefix = f"【{signature}】"
    spoken = words.removeprefix(prefix)
    if not spoken:
        raise TextRefused(template=BY_HAND.id, why="没有内容")
    if spoken.startswith("【"):
        raise TextRefused(template=BY_HAND.id, why=f"签名应为{prefix}")
    if why := unfit_for_a_text(spoken, unsayable=unsayable, ours=(ours,)):
        raise TextRefused(template=BY_HAND.id, why=why)
    body = prefix + spoken
    if (parts := parts_needed(body)) > MAX_PARTS:
        raise TextRefused(template=BY_HAND.id, why=f"需要{parts}条，最多{MAX_PARTS}条")
    return Text(BY_HAND, body, parts)


async def _rows(database: Database, texts: Sequence[int]) -> list[Row]:
    await lock(database, texts)
    return await database.rows(
        f"SELECT m.* FROM message m JOIN {listed(database, 1, id='bigint')} ON m.id = r.id"
        f" WHERE m.channel = 'sms' ORDER BY m.id",
        as_json({"id": text} for text in texts),
    )


async def _replaced(database: Database, rows: Sequence[Row]) -> set[int]:
    """Which of them were sent again before, or went another way that is not lost too (alerts/fallback.py)."""
    keys: dict[str, set[int]] = {}
    for row in rows:
        text, first = as_int(row["id"]), row["stands_for"] or row["id"]
        for key in (f"resend:{text}", *(f"instead:{first}:{way}" for way in Way)):
            keys.setdefault(key, set()).add(text)
    found = await database.rows(
        f"SELECT m.dedupe_key, m.state FROM message m JOIN {listed(database, 1, key='text')} ON m.dedupe_key = r.key",
        as_json({"key": key} for key in keys),
    )
    gone = [str(each["dedupe_key"]) for each in found if each["state"] not in LOST]
    again = [str(each["dedupe_key"]) for each in found if str(each["dedupe_key"]).startswith("resend:")]
    return {text for key in (*gone, *again) for text in keys[key]}


def _verdict(row: Row | None, replaced: Collection[int], now: datetime, even_if_unknown: bool) -> Kept | None:
    if row is None:
        return Kept.NOT_FOUND
    state = State(str(row["state"]))
    if state is State.DELIVERED:
        return Kept.DELIVERED
    if state is State.MERGED:
        return Kept.MERGED
    if state in (State.HELD, State.QUEUED):
        return Kept.UNDER_WAY
    if as_int(row["id"]) in replaced:
        return Kept.REPLACED
    if row["masked_at"] is not None or not row["to_phone"]:
        return Kept.STRUCK_OUT
    if row["secret"] and instant_of(row["expires_at"]) <= now:
        return Kept.CODE_ENDED
    is_unknown = state in _MAYBE or str(row["error"]).startswith("outcome unknown")
    return Kept.OUTCOME_UNKNOWN if is_unknown and not even_if_unknown else None


async def _sent_again(work: Work, rows: Sequence[Row]) -> tuple[Resent, ...]:
    """Held at first: hours and limits are looked at when the clock lets them go (alerts/digests.py)."""
    if not rows:
        return ()
    database, now = work.database, work.now
    instant = instant_at(database, 2)
    added = await database.rows(
        f"INSERT INTO message ({_COPIED}, dedupe_key, state, created_at, send_after, expires_at, attempts, carrier,"
        f" error, stands_for) SELECT {_COPIED}, 'resend:' || m.id, 'held', {instant}, {instant},"
        f" CASE WHEN secret = '' THEN {instant_at(database, 3)} ELSE expires_at END, 0, '', 'sent again',"
        f" COALESCE(stands_for, m.id) FROM {listed(database, 1, id='bigint')} JOIN message m ON m.id = r.id"
        " RETURNING id, dedupe_key",
        as_json({"id": as_int(row["id"])} for row in rows),
        now,
        now + work.given(AlertRules).valid_for,
    )
    await stand(database, [as_int(row["id"]) for row in added])
    # Else the queue's own housekeeping would send it once more.
    given_up = Change(state=State.DEAD, error="outcome unknown")
    await move(database, now, {as_int(row["id"]): given_up for row in rows if row["state"] == State.UNKNOWN})
    await database.execute_many(
        "UPDATE message SET replaced_at = $1 WHERE id = $2", [(now, as_int(row["id"])) for row in rows]
    )
    return tuple(
        sorted((Resent(int(str(each["dedupe_key"]).partition(":")[2]), as_int(each["id"])) for each in added), key=_old)
    )


def _old(resent: Resent) -> int:
    return resent.text
