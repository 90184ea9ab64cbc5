"""Both zones with their texts: inside a queue and a carrier, outside real carriers, between them the gap device."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from ferry.epochs import EPOCH_RECORD
from ferry.records import Direction, Registry
from ferry.station import Route
from ferry.zones.texts import text_records
from kernel.chance import Secrets
from server.ferry_carrier import Patience, TextFerry
from server.ferry_inbox import RelayInbox, keep_arrived
from tests.sms.carrier_desk import running, simulated, smpp_carrier

SECRETS = Secrets(b"k" * 32)
QUICK = Patience(look_s=0.02, leave_s=30.0)


def text_route(own: str, peer: str) -> Route:
    sends, takes = Direction.OUTWARD, Direction.INWARD
    if own == "outer":
        sends, takes = takes, sends
    types = Registry([EPOCH_RECORD, *text_records(peer, partial(keep_arrived, peer))])
    return Route(own=own, peer=peer, sends=sends, takes=takes, types=types)


class Across:
    """`network` is the carrier that the outer zone is bound to. Nobody dies unless told to: `dies(side, point)`."""

    def __init__(self, pair) -> None:
        self.pair, self.clock = pair, pair.clock
        self.inner, self.outer = pair.inner, pair.outer
        for side in pair.sides:
            side.changes = {"route": text_route(side.own, side.peer)}
        self.network: Any = None
        #: Called after every step.
        self.arrived: list[Callable[[], None]] = []
        self.step_s = 1.0

    def carrier(self, *, secrets=SECRETS, patience=QUICK, **more) -> TextFerry:
        inner, more = self.inner, {"takes_codes": True, **more}
        made = TextFerry(
            "outer", inner.database, self.clock, secrets, text_route("inner", "outer"), patience=patience,
            reach=inner.reach, **more,
        )  # fmt: skip
        return made

    def relay(self) -> RelayInbox:
        outer = self.outer
        return RelayInbox(outer.database, self.clock, SECRETS, text_route("outer", "inner"), look_s=0.02)

    @asynccontextmanager
    async def carrying(self):
        """The gap device works, and both engines."""
        for side in self.pair.sides:
            await side.start()

        async def work():
            while True:
                await self.pair.step(self.step_s)
                for wake in self.arrived:
                    wake()
                await asyncio.sleep(0.005)

        with cancelled(asyncio.create_task(work())) as task:
            yield
            if task.done():
                task.result()

    @asynccontextmanager
    async def outside(self, **changes):
        """The outer zone's gateway, bound to a simulated carrier."""
        async with simulated(self.clock, **changes) as self.network:
            with self.outer.here():
                gateway = running(
                    self.outer.database,
                    self.clock,
                    smpp_carrier(self.network, "east", terms={"response_s": 2.0}),
                    inbox=self.relay(),
                )
                made = await gateway.__aenter__()
            try:
                yield made
            finally:
                with self.outer.here():
                    await gateway.__aexit__(None, None, None)

    @asynccontextmanager
    async def inside(self, *, inbox=None, secrets=SECRETS, carrier=None):
        with self.inner.here():
            gateway = running(
                self.inner.database,
                self.clock,
                carrier or self.carrier(secrets=secrets),
                inbox=inbox,
                secrets=secrets,
            )
            made = await gateway.__aenter__()
        try:
            yield made
        finally:
            with self.inner.here():
                await gateway.__aexit__(None, None, None)


@contextmanager
def cancelled(task):
    try:
        yield task
    finally:
        task.cancel()
