"""Octets of keys and signatures: DER, P1363, base64url. Everything from outside is refused here, never crashes.

ECDSA is malleable: (r, n-s) verifies as well, and secure hardware promises no low s. So a signature never
identifies anything, and both forms are accepted.
"""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from certs.profiles import KeyKind, key_kind, key_label
from certs.refusals import CertificateWeakKey, SignatureInvalid
from kernel.acts import SignatureFormat

#: P-256: two integers of 33 octets at most, each with two octets of header, in a sequence.
_MAX_DER_SIGNATURE = 72
#: RSA-4096 takes 550; more is nobody's device key.
_MAX_SPKI = 1024
_ES256 = ec.ECDSA(hashes.SHA256())


def b64u(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64u(text: str) -> bytes:
    """Raises ValueError for anything that is not unpadded base64url."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as wrong:
        raise ValueError(str(wrong)) from wrong


def sha256_hex(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def device_key(spki: bytes) -> ec.EllipticCurvePublicKey:
    """The P-256 key in a SubjectPublicKeyInfo (DER). Raises CertificateWeakKey for any other key or octets."""
    if len(spki) > _MAX_SPKI:
        raise CertificateWeakKey(key=f"{len(spki)} octets")
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm, TypeError):
        raise CertificateWeakKey(key="unreadable") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key_kind(key) is not KeyKind.P256:
        raise CertificateWeakKey(key=key_label(key))
    if spki_of(key) != spki:
        # One key, one encoding: else the same key could be enrolled twice.
        raise CertificateWeakKey(key="not in its canonical encoding")
    return key


def spki_of(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signature_der(signature: bytes, form: SignatureFormat) -> bytes:
    """The signature as strict DER. `P1363` is r and s of 32 octets each. Raises SignatureInvalid."""
    try:
        if form is SignatureFormat.P1363:
            if len(signature) != 64:
                raise SignatureInvalid()
            return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        if len(signature) > _MAX_DER_SIGNATURE:
            raise SignatureInvalid()
        der = encode_dss_signature(*decode_dss_signature(signature))
    except ValueError:
        raise SignatureInvalid() from None
    if der != signature:
        raise SignatureInvalid()
    return der


def signature_p1363(der: bytes) -> bytes:
    """r and s, 32 octets each, of a DER signature already accepted."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def check_es256(key: ec.EllipticCurvePublicKey, content: bytes, der: bytes) -> None:
    """ECDSA with SHA-256 over `content`. Raises SignatureInvalid."""
    try:
        key.verify(der, content, _ES256)
    except InvalidSignature:
        raise SignatureInvalid() from None


def sign_es256(key: ec.EllipticCurvePrivateKey, content: bytes) -> bytes:
    """A DER signature; `key` may live in an HSM."""
    return key.sign(content, _ES256)
