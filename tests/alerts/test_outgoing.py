"""The queue: order, leases, what is never sent twice, and receipts in any order."""

import asyncio
from datetime import timedelta

import pytest

from alerts.outgoing import LEASE, Channel, Letter, enqueue, renew
from alerts.settling import KEEP_RECEIPTS, Outcome, Report
from alerts.states import CODE_WAIT, FINAL, LOST, MAX_ATTEMPTS, MOVES, UNKNOWN_WAITS, State
from alerts.templates import TEMPLATES
from alerts.texts import Text, TextRefused
from kernel.chance import Secrets
from tests.alerts.queue_desk import delivered, failed, submitted

LONG = "【衡江】" + "长" * 100


# ------------------------------------------------------------------------------------------------------------- order


async def test_the_same_key_is_queued_once(queue):
    assert await queue.put(key="case:1:T09") == 1
    assert await queue.put(key="case:1:T09") == 0
    assert len(await queue.claim()) == 1


async def test_warnings_leave_before_what_was_queued_earlier(queue):
    await queue.put(template="T01", body="【衡江】待办")
    await queue.put(template="T11", body="【衡江】受理")
    await queue.put(template="T02", body="【衡江】黄灯")
    await queue.put(template="T11", body="【衡江】受理二")
    assert [each.body[4:] for each in await queue.claim()] == ["黄灯", "受理", "受理二", "待办"]


async def test_a_message_is_claimed_by_one_gateway_only(queue):
    for _ in range(10):
        await queue.put()
    claims = await asyncio.gather(*(queue.claim(limit=4) for _ in range(4)))
    ids = [each.id for batch in claims for each in batch]
    assert sorted(ids) == sorted(set(ids))
    assert len(ids) == 10


async def test_a_message_waits_for_its_time_and_is_dropped_after_its_end(queue):
    await queue.put(wait=timedelta(hours=1), valid=timedelta(hours=2))
    assert await queue.claim() == []
    queue.clock.advance(timedelta(hours=1))
    assert len(await queue.claim()) == 1
    await queue.put(valid=timedelta(minutes=5))
    queue.clock.advance(timedelta(minutes=5))
    assert await queue.claim() == []
    await queue.tend()
    assert await queue.states() == ["sending", "expired"]


@pytest.mark.feature("SMS-09")
async def test_the_queue_refuses_a_body_without_signature(queue):
    letter = Letter(
        dedupe_key="x",
        channel=Channel.SMS,
        text=Text(TEMPLATES["T19"], "未识别的指令，或查无此号。", 1),
        to="13800138000",
        send_after=queue.clock.now(),
        expires_at=queue.clock.now() + timedelta(days=1),
    )
    with pytest.raises(TextRefused):
        await enqueue(queue.database, [letter], now=queue.clock.now())


async def test_a_code_is_not_in_the_database_but_in_the_text_that_leaves(queue):
    secrets = Secrets(b"k" * 32)
    await queue.put_code(body="【衡江】同意回复1▒▒▒▒▒，不同意回复2▒▒▒▒▒")
    rows = await queue.database.rows("SELECT * FROM message")
    code = secrets.derived_code("card-reply", "7:nonce", 5)
    assert code not in str(rows)
    (outgoing,) = await queue.claim()
    assert outgoing.words(secrets) == f"【衡江】同意回复1{code}，不同意回复2{code}"


# ---------------------------------------------------------------------------------------------------------- receipts


@pytest.mark.feature("SMS-11")
async def test_a_receipt_delivers_and_a_late_one_changes_nothing(queue):
    await queue.put()
    (message,) = await queue.claim()
    await queue.record(submitted(message, "a1"))
    assert await queue.states() == ["submitted"]
    await queue.record(heard=[delivered("a1")])
    assert await queue.states() == ["delivered"]
    await queue.record(heard=[failed("a1")])
    await queue.record(submitted(message))
    assert await queue.states() == ["delivered"]
    assert await queue.database.rows("SELECT id FROM receipt") == []


