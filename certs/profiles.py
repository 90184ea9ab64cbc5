"""Certificate profiles: what each kind of certificate may do, as data a jurist can read.

RFC 5280 (PKIX), RFC 9336 (documentSigning), GB/T 25056 in spirit. A request contributes nothing but its public key;
names, lifetimes and purposes are the profile's. Scoping is by policy OID and issuing CA, not by name constraints,
which the path validator rejects for directory names.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

E = TypeVar("E", bound=x509.ExtensionType)

#: RFC 9336 id-kp-documentSigning.
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
#: ITU-T X.667: an arc under a UUID needs no registration authority.
_ARC = "2.25.147692821870655833590024251945501435888"
_POLICIES = f"{_ARC}.1"
_PURPOSES = f"{_ARC}.2"


class KeyKind(StrEnum):
    """Keys this CA certifies or relies on. Everything else is weak or unverifiable here."""

    P256 = "P-256"
    P384 = "P-384"
    RSA = "RSA"


class ProfileName(StrEnum):
    ROOT = "root"
    ISSUING = "issuing"
    OFFICER_SIGNING = "officer_signing"
    UNIT_SEAL = "unit_seal"
    SERVER_EVIDENCE = "server_evidence"
    FERRY_SIGNING = "ferry_signing"
    EXCHANGE_SENDER = "exchange_sender"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """`ca_depth`: CAs allowed below, None for an end entity. `usages`: the only key usage bits set."""

    name: ProfileName
    lifetime: timedelta
    usages: frozenset[str]
    ca_depth: int | None = None
    # ES256 throughout: P-256 is also the one kind that the secure hardware of all phones has.
    keys: frozenset[KeyKind] = frozenset({KeyKind.P256})
    purposes: tuple[ObjectIdentifier, ...] = ()
    policy: ObjectIdentifier | None = None


_YEAR = timedelta(days=365)
_CA_KEYS = frozenset(KeyKind)
_CA_USAGES = frozenset({"key_cert_sign", "crl_sign"})
#: contentCommitment is the former nonRepudiation: the key binds its holder to a content.
_SIGNING_USAGES = frozenset({"digital_signature", "content_commitment"})

ROOT = Profile(name=ProfileName.ROOT, lifetime=20 * _YEAR, usages=_CA_USAGES, ca_depth=1, keys=_CA_KEYS)
ISSUING = Profile(name=ProfileName.ISSUING, lifetime=10 * _YEAR, usages=_CA_USAGES, ca_depth=0, keys=_CA_KEYS)
OFFICER_SIGNING = Profile(
    name=ProfileName.OFFICER_SIGNING,
    lifetime=_YEAR,
    usages=_SIGNING_USAGES,
    purposes=(ExtendedKeyUsageOID.CLIENT_AUTH, DOCUMENT_SIGNING),
    policy=ObjectIdentifier(f"{_POLICIES}.1"),
)
UNIT_SEAL = Profile(
    name=ProfileName.UNIT_SEAL,
    lifetime=3 * _YEAR,
    usages=_SIGNING_USAGES,
    purposes=(DOCUMENT_SIGNING,),
    policy=ObjectIdentifier(f"{_POLICIES}.2"),
)
SERVER_EVIDENCE = Profile(
    name=ProfileName.SERVER_EVIDENCE,
    lifetime=3 * _YEAR,
    usages=_SIGNING_USAGES,
    purposes=(DOCUMENT_SIGNING,),
    policy=ObjectIdentifier(f"{_POLICIES}.3"),
)
#: A system that sends case data; for which organisation and region stands in its URI (ferry/exchange/credentials.py).
EXCHANGE_SENDER = Profile(
    name=ProfileName.EXCHANGE_SENDER,
    lifetime=2 * _YEAR,
    usages=_SIGNING_USAGES,
    purposes=(DOCUMENT_SIGNING,),
    policy=ObjectIdentifier(f"{_POLICIES}.10"),
)
#: One zone of a data ferry: seals parcels and nothing else. The zone is the URI `ferry:<zone>` in the certificate.
FERRY_SIGNING = Profile(
    name=ProfileName.FERRY_SIGNING,
    lifetime=2 * _YEAR,
    usages=_SIGNING_USAGES,
    purposes=(ObjectIdentifier(f"{_PURPOSES}.1"),),
)
PROFILES = {
    profile.name: profile
    for profile in (ROOT, ISSUING, OFFICER_SIGNING, UNIT_SEAL, SERVER_EVIDENCE, EXCHANGE_SENDER, FERRY_SIGNING)
}


def subject_name(common_name: str, *, organisation: str, serial_number: str | None = None) -> x509.Name:
    """The CA's own wording of a holder. `serial_number` is the officer id or unit code, not the certificate's."""
    parts = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    if serial_number is not None:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number))
    return x509.Name(parts)


def key_kind(key: CertificatePublicKeyTypes) -> KeyKind | None:
    """What kind of key this is, or None when it is too weak or of no kind we know."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": KeyKind.P256, "secp384r1": KeyKind.P384}.get(key.curve.name)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and key.public_numbers().e >= 65537:
        return KeyKind.RSA
    return None


def key_label(key: object) -> str:
    """For refusals: what the key is, strong or not."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    return type(key).__name__


def key_usage(profile: Profile) -> x509.KeyUsage:
    bits = dict.fromkeys(_KEY_USAGE_BITS, False) | dict.fromkeys(profile.usages, True)
    return x509.KeyUsage(**bits)


_KEY_USAGE_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def faults(certificate: x509.Certificate, profile: Profile) -> list[str]:
    """Where `certificate` departs from `profile`: empty when it may serve the profile's purpose.

    The same check lints what our CA has just signed and judges what a stranger presents.
    """
    extensions = certificate.extensions
    found: list[str] = []
    if profile.ca_depth is None and _is_ca(extensions):
        found.append("a CA certificate cannot act")
    if profile.ca_depth is not None and not _is_ca(extensions):
        found.append("not a CA certificate")
    usage = _extension(extensions, x509.KeyUsage)
    if usage is None or not all(getattr(usage, bit) for bit in profile.usages):
        found.append("key usage")
    purposes = _extension(extensions, x509.ExtendedKeyUsage)
    if profile.purposes and (purposes is None or not set(profile.purposes) <= set(purposes)):
        found.append("extended key usage")
    policies = _extension(extensions, x509.CertificatePolicies)
    if profile.policy and (policies is None or profile.policy not in {p.policy_identifier for p in policies}):
        found.append("certificate policy")
    return found


def uri_names(certificate: x509.Certificate) -> list[str]:
    """The URIs of its subject alternative names."""
    names = _extension(certificate.extensions, x509.SubjectAlternativeName)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names is not None else []


def _is_ca(extensions: x509.Extensions) -> bool:
    constraints = _extension(extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _extension(extensions: x509.Extensions, kind: type[E]) -> E | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
