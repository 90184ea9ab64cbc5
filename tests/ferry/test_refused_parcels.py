"""Parcels that nobody should believe: kept in quarantine or held back, and nothing of them takes effect."""

import io
from datetime import timedelta

import pytest

from ferry import quarantine
from ferry.lanes import Lane
from ferry.parcel import MAX_HEADER_OCTETS, Label, json_lines
from ferry.records import Envelope
from ferry.sealing import SealingKeys, seal
from ferry.simulator.gap import Faults
from tests.ferry.pair import KEYS, TYPES, Note, keys_of

EPOCH = "f" * 32


def forged(pair, rids, *, seq=1, epoch=EPOCH, prev="0" * 64, own="outer", peer="inner", lane="case", text="x") -> bytes:
    """A parcel as the outer zone, or somebody in its place, might seal it."""
    lines = [
        TYPES.line(
            Envelope(rid=rid, type="case.state", key=rid, at=pair.clock.now(), body=Note(text=text)),
            pair.inner.route.takes,
        )
        for rid in rids
    ]
    target = io.BytesIO()
    keys = SealingKeys(own=KEYS[own], receiver=KEYS[peer].public_key())
    label = Label(channel=f"outer-inner.{lane}", epoch=epoch, seq=seq, prev=prev)
    addressed = keys_of("outer", "inner").address
    seal(target, label, json_lines(lines), schema=1, addressed=addressed, keys=keys, clock=pair.clock)
    return target.getvalue()


async def after(pair, name: str, octets: bytes, turns: int = 1) -> dict[str, str]:
    """What is in quarantine after the inner zone found this file."""
    pair.there.exit.files[name] = octets
    for _ in range(turns):
        await pair.inner.turn()
    return await pair.inner.quarantined()


async def crossed(pair, *rids: str) -> list[tuple[str, bytes]]:
    """Lets records cross; the files of the case lane that carried them."""
    await pair.outer.hand_over(*rids)
    await pair.settle()
    return [(name, octets) for name, octets in pair.there.swallowed if ".case." in name]


