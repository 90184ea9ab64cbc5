"""A bell between the loops of one process. What another process did is found by looking, now and then."""

import asyncio


class Bell:
    """Whoever looks first reads `rung`, then waits with it: nothing that was rung in between is missed."""

    def __init__(self) -> None:
        self.rung = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        self.rung += 1
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, heard: int, seconds: float) -> bool:
        """Until it has been rung more than `heard` times; False when `seconds` went by."""
        if self.rung != heard:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait_for(waiter, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiter)
        return True


class Bells:
    """`leaving`: a record was handed over that somebody waits for. `arrived`: the ferry took something in."""

    def __init__(self) -> None:
        self.leaving, self.arrived = Bell(), Bell()
