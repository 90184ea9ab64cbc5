"""`zhangban sms`, as an operator types it: on an installation that is there, and once against one that runs."""

import asyncio
import csv
import io
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from alerts.tables import Message, MessagePart
from casework.clock.working_days import CHINA
from kernel.clock import SystemClock
from kernel.db import Database
from kernel.tables import Unit
from server.doors import open_doors
from server.processes import Stop
from server.settings import DatabaseSettings, HttpSettings, Settings
from server.text_desk import account
from server.wiring import TABLES, System, open_system
from sms.carriers import Condition
from sms.tables import CarrierRow
from tests.contracts.sources import ROOT
from tests.server.test_cli_clock import zhangban
from tests.standing import stand_anew

PHONE = "13800138000"


class Site:
    """An installation: settings by the environment, rows by hand, commands typed."""

    def __init__(self, url: str, folder) -> None:
        self.settings = Settings(data_dir=folder, database=DatabaseSettings(url=url), http=HttpSettings(port=0))
        self.environment = {"ZHANGBAN_DATABASE__URL": url, "ZHANGBAN_DATA_DIR": str(folder)}

    def typed(self, *arguments: str):
        return zhangban("sms", *arguments, **self.environment)

    def fills(self, fill: Callable[[System], Awaitable[None]]) -> None:
        async def run() -> None:
            async with open_system(self.settings) as system:
                await fill(system)

        asyncio.run(run())

    def rows(self, sql: str) -> list[dict[str, object]]:
        async def read() -> list[dict[str, object]]:
            database = await Database.open(self.settings.database.url, modules=TABLES)
            try:
                return await database.rows(sql)
            finally:
                await database.close()

        return asyncio.run(read())


@pytest.fixture
def site(installed_url: str, tmp_path) -> Site:
    return Site(installed_url, tmp_path)


async def nothing(system: System) -> None:
    """An empty installation: `serve` makes one, `sms` does not."""


async def carrier(system: System, **columns) -> None:
    told = Condition(state="bound", window=10, counts={"Accepted": 3})
    row = {
        "kind": "smpp",
        "weight": 10,
        "effective_weight": 10.0,
        "seen_at": system.clock.now(),
        "condition": msgspec.json.encode(told).decode(),
    }
    await CarrierRow.create(**{"name": "east", **row, **columns})


async def text(system: System, number: int, state="failed", **columns) -> None:
    now = system.clock.now()
    row = {
        "dedupe_key": f"cli:{number}",
        "channel": "sms",
        "message_class": "item",
        "priority": 4,
        "template": "T11_ACCEPTED",
        "template_version": 1,
        "to_phone": PHONE,
        "body": "【衡江政务服务】您的申请已受理。",
        "state": state,
        "created_at": now,
        "send_after": now,
        "expires_at": now + timedelta(days=1),
        "carrier": "east",
        "error": "ESME_RINVDSTADR" if state == "failed" else "",
        "finished_at": now if state == "failed" else None,
    }
    await Message.create(**{**row, **columns})
    await stand_anew(system.database)


# --------------------------------------------------------------------------------------------------------- status
def test_all_well_is_0_and_a_table(site):
    async def fill(system: System) -> None:
        await carrier(system)
        await text(system, 1)

    site.fills(fill)
    result = site.typed("status")
    assert result.exit_code == 0, result.output
    for word in ("服务运行中", "east", "smpp", "bound", "10/10", "ESME_RINVDSTADR", "目的号码无效", "一切正常"):
        assert word in result.stdout, word
    assert PHONE not in result.stdout


