"""Who logged in outside, as the inner zone knows it: the signature over the challenge is verified again here.

So an officer's act from outside counts only near a login that the phone itself signed: whoever holds the outer zone
cannot invent logins. Kept as a used challenge, and as long as one.
Limits: when an act was asked the outer zone says, so that one that waited for the ferry still counts; whoever holds
that zone can date acts back to a login for the day that it is kept.
"""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from certs.authority import Authority
from certs.encodings import check_es256, signature_der
from certs.login import PREFIX
from certs.profiles import OFFICER_SIGNING
from certs.refusals import (
    CertificateUnknownIssuer,
    LoginChallengeExpired,
    LoginChallengeUnknown,
    LoginChallengeUsed,
)
from certs.revocation import refuse_revoked
from certs.tables import CertificateState, IssuedCertificate, LoginChallenge
from ferry.zones.acting import LOGIN
from kernel import rows
from kernel.acts import Act, Done, SignatureFormat
from kernel.work import Work

#: As long as challenges are kept (`certs.login.prune_requests`): an older one may have been used and forgotten.
REMEMBERED = timedelta(days=1)
#: So far the outer zone's clock may be ahead. What lasts longer was made to keep a session alive.
AHEAD = timedelta(hours=1)


class NoteLogin(Act[Done], frozen=True, tag=LOGIN):
    """`certificate`: its fingerprint; `challenge`: the octets that were signed."""

    certificate: str
    challenge: bytes
    signature: bytes
    format: SignatureFormat = SignatureFormat.DER


class _Challenge(msgspec.Struct, frozen=True):
    aud: str
    certificate: str
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    nonce: str


async def note_login(work: Work, act: NoteLogin) -> Done:
    """Raises LOGIN_CHALLENGE_…, SIGNATURE_INVALID, CERTIFICATE_…"""
    authority = work.given(Authority)
    said = _read(act.challenge)
    if said.expires_at <= work.now - REMEMBERED:
        raise LoginChallengeExpired(until=said.expires_at.isoformat())
    if said.expires_at > work.now + authority.settings.challenge_life + AHEAD:
        raise LoginChallengeUnknown()
    if said.aud != authority.settings.audience or said.certificate != act.certificate or len(said.nonce) > 40:
        raise LoginChallengeUnknown()
    row = await rows.one(IssuedCertificate, fingerprint=act.certificate)
    if row is None:
        raise CertificateUnknownIssuer()
    refuse_revoked(row)
    trusted = authority.verifier.relied_on(row.der, OFFICER_SIGNING, at=work.now)
    check_es256(trusted.key, act.challenge, signature_der(act.signature, act.format))
    if await rows.one(LoginChallenge, nonce=said.nonce) is not None:
        raise LoginChallengeUsed()
    await LoginChallenge.create(
        nonce=said.nonce,
        certificate_id=row.id,
        payload=act.challenge,
        expires_at=said.expires_at,
        used_at=work.now,
    )
    await rows.change(IssuedCertificate, {"id": row.id}, used_at=work.now)
    return Done()


async def logged_in(authority: Authority, officer: str, at: datetime) -> bool:
    """Whether a device of this officer, still good, answered a challenge so shortly before `at` that a session lasts.

    Both instants are the outer zone's. Raises CERTIFICATE_REVOKED when only one did that is good no more.
    """
    settings = authority.settings
    certificates = {row.id: row for row in await IssuedCertificate.filter(holder=officer)}
    answered = await LoginChallenge.filter(
        certificate_id__in=list(certificates),
        used_at__isnull=False,
        expires_at__gte=at - settings.token_life,
        expires_at__lte=at + settings.challenge_life + timedelta(seconds=1),
    ).values_list("certificate_id", flat=True)
    devices = [certificates[each] for each in answered]
    if any(row.state is CertificateState.ISSUED for row in devices):
        return True
    for row in devices:
        refuse_revoked(row)
    return False


def _read(challenge: bytes) -> _Challenge:
    if not challenge.startswith(PREFIX):
        raise LoginChallengeUnknown()
    try:
        return msgspec.json.decode(challenge[len(PREFIX) :], type=_Challenge)
    except msgspec.MsgspecError:
        raise LoginChallengeUnknown() from None
