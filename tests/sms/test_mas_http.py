"""The MAS carrier: what it says, what it makes of answers, when it rests; and the door for pushes."""

import asyncio
import base64
import json
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_network

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from alerts.settling import Heard
from alerts.states import State
from alerts.texts import Code
from sms.carriers import Arrival, MobileText, Sent
from sms.mas import messages as mas
from sms.mas.push import MAX_OCTETS, routes
from sms.simulator.mas import MasFaults
from sms.statuses import DEFAULT_POLICY, Fault, Retry
from sms.text import decode
from tests.sms.carrier_desk import put, running, states_of, until
from tests.sms.mas_desk import ACCOUNT, LOOPBACK, PUSH_SECRET, cloud_mas, mas_carrier, push_door

PHONE = "13800138000"
NEVER = datetime(2099, 1, 1, tzinfo=UTC)
WORDS = "【衡江政务服务】您的申请已受理。"
LONG = "【衡江政务服务】" + "一二三四五六七八九十" * 9
QUICK_POLICY = {**DEFAULT_POLICY, Fault.THROTTLED: Retry(tries=3, first_s=0.02, factor=2, cap_s=0.05)}


class Ears:
    """Records at once, or as told: `outcome` 0, another number, an exception, or a future."""

    def __init__(self, outcome=0) -> None:
        self.outcome = outcome
        self.receipts: list[Heard] = []
        self.arrivals: list[Arrival] = []

    def heard(self, receipt):
        self.receipts.append(receipt)
        return self._recorded()

    def arrived(self, arrival):
        self.arrivals.append(arrival)
        return self._recorded()

    async def _recorded(self):
        if isinstance(self.outcome, asyncio.Future):
            return await self.outcome
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Sending:
    """Hands messages to a running carrier and collects what became of them."""

    def __init__(self, carrier) -> None:
        self.carrier = carrier
        self.outcomes: list[Sent] = []
        self.reported = 0

    def put(self, *bodies, phone=PHONE, skip=frozenset()) -> None:
        for body in bodies:
            self.carrier.send(
                MobileText(phone=phone, words=body, reference=1, skip=skip, expires_at=NEVER), self.outcomes.append
            )

    async def send(self, *bodies, **changes) -> list[Sent]:
        before = len(self.outcomes)
        self.put(*bodies, **changes)
        await eventually(lambda: len(self.outcomes) >= before + len(bodies))
        return self.outcomes[before:]

    async def up(self) -> None:
        await eventually(lambda: self.carrier.is_up)


async def eventually(is_so, timeout_s=60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110  nothing rings when a carrier comes up
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running_carrier(carrier, ears=None, *, is_up=True):
    task = asyncio.create_task(carrier.run(ears or Ears()))
    sending = Sending(carrier)
    try:
        if is_up:
            await sending.up()
        yield sending
    finally:
        await carrier.drain(1.0)
        await asyncio.wait_for(task, 60.0)


@asynccontextmanager
async def answering(octets: bytes):
    """Something on the MAS's port that says `octets` to whatever comes, and hangs up."""

    async def answer(reader, writer):
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split()[0])
            await reader.readexactly(length)
            writer.write(octets)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield type("Somebody", (), {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sms/norsubmit"})


def http(body: bytes, status=b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


# ------------------------------------------------------------------------------------------------------ what it says


def test_the_mac_is_the_md5_of_everything_in_its_order():
    # printf … | md5sum
    assert mas.mac(ACCOUNT, PHONE, "您的申请已受理。") == "3a63c22fcf1ce8633905b4d4735372e6"


async def test_a_submission_is_json_in_base64_and_holds_no_secret(clock):
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud)) as line:
        [sent] = await line.send(WORDS)
        assert sent.fault is None
        [body] = cloud.bodies
    said = json.loads(base64.b64decode(body, validate=True))
    assert said.keys() == {"ecName", "apId", "mobiles", "content", "sign", "addSerial", "mac"}
    assert (said["ecName"], said["apId"], said["mobiles"]) == (ACCOUNT.ec_name, ACCOUNT.ap_id, PHONE)
    assert ACCOUNT.secret_key not in str(said) + repr(ACCOUNT)


async def test_the_mas_puts_the_signature_so_ours_stays_at_home(clock):
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud)) as line:
        await line.send(WORDS, "【衡江政务服务】【急】补正")
        assert [text.text for text in cloud.handset(PHONE).inbox] == [WORDS, "【衡江政务服务】【急】补正"]


