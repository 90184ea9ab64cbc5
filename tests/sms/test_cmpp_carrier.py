"""The CMPP carrier against the simulated gateway, over real sockets: what happens when the network is as it is."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from alerts.settling import Heard
from alerts.states import State
from kernel.clock import FakeClock
from sms.carriers import Arrival, MobileText, Sent
from sms.cmpp import reports
from sms.cmpp.pdus import decode, encode
from sms.cmpp.vocabulary import (
    Account,
    Cancel,
    CancelResp,
    Deliver,
    MessageId,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Version,
    absolute_time,
)
from sms.statuses import Fault
from sms.text import decode as decode_text
from tests.sms.carrier_desk import ACCESS_NUMBER
from tests.sms.cmpp_desk import SECRET, SP_ID, cmpp_carrier, ismg_of

V2, V3 = Version.V2, Version.V3
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PHONE = "13800138000"
HOUR = timedelta(hours=1)


class Desk:
    """Keeps what it hears, and answers as told."""

    def __init__(self) -> None:
        self.receipts: list[Heard] = []
        self.arrivals: list[Arrival] = []
        self.answers: list[int] = []

    async def heard(self, receipt) -> int:
        self.receipts.append(receipt)
        return 0

    async def arrived(self, arrival) -> int:
        self.arrivals.append(arrival)
        return self.answers.pop(0) if self.answers else 0


def text(words="【衡江政务服务】您好", number=1, **changes) -> MobileText:
    return MobileText(**{"phone": PHONE, "words": words, "reference": number, "expires_at": NOON + HOUR, **changes})


@asynccontextmanager
async def running(carrier, desk, *, bound=True):
    task = asyncio.create_task(carrier.run(desk))
    try:
        if bound:
            await carrier.bound(60)
        yield
    finally:
        await carrier.drain(30)
        await asyncio.wait_for(task, 60)


async def until(what, timeout_s=60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not what():  # noqa: ASYNC110  the condition is at the other end of a socket
            await asyncio.sleep(0.001)


async def send(carrier, *texts):
    """What became of them, in order, once all is known."""
    outcomes: dict[int, Sent] = {}
    for each in texts:
        carrier.send(each, lambda sent, each=each: outcomes.__setitem__(each.reference, sent))
    await until(lambda: len(outcomes) == len(texts))
    return [outcomes[each.reference] for each in texts]


@pytest.fixture
def clock():
    return FakeClock(NOON)


# ---- out


@pytest.mark.parametrize("version", Version)
async def test_a_text_is_submitted_as_the_contract_says_and_its_report_names_its_id(clock, version):
    desk = Desk()
    async with ismg_of(clock, version=version) as ismg:
        contract = {"service_id": "ZWFW", "fee_user_type": 2, "fee_code": "0", "destination_prefix": "86"}
        carrier = cmpp_carrier(ismg, contract=contract)
        async with running(carrier, desk):
            [sent] = await send(carrier, text(extension="123"))
            await until(lambda: desk.receipts)
    [(message_id, submit)] = ismg.accepted
    assert sent.accepted == ((1, message_id),)
    assert submit == Submit(
        part_total=1,
        part_number=1,
        registered_delivery=1,
        service_id="ZWFW",
        fee_user_type=2,
        account=SP_ID,
        fee_type="01",
        fee_code="0",
        valid_until="261122130000032+",
        source=ACCESS_NUMBER + "123",
        destinations=("86" + PHONE,),
        content="【衡江政务服务】您好".encode("utf-16-be"),
    )
    [receipt] = desk.receipts
    assert (receipt.sms_id, receipt.state, receipt.phone) == (message_id, State.DELIVERED, "86" + PHONE)
    assert MessageId.read(message_id) == MessageId(11, 22, 12, 0, 0, 1, 1)


async def test_a_long_text_leaves_in_parts_that_say_so_and_the_skipped_ones_stay(clock):
    desk, words = Desk(), "【衡江政务服务】" + "一二三四五六七八九十" * 9
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg)
        async with running(carrier, desk):
            [sent] = await send(carrier, text(words))
            assert (await ismg.handset(PHONE).next_text()).text == words
            await until(lambda: len(desk.receipts) == 2)
            first, second = (submit for _, submit in ismg.accepted)
            assert [(part.part_total, part.part_number, part.has_header) for part in (first, second)] == [
                (2, 1, 1),
                (2, 2, 1),
            ]
            assert len(first.content) == 140
            assert {number for number, _ in sent.accepted} == {1, 2}
            assert {receipt.sms_id for receipt in desk.receipts} == {message_id for _, message_id in sent.accepted}
            [again] = await send(carrier, text(words, skip=frozenset({1})))
            assert [number for number, _ in again.accepted] == [2]
            assert ismg.accepted[-1][1].part_number == 2


async def test_the_gateway_is_told_how_long_a_text_is_news_and_never_longer(clock):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg, contract={"longest_validity": timedelta(hours=2)})
        async with running(carrier, Desk()):
            near, far = timedelta(minutes=30, microseconds=999_999), timedelta(days=3)
            await send(carrier, text(expires_at=NOON + near), text(number=2, expires_at=NOON + far))
            times = [submit.valid_until for _, submit in ismg.accepted]
            assert times == ["261122123000032+", absolute_time(NOON + timedelta(hours=2))]
            [late] = await send(carrier, text(number=3, expires_at=NOON))
            assert (late.accepted, late.is_unsent) == ((), True)
        silent = cmpp_carrier(ismg, contract={"longest_validity": None})
        async with running(silent, Desk()):
            await send(silent, text(number=4))
        assert ismg.accepted[-1][1].valid_until == ""


async def test_flow_control_pauses_the_connection_and_keeps_the_order(clock):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg, terms={"window": 1})
        async with running(carrier, Desk()):
            ismg.faults.throttle_next = 1
            outcomes = await send(carrier, *(text(str(number), number) for number in range(5)))
            assert all(sent.fault is None for sent in outcomes)
            assert [each.text for each in ismg.handset(PHONE).inbox] == list("01234")
            assert carrier.condition().counts["throttled"] == 1


async def test_a_rate_of_the_gateway_is_kept_by_ours(clock):
    async with ismg_of(clock) as ismg:
        ismg.faults.max_parts_per_s = 200
        carrier = cmpp_carrier(ismg, parts_per_s=100)
        async with running(carrier, Desk()):
            outcomes = await send(carrier, *(text(str(number), number) for number in range(20)))
            assert all(sent.fault is None for sent in outcomes)
            assert carrier.condition().counts.get("throttled", 0) == 0


@pytest.mark.parametrize(
    ("result", "fault", "name"),
    [
        (13, Fault.PERMANENT, "CMPP_13_DESTINATION"),
        (5, Fault.TECHNICAL, "CMPP_5_FEE_CODE"),
        (255, Fault.TECHNICAL, "CMPP_255"),
    ],
)
async def test_a_refusal_comes_back_with_its_class_and_its_name(clock, result, fault, name):
    async with ismg_of(clock) as ismg:
        ismg.faults.error_every, ismg.faults.error_status = 1, result
        carrier = cmpp_carrier(ismg)
        async with running(carrier, Desk()):
            [sent] = await send(carrier, text())
            assert (sent.accepted, sent.fault, sent.error) == ((), fault, name)
            assert carrier.condition().refusals == {name: 1}


async def test_a_number_that_cannot_travel_is_refused_here(clock):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg)
        async with running(carrier, Desk()):
            [sent] = await send(carrier, text(phone="一三八"))
            assert (sent.fault, sent.error) == (Fault.TECHNICAL, "CMPP_1_STRUCTURE")
            assert ismg.counts["submitted"] == 0


@pytest.mark.parametrize("knob", ["lose_responses", "drop_next"])
async def test_what_goes_unanswered_is_unknown_and_not_repeated(clock, knob):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg, terms={"response_s": 0.05})
        async with running(carrier, Desk()):
            setattr(ismg.faults, knob, 1)
            [lost] = await send(carrier, text())
            assert (lost.accepted, lost.fault, lost.is_unsent) == ((), Fault.UNKNOWN, False)
            assert carrier.is_up
            assert ismg.counts["submitted"] == 1


@pytest.mark.parametrize("cuts_mid_pdu", [False, True])
async def test_a_connection_cut_before_or_within_the_answer_leaves_the_outcome_unknown(clock, cuts_mid_pdu):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg, terms={"window": 1, "response_s": 30})
        async with running(carrier, Desk()):
            ismg.faults.cut_after, ismg.faults.cuts_mid_pdu = 2, cuts_mid_pdu
            [taken, unknown, unsent] = await send(carrier, text(), text(number=2), text(number=3))
            assert taken.fault is None
            assert (unknown.fault, unknown.is_unsent) == (Fault.UNKNOWN, False)
            assert unsent.is_unsent
            await carrier.bound(60)
            [again] = await send(carrier, text(number=4))
            assert again.fault is None


async def test_a_cut_in_the_middle_of_a_delivery_loses_nothing(clock):
    desk = Desk()
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg)
        async with running(carrier, desk):
            ismg.cut(mid_pdu=True)
            await ismg.handset(PHONE).send(ACCESS_NUMBER, "1 12345")
            assert [arrival.part.octets.decode("utf-16-be") for arrival in desk.arrivals] == ["1 12345"]
            assert ismg.counts["connects"] == 2


async def test_a_gateway_that_hears_nothing_is_left(clock):
    async with ismg_of(clock) as ismg:
        impatient = {"test_after_s": 0.02, "test_answer_s": 0.02, "tests": 2, "connect_s": 0.1}
        carrier = cmpp_carrier(ismg, terms=impatient)
        async with running(carrier, Desk()):
            ismg.faults.is_deaf = True
            await until(lambda: not carrier.is_up)
            await until(lambda: "no answer to CMPP_ACTIVE_TEST" in carrier.condition().last_error)
            ismg.faults.is_deaf = False
            await carrier.bound(60)


# ---- connecting


async def test_a_wrong_secret_is_named_and_nothing_is_sent(clock):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg, secret="999999")
        async with running(carrier, Desk(), bound=False):
            await until(lambda: ismg.counts["connect refused"] >= 2)
            assert not carrier.is_up
            await until(lambda: carrier.condition().last_error == "bind refused: CMPP_CONNECT_3_SECRET")
            [sent] = await send(carrier, text())
            assert sent.is_unsent
            assert "999999" not in repr(carrier.condition())


async def test_a_gateway_that_does_not_know_the_secret_is_left_again(clock):
    async with ismg_of(clock) as ismg:
        ismg.faults.lacks_proof = True
        carrier = cmpp_carrier(ismg)
        async with running(carrier, Desk(), bound=False):
            await until(lambda: carrier.condition().last_error == "bind refused: CMPP_CONNECT_UNPROVEN")
            assert not carrier.is_up
            ismg.faults.lacks_proof = False
            await carrier.bound(60)


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_gateway_of_2_0_is_spoken_to_in_2_0_whether_it_says_yes_or_no_to_3_0(clock, refuses):
    desk = Desk()
    async with ismg_of(clock, version=V2) as ismg:
        ismg.faults.refuses_higher_version = refuses
        carrier = cmpp_carrier(ismg, version=V3)
        async with running(carrier, desk):
            assert ismg.counts["connect refused"] == int(refuses)
            [sent] = await send(carrier, text())
            assert sent.fault is None
            await until(lambda: desk.receipts)
            assert (await ismg.handset(PHONE).next_text()).text == "【衡江政务服务】您好"


async def test_an_account_that_may_not_connect_so_often_is_told_so(clock):
    async with ismg_of(clock) as ismg:
        ismg.faults.max_connections = 1
        carrier = cmpp_carrier(ismg, contract={"connections": 2})
        async with running(carrier, Desk(), bound=False):
            await until(lambda: carrier.is_up and ismg.counts["connect refused"])
            [sent] = await send(carrier, text())
            assert sent.fault is None
            await until(lambda: "CMPP_CONNECT_5_OTHER" in carrier.condition().last_error)


async def test_leaving_is_said(clock):
    async with ismg_of(clock) as ismg:
        async with running(cmpp_carrier(ismg), Desk()):
            pass
        await until(lambda: ismg.counts["Unbound"] == 1)


async def test_a_gateway_may_leave_and_is_come_back_to(clock):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg)
        async with running(carrier, Desk()):
            await ismg.terminate()
            await until(lambda: ismg.counts["connects"] == 2)
            await carrier.bound(60)


# ---- several connections


async def test_connections_share_the_rate_and_each_has_its_window(clock):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg, parts_per_s=200, contract={"connections": 3}, terms={"window": 2})
        async with running(carrier, Desk()):
            assert ismg.connections == 3
            ismg.faults.response_delay_s = 0.01
            outcomes = await send(carrier, *(text(str(number), number) for number in range(30)))
            assert all(sent.fault is None for sent in outcomes)
            condition = carrier.condition()
            assert (condition.state, condition.window, condition.parts_per_s) == ("bound", 6, 200)
            assert all(link.counts["Accepted"] for link in condition.links.values())


async def test_all_parts_of_a_text_take_one_connection(clock):
    words = "一二三四五六七八九十" * 15
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg, contract={"connections": 2})
        async with running(carrier, Desk()):
            await send(carrier, text(words))
            assert sorted(link.counts.get("Accepted", 0) for link in carrier.condition().links.values()) == [0, 3]


async def test_one_connection_that_is_cut_does_not_bring_the_carrier_down(clock):
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg, contract={"connections": 2})
        async with running(carrier, Desk()):
            next(iter(ismg.peers)).wire.transport.abort()
            await until(lambda: carrier.condition().state == "1 of 2 bound" or ismg.counts["connects"] == 3)
            assert carrier.is_up
            await carrier.bound(60)


# ---- in


@pytest.mark.parametrize("version", Version)
async def test_a_text_from_a_person_is_kept_as_its_frame_and_known_again(clock, version):
    desk = Desk()
    async with ismg_of(clock, version=version) as ismg:
        carrier = cmpp_carrier(ismg)
        ismg.faults.duplicate_texts = True
        async with running(carrier, desk):
            await ismg.handset(PHONE).send(ACCESS_NUMBER, "1 12345")
        first, second = desk.arrivals
        assert first.identity == second.identity
        assert first.is_dated
        assert first.part.raw != second.part.raw  # the sequence number is another
        _, pdu = decode(first.part.raw, version)
        assert isinstance(pdu, Deliver)
        assert (pdu.source, pdu.destination, pdu.is_report) == (PHONE, ACCESS_NUMBER, 0)
        assert (first.carrier, first.part.source, first.part.destination) == ("gateway", PHONE, ACCESS_NUMBER)


async def test_the_same_words_said_twice_are_two_texts(clock):
    desk = Desk()
    async with ismg_of(clock) as ismg, running(cmpp_carrier(ismg), desk):
        for _ in range(2):
            await ismg.handset(PHONE).send(ACCESS_NUMBER, "CX1")
    first, second = desk.arrivals
    assert first.identity != second.identity


async def test_an_id_that_is_no_date_promises_nothing(clock):
    desk = Desk()
    async with ismg_of(clock) as ismg, running(cmpp_carrier(ismg), desk):
        await ismg.deliver([Deliver(source=PHONE, destination=ACCESS_NUMBER, format=0, content=b"1 12345")])
    assert not desk.arrivals[0].is_dated


@pytest.mark.parametrize(
    ("format", "content"),
    [(0, b"CX 1"), (8, "查 1".encode("utf-16-be")), (15, "查 1".encode("gbk")), (0x18, "查 1".encode("utf-16-be"))],
)
async def test_a_text_may_come_in_any_format(clock, format, content):
    desk = Desk()
    async with ismg_of(clock) as ismg, running(cmpp_carrier(ismg), desk):
        await ismg.deliver([Deliver(source=PHONE, destination=ACCESS_NUMBER, format=format, content=content)])
    part = desk.arrivals[0].part
    assert decode_text(part.octets, part.data_coding) in ("CX 1", "查 1")


async def test_what_could_not_be_taken_comes_again(clock):
    desk = Desk()
    desk.answers = [8, 8]
    async with ismg_of(clock) as ismg, running(cmpp_carrier(ismg), desk):
        await ismg.handset(PHONE).send(ACCESS_NUMBER, "1 12345")
    assert len({arrival.identity for arrival in desk.arrivals}) == 1
    assert len(desk.arrivals) == 3
    assert ismg.counts["redelivered"] == 2


@pytest.mark.parametrize(
    ("faults", "heard"),
    [
        ({"receipt_first": True}, 1),
        ({"receipt_delay_s": 0.02}, 1),
        ({"duplicate_receipts": True}, 2),
        ({"short_reports": True}, 1),
    ],
)
async def test_reports_come_early_late_twice_or_short_and_name_the_id_of_the_answer(clock, faults, heard):
    desk = Desk()
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg)
        async with running(carrier, desk):
            for knob, value in faults.items():
                setattr(ismg.faults, knob, value)
            [sent] = await send(carrier, text())
            await until(lambda: len(desk.receipts) == heard)
            assert {(each.sms_id, each.state) for each in desk.receipts} == {(sent.accepted[0][1], State.DELIVERED)}


@pytest.mark.parametrize(
    ("knob", "state", "error"),
    [("undeliverable", State.FAILED, "MK:0001 MK"), ("switched_off", State.EXPIRED, "EXPIRED")],
)
async def test_a_report_of_failure_says_why(clock, knob, state, error):
    desk = Desk()
    async with ismg_of(clock) as ismg:
        carrier = cmpp_carrier(ismg)
        async with running(carrier, desk):
            setattr(ismg.faults, knob, {PHONE})
            await send(carrier, text())
            await until(lambda: desk.receipts)
            assert [(each.state, each.error) for each in desk.receipts] == [(state, error)]


async def test_a_report_that_says_nothing_is_acknowledged_and_told_to_nobody(clock):
    desk = Desk()
    async with ismg_of(clock) as ismg, running(cmpp_carrier(ismg), desk):
        await ismg.deliver([Deliver(destination=ACCESS_NUMBER, is_report=1, content=b"?")])
        pending = b"\xb2\xb9\xda\x80\0\1\0\0ACCEPTD".ljust(71, b"\0")
        await ismg.deliver([Deliver(destination=ACCESS_NUMBER, is_report=1, content=pending)])
    assert (desk.receipts, desk.arrivals) == ([], [])


# ---- the simulator by itself


class Client:
    """One message out, one in, without our session."""

    def __init__(self, reader, writer) -> None:
        self._reader, self._writer, self._sequence = reader, writer, 0

    async def ask(self, pdu):
        self._sequence += 1
        self._writer.write(encode(pdu, self._sequence, V3))
        return await self.hear()

    async def hear(self):
        async with asyncio.timeout(60):
            head = await self._reader.readexactly(4)
            rest = await self._reader.readexactly(int.from_bytes(head, "big") - 4)
        _, pdu = decode(head + rest, V3)
        return pdu


@asynccontextmanager
async def client(ismg):
    reader, writer = await asyncio.open_connection(ismg.host, ismg.port)
    try:
        peer = Client(reader, writer)
        answer = await peer.ask(Account(SP_ID, SECRET).introduction(NOON, V3))
        assert (answer.status, answer.version) == (0, V3)
        yield peer
    finally:
        writer.close()


async def test_the_gateway_counts_and_cancels_nothing(clock):
    async with ismg_of(clock) as ismg, client(ismg) as peer:
        one = Submit(account=SP_ID, source="1069", destinations=(PHONE, "13900139000"), content=b"\0a")
        assert (await peer.ask(one)).status == 0
        assert (await peer.ask(Submit(account=SP_ID, source="1069", destinations=("x",)))).status == 13
        counted = await peer.ask(Query(day="20261122"))
        assert counted == QueryResp(day="20261122", submitted=2, receivers=1, sent=1, failed=1)
        assert await peer.ask(Cancel(message_id="b2b9da8000010000")) == CancelResp(status=1)
        assert [(await ismg.handset(number).next_text()).text for number in one.destinations] == ["a", "a"]


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"account": "900002"}, 11),
        ({"destinations": ("abc",)}, 13),
        ({"valid_until": "tomorrow"}, 1),
        ({"source": "99"}, 10),
    ],
)
async def test_the_gateway_looks_at_the_fields(clock, fields, result):
    async with ismg_of(clock) as ismg, client(ismg) as peer:
        ismg.faults.sources = {"1069"}
        good = {"account": SP_ID, "source": "1069", "destinations": (PHONE,), "content": b"\0a"}
        assert isinstance(answer := await peer.ask(Submit(**{**good, **fields})), SubmitResp)
        assert answer.status == result


async def test_every_receiver_of_a_submission_has_a_report_of_its_own(clock):
    phones = (PHONE, "13900139000")
    async with ismg_of(clock) as ismg, client(ismg) as peer:
        answer = await peer.ask(
            Submit(account=SP_ID, source="1069", destinations=phones, registered_delivery=1, content=b"\0a")
        )
        delivered = [await peer.hear() for _ in phones]
    assert [reports.phone_of(pdu) for pdu in delivered] == list(phones)
    receipts = [reports.parse(pdu) for pdu in delivered]
    assert {receipt and receipt.message_id for receipt in receipts} == {answer.message_id}


async def test_what_nobody_fetches_is_forgotten_and_counted(clock, monkeypatch):
    monkeypatch.setattr("sms.simulator.cmpp_exchange._MAX_QUEUED", 3)
    async with ismg_of(clock) as ismg:
        waiting = [Deliver(source=PHONE, destination=ACCESS_NUMBER, content=b"\0a")] * 5
        with pytest.raises(TimeoutError):
            await ismg.deliver(waiting, timeout_s=0.01)
        assert ismg.counts["forgotten"] == 2
