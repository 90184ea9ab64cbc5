"""Questions of the public (政策法规咨询) and their answers by officers (在线答疑).

A question about an item goes to the item's unit, any other to the hall's. It has a limit in working days, stands in
the to-do list of every officer of that unit until one answers, and is called out to the unit and to supervision when
nobody has. The number and its query password open the answer to whoever asked; the public sees an answer only after
it went through the review of announcements (`hall.announcements`).

Limits: whoever asks gives a phone number or none; a number that was typed in is not proved and only gets a text.
"""

import re
from datetime import date, datetime

from casework.clock.time_limits import red_at
from casework.clock.working_days import Calendar, day_of
from casework.intake.query_passwords import objection
from casework.permissions import SUPERVISORS
from casework.queries import day, days_left
from casework.rules import CaseworkRules
from casework.tables import Item, ItemVersion
from hall.announcements import open_draft
from hall.events import AnswerOverdue, QuestionAnswered, QuestionAsked
from hall.publishing import AnnouncementKind
from hall.refusals import AlreadyAnswered, UnknownConsultation
from hall.rules import HallRules
from hall.tables import Consultation
from kernel.actor import Actor, ActorKind
from kernel.acts import Act, Done, View
from kernel.db import Database, Row, SqlValue, instant, instant_of
from kernel.numbers import next_number
from kernel.permissions import permission
from kernel.refusals import ChangedMeanwhile, Invalid, NotFound, NotPermitted, Refusal
from kernel.tables import Officer
from kernel.work import Work

_LONGEST_TITLE, _MOST_CHARACTERS = 80, 2000
_PHONE = re.compile(r"1\d{10}", re.ASCII)


class ConsultationView(View, frozen=True, tag="consultation"):
    """`answer` is empty until there is one; `announcement` the draft that may make it public."""

    number: str
    unit: str
    title: str
    due_on: date
    revision: int
    answer: str = ""
    answered_at: datetime | None = None
    announcement: str = ""


class AskQuestion(Act[ConsultationView], frozen=True, tag="hall.ask"):
    """咨询. Without an item the hall answers."""

    title: str
    question: str
    item: str = ""
    phone: str = ""


class AnswerQuestion(Act[ConsultationView], frozen=True, tag="hall.answer"):
    """答复. `publish`: also draft it for everybody, with `public_question`, without names, for what was asked."""

    number: str
    revision: int
    answer: str
    publish: bool = False
    public_question: str = ""


class ReadAnswer(Act[ConsultationView], frozen=True, tag="hall.read_answer"):
    """By number and query password, as whoever asked."""

    number: str
    password: str


class CallOverdueAnswers(Act[Done], frozen=True, tag="hall.call_overdue_answers"):
    """The clock's: says of up to `limit` questions that nobody answered in time."""

    limit: int = 200


@permission("officer of the unit that was asked")
async def officer_asked(work: Work, act: AnswerQuestion) -> bool:
    if work.actor.kind is not ActorKind.OFFICER:
        return False
    officer = await Officer.get_or_none(id=work.actor.id, active=True)
    return officer is not None and await Consultation.exists(number=act.number, unit_code=officer.unit_code)


async def ask_question(work: Work, act: AskQuestion) -> ConsultationView:
    """Gives the question a number and a limit. Raises INVALID, NOT_FOUND for an item that is not public."""
    title, question = _words("标题", act.title, _LONGEST_TITLE), _words("咨询内容", act.question, _MOST_CHARACTERS)
    phone = work.actor.phone or "" if work.actor.kind is ActorKind.APPLICANT else act.phone.strip()
    if phone and not _PHONE.fullmatch(phone):
        raise Invalid(field="手机号码", why="应为11位大陆手机号码")
    item_name, unit = await _asked_about(work, act.item)
    today, calendar = day_of(work.now), work.given(Calendar)
    due_on = calendar.nth_working_day_after(today, work.given(HallRules).answer_limit_days)
    row = await Consultation.create(
        number=f"ZX{today.year}{await next_number(f'consultation:{today.year}'):06d}",
        item_code=act.item,
        item_name=item_name,
        unit_code=unit,
        phone=phone,
        title=title,
        question=question,
        asked_at=work.now,
        due_on=due_on,
        call_at=red_at(due_on),
    )
    work.record(QuestionAsked(consultation=row.number, unit=unit, item=act.item, due_on=due_on))
    return _view(row)


