"""The calendar's questions, the official arrangements, and local days on any server."""

from datetime import UTC, date, datetime, time, timedelta
from time import tzset

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import (
    Calendar,
    CalendarGap,
    CalendarUnknown,
    Day,
    DayKind,
    day_of,
    end_of_day,
    start_of_day,
)

CALENDAR = builtin_calendar()
DAYS = st.dates(CALENDAR.first, CALENDAR.last)
INNER = st.dates(date(2005, 1, 1), date(2044, 12, 31))


@pytest.mark.feature("CLK-01")
@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 1, 4), True),  # make-up Sunday for New Year
        (date(2026, 2, 14), True),  # make-up Saturday before the Spring Festival
        (date(2026, 2, 28), True),  # make-up Saturday after it
        (date(2026, 5, 9), True),  # make-up Saturday for Labour Day
        (date(2026, 9, 20), True),  # make-up Sunday for National Day
        (date(2026, 10, 10), True),  # make-up Saturday for National Day
        (date(2026, 1, 2), False),  # bridge Friday
        (date(2026, 2, 23), False),  # last day of the Spring Festival, a Monday
        (date(2026, 10, 7), False),  # last day of National Day, a Wednesday
        (date(2026, 9, 19), False),  # an ordinary Saturday
        (date(2026, 9, 18), True),  # an ordinary Friday
        (date(2005, 12, 31), True),  # worked for New Year 2006
    ],
)
def test_a_day_is_what_the_state_council_arranged(day, works):
    assert CALENDAR.is_working_day(day) is works


@pytest.mark.feature("CLK-01")
def test_2026_has_248_working_days():
    assert CALENDAR.working_days_between(date(2025, 12, 31), date(2026, 12, 31)) == 248


@given(INNER, st.integers(1, 120))
def test_the_nth_working_day_is_the_one_a_walk_finds(start, n):
    expected, left = start, n
    while left:
        expected += timedelta(days=1)
        left -= CALENDAR.is_working_day(expected)
    assert CALENDAR.nth_working_day_after(start, n) == expected
    assert CALENDAR.working_days_between(start, expected) == n
    assert CALENDAR.is_working_day(expected)


@given(INNER, st.integers(1, 120))
def test_counting_back_and_forth_meets(start, n):
    day = CALENDAR.nth_working_day_before(start, n)
    assert day < start
    assert CALENDAR.working_days_between(day, start - timedelta(days=1)) == n - 1
    assert CALENDAR.nth_working_day_after(day, n) == CALENDAR.next_working_day(start - timedelta(days=1))


@given(DAYS, DAYS)
def test_counts_are_antisymmetric(one, other):
    assert CALENDAR.working_days_between(one, other) == -CALENDAR.working_days_between(other, one)


def test_beyond_the_known_years_it_refuses_instead_of_guessing():
    with pytest.raises(CalendarUnknown) as refused:
        CALENDAR.nth_working_day_after(date(2045, 12, 20), 20)
    assert refused.value.code == "CALENDAR_UNKNOWN"
    for ask in (CALENDAR.is_working_day, CALENDAR.source_of, CALENDAR.previous_working_day):
        with pytest.raises(CalendarUnknown):
            ask(date(2003, 12, 31))


def test_a_day_that_nobody_classified_is_refused_by_name():
    days = [Day(day=date(2026, 1, n), kind=DayKind.WORK, provisional=False, source="") for n in (1, 2, 4)]
    with pytest.raises(CalendarGap, match="2026-01-03"):
        Calendar(days)
    with pytest.raises(CalendarGap):
        Calendar([])


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati"])
def server_zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    tzset()
    yield request.param
    monkeypatch.undo()
    tzset()


@pytest.mark.usefixtures("server_zone")
def test_local_days_do_not_depend_on_the_zone_of_the_server():
    assert start_of_day(date(2026, 10, 21)) == datetime(2026, 10, 20, 16, tzinfo=UTC)
    assert end_of_day(date(2026, 10, 22)) == datetime(2026, 10, 22, 16, tzinfo=UTC)
    assert end_of_day(date(2026, 10, 22), time(17, 30)) == datetime(2026, 10, 22, 9, 30, tzinfo=UTC)
    assert day_of(datetime(2026, 10, 22, 15, 59, 59, tzinfo=UTC)) == date(2026, 10, 22)
    assert day_of(datetime(2026, 10, 22, 16, tzinfo=UTC)) == date(2026, 10, 23)
    assert start_of_day(date(2026, 10, 21)).tzinfo is UTC


def test_an_instant_without_a_zone_is_a_mistake():
    with pytest.raises(ValueError, match="time zone"):
        day_of(datetime(2026, 10, 22))  # noqa: DTZ001
