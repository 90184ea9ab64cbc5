"""What must be said to whom when something happens: one table, event to template.

Source: the public measures (yellow light: those responsible; red light: the unit and those responsible, with the
order's number) and the Administrative Licensing Law's duties to tell (art. 32, 42, 44, 45). Of a secret case only the
number is put into a text, and only to officers; its cards are answered in the system, because a text that carries a
code says what for. Everything here runs in the outbox entry's transaction, so an event is told about once.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from alerts import abnormal_words as abnormal
from alerts import clock_words, words
from alerts.dispatch import Notice, Recipient, in_general, notify
from alerts.people import (
    answerable,
    as_recipients,
    asked_about,
    concerned_by,
    holders,
    holders_anywhere,
    takers_of_turn,
)
from alerts.settings import AlertRules
from alerts.templates import TEMPLATES
from alerts.texts import Code
from alerts.words import E, Matter, Words
from casework.clock.events import (
    DueDateMoved,
    HearingAnnounced,
    HearingAsked,
    HearingLightTurned,
    HearingRightTold,
    RenewalDeemed,
    StoppageOverran,
    StoppageToldLonger,
)
from casework.clock.working_days import Calendar
from casework.events import (
    AcceptanceRefused,
    BypassTried,
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
from casework.flow.events import CaseUrged
from casework.intake.events import OriginalsAsked, UnlistedFeeCharged
from casework.licences.events import LicenceEnded, LicenceExpiring
from casework.licences.tables import Licence
from casework.rules import CaseworkRules
from casework.tables import Case
from hall.accounts import DIGITS, PURPOSE, login_code_value
from hall.events import AnswerOverdue, LoginCodeDrawn, QuestionAnswered
from hall.tables import Applicant, Consultation, LoginCode
from kernel.actor import Role
from kernel.events import Event, Recorded
from kernel.outbox import Consumer
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
    ReportDrifted,
    ReportMissing,
    StepOverdue,
)
from supervision.reply_codes import Purpose
from supervision.rules import SupervisionRules
from supervision.tables import Complaint

log = logging.getLogger(__name__)

#: What legal time tells those who handle the case.
ClockTold = StoppageOverran | HearingLightTurned | RenewalDeemed | DueDateMoved


@dataclass(frozen=True)
class Line(Generic[E]):
    """One row: what happened, which template, to whom, in which words. No words: nothing is said."""

    event: type[E]
    template: str
    to: Callable[[Matter[E]], Awaitable[Sequence[Recipient]]]
    says: Callable[[Matter[E], Recipient], Awaitable[Words | None]]


# ------------------------------------------------------------------------------------------------------- to whom


async def _applicant(matter: Matter[Event]) -> Sequence[Recipient]:
    """The applicant, and the agent who acts for them (art. 29): both are told."""
    phones = dict.fromkeys((matter.case.applicant_phone, matter.case.agent_phone))
    return [Recipient(phone=phone) for phone in phones if phone]


async def _holder(matter: Matter[LicenceExpiring | LicenceEnded]) -> Sequence[Recipient]:
    licence = await Licence.get(number=matter.event.licence)
    return [] if licence.secret else [Recipient(phone=licence.holder_phone)]


async def _whose_turn(matter: Matter[TaskOpened | CaseUrged]) -> Sequence[Recipient]:
    event = matter.event
    return as_recipients(await takers_of_turn(matter.work, matter.case, event.unit, event.role, event.assignee))


async def _whose_turn_and_head(matter: Matter[LightTurned | StepOverdue]) -> Sequence[Recipient]:
    event = matter.event
    turn = await takers_of_turn(matter.work, matter.case, event.unit, event.role, event.assignee)
    return as_recipients([*turn, *await holders(event.unit, Role.SECTION_HEAD)])


async def _handlers_and_head(matter: Matter[CaseAccepted | BypassTried | ClockTold]) -> Sequence[Recipient]:
    return as_recipients(await holders(matter.event.unit, Role.HANDLER, Role.SECTION_HEAD))


async def _window_and_answering(matter: Matter[CaseFiled | UnlistedFeeCharged]) -> Sequence[Recipient]:
    hall = matter.case.window_unit or matter.work.given(CaseworkRules).hall_unit
    answering = await holders(matter.case.unit_code, Role.HANDLER, Role.SECTION_HEAD)
    return as_recipients([*await holders(hall, Role.WINDOW_CLERK), *answering])


async def _information_centre(matter: Matter[CalendarProvisional]) -> Sequence[Recipient]:
    return as_recipients(await holders_anywhere(Role.INFORMATION_CENTRE))


async def _answerable(matter: Matter[OrderIssued]) -> Sequence[Recipient]:
    return as_recipients(await answerable(matter.case, matter.event.unit))


async def _deciding_leaders(matter: Matter[CardProposed | CardReminded]) -> Sequence[Recipient]:
    return await asked_about(matter.work, matter.event.card, Purpose.CONFIRM)


async def _carded_leaders(matter: Matter[CardServed]) -> Sequence[Recipient]:
    return await asked_about(matter.work, matter.event.card, Purpose.ACKNOWLEDGE)


async def _in_the_app(matter: Matter[CardProposed | CardReminded | CardServed]) -> Sequence[Recipient]:
    """The same leaders, where no codes are texted."""
    texts_codes = matter.work.given(SupervisionRules).texts_codes
    return [] if texts_codes else as_recipients(await concerned_by(matter.work, matter.event))


async def _who_logs_in(matter: Matter[LoginCodeDrawn]) -> Sequence[Recipient]:
    row = await LoginCode.get(id=matter.event.code)
    applicant = await Applicant.get(id=row.applicant_id)
    code = Code(PURPOSE, login_code_value(row), DIGITS)
    return [Recipient(phone=applicant.phone, code=code, until=row.expires_at)]


async def _who_asked(matter: Matter[QuestionAnswered]) -> Sequence[Recipient]:
    return [Recipient(phone=(await Consultation.get(number=matter.event.consultation)).phone)]


async def _unit_asked_and_supervision(matter: Matter[AnswerOverdue]) -> Sequence[Recipient]:
    asked = await holders(matter.event.unit, Role.HANDLER, Role.SECTION_HEAD, Role.WINDOW_CLERK)
    return as_recipients([*asked, *await holders_anywhere(Role.SUPERVISOR)])


async def _reporting_unit_and_supervision(matter: Matter[ReportMissing | ReportDrifted]) -> Sequence[Recipient]:
    unit = await holders(matter.event.unit, Role.LIAISON, Role.SECTION_HEAD)
    return as_recipients([*unit, *await holders_anywhere(Role.SUPERVISOR)])


async def _who_complained(
    matter: Matter[ComplaintFiled | ComplaintAccepted | ComplaintRefused],
) -> Sequence[Recipient]:
    return [Recipient(phone=(await Complaint.get(number=matter.event.complaint)).phone)]


# ---------------------------------------------------------------------------------------------------- the policy

POLICY: tuple[Line[Any], ...] = (
    #    what happened       template  to whom               in which words
    Line(TaskOpened,         "T01",    _whose_turn,          words.todo),
    Line(CaseUrged,          "T28",    _whose_turn,          words.urged),
    Line(LightTurned,        "T02",    _whose_turn_and_head, words.yellow),
    Line(OrderIssued,        "T03",    _answerable,          words.red),
    Line(CardProposed,       "T05",    _deciding_leaders,    words.card_proposed),
    Line(CardReminded,       "T05",    _deciding_leaders,    words.card_proposed),
    Line(CardServed,         "T06",    _carded_leaders,      words.card_served),
    Line(CardProposed,       "T44",    _in_the_app,          words.card_in_the_app),
    Line(CardReminded,       "T44",    _in_the_app,          words.card_in_the_app),
    Line(CardServed,         "T45",    _in_the_app,          words.card_served_in_the_app),
    Line(CaseFiled,          "T09",    _applicant,           words.received),
    Line(CaseFiled,          "T04",    _window_and_answering, abnormal.late_entry),
    Line(SupplementAsked,    "T10",    _applicant,           words.supplement),
    Line(CaseAccepted,       "T11",    _applicant,           words.accepted),
    Line(CaseAccepted,       "T17",    _applicant,           words.deemed),
    Line(CaseAccepted,       "T17",    _handlers_and_head,   words.deemed),
    Line(CaseAccepted,       "T04",    _handlers_and_head,   abnormal.silence),
    Line(BypassTried,        "T04",    _handlers_and_head,   abnormal.bypassed),
    Line(AcceptanceRefused,  "T12",    _applicant,           words.not_accepted),
    Line(CaseDecided,        "T12",    _applicant,           words.not_granted),
    Line(ClockStopped,       "T13",    _applicant,           words.stopped),
    Line(ClockExtended,      "T14",    _applicant,           words.extended),
    Line(CaseCompleted,      "T15",    _applicant,           words.done),
    Line(StoppageToldLonger, "T13",    _applicant,           clock_words.told_longer),
    Line(StoppageOverran,    "T04",    _handlers_and_head,   abnormal.overran),
    Line(StepOverdue,        "T04",    _whose_turn_and_head, abnormal.step_overdue),
    Line(HearingRightTold,   "T30",    _applicant,           clock_words.hearing_right),
    Line(HearingAsked,       "T13",    _applicant,           clock_words.hearing_asked),
    Line(HearingAnnounced,   "T31",    _applicant,           clock_words.hearing_announced),
    Line(HearingLightTurned, "T04",    _handlers_and_head,   abnormal.hearing_light),
    Line(RenewalDeemed,      "T32",    _applicant,           clock_words.renewed_by_law),
    Line(RenewalDeemed,      "T04",    _handlers_and_head,   abnormal.renewal_silence),
    Line(DueDateMoved,       "T29",    _applicant,           clock_words.due_moved),
    Line(DueDateMoved,       "T29",    _handlers_and_head,   clock_words.due_moved),
    Line(UnlistedFeeCharged, "T04",    _window_and_answering, abnormal.unlisted_fee),
    Line(OriginalsAsked,     "T26",    _applicant,           words.originals),
    Line(CaseCompleted,      "T27",    _applicant,           words.delivered_online),
    Line(CaseCompleted,      "T38",    _applicant,           words.rate),
    Line(CalendarProvisional, "T20",   _information_centre,  words.provisional),
    Line(LoginCodeDrawn,     "T21",    _who_logs_in,         words.login_code),
    Line(QuestionAnswered,   "T23",    _who_asked,           words.answered),
    Line(ReportMissing,      "T04",    _reporting_unit_and_supervision, abnormal.report_missing),
    Line(ReportDrifted,      "T04",    _reporting_unit_and_supervision, abnormal.report_drifted),
    Line(AnswerOverdue,      "T04",    _unit_asked_and_supervision, abnormal.answer_overdue),
    Line(ComplaintFiled,     "T18",    _who_complained,      words.complaint_filed),
    Line(ComplaintAccepted,  "T22",    _who_complained,      words.complaint_decided),
    Line(ComplaintRefused,   "T22",    _who_complained,      words.complaint_decided),
    Line(LicenceExpiring,    "T24",    _holder,              words.licence_expiring),
    Line(LicenceEnded,       "T25",    _holder,              words.licence_ended),
)  # fmt: skip


async def tell(work: Work, recorded: Recorded) -> None:
    """Queues every message that `recorded` calls for."""
    event = recorded.event
    number = str(getattr(event, "case", ""))
    case = await Case.get_or_none(number=number) if number else None
    if number and case is None and not isinstance(event, _OF_ANOTHER_SYSTEM):
        return
    rules = work.given(AlertRules)
    matter = Matter(work=work, event=event, file=case, rules=rules, calendar=work.given(Calendar))
    notices = [
        _notice(line, matter, to, said, key=_key(line, recorded, to))
        for line in POLICY
        if isinstance(event, line.event) and not (_is_secret(matter) and line.to is _applicant)
        for to in await line.to(matter)
        if (said := await line.says(matter, to)) is not None
    ]
    told = await notify(work.database, notices, rules=rules, now=work.now)
    if told.reworded or told.unsaid:
        log.error(
            "event %s: of %s notices %s were reworded and %s not said",
            recorded.id,
            len(notices),
            told.reworded,
            told.unsaid,
        )


def consumer() -> Consumer:
    return Consumer(name="alerts", wants=tuple({line.event for line in POLICY}), handle=tell)


# --------------------------------------------------------------------------------------------------------- below


#: Their case is in no file of ours.
_OF_ANOTHER_SYSTEM = (BypassTried,)


def _is_secret(matter: Matter[Event]) -> bool:
    return matter.file is not None and matter.file.secret


def _notice(line: Line[Event], matter: Matter[Event], to: Recipient, said: Words, *, key: str) -> Notice:
    case = matter.file
    notice = Notice(
        key=key,
        template=TEMPLATES[line.template],
        to=to,
        variables=said,
        case_number=case.number if case else "",
        unit_code=case.unit_code if case else "",
        unsayable=(case.applicant_name, case.applicant_id_number) if case else (),
    )
    return in_general(notice) if _is_secret(matter) else notice


def _key(line: Line[Event], recorded: Recorded, to: Recipient) -> str:
    event = recorded.event
    if isinstance(event, LightTurned):
        # Once per case, step and limit, whatever turned the light a second time.
        return f"{line.template}:{event.case}:{event.step}:{event.due_on}:{to.phone}"
    if isinstance(event, CalendarProvisional):
        # Once per year, however often somebody looks.
        return f"{line.template}:{recorded.subject}:{to.phone}"
    return f"{line.template}:{recorded.subject}:{recorded.seq}:{to.phone}"
