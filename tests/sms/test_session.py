"""A session read as a transcript: what goes in, what happens, what goes out."""

import pytest

from sms.conversation import (
    Answered,
    BindRefused,
    Bound,
    IllegalMove,
    LinkDead,
    ProtocolViolation,
    Received,
    Rejected,
    Role,
    State,
    Stray,
    Unanswered,
    Unbound,
    WindowFull,
)
from sms.smpp.moves import MAY_SEND
from sms.smpp.pdus import Framer, decode, encode
from sms.smpp.session import BindRequested, Session, Terms
from sms.smpp.vocabulary import (
    BindReceiver,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)

BIND = BindTransceiver(system_id="zhangban", password="secret")
HELLO = SubmitSm(source="1069", destination="138", short_message=b"hello")
REPLY = DeliverSm(source="138", destination="1069", short_message=b"1 12345")
TERMS = Terms(window=2, response_s=10, bind_s=5, enquire_after_s=30, enquire_answer_s=5, max_unacknowledged=3)


def sent(session: Session) -> list[tuple[int, object]]:
    return [decode(frame) for frame in Framer().feed(session.data_to_send())]


def esme(bind=BIND, *, terms: Terms = TERMS, **more) -> Session:
    """An ESME bound at time 0, its bind with the first sequence number."""
    session = Session(Role.ESME, 0.0, terms, **more)
    session.bind(bind, 0.0)
    [(sequence, asked)] = sent(session)
    assert asked == bind
    assert session.state is State.BINDING
    [bound] = session.receive(encode(bind.response(system_id="SMSC"), sequence), 0.0)
    assert isinstance(bound, Bound)
    return session


def smsc(bind=BIND) -> Session:
    session = Session(Role.SMSC, 0.0, TERMS)
    assert session.receive(encode(bind, 1), 0.0) == [BindRequested(1, bind)]
    session.accept(1, "SMSC", 0.0)
    assert sent(session) == [(1, bind.response(system_id="SMSC"))]
    return session


def test_a_day_in_the_life_of_a_link():
    us = Session(Role.ESME, 0.0, TERMS)
    us.bind(BIND, 0.0)
    assert sent(us) == [(1, BIND)]
    assert us.receive(encode(BindTransceiverResp(system_id="SMSC"), 1), 0.1) == [Bound(State.BOUND_TRX, "SMSC")]

    assert us.send(HELLO, 1.0) == 2
    assert sent(us) == [(2, HELLO)]
    assert us.receive(encode(SubmitSmResp(message_id="A1"), 2), 1.2) == [Answered(2, 0, "A1")]

    frame = encode(REPLY, 77)
    assert us.receive(frame, 2.0) == [Received(77, REPLY, frame)]
    assert sent(us) == []  # nothing is acknowledged before somebody has taken it
    us.acknowledge(77)
    assert sent(us) == [(77, DeliverSmResp())]

    assert us.receive(encode(EnquireLink(), 78), 3.0) == []
    assert sent(us) == [(78, EnquireLinkResp())]

    us.unbind(4.0)
    assert sent(us) == [(3, Unbind())]
    assert us.receive(encode(UnbindResp(), 3), 4.1) == [Unbound(by_peer=False)]
    assert us.state is State.CLOSED
    assert us.next_timer() is None


def test_the_other_end_obeys_the_same_table():
    carrier = smsc()
    frame = encode(HELLO, 5)
    assert carrier.receive(frame, 1.0) == [Received(5, HELLO, frame)]
    carrier.acknowledge(5, message_id="A1")
    assert sent(carrier) == [(5, SubmitSmResp(message_id="A1"))]
    sequence = carrier.send(REPLY, 1.0)
    assert sent(carrier) == [(sequence, REPLY)]
    assert carrier.receive(encode(DeliverSmResp(), sequence), 1.1) == [Answered(sequence, 0, "")]
    with pytest.raises(IllegalMove):
        carrier.send(HELLO, 2.0)


