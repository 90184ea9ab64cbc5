"""An inner zone whose office is mirrored, an outer one that shows it, and the gap device between."""

from dataclasses import replace
from functools import partial

from ferry.epochs import EPOCH_RECORD
from ferry.records import Direction, Registry
from ferry.station import Route
from ferry.zones.mirror import Mirror, consumer, snapshot
from ferry.zones.mirroring import shown_as_of, state_records
from kernel.office import Office
from kernel.outbox import Courier, Outbox
from server.acts import RULES
from server.wiring import EVENTS
from supervision.findings import consumer as findings
from tests.ferry.pair import Pair, Side
from tests.mobile_api.stage import Stage


def route_of(side: Side) -> Route:
    inner, outer = Direction.OUTWARD, Direction.INWARD
    sends, takes = (inner, outer) if side.own == "inner" else (outer, inner)
    types = Registry([EPOCH_RECORD, *state_records()])
    return Route(own=side.own, peer=side.peer, sends=sends, takes=takes, types=types)


class Half(Stage):
    """One zone's office behind its GraphQL door; everything asked of it happens on its own database."""

    side: Side

    async def post(self, *given, **more):
        with self.side.here():
            return await super().post(*given, **more)

    async def phone(self, officer: str):
        with self.side.here():
            return await super().phone(officer)


class Glass:
    def __init__(self, pair: Pair, authority, folder) -> None:
        self.pair = pair
        self.inner = Half(pair.inner.database, pair.clock, authority, folder / "inner-files")
        self.outer = Half(pair.outer.database, pair.clock, authority, folder / "outer-files")
        self.inner.side, self.outer.side = pair.inner, pair.outer
        self.route = route_of(pair.inner)
        stage, codec = self.inner, self.inner.courier._codec
        consumers = (findings(), consumer(["outer"], EVENTS))
        outbox = Outbox(pair.inner.database, codec, consumers)
        stage.office = Office(stage.desk, outbox=outbox, rules=RULES)
        stage.courier = Courier(stage.desk, outbox=outbox, codec=codec, consumers=consumers)
        stage.services = replace(stage.services, office=stage.office)
        stage.open_door()
        until = partial(shown_as_of, pair.outer.database)
        self.outer.services = replace(self.outer.services, mirrored_until=until)
        self.outer.open_door()
        self.carried = 0
        self.restart()

    def restart(self) -> None:
        """Another process inside: what it remembered is gone."""
        self.mirror = Mirror(self.pair.inner.database, self.route, self.inner.secrets)

    async def open(self) -> None:
        for side in self.pair.sides:
            side.changes["route"] = route_of(side)
            await side.start()
        with self.pair.inner.here():
            await self.inner.settle()

    async def tell(self) -> int:
        """What happened inside is handed over."""
        told = 0
        with self.pair.inner.here():
            while await self.inner.courier.deliver():
                pass
            while now := await self.mirror.tell(self.pair.clock.now()):
                told += now
        return told

    async def settle(self) -> None:
        """Until the other side shows everything."""
        await self.tell()
        await self.pair.settle()

    async def carry(self) -> None:
        """The same without parcels: every line handed over since is read and applied outside, in order."""
        await self.tell()
        types, outer = self.route.types, self.pair.outer
        lines = [line.encode() for line in await self.told()]
        with outer.here():
            async with outer.database.transaction():
                for line in lines[self.carried :]:
                    envelope = types.read(line, Direction.OUTWARD)
                    await types.kind(envelope.type).apply(outer.database, self.pair.clock.now(), envelope)
        self.carried = len(lines)

    async def snapshot(self) -> int:
        inner = self.pair.inner
        with inner.here():
            async with inner.database.transaction():
                return await snapshot(inner.database, "outer", now=self.pair.clock.now())

    async def told(self) -> list[str]:
        """Every line that was ever handed over, as it crosses."""
        return [str(row["line"]) for row in await self.pair.inner.rows("SELECT line FROM ferry_record ORDER BY id")]
