"""Texts across the gap: sent outside from the queue inside, answered outside and performed inside."""

import asyncio
import re
from datetime import datetime, timedelta
from functools import partial

import msgspec
import pytest
from msgspec.structs import replace

from alerts.outgoing import Channel, claim
from alerts.settling import Heard, Outcome, Report, record, tend
from alerts.states import State
from alerts.texts import MessageClass
from certs.authority import pem
from ferry.outgoing import hand_over
from ferry.records import Direction, Envelope
from ferry.refusals import RecordRefused
from ferry.simulator.gap import Faults
from ferry.zones.texts import ARRIVED, REPORT, SEND, ArrivedPart, TextArrived, TextReport, TextSend
from ferry.zones.texts_outside import KEEP, OPEN_FOR, forget_texts, report_texts
from kernel.actor import THE_CLOCK
from kernel.tables import Officer
from server.archive.checking import read_root
from server.evidence.checking import verify
from server.evidence.package import package
from server.provisions import alert_rules
from server.settings import DatabaseSettings, Settings
from server.wiring import open_system
from sms.carriers import Arrival, MobileText, Sent
from sms.gateway import Gateway
from sms.inbound import Inbox
from sms.smpp.carrier import identity_of
from sms.smpp.pdus import encode
from sms.smpp.vocabulary import DeliverSm
from sms.text import segments
from supervision.acts import IssueOrders, TurnLights
from supervision.tables import Card
from tests.ferry.zones.across import QUICK, SECRETS, Across, text_route
from tests.mobile_api.stage import CARD_LEADER, Stage
from tests.server.texted import Texting
from tests.sms.carrier_desk import QUICK as GATEWAY_QUICK
from tests.sms.carrier_desk import DeafInbox, put, until, wait_for
from tests.standing import count_of_states, stand_anew

PHONE = "13800138000"
WORDS = "【衡江政务服务】您的申请已受理。"


@pytest.fixture
async def across(pair) -> Across:
    made = Across(pair)
    for side in pair.sides:
        await side.start()
    return made


async def put_inside(across, *bodies, **more):
    with across.inner.here():
        await put(across.inner.database, across.clock, *bodies, **more)


async def until_inside(across, **wanted):
    with across.inner.here():
        await until(across.inner.database, **wanted)


async def only(side, sql):
    (row,) = await side.rows(sql)
    return row


# --------------------------------------------------------------------------------------------------- from the inside


async def test_a_text_goes_out_through_the_outer_zone_and_its_receipt_comes_back(across):
    await put_inside(across, WORDS)
    async with across.outside(), across.carrying(), across.inside():
        text = await across.network.handset(PHONE).next_text()
        assert text.text == WORDS
        await until_inside(across, delivered=1)
    assert (await only(across.inner, "SELECT taken, via FROM text_across"))["via"] == "east"


