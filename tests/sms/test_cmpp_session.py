"""A CMPP session read as a transcript: what goes in, what happens, what goes out."""

from datetime import UTC, datetime

import pytest

from sms.cmpp.moves import MAY_SEND
from sms.cmpp.pdus import HEADER, MAX_PDU_OCTETS, decode, encode
from sms.cmpp.session import Asked, ConnectRequested, Session, Terms
from sms.cmpp.statuses import OF_CONNECT, UNPROVEN
from sms.cmpp.vocabulary import (
    Account,
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    ConnectResp,
    Deliver,
    DeliverResp,
    Nack,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Version,
)
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
from sms.framing import Framer

V2, V3 = Version.V2, Version.V3
ACCOUNT = Account("900001", "888888")
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
HELLO_ID, REPLY_ID = "b2b9da8000010000", "b2b9da8000010001"
HELLO = Submit(account="900001", source="1069", destinations=("138",), content=b"\0h\0i")
REPLY = Deliver(message_id=REPLY_ID, source="138", destination="1069", content=b"\0001")
TERMS = Terms(
    window=2, response_s=10, connect_s=5, test_after_s=30, test_answer_s=5, tests=3, max_unacknowledged=3
)  # fmt: skip


def terms(**changes) -> Terms:
    return Terms(**({name: getattr(TERMS, name) for name in TERMS.__struct_fields__} | changes))


def sent(session: Session) -> list[tuple[int, object]]:
    frames = Framer(HEADER.size, MAX_PDU_OCTETS).feed(session.data_to_send())
    return [decode(frame, session.version) for frame in frames]


def introduction(version=V3):
    return ACCOUNT.introduction(NOON, version)


def welcome(connect, version=V3, width=4, **changes) -> ConnectResp:
    digest = ACCOUNT.gateway_digest(0, width, connect)
    return ConnectResp(**{"authenticator": digest, "version": version, **changes})


def connecting(terms=TERMS, **more) -> Session:
    """An SP whose CONNECT is on its way, with the first sequence number."""
    session = Session(Role.ESME, 0.0, terms, **more)
    connect = introduction(terms.version)
    session.connect(ACCOUNT, connect, 0.0)
    [(_, asked)] = sent(session)
    assert asked == connect
    assert session.state is State.BINDING
    return session


def sp(terms=TERMS, *, first_sequence=1) -> Session:
    """An SP connected at time 0."""
    session = connecting(terms, first_sequence=first_sequence)
    connect = introduction(terms.version)
    answer = encode(welcome(connect, terms.version), first_sequence, terms.version)
    assert session.receive(answer, 0.0) == [Bound(State.BOUND_TRX, f"CMPP {terms.version >> 4}.0")]
    return session


def ismg(terms=TERMS, version=V3) -> Session:
    """A gateway that has accepted an SP."""
    session, connect = Session(Role.SMSC, 0.0, terms), introduction(version)
    assert session.receive(encode(connect, 1, version), 0.0) == [ConnectRequested(1, connect)]
    assert session.accept(1, ACCOUNT, 0.0) == [Bound(State.BOUND_TRX, "900001")]
    session.data_to_send()
    return session


@pytest.mark.parametrize("version", Version)
def test_a_day_in_the_life_of_a_connection(version):
    us = connecting(terms(version=version))
    answer = encode(welcome(introduction(version), version), 1, version)
    assert us.receive(answer, 0.1) == [Bound(State.BOUND_TRX, f"CMPP {version >> 4}.0")]

    assert us.send(HELLO, 1.0) == 2
    assert sent(us) == [(2, HELLO)]
    taken = encode(SubmitResp(message_id=HELLO_ID), 2, version)
    assert us.receive(taken, 1.2) == [Answered(2, 0, HELLO_ID)]

    frame = encode(REPLY, 77, version)
    assert us.receive(frame, 2.0) == [Received(77, REPLY, frame)]
    assert sent(us) == []  # nothing is acknowledged before somebody has taken it
    us.acknowledge(77)
    assert sent(us) == [(77, DeliverResp(message_id=REPLY_ID))]

    assert us.receive(encode(ActiveTest(), 78, version), 3.0) == []
    assert sent(us) == [(78, ActiveTestResp())]

    us.unbind(4.0)
    assert sent(us) == [(3, Terminate())]
    assert us.receive(encode(TerminateResp(), 3, version), 4.1) == [Unbound(by_peer=False)]
    assert us.state is State.CLOSED
    assert us.next_timer() is None


