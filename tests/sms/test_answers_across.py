"""Answers to cards that the outer zone brings: believed for a code that was sent out there, to that number, once."""

import hashlib
from base64 import b64encode
from datetime import timedelta

import pytest

from alerts.outgoing import Channel, claim
from ferry.records import Envelope
from ferry.zones.texts import ARRIVED, ArrivedPart, TextArrived
from ferry.zones.texts_inside import Entry, enter
from kernel.chance import Secrets
from server.ferry_answers import AnswersAcross, texts_codes
from server.ferry_carrier import TextFerry
from server.ferry_inbox import keep_arrived
from server.settings import read
from sms.carriers import MobileText, Sent
from sms.gateway import Gateway
from sms.smpp.pdus import encode
from supervision.rules import SupervisionRules
from supervision.tables import Card
from tests.alerts.county import LEADER_PHONE, phone_of
from tests.ferry.zones.across import QUICK, text_route
from tests.server.test_texts_across import CARRIER, INNER
from tests.sms.carrier_desk import DeafInbox
from tests.sms.text_desk import ACCESS_NUMBER, TextDesk

INSIDE = INNER.replace("[ferry]\n", '[ferry]\ncard_codes = "inside"\n')
OWN = '[[sms.carriers]]\nkind = "simulator"\nname = "own"\n'


def opened_to(desk: TextDesk, *, goes_across: bool) -> TextDesk:
    desk.inbox._believes = AnswersAcross(
        desk.database, desk.clock, desk.county.secrets, goes_across=goes_across, digits=5
    )
    return desk


async def brought(desk: TextDesk, phone: str, body: str) -> str:
    """What is answered to a text that the outer zone says it got from `phone`."""
    before = await desk.answers(phone)
    desk.clock.advance(timedelta(seconds=15))
    (pdu,) = desk.parts(phone, body)
    frame = encode(pdu, 1)
    part = ArrivedPart(
        frame=b64encode(frame).decode(),
        octets=b64encode(pdu.short_message).decode(),
        data_coding=pdu.data_coding,
        digest=hashlib.sha256(frame).hexdigest(),
        received_at=desk.clock.now(),
    )
    arrived = TextArrived(carrier="east", sender=phone, receiver=ACCESS_NUMBER, parts=(part,))
    at = desk.clock.now()
    envelope = Envelope(rid=f"mo.{at.timestamp()}", type=ARRIVED, key="k", at=at, body=arrived)
    async with desk.database.transaction():
        await keep_arrived("outer", desk.database, at, envelope)
    await desk.inbox.handle_waiting()
    await desk.county.tell()
    return "".join((await desk.answers(phone))[len(before) :])


async def sent_out(desk: TextDesk, template: str) -> None:
    """The newest text of `template` is handed to the outer zone."""
    rows = await desk.database.rows(f"SELECT id FROM message WHERE template LIKE '{template}%' ORDER BY id DESC")
    entry = Entry(int(str(rows[0]["id"])), 1, f"text.{rows[0]['id']}")
    await enter(desk.database, "outer", [entry], now=desk.clock.now())


async def state(desk: TextDesk) -> str:
    return str((await Card.get()).state)


async def test_a_right_code_that_never_went_out_there_is_not_believed_and_costs_no_try(desk):
    """It was guessed, or read in a carrier's queue of the inner zone."""
    opened_to(desk, goes_across=True)
    await desk.propose_a_card()
    code = await desk.code()
    assert "登录移动审批" in await brought(desk, LEADER_PHONE, f"1{code}")
    assert await state(desk) == "proposed"
    assert "ANSWER_IN_THE_APP" in (await desk.refusals_logged())[-1]
    # The leader's own carrier inside still takes it.
    assert "已记录" in await desk.text(LEADER_PHONE, f"1{code}")
    assert await state(desk) == "effective"


