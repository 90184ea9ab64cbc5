"""How a story is kept on its feet: steps that hold or end it, a clock that is moved, waiting for the office."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from tortoise.exceptions import DoesNotExist

from casework.clock.working_days import CHINA
from kernel.clock import FakeClock
from kernel.refusals import Refusal
from server.demo.carrier import TextMissing
from server.demo.phone import Refused
from server.demo.telling import Door, StepTold, Teller
from server.wiring import System

#: Real seconds for what the office does by itself: a sweep, a delivery.
PATIENCE_S = 20.0

T = TypeVar("T")


class StepFailed(Exception):
    """Something in the story was not as it must be."""


class StoryEnded(Exception):
    """A step did not hold; it has been told."""


@dataclass(kw_only=True)
class Staging:
    """What every story needs; its steps as they were told."""

    system: System
    clock: FakeClock
    teller: Teller
    steps: list[StepTold] = field(default_factory=list)
    _chapters_told: int = 0

    @property
    def held(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)

    async def chapter(self, chinese: str, english: str, told: Callable[[], Awaitable[None]]) -> None:
        self._chapters_told += 1
        self.teller.chapter(self._chapters_told, chinese, english)
        await told()

    async def step(self, name: str, door: Door, held: Awaitable[T]) -> T:
        """Tells whether `held` held. The first step that does not ends the story."""
        try:
            outcome = await held
        except (StepFailed, Refused, TextMissing, Refusal, DoesNotExist, TimeoutError, OSError) as failure:
            self.tell(StepTold(name=name, door=door, ok=False, why=str(failure) or type(failure).__name__))
            raise StoryEnded from failure
        self.tell(StepTold(name=name, door=door, ok=True))
        return outcome

    def tell(self, step: StepTold) -> None:
        self.steps.append(step)
        self.teller.step(step)

    # ---------------------------------------------------------------------------------------------------- time
    async def move_to(self, instant: datetime | None) -> None:
        """Lets everything under way arrive, then moves the clock; the server's own timer does the rest."""
        if instant is None:
            raise StepFailed("the task has no lights")
        await self.settled()
        self.clock.set(instant)
        self.teller.line(f"[dim]时间来到 {instant.astimezone(CHINA):%Y-%m-%d %H:%M}[/]")

    async def settled(self) -> None:
        """Waits until nothing is under way, a step only when it fails."""

        async def nothing_under_way() -> bool | None:
            rows = await self.system.database.rows(
                "SELECT (SELECT count(*) FROM outbox WHERE NOT parked AND due_at <= $1)"
                " + (SELECT count(*) FROM message WHERE state = 'queued' AND send_after <= $1) AS n",
                self.clock.now(),
            )
            return int(str(rows[0]["n"])) == 0 or None

        try:
            await self.until(nothing_under_way, PATIENCE_S)
        except TimeoutError:
            self.tell(StepTold(name="every text reaches the carrier", door="sms", ok=False, why="still under way"))
            raise StoryEnded from None

    async def until(self, happened: Callable[[], Awaitable[T | None]], patience_s: float) -> T:
        """Asks again until the office has done it by itself. Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while (outcome := await happened()) is None:  # noqa: ASYNC110  it happens in the database
                await asyncio.sleep(0.05)
            return outcome
