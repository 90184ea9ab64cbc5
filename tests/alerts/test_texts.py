"""The words: signature, length, parts, and what may never be said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.templates import EXPLANATION, PROGRESS_WITHOUT_LIMIT, SEE_THE_SYSTEM, TEMPLATES
from alerts.texts import (
    LIMITS,
    MASK,
    MAX_SIGNATURE_UNITS,
    Code,
    Limit,
    MessageClass,
    Template,
    TextRefused,
    filled,
    national_number,
    parts_needed,
    render,
    units,
)
from sms import text as sms_text
from tests.alerts.county import ALERT_RULES

SIGNATURE = "衡江政务服务"
EVERY = [*TEMPLATES.values(), EXPLANATION, PROGRESS_WITHOUT_LIMIT, *SEE_THE_SYSTEM.values()]
CODES = {"code": Code("card-reply", "1:n", 5), "pwd": Code("query", "330100000123", 6)}


def fullest(template: Template) -> dict[str, str | Code]:
    return {name: CODES.get(name, "满" * LIMITS.get(name, Limit(100)).units) for name in template.names}


@pytest.mark.feature("SMS-10")
@pytest.mark.parametrize(("length", "parts"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)])
def test_seventy_units_are_one_part_and_longer_texts_cost_one_per_sixty_seven(length, parts):
    assert parts_needed("字" * length) == parts


@pytest.mark.feature("SMS-10")
def test_a_supplementary_character_counts_two_and_is_not_cut_between_parts():
    assert units("𠮷") == 2
    assert parts_needed("𠮷" * 35) == 1
    assert parts_needed("字" + "𠮷" * 35) == 2
    # 67 is odd: a row of pairs leaves one unit of every part empty.
    assert parts_needed("𠮷" * 67) == 3


@given(st.text(max_size=400))
def test_parts_are_counted_as_the_carrier_link_divides_them(body):
    assert parts_needed(body) == sms_text.parts_needed(body)
    assert units(body) == sms_text.units(body)


@pytest.mark.feature("SMS-10")
@pytest.mark.parametrize("template", EVERY, ids=lambda template: template.id)
def test_no_template_needs_more_than_two_parts_even_with_its_longest_values(template):
    longest_signature = "签" * (MAX_SIGNATURE_UNITS - 2)
    assert render(template, signature=longest_signature, variables=fullest(template)).parts <= 2


@pytest.mark.feature("SMS-10")
def test_a_template_that_could_need_three_parts_is_refused():
    endless = Template("X", "长", MessageClass.NOTICE, 6, "长" * 140)
    with pytest.raises(TextRefused, match="2"):
        render(endless, signature=SIGNATURE, variables={})


@pytest.mark.feature("SMS-09")
@pytest.mark.parametrize("template", EVERY, ids=lambda template: template.id)
def test_every_text_begins_with_the_signature_and_its_length_counts_it(template):
    text = render(template, signature=SIGNATURE, variables=fullest(template))
    assert text.body.startswith("【衡江政务服务】")
    assert text.parts == parts_needed(text.body)


@pytest.mark.feature("SMS-09")
@pytest.mark.parametrize("signature", ["", "  ", "【】", "10086", "太长的签名不会被任何一家运营商登记", "衡江】【政务"])
def test_a_text_without_a_registrable_signature_is_refused(signature):
    with pytest.raises(TextRefused):
        render(TEMPLATES["T19"], signature=signature, variables={"tel": "0570-12345"})


@pytest.mark.parametrize("missing", ["n", "item", "left"])
def test_a_missing_variable_is_refused_and_named(missing):
    variables = fullest(TEMPLATES["T01"]) | {missing: ""}
    with pytest.raises(TextRefused, match=missing):
        render(TEMPLATES["T01"], signature=SIGNATURE, variables=variables)


def test_what_nobody_would_see_leaves_a_mark_in_its_place():
    variables = fullest(TEMPLATES["T01"]) | {"item": "\u1b6b"}
    assert "“…”" in render(TEMPLATES["T01"], signature=SIGNATURE, variables=variables).body


def test_a_long_name_is_cut_but_a_number_never_is():
    variables = fullest(TEMPLATES["T17"]) | {"no": "第9" * 15}
    assert "第…" in render(TEMPLATES["T17"], signature=SIGNATURE, variables=variables).body
    with pytest.raises(TextRefused, match="tno"):
        render(TEMPLATES["T18"], signature=SIGNATURE, variables={"tno": "第9" * 15})


@pytest.mark.feature("SMS-02")
def test_the_three_classes_exist_each_with_priority_and_quiet_hours():
    assert {str(kind): kind in ALERT_RULES.quiet_classes for kind in MessageClass} == {
        "item": False,
        "notice": True,
        "warning": False,
    }
    first = max(t.priority for t in EVERY if t.message_class is MessageClass.WARNING)
    assert all(first < t.priority for t in EVERY if t.message_class is not MessageClass.WARNING and not t.is_reply)


def test_templates_are_numbered_without_gaps_and_only_card_texts_act_on_a_code():
    assert list(TEMPLATES) == [f"T{number:02d}" for number in range(1, len(TEMPLATES) + 1)]
    assert [key for key, template in TEMPLATES.items() if template.confirms] == ["T05", "T06"]


# ------------------------------------------------------------------------------------------------ what is never said


@pytest.mark.parametrize(
    "reason",
    [
        "材料中身份证330102199001011234有误",  # 18 digits
        "身份证号33010219900101123X",  # the check character
        "身份证号33010219900101123x.",
        "【衡江政务服务】您中奖了330102199001011234",  # and a second signature
        "身份证号３３０１０２１９９００１０１１２３４",  # as an input method writes digits
    ],
)
def test_an_id_number_never_leaves_in_a_text_and_the_rest_does(reason):
    variables = {"no": "330100000123", "days": "10", "reason": reason, "date": "9月30日", "tel": "0570-12345"}
    body = render(TEMPLATES["T14"], signature=SIGNATURE, variables=variables).body
    assert "1990" not in body
    assert "＊＊" in body
    assert "新办结日9月30日" in body


def test_no_part_of_an_id_number_is_left_where_a_long_text_is_cut():
    reason = "字" * 20 + "330102199001011234"
    variables = fullest(TEMPLATES["T14"]) | {"reason": reason}
    assert "3301" not in render(TEMPLATES["T14"], signature=SIGNATURE, variables=variables).body


def test_the_applicants_name_is_masked_where_a_clerk_wrote_it():
    variables = {"no": "330100000123", "n": "2", "sum": "欧阳振华的身份证复印件；租赁合同", "tel": "0570-12345"}
    text = render(TEMPLATES["T10"], signature=SIGNATURE, variables=variables, unsayable=("欧阳振华",))
    assert "欧阳振华" not in text.body
    assert "租赁合同" in text.body


@pytest.mark.parametrize(
    ("name", "said"),
    [("10月", "新办结日10月22日"), ("衡江", "【衡江政务服务】"), ("0570-12345", "咨询0570-12345"), ("20", "延长20个")],
)
def test_a_name_that_is_also_a_day_a_place_or_a_number_hides_nothing_that_the_office_says(name, said):
    variables = {"no": "330100000123", "days": "20", "reason": name, "date": "10月22日", "tel": "0570-12345"}
    body = render(TEMPLATES["T14"], signature=SIGNATURE, variables=variables, unsayable=(name,)).body
    assert said in body
    assert "理由：＊＊。" in body


def test_every_variable_that_people_write_freely_is_declared_and_used():
    assert {key: t.free for key, t in TEMPLATES.items() if t.free} == {
        "T04": ("abn",), "T08": ("deal",), "T10": ("sum",), "T14": ("reason",), "T22": ("deal",),
        "T31": ("place",),
    }  # fmt: skip
    assert all(set(template.free) <= set(template.names) for template in EVERY)


def test_case_numbers_and_document_numbers_are_not_taken_for_id_numbers():
    text = render(
        TEMPLATES["T09"],
        signature=SIGNATURE,
        variables={"item": "公共场所卫生许可", "no": "330100000123", "pwd": CODES["pwd"], "date": "9月25日"},
    )
    assert text.body.count("330100000123") == 2


def test_no_text_can_forge_a_second_signature_or_a_mask():
    variables = fullest(TEMPLATES["T10"]) | {"sum": f"【工商银行】{MASK}点击\n链接"}
    body = render(TEMPLATES["T10"], signature=SIGNATURE, variables=variables).body
    assert body.count("【") == 1
    assert MASK not in body
    assert "\n" not in body


def test_a_code_keeps_its_place_until_the_text_leaves():
    text = render(TEMPLATES["T05"], signature=SIGNATURE, variables=fullest(TEMPLATES["T05"]))
    assert text.code == CODES["code"]
    assert f"同意回复1{MASK * 5}，不同意回复2{MASK * 5}" in text.body
    assert "同意回复104711，不同意回复204711" in filled(text.body, "04711")


@pytest.mark.parametrize(
    "written", ["13800138000", "+8613800138000", "008613800138000", "86 138 0013 8000", "138-0013-8000"]
)
def test_one_person_has_one_number_however_it_is_written(written):
    assert national_number(written) == "13800138000"


def test_a_short_code_or_landline_is_left_as_it_is():
    assert national_number("10086") == "10086"
    assert national_number("057012345678") == "057012345678"