async def test_a_code_that_went_out_confirms_once_from_its_number_while_it_is_alive(desk):
    opened_to(desk, goes_across=True)
    await desk.propose_a_card()
    await sent_out(desk, "T05")
    code = await desk.code()
    other = phone_of("CHIEF")
    assert "已记录" not in await brought(desk, other, f"1{code}")
    assert "回复码不正确" in await brought(desk, LEADER_PHONE, "1" + f"{(int(code) + 1) % 100_000:05d}")
    assert await state(desk) == "proposed"
    assert "已记录" in await brought(desk, LEADER_PHONE, f"同意 {code}")
    assert await state(desk) == "effective"
    assert "不能重复使用" in await brought(desk, LEADER_PHONE, f"1{code}")


async def test_a_code_that_went_out_is_worth_nothing_when_its_time_is_over(desk):
    opened_to(desk, goes_across=True)
    await desk.propose_a_card()
    await sent_out(desk, "T05")
    code = await desk.code()
    desk.clock.advance(timedelta(hours=25))
    assert "已过有效期" in await brought(desk, LEADER_PHONE, f"1{code}")
    assert await state(desk) == "proposed"


async def test_where_codes_stay_inside_nothing_that_comes_from_there_answers_a_card_or_uses_up_tries(desk):
    opened_to(desk, goes_across=False)
    await desk.propose_a_card()
    await sent_out(desk, "T05")
    code = await desk.code()
    for tried in ("11111", "22222", "33333", code):
        await brought(desk, LEADER_PHONE, f"1{tried}")
    assert await state(desk) == "proposed"
    assert [row["attempts"] for row in await desk.database.rows("SELECT attempts FROM reply_code")] == [0]
    assert "已记录" in await desk.text(LEADER_PHONE, f"1{code}")


async def test_texts_with_such_codes_are_left_to_carriers_of_the_inner_zone(desk):
    await desk.propose_a_card()
    outer = TextFerry(
        "outer", desk.database, desk.clock, desk.county.secrets, text_route("inner", "outer"), patience=QUICK
    )  # fmt: skip
    gateway = Gateway(
        desk.database, desk.clock, desk.county.secrets, carriers=[outer], inbox=DeafInbox(), no_codes=["outer"]
    )  # fmt: skip
    assert await gateway._claim(gateway.lanes[0], 50) > 0
    now = desk.clock.now()
    [own] = await claim(desk.database, carrier="own", limit=50, channel=Channel.SMS, now=now)
    assert own.template.startswith("T05")


async def test_the_carrier_to_the_outer_zone_does_not_hand_out_such_a_text_whoever_gives_it(zones):
    said: list[Sent] = []
    with zones.inner.here():
        ferry = TextFerry(
            "outer", zones.inner.database, zones.clock, Secrets(b"k" * 32), text_route("inner", "outer"), patience=QUICK
        )  # fmt: skip
        ferry._is_over.clear()
        text = MobileText(
            phone=LEADER_PHONE, words="【衡江政务服务】回复112345", reference=1, template="T05_CARD_CONFIRM",
            expires_at=zones.clock.now() + timedelta(hours=1),
        )  # fmt: skip
        ferry.send(text, said.append)
        assert await ferry._hand_over(zones.clock.now()) == 0
        assert [sent.error for sent in said] == ["CODE_STAYS_INSIDE"]
        assert await zones.inner.database.rows("SELECT 1 FROM ferry_record WHERE rid LIKE 'text.%'") == []


async def test_without_codes_the_leaders_are_told_to_answer_in_the_app(county):
    county.provisions[SupervisionRules] = SupervisionRules(texts_codes=False)
    await county.accepted()
    county.at("2026-10-23 09:00")
    await county.turn_lights()
    [(phone, body)] = await county.texts("T44")
    assert phone == LEADER_PHONE
    assert "拟对衡住建发黄牌" in body
    assert "登录移动审批" in body
    assert await county.texts("T05") == []
    assert await county.database.rows("SELECT 1 FROM reply_code") == []
    county.at("2026-10-26 14:00")
    await county.remind()
    assert len(await county.texts("T44")) == 2


@pytest.mark.parametrize(
    ("text", "texted"),
    [
        ("", True),  # one network
        (CARRIER + INNER, True),
        (CARRIER + INSIDE, False),  # the outer zone's carriers alone
        (CARRIER + OWN + INSIDE, True),
    ],
)
def test_leaders_get_codes_where_some_carrier_may_bring_them(text, texted):
    assert texts_codes(read(text.encode(), {})) is texted
