"""An installation in which a card was proposed, texted to its leader, and answered: right, wrong, and by a stranger."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from alerts.outgoing import Channel, claim
from alerts.settling import Heard, Outcome, Report, record
from alerts.states import State
from certs.authority import pem
from kernel.actor import THE_CLOCK
from kernel.clock import FakeClock
from kernel.tables import Officer
from server.provisions import alert_rules
from server.settings import DatabaseSettings, Settings
from server.wiring import System, open_system
from sms.carriers import Arrival
from sms.inbound import Inbox
from sms.smpp.carrier import identity_of
from sms.smpp.pdus import encode
from sms.smpp.vocabulary import DeliverSm
from sms.text import segments
from supervision.acts import IssueOrders, TurnLights
from supervision.reply_codes import reply_code_for
from supervision.tables import Card, ReplyCode
from tests.mobile_api.stage import CARD_LEADER, Stage

STRANGER = "18600000000"


def settings_in(folder: Path) -> Settings:
    return Settings(data_dir=folder, database=DatabaseSettings(url=f"sqlite://{folder}/z.db"))


class Texting:
    """The text door of a running system."""

    def __init__(self, system: System, clock: FakeClock) -> None:
        self.system, self.clock = system, clock
        self.inbox = Inbox(
            system.office, system.database, clock, system.secrets, alert_rules=alert_rules(system.settings)
        )
        self._sequence = 0

    async def text(self, phone: str, body: str, *, to: str = "10690000") -> None:
        self.clock.advance(timedelta(seconds=15))
        self._sequence += 1
        divided = segments(body, reference=self._sequence)
        for octets in divided.parts:
            pdu = DeliverSm(
                source=phone,
                destination=to,
                esm_class=0x40 if divided.has_header else 0,
                data_coding=divided.coding,
                short_message=octets,
            )
            frame = encode(pdu, self._sequence)
            assert await self.inbox.take(Arrival("mobile", pdu.part(frame), identity_of(frame))) == 0
        await self.inbox.handle_waiting()
        await self.deliver_events()

    async def deliver_events(self) -> None:
        while await self.system.courier.deliver():
            pass

    async def send_what_waits(self) -> None:
        """As a carrier does: every part is taken, and its receipt comes."""
        now, database = self.clock.now(), self.system.database
        claimed = await claim(database, now=now, limit=100, channel=Channel.SMS, carrier="mobile")
        accepted = {
            message.id: tuple((part, f"{message.id:x}{part:02x}") for part in range(1, message.parts + 1))
            for message in claimed
        }
        reports = [
            Report(message=message, outcome=Outcome.SUBMITTED, accepted=accepted[message.id]) for message in claimed
        ]
        heard = [Heard(sms_id, State.DELIVERED) for parts in accepted.values() for _, sms_id in parts]
        await record(database, now=now, carrier="mobile", reports=reports, heard=heard)


async def propose_a_card(stage: Stage, texting: Texting) -> str:
    """The code that the leader of supervision was texted."""
    await stage.accepted()
    texting.clock.advance(timedelta(days=40))
    for act in (TurnLights(), IssueOrders()):
        await texting.system.office.perform(act, THE_CLOCK, key=None)
    await texting.deliver_events()
    await texting.send_what_waits()
    row = await ReplyCode.filter(officer_id=CARD_LEADER).order_by("-id").first()
    assert row is not None
    return reply_code_for(texting.system.secrets, {"id": row.id, "nonce": row.nonce}, digits=5)


@dataclass(frozen=True)
class Texted:
    """`agreed` and `refused` are numbers of evidence; `root` is the CA's certificate, PEM."""

    folder: Path
    leader_phone: str
    code: str
    card: str
    agreed: str
    refused: str
    root: bytes


async def texted(folder: Path, clock: FakeClock) -> Texted:
    async with open_system(settings_in(folder), clock=clock) as system:
        stage = Stage(system.database, clock, system.authority, system.files)
        await stage.settle()
        texting = Texting(system, clock)
        code = await propose_a_card(stage, texting)
        phone = (await Officer.get(id=CARD_LEADER)).phone
        await texting.text(STRANGER, f"1{code}")
        await texting.text(phone, f"同意 {code}")
        await texting.send_what_waits()
        card = await Card.get()
        assert card.state == "effective"
        return Texted(folder, phone, code, card.id, card.evidence, "EV00000001", pem(system.authority.root))
