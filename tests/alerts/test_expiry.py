"""What expires in the queue is dropped, however long the queue is."""

from datetime import timedelta

from alerts import expiry
from alerts.expiry import Expiry
from tests.standing import stand_anew


async def test_a_long_queue_is_walked_through_slice_by_slice_and_again_from_the_front(queue, monkeypatch):
    monkeypatch.setattr(expiry, "SLICE", 3)
    walk = Expiry()

    async def expired_after_a_round() -> list[int]:
        async with queue.database.transaction():
            await walk.drop(queue.database, queue.clock.now())
        return [number for number, state in enumerate(await queue.states(), 1) if state == "expired"]

    for number in range(1, 9):  # in order of their hour; every second one is soon over
        await queue.put(valid=timedelta(minutes=5 if number % 2 else 60))
        queue.clock.advance(timedelta(seconds=1))
    queue.clock.advance(timedelta(minutes=5))
    assert await expired_after_a_round() == [1, 3]
    assert await expired_after_a_round() == [1, 3, 5]
    assert await expired_after_a_round() == [1, 3, 5, 7]
    queue.clock.advance(timedelta(hours=1))
    assert await expired_after_a_round() == [1, 2, 3, 4, 5, 6, 7]
    assert await expired_after_a_round() == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_urgent_and_ordinary_mails_and_texts_and_what_is_held_are_all_walked_through(queue, monkeypatch):
    monkeypatch.setattr(expiry, "SLICE", 2)
    walk = Expiry()
    for template in ("T01", "T02", "T11", "T02", "T01"):
        await queue.put(template=template, body="【衡江】短信")
    await queue.put(channel="mail", phone="a@example.org")
    await queue.database.execute("UPDATE message SET state = 'held' WHERE id IN (2, 3)")
    await stand_anew(queue.database)
    queue.clock.advance(timedelta(days=1))
    for _ in range(3):
        async with queue.database.transaction():
            await walk.drop(queue.database, queue.clock.now())
    assert await queue.states() == ["expired"] * 6
