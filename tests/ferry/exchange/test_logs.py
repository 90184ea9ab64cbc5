"""A department that has nothing but an event log: its rows, what they cannot say, and what becomes of them."""

import io
from collections.abc import Iterable
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from casework.acts import ImportForeignCases, ReportForeignSteps
from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import CHINA, end_of_day
from casework.intake.xes import ForeignCase, LogCaseTwice, LogWithoutDeadline, read_log
from ferry.exchange.acts import TurnReportedLights
from ferry.exchange.checking import Report, check
from ferry.exchange.codes import Table
from ferry.exchange.logs import Portion, write_log
from ferry.exchange.package import Package
from ferry.exchange.profiles.xes import Item, due_day
from ferry.exchange.standard import decode
from ferry.exchange.tables import ExchangeCase, ExchangeRecord
from kernel.clock import as_utc
from kernel.refusals import Refusal
from server.replay import Script
from tests.ferry.exchange.systems import SENDER, SendingSystem, clock_does, deliver
from tests.mobile_api.stage import Stage
from tools import exchange_sample_ca as sample

GOLDEN = Path(__file__).parent / "golden"
REAL_LOG = Path(__file__).parents[3] / ".." / "shared" / "data" / "receipt.xes.gz"
CALENDAR = builtin_calendar()
#: On Friday, before the system's stage is at nine.
MADE_AT = datetime.fromisoformat("2026-09-18T08:30:00+08:00")


def small() -> list[ForeignCase]:
    return list(read_log(GOLDEN / "log.xes"))


def written(
    log: Iterable[ForeignCase], system: SendingSystem | None = None, **portion: Any
) -> tuple[bytes, Report, list[bytes]]:
    """The package, what is said of it, and its lines."""
    out = io.BytesIO()
    key, certificates = (
        (system.key, system.certificates) if system else (sample.own(3), tuple(reversed(sample.authority())))
    )
    given = {"sender": SENDER, "batch": "L1", "until": date(2026, 9, 18), "made_at": MADE_AT, **portion}
    report = write_log(out, log, Portion(**given), CALENDAR, key, certificates)
    rows = [line for _, octets in Package(out).parts() for line in octets.splitlines()]
    return out.getvalue(), report, rows


def why(report: Report) -> list[tuple[str, str, str]]:
    return [(fact.rid, fact.column, fact.code) for fact in report.facts]


def test_the_small_log_is_told_as_the_golden_file_has_it():
    _, report, rows = written(small(), item=Item(code="SJ-XK-001", name="食品经营许可"))
    assert rows == (GOLDEN / "log.jsonl").read_bytes().splitlines()
    assert (report.conforms, report.rows) == (True, len(rows))


def test_what_is_written_passes_the_conformance_suite_with_the_same_verdicts():
    octets, told, _ = written(small())
    judged = check(io.BytesIO(octets), calendar=CALENDAR, root=sample.authority()[0])
    assert (judged.conforms, judged.believed, judged.sender) == (True, True, SENDER)
    assert (judged.verdicts, judged.codes, judged.rows) == (told.verdicts, told.codes, told.rows)
    assert told.facts == []
    assert judged.codes["AFTER_FINISH"] == 1
    assert judged.codes["TIME_BACKWARDS"] == 1
    assert "PROMISE_DATE_WRONG" not in judged.codes


@pytest.mark.parametrize(
    ("deadline", "due"),
    [
        ("2026-09-10T12:00", "2026-09-10"),
        ("2026-09-11T00:00", "2026-09-10"),  # midnight ends the day before
        ("2026-09-12T12:00", "2026-09-14"),  # a Saturday: art. 203
        ("2026-09-01T18:00", "2026-09-02"),  # the day of the start is not counted
        ("2046-01-05T12:00", "2046-01-05"),  # beyond the calendar, which the row's reason says
    ],
)
def test_a_deadline_is_told_as_the_first_working_day_that_does_not_end_before_it(deadline: str, due: str):
    case = msgspec.structs.replace(small()[0], deadline=datetime.fromisoformat(deadline).replace(tzinfo=CHINA))
    assert due_day(case, CALENDAR) == date.fromisoformat(due)


