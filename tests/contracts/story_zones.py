"""Two networks: an act is on its way, and the same request with the same key gets what came of it."""

from dataclasses import replace
from typing import Any

from ferry.epochs import EPOCH_RECORD
from ferry.orders import Routes
from ferry.records import Direction, Registry
from ferry.station import Route
from ferry.zones.acting import act_records
from ferry.zones.performing import Performer
from ferry.zones.relaying import Relay, RelayOffice
from kernel.outbox import Outbox
from server.acts import RULES
from server.outside import FILING, LOCAL_OUTSIDE, crossing
from tests.contracts.flutter_spec_story import Recorder, application
from tests.mobile_api.stage import Stage

#: As long as a key may be, so that the recorder leaves it as it is.
KEY = "the-same-intention-as-before".rjust(64, "-")
OTHER_KEY = "another-intention".rjust(64, "-")


async def tell(record: Recorder) -> None:
    """Outside and inside are one database here; what crosses is carried over by hand."""
    zones = Zones(record.stage)
    asked: dict[str, Any] = {"idempotencyKey": KEY, "application": application()}
    await record("FileApplication/pending", **asked)
    await zones.cross()
    filed = await record("FileApplication/answered_after_pending", **asked)
    wrong: dict[str, Any] = {"idempotencyKey": OTHER_KEY, "application": application(item="ZJ-XK-999")}
    await record.stage.ask("FileApplication", **wrong)
    await zones.cross()
    await record("FileApplication/refused_after_pending", **wrong)
    await record("Progress/pending", number=filed["number"], password=filed["queryPassword"])
    await zones.cross()
    await record("Progress/answered_after_pending", number=filed["number"], password=filed["queryPassword"])


class Zones:
    def __init__(self, stage: Stage) -> None:
        self.stage, self._carried = stage, 0
        self._types = Registry([EPOCH_RECORD, *act_records("inner")])
        inward = Route(own="outer", peer="inner", sends=Direction.INWARD, takes=Direction.OUTWARD, types=self._types)
        outward = Route(own="inner", peer="inner", sends=Direction.OUTWARD, takes=Direction.INWARD, types=self._types)
        self._performer = Performer(
            stage.office, stage.database, stage.clock, stage.secrets, stage.authority,
            Routes(zone="inner", routes=[outward]), crossing=crossing(RULES), filing=FILING,
        )  # fmt: skip
        relay = Relay(route=inward, local=LOCAL_OUTSIDE, filing=FILING, answer_s=0)
        outbox = Outbox(stage.database, stage.courier._codec, ())
        stage.services = replace(
            stage.services, office=RelayOffice(stage.desk, outbox=outbox, rules=RULES, relay=relay)
        )
        stage.open_door()

    async def cross(self) -> None:
        await self._carry(Direction.INWARD)
        await self._performer.turn()
        await self._carry(Direction.OUTWARD)

    async def _carry(self, direction: Direction) -> None:
        """Applies what was handed over since, as the engine does."""
        database, now = self.stage.database, self.stage.clock.now()
        lines = await database.rows("SELECT id, line FROM ferry_record WHERE id > $1 ORDER BY id", self._carried)
        for row in lines:
            self._carried = int(str(row["id"]))
            envelope = self._types.read(str(row["line"]).encode(), direction)
            async with database.transaction():
                await self._types.kind(envelope.type).apply(database, now, envelope)