def test_the_gateway_obeys_the_same_table():
    gateway = ismg()
    frame = encode(HELLO, 5, V3)
    assert gateway.receive(frame, 1.0) == [Received(5, HELLO, frame)]
    gateway.acknowledge(5, message_id=HELLO_ID)
    assert sent(gateway) == [(5, SubmitResp(message_id=HELLO_ID))]
    sequence = gateway.send(REPLY, 1.0)
    assert sent(gateway) == [(sequence, REPLY)]
    answer = encode(DeliverResp(message_id=REPLY_ID), sequence, V3)
    assert gateway.receive(answer, 1.1) == [Answered(sequence, 0, REPLY_ID)]
    with pytest.raises(IllegalMove):
        gateway.send(HELLO, 2.0)


@pytest.mark.parametrize(("ours", "theirs"), [(V2, V2), (V2, V3), (V3, V2), (V3, V3)])
def test_two_sessions_agree_on_the_lower_version_and_understand_each_other(ours, theirs):
    us, gateway = Session(Role.ESME, 0.0, Terms(version=ours)), Session(Role.SMSC, 0.0, Terms(version=theirs))
    us.connect(ACCOUNT, introduction(ours), 0.0)
    [request] = gateway.receive(us.data_to_send(), 0.0)
    assert isinstance(request, ConnectRequested)
    gateway.accept(request.sequence, ACCOUNT, 0.0)
    lower = min(ours, theirs)
    assert us.receive(gateway.data_to_send(), 0.0) == [Bound(State.BOUND_TRX, f"CMPP {lower >> 4}.0")]
    assert us.version is gateway.version is lower
    sequences = [us.send(HELLO, 0.0) for _ in range(16)]
    for event in gateway.receive(us.data_to_send(), 0.0):
        assert isinstance(event, Received)
        assert event.pdu == HELLO
        gateway.acknowledge(event.sequence, message_id=HELLO_ID)
    assert us.receive(gateway.data_to_send(), 0.0) == [Answered(n, 0, HELLO_ID) for n in sequences]


# ---- connecting


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 99])
def test_a_refused_connect_ends_the_session(status):
    us = connecting()
    refusal = encode(ConnectResp(status=status, version=V2), 1, V3)
    assert us.receive(refusal, 0.1) == [BindRefused(OF_CONNECT + status)]
    assert us.state is State.CLOSED


def test_a_refusal_in_the_fields_of_the_other_version_is_read_and_its_version_remembered():
    us = connecting()
    assert us.receive(encode(ConnectResp(status=4, version=0x20), 1, V2), 0.1) == [BindRefused(OF_CONNECT + 4)]
    assert us.offered is V2


@pytest.mark.parametrize("width", [1, 4])
def test_a_gateway_proves_itself_over_one_octet_of_status_or_four(width):
    us = connecting()
    [bound] = us.receive(encode(welcome(introduction(), width=width), 1, V3), 0.1)
    assert isinstance(bound, Bound)


@pytest.mark.parametrize("authenticator", [bytes(16), bytes(range(16))])
def test_a_gateway_that_cannot_prove_itself_is_left_again(authenticator):
    us = connecting()
    answer = encode(welcome(introduction(), authenticator=authenticator), 1, V3)
    assert us.receive(answer, 0.1) == [BindRefused(UNPROVEN)]
    assert us.state is State.CLOSED
    trusting = connecting(terms(is_proof_wanted=False))
    [bound] = trusting.receive(answer, 0.1)
    assert isinstance(bound, Bound)


def test_a_gateway_that_names_no_version_is_spoken_to_as_asked():
    us = connecting()
    us.receive(encode(welcome(introduction(), version=0), 1, V3), 0.1)
    assert us.version is V3
    higher = connecting(terms(version=V2))
    higher.receive(encode(welcome(introduction(V2), version=0x30), 1, V2), 0.1)
    assert higher.version is V2


def test_a_connect_that_the_peer_does_not_know_is_refused():
    assert connecting().receive(encode(Nack(), 1, V3), 0.1) == [BindRefused(OF_CONNECT + 5)]


def test_an_unanswered_connect_is_a_dead_link():
    us = connecting()
    assert us.next_timer() == 5.0
    assert us.handle_timer(4.9) == []
    assert us.handle_timer(5.0) == [LinkDead("no answer to CMPP_CONNECT")]


def test_who_opens_a_connection_and_says_nothing_is_hung_up_on():
    gateway = Session(Role.SMSC, 0.0, TERMS)
    assert gateway.next_timer() == 5.0
    assert gateway.handle_timer(5.0) == [LinkDead("no CMPP_CONNECT")]


