"""Warnings and codes that wait although a carrier is up: who hears of it, when, and how often."""

from datetime import timedelta

import pytest
from tortoise.exceptions import OperationalError

from alerts.settings import AlertRules
from sms import urgent_wait
from sms.urgent_wait import AGAIN, UrgentWait
from tests.alerts.queue_desk import QueueDesk
from tests.sms.carrier_desk import put, running, wait_for
from tests.sms.test_survival import Taker
from tests.standing import stand_anew

DUTY = "13600000001"
RULES = AlertRules(
    signature="衡江政务服务",
    service_phone="07348123456",
    duty_phone=DUTY,
    duty_email="duty@hall.example",
    mail=True,
    urgent_within=timedelta(seconds=120),
)


@pytest.fixture
def queue(database, clock) -> QueueDesk:
    return QueueDesk(database, clock)


async def told(queue) -> list[tuple[str, str]]:
    rows = await queue.database.rows(
        "SELECT to_phone, to_email, body FROM message WHERE template = 'T43_URGENT_WAITS' ORDER BY id"
    )
    return [(str(row["to_phone"] or row["to_email"]), str(row["body"])) for row in rows]


async def test_after_the_limit_the_officer_on_duty_is_told_by_text_and_mail(queue):
    watch = UrgentWait(queue.database, RULES)
    await queue.put(template="T01")  # may wait
    await queue.put(template="T02", wait=timedelta(hours=9))  # shall wait
    await queue.put(template="T02")
    assert not await watch.look(is_any_up=True, now=queue.clock.now())
    queue.clock.advance(timedelta(seconds=120))
    assert not await watch.look(is_any_up=True, now=queue.clock.now())
    queue.clock.advance(timedelta(seconds=1))
    assert await watch.look(is_any_up=True, now=queue.clock.now())
    body = "【衡江政务服务】积压告警：有通道可用，预警或验证码短信自9月18日09:00起仍未发出，请尽快检查短信通道和服务。"
    assert await told(queue) == [(DUTY, body), ("duty@hall.example", body)]


async def looks(watch, clock, seconds: int, *, is_any_up: bool = True) -> bool:
    """A look every five seconds; whether one of them told."""
    told_it = False
    for _ in range(0, seconds, 5):
        clock.advance(timedelta(seconds=5))
        told_it |= await watch.look(is_any_up=is_any_up, now=clock.now())
    return told_it


async def test_just_after_an_outage_nobody_is_told_of_what_waited_through_it(queue):
    watch = UrgentWait(queue.database, RULES)
    await watch.look(is_any_up=True, now=queue.clock.now())
    await queue.put(template="T02", valid=timedelta(days=1))
    assert not await looks(watch, queue.clock, 1800, is_any_up=False)  # of that the carrier's own alarm tells
    assert not await looks(watch, queue.clock, 120)
    assert await looks(watch, queue.clock, 10)  # it waits still, and the line has stood for long enough


async def test_what_left_after_an_outage_is_not_counted_with_what_waits_later(queue):
    watch = UrgentWait(queue.database, RULES)
    await queue.put(template="T02", valid=timedelta(days=1))
    await looks(watch, queue.clock, 1800, is_any_up=False)
    await looks(watch, queue.clock, 100)
    await queue.database.execute("UPDATE message SET state = 'delivered'")
    await stand_anew(queue.database)
    assert not await looks(watch, queue.clock, 100)
    await queue.put(template="T02", valid=timedelta(days=1))
    assert not await looks(watch, queue.clock, 120)
    assert await looks(watch, queue.clock, 10)


async def test_a_line_that_comes_and_goes_puts_it_off_and_not_for_ever(queue):
    watch = UrgentWait(queue.database, RULES)
    await queue.put(template="T02", valid=timedelta(days=1))
    for _ in range(6):
        assert not await looks(watch, queue.clock, 25)
        assert not await looks(watch, queue.clock, 60, is_any_up=False)
    assert await looks(watch, queue.clock, 25)


async def test_it_is_told_once_an_hour_however_many_gateways_notice(queue):
    one, other = UrgentWait(queue.database, RULES), UrgentWait(queue.database, RULES)
    await queue.put(template="T02", valid=timedelta(days=1))
    for watch in (one, other):
        await watch.look(is_any_up=True, now=queue.clock.now())
    for minutes in range(3, 120, 3):
        queue.clock.advance(timedelta(minutes=3))
        for watch in (one, other):
            await watch.look(is_any_up=True, now=queue.clock.now())
        assert len(await told(queue)) == 2 * (1 + (minutes - 3) // 60), minutes
    assert timedelta(hours=1) == AGAIN


async def test_what_the_database_refused_to_write_is_told_at_the_next_look(queue, monkeypatch):
    watch = UrgentWait(queue.database, RULES)
    await queue.put(template="T02")
    await watch.look(is_any_up=True, now=queue.clock.now())
    queue.clock.advance(timedelta(minutes=3))

    async def refuse(*_, **__):
        raise OperationalError("database is locked")

    with monkeypatch.context() as locked:
        locked.setattr(urgent_wait, "enqueue", refuse)
        with pytest.raises(OperationalError):
            await watch.look(is_any_up=True, now=queue.clock.now())
    assert await watch.look(is_any_up=True, now=queue.clock.now())
    assert len(await told(queue)) == 2


async def test_where_nobody_can_be_told_the_log_is(queue, caplog):
    watch = UrgentWait(queue.database, None)
    await queue.put(template="T02")
    await watch.look(is_any_up=True, now=queue.clock.now())
    queue.clock.advance(timedelta(minutes=3))
    assert not await watch.look(is_any_up=True, now=queue.clock.now())
    assert "urgent texts have waited 180 seconds" in caplog.text


class Full(Taker):
    """Up, and it has room for nothing."""

    ahead = -100


async def test_a_gateway_looks_by_itself(database, clock, queue):
    await put(database, clock, "【衡江】1", template="T02")

    async def later() -> bool:
        clock.advance(timedelta(seconds=30))
        return bool(await told(queue))

    async with running(database, clock, Full(), rules=RULES):
        await wait_for(later)
