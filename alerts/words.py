"""In which words something is said: an event becomes the values of its template's variables.

Limits: what a template has no room for is cut or refused there (alerts/texts.py), not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from alerts.dispatch import Recipient
from alerts.people import holders_of_turn, last_moment, turn_at, turns
from alerts.settings import AlertRules
from alerts.texts import Code
from casework.clock.ledger import GROUND_NAMES
from casework.clock.time_limits import deliver_by, last_day_to_tell
from casework.clock.working_days import CHINA, Calendar, day_of
from casework.events import (
    AcceptanceRefused,
    CalendarProvisional,
    CaseAccepted,
    CaseCompleted,
    CaseDecided,
    CaseFiled,
    ClockExtended,
    ClockStopped,
    SupplementAsked,
    TaskOpened,
)
from casework.flow.delivery import is_electronic
from casework.flow.events import CaseUrged
from casework.flow.steps import step_name
from casework.flow.tasks import NEVER
from casework.intake.events import OriginalsAsked
from casework.intake.query_passwords import DIGITS
from casework.licences.acts import LicenceState
from casework.licences.events import LicenceEnded, LicenceExpiring
from casework.licences.register import STATE_NAMES
from casework.licences.tables import Licence
from casework.papers.documents import FORMS, DocumentKind
from casework.queries import days_left, gaps_of
from casework.tables import Case, Task
from hall.events import LoginCodeDrawn, QuestionAnswered
from hall.ratings import DIGITS as RATING_DIGITS
from hall.ratings import PURPOSE as RATING
from hall.ratings import rating_code_value
from hall.rules import HallRules
from kernel.events import Event
from kernel.tables import Unit
from kernel.work import Work
from supervision.events import (
    CardProposed,
    CardReminded,
    CardServed,
    ComplaintAccepted,
    ComplaintFiled,
    ComplaintRefused,
    LightTurned,
    OrderIssued,
)
from supervision.grounds import GROUNDS, Ground
from supervision.tables import Card, Complaint

Words = Mapping[str, str | Code]
E = TypeVar("E", bound=Event, covariant=True)

#: In place of the name of a secret item, where the case of somebody else's event is mentioned.
_UNNAMED = "内容请登录系统查看"


@dataclass(frozen=True, kw_only=True)
class Matter(Generic[E]):
    """An event with what the texts about it need to know. `file`: None for an event that is about no case."""

    work: Work
    event: E
    file: Case | None
    rules: AlertRules
    calendar: Calendar

    @property
    def case(self) -> Case:
        if self.file is None:
            raise LookupError(f"{type(self.event).__name__} is about no case")
        return self.file

    @property
    def today(self) -> date:
        return day_of(self.work.now)

    async def left(self, due: date, case: Case | None = None) -> int:
        """Counted working days until `due`, negative when it is past."""
        case = case or self.case
        gaps = (await gaps_of(self.work.database, [case.id])).get(case.id, [])
        return days_left(due, self.today, self.calendar, gaps)


async def todo(matter: Matter[TaskOpened], to: Recipient) -> Words | None:
    event = matter.event
    count, task = await turns(event.unit, event.role, event.assignee, before=NEVER)
    if task is None:
        return None  # nothing with a limit: a supplement is the applicant's turn
    case = await Case.get(id=task.case_id)
    due = day_of(last_moment(task))
    return {
        "n": str(count),
        "no": case.number,
        "item": _UNNAMED if case.secret else case.item_name,
        "step": step_name(task.step, task.role),
        "due": _day(due),
        "left": str(max(0, await matter.left(due, case))),
    }


async def urged(matter: Matter[CaseUrged], to: Recipient) -> Words | None:
    event = matter.event
    due = day_of(last_moment(await Task.get(id=event.task)))
    return {
        "n": str(event.count),
        "dept": await _unit_name(event.by_unit),
        "no": event.case,
        "item": matter.case.item_name,
        "step": step_name(event.step, event.role),
        "due": _day(due),
        "left": str(max(0, await matter.left(due))),
    }


async def yellow(matter: Matter[LightTurned], to: Recipient) -> Words | None:
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


async def red(matter: Matter[OrderIssued], to: Recipient) -> Words | None:
    task = await turn_at(matter.case, matter.event.unit)
    due = (task.case_due_on or task.due_on if task else None) or matter.case.committed_due
    return {
        "no": matter.event.case,
        "item": matter.case.item_name,
        # From the first minute of the day after, though that day may be a Saturday.
        "over": str(max(1, -await matter.left(due) if due else 1)),
        "dept": await _unit_name(matter.event.unit),
        "limit": _day(matter.event.limit_on),
        "dbno": matter.event.number,
    }


async def received(matter: Matter[CaseFiled], to: Recipient) -> Words | None:
    return {
        "item": matter.case.item_name,
        "no": matter.case.number,
        "pwd": Code("query", matter.case.number, DIGITS),
        "date": _day(last_day_to_tell(matter.event.received_on, matter.calendar)),
    }


async def supplement(matter: Matter[SupplementAsked], to: Recipient) -> Words | None:
    return {
        "no": matter.case.number,
        "n": str(len(matter.event.missing)),
        "sum": "；".join(matter.event.missing),
        "tel": matter.rules.service_phone,
    }


async def accepted(matter: Matter[CaseAccepted], to: Recipient) -> Words | None:
    if matter.event.deemed:
        return None
    return {
        "no": matter.case.number,
        "days": str(matter.event.committed_days),
        "date": _day(matter.event.committed_due),
    }


async def deemed(matter: Matter[CaseAccepted], to: Recipient) -> Words | None:
    if not matter.event.deemed:
        return None
    return {
        "no": matter.case.number,
        "recv": _day(matter.event.accepted_on),
        "date": _day(matter.event.committed_due),
    }


async def not_accepted(matter: Matter[AcceptanceRefused], to: Recipient) -> Words | None:
    return _refusal(matter, "受理", DocumentKind.NON_ACCEPTANCE)


async def not_granted(matter: Matter[CaseDecided], to: Recipient) -> Words | None:
    return _refusal(matter, "许可", DocumentKind.REFUSAL) if matter.event.outcome == "refused" else None


async def stopped(matter: Matter[ClockStopped], to: Recipient) -> Words | None:
    names = {str(ground): name for ground, name in GROUND_NAMES.items()}
    return {
        "no": matter.case.number,
        "proc": names[matter.event.ground],
        "days": str(matter.event.told_days),
        "date": _day(matter.event.committed_due),
    }


async def extended(matter: Matter[ClockExtended], to: Recipient) -> Words | None:
    return {
        "no": matter.case.number,
        "days": str(matter.event.days),
        "reason": matter.event.reason,
        "date": _day(matter.event.committed_due),
        "tel": matter.rules.service_phone,
    }


async def originals(matter: Matter[OriginalsAsked], to: Recipient) -> Words | None:
    return {
        "no": matter.case.number,
        "place": await _unit_name(matter.event.window),
        "tel": matter.rules.service_phone,
    }


async def delivered_online(matter: Matter[CaseCompleted], to: Recipient) -> Words | None:
    if matter.event.outcome != "granted" or not await is_electronic(matter.case):
        return None
    return {"no": matter.case.number, "result": "准予许可", "code": _rating(matter, to)}


async def done(matter: Matter[CaseCompleted], to: Recipient) -> Words | None:
    if matter.event.outcome != "granted" or await is_electronic(matter.case):
        return None
    granted_on = day_of(matter.case.decided_at or matter.work.now)
    return {
        "no": matter.case.number,
        "result": "准予许可",
        "date": _day(deliver_by(granted_on, matter.calendar)),
        "place": matter.rules.hall_place,
        "code": _rating(matter, to),
    }


async def rate(matter: Matter[CaseCompleted], to: Recipient) -> Words | None:
    """Whom the other two do not ask: a refused applicant's opinion counts as much."""
    if matter.event.outcome == "granted":
        return None
    until = matter.work.now + matter.work.given(HallRules).rating_life
    return {"no": matter.case.number, "code": _rating(matter, to), "exp": _moment(until)}


