"""What a MAS says to us: pushed through the door, or fetched, or both; answered once it is recorded, taken once."""

import asyncio
import base64
import json
from datetime import timedelta
from ipaddress import ip_network

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from alerts.settling import Heard
from alerts.states import State
from server.processes import http_door, listening
from sms.inbound import Inbox
from sms.mas import messages as mas
from sms.mas.push import MAX_OCTETS, routes
from sms.simulator.mas import MasFaults
from sms.text import decode
from tests.sms.carrier_desk import put, running, until
from tests.sms.mas_desk import (
    ACCOUNT,
    LOOPBACK,
    PHONE,
    PUSH_SECRET,
    WORDS,
    Ears,
    cloud_mas,
    eventually,
    mas_carrier,
    push_door,
    running_carrier,
)

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
async def carrier(clock, ears):
    async with cloud_mas(clock) as cloud:
        made = mas_carrier(cloud, patience={"record_s": 0.05})
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
    expected = [Heard(f"927152506001000833076@{PHONE}", heard[0], PHONE, heard[1])] if heard else []
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


async def test_a_carrier_that_does_not_run_takes_nothing(clock):
    async with cloud_mas(clock) as cloud:
        stopped = mas_carrier(cloud)
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
        base64.b64encode(b"[]"),
        base64.b64encode(json.dumps(TEXT).encode()),
        b"[" + json.dumps(TEXT).encode() + b"]",
        {**REPORT, "mobile": 13800138000},
        {**REPORT, "mobile": []},
        {**REPORT, "mobile": [PHONE, None]},
        {**REPORT, "mobile": "13800138000\n"},
        {**REPORT, "mobile": "'; DROP TABLE message"},
        {**REPORT, "msgGroup": ""},
        {**REPORT, "msgGroup": "9" * 44},
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


@pytest.mark.parametrize("wrapped", [lambda octets: octets, base64.b64encode, lambda octets: b"\n" + octets + b" "])
async def test_a_push_is_understood_bare_or_wrapped_alone_or_among_others(carrier, ears, wrapped):
    second = {**REPORT, "mobile": ["13900139000", "13700137000"], "errorCode": None}
    assert await Door(carrier).push("report", wrapped(json.dumps(REPORT).encode())) == 200
    assert await Door(carrier).push("report", wrapped(json.dumps([REPORT, second]).encode())) == 200
    assert {receipt.phone for receipt in ears.receipts} == {PHONE, "13900139000", "13700137000"}
    assert len({receipt.sms_id for receipt in ears.receipts}) == 3


async def test_one_bad_member_of_a_push_costs_only_itself(carrier, ears):
    said = [REPORT, {"reportStatus": "DELIVRD"}, 7, {**REPORT, "mobile": "13900139000"}]
    assert await Door(carrier).push("report", json.dumps(said).encode()) == 200
    assert sorted(receipt.phone for receipt in ears.receipts) == [PHONE, "13900139000"]


async def test_each_text_of_a_push_has_its_own_octets_as_evidence(carrier, ears):
    first, second = json.dumps(TEXT), json.dumps({**TEXT, "mobile": "13900139000"}, indent=1)
    assert await Door(carrier).push("text", f"[{first},\n {second}]".encode()) == 200
    assert [arrival.part.raw.decode() for arrival in ears.arrivals] == [first, second]


async def test_the_same_four_facts_are_the_same_text_however_they_are_written(carrier, ears):
    door = Door(carrier)
    await door.push("text", json.dumps(TEXT).encode())
    await door.push("text", base64.b64encode(json.dumps(dict(reversed(TEXT.items())), indent=2).encode()))
    await door.push("text", {**TEXT, "mobile": f"+86{PHONE}"})
    assert len({arrival.identity for arrival in ears.arrivals}) == 1
    for change in ({"mobile": "13900139000"}, {"smsContent": "1 12346"}, {"sendTime": "2026-09-18 09:00:01"}):
        await door.push("text", {**TEXT, **change})
    await door.push("text", {**TEXT, "addSerial": "106900001"})
    assert len({arrival.identity for arrival in ears.arrivals}) == 5


@pytest.mark.parametrize(("forwarded", "status"), [("192.0.2.7", 200), ("8.8.8.8", 404), ("8.8.8.8, 192.0.2.7", 200)])
async def test_the_address_a_trusted_proxy_names_is_the_one_that_counts(carrier, forwarded, status):
    app = Starlette(routes=routes(carrier, secret=PUSH_SECRET, allowed=[ip_network("192.0.2.0/24")]))
    async with http_door(app, door=listening("127.0.0.1", 0), trusted=["127.0.0.0/8"]) as port:
        assert await _pushed_from(port, forwarded) == status


