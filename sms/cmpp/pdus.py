"""The octets of CMPP 2.0 and 3.0: encoding and decoding, field by field as the tables of the two versions say.

What cannot travel is refused, never cut; what a peer leaves out behind the last octet that matters is forgiven (a
LinkID, a reserved octet), what it leaves out before is malformed. The answers whose width differs by version
(Status, Result) are read by their length, because gateways mix the versions.
Limits: at most 99 receivers, as in the specification; of the reserved octets nothing is kept.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from sms.cmpp.statuses import LENGTH, STRUCTURE
from sms.cmpp.vocabulary import (
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Format,
    Nack,
    Pdu,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Unknown,
    Version,
)
from sms.conversation import FieldRefused

HEADER = struct.Struct(">LLL")
#: The longest message there is: a submission of 3.0 to 99 receivers has 3518 octets.
MAX_PDU_OCTETS: Final = 4096
MAX_RECEIVERS: Final = 99
#: Msg_Length: ASCII counts characters, everything else octets, header included.
MAX_CONTENT: Final = {True: 160, False: 140}


class Malformed(Exception):
    """The peer's fault. `status` is the answer it gets."""

    def __init__(self, command_id: int, sequence: int, status: int, why: str) -> None:
        super().__init__(f"message {command_id:#010x}: {why} (answered {status})")
        self.command_id, self.sequence, self.status, self.why = command_id, sequence, status, why


class _TooShort(Exception):
    """What is there ends before what must be."""

    def __init__(self, status: int = STRUCTURE) -> None:
        self.status = status


class _Table:
    """One version: the fixed beginnings of the two long messages, and how wide the rest is."""

    def __init__(self, *, terminal: int, status: int, tail: int, submit: str, deliver: str) -> None:
        #: Octets of a phone number, of a result, of what ends SUBMIT and DELIVER (Reserve, LinkID).
        self.terminal, self.status, self.tail = terminal, status, tail
        self.submit, self.deliver = struct.Struct(submit), struct.Struct(deliver)


_TABLES: Mapping[Version, _Table] = {
    # Msg_Id Pk_total Pk_number Registered_Delivery Msg_level Service_Id Fee_UserType Fee_terminal_Id TP_pId TP_udhi
    # Msg_Fmt Msg_src FeeType FeeCode ValId_Time At_Time Src_Id DestUsr_tl
    Version.V2: _Table(
        terminal=21,
        status=1,
        tail=8,
        submit=">8sBBBB10sB21sBBB6s2s6s17s17s21sB",
        # Msg_Id Dest_Id Service_Id TP_pid TP_udhi Msg_Fmt Src_terminal_Id Registered_Delivery Msg_Length
        deliver=">8s21s10sBBB21sBB",
    ),
    # The same with Fee_terminal_type behind Fee_terminal_Id and Src_terminal_type behind Src_terminal_Id.
    Version.V3: _Table(
        terminal=32,
        status=4,
        tail=20,
        submit=">8sBBBB10sB32sBBBB6s2s6s17s17s21sB",
        deliver=">8s21s10sBBB32sBBB",
    ),
}
_CONNECT = struct.Struct(">6s16sBL")
_QUERY = struct.Struct(">8sB10s8s")
_QUERY_RESP = struct.Struct(">8sB10s8L")


# -------------------------------------------------------------------------------------------------------- encoding


def encode(pdu: Pdu, sequence: int, version: Version) -> bytes:
    """The octets of `pdu`. Raises FieldRefused; never cuts a field."""
    try:
        body = _WRITERS[type(pdu)](pdu, _TABLES[version])
    except (OverflowError, struct.error):
        raise FieldRefused(field=f"an integer of {pdu.name}", limit=1) from None
    return HEADER.pack(HEADER.size + len(body), pdu.command_id, sequence) + body


def _submit(pdu: Submit, table: _Table) -> bytes:
    if not 1 <= len(pdu.destinations) <= MAX_RECEIVERS:
        raise FieldRefused(field="destinations", limit=MAX_RECEIVERS)
    is_v3 = table.terminal == 32
    head = table.submit.pack(
        _id("message_id", pdu.message_id),
        pdu.part_total,
        pdu.part_number,
        pdu.registered_delivery,
        pdu.level,
        _field("service_id", pdu.service_id, 10),
        pdu.fee_user_type,
        _field("fee_terminal", pdu.fee_terminal, table.terminal),
        *((pdu.fee_terminal_type,) if is_v3 else ()),
        pdu.protocol_id,
        pdu.has_header,
        pdu.format,
        _field("account", pdu.account, 6),
        _field("fee_type", pdu.fee_type, 2),
        _field("fee_code", pdu.fee_code, 6),
        _field("valid_until", pdu.valid_until, 16),
        _field("send_at", pdu.send_at, 16),
        _field("source", pdu.source, 21),
        len(pdu.destinations),
    )
    receivers = b"".join(
        _field("destination", destination, table.terminal).ljust(table.terminal, b"\0")
        for destination in pdu.destinations
    )
    end = bytes([pdu.destination_type]) if is_v3 else b""
    return head + receivers + end + _content(pdu.content, pdu.format) + _tail(pdu.link_id, table)


