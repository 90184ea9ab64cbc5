"""`zhangban clock` and `zhangban calendar`, as an operator types them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from casework.acts import DeemAccepted, PublishItem
from casework.clock import simulation
from casework.clock.calendars import seed_rows
from casework.clock.time_limits import due_on
from casework.clock.working_days import day_of
from casework.seed import county, items
from casework.tables import Case, Task
from kernel.actor import THE_CLOCK, THE_OPERATOR
from kernel.acts import Done
from kernel.clock import Clock, FakeClock, SystemClock
from kernel.directory import EnterDirectory, OfficerEntry, UnitEntry
from kernel.refusals import Refusal
from server.__main__ import app
from server.processes import Pace, Stop, follow_calendar, keep_time, running
from server.settings import load
from server.wiring import System, open_system
from tests.server.test_processes import filed, until

ROOT = Path(__file__).parents[2]


def zhangban(*arguments: str, **environment: str) -> Result:
    """Anything but an answer or a sentence is a defect."""
    result = CliRunner().invoke(app, arguments, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


# ----------------------------------------------------------------------------------------------- the legal clock
def due_by(*arguments: str) -> dict[str, object]:
    result = zhangban("clock", "due", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("start", "limit", "last_day"),
    [
        ("2026-09-18", 20, "2026-10-22"),  # art. 42(1): over the National Day and its make-up days
        ("2026-10-09", 20, "2026-11-05"),  # art. 32(5): from the day of the last correction
        ("2026-09-18", 45, "2026-11-26"),  # art. 42(2): handled jointly
        ("2026-04-30", 10, "2026-05-18"),  # art. 44: delivery; Saturday 05-09 works
        ("2026-10-03", 5, "2026-10-13"),  # received on a holiday
        ("2026-10-10", 5, "2026-10-16"),  # received on a Saturday that works
        ("2026-02-13", 5, "2026-02-27"),  # before the Spring Festival
        ("2026-02-13", 20, "2026-03-19"),
        ("2026-04-30", 20, "2026-06-01"),
        ("2026-09-30", 20, "2026-11-03"),
        ("2026-11-23", 20, "2026-12-21"),
    ],
)
def test_the_due_date_counts_working_days_only(start: str, limit: int, last_day: str):
    answer = due_by("--start", start, "--limit", str(limit), "--today", start)
    assert (answer["due"], answer["remaining"], answer["provisional"]) == (last_day, limit, False)


def test_special_procedures_are_left_out_as_a_union():
    once = due_by("--start", "2026-09-18", "--limit", "20", "--stop", "2026-09-22:2026-10-12", "--today", "2026-09-18")
    assert once["due"] == "2026-11-04"
    overlapping = ("--stop", "2026-09-22:2026-10-12", "--stop", "2026-10-09:2026-10-16")
    assert due_by("--start", "2026-09-18", "--limit", "20", *overlapping)["due"] == "2026-11-10"


def test_ten_days_may_be_added_and_no_more():
    assert due_by("--start", "2026-09-18", "--limit", "20", "--extend", "10")["due"] == "2026-11-05"
    result = zhangban("clock", "due", "--start", "2026-09-18", "--limit", "20", "--extend", "11")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "[EXTENSION_TOO_LONG]" in result.stderr


def test_what_remains_is_counted_from_today_and_goes_below_zero():
    vector = ("--start", "2026-09-18", "--limit", "20")
    assert due_by(*vector, "--today", "2026-10-21")["remaining"] == 1
    assert due_by(*vector, "--today", "2026-10-22")["remaining"] == 0
    assert due_by(*vector, "--today", "2026-10-23")["remaining"] == -1


def test_yellow_is_the_working_day_before_and_red_the_midnight_after():
    answer = due_by("--start", "2026-09-18", "--limit", "20")
    assert answer["yellow_at"] == "2026-10-21T00:00:00+08:00"
    assert answer["red_at"] == "2026-10-23T00:00:00+08:00"


def test_a_clock_that_reaches_a_year_without_notice_says_so():
    answer = due_by("--start", "2026-11-23", "--limit", "45")
    assert (answer["due"], answer["provisional"]) == ("2027-01-26", True)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--start", "2026-13-01", "--limit", "20"),
        ("--start", "18.9.2026", "--limit", "20"),
        ("--start", "2026-09-18", "--limit", "0"),
        ("--start", "2026-09-18", "--limit", "twenty"),
        ("--start", "2026-09-18", "--limit", "20", "--stop", "2026-09-22"),
        ("--start", "2026-09-18", "--limit", "20", "--stop", "2026-09-22:2026-02-30"),
        ("--start", "2026-09-18", "--limit", "20", "--extend", "-1"),
        ("--limit", "20"),
    ],
)
def test_what_cannot_be_read_is_explained_with_exit_code_two(wrong: tuple[str, ...]):
    result = zhangban("clock", "due", *wrong)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("start", ["0001-01-01", "9999-12-31"])
def test_days_that_no_calendar_knows_are_refused(start: str):
    result = zhangban("clock", "due", "--start", start, "--limit", "20")
    assert result.exit_code == 1
    assert "[CALENDAR_UNKNOWN]" in result.stderr


def test_without_json_it_is_a_table_for_people():
    result = zhangban("clock", "due", "--start", "2026-09-18", "--limit", "20")
    assert "2026-10-22" in result.stdout


def test_random_histories_are_the_same_by_ledger_and_by_walk():
    result = zhangban("clock", "simulate", "--cases", "1000", "--seed", "20260918", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["checked"], found["differences"]) == (0, 1000, 0)
    assert found["comparisons"] > 30_000


def test_a_count_that_is_off_by_one_day_is_found_out(monkeypatch: pytest.MonkeyPatch):
    def late(*arguments):
        due = due_on(*arguments)
        return type(due)(due.day + timedelta(days=1), due.provisional)

    monkeypatch.setattr(simulation, "due_on", late)
    result = zhangban("clock", "simulate", "--cases", "20", "--seed", "7")
    assert result.exit_code == 1
    assert "history 0: due of" in result.stderr


def test_the_same_seed_gives_the_same_histories():
    one, again = (simulation.simulate(cases=50, seed=5, days=seed_rows()) for _ in range(2))
    assert one == again != simulation.simulate(cases=50, seed=6, days=seed_rows())


# ------------------------------------------------------------------------------------------------- the calendar
#: The year after this one: an import is never about a year that is over.
NEXT = day_of(SystemClock().now()).year + 1


def notice(for_year: int, **changes: object) -> str:
    """A notice that would pass for one of `year`: two Saturdays worked for the long holidays."""
    days = [date(for_year, 1, 1) + timedelta(days=n) for n in range(365)]
    saturdays = [day for day in days if day.weekday() == 5 and day.month in (3, 11)]
    return json.dumps(
        {
            "year": for_year,
            "notice": f"国办发明电〔{for_year - 1}〕7号",
            "source": f"国务院办公厅关于{for_year}年部分节假日安排的通知",
            "holidays": [
                f"{for_year}-01-01..{for_year}-01-10",
                f"{for_year}-05-01..{for_year}-05-05",
                f"{for_year}-10-01..{for_year}-10-07",
            ],
            "workdays": [str(saturdays[0]), str(saturdays[-1])],
            **changes,
        }
    )


def test_a_year_is_shown_with_its_make_up_days(tmp_path: Path):
    database = f"sqlite://{tmp_path}/none.db"
    result = zhangban("calendar", "show", "2026", "--json", ZHANGBAN_DATABASE__URL=database)
    shown = json.loads(result.stdout)
    assert (shown["working_days"], shown["provisional"], shown["version"]) == (248, False, 0)
    assert shown["makeup_days"] == ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]
    assert "2026-10-01" in shown["weekdays_off"]
    people = zhangban("calendar", "show", "2027", ZHANGBAN_DATABASE__URL=database).stdout
    assert "暂定 · provisional         是 · yes" in people
    assert not (tmp_path / "none.db").exists()  # to look is not to install
    assert zhangban("calendar", "show", "1999").exit_code == 2


@pytest.fixture
def installation(tmp_path: Path, installed_url: str) -> Path:
    """A settings file of its own."""
    config = tmp_path / "zhangban.toml"
    config.write_text(f'data_dir = "{tmp_path}/var"\n[database]\nurl = "{installed_url}"\n')
    tmp_path.joinpath("notice.json").write_text(notice(NEXT))
    return config


@asynccontextmanager
async def office(config: Path, clock: Clock | None = None) -> AsyncIterator[System]:
    """The installation with the county's people and its longest item."""
    async with open_system(load(config), clock=clock) as system:
        sample = county()
        people = EnterDirectory(
            units=tuple(msgspec.convert(each, UnitEntry, from_attributes=True) for each in sample.units),
            officers=tuple(msgspec.convert(each, OfficerEntry, from_attributes=True) for each in sample.officers),
        )
        longest = max(items(), key=lambda item: item.stages[0].committed_limit_days or 0)
        published = PublishItem(definition=msgspec.json.encode(longest))
        assert not isinstance(await system.office.perform(people, THE_OPERATOR, key=None), Refusal)
        assert not isinstance(await system.office.perform(published, THE_OPERATOR, key=None), Refusal)
        yield system


