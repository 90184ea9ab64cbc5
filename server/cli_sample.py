"""`zhangban load-sample`: fills an empty office with sample cases, with a progress bar on the error stream."""

import json
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from server.commands import ConfigOption, JsonOption, database_url, run, settings_of
from server.desk import load_county
from server.sample import load_sample
from server.settings import DatabaseSettings
from server.wiring import open_system


def command(
    cases: Annotated[int, typer.Option(min=1, max=10_000_000, help="样例办件数 · How many cases.")],
    config: ConfigOption = None,
    database: Annotated[
        str | None,
        typer.Option(callback=database_url, help="另一数据库地址 · Another database."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """装入样例办件，供演练和压力测试，不发短信 · Sample cases to exercise and measure on; nobody is texted.

    The sample county is loaded first where the catalogue is empty. An office with real cases is refused.
    """
    settings = settings_of(config)
    if database is not None:
        settings = settings.model_copy(update={"database": DatabaseSettings(url=database)})
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    begun = time.perf_counter()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        bar = progress.add_task("样例办件 · sample cases", total=cases)

        async def load() -> int:
            async with open_system(settings) as system:
                await load_county(system)
                return await load_sample(
                    system, cases, watcher=lambda done, total: progress.update(bar, completed=done, total=total)
                )

        here = run(load())
    seconds = time.perf_counter() - begun
    if as_json:
        typer.echo(json.dumps({"loaded": cases, "cases": here, "seconds": round(seconds, 1)}))
        return
    typer.echo(f"已装入 {cases:,} 件样例，库中共 {here:,} 件，用时 {seconds:.0f} 秒 · {cases / seconds:,.0f} cases/s")
