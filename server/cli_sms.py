"""`zhangban sms`: how texts are doing, what carriers are asked to do, single texts, and what each unit is to be billed.

`status` and `bill` only read. Everything else goes through the office as THE_OPERATOR's act and stands in the log.
Exit code of `status`, as monitoring plugins have it: 0 all is well, 1 something needs a person, 2 asked wrongly.
"""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from alerts.billing import Bill, Charge, bill, month_of
from alerts.by_hand import KEPT_BECAUSE, ResentTexts, lost_texts
from alerts.states import State
from alerts.text_sheet import text_sheet
from casework.clock.working_days import CHINA
from kernel.clock import SystemClock
from server.commands import ConfigOption, JsonOption, at_work, database_url, reading, run, settings_of
from server.sms_display import class_name, print_bill, print_sheet, print_status
from server.text_desk import ask_carrier, resend_texts, send_text, view_text
from server.wiring import System
from sms.backlog import DEAD_SINCE
from sms.orders import Wanted
from sms.status import Status, status

T = TypeVar("T")

sms_app = typer.Typer(help="短信 · Texts: carriers, the queue, single texts, bills.", no_args_is_help=True)

CarrierArgument = Annotated[str, typer.Argument(metavar="CARRIER", help="通道名称 · As in the settings file.")]
TextArgument = Annotated[int, typer.Argument(metavar="ID", min=1, help="短信编号 · The number of a text.")]
WaitOption = Annotated[
    float, typer.Option("--wait", min=0, max=3600, help="最多等几秒 · Wait so long for the outcome.")
]
DatabaseOption = Annotated[
    str | None, typer.Option(callback=database_url, help="数据库地址 · Another database, a backup for instance.")
]

_LOOK_EVERY_S = 0.5
_DAY = "%Y-%m-%d"


