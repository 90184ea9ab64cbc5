"""Dead letters (死信): texts that nobody got, and what is sent in their place (补发).

A text is dead when its receipt says so, when the last try failed, or when its time was over; a red light and a card
also when no receipt has come so long after that (alerts/unreported.py). The next way of its chain
(alerts/fallback.py) is taken once, and the one after it only when the message that went that way is dead too: there is
no way back and no loop. The clock looks three times a minute; supervision's list has a red light or a card that
reached nobody after that.
Limits: a carrier that sends no receipts never says that a text was lost; what is not grave is then never followed up.
A mail has no receipt, so it ends its text's way as soon as a server took it. Findings leave secret cases out, so their
texts are followed up and not listed.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from alerts.dispatch import Notice, Recipient, notify, send
from alerts.fallback import Chain, Way, chain_of
from alerts.outgoing import Channel, Letter
from alerts.people import as_recipients, holders
from alerts.settings import AlertRules
from alerts.settling import LATEST_RECEIPT
from alerts.states import LOST, PRIORITIES, State, as_int, as_json, listed
from alerts.templates import BY_ID, SEE_THE_SYSTEM, TEMPLATES
from alerts.texts import Code, MessageClass, Template, Text, parts_needed, render
from alerts.wordings import worded
from kernel.actor import Role
from kernel.acts import Act, Done
from kernel.db import Database, Row, instant_of
from kernel.directory import officer_with_phone
from kernel.tables import Officer
from kernel.work import Work
from supervision.acts import CardState
from supervision.events import TextUndelivered
from supervision.reply_codes import PURPOSE as CARD_REPLY
from supervision.reply_codes import Asked, Purpose, draw
from supervision.tables import Card, ReplyCode

log = logging.getLogger(__name__)

#: How long an officer sees in the app what did not reach them.
SHOWN_FOR = timedelta(days=30)


class FollowUpUndelivered(Act[Done], frozen=True, tag="alerts.follow_up"):
    """The clock's: takes the next way for up to `limit` dead letters."""

    limit: int = 100


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message that nobody got. `stands_for` is the first of its chain, or none."""

    id: int
    dedupe_key: str
    channel: Channel
    template: str
    template_version: int
    message_class: MessageClass
    to_phone: str
    body: str
    secret: str
    state: str
    case_number: str
    unit_code: str
    created_at: datetime
    stands_for: int | None
    #: An operator was faster.
    is_replaced: bool

    @property
    def chain(self) -> Chain:
        return chain_of(self.template, self.message_class)

    def words(self) -> Template | None:
        """Its template, while the program has it, of the version that its words are of."""
        template = BY_ID.get(self.template)
        return replace(template, version=self.template_version) if template else None


class Undelivered(Struct, frozen=True, kw_only=True):
    """A text as its officer sees it in the app: without the signature, and with no code in it."""

    id: int
    title: str
    text: str
    case_number: str
    at: datetime


async def follow_up_undelivered(work: Work, act: FollowUpUndelivered) -> Done:
    """Each dead letter once; one that cannot be followed up is told to the officer on duty and does not stop others."""
    dead = await _dead_letters(work.database, work.now, act.limit)
    if not dead:
        return Done(count=0)
    ways: dict[int, Way] = {}
    for letter in dead:
        fault = await work.apart(partial(_follow_up, work, letter, ways))
        if fault is not None:
            log.error("message %s cannot be followed up: %s", letter.id, type(fault).__name__)
            ways[letter.id] = Way.DUTY
    await _tell_duty(work, [letter for letter in dead if ways.get(letter.id) is Way.DUTY])
    replaced = "CASE WHEN r.is_replaced = 1 THEN $2 ELSE replaced_at END"
    await work.database.execute(
        f"UPDATE message SET followed_up_at = $2, replaced_at = {replaced}"
        f" FROM {listed(work.database, 1, id='bigint', is_replaced='int')} WHERE message.id = r.id",
        as_json({"id": letter.id, "is_replaced": int(letter.id in ways)} for letter in dead),
        work.now,
    )
    counts = Counter(f"{letter.template} {ways.get(letter.id, 'nothing')}" for letter in dead)
    log.warning("%s messages reached nobody; what was done: %s", len(dead), dict(sorted(counts.items())))
    return Done(count=len(dead))


async def undelivered_to(database: Database, officer: str, *, now: datetime) -> list[Undelivered]:
    """What did not reach this officer by text in the last month, newest first; fifty at most."""
    rows = await database.rows(
        f"SELECT {_COLUMNS} FROM message m WHERE to_phone = (SELECT phone FROM officer WHERE id = $1)"
        f" AND created_at > $2 AND state IN ({_LOST}) AND stands_for IS NULL AND masked_at IS NULL"
        " ORDER BY id DESC LIMIT 50",
        officer,
        now - SHOWN_FOR,
    )
    return [
        Undelivered(
            id=letter.id,
            title=template.title,
            text=template.title if letter.secret else letter.body.partition("】")[2],
            case_number=letter.case_number,
            at=letter.created_at,
        )
        for letter in map(_letter, rows)
        # To-dos and answers are in the app already.
        if letter.chain.officer and (template := letter.words()) is not None
    ]


# -------------------------------------------------------------------------------------------------------- one letter

#: Texts whose failure is on supervision's list.
_GRAVE = {id: template for id, template in BY_ID.items() if chain_of(id, template.message_class).supervised}
#: Begins the key of what is sent in the place of another message.
_INSTEAD = "instead"
_LOST = ", ".join(f"'{state}'" for state in sorted(LOST))
_COLUMNS = (
    "m.id, dedupe_key, m.channel, template, template_version, message_class, to_phone, body, secret, m.state,"
    " case_number, unit_code, created_at, stands_for, replaced_at"
)


async def _follow_up(work: Work, letter: DeadLetter, ways: dict[int, Way]) -> None:
    """Takes the next way, if there is one, and notes which."""
    first = letter
    if letter.stands_for is not None:
        [row] = await work.database.rows(f"SELECT {_COLUMNS} FROM message m WHERE id = $1", letter.stands_for)
        first = _letter(row)
    officer = await officer_with_phone(first.to_phone)
    chain = first.chain.officer if officer else first.chain.public
    card = await _asked_card(first)
    if first.channel is Channel.MAIL or (card is not None and card.is_answered):
        return  # the same was texted; somebody else was faster
    if letter is first and first.chain.supervised and first.case_number:
        work.record(
            TextUndelivered(
                case=first.case_number,
                unit=first.unit_code,
                message=first.id,
                template=first.template.partition("_")[0],
                state=first.state,
                officer=officer.id if officer else None,
            )
        )
    if letter.is_replaced:
        return
    gone = _way_of(letter)
    for way in chain[chain.index(gone) + 1 if gone in chain else 0 :]:
        if await _WAYS[way](work, first, officer, card):
            ways[letter.id] = way
            return


async def _by_second_phone(work: Work, first: DeadLetter, officer: Officer | None, card: "AskedCard | None") -> bool:
    template = first.words()
    if officer is None or template is None or officer.second_phone in ("", first.to_phone):
        return False
    code, until = None, work.now + work.given(AlertRules).valid_for
    if first.secret:
        anew = await _drawn_anew(work, card, officer.second_phone) if card else None
        if anew is None:
            return False
        code, until = anew
    text = Text(template, first.body, parts_needed(first.body), code)
    return await _send(work, first, Way.SECOND_PHONE, Channel.SMS, officer.second_phone, text, until)


async def _by_mail(work: Work, first: DeadLetter, officer: Officer | None, card: "AskedCard | None") -> bool:
    rules, template = work.given(AlertRules), first.words()
    if not rules.mail or officer is None or not officer.email or template is None:
        return False
    copy = f"{first.dedupe_key.removesuffix(Channel.SMS)}{Channel.MAIL}"
    if await work.database.rows("SELECT id FROM message WHERE dedupe_key = $1", copy):
        return False  # it was mailed when it was texted
    text = Text(template, first.body, 1)
    if first.secret:
        general = await worded(work.database, SEE_THE_SYSTEM[first.message_class])
        text = render(general, signature=rules.signature, variables={"no": first.case_number or "系统内"})
    return await _send(work, first, Way.MAIL, Channel.MAIL, officer.email, text, work.now + rules.valid_for)


async def _on_paper(work: Work, first: DeadLetter, officer: Officer | None, card: "AskedCard | None") -> bool:
    template = first.words()
    if not first.case_number or template is None:
        return False
    notices = [
        Notice(
            key=f"{_key(first, Way.ON_PAPER)}:{to.phone}",
            template=TEMPLATES["T34"],
            to=to,
            variables={"no": first.case_number, "doc": template.title},
            case_number=first.case_number,
            unit_code=first.unit_code,
        )
        for to in as_recipients(await holders(first.unit_code, Role.HANDLER, Role.SECTION_HEAD))
    ]
    told = await notify(work.database, notices, rules=work.given(AlertRules), now=work.now)
    return told.new > 0


async def _by_duty(work: Work, first: DeadLetter, officer: Officer | None, card: "AskedCard | None") -> bool:
    return _has_duty(work.given(AlertRules))  # one message about all of them, at the end


_Take = Callable[[Work, DeadLetter, Officer | None, "AskedCard | None"], Awaitable[bool]]
_WAYS: Mapping[Way, _Take] = {
    Way.SECOND_PHONE: _by_second_phone,
    Way.MAIL: _by_mail,
    Way.ON_PAPER: _on_paper,
    Way.DUTY: _by_duty,
}


async def _send(
    work: Work, first: DeadLetter, way: Way, channel: Channel, to: str, text: Text, until: datetime
) -> bool:
    rules = work.given(AlertRules)
    quiet = first.message_class in rules.quiet_classes
    letter = Letter(
        dedupe_key=_key(first, way),
        channel=channel,
        text=text,
        to=to,
        send_after=rules.send_after(work.now, first.message_class),
        expires_at=until,
        case_number=first.case_number,
        unit_code=first.unit_code,
        quiet=quiet,
        stands_for=first.id,
    )
    return await send(work.database, [letter], rules=rules, now=work.now) > 0


async def _tell_duty(work: Work, letters: Sequence[DeadLetter]) -> None:
    """One message about all of them: who has the duty must not be buried by an outage."""
    rules = work.given(AlertRules)
    if not letters or not _has_duty(rules):
        return
    numbers = dict.fromkeys(letter.case_number for letter in letters if letter.case_number)
    notice = Notice(
        key=_key(letters[0], Way.DUTY),
        template=TEMPLATES["T35"],
        to=Recipient(phone=rules.duty_phone, email=rules.duty_email),
        variables={"n": str(len(letters)), "sum": "、".join(numbers) or "系统通知"},
    )
    await notify(work.database, [notice], rules=rules, now=work.now)


def _has_duty(rules: AlertRules) -> bool:
    return bool(rules.duty_phone or (rules.mail and rules.duty_email))


def _key(first: DeadLetter, way: Way) -> str:
    return f"{_INSTEAD}:{first.id}:{way}"


def _way_of(letter: DeadLetter) -> Way | None:
    """The way that this message went, which stands in its key; none for a first one."""
    kind, _, rest = letter.dedupe_key.partition(":")
    return Way(rest.partition(":")[2]) if letter.stands_for is not None and kind == _INSTEAD else None


# ------------------------------------------------------------------------------------------------------------- codes


class AskedCard(Struct, frozen=True):
    """The card that a text's code is about."""

    code: ReplyCode
    digits: int
    is_answered: bool


