"""The bad days of the ferry, each as a story: two real zones under load, what breaks, how it heals.

What must hold is in ferry_invariants.py. All lanes carry something but `supervise`, which no pair of zones uses.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from itertools import zip_longest
from types import MappingProxyType

from casework.clock.working_days import CHINA
from ferry.simulator.gap import Faults
from tests.chaos import ferry_points
from tests.chaos.ferry_controls import broken_on_purpose
from tests.chaos.ferry_healing import healed
from tests.chaos.ferry_one_way import hand_over_ages, one_way_with_losses
from tests.chaos.ferry_restoring import restored_from_yesterday
from tests.chaos.ferry_storage import disk_full, nothing_can_be_synced_or_named
from tests.chaos.ferry_strangers import plant, unrefused
from tests.chaos.ferry_zones import Zone, Zones, two_zones
from tests.chaos.scenarios import PATIENCE_S, Scenario, Stage, Told, until
from tests.chaos.victim import JUMP

HOSTILE = Faults(
    loses=0.15, repeats=0.1, delays=0.25, renames=0.1, truncates=0.08, shows_partial=0.08, flips_a_bit=0.08,
    replays=0.05, vanishes=0.03,
)  # fmt: skip
#: Until a busy machine comes to a point that is on every day's way.
_ENOUGH_S = 60.0
#: That a busy machine seals or applies at the least, each synced and committed by itself.
_PARCELS_A_SECOND = 10
_URGENT = 40


# ------------------------------------------------------------------------------------------------------------- kill -9


async def killed_at_every_point(stage: Stage) -> Told:
    """Both zones die at a named point each, at the same time; the next process of either goes on."""
    missed: list[str] = []
    async with two_zones(stage) as zones:
        outer, inner = list(ferry_points.OUTER), list(ferry_points.INNER)
        stage.chance.shuffle(outer)
        stage.chance.shuffle(inner)
        outer, inner = outer[: stage.some(len(outer))], inner[: stage.some(len(inner))]
        for pair in zip_longest(outer, inner, fillvalue=""):
            await _killed_once(zones, pair, missed)
        figures = f"{len(outer)} points outside and {len(inner)} inside, "
        return await healed(zones, missed, figures)


async def _killed_once(zones: Zones, points: tuple[str, str], missed: list[str]) -> None:
    """Each zone dies at its point; who died first works on until the other is dead."""
    over = asyncio.Event()
    left = [zone for zone, point in zip(zones.both, points, strict=True) if point]

    async def lives(zone: Zone, point: str) -> None:
        if point:
            async with zone.server(kill=point, is_ready=False) as victim:
                try:
                    await victim.gone(_ENOUGH_S)
                except TimeoutError:
                    missed.append(f"never came to the point: {point}, {zone.own}")
            left.remove(zone)
            if not left:
                over.set()
        if not over.is_set():
            async with zone.server(is_ready=False):
                await over.wait()

    async with asyncio.TaskGroup() as both:
        for zone, point in zip(zones.both, points, strict=True):
            both.create_task(lives(zone, point))
        # So that parcels overtake each other: without, none is ever held.
        zones.device.misbehave(Faults(delays=0.9 if any("hold" in point for point in points) else 0.3))
        await zones.busy(filings=1, refused=0, texts=3)
        while not over.is_set():
            await zones.busy(filings=1, files=0, refused=0, texts=2, people=0)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 1.0)


async def killed_at_random(stage: Stage) -> Told:
    """Either zone dies at any moment from its first breath on, again and again, while the other goes on."""
    async with two_zones(stage) as zones:

        async def lives(zone: Zone) -> None:
            for number in range(stage.some(8)):
                # Every other one at work, however long its start takes on this machine.
                async with zone.server(is_ready=number % 2 > 0):
                    await asyncio.sleep(stage.chance.uniform(0.1, 2.0))

        async with asyncio.TaskGroup() as both:
            living = [both.create_task(lives(zone)) for zone in zones.both]
            while not all(each.done() for each in living):
                await zones.busy()
                await asyncio.sleep(2.0)
        return await healed(zones)


# ----------------------------------------------------------------------------------------------------------- the device


async def device_at_its_worst(stage: Stage) -> Told:
    """Lost, repeated, late, renamed, cut, growing, changed by a bit, deleted, played back; and strangers' files."""
    async with two_zones(stage) as zones:
        zones.device.misbehave(HOSTILE)
        async with zones.serving():
            for _ in range(stage.some(10)):
                await zones.busy()
                for zone in zones.both:
                    plant(zone, zones, stage.chance)
                await asyncio.sleep(1.5)
        faults = ", ".join(f"{count} {name}" for name, count in zones.device.counts.items())
        told = await healed(zones, (), f"{faults}; ")
        return Told(told.figures, (*told.violations, *await unrefused(zones)))


