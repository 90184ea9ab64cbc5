from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.states import State
from sms.carriers import MobileText
from sms.mas.emas import Emas
from sms.mas.interface import CHARSETS
from sms.statuses import Fault, is_the_carriers
from sms.text import decode

EMAS = Emas("APP056", access_number="10690000")
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


def placed(*texts: MobileText, emas: Emas = EMAS):
    return emas.place([emas.placement(each) for each in texts])


def test_a_text_is_a_row_that_asks_for_a_receipt():
    statement = placed(text())
    assert statement.sql == (
        "INSERT INTO sms_outbox (SISMSID, EXTCODE, DESTADDR, MESSAGECONTENT, REQDELIVERYREPORT, MSGFMT, SENDMETHOD,"
        " REQUESTTIME, APPLICATIONID) VALUES (?, ?, ?, CONVERT(UNHEX(?) USING utf8mb4), 1, ?, ?, NOW(), ?)"
    )
    id_, *rest = statement.values
    assert rest == ["", "13800138000", "【衡江政务服务】您好".encode().hex(), 15, 0, "APP056"]
    assert len(str(id_)) == 32


def test_several_texts_are_one_statement():
    statement = placed(text(), text(reference=43), text(reference=44))
    assert statement.sql.count("CONVERT") == 3
    assert len(statement.values) == statement.sql.count("?") == 21


@pytest.mark.parametrize(
    ("words", "format_"),
    [
        ("收到请回复1", 15),
        ("张䶮", 8),  # a character that GB2312 lacks
        ("𠮷野家", 8),
    ],
)
def test_old_phones_get_gb2312_where_it_has_all_characters(words, format_):
    assert placed(text(words)).values[4] == format_


@pytest.mark.parametrize(("length", "method"), [(70, 0), (71, 2)])
def test_a_long_text_is_to_be_divided_by_the_machine(length, method):
    assert placed(text("长" * length)).values[5] == method


def test_the_same_text_is_the_same_row_and_any_other_is_another():
    first = EMAS.placement(text()).id
    assert EMAS.placement(text(phone="+8613800138000")).id == first
    others = [text(reference=43), text("【衡江政务服务】再见"), text(phone="13900139000")]
    ids = {EMAS.placement(each).id for each in others} | {Emas("B", access_number="1").placement(text()).id}
    assert len(ids | {first}) == 5


def test_an_extension_stands_behind_that_of_the_application():
    emas = Emas("APP056", access_number="10690000", extension="01")
    assert placed(text(extension="0077"), emas=emas).values[1] == "010077"


def test_what_the_table_cannot_hold_is_said():
    assert not EMAS.unfit(EMAS.placement(text("长" * 2000)))
    assert EMAS.unfit(EMAS.placement(text("长" * 2001))) == "longer than 2000 characters"


@pytest.mark.parametrize(
    ("result", "status", "state", "fault", "error"),
    [
        ("0", "delivered", State.DELIVERED, None, ""),
        ("0", "DELIVRD", State.DELIVERED, None, ""),
        (None, "DeliveredToTerminal", State.DELIVERED, None, ""),
        ("0", "expired", State.EXPIRED, Fault.TEMPORARY, "EXPIRED"),
        ("0", "deleted", State.FAILED, Fault.PERMANENT, "DELETED"),
        ("0", "undeliv", State.FAILED, Fault.PERMANENT, "UNDELIV"),
        ("0", "DeliveryImpossible", State.FAILED, Fault.PERMANENT, "UNDELIV"),
        ("0", "rejected", State.FAILED, Fault.PERMANENT, "REJECTD"),
        ("0", "MK:0001", State.FAILED, Fault.PERMANENT, "MK:0001 MK"),
        ("0", "MI:0099", State.FAILED, Fault.TEMPORARY, "MI:0099 MI"),
        # The gateway refused it: what the status says is not asked.
        ("1", "", State.FAILED, Fault.TECHNICAL, "SENTRESULT 1 消息结构错 technical"),
        ("6", None, State.FAILED, Fault.PERMANENT, "SENTRESULT 6 超过最大信息长 permanent"),
        ("8", "accepted", State.FAILED, Fault.THROTTLED, "SENTRESULT 8 流量控制错 throttled"),
        ("9", "", State.FAILED, Fault.TEMPORARY, "SENTRESULT 9 其他错误 temporary"),
        ("77", "", State.FAILED, Fault.TECHNICAL, "SENTRESULT 77 未知代码 technical"),
    ],
)
def test_a_row_of_sms_sent_is_a_receipt(result, status, state, fault, error):
    report = EMAS.report(("m1", "0ABC", "13800138000", result, status))
    assert report
    assert (report.heard.sms_id, report.heard.phone) == ("abc", "13800138000")
    assert (report.heard.state, report.heard.error, report.fault) == (state, error, fault)