@pytest.mark.feature("FERRY-03")
async def test_tampered_unsigned_replayed_out_of_order_and_oversize_parcels_take_no_effect(pair):
    """Each is put aside with its reason; an early one is held until the one before it has come."""
    [(_, good)] = await crossed(pair, "good")
    effects = await pair.inner.effects()
    epoch = (await pair.inner.rows("SELECT epoch FROM ferry_cursor WHERE lane = 'case'"))[0]["epoch"]

    tampered = bytearray(forged(pair, ["t"], seq=2, epoch=epoch))
    tampered[len(tampered) // 2] ^= 1
    assert "PARCEL_SIGNATURE" in await after(pair, "tampered", bytes(tampered))

    unsigned = forged(pair, ["u"], seq=2, epoch=epoch)
    unsigned = unsigned[: unsigned.rindex(b"\0\0\0\0") + 4] + b"\0\0"
    before = len(await pair.inner.rows("SELECT id FROM ferry_quarantine"))
    await after(pair, "unsigned", unsigned)
    await after(pair, "strange", forged(pair, ["s"], seq=2, epoch=epoch, own="stranger"))
    assert len(await pair.inner.rows("SELECT id FROM ferry_quarantine")) == before + 2

    assert (await after(pair, "replayed", good))["PARCEL_REPLAYED"] == "noted"

    oversize = b"FRY1" + (MAX_HEADER_OCTETS + 1).to_bytes(4, "big") + bytes(100)
    assert "PARCEL_OVERSIZE" in await after(pair, "oversize", oversize)

    await after(pair, "early", forged(pair, ["e"], seq=5, epoch=epoch, prev="a" * 64))
    held = await pair.inner.rows("SELECT seq FROM ferry_held")
    assert [row["seq"] for row in held] == [5]

    assert await pair.inner.effects() == effects
    assert {
        row["applied"] for row in await pair.inner.rows("SELECT applied FROM ferry_cursor WHERE lane = 'case'")
    } == {1}
    kept = {path.name for path in (pair.inner.folder / "ferry" / "quarantine").iterdir()}
    listed = await pair.inner.rows("SELECT sha256 FROM ferry_quarantine WHERE state = 'kept'")
    assert kept == {f"{row['sha256']}.fry" for row in listed}
    assert not pair.there.exit.files


async def test_two_contents_under_one_number_freeze_the_lane_and_no_other(pair):
    await crossed(pair, "good")
    epoch = (await pair.inner.rows("SELECT epoch FROM ferry_cursor WHERE lane = 'case'"))[0]["epoch"]
    assert "PARCEL_EQUIVOCAL" in await after(pair, "other", forged(pair, ["bad"], seq=1, epoch=epoch))
    await pair.outer.hand_over("waits")
    await pair.outer.hand_over("goes", type="sms.text")
    for _ in range(5):
        await pair.step()
    assert (await pair.inner.effects()).keys() == {"case.state/good", "sms.text/goes"}
    with pair.inner.here():
        assert await quarantine.thaw(pair.inner.station, Lane.CASE)
    await pair.settle()
    assert "case.state/waits" in await pair.inner.effects()


async def test_a_parcel_that_follows_another_past_freezes_the_lane(pair):
    await crossed(pair, "good")
    epoch = (await pair.inner.rows("SELECT epoch FROM ferry_cursor WHERE lane = 'case'"))[0]["epoch"]
    assert "PARCEL_EQUIVOCAL" in await after(pair, "x", forged(pair, ["bad"], seq=2, epoch=epoch, prev="b" * 64))
    assert (await pair.inner.effects()).keys() == {"case.state/good"}


@pytest.mark.parametrize(
    "changes", [{"lane": "secret"}, {"peer": "stranger"}], ids=["no such lane", "for somebody else"]
)
async def test_a_parcel_of_another_channel_is_refused(pair, changes):
    assert (await after(pair, "x", forged(pair, ["a"], **changes))).keys() & {"PARCEL_FOREIGN", "PARCEL_UNREADABLE"}


async def test_a_parcel_of_an_epoch_that_ended_never_comes_back(pair):
    old = await crossed(pair, "one", "two")
    with pair.outer.here():
        await pair.outer.engine.new_epoch(now=pair.clock.now())
    await pair.outer.hand_over("three")
    await pair.settle()
    effects = await pair.inner.effects()
    assert "PARCEL_RETIRED" in await after(pair, "old", old[0][1])
    announcement = next(octets for name, octets in pair.there.swallowed if ".ctl.1." in name)
    await after(pair, "announcement", announcement)
    assert await pair.inner.effects() == effects
    await pair.outer.hand_over("four")
    await pair.settle()
    assert "case.state/four" in await pair.inner.effects()


async def test_a_file_that_is_still_growing_is_waited_for(pair):
    pair.there.faults = Faults(shows_partial=1.0)
    await pair.outer.hand_over("a")
    for _ in range(6):
        await pair.step()
    assert await pair.inner.effects() == {"case.state/a": 1}
    assert not await pair.inner.quarantined()


async def test_a_file_that_stays_torn_goes_into_quarantine_and_can_be_discarded(pair):
    await after(pair, "torn", forged(pair, ["a"])[:-5])
    assert "torn" in pair.there.exit.files
    pair.clock.advance(timedelta(minutes=2))
    assert await after(pair, "torn", pair.there.exit.files["torn"]) == {"PARCEL_TORN": "kept"}
    with pair.inner.here():
        [item] = await pair.inner.rows("SELECT id FROM ferry_quarantine")
        await quarantine.close(pair.inner.station, item["id"], state="discarded", why="设备故障", now=pair.clock.now())
    assert not list((pair.inner.folder / "ferry" / "quarantine").iterdir())


async def test_what_was_put_aside_for_a_missing_key_is_taken_in_again_once_the_key_is_there(pair):
    pair.inner.changes = {"keys": keys_of("inner", "stranger")}
    await pair.inner.start()
    await pair.outer.hand_over("a")
    for _ in range(3):
        await pair.step()
    assert "PARCEL_FOREIGN" in await pair.inner.quarantined()
    pair.inner.changes = {}
    await pair.inner.start()
    with pair.inner.here():
        for item in await pair.inner.rows("SELECT id FROM ferry_quarantine WHERE state = 'kept' ORDER BY id"):
            await pair.inner.engine.retry(item["id"], why="证书已登记", now=pair.clock.now())
        await pair.inner.turn()
    assert await pair.inner.effects() == {"case.state/a": 1}


# ---- single records


async def test_one_record_that_cannot_be_applied_is_kept_and_told_and_stops_nothing(pair):
    await pair.outer.hand_over("before")
    await pair.outer.hand_over("bad", text="poison")
    await pair.outer.hand_over("behind")
    await pair.settle()
    await pair.step(60)
    await pair.step(60)
    assert await pair.inner.effects() == {"case.state/before": 1, "case.state/behind": 1}
    assert await pair.outer.told() == {"bad/TEST_UNWELCOME": 1}
    [poison] = await pair.inner.rows("SELECT rid, heard FROM ferry_poison")
    assert (poison["rid"], bool(poison["heard"])) == ("bad", True)


async def test_a_strict_record_that_cannot_be_applied_stops_its_lane(pair):
    await pair.outer.hand_over("bad", type="case.strict", text="poison")
    await pair.outer.hand_over("behind")
    for _ in range(5):
        await pair.step()
    assert not await pair.inner.effects()
    [cursor] = await pair.inner.rows("SELECT applied, frozen_why FROM ferry_cursor WHERE lane = 'case'")
    assert cursor["applied"] == 0
    assert "strict" in cursor["frozen_why"]


async def test_a_parcel_of_mostly_poison_stops_its_lane(pair):
    await pair.outer.hand_over(*(f"good{n}" for n in range(8)))
    await pair.outer.hand_over(*(f"bad{n}" for n in range(4)), text="poison")
    for _ in range(5):
        await pair.step()
    assert not await pair.inner.effects()
    assert await pair.inner.rows("SELECT id FROM ferry_cursor WHERE frozen_why <> ''")


async def test_a_code_that_expired_is_not_sent_and_its_source_is_told(pair):
    await pair.outer.hand_over("late", type="sms.text", expires=pair.clock.now() + timedelta(seconds=1))
    await pair.step(5)
    assert await pair.outer.told() == {"late/RECORD_EXPIRED": 1}
    await pair.outer.hand_over("slow", type="sms.text", expires=pair.clock.now() + timedelta(seconds=30))
    pair.clock.advance(timedelta(seconds=1))
    await pair.outer.turn()  # it left in time
    pair.clock.advance(timedelta(minutes=5))
    await pair.settle()
    await pair.step(60)
    await pair.step(60)
    assert not await pair.inner.effects()
    assert await pair.outer.told() == {"late/RECORD_EXPIRED": 1, "slow/RECORD_EXPIRED": 1}
