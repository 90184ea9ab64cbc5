"""二次录入: cases of systems that cannot interface, typed in again at a window, and how late that was.

The original day of receipt is the day that counts for the applicant; how many working days later the case was entered
is measured, listed and added up per unit.
Source: items without an interface are entered a second time (二次数据录入).
"""

from collections.abc import Sequence
from datetime import date

from casework.clock.working_days import Calendar, day_of
from casework.intake.acts import SecondEntryTally
from casework.intake.events import SecondEntryMade
from casework.intake.tables import SecondEntry
from casework.queries import day
from casework.tables import Case
from kernel.db import Database, Row
from kernel.work import Work


async def note_second_entry(work: Work, case: Case, source: str) -> None:
    today = day_of(work.now)
    late = work.given(Calendar).working_days_between(case.received_on, today)
    await SecondEntry.create(
        case_id=case.id,
        case_number=case.number,
        unit_code=case.unit_code,
        source=source,
        operator=work.actor.id,
        received_on=case.received_on,
        entered_on=today,
        late_working_days=late,
    )
    work.record(
        SecondEntryMade(
            case=case.number,
            unit=case.unit_code,
            source=source,
            officer=work.actor.id,
            received_on=case.received_on,
            late_working_days=late,
        )
    )


async def second_entries(
    database: Database, *, unit: str | None, first: int = 20, after: tuple[date, int] | None = None
) -> list[Row]:
    """Second entries, latest first, of one unit's items or of all; `after`: day of entry and id of the last row."""
    since, last = after or (date(9999, 1, 1), 0)
    values: list[date | int | str] = [since, last]
    only = ""
    if unit is not None:
        values.append(unit)
        only = " AND s.unit_code = $3"
    found = await database.rows(
        "SELECT s.id, s.case_number, s.unit_code, c.item_name, s.source, s.operator, s.received_on, s.entered_on,"
        " s.late_working_days FROM second_entry s JOIN case_file c ON c.id = s.case_id"
        f" WHERE (s.entered_on, s.id) < ($1, $2) AND c.secret = FALSE{only}"
        f" ORDER BY s.entered_on DESC, s.id DESC LIMIT {int(first)}",
        *values,
    )
    return [{**row, "received_on": day(row["received_on"]), "entered_on": day(row["entered_on"])} for row in found]


async def second_entry_tallies(database: Database, *, since: date, until: date) -> Sequence[SecondEntryTally]:
    """Per unit: how many second entries between the two days, and how late they were."""
    found = await database.rows(
        "SELECT s.unit_code, u.short_name, COUNT(*) AS entries, SUM(s.late_working_days) AS late,"
        " MAX(s.late_working_days) AS most, SUM(CASE WHEN s.late_working_days = 0 THEN 1 ELSE 0 END) AS same_day"
        " FROM second_entry s LEFT JOIN unit u ON u.code = s.unit_code"
        " WHERE s.entered_on >= $1 AND s.entered_on <= $2 GROUP BY s.unit_code, u.short_name ORDER BY s.unit_code",
        since,
        until,
    )
    return [
        SecondEntryTally(
            unit=str(row["unit_code"]),
            unit_name=str(row["short_name"] or row["unit_code"]),
            entries=_int(row["entries"]),
            same_day=_int(row["same_day"]),
            late_days=_int(row["late"]),
            most_late_days=_int(row["most"]),
        )
        for row in found
    ]


def _int(value: object) -> int:
    return int(str(value))
