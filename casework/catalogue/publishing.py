"""The catalogue of approval items: nothing may be processed that is not in it (一张清单).

A published version is never changed: publishing again makes the next version, and every case keeps the version it
was accepted under. Source: the catalogue rules on the fourteen elements, unified codes and secret items.
"""

import hashlib

from casework.acts import ItemView, PublishItem, RetireItem
from casework.catalogue.definitions import ItemDefinition, ItemSecret, ensure_publishable, parse
from casework.events import ItemPublished, ItemWithdrawn
from casework.refusals import ItemRetired, UnknownItem
from casework.rules import CaseworkRules
from casework.tables import Item, ItemVersion
from kernel.refusals import ChangedMeanwhile, NotFound
from kernel.tables import Unit
from kernel.work import Work

DRAFT, PUBLISHED, RETIRED = "draft", "published", "retired"


async def publish_item(work: Work, act: PublishItem) -> ItemView:
    """Publishes a complete definition as the next version.

    Raises ITEM_INCOMPLETE naming the missing elements, COMMITTED_OVER_STATUTORY, ITEM_CODE_INVALID,
    ITEM_SECRET, ITEM_RETIRED …
    """
    definition = parse(act.definition)
    ensure_publishable(definition, code_pattern=work.given(CaseworkRules).item_code_pattern)
    if definition.secret:
        raise ItemSecret(item=definition.code)
    if not await Unit.exists(code=definition.unit):
        raise NotFound(what=f"单位{definition.unit}")
    item, _ = await Item.get_or_create(code=definition.code, defaults={"state": DRAFT})
    if item.state == RETIRED:
        raise ItemRetired(item=item.code)
    version = item.version + 1
    await _swap(item, state=PUBLISHED, version=version)
    await ItemVersion.create(
        item_code=item.code,
        version=version,
        name=definition.name,
        unit_code=definition.unit,
        secret=definition.secret,
        definition=act.definition.decode(),
        published_at=work.now,
    )
    digest = hashlib.sha256(act.definition).hexdigest()
    work.record(ItemPublished(item=item.code, version=version, definition_sha256=digest))
    return ItemView(code=item.code, version=version, state=PUBLISHED)


async def retire_item(work: Work, act: RetireItem) -> ItemView:
    """Takes an item out of the catalogue; its code is never given to another item."""
    item = await Item.get_or_none(code=act.code)
    if item is None:
        raise UnknownItem(item=act.code)
    if item.state == RETIRED:
        raise ItemRetired(item=item.code)
    await _swap(item, state=RETIRED, version=item.version)
    work.record(ItemWithdrawn(item=item.code, version=item.version))
    return ItemView(code=item.code, version=item.version, state=RETIRED)


async def published(code: str) -> tuple[ItemVersion, ItemDefinition]:
    """The item's current version. Raises UNKNOWN_ITEM when it is not published."""
    item = await Item.get_or_none(code=code, state=PUBLISHED)
    if item is None:
        raise UnknownItem(item=code)
    return await version_of(code, item.version)


async def version_of(code: str, version: int) -> tuple[ItemVersion, ItemDefinition]:
    """The version a case was accepted under, published or since replaced."""
    row = await ItemVersion.get(item_code=code, version=version)
    return row, parse(row.definition)


async def _swap(item: Item, *, state: str, version: int) -> None:
    changed = await Item.filter(code=item.code, revision=item.revision).update(
        state=state, version=version, revision=item.revision + 1
    )
    if changed != 1:
        raise ChangedMeanwhile(subject=f"item:{item.code}")
