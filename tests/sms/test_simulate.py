"""`zhangban simulate`: each carrier as a process of its own, and the second door through which it is rehearsed with."""

import asyncio
import json
import signal
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import httpx
import pytest
from typer.testing import CliRunner

from server.__main__ import app
from sms.simulator import Faults, Smsc
from sms.simulator.control import door
from sms.simulator.knobs import KnobRefused, state_of, turn, typed
from tests.sms.carrier_desk import ACCESS_NUMBER, ROOT, put, running, smpp_carrier, until
from tests.sms.mas_desk import PHONE, Ears, cloud_mas, eventually, mas_carrier, running_carrier

KINDS = ("smsc", "mas", "cmpp")


@asynccontextmanager
async def simulated(*arguments: str):
    """Yields the process, its address and its control."""
    command = (sys.executable, "-m", "sms.simulator", *arguments, "--port", "0", "--control-port", "0")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        listening = (await process.stdout.readline()).decode().split()
        control = (await process.stdout.readline()).decode().split()
        assert listening[:2] == ["listening", "on"]
        async with httpx.AsyncClient(base_url=f"http://{control[-1]}", trust_env=False, timeout=60.0) as client:
            yield process, listening[-1], client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def controlled(carrier):
    transport = httpx.ASGITransport(door(carrier))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as client:
        yield client


# --------------------------------------------------------------------------------------------------- the processes


@pytest.mark.parametrize("kind", KINDS)
async def test_each_carrier_listens_is_controlled_and_ends_in_good_order(kind):
    async with simulated(kind, "--fault", "undeliverable=13900139000,13900139001") as (process, address, control):
        host, _, port = address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        stats = (await control.get("/stats")).json()
        assert stats["address"] == address
        assert stats["faults"]["undeliverable"] == ["13900139000", "13900139001"]
        answer = await control.post(
            "/faults", json={"throttle_next": 3, "no_receipts" if kind != "mas" else "no_reports": True}
        )
        assert (answer.status_code, answer.json()["throttle_next"]) == (200, 3)
        again = (await control.post("/reset")).json()["faults"]
        assert (again["throttle_next"], again["undeliverable"]) == (0, ["13900139000", "13900139001"])
        assert (await control.get(f"/handsets/{PHONE}")).json() == {"number": PHONE, "inbox": []}
        writer.close()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60.0) == 0


async def test_control_c_ends_it_as_well():
    async with simulated("smsc") as (process, _, _):
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 60.0) == 0


