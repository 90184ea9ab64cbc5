"""The region's one list of cases, our own and those reported from elsewhere, and the systems that report them."""

import re
from datetime import date, datetime

import strawberry

from casework.permissions import SUPERVISORS
from casework.queries import Place
from kernel.actor import Actor
from kernel.refusals import Invalid, NotPermitted
from mobile_api.context import Info
from mobile_api.enums import WorstColour
from mobile_api.pages import cursor_of, place_of, shaped
from supervision import region

_REGION = re.compile(r"[0-9]{2,6}")


@strawberry.type(
    description="`source` and `region` are empty of our own. `number`: of the case in its own system. `light`: the "
    "worst of its legal limit so far. `state`: as that system says (applied, refused, accepted, finished, voided), or "
    "ours."
)
class RegionCase:
    number: strawberry.ID
    source: str
    region: str
    unit_code: str
    unit_name: str | None
    item_name: str
    state: str
    at: datetime = strawberry.field(description="When it began.")
    due_on: date | None
    ended_at: datetime | None
    light: WorstColour


@strawberry.type
class RegionCasePage:
    nodes: list[RegionCase]
    end_cursor: str | None


@strawberry.type(
    description="`org` ALL: a level of government. `completeUntil`: the last day both sides hold the same of. "
    "`missingDays`: working days without a report by eight the next, the first `missingSince`. "
    "`daysThatDiffer`: days whose newest report differs from what we hold."
)
class ReportingSystem:
    source: strawberry.ID
    name: str
    region: str
    org: str
    complete_until: date | None
    missing_days: int
    missing_since: date | None
    days_that_differ: int
    heard_at: datetime | None


async def _region_cases(
    info: Info,
    light: WorstColour | None = None,
    region_code: str | None = None,
    source: strawberry.ID | None = None,
    unit: strawberry.ID | None = None,
    own: bool | None = None,
    first: int = 20,
    after: str | None = None,
) -> RegionCasePage:
    context = info.context
    _supervisor(context.officer())
    if region_code is not None and _REGION.fullmatch(region_code) is None:
        raise Invalid(field="regionCode", why="应为二至六位数字")
    most, services = context.page(first), context.services
    chosen = region.RegionFilter(light=light, region=region_code, source=source, unit=unit, own=own)
    rows = await region.region_cases(
        services.database, chosen, now=services.clock.now(), limit=most + 1, after=place_of(after)
    )
    end = None
    if len(rows) > most:
        last = rows[most - 1]
        assert isinstance(last["at"], datetime)
        end = cursor_of(Place(last["at"], int(str(last["id"]))))
    return shaped(RegionCasePage, {"nodes": rows[:most], "end_cursor": end})


async def _reporting_systems(info: Info) -> list[ReportingSystem]:
    context = info.context
    _supervisor(context.officer())
    rows = await region.reporting_systems(context.services.database)
    return [shaped(ReportingSystem, row) for row in rows]


def _supervisor(officer: Actor) -> None:
    if not officer.has(*SUPERVISORS):
        raise NotPermitted(act="region", needs=" | ".join(SUPERVISORS))


@strawberry.type
class RegionQueries:
    region_cases: RegionCasePage = strawberry.field(
        resolver=_region_cases,
        description="Our own cases and those that departments' systems and the levels below report, latest first.",
    )
    reporting_systems: list[ReportingSystem] = strawberry.field(
        resolver=_reporting_systems, description="Who reports to us, and what is missing of it."
    )
