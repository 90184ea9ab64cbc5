"""How a zone introduces its keys: a certificate that says `ferry:<zone>`, a key to wrap for, both under one signature.

The same words stand in the peer file that is carried by hand once, and in the record that announces new keys later.
Who wrote it proves to hold the signing key; the certificate proves who that is, under the root that was pinned. The
key to wrap for has no certificate of its own: the signing key vouches for it. Limits: P-256 only; at most two CAs
between certificate and root.
"""

import base64
import binascii
import hashlib
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Meta, Struct

from certs.encodings import check_es256, device_key, sign_es256, spki_of
from certs.profiles import FERRY_SIGNING, uri_names
from certs.refusals import CertificateWrongPurpose
from certs.verification import Verifier, read_certificate
from ferry.refusals import PeerFileRefused

MAX_FILE_OCTETS = 64 << 10
#: How far the clocks of two zones may be apart before a certificate is one from the future.
SKEW = timedelta(minutes=10)
_FORM = "zhangban-ferry-keys/1"
_Octets = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]+={0,2}\Z", max_length=11_000)]


class Introduction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`certificates`: the zone's, then its issuers without the root; octets are base64. `number` counts from 1."""

    zone: Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9]{0,15}\Z", max_length=16)]
    number: Annotated[int, Meta(ge=1, le=1_000_000)]
    certificates: Annotated[tuple[_Octets, ...], Meta(min_length=1, max_length=3)]
    kem: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]+={0,2}\Z", max_length=200)]
    signature: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z", max_length=200)] = ""


class PeerFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is carried to the other zone once. Everything in it hangs on `root`, which two people compare."""

    form: Annotated[str, Meta(pattern=r"\Azhangban-ferry-peer/1\Z")]
    introduction: Introduction
    root: _Octets


class Proved(Struct, frozen=True, kw_only=True):
    """An introduction that holds."""

    introduction: Introduction
    certificate: x509.Certificate
    key: ec.EllipticCurvePublicKey
    kem: ec.EllipticCurvePublicKey

    @property
    def certificate_sha256(self) -> str:
        return hashlib.sha256(self.certificate.public_bytes(Encoding.DER)).hexdigest()

    @property
    def kem_sha256(self) -> str:
        return hashlib.sha256(spki_of(self.kem)).hexdigest()


def uri_of(zone: str) -> str:
    return f"ferry:{zone}"


def introduced(
    zone: str,
    number: int,
    certificates: list[bytes],
    *,
    own: ec.EllipticCurvePrivateKey,
    kem: ec.EllipticCurvePublicKey,
) -> Introduction:
    """Signs an introduction with the zone's own key. `certificates` as DER."""
    said = Introduction(
        zone=zone,
        number=number,
        certificates=tuple(map(text_of, certificates)),
        kem=text_of(spki_of(kem)),
    )
    return msgspec.structs.replace(said, signature=text_of(sign_es256(own, _said(said))))


def prove(introduction: Introduction, root: bytes, *, zone: str, at: datetime) -> Proved:
    """Checks that the keys are those of `zone`, by the root (DER) that was pinned for it.

    Raises PeerFileRefused for another zone, else what is wrong with certificate, key or signature.
    """
    if introduction.zone != zone:
        raise PeerFileRefused(why=f"keys of {introduction.zone}, not of {zone}")
    try:
        leaf, *issuers = map(octets_of, introduction.certificates)
        kem, signature = octets_of(introduction.kem), octets_of(introduction.signature)
    except ValueError:
        raise PeerFileRefused(why="not base64") from None
    verifier = Verifier([read_certificate(root)], [read_certificate(issuer) for issuer in issuers])
    # Two zones' clocks disagree: keys made just now over there are not from the future.
    begins = read_certificate(leaf).not_valid_before_utc
    trusted = verifier.relied_on(leaf, FERRY_SIGNING, at=begins if at < begins <= at + SKEW else at)
    if uri_names(trusted.certificate) != [uri_of(zone)]:
        raise CertificateWrongPurpose(why=[f"not the certificate of {uri_of(zone)}"])
    check_es256(trusted.key, _said(introduction), signature)
    kem_key = device_key(kem)
    if kem == spki_of(trusted.key):
        raise PeerFileRefused(why="one key to sign and to unwrap")
    return Proved(introduction=introduction, certificate=trusted.certificate, key=trusted.key, kem=kem_key)


def read_peer_file(content: bytes) -> PeerFile:
    """Raises PeerFileRefused."""
    if len(content) > MAX_FILE_OCTETS:
        raise PeerFileRefused(why="too long")
    try:
        return msgspec.json.decode(content, type=PeerFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise PeerFileRefused(why="not a peer file") from None


def peer_file(introduction: Introduction, root: bytes) -> bytes:
    file = PeerFile(form="zhangban-ferry-peer/1", introduction=introduction, root=text_of(root))
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def root_of(file: PeerFile) -> bytes:
    """The root certificate, DER. Raises PeerFileRefused."""
    try:
        return octets_of(file.root)
    except ValueError:
        raise PeerFileRefused(why="not base64") from None


def text_of(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def octets_of(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as wrong:
        raise ValueError("not base64") from wrong


def _said(introduction: Introduction) -> bytes:
    """What is signed: everything but the signature, canonical (RFC 8785), with its form in front."""
    said = msgspec.to_builtins(msgspec.structs.replace(introduction, signature=""))
    return f"{_FORM} ".encode() + rfc8785.dumps(said)
