"""The octets of CMPP 2.0 and 3.0, field by field against the tables, and what may not travel or cannot be read."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.cmpp.pdus import HEADER, MAX_PDU_OCTETS, Malformed, decode, encode
from sms.cmpp.vocabulary import (
    NO_ID,
    Account,
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Format,
    MessageId,
    Nack,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Unknown,
    Version,
    absolute_time,
)
from sms.conversation import FieldRefused
from sms.framing import Framer, FramingError
from sms.text import Coding, Concat, ConcatKind

V2, V3 = Version.V2, Version.V3
NOON = datetime(2026, 11, 22, 4, 0, 30, tzinfo=UTC)  # 12:00:30 in China
ID = "b2b9da8000010000"


def frame(command_id: int, sequence: int, *fields: tuple[str, str | bytes]) -> bytes:
    """A message as the tables of the specification write it: a field's name and its octets."""
    body = b"".join(octets if isinstance(octets, bytes) else bytes.fromhex(octets) for _, octets in fields)
    return (12 + len(body)).to_bytes(4, "big") + command_id.to_bytes(4, "big") + sequence.to_bytes(4, "big") + body


SUBMIT = Submit(
    part_total=2,
    part_number=1,
    registered_delivery=1,
    level=1,
    service_id="ZWFW",
    fee_user_type=2,
    fee_terminal="13500002696",
    fee_terminal_type=1,
    has_header=1,
    format=Format.UCS2,
    account="900001",
    fee_type="01",
    fee_code="10",
    valid_until="261122120030032+",
    source="10690000123",
    destinations=("13800138000", "13900139000"),
    destination_type=1,
    content=bytes.fromhex("050003070201") + "掌办".encode("utf-16-be"),
    link_id="LINK",
)
DELIVER = Deliver(
    message_id=ID,
    destination="10690000",
    service_id="ZWFW",
    format=Format.GBK,
    source="13800138000",
    source_type=1,
    content="掌办".encode("gbk"),
    link_id="LINK",
)


def as_spoken(pdu, version):
    """What a version without those fields leaves of it."""
    if version is V3:
        return pdu
    fields = {name: getattr(pdu, name) for name in pdu.__struct_fields__}
    newer = {"fee_terminal_type": 0, "destination_type": 0, "source_type": 0, "link_id": ""}
    return type(pdu)(**{name: newer.get(name, value) for name, value in fields.items()})


# --------------------------------------------------------------------------------------------- octets, field by field


def test_a_submission_of_2_0_is_the_fields_of_its_table():
    assert encode(SUBMIT, 7, V2) == frame(
        0x00000004,
        7,
        ("Msg_Id", "0000000000000000"),
        ("Pk_total", "02"),
        ("Pk_number", "01"),
        ("Registered_Delivery", "01"),
        ("Msg_level", "01"),
        ("Service_Id", b"ZWFW" + bytes(6)),
        ("Fee_UserType", "02"),
        ("Fee_terminal_Id", b"13500002696" + bytes(10)),
        ("TP_pId", "00"),
        ("TP_udhi", "01"),
        ("Msg_Fmt", "08"),
        ("Msg_src", b"900001"),
        ("FeeType", b"01"),
        ("FeeCode", b"10" + bytes(4)),
        ("ValId_Time", b"261122120030032+" + bytes(1)),
        ("At_Time", bytes(17)),
        ("Src_Id", b"10690000123" + bytes(10)),
        ("DestUsr_tl", "02"),
        ("Dest_terminal_Id", b"13800138000" + bytes(10) + b"13900139000" + bytes(10)),
        ("Msg_Length", "0a"),
        ("Msg_Content", "050003070201 638c529e"),
        ("Reserve", bytes(8)),
    )


def test_a_submission_of_3_0_has_longer_numbers_their_types_and_a_link_id():
    assert encode(SUBMIT, 7, V3) == frame(
        0x00000004,
        7,
        ("Msg_Id", "0000000000000000"),
        ("Pk_total, Pk_number, Registered_Delivery, Msg_level", "02010101"),
        ("Service_Id", b"ZWFW" + bytes(6)),
        ("Fee_UserType", "02"),
        ("Fee_terminal_Id", b"13500002696" + bytes(21)),
        ("Fee_terminal_type", "01"),
        ("TP_pId, TP_udhi, Msg_Fmt", "000108"),
        ("Msg_src", b"900001"),
        ("FeeType", b"01"),
        ("FeeCode", b"10" + bytes(4)),
        ("ValId_Time", b"261122120030032+" + bytes(1)),
        ("At_Time", bytes(17)),
        ("Src_Id", b"10690000123" + bytes(10)),
        ("DestUsr_tl", "02"),
        ("Dest_terminal_Id", b"13800138000" + bytes(21) + b"13900139000" + bytes(21)),
        ("Dest_terminal_type", "01"),
        ("Msg_Length", "0a"),
        ("Msg_Content", "050003070201 638c529e"),
        ("LinkID", b"LINK" + bytes(16)),
    )


