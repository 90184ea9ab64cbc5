"""The outbox: every consumer hears every event once, whatever fails."""

from datetime import timedelta

from kernel.outbox import RETRY_AFTER, Consumer
from kernel.tables import OutboxEntry
from tests.kernel.conftest import Bump, Bumped, officer


async def _bump(bench, times: int) -> None:
    for n in range(times):
        await bench.office.perform(Bump(name=f"n{n}"), officer(), key=f"k{n}")


async def test_each_consumer_hears_each_event_once(bench):
    await _bump(bench, 3)
    assert await bench.courier.deliver(limit=100) == 6
    assert await bench.courier.deliver(limit=100) == 0
    assert [subject for subject, _ in bench.heard] == ["name:n0", "name:n1", "name:n2"]
    assert await bench.total("counted") == 3


async def test_who_wants_all_of_a_batch_is_handed_it_at_once_and_after_the_others(bench):
    batches: list[tuple[list[str], int]] = []

    async def all_at_once(work, events):
        batches.append(([each.subject for each in events], len(bench.heard)))

    bench.courier._consumers["counter"] = Consumer(name="counter", wants=(Bumped,), handle_all=all_at_once)
    await _bump(bench, 3)
    assert await bench.courier.deliver() == 6
    assert batches == [(["name:n0", "name:n1", "name:n2"], 3)]


async def test_a_failing_consumer_delays_nobody_else(bench):
    await _bump(bench, 2)
    bench.faults = [ValueError("no"), ValueError("no")]
    await bench.courier.deliver()
    await bench.courier.deliver()
    assert await bench.total("counted") == 2
    assert await OutboxEntry.filter(consumer="counter").count() == 0


async def test_what_a_failed_batch_wrote_is_undone_before_it_is_tried_singly(bench):
    await _bump(bench, 3)
    bench.faults = [ValueError("no")]
    await bench.courier.deliver()
    bench.clock.advance(timedelta(minutes=1))
    await bench.courier.deliver()
    assert await bench.total("counted") == 3
    assert len({subject for subject, _ in bench.heard}) == 3


async def test_an_event_nobody_can_handle_is_parked_for_the_operator(bench):
    await _bump(bench, 1)
    for _ in range(len(RETRY_AFTER) + 1):
        bench.faults = [ValueError("poison"), ValueError("poison")]
        await bench.courier.deliver()
        bench.clock.advance(timedelta(hours=2))
    entry = await OutboxEntry.get(consumer="listener")
    assert entry.parked
    assert "poison" in entry.last_error
    bench.faults = []
    await bench.courier.deliver()
    assert bench.heard == []