def test_the_json_is_one_object_of_the_documented_shape(site):
    async def fill(system: System) -> None:
        await carrier(system)
        await text(system, 1, state="queued")

    site.fills(fill)
    result = site.typed("status", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["is_well"], found["concerns"]) == (0, True, [])
    assert found["carriers"][0]["counts"] == {"Accepted": 3}
    assert found["queue"]["totals"]["queued"] == 1
    assert found["queue"]["levels"][0]["by_class"] == {"item": 1}
    page = (ROOT / "docs" / "monitoring" / "README.md").read_text()
    for name in (*found, *found["carriers"][0], *found["queue"], *found["queue"]["levels"][0], *found["inbox"]):
        assert f"`{name}`" in page, f"docs/monitoring/README.md does not say what {name} is"


def test_whoever_needs_a_person_exits_with_1_and_says_why(site):
    async def fill(system: System) -> None:
        await carrier(system, seen_at=system.clock.now() - timedelta(minutes=5))

    site.fills(fill)
    result = site.typed("status")
    assert result.exit_code == 1
    assert "没有服务进程" in result.stdout
    assert "NOT_SERVING" in result.stdout
    assert [each["code"] for each in json.loads(site.typed("status", "--json").stdout)["concerns"]] == ["NOT_SERVING"]


def test_status_makes_no_database_and_a_wrong_question_is_2(tmp_path):
    absent = f"sqlite://{tmp_path}/none.db"
    result = zhangban("sms", "status", "--database", absent)
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert zhangban("sms", "status", "--colour", "red").exit_code == 2
    assert zhangban("sms", "status", "--database", "mysql://x").exit_code == 2
    (tmp_path / "empty.db").touch()
    result = zhangban("sms", "status", "--database", f"sqlite://{tmp_path}/empty.db")
    assert (result.exit_code, "database.url" in result.stderr) == (1, True)


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_is_read_on_any_terminal_and_names_are_never_cut(site, width, monkeypatch):
    async def fill(system: System) -> None:
        now = system.clock.now()
        told = Condition(
            state="closed",
            window=1000,
            waiting=50,
            parts_per_s=200,
            last_error="cannot connect: timeout",
            last_error_at=datetime(2026, 9, 17, 19, 2, tzinfo=UTC),
            is_error_past=True,
        )
        down = {"condition": msgspec.json.encode(told).decode(), "down_since": now - timedelta(hours=3)}
        await carrier(system, name="a-name-of-20-letters", kind="mas-db", wanted="drained", **down)
        await text(system, 1, state="queued", send_after=now - timedelta(hours=1))

    site.fills(fill)
    monkeypatch.setattr("server.sms_display.console", lambda: Console(width=width))
    found = site.typed("status").stdout
    for words in (
        "0/1000+50",
        "2026-09-18 03:02:00: cannot connect: timeout（已恢复 · over）",
        "3h00m",
        "carrier",
        "weight",
        "a-name-of-20-letters：",
    ):
        assert words in " ".join(found.split()), words
    assert "…" not in found
    assert max(cell_len(line) for line in found.splitlines() if "QUEUE_SLOW" not in line) <= width


# ------------------------------------------------------------------------------------------------------- carriers
def test_a_wish_is_written_down_with_whose_it_was(site):
    site.fills(carrier)
    for command, wanted in (("pause", "paused"), ("drain", "drained"), ("resume", "running")):
        result = site.typed(command, "east")
        assert result.exit_code == 0, result.output
        assert site.rows("SELECT wanted FROM carrier") == [{"wanted": wanted}]
    events = site.rows("SELECT body, actor FROM event WHERE subject = 'carrier:east' ORDER BY seq")
    assert {event["actor"] for event in events} == {"system:operator"}
    assert [json.loads(str(event["body"]))["wanted"] for event in events] == ["paused", "drained", "running"]
    assert all(json.loads(str(event["body"]))["by"] for event in events)