@pytest.mark.parametrize(("asked", "octets"), [(V2, 30), (V3, 33)])
def test_a_gateway_refuses_in_the_fields_that_were_asked_for(asked, octets):
    gateway = Session(Role.SMSC, 0.0, TERMS)
    gateway.receive(encode(introduction(asked), 1, asked), 0.0)
    assert gateway.refuse(1, 3) == [BindRefused(OF_CONNECT + 3)]
    refusal = gateway.data_to_send()
    assert len(refusal) == octets
    assert decode(refusal, asked) == (1, ConnectResp(status=3, version=V3))


def test_a_gateway_of_2_0_says_so_to_whoever_asks_for_more():
    gateway = Session(Role.SMSC, 0.0, terms(version=V2))
    gateway.receive(encode(introduction(V3), 1, V3), 0.0)
    gateway.refuse(1, 4)
    assert decode(gateway.data_to_send(), V2) == (1, ConnectResp(status=4, version=V2))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", ["connect", "submit", "deliver", "terminate"])
def test_no_request_passes_where_the_table_does_not_allow_it(state, kind):
    request = {"connect": introduction(), "submit": HELLO, "deliver": REPLY, "terminate": Terminate()}[kind]
    gateway = Session(Role.SMSC, 0.0, TERMS)
    gateway.state = state
    events = gateway.receive(encode(request, 9, V3), 0.0)
    if type(request) not in MAY_SEND[state][Role.ESME.value]:
        assert not any(isinstance(event, Received | ConnectRequested | Unbound) for event in events)
    if state is State.CLOSED:
        assert (events, sent(gateway)) == ([], [])


def test_a_second_connect_is_refused_and_the_first_stands():
    gateway = ismg()
    assert gateway.receive(encode(introduction(), 2, V3), 0.0) == [Rejected(2, 1, 5)]
    assert sent(gateway) == [(2, ConnectResp(status=5))]
    assert gateway.state is State.BOUND_TRX


def test_nothing_is_submitted_before_the_gateway_has_agreed():
    us = connecting()
    assert (us.can_send, us.room) == (False, 0)
    with pytest.raises(IllegalMove, match="ESME may not send CMPP_SUBMIT while binding"):
        us.send(HELLO, 0.0)
    gateway = Session(Role.SMSC, 0.0, TERMS)
    assert gateway.receive(encode(HELLO, 3, V3), 0.0) == [Rejected(3, 4, 2)]
    assert sent(gateway) == [(3, SubmitResp(status=2))]


# ---- window, sequence numbers, outcomes


def test_the_window_is_full_until_an_answer_comes():
    us = sp()
    first = us.send(HELLO, 0.0)
    us.send(HELLO, 0.0)
    assert (us.in_flight, us.room) == (2, 0)
    with pytest.raises(WindowFull):
        us.send(HELLO, 0.0)
    us.receive(encode(SubmitResp(), first, V3), 0.0)
    assert us.room == 1


def test_answers_may_come_in_any_order():
    us = sp()
    first, second = us.send(HELLO, 0.0), us.send(HELLO, 0.0)
    answers = [encode(SubmitResp(message_id=HELLO_ID), number, V3) for number in (second, first)]
    assert us.receive(b"".join(answers), 0.1) == [Answered(second, 0, HELLO_ID), Answered(first, 0, HELLO_ID)]


def test_sequence_numbers_go_round_past_those_in_flight():
    us = sp(terms(window=10), first_sequence=0x7FFFFFFC)
    assert [us.send(HELLO, 0.0) for _ in range(4)] == [0x7FFFFFFD, 0x7FFFFFFE, 0x7FFFFFFF, 1]
    again = sp(terms(window=10), first_sequence=0x7FFFFFFC)
    again._in_flight = {1: 99.0, 2: 99.0}
    assert [again.send(HELLO, 0.0) for _ in range(4)] == [0x7FFFFFFD, 0x7FFFFFFE, 0x7FFFFFFF, 3]


def test_a_refused_submission_is_answered_with_its_result():
    us = sp()
    sequence = us.send(HELLO, 0.0)
    assert us.receive(encode(SubmitResp(status=8), sequence, V3), 0.1) == [Answered(sequence, 8, "0" * 16)]


