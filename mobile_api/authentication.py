"""Session tokens at the door: who holds one, and the token of a session just granted.

Officers log in by certificate, applicants by a code texted to their phone; their tokens are of two types.
"""

from dataclasses import dataclass

from certs.acts import SessionView
from certs.authority import Authority
from certs.refusals import TokenInvalid
from certs.tokens import Sessions, Tokens, is_applicants
from hall.accounts import ApplicantSession, applicant_behind
from kernel.actor import Actor
from kernel.clock import Clock
from kernel.refusals import Refusal


@dataclass(frozen=True)
class CertificateSessions:
    """The authenticator of a deployment whose officers log in by certificate. One per process: it remembers."""

    sessions: Sessions
    tokens: Tokens
    clock: Clock

    @classmethod
    def of(cls, authority: Authority, clock: Clock) -> "CertificateSessions":
        return cls(Sessions(authority), Tokens(authority), clock)

    async def actor_of(self, token: str) -> Actor | Refusal:
        now = self.clock.now()
        try:
            if is_applicants(token):
                return await applicant_behind(self.tokens.read_applicants(token, now)) or TokenInvalid()
            return await self.sessions.actor_from(token, now)
        except Refusal as refusal:
            return refusal

    def token_for(self, session: SessionView) -> str:
        return self.tokens.issue(session)

    def token_for_applicant(self, session: ApplicantSession) -> str:
        return self.tokens.issue_to_applicant(
            session.applicant, id=session.id, issued_at=session.issued_at, expires_at=session.expires_at
        )
