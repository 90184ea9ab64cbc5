"""Due dates, remaining days and lights of an approval, derived from its ledger by pure functions.

Law: Administrative Licensing Law (行政许可法) art. 26, 32, 42-45, 82; Civil Code art. 201 and 203 by analogy: the
day of acceptance is not counted, limits are working days, a day ends at 24:00 in Asia/Shanghai. No due date is
truth in itself; change the calendar or the ledger and ask again.

Limits: whole days. The law does not say whether the applicant's own periods (art. 47, 50) are working days: a region
chooses (`DaysUnit`).
"""

from datetime import date, datetime, time, timedelta
from enum import StrEnum

import msgspec

from casework.clock.ledger import Extended, Ledger, append, excluded
from casework.clock.working_days import Calendar, day_of, end_of_day, start_of_day
from kernel.refusals import Refusal

# Statutory periods in working days.
TELL_WITHIN = 5  # art. 32(1)(4): all corrections at once, on the spot or within five days
DECIDE_WITHIN = 20  # art. 42(1)
DECIDE_JOINTLY_WITHIN = 45  # art. 42(2): unified, joint or central handling under art. 26
REVIEW_WITHIN = 20  # art. 43: the lower authority's review before it reports up
DELIVER_WITHIN = 10  # art. 44: from the decision to grant
ASK_HEARING_WITHIN = 5  # art. 47: the applicant's days, from being told
HOLD_HEARING_WITHIN = 20  # art. 47: from the day it was asked for
ANNOUNCE_HEARING_BEFORE = 7  # art. 48(1): notice of day and place
RENEW_BEFORE = 30  # art. 50: the applicant's days, before the licence expires
YELLOW_BEFORE = 1  # no law; the public measures warn one working day ahead


class DaysUnit(StrEnum):
    """How days of the applicant's own periods are counted; art. 82 speaks of the authority's only."""

    WORKING = "working"
    CALENDAR = "calendar"


