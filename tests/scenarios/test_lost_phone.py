"""A leader works by phone, loses it, gets another: certificate and number are bound to the person, not the finder."""

from datetime import timedelta

import pytest

from kernel.tables import Officer
from sms.carriers import Arrival
from sms.inbound import Inbox
from sms.smpp.carrier import identity_of
from sms.smpp.pdus import encode
from sms.smpp.vocabulary import DeliverSm
from sms.text import segments
from supervision.reply_codes import reply_code_for
from supervision.tables import Card, ReplyCode
from tests.alerts.county import ALERT_RULES
from tests.mobile_api.conftest import authority, stage  # noqa: F401  fixtures
from tests.mobile_api.stage import CARD_LEADER, RA, SUPERVISOR, Phone, Stage

#: Criterion of the row: sessions of a lost device end within so much.
WITHIN = timedelta(seconds=60)


class Leader:
    """CARD_LEADER with a phone that signs and a number that texts."""

    def __init__(self, office: Stage, inbox: Inbox) -> None:
        self.office, self.inbox, self.number = office, inbox, ""

    async def text(self, body: str, *, sender: str = "") -> str:
        """The answer to a text from the leader's number, or from another."""
        self.office.clock.advance(timedelta(seconds=15))
        pdu = DeliverSm(
            source=sender or self.number,
            destination="10690000",
            data_coding=8,
            short_message=segments(body).parts[0],
        )
        frame = encode(pdu, 1)
        await self.inbox.take(Arrival("east", pdu.part(frame), identity_of(frame)))
        await self.inbox.handle_waiting()
        rows = await self.office.database.rows("SELECT body FROM message ORDER BY id DESC LIMIT 1")
        return str(rows[0]["body"])

    async def code(self, card: str) -> str:
        row = await ReplyCode.filter(officer_id=CARD_LEADER, card_id=card).order_by("-id").first()
        assert row is not None
        return reply_code_for(self.office.secrets, {"id": row.id, "nonce": row.nonce}, digits=5)


@pytest.fixture
async def leader(stage: Stage) -> Leader:  # noqa: F811
    inbox = Inbox(stage.office, stage.database, stage.clock, stage.secrets, alert_rules=ALERT_RULES)
    leader = Leader(stage, inbox)
    leader.number = (await Officer.get(id=CARD_LEADER)).phone
    return leader


async def proposed(office: Stage) -> str:
    case = await office.accepted()
    card = {"case": case, "colour": "RED", "ground": "NO_REASONS", "facts": "未说明理由。"}
    token = (await office.phone(SUPERVISOR)).token
    made = await office.get("ProposeCard", token, idempotencyKey=office.secrets.token(), **card)
    assert made["__typename"] == "CardPayload", made
    return str(made["card"]["id"])


async def decide(office: Stage, phone: Phone, card: str, request: dict) -> dict:
    chosen = {"card": card, "revision": 1, "decision": "CONFIRM"}
    key = office.secrets.token()
    answer = await office.get(
        "DecideCard", phone.token, idempotencyKey=key, decision=chosen, signed=phone.signed(request)
    )
    return dict(answer)


@pytest.mark.feature("MOB-12")
async def test_a_lost_phone_is_shut_out_within_a_minute_and_a_new_one_is_let_in(stage: Stage, leader: Leader) -> None:  # noqa: F811
    # They work by phone: a signature in the app, an answer by text, each from the device and number that are theirs.
    first = await proposed(stage)
    assert "请使用登记的手机号码" in await leader.text(f"1{await leader.code(first)}", sender="18600000000")
    assert "由本机号码确认发牌" in await leader.text(f"1{await leader.code(first)}")
    card = await proposed(stage)
    lost = await stage.phone(CARD_LEADER)
    chosen = {"card": card, "revision": 1, "decision": "CONFIRM"}
    request = await stage.get("PrepareCardDecision", lost.token, decision=chosen)
    serials = await stage.database.rows("SELECT serial FROM certificate WHERE holder = $1", CARD_LEADER)

    # It is lost, and an RA operator revokes it.
    ra = await stage.phone(RA)
    revoked = await stage.get(
        "RevokeCertificate",
        ra.token,
        idempotencyKey="lost-phone-1",
        serial=str(serials[0]["serial"]),
        reason="KEY_COMPROMISE",
    )
    assert revoked["__typename"] == "CertificatePayload", revoked
    # At once: what the finder signs or texts.
    assert (await decide(stage, lost, card, request))["code"] == "CERTIFICATE_REVOKED"
    assert "已报失" in await leader.text(f"1{await leader.code(card)}")
    assert (await Card.get(id=card)).state == "proposed"
    # Within a minute: the session that was open.
    stage.clock.advance(WITHIN - timedelta(seconds=15))
    answer = await stage.post({"query": "{ me { id } }"}, lost.token)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "CERTIFICATE_REVOKED")

    # The new phone is checked by the RA, and then both ways are open again.
    del stage.phones[CARD_LEADER]
    await stage.phone(CARD_LEADER)
    assert "由本机号码确认发牌" in await leader.text(f"1{await leader.code(card)}")
    third = await proposed(stage)
    new = await stage.phone(CARD_LEADER)
    request = await stage.get("PrepareCardDecision", new.token, decision={**chosen, "card": third})
    assert (await decide(stage, new, third, request))["__typename"] == "CardPayload"


@pytest.mark.feature("MOB-12")
async def test_who_has_the_number_but_no_service_any_more_acts_neither_by_text_nor_in_the_app(
    stage: Stage,  # noqa: F811
    leader: Leader,
) -> None:
    card = await proposed(stage)
    phone = await stage.phone(CARD_LEADER)
    await Officer.filter(id=CARD_LEADER).update(active=False)
    assert "没有待回复的事项" in await leader.text(f"1{await leader.code(card)}")
    stage.clock.advance(WITHIN)
    answer = await stage.post({"query": "{ me { id } }"}, phone.token)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "OFFICER_INACTIVE")
    assert (await Card.get(id=card)).state == "proposed"
