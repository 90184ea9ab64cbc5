"""Backups that are older than the last parcel, on either side; total loss; one side that forgot an epoch."""

from collections.abc import Awaitable, Callable

import pytest

from ferry import epochs
from ferry.outgoing import hand_over
from ferry.records import Envelope
from tests.ferry.pair import Note
from tests.shelves import Shelf


class Backups:
    """Copies of a side's database, in the dialect of the run."""

    def __init__(self, shelf: Shelf, made: list[str]) -> None:
        self._shelf, self._made = shelf, made

    async def of(self, side) -> Callable[[], Awaitable[None]]:
        """Takes a backup; calling the result restores it."""
        await side.close()
        kept = self._copy(side.url)
        await side.open(side.url)
        await side.start()

        async def restore() -> None:
            await side.close()
            await side.open(self._copy(kept))
            await side.start()

        return restore

    async def lose(self, side) -> None:
        """Everything is gone: an empty database."""
        await side.close()
        self._made.append(self._shelf.migrated())
        await side.open(self._made[-1])
        await side.start()

    def _copy(self, url: str) -> str:
        self._made.append(self._shelf.copy_of(url))
        return self._made[-1]


@pytest.fixture
def backups(_shelf, pair):
    return Backups(_shelf, pair.databases)


async def applied(side) -> set[str]:
    effects = await side.effects()
    assert set(effects.values()) <= {1}, "something took effect twice"
    return {name.removeprefix("case.state/") for name in effects}


async def rest(pair, steps: int = 25) -> None:
    """Long enough for heartbeats to tell what no record tells."""
    for _ in range(steps):
        await pair.step(20)
    await pair.settle()


async def test_a_receiver_restored_from_a_backup_is_served_again_from_there(pair, backups):
    await pair.outer.hand_over("a1")
    await pair.settle()
    restore = await backups.of(pair.inner)
    await pair.outer.hand_over("a2")
    await pair.outer.hand_over("a3")
    await pair.settle()
    await restore()
    assert await applied(pair.inner) == {"a1"}
    await rest(pair)
    assert await applied(pair.inner) == {"a1", "a2", "a3"}


async def test_a_sender_restored_from_a_backup_begins_a_new_epoch_and_repeats_no_effect(pair, backups):
    await pair.outer.hand_over("a1")
    await pair.settle()
    await pair.outer.hand_over("a2")
    restore = await backups.of(pair.outer)
    await pair.settle()
    await pair.outer.hand_over("lost")  # the backup does not know it; the receiver does
    await pair.settle()
    await restore()
    await pair.outer.hand_over("b1")
    await rest(pair)
    assert await applied(pair.inner) == {"a1", "a2", "lost", "b1"}
    assert len(await pair.inner.rows("SELECT id FROM ferry_epoch")) == 2


async def test_both_restored_from_backups_of_different_hours_come_together_again(pair, backups):
    await pair.outer.hand_over("a1")
    await pair.inner.hand_over("z1")
    await pair.settle()
    inner = await backups.of(pair.inner)
    await pair.outer.hand_over("a2")
    await pair.inner.hand_over("z2")
    await pair.settle()
    outer = await backups.of(pair.outer)
    await pair.outer.hand_over("a3")
    await pair.settle()
    await inner()
    await outer()
    await pair.outer.hand_over("a4")
    await pair.inner.hand_over("z4")
    await rest(pair)
    assert {"a1", "a2", "a4"} <= await applied(pair.inner)
    assert {"z1", "z2", "z4"} <= await applied(pair.outer)


async def test_a_receiver_restored_to_before_an_epoch_gets_all_that_is_kept(pair, backups):
    await pair.outer.hand_over("a1")
    await pair.settle()
    restore = await backups.of(pair.inner)
    await pair.outer.hand_over("a2")
    await pair.settle()
    with pair.outer.here():
        await pair.outer.engine.new_epoch(now=pair.clock.now())
    await pair.outer.hand_over("a3")
    await pair.settle()
    await restore()
    await rest(pair)
    assert await applied(pair.inner) == {"a1", "a2", "a3"}


async def test_after_total_loss_the_present_state_crosses_through_the_same_door(pair, backups):
    await pair.outer.hand_over("a1", "a2")
    await pair.settle()
    await backups.lose(pair.inner)

    async def snapshot(database, route, now) -> int:
        states = [
            Envelope(rid=f"state:{n}", type="case.state", key=str(n), at=now, body=Note(text="现状")) for n in range(3)
        ]
        return await hand_over(database, route, states, now=now)

    with pair.outer.here():
        assert await epochs.resend_state(pair.outer.station, snapshot, now=pair.clock.now()) == 3
    await rest(pair)
    assert {"state:0", "state:1", "state:2"} <= await applied(pair.inner)
    await pair.inner.hand_over("z1")
    await rest(pair)
    assert await applied(pair.outer) == {"z1"}
