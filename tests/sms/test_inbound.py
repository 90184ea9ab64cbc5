"""Texts from people: progress, cards, nonsense, and what a crash may not lose."""

import asyncio
import errno
from datetime import timedelta

import pytest

from kernel.actor import Assurance
from kernel.acts import TextProof
from kernel.office import Office, Rule
from kernel.permissions import anybody
from kernel.refusals import ChangedMeanwhile
from kernel.work import Work
from sms.carriers import Arrival
from sms.inbound import InboxRules
from sms.smpp.carrier import identity_of
from sms.smpp.pdus import encode
from sms.smpp.vocabulary import DeliverSm
from supervision.acts import CardView, ConfirmCard, NoteRefusedText
from supervision.refused_texts import note_refused_text
from supervision.tables import Card
from tests.alerts.county import APPLICANT, LEADER_PHONE, SUPERVISOR_PHONE, phone_of
from tests.sms.text_desk import TextDesk

STRANGER = "18600000000"


# ------------------------------------------------------------------------------------------------------- progress


@pytest.mark.feature("SMS-12")
@pytest.mark.feature("HALL-06")
async def test_the_registered_phone_learns_where_its_case_stands(county, desk):
    number = await county.accepted()
    answer = await desk.text(APPLICANT, f"CX{number}")
    assert answer == (
        f"【衡江政务服务】{number}“建筑工程施工许可证核发”现处承办（审批中），衡住建承办，"
        "应于10月22日前办结，剩20个工作日。"
    )
    assert "91430400MA4L000000" not in answer
    assert "衡江建设" not in answer


@pytest.mark.feature("SMS-12")
@pytest.mark.feature("HALL-06")
async def test_another_phone_needs_the_query_password(county, desk):
    filed = await county.file()
    assert "需要查询密码" in await desk.text(STRANGER, f"CX{filed.number}")
    assert "查询密码不正确" in await desk.text(STRANGER, f"CX{filed.number}#000000")
    assert "现处受理（已接件，待受理）" in await desk.text(STRANGER, f"cx {filed.number} # {county.password_of(filed)}")
    assert await desk.outcomes() == ["QUERY_PASSWORD_NEEDED", "QUERY_PASSWORD_WRONG", "progress"]


@pytest.mark.feature("HALL-06")
async def test_an_unknown_number_gets_the_help_text(desk):
    assert "查无此号。查进度请回复CX加受理号" in await desk.text(STRANGER, "CX209900000001")


@pytest.mark.feature("SMS-12")
async def test_the_eleventh_query_of_a_day_is_refused_and_the_next_day_answers_again(county, desk):
    number = await county.accepted()
    for _ in range(10):
        assert "现处承办" in await desk.text(APPLICANT, f"CX{number}")
    assert "本号码今日查询已达10次" in await desk.text(APPLICANT, f"CX{number}")
    assert "现处承办" not in await desk.text(APPLICANT, f"CX{number}")
    desk.restart()
    assert "现处承办" not in await desk.text(APPLICANT, f"CX{number}")
    county.at("2026-09-19 00:01")
    assert "现处承办" in await desk.text(APPLICANT, f"CX{number}")


async def test_a_case_that_is_over_its_limit_says_so(county, desk):
    number = await county.accepted()
    county.at("2026-10-28")
    assert "已超期" in await desk.text(APPLICANT, f"CX{number}")


@pytest.mark.feature("SMS-15")
async def test_an_answer_never_waits_for_the_morning(county, desk):
    number = await county.accepted()
    county.at("2026-09-18 23:30")
    await desk.text(APPLICANT, f"CX{number}")
    await desk.text(STRANGER, "你好")
    rows = await county.database.rows("SELECT send_after FROM message WHERE dedupe_key LIKE 'reply:%'")
    assert len(rows) == 2
    assert {str(row["send_after"])[:16] for row in rows} == {"2026-09-18 15:30"}


# ---------------------------------------------------------------------------------------------------------- cards


