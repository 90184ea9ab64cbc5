"""Answers known by the number they were sent to: access number and extension."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.extensions import Named
from alerts.texts import Code
from kernel.actor import Actor, ActorKind, Assurance, Role
from kernel.chance import Secrets
from kernel.clock import FakeClock
from kernel.db import Database
from sms.commands import Acknowledge, Agree, Disagree, Rate
from sms.inbound import Inbox
from sms.mo_extensions import resolved
from supervision.acts import CardColour, ProposeCard
from supervision.grounds import Ground
from supervision.tables import Card, ReplyCode
from tests.alerts.county import ALERT_RULES, APPLICANT, LEADER_PHONE, County, phone_of
from tests.sms.carrier_desk import ACCESS_NUMBER, running, simulated, smpp_carrier
from tests.sms.test_ratings import code_for, completed
from tests.sms.text_desk import TextDesk

RULES = replace(ALERT_RULES, extension_digits=4, access_numbers=(ACCESS_NUMBER,))


@pytest.fixture
async def county(database: Database, clock: FakeClock) -> County:
    made = County(database, clock, rules=RULES)
    await made.settle()
    await made.publish()
    return made


@pytest.fixture
def desk(county: County) -> TextDesk:
    return TextDesk(county)


async def asked_from(county: County, template: str, phone: str) -> list[str]:
    """The numbers that texts of `template` left from, the oldest first."""
    rows = await county.database.rows(
        "SELECT extension, template FROM message WHERE to_phone = $1 AND channel = 'sms' ORDER BY id", phone
    )
    return [ACCESS_NUMBER + str(row["extension"]) for row in rows if str(row["template"]).startswith(template)]


SUPERVISOR = Actor(
    kind=ActorKind.OFFICER,
    id="JCCLERK",
    name="郑监察",
    unit="JC",
    roles=frozenset({Role.SUPERVISOR}),
    assurance=Assurance.SESSION,
)


async def propose_another(county: County, case: str) -> None:
    done = await county.do(ProposeCard(case=case, colour=CardColour.RED, ground=Ground.NO_REASONS), SUPERVISOR)
    assert done.state == "proposed"
    await county.tell()


async def card_code(county: County, card: str) -> str:
    row = await ReplyCode.get(card_id=card, purpose="confirm")
    return county.secrets.derived_code("card-reply", f"{row.id}:{row.nonce}", 5)


@pytest.mark.feature("SMS-19")
@pytest.mark.parametrize("words", ["同意", "1", "同意。", "１", "确认"])
async def test_an_answer_without_a_code_is_about_the_text_it_was_sent_back_to(desk: TextDesk, words: str):
    await desk.propose_a_card()
    [number] = await asked_from(desk.county, "T05", LEADER_PHONE)
    assert len(number) == len(ACCESS_NUMBER) + 4
    assert "由本机号码确认发牌" in await desk.text(LEADER_PHONE, words, to=number)
    assert (await Card.get()).state == "effective"


@pytest.mark.feature("SMS-19")
async def test_a_code_with_a_slip_is_read_as_it_was_meant_and_another_code_is_wrong(desk: TextDesk):
    await desk.propose_a_card()
    [number] = await asked_from(desk.county, "T05", LEADER_PHONE)
    code = await desk.code()
    slip = code[:4] + str((int(code[4]) + 1) % 10)
    other = f"{(int(code) + 33333) % 100_000:05d}"
    assert "回复码不正确" in await desk.text(LEADER_PHONE, f"1{other}", to=number)
    assert (await Card.get()).state == "proposed"
    assert "由本机号码不同意发牌" in await desk.text(LEADER_PHONE, f"2{slip}", to=number)
    assert await desk.outcomes() == ["CODE_WRONG", "card"]


@pytest.mark.feature("SMS-19")
async def test_of_two_requests_each_is_answered_at_its_own_number_and_a_contradiction_is_asked_again(desk: TextDesk):
    await desk.propose_a_card()
    county = desk.county
    await propose_another(county, (await Card.get()).case_number)
    first, second = await asked_from(county, "T05", LEADER_PHONE)
    assert first != second
    older, newer = [(await card_code(county, id)) for id in ("C000001", "C000002")]
    assert "无法确定您答复的是哪一事项" in await desk.text(LEADER_PHONE, f"1{older}", to=second)
    assert "无法确定您答复的是哪一事项" in await desk.text(LEADER_PHONE, f"1{newer}", to=first)
    assert "无法确定" in await desk.text(LEADER_PHONE, "同意")  # to the bare access number
    assert {card.state for card in await Card.all()} == {"proposed"}
    await desk.text(LEADER_PHONE, "不同意", to=second)
    await desk.text(LEADER_PHONE, f"同意{older}", to=first)
    assert {card.id: card.state for card in await Card.all()} == {"C000001": "effective", "C000002": "rejected"}


async def test_a_contradiction_is_sealed_like_every_text_with_a_code_and_a_bare_verb_is_not(desk: TextDesk):
    await desk.propose_a_card()
    await propose_another(desk.county, (await Card.get()).case_number)
    _, second = await asked_from(desk.county, "T05", LEADER_PHONE)
    await desk.text(LEADER_PHONE, f"1{await card_code(desk.county, 'C000001')}", to=second)
    await desk.text(LEADER_PHONE, "同意")
    assert await desk.outcomes() == ["REPLY_UNCLEAR", "REPLY_UNCLEAR"]
    [logged] = await desk.refusals_logged()
    assert '"evidence":"EV' in logged


async def test_a_right_code_wins_wherever_it_was_sent_unless_the_number_names_another_request(desk: TextDesk):
    await desk.propose_a_card()
    assert "确认发牌" in await desk.text(LEADER_PHONE, f"1{await desk.code()}", to=f"{ACCESS_NUMBER}0001")
    assert (await Card.get()).state == "effective"


async def test_the_number_of_another_phone_is_worth_nothing(desk: TextDesk):
    await desk.propose_a_card()
    [number] = await asked_from(desk.county, "T05", LEADER_PHONE)
    for phone in (APPLICANT, phone_of("CHIEF")):
        assert "无法确定" in await desk.text(phone, "同意", to=number)
    assert (await Card.get()).state == "proposed"


async def test_a_request_that_is_over_says_so_at_its_number(desk: TextDesk):
    await desk.propose_a_card()
    [number] = await asked_from(desk.county, "T05", LEADER_PHONE)
    await desk.text(LEADER_PHONE, "同意", to=number)
    assert "已使用过" in await desk.text(LEADER_PHONE, "不同意", to=number)
    assert (await Card.get()).state == "effective"


async def test_received_is_no_consent(desk: TextDesk):
    await desk.propose_a_card()
    [number] = await asked_from(desk.county, "T05", LEADER_PHONE)
    assert "不是签收" in await desk.text(LEADER_PHONE, "收到", to=number)
    assert (await Card.get()).state == "proposed"
    await desk.text(LEADER_PHONE, "同意", to=number)
    [served] = await asked_from(desk.county, "T06", phone_of("CHIEF"))
    assert "由本机号码签收" in await desk.text(phone_of("CHIEF"), "收到", to=served)
    assert (await Card.get()).acknowledged_at is not None


@pytest.mark.feature("SMS-19")
async def test_a_rating_needs_no_code_at_its_number_and_one_is_no_score(county: County, desk: TextDesk):
    number = await completed(county)
    [asked] = await asked_from(county, "T15", APPLICANT)
    assert "无法确定" in await desk.text(APPLICANT, "1", to=asked)
    assert f"{number}评为5分" in await desk.text(APPLICANT, "非常满意", to=asked)
    other = await completed(county)
    _, asked = await asked_from(county, "T15", APPLICANT)
    assert f"{other}评为2分" in await desk.text(APPLICANT, f"PJ2{code_for(county, other)}", to=asked)


async def test_texts_that_nobody_answers_by_code_leave_from_the_access_number(county: County):
    await completed(county)
    rows = await county.database.rows("SELECT template, extension FROM message")
    assert {str(row["template"])[:3] for row in rows if row["extension"]} == {"T15"}


async def test_the_numbers_of_one_phone_are_all_different_and_no_end_of_the_access_number(desk: TextDesk):
    county = desk.county
    for _ in range(12):
        await completed(county)
    numbers = await asked_from(county, "T15", APPLICANT)
    assert len(numbers) == len(set(numbers)) == 12
    assert not any(ACCESS_NUMBER.endswith(number.removeprefix(ACCESS_NUMBER)) for number in numbers)


async def test_where_the_access_number_leaves_no_room_the_text_goes_without(database: Database, clock: FakeClock):
    county = County(database, clock, rules=replace(RULES, access_numbers=("10690000" * 2 + "1",)))
    await county.settle()
    await county.publish()
    await completed(county)
    assert await asked_from(county, "T15", APPLICANT) == [ACCESS_NUMBER]


async def test_the_evidence_keeps_the_number_that_was_answered(desk: TextDesk, monkeypatch):
    await desk.propose_a_card()
    [number] = await asked_from(desk.county, "T05", LEADER_PHONE)
    kept = []
    assure = desk.county.notary.assure

    async def keeping(work, act, proof):
        kept.append((act.code, proof.receiver, proof.text))
        return await assure(work, act, proof)

    monkeypatch.setattr(desk.county.notary, "assure", keeping)
    await desk.text(LEADER_PHONE, "同意", to=number)
    assert kept == [(await desk.code(), number, "同意")]


async def test_it_goes_all_the_way_over_a_carrier(county: County):
    """The simulated phone answers to the number that the text came from, as people do."""
    await county.accepted()
    county.at("2026-10-23 09:00")
    inbox = Inbox(county.office, county.database, county.clock, county.secrets, alert_rules=county.rules)
    async with (
        simulated(county.clock) as smsc,
        running(county.database, county.clock, smpp_carrier(smsc), inbox=inbox, secrets=county.secrets) as gateway,
    ):
        await county.turn_lights()
        leader = smsc.handset(LEADER_PHONE)
        asked = await leader.next_text()
        assert asked.sender.startswith(ACCESS_NUMBER)
        assert len(asked.sender) == len(ACCESS_NUMBER) + 4
        await leader.send(asked.sender, "同意")
        gateway.wake()
        assert "由本机号码确认发牌" in (await leader.next_text()).text
    assert (await Card.get()).state == "effective"


# ------------------------------------------------------------------------------------------------------------ the table
SECRETS = Secrets(b"k" * 32)
CARD, OTHER_CARD, RATING = [
    Named(extension, Code(purpose, value, 5))
    for extension, purpose, value in (
        ("1111", "card-reply", "1:a"),
        ("2222", "card-reply", "2:b"),
        ("3333", "rating", "n:p"),
    )
]
ASKED = [CARD, OTHER_CARD, RATING]


def code_of(named: Named) -> str:
    return SECRETS.derived_code(named.code.purpose, named.code.value, 5)


@given(
    st.sampled_from([Agree, Disagree, Acknowledge]),
    st.sampled_from(["", *map(code_of, ASKED), "00000", "99999"]),
    st.sampled_from(["10690000", "106900001111", "106900002222", "106900003333", "106900004444", "1111", ""]),
)
def test_an_answer_never_becomes_one_about_a_request_that_neither_its_code_nor_its_number_names(kind, code, receiver):
    meant = resolved(kind(code), receiver, ASKED, SECRETS)
    if meant is None or meant == kind(code):
        return
    assert isinstance(meant, kind)
    [named] = [each for each in ASKED if receiver.endswith(each.extension)]
    assert meant.code == code_of(named)
    assert named.code.purpose == "card-reply"


def test_two_texts_with_one_number_name_neither():
    twins = [CARD, Named("1111", OTHER_CARD.code)]
    assert resolved(Agree(), "106900001111", twins, SECRETS) is None
    assert resolved(Agree("12345"), "106900001111", twins, SECRETS) == Agree("12345")


def test_a_rating_of_a_card_is_looked_up_by_its_code_alone():
    assert resolved(Rate(5), "106900001111", ASKED, SECRETS) is None
    assert resolved(Rate(5, code_of(RATING)), "106900001111", ASKED, SECRETS) == Rate(5, code_of(RATING))
    assert resolved(Rate(5), "106900003333", ASKED, SECRETS) == Rate(5, code_of(RATING))
