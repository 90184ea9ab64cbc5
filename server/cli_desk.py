"""`zhangban directory`, `certificate`: the region's own people from a file, and the register of certificates.

For IT operators at the server. Everything goes through the office as THE_OPERATOR's act and stands in the log.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from casework.clock.working_days import day_of
from certs.acts import CertificateView, RevocationReason
from server.commands import ConfigOption, JsonOption, content_of, run, settings_of
from server.desk import certificates, import_directory, revoke_certificate
from server.directory_file import FileRefused
from server.wiring import open_system

JsonFile = Annotated[Path, typer.Argument(metavar="FILE.json", exists=True, dir_okay=False, help="UTF-8。")]

directory_app = typer.Typer(help="单位与人员 · The directory of units and officers.", no_args_is_help=True)
certificate_app = typer.Typer(help="数字证书 · The register of certificates.", no_args_is_help=True)


@directory_app.command("import")
def import_file(file: JsonFile, config: ConfigOption = None) -> None:
    """录入单位和人员，有错则指出每一行、一行也不录入 · Enter units and officers; name every wrong row, or enter all.

    格式同示例县 county.json 的 units、officers。已有的按文件更新，不删除；停用请写 "active": false。
    In the form of the sample county's. Who exists is brought up to date; nobody is deleted, only made inactive.
    """

    async def enter() -> None:
        content = content_of(file)
        async with open_system(settings_of(config)) as system:
            entered = await import_directory(system, content)
            typer.echo(f"单位 · units: {len(entered.units)}  人员 · officers: {len(entered.officers)}")

    try:
        run(enter())
    except FileRefused as wrong:
        for problem in wrong.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1) from None


@certificate_app.command("list")
def show(
    officer: Annotated[str | None, typer.Option(metavar="ID", help="某一人员 · Of this officer only.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """证书的序列号、持有者、设备、截止日、状态 · Certificates: serial, holder, device, last day, state."""

    async def listed() -> None:
        async with open_system(settings_of(config)) as system:
            found = await certificates(system, officer=officer)
            if as_json:
                typer.echo(msgspec.json.encode({"certificates": [msgspec.structs.asdict(each) for each in found]}))
                return
            for each in found:
                typer.echo(_line(each, system.clock.now()))

    run(listed())


@certificate_app.command("revoke")
def revoke(
    serial: Annotated[str, typer.Argument(metavar="SERIAL", help="序列号（十六进制） · In hex, as listed.")],
    reason: Annotated[RevocationReason, typer.Option(help="吊销原因 · Why; key_compromise for a lost phone.")],
    config: ConfigOption = None,
) -> None:
    """吊销证书，立即生效，不可恢复 · Revoke a certificate for good, from the very next signature on."""

    async def end() -> None:
        async with open_system(settings_of(config)) as system:
            ended = await revoke_certificate(system, serial, reason)
            typer.echo(_line(ended, system.clock.now()))

    run(end())


def _line(certificate: CertificateView, now: datetime) -> str:
    if certificate.revoked_at is not None:
        state = f"已吊销 · revoked {day_of(certificate.revoked_at)} {certificate.reason}"
    else:
        state = "已过期 · expired" if certificate.not_after <= now else "有效 · good"
    device = certificate.device or "—"
    return f"{certificate.serial}  {certificate.holder}  {device}  {day_of(certificate.not_after)}  {state}"
