"""A case's clock: its ledger in the database, and the due dates and lights that follow from it.

Source: Administrative Licensing Law, art. 42 (limits), 45 (time not counted). The dates in the case's row and the
instants of its tasks are a projection of the ledger, made here and nowhere else.
"""

from collections.abc import Mapping
from datetime import date

import msgspec

from casework.acts import Status
from casework.catalogue import definitions
from casework.clock.ledger import Entry, Handling, Ledger, replay
from casework.clock.time_limits import Dues, Limits, dues_on, red_at, step_due_on, yellow_at
from casework.clock.time_limits import due_on as limit_due_on
from casework.clock.working_days import Calendar, day_of, end_of_day
from casework.files import find, swap
from casework.refusals import ClockNotRunning
from casework.tables import Case, ClockEntry, Task
from kernel.rows import change, many
from kernel.work import Work

_entry = msgspec.json.Decoder(Entry)
#: What moves when a date moves.
_INSTANTS = ("due_on", "yellow_at", "red_at", "case_due_on", "case_yellow_at", "case_red_at")

#: Whose limit and extension the law gives a stage: art. 42(1) to one authority, 42(2) to several (art. 26).
LEGAL_HANDLING: Mapping[definitions.Handling, Handling] = {
    definitions.Handling.SINGLE: Handling.SINGLE,
    definitions.Handling.PARALLEL: Handling.JOINT,
    definitions.Handling.JOINT: Handling.JOINT,
}


async def ledger_of(case: Case) -> Ledger:
    """The case's ledger. Raises CLOCK_NOT_STARTED before acceptance."""
    return replay([_entry.decode(row.entry) for row in await many(ClockEntry, case_id=case.id)])


async def running(number: str) -> tuple[Case, Ledger]:
    """A case whose clock runs. Raises UNKNOWN_CASE, CLOCK_NOT_RUNNING."""
    case = await find(number)
    if case.status != Status.IN_APPROVAL:
        raise ClockNotRunning(case=number)
    return case, await ledger_of(case)


async def write(work: Work, case: Case, *entries: Entry) -> None:
    """Adds lines to the ledger; the caller has checked that they are lawful."""
    seq = await ClockEntry.filter(case_id=case.id).count()
    await ClockEntry.bulk_create(
        [
            ClockEntry(
                case_id=case.id,
                seq=seq + n,
                entry=msgspec.json.encode(entry).decode(),
                actor=f"{work.actor.kind}:{work.actor.id}",
                at=work.now,
            )
            for n, entry in enumerate(entries, 1)
        ]
    )


def dues(work: Work, case: Case, ledger: Ledger) -> Dues:
    return dues_on(ledger, Limits(case.statutory_days, case.committed_days), work.given(Calendar))


async def move_clock(work: Work, case: Case, ledger: Ledger, *entries: Entry, revision: int) -> date:
    """Writes `entries`, which `ledger` already holds, and projects them. Returns the committed due day."""
    await write(work, case, *entries)
    moved = dues(work, case, ledger)
    await swap(
        case,
        revision,
        statutory_due=moved.statutory.day,
        committed_due=moved.committed.day,
        due_provisional=moved.committed.provisional,
        calendar_version=work.given(Calendar).version,
    )
    await relight(work, case, ledger)
    return moved.committed.day


async def relight(work: Work, case: Case, ledger: Ledger | None) -> None:
    """Sets the instants of the case's open tasks anew; `ledger`: None once it has nothing more to say."""
    for task in await Task.filter(case_id=case.id, closed_at=None).exclude(due_on=None):
        if case.committed_due is not None:
            await light(work, case, task, case.committed_due, ledger)


async def light(work: Work, case: Case, task: Task, due_on: date, ledger: Ledger | None = None) -> None:
    """Sets the instants at which an open task turns yellow and red. A moved day may call for a light that was
    announced before: the sweep announces each turn once per instant.
    """
    lights = await lights_of(work, case, task, due_on, ledger)
    if all(getattr(task, name) == lights[name] for name in _INSTANTS):
        await change(Task, {"id": task.id}, calendar_version=lights["calendar_version"])
    else:
        await change(Task, {"id": task.id}, **lights)


async def lights_of(
    work: Work, case: Case, task: Task, due_on: date, ledger: Ledger | None = None
) -> dict[str, object]:
    """The columns that say when the task turns yellow and red, and when that is next announced.

    `due_on` is the case's day. A step or a line with a limit of its own (环节时限, 会办, 初审) that ends sooner turns
    by that, and the case's own lights follow it.
    """
    calendar, before = work.given(Calendar), case.yellow_before_days
    own = due_on
    if task.line_days is not None:
        ledger = ledger or await ledger_of(case)
        own = min(own, limit_due_on(ledger, task.line_days, calendar).day)
    if task.limit_days is not None:
        ledger = ledger or await ledger_of(case)
        own = min(own, step_due_on(ledger, day_of(task.opened_at), task.limit_days, calendar))
    # The lead unit answers for the whole case, its co-units for their own branches.
    case_day = due_on if own < due_on and not task.branch else None
    yellow, red = yellow_at(own, calendar, before), red_at(own)
    if case_day is not None:
        # A step of a day or two is not warned about before it began.
        yellow = max(yellow, end_of_day(day_of(task.opened_at)))
    first = min(yellow, yellow_at(case_day, calendar, before)) if case_day else yellow
    return {
        "due_on": own,
        "yellow_at": yellow,
        "red_at": red,
        "case_due_on": case_day,
        "case_yellow_at": yellow_at(case_day, calendar, before) if case_day else None,
        "case_red_at": red_at(case_day) if case_day else None,
        "next_light_at": first,
        "sort_at": red,
        "calendar_version": calendar_version(work, case),
    }


def calendar_version(work: Work, case: Case) -> int:
    """The oldest calendar from which a date that is written now may come. Too old is safe: it is found anew."""
    return min(case.calendar_version, work.given(Calendar).version)
