"""Working days and local days, over days that somebody has enumerated.

In China a weekday says nothing: the State Council's yearly notice turns weekends into working days and weekdays
into rest (调休), so every day has to be listed. Limits of the Administrative Licensing Law are working days
(art. 82), the day something happens is not counted (Civil Code art. 201 by analogy), and a day ends at 24:00 in
Asia/Shanghai (Civil Code art. 203 by analogy).

Limits: one national calendar and no half days; a year without an official notice is filled provisionally by
whoever supplies the days, and every answer that touches it can be told apart (`is_provisional_between`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from itertools import accumulate, compress
from operator import attrgetter

import msgspec

from kernel.refusals import Refusal

#: China has kept UTC+8 all year since 1992, so no time zone database is needed on the server.
CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
_DAY = timedelta(days=1)


class CalendarUnknown(Refusal):
    code = "CALENDAR_UNKNOWN"
    zh = "日历仅覆盖{first}至{last}，无法推算{asked}。"
    en = "The calendar covers {first} to {last}; it cannot answer for {asked}."


class CalendarGap(Refusal):
    code = "CALENDAR_GAP"
    zh = "工作日历缺少{missing}，请先补齐。"
    en = "The calendar does not say what {missing} is."


class DayKind(StrEnum):
    WORK = "work"
    REST = "rest"


class Day(msgspec.Struct, frozen=True):
    """What one day is, and who says so."""

    day: date
    kind: DayKind
    provisional: bool
    source: str


class Calendar:
    """An immutable answer book over consecutive days; every question costs O(log days) or less.

    `version` grows with every imported notice. Raises CalendarGap when the days are not consecutive, CalendarUnknown
    for questions beyond them.
    """

    __slots__ = ("_first", "_provisional_before", "_sources", "_work_before", "_working", "first", "last", "version")

    def __init__(self, days: Iterable[Day], *, version: int = 0) -> None:
        known = sorted(days, key=attrgetter("day"))
        if not known:
            raise CalendarGap(missing="全部日期")
        self.version = version
        self.first, self.last = known[0].day, known[-1].day
        self._first = self.first.toordinal()
        ordinals, work = [each.day.toordinal() for each in known], DayKind.WORK
        for position, found in enumerate(ordinals, self._first):
            if found != position:
                raise CalendarGap(missing=date.fromordinal(position).isoformat())
        is_working = [each.kind is work for each in known]
        self._working = list(compress(ordinals, is_working))
        self._work_before = list(accumulate(is_working, initial=0))
        self._provisional_before = list(accumulate([each.provisional for each in known], initial=0))
        self._sources = tuple([each.source for each in known])

    def __repr__(self) -> str:
        return f"Calendar({self.first}..{self.last})"

    def is_working_day(self, day: date) -> bool:
        at = self._position(day)
        return self._work_before[at + 1] > self._work_before[at]

    def is_provisional(self, day: date) -> bool:
        """Whether no official notice covers `day` yet."""
        at = self._position(day)
        return self._provisional_before[at + 1] > self._provisional_before[at]

    def is_provisional_between(self, after: date, until: date) -> bool:
        """Whether any day of (after, until] is provisional."""
        return self._provisional_before[self._end(until)] > self._provisional_before[self._end(after)]

    def source_of(self, day: date) -> str:
        return self._sources[self._position(day)]

    def nth_working_day_after(self, day: date, n: int) -> date:
        """The n-th working day strictly after `day`, n >= 1; `day` itself is not counted."""
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}")
        return self._working_at(bisect_right(self._working, self._known(day)) + n - 1, asked=day)

    def nth_working_day_before(self, day: date, n: int) -> date:
        """The n-th working day strictly before `day`, n >= 1."""
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}")
        return self._working_at(bisect_left(self._working, self._known(day)) - n, asked=day)

    def next_working_day(self, day: date) -> date:
        return self.nth_working_day_after(day, 1)

    def previous_working_day(self, day: date) -> date:
        return self.nth_working_day_before(day, 1)

    def working_days_between(self, after: date, until: date) -> int:
        """Working days in (after, until]; negative, counting (until, after], when `until` is the earlier."""
        return self._work_before[self._end(until)] - self._work_before[self._end(after)]

    def _working_at(self, index: int, *, asked: date) -> date:
        if not 0 <= index < len(self._working):
            raise self._unknown(asked)
        return date.fromordinal(self._working[index])

    def _known(self, day: date) -> int:
        return self._position(day) + self._first

    def _end(self, day: date) -> int:
        return self._position(day) + 1

    def _position(self, day: date) -> int:
        position = day.toordinal() - self._first
        if not 0 <= position < len(self._sources):
            raise self._unknown(day)
        return position

    def _unknown(self, asked: date) -> CalendarUnknown:
        return CalendarUnknown(first=self.first.isoformat(), last=self.last.isoformat(), asked=asked.isoformat())


def day_of(instant: datetime) -> date:
    """The local date on which an aware instant falls."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(CHINA).date()


def start_of_day(day: date) -> datetime:
    """00:00 local time, as a UTC instant."""
    return datetime.combine(day, time(), CHINA).astimezone(UTC)


def end_of_day(day: date, closes: time | None = None) -> datetime:
    """The first instant that is too late for `day`, in UTC.

    24:00 local, or `closes` where an authority ends its day with its office hours (Civil Code art. 203).
    """
    if closes is None:
        return start_of_day(day + _DAY)
    return datetime.combine(day, closes, CHINA).astimezone(UTC)
