"""One unit of work: what a use-case is given, and where it says what happened."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from tortoise.exceptions import BaseORMException

from kernel.actor import Actor
from kernel.acts import DocumentDigest
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from kernel.events import Event
from kernel.notary import Assured, Notary
from kernel.refusals import Refusal

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What every unit of work needs, put together once by the wiring."""

    database: Database
    clock: Clock
    notary: Notary
    secrets: Secrets
    #: Settings and ports of the packages above, by their type.
    provisions: Mapping[type, object] = field(default_factory=dict)


class Work:
    """Inside one transaction, at one instant, for one actor.

    A use-case reads and writes through the tables (they find the transaction by themselves), records events here,
    and cannot commit.
    """

    def __init__(self, desk: Desk, *, now: datetime, actor: Actor, assured: Assured) -> None:
        self.now = now
        self.actor = actor
        self.assured = assured
        self.database = desk.database
        self.notary = desk.notary
        self.secrets = desk.secrets
        # As they are now: what is replaced while this work goes on, such as the calendar, is the next work's.
        self._provisions = dict(desk.provisions)
        self.events: list[Event] = []
        #: What this work puts on paper, by the case it is about: whoever decides the case signs it.
        self.papers: defaultdict[str, list[DocumentDigest]] = defaultdict(list)
        self.is_rehearsal = False

    def record(self, event: Event) -> None:
        """Says that `event` happened; it is written with this work's other rows, or not at all."""
        self.events.append(event)

    async def apart(self, part: Callable[[], Awaitable[None]]) -> Exception | None:
        """Does `part` so that its failure undoes it alone; returns what failed, or None.

        For the clock's batches, where each row stands for somebody else.
        """
        before = len(self.events)
        try:
            async with self.database.transaction():
                await part()
        except (Refusal, BaseORMException, LookupError, ValueError) as fault:
            del self.events[before:]
            return fault
        return None

    async def rehearse(self, part: Callable[[], Awaitable[None]]) -> None:
        """Does `part` to learn what comes of it, and undoes it. What it refuses is refused; `papers` stay."""
        before = len(self.events)
        self.is_rehearsal = True
        try:
            async with self.database.transaction():
                await part()
                raise _Rehearsed
        except _Rehearsed:
            del self.events[before:]
        finally:
            self.is_rehearsal = False

    def given(self, kind: type[T]) -> T:
        """The setting or port of type `kind` that the wiring supplied."""
        provision = self._provisions.get(kind)
        if not isinstance(provision, kind):
            raise LookupError(f"the wiring supplies no {kind.__name__}")
        return provision


class _Rehearsed(Exception):
    """Undoes a rehearsal."""
