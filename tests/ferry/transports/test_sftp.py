"""The SSH server is known by its key, a broken connection is no broken transfer, and nobody's settings leak in."""

import os

import asyncssh
import pytest

from ferry.transports.sftp import Sftp
from tests.ferry.transports.ways import SshServer

NAME = "outer-inner.bulk.1.0a1b2c3d.fry"
MIB = 1 << 20


@pytest.fixture
async def server(tmp_path):
    made = SshServer(tmp_path / "server")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def reached(server, clock):
    """Sftp by changed accounts, closed at the end."""
    made = []

    def sftp(**changes) -> Sftp:
        made.append(Sftp(server.account(**changes), "/box", clock))
        return made[-1]

    yield sftp
    for each in made:
        await each.close()


def parcel(tmp_path, octets: bytes):
    path = tmp_path / "sealed"
    path.write_bytes(octets)
    return path


async def test_a_server_with_another_host_key_is_not_spoken_to(server, reached, tmp_path):
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    with pytest.raises(ConnectionRefusedError, match="HostKeyNotVerifiable"):
        await reached(host_key=stranger).put(NAME, parcel(tmp_path, b"secret"))
    assert list((server.root / "box").iterdir()) == []


async def test_a_wrong_key_of_ours_is_an_error_to_try_again_after(reached, tmp_path):
    wrong = tmp_path / "wrong"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(wrong)
    with pytest.raises(ConnectionRefusedError, match="PermissionDenied"):
        await reached(client_key=str(wrong)).names()


async def test_a_server_that_comes_back_is_found_again(server, reached, tmp_path):
    sftp = reached()
    assert await sftp.names() == []
    await server.stop()
    with pytest.raises(ConnectionError):
        await sftp.names()
    await server.start()
    await sftp.put(NAME, parcel(tmp_path, b"parcel"))
    assert await sftp.names() == [NAME]


class Fragile(asyncssh.SFTPServer):
    """Hangs up once, in the middle of a transfer."""

    written: dict[int, int] = {}
    reads: list[int] = []
    server: SshServer
    breaks_at: int | None = None

    def write(self, file_obj, offset, data):
        if Fragile.breaks_at is not None and offset >= Fragile.breaks_at:
            Fragile.breaks_at = None
            Fragile.server.hang_up()
        Fragile.written[offset] = Fragile.written.get(offset, 0) + 1
        return super().write(file_obj, offset, data)

    def read(self, file_obj, offset, size):
        if Fragile.breaks_at is not None and offset >= Fragile.breaks_at:
            Fragile.breaks_at = None
            Fragile.server.hang_up()
        Fragile.reads.append(offset)
        return super().read(file_obj, offset, size)


@pytest.fixture
def fragile(server):
    Fragile.written, Fragile.reads, Fragile.server, Fragile.breaks_at = {}, [], server, None
    server.files = Fragile
    return Fragile


async def test_sending_goes_on_where_the_connection_broke(fragile, server, reached, tmp_path):
    octets = os.urandom(5 * MIB)
    fragile.breaks_at = 3 * MIB + 1
    await reached().put(NAME, parcel(tmp_path, octets))
    assert (server.root / "box" / NAME).read_bytes() == octets
    assert fragile.breaks_at is None
    assert all(times == 1 for offset, times in fragile.written.items() if offset < 3 * MIB)


async def test_fetching_goes_on_where_the_connection_broke(fragile, server, reached, tmp_path):
    octets = os.urandom(5 * MIB)
    (server.root / "box" / NAME).write_bytes(octets)
    fragile.breaks_at = 3 * MIB + 1
    await reached().get(NAME, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == octets
    assert fragile.reads.count(0) == 1


@pytest.mark.parametrize("what", ["fsync", "rename"])
async def test_a_server_without_room_at_the_last_step_keeps_no_beginning(server, reached, tmp_path, what):
    server.full.add(what)
    sftp = reached()
    with pytest.raises(OSError, match="refused"):
        await sftp.put(NAME, parcel(tmp_path, b"parcel"))
    assert list((server.root / "box").iterdir()) == []
    server.full.clear()
    await sftp.put(NAME, parcel(tmp_path, b"parcel"))
    assert (server.root / "box" / NAME).read_bytes() == b"parcel"


async def test_a_file_has_its_name_only_when_it_is_whole(server, reached, tmp_path):
    seen = []

    class Watched(asyncssh.SFTPServer):
        def write(self, file_obj, offset, data):
            seen.append(sorted(path.name for path in (server.root / "box").iterdir()))
            return super().write(file_obj, offset, data)

    server.files = Watched
    sftp = reached()
    await sftp.put(NAME, parcel(tmp_path, os.urandom(2 * MIB)))
    assert seen
    assert all(names == [f".tmp-{NAME}"] for names in seen)
    assert await sftp.names() == [NAME]


async def test_what_was_begun_a_day_ago_is_swept(server, reached, clock):
    old, new = (server.root / "box" / f".tmp-{name}" for name in ("old.fry", "new.fry"))
    for path, age in ((old, 90_000), (new, 60)):
        path.write_bytes(b"half")
        then = clock.now().timestamp() - age
        os.utime(path, (then, then))
    assert await reached().names() == []
    assert (old.exists(), new.exists()) == (False, True)


async def test_names_that_are_no_utf8_and_folders_do_no_harm(server, reached, tmp_path):
    (server.root / "box" / "folder").mkdir()
    odd = server.root / "box" / os.fsdecode("包裹".encode("gb18030"))
    odd.write_bytes(b"renamed by the device")
    sftp = reached()
    (name,) = await sftp.names()
    await sftp.get(name, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"renamed by the device"
    await sftp.remove(name)
    assert await sftp.names() == []
