"""How the exchange stands, for the operator: what is on its way up, what came from below, what needs somebody."""

from datetime import date, datetime, timedelta

import msgspec
from msgspec import Struct

from ferry.exchange.upward import RETRY_AFTER
from ferry.exchange.upward_tables import ExchangeReport
from kernel.db import Database, instant
from supervision.region import reporting_systems

#: What waited or was tried so long needs a person; a report that is made anew again and again is as old as its tries.
STUCK_AFTER = timedelta(hours=1)
STUCK_TRIES = len(RETRY_AFTER) + 4


class Above(Struct, frozen=True, kw_only=True):
    """`due`: what happened and is in no report yet. `error`: of the report that waits, its code there or ours.

    `complete_until`: the last day that was proved above; `rejected`: rows the level above did not take, ever.
    """

    due: int
    waiting: int
    batch: str = ""
    since: datetime | None = None
    attempts: int = 0
    error: str = ""
    state: str = ""
    taken: int = 0
    taken_at: datetime | None = None
    complete_until: date | None = None
    rejected: int = 0
    stuck: bool = False


class Below(Struct, frozen=True, kw_only=True):
    """`missing_days`: days whose batch was not in by the hour; `days_that_differ`: of which both sides hold unlike."""

    source: str
    name: str
    region: str
    org: str
    complete_until: date | None
    missing_days: int
    missing_since: date | None
    days_that_differ: int
    heard_at: datetime | None


class ExchangeStatus(Struct, frozen=True, kw_only=True):
    above: Above
    below: tuple[Below, ...]

    @property
    def needs_somebody(self) -> bool:
        return self.above.stuck or any(each.missing_days or each.days_that_differ for each in self.below)


async def exchange_status(database: Database, *, now: datetime) -> ExchangeStatus:
    below = [msgspec.convert(row, Below) for row in await reporting_systems(database)]
    return ExchangeStatus(above=await above(database, now=now), below=tuple(below))


async def rejected_rows(limit: int = 1000) -> list[tuple[str, str]]:
    """By batch, as JSON, the rows the level above rejected and why; the latest first."""
    reports = await ExchangeReport.filter(rejected__gt=0).order_by("-id").limit(limit)
    return [(report.batch, report.reasons) for report in reports]


async def above(database: Database, *, now: datetime) -> Above:
    """What is on its way up."""
    (counted,) = await database.rows(
        "SELECT COALESCE(SUM(CASE WHEN state = 'taken' THEN 0 ELSE 1 END), 0) AS waiting,"
        " COALESCE(SUM(CASE WHEN state = 'taken' THEN 1 ELSE 0 END), 0) AS taken, MAX(answered_at) AS taken_at,"
        " COALESCE(SUM(rejected), 0) AS rejected,"
        " (SELECT COUNT(*) FROM exchange_due) AS due,"
        " (SELECT MAX(closes) FROM exchange_report WHERE state = 'taken') AS closed FROM exchange_report"
    )
    oldest = await ExchangeReport.exclude(state="taken").order_by("id").first()
    (due,) = await database.rows("SELECT MIN(at) AS at FROM exchange_due")
    closed, taken_at, since = counted["closed"], instant(counted["taken_at"]), oldest.made_at if oldest else None
    # Nothing on its way, and nothing made of what is due: we have no certificate to speak with.
    if oldest is None and (taken_at is None or now - taken_at > STUCK_AFTER):
        since = instant(due["at"])
    is_tried = oldest is not None and oldest.attempts >= STUCK_TRIES
    return Above(
        due=int(str(counted["due"])),
        waiting=int(str(counted["waiting"])),
        taken=int(str(counted["taken"])),
        taken_at=taken_at,
        complete_until=date.fromisoformat(str(closed)[:10]) if closed is not None else None,
        rejected=int(str(counted["rejected"])),
        batch=oldest.batch if oldest else "",
        since=since,
        state=oldest.state if oldest else "",
        attempts=oldest.attempts if oldest else 0,
        error=oldest.error if oldest else "",
        stuck=is_tried or (since is not None and now - since > STUCK_AFTER),
    )
