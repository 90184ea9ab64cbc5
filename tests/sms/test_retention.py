"""Texts from people: evidence stays as it came, everything else loses its number and its words in time."""

from datetime import timedelta

import pytest

from certs.tables import EvidenceRecord
from kernel.actor import THE_CLOCK
from sms.retention import StrikeOutInbound
from sms.tables import InboundMessage, InboundPdu
from tests.alerts.conftest import county  # noqa: F401  a fixture

PHONE = "13800000009"


async def came(county, text: str, command: str, outcome: str) -> int:  # noqa: F811
    now = county.clock.now()
    message = await InboundMessage.create(
        carrier="east",
        sender=PHONE,
        receiver="10690000",
        text=text,
        received_at=now,
        handled_at=now,
        command=command,
        outcome=outcome,
    )
    await InboundPdu.create(
        carrier="east",
        sender=PHONE,
        receiver="10690000",
        data_coding=8,
        octets=text.encode("utf-16-be"),
        frame=b"frame" + text.encode(),
        digest="d" * 64,
        run="r",
        received_at=now,
        message_id=message.id,
    )
    return int(message.id)


async def strike_out(county, **limit) -> int:  # noqa: F811
    return (await county.do(StrikeOutInbound(**limit), THE_CLOCK)).count


async def kept(*texts: int) -> list[bool]:
    found = []
    for text in texts:
        message, pdu = await InboundMessage.get(id=text), await InboundPdu.get(message_id=text)
        parts = {bool(each) for each in (message.text, message.sender, pdu.sender, pdu.octets, pdu.frame, pdu.digest)}
        assert parts == {message.masked_at is None}
        found.append(message.masked_at is None)
    return found


@pytest.mark.feature("SMS-20")
async def test_by_what_came_of_it_a_text_is_kept_for_days_for_months_or_for_good(county):  # noqa: F811
    query = await came(county, "CX202600000001 471120", "CX", "progress")
    nonsense = await came(county, "你好", "", "HELP")
    sealed = await came(county, "104711", "1", "card")
    now = county.clock.now()
    facts = {"actor": "officer:JCLEADER", "body": b"{}", "signature": b"", "certificate_id": 1, "sealed_at": now}
    await EvidenceRecord.create(number="EV00000001", inbound=sealed, **facts)
    assert await strike_out(county) == 0
    county.clock.advance(timedelta(days=7, seconds=1))
    assert await strike_out(county) == 1
    assert await kept(query, nonsense, sealed) == [False, True, True]
    county.clock.advance(timedelta(days=83))
    assert await strike_out(county) == 1
    county.clock.advance(timedelta(days=40_000))
    assert await strike_out(county) == 0
    assert await kept(query, nonsense, sealed) == [False, False, True]
    row = await InboundMessage.get(id=query)
    assert (row.carrier, row.command, row.outcome, row.receiver) == ("east", "CX", "progress", "10690000")


async def test_old_texts_are_looked_at_once_in_batches(county):  # noqa: F811
    texts = [await came(county, "你好", "", "HELP") for _ in range(3)]
    county.clock.advance(timedelta(days=91))
    young = await came(county, "你好", "", "HELP")
    assert [await strike_out(county, limit=2) for _ in range(3)] == [2, 1, 0]
    assert await kept(*texts, young) == [False, False, False, True]
