"""Delivery receipts in SMPP: from TLVs or from the text that gateways put in their place.

Holds SMPP 3.4 §5.3.2 (TLVs receipted_message_id, message_state, network_error_code) and appendix B (the text form).
The text form is vendor specific: fields may be missing, reordered, in either case, with seconds in the dates. Pure.
Limits: dates without a zone are taken in the carrier's zone, Asia/Shanghai unless told.
"""

import re
from datetime import UTC, datetime, tzinfo

from sms import text
from sms.receipts import CHINA, MessageState, Receipt, is_carrier_error, state_of, word_of
from sms.smpp.vocabulary import DeliverSm

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
    error = stated if is_carrier_error(stated) else fields.get("err") or _network_error(pdu.network_error_code)
    return Receipt(message_id, state, _instant(fields.get("done date", ""), zone), error)


def is_marked(pdu: DeliverSm) -> bool:
    """Whether esm_class says receipt (0x04) or intermediate notification (0x20). Source: SMPP 3.4 §5.2.12."""
    return pdu.esm_class & 0x3C in (0x04, 0x20)


def render(receipt: Receipt, *, submitted_at: datetime, done_at: datetime, beginning: str = "") -> bytes:
    """The text form of appendix B, as a simulated SMSC writes it."""
    delivered = int(receipt.state is MessageState.DELIVERED)
    submitted, done = (moment.astimezone(CHINA).strftime("%y%m%d%H%M") for moment in (submitted_at, done_at))
    return (
        f"id:{receipt.message_id} sub:001 dlvrd:00{delivered} submit date:{submitted} done date:{done} "
        f"stat:{word_of(receipt.state)} err:{receipt.error or '000'} text:{beginning[:20]}"
    ).encode("ascii", "replace")


def _fields(receipt_text: str) -> dict[str, str]:
    # "text:" quotes the message, which may itself say "stat:DELIVRD".
    quoted = _QUOTE.search(receipt_text)
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(receipt_text[: quoted.start()] if quoted else receipt_text):
        found.setdefault(name.lower(), value)
    return found


def _state(by_tlv: int | None, stated: str) -> MessageState | None:
    return MessageState(by_tlv) if by_tlv is not None and 1 <= by_tlv <= 8 else state_of(stated)


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
