"""The simulated cloud MAS, asked by hand: what it refuses and how, with requests that our own codec did not make."""

import base64
import hashlib
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from sms.mas import messages as mas
from sms.simulator.mas import CloudMas, MasFaults
from tests.sms.mas_desk import PHONE, eventually

ACCOUNT = mas.Account(ec_name="E", ap_id="a", secret_key="k", sign="s")


def wrapped(**said) -> bytes:
    return base64.b64encode(json.dumps(said).encode())


def md5(*parts: str) -> str:
    return hashlib.md5("".join(parts).encode()).hexdigest()


def text(content="您好", mobiles=PHONE, serial="", **changes) -> bytes:
    said = {"ecName": "E", "apId": "a", "mobiles": mobiles, "content": content, "sign": "s", "addSerial": serial}
    return wrapped(**{**said, "mac": md5("E", "a", "k", mobiles, content, "s", serial), **changes})


def template(template_id="t1", values=("1", "2"), **changes) -> bytes:
    params = json.dumps(list(values))
    said = {"ecName": "E", "apId": "a", "templateId": template_id, "mobiles": PHONE, "params": params, "sign": "s"}
    said |= {"addSerial": "", "mac": md5("E", "a", "k", template_id, PHONE, params, "s")}
    return wrapped(**{**said, **changes})


@asynccontextmanager
async def asked(clock, **changes):
    """The MAS, and a way to ask it: what it answers, or the HTTP status."""
    async with (
        CloudMas(ACCOUNT, signature="衡江", clock=clock, **changes) as cloud,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{cloud.port}/sms", trust_env=False) as client,
    ):

        async def ask(path: str, body: bytes):
            answer = await client.post(path, content=body)
            return answer.json() if answer.status_code == 200 else answer.status_code

        yield cloud, ask


@pytest.mark.parametrize("path", ["norsubmit", "submit"])
async def test_a_text_is_taken_under_both_paths(clock, path):
    async with asked(clock) as (cloud, ask):
        answer = await ask(path, text(serial="12"))
        assert (answer["rspcod"], answer["success"], len(answer["msgGroup"])) == ("success", True, 22)
        [arrived] = cloud.handset(PHONE).inbox
        assert (arrived.sender, arrived.text) == ("1069000012", "【衡江】您好")


@pytest.mark.parametrize(
    ("body", "rspcod"),
    [
        (text(mac="0" * 32), "IllegalMac"),
        (text(mac=md5("E", "a", "k", PHONE, "您好", "s").upper()), "IllegalMac"),
        (text(apId="b"), "InvalidUsrOrPwd"),
        (text(sign="other"), "IllegalSignId"),
        (text(mobiles="12345"), "InvalidMobile"),
        (text(mobiles=",".join([PHONE] * 5001)), "TooManyMobiles"),
        (text(serial="1" * 13), "InvalidMessage"),
        (b"{}", "InvalidMessage"),
        (base64.b64encode(b"{}"), "InvalidMessage"),
        (text()[:-5], "InvalidMessage"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_name_and_reaches_nobody(clock, body, rspcod):
    async with asked(clock) as (cloud, ask):
        assert await ask("norsubmit", body) == {"msgGroup": "", "rspcod": rspcod, "success": False}
        assert not cloud.handset(PHONE).inbox


@pytest.mark.parametrize(
    ("body", "rspcod"),
    [
        (template(), "success"),
        (template("t2", [""]), "success"),
        (template("t9"), "IllegalUseTemplate"),
        (template(values=["1"]), "IllegalUseTemplate"),
        (template(params="1,2", mac=md5("E", "a", "k", "t1", PHONE, "1,2", "s")), "IllegalUseTemplate"),
        (template(mac="0" * 32), "IllegalMac"),
        (text(), "InvalidMessage"),
    ],
)
async def test_a_template_is_taken_when_it_is_registered_and_has_a_value_for_each_place(clock, body, rspcod):
    async with asked(clock, templates={"t1": "第{n}件，共{m}件。", "t2": "您好。"}) as (cloud, ask):
        assert (await ask("tmpsubmit", body))["rspcod"] == rspcod
        assert [arrived.text for arrived in cloud.handset(PHONE).inbox] in (
            ["【衡江】第1件，共2件。"], ["【衡江】您好。"], [],
        )  # fmt: skip


async def test_an_account_for_templates_only_takes_nothing_else(clock):
    async with asked(clock, only_templates=True) as (_, ask):
        assert (await ask("norsubmit", text()))["rspcod"] == "IllegalUseTemplate"


async def test_faults_come_in_the_number_that_was_asked_for(clock):
    faults = MasFaults(throttle_next=2, rspcods=["SystemBusy"], http_statuses=[502])
    async with asked(clock, faults=faults) as (cloud, ask):
        answers = [await ask("norsubmit", text()) for _ in range(5)]
        codes = [answer if isinstance(answer, int) else answer["rspcod"] for answer in answers]
        assert codes == [502, "FlowOverLimit", "FlowOverLimit", "SystemBusy", "success"]
        assert cloud.counts["taken"] == 1
        cloud.faults.error_every = 2
        codes = [(await ask("norsubmit", text()))["rspcod"] for _ in range(4)]
        assert codes == ["InternalError", "success"] * 2


async def test_more_than_the_allowed_rate_is_refused(clock):
    async with asked(clock, faults=MasFaults(max_per_s=3)) as (_, ask):
        codes = [(await ask("norsubmit", text()))["rspcod"] for _ in range(6)]
        assert codes[:3] == ["success"] * 3
        assert "FlowOverLimit" in codes[3:]


@pytest.mark.parametrize(("fault", "taken"), [("drop_next", 0), ("cut_answers", 1)])
async def test_a_connection_breaks_before_or_in_the_middle_of_an_answer(clock, fault, taken):
    async with asked(clock) as (cloud, ask):
        setattr(cloud.faults, fault, 1)
        with pytest.raises(httpx.TransportError):
            await ask("norsubmit", text())
        assert cloud.counts["taken"] == taken
        assert (await ask("norsubmit", text()))["rspcod"] == "success"


async def test_what_was_fetched_is_gone_and_what_is_said_twice_is_there_twice(clock):
    who = wrapped(ecName="E", apId="a", secretKey="k")
    async with asked(clock) as (cloud, ask):
        await ask("norsubmit", text())
        await eventually(lambda: cloud.counts["report kept"] == 1)
        [report] = await ask("report", who)
        assert (report["reportStatus"], report["mobile"]) == ("DELIVRD", PHONE)
        assert await ask("report", who) == []
        cloud.faults.duplicate_reports = cloud.faults.lists_mobiles = cloud.faults.wrong_groups = True
        await ask("norsubmit", text())
        await eventually(lambda: cloud.counts["report kept"] == 2)
        first, second = await ask("report", who)
        assert first == second
        assert (first["mobile"], first["msgGroup"] != report["msgGroup"]) == ([PHONE], True)
        assert (await ask("report", wrapped(ecName="E", apId="a", secretKey="x")))["rspcod"] == "InvalidUsrOrPwd"
        assert (await ask("deliver", b"{}"))["rspcod"] == "InvalidMessage"
        cloud.faults.fail_fetches = 1
        assert await ask("deliver", who) == 500
        assert await ask("deliver", who) == []
