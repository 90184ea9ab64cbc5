"""Files that are gone or came damaged: nobody waits for ever, the lane goes on, and what is put back goes again."""

import hashlib
import shutil
from datetime import timedelta

import pytest

from casework.intake.tables import Upload
from ferry import lost, tidying
from ferry.inspecting import Inspector
from ferry.overview import Concern, overview
from ferry.refusals import FerryFileUnusable
from ferry.tables import UNJUDGED
from kernel.refusals import NotFound
from tests.ferry.test_disarm import handed, picture
from tests.ferry.test_pieces import whole
from tests.ferry.test_survival import send_a_file

CONTENT = picture("PNG")
SHA256 = hashlib.sha256(CONTENT).hexdigest()


async def seen(side) -> dict[str, int]:
    """Alarms about files, with how many."""
    with side.here():
        found = await overview(side.station, now=side.clock.now())
    named = {Concern.FILE_LOST, Concern.FILE_CORRUPT, Concern.FILES_UNCHECKED, Concern.LANE_UNWRITTEN}
    return {alarm.concern.value: alarm.count for alarm in found.alarms if alarm.concern in named}


async def loses_one(pair) -> None:
    """One file of two is gone before it is sealed."""
    await send_a_file(pair.outer, CONTENT)
    await send_a_file(pair.outer, b"another")
    pair.outer.files.discard(SHA256)


async def settle(pair) -> None:
    """And what has arrived is put together."""
    await pair.settle(seconds=6)
    await pair.inner.turn()


async def test_a_file_that_is_gone_holds_up_nothing_and_both_sides_know(pair):
    await loses_one(pair)
    await settle(pair)
    assert whole(pair.inner, b"another")
    assert not pair.inner.files.path_of(SHA256).exists()
    assert await seen(pair.outer) == {"FILE_LOST": 1}
    assert await seen(pair.inner) == {"FILE_CORRUPT": 1}
    with pair.outer.here():
        [file] = (await overview(pair.outer.station, now=pair.clock.now())).files
    assert (file.sha256, file.state, file.size) == (SHA256, "lost", len(CONTENT))
    pair.outer.files.path_of(SHA256).write_bytes(CONTENT[:-1])
    with pair.outer.here():
        station, now = pair.outer.station, pair.clock.now()
        with pytest.raises(FerryFileUnusable):
            await lost.send_again(station, SHA256, now=now)
        with pytest.raises(NotFound):
            await lost.send_again(station, "0" * 64, now=now)
        for begins in ("", "0" * 64, SHA256[:7], "%" * 8):
            with pytest.raises(NotFound):
                await lost.digest_of(station, begins)
        await lost.close(station, SHA256, now=now)
        assert await seen(pair.outer) == {}
        with pytest.raises(NotFound):
            await lost.close(station, SHA256, now=now)


async def test_a_file_that_is_gone_when_it_is_looked_into_is_told_as_well(pair):
    for side in pair.sides:
        side.changes["inspector"] = Inspector(max_octets=1 << 20)
        await side.start()
    await loses_one(pair)
    await settle(pair)
    assert (await seen(pair.outer), await seen(pair.inner)) == ({"FILE_LOST": 1}, {"FILE_CORRUPT": 1})


async def test_what_is_put_back_crosses_within_the_hour_and_the_alarms_end(pair):
    await loses_one(pair)
    await pair.settle()
    path = pair.outer.files.path_of(SHA256)
    path.write_bytes(CONTENT)
    pair.clock.advance(timedelta(hours=1))
    await settle(pair)
    assert whole(pair.inner, CONTENT)
    assert await seen(pair.outer) == await seen(pair.inner) == {}


async def test_an_empty_store_is_a_disk_that_is_not_there_and_is_waited_for(pair):
    await loses_one(pair)
    aside = pair.outer.folder / "aside"
    shutil.move(pair.outer.files.root, aside)
    pair.outer.files.root.mkdir()
    for _ in range(2):
        await pair.step(seconds=31)
    assert await seen(pair.outer) == {"LANE_UNWRITTEN": 0}
    pair.outer.files.root.rmdir()
    shutil.move(aside, pair.outer.files.root)
    await settle(pair)
    assert whole(pair.inner, b"another")
    assert await seen(pair.outer) == {"FILE_LOST": 1}


