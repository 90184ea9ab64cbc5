"""What goes first, and what happens when the other side is slow or the disk is full."""

import errno
from collections import Counter
from datetime import timedelta

import pytest
from msgspec.structs import replace

from ferry.lanes import RULES, Lane, Turns, rank
from ferry.overview import Concern, overview
from ferry.refusals import RecordRefused
from ferry.simulator.gap import Faults
from tests.ferry.pair import PACE

HOUR = timedelta(hours=1)


def test_the_strict_lanes_come_first_and_the_others_share_by_weight():
    turns = Turns()
    ready = set(Lane)
    assert turns.next(ready) is Lane.CTL
    assert turns.next(ready - {Lane.CTL}) is Lane.URGENT
    shared = [turns.next({Lane.CASE, Lane.BULK, Lane.SUPERVISE}) for _ in range(130)]
    assert Counter(shared) == {Lane.CASE: 80, Lane.BULK: 40, Lane.SUPERVISE: 10}
    assert Lane.SUPERVISE in shared[:13]
    assert turns.next(set()) is None


def test_an_unknown_lane_is_looked_at_last():
    assert [rank(lane) for lane in ("ctl", "supervise", "x")] == [0, 4, 5]


async def overtaken(pair, parcels: int) -> None:
    """A backlog of so many parcels, waiting to be sealed and lying with the device; an urgent record comes last."""
    rules = {**RULES, Lane.CASE: replace(RULES[Lane.CASE], records=1, under_way_parcels=2 * parcels)}
    pair.outer.changes = {"rules": rules, "pace": replace(PACE, seals=max(8, parcels // 10), first_again=HOUR)}
    pair.inner.changes = {"pace": replace(PACE, takes=max(8, parcels // 10))}
    await pair.start()
    await pair.settle()
    for start in range(0, parcels, 1000):
        await pair.outer.hand_over(*(f"c{number}" for number in range(start, min(start + 1000, parcels))))
    while len(await pair.outer.rows("SELECT id FROM ferry_place WHERE parcel IS NULL")) > parcels // 2:
        await pair.outer.turn()
    await pair.outer.hand_over("now", type="sms.text")
    await pair.outer.turn()
    assert len([row for row in await pair.outer.parcels("sealed") if row["lane"] == "urgent"]) == 1
    pair.there.sweep()
    await pair.inner.turn()
    await pair.settle(steps=400)
    applied = await pair.inner.rows("SELECT rid FROM ferry_applied WHERE rid NOT LIKE 'epoch%' ORDER BY id")
    assert [row["rid"] for row in applied] == ["now", *(f"c{number}" for number in range(parcels))]
    effects = await pair.inner.effects()
    assert (len(effects), set(effects.values())) == (parcels + 1, {1})
    assert len([row for row in await pair.outer.parcels("acked") if row["lane"] == "case"]) == parcels


async def test_an_urgent_record_overtakes_a_backlog_of_parcels(pair):
    """Twenty here. With ten thousand (`overtaken(pair, 10_000)`) it takes minutes and says the same."""
    await overtaken(pair, 20)


async def test_after_a_pause_a_record_leaves_at_once_and_those_that_follow_it_leave_together(pair):
    await pair.step(5)
    await pair.outer.hand_over("first")
    await pair.step(0)
    assert await pair.inner.effects() == {"case.state/first": 1}
    await pair.outer.hand_over("second")
    await pair.step(1)
    await pair.outer.hand_over("third")
    await pair.step(0)
    assert "case.state/second" not in await pair.inner.effects()
    await pair.step(1)
    assert {"case.state/second", "case.state/third"} <= set(await pair.inner.effects())
    parcels = [parcel for parcel in await pair.outer.parcels() if parcel["lane"] == "case"]
    assert [parcel["count"] for parcel in parcels] == [1, 2]


async def test_records_of_one_lane_take_effect_in_the_order_they_were_handed_over(pair):
    pair.there.faults = Faults(delays=0.6)
    for number in range(12):
        await pair.outer.hand_over(f"a{number}")
        await pair.step(3)
    await pair.settle()
    found = await pair.inner.rows("SELECT rid FROM ferry_applied WHERE rid LIKE 'a%' ORDER BY id")
    assert [row["rid"] for row in found] == [f"a{number}" for number in range(12)]


async def test_a_lane_whose_parcels_nobody_acknowledges_stops_at_its_limit_and_says_so_before(pair):
    rules = {**RULES, Lane.CASE: replace(RULES[Lane.CASE], under_way_parcels=4)}
    pair.outer.changes = {"rules": rules}
    await pair.outer.start()
    pair.there.faults = Faults(loses=1.0)
    for number in range(8):
        await pair.outer.hand_over(f"a{number}")
        await pair.step(3)
    assert len([row for row in await pair.outer.parcels("sealed") if row["lane"] == "case"]) == 4
    await pair.outer.hand_over("now", type="sms.text")
    await pair.step(1)
    assert [row for row in await pair.outer.parcels("sealed") if row["lane"] == "urgent"]
    with pair.outer.here():
        seen = await overview(pair.outer.station, now=pair.clock.now())
    assert (Concern.LANE_FULL, Lane.CASE) in {(alarm.concern, alarm.lane) for alarm in seen.alarms}
    pair.there.faults = Faults()
    await pair.settle()
    assert len(await pair.inner.effects()) == 9


async def test_with_little_room_on_the_disk_attachments_wait_first_and_urgent_records_never(pair):
    free = 100 << 20
    pair.outer.changes = {"free_octets": lambda: free}
    await pair.outer.start()
    await pair.outer.hand_over("a")
    await pair.outer.hand_over("b", type="bulk.note")
    await pair.outer.hand_over("now", type="sms.text")
    await pair.step(5)
    assert await pair.inner.effects() == {"sms.text/now": 1}
    free = 1 << 30
    await pair.step(5)
    assert (await pair.inner.effects()).keys() == {"sms.text/now", "case.state/a"}
    free = 1 << 40
    await pair.settle()
    assert len(await pair.inner.effects()) == 3


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO])
async def test_a_disk_that_is_full_while_a_parcel_is_written_loses_nothing(pair, fault):
    honest, failures = pair.outer.out, 4

    class Full:
        async def put(self, name, path):
            nonlocal failures
            if ".case." in name and failures:
                failures -= 1
                raise OSError(fault, "disk")
            await honest.put(name, path)

        def __getattr__(self, name):
            return getattr(honest, name)

    pair.outer.out = Full()
    await pair.outer.start()
    await pair.outer.hand_over("a")
    await pair.outer.hand_over("now", type="sms.text")
    await pair.step(3)
    assert await pair.inner.effects() == {"sms.text/now": 1}
    await pair.settle()
    assert (await pair.inner.effects())["case.state/a"] == 1
    assert failures == 0


async def test_a_clock_that_is_set_back_stops_neither_statuses_nor_parcels(pair):
    await pair.outer.hand_over("a")
    await pair.settle()
    earlier = pair.clock.now() - timedelta(hours=1)
    with pair.outer.here():
        assert (await pair.outer.engine.turn(earlier)).told
        assert not (await pair.outer.engine.turn(earlier + timedelta(seconds=1))).told
    await pair.outer.hand_over("b")
    with pair.outer.here():
        assert (await pair.outer.engine.turn(earlier + timedelta(seconds=2))).sealed == 1


async def test_a_paused_lane_is_not_sealed_and_goes_on_when_told(pair):
    with pair.outer.here():
        await pair.outer.engine.pause(Lane.CASE, is_paused=True)
    await pair.outer.hand_over("a")
    await pair.step(5)
    assert not [row for row in await pair.outer.parcels() if row["lane"] == "case"]
    with pair.outer.here():
        await pair.outer.engine.pause(Lane.CASE, is_paused=False)
    await pair.settle()
    assert await pair.inner.effects() == {"case.state/a": 1}


async def test_what_may_not_cross_is_refused_where_it_is_handed_over(pair):
    with pytest.raises(RecordRefused):
        await pair.outer.hand_over("a", text="x" * 5000)
    with pytest.raises(RecordRefused):
        await pair.outer.hand_over("a", type="case.secret")
    assert not await pair.outer.rows("SELECT id FROM ferry_record WHERE rid NOT LIKE 'epoch:%'")


async def test_a_record_handed_over_twice_is_one(pair):
    await pair.outer.hand_over("a")
    await pair.outer.hand_over("a")
    await pair.settle()
    assert await pair.inner.effects() == {"case.state/a": 1}


async def test_the_sender_forgets_what_was_acknowledged_long_ago_and_nothing_else(pair):
    await pair.outer.hand_over("old")
    await pair.settle()
    pair.clock.advance(timedelta(days=36))
    pair.there.faults = Faults(loses=1.0)
    await pair.outer.hand_over("new")
    await pair.step(10)
    pair.clock.advance(timedelta(days=36))
    await pair.step(10)
    kept = await pair.outer.rows("SELECT r.id, r.rid FROM ferry_record r JOIN ferry_place s ON s.id = r.id")
    assert [row["rid"] for row in kept if not str(row["rid"]).startswith("epoch:")] == ["new"]
    for table in ("ferry_record", "ferry_place"):
        assert await pair.outer.rows(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": len(kept)}], table
    pair.there.faults = Faults()
    await pair.settle()
    assert (await pair.inner.effects())["case.state/new"] == 1


async def test_a_quiet_pair_has_no_alarms_and_silence_is_one(pair):
    await pair.outer.hand_over("a")
    await pair.settle()
    await pair.step(60)
    with pair.outer.here():
        seen = await overview(pair.outer.station, now=pair.clock.now())
        later = await overview(pair.outer.station, now=pair.clock.now() + timedelta(hours=1))
    assert seen.alarms == ()
    assert [(lane.head, lane.acked) for lane in seen.lanes if lane.lane is Lane.CASE] == [(1, 1)]
    assert [alarm.concern for alarm in later.alarms] == [Concern.SILENT]
