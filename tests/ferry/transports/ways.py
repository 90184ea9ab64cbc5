"""Every way across, each over the real thing: a folder, an SSH server, databases; with a device's hands on it."""

import errno
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import asyncssh

from ferry.transports import folder
from ferry.transports.databases import connection
from ferry.transports.folder import Folder, sync
from ferry.transports.sftp import Account, Sftp
from ferry.transports.table import Table

USER = "ferry"


class Way:
    """A transport, and a device's hands on what it carries."""

    transport: Any

    async def begin(self, name: str, octets: bytes) -> None:
        """Somebody has written half of a file and goes on later."""

    async def take_away(self, name: str) -> None:
        """The device removes it."""

    async def repeat(self, name: str) -> None:
        """The device delivers the same file once more, perhaps under another name."""

    async def break_off(self) -> None:
        """The other end cannot be reached any more."""

    async def fill(self, name: str) -> None:
        """From now on the other end has room for half of the file `name`."""

    async def empty(self) -> None:
        """Somebody made room."""

    async def left(self) -> list[str]:
        """Whatever lies there, finished or not."""
        return []


class FolderWay(Way):
    def __init__(self, folder: Path) -> None:
        self.folder, self.transport = folder, Folder(folder)

    async def begin(self, name: str, octets: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f".tmp-{name}").write_bytes(octets)

    async def take_away(self, name: str) -> None:
        (self.folder / name).unlink()

    async def repeat(self, name: str) -> None:
        shutil.copyfile(self.folder / name, self.folder / f"again-{name}")

    async def break_off(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.write_bytes(b"not a folder any more")

    async def fill(self, name: str) -> None:
        def full(path: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        folder.sync = full

    async def empty(self) -> None:
        folder.sync = sync

    async def left(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()]


class SftpWay(FolderWay):
    """`folder` is where the server keeps its files."""

    def __init__(self, folder: Path, server: "SshServer", clock) -> None:
        self.folder, self.server = folder, server
        self.transport = Sftp(server.account(), "/box", clock)

    async def break_off(self) -> None:
        await self.server.stop()

    async def fill(self, name: str) -> None:
        self.server.full.add("write")

    async def empty(self) -> None:
        self.server.full.clear()


class FullDisk(asyncssh.SFTPServer):
    def __init__(self, channel, *, full: set[str], **given) -> None:
        super().__init__(channel, **given)
        self._full = full

    def write(self, file_obj, offset, data):
        self._find_room("write", offset >= 1 << 20)
        return super().write(file_obj, offset, data)

    def fsync(self, file_obj):
        self._find_room("fsync")
        return super().fsync(file_obj)

    def posix_rename(self, oldpath, newpath):
        self._find_room("rename")
        return super().posix_rename(oldpath, newpath)

    def _find_room(self, what: str, is_behind: bool = True) -> None:
        if what in self._full and is_behind:
            raise asyncssh.SFTPFailure("No space left on device")


class SshServer:
    """A real SSH server with SFTP, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        (root / "box").mkdir(parents=True)
        self.key_file = root / "client_key"
        self.client_key.write_private_key(self.key_file)
        self.key_file.chmod(0o600)
        #: What finds no room: "write" behind the first mebibyte, "fsync", "rename".
        self.full: set[str] = set()
        self.files: Any = lambda channel, **given: FullDisk(channel, full=self.full, **given)
        self.connections: set = set()
        self.port = 0

    async def start(self) -> None:
        self.acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_host_keys=[self.host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(self.client_key.export_public_key().decode()),
            sftp_factory=self._serve,
            sftp_version=3,
        )
        self.port = self.acceptor.get_port()

    def _serve(self, channel):
        self.connections.add(channel.get_connection())
        return self.files(channel, chroot=str(self.root).encode())

    def hang_up(self) -> None:
        """Breaks every connection; new ones are welcome."""
        for each in self.connections:
            each.abort()
        self.connections.clear()

    async def stop(self) -> None:
        self.acceptor.close()
        self.hang_up()
        await self.acceptor.wait_closed()

    def account(self, **changes) -> Account:
        given = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "host_key": self.host_key.export_public_key().decode().strip(),
            "client_key": str(self.key_file),
            "answer_s": 30.0,
            "connect_s": 30.0,
        }
        return Account(**{**given, **changes})


class TableWay(Way):
    """`taken`: what the site lets us do with a row that was taken."""

    def __init__(self, url: str, taken: Literal["delete", "flag"] = "delete") -> None:
        self.url = url
        self.driver: Any = connection(url)
        self.transport = Table(self.driver, "ferry_out", taken=taken)

    async def begin(self, name: str, octets: bytes) -> None:
        row = (f"{name}#0", name, 0, 2, octets, "0")
        await self.driver.write([(self.transport._inserting, row)])

    async def take_away(self, name: str) -> None:
        await self.driver.write([("DELETE FROM ferry_out WHERE name = ?", (name,))])

    async def repeat(self, name: str) -> None:
        """The device numbers rows as it likes."""
        await self.driver.write(
            [
                (
                    "INSERT INTO ferry_out (id, name, part, parts, octets, flag)"
                    " SELECT 'x' || id, name, part, parts, octets, flag FROM ferry_out WHERE name = ?"
                    if not self.url.startswith("mysql")
                    else "INSERT INTO ferry_out (id, name, part, parts, octets, flag)"
                    " SELECT CONCAT('x', id), name, part, parts, octets, flag FROM ferry_out WHERE name = ?",
                    (name,),
                )
            ]
        )

    async def break_off(self) -> None:
        await self.driver.write([("DROP TABLE ferry_out", ())])

    async def fill(self, name: str) -> None:
        """The number of its last row is taken: whatever a server says, the statement fails half way."""
        await self.driver.write([(self.transport._inserting, (f"{name}#2", "x", 0, 9, b"", "1"))])

    async def empty(self) -> None:
        await self.driver.write([("DELETE FROM ferry_out WHERE name = ?", ("x",))])

    async def left(self) -> list[str]:
        found = await self.driver.rows("SELECT name FROM ferry_out WHERE name <> 'x'")
        return [str(row[0]) for row in found]


@asynccontextmanager
async def folder_way(tmp_path: Path, clock, _) -> AsyncIterator[Way]:
    try:
        yield FolderWay(tmp_path / "box")
    finally:
        folder.sync = sync


@asynccontextmanager
async def sftp_way(tmp_path: Path, clock, _) -> AsyncIterator[Way]:
    server = SshServer(tmp_path / "server")
    await server.start()
    way = SftpWay(server.root / "box", server, clock)
    yield way
    await way.transport.close()
    await server.stop()


@asynccontextmanager
async def table_way(tmp_path: Path, clock, url: str, taken: Literal["delete", "flag"] = "delete") -> AsyncIterator[Way]:
    way = TableWay(url or f"sqlite://{tmp_path / 'front.db'}", taken)
    await way.transport.make_table()
    yield way
    await way.driver.close()
