"""Texts that nobody got: the next number, the next channel, the next person, and supervision's list."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from alerts import dead_letters
from alerts.dead_letters import FollowUpUndelivered, undelivered_to
from alerts.digests import ReleaseHeld
from alerts.outgoing import Channel
from alerts.settling import Outcome, Report
from alerts.texts import MASK
from casework.acts import Decision
from kernel.actor import THE_CLOCK
from kernel.tables import Officer
from server.processes import Timer
from supervision.acts import ConfirmCard
from supervision.findings import FindingKind
from supervision.queries import findings
from supervision.tables import Card
from tests.alerts.county import ALERT_RULES, APPLICANT, LEADER_PHONE, SUPERVISOR_PHONE, County, phone_of
from tests.alerts.queue_desk import failed, submitted
from tests.sms.carrier_desk import wait_for
from tests.sms.text_desk import TextDesk

DUTY, SECOND = "13600000001", "13900099999"
RULES = replace(ALERT_RULES, duty_phone=DUTY)
CHIEF, HEAD = phone_of("CHIEF"), phone_of("HEAD")


async def settled(database, clock, **rules) -> County:
    county = County(database, clock, rules=replace(RULES, **rules))
    await county.settle()
    await county.publish()
    return county


@pytest.fixture
async def county(database, clock) -> County:
    return await settled(database, clock)


async def overdue(county: County) -> str:
    number = await county.accepted()
    county.at("2026-10-23 00:00")
    await county.turn_lights()
    return number


async def lose(
    queue, *phones: str, template: str | tuple[str, ...] = "", channel=Channel.SMS, outcome=Outcome.REFUSED
) -> int:
    """Every text of these phones that leaves now is refused for good, the others arrive; returns how many were lost."""
    claimed = await queue.claim(channel=channel)
    lost = [each for each in claimed if each.to in phones and each.template.startswith(template)]
    reports = [
        Report(message=each, outcome=outcome, error="MK:0001") if each in lost else submitted(each, f"id{each.id}")
        for each in claimed
    ]
    await queue.record(*reports, heard=[])
    return len(lost)


async def follow_up(county: County) -> int:
    done = await county.do(FollowUpUndelivered(), THE_CLOCK)
    await county.tell()
    return done.count


async def instead(county: County) -> list[tuple[str, str, str]]:
    """Template, address and words of what was sent in the place of other messages, or about them."""
    rows = await county.database.rows(
        "SELECT template, to_phone, to_email, body FROM message WHERE dedupe_key LIKE 'instead:%' ORDER BY id"
    )
    return [(str(r["template"])[:3], str(r["to_phone"] or r["to_email"]), str(r["body"])) for r in rows]


async def second_phone(officer: str, phone: str = SECOND) -> None:
    await Officer.filter(id=officer).update(second_phone=phone)


# ---------------------------------------------------------------------------------------------- supervision's list


@pytest.mark.feature("SMS-22")
@pytest.mark.parametrize("end", ["given up", "refused", "receipt", "expired"])
async def test_a_red_light_that_nobody_got_is_on_supervisions_list_within_five_minutes(county, queue, end):
    number = await overdue(county)
    if end == "expired":
        county.clock.advance(RULES.valid_for)
        await queue.tend()
    else:
        for message in await queue.claim():
            if message.to != HEAD or not message.template.startswith("T03"):
                continue
            if end == "receipt":
                await queue.record(submitted(message, "a1"))
                await queue.record(heard=[failed("a1")])
            else:
                outcome = Outcome.GIVEN_UP if end == "given up" else Outcome.REFUSED
                await queue.record(Report(message=message, outcome=outcome, error="ESME_RSYSERR"))
    timer, since = Timer(county), county.clock.now()
    shown: list[dict[str, object]] = []
    while not shown and county.clock.now() - since < timedelta(minutes=5):
        county.clock.advance(timedelta(seconds=1))
        await timer.tick()
        await county.tell()
        shown = await findings(county.database, kind=FindingKind.TEXT_UNDELIVERED)
    assert {(row["case_number"], row["unit_code"]) for row in shown} == {(number, "ZJ")}
    if end != "expired":
        [row] = shown
        assert row["at"] == county.clock.now()
    # A fact to act upon, and nobody's breach.
    events = await county.database.rows("SELECT body FROM event WHERE tag = 'supervision.finding'")
    assert all(json.loads(str(row["body"]))["kind"] != "text_undelivered" for row in events)


async def test_a_yellow_light_that_nobody_got_is_followed_up_and_not_listed(county, queue):
    await county.accepted()
    county.at("2026-10-21 00:00")
    await county.turn_lights()
    assert await lose(queue, HEAD, template="T02") == 1
    assert await follow_up(county) == 1
    assert await findings(county.database, kind=FindingKind.TEXT_UNDELIVERED) == []
    assert [(template, to) for template, to, _ in await instead(county)] == [("T35", DUTY)]


# -------------------------------------------------------------------------------------------------------- the chain


async def test_a_warning_goes_to_the_second_number_then_by_mail_then_to_the_officer_on_duty_and_ends_there(
    database, clock, queue
):
    county = await settled(database, clock, duty_email="duty@hall.example")
    county.rules = replace(county.rules, mail=False)
    await second_phone("HEAD")
    await Officer.filter(id="HEAD").update(email="head@zj.example")
    await overdue(county)
    # Mail is switched on later, or the red light would have gone by mail as well.
    mailing = replace(county.rules, mail=True)
    county.provisions[type(mailing)] = mailing
    assert await lose(queue, HEAD, template="T03") == 1
    assert await follow_up(county) == 1
    [(template, to, words)] = await instead(county)
    assert (template, to) == ("T03", SECOND)
    assert "超期督办（红灯）" in words
    assert await follow_up(county) == 0  # while it is under way

    assert await lose(queue, SECOND) == 1
    assert await follow_up(county) == 1
    *_, (template, to, same) = await instead(county)
    assert (template, to, same) == ("T03", "head@zj.example", words)

    assert await lose(queue, "head@zj.example", channel=Channel.MAIL) == 1
    assert await follow_up(county) == 1
    assert [(template, to) for template, to, _ in (await instead(county))[2:]] == [
        ("T35", DUTY),
        ("T35", "duty@hall.example"),
    ]

    # Nobody is left to be told: the end, and nothing goes back.
    assert await lose(queue, DUTY) == 1
    assert await lose(queue, "duty@hall.example", channel=Channel.MAIL) == 1
    assert await follow_up(county) == 2
    assert await follow_up(county) == 0
    assert len(await instead(county)) == 4
    # Listed once, however many ways were tried.
    assert len(await findings(county.database, kind=FindingKind.TEXT_UNDELIVERED)) == 1
    rows = await county.database.rows("SELECT stands_for, replaced_at FROM message WHERE to_phone = $1", SECOND)
    assert rows[0]["stands_for"] is not None
    assert rows[0]["replaced_at"] is not None


async def test_a_dead_letter_that_two_processes_find_at_once_is_followed_up_by_one_of_them(
    county, queue, dialect, monkeypatch
):
    """The slower one found it before the other committed, and looks at it again once it is his."""
    if dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    await second_phone("HEAD")
    await overdue(county)
    assert await lose(queue, HEAD, template="T03") == 1
    gate = await asyncpg.connect(county.database.url)
    waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    try:
        await gate.execute("SELECT pg_advisory_lock(22)")
        # Stops between what it sees and what it locks.
        stops = "(SELECT pg_advisory_xact_lock_shared(22)::text)"
        monkeypatch.setattr(dead_letters, "_LOST", f"{dead_letters._LOST}, {stops}")
        slower = asyncio.create_task(county.do(FollowUpUndelivered(), THE_CLOCK))
        await wait_for(lambda: gate.fetchval(waits))
        monkeypatch.undo()
        assert await follow_up(county) == 1
    finally:
        await gate.close()
    assert (await slower).count == 0
    await county.tell()
    assert [(template, to) for template, to, _ in await instead(county)] == [("T03", SECOND)]
    assert len(await findings(county.database, kind=FindingKind.TEXT_UNDELIVERED)) == 1


async def test_what_was_mailed_with_the_text_is_not_mailed_again(database, clock, queue):
    county = await settled(database, clock, mail=True)
    await Officer.filter(id="HEAD").update(email="head@zj.example")
    await overdue(county)
    await lose(queue, HEAD, template="T03")
    await follow_up(county)
    assert [(template, to) for template, to, _ in await instead(county)] == [("T35", DUTY)]


async def test_a_mail_that_failed_beside_its_text_needs_nothing(database, clock, queue):
    county = await settled(database, clock, mail=True)
    await Officer.filter(id="HEAD").update(email="head@zj.example")
    await overdue(county)
    assert await lose(queue, "head@zj.example", template="T03", channel=Channel.MAIL) == 1
    assert await follow_up(county) == 1
    assert await instead(county) == []


async def test_an_outage_is_one_message_to_the_officer_on_duty(county, queue):
    number = await overdue(county)
    assert await lose(queue, CHIEF, HEAD, phone_of("HANDLER"), template="T03", outcome=Outcome.GIVEN_UP) == 3
    assert await follow_up(county) == 3
    [(template, to, words)] = await instead(county)
    assert (template, to) == ("T35", DUTY)
    assert f"3条重要短信未能送达，涉及{number}" in words


async def test_where_nobody_has_the_duty_the_letter_stays_dead_and_the_log_counts_it(database, clock, queue, caplog):
    county = await settled(database, clock, duty_phone="")
    await overdue(county)
    await lose(queue, HEAD, template="T03")
    assert await follow_up(county) == 1
    assert await follow_up(county) == 0
    assert await instead(county) == []
    [row] = await county.database.rows("SELECT replaced_at FROM message WHERE state = 'failed'")
    assert row["replaced_at"] is None
    assert "'T03_RED_LIGHT nothing': 1" in caplog.text
    assert HEAD not in caplog.text


async def test_an_answer_or_a_todo_that_did_not_arrive_is_only_counted(county, queue):
    await county.file()
    await county.tell()
    assert await lose(queue, phone_of("CLERK"), template="T01") == 1
    assert await follow_up(county) == 1
    assert await instead(county) == []


async def test_a_letter_that_cannot_be_followed_up_goes_to_the_officer_on_duty_and_stops_no_other(
    county, queue, caplog
):
    await second_phone("HEAD")
    await overdue(county)
    await lose(queue, HEAD, LEADER_PHONE, template=("T03", "T05"))
    await county.database.execute("UPDATE message SET secret = 'card-reply|99:gone|5' WHERE template LIKE 'T05%'")
    assert await follow_up(county) == 2
    assert sorted((template, to) for template, to, _ in await instead(county)) == [("T03", SECOND), ("T35", DUTY)]
    assert "cannot be followed up" in caplog.text


# ----------------------------------------------------------------------------------------------------- confirmations


async def reply_code(county: County, phone: str) -> str:
    [row] = await county.database.rows("SELECT id, nonce FROM reply_code WHERE phone = $1", phone)
    return county.secrets.derived_code("card-reply", f"{row['id']}:{row['nonce']}", 5)


async def test_a_confirmation_goes_to_the_leaders_second_number_with_a_code_of_its_own(county, queue):
    await second_phone("JCLEADER")
    await overdue(county)
    assert await lose(queue, LEADER_PHONE, template="T05") == 1
    await follow_up(county)
    [(template, to, words)] = await instead(county)
    assert (template, to) == ("T05", SECOND)
    assert MASK * 5 in words
    [ends] = {row["expires_at"] for row in await county.database.rows("SELECT expires_at FROM reply_code")}
    [sent] = await county.database.rows("SELECT expires_at FROM message WHERE to_phone = $1", SECOND)
    assert sent["expires_at"] == ends
    first, second = await reply_code(county, LEADER_PHONE), await reply_code(county, SECOND)
    [message] = await queue.claim()
    assert second in message.words(county.secrets)
    assert first not in message.words(county.secrets)
    assert len(await findings(county.database, kind=FindingKind.TEXT_UNDELIVERED)) == 1

    # What comes from the second number is the leader's own answer; the first number's code is not good there.
    desk = TextDesk(county)
    [pdu] = desk.parts(SECOND, f"1{first}")
    await desk.take(pdu)
    await desk.inbox.handle_waiting()
    assert (await Card.get()).state == "proposed"
    county.clock.advance(timedelta(minutes=1))
    [pdu] = desk.parts(SECOND, f"1{second}")
    await desk.take(pdu)
    await desk.inbox.handle_waiting()
    card = await Card.get()
    assert (card.state, card.decided_by) == ("effective", "officer:JCLEADER")


async def test_a_code_never_goes_by_mail_only_that_there_is_something(database, clock, queue):
    county = await settled(database, clock, mail=True)
    number = await overdue(county)
    assert await lose(queue, LEADER_PHONE, template="T05") == 1
    await follow_up(county)
    assert await instead(county) == [
        ("R02", "JCLEADER@jc.example", f"【衡江政务服务】{number}有新的预警，请登录系统查看。")
    ]


async def test_a_code_that_ended_is_not_drawn_again(county, queue):
    await second_phone("JCLEADER")
    await overdue(county)
    county.clock.advance(timedelta(hours=25))
    await queue.tend()
    await follow_up(county)
    assert SECOND not in [to for _, to, _ in await instead(county)]
    assert len(await county.database.rows("SELECT id FROM reply_code")) == 1


async def test_a_question_that_somebody_answered_meanwhile_needs_no_other_way(county, queue):
    await Officer.create(
        id="JCVICE", name="冯副", unit_code="JC", phone="13700000003", roles=["supervision_leader"], email=""
    )
    await overdue(county)
    code = await reply_code(county, LEADER_PHONE)
    assert await lose(queue, "13700000003", template="T05") == 1
    await county.answer_by_text(ConfirmCard(code=code), "JCLEADER", LEADER_PHONE)
    assert await follow_up(county) == 1
    assert await instead(county) == []
    assert await findings(county.database, kind=FindingKind.TEXT_UNDELIVERED) == []


# --------------------------------------------------------------------------------------------------------- applicants


async def test_an_applicant_who_could_not_be_reached_is_told_on_paper_by_those_who_handle_the_case(county, queue):
    filed = await county.file(applicant_name="欧阳振华")
    await county.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "材料不齐全。", items=("身份证明",))
    await county.tell()
    assert await lose(queue, APPLICANT, template="T10") == 1
    assert await follow_up(county) == 1
    told = await instead(county)
    assert {to for _, to, _ in told} == {phone_of(id) for id in ("HANDLER", "HANDLER2", "BOTH", "HEAD")}
    assert {words for _, _, words in told} == {
        f"【衡江政务服务】送达提示：{filed.number}的“补正告知”短信未能送达申请人，请改以电话或书面方式告知，并在卷内记明。"
    }
    assert await findings(county.database, kind=FindingKind.TEXT_UNDELIVERED) == []


async def test_at_night_the_notice_to_the_handlers_waits_and_the_warning_does_not(county, queue):
    await second_phone("HEAD")
    await county.accepted()
    await county.tell()
    await queue.claim()
    county.at("2026-10-22 20:00")
    filed = await county.file()
    await county.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    await county.tell()
    assert await lose(queue, APPLICANT, template="T11") == 1
    county.at("2026-10-23 00:00")
    await county.turn_lights()
    assert await lose(queue, HEAD, template="T03") == 1
    assert await follow_up(county) == 2
    assert {message.to for message in await queue.claim()} == {SECOND}
    county.at("2026-10-23 08:00")
    await county.do(ReleaseHeld(), THE_CLOCK)
    assert HEAD in {message.to for message in await queue.claim() if message.template.startswith("T34")}


# ----------------------------------------------------------------------------------------------------------- the app


async def test_officers_see_in_the_app_what_did_not_reach_them_without_codes_and_nobody_elses(county, queue):
    number = await overdue(county)
    await lose(queue, HEAD, LEADER_PHONE, SUPERVISOR_PHONE, template=("T01", "T03", "T05"))
    [red] = await undelivered_to(county.database, "HEAD", now=county.clock.now())
    assert (red.title, red.case_number, red.at) == ("红灯督办", number, county.clock.now())
    assert red.text.startswith("超期督办（红灯）")
    [card] = await undelivered_to(county.database, "JCLEADER", now=county.clock.now())
    assert (card.title, card.text) == ("发牌确认", "发牌确认")
    assert await undelivered_to(county.database, "CHIEF", now=county.clock.now()) == []
    county.clock.advance(timedelta(days=31))
    assert await undelivered_to(county.database, "HEAD", now=county.clock.now()) == []
