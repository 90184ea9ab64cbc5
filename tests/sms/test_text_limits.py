"""How much one phone may try, and whose texts act no more: guesses, strangers, lost phones, changed numbers."""

from datetime import timedelta

import pytest

from certs.acts import RevocationReason
from certs.profiles import OFFICER_SIGNING
from certs.tables import CertificateState, IssuedCertificate
from kernel.actor import THE_OPERATOR, Role
from kernel.directory import EnterDirectory, OfficerEntry
from kernel.tables import Officer
from supervision.acts import CardState
from supervision.tables import Card, Finding, ReplyCode
from tests.alerts.county import APPLICANT, LEADER_PHONE, County, phone_of
from tests.sms.test_ratings import code_for, completed
from tests.sms.text_desk import TextDesk, watched

STRANGER, OTHER_STRANGER = "18600000000", "18600000001"


# ------------------------------------------------------------------------------------------------------------- guesses
@pytest.mark.feature("SMS-07")
async def test_ten_wrong_codes_of_whatever_kind_stop_a_phone_until_the_next_day(county: County):
    desk = watched(county)
    filed = await county.file()
    for guess in range(5):
        await desk.text(STRANGER, f"1{guess:05d}")
        await desk.text(STRANGER, f"PJ5{guess:05d}")
    told = await desk.text(STRANGER, "212345")
    assert "今日回复码、评价码、查询密码已输错10次" in told
    assert await desk.text(STRANGER, "212346") == ""  # told once
    assert await desk.text(STRANGER, f"CX{filed.number}#{county.password_of(filed)}") == ""  # a password is a try, too
    assert "需要查询密码" in await desk.text(STRANGER, f"CX{filed.number}")  # a question is none
    outcomes = await desk.outcomes()
    assert outcomes[10:13] == ["TEXT_TRIES_EXHAUSTED"] * 3
    [finding] = await Finding.all()
    assert (finding.kind, finding.case_number, finding.unit_code) == ("text_tries", "", "")
    county.at("2026-09-19 00:01")
    assert "现处受理" in await desk.text(STRANGER, f"CX{filed.number}#{county.password_of(filed)}")


async def test_a_stopped_officer_is_stopped_too_and_their_unit_is_named_and_the_text_is_sealed(county: County):
    desk = watched(county)
    await desk.propose_a_card()
    right = await desk.code()
    for guess in range(10):
        await desk.text(LEADER_PHONE, f"1{(int(right) + 1 + guess) % 100_000:05d}")
    assert "已输错10次" in await desk.text(LEADER_PHONE, f"1{right}")
    assert (await Card.get()).state == "proposed"
    assert [(each.kind, each.unit_code) for each in await Finding.filter(kind="text_tries")] == [("text_tries", "JC")]
    last = (await desk.refusals_logged())[-1]
    assert '"why":"TEXT_TRIES_EXHAUSTED"' in last
    assert '"evidence":"EV' in last
    assert LEADER_PHONE not in last


async def test_one_phones_guesses_do_not_stop_another(desk: TextDesk):
    for guess in range(11):
        await desk.text(STRANGER, f"1{guess:05d}")
    assert "请使用登记的手机号码" in await desk.text(OTHER_STRANGER, "112345")


async def test_a_password_is_guessed_ten_times_a_day_for_a_case_from_however_many_phones(
    county: County, desk: TextDesk
):
    filed = await county.file()
    wrong = f"{(int(county.password_of(filed)) + 1) % 10**6:06d}"
    for phone in range(10):
        assert "查询密码不正确" in await desk.text(f"1860000{phone:04d}", f"CX{filed.number}#{wrong}")
    assert "今日不再接受密码查询" in await desk.text(
        STRANGER[:-1] + "9", f"CX{filed.number}#{county.password_of(filed)}"
    )
    assert "现处受理" in await desk.text(APPLICANT, f"CX{filed.number}")  # from the registered phone none is needed


async def test_right_answers_are_no_tries(county: County, desk: TextDesk):
    for _ in range(11):
        number = await completed(county)
        assert "评为5分" in await desk.text(APPLICANT, f"PJ5{code_for(county, number)}")


async def test_a_stranger_who_tries_codes_is_answered_three_times_an_hour_and_always_sealed(desk: TextDesk):
    await desk.propose_a_card()
    answered = [bool(await desk.text(STRANGER, f"1{guess:05d}")) for guess in range(5)]
    assert answered == [True, True, True, False, False]
    assert await desk.outcomes() == ["NOT_THE_REGISTERED_NUMBER"] * 5
    logged = await desk.refusals_logged()
    assert len(logged) == 5
    assert all('"evidence":"EV' in each for each in logged)


async def test_a_phone_that_rates_over_and_over_is_told_three_times_an_hour_that_the_first_rating_stands(
    county: County, desk: TextDesk
):
    code = code_for(county, await completed(county))
    answers = [await desk.text(APPLICANT, f"PJ5{code}") for _ in range(5)]
    assert [bool(answer) for answer in answers] == [True, True, True, True, False]
    assert "以第一次评价为准" in answers[3]


async def test_a_bare_verb_is_asked_again_and_is_no_try(desk: TextDesk):
    await desk.propose_a_card()
    assert "无法确定您答复的是哪一事项" in await desk.text(LEADER_PHONE, "同意")
    assert await desk.outcomes() == ["REPLY_UNCLEAR"]
    assert (await ReplyCode.get(purpose="confirm")).attempts == 0


