"""`zhangban statistics`: the numbers of docs/statistics.md at the command line, as a table, CSV or JSON.

Only reads, and counts what every unit has: whoever may log in at the server may see the database anyway.
"""

import csv
import io
from datetime import date, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from tortoise.exceptions import OperationalError

from casework.clock.calendars import read_calendar
from casework.clock.working_days import day_of
from kernel.clock import SystemClock
from kernel.db import Database
from server.commands import ConfigOption, JsonOption, database_url, refuse_absent, run, settings_of
from server.config_file import Problem, SettingsRefused
from server.wiring import TABLES
from supervision.statistics import (
    DIMENSION_NAMES,
    NUMBERS,
    Colour,
    Dimension,
    Figures,
    PeriodOf,
    Result,
    StatisticsFilter,
    statistics,
)


def command(
    by: Annotated[
        list[Dimension] | None, typer.Option(help="按什么分组，可多次给出 · Group by; may be given several times.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="起始日（含） · First day.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="截止日（含） · Last day.")] = None,
    period_of: Annotated[
        PeriodOf, typer.Option(help="期间指收件、受理还是办结 · The day that a period asks about.")
    ] = PeriodOf.RECEIVED,
    unit: Annotated[str | None, typer.Option(help="单位代码 · Code of the unit.")] = None,
    item: Annotated[str | None, typer.Option(help="事项编码 · Code of the item.")] = None,
    item_class: Annotated[str | None, typer.Option(help="类别 · permit, approval or service.")] = None,
    grade: Annotated[str | None, typer.Option(help="档次 · A to D.")] = None,
    channel: Annotated[str | None, typer.Option(help="来源 · online, window or self_built.")] = None,
    light: Annotated[Colour | None, typer.Option(help="亮过的最重的灯 · The worst light.")] = None,
    card: Annotated[Colour | None, typer.Option(help="生效的最重的牌 · The worst card in effect.")] = None,
    result: Annotated[Result | None, typer.Option(help="结果 · What became of the case.")] = None,
    today: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="以哪天判断超期 · Open cases are overdue by this day.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="输出 CSV（UTF-8，Excel 可打开） · As CSV.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    database: Annotated[
        str | None, typer.Option(callback=database_url, help="数据库地址 · Another database, a backup for instance.")
    ] = None,
) -> None:
    """统计办件 · Count cases by any dimension; what each number counts is written in docs/statistics.md."""
    dimensions = list(dict.fromkeys(by or ()))
    only = StatisticsFilter(
        since=since.date() if since else None,
        until=until.date() if until else None,
        period_of=period_of,
        unit=unit,
        item=item,
        item_class=item_class,
        grade=grade,
        channel=channel,
        light=light,
        card=card,
        result=result,
    )
    counted_on = today.date() if today else day_of(SystemClock().now())
    rows = run(_counted(database or settings_of(config).database.url, only, dimensions, counted_on))
    if as_json:
        named = [{"keys": dict(zip(dimensions, row.keys, strict=True)), **_numbers(row)} for row in rows]
        typer.echo(msgspec.json.encode({"rows": named}))
    elif as_csv:
        typer.echo("\ufeff" + in_csv(rows, dimensions), nl=False)
    else:
        table = Table(*_header(dimensions))
        for row in rows:
            table.add_row(*_cells(row))
        Console().print(table)


def in_csv(rows: list[Figures], by: list[Dimension]) -> str:
    """One line per row under a line of names; what has no value is empty."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(_header(by))
    writer.writerows(map(_cells, rows))
    return written.getvalue()


async def _counted(url: str, only: StatisticsFilter, by: list[Dimension], today: date) -> list[Figures]:
    """Only reads: a database that is not there is not made, and a backup stays at its version."""
    refuse_absent(url)
    database = await Database.open(url, modules=TABLES)
    try:
        calendar = await read_calendar(database)
        return await statistics(database, today=today, calendar=calendar, only=only, by=by)
    except OperationalError:
        raise SettingsRefused([Problem("database.url", "数据库中没有办件表", "this database has no cases")]) from None
    finally:
        await database.close()


def _header(by: list[Dimension]) -> list[str]:
    return [*(DIMENSION_NAMES[dimension] for dimension in by), *NUMBERS.values()]


def _numbers(row: Figures) -> dict[str, int | str | None]:
    return {name: getattr(row, name) for name in NUMBERS}


def _cells(row: Figures) -> list[str]:
    return [*row.keys, *("" if value is None else str(value) for value in _numbers(row).values())]
