"""Which message may pass in which state of a CMPP session: the states, the roles, one table.

Holds CMPP 3.0 §6 (long connection). There is one kind of connection, which serves both directions.
Rule: session.py asks this table before it sends and before it believes.
"""

from collections.abc import Mapping

from sms.cmpp.vocabulary import (
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Nack,
    Pdu,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
)
from sms.conversation import Role, State

Kinds = frozenset[type[Pdu]]
_ALIVE: Kinds = frozenset({ActiveTest, ActiveTestResp, Nack})
_LEAVE: Kinds = frozenset({Terminate, TerminateResp})
_ANSWERS: Kinds = frozenset({SubmitResp, QueryResp, CancelResp})

#: Who may send what, by state: (the SP, the ISMG). Either may ask whether the other is there before CONNECT.
MAY_SEND: Mapping[State, tuple[Kinds, Kinds]] = {
    State.OPEN: (_ALIVE | _LEAVE | {Connect}, _ALIVE | _LEAVE),
    State.BINDING: (_ALIVE | _LEAVE, _ALIVE | _LEAVE | {ConnectResp}),
    State.BOUND_TRX: (
        _ALIVE | _LEAVE | {Submit, Query, Cancel, DeliverResp},
        _ALIVE | _LEAVE | _ANSWERS | {Deliver},
    ),
    # Answers to what was already under way may still pass; new traffic may not.
    State.UNBINDING: (_ALIVE | _LEAVE | {DeliverResp}, _ALIVE | _LEAVE | _ANSWERS),
    State.CLOSED: (frozenset(), frozenset()),
    # SMPP's. Nobody comes here.
    State.BOUND_TX: (frozenset(), frozenset()),
    State.BOUND_RX: (frozenset(), frozenset()),
}


def may_send(role: Role, state: State, kind: type[Pdu]) -> bool:
    return kind in MAY_SEND[state][role]