@pytest.mark.feature("SMS-07")
async def test_the_leader_agrees_and_the_card_takes_effect(desk):
    await desk.propose_a_card()
    answer = await desk.text(LEADER_PHONE, f"1{await desk.code()}")
    card = await Card.get()
    assert card.state == "effective"
    assert f"已记录：{card.number}于10月23日09:00由本机号码确认发牌，存证号{card.evidence}" in answer


@pytest.mark.feature("SMS-07")
async def test_the_leader_does_not_agree_and_the_card_is_rejected(desk):
    await desk.propose_a_card()
    answer = await desk.text(LEADER_PHONE, f"2 {await desk.code()}")
    card = await Card.get()
    assert card.state == "rejected"
    assert f"{card.id}于10月23日09:00由本机号码不同意发牌" in answer


async def test_the_units_leader_acknowledges_a_served_card(desk):
    await desk.propose_a_card()
    await desk.text(LEADER_PHONE, f"1{await desk.code()}")
    answer = await desk.text(phone_of("CHIEF"), f"1{await desk.code('acknowledge')}")
    assert "由本机号码签收" in answer
    assert (await Card.get()).acknowledged_at is not None


@pytest.mark.feature("SMS-07")
@pytest.mark.parametrize("phone", [STRANGER, SUPERVISOR_PHONE, phone_of("CHIEF")])
async def test_a_wrong_number_with_the_right_code_is_refused_explained_and_logged(desk, phone):
    await desk.propose_a_card()
    answer = await desk.text(phone, f"1{await desk.code()}")
    assert "请使用登记的手机号码" in answer
    assert "07348123456" in answer
    assert (await Card.get()).state == "proposed"
    assert await desk.outcomes() == ["NOT_THE_REGISTERED_NUMBER"]
    [logged] = await desk.refusals_logged()
    assert phone not in logged


@pytest.mark.feature("SMS-07")
async def test_three_wrong_codes_lock_and_then_the_right_one_is_refused_too(desk):
    await desk.propose_a_card()
    right = await desk.code()
    wrong = f"1{(int(right) + 1) % 100_000:05d}"
    for _ in range(3):
        assert "回复码" in await desk.text(LEADER_PHONE, wrong)
    assert "已锁定" in await desk.text(LEADER_PHONE, f"1{right}")
    assert (await Card.get()).state == "proposed"
    assert await desk.outcomes() == ["CODE_WRONG", "CODE_WRONG", "CODE_LOCKED", "CODE_LOCKED"]
    assert len(await desk.refusals_logged()) == 4


@pytest.mark.feature("SMS-07")
async def test_a_code_is_refused_after_its_time(desk):
    await desk.propose_a_card()
    code = await desk.code()
    desk.county.at("2026-10-24 09:00")
    assert "已过有效期" in await desk.text(LEADER_PHONE, f"1{code}")
    assert (await Card.get()).state == "proposed"
    assert len(await desk.refusals_logged()) == 1


@pytest.mark.feature("SMS-07")
async def test_a_code_works_once(desk):
    await desk.propose_a_card()
    code = await desk.code()
    await desk.text(LEADER_PHONE, f"1{code}")
    assert "已使用过" in await desk.text(LEADER_PHONE, f"2{code}")
    assert (await Card.get()).state == "effective"
    assert len(await desk.refusals_logged()) == 1


async def test_a_number_written_with_the_country_code_is_the_same_phone(desk):
    await desk.propose_a_card()
    for pdu in desk.parts(f"86{LEADER_PHONE}", f"1{await desk.code()}"):
        await desk.take(pdu)
    await desk.inbox.handle_waiting()
    assert (await Card.get()).state == "effective"


# ------------------------------------------------------------------------------------------------------- nonsense


@pytest.mark.parametrize("body", ["你好", "", "1 12345 同意", "\x00", "🎉" * 40, "查询"])
async def test_an_unreadable_text_gets_the_help_text(desk, body):
    assert "未识别的指令" in await desk.text(STRANGER, body)


