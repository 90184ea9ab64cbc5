"""Receipts, in the many ways carriers write them."""

from datetime import UTC, datetime

import pytest

from sms.receipts import MessageState, Receipt, same_message_ids
from sms.smpp.receipts import parse, render
from sms.smpp.vocabulary import DeliverSm

APPENDIX_B = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2611220915 done date:2611220917 stat:DELIVRD err:000 text:..."
)


def receipt(body: bytes = b"", **fields) -> Receipt | None:
    return parse(DeliverSm(esm_class=0x04, short_message=body, **fields))


def test_the_text_of_appendix_b_is_read():
    assert receipt(APPENDIX_B) == Receipt(
        "0123456789", MessageState.DELIVERED, datetime(2026, 11, 22, 1, 17, tzinfo=UTC), "000"
    )


@pytest.mark.parametrize(
    ("written", "state"),
    [
        (b"DELIVRD", MessageState.DELIVERED),
        (b"EXPIRED", MessageState.EXPIRED),
        (b"DELETED", MessageState.DELETED),
        (b"UNDELIV", MessageState.UNDELIVERABLE),
        (b"ACCEPTD", MessageState.ACCEPTED),
        (b"UNKNOWN", MessageState.UNKNOWN),
        (b"REJECTD", MessageState.REJECTED),
        (b"ENROUTE", MessageState.ENROUTE),
        (b"delivrd", MessageState.DELIVERED),
        (b"MK:0001", MessageState.UNDELIVERABLE),  # a Chinese gateway's own error in place of the state
    ],
)
def test_every_state_is_known(written, state):
    read = receipt(b"id:1 stat:" + written)
    assert read is not None
    assert read.state is state


def test_only_some_states_are_final():
    final = {state.name for state in MessageState if state.is_final}
    assert final == {"DELIVERED", "EXPIRED", "DELETED", "UNDELIVERABLE", "REJECTED"}


def test_parameters_come_before_the_text():
    read = receipt(b"id:1 stat:UNDELIV err:001", receipted_message_id="A1", message_state=2)
    assert read == Receipt("A1", MessageState.DELIVERED, error="001")


def test_parameters_are_enough():
    read = parse(DeliverSm(receipted_message_id="A1", message_state=5, network_error_code=b"\x03\x00\x1b"))
    assert read == Receipt("A1", MessageState.UNDELIVERABLE, error="3:27")


def test_the_quoted_message_cannot_forge_the_state():
    read = receipt(b"id:7 stat:UNDELIV err:001 text:stat:DELIVRD id:8")
    assert read == Receipt("7", MessageState.UNDELIVERABLE, error="001")


def test_a_receipt_in_ucs2_is_read():
    body = "id:1 stat:DELIVRD".encode("utf-16-be")
    assert receipt(body, data_coding=8) == Receipt("1", MessageState.DELIVERED)


def test_seconds_and_centuries_in_the_date_are_understood_and_nonsense_is_not():
    def done(digits: bytes):
        read = receipt(b"id:1 done date:" + digits + b" stat:DELIVRD")
        assert read is not None
        return read.done_at

    nine = datetime(2026, 11, 22, 1, 17, 5, tzinfo=UTC)
    assert done(b"261122091705") == done(b"20261122091705") == nine
    assert done(b"2611220917") == nine.replace(second=0)
    assert done(b"9999999999") is done(b"soon") is done(b"0000000000") is None


def test_a_person_who_writes_like_a_receipt_is_not_one():
    assert parse(DeliverSm(short_message=APPENDIX_B)) is None


@pytest.mark.parametrize("body", [b"", b"id: stat:", b"stat:DELIVRD", b"id:1", b"id:1 stat:HAPPY", b"\xff" * 254])
def test_what_names_no_message_or_no_state_is_no_receipt(body):
    assert receipt(body) is None


def test_a_rendered_receipt_is_read_again():
    at = datetime(2026, 11, 22, 1, 17, tzinfo=UTC)
    written = Receipt("10A", MessageState.UNDELIVERABLE, error="001")
    assert receipt(render(written, submitted_at=at, done_at=at)) == Receipt("10A", written.state, at, "001")


@pytest.mark.parametrize(
    ("answered", "reported"),
    [("1F", "31"), ("0000001f", "1F"), ("31", "1f"), ("0A", "10"), ("3e8", "1000"), ("4b1c-uuid", "4B1C-UUID")],
)
def test_an_id_is_recognised_in_hexadecimal_and_in_decimal(answered, reported):
    assert set(same_message_ids(answered)) & set(same_message_ids(reported))


def test_the_id_as_it_stands_is_tried_first():
    assert same_message_ids("0010") == ("10", "a", "16")
    assert same_message_ids("000") == ("0",)
    assert same_message_ids("") == ("",)  # no number at all: it must not be taken for the one called 0
