"""Asks a ClamAV daemon about a file: INSTREAM over a Unix or TCP socket, one connection a question.

Source: clamd(8), section "COMMANDS". The file travels in chunks, each with its length in front (big-endian); the answer
is `stream: OK`, `stream: NAME FOUND` or an error. Limits: clamd stops at its StreamMaxLength, which must be no less
than the largest attachment; beyond it there is no answer, and without an answer nothing crosses.
"""

import asyncio
import re
import struct
from contextlib import suppress
from pathlib import Path

from ferry.refusals import AttachmentRefused, AttachmentUnchecked

_CHUNK = 1 << 18
_MAX_ANSWER_OCTETS = 1024
_FOUND = re.compile(r"stream: (.{1,200}) FOUND")


class Clamd:
    """`address`: unix:/path or tcp://host:port. `timeout_s`: for one file, its way there included."""

    def __init__(self, address: str, *, timeout_s: float) -> None:
        self._address, self._timeout_s = address, timeout_s

    async def __call__(self, path: Path) -> str:
        """Version of the engine and its signatures that found nothing.

        Raises AttachmentRefused with the name of what was found, AttachmentUnchecked without a clear answer.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                version = await self._asked(b"zVERSION\0", None)
                answer = await self._asked(b"zINSTREAM\0", path)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as fault:
            raise AttachmentUnchecked(why=type(fault).__name__) from None
        found = _FOUND.fullmatch(answer)
        if found is not None:
            raise AttachmentRefused(why=f"the scanner found {found[1]}")
        if answer != "stream: OK" or not version:
            raise AttachmentUnchecked(why="no clear answer")
        return version[:120]

    async def _asked(self, command: bytes, path: Path | None) -> str:
        reader, writer = await self._connected()
        try:
            writer.write(command)
            if path is not None:
                # It answers, and hangs up, as soon as a file is too long for it.
                with suppress(ConnectionError):
                    await _stream(writer, path)
            answer = await reader.readuntil(b"\0")
            return answer[:-1].decode("utf-8", "replace").strip()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        kind, _, place = self._address.partition(":")
        if kind == "unix":
            return await asyncio.open_unix_connection(place, limit=_MAX_ANSWER_OCTETS)
        host, _, port = place.removeprefix("//").rpartition(":")
        return await asyncio.open_connection(host, int(port), limit=_MAX_ANSWER_OCTETS)


async def _stream(writer: asyncio.StreamWriter, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            writer.write(struct.pack(">I", len(chunk)) + chunk)
            await writer.drain()
    writer.write(struct.pack(">I", 0))
    await writer.drain()
