"""Session tokens (JWT, RFC 7519) and the actor behind one. The only importer of pyjwt.

ES256 is pinned on both sides; time is an argument, not the library's. A token is as good as its certificate: the
register and the officer's record are asked again every `status_life`, so a lost phone is shut out within seconds.
An applicant's token is of another type: it proves a phone number, no key, and neither passes for the other.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt

from certs.acts import SessionView
from certs.authority import Authority
from certs.refusals import OfficerInactive, TokenExpired, TokenInvalid
from certs.revocation import refuse_revoked
from certs.tables import IssuedCertificate
from kernel.actor import Actor, ActorKind, Assurance, Role
from kernel.tables import Officer

_TYPE = "zhangban-session+jwt"
_APPLICANT_TYPE = "zhangban-applicant+jwt"
_EVERY_CLAIM = ("iss", "aud", "sub", "iat", "exp", "jti")
#: Ours take 400 octets.
_MAX_TOKEN = 2048
_REMEMBERED = 10_000


@dataclass(frozen=True, kw_only=True)
class Claims:
    officer: str
    certificate: str
    expires_at: datetime


class Tokens:
    """Makes and reads tokens with the office's token key. No database."""

    def __init__(self, authority: Authority) -> None:
        self._key = authority.keyring.key("token")
        self._public_key = self._key.public_key()
        self._audience = authority.settings.audience

    def issue(self, session: SessionView) -> str:
        """The token of a session; the same session gives an equally good token again."""
        return self._issued(
            _TYPE, session.officer, session.id, session.issued_at, session.expires_at,
            cnf={"x5t#S256": session.certificate},
        )  # fmt: skip

    def issue_to_applicant(self, applicant: str, *, id: str, issued_at: datetime, expires_at: datetime) -> str:
        """A token of the account `applicant`, whose phone answered a code."""
        return self._issued(_APPLICANT_TYPE, applicant, id, issued_at, expires_at)

    def read(self, token: str, now: datetime) -> Claims:
        """Raises TokenExpired or TokenInvalid."""
        claims = self._decoded(token, _TYPE)
        confirmed = claims.get("cnf")
        certificate = confirmed.get("x5t#S256") if isinstance(confirmed, dict) else None
        if not isinstance(certificate, str):
            raise TokenInvalid()
        subject, expires_at = _unexpired(claims, now)
        return Claims(officer=subject, certificate=certificate, expires_at=expires_at)

    def read_applicants(self, token: str, now: datetime) -> str:
        """The account of an applicant's token. Raises TokenExpired or TokenInvalid."""
        return _unexpired(self._decoded(token, _APPLICANT_TYPE), now)[0]

    def _issued(
        self, kind: str, subject: str, id: str, issued_at: datetime, expires_at: datetime, **more: object
    ) -> str:
        claims = {
            "iss": self._audience,
            "aud": self._audience,
            "sub": subject,
            "iat": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": id,
            **more,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"typ": kind})

    def _decoded(self, token: str, kind: str) -> dict[str, object]:
        if len(token) > _MAX_TOKEN:
            raise TokenInvalid()
        # The library would ask its own clock.
        options: jwt.types.Options = {
            "require": list(_EVERY_CLAIM),
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        try:
            decoded = jwt.decode_complete(
                token,
                self._public_key,
                algorithms=["ES256"],
                audience=self._audience,
                issuer=self._audience,
                options=options,
            )
        except (jwt.InvalidTokenError, ValueError):
            raise TokenInvalid() from None
        if decoded["header"].get("typ") != kind:
            raise TokenInvalid()
        claims: dict[str, object] = decoded["payload"]
        return claims


def is_applicants(token: str) -> bool:
    """Whether the token says it is an applicant's; what it is worth is asked by reading it."""
    try:
        return bool(jwt.get_unverified_header(token).get("typ") == _APPLICANT_TYPE)
    except jwt.InvalidTokenError:
        return False


def _unexpired(claims: dict[str, object], now: datetime) -> tuple[str, datetime]:
    """Subject and end. Raises TokenExpired or TokenInvalid."""
    subject, expires = claims["sub"], claims["exp"]
    if not isinstance(expires, int) or not isinstance(subject, str):
        raise TokenInvalid()
    expires_at = datetime.fromtimestamp(expires, UTC)
    if now >= expires_at:
        raise TokenExpired()
    return subject, expires_at


@dataclass(frozen=True, kw_only=True)
class _Known:
    claims: Claims
    actor: Actor
    asked_at: datetime


class Sessions:
    """Tokens to actors. Remembers answers for `status_life`; one per process."""

    def __init__(self, authority: Authority) -> None:
        self._tokens = Tokens(authority)
        self._status_life = authority.settings.status_life
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def actor_from(self, token: str, now: datetime) -> Actor:
        """The officer at assurance SESSION. Raises TokenInvalid, TokenExpired, CertificateRevoked, OfficerInactive."""
        known = self._known.get(token)
        if known is None or now - known.asked_at >= self._status_life:
            known = await self._ask(token, now)
        if now >= known.claims.expires_at:
            raise TokenExpired()
        return known.actor

    async def _ask(self, token: str, now: datetime) -> _Known:
        claims = self._tokens.read(token, now)
        certificate = await IssuedCertificate.get_or_none(fingerprint=claims.certificate)
        if certificate is None or certificate.holder != claims.officer:
            raise TokenInvalid()
        refuse_revoked(certificate)
        officer = await Officer.get_or_none(id=claims.officer)
        if officer is None or not officer.active:
            raise OfficerInactive()
        known = _Known(claims=claims, actor=officer_actor(officer), asked_at=now)
        self._known[token] = known
        self._known.move_to_end(token)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known


def officer_actor(officer: Officer) -> Actor:
    """Who this officer is today: roles and unit are the record's, not the token's."""
    return Actor(
        kind=ActorKind.OFFICER,
        id=officer.id,
        name=officer.name,
        roles=frozenset(Role(role) for role in officer.roles),
        unit=officer.unit_code,
        phone=officer.phone,
        assurance=Assurance.SESSION,
    )
