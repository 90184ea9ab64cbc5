"""The casework tests' town, with the public's question beside."""

from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import Calendar
from casework.events import EVENTS
from casework.rules import CaseworkRules
from hall.progress import ProgressView, QueryProgress, query_progress
from kernel.actor import Actor, ActorKind, Assurance
from kernel.events import EventCodec
from kernel.office import Office, Rule
from kernel.outbox import Outbox
from kernel.permissions import anybody
from kernel.refusals import Refusal
from kernel.work import Desk
from tests.casework.town import Town


class Hall(Town):
    def __init__(self, database, clock) -> None:
        super().__init__(database, clock, CaseworkRules())
        desk = Desk(
            database=database,
            clock=clock,
            notary=self.notary,
            secrets=self.secrets,
            provisions={Calendar: builtin_calendar(), CaseworkRules: CaseworkRules()},
        )
        rule = Rule(QueryProgress, query_progress, anybody, Assurance.NONE)
        self.desk = Office(desk, outbox=Outbox(database, EventCodec(EVENTS), ()), rules=(rule,))

    async def query(self, number: str, *, phone: str | None, password: str | None = None) -> ProgressView | Refusal:
        """As a text message from `phone`; None: from the public page."""
        actor = Actor(kind=ActorKind.ANONYMOUS, id=phone or "anonymous", phone=phone)
        return await self.desk.perform(QueryProgress(number=number, password=password), actor, key=None)
