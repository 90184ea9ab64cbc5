"""Claims: one row per batch that is being sent, and who may write a message meanwhile. docs/adr/0040."""

import asyncio
from datetime import timedelta

import pytest

from alerts.outgoing import LEASE
from alerts.settling import Outcome, Report, record
from alerts.states import Change, State, move
from tests.alerts.queue_desk import QueueDesk, delivered, failed, submitted
from tests.standing import states_by_number


@pytest.fixture
def queue(database, clock) -> QueueDesk:
    return QueueDesk(database, clock)


async def claimed(queue) -> list[str]:
    return [str(row["messages"]) for row in await queue.database.rows("SELECT messages FROM message_claim ORDER BY id")]


async def standing(queue) -> list[tuple[int, str]]:
    rows = await queue.database.rows("SELECT id, state FROM outstanding ORDER BY id")
    return [(int(str(row["id"])), str(row["state"])) for row in rows]


async def test_a_batch_is_one_row_which_shrinks_with_what_becomes_known_and_goes_with_the_last(queue):
    for _ in range(3):
        await queue.put()
    first, second, third = await queue.claim()
    assert await claimed(queue) == ["[1,2,3]"]
    assert await standing(queue) == []
    await queue.record(submitted(second, "b"))
    assert await claimed(queue) == ["[1,3]"]
    await queue.record(submitted(first, "a"), heard=[delivered("a")])
    assert await claimed(queue) == ["[3]"]
    assert await standing(queue) == [(2, "submitted")]  # what arrived stands nowhere
    await queue.record(Report(message=third, outcome=Outcome.AGAIN))
    assert await claimed(queue) == []
    assert await queue.states() == ["delivered", "submitted", "queued"]


async def test_a_late_report_of_a_gateway_whose_claim_was_taken_over_changes_nothing(queue):
    await queue.put()
    (lost,) = await queue.claim()
    queue.clock.advance(LEASE + timedelta(seconds=1))
    assert await queue.recover() == 1
    await queue.record(Report(message=lost, outcome=Outcome.REFUSED))
    assert await queue.states() == ["queued"]
    (again,) = await queue.claim(carrier="west")
    await queue.record(Report(message=lost, outcome=Outcome.GIVEN_UP))
    assert await queue.states() == ["sending"]
    assert await claimed(queue) == [f"[{again.id}]"]
    await queue.record(submitted(again, "w"), carrier="west")
    assert await queue.states() == ["submitted"]
    [row] = await queue.database.rows("SELECT attempts, carrier FROM message")
    assert (row["attempts"], row["carrier"]) == (2, "west")


async def test_whoever_reports_a_part_of_a_batch_keeps_the_rest_of_it(queue):
    await queue.put()
    await queue.put()
    first, _ = await queue.claim()
    queue.clock.advance(LEASE / 2)
    await queue.record(submitted(first, "a"))
    queue.clock.advance(LEASE - timedelta(seconds=1))
    assert await queue.recover() == 0
    queue.clock.advance(timedelta(seconds=1))
    assert await queue.recover() == 1


async def test_what_a_late_report_says_was_taken_is_not_sent_again(queue):
    await queue.put()
    (lost,) = await queue.claim()
    queue.clock.advance(LEASE + timedelta(seconds=1))
    await queue.recover()
    await queue.record(submitted(lost, "a"))
    (again,) = await queue.claim()
    assert again.accepted == {1}


@pytest.mark.parametrize("state", [State.EXPIRED, State.HELD, State.MERGED, State.UNREPORTED, State.DELIVERED])
async def test_housekeeping_never_touches_what_is_being_sent(queue, state):
    await queue.put()
    (message,) = await queue.claim()
    async with queue.database.transaction():
        await move(queue.database, queue.clock.now(), {message.id: Change(state=state)})
    assert await queue.states() == ["sending"]
    assert await standing(queue) == []
    queue.clock.advance(timedelta(days=3))
    await queue.tend()
    assert await claimed(queue) == ["[1]"]


async def test_a_report_that_is_written_twice_counts_once(queue):
    await queue.put()
    await queue.put()
    reports = [submitted(message, f"id{message.id}") for message in await queue.claim()]
    for perhaps_before in (False, True):
        await record(
            queue.database,
            now=queue.clock.now(),
            carrier="east",
            reports=reports,
            heard=[delivered("id1")],
            perhaps_before=perhaps_before,
        )
    assert await queue.states() == ["delivered", "submitted"]
    assert await standing(queue) == [(2, "submitted")]
    rows = await queue.database.rows("SELECT attempts FROM message ORDER BY id")
    assert [row["attempts"] for row in rows] == [1, 1]
    assert len(await queue.database.rows("SELECT id FROM message_part")) == 2


async def test_two_who_move_the_same_texts_at_once_both_come_to_an_end(queue):
    """What housekeeping ended and what a receipt says of it: in either order the receipt is the better knowledge."""
    for _ in range(20):
        await queue.put()
    messages = await queue.claim()
    await queue.record(*(submitted(message, f"id{message.id}") for message in messages))

    async def end() -> None:
        async with queue.database.transaction():
            unreported = Change(state=State.UNREPORTED, error="no receipt")
            await move(queue.database, queue.clock.now(), {message.id: unreported for message in reversed(messages)})

    await asyncio.gather(end(), queue.record(heard=[failed(f"id{message.id}") for message in messages]), end())
    assert set((await states_by_number(queue.database)).values()) == {"failed"}
    assert [state for _, state in await standing(queue)] == ["failed"] * 20


async def test_the_halves_of_a_long_text_that_two_gateways_hear_of_at_once_make_it_delivered(queue):
    for _ in range(5):
        await queue.put(body="【衡江】" + "长" * 80)
    messages = await queue.claim()
    await queue.record(*(submitted(message, f"a{message.id}", f"b{message.id}") for message in messages))
    await asyncio.gather(
        queue.record(heard=[delivered(f"a{message.id}") for message in messages]),
        queue.record(heard=[delivered(f"b{message.id}") for message in reversed(messages)]),
    )
    assert await queue.states() == ["delivered"] * 5
    assert await standing(queue) == []
