"""What supervision noticed by itself, the matters of key monitoring among it, and how late second entries were."""

from datetime import date, datetime

import strawberry

from casework.clock.working_days import CHINA
from casework.intake import second_entry
from casework.permissions import SUPERVISORS
from kernel.actor import Actor
from kernel.refusals import Invalid, NotPermitted
from mobile_api.context import Info
from mobile_api.enums import FindingKind
from mobile_api.pages import cursor_after, id_after, shaped
from supervision import queries


@strawberry.type(description="One thing noticed in a case.")
class Finding:
    id: strawberry.ID
    kind: FindingKind
    case_number: strawberry.ID
    item_name: str | None
    unit_code: str
    unit_name: str | None
    at: datetime


@strawberry.type
class FindingPage:
    nodes: list[Finding]
    end_cursor: str | None


@strawberry.type
class FindingTally:
    kind: FindingKind
    unit: str
    findings: int


@strawberry.type(description="A case that began in a system without an interface. Days are working days.")
class SecondEntry:
    case_number: strawberry.ID
    unit_code: str
    item_name: str
    source: str
    operator: str
    received_on: date
    entered_on: date
    late_working_days: int


@strawberry.type(description="`lateDays`: of all entries together; by `entries`, the mean.")
class SecondEntryTally:
    unit: str
    unit_name: str
    entries: int
    same_day: int
    late_days: int
    most_late_days: int


@strawberry.type
class SecondEntries:
    tallies: list[SecondEntryTally]
    latest: list[SecondEntry]


async def _findings(
    info: Info, kind: FindingKind | None = None, unit: str | None = None, first: int = 20, after: str | None = None
) -> FindingPage:
    context = info.context
    _supervisor(context.officer())
    most = context.page(first)
    rows = await queries.findings(
        context.services.database, kind=kind, unit=unit, first=most + 1, before=id_after(after)
    )
    last = int(str(rows[most - 1]["id"])) if len(rows) > most else None
    return shaped(FindingPage, {"nodes": rows[:most], "end_cursor": cursor_after(last)})


async def _finding_tallies(info: Info, since: date) -> list[FindingTally]:
    _supervisor(info.context.officer())
    begin = datetime(since.year, since.month, since.day, tzinfo=CHINA)
    tallies = await queries.finding_tallies(info.context.services.database, since=begin)
    return [FindingTally(kind=FindingKind(each.kind), unit=each.unit, findings=each.findings) for each in tallies]


async def _second_entries(
    info: Info, since: date, until: date, unit: str | None = None, first: int = 20
) -> SecondEntries:
    context = info.context
    _supervisor(context.officer())
    if until < since:
        raise Invalid(field="until", why="不得早于起始日")
    database = context.services.database
    return shaped(
        SecondEntries,
        {
            "tallies": await second_entry.second_entry_tallies(database, since=since, until=until),
            "latest": await second_entry.second_entries(database, unit=unit, first=context.page(first)),
        },
    )


def _supervisor(officer: Actor) -> None:
    if not officer.has(*SUPERVISORS):
        raise NotPermitted(act="supervision", needs=" | ".join(SUPERVISORS))


@strawberry.type
class FindingQueries:
    findings: FindingPage = strawberry.field(
        resolver=_findings, description="Latest first; with `kind` one of the lists of key monitoring."
    )
    finding_tallies: list[FindingTally] = strawberry.field(resolver=_finding_tallies)
    second_entries: SecondEntries = strawberry.field(resolver=_second_entries)
