"""Whether a certificate may be relied on: chain, key, purpose, policy, time, revocation. Pure: time is an argument.

RFC 5280 path validation by `cryptography`, with the policies of a signing PKI instead of the web's. The path is
built once per certificate and cached; what depends on time (validity, revocation) is asked at every use.
The validator knows neither policy OIDs nor revocation: both are ours.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import verification as path

from certs.encodings import b64u
from certs.profiles import PROFILES, Profile, ProfileName, faults, key_kind, key_label
from certs.refusals import (
    CertificateExpired,
    CertificateMalformed,
    CertificateNotYetValid,
    CertificateRevoked,
    CertificateStatusUnknown,
    CertificateUnknownIssuer,
    CertificateWeakKey,
    CertificateWrongPurpose,
)

#: Our officer certificates take 800 octets; a chain certificate of a provincial CA may take 3 000.
_MAX_CERTIFICATE = 8192
# RFC 5280 §4.1.2.2: a serial number is positive. The parser still only warns of another; whoever reads it here refuses.
warnings.filterwarnings("error", "Parsed a serial number which wasn't positive", CryptographyDeprecationWarning)
#: What the parser may raise for octets from outside. It parses lazily, so every look inside may raise.
UNREADABLE = (
    ValueError,
    TypeError,
    CryptographyDeprecationWarning,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def read_certificate(der: bytes) -> x509.Certificate:
    """Parses DER. Raises CertificateMalformed."""
    if len(der) > _MAX_CERTIFICATE:
        raise CertificateMalformed(why=f"{len(der)} octets")
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Touched here, so that nothing later meets a lazily parsed surprise.
        _ = certificate.extensions, certificate.subject, certificate.issuer, certificate.public_key()
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.signature_hash_algorithm
    except UNREADABLE as wrong:
        raise CertificateMalformed(why=type(wrong).__name__) from None
    return certificate


def fingerprint(certificate: x509.Certificate) -> str:
    """x5t#S256 of RFC 7515: base64url of the SHA-256 of the DER."""
    return b64u(certificate.fingerprint(hashes.SHA256()))