async def test_all_parts_of_a_long_text_have_the_id_of_its_one_answer(clock):
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud)) as line:
        [whole] = await line.send(LONG)
        [rest] = await line.send(LONG, skip=frozenset({1}))
    (_, first_id), (_, second_id) = whole.accepted
    assert [number for number, _ in whole.accepted] == [1, 2]
    assert first_id == second_id
    assert [number for number, _ in rest.accepted] == [2]


async def test_what_cannot_be_json_is_sent_as_a_question_mark(clock):
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud)) as line:
        [sent] = await line.send("【衡江政务服务】半个\ud83d字")
        assert sent.fault is None
        assert cloud.handset(PHONE).inbox[0].text == "【衡江政务服务】半个?字"


async def test_parts_are_counted_when_the_contract_limits_them(clock):
    loop = asyncio.get_running_loop()
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud, parts_per_s=100)) as line:
        began = loop.time()
        await line.send(*[LONG] * 20)
        # 40 parts at 100 a second, less the ten it may be ahead, and the last one's second half.
        assert loop.time() - began > 0.27


async def test_no_more_are_under_way_than_connections(clock):
    faults = MasFaults(answer_delay_s=0.1)
    async with cloud_mas(clock, faults=faults) as cloud, running_carrier(mas_carrier(cloud, connections=3)) as line:
        line.put(*[WORDS] * 9)
        await eventually(lambda: cloud.counts["submitted"] == 3)
        await asyncio.sleep(0.03)
        assert cloud.counts["submitted"] == 3
        await eventually(lambda: len(line.outcomes) == 9)


# ------------------------------------------------------------------------------------------- what it makes of answers


@pytest.mark.parametrize(
    ("rspcod", "fault", "is_unsent"),
    [
        ("InvalidMobile", Fault.PERMANENT, False),
        ("InvalidMessage", Fault.TECHNICAL, False),
        ("OverDailyMax", Fault.TEMPORARY, False),
        ("InternalError", Fault.TEMPORARY, False),
        ("RequestTimeout", Fault.UNKNOWN, False),
        ("SomethingNew", Fault.TECHNICAL, False),
        # Not this text is wrong but our account: it waits until somebody has corrected that.
        ("IllegalMac", Fault.TEMPORARY, True),
        ("InvalidUsrOrPwd", Fault.TEMPORARY, True),
        ("IllegalSignId", Fault.TEMPORARY, True),
        ("IllegalIpAddress", Fault.TEMPORARY, True),
    ],
)
async def test_each_code_says_what_is_to_be_done(clock, rspcod, fault, is_unsent):
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud)) as line:
        cloud.faults.rspcods.append(rspcod)
        assert await line.send(WORDS) == [Sent((), fault, rspcod, is_unsent)]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (http(b"busy", b"500 Internal Server Error"), Fault.UNKNOWN),
        (http(b"gone", b"502 Bad Gateway"), Fault.UNKNOWN),
        (http(b"", b"404 Not Found"), Fault.TECHNICAL),
        (http(b"", b"302 Found"), Fault.TECHNICAL),
        (http(b"<html>"), Fault.UNKNOWN),
        (http(b"[]"), Fault.UNKNOWN),
        (http(b"[" * 10_000), Fault.UNKNOWN),
        (http(b'{"rspcod":"success","msgGroup":"' + b"9" * 65 + b'"}'), Fault.UNKNOWN),
        (http(b" " * 1_000_000), Fault.UNKNOWN),
        (http(b'{"rspcod":"\\u0000"}'), Fault.TECHNICAL),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Fault.UNKNOWN),
        (b"", Fault.UNKNOWN),
    ],
    ids=["500", "502", "404", "302", "html", "list", "deep", "long id", "huge", "odd code", "no http", "nothing"],
)
async def test_an_answer_that_is_none_of_a_mas_is_judged_by_whether_the_text_may_have_gone(said, fault):
    async with answering(said) as somebody, running_carrier(mas_carrier(somebody)) as line:
        [sent] = await line.send(WORDS)
        assert (sent.accepted, sent.fault, sent.is_unsent) == ((), fault, False)
        assert "\0" not in sent.error