async def test_octets_that_are_no_text_are_kept_and_answered(desk):
    await desk.take(
        DeliverSm(source=STRANGER, destination="1069", data_coding=8, short_message=b"\xd8\x00\x00\x31\xff")
    )
    await desk.take(DeliverSm(source=STRANGER, destination="1069", data_coding=4, short_message=bytes(range(140))))
    assert await desk.inbox.handle_waiting() == 2
    assert await desk.outcomes() == ["HELP", "HELP"]


async def test_a_phone_is_helped_three_times_an_hour_and_then_only_logged(desk):
    for _ in range(3):
        assert await desk.text(STRANGER, "在吗")
    assert await desk.text(STRANGER, "在吗") == ""
    assert await desk.text(APPLICANT, "在吗")
    assert await desk.outcomes() == ["HELP"] * 5
    answered = await desk.database.rows("SELECT is_answered FROM inbound_message ORDER BY id")
    assert [bool(row["is_answered"]) for row in answered] == [True, True, True, False, True]
    desk.clock.advance(timedelta(hours=1, seconds=1))
    assert await desk.text(STRANGER, "在吗")


@pytest.mark.feature("SMS-18")
async def test_opting_out_is_explained_and_changes_nothing(county, desk):
    assert "不能退订" in await desk.text(APPLICANT, "T")
    assert "不能退订" in await desk.text(APPLICANT, "td")
    assert "不能退订" in await desk.text(APPLICANT, "退訂")
    await county.file()
    await county.tell()
    assert len(await county.texts("T09")) == 1


# --------------------------------------------------------------------------------- long texts, repetitions, crashes


def long_text(number: str) -> str:
    return f"CX{number}" + "　" * 100  # blanks that somebody's phone adds


async def test_a_long_text_is_read_whole_in_any_order(county, desk):
    number = await county.accepted()
    for pdu in reversed(desk.parts(APPLICANT, long_text(number))):
        await desk.take(pdu)
    await desk.inbox.handle_waiting()
    assert "现处承办" in (await desk.answers(APPLICANT))[0]
    assert len(await desk.database.rows("SELECT id FROM inbound_pdu WHERE message_id IS NOT NULL")) == 2


async def test_the_parts_of_a_long_text_survive_a_crash_between_them(county, desk):
    number = await county.accepted()
    first, second = desk.parts(APPLICANT, long_text(number))
    await desk.take(first)
    desk.restart()
    await desk.take(second)
    await desk.inbox.handle_waiting()
    assert "现处承办" in (await desk.answers(APPLICANT))[0]


async def test_a_part_that_never_comes_is_given_up_and_the_rest_is_answered(county, desk):
    first, _ = desk.parts(APPLICANT, long_text(await county.accepted()))
    await desk.take(first)
    await desk.inbox.give_up_waiting()
    assert await desk.outcomes() == []
    desk.clock.advance(InboxRules().join_within)
    await desk.inbox.give_up_waiting()
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["HELP"]
    [row] = await desk.database.rows("SELECT is_complete FROM inbound_message")
    assert not row["is_complete"]


async def test_a_repeated_part_of_a_long_text_is_not_a_second_text(county, desk):
    first, second = desk.parts(APPLICANT, long_text(await county.accepted()))
    for pdu in (first, first, second, second, first):
        await desk.take(pdu)
    await desk.inbox.handle_waiting()
    desk.clock.advance(timedelta(hours=1))
    await desk.inbox.give_up_waiting()
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]


async def test_a_text_kept_before_a_crash_is_handled_after_it_and_its_repetition_is_not(county, desk):
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)
    desk.restart()
    await desk.take(pdu)  # the carrier had no answer
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]
    assert len(await desk.answers(APPLICANT)) == 1


async def test_three_wrong_codes_texted_at_once_are_three_tries(desk):
    await desk.propose_a_card()
    code = int(await desk.code())
    for slip in (1, 2, 3):
        [pdu] = desk.parts(LEADER_PHONE, f"1{(code + slip) % 100_000:05d}")
        await desk.take(pdu)
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["CODE_WRONG", "CODE_WRONG", "CODE_LOCKED"]


