"""What the door is given by the wiring: one frozen value."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from casework.clock.working_days import Calendar
from casework.rules import CaseworkRules
from certs.acts import SessionView
from certs.authority import Authority
from hall.accounts import ApplicantSession
from kernel.actor import Actor
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from kernel.office import Office
from kernel.refusals import NotFound, Refusal


class Authenticator(Protocol):
    async def actor_of(self, token: str) -> Actor | Refusal:
        """Who holds this session token now."""

    def token_for(self, session: SessionView) -> str:
        """The token of a session just granted."""

    def token_for_applicant(self, session: ApplicantSession) -> str:
        """The same for an applicant."""


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
    #: Files that one ticket brings in its life; the longest list of materials has a dozen, some as several photographs.
    per_ticket: str = "60 per 2 hours"
    file_octets: int = 20 * 1024 * 1024
    link_life: timedelta = timedelta(minutes=5)
    #: Time to collect and upload the materials of one application.
    ticket_life: timedelta = timedelta(hours=2)
    ready_within_s: float = 2.0
    #: Root fields that this zone does not serve, because it does not have what they show.
    absent: frozenset[str] = frozenset()


async def _not_found(sha256: str) -> Refusal:
    return NotFound(what="文件")


@dataclass(frozen=True, kw_only=True)
class Services:
    database: Database
    office: Office
    clock: Clock
    #: The calendar in force, asked for anew each time: a notice may be imported while we run.
    calendars: Callable[[], Calendar]
    authenticator: Authenticator
    authority: Authority
    secrets: Secrets
    #: Where uploaded files are kept, by their SHA-256.
    files: Path
    #: Up to when the office's doings are known here, in the outer zone; elsewhere everything is known at once.
    mirrored_until: Callable[[], Awaitable[datetime | None]] | None = None
    #: Why a file of a case, known by its SHA-256, does not lie here: in two networks it may lie in the other.
    missing_file: Callable[[str], Awaitable[Refusal]] = _not_found
    rules: CaseworkRules = field(default_factory=CaseworkRules)
    limits: Limits = field(default_factory=Limits)
    #: Origins of the portals whose pages may frame our feeds.
    portals: tuple[str, ...] = ()
    #: Demo mode shows GraphiQL, introspection and the text of internal errors. Never in production.
    demo: bool = False

    async def as_of(self) -> datetime | None:
        """What is shown was so at this instant; null: nothing is known yet."""
        return self.clock.now() if self.mirrored_until is None else await self.mirrored_until()

    @property
    def calendar(self) -> Calendar:
        return self.calendars()
