"""Known-answer vectors of the parcel file FRY1, for whoever writes another implementation.

    python -m tools.ferry_vectors --write      # draws new keys and seals anew: every file changes
    python -m tools.ferry_vectors              # opens what is stored and says whether all is as told

Sealing draws a fresh key and signatures are random, so stored parcels are opened, never compared octet by octet.
Limits: the broken ones are broken by hand in ways that a test of an implementation would not think of twice.
"""

import argparse
import base64
import hashlib
import io
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Struct

from ferry import sealing
from ferry.opening import check, unseal
from ferry.parcel import FRAME_OCTETS, Codec, Kind, Label, Piece, json_lines
from ferry.refusals import ParcelRefused
from ferry.sealing import Addressed, SealingKeys, seal
from ferry.suites import DEFAULT
from kernel.clock import FakeClock

FOLDER = Path(__file__).parents[1] / "docs" / "ferry" / "vectors"
EPOCH = "00112233445566778899aabbccddeeff"
CREATED = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
_RECORDS = (
    b'{"at":"2026-11-22T04:00:00Z","body":{"step":"accept"},"key":"SL20260001","rid":"a-1","type":"case.state"}',
    '{"at":"2026-11-22T04:00:01Z","body":{"note":"补正材料"},"key":"SL20260002","rid":"a-2","type":"case.state"}'.encode(),
)


class Vector(Struct, frozen=True, kw_only=True):
    """`code` empty: it opens, and says exactly this. Records and octets are base64, hashes hexadecimal."""

    file: str
    about: str
    code: str = ""
    label: Label | None = None
    records: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    pieces_sha256: tuple[str, ...] = ()
    content_id: str = ""


class Pack(Struct, frozen=True, kw_only=True):
    form: str
    suite: str
    sender: str
    receiver: str
    sender_certificate: str
    receiver_key: str
    vectors: tuple[Vector, ...]


