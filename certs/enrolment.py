"""Enrolment of an officer's device: request, proof of possession, identity check, approval, certificate, delivery.

The RA decides, the CA signs. Nobody handles their own enrolment, and with `two_persons` the operator who saw the
person is not the one who approves. The server's own command line may approve alone: somebody must enrol the first
RA operators. One live certificate per officer and device; a new one supersedes the old.

Anybody may ask in anybody's name, so asking alone must cost the named officer nothing: only requests whose key was
proved count towards the limit, and an unproved one gives way to the next. Limits: a stranger who proves as many keys
as the limit allows keeps the officer out until the RA operator rejects them or they expire.
"""

import unicodedata
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from certs.acts import (
    ApproveEnrolment,
    CheckIdentity,
    EnrolmentOpened,
    EnrolmentView,
    RejectEnrolment,
    RequestEnrolment,
    RevocationReason,
    SubmitCsr,
    ViewEnrolment,
)
from certs.authority import Authority
from certs.csr import assembled, request_info
from certs.encodings import device_key, sha256_hex, signature_der, unb64u
from certs.events import (
    EnrolmentRejected,
    EnrolmentRequested,
    IdentityChecked,
    OfficerEnrolled,
    PossessionProved,
)
from certs.profiles import OFFICER_SIGNING, subject_name
from certs.refusals import (
    EnrolmentExpired,
    EnrolmentIdentityUnchecked,
    EnrolmentKeyUsed,
    EnrolmentLimit,
    EnrolmentNotOpen,
    EnrolmentOwn,
    OfficerInactive,
)
from certs.revocation import publish, revoke
from certs.tables import OPEN_ENROLMENTS, CertificateState, Enrolment, EnrolmentState, IssuedCertificate
from kernel.actor import ActorKind
from kernel.chance import Secrets
from kernel.refusals import ChangedMeanwhile, Invalid, NotFound
from kernel.tables import Officer
from kernel.work import Work

#: What waits for an RA operator.
_WAITING = (EnrolmentState.PROVED, EnrolmentState.CHECKED)
_PICKUP = "enrolment.pickup"
_LONGEST_ID = 40


async def request_enrolment(work: Work, act: RequestEnrolment) -> EnrolmentOpened:
    """Anybody may ask in an officer's name; what counts is who the RA operator sees."""
    settings = work.given(Authority).settings
    device = _readable(act.device)
    device_key(act.public_key)
    officer = await _serving(act.officer)
    await _refuse_known_key(act.public_key, now=work.now)
    await _refuse_too_many_proved(officer.id, now=work.now, most=settings.open_enrolments)
    await _make_room(officer.id, most=settings.open_enrolments)
    subject = subject_name(officer.name, organisation=settings.organisation, serial_number=officer.id)
    pickup = work.secrets.token()
    enrolment = await Enrolment.create(
        id=_id(work.secrets),
        officer_id=officer.id,
        device=device,
        spki=act.public_key,
        spki_sha256=sha256_hex(act.public_key),
        request_info=request_info(subject, act.public_key, work.secrets.token()),
        pickup_digest=work.secrets.digest(_PICKUP, pickup),
        state=EnrolmentState.REQUESTED,
        requested_at=work.now,
        expires_at=work.now + settings.enrolment_life,
    )
    code = check_code(enrolment)
    work.record(EnrolmentRequested(officer=officer.id, enrolment=enrolment.id, device=device, check_code=code))
    return EnrolmentOpened(
        enrolment=enrolment.id,
        to_sign=enrolment.request_info,
        pickup=pickup,
        check_code=code,
        expires_at=enrolment.expires_at,
    )


async def submit_csr(work: Work, act: SubmitCsr) -> EnrolmentView:
    """The phone's signature over the request: proof of possession. Raises SignatureInvalid."""
    enrolment = await _open(work, act.enrolment, EnrolmentState.REQUESTED)
    most = work.given(Authority).settings.open_enrolments
    await _refuse_too_many_proved(enrolment.officer_id, now=work.now, most=most)
    request = assembled(enrolment.request_info, signature_der(act.signature, act.format))
    await _advance(enrolment, EnrolmentState.PROVED, csr=request.public_bytes(Encoding.DER))
    work.record(PossessionProved(officer=enrolment.officer_id, enrolment=enrolment.id))
    return await _view(enrolment)


