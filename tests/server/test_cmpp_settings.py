"""A CMPP account in zhangban.toml: what may stand there, and that the carrier made of it speaks to a gateway."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kernel.clock import FakeClock
from server.carrier_settings import CmppCarrier
from server.carriers import connection
from server.cli_config import template
from server.config_file import SettingsRefused
from server.settings import read
from sms.carriers import MobileText, Sent
from sms.simulator.cmpp import Ismg

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
CMPP = """
[[sms.carriers]]
kind = "cmpp"
name = "gateway"
host = "127.0.0.1"
sp_id = "900001"
shared_secret = "s3cret"
access_number = "10690000"
"""


class Ears:
    async def heard(self, receipt) -> int:
        return 0

    async def arrived(self, arrival) -> int:
        return 0


def test_an_account_written_as_the_template_says_is_understood():
    [example] = [part for part in template().split("# [[sms.carriers]]\n") if 'kind = "cmpp"' in part]
    example = example.partition("# [[")[0]
    lines = [line.removeprefix("# ") for line in example.splitlines() if " = " in line and line.startswith("# ")]
    text = "\n".join(["[[sms.carriers]]", *lines]).replace("…", "s3cret")
    (carrier,) = read(text.encode(), {}).sms.carriers
    assert isinstance(carrier, CmppCarrier)
    assert len(lines) == len(CmppCarrier.model_fields), "a setting is missing from the template"


def test_the_shared_secret_is_not_shown():
    assert "s3cret" not in repr(read(CMPP.encode(), {}))


@pytest.mark.parametrize(
    "wrong",
    [
        'sp_id = "9000011"',
        'sp_id = "企业"',
        'access_number = "+8610690"',
        'shared_secret = ""',
        'version = "1.2"\nsp_id = "900001"',
        'fee_type = "1"\nsp_id = "900001"',
        'own_errors = { ABC = "permanent" }\nsp_id = "900001"',
    ],
)
def test_what_cannot_travel_is_refused_at_the_start(wrong):
    key = wrong.splitlines()[-1].partition(" ")[0]
    text = "\n".join(wrong if line.startswith(f"{key} =") else line for line in CMPP.splitlines())
    with pytest.raises(SettingsRefused) as refused:
        read(text.encode(), {})
    [problem] = refused.value.problems
    assert "sms.carriers.0." in str(problem)
    assert "cmpp" not in problem.where


@pytest.mark.parametrize("version", ["2.0", "3.0"])
async def test_the_carrier_of_the_settings_connects_and_sends(version):
    clock = FakeClock(NOON)
    outcomes: list[Sent] = []
    more = f'version = "{version}"\nconnections = 2\nservice_id = "ZWFW"\nown_errors = {{ "101" = "permanent" }}\n'
    async with Ismg({"900001": "s3cret"}, clock=clock) as ismg:
        (chosen,) = read(f"{CMPP}port = {ismg.port}\n{more}".encode(), {}).sms.carriers
        assert isinstance(chosen, CmppCarrier)
        carrier = connection(chosen, {}, clock)
        task = asyncio.create_task(carrier.run(Ears()))
        async with asyncio.timeout(60):
            while not carrier.is_up:  # noqa: ASYNC110  the condition is at the other end of a socket
                await asyncio.sleep(0.001)
        ismg.faults.error_every, ismg.faults.error_status = 2, 101
        for number in (1, 2):
            text = MobileText(phone="13800138000", words="您好", reference=number, expires_at=NOON + timedelta(hours=1))
            carrier.send(text, outcomes.append)
        async with asyncio.timeout(60):
            while len(outcomes) < 2:  # noqa: ASYNC110  so is this one
                await asyncio.sleep(0.001)
        await carrier.drain(30)
        await task
    assert sorted(sent.error for sent in outcomes) == ["", "CMPP_101"]
    assert [str(sent.fault) for sent in outcomes if sent.fault] == ["permanent"]
    [(_, submit)] = ismg.accepted
    assert (submit.service_id, submit.account, submit.source) == ("ZWFW", "900001", "10690000")
