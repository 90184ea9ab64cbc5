"""`zhangban demo`: the story, told to a person or, with --once --json, to a machine."""

import json
import tempfile
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from pydantic import SecretStr
from rich.console import Console

from alerts.outgoing import Channel, words_with_code
from alerts.tables import Message
from casework.clock.working_days import CHINA
from casework.tables import Case
from certs.export import signature_files, signatures_of, write_files
from kernel.clock import FakeClock
from server.carrier_settings import SimulatorCarrier, SmppCarrier, SmsSettings
from server.carriers import SIMULATED_ACCESS_NUMBER
from server.commands import database_url, run
from server.demo import levels as levels_story
from server.demo import zones as zones_story
from server.demo.carrier import ForeignPeople, People, SimulatedPeople
from server.demo.phone import Api
from server.demo.story import CHAPTERS, Story
from server.demo.telling import Silent, Teller, Told
from server.doors import Doors, open_doors
from server.processes import Pace, Stop, stop_on_signals
from server.settings import ApiSettings, DatabaseSettings, HttpSettings, Settings
from server.wiring import System, open_system

#: Friday, the receipt day of most vectors of the legal clock.
_BEGINS = datetime(2026, 9, 18, 9, 0, tzinfo=CHINA)
#: The demo's clock jumps, so its loops look oftener than a server's.
_PACE = Pace(courier_s=0.05, timer_s=0.1)


def demo(
    once: Annotated[bool, typer.Option("--once", help="讲完即止 · End when the story is told.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="最后一行为 JSON · The last line is one JSON object.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="证据输出目录 · Folder for the evidence.")] = None,
    database: Annotated[
        str | None, typer.Option(callback=database_url, help="数据库 · Instead of a temporary SQLite.")
    ] = None,
    smpp: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="他人的短信中心 · Somebody else's SMSC.")
    ] = None,
    system_id: Annotated[str, typer.Option(help="SMPP 账号 · Account there.")] = "zhangban",
    password: Annotated[str, typer.Option(help="SMPP 口令 · Its password.")] = "",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="HTTP 端口，0 为任选 · 0 chooses one.")] = None,
    levels: Annotated[
        bool, typer.Option("--levels", help="三级联动：县、市、省三个进程 · Three levels, three processes.")
    ] = False,
    zones: Annotated[
        bool, typer.Option("--zones", help="内外网隔离：两个进程只共用一个目录 · Two zones that share only a folder.")
    ] = False,
) -> None:
    """讲一个县的故事：手机审批、亮灯发牌、短信确认与查询 · Tell the story of one county, then keep it running."""
    if levels:
        raise typer.Exit(0 if run(_tell_levels(as_json)) else 1)
    if zones:
        raise typer.Exit(0 if run(_tell_zones(once, as_json, out)) else 1)
    if port is None:
        port = 0 if once else 8000
    foreign = _foreign_carrier(smpp, system_id, password) if smpp else None
    told = run(_tell(once, as_json, out, database, foreign, port))
    raise typer.Exit(0 if told else 1)


async def _tell(
    once: bool, as_json: bool, out: Path | None, database: str | None, foreign: SmppCarrier | None, port: int
) -> bool:
    console = Console(stderr=as_json)
    teller: Teller = Silent() if as_json and not console.is_terminal else Told(console, CHAPTERS)
    clock, stop = FakeClock(_BEGINS), Stop()
    with tempfile.TemporaryDirectory(prefix="zhangban-demo-") as folder:
        settings = _settings(Path(folder), database, foreign, port)
        async with open_system(settings, clock=clock) as system, open_doors(system, stop=stop, pace=_PACE) as doors:
            api = Api(f"http://127.0.0.1:{doors.http_port}")
            story = Story(system=system, clock=clock, teller=teller, api=api, people=_people(doors), doors=doors)
            await story.run()
            if out is not None:
                await write_evidence(system, out)
            if as_json:
                typer.echo(json.dumps(await _report(system, story), ensure_ascii=False))
            if not once:
                stop_on_signals(stop)
                console.print(
                    f"\n[bold]http://localhost:{doors.http_port}/graphql[/]  Ctrl-C 结束 · to end", highlight=False
                )
                await stop.event.wait()
    return story.held


