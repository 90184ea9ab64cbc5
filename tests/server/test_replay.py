"""Replaying logs: the real one against its own dates, small ones for the corners."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from casework.clock.working_days import CHINA
from casework.intake.xes import ForeignCase, ForeignEvent, LogCaseTwice, LogWithoutDeadline, read_log
from casework.tables import Case, Step
from kernel.clock import FakeClock, as_utc
from kernel.db import Database, instant
from kernel.refusals import Refusal
from server.replay import DatabaseInUse, ReplayReport, Script, Stage, play
from tests.supervision.office import County, local

REAL_LOG = Path(__file__).parents[2] / ".." / "shared" / "data" / "receipt.xes.gz"
THE_LAST_INSTANT = datetime.fromisoformat("2012-01-23T15:42:54.644+01:00")


def case(number: str = "A", **dates: str | list[str] | None) -> ForeignCase:
    """Started 2011-03-01 09:00 and due 2011-03-10 12:00 in Shanghai, unless `started`, `ended`, `steps` … say more."""

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=CHINA)

    given: dict = {"started": "2011-03-01 09:00", "deadline": "2011-03-10 12:00", "ended": None, "steps": [], **dates}
    return ForeignCase(
        id=number,
        started_at=at(given["started"]),
        ended_at=at(given["ended"]) if given["ended"] else None,
        deadline=at(given["deadline"]) if given["deadline"] else None,
        planned_end=None,
        channel="Desk",
        department="General",
        responsible="Resource01",
        events=tuple(
            ForeignEvent(activity=f"step {n}", at=at(step), resource="Resource02")
            for n, step in enumerate(given["steps"], 1)
        ),
    )


async def replayed(database: Database, log: Sequence[ForeignCase], until: datetime | None = None) -> ReplayReport:
    script = Script.of(log, until)
    clock = FakeClock(script.begins_at)
    return await play(Stage(office=County(database, clock).office, database=database, clock=clock), script)


def counts(report: ReplayReport) -> tuple[int, int, int, int]:
    return (report.finished_in_time, report.finished_late, report.open_in_time, report.open_overdue)


async def lights(database: Database) -> list[tuple[str, datetime | None, datetime | None]]:
    rows = await database.rows("SELECT colour, at, noticed_at FROM light ORDER BY at, id")
    return [(str(row["colour"]), instant(row["at"]), instant(row["noticed_at"])) for row in rows]


def real_log() -> list[ForeignCase]:
    if not REAL_LOG.exists():
        pytest.skip("the real log is not at hand")
    return list(read_log(REAL_LOG))


def by_its_own_dates(log: Sequence[ForeignCase], until: datetime) -> dict[str, int]:
    """What enddate and deadline of the log itself say."""
    known = [case for case in log if case.started_at <= until]
    ended = [case for case in known if case.ended_at and case.ended_at <= until]
    late = [case for case in ended if case.ended_at and case.deadline and case.ended_at > case.deadline]
    overdue = [case for case in known if case not in ended and case.deadline and case.deadline <= until]
    events = [event for case in known for event in case.events if event.at <= until]
    counted = counted_of(known, ended, late, overdue, events)
    return {**counted, "cards_proposed": counted["red_lights"]}


def counted_of(
    known: Sequence[ForeignCase],
    ended: Sequence[ForeignCase],
    late: Sequence[ForeignCase],
    overdue: Sequence[ForeignCase],
    events: Sequence[ForeignEvent],
) -> dict[str, int]:
    """As a report names them."""
    return {
        "cases": len(known),
        "events": len(events),
        "officers": len({event.resource for event in events}),
        "finished_in_time": len(ended) - len(late),
        "finished_late": len(late),
        "open_in_time": len(known) - len(ended) - len(overdue),
        "open_overdue": len(overdue),
        "red_lights": len(late) + len(overdue),
    }


async def agrees(database: Database, log: list[ForeignCase], until: datetime | None, last: datetime) -> ReplayReport:
    report = await replayed(database, log, until)
    for name, number in by_its_own_dates(log, last).items():
        assert getattr(report, name) == number, name
    deadlines = {case.id: as_utc(case.deadline) for case in log if case.deadline}
    rows = await database.rows(
        "SELECT c.number, l.at, l.noticed_at FROM light l JOIN case_file c ON c.id = l.case_id WHERE l.colour = 'red'"
    )
    assert len(rows) == report.red_lights
    for row in rows:
        deadline = deadlines[str(row["number"])]
        assert (instant(row["at"]), instant(row["noticed_at"])) == (deadline, deadline)
    return report


def test_the_real_log_s_own_dates_are_read_to_the_last_event():
    assert by_its_own_dates(real_log(), THE_LAST_INSTANT) == {
        "cases": 1434, "events": 8577, "officers": 48, "finished_in_time": 952, "finished_late": 377,
        "open_in_time": 66, "open_overdue": 39, "red_lights": 416, "cards_proposed": 416,
    }  # fmt: skip


async def test_every_fifth_case_of_the_real_log_is_judged_as_its_own_dates_say(database: Database, dialect: str):
    """`make peers` plays them all."""
    if dialect == "postgres":
        pytest.skip("the shortened log below says the same in less time")
    report = await agrees(database, real_log()[::5], None, THE_LAST_INSTANT)
    assert min(counts(report)) > 0
    assert report.yellow_lights > 0


async def test_an_earlier_until_cuts_starts_steps_ends_and_lights_of_the_real_log(database: Database):
    until = datetime.fromisoformat("2010-12-20T12:00:00+01:00")
    report = await agrees(database, real_log(), until, until)
    assert report.open_in_time > 0
    assert report.finished_late > 0


async def test_an_end_at_the_very_deadline_is_in_time_and_a_moment_later_is_not(database: Database):
    log = [case("A", ended="2011-03-10 12:00"), case("B", ended="2011-03-10 12:00:00.000001")]
    assert counts(await replayed(database, log)) == (1, 1, 0, 0)
    assert [light for light in await lights(database) if light[0] == "red"] == [
        ("red", local("2011-03-10 12:00"), local("2011-03-10 12:00"))
    ]


async def test_yellow_turns_at_midnight_of_the_working_day_before_the_deadline_s_day(database: Database):
    log = [case(deadline="2011-03-14 12:00", ended="2011-03-14 11:00")]  # a Monday
    report = await replayed(database, log)
    assert (report.yellow_lights, report.red_lights) == (1, 0)
    assert await lights(database) == [("yellow", local("2011-03-11 00:00"), local("2011-03-11 00:00"))]


async def test_a_case_that_begins_within_its_last_day_turns_yellow_as_it_begins(database: Database):
    log = [case(started="2011-03-10 09:30", ended="2011-03-10 10:00")]
    await replayed(database, log)
    assert await lights(database) == [("yellow", local("2011-03-10 09:30"), local("2011-03-10 09:30"))]


async def test_what_ends_or_begins_after_until_has_not_happened(database: Database):
    log = [
        case("A", ended="2011-03-08 10:00", steps=["2011-03-02 10:00", "2011-03-08 10:00"]),
        case("B", started="2011-03-06 09:00", steps=["2011-03-07 09:00"]),
    ]
    report = await replayed(database, log, local("2011-03-05 00:00"))
    assert (report.cases, report.events, report.officers) == (1, 1, 1)
    assert counts(report) == (0, 0, 1, 0)


async def test_until_the_very_deadline_the_red_light_has_turned(database: Database):
    assert counts(await replayed(database, [case()], local("2011-03-10 12:00"))) == (0, 0, 0, 1)


async def test_without_until_the_log_s_last_timestamp_ends_the_play(database: Database):
    log = [case("A", deadline="2011-03-02 12:00"), case("B", deadline="2011-04-02 12:00", steps=["2011-03-03 09:00"])]
    assert counts(await replayed(database, log)) == (0, 0, 1, 1)


async def test_steps_keep_their_own_instants_whatever_the_log_dates_around_them(database: Database):
    log = [
        # the real log knows all three: steps before the start, steps after the end, an end before the start
        case("A", steps=["2011-02-20 08:00", "2011-03-02 08:00", "2011-03-02 09:00"], ended="2011-03-02 08:30"),
        case("B", ended="2011-03-01 08:00", steps=["2011-03-03 10:00"]),
    ]
    report = await replayed(database, log)
    assert counts(report) == (2, 0, 0, 0)
    assert [row.at for row in await Step.all().order_by("case_id", "seq")] == [
        local("2011-02-20 08:00"),
        local("2011-03-02 08:00"),
        local("2011-03-02 09:00"),
        local("2011-03-03 10:00"),
    ]
    assert [row.closed_at for row in await Case.all().order_by("number")] == [
        local("2011-03-02 08:30"),
        local("2011-03-01 08:00"),
    ]


async def test_an_empty_log_is_an_empty_report(database: Database):
    report = await replayed(database, [])
    assert (report.cases, report.red_lights) == (0, 0)


@pytest.mark.parametrize(
    ("log", "refusal"), [([case(deadline=None)], LogWithoutDeadline), ([case("A"), case("A")], LogCaseTwice)]
)
def test_a_log_that_cannot_be_judged_is_refused(log: list[ForeignCase], refusal: type[Refusal]):
    with pytest.raises(refusal):
        Script.of(log, None)


async def test_a_database_that_holds_cases_is_not_replayed_into(database: Database):
    await replayed(database, [case()])
    with pytest.raises(DatabaseInUse):
        await replayed(database, [case("B")])
