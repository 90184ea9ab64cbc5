"""One text with everything that is known of it: states, parts, receipts, what it stands for, what people did to it.

Without the words and without the whole number: those are shown by an act that is logged (alerts/by_hand.py).
"""

from datetime import datetime

import msgspec
from msgspec import Struct

from alerts.outgoing import being_sent
from alerts.states import FINAL, State, as_int
from kernel.db import Database, Row, instant, instant_of
from kernel.refusals import NotFound


class PartSheet(Struct, frozen=True, kw_only=True):
    """`heard_at`: when its final receipt was recorded."""

    seq: int
    total: int
    carrier: str
    sms_id: str
    state: str
    error: str
    submitted_at: datetime
    heard_at: datetime | None


class DeedSheet(Struct, frozen=True, kw_only=True):
    """Something a person did to the text, as the log of events has it. `by`: the operator's account at the server."""

    at: datetime
    what: str
    actor: str
    by: str = ""


class TextSheet(Struct, frozen=True, kw_only=True):
    """`phone` is masked. `units`: of the words, in UTF-16. `has_code`: one is filled in when it leaves."""

    id: int
    state: str
    is_final: bool
    phone: str
    template: str
    template_version: int
    message_class: str
    priority: int
    case_number: str
    unit_code: str
    parts: int
    units: int
    has_code: bool
    carrier: str
    error: str
    attempts: int
    created_at: datetime
    send_after: datetime
    expires_at: datetime
    submitted_at: datetime | None
    finished_at: datetime | None
    stands_for: int | None
    replaced_at: datetime | None
    struck_out_at: datetime | None
    resent_as: int | None
    sent: tuple[PartSheet, ...]
    deeds: tuple[DeedSheet, ...]


async def text_sheet(database: Database, text: int) -> TextSheet:
    """Raises NOT_FOUND."""
    rows = await database.rows("SELECT * FROM message WHERE id = $1 AND channel = 'sms'", text)
    if not rows:
        raise NotFound(what=f"短信{text}")
    row = rows[0]
    claim = await database.rows(f"SELECT c.carrier FROM {being_sent(database)} WHERE m.id = $1", text)
    state = State.SENDING if claim else State(str(row["state"]))
    parts = await database.rows("SELECT * FROM message_part WHERE message_id = $1 ORDER BY seq, id", text)
    deeds = await database.rows(
        "SELECT at, tag, actor, body FROM event WHERE subject = $1 ORDER BY seq", f"text:{text}"
    )
    again = await database.rows("SELECT id FROM message WHERE dedupe_key = $1", f"resend:{text}")
    return TextSheet(
        id=text,
        state=state,
        is_final=state in FINAL,
        phone=masked(str(row["to_phone"])),
        template=str(row["template"]),
        template_version=as_int(row["template_version"]),
        message_class=str(row["message_class"]),
        priority=as_int(row["priority"]),
        case_number=str(row["case_number"]),
        unit_code=str(row["unit_code"]),
        parts=as_int(row["parts"]),
        units=len(str(row["body"]).encode("utf-16-be", "replace")) // 2,
        has_code=bool(row["secret"]),
        carrier=str((claim or rows)[0]["carrier"]),
        error=str(row["error"]),
        attempts=as_int(row["attempts"]),
        created_at=instant_of(row["created_at"]),
        send_after=instant_of(row["send_after"]),
        expires_at=instant_of(row["expires_at"]),
        submitted_at=instant(row["submitted_at"]),
        finished_at=instant(row["finished_at"]),
        stands_for=None if row["stands_for"] is None else as_int(row["stands_for"]),
        replaced_at=instant(row["replaced_at"]),
        struck_out_at=instant(row["masked_at"]),
        resent_as=as_int(again[0]["id"]) if again else None,
        sent=tuple(map(_part, parts)),
        deeds=tuple(
            DeedSheet(
                at=instant_of(each["at"]), what=str(each["tag"]), actor=str(each["actor"]), by=_account(each["body"])
            )
            for each in deeds
        ),
    )


def masked(phone: str) -> str:
    """138****8000: enough to recognise one's own, too little to ring."""
    return phone[:3] + "*" * max(0, len(phone) - 7) + phone[-4:] if len(phone) > 7 else "*" * len(phone)


# ------------------------------------------------------------------------------------------------------------ below


class _Signed(Struct, frozen=True):
    by: str = ""


def _account(body: object) -> str:
    return msgspec.json.decode(str(body), type=_Signed).by


def _part(row: Row) -> PartSheet:
    return PartSheet(
        seq=as_int(row["seq"]),
        total=as_int(row["total"]),
        carrier=str(row["carrier"]),
        sms_id=str(row["sms_id"]),
        state=str(row["state"]),
        error=str(row["error"]),
        submitted_at=instant_of(row["submitted_at"]),
        heard_at=instant(row["done_at"]),
    )