@pytest.mark.feature("CLK-09")
async def test_a_running_server_takes_up_what_another_process_imported(installation: Path):
    async with office(installation) as system:
        stop, pace = Stop(), Pace(timer_s=0.05)
        async with running(keep_time(system, stop, pace), follow_calendar(system, stop, pace), stop=stop):
            before = system.calendar
            assert before.is_provisional(date(NEXT, 3, 1))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", *importing(installation), "--json"),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
            answer, _ = await asyncio.wait_for(process.communicate(), 120)
            imported = json.loads(answer)
            assert (process.returncode, imported["year"], imported["version"]) == (0, NEXT, 1)

            async def is_taken_up() -> bool:
                return system.calendar.version == 1

            await until(is_taken_up)
        assert not system.calendar.is_provisional(date(NEXT, 3, 1))
        assert before.is_provisional(date(NEXT, 3, 1))  # what somebody holds does not change under them


def test_an_import_finds_the_open_deadlines_anew_without_a_server_and_is_shown(installation: Path):
    clock = FakeClock(datetime(NEXT - 1, 12, 20, 1, tzinfo=UTC))

    async def accept() -> tuple[str, date | None]:
        async with office(installation, clock) as system:
            number = await filed(system)
            silent_at = (await Case.get(number=number)).deemed_at
            assert silent_at is not None
            clock.set(silent_at)
            assert await system.office.perform(DeemAccepted(), THE_CLOCK, key=None) == Done(count=1)
            return number, (await Case.get(number=number)).committed_due

    async def looked_at(number: str) -> tuple[int, date | None, date | None]:
        async with office(installation) as system:
            case = await Case.get(number=number)
            task = await Task.get(case_id=case.id, closed_at=None)
            assert system.calendar.version == 1
            return case.calendar_version, case.committed_due, task.case_due_on or task.due_on

    number, before = asyncio.run(accept())
    result = zhangban(*importing(installation))
    assert result.exit_code == 0, result.stderr
    assert "重算办件 · cases found anew: 1" in result.stdout
    version, due, lit = asyncio.run(looked_at(number))
    assert (version, lit) == (1, due)
    assert due != before
    shown = json.loads(zhangban("calendar", "show", str(NEXT), "--json", "--config", str(installation)).stdout)
    assert (shown["version"], shown["provisional"], len(shown["makeup_days"])) == (1, False, 2)
    vector = ("--start", f"{NEXT}-01-04", "--limit", "5")
    assert due_by("--config", str(installation), *vector)["provisional"] is False
    assert due_by(*vector)["provisional"] is True  # the built-in calendar knows of no notice


