"""The invariants of the ferry tried: with a promise broken on purpose the right one of them must be violated."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from tests.chaos.ferry_healing import healed
from tests.chaos.ferry_one_way import hand_over_ages
from tests.chaos.ferry_restoring import at_rest, copied, put_back
from tests.chaos.ferry_sabotage import BROKEN
from tests.chaos.ferry_zones import Zones, two_zones
from tests.chaos.scenarios import Stage, Told, until

#: Of who knows that it will not end well.
_IMPATIENCE_S = 6.0


async def broken_on_purpose(stage: Stage) -> Told:
    """A control: with one promise broken at a time, the right invariant is violated, and none without."""
    unnoticed = []
    for sabotage, (play, word) in CONTROLS.items():
        async with two_zones(stage) as zones:
            await play(zones, stage, sabotage)
            told = await healed(zones, rounds=2, patience_s=_IMPATIENCE_S)
        if not any(word in violation for violation in told.violations):
            unnoticed.append(f"not noticed: {sabotage}; {told.violations}")
    return Told(f"{len(CONTROLS)} promises broken", tuple(unnoticed))


async def _inner_killed(zones: Zones, sabotage: str, point: str) -> None:
    async with zones.outer.server(), zones.inner.server(sabotage=sabotage, kill=point, is_ready=False) as victim:
        zones.filings.file()
        await victim.gone()


async def _killed_while_applying(zones: Zones, stage: Stage, sabotage: str) -> None:
    await _inner_killed(zones, sabotage, "before apply commit")


async def _killed_while_assigning(zones: Zones, stage: Stage, sabotage: str) -> None:
    await hand_over_ages(zones.inner, 3)
    await _inner_killed(zones, sabotage, "before commit A")
    await hand_over_ages(zones.inner, 3)


async def _killed_after_an_act(zones: Zones, stage: Stage, sabotage: str) -> None:
    async with zones.outer.server():
        async with zones.inner.server(sabotage=sabotage, kill="after act", is_ready=False) as victim:
            zones.filings.file()
            await victim.gone()
        async with zones.inner.server(sabotage=sabotage):
            await until(lambda: not zones.filings.unanswered)


async def _killed_once_people_were_thanked(zones: Zones, stage: Stage, sabotage: str) -> None:
    async with zones.outer.server(sabotage=sabotage):
        zones.inner.text_us(2)
        await until(lambda: not zones.inner.untaken)


async def _outer_put_back(zones: Zones, stage: Stage, sabotage: str) -> None:
    await at_rest(zones)
    yesterday = await copied(zones.outer, stage)
    await zones.inner.queue(texts=4)
    await at_rest(zones)
    await put_back(zones.outer, zones, *yesterday)
    async with zones.outer.server(), zones.inner.server(sabotage=sabotage):
        shown = {phone: len(zones.inner.inbox(phone)) for phone in zones.inner.expected}
        async with asyncio.timeout(30):
            while all(len(zones.inner.inbox(phone)) == count for phone, count in shown.items()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)


CONTROLS: Mapping[str, tuple[Callable[[Zones, Stage, str], Awaitable[None]], str]] = MappingProxyType(
    {
        "move the cursor before records take effect": (_killed_while_applying, "lost: record"),
        "write a parcel before its number is committed": (
            _killed_while_assigning,
            "an epoch was begun to heal what broke",
        ),
        "acknowledge peoples texts before they are kept": (_killed_once_people_were_thanked, "lost: a text from"),
        "perform arrived acts without a key": (_killed_after_an_act, "performed 2 times"),
        "send again what the outer zone forgot": (_outer_put_back, "sent again"),
    }
)
assert CONTROLS.keys() == BROKEN.keys()
