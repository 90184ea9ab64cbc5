"""What every carrier must do, whatever it speaks: through the real queue and gateway, over a real socket.

SMPP 3.4 against the simulated SMSC, MAS by HTTP against the simulated cloud MAS, CMPP 2.0 and 3.0 against the
simulated ISMG, MAS by database against a real MariaDB, where there is one, that a simulated MAS machine empties, and
the ferry against an outer zone with a carrier of its own.
"""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from sms.cmpp.vocabulary import Version
from sms.inbound import Inbox
from sms.simulator import Handset
from sms.smpp.carrier import Contract
from sms.smpp.vocabulary import BindTransmitter
from sms.text import segments
from tests.ferry.zones.across import Across
from tests.sms.carrier_desk import (
    ACCESS_NUMBER,
    put,
    running,
    simulated,
    smpp_carrier,
    states_of,
    until,
    until_sent,
    until_settled,
)
from tests.sms.cmpp_desk import cmpp_carrier, ismg_of
from tests.sms.mariadb import MariaDb
from tests.sms.mariadb_desk import (
    QUICK,
    database_carrier,
    emas,
    emas_machine,
    fresh_database,
    jasson,
    jasson_machine,
)
from tests.sms.mas_desk import cloud_mas, mas_carrier, push_door
from tests.sms.relay import Relay

pytestmark = pytest.mark.feature("SMS-03")

PHONE = "13800138000"
LONG = "【衡江政务服务】" + "一二三四五六七八九十" * 9 + "𠮷"


class Line:
    """The carrier under test and the simulated network behind it, with the faults that every network has."""

    network: Any
    carrier: Any

    def __init__(self, clock) -> None:
        self._clock = clock

    def phone(self, number: str = PHONE) -> Handset:
        return self.network.handset(number)

    def refuse(self, number: str) -> None:
        self.network.faults.undeliverable.add(number)

    async def say(self, number: str, body: str) -> None:
        """What a phone says, as often as this is called: the very same message."""
        await self.network.carry(number, ACCESS_NUMBER, segments(body, reference=7), 5.0)

    async def at_rest(self) -> None:
        """Returns when the phones have what the carrier has taken; most give it to them before they answer."""

    def hears(self, inbox: Inbox) -> None:
        """Who is handed what people text, where it does not come through the carrier."""


class SmppLine(Line):
    @asynccontextmanager
    async def standing(self):
        async with simulated(self._clock) as self.network:
            self.carrier = smpp_carrier(self.network, "line", terms={"response_s": 2.0})
            yield

    @asynccontextmanager
    async def back(self):
        """After `standing` has ended: the network again, at the same place."""
        async with simulated(self._clock, port=self.network.port) as self.network:
            yield

    def throttle(self) -> None:
        self.network.faults.throttle_next = 1

    def answer_slowly(self) -> None:
        self.network.faults.response_delay_s = 0.05


class SmppPairsLine(SmppLine):
    """Two transmitters and two receivers."""

    @asynccontextmanager
    async def standing(self):
        async with simulated(self._clock) as self.network:
            self.carrier = smpp_carrier(
                self.network, "line", bind=BindTransmitter, contract=Contract(binds=2), terms={"response_s": 2.0}
            )
            yield


class MasLine(Line):
    @asynccontextmanager
    async def standing(self):
        async with cloud_mas(self._clock) as self.network:
            self.carrier = mas_carrier(self.network, "line", patience={"answer_s": 30.0})
            async with push_door(self.carrier) as self.network.push_to:
                yield

    @asynccontextmanager
    async def back(self):
        port = self.network.port
        async with (
            push_door(self.carrier) as door,
            cloud_mas(self._clock, port=port, push_to=door) as self.network,
        ):
            yield

    def throttle(self) -> None:
        self.network.faults.rspcods.append("FlowOverLimit")

    def answer_slowly(self) -> None:
        self.network.faults.answer_delay_s = 0.05


class FetchingMasLine(MasLine):
    """A MAS that cannot reach us: nothing is pushed, everything fetched."""

    @asynccontextmanager
    async def standing(self):
        async with cloud_mas(self._clock) as self.network:
            self.carrier = mas_carrier(self.network, "line", patience={"answer_s": 30.0}, pull_every_s=0.02)
            yield

    @asynccontextmanager
    async def back(self):
        async with cloud_mas(self._clock, port=self.network.port) as self.network:
            yield


