"""The log of acts that came from outside and were not believed; and what both zones forget of acts that are over."""

from datetime import timedelta
from typing import ClassVar

from tortoise.expressions import Q

from ferry.zones.tables import ArrivedAct, RelayedAct
from kernel.acts import Act, Done
from kernel.events import Event
from kernel.work import Work

#: As long as every office remembers what it answered under a key.
KEPT_FOR = timedelta(days=30)
#: An outcome, which may hold a password, outside: after somebody was told it, and when nobody asks for it. Whoever
#: repeats the act later is answered from inside again.
TOLD_FOR, UNTOLD_FOR = timedelta(hours=1), timedelta(days=1)


class NoteForeignAct(Act[Done], frozen=True, tag="ferry.note_foreign_act"):
    ferry: str
    record: str
    asked: str
    actor: str
    code: str
    why: str = ""


class ForgetRelayedActs(Act[Done], frozen=True, tag="ferry.forget_relayed"):
    """The clock's: outside outcomes that were told, or are of no use to anybody, and acts that none came back of for a
    month, which would count as waiting for ever; inside acts of more than a month ago, but what is still to do stays.
    """


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
    is_over = Q(given_at__lt=work.now - TOLD_FOR) | Q(answered_at__lt=work.now - UNTOLD_FOR)
    relayed = await RelayedAct.filter(is_over, answered_at__lt=work.now - TOLD_FOR).delete()
    relayed += await RelayedAct.filter(at__lt=before).delete()
    arrived = await ArrivedAct.filter(at__lt=before, done_at__isnull=False).delete()
    return Done(count=relayed + arrived)
