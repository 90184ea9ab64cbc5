"""One-time codes that a leader answers by text message: drawing, finding, counting wrong tries.

A code is derived from its row and the office's key, so it is never stored and still can be worded into a text. It is
good for one phone, one card, one purpose, one use, until it expires or is locked; among the live codes of one phone
no two are alike. A text is an acknowledgement, not an electronic signature: what it may do says the table of acts.

Limits: a wrong code names no card, so it counts against every live code of the phone it came from.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from tortoise.queryset import QuerySet

from kernel.chance import Secrets
from kernel.db import Row
from kernel.refusals import Refusal
from kernel.tables import Officer
from kernel.work import Work
from supervision.people import is_phone_lost
from supervision.refusals import CodeExpired, CodeLocked, CodeUsed, CodeWrong, NotTheRegisteredNumber
from supervision.rules import SupervisionRules
from supervision.tables import ReplyCode

PURPOSE = "card-reply"
#: How long a dead code is still told apart from a wrong one.
_REMEMBERED = timedelta(days=7)
_PHONE_LENGTH = 20


class Purpose(StrEnum):
    CONFIRM = "confirm"  # a supervision leader about a proposed card
    ACKNOWLEDGE = "acknowledge"  # a unit's leader about a served card


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is to be asked by text."""

    card: str
    purpose: Purpose
    officer: str
    phone: str


class LiveCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code as it goes into a text. Never to be logged or stored."""

    officer: str
    phone: str
    code: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"LiveCode(officer={self.officer!r}, …)"


def reply_code_for(secrets: Secrets, row: Mapping[str, object], *, digits: int) -> str:
    """The code of a row of `reply_code` (its `id` and `nonce`)."""
    return secrets.derived_code(PURPOSE, f"{row['id']}:{row['nonce']}", digits)


async def live_codes(work: Work, card: str, purpose: Purpose) -> list[LiveCode]:
    """Who is asked about `card` and with which code: for wording the texts."""
    rows = await _alive(work).filter(card_id=card, purpose=purpose).order_by("id").values()
    digits = work.given(SupervisionRules).code_digits
    return [
        LiveCode(
            officer=row["officer_id"],
            phone=row["phone"],
            code=reply_code_for(work.secrets, row, digits=digits),
            expires_at=row["expires_at"],
        )
        for row in rows
    ]


async def draw(work: Work, asked: Sequence[Asked]) -> None:
    """Draws a code for each; beyond the phone's measure of live codes, for a phone that was reported lost, and where
    no codes are texted, none is drawn and the app remains."""
    rules = work.given(SupervisionRules)
    if not rules.texts_codes:
        return
    officers = await Officer.filter(id__in=[each.officer for each in asked]) if asked else []
    lost = {officer.id for officer in officers if await is_phone_lost(officer)}
    asked = [each for each in asked if each.officer not in lost]
    if not asked:
        return
    phones = sorted({each.phone for each in asked})
    await _lock_phones(work, phones)
    taken = await _codes_taken(work, phones)
    room = {phone: rules.codes_per_phone - len(taken[phone]) for phone in phones}
    wanted = []
    for each in asked:
        if room[each.phone] > 0:
            room[each.phone] -= 1
            wanted.append(each)
    for row in await _insert(work, wanted, expires_at=work.now + rules.code_validity):
        await _make_unique(work, row, taken[str(row["phone"])], digits=rules.code_digits)


async def find(work: Work, code: str) -> ReplyCode | Refusal:
    """The live row that `code`, texted from the actor's own number, answers.

    Returns the refusal that names what is wrong, after counting a wrong try; the caller returns it too, so that the
    count is kept.
    """
    rules, phone = work.given(SupervisionRules), work.actor.phone or ""
    if not 0 < len(phone) <= _PHONE_LENGTH:
        return NotTheRegisteredNumber()
    known = await ReplyCode.filter(phone=phone, expires_at__gt=work.now - _REMEMBERED).order_by("-id")
    if not known:
        return NotTheRegisteredNumber()
    matching = [row for row in known if _code(work, row, rules) == code]
    for row in matching:
        if _is_alive(row, work.now):
            return row
    if matching:
        return _why_dead(matching[0])
    return await _count_wrong_try(work, known, rules)


async def is_live_code(secrets: Secrets, phone: str, code: str, *, digits: int, now: datetime) -> bool:
    """Whether some card waits for `code` from `phone`."""
    rows = await ReplyCode.filter(phone=phone, expires_at__gt=now, used_at=None, locked_at=None).values("id", "nonce")
    return code in {reply_code_for(secrets, row, digits=digits) for row in rows}


async def use(work: Work, row: ReplyCode) -> None:
    """Spends the code. Raises CodeUsed when another text was faster."""
    if await _alive(work).filter(id=row.id).update(used_at=work.now) != 1:
        raise CodeUsed()


def masked(phone: str) -> str:
    """138****8000: enough for the log, too little to call."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 9 else "****"