async def test_nothing_of_the_server_is_loaded_to_simulate():
    look = "import sys, sms.simulator.__main__; print({'server', 'mobile_api', 'starlette'} & sys.modules.keys())"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", look, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert said.decode().strip() == "set()"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("smsc", "--fault", "throttle_nxt=3"), "throttle_next?"),
        (("smsc", "--fault", "throttle_next"), "name=value"),
        (("smsc", "--fault", "throttle_next=-1"), "from 0 on"),
        (("mas", "--fault", "answer_delay_s=soon"), "answer_delay_s"),
        (("cmpp", "--account", "901234"), "ID:PASSWORD"),
        (("mas", "--template", "T"), "ID=TEXT"),
    ],
)
def test_what_cannot_be_simulated_is_said_before_anything_listens(arguments, reason):
    result = CliRunner().invoke(app, ["simulate", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert reason in result.output


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_that_is_taken_is_said_in_one_line(kind):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["simulate", kind, "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1
    assert result.output.startswith("cannot listen: ")
    assert len(result.output.splitlines()) == 1


# ------------------------------------------------------------------------------------------------------ the control


async def test_a_fault_that_is_turned_on_happens_to_the_next_text(database, clock):
    async with (
        Smsc({"zhangban": "secret"}, clock=clock) as smsc,
        controlled(smsc) as control,
        running(database, clock, smpp_carrier(smsc)),
    ):
        await control.post("/faults", json={"undeliverable": [PHONE]})
        await put(database, clock, "【衡江】甲")
        await until(database, failed=1)
        await control.post("/reset")
        await put(database, clock, "【衡江】乙")
        await until(database, failed=1, delivered=1)
        inbox = (await control.get(f"/handsets/{PHONE}")).json()["inbox"]
        assert [(text["sender"], text["text"]) for text in inbox] == [(ACCESS_NUMBER, "【衡江】乙")]
        assert (await control.post("/cut")).json() == {"broken": 1}
        await eventually(lambda: smsc.counts["binds"] == 1)


async def test_a_text_from_a_phone_is_taken_by_whoever_is_connected(clock):
    ears = Ears()
    async with (
        cloud_mas(clock) as cloud,
        controlled(cloud) as control,
        running_carrier(mas_carrier(cloud, pull_every_s=0.02), ears),
    ):
        said = {"from": PHONE, "to": ACCESS_NUMBER, "text": "CX202600000001"}
        assert (await control.post("/mo", json=said)).json() == {"taken": True}
        await eventually(lambda: [arrival.part.source for arrival in ears.arrivals] == [PHONE])


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"throttle_nxt": 1}, "no knob throttle_nxt; is it throttle_next?"),
        ({"weather": "bad"}, "there are "),
        ({"throttle_next": "3"}, "throttle_next: expected `int`, got `str`"),
        ({"throttle_next": -3}, "throttle_next: expected a number from 0 on"),
        ({"throttle_next": True}, "throttle_next: expected `int`, got `bool`"),
        ({"response_delay_s": None}, "response_delay_s: expected `float`, got `null`"),
        ({"undeliverable": "13800138000"}, "undeliverable: expected `array`, got `str`"),
        ({"undeliverable": [7]}, "undeliverable: expected `str`"),
        ({"receipt_ids": "strange"}, "receipt_ids: "),
        ([], "Expected `object`"),
    ],
)
async def test_a_fault_that_does_not_exist_or_fit_is_refused_and_nothing_changes(clock, wanted, reason):
    async with Smsc({}, clock=clock) as smsc, controlled(smsc) as control:
        if isinstance(wanted, dict):
            wanted = {"error_every": 5, **wanted}
        answer = await control.post("/faults", json=wanted)
        assert answer.status_code == 422
        assert reason in answer.json()["error"]
        assert smsc.faults == Faults()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff", b"[]", b"{}",
        b'{"from": "1", "to": "10690000", "text": "T"}',
        b'{"from": "13800138000", "to": "10690000"}',
        b'{"from": "13800138000", "to": "10690000", "text": ""}',
        b'{"from": "13800138000", "to": "10690000", "text": "T", "at": "noon"}',
    ],
)  # fmt: skip
async def test_what_is_no_text_from_a_phone_is_refused(clock, body):
    async with Smsc({}, clock=clock) as smsc, controlled(smsc) as control:
        assert (await control.post("/mo", content=body)).status_code == 422
        assert (await control.get("/handsets/nobody")).status_code == 422


async def test_a_browser_that_some_page_sends_here_finds_nothing(clock):
    async with Smsc({}, clock=clock) as smsc, controlled(smsc) as control:
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            assert (await control.post("/faults", json={"throttle_next": 3}, headers=headers)).status_code == 403
            assert (await control.get("/stats", headers=headers)).status_code == 403
        assert smsc.faults == Faults()


async def test_what_the_control_shows_is_json_without_words_of_texts(clock):
    async with cloud_mas(clock) as cloud, controlled(cloud) as control, running_carrier(mas_carrier(cloud)) as line:
        await line.send("【衡江政务服务】登录验证码123456")
        stats = (await control.get("/stats")).text
        assert json.loads(stats)["counts"]["taken"] == 1
        assert "123456" not in stats


# -------------------------------------------------------------------------------------------------------- the knobs


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


@dataclass(kw_only=True)
class Knobs:
    number: int = 0
    seconds: float = 0.0
    is_on: bool = False
    word: str = ""
    mood: Mood = Mood.GOOD
    words: set[str] = field(default_factory=set)
    numbers: list[int] = field(default_factory=list)


def test_every_kind_of_knob_can_be_typed_and_said_in_json():
    knobs = Knobs()
    typed_ones = ["number=3", "seconds=0.5", "is_on=true", "word= a=b ", "mood=bad", "words=a, b", "numbers=1,2"]
    turn(knobs, dict(map(typed, typed_ones)), as_text=True)
    expected = Knobs(number=3, seconds=0.5, is_on=True, word="a=b", mood=Mood.BAD, words={"a", "b"}, numbers=[1, 2])
    assert knobs == expected
    again = Knobs()
    turn(again, json.loads(json.dumps(state_of(knobs))))
    assert again == expected


def test_no_knob_is_turned_when_one_cannot_be():
    knobs = Knobs()
    for wanted in ({"number": 1, "seconds": float("nan")}, {"number": 1, "nothing": 1}):
        with pytest.raises(KnobRefused):
            turn(knobs, wanted)
    assert knobs == Knobs()
