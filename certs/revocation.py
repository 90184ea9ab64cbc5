"""Revoking, the register's answer "is this one still good?", and the published list (CRL, RFC 5280 section 5).

Inside the office the register is the truth, so a revocation counts for the very next signature. The list tells it
to everybody else: renewed hourly by the clock and at once on every revocation, numbered without gaps.
"""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certs.acts import CertificateView, PublishRevocationList, RevocationReason, RevokeCertificate
from certs.authority import Authority
from certs.encodings import sha256_hex
from certs.events import CertificateRevoked, SealRevoked
from certs.profiles import ProfileName
from certs.refusals import CertificateRevoked as Revoked
from certs.refusals import CertificateStatusUnknown, CertificateUnknownIssuer
from certs.tables import CertificateState, IssuedCertificate, PublishedList
from certs.verification import RevocationList, Trusted
from kernel.acts import Done
from kernel.numbers import next_number
from kernel.refusals import NotFound
from kernel.work import Work

#: The newest list as read from its octets, by their digest: it changes a few times a day and is asked often.
_READ: dict[str, RevocationList] = {}


async def revoke_certificate(work: Work, act: RevokeCertificate) -> CertificateView:
    """Revokes a certificate for good and publishes a new list. Revoking it again changes nothing."""
    authority = work.given(Authority)
    row = await IssuedCertificate.get_or_none(issuer=authority.issuer, serial=act.serial.lower())
    if row is None or row.state is CertificateState.INTENDED:
        raise NotFound(what="数字证书")
    if row.state is CertificateState.ISSUED:
        await revoke(work, row, act.reason)
        await publish(authority, now=work.now)
    return certificate_view(row)


async def revoke(work: Work, row: IssuedCertificate, reason: RevocationReason) -> None:
    """Marks `row` revoked from now on; whoever calls publishes the list afterwards."""
    row.state, row.revoked_at, row.reason = CertificateState.REVOKED, work.now, reason.value
    await row.save(update_fields=["state", "revoked_at", "reason"])
    if row.profile == ProfileName.OFFICER_SIGNING.value:
        work.record(CertificateRevoked(officer=row.holder, serial=row.serial, reason=reason.value))
    else:
        work.record(SealRevoked(unit=row.holder, serial=row.serial, reason=reason.value))


async def registered(authority: Authority, trusted: Trusted) -> IssuedCertificate:
    """The register's entry of a certificate whose path is valid. Raises when it is unknown or revoked."""
    issuers = authority.verifier.issuers
    row = await IssuedCertificate.get_or_none(fingerprint=trusted.fingerprint, issuer__in=issuers)
    if row is None:
        raise CertificateUnknownIssuer()
    refuse_revoked(row)
    return row


def refuse_revoked(row: IssuedCertificate) -> None:
    if row.state is not CertificateState.ISSUED:
        raise Revoked(at=row.revoked_at.isoformat() if row.revoked_at else "")


async def phone_lost_at(officer: str) -> datetime | None:
    """When a certificate of this officer was revoked, unless another was issued since; None: their phone is theirs.

    A certificate lives in a phone that also gets their texts. One that gave way to a newer of the same device
    (superseded) says nothing about the phone.
    """
    theirs = IssuedCertificate.filter(holder=officer, profile=ProfileName.OFFICER_SIGNING.value)
    revoked = theirs.filter(state=CertificateState.REVOKED).exclude(reason=RevocationReason.SUPERSEDED.value)
    newest = await revoked.order_by("-revoked_at").first()
    if newest is None or await theirs.filter(not_before__gt=newest.revoked_at).exists():
        return None
    return newest.revoked_at


async def publish_revocation_list(work: Work, act: PublishRevocationList) -> Done:
    authority = work.given(Authority)
    newest = await newest_list(authority)
    if newest is not None and work.now - newest.this_update < authority.settings.crl_refresh:
        return Done(count=0)
    await publish(authority, now=work.now)
    return Done(count=1)


