"""Packages over HTTPS, both ends: what the door answers, and how a level reports to the one above it."""

import asyncio
import io
import ssl
import zipfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette

from certs.authority import Authority
from ferry.exchange import upward
from ferry.exchange.acts import RevokeSender, WatchDays
from ferry.exchange.codes import Table
from ferry.exchange.https import HttpsWay
from ferry.exchange.reconciling import drifts_on
from ferry.exchange.reports import Speaker
from ferry.exchange.rules import Sender
from ferry.exchange.tables import ExchangeBatch, ExchangeCase, ExchangeGap, ExchangeRecord
from ferry.exchange.upward import NotTaken, Reporter, consumer
from ferry.exchange.upward_tables import ExchangeDue, ExchangeReport, ExchangeSaid
from kernel.actor import THE_OPERATOR
from kernel.clock import SystemClock
from kernel.events import EventCodec
from kernel.office import Office
from kernel.outbox import Courier, Outbox
from server.acts import RULES
from server.exchange_door import PATH, ExchangeDoor
from server.wiring import EVENTS
from supervision.acts import TurnLights
from supervision.findings import consumer as findings
from tests.contracts.test_secret_doors import make_secret
from tests.ferry.exchange.systems import SendingSystem, deliver, register, utc
from tests.mobile_api.stage import Stage

COUNTY = Sender(source_system="HENGJIANG", org="ALL", region="430421")


def wire(stage: Stage, *, most_octets: int = 1 << 20, per_minute: int = 1000) -> httpx.ASGITransport:
    door = ExchangeDoor(
        stage.office, stage.database, stage.authority, stage.clock, most_octets=most_octets, per_minute=per_minute
    )
    return httpx.ASGITransport(Starlette(routes=door.routes()))


async def push(stage: Stage, package: bytes, key: str = "package-1", *, limits=None, **headers: str) -> httpx.Response:
    sent = {"content-type": "application/zip", "idempotency-key": key, **headers}
    async with httpx.AsyncClient(transport=wire(stage, **(limits or {})), base_url="http://city") as client:
        return await client.post(PATH, content=package, headers={name: value for name, value in sent.items() if value})


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["refusal"]["code"]


# ---------------------------------------------------------------------------------------------------------- the door
async def test_a_package_is_answered_with_a_receipt_for_every_row_that_was_not_accepted(
    stage: Stage, system: SendingSystem
):
    rows = [*system.case(), system.row(Table.STEP, case="A2"), system.row(Table.APPLY, case="A3", org="GAJ")]
    answer = await push(stage, system.package(rows))
    assert answer.status_code == 200
    said = answer.json()
    assert (said["rows"], said["accepted"], said["held"], said["rejected"], said["complete"]) == (9, 7, 1, 1, True)
    assert {(each["rid"], each["verdict"], *each["codes"]) for each in said["receipts"]} == {
        ("A2.step.1.1", "held", "ORDER_HELD"),
        ("A3.apply.1.1", "rejected", "ORG_FOREIGN"),
    }
    assert await ExchangeRecord.all().count() == 8


async def test_the_same_key_gets_the_same_answer_and_never_stands_for_another_package(
    stage: Stage, system: SendingSystem
):
    package = system.package(system.case())
    first = await push(stage, package)
    again = await push(stage, package)
    assert (first.content, again.status_code) == (again.content, 200)
    system.batch = "B2"
    other = system.package(system.case("A2"))
    assert code(await push(stage, other)) == (409, "EXCHANGE_KEY_REUSED")
    assert await ExchangeBatch.all().count() == 1
    # Another sender's keys are its own.
    neighbour = SendingSystem(Sender(source_system="ZJJ-YWXT", org="ZJJ", region="430421"))
    await register(stage, neighbour)
    assert (await push(stage, neighbour.package(neighbour.case("Z1")))).status_code == 200