async def answer_question(work: Work, act: AnswerQuestion) -> ConsultationView:
    """Raises UNKNOWN_CONSULTATION, ALREADY_ANSWERED, CHANGED_MEANWHILE, INVALID."""
    row = await _find(act.number)
    if row.answered_at is not None:
        raise AlreadyAnswered(number=row.number)
    answer = _words("答复", act.answer, _MOST_CHARACTERS)
    changed = await Consultation.filter(id=row.id, revision=act.revision, answered_at=None).update(
        answer=answer,
        answered_at=work.now,
        answered_by=work.actor.id,
        call_at=None,
        revision=act.revision + 1,
    )
    if changed != 1:
        raise ChangedMeanwhile(subject=f"consultation:{row.number}")
    await row.refresh_from_db()
    draft = ""
    if act.publish:
        question = _words("公开的问题", act.public_question, _MOST_CHARACTERS)
        draft = await open_draft(
            work,
            kind=AnnouncementKind.ANSWER,
            title=question.splitlines()[0][:_LONGEST_TITLE],  # who asked may stand in the title of theirs
            body=f"问：{question}\n答：{answer}",
            unit=row.unit_code,
            consultation=row.number,
        )
    late = work.now >= red_at(row.due_on)
    work.record(
        QuestionAnswered(consultation=row.number, unit=row.unit_code, officer=work.actor.id, late=late),
    )
    return _view(row, announcement=draft)


async def read_answer(work: Work, act: ReadAnswer) -> ConsultationView | Refusal:
    """A wrong password is returned, not raised, so that its count is kept."""
    row = await _find(act.number.strip().upper())
    return await objection(work, row.number, act.password) or _view(row)


async def call_overdue_answers(work: Work, act: CallOverdueAnswers) -> Done:
    late = await Consultation.filter(call_at__lte=work.now).order_by("call_at", "id").limit(act.limit)
    for row in late:
        if await Consultation.filter(id=row.id, call_at=row.call_at).update(call_at=None) == 1:
            work.record(AnswerOverdue(consultation=row.number, unit=row.unit_code, due_on=row.due_on))
    return Done(count=len(late))


async def consultations(
    database: Database,
    officer: Actor,
    *,
    now: datetime,
    calendar: Calendar,
    supervised: bool = False,
    late_only: bool = False,
    answered: bool = False,
    first: int = 20,
    after: int = 0,
) -> tuple[list[Row], int | None]:
    """Questions of the officer's unit, or with `supervised` of every unit, in the order in which they were asked.

    Raises NotPermitted for `supervised` by anybody but supervisors.
    """
    if officer.kind is not ActorKind.OFFICER or (supervised and not officer.has(*SUPERVISORS)):
        raise NotPermitted(act="consultations", needs=" | ".join(SUPERVISORS))
    values: list[SqlValue] = [after]
    where = f"c.id > $1 AND c.answered_at IS {'NOT ' if answered else ''}NULL"
    if late_only:
        values.append(day_of(now))
        where += f" AND c.due_on < ${len(values)}"
    if not supervised:
        values.append(officer.unit)
        where += f" AND c.unit_code = ${len(values)}"
    found = await database.rows(
        "SELECT c.id, c.number, c.revision, c.item_code, c.item_name, c.unit_code, u.name AS unit_name, c.title,"
        " c.question, c.asked_at, c.due_on, c.answered_at, c.answer, o.name AS officer_name FROM consultation c"
        " LEFT JOIN unit u ON u.code = c.unit_code LEFT JOIN officer o ON o.id = c.answered_by"
        f" WHERE {where} ORDER BY c.id LIMIT {int(first) + 1}",
        *values,
    )
    rows = [_listed(row, day_of(now), calendar) for row in found[:first]]
    return rows, int(str(found[first - 1]["id"])) if len(found) > first else None


def _listed(row: Row, today: date, calendar: Calendar) -> Row:
    due = day(row["due_on"])
    answered_at = instant(row["answered_at"])
    assert due is not None
    return {
        **row,
        "asked_at": instant_of(row["asked_at"]),
        "due_on": due,
        "days_left": None if answered_at else days_left(due, today, calendar),
        "is_late": due < (day_of(answered_at) if answered_at else today),
        "answered_at": answered_at,
        "answer": row["answer"] or None,
    }


async def _asked_about(work: Work, item: str) -> tuple[str, str]:
    """The item's public name and the unit that answers."""
    if not item:
        return "", work.given(CaseworkRules).hall_unit
    published = await Item.get_or_none(code=item, state="published")
    version = await ItemVersion.get_or_none(item_code=item, version=published.version) if published else None
    if version is None or version.secret:
        raise NotFound(what=f"事项{item}")
    return version.name, version.unit_code


async def _find(number: str) -> Consultation:
    row = await Consultation.get_or_none(number=number)
    if row is None:
        raise UnknownConsultation(number=number)
    return row


def _words(field: str, text: str, most: int) -> str:
    text = text.strip()
    if not text or len(text) > most:
        raise Invalid(field=field, why=f"应为1至{most}字")
    return text


def _view(row: Consultation, *, announcement: str = "") -> ConsultationView:
    return ConsultationView(
        number=row.number,
        unit=row.unit_code,
        title=row.title,
        due_on=row.due_on,
        revision=row.revision,
        answer=row.answer,
        answered_at=row.answered_at,
        announcement=announcement,
    )
