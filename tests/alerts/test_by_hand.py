"""What an operator may do with texts, and what nobody may: an office, its queue, and its log."""

from datetime import timedelta

import pytest

from alerts.by_hand import (
    Kept,
    KeptBack,
    NotResent,
    ResendTexts,
    Resent,
    SendText,
    ViewText,
    lost_texts,
)
from alerts.digests import ReleaseHeld
from alerts.settling import Outcome, Report
from alerts.tables import Message
from alerts.text_sheet import masked, text_sheet
from alerts.texts import TextRefused
from kernel.actor import ANYBODY, THE_CLOCK, THE_OPERATOR
from kernel.refusals import Invalid, NotFound, NotPermitted
from tests.alerts.county import County
from tests.alerts.queue_desk import QueueDesk, delivered, failed, submitted
from tests.standing import stand_anew

PHONE = "13800138000"
SIGNATURE = "【衡江政务服务】"


class HandDesk(QueueDesk):
    def __init__(self, county: County) -> None:
        super().__init__(county.database, county.clock)
        self.county = county

    async def does(self, act, actor=THE_OPERATOR):
        return await self.county.office.perform(act, actor, key=None)

    async def resend(self, *texts: int, **how):
        return await self.does(ResendTexts(texts=texts, by="root", **how))

    async def lost(self, outcome=Outcome.REFUSED, error="ESME_RINVDSTADR", **letter) -> int:
        put = self.put_code if "code_lasts" in letter else self.put
        if "code_lasts" in letter:
            letter["valid"] = letter.pop("code_lasts")
        await put(**letter)
        [message] = await self.claim(1)
        await self.record(Report(message=message, outcome=outcome, error=error))
        return message.id

    async def row(self, text: int) -> Message:
        return await Message.get(id=text)

    async def events(self) -> list[tuple[str, str, str]]:
        rows = await self.database.rows("SELECT subject, tag, body FROM event WHERE subject LIKE 'text:%' ORDER BY id")
        return [(str(row["subject"]), str(row["tag"]), str(row["body"])) for row in rows]


@pytest.fixture
def desk(county: County) -> HandDesk:
    return HandDesk(county)


# ------------------------------------------------------------------------------------------------------ send again
async def test_a_lost_text_goes_again_as_a_new_one_that_stands_for_it(desk):
    old = await desk.lost(body="【衡江】旧的", phone=PHONE)
    answer = await desk.resend(old)
    [again] = answer.resent
    row = await desk.row(again.as_text)
    assert (row.stands_for, row.body, row.to_phone, row.state) == (old, "【衡江】旧的", PHONE, "held")
    assert ((await desk.row(old)).state, (await desk.row(old)).replaced_at) == ("failed", desk.clock.now())
    await desk.does(ReleaseHeld(), THE_CLOCK)
    [message] = await desk.claim()
    assert (message.id, message.words(desk.county.secrets)) == (row.id, "【衡江】旧的")
    await desk.record(submitted(message, "7"), heard=[delivered("7")])
    assert (await desk.row(row.id)).state == "delivered"
    assert (await desk.row(old)).state == "failed"


async def test_the_log_says_who_had_it_sent_again_and_neither_number_nor_words(desk):
    old = await desk.lost(body="【衡江】旧的", phone=PHONE)
    answer = await desk.resend(old)
    [(subject, tag, body)] = await desk.events()
    assert (subject, tag) == (f"text:{old}", "text.resent")
    assert '"by":"root"' in body
    assert f'"as_text":{answer.resent[0].as_text}' in body
    assert PHONE not in body
    assert "旧的" not in body


async def test_its_days_begin_anew_but_those_of_a_code_do_not(desk):
    plain = await desk.lost(valid=timedelta(minutes=5))
    code = await desk.lost(code_lasts=timedelta(hours=2))
    desk.clock.advance(timedelta(minutes=10))
    answer = await desk.resend(plain, code)
    new = {each.text: await desk.row(each.as_text) for each in answer.resent}
    assert new[plain].expires_at == desk.clock.now() + desk.county.rules.valid_for
    assert new[code].expires_at == (await desk.row(code)).expires_at
    assert (new[code].secret, new[code].confirms) == ((await desk.row(code)).secret, True)


async def test_a_code_whose_life_has_ended_never_goes_again(desk):
    code = await desk.lost(code_lasts=timedelta(hours=2))
    desk.clock.advance(timedelta(hours=2))
    for even in (False, True):
        assert kept_because(await desk.resend(code, even_if_unknown=even)) == "其中的确认码已失效"


async def test_what_was_delivered_never_goes_again(desk):
    await desk.put()
    [message] = await desk.claim()
    await desk.record(submitted(message, "1"), heard=[delivered("1")])
    for even in (False, True):
        assert kept_because(await desk.resend(message.id, even_if_unknown=even)) == "已送达"


