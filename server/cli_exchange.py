"""`zhangban exchange`: case data in the standard case-exchange/1, checked, taken in, written and compared.

`check` is for whoever writes a system that reports: it needs no database, no settings and nobody's consent.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
from cryptography import x509
from rich.table import Table

from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import day_of
from ferry.exchange.acts import BatchView, SenderView
from ferry.exchange.checking import check as judged
from ferry.exchange.profiles.register import PROFILES
from ferry.exchange.profiles.xes import Item
from ferry.exchange.reconciling import drifts_on
from ferry.exchange.rules import Sender
from ferry.exchange.senders import senders
from ferry.exchange.status import ExchangeStatus, exchange_status, rejected_rows
from ferry.exchange.tallies import Drift
from kernel.clock import SystemClock
from kernel.refusals import Refusal
from server import exchange_desk
from server.archive.checking import read_root
from server.archive.refusals import ArchiveFileUnusable
from server.commands import ConfigOption, JsonOption, misconfigured, reading, refused, run, settings_of
from server.config_file import SettingsRefused
from server.exchange_desk import Wanted, WantedOfLog
from server.exchange_display import NAMES, print_drifts, print_status, show
from server.terminal import as_it_stands, console, moment
from server.wiring import open_system
from supervision.coverage import ExemptionView, exemptions

app = typer.Typer(help="数据交换 · Case data in the standard case-exchange/1.", no_args_is_help=True)
sender_app = typer.Typer(help="数据报送证书 · Systems that may send, by their certificates.", no_args_is_help=True)
exemption_app = typer.Typer(help="使用豁免 · Units that need not use the unified system.", no_args_is_help=True)
app.add_typer(sender_app, name="sender")
app.add_typer(exemption_app, name="exemption")

_DAY = ["%Y-%m-%d"]


class Form(StrEnum):
    ZIP = "zip"
    JSONL = "jsonl"
    XML = "xml"


FileArgument = Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="文件 · The file.")]


# ------------------------------------------------------------------------------------------------------------- files
@app.command("check")
def check(
    file: FileArgument,
    root: Annotated[
        Path | None, typer.Option(dir_okay=False, help="根证书，核对签名者是谁 · Root certificate, PEM: who signed.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """离线核对数据文件，逐条指出行、数据项和代码 · Judge a file offline; name every row, column and code, exit 1."""
    try:
        trusted = _root(root) if root is not None else None
        with _usable(file), file.open("rb") as source:
            report = judged(source, calendar=builtin_calendar(), root=trusted)
    except Refusal as refusal:
        raise refused(refusal) from None
    show(report, as_json=as_json)
    raise typer.Exit(0 if report.conforms else 1)


@app.command("import")
def import_file(
    file: FileArgument,
    receipts: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="回执写到何处，每条一行 · Where receipts go, one line for each row."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """接收已登记系统签名的批次，可重复执行 · Take in a signed batch, or what is left of it; exit 1: rows refused."""

    async def taken() -> BatchView:
        with _usable(file):
            async with open_system(settings_of(config)) as system:
                with file.open("rb") as source:
                    if receipts is None:
                        return await exchange_desk.take(system, source)
                    with _whole(receipts) as out:
                        return await exchange_desk.take(system, source, out)

    batch = run(taken())
    if as_json:
        typer.echo(msgspec.json.encode(batch))
    else:
        counts = "，".join(f"{name}{getattr(batch, verdict)}" for verdict, name in NAMES.items())
        typer.echo(
            f"{batch.source_system} {batch.batch}（{batch.day}）：{batch.rows}条，{counts}，对账不符{batch.drifts}处"
        )
    raise typer.Exit(1 if batch.rejected or batch.drifts else 0)


@app.command("export")
def export(
    file: FileArgument,
    since: Annotated[datetime, typer.Option("--from", formats=_DAY, help="起始日（含） · First day.")],
    until: Annotated[datetime, typer.Option("--to", formats=_DAY, help="截止日（含） · Last day.")],
    unit: Annotated[str | None, typer.Option(help="单位代码，默认全部 · Code of the unit; all by default.")] = None,
    form: Annotated[Form, typer.Option("--format", help="zip 为签名批次 · zip: a signed batch.")] = Form.ZIP,
    profile: Annotated[
        str | None, typer.Option(help=f"按旧标准写出 · In an older standard: {', '.join(PROFILES)}.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="接收方签发的证书 · Issued by who will receive it.")
    ] = None,
    batch: Annotated[str, typer.Option(help="批次号 · Name of the batch.")] = "",
    config: ConfigOption = None,
) -> None:
    """导出本系统办件，不含涉密 · Write our own cases in the standard; secret ones never."""
    chosen = PROFILES.get(profile or "")
    if profile is not None and chosen is None:
        raise typer.BadParameter(f"{profile!r} is none of {', '.join(PROFILES)}")
    signed = form is Form.ZIP and chosen is None
    if signed and certificate is None:
        raise typer.BadParameter("a signed batch needs --certificate; or --format jsonl")
    if until < since:
        raise typer.BadParameter("--to is before --from")
    wanted = Wanted(since=since.date(), until=until.date(), unit=unit, batch=batch)

    async def written() -> int:
        with _usable(file):
            async with open_system(settings_of(config)) as system:
                with _whole(file) as out:
                    if certificate is not None and signed:
                        return await exchange_desk.write_signed(system, out, wanted, certificate, "jsonl")
                    return await exchange_desk.write_plain(system, out, wanted, form=form, profile=chosen)

    typer.echo(f"{run(written())}条 · rows → {file}")


@app.command("from-log")
def from_log(
    log: Annotated[Path, typer.Argument(metavar="LOG.xes[.gz]", dir_okay=False, help="XES 事件日志 · An event log.")],
    file: FileArgument,
    certificate: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="接收方签发的证书 · Certificate.")],
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="证书的私钥（PEM） · Its private key.")],
    since: Annotated[
        datetime | None, typer.Option("--from", formats=_DAY, help="起始日（含），默认日志开头 · First day.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=_DAY, help="截止日（含），默认今天 · Last day.")
    ] = None,
    item: Annotated[str, typer.Option(help="办件的事项编码 · Code of the item.")] = Item().code,
    item_name: Annotated[str, typer.Option(help="事项名称 · Its name.")] = Item().name,
    batch: Annotated[str, typer.Option(help="批次号 · Name of the batch.")] = "",
    as_json: JsonOption = False,
) -> None:
    """把自建系统的事件日志写成签名批次，不需要数据库 · An event log as a signed batch; exit 1: unfit."""
    if since is not None and until is not None and until < since:
        raise typer.BadParameter("--to is before --from")
    wanted = WantedOfLog(
        since=since.date() if since else None,
        until=until.date() if until else None,
        batch=batch,
        item=Item(code=item, name=item_name),
    )
    with _refusing(), _usable(log), _whole(file) as out:
        report = exchange_desk.write_log(out, log, wanted, certificate, key, SystemClock().now())
        if not report.conforms:
            show(report, as_json=as_json)
            raise typer.Exit(1)
    show(report, as_json=as_json)


@app.command("reconcile")
def reconcile(
    day: Annotated[datetime, typer.Option(formats=_DAY, help="业务发生日 · Day of the events.")],
    system: Annotated[str | None, typer.Option(help="来源系统，默认全部 · One source system; all by default.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """对账：报送方的条数和摘要，与本系统收到的 · What senders say they hold and what we hold; exit 1 if unlike."""

    async def compared() -> dict[str, list[Drift]]:
        async with reading(settings_of(config).database.url) as database:
            return await drifts_on(database, day.date(), system)

    found = run(compared())
    if as_json:
        typer.echo(msgspec.json.encode({"day": day.date(), "systems": found}))
    else:
        print_drifts(found)
    raise typer.Exit(1 if any(found.values()) else 0)


@app.command("status")
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """报送与接收状况 · What goes up and comes from below; exit 1 when something needs a person."""

    async def asked() -> tuple[ExchangeStatus, list[tuple[str, str]]]:
        async with reading(settings_of(config).database.url) as database:
            return await exchange_status(database, now=SystemClock().now()), await rejected_rows(20)

    found, rejected = run(asked())
    if as_json:
        reasons = {batch: msgspec.Raw(rows.encode()) for batch, rows in rejected if rows}
        typer.echo(msgspec.json.encode({"above": found.above, "below": found.below, "rejected": reasons}))
    else:
        print_status(found)
    raise typer.Exit(1 if found.needs_somebody else 0)


# ----------------------------------------------------------------------------------------------------------- senders
@sender_app.command("request")
def request_certificate(
    out: Annotated[Path, typer.Option(dir_okay=False, help="写到何处 · Where to.")], config: ConfigOption = None
) -> None:
    """为本系统生成证书申请，交接收方 · A certificate request of this system, for whoever will receive its data."""

    async def made() -> bytes:
        async with open_system(settings_of(config)) as system:
            return exchange_desk.own_request(system)

    request = run(made())
    with _refusing(), _usable(out):
        out.write_bytes(request)
    typer.echo(f"→ {out}")


@sender_app.command("add")
def add(
    source_system: Annotated[str, typer.Argument(metavar="SYSTEM", help="来源系统 · What its rows call it.")],
    org: Annotated[str, typer.Option(help="部门代码，下级政府为 ALL · Organisation; ALL: a level of government.")],
    region: Annotated[str, typer.Option(help="行政区划代码 · Code of the region; 430400 covers 430421.")],
    name: Annotated[str, typer.Option(help="系统名称 · What people call it.")],
    csr: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="证书申请（PEM） · Its request, PKCS#10.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="证书写到何处 · Where its certificate goes.")],
    unit: Annotated[str, typer.Option(help="本系统中的单位代码 · The unit whose cases these are.")] = "",
    config: ConfigOption = None,
) -> None:
    """登记自建系统或下级系统并签发证书 · Register a system that will send, and issue its certificate."""

    async def added() -> bytes:
        sender = Sender(source_system=source_system, org=org, region=region)
        with _usable(csr):
            request = csr.read_bytes()
        async with open_system(settings_of(config)) as system:
            view = await exchange_desk.add_sender(system, sender, name=name, unit=unit, request=request)
            return exchange_desk.chain_of(system, view.certificate)

    chain = run(added())
    with _refusing(), _usable(out):
        out.write_bytes(chain)
    typer.echo(f"{source_system} → {out}")


@sender_app.command("list")
def list_senders(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """已登记的系统 · Every system that is or was registered."""

    async def found() -> list[SenderView]:
        async with reading(settings_of(config).database.url):
            return await senders()

    rows = run(found())
    if as_json:
        typer.echo(msgspec.json.encode(rows))
        return
    table = Table("来源系统", "名称", "部门", "区划", "单位", "证书有效期至", "注销")
    for row in rows:
        shown = (row.source_system, row.name, row.org, row.region, row.unit or "—")
        table.add_row(*map(as_it_stands, shown), moment(row.not_after), moment(row.revoked_at))
    console().print(table)


@sender_app.command("revoke")
def revoke(
    source_system: Annotated[str, typer.Argument(metavar="SYSTEM", help="来源系统 · The system.")],
    config: ConfigOption = None,
) -> None:
    """注销系统及其证书，不再接收其数据 · Take nothing more from a system, and revoke its certificate."""

    async def revoked() -> SenderView:
        async with open_system(settings_of(config)) as system:
            return await exchange_desk.revoke_sender(system, source_system)

    typer.echo(f"{run(revoked()).source_system}：已注销 · revoked")


# -------------------------------------------------------------------------------------------------------- exemptions
@exemption_app.command("add")
def exempt(
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="单位代码 · The unit.")],
    document: Annotated[str, typer.Option(help="同意文号 · Number of the document of consent.")],
    granted: Annotated[datetime, typer.Option(formats=_DAY, help="同意之日 · Day of the consent.")],
    until: Annotated[datetime, typer.Option(formats=_DAY, help="截止日（含） · Last day.")],
    config: ConfigOption = None,
) -> None:
    """登记不使用统一系统的同意文件 · Register the consent by which a unit need not use the unified system."""

    async def registered() -> ExemptionView:
        async with open_system(settings_of(config)) as system:
            return await exchange_desk.register_exemption(
                system, unit, document=document, granted_on=granted.date(), until=until.date()
            )

    view = run(registered())
    typer.echo(f"{view.unit}：{view.document}，至{view.until}")


@exemption_app.command("list")
def list_exemptions(
    every: Annotated[bool, typer.Option("--all", help="含已届满的 · Those that have ended too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """豁免登记簿 · The register of exemptions."""

    async def found() -> list[ExemptionView]:
        async with reading(settings_of(config).database.url) as database:
            return await exemptions(database, today=_today(), ended=every)

    rows = run(found())
    if as_json:
        typer.echo(msgspec.json.encode(rows))
        return
    table = Table("单位", "同意文号", "同意之日", "截止日")
    for row in rows:
        table.add_row(*map(as_it_stands, (row.unit, row.document, row.granted_on, row.until)))
    console().print(table)


# ------------------------------------------------------------------------------------------------------------- below
def _today() -> date:
    return day_of(SystemClock().now())


def _root(file: Path) -> x509.Certificate:
    with _usable(file):
        return read_root(file.read_bytes())


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """The file appears with all that is in it, or what was there stays."""
    if file.exists() and not file.is_file():
        raise ArchiveFileUnusable(file=str(file), why="not a regular file")
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as out:
            yield out
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _usable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        raise ArchiveFileUnusable(file=str(file), why=wrong.strerror or type(wrong).__name__) from None


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise refused(refusal) from None
    except SettingsRefused as wrong:
        raise misconfigured(wrong) from None
