"""The text of a message: encoding, parts, and joining the parts that phones send.

Holds GSM 03.38 (default alphabet), 3GPP TS 23.040 §9.2.3.24 (user data header, concatenation with 8- and 16-bit
references) and the data_coding values of SMPP 3.4 §5.2.19. Pure: `now` is an argument.
Limits: GSM text travels one octet per character, unpacked, as SMPP gateways expect; national shift tables are not
known; of the user data header only concatenation is read, other elements are skipped.
"""

import re
from codecs import charmap_decode
from collections import OrderedDict
from enum import IntEnum, StrEnum

from msgspec import Struct

from kernel.refusals import Refusal


class Coding(IntEnum):
    """data_coding. 0 is the SMSC's default alphabet, taken to be GSM 03.38; 15 is the Chinese gateways' GB18030."""

    GSM = 0
    ASCII = 1
    LATIN1 = 3
    UCS2 = 8
    GB18030 = 15


class TextTooLong(Refusal):
    code = "SMS_TEXT_TOO_LONG"
    zh = "短信内容过长：需要{parts}条，最多{limit}条。"
    en = "The text needs {parts} parts; at most {limit} can be sent."


class Segments(Struct, frozen=True):
    """A text ready for submit_sm: one short_message per part, header included when `has_header`."""

    coding: Coding
    has_header: bool
    parts: tuple[bytes, ...]


#: Most parts one concatenated message can have: the counter is one octet.
MAX_PARTS = 255
#: Characters (UTF-16 units, or septets) of a lone part, of a part with an 8-bit and with a 16-bit reference. A part
#: has 140 octets (160 septets); the headers take 6 and 7 octets, so a wide reference costs one UCS2 character.
_ROOM = {Coding.UCS2: (70, 67, 66), Coding.GSM: (160, 153, 152)}

_GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_GSM_ESCAPED = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|"}
_GSM_ESCAPED[0x65] = "€"
#: Of the octets beyond the alphabet nobody knows what was meant.
_FROM_GSM = _GSM + "\ufffd" * 128
# TS 23.038 §6.2.1.1: a receiver that does not know the escaped character shows the plain one; an escaped escape is
# reserved for a second extension table, which nobody has defined.
_UNESCAPED = {_GSM[code]: character for code, character in _GSM_ESCAPED.items()} | {"\x1b": " "}
_ESCAPED = re.compile("\x1b(.?)", re.DOTALL)
_TO_GSM = {character: bytes([code]) for code, character in enumerate(_GSM) if code != _ESCAPE}
_TO_GSM |= {character: bytes([_ESCAPE, code]) for code, character in _GSM_ESCAPED.items()}


def segments(text: str, *, reference: int = 0, wide: bool = False, gsm_allowed: bool = False) -> Segments:
    """Encode and divide. Neither a surrogate pair nor a GSM escape is ever cut.

    `reference` tells concatenated messages of one sender and receiver apart (8 bits, or 16 if `wide`; higher bits
    are dropped). GSM is chosen only if the carrier's profile allows it and the text fits that alphabet.
    Raises TextTooLong beyond 255 parts.
    """
    coding, octets = _encoded(text, gsm_allowed)
    bodies = _divided(octets, coding, wide)
    if len(bodies) == 1:
        return Segments(coding, False, (octets,))
    if len(bodies) > MAX_PARTS:
        raise TextTooLong(parts=len(bodies), limit=MAX_PARTS)
    kind = ConcatKind.WIDE if wide else ConcatKind.NARROW
    headers = (Concat(kind, reference, len(bodies), number).header() for number in range(1, len(bodies) + 1))
    return Segments(coding, True, tuple(header + body for header, body in zip(headers, bodies, strict=True)))


def parts_needed(text: str, *, wide: bool = False, gsm_allowed: bool = False) -> int:
    """How many parts `text` costs. For text without supplementary characters: 1 up to 70, else ceil(n / 67)."""
    coding, octets = _encoded(text, gsm_allowed)
    return len(_divided(octets, coding, wide))


def units(text: str) -> int:
    """Length as the air interface counts it: UTF-16 units, so a supplementary character counts 2."""
    return len(text) + sum(character > "\uffff" for character in text)


