"""What happens in the approval flow, beside what happens to every case (`casework.events`)."""

from datetime import datetime
from typing import ClassVar

from kernel.events import Event


class SignedOnBehalf(Event, frozen=True, tag="case.signed_on_behalf"):
    """代理: `officer` signed `step` in the name of `principal`."""

    case: str
    step: str
    decision: str
    officer: str
    principal: str
    evidence: str | None


class BranchEnded(Event, frozen=True, tag="case.branch_ended"):
    """A co-unit gave its opinion: `verdict` is concur or dissent."""

    case: str
    branch: int
    unit: str
    verdict: str
    officer: str
    evidence: str | None


class BranchesJoined(Event, frozen=True, tag="case.branches_joined"):
    """Every co-unit has spoken; the lead unit may decide."""

    case: str
    branches: int


class DissentAnswered(Event, frozen=True, tag="case.dissent_answered"):
    """The lead unit granted over a co-unit's dissent, with its reasons."""

    case: str
    branch: int
    unit: str
    officer: str
    evidence: str | None


class CaseReportedUp(Event, frozen=True, tag="case.reported_up"):
    """上报: the first review ended; by the letter `document`, `materials` papers and the opinions went to `to_unit`."""

    case: str
    from_unit: str
    to_unit: str
    materials: int
    opinions: tuple[str, ...]
    document: str
    officer: str
    evidence: str | None
    next_step: str


class CaseUrged(Event, frozen=True, tag="case.urged"):
    """催办, the `count`th of the case, about one of its open steps."""

    case: str
    task: int
    step: str
    role: str
    unit: str
    count: int
    officer: str
    by_unit: str
    assignee: str | None = None


class AuthorityDelegated(Event, frozen=True, tag="officer.delegated"):
    """`delegate` may act in the name of `officer` from `starts_at` until before `ends_at`."""

    about: ClassVar[str] = "officer"
    officer: str
    delegation: int
    delegate: str
    roles: tuple[str, ...]
    items: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    evidence: str | None = None


class DelegationRevoked(Event, frozen=True, tag="officer.delegation_revoked"):
    about: ClassVar[str] = "officer"
    officer: str
    delegation: int
    delegate: str


class PackageFiled(Event, frozen=True, tag="package.filed"):
    about: ClassVar[str] = "package"
    package: str
    item: str
    parts: int


class PackagePartFiled(Event, frozen=True, tag="package.part_filed"):
    """The part's turn had come: it is now the case `case_number`, with `materials` papers passed on."""

    about: ClassVar[str] = "package"
    package: str
    part: int
    case_number: str
    materials: int


class PackagePartObstructed(Event, frozen=True, tag="package.part_obstructed"):
    """The part's turn had come, but filing it was refused with the code `why`."""

    about: ClassVar[str] = "package"
    package: str
    part: int
    why: str


EVENTS: tuple[type[Event], ...] = (
    SignedOnBehalf,
    BranchEnded,
    BranchesJoined,
    DissentAnswered,
    CaseReportedUp,
    CaseUrged,
    AuthorityDelegated,
    DelegationRevoked,
    PackageFiled,
    PackagePartFiled,
    PackagePartObstructed,
)
