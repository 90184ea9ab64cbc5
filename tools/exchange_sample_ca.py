"""The CA of the sample pack: the same keys, certificates and signatures every time. They protect nothing."""

from datetime import datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from certs.profiles import EXCHANGE_SENDER, ISSUING, ROOT, Profile, key_usage, subject_name
from ferry.exchange import credentials
from ferry.exchange.rules import Sender

SENDER = Sender(source_system="SJJ-YWXT", org="SJJ", region="430421")
_BORN = datetime.fromisoformat("2026-01-01T00:00:00+08:00")


class _Steady:
    """Signs the same octets alike every time (RFC 6979)."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def sign(self, octets: bytes, _: ec.ECDSA) -> bytes:
        return self._key.sign(octets, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def key(number: int) -> ec.EllipticCurvePrivateKey:
    return cast("ec.EllipticCurvePrivateKey", _Steady(own(number)))  # only `sign` is asked of it


def own(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(number + 20260917, ec.SECP256R1())


def authority() -> tuple[x509.Certificate, x509.Certificate, x509.Certificate]:
    root = certified(ROOT, "示例根 CA", 1, None)
    issuing = certified(ISSUING, "示例签发 CA", 2, (root, 1))
    return root, issuing, certified(EXCHANGE_SENDER, "审批业务系统", 3, (issuing, 2), credentials.uri_of(SENDER))


def certified(
    profile: Profile, name: str, number: int, issuer: tuple[x509.Certificate, int] | None, uri: str = ""
) -> x509.Certificate:
    subject, mine = subject_name(name, organisation="示例"), own(number)
    parent, signer = issuer or (None, number)
    public = own(signer).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.subject if parent else subject)
        .public_key(mine.public_key())
        .serial_number(number)
        .not_valid_before(_BORN)
        .not_valid_after(_BORN + timedelta(days=365 * 10))
        .add_extension(x509.BasicConstraints(profile.ca_depth is not None, profile.ca_depth), critical=True)
        .add_extension(key_usage(profile), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(mine.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )
    if profile.purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.purposes), critical=False)
    if profile.policy is not None:
        policies = x509.CertificatePolicies([x509.PolicyInformation(profile.policy, None)])
        builder = builder.add_extension(policies, critical=False)
    if uri:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(own(signer), hashes.SHA256(), ecdsa_deterministic=True)
