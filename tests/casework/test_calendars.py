"""The seeded calendar agrees with both libraries, says where it guesses, and survives a trip through the table."""

from datetime import date, timedelta

import holidays
import msgspec
import pytest

from casework.clock import calendars
from casework.clock.calendars import (
    builtin_calendar,
    calendar_from_rows,
    compiled,
    missing_arrangement,
    seed_rows,
)
from casework.clock.ledger import Started, replay
from casework.clock.time_limits import due_on

CALENDAR = builtin_calendar()


def test_the_seed_file_is_what_the_libraries_say_today():
    assert calendars._seed_years() == compiled()


@pytest.mark.feature("CLK-01")
def test_no_official_day_differs_from_the_second_library():
    other = holidays.country_holidays("CN", years=range(2004, 2027))
    day, differing = date(2004, 1, 1), []
    while day <= date(2026, 12, 31):
        if CALENDAR.is_working_day(day) != other.is_working_day(day):
            differing.append(day)
        day += timedelta(days=1)
    assert differing == []


def test_the_years_from_2027_are_provisional_and_say_so():
    assert not CALENDAR.is_provisional(date(2026, 12, 31))
    assert CALENDAR.is_provisional(date(2027, 1, 1))
    assert "待国务院办公厅2027年安排" in CALENDAR.source_of(date(2027, 3, 1))
    assert "2026" in CALENDAR.source_of(date(2026, 3, 1))
    assert not CALENDAR.is_working_day(date(2027, 2, 8))  # Spring Festival, a Monday
    assert not CALENDAR.is_provisional_between(date(2026, 12, 1), date(2026, 12, 31))
    assert CALENDAR.is_provisional_between(date(2026, 12, 31), date(2027, 1, 1))


@pytest.mark.feature("CLK-10")
def test_a_clock_that_reaches_an_unarranged_year_is_provisional_and_the_administrator_is_told():
    ledger = replay([Started(day=date(2026, 11, 23))])
    reaching = due_on(ledger, 45, CALENDAR)
    assert (reaching.day, reaching.provisional) == (date(2027, 1, 26), True)
    assert not due_on(ledger, 20, CALENDAR).provisional

    assert missing_arrangement(CALENDAR, date(2026, 10, 31)) is None
    assert missing_arrangement(CALENDAR, date(2026, 11, 1)) == 2027
    assert missing_arrangement(CALENDAR, date(2027, 1, 2)) == 2027


def test_an_imported_notice_moves_the_due_date_and_makes_it_official():
    rows = seed_rows()
    for row in rows:
        if row["day"].year == 2027:
            row["provisional"], row["source"] = False, "2027 notice"
        if row["day"] == date(2027, 1, 4):
            row["working"] = False
    official = calendar_from_rows(rows)
    due = due_on(replay([Started(day=date(2026, 11, 23))]), 45, official)
    assert (due.day, due.provisional) == (date(2027, 1, 27), False)
    assert missing_arrangement(official, date(2026, 12, 1)) is None


def test_rows_make_the_same_calendar_from_either_database():
    typed = seed_rows()
    texts = [{**row, "day": row["day"].isoformat(), "working": int(row["working"])} for row in typed]
    for rows in (typed, texts):
        again = calendar_from_rows(rows)
        assert (again.first, again.last) == (date(2004, 1, 1), date(2045, 12, 31))
        assert again._work_before == CALENDAR._work_before
    assert len(typed) == 15341
    assert msgspec.json.encode(typed[0]) == (
        b'{"day":"2004-01-01","working":false,"provisional":false,"source":"'
        + "国务院办公厅2004年部分节假日安排".encode()
        + b'"}'
    )