async def test_taken_without_an_id_is_still_taken(clock):
    async with (
        answering(http(b'{"rspcod":"success","success":true,"msgGroup":""}')) as somebody,
        running_carrier(mas_carrier(somebody)) as line,
    ):
        assert await line.send(WORDS) == [Sent(((1, ""),))]


async def test_an_answer_that_comes_too_late_leaves_the_outcome_unknown(clock):
    impatient = {"answer_s": 1.0}
    async with (
        cloud_mas(clock, faults=MasFaults(lose_answers=1)) as cloud,
        running_carrier(mas_carrier(cloud, patience=impatient)) as line,
    ):
        [sent] = await line.send(WORDS)
        assert (sent.fault, sent.is_unsent) == (Fault.UNKNOWN, False)
        assert not line.carrier.is_up
        await line.up()
        [sent] = await line.send(WORDS)
        assert sent.fault is None


# -------------------------------------------------------------------------------------------------- when it rests


async def test_nothing_is_sent_until_somebody_listens(clock):
    async with cloud_mas(clock) as cloud:
        pass
    async with running_carrier(mas_carrier(cloud), is_up=False) as line:
        assert await line.send(WORDS) == [Sent((), Fault.TEMPORARY, "not connected", is_unsent=True)]
        assert not line.carrier.is_up
        async with cloud_mas(clock, port=cloud.port):
            await line.up()
            [sent] = await line.send(WORDS)
            assert sent.fault is None


async def test_a_mas_that_is_gone_gives_everything_back_unsent(clock):
    async with AsyncExitStack() as before:
        carrier = mas_carrier(await before.enter_async_context(cloud_mas(clock)), connections=1)
        async with running_carrier(carrier) as line:
            await before.aclose()
            outcomes = await line.send(*[WORDS] * 5)
            assert all(sent.is_unsent for sent in outcomes)
            assert not carrier.is_up


async def test_a_wrong_secret_key_loses_nothing_and_one_text_alone_tries_again(clock):
    wrong = mas.Account(ec_name=ACCOUNT.ec_name, ap_id=ACCOUNT.ap_id, secret_key="wrong", sign=ACCOUNT.sign)
    async with cloud_mas(clock) as cloud:
        carrier = mas_carrier(cloud, account=wrong)
        async with running_carrier(carrier) as line:
            assert all(sent.is_unsent for sent in await line.send(*[WORDS] * 20))
            assert (carrier.last_error, carrier.ahead) == ("IllegalMac", 1)
            await line.up()
            cloud.account = wrong  # or ours corrected, which takes a restart
            assert [sent.fault for sent in await line.send(*[WORDS] * 5)] == [None] * 5
            assert carrier.ahead > 1
            assert len(cloud.handset(PHONE).inbox) == 5


async def test_a_throttle_stops_everything_in_its_order_and_then_one_tries_the_ground(clock):
    async with (
        cloud_mas(clock) as cloud,
        running_carrier(mas_carrier(cloud, connections=1, policy=QUICK_POLICY)) as line,
    ):
        cloud.faults.rspcods.extend(["FlowOverLimit", "SystemBusy"])
        bodies = [f"【衡江政务服务】{number}" for number in range(5)]
        assert [sent.fault for sent in await line.send(*bodies)] == [None] * 5
        assert cloud.counts["submitted"] == 7
        assert [text.text for text in cloud.handset(PHONE).inbox] == bodies


