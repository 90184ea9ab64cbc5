"""`zhangban replay FILE.xes[.gz]`: a real log in a temporary office, with a progress bar on the error stream."""

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
from server import replay_exchange
from server.commands import JsonOption, reading_file, run
from server.replay import ReplayReport, Script, Stage, Watcher, play
from server.replay_exchange import Diary
from server.settings import DatabaseSettings, Settings
from server.wiring import open_system


class LogMissing(Refusal):
    code = "LOG_MISSING"
    zh = "未找到日志文件{path}。"
    en = "There is no log file {path}."


async def replay(
    path: Path,
    *,
    until: datetime | None = None,
    database_url: str | None = None,
    by_exchange: bool = False,
    watcher: Watcher | None = None,
) -> ReplayReport:
    """Replays the log up to `until` (default: its end), in a temporary database unless one is given.

    `by_exchange`: told in the standard's batches, and judged by its days, instead of at the log's own instants.
    Raises what reading the log refuses, LOG_MISSING, LOG_WITHOUT_DEADLINE, LOG_CASE_TWICE, DATABASE_IN_USE.
    """
    begun = time.perf_counter()
    log = _cases(path)
    script: Script | Diary = Diary.of(log) if by_exchange else Script.of(log, until)
    with tempfile.TemporaryDirectory(prefix="zhangban-replay-") as folder:
        url = database_url or f"sqlite://{folder}/replay.db?synchronous=OFF"
        settings = Settings(data_dir=Path(folder), database=DatabaseSettings(url=url))
        clock = FakeClock(script.begins_at)
        async with open_system(settings, clock=clock) as system:
            if isinstance(script, Diary):
                report = await replay_exchange.play(system, clock, script, until, watcher=watcher)
            else:
                unit = settings.supervision.supervision_unit
                stage = Stage(office=system.office, database=system.database, clock=clock, supervision_unit=unit)
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
    exchange: Annotated[
        bool,
        typer.Option(
            "--exchange", help="按数据交换标准逐日报送并据此判断 · Told in daily batches, judged by its days."
        ),
    ] = False,
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

        report = run(_replay(path, until, database, exchange, watcher))
    if as_json:
        typer.echo(msgspec.json.encode(report))
        return
    said = msgspec.to_builtins(report)
    course = said.pop("exchange") or {}
    table = Table("", "", show_header=False, box=None)
    for name, value in {**said, **{f"exchange.{name}": value for name, value in course.items()}}.items():
        table.add_row(name, _shown(value))
    Console().print(table)


def _shown(value: object) -> str:
    return ", ".join(f"{name} {n}" for name, n in value.items()) or "—" if isinstance(value, dict) else str(value)


async def _replay(
    path: Path, until: str | None, database: str | None, exchange: bool, watcher: Watcher
) -> ReplayReport:
    return await replay(path, until=_instant(until), database_url=database, by_exchange=exchange, watcher=watcher)


def _instant(text: str | None) -> datetime | None:
    """An instant without a zone is local time: who types it means the clock on the wall."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field="until", why=f"{text!r} 不是 ISO 8601 时间") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=CHINA)