async def _asked_card(letter: DeadLetter) -> AskedCard | None:
    if not letter.secret.startswith(f"{CARD_REPLY}|"):
        return None
    _, value, digits = letter.secret.split("|")
    code = await ReplyCode.get(id=int(value.partition(":")[0]))
    card = await Card.get(id=code.card_id)
    confirms = code.purpose == Purpose.CONFIRM
    is_answered = card.state != CardState.PROPOSED if confirms else card.acknowledged_at is not None
    return AskedCard(code, int(digits), is_answered)


async def _drawn_anew(work: Work, card: AskedCard, phone: str) -> tuple[Code, datetime] | None:
    """A code that only the other phone can answer, good for as long as the text says; None when that is over."""
    old = card.code
    if old.expires_at <= work.now or old.used_at or old.locked_at:
        return None
    await draw(work, [Asked(card=old.card_id, purpose=Purpose(old.purpose), officer=old.officer_id, phone=phone)])
    fresh = ReplyCode.filter(card_id=old.card_id, purpose=old.purpose, phone=phone, drawn_at=work.now, used_at=None)
    drawn = await fresh.order_by("-id").first()
    if drawn is None:
        return None
    await ReplyCode.filter(id=drawn.id).update(expires_at=old.expires_at)
    return Code(CARD_REPLY, f"{drawn.id}:{drawn.nonce}", card.digits), old.expires_at


