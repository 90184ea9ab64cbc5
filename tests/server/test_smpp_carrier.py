"""What zhangban.toml says of an SMPP account, seen from the carrier's side."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from kernel.clock import FakeClock
from server.carrier_settings import SmppCarrier
from server.carriers import connection
from server.config_file import SettingsRefused
from server.settings import read
from sms.carriers import MobileText, Sent
from sms.simulator import Smsc
from sms.smpp.vocabulary import BindReceiver, BindTransceiver, BindTransmitter
from tests.sms.test_link import certificate

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


class Ears:
    async def heard(self, receipt) -> int:
        return 0

    async def arrived(self, arrival) -> int:
        return 0


def written(smsc: Smsc, **lines: object) -> SmppCarrier:
    """The settings of an account at `smsc`, by way of the file."""
    lines = {"host": smsc.host, "port": smsc.port, **lines}
    text = "\n".join(f"{name} = {_toml(value)}" for name, value in lines.items())
    head = 'kind = "smpp"\nname = "mobile"\nsystem_id = "zhangban"\npassword = "secret"\nsource_address = "1069"\n'
    (carrier,) = read(f"[[sms.carriers]]\n{head}{text}".encode(), {}).sms.carriers
    assert isinstance(carrier, SmppCarrier)
    return carrier


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else f"'{value}'"


@asynccontextmanager
async def running(settings: SmppCarrier):
    carrier = connection(settings, {}, FakeClock(NOON))
    task = asyncio.create_task(carrier.run(Ears()))
    try:
        yield carrier
    finally:
        await carrier.drain(30)
        await asyncio.wait_for(task, 60)


async def sent_by(carrier) -> Sent:
    outcome: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
    text = MobileText(phone="13800138000", words="掌办", reference=1, expires_at=NOON + timedelta(days=9), priority=1)
    carrier.send(text, outcome.set_result)
    async with asyncio.timeout(60):
        return await outcome


def carrier_side(**options) -> Smsc:
    return Smsc({"zhangban": "secret"}, clock=FakeClock(NOON), **options)


async def test_the_plainest_settings_are_one_transceiver_that_promises_three_days():
    async with carrier_side() as smsc, running(written(smsc)) as carrier:
        await carrier.bound(60)
        assert (await sent_by(carrier)).fault is None
        assert [type(bind) for bind in smsc.binds] == [BindTransceiver]
        [(_, pdu)] = smsc.accepted
        assert (pdu.validity_period, pdu.priority, pdu.source, pdu.destination) == (
            "000003000000000R",
            0,
            "1069",
            "13800138000",
        )


async def test_what_the_contract_says_reaches_the_carrier():
    async with carrier_side() as smsc:
        settings = written(
            smsc,
            bind="pair",
            binds=2,
            rate_per="bind",
            parts_per_second=20,
            system_type="CP",
            interface_version="3.3",
            service_type="CMT",
            source_ton=5,
            source_npi=9,
            destination_ton=1,
            destination_npi=1,
            destination_prefix="86",
            validity_hours=24,
            tells_priority=True,
            own_errors={"0x45": "permanent"},
        )
        async with running(settings) as carrier:
            await carrier.bound(60)
            assert carrier.condition().parts_per_s == 40
            assert (
                sorted(type(bind).__name__ for bind in smsc.binds)
                == [BindReceiver.__name__] * 2 + [BindTransmitter.__name__] * 2
            )
            assert {(bind.system_type, bind.interface_version) for bind in smsc.binds} == {("CP", 0x33)}
            assert (await sent_by(carrier)).fault is None
            [(_, pdu)] = smsc.accepted
            assert (pdu.service_type, pdu.validity_period, pdu.priority) == ("CMT", "000001000000000R", 2)
            assert (pdu.source_ton, pdu.source_npi, pdu.destination_ton, pdu.destination_npi) == (5, 9, 1, 1)
            assert pdu.destination == "8613800138000"
            smsc.faults.error_every, smsc.faults.error_status = 1, 0x45
            assert (await sent_by(carrier)).fault == "permanent"


async def test_tls_knows_the_carriers_ca_and_name_and_shows_its_own_certificate(tmp_path):
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    theirs, ours = tmp_path / "theirs" / "smsc.pem", tmp_path / "ours" / "smsc.pem"
    server, _ = certificate(theirs.parent)
    certificate(ours.parent)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(ours)
    async with carrier_side(tls=server) as smsc:
        shown = {"tls": True, "ca_file": theirs, "server_name": "smsc.example", "client_certificate": ours}
        async with running(written(smsc, **shown)) as carrier:
            await carrier.bound(60)
            assert (await sent_by(carrier)).fault is None
        for wrong in ({"ca_file": ours}, {"server_name": "other.example"}, {"client_certificate": ""}):
            async with running(written(smsc, **{**shown, **wrong})) as carrier:
                async with asyncio.timeout(60):
                    while not carrier.condition().last_error:  # noqa: ASYNC110  it happens at the other end of a socket
                        await asyncio.sleep(0.005)
                assert not carrier.is_up


@pytest.mark.parametrize(("setting", "content"), [("ca_file", None), ("ca_file", "x"), ("client_certificate", "x")])
async def test_certificates_that_cannot_be_read_are_named_at_the_start(tmp_path, setting, content):
    path = tmp_path / "file.pem"
    if content:
        path.write_text(content)
    smsc = carrier_side(port=1)
    with pytest.raises(SettingsRefused) as refused:
        connection(written(smsc, tls=True, **{setting: path}), {}, FakeClock(NOON))
    assert refused.value.problems[0].where == f"sms.carriers.mobile.{setting}"


async def test_an_ipv6_host_is_a_host():
    try:
        async with carrier_side(host="::1") as smsc, running(written(smsc)) as carrier:
            await carrier.bound(60)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


@pytest.mark.parametrize("lines", [{"receiver_port": 2776}, {"receiver_host": "a"}, {"interface_version": "3.3"}])
def test_a_transceiver_has_no_receiver_of_its_own(lines):
    with pytest.raises(SettingsRefused) as refused:
        written(carrier_side(port=1), **lines)
    assert "pair" in str(refused.value)


@pytest.mark.parametrize("code", ["MK", "0xGG", "MK:001", "１"])
def test_a_code_that_no_carrier_writes_is_refused(code):
    with pytest.raises(SettingsRefused):
        written(carrier_side(port=1), own_errors={code: "permanent"})