async def provisional(matter: Matter[CalendarProvisional], to: Recipient) -> Words | None:
    return {"year": matter.event.calendar}


async def card_proposed(matter: Matter[CardProposed | CardReminded], to: Recipient) -> Words | None:
    card = await Card.get(id=matter.event.card)
    if to.code is None or to.until is None:
        return None
    return {**await _card(card), "code": to.code, "exp": _moment(to.until)}


async def card_served(matter: Matter[CardServed], to: Recipient) -> Words | None:
    card = await Card.get(id=matter.event.card)
    appeal_until = matter.calendar.nth_working_day_after(matter.today, matter.rules.appeal_working_days)
    if to.code is None:
        return None
    return {**await _card(card), "cno": matter.event.number, "code": to.code, "ap": _day(appeal_until)}


async def card_in_the_app(matter: Matter[CardProposed | CardReminded], to: Recipient) -> Words:
    return await _card(await Card.get(id=matter.event.card))


async def card_served_in_the_app(matter: Matter[CardServed], to: Recipient) -> Words:
    card = await Card.get(id=matter.event.card)
    appeal_until = matter.calendar.nth_working_day_after(matter.today, matter.rules.appeal_working_days)
    return {**await _card(card), "cno": matter.event.number, "ap": _day(appeal_until)}


