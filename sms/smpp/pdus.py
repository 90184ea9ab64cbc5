"""The octets of SMPP 3.4 PDUs: framing, encoding, decoding.

smpplib is the codec; nothing else of the office imports it. The four PDUs that carry the traffic (submit_sm and
deliver_sm with their responses) have a fast path of our own, which a property test holds identical to smpplib.
What smpplib would do wrongly is done here: over-long fields are refused instead of cut, lengths are checked before
parsing, a vendor's TLV is skipped, an unknown command becomes a value.
Limits: of the optional parameters (TLVs) only those that `SubmitSm` and `DeliverSm` name are read.
"""

import re
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from msgspec.structs import replace
from smpplib import smpp

from sms import framing
from sms.conversation import ROK, FieldRefused
from sms.smpp.vocabulary import (
    BINDS,
    Bind,
    BindReceiverResp,
    BindResp,
    BindTransceiverResp,
    BindTransmitterResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    Sar,
    ShortMessage,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    Unknown,
)

HEADER = struct.Struct(">LLLL")
_TLV = struct.Struct(">HH")
#: 64 KiB: the longest message_payload is that, and no gateway sends one.
MAX_PDU_OCTETS: Final = 1 << 16
MAX_MESSAGE_OCTETS: Final = 254
#: Leaves room for the other fields within the 16-bit length of a TLV and within MAX_PDU_OCTETS.
MAX_PAYLOAD_OCTETS: Final = 60_000

RINVMSGLEN, RINVCMDLEN, RINVOPTPARSTREAM, RINVPARLEN = 0x01, 0x02, 0xC0, 0xC2


class Malformed(Exception):
    """The peer's fault. `command_status` is the answer it gets."""

    def __init__(self, command_id: int, sequence: int, command_status: int, why: str) -> None:
        super().__init__(f"PDU {command_id:#010x}: {why} (answered {command_status:#04x})")
        self.command_id, self.sequence, self.command_status, self.why = command_id, sequence, command_status, why


_COLD: tuple[type[Pdu], ...] = (
    *BINDS,
    BindTransmitterResp,
    BindReceiverResp,
    BindTransceiverResp,
    EnquireLink,
    EnquireLinkResp,
    Unbind,
    UnbindResp,
    GenericNack,
)
_HOT: tuple[type[Pdu], ...] = (SubmitSm, SubmitSmResp, DeliverSm, DeliverSmResp)
_BY_ID: Mapping[int, type[Pdu]] = {kind.command_id: kind for kind in (*_COLD, *_HOT)}


# --------------------------------------------------------------------------------------------------------- framing


class Framer(framing.Framer):
    """Cuts a stream into PDUs."""

    def __init__(self, max_octets: int = MAX_PDU_OCTETS) -> None:
        super().__init__(HEADER.size, max_octets)


# -------------------------------------------------------------------------------------------------------- encoding


def encode(pdu: Pdu, sequence: int) -> bytes:
    """The octets of `pdu`. Raises FieldRefused; never cuts a field."""
    if isinstance(pdu, ShortMessage):
        return _encode_message(pdu, sequence)
    if isinstance(pdu, _TRAFFIC_RESPS):
        body = _c_string("message_id", pdu.message_id, 64)
        return HEADER.pack(16 + len(body), pdu.command_id, pdu.status, sequence) + body
    if isinstance(pdu, Bind):
        for field, limit in _BIND_LIMITS:
            _c_string(field, getattr(pdu, field), limit)
    if isinstance(pdu, BindResp):
        _c_string("system_id", pdu.system_id, 15)
    return encode_by_smpplib(pdu, sequence)


_TRAFFIC_RESPS = (SubmitSmResp, DeliverSmResp)  # not `A | B`, which Python would build anew for every PDU
_BIND_LIMITS = (("system_id", 15), ("password", 8), ("system_type", 12), ("address_range", 40))


def _encode_message(pdu: ShortMessage, sequence: int) -> bytes:
    message = pdu.short_message
    if len(message) > MAX_MESSAGE_OCTETS:
        raise FieldRefused(field="short_message", limit=MAX_MESSAGE_OCTETS)
    if pdu.message_payload and (message or len(pdu.message_payload) > MAX_PAYLOAD_OCTETS):
        raise FieldRefused(field="message_payload", limit=0 if message else MAX_PAYLOAD_OCTETS)
    try:
        body = b"%b%c%c%b%c%c%b%c%c%c%b%b%c%c%c%c%c%b%b" % (
            _c_string("service_type", pdu.service_type, 5),
            pdu.source_ton,
            pdu.source_npi,
            _c_string("source", pdu.source, 20),
            pdu.destination_ton,
            pdu.destination_npi,
            _c_string("destination", pdu.destination, 20),
            pdu.esm_class,
            pdu.protocol_id,
            pdu.priority,
            _c_string("schedule_delivery_time", pdu.schedule_delivery_time, 16),
            _c_string("validity_period", pdu.validity_period, 16),
            pdu.registered_delivery,
            pdu.replace_if_present,
            pdu.data_coding,
            pdu.default_message_id,
            len(message),
            message,
            _tlvs(pdu),
        )
    except (OverflowError, struct.error):
        raise FieldRefused(field=f"an integer of {pdu.name}", limit=1) from None
    return HEADER.pack(16 + len(body), pdu.command_id, ROK, sequence) + body


