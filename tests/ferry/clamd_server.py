"""A small server that speaks clamd's protocol and knows one signature, the EICAR test file."""

import asyncio
import struct
from contextlib import asynccontextmanager
from pathlib import Path

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
VERSION = "ClamAV 1.4.3/27800/Sat Nov 21 10:00:00 2026"


class ClamdServer:
    def __init__(self, *, stream_max: int = 1 << 20) -> None:
        self.stream_max, self.address = stream_max, ""
        self.scanned: list[int] = []
        #: What it answers instead, to be a sick one; None: it hangs up without a word.
        self.answers: dict[bytes, str | None] = {}

    @asynccontextmanager
    async def listening(self, place: Path | None = None):
        """Yields its address."""
        if place is None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        else:
            server, address = await asyncio.start_unix_server(self._serve, place), f"unix:{place}"
        async with server:
            yield address

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            command = (await reader.readuntil(b"\0"))[1:-1]
            said = VERSION if command == b"VERSION" else await self._scan(reader)
            answer = self.answers.get(command, said)
            if answer is not None:
                writer.write(answer.encode() + b"\0")
                await writer.drain()
        finally:
            writer.close()

    async def _scan(self, reader: asyncio.StreamReader) -> str:
        content = b""
        while length := struct.unpack(">I", await reader.readexactly(4))[0]:
            if len(content) + length > self.stream_max:
                return "INSTREAM size limit exceeded. ERROR"
            content += await reader.readexactly(length)
        self.scanned.append(len(content))
        return "stream: Eicar-Test-Signature FOUND" if EICAR in content else "stream: OK"
