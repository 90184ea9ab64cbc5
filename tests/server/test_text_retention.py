"""A whole installation a quarter and eleven years later: what was sealed still verifies, down to our own rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from alerts.retention import StrikeOutTexts
from alerts.tables import Message
from certs.evidence import read_body, sealed_text
from kernel.actor import THE_CLOCK
from kernel.clock import FakeClock
from server.evidence.checking import verify
from server.evidence.package import differing_rows, package
from server.wiring import open_system
from sms.retention import StrikeOutInbound
from sms.tables import InboundMessage
from tests.server.texted import STRANGER, Texting, settings_in, texted

NOON = datetime(2026, 9, 18, 4, tzinfo=UTC)


@pytest.mark.feature("SMS-20")
async def test_evidence_survives_its_neighbours(tmp_path: Path):
    clock = FakeClock(NOON)
    said = await texted(tmp_path, clock)
    async with open_system(settings_in(tmp_path), clock=clock) as system:
        texting = Texting(system, clock)
        await texting.text(STRANGER, "你好")
        await texting.send_what_waits()
        texts, came = await Message.all().count(), await InboundMessage.all().count()

        async def later(**time: int) -> tuple[int, int]:
            clock.advance(timedelta(**time))
            for act in (StrikeOutTexts(), StrikeOutInbound()):
                await system.office.perform(act, THE_CLOCK, key=None)
            return (
                await Message.filter(masked_at=None).count(),
                await InboundMessage.filter(masked_at=None).count(),
            )

        assert await later(days=0) == (texts, came)
        kept_texts, kept_came = await later(days=91)
        assert 0 < kept_texts < texts
        assert kept_came == came - 1
        for number in (said.agreed, said.refused):
            made = await package(system, number, what="export")
            verdict = verify(made.octets, x509.load_pem_x509_certificate(said.root))
            assert verdict.intact
            assert verdict.record is not None
            assert verdict.record.answer is not None
            assert verdict.record.answer.words
        kept_texts, kept_came = await later(days=4000)
        # The request, its answers, and the refusal's answer: what the evidence is about.
        assert {row.template for row in await Message.filter(masked_at=None)} == {
            *("T05_CARD_CONFIRM", "T07_MO_RECEIPT", "R01_REFUSAL"),
        }
        assert kept_came == came - 1
        for number in (said.agreed, said.refused):
            assert await differing_rows(read_body((await sealed_text(number)).body)) == []
