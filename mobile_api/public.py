"""What needs no account: the guide, the progress of a case, a ticket to upload materials; and keeping the guide."""

from datetime import date
from typing import Annotated

import strawberry

from casework.acts import ItemView, PublishItem, RetireItem
from hall import guides
from hall.progress import ProgressView, QueryProgress
from mobile_api.context import Info, perform
from mobile_api.enums import ItemClass, MaterialForm
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal
from mobile_api.scalars import Base64URL


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


@strawberry.type(description="Limits in working days.")
class GuideStage:
    code: strawberry.ID
    name: str
    statutory_days: int
    committed_days: int
    materials: list[GuideMaterial]


@strawberry.type(description="The public guide of one item.")
class Guide:
    code: strawberry.ID
    version: int
    name: str
    item_class: ItemClass
    class_name: str
    unit: str
    unit_name: str | None
    section: str
    person: str
    phone: str
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


ProgressResult = Annotated[Progress | Refusal, strawberry.union("ProgressResult")]


@strawberry.type(description="A catalogue item as an act left it.")
class ItemState:
    code: strawberry.ID
    version: int
    state: str


@strawberry.type
class ItemPayload:
    item: ItemState


ItemResult = Annotated[ItemPayload | Refusal, strawberry.union("ItemResult")]


async def _guides(
    info: Info, first: int = 20, after: str | None = None, unit: str | None = None, text: str | None = None
) -> GuidePage:
    context = info.context
    rows, end = await guides.guides(
        context.services.database, first=context.page(first), after=after or "", unit=unit, text=(text or "").strip()
    )
    return shaped(GuidePage, {"nodes": rows, "end_cursor": end})


async def _guide(info: Info, code: strawberry.ID) -> Guide | None:
    row = await guides.guide(info.context.services.database, code)
    return None if row is None else shaped(Guide, row)


async def _progress(info: Info, number: strawberry.ID, password: str) -> ProgressResult:
    return await perform(info, QueryProgress(number=number, password=password), _shown)


async def _publish_item(info: Info, idempotency_key: str, definition: Base64URL) -> ItemResult:
    return await perform(info, PublishItem(definition=definition), _item, key=idempotency_key)


async def _retire_item(info: Info, idempotency_key: str, code: strawberry.ID) -> ItemResult:
    return await perform(info, RetireItem(code=code), _item, key=idempotency_key)


def _shown(view: ProgressView) -> Progress:
    return Progress(
        number=strawberry.ID(view.number),
        item=view.item,
        step=view.step,
        status=view.status,
        unit=view.unit,
        due_on=view.due_on,
        days_left=view.days_left,
    )


def _item(view: ItemView) -> ItemPayload:
    return ItemPayload(item=ItemState(code=strawberry.ID(view.code), version=view.version, state=view.state))


@strawberry.type
class PublicQueries:
    guides: GuidePage = strawberry.field(resolver=_guides, description="Published items in the order of their codes.")
    guide: Guide | None = strawberry.field(resolver=_guide)
    progress: ProgressResult = strawberry.field(
        resolver=_progress, description="With the query password that came with the receipt."
    )


@strawberry.type
class PublicMutations:
    publish_item: ItemResult = strawberry.field(
        resolver=_publish_item, description="`definition`: the item's JSON, UTF-8."
    )
    retire_item: ItemResult = strawberry.field(
        resolver=_retire_item, description="For good: the code is never used again. Cases under way go on."
    )
