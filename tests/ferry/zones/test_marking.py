"""Who marks and tells states at the same moment, each with a connection of its own: nobody waits in a circle."""

import asyncio

import asyncpg
import pytest

from ferry.zones.mirror import mark, snapshot
from tests.ferry.zones.glass import Glass
from tests.mobile_api.stage import HANDLER


@pytest.fixture
def inner(glass: Glass, dialect: str):
    if dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with glass.pair.inner.here():
        yield glass.pair.inner.database


async def both_after_one_lock(database, subject: str, first, second) -> None:
    """Starts both in this order while somebody has the row of `subject`, and lets it go when both wait."""
    elsewhere = await asyncpg.connect(database.url)
    try:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group, elsewhere.transaction():
            await elsewhere.execute("SELECT id FROM ferry_mirror_subject WHERE subject = $1 FOR UPDATE", subject)
            for waiting, each in enumerate((first, second), 1):
                group.create_task(each)
                while await elsewhere.fetchval(_WAITING) < waiting:
                    await asyncio.sleep(0.01)
                    await elsewhere.execute("SELECT pg_stat_clear_snapshot()")
    finally:
        await elsewhere.close()


_WAITING = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_a_snapshot_and_a_batch_of_events_lock_their_subjects_in_one_order(glass, inner, monkeypatch):
    numbers = [await glass.inner.accepted() for _ in range(3)]
    await glass.tell()
    for number in reversed(numbers):
        await glass.inner.decide(HANDLER, number, "AGREE")
    # What a courier does when its batch was a deadlock's victim.
    monkeypatch.delattr(type(glass.inner.courier), "_deliver_singly")

    async def deliver() -> None:
        assert await glass.inner.courier.deliver() >= 3

    async def tell_all() -> None:
        async with inner.transaction():
            await snapshot(inner, "outer", now=glass.pair.clock.now())

    await both_after_one_lock(inner, f"case:{numbers[1]}", deliver(), tell_all())
    rows = await inner.rows(
        "SELECT subject FROM ferry_mirror_subject WHERE is_forced = TRUE AND dirty_since IS NOT NULL"
    )
    assert {f"case:{number}" for number in numbers} <= {row["subject"] for row in rows}


async def test_an_outcomes_states_that_are_new_and_those_that_are_known_are_locked_in_one_order(glass, inner):
    known = f"case:{await glass.inner.accepted()}"
    await glass.tell()
    told: dict[str, int] = {}

    async def marked() -> None:
        async with inner.transaction():
            await mark(inner, ["outer"], [known, "case:new"], now=glass.pair.clock.now())

    async def tell_now() -> None:
        async with inner.transaction():
            told.update(await glass.mirror.tell_now(["case:new", known], now=glass.pair.clock.now()))

    await both_after_one_lock(inner, known, marked(), tell_now())
    assert list(told) == [known]


async def test_what_a_look_could_not_commit_is_looked_for_at_the_next_turn(glass: Glass, monkeypatch):
    with glass.pair.inner.here():
        subject = f'"case:{await glass.inner.accepted()}"'
        await glass.tell()
        await glass.inner.database.execute("UPDATE item_version SET secret = TRUE")

    class Victim(Exception):
        pass

    async def marked_in_vain(*of, **how) -> None:
        await mark(*of, **how)
        raise Victim

    told = len(await glass.told())
    glass.restart()
    with glass.pair.inner.here(), monkeypatch.context() as once:
        once.setattr("ferry.zones.mirror.mark", marked_in_vain)
        with pytest.raises(Victim):
            await glass.mirror.tell(glass.pair.clock.now())
    assert len(await glass.told()) == told
    await glass.tell()
    assert any(subject in line for line in (await glass.told())[told:])
