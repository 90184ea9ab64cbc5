"""The messages of CMPP 2.0 and 3.0 as frozen values, without their octets (pdus.py) and sequence numbers (session.py).

One value serves both versions: what a version does not know, its codec leaves out. Field names are ours; pdus.py holds
those of CMPP. Source: the field tables of public codecs (bigwhite/gocmpp, hujm2023/go-sms-protocol), which agree.
Limits: forwarding between gateways (CMPP_FWD, the routes) is `Unknown`; texts charged to people are not thought of.
"""

import hashlib
import hmac
from datetime import datetime
from enum import IntEnum
from typing import ClassVar

from msgspec import Struct

from sms.conversation import ROK
from sms.receipts import CHINA
from sms.text import Coding, Part, split_header

#: Msg_Id of what has none yet: a submission on its way to the gateway.
NO_ID = "0" * 16
_TIMESTAMP = "%m%d%H%M%S"


class Version(IntEnum):
    """The octet `Version`: the major number in the upper four bits."""

    V2 = 0x20
    V3 = 0x30

    @classmethod
    def of(cls, octet: int) -> "Version | None":
        """2.1 speaks with the fields of 2.0. None: not spoken here."""
        return {2: cls.V2, 3: cls.V3}.get(octet >> 4)


class Format(IntEnum):
    """Msg_Fmt. 0 is ASCII here, not the default alphabet of SMPP, in which "@" and "$" stand elsewhere."""

    ASCII = 0
    CARD = 3  # for the SIM card, not for people
    BINARY = 4
    UCS2 = 8
    GBK = 15

    @staticmethod
    def coding(octet: int) -> int:
        """What text.py calls it; binary and unknown formats stay what they are. 0x18 is UCS2 with a class."""
        return {0: int(Coding.ASCII), 3: 4, 0x18: int(Coding.UCS2), 0x19: int(Coding.UCS2)}.get(octet, octet)


class MessageId(Struct, frozen=True):
    """What a gateway writes into the 64 bits of Msg_Id. There is no year: ids come again."""

    month: int
    day: int
    hour: int
    minute: int
    second: int
    gateway: int
    serial: int

    @classmethod
    def read(cls, text: str) -> "MessageId":
        """`text` is the one way an id is written here: the eight octets in hexadecimal, as a trace shows them."""
        bits = int(text, 16)
        return cls(
            month=bits >> 60 & 0xF,
            day=bits >> 55 & 0x1F,
            hour=bits >> 50 & 0x1F,
            minute=bits >> 44 & 0x3F,
            second=bits >> 38 & 0x3F,
            gateway=bits >> 16 & 0x3FFFFF,
            serial=bits & 0xFFFF,
        )

    @classmethod
    def at(cls, moment: datetime, gateway: int, serial: int) -> "MessageId":
        local = moment.astimezone(CHINA)
        return cls(local.month, local.day, local.hour, local.minute, local.second, gateway, serial & 0xFFFF)

    @property
    def is_dated(self) -> bool:
        """Whether it can be what the specification says. Some gateways put any number here, or none."""
        return (
            1 <= self.month <= 12 and 1 <= self.day <= 31 and self.hour < 24 and self.minute < 60 and self.second < 60
        )

    @property
    def text(self) -> str:
        bits = self.month
        for value, width in (
            (self.day, 5),
            (self.hour, 5),
            (self.minute, 6),
            (self.second, 6),
            (self.gateway, 22),
            (self.serial, 16),
        ):
            bits = bits << width | value
        return f"{bits:016x}"


class Account(Struct, frozen=True):
    """An SP's account: `sp_id` is its Source_Addr and Msg_src. The secret is on no wire, only what MD5 makes of it."""

    sp_id: str
    secret: str

    def __repr__(self) -> str:
        return f"Account(sp_id={self.sp_id!r})"

    def introduction(self, moment: datetime, version: Version) -> "Connect":
        """CONNECT at this moment, which gateways compare with their own clock, in China's time."""
        timestamp = int(moment.astimezone(CHINA).strftime(_TIMESTAMP))
        authenticator = self._source_digest(timestamp)
        return Connect(source=self.sp_id, authenticator=authenticator, version=version, timestamp=timestamp)

    def made(self, connect: "Connect") -> bool:
        """Whether whoever made `connect` knew the secret."""
        return hmac.compare_digest(self._source_digest(connect.timestamp), connect.authenticator)

    def gateway_digest(self, status: int, status_octets: int, connect: "Connect") -> bytes:
        """AuthenticatorISMG, by which the gateway shows that it knows the secret, too."""
        return _md5(status.to_bytes(status_octets, "big") + connect.authenticator + self.secret.encode())

    def _source_digest(self, timestamp: int) -> bytes:
        return _md5(self.sp_id.encode() + bytes(9) + self.secret.encode() + b"%010d" % timestamp)


def _md5(octets: bytes) -> bytes:
    """Weak as it is: the protocol knows no other."""
    return hashlib.md5(octets, usedforsecurity=False).digest()


# ------------------------------------------------------------------------------------------------------------ PDUs


class Pdu(Struct, frozen=True, kw_only=True):
    """Any message. The sequence number belongs to the session, so a value can be sent again as it is."""

    command_id: ClassVar[int]
    name: ClassVar[str]


