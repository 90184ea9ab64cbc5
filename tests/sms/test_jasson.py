from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.states import State
from sms.carriers import MobileText
from sms.mas.jasson import Jasson
from sms.receipts import same_message_ids
from sms.statuses import Fault
from sms.text import decode

JASSON = Jasson("zw1", access_number="10690000")
ANYTHING = st.one_of(st.none(), st.integers(), st.text(max_size=60))
HEXADECIMAL = st.one_of(st.none(), st.binary(max_size=60).map(bytes.hex))


def text(words="【衡江政务服务】您好", **changes) -> MobileText:
    return MobileText(
        **{
            "phone": "13800138000",
            "words": words,
            "reference": 42,
            "expires_at": datetime(2026, 9, 19, tzinfo=UTC),
            **changes,
        }
    )


def test_a_text_is_a_row_whose_words_are_gbk_in_latin1():
    statement = JASSON.place([JASSON.placement(text(extension="12345"))])
    assert statement.sql == (
        "INSERT INTO api_mt_zw1 (SM_ID, SRC_ID, MOBILES, CONTENT, IS_WAP, URL, SEND_TIME, MSG_FMT, TP_PID, TP_UDHI,"
        " FEE_TERMINAL_ID, FEE_TYPE, FEE_CODE, FEE_USER_TYPE, SM_TYPE)"
        " VALUES (?, ?, ?, CONVERT(UNHEX(?) USING latin1), 0, '', NULL, 0, 0, 0, '', '', '', 0, 0)"
    )
    assert statement.values == (43, 12345, "13800138000", "【衡江政务服务】您好".encode("gbk").hex())


@pytest.mark.parametrize(
    ("reference", "sm_id"),
    [
        (1, "2"),
        (99_999_998, "99999999"),
        (99_999_999, "1"),  # never 0, which asks for no receipt
        (10**15, "10000001"),
    ],
)
def test_an_id_has_eight_digits_and_comes_again_after_a_hundred_million_messages(reference, sm_id):
    assert JASSON.placement(text(reference=reference)).id == sm_id


def test_an_id_is_not_taken_for_another_one_in_hexadecimal():
    assert same_message_ids(JASSON.part_id("16")) == ("s16",)


@pytest.mark.parametrize(
    ("of_the_account", "of_the_text", "src_id"),
    [
        ("", "", 0),
        ("", "12345", 12345),
        ("7", "0012", 70012),
        ("", "0012", 0),  # a number would lose the zeros, and name another text
        ("7", "12345678", 7),  # nine digits
        ("12345678", "", 12345678),
    ],
)
def test_the_extension_is_left_out_where_src_id_cannot_hold_it(of_the_account, of_the_text, src_id):
    jasson = Jasson("zw1", access_number="10690000", extension=of_the_account)
    assert jasson.place([jasson.placement(text(extension=of_the_text))]).values[1] == src_id


@pytest.mark.parametrize(
    ("rows", "ailment"),
    [
        ([("1", "1")], ""),
        ([("0", "1")], ""),  # being tried out
        ([("2", "1")], "the interface is suspended"),
        ([("1", "0")], "the machine has lost the gateway"),
        ([], "no interface zw1"),
    ],
)
def test_the_machine_says_how_it_is(rows, ailment):
    assert JASSON.ailment(rows) == ailment


@pytest.mark.parametrize(
    ("code", "description", "state", "fault", "error"),
    [
        ("0", "成功", State.DELIVERED, None, ""),
        ("0", "UNDELIV", State.DELIVERED, None, ""),  # the number counts
        ("1", "MK:0001", State.FAILED, Fault.PERMANENT, "MK:0001 MK"),
        ("1", "MI:0099", State.FAILED, Fault.TEMPORARY, "MI:0099 MI"),
        ("1", "EXPIRED", State.EXPIRED, Fault.TEMPORARY, "EXPIRED EXPIRED"),
        ("5", "停机", State.FAILED, Fault.PERMANENT, "停机 UNDELIV"),
        ("5", "", State.FAILED, Fault.PERMANENT, "RPT_CODE 5 UNDELIV"),
        ("5", "DELIVRD", State.FAILED, Fault.PERMANENT, "DELIVRD UNDELIV"),
        (None, None, State.FAILED, Fault.PERMANENT, "RPT_CODE - UNDELIV"),
    ],
)
def test_a_row_of_api_rpt_is_a_receipt(code, description, state, fault, error):
    octets = None if description is None else description.encode("gbk").hex()
    report = JASSON.report((9, "43", "13800138000", code, octets))
    assert report
    assert (report.heard.sms_id, report.heard.phone) == ("s43", "13800138000")
    assert (report.heard.state, report.heard.error, report.fault) == (state, error, fault)


@pytest.mark.parametrize("sm_id", ["0", "", None, "x"])
def test_a_receipt_of_no_text_is_none(sm_id):
    assert JASSON.report((9, sm_id, "13800138000", "0", None)) is None


@pytest.mark.parametrize(("src_id", "receiver"), [("12345", "1069000012345"), ("0", "10690000"), (None, "10690000")])
def test_a_text_from_a_person_says_which_number_it_answers(src_id, receiver):
    octets = "同意".encode("gbk").hex()
    saying = JASSON.saying((9, src_id, "13800138000", "2026-09-18 09:00:00", "15", octets))
    assert (saying.part.source, saying.part.destination) == ("13800138000", receiver)
    assert decode(saying.part.octets, saying.part.data_coding) == "同意"


def test_a_code_is_no_place_for_a_statement():
    with pytest.raises(ValueError, match="letters"):
        Jasson("zw1; DROP TABLE x", access_number="1")


@given(st.tuples(st.integers(), ANYTHING, ANYTHING, ANYTHING, HEXADECIMAL))
def test_no_row_of_api_rpt_is_too_odd(row):
    report = JASSON.report(row)
    if report is not None:
        assert len(report.heard.sms_id) <= 64
        assert len(report.heard.phone) <= 20
        assert report.heard.error.isprintable()


@given(st.tuples(st.integers(), ANYTHING, ANYTHING, ANYTHING, ANYTHING, HEXADECIMAL))
def test_no_row_of_api_mo_is_too_odd(row):
    part = JASSON.saying(row).part
    assert len(part.source) <= 20
    assert isinstance(decode(part.octets, part.data_coding), str)