@pytest.mark.feature("FERRY-10")
async def test_the_leader_agrees_to_a_card_by_a_text_from_outside_and_the_evidence_is_sealed_inside(
    across, tmp_path, blank_url
):
    """Minimum fields out; the code and its answer cross; the answer's frame is the sealed evidence."""
    clock, inner = across.clock, across.inner
    settings = Settings(data_dir=tmp_path / "inside", database=DatabaseSettings(url=blank_url))
    async with open_system(settings, clock=clock) as system:
        unused = inner.context
        inner.live_in(system.database)
        await inner.start()
        stage, texting = Stage(system.database, clock, system.authority, system.files), Texting(system, clock)
        await stage.settle()
        await stage.accepted()
        clock.advance(timedelta(days=40))
        for act in (TurnLights(), IssueOrders()):
            await system.office.perform(act, THE_CLOCK, key=None)
        await texting.deliver_events()
        phone = (await Officer.get(id=CARD_LEADER)).phone
        inbox = Inbox(
            system.office, system.database, clock, system.secrets, alert_rules=alert_rules(settings)
        )  # fmt: skip
        across.arrived.append(inbox.wake)
        leader = None
        async with across.outside(), across.carrying(), across.inside(inbox=inbox, secrets=system.secrets):
            leader = across.network.handset(phone)
            code = ""
            while not code:
                found = re.search(r"1([0-9]{5})", text := (await leader.next_text()).text)
                code = found[1] if found and "发牌" in text else ""
            await leader.send("10690000", f"同意 {code}")
            answer = (await leader.next_text()).text
        card = await Card.get()
        assert card.state == "effective"
        assert card.evidence in answer
        verdict = verify(
            (await package(system, card.evidence, what="export")).octets, read_root(pem(system.authority.root))
        )
        assert verdict.faults == ()
        assert verdict.body is not None
        assert (verdict.body.sender, verdict.body.text, verdict.body.carrier) == (phone, f"同意 {code}", "east")
        assert verdict.record is not None
        assert verdict.record.request is not None
        assert verdict.record.request.text is not None
        assert {part.state for part in verdict.record.request.text.parts} == {"delivered"}
        lines = await inner.rows("SELECT line FROM ferry_record WHERE rid LIKE 'text.%'")
        bodies = [msgspec.json.decode(str(row["line"]))["body"] for row in lines]
        assert bodies
        assert {field for body in bodies for field in body} <= {
            *("phone", "words", "extension", "priority", "message_class", "confirms", "template")
        }
        inner.context = unused
    # Outside nobody can say any more who was told what, or what they answered.
    for row in await across.outer.rows("SELECT body, to_phone FROM message"):
        assert row == {"body": "", "to_phone": ""}
    for row in await across.outer.rows("SELECT sender, text FROM inbound_message"):
        assert row == {"sender": "", "text": ""}
    for row in await across.outer.rows("SELECT sender, octets, frame FROM inbound_pdu"):
        assert (row["sender"], bytes(row["octets"]), bytes(row["frame"])) == ("", b"", b"")


async def test_what_the_carrier_outside_refuses_is_refused_inside_with_its_reason(across):
    await put_inside(across, WORDS)
    async with across.outside(), across.carrying(), across.inside():
        across.network.faults.error_every, across.network.faults.error_status = 1, 0x0B
        await until_inside(across, failed=1)
    assert (await only(across.inner, "SELECT error FROM message"))["error"] == "ESME_RINVDSTADR"


@pytest.mark.parametrize(
    ("outcome", "error", "state"),
    [(Outcome.UNKNOWN, "outcome unknown", "unknown"), (Outcome.AGAIN, "ESME_RTHROTTLED", "queued")],
)
async def test_what_keeps_a_text_outside_is_told_inside_while_it_lasts(across, outcome, error, state):
    carrier, outer, relay = across.carrier(), across.outer, across.relay()
    for _ in range(4):
        await across.pair.step()
    async with across.inside(carrier=carrier):
        await put_inside(across, "【衡江政务服务】发牌请回复1▒▒▒▒▒", template="T05")
        await wait_for(lambda: across.inner.rows("SELECT 1 FROM text_across"))
        await across.pair.settle()
        with outer.here():
            (message,) = await claim(
                outer.database, now=across.clock.now(), limit=5, channel=Channel.SMS, carrier="east"
            )
            report = Report(message=message, outcome=outcome, error=error)
            await record(outer.database, now=across.clock.now(), carrier="east", reports=[report])
            await relay.round()
        await across.pair.settle()
        await wait_for(partial(counted, carrier, "delayed"))
        assert carrier.condition().last_error == f"east {error}"
        assert (await only(across.inner, "SELECT state FROM text_across"))["state"] == state
        with across.inner.here():
            assert await count_of_states(across.inner.database) == {"sending": 1}
        with outer.here():
            heard = [Heard("1f", State.DELIVERED, PHONE)]
            if outcome is Outcome.UNKNOWN:
                await record(outer.database, now=across.clock.now(), carrier="east", heard=heard)
                await tend(outer.database, now=across.clock.now(), spellings=lambda id: [id])
            else:
                await carried_outside(across, [])
            await relay.round()
        await across.pair.settle()
        await until_inside(across, delivered=1)


async def counted(carrier, what):
    return what in carrier.condition().counts


async def test_what_expires_on_the_way_is_told_and_never_sent(across):
    await put_inside(across, WORDS)
    async with across.carrying():
        await wait_for(partial(heard_of, across.inner))
    across.clock.advance(timedelta(hours=25))
    # The way is closed: what is handed over now lies in the lane.
    await put_inside(across, "【衡江政务服务】验证码")
    with across.inner.here():
        await across.inner.database.execute(
            "UPDATE message SET expires_at = $1", across.clock.now() + timedelta(minutes=5)
        )
        await across.inner.database.execute("UPDATE ferry_peer SET heard_at = $1", across.clock.now())
    async with across.inside():
        await wait_for(lambda: across.inner.rows("SELECT 1 FROM text_across"))
        across.clock.advance(timedelta(minutes=10))
        async with across.outside(), across.carrying():
            await until_inside(across, expired=2)
            assert not across.network.handset(PHONE).inbox
    assert await across.outer.rows("SELECT 1 FROM message") == []


