"""Importing a notice on holidays under two persons' control, and finding every open deadline anew.

Source: Administrative Licensing Law, art. 82: no statutory holiday counts, and only the State Council's yearly notice
says which days those are. Two different officers approve the import. It changes the calendar at once; deadlines follow
in batches of the clock, case by case, each with one line in its ledger that names the notice. A task knows the oldest
calendar its dates may come from (`calendar_version`), so a case that another process was just moving is found again.
A local notice stays in force over a later one of the State Council for the same year.
"""

import logging
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import partial

import msgspec

from casework.acts import Status
from casework.clock import hearings
from casework.clock.acts import CalendarView, ImportCalendar, ReprojectDeadlines
from casework.clock.arrangements import Arrangement, check
from casework.clock.calendars import LAST_YEAR
from casework.clock.clocks import dues, ledger_of, light, relight, write
from casework.clock.events import CalendarImported, DueDateMoved
from casework.clock.ledger import Recalculated
from casework.clock.tables import CalendarNotice
from casework.clock.time_limits import deemed_accepted_at, deliver_by
from casework.clock.working_days import Calendar, day_of
from casework.files import swap
from casework.tables import CalendarDay, Case, Task
from kernel.actor import Role
from kernel.acts import Done
from kernel.numbers import next_number
from kernel.refusals import ChangedMeanwhile, Refusal
from kernel.tables import Officer
from kernel.work import Work

log = logging.getLogger(__name__)

#: Whose office it is to know the working days: 审改办, 法制办, 效能办, 政务中心, 信息中心.
CALENDAR_ROLES = (
    Role.REFORM_OFFICE,
    Role.LEGAL_OFFICE,
    Role.EFFICIENCY_OFFICE,
    Role.SERVICE_CENTRE,
    Role.INFORMATION_CENTRE,
)
_SOURCE_LENGTH = 120
_days = msgspec.json.Decoder(list[date])


async def import_calendar(work: Work, act: ImportCalendar) -> CalendarView:
    """Raises TWO_PERSONS_NEEDED, NOT_ENTITLED_TO_CALENDAR, CALENDAR_REFUSED, CALENDAR_UNCHANGED."""
    await _check_two_persons(act)
    today = day_of(work.now)
    arrangement = Arrangement(
        year=act.year,
        notice=act.notice,
        source=act.source,
        holidays=act.holidays,
        workdays=act.workdays,
        is_local=act.is_local,
    )
    check(arrangement, first_year=today.year, last_year=LAST_YEAR)
    # Drawn first: whoever imports at the same time waits here, so versions are committed in their order.
    version = await next_number("calendar")
    before = await _rows_of(act)
    after = {**before, **_changed(arrangement, before), **await _overlays(arrangement, before)}
    changed = [day for day in after if after[day] != before[day]]
    if not changed:
        raise CalendarUnchanged(year=act.year)
    await CalendarDay.filter(day__in=changed).delete()
    await CalendarDay.bulk_create(
        [CalendarDay(day=day, **msgspec.structs.asdict(after[day])) for day in changed], batch_size=400
    )
    moved = sum(after[day].working != before[day].working for day in changed)
    await _note(work, act, version, moved)
    in_year = (kind.working for day, kind in after.items() if day.year == act.year)
    return CalendarView(year=act.year, version=version, working_days=sum(in_year), changed_days=moved)


async def reproject(work: Work, act: ReprojectDeadlines) -> Done:
    """Performed by the clock until no open case has a date from an older calendar than the one in force."""
    calendar = work.given(Calendar)
    if calendar.version == 0:
        return Done(count=0)
    stale = await work.database.rows(
        "SELECT DISTINCT case_id FROM task WHERE closed_at IS NULL AND calendar_version < $1"
        f" ORDER BY case_id LIMIT {int(act.limit)}",
        calendar.version,
    )
    notice = await CalendarNotice.get(id=calendar.version)
    found = 0
    for row in stale:
        fault = await work.apart(partial(_reproject, work, int(str(row["case_id"])), notice))
        if fault is None:
            found += 1
        else:
            log.error("case %s keeps its old dates: %s", row["case_id"], type(fault).__name__)
    return Done(count=found)


class _Kind(msgspec.Struct, frozen=True):
    """What a day is, as its row says."""

    working: bool
    provisional: bool
    source: str


async def _check_two_persons(act: ImportCalendar) -> None:
    if act.first_officer == act.second_officer:
        raise TwoPersonsNeeded()
    for id in (act.first_officer, act.second_officer):
        officer = await Officer.get_or_none(id=id, active=True)
        if officer is None or set(CALENDAR_ROLES).isdisjoint(officer.roles):
            raise NotEntitledToCalendar(officer=id, roles=[role.value for role in CALENDAR_ROLES])


async def _rows_of(act: ImportCalendar) -> dict[date, _Kind]:
    """The days that the notice may touch, as they are."""
    first = min([date(act.year, 1, 1), *act.holidays, *act.workdays])
    rows = await CalendarDay.filter(day__gte=first, day__lte=date(act.year, 12, 31)).order_by("day")
    return {row.day: _Kind(row.working, row.provisional, row.source) for row in rows}


def _changed(arrangement: Arrangement, before: dict[date, _Kind]) -> dict[date, _Kind]:
    """What the notice makes of the days: of the whole year, or, if it is local, of those it names."""
    source = f"{arrangement.notice} {arrangement.source}"[:_SOURCE_LENGTH]
    changed: dict[date, _Kind] = {}
    if not arrangement.is_local:
        year = (day for day in before if day.year == arrangement.year)
        changed = {day: _Kind(day.weekday() < 5, provisional=False, source=source) for day in year}
    for works, days in ((False, arrangement.holidays), (True, arrangement.workdays)):
        for day in days:
            provisional = arrangement.is_local and before[day].provisional
            changed[day] = _Kind(works, provisional, source)
    return changed


