"""A diode: nothing comes back. What is missing is known exactly, and listed for a person to carry."""

import hashlib
from datetime import timedelta

import pytest
from msgspec.structs import replace

from ferry import history
from ferry.overview import Concern, overview
from ferry.simulator.gap import Faults
from tests.ferry.pair import PACE
from tests.ferry.test_recovery import Backups

ONE_WAY = replace(
    PACE,
    repeats=(timedelta(0), timedelta(minutes=1)),
    patience=timedelta(minutes=5),
    heartbeat=timedelta(seconds=20),
    history=timedelta(seconds=60),
    window=6,
    block=4,
)


@pytest.fixture
async def diode(pair):
    """From outer to inner, and no way back."""
    pair.outer.changes = {"pace": ONE_WAY, "into": None}
    pair.inner.changes = {"pace": ONE_WAY, "out": None}
    await pair.start()
    return pair


@pytest.fixture
def backups(_shelf, diode):
    return Backups(_shelf, diode.databases)


async def steps(pair, count: int, seconds: float = 10) -> None:
    for _ in range(count):
        await pair.step(seconds)


async def true_gaps(pair) -> set[tuple[str, int]]:
    """What was numbered on one side and not applied on the other."""
    sent = {(row["lane"], row["seq"]) for row in await pair.outer.rows("SELECT lane, seq FROM ferry_parcel")}
    here = {(row["lane"], row["seq"]) for row in await pair.inner.rows("SELECT lane, seq FROM ferry_inbox")}
    return sent - here


async def told_gaps(pair) -> set[tuple[str, int]]:
    with pair.inner.here():
        lanes = await history.gaps(pair.inner.station)
    return {(lane.lane, seq) for lane in lanes for first, last in lane.missing for seq in range(first, last + 1)}


@pytest.mark.parametrize(("loss", "seed"), [(0.05, 1), (0.15, 2), (0.3, 3)])
async def test_reported_gaps_are_the_gaps_there_are(diode, loss, seed):
    diode.chance.seed(seed)
    diode.there.faults = Faults(loses=loss, delays=0.2, repeats=0.1)
    rids = [f"a{number}" for number in range(25)]
    for rid in rids:
        await diode.outer.hand_over(rid)
        await diode.step(10)
    await steps(diode, 20, 25)
    diode.there.faults = Faults()
    await steps(diode, 10, 20)
    gaps = await true_gaps(diode)
    assert await told_gaps(diode) == gaps
    effects = await diode.inner.effects()
    assert set(effects.values()) == {1}
    assert len(effects) + len([gap for gap in gaps if gap[0] == "case"]) == 25
    if loss == 0.3:
        assert gaps, "with so much loss something is lost for good"


async def test_each_parcel_is_repeated_and_no_more_often(diode):
    await diode.outer.hand_over("a")
    await steps(diode, 30)
    names = [name for name, _ in diode.there.swallowed if ".case." in name]
    assert len(names) == len(ONE_WAY.repeats)
    assert await diode.inner.effects() == {"case.state/a": 1}
    assert {row["state"] for row in await diode.outer.parcels()} == {"spent"}


async def test_a_gap_list_that_a_person_carries_back_fills_the_gaps(diode, tmp_path):
    diode.there.faults = Faults(loses=1.0)
    await diode.outer.hand_over("lost")
    await steps(diode, 10)
    diode.there.faults = Faults()
    await diode.outer.hand_over("came")
    await steps(diode, 10)
    assert not await diode.inner.effects(), "the lane waits with patience first"
    await steps(diode, 40)
    assert (await diode.inner.effects()).keys() == {"case.state/came"}
    assert await told_gaps(diode) == await true_gaps(diode) != set()
    await by_hand(diode, tmp_path)
    assert await diode.inner.effects() == {"case.state/lost": 1, "case.state/came": 1}
    assert await told_gaps(diode) == await true_gaps(diode) == set()


async def by_hand(diode, folder) -> None:
    """A person carries the list of gaps to the sender, and the device what the sender offers again."""
    with diode.inner.here():
        await diode.inner.engine.write_status(folder / "gaps.fry", now=diode.clock.now())
    with diode.outer.here():
        await diode.outer.engine.take_file(folder / "gaps.fry", now=diode.clock.now())
    await steps(diode, 5)


