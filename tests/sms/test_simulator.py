"""The simulated carrier, tried with smpplib's own client functions over a socket: it must not be our twin only."""

import asyncio
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from bench._smpp_ceiling import ceiling
from kernel.clock import FakeClock
from sms import text
from sms.receipts import MessageState, Receipt
from sms.simulator import Faults, IdStyle, ReceiptIds, Smsc, exchange
from sms.simulator.knobs import turn
from sms.smpp import receipts
from sms.smpp.pdus import Framer, decode_by_smpplib, encode_by_smpplib
from sms.smpp.session import Terms
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


#: Without a receipt.
QUIET = SubmitSm(source="10690001", destination="13800138000", short_message=b"hello")


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

    @property
    def unfinished(self) -> bytes:
        """What came of a PDU without its end."""
        return bytes(self._framer._rest)

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


# ---- faults on command


async def statuses(peer: Client, times: int, pdu=QUIET) -> list[int]:
    return [(await peer.ask(pdu)).status for _ in range(times)]


async def test_every_so_manieth_is_throttled_with_the_status_chosen():
    async with carrier() as smsc, client(smsc) as peer:
        smsc.faults.throttle_every, smsc.faults.throttle_status = 3, 0x14
        assert await statuses(peer, 6) == [0, 0, 0x14, 0, 0, 0x14]
        assert smsc.counts["answered 0x14"] == 2


async def test_an_account_may_submit_so_many_parts_a_second():
    async with (
        carrier() as smsc,
        client(smsc) as peer,
        client(smsc) as other,
        client(smsc, system_id="other", password="word") as stranger,
    ):
        smsc.faults.max_parts_per_s = 3
        assert await statuses(peer, 2) == [0, 0]
        assert await statuses(other, 2) == [0, 0x58]  # the account is counted, not the bind
        assert await statuses(stranger, 1) == [0]
        payload = msgspec.structs.replace(QUIET, short_message=b"", message_payload=b"x" * 500)
        assert await statuses(stranger, 1, payload) == [0x58]  # four parts


async def test_what_no_carrier_takes_is_refused():
    async with carrier() as smsc, client(smsc) as peer:
        assert await statuses(peer, 1, msgspec.structs.replace(QUIET, destination="home")) == [0x0B]
        assert await statuses(peer, 1, msgspec.structs.replace(QUIET, validity_period="soon")) == [0x62]
        assert await statuses(peer, 1, msgspec.structs.replace(QUIET, validity_period="000000010000000R")) == [0]
        smsc.faults.sources = {"1069", "95"}
        assert await statuses(peer, 1) == [0]
        assert await statuses(peer, 1, msgspec.structs.replace(QUIET, source="10010")) == [0x0A]


async def test_binds_may_be_refused_and_counted():
    async with carrier() as smsc, client(smsc):
        for knobs, status in [({"bind_status": 0x0D}, 0x0D), ({"bind_status": 0, "max_binds": 1}, 0x05)]:
            turn(smsc.faults, knobs)
            reader, writer = await asyncio.open_connection(smsc.host, smsc.port)
            answer = await Client(reader, writer).ask(BindTransceiver(system_id="zhangban", password="secret"))
            assert answer.status == status
            writer.close()


async def test_submissions_may_vanish():
    async with carrier() as smsc, client(smsc) as peer:
        smsc.faults.drop_next, smsc.faults.drop_every = 1, 4
        for _ in range(4):
            peer.tell(QUIET)
        assert [sequence for sequence, _ in [await peer.hear() for _ in range(2)]] == [3, 4]
        assert (smsc.counts["accepted"], smsc.counts["dropped"]) == (2, 2)
        assert await peer.ask(EnquireLink()) == EnquireLinkResp()


async def test_answers_may_come_twice():
    async with carrier() as smsc, client(smsc) as peer:
        smsc.faults.duplicate_responses = True
        peer.tell(QUIET)
        assert await peer.hear() == await peer.hear() == (2, SubmitSmResp(message_id="10000001"))


@pytest.mark.parametrize("mid_pdu", [False, True])
async def test_a_connection_is_cut_at_the_so_manieth_submission(mid_pdu):
    async with carrier() as smsc, client(smsc) as peer:
        smsc.faults.cut_after, smsc.faults.cuts_mid_pdu = 3, mid_pdu
        assert await statuses(peer, 2) == [0, 0]
        peer.tell(QUIET)
        peer.tell(QUIET)
        assert await peer.hear() is None
        assert bool(peer.unfinished) is mid_pdu
        assert (smsc.counts["accepted"], smsc.faults.cut_after) == (3, 0)
        async with client(smsc) as again:
            assert await statuses(again, 5) == [0] * 5


