"""The grammar of texts to the office: what people type, what they type wrong, and what is never guessed."""

import re
import unicodedata
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sms.commands import (
    DECISIONS,
    HELPS,
    OPT_OUTS,
    QUERIES,
    SCORES,
    Acknowledge,
    Agree,
    Decision,
    Disagree,
    Help,
    OptOut,
    Query,
    Rate,
    Unreadable,
    is_slip,
    name_of,
    parse,
)

CODE = "12345"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("112345", Agree(CODE)),
        ("212345", Disagree(CODE)),
        ("1 12345", Agree(CODE)),  # a space between action and code
        ("１１２３４５", Agree(CODE)),  # full width
        (" 1　12345\r\n", Agree(CODE)),  # ideographic space, line end
        ("“112345”。", Agree(CODE)),  # copied with its quotation marks
        ("\ufeff1\u200b12345", Agree(CODE)),  # invisible characters of input methods
        ("1\ufe0f12345", Agree(CODE)),  # a variation selector
        ("①12345", Agree(CODE)),
        ("1+12345", Agree(CODE)),  # as somebody explained it: "1 plus the code"
        ("1、12345", Agree(CODE)),
        ("回复112345", Agree(CODE)),
        ("100000", Agree("00000")),
        ("同意12345", Agree(CODE)),
        ("同意 １２３４５", Agree(CODE)),
        ("同意：12345", Agree(CODE)),
        ("同意，回复码12345", Agree(CODE)),
        ("12345同意", Agree(CODE)),
        ("同意112345", Agree(CODE)),  # the whole of what our text says: 同意回复1…
        ("同意回复1 12345", Agree(CODE)),
        ("确认12345", Agree(CODE)),
        ("確認12345", Agree(CODE)),
        ("我同意12345！", Agree(CODE)),
        ("同意一二三四五", Agree(CODE)),
        ("一一二三四五", Agree(CODE)),
        ("同意〇零〇零〇", Agree("00000")),
        ("1", Agree()),  # about what, only the number it was sent to can say
        ("同意", Agree()),
        ("同意1", Agree()),
        ("不同意12345", Disagree(CODE)),
        ("不 同 意 12345", Disagree(CODE)),
        ("\uf967同意12345", Disagree(CODE)),  # 不 as a compatibility character
        ("12345不同意", Disagree(CODE)),
        ("不同意回复212345", Disagree(CODE)),
        ("反对12345", Disagree(CODE)),
        ("2", Disagree()),
        ("签收12345", Acknowledge(CODE)),
        ("簽收12345", Acknowledge(CODE)),
        ("收到112345", Acknowledge(CODE)),
        ("已签收 12345。", Acknowledge(CODE)),
        ("签收", Acknowledge()),
        ("CX202600000001", Query("202600000001")),
        ("cx 2026 0000 0001", Query("202600000001")),
        ("ＣＸ２０２６００００００01＃123456", Query("202600000001", "123456")),
        ("CX202600000001#123456", Query("202600000001", "123456")),
        ("CX：202600000001", Query("202600000001")),
        ("CXcase-10011", Query("CASE-10011")),  # a number of a department's own system
        ("CX202600000001？", Query("202600000001")),  # a query may ask
        ("查询202600000001", Query("202600000001")),
        ("查詢 202600000001", Query("202600000001")),
        ("进度202600000001", Query("202600000001")),
        ("進度202600000001#123456", Query("202600000001", "123456")),
        ("查询进度 202600000001 密码123456", Query("202600000001", "123456")),
        ("查询受理号202600000001", Query("202600000001")),
        ("查询TS2026000001", Query("TS2026000001")),
        ("202600000001", Query("202600000001")),
        ("查询二〇二六〇〇〇〇〇〇〇一", Query("202600000001")),
        ("PJ512345", Rate(5, CODE)),
        ("pj 1 12345", Rate(1, CODE)),
        ("评价5 12345", Rate(5, CODE)),
        ("評價5分 12345", Rate(5, CODE)),
        ("3星12345", Rate(3, CODE)),
        ("非常满意12345", Rate(5, CODE)),
        ("滿意 12345", Rate(4, CODE)),
        ("一般12345", Rate(3, CODE)),
        ("不满意12345", Rate(2, CODE)),
        ("评价：很不满意 12345", Rate(1, CODE)),
        ("PJ5", Rate(5)),
        ("满意", Rate(4)),
        ("一般", Rate(3)),  # the one is no digit here
        ("T", OptOut()),
        ("td", OptOut()),
        ("退订", OptOut()),
        ("退訂", OptOut()),
        ("帮助", Help()),
        ("幫助", Help()),
        ("help", Help()),
        ("?", Help()),
        ("？？", Help()),
        ("", Unreadable()),
        ("   ", Unreadable()),
        ("12345", Unreadable()),  # the code without the action
        ("1123456", Unreadable()),
        ("同意1234", Unreadable()),
        ("同意123456", Agree("23456")),  # read as our text says it: 1 and the code
        ("同意323456", Unreadable()),
        ("同意312345", Unreadable()),
        ("312345", Unreadable()),
        ("1 12345 同意", Unreadable()),  # a remark is not a command: nothing is guessed
        ("112345 212345", Unreadable()),  # both answers
        ("同意12345 67890", Unreadable()),  # two codes
        ("同意212345", Unreadable()),  # says yes and types no
        ("不同意112345", Unreadable()),
        ("同意回复212345", Unreadable()),
        ("同意同意12345", Unreadable()),
        ("同意不同意12345", Unreadable()),
        ("同意12345？", Unreadable()),  # asks something back
        ("？同意12345", Unreadable()),
        ("是否同意12345", Unreadable()),
        ("未签收12345", Unreadable()),
        ("不签收12345", Unreadable()),
        ("没收到12345", Unreadable()),
        ("\u202e54321同意", Unreadable()),  # shown from the right to the left
        ("同意\u033612345", Unreadable()),  # struck through
        ("同意十二三四五", Unreadable()),  # a number, not digits
        ("同意1二345", Unreadable()),  # digits of two scripts
        ("一", Unreadable()),  # a dash, or a one
        ("5", Unreadable()),
        ("512345", Unreadable()),
        ("CX", Unreadable()),
        ("CX#123456", Unreadable()),
        ("CX202600000001#", Unreadable()),
        ("PJ612345", Unreadable()),
        ("PJ012345", Unreadable()),
        ("PJ5 1234", Unreadable()),
        ("不不满意12345", Unreadable()),
        ("١١٢٣٤٥", Unreadable()),  # digits, but nobody's here
        ("1" * 5000, Unreadable()),
        ("CX" + "9" * 60, Unreadable()),
        ("…112345 " * 40, Unreadable()),
    ],
)
def test_what_a_text_asks_for(text, command):
    assert parse(text) == command