def test_two_sessions_understand_each_other():
    us, carrier = Session(Role.ESME, 0.0), Session(Role.SMSC, 0.0)
    us.bind(BIND, 0.0)
    [request] = carrier.receive(us.data_to_send(), 0.0)
    assert isinstance(request, BindRequested)
    carrier.accept(request.sequence, "SMSC", 0.0)
    assert us.receive(carrier.data_to_send(), 0.0) == [Bound(State.BOUND_TRX, "SMSC")]
    sequences = [us.send(HELLO, 0.0) for _ in range(16)]
    for event in carrier.receive(us.data_to_send(), 0.0):
        assert isinstance(event, Received)
        carrier.acknowledge(event.sequence, message_id=f"M{event.sequence}")
    assert us.receive(carrier.data_to_send(), 0.0) == [Answered(n, 0, f"M{n}") for n in sequences]


# ---- binding


def test_a_refused_bind_ends_the_session():
    us = Session(Role.ESME, 0.0, TERMS)
    us.bind(BIND, 0.0)
    assert us.receive(encode(BindTransceiverResp(status=0x0E), 1), 0.1) == [BindRefused(0x0E)]
    assert us.state is State.CLOSED


def test_a_bind_that_the_peer_does_not_know_is_refused():
    us = Session(Role.ESME, 0.0, TERMS)
    us.bind(BIND, 0.0)
    assert us.receive(encode(GenericNack(status=0x03), 1), 0.1) == [BindRefused(0x03)]


def test_an_unanswered_bind_is_a_dead_link():
    us = Session(Role.ESME, 0.0, TERMS)
    us.bind(BIND, 0.0)
    assert us.next_timer() == 5.0
    assert us.handle_timer(4.9) == []
    assert us.handle_timer(5.0) == [LinkDead("no answer to bind_transceiver")]


def test_who_connects_and_never_binds_is_hung_up_on():
    carrier = Session(Role.SMSC, 0.0, TERMS)
    assert carrier.next_timer() == 5.0
    assert carrier.handle_timer(5.0) == [LinkDead("no bind")]


def test_the_smsc_refuses_a_password():
    carrier = Session(Role.SMSC, 0.0, TERMS)
    carrier.receive(encode(BIND, 1), 0.0)
    assert carrier.refuse(1, 0x0E) == [BindRefused(0x0E)]
    assert sent(carrier) == [(1, BindTransceiverResp(status=0x0E))]


@pytest.mark.parametrize(
    ("bind", "sends", "receives"),
    [
        (BindTransmitter(system_id="z"), True, False),
        (BindReceiver(system_id="z"), False, True),
        (BIND, True, True),
    ],
)
def test_a_bind_allows_what_it_says(bind, sends, receives):
    us = esme(bind)
    assert us.can_send is sends
    if not sends:
        assert us.room == 0
        with pytest.raises(IllegalMove, match="ESME may not send submit_sm while bound for receiving"):
            us.send(HELLO, 0.0)
    [event] = us.receive(encode(REPLY, 9), 0.0)
    assert isinstance(event, Received) is receives
    if not receives:
        assert event == Rejected(9, DeliverSm.command_id, 0x04)
        assert sent(us) == [(9, DeliverSmResp(status=0x04))]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", [BindTransceiver, SubmitSm, DeliverSm, Unbind])
def test_no_request_passes_where_the_table_does_not_allow_it(state, kind):
    request = kind(system_id="z") if kind is BindTransceiver else kind()
    carrier = Session(Role.SMSC, 0.0, TERMS)
    carrier.state = state
    events = carrier.receive(encode(request, 9), 0.0)
    if kind not in MAY_SEND[state][Role.ESME.value]:
        assert not any(isinstance(event, Received | BindRequested | Unbound) for event in events)
    if state is State.CLOSED:
        assert (events, sent(carrier)) == ([], [])


def test_a_second_bind_is_told_that_it_is_bound():
    carrier = smsc()
    assert carrier.receive(encode(BIND, 2), 0.0) == [Rejected(2, BIND.command_id, 0x05)]
    assert sent(carrier) == [(2, BindTransceiverResp(status=0x05))]


