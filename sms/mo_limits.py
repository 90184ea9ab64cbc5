"""How often one phone is answered, and how many wrong codes and passwords it may try: counted in its own texts.

A code locks by itself after three wrong tries, a case's password after ten a day from wherever (reply_codes,
query_passwords); here stands what one phone may do altogether. A day is a day of Shanghai.
Limits: texts that several processes handle in the same instant do not see each other.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from tortoise.queryset import QuerySet

from casework.clock.working_days import day_of, start_of_day
from casework.intake.query_passwords import QueryLocked, QueryPasswordWrong
from hall.progress import UnknownNumber
from hall.refusals import CaseAlreadyRated, RatingCodeExpired, RatingCodeWrong
from kernel.refusals import Refusal
from sms.tables import InboundMessage
from supervision.refusals import (
    AnswerInTheApp,
    CodeLocked,
    CodeWrong,
    NotTheRegisteredNumber,
    ReplyUnclear,
    TextTriesExhausted,
    UnknownComplaint,
)


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
    #: Wrong codes and passwords of one phone; beyond them none is looked at until the next day.
    wrong_tries_per_day: int = 10
    #: Carriers deliver the parts of a long text within seconds, or retry within minutes.
    join_within: timedelta = timedelta(minutes=10)
    #: A text whose handling fails this often waits for a person.
    tries: int = 3
    tend_s: float = 20.0
    #: After a round that a busy database ended; it had several chances by then.
    again_s: float = 1.0


INBOX_RULES = InboxRules()
#: Outcomes that are answered `helps_per_hour` times and then only logged.
SELDOM_ANSWERED = (
    *("HELP", "COMMANDS"),
    *(UnknownNumber.code, UnknownComplaint.code, QueryQuota.code, NoOptOut.code, ReplyUnclear.code),
    *(NotTheRegisteredNumber.code, AnswerInTheApp.code),
    *(RatingCodeWrong.code, RatingCodeExpired.code, CaseAlreadyRated.code),
)
#: Outcomes of who did not know a code or a password.
WRONG_TRIES = (
    *(CodeWrong.code, CodeLocked.code, NotTheRegisteredNumber.code, AnswerInTheApp.code, RatingCodeWrong.code),
    *(QueryPasswordWrong.code, QueryLocked.code),
)


async def may_query(message: InboundMessage, rules: InboxRules) -> bool:
    return await _today(message).filter(command="CX").count() < rules.queries_per_day


async def may_try(message: InboundMessage, rules: InboxRules) -> bool:
    return await _today(message).filter(outcome__in=WRONG_TRIES).count() < rules.wrong_tries_per_day


async def was_told_to_stop(message: InboundMessage) -> bool:
    return await _today(message).filter(outcome=TextTriesExhausted.code).exists()


async def may_be_answered(message: InboundMessage, rules: InboxRules, *, now: datetime) -> bool:
    """Whether this phone has been told something of SELDOM_ANSWERED less often than the rules say."""
    told = InboundMessage.filter(sender=message.sender, outcome__in=SELDOM_ANSWERED, is_answered=True)
    return await told.filter(handled_at__gte=now - timedelta(hours=1)).count() < rules.helps_per_hour


def _today(message: InboundMessage) -> QuerySet[InboundMessage]:
    """The phone's earlier texts of the day."""
    since = start_of_day(day_of(message.received_at))
    return InboundMessage.filter(sender=message.sender, id__lt=message.id, received_at__gte=since)