def _deliver(pdu: Deliver, table: _Table) -> bytes:
    content = _content(pdu.content, pdu.format)
    head = table.deliver.pack(
        _id("message_id", pdu.message_id),
        _field("destination", pdu.destination, 21),
        _field("service_id", pdu.service_id, 10),
        pdu.protocol_id,
        pdu.has_header,
        pdu.format,
        _field("source", pdu.source, table.terminal),
        *((pdu.source_type,) if table.terminal == 32 else ()),
        pdu.is_report,
        content[0],
    )
    return head + content[1:] + _tail(pdu.link_id, table)


def _content(content: bytes, format: int) -> bytes:
    limit = MAX_CONTENT[format == Format.ASCII]
    if len(content) > limit:
        raise FieldRefused(field="content", limit=limit)
    return bytes([len(content)]) + content


def _tail(link_id: str, table: _Table) -> bytes:
    return _field("link_id", link_id, 20).ljust(20, b"\0") if table.tail == 20 else bytes(table.tail)


def _answer(pdu: SubmitResp | DeliverResp, table: _Table) -> bytes:
    return _id("message_id", pdu.message_id) + pdu.status.to_bytes(table.status, "big")


def _connect(pdu: Connect, table: _Table) -> bytes:
    return _CONNECT.pack(_field("source", pdu.source, 6), _sixteen(pdu.authenticator), pdu.version, pdu.timestamp)


def _connect_resp(pdu: ConnectResp, table: _Table) -> bytes:
    return pdu.status.to_bytes(table.status, "big") + _sixteen(pdu.authenticator) + bytes([pdu.version])


def _query(pdu: Query, table: _Table) -> bytes:
    return _QUERY.pack(_field("day", pdu.day, 8), pdu.kind, _field("code", pdu.code, 10), b"")


def _query_resp(pdu: QueryResp, table: _Table) -> bytes:
    counts = (pdu.submitted, pdu.receivers, pdu.sent, pdu.waiting, pdu.failed)
    return _QUERY_RESP.pack(
        _field("day", pdu.day, 8),
        pdu.kind,
        _field("code", pdu.code, 10),
        *counts,
        pdu.delivered,
        pdu.undelivered,
        pdu.refused,
    )


_WRITERS: Mapping[type[Pdu], Callable[..., bytes]] = {
    Submit: _submit,
    SubmitResp: _answer,
    Deliver: _deliver,
    DeliverResp: _answer,
    Connect: _connect,
    ConnectResp: _connect_resp,
    Query: _query,
    QueryResp: _query_resp,
    Cancel: lambda pdu, table: _id("message_id", pdu.message_id),
    CancelResp: lambda pdu, table: pdu.status.to_bytes(table.status, "big"),
    ActiveTest: lambda pdu, table: b"",
    ActiveTestResp: lambda pdu, table: b"\0",
    Terminate: lambda pdu, table: b"",
    TerminateResp: lambda pdu, table: b"",
    Nack: lambda pdu, table: b"",
}


def _field(field: str, value: str, limit: int) -> bytes:
    if len(value) > limit or not (value.isascii() and value.isprintable()):
        raise FieldRefused(field=field, limit=limit)
    return value.encode()


def _id(field: str, message_id: str) -> bytes:
    try:
        octets = bytes.fromhex(message_id)
    except ValueError:
        octets = b""
    if len(octets) != 8:
        raise FieldRefused(field=field, limit=16)
    return octets


def _sixteen(authenticator: bytes) -> bytes:
    if len(authenticator) != 16:
        raise FieldRefused(field="authenticator", limit=16)
    return authenticator


# -------------------------------------------------------------------------------------------------------- decoding


def decode(frame: bytes, version: Version) -> tuple[int, Pdu | Unknown]:
    """Sequence number and value of one whole frame. Raises Malformed with the status to answer."""
    if len(frame) < HEADER.size:
        raise Malformed(0, 0, LENGTH, "shorter than its header")
    length, command_id, sequence = HEADER.unpack_from(frame)
    if length != len(frame):
        raise Malformed(command_id, sequence, LENGTH, "its Total_Length is not its length")
    read = _READERS.get(command_id)
    if read is None:
        return sequence, Unknown(command_id=command_id)
    try:
        return sequence, read(frame[HEADER.size :], _TABLES[version])
    except _TooShort as short:
        raise Malformed(command_id, sequence, short.status, "ends inside a field") from None


