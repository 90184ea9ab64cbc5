"""Every limit tells somebody from seven tenths on, and everything that waits without end tells somebody too."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from ferry.lanes import RULES, Lane, LaneRule
from ferry.overview import Concern, overview
from ferry.refusals import AttachmentUnchecked
from ferry.tables import UNJUDGED, FerryHeld, FerryParcel
from tests.ferry.keyed import KeyedPair

CASE = Lane.CASE
#: What stops a lane: with which limit 7 parcels of 100 octets each, or 700 octets of room, are too near, and not yet.
LIMITS = {
    "under_way_parcels": (10, 11, Concern.LANE_FULL),
    "under_way_octets": (1000, 1001, Concern.LANE_FULL),
    "stash_parcels": (10, 11, Concern.STASH_FULL),
    "stash_octets": (1000, 1001, Concern.STASH_FULL),
    "free_octets": (491, 489, Concern.DISK_LOW),  # 700 is ten sevenths of 490
}


def test_every_limit_of_a_lane_is_in_the_table():
    closes_a_parcel = {"weight", "records", "octets", "after"}
    assert set(LaneRule.__struct_fields__) - closes_a_parcel == LIMITS.keys()


async def concerns(side, **changes) -> set[Concern]:
    side.changes |= changes
    with side.here():
        found = await overview(side.station, now=side.clock.now())
    return {alarm.concern for alarm in found.alarms}


async def test_each_limit_is_an_alarm_from_seven_tenths_on(pair):
    await pair.settle()
    side, now = pair.outer, pair.clock.now()
    with side.here():
        [channel] = await side.database.rows("SELECT epoch FROM ferry_channel WHERE lane = 'case'")
        [cursor] = await side.database.rows("SELECT epoch FROM ferry_cursor WHERE lane = 'case'")
        for seq in range(1, 8):
            said: dict[str, Any] = {"peer": "inner", "lane": CASE, "seq": seq, "octets": 100, "content_id": str(seq)}
            said["prev"] = ""
            await FerryParcel.create(**said, epoch=channel["epoch"], count=1, state="sealed", assigned_at=now)
            await FerryHeld.create(**said, epoch=cursor["epoch"], file=str(seq), at=now)
    ample = {name: far for name, (_, far, _) in LIMITS.items()}
    assert await concerns(side, rules={CASE: replace(RULES[CASE], **ample)}, free_octets=lambda: 700) == set()
    for name, (near, _, concern) in LIMITS.items():
        rule = replace(RULES[CASE], **{**ample, name: near})
        assert await concerns(side, rules={CASE: rule}) == {concern}, name


async def test_whatever_waits_without_end_is_an_alarm(pair):
    """One after the other: a parcel without room, a scanner that is gone, a silent peer, a wrong clock."""
    await pair.settle()
    side, now = pair.outer, pair.clock.now()
    with side.here():
        [channel] = await side.database.rows("SELECT epoch FROM ferry_channel WHERE lane = 'case'")
        await FerryParcel.create(
            peer="inner", lane=CASE, seq=1, prev="", content_id="1", octets=1, epoch=channel["epoch"], count=1,
            state="assigned", assigned_at=now,
        )  # fmt: skip
        assert await concerns(side) == set()
        pair.clock.advance(timedelta(seconds=30))
        assert await concerns(side) == {Concern.LANE_UNWRITTEN}
        await side.database.execute("UPDATE ferry_channel SET wanted = 'paused' WHERE lane = 'case'")
        assert await concerns(side) == set()
        piece = ("inner", "a" * 64, 1, 0, 1, now, UNJUDGED)
        await side.database.insert("ferry_piece", ("peer", "sha256", "size", "start", "octets", "at", "epoch"), [piece])
        verdict = ("a" * 64, AttachmentUnchecked.code, "", "", "", now)
        await side.database.insert("ferry_verdict", ("sha256", "code", "why", "media_type", "engine", "at"), [verdict])
        assert await concerns(side) == {Concern.FILES_UNCHECKED}
        await side.database.execute("UPDATE ferry_peer SET skew_ms = $1", 301_000)
        pair.clock.advance(timedelta(minutes=4))
        assert await concerns(side) == {Concern.FILES_UNCHECKED, Concern.CLOCKS_DIFFER, Concern.SILENT}


async def test_keys_of_either_side_are_an_alarm_when_seven_tenths_of_their_life_are_over(pair, tmp_path):
    keyed = KeyedPair(pair, tmp_path / "ca")
    await keyed.meet()
    side, ends = pair.outer, Concern.KEYS_ENDING
    assert ends not in await concerns(side)
    await keyed.later(days=2 * 365 * 0.69)
    assert ends not in await concerns(side)
    await keyed.later(days=2 * 365 * 0.02)
    assert ends in await concerns(side)
    await keyed.outer.make()  # ours are new; theirs are not
    assert ends in await concerns(side)
    await keyed.inner.make()
    await keyed.settle()
    assert ends not in await concerns(side)