async def _overlays(arrangement: Arrangement, before: dict[date, _Kind]) -> dict[date, _Kind]:
    """The city's own days of earlier notices, which a notice of the State Council does not undo."""
    if arrangement.is_local:
        return {}
    laid: dict[date, _Kind] = {}
    for notice in await CalendarNotice.filter(is_local=True, year=arrangement.year).order_by("id"):
        source = f"{notice.number} {notice.source}"[:_SOURCE_LENGTH]
        for works, days in ((False, notice.holidays), (True, notice.workdays)):
            laid |= {day: _Kind(works, provisional=False, source=source) for day in _known(days, before)}
    return laid


def _known(days: str, before: Iterable[date]) -> set[date]:
    return set(_days.decode(days)) & set(before)


async def _note(work: Work, act: ImportCalendar, version: int, moved: int) -> None:
    await CalendarNotice.create(
        id=version,
        year=act.year,
        is_local=act.is_local,
        number=act.notice,
        source=act.source,
        holidays=msgspec.json.encode(act.holidays).decode(),
        workdays=msgspec.json.encode(act.workdays).decode(),
        first_officer=act.first_officer,
        second_officer=act.second_officer,
        changed_days=moved,
        imported_at=work.now,
    )
    work.record(
        CalendarImported(
            calendar=str(act.year),
            version=version,
            notice=act.notice,
            is_local=act.is_local,
            changed_days=moved,
            officers=(act.first_officer, act.second_officer),
        )
    )


async def _reproject(work: Work, case_id: int, notice: CalendarNotice) -> None:
    case = await Case.get(id=case_id)
    if case.status == Status.IN_APPROVAL:
        await _decision(work, case, notice)
    elif case.status in (Status.GRANTED, Status.REFUSED) and case.decided_at is not None:
        await _delivery(work, case, case.decided_at, notice)
    elif case.deemed_at is not None:
        await _telling(work, case, case.deemed_at, notice)
    version = work.given(Calendar).version
    # The revision that was read: whoever moved the case meanwhile may have had the old calendar.
    if await Case.filter(id=case.id, revision=case.revision).update(calendar_version=version) != 1:
        raise ChangedMeanwhile(subject=f"case:{case.number}")
    await Task.filter(case_id=case.id, closed_at=None).update(calendar_version=version)


async def _decision(work: Work, case: Case, notice: CalendarNotice) -> None:
    ledger = await ledger_of(case)
    found = dues(work, case, ledger)
    committed, statutory = case.committed_due, case.statutory_due
    if committed is not None and statutory is not None and (committed, statutory) != found.days:
        entry = Recalculated(
            day=day_of(work.now),
            notice=notice.number,
            reason=f"工作日历按《{notice.source}》调整",
            statutory=(statutory, found.statutory.day),
            committed=(committed, found.committed.day),
        )
        await write(work, case, entry)
        await swap(
            case,
            case.revision,
            statutory_due=found.statutory.day,
            committed_due=found.committed.day,
            due_provisional=found.committed.provisional,
        )
        _moved(work, case, "decision", notice, committed, found.committed.day)
    elif case.due_provisional != found.committed.provisional:
        # Nothing that anybody signs has changed, so the revision stays.
        await Case.filter(id=case.id).update(due_provisional=found.committed.provisional)
    await relight(work, case, ledger)
    await hearings.reproject(work, case)


async def _delivery(work: Work, case: Case, decided_at: datetime, notice: CalendarNotice) -> None:
    due = deliver_by(day_of(decided_at), work.given(Calendar))
    for task in await Task.filter(case_id=case.id, closed_at=None).exclude(due_on=None):
        if task.due_on is not None and task.due_on != due:
            _moved(work, case, "delivery", notice, task.due_on, due)
        await light(work, case, task, due)


async def _telling(work: Work, case: Case, deemed_at: datetime, notice: CalendarNotice) -> None:
    """The five days to speak. A silence that has already spoken is not taken back."""
    until = deemed_accepted_at(case.supplemented_on or case.received_on, work.given(Calendar))
    if until == deemed_at or deemed_at <= work.now:
        return
    await swap(case, case.revision, deemed_at=until)
    await Task.filter(case_id=case.id, closed_at=None).update(sort_at=until)
    _moved(work, case, "telling", notice, _last_day(deemed_at), _last_day(until))


def _moved(work: Work, case: Case, deadline: str, notice: CalendarNotice, before: date, due: date) -> None:
    if before != due:
        work.record(
            DueDateMoved(
                case=case.number, unit=case.unit_code, deadline=deadline, notice=notice.number, before=before, due=due
            )
        )


def _last_day(too_late: datetime) -> date:
    return day_of(too_late - timedelta(seconds=1))


class TwoPersonsNeeded(Refusal):
    code = "TWO_PERSONS_NEEDED"
    zh = "导入工作日历须由两名不同的人员共同确认。"
    en = "A calendar is imported by two different persons."


class NotEntitledToCalendar(Refusal):
    code = "NOT_ENTITLED_TO_CALENDAR"
    zh = "{officer}不在岗或无权确认工作日历，须为{roles}。"
    en = "{officer} does not serve or may not approve a calendar; needed: {roles}."


class CalendarUnchanged(Refusal):
    code = "CALENDAR_UNCHANGED"
    zh = "{year}年的工作日历与该通知一致，无需导入。"
    en = "The calendar of {year} already says what the notice says."
