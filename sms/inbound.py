"""Texts from people: kept before they are acknowledged, joined, performed as acts, answered.

Each step can be repeated after a crash without harm: what the carrier repeats is known again (mo_parts), an act by the
key `mo:<carrier>:<id>`, an answer by its dedupe key. The sender's number decides who acts: an officer of the directory
who serves, or nobody in particular. No rule lives here but how often one phone is answered and may try (mo_limits).
Whatever a text asked with a code is sealed, whether it was done or refused; texts of a phone that has tried too many
are kept in their rows alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from tortoise.exceptions import OperationalError

from alerts.dispatch import Notice, Recipient, notify
from alerts.extensions import asked_of
from alerts.settings import AlertRules
from hall.progress import ProgressView, QueryProgress, UnknownNumber
from hall.ratings import RateCase, RatingView
from kernel.actor import Actor, ActorKind, Role
from kernel.acts import Act, TextProof
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from kernel.directory import officer_with_phone
from kernel.office import Office
from kernel.refusals import Busy, Refusal
from kernel.tables import PerformedAct
from sms import mo_answers as answers
from sms import mo_limits as limits
from sms.carriers import Arrival
from sms.commands import (
    Acknowledge,
    Agree,
    Command,
    Decision,
    Disagree,
    Help,
    OptOut,
    Query,
    Rate,
    Unreadable,
    name_of,
    parse,
)
from sms.mo_answers import Answer
from sms.mo_extensions import Answering, resolved
from sms.mo_limits import INBOX_RULES, InboxRules, NoOptOut, QueryQuota
from sms.mo_parts import Parts
from sms.patience import cause_of, patiently
from sms.tables import InboundMessage, InboundPdu
from supervision.acts import AcknowledgeCard, CardView, ConfirmCard, NoteRefusedText, RejectCard
from supervision.complaints import ComplaintView, QueryComplaint, is_complaint
from supervision.refusals import AnswerInTheApp, ReplyUnclear, TextTriesExhausted, UnknownComplaint

log = logging.getLogger(__name__)

__all__ = ["INBOX_RULES", "Inbox", "InboxRules"]

_Done = TypeVar("_Done", CardView, RatingView)
_Seen = TypeVar("_Seen", ProgressView, ComplaintView)
_Outcome = TypeVar("_Outcome")
_BATCH = 100


async def _everybody(message: InboundMessage, code: str) -> bool:
    return True


class Inbox:
    """`believes`: whether a card's code may be answered by this text, from where it came."""

    def __init__(
        self,
        office: Office,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        *,
        alert_rules: AlertRules,
        rules: InboxRules = INBOX_RULES,
        believes: Callable[[InboundMessage, str], Awaitable[bool]] = _everybody,
    ) -> None:
        self._office, self._database, self._clock, self._secrets = office, database, clock, secrets
        self._alert_rules, self._rules, self._believes = alert_rules, rules, believes
        self._taking, self._news, self._is_stopped = asyncio.Lock(), asyncio.Event(), False
        self._parts = Parts(database, secrets.token(), join_within=rules.join_within, has_news=self._news.set)

    async def take(self, arrival: Arrival) -> int:
        """Keeps one part; when it returns 0, the carrier may forget it."""
        said_at = self._clock.now()  # its turn may come much later
        async with self._taking, self._database.transaction():
            await self._parts.keep(arrival, said_at, self._clock.now())
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
                with suppress(OperationalError):  # what the carriers' farewells have proved
                    await self.give_up_waiting()
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._news.wait()

    def wake(self) -> None:
        """Somebody else kept a text."""
        self._news.set()

    def stop(self) -> None:
        """Ends `run` after what it is at; the rest stays in its rows."""
        self._is_stopped = True
        self._news.set()

    async def handle_waiting(self) -> int:
        """Handles the texts that nobody has handled yet, oldest first; returns how many."""
        waiting = await InboundMessage.filter(handled_at=None, tries__lt=self._rules.tries).order_by("id").limit(_BATCH)
        return sum([await self._handle(message) for message in waiting])

    async def give_up_waiting(self) -> None:
        """Joins what other processes received parts of, and gives out what has waited long enough, with gaps."""
        async with self._taking, self._database.transaction():
            await self._parts.join_waiting(self._clock.now())

    # ---- handling

    async def _handle(self, message: InboundMessage) -> bool:
        """Whether it was. A text that breaks its own handling is tried a few times, not for ever."""
        is_its_fault = True
        try:
            await self._answer_and_settle(message)
            is_its_fault = False
        except OSError as failed:
            # A disk that is full is not its fault, nor is a process that was killed meanwhile: that counts nothing.
            log.warning("inbound %s: %s; once more in a while", message.id, type(failed).__name__)
            is_its_fault = False
            return False
        finally:
            if is_its_fault:
                await patiently(partial(self._count, message), f"inbound {message.id}")
        return True

    async def _answer_and_settle(self, message: InboundMessage) -> None:
        # What the lost part said may have been "not".
        command = parse(message.text) if message.is_complete else Unreadable()
        answer = await self._judged(message, command)
        if answer.outcome in limits.SELDOM_ANSWERED and not await limits.may_be_answered(
            message, self._rules, now=self._clock.now()
        ):
            answer = answers.silent(answer)
        await patiently(partial(self._settle, message, command, answer), f"inbound {message.id}")
        log.info("inbound %s: %s -> %s", message.id, name_of(command), answer.outcome)

    async def _count(self, message: InboundMessage) -> None:
        async with self._database.transaction():
            await InboundMessage.filter(id=message.id).update(tries=message.tries + 1)

    async def _settle(self, message: InboundMessage, command: Command, answer: Answer) -> None:
        async with self._database.transaction():
            await self._reply(message, answer)
            await InboundMessage.filter(id=message.id).update(
                handled_at=self._clock.now(),
                command=name_of(command),
                outcome=answer.outcome,
                is_answered=answer.template is not None,
            )

    async def _judged(self, message: InboundMessage, command: Command) -> Answer:
        """The answer to what `command` must mean, unless its phone may try no more."""
        if isinstance(command, Answering):
            asked = await asked_of(self._database, message.sender, now=self._clock.now())
            meant = resolved(command, message.receiver, asked, self._secrets)
            if meant is None:
                unclear = ReplyUnclear()
                if command.code:
                    await self._note(message, unclear)
                return self._refused(unclear)
            command = meant
        if _is_a_try(command) and not await limits.may_try(message, self._rules):
            return await self._stopped(message)
        if isinstance(command, Decision) and not await self._believes(message, command.code):
            refusal = AnswerInTheApp()
            await self._note(message, refusal)
            return self._refused(refusal)
        return await self._answer(message, command)

    async def _answer(self, message: InboundMessage, command: Command) -> Answer:
        match command:
            case Agree(code):
                return await self._perform(message, ConfirmCard(code=code))
            case Disagree(code):
                return await self._perform(message, RejectCard(code=code))
            case Acknowledge(code):
                return await self._perform(message, AcknowledgeCard(code=code))
            case Rate(score, code):
                return await self._perform(message, RateCase(score=score, code=code))
            case Query(number, password) if is_complaint(number):
                return await self._progress(message, QueryComplaint(number=number, password=password))
            case Query(number, password):
                return await self._progress(message, QueryProgress(number=number, password=password))
            case OptOut():
                return self._refused(NoOptOut())
            case Help():
                return answers.commands(self._alert_rules)
        return answers.not_understood(self._alert_rules)

    async def _perform(self, message: InboundMessage, act: Act[_Done]) -> Answer:
        sender, key, proof = await self._sender(message), _key(message), await _proof(message)
        outcome = _done(await self._office.perform(act, sender, key=key, proof=proof))
        if not isinstance(outcome, Refusal):
            return answers.in_words(outcome, self._alert_rules)
        if not await PerformedAct.exists(actor=f"{sender.kind}:{sender.id}", key=key):
            # It was raised: with what the act had written its evidence was undone.
            await self._note(message, outcome)
        return self._refused(outcome)

    async def _stopped(self, message: InboundMessage) -> Answer:
        """Told, sealed and found once a day; after that the phone's tries are kept and nothing more."""
        refusal = TextTriesExhausted(limit=self._rules.wrong_tries_per_day)
        if await limits.was_told_to_stop(message):
            return Answer(refusal.code)
        await self._note(message, refusal)
        return self._refused(refusal)

    async def _note(self, message: InboundMessage, refusal: Refusal) -> None:
        act = NoteRefusedText(why=refusal.code)
        noted = _done(
            await self._office.perform(
                act, await self._sender(message), key=f"{_key(message)}:refused", proof=await _proof(message)
            )
        )
        if isinstance(noted, Refusal):
            log.error("inbound %s: its refusal could not be noted: %s", message.id, noted.code)

    async def _progress(self, message: InboundMessage, act: Act[_Seen]) -> Answer:
        if not await limits.may_query(message, self._rules):
            return self._refused(QueryQuota(limit=self._rules.queries_per_day))
        outcome = _done(await self._office.perform(act, await self._sender(message), key=_key(message)))
        if isinstance(outcome, UnknownNumber | UnknownComplaint):
            return answers.not_understood(self._alert_rules, outcome.code)
        if isinstance(outcome, Refusal):
            return self._refused(outcome)
        return answers.in_words(outcome, self._alert_rules)

    async def _sender(self, message: InboundMessage) -> Actor:
        officer = await officer_with_phone(message.sender)
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
            phone=message.sender,
        )

    # ---- answering

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

    def _refused(self, refusal: Refusal) -> Answer:
        return answers.refused(refusal, self._alert_rules)


def _done(outcome: _Outcome) -> _Outcome:
    """What the office answered. What it was too busy for is done in a later round: nobody has to text it again."""
    if isinstance(outcome, Busy):
        raise OperationalError("the office is busy")
    return outcome


def _is_a_try(command: Command) -> bool:
    """Whether it holds a code or password that may be guessed."""
    return isinstance(command, Decision | Rate) or (isinstance(command, Query) and command.password is not None)


def _key(message: InboundMessage) -> str:
    return f"mo:{message.carrier}:{message.id}"


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
