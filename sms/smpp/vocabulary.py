"""The PDUs of SMPP 3.4 as frozen values, without their octets (those are in pdus.py) and sequence numbers (session.py).

A value can be stored, compared and sent again as it is. Field names are ours; pdus.py holds those of SMPP.
Limits: outbind, data_sm, query_sm, cancel_sm, replace_sm and submit_multi are `Unknown`; of the optional parameters
only those of concatenation, payload and receipts are known.
"""

from typing import ClassVar

from msgspec import Struct

from sms.conversation import ROK
from sms.text import Concat, ConcatKind, Part, is_possible, split_header


class Pdu(Struct, frozen=True, kw_only=True):
    """Any PDU. The sequence number belongs to the session, so a value can be sent again as it is."""

    command_id: ClassVar[int]
    name: ClassVar[str]


class Request(Pdu, frozen=True, kw_only=True):
    response: ClassVar[type["Response"]]


class Response(Pdu, frozen=True, kw_only=True):
    status: int = ROK


class BindResp(Response, frozen=True, kw_only=True):
    system_id: str = ""


class Bind(Request, frozen=True, kw_only=True):
    response: ClassVar[type[BindResp]]
    system_id: str
    password: str = ""
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(system_id={self.system_id!r}, password=…)"


class BindTransmitterResp(BindResp, frozen=True, kw_only=True):
    command_id, name = 0x80000002, "bind_transmitter_resp"


class BindTransmitter(Bind, frozen=True, kw_only=True):
    command_id, name, response = 0x02, "bind_transmitter", BindTransmitterResp


class BindReceiverResp(BindResp, frozen=True, kw_only=True):
    command_id, name = 0x80000001, "bind_receiver_resp"


class BindReceiver(Bind, frozen=True, kw_only=True):
    command_id, name, response = 0x01, "bind_receiver", BindReceiverResp


class BindTransceiverResp(BindResp, frozen=True, kw_only=True):
    command_id, name = 0x80000009, "bind_transceiver_resp"


class BindTransceiver(Bind, frozen=True, kw_only=True):
    command_id, name, response = 0x09, "bind_transceiver", BindTransceiverResp


class SubmitSmResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000004, "submit_sm_resp"
    message_id: str = ""


class DeliverSmResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000005, "deliver_sm_resp"
    message_id: str = ""  # unused in SMPP 3.4, empty on the wire


class Sar(Struct, frozen=True):
    """Concatenation in TLVs instead of a user data header."""

    reference: int
    total: int
    number: int


class ShortMessage(Request, frozen=True, kw_only=True):
    """What submit_sm and deliver_sm have in common. A payload excludes a short_message."""

    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = ""
    destination_ton: int = 0
    destination_npi: int = 0
    destination: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present: int = 0
    data_coding: int = 0
    default_message_id: int = 0
    short_message: bytes = b""
    sar: Sar | None = None
    message_payload: bytes | None = None

    @property
    def octets(self) -> bytes:
        """The user data, wherever the peer has put it."""
        return self.short_message or self.message_payload or b""

    @property
    def has_header(self) -> bool:
        return bool(self.esm_class & 0x40)

    def part(self, raw: bytes = b"") -> Part:
        """This message as a part to be joined."""
        concat, octets = split_header(self.octets) if self.has_header else (None, self.octets)
        if concat is None and self.sar is not None:
            by_tlv = Concat(ConcatKind.SAR, self.sar.reference, self.sar.total, self.sar.number)
            concat = by_tlv if is_possible(by_tlv) else None
        return Part(self.source, self.destination, self.data_coding, octets, concat, raw)


class SubmitSm(ShortMessage, frozen=True, kw_only=True):
    command_id, name, response = 0x04, "submit_sm", SubmitSmResp


class DeliverSm(ShortMessage, frozen=True, kw_only=True):
    command_id, name, response = 0x05, "deliver_sm", DeliverSmResp
    network_error_code: bytes | None = None
    message_state: int | None = None
    receipted_message_id: str | None = None


class EnquireLinkResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000015, "enquire_link_resp"


class EnquireLink(Request, frozen=True, kw_only=True):
    command_id, name, response = 0x15, "enquire_link", EnquireLinkResp


class UnbindResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000006, "unbind_resp"


class Unbind(Request, frozen=True, kw_only=True):
    command_id, name, response = 0x06, "unbind", UnbindResp


class GenericNack(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000000, "generic_nack"


class Unknown(Struct, frozen=True, kw_only=True):
    """A command that is not spoken here. A request among them is answered generic_nack 0x03."""

    command_id: int
    status: int = ROK


BINDS = (BindTransmitter, BindReceiver, BindTransceiver)
