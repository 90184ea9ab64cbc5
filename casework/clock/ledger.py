"""The ledger of one legal clock: what happened, and which entries are lawful.

Law: Administrative Licensing Law (行政许可法) art. 42 and 45. The ledger holds the start, the written notices of
special procedures, the extension and the end; `time_limits` derives every date from it. Nothing is ever added to a
due date.

Conventions. A special procedure excludes (S, E]: S is the day of its written notice, E the day its result is in,
at most the last day the notice told the applicant (art. 45 wants the needed time told in writing, so what was not
told is not excluded; a further notice excludes further). Several procedures exclude the union of their days.
Waiting for corrections is before acceptance and never in this ledger.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple

import msgspec

from kernel.refusals import Refusal


class StopGround(StrEnum):
    """The eight special procedures whose time is not counted (art. 45)."""

    HEARING = "hearing"
    TENDER = "tender"
    AUCTION = "auction"
    INSPECTION = "inspection"
    TESTING = "testing"
    QUARANTINE = "quarantine"
    APPRAISAL = "appraisal"
    EXPERT_REVIEW = "expert_review"


GROUND_NAMES = {
    StopGround.HEARING: "听证",
    StopGround.TENDER: "招标",
    StopGround.AUCTION: "拍卖",
    StopGround.INSPECTION: "检验",
    StopGround.TESTING: "检测",
    StopGround.QUARANTINE: "检疫",
    StopGround.APPRAISAL: "鉴定",
    StopGround.EXPERT_REVIEW: "专家评审",
}


class Handling(StrEnum):
    SINGLE = "single"
    JOINT = "joint"  # unified, joint or central (art. 26)


class Approver(StrEnum):
    """Who may approve an extension."""

    HEAD_OF_AUTHORITY = "head_of_authority"
    HEAD_OF_GOVERNMENT = "head_of_government"


APPROVER_NAMES = {
    Approver.HEAD_OF_AUTHORITY: "本行政机关负责人",
    Approver.HEAD_OF_GOVERNMENT: "本级人民政府负责人",
}


class ExtensionRule(NamedTuple):
    most_working_days: int
    approver: Approver


EXTENSIONS = {
    Handling.SINGLE: ExtensionRule(10, Approver.HEAD_OF_AUTHORITY),  # art. 42(1)
    Handling.JOINT: ExtensionRule(15, Approver.HEAD_OF_GOVERNMENT),  # art. 42(2)
}


class EndReason(StrEnum):
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"
    TERMINATED = "terminated"
    DEEMED_RENEWED = "deemed_renewed"  # art. 50: nobody decided before the licence expired


class Started(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="start"):
    """The application was accepted on `day`; a deemed acceptance starts on the day of receipt (art. 32)."""

    day: date
    handling: Handling = Handling.SINGLE


class Stopped(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="stop"):
    """A special procedure began.

    `notice` is the number of the written notice given on `day`; `told_until` the last day of the time it tells.
    """

    day: date
    ground: StopGround
    notice: str
    told_until: date


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="resume"):
    """The result of the procedure under `notice` was in on `day`, itself still excluded."""

    day: date
    notice: str


class Extended(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="extend"):
    """`approver` allowed `working_days` more; `reason` was told to the applicant by `notice`."""

    day: date
    working_days: int
    approver: Approver
    reason: str
    notice: str


class Recalculated(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="recalculate"):
    """On `day` the due days were found anew under a changed calendar. A note: no date is derived from it.

    `notice` is the State Council's or the city's; the pairs are the due days before and after.
    """

    day: date
    notice: str
    reason: str
    statutory: tuple[date, date]
    committed: tuple[date, date]


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="end"):
    day: date
    reason: EndReason = EndReason.DECIDED


Entry = Started | Stopped | Resumed | Extended | Recalculated | Ended


class Ledger(msgspec.Struct, frozen=True):
    """The entries in the order they were made. Build it with `replay` or `append`: both refuse unlawful entries."""

    entries: tuple[Entry, ...]

    @property
    def started(self) -> Started:
        first = self.entries[0]
        assert isinstance(first, Started)
        return first

    @property
    def ended(self) -> Ended | None:
        last = self.entries[-1]
        return last if isinstance(last, Ended) else None

    @property
    def extension(self) -> Extended | None:
        return next((entry for entry in self.entries if isinstance(entry, Extended)), None)

    @property
    def stoppages(self) -> tuple[Stopped, ...]:
        return tuple(entry for entry in self.entries if isinstance(entry, Stopped))

    @property
    def resumptions(self) -> dict[str, date]:
        """Notice to the day its result was in."""
        return {entry.notice: entry.day for entry in self.entries if isinstance(entry, Resumed)}

    def is_stopped_on(self, day: date) -> bool:
        """Whether `day` is excluded from the count."""
        return any(after < day <= until for after, until in excluded(self))


def replay(entries: Sequence[Entry]) -> Ledger:
    """The ledger of `entries`, each checked as if it were appended today."""
    if not entries or not isinstance(entries[0], Started):
        raise ClockNotStarted
    ledger = Ledger(tuple(entries[:1]))
    for entry in entries[1:]:
        ledger = append(ledger, entry)
    return ledger


def append(ledger: Ledger, entry: Entry) -> Ledger:
    """The ledger with one more entry. Raises the refusal that names why the entry is unlawful.

    Whether an extension comes in time depends on the calendar: `extend` checks that as well.
    """
    if ledger.ended:
        raise ClockEnded(ended_on=ledger.ended.day.isoformat())
    if entry.day < ledger.started.day:
        raise BeforeTheStart(day=entry.day.isoformat(), started_on=ledger.started.day.isoformat())
    match entry:
        case Started():
            raise ClockNotStarted
        case Stopped():
            _check_stop(ledger, entry)
        case Resumed():
            _check_resumption(ledger, entry)
        case Extended():
            _check_extension(ledger, entry)
        case Recalculated() | Ended():
            pass
    return Ledger((*ledger.entries, entry))


def excluded(ledger: Ledger) -> list[tuple[date, date]]:
    """The union of the special procedures as disjoint half-open intervals (S, E] in order (art. 45)."""
    resumed = ledger.resumptions
    union: list[tuple[date, date]] = []
    for after, until in sorted(
        (stop.day, min(stop.told_until, resumed.get(stop.notice, stop.told_until))) for stop in ledger.stoppages
    ):
        if union and after <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], until))
        else:
            union.append((after, until))
    return union


def overruns(ledger: Ledger, today: date) -> tuple[Stopped, ...]:
    """Special procedures that took longer, or by `today` still take longer, than their notice told."""
    resumed = ledger.resumptions
    return tuple(stop for stop in ledger.stoppages if resumed.get(stop.notice, today) > stop.told_until)


def _check_stop(ledger: Ledger, stop: Stopped) -> None:
    if not stop.notice.strip() or stop.told_until <= stop.day:
        raise StoppageUnnotified(day=stop.day.isoformat())
    if any(earlier.notice == stop.notice for earlier in ledger.stoppages):
        raise NoticeUsed(notice=stop.notice)


def _check_resumption(ledger: Ledger, resumed: Resumed) -> None:
    stop = next((each for each in ledger.stoppages if each.notice == resumed.notice), None)
    if stop is None or resumed.notice in ledger.resumptions:
        raise NotStopped(notice=resumed.notice)
    if resumed.day < stop.day:
        raise ResumedBeforeStop(day=resumed.day.isoformat(), stopped_on=stop.day.isoformat())


def _check_extension(ledger: Ledger, extended: Extended) -> None:
    rule = EXTENSIONS[ledger.started.handling]
    if ledger.extension:
        raise AlreadyExtended
    if not 1 <= extended.working_days <= rule.most_working_days:
        raise ExtensionTooLong(most=rule.most_working_days, asked=extended.working_days)
    if extended.approver is not rule.approver:
        raise ExtensionUnapproved(approver=rule.approver.value, name=APPROVER_NAMES[rule.approver])
    if not extended.reason.strip() or not extended.notice.strip():
        raise ExtensionUnexplained


class ClockNotStarted(Refusal):
    code = "CLOCK_NOT_STARTED"
    zh = "时限须自受理之日起算，台账第一条应为受理。"
    en = "A clock begins with its start, once and before anything else."


class ClockEnded(Refusal):
    code = "CLOCK_ENDED"
    zh = "时限已于{ended_on}终止计算，不能再变更。"
    en = "The clock ended on {ended_on}."


class BeforeTheStart(Refusal):
    code = "BEFORE_CLOCK_START"
    zh = "日期{day}早于受理日{started_on}。"
    en = "{day} is before the clock started on {started_on}."


class StoppageUnnotified(Refusal):
    code = "STOPPAGE_UNNOTIFIED"
    zh = "特殊程序须有书面告知文书，并写明所需时间，方可不计入时限（行政许可法第四十五条）。"
    en = "A special procedure needs a written notice that tells the time needed, ending after {day}."


class NoticeUsed(Refusal):
    code = "NOTICE_USED"
    zh = "告知书{notice}已使用，再次停止计时须另行书面告知。"
    en = "Notice {notice} already stopped this clock; another stoppage needs another notice."


class NotStopped(Refusal):
    code = "NOT_STOPPED"
    zh = "告知书{notice}没有正在进行的特殊程序。"
    en = "No stoppage is open under notice {notice}."


class ResumedBeforeStop(Refusal):
    code = "RESUMED_BEFORE_STOP"
    zh = "恢复计时日{day}早于停止计时日{stopped_on}。"
    en = "The result of {day} is before the notice of {stopped_on}."


class AlreadyExtended(Refusal):
    code = "ALREADY_EXTENDED"
    zh = "该件已延长过一次，依法不得再次延长（行政许可法第四十二条）。"
    en = "A limit may be extended once."


class ExtensionTooLong(Refusal):
    code = "EXTENSION_TOO_LONG"
    zh = "延长不得超过{most}个工作日，且至少一日，申请延长{asked}日。"
    en = "An extension is 1 to {most} working days, not {asked}."


class ExtensionUnapproved(Refusal):
    code = "EXTENSION_UNAPPROVED"
    zh = "延长办理期限须经{name}批准。"
    en = "The extension needs the approval of the {approver}."


class ExtensionUnexplained(Refusal):
    code = "EXTENSION_UNEXPLAINED"
    zh = "延长办理期限须将理由书面告知申请人。"
    en = "The reason of the extension must be told to the applicant by a notice."
