"""`zhangban ferry`: keys and peers, how every lane is doing, and what an operator may order.

`status`, `ledger`, `keys` and `verify` only look. Everything else stands in the log with the account and the reason;
what cannot be taken back takes two officers. Exit code of `status`, as monitoring plugins have it: 0 well, 1 a person
is needed.
"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.verification import UNREADABLE
from ferry.orders import KeysView
from ferry.refusals import FerryKeysMissing
from ferry.verifying import KeyChest, Report, verify
from ferry.words import is_slip
from server import ferry_desk
from server.cli_ferry_aside import files_app, poison_app, quarantine_app
from server.cli_ferry_ledgers import accept_ledger, show_ledgers
from server.commands import ConfigOption, JsonOption, run
from server.ferry_desk import Why
from server.ferry_display import print_keys, print_overviews, print_report
from server.ferry_options import (
    FirstOption,
    LaneArgument,
    PeerArgument,
    ReasonOption,
    SecondOption,
    WhyOption,
    content_of,
    say,
    using,
    with_system,
)
from server.wiring import System

ferry_app = typer.Typer(help="数据摆渡 · What crosses between networks and levels.", no_args_is_help=True)
ferry_app.add_typer(quarantine_app, name="quarantine")
ferry_app.add_typer(poison_app, name="poison")
ferry_app.add_typer(files_app, name="files")
ferry_app.command("ledger")(show_ledgers)
ferry_app.command("accept")(accept_ledger)

OutOption = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="写入文件 · Write it here.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)]


@ferry_app.command("status")
def show_status(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """各对端各通道的状态；须人处理则以 1 退出 · Every lane of every peer; exit 1 if a person is needed."""
    found = with_system(config, ferry_desk.overviews)
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        print_overviews(found)
    raise typer.Exit(1 if any(each.alarms for each in found) else 0)


# ----------------------------------------------------------------------------------------------------- keys and peers
@ferry_app.command("init")
def init(
    peer: Annotated[
        Path | None, typer.Option("--peer", metavar="FILE", exists=True, dir_okay=False, help="对端文件 · Its file.")
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="PEER", help="对端名称 · The peer it is of.")] = "",
    words: Annotated[
        str, typer.Option("--words", help="对方念出的二十四字 · The 24 characters the other side reads aloud.")
    ] = "",
    out: OutOption = None,
    request: Annotated[
        bool, typer.Option("--request", help="只出证书请求，由外部 CA 签发 · A request for a CA elsewhere.")
    ] = False,
    approve_as: FirstOption = "",
    second: SecondOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """生成密钥并写出对端文件；或核对口令字后信任对端 · Make keys and the peer file; or trust another's.

    两端各执行一次：先 init --out 写出文件，交换后 init --peer 文件 --name 对端 --words "…"。更换已信任的对端须两人。
    Once on each side: `init --out FILE`, carry it over, then `init --peer FILE --name PEER --words "…"` with the words
    that `ferry keys` shows on the other side. To trust a peer anew takes two officers.
    """

    given = b"" if peer is None else content_of(peer)

    async def pin(system: System) -> None:
        why = Why(first=approve_as, second=second)
        view = await ferry_desk.pin_peer(system, name, given, words=words, why=why)
        say(msgspec.to_builtins(view), f"{view.peer}：已信任 · trusted  {view.words}", as_json=as_json)

    async def make(system: System) -> None:
        try:
            view = await ferry_desk.own_keys(system)
        except FerryKeysMissing:
            view = await ferry_desk.make_keys(system, own_ca=not request)
        _give(view, out, as_json=as_json)

    if peer is not None and (not name or not words):
        raise typer.BadParameter("--name 与 --words 须同时给出 · --peer needs --name and --words")
    if words and is_slip(words):
        typer.echo("口令字本身有误，可能听错 · these are no words of any fingerprint: misheard?", err=True)
    with_system(config, make if peer is None else pin)


@ferry_app.command("keys")
def show_keys(out: OutOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """本端与对端的密钥、到期日、供核对的口令字 · Keys of both sides, days left, the words to be compared."""

    async def look(system: System) -> None:
        sheet = await ferry_desk.key_sheet(system)
        if out is not None:
            with using(out):
                out.write_bytes((await ferry_desk.own_keys(system)).file)
        if as_json:
            typer.echo(msgspec.json.encode(sheet))
        else:
            print_keys(sheet)

    with_system(config, look)


@ferry_app.command("roll")
def roll(
    request: Annotated[bool, typer.Option("--request", help="由外部 CA 签发 · By a CA elsewhere.")] = False,
    out: OutOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """更换密钥：新证书用旧密钥签发通告，对端确认后启用 · New keys, announced with the old, used once they are known."""

    async def make(system: System) -> None:
        _give(await ferry_desk.make_keys(system, own_ca=not request), out, as_json=as_json)

    with_system(config, make)


@ferry_app.command("certificate")
def certificate(
    file: FileArgument, out: OutOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """导入外部 CA 签发的证书链（PEM，根在最后） · The answer of a CA elsewhere: PEM, the root last."""
    chain = content_of(file)

    async def take(system: System) -> None:
        _give(await ferry_desk.take_certificate(system, chain), out, as_json=as_json)

    with_system(config, take)


@ferry_app.command("send-list")
def send_list(
    peer: PeerArgument,
    file: FileArgument,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """把外部 CA 的吊销列表（DER）发给对端 · Send the revocation list of a CA elsewhere."""
    der = content_of(file)

    async def send(system: System) -> None:
        await ferry_desk.send_list(system, peer, der, why=Why(reason=reason))
        say({"peer": peer, "file": file.name}, f"{peer}：列表待发 · the list is to be told", as_json=as_json)

    with_system(config, send)


# ------------------------------------------------------------------------------------------------------------- lanes
@ferry_app.command("resend")
def resend(
    peer: PeerArgument,
    lane: LaneArgument,
    numbers: Annotated[str, typer.Argument(metavar="A-B", help="包序号 · Numbers of parcels, first and last.")],
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """重发本端的包 · Offer parcels of ours again."""
    first, last = _range(numbers)

    async def order(system: System) -> None:
        count = await ferry_desk.resend(system, peer, lane, first, last, why=Why(reason=reason))
        found = {"peer": peer, "lane": lane, "first": first, "last": last, "again": count}
        say(found, f"重发 · offered again: {count}", as_json=as_json)

    with_system(config, order)


@ferry_app.command("pause")
def pause(
    peer: PeerArgument,
    lane: LaneArgument,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """暂停封装一条通道，接收照常 · Seal nothing more in a lane; what comes is still taken."""

    async def order(system: System) -> None:
        await ferry_desk.pause(system, peer, lane, why=Why(reason=reason))
        say({"peer": peer, "lane": lane, "state": "paused"}, f"{peer} {lane}：已暂停 · paused", as_json=as_json)

    with_system(config, order)


@ferry_app.command("resume")
def resume(
    peer: PeerArgument,
    lane: LaneArgument,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """恢复一条通道，解除接收方向的冻结 · Let a lane go on, both ways, also one that froze."""

    async def order(system: System) -> None:
        thawed = await ferry_desk.resume(system, peer, lane, why=Why(reason=reason))
        sentence = f"{peer} {lane}：已恢复 · goes on" + ("，解除冻结 · thawed" if thawed else "")
        say({"peer": peer, "lane": lane, "state": "running", "thawed": thawed}, sentence, as_json=as_json)

    with_system(config, order)


@ferry_app.command("new-epoch")
def new_epoch(peer: PeerArgument, reason: WhyOption, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """从备份恢复后开始新批次 · Begin a new epoch, after this side was restored from a backup."""

    async def order(system: System) -> None:
        epoch = await ferry_desk.new_epoch(system, peer, why=Why(reason=reason))
        say({"peer": peer, "epoch": epoch}, epoch, as_json=as_json)

    with_system(config, order)


@ferry_app.command("snapshot")
def take_snapshot(
    peer: PeerArgument, reason: ReasonOption = "", as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """将内网现状全部重发外网，用于启用与灾难恢复 · Tell the outer zone everything again; changes go first."""

    async def order(system: System) -> None:
        states = await ferry_desk.snapshot(system, peer, why=Why(reason=reason))
        found = {"peer": peer, "states": states}
        say(found, f"{peer}：{states} 份现状待发 · states to be told", as_json=as_json)

    with_system(config, order)


# ------------------------------------------------------------------------------------------------------------- files
@ferry_app.command("verify")
def verify_file(
    file: FileArgument,
    given: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="PEM", exists=True, dir_okay=False, help="发送方证书 · The sender's."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """查验摆渡包：谁封装、是否完整；不合格以 1 退出 · Who sealed a parcel, and is it whole; exit 1 if not.

    给出证书时不需要数据库和密钥，边界检查即可用。 With --certificate it takes neither database nor keys.
    """

    async def look(system: System) -> Report:
        with using(file):
            return verify(file, await KeyChest.of_tables(system.authority.keyring))

    async def check() -> Report:
        assert given is not None
        with using(file):
            return verify(file, KeyChest.given(_der(given)))

    report = with_system(config, look) if given is None else run(check())
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        print_report(report)
    raise typer.Exit(1 if report.code else 0)


@ferry_app.command("export-gap")
def export_gap(
    peer: PeerArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False)],
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """写出签名的缺口清单，由人带给对端 · The signed list of what is missing, for a person to carry."""

    async def order(system: System) -> None:
        with using(file):
            await ferry_desk.export_gap(system, peer, file, why=Why(reason=reason))
        say({"peer": peer, "file": str(file)}, f"{file}：已写出 · written", as_json=as_json)

    with_system(config, order)


@ferry_app.command("import")
def import_file(
    peer: PeerArgument,
    file: FileArgument,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """接收由人带来的包或缺口清单 · Take in a parcel, or a list of gaps, that a person brought."""

    async def order(system: System) -> None:
        with using(file):
            await ferry_desk.import_file(system, peer, file, why=Why(reason=reason))
        say({"peer": peer, "file": file.name}, f"{file.name}：已接收 · taken in", as_json=as_json)

    with_system(config, order)


# ------------------------------------------------------------------------------------------------------------- below
def _give(view: KeysView, out: Path | None, *, as_json: bool) -> None:
    """The peer file, or the request that a CA must answer first, to a file or to the screen."""
    content = view.file or view.request
    if out is not None:
        with using(out):
            out.write_bytes(content)
    if as_json:
        found = {"zone": view.zone, "number": view.number, "words": view.words, "is_ready": bool(view.file)}
        typer.echo(msgspec.json.encode({**found, "certificate_sha256": view.certificate_sha256}))
    elif out is None:
        typer.echo(content.decode(), nl=False)
    else:
        typer.echo(f"{view.zone} #{view.number}：{out}  {view.words or '待 CA 签发 · waits for a CA'}")


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or len(text) > 33:
        raise typer.BadParameter(f"{text!r} 不是 A-B · is not A-B")
    numbers = int(first), int(last or first)
    if numbers[0] > numbers[1]:
        raise typer.BadParameter(f"{text!r} 首号大于末号 · the first is greater than the last")
    return numbers


def _der(path: Path) -> bytes:
    content = content_of(path)
    try:
        return x509.load_pem_x509_certificate(content).public_bytes(Encoding.DER)
    except UNREADABLE:
        raise typer.BadParameter(f"{path.name} 不是证书 · is no certificate") from None
