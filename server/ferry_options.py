"""What the commands of `zhangban ferry` have in common: how they name things, say why, reach the system."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from ferry.lanes import Lane
from ferry.refusals import FerryFileUnusable
from server.commands import refused, run, settings_of
from server.wiring import System, open_system

T = TypeVar("T")

PeerArgument = Annotated[str, typer.Argument(metavar="PEER", help="对端名称 · As in the settings file.")]
LaneArgument = Annotated[Lane, typer.Argument(metavar="LANE", help="通道 · ctl, urgent, case, bulk or supervise.")]
ItemArgument = Annotated[int, typer.Argument(metavar="ID", min=1, help="编号 · As the list shows it.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="WORDS", help="理由，记入日志 · For the log.")]
WhyOption = Annotated[str, typer.Option("--reason", metavar="WORDS", help="理由，必填 · Why; it stands in the log.")]
FirstOption = Annotated[str, typer.Option("--approve-as", metavar="ID", help="确认人 · The officer who approves.")]
SecondOption = Annotated[
    str, typer.Option("--second", metavar="ID", help="复核人，须为另一人 · Another officer, who does too.")
]


def say(found: Mapping[str, object], sentence: str, *, as_json: bool) -> None:
    """What a command did: for a program, or for a person."""
    typer.echo(msgspec.json.encode(found) if as_json else sentence)


@contextmanager
def using(file: Path) -> Iterator[None]:
    """Raises FERRY_FILE_UNUSABLE for whatever the machine says against a file that somebody named."""
    try:
        yield
    except OSError as wrong:
        raise FerryFileUnusable(file=str(file), why=wrong.strerror or type(wrong).__name__) from None


def content_of(file: Path) -> bytes:
    """Before a system is opened: its refusal ends the command."""
    try:
        with using(file):
            return file.read_bytes()
    except FerryFileUnusable as refusal:
        raise refused(refusal) from None


def with_system(config: Path | None, work: Callable[[System], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with open_system(settings_of(config)) as system:
            return await work(system)

    return run(opened())
