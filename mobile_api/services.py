"""What the door is given by the wiring: one frozen value."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from casework.clock.working_days import Calendar
from casework.rules import CaseworkRules
from certs.acts import SessionView
from certs.authority import Authority
from kernel.actor import Actor
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from kernel.office import Office
from kernel.refusals import Refusal


class Authenticator(Protocol):
    async def actor_of(self, token: str) -> Actor | Refusal:
        """Who holds this session token now."""

    def token_for(self, session: SessionView) -> str:
        """The token of a session just granted."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one caller may ask. Rates are in the notation of the library limits: "60/minute"."""

    #: Our deepest operation has nine levels.
    depth: int = 12
    aliases: int = 15
    directives: int = 10
    #: Selected fields, fragments expanded: our largest operation selects about a hundred.
    selected_fields: int = 400
    tokens: int = 2000
    #: An item definition with its fourteen elements is the largest thing anybody sends.
    body_octets: int = 256 * 1024
    page: int = 50
    #: Per address before anybody is known, failed logins included; a hall's officers may share one address.
    per_address: str = "600/minute"
    per_officer: str = "300/minute"
    #: Acts of unknown people, per address: filing, enrolment, login, progress. A hall logs in at nine.
    anonymous_acts: str = "120/minute"
    file_octets: int = 20 * 1024 * 1024
    link_life: timedelta = timedelta(minutes=5)
    #: Time to collect and upload the materials of one application.
    ticket_life: timedelta = timedelta(hours=2)
    ready_within_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Services:
    database: Database
    office: Office
    clock: Clock
    calendar: Calendar
    authenticator: Authenticator
    authority: Authority
    secrets: Secrets
    #: Where uploaded files are kept, by their SHA-256.
    files: Path
    rules: CaseworkRules = field(default_factory=CaseworkRules)
    limits: Limits = field(default_factory=Limits)
    #: Demo mode shows GraphiQL, introspection and the text of internal errors. Never in production.
    demo: bool = False
