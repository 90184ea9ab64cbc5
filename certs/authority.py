"""The demo CA: a root, an issuing CA, and the one function that signs certificates.

A certificate is written down (numbered, UNIQUE per issuer) before it is signed, then compared with its profile and
validated as a stranger would, and leaves the CA only through the register: what was not committed was not issued.
The root key is used once, at the ceremony. A licensed CA (湖南省CA中心) takes this module's place behind the RA.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.encodings import device_key, sha256_hex, spki_of
from certs.keyring import Keyring
from certs.profiles import ISSUING, ROOT, Profile, faults, key_usage, subject_name, uri_names
from certs.refusals import IssuanceDefect
from certs.settings import CertSettings
from certs.tables import CertificateState, IssuedCertificate
from certs.verification import Verifier, fingerprint


@dataclass(frozen=True, kw_only=True)
class Authority:
    """The CA as this process knows it. `verifier` relies on the root alone and remembers validated paths."""

    settings: CertSettings
    keyring: Keyring
    root: x509.Certificate
    issuing: x509.Certificate
    verifier: Verifier

    @classmethod
    def open(cls, keyring: Keyring, settings: CertSettings, *, now: datetime) -> "Authority":
        """The CA kept in `keyring`; the first call ever holds the ceremony that creates it."""
        root = _kept(keyring, "root") or _hold_root_ceremony(keyring, settings, now)
        issuing = _kept(keyring, "issuing") or _hold_issuing_ceremony(keyring, settings, root, now)
        verifier = Verifier([root], [issuing])
        return cls(settings=settings, keyring=keyring, root=root, issuing=issuing, verifier=verifier)

    @property
    def issuer(self) -> str:
        """The issuing CA's name in the register: the fingerprint of its certificate."""
        return fingerprint(self.issuing)

    async def issue(
        self, profile: Profile, *, name: str, holder: str, spki: bytes, now: datetime, device: str = "", uri: str = ""
    ) -> IssuedCertificate:
        """Signs a certificate for `spki` and enters it in the register, in the caller's transaction.

        `uri`: whom it speaks for, where a name does not say it (subjectAltName).
        """
        subject = subject_name(name, organisation=self.settings.organisation, serial_number=holder)
        not_before = now.replace(microsecond=0)
        not_after = min(not_before + profile.lifetime, self.issuing.not_valid_after_utc)
        serial = x509.random_serial_number()
        row = await IssuedCertificate.create(
            issuer=self.issuer,
            serial=f"{serial:x}",
            profile=profile.name.value,
            holder=holder,
            device=device,
            spki_sha256=sha256_hex(spki),
            der=b"",
            not_before=not_before,
            not_after=not_after,
            state=CertificateState.INTENDED,
            used_at=now,
        )
        order = _Order(profile, subject, device_key(spki), serial, not_before, not_after, uri)
        key = self.keyring.key("issuing")
        certificate = _signed(order, issuer=self.issuing.subject, issuer_key=key, crl_url=self.settings.crl_url)
        self._lint(certificate, order, spki, now)
        row.der = certificate.public_bytes(Encoding.DER)
        row.fingerprint = fingerprint(certificate)
        row.state = CertificateState.ISSUED
        await row.save(update_fields=["der", "fingerprint", "state"])
        return row

    def _lint(self, certificate: x509.Certificate, order: "_Order", spki: bytes, now: datetime) -> None:
        profile = order.profile
        if certificate.subject != order.subject or spki_of(certificate.public_key()) != spki:
            raise IssuanceDefect(profile=profile.name.value, why=["subject or key"])
        if uri_names(certificate) != ([order.uri] if order.uri else []):
            raise IssuanceDefect(profile=profile.name.value, why=["alternative name"])
        if wrong := faults(certificate, profile):
            raise IssuanceDefect(profile=profile.name.value, why=wrong)
        self.verifier.relied_on(certificate.public_bytes(Encoding.DER), profile, at=now)


@dataclass(frozen=True, kw_only=True)
class ServerSigner:
    """A key of the office's own with its live certificate: a unit's seal, or the evidence seal."""

    key: ec.EllipticCurvePrivateKey
    row: IssuedCertificate


async def server_signer(
    authority: Authority, profile: Profile, *, holder: str, name: str, now: datetime
) -> ServerSigner:
    """The live signer of `profile` for `holder`, made on demand. After a revocation a new key takes over."""
    rows = await IssuedCertificate.filter(holder=holder, profile=profile.name.value).order_by("-id")
    revoked = sum(row.state is CertificateState.REVOKED for row in rows)
    key = authority.keyring.key(f"{profile.name.value.replace('_', '')}.{holder}" + (f"-{revoked}" if revoked else ""))
    spki = spki_of(key.public_key())
    for row in rows:
        # The keyring may be younger than the register (restored backup): a certificate of another key is no use.
        if row.state is CertificateState.ISSUED and now < row.not_after and row.spki_sha256 == sha256_hex(spki):
            return ServerSigner(key=key, row=row)
    return ServerSigner(key=key, row=await authority.issue(profile, name=name, holder=holder, spki=spki, now=now))


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _kept(keyring: Keyring, name: str) -> x509.Certificate | None:
    kept = keyring.document(name)
    return None if kept is None else x509.load_pem_x509_certificate(kept)


def _hold_root_ceremony(keyring: Keyring, settings: CertSettings, now: datetime) -> x509.Certificate:
    key = keyring.key("root")
    subject = subject_name(f"{settings.organisation} 根 CA", organisation=settings.organisation)
    until = now + ROOT.lifetime
    order = _Order(ROOT, subject, key.public_key(), x509.random_serial_number(), now, until)
    return _keep(keyring, "root", _signed(order, issuer=subject, issuer_key=key))


def _hold_issuing_ceremony(
    keyring: Keyring, settings: CertSettings, root: x509.Certificate, now: datetime
) -> x509.Certificate:
    subject = subject_name(f"{settings.organisation} 签发 CA", organisation=settings.organisation)
    until = min(now + ISSUING.lifetime, root.not_valid_after_utc)
    key = keyring.key("issuing").public_key()
    order = _Order(ISSUING, subject, key, x509.random_serial_number(), now, until)
    return _keep(keyring, "issuing", _signed(order, issuer=root.subject, issuer_key=keyring.key("root")))


def _keep(keyring: Keyring, name: str, certificate: x509.Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(keyring.keep_document(name, pem(certificate)))


@dataclass(frozen=True)
class _Order:
    """Everything a certificate says, before it is signed."""

    profile: Profile
    subject: x509.Name
    public_key: ec.EllipticCurvePublicKey
    serial: int
    not_before: datetime
    not_after: datetime
    uri: str = ""


def _signed(
    order: _Order, *, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey, crl_url: str | None = None
) -> x509.Certificate:
    profile = order.profile
    builder = (
        x509.CertificateBuilder()
        .subject_name(order.subject)
        .issuer_name(issuer)
        .public_key(order.public_key)
        .serial_number(order.serial)
        .not_valid_before(order.not_before)
        .not_valid_after(order.not_after)
        .add_extension(x509.BasicConstraints(profile.ca_depth is not None, profile.ca_depth), critical=True)
        .add_extension(key_usage(profile), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(order.public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if profile.purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.purposes), critical=False)
    if order.uri:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(order.uri)])
        builder = builder.add_extension(names, critical=False)
    if profile.policy is not None:
        policies = x509.CertificatePolicies([x509.PolicyInformation(profile.policy, None)])
        builder = builder.add_extension(policies, critical=False)
    if crl_url is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
