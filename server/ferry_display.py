"""How `zhangban ferry` shows what it found, in both languages."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from casework.clock.working_days import CHINA
from ferry.ledger import Kind
from ferry.ledger_sheet import Sheet, Totals
from ferry.overview import Overview
from ferry.verifying import Report
from server.ferry_desk import KeySheet


def print_overviews(found: Sequence[Overview]) -> None:
    console = Console()
    if not found:
        console.print("未配置对端 · no peers in the settings")
    for each in found:
        heard = each.heard_at.astimezone(CHINA).strftime("%m-%d %H:%M:%S") if each.heard_at else "从未 · never"
        console.print(f"{each.peer}  最近消息 · heard {heard}  隔离 · quarantine {each.quarantined}"
                      f"  未应用 · poison {each.poison}")  # fmt: skip
        table = Table("通道 · lane", "状态", "已编号 · head", "已确认 · acked", "待发 · waiting", "已应用 · applied",
                      "缺 · missing", "冻结 · frozen")  # fmt: skip
        for lane in each.lanes:
            gaps = "、".join(f"{first}-{last}" for first, last in lane.missing[:5])
            table.add_row(
                lane.lane,
                lane.wanted,
                str(lane.head),
                str(lane.acked),
                str(lane.backlog.waiting),
                str(lane.applied),
                gaps,
                lane.frozen,
            )
        console.print(table)
        if each.mirrored_until is not None:
            until = each.mirrored_until.astimezone(CHINA).strftime("%m-%d %H:%M:%S")
            console.print(f"现状截至 · as of {until}  待发现状 · states to be told {each.untold}")
        for file in each.files:
            console.print(f"附件 · file {file.sha256[:16]}…  {file.state}  {file.size}", highlight=False)
        for alarm in each.alarms:
            console.print(f"  ! {alarm.concern} {alarm.lane or ''} {alarm.count or ''}".rstrip())


def print_ledgers(found: Sequence[Sheet]) -> None:
    console = Console()
    table = Table("对端 · peer", "方向", "日 · day", "结论 · verdict", "包 · parcels", "记录 · records",
                  "字节 · octets", "未应用 · refused", "另记 · aside")  # fmt: skip
    for each in found:
        counts = [
            here if here == there else f"{here} / {there}"
            for here, there in zip(_counts(each.ours), _counts(each.theirs), strict=True)
        ]
        aside = "  ".join(f"{name} {count}" for name, count in each.aside.items() if count)
        table.add_row(each.peer, _WAYS[each.way], str(each.day), _VERDICTS[each.state], *counts, aside)
    console.print(table)
    for each in found:
        if each.is_altered:
            console.print(f"  ! {each.peer} {each.day} {_WAYS[each.way]}：账页与日志不符 · altered since it was closed")
        for one in each.differences:
            numbers = f"{one.first}-{one.last}" if one.last > one.first else str(one.first or "")
            where = f"{one.lane} {numbers} {one.epoch[:8]}".strip()
            console.print(f"  {each.peer} {each.day} {_WAYS[each.way]}：{_KINDS[one.kind]} {where}".rstrip())


_WAYS = {"out": "发 · out", "in": "收 · in"}
_VERDICTS = {
    "equal": "一致 · equal", "different": "不符 · different", "accepted": "不符，已确认 · accepted",
    "open": "未了 · open", "alone": "单向，由对端核对 · told", "unknown": "尚无 · unknown",
}  # fmt: skip
_KINDS = {
    Kind.MISSING: "缺 · missing", Kind.EXTRA: "多 · extra", Kind.OTHER: "内容相异 · other content",
    Kind.TOTALS: "计数不符 · totals", Kind.UNTOLD: "退回未达来源 · refused, and the source does not know",
    Kind.UNHEARD: "未收到对端日账 · no ledger came",
}  # fmt: skip


def _counts(totals: Totals | None) -> list[str]:
    if totals is None:
        return ["—"] * 4
    return [str(count) for count in (totals.parcels, totals.records, totals.octets, totals.refused)]


def print_keys(sheet: KeySheet) -> None:
    console = Console()
    console.print(f"{sheet.zone or '—'}  口令字 · words: {sheet.words or '—'}")
    table = Table("端 · zone", "号 · no.", "状态 · state", "到期 · until", "天 · days", "证书 · certificate SHA-256")
    for key in sheet.keys:
        until = key.not_after.astimezone(CHINA).strftime("%Y-%m-%d") if key.not_after else ""
        days = "" if key.days_left is None else str(key.days_left)
        table.add_row(key.whose, str(key.number), key.state, until, days, key.certificate_sha256[:16])
    console.print(table)


def print_report(report: Report) -> None:
    console = Console()
    console.print(f"{report.file}：{'不合格 · refused ' + report.code if report.code else '合格 · good'}")
    if report.why:
        console.print(report.why)
    table = Table("", "", show_header=False, box=None)
    for name, value in (
        ("发送方 · sender", report.sender),
        ("接收方 · receiver", report.receiver),
        ("通道 · channel", report.channel),
        ("批次 · epoch", report.epoch),
        ("序号 · seq", report.seq or ""),
        ("证书 · certificate", f"{report.sender_certificate[:16]} {report.standing}"),
        ("字节 · octets", report.octets or ""),
        ("内容标识 · content_id", report.content_id),
        ("记录 · records", report.records if report.is_opened else ""),
        ("附件段 · pieces", report.pieces if report.is_opened else ""),
    ):
        table.add_row(name, str(value))
    console.print(table)
