"""Urgent texts overtake a backlog, in the queue and in what a slow carrier already holds."""

import logging
from datetime import timedelta

import pytest
from msgspec.structs import replace

from alerts.outgoing import Channel, Letter, being_sent, claim, enqueue
from alerts.states import PRIORITIES, URGENT
from alerts.templates import TEMPLATES
from alerts.texts import Text
from sms.lane import Pace
from tests.sms.carrier_desk import backlog, put, running, simulated, smpp_carrier, wait_for
from tests.standing import count_of_states

PHONE = "13800138000"
IMPATIENT = Pace(poll_s=0.02, tend_s=0.05, drain_s=0.1)


async def test_an_urgent_text_leaves_before_what_a_slow_carrier_holds_already(database, clock):
    await backlog(database, clock, 3000)
    async with simulated(clock) as smsc:
        carrier = smpp_carrier(smsc, parts_per_s=200, ahead=2000)
        async with running(database, clock, carrier, pace=IMPATIENT) as gateway:
            ordinary, urgent = smsc.handset(PHONE), smsc.handset("13900139000")
            for _ in range(20):
                await ordinary.next_text()
            before = len(ordinary.inbox)
            await put(database, clock, "【衡江】黄灯", phone="13900139000", template="T02")
            gateway.wake()
            await urgent.next_text(timeout_s=60)
            overtaken_by = len(ordinary.inbox) - before
        # 2000 were in the carrier's hands, and half of them would have had to go before it claimed anything more.
        assert overtaken_by < 800


async def test_the_reserve_is_for_urgent_texts_only_and_has_an_end(database, clock):
    await backlog(database, clock, 100)
    async with simulated(clock) as smsc:
        smsc.faults.response_delay_s = 3600.0
        carrier = smpp_carrier(smsc, ahead=20, terms={"response_s": 3600.0})
        async with running(database, clock, carrier, pace=IMPATIENT) as gateway:
            await wait_for(lambda: _held(database, 20))
            bodies = [f"【衡江】红灯{number}" for number in range(100)]
            await put(database, clock, *bodies, phone="13900139000", template="T03")
            gateway.wake()
            await wait_for(lambda: _held(database, 36))
            await gateway.tend()
            assert await _held(database, 36)
            rows = await database.rows(f"SELECT m.priority FROM {being_sent(database)} WHERE m.priority < 6")
            assert len(rows) == 16


async def test_neither_a_hundred_thousand_that_may_not_go_yet_nor_as_many_that_wait_are_read_by_a_claim(
    database, clock, caplog
):
    await backlog(database, clock, 50_000, due_in=timedelta(hours=8), priority=1, prefix="later")
    await backlog(database, clock, 50_000, due_in=timedelta(minutes=1), priority=6, prefix="again")
    await backlog(database, clock, 2000, priority=4, prefix="now")
    await put(database, clock, "【衡江】黄灯", phone=PHONE, template="T02")
    claimed = await claim(database, now=clock.now(), limit=10, channel=Channel.SMS, carrier="east")
    assert [message.priority for message in claimed] == [1] + [4] * 9
    plan = await _plan_of_a_claim(database, clock, caplog)
    assert "idx_outstanding_due" in plan
    if database.dialect == "sqlite":
        assert "(state=? AND channel=? AND priority=? AND send_after<?)" in plan
        assert "SCAN message" not in plan
    else:
        condition = plan.partition("idx_outstanding_due")[2].partition("Index Cond:")[2].partition("\n")[0]
        assert all(column in condition for column in ("state", "channel", "priority", "send_after"))
        assert "Seq Scan on message " not in plan


async def test_what_goes_first_among_equals_is_what_was_due_first(database, clock):
    await backlog(database, clock, 3, due_in=timedelta(minutes=2), prefix="later")
    await backlog(database, clock, 3, due_in=timedelta(minutes=1), prefix="sooner")
    clock.advance(timedelta(minutes=2))
    claimed = await claim(database, now=clock.now(), limit=3, channel=Channel.SMS, carrier="east")
    assert [message.id for message in claimed] == [4, 5, 6]


def test_warnings_and_codes_are_urgent_and_to_dos_are_not():
    urgent = {name for name, template in TEMPLATES.items() if template.priority in URGENT}
    assert {"T02", "T03", "T05", "T21"} <= urgent
    assert "T01" not in urgent


async def test_a_priority_that_no_claim_asks_for_is_not_queued(database, clock):
    template = replace(TEMPLATES["T01"], priority=len(PRIORITIES))
    letter = Letter(
        dedupe_key="x",
        channel=Channel.SMS,
        text=Text(template, "【衡江】测试", 1),
        to=PHONE,
        send_after=clock.now(),
        expires_at=clock.now() + timedelta(days=1),
    )
    with pytest.raises(ValueError, match="nobody asks for priority 8"):
        await enqueue(database, [letter], now=clock.now())


async def _held(database, count):
    return (await count_of_states(database)).get("sending") == count


async def _plan_of_a_claim(database, clock, caplog):
    """Of the statement that `claim` sends, with its values in it."""
    await database.execute("ANALYZE")
    with caplog.at_level(logging.DEBUG, logger="tortoise.db_client"):
        await claim(database, now=clock.now(), limit=10, channel=Channel.SMS, carrier="west", may_repeat=False)
    (sql, values), *_ = [
        record.args for record in caplog.records if record.args and "FROM outstanding" in record.args[0]
    ]
    if database.dialect == "sqlite":
        return "\n".join(str(row["detail"]) for row in await database.rows(f"EXPLAIN QUERY PLAN {sql}", *values))
    for number, value in enumerate(values, 1):
        sql = sql.replace(f"${number}", f"'{value}'")
    return "\n".join(str(row["QUERY PLAN"]) for row in await database.rows(f"EXPLAIN {sql}"))
