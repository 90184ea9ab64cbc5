"""The whole way over TCP: an event becomes a text on a handset, its answer an act, and the act is answered."""

import pytest

from sms.inbound import Inbox
from supervision.tables import Card
from tests.alerts.county import APPLICANT, LEADER_PHONE, phone_of
from tests.sms.carrier_desk import ACCESS_NUMBER, running, simulated, smpp_carrier, until_sent
from tests.sms.text_desk import TYPING


async def answer(county, gateway, handset, body: str) -> str:
    county.clock.advance(TYPING)
    await handset.send(ACCESS_NUMBER, body)
    gateway.wake()
    return (await handset.next_text()).text


@pytest.mark.feature("SMS-07")
async def test_a_card_is_asked_for_confirmed_served_and_acknowledged_by_text(county):
    await county.accepted()
    county.at("2026-10-23 09:00")
    inbox = Inbox(county.office, county.database, county.clock, county.secrets, alert_rules=county.rules)
    async with (
        simulated(county.clock) as smsc,
        running(county.database, county.clock, smpp_carrier(smsc), inbox=inbox, secrets=county.secrets) as gateway,
    ):
        leader, head = smsc.handset(LEADER_PHONE), smsc.handset(phone_of("CHIEF"))
        await county.turn_lights()
        asked = (await leader.next_text()).text
        assert "拟对衡住建发黄牌" in asked
        code = asked.partition("同意回复1")[2][:5]
        assert "由本机号码确认发牌，存证号EV" in await answer(county, gateway, leader, f"1{code}")
        assert "已使用过" in await answer(county, gateway, leader, f"1{code}")
        await head.next_text()  # the red light
        await county.tell()
        served = (await head.next_text()).text
        assert "黄牌通知" in served
        code = served.partition("签收回复1")[2][:5]
        assert "由本机号码签收" in await answer(county, gateway, head, f"1 {code}")
        await until_sent(county.database)
    assert (await Card.get()).acknowledged_at is not None


@pytest.mark.feature("HALL-06")
async def test_an_applicant_gets_number_and_password_by_text_and_asks_with_them(county):
    inbox = Inbox(county.office, county.database, county.clock, county.secrets, alert_rules=county.rules)
    async with (
        simulated(county.clock) as smsc,
        running(county.database, county.clock, smpp_carrier(smsc), inbox=inbox, secrets=county.secrets) as gateway,
    ):
        await county.file()
        await county.tell()
        received = (await smsc.handset(APPLICANT).next_text()).text
        number = received.partition("凭证号")[2][:12]
        password = received.partition("查询密码")[2][:6]
        stranger = smsc.handset("18600000000")
        assert "需要查询密码" in await answer(county, gateway, stranger, f"CX{number}")
        assert "现处受理" in await answer(county, gateway, stranger, f"CX{number}#{password}")
        assert "现处受理" in await answer(county, gateway, smsc.handset(APPLICANT), f"CX{number}")
        assert "未识别的指令" in await answer(county, gateway, stranger, "请问进度")
