"""Databases put back from yesterday, with their keys and files: what one side forgot, the other remembers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from alerts.states import FINAL, State
from ferry.simulator.gap import Faults
from tests.chaos.ferry_healing import healed, settled
from tests.chaos.ferry_zones import Neighbour, Restore, Zone, Zones, two_zones
from tests.chaos.installations import Installations
from tests.chaos.scenarios import PATIENCE_S, Stage, Told


async def restored_from_yesterday(stage: Stage) -> Told:
    """Either zone goes back to a copy of yesterday: once it is told so, as the handbook says, once it finds out."""
    figures, missed = [], []
    async with two_zones(stage) as zones:
        await zones.busy()
        await at_rest(zones)
        for zone, is_told in ((zones.outer, False), (zones.inner, True))[: stage.some(2)]:
            # What waits now leaves after the copy was made; an inner zone that is put back has it in its queue again.
            await zones.inner.queue(texts=3, codes=2)
            yesterday = await copied(zone, stage)
            # Texts that are queued inside, and not by an act, would be lost with the database that is put back.
            await zones.busy(texts=4 if zone is zones.outer else 0)
            await at_rest(zones)
            await zones.busy(texts=4 if zone is zones.outer else 0, people=0)
            if zone is zones.outer:
                await zone.typed("pause", zone.peer, "bulk", "--reason", "昨日备份之后")
                zones.device.back.faults = Faults(loses=1.0)
            async with zones.serving():
                await asyncio.sleep(stage.chance.uniform(0.3, 1.5))
                if zone is zones.outer:
                    await _file_is_named_inside(zones)
            zones.device.misbehave(Faults())
            restore = await put_back(zone, zones, *yesterday)
            if is_told:
                await zone.typed("new-epoch", zone.peer, "--reason", "昨日备份")
            await zones.inner.typed("snapshot", "outer", "--reason", "昨日备份")
            async with zones.serving():
                await settled(zones, 60)
                changed = await zones.filings.ask_again()
            missed += [
                f"told otherwise: {key} was {number}" for key, number in changed.items() if number not in restore.cases
            ]
            figures.append(
                f"{zone.own} {'told' if is_told else 'untold'}: {len(restore.numbers)} numbers, {len(restore.cases)}"
                f" cases and the outcome of {len(restore.unknown)} texts forgotten, {len(changed)} told otherwise"
            )
        return await healed(zones, missed, f"{'; '.join(figures)}; ")


async def _file_is_named_inside(zones: Zones) -> None:
    """Until the last act with an attachment is performed: its file has not crossed, and its answer is lost."""
    newest = next(filing for filing in reversed(zones.filings.all) if filing.picture)
    known = "SELECT applicant_phone FROM case_file"
    async with asyncio.timeout(PATIENCE_S):
        while newest.phone not in await _column(zones.inner, known):  # noqa: ASYNC110  a database has no bell
            await asyncio.sleep(0.1)


async def at_rest(zones: Zones) -> None:
    async with zones.serving():
        await settled(zones, 60)


async def copied(zone: Zone, stage: Stage) -> tuple[str, Path]:
    await zone.database.close()
    assert isinstance(stage.installation, Installations)
    copied = await stage.installation.copied(zone.folder.name)
    await zone.restored(await Neighbour.opened(zone.database.url))
    return copied


async def put_back(zone: Zone, zones: Zones, url: str, folder: Path) -> Restore:
    """Database, keys and files, as they were copied together."""
    before = await _known(zone)
    ended = [State.SUBMITTED, *sorted(FINAL)]
    unknown = await _column(
        zones.inner, f"SELECT to_phone FROM message WHERE state NOT IN ({', '.join(map(repr, map(str, ended)))})"
    )
    zone.folder = folder
    await zone.restored(await Neighbour.opened(url))
    zones.settle_in()
    numbers, records, cases = (had - has for had, has in zip(before, await _known(zone), strict=True))
    made = Restore(zone.own, numbers, records, cases, unknown)
    zones.restores.append(made)
    return made


async def _known(zone: Zone) -> Sequence[frozenset]:
    """Numbers that were given, records that were handed over, cases."""
    parcels = await zone.database.rows("SELECT lane, epoch, seq FROM ferry_parcel")
    return (
        frozenset(tuple(row.values()) for row in parcels),
        await _column(zone, "SELECT rid FROM ferry_record"),
        await _column(zone, "SELECT number FROM case_file") if zone.own == "inner" else frozenset(),
    )


async def _column(zone: Zone, sql: str) -> frozenset[str]:
    return frozenset(str(value) for row in await zone.database.rows(sql) for value in row.values())
