"""Devices and sessions: enrolment of a phone's key, login by certificate challenge, the caller's own record."""

from datetime import datetime
from typing import Annotated

import strawberry

from alerts.dead_letters import undelivered_to
from certs.acts import (
    ApproveEnrolment,
    BeginLogin,
    CertificateView,
    CheckIdentity,
    EnrolmentOpened,
    EnrolmentView,
    FinishLogin,
    LoginChallengeView,
    RejectEnrolment,
    RequestEnrolment,
    RevokeCertificate,
    SessionView,
    SubmitCsr,
    ViewEnrolment,
)
from certs.enrolment import waiting_enrolments
from kernel.actor import ActorKind
from kernel.actor import Role as KernelRole
from kernel.refusals import NotPermitted
from kernel.refusals import Refusal as KernelRefusal
from mobile_api.context import Info, perform
from mobile_api.enums import EnrolmentState, RevocationReason, Role, SignatureFormat
from mobile_api.refusals import Refusal
from mobile_api.scalars import Base64URL


@strawberry.type(description="A warning or result that was texted to the caller and did not arrive, without its code.")
class UndeliveredText:
    id: strawberry.ID
    title: str
    text: str
    case_number: strawberry.ID | None
    at: datetime


async def _undelivered(info: Info) -> list[UndeliveredText]:
    services = info.context.services
    return [
        UndeliveredText(
            id=strawberry.ID(str(each.id)),
            title=each.title,
            text=each.text,
            case_number=strawberry.ID(each.case_number) if each.case_number else None,
            at=each.at,
        )
        for each in await undelivered_to(services.database, info.context.actor.id, now=services.clock.now())
    ]


@strawberry.type(description="The officer behind the session.")
class Me:
    id: strawberry.ID
    name: str
    roles: list[Role]
    unit: str | None
    unit_name: str | None
    phone: str | None
    second_phone: str | None
    undelivered: list[UndeliveredText] = strawberry.field(
        resolver=_undelivered, description="Within thirty days, newest first; at most fifty."
    )


@strawberry.type(description="The phone signs `toSign` and keeps `pickup`; `checkCode` is read out to the RA operator.")
class EnrolmentRequest:
    enrolment: strawberry.ID
    to_sign: Base64URL
    pickup: str
    check_code: str
    expires_at: datetime


@strawberry.type(description="`chain`: the certificate and its issuer, DER, once issued.")
class Enrolment:
    enrolment: strawberry.ID
    state: EnrolmentState
    officer: str
    device: str
    check_code: str
    expires_at: datetime
    reason: str
    chain: list[Base64URL]


@strawberry.type
class Certificate:
    serial: strawberry.ID
    holder: str
    device: str
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None
    reason: str


@strawberry.type(description="Sign the octets of `payload` exactly as they are, before `expiresAt`.")
class LoginChallenge:
    nonce: str
    payload: Base64URL
    expires_at: datetime


@strawberry.type(description="Send `token` as `Authorization: Bearer …`; log in again when it has expired.")
class Session:
    token: str
    expires_at: datetime
    officer: strawberry.ID
    name: str


@strawberry.type
class EnrolmentPayload:
    enrolment: Enrolment


@strawberry.type
class CertificatePayload:
    certificate: Certificate


EnrolmentRequestResult = Annotated[EnrolmentRequest | Refusal, strawberry.union("EnrolmentRequestResult")]
EnrolmentResult = Annotated[EnrolmentPayload | Refusal, strawberry.union("EnrolmentResult")]
CertificateResult = Annotated[CertificatePayload | Refusal, strawberry.union("CertificateResult")]
LoginChallengeResult = Annotated[LoginChallenge | Refusal, strawberry.union("LoginChallengeResult")]
SessionResult = Annotated[Session | Refusal, strawberry.union("SessionResult")]


async def _me(info: Info) -> Me | None:
    actor = info.context.actor
    if actor.kind is not ActorKind.OFFICER:
        return None
    database = info.context.services.database
    units = await database.rows("SELECT name FROM unit WHERE code = $1", actor.unit)
    phones = await database.rows("SELECT second_phone FROM officer WHERE id = $1", actor.id)
    return Me(
        id=strawberry.ID(actor.id),
        name=actor.name,
        roles=sorted(actor.roles),
        unit=actor.unit,
        unit_name=str(units[0]["name"]) if units else None,
        phone=None if actor.phone == actor.id else actor.phone,  # officers' phones are not known in the outer zone
        second_phone=str(phones[0]["second_phone"]) or None if phones else None,
    )


async def _enrolment(info: Info, id: strawberry.ID, pickup: str) -> Enrolment:
    outcome = await info.context.services.office.perform(
        ViewEnrolment(enrolment=id, pickup=pickup), info.context.actor, key=None
    )
    if isinstance(outcome, KernelRefusal):
        raise outcome
    return _shown(outcome)


async def _waiting(info: Info, officer: strawberry.ID | None = None) -> list[Enrolment]:
    if not info.context.officer().has(KernelRole.RA_OPERATOR):
        raise NotPermitted(act="waitingEnrolments", needs=KernelRole.RA_OPERATOR.value)
    waiting = await waiting_enrolments(now=info.context.services.clock.now(), officer=officer)
    return [_shown(view) for view in waiting]