# ------------------------------------------------------------------------------------------------------------- the way


async def way_is_gone(stage: Stage) -> Told:
    """The way out is gone for a while, hundreds of parcels pile up, and what is urgent overtakes all of them.

    A device carries in whatever order it likes, and the receiver takes what lies there: so that what is judged is the
    receiver's order and no device's, it looks when everything has been carried. With `--size 20` it is ten thousand.
    """
    count = stage.some(500)
    patience = PATIENCE_S + count / _PARCELS_A_SECOND
    async with two_zones(stage) as zones:
        async with AsyncExitStack() as outer, AsyncExitStack() as inner:
            # The outer one first: texts wait inside until something was heard from there.
            await outer.enter_async_context(zones.outer.server(one_by_one=True))
            await inner.enter_async_context(zones.inner.server(one_by_one=True))
            zones.device.carries = ()
            zones.inner.out.rename(zones.inner.out.with_suffix(".gone"))
            zones.inner.out.write_text("no folder")
            await hand_over_ages(zones.inner, count)
            await asyncio.sleep(1.0)
            zones.inner.out.unlink()
            zones.inner.out.with_suffix(".gone").rename(zones.inner.out)
            await _until(lambda: _sealed(zones.inner, count), patience_s=patience)
            # The carrier outside counts as down once nothing was heard of it for two minutes, and texts wait inside.
            zones.device.carries = (zones.device.there,)
            await zones.inner.queue(texts=_URGENT)
            await _until(lambda: _nothing_waits(zones.inner))
            await outer.aclose()
            urgent = await _under_way(zones.inner)
            zones.device.carries = zones.device.both
            await _until(lambda: _carried(zones), patience_s=patience)
            async with zones.outer.server(one_by_one=True):
                await _until(lambda: _applied(zones.outer, count), patience_s=patience)
        behind = await zones.outer.database.rows(
            "SELECT COUNT(*) AS n FROM ferry_inbox WHERE lane = 'case' AND id >"
            " (SELECT MAX(id) FROM ferry_inbox WHERE lane = 'urgent' AND seq <= $1)",
            urgent,
        )
        overtaken = int(str(behind[0]["n"]))
        missed = [] if overtaken >= count else [f"urgent did not overtake: {overtaken} of {count} came behind it"]
        return await healed(zones, missed, f"{count} parcels waited, {overtaken} of them overtaken; ")


async def _under_way(zone: Zone) -> int:
    """The last number of the urgent lane."""
    [row] = await zone.database.rows("SELECT MAX(seq) AS seq FROM ferry_parcel WHERE lane = 'urgent'")
    return int(str(row["seq"]))


async def _carried(zones: Zones) -> bool:
    """Whether every parcel that was offered lies where the outer zone looks; its status comes and goes."""
    rows = await zones.inner.database.rows("SELECT file FROM ferry_parcel WHERE state = 'sealed'")
    there = {path.name for path in zones.outer.into.iterdir()}
    return all(str(row["file"]) in there for row in rows)


async def _sealed(zone: Zone, count: int) -> bool:
    rows = await zone.database.rows("SELECT COUNT(*) AS n FROM ferry_parcel WHERE lane = 'case' AND state = 'sealed'")
    return int(str(rows[0]["n"])) >= count


async def _nothing_waits(zone: Zone) -> bool:
    rows = await zone.database.rows(
        "SELECT (SELECT COUNT(*) FROM outstanding WHERE state = 'queued')"
        " + (SELECT COUNT(*) FROM ferry_place WHERE lane = 'urgent' AND parcel IS NULL)"
        " + (SELECT COUNT(*) FROM ferry_parcel WHERE lane = 'urgent' AND state = 'assigned') AS n"
    )
    return rows[0]["n"] == 0