async def publish(authority: Authority, *, now: datetime) -> None:
    """Signs and stores the next list."""
    # The number first: on PostgreSQL its row lock lets one publisher at a time read what is revoked.
    number = await next_number(f"crl:{authority.issuer}")
    revoked = await IssuedCertificate.filter(
        issuer=authority.issuer, state=CertificateState.REVOKED, not_after__gt=now
    ).order_by("id")
    crl = _signed_list(authority, number, revoked, now)
    der = crl.public_bytes(Encoding.DER)
    await PublishedList.create(
        issuer=authority.issuer,
        number=number,
        this_update=now.replace(microsecond=0),
        next_update=now.replace(microsecond=0) + authority.settings.crl_life,
        sha256=sha256_hex(der),
        der=der,
    )


async def zone_revocations(authority: Authority, *, uri: str, now: datetime) -> tuple[int, bytes]:
    """Number and octets of a list of revoked parcel certificates alone, in a transaction: small, to cross a gap.

    It says so itself (RFC 5280 section 5.2.5), with `uri` as its distribution point.
    """
    number = await next_number(f"crl-ferry:{authority.issuer}")
    revoked = await IssuedCertificate.filter(
        issuer=authority.issuer, state=CertificateState.REVOKED, profile=ProfileName.FERRY_SIGNING.value
    ).order_by("id")
    crl = _signed_list(authority, number, revoked, now, only_for=uri)
    return number, crl.public_bytes(Encoding.DER)


async def newest_list_der(authority: Authority) -> bytes | None:
    """The newest list for the HTTP door that publishes it."""
    row = await PublishedList.filter(issuer=authority.issuer).order_by("-number").first()
    return None if row is None else row.der


async def newest_list(authority: Authority) -> RevocationList | None:
    """The newest list, read and checked once per process."""
    newest = await PublishedList.filter(issuer=authority.issuer).order_by("-number").limit(1).only("id", "sha256")
    if not newest:
        return None
    digest = newest[0].sha256
    if digest not in _READ:
        published = await PublishedList.get(id=newest[0].id)
        _READ.clear()
        _READ[digest] = RevocationList.read(published.der, authority.issuing)
    return _READ[digest]


async def is_revoked(authority: Authority, certificate: x509.Certificate, *, at: datetime) -> bool:
    """What the published list says, for those who do not see the register. Raises CertificateStatusUnknown."""
    newest = await newest_list(authority)
    if newest is None:
        raise CertificateStatusUnknown(at=at.isoformat())
    try:
        newest.refuse_revoked(certificate, at)
    except Revoked:
        return True
    return False


def certificate_view(row: IssuedCertificate) -> CertificateView:
    return CertificateView(
        serial=row.serial,
        holder=row.holder,
        device=row.device,
        not_before=row.not_before,
        not_after=row.not_after,
        revoked_at=row.revoked_at,
        reason=row.reason,
    )


def _signed_list(
    authority: Authority, number: int, revoked: list[IssuedCertificate], now: datetime, *, only_for: str = ""
) -> x509.CertificateRevocationList:
    key = authority.keyring.key("issuing")
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.issuing.subject)
        .last_update(now)
        .next_update(now + authority.settings.crl_life)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(identifier, critical=False)
    )
    if only_for:
        point = x509.IssuingDistributionPoint(
            full_name=[x509.UniformResourceIdentifier(only_for)],
            relative_name=None,
            only_contains_user_certs=True,
            only_contains_ca_certs=False,
            only_some_reasons=None,
            indirect_crl=False,
            only_contains_attribute_certs=False,
        )
        builder = builder.add_extension(point, critical=True)
    for row in revoked:
        builder = builder.add_revoked_certificate(_entry(row))
    return builder.sign(key, hashes.SHA256())


def _entry(row: IssuedCertificate) -> x509.RevokedCertificate:
    assert row.revoked_at is not None
    return (
        x509.RevokedCertificateBuilder()
        .serial_number(int(row.serial, 16))
        .revocation_date(row.revoked_at)
        .add_extension(x509.CRLReason(_REASONS[RevocationReason(row.reason)]), critical=False)
        .build()
    )


_REASONS = {
    RevocationReason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
}
