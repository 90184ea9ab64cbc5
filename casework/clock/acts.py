"""The acts of legal time and what they answer: stoppages, extensions, hearings, the calendar.

`StopClock`, `ResumeClock` and `ExtendClock` are with every case's acts (`casework.acts`).
"""

from datetime import date
from enum import StrEnum

from casework.acts import CaseView
from kernel.acts import Act, Done, SigningRequest, View


class TellLonger(Act[CaseView], frozen=True, tag="case.tell_longer"):
    """Tells the applicant, by a further written notice, that the open special procedure needs more time."""

    case: str
    revision: int
    told_days: int
    reason: str


class NoteOverruns(Act[Done], frozen=True, tag="case.note_overruns"):
    """The clock's: says that up to `limit` special procedures have outrun the time their notice told."""

    limit: int = 200


class PrepareExtension(Act[SigningRequest], frozen=True, tag="case.prepare_extension"):
    """Asks for the exact bytes to sign for the same extension."""

    case: str
    revision: int
    days: int
    reason: str


class HearingState(StrEnum):
    """Where a hearing stands."""

    TOLD = "told"  # 已告知听证权利
    ASKED = "asked"  # 已申请听证
    ANNOUNCED = "announced"  # 已通知听证
    HELD = "held"  # 已举行


class TellHearingRight(Act[CaseView], frozen=True, tag="case.tell_hearing_right"):
    """听证权利告知, before a decision that touches others' important interests (art. 47)."""

    case: str
    revision: int
    subject: str


class AskHearing(Act[CaseView], frozen=True, tag="case.ask_hearing"):
    """听证申请: by the applicant with the query password, or entered by an officer who holds it on paper.

    `on_behalf_of` names an interested third party; empty: the applicant.
    """

    case: str
    password: str = ""
    on_behalf_of: str = ""


class AnnounceHearing(Act[CaseView], frozen=True, tag="case.announce_hearing"):
    """听证通知: the day, the place, and who presides: nobody who examined the case (art. 48)."""

    case: str
    revision: int
    hearing_on: date
    place: str
    presider: str


class HoldHearing(Act[CaseView], frozen=True, tag="case.hold_hearing"):
    """听证笔录: what was said, in words; with it the clock runs again."""

    case: str
    revision: int
    record: str


class TurnHearingLights(Act[Done], frozen=True, tag="case.turn_hearing_lights"):
    """The clock's: warns of hearings that are not announced or held in time."""

    limit: int = 200


class DeemRenewed(Act[Done], frozen=True, tag="case.deem_renewed"):
    """The clock's: renews by law up to `limit` licences about which nobody decided before they expired (art. 50)."""

    limit: int = 200


class CalendarView(View, frozen=True, tag="calendar"):
    """A year as it now is."""

    year: int
    version: int
    working_days: int
    changed_days: int


class ImportCalendar(Act[CalendarView], frozen=True, tag="calendar.import"):
    """A State Council notice on a year's holidays, or (`is_local`) a city's own days, approved by two officers."""

    year: int
    notice: str
    source: str
    holidays: tuple[date, ...]
    workdays: tuple[date, ...]
    first_officer: str
    second_officer: str
    is_local: bool = False


class ReprojectDeadlines(Act[Done], frozen=True, tag="calendar.reproject"):
    """The clock's: finds the deadlines of up to `limit` open cases anew under the calendar as it now is."""

    limit: int = 200