async def heard_of(side):
    return await side.rows("SELECT 1 FROM ferry_peer WHERE heard_at IS NOT NULL")


async def test_while_the_outer_zone_says_nothing_texts_wait_inside(across):
    carrier = across.carrier()
    async with across.inside(carrier=carrier):
        await put_inside(across, WORDS)
        await asyncio.sleep(0.1)
        assert carrier.condition().state == "down"
        async with across.outside(), across.carrying():
            await until_inside(across, delivered=1)
            assert carrier.condition().state == "up"
        across.clock.advance(timedelta(hours=1))
        assert not carrier.is_up
        with across.inner.here():
            await across.inner.database.execute("UPDATE ferry_peer SET heard_at = $1", across.clock.now())
            await across.inner.database.execute("UPDATE ferry_channel SET wanted = 'paused' WHERE lane = 'urgent'")
        await wait_for(partial(is_so, carrier, "paused"))


async def test_a_text_of_which_no_word_comes_is_held_no_longer_than_it_is_worth(across):
    carrier = across.carrier(patience=replace(QUICK, word_s=0.05))
    for _ in range(4):
        await across.pair.step()
    async with across.inside(carrier=carrier):
        await put_inside(across, WORDS)
        await wait_for(lambda: across.inner.rows("SELECT 1 FROM text_across"))
        across.clock.advance(timedelta(hours=25))
        await until_inside(across, expired=1)
    assert carrier.condition().counts["unanswered"] == 1


class Listening:
    """A gateway's lane, of which there may be several."""

    def __init__(self) -> None:
        self.receipts: list[Heard] = []

    async def heard(self, receipt) -> int:
        self.receipts.append(receipt)
        return 0


async def test_of_two_processes_inside_whoever_reads_a_report_first_the_one_that_waits_gets_it(across):
    inner, now = across.inner, across.clock.now()
    carriers = [across.carrier(), across.carrier()]
    sent: list[Sent] = []
    text = MobileText(
        phone=PHONE, words=WORDS, reference=7, expires_at=now + timedelta(days=1), template="T11_ACCEPTED"
    )
    apply = text_route("inner", "outer").types.kind(REPORT).apply
    with inner.here():
        ears = [Listening(), Listening()]
        running = [asyncio.create_task(each.run(ear)) for each, ear in zip(carriers, ears, strict=True)]
        await asyncio.sleep(0)
        carriers[1].send(text, sent.append)
        await wait_for(lambda: inner.rows("SELECT 1 FROM text_across"))
        row = await only(inner, "SELECT rid FROM text_across")
        for number, state in ((1, State.SUBMITTED), (2, State.DELIVERED)):
            body = TextReport(text=row["rid"], number=number, state=state, taken=True)
            async with inner.database.transaction():
                await apply(inner.database, now, Envelope(rid=f"r{number}", type=REPORT, key="t", at=now, body=body))
            carriers[0].wake()
            await wait_for(lambda: inner.rows("SELECT 1 FROM text_across WHERE news = FALSE"))
        await wait_for(partial(is_filled, sent))
        for each in carriers:
            await each.drain(1.0)
        await asyncio.gather(*running)
    assert sent == [Sent(((1, row["rid"]),))]
    assert {receipt.state for ear in ears for receipt in ear.receipts} == {State.DELIVERED}


async def is_filled(found):
    return found


async def is_so(carrier, state):
    return carrier.condition().state == state


# --------------------------------------------------------------------------------------------------- from the outside


def parts_of(phone, body, *, reference=1, to="10690000"):
    divided = segments(body, reference=reference)
    for number, octets in enumerate(divided.parts, 1):
        pdu = DeliverSm(
            source=phone, destination=to, esm_class=0x40 if divided.has_header else 0, data_coding=divided.coding,
            short_message=octets,
        )  # fmt: skip
        frame = encode(pdu, 100 * reference + number)
        yield Arrival("east", pdu.part(frame), identity_of(frame), is_dated=True)


