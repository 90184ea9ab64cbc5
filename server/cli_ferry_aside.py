"""`zhangban ferry quarantine` and `zhangban ferry poison`: what was put aside for a person to see to.

The lists only look, and show no content. Everything else stands in the log with the account and the reason; what
cannot be taken back takes two officers.
"""

import msgspec
import typer

from server import ferry_desk
from server.commands import ConfigOption, JsonOption
from server.ferry_desk import Why
from server.ferry_options import FirstOption, ItemArgument, PeerArgument, SecondOption, WhyOption, say, with_system
from server.wiring import System

quarantine_app = typer.Typer(help="隔离的文件 · Files that were refused.", no_args_is_help=True)
poison_app = typer.Typer(help="未能应用的记录 · Records that could not be applied.", no_args_is_help=True)


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
