"""A wire between a client and a server that can be slow, or break at a chosen moment."""

import asyncio
from contextlib import suppress


class Relay:
    """`async with Relay(to_port) as relay:` then connect to `relay.port`."""

    def __init__(self, to_port: int, *, port: int = 0) -> None:
        self.port = port
        #: Everything the server says comes so much later.
        self.delay_s = 0.0
        #: The next thing the client says with these octets in it is passed on, and never answered: both ends are cut.
        self.lose_answer_to = b""
        #: The same, but it is not passed on.
        self.lose = b""
        #: How often either happened.
        self.lost = 0
        self._to_port = to_port
        self._ends: set[asyncio.StreamWriter] = set()
        self._lines: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def cut(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line
        self._lines.add(line)
        self._ends.add(writer)
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.transport.abort()
        else:
            self._ends.add(there)
            dying = asyncio.Event()
            await asyncio.gather(
                self._pass(reader, there, writer, dying, is_client=True),
                self._pass(there_reader, writer, there, dying, is_client=False),
            )
            self._ends.discard(there)
        self._ends.discard(writer)
        self._lines.discard(line)

    async def _pass(self, source, to, back, dying: asyncio.Event, *, is_client: bool) -> None:
        with suppress(OSError):
            while said := await source.read(65536):
                if is_client and self.lose and self.lose in said:
                    self.lose, self.lost = b"", self.lost + 1
                    break
                if is_client and self.lose_answer_to and self.lose_answer_to in said:
                    self.lose_answer_to = b""
                    dying.set()
                if not is_client and dying.is_set():
                    self.lost += 1
                    break
                if not is_client and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                to.write(said)
                await to.drain()
        to.transport.abort()
        back.transport.abort()