async def check_identity(work: Work, act: CheckIdentity) -> EnrolmentView:
    enrolment = await _open(work, act.enrolment, EnrolmentState.PROVED)
    _refuse_own(work, enrolment)
    await _advance(
        enrolment, EnrolmentState.CHECKED, checked_by=work.actor.id, identity_document=_readable(act.document)
    )
    work.record(IdentityChecked(officer=enrolment.officer_id, enrolment=enrolment.id))
    return await _view(enrolment)


async def approve_enrolment(work: Work, act: ApproveEnrolment) -> EnrolmentView:
    """The CA issues; a certificate that the same device still had is revoked as superseded."""
    authority = work.given(Authority)
    enrolment = await _open(work, act.enrolment, EnrolmentState.PROVED, EnrolmentState.CHECKED)
    _refuse_own(work, enrolment)
    _refuse_single_person(work, enrolment, two_persons=authority.settings.two_persons)
    officer = await _serving(enrolment.officer_id)
    if await IssuedCertificate.exists(spki_sha256=enrolment.spki_sha256):
        raise EnrolmentKeyUsed()
    await _supersede(work, authority, enrolment)
    row = await authority.issue(
        OFFICER_SIGNING,
        name=officer.name,
        holder=officer.id,
        spki=enrolment.spki,
        now=work.now,
        device=enrolment.device,
    )
    await _advance(enrolment, EnrolmentState.ISSUED, decided_by=work.actor.id, certificate_id=row.id)
    work.record(OfficerEnrolled(officer=officer.id, enrolment=enrolment.id, device=enrolment.device, serial=row.serial))
    return await _view(enrolment, authority)


async def reject_enrolment(work: Work, act: RejectEnrolment) -> EnrolmentView:
    enrolment = await _open(work, act.enrolment, *OPEN_ENROLMENTS)
    _refuse_own(work, enrolment)
    reason = _readable(act.reason)
    await _advance(enrolment, EnrolmentState.REJECTED, decided_by=work.actor.id, reason=reason)
    work.record(EnrolmentRejected(officer=enrolment.officer_id, enrolment=enrolment.id, reason=reason))
    return await _view(enrolment)


async def enrolment_status(authority: Authority, secrets: Secrets, enrolment: str, pickup: str) -> EnrolmentView:
    """For the phone that holds the pickup secret: where its enrolment stands, and the certificate chain once issued."""
    row = await Enrolment.get_or_none(id=enrolment) if len(enrolment) <= _LONGEST_ID else None
    if row is None or not secrets.matches(_PICKUP, pickup, row.pickup_digest):
        raise NotFound(what="证书申请")
    return await _view(row, authority)


async def view_enrolment(work: Work, act: ViewEnrolment) -> EnrolmentView:
    """Raises NOT_FOUND, for a wrong secret too."""
    return await enrolment_status(work.given(Authority), work.secrets, act.enrolment, act.pickup)


async def waiting_enrolments(*, now: datetime, officer: str | None = None, limit: int = 100) -> list[EnrolmentView]:
    """For the RA operator: proved and checked enrolments that have not expired, oldest first.

    `officer` narrows to the one who stands at the desk, however many others wait.
    """
    waiting = Enrolment.filter(state__in=_WAITING, expires_at__gt=now)
    if officer is not None:
        waiting = waiting.filter(officer_id=officer)
    return [await _view(row) for row in await waiting.order_by("requested_at", "id").limit(limit)]


def check_code(enrolment: Enrolment) -> str:
    """Twelve hex digits of the key's digest, shown on the phone and read out to the RA operator."""
    digits = enrolment.spki_sha256[:12].upper()
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"


def _id(secrets: Secrets) -> str:
    """128 bits in hex: read out, typed and given to command lines, where a hyphen in front would be an option."""
    return unb64u(secrets.token())[:16].hex()


