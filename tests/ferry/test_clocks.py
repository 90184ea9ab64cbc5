"""Clocks that jump: a day forward or back, while parcels are lost. No order and no loss hangs on them."""

from datetime import timedelta

import pytest

from ferry.overview import Concern, overview
from ferry.simulator.gap import Faults
from tests.ferry.test_survival import agree, send_a_file


class Offset:
    """The true time and a difference."""

    def __init__(self, clock) -> None:
        self._clock, self.by = clock, timedelta(0)

    def now(self):
        return self._clock.now() + self.by


async def alarmed(side) -> set[Concern]:
    with side.here():
        return {alarm.concern for alarm in (await overview(side.station, now=side.clock.now())).alarms}


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1)], ids=["forward", "back"])
async def test_a_clock_that_jumps_a_day_loses_delays_and_repeats_nothing(pair, jump):
    """Both sides send and receive, so that it does not matter whose it is."""
    pair.outer.clock = clock = Offset(pair.clock)
    await pair.start()
    for each in pair.sides:
        await each.hand_over("before")
    await pair.step()
    pair.there.faults = pair.back.faults = Faults(loses=1.0)
    for each in pair.sides:
        await each.hand_over("lost")
        await send_a_file(each, each.own.encode())
    await pair.step()
    clock.by = jump
    for each in pair.sides:
        await each.hand_over("after")
    await pair.step()
    pair.there.faults = pair.back.faults = Faults()
    await pair.settle(steps=40)  # minutes, and not the day by which it jumped
    assert {Concern.CLOCKS_DIFFER} == await alarmed(pair.outer) == await alarmed(pair.inner)
    # A code is good for five minutes, by whichever clock.
    for each in pair.sides:
        await each.hand_over("code", type="sms.text", expires=each.clock.now() + timedelta(minutes=5))
    await pair.settle(steps=40)
    expected = {"case.state/before", "case.state/lost", "case.state/after", "sms.text/code"}
    await agree(pair, {each.own: expected for each in pair.sides})
    clock.by = timedelta(0)
    await pair.settle(steps=40)
    for _ in range(8):
        await pair.step(20)
    assert set() == await alarmed(pair.outer) == await alarmed(pair.inner)