# ---- window, sequence numbers, outcomes


def test_the_window_is_full_until_an_answer_comes():
    us = esme()
    first = us.send(HELLO, 0.0)
    us.send(HELLO, 0.0)
    assert (us.in_flight, us.room) == (2, 0)
    with pytest.raises(WindowFull):
        us.send(HELLO, 0.0)
    us.receive(encode(SubmitSmResp(message_id="1"), first), 0.0)
    assert us.room == 1


def test_answers_may_come_in_any_order():
    us = esme()
    first, second = us.send(HELLO, 0.0), us.send(HELLO, 0.0)
    answers = encode(SubmitSmResp(message_id="B"), second) + encode(SubmitSmResp(message_id="A"), first)
    assert us.receive(answers, 0.1) == [Answered(second, 0, "B"), Answered(first, 0, "A")]


def test_sequence_numbers_go_round_past_those_in_flight():
    us = esme(terms=Terms(window=10), first_sequence=0x7FFFFFFC)
    assert [us.send(HELLO, 0.0) for _ in range(4)] == [0x7FFFFFFD, 0x7FFFFFFE, 0x7FFFFFFF, 1]
    again = esme(terms=Terms(window=10), first_sequence=0x7FFFFFFC)
    again._in_flight = {1: 99.0, 2: 99.0}
    assert [again.send(HELLO, 0.0) for _ in range(4)] == [0x7FFFFFFD, 0x7FFFFFFE, 0x7FFFFFFF, 3]


def test_a_throttled_message_is_answered_with_its_status():
    us = esme()
    sequence = us.send(HELLO, 0.0)
    assert us.receive(encode(SubmitSmResp(status=0x58), sequence), 0.1) == [Answered(sequence, 0x58, "")]


def test_a_generic_nack_refuses_the_message_it_names():
    us = esme()
    sequence = us.send(HELLO, 0.0)
    assert us.receive(encode(GenericNack(status=0x03), sequence), 0.1) == [Answered(sequence, 0x03, "")]
    sequence = us.send(HELLO, 0.0)
    # Never "accepted", even if the peer forgot to write a status.
    assert us.receive(encode(GenericNack(), sequence), 0.1) == [Answered(sequence, 0x08, "")]


def test_a_message_without_answer_is_unknown_and_its_late_answer_a_stray():
    us = esme()
    first = us.send(HELLO, 1.0)
    second = us.send(HELLO, 2.0)
    assert us.next_timer() == 11.0
    assert us.handle_timer(11.0) == [Unanswered(first, "no response in time")]
    assert us.handle_timer(12.0) == [Unanswered(second, "no response in time")]
    assert us.room == 2
    assert us.receive(encode(SubmitSmResp(message_id="1"), first), 13.0) == [Stray(first, SubmitSmResp.command_id)]


def test_what_is_in_flight_when_the_connection_ends_is_unknown():
    us = esme()
    sequence = us.send(HELLO, 1.0)
    assert us.connection_lost() == [Unanswered(sequence, "the connection ended"), LinkDead("the connection ended")]
    assert us.connection_lost() == []


# ---- is anybody there


def test_silence_is_questioned_and_the_answer_checked():
    us = esme()
    assert us.next_timer() == 30.0
    assert us.handle_timer(29.9) == []
    assert sent(us) == []
    us.handle_timer(30.0)
    [(sequence, asked)] = sent(us)
    assert asked == EnquireLink()
    assert us.next_timer() == 35.0
    us.receive(encode(EnquireLinkResp(), sequence), 31.0)
    assert us.next_timer() == 61.0


def test_a_peer_that_does_not_answer_the_question_is_dead():
    us = esme()
    unknown = us.send(HELLO, 29.0)
    us.handle_timer(30.0)
    assert us.handle_timer(35.0) == [
        Unanswered(unknown, "no answer to enquire_link"),
        LinkDead("no answer to enquire_link"),
    ]
    assert us.state is State.CLOSED


