"""The words of texts as an installation has them: what may be proposed, what is in force, what a text was made of."""

import re

import pytest

from alerts.dispatch import Notice, Recipient, notify
from alerts.events import TextTemplatesEntered
from alerts.outgoing import Channel, claim
from alerts.samples import SAMPLES, sample_of
from alerts.tables import TextTemplate
from alerts.templates import BY_ID, TEMPLATES
from alerts.texts import MAX_PARTS
from alerts.wording_checks import TextTemplateMalformed, checked, parts_at_most
from alerts.wordings import EnterTextTemplates, Wordings, in_force, versions
from casework.papers.tables import TemplateState
from kernel.actor import THE_OPERATOR
from kernel.tables import EventRow
from tests.alerts.county import ALERT_RULES, APPLICANT

ACCEPTED = TEMPLATES["T11"]
SHORTER = "您的申请{no}已受理，将于{date}前办结（承诺{days}个工作日）。查进度请回复CX{no}。"
WORDS = {"no": "202600000123", "days": "20", "date": "10月22日"}


async def approved(body: str, version: int, template=ACCEPTED, *, author="OFF-0035", **more) -> None:
    await TextTemplate.create(
        **{
            "template": template.id,
            "version": version,
            "body": body,
            "state": TemplateState.APPROVED,
            "author": author,
            "proposed_at": "2026-09-18T00:00:00+00:00",
            **more,
        }
    )


async def told(county, key: str) -> tuple[int, str]:
    """Version and body of the text that a notice became."""
    notice = Notice(key=key, template=ACCEPTED, to=Recipient(phone=APPLICANT), variables=WORDS)
    await notify(county.database, [notice], rules=ALERT_RULES, now=county.clock.now())
    [row] = await county.database.rows("SELECT template_version, body FROM message WHERE dedupe_key = $1", f"{key}:sms")
    return int(str(row["template_version"])), str(row["body"])


# ----------------------------------------------------------------------------------------------------- the register


async def test_the_programs_own_wordings_are_entered_once_and_each_has_its_version(county):
    first = await county.do(EnterTextTemplates(), THE_OPERATOR)
    assert first.count == len(BY_ID)
    assert (await county.do(EnterTextTemplates(), THE_OPERATOR)).count == 0
    assert {each.template.id: each.template for each in await versions(county.database)} == dict(BY_ID)
    assert all(each.is_in_force for each in await versions(county.database))
    [event] = await EventRow.filter(tag=TextTemplatesEntered.__struct_config__.tag)
    assert "T11_ACCEPTED/1" in event.body


@pytest.mark.feature("SMS-21")
async def test_a_new_wording_is_in_force_at_once_and_what_was_made_before_keeps_its_own(county):
    await county.do(EnterTextTemplates(), THE_OPERATOR)
    before = await told(county, "before")
    await approved(SHORTER, 2)
    after = await told(county, "after")
    assert [version for version, _ in (before, after)] == [1, 2]
    assert "承诺20个工作日办结（10月22日前" in before[1]
    assert "将于10月22日前办结（承诺20个工作日）" in after[1]
    assert await told(county, "before") == before


async def test_a_draft_and_a_rejected_wording_are_never_in_force(county):
    await county.do(EnterTextTemplates(), THE_OPERATOR)
    await approved(SHORTER, 2, state=TemplateState.DRAFT)
    await approved(SHORTER, 3, state=TemplateState.REJECTED)
    assert (await told(county, "1"))[0] == 1


async def test_a_later_program_brings_its_words_without_taking_an_approved_wording_away(county):
    await approved("旧程序的{no}{days}{date}。", 1, author="system")
    await approved(SHORTER, 2)
    assert (await county.do(EnterTextTemplates(), THE_OPERATOR)).count == len(BY_ID)
    assert await TextTemplate.filter(template=ACCEPTED.id).order_by("version").values_list(
        "version", "author", "body"
    ) == [(1, "system", "旧程序的{no}{days}{date}。"), (2, "OFF-0035", SHORTER), (3, "system", ACCEPTED.body)]
    assert (await told(county, "1"))[0] == 2


