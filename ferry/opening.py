"""Reads a parcel: first the signature over the whole file, then the frames, and nothing counts until the manifest fits.

`look` reads the label of anything that calls itself a parcel. `check` proves who sealed it, without a key, so that a
guard at the border can do it. `unseal` decrypts: records come back whole, pieces go to `keep` one by one, and both
are worth nothing until it returns. Memory stays flat. Whoever opens a parcel from a shared folder copies it first:
it is read twice.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import BinaryIO

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from ferry.parcel import (
    FRAME_OCTETS,
    MAGIC,
    MAX_HEADER_OCTETS,
    MAX_MANIFEST_OCTETS,
    MAX_NAME_OCTETS,
    MAX_PARCEL_OCTETS,
    MAX_PARTS,
    MAX_PIECE_OCTETS,
    MAX_RECORDS_OCTETS,
    MAX_SIGNATURE_OCTETS,
    PART,
    TAG_OCTETS,
    U16,
    U32,
    Codec,
    Header,
    Kind,
    Manifest,
    SignedManifest,
    canonical,
    content_id,
    key_info,
    nonce,
    read_header,
)
from ferry.refusals import (
    ParcelMalformed,
    ParcelOversize,
    ParcelTorn,
    ParcelUnreadable,
)
from ferry.suites import Suite, suite_named

_LIMITS = {Kind.RECORDS: MAX_RECORDS_OCTETS, Kind.PIECE: MAX_PIECE_OCTETS, Kind.MANIFEST: MAX_MANIFEST_OCTETS}

#: Takes some octets of a file (its SHA-256, the offset) before anybody knows whether the parcel is sound.
Keep = Callable[[str, int, bytes], None]
_PIECE_NAME = re.compile(r"([0-9a-f]{64})@([0-9]{1,16})")
#: SHA-256 of the file, offset, octets.
_Stretch = tuple[str, int, int]


class Checked(Struct, frozen=True, kw_only=True):
    """A parcel whose outer signature fits. `frames_at`: where its frames begin; `sha256` of the whole file."""

    header: Header
    header_sha256: str
    frames_at: int
    octets: int
    sha256: str


class Unsealed(Struct, frozen=True, kw_only=True):
    """What was in it. `signed_manifest` is the sender's own word about the plain content: kept, it is evidence."""

    manifest: Manifest
    records: tuple[bytes, ...]
    signed_manifest: bytes


def look(source: BinaryIO) -> Header:
    """What a parcel says about itself; nothing of it is proved. Raises ParcelTorn, ParcelMalformed, ParcelOversize."""
    return read_header(_header_octets(source))


def check(source: BinaryIO, sender: Callable[[Header], ec.EllipticCurvePublicKey]) -> Checked:
    """Proves that the sender sealed exactly these octets. `sender` finds the key, or raises its own refusal.

    Raises ParcelTorn, ParcelMalformed, ParcelOversize, ParcelUnknownSuite, ParcelSignature.
    """
    source.seek(0)
    octets = _header_octets(source)
    header = read_header(octets)
    suite = suite_named(header.suite)
    read = suite.hash()
    start = MAGIC + U32.pack(len(octets)) + octets
    read.update(start)
    total = frames_at = len(start)
    for frame in _frames(source):
        read.update(U32.pack(len(frame)))
        read.update(frame)
        total += U32.size + len(frame)
        if total > MAX_PARCEL_OCTETS:
            raise ParcelOversize(what="parcel", limit=MAX_PARCEL_OCTETS)
    signature = _signature(source)
    suite.verify(sender(header), read.copy().digest(), signature)
    read.update(U16.pack(len(signature)) + signature)
    return Checked(
        header=header,
        header_sha256=_sha256(suite, octets),
        frames_at=frames_at,
        octets=total + U16.size + len(signature),
        sha256=read.digest().hex(),
    )


