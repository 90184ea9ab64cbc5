"""Cases of departments' own systems (自建系统): imported, followed and closed as those systems report them.

Their deadline instants are facts of the source and are kept as they are; this office only watches them. A case that
ended at the very instant of its deadline ended in time.

Limits: one open task per case, with the responsible officer; the source's steps are kept but not directed. Receiving
the same case or the same end again changes nothing; steps carry no identity of their own and are added as reported.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from casework.acts import Channel, ForeignCaseRow, ForeignStep, ImportForeignCases, ReportForeignSteps, Status
from casework.clock.time_limits import yellow_at
from casework.clock.working_days import Calendar, day_of
from casework.events import BypassTried, ForeignCaseEnded, ForeignCaseImported, ForeignStepReported
from casework.files import find, swap
from casework.refusals import ItemHandledHere, UnknownCase
from casework.tables import Case, Step, Task
from kernel.actor import Role
from kernel.acts import Done
from kernel.clock import as_utc
from kernel.refusals import Invalid, Refusal
from kernel.work import Work

STEP = "foreign"
_REPORTED = "reported"
_INSTANT = timedelta(microseconds=1)


async def import_cases(work: Work, act: ImportForeignCases) -> Done | Refusal:
    """Opens the cases that are not known yet; a few statements however many.

    A case of an item that is handled here is a bypass of this office: nothing of the delivery is taken, and
    supervision is told. Answers ITEM_HANDLED_HERE.
    """
    for row in act.cases:
        _check(row)
    numbers = [row.number for row in act.cases]
    known = {row["number"] for row in await Case.filter(number__in=numbers).values("number")}
    fresh = [row for row in act.cases if row.number not in known]
    if not fresh:
        return Done(count=0)
    if bypassing := await _bypassing(work, fresh):
        for row, item in bypassing:
            work.record(BypassTried(case=row.number, unit=row.unit, item=item, source=act.source))
        items = sorted({item for _, item in bypassing})
        return ItemHandledHere(items=items, cases=[row.number for row, _ in bypassing])
    await Case.bulk_create([_case(work, row) for row in fresh])
    opened = await Case.filter(number__in=[row.number for row in fresh]).values("number", "id")
    ids = {row["number"]: row["id"] for row in opened}
    await Task.bulk_create([_task(work, row, ids[row.number]) for row in fresh])
    for row in fresh:
        work.record(
            ForeignCaseImported(case=row.number, unit=row.unit, received_on=day_of(row.started_at), source=act.source)
        )
    return Done(count=len(fresh))


async def report_steps(work: Work, act: ReportForeignSteps) -> Done:
    """Adds what the source did since its last report, and closes the case when it says so.

    A light that turned before the end but was not announced yet stays due: a late report hides no lateness.
    """
    case = await find(act.case)
    if case.channel != Channel.SELF_BUILT:
        raise UnknownCase(case=act.case)
    if act.steps:
        await _keep(work, case, act.steps)
    if act.ended_at is not None and case.status == Status.FOREIGN_OPEN:
        ended_at = as_utc(act.ended_at)
        await swap(case, case.revision, status=Status.FOREIGN_ENDED, closed_at=ended_at)
        await _close_task(work, case, ended_at)
        work.record(ForeignCaseEnded(case=case.number))
    return Done(count=len(act.steps))


async def _bypassing(work: Work, rows: Sequence[ForeignCaseRow]) -> list[tuple[ForeignCaseRow, str]]:
    """The rows of items in force here, by the item's code or its unit and name, with that code."""
    here = await work.database.rows(
        "SELECT i.code, v.name, v.unit_code FROM item i JOIN item_version v ON v.item_code = i.code"
        " AND v.version = i.version WHERE i.state = 'published'"
    )
    by_name = {(str(item["unit_code"]), str(item["name"])): str(item["code"]) for item in here}
    codes = set(by_name.values())
    found = [(row, row.item_code if row.item_code in codes else by_name.get((row.unit, row.item_name))) for row in rows]
    return [(row, item) for row, item in found if item]


def _check(row: ForeignCaseRow) -> None:
    _check_length("办件编号", row.number, 40)
    _check_length("事项名称", row.item_name, 120)
    _check_length("单位", row.unit, 16)
    if row.responsible:
        _check_length("责任人", row.responsible, 20)


def _check_length(field: str, text: str, most: int) -> None:
    if not text or len(text) > most:
        raise Invalid(field=field, why=f"应为1至{most}个字符")


def _case(work: Work, row: ForeignCaseRow) -> Case:
    return Case(
        number=row.number,
        status=Status.FOREIGN_OPEN,
        channel=Channel.SELF_BUILT,
        item_code="",
        item_version=0,
        item_name=row.item_name,
        stage_code="",
        unit_code=row.unit,
        received_on=day_of(row.started_at),
        entered_at=work.now,
        committed_due=_due_day(row.deadline),
    )


def _task(work: Work, row: ForeignCaseRow, case_id: int) -> Task:
    due_on, red = _due_day(row.deadline), as_utc(row.deadline)
    yellow = max(yellow_at(due_on, work.given(Calendar)), work.now)
    return Task(
        case_id=case_id,
        step=STEP,
        role=Role.HANDLER,
        unit_code=row.unit,
        assignee=row.responsible or None,
        opened_at=work.now,
        due_on=due_on,
        yellow_at=yellow,
        red_at=red,
        next_light_at=min(yellow, red),
        sort_at=red,
    )


def _due_day(deadline: datetime) -> date:
    """The last day in time; a deadline at 24:00 belongs to the day it ends."""
    return day_of(deadline - _INSTANT)


async def _keep(work: Work, case: Case, steps: tuple[ForeignStep, ...]) -> None:
    for step in steps:
        _check_length("经办人", step.officer, 20)
    before = await Step.filter(case_id=case.id).count()
    await Step.bulk_create(
        [
            Step(
                case_id=case.id,
                seq=seq,
                step=STEP,
                decision=_REPORTED,
                opinion=step.activity,
                officer=step.officer,
                officer_name=step.officer,
                role=Role.HANDLER,
                at=as_utc(step.at),
            )
            for seq, step in enumerate(steps, before + 1)
        ]
    )
    for step in steps:
        work.record(ForeignStepReported(case=case.number, activity=step.activity, officer=step.officer))


async def _close_task(work: Work, case: Case, ended_at: datetime) -> None:
    """The source's deadline is the last instant in time, not the first too late: a turn at the very end goes out."""
    await work.database.execute(
        "UPDATE task SET closed_at = $1, next_light_at = CASE WHEN next_light_at < $1 THEN next_light_at END,"
        " red_at = CASE WHEN red_at <> $1 THEN red_at END WHERE case_id = $2 AND closed_at IS NULL",
        ended_at,
        case.id,
    )
