"""Logs told day by day by the exchange: the real one against its own dates and the standard's days, small ones for the
corners."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import CHINA, day_of
from casework.intake.xes import ForeignCase, LogCaseTwice, LogWithoutDeadline, read_log
from ferry.exchange import credentials
from ferry.exchange.reconciling import drifts_on
from ferry.exchange.rules import Sender
from ferry.exchange.tables import ExchangeBatch, ExchangeCase, ExchangeRecord, ExchangeSender
from kernel.clock import FakeClock, as_utc
from kernel.db import instant
from kernel.refusals import Refusal
from server import exchange_desk
from server.exchange_desk import WantedOfLog
from server.replay import DatabaseInUse, ExchangeCourse, ReplayReport, instants_of
from server.replay_exchange import SENDER, Department, Diary, LogTooLong, Telling, play
from server.settings import DatabaseSettings, Settings
from server.wiring import System, open_system
from supervision.events import ReportedLightTurned
from tests.server.test_replay import case, counted_of, counts, real_log
from tests.supervision.office import local

CALENDAR = builtin_calendar()
GOLDEN = Path(__file__).parents[1] / "ferry" / "exchange" / "golden" / "log.xes"
_DAY = timedelta(days=1)


@dataclass
class Installation:
    """An empty office in simulated time."""

    system: System
    clock: FakeClock

    async def replay(self, log: Sequence[ForeignCase], until: datetime | None = None) -> ReplayReport:
        diary = Diary.of(log)
        self.clock.set(diary.begins_at)
        return await play(self.system, self.clock, diary, until)


@pytest.fixture
async def office(installed_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    clock = FakeClock(datetime(2010, 1, 1, tzinfo=CHINA))
    settings = Settings(data_dir=tmp_path / "office", database=DatabaseSettings(url=installed_url))
    async with open_system(settings, clock=clock) as system:
        yield Installation(system, clock)


def course(report: ReplayReport) -> ExchangeCourse:
    assert report.exchange is not None
    return report.exchange


# ------------------------------------------------------------------------------------------- what the log itself says
def ends(day: date) -> datetime:
    return as_utc(datetime.combine(day + _DAY, time(), CHINA))


def working_day(first: date) -> date:
    while not CALENDAR.is_working_day(first):
        first += _DAY
    return first


def told_at(at: datetime) -> datetime:
    """When the office hears of it: at the end of that day, or of the first working day after it."""
    return ends(working_day(at.astimezone(CHINA).date()))


def limit_of(case: ForeignCase) -> datetime:
    """The end of the first working day after the start that does not end before the log's deadline."""
    day = working_day(case.started_at.astimezone(CHINA).date() + _DAY)
    while case.deadline and ends(day) < case.deadline:
        day = working_day(day + _DAY)
    return ends(day)


def is_yellow(case: ForeignCase, until: datetime) -> bool:
    """Somebody heard of the case before it ended, on the last two working days of its limit."""
    last = (limit_of(case) - _DAY).astimezone(CHINA).date()
    before = last - _DAY
    while not CALENDAR.is_working_day(before):
        before -= _DAY
    turns = max(ends(before - _DAY), told_at(case.started_at))
    return turns <= until and turns < limit_of(case) and not (case.ended_at and told_at(case.ended_at) <= turns)


def by_the_standard_s_days(log: Sequence[ForeignCase], until: datetime) -> dict[str, int]:
    known = [case for case in log if told_at(case.started_at) <= until]
    ended = [case for case in known if case.ended_at and told_at(case.ended_at) <= until]
    late = [case for case in ended if case.ended_at and case.ended_at >= limit_of(case)]
    overdue = [case for case in known if case not in ended and limit_of(case) <= until]
    events = [event for case in known for event in case.events if told_at(event.at) <= until]
    counted = counted_of(known, ended, late, overdue, events)
    return {**counted, "yellow_lights": sum(is_yellow(case, until) for case in known), "cards_proposed": 0}


