"""Another process pauses, drains and resumes a carrier through its row; the gateway obeys and tells how it is."""

import asyncio
from datetime import timedelta

import msgspec

import sms.gateway
from alerts.outgoing import claim
from sms.carriers import Condition
from sms.conversation import State
from tests.sms.carrier_desk import put, row_of, running, simulated, smpp_carrier, states_of, until, wait_for

PHONE = "13800138000"


async def want(database, wanted, carrier="east"):
    await database.execute("UPDATE carrier SET wanted = $1 WHERE name = $2", wanted, carrier)


async def weight_is(database, weight, carrier="east"):
    async def is_so():
        rows = await database.rows("SELECT effective_weight FROM carrier WHERE name = $1", carrier)
        return bool(rows) and rows[0]["effective_weight"] == weight

    await wait_for(is_so)


async def test_a_paused_carrier_sends_nothing_and_still_hears(database, clock):
    async with simulated(clock) as smsc:
        smsc.faults.receipt_delay_s = 0.2
        async with running(database, clock, smpp_carrier(smsc)) as gateway:
            await put(database, clock, "【衡江】甲", phone=PHONE)
            await until(database, submitted=1)
            await gateway.tend()  # else the row may still say 0, as before it was bound
            await weight_is(database, 10)
            await want(database, "paused")
            await weight_is(database, 0)
            await put(database, clock, "【衡江】乙", phone=PHONE)
            await until(database, delivered=1, queued=1)
            await asyncio.sleep(0.1)
            assert smsc.connections == 1
            await want(database, "running")
            await until(database, delivered=2)
            assert smsc.counts["binds"] == 1


async def test_what_was_claimed_before_a_pause_goes_before_the_row_says_paused(database, clock, monkeypatch):
    is_claimed, goes_on = asyncio.Event(), asyncio.Event()

    async def slowly(*where, **what):
        claimed = await claim(*where, **what)
        if claimed:
            is_claimed.set()
            await goes_on.wait()
        return claimed

    monkeypatch.setattr(sms.gateway, "claim", slowly)
    async with simulated(clock) as smsc, running(database, clock, smpp_carrier(smsc)) as gateway:
        await gateway.tend()
        await weight_is(database, 10)
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await is_claimed.wait()
        await want(database, "paused")

        async def has_obeyed():
            return not gateway.lanes[0].is_taking

        await wait_for(has_obeyed)
        await asyncio.sleep(0.05)
        assert (await row_of(database, "east"))["effective_weight"] == 10
        goes_on.set()
        await weight_is(database, 0)
        assert gateway.lanes[0].held or smsc.counts["accepted"]
        await until(database, delivered=1)


async def test_a_drained_carrier_finishes_and_leaves_and_binds_again_when_wanted(database, clock):
    async with simulated(clock) as smsc, running(database, clock, smpp_carrier(smsc)):
        await weight_is(database, 10)
        smsc.faults.response_delay_s = 0.1
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await smsc.handset(PHONE).next_text()
        await want(database, "drained")

        async def has_left():
            return smsc.connections == 0

        await wait_for(has_left)
        await put(database, clock, "【衡江】乙", phone=PHONE)
        await asyncio.sleep(0.1)
        assert smsc.counts["accepted"] == 1
        assert await states_of(database) in ({"delivered": 1, "queued": 1}, {"submitted": 1, "queued": 1})
        for _ in range(2):
            await want(database, "running")
            await wait_for(lambda: _none_is_queued(database))
            await want(database, "drained")
            await wait_for(has_left)
            await put(database, clock, f"【衡江】{_}", phone="13900139000")
        assert smsc.counts["binds"] == 3


async def test_what_a_drained_carrier_would_have_sent_goes_by_the_other(database, clock):
    async with simulated(clock) as one, simulated(clock) as other:
        async with running(database, clock, smpp_carrier(one, "east"), smpp_carrier(other, "west")):
            await weight_is(database, 10)
            await want(database, "drained")
            await weight_is(database, 0)
            await put(database, clock, *(f"【衡江】{n}" for n in range(20)), phone=PHONE)
            await until(database, delivered=20)
        assert (one.counts["accepted"], other.counts["accepted"]) == (0, 20)


async def test_a_wish_outlives_the_gateway(database, clock):
    async with simulated(clock) as smsc:
        async with running(database, clock, smpp_carrier(smsc)):
            await weight_is(database, 10)
            await want(database, "drained")
            await weight_is(database, 0)
        smsc.counts.clear()
        async with running(database, clock, smpp_carrier(smsc)) as gateway:
            await put(database, clock, "【衡江】甲", phone=PHONE)
            await gateway.tend()
            await asyncio.sleep(0.1)
            assert smsc.counts["binds"] == 0
            await want(database, "running")
            await until(database, delivered=1)


async def test_a_gateway_can_be_stopped_while_its_carrier_is_drained(database, clock):
    async with simulated(clock) as smsc:
        async with running(database, clock, smpp_carrier(smsc)):
            await weight_is(database, 10)
            await want(database, "drained")
            await weight_is(database, 0)
        assert smsc.connections == 0


async def test_the_row_says_how_the_carrier_is(database, clock):
    async with simulated(clock) as smsc:
        carrier = smpp_carrier(smsc, weight=7)
        async with running(database, clock, carrier, kinds={"east": "smpp"}):
            await carrier.bound(60)
            await put(database, clock, "【衡江】甲", phone=PHONE)
            await until(database, delivered=1)

            async def says_so():
                row = await row_of(database, "east")
                if row["seen_at"] is None:
                    return False
                condition = msgspec.json.decode(str(row["condition"]), type=Condition)
                return condition.counts.get("Accepted") == 1

            await wait_for(says_so)
        row = await row_of(database, "east")
        condition = msgspec.json.decode(str(row["condition"]), type=Condition)
        assert (row["kind"], row["wanted"], row["weight"], row["effective_weight"]) == ("smpp", "running", 7, 7)
        assert (condition.state, condition.window) == (State.BOUND_TRX, 16)
        assert condition.answer_s is not None
        assert row["down_since"] is None


async def test_a_carrier_that_left_the_settings_keeps_its_row_as_it_was(database, clock):
    async with simulated(clock) as smsc:
        async with running(database, clock, smpp_carrier(smsc, "west")):
            await weight_is(database, 10, "west")
        before = await row_of(database, "west")
        clock.advance(timedelta(hours=1))
        async with running(database, clock, smpp_carrier(smsc)) as gateway:
            await gateway.tend()
        assert await row_of(database, "west") == before


async def _none_is_queued(database):
    return not (await states_of(database)).keys() & {"queued", "sending"}