async def test_a_half_open_connection_says_nothing_until_it_recovers():
    async with carrier() as smsc, client(smsc) as peer:
        smsc.faults.is_half_open = True
        peer.tell(QUIET)
        smsc.deliver(DeliverSm(source="138", destination="1069"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await peer.hear()
        smsc.faults.is_half_open = False
        assert smsc.counts["submitted"] == 0
        smsc.deliver(DeliverSm(source="138", destination="1069"))
        assert isinstance((await peer.hear())[1], DeliverSm)


@pytest.mark.parametrize(
    ("style", "ids", "reported"),
    [
        (IdStyle.HEX, ReceiptIds.OTHER, "268435457"),
        (IdStyle.DECIMAL, ReceiptIds.OTHER, "10000001"),
        (IdStyle.MIXED, ReceiptIds.OTHER, "10000001"),
        (IdStyle.HEX, ReceiptIds.UNKNOWN, "F10000001"),
    ],
)
async def test_receipts_may_name_the_wrong_id(style, ids, reported):
    async with carrier(id_style=style) as smsc, client(smsc) as peer:
        smsc.faults.receipt_ids = ids
        await peer.ask(SUBMIT)
        assert (await peer.hear())[1].receipted_message_id == reported


async def test_receipts_may_be_lost_and_phones_switched_off():
    async with carrier() as smsc, client(smsc) as peer:
        smsc.faults.lose_receipt_every = 2
        smsc.faults.switched_off = {"13800138000"}
        for _ in range(3):
            peer.tell(SUBMIT)
        heard = [(await peer.hear())[1] for _ in range(5)]
        states = [pdu.message_state for pdu in heard if isinstance(pdu, DeliverSm)]
        assert states == [MessageState.EXPIRED] * 2
        assert smsc.counts["receipts lost"] == 1
        assert not smsc.handset("13800138000").inbox


async def test_every_knob_can_be_turned_by_its_name_and_back():
    faults = Faults()
    turn(faults, {"throttle_every": "3", "is_deaf": "true", "sources": "1069,95", "receipt_ids": "other"}, as_text=True)
    assert faults == Faults(throttle_every=3, is_deaf=True, sources={"1069", "95"}, receipt_ids=ReceiptIds.OTHER)
    faults.clear()
    assert faults == Faults()


# ---- for days


async def test_what_is_kept_is_bounded(monkeypatch):
    for bound, at_most in [("_MAX_QUEUED", 20), ("_MAX_TEXTS", 10), ("_MAX_HANDSETS", 5), ("_MAX_DELAYED", 8)]:
        monkeypatch.setattr(exchange, bound, at_most)
    async with carrier() as smsc, client(smsc, BindTransmitter) as peer:
        for number in range(60):
            await peer.ask(msgspec.structs.replace(SUBMIT, destination=f"138{number % 10}"))
        stats = smsc.stats()
        assert stats["handsets"] == 5
        assert sum(len(smsc.handset(f"138{number}").inbox) for number in range(5)) == 10
        accounts = stats["accounts"]
        assert isinstance(accounts, dict)
        assert accounts["zhangban"] == {"binds": 1, "queued": 20}  # nobody fetches the receipts
        assert smsc.counts["forgotten"] == 40
        smsc.faults.receipt_delay_s = 3600.0
        for _ in range(20):
            await peer.ask(SUBMIT)
        assert smsc.stats()["delayed"] == 8


async def test_lost_answers_do_not_use_up_the_patience_of_the_session():
    async with carrier(terms=Terms(max_unacknowledged=5)) as smsc, client(smsc) as peer:
        smsc.faults.lose_responses, smsc.faults.drop_every = 20, 2
        for _ in range(10):
            for _ in range(3):
                peer.tell(QUIET)
            assert await peer.ask(EnquireLink()) == EnquireLinkResp()
        smsc.faults.clear()
        assert await statuses(peer, 1) == [0]


async def test_a_reset_forgets_what_happened_but_neither_faults_nor_ids():
    async with carrier() as smsc, client(smsc) as peer:
        smsc.faults.no_receipts = True
        phone = smsc.handset("13800138000")
        await peer.ask(SUBMIT)
        smsc.reset()
        assert (list(smsc.accepted), smsc.counts, list(phone.inbox)) == ([], {}, [])
        assert (smsc.connections, smsc.faults.no_receipts) == (1, True)
        assert (await peer.ask(SUBMIT)).message_id == "10000002"
        assert (await phone.next_text()).text == "掌办"
