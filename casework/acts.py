"""The acts of casework and what they answer."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

from casework.clock.ledger import StopGround
from kernel.acts import Act, Done, SigningRequest, View


class Status(StrEnum):
    """Where a case stands."""

    RECEIVED = "received"  # 已接件，待受理
    AWAITING_SUPPLEMENT = "awaiting_supplement"  # 待补正
    NOT_ACCEPTED = "not_accepted"  # 不予受理
    IN_APPROVAL = "in_approval"  # 审批中
    GRANTED = "granted"  # 准予许可，待送达
    REFUSED = "refused"  # 不予许可，待送达
    DELIVERED = "delivered"  # 已送达，归档
    WITHDRAWN = "withdrawn"  # 申请人撤回
    FOREIGN_OPEN = "foreign_open"  # 自建系统办理中
    FOREIGN_ENDED = "foreign_ended"  # 自建系统已办结


class Decision(StrEnum):
    """What an officer may decide at a step."""

    ACCEPT = "accept"  # 受理
    ASK_SUPPLEMENT = "ask_supplement"  # 一次性告知补正
    REFUSE_ACCEPTANCE = "refuse_acceptance"  # 不予受理
    NOT_NEEDED = "not_needed"  # 依法不需要取得许可
    NOT_OURS = "not_ours"  # 不属于本机关职权范围
    AGREE = "agree"  # 同意，报送上一级
    REPORT_UP = "report_up"  # 初审完毕，上报上级机关
    CONCUR = "concur"  # 并联会办：同意
    DISSENT = "dissent"  # 并联会办：不同意
    RETURN = "return"  # 退回
    GRANT = "grant"  # 准予许可
    REFUSE = "refuse"  # 不予许可
    COMPLETE = "complete"  # 办结
    DELIVER = "deliver"  # 送达


class Channel(StrEnum):
    ONLINE = "online"  # 网上申报
    WINDOW = "window"  # 窗口受理
    SELF_BUILT = "self_built"  # 自建系统
    SECOND_ENTRY = "second_entry"  # 二次录入


class MaterialGiven(msgspec.Struct, frozen=True, kw_only=True):
    """A material handed in: on paper (no digest) or as an uploaded file."""

    name: str
    file_name: str = ""
    media_type: str = ""
    sha256: str = ""
    size: int = 0


class CaseView(View, frozen=True, tag="case"):
    number: str
    status: Status
    revision: int
    step: str | None
    committed_due: date | None = None
    statutory_due: date | None = None


class FiledView(View, frozen=True, tag="filed"):
    """Without the query password, because views are remembered: see `casework.intake.query_passwords`."""

    number: str
    receipt: str
    told_by: date
    revision: int
    #: Required materials that were neither handed in nor found in the library of licences.
    missing: tuple[str, ...] = ()
    #: Materials that need not be handed in, because the library holds the licence.
    reused: tuple[str, ...] = ()


class ItemView(View, frozen=True, tag="item"):
    code: str
    version: int
    state: str


class FillCalendar(Act[Done], frozen=True, tag="calendar.fill"):
    """Gives a new installation the built-in years. Does nothing to a calendar that has days."""


class CheckCalendar(Act[Done], frozen=True, tag="calendar.check"):
    """The clock's: says, once a year, that the coming year's official arrangement is missing."""


class PublishItem(Act[ItemView], frozen=True, tag="item.publish"):
    """The operator's: publishes a definition (JSON) as the item's next version."""

    definition: bytes


class FileApplication(Act[FiledView], frozen=True, tag="case.file"):
    """申报. `received_on` is for the window, which may enter what was handed in earlier; online it is today.

    SECOND_ENTRY (二次录入) names the system in which the case began (`source`) and its original day (`received_on`).
    """

    item: str
    stage: str
    applicant_name: str
    applicant_id_number: str
    applicant_phone: str
    channel: Channel
    materials: tuple[MaterialGiven, ...] = ()
    received_on: date | None = None
    agent_name: str = ""
    agent_id_number: str = ""
    agent_phone: str = ""
    #: Answers to the stage's form, as JSON; checked against its JSON Schema.
    form: str = ""
    #: The licence to renew, change or cancel.
    licence_number: str = ""
    #: The hall, branch or centre where the applicant wants to be served; empty: the window's own, online the hall.
    window: str = ""
    source: str = ""


class PrepareDecision(Act[SigningRequest], frozen=True, tag="case.prepare"):
    """Asks for the exact bytes to sign for the same decision."""

    case: str
    revision: int
    step: str
    decision: Decision
    opinion: str
    #: ASK_SUPPLEMENT: everything that is missing, told once. NOT_OURS: the authority that is competent.
    #: DELIVER: how it was delivered. GRANT: how each dissent of a co-unit was dealt with.
    items: tuple[str, ...] = ()
    #: RETURN: the earlier level it goes back to, where the item allows more than one step; empty: the one before.
    return_to: str = ""


class Decide(Act[CaseView], frozen=True, tag="case.decide"):
    """An officer's signed opinion at the case's open step; the signature is the act's proof."""

    case: str
    revision: int
    step: str
    decision: Decision
    opinion: str
    items: tuple[str, ...] = ()
    return_to: str = ""


class ReceiveSupplement(Act[CaseView], frozen=True, tag="case.receive_supplement"):
    """Materials arrived after a supplement notice. `complete`: the window finds nothing missing any more."""

    case: str
    revision: int
    materials: tuple[MaterialGiven, ...]
    complete: bool


class DeemAccepted(Act[Done], frozen=True, tag="case.deem_accepted"):
    """The clock's: accepts, as of receipt, up to `limit` cases about which nobody spoke in time."""

    limit: int = 200


class StopClock(Act[CaseView], frozen=True, tag="case.stop_clock"):
    """Begins an art. 45 procedure; a written notice with the days needed goes to the applicant."""

    case: str
    revision: int
    ground: StopGround
    told_days: int
    reason: str


class ResumeClock(Act[CaseView], frozen=True, tag="case.resume_clock"):
    """The procedure's result is in."""

    case: str
    revision: int


class ExtendClock(Act[CaseView], frozen=True, tag="case.extend_clock"):
    """Once, at most ten working days, by the head of the authority. Source: Administrative Licensing Law, art. 42."""

    case: str
    revision: int
    days: int
    reason: str


class Withdraw(Act[CaseView], frozen=True, tag="case.withdraw"):
    """The applicant withdraws, by the phone it was filed from; every clock ends."""

    case: str
    password: str


class ViewCase(Act[Done], frozen=True, tag="case.view"):
    """Logs that the actor looked at the case, after asking whether they may."""

    case: str
    what: str = "case"


class ForeignStep(msgspec.Struct, frozen=True, kw_only=True):
    activity: str
    officer: str
    at: datetime


class ImportForeignCases(Act[Done], frozen=True, tag="case.import"):
    """Cases of a department's own system; deadline instants are that system's facts and are kept."""

    source: str
    cases: tuple["ForeignCaseRow", ...]


class ForeignCaseRow(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    unit: str
    item_name: str
    channel: str
    responsible: str
    started_at: datetime
    deadline: datetime
    #: The item's code in this catalogue, where the source knows it.
    item_code: str = ""


class ReportForeignSteps(Act[Done], frozen=True, tag="case.report_steps"):
    case: str
    steps: tuple[ForeignStep, ...] = ()
    ended_at: datetime | None = None
