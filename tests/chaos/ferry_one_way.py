"""One-way with losses: nothing comes back, and yet the gaps that are reported are the gaps there are."""

import asyncio
import json
from datetime import timedelta

from ferry.outgoing import hand_over
from ferry.records import Envelope
from ferry.simulator.gap import Faults
from ferry.zones.mirror import Age, stamp_of
from server.ferry_stations import routes_of
from server.settings import read
from tests.chaos.ferry_zones import Zone, Zones, two_zones
from tests.chaos.scenarios import Stage, Told

_PATIENCE_S = 60.0


async def one_way_with_losses(stage: Stage) -> Told:
    """Of what leaves the inner zone many parcels never arrive, however often they are repeated."""
    async with two_zones(stage) as zones:
        zones.settle_in(is_one_way=True)
        zones.device.back.faults = Faults(loses=0.75, repeats=0.1, delays=0.2)
        async with zones.serving():
            for _ in range(max(15, stage.some(30))):
                await hand_over_ages(zones.inner, 1)
                await asyncio.sleep(0.2)
            zones.device.back.faults = Faults(delays=0.2)
            await _said_all(zones)
            reported, true = await _reported(zones.outer), await _true_gaps(zones)
            found = (
                []
                if reported == true
                else [f"gaps: reported {sorted(reported - true)}, true {sorted(true - reported)}"]
            )
            if not true:
                found.append("nothing was lost for good")
            # A person carries the list inside, and what is missing is repeated.
            gaps = zones.inner.out.parent / "gaps.fry"
            await zones.outer.typed("export-gap", "inner", str(gaps), "--reason", "缺口")
            await zones.inner.typed("import", "outer", str(gaps), "--reason", "缺口")
            await _until(lambda: _is_whole(zones))
        left = await _true_gaps(zones) | await _reported(zones.outer)
        if left:
            found.append(f"never filled: {sorted(left)}")
        parcels = len(await zones.inner.database.rows("SELECT id FROM ferry_parcel"))
        applied = await zones.outer.database.rows("SELECT rid FROM ferry_applied")
        sent = await zones.inner.database.rows(
            "SELECT rid FROM ferry_record r JOIN ferry_place s ON s.id = r.id WHERE s.parcel IS NOT NULL"
        )
        if lost := {row["rid"] for row in sent} - {row["rid"] for row in applied}:
            found.append(f"lost: records {sorted(map(str, lost))[:3]}")
        counts = zones.device.back.counts
        return Told(
            f"{parcels} parcels, {counts.get('loses', 0)} files lost, {len(true)} gaps; all filled", tuple(found)
        )


async def hand_over_ages(inner: Zone, count: int) -> None:
    """Records of the lane of cases that change nothing outside, because they are old."""
    route = routes_of(read(inner.config.read_bytes(), {})).to("outer")
    for _ in range(0, count, 500):
        envelopes = []
        for _ in range(min(count, 500)):
            inner.handed += 1
            at = inner.now() - timedelta(days=3) + timedelta(microseconds=inner.handed)
            body = Age(as_of=at, peer="outer")
            envelopes.append(
                Envelope(rid=f"age:{stamp_of(at)}", type="state.age", key="age", at=inner.now(), body=body)
            )
        async with inner.database.transaction():
            await hand_over(inner.database, route, envelopes, now=inner.now())


async def _said_all(zones: Zones) -> None:
    """Until the inner zone has repeated everything, and the outer one has passed what is missing before what it has."""

    async def has() -> bool:
        left = await zones.inner.database.rows(
            "SELECT id FROM ferry_parcel WHERE state IN ('assigned', 'sealed') UNION ALL"
            " SELECT id FROM ferry_place WHERE parcel IS NULL"
        )
        held = await zones.outer.database.rows("SELECT id FROM ferry_held")
        heads = await zones.inner.database.rows("SELECT lane, head_seq AS seq FROM ferry_channel ORDER BY lane")
        heard = await zones.outer.database.rows("SELECT lane, head_seq AS seq FROM ferry_cursor ORDER BY lane")
        return not left and not held and heads == heard

    await _until(has)


async def _is_whole(zones: Zones) -> bool:
    return not await _true_gaps(zones) and not await _reported(zones.outer)


async def _until(has) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not await has():  # noqa: ASYNC110  a database has no bell
            await asyncio.sleep(0.2)


async def _reported(outer: Zone) -> set[tuple[str, int]]:
    """As `zhangban ferry status` says."""
    (found,) = json.loads(await outer.typed("status", "--json", code=None))
    return {
        (lane["lane"], seq)
        for lane in found["lanes"]
        for first, last in lane["missing"]
        for seq in range(first, last + 1)
    }


async def _true_gaps(zones: Zones) -> set[tuple[str, int]]:
    sent = await zones.inner.database.rows("SELECT lane, epoch, seq FROM ferry_parcel WHERE state <> 'retired'")
    came = await zones.outer.database.rows("SELECT lane, epoch, seq FROM ferry_inbox")
    known = {tuple(row.values()) for row in came}
    return {(str(row["lane"]), int(str(row["seq"]))) for row in sent if tuple(row.values()) not in known}