@pytest.mark.feature("SMS-11")
async def test_a_receipt_before_the_submit_resp_is_kept_for_it(queue):
    await queue.put()
    (message,) = await queue.claim()
    await queue.record(heard=[delivered("a1")])
    assert await queue.states() == ["sending"]
    await queue.record(submitted(message, "a1"))
    assert await queue.states() == ["delivered"]
    assert await queue.database.rows("SELECT id FROM receipt") == []


async def test_a_receipt_in_the_same_batch_counts(queue):
    await queue.put()
    (message,) = await queue.claim()
    await queue.record(submitted(message, "a1"), heard=[failed("a1")])
    assert await queue.states() == ["failed"]
    (row,) = await queue.database.rows("SELECT error, finished_at FROM message")
    assert row["error"] == "MK:0001"
    assert row["finished_at"] is not None


@pytest.mark.feature("SMS-11")
@pytest.mark.parametrize("apart", [True, False])
async def test_a_long_message_is_delivered_only_when_every_part_is(queue, apart):
    await queue.put(body=LONG)
    (message,) = await queue.claim()
    await queue.record(submitted(message, "p1", "p2"), heard=[] if apart else [delivered("p1")])
    await queue.record(heard=[delivered("p1")])
    assert await queue.states() == ["submitted"]
    await queue.record(heard=[delivered("p2")])
    assert await queue.states() == ["delivered"]


@pytest.mark.feature("SMS-11")
async def test_a_long_message_fails_with_one_of_its_parts_and_stays_failed(queue):
    await queue.put(body=LONG)
    (message,) = await queue.claim()
    await queue.record(submitted(message, "p1", "p2"))
    await queue.record(heard=[failed("p2")])
    assert await queue.states() == ["failed"]
    await queue.record(heard=[delivered("p1"), delivered("p2")])
    assert await queue.states() == ["failed"]


async def test_receipts_of_one_carrier_say_nothing_about_another(queue):
    await queue.put()
    (message,) = await queue.claim()
    await queue.record(submitted(message, "a1"))
    await queue.record(heard=[delivered("a1")], carrier="west")
    assert await queue.states() == ["submitted"]


async def test_an_id_written_in_another_way_is_believed_together_with_the_phone(queue):
    await queue.put(phone="13800138000")
    await queue.put(phone="13900139000")
    first, second = await queue.claim()
    await queue.record(submitted(first, "1f"), submitted(second, "20"))
    await queue.record(
        heard=[
            delivered("31", phone="13800138000"),
            delivered("32", phone="13700137000"),  # somebody else's 32
        ]
    )
    await queue.tend()
    assert await queue.states() == ["delivered", "submitted"]
    queue.clock.advance(KEEP_RECEIPTS + timedelta(seconds=1))
    await queue.tend()
    assert await queue.database.rows("SELECT id FROM receipt") == []


async def test_an_old_receipt_is_not_taken_for_a_new_message_under_the_same_id(queue):
    await queue.record(heard=[failed("a1")])
    queue.clock.advance(timedelta(hours=1))
    await queue.put()
    (message,) = await queue.claim()
    await queue.record(submitted(message, "a1"))
    assert await queue.states() == ["submitted"]


# --------------------------------------------------------------------------------- crashes, cuts, unknown outcomes


async def test_a_dead_gateways_text_is_sent_again_only_after_its_lease(queue):
    await queue.put()
    await queue.claim()
    assert await queue.recover() == 0
    queue.clock.advance(LEASE)
    assert await queue.recover() == 1
    (again,) = await queue.claim()
    assert again.attempts == 2


async def test_the_only_gateway_of_a_carrier_takes_its_orphans_over_at_once(queue):
    await queue.put()
    await queue.put()
    await queue.claim(limit=1)
    await queue.claim(limit=1, carrier="west")
    assert await queue.recover(alone_on="east") == 1
    assert await queue.states() == ["queued", "sending"]


async def test_what_we_hold_ourselves_is_never_taken_over(queue):
    await queue.put()
    await queue.put()
    (ours,) = await queue.claim(limit=1)
    await queue.claim()
    queue.clock.advance(timedelta(days=30))
    assert await queue.recover(held={ours.claim}) == 1
    assert await queue.states() == ["sending", "queued"]