def _alive(work: Work) -> QuerySet[ReplyCode]:
    return ReplyCode.filter(expires_at__gt=work.now, used_at=None, locked_at=None)


def _code(work: Work, row: ReplyCode, rules: SupervisionRules) -> str:
    return reply_code_for(work.secrets, {"id": row.id, "nonce": row.nonce}, digits=rules.code_digits)


def _is_alive(row: ReplyCode, now: datetime) -> bool:
    return row.used_at is None and row.locked_at is None and row.expires_at > now


def _why_dead(row: ReplyCode) -> Refusal:
    if row.used_at is not None:
        return CodeUsed()
    return CodeLocked() if row.locked_at is not None else CodeExpired()


async def _count_wrong_try(work: Work, known: Sequence[ReplyCode], rules: SupervisionRules) -> Refusal:
    alive = [row for row in known if _is_alive(row, work.now)]
    if not alive and any(row.locked_at is not None and row.expires_at > work.now for row in known):
        return CodeLocked()
    await work.database.execute(
        "UPDATE reply_code SET attempts = attempts + 1,"
        " locked_at = CASE WHEN attempts + 1 >= $1 THEN $2 ELSE locked_at END"
        " WHERE phone = $3 AND expires_at > $2 AND used_at IS NULL AND locked_at IS NULL",
        rules.code_tries,
        work.now,
        work.actor.phone,
    )
    left = rules.code_tries - 1 - min((row.attempts for row in alive), default=0)
    return CodeWrong(left=left) if left > 0 else CodeLocked()


async def _lock_phones(work: Work, phones: Sequence[str]) -> None:
    """Two draws for one phone go one after the other, or they could choose the same code unseen."""
    if work.database.dialect == "postgres":
        marks = ", ".join(f"${n}" for n in range(1, len(phones) + 1))
        await work.database.rows(
            f"SELECT id FROM officer WHERE phone IN ({marks}) ORDER BY id FOR NO KEY UPDATE", *phones
        )


async def _codes_taken(work: Work, phones: Sequence[str]) -> dict[str, set[str]]:
    digits = work.given(SupervisionRules).code_digits
    taken: dict[str, set[str]] = {phone: set() for phone in phones}
    for row in await _alive(work).filter(phone__in=phones).values("id", "nonce", "phone"):
        taken[row["phone"]].add(reply_code_for(work.secrets, row, digits=digits))
    return taken


async def _insert(work: Work, wanted: Sequence[Asked], *, expires_at: datetime) -> list[Row]:
    columns = ("card_id", "purpose", "officer_id", "phone", "nonce", "drawn_at", "expires_at", "attempts")
    return await work.database.insert(
        "reply_code",
        columns,
        [
            (each.card, each.purpose, each.officer, each.phone, work.secrets.token(), work.now, expires_at, 0)
            for each in wanted
        ],
        tail="RETURNING id, nonce, phone",
    )


async def _make_unique(work: Work, row: Row, taken: set[str], *, digits: int) -> None:
    nonce = row["nonce"]
    while (code := reply_code_for(work.secrets, {"id": row["id"], "nonce": nonce}, digits=digits)) in taken:
        nonce = work.secrets.token()
    taken.add(code)
    if nonce != row["nonce"]:
        await ReplyCode.filter(id=row["id"]).update(nonce=nonce)
