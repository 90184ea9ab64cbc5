"""Importing a notice on holidays: its file, its two persons, and what it does to every open deadline."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.acts import CheckCalendar, Decision, ForeignCaseRow, ImportForeignCases
from casework.clock.acts import CalendarView, ReprojectDeadlines
from casework.clock.arrangements import Arrangement, CalendarRefused, check, read
from casework.clock.calendars import read_calendar
from casework.clock.ledger import Recalculated
from casework.clock.tables import CalendarNotice, Hearing
from casework.clock.working_days import Calendar
from casework.tables import Case, ClockEntry, Task
from kernel.acts import Done
from kernel.tables import EventRow
from tests.alerts.county import ALERT_RULES, APPLICANT, County
from tests.casework.legal_time import HOLIDAYS_2027, WORKDAYS_2027, LegalTime, limited_steps, stage_of
from tests.casework.town import Town, item

REST = [str(day) for day in HOLIDAYS_2027]
NOTICE = {
    "year": 2027,
    "notice": "国办发明电〔2026〕7号",
    "source": "国务院办公厅关于2027年部分节假日安排的通知",
    "holidays": REST,
    "workdays": [str(day) for day in WORKDAYS_2027],
}
ARRANGED = Arrangement(
    year=2027,
    notice="国办发明电〔2026〕7号",
    source="国务院办公厅关于2027年部分节假日安排的通知",
    holidays=HOLIDAYS_2027,
    workdays=WORKDAYS_2027,
)


def as_json(**changes) -> bytes:
    return json.dumps({**NOTICE, **changes}, ensure_ascii=False).encode()


def as_csv(*rows: str) -> bytes:
    return "\n".join(rows).encode()


# ------------------------------------------------------------------------------------------------------- the file


def test_json_and_csv_say_the_same():
    rows = [
        "year,2027",
        "notice,国办发明电〔2026〕7号",
        "source,国务院办公厅关于2027年部分节假日安排的通知",
        "holiday,2027-01-01..2027-01-03,元旦",
        "holiday,2027-02-05..2027-02-12,春节",
        "holiday,2027-04-03..2027-04-05,清明节",
        "holiday,2027-05-01..2027-05-05,劳动节",
        "holiday,2027-06-09..2027-06-11,端午节",
        "holiday,2027-09-15,中秋节",
        "holiday,2027-10-01..2027-10-07,国庆节",
        *(f"workday,{day}" for day in WORKDAYS_2027),
    ]
    assert read(as_json()) == ARRANGED
    assert read(b"\xef\xbb\xbf" + as_csv(*rows)) == ARRANGED  # as a spreadsheet writes it
    check(ARRANGED, first_year=2026, last_year=2045)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"year": 2028}, "不在2028年"),
        ({"notice": ""}, "通知文号"),
        ({"notice": "七\n号"}, "通知文号"),
        ({"source": "长" * 101}, "通知名称"),
        ({"holidays": [*REST, "2027-01-02"]}, "holidays[30]：2027-01-02重复（holidays[1]）"),
        ({"holidays": [*REST, "2027-02-20"]}, "2027-02-20既放假又上班"),
        ({"holidays": [*REST, "2026-05-01"]}, "holidays[30]：2026-05-01不在2027年"),
        ({"holidays": [*REST, "2027-02-30"]}, "holidays[30]：应为日期"),
        ({"holidays": [*REST, "2027-06-01..2027-07-31"]}, "holidays[30]：应为日期"),
        ({"holidays": REST[:12]}, "缺少法定节假日5月1日、10月1日、10月2日、10月3日"),
        ({"holidays": ["2027-01-01"]}, "全年放假应为11至60日"),
        ({"holidays": [f"2027-{m:02d}-01..2027-{m:02d}-28" for m in range(1, 13)]}, "文件中有336日"),
        ({"workdays": ["2027-03-01"]}, "workdays[0]：2027-03-01不是周末"),
        ({"workdays": [f"2027-{m:02d}-{d:02d}" for m in (3, 4, 5, 6) for d in (6, 13, 20, 27)]}, "不应超过15日"),
        ({"workdays": "2027-02-20"}, "JSON"),
        ({"weather": "fine"}, "JSON"),
    ],
)
def test_a_wrong_file_is_refused_with_every_wrong_row(changes, named):
    with pytest.raises(CalendarRefused) as refused:
        read(as_json(**changes))
    problems = refused.value.details["problems"]
    assert isinstance(problems, list)
    assert any(named in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (("year,2027", "feast,2027-01-01"), "第2行：不是"),
        (("year,2027", "year,2028"), "第2行：不是"),
        (("year,2027", "holiday"), "第2行：不是"),
        (("year,2027", "holiday,一月一日"), "第2行：应为日期"),
        (("year,二〇二七",), "缺少年份"),
        (("year,٢٠٢٧",), "缺少年份"),
        (('year,"2027',), "CSV"),
        (("year,2027", *(f"holiday,x{n}" for n in range(50))), "另有"),
    ],
)
def test_a_wrong_line_of_a_table_is_named(rows, named):
    with pytest.raises(CalendarRefused) as refused:
        read(as_csv(*rows))
    problems = refused.value.details["problems"]
    assert isinstance(problems, list)
    assert any(named in problem for problem in problems), problems


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"\xff\xfe\x00",
        b"{" * 60_000,
        b'{"year":' + b"[" * 60_000,
        b"x" * 70_000,
        b"\x00,\x00\n" * 100,
        as_json(year=10**30),
        as_json(year=-1),
        as_json(year=0),
        as_json(year=9999),
        as_json(holidays=["9999-12-31..9999-12-31"]),
        as_json(holidays=["0001-01-01"]),
    ],
    ids=range(12),
)
def test_a_hostile_file_is_only_refused(hostile):
    with pytest.raises(CalendarRefused):
        read(hostile)


@given(st.binary(max_size=400))
def test_whatever_the_octets_they_are_an_arrangement_or_refused(octets):
    with pytest.raises(CalendarRefused):
        read(octets)


@given(st.lists(st.lists(st.text(max_size=12), max_size=4), max_size=8))
def test_whatever_the_table_it_is_refused_or_an_arrangement(rows):
    written = io.StringIO()
    csv.writer(written).writerows([["year", "2027"], *rows])
    with pytest.raises(CalendarRefused):
        read(written.getvalue().encode("utf-8", "replace"))


def test_a_city_names_single_days_of_its_own():
    local = read(as_csv("local,yes", "year,2027", "notice,衡政发〔2027〕3号", "source,停止办公", "holiday,2027-08-03"))
    assert (local.is_local, local.holidays) == (True, (date(2027, 8, 3),))
    with pytest.raises(CalendarRefused, match="本地安排应为1至31日"):
        read(as_csv("local,yes", "year,2027", "notice,无", "source,无"))


def test_the_end_of_the_year_before_may_be_named():
    read(as_json(workdays=["2026-12-26"]))  # a Saturday worked for New Year
    with pytest.raises(CalendarRefused):
        read(as_json(workdays=["2026-12-19"]))


# ------------------------------------------------------------------------------------------------- the two persons


@pytest.fixture
async def time(town: Town) -> LegalTime:
    time = LegalTime(town)
    await time.fill_calendar()
    return time


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"second_officer": "REFORM"}, "TWO_PERSONS_NEEDED"),
        ({"second_officer": "HANDLER"}, "NOT_ENTITLED_TO_CALENDAR"),
        ({"first_officer": "CHIEF"}, "NOT_ENTITLED_TO_CALENDAR"),
        ({"first_officer": "NOBODY"}, "NOT_ENTITLED_TO_CALENDAR"),
        ({"year": 2025, "holidays": tuple(day.replace(year=2025) for day in HOLIDAYS_2027)}, "CALENDAR_REFUSED"),
        ({"year": 2046}, "CALENDAR_REFUSED"),
        ({"holidays": HOLIDAYS_2027[:5]}, "CALENDAR_REFUSED"),
    ],
)
async def test_an_import_needs_two_different_persons_whose_office_it_is(town, time, changes, code):
    assert (await time.import_notice(**changes)).code == code
    assert not await CalendarNotice.exists()
    assert (await read_calendar(town.database)).version == 0


async def test_who_has_left_approves_nothing(town, time):
    await town.database.execute("UPDATE officer SET active = FALSE WHERE id = 'LEGAL'")
    assert (await time.import_notice()).code == "NOT_ENTITLED_TO_CALENDAR"


async def test_the_year_becomes_official_day_by_day(town, time):
    imported = await time.import_notice()
    calendar = await read_calendar(town.database)
    worked = sum(calendar.is_working_day(date(2027, 1, 1) + timedelta(days=n)) for n in range(365))
    assert imported == CalendarView(year=2027, version=1, working_days=worked, changed_days=imported.changed_days)
    assert (calendar.version, calendar.is_provisional(date(2027, 6, 1))) == (1, False)
    assert all(calendar.is_working_day(day) for day in WORKDAYS_2027)
    assert not any(calendar.is_working_day(day) for day in HOLIDAYS_2027)
    assert calendar.is_working_day(date(2027, 9, 16))
    assert "国办发明电〔2026〕7号" in calendar.source_of(date(2027, 3, 1))
    [event] = await EventRow.filter(tag="calendar.imported")
    assert '"officers":["REFORM","LEGAL"]' in event.body
    assert (await time.import_notice()).code == "CALENDAR_UNCHANGED"
    await time.take_up()
    town.at("2026-11-02")
    assert await town.do(CheckCalendar()) == Done(count=0)  # nothing is missing any more


async def test_an_amended_notice_replaces_the_year_and_keeps_the_citys_own_days(town, time):
    await time.import_notice()
    closed = {"notice": "衡政发〔2027〕3号", "source": "台风停止办公", "holidays": (date(2027, 8, 3),), "workdays": ()}
    assert (await time.import_notice(**closed, is_local=True)).changed_days == 1
    without = tuple(day for day in HOLIDAYS_2027 if day != date(2027, 2, 12))
    amended = await time.import_notice(notice="国办发明电〔2027〕1号", holidays=without)
    assert amended.changed_days == 1  # one weekday of the Spring Festival is worked after all
    calendar = await read_calendar(town.database)
    assert calendar.is_working_day(date(2027, 2, 12))
    assert not calendar.is_working_day(date(2027, 8, 3))
    assert "衡政发" in calendar.source_of(date(2027, 8, 3))


async def test_a_local_closure_of_a_year_without_notice_leaves_the_alarm_to_come(town, time):
    closed = {"notice": "衡政发〔2026〕9号", "source": "停电", "holidays": (date(2027, 3, 2),), "workdays": ()}
    await time.import_notice(**closed, is_local=True)
    assert (await read_calendar(town.database)).is_provisional(date(2027, 3, 2))
    await time.take_up()
    town.at("2026-11-01")
    assert await town.do(CheckCalendar()) == Done(count=1)


# ---------------------------------------------------------------------------------------- every open deadline anew


@pytest.mark.feature("CLK-09")
async def test_every_open_deadline_is_found_anew_with_one_ledger_line_and_its_reason(town, time):
    town.at("2027-01-11")
    moved, unmoved = await town.accepted(), await town.accepted()
    await Case.filter(number=unmoved).update(committed_days=2, statutory_days=2)
    ledger = await time.entries(unmoved)
    due = date(2027, 1, 13)
    await Case.filter(number=unmoved).update(committed_due=due, statutory_due=due)
    before = await Case.get(number=moved)
    assert before.due_provisional
    await time.import_notice()
    assert await time.take_up() == 2
    assert await town.do(ReprojectDeadlines()) == Done(count=0)
    after = await Case.get(number=moved)
    calendar = await read_calendar(town.database)
    assert after.committed_due == calendar.nth_working_day_after(date(2027, 1, 11), 20) != before.committed_due
    assert not after.due_provisional
    assert after.revision == before.revision + 1
    [_, line] = await time.entries(moved)
    assert isinstance(line, Recalculated)
    assert line.committed == (before.committed_due, after.committed_due)
    assert line.notice == "国办发明电〔2026〕7号"
    assert "2027年部分节假日安排" in line.reason
    assert [row.actor for row in await ClockEntry.filter(case_id=after.id).order_by("seq")][1] == "system:clock"
    task = await Task.get(case_id=after.id, closed_at=None)
    assert (task.due_on, task.calendar_version) == (after.committed_due, 1)
    [event] = await EventRow.filter(tag="case.due_moved")
    assert f'"before":"{before.committed_due}","due":"{after.committed_due}"' in event.body
    # Whose date did not move has no line, no event and no new revision.
    assert await time.entries(unmoved) == ledger
    assert (await Case.get(number=unmoved)).revision == 2


async def test_days_to_speak_to_deliver_of_steps_branches_and_hearings_move_too(town, time):
    branch = {"unit": "XF", "name": "消防审查", "limit_days": 12}
    definition = stage_of(item(statutory=45, committed=40), handling="parallel", branches=[branch])
    await town.publish(definition)
    town.at("2026-12-25")
    branched, heard = await town.accepted(), await town.accepted()
    await time.tell_right(heard)
    await time.ask(heard)
    await town.publish(limited_steps(9, 5, 5))
    stepped = await town.accepted()
    await town.publish(item(levels=1))
    granted = await town.accepted()
    await town.decide("LEADER", granted, "level:1", Decision.GRANT)
    town.at("2026-12-28")
    waiting = (await town.file()).number

    async def dates() -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for number in (branched, heard, stepped, granted):
            case = await Case.get(number=number)
            tasks = await Task.filter(case_id=case.id, closed_at=None).order_by("branch")
            found[number] = [task.due_on for task in tasks]
        hearing, case = await Hearing.get(), await Case.get(number=waiting)
        task = await Task.get(case_id=case.id)
        assert task.sort_at == case.deemed_at
        return {**found, "hearing": [hearing.hold_by, hearing.announce_by], "telling": [case.deemed_at]}

    before = await dates()
    # 4 January 2027, a Monday, becomes a day of rest: everything that spans it ends a working day later.
    closed = {"notice": "衡政发〔2026〕9号", "source": "停电", "holidays": (date(2027, 1, 4),), "workdays": ()}
    await time.import_notice(**closed, is_local=True)
    assert await time.take_up() == 5
    calendar = await read_calendar(town.database)
    after = await dates()
    for what in (branched, stepped, granted, "hearing"):
        assert after[what] == [calendar.next_working_day(day) for day in before[what]], what
    assert after["telling"][0] > before["telling"][0]
    # The time told for a hearing ends on the day that was told, so what follows it stays where it was.
    assert after[heard] == before[heard]
    moved = [row.body for row in await EventRow.filter(tag="case.due_moved")]
    assert sorted(body.split('"deadline":"')[1].split('"')[0] for body in moved) == [
        "decision",
        "decision",
        "delivery",
        "telling",
    ]


async def test_a_silence_that_has_spoken_is_not_taken_back(town, time):
    town.at("2026-12-28")
    filed = await town.file()
    told_by = (await Case.get(number=filed.number)).deemed_at
    town.at("2027-01-10")
    closed = {"notice": "衡政发〔2026〕9号", "source": "停电", "holidays": (date(2027, 1, 4),), "workdays": ()}
    await time.import_notice(**closed, is_local=True)
    await time.take_up()
    assert (await Case.get(number=filed.number)).deemed_at == told_by <= town.clock.now()


async def test_a_case_moved_meanwhile_by_a_process_with_the_old_calendar_is_found_again(town, time):
    town.at("2026-12-25")
    number = await town.accepted()
    old = town.desk.provisions[Calendar]
    await time.import_notice()
    assert await time.take_up() == 1
    new = town.desk.provisions[Calendar]
    town.desk.provisions[Calendar] = old  # another process, a second behind
    await time.stop(number, 5)
    stale = (await Case.get(number=number)).committed_due
    town.desk.provisions[Calendar] = new
    assert await town.do(ReprojectDeadlines()) == Done(count=1)
    assert (await Case.get(number=number)).committed_due != stale
    # And a step opened before the case was looked at inherits its old age.
    await time.import_notice(notice="更正", holidays=tuple(day for day in HOLIDAYS_2027 if day.day != 12))
    town.desk.provisions[Calendar] = await read_calendar(town.database)
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    assert await town.do(ReprojectDeadlines()) == Done(count=1)


async def test_reprojecting_takes_batches_and_one_broken_case_stops_nobody(town, time):
    town.at("2027-01-11")
    numbers = [await town.accepted() for _ in range(5)]
    broken = await Case.get(number=numbers[0])
    await ClockEntry.filter(case_id=broken.id).delete()
    await time.import_notice()
    provisions = town.desk.provisions
    provisions[Calendar] = await read_calendar(town.database)
    assert await town.do(ReprojectDeadlines(limit=3)) == Done(count=2)
    assert await town.do(ReprojectDeadlines(limit=3)) == Done(count=2)
    assert await town.do(ReprojectDeadlines(limit=3)) == Done(count=0)
    assert await EventRow.filter(tag="case.due_moved").count() == 4


@pytest.mark.parametrize(("later", "earlier", "told"), [(True, True, 2), (True, False, 1), (False, False, 0)])
async def test_people_are_told_only_of_dates_that_moved_and_as_configured(database, clock, later, earlier, told):
    county = County(database, clock, rules=replace(ALERT_RULES, tell_later=later, tell_earlier=earlier))
    await county.settle()
    await county.publish()
    time = LegalTime(county)
    await time.fill_calendar()
    county.at("2026-12-25")
    await county.accepted()
    for day in (date(2027, 1, 5), date(2027, 1, 6)):
        closed = {"notice": f"衡政发〔2026〕{day.day}号", "source": "停电", "workdays": ()}
        if day.day == 5:
            await time.import_notice(**closed, is_local=True, holidays=(day,))
        else:
            await time.import_notice(**{**closed, "workdays": (date(2027, 1, 5),)}, is_local=True, holidays=())
        await time.take_up()
    await county.tell()
    moved = [body for phone, body in await county.texts() if "工作日历调整" in body and phone == APPLICANT]
    assert len(moved) == told


async def test_a_foreign_systems_deadline_is_its_own(town, time):
    row = ForeignCaseRow(
        number="W-1",
        unit="ZJ",
        item_name="外部办件",
        channel="desk",
        responsible="",
        started_at=datetime(2026, 12, 25, tzinfo=UTC),
        deadline=datetime(2027, 1, 20, 16, tzinfo=UTC),
    )
    await town.do(ImportForeignCases(source="elsewhere", cases=(row,)))
    due = (await Case.get(number="W-1")).committed_due
    await time.import_notice()
    assert await time.take_up() == 1
    assert (await Case.get(number="W-1")).committed_due == due
