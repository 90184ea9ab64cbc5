"""The cryptography of a parcel behind one seam, so that a site may bring its own (SM2, SM3, SM4; an HSM).

It installs a package beside this one whose metadata name a class under the entry points `zhangban.ferry_suites`, and
says in the settings to which peers parcels are sealed with it; a receiver opens every suite it has.

`P256-A256GCM` is the default: HPKE (RFC 9180) with P-256 wraps a fresh key, AES-256-GCM (NIST SP 800-38D) seals the
frames, ECDSA P-256 with SHA-256 signs. Limits: no certified module is in here, and no SM suite: `cryptography` has SM3
and SM4 but no SM2 curve.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM
from cryptography.hazmat.primitives.hpke import Suite as Hpke

from ferry.refusals import ParcelSignature, ParcelUnknownSuite, ParcelUnreadable

ENTRY_POINTS = "zhangban.ferry_suites"


class Hash(Protocol):
    def update(self, octets: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def copy(self) -> "Hash": ...


class Frames(Protocol):
    """One parcel's key at work. `nonce` has 12 octets and is never used twice."""

    def encrypt(self, nonce: bytes, data: bytes | bytearray, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class Suite(Protocol):
    """Everything a parcel needs. Keys are the suite's own; here P-256 keys of `cryptography`."""

    name: str
    key_octets: int

    def hash(self) -> Hash: ...

    def wrap(self, key: bytes, receiver: ec.EllipticCurvePublicKey, info: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, own: ec.EllipticCurvePrivateKey, info: bytes) -> bytes:
        """Raises ParcelUnreadable when it was not wrapped for this key and this parcel."""

    def frames(self, key: bytes) -> Frames: ...

    def sign(self, own: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes: ...

    def verify(self, sender: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> None:
        """Raises ParcelSignature."""


class P256A256Gcm:
    name = "P256-A256GCM"
    key_octets = 32
    _hpke = Hpke(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    _ecdsa = ec.ECDSA(Prehashed(hashes.SHA256()))

    def hash(self) -> Hash:
        return hashlib.sha256()

    def wrap(self, key: bytes, receiver: ec.EllipticCurvePublicKey, info: bytes) -> bytes:
        return self._hpke.encrypt(key, receiver, info=info)

    def unwrap(self, wrapped: bytes, own: ec.EllipticCurvePrivateKey, info: bytes) -> bytes:
        try:
            key = self._hpke.decrypt(wrapped, own, info=info)
        except (InvalidTag, ValueError):
            raise ParcelUnreadable(why="not wrapped for this key") from None
        if len(key) != self.key_octets:
            raise ParcelUnreadable(why="a key of the wrong length")
        return key

    def frames(self, key: bytes) -> Frames:
        return AESGCM(key)

    def sign(self, own: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
        return own.sign(digest, self._ecdsa)

    def verify(self, sender: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> None:
        try:
            sender.verify(signature, digest, self._ecdsa)
        except InvalidSignature:
            raise ParcelSignature() from None


DEFAULT: Suite = P256A256Gcm()


def suite_named(name: str) -> Suite:
    """By the name in a parcel's header, or in the settings. Raises ParcelUnknownSuite."""
    suite = _installed().get(name)
    if suite is None:
        raise ParcelUnknownSuite(suite=name)
    return suite


@cache
def _installed() -> Mapping[str, Suite]:
    brought: list[Suite] = [point.load()() for point in metadata.entry_points(group=ENTRY_POINTS)]
    # Whatever somebody installs, ours is ours.
    return {suite.name: suite for suite in (*brought, DEFAULT)}