class Cmpp3Line(Line):
    version = Version.V3

    @asynccontextmanager
    async def standing(self):
        async with ismg_of(self._clock, version=self.version) as self.network:
            self.carrier = cmpp_carrier(self.network, "line", version=self.version)
            yield

    @asynccontextmanager
    async def back(self):
        async with ismg_of(self._clock, version=self.version, port=self.network.port) as self.network:
            yield

    async def say(self, number: str, body: str) -> None:
        said = self.__dict__.setdefault("said", {})
        if body not in said:
            said[body] = self.network.texts(number, ACCESS_NUMBER, segments(body, reference=7))
        await self.network.deliver(said[body])

    def throttle(self) -> None:
        self.network.faults.throttle_next = 1

    def answer_slowly(self) -> None:
        self.network.faults.response_delay_s = 0.05


class Cmpp2Line(Cmpp3Line):
    version = Version.V2


class EmasLine(Line):
    """`back` finds the database server killed and started again."""

    machine: Any = staticmethod(emas_machine)
    interface: Any = staticmethod(emas)
    mariadb: MariaDb

    @asynccontextmanager
    async def standing(self):
        self.server = await fresh_database(self.mariadb)
        async with (
            self.machine(self.server, self._clock) as self.network,
            Relay(self.server.port) as self.wire,
        ):
            through = replace(self.server, port=self.wire.port)
            # A text that the killed server had in its hands is soon given up and sent again.
            pace = replace(QUICK, doubt_s=2.0)
            self.carrier = database_carrier(through, self.interface(), self._clock, "line", ahead=32, pace=pace)
            yield

    @asynccontextmanager
    async def back(self):
        self.mariadb.kill()
        self.mariadb.start_again()
        async with (
            self.machine(self.server, self._clock) as self.network,
            Relay(self.server.port, port=self.wire.port),
        ):
            yield

    def throttle(self) -> None:
        self.network.faults.busy_rounds = 5

    def answer_slowly(self) -> None:
        self.wire.delay_s = 0.05

    async def at_rest(self) -> None:
        await self.network.at_rest()


class JassonLine(EmasLine):
    machine = staticmethod(jasson_machine)
    interface = staticmethod(jasson)


class FerryLine(Line):
    """Another zone, with a database of its own, across a gap; what breaks is its carrier, and the way there."""

    pair: Any

    @asynccontextmanager
    async def standing(self):
        self.across = Across(self.pair)
        self.across.step_s = 0.5
        self.carrier = self.across.carrier(ahead=64)
        async with self.back():
            yield

    @asynccontextmanager
    async def back(self):
        port = self.across.network.port if self.across.network else 0
        async with self.across.outside(port=port), self.across.carrying():
            self.network = self.across.network
            yield

    def hears(self, inbox: Inbox) -> None:
        self.across.arrived.append(inbox.wake)

    def throttle(self) -> None:
        self.network.faults.throttle_next = 1

    def answer_slowly(self) -> None:
        self.network.faults.response_delay_s = 0.05


LINES = {
    "SMPP": SmppLine,
    "SMPP pairs": SmppPairsLine,
    "MAS": MasLine,
    "MAS fetched": FetchingMasLine,
    "CMPP2": Cmpp2Line,
    "CMPP3": Cmpp3Line,
    "EMAS": EmasLine,
    "Jasson": JassonLine,
    "ferry": FerryLine,
}


@pytest.fixture(params=list(LINES.values()), ids=list(LINES))
def line(request, clock):
    made = request.param(clock)
    if isinstance(made, EmasLine):
        made.mariadb = request.getfixturevalue("mariadb")
    if isinstance(made, FerryLine):
        made.pair = request.getfixturevalue("zones")
    return made


async def test_a_text_reaches_the_phone_and_its_receipt_settles_it(database, clock, line):
    async with line.standing(), running(database, clock, line.carrier):
        await put(database, clock, "【衡江政务服务】您的申请已受理。")
        arrived = await line.phone().next_text()
        assert (arrived.sender, arrived.text) == (ACCESS_NUMBER, "【衡江政务服务】您的申请已受理。")
        await until(database, delivered=1)


async def test_a_long_text_reaches_the_phone_whole_and_counts_as_delivered(database, clock, line):
    async with line.standing(), running(database, clock, line.carrier):
        await put(database, clock, LONG)
        assert (await line.phone().next_text()).text == LONG
        await until(database, delivered=1)


