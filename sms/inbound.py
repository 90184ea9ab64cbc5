"""Texts from people: kept before they are acknowledged, joined, performed as acts, answered.

Each step can be repeated after a crash without harm: a part repeated by the carrier to the next run is known by its
digest, an act by the key `mo:<carrier>:<id>`, an answer by its dedupe key. The sender's number decides who acts: an
officer of the directory, or nobody in particular. No rule lives here but how often one phone is answered.
Limits: a carrier that repeats a part within one run, after we acknowledged it, is taken for a person who repeats
themselves; what two processes receive of one long text is joined by the next housekeeping, not at once.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct
from tortoise.exceptions import OperationalError

from alerts.dispatch import Notice, Recipient, notify
from alerts.settings import AlertRules
from alerts.texts import EXPLANATION, PROGRESS_WITHOUT_LIMIT, TEMPLATES, Template, national_number
from casework.clock.working_days import CHINA, day_of, start_of_day
from hall.progress import ProgressView, QueryProgress, UnknownNumber
from kernel.actor import Actor, ActorKind, Role
from kernel.acts import TextProof
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from kernel.office import Office
from kernel.refusals import Refusal
from kernel.tables import Officer
from sms.carriers import Arrival
from sms.commands import Agree, Command, Disagree, OptOut, Query, Unreadable, name_of, parse
from sms.patience import cause_of, patiently
from sms.tables import InboundMessage, InboundPdu
from sms.text import Concat, ConcatKind, Joined, Part, Reassembler
from supervision.acts import CardState, CardView, ConfirmCard, RejectCard
from supervision.complaints import ComplaintState, ComplaintView, QueryComplaint, is_complaint
from supervision.refusals import UnknownComplaint

log = logging.getLogger(__name__)


class QueryQuota(Refusal):
    code = "QUERY_QUOTA"
    zh = "本号码今日查询已达{limit}次，请明日再查。"
    en = "This phone has asked {limit} times today."


class NoOptOut(Refusal):
    code = "NO_OPT_OUT"
    zh = "本号码仅发送依法须告知您的事项，不含营销内容，不能退订。"
    en = "Statutory notices cannot be opted out of."


class InboxRules(Struct, frozen=True, kw_only=True):
    queries_per_day: int = 10
    #: A phone that texts nonsense, perhaps a machine, is told how to do it right this often per hour.
    helps_per_hour: int = 3
    #: Carriers deliver the parts of a long text within seconds, or retry within minutes.
    join_within: timedelta = timedelta(minutes=10)
    #: A text whose handling fails this often waits for a person.
    tries: int = 3
    tend_s: float = 20.0
    #: After a round that a busy database ended; it had several chances by then.
    again_s: float = 1.0


class Answer(Struct, frozen=True):
    """What is said back, and what the log says. No template: silence."""

    outcome: str
    template: Template | None = None
    variables: Mapping[str, str] = {}


INBOX_RULES = InboxRules()
_BATCH = 100


class Inbox:
    def __init__(
        self,
        office: Office,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        *,
        alert_rules: AlertRules,
        rules: InboxRules = INBOX_RULES,
    ) -> None:
        self._office, self._database, self._clock, self._secrets = office, database, clock, secrets
        self._alert_rules, self._rules = alert_rules, rules
        self._run = secrets.token()
        self._taking, self._news, self._is_stopped = asyncio.Lock(), asyncio.Event(), False

    async def take(self, arrival: Arrival) -> int:
        """Keeps one part; when it returns 0, the carrier may forget it."""
        part, now = arrival.part, self._clock.now()
        digest = hashlib.sha256(arrival.carrier.encode() + arrival.identity).hexdigest()
        async with self._taking, self._database.transaction():
            if not await self._is_repeated(digest, part, now):
                row = await _keep(arrival, digest, self._run, now)
                await self._join(row, now)
        self._news.set()
        return 0

    async def run(self) -> None:
        """Handles what comes, and first what an earlier run left behind."""
        while True:
            self._news.clear()
            pause_s = self._rules.tend_s
            try:
                await self.give_up_waiting()
                while await self.handle_waiting() and not self._is_stopped:
                    pass
            except OperationalError as refused:
                log.warning("inbox: the database is busy: %s", cause_of(refused))
                pause_s = self._rules.again_s
            if self._is_stopped:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._news.wait()

    def stop(self) -> None:
        """Ends `run` after what it is at; the rest stays in its rows."""
        self._is_stopped = True
        self._news.set()

    async def handle_waiting(self) -> int:
        """Handles the texts that nobody has handled yet, oldest first; returns how many."""
        waiting = await InboundMessage.filter(handled_at=None, tries__lt=self._rules.tries).order_by("id").limit(_BATCH)
        for message in waiting:
            await self._handle(message)
        return len(waiting)

    async def give_up_waiting(self) -> None:
        """Joins what other processes received parts of, and what has waited long enough, with gaps."""
        now = self._clock.now()
        async with self._taking, self._database.transaction():
            seen: set[tuple[object, ...]] = set()
            for row in await InboundPdu.filter(message_id=None).order_by("id").limit(10 * _BATCH):
                if (key := _key(row)) not in seen:
                    seen.add(key)
                    await self._join(row, now)

    # ---- keeping and joining

    async def _is_repeated(self, digest: str, part: Part, now: datetime) -> bool:
        """Whether the carrier says this again: to a later run of ours, or a part under the reference it had."""
        for row in await InboundPdu.filter(digest=digest).order_by("-id").limit(_BATCH):
            if part.concat is not None and row.received_at > now - self._rules.join_within:
                return True
            if row.run != self._run and (
                row.message_id is None or await InboundMessage.exists(id=row.message_id, handled_at=None)
            ):
                return True
        return False

    async def _join(self, row: InboundPdu, now: datetime) -> None:
        rows = [row]
        if row.concat:
            rows = await InboundPdu.filter(
                message_id=None,
                carrier=row.carrier,
                sender=row.sender,
                receiver=row.receiver,
                concat=row.concat,
                reference=row.reference,
                total=row.total,
            ).order_by("id")
        parts = {id(part): (each, part) for each in rows for part in (_part(each),)}
        joiner = Reassembler(patience_s=self._rules.join_within.total_seconds())
        whole: list[Joined] = []
        for each, part in parts.values():
            whole += joiner.take(part, each.received_at.timestamp())
        whole += joiner.handle_timer(now.timestamp())
        for joined in whole:
            await self._store(joined, [parts[id(part)][0] for part in joined.parts])

    async def _store(self, joined: Joined, rows: Sequence[InboundPdu]) -> None:
        first = rows[0]
        message = await InboundMessage.create(
            carrier=first.carrier,
            sender=national_number(joined.source),
            receiver=joined.destination,
            text=joined.text.replace("\0", ""),  # PostgreSQL keeps no NUL; the octets are in the rows
            is_complete=joined.is_complete,
            received_at=max(row.received_at for row in rows),
        )
        await InboundPdu.filter(id__in=[row.id for row in rows]).update(message_id=message.id)

    # ---- handling

    async def _handle(self, message: InboundMessage) -> None:
        # Counted first: a text that breaks its own handling is tried a few times, not for ever.
        await patiently(partial(self._count, message), f"inbound {message.id}")
        # What the lost part said may have been "not".
        command = parse(message.text) if message.is_complete else Unreadable()
        answer = await self._answer(message, command)
        await patiently(partial(self._settle, message, command, answer), f"inbound {message.id}")
        log.info("inbound %s: %s -> %s", message.id, name_of(command), answer.outcome)

    async def _count(self, message: InboundMessage) -> None:
        async with self._database.transaction():
            await InboundMessage.filter(id=message.id).update(tries=message.tries + 1)

    async def _settle(self, message: InboundMessage, command: Command, answer: Answer) -> None:
        async with self._database.transaction():
            await self._reply(message, answer)
            await InboundMessage.filter(id=message.id).update(
                handled_at=self._clock.now(), command=name_of(command), outcome=answer.outcome
            )

    async def _answer(self, message: InboundMessage, command: Command) -> Answer:
        match command:
            case Agree(code):
                return await self._decide(message, ConfirmCard(code=code))
            case Disagree(code):
                return await self._decide(message, RejectCard(code=code))
            case Query(number, password) if is_complaint(number):
                return await self._progress(message, QueryComplaint(number=number, password=password))
            case Query(number, password):
                return await self._progress(message, QueryProgress(number=number, password=password))
            case OptOut():
                return await self._within_quota(message, _refused(NoOptOut(), self._alert_rules))
        return await self._within_quota(message, self._help())

    async def _decide(self, message: InboundMessage, act: ConfirmCard | RejectCard) -> Answer:
        outcome = await self._office.perform(
            act, await self._sender(message), key=f"mo:{message.carrier}:{message.id}", proof=await _proof(message)
        )
        if isinstance(outcome, Refusal):
            return _refused(outcome, self._alert_rules)
        return self._receipt(outcome)

    async def _progress(self, message: InboundMessage, act: QueryProgress | QueryComplaint) -> Answer:
        if await self._queries_today(message) >= self._rules.queries_per_day:
            quota = QueryQuota(limit=self._rules.queries_per_day)
            return await self._within_quota(message, _refused(quota, self._alert_rules))
        sender, key = await self._sender(message), f"mo:{message.carrier}:{message.id}"
        outcome: ProgressView | ComplaintView | Refusal
        if isinstance(act, QueryComplaint):
            outcome = await self._office.perform(act, sender, key=key)
        else:
            outcome = await self._office.perform(act, sender, key=key)
        if isinstance(outcome, UnknownNumber | UnknownComplaint):
            return await self._within_quota(message, self._help(outcome.code))
        if isinstance(outcome, Refusal):
            return _refused(outcome, self._alert_rules)
        return _complaint_in_words(outcome) if isinstance(outcome, ComplaintView) else _progress_in_words(outcome)

    async def _sender(self, message: InboundMessage) -> Actor:
        officer = await Officer.get_or_none(phone=message.sender, active=True)
        if officer is None:
            # The number itself belongs into rows, not into the log of events.
            pseudonym = self._secrets.digest("phone", message.sender)[:16]
            return Actor(kind=ActorKind.ANONYMOUS, id=f"phone-{pseudonym}", phone=message.sender)
        return Actor(
            kind=ActorKind.OFFICER,
            id=officer.id,
            name=officer.name,
            roles=frozenset(Role(role) for role in officer.roles),
            unit=officer.unit_code,
            phone=officer.phone,
        )

    # ---- how often

    async def _queries_today(self, message: InboundMessage) -> int:
        today = start_of_day(day_of(message.received_at))
        earlier = InboundMessage.filter(sender=message.sender, command="CX", id__lt=message.id)
        return await earlier.filter(received_at__gte=today).count()

    async def _within_quota(self, message: InboundMessage, answer: Answer) -> Answer:
        """`answer`, or silence when this phone was told often enough."""
        since = self._clock.now() - timedelta(hours=1)
        told = InboundMessage.filter(sender=message.sender, handled_at__gte=since, outcome__in=_COUNTED)
        return answer if await told.count() < self._rules.helps_per_hour else Answer("SILENCE")

    # ---- in words

    async def _reply(self, message: InboundMessage, answer: Answer) -> None:
        if answer.template is None:
            return
        notice = Notice(
            key=f"reply:{message.id}",
            template=answer.template,
            to=Recipient(phone=message.sender),
            variables=answer.variables,
        )
        told = await notify(self._database, [notice], rules=self._alert_rules, now=self._clock.now())
        if told.unsaid:
            log.error("inbound %s: the answer may not be sent", message.id)

    def _help(self, outcome: str = "HELP") -> Answer:
        return Answer(outcome, TEMPLATES["T19"], {"tel": self._alert_rules.service_phone})

    def _receipt(self, card: CardView) -> Answer:
        at = card.acknowledged_at or card.decided_at or self._clock.now()
        done = "不同意发牌" if card.state is CardState.REJECTED else "确认发牌"
        local = at.astimezone(CHINA)
        return Answer(
            "card",
            TEMPLATES["T07"],
            {
                "cno": card.number or card.id,
                "time": f"{local.month}月{local.day}日{local:%H:%M}",
                "act": "签收" if card.acknowledged_at else done,
                "ev": card.evidence,
                "tel": self._alert_rules.service_phone,
            },
        )


_COUNTED = ("HELP", UnknownNumber.code, UnknownComplaint.code, QueryQuota.code, NoOptOut.code)


def _refused(refusal: Refusal, rules: AlertRules) -> Answer:
    return Answer(refusal.code, EXPLANATION, {"refusal": refusal.text, "tel": rules.service_phone})


def _progress_in_words(view: ProgressView) -> Answer:
    said = {"no": view.number, "item": view.item, "step": view.step, "st": view.status, "dept": view.unit}
    if view.due_on is None or view.days_left is None:
        return Answer("progress", PROGRESS_WITHOUT_LIMIT, said)
    due = f"{view.due_on.month}月{view.due_on.day}日"
    if view.days_left < 0:
        said["st"] = "已超期"
    return Answer("progress", TEMPLATES["T16"], {**said, "date": due, "left": str(max(0, view.days_left))})


_COMPLAINT_STEPS = {
    ComplaintState.REGISTERED: ("登记", "待决定受理"),
    ComplaintState.ACCEPTED: ("办理", "已受理"),
    ComplaintState.REFUSED: ("办结", "不予受理"),
}


def _complaint_in_words(view: ComplaintView) -> Answer:
    step, state = _COMPLAINT_STEPS[view.state]
    return Answer(
        "progress",
        PROGRESS_WITHOUT_LIMIT,
        {"no": view.number, "item": "投诉举报", "step": step, "st": state, "dept": "监察机关"},
    )


async def _keep(arrival: Arrival, digest: str, run: str, now: datetime) -> InboundPdu:
    part = arrival.part
    concat = part.concat if part.concat is not None and part.concat.total > 1 else None
    return await InboundPdu.create(
        carrier=arrival.carrier,
        sender=part.source[:32],
        receiver=part.destination[:32],
        data_coding=part.data_coding,
        octets=part.octets,
        frame=part.raw,
        concat=concat.kind if concat else "",
        reference=concat.reference if concat else 0,
        total=concat.total if concat else 1,
        number=concat.number if concat else 1,
        digest=digest,
        run=run,
        received_at=now,
    )


def _part(row: InboundPdu) -> Part:
    concat = Concat(ConcatKind(row.concat), row.reference, row.total, row.number) if row.concat else None
    return Part(row.sender, row.receiver, row.data_coding, bytes(row.octets), concat, bytes(row.frame))


def _key(row: InboundPdu) -> tuple[object, ...]:
    if not row.concat:
        return (row.id,)
    return (row.carrier, row.sender, row.receiver, row.concat, row.reference, row.total)


async def _proof(message: InboundMessage) -> TextProof:
    rows = await InboundPdu.filter(message_id=message.id).order_by("number")
    return TextProof(
        inbound=message.id,
        sender=message.sender,
        receiver=message.receiver,
        text=message.text,
        pdus=tuple(bytes(row.frame) for row in rows),
        received_at=message.received_at,
        carrier=message.carrier,
    )
