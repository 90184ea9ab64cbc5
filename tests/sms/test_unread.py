"""Whether a carrier can have missed that we took a text: what proves that it has not, and what follows from that."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sms import link, unread
from sms.carriers import Arrival
from sms.cmpp import pdus as cmpp
from sms.cmpp.vocabulary import ActiveTest, ActiveTestResp, Deliver, SubmitResp, Terminate, TerminateResp
from sms.inbound import Inbox, InboxRules
from sms.mo_parts import LOST_WITHIN, REPEAT_WITHIN
from sms.smpp.carrier import identity_of
from sms.smpp.pdus import encode
from sms.smpp.vocabulary import EnquireLink, EnquireLinkResp, SubmitSmResp, Unbind, UnbindResp
from sms.tables import InboundPdu
from sms.unread import ASK_AFTER_S, Unread
from tests.alerts.county import APPLICANT
from tests.sms import test_cmpp_session as cmpp_side
from tests.sms import test_session as smpp_side
from tests.sms.carrier_desk import ACCESS_NUMBER, SECRETS, running, simulated, smpp_carrier, wait_for
from tests.sms.cmpp_desk import cmpp_carrier, ismg_of
from tests.sms.text_desk import TYPING, TextDesk


class Smpp:
    """Our end of a connection, and the octets of the other."""

    #: Ends and PDUs of the one protocol or the other.
    side: Any
    question: Any
    farewell: Any
    texted: Any
    taken: Any
    here: Any
    goodbye: Any
    side, question, farewell = smpp_side, EnquireLink(), Unbind()
    texted, taken = smpp_side.REPLY, SubmitSmResp(message_id="1")
    here, goodbye = EnquireLinkResp(), UnbindResp()

    def __init__(self, first_sequence: int = 1) -> None:
        self.us = self.opened(first_sequence)
        self.unread, self.proofs = Unread(), dict[int, asyncio.Future[None]]()

    def opened(self, first_sequence: int) -> Any:
        return smpp_side.esme(first_sequence=first_sequence)

    def frame(self, pdu, sequence: int) -> bytes:
        return encode(pdu, sequence)

    def take(self, number: int, now: float = 0.0) -> None:
        """A text from a person, number `number`, is delivered and acknowledged."""
        self.us.receive(self.frame(self.texted, number), now)
        self.us.acknowledge(number)
        self.proofs[number] = asyncio.get_running_loop().create_future()
        self.unread.put(self.us, self.proofs[number], now)

    def answer(self, pdu, sequence: int, now: float = 0.0) -> float | None:
        self.us.receive(self.frame(pdu, sequence), now)
        return self.unread.look(self.us, now)

    @property
    def read(self) -> list[int]:
        return [number for number, proof in self.proofs.items() if proof.done()]

    def said(self) -> list[object]:
        return [pdu for _, pdu in self.side.sent(self.us)]


class Cmpp(Smpp):
    side, question, farewell = cmpp_side, ActiveTest(), Terminate()
    texted, taken = cmpp_side.REPLY, SubmitResp(message_id=cmpp_side.HELLO_ID)
    here, goodbye = ActiveTestResp(), TerminateResp()

    def opened(self, first_sequence: int) -> Any:
        return cmpp_side.sp(first_sequence=first_sequence)

    def frame(self, pdu, sequence: int) -> bytes:
        return cmpp.encode(pdu, sequence, cmpp_side.V3)


both = pytest.mark.parametrize("protocol", [Smpp, Cmpp])


@both
async def test_an_answer_to_what_we_said_before_proves_nothing_and_to_what_we_said_after_it_does(protocol):
    line = protocol()
    before = line.us.send(line.side.HELLO, 0.0)
    line.take(71)
    after = line.us.send(line.side.HELLO, 0.0)
    line.take(72)
    line.answer(line.taken, before)
    assert line.read == []
    line.answer(line.taken, after)
    assert line.read == [71]
    line.answer(line.taken, 4711)  # which nobody asked
    assert line.read == [71]


@both
async def test_the_peer_is_asked_within_a_second_when_nothing_else_follows(protocol):
    line = protocol()
    line.take(71, 0.0)
    line.take(72, 0.9)
    line.said()
    assert line.unread.look(line.us, 0.0) == ASK_AFTER_S
    assert line.said() == []
    assert line.unread.look(line.us, 1.0) == 1.0 + ASK_AFTER_S
    assert line.said() == [line.question]
    line.take(73, 1.1)
    line.unread.look(line.us, 2.0)  # the answer is still owed
    line.said()
    line.answer(line.here, line.us.requested, 2.1)
    assert line.read == [71, 72]
    line.unread.look(line.us, 2.1)
    assert line.said() == [line.question]
    assert line.answer(line.here, line.us.requested, 2.2) is None
    assert line.read == [71, 72, 73]


@both
async def test_nobody_is_asked_while_a_submission_will_prove_it(protocol):
    line = protocol()
    line.take(71, 0.0)
    line.us.send(line.side.HELLO, 0.5)
    line.said()
    line.unread.look(line.us, 1.5)
    assert line.said() == []


@both
async def test_the_answer_to_our_farewell_proves_all_that_was_said_before_it(protocol):
    line = protocol()
    line.take(71)
    line.us.receive(line.frame(line.texted, 72), 0.0)
    line.us.unbind(0.0)
    line.us.acknowledge(72)
    line.proofs[72] = asyncio.get_running_loop().create_future()
    line.unread.put(line.us, line.proofs[72], 0.0)
    line.answer(line.goodbye, line.us.requested)
    assert line.read == [71]


@both
async def test_their_farewell_proves_nothing(protocol):
    line = protocol()
    line.take(71)
    line.answer(line.farewell, 99)
    assert line.read == []


@both
async def test_numbers_that_go_round_are_no_end_of_proofs(protocol):
    line = protocol(first_sequence=0x7FFFFFFE)
    line.us.send(line.side.HELLO, 0.0)  # the last number
    line.take(71)
    first = line.us.send(line.side.HELLO, 0.0)
    assert first == 1
    line.answer(line.taken, first)
    assert line.read == [71]


# ------------------------------------------------------------------------------------------ what follows from a proof


class Proved:
    """Says one text again and again, over one connection or the next."""

    def __init__(self, desk: TextDesk, number: str) -> None:
        self.desk, self.connected_at = desk, desk.clock.now()
        [self._pdu] = desk.parts(APPLICANT, f"CX{number}")

    def connect(self, after: timedelta = TYPING) -> None:
        self.desk.clock.advance(after)
        self.connected_at = self.desk.clock.now()
        self.desk.clock.advance(timedelta(seconds=1))

    async def say(self) -> "asyncio.Future[None]":
        """Comes to the future by which the link tells that our answer was read."""
        frame = encode(self._pdu, 1)
        was_read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        arrival = Arrival(
            "east", self._pdu.part(frame), identity_of(frame), connected_at=self.connected_at, was_read=was_read
        )
        assert await self.desk.inbox.take(arrival) == 0
        await self.desk.inbox.handle_waiting()
        return was_read

    async def read(self, was_read: "asyncio.Future[None]", *, kept: bool = True) -> None:
        was_read.set_result(None)
        await asyncio.sleep(0)
        if kept:
            await self.desk.inbox.give_up_waiting()

    @property
    async def performed(self) -> int:
        return len(await self.desk.outcomes())


@pytest.fixture
async def again(county, desk) -> Proved:
    return Proved(desk, await county.accepted())


@pytest.mark.parametrize("kept", [True, False])
async def test_who_says_it_again_over_a_new_connection_after_the_carrier_read_our_answer_is_heard(again, kept):
    await again.read(await again.say(), kept=kept)
    again.connect()
    await again.say()
    assert await again.performed == 2


async def test_what_the_carrier_may_have_missed_is_one_text_over_however_many_connections(again):
    for _ in range(4):
        await again.say()
        again.connect(timedelta(minutes=5))
    assert await again.performed == 1


async def test_each_repetition_has_to_be_read_anew(again):
    await again.say()
    again.connect()
    second = await again.say()  # the carrier's
    again.connect()
    await again.say()  # the carrier's: nothing says that it read our second answer
    assert await again.performed == 1
    await again.read(second)  # which proves nothing of the third
    again.connect()
    last = await again.say()
    assert await again.performed == 1
    await again.read(last)
    again.connect()
    await again.say()
    assert await again.performed == 2


async def test_a_proof_that_died_with_its_process_is_none(again):
    await again.read(await again.say(), kept=False)
    again.desk.restart()
    again.connect()
    await again.say()
    assert await again.performed == 1


async def test_a_proof_that_was_kept_outlives_its_process(again):
    await again.read(await again.say())
    again.desk.restart()
    again.connect()
    await again.say()
    assert await again.performed == 2


async def test_what_the_same_connection_repeated_must_be_read_as_well(again):
    first = await again.say()
    again.desk.clock.advance(REPEAT_WITHIN / 2)
    await again.say()  # a network's repetition
    await again.read(first)
    again.connect()
    await again.say()
    assert await again.performed == 1


async def test_within_seconds_it_is_one_text_whatever_was_read(again):
    """A network between phone and carrier repeats itself, too."""
    await again.read(await again.say())
    again.connect(timedelta())
    await again.say()
    assert await again.performed == 1
    assert timedelta(seconds=1) < REPEAT_WITHIN < LOST_WITHIN


# ------------------------------------------------------------------------------------------------- over a real line


class Heard(Inbox):
    """Everything at once, for tests."""

    def __init__(self, county) -> None:
        super().__init__(
            county.office,
            county.database,
            county.clock,
            SECRETS,
            alert_rules=county.rules,
            rules=InboxRules(tend_s=0.05),
        )


async def proofs(desk) -> int:
    return await InboundPdu.filter(read_at__not_isnull=True).count()


def outcomes(desk, count: int):
    async def there() -> bool:
        return len([each for each in await desk.outcomes() if each]) == count

    return there


async def test_a_person_repeats_themselves_after_the_line_was_cut_and_is_answered_twice(county, desk):
    number = await county.accepted()
    async with (
        simulated(county.clock) as smsc,
        running(county.database, county.clock, smpp_carrier(smsc), inbox=Heard(county)) as gateway,
    ):
        phone = smsc.handset(APPLICANT)
        for binds in (1, 2):
            await wait_for(lambda binds=binds: binds_of(smsc, binds))
            county.clock.advance(TYPING)
            await phone.send(ACCESS_NUMBER, f"CX{number}")
            gateway.wake()  # the answer's own submit_resp proves that ours was read
            await wait_for(lambda binds=binds: at_least(proofs(desk), binds))
            smsc.cut()
        await wait_for(outcomes(desk, 2))
    assert await desk.outcomes() == ["progress", "progress"]


async def test_over_cmpp_it_is_the_same_where_a_gateway_numbers_nothing(county, desk, monkeypatch):
    monkeypatch.setattr(unread, "ASK_AFTER_S", 0.01)
    text = f"CX{await county.accepted()}".encode("utf-16-be")
    nameless = Deliver(message_id="0" * 16, source=APPLICANT, destination=ACCESS_NUMBER, format=8, content=text)
    async with (
        ismg_of(county.clock) as ismg,
        running(county.database, county.clock, cmpp_carrier(ismg), inbox=Heard(county)),
    ):
        for connects in (1, 2):
            await wait_for(lambda connects=connects: connects_of(ismg, connects))
            county.clock.advance(TYPING)
            await ismg.deliver([nameless])
            await wait_for(lambda connects=connects: at_least(proofs(desk), connects))
            ismg.cut()
        await wait_for(outcomes(desk, 2))
    assert await desk.outcomes() == ["progress", "progress"]


async def test_what_was_proved_by_the_farewell_is_kept_before_the_end(county, desk):
    async with (
        simulated(county.clock) as smsc,
        running(county.database, county.clock, smpp_carrier(smsc), inbox=Heard(county)),
    ):
        await smsc.handset(APPLICANT).send(ACCESS_NUMBER, "?")
    assert await proofs(desk) == 1


@pytest.mark.parametrize(("prompt_s", "proved"), [(60.0, 1), (0.0, 0)])
async def test_an_answer_that_came_late_may_be_one_the_carrier_waits_for_no_more(
    county, desk, monkeypatch, prompt_s, proved
):
    monkeypatch.setattr(link, "PROMPT_S", prompt_s)
    async with (
        simulated(county.clock) as smsc,
        running(county.database, county.clock, smpp_carrier(smsc), inbox=Heard(county)),
    ):
        await smsc.handset(APPLICANT).send(ACCESS_NUMBER, "?")
    assert await proofs(desk) == proved


async def at_least(counting, count: int) -> bool:
    return await counting >= count


async def binds_of(smsc, count: int) -> bool:
    return smsc.counts["binds"] >= count and smsc.connections == 1


async def connects_of(ismg, count: int) -> bool:
    return ismg.counts["connects"] >= count and ismg.connections == 1
