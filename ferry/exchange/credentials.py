"""Who sent a batch: the sender's certificate, and its signature over the manifest.

The certificate names its holder in a URI, `case-exchange:REGION:ORG:SYSTEM`. Offline, without a root, the signature is
judged against the certificate that came with it: that says the file is whole, not who made it.
"""

import base64
import binascii
import re
from datetime import datetime

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from certs.encodings import b64u, check_es256, sign_es256, signature_der, signature_p1363, unb64u
from certs.profiles import EXCHANGE_SENDER, subject_name
from certs.verification import Trusted, Verifier, read_certificate
from ferry.exchange.package import MAX_SIGNATURE_OCTETS, Manifest, PackageUnfit
from ferry.exchange.rules import Sender
from kernel.acts import SignatureFormat
from kernel.refusals import Refusal

_TYPE = "case-exchange+jws"
_URI = re.compile(r"case-exchange:(\d{6}):([0-9A-Za-z._-]{1,18}):([0-9A-Za-z._-]{1,20})")


class _Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing else is understood, so nothing else may stand in it."""

    alg: str
    typ: str
    x5c: tuple[str, ...]


class Signature(Struct, frozen=True, kw_only=True):
    """A detached JWS taken apart: `signed` is the header's text, `der` the signature."""

    signed: str
    certificates: tuple[bytes, ...]
    der: bytes


def uri_of(sender: Sender) -> str:
    return f"case-exchange:{sender.region}:{sender.org}:{sender.source_system}"


def is_nameable(sender: Sender) -> bool:
    return _URI.fullmatch(uri_of(sender)) is not None


def sender_of(certificate: x509.Certificate) -> Sender:
    """Whom a certificate speaks for. Raises PackageUnfit when it names nobody."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise PackageUnfit("CERTIFICATE_UNFIT", "no URI") from None
    found = [
        match for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if (match := _URI.fullmatch(uri))
    ]
    if len(found) != 1:
        raise PackageUnfit("CERTIFICATE_UNFIT", "no URI of case-exchange")
    region, org, system = found[0].groups()
    return Sender(source_system=system, org=org, region=region)


def request_of(sender: Sender, key: ec.EllipticCurvePrivateKey, *, organisation: str) -> bytes:
    """A certificate request (PKCS#10, PEM) of the system that has this key."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri_of(sender))])
    name = subject_name(sender.source_system, organisation=organisation)
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def signed(manifest: bytes, key: ec.EllipticCurvePrivateKey, certificates: tuple[x509.Certificate, ...]) -> str:
    """The detached JWS over a manifest; `certificates`: the sender's own, then its issuer's."""
    chain = tuple(base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in certificates)
    header = b64u(msgspec.json.encode(_Header(alg="ES256", typ=_TYPE, x5c=chain)))
    return f"{header}..{b64u(signature_p1363(sign_es256(key, _input(header, manifest))))}"


def read_signature(jws: str) -> Signature:
    """Raises PackageUnfit."""
    try:
        header, nothing, signature = jws.strip().split(".")
        if nothing or len(jws) > MAX_SIGNATURE_OCTETS:
            raise PackageUnfit("SIGNATURE_WRONG", "not detached")
        read = msgspec.json.decode(unb64u(header), type=_Header)
        certificates = tuple(base64.b64decode(each, validate=True) for each in read.x5c)
        der = signature_der(unb64u(signature), SignatureFormat.P1363)
    except (ValueError, msgspec.MsgspecError, binascii.Error, RecursionError, Refusal) as wrong:
        raise PackageUnfit("SIGNATURE_WRONG", type(wrong).__name__) from None
    if read.alg != "ES256" or read.typ != _TYPE or not 1 <= len(certificates) <= 3:
        raise PackageUnfit("SIGNATURE_WRONG", "header")
    return Signature(signed=header, certificates=certificates, der=der)


def check(manifest: Manifest, octets: bytes, jws: str) -> Sender:
    """Whom the certificate in the signature names, if that signature is over these octets. Raises PackageUnfit.

    Whether the certificate may be believed is another question: `believed`.
    """
    signature = read_signature(jws)
    try:
        certificate = read_certificate(signature.certificates[0])
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise PackageUnfit("CERTIFICATE_UNFIT", "key")
        check_es256(key, _input(signature.signed, octets), signature.der)
    except Refusal as refusal:
        raise PackageUnfit("SIGNATURE_WRONG", refusal.code) from None
    sender = sender_of(certificate)
    if (manifest.source_system, manifest.org, manifest.region) != (sender.source_system, sender.org, sender.region):
        raise PackageUnfit("CERTIFICATE_OTHER", uri_of(sender))
    return sender


def believed(jws: str, verifier: Verifier, at: datetime) -> Trusted:
    """The certificate of a signature, if its path leads to a root we rely on. Raises PackageUnfit."""
    try:
        return verifier.relied_on(read_signature(jws).certificates[0], EXCHANGE_SENDER, at=at)
    except Refusal as refusal:
        raise PackageUnfit("CERTIFICATE_UNFIT", refusal.code) from None


def verifier_of(jws: str, root: x509.Certificate) -> Verifier:
    """For whoever has a root certificate and nothing of ours: what came with the signature are the intermediates."""
    try:
        return Verifier([root], [read_certificate(each) for each in read_signature(jws).certificates[1:]])
    except Refusal as refusal:
        raise PackageUnfit("CERTIFICATE_UNFIT", refusal.code) from None


def _input(header: str, manifest: bytes) -> bytes:
    return f"{header}.{b64u(manifest)}".encode("ascii")