async def test_a_number_that_cannot_be_reached_fails_with_a_reason_and_the_others_do_not(database, clock, line):
    async with line.standing(), running(database, clock, line.carrier):
        line.refuse("13900139000")
        await put(database, clock, "【衡江政务服务】甲", LONG, phone="13900139000")
        await put(database, clock, "【衡江政务服务】甲", phone=PHONE)
        await until(database, failed=2, delivered=1)
        rows = await database.rows("SELECT error FROM message WHERE state = 'failed'")
        assert all(row["error"] for row in rows)


async def test_texts_that_were_too_fast_are_delivered_later_and_once(database, clock, line):
    bodies = [f"【衡江政务服务】第{number}件" for number in range(20)]
    async with line.standing(), running(database, clock, line.carrier):
        line.throttle()
        await put(database, clock, *bodies)
        await until(database, delivered=20)
        assert sorted(text.text for text in line.phone().inbox) == sorted(bodies)


async def test_what_expires_in_the_carriers_hands_is_never_sent(database, clock, line):
    async with line.standing(), running(database, clock, line.carrier):
        # The first answer comes late, and the rest waits for its place.
        line.answer_slowly()
        await put(database, clock, *(f"【衡江政务服务】第{number}件" for number in range(200)))
        await line.phone().next_text()
        clock.advance(timedelta(hours=25))
        await until_settled(database)
        await line.at_rest()
        states = await states_of(database)
        assert states["expired"] >= 50
        assert len(line.phone().inbox) == states["delivered"] == 200 - states["expired"]


async def test_texts_outlast_a_carrier_that_is_gone(database, clock, line):
    bodies = [f"【衡江政务服务】第{number}件" for number in range(20)]
    async with line.standing():
        pass
    await put(database, clock, *bodies)
    async with running(database, clock, line.carrier):
        await asyncio.sleep(0.1)
        assert await states_of(database) == {"queued": 20}
        async with line.back():
            await until(database, delivered=20)
            assert sorted(text.text for text in line.phone().inbox) == sorted(bodies)


async def test_texts_outlast_a_carrier_that_goes_while_it_is_used(database, clock, line):
    bodies = [f"【衡江政务服务】第{number}件" for number in range(200)]
    async with AsyncExitStack() as before:
        await before.enter_async_context(line.standing())
        async with running(database, clock, line.carrier):
            await put(database, clock, *bodies)
            for _ in range(5):
                await line.phone().next_text()
            arrived = line.phone().inbox
            await before.aclose()
            assert await states_of(database) != {"delivered": 200}
            async with line.back():
                await until_sent(database)
                await line.at_rest()
                assert {text.text for text in (*arrived, *line.phone().inbox)} == set(bodies)


async def test_a_text_from_a_person_is_taken_once_however_often_the_carrier_says_it(county, line):
    database, clock = county.database, county.clock
    inbox = Inbox(county.office, database, clock, county.secrets, alert_rules=county.rules)
    async with line.standing(), running(database, clock, line.carrier, inbox=inbox, secrets=county.secrets):
        line.hears(inbox)
        for _ in range(3):
            await line.say(PHONE, "请问我的申请办到哪一步了？" * 8)
        assert "查进度请回复CX加受理号" in (await line.phone().next_text()).text
        await until(database, delivered=1)
        rows = await database.rows("SELECT sender, receiver, text, outcome FROM inbound_message")
        assert [tuple(row.values()) for row in rows] == [
            (PHONE, ACCESS_NUMBER, "请问我的申请办到哪一步了？" * 8, "HELP")
        ]
        assert len(line.phone().inbox) == 1


async def test_draining_leaves_nothing_in_flight_and_the_rest_in_the_queue(database, clock, line):
    async with line.standing():
        line.answer_slowly()
        await put(database, clock, *(f"【衡江政务服务】{number}" for number in range(300)))
        async with running(database, clock, line.carrier) as gateway:
            await line.phone().next_text()
            await gateway.drain()
            await line.at_rest()
            states = await states_of(database)
            assert states.keys() <= {"queued", "submitted", "delivered"}
            assert states["queued"] >= 100
            assert len(line.phone().inbox) == 300 - states["queued"]


async def test_a_clock_that_jumps_past_every_lease_sends_nothing_twice(database, clock, line):
    async with line.standing(), running(database, clock, line.carrier):
        line.answer_slowly()
        await put(database, clock, "【衡江政务服务】甲")
        await line.phone().next_text()
        clock.advance(timedelta(hours=5))
        await until(database, delivered=1)
        assert len(line.phone().inbox) == 1