async def test_who_asks_for_help_gets_the_commands(desk: TextDesk):
    answer = await desk.text(STRANGER, "？")
    assert "查进度回复CX加受理号" in answer
    assert "未识别" not in answer


# -------------------------------------------------------------------------------------------- whose texts act no more
async def enter(county: County, officer: str, **changes) -> None:
    row = await Officer.get(id=officer)
    entry = {
        "id": row.id,
        "name": row.name,
        "unit_code": row.unit_code,
        "phone": row.phone,
        "roles": tuple(map(Role, row.roles)),
    }
    await county.do(EnterDirectory(officers=(OfficerEntry(**{**entry, **changes}),)), THE_OPERATOR)


async def test_the_texts_of_a_suspended_officer_act_no_more(desk: TextDesk):
    await desk.propose_a_card()
    code = await desk.code()
    await enter(desk.county, "JCLEADER", active=False)
    assert "没有待回复的事项" in await desk.text(LEADER_PHONE, f"1{code}")
    assert (await Card.get()).state == "proposed"
    await enter(desk.county, "JCLEADER")
    assert "确认发牌" in await desk.text(LEADER_PHONE, f"1{code}")


async def test_a_changed_number_counts_at_once_and_codes_sent_to_the_old_one_are_dead(desk: TextDesk):
    await desk.propose_a_card()
    code, new = await desk.code(), "13700000009"
    await enter(desk.county, "JCLEADER", phone=new)
    assert "没有待回复的事项" in await desk.text(LEADER_PHONE, f"1{code}")  # the old number
    assert "没有待回复的事项" in await desk.text(new, f"1{code}")  # the code was texted to another
    desk.clock.advance(timedelta(minutes=5))
    await enter(desk.county, "JCLEADER", phone=LEADER_PHONE)  # and back
    assert "已过有效期" in await desk.text(LEADER_PHONE, f"1{code}")
    assert (await Card.get()).state == "proposed"


async def test_somebody_elses_old_number_brings_nobody_their_codes(desk: TextDesk):
    await desk.propose_a_card()
    code = await desk.code()
    await enter(desk.county, "JCLEADER", phone="13700000009")
    await enter(desk.county, "JCCLERK", phone=LEADER_PHONE)
    assert "没有待回复的事项" in await desk.text(LEADER_PHONE, f"1{code}")


async def a_certificate(officer: str, at, **more) -> IssuedCertificate:
    return await IssuedCertificate.create(
        issuer="ca",
        serial=f"{officer}{at.timestamp()}",
        profile=OFFICER_SIGNING.name.value,
        holder=officer,
        spki_sha256="",
        der=b"",
        not_before=at,
        not_after=at + timedelta(days=365),
        state=more.pop("state", CertificateState.ISSUED),
        used_at=at,
        **more,
    )


async def test_the_texts_of_a_phone_that_was_reported_lost_act_no_more_until_a_new_certificate(desk: TextDesk):
    await desk.propose_a_card()
    code, now = await desk.code(), desk.clock.now()
    lost = {"state": CertificateState.REVOKED, "revoked_at": now, "reason": RevocationReason.KEY_COMPROMISE.value}
    await a_certificate("JCLEADER", now - timedelta(days=9), **lost)
    answer = await desk.text(LEADER_PHONE, f"1{code}")
    assert "本号码的手机已报失" in answer
    assert (await Card.get()).state == "proposed"
    assert await desk.outcomes() == ["PHONE_REPORTED_LOST"]
    assert len(await desk.refusals_logged()) == 1
    await a_certificate("JCLEADER", desk.clock.now())
    assert "确认发牌" in await desk.text(LEADER_PHONE, f"1{code}")


async def test_a_certificate_that_gave_way_to_a_newer_one_says_nothing_about_the_phone(desk: TextDesk):
    await desk.propose_a_card()
    now = desk.clock.now()
    old = {"state": CertificateState.REVOKED, "revoked_at": now, "reason": RevocationReason.SUPERSEDED.value}
    await a_certificate("JCLEADER", now - timedelta(days=9), **old)
    assert "确认发牌" in await desk.text(LEADER_PHONE, f"1{await desk.code()}")


async def test_no_code_is_texted_to_a_lost_phone_and_a_new_number_gets_them_again(desk: TextDesk):
    now = desk.clock.now()
    lost = {"state": CertificateState.REVOKED, "revoked_at": now, "reason": RevocationReason.KEY_COMPROMISE.value}
    await a_certificate("JCLEADER", now - timedelta(days=9), **lost)
    await desk.propose_a_card()
    assert await ReplyCode.all().count() == 0
    assert await desk.county.texts("T05") == []
    await enter(desk.county, "JCLEADER", phone="13700000009")
    desk.clock.advance(timedelta(hours=5))
    await desk.county.remind()
    [(phone, _)] = [text for text in await desk.county.texts("T05") if text[0] != phone_of("HEAD")]
    assert phone == "13700000009"
    assert "确认发牌" in await desk.text(phone, f"1{await desk.code()}")
    assert (await Card.get()).state == CardState.EFFECTIVE


async def test_a_second_number_is_as_good_as_the_first_and_nobody_elses(desk: TextDesk):
    await desk.propose_a_card()
    await enter(desk.county, "JCLEADER", second_phone="13700000008")
    assert "没有待回复的事项" in await desk.text("13700000008", f"1{await desk.code()}")  # the code went to the first
    assert "确认发牌" in await desk.text(LEADER_PHONE, f"1{await desk.code()}")