def test_a_peer_that_talks_but_never_answers_is_dead():
    us = esme()
    for second in range(1, 30):
        us.receive(encode(EnquireLink(), second), float(second))
    us.handle_timer(30.0)
    us.receive(encode(EnquireLink(), 99), 34.0)
    assert LinkDead("no answer to enquire_link") in us.handle_timer(35.0)


def test_answered_messages_are_sign_of_life_enough():
    us = esme()
    us.receive(encode(SubmitSmResp(message_id="1"), us.send(HELLO, 25.0)), 26.0)
    assert us.next_timer() == 56.0


# ---- leaving


def test_the_peer_may_leave():
    us = esme()
    sequence = us.send(HELLO, 0.0)
    sent(us)
    assert us.receive(encode(Unbind(), 9), 1.0) == [Unanswered(sequence, "the session ended"), Unbound(by_peer=True)]
    assert sent(us) == [(9, UnbindResp())]
    us.acknowledge(77)  # whoever still works on something finds nobody to tell
    assert sent(us) == []


def test_a_peer_that_ignores_our_unbind_does_not_hold_us():
    us = esme()
    us.unbind(0.0)
    assert us.next_timer() == 5.0
    assert us.handle_timer(5.0) == [LinkDead("no answer to unbind")]


def test_while_unbinding_new_messages_are_turned_away_and_old_ones_answered():
    us = esme()
    us.receive(encode(REPLY, 7), 0.0)
    us.unbind(0.0)
    sent(us)
    us.acknowledge(7)
    us.receive(encode(REPLY, 8), 0.0)
    assert sent(us) == [(7, DeliverSmResp()), (8, DeliverSmResp(status=0x04))]
    with pytest.raises(IllegalMove):
        us.send(HELLO, 0.0)


# ---- nonsense from the peer


def test_an_unknown_request_is_nacked_and_an_unknown_answer_is_not():
    us = esme()
    assert us.receive(bytes.fromhex("00000010 00000103 00000000 00000009"), 0.0) == [Rejected(9, 0x103, 0x03)]
    assert sent(us) == [(9, GenericNack(status=0x03))]
    assert us.receive(bytes.fromhex("00000010 80000103 00000000 00000009"), 0.0) == [Stray(9, 0x80000103)]
    assert us.receive(bytes.fromhex("00000010 00000102 00000000 00000009"), 0.0) == [Stray(9, 0x102)]
    assert sent(us) == []


def test_a_malformed_request_is_answered_and_the_session_goes_on():
    us = esme()
    assert us.receive(bytes.fromhex("00000011 00000005 00000000 00000009 00"), 0.0) == [Rejected(9, 5, 0x02)]
    assert sent(us) == [(9, DeliverSmResp(status=0x02))]
    assert us.state is State.BOUND_TRX


@pytest.mark.parametrize("garbage", [b"\x7f\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", bytes(16)])
def test_garbage_ends_the_session(garbage):
    us = esme()
    us.send(HELLO, 0.0)
    sent(us)
    events = us.receive(encode(EnquireLink(), 5) + garbage, 0.0)
    assert isinstance(events[0], Unanswered)
    assert isinstance(events[-1], ProtocolViolation)
    assert us.state is State.CLOSED
    assert sent(us) == [(5, EnquireLinkResp()), (0, GenericNack(status=0x02))]
    assert us.receive(encode(EnquireLink(), 6), 0.0) == []


def test_an_impatient_peer_is_answered_once():
    us = esme()
    assert len(us.receive(encode(REPLY, 7) + encode(REPLY, 7), 0.0)) == 1
    us.acknowledge(7)
    us.acknowledge(7)
    assert sent(us) == [(7, DeliverSmResp())]


def test_a_peer_that_does_not_wait_for_answers_is_slowed_down():
    us = esme()
    events = us.receive(b"".join(encode(REPLY, n) for n in range(1, 6)), 0.0)
    assert [type(event) for event in events] == [Received, Received, Received, Rejected, Rejected]
    assert sent(us) == [(4, DeliverSmResp(status=0x58)), (5, DeliverSmResp(status=0x58))]
