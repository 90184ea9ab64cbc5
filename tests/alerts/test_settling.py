"""Receipts in the books: whose they are, when ids are ambiguous or used again, and what a carrier may write in them."""

import asyncio
from datetime import timedelta

import pytest

from alerts import settling
from alerts.outgoing import LEASE, Outgoing, renew
from alerts.settling import EARLY_RECEIPT, LATEST_RECEIPT, Heard, Outcome, Report
from alerts.states import CODE_WAIT, State
from tests.alerts.queue_desk import delivered, failed, submitted

LONG = "【衡江】" + "长" * 100
ANNA, BORIS = "13800000001", "13800000002"


async def sent(queue, phone, *sms_ids, **how):
    await queue.put(phone=phone, valid=timedelta(days=60), **how)
    (message,) = await queue.claim()
    await queue.record(submitted(message, *sms_ids))


# ------------------------------------------------------------------------------------------------- whose receipt it is


async def test_a_receipt_in_decimal_is_not_taken_for_another_text_whose_number_is_those_digits(queue):
    await sent(queue, ANNA, "10")  # hexadecimal: the receipt will say 16
    await sent(queue, BORIS, "16")
    await queue.record(heard=[delivered("16", phone=ANNA)])
    assert await queue.states() == ["submitted", "submitted"]
    await queue.tend()
    assert await queue.states() == ["delivered", "submitted"]
    await queue.record(heard=[delivered("22", phone=BORIS)])
    await queue.tend()
    assert await queue.states() == ["delivered", "delivered"]


async def test_an_early_receipt_waits_for_its_own_text_and_not_for_the_first_with_those_digits(queue):
    await sent(queue, ANNA, "10")
    await queue.record(heard=[delivered("16", phone=ANNA)])
    await sent(queue, BORIS, "16")
    assert await queue.states() == ["submitted", "submitted"]
    await queue.tend()
    assert await queue.states() == ["delivered", "submitted"]


async def test_a_receipt_in_one_batch_with_another_persons_submit_resp_is_not_theirs(queue):
    await sent(queue, ANNA, "10")
    await queue.put(phone=BORIS)
    (message,) = await queue.claim()
    await queue.record(submitted(message, "16"), heard=[delivered("16", phone=ANNA)])
    assert await queue.states() == ["submitted", "submitted"]
    await queue.tend()
    assert await queue.states() == ["delivered", "submitted"]


async def test_a_number_that_is_used_again_delivers_the_new_text_and_not_the_old(queue):
    await sent(queue, ANNA, "77")
    queue.clock.advance(timedelta(days=3))
    await sent(queue, BORIS, "77")
    await queue.record(heard=[delivered("77", phone=BORIS)])
    assert await queue.states() == ["submitted", "delivered"]
    queue.clock.advance(LATEST_RECEIPT - timedelta(days=2))
    await queue.record(heard=[delivered("77")])  # whose, nobody says: of two weeks ago it is not
    assert await queue.states() == ["submitted", "delivered"]


@pytest.mark.parametrize("written", [ANNA, f"+86{ANNA}", f"0086{ANNA}", "", "106900001234", "unreadable"])
async def test_a_receipt_is_believed_that_names_the_phone_or_nobody(queue, written):
    await sent(queue, ANNA, "a1")
    await queue.record(heard=[delivered("a1", phone=written)])
    assert await queue.states() == ["delivered"]


async def test_a_waiting_receipt_settles_all_parts_of_a_text_that_the_carrier_divided(queue):
    await queue.put(body=LONG, phone=ANNA)
    (message,) = await queue.claim()
    await queue.record(submitted(message, "1f", "1f"))  # one id for both
    await queue.record(heard=[delivered("31", phone=ANNA)])
    await queue.tend()
    assert await queue.states() == ["delivered"]


