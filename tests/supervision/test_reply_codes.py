"""Answering by text: the right code from the right phone in time, once; everything else is refused and logged."""

import pytest

from kernel.refusals import Refusal
from supervision.acts import CardState, CardView, ConfirmCard, RejectCard
from supervision.reply_codes import Purpose, masked
from supervision.rules import SupervisionRules
from supervision.tables import Card, ReplyCode
from tests.supervision.office import County


def refused(outcome: object) -> str:
    assert isinstance(outcome, Refusal)
    return outcome.code


async def state(card: str) -> str:
    return str((await Card.get(id=card)).state)


async def wrong_code(county: County, card: str) -> str:
    taken = {code.code for code in await county.codes(card)}
    return next(code for code in ("00000", "11111", "22222") if code not in taken)


@pytest.mark.feature("SMS-07")
async def test_a_five_digit_code_from_the_registered_number_confirms(county: County):
    card = await county.proposed_card()
    code = await county.code(card, "OFF-8")
    assert len(code) == 5
    assert code.isdecimal()
    outcome = await county.text("OFF-8", ConfirmCard(code=code))
    assert isinstance(outcome, CardView)
    assert (outcome.state, outcome.number) == (CardState.EFFECTIVE, "衡江监察黄牌〔2026〕1号")
    assert outcome.evidence.startswith("EV")


@pytest.mark.feature("SMS-07")
async def test_two_and_the_code_rejects(county: County):
    card = await county.proposed_card()
    outcome = await county.text("OFF-8", RejectCard(code=await county.code(card, "OFF-8")))
    assert isinstance(outcome, CardView)
    assert (outcome.state, outcome.number) == (CardState.REJECTED, None)


@pytest.mark.feature("SMS-07")
@pytest.mark.parametrize("sender", ["OFF-1", "OFF-2", "13877776666", "1" * 21])
async def test_a_good_code_from_another_number_is_refused_and_logged(county: County, sender: str):
    card = await county.proposed_card()
    outcome = await county.text(sender, ConfirmCard(code=await county.code(card, "OFF-8")))
    assert refused(outcome) == "NOT_THE_REGISTERED_NUMBER"
    assert await state(card) == "proposed"
    [logged] = await county.events("card.reply_refused")
    assert "NOT_THE_REGISTERED_NUMBER" in logged
    assert '"card":""' in logged
    assert "EV" in logged  # the text itself was kept


@pytest.mark.feature("SMS-07")
async def test_the_code_of_another_leader_is_a_wrong_code(county: County):
    card = await county.proposed_card()
    assert refused(await county.text("OFF-9", ConfirmCard(code=await county.code(card, "OFF-8")))) == "CODE_WRONG"
    assert await state(card) == "proposed"


@pytest.mark.feature("SMS-07")
async def test_three_wrong_tries_lock_the_right_code_too(county: County):
    card = await county.proposed_card()
    wrong = await wrong_code(county, card)
    answers = [await county.text("OFF-8", ConfirmCard(code=wrong)) for _ in range(3)]
    assert [refused(answer) for answer in answers] == ["CODE_WRONG", "CODE_WRONG", "CODE_LOCKED"]
    right = await county.database.rows("SELECT id, nonce FROM reply_code WHERE officer_id = 'OFF-8'")
    code = county.desk.secrets.derived_code("card-reply", f"{right[0]['id']}:{right[0]['nonce']}", 5)
    assert refused(await county.text("OFF-8", ConfirmCard(code=code))) == "CODE_LOCKED"
    assert await state(card) == "proposed"
    assert len(await county.events("card.reply_refused")) == 4
    # The other leader is not punished for it.
    assert isinstance(
        await county.text("OFF-9", ConfirmCard(code=await county.code(card, "OFF-9"))),
        CardView,
    )