async def test_a_crash_after_the_act_does_not_perform_it_twice(desk):
    await desk.propose_a_card()
    await desk.text(LEADER_PHONE, f"1{await desk.code()}")
    before = await desk.database.rows("SELECT id FROM event")
    # As if the process had died before it noted that the text was handled.
    await desk.database.execute("UPDATE inbound_message SET handled_at = NULL, outcome = ''")
    desk.restart()
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["card"]
    assert await desk.database.rows("SELECT id FROM event") == before
    assert len(await desk.answers(LEADER_PHONE)) == 1


async def test_a_text_whose_note_the_database_refused_is_handled_once_and_needs_no_second_try(county, desk):
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)
    await county.database.execute("ALTER TABLE message RENAME TO locked")
    handling = asyncio.create_task(desk.inbox.handle_waiting())
    await asyncio.sleep(0.05)
    await county.database.execute("ALTER TABLE locked RENAME TO message")
    await handling
    assert await desk.outcomes() == ["progress"]
    assert len(await desk.answers(APPLICANT)) == 1
    assert await county.database.rows("SELECT tries FROM inbound_message") == [{"tries": 0}]


async def test_who_loses_a_race_is_told_and_the_outcome_is_kept(desk, caplog):
    async def lose(work: Work, act: ConfirmCard) -> CardView:
        raise ChangedMeanwhile(subject="card:1")

    caplog.set_level("INFO")
    await desk.propose_a_card()
    rules = [
        Rule(ConfirmCard, lose, anybody, Assurance.NONE),
        Rule(NoteRefusedText, note_refused_text, anybody, Assurance.NONE),
    ]
    desk.county.office = Office(desk.county.desk, outbox=desk.county.outbox, rules=rules)
    desk.restart()
    answer = await desk.text(LEADER_PHONE, f"1{await desk.code()}")
    assert "该事项刚被他人处理" in answer
    assert "07348123456" in answer
    assert await desk.outcomes() == ["CHANGED_MEANWHILE"]
    [logged] = await desk.refusals_logged()
    assert '"evidence":"EV' in logged
    assert "-> CHANGED_MEANWHILE" in caplog.text


async def test_a_text_that_breaks_its_handling_is_not_tried_for_ever(county):
    desk = TextDesk(county, InboxRules(tries=2))
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)
    await county.database.execute("UPDATE inbound_message SET tries = 2")
    assert await desk.inbox.handle_waiting() == 0


async def test_a_disk_that_is_full_is_no_fault_of_a_text(county, desk, monkeypatch):
    async def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    number = await county.accepted()
    for words in (f"CX{number}", "HELP"):
        [pdu] = desk.parts(APPLICANT, words)
        await desk.take(pdu)
    monkeypatch.setattr(county.office, "perform", full)
    # Those behind it do not wait for the disk.
    assert [await desk.inbox.handle_waiting() for _ in range(5)] == [1, 0, 0, 0, 0]
    monkeypatch.undo()
    assert await desk.inbox.handle_waiting() == 1
    assert await desk.outcomes() == ["progress", "COMMANDS"]


async def test_the_proof_holds_the_frames_the_numbers_and_the_time(county, desk):
    await desk.propose_a_card()
    kept: list[TextProof] = []
    county.notary.assure = keeping(county.notary.assure, kept)
    [pdu] = desk.parts(LEADER_PHONE, f"1{await desk.code()}")
    frame = encode(pdu, 77)
    await desk.inbox.take(Arrival("east", pdu.part(frame), identity_of(frame)))
    await desk.inbox.handle_waiting()
    [proof] = kept
    assert proof.pdus == (frame,)
    assert (proof.sender, proof.receiver, proof.carrier) == (LEADER_PHONE, "10690000", "east")
    assert proof.received_at == county.clock.now()


def keeping(assure, kept):
    async def assured(work, act, proof):
        kept.append(proof)
        return await assure(work, act, proof)

    return assured
