"""The gateway with an SMSC that somebody else wrote: npm's `smpp`, whose codec has nothing of ours."""

import asyncio
from datetime import timedelta

import pytest

from sms.carriers import Arrival
from sms.link import Backoff, Target
from sms.smpp.carrier import SmppCarrier
from sms.smpp.session import Terms
from sms.smpp.vocabulary import BindTransceiver, BindTransmitter
from sms.text import Joined, Reassembler
from tests.peers.node_smsc import PATIENCE_S, NoPeer, installed, node_smsc
from tests.sms.carrier_desk import ACCESS_NUMBER, put, running, states_of, until, wait_for

PHONE = "13800138000"
LONG = "【衡江政务服务】" + "一二三四五六七八九十" * 9 + "𠮷"


@pytest.fixture(scope="module", autouse=True)
def peer() -> None:
    try:
        installed()
    except NoPeer as absent:
        pytest.skip(str(absent))


class Listening:
    """An inbox that joins what comes."""

    def __init__(self) -> None:
        self.texts: list[Joined] = []
        self._parts = Reassembler()

    async def take(self, arrival: Arrival) -> int:
        self.texts += self._parts.take(arrival.part, 0.0)
        return 0

    async def run(self) -> None:
        return

    def stop(self) -> None:
        return


def carrier(smsc, clock, *, bind=BindTransceiver, password="secret", **terms) -> SmppCarrier:
    return SmppCarrier(
        "node",
        Target(host="127.0.0.1", port=smsc.port),
        bind(system_id="zhangban", password=password),
        source=ACCESS_NUMBER,
        clock=clock,
        jitter=lambda: 0.5,
        terms=Terms(**{"response_s": 30.0, **terms}),
        backoff=Backoff(first_s=0.02, cap_s=0.2),
    )


@pytest.mark.parametrize("bind", [BindTransceiver, BindTransmitter])
async def test_a_long_text_arrives_in_parts_that_it_reads_and_its_receipts_count(database, clock, bind):
    async with node_smsc() as smsc, running(database, clock, carrier(smsc, clock, bind=bind)):
        await smsc.until("bind_transceiver" if bind is BindTransceiver else "bind_receiver")
        await put(database, clock, LONG, phone=PHONE)
        await until(database, delivered=1)
        first, second = await smsc.until("submit_sm", 2)
        assert str(first["text"]) + str(second["text"]) == LONG
        assert (first["coding"], first["from"], first["to"]) == (8, ACCESS_NUMBER, PHONE)
        assert first["wants_receipt"] == 1
        assert [str(part["udh"])[-4:] for part in (first, second)] == ["0201", "0202"]
        assert [each["status"] for each in await smsc.until("receipt answered", 2)] == [0, 0]


async def test_a_receipt_that_says_no_is_the_end_of_it(database, clock):
    async with node_smsc() as smsc, running(database, clock, carrier(smsc, clock)):
        await put(database, clock, "【衡江】甲", phone="13800138009")
        await until(database, failed=1)


async def test_hundreds_of_texts_go_through_its_window(database, clock):
    async with node_smsc() as smsc, running(database, clock, carrier(smsc, clock, window=50)):
        await put(database, clock, *[f"【衡江】第{number}件" for number in range(300)], phone=PHONE)
        await until(database, delivered=300)
        texts = [str(each["text"]) for each in smsc.heard("submit_sm")]
        assert sorted(texts) == sorted(f"【衡江】第{number}件" for number in range(300))


async def test_its_errors_are_understood(database, clock):
    async with node_smsc() as smsc, running(database, clock, carrier(smsc, clock)):
        smsc.do("refuse", statuses=[0x58, 0x14])  # throttled, queue full: the same text again, soon
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await until(database, delivered=1)
        assert len(smsc.heard("submit_sm")) == 3
        smsc.do("refuse", statuses=[0x0B])  # no such number: never again
        await put(database, clock, "【衡江】乙", phone=PHONE)
        await until(database, delivered=1, failed=1)
        smsc.do("refuse", statuses=[0x08])  # a system error: later
        await put(database, clock, "【衡江】丙", phone=PHONE)
        await wait_for(lambda: _waits(database, "ESME_RSYSERR"))
        clock.advance(timedelta(minutes=2))
        await until(database, delivered=2, failed=1)


async def test_texts_from_people_come_whole_and_are_acknowledged(database, clock):
    inbox = Listening()
    async with node_smsc() as smsc, running(database, clock, carrier(smsc, clock), inbox=inbox):
        await smsc.until("bind_transceiver")
        smsc.do("text", **{"from": PHONE, "to": ACCESS_NUMBER, "coding": 8, "parts": [{"text": "同意 12345"}]})
        smsc.do("text", **{"from": PHONE, "to": ACCESS_NUMBER, "coding": 0, "parts": [{"text": "1 12345 @[]"}]})
        halves = [{"udh": "050003070202", "text": LONG[67:]}, {"udh": "050003070201", "text": LONG[:67]}]
        smsc.do("text", **{"from": PHONE, "to": ACCESS_NUMBER, "coding": 8, "parts": halves})
        assert [each["status"] for each in await smsc.until("text answered", 4)] == [0, 0, 0, 0]
        assert [text.text for text in inbox.texts] == ["同意 12345", "1 12345 @[]", LONG]
        assert {(text.source, text.destination) for text in inbox.texts} == {(PHONE, ACCESS_NUMBER)}


async def test_each_asks_the_other_whether_it_is_there(database, clock):
    async with node_smsc() as smsc, running(database, clock, carrier(smsc, clock, enquire_after_s=0.2)):
        await smsc.until("enquire_link", 2)
        smsc.do("enquire")
        await smsc.until("enquiry answered")


async def test_a_wrong_password_is_refused_and_said(database, clock):
    async with node_smsc() as smsc:
        refused = carrier(smsc, clock, password="wrong")
        async with running(database, clock, refused):
            await smsc.until("bind_transceiver", 2)
            await wait_for(lambda: _says(refused, "bind refused: ESME_RINVPASWD"))
            assert not refused.is_up


@pytest.mark.parametrize("end", ["unbind", "destroy"])
async def test_after_its_unbind_and_after_its_death_the_gateway_comes_back(database, clock, end):
    async with node_smsc() as smsc, running(database, clock, carrier(smsc, clock)):
        await smsc.until("bind_transceiver")
        smsc.do(end)
        if end == "unbind":
            await smsc.until("unbind answered")
        await smsc.until("bind_transceiver", 2)
        await put(database, clock, "【衡江】甲", phone=PHONE)
        await until(database, delivered=1)


async def test_the_gateway_says_goodbye(database, clock):
    async with node_smsc() as smsc:
        leaving = carrier(smsc, clock)
        async with running(database, clock, leaving):
            await leaving.bound(PATIENCE_S)
        await smsc.until("unbind")
        assert await states_of(database) == {}


async def _waits(database, why):
    rows = await database.rows("SELECT id FROM message WHERE state = 'queued' AND error = $1", why)
    return len(rows) == 1


async def _says(carrier, words):
    await asyncio.sleep(0)
    return carrier.condition().last_error == words
