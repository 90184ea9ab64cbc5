"""Session tokens at the door: who holds one, and the token of a session just granted."""

from dataclasses import dataclass

from certs.acts import SessionView
from certs.authority import Authority
from certs.tokens import Sessions, Tokens
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
        try:
            return await self.sessions.actor_from(token, self.clock.now())
        except Refusal as refusal:
            return refusal

    def token_for(self, session: SessionView) -> str:
        return self.tokens.issue(session)
