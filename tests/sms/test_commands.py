"""The grammar of texts to the office: what people type, and what they type wrong."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sms.commands import Agree, Disagree, OptOut, Query, Rate, Unreadable, name_of, parse


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("112345", Agree("12345")),
        ("212345", Disagree("12345")),
        ("1 12345", Agree("12345")),  # a space between action and code
        ("１１２３４５", Agree("12345")),  # full width
        (" 1　12345\r\n", Agree("12345")),  # ideographic space, line end
        ("“112345”。", Agree("12345")),  # copied with its quotation marks
        ("\ufeff1\u200b12345", Agree("12345")),  # invisible characters of input methods
        ("100000", Agree("00000")),
        ("CX202600000001", Query("202600000001")),
        ("cx 2026 0000 0001", Query("202600000001")),
        ("ＣＸ２０２６００００００01＃123456", Query("202600000001", "123456")),
        ("CX202600000001#123456", Query("202600000001", "123456")),
        ("CX：202600000001", Query("202600000001")),
        ("CXcase-10011", Query("CASE-10011")),  # a number of a department's own system
        ("PJ512345", Rate(5, "12345")),
        ("pj 1 12345", Rate(1, "12345")),
        ("T", OptOut()),
        ("td", OptOut()),
        ("退订", Unreadable()),
        ("", Unreadable()),
        ("   ", Unreadable()),
        ("12345", Unreadable()),  # the code without the action
        ("1123456", Unreadable()),
        ("312345", Unreadable()),
        ("1 12345 同意", Unreadable()),  # a remark is not a command: nothing is guessed
        ("112345 212345", Unreadable()),  # both answers
        ("CX", Unreadable()),
        ("CX#123456", Unreadable()),
        ("CX202600000001#", Unreadable()),
        ("PJ612345", Unreadable()),
        ("PJ012345", Unreadable()),
        ("١١٢٣٤٥", Unreadable()),  # digits, but nobody's here
        ("1" * 5000, Unreadable()),
        ("CX" + "9" * 60, Unreadable()),
    ],
)
def test_what_a_text_asks_for(text, command):
    assert parse(text) == command


@given(st.text(max_size=300))
@example("\x00")
@example("\ud800")
@example("ﷺ" * 60)  # one character becomes eighteen
def test_anything_can_be_texted_and_nothing_breaks(text):
    assert name_of(parse(text)) in {"1", "2", "CX", "PJ", "T", "?"}


@given(st.text(max_size=30))
def test_only_five_digits_behind_a_one_or_two_ever_act(text):
    command = parse(text)
    if isinstance(command, Agree | Disagree):
        assert len(command.code) == 5
        assert command.code.isascii()
        assert command.code.isdigit()


@given(st.integers(0, 99999), st.sampled_from("12"), st.sampled_from(["", " ", "  ", "\t", "　"]))
def test_every_code_is_read_back_whatever_blank_stands_before_it(code, action, blank):
    command = parse(f"{action}{blank}{code:05d}")
    assert command == (Agree if action == "1" else Disagree)(f"{code:05d}")
