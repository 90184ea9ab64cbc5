"""A folder on an SSH server (SFTP, version 3 as OpenSSH speaks it): where the gap device has its own server.

The server is known by its host key, which is written in the settings, and nothing else is believed: no known_hosts,
no agent, no configuration of the user. A file is written under a name that begins with a dot, synced where the server
can, and renamed; a connection that breaks meanwhile is opened anew and the transfer goes on where it stopped.
Limits: one connection, one file at a time. What other processes of this account left unfinished for a day is removed.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import asyncssh
from msgspec import Struct

from ferry.transports.names import UNFINISHED, is_there, refuse_bad_name
from kernel.clock import Clock

T = TypeVar("T")

_CHUNK = 1 << 20
#: How often one transfer goes on after the connection broke.
_RESUMES = 3
_ABANDONED_S = 86_400


class Account(Struct, frozen=True, kw_only=True):
    """`host_key` as in known_hosts, without the host ("ssh-ed25519 AAAA…"); `client_key`: a file in OpenSSH format."""

    host: str
    port: int = 22
    user: str
    host_key: str
    client_key: str = ""
    password: str = ""
    connect_s: float = 20.0
    #: For one operation on the server, a chunk of a transfer among them.
    answer_s: float = 60.0

    def __repr__(self) -> str:
        return f"Account({self.user!r}, {self.host!r}, {self.port!r})"


class Sftp:
    """`ferry.transports.Transport` over one folder of one account."""

    def __init__(self, account: Account, folder: str, clock: Clock) -> None:
        self._account, self._folder, self._clock = account, folder.rstrip("/") or "/", clock
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._alone = asyncio.Lock()
        self._is_swept = False

    async def put(self, name: str, path: Path) -> None:
        refuse_bad_name(name)
        unfinished = self._at(f"{UNFINISHED}{name}")
        size = await asyncio.to_thread(os.path.getsize, path)

        async def send(client: asyncssh.SFTPClient) -> None:
            # What is there under this name is a beginning of this file: the name says which sealing it is.
            # Of its last chunk any block may be missing, because blocks travel side by side.
            sent = await self._size(client, unfinished)
            at = max(0, sent - 1) // _CHUNK * _CHUNK if sent <= size else 0
            await self._send(client, unfinished, path, at)
            with suppress(asyncssh.SFTPNoSuchFile):
                await self._answered(client.remove(self._at(name)))
            await self._answered(self._renamed(client, unfinished, self._at(name)))

        try:
            await self._resumed(send)
        except ConnectionError:
            raise  # what was sent stays, to be swept one day
        except OSError:
            # Its disk is full, for one thing: the next attempt has another name, and beginnings would fill it for good.
            with suppress(OSError):
                await self._removed(unfinished)
            raise
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def names(self) -> list[str]:
        async def listed(client: asyncssh.SFTPClient) -> list[str]:
            found = await self._answered(client.readdir(self._folder))
            return [
                str(entry.filename)
                for entry in found
                if is_there(str(entry.filename)) and entry.attrs.type != asyncssh.FILEXFER_TYPE_DIRECTORY
            ]

        return await self._resumed(listed)

    async def get(self, name: str, path: Path) -> None:
        await asyncio.to_thread(path.unlink, missing_ok=True)

        async def fetch(client: asyncssh.SFTPClient) -> None:
            file = await self._answered(client.open(self._at(name), "rb"))
            async with file:
                with path.open("ab") as target:
                    while octets := await self._answered(file.read(_CHUNK, target.tell())):
                        target.write(cast(bytes, octets))  # opened as binary, which its types cannot say

        await self._resumed(fetch)

    async def remove(self, name: str) -> None:
        await self._removed(self._at(name))

    async def close(self) -> None:
        """Says goodbye; the next operation connects again."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.close()
            with suppress(TimeoutError, OSError, asyncssh.Error):
                async with asyncio.timeout(5):
                    await connection.wait_closed()

    # ------------------------------------------------------------------------------------------------------- below

    async def _removed(self, path: str) -> None:
        async def removed(client: asyncssh.SFTPClient) -> None:
            with suppress(asyncssh.SFTPNoSuchFile):
                await self._answered(client.remove(path))

        await self._resumed(removed)

    async def _resumed(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """Does `work`, and again from the start when the connection broke, which each work makes short.

        Raises FileNotFoundError, or OSError for everything else a server or network may do.
        """
        async with self._alone:
            for attempt in range(_RESUMES + 1):
                is_in_step = False
                try:
                    done = await work(await self._open())
                    is_in_step = True
                    return done
                except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                    is_in_step = True
                    raise FileNotFoundError("not on the server") from None
                except (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable) as wrong:
                    raise ConnectionRefusedError(type(wrong).__name__) from None
                except _BROKEN as broken:
                    if attempt == _RESUMES:
                        raise ConnectionError(type(broken).__name__) from None
                except asyncssh.SFTPError as wrong:
                    # The server's own sentence may quote a path of its machine: its code says enough.
                    is_in_step = True
                    raise OSError(f"the server refused: {type(wrong).__name__}") from None
                finally:
                    # A task that was cancelled leaves an answer on the way, too.
                    if not is_in_step:
                        await self.close()
        raise AssertionError("unreachable")

    async def _open(self) -> asyncssh.SFTPClient:
        if self._client is not None:
            return self._client
        account = self._account
        try:
            async with asyncio.timeout(account.connect_s):
                self._connection = await asyncssh.connect(
                    account.host,
                    account.port,
                    username=account.user,
                    password=account.password or None,
                    client_keys=[account.client_key] if account.client_key else None,
                    known_hosts=([asyncssh.import_public_key(account.host_key)], [], []),
                    config=None,
                    agent_path=None,
                    keepalive_interval=15,
                    login_timeout=account.connect_s,
                )
                self._client = await self._connection.start_sftp_client(path_errors="surrogateescape")
        except asyncssh.ConnectionLost:
            await self.close()
            raise
        except (OSError, TimeoutError) as gone:
            await self.close()
            raise ConnectionRefusedError(type(gone).__name__) from None
        except asyncssh.KeyImportError as wrong:
            raise ConnectionRefusedError(f"a key cannot be read: {type(wrong).__name__}") from None
        await self._sweep(self._client)
        return self._client

    async def _send(self, client: asyncssh.SFTPClient, name: str, path: Path, at: int) -> None:
        file = await self._answered(client.open(name, "r+b" if at else "wb"))
        async with file:
            with path.open("rb") as source:
                source.seek(at)
                while octets := source.read(_CHUNK):
                    await self._answered(file.write(octets, at))
                    at += len(octets)
            with suppress(asyncssh.SFTPOpUnsupported):
                await self._answered(file.fsync())

    async def _renamed(self, client: asyncssh.SFTPClient, old: str, new: str) -> None:
        try:
            await client.posix_rename(old, new)
        except asyncssh.SFTPOpUnsupported:
            await client.rename(old, new)

    async def _size(self, client: asyncssh.SFTPClient, name: str) -> int:
        try:
            return (await self._answered(client.stat(name))).size or 0
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return 0

    async def _sweep(self, client: asyncssh.SFTPClient) -> None:
        """Once per life: removes what somebody began to send a day ago and never finished."""
        if self._is_swept:
            return
        with suppress(asyncssh.SFTPError):
            for entry in await self._answered(client.readdir(self._folder)):
                age = self._clock.now().timestamp() - (entry.attrs.mtime or 0)
                if str(entry.filename).startswith(UNFINISHED) and age > _ABANDONED_S:
                    await self._answered(client.remove(self._at(str(entry.filename))))
        self._is_swept = True

    async def _answered(self, asked: Awaitable[T]) -> T:
        async with asyncio.timeout(self._account.answer_s):
            return await asked

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}"


#: What a network may do between two answers.
_BROKEN = (
    TimeoutError,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    asyncssh.ConnectionLost,
    asyncssh.ChannelOpenError,
    asyncssh.DisconnectError,
    BrokenPipeError,
    ConnectionResetError,
)
