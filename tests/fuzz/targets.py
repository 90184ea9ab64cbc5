"""What is fuzzed: everything that reads octets or words from strangers, each with seeds that real encoders made.

A target is given any octets and must come back: it may refuse them in its own way, and what it reads must make sense.
Whatever else is raised, takes long or takes memory is a defect.
"""

import base64
import io
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from ferry.opening import _manifest, _parts, _Plain, check, look
from ferry.refusals import ParcelRefused
from ferry.suites import DEFAULT
from kernel.clock import FakeClock
from kernel.refusals import Refusal
from sms.cmpp import pdus as cmpp_pdus
from sms.cmpp import reports
from sms.cmpp.session import ConnectRequested
from sms.cmpp.session import Session as CmppSession
from sms.cmpp.session import Terms as CmppTerms
from sms.cmpp.vocabulary import (
    Account,
    ActiveTest,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    MessageId,
    Query,
    Submit,
    SubmitResp,
    Terminate,
    Version,
)
from sms.cmpp.vocabulary import Unknown as CmppUnknown
from sms.commands import Acknowledge, Agree, Disagree, Rate, parse
from sms.commands import Query as ProgressQuery
from sms.conversation import Received, Role, State
from sms.mas import messages as mas
from sms.receipts import MessageState, Receipt, same_message_ids
from sms.smpp import pdus as smpp_pdus
from sms.smpp import receipts
from sms.smpp.session import Session as SmppSession
from sms.smpp.session import Terms as SmppTerms
from sms.smpp.vocabulary import (
    BindReceiver,
    BindTransceiver,
    BindTransceiverResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    GenericNack,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    Unknown,
)
from sms.text import Concat, ConcatKind, Part, Reassembler, decode, segments, split_header
from tests.ferry.parcels import label, opened, pieces_of, sealed

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
LONG = "【衡江政务服务】" + "一二三四五六七八九十𠮷" * 9
ACCOUNT = Account("900001", "888888")
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()


class Target(Struct, frozen=True):
    read: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


# ---------------------------------------------------------------------------------------------------------------- SMPP


def smpp_pdu(data: bytes) -> None:
    """What is read can be written, and then always in the same way."""
    try:
        sequence, pdu = smpp_pdus.decode(data)
    except smpp_pdus.Malformed:
        return
    if isinstance(pdu, Unknown):
        return
    try:
        written = smpp_pdus.encode(pdu, sequence)
    except Refusal:
        return
    again = smpp_pdus.decode(written)[1]
    assert not isinstance(again, Unknown)
    assert smpp_pdus.encode(again, sequence) == written, pdu


def smpp_stream(data: bytes) -> None:
    """The first octet says who listens and how far they have come, the second how the stream is cut."""
    if len(data) < 2:
        return
    role, is_bound, step = Role(list(Role)[data[0] & 1]), bool(data[0] & 2), data[1] % 40 + 1
    session = SmppSession(role, 0.0, SmppTerms(max_unacknowledged=3, max_pdu_octets=300, window=4))
    if role is Role.ESME:
        session.bind(BindTransceiver(system_id="z"), 0.0)
        if is_bound:
            session.receive(smpp_pdus.encode(BindTransceiverResp(system_id="S"), 1), 0.0)
            session.send(SubmitSm(source="1", destination="2"), 0.0)
    for now, start in enumerate(range(2, len(data), step)):
        for event in session.receive(data[start : start + step], float(now)):
            if isinstance(event, Received) and now % 2:
                session.acknowledge(event.sequence)
        session.data_to_send()
        session.next_timer()
        if session.state is State.CLOSED:  # then nobody listens any more
            break
    assert len(session._unacknowledged) <= 3
    assert len(session._framer._rest) <= 300
    session.handle_timer(1e6)
    session.connection_lost()
    assert session.state is State.CLOSED
    assert session.in_flight == 0


def smpp_receipt(data: bytes) -> None:
    """The first two octets are the data coding and the state of the optional parameter."""
    pdu = DeliverSm(
        esm_class=4,
        data_coding=data[0] if data else 0,
        message_state=data[1] if len(data) > 1 else None,
        short_message=data[2:],
    )
    read = receipts.parse(pdu)
    if read is not None:
        assert read.message_id
        assert same_message_ids(read.message_id)