async def _request_enrolment(
    info: Info, idempotency_key: str, officer: strawberry.ID, device: str, public_key: Base64URL
) -> EnrolmentRequestResult:
    act = RequestEnrolment(officer=officer, device=device, public_key=public_key)
    return await perform(info, act, _opened, key=idempotency_key)


async def _submit_csr(
    info: Info,
    idempotency_key: str,
    enrolment: strawberry.ID,
    signature: Base64URL,
    format: SignatureFormat = SignatureFormat.DER,
) -> EnrolmentResult:
    act = SubmitCsr(enrolment=enrolment, signature=signature, format=format)
    return await perform(info, act, _payload, key=idempotency_key)


async def _check_identity(info: Info, idempotency_key: str, enrolment: strawberry.ID, document: str) -> EnrolmentResult:
    return await perform(info, CheckIdentity(enrolment=enrolment, document=document), _payload, key=idempotency_key)


async def _approve_enrolment(info: Info, idempotency_key: str, enrolment: strawberry.ID) -> EnrolmentResult:
    return await perform(info, ApproveEnrolment(enrolment=enrolment), _payload, key=idempotency_key)


async def _reject_enrolment(info: Info, idempotency_key: str, enrolment: strawberry.ID, reason: str) -> EnrolmentResult:
    return await perform(info, RejectEnrolment(enrolment=enrolment, reason=reason), _payload, key=idempotency_key)


async def _revoke_certificate(
    info: Info, idempotency_key: str, serial: strawberry.ID, reason: RevocationReason
) -> CertificateResult:
    return await perform(info, RevokeCertificate(serial=serial, reason=reason), _certificate, key=idempotency_key)


async def _begin_login(
    info: Info, certificate: Base64URL | None = None, serial: str | None = None
) -> LoginChallengeResult:
    act = BeginLogin(certificate=certificate or b"", serial=serial or "")
    return await perform(info, act, _challenge)


async def _finish_login(
    info: Info, nonce: str, signature: Base64URL, format: SignatureFormat = SignatureFormat.DER
) -> SessionResult:
    # Keyed by the challenge: a retry after a cut connection gets an equally good token.
    def session(view: SessionView) -> Session:
        token = info.context.services.authenticator.token_for(view)
        return Session(token=token, expires_at=view.expires_at, officer=strawberry.ID(view.officer), name=view.name)

    act = FinishLogin(nonce=nonce, signature=signature, format=format)
    return await perform(info, act, session, key=nonce)


def _opened(view: EnrolmentOpened) -> EnrolmentRequest:
    return EnrolmentRequest(
        enrolment=strawberry.ID(view.enrolment),
        to_sign=Base64URL(view.to_sign),
        pickup=view.pickup,
        check_code=view.check_code,
        expires_at=view.expires_at,
    )


def _payload(view: EnrolmentView) -> EnrolmentPayload:
    return EnrolmentPayload(enrolment=_shown(view))


def _shown(view: EnrolmentView) -> Enrolment:
    return Enrolment(
        enrolment=strawberry.ID(view.enrolment),
        state=view.state,
        officer=view.officer,
        device=view.device,
        check_code=view.check_code,
        expires_at=view.expires_at,
        reason=view.reason,
        chain=[Base64URL(der) for der in view.chain],
    )


def _certificate(view: CertificateView) -> CertificatePayload:
    return CertificatePayload(
        certificate=Certificate(
            serial=strawberry.ID(view.serial),
            holder=view.holder,
            device=view.device,
            not_before=view.not_before,
            not_after=view.not_after,
            revoked_at=view.revoked_at,
            reason=view.reason,
        )
    )


def _challenge(view: LoginChallengeView) -> LoginChallenge:
    return LoginChallenge(nonce=view.nonce, payload=Base64URL(view.payload), expires_at=view.expires_at)


@strawberry.type
class AccountQueries:
    me: Me | None = strawberry.field(resolver=_me, description="Null without a session.")
    enrolment: Enrolment = strawberry.field(
        resolver=_enrolment, description="For the phone that holds the pickup secret."
    )
    waiting_enrolments: list[Enrolment] = strawberry.field(
        resolver=_waiting,
        description="For RA operators: the oldest 100, or those of `officer`, the person at the desk.",
    )


@strawberry.type
class AccountMutations:
    request_enrolment: EnrolmentRequestResult = strawberry.field(
        resolver=_request_enrolment, description="`publicKey`: SubjectPublicKeyInfo, DER, P-256."
    )
    submit_csr: EnrolmentResult = strawberry.field(resolver=_submit_csr)
    check_identity: EnrolmentResult = strawberry.field(resolver=_check_identity)
    approve_enrolment: EnrolmentResult = strawberry.field(resolver=_approve_enrolment)
    reject_enrolment: EnrolmentResult = strawberry.field(resolver=_reject_enrolment)
    revoke_certificate: CertificateResult = strawberry.field(resolver=_revoke_certificate)
    begin_login: LoginChallengeResult = strawberry.field(
        resolver=_begin_login, description="By the certificate as the phone keeps it, or by its serial in hex."
    )
    finish_login: SessionResult = strawberry.field(resolver=_finish_login)