def test_a_delivery_of_2_0_is_the_fields_of_its_table():
    assert encode(DELIVER, 5, V2) == frame(
        0x00000005,
        5,
        ("Msg_Id", ID),
        ("Dest_Id", b"10690000" + bytes(13)),
        ("Service_Id", b"ZWFW" + bytes(6)),
        ("TP_pid, TP_udhi, Msg_Fmt", "00000f"),
        ("Src_terminal_Id", b"13800138000" + bytes(10)),
        ("Registered_Delivery", "00"),
        ("Msg_Length", "04"),
        ("Msg_Content", "d5c6b0ec"),
        ("Reserved", bytes(8)),
    )


def test_a_delivery_of_3_0_has_a_longer_number_its_type_and_a_link_id():
    assert encode(DELIVER, 5, V3) == frame(
        0x00000005,
        5,
        ("Msg_Id", ID),
        ("Dest_Id", b"10690000" + bytes(13)),
        ("Service_Id", b"ZWFW" + bytes(6)),
        ("TP_pid, TP_udhi, Msg_Fmt", "00000f"),
        ("Src_terminal_Id", b"13800138000" + bytes(21)),
        ("Src_terminal_type", "01"),
        ("Registered_Delivery", "00"),
        ("Msg_Length", "04"),
        ("Msg_Content", "d5c6b0ec"),
        ("LinkID", b"LINK" + bytes(16)),
    )


