"""What the gateway writes down, and what it waits for meanwhile."""

import asyncio

import asyncpg
import pytest

from alerts import settling
from alerts.outgoing import LEASE, Channel, claim, claims, renew
from alerts.settling import Heard
from alerts.states import State
from sms import lane
from sms.carriers import Sent
from tests.sms.carrier_desk import put, running, until, wait_for
from tests.sms.test_survival import PHONE, Taker, bodies


class Few(Taker):
    ahead = 10


async def test_a_carrier_gets_no_more_while_what_became_of_the_last_ones_is_not_written(database, clock, monkeypatch):
    may_write = asyncio.Event()

    async def slowly(*of, **what):
        await may_write.wait()
        await settling.record(*of, **what)

    monkeypatch.setattr(lane, "record", slowly)
    await put(database, clock, *bodies(40), phone=PHONE)
    taker = Few()
    async with running(database, clock, taker) as gateway:
        await wait_for(lambda: _has_taken(taker, 10))
        for _ in range(3):
            await gateway.tend()
        assert len(taker.took) == 10
        may_write.set()
        await until(database, delivered=40)
    assert sorted(taker.took) == sorted(bodies(40))


class Prompt(Taker):
    """Its receipts come a moment after its answers, until it falls silent."""

    is_silent = False

    def send(self, text, on_sent):
        self.took.append(text.words)
        sms_id = f"{len(self.took):x}"
        on_sent(Sent(((1, sms_id),)))
        if not self.is_silent:
            receipt = Heard(sms_id, State.DELIVERED, text.phone)
            asyncio.get_running_loop().call_later(0.001, lambda: self._ears.heard(receipt))


async def test_where_receipts_come_at_once_they_are_written_with_the_answer_and_waited_for_a_moment(
    database, clock, monkeypatch
):
    written = []

    async def watched(*of, reports, heard, **what):
        written.append((len(reports), len(heard)))
        await settling.record(*of, reports=reports, heard=heard, **what)

    monkeypatch.setattr(lane, "record", watched)
    first, second, third = bodies(3)
    carrier = Prompt()
    async with running(database, clock, carrier):
        await put(database, clock, first, phone=PHONE)
        await until(database, delivered=1)
        await put(database, clock, second, phone=PHONE)
        await until(database, delivered=2)
        assert written[-1] == (1, 1)
        carrier.is_silent = True
        await put(database, clock, third, phone=PHONE)
        await until(database, delivered=2, submitted=1)


async def test_a_lease_is_renewed_past_what_is_just_being_settled(database, clock):
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    await put(database, clock, *bodies(2), phone=PHONE)
    [first], [second] = [
        await claim(database, now=clock.now(), limit=1, channel=Channel.SMS, carrier="east") for _ in range(2)
    ]
    clock.advance(LEASE / 2)
    elsewhere = await asyncpg.connect(database.url)
    try:
        async with elsewhere.transaction():
            await elsewhere.execute("SELECT id FROM message_claim WHERE id = $1 FOR UPDATE", first.claim)
            async with asyncio.timeout(60):
                await renew(database, {first.claim, second.claim}, now=clock.now())
    finally:
        await elsewhere.close()
    ends = await claims(database, channel=Channel.SMS)
    assert ends[second.claim] - ends[first.claim] == LEASE / 2


async def _has_taken(taker, count):
    return len(taker.took) >= count