@dataclass
class Zones:
    """The sender's signing key, the receiver's key to unwrap, and a stranger's of each."""

    sign: ec.EllipticCurvePrivateKey
    kem: ec.EllipticCurvePrivateKey
    stranger: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def addressed(self) -> Addressed:
        # There is no certificate here: the hash stands for one, so that vectors need no CA.
        return Addressed(
            sender="outer",
            receiver="inner",
            sender_certificate=_spki_sha256(self.sign),
            receiver_key=_spki_sha256(self.kem),
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Known-answer vectors of FRY1.")
    parser.add_argument("--write", action="store_true", help="draw new keys and seal every vector anew")
    if parser.parse_args(arguments).write:
        write(FOLDER)
    problems = list(differences(FOLDER))
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.fry"):
        old.unlink()
    zones = Zones(*(ec.generate_private_key(ec.SECP256R1()) for _ in range(2)))
    for name, key in (("sender-sign", zones.sign), ("receiver-kem", zones.kem)):
        (folder / f"{name}.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / f"{name}.jwk.json").write_bytes(_jwk(key))
    vectors = []
    for vector, octets in [*_good(zones), *_broken(zones)]:
        (folder / vector.file).write_bytes(octets)
        vectors.append(vector)
    pack = Pack(
        form="fry1-vectors/1",
        suite=DEFAULT.name,
        sender="outer",
        receiver="inner",
        sender_certificate=zones.addressed.sender_certificate,
        receiver_key=zones.addressed.receiver_key,
        vectors=tuple(vectors),
    )
    (folder / "vectors.json").write_bytes(msgspec.json.format(msgspec.json.encode(pack), indent=2) + b"\n")


def differences(folder: Path) -> Iterator[str]:
    """Opens every stored vector; what is not as `vectors.json` tells."""
    pack = msgspec.json.decode((folder / "vectors.json").read_bytes(), type=Pack)
    sign, kem = (_private(folder / f"{name}.pem") for name in ("sender-sign", "receiver-kem"))
    if {path.name for path in folder.glob("*.fry")} != {vector.file for vector in pack.vectors}:
        yield "the folder holds other parcels than vectors.json names"
    for vector in pack.vectors:
        try:
            found = _opened(folder / vector.file, vector, sign, kem)
        except ParcelRefused as refusal:
            found = Vector(file=vector.file, about=vector.about, code=refusal.code)
        told = vector if not vector.code else Vector(file=vector.file, about=vector.about, code=vector.code)
        if found != told:
            yield f"{vector.file}: {found} instead of {told}"


# ------------------------------------------------------------------------------------------------------------ good


def _good(zones: Zones) -> Iterator[tuple[Vector, bytes]]:
    first = Label(channel="outer-inner.case", epoch=EPOCH, seq=1)
    one, octets = _vector("records.fry", "two records, one with Chinese text", zones, first, _RECORDS)
    yield one, octets
    second = Label(channel="outer-inner.case", epoch=EPOCH, seq=2, prev=one.content_id)
    yield _vector("follows.fry", "the parcel after it: prev is its content_id", zones, second, _RECORDS[:1])
    empty = Label(channel="outer-inner.ctl", epoch=EPOCH, seq=1)
    yield _vector("empty.fry", "no record at all", zones, empty, ())
    image = hashlib.shake_256(b"incompressible").digest(FRAME_OCTETS + 1000)
    bulk = Label(channel="outer-inner.bulk", epoch=EPOCH, seq=1)
    yield _vector("stored.fry", "a file that does not shrink, in two pieces over two frames", zones, bulk, (), image)
    text = b"a file that shrinks\n" * 5000
    again = Label(channel="outer-inner.bulk", epoch=EPOCH, seq=2)
    yield _vector("compressed.fry", "a file that shrinks, and a record", zones, again, _RECORDS[:1], text)


# ---------------------------------------------------------------------------------------------------------- broken


def _broken(zones: Zones) -> Iterator[tuple[Vector, bytes]]:
    label = Label(channel="outer-inner.case", epoch=EPOCH, seq=9)
    _, good = _vector("", "", zones, label, _RECORDS)
    header_octets = struct.unpack(">I", good[4:8])[0]
    body = 8 + header_octets
    flipped = bytearray(good)
    flipped[body + 10] ^= 1
    other_seq = good.replace(b'"seq":9', b'"seq":8')
    spaced = good[:4] + struct.pack(">I", header_octets + 1) + good[8:body] + b" " + good[body:]
    mistaken: list[tuple[str, str, str, bytes]] = [
        ("torn-header.fry", "ends within the header", "PARCEL_TORN", good[: body - 5]),
        ("torn-frame.fry", "ends within a frame", "PARCEL_TORN", good[: body + 40]),
        ("torn-signature.fry", "ends within the signature", "PARCEL_TORN", good[:-3]),
        ("behind.fry", "an octet behind the signature", "PARCEL_MALFORMED", good + b"\0"),
        ("magic.fry", "another magic number", "PARCEL_MALFORMED", b"FRY2" + good[4:]),
        ("header-length.fry", "a header of 4 GiB", "PARCEL_OVERSIZE", b"FRY1\xff\xff\xff\xff" + good[8:]),
        ("not-canonical.fry", "a space behind the header's JSON", "PARCEL_MALFORMED", spaced),
        ("bit.fry", "one bit of a frame turned", "PARCEL_SIGNATURE", bytes(flipped)),
        ("relabelled.fry", "another number in the header", "PARCEL_SIGNATURE", other_seq),
        (
            "suite.fry",
            "a suite that is not enabled",
            "PARCEL_UNKNOWN_SUITE",
            good.replace(b"P256-A256GCM", b"SM2-SM4GCM-3"),
        ),
    ]
    for file, about, code, octets in mistaken:
        yield Vector(file=file, about=about, code=code), octets
    forged = Zones(zones.stranger, zones.kem)
    yield _bad("stranger.fry", "sealed by a stranger in the sender's name", "PARCEL_SIGNATURE", forged, label, zones)
    for_another = Zones(zones.sign, zones.stranger)
    yield _bad("wrapped.fry", "wrapped for another receiver", "PARCEL_UNREADABLE", for_another, label, zones)
    for file, about, code, change in _FORGERIES:
        yield Vector(file=file, about=about, code=code), _forged(zones, label, change)


_Part = tuple[Kind, str, bytes, Codec]
#: Takes a part that the honest writer would write, gives those to write instead.
_Change = Callable[[Kind, str, bytes, Codec], list[_Part]]


def _on(kind: Kind, change: Callable[[str, bytes], list[tuple[str, bytes]]]) -> _Change:
    def changed(found: Kind, name: str, content: bytes, codec: Codec) -> list[_Part]:
        if found is not kind:
            return [(found, name, content, codec)]
        return [(found, other, octets, codec) for other, octets in change(name, content)]

    return changed


#: A sender with a good key that seals something else than its manifest says.
_FORGERIES: tuple[tuple[str, str, str, _Change], ...] = (
    ("other-records.fry", "records the manifest does not tell of", "PARCEL_MALFORMED",
     _on(Kind.RECORDS, lambda name, content: [(name, content + b"{}\n")])),
    ("missing-piece.fry", "a piece of the manifest is missing", "PARCEL_MALFORMED", _on(Kind.PIECE, lambda *part: [])),
    ("piece-path.fry", "a piece whose name is a path", "PARCEL_MALFORMED",
     _on(Kind.PIECE, lambda name, content: [("../" + name, content)])),
    ("no-manifest.fry", "no manifest", "PARCEL_MALFORMED", _on(Kind.MANIFEST, lambda *part: [])),
    ("two-manifests.fry", "a part behind the manifest", "PARCEL_MALFORMED",
     _on(Kind.MANIFEST, lambda name, content: [(name, content)] * 2)),
    ("manifest-signature.fry", "the manifest's own signature is another's", "PARCEL_SIGNATURE",
     _on(Kind.MANIFEST, lambda name, content: [(name, content.replace(b'"signature":"30', b'"signature":"31', 1))])),
)  # fmt: skip


def _forged(zones: Zones, label: Label, change: _Change) -> bytes:
    """Sealed by the honest code with one part changed on its way."""
    honest = sealing._Frames.part

    def part(frames: sealing._Frames, kind: Kind, name: str, content: bytes, codec: Codec) -> None:
        for instead in change(kind, name, content, codec):
            honest(frames, *instead)

    setattr(sealing._Frames, "part", part)  # noqa: B010  # a forger is made of the honest writer
    try:
        return _vector("", "", zones, label, _RECORDS, b"x" * 1000)[1]
    finally:
        setattr(sealing._Frames, "part", honest)  # noqa: B010


# ----------------------------------------------------------------------------------------------------------- below


def _vector(
    file: str, about: str, zones: Zones, label: Label, records: tuple[bytes, ...], content: bytes = b""
) -> tuple[Vector, bytes]:
    target, parts = io.BytesIO(), list(_pieces(content))
    sealed = seal(
        target,
        label,
        json_lines(records),
        [(piece, partial(bytes, part)) for piece, part in parts],
        schema=1,
        addressed=zones.addressed,
        keys=SealingKeys(own=zones.sign, receiver=zones.kem.public_key()),
        clock=FakeClock(CREATED),
    )
    vector = Vector(
        file=file,
        about=about,
        label=label,
        records=tuple(base64.b64encode(record).decode() for record in records),
        pieces=tuple(piece for piece, _ in parts),
        pieces_sha256=tuple(hashlib.sha256(part).hexdigest() for _, part in parts),
        content_id=sealed.content_id,
    )
    return vector, target.getvalue()


def _bad(file: str, about: str, code: str, sealers: Zones, label: Label, named: Zones) -> tuple[Vector, bytes]:
    """Sealed with other keys than the header names."""
    target = io.BytesIO()
    keys = SealingKeys(own=sealers.sign, receiver=sealers.kem.public_key())
    seal(target, label, json_lines(_RECORDS), schema=1, addressed=named.addressed, keys=keys, clock=FakeClock(CREATED))
    return Vector(file=file, about=about, code=code), target.getvalue()


def _pieces(content: bytes) -> Iterator[tuple[Piece, bytes]]:
    """In two, so that an offset occurs."""
    sha256, half = hashlib.sha256(content).hexdigest(), len(content) // 2
    for at, part in ((0, content[:half]), (half, content[half:])) if content else ():
        yield Piece(sha256=sha256, size=len(content), offset=at, octets=len(part)), part


def _opened(path: Path, vector: Vector, sign: ec.EllipticCurvePrivateKey, kem: ec.EllipticCurvePrivateKey) -> Vector:
    kept: list[str] = []
    with path.open("rb") as source:
        checked = check(source, lambda header: sign.public_key())
        inside = unseal(
            source,
            checked,
            kem,
            sign.public_key(),
            lambda _, __, octets: kept.append(hashlib.sha256(octets).hexdigest()),
        )
    return Vector(
        file=vector.file,
        about=vector.about,
        label=checked.header.label,
        records=tuple(base64.b64encode(record).decode() for record in inside.records),
        pieces=inside.manifest.pieces,
        pieces_sha256=tuple(kept),
        content_id=inside.manifest.content_id,
    )


def _private(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _jwk(key: ec.EllipticCurvePrivateKey) -> bytes:
    """RFC 7518, 6.2."""
    numbers = key.private_numbers()
    public = numbers.public_numbers
    parts = {"x": public.x, "y": public.y, "d": numbers.private_value}
    coded = {name: base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for name, n in parts.items()}
    return msgspec.json.format(msgspec.json.encode({"kty": "EC", "crv": "P-256", **coded}), indent=2) + b"\n"


def _spki_sha256(key: ec.EllipticCurvePrivateKey) -> str:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
