"""Who is told what when something happens: the real office, the real events, what stands in the queue."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from alerts.dispatch import Notice, Recipient, Told, notify
from alerts.policy import POLICY
from alerts.templates import TEMPLATES
from alerts.texts import MASK
from casework.acts import Channel, Decision, DeemAccepted, StopClock
from casework.clock.ledger import StopGround
from casework.events import CalendarProvisional
from kernel.actor import THE_CLOCK, Role
from kernel.tables import Officer
from supervision.acts import ConfirmCard
from tests.alerts.county import ALERT_RULES, APPLICANT, LEADER_PHONE, County, phone_of
from tests.casework.legal_time import LegalTime
from tests.casework.town import person


async def test_filing_tells_the_applicant_number_and_password_and_the_clerks_their_turn(county):
    filed = await county.file()
    await county.tell()
    [(phone, body)] = await county.texts("T09")
    assert phone == APPLICANT
    assert body.startswith("【衡江政务服务】您申请的“建筑工程施工许可证核发”已接件")
    assert body.count(filed.number) == 2
    assert MASK * 6 in body
    assert county.password_of(filed) not in body
    [(phone, body)] = await county.texts("T01")
    assert phone == phone_of("CLERK")
    assert "您有1件待办" in body
    assert "剩5个工作日" in body


async def test_the_password_that_leaves_is_the_one_that_was_shown(county, queue):
    filed = await county.file()
    await county.tell()
    words = [each.words(county.secrets) for each in await queue.claim()]
    assert any(f"查询密码{county.password_of(filed)}。" in each for each in words)


async def test_an_event_delivered_twice_is_told_once(county):
    await county.file()
    await county.tell()
    before = await county.texts()
    await county.database.execute(
        "INSERT INTO outbox (event_id, consumer, due_at, attempts, last_error, parked)"
        " SELECT id, 'alerts', at, 0, '', FALSE FROM event"
    )
    await county.tell()
    assert await county.texts() == before


async def test_acceptance_tells_the_promise(county):
    number = await county.accepted()
    await county.tell()
    [(phone, body)] = await county.texts("T11")
    assert phone == APPLICANT
    assert f"受理号{number}，承诺20个工作日办结（10月22日前" in body
    assert phone_of("HANDLER") in [phone for phone, body in await county.texts("T01") if "承办" in body]


@pytest.mark.feature("INT-05")
async def test_silence_is_told_to_the_applicant_and_to_those_who_must_now_handle_the_case(county):
    await county.file()
    county.clock.advance(timedelta(days=9))
    await county.do(DeemAccepted(), THE_CLOCK)
    await county.tell()
    told = {phone for phone, _ in await county.texts("T17")}
    assert {APPLICANT, phone_of("HANDLER"), phone_of("HEAD")} <= told
    assert await county.texts("T11") == []


async def test_a_refused_acceptance_names_document_and_remedies(county):
    filed = await county.file()
    await county.decide("CLERK", filed.number, "accept", Decision.REFUSE_ACCEPTANCE, "不属于本机关职权范围。")
    await county.tell()
    [(phone, body)] = await county.texts("T12")
    assert phone == APPLICANT
    assert "不予受理，理由见《不予受理通知书》" in body
    assert "行政复议" in body


async def test_a_supplement_notice_counts_what_is_missing_and_hides_the_applicants_name(county):
    filed = await county.file(applicant_name="欧阳振华")
    missing = ("欧阳振华的身份证明", "施工图审查合格书")
    await county.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "材料不齐全。", items=missing)
    await county.tell()
    [(_, body)] = await county.texts("T10")
    assert "需补正2项：＊＊的身份证明；施工图审查合格书" in body


async def test_special_procedure_and_extension_are_told_with_the_new_day(county):
    number = await county.accepted()
    await county.do(
        StopClock(case=number, revision=2, ground=StopGround.EXPERT_REVIEW, told_days=5, reason="组织评审"),
        person("HANDLER"),
    )
    await LegalTime(county).extend(number, 10)
    await county.tell()
    [(_, stopped)] = await county.texts("T13")
    assert "依法需专家评审，约5个工作日" in stopped
    [(_, longer)] = await county.texts("T14")
    assert "批准延长10个工作日，理由：案情复杂。新办结日11月12日" in longer


async def test_a_granted_case_is_told_with_place_and_day_when_it_is_complete(county):
    number = await county.granted()
    await county.decide("HANDLER", number, "complete", Decision.COMPLETE, "办结。")
    await county.tell()
    [(phone, body)] = await county.texts("T15")
    assert phone == APPLICANT
    assert "已办结：准予许可" in body
    assert "衡江市政务大厅一楼" in body


# ------------------------------------------------------------------------------------------------------------ lights


@pytest.mark.feature("SMS-04")
async def test_a_yellow_light_is_texted_once_to_the_holders_and_the_section_head(county):
    number = await county.accepted()
    county.at("2026-10-21 00:00")
    await county.turn_lights()
    await county.turn_lights()
    told = await county.texts("T02")
    assert sorted(phone for phone, _ in told) == sorted(phone_of(id) for id in ("HANDLER", "HANDLER2", "BOTH", "HEAD"))
    body = told[0][1]
    assert f"时限预警（黄灯）：{number}“建筑工程施工许可证核发”将于10月22日到期，剩1个工作日，现处承办" in body
    # The case moves up a level while the light is yellow: no second text.
    await county.decide("HANDLER", number, "level:1", Decision.AGREE)
    await county.turn_lights()
    assert await county.texts("T02") == told


@pytest.mark.feature("SMS-04")
async def test_a_yellow_light_is_texted_again_only_when_a_later_limit_comes_near(county):
    number = await county.accepted()
    county.at("2026-10-21 00:00")
    await county.turn_lights()
    first = await county.texts("T02")
    await LegalTime(county).extend(number, 10)
    await county.turn_lights()
    assert await county.texts("T02") == first
    county.at("2026-11-04 00:00")
    await county.turn_lights()
    await county.turn_lights()
    again = (await county.texts("T02"))[len(first) :]
    assert {phone for phone, _ in again} == {phone for phone, _ in first}
    assert len(again) == len(first)
    assert all("将于11月5日到期" in body for _, body in again)


@pytest.mark.feature("SMS-05")
async def test_a_red_light_is_texted_to_handler_section_head_and_unit_leader_with_the_orders_number(county):
    number = await county.accepted()
    await county.decide("HANDLER", number, "level:1", Decision.AGREE)
    county.at("2026-10-23 00:00")
    await county.turn_lights()
    told = await county.texts("T03")
    assert {phone_of("HANDLER"), phone_of("HEAD"), phone_of("CHIEF")} <= {phone for phone, _ in told}
    assert len(told) == len({phone for phone, _ in told})
    [order] = await county.database.rows("SELECT number FROM supervision_order")
    for _, body in told:
        assert "超期督办（红灯）" in body
        assert f"督办单{order['number']}" in body


# ------------------------------------------------------------------------------------------------------------- cards


async def overdue(county: County) -> None:
    await county.accepted()
    county.at("2026-10-23 00:00")
    await county.turn_lights()


async def test_a_proposed_card_asks_each_leader_with_a_code_of_their_own(county, queue):
    await overdue(county)
    [(phone, body)] = await county.texts("T05")
    assert phone == LEADER_PHONE
    assert "拟对衡住建发黄牌" in body
    assert "超过承诺时限未办结" in body
    assert MASK * 5 in body
    [message] = [each for each in await queue.claim() if each.confirms]
    words = message.words(county.secrets)
    assert MASK not in words
    assert (await county.database.rows("SELECT expires_at FROM message WHERE template = 'T05_CARD_CONFIRM'")) == (
        await county.database.rows("SELECT expires_at FROM reply_code")
    )


async def test_a_confirmed_card_is_served_to_the_units_leader_with_a_code_to_acknowledge(county, queue):
    await overdue(county)
    [row] = await county.database.rows("SELECT id, nonce FROM reply_code")
    code = county.secrets.derived_code("card-reply", f"{row['id']}:{row['nonce']}", 5)
    assert code in next(each for each in await queue.claim() if each.confirms).words(county.secrets)
    await county.answer_by_text(ConfirmCard(code=code), "JCLEADER", LEADER_PHONE)
    await county.tell()
    [(phone, body)] = await county.texts("T06")
    assert phone == phone_of("CHIEF")
    assert "被发黄牌" in body
    assert "签收回复1" in body
    assert "有异议请于10月28日前" in body


async def test_a_reminder_asks_again(county):
    await overdue(county)
    county.at("2026-10-26 14:00")
    await county.remind()
    assert len(await county.texts("T05")) == 2


# ------------------------------------------------------------------------------------------------- what is not said


async def keep_secret(county: County, number: str) -> None:
    await county.database.execute("UPDATE case_file SET secret = TRUE WHERE number = $1", number)


async def test_of_a_secret_case_officers_learn_the_number_and_the_applicant_nothing(county):
    filed = await county.file()
    await keep_secret(county, filed.number)
    await county.tell()
    assert await county.texts() == [(phone_of("CLERK"), f"【衡江政务服务】{filed.number}有新的通知，请登录系统查看。")]


async def test_lights_and_cards_of_a_secret_case_are_told_without_their_content_and_without_a_code(county):
    number = await county.accepted()
    await county.tell()
    told = len(await county.texts())
    await keep_secret(county, number)
    county.at("2026-10-21 00:00")
    await county.turn_lights()
    county.at("2026-10-23 00:00")
    await county.turn_lights()
    later = (await county.texts())[told:]
    assert {phone_of("HANDLER"), phone_of("HEAD"), phone_of("CHIEF"), LEADER_PHONE} <= {phone for phone, _ in later}
    assert {body for _, body in later} == {f"【衡江政务服务】{number}有新的预警，请登录系统查看。"}


async def test_a_turn_at_another_case_does_not_name_a_secret_one_that_is_more_urgent(county):
    filed = await county.file()
    await county.tell()
    await keep_secret(county, filed.number)
    county.clock.advance(timedelta(days=1))
    await county.file()
    await county.tell()
    [_, (_, body)] = await county.texts("T01")
    assert f"您有2件待办，最急件{filed.number}“内容请登录系统查看”" in body


async def test_an_id_number_in_a_clerks_words_is_masked_and_the_notice_goes_out(county):
    filed = await county.file()
    missing = ("身份证330102199001011234复印件", "施工图审查合格书")
    await county.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "材料不齐全。", items=missing)
    await county.tell()
    [(_, body)] = await county.texts("T10")
    assert "需补正2项：身份证＊＊复印件；施工图审查合格书" in body


async def test_what_cannot_be_said_is_said_in_general_and_the_other_notices_go_out(database, clock, caplog):
    # No text has room for such a telephone number, so whatever names it cannot be said.
    county = County(database, clock, rules=replace(ALERT_RULES, service_phone="0734-8123456转8001"))
    await county.settle()
    await county.publish()
    filed = await county.file()
    await county.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "材料不齐全。", items=("申请表",))
    await county.tell()
    assert await county.texts("T10") == []
    assert await county.texts("R02") == [(APPLICANT, f"【衡江政务服务】{filed.number}有新的进展，请登录系统查看。")]
    assert len(await county.texts("T09")) == 1
    assert "T10_SUPPLEMENT" in caplog.text
    assert "of 1 notices 1 were reworded" in caplog.text
    assert APPLICANT not in caplog.text


async def test_a_free_text_that_says_nothing_is_replaced_by_a_pointer_to_the_paper(queue, caplog):
    words = {"no": "202600000001", "n": "1", "sum": "", "tel": "07348123456"}
    notices = [
        Notice(key=key, template=TEMPLATES["T10"], to=Recipient(phone=APPLICANT), variables={**words, **more})
        for key, more in (("1", {}), ("2", {"sum": "申请表"}), ("3", {"tel": ""}))
    ]
    told = await notify(queue.database, notices, rules=ALERT_RULES, now=queue.clock.now())
    assert told == Told(new=2, reworded=1, unsaid=1)
    assert ["需补正1项：详见告知书" in each.body for each in await queue.claim()] == [True, False]
    assert "cannot be said" in caplog.text


async def test_nobody_is_told_when_there_is_no_phone(county):
    await county.file(channel=Channel.WINDOW)
    await county.database.execute("UPDATE case_file SET applicant_phone = ''")
    await county.tell()
    assert await county.texts("T09") == []


def test_the_policy_names_only_known_templates_and_every_statutory_notice_has_a_line():
    named = {line.template for line in POLICY}
    assert named <= set(TEMPLATES)
    assert {"T02", "T03", "T05", "T06", "T09", "T10", "T11", "T12", "T13", "T14", "T15", "T17"} <= named


# ------------------------------------------------------------------------------------- irregularities and the calendar


@pytest.mark.feature("INT-02")
async def test_an_entry_on_a_later_day_than_the_receipt_warns_the_window_and_the_handlers(county):
    filed = await county.file(channel=Channel.WINDOW, received_on=date(2026, 9, 16))
    await county.tell()
    told = await county.texts("T04")
    warned = ("CLERK", "HANDLER", "HANDLER2", "BOTH", "HEAD")
    assert sorted(phone for phone, _ in told) == sorted(phone_of(id) for id in warned)
    assert told[0][1] == (
        f"【衡江政务服务】异常预警：{filed.number}“建筑工程施工许可证核发”窗口收件日期与录入日期不一致，"
        "请窗口人员于9月20日前改正并在系统反馈。"  # a Sunday that is worked for the Mid-Autumn holiday
    )


async def test_an_entry_on_the_day_of_receipt_warns_nobody(county):
    await county.file(channel=Channel.WINDOW)
    await county.tell()
    assert await county.texts("T04") == []


@pytest.mark.feature("CLK-10")
async def test_the_information_centre_is_told_once_that_a_years_arrangement_is_missing(county):
    phone = "13700000009"
    await Officer.create(id="INFO", name="何信息", unit_code="HALL", phone=phone, roles=[Role.INFORMATION_CENTRE])
    for _ in range(2):
        await county.happened(CalendarProvisional(calendar="2027"))
        await county.tell()
    assert await county.texts() == [
        (
            phone,
            "【衡江政务服务】工作日历：2027年尚无国务院办公厅放假安排，系统按推算日历计算，请尽快导入正式通知。",
        )
    ]
