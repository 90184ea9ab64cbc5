"""What happens in intake, beside what happens to every case (`casework.events`). Names and amounts of people stay in
rows."""

from datetime import date

from kernel.events import Event


class MaterialsReviewed(Event, frozen=True, tag="case.pre_reviewed"):
    case: str
    outcome: str
    officer: str


class OriginalsAsked(Event, frozen=True, tag="case.originals_asked"):
    """The applicant was told by the notice `document` to bring the originals to `window`."""

    case: str
    document: str
    window: str
    officer: str


class OriginalsChecked(Event, frozen=True, tag="case.originals_checked"):
    case: str
    matches: bool
    officer: str


class CorrectedOnSpot(Event, frozen=True, tag="case.corrected"):
    """`fields`: which entries changed; `corrected`: how many mistakes the window wrote down."""

    case: str
    fields: tuple[str, ...]
    corrected: int
    officer: str


class PapersHandedOver(Event, frozen=True, tag="case.papers_handed_over"):
    """`from_unit` is empty when the applicant brings the papers."""

    case: str
    materials: tuple[str, ...]
    from_unit: str
    to_unit: str


class PapersReceived(Event, frozen=True, tag="case.papers_received"):
    case: str
    materials: tuple[str, ...]
    unit: str
    officer: str


class PapersWaived(Event, frozen=True, tag="case.papers_waived"):
    case: str
    materials: tuple[str, ...]
    unit: str
    officer: str
    reason: str


class SecondEntryMade(Event, frozen=True, tag="case.second_entry"):
    """Typed in again `late_working_days` after it was received elsewhere."""

    case: str
    unit: str
    source: str
    officer: str
    received_on: date
    late_working_days: int


class BillIssued(Event, frozen=True, tag="case.bill_issued"):
    case: str
    bill: str
    lines: int


class FeeEntered(Event, frozen=True, tag="case.fee_entered"):
    case: str
    bill: str
    line: int
    amount_cents: int
    officer: str


class UnlistedFeeCharged(Event, frozen=True, tag="case.unlisted_fee"):
    """A charge outside the approved list."""

    case: str
    unit: str
    bill: str
    line: int
    amount_cents: int
    officer: str


class BillSettled(Event, frozen=True, tag="case.bill_settled"):
    case: str
    bill: str
    total_cents: int
    officer: str


EVENTS: tuple[type[Event], ...] = (
    MaterialsReviewed,
    OriginalsAsked,
    OriginalsChecked,
    CorrectedOnSpot,
    PapersHandedOver,
    PapersReceived,
    PapersWaived,
    SecondEntryMade,
    BillIssued,
    FeeEntered,
    UnlistedFeeCharged,
    BillSettled,
)
