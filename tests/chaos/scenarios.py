"""The bad days, each as a story: what is set up, what breaks, how it heals. What must hold is in invariants.py."""

import asyncio
import random
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from alerts.states import FINAL
from sms.simulator import Smsc
from sms.simulator.cmpp import Ismg
from sms.simulator.knobs import state_of, turn
from tests.chaos.invariants import judged
from tests.chaos.kill_points import NAMES
from tests.chaos.line import Line
from tests.chaos.sabotage import BROKEN
from tests.chaos.victim import JUMP
from tests.chaos.world import (
    MAS_ACCOUNT,
    PUSH_PATH,
    Victims,
    WatchedMas,
    World,
    cloud_mas,
    cmpp,
    free_port,
    opened,
    smpp,
)

#: The wait after which codes of unknown outcome, refused texts and leases of the dead come round again.
LATER = timedelta(minutes=70)
PATIENCE_S = 180.0
#: Of who has seen what there was to see.
ENOUGH_S = 40.0
#: Of who knows that it will not end well.
IMPATIENCE_S = 1.0


class Told(Struct, frozen=True):
    """How it went: figures for a line, and which invariants were violated, as sentences."""

    figures: str
    violations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """Where scenarios play. `installation` comes to a database of its own and a folder with keys."""

    dialect: str
    servers: Victims
    chance: random.Random
    installation: Callable[[], Awaitable[tuple[str, Path]]]
    #: Fewer rounds and texts, to look at once more.
    size: float = 1.0

    def some(self, number: int) -> int:
        return max(1, round(number * self.size))

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        url, folder = await self.installation()
        database = await opened(url)
        world = World(database, folder, self.servers, self.chance)
        try:
            yield world
            shutil.rmtree(folder)  # else it is left to be looked at
        finally:
            await world.close()
            await database.close()

    @asynccontextmanager
    async def one_carrier(self, **settings: object) -> AsyncIterator[tuple[World, Smsc]]:
        async with self.world() as world, Smsc({"zhangban": "secret"}, clock=world) as smsc:
            world.watch("east", smsc)
            world.connect(smpp("east", smsc.port, **settings))
            yield world, smsc


# ------------------------------------------------------------------------------------------------------------- kill -9


async def killed_at_every_point(stage: Stage) -> Told:
    """A server dies at each named point of the paths of texts to people and from them, and the next one goes on."""
    missed = []
    async with stage.one_carrier() as (world, smsc):
        for name in NAMES:
            await world.queue(texts=stage.some(12), long=stage.some(3), codes=stage.some(3))
            world.text_us(3)
            smsc.faults.receipt_first = stage.chance.random() < 0.3
            smsc.faults.response_delay_s = stage.chance.choice((0.0, 0.0, 0.02))
            async with world.server(kill=name) as victim:
                try:
                    await victim.gone(PATIENCE_S / 3)
                except TimeoutError:
                    missed.append(f"never came to the point: {name}")
            world.pass_time(timedelta(seconds=stage.chance.choice((0, 30, 130))))
        return await healed(world, missed, f"{len(NAMES)} points, ")


async def killed_at_random(stage: Stage) -> Told:
    """A server dies at any moment from its first breath on, again and again."""
    async with stage.one_carrier() as (world, _):
        for number in range(stage.some(30)):
            await world.queue(texts=stage.some(20), long=stage.some(4), codes=stage.some(4))
            world.text_us(2)
            # Every other one at work, however long its start takes on this machine.
            async with world.server(is_ready=number % 2 > 0):
                await asyncio.sleep(stage.chance.uniform(0.02, 0.8))
            world.pass_time(timedelta(seconds=stage.chance.choice((0, 30, 130))))
        return await healed(world)