def _smpp_frames() -> list[bytes]:
    long = segments(LONG, reference=7)
    pdus = [
        BindTransceiver(system_id="zhangban", password="secret", system_type="MAS"),
        BindReceiver(system_id="zhangban"),
        BindTransceiverResp(system_id="SMSC"),
        SubmitSm(
            source="10690000",
            destination="13800138000",
            registered_delivery=1,
            data_coding=8,
            short_message="您好".encode("utf-16-be"),
            validity_period="000003000000000R",
        ),
        *(
            SubmitSm(source="1069", destination="138", esm_class=0x40, data_coding=8, short_message=part)
            for part in long.parts
        ),
        SubmitSm(source="1069", destination="138", data_coding=8, message_payload=b"\x4f\x60" * 200),
        SubmitSmResp(message_id="1A2B3C"),
        SubmitSmResp(status=0x58),
        DeliverSm(
            source="13800138000",
            destination="10690000",
            esm_class=4,
            short_message=_receipt_text(),
            message_state=2,
            receipted_message_id="1A2B3C",
        ),
        DeliverSm(source="138", destination="1069", data_coding=8, short_message="１２３４５".encode("utf-16-be")),
        DeliverSmResp(),
        EnquireLink(),
        EnquireLink.response(),
        Unbind(),
        GenericNack(status=3),
    ]
    return [smpp_pdus.encode(pdu, number) for number, pdu in enumerate(pdus, 1)]


def _receipt_text(state: MessageState = MessageState.DELIVERED, error: str = "000") -> bytes:
    return receipts.render(Receipt("1A2B3C", state, error=error), submitted_at=NOON, done_at=NOON)


def _receipts() -> list[bytes]:
    texts = [
        _receipt_text(),
        _receipt_text(MessageState.UNDELIVERABLE, "MK:0001"),
        b"id:0123456789 stat:EXPIRED err:27",
    ]
    texts.append("id:9 sub:001 dlvrd:001 submit date:2611221200 done date:2611221200 stat:DELIVRD".encode("utf-16-be"))
    return [bytes([coding, state]) + text for text in texts for coding in (0, 8) for state in (0, 2)]


# ---------------------------------------------------------------------------------------------------------------- CMPP


def cmpp_pdu(version: Version) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        try:
            sequence, pdu = cmpp_pdus.decode(data, version)
        except cmpp_pdus.Malformed:
            return
        if isinstance(pdu, CmppUnknown):
            return
        if isinstance(pdu, Submit):
            assert sum(map(len, pdu.destinations)) + len(pdu.content) <= len(data)
        try:
            written = cmpp_pdus.encode(pdu, sequence, version)
        except Refusal:
            return
        again = cmpp_pdus.decode(written, version)[1]
        assert not isinstance(again, CmppUnknown)
        assert cmpp_pdus.encode(again, sequence, version) == written, pdu

    return read


def cmpp_stream(data: bytes) -> None:
    """The first octet says who listens, how far they have come and in which version, the second how it is cut."""
    if len(data) < 2:
        return
    role, is_connected, step = Role(list(Role)[data[0] & 1]), bool(data[0] & 2), data[1] % 40 + 1
    version = Version.V3 if data[0] & 4 else Version.V2
    session = CmppSession(
        role, 0.0, CmppTerms(version=version, max_unacknowledged=3, max_pdu_octets=400, is_proof_wanted=False)
    )
    connect = Connect(source="900001", authenticator=bytes(16))
    if role is Role.ESME:
        session.connect(ACCOUNT, connect, 0.0)
        if is_connected:
            session.receive(cmpp_pdus.encode(ConnectResp(), 1, version), 0.0)
    elif is_connected:
        session.receive(cmpp_pdus.encode(connect, 1, version), 0.0)
        session.accept(1, ACCOUNT, 0.0)
    for now, start in enumerate(range(2, len(data), step)):
        for event in session.receive(data[start : start + step], float(now)):
            if isinstance(event, ConnectRequested) and session.state is not State.CLOSED:
                session.accept(event.sequence, ACCOUNT, float(now))
            elif isinstance(event, Received) and now % 2:
                session.acknowledge(event.sequence)
        session.data_to_send()
        session.next_timer()
        if session.state is State.CLOSED:  # then nobody listens any more
            break
    assert len(session._unacknowledged) <= 3
    for late in (1e6, 2e6, 3e6, 4e6):
        session.handle_timer(late)
    session.connection_lost()
    assert session.state is State.CLOSED
    assert session.in_flight == 0


