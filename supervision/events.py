"""What supervision saw, ordered and issued. Codes and numbers only: no names, phones or reply codes."""

from datetime import date, datetime
from typing import ClassVar

from kernel.events import Event


class LightTurned(Event, frozen=True, tag="supervision.light"):
    """A case's light turned `colour` (yellow, red) at `at`, while `task` was open at `step`."""

    case: str
    task: int
    colour: str
    at: datetime
    unit: str
    role: str
    step: str
    due_on: date | None = None
    assignee: str | None = None
    of_step: bool = False  # by the step's own limit, not by the case's


class StepOverdue(Event, frozen=True, tag="supervision.step_overdue"):
    """环节超时: a step outran its own limit while its case is still in time."""

    case: str
    task: int
    unit: str
    role: str
    step: str
    due_on: date | None
    assignee: str | None = None


class OrderIssued(Event, frozen=True, tag="supervision.order"):
    """督办单 `number`: finish and explain by `limit_on`."""

    case: str
    number: str
    unit: str
    limit_on: date


class IrregularityFound(Event, frozen=True, tag="supervision.finding"):
    """`kind`: silence (nobody spoke in five working days), late_entry, unlisted_fee."""

    case: str
    unit: str
    kind: str


class TextUndelivered(Event, frozen=True, tag="supervision.text_undelivered"):
    """A text that had to reach somebody did not: `template` of T03, T05 …, `officer` whom, if the number is known."""

    case: str
    unit: str
    message: int
    template: str
    state: str  # failed, dead, expired; unreported: nobody knows
    officer: str | None = None


class CardProposed(Event, frozen=True, tag="card.proposed"):
    about: ClassVar[str] = "card"
    card: str
    case: str
    unit: str
    colour: str
    ground: str
    officer: str | None = None


class CardConfirmed(Event, frozen=True, tag="card.confirmed"):
    """The card has effect from now on."""

    about: ClassVar[str] = "card"
    card: str
    number: str
    case: str
    unit: str
    officer: str
    evidence: str


class CardRejected(Event, frozen=True, tag="card.rejected"):
    about: ClassVar[str] = "card"
    card: str
    case: str
    unit: str
    officer: str
    evidence: str


class CardServed(Event, frozen=True, tag="card.served"):
    """The card's paper is before the unit, whose leaders `officers` are asked for a receipt."""

    about: ClassVar[str] = "card"
    card: str
    number: str
    case: str
    unit: str
    officers: tuple[str, ...]


class CardAcknowledged(Event, frozen=True, tag="card.acknowledged"):
    about: ClassVar[str] = "card"
    card: str
    number: str
    unit: str
    officer: str
    evidence: str


class CardReminded(Event, frozen=True, tag="card.reminded"):
    """Nobody answered: `officers` may and shall. `escalated`: the reminder was not answered either, those above are
    among them."""

    about: ClassVar[str] = "card"
    card: str
    case: str
    unit: str
    escalated: bool
    officers: tuple[str, ...] = ()


class CardReplyRefused(Event, frozen=True, tag="card.reply_refused"):
    """A text asked for something it could not have. `phone` is masked, `why` the refusal's code."""

    about: ClassVar[str] = "phone"
    phone: str
    why: str
    card: str = ""
    evidence: str = ""
    unit: str = ""


class ReportedLightTurned(Event, frozen=True, tag="report.light"):
    """The limit of a case in a department's own system is about to end (`yellow`) or is over (`red`).

    `report`: the case's number in the system `source`.
    """

    about: ClassVar[str] = "report"
    report: str
    source: str
    unit: str
    colour: str
    at: datetime
    due_on: date


class ReportMissing(Event, frozen=True, tag="report.missing"):
    """The system `report` sent nothing for `day` by the hour at which it was due."""

    about: ClassVar[str] = "report"
    report: str
    unit: str
    day: date


class ReportDrifted(Event, frozen=True, tag="report.drifted"):
    """Batch `batch`: at `places` (organisation, table, day) the system holds something else than it sent us."""

    about: ClassVar[str] = "report"
    report: str
    unit: str
    batch: str
    day: date
    places: int


class ReportSuspect(Event, frozen=True, tag="report.suspect"):
    """`rows` of batch `batch` bear marks of supervision; `codes` says which."""

    about: ClassVar[str] = "report"
    report: str
    unit: str
    batch: str
    rows: int
    codes: tuple[str, ...]


class UseExempted(Event, frozen=True, tag="unit.exempted"):
    """A unit need not use the unified system until `until`, by consent `document` of the provincial office."""

    about: ClassVar[str] = "unit"
    unit: str
    document: str
    until: date


class ComplaintFiled(Event, frozen=True, tag="complaint.filed"):
    """`kind`: what it is about. Who complained, of whom and what they said stay in the row."""

    about: ClassVar[str] = "complaint"
    complaint: str
    kind: str
    named: bool
    decide_by: date


class ComplaintAccepted(Event, frozen=True, tag="complaint.accepted"):
    about: ClassVar[str] = "complaint"
    complaint: str
    officer: str


class ComplaintRefused(Event, frozen=True, tag="complaint.refused"):
    about: ClassVar[str] = "complaint"
    complaint: str
    officer: str


EVENTS = (
    ComplaintFiled,
    ComplaintAccepted,
    ComplaintRefused,
    LightTurned,
    StepOverdue,
    OrderIssued,
    IrregularityFound,
    TextUndelivered,
    CardProposed,
    CardConfirmed,
    CardRejected,
    CardServed,
    CardAcknowledged,
    CardReminded,
    CardReplyRefused,
    ReportedLightTurned,
    ReportMissing,
    ReportDrifted,
    ReportSuspect,
    UseExempted,
)
