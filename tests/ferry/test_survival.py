"""Trials: both processes die at every named point while the device does its worst; then it heals, and all must agree.

What is asserted: each record handed over took effect exactly once on the other side, both sides name the same last
parcel of every lane, and nothing waits. The last tests break a rule of the engine and show that this would be noticed.
"""

import hashlib

import pytest

from ferry import applying, offering, outgoing
from ferry.simulator.gap import Faults

POINTS = {
    "before commit A", "after commit A", "after tmp", "after rename", "after commit B", "after pieces",
    "before apply commit", "after apply commit", "before remove", "after remove", "after hold file", "after hold",
    "after status tmp", "after status put", "after assembly",
}  # fmt: skip
HOSTILE = Faults(
    loses=0.15, repeats=0.1, delays=0.25, renames=0.1, truncates=0.08, shows_partial=0.08, flips_a_bit=0.08,
    replays=0.15, vanishes=0.03,
)  # fmt: skip
TYPES = ("case.state", "case.state", "sms.text", "bulk.note", "level.day")


async def trial(pair, *, transactions: int, dying: float = 0.06) -> dict[str, set[str]]:
    """Hands records over on both sides under fire, then lets the device work; what was handed over, by receiver."""
    expected: dict[str, set[str]] = {"outer": set(), "inner": set()}
    pair.there.faults = pair.back.faults = HOSTILE
    for side in pair.sides:
        side.dies = lambda point: pair.chance.random() < dying
    for number in range(transactions):
        side = pair.chance.choice(pair.sides)
        kind = pair.chance.choice(TYPES)
        rids = [f"{side.own}-{number}-{place}" for place in range(pair.chance.randint(1, 3))]
        await side.hand_over(*rids, type=kind)
        expected[side.peer] |= {f"{kind}/{rid}" for rid in rids}
        if pair.chance.random() < 0.15:
            await send_a_file(side, pair.chance.randbytes(3000))
        await pair.step(pair.chance.choice((1, 3, 8, 30)))
    for side in pair.sides:
        side.dies = lambda point: False
    pair.there.faults = pair.back.faults = Faults()
    return expected


async def send_a_file(side, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    path = side.files.path_of(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with side.here():
        async with side.database.transaction():
            await outgoing.hand_over_file(
                side.database, side.route, sha256=sha256, size=len(content), now=side.clock.now()
            )


async def agree(pair, expected: dict[str, set[str]]) -> None:
    for side, other in (pair.sides, pair.sides[::-1]):
        assert await side.effects() == dict.fromkeys(expected[side.own], 1)
        heads = await other.rows("SELECT lane, epoch, head_seq, head_id FROM ferry_channel ORDER BY lane")
        cursors = await side.rows("SELECT lane, epoch, applied, content_id FROM ferry_cursor ORDER BY lane")
        assert [tuple(row.values()) for row in heads] == [tuple(row.values()) for row in cursors]
        assert not await side.rows("SELECT id FROM ferry_held")
        assert not {"PARCEL_EQUIVOCAL", "PARCEL_RETIRED"} & (await side.quarantined()).keys()
        assert len(await side.rows("SELECT id FROM ferry_epoch")) == 1, "an epoch was begun to heal what broke"
        assert not await side.rows("SELECT id FROM ferry_cursor WHERE frozen_why <> ''")
        sent = {path.name for path in other.files.root.rglob("*") if path.is_file()}
        here = {path.name for path in side.files.root.rglob("*") if path.is_file()}
        assert sent <= here


@pytest.mark.parametrize("seed", range(3))
async def test_after_healing_both_sides_agree_and_every_effect_is_there_once(pair, seed):
    pair.chance.seed(seed)
    expected = await trial(pair, transactions=30)
    await pair.settle(steps=300, seconds=20)
    await agree(pair, expected)
    assert sum(sum(side.deaths.values()) for side in pair.sides) > 12
    happened = {fault for device in (pair.there, pair.back) for fault in device.counts}
    assert happened == set(Faults.__dataclass_fields__), "the device did not do everything"


@pytest.mark.feature("FERRY-05")
@pytest.mark.parametrize("point", sorted(POINTS))
async def test_whoever_is_killed_at_this_point_resumes_and_every_effect_is_there_once(pair, point):
    """At-least-once files, exactly-once effects: each side dies the first two times it comes by."""
    pair.there.faults = pair.back.faults = Faults(delays=0.5)
    for side in pair.sides:
        side.dies = lambda reached, side=side: reached == point and side.deaths.get(point, 0) < 2
    for number in range(4):
        for side in pair.sides:
            await side.hand_over(f"{number}-1", f"{number}-2")
            if number < 2:
                await send_a_file(side, f"{side.own} {number}".encode() * 100)
        await pair.step(3)
    await pair.settle()
    await agree(pair, {side.own: {f"case.state/{n}-{m}" for n in range(4) for m in (1, 2)} for side in pair.sides})
    assert sum(side.deaths.get(point, 0) for side in pair.sides), "nobody came by"


# ---- the same trials with a rule broken: that they fail shows that they can


async def broken_trials(pair, transactions: int) -> bool:
    """Whether anything went wrong."""
    pair.chance.seed(1)
    expected = await trial(pair, transactions=transactions, dying=0.1)
    try:
        await pair.settle(steps=30, seconds=20)
        await agree(pair, expected)
    except AssertionError:
        return True
    return False


async def test_a_cursor_in_a_transaction_of_its_own_would_be_noticed(pair, monkeypatch):
    async def apply(station, arrival, *, now):
        async with station.database.transaction():
            for line in arrival.records:
                envelope = station.route.types.read(line, station.route.takes)
                await station.route.types.kind(envelope.type).apply(station.database, now, envelope)
        station.reach("before apply commit")
        async with station.database.transaction():
            await applying._take_place(station, arrival, now)
        return ""

    monkeypatch.setattr(applying, "apply", apply)
    assert await broken_trials(pair, 25)


async def test_a_file_written_before_its_number_is_committed_would_be_noticed(pair, monkeypatch):
    honest = outgoing.assign

    async def assign(station, lane, *, now):
        try:
            async with station.database.transaction():
                assigned = await honest(station, lane, now=now)
                if assigned is not None:
                    await offering.offer(station, *assigned, now=now)
                    station.reach("after rename")
        except outgoing._Overtaken:
            return None
        return assigned

    monkeypatch.setattr(outgoing, "assign", assign)
    assert await broken_trials(pair, 25)


async def test_a_receiver_that_believes_what_it_cannot_verify_would_be_noticed(pair, monkeypatch):
    """Without the second line of defence and with every duplicate taken for new."""
    monkeypatch.setattr(applying, "judge", lambda *_: applying.Verdict.NEXT)

    async def all_new(station, good, now):
        return list(good)

    async def take_place(station, arrival, now):
        return True

    monkeypatch.setattr(applying, "_new_ones", all_new)
    monkeypatch.setattr(applying, "_take_place", take_place)
    assert await broken_trials(pair, 12)