async def test_a_text_that_is_always_too_fast_goes_back_in_the_end(clock):
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud, policy=QUICK_POLICY)) as line:
        cloud.faults.http_statuses.extend([429, 503, 429])
        assert await line.send(WORDS) == [Sent((), Fault.THROTTLED, "HTTP 429")]


async def test_draining_answers_for_every_text_once(clock):
    async with cloud_mas(clock, faults=MasFaults(lose_answers=2)) as cloud:
        carrier = mas_carrier(cloud, connections=2, patience={"answer_s": 30.0})
        async with running_carrier(carrier) as line:
            line.put(*[WORDS] * 10)
            await eventually(lambda: cloud.counts["submitted"] == 2)
            await carrier.drain(0.05)
            assert sorted(sent.is_unsent for sent in line.outcomes) == [False] * 2 + [True] * 8
            assert {sent.fault for sent in line.outcomes if not sent.is_unsent} == {Fault.UNKNOWN}
            [late] = await line.send(WORDS)
            assert late.is_unsent
        assert len(line.outcomes) == 11


async def test_a_carrier_that_is_cancelled_answers_for_every_text_and_runs_again(clock):
    async with cloud_mas(clock, faults=MasFaults(lose_answers=2)) as cloud:
        carrier = mas_carrier(cloud, connections=2, patience={"answer_s": 30.0})
        task = asyncio.create_task(carrier.run(Ears()))
        line = Sending(carrier)
        await line.up()
        line.put(*[WORDS] * 10)
        await eventually(lambda: cloud.counts["submitted"] == 2)
        task.cancel()
        await asyncio.wait([task])
        assert sorted(sent.is_unsent for sent in line.outcomes) == [False] * 2 + [True] * 8
        async with running_carrier(carrier) as line:
            assert [sent.fault for sent in await line.send(WORDS)] == [None]


# ------------------------------------------------------------------------------------------------------- what comes in

REPORT = {"reportStatus": "DELIVRD", "mobile": PHONE, "msgGroup": "0927152506001000833076", "errorCode": "DELIVRD"}
TEXT = {"mobile": PHONE, "smsContent": "1 12345", "sendTime": "2026-09-18 09:00:00", "addSerial": "10690000"}


class Door:
    """The push door, called without a socket."""

    def __init__(self, carrier, allowed=(LOOPBACK,), address="127.0.0.1") -> None:
        app = Starlette(routes=routes(carrier, secret=PUSH_SECRET, allowed=allowed))
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 1)), base_url="http://us")

    async def push(self, what, body, *, secret=PUSH_SECRET) -> int:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        return (await self._client.post(f"/mas/cloud/{secret}/{what}", content=octets)).status_code


@pytest.fixture
async def ears():
    return Ears()


@pytest.fixture
async def carrier(ears):
    async with answering(b"") as somebody:
        made = mas_carrier(somebody, patience={"record_s": 0.05})
        async with running_carrier(made, ears):
            yield made


@pytest.mark.parametrize(
    ("status", "code", "heard"),
    [
        ("DELIVRD", "DELIVRD", (State.DELIVERED, "")),
        ("delivrd ", "", (State.DELIVERED, "")),
        ("EXPIRED", "MI:0024", (State.EXPIRED, "MI:0024 MI")),
        ("UNDELIV", "MK:0001", (State.FAILED, "MK:0001 MK")),
        ("REJECTD", "", (State.FAILED, "REJECTD REJECTD")),
        ("DB:0140", "", (State.FAILED, "DB:0140 DB")),
        ("UNDELIV", "001", (State.FAILED, "001 unknownSubscriber")),
        ("ACCEPTD", "", None),  # on its way
        ("UNKNOWN", "", None),
    ],
)
async def test_a_report_is_a_receipt_for_the_text_of_its_msggroup(carrier, ears, status, code, heard):
    assert await Door(carrier).push("report", {**REPORT, "reportStatus": status, "errorCode": code}) == 200
    expected = [Heard("927152506001000833076", heard[0], PHONE, heard[1])] if heard else []
    assert ears.receipts == expected


