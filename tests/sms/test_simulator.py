"""The simulated carrier, tried with smpplib's own client functions over a socket: it must not be our twin only."""

import asyncio
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from bench._smpp_ceiling import ceiling
from kernel.clock import FakeClock
from sms import text
from sms.receipts import MessageState, Receipt
from sms.simulator import IdStyle, Smsc
from sms.smpp import receipts
from sms.smpp.pdus import Framer, decode_by_smpplib, encode_by_smpplib
from sms.smpp.vocabulary import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)
from sms.text import ConcatKind

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
SUBMIT = SubmitSm(
    source="10690001",
    destination="13800138000",
    data_coding=8,
    registered_delivery=1,
    short_message="掌办".encode("utf-16-be"),
)


def carrier(**options) -> Smsc:
    return Smsc({"zhangban": "secret", "other": "word"}, clock=FakeClock(NOON), **options)


class Client:
    """One PDU out, one PDU in, all through smpplib's codec."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._framer, self._sequence = reader, writer, Framer(), 0
        self._frames: list[bytes] = []

    def tell(self, pdu, sequence: int | None = None) -> int:
        self._sequence += 1
        sequence = self._sequence if sequence is None else sequence
        self._writer.write(encode_by_smpplib(pdu, sequence))
        return sequence

    async def hear(self):
        while not self._frames:
            try:
                async with asyncio.timeout(60):
                    data = await self._reader.read(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._frames += self._framer.feed(data)
        return decode_by_smpplib(self._frames.pop(0))

    async def ask(self, pdu):
        sequence = self.tell(pdu)
        answered, answer = await self.hear()
        assert answered == sequence
        return answer


@asynccontextmanager
async def client(smsc: Smsc, kind=BindTransceiver, system_id: str = "zhangban", password: str = "secret"):
    reader, writer = await asyncio.open_connection(smsc.host, smsc.port)
    try:
        peer = Client(reader, writer)
        assert (await peer.ask(kind(system_id=system_id, password=password))).status == 0
        yield peer
    finally:
        writer.close()


async def test_a_message_arrives_and_is_answered_and_reported():
    async with carrier() as smsc, client(smsc) as peer:
        answer = await peer.ask(SUBMIT)
        assert answer == SubmitSmResp(message_id="10000001")
        arrived = await smsc.handset("13800138000").next_text()
        assert (arrived.sender, arrived.text, arrived.received_at) == ("10690001", "掌办", NOON)
        sequence, delivered = await peer.hear()
        assert receipts.parse(delivered) == Receipt("10000001", MessageState.DELIVERED, NOON, "000")
        assert (delivered.source, delivered.destination) == ("13800138000", "10690001")
        peer.tell(DeliverSmResp(), sequence)
        assert await peer.ask(EnquireLink()) == EnquireLinkResp()
        assert await peer.ask(Unbind()) == UnbindResp()
        assert await peer.hear() is None


@pytest.mark.parametrize(("system_id", "password", "status"), [("zhangban", "wrong", 0x0E), ("nobody", "secret", 0x0F)])
async def test_a_stranger_is_refused_and_hung_up_on(system_id, password, status):
    async with carrier() as smsc:
        reader, writer = await asyncio.open_connection(smsc.host, smsc.port)
        peer = Client(reader, writer)
        answer = await peer.ask(BindTransceiver(system_id=system_id, password=password))
        assert answer.status == status
        assert await peer.hear() is None
        writer.close()


@pytest.mark.parametrize(
    ("style", "answered", "reported"),
    [
        (IdStyle.HEX, "10000001", "10000001"),
        (IdStyle.DECIMAL, "268435457", "268435457"),
        (IdStyle.MIXED, "10000001", "268435457"),
    ],
)
async def test_ids_are_written_as_carriers_do(style, answered, reported):
    async with carrier(id_style=style) as smsc, client(smsc) as peer:
        assert (await peer.ask(SUBMIT)).message_id == answered
        _, delivered = await peer.hear()
        assert delivered.receipted_message_id == reported
        assert delivered.short_message.startswith(b"id:" + reported.encode())


async def test_ids_may_be_uuids():
    async with carrier(id_style=IdStyle.UUID) as smsc, client(smsc) as peer:
        answered = (await peer.ask(SUBMIT)).message_id
        assert str(uuid.UUID(answered)) == answered


async def test_a_transmitter_sends_and_a_receiver_gets_the_receipt():
    async with carrier() as smsc, client(smsc, BindTransmitter) as sender, client(smsc, BindReceiver) as receiver:
        assert (await sender.ask(SUBMIT)).status == 0
        _, delivered = await receiver.hear()
        assert delivered.message_state == MessageState.DELIVERED
        assert (await receiver.ask(SUBMIT)).status == 0x04


@pytest.mark.parametrize("kind", [ConcatKind.NARROW, ConcatKind.WIDE])
async def test_long_texts_travel_both_ways(kind):
    long = "关于某某事项的办理情况" * 15
    async with carrier() as smsc, client(smsc) as peer:
        phone = smsc.handset("13800138000")
        cut = text.segments(long, reference=7, wide=kind is ConcatKind.WIDE)
        for part in cut.parts:
            pdu = SubmitSm(source="1069", destination="13800138000", esm_class=0x40, data_coding=8, short_message=part)
            assert (await peer.ask(pdu)).status == 0
        assert (await phone.next_text()).text == long

        sending = asyncio.create_task(phone.send("1069", long, kind=kind))
        reassembler = text.Reassembler()
        joined: list[text.Joined] = []
        while not joined:
            sequence, delivered = await peer.hear()
            assert isinstance(delivered, DeliverSm)
            joined = reassembler.take(delivered.part(), 0.0)
            peer.tell(DeliverSmResp(), sequence)
        assert joined[0].text == long
        await sending


async def test_what_is_not_taken_is_delivered_again():
    async with carrier(redeliver_s=0.001) as smsc:
        async with client(smsc) as peer:
            sending = asyncio.create_task(smsc.handset("138").send("1069", "1 12345"))
            sequence, _ = await peer.hear()
            peer.tell(DeliverSmResp(status=0x64), sequence)
            _, again = await peer.hear()
            assert again.octets.decode("utf-16-be") == "1 12345"
        # The connection ended without an answer: the next one gets it.
        async with client(smsc) as peer:
            sequence, again = await peer.hear()
            assert again.octets.decode("utf-16-be") == "1 12345"
            peer.tell(DeliverSmResp(), sequence)
            await sending


async def test_an_access_code_belongs_to_one_account():
    async with carrier(routes={"1069": "zhangban", "106999": "other"}) as smsc, client(smsc) as peer:
        async with client(smsc, system_id="other", password="word") as other:
            sending = asyncio.create_task(smsc.handset("138").send("106999", "hi"))
            sequence, _ = await other.hear()
            other.tell(DeliverSmResp(), sequence)
            await sending
        assert await peer.ask(EnquireLink()) == EnquireLinkResp()


async def test_faults_come_on_command():
    async with carrier() as smsc, client(smsc) as peer:
        quiet = SubmitSm(source="1069", destination="138", short_message=b"x")
        smsc.faults.throttle_next = 2
        assert [(await peer.ask(quiet)).status for _ in range(3)] == [0x58, 0x58, 0]
        smsc.faults.error_every, smsc.faults.error_status = 2, 0x0B
        assert [(await peer.ask(quiet)).status for _ in range(4)] == [0x0B, 0, 0x0B, 0]
        smsc.faults.error_every = 0
        smsc.faults.lose_responses = 1
        peer.tell(quiet)
        assert (await peer.ask(quiet)).status == 0
        assert smsc.counts["accepted"] == 5
        smsc.faults.response_delay_s = 0.005
        assert (await peer.ask(quiet)).status == 0


async def test_receipts_may_misbehave():
    async with carrier() as smsc, client(smsc) as peer:
        smsc.faults.receipt_first = smsc.faults.duplicate_receipts = True
        smsc.faults.undeliverable.add("13800138000")
        peer.tell(SUBMIT)
        heard = [(await peer.hear())[1] for _ in range(3)]
        assert [type(pdu) for pdu in heard] == [DeliverSm, DeliverSm, SubmitSmResp]
        undelivered = Receipt("10000001", MessageState.UNDELIVERABLE, NOON, "001")
        assert receipts.parse(heard[0]) == receipts.parse(heard[1]) == undelivered
        assert not smsc.handset("13800138000").inbox


async def test_receipts_come_late_and_only_as_asked():
    async with carrier(receipt_delay_s=0.005) as smsc, client(smsc) as peer:
        on_failure = SubmitSm(source="1069", destination="138", registered_delivery=2, short_message=b"x")
        await peer.ask(on_failure)
        smsc.faults.undeliverable.add("138")
        await peer.ask(on_failure)
        _, delivered = await peer.hear()
        assert delivered.receipted_message_id == "10000002"
        smsc.faults.no_receipts = True
        await peer.ask(on_failure)
        assert await peer.ask(EnquireLink()) == EnquireLinkResp()


async def test_connections_can_be_cut_and_left():
    async with carrier() as smsc:
        async with client(smsc) as peer:
            smsc.cut()
            assert await peer.hear() is None
        async with client(smsc) as peer:
            leaving = asyncio.create_task(smsc.unbind())
            sequence, asked = await peer.hear()
            assert asked == Unbind()
            peer.tell(UnbindResp(), sequence)
            assert await peer.hear() is None
            await leaving
        assert smsc.connections == 0


async def test_nonsense_is_answered_in_the_standards_way():
    async with carrier() as smsc, client(smsc) as peer:
        peer._writer.write(bytes.fromhex("00000010 00000103 00000000 00000009"))
        assert await peer.hear() == (9, GenericNack(status=0x03))
        peer._writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await peer.hear() in (None, (0, GenericNack(status=0x02)))


async def test_the_blaster_measures_what_the_simulator_can_take():
    async with carrier() as smsc:
        assert await ceiling(smsc.host, smsc.port, "zhangban", "secret", 300, window=50) > 0
        assert smsc.counts["accepted"] == smsc.counts["receipts"] == 300