async def _tell_zones(once: bool, as_json: bool, out: Path | None) -> bool:
    console, stop = Console(stderr=as_json), Stop()
    teller: Teller = Silent() if as_json and not console.is_terminal else Told(console, CHAPTERS)
    with tempfile.TemporaryDirectory(prefix="zhangban-zones-") as folder:
        async with zones_story.telling(Path(folder), _BEGINS, teller) as story:
            await story.run()
            crossings = await story.zones.crossings()
            ages = zones_story.summary(crossings)
            for name, age in ages.items():
                teller.line(f"{name}：{age['count']}次，摆渡用时中位 {age['median_s']} 秒，最长 {age['max_s']} 秒")
            if out is not None:
                await write_evidence(story.system, out)
            if as_json:
                each = [msgspec.structs.asdict(crossing) for crossing in crossings]
                report = {**await _report(story.system, story), "crossings": each, "ages": ages}
                typer.echo(json.dumps(report, ensure_ascii=False))
            if not once:
                stop_on_signals(stop)
                console.print(
                    f"\n外网 [bold]{story.api.base_url}/graphql[/]  内网 [bold]{story.window.base_url}/graphql[/]"
                    "  Ctrl-C 结束 · to end",
                    highlight=False,
                )
                await stop.event.wait()
    return story.held


async def _tell_levels(as_json: bool) -> bool:
    console = Console(stderr=as_json)
    teller: Teller = Silent() if as_json and not console.is_terminal else Told(console, levels_story.CHAPTERS)
    with tempfile.TemporaryDirectory(prefix="zhangban-levels-") as folder:
        story = levels_story.LevelStory(folder=Path(folder), teller=teller)
        boards = await story.run()
    if as_json:
        typer.echo(json.dumps({"steps": [asdict(step) for step in story.steps], "levels": boards}, ensure_ascii=False))
    return story.held


def _settings(folder: Path, database: str | None, foreign: SmppCarrier | None, port: int) -> Settings:
    return Settings(
        demo=True,
        data_dir=folder,
        database=DatabaseSettings(url=database or f"sqlite://{folder}/zhangban.db"),
        http=HttpSettings(port=port),
        # A whole county enrols within a minute, from one address.
        api=ApiSettings(strangers_per_minute=10_000, requests_per_address=100_000, requests_per_minute=10_000),
        sms=SmsSettings(carriers=(foreign or SimulatorCarrier(),)),
    )


def _people(doors: Doors) -> People:
    for smsc in doors.simulators.values():
        return SimulatedPeople(smsc, SIMULATED_ACCESS_NUMBER)
    return ForeignPeople()


def _foreign_carrier(address: str, system_id: str, password: str) -> SmppCarrier:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not host:
        raise typer.BadParameter(f"{address!r} is not HOST:PORT")
    return SmppCarrier(
        kind="smpp",
        name="foreign",
        host=host,
        port=int(port),
        system_id=system_id,
        password=SecretStr(password),
        source_address=SIMULATED_ACCESS_NUMBER,
    )


async def write_evidence(system: System, out: Path) -> None:
    """`out/evidence/<case>/<n>/`: for every signed decision what plain openssl needs to verify it."""
    for number in await Case.all().order_by("number").values_list("number", flat=True):
        for n, record in enumerate(await signatures_of(str(number)), 1):
            files = await signature_files(system.authority, record.evidence)
            write_files(files, out / "evidence" / str(number) / str(n))


async def _report(system: System, story: Story) -> dict[str, object]:
    return {
        "steps": [asdict(step) for step in story.steps],
        "texts": await _texts(system),
        "cases": await Case.all().order_by("number").values("number", "status", "item_name", "outcome"),
    }


async def _texts(system: System) -> list[dict[str, object]]:
    """Every MT as it left, with its state. Codes are shown: this is a demo, and they are used up."""
    rows = await Message.filter(channel=Channel.SMS).order_by("id")
    return [
        {
            "to": row.to_phone,
            "text": words_with_code(row.body, row.secret, system.secrets),
            "parts": row.parts,
            "state": row.state,
        }
        for row in rows
    ]
