"""An HTTP server that is a guest in somebody's process, and whose connections can be broken."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from starlette.applications import Starlette


class Served:
    """`port` is where it listens."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.port = port
        self._server = server

    @property
    def connections(self) -> int:
        return len(self._server.server_state.connections)

    def cut(self, peer: tuple[str, int] | None = None) -> None:
        """Breaks the connection to `peer`, or every one, in the middle of whatever is said."""
        for connection in list(self._server.server_state.connections):
            transport = connection.transport
            if peer is None or transport.get_extra_info("peername")[:2] == tuple(peer):
                transport.abort()


@asynccontextmanager
async def serving(app: Starlette, *, host: str, port: int) -> AsyncIterator[Served]:
    """Serves `app` while the block runs. Raises OSError when it cannot listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as door:
        # As asyncio does for the sockets it makes itself: without, every answer's body waits 40 ms after its head.
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False, proxy_headers=False)
        server = _Server(config)
        task = asyncio.create_task(server.serve([door]))
        while not server.started:
            if task.done():
                await task  # says why
            await asyncio.sleep(0.005)
        try:
            yield Served(server, int(door.getsockname()[1]))
        finally:
            server.should_exit = True
            server.closing.set()
            await task


#: For answers under way when it ends.
_GRACE_S = 5.0


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which ends as soon as it can and not at its next tenth of a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.closing = asyncio.Event()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop, state = asyncio.get_running_loop(), self.server_state
        for server in self.servers:
            for door in server.sockets:
                loop.remove_reader(door)
        await asyncio.sleep(0)  # whoever is in already finds the server open: asyncio leaks the others' sockets
        for server in self.servers:
            server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await asyncio.sleep(0)
                while state.connections or state.tasks:
                    for connection in list(state.connections):
                        connection.shutdown()
                    await asyncio.sleep(0.002)
        for connection in list(state.connections):  # whoever does not hang up is hung up on
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
