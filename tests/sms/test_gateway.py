"""From the queue to a carrier over TCP and back: nothing lost, nothing recorded sent twice."""

import asyncio
from datetime import timedelta

import pytest

from alerts.states import CODE_WAIT
from alerts.texts import Code
from sms.inbound import Inbox, InboxRules
from sms.simulator.faults import Faults
from sms.simulator.smsc import IdStyle
from tests.alerts.county import APPLICANT
from tests.sms.carrier_desk import (
    ACCESS_NUMBER,
    SECRETS,
    gateway_process,
    put,
    running,
    simulated,
    smpp_carrier,
    states_of,
    until,
    until_sent,
)

PHONE = "13800138000"
LONG = "【衡江政务服务】" + "一二三四五六七八九十" * 9 + "𠮷"


async def test_a_text_travels_to_the_handset_and_its_receipt_comes_back(database, clock):
    async with simulated(clock) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江政务服务】您的申请已受理。", phone=PHONE)
        arrived = await smsc.handset(PHONE).next_text()
        assert arrived.text == "【衡江政务服务】您的申请已受理。"
        assert arrived.sender == "10690000"
        await until(database, delivered=1)


@pytest.mark.feature("SMS-11")
async def test_a_long_text_arrives_whole_and_counts_as_delivered_with_its_last_part(database, clock):
    async with simulated(clock) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, LONG, phone=PHONE)
        assert (await smsc.handset(PHONE).next_text()).text == LONG
        await until(database, delivered=1)
        rows = await database.rows("SELECT seq, total, state FROM message_part ORDER BY seq")
        assert [(row["seq"], row["total"], row["state"]) for row in rows] == [(1, 2, "delivered"), (2, 2, "delivered")]


async def test_hundreds_of_texts_are_all_delivered_once(database, clock):
    bodies = [f"【衡江政务服务】第{number}件" for number in range(300)]
    async with simulated(clock) as smsc:
        await put(database, clock, *bodies, phone=PHONE)
        async with running(database, clock, smpp_carrier(smsc, terms={"window": 50})):
            await until(database, delivered=300)
        assert sorted(text.text for text in smsc.handset(PHONE).inbox) == sorted(bodies)


@pytest.mark.feature("SMS-11")
@pytest.mark.parametrize(
    "oddity",
    [
        {"faults": Faults(receipt_first=True)},
        {"faults": Faults(duplicate_receipts=True)},
        {"id_style": IdStyle.MIXED},
        {"id_style": IdStyle.UUID},
        {"faults": Faults(receipt_first=True), "id_style": IdStyle.MIXED},
    ],
    ids=["receipt first", "receipt twice", "hex and decimal", "uuid", "first and decimal"],
)
async def test_receipts_are_matched_however_the_carrier_sends_them(database, clock, oddity):
    async with simulated(clock, **oddity) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】甲", "【衡江】乙", LONG, phone=PHONE)
        await until(database, delivered=3)


async def test_a_number_that_cannot_be_reached_fails_with_the_carriers_reason(database, clock):
    faults = Faults(undeliverable={PHONE})
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await until(database, failed=1)
        [row] = await database.rows("SELECT error FROM message")
        assert "unknownSubscriber" in str(row["error"])


async def test_a_throttled_carrier_gets_everything_in_the_end(database, clock):
    faults = Faults(throttle_next=1)
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, *(f"【衡江】{number}" for number in range(20)), phone=PHONE)
        await until(database, delivered=20)
        assert len(smsc.handset(PHONE).inbox) == 20


async def test_what_a_carrier_refuses_for_good_is_not_tried_again(database, clock):
    faults = Faults(error_every=1, error_status=0x0B)
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await until(database, failed=1)
        assert smsc.counts["submitted"] == 1


