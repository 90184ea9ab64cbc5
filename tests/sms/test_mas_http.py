"""The MAS carrier: what it says, what it makes of answers, when it rests, what it holds back."""

import asyncio
import base64
import json
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

import pytest

from alerts.texts import Code
from sms.carriers import Sent
from sms.mas import messages as mas
from sms.simulator.mas import MasFaults
from sms.statuses import DEFAULT_POLICY, Fault, Retry
from tests.sms.carrier_desk import put, running, states_of, until
from tests.sms.mas_desk import (
    ACCOUNT,
    PHONE,
    WORDS,
    Ears,
    Sending,
    cloud_mas,
    eventually,
    mas_carrier,
    push_door,
    running_carrier,
)

LONG = "【衡江政务服务】" + "一二三四五六七八九十" * 9
QUICK_POLICY = {**DEFAULT_POLICY, Fault.THROTTLED: Retry(tries=3, first_s=0.02, factor=2, cap_s=0.05)}


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
    assert mas.mac(ACCOUNT, "", PHONE, "您的申请已受理。") == "3a63c22fcf1ce8633905b4d4735372e6"


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
        ("IllegalUseTemplate", Fault.TECHNICAL, False),
        ("RequestTimeout", Fault.UNKNOWN, False),
        ("TransportError", Fault.UNKNOWN, False),
        ("SomethingNew", Fault.TECHNICAL, False),
        # Not this text is wrong but our account: it waits until somebody has corrected that.
        ("IllegalMac", Fault.TEMPORARY, True),
        ("InvalidUsrOrPwd", Fault.TEMPORARY, True),
        ("IllegalSignId", Fault.TEMPORARY, True),
        ("NoSignId", Fault.TEMPORARY, True),
        ("IllegalIpAddress", Fault.TEMPORARY, True),
        ("NOT_WHITE_IP", Fault.TEMPORARY, True),
        ("IllegalState", Fault.TEMPORARY, True),
    ],
)
async def test_each_code_says_what_is_to_be_done(clock, rspcod, fault, is_unsent):
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud)) as line:
        cloud.faults.rspcods.append(rspcod)
        assert await line.send(WORDS) == [Sent((), fault, rspcod, is_unsent)]
        assert line.carrier.condition().refusals == {rspcod: 1}


def test_every_code_has_its_reason_in_both_languages():
    for name, meaning in mas.RESPONSES.items():
        assert meaning.name == name
        assert meaning.zh
        assert meaning.en
    assert mas.RESPONSES.keys() >= mas.OF_THE_ACCOUNT


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


@pytest.mark.parametrize("name", [b"msgGroup", b"mgsGroup"])
async def test_the_id_is_read_under_either_of_its_names(name):
    answer = b'{"rspcod":"success","success":true,"%b":"0927152506001000833076"}' % name
    async with answering(http(answer)) as somebody, running_carrier(mas_carrier(somebody)) as line:
        assert await line.send(WORDS) == [Sent(((1, f"927152506001000833076@{PHONE}"),))]


async def test_a_refusal_whose_other_members_are_null_is_a_refusal():
    answer = b'{"rspcod":"InvalidMobile","success":null,"msgGroup":null}'
    async with answering(http(answer)) as somebody, running_carrier(mas_carrier(somebody)) as line:
        assert await line.send(WORDS) == [Sent((), Fault.PERMANENT, "InvalidMobile")]


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
        assert line.carrier.counts["troubles"] == 1
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
            assert (carrier.condition().last_error_at, carrier.condition().is_error_past) == (clock.now(), False)
            await line.up()
            cloud.account = wrong  # or ours corrected, which takes a restart
            assert [sent.fault for sent in await line.send(*[WORDS] * 5)] == [None] * 5
            assert carrier.ahead > 1
            assert (carrier.condition().last_error, carrier.condition().is_error_past) == ("IllegalMac", True)
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


@pytest.mark.parametrize("fault", [{"drop_next": 1}, {"cut_answers": 1}])
async def test_a_connection_that_breaks_before_the_answer_leaves_the_outcome_unknown(clock, fault):
    async with (
        cloud_mas(clock, faults=MasFaults(**fault)) as cloud,
        running_carrier(mas_carrier(cloud)) as line,
    ):
        [sent] = await line.send(WORDS)
        assert (sent.fault, sent.is_unsent) == (Fault.UNKNOWN, False)
        await line.up()
        assert [sent.fault for sent in await line.send(WORDS)] == [None]


# -------------------------------------------------------------------------------------------------- what it holds back


async def test_an_urgent_text_overtakes_those_that_wait_in_hand(clock):
    async with (
        cloud_mas(clock, faults=MasFaults(answer_delay_s=0.02)) as cloud,
        running_carrier(mas_carrier(cloud, connections=1)) as line,
    ):
        line.put(*(f"【衡江政务服务】平{number}" for number in range(4)), priority=6)
        line.put("【衡江政务服务】急甲", "【衡江政务服务】急乙", priority=0)
        line.put("【衡江政务服务】中", priority=3)
        await eventually(lambda: len(line.outcomes) == 7)
        # The first was on its way when the urgent ones came.
        order = [text.text.partition("】")[2] for text in cloud.handset(PHONE).inbox]
    assert sorted(order.index(text) for text in ("急甲", "急乙", "中")) in ([0, 1, 2], [1, 2, 3])
    assert order.index("急甲") < order.index("急乙") < order.index("中")
    assert [text for text in order if text.startswith("平")] == ["平0", "平1", "平2", "平3"]


