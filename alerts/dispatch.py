"""One way to tell somebody something: a notice becomes a letter on every channel it may take.

Texts always; mail repeats a text for officers with an address where the deployment has mail, but never a code: a code
is bound to the phone it is answered from. A notice that cannot be said does not take others with it: it is said
without what people wrote into it, else in general, and the log tells.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from alerts.extensions import extended
from alerts.limits import hold_back
from alerts.outgoing import Channel, Letter, enqueue
from alerts.settings import AlertRules
from alerts.templates import SEE_THE_SYSTEM
from alerts.texts import Code, Template, TextRefused, render
from alerts.wordings import in_force
from kernel.db import Database

log = logging.getLogger(__name__)

#: In place of a free text that cannot be said.
_SEE_THE_PAPER = "详见告知书"


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
    #: The applicant's name and id number, which are masked where somebody wrote them into a free text.
    unsayable: Sequence[str] = ()


class Told(Struct, frozen=True, kw_only=True):
    """`new` letters; how many notices had to be said otherwise than they were written, and how many not at all."""

    new: int
    reworded: int = 0
    unsaid: int = 0


async def notify(database: Database, notices: Sequence[Notice], *, rules: AlertRules, now: datetime) -> Told:
    """Puts the notices into the queue, in the caller's transaction. Each stands alone."""
    letters: list[Letter] = []
    reworded = unsaid = 0
    secret = await secret_names(database) if any(notice.template.free for notice in notices) else ()
    worded = await in_force(database, [*(notice.template for notice in notices), *SEE_THE_SYSTEM.values()])
    for notice in notices:
        notice = replace(notice, unsayable=(*notice.unsayable, *secret))
        for attempt, said in enumerate(_ways_to_say(notice)):
            try:
                letters += _letters(replace(said, template=worded[said.template.id]), rules, now)
            except TextRefused as refusal:
                log.warning("notice about %s: %s", notice.case_number or "no case", refusal)
            else:
                reworded += attempt > 0
                break
        else:
            unsaid += 1
            log.error("notice %s about %s cannot be said", notice.template.id, notice.case_number or "no case")
    return Told(new=await send(database, letters, rules=rules, now=now), reworded=reworded, unsaid=unsaid)


async def secret_names(database: Database) -> Sequence[str]:
    """What secret items are called: in no catalogue and in no text, whoever writes it there."""
    rows = await database.rows("SELECT DISTINCT name FROM item_version WHERE secret ORDER BY name")
    return [str(row["name"]) for row in rows]


async def send(database: Database, letters: Sequence[Letter], *, rules: AlertRules, now: datetime) -> int:
    """Puts `letters` into the queue, each as soon as the hour and the limits allow; returns how many were new."""
    letters = await extended(database, letters, rules=rules, now=now)
    return await enqueue(database, await hold_back(database, letters, rules=rules, now=now), now=now)


def in_general(notice: Notice) -> Notice:
    """The same notice without its content: that there is something, about which number."""
    template = SEE_THE_SYSTEM[notice.template.message_class]
    return replace(notice, template=template, variables={"no": notice.case_number})


def _ways_to_say(notice: Notice) -> Iterator[Notice]:
    """From the words as they were meant to words that can always be said."""
    yield notice
    if free := notice.template.free:
        yield replace(notice, variables={**notice.variables, **dict.fromkeys(free, _SEE_THE_PAPER)})
    if notice.case_number:
        yield in_general(notice)


def _letters(notice: Notice, rules: AlertRules, now: datetime) -> list[Letter]:
    text = render(notice.template, signature=rules.signature, variables=notice.variables, unsayable=notice.unsayable)
    # Whoever asks at night is awake.
    quiet = not notice.template.is_reply and notice.template.message_class in rules.quiet_classes
    send_after = rules.send_after(now, notice.template.message_class) if quiet else now
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
            quiet=quiet,
        )
        for channel, address in channels
        if address
    ]