def test_days_told_one_by_one_are_the_rows_of_the_whole():
    whole = written(small())[2]
    days = {date.fromisoformat(msgspec.json.decode(line)["event_time"][:10]) for line in whole}
    parts = [written(small(), since=day, until=day)[2] for day in sorted(days)]
    assert len(parts) == 6
    assert sorted(line for part in parts for line in part) == sorted(whole)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"id": "办件1"}, ("办件1.apply.1.1", "projid", "TEXT_UNFIT")),
        ({"deadline": datetime(2026, 8, 1, tzinfo=CHINA)}, ("case-1.accept.1.1", "promise_days", "LIMIT_MISSING")),
        ({"deadline": datetime(2046, 1, 5, tzinfo=CHINA)}, ("case-1.accept.1.1", "promise_days", "LIMIT_MISSING")),
        (
            {"ended_at": datetime(2026, 9, 18, 9, 0, tzinfo=CHINA)},
            ("case-1.finish.1.1", "event_time", "EVENT_AFTER_SENT"),
        ),
    ],
)
def test_what_the_standard_cannot_say_is_named_row_by_row(change: dict[str, Any], fact: tuple[str, str, str]):
    case = small()[0]
    _, report, _ = written([msgspec.structs.replace(case, **change)])
    assert not report.conforms
    assert fact in why(report)


def test_what_the_standard_cannot_say_is_not_sent_and_spoils_its_own_day_only():
    first, second, _ = small()
    log = [
        msgspec.structs.replace(first, id="办件1"),
        msgspec.structs.replace(second, deadline=datetime(2026, 8, 1, tzinfo=CHINA)),
    ]
    found = {}
    for day in (1, 2, 10, 11):
        _, report, rows = written(log, since=date(2026, 9, day), until=date(2026, 9, day))
        found[day] = (report.rows, report.verdicts.get("rejected", 0), [decode(row).envelope.rid for row in rows])
    assert found == {
        1: (3, 3, []),
        2: (2, 1, ["case-2.apply.1.1"]),
        10: (1, 0, ["case-2.finish.1.1"]),
        11: (2, 2, []),
    }


@pytest.mark.parametrize(
    ("log", "refusal"),
    [
        ([msgspec.structs.replace(small()[0], deadline=None)], LogWithoutDeadline),
        ([small()[0], small()[0]], LogCaseTwice),
    ],
)
def test_a_log_that_cannot_be_judged_is_refused(log: list[ForeignCase], refusal: type[Refusal]):
    with pytest.raises(refusal):
        written(log)


async def taken(stage: Stage, system: SendingSystem, log: list[ForeignCase]) -> None:
    octets, report, _ = written(log, system)
    assert report.conforms, why(report)
    batch, _ = await deliver(stage, octets)
    assert (batch.rejected, batch.held, batch.drifts, batch.complete) == (0, 0, 0, True)
    assert batch.rows == report.rows == batch.accepted + batch.flagged
    while (await clock_does(stage, TurnReportedLights(limit=500))).count:
        pass


async def has_what_a_replay_performs(log: list[ForeignCase]) -> None:
    acts = [cue.act for cue in Script.of(log, None).cues]
    reports = [act for act in acts if isinstance(act, ReportForeignSteps)]
    cases = {case.projid: case for case in await ExchangeCase.all()}
    assert cases.keys() == {row.number for act in acts if isinstance(act, ImportForeignCases) for row in act.cases}
    ends = {number: case.ended_at for number, case in cases.items() if case.ended_at}
    assert ends == {act.case: act.ended_at for act in reports if act.ended_at}
    assert await ExchangeRecord.filter(table_name=Table.STEP).count() == sum(len(act.steps) for act in reports)
    steps = await ExchangeRecord.filter(table_name=Table.STEP).values_list("projid", "number", "event_time")
    assert sorted(steps) == sorted((case.id, n, as_utc(e.at)) for case in log for n, e in enumerate(case.events, 1))
    for case in log:
        told = cases[case.id]
        due = told.due_on
        assert due is not None
        assert end_of_day(due) >= case.due_at
        # The lights differ by what is left of the day, or by days of rest, and by nothing else.
        late = case.ended_at is None or case.ended_at >= end_of_day(due)
        assert (told.said_at == told.red_at) is late
        assert not late or case.ended_at is None or case.ended_at > case.due_at


async def test_the_small_log_is_taken_with_its_cases_steps_ends_and_lights(stage: Stage, system: SendingSystem):
    log = small()
    await taken(stage, system, log)
    await has_what_a_replay_performs(log)
    late, in_time, _ = [await ExchangeCase.get(projid=case.id) for case in log]
    assert (late.red_at, late.said_at) == (end_of_day(date(2026, 9, 10)), end_of_day(date(2026, 9, 10)))
    assert (in_time.due_on, in_time.said_at) == (date(2026, 9, 14), None)


async def test_the_real_log_is_taken_with_its_cases_steps_ends_and_lights(stage: Stage, system: SendingSystem):
    if not REAL_LOG.exists():
        pytest.skip("the real log is not at hand")
    log = list(islice(read_log(REAL_LOG), 25))
    await taken(stage, system, log)
    await has_what_a_replay_performs(log)
