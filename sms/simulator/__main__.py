"""`zhangban simulate` and `python -m sms.simulator`: carriers to try a gateway against, and to rehearse a bad day with.

Each prints "listening on HOST:PORT" first and runs until SIGTERM or Ctrl-C. Nothing of the server is imported, so that
a simulator starts at once.
"""

import asyncio
import re
import signal
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from kernel.clock import SystemClock
from sms.simulator import Faults, IdStyle, Smsc
from sms.simulator.knobs import KnobRefused, Simulated, turn, typed

app = typer.Typer(
    help="模拟运营商，可注入故障 · Simulated carriers with faults on command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

F = TypeVar("F")


class CmppVersion(StrEnum):
    V2 = "2.0"
    V3 = "3.0"


Host = Annotated[str, typer.Option(help="监听地址 · Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="监听端口，0 由系统任选 · 0 lets the system choose.")]
Account = Annotated[
    list[str] | None, typer.Option(metavar="ID:PASSWORD", help="账号，可多个 · Account, may be repeated.")
]
OneAccount = Annotated[str, typer.Option(metavar="ID:PASSWORD", help="账号 · Account.")]
Fault = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="启动时的故障，可多个 · A fault from the start, may be repeated."),
]
ControlPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="本机控制端口（HTTP、JSON），不写则不开 · Control by HTTP on this machine; left out: none.",
    ),
]


@app.command()
def smsc(
    host: Host = "127.0.0.1",
    port: Port = 2775,
    account: Account = None,
    ids: Annotated[IdStyle, typer.Option(help="短信编号写法 · How message ids are written.")] = IdStyle.HEX,
    fault: Fault = None,
    control_port: ControlPort = None,
) -> None:
    """SMPP 3.4 短信中心 · An SMSC for SMPP 3.4.

    账号缺省为 zhangban:secret · The account is zhangban:secret unless said otherwise.
    """
    faults = _turned(Faults(), fault)
    carrier = Smsc(
        dict(map(_account, account or ["zhangban:secret"])),
        clock=SystemClock(),
        host=host,
        port=port,
        id_style=ids,
        faults=faults,
    )
    _serve(carrier, control_port)


@app.command()
def mas(
    host: Host = "127.0.0.1",
    port: Port = 1992,
    account: OneAccount = "zhangban:secret",
    ec_name: Annotated[str, typer.Option(help="企业名称 · Name of the enterprise.")] = "衡江市政务服务中心",
    sign: Annotated[str, typer.Option(help="签名编码 · Code of the signature.")] = "sGn0hJ7Qx",
    signature: Annotated[str, typer.Option(help="签名 · The signature itself.")] = "衡江政务服务",
    service_code: Annotated[str, typer.Option(help="接入号 · Access number.")] = "10690000",
    push_to: Annotated[
        str,
        typer.Option(metavar="URL", help="推送地址，到 /report 之前 · Where to push, up to /report; empty: nowhere."),
    ] = "",
    push_tries: Annotated[
        int, typer.Option(min=0, help="推送几次后留待拉取，0 不限 · Pushes before it is kept to be fetched; 0: no end.")
    ] = 0,
    template: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=TEXT", help="已报备模板，变量写作 {…} · A registered template, {…} for each place."),
    ] = None,
    only_templates: Annotated[
        bool, typer.Option("--only-templates", help="只收模板短信 · Takes registered templates only.")
    ] = False,
    database: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="改为数据库 MAS：mysql://用户:口令@主机:3306/库，表不存在则建 · Instead a machine over tables.",
        ),
    ] = "",
    dialect: Annotated[str, typer.Option(help="emas 或 jasson（嘉讯） · Whose tables.")] = "emas",
    application: Annotated[
        str, typer.Option(help="APPLICATIONID；嘉讯为接口编码 · With jasson the interface code.")
    ] = "APP056",
    charset: Annotated[str, typer.Option(help="空为该表常用字符集 · As in the settings; empty: the usual one.")] = "",
    fault: Fault = None,
    control_port: ControlPort = None,
) -> None:
    """云 MAS（HTTP），或以 --database 模拟本地 MAS 的数据库接口 · A cloud MAS by HTTP, or one by its database.

    提交 /sms/norsubmit、/sms/submit、/sms/tmpsubmit，拉取 /sms/report、/sms/deliver · Submissions and fetches.
    """
    if database:
        if push_to or template or only_templates:
            raise typer.BadParameter("a machine over a database pushes nothing", param_hint="--database")
        _mas_over(database, dialect, application, charset, service_code, fault, control_port)
        return
    # Here, because each simulator starts faster without what only another needs.
    from sms.mas.messages import Account
    from sms.simulator.mas import CloudMas, MasFaults

    ap_id, secret_key = _account(account)
    carrier = CloudMas(
        Account(ec_name=ec_name, ap_id=ap_id, secret_key=secret_key, sign=sign),
        signature=signature,
        clock=SystemClock(),
        service_code=service_code,
        host=host,
        port=port,
        push_to=push_to.rstrip("/"),
        push_tries=push_tries,
        again_s=1.0,
        templates=dict(map(_template, template or ())),
        only_templates=only_templates,
        faults=_turned(MasFaults(), fault),
    )
    _serve(carrier, control_port)


