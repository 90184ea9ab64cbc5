"""A department's own system as a peer: its whole event log, lived through and judged as its own dates say, and told day
by day by the exchange and judged by the standard's days."""

from datetime import date

from kernel.db import Database
from tests.server import test_replay_exchange as told
from tests.server.test_replay import THE_LAST_INSTANT, agrees, counts, real_log
from tests.server.test_replay_exchange import Installation, office

__all__ = ["office"]


async def test_the_whole_real_log_is_judged_as_its_own_dates_say(database: Database):
    report = await agrees(database, real_log(), None, THE_LAST_INSTANT)
    assert (report.cases, report.events, report.officers) == (1434, 8577, 48)
    assert counts(report) == (952, 377, 66, 39)
    assert (report.red_lights, report.cards_proposed) == (416, 416)
    assert report.yellow_lights == 500


async def test_the_whole_real_log_told_day_by_day_is_judged_by_the_standard_s_days(office: Installation):
    report = await told.agrees(office, log := real_log(), None, told.told_at(THE_LAST_INSTANT))
    assert (report.cases, report.events, report.officers) == (1434, 8577, 48)
    assert counts(report) == (1025, 304, 62, 43)
    assert (report.yellow_lights, report.red_lights, report.cards_proposed) == (509, 347, 0)
    went = told.course(report)
    ended = sum(case.ended_at is not None for case in log)
    assert (went.batches, went.rows) == (327, 2 * 1434 + 8577 + ended)
    assert (went.accepted, went.flagged, went.held) == (11442, 1320, 12)
    assert (went.ignored, went.rejected, went.unsayable, went.waiting) == (0, 0, 0, 0)
    # Of 29 January, as those before it are days of rest.
    assert went.complete_until == date(2012, 1, 29)
    assert went.marks == {
        "AFTER_FINISH": 180, "LATE_REPORT": 1153, "OLDER_THAN_KNOWN": 2, "ORDER_BROKEN": 12, "TIME_BACKWARDS": 2,
    }  # fmt: skip
    assert went.findings == {"report_suspect": 104, "reported_overdue": 347}
