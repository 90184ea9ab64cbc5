"""`zhangban archive` and `zhangban case`: packages for the archive, checked anywhere, and a case on one sheet."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from casework.acts import ViewCase
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from server.archive.checking import read_root, verify
from server.archive.faults import FAULT_NAMES, ArchiveVerdict
from server.archive.filing import Package, package, write_package
from server.archive.refusals import ArchiveFileUnusable
from server.case_sheet import Sheet, case_sheet
from server.commands import (
    ConfigOption,
    JsonOption,
    database_url,
    misconfigured,
    refuse_absent,
    refused,
    run,
    settings_of,
)
from server.config_file import SettingsRefused
from server.settings import Settings
from server.terminal import as_it_stands, console
from server.wiring import open_system

CaseArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="办件编号 · The case's number.")]
DatabaseOption = Annotated[
    str | None, typer.Option(callback=database_url, help="数据库地址 · Another database, a backup for instance.")
]

archive_app = typer.Typer(help="审批档案 · Archives of closed cases, verified offline.", no_args_is_help=True)
case_app = typer.Typer(help="办件 · One case, for the operator.", no_args_is_help=True)


@archive_app.command("export")
def export(
    number: CaseArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", dir_okay=False, help="写到何处 · Where to.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """导出已归档办件的档案包；归档后被改动的不导出 · Write the package of an archived case, as it was sealed."""
    archive, sha256 = run(_exported(_settings(config, database), number, file))
    typer.echo(f"{archive} → {file}  manifest SHA-256 {sha256}")


@archive_app.command("verify")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", exists=True, dir_okay=False, help="档案包 · Package.")],
    root: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="根证书，来自可信渠道 · The root certificate, PEM, from elsewhere than the package.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """离线核验档案包，逐项指出改动 · Verify a package with the root certificate alone; name every fault, exit 1."""
    try:
        with _usable(root):
            trusted = read_root(root.read_bytes())
        with _usable(file), file.open("rb") as source:
            verdict = verify(source, trusted)
    except Refusal as refusal:
        if as_json:
            typer.echo(msgspec.json.encode({"intact": False, "refused": refusal.code, "why": refusal.text}))
        raise refused(refusal) from None
    if as_json:
        typer.echo(msgspec.json.encode({"intact": verdict.intact, **msgspec.structs.asdict(verdict)}))
    else:
        _print_verdict(verdict)
    raise typer.Exit(0 if verdict.intact else 1)


@case_app.command("show")
def show(number: CaseArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """一件办件的全部：时限、环节、文书、短信、异常、证照、档案，查阅留痕 · All about a case; the view is logged."""

    async def sheet() -> Sheet:
        async with open_system(settings_of(config)) as system:
            return await case_sheet(system, number)

    found = run(sheet())
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        _print_sheet(found)


async def _exported(settings: Settings, number: str, file: Path) -> tuple[str, str]:
    async with open_system(settings) as system:
        made = await package(system.authority, system.database, number, system.files)
        seen = await system.office.perform(ViewCase(case=number, what="archive export"), THE_OPERATOR, key=None)
        if isinstance(seen, Refusal):
            raise seen
        with _usable(file):
            _write(made, file)
        return made.record.number, made.record.sha256


def _write(made: Package, file: Path) -> None:
    """Whole or not at all: nobody shall take half a package for a tampered one."""
    if file.exists() and not file.is_file():
        raise ArchiveFileUnusable(file=str(file), why="not a regular file")
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as out:
            write_package(made, out)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _usable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        raise ArchiveFileUnusable(file=str(file), why=wrong.strerror or type(wrong).__name__) from None


def _settings(config: Path | None, database: str | None) -> Settings:
    settings = settings_of(config)
    if database is None:
        return settings
    try:
        refuse_absent(database)
    except SettingsRefused as wrong:
        raise misconfigured(wrong) from None
    return settings.model_copy(update={"database": settings.database.model_copy(update={"url": database})})


def _print_verdict(verdict: ArchiveVerdict) -> None:
    shown = console()
    table = Table("", "", show_header=False, box=None)
    table.add_row("档号", as_it_stands(verdict.archive))
    table.add_row("办件", as_it_stands(f"{verdict.case}（{verdict.unit}）"))
    table.add_row("归档", as_it_stands(verdict.archived_at))
    table.add_row("清单 SHA-256", verdict.sha256)
    table.add_row(
        "文件", f"{verdict.files}个，文书{verdict.papers}件，签名{verdict.decisions}个，事件{verdict.events}个"
    )
    table.add_row("过程记录", "，".join(f"{name}{count}条" for name, count in verdict.record.items()))
    shown.print(table)
    if verdict.intact:
        shown.print("完好 · intact: every digest, seal, signature and event holds", style="green")
        return
    for fault in verdict.faults:
        why = f"（{fault.why}）" if fault.why else ""
        where = as_it_stands(f"{fault.where}{why}")
        typer.echo(f"{fault.code}  {FAULT_NAMES[fault.code]}：{where}", err=True)


def _print_sheet(sheet: Sheet) -> None:
    shown = console()
    for section, rows in sheet.items():
        shown.rule(f"[bold]{section}[/bold]", align="left")
        if not rows:
            shown.print("（无）", style="dim")
            continue
        if section == "办件":
            table = Table("", "", show_header=False, box=None)
            for label, value in rows[0].items():
                table.add_row(label, as_it_stands(value))
        else:
            table = Table(*rows[0], box=None)
            for row in rows:
                table.add_row(*map(as_it_stands, row.values()))
        shown.print(table)