def test_what_may_not_be_imported_is_named_and_changes_nothing(installation: Path):
    async def version() -> int:
        async with office(installation) as system:
            return system.calendar.version

    asyncio.run(version())
    for changes, approved, named in (
        ({}, ("OFF-0031", "OFF-0031"), "[TWO_PERSONS_NEEDED]"),
        ({}, ("OFF-0031", "OFF-0001"), "[NOT_ENTITLED_TO_CALENDAR]"),
        ({"year": 2020}, ("OFF-0031", "OFF-0035"), "[CALENDAR_REFUSED]"),
        ({"workdays": [f"{NEXT}-13-01"]}, ("OFF-0031", "OFF-0035"), "workdays[0]：应为日期"),
    ):
        installation.with_name("notice.json").write_text(notice(NEXT, **changes))
        result = zhangban(*importing(installation, *approved))
        assert (result.exit_code, result.stdout) == (1, ""), named
        assert named in result.stderr
    assert asyncio.run(version()) == 0


def importing(config: Path, first: str = "OFF-0031", second: str = "OFF-0035") -> tuple[str, ...]:
    """The command that imports the installation's notice."""
    file = str(config.with_name("notice.json"))
    return ("calendar", "import", file, "--approve-as", first, "--second", second, "--config", str(config))
