"""Who may send: a system is registered with an organisation and a region, and gets a certificate that says so."""

from datetime import timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from casework.clock.working_days import Calendar, day_of
from certs.acts import RevocationReason
from certs.authority import Authority
from certs.encodings import spki_of
from certs.profiles import EXCHANGE_SENDER
from certs.revocation import publish, registered, revoke
from certs.tables import CertificateState, IssuedCertificate
from certs.verification import UNREADABLE
from ferry.exchange import credentials
from ferry.exchange.acts import AddSender, RevokeSender, SenderView
from ferry.exchange.days import due_at
from ferry.exchange.events import SenderAdded, SenderRevoked
from ferry.exchange.refusals import RequestUnfit, SenderTaken, SenderUnknown
from ferry.exchange.rules import Sender
from ferry.exchange.tables import ExchangeSender
from kernel.refusals import Invalid, NotFound
from kernel.tables import Unit
from kernel.work import Work

_MAX_REQUEST = 8192
_DAY = timedelta(days=1)


async def add_sender(work: Work, act: AddSender) -> SenderView:
    """Raises EXCHANGE_SENDER_TAKEN, EXCHANGE_REQUEST_UNFIT, NOT_FOUND for a unit, INVALID for a name no URI holds."""
    sender = Sender(source_system=act.source_system, org=act.org, region=act.region)
    if not credentials.is_nameable(sender):
        raise Invalid(field="来源系统、部门或区划", why="应为字母、数字、点、横线，区划为六位数字")
    if not act.name.strip() or len(act.name) > 64:
        raise Invalid(field="系统名称", why="应为1至64字")
    if act.unit and not await Unit.exists(code=act.unit):
        raise NotFound(what=f"单位{act.unit}")
    row = await ExchangeSender.get_or_none(source_system=act.source_system)
    if row is not None and row.revoked_at is None:
        raise SenderTaken(system=act.source_system)
    issued = await work.given(Authority).issue(
        EXCHANGE_SENDER,
        name=act.name.strip(),
        holder=act.source_system,
        spki=_key_of(act.request),
        now=work.now,
        uri=credentials.uri_of(sender),
    )
    calendar, today = work.given(Calendar), day_of(work.now)
    watched = calendar.next_working_day(today - _DAY)
    row = row or ExchangeSender(source_system=act.source_system)
    row.org, row.region, row.unit_code, row.name = act.org, act.region, act.unit, act.name.strip()
    row.fingerprint, row.serial = issued.fingerprint or "", issued.serial
    row.registered_at, row.revoked_at = work.now, None
    row.watched_day, row.watch_due_at = watched, due_at(watched, calendar)
    await row.save()
    work.record(SenderAdded(exchange=act.source_system, org=act.org, region=act.region, serial=issued.serial))
    return _view(row, issued)


async def revoke_sender(work: Work, act: RevokeSender) -> SenderView:
    """Raises NOT_FOUND. Revoking again changes nothing."""
    row = await ExchangeSender.get_or_none(source_system=act.source_system)
    if row is None:
        raise NotFound(what=f"来源系统{act.source_system}")
    issued = await IssuedCertificate.get(fingerprint=row.fingerprint)
    if row.revoked_at is None:
        row.revoked_at, row.watch_due_at = work.now, None
        await row.save(update_fields=["revoked_at", "watch_due_at"])
        if issued.state is CertificateState.ISSUED:
            await revoke(work, issued, RevocationReason.CESSATION_OF_OPERATION)
            await publish(work.given(Authority), now=work.now)
        work.record(SenderRevoked(exchange=row.source_system, serial=row.serial))
    return _view(row, issued)


async def registered_sender(work: Work, signature: str) -> ExchangeSender:
    """The sender whose certificate made the signature, if it is one of ours and still good. Raises its refusal."""
    authority = work.given(Authority)
    trusted = credentials.believed(signature, authority.verifier, work.now)
    await registered(authority, trusted)
    row = await ExchangeSender.get_or_none(fingerprint=trusted.fingerprint)
    if row is None or row.revoked_at is not None:
        raise SenderUnknown()
    return row


async def senders() -> list[SenderView]:
    """All that ever were, by name."""
    rows = await ExchangeSender.all().order_by("source_system")
    issued = {
        row.fingerprint: row
        for row in await IssuedCertificate.filter(fingerprint__in=[row.fingerprint for row in rows])
    }
    return [_view(row, issued[row.fingerprint]) for row in rows]


def _key_of(request: bytes) -> bytes:
    """The public key of a PKCS#10 that its own key has signed; `Authority.issue` judges the key."""
    if len(request) > _MAX_REQUEST:
        raise RequestUnfit(why=f"{len(request)} octets")
    try:
        csr = x509.load_pem_x509_csr(request)
        if not csr.is_signature_valid:
            raise RequestUnfit(why="signature")
        return spki_of(csr.public_key())
    except (*UNREADABLE, InvalidSignature) as wrong:
        raise RequestUnfit(why=type(wrong).__name__) from None


def _view(row: ExchangeSender, issued: IssuedCertificate) -> SenderView:
    certificate = x509.load_der_x509_certificate(issued.der)
    return SenderView(
        source_system=row.source_system,
        org=row.org,
        region=row.region,
        unit=row.unit_code,
        name=row.name,
        serial=row.serial,
        not_after=issued.not_after,
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        revoked_at=row.revoked_at,
    )