async def killed_with_ten_thousand_in_flight(stage: Stage) -> Told:
    """All of them submitted, none of them answered."""
    count = stage.some(10_000)
    async with stage.one_carrier(binds=20, window=1000, response_s=300.0) as (world, smsc):
        await world.queue(texts=count - count // 20, codes=count // 20)
        smsc.faults.response_delay_s = 3600.0
        smsc.faults.no_receipts = True
        async with world.server():
            await until(lambda: smsc.counts["accepted"] >= count)
        in_flight = (await world.states()).get("sending", 0)
        missed = [] if in_flight == count else [f"not in flight: {count - in_flight} of {count}"]
        return await healed(world, missed, f"{in_flight} in flight, ")


# ---------------------------------------------------------------------------------------------------------- connections


async def cut_in_the_middle_of_pdus(stage: Stage) -> Told:
    """Every connection ends after so many octets, whoever is speaking."""
    async with stage.one_carrier() as (world, smsc), Line(smsc.port) as line:
        world.connect(smpp("east", line.port))
        line.breaks_after = lambda: stage.chance.randrange(50, 6000)
        async with world.server():
            ends_at = asyncio.get_running_loop().time() + ENOUGH_S
            # A busy machine gets fewer cuts into the same time.
            while line.broken < stage.some(60) and asyncio.get_running_loop().time() < ends_at:
                await world.queue(texts=stage.some(30), long=stage.some(6), codes=stage.some(4))
                world.text_us(stage.some(4))
                await asyncio.sleep(0.3)
        line.breaks_after = None
        missed = [] if line.broken >= stage.some(10) else [f"too few cuts: {line.broken}"]
        return await healed(world, missed, f"{line.broken} cuts, ")


async def half_open_then_deaf(stage: Stage) -> Told:
    """The line goes dead and nobody is told; then the carrier listens no more."""
    quick = {"enquire_after_s": 1.0, "enquire_answer_s": 1.0, "response_s": 1.0, "bind_s": 1.0}
    async with stage.one_carrier() as (world, smsc), Line(smsc.port) as line:
        world.connect(smpp("east", line.port, **quick))
        async with world.server():
            for _ in range(2):
                for trouble in ("line", "carrier"):
                    await world.queue(texts=stage.some(40), long=stage.some(10), codes=stage.some(10))
                    world.text_us(2)
                    await asyncio.sleep(stage.chance.uniform(0.02, 0.1))
                    line.is_dead, smsc.faults.is_deaf = trouble == "line", trouble == "carrier"
                    await asyncio.sleep(2.6)
                    line.is_dead = smsc.faults.is_deaf = False
                    await asyncio.sleep(0.5)
        return await healed(world, (), f"{smsc.counts['binds']} binds, ")


async def never_answered(stage: Stage) -> Told:
    """The carrier takes everything and says nothing: no response, no receipt, for several tries."""
    async with stage.one_carrier(response_s=1.0) as (world, smsc):
        smsc.faults.lose_responses = 1_000_000
        smsc.faults.no_receipts = True
        await world.queue(texts=stage.some(60), long=stage.some(10), codes=stage.some(20))
        async with world.server():
            await until(lambda: smsc.counts["accepted"] >= stage.some(60) * 2)
            await asyncio.sleep(0.5)
        return await healed(world)


# ------------------------------------------------------------------------------------------------------------- receipts


async def receipts_storm(stage: Stage) -> Told:
    """A carrier that was silent for hours says everything at once, some of it twice, some of it about others' texts."""
    from tests.chaos.storm import storm

    return Told(*await storm(stage, count=stage.some(100_000)))


# ------------------------------------------------------------------------------------------------------------- database


async def database_stopped_under_load(stage: Stage) -> Told:
    """PostgreSQL is stopped as by a power cut, and comes back, while texts come and go."""
    from tests.chaos.crashing import crashing_postgres

    return Told(*await crashing_postgres(stage, crashes=stage.some(4)))


async def database_locked_for_seconds(stage: Stage) -> Told:
    """Somebody looks at the SQLite file with a tool that locks it."""
    from tests.chaos.crashing import locked_sqlite

    return Told(*await locked_sqlite(stage, times=stage.some(3)))


# ---------------------------------------------------------------------------------------------------------------- time


async def clock_jumps(stage: Stage) -> Told:
    """The machine's clock is set three hours ahead and back while texts are under way, and servers are killed."""
    jumps = 0
    async with stage.one_carrier(response_s=1.0) as (world, smsc):
        world.pass_time(timedelta(days=1))  # no certificate of the installation is younger than the jumps are long
        for _ in range(stage.some(3)):
            async with world.server() as server:
                for _ in range(3):
                    await world.queue(texts=stage.some(30), long=stage.some(5), codes=stage.some(10))
                    world.text_us(2)
                    smsc.faults.lose_responses = stage.some(10)
                    await asyncio.sleep(stage.chance.uniform(0.05, 0.5))
                    ahead = stage.chance.random() < 0.5
                    # A text that is said again hours later, by the clock, is taken for another one.
                    await until(lambda: not world.untaken)
                    world.pass_time(JUMP if ahead else -JUMP)
                    server.kill(signal.SIGUSR1 if ahead else signal.SIGUSR2)
                    jumps += 1
        world.pass_time(timedelta(hours=10))  # whatever was put off while the clock was ahead comes round
        return await healed(world, (), f"{jumps} jumps, ")


# ------------------------------------------------------------------------------------------------------------ several


async def two_gateways_on_one_account(stage: Stage) -> Told:
    """Two servers share a database and an account; each is killed in turn while the other goes on."""
    async with stage.one_carrier(binds=1) as (world, _):
        for _ in range(stage.some(6)):
            async with AsyncExitStack() as first:
                killed = await first.enter_async_context(world.server())
                async with world.server():
                    for _ in range(2):
                        await world.queue(texts=stage.some(40), long=stage.some(8), codes=stage.some(8))
                        world.text_us(2)
                        await asyncio.sleep(stage.chance.uniform(0.05, 0.4))
                    killed.kill()
                    await killed.gone()
                    await asyncio.sleep(stage.chance.uniform(0.1, 0.5))
            world.pass_time(timedelta(seconds=stage.chance.choice((0, 130))))
        return await healed(world)


async def mixed_carriers(stage: Stage) -> Told:
    """SMPP, CMPP and a cloud MAS share the load, each with faults of its own at random, and servers are killed."""
    port = free_port()
    push_to = f"http://127.0.0.1:{port}/mas/cloud/{PUSH_PATH}"
    async with (
        stage.world() as world,
        Smsc({"zhangban": "secret"}, clock=world) as east,
        Ismg({"901234": "secret"}, clock=world) as west,
        WatchedMas(MAS_ACCOUNT, signature="衡江政务服务", clock=world, push_to=push_to) as cloud,
    ):
        world.watch("east", east)
        world.watch("west", west)
        world.watch("cloud", cloud)
        world.connect(smpp("east", east.port), cmpp("west", west.port), cloud_mas("cloud", cloud.url), http_port=port)
        faults = 0
        for _ in range(stage.some(4)):
            async with world.server():
                for _ in range(8):
                    await world.queue(texts=stage.some(24), long=stage.some(6), codes=stage.some(6))
                    world.text_us(1)
                    faults += _something_goes_wrong(stage.chance, east, west, cloud)
                    await asyncio.sleep(stage.chance.uniform(0.05, 0.4))
            all_is_well(world)
            world.pass_time(timedelta(seconds=stage.chance.choice((0, 130))))
        shares = "/".join(str(sum(taken.carrier == name for taken in world.taken)) for name in world.carriers)
        return await healed(world, (), f"{faults} faults, {shares} parts by SMPP/CMPP/MAS, ")


def _something_goes_wrong(chance: random.Random, east: Smsc, west: Ismg, cloud: WatchedMas) -> int:
    few = chance.randrange(1, 6)
    knobs: list[tuple[object, dict[str, object]]] = [
        (east.faults, {"throttle_next": few}),
        (east.faults, {"lose_responses": few}),
        (east.faults, {"drop_next": few}),
        (east.faults, {"cut_after": few, "cuts_mid_pdu": True}),
        (east.faults, {"error_every": 7}),
        (east.faults, {"duplicate_receipts": True, "receipt_first": True}),
        (east.faults, {"duplicate_responses": True}),
        (west.faults, {"throttle_next": few}),
        (west.faults, {"lose_responses": few}),
        (west.faults, {"drop_next": few}),
        (west.faults, {"cut_after": few, "cuts_mid_pdu": True}),
        (west.faults, {"error_every": 9}),
        (west.faults, {"duplicate_receipts": True, "receipt_first": True}),
        (west.faults, {"duplicate_texts": True}),
        (cloud.faults, {"throttle_next": few}),
        (cloud.faults, {"drop_next": few}),
        (cloud.faults, {"cut_answers": few}),
        (cloud.faults, {"http_statuses": [502] * few}),
        (cloud.faults, {"duplicate_reports": True, "report_first": True}),
        (cloud.faults, {"duplicate_texts": True}),
    ]
    chosen = chance.sample(knobs, 2)
    for faults, wanted in chosen:
        turn(faults, wanted)
    if chance.random() < 0.2:
        chance.choice((east, west, cloud)).cut()
    return len(chosen)


# ---------------------------------------------------------------------------------------------------- negative controls


async def broken_on_purpose(stage: Stage) -> Told:
    """Each promise of the gateway is broken once, and must be missed: or what holds above holds for nothing."""
    unnoticed = []
    for broken, (bad_day, expected) in CONTROLS.items():
        told = await bad_day(stage, broken)
        if not any(violation.startswith(expected) for violation in told.violations):
            unnoticed.append(f"unnoticed: {broken} (seen: {'; '.join(told.violations) or 'nothing'})")
    return Told(f"{len(CONTROLS)} promises broken, {len(CONTROLS) - len(unnoticed)} noticed", tuple(unnoticed))


async def _killed_once_people_were_thanked(stage: Stage, sabotage: str) -> Told:
    async with stage.one_carrier() as (world, _):
        async with world.server(sabotage=sabotage):
            world.text_us(3)
            await until(lambda: not world.untaken)
        return await healed(world, patience_s=IMPATIENCE_S)


async def _killed_once_receipts_were_acknowledged(stage: Stage, sabotage: str) -> Told:
    async with stage.one_carrier() as (world, smsc):
        await world.queue(texts=20)
        async with world.server(sabotage=sabotage):
            await until(lambda: smsc.counts["receipts"] >= 20)
            await asyncio.sleep(0.2)
        return await healed(world, patience_s=IMPATIENCE_S)


async def _answers_are_not_read(stage: Stage, sabotage: str) -> Told:
    async with stage.one_carrier() as (world, smsc):
        async with world.server(sabotage=sabotage):
            await until(lambda: smsc.counts["binds"] > 0)
            smsc.faults.is_deaf = True
            world.text_us(3)
            async with asyncio.timeout(PATIENCE_S):
                while await _unproved(world) or not await _unproved(world, "NOT"):  # noqa: ASYNC110  a table has no bell
                    await asyncio.sleep(0.1)
        world.pass_time(timedelta(minutes=1))
        return await healed(world, patience_s=IMPATIENCE_S)


async def _unproved(world: World, but: str = "") -> bool:
    return bool(await world.database.rows(f"SELECT id FROM inbound_pdu WHERE read_at IS {but} NULL LIMIT 1"))


async def _responses_are_lost(stage: Stage, sabotage: str) -> Told:
    async with stage.one_carrier(response_s=1.0) as (world, smsc):
        smsc.faults.lose_responses, smsc.faults.no_receipts = 10, True
        await world.queue(codes=10)
        async with world.server(sabotage=sabotage):
            await asyncio.sleep(2.5)
        return await healed(world, patience_s=IMPATIENCE_S)


async def _second_halves_are_dropped(stage: Stage, sabotage: str) -> Told:
    async with stage.one_carrier(response_s=1.0) as (world, smsc):
        smsc.faults.drop_every = 2
        await world.queue(long=10)
        async with world.server(sabotage=sabotage):
            await asyncio.sleep(2.5)
        return await healed(world, patience_s=IMPATIENCE_S)


async def _killed_once_an_act_was_performed(stage: Stage, sabotage: str) -> Told:
    async with stage.one_carrier() as (world, _):
        world.text_us(1)
        async with world.server(sabotage=sabotage, kill="performed") as victim:
            await victim.gone()
        return await healed(world, patience_s=IMPATIENCE_S)


CONTROLS: Mapping[str, tuple[Callable[[Stage, str], Awaitable[Told]], str]] = MappingProxyType(
    {
        "acknowledge texts before they are kept": (_killed_once_people_were_thanked, "lost"),
        "acknowledge receipts before they are recorded": (_killed_once_receipts_were_acknowledged, "unfinished"),
        "believe that every answer was read": (_answers_are_not_read, "kept"),
        "send codes again at once": (_responses_are_lost, "code sent again too soon"),
        "forget which parts were taken": (_second_halves_are_dropped, "recorded twice"),
        "perform without a key": (_killed_once_an_act_was_performed, "performed"),
    }
)
assert CONTROLS.keys() == BROKEN.keys()

# ----------------------------------------------------------------------------------------------------------- the table


class Scenario(Struct, frozen=True):
    play: Callable[[Stage], Awaitable[Told]]
    dialects: tuple[str, ...] = ("sqlite", "postgres")


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "kill -9 at every point of both paths": Scenario(killed_at_every_point),
        "kill -9 at random moments": Scenario(killed_at_random),
        "kill -9 with ten thousand in flight": Scenario(killed_with_ten_thousand_in_flight),
        "carrier cut in the middle of PDUs": Scenario(cut_in_the_middle_of_pdus),
        "half-open TCP, then a deaf carrier": Scenario(half_open_then_deaf),
        "a carrier that never answers": Scenario(never_answered),
        "receipts storm": Scenario(receipts_storm),
        "database stopped under load": Scenario(database_stopped_under_load, ("postgres",)),
        "database locked for seconds": Scenario(database_locked_for_seconds, ("sqlite",)),
        "clock jumps by hours": Scenario(clock_jumps),
        "two gateways on one account": Scenario(two_gateways_on_one_account, ("postgres",)),
        "mixed carriers with faults at random": Scenario(mixed_carriers),
        "promises broken on purpose are noticed": Scenario(broken_on_purpose, ("sqlite",)),
    }
)


