"""The first story, told by the real command: phones, levels, lights, a card and a query, over a real carrier."""

import asyncio
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kernel.clock import SystemClock
from server.__main__ import app
from server.demo import story
from sms.simulator import Handset, Smsc

LEADER, APPLICANT, ACCESS = "13900000033", "13811110001", "10690000"
#: What is told wherever people's phones can be read, whichever way the zones are connected.
TOLD = (
    "the gateway is bound to its carrier",
    "the county and its catalogue are published",
    "the public guide shows all fourteen elements",
    "RA operator OFF-0034 is certified at the desk",
    "RA operator OFF-0036 is certified at the desk",
    "OFF-0029 enrols before two RA operators and logs in",
    "OFF-0001 enrols before two RA operators and logs in",
    "OFF-0002 enrols before two RA operators and logs in",
    "OFF-0003 enrols before two RA operators and logs in",
    "OFF-0005 enrols before two RA operators and logs in",
    "OFF-0006 enrols before two RA operators and logs in",
    "OFF-0007 enrols before two RA operators and logs in",
    "OFF-0033 enrols before two RA operators and logs in",
    "a phone without a certificate is refused",
    "an applicant files online",
    "a text brings number and query password",
    "the window accepts with a signed opinion",
    "OFF-0001 signs AGREE",
    "OFF-0002 signs AGREE",
    "OFF-0003 signs GRANT",
    "a tampered opinion is refused",
    "the handler completes",
    "a text says what was decided",
    "the window delivers",
    "a second case is filed and accepted",
    "yellow light: a text to those responsible",
    "the to-do list shows yellow",
    "red light: a text with the supervision order",
    "the to-do list shows red",
    "a card is proposed, without effect yet",
    "a text with a one-time code to the leader",
    "a wrong code is refused and explained",
    "a strange phone with the code is refused",
    "the right code confirms; the receipt names the evidence",
    "the card is numbered and has effect",
    "it is served to the unit's head",
    "a used code is refused",
    "the unit's head acknowledges by text",
    "an expired code is refused",
    "the applicant asks and is told",
    "a strange phone needs the password",
    "with the password it is told",
    "an unreadable text gets help",
    "the event log verifies",
)
ENDS = [
    ("202600000001", "delivered", "granted"),
    ("202600000002", "in_approval", ""),
    ("202600000003", "in_approval", ""),
]


async def demo(*arguments: str) -> tuple[int, dict]:
    """Exit code and the JSON object of the last line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "demo", "--once", "--json", *arguments, stdout=subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 380)
    return process.returncode or 0, json.loads(output.decode().splitlines()[-1])


def texts_to(report: dict, phone: str) -> str:
    return "\n".join(text["text"] for text in report["texts"] if text["to"] == phone)


def is_the_whole_story(code: int, report: dict) -> bool:
    """Every step of it, all held, and the cases ended as they must."""
    assert [step for step in report["steps"] if not step["ok"]] == []
    assert tuple(step["name"] for step in report["steps"]) == TOLD
    assert [(case["number"], case["status"], case["outcome"]) for case in report["cases"]] == ENDS
    return code == 0


async def test_the_story_holds_on_an_empty_database_and_its_evidence_verifies_with_plain_openssl(
    blank_url: str, tmp_path: Path
):
    code, report = await demo("--out", str(tmp_path), "--database", blank_url)
    assert is_the_whole_story(code, report)
    assert {step["door"] for step in report["steps"]} == {"command", "graphql", "window", "sms", "timer"}
    assert {text["state"] for text in report["texts"]} == {"delivered"}
    assert all(text["text"].startswith("【衡江政务服务】") and text["parts"] <= 2 for text in report["texts"])
    assert "查询密码" in texts_to(report, APPLICANT)
    assert "存证号" in texts_to(report, LEADER)
    first = report["cases"][0]
    signed = sorted((tmp_path / "evidence" / first["number"]).iterdir())
    assert len(signed) == 6
    for folder in signed:
        check_with_openssl(folder)
    assert "准予施工许可" in (signed[3] / "payload.bin").read_text()


def check_with_openssl(folder: Path) -> None:
    def openssl(*arguments: str) -> str:
        return subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout

    (folder / "signer.pub").write_text(openssl("x509", "-in", "signer.pem", "-pubkey", "-noout"))
    told = openssl("dgst", "-sha256", "-verify", "signer.pub", "-signature", "signature.der", "payload.bin")
    assert told.strip() == "Verified OK"
    at = str(int(datetime(2026, 9, 18, 2, tzinfo=UTC).timestamp()))
    chain = ("-CAfile", "root.pem", "-untrusted", "chain.pem", "-purpose", "any", "-attime", at)
    assert openssl("verify", *chain, "signer.pem").strip() == "signer.pem: OK"


async def test_the_story_holds_over_somebody_elses_smsc_whose_people_answer():
    async with Smsc({"city": "secret"}, clock=SystemClock()) as smsc:
        leader, applicant = smsc.handset(LEADER), smsc.handset(APPLICANT)
        people = [asyncio.create_task(confirms(leader)), asyncio.create_task(asks(applicant))]
        address = ("--smpp", f"127.0.0.1:{smsc.port}", "--system-id", "city", "--password", "secret")
        result = await asyncio.to_thread(typed, "--json", *address)
        for person in people:
            person.cancel()
    assert [step for step in json.loads(result.stdout.splitlines()[-1])["steps"] if not step["ok"]] == []
    assert result.exit_code == 0
    assert any("存证号" in text.text for text in leader.inbox)
    assert any("现处" in text.text for text in applicant.inbox)


async def confirms(leader: Handset) -> None:
    """The supervision leader, agreeing to whatever card is proposed."""
    while True:
        text = await leader.next_text(timeout_s=100)
        if code := re.search(r"同意回复(1\d{5})", text.text):
            await leader.send(ACCESS, code[1])


async def asks(applicant: Handset) -> None:
    """The applicant, curious as soon as there is a second case to ask about."""
    seen: set[str] = set()
    while True:
        text = await applicant.next_text(timeout_s=100)
        seen |= set(re.findall(r"受理号(\d{12})", text.text))
        if len(seen) == 2:
            await applicant.send(ACCESS, f"CX{max(seen)}")


def typed(*arguments: str) -> Result:
    """Without a process of its own, which takes seconds to begin."""
    return CliRunner().invoke(app, ["demo", "--once", *arguments])


def test_a_dead_carrier_fails_the_story_and_says_where(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(story, "_BIND_PATIENCE_S", 0.2)  # nobody listens there: waiting longer changes nothing
    result = typed("--json", "--smpp", "127.0.0.1:1", "--system-id", "x", "--password", "x")
    assert result.exit_code == 1
    (failed,) = [step for step in json.loads(result.stdout.splitlines()[-1])["steps"] if not step["ok"]]
    assert failed["why"]


@pytest.mark.parametrize("address", [":2775", "localhost:x"])
def test_a_wrong_smpp_address_is_refused(address: str):
    result = typed("--smpp", address)
    assert (result.exit_code, "HOST:PORT" in result.stderr) == (2, True)
