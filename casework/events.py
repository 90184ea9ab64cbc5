"""What happens to a case, an item and the calendar. Codes and numbers: names, phones and passwords stay in rows."""

from datetime import date
from typing import ClassVar

from kernel.events import Event


class ItemPublished(Event, frozen=True, tag="item.published"):
    about: ClassVar[str] = "item"
    item: str
    version: int
    definition_sha256: str
    change: str = ""


class ItemWithdrawn(Event, frozen=True, tag="item.retired"):
    """The item left the catalogue for good."""

    about: ClassVar[str] = "item"
    item: str
    version: int
    change: str = ""


class CaseFiled(Event, frozen=True, tag="case.filed"):
    """Materials arrived; 《接件凭证》 `receipt` was issued. `late_entry`: entered on a later day than received."""

    case: str
    item: str
    unit: str
    channel: str
    receipt: str
    received_on: date
    late_entry: bool = False


class SupplementAsked(Event, frozen=True, tag="case.supplement_asked"):
    case: str
    missing: tuple[str, ...]
    document: str
    officer: str


class SupplementReceived(Event, frozen=True, tag="case.supplement_received"):
    case: str
    materials: tuple[str, ...]
    complete: bool


class CaseAccepted(Event, frozen=True, tag="case.accepted"):
    """受理. `deemed`: nobody spoke in five working days, so the law accepted it as of receipt."""

    case: str
    unit: str
    accepted_on: date
    statutory_due: date
    committed_due: date
    committed_days: int
    deemed: bool = False
    document: str = ""


class AcceptanceRefused(Event, frozen=True, tag="case.acceptance_refused"):
    """`ground`: refuse_acceptance, not_needed or not_ours; of the last the competent `authority`."""

    case: str
    unit: str
    document: str
    officer: str
    ground: str = "refuse_acceptance"
    authority: str = ""


class TaskOpened(Event, frozen=True, tag="case.task_opened"):
    """Somebody's turn: any active holder of `role` in `unit`, or only `assignee`."""

    case: str
    task: int
    step: str
    role: str
    unit: str
    assignee: str | None = None


class CaseAdvanced(Event, frozen=True, tag="case.advanced"):
    """A level agreed and the case moved on."""

    case: str
    step: str
    decision: str
    officer: str
    evidence: str | None
    next_step: str


class CaseReturned(Event, frozen=True, tag="case.returned"):
    """退回: one level back; the clock keeps running."""

    case: str
    step: str
    officer: str
    evidence: str | None
    next_step: str


class CaseDecided(Event, frozen=True, tag="case.decided"):
    """The last level decided: `outcome` is granted or refused, `document` the written decision."""

    case: str
    unit: str
    step: str
    outcome: str
    officer: str
    evidence: str | None
    document: str


class CaseCompleted(Event, frozen=True, tag="case.completed"):
    """办结."""

    case: str
    unit: str
    outcome: str
    officer: str
    evidence: str | None


class CaseDelivered(Event, frozen=True, tag="case.delivered"):
    """送达, with the receipt's number."""

    case: str
    officer: str
    evidence: str | None
    document: str


class CaseRated(Event, frozen=True, tag="case.rated"):
    """Whoever applied was asked how content they are: `score` from 1 to 5. `evidence`: of a text, else empty."""

    case: str
    unit: str
    score: int
    evidence: str = ""


class CaseWithdrawn(Event, frozen=True, tag="case.withdrawn"):
    case: str


class ClockStopped(Event, frozen=True, tag="case.clock_stopped"):
    """An art. 45 procedure began; its days do not count."""

    case: str
    ground: str
    document: str
    told_days: int
    committed_due: date


class ClockResumed(Event, frozen=True, tag="case.clock_resumed"):
    case: str
    ground: str
    committed_due: date


class ClockExtended(Event, frozen=True, tag="case.clock_extended"):
    case: str
    days: int
    reason: str
    document: str
    committed_due: date
    officer: str = ""
    evidence: str | None = None


class ForeignCaseImported(Event, frozen=True, tag="case.imported"):
    """A case of a department's own system, with that system's deadline as a fact."""

    case: str
    unit: str
    received_on: date
    source: str


class BypassTried(Event, frozen=True, tag="case.bypass_tried"):
    """`source` reported case `case` of an item that is handled here (任何部门不得绕过该系统平台). Nothing was taken."""

    case: str
    unit: str
    item: str
    source: str


class ForeignStepReported(Event, frozen=True, tag="case.foreign_step"):
    case: str
    activity: str
    officer: str


class ForeignCaseEnded(Event, frozen=True, tag="case.foreign_end"):
    case: str


class CalendarProvisional(Event, frozen=True, tag="calendar.provisional"):
    """For the year `calendar` the State Council's arrangement of holidays is missing: its days are reckoned."""

    about: ClassVar[str] = "calendar"
    calendar: str


EVENTS = (
    CalendarProvisional,
    ItemPublished,
    ItemWithdrawn,
    CaseFiled,
    SupplementAsked,
    SupplementReceived,
    CaseAccepted,
    AcceptanceRefused,
    TaskOpened,
    CaseAdvanced,
    CaseReturned,
    CaseDecided,
    CaseCompleted,
    CaseDelivered,
    CaseRated,
    CaseWithdrawn,
    ClockStopped,
    ClockResumed,
    ClockExtended,
    ForeignCaseImported,
    BypassTried,
    ForeignStepReported,
    ForeignCaseEnded,
)