async def test_nobody_names_himself_the_mas(carrier, monkeypatch):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # what uvicorn would read
    app = Starlette(routes=routes(carrier, secret=PUSH_SECRET, allowed=[ip_network("192.0.2.0/24")]))
    for trusted in ((), ["10.0.0.1"]):
        async with http_door(app, door=listening("127.0.0.1", 0), trusted=trusted) as port:
            assert await _pushed_from(port, "192.0.2.7") == 404


async def _pushed_from(port: int, forwarded: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        address = f"http://127.0.0.1:{port}/mas/cloud/{PUSH_SECRET}/report"
        return (await client.post(address, json=REPORT, headers={"X-Forwarded-For": forwarded})).status_code


@given(
    st.one_of(
        st.binary(max_size=300), st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
    )
)
def test_no_octets_break_the_door(body):
    for kind in (mas.Report, mas.Text, mas.Answer):
        assert mas.read(body, kind) is None
        batch = mas.read_all(body, kind)
        assert batch is None or not batch.said


@given(st.fixed_dictionaries({"mobile": st.just(PHONE), "smsContent": st.text(st.characters())}))
def test_no_text_breaks_the_door(said):
    text = mas.read(json.dumps(said).encode(), mas.Text)
    assert isinstance(text, mas.Text)
    part = mas.part(text, b"{}")
    assert "\ud800" not in decode(part.octets, part.data_coding)
    assert len(part.octets) >= 2 * len(said["smsContent"])


# ------------------------------------------------------------------------------------------------- what is fetched


async def test_reports_and_texts_are_fetched_where_nothing_can_be_pushed(clock):
    ears = Ears()
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud, pull_every_s=0.02), ears) as line:
        await line.send(WORDS)
        await cloud.handset(PHONE).send("10690000", "CX202600000001")
        await eventually(lambda: ears.receipts and ears.arrivals)
        assert line.carrier.counts["report fetched"] == line.carrier.counts["deliver fetched"] == 1
    [receipt], [arrival] = ears.receipts, ears.arrivals
    assert (receipt.state, receipt.phone) == (State.DELIVERED, PHONE)
    assert json.loads(arrival.part.raw)["smsContent"] == "CX202600000001"
    assert arrival.is_dated


async def test_what_was_fetched_is_recorded_before_more_is_asked_for(clock):
    ears = Ears(outcome=1)
    async with cloud_mas(clock) as cloud:
        carrier = mas_carrier(cloud, pull_every_s=0.01)
        async with running_carrier(carrier, ears) as line:
            await line.send(WORDS)
            await eventually(lambda: len(ears.receipts) >= 3)
            asked = cloud.counts["report fetches"]
            await line.send(WORDS)
            await eventually(lambda: len(ears.receipts) >= 6)
            assert cloud.counts["report fetches"] == asked
            ears.outcome = 0
            await eventually(lambda: len({receipt.sms_id for receipt in ears.receipts}) == 2)


async def test_fetches_that_fail_are_counted_and_made_again_more_rarely(clock):
    ears = Ears()
    async with cloud_mas(clock, faults=MasFaults(fail_fetches=4)) as cloud:
        carrier = mas_carrier(cloud, pull_every_s=0.01)
        async with running_carrier(carrier, ears) as line:
            await line.send(WORDS)
            await eventually(lambda: ears.receipts)
        assert carrier.counts["report not fetched"] + carrier.counts["deliver not fetched"] == 4


async def test_a_wrong_secret_key_fetches_nothing_and_harms_nothing(clock):
    wrong = mas.Account(ec_name=ACCOUNT.ec_name, ap_id=ACCOUNT.ap_id, secret_key="wrong", sign=ACCOUNT.sign)
    ears = Ears()
    async with cloud_mas(clock) as cloud:
        carrier = mas_carrier(cloud, account=wrong, pull_every_s=0.01)
        async with running_carrier(carrier, ears):
            await eventually(lambda: carrier.counts["report not fetched"] >= 2)
            assert carrier.is_up
    assert ears.receipts == []


@pytest.mark.parametrize(
    "said", [b"", b"null", b"[]", b" ", b'{"rspcod":"InvalidUsrOrPwd"}', b"<html>", b"[" * 9000, b"\xff", b"7"]
)
async def test_a_fetch_that_brings_nothing_is_no_harm(said, ears):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        somebody = type("Somebody", (), {"url": f"http://127.0.0.1:{port}/sms/norsubmit"})
        carrier = mas_carrier(somebody, pull_every_s=0.01)
        async with running_carrier(carrier, ears):
            fetched = ("report fetched", "report not fetched")
            await eventually(lambda: sum(name in carrier.counts for name in fetched) == 1)
    assert ears.receipts == ears.arrivals == []


