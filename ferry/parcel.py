"""The parcel file `FRY1`: what is in it, in which order, and how much of everything.

    "FRY1" | u32 octets of header | header, canonical JSON
    { u32 octets of frame | frame, at most 1 MiB and a tag }*  u32 0 | u16 octets of signature | signature

Everything is big-endian. Put together and decrypted, the frames are parts; the last one is the signed manifest:

    { u8 kind | u8 codec | u16 octets of name | u64 octets plain | u64 octets stored | name | stored }*

A parcel is one file and explains itself: no sidecar, no order of arrival, no meaning in its name. Its identity is
`content_id`, over what it says and not over its octets: sealed again for another key it is another file and the same
parcel. Pure: names, limits, identity; sealing.py writes parcels and opening.py reads them.
"""

import hashlib
import struct
from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, Literal

import msgspec
import rfc8785
from msgspec import Meta, Struct

from ferry.refusals import ParcelMalformed

MAGIC = b"FRY1"
#: Plain octets in one frame.
FRAME_OCTETS = 1 << 20
TAG_OCTETS = 16
MAX_HEADER_OCTETS = 1 << 16
MAX_SIGNATURE_OCTETS = 256
MAX_NAME_OCTETS = 200
#: What is held in memory at once: the records of a parcel, its manifest, one compressed piece of a file.
MAX_RECORDS_OCTETS = 32 << 20
MAX_MANIFEST_OCTETS = 1 << 20
MAX_PIECE_OCTETS = 16 << 20
MAX_PARTS = 10_000
MAX_PARCEL_OCTETS = 2 << 30

U16, U32 = struct.Struct(">H"), struct.Struct(">I")
PART = struct.Struct(">BBHQQ")

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Word = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")]
Number = Annotated[int, Meta(ge=0, lt=1 << 53)]

#: What stands before the first parcel of an epoch.
NO_PARCEL = "0" * 64


class Kind(IntEnum):
    RECORDS = 1  # JSON Lines
    PIECE = 2  # a stretch of a file, named by the SHA-256 of the whole
    MANIFEST = 3


class Codec(IntEnum):
    STORED = 0
    ZSTD = 1


class Label(Struct, frozen=True, kw_only=True):
    """Which parcel this is. `seq` counts from 1 within (channel, epoch); `prev` is the content_id before it."""

    channel: Word
    epoch: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    seq: Annotated[int, Meta(ge=1, lt=1 << 53)]
    prev: Sha256 = NO_PARCEL


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What anybody may read. `created` is for people, nothing is ordered by it. `wrapped`: the parcel's key (hex)."""

    v: Literal[1]
    suite: Annotated[str, Meta(max_length=40)]
    label: Label
    sender: Word
    receiver: Word
    sender_certificate: Sha256
    receiver_key: Sha256
    created: datetime
    wrapped: Annotated[str, Meta(max_length=8192)] = ""


class Piece(Struct, frozen=True, kw_only=True):
    """A stretch of a file that crosses beside the records: `octets` from `offset`, of `size` in all."""

    sha256: Sha256
    size: Number
    offset: Number
    octets: Number


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be in the parcel. `header` is the SHA-256 of the header's octets."""

    schema: Number
    label: Label
    header: Sha256
    count: Number
    records: Sha256
    pieces: tuple[Piece, ...]
    content_id: Sha256


class SignedManifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    manifest: msgspec.Raw
    signature: Annotated[str, Meta(max_length=2 * MAX_SIGNATURE_OCTETS)]


def content_id(label: Label, records: str, pieces: tuple[Piece, ...]) -> str:
    """The identity of a parcel: what it says and after what. Two files with one identity are one parcel."""
    said: list[Any] = [
        label.channel,
        label.epoch,
        label.seq,
        label.prev,
        records,
        [[piece.sha256, piece.size, piece.offset, piece.octets] for piece in pieces],
    ]
    return hashlib.sha256(rfc8785.dumps(said)).hexdigest()


def json_lines(records: Iterable[bytes]) -> bytes:
    """Records as they lie in a parcel: each with its line feed."""
    return b"".join(b"%b\n" % record for record in records)


def canonical(value: Struct) -> bytes:
    """RFC 8785."""
    return rfc8785.dumps(msgspec.to_builtins(value))


def key_info(header: Header) -> bytes:
    """What the parcel's key is bound to: everything the header says but the wrapped key itself."""
    return b"FRY1 key " + canonical(msgspec.structs.replace(header, wrapped=""))


def nonce(number: int, *, is_last: bool) -> bytes:
    """STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015): truncated, reordered and foreign frames do not open."""
    return bytes(7) + U32.pack(number) + bytes([is_last])


def read_header(octets: bytes) -> Header:
    """Raises ParcelMalformed for anything but the canonical form of a header."""
    try:
        header = msgspec.json.decode(octets, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise ParcelMalformed(why=f"header: {wrong}"[:120]) from None
    if canonical(header) != octets:
        raise ParcelMalformed(why="header: not in canonical form")
    return header
