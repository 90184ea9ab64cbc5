"""Two carriers: who gets what, who takes over, what nobody sends twice."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from alerts.outgoing import Channel, claim
from alerts.settings import AlertRules
from alerts.settling import Outcome, Report, record
from alerts.states import State
from alerts.texts import Code
from sms.carriers import Sent
from sms.lane import report_of
from sms.simulator.faults import Faults
from sms.statuses import DEFAULT_POLICY, Fault
from tests.sms.carrier_desk import put, row_of, running, simulated, smpp_carrier, states_of, until, wait_for

PHONE, DUTY = "13800138000", "13600000001"
RULES = AlertRules(signature="衡江政务服务", service_phone="07348123456", duty_phone=DUTY)
LONG = "【衡江政务服务】" + "一二三四五六七八九十" * 9


def bodies(count, of="件"):
    return [f"【衡江政务服务】第{number}{of}" for number in range(count)]


@pytest.mark.feature("SMS-14")
async def test_a_carrier_that_fails_one_text_in_five_loses_weight_and_raises_an_alarm_and_every_text_arrives_once(
    database, clock
):
    failing = Faults(error_every=5)
    async with (
        simulated(clock, faults=failing) as one,
        simulated(clock) as other,
        running(database, clock, smpp_carrier(one, "east"), smpp_carrier(other, "west"), rules=RULES),
    ):
        texts = bodies(300)
        for start in range(0, 300, 20):
            await put(database, clock, *texts[start : start + 20], phone=PHONE)
            await until(database, delivered=start + 20)
        assert one.counts["submitted"] > one.counts["accepted"] > 20
        arrived = [text.text for smsc in (one, other) for text in smsc.handset(PHONE).inbox]
        assert sorted(arrived) == sorted(texts)

        async def has_fallen():
            east, west = [float(str((await row_of(database, name))["effective_weight"])) for name in ("east", "west")]
            return 0 < east < 5 and west == 10

        await wait_for(has_fallen)
        clock.advance(timedelta(minutes=1))
        alarm = await other.handset(DUTY).next_text(timeout_s=60)
        assert alarm.text.startswith("【衡江政务服务】通道告警：短信通道east自9月18日09:00起错误率过高")
        await until(database, delivered=301)
        assert not one.handset(DUTY).inbox

        # Whichever carrier gets it does not answer: nobody knows, and the other is not asked to send it again.
        one.faults.clear()
        one.faults.lose_responses = other.faults.lose_responses = 1
        one.faults.no_receipts = other.faults.no_receipts = True
        await put(database, clock, "【衡江】1▒▒▒▒▒", phone="13900139000", template="T05", code=Code("card", "7:n", 5))
        await until(database, delivered=301, unknown=1)
        await asyncio.sleep(0.1)
        assert len(one.handset("13900139000").inbox) + len(other.handset("13900139000").inbox) == 1


async def test_two_healthy_carriers_share_by_weight(database, clock):
    async with simulated(clock) as one, simulated(clock) as other:
        east, west = smpp_carrier(one, "east", weight=30), smpp_carrier(other, "west", weight=10)
        async with running(database, clock, east, west) as gateway:
            await asyncio.gather(east.bound(60), west.bound(60))
            for start in range(40):
                await put(database, clock, *bodies(2, of=f"批{start}"), phone=PHONE)
                gateway.wake()
                await until(database, delivered=2 * start + 2)
        # By weight, give or take what came just while one after the other was asked.
        assert abs(one.counts["accepted"] - 60) <= 15
        assert one.counts["accepted"] + other.counts["accepted"] == 80


async def test_a_queue_is_worked_off_by_all_whatever_their_weights(database, clock):
    slow = Faults(response_delay_s=0.05)
    async with simulated(clock, faults=slow) as one, simulated(clock, faults=slow) as other:
        await put(database, clock, *bodies(300), phone=PHONE)
        east = smpp_carrier(one, "east", weight=99, ahead=20)
        west = smpp_carrier(other, "west", weight=1, ahead=20)
        async with running(database, clock, east, west):
            await until(database, delivered=300)
        assert other.counts["accepted"] > 50


async def test_what_a_carrier_that_goes_down_had_not_sent_goes_by_the_other_at_once(database, clock):
    slow = Faults(response_delay_s=0.05)
    async with simulated(clock, faults=slow) as one, simulated(clock) as other:
        await put(database, clock, *bodies(200), phone=PHONE)
        east, west = smpp_carrier(one, "east", ahead=100), smpp_carrier(other, "west")
        async with running(database, clock, east, west):
            await one.handset(PHONE).next_text()
            one.faults.bind_status = 0x0D
            one.cut()
            await wait_for(lambda: _none_waits(database))
            assert not east.is_up
        assert {text.text for smsc in (one, other) for text in smsc.handset(PHONE).inbox} == set(bodies(200))


async def _none_waits(database):
    return (await states_of(database)).keys() <= {"delivered", "submitted"}


async def test_what_one_carrier_refused_for_its_own_reasons_goes_to_the_other_and_back_only_after_a_wait(
    database, clock
):
    refusing = Faults(error_every=1, error_status=0x0A)
    async with (
        simulated(clock, faults=refusing) as one,
        simulated(clock, faults=refusing) as other,
        running(database, clock, smpp_carrier(one, "east"), smpp_carrier(other, "west")),
    ):
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await wait_for(lambda: _has_been_tried(database, 2))
        await asyncio.sleep(0.1)
        assert (one.counts["submitted"], other.counts["submitted"]) == (1, 1)
        refusing.error_every = 0
        clock.advance(timedelta(seconds=DEFAULT_POLICY[Fault.TECHNICAL].cap_s))
        await until(database, delivered=1)
        (row,) = await database.rows("SELECT attempts FROM message")
        assert row["attempts"] == 3


async def _has_been_tried(database, times):
    (row,) = await database.rows("SELECT attempts, state FROM message")
    return row["attempts"] == times and row["state"] == "queued"


async def test_a_carrier_alone_tries_again_what_it_refused(database, clock):
    faults = Faults(error_every=1)
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await wait_for(lambda: _has_been_tried(database, 1))
        faults.error_every = 0
        clock.advance(timedelta(minutes=1))
        await until(database, delivered=1)


# ------------------------------------------------------------------------------------------------------ in the queue


async def claimed(database, clock, carrier, **how):
    return await claim(database, now=clock.now(), limit=10, channel=Channel.SMS, carrier=carrier, **how)


async def test_what_a_carrier_had_last_is_left_to_the_others_while_there_are_others(database, clock):
    await put(database, clock, "【衡江】甲", phone=PHONE)
    (message,) = await claimed(database, clock, "east")
    report = Report(message=message, outcome=Outcome.AGAIN)
    await record(database, now=clock.now(), carrier="east", reports=[report])
    assert await claimed(database, clock, "east", may_repeat=False) == []
    assert len(await claimed(database, clock, "west", may_repeat=False)) == 1


async def test_the_rest_of_a_long_text_waits_for_its_carrier_and_expires_with_it(database, clock):
    await put(database, clock, LONG, phone=PHONE)
    (message,) = await claimed(database, clock, "east")
    report = Report(message=message, outcome=Outcome.AGAIN, accepted=((1, "a1"),))
    await record(database, now=clock.now(), carrier="east", reports=[report])
    assert await claimed(database, clock, "west", may_repeat=False) == []
    assert await claimed(database, clock, "west") == []
    async with simulated(clock) as other, running(database, clock, smpp_carrier(other, "west")):
        clock.advance(timedelta(days=1))
        await until(database, expired=1)
    (again,) = await database.rows("SELECT id FROM message WHERE state = $1", State.EXPIRED)
    assert again["id"] == message.id


async def test_only_its_own_carrier_takes_a_long_text_up_again_also_beside_others(database, clock):
    await put(database, clock, LONG, phone=PHONE)
    (message,) = await claimed(database, clock, "east")
    report = Report(message=message, outcome=Outcome.AGAIN, accepted=((1, "a1"),))
    await record(database, now=clock.now(), carrier="east", reports=[report])
    (again,) = await claimed(database, clock, "east", may_repeat=False)
    assert again.accepted == {1}


@pytest.mark.parametrize(
    ("attempts", "others", "sent", "outcome", "waits"),
    [
        (1, 1, Sent((), Fault.TEMPORARY, "x"), Outcome.AGAIN, False),  # the other has not been asked yet
        (2, 1, Sent((), Fault.TEMPORARY, "x"), Outcome.AGAIN, True),  # both said no
        (2, 2, Sent((), Fault.TEMPORARY, "x"), Outcome.AGAIN, False),
        (1, 0, Sent((), Fault.TECHNICAL, "x"), Outcome.AGAIN, True),
        (3, 5, Sent((), Fault.TECHNICAL, "x"), Outcome.GIVEN_UP, False),
        (1, 1, Sent(((1, "a1"),), Fault.TEMPORARY, "x"), Outcome.AGAIN, True),  # it has begun here, so it ends here
        (1, 1, Sent((), Fault.PERMANENT, "x"), Outcome.REFUSED, False),
        (1, 1, Sent((), Fault.UNKNOWN, "x"), Outcome.UNKNOWN, False),
        (9, 0, Sent((), Fault.TEMPORARY, "x", is_unsent=True), Outcome.UNSENT, False),
        (9, 0, Sent(((1, "a1"),), Fault.TEMPORARY, "x", is_unsent=True), Outcome.AGAIN, False),
        (1, 0, Sent(((1, "a1"),)), Outcome.SUBMITTED, False),
    ],
)
async def test_what_becomes_of_a_text(database, clock, attempts, others, sent, outcome, waits):
    await put(database, clock, "【衡江】甲", phone=PHONE)
    (message,) = await claimed(database, clock, "east")
    report = report_of(replace(message, attempts=attempts), sent, lambda: others)
    assert report.outcome is outcome
    assert bool(report.wait) is waits