async def test_waiting_receipts_are_settled_page_by_page(queue, monkeypatch):
    monkeypatch.setattr(settling, "_PAGE", 2)
    for number in range(5):
        await sent(queue, ANNA, f"a{number}")
    await queue.record(heard=[delivered(str(0xA0 + number), phone=ANNA) for number in range(5)])
    await queue.tend()
    assert await queue.states() == ["delivered"] * 5


async def test_a_number_in_another_spelling_that_was_used_again_delivers_the_new_text_only(queue):
    await sent(queue, ANNA, "1f")
    queue.clock.advance(timedelta(days=3))
    await sent(queue, ANNA, "1f")
    await queue.record(heard=[delivered("31", phone=ANNA)])
    await queue.tend()
    assert await queue.states() == ["submitted", "delivered"]


async def test_a_receipt_of_yesterday_is_no_receipt_of_todays_text_under_the_same_number(queue):
    await queue.record(heard=[delivered("a1", phone=ANNA)])
    queue.clock.advance(EARLY_RECEIPT + timedelta(seconds=1))
    await sent(queue, ANNA, "a1")
    await queue.tend()
    assert await queue.states() == ["submitted"]


# ----------------------------------------------------------------------------------------- what carriers write in them


@pytest.mark.parametrize(
    "strange",
    [
        Heard("9" * 100, State.DELIVERED),
        Heard("a\0b", State.DELIVERED),
        Heard("b2", State.FAILED, "1" * 40, "MK:0001"),
        Heard("b2", State.FAILED, "138\0", "e\0" + "e" * 100),
        Heard("\ud800", State.DELIVERED),
    ],
)
async def test_a_receipt_that_no_column_can_hold_keeps_none_of_the_others_back(queue, strange):
    await sent(queue, ANNA, "a1")
    await queue.record(heard=[strange, delivered("a1")])
    assert await queue.states() == ["delivered"]
    await queue.tend()


async def test_a_reason_that_no_column_can_hold_is_cut(queue):
    await sent(queue, ANNA, "a1")
    await queue.record(heard=[failed("a1", "e\0" + "e" * 100)])
    assert await queue.states() == ["failed"]


@pytest.mark.parametrize("strange", ["9" * 100, "a\0b", "\ud800z"])
async def test_a_message_id_that_no_column_can_hold_is_known_again_in_its_receipt(queue, strange):
    await sent(queue, ANNA, strange)
    await queue.record(heard=[delivered(strange)])
    assert await queue.states() == ["delivered"]


# ------------------------------------------------------------------------------------------------------------ attempts


async def test_a_text_that_never_left_has_lost_no_attempt(queue):
    await queue.put()
    for _ in range(3):
        (message,) = await queue.claim()
        assert message.attempts == 1
        await queue.record(Report(message=message, outcome=Outcome.UNSENT, error="the connection ended"))
    (message,) = await queue.claim()
    await queue.record(Report(message=message, outcome=Outcome.AGAIN))
    (message,) = await queue.claim()
    assert message.attempts == 2


# -------------------------------------------------------------------------------------------------- codes, lost answers


async def test_a_receipt_that_came_while_the_answer_was_still_awaited_settles_a_code(queue):
    await queue.put_code(phone=ANNA)
    (message,) = await queue.claim()
    queue.clock.advance(timedelta(seconds=2))
    await queue.record(heard=[delivered("never-seen", phone=ANNA)])
    for _ in range(6):
        queue.clock.advance(timedelta(seconds=5))
        await renew(queue.database, [message.id], now=queue.clock.now())
        await queue.tend()
    await queue.record(Report(message=message, outcome=Outcome.UNKNOWN))
    queue.clock.advance(CODE_WAIT)
    await queue.tend()
    assert await queue.states() == ["delivered"]


async def test_a_receipt_that_came_before_a_code_was_queued_says_nothing_about_it(queue):
    await queue.record(heard=[delivered("never-seen", phone=ANNA)])
    queue.clock.advance(timedelta(seconds=1))
    await queue.put_code(phone=ANNA)
    (message,) = await queue.claim()
    await queue.record(Report(message=message, outcome=Outcome.UNKNOWN))
    await queue.tend()
    assert await queue.states() == ["unknown"]