async def test_a_text_from_a_person_arrives_inside_octet_by_octet_whatever_stands_in_it(across):
    said = "👨‍👩‍👧 你好\r\n\x07" + "一二三四五" * 30
    arrivals = list(parts_of(PHONE, said))
    relay = across.relay()
    with across.outer.here():
        for arrival in (*arrivals, arrivals[0]):
            assert await relay.take(arrival) == 0
        while await relay.round():
            pass
    received_at = across.clock.now()
    await across.pair.settle()
    rows = await across.inner.rows("SELECT text, sender, receiver, carrier, handled_at FROM inbound_message")
    assert [tuple(row.values()) for row in rows] == [(said, PHONE, "10690000", "east", None)]
    pdus = await across.inner.rows("SELECT frame, received_at FROM inbound_pdu ORDER BY number")
    assert [bytes(row["frame"]) for row in pdus] == [arrival.part.raw for arrival in arrivals]
    assert {datetime.fromisoformat(str(row["received_at"])) for row in pdus} == {received_at}


async def test_a_text_too_long_for_a_record_stays_outside_for_a_person(across):
    relay = across.relay()
    with across.outer.here():
        for arrival in parts_of(PHONE, "一" * 67 * 45):
            await relay.take(arrival)
        await relay.round()
        row = await only(across.outer, "SELECT tries, handled_at FROM inbound_message")
        assert (row["tries"], row["handled_at"]) == (3, None)


GOOD = TextSend(phone=PHONE, words=WORDS, priority=1, message_class=MessageClass.ITEM)
PART = ArrivedPart(
    frame="AAAA", octets="AAAA", data_coding=8, digest="0" * 64, received_at=datetime.fromisoformat("2026-09-18T01:00Z")
)


@pytest.mark.parametrize(
    ("type", "body"),
    [
        (SEND, {"words": "没有签名"}),
        (SEND, {"words": "【衡江】" + "一" * 200}),
        (SEND, {"phone": "13800138000;DROP"}),
        (SEND, {"priority": 9}),
        (SEND, {"message_class": "advert"}),
        (SEND, {"case_number": "HJ-1"}),
        (SEND, {"template": "x" * 25}),
        (SEND, {"at": "2026-09-18T01:00:00"}),
        (SEND, {"expires": "2026-09-18T01:00:00"}),
        (REPORT, {"text": "t", "number": 0, "state": "delivered", "taken": True}),
        (REPORT, {"text": "t", "number": 1, "state": "lovely", "taken": True}),
        (ARRIVED, {"carrier": "east", "sender": PHONE, "receiver": "1", "parts": []}),
        (ARRIVED, {"carrier": "east", "sender": PHONE, "receiver": "1", "parts": [PART] * 41}),
        (ARRIVED, {"carrier": "east", "sender": "1" * 33, "receiver": "1", "parts": [PART]}),
    ],
)
def test_a_record_that_says_more_or_else_than_it_may_is_refused(type, body):
    types = text_route("inner", "outer").types
    # What belongs outside the body is put there.
    around = {name: body[name] for name in ("at", "expires") if name in body}
    whole = {name: value for name, value in body.items() if name not in around}
    whole = msgspec.to_builtins(GOOD) | whole if type == SEND else whole
    line = {"at": "2026-09-18T01:00:00Z", "body": whole, "key": "k", "rid": "r", "type": type} | around
    direction = Direction.OUTWARD if type == SEND else Direction.INWARD
    with pytest.raises(RecordRefused):
        types.read(msgspec.json.encode(msgspec.to_builtins(line), order="sorted"), direction)


def test_texts_go_one_way_and_what_became_of_them_the_other(across):
    types = text_route("inner", "outer").types
    report = TextReport(text="t", number=1, state=State.DELIVERED, taken=True)
    arrived = TextArrived(carrier="east", sender=PHONE, receiver="1", parts=(PART,))
    for kind, body in ((SEND, GOOD), (REPORT, report), (ARRIVED, arrived)):
        envelope = Envelope(rid="r", type=kind, key="k", at=across.clock.now(), body=body)
        right, wrong = (Direction.OUTWARD, Direction.INWARD)
        if kind != SEND:
            right, wrong = wrong, right
        types.line(envelope, right)
        with pytest.raises(RecordRefused):
            types.line(envelope, wrong)