def rows_of(log: Sequence[ForeignCase], until: datetime) -> int:
    """The start is an application and an acceptance, everything else a row."""
    return sum(told_at(at) <= until for case in log for at in (case.started_at, *instants_of(case)))


async def agrees(
    office: Installation, log: Sequence[ForeignCase], until: datetime | None, last: datetime
) -> ReplayReport:
    report = await office.replay(log, until)
    for name, number in by_the_standard_s_days(log, last).items():
        assert getattr(report, name) == number, name
    went = course(report)
    # Nothing is lost: every row of the log has its verdict, and both sides hold the same of every day.
    assert went.rows == rows_of(log, last)
    taken = went.accepted + went.flagged + went.held
    assert went.rows == taken + went.ignored + went.rejected + went.unsayable
    assert await ExchangeRecord.all().count() == taken
    assert (went.days_missing, went.drifts) == (0, 0)
    for day in sorted({day_of(at) for each in log for at in instants_of(each)}):
        assert not any((await drifts_on(office.system.database, day)).values()), day
    # Every red light turned at its own instant.
    limits = {case.id: limit_of(case) for case in log}
    rows = await office.system.database.rows("SELECT at, body FROM event WHERE tag = 'report.light'")
    turned = [(instant(row["at"]), msgspec.json.decode(str(row["body"]), type=ReportedLightTurned)) for row in rows]
    reds = [(at, event) for at, event in turned if event.colour == "red"]
    assert len(reds) == report.red_lights == went.findings.get("reported_overdue", 0)
    assert all(at == event.at == limits[event.report] for at, event in reds)
    return report


async def test_a_slice_of_the_real_log_is_judged_by_the_standard_s_days(office: Installation):
    """`make peers` tells it all."""
    until = local("2010-12-25 00:00")
    report = await agrees(office, real_log()[1::4], until, until)
    assert min(counts(report)) > 0
    assert report.yellow_lights > 0
    assert course(report).complete_until == date(2010, 12, 24)
    assert {"LATE_REPORT", "AFTER_FINISH"} <= course(report).marks.keys()


# ------------------------------------------------------------------------------------------------------ small logs
async def test_the_rows_are_those_of_the_batch_that_from_log_writes(office: Installation, tmp_path: Path):
    path = tmp_path / "log.xes"
    path.write_bytes(GOLDEN.read_bytes().replace(b"2026-09", b"2011-03"))
    log = list(read_log(path))
    await office.replay(log)
    system, by_hand = office.system, Sender(source_system="BY-HAND", org=SENDER.org, region=SENDER.region)
    key = ec.generate_private_key(ec.SECP256R1())
    request = credentials.request_of(by_hand, key, organisation="衡江县")
    view = await exchange_desk.add_sender(system, by_hand, name="自建系统", unit="", request=request)
    certificate, key_file, batch = tmp_path / "own.pem", tmp_path / "own.key", tmp_path / "day.zip"
    certificate.write_bytes(exchange_desk.chain_of(system, view.certificate))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with batch.open("wb") as out:
        exchange_desk.write_log(out, path, WantedOfLog(), certificate, key_file, system.clock.now())
    with batch.open("rb") as source:
        taken = await exchange_desk.take(system, source)
    columns = (
        "rid",
        "projid",
        "table_name",
        "number",
        "version",
        "op",
        "event_time",
        "day",
        "digest",
        "payload",
        "state",
    )
    hands, replays = [
        sorted(await ExchangeRecord.filter(source_system=source).values_list(*columns))
        for source in ("BY-HAND", SENDER.source_system)
    ]
    assert len(replays) == taken.rows == rows_of(log, system.clock.now())
    assert replays == hands


async def test_an_end_within_the_deadline_s_day_is_in_time_and_after_it_is_not(office: Installation):
    log = [  # due on Thursday at noon
        case("A", ended="2011-03-10 23:59"),
        case("B", ended="2011-03-11 00:00"),
        case("C", deadline="2011-03-12 12:00", ended="2011-03-14 18:00"),  # on a Saturday, so on Monday
    ]
    report = await office.replay(log)
    assert counts(report) == (2, 1, 0, 0)
    assert course(report).findings == {"reported_overdue": 1}


