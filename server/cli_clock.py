"""`zhangban clock` and `zhangban calendar`: due dates by the law's own count, and the days they are counted in.

A notice on holidays is imported here, approved by two officers whom the operator names; both stand in the log.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table
from tortoise.exceptions import OperationalError

from casework.clock import ledger as clock
from casework.clock.arrangements import MOST_OCTETS, CalendarRefused
from casework.clock.calendars import FIRST_YEAR, LAST_YEAR, builtin_calendar, read_calendar, seed_rows
from casework.clock.simulation import simulate
from casework.clock.time_limits import Limits, dues_on, red_at, remaining, yellow_at
from casework.clock.working_days import CHINA, Calendar, day_of
from kernel.clock import SystemClock
from kernel.db import Database
from kernel.refusals import Refusal
from server.commands import ConfigOption, JsonOption, content_of, refused, run, settings_of
from server.desk import import_calendar
from server.settings import Settings
from server.wiring import TABLES, open_system, sqlite_file

clock_app = typer.Typer(help="法定时限 · The legal clock.", no_args_is_help=True)
calendar_app = typer.Typer(help="工作日历 · The working-day calendar.", no_args_is_help=True)

Officer = Annotated[str, typer.Option(metavar="ID")]


@clock_app.command()
def due(
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="受理日 · Day of acceptance, not counted.")],
    limit: Annotated[int, typer.Option(min=1, max=5000, help="时限（工作日） · Limit in working days.")],
    stop: Annotated[
        list[str] | None, typer.Option(help="特殊程序 起:止 · Excluded time S:E, the days of (S, E].")
    ] = None,
    extend: Annotated[int, typer.Option(min=0, help="延长工作日数 · Working days of extension, at most 10.")] = 0,
    today: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="今天 · Count from this day.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """推算办结期限 · The due date, the remaining working days and whether the calendar is provisional.

    行政许可法第四十二、四十五、八十二条。 Administrative Licensing Law, art. 42, 45, 82. With --config, by the calendar
    of that installation; without, by the built-in one.
    """
    calendar = run(_installed(settings_of(config))) if config else builtin_calendar()
    counted_from = today.date() if today else day_of(SystemClock().now())
    try:
        answer = _due(calendar, start.date(), limit, [_period(text) for text in stop or ()], extend, counted_from)
    except Refusal as refusal:
        raise refused(refusal) from None
    if as_json:
        typer.echo(json.dumps(answer))
        return
    table = Table("", "", show_header=False, box=None)
    for name, value in answer.items():
        table.add_row(name, str(value))
    Console().print(table)


@clock_app.command("simulate")
def simulate_histories(
    cases: Annotated[int, typer.Option(min=1, max=1_000_000, help="历史件数 · How many histories.")] = 10_000,
    seed: Annotated[int, typer.Option(help="随机种子 · The same seed, the same histories.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """随机历史与逐日推算对照，有差异则以 1 退出 · Random histories against a day-by-day count that shares no code.

    受理、特殊程序（含超时）、延期、并联时限、日历变更、办结。
    Starts, stoppages with overruns, extensions, joint limits, changed calendars, ends.
    """
    found = simulate(cases=cases, seed=seed, days=seed_rows())
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        typer.echo(f"核对 · checked: {found.checked}  比较 · comparisons: {found.comparisons}")
        typer.echo(f"差异 · differences: {found.differences}")
        for example in found.examples:
            typer.echo(example, err=True)
    raise typer.Exit(0 if found.differences == 0 else 1)


@calendar_app.command("show")
def show(
    year: Annotated[int, typer.Argument(metavar="YEAR", min=FIRST_YEAR, max=LAST_YEAR)],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """一年的工作日、调休上班日、放假的工作日 · A year: working days, make-up days, weekdays off, and who says so."""
    shown = _year(run(_installed(settings_of(config))), year)
    if as_json:
        typer.echo(msgspec.json.encode(shown))
        return
    table = Table("", Column(overflow="fold"), show_header=False, box=None)
    table.add_row("年份 · year", str(shown.year))
    table.add_row("工作日 · working days", str(shown.working_days))
    table.add_row("调休上班 · make-up days", _listed(shown.makeup_days))
    table.add_row("工作日放假 · weekdays off", _listed(shown.weekdays_off))
    table.add_row("依据 · source", "；".join(shown.sources))
    table.add_row("暂定 · provisional", "是 · yes" if shown.provisional else "否 · no")
    Console().print(table)


@calendar_app.command("import")
def import_notice(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON、CSV。")],
    approve_as: Annotated[str, typer.Option(metavar="ID", help="确认人 · The officer who approves.")],
    second: Annotated[str, typer.Option(metavar="ID", help="复核人，须为另一人 · Another officer, who does too.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """导入国务院放假通知，重算全部未办结期限 · Import a notice; every open deadline is found anew, with its reason.

    有错则指出每一处、一处也不导入。导入对运行中的服务立即生效。
    Names everything that is wrong, or imports it all. A running server takes it up within seconds.
    """

    async def imported() -> None:
        content = content_of(file, MOST_OCTETS + 1)  # enough to see that it is too long
        async with open_system(settings_of(config)) as system:
            try:
                view, cases = await import_calendar(system, content, first=approve_as, second=second)
            except CalendarRefused as wrong:
                raise _named(wrong) from None
            if as_json:
                typer.echo(msgspec.json.encode({**msgspec.structs.asdict(view), "recalculated_cases": cases}))
                return
            typer.echo(f"{view.year}：工作日 · working days {view.working_days}，改变 · changed {view.changed_days}")
            typer.echo(f"重算办件 · cases found anew: {cases}")

    try:
        run(imported())
    except CalendarRefused as wrong:
        raise _named(wrong) from None


@dataclass(frozen=True, kw_only=True)
class Year:
    """What one year of the calendar says. `sources`: the notices its days rest on."""

    year: int
    version: int
    working_days: int
    provisional: bool
    makeup_days: tuple[date, ...]
    weekdays_off: tuple[date, ...]
    sources: tuple[str, ...]


def _year(calendar: Calendar, number: int) -> Year:
    first, last = date(number, 1, 1), date(number, 12, 31)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return Year(
        year=number,
        version=calendar.version,
        working_days=sum(calendar.is_working_day(day) for day in days),
        provisional=any(calendar.is_provisional(day) for day in days),
        makeup_days=tuple(day for day in days if day.weekday() >= 5 and calendar.is_working_day(day)),
        weekdays_off=tuple(day for day in days if day.weekday() < 5 and not calendar.is_working_day(day)),
        sources=tuple(dict.fromkeys(calendar.source_of(day) for day in days)),
    )


async def _installed(settings: Settings) -> Calendar:
    """The calendar of an installation as it is, without opening it; the built-in one where there is none yet."""
    file = sqlite_file(settings.database.url)
    if file is not None and not file.exists():
        return builtin_calendar()
    database = await Database.open(settings.database.url, modules=TABLES)
    try:
        return await read_calendar(database)
    except OperationalError:
        return builtin_calendar()  # never started, or by an older program
    finally:
        await database.close()


def _named(wrong: CalendarRefused) -> typer.Exit:
    """Every problem on a line of its own."""
    problems = wrong.details["problems"]
    for problem in problems if isinstance(problems, list) else []:
        typer.echo(problem, err=True)
    typer.echo(f"[{wrong.code}]", err=True)
    return typer.Exit(1)


def _listed(days: tuple[date, ...]) -> str:
    return "、".join(f"{day:%m-%d}" for day in days) or "无"


def _due(
    calendar: Calendar, start: date, limit: int, stops: list[tuple[date, date]], extend: int, today: date
) -> dict[str, object]:
    entries: list[clock.Entry] = [clock.Started(day=start)]
    if extend:
        entries.append(
            clock.Extended(
                day=start, working_days=extend, approver=clock.Approver.HEAD_OF_AUTHORITY, reason="—", notice="—"
            )
        )
    for number, (after, until) in enumerate(stops, 1):
        ground = clock.StopGround.EXPERT_REVIEW
        entries.append(clock.Stopped(day=after, ground=ground, notice=str(number), told_until=until))
    ledger = clock.replay(entries)
    found = dues_on(ledger, Limits(statutory=limit, committed=limit), calendar).committed
    return {
        "start": start.isoformat(),
        "limit": limit,
        "due": found.day.isoformat(),
        "remaining": remaining(ledger, limit, calendar, today),
        "provisional": found.provisional,
        "yellow_at": yellow_at(found.day, calendar).astimezone(CHINA).isoformat(),
        "red_at": red_at(found.day).astimezone(CHINA).isoformat(),
        "today": today.isoformat(),
    }


def _period(text: str) -> tuple[date, date]:
    after, colon, until = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return date.fromisoformat(after), date.fromisoformat(until)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not S:E, two dates such as 2026-09-22:2026-10-12") from None