async def test_everything_else_is_refused_under_its_code(stage: Stage, system: SendingSystem):
    package = system.package(system.case())
    stranger = SendingSystem(Sender(source_system="WJJ-YWXT", org="WJJ", region="430421"))
    stranger.certificates = system.certificates
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            octets = source.read(name)
            target.writestr(name, octets.replace(b"A1", b"A9") if name.startswith("rows/") else octets)
    system.batch = "B2"
    early = system.package(system.case(), made="2026-09-18T12:00")
    to_come = system.package([], day=date(2026, 9, 19))
    for sent, more, expected in (
        (package, {"key": ""}, (400, "EXCHANGE_PUSH_UNFIT")),
        (package, {"key": "a b"}, (400, "EXCHANGE_PUSH_UNFIT")),
        (package, {"content-type": "application/json"}, (400, "EXCHANGE_PUSH_UNFIT")),
        (package, {"limits": {"most_octets": 1000}}, (413, "EXCHANGE_TOO_LARGE")),
        (b"no package", {}, (422, "EXCHANGE_UNFIT")),
        (stranger.package(stranger.case("X1")), {}, (422, "EXCHANGE_UNFIT")),
        (changed.getvalue(), {}, (422, "EXCHANGE_UNFIT")),
        (early, {}, (425, "EXCHANGE_BATCH_EARLY")),
        (to_come, {}, (425, "EXCHANGE_BATCH_EARLY")),
    ):
        assert code(await push(stage, sent, **more)) == expected
    assert await ExchangeRecord.all().count() == 0