@pytest.mark.parametrize(
    ("pdu", "version", "octets"),
    [
        (SubmitResp(message_id=ID, status=8), V2, "00000015 80000004 00000017 b2b9da8000010000 08"),
        (SubmitResp(message_id=ID, status=8), V3, "00000018 80000004 00000017 b2b9da8000010000 00000008"),
        (DeliverResp(message_id=ID), V2, "00000015 80000005 00000017 b2b9da8000010000 00"),
        (DeliverResp(message_id=ID), V3, "00000018 80000005 00000017 b2b9da8000010000 00000000"),
        (ActiveTest(), V3, "0000000c 00000008 00000017"),
        (ActiveTestResp(), V2, "0000000d 80000008 00000017 00"),
        (Terminate(), V2, "0000000c 00000002 00000017"),
        (TerminateResp(), V3, "0000000c 80000002 00000017"),
        (Cancel(message_id=ID), V3, "00000014 00000007 00000017 b2b9da8000010000"),
        (CancelResp(status=1), V2, "0000000d 80000007 00000017 01"),
        (CancelResp(status=1), V3, "00000010 80000007 00000017 00000001"),
        (Nack(), V3, "0000000c 80000000 00000017"),
        (
            Query(day="20261122", kind=1, code="ZWFW"),
            V2,
            "00000027 00000006 00000017 3230323631313232 01 5a574657000000000000 0000000000000000",
        ),
        (
            QueryResp(day="20261122", submitted=1, receivers=2, sent=3, waiting=4, failed=5, delivered=6, refused=8),
            V3,
            "0000003f 80000006 00000017 3230323631313232 00 00000000000000000000 00000001 00000002 00000003 00000004"
            " 00000005 00000006 00000000 00000008",
        ),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_short_messages_are_the_fields_of_their_tables(pdu, version, octets):
    assert encode(pdu, 0x17, version) == bytes.fromhex(octets)
    assert decode(bytes.fromhex(octets), version) == (0x17, pdu)


# --------------------------------------------------------------------------------------------------- the introduction


def test_both_ends_prove_that_they_know_the_secret():
    # The digests are those that bigwhite/gocmpp has for the same account, secret and timestamp.
    account = Account("900001", "888888")
    connect = account.introduction(datetime(2015, 10, 21, 0, 5, 10, tzinfo=UTC), V2)
    assert encode(connect, 0x17, V2) == frame(
        0x00000001,
        0x17,
        ("Source_Addr", b"900001"),
        ("AuthenticatorSource", "90d00c1d517abd0b4f65f6bcf8535d16"),
        ("Version", "20"),
        ("Timestamp", "3cdc73be"),  # 1021080510
    )
    assert account.made(connect)
    assert not Account("900001", "888889").made(connect)
    assert account.gateway_digest(0, 1, connect).hex() == "6c0b846e25bab6daa4ed1c466e0f4bd8"
    assert account.gateway_digest(0, 4, connect).hex() == "7942977274098cf210ab0c16c367bc8d"


def test_a_timestamp_before_october_keeps_its_zero_in_the_digest():
    connect = Account("900001", "888888").introduction(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), V3)
    assert connect.timestamp == 102110405
    assert connect.authenticator == hashlib.md5(b"900001" + bytes(9) + b"888888" + b"0102110405").digest()


def test_the_answer_to_an_introduction_is_told_by_its_length():
    proof = bytes(range(16))
    narrow, wide = ConnectResp(status=4, authenticator=proof, version=0x20), ConnectResp(authenticator=proof)
    assert encode(narrow, 1, V2) == frame(0x80000001, 1, ("Status", "04"), ("ISMG", proof), ("Version", "20"))
    assert encode(wide, 1, V3) == frame(0x80000001, 1, ("Status", "00000000"), ("ISMG", proof), ("Version", "30"))
    for spoken in Version:  # whatever we asked for, a gateway of 2.0 answers with its own fields
        assert decode(encode(narrow, 1, V2), spoken) == (1, narrow)
        assert decode(encode(wide, 1, V3), spoken) == (1, wide)


def test_a_secret_is_not_shown():
    account = Account("900001", "888888")
    assert "888888" not in repr(account) + repr(account.introduction(NOON, V3))


# ----------------------------------------------------------------------------------------------- ids, times, formats


def test_a_message_id_tells_when_where_and_which():
    read = MessageId.read("b2b9da8000010000")
    assert read == MessageId(month=11, day=5, hour=14, minute=29, second=42, gateway=1, serial=0)
    assert read.text == "b2b9da8000010000"
    assert read.is_dated
    made = MessageId.at(NOON, gateway=0x3FFFFF, serial=0x1FFFF)
    assert made == MessageId(11, 22, 12, 0, 30, 0x3FFFFF, 0xFFFF)
    assert MessageId.read(made.text) == made


@given(st.integers(0, 2**64 - 1))
def test_any_64_bits_are_a_message_id(number):
    assert MessageId.read(f"{number:016x}").text == f"{number:016x}"


@pytest.mark.parametrize("text", [NO_ID, "00000000deadbeef", "ffffffffffffffff"])
def test_a_number_that_is_no_date_is_not_taken_for_one(text):
    assert not MessageId.read(text).is_dated


def test_an_expiry_is_said_in_the_time_of_china_and_never_later_than_it_is():
    assert absolute_time(NOON.replace(microsecond=999_999)) == "261122120030032+"


@pytest.mark.parametrize(
    ("octet", "coding"),
    [(0, Coding.ASCII), (8, Coding.UCS2), (15, Coding.GB18030), (0x18, Coding.UCS2), (3, 4), (4, 4), (99, 99)],
)
def test_formats_are_read_as_the_texts_they_are(octet, coding):
    assert Deliver(format=octet).part().data_coding == coding


def test_a_part_knows_where_it_belongs():
    part = Deliver(source="138", destination="1069", has_header=1, content=SUBMIT.content).part(b"raw")
    assert part.concat == Concat(ConcatKind.NARROW, 7, 2, 1)
    assert (part.octets.decode("utf-16-be"), part.raw) == ("掌办", b"raw")
    assert SUBMIT.part("13800138000").concat == part.concat
    assert Deliver(content=SUBMIT.content).part().concat is None


# ------------------------------------------------------------------------------------------------------- round trips

octet = st.integers(0, 255)


def ascii_up_to(limit: int):
    """Without blanks at the end, which some gateways pad with."""
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=limit).filter(
        lambda text: text == text.rstrip()
    )