@given(st.text(max_size=300))
@example("\x00")
@example("\ud800")
@example("ﷺ" * 60)  # one character becomes eighteen
@example("同意" * 100)
@example("-" * 200)
def test_anything_can_be_texted_and_nothing_breaks(text):
    assert name_of(parse(text)) in {"1", "2", "QS", "CX", "PJ", "T", "H", "?"}


WORDS = [*chain.from_iterable(words for _, words in DECISIONS.values()), *SCORES, *QUERIES, *OPT_OUTS, *HELPS]


def test_no_word_stands_for_two_things():
    assert len(WORDS) == len(set(WORDS))


@given(st.text(alphabet=[*"12345一二三四五同意不签收到确认满非常评价PJCX退订", "\u200b", " ", "?"], max_size=14))
@settings(max_examples=500)
def test_only_a_word_of_the_table_alone_or_with_five_digits_ever_acts(text):
    command = parse(text)
    if not isinstance(command, Decision | Rate):
        return
    assert command.code == "" or (len(command.code) == 5 and command.code.isascii() and command.code.isdigit())
    plain = "".join(each for each in text if each not in "\u200b ")
    if isinstance(command, Agree | Acknowledge):
        assert not set("不反否?") & set(plain)
    if isinstance(command, Disagree):
        assert "不" in plain or "反对" in plain or plain[0] in "2二"


#: Whoever types one of these beside a decision has not made it.
NEGATIONS = [
    *"不没未非勿别弗莫毋無无否休甭拒駁反",
    "没有",
    "并不",
    "还没",
    "暂不",
    "不能",
    "不予",
    "不是",
    "难以",
    "是否",
    "可否",
]


@pytest.mark.parametrize("code", ["", CODE])
@pytest.mark.parametrize("negation", NEGATIONS)
def test_a_negation_anywhere_never_reads_as_consent(negation, code):
    for word in (*DECISIONS[Agree][1], *DECISIONS[Acknowledge][1], "1"):
        whole = f"{word}{code}"
        for place in range(len(whole) + 1):
            for blank in ("", " ", "\u200b", "　"):
                text = whole[:place] + negation + blank + whole[place:]
                assert not isinstance(parse(text), Agree | Acknowledge), text