async def test_what_a_carrier_refuses_for_now_is_tried_later(database, clock):
    faults = Faults(error_every=1, error_status=0x08)
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】甲", phone=PHONE)
        async with asyncio.timeout(60):
            while not smsc.counts["submitted"]:  # noqa: ASYNC110  the carrier has no bell for what it refuses
                await asyncio.sleep(0.01)
        await until(database, queued=1)
        await asyncio.sleep(0.05)
        assert smsc.counts["submitted"] == 1
        faults.error_every = 0
        clock.advance(timedelta(minutes=1))
        await until(database, delivered=1)


async def test_texts_wait_while_the_carrier_is_down_and_go_when_it_is_back(database, clock):
    async with simulated(clock) as smsc:
        port = smsc.port
        carrier = smpp_carrier(smsc)
    await put(database, clock, "【衡江】甲", phone=PHONE)
    async with running(database, clock, carrier):
        await asyncio.sleep(0.05)
        assert await states_of(database) == {"queued": 1}
        async with simulated(clock, port=port):
            await until(database, delivered=1)


async def test_another_carrier_takes_over_for_one_that_is_down(database, clock):
    async with simulated(clock) as gone:
        pass
    async with (
        simulated(clock) as smsc,
        running(database, clock, smpp_carrier(gone, "west"), smpp_carrier(smsc, "east")),
    ):
        await put(database, clock, "【衡江】甲", "【衡江】乙", phone=PHONE)
        await until(database, delivered=2)


# ------------------------------------------------------------------------------------------------ crashes and cuts


async def test_a_cut_connection_loses_no_text(database, clock):
    bodies = [f"【衡江】第{number}件" for number in range(200)]
    async with simulated(clock) as smsc:
        await put(database, clock, *bodies, phone=PHONE)
        async with running(database, clock, smpp_carrier(smsc)):
            for _ in range(3):
                await smsc.handset(PHONE).next_text()
                smsc.cut()
            await until_sent(database)
        assert {text.text for text in smsc.handset(PHONE).inbox} == set(bodies)


async def test_a_killed_gateway_loses_nothing_and_repeats_nothing_that_was_recorded(database, clock):
    bodies = [f"【衡江】第{number}件" for number in range(400)]
    async with simulated(clock) as smsc:
        await put(database, clock, *bodies, phone=PHONE)
        async with gateway_process(database, clock, smsc) as process:
            for _ in range(120):
                await smsc.handset(PHONE).next_text(timeout_s=60)
            process.kill()
        recorded = {
            str(row["body"])
            for row in await database.rows("SELECT m.body FROM message m JOIN message_part p ON p.message_id = m.id")
        }
        before = len(smsc.handset(PHONE).inbox)
        assert recorded
        assert len(recorded) < len(bodies)
        async with running(database, clock, smpp_carrier(smsc)):
            await until_sent(database)
        texts = [text.text for text in smsc.handset(PHONE).inbox]
        assert set(texts) == set(bodies)
        assert recorded.isdisjoint(texts[before:])


async def test_an_ordinary_text_goes_again_when_the_answer_is_lost(database, clock):
    faults = Faults(lose_responses=1, no_receipts=True)
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await until(database, submitted=1)
        assert len(smsc.handset(PHONE).inbox) == 2


async def test_a_text_with_a_code_whose_answer_was_lost_is_settled_by_its_receipt(database, clock):
    faults = Faults(lose_responses=1)
    code = Code("card-reply", "7:nonce", 5)
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】同意回复1▒▒▒▒▒", phone=PHONE, template="T05", code=code)
        await until(database, delivered=1)
        [text] = smsc.handset(PHONE).inbox
        assert text.text == f"【衡江】同意回复1{SECRETS.derived_code('card-reply', '7:nonce', 5)}"


async def test_a_text_with_a_code_goes_again_only_after_waiting_for_a_receipt_in_vain(database, clock):
    faults = Faults(lose_responses=1, no_receipts=True)
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】1▒▒▒▒▒", phone=PHONE, template="T05", code=Code("card-reply", "7:n", 5))
        await until(database, unknown=1)
        await asyncio.sleep(0.1)
        assert len(smsc.handset(PHONE).inbox) == 1
        clock.advance(CODE_WAIT)
        await until(database, submitted=1)
        assert len(smsc.handset(PHONE).inbox) == 2


