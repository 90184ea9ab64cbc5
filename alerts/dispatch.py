"""One way to tell somebody something: a notice becomes a letter on every channel it may take.

Texts always; mail repeats a text for officers with an address where the deployment has mail, but never a code: a code
is bound to the phone it is answered from.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from alerts.outgoing import Channel, Letter, enqueue
from alerts.settings import AlertRules
from alerts.texts import Code, Template, render
from kernel.db import Database


class Recipient(Struct, frozen=True, kw_only=True):
    """Whom, and the code only they get, if the text carries one; after `until` that is worth nothing."""

    phone: str = ""
    email: str = ""
    code: Code | None = None
    until: datetime | None = None


class Notice(Struct, frozen=True, kw_only=True):
    """Something to say to one person. `key` names it once and for all: the same key is said once."""

    key: str
    template: Template
    to: Recipient
    variables: Mapping[str, str | Code]
    case_number: str = ""
    unit_code: str = ""
    #: The applicant's name and id number, which are masked wherever somebody wrote them.
    unsayable: Sequence[str] = ()


async def notify(database: Database, notices: Sequence[Notice], *, rules: AlertRules, now: datetime) -> int:
    """Puts the notices into the queue, in the caller's transaction; returns how many letters are new.

    Raises TextRefused for what may not be said.
    """
    letters = [letter for notice in notices for letter in _letters(notice, rules, now)]
    return await enqueue(database, letters, now=now)


def _letters(notice: Notice, rules: AlertRules, now: datetime) -> list[Letter]:
    text = render(notice.template, signature=rules.signature, variables=notice.variables, unsayable=notice.unsayable)
    # Whoever asks at night is awake.
    send_after = now if notice.template.is_reply else rules.send_after(now, notice.template.message_class)
    expires_at = max(notice.to.until or send_after + rules.valid_for, now + timedelta(minutes=1))
    channels = [(Channel.SMS, notice.to.phone)]
    if rules.mail and text.code is None:
        channels.append((Channel.MAIL, notice.to.email))
    return [
        Letter(
            dedupe_key=f"{notice.key}:{channel}",
            channel=channel,
            text=text,
            to=address,
            send_after=send_after,
            expires_at=expires_at,
            case_number=notice.case_number,
            unit_code=notice.unit_code,
        )
        for channel, address in channels
        if address
    ]
