"""How long the words of texts are kept: by template, in batches, never those of evidence, and never the bill."""

from datetime import date, timedelta

import pytest

from alerts.billing import bill
from alerts.by_hand import BY_HAND, ResendTexts, ViewText
from alerts.outgoing import Channel, claim
from alerts.retention import PERIODS, Keep, StrikeOutTexts, period_of
from alerts.tables import Message, MessagePart
from alerts.templates import BY_ID
from certs.tables import EvidenceRecord
from kernel.actor import THE_CLOCK, THE_OPERATOR
from tests.alerts.county import APPLICANT
from tests.standing import stand_anew, states_by_number

DAYS = {Keep.CODE: 7, Keep.OFFICE: 90, Keep.LAW: 3660}
ONE_OF = {Keep.CODE: "T21_LOGIN", Keep.OFFICE: "T01_TODO", Keep.LAW: "T11_ACCEPTED"}


async def made(county, template="T01_TODO", **changes) -> int:
    now, number = county.clock.now(), await Message.all().count()
    row = await Message.create(
        **{
            "dedupe_key": f"{template[:3]}:case:{number}:{APPLICANT}:sms",
            "channel": "sms",
            "message_class": "notice",
            "priority": 4,
            "template": template,
            "template_version": 1,
            "to_phone": APPLICANT,
            "subject": "【衡江】待办",
            "body": "【衡江】欧阳振华的申请",
            "secret": "query|202600000001|6",
            "extension": "123",
            "state": "delivered",
            "case_number": "202600000001",
            "unit_code": "ZJJ",
            "carrier": "east",
            "created_at": now,
            "send_after": now,
            "expires_at": now + timedelta(days=3),
            **changes,
        }
    )
    await MessagePart.create(
        message_id=row.id, seq=1, total=1, carrier="east", sms_id=f"{row.id:x}", state="delivered", submitted_at=now
    )
    return int(row.id)


async def strike_out(county, **limit) -> int:
    return (await county.do(StrikeOutTexts(**limit), THE_CLOCK)).count


async def struck(*texts: int) -> list[bool]:
    rows = {row.id: row for row in await Message.filter(id__in=texts)}
    for row in rows.values():
        told = (row.body, row.subject, row.to_phone, row.to_email, row.secret, row.extension)
        assert (row.masked_at is not None) == (not any(told))
        assert row.masked_at is None or APPLICANT not in row.dedupe_key
    return [rows[text].masked_at is not None for text in texts]


def test_the_table_names_every_text_that_can_leave_and_no_other():
    assert set(PERIODS) == {id.partition("_")[0] for id in (*BY_ID, BY_HAND.id)}
    assert period_of("T99_FORMER") is Keep.LAW


@pytest.mark.feature("SMS-20")
@pytest.mark.parametrize("period", Keep)
async def test_words_and_number_are_struck_out_when_the_period_of_their_template_is_over(county, period):
    text, mailed = (
        await made(county, ONE_OF[period]),
        await made(county, ONE_OF[period], channel="mail", to_email="a@b"),
    )
    county.clock.advance(timedelta(days=DAYS[period]))
    assert await strike_out(county) == 0
    assert await struck(text, mailed) == [False, False]
    county.clock.advance(timedelta(seconds=1))
    assert await strike_out(county) == 2
    assert await struck(text, mailed) == [True, True]
    row = await Message.get(id=text)
    assert (row.template, row.template_version, row.state, row.unit_code, row.case_number, row.carrier) == (
        *(ONE_OF[period], 1, "delivered", "ZJJ", "202600000001", "east"),
    )
    assert await strike_out(county) == 0


@pytest.mark.feature("SMS-20")
async def test_a_bill_says_the_same_after_the_words_are_gone(county):
    for template in ONE_OF.values():
        await made(county, template)
    before = await bill(county.database, date(2026, 9, 1))
    assert before.total.parts == 3
    county.clock.advance(timedelta(days=4000))
    assert await strike_out(county) == 3
    assert await bill(county.database, date(2026, 9, 1)) == before


@pytest.mark.feature("SMS-20")
async def test_what_answered_a_sealed_text_is_exempt_for_good(county):
    await EvidenceRecord.create(
        number="EV00000001",
        inbound=7,
        actor="officer:JCLEADER",
        body=b"{}",
        signature=b"",
        certificate_id=1,
        sealed_at=county.clock.now(),
    )
    answer, other = await made(county, "R01_REFUSAL", dedupe_key="reply:7:sms"), await made(county, "R01_REFUSAL")
    county.clock.advance(timedelta(days=4000))
    assert await strike_out(county) == 1
    assert await struck(answer, other) == [False, True]


async def test_old_texts_are_looked_at_once_in_batches_and_young_ones_end_the_look(county):
    texts = [await made(county, template) for template in (*ONE_OF.values(), "T01_TODO", "T01_TODO")]
    county.clock.advance(timedelta(days=91))
    young = await made(county)
    assert [await strike_out(county, limit=2) for _ in range(4)] == [2, 1, 1, 0]
    assert await struck(*texts, young) == [True, True, False, True, True, False]
    marks = {row["name"]: row["reached"] for row in await county.database.rows("SELECT * FROM retention_mark")}
    assert marks == {"texts.code": texts[-1], "texts.office": texts[-1]}


@pytest.mark.parametrize("state", ["held", "queued", "sending", "unknown"])
async def test_a_text_that_may_still_go_keeps_its_words_and_those_behind_it_wait(county, state):
    waiting, behind = await made(county, state="queued" if state == "sending" else state), await made(county)
    await stand_anew(county.database)
    if state == "sending":
        assert await claim(county.database, now=county.clock.now(), limit=1, channel=Channel.SMS, carrier="east")
    assert (await states_by_number(county.database))[waiting] == state
    county.clock.advance(timedelta(days=91))
    assert await strike_out(county) == 0
    await Message.filter(id=waiting).update(state="expired")
    assert await strike_out(county) == 2
    assert await struck(waiting, behind) == [True, True]


async def test_a_text_that_stood_for_another_has_a_time_of_its_own(county):
    first = await made(county, state="failed")
    county.clock.advance(timedelta(days=60))
    again = await made(county, stands_for=first, dedupe_key=f"resend:{first}")
    county.clock.advance(timedelta(days=31))
    await strike_out(county)
    assert await struck(first, again) == [True, False]
    assert (await Message.get(id=again)).dedupe_key == f"resend:{first}"


@pytest.mark.feature("SMS-20")
async def test_struck_out_words_are_neither_sent_again_nor_shown(county):
    lost = await made(county, state="failed", secret="")
    county.clock.advance(timedelta(days=91))
    await strike_out(county)
    for act, code in ((ResendTexts(texts=(lost,)), "TEXT_NOT_RESENT"), (ViewText(text=lost), "TEXT_STRUCK_OUT")):
        refused = await county.do(act, THE_OPERATOR)
        assert refused.code == code
    assert await Message.all().count() == 1