def _c_string(field: str, value: str, limit: int) -> bytes:
    if not value:
        return b"\0"
    if len(value) > limit or not (value.isascii() and value.isprintable()):
        raise FieldRefused(field=field, limit=limit)
    return value.encode() + b"\0"


_SAR_REFERENCE, _SAR_TOTAL, _SAR_NUMBER, _PAYLOAD = 0x020C, 0x020E, 0x020F, 0x0424
_SAR = frozenset({_SAR_REFERENCE, _SAR_TOTAL, _SAR_NUMBER})
_NETWORK_ERROR, _STATE, _RECEIPTED_ID = 0x0423, 0x0427, 0x001E


def _tlvs(pdu: ShortMessage) -> bytes:
    tlvs = b""
    if pdu.sar is not None:
        tlvs += struct.pack(">HHHHHBHHB", _SAR_REFERENCE, 2, pdu.sar.reference, _SAR_TOTAL, 1, pdu.sar.total,
                            _SAR_NUMBER, 1, pdu.sar.number)  # fmt: skip
    if pdu.message_payload:
        tlvs += struct.pack(">HH", _PAYLOAD, len(pdu.message_payload)) + pdu.message_payload
    if isinstance(pdu, DeliverSm):
        if pdu.network_error_code:
            if len(pdu.network_error_code) != 3:
                raise FieldRefused(field="network_error_code", limit=3)
            tlvs += struct.pack(">HH", _NETWORK_ERROR, 3) + pdu.network_error_code
        if pdu.message_state is not None:
            tlvs += struct.pack(">HHB", _STATE, 1, pdu.message_state)
        if pdu.receipted_message_id:
            receipted = _c_string("receipted_message_id", pdu.receipted_message_id, 64)
            tlvs += struct.pack(">HH", _RECEIPTED_ID, len(receipted)) + receipted
    return tlvs


# -------------------------------------------------------------------------------------------------------- decoding


def decode(frame: bytes) -> tuple[int, Pdu | Unknown]:
    """Sequence number and value of one whole frame. Raises Malformed with the status to answer."""
    if len(frame) < HEADER.size:
        raise Malformed(0, 0, RINVCMDLEN, "shorter than its header")
    length, command_id, status, sequence = HEADER.unpack_from(frame)
    if length != len(frame):
        raise Malformed(command_id, sequence, RINVCMDLEN, "its command_length is not its length")
    match command_id:
        case DeliverSm.command_id:
            return sequence, _decode_message(DeliverSm, frame, sequence)
        case SubmitSm.command_id:
            return sequence, _decode_message(SubmitSm, frame, sequence)
        case SubmitSmResp.command_id:
            return sequence, SubmitSmResp(status=status, message_id=_lenient_string(frame))
        case DeliverSmResp.command_id:
            return sequence, DeliverSmResp(status=status, message_id=_lenient_string(frame))
    kind = _BY_ID.get(command_id)
    if kind is None:
        return sequence, Unknown(command_id=command_id, status=status)
    return decode_by_smpplib(_mandatory_part(kind, frame, sequence))


def _lenient_string(frame: bytes) -> str:
    """The message id of a response. Peers leave it out of refusals, and some forget its last NUL."""
    return frame[16:].split(b"\0", 1)[0].decode("latin-1")


M = TypeVar("M", SubmitSm, DeliverSm)
#: The mandatory fields up to sm_length: what is the same in most messages of a peer, and between it the two addresses.
_MANDATORY = re.compile(
    r"([^\0]*+\0..)([^\0]*+)\0(..)([^\0]*+)\0(...[^\0]*+\0[^\0]*+\0....)(.)",
    re.DOTALL,
)
#: Characters that are remembered of a message; those that keep to the standard have fewer.
_WORTH_KNOWING = 64


def _decode_message(kind: type[M], frame: bytes, sequence: int) -> M:
    # In latin-1 octets and characters stand at the same places.
    found = _MANDATORY.match(frame.decode("latin-1"), HEADER.size)
    if found is None:
        raise Malformed(kind.command_id, sequence, RINVCMDLEN, "ends inside a mandatory field")
    head, source, middle, destination, tail, length = found.groups()
    start = found.end()
    end = start + ord(length)
    if end > len(frame):
        raise Malformed(kind.command_id, sequence, RINVMSGLEN, "sm_length overruns the PDU")
    like = (
        _known(kind, head, middle, tail) if len(head) + len(tail) < _WORTH_KNOWING else _like(kind, head, middle, tail)
    )
    return replace(
        like,
        source=source,
        destination=destination,
        short_message=frame[start:end],
        **(_read_tlvs(kind, frame, sequence, end) if end < len(frame) else {}),
    )


