"""What needs no account: the guide, and the progress of a case."""

from datetime import date, datetime
from typing import Annotated

import strawberry

from hall import guides
from hall.progress import ProgressView, QueryProgress
from mobile_api.context import Info, perform
from mobile_api.enums import Grade, ItemClass, MaterialForm, OnlineLevel, ServiceMode, StageKind
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal


@strawberry.type(description="One of the fourteen elements of an item.")
class GuideElement:
    number: int
    name: str
    lines: list[str]


@strawberry.type
class GuideMaterial:
    name: str
    required: bool
    form: MaterialForm


@strawberry.type(description="`amountCents` is null where the standard is a formula.")
class GuideFee:
    name: str
    standard: str
    basis: str
    amount_cents: int | None


@strawberry.type(description="The licence that a grant makes; `validMonths` is null for one without end.")
class GuideLicence:
    name: str
    valid_months: int | None
    annual_review: bool


@strawberry.type
class GuideWindow:
    code: strawberry.ID
    name: str


@strawberry.type(description="Limits in working days. `form`: JSON Schema (2020-12) of the online form, as text.")
class GuideStage:
    code: strawberry.ID
    name: str
    kind: StageKind
    basis: str
    statutory_days: int
    committed_days: int
    form: str | None
    materials: list[GuideMaterial]
    fees: list[GuideFee]


@strawberry.type(description="The public guide of one item.")
class Guide:
    code: strawberry.ID
    version: int
    name: str
    item_class: ItemClass
    class_name: str
    grade: Grade | None
    grade_name: str
    online_level: OnlineLevel
    online_level_name: str
    mode: ServiceMode
    mode_name: str
    unit: str
    unit_name: str | None
    section: str
    person: str
    duties: str
    phone: str
    complaint_channel: list[str]
    offered_at: list[GuideWindow] = strawberry.field(description="Windows that take it; empty: all of them.")
    licence: GuideLicence | None
    deeds: list[str] = strawberry.field(description="百件实事 it belongs to; `deeds` of the graph leads back.")
    elements: list[GuideElement] = strawberry.field(description="All fourteen, in the order of the catalogue rules.")
    stages: list[GuideStage]


@strawberry.type
class GuidePage:
    nodes: list[Guide]
    end_cursor: str | None


@strawberry.type(description="Where a case stands; no person is named.")
class Progress:
    number: strawberry.ID
    item: str
    step: str
    status: str
    unit: str
    due_on: date | None
    days_left: int | None
    as_of: datetime | None = strawberry.field(description="现状截至: when it stood so.")


ProgressResult = Annotated[Progress | Refusal, strawberry.union("ProgressResult")]


async def _guides(
    info: Info, first: int = 20, after: str | None = None, unit: str | None = None, text: str | None = None
) -> GuidePage:
    context = info.context
    rows, end = await guides.guides(
        context.services.database,
        context.services.rules,
        first=context.page(first),
        after=after or "",
        unit=unit,
        text=(text or "").strip(),
    )
    return shaped(GuidePage, {"nodes": rows, "end_cursor": end})


async def _guide(info: Info, code: strawberry.ID) -> Guide | None:
    services = info.context.services
    row = await guides.guide(services.database, services.rules, code)
    return None if row is None else shaped(Guide, row)


async def _progress(info: Info, number: strawberry.ID, password: str) -> ProgressResult:
    return await perform(info, QueryProgress(number=number, password=password), _shown)


def _shown(view: ProgressView) -> Progress:
    return Progress(
        number=strawberry.ID(view.number),
        item=view.item,
        step=view.step,
        status=view.status,
        unit=view.unit,
        due_on=view.due_on,
        days_left=view.days_left,
        as_of=view.as_of,
    )


@strawberry.type
class PublicQueries:
    guides: GuidePage = strawberry.field(resolver=_guides, description="Published items in the order of their codes.")
    guide: Guide | None = strawberry.field(resolver=_guide)
    progress: ProgressResult = strawberry.field(
        resolver=_progress, description="With the query password that came with the receipt."
    )
