"""Whatever a peer or a phone sends, nothing breaks and nothing grows without bound."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sms.conversation import Answered, ProtocolViolation, Role, State, Unanswered
from sms.framing import FramingError
from sms.receipts import same_message_ids
from sms.smpp import receipts
from sms.smpp.pdus import Framer, Malformed, decode, encode
from sms.smpp.session import Session, Terms
from sms.smpp.vocabulary import BindTransceiver, BindTransceiverResp, DeliverSm, SubmitSm
from sms.text import Concat, ConcatKind, Part, Reassembler, split_header
from sms.text import decode as decode_text

COMMANDS = [0x01, 0x02, 0x04, 0x05, 0x06, 0x09, 0x15, 0x103]
COMMANDS += [command | 0x80000000 for command in COMMANDS] + [0x80000000, 0x0B, 0x102, 0xFFFFFFFF]


@st.composite
def frames(draw):
    """A header that is right and a body that is not."""
    body = draw(st.binary(max_size=120) | st.text("id:stadone1\0 ", max_size=60).map(str.encode))
    words = (16 + len(body), draw(st.sampled_from(COMMANDS)), draw(st.integers(0, 0xFF)), draw(st.integers(0, 9)))
    return b"".join(word.to_bytes(4, "big") for word in words) + body


@given(st.binary(max_size=300))
def test_any_octets_through_the_framer(data):
    framer = Framer(max_octets=100)
    try:
        for frame in framer.feed(data):
            assert 16 <= len(frame) <= 100
    except FramingError:
        return
    assert len(framer._rest) < 100 or int.from_bytes(framer._rest[:4], "big") <= 100


@given(frames())
@settings(max_examples=300)
def test_any_body_through_the_parser(frame):
    assert reads_or_answers(frame)


@given(st.binary(max_size=40))
def test_any_octets_through_the_parser(data):
    assert reads_or_answers(data)


def reads_or_answers(frame: bytes) -> bool:
    try:
        decode(frame)
    except Malformed as malformed:
        return malformed.command_status != 0
    return True


@given(st.lists(frames() | st.binary(max_size=30), max_size=8), st.booleans(), st.sampled_from(Role))
@settings(max_examples=300)
def test_any_conversation_through_a_session(pieces, is_bound, role):
    session = Session(role, 0.0, Terms(max_unacknowledged=3, max_pdu_octets=200))
    if role is Role.ESME:
        session.bind(BindTransceiver(system_id="z"), 0.0)
        if is_bound:
            session.receive(encode(BindTransceiverResp(system_id="S"), 1), 0.0)
    for now, piece in enumerate(pieces):
        events = session.receive(piece, float(now))
        if any(isinstance(event, ProtocolViolation) for event in events):
            assert session.state is State.CLOSED
        session.data_to_send()
        session.next_timer()
    session.handle_timer(1e6)
    session.connection_lost()
    assert session.state is State.CLOSED
    assert session.in_flight == 0


answers = st.tuples(
    st.sampled_from([0x80000000, 0x80000004, 0x80000005, 0x80000006, 0x80000009, 0x80000015]),
    st.sampled_from([0, 0x08, 0x58]),
    st.integers(0, 9),
    st.binary(max_size=12),
)


@given(st.lists(answers, max_size=20), st.integers(1, 4))
def test_whatever_is_answered_each_message_has_exactly_one_outcome(said, window):
    session = Session(Role.ESME, 0.0, Terms(window=window))
    session.bind(BindTransceiver(system_id="z"), 0.0)
    session.receive(encode(BindTransceiverResp(system_id="S"), 1), 0.0)
    sent = {session.send(SubmitSm(source="1", destination="2"), 0.0) for _ in range(window)}
    events = []
    for command, status, sequence, body in said:
        words = (16 + len(body), command, status, sequence)
        events += session.receive(b"".join(word.to_bytes(4, "big") for word in words) + body, 1.0)
    events += session.connection_lost()
    outcomes = [event.sequence for event in events if isinstance(event, Answered | Unanswered)]
    assert sorted(outcomes) == sorted(sent)


@given(st.binary(max_size=200) | st.text(max_size=120).map(str.encode), st.integers(0, 255), st.integers(0, 255))
def test_any_octets_as_a_receipt(body, coding, state):
    pdu = DeliverSm(esm_class=4, data_coding=coding, short_message=body, message_state=state)
    read = receipts.parse(pdu)
    assert read is None or read.message_id


@given(st.text("idstadoneretx: 0123456789DELIVRUN", max_size=120))
def test_any_text_like_a_receipt(body):
    read = receipts.parse(DeliverSm(esm_class=4, short_message=body.encode()))
    if read is not None:
        assert same_message_ids(read.message_id)


@given(st.text(max_size=80) | st.just("9" * 5000))
def test_any_message_id_has_forms(message_id):
    assert same_message_ids(message_id)


@given(st.binary(max_size=160), st.integers(0, 255))
def test_any_octets_as_text(octets, coding):
    assert isinstance(decode_text(octets, coding), str)
    concat, body = split_header(octets)
    assert octets.endswith(body)
    assert concat is None or 1 <= concat.number <= concat.total


parts = st.builds(
    Part,
    st.sampled_from(["1", "2"]),
    st.just("1069"),
    st.sampled_from([0, 8, 15]),
    st.binary(max_size=6),
    st.none() | st.builds(Concat, st.sampled_from(ConcatKind), st.integers(0, 2), st.integers(0, 4), st.integers(0, 4)),
)


@given(st.lists(st.tuples(parts, st.floats(0, 30)), max_size=40))
def test_any_parts_through_the_reassembler(arrivals):
    reassembler, now, given_out = Reassembler(patience_s=60, max_groups=3, max_octets=40), 0.0, 0
    for part, pause in arrivals:
        now += pause
        given_out += sum(len(joined.parts) for joined in reassembler.take(part, now))
        assert len(reassembler) <= 3
    given_out += sum(len(joined.parts) for joined in reassembler.handle_timer(now + 60))
    assert len(reassembler) == 0
    assert given_out <= len(arrivals)  # duplicates are dropped, nothing is given out twice
