"""What `zhangban exchange` shows a person: the verdict on a file, how the exchange stands, where two sides differ."""

import msgspec
import typer
from rich.table import Table

from ferry.exchange.checking import Report
from ferry.exchange.faults import Verdict, fault
from ferry.exchange.status import ExchangeStatus
from ferry.exchange.tallies import Drift
from server.terminal import as_it_stands, console, moment

NAMES = {
    Verdict.ACCEPTED: "接收",
    Verdict.FLAGGED: "标记",
    Verdict.HELD: "暂存",
    Verdict.IGNORED: "忽略",
    Verdict.REJECTED: "退回",
}


def show(report: Report, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        print_report(report)


def print_report(report: Report) -> None:
    for fact in report.facts:
        place = " ".join(filter(None, (fact.part, f"#{fact.line}" if fact.line else "", fact.rid, fact.column)))
        said = fault(fact.code)
        shown = as_it_stands(f"{place} {said.zh} · {said.en} [{fact.code}]".strip())
        console().print(f"[{'red' if fact.verdict is Verdict.REJECTED else 'yellow'}]{NAMES[fact.verdict]}[/]", shown)
    hidden = sum(report.codes.values()) - len(report.facts)
    if hidden:
        typer.echo(f"另有{hidden}处未列出 · and {hidden} more")
    counts = "，".join(f"{name}{report.verdicts.get(verdict, 0)}" for verdict, name in NAMES.items())
    typer.echo(f"{report.rows}条：{counts}")
    if report.sender is not None:
        believed = {None: "未核对根证书", True: "根证书可信", False: "根证书不认可"}[report.believed]
        typer.echo(f"签名者：{report.sender.source_system}（{report.sender.org}，{report.sender.region}），{believed}")
    typer.echo("合格 · conforms" if report.conforms else "不合格 · does not conform")


def print_status(found: ExchangeStatus) -> None:
    above = found.above
    if above.waiting or above.taken or above.due:
        until = above.complete_until or "—"
        typer.echo(
            f"上报：待整理{above.due}项，在途{above.waiting}批，已送达{above.taken}批，对账至{until}，退回{above.rejected}条"
        )
    if above.batch:
        typer.echo(f"  {above.batch}：{moment(above.since)}起，已试{above.attempts}次，{above.error or '待送'}")
    table = Table("来源系统", "名称", "区划", "对账至", "缺报天数", "对账不符天数", "最近报送")
    for each in found.below:
        table.add_row(
            *map(as_it_stands, (each.source, each.name, each.region, each.complete_until or "—")),
            *map(str, (each.missing_days, each.days_that_differ)),
            moment(each.heard_at),
        )
    if table.row_count:
        console().print(table)


def print_drifts(found: dict[str, list[Drift]]) -> None:
    table = Table("来源系统", "部门", "数据表", "报送方条数", "我方条数", "报送方办件", "我方办件")
    for source, drifts in found.items():
        for drift in drifts:
            theirs, ours = drift.theirs, drift.ours
            table.add_row(
                as_it_stands(source),
                as_it_stands(drift.org),
                drift.table,
                *(str(each.count) if each else "—" for each in (theirs, ours)),
                *(str(each.cases) if each else "—" for each in (theirs, ours)),
            )
    if table.row_count:
        console().print(table)
    typer.echo(
        "；".join(f"{source}：{len(drifts)}处不符" for source, drifts in found.items()) or "当日没有数据 · nothing"
    )