async def test_the_history_proves_that_everything_came(diode):
    for number in range(15):
        await diode.outer.hand_over(f"a{number}")
        await diode.step(10)
    await steps(diode, 15)
    with diode.inner.here():
        [case] = [lane for lane in await history.gaps(diode.inner.station) if lane.lane == "case"]
    assert (case.applied, case.proved, case.missing) == (15, 15, ())


async def test_a_history_that_tells_another_content_freezes_the_lane(diode):
    await diode.outer.hand_over("a")
    await steps(diode, 3)
    with diode.inner.here():
        async with diode.inner.database.transaction():
            await diode.inner.database.execute("UPDATE ferry_inbox SET content_id = $1 WHERE lane = 'case'", "e" * 64)
    await steps(diode, 15)
    assert await diode.inner.rows("SELECT id FROM ferry_cursor WHERE frozen_why <> '' AND lane = 'case'")


async def test_a_lost_announcement_of_an_epoch_is_made_good_by_a_heartbeat(diode):
    diode.there.faults = Faults(loses=1.0)
    await steps(diode, 12)
    diode.there.faults = Faults()
    await diode.outer.hand_over("a")
    await steps(diode, 10)
    assert await diode.inner.effects() == {"case.state/a": 1}
    assert ("ctl", 1) in await told_gaps(diode)


async def test_a_receiver_restored_from_a_backup_reports_what_it_no_longer_has_and_gets_it_by_hand(
    diode,
    backups,
    tmp_path,
):
    """Nobody tells the sender: everything since the backup is a gap, and exactly that."""
    await diode.outer.hand_over("a1")
    await steps(diode, 5)
    restore = await backups.of(diode.inner)
    for rid in ("a2", "a3"):
        await diode.outer.hand_over(rid)
        await steps(diode, 8)
    await restore()
    await diode.outer.hand_over("a4")
    await steps(diode, 40)
    assert (await diode.inner.effects()).keys() == {"case.state/a1", "case.state/a4"}
    assert await told_gaps(diode) == await true_gaps(diode) == {("case", 2), ("case", 3)}
    assert Concern.GAPS in await alarmed(diode.inner)
    await by_hand(diode, tmp_path)
    assert await diode.inner.effects() == {f"case.state/a{n}": 1 for n in range(1, 5)}
    assert await told_gaps(diode) == await true_gaps(diode) == set()


async def test_a_sender_restored_from_a_backup_stops_the_lane_until_a_person_begins_a_new_epoch(diode, backups):
    """Nobody tells it that its numbers are taken: the receiver notices, and believes neither."""
    await diode.outer.hand_over("a1")
    await steps(diode, 5)
    restore = await backups.of(diode.outer)
    await diode.outer.hand_over("lost")  # the backup does not know it; the receiver does
    await steps(diode, 8)
    await restore()
    await diode.outer.hand_over("b1")
    await steps(diode, 8)
    assert (await diode.inner.effects()).keys() == {"case.state/a1", "case.state/lost"}
    assert {Concern.LANE_FROZEN, Concern.QUARANTINE} <= await alarmed(diode.inner)
    with diode.outer.here():
        await diode.outer.engine.new_epoch(now=diode.clock.now())
    await diode.outer.hand_over("b2")
    await steps(diode, 30)
    assert await diode.inner.effects() == {f"case.state/{rid}": 1 for rid in ("a1", "lost", "b1", "b2")}
    assert Concern.LANE_FROZEN not in await alarmed(diode.inner)


async def alarmed(side) -> set[Concern]:
    with side.here():
        return {alarm.concern for alarm in (await overview(side.station, now=side.clock.now())).alarms}


def test_the_root_is_the_tree_of_rfc_6962():
    leaf = [hashlib.sha256(b"\0" + bytes([n]) * 32).digest() for n in range(3)]
    pair = hashlib.sha256(b"\1" + leaf[0] + leaf[1]).digest()
    ids = [(bytes([n]) * 32).hex() for n in range(3)]
    assert history.merkle_root(ids[:1]) == leaf[0].hex()
    assert history.merkle_root(ids) == hashlib.sha256(b"\1" + pair + leaf[2]).hexdigest()
