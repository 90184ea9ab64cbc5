"""Complaints of the public (违规投诉举报): registered with a number, accepted or not within five working days.

Source: the public measures on online complaints: decide on acceptance in five working days, both with and without a
name, and tell whoever gave theirs the decision with its reasons. Only supervision reads who complained; the unit that
a complaint is about sees none of it.

Limits: handling, transfer, answer and rating of an accepted complaint are not here yet. What is complained about is
kept as it was typed: whether such a case exists is told to nobody.
"""

import re
from datetime import date, datetime
from enum import StrEnum

from casework.clock.working_days import Calendar, day_of
from casework.intake.query_passwords import objection
from casework.permissions import SUPERVISORS
from casework.queries import day, days_left
from kernel.actor import Actor, ActorKind
from kernel.acts import Act, View
from kernel.db import Database, Row, SqlValue, instant, instant_of
from kernel.numbers import next_number
from kernel.refusals import ChangedMeanwhile, Invalid, NotPermitted, Refusal
from kernel.work import Work
from supervision.events import ComplaintAccepted, ComplaintFiled, ComplaintRefused
from supervision.people import who
from supervision.refusals import ComplaintAlreadyDecided, UnknownComplaint
from supervision.tables import Complaint

#: Working days to decide whether a complaint is accepted.
DECIDE_WITHIN = 5
_PREFIX = "TS"
_MOST_CHARACTERS = 4000
_PHONE = re.compile(r"1\d{10}", re.ASCII)


class ComplaintAbout(StrEnum):
    """What a complaint is about; `subject` names it."""

    CASE = "case"  # 办件
    UNIT = "unit"  # 单位
    OFFICER = "officer"  # 人员
    OTHER = "other"


class ComplaintState(StrEnum):
    REGISTERED = "registered"  # 已登记
    ACCEPTED = "accepted"  # 已受理
    REFUSED = "refused"  # 不予受理


STATE_NAMES = {
    ComplaintState.REGISTERED: "已登记，待决定是否受理",
    ComplaintState.ACCEPTED: "已受理",
    ComplaintState.REFUSED: "不予受理",
}


class ComplaintView(View, frozen=True, tag="complaint"):
    """`reason` is said to whoever complained."""

    number: str
    state: ComplaintState
    filed_on: date
    decide_by: date
    revision: int
    reason: str = ""


class FileComplaint(Act[ComplaintView], frozen=True, tag="complaint.file"):
    """投诉举报. With `name` it is a real-name complaint (实名), which also needs a phone; without, anonymous (匿名)."""

    about: ComplaintAbout
    subject: str
    text: str
    name: str = ""
    phone: str = ""


class DecideComplaint(Act[ComplaintView], frozen=True, tag="complaint.decide"):
    """Accepts the complaint, or refuses it with reasons."""

    number: str
    revision: int
    accept: bool
    reason: str = ""


class QueryComplaint(Act[ComplaintView], frozen=True, tag="complaint.query"):
    """`password`: needed from any phone but the one it was filed from."""

    number: str
    password: str | None = None


def is_complaint(number: str) -> bool:
    """Whether a number that somebody asks about is a complaint's."""
    return number.strip().upper().startswith(_PREFIX)


async def file_complaint(work: Work, act: FileComplaint) -> ComplaintView:
    """Raises INVALID."""
    phone = work.actor.phone or "" if work.actor.kind is ActorKind.APPLICANT else act.phone.strip()
    name, subject, text = act.name.strip(), act.subject.strip(), act.text.strip()
    if phone and not _PHONE.fullmatch(phone):
        raise Invalid(field="手机号码", why="应为11位大陆手机号码")
    if name and not phone:
        raise Invalid(field="手机号码", why="实名投诉须填写，以便书面答复")
    for field, words, most in (("姓名", name, 40), ("投诉对象", subject, 80), ("投诉内容", text, _MOST_CHARACTERS)):
        if len(words) > most or not (words or field == "姓名"):
            raise Invalid(field=field, why=f"应为1至{most}字")
    today = day_of(work.now)
    row = await Complaint.create(
        number=f"{_PREFIX}{today.year}{await next_number(f'complaint:{today.year}'):06d}",
        state=ComplaintState.REGISTERED,
        about=act.about,
        subject=subject,
        text=text,
        name=name,
        phone=phone,
        filed_at=work.now,
        decide_by=work.given(Calendar).nth_working_day_after(today, DECIDE_WITHIN),
    )
    work.record(ComplaintFiled(complaint=row.number, kind=act.about, named=bool(name), decide_by=row.decide_by))
    return _view(row)