def cmpp_report(data: bytes) -> None:
    pdu = Deliver(is_report=1, content=data[:255])
    read = reports.parse(pdu)
    assert len(reports.phone_of(pdu)) <= 21
    if read is not None:
        assert (read.error or "").isprintable()
        assert MessageId.read(read.message_id).text == read.message_id
        assert same_message_ids(read.message_id)


def _cmpp_frames(version: Version) -> list[bytes]:
    submit = Submit(
        registered_delivery=1,
        account="900001",
        source="10690000",
        destinations=("13800138000",),
        content="您好".encode("utf-16-be"),
        service_id="ZWFW",
    )
    pdus = [
        ACCOUNT.introduction(NOON, version),
        ConnectResp(),
        submit,
        Submit(destinations=("13800138000",) * 3, content=bytes(140), has_header=1),
        SubmitResp(message_id="b2b9da8000010000"),
        Deliver(source="13800138000", destination="10690000", content="1 12345".encode("utf-16-be")),
        Deliver(is_report=1, content=_report(version)),
        DeliverResp(),
        Query(),
        ActiveTest(),
        Terminate(),
    ]
    return [cmpp_pdus.encode(pdu, number, version) for number, pdu in enumerate(pdus, 1)]


def _report(version: Version, state: MessageState = MessageState.DELIVERED) -> bytes:
    receipt = Receipt("b2b9da8000010000", state)
    return reports.render(receipt, version, phone="13800138000", submitted_at=NOON, done_at=NOON, serial=1)


def _reports() -> list[bytes]:
    states = (MessageState.DELIVERED, MessageState.REJECTED)
    return [_report(version, state) for version in Version for state in states]


# ----------------------------------------------------------------------------------------------------------------- MAS


def mas_push(data: bytes) -> None:
    """A push, or what was fetched, as a report, as a text and as the answer to a submission."""
    reported = mas.read_all(data, mas.Report)
    for report, octets in reported.said if reported else ():
        assert isinstance(octets, bytes)
        for heard in mas.heard(report):
            assert len(heard.sms_id) <= 64
            assert len(heard.error) <= 120
    texted = mas.read_all(data, mas.Text)
    for text, octets in texted.said if texted else ():
        part = mas.part(text, octets)
        assert isinstance(decode(part.octets, part.data_coding), str)
        assert mas.identity(text)
    answer = mas.read(data, mas.Answer)
    if answer is not None:
        assert mas.of_response(answer.rspcod).name
        assert len(answer.id) <= 43


def _pushes() -> list[bytes]:
    report = {
        "reportStatus": "DELIVRD", "mobile": "13800138000", "submitDate": "20261122120000",
        "receiveDate": "20261122120002", "errorCode": "DELIVRD", "msgGroup": "1122120000001000000001",
    }  # fmt: skip
    text = {
        "mobile": "13800138000",
        "smsContent": "1 12345",
        "sendTime": "2026-11-22 12:00:00",
        "addSerial": "10690000",
    }
    answer = {"msgGroup": "1122120000001000000001", "rspcod": "success", "success": True}
    failed = {**report, "reportStatus": "UNDELIV", "errorCode": "MK:0001", "mobile": ["13800138000", "13900139000"]}
    said = [report, text, answer, failed, [report, failed], [text, {"smsContent": "\ud83d"}], [], None]
    plain = [json.dumps(each, ensure_ascii=True).encode() for each in said]
    return [*plain, *map(base64.b64encode, plain)]


# --------------------------------------------------------------------------------------------------------------- texts


def grammar(data: bytes) -> None:
    # Half characters come as lone surrogates, as they do from phones.
    command = parse(data.decode("utf-8", "surrogateescape"))
    match command:
        case Agree(code) | Disagree(code) | Acknowledge(code):
            assert code == "" or (len(code) == 5 and code.isascii() and code.isdigit())
        case Rate(score, code):
            assert 1 <= score <= 5
            assert code == "" or (len(code) == 5 and code.isascii() and code.isdigit())
        case ProgressQuery(number, password):
            assert number.isascii()
            assert password is None or password.isdigit()


def _commands() -> list[bytes]:
    said = [
        "112345",
        "2 12345",
        "同意12345",
        "不同意 12345",
        "１２３４５同意",
        "收到 12345",
        "PJ5 12345",
        "评价：满意 12345",
    ]
    said += [
        "CX202600000001",
        "cx 202600000001#123456",
        "查询進度202600000001",
        "T",
        "退订",
        "帮助",
        "？",
        "一二三四五同意",
    ]
    said += ["确认码：12345", "\u202e54321同意", "同\u200b意12345", "TS20260001#1234"]
    return [each.encode() for each in said]


