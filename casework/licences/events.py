"""What happens to licences. Codes and numbers: who holds one stays in its row."""

from datetime import date
from typing import ClassVar

from kernel.events import Event


class LicenceEvent(Event, frozen=True):
    """About one licence; `case` is the case that granted it."""

    about: ClassVar[str] = "licence"
    licence: str
    case: str
    unit: str


class LicenceIssued(LicenceEvent, frozen=True, tag="licence.issued"):
    """颁发: entered in the library, sealed; `sha256` of the sealed content."""

    sha256: str
    valid_until: date | None = None


class LicenceChanged(LicenceEvent, frozen=True, tag="licence.changed"):
    """变更 of who holds it, by the case `by_case` or by a signed correction."""

    sha256: str
    officer: str
    evidence: str | None
    by_case: str = ""


class LicenceRenewed(LicenceEvent, frozen=True, tag="licence.renewed"):
    """延续. `deemed`: nobody decided before it ended, so the law renewed it (art. 50)."""

    sha256: str
    valid_until: date | None
    by_case: str
    deemed: bool = False


class LicenceEnded(LicenceEvent, frozen=True, tag="licence.ended"):
    """注销、撤销 or 吊销, as `state` says."""

    sha256: str
    state: str
    officer: str
    evidence: str | None
    by_case: str = ""


class LicenceExpiring(LicenceEvent, frozen=True, tag="licence.expiring"):
    """The holder is to be reminded that it ends on `valid_until`."""

    valid_until: date


class LicenceLapsed(LicenceEvent, frozen=True, tag="licence.lapsed"):
    """过期: its last valid day is over."""

    sha256: str
    valid_until: date


class AnnualReviewRecorded(LicenceEvent, frozen=True, tag="licence.reviewed"):
    due_on: date
    passed: bool
    officer: str


class AnnualReviewMissed(LicenceEvent, frozen=True, tag="licence.review_overdue"):
    """The day of its annual review passed without one."""

    due_on: date


EVENTS: tuple[type[Event], ...] = (
    LicenceIssued,
    LicenceChanged,
    LicenceRenewed,
    LicenceEnded,
    LicenceExpiring,
    LicenceLapsed,
    AnnualReviewRecorded,
    AnnualReviewMissed,
)