async def test_a_text_that_never_expires_is_not_taken_outside(across):
    inner = across.inner
    route = text_route("inner", "outer")
    with inner.here():
        async with inner.database.transaction():
            envelope = Envelope(rid="text.1.1.x", type=SEND, key="k", at=across.clock.now(), body=GOOD)
            await hand_over(inner.database, route, [envelope], now=across.clock.now())
    await across.pair.settle()
    assert await across.outer.rows("SELECT 1 FROM message") == []
    assert (await only(across.outer, "SELECT code FROM ferry_poison"))["code"] == "RECORD_MALFORMED"


async def test_a_report_of_what_is_over_or_older_changes_nothing(across):
    """A forged or late one: what is final stays, and a lower number is news no more."""
    inner, now = across.inner, across.clock.now()
    apply = text_route("inner", "outer").types.kind(REPORT).apply
    with inner.here():
        async with inner.database.transaction():
            await inner.database.execute(
                "INSERT INTO text_across (peer, reference, tries, rid, state, taken, error, via, number, news,"
                " handed_at) VALUES ('outer', 1, 1, 't', 'queued', FALSE, '', '', 0, FALSE, $1)",
                now,
            )
            reports = [(2, State.UNREPORTED), (1, State.FAILED), (3, State.DELIVERED), (4, State.FAILED)]
            for number, state in reports:
                taken = state is not State.FAILED
                body = TextReport(text="t", number=number, state=state, taken=taken)
                await apply(inner.database, now, Envelope(rid=f"t.{number}", type=REPORT, key="t", at=now, body=body))
    row = await only(inner, "SELECT state, taken, number FROM text_across")
    assert (row["state"], bool(row["taken"]), row["number"]) == ("delivered", True, 3)


async def test_a_receipt_that_comes_after_the_text_was_given_up_is_still_told(across):
    """`unreported` is an end only until somebody knows better."""
    outer, clock, route = across.outer, across.clock, text_route("outer", "inner")
    with outer.here():
        envelope = Envelope(
            rid="text.1", type=SEND, key="k", at=clock.now(), body=GOOD, expires=clock.now() + timedelta(hours=1)
        )
        async with outer.database.transaction():
            await route.types.kind(SEND).apply(outer.database, clock.now(), envelope)
        await carried_outside(across, [], receipts=False)
        for state in ("unreported", "delivered"):
            async with outer.database.transaction():
                await outer.database.execute("UPDATE message SET state = $1", state)
                await stand_anew(outer.database)
            assert await report_texts(outer.database, route, now=clock.now()) == 1
        lines = [str(row["line"]) for row in await outer.rows("SELECT line FROM ferry_record ORDER BY id")]
        assert ["unreported" in line for line in lines if REPORT in line] == [True, False]
        assert (await only(outer, "SELECT to_phone FROM message"))["to_phone"] == ""


async def test_what_no_receipt_ever_came_for_is_forgotten_outside_all_the_same(across):
    outer, clock = across.outer, across.clock
    await put_inside(across, WORDS)
    apply = text_route("outer", "inner").types.kind(SEND).apply
    with outer.here():
        envelope = Envelope(
            rid="text.1", type=SEND, key="k", at=clock.now(), body=GOOD, expires=clock.now() + timedelta(hours=1)
        )
        async with outer.database.transaction():
            await apply(outer.database, clock.now(), envelope)
        await carried_outside(across, [], receipts=False)
        assert await report_texts(outer.database, text_route("outer", "inner"), now=clock.now()) == 1
        row = await only(outer, "SELECT body, to_phone, state FROM message")
        assert row == {"body": "", "to_phone": PHONE, "state": "submitted"}
        clock.advance(OPEN_FOR + timedelta(hours=1))
        await forget_texts(outer.database, "inner", now=clock.now())
        assert (await only(outer, "SELECT to_phone FROM message"))["to_phone"] == ""
        clock.advance(KEEP)
        await forget_texts(outer.database, "inner", now=clock.now())
        assert await outer.rows("SELECT 1 FROM text_ferried") == []


# ------------------------------------------------------------------------------------------------------- who dies