async def licence_expiring(matter: Matter[LicenceExpiring], to: Recipient) -> Words | None:
    return {**await _licence(matter), "date": _day(matter.event.valid_until)}


async def licence_ended(matter: Matter[LicenceEnded], to: Recipient) -> Words | None:
    if matter.event.by_case:
        return None  # they asked for it, and hear of their case
    return {**await _licence(matter), "res": STATE_NAMES[LicenceState(matter.event.state)]}


async def login_code(matter: Matter[LoginCodeDrawn], to: Recipient) -> Words | None:
    if to.code is None or to.until is None:
        return None
    return {"pwd": to.code, "exp": _moment(to.until)}


async def answered(matter: Matter[QuestionAnswered], to: Recipient) -> Words | None:
    number = matter.event.consultation
    return {"tno": number, "dept": await _unit_name(matter.event.unit), "pwd": Code("query", number, DIGITS)}


async def complaint_filed(matter: Matter[ComplaintFiled], to: Recipient) -> Words | None:
    return {"tno": matter.event.complaint}


async def complaint_decided(matter: Matter[ComplaintAccepted | ComplaintRefused], to: Recipient) -> Words | None:
    row = await Complaint.get(number=matter.event.complaint)
    return {
        "tno": row.number,
        "res": "决定受理" if isinstance(matter.event, ComplaintAccepted) else "不予受理",
        "deal": row.reason or "将依法调查处理",
        "tel": matter.rules.service_phone,
    }


# --------------------------------------------------------------------------------------------------------- below


async def _licence(matter: Matter[LicenceExpiring | LicenceEnded]) -> Words:
    licence = await Licence.get(number=matter.event.licence)
    return {"lic": licence.kind, "lno": licence.number, "tel": matter.rules.service_phone}


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


def _rating(matter: Matter[CaseCompleted], to: Recipient) -> Code:
    return Code(RATING, rating_code_value(matter.case.number, to.phone), RATING_DIGITS)


def _day(day: date) -> str:
    return f"{day.month}月{day.day}日"


def _moment(instant: datetime) -> str:
    local = instant.astimezone(CHINA)
    return f"{local.month}月{local.day}日{local:%H:%M}"