async def test_a_text_from_a_person_arrives_with_its_body_as_evidence(carrier, ears):
    body = json.dumps({**TEXT, "smsContent": "1 12345 同意😀"}, ensure_ascii=False).encode()
    assert await Door(carrier).push("text", body) == 200
    [arrival] = ears.arrivals
    assert (arrival.part.source, arrival.part.destination) == (PHONE, "10690000")
    assert decode(arrival.part.octets, arrival.part.data_coding) == "1 12345 同意😀"
    assert arrival.part.raw == body


async def test_a_text_whose_emoji_was_cut_apart_is_not_lost(carrier, ears):
    body = rb'{"mobile":"13800138000","smsContent":"CX1 \ud83d"}'
    assert await Door(carrier).push("text", body) == 200
    [arrival] = ears.arrivals
    assert decode(arrival.part.octets, arrival.part.data_coding) == "CX1 �"


async def test_a_push_is_answered_only_after_it_is_recorded(carrier, ears):
    ears.outcome = asyncio.get_running_loop().create_future()
    pushing = asyncio.create_task(Door(carrier).push("report", REPORT))
    await eventually(lambda: len(ears.receipts) == 1)
    assert not pushing.done()
    ears.outcome.set_result(0)
    assert await pushing == 200


@pytest.mark.parametrize("what", ["report", "text"])
async def test_what_could_not_be_recorded_must_be_said_again(carrier, ears, what):
    body = REPORT if what == "report" else TEXT
    forgotten = asyncio.get_running_loop().create_future()
    forgotten.cancel()
    for ears.outcome in (100, OSError("no database"), forgotten, asyncio.get_running_loop().create_future()):
        assert await Door(carrier).push(what, body) == 503
    ears.outcome.set_result(0)


async def test_a_carrier_that_does_not_run_takes_nothing(ears):
    async with answering(b"") as somebody:
        stopped = mas_carrier(somebody)
    assert await Door(stopped).push("report", REPORT) == 503
    assert await Door(stopped).push("text", TEXT) == 503


@pytest.mark.parametrize("what", ["report", "text"])
async def test_a_stranger_finds_no_door(carrier, ears, what):
    body = REPORT if what == "report" else TEXT
    for address in ("8.8.8.8", "::1", "not an address"):
        assert await Door(carrier, address=address).push(what, body) == 404
    for secret in ("wrong", PUSH_SECRET.upper(), "密钥"):
        assert await Door(carrier).push(what, body, secret=secret) == 404
    assert await Door(carrier).push("other", body) == 404
    assert ears.receipts == ears.arrivals == []


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"])
async def test_the_addresses_of_the_mas_are_let_in(carrier, ears, address):
    allowed = (ip_network("10.1.2.0/24"), ip_network("2001:db8::/32"))
    assert await Door(carrier, allowed, address).push("report", REPORT) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 60_000,
        b"9" * 10_000,
        b"\xff\xfe",
        base64.b64encode(json.dumps(REPORT).encode()),
        {**REPORT, "mobile": 13800138000},
        {**REPORT, "mobile": "13800138000\n"},
        {**REPORT, "mobile": "'; DROP TABLE message"},
        {**REPORT, "msgGroup": ""},
        {**REPORT, "msgGroup": "9" * 65},
        {**REPORT, "msgGroup": "a\0b"},
        {**REPORT, "reportStatus": "已送达"},
        {**REPORT, "reportStatus": None},
        {**REPORT, "errorCode": "x" * 41},
        {**TEXT, "smsContent": ["1 12345"]},
        {**TEXT, "smsContent": "x" * 10_001},
        {**TEXT, "mobile": ""},
        {**TEXT, "addSerial": "１０６９"},
    ],
)
async def test_what_is_no_push_is_refused_and_leaves_nothing(carrier, ears, body):
    door = Door(carrier)
    what = "text" if isinstance(body, dict) and "smsContent" in body else "report"
    assert await door.push(what, body) == 400
    assert ears.receipts == ears.arrivals == []


