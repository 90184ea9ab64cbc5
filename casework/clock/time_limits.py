"""Due dates, remaining days and lights of an approval, derived from its ledger by pure functions.

Law: Administrative Licensing Law (行政许可法) art. 26, 32, 42-45, 82; Civil Code art. 201 and 203 by analogy: the
day of acceptance is not counted, limits are working days, a day ends at 24:00 in Asia/Shanghai. No due date is
truth in itself; change the calendar or the ledger and ask again.

Limits: whole days; the applicant's own periods (art. 47, 50) are not kept here.
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
YELLOW_BEFORE = 1  # no law; the public measures warn one working day ahead


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


def due_on(ledger: Ledger, limit: int, calendar: Calendar, *, count_start_day: bool = False) -> Due:
    """Last working day on which the decision is in time, extension and excluded days included.

    `limit` in working days, >= 1. An open special procedure is projected to the end it was told with.
    Source: art. 42, 45, 82. Raises CalendarUnknown beyond the known years.
    """
    start = ledger.started.day - timedelta(days=1 if count_start_day else 0)
    allowed = limit + (ledger.extension.working_days if ledger.extension else 0)
    due = calendar.nth_working_day_after(start, allowed)
    for after, until in excluded(ledger):
        if after >= due:
            break
        allowed += calendar.working_days_between(after, until)
        due = calendar.nth_working_day_after(start, allowed)
    return Due(day=due, provisional=calendar.is_provisional_between(start, due))


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