def test_what_is_not_even_recognised_is_refused_not_accepted():
    us = sp()
    sequence = us.send(HELLO, 0.0)
    assert us.receive(encode(Nack(), sequence, V3), 0.1) == [Answered(sequence, 2, "")]


def test_a_message_without_answer_is_unknown_is_not_repeated_and_its_late_answer_a_stray():
    us = sp()
    first = us.send(HELLO, 1.0)
    second = us.send(HELLO, 2.0)
    sent(us)
    assert us.next_timer() == 11.0
    assert us.handle_timer(11.0) == [Unanswered(first, "no response in time")]
    assert us.handle_timer(12.0) == [Unanswered(second, "no response in time")]
    assert us.room == 2
    assert sent(us) == []
    late = encode(SubmitResp(message_id=HELLO_ID), first, V3)
    assert us.receive(late, 13.0) == [Stray(first, SubmitResp.command_id)]


def test_what_is_in_flight_when_the_connection_ends_is_unknown():
    us = sp()
    sequence = us.send(HELLO, 1.0)
    assert us.connection_lost() == [Unanswered(sequence, "the connection ended"), LinkDead("the connection ended")]
    assert us.connection_lost() == []


# ---- is anybody there


def test_silence_is_questioned_three_times_before_the_peer_is_given_up():
    us = sp()
    assert us.next_timer() == 30.0
    assert us.handle_timer(29.9) == []
    assert sent(us) == []
    for asked_at in (30.0, 35.0, 40.0):
        assert us.handle_timer(asked_at) == []
        [(_, asked)] = sent(us)
        assert asked == ActiveTest()
        assert us.next_timer() == asked_at + 5.0
    unknown = us.send(HELLO, 41.0)
    assert us.handle_timer(45.0) == [
        Unanswered(unknown, "no answer to CMPP_ACTIVE_TEST"),
        LinkDead("no answer to CMPP_ACTIVE_TEST"),
    ]
    assert us.state is State.CLOSED


def test_one_answer_makes_good_for_the_tests_that_got_none():
    us = sp()
    us.handle_timer(30.0)
    us.handle_timer(35.0)
    (_, _), (sequence, _) = sent(us)
    assert us.receive(encode(ActiveTestResp(), sequence, V3), 36.0) == []
    assert us.next_timer() == 66.0
    for asked_at in (66.0, 71.0, 76.0):
        assert us.handle_timer(asked_at) == []
    assert us.handle_timer(81.0) == [LinkDead("no answer to CMPP_ACTIVE_TEST")]


def test_a_test_may_be_answered_late():
    us = sp()
    us.handle_timer(30.0)
    [(sequence, _)] = sent(us)
    us.handle_timer(35.0)
    assert us.receive(encode(ActiveTestResp(), sequence, V3), 36.0) == [Stray(sequence, ActiveTestResp.command_id)]


def test_a_peer_that_talks_but_never_answers_is_dead():
    us = sp()
    for second in range(1, 45):
        us.receive(encode(ActiveTest(), second, V3), float(second))
        us.handle_timer(float(second))
    assert us.handle_timer(45.0) == [LinkDead("no answer to CMPP_ACTIVE_TEST")]


def test_answered_messages_are_sign_of_life_enough():
    us = sp()
    us.receive(encode(SubmitResp(), us.send(HELLO, 25.0), V3), 26.0)
    assert us.next_timer() == 56.0


def test_the_gateway_asks_too():
    gateway = ismg()
    gateway.handle_timer(30.0)
    assert [pdu for _, pdu in sent(gateway)] == [ActiveTest()]


def test_either_may_ask_before_the_connect():
    gateway = Session(Role.SMSC, 0.0, TERMS)
    assert gateway.receive(encode(ActiveTest(), 1, V3), 0.0) == []
    assert sent(gateway) == [(1, ActiveTestResp())]


# ---- queries and cancellations


def test_a_query_and_a_cancellation_are_put_to_the_gateway_and_answered_once():
    gateway = ismg()
    query, cancel = Query(day="20261122"), Cancel(message_id=HELLO_ID)
    events = gateway.receive(encode(query, 5, V3) + encode(cancel, 6, V3), 0.0)
    assert events == [Asked(5, query), Asked(6, cancel)]
    gateway.answer(6, CancelResp(status=1))
    gateway.answer(5, QueryResp(day="20261122", submitted=3))
    gateway.answer(5, QueryResp())
    assert sent(gateway) == [(6, CancelResp(status=1)), (5, QueryResp(day="20261122", submitted=3))]