class Light(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    OUT = "out"  # the clock has ended; nothing may be warned of any more


class ExtensionTooLate(Refusal):
    code = "EXTENSION_TOO_LATE"
    zh = "办理期限已于{due}届满，不能再延长。"
    en = "The limit ended on {due}; an extension on {day} comes too late."


class Limits(msgspec.Struct, frozen=True):
    """Working days the law gives and working days the authority promised; promised <= given."""

    statutory: int
    committed: int


class Due(msgspec.Struct, frozen=True):
    """The last day in time. Provisional while a day on the way to it has no official arrangement."""

    day: date
    provisional: bool


class Dues(msgspec.Struct, frozen=True):
    """`committed` moves the lights, `statutory` is what makes lateness unlawful."""

    statutory: Due
    committed: Due

    @property
    def days(self) -> tuple[date, date]:
        """Committed, statutory."""
        return self.committed.day, self.statutory.day


def due_on(ledger: Ledger, limit: int, calendar: Calendar, *, count_start_day: bool = False) -> Due:
    """Last working day on which the decision is in time, extension and excluded days included.

    `limit` in working days, >= 1. An open special procedure is projected to the end it was told with.
    Source: art. 42, 45, 82. Raises CalendarUnknown beyond the known years.
    """
    start = ledger.started.day - timedelta(days=1 if count_start_day else 0)
    allowed = limit + (ledger.extension.working_days if ledger.extension else 0)
    due = _last_day(start, allowed, ledger, calendar)
    return Due(day=due, provisional=calendar.is_provisional_between(start, due))


def step_due_on(ledger: Ledger, opened_on: date, limit: int, calendar: Calendar) -> date:
    """Last day in time of one step (环节时限) opened on `opened_on`, itself not counted; excluded days are left out.

    An extension granted since then was asked for by this step, and is added to it.
    """
    extension = ledger.extension
    allowed = limit + (extension.working_days if extension and extension.day >= opened_on else 0)
    return _last_day(opened_on, allowed, ledger, calendar)


def _last_day(start: date, allowed: int, ledger: Ledger, calendar: Calendar) -> date:
    """The `allowed`-th counted working day after `start`."""
    due = calendar.nth_working_day_after(start, allowed)
    for after, until in excluded(ledger):
        if after >= due:
            break
        if until <= start:
            continue
        allowed += calendar.working_days_between(max(after, start), until)
        due = calendar.nth_working_day_after(start, allowed)
    return due


def dues_on(ledger: Ledger, limits: Limits, calendar: Calendar) -> Dues:
    return Dues(
        statutory=due_on(ledger, limits.statutory, calendar),
        committed=due_on(ledger, limits.committed, calendar),
    )


def remaining(ledger: Ledger, limit: int, calendar: Calendar, today: date) -> int:
    """Counted working days in (today, due]; negative by the counted days of (due, today] when overdue.

    Excluded days do not count on either side. After the end the answer stays as on the day of the end.
    """
    due = due_on(ledger, limit, calendar).day
    as_of = max(today if ledger.ended is None else min(today, ledger.ended.day), ledger.started.day)
    early, late = min(as_of, due), max(as_of, due)
    counted = calendar.working_days_between(early, late) - sum(
        calendar.working_days_between(max(after, early), min(until, late))
        for after, until in excluded(ledger)
        if max(after, early) < min(until, late)
    )
    return counted if as_of <= due else -counted


def extend(ledger: Ledger, extended: Extended, limit: int, calendar: Calendar) -> Ledger:
    """`append` for an extension, which must be granted while the limit of `limit` working days still runs."""
    due = due_on(ledger, limit, calendar).day
    if extended.day > due:
        raise ExtensionTooLate(due=due.isoformat(), day=extended.day.isoformat())
    return append(ledger, extended)


def light_at(
    ledger: Ledger, limit: int, calendar: Calendar, instant: datetime, *, yellow_before: int = YELLOW_BEFORE
) -> Light:
    """The colour of the clock at `instant`. Turns at 00:00 local time; out once the clock has ended."""
    if ledger.ended:
        return Light.OUT
    due = due_on(ledger, limit, calendar).day
    if instant >= red_at(due):
        return Light.RED
    return Light.YELLOW if instant >= yellow_at(due, calendar, yellow_before) else Light.GREEN


def yellow_at(due: date, calendar: Calendar, working_days_before: int = YELLOW_BEFORE) -> datetime:
    """00:00 local time of the day that many working days before `due`; 0 warns on the due day itself."""
    if working_days_before == 0:
        return start_of_day(due)
    return start_of_day(calendar.nth_working_day_before(due, working_days_before))


def red_at(due: date, closes: time | None = None) -> datetime:
    """The first instant too late: 24:00 local time of `due`, or `closes` where office hours end the day."""
    return end_of_day(due, closes)


def was_in_time(ledger: Ledger, limit: int, calendar: Calendar) -> bool | None:
    """Whether the clock ended by its due day; None while it runs."""
    return None if ledger.ended is None else ledger.ended.day <= due_on(ledger, limit, calendar).day


# ---------------------------------------------------------------------------------- before acceptance, after grant


class Acceptance(msgspec.Struct, frozen=True):
    """`deemed`: by silence, not by a decision (art. 32(1)(4))."""

    day: date
    deemed: bool


def last_day_to_tell(received_on: date, calendar: Calendar) -> date:
    """The last day to tell the applicant, once, everything that has to be corrected (art. 32(1)(4))."""
    return calendar.nth_working_day_after(received_on, TELL_WITHIN)


def deemed_accepted_at(received_on: date, calendar: Calendar) -> datetime:
    """The instant from which silence is acceptance, retroactively from `received_on` (art. 32(1)(4))."""
    return end_of_day(last_day_to_tell(received_on, calendar))


def accepted_by_law(
    received_on: date, *, told_on: date | None, corrected_on: date | None, now: datetime, calendar: Calendar
) -> Acceptance | None:
    """The acceptance that art. 32 itself produces, or None while the application is still open.

    Told late or not at all: deemed accepted on the day of receipt, from the first instant after the last day to
    tell. Told in time: accepted on `corrected_on`, the day the last correction was received (art. 32(1)(5)).
    """
    if told_on is None or told_on > last_day_to_tell(received_on, calendar):
        return Acceptance(received_on, deemed=True) if now >= deemed_accepted_at(received_on, calendar) else None
    if corrected_on is None or corrected_on > day_of(now):
        return None
    return Acceptance(corrected_on, deemed=False)


def deliver_by(granted_on: date, calendar: Calendar) -> date:
    """The last day to deliver the licence (art. 44)."""
    return calendar.nth_working_day_after(granted_on, DELIVER_WITHIN)


# --------------------------------------------------------------------------------------------- hearing and renewal


def ask_hearing_by(told_on: date, calendar: Calendar, unit: DaysUnit = DaysUnit.WORKING) -> date:
    """The last day for the applicant to ask for a hearing (art. 47)."""
    if unit is DaysUnit.WORKING:
        return calendar.nth_working_day_after(told_on, ASK_HEARING_WITHIN)
    last = told_on + timedelta(days=ASK_HEARING_WITHIN)
    # A period that would end on a day of rest ends on the next working day (Civil Code art. 203).
    return last if calendar.is_working_day(last) else calendar.next_working_day(last)


def hold_hearing_by(asked_on: date, calendar: Calendar) -> date:
    """The last day for the authority to hold the hearing (art. 47)."""
    return calendar.nth_working_day_after(asked_on, HOLD_HEARING_WITHIN)


def earliest_hearing(announced_on: date, calendar: Calendar) -> date:
    """The first day on which a hearing announced on `announced_on` may be held (art. 48(1))."""
    return calendar.nth_working_day_after(announced_on, ANNOUNCE_HEARING_BEFORE)


def announce_hearing_by(hold_by: date, calendar: Calendar) -> date:
    """The last day to announce a hearing that can still be held by `hold_by`."""
    last = hold_by if calendar.is_working_day(hold_by) else calendar.previous_working_day(hold_by)
    return calendar.nth_working_day_before(last, ANNOUNCE_HEARING_BEFORE)


def renew_by(valid_until: date, calendar: Calendar, unit: DaysUnit = DaysUnit.CALENDAR) -> date:
    """The last day to apply for the renewal of a licence that is valid until `valid_until`, inclusive (art. 50)."""
    if unit is DaysUnit.WORKING:
        return calendar.nth_working_day_before(valid_until, RENEW_BEFORE)
    return valid_until - timedelta(days=RENEW_BEFORE)


def renewed_by_silence_at(valid_until: date) -> datetime:
    """The instant from which a renewal that nobody decided is granted by law (art. 50)."""
    return end_of_day(valid_until)
