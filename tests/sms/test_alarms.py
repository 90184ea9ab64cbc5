"""The officer on duty hears of a carrier's trouble once, by another way, and of its end."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.settings import AlertRules
from sms.alarms import ADOPTED, SETTLED, STUCK_AFTER, Call, Trouble, Watch, trouble_of
from sms.carriers import Condition, Sent
from sms.lane import Pace
from sms.simulator.faults import Faults
from tests.sms.carrier_desk import put, row_of, running, simulated, smpp_carrier, until, wait_for

PHONE, DUTY = "13800138000", "13600000001"
RULES = AlertRules(signature="衡江政务服务", service_phone="07348123456", duty_phone=DUTY)
BY_MAIL = AlertRules(signature="衡江政务服务", service_phone="0734", mail=True, duty_email="duty@example.gov")
START = datetime(2026, 9, 18, 1, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


# -------------------------------------------------------------------------------------------------------- the watch


def looked(watch, *looks, alarmed_at=None):
    """What is called at each (seconds, trouble) since START, and when the alarm stands; as the row would have it."""
    calls = []
    for seconds, trouble in looks:
        now = START + timedelta(seconds=seconds)
        call = watch.look(trouble, alarmed_at=alarmed_at, now=now)
        if call is Call.ALARM:
            alarmed_at = now
            watch.raised()
        if call is Call.ALL_CLEAR:
            alarmed_at = None
        calls.append(call)
    return calls


def test_a_short_break_is_nobodys_business():
    assert looked(Watch(MINUTE), (0, Trouble.DOWN), (55, Trouble.DOWN), (58, None), (200, None)) == [None] * 4


def test_trouble_that_lasts_is_told_once_and_its_end_once():
    looks = [(second, Trouble.DOWN) for second in range(0, 300, 5)] + [(second, None) for second in range(300, 400, 5)]
    calls = looked(Watch(MINUTE), *looks)
    assert [(looks[n][0], call) for n, call in enumerate(calls) if call] == [(60, Call.ALARM), (330, Call.ALL_CLEAR)]


def test_a_link_that_comes_and_goes_is_in_trouble_all_the_time():
    flapping = [(5 * n, Trouble.DOWN if n % 4 else None) for n in range(1, 40)]
    assert looked(Watch(MINUTE), *flapping).count(Call.ALARM) == 1


def test_what_another_gateway_told_is_not_told_again_and_ended_by_it():
    watch = Watch(MINUTE)
    watch.look(None, alarmed_at=None, now=START)
    told_at = START + MINUTE
    at = told_at + SETTLED
    assert watch.look(Trouble.DOWN, alarmed_at=told_at, now=told_at) is None
    assert watch.look(None, alarmed_at=told_at, now=at) is None
    assert watch.look(None, alarmed_at=told_at, now=at + SETTLED) is None
    # Unless that one is gone.
    assert watch.look(None, alarmed_at=told_at, now=at + ADOPTED) is Call.ALL_CLEAR


def test_an_alarm_that_stands_at_the_start_is_ended_by_whoever_started():
    watch = Watch(MINUTE)
    assert watch.look(None, alarmed_at=START - MINUTE, now=START) is None
    assert watch.look(None, alarmed_at=START - MINUTE, now=START + SETTLED) is Call.ALL_CLEAR


@given(st.lists(st.tuples(st.floats(-7200, 7200), st.sampled_from([None, Trouble.DOWN])), max_size=60))
def test_alarm_and_all_clear_take_turns_however_the_clock_jumps(looks):
    calls = [call for call in looked(Watch(MINUTE), *looks) if call]
    assert calls[:1] in ([], [Call.ALARM])
    assert all(one is not next for one, next in pairwise(calls))


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({}, None),
        ({"is_down": True, "level": 0.1}, Trouble.DOWN),
        ({"level": 0.49}, Trouble.FAILING),
        ({"level": 0.6, "speed": 0.4}, Trouble.SLOW),
        ({"stuck_since": START - STUCK_AFTER}, Trouble.STUCK),
        ({"stuck_since": START}, None),
    ],
)
def test_the_worst_is_told(changes, trouble):
    well = {"is_down": False, "level": 1.0, "speed": 1.0, "stuck_since": None, "now": START}
    assert trouble_of(**{**well, **changes}) is trouble


# -------------------------------------------------------------------------------------------------------- the ways


async def test_of_a_carrier_that_is_down_the_officer_on_duty_reads_by_another_and_again_when_it_is_up(database, clock):
    async with simulated(clock) as one, simulated(clock) as other:
        east, west = smpp_carrier(one, "east"), smpp_carrier(other, "west")
        async with running(database, clock, east, west, rules=RULES):
            await asyncio.gather(east.bound(60), west.bound(60))
            one.faults.bind_status = 0x0D
            one.cut()
            await wait_for(lambda: _is_down(database, "east"))
            clock.advance(MINUTE)
            alarm = await other.handset(DUTY).next_text(timeout_s=60)
            assert alarm.text.endswith("短信通道east自9月18日09:00起连接中断，请尽快检查，恢复后另行告知。")
            clock.advance(timedelta(minutes=10))
            one.faults.clear()
            await east.bound(60)
            await wait_for(lambda: _is_up(database, "east"))
            clock.advance(SETTLED)
            await until(database, delivered=2)
            (end,) = [text for smsc in (one, other) for text in smsc.handset(DUTY).inbox if text is not alarm]
            assert "短信通道east已于9月18日09:11恢复正常" in end.text
            assert (await row_of(database, "east"))["alarmed_at"] is None


async def test_an_alarm_does_not_go_through_the_carrier_it_is_about(database, clock):
    # Up, and still the wrong way: it refuses every third text.
    async with (
        simulated(clock, faults=Faults(error_every=3)) as one,
        simulated(clock) as other,
        running(
            database, clock, smpp_carrier(one, "east", weight=100), smpp_carrier(other, "west", weight=1), rules=RULES
        ),
    ):
        for start in range(0, 60, 3):
            await put(database, clock, *(f"【衡江】{start + n}" for n in range(3)), phone=PHONE)
            await until(database, delivered=start + 3)
        clock.advance(MINUTE)
        alarm = await other.handset(DUTY).next_text(timeout_s=60)
        assert "错误率过高" in alarm.text
        assert not one.handset(DUTY).inbox


async def test_without_another_carrier_it_goes_by_mail(database, clock):
    async with simulated(clock) as gone:
        pass
    async with running(database, clock, smpp_carrier(gone), rules=BY_MAIL):
        await wait_for(lambda: _is_down(database, "east"))
        clock.advance(MINUTE)
        await wait_for(lambda: _is_alarmed(database))
        (mail,) = await database.rows("SELECT * FROM message")
        assert (mail["channel"], mail["to_email"], mail["priority"]) == ("mail", "duty@example.gov", 1)


async def test_with_no_way_at_all_the_log_says_so_once_and_the_officer_reads_it_when_there_is_one(
    database, clock, caplog
):
    async with simulated(clock) as one, simulated(clock) as other:
        one.faults.bind_status = other.faults.bind_status = 0x0D
        async with running(database, clock, smpp_carrier(one, "east"), smpp_carrier(other, "west"), rules=RULES):
            await wait_for(lambda: _is_down(database, "west"))
            clock.advance(MINUTE)
            await _logged(caplog, "carrier east: DOWN, and nobody can be told")
            await asyncio.sleep(0.2)
            assert caplog.text.count("carrier east: DOWN, and nobody can be told") == 1
            assert await database.rows("SELECT id FROM message") == []
            other.faults.clear()
            assert "通道east" in (await other.handset(DUTY).next_text(timeout_s=60)).text


async def test_a_gateway_started_anew_does_not_tell_it_again(database, clock):
    async with simulated(clock) as one, simulated(clock) as other:
        one.faults.bind_status = 0x0D
        for _ in range(2):
            async with running(database, clock, smpp_carrier(one, "east"), smpp_carrier(other, "west"), rules=RULES):
                await wait_for(lambda: _is_down(database, "east"))
                clock.advance(MINUTE)
                await wait_for(lambda: _is_alarmed(database))
                await asyncio.sleep(0.2)
        await until(database, delivered=1)


async def test_of_two_gateways_one_tells_it(database, clock):
    async with simulated(clock) as one, simulated(clock) as other:
        one.faults.bind_status = 0x0D
        first = [smpp_carrier(one, "east"), smpp_carrier(other, "west")]
        second = [smpp_carrier(one, "east"), smpp_carrier(other, "west")]
        async with (
            running(database, clock, *first, rules=RULES, alone=False),
            running(database, clock, *second, rules=RULES, alone=False),
        ):
            await wait_for(lambda: _is_down(database, "east"))
            await asyncio.sleep(0.2)  # both have seen it
            clock.advance(MINUTE)
            await wait_for(lambda: _is_alarmed(database))
            await asyncio.sleep(0.2)
            await until(database, delivered=1)


async def test_a_carrier_that_is_up_in_one_gateway_is_not_down(database, clock):
    async with simulated(clock) as smsc:
        smsc.faults.max_binds = 1
        first, second = smpp_carrier(smsc), smpp_carrier(smsc)
        async with running(database, clock, first, rules=RULES, alone=False):
            await wait_for(lambda: _is_up(database, "east"))
            async with running(database, clock, second, rules=RULES, alone=False) as gateway:
                await gateway.tend()
                assert not second.is_up
                clock.advance(timedelta(seconds=5))
                await gateway.tend()
                row = await row_of(database, "east")
                assert row["down_since"] is None
                assert row["effective_weight"] == 10


async def test_a_carrier_that_holds_texts_and_says_nothing_is_in_trouble(database, clock, caplog):
    async with simulated(clock) as smsc:
        smsc.faults.response_delay_s = 3600.0
        carrier, pace = smpp_carrier(smsc, terms={"response_s": 3600.0}), Pace(poll_s=0.02, tend_s=0.05, drain_s=0.1)
        async with running(database, clock, carrier, rules=BY_MAIL, pace=pace) as gateway:
            await put(database, clock, "【衡江】甲", phone=PHONE)
            await smsc.handset(PHONE).next_text()
            for _ in range(3):
                await gateway.tend()
                clock.advance(STUCK_AFTER)
            await _logged(caplog, "carrier east: STUCK; the officer on duty is told")


async def test_a_carrier_that_answers_slowly_beside_a_quick_one_keeps_little_of_its_weight(database, clock):
    slow, quick = Answering("east", 6.0), Answering("west", 0.1)
    async with running(database, clock, slow, quick, rules=RULES):
        await wait_for(lambda: _is_up(database, "west"))
        weights = [(await row_of(database, name))["effective_weight"] for name in ("east", "west")]
        assert weights == [pytest.approx(10 / 6), 10]
        clock.advance(MINUTE)
        await wait_for(lambda: _is_alarmed(database))
        (alarm,) = await database.rows("SELECT body, carrier FROM message")
        assert "短信通道east自9月18日09:00起响应过慢" in str(alarm["body"])


async def test_a_carrier_that_was_drained_is_in_no_trouble(database, clock):
    async with simulated(clock) as smsc, running(database, clock, smpp_carrier(smsc), rules=BY_MAIL) as gateway:
        await wait_for(lambda: _is_up(database, "east"))
        await database.execute("UPDATE carrier SET wanted = 'drained'")
        await wait_for(lambda: _weighs_nothing(database))
        clock.advance(timedelta(hours=1))
        await gateway.tend()
        assert (await row_of(database, "east"))["down_since"] is None
        assert await database.rows("SELECT id FROM message") == []


class Answering:
    """A carrier next door that says how long its answers take, and takes everything."""

    weight, ahead, needs_left, is_up = 10, 100, timedelta(), True

    def __init__(self, name, answer_s):
        self.name, self._answer_s, self._leaving = name, answer_s, asyncio.Event()

    def condition(self):
        return Condition(state="up", answer_s=self._answer_s)

    def send(self, text, on_sent):
        on_sent(Sent(((1, f"{text.reference:x}"),)))

    async def run(self, ears):
        await self._leaving.wait()
        self._leaving.clear()

    async def drain(self, timeout_s):
        self._leaving.set()


async def _is_down(database, carrier):
    rows = await database.rows("SELECT down_since FROM carrier WHERE name = $1", carrier)
    return bool(rows and rows[0]["down_since"])


async def _is_up(database, carrier):
    rows = await database.rows("SELECT * FROM carrier WHERE name = $1", carrier)
    return bool(rows and rows[0]["down_since"] is None and rows[0]["effective_weight"])


async def _is_alarmed(database):
    return (await row_of(database, "east"))["alarmed_at"] is not None


async def _weighs_nothing(database):
    return not (await row_of(database, "east"))["effective_weight"]


async def _logged(caplog, words):
    async def is_there():
        return words in caplog.text

    await wait_for(is_there)