ids = st.binary(min_size=8, max_size=8).map(bytes.hex)
submits = st.builds(
    Submit,
    message_id=ids,
    part_total=octet,
    part_number=octet,
    registered_delivery=octet,
    level=octet,
    service_id=ascii_up_to(10),
    fee_user_type=octet,
    fee_terminal=ascii_up_to(21),
    fee_terminal_type=octet,
    protocol_id=octet,
    has_header=octet,
    format=octet,
    account=ascii_up_to(6),
    fee_type=ascii_up_to(2),
    fee_code=ascii_up_to(6),
    valid_until=ascii_up_to(16),
    send_at=ascii_up_to(16),
    source=ascii_up_to(21),
    destinations=st.lists(ascii_up_to(21), min_size=1, max_size=5).map(tuple),
    destination_type=octet,
    content=st.binary(max_size=140),
    link_id=ascii_up_to(20),
)
delivers = st.builds(
    Deliver,
    message_id=ids,
    destination=ascii_up_to(21),
    service_id=ascii_up_to(10),
    protocol_id=octet,
    has_header=octet,
    format=octet,
    source=ascii_up_to(21),
    source_type=octet,
    is_report=octet,
    content=st.binary(max_size=140),
    link_id=ascii_up_to(20),
)
answers = st.builds(SubmitResp, message_id=ids, status=octet) | st.builds(DeliverResp, message_id=ids, status=octet)
connects = st.builds(
    Connect,
    source=ascii_up_to(6),
    authenticator=st.binary(min_size=16, max_size=16),
    version=octet,
    timestamp=st.integers(0, 0xFFFFFFFF),
)


@given(submits | delivers | answers | connects, st.integers(0, 0xFFFFFFFF), st.sampled_from(Version))
def test_what_is_written_is_read_again(pdu, sequence, version):
    octets = encode(pdu, sequence, version)
    assert len(octets) <= MAX_PDU_OCTETS
    assert decode(octets, version) == (sequence, as_spoken(pdu, version) if hasattr(pdu, "link_id") else pdu)


def test_the_longest_submission_fits():
    pdu = Submit(destinations=("1" * 32,) * 99, content=bytes(140), source="1" * 21)
    octets = encode(pdu, 1, V3)
    assert len(octets) < MAX_PDU_OCTETS
    assert decode(octets, V3) == (1, pdu)


@given(st.lists(submits | answers, max_size=4), st.randoms(use_true_random=False))
def test_the_framer_finds_the_same_frames_in_any_pieces(pdus, random):
    frames = [encode(pdu, number, V3) for number, pdu in enumerate(pdus, 1)]
    stream, framer = b"".join(frames), Framer(HEADER.size, MAX_PDU_OCTETS)
    found: list[bytes] = []
    while stream:
        size = random.randint(1, len(stream))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == frames


@pytest.mark.parametrize("length", [0, 11, MAX_PDU_OCTETS + 1, 0xFFFFFFFF])
def test_an_impossible_length_breaks_the_frame_at_once_but_not_what_came_before(length):
    good = encode(ActiveTest(), 1, V3)
    frames = Framer(HEADER.size, MAX_PDU_OCTETS).feed(good + length.to_bytes(4, "big"))
    assert next(frames) == good
    with pytest.raises(FramingError):
        next(frames)


# ------------------------------------------------------------------------------------------------------ what is refused


def one(**fields) -> Submit:
    return Submit(destinations=("13800138000",), **fields)


@pytest.mark.parametrize(
    ("pdu", "version", "field"),
    [
        (one(service_id="s" * 11), V3, "service_id"),
        (one(service_id="政务"), V3, "service_id"),
        (one(fee_terminal="1" * 22), V2, "fee_terminal"),
        (one(fee_terminal="1" * 33), V3, "fee_terminal"),
        (one(account="9000011"), V3, "account"),
        (one(fee_type="001"), V3, "fee_type"),
        (one(fee_code="1000000"), V3, "fee_code"),
        (one(valid_until="2611221200300032+"), V3, "valid_until"),
        (one(source="1" * 22), V3, "source"),
        (one(source="1\0002"), V3, "source"),
        (one(content=bytes(141)), V3, "content"),
        (one(format=Format.ASCII, content=bytes(161)), V3, "content"),
        (one(link_id="l" * 21), V3, "link_id"),
        (one(message_id="10000001"), V3, "message_id"),
        (one(message_id="no hexadecimal!!"), V3, "message_id"),
        (one(level=256), V3, "an integer of CMPP_SUBMIT"),
        (Submit(), V3, "destinations"),
        (Submit(destinations=("1",) * 100), V3, "destinations"),
        (Submit(destinations=("1" * 22,)), V2, "destination"),
        (Submit(destinations=("1" * 33,)), V3, "destination"),
        (Deliver(destination="1" * 22), V3, "destination"),
        (Deliver(source="1" * 22), V2, "source"),
        (Deliver(content=bytes(141)), V2, "content"),
        (SubmitResp(status=256), V2, "an integer of CMPP_SUBMIT_RESP"),
        (Connect(source="9000011", authenticator=bytes(16)), V2, "source"),
        (Connect(source="900001", authenticator=bytes(15)), V2, "authenticator"),
    ],
)
def test_a_field_that_cannot_travel_is_refused_and_never_cut(pdu, version, field):
    with pytest.raises(FieldRefused) as refused:
        encode(pdu, 1, version)
    assert refused.value.details["field"] == field


