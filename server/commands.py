"""The small commands: the log's verdict, the contract, the county, certificates at the desk."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from tortoise.exceptions import BaseORMException, OperationalError, ValidationError

from certs.enrolment import waiting_enrolments
from kernel.db import Database
from kernel.log import Verdict, verify
from kernel.refusals import Invalid, Refusal
from server.config_file import Problem, SettingsRefused
from server.desk import approve_at_the_desk, load_county
from server.settings import Settings, load
from server.wiring import TABLES, System, open_system, sqlite_file

T = TypeVar("T")
ConfigOption = Annotated[Path | None, typer.Option("--config", help="配置文件 · Settings file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="输出 JSON · Print one JSON object.")]

log_app = typer.Typer(help="事件链 · The chained event log.", no_args_is_help=True)
county_app = typer.Typer(help="示例县 · The sample county.", no_args_is_help=True)
enrolment_app = typer.Typer(
    help="证书申请 · Certificates for officers' phones, from the server's own desk.", no_args_is_help=True
)


class FileUnusable(Refusal):
    """The machine's own reason: no such file, no right, a broken disk."""

    code = "FILE_UNUSABLE"
    zh = "文件{file}无法读取：{why}。"
    en = "The file {file} cannot be read: {why}."


@contextmanager
def reading_file(file: Path) -> Iterator[None]:
    """Raises FILE_UNUSABLE for whatever the machine says against a file that somebody named."""
    try:
        yield
    except OSError as wrong:
        raise FileUnusable(file=str(file), why=wrong.strerror or type(wrong).__name__) from None


def content_of(file: Path, most: int = -1) -> bytes:
    """The file, or its first `most` octets. Raises FILE_UNUSABLE."""
    with reading_file(file), file.open("rb") as opened:
        return opened.read(most)


def run(work: Coroutine[None, None, T]) -> T:
    """Runs a command; a refusal, or every setting it cannot live with, becomes its sentence and exit code 1."""
    try:
        return asyncio.run(work)
    except Refusal as refusal:
        raise refused(refusal) from None
    except ValidationError as unfit:  # a word that no column holds, as the office answers it
        raise refused(Invalid(field="—", why=str(unfit)[:80])) from None
    except SettingsRefused as wrong:
        raise misconfigured(wrong) from None


def settings_of(config: Path | None) -> Settings:
    """The settings, or every wrong line and exit code 1."""
    try:
        return load(config)
    except SettingsRefused as wrong:
        raise misconfigured(wrong) from None


def refused(refusal: Refusal) -> typer.Exit:
    typer.echo(f"{refusal.text} · {refusal.text_en} [{refusal.code}]", err=True)
    return typer.Exit(1)


def misconfigured(wrong: SettingsRefused) -> typer.Exit:
    for problem in wrong.problems:
        typer.echo(str(problem), err=True)
    return typer.Exit(1)


def database_url(url: str | None) -> str | None:
    """Refuses what is no address of a database, as the settings would."""
    if url is not None and url.partition("://")[0] not in ("sqlite", "postgres"):
        raise typer.BadParameter(f"{url!r} is neither sqlite://FILE nor postgres://…")
    return url


def refuse_absent(url: str) -> None:
    """What only reads makes no database. Raises SettingsRefused where the file of a SQLite address is not there."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        raise SettingsRefused([Problem(str(file), "没有这个数据库文件", "there is no such database file")])


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Database]:
    """A database for a command that only reads: one that is not there is not made, a backup stays at its version.

    Raises SettingsRefused where it does not answer or does not have the tables.
    """
    refuse_absent(url)
    try:
        database = await Database.open(url, modules=TABLES)
    except (OSError, BaseORMException):
        raise SettingsRefused([Problem("database.url", "数据库没有应答", "the database does not answer")]) from None
    try:
        yield database
    except OperationalError:
        wrong = Problem("database.url", "没有所需的表或列", "this database lacks the tables or columns")
        raise SettingsRefused([wrong]) from None
    finally:
        await database.close()


@asynccontextmanager
async def at_work(config: Path | None) -> AsyncIterator[System]:
    """The installation for whoever works on one. Where there is none, such as in the wrong folder, none is made.

    Raises SettingsRefused.
    """
    settings = settings_of(config)
    refuse_absent(settings.database.url)
    async with open_system(settings) as system:
        yield system


# --------------------------------------------------------------------------------------------------- the event log
@log_app.command("verify")
def verify_log(
    config: ConfigOption = None,
    database: Annotated[
        str | None, typer.Option(callback=database_url, help="数据库地址 · Another database, a backup for instance.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """逐链核验事件日志，指出第一处断裂 · Walk every chain; name the first broken link and exit 1."""
    verdict = run(_verdict(database or settings_of(config).database.url))
    broken = verdict.broken
    if as_json:
        found = {"subject": broken.subject, "seq": broken.seq, "why": broken.why} if broken else None
        typer.echo(json.dumps({"events": verdict.events, "chains": verdict.chains, "broken": found}))
    elif broken is None:
        typer.echo(f"完好 · intact: {verdict.events} events in {verdict.chains} chains")
    else:
        typer.echo(f"断裂 · broken: {broken.subject} #{broken.seq}: {broken.why}", err=True)
    raise typer.Exit(0 if broken is None else 1)


async def _verdict(url: str) -> Verdict:
    """Only reads: a database that is not there is not made, and a backup stays at its version."""
    refuse_absent(url)
    database = await Database.open(url, modules=TABLES)
    try:
        return await verify(database)
    except OperationalError:
        raise SettingsRefused(
            [Problem("database.url", "数据库中没有事件日志", "this database has no event log")]
        ) from None
    finally:
        await database.close()


# --------------------------------------------------------------------------------------------------- the county
@county_app.command("load")
def load_sample_county(config: ConfigOption = None) -> None:
    """装入示例县：单位、人员、事项 · Load the sample county: units, officers and the published catalogue."""

    async def fill() -> None:
        async with open_system(settings_of(config)) as system:
            typer.echo(f"事项 · items: {await load_county(system)}")

    run(fill())


# ------------------------------------------------------------------------------------- certificates at the desk
@enrolment_app.command("list")
def list_enrolments(config: ConfigOption = None) -> None:
    """待办的证书申请 · Applications that wait for somebody."""

    async def waiting() -> None:
        async with open_system(settings_of(config)) as system:
            for each in await waiting_enrolments(now=system.clock.now()):
                typer.echo(f"{each.enrolment}  {each.officer}  {each.device}  {each.state}  {each.check_code}")

    run(waiting())


@enrolment_app.command("approve")
def approve_enrolment(
    enrolment: str,
    document: Annotated[str, typer.Option(help="核验的证件 · The identity document seen.")],
    config: ConfigOption = None,
) -> None:
    """在服务器上核验并批准，用于首位 RA 操作员 · Check and approve here: the first RA operators have nobody else."""

    async def approve() -> None:
        async with open_system(settings_of(config)) as system:
            await approve_at_the_desk(system, enrolment, document=document)
            typer.echo(f"{enrolment}：已签发 · issued")

    run(approve())