async def test_days_of_rest_are_told_with_the_next_working_day_and_quiet_days_by_empty_batches(office: Installation):
    log = [case("A", started="2011-03-04 09:00", steps=["2011-03-05 10:00", "2011-03-06 10:00"])]  # a weekend
    report = await office.replay(log, local("2011-03-12 12:00"))
    batches = await ExchangeBatch.all().order_by("id")
    assert [(batch.day, batch.rows) for batch in batches] == [
        (date(2011, 3, 4), 2), (date(2011, 3, 7), 2), *((date(2011, 3, day), 0) for day in (8, 9, 10, 11)),
    ]  # fmt: skip
    assert all(batch.made_at == batch.complete_at == told_at(local(f"{batch.day} 12:00")) for batch in batches)
    assert course(report).marks == {"LATE_REPORT": 2}
    assert (course(report).days_missing, course(report).complete_until) == (0, date(2011, 3, 11))
    assert counts(report) == (0, 0, 0, 1)


async def test_what_is_told_before_its_application_waits_and_is_taken_with_a_mark(office: Installation):
    log = [case("A", steps=["2011-02-24 08:00", "2011-02-28 08:00"])]  # it begins on 1 March
    report = await office.replay(log)
    went = course(report)
    assert (went.rows, went.held, went.waiting) == (4, 2, 0)
    assert went.marks["ORDER_BROKEN"] == went.marks["TIME_BACKWARDS"] == 1
    assert await ExchangeRecord.filter(projid="A", table_name="step", state="kept").count() == 2


async def test_what_the_standard_cannot_say_is_named_and_counted(office: Installation):
    log = [
        case("办件1", steps=["2011-03-02 10:00"]),
        case("A", deadline="2011-02-01 12:00", ended="2011-03-08 12:00"),
        case("B"),
    ]
    went = course(report := await office.replay(log))
    assert (went.rows, went.unsayable, went.unsayable_codes) == (8, 4, {"TEXT_UNFIT": 3, "LIMIT_MISSING": 1})
    assert (went.accepted, went.held, went.rejected, went.drifts) == (3, 1, 0, 0)
    assert (report.cases, went.cases_without_limit, counts(report)) == (2, 1, (0, 0, 1, 0))


async def test_an_empty_log_is_an_empty_report(office: Installation):
    report = await office.replay([], local("2011-01-01 00:00"))
    assert (report.cases, course(report).batches, course(report).rows) == (0, 0, 0)


async def test_a_certificate_that_is_about_to_end_is_renewed(office: Installation):
    department = Department(office.system)
    await department.register()
    first = await ExchangeSender.get()
    office.clock.advance(729.5 * _DAY)
    day = day_of(office.clock.now()) - _DAY
    await department.tell(Telling(since=day, day=day, cases=[]))
    assert (await ExchangeSender.get()).serial != first.serial
    assert (await ExchangeBatch.get()).complete_at == office.clock.now()


async def test_a_log_that_outlives_the_office_s_ca_is_refused_before_anything_is_told(office: Installation):
    with pytest.raises(LogTooLong):
        await office.replay([case("A"), case("B", started="2021-03-01 09:00", deadline="2021-03-10 09:00")])
    assert not await ExchangeSender.exists()


async def test_an_office_that_has_heard_of_a_system_is_not_replayed_into(office: Installation):
    await office.replay([case()])
    with pytest.raises(DatabaseInUse):
        await office.replay([case("B", started="2011-04-01 09:00", deadline="2011-04-10 09:00")])
    assert await ExchangeCase.all().count() == 1


@pytest.mark.parametrize(
    ("log", "refusal"), [([case(deadline=None)], LogWithoutDeadline), ([case("A"), case("A")], LogCaseTwice)]
)
def test_a_log_that_cannot_be_judged_is_refused(log: list[ForeignCase], refusal: type[Refusal]):
    with pytest.raises(refusal):
        Diary.of(log)
