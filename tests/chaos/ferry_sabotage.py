"""Promises of the ferry broken on purpose, as in sabotage.py: to see that it would be noticed."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

#: Longer than a carrier, and whoever kills the server then, needs.
_LATE_S = 30.0


def move_the_cursor_before_records_take_effect() -> None:
    from ferry import applying

    async def apply(station: Any, arrival: Any, *, now: Any) -> str:
        async with station.database.transaction():
            is_ours = await applying._take_place(station, arrival, now)
        station.reach("before apply commit")
        async with station.database.transaction():
            if is_ours:
                await applying._apply_records(station, arrival, now)
        return ""

    applying.apply = apply


def write_a_parcel_before_its_number_is_committed() -> None:
    from ferry import offering, outgoing

    async def assign(station: Any, lane: Any, *, now: Any) -> None:
        async with station.database.transaction():
            assigned = await outgoing._assigned(station, lane, now)
            if assigned is not None:
                await offering.offer(station, *assigned, now=now)
                station.reach("before commit A")

    outgoing.assign = assign  # what it assigned is offered already


def acknowledge_peoples_texts_before_they_are_kept() -> None:
    from server.ferry_inbox import RelayInbox

    keep, later = RelayInbox.take, set[asyncio.Task[int]]()

    async def late(inbox: RelayInbox, arrival: Any) -> int:
        await asyncio.sleep(_LATE_S)
        return await keep(inbox, arrival)

    async def take(self: RelayInbox, arrival: Any) -> int:
        later.add(asyncio.create_task(late(self, arrival)))
        return 0

    RelayInbox.take = take  # type: ignore[method-assign]


def perform_arrived_acts_without_a_key() -> None:
    from tests.chaos.sabotage import perform_without_a_key

    perform_without_a_key()


def send_again_what_the_outer_zone_forgot() -> None:
    from ferry import epochs

    async def leave_nothing_out(station: Any, states: Any, now: Any) -> None:
        pass

    epochs._leave_to_sources = leave_nothing_out


BROKEN: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        sabotage.__name__.replace("_", " "): sabotage
        for sabotage in (
            move_the_cursor_before_records_take_effect,
            write_a_parcel_before_its_number_is_committed,
            acknowledge_peoples_texts_before_they_are_kept,
            perform_arrived_acts_without_a_key,
            send_again_what_the_outer_zone_forgot,
        )
    }
)