def test_what_one_version_has_no_room_for_the_other_may_have():
    pdu = one(fee_terminal="1" * 32)
    assert decode(encode(pdu, 1, V3), V3) == (1, pdu)
    assert encode(one(link_id="l" * 21), 1, V2)  # 2.0 knows no LinkID


# ---------------------------------------------------------------------------------------------------- what is malformed


def cut(octets: bytes, keep: int) -> bytes:
    return keep.to_bytes(4, "big") + octets[4:keep]


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize(
    ("pdu", "keep", "status"),
    [
        (SUBMIT, 12, 1),  # no body
        (SUBMIT, 100, 1),  # ends inside the fixed fields
        (SUBMIT, 150, 1),  # ends inside the receivers
        (DELIVER, 60, 1),  # ends inside the number
        (Cancel(message_id=ID), 19, 1),
        (SubmitResp(message_id=ID), 20, 1),  # an id and no result
        (Connect(source="900001", authenticator=bytes(16)), 38, 1),
        (ConnectResp(), 29, 1),
        (CancelResp(), 12, 1),
        (Query(day="20261122"), 30, 1),
        (QueryResp(day="20261122"), 62, 1),
    ],
)
def test_a_message_that_ends_too_early_says_what_to_answer(version, pdu, keep, status):
    octets = encode(pdu, 7, version)
    with pytest.raises(Malformed) as malformed:
        decode(cut(octets, keep), version)
    assert (malformed.value.sequence, malformed.value.command_id) == (7, pdu.command_id)
    assert malformed.value.status == status


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("pdu", [SUBMIT, DELIVER])
def test_a_content_that_is_shorter_than_its_length_is_a_wrong_length(version, pdu):
    octets = encode(pdu, 7, version)
    tail = 8 if version is V2 else 20
    with pytest.raises(Malformed) as malformed:
        decode(cut(octets, len(octets) - tail - 1), version)
    assert malformed.value.status == 4


def test_a_total_length_that_lies_is_a_wrong_length():
    for octets in (b"", bytes(11), encode(ActiveTest(), 7, V3) + b"\0"):
        with pytest.raises(Malformed) as malformed:
            decode(octets, V3)
        assert malformed.value.status == 4


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("pdu", [SUBMIT, DELIVER])
def test_a_reserved_end_that_a_gateway_leaves_out_is_forgiven(version, pdu):
    octets = encode(pdu, 7, version)
    tail = 8 if version is V2 else 20
    _, read = decode(cut(octets, len(octets) - tail), version)
    assert isinstance(read, Submit | Deliver)
    assert read.content == pdu.content
    assert read.link_id == ""


@pytest.mark.parametrize("kind", [SubmitResp, DeliverResp])
def test_a_result_of_the_other_version_is_understood(kind):
    pdu = kind(message_id=ID, status=8)
    assert decode(encode(pdu, 7, V2), V3) == (7, pdu)
    assert decode(encode(pdu, 7, V3), V2) == (7, pdu)


def test_reserved_octets_may_be_four_or_none():
    assert decode(bytes.fromhex("00000010 80000008 00000009 30783030"), V3) == (9, ActiveTestResp())
    assert decode(bytes.fromhex("0000000c 80000008 00000009"), V3) == (9, ActiveTestResp())


def test_fields_padded_with_blanks_are_read_without_them():
    octets = encode(DELIVER, 1, V3).replace(b"13800138000" + bytes(21), b"13800138000".ljust(32))
    assert decode(octets, V3) == (1, DELIVER)


def test_an_unknown_command_is_a_value():
    assert decode(bytes.fromhex("0000000c 00000009 00000007"), V3) == (7, Unknown(command_id=9))


@pytest.mark.parametrize(
    ("octet", "version"), [(0x20, V2), (0x21, V2), (0x30, V3), (0x31, V3), (0x00, None), (0x10, None), (0x40, None)]
)
def test_a_version_is_its_major_number(octet, version):
    assert Version.of(octet) is version
