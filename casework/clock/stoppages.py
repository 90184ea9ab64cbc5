"""特殊程序: time that the law does not count, and that nobody may use to stop a clock for good.

Source: Administrative Licensing Law, art. 45: the time needed is told to the applicant in writing, and only what was
told is excluded. When the result is late the clock runs again by itself (the told end binds, see the decision 0010);
the overrun is noted, those responsible are told, and only a further written notice stops the clock further.
"""

import logging
from datetime import date
from functools import partial

from casework.acts import CaseView, ResumeClock, Status, StopClock
from casework.clock.acts import NoteOverruns, TellLonger
from casework.clock.clocks import move_clock, running
from casework.clock.events import StoppageOverran, StoppageToldLonger
from casework.clock.ledger import GROUND_NAMES, Ledger, Resumed, StopGround, StoppageUnnotified, Stopped, append
from casework.clock.refusals import NothingStopped
from casework.clock.tables import Stoppage
from casework.clock.working_days import Calendar, day_of, end_of_day
from casework.events import ClockResumed, ClockStopped
from casework.files import unit_in_charge, view
from casework.papers.documents import DocumentKind, issue
from casework.refusals import ReasonMissing, StoppageTooLate, StoppageTooLong
from casework.rules import CaseworkRules
from casework.tables import Case, Document
from kernel.acts import Done
from kernel.work import Work

log = logging.getLogger(__name__)


async def stop_clock(work: Work, act: StopClock) -> CaseView:
    """Begins a stoppage with its written notice. Raises STOPPAGE_UNNOTIFIED, CLOCK_NOT_RUNNING …"""
    case, ledger = await running(act.case)
    told_until = _told_until(work, case, act.told_days, act.reason)
    notice, due = await begin(
        work, case, ledger, act.ground, told_until, reason=act.reason, told_days=act.told_days, revision=act.revision
    )
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


async def tell_longer(work: Work, act: TellLonger) -> CaseView:
    """A further notice for the open procedure. Days between the end told before and this notice stay counted.

    Raises CLOCK_NOT_RUNNING when no procedure is open, STOPPAGE_TOO_LATE after the case's own due day …
    """
    case, ledger = await running(act.case)
    open_stop = _open_stop(case, ledger)
    told_until = _told_until(work, case, act.told_days, act.reason)
    superseded = Resumed(day=day_of(work.now), notice=open_stop.notice)
    await _close(work, case, open_stop)
    notice, due = await begin(
        work,
        case,
        append(ledger, superseded),
        open_stop.ground,
        told_until,
        reason=act.reason,
        told_days=act.told_days,
        revision=act.revision,
        after=superseded,
    )
    work.record(
        StoppageToldLonger(
            case=case.number,
            ground=open_stop.ground,
            document=notice.number,
            previous=open_stop.notice,
            told_days=act.told_days,
            committed_due=due,
        )
    )
    return await view(case)


async def resume_clock(work: Work, act: ResumeClock) -> CaseView:
    """The result of the open procedure is in; the days until today, at most the told ones, stay excluded."""
    case, ledger = await running(act.case)
    ground, due = await end(work, case, ledger, revision=act.revision)
    work.record(ClockResumed(case=case.number, ground=ground, committed_due=due))
    return await view(case)


async def note_overruns(work: Work, act: NoteOverruns) -> Done:
    """Says of every procedure whose told time has ended without a result that the clock runs again."""
    late = await Stoppage.filter(overruns_at__lte=work.now).order_by("overruns_at", "id").limit(act.limit)
    noted = 0
    for stoppage in late:
        fault = await work.apart(partial(_note, work, stoppage))
        if fault is None:
            noted += 1
        else:
            log.error("stoppage %s could not be noted: %s", stoppage.notice, type(fault).__name__)
    return Done(count=noted)