@app.command()
def cmpp(
    host: Host = "127.0.0.1",
    port: Port = 7890,
    account: Account = None,
    version: Annotated[CmppVersion, typer.Option(help="最高协议版本 · The highest version.")] = CmppVersion.V3,
    fault: Fault = None,
    control_port: ControlPort = None,
) -> None:
    """CMPP 2.0、3.0 短信网关 · An ISMG for CMPP 2.0 and 3.0.

    账号缺省为 901234:secret · The account is 901234:secret unless said otherwise.
    """
    from sms.cmpp.vocabulary import Version
    from sms.simulator.cmpp import Ismg
    from sms.simulator.cmpp_exchange import IsmgFaults

    carrier = Ismg(
        dict(map(_account, account or ["901234:secret"])),
        clock=SystemClock(),
        host=host,
        port=port,
        version=Version[version.name],
        faults=_turned(IsmgFaults(), fault),
    )
    _serve(carrier, control_port)


# ------------------------------------------------------------------------------------------------------------ below


def _mas_over(
    url: str,
    dialect: str,
    application: str,
    charset: str,
    access_number: str,
    fault: Sequence[str] | None,
    control_port: int | None,
) -> None:
    # The driver costs a tenth of a second.
    from sms.mas.interface import CHARSETS
    from sms.mas.mysql import NotConnected, Rejected
    from sms.simulator.mas_database import MachineFaults
    from sms.simulator.mas_tables import Tables, machine_over, server_of

    if dialect not in list(Tables):
        raise typer.BadParameter(f"one of {', '.join(Tables)}", param_hint="--dialect")
    if charset and charset not in CHARSETS:
        raise typer.BadParameter(f"one of {', '.join(CHARSETS)}", param_hint="--charset")
    if not re.fullmatch("[0-9A-Za-z_]{1,32}", application):
        raise typer.BadParameter("letters, digits and _", param_hint="--application")
    try:
        server = server_of(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--database") from None
    machine = machine_over(
        server,
        Tables(dialect),
        application=application,
        charset=charset,
        access_number=access_number,
        clock=SystemClock(),
        faults=_turned(MachineFaults(), fault),
    )
    try:
        _serve(machine, control_port)
    except (NotConnected, Rejected) as error:
        typer.echo(f"no database there: {error}", err=True)
        raise typer.Exit(1) from None


def _account(said: str) -> tuple[str, str]:
    name, colon, password = said.partition(":")
    if not name or not colon:
        raise typer.BadParameter("write it as ID:PASSWORD", param_hint="--account")
    return name, password


def _template(said: str) -> tuple[str, str]:
    name, equals, text = said.partition("=")
    if not name or not equals:
        raise typer.BadParameter("write it as ID=TEXT", param_hint="--template")
    return name, text


def _turned(faults: F, said: Sequence[str] | None) -> F:
    try:
        turn(faults, dict(map(typed, said or ())), as_text=True)
    except KnobRefused as refusal:
        raise typer.BadParameter(str(refusal), param_hint="--fault") from None
    return faults


def _serve(carrier: AbstractAsyncContextManager[Simulated], control_port: int | None) -> None:
    try:
        asyncio.run(_until_stopped(carrier, control_port))
    except OSError as error:
        typer.echo(f"cannot listen: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None


async def _until_stopped(carrier: AbstractAsyncContextManager[Simulated], control_port: int | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(carrier)
        print(f"listening on {opened.host}:{opened.port}", flush=True)
        if control_port is not None:
            from sms.simulator.control import controlled

            port = await stack.enter_async_context(controlled(opened, port=control_port))
            print(f"control on 127.0.0.1:{port}", flush=True)
        await stopped.wait()
        print(dict(opened.counts), flush=True)


if __name__ == "__main__":
    app(prog_name="python -m sms.simulator")