async def _open(work: Work, enrolment: str, *states: EnrolmentState) -> Enrolment:
    row = await Enrolment.get_or_none(id=enrolment)
    if row is None:
        raise NotFound(what="证书申请")
    if row.state not in states:
        raise EnrolmentNotOpen(state=_STATE_NAMES[row.state])
    if work.now >= row.expires_at:
        raise EnrolmentExpired(until=row.expires_at.isoformat())
    return row


async def _advance(enrolment: Enrolment, state: EnrolmentState, **columns: str | int | bytes) -> None:
    unmoved = Enrolment.filter(id=enrolment.id, state=enrolment.state)
    if await unmoved.update(state=state, **columns) != 1:
        raise ChangedMeanwhile(subject=enrolment.id)
    enrolment.update_from_dict({"state": state, **columns})


async def _supersede(work: Work, authority: Authority, enrolment: Enrolment) -> None:
    superseded = await IssuedCertificate.filter(
        holder=enrolment.officer_id,
        profile=OFFICER_SIGNING.name.value,
        device=enrolment.device,
        state=CertificateState.ISSUED,
    )
    for row in superseded:
        await revoke(work, row, RevocationReason.SUPERSEDED)
    if superseded:
        await publish(authority, now=work.now)


async def _serving(officer_id: str) -> Officer:
    officer = await Officer.get_or_none(id=officer_id)
    if officer is None:
        raise NotFound(what="该人员")
    if not officer.active:
        raise OfficerInactive()
    return officer


async def _refuse_known_key(spki: bytes, *, now: datetime) -> None:
    digest = sha256_hex(spki)
    certified = await IssuedCertificate.exists(spki_sha256=digest)
    if certified or await Enrolment.exists(spki_sha256=digest, state__in=OPEN_ENROLMENTS, expires_at__gt=now):
        raise EnrolmentKeyUsed()


async def _refuse_too_many_proved(officer: str, *, now: datetime, most: int) -> None:
    proved = await Enrolment.filter(officer_id=officer, state__in=_WAITING, expires_at__gt=now).count()
    if proved >= most:
        raise EnrolmentLimit(officer=officer, open=proved)


async def _make_room(officer: str, *, most: int) -> None:
    """Forgets the officer's oldest unproved requests, so that with one more there are `most`."""
    unproved = Enrolment.filter(officer_id=officer, state=EnrolmentState.REQUESTED)
    newest_first = await unproved.order_by("-requested_at", "-id").values_list("id", flat=True)
    if surplus := newest_first[most - 1 :]:
        await unproved.filter(id__in=surplus).delete()


def _refuse_own(work: Work, enrolment: Enrolment) -> None:
    if work.actor.id == enrolment.officer_id:
        raise EnrolmentOwn()


def _refuse_single_person(work: Work, enrolment: Enrolment, *, two_persons: bool) -> None:
    if not two_persons or work.actor.kind is ActorKind.SYSTEM:
        return
    if enrolment.state is not EnrolmentState.CHECKED or enrolment.checked_by == work.actor.id:
        raise EnrolmentIdentityUnchecked()


def _readable(text: str) -> str:
    """Trimmed. The label ends up before an RA operator's eyes: no control or reordering characters."""
    if not text.strip() or any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in text):
        raise Invalid(field="名称", why="不能为空或含有控制字符")
    return text.strip()


async def _view(enrolment: Enrolment, authority: Authority | None = None) -> EnrolmentView:
    chain: tuple[bytes, ...] = ()
    if authority is not None and enrolment.certificate_id is not None:
        row = await IssuedCertificate.get(id=enrolment.certificate_id)
        chain = (row.der, authority.issuing.public_bytes(Encoding.DER))
    return EnrolmentView(
        enrolment=enrolment.id,
        state=enrolment.state,
        officer=enrolment.officer_id,
        device=enrolment.device,
        check_code=check_code(enrolment),
        expires_at=enrolment.expires_at,
        reason=enrolment.reason,
        chain=chain,
    )


_STATE_NAMES = {
    EnrolmentState.REQUESTED: "待证明持有密钥",
    EnrolmentState.PROVED: "待核验身份",
    EnrolmentState.CHECKED: "待批准",
    EnrolmentState.ISSUED: "已签发",
    EnrolmentState.REJECTED: "已驳回",
}