# ------------------------------------------------------------------------------------------------------------ reading


async def _dead_letters(database: Database, now: datetime, limit: int) -> list[DeadLetter]:
    # The message as well: that it was followed up stands there, and is looked at again once it is ours.
    lock = " FOR UPDATE OF o, m SKIP LOCKED" if database.dialect == "postgres" else ""
    grave = ", ".join(f"'{template}'" for template in _GRAVE)
    priorities = sorted({template.priority for template in _GRAVE.values()})
    found: list[Row] = []
    for which, levels in (
        (f"o.state IN ({_LOST})", PRIORITIES),
        # Perhaps read, and that must not be left to chance where the law wants a person to know.
        (f"o.state = '{State.UNREPORTED}' AND template IN ({grave})", priorities),
    ):
        found += await database.rows(
            # All the columns of the queue's index, so that old letters are not read again and again.
            f"SELECT {_COLUMNS} FROM outstanding o JOIN message m ON m.id = o.id"
            f" WHERE {which} AND o.channel IN ('sms', 'mail') AND o.priority IN ({', '.join(map(str, levels))})"
            " AND o.send_after > $1 AND followed_up_at IS NULL"
            f" ORDER BY m.id LIMIT {int(limit) - len(found)}{lock}",
            now - LATEST_RECEIPT,
        )
    return [_letter(row) for row in found]


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(
        id=as_int(row["id"]),
        dedupe_key=str(row["dedupe_key"]),
        channel=Channel(str(row["channel"])),
        template=str(row["template"]),
        template_version=as_int(row["template_version"]),
        message_class=MessageClass(str(row["message_class"])),
        to_phone=str(row["to_phone"]),
        body=str(row["body"]),
        secret=str(row["secret"]),
        state=str(row["state"]),
        case_number=str(row["case_number"]),
        unit_code=str(row["unit_code"]),
        created_at=instant_of(row["created_at"]),
        stands_for=None if row["stands_for"] is None else as_int(row["stands_for"]),
        is_replaced=row["replaced_at"] is not None,
    )