def test_a_carrier_that_is_not_there_is_refused_and_one_that_does_not_obey_is_told(site):
    site.fills(carrier)
    result = site.typed("pause", "west")
    assert (result.exit_code, "UNKNOWN_CARRIER" in result.stderr, "east" in result.stderr) == (1, True, True)
    result = site.typed("pause", "east", "--wait", "0.1")
    assert (result.exit_code, "not obeyed" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("sms", "pause", "east"),
        ("sms", "send", "--to", PHONE, "--text", "测试"),
        ("sms", "show", "1"),
        ("sms", "resend", "1"),
        ("evidence", "show", "EV00000001"),
        ("evidence", "export", "EV00000001", "e.zip"),
        ("evidence", "verify", "EV00000001"),
    ],
)
def test_in_the_wrong_folder_no_installation_is_made(tmp_path, arguments):
    result = zhangban(
        *arguments,
        ZHANGBAN_DATABASE__URL=f"sqlite://{tmp_path}/var/zhangban.db",
        ZHANGBAN_DATA_DIR=str(tmp_path / "var"),
    )
    assert (result.exit_code, "no such database file" in result.stderr) == (1, True), result.output
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------------------- single texts
def test_a_text_is_queued_with_its_parts_told(site):
    site.fills(nothing)
    result = site.typed("send", "--to", PHONE, "--text", "长" * 70, "--now")
    assert result.exit_code == 0, result.output
    assert "2条" in result.stdout
    [row] = site.rows("SELECT body, state, parts FROM message")
    assert (str(row["body"])[:9], row["state"], row["parts"]) == ("【衡江政务服务】长", "queued", 2)
    result = site.typed("send", "--to", PHONE, "--text", "430481199001011234")
    assert (result.exit_code, "TEXT_REFUSED" in result.stderr) == (1, True)
    assert site.typed("send", "--to", PHONE).exit_code == 2


def test_the_fate_of_a_text_that_nobody_sends_is_told_after_the_wait(site):
    site.fills(nothing)
    result = site.typed("send", "--to", PHONE, "--text", "测试", "--now", "--wait", "0.1")
    assert result.exit_code == 1
    assert "state: queued" in result.stdout


def test_in_quiet_hours_nobody_waits_for_the_morning_and_is_told_how_it_goes_at_once(site):
    site.fills(nothing)
    now = SystemClock().now().astimezone(CHINA)
    begins, ends = now - timedelta(hours=1), now + timedelta(hours=2)
    site.environment |= {
        "ZHANGBAN_ALERTS__QUIET_FROM": f"{begins:%H:%M}",
        "ZHANGBAN_ALERTS__QUIET_UNTIL": f"{ends:%H:%M}",
    }
    began = time.monotonic()
    result = site.typed("send", "--to", PHONE, "--text", "测试", "--wait", "3600")
    assert (result.exit_code, "--now" in result.stderr) == (1, True), result.output
    assert "state: held（quiet hours）" in result.stdout
    assert time.monotonic() - began < 600


def test_one_text_is_shown_masked_and_in_full_only_with_a_trace(site):
    async def fill(system: System) -> None:
        await text(system, 1)

    site.fills(fill)
    shown = site.typed("show", "1")
    assert shown.exit_code == 0, shown.output
    assert "138****8000" in shown.stdout
    assert PHONE not in shown.stdout
    assert "已受理" not in shown.stdout
    assert site.rows("SELECT tag FROM event WHERE subject = 'text:1'") == []
    full = site.typed("show", "1", "--full", "--json")
    found = json.loads(full.stdout)
    assert (found["to"], found["words"], found["phone"]) == (PHONE, "【衡江政务服务】您的申请已受理。", "138****8000")
    [deed] = found["deeds"]
    assert (deed["what"], deed["by"]) == ("text.viewed", account())
    assert f"text.viewed  {account()}" in site.typed("show", "1").stdout
    absent = site.typed("show", "99")
    assert (absent.exit_code, absent.stderr.startswith("未找到短信99。")) == (1, True)


