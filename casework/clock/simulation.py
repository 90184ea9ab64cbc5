"""Random histories of clocks, each followed twice: by the ledger, and by a walk from day to day that knows none of it.

A history starts, stops (told too short and too long), resumes, is extended lawfully and not, sees the calendar change
under it, and ends. After every event both must agree on what was lawful, on the due days, on what remains and on
which procedures have overrun. `Walk` shares no code with the ledger: it is the law as one would count on a wall
calendar, slow and plain. Source: Administrative Licensing Law, art. 42, 45, 82.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

import msgspec

from casework.clock.calendars import DayRow, calendar_from_rows
from casework.clock.ledger import (
    EXTENSIONS,
    Approver,
    Ended,
    Entry,
    Extended,
    Handling,
    Ledger,
    Recalculated,
    Resumed,
    Started,
    StopGround,
    Stopped,
    append,
    overruns,
    replay,
)
from casework.clock.time_limits import due_on, extend, red_at, remaining
from casework.clock.working_days import Calendar, day_of
from kernel.refusals import Refusal

_DAY = timedelta(days=1)
_FIRST, _LAST = date(2026, 1, 1), date(2029, 12, 31)
_MARGIN = timedelta(days=800)
_CALENDARS = 12
_LIMITS = (1, 3, 5, 7, 10, 15, 20, 30, 45)
_NO_DAY = date.max


class Simulated(msgspec.Struct, frozen=True):
    """`differences` are told in words, the first few of them."""

    checked: int
    comparisons: int
    differences: int
    examples: tuple[str, ...]


def simulate(*, cases: int, seed: int, days: Sequence[DayRow]) -> Simulated:
    """Follows `cases` random histories over `days`, the rows of a calendar."""
    random = Random(seed)
    calendars = _calendars(random, days)
    comparisons, differences, examples = 0, 0, list[str]()
    for number in range(cases):
        history = _History(random, calendars)
        found = history.run()
        comparisons += history.comparisons
        differences += len(found)
        examples += [f"history {number}: {each}" for each in found[: max(0, 5 - len(examples))]]
    return Simulated(cases, comparisons, differences, tuple(examples))


# ------------------------------------------------------------------------------------------------- the plain walk


class Walk:
    """One clock, counted on the wall. A stop is [day of notice, told end, day of the result or none]."""

    def __init__(self, start: date, worked: set[date], *, most_extension: int) -> None:
        self.start, self.worked, self.most_extension = start, worked, most_extension
        self.stops: list[list[date]] = []
        self.extension = 0

    def counts(self, day: date) -> bool:
        if day not in self.worked:
            return False
        return not any(notice < day <= told and day <= result for notice, told, result in self.stops)

    def due(self, limit: int) -> date:
        """The last day in time: as many counted days after the start as are allowed."""
        left, day = limit + self.extension, self.start
        while left > 0:
            day += _DAY
            if self.counts(day):
                left -= 1
        return day

    def remaining(self, limit: int, today: date) -> int:
        due = self.due(limit)
        step, day, count = (1, today, 0) if today <= due else (-1, due, 0)
        end = due if today <= due else today
        while day < end:
            day += _DAY
            count += step if self.counts(day) else 0
        return count

    def late(self, today: date) -> int:
        """How many procedures outran what was told."""
        return sum((today if result == _NO_DAY else result) > told for _, told, result in self.stops)

    def may_extend(self, days: int, today: date, limit: int, *, approver_is_right: bool) -> bool:
        fits = 1 <= days <= self.most_extension and self.extension == 0
        return fits and approver_is_right and today <= self.due(limit)


# -------------------------------------------------------------------------------------------------- one history


class _History:
    def __init__(self, random: Random, calendars: Sequence[tuple[Calendar, set[date]]]) -> None:
        self._random, self._calendars = random, calendars
        self._calendar, worked = random.choice(calendars)
        self._handling = random.choice(tuple(Handling))
        self._limit = random.choice(_LIMITS)
        self._statutory = self._limit + random.randrange(0, 15)
        self._today = _FIRST + random.randrange((_LAST - _FIRST).days) * _DAY
        self._ledger = replay([Started(day=self._today, handling=self._handling)])
        self._walk = Walk(self._today, worked, most_extension=15 if self._handling is Handling.JOINT else 10)
        self._notices = 0
        self._differences: list[str] = []
        self.comparisons = 0

    def run(self) -> list[str]:
        """Every way in which ledger and walk disagreed."""
        self._compare()
        for _ in range(self._random.randrange(2, 9)):
            self._today += self._random.randrange(0, 14) * _DAY
            self._random.choice((self._stop, self._stop, self._resume, self._resume, self._extend, self._recalculate))()
            self._compare()
        self._add(Ended(day=self._today))
        self._compare()
        self._store()
        return self._differences

    def _stop(self) -> None:
        self._notices += 1
        told = self._today + self._random.randrange(0, 30) * _DAY
        stop = Stopped(
            day=self._today, ground=self._random.choice(tuple(StopGround)), notice=str(self._notices), told_until=told
        )
        self._agree(self._add(stop), told > self._today, "stop")
        if told > self._today:
            self._walk.stops.append([self._today, told, _NO_DAY])

    def _resume(self) -> None:
        """Mostly of an open procedure, sometimes after the time that was told."""
        stops = [entry.notice for entry in self._ledger.stoppages]
        place = self._random.randrange(len(stops) + 1)
        notice = stops[place] if place < len(stops) else "none"
        is_open = place < len(stops) and self._walk.stops[place][2] == _NO_DAY
        self._agree(self._add(Resumed(day=self._today, notice=notice)), is_open, "resume")
        if is_open:
            self._walk.stops[place][2] = self._today

    def _extend(self) -> None:
        days = self._random.randrange(0, 18)
        approver = self._random.choice((EXTENSIONS[self._handling].approver, *Approver))
        is_right = (approver is Approver.HEAD_OF_GOVERNMENT) == (self._handling is Handling.JOINT)
        lawful = self._walk.may_extend(days, self._today, self._limit, approver_is_right=is_right)
        entry = Extended(day=self._today, working_days=days, approver=approver, reason="案情复杂", notice="延1号")
        try:
            self._ledger = extend(self._ledger, entry, self._limit, self._calendar)
        except Refusal:
            self._agree(False, lawful, "extension")
            return
        self._agree(True, lawful, "extension")
        self._walk.extension = days

    def _recalculate(self) -> None:
        """Another notice on holidays: every day may be another, and nothing in the ledger changes."""
        before = (
            due_on(self._ledger, self._statutory, self._calendar),
            due_on(self._ledger, self._limit, self._calendar),
        )
        self._calendar, self._walk.worked = self._random.choice(self._calendars)
        after = (
            due_on(self._ledger, self._statutory, self._calendar),
            due_on(self._ledger, self._limit, self._calendar),
        )
        self._add(
            Recalculated(
                day=self._today,
                notice="国办发明电1号",
                reason="调整",
                statutory=(before[0].day, after[0].day),
                committed=(before[1].day, after[1].day),
            )
        )

    def _add(self, entry: Entry) -> bool:
        try:
            self._ledger = append(self._ledger, entry)
        except Refusal:
            return False
        return True

    def _agree(self, ledger_says: bool, walk_says: bool, what: str) -> None:
        self.comparisons += 1
        if ledger_says != walk_says:
            self._differences.append(
                f"{what} on {self._today}: lawful {ledger_says} by the ledger, {walk_says} by the walk"
            )

    def _compare(self) -> None:
        calendar, today = self._calendar, self._today
        for limit in (self._limit, self._statutory):
            due = due_on(self._ledger, limit, calendar).day
            walked = self._walk.due(limit)
            self._same(f"due of {limit}", due, walked)
            self._same("first instant too late", day_of(red_at(due)), walked + _DAY)
        left = remaining(self._ledger, self._limit, calendar, today)
        self._same("remaining", left, self._walk.remaining(self._limit, today))
        self._same("overruns", len(overruns(self._ledger, today)), self._walk.late(today))

    def _same(self, what: str, found: object, walked: object) -> None:
        self.comparisons += 1
        if found != walked:
            self._differences.append(f"{what} on {self._today}: {found} by the ledger, {walked} by the walk")

    def _store(self) -> None:
        """What is kept as JSON and replayed is the same clock."""
        kept = msgspec.json.encode(self._ledger.entries)
        again: Ledger = replay(msgspec.json.decode(kept, type=list[Entry]))
        self._same("replayed due", due_on(again, self._limit, self._calendar).day, self._walk.due(self._limit))


def _calendars(random: Random, days: Sequence[DayRow]) -> list[tuple[Calendar, set[date]]]:
    """The calendar as it is, and others that notices might make of it, each with its worked days as a plain set."""
    near = [row for row in days if _FIRST - _DAY <= row["day"] <= _LAST + _MARGIN]
    found = []
    for number in range(_CALENDARS):
        rows = [row.copy() for row in near]
        for row in random.sample(rows, k=40 if number else 0):
            row["working"] = not row["working"]
        found.append((calendar_from_rows(rows), {row["day"] for row in rows if row["working"]}))
    return found
