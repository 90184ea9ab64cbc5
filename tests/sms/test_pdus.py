"""The codec: the fast path is smpplib's equal, and everything smpplib gets wrong is refused or survived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.conversation import FieldRefused
from sms.framing import FramingError
from sms.smpp.pdus import Framer, Malformed, decode, decode_by_smpplib, encode, encode_by_smpplib
from sms.smpp.vocabulary import (
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Sar,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    Unknown,
)

octet = st.integers(0, 255)
sequences = st.integers(1, 0x7FFFFFFF)
statuses = st.integers(0, 0xFFFFFFFF)


def ascii_up_to(limit: int):
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=limit)


COMMON = {
    "service_type": ascii_up_to(5),
    "source_ton": octet,
    "source_npi": octet,
    "source": ascii_up_to(20),
    "destination_ton": octet,
    "destination_npi": octet,
    "destination": ascii_up_to(20),
    "esm_class": octet,
    "protocol_id": octet,
    "priority": octet,
    "schedule_delivery_time": ascii_up_to(16),
    "validity_period": ascii_up_to(16),
    "registered_delivery": octet,
    "replace_if_present": octet,
    "data_coding": octet,
    "default_message_id": octet,
    "sar": st.none() | st.builds(Sar, st.integers(0, 0xFFFF), st.integers(1, 255), octet),
}
BODIES = st.one_of(
    st.fixed_dictionaries({"short_message": st.binary(max_size=254)}),
    st.fixed_dictionaries({"message_payload": st.binary(min_size=1, max_size=600)}),
)
RECEIPT_FIELDS = st.fixed_dictionaries(
    {
        "network_error_code": st.none() | st.binary(min_size=3, max_size=3),
        "message_state": st.none() | octet,
        "receipted_message_id": st.none() | ascii_up_to(64).filter(bool),
    }
)
submits = st.builds(lambda fields, body: SubmitSm(**fields, **body), st.fixed_dictionaries(COMMON), BODIES)
delivers = st.builds(
    lambda fields, body, receipt: DeliverSm(**fields, **body, **receipt),
    st.fixed_dictionaries(COMMON),
    BODIES,
    RECEIPT_FIELDS,
)
responses = st.one_of(
    st.builds(SubmitSmResp, status=statuses, message_id=ascii_up_to(64)),
    st.builds(DeliverSmResp, status=statuses, message_id=ascii_up_to(64)),
)


@given(st.one_of(submits, delivers, responses), sequences)
def test_the_fast_path_writes_and_reads_what_smpplib_does(pdu, sequence):
    frame = encode(pdu, sequence)
    assert frame == encode_by_smpplib(pdu, sequence)
    assert decode(frame) == decode_by_smpplib(frame) == (sequence, pdu)


@pytest.mark.parametrize(
    "pdu",
    [
        BindTransceiver(system_id="zhangban", password="secret", system_type="GOV", address_range="^1069"),
        BindTransmitter(system_id="zhangban", interface_version=0x33, addr_ton=1, addr_npi=1),
        BindReceiver(system_id="zhangban"),
        BindTransceiverResp(system_id="SMSC"),
        BindTransmitterResp(system_id="SMSC"),
        BindReceiverResp(status=0x0D, system_id=""),
        EnquireLink(),
        EnquireLinkResp(),
        Unbind(),
        UnbindResp(status=0x04),
        GenericNack(status=0x03),
    ],
    ids=lambda pdu: pdu.name,
)
def test_the_other_pdus_survive_the_wire(pdu):
    assert decode(encode(pdu, 0x7FFFFFFF)) == (0x7FFFFFFF, pdu)


@pytest.mark.parametrize(
    ("pdu", "field"),
    [
        (SubmitSm(source="1" * 21), "source"),
        (SubmitSm(destination="1" * 21), "destination"),
        (SubmitSm(destination="掌办"), "destination"),
        (SubmitSm(destination="1\0002"), "destination"),
        (SubmitSm(short_message=b"x" * 255), "short_message"),
        (SubmitSm(short_message=b"x", message_payload=b"y"), "message_payload"),
        (SubmitSm(message_payload=b"y" * 60_001), "message_payload"),
        (SubmitSm(data_coding=256), "an integer of submit_sm"),
        (SubmitSm(sar=Sar(70_000, 2, 1)), "an integer of submit_sm"),
        (SubmitSmResp(message_id="i" * 65), "message_id"),
        (DeliverSm(network_error_code=b"xx"), "network_error_code"),
        (BindTransceiver(system_id="s" * 16), "system_id"),
        (BindTransceiver(system_id="s", password="p" * 9), "password"),
    ],
)
def test_a_field_that_cannot_travel_is_refused_and_never_cut(pdu, field):
    with pytest.raises(FieldRefused) as refused:
        encode(pdu, 1)
    assert refused.value.details["field"] == field


def test_a_password_is_not_shown():
    bind = BindTransceiver(system_id="zhangban", password="secret")
    assert "secret" not in repr(bind) + str(bind)
    with pytest.raises(FieldRefused) as refused:
        encode(BindTransceiver(system_id="zhangban", password="secret-secret"), 1)
    assert "secret" not in str(refused.value)


def test_the_longest_message_has_254_octets():
    pdu = SubmitSm(short_message=b"x" * 254)
    assert decode(encode(pdu, 1)) == (1, pdu)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda frame: frame[:17], 0x02),  # ends inside a field
        (lambda frame: frame[:16], 0x02),  # no body at all
        (
            lambda frame: frame.replace(b"13800138000\0", b"13800138000"),
            0x01,
        ),  # all fields shift by one
        (lambda frame: frame[:-1], 0x01),  # sm_length says more
        (lambda frame: frame + b"\x04", 0xC0),  # half a TLV
        (lambda frame: frame + b"\x04\x24\x00\x09x", 0xC0),  # a TLV that says more
    ],
)
def test_a_malformed_message_says_what_to_answer(change, status):
    frame = change(encode(SubmitSm(source="1069", destination="13800138000", short_message=b"\xff" * 9), 7))
    with pytest.raises(Malformed) as malformed:
        decode(len(frame).to_bytes(4, "big") + frame[4:])
    assert (malformed.value.sequence, malformed.value.command_status) == (7, status)


@pytest.mark.parametrize("body", [b"", b"zhangban", b"zhangban\0secret\0\0\x34"])
def test_a_malformed_bind_says_what_to_answer(body):
    frame = (16 + len(body)).to_bytes(4, "big") + b"\0\0\0\x09" + bytes(4) + b"\0\0\0\x01" + body
    with pytest.raises(Malformed) as malformed:
        decode(frame)
    assert malformed.value.command_status == 0x02


def test_a_refused_bind_may_have_no_body():
    assert decode(bytes.fromhex("00000010 80000009 0000000e 00000001")) == (1, BindTransceiverResp(status=0x0E))


def test_a_response_without_its_body_or_its_last_octet_is_understood():
    assert decode(bytes.fromhex("00000010 80000004 00000058 00000005")) == (5, SubmitSmResp(status=0x58))
    assert decode(bytes.fromhex("00000012 80000004 00000000 00000005 4142")) == (5, SubmitSmResp(message_id="AB"))


def test_vendor_parameters_are_skipped():
    # smpplib fails on a TLV it knows but does not expect, such as message_state in a submit_sm.
    vendor = bytes.fromhex("1400 0002 beef") + bytes.fromhex("0427 0001 02")
    for pdu in (SubmitSm(short_message=b"x"), DeliverSm(short_message=b"x"), BindTransceiverResp(system_id="SMSC")):
        frame = encode(pdu, 1) + vendor
        _, read = decode(len(frame).to_bytes(4, "big") + frame[4:])
        assert type(read) is type(pdu)


def test_a_receipted_id_without_its_last_nul_keeps_its_last_character():
    frame = encode(DeliverSm(), 1) + bytes.fromhex("001e 0003") + b"ABC"
    _, read = decode(len(frame).to_bytes(4, "big") + frame[4:])
    assert isinstance(read, DeliverSm)
    assert read.receipted_message_id == "ABC"


def test_an_unknown_command_is_a_value():
    assert decode(bytes.fromhex("00000010 00000103 00000000 00000009")) == (9, Unknown(command_id=0x103))


@given(st.lists(st.one_of(submits, responses), max_size=5), st.randoms(use_true_random=False))
def test_the_framer_finds_the_same_frames_in_any_pieces(pdus, random):
    frames = [encode(pdu, number) for number, pdu in enumerate(pdus, 1)]
    stream, framer = b"".join(frames), Framer()
    found: list[bytes] = []
    while stream:
        size = random.randint(1, len(stream))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == frames


@pytest.mark.parametrize("length", [0, 15, 65_537, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_impossible_length_breaks_the_frame_at_once_but_not_what_came_before(length):
    good = encode(EnquireLink(), 1)
    frames = Framer().feed(good + length.to_bytes(4, "big"))
    assert next(frames) == good
    with pytest.raises(FramingError):
        next(frames)
