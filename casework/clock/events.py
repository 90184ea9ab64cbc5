"""What happens in the legal clock, beside what happens to every case (`casework.events`)."""

from datetime import date, datetime
from typing import ClassVar

from kernel.events import Event


class CalendarImported(Event, frozen=True, tag="calendar.imported"):
    """The arrangement of the year `calendar` was read from a notice that two persons approved."""

    about: ClassVar[str] = "calendar"
    calendar: str
    version: int
    notice: str
    is_local: bool
    changed_days: int
    officers: tuple[str, str]


class DueDateMoved(Event, frozen=True, tag="case.due_moved"):
    """A changed calendar moved the case's open deadline. `deadline`: telling, decision or delivery."""

    case: str
    unit: str
    deadline: str
    notice: str
    before: date
    due: date


class StoppageOverran(Event, frozen=True, tag="case.stoppage_overran"):
    """A special procedure's result was not in when the time told to the applicant ended: the clock runs again."""

    case: str
    unit: str
    ground: str
    document: str
    told_until: date


class StoppageToldLonger(Event, frozen=True, tag="case.stoppage_told_longer"):
    """A further written notice (`document`) stops the clock for the days it tells; it follows `previous`."""

    case: str
    ground: str
    document: str
    previous: str
    told_days: int
    committed_due: date


class HearingRightTold(Event, frozen=True, tag="case.hearing_right_told"):
    """听证权利告知: the applicant may ask for a hearing until `ask_by` (art. 47)."""

    case: str
    unit: str
    document: str
    ask_by: date


class HearingAsked(Event, frozen=True, tag="case.hearing_asked"):
    """The authority must hold it until `hold_by`, and the clock stands still meanwhile."""

    case: str
    unit: str
    document: str
    hold_by: date
    committed_due: date


class HearingAnnounced(Event, frozen=True, tag="case.hearing_announced"):
    """听证通知: day and place, seven days before (art. 48)."""

    case: str
    unit: str
    document: str
    hearing_on: date
    place: str
    presider: str


class HearingHeld(Event, frozen=True, tag="case.hearing_held"):
    """听证笔录 `document`; the clock runs again."""

    case: str
    unit: str
    document: str
    officer: str
    committed_due: date


class HearingLightTurned(Event, frozen=True, tag="case.hearing_light"):
    """The authority is about to miss (`yellow`), or has missed (`red`), the day for announcing or holding a hearing."""

    case: str
    unit: str
    colour: str
    at: datetime
    due_on: date


class RenewalDeemed(Event, frozen=True, tag="case.renewal_deemed"):
    """视为准予延续: nobody decided before the licence expired (art. 50)."""

    case: str
    unit: str
    licence: str
    valid_until: date
    document: str


EVENTS: tuple[type[Event], ...] = (
    CalendarImported,
    DueDateMoved,
    StoppageOverran,
    StoppageToldLonger,
    HearingRightTold,
    HearingAsked,
    HearingAnnounced,
    HearingHeld,
    HearingLightTurned,
    RenewalDeemed,
)
