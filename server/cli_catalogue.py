"""`zhangban catalogue`: the catalogue of items in and out of one file, its flowcharts, its reports.

For IT operators at the server. What changes something goes through the office as THE_OPERATOR's act and stands in the
log; nothing that leaves here holds a secret item.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from casework.acts import ItemView
from casework.catalogue.current import chart_of, items_in_force, whole_catalogue
from casework.catalogue.file_problems import Problem
from casework.catalogue.flowchart import Flowchart, mermaid
from casework.catalogue.flowchart_svg import svg
from casework.catalogue.reports import Report, ReportKind, as_file, report
from casework.clock.working_days import CHINA
from kernel.refusals import NotFound
from server.catalogue_desk import export_items, import_items, judge_file, publish_items
from server.commands import ConfigOption, JsonOption, content_of, run, settings_of
from server.provisions import casework_rules
from server.wiring import System, open_system

JsonFile = Annotated[Path, typer.Argument(metavar="FILE.json", exists=True, dir_okay=False, help="UTF-8。")]
CatalogueFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON（UTF-8）或 Excel（.xlsx） · JSON or Excel."),
]

catalogue_app = typer.Typer(help="事项目录 · The catalogue of items.", no_args_is_help=True)


@catalogue_app.command("check")
def check(file: CatalogueFile, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """检查目录文件，一次指出每张表每一行的问题，不录入 · Judge a file and enter nothing; name every problem by row.

    有问题的以 1 退出。 The exit code is 1 when anything is wrong.
    """

    async def judged() -> bool:
        content = content_of(file)
        async with open_system(settings_of(config)) as system:
            reading = await judge_file(system, content)
        if as_json:
            typer.echo(msgspec.json.encode({"items": len(reading.items), "problems": reading.problems}))
        else:
            typer.echo(f"事项 · items: {len(reading.items)}  问题 · problems: {len(reading.problems)}")
            _tell(reading.problems)
        return not reading.problems

    raise typer.Exit(0 if run(judged()) else 1)


@catalogue_app.command("import")
def import_file(file: CatalogueFile, config: ConfigOption = None) -> None:
    """录入目录文件，有错则指出每一行、一项也不录入 · Publish a whole file; name every wrong row, or enter all.

    已按同样内容发布的不产生新版本。 The same words again make no new version.
    """

    async def imported() -> bool:
        content = content_of(file)
        async with open_system(settings_of(config)) as system:
            problems, entered = await import_items(system, content)
        _tell(problems)
        well = not problems
        for code, outcome in entered:
            if isinstance(outcome, ItemView):
                typer.echo(f"{code}：第{outcome.version}版 · version {outcome.version}")
            else:
                well = False
                typer.echo(f"{code}：{outcome.text} · {outcome.text_en} [{outcome.code}]", err=True)
        return well

    raise typer.Exit(0 if run(imported()) else 1)


@catalogue_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE.json|FILE.xlsx", dir_okay=False)], config: ConfigOption = None
) -> None:
    """导出已发布的事项（涉密的除外） · Every item in force, except secret ones, as a file to import again."""
    if file.suffix not in (".json", ".xlsx"):
        raise typer.BadParameter("文件名应以 .json 或 .xlsx 结尾 · the name must end in .json or .xlsx")

    async def exported() -> tuple[bytes, int]:
        async with open_system(settings_of(config)) as system:
            return await export_items(system, file.suffix)

    content, count = run(exported())
    _write(file, content)
    typer.echo(f"事项 · items: {count}  SHA-256: {hashlib.sha256(content).hexdigest()}")


@catalogue_app.command("publish")
def publish(file: JsonFile, config: ConfigOption = None) -> None:
    """发布一个或一组事项，逐项指出问题 · Publish one definition or a list of them, naming what is wrong per item.

    有问题的不发布，其余照常发布，以 1 退出；已按同样内容发布的不产生新版本。
    Items with problems stay unpublished and the exit code is 1; the same words again make no new version.
    """

    async def published() -> bool:
        well, content = True, content_of(file)
        async with open_system(settings_of(config)) as system:
            async for item, outcome in publish_items(system, content):
                if isinstance(outcome, ItemView):
                    typer.echo(f"{item}：第{outcome.version}版 · version {outcome.version}")
                    continue
                well = False
                for problem in outcome:
                    typer.echo(f"{item}：{problem.text} · {problem.text_en} [{problem.code}]", err=True)
        return well

    raise typer.Exit(0 if run(published()) else 1)


@catalogue_app.command("flowchart")
def flowchart(
    code: Annotated[str, typer.Argument(metavar="CODE", help="阶段或事项编码 · Of a stage or an item.")],
    as_svg: Annotated[bool, typer.Option("--svg", help="输出 SVG · The picture, not Mermaid text.")] = False,
    config: ConfigOption = None,
) -> None:
    """由办理环节生成的流程图 · A stage's flowchart, made from the steps its cases go through."""

    async def drawn() -> Flowchart:
        async with open_system(settings_of(config)) as system:
            item, stage = await _stage_named(system, code)
            return await chart_of(system.database, item, stage)

    chart = run(drawn())
    typer.echo(svg(chart) if as_svg else mermaid(chart), nl=False)


@catalogue_app.command("report")
def report_command(
    kind: Annotated[ReportKind, typer.Argument(help="哪一份报表 · Which one; the first four are filed.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="写入文件（.xlsx，流程图为 .zip） · To a file.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """备案和统计报表，附生成时间和 SHA-256 · Reports that are filed, and how the catalogue gets on."""

    async def made() -> tuple[Report, tuple[bytes, str] | None]:
        async with open_system(settings_of(config)) as system:
            catalogue = await whole_catalogue(system.database, casework_rules(system.settings))
            found = report(kind, catalogue, now=system.clock.now())
            return found, as_file(found, catalogue) if out else None

    found, file = run(made())
    if out is not None and file is not None:
        content, suffix = file
        if out.suffix != suffix:
            raise typer.BadParameter(f"文件名应以 {suffix} 结尾 · the name must end in {suffix}")
        _write(out, content)
    if as_json:
        typer.echo(msgspec.json.encode({**msgspec.to_builtins(found), "sha256": found.sha256}))
        return
    if out is None:
        _show(found)
    made_at = found.generated_at.astimezone(CHINA).isoformat(timespec="seconds")
    typer.echo(f"{found.title}：{len(found.rows)}行 · rows  {made_at}  SHA-256: {found.sha256}")


async def _stage_named(system: System, code: str) -> tuple[str, str]:
    """Item and stage of a stage's code; an item's code stands for its first stage. Raises NOT_FOUND."""
    for item in await items_in_force(system.database):
        for stage in item.stages:
            if code in (stage.code, item.code):
                return item.code, stage.code
    raise NotFound(what=f"阶段{code}")


def _tell(problems: Iterable[Problem]) -> None:
    for problem in problems:
        typer.echo(str(problem), err=True)


def _show(found: Report) -> None:
    table = Table(*found.columns, title=found.title)
    for row in found.rows:
        table.add_row(*row)
    Console().print(table)


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        reason = error.strerror or "unwritable"
        typer.echo(f"{file}：无法写入（{reason}） · cannot be written ({reason})", err=True)
        raise typer.Exit(1) from None