async def decide_complaint(work: Work, act: DecideComplaint) -> ComplaintView:
    """受理或不予受理. Raises UNKNOWN_COMPLAINT, COMPLAINT_ALREADY_DECIDED, CHANGED_MEANWHILE, INVALID."""
    row = await _find(act.number)
    if row.state != ComplaintState.REGISTERED:
        raise ComplaintAlreadyDecided(number=row.number)
    reason = act.reason.strip()
    if len(reason) > 400 or not (reason or act.accept):
        raise Invalid(field="理由", why="不予受理须写明理由，不超过400字")
    state = ComplaintState.ACCEPTED if act.accept else ComplaintState.REFUSED
    decided = {"state": state, "reason": reason, "decided_at": work.now, "decided_by": who(work.actor)}
    changed = await Complaint.filter(id=row.id, revision=act.revision).update(revision=act.revision + 1, **decided)
    if changed != 1:
        raise ChangedMeanwhile(subject=f"complaint:{row.number}")
    await row.refresh_from_db()
    event = ComplaintAccepted if act.accept else ComplaintRefused
    work.record(event(complaint=row.number, officer=work.actor.id))
    return _view(row)


async def query_complaint(work: Work, act: QueryComplaint) -> ComplaintView | Refusal:
    """A wrong password is returned, not raised, so that its count is kept."""
    row = await _find(act.number.strip().upper())
    if work.actor.phone and work.actor.phone == row.phone:
        return _view(row)
    return await objection(work, row.number, act.password) or _view(row)


async def complaints(
    database: Database,
    supervisor: Actor,
    *,
    now: datetime,
    calendar: Calendar,
    state: ComplaintState | None = None,
    first: int = 20,
    after: int = 0,
) -> tuple[list[Row], int | None]:
    """Every complaint with who filed it, oldest first. Raises NotPermitted for anybody but supervisors."""
    if supervisor.kind is not ActorKind.OFFICER or not supervisor.has(*SUPERVISORS):
        raise NotPermitted(act="complaints", needs=" | ".join(SUPERVISORS))
    values: list[SqlValue] = [after]
    where = "id > $1"
    if state is not None:
        values.append(state)
        where += " AND state = $2"
    found = await database.rows(
        "SELECT id, number, revision, state, about, subject, text, name, phone, filed_at, decide_by, decided_at, reason"
        f" FROM complaint WHERE {where} ORDER BY id LIMIT {int(first) + 1}",
        *values,
    )
    today = day_of(now)
    rows = [_listed(row, today, calendar) for row in found[:first]]
    return rows, int(str(found[first - 1]["id"])) if len(found) > first else None


def _listed(row: Row, today: date, calendar: Calendar) -> Row:
    decide_by, decided_at = day(row["decide_by"]), instant(row["decided_at"])
    assert decide_by is not None
    return {
        **row,
        "state_name": STATE_NAMES[ComplaintState(str(row["state"]))],
        "filed_at": instant_of(row["filed_at"]),
        "decide_by": decide_by,
        "days_left": None if decided_at else days_left(decide_by, today, calendar),
        "is_late": decide_by < (day_of(decided_at) if decided_at else today),
        "decided_at": decided_at,
    }


async def _find(number: str) -> Complaint:
    row = await Complaint.get_or_none(number=number)
    if row is None:
        raise UnknownComplaint(number=number)
    return row


def _view(row: Complaint) -> ComplaintView:
    return ComplaintView(
        number=row.number,
        state=ComplaintState(row.state),
        filed_on=day_of(row.filed_at),
        decide_by=row.decide_by,
        revision=row.revision,
        reason=row.reason,
    )
