"""A receipt that writes the message id in another way than the answer did: whose it is, and when nobody may say so."""

from datetime import timedelta

import pytest

from alerts.states import State
from sms.lane import Pace
from sms.outcomes import heard_of
from sms.receipts import READ_ID, MessageState, Receipt, ReceiptIds, plain_id, same_message_ids
from sms.simulator.exchange import IdStyle
from sms.smpp.carrier import Contract
from tests.alerts.queue_desk import QueueDesk, delivered, submitted
from tests.sms.carrier_desk import QUICK, put, running, simulated, smpp_carrier, until

ANNA, BORIS = "13800000001", "13800000002"
OURS = "1069000012345"


@pytest.fixture
def queue(database, clock) -> QueueDesk:
    return QueueDesk(database, clock)


async def sent(queue: QueueDesk, phone: str, sms_id: str) -> None:
    await queue.put(phone=phone)
    (message,) = await queue.claim()
    await queue.record(submitted(message, plain_id(sms_id)))


async def heard(queue: QueueDesk, sms_id: str, phone: str = "") -> list[str]:
    await queue.record(heard=[delivered(plain_id(sms_id), phone=phone)])
    await queue.tend()
    return await queue.states()


@pytest.mark.parametrize("phone", [ANNA, f"+86{ANNA}", "", OURS])
@pytest.mark.parametrize(
    ("answered", "reported"),
    [
        ("0B4C5D6E", "189554030"),  # eight digits of an SMSC, in decimal in the text form
        ("0b4c5d6e", "0189554030"),  # and padded to the ten digits of appendix B
        ("189554030", "B4C5D6E"),
        ("0001234567", "1234567"),
        ("7d1c03f2a6b40017", "9015084894802673687"),  # a Msg_Id of 64 bits
        ("A1B2-UUID", "a1b2-uuid"),
        ("4f1c9a3e-8d2b-4f6e-9c11-0a2b3c4d5e6f", "4F1C9A3E-8D2B-4F6E-9C11-0A2B3C4D5E6F"),
    ],
)
async def test_a_text_is_known_by_its_id_however_the_receipt_writes_it(queue, answered, reported, phone):
    await sent(queue, ANNA, answered)
    await sent(queue, BORIS, "0B4C5D70")
    assert await heard(queue, reported, phone) == ["delivered", "submitted"]


@pytest.mark.parametrize(
    ("ids", "reported"),
    [
        (["10"], "16"),  # a carrier that counts from 1: 16 may be one whose answer was lost
        (["1f", "49"], "31"),  # 31 is 1f in decimal and 49 in hexadecimal
        (["1312d00", "536870912"], "20000000"),  # the same with great numbers
    ],
)
async def test_a_receipt_without_a_phone_is_nobodys_when_two_texts_could_be_meant(queue, ids, reported):
    for each in ids:
        await sent(queue, ANNA, each)
    assert await heard(queue, reported) == ["submitted"] * len(ids)


async def test_another_persons_phone_is_never_overruled_by_the_number(queue):
    await sent(queue, ANNA, "0B4C5D6E")
    assert await heard(queue, "189554030", BORIS) == ["submitted"]


async def test_a_receipt_without_a_phone_that_crossed_with_its_part_is_believed_as_stated(queue, database, clock):
    await sent(queue, ANNA, "a1")
    row = {"carrier": "east", "sms_id": "a1", "phone": "", "state": "delivered", "error": "", "at": clock.now()}
    await database.insert("receipt", tuple(row), [tuple(row.values())])
    await queue.tend()
    assert await queue.states() == ["delivered"]


async def test_a_receipt_is_not_of_a_text_that_was_sent_long_after_it(queue):
    assert await heard(queue, "189554030") == []
    queue.clock.advance(timedelta(minutes=11))
    await sent(queue, ANNA, "0B4C5D6E")
    await queue.tend()
    assert await queue.states() == ["submitted"]


@pytest.mark.parametrize(
    ("style", "answered", "reported"),
    [
        (ReceiptIds.DECIMAL, "0000000010", "16"),
        (ReceiptIds.DECIMAL, "B4C5D6E", "0189554030"),
        (ReceiptIds.DECIMAL, "1F", "1f"),  # not what was agreed, and still plain
        (ReceiptIds.HEX, "16", "0x10".removeprefix("0x")),
        (ReceiptIds.HEX, "189554030", "0B4C5D6E"),
        (ReceiptIds.SAME, "0010", "10"),
        (ReceiptIds.DECIMAL, "", ""),
        (ReceiptIds.HEX, "9" * 100, "9" * 100),  # no number that anybody has to compute
    ],
)
def test_where_the_contract_says_how_receipts_write_it_there_is_no_doubt(style, answered, reported):
    receipt = heard_of(Receipt(reported, MessageState.DELIVERED), "", None, READ_ID[style])
    assert (receipt.sms_id, receipt.state) == (plain_id(answered), State.DELIVERED)
    assert plain_id(answered) in same_message_ids(answered)


async def test_a_carrier_that_is_known_to_report_in_decimal_is_understood_without_housekeeping(database, clock):
    seldom = Pace(poll_s=QUICK.poll_s, tend_s=3600, steer_s=QUICK.steer_s)
    async with simulated(clock, id_style=IdStyle.MIXED) as smsc:
        carrier = smpp_carrier(smsc, contract=Contract(receipt_ids=ReceiptIds.DECIMAL))
        async with running(database, clock, carrier, pace=seldom):
            await put(database, clock, *(f"【衡江】{number}" for number in range(20)))
            await until(database, delivered=20)