async def test_draining_finishes_the_window_and_leaves_the_rest_in_the_queue(database, clock):
    faults = Faults(response_delay_s=0.05)
    async with simulated(clock, faults=faults) as smsc:
        await put(database, clock, *(f"【衡江】{number}" for number in range(200)), phone=PHONE)
        async with running(database, clock, smpp_carrier(smsc, ahead=40)) as gateway:
            await smsc.handset(PHONE).next_text()
            await gateway.drain()
        states = await states_of(database)
        assert states.keys() <= {"queued", "submitted", "delivered"}
        assert states["queued"] >= 100
        assert len(smsc.handset(PHONE).inbox) == 200 - states["queued"]
        assert smsc.connections == 0


async def test_a_clock_that_jumps_past_every_lease_sends_nothing_twice(database, clock):
    faults = Faults(response_delay_s=0.1)
    async with simulated(clock, faults=faults) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await smsc.handset(PHONE).next_text()
        clock.advance(timedelta(hours=5))
        await until(database, delivered=1)
        assert len(smsc.handset(PHONE).inbox) == 1


async def test_outcomes_wait_for_a_database_that_is_away_and_no_bind_is_cut(database, clock, caplog):
    async with simulated(clock) as smsc, running(database, clock, smpp_carrier(smsc)):
        await database.execute("ALTER TABLE message_part RENAME COLUMN sms_id TO lost")
        await put(database, clock, *(f"【衡江】{number}" for number in range(20)), phone=PHONE)
        await seen(caplog, "outcomes: try 5", "a delivery was not taken")
        await put(database, clock, "【衡江】后来的", phone="13900139000")
        await database.execute("ALTER TABLE message_part RENAME COLUMN lost TO sms_id")
        await until(database, delivered=21)
        assert sorted(text.text for text in smsc.handset(PHONE).inbox) == sorted(f"【衡江】{n}" for n in range(20))
        assert smsc.counts["binds"] == 1
        assert len(await database.rows("SELECT id FROM message_part")) == 21


async def test_a_busy_database_drops_no_carrier_and_loses_no_text(database, clock, caplog):
    async with simulated(clock) as smsc, running(database, clock, smpp_carrier(smsc)):
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await until(database, delivered=1)
        # As a locked table looks to whoever claims and tends.
        await database.execute("ALTER TABLE message RENAME TO locked")
        await seen(caplog, "nothing could be claimed", "housekeeping of the queue failed")
        await database.execute("ALTER TABLE locked RENAME TO message")
        await put(database, clock, "【衡江】乙", phone=PHONE)
        await until(database, delivered=2)
        assert smsc.counts["binds"] == 1
        assert "no such table" in caplog.text or "does not exist" in caplog.text


async def test_a_busy_database_drops_no_carrier_while_texts_from_people_wait(county, caplog):
    rules = InboxRules(again_s=0.01, tend_s=0.01)
    inbox = Inbox(county.office, county.database, county.clock, SECRETS, alert_rules=county.rules, rules=rules)
    number = await county.accepted()
    async with (
        simulated(county.clock) as smsc,
        running(county.database, county.clock, smpp_carrier(smsc), inbox=inbox),
    ):
        await county.database.execute("ALTER TABLE inbound_message RENAME TO locked")
        await seen(caplog, "inbox: the database is busy")
        await county.database.execute("ALTER TABLE locked RENAME TO inbound_message")
        handset = smsc.handset(APPLICANT)
        await handset.send(ACCESS_NUMBER, f"CX{number}")
        assert "现处承办" in (await handset.next_text()).text
        assert smsc.counts["binds"] == 1


async def seen(caplog, *messages: str) -> None:
    async with asyncio.timeout(60):
        while not all(message in caplog.text for message in messages):  # noqa: ASYNC110  a log has no bell
            await asyncio.sleep(0.01)
