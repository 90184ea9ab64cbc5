"""Quiet hours: notices wait for the morning, on the office's clock; warnings and answers do not."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from alerts.digests import ReleaseHeld
from alerts.dispatch import Notice, Recipient, notify
from alerts.settling import Outcome, Report
from alerts.templates import TEMPLATES
from alerts.texts import MessageClass
from casework.clock.working_days import CHINA
from kernel.actor import THE_CLOCK
from tests.alerts.county import ALERT_RULES, County
from tests.alerts.queue_desk import submitted

SAID = {
    "T08": {"cno": "衡监黄牌〔2026〕1号", "res": "维持", "deal": "请整改", "ev": "EV00000001"},
    "T11": {"no": "202600000001", "days": "20", "date": "10月22日"},
    "T19": {"tel": "07348123456"},
    "T20": {"year": "2027"},
}


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)


async def say(county: County, template: str, *, rules=ALERT_RULES, key="1", **to: Any) -> None:
    notice = Notice(
        key=f"{template}:{key}",
        template=TEMPLATES[template],
        to=Recipient(**{"phone": "13900000001", **to}),
        variables=SAID[template],
    )
    async with county.database.transaction():
        await notify(county.database, [notice], rules=rules, now=county.clock.now())


async def leaving(county: County, queue) -> list[str]:
    """The templates of what the clock lets go and a gateway takes now."""
    await county.do(ReleaseHeld(), THE_CLOCK)
    claimed = await queue.claim()
    await queue.record(*(submitted(message, f"id{message.id}") for message in claimed))
    return sorted(message.template[:3] for message in claimed)


@pytest.mark.feature("SMS-15")
async def test_a_notice_made_at_half_past_ten_in_the_evening_is_sent_at_eight_and_an_answer_at_once(county, queue):
    county.at("2026-10-20 22:30")
    for template in SAID:
        await say(county, template)
    # The answer to a text (T19) and a warning (T20) leave; of the classes that may wait only notices do.
    assert await leaving(county, queue) == ["T11", "T19", "T20"]
    county.at("2026-10-21 07:59")
    assert await leaving(county, queue) == []
    county.at("2026-10-21 08:00")
    assert await leaving(county, queue) == ["T08"]


@pytest.mark.parametrize(
    ("now", "morning"),
    [
        ("2026-09-18 21:00", "2026-09-19 08:00"),
        ("2026-09-18 23:59", "2026-09-19 08:00"),
        ("2026-09-19 00:00", "2026-09-19 08:00"),
        ("2026-09-19 07:59", "2026-09-19 08:00"),
        ("2026-12-31 22:30", "2027-01-01 08:00"),
        # When Europe and America change their clocks; Shanghai has not since 1991.
        ("2026-03-29 03:00", "2026-03-29 08:00"),
        ("2026-10-24 22:30", "2026-10-25 08:00"),
        # Not quiet.
        ("2026-09-18 20:59", None),
        ("2026-09-18 08:00", None),
    ],
)
def test_quiet_hours_end_at_eight_of_the_next_morning_in_shanghai(now, morning):
    assert ALERT_RULES.quiet_end(local(now)) == (local(morning) if morning else None)
    assert ALERT_RULES.send_after(local(now), MessageClass.NOTICE) == local(morning or now)
    assert ALERT_RULES.send_after(local(now), MessageClass.WARNING) == local(now)


def test_quiet_hours_may_lie_within_one_day_or_nowhere():
    noon = replace(ALERT_RULES, quiet_from=time(12), quiet_until=time(14))
    assert noon.quiet_end(local("2026-09-18 12:30")) == local("2026-09-18 14:00")
    assert noon.quiet_end(local("2026-09-18 22:30")) is None
    never = replace(ALERT_RULES, quiet_from=time(8), quiet_until=time(8))
    assert never.quiet_end(local("2026-09-18 22:30")) is None


async def test_a_deployment_says_which_classes_wait(county, queue):
    county.at("2026-10-20 22:30")
    rules = replace(ALERT_RULES, quiet_classes=frozenset({MessageClass.ITEM, MessageClass.WARNING}))
    for template in SAID:
        await say(county, template, rules=rules)
    assert await leaving(county, queue) == ["T08", "T19"]


async def test_a_notice_that_is_tried_again_waits_for_the_morning_as_well(county, queue):
    county.at("2026-10-20 20:59")
    for template in SAID:
        await say(county, template)
    again = [
        Report(message=message, outcome=Outcome.AGAIN, wait=timedelta(minutes=1)) for message in await queue.claim()
    ]
    await queue.record(*again)
    county.at("2026-10-20 21:00")
    assert await leaving(county, queue) == ["T11", "T19", "T20"]
    county.at("2026-10-21 08:00")
    assert await leaving(county, queue) == ["T08"]


async def test_what_a_carrier_could_not_take_by_day_does_not_come_at_night(county, queue):
    county.at("2026-10-20 18:00")
    await say(county, "T08")
    county.at("2026-10-20 23:00")
    assert await leaving(county, queue) == []
    county.at("2026-10-21 08:00")
    assert await leaving(county, queue) == ["T08"]


async def test_the_rest_of_a_half_sent_text_follows_its_beginning(county, queue):
    county.at("2026-10-20 20:59")
    await queue.put(template="T08", body="【衡江】" + "长" * 100, quiet=True)
    [message] = await queue.claim()
    half = Report(message=message, outcome=Outcome.AGAIN, accepted=((1, "p1"),), wait=timedelta(minutes=5))
    await queue.record(half)
    county.at("2026-10-20 21:04")
    assert await leaving(county, queue) == ["T08"]