def test_what_the_gateway_refuses_for_us_all_is_the_carriers_fault():
    reports = {result: EMAS.report(("m", "a", "1", str(result), "")) for result in range(1, 10)}
    blamed = {result for result, report in reports.items() if report and is_the_carriers(report.heard.error)}
    assert blamed == {1, 2, 3, 4, 5, 7, 8}


def test_only_last_words_about_our_own_texts_are_asked_for():
    statement = EMAS.reports.take(500)
    assert statement.values[0] == "APP056"
    assert statement.values[-1] == 500
    words = set(statement.values[1:-1])
    assert "delivered" in words
    assert not words & {"", "accepted", "unknown", "messagewaiting", "deliveredtonetwork"}


def test_a_text_from_a_person_is_read_from_its_octets():
    row = ("i7", "0077", "8613800138000", "2026-09-18 09:00:00", "15", "同意 12345".encode().hex())
    saying = EMAS.saying(row)
    assert (saying.part.source, saying.part.destination) == ("8613800138000", "106900000077")
    assert decode(saying.part.octets, saying.part.data_coding) == "同意 12345"
    assert saying.is_dated
    assert saying.part.raw == saying.identity


def test_what_identifies_a_text_is_not_the_key_of_its_row():
    row = ["i7", "", "13800138000", "2026-09-18 09:00:00", "15", "31"]
    again, later = ["i8", *row[1:]], [*row[:3], "2026-09-18 09:00:01", *row[4:]]
    assert EMAS.saying(row).identity == EMAS.saying(again).identity
    assert EMAS.saying(row).identity != EMAS.saying(later).identity
    assert not EMAS.saying([*row[:3], None, *row[4:]]).is_dated


@pytest.mark.parametrize("behind", ["0077", "106900000077"])
def test_some_machines_repeat_the_access_number(behind):
    row = ("i7", behind, "13800138000", "2026-09-18 09:00:00", "15", "31")
    assert EMAS.saying(row).part.destination == "106900000077"


def test_a_binary_text_is_hexadecimal_in_the_table():
    row = ("i7", "", "13800138000", "2026-09-18 09:00:00", "4", b"3132".hex())
    part = EMAS.saying(row).part
    assert decode(part.octets, part.data_coding) == "12"


@pytest.mark.parametrize(
    ("charset", "words", "octets"),
    [
        ("utf8mb4", "𠮷1", "𠮷1".encode()),
        ("utf8", "𠮷1", b"?1"),
        ("gbk", "您𠮷", "您?".encode("gbk")),
        ("gbk-in-latin1", "您𠮷", "您𠮷".encode("gb18030")),
        ("utf8mb4", "\ud8001", b"?1"),
    ],
)
def test_what_a_character_set_lacks_is_a_question_mark(charset, words, octets):
    assert CHARSETS[charset].octets(words) == octets


@given(st.tuples(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING))
def test_no_row_of_sms_sent_is_too_odd(row):
    report = EMAS.report(row)
    if report is not None:
        assert len(report.heard.sms_id) <= 64
        assert len(report.heard.phone) <= 20
        assert report.heard.error.isprintable()


@given(st.tuples(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING, HEXADECIMAL))
def test_no_row_of_sms_inbox_is_too_odd(row):
    part = EMAS.saying(row).part
    assert len(part.source) <= 20
    assert isinstance(decode(part.octets, part.data_coding), str)