@pytest.mark.feature("SMS-07")
async def test_an_expired_code_is_refused_and_logged(county: County):
    card = await county.proposed_card()
    code = await county.code(card, "OFF-8")
    county.wait(hours=24)
    assert refused(await county.text("OFF-8", ConfirmCard(code=code))) == "CODE_EXPIRED"
    assert await state(card) == "proposed"
    assert len(await county.events("card.reply_refused")) == 1


async def test_a_code_is_good_until_just_before_its_time_is_over(county: County):
    card = await county.proposed_card()
    code = await county.code(card, "OFF-8")
    county.wait(hours=23, minutes=59, seconds=59)
    assert isinstance(await county.text("OFF-8", ConfirmCard(code=code)), CardView)


@pytest.mark.feature("SMS-07")
async def test_a_used_code_is_refused_and_logged(county: County):
    card = await county.proposed_card()
    code = await county.code(card, "OFF-8")
    await county.text("OFF-8", ConfirmCard(code=code))
    assert refused(await county.text("OFF-8", ConfirmCard(code=code))) == "CODE_USED"
    assert refused(await county.text("OFF-8", RejectCard(code=code))) == "CODE_USED"
    assert await state(card) == "effective"
    assert len(await county.events("card.reply_refused")) == 2


async def test_a_redelivered_text_is_answered_as_before_and_counts_nothing_twice(county: County):
    card = await county.proposed_card()
    act = ConfirmCard(code=await county.code(card, "OFF-8"))
    first = await county.text("OFF-8", act, inbound=77)
    assert await county.text("OFF-8", act, inbound=77) == first
    assert len(await county.events("card.confirmed")) == 1


async def test_no_code_is_stored_anywhere(county: County):
    card = await county.proposed_card()
    codes = {code.code for code in await county.codes(card)}
    for table in ("reply_code", "event", "performed_act", "card"):
        for row in await county.database.rows(f"SELECT * FROM {table}"):
            values = {str(value) for value in row.values()}
            assert not codes & values, table
    for row in await county.database.rows("SELECT body FROM event"):
        assert not any(f'"{code}"' in str(row["body"]) for code in codes)


async def test_codes_of_one_phone_never_coincide(database, clock):
    county = County(database, clock, SupervisionRules(code_digits=1))
    await county.settle()
    await county.proposed_card("202600000000")
    for n in range(1, 8):
        await county.late_case(f"20260000{n:04d}")
    await county.sweep()
    cards = [row["id"] for row in await Card.all().values("id")]
    codes = [await county.code(card, "OFF-8") for card in cards]
    assert len(cards) == 8
    assert len(set(codes)) == 8


async def test_beyond_the_measure_of_a_phone_no_code_is_drawn_and_the_app_remains(database, clock):
    county = County(database, clock, SupervisionRules(codes_per_phone=2))
    await county.settle()
    for n in range(3):
        await county.late_case(f"20260000{n:04d}")
    county.wait(days=60)
    await county.sweep()
    assert await Card.all().count() == 3
    assert await ReplyCode.filter(officer_id="OFF-8").count() == 2


async def test_a_leader_who_lost_the_role_is_refused_although_the_code_is_good(county: County):
    card = await county.proposed_card()
    code = await county.code(card, "OFF-8")
    await county.database.execute("UPDATE officer SET roles = '[\"handler\"]' WHERE id = 'OFF-8'")
    assert refused(await county.text("OFF-8", ConfirmCard(code=code))) == "NOT_PERMITTED"
    assert await state(card) == "proposed"


async def test_a_text_cannot_confirm_without_its_proof(county: County):
    card = await county.proposed_card()
    act = ConfirmCard(code=await county.code(card, "OFF-8"))
    assert refused(await county.perform(act, "OFF-8")) == "ASSURANCE_TOO_LOW"


def test_a_masked_number_cannot_be_called():
    assert masked("13900000008") == "139****0008"
    assert masked("10086") == "****"


async def test_a_live_code_does_not_show_in_a_repr(county: County):
    card = await county.proposed_card()
    [first, *_] = await county.codes(card, Purpose.CONFIRM)
    assert first.code not in repr(first)
    assert first.phone not in repr(first)
