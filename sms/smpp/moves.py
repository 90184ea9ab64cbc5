"""Which PDU may pass in which state of an SMPP session: the states, the roles, one table.

Holds SMPP 3.4 §2.2 and table 2-1. Rule: session.py asks this table before it sends and before it believes.
"""

from collections.abc import Mapping

from sms.conversation import State
from sms.smpp.vocabulary import (
    BINDS,
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
    Pdu,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)

Kinds = frozenset[type[Pdu]]
_ALIVE: Kinds = frozenset({EnquireLink, EnquireLinkResp, GenericNack})
_LEAVE: Kinds = frozenset({Unbind, UnbindResp})
_BINDS: Kinds = frozenset(BINDS)
_BIND_RESPS: Kinds = frozenset({BindTransmitterResp, BindReceiverResp, BindTransceiverResp})

#: Who may send what, by state and by Role: (the ESME, the SMSC). Source: SMPP 3.4 table 2-1, and enquire_link before
#: the bind, which 3.4 forbids and peers do all the same.
MAY_SEND: Mapping[State, tuple[Kinds, Kinds]] = {
    State.OPEN: (_ALIVE | _BINDS, _ALIVE),
    State.BINDING: (_ALIVE, _ALIVE | _BIND_RESPS),
    State.BOUND_TX: (_ALIVE | _LEAVE | {SubmitSm}, _ALIVE | _LEAVE | {SubmitSmResp}),
    State.BOUND_RX: (_ALIVE | _LEAVE | {DeliverSmResp}, _ALIVE | _LEAVE | {DeliverSm}),
    State.BOUND_TRX: (_ALIVE | _LEAVE | {SubmitSm, DeliverSmResp}, _ALIVE | _LEAVE | {SubmitSmResp, DeliverSm}),
    # Answers to what was already under way may still pass; new traffic may not.
    State.UNBINDING: (_ALIVE | _LEAVE | {DeliverSmResp}, _ALIVE | _LEAVE | {SubmitSmResp}),
    State.CLOSED: (frozenset(), frozenset()),
}

BOUND_AS: Mapping[type[Pdu], State] = {
    BindTransmitter: State.BOUND_TX,
    BindReceiver: State.BOUND_RX,
    BindTransceiver: State.BOUND_TRX,
}
#: outbind and alert_notification have no response, not even generic_nack.
NEVER_ANSWERED = frozenset({0x0B, 0x102})
