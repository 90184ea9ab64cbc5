"""Login by certificate challenge: the phone signs octets that nobody could have prepared before.

The challenge starts with its own prefix, so its signature can never pass for a decision or a certificate request,
and names the audience and the certificate. Good for one minute and one login.
"""

from datetime import timedelta

from certs.acts import BeginLogin, FinishLogin, LoginChallengeView, PruneRequests, SessionView
from certs.authority import Authority
from certs.encodings import check_es256, signature_der
from certs.events import OfficerLoggedIn
from certs.profiles import OFFICER_SIGNING
from certs.refusals import (
    CertificateUnknownIssuer,
    LoginChallengeExpired,
    LoginChallengeUnknown,
    LoginChallengeUsed,
    OfficerInactive,
)
from certs.revocation import refuse_revoked, registered
from certs.signatures import canonical, instant_text
from certs.tables import (
    OPEN_ENROLMENTS,
    CertificateState,
    Enrolment,
    IssuedCertificate,
    LoginChallenge,
    SigningRequestRow,
)
from kernel.acts import Done
from kernel.tables import Officer
from kernel.work import Work

#: Starts the octets of every challenge; a statement starts with "eyJ", a certificate request with 0x30.
PREFIX = b"zhangban-login/v1\n"


async def begin_login(work: Work, act: BeginLogin) -> LoginChallengeView:
    """The octets to sign. Refuses here already a certificate that could not log in."""
    authority = work.given(Authority)
    der = act.certificate or await _der_of(authority, act.serial.lower())
    row = await registered(authority, authority.verifier.relied_on(der, OFFICER_SIGNING, at=work.now))
    nonce = work.secrets.token()
    expires_at = work.now + authority.settings.challenge_life
    payload = PREFIX + canonical(
        {
            "aud": authority.settings.audience,
            "certificate": row.fingerprint,
            "expires_at": instant_text(expires_at),
            "nonce": nonce,
        }
    )
    await LoginChallenge.create(nonce=nonce, certificate_id=row.id, payload=payload, expires_at=expires_at)
    return LoginChallengeView(nonce=nonce, payload=payload, expires_at=expires_at)


async def finish_login(work: Work, act: FinishLogin) -> SessionView:
    """A session for the officer whose device signed the challenge."""
    authority = work.given(Authority)
    challenge = await _unused(work, act.nonce)
    row = await IssuedCertificate.get(id=challenge.certificate_id)
    refuse_revoked(row)
    trusted = authority.verifier.relied_on(row.der, OFFICER_SIGNING, at=work.now)
    check_es256(trusted.key, challenge.payload, signature_der(act.signature, act.format))
    officer = await Officer.get_or_none(id=row.holder)
    if officer is None or not officer.active:
        raise OfficerInactive()
    if await LoginChallenge.filter(nonce=act.nonce, used_at__isnull=True).update(used_at=work.now) != 1:
        raise LoginChallengeUsed()
    await IssuedCertificate.filter(id=row.id).update(used_at=work.now)
    work.record(OfficerLoggedIn(officer=officer.id, serial=row.serial))
    return SessionView(
        id=work.secrets.token(),
        officer=officer.id,
        name=officer.name,
        certificate=trusted.fingerprint,
        issued_at=work.now,
        expires_at=min(work.now + authority.settings.token_life, row.not_after),
    )


async def prune_requests(work: Work, act: PruneRequests) -> Done:
    """A used signing request stays: it holds the bytes of its signature. So does an enrolment that was decided."""
    before = work.now - timedelta(days=1)
    challenges = await LoginChallenge.filter(expires_at__lt=before).delete()
    requests = await SigningRequestRow.filter(used_at__isnull=True, expires_at__lt=before).delete()
    enrolments = await Enrolment.filter(state__in=OPEN_ENROLMENTS, expires_at__lt=before).delete()
    return Done(count=challenges + requests + enrolments)


async def _der_of(authority: Authority, serial: str) -> bytes:
    row = await IssuedCertificate.get_or_none(issuer__in=authority.verifier.issuers, serial=serial)
    if row is None or row.state is CertificateState.INTENDED:
        raise CertificateUnknownIssuer()
    return row.der


async def _unused(work: Work, nonce: str) -> LoginChallenge:
    challenge = await LoginChallenge.get_or_none(nonce=nonce)
    if challenge is None:
        raise LoginChallengeUnknown()
    if challenge.used_at is not None:
        raise LoginChallengeUsed()
    if work.now > challenge.expires_at:
        raise LoginChallengeExpired(until=challenge.expires_at.isoformat())
    return challenge
