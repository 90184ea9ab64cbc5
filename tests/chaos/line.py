"""A line between a gateway and its carrier that breaks in the middle of a PDU, or goes dead without a word."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Line:
    """`async with Line(to_port) as line:` then connect to `line.port`.

    `breaks_after` draws how many octets, of both directions together, a new connection lasts; None: for ever.
    While it `is_dead` nothing that either says arrives, and nobody is told (half-open TCP), on new connections neither.
    """

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.breaks_after: Callable[[], int] | None = None
        self.broken = 0
        self._to_port = to_port
        self._is_alive = asyncio.Event()
        self._is_alive.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def is_dead(self) -> bool:
        return not self._is_alive.is_set()

    @is_dead.setter
    def is_dead(self, dead: bool) -> None:
        (self._is_alive.clear if dead else self._is_alive.set)()

    async def __aenter__(self) -> "Line":
        self._server = await asyncio.start_server(self._called, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.is_dead = False
        for end in list(self._ends):
            end.transport.abort()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call
        self._calls.add(call)
        ends = {writer}
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._to_port)
            ends.add(there)
            self._ends |= ends
            left = [self.breaks_after()] if self.breaks_after else None
            await asyncio.gather(self._carry(reader, there, left, ends), self._carry(there_reader, writer, left, ends))
        except OSError:
            pass
        finally:
            for end in ends:
                end.transport.abort()
            self._ends -= ends
            self._calls.discard(call)

    async def _carry(
        self,
        source: asyncio.StreamReader,
        to: asyncio.StreamWriter,
        left: list[int] | None,
        ends: set[asyncio.StreamWriter],
    ) -> None:
        with suppress(OSError):
            while said := await source.read(65536):
                await self._is_alive.wait()
                if left is not None:
                    said, is_last = said[: left[0]], len(said) >= left[0]
                    left[0] -= len(said)
                    if is_last:
                        self.broken += 1
                        to.write(said)
                        await to.drain()
                        break
                to.write(said)
                await to.drain()
        for end in ends:  # what was said before the break still arrives
            end.transport.close()
