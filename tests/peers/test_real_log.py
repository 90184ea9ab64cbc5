"""A department's own system as a peer: its whole event log, lived through and judged as its own dates say."""

from kernel.db import Database
from tests.server.test_replay import THE_LAST_INSTANT, agrees, counts, real_log


async def test_the_whole_real_log_is_judged_as_its_own_dates_say(database: Database):
    report = await agrees(database, real_log(), None, THE_LAST_INSTANT)
    assert (report.cases, report.events, report.officers) == (1434, 8577, 48)
    assert counts(report) == (952, 377, 66, 39)
    assert (report.red_lights, report.cards_proposed) == (416, 416)
    assert report.yellow_lights == 500
