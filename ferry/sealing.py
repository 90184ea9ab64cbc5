"""Writes a parcel: encrypts, signs, streams. The caller numbered it, committed that, and opened the file.

Memory stays flat: one frame, one piece of a file. Records are compressed (zstd 3, 3.8 : 1 for JSON); pieces only when
that is worth it: most attachments are compressed already, and trying again costs 40 % of the sealing.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable
from typing import BinaryIO

import zstandard
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from msgspec.structs import replace

from ferry.parcel import (
    FRAME_OCTETS,
    MAGIC,
    MAX_PIECE_OCTETS,
    MAX_RECORDS_OCTETS,
    PART,
    U16,
    U32,
    Codec,
    Header,
    Kind,
    Label,
    Manifest,
    Piece,
    canonical,
    content_id,
    key_info,
    nonce,
)
from ferry.refusals import ParcelOversize
from ferry.suites import DEFAULT, Hash, Suite
from kernel.clock import Clock

_LEVEL = 3
#: A piece that shrinks by less is stored as it is; found out on its beginning.
_WORTH_IT = 0.9
_SAMPLE_OCTETS = 1 << 16

#: Where the octets of a piece come from: called once, when their turn has come.
Content = Callable[[], bytes]


class Addressed(Struct, frozen=True, kw_only=True):
    """From which zone to which; SHA-256 of the sender's certificate (DER) and of the receiver's key (SPKI)."""

    sender: str
    receiver: str
    sender_certificate: str
    receiver_key: str


class SealingKeys(Struct, frozen=True, kw_only=True):
    own: ec.EllipticCurvePrivateKey
    receiver: ec.EllipticCurvePublicKey

    def __repr__(self) -> str:
        return "SealingKeys()"


class Sealed(Struct, frozen=True, kw_only=True):
    content_id: str
    octets: int
    sha256: str  # of the file


def seal(
    target: BinaryIO,
    label: Label,
    records: bytes,
    pieces: Iterable[tuple[Piece, Content]] = (),
    *,
    schema: int,
    addressed: Addressed,
    keys: SealingKeys,
    clock: Clock,
    suite: Suite = DEFAULT,
) -> Sealed:
    """Writes the parcel of `records` (JSON Lines, each with its line feed) and pieces to `target`, and flushes it.

    Raises ParcelOversize. `target` is not synced: that, and its name, are the transport's.
    """
    pieces = list(pieces)
    if len(records) > MAX_RECORDS_OCTETS:
        raise ParcelOversize(what="records", limit=MAX_RECORDS_OCTETS)
    said = tuple(piece for piece, _ in pieces)
    # Identity is the same under every suite: a parcel that is sealed anew with another remains itself.
    records_sha = hashlib.sha256(records).hexdigest()
    header = _header(label, addressed, clock, suite)
    key = secrets.token_bytes(suite.key_octets)
    header = _wrapped(header, key, keys.receiver, suite)
    octets = canonical(header)
    out = _Frames(target, suite, key, octets)
    out.part(Kind.RECORDS, "", records, Codec.ZSTD)
    for piece, content in pieces:
        _write_piece(out, piece, content())
    manifest = Manifest(
        schema=schema,
        label=label,
        header=_sha256(suite, octets),
        count=records.count(b"\n"),
        records=records_sha,
        pieces=said,
        content_id=content_id(label, records_sha, said),
    )
    out.part(Kind.MANIFEST, "", _signed(manifest, keys.own, suite), Codec.STORED)
    return out.finish(keys.own, manifest.content_id)


def _header(label: Label, addressed: Addressed, clock: Clock, suite: Suite) -> Header:
    return Header(
        v=1,
        suite=suite.name,
        label=label,
        sender=addressed.sender,
        receiver=addressed.receiver,
        sender_certificate=addressed.sender_certificate,
        receiver_key=addressed.receiver_key,
        created=clock.now(),
    )


def _wrapped(header: Header, key: bytes, receiver: ec.EllipticCurvePublicKey, suite: Suite) -> Header:
    """The header with the parcel's key in it, bound to everything else the header says."""
    wrapped = suite.wrap(key, receiver, key_info(header)).hex()
    return replace(header, wrapped=wrapped)


def _signed(manifest: Manifest, own: ec.EllipticCurvePrivateKey, suite: Suite) -> bytes:
    octets = canonical(manifest)
    signature = suite.sign(own, bytes.fromhex(_sha256(suite, octets))).hex()
    return b'{"manifest":%b,"signature":"%b"}' % (octets, signature.encode())


def _write_piece(out: "_Frames", piece: Piece, content: bytes) -> None:
    if len(content) > MAX_PIECE_OCTETS:
        raise ParcelOversize(what="piece", limit=MAX_PIECE_OCTETS)
    assert len(content) == piece.octets
    sample = content[:_SAMPLE_OCTETS]
    shrinks = len(zstandard.compress(sample, 1)) < _WORTH_IT * len(sample)
    out.part(Kind.PIECE, f"{piece.sha256}@{piece.offset}", content, Codec.ZSTD if shrinks else Codec.STORED)


class _Frames:
    """Plain octets in, frames out; everything that is written is hashed for the signature at the end."""

    def __init__(self, target: BinaryIO, suite: Suite, key: bytes, header: bytes) -> None:
        self._target, self._suite = target, suite
        self._frames, self._header = suite.frames(key), bytes.fromhex(_sha256(suite, header))
        self._number, self._octets = 0, 0
        self._plain = bytearray()
        self._outer: Hash = suite.hash()
        self._write(MAGIC + U32.pack(len(header)) + header)

    def part(self, kind: Kind, name: str, content: bytes, codec: Codec) -> None:
        stored = zstandard.compress(content, _LEVEL) if codec is Codec.ZSTD else content
        written = name.encode("ascii")
        self._add(PART.pack(kind, codec, len(written), len(content), len(stored)) + written)
        self._add(stored)

    def finish(self, own: ec.EllipticCurvePrivateKey, identity: str) -> Sealed:
        self._frame(is_last=True)
        self._write(U32.pack(0))
        signature = self._suite.sign(own, self._outer.copy().digest())
        self._write(U16.pack(len(signature)) + signature)
        self._target.flush()
        return Sealed(content_id=identity, octets=self._octets, sha256=self._outer.digest().hex())

    def _add(self, octets: bytes) -> None:
        """A full frame is written when more follows, so that the last one is never empty."""
        with memoryview(octets) as rest:
            at = 0
            while at < len(rest):
                if len(self._plain) == FRAME_OCTETS:
                    self._frame(is_last=False)
                fitting = rest[at : at + FRAME_OCTETS - len(self._plain)]
                self._plain += fitting
                at += len(fitting)

    def _frame(self, *, is_last: bool) -> None:
        sealed = self._frames.encrypt(nonce(self._number, is_last=is_last), self._plain, self._header)
        self._plain.clear()
        self._number += 1
        self._write(U32.pack(len(sealed)))
        self._write(sealed)

    def _write(self, octets: bytes) -> None:
        self._target.write(octets)
        self._outer.update(octets)
        self._octets += len(octets)


def _sha256(suite: Suite, octets: bytes) -> str:
    hashed = suite.hash()
    hashed.update(octets)
    return hashed.digest().hex()
