"""What supervision writes down by itself when it hears of an event: nobody types anything in.

Three sorts. An irregularity is a breach of procedure and is announced as such. The matters of key monitoring (重点监察)
are lawful, and looked at all the same: refusals to accept, refusals to grant, demands for corrections. That a grave
text reached nobody, that an applicant was not content, that a phone tries codes, are facts to act upon, and nobody's
breach.

Source: Administrative Licensing Law, art. 32(1)(4): who does not tell in five working days has accepted; that the law
had to speak for the office is itself a finding. The whole course of a case needs no copy: `queries.course_of` reads
it from the log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from casework.clock.events import HearingLightTurned, RenewalDeemed, StoppageOverran
from casework.events import (
    AcceptanceRefused,
    BypassTried,
    CaseAccepted,
    CaseDecided,
    CaseFiled,
    CaseRated,
    SupplementAsked,
)
from casework.intake.events import UnlistedFeeCharged
from casework.tables import Case
from kernel.events import Event, Recorded
from kernel.outbox import Consumer
from kernel.work import Work
from supervision.events import (
    CardReplyRefused,
    IrregularityFound,
    ReportDrifted,
    ReportedLightTurned,
    ReportMissing,
    ReportSuspect,
    StepOverdue,
    TextUndelivered,
)
from supervision.refusals import TextTriesExhausted
from supervision.tables import Finding


class FindingKind(StrEnum):
    SILENCE = "silence"  # 逾期未告知，视为受理
    LATE_ENTRY = "late_entry"  # 未当天录入
    UNLISTED_FEE = "unlisted_fee"  # 清单外收费
    NOT_ACCEPTED = "not_accepted"  # 不予受理
    NOT_GRANTED = "not_granted"  # 不予许可
    SUPPLEMENT = "supplement"  # 补交材料
    STEP_OVERDUE = "step_overdue"  # 环节超时
    STOPPAGE_OVERRAN = "stoppage_overran"  # 特殊程序超出告知时间
    HEARING_LATE = "hearing_late"  # 未按期通知或举行听证
    RENEWAL_SILENCE = "renewal_silence"  # 逾期未决定，视为准予延续
    BYPASS = "bypass"  # 绕过系统办理
    TEXT_UNDELIVERED = "text_undelivered"  # 重要短信未送达
    LOW_RATING = "low_rating"  # 差评
    TEXT_TRIES = "text_tries"  # 短信回复码多次输错
    REPORTED_OVERDUE = "reported_overdue"  # 自建系统办件超期
    REPORT_MISSING = "report_missing"  # 未按日报送数据
    REPORT_DRIFTED = "report_drifted"  # 报送数据对账不符
    REPORT_SUSPECT = "report_suspect"  # 报送数据异常


#: 重点监察: lawful, and watched.
KEY_MATTERS = frozenset({FindingKind.NOT_ACCEPTED, FindingKind.NOT_GRANTED, FindingKind.SUPPLEMENT})
#: What is nobody's breach of procedure.
NO_BREACH = KEY_MATTERS | {
    FindingKind.TEXT_UNDELIVERED,
    FindingKind.LOW_RATING,
    FindingKind.TEXT_TRIES,
    # Of other systems: their cases are not in our log, so nothing is announced about one.
    FindingKind.REPORTED_OVERDUE,
    FindingKind.REPORT_MISSING,
    FindingKind.REPORT_DRIFTED,
    FindingKind.REPORT_SUSPECT,
}
#: As long as the code of a unit may be.
_UNIT = 16
#: A rating of so much or less is a low one (不满意、非常不满意).
LOW_RATING = 2


@dataclass(frozen=True)
class Watched:
    """One row: an event, what it is a finding of, and when it is one."""

    event: type[Event]
    kind: FindingKind
    when: Callable[[Any], bool] = lambda event: True  # of the row's own event


WATCHED: tuple[Watched, ...] = (
    Watched(CaseAccepted, FindingKind.SILENCE, lambda event: event.deemed),
    Watched(CaseFiled, FindingKind.LATE_ENTRY, lambda event: event.late_entry),
    Watched(UnlistedFeeCharged, FindingKind.UNLISTED_FEE),
    Watched(AcceptanceRefused, FindingKind.NOT_ACCEPTED),
    Watched(CaseDecided, FindingKind.NOT_GRANTED, lambda event: event.outcome == "refused"),
    Watched(SupplementAsked, FindingKind.SUPPLEMENT),
    Watched(StepOverdue, FindingKind.STEP_OVERDUE),
    Watched(StoppageOverran, FindingKind.STOPPAGE_OVERRAN),
    Watched(HearingLightTurned, FindingKind.HEARING_LATE, lambda event: event.colour == "red"),
    Watched(RenewalDeemed, FindingKind.RENEWAL_SILENCE),
    Watched(BypassTried, FindingKind.BYPASS),
    Watched(TextUndelivered, FindingKind.TEXT_UNDELIVERED),
    Watched(CaseRated, FindingKind.LOW_RATING, lambda event: event.score <= LOW_RATING),
    Watched(ReportedLightTurned, FindingKind.REPORTED_OVERDUE, lambda event: event.colour == "red"),
    Watched(ReportMissing, FindingKind.REPORT_MISSING),
    Watched(ReportDrifted, FindingKind.REPORT_DRIFTED),
    Watched(ReportSuspect, FindingKind.REPORT_SUSPECT),
    Watched(CardReplyRefused, FindingKind.TEXT_TRIES, lambda event: event.why == TextTriesExhausted.code),
)


async def note(work: Work, recorded: Recorded) -> None:
    event = recorded.event
    for row in WATCHED:
        if isinstance(event, row.event) and row.when(event):
            await _note(work, recorded, row.kind)


async def _note(work: Work, recorded: Recorded, kind: FindingKind) -> None:
    about, _, number = recorded.subject.partition(":")
    unit = str(getattr(recorded.event, "unit", ""))
    if about == "phone":
        number = ""  # it stands in the event, masked
    elif not unit:
        unit = (await Case.get(number=number)).unit_code
    await Finding.create(
        event_id=recorded.id,
        case_number=number,
        unit_code=unit[:_UNIT],  # of another system's rows it may be a credit code
        kind=kind,
        at=recorded.at,
    )
    if kind not in NO_BREACH:
        work.record(IrregularityFound(case=number, unit=unit, kind=kind))


def consumer() -> Consumer:
    return Consumer(name="supervision", wants=tuple({row.event for row in WATCHED}), handle=note)