@sms_app.command("status")
def show_status(as_json: JsonOption = False, config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """通道、队列、故障、待处理事项；须人处理则以 1 退出 · Carriers, queue, troubles; exit 1 if a person is needed"""

    async def read() -> Status:
        async with reading(database or settings_of(config).database.url) as opened:
            return await status(opened, now=SystemClock().now())

    found = run(read())
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        print_status(found)
    raise typer.Exit(0 if found.is_well else 1)


# ------------------------------------------------------------------------------------------------------- carriers
@sms_app.command("pause")
def pause(carrier: CarrierArgument, wait: WaitOption = 0, config: ConfigOption = None) -> None:
    """暂停发送，回执和上行短信照收 · Send nothing more; receipts and texts from people are still taken."""
    _ask(carrier, Wanted.PAUSED, wait, config)


@sms_app.command("resume")
def resume(carrier: CarrierArgument, wait: WaitOption = 0, config: ConfigOption = None) -> None:
    """恢复 · Go on after a pause or a drain."""
    _ask(carrier, Wanted.RUNNING, wait, config)


@sms_app.command("drain")
def drain(carrier: CarrierArgument, wait: WaitOption = 0, config: ConfigOption = None) -> None:
    """发完在途短信后断开，直到恢复 · Finish what is under way, unbind, and stay away until it is resumed."""
    _ask(carrier, Wanted.DRAINED, wait, config)


# ---------------------------------------------------------------------------------------------------- single texts
@sms_app.command("send")
def send(
    to: Annotated[str, typer.Option("--to", metavar="PHONE", help="手机号码 · The phone.")],
    words: Annotated[str, typer.Option("--text", help="内容，签名自动加在前面 · The words; the signature is added.")],
    at_once: Annotated[bool, typer.Option("--now", help="不等静默时段结束 · Even in quiet hours.")] = False,
    wait: WaitOption = 0,
    config: ConfigOption = None,
) -> None:
    """发一条短信，按频控排队，并告知条数 · Queue one text; --wait tells its fate."""

    async def queue() -> State | None:
        async with at_work(config) as system:
            queued = await send_text(system, to, words, at_once=at_once)
            typer.echo(f"短信 · text {queued.text}：{queued.parts}条 · parts")
            until_due_s = (queued.send_after - system.clock.now()).total_seconds()
            if until_due_s > 0:
                typer.echo(f"最早发出 · not before {queued.send_after.astimezone(CHINA):%Y-%m-%d %H:%M}")
                if not at_once:
                    typer.echo("急需发出请加 --now · with --now it does not wait for that", err=True)
            return await _fate(system, queued.text, wait if until_due_s < wait else 0) if wait else State.DELIVERED

    raise typer.Exit(0 if run(queue()) is State.DELIVERED else 1)


@sms_app.command("show")
def show(
    text: TextArgument,
    full: Annotated[
        bool, typer.Option("--full", help="号码和内容，查阅留痕 · Number and words; the view is logged.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """一条短信的状态、分段、回执、操作记录 · One text: states, parts, receipts, and what people did to it."""

    async def look() -> None:
        async with at_work(config) as system:
            content = await view_text(system, text) if full else None
            sheet = await text_sheet(system.database, text)
            if as_json:
                more = {"to": content.phone, "words": content.words} if content else {}
                typer.echo(msgspec.json.encode({**msgspec.structs.asdict(sheet), **more}))
            else:
                print_sheet(sheet, content)

    run(look())


@sms_app.command("resend")
def resend(
    text: Annotated[int | None, typer.Argument(metavar="ID", min=1, help="短信编号 · The number of a text.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="所有未送达的 · All that were lost.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option(formats=[_DAY], help="自哪天起未送达，默认七天 · Lost since; seven days if not given."),
    ] = None,
    carrier: Annotated[str, typer.Option(help="只限这个通道的 · Of this carrier only.")] = "",
    even_if_unknown: Annotated[
        bool, typer.Option("--even-if-unknown", help="结果未知的也补发，对方可能收到两次 · Somebody may read it twice.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """补发未送达的短信；已送达的、确认码已失效的不补发 · Send lost texts again, never what arrived."""
    if (text is None) != dead:
        raise typer.BadParameter("ID 与 --dead 二者选一 · either an ID or --dead")

    async def again() -> ResentTexts:
        async with at_work(config) as system:
            first = since.replace(tzinfo=CHINA) if since else system.clock.now() - DEAD_SINCE
            chosen = [text] if text else await lost_texts(system.database, since=first, carrier=carrier)
            return await resend_texts(system, chosen, even_if_unknown=even_if_unknown)

    answer = run(again())
    typer.echo(f"补发 · sent again: {len(answer.resent)}  未补发 · kept back: {len(answer.kept)}")
    for each in answer.resent:
        typer.echo(f"{each.text} → {each.as_text}")
    for kept in answer.kept:
        typer.echo(f"{kept.text}：{' · '.join(KEPT_BECAUSE[kept.why])}", err=True)


# ------------------------------------------------------------------------------------------------------------ bills
@sms_app.command("bill")
def show_bill(
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="月份 · The month.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="输出 CSV（UTF-8，Excel 可打开） · As CSV.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """按单位、通道、类别统计当月计费条数 · Parts of a month by unit, carrier and class."""

    async def count() -> Bill:
        first = month_of(month)
        async with reading(database or settings_of(config).database.url) as opened:
            return await bill(opened, first)

    counted = run(count())
    if as_json:
        typer.echo(msgspec.json.encode(counted))
    elif as_csv:
        typer.echo("\ufeff" + in_csv(counted), nl=False)
    else:
        print_bill(counted)


def in_csv(counted: Bill) -> str:
    """One line per unit, carrier and class under a line of names."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(["月份", "单位代码", "单位", "通道", "类别", "短信", "条数", "送达", "未送达", "无回执"])
    for line in counted.lines:
        keys = (counted.month, line.unit, line.unit_name, line.carrier, class_name(line.message_class))
        writer.writerow([*keys, *_numbers(line.charge)])
    return written.getvalue()


# ------------------------------------------------------------------------------------------------------------ below


def _numbers(charge: Charge) -> tuple[int, ...]:
    return charge.texts, charge.parts, charge.delivered, charge.failed, charge.open


def _ask(carrier: str, wanted: Wanted, wait: float, config: Path | None) -> None:
    async def ask() -> bool:
        async with at_work(config) as system:
            asked_at = system.clock.now()
            await ask_carrier(system, carrier, wanted)
            typer.echo(f"{carrier}：{_WISHES[wanted]}")
            if not wait:
                return True

            async def obeyed() -> bool | None:
                return await is_obeyed(system, carrier, wanted, asked_at) or None

            return await _within(wait, obeyed) or False

    if not run(ask()):
        typer.echo("到时仍未执行 · not obeyed within that time", err=True)
        raise typer.Exit(1)
    if wait:
        typer.echo("已执行 · obeyed")


_WISHES = {
    Wanted.RUNNING: "要求恢复 · asked to go on",
    Wanted.PAUSED: "要求暂停 · asked to pause",
    Wanted.DRAINED: "要求断开 · asked to drain",
}


async def is_obeyed(system: System, carrier: str, wanted: Wanted, asked_at: datetime) -> bool:
    """Whether the gateway, since it was asked, has said of itself what was wanted."""
    found = await status(system.database, now=system.clock.now())
    for each in found.carriers:
        if each.name == carrier and each.seen_at is not None and each.seen_at > asked_at:
            if wanted is Wanted.RUNNING:
                return each.effective_weight > 0
            return each.effective_weight == 0 and each.sending == 0 and each.in_flight == 0
    return False


async def _fate(system: System, text: int, wait: float) -> State | None:
    async def ended() -> State | None:
        sheet = await text_sheet(system.database, text)
        return State(sheet.state) if sheet.is_final else None

    fate = await _within(wait, ended)
    sheet = await text_sheet(system.database, text)
    error = f"（{sheet.error}）" if sheet.error else ""
    typer.echo(f"状态 · state: {sheet.state}{error}")
    return fate


async def _within(wait: float, look: Callable[[], Awaitable[T | None]]) -> T | None:
    """What `look` comes to see within `wait` seconds."""
    for _ in range(max(1, int(wait / _LOOK_EVERY_S))):
        if (seen := await look()) is not None:
            return seen
        await asyncio.sleep(_LOOK_EVERY_S)
    return await look()