async def begin(
    work: Work,
    case: Case,
    ledger: Ledger,
    ground: StopGround,
    told_until: date,
    *,
    reason: str,
    told_days: int,
    revision: int,
    after: Resumed | None = None,
) -> tuple[Document, date]:
    """Issues the notice, excludes the told days and moves every date. Returns the notice and the new due day.

    `after`: a line that `ledger` already holds and that is written with the stop's own.
    """
    today = day_of(work.now)
    notice = await issue(
        work,
        case,
        DocumentKind.SPECIAL_PROCEDURE,
        lines=(
            ("特殊程序", GROUND_NAMES[ground]),
            ("所需时间", f"约{told_days}个工作日，预计至{told_until.isoformat()}"),
            ("说明", reason),
            ("告知", "上述时间依据《中华人民共和国行政许可法》第四十五条不计算在办理期限内。"),
        ),
        unit=await unit_in_charge(case),
    )
    stopped = Stopped(day=today, ground=ground, notice=notice.number, told_until=told_until)
    ledger = append(ledger, stopped)
    entries = (stopped,) if after is None else (after, stopped)
    due = await move_clock(work, case, ledger, *entries, revision=revision)
    await Stoppage.create(
        case_id=case.id,
        notice=notice.number,
        ground=ground,
        told_until=told_until,
        overruns_at=end_of_day(told_until),
    )
    return notice, due


async def end(
    work: Work, case: Case, ledger: Ledger, *, revision: int, ground: StopGround | None = None
) -> tuple[StopGround, date]:
    """Ends the open procedure (of `ground`, if one is named) today. Returns its ground and the case's due day."""
    stop = _open_stop(case, ledger, ground)
    entry = Resumed(day=day_of(work.now), notice=stop.notice)
    await _close(work, case, stop)
    due = await move_clock(work, case, append(ledger, entry), entry, revision=revision)
    return stop.ground, due


def _told_until(work: Work, case: Case, told_days: int, reason: str) -> date:
    """The last day of the time that a notice given today tells. Raises what keeps it from being given."""
    today, longest = day_of(work.now), work.given(CaseworkRules).longest_stop_days
    if not reason.strip():
        raise ReasonMissing()
    if told_days < 1:
        raise StoppageUnnotified(day=today.isoformat())
    if told_days > longest:
        raise StoppageTooLong(most=longest, asked=told_days)
    if case.committed_due is not None and today > case.committed_due:
        raise StoppageTooLate(due=case.committed_due.isoformat())
    return work.given(Calendar).nth_working_day_after(today, told_days)


def _open_stop(case: Case, ledger: Ledger, ground: StopGround | None = None) -> Stopped:
    """The procedure begun last whose result is not in. Raises CLOCK_NOT_RUNNING when there is none."""
    resumed = ledger.resumptions
    for stop in reversed(ledger.stoppages):
        if stop.notice not in resumed and ground in (None, stop.ground):
            return stop
    raise NothingStopped(case=case.number)


async def _close(work: Work, case: Case, stop: Stopped) -> None:
    """The procedure is over; if it overran and nobody has said so yet, that is said now."""
    stoppage = await Stoppage.get_or_none(notice=stop.notice)
    if stoppage is not None and stoppage.overruns_at is not None:
        if stoppage.overruns_at <= work.now:
            _overran(work, case, stoppage)
        await Stoppage.filter(id=stoppage.id).update(overruns_at=None)


async def _note(work: Work, stoppage: Stoppage) -> None:
    case = await Case.get(id=stoppage.case_id)
    if await Stoppage.filter(id=stoppage.id).exclude(overruns_at=None).update(overruns_at=None) != 1:
        return
    # A case that was decided or withdrawn meanwhile waits for no result.
    if case.status == Status.IN_APPROVAL:
        _overran(work, case, stoppage)


def _overran(work: Work, case: Case, stoppage: Stoppage) -> None:
    work.record(
        StoppageOverran(
            case=case.number,
            unit=case.unit_code,
            ground=stoppage.ground,
            document=stoppage.notice,
            told_until=stoppage.told_until,
        )
    )
