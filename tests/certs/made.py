"""Certificates of every wrong kind, made by hand."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.profiles import OFFICER_SIGNING, Profile, key_usage, subject_name

NOW = datetime(2026, 9, 18, 1, 0, tzinfo=UTC)


class Ca:
    """A root or, with `issuer`, a CA below it."""

    def __init__(self, name: str = "试验根 CA", issuer: "Ca | None" = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = subject_name(name, organisation="试验")
        signer, depth = issuer or self, 1 if issuer is None else 0
        self.certificate = (
            _builder(self.name, signer.name, self.key.public_key(), signer.key.public_key())
            .not_valid_before(NOW - timedelta(days=400))
            .not_valid_after(NOW + timedelta(days=4000))
            .add_extension(x509.BasicConstraints(True, depth), True)
            .add_extension(_ca_usage(), True)
            .sign(signer.key, hashes.SHA256())
        )

    def leaf(
        self,
        public_key=None,
        *,
        profile: Profile = OFFICER_SIGNING,
        start: datetime = NOW - timedelta(days=1),
        end: datetime = NOW + timedelta(days=364),
        without: tuple[type, ...] = (),
        usage: x509.KeyUsage | None = None,
        ca: bool = False,
        extra: x509.ExtensionType | None = None,
    ) -> bytes:
        assert profile.policy is not None
        public_key = public_key or ec.generate_private_key(ec.SECP256R1()).public_key()
        builder = _builder(
            subject_name("张三", organisation="试验", serial_number="OFF-0001"),
            self.name,
            public_key,
            self.key.public_key(),
        )
        builder = builder.not_valid_before(start).not_valid_after(end)
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca, None), True),
            (usage or key_usage(profile), True),
            (x509.ExtendedKeyUsage(profile.purposes), False),
            (x509.CertificatePolicies([x509.PolicyInformation(profile.policy, None)]), False),
        ]
        if extra is not None:
            extensions.append((extra, True))
        for extension, critical in extensions:
            if not isinstance(extension, without):
                builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def revocation_list(self, *serials: int, at: datetime = NOW, since: datetime = NOW) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(at)
            .next_update(at + timedelta(hours=24))
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _builder(subject, issuer, public_key, issuer_key) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), False)
    )


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(False, False, False, False, False, True, True, False, False)
