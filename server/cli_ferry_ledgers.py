"""`zhangban ferry ledger` and `zhangban ferry accept`: the daily ledgers of both sides, and what nobody mends.

Exit code of `ledger`: 0 equal, 1 different or altered, 2 not yet known.
"""

from datetime import datetime
from typing import Annotated

import msgspec
import typer

from server import ferry_desk
from server.commands import ConfigOption, JsonOption
from server.ferry_desk import Why
from server.ferry_display import print_ledgers
from server.ferry_options import FirstOption, PeerArgument, SecondOption, WhyOption, say, with_system
from server.wiring import System


def show_ledgers(
    day: Annotated[
        datetime | None,
        typer.Option("--day", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="某日；默认近七日 · Instead of a week."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """两端日账对账 · The daily ledgers of both sides; exit 0 一致 equal, 1 不符 different, 2 尚无结论 not yet known.

    不符时指明通道、包序号及缺、多、异；被改动的账页亦指出。 Names lanes and numbers, and a page that was altered since.
    """
    asked = day.date() if day else None
    found = with_system(config, lambda system: ferry_desk.ledgers(system, asked))
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        print_ledgers(found)
    if any(each.is_wrong for each in found):
        raise typer.Exit(1)
    raise typer.Exit(0 if all(each.is_known for each in found) else 2)


def accept_ledger(
    peer: PeerArgument,
    day: Annotated[datetime, typer.Argument(metavar="YYYY-MM-DD", formats=["%Y-%m-%d"])],
    reason: WhyOption,
    approve_as: FirstOption = "",
    second: SecondOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """确认某日无法补救的不符，须两人；另有不符仍告警 · Two officers accept what nothing mends; others still alarm."""

    async def order(system: System) -> None:
        why = Why(reason=reason, first=approve_as, second=second)
        count = await ferry_desk.accept_ledger(system, peer, day.date(), why=why)
        shown = {"peer": peer, "day": f"{day:%Y-%m-%d}", "accepted": count}
        say(shown, f"{peer} {day:%Y-%m-%d}：已确认 · accepted {count}", as_json=as_json)

    with_system(config, order)