class Request(Pdu, frozen=True, kw_only=True):
    response: ClassVar[type["Response"]]


class Response(Pdu, frozen=True, kw_only=True):
    pass


class ConnectResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000001, "CMPP_CONNECT_RESP"
    status: int = ROK
    authenticator: bytes = bytes(16)
    #: The highest the gateway speaks.
    version: int = Version.V3


class Connect(Request, frozen=True, kw_only=True):
    command_id, name, response = 0x01, "CMPP_CONNECT", ConnectResp
    source: str
    authenticator: bytes
    version: int = Version.V3
    timestamp: int = 0  # MMDDhhmmss as one decimal number


class TerminateResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000002, "CMPP_TERMINATE_RESP"


class Terminate(Request, frozen=True, kw_only=True):
    command_id, name, response = 0x02, "CMPP_TERMINATE", TerminateResp


class SubmitResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000004, "CMPP_SUBMIT_RESP"
    message_id: str = NO_ID
    status: int = ROK


class Submit(Request, frozen=True, kw_only=True):
    """A text from the SP. `valid_until` and `send_at` are in the time format of SMPP 3.3."""

    command_id, name, response = 0x04, "CMPP_SUBMIT", SubmitResp
    message_id: str = NO_ID
    part_total: int = 1
    part_number: int = 1
    registered_delivery: int = 0
    level: int = 0
    service_id: str = ""
    fee_user_type: int = 0
    fee_terminal: str = ""
    fee_terminal_type: int = 0  # 3.0
    protocol_id: int = 0
    has_header: int = 0  # TP_udhi
    format: int = Format.UCS2
    account: str = ""  # Msg_src
    fee_type: str = ""
    fee_code: str = ""
    valid_until: str = ""
    send_at: str = ""
    source: str = ""
    destinations: tuple[str, ...] = ()
    destination_type: int = 0  # 3.0
    content: bytes = b""
    link_id: str = ""  # 3.0

    def part(self, destination: str) -> Part:
        """This message to one of its receivers, as a part to be joined."""
        concat, octets = split_header(self.content) if self.has_header & 1 else (None, self.content)
        return Part(self.source, destination, Format.coding(self.format), octets, concat)


class DeliverResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000005, "CMPP_DELIVER_RESP"
    message_id: str = NO_ID
    status: int = ROK


class Deliver(Request, frozen=True, kw_only=True):
    """A text from a person, or, with `is_report`, what became of a submission (reports.py reads its content)."""

    command_id, name, response = 0x05, "CMPP_DELIVER", DeliverResp
    message_id: str = NO_ID
    destination: str = ""
    service_id: str = ""
    protocol_id: int = 0
    has_header: int = 0
    format: int = Format.UCS2
    source: str = ""
    source_type: int = 0  # 3.0
    is_report: int = 0  # Registered_Delivery
    content: bytes = b""
    link_id: str = ""  # 3.0

    def part(self, raw: bytes = b"") -> Part:
        """This text as a part to be joined."""
        concat, octets = split_header(self.content) if self.has_header & 1 else (None, self.content)
        return Part(self.source, self.destination, Format.coding(self.format), octets, concat, raw)


class QueryResp(Response, frozen=True, kw_only=True):
    """Counts of a day: submissions and receivers taken, then sent, waiting, failed; the last three for deliveries."""

    command_id, name = 0x80000006, "CMPP_QUERY_RESP"
    day: str = ""
    kind: int = 0
    code: str = ""
    submitted: int = 0
    receivers: int = 0
    sent: int = 0
    waiting: int = 0
    failed: int = 0
    delivered: int = 0
    undelivered: int = 0
    refused: int = 0


class Query(Request, frozen=True, kw_only=True):
    """How much went through on `day` (YYYYMMDD): in all (`kind` 0), or of the service `code` (1)."""

    command_id, name, response = 0x06, "CMPP_QUERY", QueryResp
    day: str = ""
    kind: int = 0
    code: str = ""


class CancelResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000007, "CMPP_CANCEL_RESP"
    status: int = ROK  # 1: not cancelled


class Cancel(Request, frozen=True, kw_only=True):
    command_id, name, response = 0x07, "CMPP_CANCEL", CancelResp
    message_id: str = NO_ID


class ActiveTestResp(Response, frozen=True, kw_only=True):
    command_id, name = 0x80000008, "CMPP_ACTIVE_TEST_RESP"


class ActiveTest(Request, frozen=True, kw_only=True):
    command_id, name, response = 0x08, "CMPP_ACTIVE_TEST", ActiveTestResp


class Nack(Response, frozen=True, kw_only=True):
    """Not in the specification, but in the gateways' own libraries: the answer to what has none of its own."""

    command_id, name = 0x80000000, "CMPP_NACK_RESP"


class Unknown(Struct, frozen=True, kw_only=True):
    """A command that is not spoken here."""

    command_id: int


def absolute_time(moment: datetime) -> str:
    """`moment` as ValId_Time says it, whole seconds before it: YYMMDDhhmmsstnnp, 32 quarters of an hour ahead of UTC.

    Source: SMPP 3.3 §7.1.1, to which CMPP refers.
    """
    return f"{moment.astimezone(CHINA):%y%m%d%H%M%S}032+"
