"""The tables of `zhangban sms` for people: what a machine gets with --json, in the terminal."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.table import Column, Table

from alerts.billing import Bill, Charge
from alerts.by_hand import TextContent
from alerts.text_sheet import TextSheet
from alerts.texts import MessageClass
from server.terminal import as_it_stands, console, moment, span
from sms.status import CarrierStatus, Status

_CLASSES = {MessageClass.ITEM: "审批事项", MessageClass.NOTICE: "通知", MessageClass.WARNING: "预警"}
_STATES = {
    "held": "待时段 · held",
    "queued": "排队 · queued",
    "sending": "发送中 · sending",
    "unknown": "未知 · unknown",
    "submitted": "无回执 · no receipt yet",
}
_WANTED = {"running": "", "paused": "暂停", "drained": "断开"}


def class_name(message_class: str) -> str:
    """As people say it; empty for none."""
    return _CLASSES[MessageClass(message_class)] if message_class else ""


def print_status(found: Status) -> None:
    shown = console()
    seen = "从未 · never" if found.seen_at is None else f"{span((found.at - found.seen_at).total_seconds())} 前 · ago"
    serving = "服务运行中 · serving" if found.is_serving else "没有服务进程 · no server is running"
    shown.print(f"{moment(found.at)}  {serving}（{seen}）", style="bold" if found.is_serving else "bold red")
    _print_carriers(shown, found)
    _print_queue(shown, found)
    _print_troubles(shown, found)
    if not found.concerns:
        shown.print("一切正常 · all is well", style="green")
        return
    shown.print("须人处理 · needs a person", style="bold red")
    for concern in found.concerns:
        shown.print(as_it_stands(f"  {concern.code}  {concern.zh} · {concern.en}"))


def print_sheet(sheet: TextSheet, content: TextContent | None) -> None:
    """`content`: number and words, for whoever asked for them."""
    shown = console()
    table = Table("", Column(overflow="fold"), show_header=False, box=None)
    code = "，另含验证码 · and a code" if sheet.has_code else ""
    rows = {
        "编号 · text": sheet.id,
        "状态 · state": f"{sheet.state} {sheet.error}".strip(),
        "号码 · to": content.phone if content else sheet.phone,
        "模板 · template": f"{sheet.template} v{sheet.template_version}",
        "类别 · class": class_name(sheet.message_class),
        "长度 · length": f"{sheet.units}字，{sheet.parts}条{code}",
        "办件 · case": sheet.case_number or "—",
        "单位 · unit": sheet.unit_code or "—",
        "通道 · carrier": f"{sheet.carrier or '—'}，第{sheet.attempts}次 · try",
        "生成 · made": moment(sheet.created_at),
        "不早于 · not before": moment(sheet.send_after),
        "有效至 · good until": moment(sheet.expires_at),
        "提交 · submitted": moment(sheet.submitted_at),
        "结束 · finished": moment(sheet.finished_at),
        "代替 · in place of": sheet.stands_for or "—",
        "补发为 · sent again as": sheet.resent_as or "—",
        "内容清除 · struck out": moment(sheet.struck_out_at),
    }
    for name, value in rows.items():
        table.add_row(name, as_it_stands(value))
    if content:
        table.add_row("内容 · words", as_it_stands(content.words))
    shown.print(table)
    if sheet.sent:
        parts = _table(
            "分段 · part", "通道 · carrier", "编号 · id", "状态 · state", "提交 · submitted", "回执 · receipt"
        )
        for part in sheet.sent:
            state = as_it_stands(f"{part.state} {part.error}".strip())
            of = f"{part.seq}/{part.total}"
            times = (moment(part.submitted_at), moment(part.heard_at))
            parts.add_row(of, as_it_stands(part.carrier), as_it_stands(part.sms_id), state, *times)
        shown.print(parts)
    for deed in sheet.deeds:
        shown.print(as_it_stands(f"{moment(deed.at)}  {deed.what}  {deed.by or deed.actor}"))


def print_bill(counted: Bill) -> None:
    table = _table("单位 · unit", "通道 · carrier", "类别 · class")
    table.title = counted.month
    for name in ("短信 · texts", "条数 · parts", "送达 · delivered", "未送达 · failed", "无回执 · open"):
        table.add_column(_head(name), justify="right")
    for line in counted.lines:
        named = as_it_stands(f"{line.unit_name} {line.unit}".strip())
        message_class = class_name(line.message_class) or "—"
        table.add_row(named, as_it_stands(line.carrier), message_class, *_numbers(line.charge))
    table.add_section()
    table.add_row("合计 · total", "", "", *_numbers(counted.total))
    console().print(table)


# ------------------------------------------------------------------------------------------------------------ below


def _table(*names: str) -> Table:
    """Nothing in it is ever cut short: what does not fit goes on below."""
    return Table(*(Column(_head(name), overflow="fold") for name in names), box=None, padding=(0, 1, 0, 0))


def _head(name: str) -> str:
    """Both languages, one below the other."""
    return name.replace(" · ", "\n")


def _print_carriers(shown: Console, found: Status) -> None:
    """One line each, as wide as any terminal; below it what is wrong with them, in as many words as it takes."""
    table = _table("通道 · carrier", "类型 · kind", "状态 · state")
    for name in ("窗口 · window", "限速 · parts/s", "权重 · weight"):
        table.add_column(_head(name), no_wrap=True)
    for name in ("无回执 · open", ">1h", "未知 · unknown", "未达 · 24h", "沉默 · silent"):
        table.add_column(_head(name), justify="right", no_wrap=True)
    for carrier in found.carriers:
        rate = "—" if carrier.parts_per_s is None else f"{carrier.parts_per_s:g}"
        table.add_row(
            as_it_stands(carrier.name),
            as_it_stands(carrier.kind),
            as_it_stands(f"{_WANTED.get(carrier.wanted, carrier.wanted)} {carrier.state}".strip()),
            f"{carrier.in_flight}/{carrier.window}+{carrier.held_back}",
            rate,
            f"{carrier.effective_weight:g}/{carrier.weight}",
            str(carrier.receipts_outstanding),
            str(carrier.receipts_outstanding_over_1h),
            str(carrier.unknown),
            str(carrier.lost_last_day),
            "—" if carrier.silent_for_s is None else span(carrier.silent_for_s),
        )
    shown.print(table)
    for carrier in found.carriers:
        if troubles := "，".join(_troubles_of(carrier, found.at)):
            shown.print(as_it_stands(f"  {carrier.name}：{troubles}"))


def _troubles_of(carrier: CarrierStatus, now: datetime) -> Iterator[str]:
    if carrier.down_since:
        yield f"已中断 · down for {span((now - carrier.down_since).total_seconds())}"
    if carrier.paused_for_s:
        yield f"对方要求暂停 · told to wait {carrier.paused_for_s:.0f}s"
    if carrier.unreported_last_day:
        yield f"24小时内无回执而结束 · ended without a receipt: {carrier.unreported_last_day}"
    if carrier.last_error:
        at = f" {moment(carrier.last_error_at)}" if carrier.last_error_at else ""
        past = "（已恢复 · over）" if carrier.is_error_past else ""
        yield f"最近故障 · last error{at}: {carrier.last_error}{past}"


def _print_queue(shown: Console, found: Status) -> None:
    queue = found.queue
    totals = "  ".join(f"{_STATES.get(state, state)}: {n}" for state, n in queue.totals.items() if n)
    shown.print(f"短信 · texts  {totals or '无 · none'}")
    if queue.levels:
        table = _table("优先级 · priority")
        for name in ("等待 · waiting", "未到时间 · later", "最早 · oldest", *_CLASSES.values()):
            table.add_column(_head(name), justify="right")
        for level in queue.levels:
            waits = span((found.at - level.oldest_due_at).total_seconds()) if level.oldest_due_at else "—"
            classes = (str(level.by_class.get(each, 0)) for each in _CLASSES)
            table.add_row(str(level.priority), str(level.waiting), str(level.later), waits, *classes)
        shown.print(table)
    for name, each in (("上行短信 · texts from people", found.inbox), ("事件 · events", found.events)):
        oldest = f"，最早 · since {moment(each.oldest_at)}" if each.oldest_at else ""
        shown.print(f"{name}: 等待 · waiting {each.waiting}，失败 · stuck {each.stuck}{oldest}")


def _print_troubles(shown: Console, found: Status) -> None:
    if not found.troubles:
        return
    table = _table("通道 · carrier", "代码 · code", "类型 · fault", "含义 · meaning")
    for name in ("1h", "24h", "待重试 · to retry"):
        table.add_column(_head(name), justify="right")
    for trouble in found.troubles:
        meaning = f"{trouble.zh} · {trouble.en}" if trouble.zh else "—"
        words = map(as_it_stands, (trouble.carrier or "—", trouble.error, trouble.fault or "—", meaning))
        table.add_row(*words, str(trouble.last_hour), str(trouble.last_day), str(trouble.waiting))
    shown.print(table)


def _numbers(charge: Charge) -> tuple[str, ...]:
    return tuple(map(str, (charge.texts, charge.parts, charge.delivered, charge.failed, charge.open)))
