"""What must be said to whom when something happens: one table, event to template.

Source: the public measures (yellow light: those responsible; red light: the unit and those responsible, with the
order's number) and the Administrative Licensing Law's duties to tell (art. 32, 42, 44, 45). A secret case is never
put into a text. Everything here runs in the outbox entry's transaction, so an event is told about once.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from alerts.dispatch import Notice, Recipient, notify
from alerts.people import (
    answerable,
    as_recipients,
    asked_about,
    holders,
    holders_of_turn,
    last_moment,
    turns,
)
from alerts.settings import AlertRules
from alerts.texts import TEMPLATES, Code
from casework.documents import FORMS, DocumentKind
from casework.events import (
    AcceptanceRefused,
    CaseAccepted,
    CaseCompleted,
    CaseDecided,
    CaseFiled,
    ClockExtended,
    ClockStopped,
    SupplementAsked,
    TaskOpened,
)
from casework.ledger import GROUND_NAMES
from casework.queries import days_left, gaps_of
from casework.query_passwords import DIGITS
from casework.steps import step_name
from casework.tables import Case, Task
from casework.tasks import NEVER
from casework.time_limits import deliver_by, last_day_to_tell
from casework.working_days import CHINA, Calendar, day_of
from kernel.actor import Role
from kernel.events import Event, Recorded
from kernel.outbox import Consumer
from kernel.tables import Unit
from kernel.work import Work
from supervision.events import CardProposed, CardReminded, CardServed, LightTurned, OrderIssued
from supervision.grounds import GROUNDS, Ground
from supervision.reply_codes import Purpose
from supervision.tables import Card

Words = Mapping[str, str | Code]
E = TypeVar("E", bound=Event, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Matter(Generic[E]):
    """An event with what the texts about it need to know."""

    work: Work
    event: E
    case: Case
    rules: AlertRules
    calendar: Calendar

    @property
    def today(self) -> date:
        return day_of(self.work.now)

    async def left(self, due: date, case: Case | None = None) -> int:
        """Counted working days until `due`, negative when it is past."""
        case = case or self.case
        gaps = (await gaps_of(self.work.database, [case.id])).get(case.id, [])
        return days_left(due, self.today, self.calendar, gaps)


@dataclass(frozen=True)
class Line(Generic[E]):
    """One row: what happened, which template, to whom, in which words. No words: nothing is said."""

    event: type[E]
    template: str
    to: Callable[[Matter[E]], Awaitable[Sequence[Recipient]]]
    says: Callable[[Matter[E], Recipient], Awaitable[Words | None]]


# ------------------------------------------------------------------------------------------------------- to whom


async def _applicant(matter: Matter[Event]) -> Sequence[Recipient]:
    return [Recipient(phone=matter.case.applicant_phone)]


async def _whose_turn(matter: Matter[TaskOpened]) -> Sequence[Recipient]:
    event = matter.event
    return as_recipients(await holders_of_turn(event.unit, event.role, event.assignee))


async def _whose_turn_and_head(matter: Matter[LightTurned]) -> Sequence[Recipient]:
    event = matter.event
    turn = await holders_of_turn(event.unit, event.role, event.assignee)
    return as_recipients([*turn, *await holders(event.unit, Role.SECTION_HEAD)])


async def _handlers_and_head(matter: Matter[CaseAccepted]) -> Sequence[Recipient]:
    return as_recipients(await holders(matter.event.unit, Role.HANDLER, Role.SECTION_HEAD))


async def _answerable(matter: Matter[OrderIssued]) -> Sequence[Recipient]:
    return as_recipients(await answerable(matter.case, matter.event.unit))


async def _deciding_leaders(matter: Matter[CardProposed | CardReminded]) -> Sequence[Recipient]:
    return await asked_about(matter.work, matter.event.card, Purpose.CONFIRM)


async def _carded_leaders(matter: Matter[CardServed]) -> Sequence[Recipient]:
    return await asked_about(matter.work, matter.event.card, Purpose.ACKNOWLEDGE)


# ------------------------------------------------------------------------------------------------- in which words


async def _todo(matter: Matter[TaskOpened], to: Recipient) -> Words | None:
    event = matter.event
    count, task = await turns(event.unit, event.role, event.assignee, before=NEVER)
    if task is None:
        return None  # nothing with a limit: a supplement is the applicant's turn
    case = await Case.get(id=task.case_id)
    due = day_of(last_moment(task))
    return {
        "n": str(count),
        "no": case.number,
        "item": case.item_name,
        "step": step_name(task.step, task.role),
        "due": _day(due),
        "left": str(max(0, await matter.left(due, case))),
    }


async def _yellow(matter: Matter[LightTurned], to: Recipient) -> Words | None:
    event = matter.event
    if event.colour != "yellow" or event.due_on is None:
        return None
    turn = await holders_of_turn(event.unit, event.role, event.assignee)
    return {
        "no": event.case,
        "item": matter.case.item_name,
        "due": _day(event.due_on),
        "left": str(max(0, await matter.left(event.due_on))),
        "step": step_name(event.step, event.role),
        "officer": turn[0].name if turn else "未指定",
    }


async def _red(matter: Matter[OrderIssued], to: Recipient) -> Words | None:
    task = await Task.get_or_none(case_id=matter.case.id, closed_at=None)
    due = (task.due_on if task else None) or matter.case.committed_due
    return {
        "no": matter.event.case,
        "item": matter.case.item_name,
        # From the first minute of the day after, though that day may be a Saturday.
        "over": str(max(1, -await matter.left(due) if due else 1)),
        "dept": await _unit_name(matter.event.unit),
        "limit": _day(matter.event.limit_on),
        "dbno": matter.event.number,
    }


async def _received(matter: Matter[CaseFiled], to: Recipient) -> Words | None:
    return {
        "item": matter.case.item_name,
        "no": matter.case.number,
        "pwd": Code("query", matter.case.number, DIGITS),
        "date": _day(last_day_to_tell(matter.event.received_on, matter.calendar)),
    }


async def _supplement(matter: Matter[SupplementAsked], to: Recipient) -> Words | None:
    return {
        "no": matter.case.number,
        "n": str(len(matter.event.missing)),
        "sum": "；".join(matter.event.missing),
        "tel": matter.rules.service_phone,
    }


async def _accepted(matter: Matter[CaseAccepted], to: Recipient) -> Words | None:
    if matter.event.deemed:
        return None
    return {
        "no": matter.case.number,
        "days": str(matter.event.committed_days),
        "date": _day(matter.event.committed_due),
    }


async def _deemed(matter: Matter[CaseAccepted], to: Recipient) -> Words | None:
    if not matter.event.deemed:
        return None
    return {
        "no": matter.case.number,
        "recv": _day(matter.event.accepted_on),
        "date": _day(matter.event.committed_due),
    }


async def _not_accepted(matter: Matter[AcceptanceRefused], to: Recipient) -> Words | None:
    return _refusal(matter, "受理", DocumentKind.NON_ACCEPTANCE)


async def _not_granted(matter: Matter[CaseDecided], to: Recipient) -> Words | None:
    return _refusal(matter, "许可", DocumentKind.REFUSAL) if matter.event.outcome == "refused" else None


async def _stopped(matter: Matter[ClockStopped], to: Recipient) -> Words | None:
    names = {str(ground): name for ground, name in GROUND_NAMES.items()}
    return {
        "no": matter.case.number,
        "proc": names[matter.event.ground],
        "days": str(matter.event.told_days),
        "date": _day(matter.event.committed_due),
    }


async def _extended(matter: Matter[ClockExtended], to: Recipient) -> Words | None:
    return {
        "no": matter.case.number,
        "days": str(matter.event.days),
        "reason": matter.event.reason,
        "date": _day(matter.event.committed_due),
        "tel": matter.rules.service_phone,
    }


async def _done(matter: Matter[CaseCompleted], to: Recipient) -> Words | None:
    if matter.event.outcome != "granted":
        return None
    granted_on = day_of(matter.case.decided_at or matter.work.now)
    return {
        "no": matter.case.number,
        "result": "准予许可",
        "date": _day(deliver_by(granted_on, matter.calendar)),
        "place": matter.rules.hall_place,
    }


async def _card_proposed(matter: Matter[CardProposed | CardReminded], to: Recipient) -> Words | None:
    card = await Card.get(id=matter.event.card)
    if to.code is None or to.until is None:
        return None
    return {**await _card(card), "code": to.code, "exp": _moment(to.until)}


async def _card_served(matter: Matter[CardServed], to: Recipient) -> Words | None:
    card = await Card.get(id=matter.event.card)
    appeal_until = matter.calendar.nth_working_day_after(matter.today, matter.rules.appeal_working_days)
    if to.code is None:
        return None
    return {**await _card(card), "cno": matter.event.number, "code": to.code, "ap": _day(appeal_until)}


# ---------------------------------------------------------------------------------------------------- the policy

POLICY: tuple[Line[Any], ...] = (
    #    what happened       template  to whom               in which words
    Line(TaskOpened,         "T01",    _whose_turn,          _todo),
    Line(LightTurned,        "T02",    _whose_turn_and_head, _yellow),
    Line(OrderIssued,        "T03",    _answerable,          _red),
    Line(CardProposed,       "T05",    _deciding_leaders,    _card_proposed),
    Line(CardReminded,       "T05",    _deciding_leaders,    _card_proposed),
    Line(CardServed,         "T06",    _carded_leaders,      _card_served),
    Line(CaseFiled,          "T09",    _applicant,           _received),
    Line(SupplementAsked,    "T10",    _applicant,           _supplement),
    Line(CaseAccepted,       "T11",    _applicant,           _accepted),
    Line(CaseAccepted,       "T17",    _applicant,           _deemed),
    Line(CaseAccepted,       "T17",    _handlers_and_head,   _deemed),
    Line(AcceptanceRefused,  "T12",    _applicant,           _not_accepted),
    Line(CaseDecided,        "T12",    _applicant,           _not_granted),
    Line(ClockStopped,       "T13",    _applicant,           _stopped),
    Line(ClockExtended,      "T14",    _applicant,           _extended),
    Line(CaseCompleted,      "T15",    _applicant,           _done),
)  # fmt: skip


async def tell(work: Work, recorded: Recorded) -> None:
    """Queues every message that `recorded` calls for."""
    event = recorded.event
    case = await Case.get_or_none(number=str(getattr(event, "case", "")))
    if case is None or case.secret:
        return
    rules = work.given(AlertRules)
    matter = Matter(work=work, event=event, case=case, rules=rules, calendar=work.given(Calendar))
    notices = [
        Notice(
            key=_key(line, recorded, to),
            template=TEMPLATES[line.template],
            to=to,
            variables=words,
            case_number=case.number,
            unit_code=case.unit_code,
            unsayable=(case.applicant_name, case.applicant_id_number),
        )
        for line in POLICY
        if isinstance(event, line.event)
        for to in await line.to(matter)
        if (words := await line.says(matter, to)) is not None
    ]
    await notify(work.database, notices, rules=rules, now=work.now)


def consumer() -> Consumer:
    return Consumer(name="alerts", wants=tuple({line.event for line in POLICY}), handle=tell)


# --------------------------------------------------------------------------------------------------------- below


def _key(line: Line[Event], recorded: Recorded, to: Recipient) -> str:
    event = recorded.event
    if isinstance(event, LightTurned):
        # Once per case, step and limit, whatever turned the light a second time.
        return f"{line.template}:{event.case}:{event.step}:{event.due_on}:{to.phone}"
    return f"{line.template}:{recorded.subject}:{recorded.seq}:{to.phone}"


def _refusal(matter: Matter[Event], kind: str, document: DocumentKind) -> Words:
    return {
        "no": matter.case.number,
        "kind": kind,
        "doc": FORMS[document].title,
        "tel": matter.rules.service_phone,
    }


async def _card(card: Card) -> Words:
    return {
        "dept": await _unit_name(card.unit_code),
        "color": {"yellow": "黄", "red": "红"}[card.colour],
        "no": card.case_number,
        "why": GROUNDS[Ground(card.ground)].short,
    }


async def _unit_name(code: str) -> str:
    unit = await Unit.get_or_none(code=code)
    return unit.short_name if unit else code


def _day(day: date) -> str:
    return f"{day.month}月{day.day}日"


def _moment(instant: datetime) -> str:
    local = instant.astimezone(CHINA)
    return f"{local.month}月{local.day}日{local:%H:%M}"
