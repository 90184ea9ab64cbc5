"""The catalogue from other sides: as flowcharts, by 百件实事, by window, and as the reports that are filed."""

from datetime import datetime

import strawberry

from casework.catalogue import current
from casework.catalogue.definitions import StageUnknown
from casework.catalogue.flowchart import mermaid
from casework.catalogue.flowchart_svg import svg
from casework.catalogue.reports import report
from kernel.actor import Role
from kernel.refusals import NotFound, NotPermitted
from mobile_api.context import Info
from mobile_api.enums import CatalogueReportKind
from mobile_api.pages import shaped


@strawberry.type(
    description="How one stage is handled, made from the very steps a case goes through. `mermaid` is text, `svg` a "
    "picture without scripts or links."
)
class Flowchart:
    title: str
    mermaid: str
    svg: str


@strawberry.type(description="An item by its code; `deeds` are the 百件实事 it belongs to.")
class ItemLink:
    code: strawberry.ID
    name: str
    unit: str
    deeds: list[str]


@strawberry.type(description="One of 百件实事 with the items that belong to it.")
class Deed:
    number: strawberry.ID
    count: int
    items: list[ItemLink]


@strawberry.type
class DeedPage:
    nodes: list[Deed]
    end_cursor: str | None


@strawberry.type(description="A hall, branch hall or township centre, and how many items its windows take.")
class Window:
    code: strawberry.ID
    name: str
    kind: str
    phone: str
    count: int


@strawberry.type
class ItemLinkPage:
    nodes: list[ItemLink]
    end_cursor: str | None


@strawberry.type(description="A table of texts. `sha256` is over kind, instant, columns and rows.")
class CatalogueReport:
    kind: CatalogueReportKind
    title: str
    generated_at: datetime
    sha256: str
    columns: list[str]
    rows: list[list[str]]


async def _flowchart(info: Info, item: strawberry.ID, stage: strawberry.ID) -> Flowchart | None:
    try:
        chart = await current.chart_of(info.context.services.database, item, stage)
    except (NotFound, StageUnknown):
        return None
    return Flowchart(title=chart.title, mermaid=mermaid(chart), svg=svg(chart))


async def _deeds(info: Info, first: int = 20, after: str | None = None) -> DeedPage:
    context = info.context
    rows, end = await current.deeds(context.services.database, first=context.page(first), after=after or "")
    return shaped(DeedPage, {"nodes": rows, "end_cursor": end})


async def _windows(info: Info) -> list[Window]:
    return [shaped(Window, row) for row in await current.windows(info.context.services.database)]


async def _offered_at(info: Info, window: strawberry.ID, first: int = 20, after: str | None = None) -> ItemLinkPage:
    context = info.context
    rows, end = await current.offered(context.services.database, window, first=context.page(first), after=after or "")
    return shaped(ItemLinkPage, {"nodes": rows, "end_cursor": end})


async def _catalogue_report(info: Info, kind: CatalogueReportKind) -> CatalogueReport:
    context = info.context
    if not context.officer().has(Role.REFORM_OFFICE, Role.EFFICIENCY_OFFICE):
        raise NotPermitted(act="catalogueReport", needs=f"{Role.REFORM_OFFICE} | {Role.EFFICIENCY_OFFICE}")
    services = context.services
    catalogue = await current.whole_catalogue(services.database, services.rules)
    made = report(kind, catalogue, now=services.clock.now())
    return CatalogueReport(
        kind=kind,
        title=made.title,
        generated_at=made.generated_at,
        sha256=made.sha256,
        columns=list(made.columns),
        rows=[list(row) for row in made.rows],
    )


@strawberry.type
class OverviewQueries:
    flowchart: Flowchart | None = strawberry.field(resolver=_flowchart)
    deeds: DeedPage = strawberry.field(resolver=_deeds, description="百件实事 in the order of their numbers.")
    windows: list[Window] = strawberry.field(resolver=_windows)
    offered_at: ItemLinkPage = strawberry.field(resolver=_offered_at, description="What one window takes, by code.")
    catalogue_report: CatalogueReport = strawberry.field(
        resolver=_catalogue_report, description="For the reform office and the efficiency office."
    )
