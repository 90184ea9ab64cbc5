"""Several binds of one account, and what a contract may ask, against the simulated carrier over real sockets."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from alerts.settling import Heard
from alerts.states import State
from kernel.clock import FakeClock
from sms.carriers import Arrival, Condition, MobileText, Sent
from sms.link import Backoff, Target
from sms.pacing import EXPIRED
from sms.simulator import Faults, Smsc
from sms.smpp.carrier import Contract, SmppCarrier
from sms.smpp.session import Terms
from sms.smpp.vocabulary import BindTransceiver, BindTransmitter, SubmitSm
from sms.statuses import Fault, own_errors

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PHONE = "13800138000"


class Ears:
    """Takes all that it hears."""

    def __init__(self) -> None:
        self.receipts: list[Heard] = []
        self.texts: list[Arrival] = []

    async def heard(self, receipt: Heard) -> int:
        self.receipts.append(receipt)
        return 0

    async def arrived(self, arrival: Arrival) -> int:
        self.texts.append(arrival)
        return 0


class Desk:
    """A carrier with its simulated network, and what became of the texts it was given."""

    def __init__(self, smsc: Smsc, carrier: SmppCarrier, clock: FakeClock) -> None:
        self.smsc, self.carrier, self.clock, self.ears = smsc, carrier, clock, Ears()
        self.sent: list[Sent] = []

    def send(self, words: str = "掌办", **changes) -> None:
        fields = {"phone": PHONE, "reference": 1, "expires_at": NOON + timedelta(hours=1), **changes}
        self.carrier.send(MobileText(words=words, **fields), self.sent.append)

    @property
    def condition(self) -> Condition:
        return self.carrier.condition()

    def count(self, what: str) -> int:
        return self.condition.counts.get(what, 0)

    @property
    def submissions(self) -> list[SubmitSm]:
        return [pdu for _, pdu in self.smsc.accepted]

    @property
    def words(self) -> list[str]:
        return [text.text for text in self.smsc.handset(PHONE).inbox]


@asynccontextmanager
async def standing(*, bind=BindTransceiver, receiver: Smsc | None = None, faults=None, terms=None, **contract):
    clock = FakeClock(NOON)
    async with Smsc({"zhangban": "secret"}, clock=clock, faults=faults) as smsc:
        carrier = SmppCarrier(
            "east",
            Target(host=smsc.host, port=smsc.port),
            bind(system_id="zhangban", password="secret"),
            source="1069",
            clock=clock,
            jitter=lambda: 0.0,
            receiver=Target(host=receiver.host, port=receiver.port) if receiver else None,
            terms=terms or Terms(window=1),
            contract=Contract(**contract),
            backoff=Backoff(0.002, 0.01),
            parts_per_s=1000.0,
        )
        desk = Desk(smsc, carrier, clock)
        running = asyncio.create_task(carrier.run(desk.ears))
        try:
            await carrier.bound(60)
            yield desk
        finally:
            await carrier.drain(30)
            await asyncio.wait_for(running, 60)


async def until(what, timeout_s: float = 60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not what():  # noqa: ASYNC110  the condition is at the other end of a socket
            await asyncio.sleep(0.001)


async def test_texts_spread_over_the_binds_and_the_parts_of_one_stay_together():
    async with standing(binds=2) as desk:
        desk.send("一二三四五六七八九十" * 15)
        desk.send("短")
        await until(lambda: len(desk.sent) == 2)
        each = desk.condition.links
        assert sorted(one.counts["Accepted"] for one in each.values()) == [1, 3]
        assert sorted(desk.words) == sorted(["一二三四五六七八九十" * 15, "短"])
        await until(lambda: len(desk.ears.receipts) == 4)


async def test_the_condition_sums_the_binds_and_names_each():
    async with standing(binds=3, terms=Terms(window=5)) as desk:
        desk.smsc.faults.lose_responses = 2
        desk.send()
        desk.send()
        await until(lambda: desk.smsc.counts["accepted"] == 2)
        condition = desk.condition
        assert (condition.state, condition.window, condition.in_flight) == ("bound", 15, 2)
        assert condition.parts_per_s == 1000.0  # of the account, not of each
        assert list(condition.links) == ["transceiver 1", "transceiver 2", "transceiver 3"]
        assert [one.in_flight for one in condition.links.values()] == [1, 1, 0]
        assert condition.counts["binds"] == 3
        desk.smsc.cut()
    assert desk.condition.state == "closed"


async def test_a_rate_may_count_for_each_bind():
    async with standing(binds=3, is_rate_per_bind=True) as desk:
        assert desk.condition.parts_per_s == 3000.0


async def test_one_bind_is_shown_as_itself():
    async with standing() as desk:
        assert (desk.condition.state, desk.condition.links) == ("bound", {})


async def test_a_pair_sends_with_one_and_hears_with_the_other():
    async with standing(bind=BindTransmitter, binds=2) as desk:
        assert list(desk.condition.links) == ["transmitter 1", "transmitter 2", "receiver 1", "receiver 2"]
        desk.send()
        await until(lambda: desk.ears.receipts)
        assert desk.sent == [Sent(((1, "10000001"),))]
        assert desk.ears.receipts == [Heard("10000001", State.DELIVERED, PHONE)]
        await desk.smsc.handset(PHONE).send("1069", "1 12345")
        assert len(desk.ears.texts) == 1
        assert desk.smsc.stats()["connections"] == 4


async def test_a_receiver_may_be_at_another_place():
    async with Smsc({"zhangban": "secret"}, clock=FakeClock(NOON)) as other:
        async with standing(bind=BindTransmitter, receiver=other) as desk:
            assert (desk.smsc.connections, other.connections) == (1, 1)
            await other.handset(PHONE).send("1069", "1 12345")
            assert len(desk.ears.texts) == 1
        await until(lambda: other.connections == 0)


async def test_without_its_receiver_a_carrier_still_sends():
    async with (
        Smsc({"zhangban": "secret"}, clock=FakeClock(NOON)) as other,
        standing(bind=BindTransmitter, receiver=other) as desk,
    ):
        other.faults.bind_status = 0x0D
        other.cut()
        await until(lambda: "receiver 1: bind refused" in desk.condition.last_error)
        assert desk.carrier.is_up
        assert desk.condition.state == "1 of 2 bound"
        assert "receiver 1: bind refused: ESME_RBINDFAIL" in desk.condition.last_error
        assert (desk.condition.is_error_past, desk.condition.last_error_at) == (False, NOON)
        other.faults.bind_status = 0
        await until(lambda: desk.condition.is_error_past)
        other.faults.bind_status = 0x0D
        other.cut()
        desk.send()
        await until(lambda: desk.sent)
        assert desk.sent[0].fault is None
        desk.smsc.faults.bind_status = 0x0D
        desk.smsc.cut()
        await until(lambda: not desk.carrier.is_up)


async def test_what_a_lost_bind_had_not_sent_goes_by_the_others_and_nothing_goes_twice():
    async with standing(binds=2) as desk:
        desk.smsc.faults.response_delay_s = 0.02
        desk.smsc.faults.cut_after = 1
        for number in range(10):
            desk.send(str(number))
        await until(lambda: len(desk.sent) == 10)
        # The one under way on the lost bind is the only one of which nobody knows.
        assert [sent.fault for sent in desk.sent].count(None) == 9
        assert [sent.fault for sent in desk.sent].count(Fault.UNKNOWN) == 1
        assert sorted(desk.words) == [str(number) for number in range(10)]
        await until(lambda: desk.count("binds") == 3)  # and it is bound again


async def test_a_carrier_is_up_while_one_bind_is():
    async with standing(binds=2) as desk:
        desk.smsc.faults.max_binds = 1
        desk.smsc.faults.cut_after = 1
        desk.send()
        await until(lambda: desk.smsc.counts["bind refused"] >= 2)
        assert desk.carrier.is_up
        assert desk.condition.state == "1 of 2 bound"
        desk.send()
        await until(lambda: len(desk.sent) == 2)
        assert desk.sent[1].fault is None
        assert "bind refused: ESME_RALYBND" in desk.condition.last_error


async def test_with_no_bind_left_texts_go_back_unsent():
    async with standing(binds=2) as desk:
        desk.smsc.faults.bind_status = 0x0D
        desk.smsc.faults.lose_responses = 2
        for number in range(6):
            desk.send(str(number))
        await until(lambda: desk.smsc.counts["accepted"] == 2)
        desk.smsc.cut()
        await until(lambda: len(desk.sent) == 6)
        assert sorted(sent.is_unsent for sent in desk.sent) == [False] * 2 + [True] * 4
        desk.send()
        assert desk.sent[-1] == Sent((), Fault.TEMPORARY, "not bound", is_unsent=True)


async def test_a_throttle_stops_its_own_bind_and_texts_take_the_other():
    async with standing(binds=2) as desk:
        desk.smsc.faults.throttle_next = 1
        desk.send("slow")
        await until(lambda: desk.count("throttled") == 1)
        for number in range(5):
            desk.send(str(number))
        await until(lambda: len(desk.sent) == 5)
        assert desk.words == [str(number) for number in range(5)]
        assert desk.condition.paused_for_s > 0
        await until(lambda: len(desk.sent) == 6)
        assert desk.words[-1] == "slow"


async def test_a_text_that_expires_in_our_hands_goes_back_and_not_to_the_other_bind():
    async with standing(binds=2) as desk:
        desk.smsc.faults.response_delay_s = 0.05
        for number in range(4):
            desk.send(str(number), expires_at=NOON + timedelta(minutes=1 if number > 1 else 60))
        await until(lambda: desk.smsc.counts["accepted"] == 2)
        desk.clock.advance(timedelta(minutes=2))
        await until(lambda: len(desk.sent) == 4)
        assert [sent for sent in desk.sent if sent.fault] == [Sent((), Fault.TEMPORARY, EXPIRED, is_unsent=True)] * 2
        assert sorted(desk.words) == ["0", "1"]


async def test_draining_ends_the_receivers_after_the_senders():
    async with standing(bind=BindTransmitter) as desk:
        desk.smsc.faults.response_delay_s = 0.05
        desk.send()
        await until(lambda: desk.smsc.counts["accepted"] == 1)
        await desk.carrier.drain(30)
        assert desk.sent == [Sent(((1, "10000001"),))]
        assert len(desk.ears.receipts) == 1
        assert desk.smsc.counts["Unbound"] == 2


# ---- what contracts differ in


async def test_a_text_travels_as_the_contract_says():
    own = own_errors({"0x440": Fault.THROTTLED, "0x45": Fault.PERMANENT, "MK:0010": Fault.TEMPORARY})
    async with standing(
        service_type="CMT",
        source_ton=3,
        source_npi=1,
        destination_ton=1,
        destination_npi=1,
        destination_prefix="86",
        longest_validity=timedelta(minutes=30),
        tells_priority=True,
        own_errors=own,
    ) as desk:
        for priority in range(5):
            desk.send(priority=priority, extension="77")
        await until(lambda: len(desk.sent) == 5)
        pdu = desk.submissions[0]
        assert (pdu.service_type, pdu.source, pdu.destination) == ("CMT", "106977", "86" + PHONE)
        assert (pdu.source_ton, pdu.source_npi, pdu.destination_ton, pdu.destination_npi) == (3, 1, 1, 1)
        assert [pdu.priority for pdu in desk.submissions] == [3, 2, 1, 0, 0]
        assert {pdu.validity_period for pdu in desk.submissions} == {"000000003000000R"}


async def test_a_contract_may_say_nothing_of_validity_and_priority():
    async with standing(longest_validity=None) as desk:
        desk.send(priority=0)
        await until(lambda: desk.sent)
        assert (desk.submissions[0].validity_period, desk.submissions[0].priority) == ("", 0)


async def test_the_carriers_own_errors_come_first():
    own = own_errors({"0x440": Fault.THROTTLED, "0x45": Fault.PERMANENT, "001": Fault.TEMPORARY})
    async with standing(own_errors=own, faults=Faults(error_every=1, error_status=0x45)) as desk:
        desk.send()
        await until(lambda: desk.sent)
        assert desk.sent == [Sent((), Fault.PERMANENT, "ESME_RSUBMITFAIL")]
        desk.smsc.faults.error_status = 0x440
        desk.send()
        await until(lambda: desk.count("throttled"))
        desk.smsc.faults.error_every = 0
        desk.smsc.faults.undeliverable.add(PHONE)
        await until(lambda: desk.ears.receipts)
        assert desk.ears.receipts[0].error == "001 temporary"
