"""The days Zhangban starts with: official arrangements up to 2026, provisional years up to 2045.

At run time the table `calendar_day` is the only truth; this module supplies its first rows and turns rows into a
`Calendar`. `seed/calendar.json` holds, per year, only what differs from Monday-to-Friday; `compiled` makes it from
two libraries that transcribe the State Council's notices, and a test holds file and libraries together.

Limits: a year without a notice has its statutory holidays and their substitute days (全国年节及纪念日放假办法)
but neither bridge days nor make-up workdays, so it is marked provisional until the notice is imported.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TypedDict

import msgspec

from casework.acts import CheckCalendar, FillCalendar
from casework.clock.working_days import Calendar, Day, DayKind, day_of
from casework.events import CalendarProvisional
from casework.tables import CalendarDay
from kernel.acts import Done
from kernel.db import Database
from kernel.events import tag_of
from kernel.tables import EventRow
from kernel.work import Work

FIRST_YEAR, LAST_OFFICIAL_YEAR, LAST_YEAR = 2004, 2026, 2045
#: From this day of the year an administrator is told that next year's arrangement is missing.
ALARM_FROM = (11, 1)
#: chinesecalendar lists this Saturday as rest; holidays and the lunar calendar tables have it as worked for
#: the New Year of 2006.
_WRONGLY_REST = frozenset({date(2005, 12, 31)})


class DayRow(TypedDict):
    """One row of the table `calendar_day`."""

    day: date
    working: bool
    provisional: bool
    source: str


class Year(msgspec.Struct, frozen=True):
    """What one year's arrangement changes: weekend days that are worked, weekdays that are rested."""

    provisional: bool
    source: str
    work: tuple[date, ...]
    rest: tuple[date, ...]


def seed_rows() -> list[DayRow]:
    """Every day of 2004..2045, ready for the table."""
    return [
        DayRow(day=day, working=working, provisional=year.provisional, source=year.source)
        for number, year in _seed_years().items()
        for day, working in _days_of(int(number), year)
    ]


def calendar_from_rows(rows: Iterable[Mapping[str, object]], *, version: int = 0) -> Calendar:
    """The calendar of `calendar_day` rows; days may be dates or the ISO texts SQLite gives back.

    Raises CalendarGap when a day is missing between the first and the last.
    """
    work, rest = DayKind.WORK, DayKind.REST
    days = [
        Day(_as_date(row["day"]), work if row["working"] else rest, bool(row["provisional"]), str(row["source"]))
        for row in rows
    ]
    return Calendar(days, version=version)


async def calendar_version(database: Database) -> int:
    """Which imported notice is the newest; 0 before the first."""
    [row] = await database.rows("SELECT COALESCE(MAX(id), 0) AS version FROM calendar_notice")
    return int(str(row["version"]))


async def read_calendar(database: Database) -> Calendar:
    """The calendar as the table has it now."""
    # The version first: days that are newer than it make somebody look again, the other way nobody would.
    version = await calendar_version(database)
    rows = await database.rows("SELECT day, working, provisional, source FROM calendar_day ORDER BY day")
    return calendar_from_rows(rows, version=version)


@cache
def builtin_calendar() -> Calendar:
    """The calendar of the seed, for the command line and the tests."""
    return calendar_from_rows(seed_rows())


def missing_arrangement(calendar: Calendar, today: date) -> int | None:
    """The year whose notice an administrator must import now, if one is missing.

    The running year at once; the next from 1 November, when notices are usually out.
    """
    if calendar.is_provisional(today):
        return today.year
    upcoming = date(today.year + 1, 1, 1)
    if (today.month, today.day) >= ALARM_FROM and calendar.is_provisional(upcoming):
        return upcoming.year
    return None


def compiled() -> dict[str, Year]:
    """The seed, made anew from the installed libraries. Slow (imports both); for maintainers and the test."""
    official = {str(year): _official(year) for year in range(FIRST_YEAR, LAST_OFFICIAL_YEAR + 1)}
    provisional = {str(year): _provisional(year) for year in range(LAST_OFFICIAL_YEAR + 1, LAST_YEAR + 1)}
    return official | provisional


def _official(year: int) -> Year:
    from chinese_calendar import is_workday

    worked = {day for day in _dates_of(year) if is_workday(day) or day in _WRONGLY_REST}
    return Year(
        provisional=False,
        source=f"国务院办公厅{year}年部分节假日安排",
        work=tuple(sorted(day for day in worked if not _is_weekday(day))),
        rest=tuple(day for day in _dates_of(year) if _is_weekday(day) and day not in worked),
    )


def _provisional(year: int) -> Year:
    from holidays import country_holidays

    return Year(
        provisional=True,
        source=f"按法定节假日推算，待国务院办公厅{year}年安排",
        work=(),
        rest=tuple(sorted(day for day in country_holidays("CN", years=year) if _is_weekday(day))),
    )


def _seed_years() -> dict[str, Year]:
    text = files("casework").joinpath("seed/calendar.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Year])


def _days_of(number: int, year: Year) -> Iterator[tuple[date, bool]]:
    changed = {**dict.fromkeys(year.work, True), **dict.fromkeys(year.rest, False)}
    return ((day, changed.get(day, _is_weekday(day))) for day in _dates_of(number))


def _dates_of(year: int) -> Iterator[date]:
    first, end = date(year, 1, 1), date(year + 1, 1, 1)
    return (first + timedelta(days=n) for n in range((end - first).days))


def _is_weekday(day: date) -> bool:
    return day.weekday() < 5


def _as_date(value: object) -> date:
    if type(value) is str:
        return date.fromisoformat(value)
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value))


async def fill_calendar(work: Work, act: FillCalendar) -> Done:
    if await CalendarDay.exists():
        return Done(count=0)
    # Fifteen thousand objects of tortoise's would take longer than the rest of a first start.
    rows = [(row["day"], row["working"], row["provisional"], row["source"]) for row in seed_rows()]
    await work.database.insert("calendar_day", ("day", "working", "provisional", "source"), rows)
    return Done(count=len(rows))


async def check_calendar(work: Work, act: CheckCalendar) -> Done:
    """Alarms the administrators from 1 November when next year, or at any time when this year, is provisional."""
    year = missing_arrangement(work.given(Calendar), day_of(work.now))
    if year is None:
        return Done(count=0)
    alarm = CalendarProvisional(calendar=str(year))
    if await EventRow.exists(subject=alarm.subject, tag=tag_of(CalendarProvisional)):
        return Done(count=0)
    work.record(alarm)
    return Done(count=1)