def decode(octets: bytes, data_coding: int) -> str:
    """The text of received octets. Never raises: what cannot be read becomes U+FFFD, and the raw PDU is kept elsewhere.

    An unknown or binary data_coding is read as ASCII, so that a bare confirmation code still gets through.
    """
    match data_coding:
        case Coding.UCS2:
            return octets.decode("utf-16-be", "replace")
        case Coding.GSM:
            return _from_gsm(octets)
        case Coding.LATIN1:
            return octets.decode("latin-1")
        case Coding.GB18030:
            return octets.decode("gb18030", "replace")
    return octets.decode("ascii", "replace")


# --------------------------------------------------------------------------------------------------- concatenation


class ConcatKind(StrEnum):
    NARROW = "udh8"
    WIDE = "udh16"
    SAR = "sar"


class Concat(Struct, frozen=True):
    """Where a part belongs: `number` (from 1) of `total`, under a sender's reference."""

    kind: ConcatKind
    reference: int
    total: int
    number: int

    def header(self) -> bytes:
        """The user data header. Source: TS 23.040 §9.2.3.24.1 (element 00) and .8 (element 08)."""
        if self.kind is ConcatKind.WIDE:
            return b"\x06\x08\x04" + (self.reference & 0xFFFF).to_bytes(2, "big") + bytes([self.total, self.number])
        return bytes([5, 0, 3, self.reference & 0xFF, self.total, self.number])


class Part(Struct, frozen=True):
    """One received message. `raw` is the PDU as it came, which evidence keeps."""

    source: str
    destination: str
    data_coding: int
    octets: bytes
    concat: Concat | None = None
    raw: bytes = b""


class Joined(Struct, frozen=True):
    """A text for people. Not `is_complete` if parts never came: the gaps are shown as “…”."""

    source: str
    destination: str
    text: str
    parts: tuple[Part, ...]
    is_complete: bool = True


def split_header(short_message: bytes) -> tuple[Concat | None, bytes]:
    """Concatenation, if the header states a possible one, and the octets behind the header.

    A header that overruns the message is not a header: everything is text, so that nothing is lost.
    """
    if not short_message or short_message[0] >= len(short_message):
        return None, short_message
    end = 1 + short_message[0]
    header, body = short_message[1:end], short_message[end:]
    found = None
    while len(header) >= 2:
        element, length, rest = header[0], header[1], header[2:]
        value, header = rest[:length], rest[length:]
        if (element, len(value)) == (0x00, 3):
            found = Concat(ConcatKind.NARROW, value[0], value[1], value[2])
        elif (element, len(value)) == (0x08, 4):
            found = Concat(ConcatKind.WIDE, int.from_bytes(value[:2], "big"), value[2], value[3])
    return (found if found and is_possible(found) else None), body


def is_possible(concat: Concat) -> bool:
    return 1 <= concat.number <= concat.total


_Key = tuple[str, str, ConcatKind, int, int]


