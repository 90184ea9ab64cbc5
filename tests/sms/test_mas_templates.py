"""Registered templates: what stands in a rendered text is read off, and goes to the MAS as templateId and values."""

import base64
import hashlib
import json
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from alerts.dispatch import Notice, Recipient, notify
from alerts.tables import TextTemplate
from alerts.templates import BY_ID, TEMPLATES
from alerts.texts import LIMITS, Code, Template, filled, render
from casework.papers.tables import TemplateState
from sms.carriers import Sent
from sms.mas import messages as mas
from sms.mas.templates import Templates, values_of
from sms.statuses import Fault
from tests.alerts.county import ALERT_RULES
from tests.sms.carrier_desk import put, running, until
from tests.sms.mas_desk import ACCOUNT, PHONE, SIGNATURE, cloud_mas, mas_carrier, push_door, running_carrier

ACCEPTED = (
    "您的申请已受理，受理号202600000001，承诺20个工作日办结（10月23日前，法定节假日除外）。查进度回复CX202600000001。"
)
MAPPED = Templates(ids={"T11_ACCEPTED": "5aa85e61", "T19_HELP": "9e11"})
REGISTERED = {"5aa85e61": TEMPLATES["T11"].body, "9e11": TEMPLATES["T19"].body}


def put_together(template: Template, values) -> str:
    """As the MAS does it: the values, in order, in the places."""
    given_values = iter(values)
    parts = Formatter().parse(template.body)
    return "".join(literal + (next(given_values) if name else "") for literal, name, _, _ in parts)


# ------------------------------------------------------------------------------------------------ what stands in a text


def test_the_values_are_those_of_the_places_repeated_ones_again():
    assert values_of(TEMPLATES["T11"].body, ACCEPTED) == ["202600000001", "20", "10月23日", "202600000001"]


@pytest.mark.parametrize(
    ("template", "content"),
    [
        ("T11_ACCEPTED", "您的申请已受理。"),
        # Two places with one name, and different words in them: rendered by nobody.
        ("T11_ACCEPTED", ACCEPTED.replace("CX202600000001", "CX202600000002")),
        ("T11_ACCEPTED", ACCEPTED + "\n"),
        ("T11_ACCEPTED", "【衡江】" + ACCEPTED),
        ("T12_REFUSED", ACCEPTED),
    ],
)
def test_of_another_text_there_are_no_values(template, content):
    assert values_of(BY_ID[template].body, content) is None


@given(st.sampled_from(sorted(BY_ID)), st.data())
def test_whatever_was_rendered_is_read_off_so_that_the_same_text_comes_of_it(template_id, data):
    template = BY_ID[template_id]
    words = st.text(
        st.characters(exclude_categories=["C"], exclude_characters="【】", max_codepoint=0xFFFF), min_size=1
    )
    variables = {name: data.draw(words, label=name)[: LIMITS[name].units] for name in template.names if name in LIMITS}
    variables |= {name: "已过期。" for name in template.names if name not in LIMITS}
    content = render(template, signature=SIGNATURE, variables=variables).body.removeprefix(f"【{SIGNATURE}】")
    values = values_of(template.body, content)
    assert values is not None
    assert put_together(template, values) == content


@pytest.mark.parametrize("template", BY_ID.values(), ids=BY_ID.keys())
def test_every_text_can_go_by_template_at_its_longest(template):
    variables = {name: "测" * (LIMITS[name].units if name in LIMITS else 60) for name in template.names}
    content = template.body.format_map(variables)
    values = values_of(template.body, content)
    assert values is not None
    assert put_together(template, values) == content


def test_a_code_is_a_value_like_any_other():
    text = render(
        TEMPLATES["T21"], signature=SIGNATURE, variables={"pwd": Code("login", "1", 6), "exp": "11月22日12:30"}
    )
    assert values_of(TEMPLATES["T21"].body, filled(text.body, "123456").removeprefix(f"【{SIGNATURE}】")) == [
        "123456",
        "11月22日12:30",
    ]


# ------------------------------------------------------------------------------------------------------ how it is sent


def test_a_template_is_sent_as_the_interface_says():
    body = mas.template_submission(ACCOUNT, PHONE, "5aa85e61", ["甲", '"乙"'], "")
    said = json.loads(base64.b64decode(body, validate=True))
    assert (
        said.pop("mac")
        == hashlib.md5(
            f'{ACCOUNT.ec_name}hjzw{ACCOUNT.secret_key}5aa85e61{PHONE}["甲","\\"乙\\""]{ACCOUNT.sign}'.encode()
        ).hexdigest()
    )
    assert said == {
        "ecName": ACCOUNT.ec_name,
        "apId": "hjzw",
        "templateId": "5aa85e61",
        "mobiles": PHONE,
        "params": '["甲","\\"乙\\""]',
        "sign": ACCOUNT.sign,
        "addSerial": "",
    }


def test_a_template_without_places_is_sent_one_empty_value():
    said = json.loads(base64.b64decode(mas.template_submission(ACCOUNT, PHONE, "9e11", [])))
    assert said["params"] == '[""]'