def _like(kind: type[M], head: str, middle: str, tail: str) -> M:
    """A message with everything but its addresses, its text and its optional parameters."""
    schedule_delivery_time, validity_period, _ = tail[3:].split("\0", 2)
    return kind(
        service_type=head[:-3],
        source_ton=ord(head[-2]),
        source_npi=ord(head[-1]),
        destination_ton=ord(middle[0]),
        destination_npi=ord(middle[1]),
        esm_class=ord(tail[0]),
        protocol_id=ord(tail[1]),
        priority=ord(tail[2]),
        schedule_delivery_time=schedule_delivery_time,
        validity_period=validity_period,
        registered_delivery=ord(tail[-4]),
        replace_if_present=ord(tail[-3]),
        data_coding=ord(tail[-2]),
        default_message_id=ord(tail[-1]),
    )


_known = lru_cache(1024)(_like)


def _read_tlvs(kind: type[ShortMessage], frame: bytes, sequence: int, at: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    sar: dict[int, int] = {}
    octets, is_delivery = len(frame), kind is DeliverSm
    while at < octets:
        start = at + 4
        tag, length = _TLV.unpack_from(frame, at) if start <= octets else (0, octets)
        at = start + length
        if at > octets:
            raise Malformed(kind.command_id, sequence, RINVOPTPARSTREAM, "an optional parameter overruns the PDU")
        if tag == _STATE and is_delivery and length:
            fields["message_state"] = frame[at - 1]
        elif tag == _RECEIPTED_ID and is_delivery and length:
            fields["receipted_message_id"] = frame[start:at].rstrip(b"\0").decode("latin-1")
        elif tag == _NETWORK_ERROR and is_delivery:
            fields["network_error_code"] = frame[start:at]
        elif tag == _PAYLOAD:
            fields["message_payload"] = frame[start:at]
        elif tag in _SAR:
            sar[tag] = int.from_bytes(frame[start:at], "big")
    if total := sar.get(_SAR_TOTAL):
        fields["sar"] = Sar(sar.get(_SAR_REFERENCE, 0), total, sar.get(_SAR_NUMBER, 0))
    return fields


def _mandatory_part(kind: type[Pdu], frame: bytes, sequence: int) -> bytes:
    """`frame` up to its optional parameters, checked so that smpplib cannot run past its end."""
    if issubclass(kind, BindResp) and len(frame) == HEADER.size:
        return frame  # SMPP 3.4 §4.1.2: a refusal has no body
    shape = "sss111s" if issubclass(kind, Bind) else "s" if issubclass(kind, BindResp) else ""
    at = HEADER.size
    for field in shape:
        at = frame.find(0, at) + 1 if field == "s" else at + 1
        if not HEADER.size < at <= len(frame):
            raise Malformed(kind.command_id, sequence, RINVCMDLEN, "ends inside a mandatory field")
    return frame[:at]


# --------------------------------------------------------------------------------------------------------- smpplib

#: Our fields by their names in SMPP 3.4, which smpplib uses.
_NAMES_IN_SMPP = {
    "source_ton": "source_addr_ton",
    "source_npi": "source_addr_npi",
    "source": "source_addr",
    "destination_ton": "dest_addr_ton",
    "destination_npi": "dest_addr_npi",
    "destination": "destination_addr",
    "priority": "priority_flag",
    "replace_if_present": "replace_if_present_flag",
    "default_message_id": "sm_default_msg_id",
}


def encode_by_smpplib(pdu: Pdu, sequence: int) -> bytes:
    """What smpplib makes of valid fields; it cuts the others. `encode` is the way in."""
    fields = {_NAMES_IN_SMPP.get(name, name): getattr(pdu, name) for name in pdu.__struct_fields__}
    if sar := fields.pop("sar", None):
        fields |= {
            "sar_msg_ref_num": sar.reference,
            "sar_total_segments": sar.total,
            "sar_segment_seqnum": sar.number,
        }
    made = smpp.make_pdu(pdu.name, sequence=sequence, **fields)
    # smpplib takes sequence= only as a sign not to draw its own, and always writes 0x34 as the version.
    made.sequence = sequence
    if isinstance(pdu, Bind):
        made.interface_version = pdu.interface_version
    octets: bytes = made.generate()
    return octets


def decode_by_smpplib(frame: bytes) -> tuple[int, Pdu]:
    """What smpplib reads in a well-formed frame; it misreads the others. `decode` is the way in."""
    made = smpp.parse_pdu(frame, sequence=0, allow_unknown_opt_params=True)
    kind = _BY_ID[HEADER.unpack_from(frame)[1]]
    fields: dict[str, Any] = {}
    for name in kind.__struct_fields__:
        value = getattr(made, _NAMES_IN_SMPP.get(name, name), None)
        if value is not None:
            fields[name] = value.decode("latin-1") if isinstance(value, bytes) and name not in _OCTETS else value
    if getattr(made, "sar_total_segments", None):
        fields["sar"] = Sar(made.sar_msg_ref_num or 0, made.sar_total_segments, made.sar_segment_seqnum or 0)
    return made.sequence, kind(**fields)


_OCTETS = {"short_message", "message_payload", "network_error_code"}
