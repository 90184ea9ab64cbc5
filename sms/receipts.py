"""Delivery receipts, whatever protocol brought them: the states, the carriers' words for them, the ways to write an id.

Holds SMPP 3.4 §5.2.28 and appendix B, whose seven letters CMPP and the MAS write, too. Pure.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from enum import IntEnum, StrEnum

from msgspec import Struct


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


def state_of(word: str) -> MessageState | None:
    """The state a carrier calls `word`; "MK:0001" in its place means undeliverable. None: no such word."""
    return MessageState.UNDELIVERABLE if is_carrier_error(word) else _STATES.get(word)


def word_of(state: MessageState) -> str:
    """The seven letters of appendix B."""
    return {state: word for word, state in reversed(_STATES.items())}[state]


def is_carrier_error(word: str) -> bool:
    return _CARRIER_ERROR.fullmatch(word) is not None


def same_message_ids(message_id: str) -> tuple[str, ...]:
    """Every way one message id is written, the likeliest first: look up in this order and stop at the first hit.

    Gateways answer submit_sm in hexadecimal and put the same number in decimal into the receipt, or the reverse; case
    and leading zeros vary. "10" is therefore also "16" and "a": ambiguous by itself, so never match against a set.
    """
    stated = message_id.strip().lower()
    plain = stated.lstrip("0") or stated[:1]
    forms = [plain]
    if len(plain) > _LONGEST_ID:
        return (plain,)
    if plain.isascii() and plain.isdigit():
        forms.append(f"{int(plain):x}")
    if re.fullmatch("[0-9a-f]+", plain):
        forms.append(str(int(plain, 16)))
    return tuple(dict.fromkeys(forms))


class ReceiptIds(StrEnum):
    """How a carrier writes in its receipts the id that it answered with."""

    SAME = "same"
    DECIMAL = "decimal"  # answered in hexadecimal
    HEX = "hex"  # answered in decimal


def plain_id(message_id: str) -> str:
    """The first of `same_message_ids`, without the others, which are rarely wanted. No id stays none."""
    plain = message_id.strip().lower()
    return plain.lstrip("0") or plain[:1]


def id_from_decimal(message_id: str) -> str:
    """A receipt's decimal id as the answer wrote it, in hexadecimal; what is no decimal number stays as it is."""
    plain = plain_id(message_id)
    return f"{int(plain):x}" if len(plain) <= _LONGEST_ID and plain.isascii() and plain.isdigit() else plain


def id_from_hex(message_id: str) -> str:
    """A receipt's hexadecimal id as the answer wrote it, in decimal; what is no such number stays as it is."""
    plain = plain_id(message_id)
    return str(int(plain, 16)) if len(plain) <= _LONGEST_ID and re.fullmatch("[0-9a-f]+", plain) else plain


#: How an id of a receipt is read, so that it equals the plain id of the answer.
READ_ID: Mapping[ReceiptIds, Callable[[str], str]] = {
    ReceiptIds.SAME: plain_id,
    ReceiptIds.DECIMAL: id_from_decimal,
    ReceiptIds.HEX: id_from_hex,
}
