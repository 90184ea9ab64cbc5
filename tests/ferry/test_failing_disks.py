"""Full and broken disks: whatever fails anywhere, the turn goes on; afterwards nothing is lost and nothing twice."""

import errno
from datetime import timedelta
from itertools import cycle

import pytest

from ferry.simulator.gap import Faults
from tests.ferry.failing_disk import FailingDisk
from tests.ferry.test_survival import agree, send_a_file

#: All that the ferry does on its own disk: what is tried, in which function. "thread" is one call alone in a thread.
PLACES = {
    "fsync engine._write", "fsync folder.sync", "fsync offering._write", "fsync pieces._joined",
    "mkdir incoming._open", "mkdir pieces._assembled", "mkdir pieces._joined", "mkdir pieces.settle",
    "mkdir station.place",
    "open engine._write", "open incoming.keep", "open offering._write", "open pieces._joined",
    "read incoming._open", "read offering.octets", "read pieces._joined", "read quarantine._digest",
    "replace pieces._assembled", "replace pieces.settle", "replace thread",  # held, put aside
    "unlink station.throw_away",
    "write incoming.keep", "write pieces._joined", "write sealing._write",
}  # fmt: skip


@pytest.fixture
def disk(pair, monkeypatch):
    made = FailingDisk(pair.outer.folder, pair.inner.folder)
    made.install(monkeypatch)
    return made


async def test_wherever_a_disk_fails_twice_nothing_is_lost_and_nothing_happens_twice(pair, disk):
    """Full the first time, broken the second; no turn fails for it."""
    for side in pair.sides:
        for number in range(2):
            await send_a_file(side, f"{side.own} {number}".encode() * 100)
    disk.faults = cycle([errno.ENOSPC, errno.EIO])
    disk.fails = lambda place: disk.failed[place] < 2
    pair.there.faults = pair.back.faults = Faults(delays=0.4, flips_a_bit=0.1)
    for number in range(5):
        for side in pair.sides:
            await side.hand_over(f"{number}")
            await side.hand_over(f"u{number}", type="sms.text")
        await pair.step(10)
    pair.there.faults = pair.back.faults = Faults()
    await pair.settle()
    for _ in range(12):
        await pair.step()  # files are put together
    expected = {f"case.state/{n}" for n in range(5)} | {f"sms.text/u{n}" for n in range(5)}
    await agree(pair, {side.own: expected for side in pair.sides})
    assert {place for place, times in disk.failed.items() if times == 2} >= PLACES
    disk.fails = lambda place: False
    await pair.start()
    for side in pair.sides:
        left = {path.relative_to(side.folder / "ferry").parts[0] for path in (side.folder / "ferry").rglob("*.*")}
        assert left <= {"quarantine"}
        assert not list(side.files.root.glob("ferry-*"))


async def test_one_file_that_cannot_be_read_or_removed_holds_up_no_other(pair):
    """As on a stick that is write-protected, or has a bad block: each is tried again, later."""
    honest, tried = pair.inner.into, []

    class Protected:
        async def get(self, name, path):
            tried.append(name)
            if ".urgent." in name:
                raise OSError(errno.EIO, "bad block")
            await honest.get(name, path)

        async def remove(self, name):
            raise OSError(errno.EROFS, "read-only")

        def __getattr__(self, name):
            return getattr(honest, name)

    pair.inner.into = Protected()
    await pair.inner.start()
    for number in range(8):
        await pair.outer.hand_over(f"u{number}", type="sms.text")
        await pair.outer.hand_over(f"a{number}")
        pair.clock.advance(timedelta(seconds=3))
        await pair.outer.turn()
    pair.there.sweep()
    for _ in range(8):
        await pair.inner.turn()
    assert (await pair.inner.effects()).keys() == {f"case.state/a{number}" for number in range(8)}
    assert max(tried.count(name) for name in tried) == 1
    pair.inner.into = honest
    await pair.inner.start()
    await pair.settle()
    effects = await pair.inner.effects()
    assert (len(effects), set(effects.values())) == (16, {1})


async def test_a_device_that_lets_us_put_and_not_remove_gets_each_status_once(pair):
    honest = pair.outer.out

    class PutOnly:
        async def remove(self, name):
            raise PermissionError("not ours to remove")

        def __getattr__(self, name):
            return getattr(honest, name)

    pair.outer.out = PutOnly()
    await pair.outer.start()
    await pair.outer.hand_over("a")
    for _ in range(30):
        pair.clock.advance(timedelta(seconds=1))
        await pair.outer.turn()
    assert len([name for name in honest.files if ".status." in name]) <= 30 / 5 + 1
    pair.there.sweep()
    await pair.settle()
    assert await pair.inner.effects() == {"case.state/a": 1}


async def test_a_file_whose_pieces_a_disk_lost_is_told_and_holds_up_nothing(pair):
    """As after a restore of the one and not of the other."""
    await send_a_file(pair.outer, b"whole" * 100)
    pair.inner.dies = lambda point: point == "after apply commit"
    await pair.step()
    await pair.inner.turn()
    for piece in (pair.inner.folder / "ferry" / "pieces").glob("*/*"):
        piece.unlink()
    pair.inner.dies = lambda point: False
    await pair.outer.hand_over("a")
    await pair.settle()
    assert await pair.inner.effects() == {"case.state/a": 1}
    assert [row["state"] for row in await pair.inner.rows("SELECT state FROM ferry_file")] == ["corrupt"]