def unseal(
    source: BinaryIO,
    checked: Checked,
    own: ec.EllipticCurvePrivateKey,
    sender: ec.EllipticCurvePublicKey,
    keep: Keep,
) -> Unsealed:
    """Decrypts what `check` let pass. Raises a ParcelRefused; what `keep` took before that must be thrown away."""
    header, suite = checked.header, suite_named(checked.header.suite)
    key = suite.unwrap(_hex(header.wrapped), own, key_info(header))
    source.seek(checked.frames_at)
    plain = _Plain(_decrypted(source, suite, key, bytes.fromhex(checked.header_sha256)))
    records, pieces, signed = _parts(plain, suite, keep)
    manifest = _manifest(signed, suite, sender)
    lines = records.split(b"\n")
    is_sound = (
        manifest.label == header.label
        and manifest.header == checked.header_sha256
        and [(piece.sha256, piece.offset, piece.octets) for piece in manifest.pieces] == pieces
        and all(piece.offset + piece.octets <= piece.size for piece in manifest.pieces)
        and manifest.records == hashlib.sha256(records).hexdigest()
        and manifest.count == len(lines) - 1
        and lines[-1] == b""
        and manifest.content_id == content_id(manifest.label, manifest.records, manifest.pieces)
    )
    if not is_sound:
        raise ParcelMalformed(why="the manifest says otherwise")
    return Unsealed(manifest=manifest, records=tuple(lines[:-1]), signed_manifest=signed)


# ------------------------------------------------------------------------------------------------------- the file


def _header_octets(source: BinaryIO) -> bytes:
    start = _exactly(source, len(MAGIC) + U32.size, "header")
    if not start.startswith(MAGIC):
        raise ParcelMalformed(why="not a parcel")
    (octets,) = U32.unpack(start[len(MAGIC) :])
    if octets > MAX_HEADER_OCTETS:
        raise ParcelOversize(what="header", limit=MAX_HEADER_OCTETS)
    return _exactly(source, octets, "header")


def _frames(source: BinaryIO) -> Iterator[bytes]:
    """Every frame, the empty one at the end included."""
    while True:
        (octets,) = U32.unpack(_exactly(source, U32.size, "frame"))
        if octets == 0:
            yield b""
            return
        if not TAG_OCTETS <= octets <= FRAME_OCTETS + TAG_OCTETS:
            raise ParcelMalformed(why="a frame of no possible length")
        yield _exactly(source, octets, "frame")


def _signature(source: BinaryIO) -> bytes:
    (octets,) = U16.unpack(_exactly(source, U16.size, "signature"))
    if octets > MAX_SIGNATURE_OCTETS:
        raise ParcelOversize(what="signature", limit=MAX_SIGNATURE_OCTETS)
    signature = _exactly(source, octets, "signature")
    if source.read(1):
        raise ParcelMalformed(why="octets behind the signature")
    return signature


def _exactly(source: BinaryIO, octets: int, where: str) -> bytes:
    read = source.read(octets)
    if len(read) < octets:
        raise ParcelTorn(where=where)
    return read


# -------------------------------------------------------------------------------------------------------- the parts


def _decrypted(source: BinaryIO, suite: Suite, key: bytes, header: bytes) -> Iterator[bytes]:
    frames = suite.frames(key)
    for number, (frame, following) in enumerate(pairwise(_frames(source))):
        try:
            yield frames.decrypt(nonce(number, is_last=not following), frame, header)
        except InvalidTag:
            raise ParcelUnreadable(why=f"frame {number}") from None


