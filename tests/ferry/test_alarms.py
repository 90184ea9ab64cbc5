"""Whom a ferry in trouble is told to, and how often."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.settings import AlertRules
from ferry.alarms import WORDS, look
from ferry.lanes import Lane
from ferry.overview import Alarm, Concern, Overview

GIVEN: dict[str, Any] = {"signature": "衡江政务服务", "service_phone": "12345"}
RULES = AlertRules(**GIVEN, duty_phone="13900000001", duty_email="duty@example.gov.cn", mail=True)


def seen(*alarms: Alarm) -> Overview:
    return Overview(
        peer="inner", epoch="", their_epoch="", heard_at=None, skew_ms=0, round_trip_ms=0, lanes=(), quarantined=0,
        poison=0, alarms=alarms,
    )  # fmt: skip


@pytest.fixture
def watched(database, clock):
    async def looks(*alarms: Alarm, after: float = 0, rules: AlertRules = RULES) -> list[str]:
        clock.advance(timedelta(seconds=after))
        await look(database, rules, seen(*alarms), now=clock.now())
        return [str(row["template"]) for row in await database.rows("SELECT template FROM message ORDER BY id")]

    return looks


FULL = Alarm(concern=Concern.LANE_FULL, lane=Lane.CASE)
SILENT = Alarm(concern=Concern.SILENT)


async def test_trouble_that_lasts_is_told_once_by_text_and_mail_and_once_that_it_is_over(watched, database):
    assert await watched(FULL) == []
    assert await watched(FULL, after=30) == []
    assert await watched(FULL, after=31) == ["T41_FERRY_TROUBLE"] * 2
    for _ in range(3):
        assert len(await watched(FULL, SILENT, after=10)) == 2
    assert len(await watched(FULL, SILENT, after=60)) == 4
    assert len(await watched(FULL, after=30)) == 4
    assert len(await watched(after=30)) == 4
    assert len(await watched(FULL, after=30)) == 4
    assert len(await watched(after=30)) == 4
    assert (await watched(after=61))[4:] == ["T42_FERRY_WELL"] * 2
    assert len(await watched(after=600)) == 6
    [first, *_] = await database.rows("SELECT body FROM message ORDER BY id")
    assert "与inner的数据摆渡自9月18日09:00起待确认量达上限七成" in str(first["body"])


async def test_what_does_not_last_is_told_to_nobody(watched):
    for _ in range(5):
        assert await watched(SILENT, after=30) == []
        assert await watched(after=30) == []


async def test_where_nobody_is_on_duty_the_log_has_it(watched, caplog):
    await watched(SILENT, rules=AlertRules(**GIVEN))
    assert await watched(SILENT, after=61, rules=AlertRules(**GIVEN)) == []
    assert "SILENT" in caplog.text


def test_every_concern_has_words():
    assert set(WORDS) == set(Concern)
