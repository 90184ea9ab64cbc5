"""A case's clock: its ledger in the database, and the due dates and lights that follow from it.

Source: Administrative Licensing Law, art. 42 (extension), 45 (time not counted). The dates in the case's row are a
projection of the ledger, made here and nowhere else.
"""

from datetime import date

import msgspec

from casework.acts import CaseView, ExtendClock, ResumeClock, Status, StopClock
from casework.clock.ledger import GROUND_NAMES, Approver, Entry, Extended, Ledger, Resumed, Stopped, append, replay
from casework.clock.time_limits import Dues, Limits, dues_on, extend
from casework.clock.working_days import Calendar, day_of
from casework.events import ClockExtended, ClockResumed, ClockStopped
from casework.files import find, swap, view
from casework.flow.tasks import relight
from casework.papers.documents import DocumentKind, issue
from casework.refusals import ClockNotRunning, ReasonMissing, StoppageTooLate, StoppageTooLong
from casework.rules import CaseworkRules
from casework.tables import Case, ClockEntry, Task
from kernel.work import Work

_entry = msgspec.json.Decoder(Entry)


async def ledger_of(case: Case) -> Ledger:
    """The case's ledger. Raises CLOCK_NOT_STARTED before acceptance."""
    rows = await ClockEntry.filter(case_id=case.id).order_by("seq").values_list("entry", flat=True)
    return replay([_entry.decode(str(row)) for row in rows])


async def write(work: Work, case: Case, entry: Entry) -> None:
    """Adds one line to the ledger; the caller has checked that it is lawful."""
    seq = await ClockEntry.filter(case_id=case.id).count() + 1
    await ClockEntry.create(
        case_id=case.id,
        seq=seq,
        entry=msgspec.json.encode(entry).decode(),
        actor=f"{work.actor.kind}:{work.actor.id}",
        at=work.now,
    )


def dues(work: Work, case: Case, ledger: Ledger) -> Dues:
    return dues_on(ledger, Limits(case.statutory_days, case.committed_days), work.given(Calendar))


async def stop_clock(work: Work, act: StopClock) -> CaseView:
    """特殊程序: begins a stoppage with its written notice. Raises STOPPAGE_UNNOTIFIED, CLOCK_NOT_RUNNING …"""
    case, ledger = await _running(act.case)
    today = day_of(work.now)
    _check_stop(work, case, act, today)
    calendar = work.given(Calendar)
    told_until = calendar.nth_working_day_after(today, act.told_days) if act.told_days >= 1 else today
    notice = await issue(
        work,
        case,
        DocumentKind.SPECIAL_PROCEDURE,
        lines=(
            ("特殊程序", GROUND_NAMES[act.ground]),
            ("所需时间", f"约{act.told_days}个工作日，预计至{told_until.isoformat()}"),
            ("说明", act.reason),
            ("告知", "上述时间依据《中华人民共和国行政许可法》第四十五条不计算在办理期限内。"),
        ),
    )
    entry = Stopped(day=today, ground=act.ground, notice=notice.number, told_until=told_until)
    due = await _move_clock(work, case, append(ledger, entry), entry, act.revision)
    work.record(
        ClockStopped(
            case=case.number,
            ground=act.ground,
            document=notice.number,
            told_days=act.told_days,
            committed_due=due,
        )
    )
    return await view(case)


def _check_stop(work: Work, case: Case, act: StopClock, today: date) -> None:
    longest = work.given(CaseworkRules).longest_stop_days
    if not act.reason.strip():
        raise ReasonMissing()
    if act.told_days > longest:
        raise StoppageTooLong(most=longest, asked=act.told_days)
    if case.committed_due is not None and today > case.committed_due:
        raise StoppageTooLate(due=case.committed_due.isoformat())


async def resume_clock(work: Work, act: ResumeClock) -> CaseView:
    """The result of the open procedure is in; the days until today stay excluded."""
    case, ledger = await _running(act.case)
    open_stops = [stop for stop in ledger.stoppages if stop.notice not in ledger.resumptions]
    notice = open_stops[-1].notice if open_stops else ""
    entry = Resumed(day=day_of(work.now), notice=notice)
    due = await _move_clock(work, case, append(ledger, entry), entry, act.revision)
    work.record(ClockResumed(case=case.number, ground=open_stops[-1].ground, committed_due=due))
    return await view(case)


async def extend_clock(work: Work, act: ExtendClock) -> CaseView:
    """延长: once, at most ten working days, by the head of the authority, told to the applicant (art. 42)."""
    case, ledger = await _running(act.case)
    today = day_of(work.now)
    extended = Extended(
        day=today, working_days=act.days, approver=Approver.HEAD_OF_AUTHORITY, reason=act.reason, notice="pending"
    )
    longer = extend(ledger, extended, case.committed_days, work.given(Calendar))
    notice = await issue(
        work,
        case,
        DocumentKind.EXTENSION,
        lines=(
            ("延长期限", f"{act.days}个工作日"),
            ("延长后的办结期限", dues(work, case, longer).committed.day.isoformat()),
            ("理由", act.reason),
        ),
    )
    entry = msgspec.structs.replace(extended, notice=notice.number)
    due = await _move_clock(work, case, append(ledger, entry), entry, act.revision)
    work.record(
        ClockExtended(case=case.number, days=act.days, reason=act.reason, document=notice.number, committed_due=due)
    )
    return await view(case)


async def _running(number: str) -> tuple[Case, Ledger]:
    case = await find(number)
    if case.status != Status.IN_APPROVAL:
        raise ClockNotRunning(case=number)
    return case, await ledger_of(case)


async def _move_clock(work: Work, case: Case, ledger: Ledger, entry: Entry, revision: int) -> date:
    await write(work, case, entry)
    moved = dues(work, case, ledger)
    await swap(
        case,
        revision,
        statutory_due=moved.statutory.day,
        committed_due=moved.committed.day,
        due_provisional=moved.committed.provisional,
    )
    task = await Task.get(case_id=case.id, closed_at=None)
    await relight(work, task, moved.committed.day, yellow_before=case.yellow_before_days)
    return moved.committed.day
