"""综合查询统计 and 任务查询: numbers by any dimension, and the search for cases."""

from datetime import date

import strawberry

from casework.catalogue.definitions import CLASS_NAMES
from casework.clock.working_days import day_of
from casework.search import CaseSearch, search_cases
from kernel.db import Database
from kernel.refusals import Invalid
from mobile_api.context import Info
from mobile_api.enums import CaseOutcome, CaseStatus, Channel, ItemClass, PeriodOf, StatisticsDimension, WorstColour
from mobile_api.pages import cursor_after, id_after, shaped
from mobile_api.tasks import CaseSummary
from supervision.statistics import Figures, StatisticsFilter, narrowed_for, statistics

_MOST_DIMENSIONS = 4


@strawberry.input(description="Every field left out or null narrows nothing. Both days are included.")
class StatisticsFilterInput:
    since: date | None = None
    until: date | None = None
    period_of: PeriodOf = PeriodOf.RECEIVED
    unit: str | None = None
    item: str | None = None
    stage: str | None = None
    item_class: ItemClass | None = None
    grade: str | None = None
    channel: Channel | None = None
    light: WorstColour | None = None
    card: WorstColour | None = None
    result: CaseOutcome | None = None
    status: CaseStatus | None = None

    def to_filter(self) -> StatisticsFilter:
        return StatisticsFilter(**vars(self))


@strawberry.type(description="`label` is the name of a unit, item or class; else it is the value.")
class StatisticsKey:
    dimension: StatisticsDimension
    value: str
    label: str


@strawberry.type(description="docs/statistics.md defines each number. Rates are per cent; null when nothing is closed.")
class StatisticsRow:
    keys: list[StatisticsKey]
    received: int
    accepted: int
    in_process: int
    closed: int
    undecided: int
    granted: int
    refused: int
    on_time: int
    early: int
    overdue: int
    yellow_lights: int
    red_lights: int
    yellow_cards: int
    red_cards: int
    rated: int
    low_ratings: int
    on_time_rate: str | None
    early_rate: str | None
    average_days: str | None
    satisfaction: str | None = strawberry.field(description="Per cent of the best score; null without a rating.")


@strawberry.type(description="`rows`: every group with a case. `total`: all of them together.")
class Statistics:
    rows: list[StatisticsRow]
    total: StatisticsRow


@strawberry.type(description="A case that a search found.")
class FoundCase(CaseSummary):
    unit_name: str | None
    open_step: str | None


@strawberry.type
class FoundCasePage:
    nodes: list[FoundCase]
    end_cursor: str | None


@strawberry.input(description="`applicant`: a piece of the name, or a whole id number or phone number.")
class CaseSearchInput:
    number: str | None = strawberry.field(default=None, description="A case number, or how it begins.")
    applicant: str | None = None
    statuses: list[CaseStatus] | None = None
    item: str | None = None
    unit: str | None = None

    def to_search(self) -> CaseSearch:
        return CaseSearch(
            number=(self.number or "").strip(),
            applicant=(self.applicant or "").strip(),
            statuses=tuple(self.statuses or ()),
            item=self.item or "",
            unit=self.unit or "",
        )


async def _statistics(
    info: Info, filter: StatisticsFilterInput | None = None, by: list[StatisticsDimension] | None = None
) -> Statistics:
    context = info.context
    services = context.services
    database, calendar, today = services.database, services.calendar, day_of(services.clock.now())
    dimensions = list(dict.fromkeys(by or ()))
    if len(dimensions) > _MOST_DIMENSIONS:
        raise Invalid(field="by", why=f"最多{_MOST_DIMENSIONS}项")
    only = narrowed_for(context.officer(), filter.to_filter() if filter else StatisticsFilter())
    rows = await statistics(database, today=today, calendar=calendar, only=only, by=dimensions) if dimensions else []
    (total,) = await statistics(database, today=today, calendar=calendar, only=only)
    labels = {dimension: await _labels(database, dimension) for dimension in dimensions}
    return Statistics(rows=[_row(figures, labels) for figures in rows], total=_row(total, {}))


async def _search_cases(
    info: Info, search: CaseSearchInput, first: int = 20, after: str | None = None
) -> FoundCasePage:
    context = info.context
    rows, end = await search_cases(
        context.services.database,
        context.officer(),
        search.to_search(),
        first=context.page(first),
        after=id_after(after),
    )
    return shaped(FoundCasePage, {"nodes": rows, "end_cursor": cursor_after(end)})


def _row(figures: Figures, labels: dict[StatisticsDimension, dict[str, str]]) -> StatisticsRow:
    keys = [
        StatisticsKey(dimension=dimension, value=value, label=labels[dimension].get(value, value))
        for dimension, value in zip(labels, figures.keys, strict=True)
    ]
    numbers = {name: getattr(figures, name) for name in figures.__struct_fields__ if name != "keys"}
    return StatisticsRow(keys=keys, **numbers)


async def _labels(database: Database, dimension: StatisticsDimension) -> dict[str, str]:
    """Names of the values that have one."""
    if dimension is StatisticsDimension.ITEM_CLASS:
        return {str(value): name for value, name in CLASS_NAMES.items()}
    named = {
        StatisticsDimension.UNIT: "SELECT code, name FROM unit",
        StatisticsDimension.ITEM: "SELECT item_code AS code, MAX(name) AS name FROM item_version"
        " WHERE secret = FALSE GROUP BY item_code",
    }
    sql = named.get(dimension)
    return {str(row["code"]): str(row["name"]) for row in await database.rows(sql)} if sql else {}


@strawberry.type
class StatisticsQueries:
    statistics: Statistics = strawberry.field(
        resolver=_statistics, description="Of the caller's unit; supervisors see every unit. Secret cases never."
    )
    search_cases: FoundCasePage = strawberry.field(
        resolver=_search_cases, description="Among the cases that the caller may see, newest first."
    )
