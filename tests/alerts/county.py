"""The small town with everything above casework: supervision, alerts, the public's queries; events are delivered."""

from alerts.policy import consumer as alerts_consumer
from alerts.settings import AlertRules
from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import Calendar
from casework.rules import CaseworkRules
from hall.rules import HallRules
from kernel.actor import THE_CLOCK, Actor, ActorKind, Role
from kernel.acts import TextProof
from kernel.chance import Secrets
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.events import Event, EventCodec
from kernel.office import Office
from kernel.outbox import Courier, Outbox
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from kernel.work import Desk
from server.acts import RULES
from server.wiring import EVENTS
from supervision.acts import IssueOrders, RemindUnconfirmed, TurnLights
from supervision.findings import consumer as findings_consumer
from supervision.rules import SupervisionRules
from tests.casework.town import PEOPLE, Town
from tests.fakes.notary import FakeNotary

APPLICANT = "13800000001"
LEADER_PHONE, SUPERVISOR_PHONE = "13700000001", "13700000002"
ALERT_RULES = AlertRules(signature="衡江政务服务", service_phone="07348123456", hall_place="衡江市政务大厅一楼")


def phone_of(id: str) -> str:
    return f"1390000{[each[0] for each in PEOPLE].index(id):04d}"


class County(Town):
    def __init__(self, database: Database, clock: FakeClock, *, rules: AlertRules = ALERT_RULES) -> None:
        self.database, self.clock, self.rules = database, clock, rules
        self.notary, self.secrets = FakeNotary(), Secrets(b"k" * 32)
        codec = EventCodec(EVENTS)
        consumers = (findings_consumer(), alerts_consumer())
        self.outbox = Outbox(database, codec, consumers)
        self.provisions: dict[type, object] = {
            Calendar: builtin_calendar(),
            CaseworkRules: CaseworkRules(),
            SupervisionRules: SupervisionRules(),
            AlertRules: rules,
            HallRules: HallRules(),
        }
        self.desk = desk = Desk(
            database=database, clock=clock, notary=self.notary, secrets=self.secrets, provisions=self.provisions
        )
        self.office = Office(desk, outbox=self.outbox, rules=RULES)
        self.courier = Courier(desk, outbox=self.outbox, codec=codec, consumers=consumers)
        self._keys = 0

    async def settle(self) -> None:
        await super().settle()
        await Unit.create(code="JC", name="监察委员会", short_name="衡监察", kind="supervision")
        for id, name, phone, role in (
            ("JCLEADER", "吴监察", LEADER_PHONE, Role.SUPERVISION_LEADER),
            ("JCCLERK", "郑监察", SUPERVISOR_PHONE, Role.SUPERVISOR),
        ):
            await Officer.create(id=id, name=name, unit_code="JC", phone=phone, roles=[role], email=f"{id}@jc.example")

    async def tell(self) -> None:
        """Delivers every event; no entry may fail."""
        while await self.courier.deliver():
            pass
        assert await self.database.rows("SELECT last_error FROM outbox") == []

    async def happened(self, event: Event) -> None:
        async with self.database.transaction():
            await self.outbox.write([event], at=self.clock.now(), actor="system:test")

    async def turn_lights(self) -> None:
        assert await self.do(TurnLights(), THE_CLOCK)
        assert await self.do(IssueOrders(), THE_CLOCK)
        await self.tell()

    async def remind(self) -> None:
        assert await self.do(RemindUnconfirmed(), THE_CLOCK)
        await self.tell()

    async def texts(self, template: str = "") -> list[tuple[str, str]]:
        """Phone and body of every message, in order."""
        rows = await self.database.rows("SELECT * FROM message WHERE channel = 'sms' ORDER BY id")
        return [(str(r["to_phone"]), str(r["body"])) for r in rows if str(r["template"]).startswith(template)]

    async def answer_by_text(self, act, officer: str, phone: str):
        """What the text door does, without the door."""
        row = await Officer.get(id=officer)
        actor = Actor(
            kind=ActorKind.OFFICER,
            id=row.id,
            name=row.name,
            roles=frozenset(Role(role) for role in row.roles),
            unit=row.unit_code,
            phone=phone,
        )
        proof = TextProof(
            inbound=1,
            sender=phone,
            receiver="10690000",
            text="…",
            pdus=(b"",),
            received_at=self.clock.now(),
            carrier="east",
        )
        outcome = await self.do(act, actor, proof=proof)
        assert not isinstance(outcome, Refusal), outcome
        return outcome
