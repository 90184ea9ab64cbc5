"""The acts of the licence library and what they answer."""

from datetime import date
from enum import StrEnum

from kernel.acts import Act, Done, SigningRequest, View


class LicenceState(StrEnum):
    """Where a licence stands. Source: Administrative Licensing Law, art. 50 (expiry), 69 (撤销), 70 (注销)."""

    VALID = "valid"  # 有效
    EXPIRED = "expired"  # 过期
    CANCELLED = "cancelled"  # 注销
    REVOKED = "revoked"  # 撤销: granted unlawfully
    WITHDRAWN = "withdrawn"  # 吊销: as a punishment


class LicenceEnding(StrEnum):
    """How an authority ends a licence; each is the state it leads to."""

    CANCEL = "cancelled"
    REVOKE = "revoked"
    WITHDRAW = "withdrawn"


class LicenceChangeKind(StrEnum):
    """What a line of a licence's history says."""

    ISSUED = "issued"  # 颁发
    CHANGED = "changed"  # 变更
    RENEWED = "renewed"  # 延续
    DEEMED_RENEWED = "deemed_renewed"  # 视为准予延续
    EXPIRED = "expired"  # 届满
    CANCELLED = "cancelled"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"


class ReviewState(StrEnum):
    DUE = "due"  # 待年审
    OVERDUE = "overdue"  # 逾期未审
    PASSED = "passed"  # 合格
    FAILED = "failed"  # 不合格


class LicenceView(View, frozen=True, tag="licence"):
    """What a unit may know of a licence. `unit_name` is the authority's own."""

    number: str
    kind: str
    item: str
    unit: str
    unit_name: str
    holder_name: str
    issued_on: date
    valid_from: date
    valid_until: date | None
    state: LicenceState
    revision: int
    sha256: str


class LicencesView(View, frozen=True, tag="licences"):
    licences: tuple[LicenceView, ...]


class LicenceStanding(View, frozen=True, tag="licence_standing"):
    """All that the public may know: the state, and until when."""

    number: str
    kind: str
    state: LicenceState
    valid_until: date | None


class ReviewView(View, frozen=True, tag="annual_review"):
    licence: str
    due_on: date
    state: ReviewState


class LookUpLicences(Act[LicencesView], frozen=True, tag="licence.look_up"):
    """共享查询: a holder's licences, for a case the reader works on and a reason; the read is logged."""

    case: str
    holder_id_number: str
    reason: str
    #: Narrows to one kind; empty: every kind.
    kind: str = ""


class ViewLicence(Act[Done], frozen=True, tag="licence.view"):
    """Logs that an officer of its unit, or supervision, opened a licence with its history."""

    licence: str


class CheckLicence(Act[LicenceStanding], frozen=True, tag="licence.check"):
    """Anybody's: whether a licence stands, by its number and the last four characters of its holder's id number."""

    licence: str
    holder_check: str


class PrepareLicenceChange(Act[SigningRequest], frozen=True, tag="licence.prepare_change"):
    licence: str
    revision: int
    holder_name: str
    holder_id_number: str
    holder_phone: str
    reason: str


class ChangeLicence(Act[LicenceView], frozen=True, tag="licence.change"):
    """变更: corrects who holds it; the signature is the act's proof."""

    licence: str
    revision: int
    holder_name: str
    holder_id_number: str
    holder_phone: str
    reason: str


class PrepareLicenceEnd(Act[SigningRequest], frozen=True, tag="licence.prepare_end"):
    licence: str
    revision: int
    ending: LicenceEnding
    reason: str


class EndLicence(Act[LicenceView], frozen=True, tag="licence.end"):
    """注销、撤销、吊销 with its reason; the signature is the act's proof."""

    licence: str
    revision: int
    ending: LicenceEnding
    reason: str


class RecordAnnualReview(Act[ReviewView], frozen=True, tag="licence.review"):
    """年检、年审: the result of the open review."""

    licence: str
    passed: bool
    opinion: str


class TendLicences(Act[Done], frozen=True, tag="licence.tend"):
    """The clock's: lets lapse what is over, reminds of what ends soon, calls reviews overdue; up to `limit` each."""

    limit: int = 200