async def test_nothing_unchecked_crosses_where_the_store_is_gone_when_it_is_looked_into(pair):
    pair.outer.changes["inspector"] = Inspector(max_octets=1 << 20)
    await pair.outer.start()
    sha256 = await handed(pair.outer, CONTENT)
    aside = pair.outer.folder / "aside"
    shutil.move(pair.outer.files.root, aside)
    await pair.step()
    assert await seen(pair.outer) == {"FILES_UNCHECKED": 1}
    shutil.move(aside, pair.outer.files.root)
    pair.clock.advance(timedelta(seconds=40))
    await pair.settle()
    assert pair.inner.files.path_of(sha256).read_bytes() == CONTENT


@pytest.mark.parametrize("ended", ["closed", "gone"])
async def test_the_sender_sends_again_whatever_the_receiver_does_not_have(pair, ended):
    """Damaged on the way, which a person has seen to; or whole once and lost with a disk."""
    if ended == "gone":
        await send_a_file(pair.outer, CONTENT)
        await pair.settle()
        pair.inner.files.discard(SHA256)
    else:
        await send_a_file(pair.outer, CONTENT)
        path = pair.outer.files.path_of(SHA256)
        path.write_bytes(bytes(len(CONTENT)))
        await settle(pair)
        assert await seen(pair.inner) == {"FILE_CORRUPT": 1}
        path.write_bytes(CONTENT)
        with pair.inner.here():
            await lost.close(pair.inner.station, SHA256, now=pair.clock.now())
        assert await seen(pair.inner) == {}
    with pair.outer.here():
        assert await lost.digest_of(pair.outer.station, SHA256[:8]) == SHA256
        await lost.send_again(pair.outer.station, SHA256, now=pair.clock.now())
    await settle(pair)
    assert whole(pair.inner, CONTENT)
    assert await seen(pair.inner) == {}
    assert [row["state"] for row in await pair.inner.rows("SELECT state FROM ferry_file")] == ["whole"]


async def test_a_file_the_receiver_refused_is_sent_again_when_its_rules_let_it_pass(pair):
    pair.inner.changes["inspector"] = Inspector(max_octets=10)
    await pair.inner.start()
    await send_a_file(pair.outer, CONTENT)
    await settle(pair)
    assert [row["state"] for row in await pair.inner.rows("SELECT state FROM ferry_file")] == ["refused"]
    pair.inner.changes["inspector"] = Inspector(max_octets=1 << 20)
    await pair.inner.start()
    with pair.outer.here():
        await lost.send_again(pair.outer.station, SHA256, now=pair.clock.now())
    await settle(pair)
    assert whole(pair.inner, CONTENT)


async def test_after_a_new_epoch_a_file_goes_again_under_new_numbers(pair):
    await send_a_file(pair.outer, CONTENT)
    await pair.settle()
    pair.inner.files.discard(SHA256)
    with pair.outer.here():
        await pair.outer.engine.new_epoch(now=pair.clock.now())
        await lost.send_again(pair.outer.station, SHA256, now=pair.clock.now())
    await settle(pair)
    assert whole(pair.inner, CONTENT)


async def test_uploads_that_crossed_stay_outside_only_as_long_as_they_can_be_asked_for(pair):
    side, old = pair.outer, pair.clock.now()
    side.changes["keeps_sent_files"] = False
    await send_a_file(side, CONTENT)
    await pair.settle()
    path = side.files.path_of(SHA256)
    other = side.files.path_of("f" * 64)
    other.parent.mkdir(parents=True)
    other.write_bytes(b"filed again, and on its way")
    with side.here():
        for sha256, kept in ((SHA256, True), ("e" * 64, False), ("f" * 64, True)):
            await Upload.create(sha256=sha256, size=1, media_type="image/png", uploaded_at=old, kept=kept)
        piece = ("inner", "f" * 64, 1, 0, 1, old, UNJUDGED)
        await side.database.insert("ferry_piece", ("peer", "sha256", "size", "start", "octets", "at", "epoch"), [piece])
        await tidying.tidy(side.station, now=old + side.station.pace.keep)
        assert path.exists()
        await tidying.tidy(side.station, now=old + side.station.pace.keep + timedelta(days=1))
    assert not path.exists()
    assert other.exists()
    left = await side.rows("SELECT sha256 FROM upload ORDER BY sha256")
    assert [str(row["sha256"])[0] for row in left] == ["e", "f"]
