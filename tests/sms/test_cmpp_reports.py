"""Status reports and codes: what a gateway says of a submission, and what it means."""

from datetime import UTC, datetime

import pytest

from alerts.states import State
from sms.cmpp import reports
from sms.cmpp.statuses import (
    CONNECT_STATUSES,
    OF_CONNECT,
    SUBMIT_RESULTS,
    UNPROVEN,
    of_status,
    own_errors,
)
from sms.cmpp.vocabulary import Deliver, Version
from sms.outcomes import heard_of
from sms.receipts import MessageState, Receipt
from sms.statuses import Fault

ID = "b2b9da8000010000"
SUBMITTED, DONE = datetime(2026, 11, 22, 1, 55, tzinfo=UTC), datetime(2026, 11, 22, 1, 57, tzinfo=UTC)
OF_2_0 = (
    bytes.fromhex(ID)  # Msg_Id
    + b"DELIVRD"  # Stat
    + b"2611220955"  # Submit_time
    + b"2611220957"  # Done_time
    + b"13412340000".ljust(21, b"\0")  # Dest_terminal_Id
    + bytes.fromhex("12345678")  # SMSC_sequence
)
OF_3_0 = OF_2_0[:35] + b"13412340000".ljust(32, b"\0") + OF_2_0[-4:]


def report(content: bytes, **fields) -> Deliver:
    return Deliver(**{"is_report": 1, "format": 0, "source": "13800138000", "content": content, **fields})


@pytest.mark.parametrize(("content", "octets"), [(OF_2_0, 60), (OF_3_0, 71)])
def test_the_length_says_which_layout_a_report_has(content, octets):
    assert len(content) == octets
    assert reports.parse(report(content)) == Receipt(ID, MessageState.DELIVERED, DONE)
    assert reports.phone_of(report(content)) == "13412340000"


@pytest.mark.parametrize(("version", "content"), [(Version.V2, OF_2_0), (Version.V3, OF_3_0)])
def test_a_simulated_gateway_writes_the_same_octets(version, content):
    receipt = Receipt(ID, MessageState.DELIVERED)
    times = {"submitted_at": SUBMITTED, "done_at": DONE}
    assert reports.render(receipt, version, phone="13412340000", serial=0x12345678, **times) == content


@pytest.mark.parametrize(
    ("stat", "state", "error"),
    [
        (b"DELIVRD", MessageState.DELIVERED, None),
        (b"delivrd", MessageState.DELIVERED, None),
        (b"EXPIRED", MessageState.EXPIRED, None),
        (b"UNDELIV", MessageState.UNDELIVERABLE, None),
        (b"REJECTD", MessageState.REJECTED, None),
        (b"ACCEPTD", MessageState.ACCEPTED, None),
        (b"UNKNOWN", MessageState.UNKNOWN, None),
        (b"MK:0001", MessageState.UNDELIVERABLE, "MK:0001"),
        (b"DB:0140", MessageState.UNDELIVERABLE, "DB:0140"),
        (b"SIGFAIL", MessageState.UNDELIVERABLE, "SIGFAIL"),
        (b"E:BLK\0\0", MessageState.UNDELIVERABLE, "E:BLK"),
        (b"\xff\n\x01ABCD", MessageState.UNDELIVERABLE, "???ABCD"),  # no control character gets into a log
    ],
)
def test_seven_letters_say_what_became_of_it(stat, state, error):
    read = reports.parse(report(OF_3_0[:8] + stat + OF_3_0[15:]))
    assert read is not None
    assert (read.state, read.error) == (state, error)


def test_a_word_that_only_this_gateway_knows_fails_the_text_and_stays_readable():
    read = reports.parse(report(OF_2_0[:8] + b"SIGFAIL" + OF_2_0[15:]))
    assert read is not None
    heard = heard_of(read, "138")
    assert (heard.sms_id, heard.state, heard.error) == (ID, State.FAILED, "SIGFAIL UNDELIV")


@pytest.mark.parametrize("content", [b"", OF_2_0[:14], OF_2_0[:8] + bytes(52)])
def test_a_report_that_names_no_message_or_no_state_is_none(content):
    assert reports.parse(report(content)) is None


def test_a_pseudonym_is_no_phone():
    content = OF_3_0[:35] + b"P" * 32 + OF_3_0[-4:]
    assert reports.phone_of(report(content)) == ""
    assert reports.parse(report(content)) == Receipt(ID, MessageState.DELIVERED, DONE)


def test_a_short_report_is_read_as_far_as_it_goes():
    pdu = report(OF_2_0[:15])
    assert reports.parse(pdu) == Receipt(ID, MessageState.DELIVERED)
    assert reports.phone_of(pdu) == "13800138000"


@pytest.mark.parametrize("digits", [b"2613220957", b"26112209 7", bytes(10), b"\xb2\xb3220957ab"])
def test_a_time_that_is_none_is_left_out(digits):
    read = reports.parse(report(OF_2_0[:25] + digits + OF_2_0[35:]))
    assert read == Receipt(ID, MessageState.DELIVERED)


# ---------------------------------------------------------------------------------------------------------------- codes


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        (0, None),
        (1, Fault.TECHNICAL),
        (3, Fault.TEMPORARY),  # another sequence number next time
        (5, Fault.TECHNICAL),
        (8, Fault.THROTTLED),
        (10, Fault.TECHNICAL),
        (13, Fault.PERMANENT),
        (99, Fault.TECHNICAL),
        (0xFFFFFFFF, Fault.TECHNICAL),
    ],
)
def test_a_result_says_what_can_be_done_about_it(result, fault):
    assert of_status(result).fault is fault


def test_the_same_number_means_other_things_to_a_connect_and_to_a_submission():
    assert of_status(3).name == "CMPP_3_SEQUENCE"
    assert of_status(OF_CONNECT + 3).name == "CMPP_CONNECT_3_SECRET"
    assert of_status(OF_CONNECT + 77).name == "CMPP_CONNECT_77"
    assert of_status(UNPROVEN).name == "CMPP_CONNECT_UNPROVEN"


def test_every_code_has_a_name_of_its_own_and_a_reason_in_two_languages():
    meanings = [*SUBMIT_RESULTS.values(), *CONNECT_STATUSES.values()]
    assert len({meaning.name for meaning in meanings}) == len(meanings)
    assert all(meaning.zh and meaning.en and meaning.name.startswith("CMPP_") for meaning in meanings)


def test_a_gateways_own_list_comes_first():
    own = own_errors({"9": Fault.PERMANENT, "101": Fault.THROTTLED, "SigFail": Fault.TECHNICAL})
    assert of_status(9, own.statuses).fault is Fault.PERMANENT
    assert of_status(101, own.statuses).fault is Fault.THROTTLED
    assert of_status(101, own.statuses).name == "CMPP_101"
    assert of_status(8, own.statuses).fault is Fault.THROTTLED
    assert own.receipts["SIGFAIL"].fault is Fault.TECHNICAL