# ------------------------------------------------------------------------------------------------ two copies of a text


async def sent_twice(queue) -> tuple[Outgoing, Outgoing]:
    """A text that a gateway took before it fell silent, and that another took after it."""
    await queue.put(phone=ANNA)
    (first,) = await queue.claim()
    queue.clock.advance(LEASE + timedelta(seconds=1))
    await queue.recover()
    (second,) = await queue.claim()
    return first, second


async def two_copies(queue, count=1) -> list[Outgoing]:
    """Texts that a gateway sent as a1, a2, … before it fell silent; their second copies are under way."""
    for _ in range(count):
        await queue.put(phone=ANNA)
    first = await queue.claim()
    queue.clock.advance(LEASE + timedelta(seconds=1))
    await queue.recover()
    second = await queue.claim()
    await queue.record(*(submitted(message, f"a{message.id}") for message in first))
    return second


@pytest.mark.parametrize("outcome", [Outcome.SUBMITTED, Outcome.AGAIN, Outcome.REFUSED, Outcome.UNKNOWN])
async def test_a_text_whose_first_copy_arrives_while_the_second_is_sent_is_delivered_whatever_becomes_of_that(
    queue, outcome
):
    (second,) = await two_copies(queue)
    await queue.record(heard=[delivered("a1")])
    assert await queue.states() == ["sending"]
    accepted = ((1, "b1"),) if outcome is Outcome.SUBMITTED else ()
    await queue.record(Report(message=second, outcome=outcome, accepted=accepted))
    assert await queue.states() == ["delivered"]
    await queue.record(heard=[failed("b1")])
    assert await queue.states() == ["delivered"]


async def test_a_receipt_that_comes_with_the_late_report_of_its_copy_counts_as_any_other(queue):
    first, second = await sent_twice(queue)
    await queue.record(submitted(second, "b1"))
    assert await queue.states() == ["submitted"]
    await queue.record(submitted(first, "a1"), heard=[delivered("a1")])
    assert await queue.states() == ["delivered"]


@pytest.mark.parametrize("when", ["before", "with", "after"])
async def test_that_the_first_copy_failed_ends_nothing_while_the_second_is_under_way(queue, when):
    (second,) = await two_copies(queue)
    if when == "before":
        await queue.record(heard=[failed("a1")])
    await queue.record(submitted(second, "b1"), heard=[failed("a1")] if when == "with" else [])
    if when == "after":
        await queue.record(heard=[failed("a1")])
    assert await queue.states() == ["submitted"]
    await queue.record(heard=[delivered("b1")])
    assert await queue.states() == ["delivered"]


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_first_copy_that_is_told_of_last_ends_nothing_by_failing(queue, at_once):
    first, second = await sent_twice(queue)
    await queue.record(submitted(second, "b1"))
    if at_once:
        await queue.record(submitted(first, "a1"), heard=[failed("a1")])
    else:
        await queue.record(submitted(first, "a1"))
        await queue.record(heard=[failed("a1")])
    assert await queue.states() == ["submitted"]
    await queue.record(heard=[delivered("b1")])
    assert await queue.states() == ["delivered"]


async def test_a_text_of_which_every_copy_failed_has_failed(queue):
    (second,) = await two_copies(queue)
    await queue.record(heard=[failed("a1")])
    await queue.record(submitted(second, "b1"))
    await queue.record(heard=[failed("b1")])
    assert await queue.states() == ["failed"]


async def test_first_copies_receipts_and_second_ones_reports_at_the_same_moment_make_all_delivered(queue):
    second = await two_copies(queue, 20)
    await asyncio.gather(
        queue.record(heard=[delivered(f"a{message.id}") for message in second]),
        queue.record(*(submitted(message, f"b{message.id}") for message in second)),
    )
    assert await queue.states() == ["delivered"] * 20