class _Plain:
    """The decrypted octets, as far as somebody asks for them."""

    def __init__(self, frames: Iterator[bytes]) -> None:
        self._frames, self._rest = frames, memoryview(b"")

    def exactly(self, octets: int) -> bytes:
        taken: list[bytes | memoryview] = []
        while octets > len(self._rest):
            taken.append(self._rest)
            octets -= len(self._rest)
            frame = next(self._frames, None)
            if frame is None:
                raise ParcelMalformed(why="the last part is cut short")
            self._rest = memoryview(frame)
        taken.append(self._rest[:octets])
        self._rest = self._rest[octets:]
        return b"".join(taken)

    def is_at_end(self) -> bool:
        while not self._rest:
            frame = next(self._frames, None)
            if frame is None:
                return True
            self._rest = memoryview(frame)
        return False


def _parts(plain: _Plain, suite: Suite, keep: Keep) -> tuple[bytes, list[_Stretch], bytes]:
    """The records, the pieces as they stand, the signed manifest: in this order and nothing else."""
    kind, _, records = _part(plain)
    if kind is not Kind.RECORDS:
        raise ParcelMalformed(why="the records do not come first")
    pieces: list[_Stretch] = []
    for _ in range(MAX_PARTS):
        kind, name, content = _part(plain)
        if kind is Kind.MANIFEST:
            if not plain.is_at_end():
                raise ParcelMalformed(why="parts behind the manifest")
            return records, pieces, content
        if kind is not Kind.PIECE:
            raise ParcelMalformed(why="records twice")
        sha256, offset = _named(name)
        keep(sha256, offset, content)
        pieces.append((sha256, offset, len(content)))
    raise ParcelOversize(what="parts", limit=MAX_PARTS)


def _part(plain: _Plain) -> tuple[Kind, str, bytes]:
    kind_octet, codec_octet, name_octets, size, stored = PART.unpack(plain.exactly(PART.size))
    try:
        kind, codec = Kind(kind_octet), Codec(codec_octet)
    except ValueError:
        raise ParcelMalformed(why="an unknown kind of part") from None
    if name_octets > MAX_NAME_OCTETS:
        raise ParcelOversize(what="name", limit=MAX_NAME_OCTETS)
    limit = _LIMITS[kind]
    # Compressed octets that are longer than plain ones are possible, by a little.
    if size > limit or stored > limit + MAX_HEADER_OCTETS:
        raise ParcelOversize(what=kind.name.lower(), limit=limit)
    name = plain.exactly(name_octets).decode("ascii", "replace")
    content = plain.exactly(stored)
    return kind, name, content if codec is Codec.STORED and size == stored else _decompressed(content, size, codec)


def _decompressed(stored: bytes, size: int, codec: Codec) -> bytes:
    """The frame must state its size before anything is unpacked: a bomb is refused by its own label."""
    try:
        if codec is not Codec.ZSTD or zstandard.frame_content_size(stored) != size:
            raise ParcelMalformed(why="a part is not as long as it says")
        unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_RECORDS_OCTETS)
        content = unpacker.decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError:
        raise ParcelMalformed(why="a part cannot be unpacked") from None
    if len(content) != size:
        raise ParcelMalformed(why="a part is not as long as it says")
    return content


def _named(name: str) -> tuple[str, int]:
    found = _PIECE_NAME.fullmatch(name)
    if found is None:
        raise ParcelMalformed(why="a piece without a proper name")
    return found[1], int(found[2])


def _manifest(signed: bytes, suite: Suite, sender: ec.EllipticCurvePublicKey) -> Manifest:
    try:
        parts = msgspec.json.decode(signed, type=SignedManifest)
        manifest = msgspec.json.decode(parts.manifest, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise ParcelMalformed(why=f"manifest: {wrong}"[:120]) from None
    if canonical(manifest) != bytes(parts.manifest):
        raise ParcelMalformed(why="manifest: not in canonical form")
    suite.verify(sender, bytes.fromhex(_sha256(suite, bytes(parts.manifest))), _hex(parts.signature))
    return manifest


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ParcelMalformed(why="not hexadecimal") from None


def _sha256(suite: Suite, octets: bytes) -> str:
    hashed = suite.hash()
    hashed.update(octets)
    return hashed.digest().hex()
