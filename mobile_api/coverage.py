"""办理覆盖面: which units show what they do, here or by their own systems, and which do not."""

from datetime import date

import strawberry

from casework.clock.working_days import day_of
from casework.permissions import SUPERVISORS
from kernel.refusals import Invalid, NotPermitted
from mobile_api.context import Info
from mobile_api.pages import shaped
from supervision import coverage

_LONGEST = 60


@strawberry.type(
    description="`own`: what was done here in the last working days asked about; `reported`: rows of its own systems, "
    "`sources`. `listed`: nothing for longer, and not exempted. `silentWorkingDays`: since the last; null: never."
)
class CoveredUnit:
    unit: strawberry.ID
    unit_name: str
    kind: str
    own: int
    reported: int
    sources: list[str]
    last_on: date | None
    silent_working_days: int | None
    exempted_until: date | None
    exempted_by: str
    listed: bool


@strawberry.type(description="`listed`: how many units are (不进入系统).")
class Coverage:
    units: list[CoveredUnit]
    listed: int


async def _coverage(
    info: Info, silent_after: int = coverage.SILENT_AFTER, unit: strawberry.ID | None = None
) -> Coverage:
    context = info.context
    if not context.officer().has(*SUPERVISORS):
        raise NotPermitted(act="coverage", needs=" | ".join(SUPERVISORS))
    if not 1 <= silent_after <= _LONGEST:
        raise Invalid(field="silentAfter", why=f"应为1至{_LONGEST}个工作日")
    services = context.services
    found = await coverage.coverage(
        services.database,
        today=day_of(services.clock.now()),
        calendar=services.calendar,
        silent_after=silent_after,
        unit=unit,
    )
    rows = [shaped(CoveredUnit, {name: getattr(each, name) for name in each.__struct_fields__}) for each in found]
    return Coverage(units=rows, listed=sum(each.listed for each in found))


@strawberry.type
class CoverageQueries:
    coverage: Coverage = strawberry.field(
        resolver=_coverage,
        description="Departments, halls, branch halls and township centres, the longest silent first.",
    )