class Reassembler:
    """Joins parts by (sender, receiver, reference, total), in any order, in bounded memory.

    Duplicates are dropped, also after the whole was given out. A different part under a number already filled is a
    phone that reuses its reference: what had been collected is given out incomplete and collecting starts again.
    Nothing vanishes: groups that time out or are crowded out come back with `is_complete=False`.
    """

    def __init__(self, *, patience_s: float = 600.0, max_groups: int = 1000, max_octets: int = 4 << 20) -> None:
        # Ten minutes: carriers deliver the parts of a long text within seconds, or retry within minutes.
        self._patience_s, self._max_groups, self._max_octets = patience_s, max_groups, max_octets
        self._open: OrderedDict[_Key, tuple[float, dict[int, Part]]] = OrderedDict()
        #: Whole messages given out, as fingerprints of their parts.
        self._done: OrderedDict[_Key, tuple[float, dict[int, int]]] = OrderedDict()
        self._octets = 0

    def __len__(self) -> int:
        """Groups that still miss parts."""
        return len(self._open)

    def take(self, part: Part, now: float) -> list[Joined]:
        """What `part` completes, preceded by what it crowds out. `now` in seconds of any steady clock."""
        given = self.handle_timer(now)
        concat = part.concat
        if concat is None or not is_possible(concat) or concat.total == 1:
            return [*given, _joined({1: part}, 1)]
        key = (part.source, part.destination, concat.kind, concat.reference, concat.total)
        if key in self._done and self._done[key][1].get(concat.number) == _fingerprint(part):
            return given
        if key in self._open and concat.number in self._open[key][1]:
            if _fingerprint(self._open[key][1][concat.number]) == _fingerprint(part):
                return given
            given.append(self._close(key))
        _, parts = self._open.setdefault(key, (now, {}))
        parts[concat.number] = part
        self._octets += _size(part)
        if len(parts) == concat.total:
            whole = self._close(key)
            self._remember(key, now, parts)
            return [*given, whole]
        while len(self._open) > self._max_groups or self._octets > self._max_octets:
            given.append(self._close(next(iter(self._open))))
        return given

    def next_timer(self) -> float | None:
        """When `handle_timer` has something to give out."""
        for since, _ in self._open.values():
            return since + self._patience_s
        return None

    def handle_timer(self, now: float) -> list[Joined]:
        """Groups whose first part came `patience_s` ago."""
        while self._done and next(iter(self._done.values()))[0] + self._patience_s <= now:
            self._forget()
        given = []
        while (due := self.next_timer()) is not None and due <= now:
            given.append(self._close(next(iter(self._open))))
        return given

    def _close(self, key: _Key) -> Joined:
        _, parts = self._open.pop(key)
        self._octets -= sum(map(_size, parts.values()))
        return _joined(parts, key[4])

    def _remember(self, key: _Key, now: float, parts: dict[int, Part]) -> None:
        self._done.pop(key, None)
        self._done[key] = (now, {number: _fingerprint(part) for number, part in parts.items()})
        # A tenth of the groups, to know duplicates by, is enough: carriers repeat a part within seconds.
        while len(self._done) > max(1, self._max_groups // 10):
            self._forget()

    def _forget(self) -> None:
        self._done.popitem(last=False)


def _joined(parts: dict[int, Part], total: int) -> Joined:
    ordered = [parts[number] for number in sorted(parts)]
    first = ordered[0]
    is_complete = len(ordered) == total
    if is_complete and len({part.data_coding for part in ordered}) == 1:
        # Joined before decoding: some phones cut a surrogate pair, or an escape, between two parts.
        text = decode(b"".join(part.octets for part in ordered), first.data_coding)
    else:
        text = "".join(_or_gap(parts.get(number)) for number in range(1, total + 1))
    return Joined(first.source, first.destination, text, tuple(ordered), is_complete)


def _or_gap(part: Part | None) -> str:
    return "…" if part is None else decode(part.octets, part.data_coding)


def _fingerprint(part: Part) -> int:
    return hash((part.data_coding, part.octets))


def _size(part: Part) -> int:
    return len(part.octets) + len(part.raw)


def _encoded(text: str, gsm_allowed: bool) -> tuple[Coding, bytes]:
    if gsm_allowed and all(character in _TO_GSM for character in text):
        return Coding.GSM, b"".join(_TO_GSM[character] for character in text)
    # A lone surrogate becomes "?": no phone could show it.
    return Coding.UCS2, text.encode("utf-16-be", "replace")


def _divided(octets: bytes, coding: Coding, wide: bool) -> list[bytes]:
    unit = 2 if coding is Coding.UCS2 else 1
    alone, narrow, with_wide = _ROOM[coding]
    if len(octets) <= alone * unit:
        return [octets]
    room, bodies, start = (with_wide if wide else narrow) * unit, [], 0
    while start < len(octets):
        end = start + room
        if end < len(octets) and _cuts_a_pair(octets[end - unit : end]):
            end -= unit
        bodies.append(octets[start:end])
        start = end
    return bodies


def _cuts_a_pair(last: bytes) -> bool:
    """Whether the next part would begin with the second half: of a surrogate pair, or of a GSM escape."""
    return 0xD8 <= last[0] <= 0xDB if len(last) == 2 else last[0] == _ESCAPE


def _from_gsm(octets: bytes) -> str:
    text, _ = charmap_decode(octets, "strict", _FROM_GSM)
    return _ESCAPED.sub(lambda found: _UNESCAPED.get(found[1], found[1]), text) if "\x1b" in text else text