# -------------------------------------------------------------------------------------------------------------- healing


async def healed(
    world: World, missed: Sequence[str] = (), figures: str = "", *, patience_s: float = PATIENCE_S / 3
) -> Told:
    """All is well again: what waits is taken at once, what is unknown after its time. Then everything is judged."""
    all_is_well(world)
    async with world.server() as server:
        await until(lambda: not world.untaken)
        if not await settled(world, min(3.0, patience_s)):
            for _ in range(3):
                server.kill()
                world.pass_time(LATER)
                async with world.server():
                    if await settled(world, patience_s):
                        break
    verdict = await judged(world)
    states = ", ".join(f"{count} {state}" for state, count in sorted(verdict.states.items()))
    people = f", {verdict.people} from people" if verdict.people else ""
    figures += f"{world.kills} kills, {verdict.taken} parts sent, {verdict.repeated} again; {states}{people}"
    return Told(figures, (*missed, *verdict.violations))


def all_is_well(world: World) -> None:
    for carrier in world.carriers.values():
        turn(carrier.faults, state_of(type(carrier.faults)()))


async def settled(world: World, within_s: float) -> bool:
    """Whether every text comes to its end and every person's text is taken and answered, in that time.

    Not so, and at once, when nothing moves any more before its time has come.
    """
    try:
        async with asyncio.timeout(within_s):
            while await _moves(world):  # noqa: ASYNC110  a database has no bell
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return (await world.states()).keys() <= FINAL


async def _moves(world: World) -> bool:
    waiting = await world.database.rows("SELECT COUNT(*) AS n FROM inbound_message WHERE handled_at IS NULL")
    replies = await world.database.rows("SELECT COUNT(*) AS n FROM message WHERE dedupe_key LIKE 'reply:%'")
    if world.untaken or waiting[0]["n"] or int(str(replies[0]["n"])) < len(world.people):
        return True
    moving = await world.database.rows(
        "SELECT (SELECT COUNT(*) FROM message_claim) + (SELECT COUNT(*) FROM outstanding"
        " WHERE state = 'submitted' OR state IN ('queued', 'unknown') AND send_after <= $1) AS n",
        world.now(),
    )
    return bool(moving[0]["n"])


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110  a simulator has no bell
            await asyncio.sleep(0.02)
