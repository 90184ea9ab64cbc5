"""Files beside the records: piece by piece, whole at the end, and never half."""

import hashlib
import os
import random
from datetime import timedelta

import pytest

from casework.intake.tables import Upload
from ferry import tidying
from ferry.outgoing import hand_over_file
from tests.ferry.test_survival import send_a_file


def whole(side, content: bytes) -> bool:
    path = side.files.path_of(hashlib.sha256(content).hexdigest())
    return path.exists() and path.read_bytes() == content


@pytest.mark.parametrize("octets", [0, 1, 5000])
async def test_a_file_of_any_length_arrives_whole(pair, octets):
    content = bytes(octets)
    await send_a_file(pair.outer, content)
    await pair.settle()
    assert whole(pair.inner, content)
    assert [row["state"] for row in await pair.inner.rows("SELECT state FROM ferry_file")] == ["whole"]


async def test_a_file_sent_twice_crosses_once(pair):
    for _ in range(2):
        await send_a_file(pair.outer, b"once")
        await pair.settle()
    assert len([row for row in await pair.outer.parcels() if row["lane"] == "bulk"]) == 1


@pytest.mark.feature("FERRY-09")
async def test_a_hundred_megabytes_cross_and_what_arrived_is_not_sent_again(pair):
    """The second of two parcels is lost once; only that one is sealed anew."""
    content = random.Random(1).randbytes(100_000_000)
    sha256 = hashlib.sha256(content).hexdigest()
    await send_a_file(pair.outer, content)
    for _ in range(2):
        pair.clock.advance(pair.outer.station.pace.status_after)
        await pair.outer.turn()
    [lost] = [name for name in pair.there.entrance.files if ".bulk.2." in name]
    del pair.there.entrance.files[lost]
    await pair.settle()
    assert whole(pair.inner, content)
    bulk = {row["seq"]: row["offers"] for row in await pair.outer.parcels() if row["lane"] == "bulk"}
    assert bulk == {1: 1, 2: 2}
    assert not (pair.inner.folder / "ferry" / "pieces" / sha256).exists()


async def test_pieces_that_do_not_make_the_file_they_name_are_never_a_file(pair):
    path = pair.outer.files.path_of("a" * 64)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    with pair.outer.here():
        async with pair.outer.database.transaction():
            await hand_over_file(pair.outer.database, pair.outer.route, sha256="a" * 64, size=14, now=pair.clock.now())
    await pair.settle()
    assert not pair.inner.files.path_of("a" * 64).exists()
    assert [row["state"] for row in await pair.inner.rows("SELECT state FROM ferry_file")] == ["corrupt"]


async def test_whoever_waits_for_a_file_is_told_once_when_it_is_whole(pair):
    told = []

    async def on_file(database, now, sha256):
        told.append(sha256)

    pair.inner.changes = {"on_file": on_file}
    await pair.inner.start()
    await send_a_file(pair.outer, b"expected")
    await pair.settle()
    assert told == [hashlib.sha256(b"expected").hexdigest()]


async def test_files_are_forgotten_when_none_of_their_pieces_can_come_again_but_not_what_is_referred_to(pair):
    for content in (b"referred to", b"nobody's"):
        await send_a_file(pair.outer, content)
    await pair.settle()
    inner, kept = pair.inner, hashlib.sha256(b"referred to").hexdigest()
    with inner.here():
        await Upload.create(
            sha256=kept, size=11, media_type="text/plain", uploaded_at=pair.clock.now(), kept=True
        )  # fmt: skip
    twice = inner.station.place("pieces") / kept  # a piece that came once more than it was needed
    twice.mkdir()
    (twice / "0").write_bytes(b"referred to")
    fresh = inner.station.place("pieces") / ("f" * 64)
    fresh.mkdir()
    old = (pair.clock.now() - timedelta(days=2)).timestamp()
    os.utime(twice, (old, old))
    with inner.here():
        await tidying.tidy(inner.station, now=pair.clock.now())
    assert not twice.exists()
    assert fresh.exists(), "perhaps its parcel is just being applied"
    assert len(await inner.rows("SELECT id FROM ferry_file")) == 2
    with inner.here():
        await tidying.tidy(inner.station, now=pair.clock.now() + 2 * inner.station.pace.keep + timedelta(days=1))
    assert await inner.rows("SELECT id FROM ferry_file") == await inner.rows("SELECT id FROM ferry_arrived_piece") == []
    assert whole(inner, b"referred to")
    assert not whole(inner, b"nobody's")
