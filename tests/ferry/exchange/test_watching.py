"""Whom a report is told to that does not get to the level above, and how often."""

from datetime import date, timedelta
from typing import Any

import pytest

from alerts.settings import AlertRules
from ferry.exchange.status import STUCK_TRIES
from ferry.exchange.upward_tables import ExchangeDue, ExchangeReport
from ferry.exchange.watching import WORDS, look
from server.ferry_metrics import ferry_figures, of_ferries

GIVEN: dict[str, Any] = {"signature": "衡江政务服务", "service_phone": "12345"}
RULES = AlertRules(**GIVEN, duty_phone="13900000001", duty_email="duty@example.gov.cn", mail=True)


@pytest.fixture
def watched(database, clock):
    async def looks(after_s: float = 0, rules: AlertRules = RULES) -> list[str]:
        clock.advance(timedelta(seconds=after_s))
        await look(database, rules, now=clock.now())
        return [str(row["template"]) for row in await database.rows("SELECT template FROM message ORDER BY id")]

    return looks


async def on_its_way(clock, **changes) -> ExchangeReport:
    given = {
        "batch": "20260918-a", "day": date(2026, 9, 18), "package": b"", "sha256": "0" * 64, "rows": 1,
        "made_at": clock.now(), "state": "waiting", "due_at": clock.now(),
    }  # fmt: skip
    return await ExchangeReport.create(**{**given, **changes})


async def stuck(database, clock) -> float:
    figures = await ferry_figures(database, (), now=clock.now())
    [family] = [each for each in of_ferries(figures) if each.name.endswith("exchange_stuck")]
    return family.samples[0].value


async def test_a_report_that_is_stuck_is_told_once_by_text_and_mail_and_once_that_it_goes_up(watched, database, clock):
    report = await on_its_way(clock, error="EXCHANGE_UNREACHABLE")
    assert await watched() == await watched(3600) == []
    assert await stuck(database, clock) == 0
    for _ in range(3):
        assert await watched(60) == ["T46_REPORTS_STUCK"] * 2
        assert await stuck(database, clock) == 1
    [first, *_] = await database.rows("SELECT body FROM message ORDER BY id")
    assert "向上级的数据报送自9月18日09:00起无法送达" in str(first["body"])
    await ExchangeReport.filter(id=report.id).update(state="taken", answered_at=clock.now())
    assert len(await watched(1)) == 2
    assert len(await watched(30)) == 2
    again = await on_its_way(clock, batch="20260918-b", attempts=STUCK_TRIES)  # as good as the same outage
    assert len(await watched(1)) == 2
    await again.delete()
    assert len(await watched(1)) == 2
    assert (await watched(61))[2:] == ["T47_REPORTS_WELL"] * 2
    assert len(await watched(6000)) == 4
    await on_its_way(clock, batch="20260918-c")
    assert (await watched(3601))[4:] == ["T46_REPORTS_STUCK"] * 2


async def test_what_is_made_anew_again_and_again_is_stuck_as_well(watched, clock):
    await on_its_way(clock, state="refused", attempts=STUCK_TRIES - 1)
    assert await watched() == []
    await ExchangeReport.all().update(attempts=STUCK_TRIES)
    assert len(await watched()) == 2


async def test_where_no_report_can_be_made_at_all_somebody_hears_of_it(watched, database, clock):
    await ExchangeDue.create(kind="case", name="SL1", at=clock.now())
    assert await watched(3599) == []
    assert len(await watched(2)) == 2
    [first, *_] = await database.rows("SELECT body FROM message ORDER BY id")
    assert WORDS[""] in str(first["body"])


async def test_where_nobody_is_on_duty_the_log_has_it(watched, clock, caplog):
    await on_its_way(clock, error="EXCHANGE_UNREACHABLE")
    assert await watched(3601, rules=AlertRules(**GIVEN)) == []
    assert "EXCHANGE_UNREACHABLE" in caplog.text
