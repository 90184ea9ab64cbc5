"""/metrics, scraped over HTTP from a whole system and read by Prometheus' own parsers."""

import asyncio
import re
from datetime import timedelta
from ipaddress import ip_network

import httpx
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain
from starlette.applications import Starlette
from starlette.routing import Route

from alerts.settling import Outcome
from alerts.tables import WaitingReceipt
from kernel.db import Database
from server import metrics as module
from server.doors import open_doors
from server.metrics import Metrics, door
from server.processes import Stop
from server.settings import DatabaseSettings, HttpSettings, Settings
from server.wiring import open_system
from sms.backlog import backlog
from sms.latency import Span
from sms.tables import CarrierRow, InboundMessage
from tests.contracts.sources import ROOT
from tests.sms.carrier_desk import put, running, simulated, smpp_carrier, until

RULES = ROOT / "docs" / "monitoring" / "zhangban.rules.yml"
LOOPBACK = [ip_network("127.0.0.0/8")]


class Scrape:
    def __init__(self, text: str, parser=plain) -> None:
        self.samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in parser(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.samples.get((f"zhangban_{name}", *sorted(labels.items())))

    @property
    def names(self) -> set[str]:
        return {str(key[0]) for key in self.samples}


async def scraped(metrics: Metrics, *, peer="127.0.0.1", accept="") -> httpx.Response:
    app = Starlette(routes=[Route("/metrics", door(metrics, LOOPBACK))])
    transport = httpx.ASGITransport(app=app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://office") as monitor:
        return await monitor.get("/metrics", headers={"Accept": accept})


async def test_a_running_system_is_scraped_and_says_what_happened(installed_url, clock, tmp_path):
    settings = Settings(data_dir=tmp_path, database=DatabaseSettings(url=installed_url), http=HttpSettings(port=0))
    async with open_system(settings, clock=clock) as system, open_doors(system, stop=Stop()) as doors:
        await put(system.database, clock, "【衡江政务服务】您的申请已受理。", "【衡江政务服务】" + "长" * 70)
        await until(system.database, delivered=2)
        async with httpx.AsyncClient() as monitor:
            answer = await monitor.get(f"http://127.0.0.1:{doors.http_port}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    seen = Scrape(answer.text)
    assert seen("database_up") == 1
    assert seen("carrier_up", carrier="simulator") == 1
    assert seen("carrier_taking", carrier="simulator") == 1
    assert seen("carrier_window", carrier="simulator") == 16
    assert seen("carrier_weight", carrier="simulator") == 10
    assert seen("carrier_texts_total", carrier="simulator", outcome=Outcome.SUBMITTED) == 2
    assert seen("carrier_parts_total", carrier="simulator") == 3
    assert seen("carrier_receipts_total", carrier="simulator", state="delivered") == 3
    for span in Span:
        seconds = f"carrier_{span}_seconds"
        parts = 2 if span.endswith("answer") else 3
        assert seen(f"{seconds}_count", carrier="simulator", urgency="ordinary") == parts
        assert seen(f"{seconds}_bucket", carrier="simulator", urgency="ordinary", le="86400.0") == parts
        assert seen(f"{seconds}_count", carrier="simulator", urgency="urgent") == 0
    assert seen("texts", state="queued") == 0
    assert seen("inbound_waiting") == 0
    assert "process_resident_memory_bytes" in seen.names
    assert any(name == "zhangban_build_info" for name in seen.names)


@pytest.fixture
def metrics(database: Database, clock) -> Metrics:
    return Metrics(database, clock, lambda: ())


async def test_the_queue_is_told_by_priority_and_class(metrics, database, clock):
    await put(database, clock, "【衡江】一", "【衡江】二", template="T11")
    await put(database, clock, "【衡江】三", template="T02")
    clock.advance(timedelta(minutes=3))
    seen = Scrape((await scraped(metrics)).text)
    assert seen("texts", state="queued") == 3
    assert (seen("texts_waiting", priority="4"), seen("texts_waiting", priority="1")) == (2, 1)
    assert seen("texts_waiting_by_class", priority="4", message_class="item") == 2
    assert seen("texts_oldest_due_seconds", priority="1") == 180


async def test_refusals_are_told_by_code_and_fault(database, clock):
    async with simulated(clock) as smsc:
        smsc.faults.error_every, smsc.faults.error_status = 1, 0x0A
        async with running(database, clock, smpp_carrier(smsc)) as gateway, asyncio.timeout(60):
            await put(database, clock, "【衡江】一")
            metrics = Metrics(database, clock, lambda: gateway.lanes)
            seen = Scrape("")
            while not seen("carrier_texts_total", carrier="east", outcome="again"):
                await asyncio.sleep(0.01)
                seen = Scrape((await scraped(metrics)).text)
    assert seen("carrier_refusals_total", carrier="east", code="ESME_RINVSRCADR", fault="technical") == 1
    assert seen("carrier_link_events_total", carrier="east", event="binds") == 1


async def test_a_person_waits_from_when_the_text_was_queued_and_the_carrier_is_measured_from_its_last_try(
    database, clock
):
    labels = {"carrier": "east", "urgency": "ordinary"}
    async with simulated(clock) as smsc:
        smsc.faults.error_every, smsc.faults.error_status = 1, 0x08
        async with running(database, clock, smpp_carrier(smsc)) as gateway:
            await put(database, clock, "【衡江】一")
            async with asyncio.timeout(60):
                while not gateway.lanes[0].outcomes[Outcome.AGAIN]:  # noqa: ASYNC110  counters have no bell
                    await asyncio.sleep(0.01)
            smsc.faults.clear()
            clock.advance(timedelta(hours=1))
            await until(database, delivered=1)
            seen = Scrape((await scraped(Metrics(database, clock, lambda: gateway.lanes))).text)
    waited_s = seen("carrier_queued_to_receipt_seconds_sum", **labels)
    due_s = seen("carrier_due_to_answer_seconds_sum", **labels)
    assert seen("carrier_queued_to_answer_seconds_sum", **labels) == waited_s == 3600
    assert due_s is not None
    assert due_s < 3600


async def test_receipts_that_matched_no_text_are_told_by_carrier(metrics, database, clock):
    for carrier, sms_id in (("east", "1"), ("east", "2"), ("west", "1")):
        await WaitingReceipt.create(carrier=carrier, sms_id=sms_id, state="delivered", at=clock.now())
    await CarrierRow.create(name="cloud", kind="mas")
    seen = Scrape((await scraped(metrics)).text)
    assert [seen("unmatched_receipts", carrier=each) for each in ("east", "west", "cloud")] == [2, 1, 0]


async def test_open_metrics_is_spoken_to_whoever_asks_for_it(metrics):
    answer = await scraped(metrics, accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert Scrape(answer.text, open_metrics)("database_up") == 1


@pytest.mark.parametrize(
    ("peer", "status"), [("127.0.0.9", 200), ("::ffff:127.0.0.1", 200), ("10.0.0.1", 404), ("x", 404)]
)
async def test_only_addresses_of_the_settings_may_look(metrics, peer, status):
    answer = await scraped(metrics, peer=peer)
    assert answer.status_code == status
    assert (status == 200) == ("zhangban_" in answer.text)


async def test_texts_from_people_are_counted_as_they_are_handled(metrics, database, clock, monkeypatch):
    monkeypatch.setattr(module, "_KEPT_S", 0.0)
    monkeypatch.setattr(module, "_SHARE", 0)

    async def handled(outcome: str, **columns) -> None:
        row = {"carrier": "east", "sender": "1", "receiver": "2", "text": "x", "received_at": clock.now()}
        await InboundMessage.create(**row, outcome=outcome, **columns)

    await handled("card", handled_at=clock.now() - timedelta(days=1))  # before this process began
    for _ in range(2):
        clock.advance(timedelta(seconds=1))
        await handled("card", handled_at=clock.now())
    await handled("")
    clock.advance(timedelta(minutes=1))
    seen = Scrape((await scraped(metrics)).text)
    assert (seen("inbound_handled_total", outcome="card"), seen("inbound_waiting")) == (2, 1)
    assert seen("inbound_oldest_seconds") == 60
    await handled("HELP", handled_at=clock.now())
    clock.advance(timedelta(minutes=1))
    seen = Scrape((await scraped(metrics)).text)
    assert (seen("inbound_handled_total", outcome="card"), seen("inbound_handled_total", outcome="HELP")) == (2, 1)


async def test_the_database_is_asked_at_most_every_five_seconds(metrics, database, monkeypatch):
    asked = 0

    async def counted(*args, **how):
        nonlocal asked
        asked += 1
        return await backlog(*args, **how)

    monkeypatch.setattr(module, "backlog", counted)
    for _ in range(5):
        await scraped(metrics)
    assert asked == 1


async def test_a_database_that_is_away_leaves_what_the_process_knows(database, clock, monkeypatch):
    async def away(*args, **how):
        raise OSError

    monkeypatch.setattr(module, "backlog", away)
    answer = await scraped(Metrics(database, clock, lambda: ()))
    seen = Scrape(answer.text)
    assert (answer.status_code, seen("database_up"), seen("texts", state="queued")) == (200, 0, None)
    assert "process_cpu_seconds_total" in seen.names


# ---------------------------------------------------------------------------------------------------------- rules
async def every_name(database, clock) -> set[str]:
    """Every family of a page on which everything has happened once."""
    async with simulated(clock) as smsc, running(database, clock, smpp_carrier(smsc)) as gateway:
        await put(database, clock, "【衡江】一")
        await until(database, delivered=1)
        names = Scrape((await scraped(Metrics(database, clock, lambda: gateway.lanes))).text).names
        text = (await scraped(Metrics(database, clock, lambda: gateway.lanes))).text
    return names | set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


async def test_a_ferry_that_cannot_be_looked_at_hides_no_text(database, clock):
    async def gone():
        raise FileNotFoundError("the folder of the ferry is not mounted")

    metrics = Metrics(database, clock, lambda: (), gone)
    await put(database, clock, "【衡江】一")
    seen = Scrape((await scraped(metrics)).text)
    assert seen("database_up") == 1
    assert seen("texts", state="queued") == 1
    assert not [name for name in seen.names if name.startswith("zhangban_ferry")]


async def test_the_alarm_rules_name_metrics_that_exist(database, clock):
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    known = await every_name(database, clock)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert " · " in rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        named = set(re.findall(r"zhangban_\w+", rule["expr"]))
        assert named, rule["alert"]
        assert named <= known, named - known


async def test_the_page_on_monitoring_lists_every_metric(database, clock):
    page = (ROOT / "docs" / "monitoring" / "README.md").read_text()
    listed = set(re.findall(r"^\| `(zhangban_\w+)", page, re.MULTILINE))
    known = {name for name in await every_name(database, clock) if name.startswith("zhangban_")}
    of_histograms = re.compile(r"(?<=_seconds)_(bucket|count|sum)$")
    assert listed == {of_histograms.sub("", name) for name in known if not name.endswith("_created")}