async def test_a_sender_that_was_revoked_and_an_address_that_asks_too_often_are_refused(
    stage: Stage, system: SendingSystem
):
    transport = wire(stage, per_minute=2)
    async with httpx.AsyncClient(transport=transport, base_url="http://city") as client:
        answers = [await client.post(PATH, content=b"") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert (code(answers[2])[1], answers[2].headers["retry-after"]) == ("EXCHANGE_TOO_OFTEN", "60")
    await stage.office.perform(RevokeSender(source_system="SJJ-YWXT"), THE_OPERATOR, key=None)
    assert (await push(stage, system.package(system.case()))).status_code == 403


# ------------------------------------------------------------------------------------------------------ the reporter
class Wire(httpx.AsyncBaseTransport):
    """To the city's door, while the city is there."""

    def __init__(self, county: "County") -> None:
        self._county, self._door = county, wire(county.stage)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._county.is_away:
            raise httpx.ConnectError("away")
        return await self._door.handle_async_request(request)


class County:
    """The stage as a county that reports to a city; the city is the same office, by another name."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.system = stage, SendingSystem(COUNTY)
        codec, consumers = EventCodec(EVENTS), (findings(), consumer(EVENTS, own="HENGJIANG"))
        outbox = Outbox(stage.database, codec, consumers)
        stage.office = Office(stage.desk, outbox=outbox, rules=RULES)
        stage.courier = Courier(stage.desk, outbox=outbox, codec=codec, consumers=consumers)
        stage.services = replace(stage.services, office=stage.office)
        stage.open_door()
        self.is_away = False

    async def start(self) -> None:
        await register(self.stage, self.system)
        self.reporter = self.anew()

    def anew(self) -> Reporter:
        """Another process takes over."""
        way = HttpsWay("http://localhost", transport=Wire(self))
        return Reporter(self.stage.database, self.stage.clock, way, self.speaker)

    def speaker(self) -> Speaker:
        return Speaker(key=self.system.key, chain=self.system.certificates)

    async def turn(self) -> None:
        """Events are delivered, and everything due is reported."""
        while await self.stage.courier.deliver():
            pass
        while await self.reporter.turn():
            pass

    async def reported(self) -> dict[str, list[str]]:
        rows = await ExchangeRecord.filter(source_system="HENGJIANG").order_by("id")
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row.projid, []).append(row.table_name)
        return found


@pytest.fixture
async def at_county(stage: Stage) -> County:
    county = County(stage)
    await county.start()
    return county


@pytest.mark.feature("EXCH-04")
async def test_what_happens_is_pushed_in_order_acknowledged_and_tried_again(at_county: County):
    stage = at_county.stage
    number = await stage.accepted()
    await at_county.turn()
    assert (await at_county.reported())[number] == ["apply", "accept", "material"]
    assert await ExchangeDue.all().count() == 0
    assert {row.state for row in await ExchangeReport.all()} == {"taken"}

    # The city is away: what happens waits in its order, however often it is tried.
    at_county.is_away = True
    stage.clock.advance(timedelta(hours=1))
    await stage.decide("OFF-0001", number, "AGREE")
    await at_county.turn()
    await stage.decide("OFF-0002", number, "AGREE")
    for _ in range(3):
        stage.clock.advance(timedelta(minutes=1))
        await at_county.turn()
    waiting = await ExchangeReport.get(state="waiting")
    assert (waiting.attempts, waiting.error) == (4, "UNREACHABLE ConnectError")
    assert len((await at_county.reported())[number]) == 3
    at_county.is_away = False
    at_county.reporter = at_county.anew()
    stage.clock.advance(timedelta(minutes=15))
    await at_county.turn()
    assert (await at_county.reported())[number] == ["apply", "accept", "material", "step", "step"]
    assert await ExchangeRecord.filter(source_system="HENGJIANG").exclude(flags="").count() == 0
    assert await ExchangeSaid.all().count() == 5


async def test_an_answer_that_was_lost_is_heard_again_and_nothing_is_taken_twice(at_county: County):
    await at_county.stage.accepted()
    await at_county.turn()
    report = await ExchangeReport.all().order_by("-id").first()
    assert report is not None
    package = (await at_county.stage.database.rows("SELECT answer FROM exchange_push ORDER BY id DESC LIMIT 1"))[0]
    assert f'"batch":"{report.batch}"' in str(package["answer"])
    before = await ExchangeRecord.all().count()
    # As if the process had died between the answer and its note.
    await ExchangeDue.create(kind="case", name=next(iter(await at_county.reported())), at=at_county.stage.clock.now())
    await at_county.turn()
    assert await ExchangeRecord.all().count() == before


async def test_a_report_that_is_refused_is_made_anew(at_county: County):
    stage = at_county.stage
    good = at_county.system.certificates
    stranger = SendingSystem(Sender(source_system="ELSEWHERE", org="ALL", region="430421"))
    at_county.system.certificates, key = good, at_county.system.key
    at_county.system.key = stranger.key  # a signature that the certificate does not fit
    await stage.accepted()
    await at_county.turn()
    report = await ExchangeReport.all().order_by("id").first()
    assert report is not None
    assert (report.state, report.error) == ("refused", "EXCHANGE_UNFIT")
    at_county.system.key = key
    stage.clock.advance(timedelta(minutes=1))
    await at_county.turn()
    assert {row.state for row in await ExchangeReport.all()} == {"taken"}
    assert len(await at_county.reported()) == 1


async def test_after_a_day_everything_said_of_it_is_proved(at_county: County):
    stage = at_county.stage
    await stage.accepted()
    await at_county.turn()
    stage.clock.set(utc("2026-09-19T00:10"))
    await at_county.turn()
    closing = await ExchangeReport.all().order_by("-id").first()
    assert closing is not None
    assert (str(closing.closes), closing.drifts, closing.state) == ("2026-09-18", 0, "taken")
    assert await drifts_on(stage.database, closing.day, "HENGJIANG") == {"HENGJIANG": []}
    # A row that got lost above is found the next day a row of that day is told.
    await stage.database.execute("DELETE FROM exchange_record WHERE table_name = 'material'")
    (drift,) = (await drifts_on(stage.database, closing.day, "HENGJIANG"))["HENGJIANG"]
    assert drift.table is Table.MATERIAL


async def test_a_level_that_reported_in_the_morning_and_fell_silent_is_missed(at_county: County):
    """What is said in the course of a day is no word on the whole of it."""
    stage = at_county.stage
    number = await stage.accepted()  # on Friday the 18th; Sunday the 20th is worked
    stage.clock.set(utc("2026-09-20T00:10"))
    await at_county.turn()
    stage.clock.set(utc("2026-09-20T10:00"))
    await stage.decide("OFF-0001", number, "AGREE")
    await at_county.turn()
    assert "step" in (await at_county.reported())[number]

    stage.clock.set(utc("2026-09-21T08:00"))  # nobody closed the 20th
    for _ in range(3):
        await stage.clock_does(WatchDays())
    assert [(gap.day, gap.healed_at) for gap in await ExchangeGap.all()] == [(date(2026, 9, 20), None)]
    await at_county.turn()
    assert (await ExchangeGap.get()).healed_at == stage.clock.now()


async def test_what_is_told_in_several_reports_is_closed_by_the_last_of_them(
    at_county: County, monkeypatch: pytest.MonkeyPatch
):
    """After an outage there is more than one holds; the others name the day that was closed before."""
    monkeypatch.setattr(upward, "_CASES", 1)
    await at_county.turn()
    for _ in range(3):
        await at_county.stage.accepted()
    at_county.stage.clock.set(utc("2026-09-20T00:10"))
    await at_county.turn()
    told = [(str(each.day), each.closes is not None) for each in await ExchangeReport.all().order_by("id")]
    assert told == [("2026-09-17", True), ("2026-09-17", False), ("2026-09-17", False), ("2026-09-19", True)]


async def test_what_came_from_below_goes_on_in_our_name(at_county: County):
    stage = at_county.stage
    market = SendingSystem()
    await register(stage, market, unit="SJJ")
    await deliver(stage, market.package(market.case()))
    await at_county.turn()
    assert list(await at_county.reported()) == ["SJJ-YWXT.A1"]
    case = await ExchangeCase.get(source_system="HENGJIANG")
    assert (case.projid, case.org, case.region, case.state) == ("SJJ-YWXT.A1", "SJJ", "430421", "finished")


async def test_batches_from_below_go_on_in_the_order_in_which_they_came(at_county: County):
    market = SendingSystem()
    await register(at_county.stage, market, unit="SJJ")
    for number in range(1, 12):  # past the ninth, whose number is shorter
        market.batch = f"B{number}"
        await deliver(at_county.stage, market.package([]))
    while await at_county.stage.courier.deliver():
        pass
    batches = [f"{each.id}:0" for each in await ExchangeBatch.all().order_by("id")]
    assert [each.name for each in await ExchangeDue.filter(kind="batch").order_by("id")] == batches


async def test_a_secret_case_is_never_reported(at_county: County):
    stage = at_county.stage
    await stage.accepted()
    await make_secret(stage.database)
    stage.clock.advance(timedelta(days=60))
    await stage.clock_does(TurnLights())
    await at_county.turn()
    assert await at_county.reported() == {}


# --------------------------------------------------------------------------------------------------------------- TLS
async def test_reports_go_only_to_whom_the_settings_trust(authority: Authority, tmp_path: Path):
    """A TLS server with a certificate of its own; who does not trust it sends it nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "city")])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    ours, other = tmp_path / "city.pem", tmp_path / "other.pem"
    ours.write_bytes(certificate.public_bytes(Encoding.PEM))
    other.write_bytes(authority.issuing.public_bytes(Encoding.PEM))
    secret = tmp_path / "city.key"
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ours, secret)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(7)
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        for trusted, expected in ((other, "UNREACHABLE ConnectError"), (ours, "HTTP_503")):
            way = HttpsWay(url, ca_file=str(trusted))
            with pytest.raises(NotTaken) as fault:
                await way.send(b"package", "0" * 64)
            await way.close()
            assert (fault.value.code, fault.value.anew) == (expected, False)
    assert len(heard) == 1
    assert b"idempotency-key: " + b"0" * 64 in heard[0].lower()
