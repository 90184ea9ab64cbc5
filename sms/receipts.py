"""Delivery receipts: what became of a message, from TLVs or from the text that gateways put in their place.

Holds SMPP 3.4 §5.3.2 (TLVs receipted_message_id, message_state, network_error_code), §5.2.28 (message states) and
appendix B (the text form). The text form is vendor specific: fields may be missing, reordered, in either case, with
seconds in the dates. Pure. Limits: dates without a zone are taken in the carrier's zone, Asia/Shanghai unless told.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import IntEnum

from msgspec import Struct

from sms import text
from sms.vocabulary import DeliverSm


class MessageState(IntEnum):
    """SMPP 3.4 §5.2.28."""

    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8

    @property
    def is_final(self) -> bool:
        return self not in (MessageState.ENROUTE, MessageState.ACCEPTED, MessageState.UNKNOWN)


class Receipt(Struct, frozen=True):
    """One receipt. `error` is the carrier's own code as it stood, for statuses.of_receipt."""

    message_id: str
    state: MessageState
    done_at: datetime | None = None
    error: str | None = None


_STATES = {
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "ACCEPTD": MessageState.ACCEPTED,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
    "ENROUTE": MessageState.ENROUTE,
    # Seen instead of the seven letters of appendix B.
    "DELIVERED": MessageState.DELIVERED,
    "UNDELIVERABLE": MessageState.UNDELIVERABLE,
    "ACCEPTED": MessageState.ACCEPTED,
    "REJECTED": MessageState.REJECTED,
}
#: Chinese gateways write their own error in place of the state: "stat:MK:0001".
_CARRIER_ERROR = re.compile(r"[A-Z]{2}:\d{4}", re.ASCII)

#: SMPP 3.4 §5.2.23 allows 64 characters; int() refuses to read thousands.
_LONGEST_ID = 64

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
_FIELD = re.compile(r"\b(id|stat|err|done date)\s?:\s?([^\s]{1,64})", re.IGNORECASE | re.ASCII)
_QUOTE = re.compile(r"\btext\s?:", re.IGNORECASE)
_SHAPES = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}


def parse(pdu: DeliverSm, *, zone: tzinfo = CHINA) -> Receipt | None:
    """The receipt in `pdu`, or None if it is a text from a person, or nothing that names a message. Never raises."""
    if not (is_marked(pdu) or pdu.receipted_message_id):
        return None
    fields = _fields(text.decode(pdu.octets, pdu.data_coding))
    message_id = pdu.receipted_message_id or fields.get("id", "")
    stated = fields.get("stat", "").upper()
    state = _state(pdu.message_state, stated)
    if not message_id or state is None:
        return None
    error = stated if _CARRIER_ERROR.fullmatch(stated) else fields.get("err") or _network_error(pdu.network_error_code)
    return Receipt(message_id, state, _instant(fields.get("done date", ""), zone), error)


def is_marked(pdu: DeliverSm) -> bool:
    """Whether esm_class says receipt (0x04) or intermediate notification (0x20). Source: SMPP 3.4 §5.2.12."""
    return pdu.esm_class & 0x3C in (0x04, 0x20)


def same_message_ids(message_id: str) -> tuple[str, ...]:
    """Every way one message id is written, the likeliest first: look up in this order and stop at the first hit.

    Gateways answer submit_sm in hexadecimal and put the same number in decimal into the receipt, or the reverse; case
    and leading zeros vary. "10" is therefore also "16" and "a": ambiguous by itself, so never match against a set.
    """
    plain = message_id.strip().lower().lstrip("0") or "0"
    forms = [plain]
    if len(plain) > _LONGEST_ID:
        return (plain,)
    if plain.isascii() and plain.isdigit():
        forms.append(f"{int(plain):x}")
    if re.fullmatch("[0-9a-f]+", plain):
        forms.append(str(int(plain, 16)))
    return tuple(dict.fromkeys(forms))


def render(receipt: Receipt, *, submitted_at: datetime, done_at: datetime, beginning: str = "") -> bytes:
    """The text form of appendix B, as a simulated SMSC writes it."""
    stated = {state: name for name, state in reversed(_STATES.items())}[receipt.state]
    delivered = int(receipt.state is MessageState.DELIVERED)
    submitted, done = (moment.astimezone(CHINA).strftime("%y%m%d%H%M") for moment in (submitted_at, done_at))
    return (
        f"id:{receipt.message_id} sub:001 dlvrd:00{delivered} submit date:{submitted} done date:{done} "
        f"stat:{stated} err:{receipt.error or '000'} text:{beginning[:20]}"
    ).encode("ascii", "replace")


def _fields(receipt_text: str) -> dict[str, str]:
    # "text:" quotes the message, which may itself say "stat:DELIVRD".
    quoted = _QUOTE.search(receipt_text)
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(receipt_text[: quoted.start()] if quoted else receipt_text):
        found.setdefault(name.lower(), value)
    return found


def _state(by_tlv: int | None, stated: str) -> MessageState | None:
    if by_tlv is not None and 1 <= by_tlv <= 8:
        return MessageState(by_tlv)
    if _CARRIER_ERROR.fullmatch(stated):
        return MessageState.UNDELIVERABLE
    return _STATES.get(stated)


def _network_error(tlv: bytes | None) -> str | None:
    """Network type and code. Source: SMPP 3.4 §5.3.2.31."""
    return f"{tlv[0]}:{int.from_bytes(tlv[1:], 'big')}" if tlv and len(tlv) == 3 else None


def _instant(digits: str, zone: tzinfo) -> datetime | None:
    if len(digits) not in _SHAPES or not digits.isdigit():
        return None
    try:
        return datetime.strptime(digits, _SHAPES[len(digits)]).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
