"""`zhangban ferry quarantine`, `poison` and `files`: what was put aside, or does not arrive, for a person to see to.

The lists only look, and show no content. Everything else stands in the log with the account and the reason; what
cannot be taken back takes two officers.
"""

from typing import Annotated

import msgspec
import typer

from server import ferry_desk
from server.commands import ConfigOption, JsonOption
from server.ferry_desk import Why
from server.ferry_options import (
    FirstOption,
    ItemArgument,
    PeerArgument,
    ReasonOption,
    SecondOption,
    WhyOption,
    say,
    with_system,
)
from server.wiring import System

quarantine_app = typer.Typer(help="隔离的文件 · Files that were refused.", no_args_is_help=True)
poison_app = typer.Typer(help="未能应用的记录 · Records that could not be applied.", no_args_is_help=True)


files_app = typer.Typer(help="未送达的附件 · Files that do not arrive.", no_args_is_help=True)

FileArgument = Annotated[
    str,
    typer.Argument(metavar="SHA256", help="摘要，或其前八位以上 · Its digest, or how that begins: 8 digits or more."),
]


@quarantine_app.command("list")
def list_quarantine(peer: PeerArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """列出 · What is kept, oldest first."""

    async def look(system: System) -> None:
        items = await ferry_desk.quarantined(system, peer)
        rows = [
            {"id": each.id, "file": each.file, "octets": each.octets, "code": each.code, "why": each.why,
             "times": each.times, "at": each.at, "sha256": each.sha256}
            for each in items
        ]  # fmt: skip
        if as_json:
            typer.echo(msgspec.json.encode(rows))
            return
        for each in items:
            typer.echo(f"{each.id}  {each.at:%Y-%m-%d %H:%M}  {each.code}  {each.file}  {each.octets}  ×{each.times}")

    with_system(config, look)


@quarantine_app.command("retry")
def retry(
    peer: PeerArgument, item: ItemArgument, reason: WhyOption, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """重新接收 · Take a file in again."""

    async def order(system: System) -> None:
        await ferry_desk.retry(system, peer, item, why=Why(reason=reason))
        say({"peer": peer, "id": item, "state": "retried"}, f"{item}：已接收 · taken in", as_json=as_json)

    with_system(config, order)


@quarantine_app.command("discard")
def discard(
    peer: PeerArgument,
    item: ItemArgument,
    reason: WhyOption,
    approve_as: FirstOption,
    second: SecondOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """删除，须两人 · Delete a file; takes two officers."""

    async def order(system: System) -> None:
        why = Why(reason=reason, first=approve_as, second=second)
        await ferry_desk.discard(system, peer, item, why=why)
        say({"peer": peer, "id": item, "state": "discarded"}, f"{item}：已删除 · discarded", as_json=as_json)

    with_system(config, order)


@poison_app.command("list")
def list_poison(peer: PeerArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """列出，不显示内容 · What could not be applied, without its content."""

    async def look(system: System) -> None:
        items = await ferry_desk.poison(system, peer)
        rows = [
            {"id": each.id, "lane": each.lane, "seq": each.seq, "place": each.place, "rid": each.rid,
             "code": each.code, "at": each.at, "heard": each.heard}
            for each in items
        ]  # fmt: skip
        if as_json:
            typer.echo(msgspec.json.encode(rows))
            return
        for each in items:
            typer.echo(
                f"{each.id}  {each.at:%Y-%m-%d %H:%M}  {each.lane} #{each.seq}/{each.place}  {each.code}  {each.rid}"
            )

    with_system(config, look)


@poison_app.command("close")
def close_poison(
    peer: PeerArgument,
    item: ItemArgument,
    reason: WhyOption,
    approve_as: FirstOption,
    second: SecondOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """了结，须两人 · A person has seen to it; takes two officers."""

    async def order(system: System) -> None:
        why = Why(reason=reason, first=approve_as, second=second)
        await ferry_desk.close_poison(system, peer, item, why=why)
        say({"peer": peer, "id": item, "state": "closed"}, f"{item}：已了结 · closed", as_json=as_json)

    with_system(config, order)


@files_app.command("list")
def list_files(peer: PeerArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """列出丢失、损坏、被拒、逾一日未到的附件及所属办件 · Files lost, damaged, refused or late, and their cases."""

    async def look(system: System) -> None:
        items = await ferry_desk.missed(system, peer)
        if as_json:
            typer.echo(msgspec.json.encode(items))
            return
        for each in items:
            typer.echo(f"{each.sha256}  {each.since:%Y-%m-%d %H:%M}  {each.state}  {each.size}  {each.about or '—'}")

    with_system(config, look)


@files_app.command("resend")
def resend_file(
    peer: PeerArgument,
    file: FileArgument,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """重发本端的附件，须已在文件库中 · Send a file of ours again, once it lies in the file store."""

    async def order(system: System) -> None:
        sha256 = await ferry_desk.resend_file(system, peer, file, why=Why(reason=reason))
        say({"peer": peer, "sha256": sha256, "state": "waiting"}, f"{sha256}：待重发 · goes again", as_json=as_json)

    with_system(config, order)


@files_app.command("close")
def close_file(
    peer: PeerArgument,
    file: FileArgument,
    reason: WhyOption,
    approve_as: FirstOption,
    second: SecondOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """了结，不再等待，须两人 · Wait for a file no longer; takes two officers."""

    async def order(system: System) -> None:
        why = Why(reason=reason, first=approve_as, second=second)
        sha256 = await ferry_desk.close_file(system, peer, file, why=why)
        say({"peer": peer, "sha256": sha256, "state": "closed"}, f"{sha256}：已了结 · closed", as_json=as_json)

    with_system(config, order)
