"""PKCS#10 (RFC 2986) built by the server, signed by the phone: no CSR library and no private key leaves the phone.

The office writes the CertificationRequestInfo around the phone's public key with a one-time challenge inside
(PKCS#9 challengePassword); the phone's signature over those octets proves possession and freshness at once.
Two structures of four fields are written as DER by hand; reading is left to `cryptography`.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certs.refusals import SignatureInvalid
from certs.verification import UNREADABLE

_SEQUENCE, _SET, _UTF8, _BIT_STRING, _ATTRIBUTES = 0x30, 0x31, 0x0C, 0x03, 0xA0
_VERSION_1 = bytes.fromhex("020100")
#: OID 1.2.840.113549.1.9.7 challengePassword.
_CHALLENGE_PASSWORD = bytes.fromhex("06092a864886f70d010907")
#: AlgorithmIdentifier of ecdsa-with-SHA256, 1.2.840.10045.4.3.2.
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def request_info(subject: x509.Name, spki: bytes, challenge: str) -> bytes:
    """The octets for the phone to sign: CertificationRequestInfo, DER. `spki` is the phone's key, already checked."""
    attribute = _tlv(_SEQUENCE, _CHALLENGE_PASSWORD, _tlv(_SET, _tlv(_UTF8, challenge.encode())))
    return _tlv(_SEQUENCE, _VERSION_1, subject.public_bytes(), spki, _tlv(_ATTRIBUTES, attribute))


def assembled(info: bytes, signature: bytes) -> x509.CertificateSigningRequest:
    """The PKCS#10 of `info` and the phone's signature (DER). Raises SignatureInvalid without proof of possession."""
    der = _tlv(_SEQUENCE, info, _ECDSA_SHA256, _tlv(_BIT_STRING, b"\x00", signature))
    try:
        request = x509.load_der_x509_csr(der)
        if not request.is_signature_valid:
            raise SignatureInvalid()
    except (InvalidSignature, *UNREADABLE):
        raise SignatureInvalid() from None
    return request


def _tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
