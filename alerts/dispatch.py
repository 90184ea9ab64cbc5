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

from alerts.outgoing import Channel, Letter, enqueue
from alerts.settings import AlertRules
from alerts.texts import SEE_THE_SYSTEM, Code, Template, TextRefused, render
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
    #: The applicant's name and id number, which are masked wherever somebody wrote them.
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
    for notice in notices:
        for attempt, wording in enumerate(_wordings(notice)):
            try:
                letters += _letters(wording, rules, now)
            except TextRefused as refusal:
                log.warning("notice about %s: %s", notice.case_number or "no case", refusal)
            else:
                reworded += attempt > 0
                break
        else:
            unsaid += 1
            log.error("notice %s about %s cannot be said", notice.template.id, notice.case_number or "no case")
    return Told(new=await enqueue(database, letters, now=now), reworded=reworded, unsaid=unsaid)


def in_general(notice: Notice) -> Notice:
    """The same notice without its content: that there is something, about which number."""
    template = SEE_THE_SYSTEM[notice.template.message_class]
    return replace(notice, template=template, variables={"no": notice.case_number})


def _wordings(notice: Notice) -> Iterator[Notice]:
    """From the words as they were meant to words that can always be said."""
    yield notice
    if free := notice.template.free:
        yield replace(notice, variables={**notice.variables, **dict.fromkeys(free, _SEE_THE_PAPER)})
    if notice.case_number:
        yield in_general(notice)


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