def serial_hex(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


@dataclass(frozen=True, kw_only=True)
class RevocationList:
    """A CRL whose signature was checked. Look-ups are by serial number in a dict built once."""

    this_update: datetime
    next_update: datetime
    revoked: Mapping[int, datetime] = field(repr=False)

    @classmethod
    def read(cls, der: bytes, issuer: x509.Certificate) -> "RevocationList":
        """Takes 60 ms for 10 000 entries: keep the result. Raises CertificateStatusUnknown for octets unfit."""
        key = issuer.public_key()
        try:
            crl = x509.load_der_x509_crl(der)
            if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) or crl.issuer != issuer.subject:
                raise CertificateStatusUnknown(at="a list of another issuer")
            if not crl.is_signature_valid(key) or crl.next_update_utc is None:
                raise CertificateStatusUnknown(at="a list that does not verify")
            revoked = {entry.serial_number: entry.revocation_date_utc for entry in crl}
            return cls(this_update=crl.last_update_utc, next_update=crl.next_update_utc, revoked=revoked)
        except UNREADABLE:
            raise CertificateStatusUnknown(at="an unreadable list") from None

    def refuse_revoked(self, certificate: x509.Certificate, at: datetime) -> None:
        """Raises CertificateRevoked when it was revoked at or before `at`; an outdated list proves nothing."""
        if not self.this_update <= at < self.next_update:
            raise CertificateStatusUnknown(at=at.isoformat())
        since = self.revoked.get(certificate.serial_number)
        if since is not None and since <= at:
            raise CertificateRevoked(at=since.isoformat())


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """A certificate whose path was validated; its time was not. `chain`: issuer first, root last."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePublicKey
    fingerprint: str
    not_before: datetime
    not_after: datetime

    def refuse_outside_validity(self, at: datetime) -> None:
        if at < self.not_before:
            raise CertificateNotYetValid(since=self.not_before.isoformat())
        if at > self.not_after:
            raise CertificateExpired(until=self.not_after.isoformat())


class Verifier:
    """Relies on `roots`, knows `intermediates`. One per process: validated paths are remembered."""

    def __init__(self, roots: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]) -> None:
        self._own = (tuple(roots), tuple(intermediates))
        self.rely_also((), ())

    def rely_also(self, roots: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]) -> None:
        """Besides its own: the other zone's CA, as two people pinned it. Replaces what was relied on besides before."""
        roots, intermediates = [*self._own[0], *roots], [*self._own[1], *intermediates]
        self._store = path.Store(list(roots))
        # An intermediate may come from outside, with an evidence bundle: it counts when a root vouches for it.
        self._intermediates = [ca for ca in intermediates if any(_issued_by(ca, root) for root in roots)]
        self._issuers = [*self._intermediates, *roots]
        self._path = lru_cache(maxsize=4096)(self._validated)

    @property
    def issuers(self) -> list[str]:
        """The names in the register of the issuing CAs that are relied on."""
        return [fingerprint(issuer) for issuer in self._intermediates]

    def relied_on(
        self, der: bytes, profile: Profile, *, at: datetime, revocations: RevocationList | None = None
    ) -> Trusted:
        """The certificate, if it may serve `profile` at that instant; raises the refusal that says why not.

        `revocations` is the issuing CA's list; without one the caller asks the register of certificates itself.
        """
        trusted = self._path(der, profile.name)
        trusted.refuse_outside_validity(at)
        if revocations is not None:
            revocations.refuse_revoked(trusted.certificate, at)
        return trusted

    def _validated(self, der: bytes, name: ProfileName) -> Trusted:
        profile = PROFILES[name]
        leaf = read_certificate(der)
        key = leaf.public_key()
        if key_kind(key) is None:
            raise CertificateWeakKey(key=key_label(key))
        issuer = next((issuer for issuer in self._issuers if _issued_by(leaf, issuer)), None)
        if issuer is None:
            raise CertificateUnknownIssuer()
        if wrong := faults(leaf, profile):
            raise CertificateWrongPurpose(why=wrong)
        if key_kind(key) not in profile.keys or not isinstance(key, ec.EllipticCurvePublicKey):
            raise CertificateWeakKey(key=key_label(key))
        chain = self._chain(leaf, issuer)
        return Trusted(
            certificate=leaf,
            chain=chain,
            key=key,
            fingerprint=fingerprint(leaf),
            not_before=max(link.not_valid_before_utc for link in (leaf, *chain)),
            not_after=min(link.not_valid_after_utc for link in (leaf, *chain)),
        )

    def _chain(self, leaf: x509.Certificate, issuer: x509.Certificate) -> tuple[x509.Certificate, ...]:
        # Judged at an instant when it is valid by itself: whether it is valid now is asked at every use.
        at = max(leaf.not_valid_before_utc, issuer.not_valid_before_utc)
        validator = (
            path.PolicyBuilder()
            .store(self._store)
            .time(at)
            .max_chain_depth(2)
            .extension_policies(ca_policy=path.ExtensionPolicy.webpki_defaults_ca(), ee_policy=_signing_leaf())
            .build_client_verifier()
        )
        try:
            return tuple(validator.verify(leaf, self._intermediates).chain[1:])
        except path.VerificationError:
            raise CertificateMalformed(why="the path does not validate") from None


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _signing_leaf() -> path.ExtensionPolicy:
    """What the validator must find; purposes and policies are checked by `profiles.faults`.

    The validator refuses critical extensions it was not told of, which is the reason to name them.
    """
    critical, any_ = path.Criticality.CRITICAL, path.Criticality.AGNOSTIC
    return (
        path.ExtensionPolicy.permit_all()
        .require_present(x509.KeyUsage, critical, None)
        .require_present(x509.ExtendedKeyUsage, any_, None)
        .require_present(x509.AuthorityKeyIdentifier, path.Criticality.NON_CRITICAL, None)
        .may_be_present(x509.BasicConstraints, any_, None)
        .may_be_present(x509.SubjectAlternativeName, any_, None)
    )