async def test_a_mapped_text_goes_as_its_template_and_reads_the_same(clock):
    async with (
        cloud_mas(clock, templates=REGISTERED, only_templates=True) as cloud,
        running_carrier(mas_carrier(cloud, templates=MAPPED)) as line,
    ):
        [sent] = await line.send(f"【{SIGNATURE}】{ACCEPTED}", template="T11_ACCEPTED", extension="7")
        assert sent.fault is None
        [arrived] = cloud.handset(PHONE).inbox
        assert (arrived.sender, arrived.text) == ("106900007", f"【{SIGNATURE}】{ACCEPTED}")
        assert ACCOUNT.secret_key.encode() not in base64.b64decode(cloud.bodies[0])


async def test_other_texts_go_as_they_are_where_that_is_allowed(clock):
    async with (
        cloud_mas(clock, templates=REGISTERED) as cloud,
        running_carrier(mas_carrier(cloud, templates=MAPPED)) as line,
    ):
        texts = [("T12_REFUSED", "您的申请决定不予受理。"), ("T11_ACCEPTED", "您的申请受理了。"), ("", "通知。")]
        for template, content in texts:
            [sent] = await line.send(f"【{SIGNATURE}】{content}", template=template)
            assert sent.fault is None
        assert len(cloud.handset(PHONE).inbox) == 3
        assert all(b"templateId" not in base64.b64decode(body) for body in cloud.bodies)


@pytest.mark.parametrize(
    ("template", "content", "error"),
    [
        ("T12_REFUSED", "您的申请决定不予受理。", "template T12_REFUSED not mapped"),
        ("T11_ACCEPTED", "您的申请受理了。", "template T11_ACCEPTED worded otherwise"),
        ("", "通知。", "template - not mapped"),
    ],
)
async def test_where_only_templates_may_be_sent_others_are_refused_by_name_and_never_leave(
    clock, template, content, error
):
    only = Templates(ids=MAPPED.ids, only=True)
    async with cloud_mas(clock) as cloud, running_carrier(mas_carrier(cloud, templates=only)) as line:
        assert await line.send(f"【{SIGNATURE}】{content}", template=template) == [Sent((), Fault.TECHNICAL, error)]
        assert cloud.counts["submitted"] == 0
        assert line.carrier.condition().refusals == {"no template": 1}


@pytest.mark.parametrize(
    "registered", [{}, {"5aa85e61": "您的申请已受理，受理号{1}。"}], ids=["unknown", "other places"]
)
async def test_a_template_the_mas_does_not_know_so_is_technical_and_the_account_goes_on(clock, registered):
    async with (
        cloud_mas(clock, templates=registered) as cloud,
        running_carrier(mas_carrier(cloud, templates=MAPPED)) as line,
    ):
        [sent] = await line.send(f"【{SIGNATURE}】{ACCEPTED}", template="T11_ACCEPTED")
        assert sent == Sent((), Fault.TECHNICAL, "IllegalUseTemplate")
        assert line.carrier.is_up
        assert (await line.send("【衡江政务服务】通知。"))[0].fault is None


async def test_a_text_of_the_queue_goes_by_the_template_it_was_made_of(database, clock):
    async with cloud_mas(clock, templates=REGISTERED, only_templates=True) as cloud:
        carrier = mas_carrier(cloud, templates=MAPPED)
        async with push_door(carrier) as cloud.push_to, running(database, clock, carrier):
            await put(database, clock, f"【{SIGNATURE}】{ACCEPTED}", template="T11")
            await until(database, delivered=1)
            assert (await cloud.handset(PHONE).next_text()).text == f"【{SIGNATURE}】{ACCEPTED}"


async def test_a_text_goes_by_the_number_of_the_wording_it_was_made_of_whatever_is_in_force_now(database, clock):
    shorter = "您的申请{no}已受理，将于{date}前办结（承诺{days}个工作日）。查进度请回复CX{no}。"
    words = {"no": "202600000001", "days": "20", "date": "10月23日"}
    registered = {**REGISTERED, "7c22": shorter}
    notice = Notice(key="1", template=TEMPLATES["T11"], to=Recipient(phone=PHONE), variables=words)
    async with cloud_mas(clock, templates=registered, only_templates=True) as cloud:
        carrier = mas_carrier(cloud, templates=Templates(ids=MAPPED.ids, only=True))
        approved = {
            "template": "T11_ACCEPTED",
            "state": TemplateState.APPROVED,
            "author": "OFF-0035",
            "proposed_at": clock.now(),
        }
        await notify(database, [notice], rules=ALERT_RULES, now=clock.now())
        numbered = f'{{"{carrier.name}": "7c22"}}'
        await TextTemplate.create(**approved, version=2, body=shorter, registrations=numbered)
        await notify(database, [replace(notice, key="2")], rules=ALERT_RULES, now=clock.now())
        # Not registered anywhere yet: where only templates may be sent it does not leave.
        await TextTemplate.create(**approved, version=3, body=shorter.replace("请回复", "回复"))
        await notify(database, [replace(notice, key="3")], rules=ALERT_RULES, now=clock.now())
        async with push_door(carrier) as cloud.push_to, running(database, clock, carrier):
            await until(database, delivered=2, queued=1)
            arrived = {text.text for text in cloud.handset(PHONE).inbox}
    assert arrived == {f"【{SIGNATURE}】{wording.format_map(words)}" for wording in (TEMPLATES["T11"].body, shorter)}
    [row] = await database.rows("SELECT state, error FROM message WHERE template_version = 3")
    assert row == {"state": "queued", "error": "template T11_ACCEPTED worded otherwise"}