@pytest.mark.parametrize("state", ["held", "queued", "sending"])
async def test_what_is_under_way_does_not_go_twice(desk, state):
    await desk.put()
    if state == "sending":
        await desk.claim()
    else:
        await Message.all().update(state=state)
        await stand_anew(desk.database)
    assert await desk.states() == [state]
    assert kept_because(await desk.resend(1, even_if_unknown=True)) == "仍在发送中"


async def test_an_unknown_outcome_goes_again_only_when_the_operator_says_so(desk):
    dead = await desk.lost(Outcome.GIVEN_UP, "outcome unknown")
    await desk.put()
    [taken] = await desk.claim()
    await desk.record(submitted(taken, "1"))
    for text in (dead, taken.id):
        assert kept_because(await desk.resend(text)) == "结果未知，对方可能已收到"
        assert len((await desk.resend(text, even_if_unknown=True)).resent) == 1


async def test_a_code_of_unknown_outcome_that_goes_again_does_not_go_a_third_time_by_itself(desk):
    code = await desk.lost(Outcome.UNKNOWN, "no answer", code_lasts=timedelta(hours=2))
    assert (await desk.row(code)).state == "unknown"
    assert kept_because(await desk.resend(code)) == "结果未知，对方可能已收到"
    assert len((await desk.resend(code, even_if_unknown=True)).resent) == 1
    desk.clock.advance(timedelta(minutes=10))
    await desk.tend()
    assert (await desk.row(code)).state == "dead"


async def test_it_goes_again_once_and_then_its_stand_in_may(desk):
    old = await desk.lost()
    [again] = (await desk.resend(old)).resent
    assert kept_because(await desk.resend(old)) == "已有另一条代发"
    await Message.filter(id=again.as_text).update(state="dead", finished_at=desk.clock.now())
    await stand_anew(desk.database)
    [third] = (await desk.resend(again.as_text)).resent
    assert (await desk.row(third.as_text)).stands_for == old


async def test_what_went_another_way_is_not_sent_again_unless_that_was_lost_too(desk):
    old = await desk.lost()
    await desk.put(key=f"instead:{old}:second_phone")
    assert kept_because(await desk.resend(old)) == "已有另一条代发"
    await Message.exclude(id=old).update(state="failed")
    await stand_anew(desk.database)
    assert len((await desk.resend(old)).resent) == 1


async def test_words_that_were_struck_out_cannot_be_said_again(desk):
    old = await desk.lost()
    await Message.filter(id=old).update(masked_at=desk.clock.now(), body="", to_phone="")
    assert kept_because(await desk.resend(old)) == "内容已按保存期限清除"


async def test_of_many_each_is_judged_for_itself(desk):
    first, second = await desk.lost(), await desk.lost()
    await desk.put()
    answer = await desk.resend(first, 99, second, 3)
    assert [each.text for each in answer.resent] == [first, second]
    assert answer.kept == (KeptBack(99, Kept.NOT_FOUND), KeptBack(3, Kept.UNDER_WAY))
    assert isinstance(answer.resent[0], Resent)
    assert isinstance(await desk.resend(*range(1, 502)), Invalid)
    assert kept_because(await desk.resend(99)) == "没有这条短信"


async def test_the_limit_of_a_phone_holds_for_what_is_sent_again(desk):
    most = desk.county.rules.same_template_most
    for _ in range(most + 2):
        await desk.lost(phone=PHONE)
    await desk.resend(*range(1, most + 3))
    desk.clock.advance(timedelta(days=2))  # what was lost counts no more
    await desk.does(ReleaseHeld(), THE_CLOCK)
    assert await Message.filter(state="queued").count() == most
    assert await Message.filter(state="held").count() == 2


async def test_what_was_lost_is_found_by_day_and_carrier(desk):
    early = await desk.lost()
    desk.clock.advance(timedelta(days=2))
    late = await desk.lost()
    west = await desk.lost()
    await Message.filter(id=west).update(carrier="west")
    since = desk.clock.now() - timedelta(days=1)
    assert await lost_texts(desk.database, since=since) == [late, west]
    assert await lost_texts(desk.database, since=since, carrier="west") == [west]
    await desk.resend(late)
    assert await lost_texts(desk.database, since=since - timedelta(days=3)) == [early, west]


def kept_because(answer) -> str:
    assert isinstance(answer, NotResent), answer
    return str(answer.details["why"])


# ------------------------------------------------------------------------------------------------------------ send
async def test_an_operators_text_is_signed_counted_and_queued(desk):
    queued = await desk.does(SendText(to="+86 138 0013 8000", words="测试短信。", by="root"))
    row = await desk.row(queued.text)
    assert (row.body, row.to_phone, row.state, queued.parts) == (f"{SIGNATURE}测试短信。", PHONE, "queued", 1)
    long = await desk.does(SendText(to=PHONE, words="长" * 63))
    assert long.parts == 2
    [(subject, tag, body), _] = await desk.events()
    assert (subject, tag) == (f"text:{queued.text}", "text.sent")
    assert '"by":"root"' in body
    assert '"parts":1' in body
    assert PHONE not in body


