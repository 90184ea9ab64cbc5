"""A queue at hand: letters by the dozen, claimed and settled as a gateway would."""

from datetime import timedelta

from alerts.outgoing import Channel, Letter, Outgoing, claim, enqueue, recover
from alerts.settling import Heard, Outcome, Report, record, tend
from alerts.states import State
from alerts.templates import TEMPLATES
from alerts.texts import Code, Text, parts_needed
from kernel.clock import FakeClock
from kernel.db import Database
from sms.receipts import same_message_ids
from tests.standing import states_by_number


class QueueDesk:
    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self._letters = 0

    async def put(self, *, body="【衡江】测试", template="T11", key=None, phone="13800138000", code=None, **changes):
        self._letters += 1
        text = Text(TEMPLATES[template], body, parts_needed(body), code)
        letter = Letter(
            dedupe_key=key or f"letter:{self._letters}",
            channel=changes.get("channel", Channel.SMS),
            text=text,
            to=phone,
            send_after=self.clock.now() + changes.get("wait", timedelta()),
            expires_at=self.clock.now() + changes.get("valid", timedelta(days=1)),
            quiet=changes.get("quiet", False),
        )
        async with self.database.transaction():
            return await enqueue(self.database, [letter], now=self.clock.now())

    async def put_code(self, **changes):
        return await self.put(template="T05", code=Code("card-reply", "7:nonce", 5), **changes)

    async def claim(self, limit=100, carrier="east", channel=Channel.SMS) -> list[Outgoing]:
        return await claim(self.database, now=self.clock.now(), limit=limit, channel=channel, carrier=carrier)

    async def record(self, *reports: Report, heard=(), carrier="east") -> None:
        await record(self.database, now=self.clock.now(), carrier=carrier, reports=reports, heard=heard)

    async def recover(self, **how) -> int:
        return await recover(self.database, now=self.clock.now(), channel=Channel.SMS, **how)

    async def tend(self) -> None:
        await tend(self.database, now=self.clock.now(), spellings=same_message_ids)

    async def states(self) -> list[str]:
        return list((await states_by_number(self.database)).values())


def submitted(message: Outgoing, *sms_ids: str) -> Report:
    return Report(message=message, outcome=Outcome.SUBMITTED, accepted=tuple(enumerate(sms_ids, 1)))


def delivered(sms_id: str, **more) -> Heard:
    return Heard(sms_id=sms_id, state=State.DELIVERED, **more)


def failed(sms_id: str, error="MK:0001") -> Heard:
    return Heard(sms_id=sms_id, state=State.FAILED, error=error)
