"""A small county for supervision: one authority, the supervising unit, cases with the tasks a test asks for.

What may be done, by whom, says the product's own table of acts.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count

from casework.acts import Status
from casework.clock.calendars import builtin_calendar
from casework.clock.time_limits import red_at, yellow_at
from casework.clock.working_days import CHINA, Calendar
from casework.tables import Case, Task
from kernel.actor import ANYBODY, THE_CLOCK, Actor, ActorKind, Assurance, Role
from kernel.acts import Act, Done, SignedBytes, TextProof
from kernel.chance import Secrets
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.events import EventCodec
from kernel.notary import Assured, Seal
from kernel.office import Office
from kernel.outbox import Courier, Outbox
from kernel.refusals import NotFound, Refusal
from kernel.tables import Officer, Unit
from kernel.work import Desk, Work
from server.acts import RULES
from server.wiring import EVENTS
from supervision import acts, findings
from supervision.reply_codes import LiveCode, Purpose, live_codes
from supervision.rules import SupervisionRules
from tests.fakes.notary import FakeNotary


def local(text: str) -> datetime:
    """`2026-10-22 09:00` in Shanghai, as the office keeps it."""
    return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)


class Notary(FakeNotary):
    """May be left without a seal."""

    is_without_seal = False

    async def seal(self, work: Work, unit: str, contents: Sequence[bytes]) -> list[Seal]:
        if self.is_without_seal:
            raise NotFound(what="印章")
        return await super().seal(work, unit, contents)


class County:
    """The office with supervision's own rules, and people to act in it."""

    def __init__(self, database: Database, clock: FakeClock, rules: SupervisionRules | None = None) -> None:
        self.database, self.clock = database, clock
        self.notary = Notary()
        consumers = (findings.consumer(),)
        codec = EventCodec(EVENTS)
        self.outbox = Outbox(database, codec, consumers)
        self.desk = Desk(
            database=database,
            clock=clock,
            notary=self.notary,
            secrets=Secrets(b"k" * 32),
            provisions={Calendar: builtin_calendar(), SupervisionRules: rules or SupervisionRules()},
        )
        self.office = Office(self.desk, outbox=self.outbox, rules=RULES)
        self.courier = Courier(self.desk, outbox=self.outbox, codec=codec, consumers=consumers)
        self._keys = count(1)

    async def settle(self) -> None:
        """The directory: OFF-1 handles and OFF-2 leads in the authority FGW; OFF-8 and OFF-9 lead supervision."""
        await Unit.create(code="FGW", name="衡江县发展和改革局", short_name="衡江发改", kind="authority")
        await Unit.create(code="JC", name="衡江县行政效能监察室", short_name="衡江监察", kind="supervision")
        for person, unit, roles in (
            ("OFF-1", "FGW", [Role.HANDLER]),
            ("OFF-2", "FGW", [Role.UNIT_HEAD]),
            ("OFF-3", "FGW", [Role.DEPUTY_LEADER]),
            ("OFF-7", "JC", [Role.SUPERVISOR]),
            ("OFF-8", "JC", [Role.SUPERVISION_LEADER]),
            ("OFF-9", "JC", [Role.SUPERVISION_LEADER]),
        ):
            await Officer.create(
                id=person,
                name=f"某{person[-1]}",
                unit_code=unit,
                phone=f"1390000000{person[-1]}",
                roles=[str(each) for each in roles],
            )

    async def case(self, number: str, *, due_on: date, yellow: datetime, red: datetime, step: str = "level:1") -> Task:
        """A case in approval whose open task turns yellow and red at the given instants."""
        case = await Case.create(
            number=number,
            status=Status.IN_APPROVAL,
            channel="online",
            item_code="I1",
            item_version=1,
            item_name="企业投资项目备案",
            stage_code="S1",
            unit_code="FGW",
            received_on=date(2026, 9, 18),
            entered_at=self.clock.now(),
            committed_due=due_on,
        )
        return await Task.create(
            case_id=case.id,
            step=step,
            role=Role.HANDLER,
            unit_code="FGW",
            assignee="OFF-1",
            opened_at=self.clock.now(),
            due_on=due_on,
            yellow_at=yellow,
            red_at=red,
            next_light_at=yellow,
            sort_at=red,
        )

    async def late_case(self, number: str = "202600000001") -> Task:
        """A case due on Thursday 2026-10-22, with the lights that the working-day calendar gives it."""
        due = date(2026, 10, 22)
        return await self.case(number, due_on=due, yellow=yellow_at(due, builtin_calendar()), red=red_at(due))

    async def proposed_card(self, number: str = "202600000001") -> str:
        """The id of the card that the sweep proposed for a late case."""
        await self.late_case(number)
        self.clock.set(local("2026-10-23 00:00"))
        await self.sweep()
        [row] = await self.database.rows("SELECT id FROM card WHERE case_number = $1", number)
        return str(row["id"])

    async def effective_card(self, number: str = "202600000001") -> str:
        card = await self.proposed_card(number)
        await self.text("OFF-8", acts.ConfirmCard(code=await self.code(card, "OFF-8")))
        return card

    async def officer(self, id: str, assurance: Assurance = Assurance.SESSION) -> Actor:
        row = await Officer.get(id=id)
        return Actor(
            kind=ActorKind.OFFICER,
            id=row.id,
            name=row.name,
            roles=frozenset(Role(each) for each in row.roles),
            unit=row.unit_code,
            phone=row.phone,
            assurance=assurance,
        )

    async def sweep(self, limit: int = 500) -> int:
        outcome = await self.office.perform(acts.TurnLights(limit=limit), THE_CLOCK, key=None)
        assert isinstance(outcome, Done)
        return outcome.count

    async def order(self, limit: int = 500) -> Done | Refusal:
        """The clock's turn after the sweep: the orders that the red lights want."""
        return await self.office.perform(acts.IssueOrders(limit=limit), THE_CLOCK, key=None)

    async def remind(self) -> int:
        outcome = await self.office.perform(acts.RemindUnconfirmed(), THE_CLOCK, key=None)
        assert isinstance(outcome, Done)
        return outcome.count

    async def perform(self, act: Act, who: str, *, proof: SignedBytes | None = None):
        return await self.office.perform(act, await self.officer(who), key=self._key(), proof=proof)

    async def text(self, who: str, act: Act, *, inbound: int | None = None):
        """`who` (an officer, or a stranger's phone number) texts; answers what the office answers."""
        if who.startswith("OFF-"):
            actor = await self.officer(who, Assurance.NONE)
        else:
            actor = Actor(kind=ANYBODY.kind, id=who, phone=who)
        n = inbound or next(self._keys)
        proof = TextProof(
            inbound=n,
            sender=actor.phone or "",
            receiver="10690000",
            text="…",
            pdus=(b"pdu",),
            received_at=self.clock.now(),
            carrier="simulator",
        )
        return await self.office.perform(act, actor, key=f"mo:{n}", proof=proof)

    async def signed(self, who: str, prepare: acts.PrepareCardDecision):
        """Prepares, signs and performs one decision in the app."""
        request = await self.perform(prepare, who)
        if isinstance(request, Refusal):
            return request
        act = acts.DecideCard(
            card=prepare.card, revision=prepare.revision, decision=prepare.decision, reason=prepare.reason
        )
        return await self.perform(act, who, proof=SignedBytes(nonce=request.nonce, signature=b"signature"))

    async def codes(self, card: str, purpose: Purpose = Purpose.CONFIRM) -> list[LiveCode]:
        work = Work(self.desk, now=self.clock.now(), actor=THE_CLOCK, assured=Assured(level=Assurance.SYSTEM))
        return await live_codes(work, card, purpose)

    async def code(self, card: str, who: str, purpose: Purpose = Purpose.CONFIRM) -> str:
        [code] = [each.code for each in await self.codes(card, purpose) if each.officer == who]
        return code

    async def events(self, tag: str) -> list[str]:
        return [str(row["body"]) for row in await self.database.rows("SELECT body FROM event WHERE tag = $1", tag)]

    def wait(self, **time: float) -> None:
        self.clock.advance(timedelta(**time))

    def _key(self) -> str:
        return f"test:{next(self._keys)}"
