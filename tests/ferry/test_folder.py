"""Real folders instead of the simulated device, and the loop that turns by the clock."""

import asyncio
import errno
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from ferry.overview import Concern, overview
from ferry.transports import folder as transport
from ferry.transports.folder import Folder, FolderGone
from kernel.clock import SystemClock
from tests.ferry import ferry_process
from tests.ferry.pair import PACE


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "shared")


async def test_a_file_appears_whole_and_goes_when_removed(folder, tmp_path):
    (tmp_path / "one").write_bytes(b"parcel")
    assert await folder.names() == []
    await folder.put("a.fry", tmp_path / "one")
    assert await folder.names() == ["a.fry"]
    assert not (tmp_path / "one").exists()
    await folder.get("a.fry", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"parcel"
    await folder.remove("a.fry")
    await folder.remove("a.fry")
    assert await folder.names() == []
    with pytest.raises(FileNotFoundError):
        await folder.get("a.fry", tmp_path / "copy")


async def test_what_is_still_being_written_is_not_seen(folder, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / ".tmp-a.fry").write_bytes(b"half")
    (tmp_path / "shared" / "sub").mkdir()
    assert await folder.names() == []


@pytest.mark.parametrize("step", ["copy", "sync", "rename"])
async def test_a_full_stick_keeps_no_beginning(folder, tmp_path, monkeypatch, step):
    """As on another file system, where a file cannot be renamed to."""
    (tmp_path / "one").write_bytes(b"parcel")
    honest = os.replace

    def replace_(source, target):
        if ".tmp-" in str(source):
            if step == "rename":
                raise OSError(errno.ENOSPC, "full")
            return honest(source, target)
        raise OSError(errno.EXDEV, "another file system")

    def copyfile(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:3])
        raise OSError(errno.ENOSPC, "full")

    def sync(path):
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace_)
        if step == "copy":
            patched.setattr(shutil, "copyfile", copyfile)
        if step == "sync":
            patched.setattr(transport, "sync", sync)
        with pytest.raises(OSError, match=r"full|broken"):
            await folder.put("a.fry", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"parcel"
    assert list((tmp_path / "shared").iterdir()) == []
    await folder.put("a.fry", tmp_path / "one")
    assert await folder.names() == ["a.fry"]


async def test_a_folder_that_was_there_once_is_not_made_again(pair, tmp_path):
    """A stick that is not mounted: below it is somebody else's disk. Another process knows it, too."""
    (tmp_path / "one").write_bytes(b"parcel")
    shared, note = tmp_path / "stick" / "out", tmp_path / "var" / "out"
    await Folder(shared, noted_in=note).put("a.fry", tmp_path / "one")
    shared.rename(tmp_path / "away")
    (tmp_path / "one").write_bytes(b"parcel")
    again = Folder(shared, noted_in=note)
    with pytest.raises(FolderGone):
        await again.put("b.fry", tmp_path / "one")
    assert not shared.exists()
    assert (tmp_path / "one").exists()
    pair.outer.changes = {"out": again}
    with pair.outer.here():
        alarms = (await overview(pair.outer.station, now=pair.clock.now())).alarms
    assert Concern.FOLDER_GONE in {alarm.concern for alarm in alarms}
    (tmp_path / "away").rename(shared)
    await again.put("b.fry", tmp_path / "one")
    assert sorted(await again.names()) == ["a.fry", "b.fry"]
    # One that the settings name instead is new.
    (tmp_path / "one").write_bytes(b"parcel")
    await Folder(tmp_path / "other", noted_in=note).put("a.fry", tmp_path / "one")


MEMORY = Path("/dev/shm")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two file systems: /dev/shm and another")
    return MEMORY / tmp_path.name


async def test_a_stick_on_another_file_system_gets_a_synced_copy(stick, tmp_path):
    (tmp_path / "one").write_bytes(b"parcel")
    try:
        await Folder(stick).put("a.fry", tmp_path / "one")
        assert [path.name for path in stick.iterdir()] == ["a.fry"]
        assert not (tmp_path / "one").exists()
    finally:
        for path in stick.iterdir():
            path.unlink()
        stick.rmdir()


async def test_two_loops_and_two_shared_folders_carry_an_urgent_record(pair, tmp_path):
    there, back = Folder(tmp_path / "there"), Folder(tmp_path / "back")
    for side, out, into in ((pair.outer, there, back), (pair.inner, back, there)):
        side.changes = {"out": out, "into": into, "clock": SystemClock()}
    stop, arrived = asyncio.Event(), asyncio.Event()
    pair.inner.changes["reach"] = lambda point: arrived.set() if point == "after apply commit" else None

    async def run(side) -> None:
        with side.here():
            await side.engine_of().run(stop)

    loops = [asyncio.create_task(run(side)) for side in pair.sides]
    await pair.outer.hand_over("now", type="sms.text")
    async with asyncio.timeout(60):
        while not await pair.inner.effects():  # what arrives first is the announcement of the epoch
            await arrived.wait()
            arrived.clear()
    stop.set()
    await asyncio.gather(*loops)
    assert await pair.inner.effects() == {"sms.text/now": 1}


async def test_a_sender_killed_again_and_again_loses_nothing_and_repeats_nothing(pair, tmp_path):
    """SIGKILL to a process of its own, each time after a few more of its files appeared."""
    ferry_process.save_keys(tmp_path)
    records = [f"a{number}" for number in range(3000)]
    for start in range(0, 3000, 500):
        await pair.outer.hand_over(*records[start : start + 500])
    url = pair.outer.url
    await pair.outer.close()
    inner = pair.inner
    inner.changes = {
        "out": Folder(tmp_path / "back"), "into": Folder(tmp_path / "there"), "clock": SystemClock(),
        "pace": replace(PACE, status_after=timedelta(0)),
    }  # fmt: skip
    inner.clock = SystemClock()
    await inner.start()
    async with asyncio.timeout(100):
        for enough in (2, 9, 18, 31):  # thirty parcels of a hundred, and the announcement
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.ferry.ferry_process", url, str(tmp_path)
            )
            while len(await inner.rows("SELECT id FROM ferry_inbox")) < enough:
                await inner.turn()
                await asyncio.sleep(0.01)
            process.kill()
            await process.wait()
    await inner.turn()
    await pair.outer.open(url)
    assert await inner.effects() == {f"case.state/{rid}": 1 for rid in records}
