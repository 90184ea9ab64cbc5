"""How the story is told: captions in a terminal, or silence for a machine; both collect the same steps."""

from dataclasses import dataclass
from typing import Literal, Protocol

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule

Door = Literal["command", "graphql", "window", "sms", "timer"]


@dataclass(frozen=True, kw_only=True)
class StepTold:
    """One step of the story: `door` is the way in it took, `why` what failed."""

    name: str
    door: Door
    ok: bool
    why: str = ""


class Teller(Protocol):
    def chapter(self, number: int, chinese: str, english: str) -> None: ...

    def line(self, text: str) -> None: ...

    def text(self, to: str, body: str) -> None: ...

    def step(self, step: StepTold) -> None: ...


class Silent:
    """Nobody watches."""

    def chapter(self, number: int, chinese: str, english: str) -> None:
        pass

    def line(self, text: str) -> None:
        pass

    def text(self, to: str, body: str) -> None:
        pass

    def step(self, step: StepTold) -> None:
        pass


class Told:
    """In the terminal, in Chinese with short English captions."""

    def __init__(self, console: Console, chapters: int) -> None:
        self._console, self._chapters = console, chapters

    def chapter(self, number: int, chinese: str, english: str) -> None:
        self._console.print()
        self._console.print(Rule(f"[bold]{number}/{self._chapters}  {chinese}[/]  [dim]{english}[/]", align="left"))

    def line(self, text: str) -> None:
        self._console.print(f"  {text}", highlight=False)

    def text(self, to: str, body: str) -> None:
        self._console.print(
            Panel(body, title=f"[dim]短信 → {to}[/]", title_align="left", border_style="cyan", width=76),
            highlight=False,
        )

    def step(self, step: StepTold) -> None:
        mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
        why = f" [red]{step.why}[/]" if step.why else ""
        self._console.print(f"  {mark} [dim]{step.door:>8}[/]  {step.name}{why}", highlight=False)