@given(st.sampled_from(["不同意", "不满意", "很不满意"]), st.data())
def test_what_looks_like_a_no_is_never_a_yes(word, data):
    """Compatibility forms, invisible characters, blanks between the characters: it stays what it is."""
    alike = {"不": "不\uf967", "同": "同", "意": "意", "满": "满滿", "很": "很"}
    between = st.sampled_from(["", " ", "　", "\u200b", "\u00ad", "\ufe0f", "\t"])
    typed = "".join(
        data.draw(st.sampled_from(alike[each])) + data.draw(between) if each in alike else each for each in word
    )
    command = parse(typed + data.draw(st.sampled_from(["", CODE, "１２３４５", " 12345。"])))
    assert isinstance(command, Disagree) or (isinstance(command, Rate) and command.score <= 2)


@given(st.sampled_from(WORDS), st.sampled_from(WORDS), st.sampled_from(["", CODE]))
def test_two_words_are_no_decision(first, second, code):
    """But for words that contain each other, such as 确认 and 签收."""
    command = parse(f"{first}{second}{code}")
    if f"{first}{second}" not in WORDS and isinstance(command, Decision):
        raise AssertionError((first, second, command))


@given(st.integers(0, 99999), st.integers(0, 99999), st.sampled_from(["1", "2", "同意", "签收", "PJ5", "满意"]))
def test_two_codes_are_no_decision(first, second, verb):
    for text in (
        f"{verb}{first:05d}{second:05d}",
        f"{verb}{first:05d} {verb}{second:05d}",
        f"{verb}{first:05d}/{second:05d}",
    ):
        assert not isinstance(parse(text), Decision | Rate), text


@given(
    st.integers(0, 99999),
    st.sampled_from([("1", Agree), ("2", Disagree), ("同意", Agree), ("不同意", Disagree), ("签收", Acknowledge)]),
    st.sampled_from(["", " ", "  ", "\t", "　", ":", "，", "+", "回复码", "码："]),
    st.booleans(),
)
def test_every_code_is_read_back_whatever_stands_before_it(code, verb, gap, is_wide):
    digits = f"{code:05d}"
    shown = "".join(chr(ord(each) + 0xFEE0) for each in digits) if is_wide else digits
    assert parse(f"{verb[0]}{gap}{shown}") == verb[1](digits)


@given(
    st.text(st.characters(categories=["Cf", "Zs"]), max_size=3), st.sampled_from(["112345", "同意12345", "PJ512345"])
)
def test_what_nobody_sees_changes_nothing_or_makes_it_unreadable(hidden, text):
    seen = parse(text)
    for place in range(len(text) + 1):
        assert parse(text[:place] + hidden + text[place:]) in (seen, Unreadable())


@given(st.text(min_size=1, max_size=1))
@settings(max_examples=1000)
def test_one_more_character_changes_no_yes_into_a_no_nor_back(character):
    for place in range(3):
        command = parse("同意12345"[:place] + character + "同意12345"[place:])
        visible = unicodedata.normalize("NFKC", character).strip()
        assert not isinstance(command, Disagree) or visible == "不"
        assert not isinstance(parse("不同意12345"[:place] + character + "不同意12345"[place:]), Agree)


@pytest.mark.parametrize(
    ("typed", "is_one"),
    [
        ("12346", True),
        ("21345", True),
        ("12354", True),
        ("12345", False),
        ("12366", False),
        ("54321", False),
        ("1234", False),
    ],
)
def test_a_slip_is_one_digit_or_two_neighbours(typed, is_one):
    assert is_slip(typed, CODE) is is_one


def documented() -> list[tuple[str, type]]:
    """Every word of the clerks' table in docs/operations.md, with what it stands for."""
    kinds = {
        "同意发牌": Agree,
        "不同意发牌": Disagree,
        "签收牌": Acknowledge,
        "评价": Rate,
        "查进度": Query,
        "退订": OptOut,
    }
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    found = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in kinds and len(cells) == 4:
            words = re.findall(r"[\w\u4e00-\u9fff]+", cells[1] + " " + cells[2].split(" +")[0].split("，")[0])
            found += [(word, kinds[cells[0]]) for word in words]
    # What stands for a code or number, and scores, are no words.
    no_words = {"回复码", "评价码", "受理号", "PJ", "至"}
    return [
        (word, kind)
        for word, kind in found
        if word not in no_words and not (kind in (Rate, Acknowledge) and word.isdigit())
    ]


def test_what_clerks_read_to_people_is_what_the_grammar_reads():
    table = documented()
    assert {kind for _, kind in table} == {Agree, Disagree, Acknowledge, Rate, Query, OptOut}
    for word, kind in table:
        tail = "202600000001" if kind is Query else "" if kind is OptOut else CODE
        assert isinstance(parse(f"{word}{tail}"), kind), word