async def test_a_renewed_lease_lasts(queue):
    await queue.put()
    (message,) = await queue.claim()
    queue.clock.advance(LEASE / 2)
    await renew(queue.database, [message.id], now=queue.clock.now())
    queue.clock.advance(LEASE / 2)
    assert await queue.recover() == 0


async def test_a_recorded_part_is_not_sent_again_after_a_crash(queue):
    await queue.put(body=LONG)
    await queue.put()
    long, short = await queue.claim()
    await queue.record(
        Report(message=long, outcome=Outcome.UNKNOWN, accepted=((1, "p1"),)),
        Report(message=short, outcome=Outcome.UNKNOWN, accepted=((1, "s1"),)),
    )
    long, short = await queue.claim()
    assert long.accepted == {1}
    assert short.accepted == {1}
    await queue.record(submitted(short), Report(message=long, outcome=Outcome.SUBMITTED, accepted=((2, "p2"),)))
    await queue.record(heard=[delivered("p1"), delivered("p2"), delivered("s1")])
    assert await queue.states() == ["delivered", "delivered"]


async def test_a_code_of_unknown_outcome_waits_for_a_receipt_before_it_is_sent_again(queue):
    await queue.put_code()
    (message,) = await queue.claim()
    await queue.record(Report(message=message, outcome=Outcome.UNKNOWN))
    await queue.tend()
    assert await queue.states() == ["unknown"]
    assert await queue.claim() == []
    queue.clock.advance(CODE_WAIT)
    await queue.tend()
    (again,) = await queue.claim()
    assert again.id == message.id


async def test_a_receipt_from_its_phone_settles_a_code_of_unknown_outcome(queue):
    await queue.put_code(phone="13800138000")
    (message,) = await queue.claim()
    queue.clock.advance(timedelta(seconds=5))
    await queue.record(Report(message=message, outcome=Outcome.UNKNOWN))
    await queue.record(heard=[delivered("never-seen", phone="13800138000")])
    queue.clock.advance(CODE_WAIT)
    await queue.tend()
    assert await queue.states() == ["delivered"]


async def test_another_phones_receipt_does_not_settle_it(queue):
    await queue.put_code(phone="13800138000")
    (message,) = await queue.claim()
    await queue.record(Report(message=message, outcome=Outcome.UNKNOWN), heard=[delivered("x", phone="13900139000")])
    await queue.tend()
    assert await queue.states() == ["unknown"]


async def test_an_ordinary_text_of_unknown_outcome_is_tried_a_few_times_and_then_given_to_a_person(queue):
    """At once, then ever later: a line that breaks whenever it is used must not use up all the tries within seconds."""
    await queue.put()
    tries = []
    for wait in (timedelta(), timedelta(), *UNKNOWN_WAITS):
        if wait:
            queue.clock.advance(wait - timedelta(seconds=1))
            assert await queue.claim() == []
            queue.clock.advance(timedelta(seconds=1))
        (message,) = await queue.claim()
        await queue.record(Report(message=message, outcome=Outcome.UNKNOWN))
        tries.append(message.attempts)
    assert tries == [*range(1, MAX_ATTEMPTS + 1)]
    assert await queue.states() == ["dead"]


@pytest.mark.parametrize(
    ("report", "state"),
    [
        ({"outcome": Outcome.AGAIN, "wait": timedelta(minutes=1)}, "queued"),
        ({"outcome": Outcome.REFUSED, "error": "ESME_RINVDSTADR"}, "failed"),
        ({"outcome": Outcome.GIVEN_UP, "error": "ESME_RSYSERR"}, "dead"),
    ],
)
async def test_what_the_carrier_refused(queue, report, state):
    await queue.put()
    (message,) = await queue.claim()
    await queue.record(Report(message=message, **report))
    assert await queue.states() == [state]
    assert await queue.claim() == []
    queue.clock.advance(timedelta(minutes=1))
    assert len(await queue.claim()) == (state == "queued")


def test_final_states_have_no_way_out_and_every_other_state_ends_somewhere():
    assert {State.DELIVERED, State.MERGED, State.UNREPORTED, *LOST} == FINAL
    assert all(MOVES[state] & (FINAL | {State.SENDING, State.SUBMITTED}) for state in set(State) - FINAL)