async def test_a_signature_that_is_there_is_not_repeated_and_a_strange_one_is_refused(desk):
    queued = await desk.does(SendText(to=PHONE, words=f"{SIGNATURE}测试"))
    assert (await desk.row(queued.text)).body == f"{SIGNATURE}测试"
    assert isinstance(await desk.does(SendText(to=PHONE, words="【别的单位】测试")), TextRefused)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "没有内容"),
        (SIGNATURE, "没有内容"),
        ("证号430481199001011234已核", "身份证"),
        ("证号43048119900101123Ｘ已核", "身份证"),
        ("看★这里", "字符"),
        ("中间的【签名】", "字符"),
        ("长" * 127, "需要3条"),
    ],
)
async def test_what_no_text_may_say_an_operator_may_not_say_either(desk, words, why):
    refused = await desk.does(SendText(to=PHONE, words=words))
    assert isinstance(refused, TextRefused)
    assert why in str(refused.details["why"])
    assert await Message.all().count() == 0


@pytest.mark.parametrize("to", ["", "12", "abc", "１３８００１３８０００", "1" * 21, "13800138000;13900139000"])
async def test_only_a_number_can_be_texted(desk, to):
    assert isinstance(await desk.does(SendText(to=to, words="测试")), Invalid)


async def test_at_night_it_waits_for_the_morning_unless_it_is_to_go_at_once(desk):
    desk.clock.advance(timedelta(hours=14))  # 23:00
    queued = await desk.does(SendText(to=PHONE, words="测试"))
    assert queued.send_after == desk.clock.now() + timedelta(hours=9)
    at_once = await desk.does(SendText(to=PHONE, words="测试", at_once=True))
    assert at_once.send_after == desk.clock.now()
    assert [message.id for message in await desk.claim()] == [at_once.text]


async def test_the_limit_of_a_phone_holds_for_operators(desk):
    most = desk.county.rules.same_template_most
    for _ in range(most):
        assert (await desk.does(SendText(to=PHONE, words="测试"))).send_after == desk.clock.now()
    over = await desk.does(SendText(to=PHONE, words="测试"))
    assert over.send_after > desk.clock.now()
    assert len(await desk.claim()) == most


async def test_nobody_but_the_system_sends_by_hand(desk):
    for act in (SendText(to=PHONE, words="测试"), ResendTexts(texts=(1,)), ViewText(text=1)):
        assert isinstance(await desk.does(act, ANYBODY), NotPermitted)


# ------------------------------------------------------------------------------------------------------------ look
async def test_a_sheet_tells_states_parts_receipts_and_deeds(desk):
    await desk.put(body="【衡江】" + "长" * 80, phone=PHONE)
    [message] = await desk.claim()
    await desk.record(submitted(message, "a", "b"))
    desk.clock.advance(timedelta(seconds=3))
    await desk.record(heard=[delivered("a"), failed("b", "MK:0001 MK")])
    [again] = (await desk.resend(message.id)).resent
    sheet = await text_sheet(desk.database, message.id)
    assert (sheet.state, sheet.is_final, sheet.phone, sheet.parts, sheet.units) == (
        "failed",
        True,
        "138****8000",
        2,
        84,
    )
    assert [(part.seq, part.sms_id, part.state, part.error) for part in sheet.sent] == [
        (1, "a", "delivered", ""),
        (2, "b", "failed", "MK:0001 MK"),
    ]
    assert [part.heard_at for part in sheet.sent] == [desk.clock.now()] * 2
    assert (sheet.resent_as, sheet.has_code, sheet.attempts) == (again.as_text, False, 1)
    assert [(deed.what, deed.actor) for deed in sheet.deeds] == [("text.resent", "system:operator")]
    assert PHONE not in repr(sheet)
    assert "长" not in repr(sheet)


async def test_number_and_words_are_shown_by_an_act_and_the_view_is_logged(desk):
    await desk.put(body="【衡江】测试", phone=PHONE)
    content = await desk.does(ViewText(text=1, by="root"))
    assert (content.phone, content.words) == (PHONE, "【衡江】测试")
    [(subject, tag, body)] = await desk.events()
    assert (subject, tag) == ("text:1", "text.viewed")
    assert PHONE not in body
    assert isinstance(await desk.does(ViewText(text=9)), NotFound)
    with pytest.raises(NotFound):
        await text_sheet(desk.database, 9)


@pytest.mark.parametrize(
    ("phone", "shown"), [(PHONE, "138****8000"), ("07348123456", "073****3456"), ("12345", "*****"), ("", "")]
)
def test_a_number_is_masked_in_its_middle(phone, shown):
    assert masked(phone) == shown