async def test_a_wording_without_the_values_of_todays_program_gives_way_to_the_programs_own(county):
    await county.do(EnterTextTemplates(), THE_OPERATOR)
    await approved("您的申请{no}已受理。", 2)
    assert (await told(county, "1"))[0] == 1
    [other, own] = await versions(county.database, ACCEPTED.id)
    assert (other.is_in_force, own.is_in_force) == (False, True)


async def test_without_a_register_the_programs_own_words_are_said(county):
    assert (await in_force(county.database, [ACCEPTED]))[ACCEPTED.id] == ACCEPTED
    assert await told(county, "1") == await told(county, "1")


async def test_the_words_of_a_message_are_found_by_its_template_and_version(county):
    await county.do(EnterTextTemplates(), THE_OPERATOR)
    await told(county, "1")
    await approved(SHORTER, 2, registrations='{"cloud": "5aa85e61"}')
    await told(county, "2")
    now = county.clock.now()
    claimed = await claim(county.database, now=now, limit=9, channel=Channel.SMS, carrier="cloud")
    known = Wordings()
    await known.learn(county.database, {(each.template, each.template_version) for each in claimed})
    assert [known.of(each.template, each.template_version).body for each in claimed] == [ACCEPTED.body, SHORTER]
    assert known.of(ACCEPTED.id, 2).registered == {"cloud": "5aa85e61"}
    await known.learn(county.database, {("O01_BY_HAND", 1)})
    assert known.of("O01_BY_HAND", 1).body == ""


# ------------------------------------------------------------------------------------------------------ what is checked


@pytest.mark.parametrize("template", BY_ID.values(), ids=BY_ID.keys())
def test_the_programs_own_wordings_pass_their_checks_and_have_a_sample(template):
    assert checked(template, template.body) == template
    assert parts_at_most(template) <= MAX_PARTS
    assert set(template.names) <= set(SAMPLES)
    assert "{" not in sample_of(template)


@pytest.mark.parametrize(
    ("key", "body", "why"),
    [
        ("T11", "您的申请{no}已受理。查进度回复CX{no}。", "缺少变量{date}、{days}"),
        ("T11", SHORTER + "咨询{tel}。", "没有变量{tel}"),
        ("T11", SHORTER.replace("{no}已", "{no.__class__}已"), "没有变量{no.__class__}"),
        ("T11", SHORTER.replace("{no}已", "{no!r}已"), "变量只能写作"),
        ("T11", SHORTER.replace("{no}已", "{no:>9999999}已"), "变量只能写作"),
        ("T11", SHORTER.replace("{no}已", "{{no}}已"), "变量只能写作"),
        ("T11", SHORTER.replace("{no}已", "{}已"), "没有变量"),
        ("T11", SHORTER.replace("{no}已", "{no已"), "花括号"),
        ("T11", SHORTER.replace("回复CX{no}", "回复{no}"), "缺少回复指令CX{no}"),
        ("T11", SHORTER + "详情请咨询服务窗口。" * 12, "超过2条"),
        ("T11", "【工商银行】" + SHORTER, "不能使用的字符"),
        ("T11", SHORTER + "\n", "首尾"),
        ("T11", "  ", "首尾"),
        ("T11", SHORTER + "联系13812345678。", "手机号码"),
        ("T11", SHORTER + "如430102199003074515。", "身份证"),
        ("T05", TEMPLATES["T05"].body.replace("回复1{code}，", "请签字，"), "缺少回复指令1{code}"),
        ("T15", TEMPLATES["T15"].body.replace("PJ5{code}", "PJ{code}"), "缺少回复指令PJ5{code}"),
        ("T21", "登录验证码{pwd}1，{exp}前有效。", "验证码后不能"),
        ("T21", "登录验证码{pwd}{exp}前有效。", "验证码后不能"),
    ],
)  # fmt: skip
def test_words_that_cannot_be_said_are_refused_with_the_reason(key, body, why):
    with pytest.raises(TextTemplateMalformed, match=re.escape(why)):
        checked(TEMPLATES[key], body)
