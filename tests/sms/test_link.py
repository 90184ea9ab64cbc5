"""The link against the simulated carrier, over real sockets: what happens when the network is as it is."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kernel.clock import FakeClock
from sms.conversation import Answered, Role, State
from sms.link import Backoff, Link, Target
from sms.pacing import Accepted, NotSent, OutcomeUnknown, Pacer, Rate, Refused, SubmitOutcome
from sms.receipts import MessageState, Receipt
from sms.simulator import Smsc
from sms.smpp import receipts
from sms.smpp.carrier import dialect, parts
from sms.smpp.pdus import encode
from sms.smpp.session import TERMS, Session, Terms
from sms.smpp.vocabulary import BindReceiver, BindTransceiver, BindTransceiverResp, DeliverSm, SubmitSm, SubmitSmResp
from sms.statuses import DEFAULT_POLICY, Fault, Retry

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
BIND = BindTransceiver(system_id="zhangban", password="secret")
QUICK = {**DEFAULT_POLICY, Fault.THROTTLED: Retry(tries=5, first_s=0.005, factor=2, cap_s=0.02)}
PATIENT = {**DEFAULT_POLICY, Fault.THROTTLED: Retry(tries=1000, first_s=0.05, factor=1, cap_s=0.05)}


def message(text: str = "掌办", destination: str = "138") -> SubmitSm:
    body = text.encode("utf-16-be")
    return SubmitSm(source="1069", destination=destination, registered_delivery=1, data_coding=8, short_message=body)


def carrier(**options) -> Smsc:
    return Smsc({"zhangban": "secret"}, clock=FakeClock(NOON), redeliver_s=0.001, **options)


class Desk:
    """Takes what the carrier delivers."""

    def __init__(self) -> None:
        self.taken: list[tuple[DeliverSm, bytes]] = []
        self.answers = 0

    async def take(self, pdu: DeliverSm, raw: bytes) -> int:
        self.taken.append((pdu, raw))
        return self.answers

    @property
    def receipts(self) -> list[Receipt]:
        return [receipt for pdu, _ in self.taken if (receipt := receipts.parse(pdu))]


def link_to(
    smsc: Smsc, desk: Desk, *, target=None, bind=BIND, on_deliver=None, terms=TERMS, policy=QUICK, **options
) -> Link:
    return Link(
        target or Target(host=smsc.host, port=smsc.port),
        dialect(bind, terms),
        on_deliver or desk.take,
        jitter=lambda: 0.0,
        backoff=Backoff(0.002, 0.01),
        policy=policy,
        **options,
    )


@asynccontextmanager
async def running(smsc: Smsc, desk: Desk, **options):
    link = link_to(smsc, desk, **options)
    task = asyncio.create_task(link.run())
    try:
        await link.bound(60)
        yield link
    finally:
        await link.drain(30)
        await asyncio.wait_for(task, 60)


async def until(what, timeout_s: float = 60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not what():  # noqa: ASYNC110  the condition is at the other end of a socket
            await asyncio.sleep(0.001)


async def test_a_message_is_sent_and_its_receipt_taken():
    desk = Desk()
    async with carrier() as smsc, running(smsc, desk) as link:
        assert await link.submit(message()) == Accepted("10000001")
        assert (await smsc.handset("138").next_text()).text == "掌办"
        await until(lambda: desk.receipts)
        assert desk.receipts == [Receipt("10000001", MessageState.DELIVERED, NOON, "000")]
        assert link.snapshot().state is State.BOUND_TRX
    assert smsc.counts["Unbound"] == 1


async def test_many_messages_share_the_window_and_keep_their_order():
    desk = Desk()
    async with carrier() as smsc, running(smsc, desk, terms=Terms(window=8)) as link:
        widest = 0
        outcomes = []

        def on_outcome(outcome) -> None:
            nonlocal widest
            widest = max(widest, link.snapshot().in_flight)
            outcomes.append(outcome)

        for number in range(100):
            link.submit_nowait(message(str(number)), on_outcome)
        await until(lambda: len(outcomes) == 100)
        assert widest <= 8
        assert [text.text for text in smsc.handset("138").inbox] == [str(number) for number in range(100)]
        assert len(set(outcomes)) == 100


async def test_a_reply_is_acknowledged_only_after_it_has_been_taken():
    may_finish = asyncio.Event()
    taken = []

    async def slowly(pdu: DeliverSm, raw: bytes) -> int:
        await may_finish.wait()
        taken.append(raw)
        return 0

    async with carrier() as smsc, running(smsc, Desk(), on_deliver=slowly):
        sending = asyncio.create_task(smsc.handset("138").send("1069", "1 12345"))
        await asyncio.sleep(0.01)
        assert not sending.done()
        may_finish.set()
        await sending
        assert len(taken) == 1
        assert "1 12345".encode("utf-16-be") in taken[0]  # the frame as it came, for the evidence


async def test_a_reply_that_could_not_be_taken_comes_again():
    attempts = 0

    async def shaky(pdu: DeliverSm, raw: bytes) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("the database was away")
        return 0 if attempts > 2 else 0x64

    async with carrier() as smsc, running(smsc, Desk(), on_deliver=shaky) as link:
        await smsc.handset("138").send("1069", "1 12345")
        assert attempts == 3
        assert link.snapshot().last_error == "a delivery was not taken: OSError"


async def test_those_who_take_many_at_once_answer_with_futures():
    batch: list[asyncio.Future[int]] = []

    def gather(pdu: DeliverSm, raw: bytes) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        batch.append(future)
        if len(batch) == 3:
            for waiting in batch:
                waiting.set_result(0)
        return future

    async with carrier() as smsc, running(smsc, Desk(), on_deliver=gather):
        await asyncio.gather(*(smsc.handset("138").send("1069", str(n)) for n in range(3)))


# ---- refusals and throttling


async def test_a_refusal_comes_back_with_its_status():
    async with carrier() as smsc, running(smsc, Desk()) as link:
        smsc.faults.error_every, smsc.faults.error_status = 2, 0x0B
        assert [await link.submit(message()) for _ in range(2)] == [Accepted("10000001"), Refused(0x0B)]
        assert link.snapshot().refusals == {"ESME_RINVDSTADR": 1}


async def test_what_cannot_travel_is_refused_without_the_carrier():
    async with carrier() as smsc, running(smsc, Desk()) as link:
        assert await link.submit(message(destination="1" * 21)) == Refused(0xC2)
        assert smsc.counts["submitted"] == 0
        assert await link.submit(message()) == Accepted("10000001")


async def test_a_throttled_link_pauses_keeps_the_order_and_the_receipt_request():
    desk = Desk()
    async with carrier() as smsc, running(smsc, desk, terms=Terms(window=4)) as link:
        smsc.faults.throttle_next = 6
        outcomes = await asyncio.gather(*(link.submit(message(str(number))) for number in range(10)))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert [text.text for text in smsc.handset("138").inbox] == [str(number) for number in range(10)]
        await until(lambda: len(desk.receipts) == 10)
        # One window of four, then twice the first of them alone; only then the others.
        assert smsc.counts["submitted"] == 16
        assert link.counts["throttled"] == 6


async def test_a_carrier_that_throttles_for_ever_is_given_up_on():
    async with carrier() as smsc, running(smsc, Desk()) as link:
        smsc.faults.throttle_next = 1000
        assert await link.submit(message()) == Refused(0x58)
        assert smsc.counts["submitted"] == 5
        assert link.snapshot().paused_for_s > 0
        smsc.faults.throttle_next = 0


def test_pauses_grow_once_for_each_window_and_end_with_success():
    """Pacer and session without a socket: time is a number here."""
    session, pacer = Session(Role.ESME, 0.0, Terms(window=3)), Pacer(dialect(BIND), None, DEFAULT_POLICY)
    outcomes: list[SubmitOutcome] = []
    session.bind(BIND, 0.0)
    session.receive(encode(BindTransceiverResp(system_id="S"), 1), 0.0)
    for number in range(3):
        pacer.put(pacer.submission(message(str(number)), outcomes.append))

    def answer(now: float, status: int, *sequences: int) -> None:
        for sequence in sequences:
            for event in session.receive(encode(SubmitSmResp(status=status, message_id="A"), sequence), now):
                assert isinstance(event, Answered)
                pacer.take(event, now)

    assert pacer.pump(session, 0.0) is None
    answer(0.1, 0x58, 2, 3, 4)
    assert pacer.pump(session, 0.2) == pytest.approx(1.1)  # 1 s, although three were throttled
    assert pacer.pump(session, 1.1) is None
    assert session.in_flight == 1  # one tries the ground
    answer(1.2, 0x58, 5)
    assert pacer.pump(session, 1.3) == pytest.approx(3.2)  # 2 s
    assert pacer.pump(session, 3.2) is None
    answer(3.3, 0, 6)
    pacer.pump(session, 3.3)
    assert session.in_flight == 2  # and the others follow
    answer(3.4, 0, 7)
    answer(3.4, 0x58, 8)
    assert outcomes == [Accepted("A")] * 2
    assert pacer.paused_until == pytest.approx(4.4)  # 1 s again


def test_the_rate_counts_parts():
    rate = Rate(10.0)
    assert rate.take(1, 0.0) == 0.0
    assert rate.take(1, 0.0) == pytest.approx(0.1)
    assert rate.take(3, 0.1) == 0.0  # three parts: the next may go 0.3 s later
    assert rate.take(1, 0.2) == pytest.approx(0.2)
    assert rate.take(1, 0.4) == 0.0
    assert Rate(None).take(1000, 0.0) == 0.0
    assert [parts(SubmitSm(message_payload=b"x" * n)) for n in (1, 134, 135)] == [1, 1, 2]
    assert parts(message()) == 1


def test_a_second_never_holds_more_parts_than_the_contract():
    rate, now, sent = Rate(50.0), 0.0, []
    while now < 3:
        wait = rate.take(1, now)
        if not wait:
            sent.append(now)
        now += wait
    assert max(sum(start <= at < start + 1 for at in sent) for start in sent) <= 50 + 5


async def test_the_link_keeps_to_the_rate():
    async with carrier() as smsc, running(smsc, Desk(), parts_per_s=200.0) as link:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(link.submit(message()) for _ in range(30)))
        # 20 at once, the other 10 at 200 a second.
        assert asyncio.get_running_loop().time() - began >= 0.045
        assert smsc.counts["accepted"] == 30


# ---- the network


async def test_a_cut_connection_comes_back_and_what_was_under_way_is_unknown():
    async with carrier() as smsc, running(smsc, Desk()) as link:
        smsc.faults.lose_responses = 1
        lost = asyncio.create_task(link.submit(message("lost")))
        await until(lambda: smsc.counts["accepted"] == 1)
        smsc.cut()
        assert await lost == OutcomeUnknown("the connection ended")
        await link.bound(60)
        assert isinstance(await link.submit(message("found")), Accepted)
        assert (link.counts["connects"], link.counts["binds"]) == (2, 2)


async def test_what_waits_when_the_connection_ends_was_certainly_not_sent():
    async with carrier() as smsc, running(smsc, Desk(), terms=Terms(window=1)) as link:
        smsc.faults.lose_responses = 1
        first, second = (asyncio.create_task(link.submit(message())) for _ in range(2))
        await until(lambda: smsc.counts["accepted"] == 1)
        smsc.cut()
        assert await first == OutcomeUnknown("the connection ended")
        assert await second == NotSent("the connection ended")


async def test_a_link_that_is_down_says_so_at_once():
    async with carrier() as smsc:
        link = link_to(smsc, Desk())
        assert await link.submit(message()) == NotSent("not bound")
        assert link.snapshot().state is State.CLOSED


async def test_a_receiver_does_not_send():
    async with (
        carrier() as smsc,
        running(smsc, Desk(), bind=BindReceiver(system_id="zhangban", password="secret")) as link,
    ):
        assert await link.submit(message()) == NotSent("not bound")


async def test_a_carrier_that_leaves_is_found_again():
    async with carrier() as smsc, running(smsc, Desk()) as link:
        await smsc.unbind()
        await until(lambda: link.counts["binds"] == 2)
        assert isinstance(await link.submit(message()), Accepted)


async def test_a_carrier_that_is_not_there_yet_is_tried_again():
    async with carrier() as probe:
        port = probe.port
    desk = Desk()
    link = link_to(probe, desk, target=Target(host="127.0.0.1", port=port))
    task = asyncio.create_task(link.run())
    await until(lambda: link.counts["errors"] >= 2)
    assert link.snapshot().last_error.startswith("cannot connect: ConnectionRefused")
    assert not link.snapshot().is_error_past
    async with carrier(port=port):
        await link.bound(60)
        assert link.snapshot().last_error.startswith("cannot connect")  # what it was, and that it is over
        assert link.snapshot().is_error_past
        await link.drain(30)
        await task


async def test_a_refused_bind_is_reported_and_tried_again():
    async with carrier() as smsc:
        link = link_to(smsc, Desk(), bind=BindTransceiver(system_id="zhangban", password="wrong"))
        task = asyncio.create_task(link.run())
        await until(lambda: smsc.counts["bind refused"] >= 2)
        assert link.snapshot().last_error == "bind refused: ESME_RINVPASWD"
        await link.drain(30)
        await task


async def test_a_half_dead_peer_is_found_out_and_replaced():
    terms = Terms(enquire_after_s=0.05, enquire_answer_s=1.0)
    async with carrier() as smsc, running(smsc, Desk(), terms=terms) as link:
        smsc.faults.is_deaf = True
        unknown = asyncio.create_task(link.submit(message()))
        await until(lambda: link.counts["errors"])
        assert link.snapshot().last_error == "no answer to enquire_link"
        assert await unknown == OutcomeUnknown("no answer to enquire_link")
        smsc.faults.is_deaf = False
        await until(lambda: link.counts["binds"] >= 2)
        assert isinstance(await link.submit(message()), Accepted)


async def test_a_peer_that_vanished_without_a_word_is_found_out_in_bounded_time():
    terms = Terms(enquire_after_s=0.05, enquire_answer_s=0.5, bind_s=0.5)
    async with carrier() as smsc, running(smsc, Desk(), terms=terms) as link:
        smsc.faults.is_half_open = True
        unknown = asyncio.create_task(link.submit(message()))
        assert await unknown == OutcomeUnknown("no answer to enquire_link")
        assert not link.is_open
        # Whoever answers at its address now does not say a word either.
        await until(lambda: link.snapshot().last_error == "no answer to bind_transceiver")
        smsc.faults.is_half_open = False
        await link.bound(60)
        assert isinstance(await link.submit(message()), Accepted)


async def test_a_connection_cut_in_the_middle_of_an_answer_leaves_the_outcome_unknown():
    async with carrier() as smsc, running(smsc, Desk()) as link:
        smsc.faults.cut_after, smsc.faults.cuts_mid_pdu = 2, True
        outcomes = await asyncio.gather(*(link.submit(message(str(number))) for number in range(2)))
        assert outcomes == [Accepted("10000001"), OutcomeUnknown("the connection ended")]
        await link.bound(60)
        assert await link.submit(message("2")) == Accepted("10000003")
        assert [text.text for text in smsc.handset("138").inbox] == ["0", "1", "2"]


async def test_an_answer_that_comes_twice_counts_once():
    async with carrier() as smsc, running(smsc, Desk()) as link:
        smsc.faults.duplicate_responses = True
        outcomes = await asyncio.gather(*(link.submit(message()) for _ in range(5)))
        assert outcomes == [Accepted(f"1000000{number}") for number in range(1, 6)]
        await until(lambda: link.counts["Stray"] == 5)


async def test_a_message_that_vanished_on_the_way_becomes_unknown():
    async with carrier() as smsc, running(smsc, Desk(), terms=Terms(response_s=0.3)) as link:
        smsc.faults.drop_next = 1
        assert await link.submit(message()) == OutcomeUnknown("no response in time")
        assert smsc.counts["accepted"] == 0


async def test_a_full_queue_at_the_carrier_pauses_the_link_and_keeps_the_order():
    async with carrier() as smsc, running(smsc, Desk(), terms=Terms(window=4)) as link:
        smsc.faults.throttle_next, smsc.faults.throttle_status = 6, 0x14
        outcomes = await asyncio.gather(*(link.submit(message(str(number))) for number in range(10)))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert [text.text for text in smsc.handset("138").inbox] == [str(number) for number in range(10)]


async def test_the_link_lives_with_a_carrier_that_counts_seconds():
    """A real limiter at the other end, tighter than what we think the contract says."""
    async with carrier() as smsc, running(smsc, Desk(), terms=Terms(window=4), policy=PATIENT) as link:
        smsc.faults.max_parts_per_s = 25
        outcomes = await asyncio.gather(*(link.submit(message(str(number))) for number in range(40)))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert len(smsc.handset("138").inbox) == 40
        assert link.counts["throttled"]


async def test_a_message_without_answer_becomes_unknown_and_frees_its_place():
    async with carrier() as smsc, running(smsc, Desk(), terms=Terms(window=1, response_s=1.0)) as link:
        smsc.faults.lose_responses = 1
        first, second = await asyncio.gather(link.submit(message()), link.submit(message()))
        assert (first, second) == (OutcomeUnknown("no response in time"), Accepted("10000002"))


async def test_a_withdrawn_message_is_not_sent():
    async with carrier() as smsc, running(smsc, Desk(), terms=Terms(window=1)) as link:
        smsc.faults.response_delay_s = 0.01
        first = asyncio.create_task(link.submit(message("1")))
        second = asyncio.create_task(link.submit(message("2")))
        await until(lambda: smsc.counts["accepted"] == 1)
        second.cancel()
        assert isinstance(await first, Accepted)
        assert isinstance(await link.submit(message("3")), Accepted)
        assert [text.text for text in smsc.handset("138").inbox] == ["1", "3"]


async def test_draining_finishes_what_is_under_way_and_takes_nothing_more():
    async with carrier() as smsc:
        link = link_to(smsc, Desk(), terms=Terms(window=2))
        task = asyncio.create_task(link.run())
        await link.bound(60)
        smsc.faults.response_delay_s = 0.005
        under_way = [asyncio.create_task(link.submit(message())) for _ in range(6)]
        await asyncio.sleep(0)
        draining = asyncio.create_task(link.drain(30))
        await asyncio.sleep(0)
        assert await link.submit(message()) == NotSent("draining")
        assert all(isinstance(outcome, Accepted) for outcome in await asyncio.gather(*under_way))
        await draining
        await task
        assert (smsc.counts["accepted"], smsc.counts["Unbound"], smsc.connections) == (6, 1, 0)


async def test_draining_does_not_wait_for_ever():
    async with carrier() as smsc:
        link = link_to(smsc, Desk(), terms=Terms(window=1))
        task = asyncio.create_task(link.run())
        await link.bound(60)
        smsc.faults.lose_responses = 1
        under_way = [asyncio.create_task(link.submit(message())) for _ in range(2)]
        await until(lambda: smsc.counts["accepted"] == 1)
        await link.drain(0.01)
        await task
        assert [type(await one) for one in under_way] == [OutcomeUnknown, NotSent]


def test_waiting_grows_and_is_left_to_chance_by_half():
    backoff = Backoff(1.0, 60.0)
    assert [backoff.wait(n, 0.0) for n in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.wait(0, 0.999) == pytest.approx(1.0, abs=0.001)
    assert backoff.wait(100_000, 0.5) == 45


# ---- TLS and IPv6


def certificate(folder) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server named smsc.example and of a client that trusts only it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "smsc.example")])
    now = datetime.now(UTC)  # noqa: TID251  OpenSSL compares with the machine's own clock
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("smsc.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "smsc.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=pem)


async def test_tls_checks_the_carriers_name(tmp_path):
    server, trusting = certificate(tmp_path)
    async with carrier(tls=server) as smsc:
        target = Target(host="127.0.0.1", port=smsc.port, tls=trusting, server_hostname="smsc.example")
        async with running(smsc, Desk(), target=target) as link:
            assert isinstance(await link.submit(message()), Accepted)
        assert link.counts["errors"] == 0  # goodbye was heard, too
        wrong = link_to(smsc, Desk(), target=Target(host="127.0.0.1", port=smsc.port, tls=trusting))
        task = asyncio.create_task(wrong.run())
        await until(lambda: wrong.counts["errors"])
        assert wrong.snapshot().last_error == "cannot connect: SSLCertVerificationError"
        await wrong.drain(1)
        await task


async def test_over_tls_many_records_arrive_at_once_and_whole(tmp_path):
    """Each answer is a record of its own, and one read takes several."""
    desk = Desk()
    server, trusting = certificate(tmp_path)
    async with carrier(tls=server) as smsc:
        smsc.faults.duplicate_responses = True  # written by itself, so a record of its own
        target = Target(host="127.0.0.1", port=smsc.port, tls=trusting, server_hostname="smsc.example")
        async with running(smsc, desk, target=target, terms=Terms(window=100)) as link:
            outcomes = await asyncio.gather(*(link.submit(message(str(number))) for number in range(300)))
            assert outcomes == [Accepted(f"{0x10000000 + number:X}") for number in range(1, 301)]
            await until(lambda: len(desk.receipts) == 300)
        assert link.counts["errors"] == 0


async def test_ipv6_is_an_address_like_another():
    try:
        async with carrier(host="::1") as smsc, running(smsc, Desk()) as link:
            assert ip_address(smsc.host).version == 6
            assert isinstance(await link.submit(message()), Accepted)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
