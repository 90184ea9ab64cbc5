"""A tiny office with one kind of thing to count, so that the kernel is tested by itself."""

from typing import ClassVar

import pytest
from tortoise.expressions import F

from kernel.actor import Actor, ActorKind, Assurance, Role
from kernel.acts import Act, View
from kernel.chance import Secrets
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.events import Event, EventCodec, Recorded
from kernel.office import Office, Rule
from kernel.outbox import Consumer, Courier, Outbox
from kernel.permissions import any_officer, role
from kernel.refusals import Refusal
from kernel.tables import NumberSeries
from kernel.work import Desk, Work
from tests.fakes.notary import FakeNotary


class Counted(View, frozen=True):
    total: int


class Bump(Act[Counted], frozen=True, tag="test.bump"):
    name: str
    by: int = 1
    then: str = ""


class Close(Act[Counted], frozen=True, tag="test.close"):
    name: str


class Bumped(Event, frozen=True, tag="test.bumped"):
    about: ClassVar[str] = "name"
    name: str
    by: int


class TooBig(Refusal):
    code = "TEST_TOO_BIG"
    zh = "最多一次加{most}。"
    en = "At most {most}."


class Tired(Refusal):
    code = "TEST_TIRED"
    zh = "已记下，但不再继续。"
    en = "Noted, but no further."


async def bump(work: Work, act: Bump) -> Counted | Refusal:
    await NumberSeries.get_or_create(name=act.name, defaults={"reached": 0})
    await NumberSeries.filter(name=act.name).update(reached=F("reached") + act.by)
    work.record(Bumped(name=act.name, by=act.by))
    if act.by > 100:
        raise TooBig(most=100)
    if act.then == "tired":
        return Tired()
    row = await NumberSeries.get(name=act.name)
    return Counted(total=row.reached)


async def close(work: Work, act: Close) -> Counted:
    return Counted(total=0)


RULES = (
    Rule(Bump, bump, any_officer, Assurance.SESSION),
    Rule(Close, close, role(Role.SUPERVISOR), Assurance.CERTIFICATE),
)


class Bench:
    """The kernel put together around an empty database."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.heard: list[tuple[str, str]] = []
        self.faults: list[Exception] = []
        self.codec = EventCodec([Bumped])
        consumers = (
            Consumer(name="listener", wants=(Bumped,), handle=self._hear),
            Consumer(name="counter", wants=(Bumped,), handle=self._count),
        )
        self.outbox = Outbox(database, self.codec, consumers)
        self.desk = Desk(database=database, clock=clock, notary=FakeNotary(), secrets=Secrets(b"k" * 32))
        self.office = Office(self.desk, outbox=self.outbox, rules=RULES)
        self.courier = Courier(self.desk, outbox=self.outbox, codec=self.codec, consumers=consumers)

    async def _hear(self, work: Work, recorded: Recorded) -> None:
        if self.faults:
            raise self.faults.pop()
        self.heard.append((recorded.subject, work.now.isoformat()))

    async def _count(self, work: Work, recorded: Recorded) -> None:
        """Does its work in the database, so that a rollback shows."""
        await NumberSeries.get_or_create(name="counted", defaults={"reached": 0})
        await NumberSeries.filter(name="counted").update(reached=F("reached") + 1)

    async def total(self, name: str) -> int:
        row = await NumberSeries.get_or_none(name=name)
        return row.reached if row else 0


@pytest.fixture
def bench(database: Database, clock: FakeClock) -> Bench:
    return Bench(database, clock)


def officer(id: str = "OFF-1", *roles: Role, assurance: Assurance = Assurance.SESSION) -> Actor:
    return Actor(kind=ActorKind.OFFICER, id=id, roles=frozenset(roles), assurance=assurance)