def user_data(data: bytes) -> None:
    """Octets as parts of long texts: the length of each stands before it."""
    reassembler = Reassembler(patience_s=60, max_groups=3, max_octets=400)
    now, given, taken, at = 0.0, 0, 0, 0
    while at < len(data):
        octets = data[at + 1 : at + 1 + data[at]]
        concat, body = split_header(octets)
        assert octets.endswith(body)
        assert concat is None or 1 <= concat.number <= concat.total
        part = Part("138", "1069", data[at] % 16, body, concat)
        assert isinstance(decode(body, part.data_coding), str)
        now += data[at] / 16
        given += sum(len(joined.parts) for joined in reassembler.take(part, now))
        taken += 1
        assert len(reassembler) <= 3
        at += 1 + data[at]
    given += sum(len(joined.parts) for joined in reassembler.handle_timer(now + 60))
    assert len(reassembler) == 0
    assert given <= taken


def _user_data() -> list[bytes]:
    found = []
    for wide in (False, True):
        parts = segments(LONG, reference=300, wide=wide).parts
        found += [b"".join(bytes([len(part)]) + part for part in each) for each in (parts, parts[::-1], parts * 2)]
    other = Concat(ConcatKind.NARROW, 9, 3, 2).header()
    return [*found, bytes([len(other) + 2]) + other + b"\xd8\x3d", bytes([9]) + b"\x05\x00\x03\x01\x02\x01abc"]


# ------------------------------------------------------------------------------------------------------------- parcels


def parcel(data: bytes) -> None:
    """From the outside: label, frames, signature."""
    source = io.BytesIO(data)
    try:
        look(source)
        check(source, lambda header: KEY)
    except ParcelRefused:
        return


def parcel_parts(data: bytes) -> None:
    """From the inside, as somebody with a good key could have made it: parts, compression, manifest."""
    try:
        records, pieces, signed = _parts(_Plain(iter((data,))), DEFAULT, lambda *_: None)
        assert isinstance(records, bytes)
        assert len(pieces) <= 10_000
        _manifest(signed, DEFAULT, KEY)
    except ParcelRefused:
        return


def _parcels() -> list[bytes]:
    records = [b'{"case":"1","state":"accepted"}', b'{"case":"2"}' * 50]
    clock = FakeClock(NOON)
    return [
        sealed(clock, records)[0],
        sealed(clock, [])[0],
        sealed(clock, records, pieces_of(b"%PDF-1.7 " + bytes(3000), 1000), label=label(2))[0],
    ]


def _parcel_parts() -> list[bytes]:
    """The plain octets of those, overheard where they are taken apart."""
    heard: list[bytes] = []
    plain = _Plain.exactly

    def overheard(self: _Plain, octets: int) -> bytes:
        taken = plain(self, octets)
        heard[-1] += taken
        return taken

    _Plain.exactly = overheard  # type: ignore[method-assign]  # to learn what stands in it
    try:
        for octets in _parcels():
            heard.append(b"")
            opened(octets)
    finally:
        _Plain.exactly = plain  # type: ignore[method-assign]
    return heard


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "smpp-pdu": Target(smpp_pdu, _smpp_frames),
        "smpp-stream": Target(smpp_stream, lambda: [bytes([how, 16]) + b"".join(_smpp_frames()) for how in range(4)]),
        "smpp-receipt": Target(smpp_receipt, _receipts),
        "cmpp2-pdu": Target(cmpp_pdu(Version.V2), lambda: _cmpp_frames(Version.V2)),
        "cmpp3-pdu": Target(cmpp_pdu(Version.V3), lambda: _cmpp_frames(Version.V3)),
        "cmpp-stream": Target(
            cmpp_stream, lambda: [bytes([how, 16]) + b"".join(_cmpp_frames(v)) for v in Version for how in range(8)]
        ),
        "cmpp-report": Target(cmpp_report, _reports),
        "mas-push": Target(mas_push, _pushes),
        "grammar": Target(grammar, _commands),
        "user-data": Target(user_data, _user_data),
        "parcel": Target(parcel, _parcels),
        "parcel-parts": Target(parcel_parts, _parcel_parts),
    }
)
