"""Status reports: what the content of a CMPP_DELIVER with Registered_Delivery 1 says about a submission.

Holds the layout of 2.0 (60 octets) and of 3.0 (71: a longer receiver). Gateways of 3.0 that write 60 are common, so the
length decides, not the version; a shorter one is read as far as it goes. Pure.
Limits: Submit_time and SMSC_sequence are written and not read.
"""

import re
import struct
from datetime import UTC, datetime

from sms.cmpp.vocabulary import Deliver, Version
from sms.receipts import CHINA, MessageState, Receipt, state_of, word_of

_LAYOUT = {Version.V2: struct.Struct(">8s7s10s10s21sL"), Version.V3: struct.Struct(">8s7s10s10s32sL")}
#: Msg_Id and Stat: less says nothing of anything.
_LEAST = 15
_MINUTE = "%y%m%d%H%M"
_NUMBER = re.compile(r"\+?[0-9]{3,20}", re.ASCII)
#: What is no character of a line comes out as "?", because words go into logs.
_READABLE = bytes(octet if 0x20 <= octet < 0x7F else ord("?") for octet in range(256))


def parse(pdu: Deliver) -> Receipt | None:
    """The receipt in `pdu`; None if it names no message or no state. Never raises."""
    content = pdu.content
    word = _text(content[8:15]).upper()
    if len(content) < _LEAST or not word:
        return None
    state = state_of(word)
    if state is None:
        # Seven letters that are no state are a gateway's own word for its failure: "SIGFAIL", "BLACK01", "DB00141".
        return Receipt(content[:8].hex(), MessageState.UNDELIVERABLE, _minute(content[25:35]), word)
    error = None if word == word_of(state) else word
    return Receipt(content[:8].hex(), state, _minute(content[25:35]), error)


def phone_of(pdu: Deliver) -> str:
    """Whose text it was: the receiver that the report names, else the sender of the report.

    Empty if that is no number: in 3.0 it may be a pseudonym (伪码) of 32 characters.
    """
    content = pdu.content
    width = 32 if len(content) >= _LAYOUT[Version.V3].size else 21
    named = _text(content[35 : 35 + width]) or pdu.source
    return named if _NUMBER.fullmatch(named) else ""


def render(
    receipt: Receipt, version: Version, *, phone: str, submitted_at: datetime, done_at: datetime, serial: int = 0
) -> bytes:
    """The content of a report, as a simulated gateway writes it."""
    return _LAYOUT[version].pack(
        bytes.fromhex(receipt.message_id),
        (receipt.error or word_of(receipt.state)).encode("ascii", "replace"),
        submitted_at.astimezone(CHINA).strftime(_MINUTE).encode(),
        done_at.astimezone(CHINA).strftime(_MINUTE).encode(),
        phone.encode("ascii", "replace"),
        serial,
    )


def _text(octets: bytes) -> str:
    return octets.partition(b"\0")[0].translate(_READABLE).decode().strip()


def _minute(octets: bytes) -> datetime | None:
    digits = _text(octets)
    if len(digits) != 10 or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return datetime.strptime(digits, _MINUTE).replace(tzinfo=CHINA).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
