"""All is well again: everything that waits crosses, on both sides; then both are stopped, and everything is judged."""

import asyncio
from collections.abc import Sequence

from alerts.states import FINAL
from ferry.simulator.gap import Faults
from tests.chaos.ferry_invariants import judged
from tests.chaos.ferry_zones import Zone, Zones
from tests.chaos.scenarios import LATER, Told, all_is_well

#: Of a busy machine, with everything that crosses several times.
_PATIENCE_S, _LOOK_S = 60.0, 0.1
#: What waits for nobody but the clock (a text of unknown outcome) needs no patience.
_STILL_S = 4.0

#: By what waits, how much of it: nothing may.
_WAITING = {
    "records": "SELECT COUNT(*) AS n FROM ferry_place WHERE parcel IS NULL",
    "pieces": "SELECT COUNT(*) AS n FROM ferry_piece WHERE epoch IN ('', '?')",
    "parcels": "SELECT COUNT(*) AS n FROM ferry_parcel WHERE state IN ('assigned', 'sealed')",
    "held": "SELECT COUNT(*) AS n FROM ferry_held",
    "files": "SELECT COUNT(*) AS n FROM ferry_file WHERE state IN ('coming', 'waiting')",
    "events": "SELECT COUNT(*) AS n FROM outbox WHERE NOT parked",
    "asked": "SELECT COUNT(*) AS n FROM relayed_act WHERE outcome = ''",
    "acts": "SELECT COUNT(*) AS n FROM arrived_act WHERE outcome = ''",
    "states": "SELECT COUNT(*) AS n FROM ferry_mirror_subject WHERE dirty_since IS NOT NULL",
    "parts of states": "SELECT COUNT(*) AS n FROM ferry_mirror_part",
    "reports": "SELECT COUNT(*) AS n FROM text_ferried f JOIN message m ON m.id = f.message_id"
               " WHERE f.is_open AND (m.state <> f.state OR m.error <> f.error)",
    "news": "SELECT COUNT(*) AS n FROM text_across WHERE news",
    "inbound": "SELECT COUNT(*) AS n FROM inbound_message WHERE handled_at IS NULL",
}  # fmt: skip
_UNFINISHED = (
    f"SELECT COUNT(*) AS n FROM message WHERE state NOT IN ({', '.join(repr(str(state)) for state in sorted(FINAL))})"
)


async def healed(
    zones: Zones, missed: Sequence[str] = (), figures: str = "", *, rounds: int = 4, patience_s: float = _PATIENCE_S
) -> Told:
    zones.device.carries = zones.device.both
    zones.device.misbehave(Faults())
    all_is_well(zones.outer)
    left: dict[str, int] = {}
    for _ in range(rounds):
        async with zones.serving():
            await settled(zones, patience_s)
        # Nobody serves: what is so now stays so.
        left = await waiting(zones)
        if not left:
            break
        zones.pass_time(LATER)
    verdict = await judged(zones)
    unfinished = [f"unfinished: {number} {name}" for name, number in left.items()]
    return Told(f"{figures}{verdict.figures}", (*missed, *unfinished, *verdict.violations))


async def waiting(zones: Zones) -> dict[str, int]:
    found: dict[str, int] = {"people": zones.filings.unanswered + zones.inner.untaken}
    for zone in zones.both:
        for name, sql in {**_WAITING, "texts": _UNFINISHED}.items():
            found[f"{name} {zone.own}"] = await _count(zone, sql)
    answers = await _count(zones.inner, "SELECT COUNT(*) AS n FROM message WHERE dedupe_key LIKE 'reply:%'")
    found["answers to people"] = max(0, len(zones.inner.people) - answers)
    return {name: number for name, number in found.items() if number}


async def settled(zones: Zones, within_s: float) -> None:
    """Until nothing waits, or only what needs another hour: then nothing changes any more."""
    loop = asyncio.get_running_loop()
    before: dict[str, int] = {}
    since_s = loop.time()
    try:
        async with asyncio.timeout(within_s):
            while left := await waiting(zones):
                if left.keys() <= {"texts outer", "texts inner", "news inner"} and left == before:
                    if loop.time() - since_s > _STILL_S:
                        return
                else:
                    before, since_s = left, loop.time()
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        return


async def _count(zone: Zone, sql: str) -> int:
    return int(str((await zone.database.rows(sql))[0]["n"]))