def _read_submit(body: bytes, table: _Table) -> Submit:
    (message_id, total, number, registered, level, service_id, fee_user_type, fee_terminal, *fee_terminal_type,
     protocol_id, has_header, format, account, fee_type, fee_code, valid_until, send_at, source,
     receivers) = _unpack(table.submit, body)  # fmt: skip
    start = table.submit.size
    end = start + receivers * table.terminal
    destinations = tuple(_string(body[at : at + table.terminal]) for at in range(start, end, table.terminal))
    content, rest = _read_content(body, end + len(fee_terminal_type))
    return Submit(
        message_id=message_id.hex(),
        part_total=total,
        part_number=number,
        registered_delivery=registered,
        level=level,
        service_id=_string(service_id),
        fee_user_type=fee_user_type,
        fee_terminal=_string(fee_terminal),
        fee_terminal_type=sum(fee_terminal_type),
        protocol_id=protocol_id,
        has_header=has_header,
        format=format,
        account=_string(account),
        fee_type=_string(fee_type),
        fee_code=_string(fee_code),
        valid_until=_string(valid_until),
        send_at=_string(send_at),
        source=_string(source),
        destinations=destinations,
        destination_type=body[end] if fee_terminal_type else 0,
        content=content,
        link_id=_string(rest) if fee_terminal_type else "",
    )


def _read_deliver(body: bytes, table: _Table) -> Deliver:
    (message_id, destination, service_id, protocol_id, has_header, format, source, *source_type, is_report,
     _) = _unpack(table.deliver, body)  # fmt: skip
    content, rest = _read_content(body, table.deliver.size - 1)
    return Deliver(
        message_id=message_id.hex(),
        destination=_string(destination),
        service_id=_string(service_id),
        protocol_id=protocol_id,
        has_header=has_header,
        format=format,
        source=_string(source),
        source_type=sum(source_type),
        is_report=is_report,
        content=content,
        link_id=_string(rest) if source_type else "",
    )


def _read_content(body: bytes, at: int) -> tuple[bytes, bytes]:
    """What Msg_Length at `at` announces, and what stands behind it."""
    if at >= len(body):
        raise _TooShort
    end = at + 1 + body[at]
    if end > len(body):
        raise _TooShort(LENGTH)
    return body[at + 1 : end], body[end : end + 20]


A = TypeVar("A", SubmitResp, DeliverResp)


def _read_answer(kind: type[A], body: bytes) -> A:
    if len(body) < 9:
        raise _TooShort
    return kind(message_id=body[:8].hex(), status=_status(body[8:12]))


def _read_connect(body: bytes) -> Connect:
    source, authenticator, version, timestamp = _unpack(_CONNECT, body)
    return Connect(source=_string(source), authenticator=authenticator, version=version, timestamp=timestamp)


def _read_connect_resp(body: bytes) -> ConnectResp:
    width = 4 if len(body) >= 21 else 1
    if len(body) < width + 17:
        raise _TooShort
    return ConnectResp(status=_status(body[:width]), authenticator=body[width : width + 16], version=body[width + 16])


def _read_query(body: bytes) -> Query:
    day, kind, code, _ = _unpack(_QUERY, body)
    return Query(day=_string(day), kind=kind, code=_string(code))


def _read_query_resp(body: bytes) -> QueryResp:
    day, kind, code, *counts = _unpack(_QUERY_RESP, body)
    names = ("submitted", "receivers", "sent", "waiting", "failed", "delivered", "undelivered", "refused")
    return QueryResp(day=_string(day), kind=kind, code=_string(code), **dict(zip(names, counts, strict=True)))


def _read_cancel(body: bytes) -> Cancel:
    if len(body) < 8:
        raise _TooShort
    return Cancel(message_id=body[:8].hex())


def _read_cancel_resp(body: bytes) -> CancelResp:
    if not body:
        raise _TooShort
    return CancelResp(status=_status(body[:4]))


_READERS: Mapping[int, Callable[[bytes, _Table], Pdu]] = {
    Submit.command_id: _read_submit,
    SubmitResp.command_id: lambda body, table: _read_answer(SubmitResp, body),
    Deliver.command_id: _read_deliver,
    DeliverResp.command_id: lambda body, table: _read_answer(DeliverResp, body),
    Connect.command_id: lambda body, table: _read_connect(body),
    ConnectResp.command_id: lambda body, table: _read_connect_resp(body),
    Query.command_id: lambda body, table: _read_query(body),
    QueryResp.command_id: lambda body, table: _read_query_resp(body),
    Cancel.command_id: lambda body, table: _read_cancel(body),
    CancelResp.command_id: lambda body, table: _read_cancel_resp(body),
    # Of these the body does not matter: one gateway's reserved octet is another's four.
    ActiveTest.command_id: lambda body, table: ActiveTest(),
    ActiveTestResp.command_id: lambda body, table: ActiveTestResp(),
    Terminate.command_id: lambda body, table: Terminate(),
    TerminateResp.command_id: lambda body, table: TerminateResp(),
    Nack.command_id: lambda body, table: Nack(),
}


def _unpack(layout: struct.Struct, body: bytes) -> tuple[Any, ...]:
    if len(body) < layout.size:
        raise _TooShort
    return layout.unpack_from(body)


def _status(octets: bytes) -> int:
    """One octet, or four. Of two or three the first counts: the rest is nobody's field."""
    return int.from_bytes(octets if len(octets) == 4 else octets[:1], "big")


def _string(octets: bytes) -> str:
    """Up to the first NUL; some gateways pad with blanks."""
    return octets.partition(b"\0")[0].decode("latin-1").rstrip()