async def test_what_is_on_its_way_when_the_carrier_drains_is_still_recorded(clock):
    ears = Ears(outcome=1)
    async with cloud_mas(clock) as cloud:
        carrier = mas_carrier(cloud, pull_every_s=0.01)
        task = asyncio.create_task(carrier.run(ears))
        await eventually(lambda: carrier.is_up)
        cloud.handset(PHONE)
        saying = asyncio.create_task(cloud.handset(PHONE).send("10690000", "T"))
        await eventually(lambda: ears.arrivals)
        draining = asyncio.create_task(carrier.drain(30.0))
        await asyncio.sleep(0)
        ears.outcome = 0
        await asyncio.gather(draining, saying)
        await asyncio.wait_for(task, 60.0)
        assert len(ears.arrivals) >= 2


async def test_what_can_never_be_recorded_does_not_keep_the_carrier_from_ending(clock):
    ears = Ears(outcome=1)
    async with cloud_mas(clock) as cloud:
        carrier = mas_carrier(cloud, pull_every_s=0.01)
        task = asyncio.create_task(carrier.run(ears))
        await eventually(lambda: carrier.is_up)
        saying = asyncio.create_task(cloud.handset(PHONE).send("10690000", "T"))
        await eventually(lambda: ears.arrivals)
        await carrier.drain(0.05)
        await asyncio.wait_for(asyncio.gather(task, saying), 60.0)


# ----------------------------------------------------------------------------------------------- through the queue


@pytest.mark.parametrize(
    "oddity",
    [{}, {"lists_mobiles": True}, {"duplicate_fetches": True}, {"fail_fetches": 3}, {"duplicate_reports": True}],
    ids=["plain", "numbers in arrays", "fetched twice", "fetches fail", "said twice"],
)
async def test_fetched_reports_settle_texts(database, clock, oddity):
    async with (
        cloud_mas(clock, faults=MasFaults(**oddity)) as cloud,
        running(database, clock, mas_carrier(cloud, pull_every_s=0.02)),
    ):
        await put(database, clock, WORDS, "【衡江政务服务】" + "一二三四五六七八九十" * 9)
        await until(database, delivered=2)


async def test_reports_that_were_pushed_while_we_were_down_are_fetched_at_the_start(database, clock):
    async with cloud_mas(clock, push_tries=1, faults=MasFaults(report_delay_s=0.2)) as cloud:
        first = mas_carrier(cloud)
        async with push_door(first) as cloud.push_to, running(database, clock, first):
            await put(database, clock, WORDS)
            await until(database, submitted=1)
        await eventually(lambda: cloud.counts["report kept"] == 1)
        second = mas_carrier(cloud, pull_every_s=600.0)
        async with push_door(second) as cloud.push_to, running(database, clock, second):
            await until(database, delivered=1)


@pytest.mark.parametrize("again_after", [timedelta(0), timedelta(hours=9)])
async def test_a_text_that_is_pushed_and_fetched_and_pushed_again_is_one_text(county, again_after):
    database, clock = county.database, county.clock
    inbox = Inbox(county.office, database, clock, county.secrets, alert_rules=county.rules)
    async with cloud_mas(clock, faults=MasFaults(duplicate_fetches=True)) as cloud:
        carrier = mas_carrier(cloud, pull_every_s=0.02)
        async with push_door(carrier) as door, running(database, clock, carrier, inbox=inbox, secrets=county.secrets):
            await cloud.handset(PHONE).send("10690000", "你好")
            assert "查进度请回复CX加受理号" in (await cloud.handset(PHONE).next_text()).text
            await eventually(lambda: cloud.counts["text fetched"] == 2)
            [row] = await database.rows("SELECT frame FROM inbound_pdu")
            clock.advance(again_after)
            async with httpx.AsyncClient(trust_env=False) as client:
                for _ in range(2):
                    assert (await client.post(f"{door}/text", content=bytes(row["frame"]))).status_code == 200
            assert len(await database.rows("SELECT id FROM inbound_message")) == 1


async def test_a_text_without_its_moment_may_be_said_again_later(county):
    database, clock = county.database, county.clock
    inbox = Inbox(county.office, database, clock, county.secrets, alert_rules=county.rules)
    async with cloud_mas(clock) as cloud:
        carrier = mas_carrier(cloud)
        async with push_door(carrier) as door, running(database, clock, carrier, inbox=inbox, secrets=county.secrets):
            await eventually(lambda: carrier.is_up)
            body = {"mobile": PHONE, "smsContent": "你好", "sendTime": None, "addSerial": "10690000"}
            async with httpx.AsyncClient(trust_env=False) as client:
                for wait in (timedelta(0), timedelta(0), timedelta(hours=1)):
                    clock.advance(wait)
                    assert (await client.post(f"{door}/text", json=body)).status_code == 200
            assert len(await database.rows("SELECT id FROM inbound_message")) == 2
