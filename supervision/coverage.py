"""办理覆盖面: which units do their business where it can be seen, here or by reports of their own systems.

A unit that has shown nothing for some working days is listed (不进入系统), unless it is exempted: not to use the
unified system needs consent, which is registered with its document and the day it ends (使用豁免).
What counts is what was done: an application entered for the unit or at its window, a step of its officers closed, a
day reported by its own system. Secret cases count; they name nothing here.
"""

from datetime import date

import msgspec

from casework.clock.working_days import Calendar, day_of, start_of_day
from casework.queries import day as day_in
from kernel.acts import Act, View
from kernel.db import Database, Row, instant_of
from kernel.refusals import Invalid, NotFound
from kernel.rows import one
from kernel.tables import Unit
from kernel.work import Work
from supervision.events import UseExempted
from supervision.tables import Exemption

#: Units that handle business of the public: departments, halls, branch halls, township centres.
HANDLING_KINDS = ("department", "hall", "branch", "centre")
#: Working days without anything before a unit is listed.
SILENT_AFTER = 5


class ExemptionView(View, frozen=True, tag="exemption"):
    unit: str
    document: str
    granted_on: date
    until: date


class RegisterExemption(Act[ExemptionView], frozen=True, tag="unit.exempt"):
    """The operator's: a unit need not use the unified system, by the consent `document` of the provincial office.

    The same document again says until when from now on.
    """

    unit: str
    document: str
    granted_on: date
    until: date


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """One unit. `own`: what was done here since `since`; `reported`: rows its own system reported; `sources`: which.

    `silent_working_days` since it last showed anything; None: it never has. `listed`: silent too long, not exempted.
    """

    unit: str
    unit_name: str
    kind: str
    own: int
    reported: int
    sources: tuple[str, ...]
    last_on: date | None
    silent_working_days: int | None
    exempted_until: date | None
    exempted_by: str
    listed: bool


async def register_exemption(work: Work, act: RegisterExemption) -> ExemptionView:
    """Raises NOT_FOUND for a unit, INVALID for a document without a number or a day before it was granted."""
    if not await Unit.exists(code=act.unit):
        raise NotFound(what=f"单位{act.unit}")
    document = act.document.strip()
    if not document or len(document) > 80:
        raise Invalid(field="同意文号", why="应为1至80字")
    if act.until < act.granted_on:
        raise Invalid(field="截止日", why="不得早于同意之日")
    row = await one(Exemption, unit_code=act.unit, document=document) or Exemption(
        unit_code=act.unit, document=document
    )
    row.granted_on, row.until, row.entered_at = act.granted_on, act.until, work.now
    await row.save()
    work.record(UseExempted(unit=act.unit, document=document, until=act.until))
    return ExemptionView(unit=act.unit, document=document, granted_on=act.granted_on, until=act.until)


async def exemptions(database: Database, *, today: date, ended: bool = False) -> list[ExemptionView]:
    """Those in force on `today`, or with `ended` all, by unit and day."""
    rows = await database.rows(
        "SELECT unit_code, document, granted_on, until FROM exemption WHERE until >= $1 ORDER BY unit_code, until",
        date.min if ended else today,
    )
    return [_exemption(row) for row in rows]


async def coverage(
    database: Database, *, today: date, calendar: Calendar, silent_after: int = SILENT_AFTER, unit: str | None = None
) -> list[Covered]:
    """Every unit that handles business, the longest silent first. `silent_after`: working days, >= 1."""
    since = calendar.nth_working_day_before(today, silent_after)
    begin = start_of_day(since)
    marks = ", ".join(f"'{kind}'" for kind in HANDLING_KINDS)
    values = (begin, since) if unit is None else (begin, since, unit)
    units = await database.rows(
        "SELECT u.code, u.name, u.kind, o.n AS own, o.last AS own_last, r.n AS reported, r.last AS reported_last"
        f" FROM unit u LEFT JOIN ({_OWN}) o ON o.unit = u.code LEFT JOIN ({_REPORTED}) r ON r.unit = u.code"
        f" WHERE u.kind IN ({marks}){' AND u.code = $3' if unit is not None else ''} ORDER BY u.code",
        *values,
    )
    sources = await _sources(database)
    exempted = {each.unit: each for each in await exemptions(database, today=today) if each.granted_on <= today}
    found = [_covered(row, today, calendar, silent_after, sources, exempted) for row in units]
    return sorted(found, key=lambda each: (not each.listed, each.last_on or date.min, each.unit))


#: What was done here, by unit: since $1, and last.
_OWN = (
    "SELECT unit, SUM(CASE WHEN at >= $1 THEN 1 ELSE 0 END) AS n, MAX(at) AS last FROM ("
    "SELECT unit_code AS unit, entered_at AS at FROM case_file WHERE channel <> 'self_built'"
    " UNION ALL SELECT window_unit AS unit, entered_at AS at FROM case_file WHERE window_unit <> unit_code"
    " UNION ALL SELECT unit_code AS unit, closed_at AS at FROM task WHERE closed_at IS NOT NULL"
    ") done GROUP BY unit"
)
_REPORTED = (
    "SELECT unit_code AS unit, SUM(CASE WHEN day >= $2 THEN rows ELSE 0 END) AS n, MAX(day) AS last"
    " FROM reported_day GROUP BY unit_code"
)


async def _sources(database: Database) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for row in await database.rows("SELECT DISTINCT unit_code, source FROM reported_day ORDER BY unit_code, source"):
        found.setdefault(str(row["unit_code"]), []).append(str(row["source"]))
    return {unit: tuple(names) for unit, names in found.items()}


def _covered(
    row: Row,
    today: date,
    calendar: Calendar,
    silent_after: int,
    sources: dict[str, tuple[str, ...]],
    exempted: dict[str, ExemptionView],
) -> Covered:
    code = str(row["code"])
    days = [day_of(instant_of(row["own_last"]))] if row["own_last"] is not None else []
    reported = day_in(row["reported_last"])
    last = max([*days, *([reported] if reported else [])], default=None)
    silent = None if last is None else calendar.working_days_between(min(last, today), today)
    exemption = exempted.get(code)
    return Covered(
        unit=code,
        unit_name=str(row["name"]),
        kind=str(row["kind"]),
        own=int(str(row["own"] or 0)),
        reported=int(str(row["reported"] or 0)),
        sources=sources.get(code, ()),
        last_on=last,
        silent_working_days=silent,
        exempted_until=exemption.until if exemption else None,
        exempted_by=exemption.document if exemption else "",
        listed=exemption is None and (silent is None or silent > silent_after),
    )


def _exemption(row: Row) -> ExemptionView:
    granted_on, until = day_in(row["granted_on"]), day_in(row["until"])
    assert granted_on is not None
    assert until is not None
    return ExemptionView(unit=str(row["unit_code"]), document=str(row["document"]), granted_on=granted_on, until=until)
