"""Whatever a gateway or an SP sends, nothing breaks and nothing grows without bound."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sms.cmpp import reports
from sms.cmpp.pdus import HEADER, Malformed, decode, encode
from sms.cmpp.session import ConnectRequested, Session, Terms
from sms.cmpp.vocabulary import Account, Connect, ConnectResp, Deliver, MessageId, Submit, Version
from sms.conversation import ProtocolViolation, Received, Role, State
from sms.framing import Framer, FramingError
from sms.receipts import same_message_ids
from sms.text import decode as decode_text

COMMANDS = [1, 2, 4, 5, 6, 7, 8, 9, 0x17]
COMMANDS += [command | 0x80000000 for command in COMMANDS] + [0, 0x80000000, 0xFFFFFFFF]
ACCOUNT = Account("900001", "888888")
CONNECT = Connect(source="900001", authenticator=bytes(16))


@st.composite
def frames(draw):
    """A header that is right and a body that is not."""
    body = draw(st.binary(max_size=250) | st.integers(0, 300).map(bytes))
    words = (12 + len(body), draw(st.sampled_from(COMMANDS)), draw(st.integers(0, 9)))
    return b"".join(word.to_bytes(4, "big") for word in words) + body


@given(st.binary(max_size=300))
def test_any_octets_through_the_framer(data):
    framer = Framer(HEADER.size, 100)
    try:
        for frame in framer.feed(data):
            assert 12 <= len(frame) <= 100
    except FramingError:
        return
    assert len(framer._rest) < 100 or int.from_bytes(framer._rest[:4], "big") <= 100


@given(frames(), st.sampled_from(Version))
@settings(max_examples=300)
def test_any_body_through_the_parser(frame, version):
    assert reads_or_answers(frame, version)


@given(st.binary(max_size=40), st.sampled_from(Version))
def test_any_octets_through_the_parser(data, version):
    assert reads_or_answers(data, version)


@given(st.integers(0, 3520), st.data(), st.sampled_from(Version))
def test_a_good_message_with_one_octet_changed_through_the_parser(at, data, version):
    submit = Submit(destinations=("13800138000",) * data.draw(st.integers(1, 99)), content=bytes(140))
    octets = bytearray(encode(submit, 1, version))
    at = 4 + at % (len(octets) - 4)
    octets[at] = data.draw(st.integers(0, 255))
    assert reads_or_answers(bytes(octets), version)


def reads_or_answers(frame: bytes, version: Version) -> bool:
    """What is read is no larger than what came."""
    try:
        _, pdu = decode(frame, version)
    except Malformed as malformed:
        return malformed.status != 0
    return not isinstance(pdu, Submit) or sum(map(len, pdu.destinations)) + len(pdu.content) <= len(frame)


@given(
    st.lists(frames() | st.binary(max_size=30), max_size=8),
    st.booleans(),
    st.sampled_from(Role),
    st.sampled_from(Version),
)
@settings(max_examples=300)
def test_any_conversation_through_a_session(pieces, is_connected, role, version):
    terms = Terms(version=version, max_unacknowledged=3, max_pdu_octets=400, is_proof_wanted=False)
    session = Session(role, 0.0, terms)
    if role is Role.ESME:
        session.connect(ACCOUNT, CONNECT, 0.0)
        if is_connected:
            session.receive(encode(ConnectResp(), 1, version), 0.0)
    elif is_connected:
        session.receive(encode(CONNECT, 1, version), 0.0)
        session.accept(1, ACCOUNT, 0.0)
    for now, piece in enumerate(pieces):
        for event in session.receive(piece, float(now)):
            if isinstance(event, ProtocolViolation):
                assert session.state is State.CLOSED
            elif isinstance(event, ConnectRequested):
                session.accept(event.sequence, ACCOUNT, float(now))
            elif isinstance(event, Received) and now % 2:
                session.acknowledge(event.sequence)
        session.data_to_send()
        session.next_timer()
    assert len(session._unacknowledged) <= 3
    for late in (1e6, 2e6, 3e6, 4e6):
        session.handle_timer(late)
    session.connection_lost()
    assert session.state is State.CLOSED
    assert session.in_flight == 0


@given(st.binary(max_size=160))
@example(b"\xff" * 71)
@example(bytes(8) + b"DELIVRD" + b"9" * 20)
@settings(max_examples=300)
def test_any_octets_as_a_report(content):
    pdu = Deliver(is_report=1, content=content)
    read = reports.parse(pdu)
    assert len(reports.phone_of(pdu)) <= 21
    if read is not None:
        assert (read.error or "").isprintable()
        assert len(read.error or "") <= 40  # what a row has room for, beside the name of the state
        assert same_message_ids(read.message_id)
        assert MessageId.read(read.message_id).text == read.message_id


@given(st.binary(max_size=255), st.integers(0, 255), st.integers(0, 255))
def test_any_octets_as_a_text(content, format, has_header):
    part = Deliver(content=content, format=format, has_header=has_header).part()
    assert isinstance(decode_text(part.octets, part.data_coding), str)
    assert content.endswith(part.octets)
