"""Carriers that cannot be told when a text is news no more: what they are not given, and who gets the codes."""

from datetime import timedelta

import pytest

from alerts.outgoing import Channel, claim
from alerts.settling import Outcome, Report
from alerts.texts import Code
from sms.carriers import UNTOLD
from tests.alerts.queue_desk import QueueDesk
from tests.sms.carrier_desk import put, running, until, wait_for
from tests.sms.test_survival import PHONE, Taker
from tests.sms.test_urgent import IMPATIENT

CODE = Code("card-reply", "7:nonce", 5)


@pytest.fixture
def queue(database, clock) -> QueueDesk:
    return QueueDesk(database, clock)


class Mas(Taker):
    name, needs_left = "mas", UNTOLD


class Smpp(Taker):
    is_up = True


async def bodies(queue, **how) -> list[str]:
    claimed = await claim(
        queue.database, now=queue.clock.now(), limit=100, channel=Channel.SMS, carrier=how.pop("carrier", "mas"), **how
    )
    return [message.body for message in claimed]


async def test_what_has_hardly_any_life_left_is_not_handed_over_and_expires_in_our_hands(queue):
    await queue.put(body="【衡江】一分钟", valid=UNTOLD)
    await queue.put(body="【衡江】五分钟", valid=timedelta(minutes=5))
    assert await bodies(queue, needs_left=UNTOLD) == ["【衡江】五分钟"]
    assert await bodies(queue, carrier="east") == ["【衡江】一分钟"]
    await queue.put(body="【衡江】一分钟", valid=UNTOLD)
    queue.clock.advance(UNTOLD)
    await queue.tend()
    assert (await queue.states())[-1] == "expired"


async def test_a_code_is_left_to_who_can_take_it_back_until_somebody_has_had_it(queue):
    await queue.put_code(body="【衡江】确认码")
    await queue.put(body="【衡江】通知")
    assert await bodies(queue, leaves_codes=True) == ["【衡江】通知"]
    (code,) = await queue.claim(carrier="east")
    await queue.record(Report(message=code, outcome=Outcome.UNSENT, error="the connection ended"))
    assert await bodies(queue, leaves_codes=True, carrier="mas") == ["【衡江】确认码"]


async def test_codes_go_by_the_carrier_that_is_told_and_by_the_other_when_it_is_down(database, clock):
    smpp, mas = Smpp(), Mas()
    async with running(database, clock, mas, smpp) as gateway:
        for number in range(10):
            await put(database, clock, f"【衡江】{number}", phone=PHONE, template="T05", code=CODE)
            gateway.wake()
            await until(database, delivered=number + 1)
        assert (len(smpp.took), len(mas.took)) == (10, 0)
        smpp.is_up = False
        await put(database, clock, "【衡江】十", phone=PHONE, template="T05", code=CODE)
        gateway.wake()
        await until(database, delivered=11)
        assert len(mas.took) == 1


class Busy(Smpp):
    """Has more than half of what it may hold, and says nothing of it."""

    name, ahead = "east", 4

    def send(self, text, on_sent):
        self.took.append(text.words)


@pytest.mark.parametrize("mas_ahead", [1, 1000])
async def test_a_code_does_not_wait_until_the_carrier_that_is_told_is_half_empty(database, clock, mas_ahead):
    """Nor behind the other, whose room is greater."""
    east, mas = Busy(), Mas()
    mas.is_up, mas.ahead = False, mas_ahead
    async with running(database, clock, mas, east, pace=IMPATIENT) as gateway:
        await put(database, clock, *[f"【衡江】{number}" for number in range(4)], phone=PHONE)
        gateway.wake()
        await wait_for(lambda: _has(east, 4))
        mas.is_up = True
        await put(database, clock, "【衡江】确认码", phone=PHONE, template="T05", code=CODE)
        gateway.wake()
        await wait_for(lambda: _has(east, 5), timeout_s=5)
        assert mas.took == []


async def _has(carrier, count):
    return len(carrier.took) == count
