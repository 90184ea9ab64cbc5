"""The acts of intake and what they answer, beside those of every case (`casework.acts`)."""

from enum import StrEnum

import msgspec

from casework.acts import CaseView, MaterialGiven
from kernel.acts import Act, Done, View


class PreReviewOutcome(StrEnum):
    PASS = "pass"  # 预审通过
    ORIGINALS = "originals"  # 预审通过，需核对原件
    FAIL = "fail"  # 预审不通过


class BillView(View, frozen=True, tag="bill"):
    """Amounts in cents. `open_lines`: how many amounts are still to be entered."""

    case: str
    number: str
    total_cents: int
    open_lines: int
    settled: bool


class KeepUpload(Act[Done], frozen=True, tag="upload.keep"):
    """The upload door's: a file of these octets has come in and will lie in the store."""

    sha256: str
    size: int
    media_type: str


class CollectUploads(Act[Done], frozen=True, tag="upload.collect"):
    """The clock's: removes up to `limit` files that nobody filed in time."""

    limit: int = 100


class ReviewMaterials(Act[CaseView], frozen=True, tag="case.pre_review"):
    """材料预审, before acceptance and inside the five days, which it does not stop."""

    case: str
    revision: int
    outcome: PreReviewOutcome
    opinion: str


class RecordOriginals(Act[CaseView], frozen=True, tag="case.record_originals"):
    """原件核对: the window compared the originals with what was handed in online."""

    case: str
    revision: int
    matches: bool
    note: str = ""


class CorrectOnSpot(Act[CaseView], frozen=True, tag="case.correct"):
    """当场更正: the applicant mends what can be mended at once; what stays empty stays as it was.

    `corrected` says in words what was mended; `materials` are added to those handed in.
    """

    case: str
    revision: int
    corrected: tuple[str, ...]
    applicant_name: str = ""
    applicant_id_number: str = ""
    applicant_phone: str = ""
    form: str = ""
    materials: tuple[MaterialGiven, ...] = ()


class HandOverPapers(Act[Done], frozen=True, tag="case.hand_over_papers"):
    """纸质材料交接: everything of the case that lies with the actor's unit leaves for `to_unit`."""

    case: str
    to_unit: str


class ConfirmPapers(Act[Done], frozen=True, tag="case.confirm_papers"):
    """The actor's unit has what was on its way to it."""

    case: str


class WaivePapers(Act[Done], frozen=True, tag="case.waive_papers"):
    """The actor's unit goes on without the papers that did not arrive, and says why."""

    case: str
    reason: str


class EnterFee(Act[BillView], frozen=True, tag="bill.enter"):
    """The amount of a line whose standard is a formula."""

    case: str
    line: int
    amount_cents: int


class ChargeUnlisted(Act[BillView], frozen=True, tag="bill.charge_unlisted"):
    """A charge that is not in the item's approved list: possible, and an irregularity that supervision hears of."""

    case: str
    name: str
    amount_cents: int
    reason: str


class SettleBill(Act[BillView], frozen=True, tag="bill.settle"):
    """The applicant paid the whole bill."""

    case: str


class SecondEntryTally(msgspec.Struct, frozen=True, kw_only=True):
    """How late a unit's second entries were, in working days after the original day of receipt: all of them together,
    and the latest one.
    """

    unit: str
    unit_name: str
    entries: int
    same_day: int
    late_days: int
    most_late_days: int