async def _applied(zone: Zone, count: int) -> bool:
    rows = await zone.database.rows("SELECT COUNT(*) AS n FROM ferry_inbox WHERE lane = 'case'")
    return int(str(rows[0]["n"])) >= count


# ------------------------------------------------------------------------------------------------------ time, several


async def clocks_jump(stage: Stage) -> Told:
    """The clock of either zone is set three hours ahead and back while acts, states and texts are under way."""
    jumps = 0
    async with two_zones(stage) as zones:
        zones.pass_time(timedelta(days=1))  # no certificate of the installation is younger than the jumps are long
        for _ in range(stage.some(2)):
            async with zones.outer.server() as outer, zones.inner.server() as inner:
                servers = {zones.outer: outer, zones.inner: inner}
                for _ in range(4):
                    await zones.busy()
                    await asyncio.sleep(stage.chance.uniform(0.1, 1.0))
                    # A text that is said again hours later, by the clock, is taken for another one.
                    await until(lambda: not zones.inner.untaken)
                    zone, ahead = stage.chance.choice(zones.both), stage.chance.random() < 0.5
                    zone.pass_time(JUMP if ahead else -JUMP)
                    servers[zone].kill(signal.SIGUSR1 if ahead else signal.SIGUSR2)
                    jumps += 1
                    await asyncio.sleep(1.0)
        # Somebody sets them right, once whatever was put off has come round; at nine, for at night texts wait.
        late = max(zones.both, key=lambda zone: zone.ahead_s)
        now = (late.now() + JUMP).astimezone(CHINA)
        morning = now.replace(hour=9, minute=0) + timedelta(days=now.hour >= 9)
        latest = late.ahead_s + (morning - late.now()).total_seconds()
        for zone in zones.both:
            zone.ahead_s = latest
        return await healed(zones, (), f"{jumps} jumps; ")


async def two_sealers(stage: Stage) -> Told:
    """Two processes at each zone's ferry, each killed in turn: two servers on PostgreSQL, else an engine beside one."""
    async with two_zones(stage) as zones:
        zones.device.misbehave(Faults(delays=0.3, repeats=0.1))
        for _ in range(stage.some(2)):
            async with AsyncExitStack() as stack:
                others = []
                for zone in zones.both:
                    await stack.enter_async_context(zone.server())
                    # The outer zone's door is one port.
                    is_server = stage.dialect == "postgres" and zone is zones.inner
                    other = zone.server() if is_server else zone.server(sealer=zone.peer)
                    others.append(await stack.enter_async_context(other))
                for _ in range(3):
                    await zones.busy()
                    await asyncio.sleep(stage.chance.uniform(0.5, 1.0))
                stage.chance.choice(others).kill()
                await zones.busy()
                await asyncio.sleep(stage.chance.uniform(0.5, 1.0))
        return await healed(zones)


async def _until(has: Callable[[], Awaitable[bool]], *, patience_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(patience_s):
        while not await has():  # noqa: ASYNC110  a database has no bell
            await asyncio.sleep(0.1)


# ----------------------------------------------------------------------------------------------------------- the table


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "ferry: kill -9 at every point of both zones": Scenario(killed_at_every_point),
        "ferry: kill -9 at random moments": Scenario(killed_at_random),
        "ferry: a device at its worst": Scenario(device_at_its_worst),
        "ferry: the way is gone, then urgent first": Scenario(way_is_gone),
        "ferry: nothing can be synced, then named": Scenario(nothing_can_be_synced_or_named),
        "ferry: full disks": Scenario(disk_full),
        "ferry: two sealers in each zone": Scenario(two_sealers),
        "ferry: clocks jump by hours": Scenario(clocks_jump),
        "ferry: restored from yesterday": Scenario(restored_from_yesterday),
        "ferry: one-way with losses": Scenario(one_way_with_losses),
        "ferry: promises broken on purpose are noticed": Scenario(broken_on_purpose, ("sqlite",)),
    }
)