def test_lost_texts_go_again_one_or_all(site):
    async def fill(system: System) -> None:
        for number in range(1, 4):
            await text(system, number)
        await text(system, 4, state="delivered")
        await text(system, 5, carrier="west")
        await text(system, 6, finished_at=system.clock.now() - timedelta(days=30))

    site.fills(fill)
    one = site.typed("resend", "1")
    assert (one.exit_code, "1 → 7" in one.stdout) == (0, True), one.output
    refused = site.typed("resend", "4")
    assert (refused.exit_code, "已送达" in refused.stderr) == (1, True)
    rest = site.typed("resend", "--dead", "--carrier", "east")
    assert "sent again: 2" in rest.stdout, rest.output
    everything = site.typed("resend", "--dead", "--since", "2020-01-01")
    assert "sent again: 2" in everything.stdout, everything.output
    assert site.rows("SELECT COUNT(*) AS n FROM message WHERE state = 'held'") == [{"n": 5}]
    assert site.typed("resend").exit_code == 2
    assert site.typed("resend", "1", "--dead").exit_code == 2


# ------------------------------------------------------------------------------------------------------------ bills
def test_a_month_is_billed_as_a_table_as_csv_and_as_json(site):
    async def fill(system: System) -> None:
        await Unit.create(code="ZJJ", name="住房和城乡建设局", short_name="住建局", kind="authority")
        for number, unit in ((1, "ZJJ"), (2, "")):
            await text(system, number, state="submitted", unit_code=unit)
            for seq in (1, 2):
                await MessagePart.create(
                    message_id=number,
                    seq=seq,
                    total=2,
                    carrier="east",
                    sms_id=f"{number}{seq}",
                    state="delivered",
                    submitted_at=datetime(2026, 10, 9, tzinfo=UTC),
                )

    site.fills(fill)
    table = site.typed("bill", "--month", "2026-10")
    assert table.exit_code == 0, table.output
    assert "住房和城乡建设局" in table.stdout
    found = json.loads(site.typed("bill", "--month", "2026-10", "--json").stdout)
    assert found["total"] == {"texts": 2, "parts": 4, "delivered": 4, "failed": 0, "open": 0}
    lines = list(csv.reader(io.StringIO(site.typed("bill", "--month", "2026-10", "--csv").stdout.lstrip("\ufeff"))))
    assert lines[0][:5] == ["月份", "单位代码", "单位", "通道", "类别"]
    assert lines[2] == ["2026-10", "ZJJ", "住房和城乡建设局", "east", "审批事项", "1", "2", "2", "0", "0"]
    assert site.typed("bill", "--month", "2026-13").exit_code == 1
    assert site.typed("bill").exit_code == 2


# ------------------------------------------------------------------------------------------- against one that runs
async def test_a_running_server_sends_what_is_typed_and_obeys(site):
    async with open_system(site.settings, clock=SystemClock()) as system, open_doors(system, stop=Stop()):
        sent, paused, status = await typed_apart(
            site,
            ("send", "--to", PHONE, "--text", "测试短信。", "--now", "--wait", "60"),
            ("pause", "simulator", "--wait", "60"),
            ("status", "--json"),
        )
        assert (sent[0], "state: delivered" in sent[1]) == (0, True), sent
        assert (paused[0], "已执行" in paused[1]) == (0, True), paused
        found = json.loads(status[1])
        [simulator] = found["carriers"]
        assert (simulator["wanted"], simulator["effective_weight"], simulator["is_up"]) == ("paused", 0, True)
        assert (status[0], [each["code"] for each in found["concerns"]]) == (1, ["ALL_STOPPED"])


TYPES_THEM = """
import json, sys
from typer.testing import CliRunner
from server.__main__ import app
results = [CliRunner().invoke(app, ["sms", *words]) for words in json.load(sys.stdin)]
print(json.dumps([(result.exit_code, result.stdout, result.stderr) for result in results]))
"""


async def typed_apart(site: Site, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """One after another in another process, as beside a server; exit code and both outputs of each."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TYPES_THEM),
        cwd=ROOT,
        env={**site.environment, "PATH": "", "PYTHONUTF8": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps(commands).encode())
    return [tuple(result) for result in json.loads(out)]