async def test_a_push_that_is_too_large_is_not_read_to_its_end(carrier, ears):
    assert await Door(carrier).push("text", b" " * (MAX_OCTETS + 1)) == 413
    assert await Door(carrier).push("text", b" " * MAX_OCTETS) == 400
    assert ears.arrivals == []


@given(
    st.one_of(
        st.binary(max_size=300), st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
    )
)
def test_no_octets_break_the_door(body):
    for kind in (mas.Report, mas.Text, mas.Answer):
        assert mas.read(body, kind) is None


@given(st.fixed_dictionaries({"mobile": st.just(PHONE), "smsContent": st.text(st.characters())}))
def test_no_text_breaks_the_door(said):
    text = mas.read(json.dumps(said).encode(), mas.Text)
    assert isinstance(text, mas.Text)
    part = mas.part(text, b"{}")
    assert "\ud800" not in decode(part.octets, part.data_coding)
    assert len(part.octets) >= 2 * len(said["smsContent"])


# ----------------------------------------------------------------------------------------------- through the queue


@asynccontextmanager
async def a_line(clock, *, patience=None, **faults):
    async with cloud_mas(clock, faults=MasFaults(**faults)) as cloud:
        made = mas_carrier(cloud, patience=patience or {})
        async with push_door(made) as cloud.push_to:
            yield cloud, made


@pytest.mark.feature("SMS-11")
@pytest.mark.parametrize(
    "oddity",
    [{"report_first": True}, {"duplicate_reports": True}, {"report_delay_s": 0.1}],
    ids=["first", "twice", "late"],
)
async def test_reports_settle_whole_texts_however_they_come(database, clock, oddity):
    async with a_line(clock, **oddity) as (cloud, made), running(database, clock, made):
        await put(database, clock, WORDS, LONG)
        await until(database, delivered=2)
        assert cloud.counts["report answered 503"] == 0
        rows = await database.rows("SELECT seq, state FROM message_part ORDER BY message_id, seq")
        assert [(row["seq"], row["state"]) for row in rows] == [(1, "delivered"), (1, "delivered"), (2, "delivered")]


async def test_without_a_report_a_text_stays_submitted(database, clock):
    async with a_line(clock, no_reports=True) as (_, made), running(database, clock, made):
        await put(database, clock, LONG)
        await until(database, submitted=1)


async def test_a_text_with_a_code_whose_answer_was_lost_is_settled_by_its_report(database, clock):
    late = {"lose_answers": 1, "report_delay_s": 0.6, "patience": {"answer_s": 0.3}}
    async with a_line(clock, **late) as (cloud, made), running(database, clock, made):
        await put(database, clock, "【衡江】1▒▒▒▒▒", template="T05", code=Code("card-reply", "7:nonce", 5))
        await until(database, delivered=1)
        assert len(cloud.handset(PHONE).inbox) == 1


async def test_texts_wait_in_the_queue_while_the_account_is_wrong(database, clock):
    async with a_line(clock) as (cloud, made), running(database, clock, made):
        cloud.account = mas.Account(ec_name=ACCOUNT.ec_name, ap_id=ACCOUNT.ap_id, secret_key="new", sign=ACCOUNT.sign)
        await put(database, clock, *(f"【衡江】{number}" for number in range(20)))
        await eventually(lambda: cloud.counts["submitted"] >= 4)
        assert (await states_of(database)).keys() <= {"queued", "sending"}
        cloud.account = ACCOUNT
        await until(database, delivered=20)
        assert len(cloud.handset(PHONE).inbox) == 20