async def carried_outside(across, phones, *, receipts=True):
    """A carrier that takes everything at once; `phones` get to read it."""
    outer, now = across.outer, across.clock.now()
    claimed = await claim(outer.database, now=now, limit=50, channel=Channel.SMS, carrier="east")
    phones += [message.body for message in claimed]
    await record(
        outer.database,
        now=now,
        carrier="east",
        reports=[
            Report(message=message, outcome=Outcome.SUBMITTED, accepted=((1, f"{message.id:x}"),))
            for message in claimed
        ],
        heard=[Heard(f"{message.id:x}", State.DELIVERED) for message in claimed] if receipts else [],
    )


class Inside:
    """The inner zone's gateway, process after process."""

    def __init__(self, across) -> None:
        self._across = across
        self._task: asyncio.Task[None] | None = None

    async def live(self) -> None:
        if self._task is not None and self._task.done():
            # Killed at a point of its own.
            assert isinstance(self._task.exception(), BaseExceptionGroup)
            self._task = None
        if self._task is None:
            inner = self._across.inner
            with inner.here():
                gateway = Gateway(
                    inner.database, self._across.clock, SECRETS, carriers=[self._across.carrier()], inbox=DeafInbox(),
                    alone=True, pace=GATEWAY_QUICK,
                )  # fmt: skip
                self._task = asyncio.create_task(gateway.run())
        await asyncio.sleep(0.02)

    async def die(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.exception()
            self._task = None


@pytest.mark.parametrize("point", ["before hand over", "after hand over", "before told", "after told"])
async def test_a_carrier_killed_between_its_steps_sends_once(across, point):
    inside, relay, once = Inside(across), across.relay(), {point}
    read: list[str] = []

    def dies(passed: str) -> bool:
        is_here = passed in once
        once.discard(passed)
        return is_here

    across.inner.dies = dies
    await put_inside(across, WORDS)
    for _ in range(200):
        await inside.live()
        with across.outer.here():
            await carried_outside(across, read)
            await relay.round()
        await across.pair.step()
        if not once and await across.inner.rows("SELECT 1 FROM message WHERE state = 'delivered'"):
            break
    await inside.die()
    assert across.inner.deaths == {point: 1}
    assert read == [WORDS]


async def test_whoever_dies_wherever_every_text_is_sent_once_and_every_answer_arrives_once(across):
    pair, chance = across.pair, across.pair.chance
    chance.seed(1)
    inside = Inside(across)
    read: list[str] = []
    said: list[str] = []
    asked: list[str] = []
    relay = across.relay()

    async def outside() -> None:
        nonlocal relay
        with across.outer.here():
            await carried_outside(across, read)
            work = asyncio.create_task(relay.round())
            if chance.random() < 0.3:
                for _ in range(chance.randint(0, 60)):
                    await asyncio.sleep(0)
                work.cancel()
                relay = across.relay()
            await asyncio.wait([work])

    pair.there.faults = pair.back.faults = Faults(loses=0.1, repeats=0.2, delays=0.2, replays=0.2)
    for side in pair.sides:
        side.dies = lambda point: chance.random() < 0.08
    for number in range(10):
        bodies = [f"【衡江政务服务】第{number}.{place}件" for place in range(chance.randint(0, 3))]
        await put_inside(across, *bodies)
        asked += bodies
        said.append(f"{number}你好")
        with across.outer.here():
            for _ in range(2):
                for arrival in parts_of(PHONE, said[-1], reference=number):
                    await relay.take(arrival)
        await inside.live()
        await outside()
        await pair.step(chance.choice((1, 3, 8, 30)))
        if chance.random() < 0.2:
            await inside.die()
    pair.there.faults = pair.back.faults = Faults()
    for side in pair.sides:
        side.dies = lambda point: False
    for _ in range(400):
        await inside.live()
        await outside()
        await pair.step(15)
        states = await across.inner.rows("SELECT state FROM message WHERE state <> 'delivered'")
        if not states and len(await across.inner.rows("SELECT 1 FROM inbound_message")) >= len(said):
            break
    await inside.die()
    assert sorted(read) == sorted(asked)
    assert [row["state"] for row in await across.inner.rows("SELECT DISTINCT state FROM message")] == ["delivered"]
    assert sorted(row["text"] for row in await across.inner.rows("SELECT text FROM inbound_message")) == sorted(said)
    assert {row["body"] for row in await across.outer.rows("SELECT body FROM message")} == {""}