def test_a_gateway_that_queries_us_is_told_no():
    us = sp()
    octets = encode(Query(day="20261122"), 5, V3) + encode(Cancel(message_id=HELLO_ID), 6, V3)
    assert us.receive(octets, 0.0) == [Rejected(5, 6, 2), Rejected(6, 7, 2)]
    assert sent(us) == [(5, Nack()), (6, CancelResp(status=1))]


# ---- leaving


def test_the_peer_may_leave():
    us = sp()
    sequence = us.send(HELLO, 0.0)
    sent(us)
    events = us.receive(encode(Terminate(), 9, V3), 1.0)
    assert events == [Unanswered(sequence, "the session ended"), Unbound(by_peer=True)]
    assert sent(us) == [(9, TerminateResp())]
    us.acknowledge(77)  # whoever still works on something finds nobody to tell
    assert sent(us) == []


def test_a_peer_that_ignores_our_goodbye_does_not_hold_us():
    us = sp()
    us.unbind(0.0)
    assert us.next_timer() == 5.0
    assert us.handle_timer(5.0) == [LinkDead("no answer to CMPP_TERMINATE")]


def test_while_leaving_new_messages_are_turned_away_and_old_ones_answered():
    us = sp()
    us.receive(encode(REPLY, 7, V3), 0.0)
    us.unbind(0.0)
    sent(us)
    us.acknowledge(7)
    assert us.receive(encode(REPLY, 8, V3), 0.0) == [Rejected(8, 5, 2)]
    assert sent(us) == [(7, DeliverResp(message_id=REPLY_ID)), (8, DeliverResp(status=2))]
    with pytest.raises(IllegalMove):
        us.send(HELLO, 0.0)


# ---- nonsense from the peer


def test_an_unknown_request_is_nacked_and_an_unknown_answer_is_not():
    us = sp()
    assert us.receive(bytes.fromhex("0000000c 00000009 00000009"), 0.0) == [Rejected(9, 9, 2)]
    assert sent(us) == [(9, Nack())]
    assert us.receive(bytes.fromhex("0000000c 80000009 00000009"), 0.0) == [Stray(9, 0x80000009)]
    assert us.receive(encode(QueryResp(), 4, V3), 0.0) == [Stray(4, QueryResp.command_id)]
    assert sent(us) == []


def test_a_malformed_request_is_answered_and_the_session_goes_on():
    us = sp()
    assert us.receive(bytes.fromhex("0000000d 00000005 00000009 00"), 0.0) == [Rejected(9, 5, 1)]
    assert sent(us) == [(9, DeliverResp(status=1))]
    assert us.receive(bytes.fromhex("0000000d 80000004 00000009 00"), 0.0) == [Stray(9, SubmitResp.command_id)]
    assert sent(us) == []
    assert us.state is State.BOUND_TRX


@pytest.mark.parametrize("garbage", [b"\x7f\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", bytes(12)])
def test_garbage_ends_the_session(garbage):
    us = sp()
    us.send(HELLO, 0.0)
    sent(us)
    events = us.receive(encode(ActiveTest(), 5, V3) + garbage, 0.0)
    assert isinstance(events[0], Unanswered)
    assert isinstance(events[-1], ProtocolViolation)
    assert us.state is State.CLOSED
    assert sent(us) == [(5, ActiveTestResp())]  # CMPP has no answer to what cannot be read
    assert us.receive(encode(ActiveTest(), 6, V3), 0.0) == []


def test_an_impatient_peer_is_answered_once():
    us = sp()
    assert len(us.receive(encode(REPLY, 7, V3) * 2, 0.0)) == 1
    us.acknowledge(7)
    us.acknowledge(7)
    assert sent(us) == [(7, DeliverResp(message_id=REPLY_ID))]


@pytest.mark.parametrize("status", [8, 0x64, 0x400])
def test_what_was_not_taken_is_refused_by_flow_control_whatever_the_reason(status):
    us = sp(terms(version=V2))
    us.receive(encode(REPLY, 7, V2), 0.0)
    us.acknowledge(7, status)
    assert sent(us) == [(7, DeliverResp(message_id=REPLY_ID, status=8))]


def test_a_peer_that_does_not_wait_for_answers_is_slowed_down():
    us = sp()
    events = us.receive(b"".join(encode(REPLY, n, V3) for n in range(1, 6)), 0.0)
    assert [type(event) for event in events] == [Received, Received, Received, Rejected, Rejected]
    assert sent(us) == [(n, DeliverResp(status=8, message_id=REPLY_ID)) for n in (4, 5)]
