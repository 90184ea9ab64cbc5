"""The county with its text door: texts come in as the carrier hands them over, answers stand in the queue."""

from datetime import timedelta

from alerts.policy import consumer as alerts_consumer
from kernel.events import EventCodec
from kernel.office import Office
from kernel.outbox import Courier, Outbox
from server.acts import RULES
from server.wiring import EVENTS
from sms.carriers import Arrival
from sms.inbound import Inbox, InboxRules
from sms.smpp.carrier import identity_of
from sms.smpp.pdus import encode
from sms.smpp.vocabulary import DeliverSm
from sms.text import segments
from supervision.findings import consumer as findings_consumer
from supervision.tables import ReplyCode
from tests.alerts.county import County

ACCESS_NUMBER = "10690000"
#: Nobody answers faster; what comes again sooner is the carrier's repetition.
TYPING = timedelta(seconds=15)


def watched(county: County) -> "TextDesk":
    """The desk of a county in which supervision looks as well."""
    codec, consumers = EventCodec(EVENTS), (alerts_consumer(), findings_consumer())
    county.outbox = Outbox(county.database, codec, consumers)
    county.office = Office(county.desk, outbox=county.outbox, rules=RULES)
    county.courier = Courier(county.desk, outbox=county.outbox, codec=codec, consumers=consumers)
    return TextDesk(county)


class TextDesk:
    def __init__(self, county: County, rules: InboxRules | None = None) -> None:
        self.county, self.database, self.clock = county, county.database, county.clock
        self._rules = rules or InboxRules()
        self._sequence = 0
        self._references = 0
        self.restart()

    def restart(self) -> None:
        """A new process: whatever the old one had in memory is gone."""
        county = self.county
        self.inbox = Inbox(
            county.office,
            county.database,
            county.clock,
            county.secrets,
            alert_rules=county.rules,
            rules=self._rules,
        )

    def parts(self, phone: str, body: str, *, to: str = ACCESS_NUMBER, reference: int | None = None) -> list[DeliverSm]:
        self._references += 1
        divided = segments(body, reference=self._references if reference is None else reference)
        return [
            DeliverSm(
                source=phone,
                destination=to,
                esm_class=0x40 if divided.has_header else 0,
                data_coding=divided.coding,
                short_message=octets,
            )
            for octets in divided.parts
        ]

    async def take(self, pdu: DeliverSm, *, dated: bytes | None = None) -> None:
        """`dated`: a carrier's own id of the text."""
        self._sequence += 1
        frame = encode(pdu, self._sequence)
        arrival = Arrival("east", pdu.part(frame), dated or identity_of(frame), is_dated=dated is not None)
        assert await self.inbox.take(arrival) == 0

    async def text(self, phone: str, body: str, *, to: str = ACCESS_NUMBER) -> str:
        """Texts the office and returns what it answers; empty: nothing."""
        before = await self.answers(phone)
        self.clock.advance(TYPING)
        for pdu in self.parts(phone, body, to=to):
            await self.take(pdu)
        await self.inbox.handle_waiting()
        await self.county.tell()
        answered = (await self.answers(phone))[len(before) :]
        assert len(answered) <= 1
        return answered[0] if answered else ""

    async def answers(self, phone: str) -> list[str]:
        rows = await self.database.rows(
            "SELECT body FROM message WHERE dedupe_key LIKE 'reply:%' AND to_phone = $1 ORDER BY id", phone
        )
        return [str(row["body"]) for row in rows]

    async def outcomes(self) -> list[str]:
        rows = await self.database.rows("SELECT outcome FROM inbound_message ORDER BY id")
        return [str(row["outcome"]) for row in rows]

    async def refusals_logged(self) -> list[str]:
        rows = await self.database.rows("SELECT body FROM event WHERE tag = 'card.reply_refused' ORDER BY id")
        return [str(row["body"]) for row in rows]

    async def code(self, purpose: str = "confirm") -> str:
        row = await ReplyCode.filter(purpose=purpose).order_by("-id").first()
        assert row is not None
        return self.county.secrets.derived_code("card-reply", f"{row.id}:{row.nonce}", 5)

    async def propose_a_card(self) -> None:
        """A case that is over its limit by the night before."""
        await self.county.accepted()
        self.county.at("2026-10-23 09:00")
        await self.county.turn_lights()