async def test_a_throttled_text_keeps_its_place_before_those_of_its_priority(clock):
    async with (
        cloud_mas(clock, faults=MasFaults(throttle_next=2)) as cloud,
        running_carrier(mas_carrier(cloud, connections=1, policy=QUICK_POLICY)) as line,
    ):
        line.put("【衡江政务服务】一", "【衡江政务服务】二", priority=4)
        line.put("【衡江政务服务】急", priority=0)
        await eventually(lambda: len(line.outcomes) == 3)
        order = [text.text.partition("】")[2] for text in cloud.handset(PHONE).inbox]
    assert order.index("一") < order.index("二")
    assert order.index("急") < order.index("二")


async def test_nothing_later_leaves_before_all_that_was_throttled_is_taken(clock):
    async with (
        cloud_mas(clock) as cloud,
        running_carrier(mas_carrier(cloud, connections=4, policy=QUICK_POLICY)) as line,
    ):
        cloud.faults.rspcods.extend(["FlowOverLimit"] * 5)  # three of four at once, then the one that tries
        await line.send(*(f"【衡江政务服务】{number}" for number in range(12)))
        arrived = [int(text.text.partition("】")[2]) for text in cloud.handset(PHONE).inbox]
        assert sorted(arrived) == list(range(12))
        assert set(arrived[:4]) == {0, 1, 2, 3}


@pytest.mark.parametrize("left", [timedelta(minutes=-1), timedelta(seconds=30)])  # it might wait over there, too
async def test_a_text_that_is_news_no_more_is_given_back_unsent(clock, left):
    async with (
        cloud_mas(clock, faults=MasFaults(throttle_next=1)) as cloud,
        running_carrier(mas_carrier(cloud, connections=1, policy=QUICK_POLICY)) as line,
    ):
        line.put("【衡江政务服务】旧", expires_at=clock.now() + timedelta(minutes=5))
        line.put("【衡江政务服务】新")
        clock.advance(timedelta(minutes=5) - left)
        await eventually(lambda: len(line.outcomes) == 2)
        assert Sent((), Fault.TEMPORARY, "expired while it waited", is_unsent=True) in line.outcomes
        assert [text.text for text in cloud.handset(PHONE).inbox] == ["【衡江政务服务】新"]


async def test_an_extension_stands_behind_the_number_that_the_person_sees_and_answers_to(clock):
    account = mas.Account(**{**{f: getattr(ACCOUNT, f) for f in ACCOUNT.__struct_fields__}, "add_serial": "12"})
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud, account=account)) as line:
        await line.send(WORDS, extension="0042")
        assert [text.sender for text in cloud.handset(PHONE).inbox] == ["10690000120042"]


def test_an_extension_that_would_make_the_number_too_long_is_left_off():
    account = mas.Account(ec_name="E", ap_id="a", secret_key="k", sign="s", add_serial="88", access_number="1" * 16)
    assert mas.serial_of(account, "12") == "8812"
    assert mas.serial_of(account, "123") == "88"


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


@pytest.mark.parametrize("fault", [{"lose_answers": 1}, {"cut_answers": 1}, {"drop_next": 1}])
async def test_a_text_with_a_code_of_unknown_outcome_is_not_sent_again_while_a_report_may_come(database, clock, fault):
    quiet = {"no_reports": True, "patience": {"answer_s": 0.3}}
    async with a_line(clock, **fault, **quiet) as (cloud, made), running(database, clock, made):
        await put(database, clock, "【衡江】1▒▒▒▒▒", template="T05", code=Code("card-reply", "7:nonce", 5))
        await until(database, unknown=1)
        await put(database, clock, "【衡江】甲")
        await until(database, unknown=1, submitted=1)
        assert cloud.counts["submitted"] == 2


async def test_reports_that_name_nobody_settle_nobody(database, clock):
    async with a_line(clock, wrong_groups=True) as (cloud, made), running(database, clock, made):
        await put(database, clock, WORDS)
        await until(database, submitted=1)
        await eventually(lambda: cloud.counts["report pushed"] == 1)
        assert cloud.counts["report answered 503"] == 0
        assert await states_of(database) == {"submitted": 1}


async def test_a_report_about_another_number_than_the_texts_own_settles_nothing(database, clock):
    async with a_line(clock, no_reports=True) as (_, made), running(database, clock, made):
        await put(database, clock, WORDS)
        await until(database, submitted=1)
        [row] = await database.rows("SELECT sms_id FROM message_part")
        group = str(row["sms_id"]).partition("@")[0]
        for mobile in ("13900139000", f"+86{PHONE}"):
            assert await states_of(database) == {"submitted": 1}
            assert await made.reported([(mas.Report("DELIVRD", mobile, group), b"{}")])
        await until(database, delivered=1)


async def test_a_day_of_every_fault_loses_nothing(database, clock):
    faults = {
        "throttle_next": 3, "error_every": 7, "drop_next": 1, "cut_answers": 1, "rspcods": ["SystemBusy"],
        "duplicate_reports": True, "lists_mobiles": True, "report_delay_s": 0.01,
    }  # fmt: skip
    bodies = [f"【衡江政务服务】第{number}件" for number in range(30)]
    async with a_line(clock, **faults) as (cloud, made), running(database, clock, made):
        await put(database, clock, *bodies)
        async with asyncio.timeout(100):
            while (await states_of(database)).get("delivered", 0) < 30:
                await asyncio.sleep(0.02)
                clock.advance(timedelta(seconds=20))  # what was refused for now waits by the office's clock
        assert {text.text for text in cloud.handset(PHONE).inbox} == set(bodies)


async def test_a_text_that_expires_in_our_hands_ends_as_expired_and_unsent(database, clock):
    async with a_line(clock, throttle_next=1) as (cloud, made), running(database, clock, made):
        await put(database, clock, WORDS)
        await eventually(lambda: cloud.counts["FlowOverLimit"] == 1)
        clock.advance(timedelta(days=2))
        await until(database, expired=1)
        assert cloud.counts["submitted"] == 1
