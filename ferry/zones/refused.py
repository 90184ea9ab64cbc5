"""The log of acts that came from outside and were not believed; and what both zones forget of acts that are over."""

from datetime import timedelta
from typing import ClassVar

from ferry.zones.tables import ArrivedAct, RelayedAct
from kernel.acts import Act, Done
from kernel.events import Event
from kernel.work import Work

#: As long as every office remembers what it answered under a key.
KEPT_FOR = timedelta(days=30)


class NoteForeignAct(Act[Done], frozen=True, tag="ferry.note_foreign_act"):
    ferry: str
    record: str
    asked: str
    actor: str
    code: str
    why: str = ""


class ForgetRelayedActs(Act[Done], frozen=True, tag="ferry.forget_relayed"):
    """The clock's: acts of more than a month ago. Outside also those that no outcome came back of, which would count as
    waiting for ever; inside what is still to do stays."""


class ForeignActRefused(Event, frozen=True, tag="ferry.act_refused"):
    """`actor` is whom the other zone named; `record` is where it can be looked up."""

    about: ClassVar[str] = "ferry"
    ferry: str
    record: str
    asked: str
    actor: str
    code: str
    why: str


EVENTS: tuple[type[Event], ...] = (ForeignActRefused,)


async def note_foreign_act(work: Work, act: NoteForeignAct) -> Done:
    work.record(
        ForeignActRefused(
            ferry=act.ferry,
            record=act.record,
            asked=act.asked,
            actor=act.actor,
            code=act.code,
            why=act.why,
        )
    )
    return Done()


async def forget_relayed_acts(work: Work, act: ForgetRelayedActs) -> Done:
    before = work.now - KEPT_FOR
    relayed = await RelayedAct.filter(at__lt=before).delete()
    arrived = await ArrivedAct.filter(at__lt=before, done_at__isnull=False).delete()
    return Done(count=relayed + arrived)
