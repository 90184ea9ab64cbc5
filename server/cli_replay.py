"""`zhangban replay FILE.xes[.gz]`: a real log in a temporary office, with a progress bar on the error stream."""

import json
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from casework.clock.working_days import CHINA
from casework.intake.xes import ForeignCase, read_log
from kernel.clock import FakeClock
from kernel.refusals import Invalid, Refusal
from server.commands import JsonOption, reading_file, run
from server.replay import ReplayReport, Script, Stage, Watcher, play
from server.settings import DatabaseSettings, Settings
from server.wiring import open_system


class LogMissing(Refusal):
    code = "LOG_MISSING"
    zh = "未找到日志文件{path}。"
    en = "There is no log file {path}."


async def replay(
    path: Path, *, until: datetime | None = None, database_url: str | None = None, watcher: Watcher | None = None
) -> ReplayReport:
    """Replays the log up to `until` (default: its last timestamp), in a temporary database unless one is given.

    Raises what reading the log refuses, LOG_MISSING, LOG_WITHOUT_DEADLINE, LOG_CASE_TWICE, DATABASE_IN_USE.
    """
    begun = time.perf_counter()
    script = Script.of(_cases(path), until)
    with tempfile.TemporaryDirectory(prefix="zhangban-replay-") as folder:
        url = database_url or f"sqlite://{folder}/replay.db?synchronous=OFF"
        settings = Settings(data_dir=Path(folder), database=DatabaseSettings(url=url))
        clock = FakeClock(script.begins_at)
        async with open_system(settings, clock=clock) as system:
            stage = Stage(
                office=system.office,
                database=system.database,
                clock=clock,
                supervision_unit=settings.supervision.supervision_unit,
            )
            report = await play(stage, script, watcher=watcher)
    return msgspec.structs.replace(report, seconds=round(time.perf_counter() - begun, 3))


def _cases(path: Path) -> list[ForeignCase]:
    if not path.is_file():
        raise LogMissing(path=path.name)
    with reading_file(path):
        return list(read_log(path))


def command(
    path: Annotated[Path, typer.Argument(metavar="FILE.xes[.gz]", help="XES 事件日志 · An XES event log.")],
    until: Annotated[
        str | None,
        typer.Option(help="重放到何时（ISO 8601，缺时区按北京时间），默认日志末尾 · Where to stop; the log's end."),
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="空数据库地址，默认临时库 · An empty database; by default a temporary one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """在模拟时间中重放真实办件日志，由同一巡检亮灯 · Replay a real log; the server's own sweep turns the lights."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("重放 · replay", total=None)

        def watcher(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        report = run(_replay(path, until, database, watcher))
    if as_json:
        typer.echo(json.dumps(msgspec.structs.asdict(report)))
        return
    table = Table("", "", show_header=False, box=None)
    for name, value in msgspec.structs.asdict(report).items():
        table.add_row(name, str(value))
    Console().print(table)


async def _replay(path: Path, until: str | None, database: str | None, watcher: Watcher) -> ReplayReport:
    return await replay(path, until=_instant(until), database_url=database, watcher=watcher)


def _instant(text: str | None) -> datetime | None:
    """An instant without a zone is local time: who types it means the clock on the wall."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field="until", why=f"{text!r} 不是 ISO 8601 时间") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=CHINA)
