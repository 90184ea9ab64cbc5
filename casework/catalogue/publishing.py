"""The catalogue of approval items: nothing may be processed that is not in it (一张清单).

A published version is never changed: what is put in force next makes the next version, and every case keeps the version
it was accepted under. The operator publishes an installation's first catalogue at the desk; everybody else goes
through `change_control`. Source: the catalogue rules on the fourteen elements, unified codes and secret items.
"""

import hashlib
from functools import lru_cache

from casework.acts import ItemView, PublishItem
from casework.catalogue.checks import ensure_publishable
from casework.catalogue.definitions import ItemDefinition, parse
from casework.events import ItemPublished, ItemWithdrawn
from casework.refusals import ItemRetired, UnknownItem
from casework.rules import CaseworkRules
from casework.tables import Item, ItemVersion
from kernel.refusals import ChangedMeanwhile, NotFound, Refusal
from kernel.rows import one
from kernel.tables import Unit
from kernel.work import Work

DRAFT, PUBLISHED, RETIRED = "draft", "published", "retired"
#: Units that have windows.
WINDOW_KINDS = ("hall", "branch", "centre")


async def publish_item(work: Work, act: PublishItem) -> ItemView:
    """Publishes a complete definition as the next version.

    Raises ITEM_INCOMPLETE naming the missing elements, COMMITTED_OVER_STATUTORY, ITEM_CODE_INVALID,
    ITEM_SECRET, ITEM_RETIRED …
    """
    parse(act.definition)  # refuses octets that are not UTF-8 before they are decoded
    return await put_in_force(work, act.definition.decode())


async def put_in_force(work: Work, text: str, *, change: str = "") -> ItemView:
    """Makes `text` the item's next version; `change`: the number of the change that was confirmed."""
    definition = parse(text)
    await ensure_may_stand(work, definition)
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
        definition=text,
        change_number=change,
        online_by=definition.deferral.planned_on if definition.deferral else None,
        published_at=work.now,
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    work.record(ItemPublished(item=item.code, version=version, definition_sha256=digest, change=change))
    return ItemView(code=item.code, version=version, state=PUBLISHED)


async def take_out(work: Work, code: str, *, change: str) -> ItemView:
    """Takes an item out of the catalogue; its code is never given to another item."""
    item = await Item.get_or_none(code=code)
    if item is None:
        raise UnknownItem(item=code)
    if item.state == RETIRED:
        raise ItemRetired(item=code)
    await _swap(item, state=RETIRED, version=item.version)
    work.record(ItemWithdrawn(item=code, version=item.version, change=change))
    return ItemView(code=code, version=item.version, state=RETIRED)


async def ensure_may_stand(work: Work, definition: ItemDefinition) -> None:
    """Raises what keeps the definition from being published: its own faults, then what directory and history say."""
    ensure_publishable(definition, work.given(CaseworkRules))
    for problem in await standing_problems(definition):
        raise problem


async def standing_problems(definition: ItemDefinition) -> list[Refusal]:
    """Units that do not exist or have no window, stage codes that were used and given up."""
    problems: list[Refusal] = []
    kinds = dict(await Unit.all().values_list("code", "kind"))
    problems += [NotFound(what=f"单位{code}") for code in _units_of(definition) if code not in kinds]
    if windowless := [code for code in definition.offered_at if kinds.get(code) not in WINDOW_KINDS]:
        problems.append(NoWindowThere(item=definition.code, units=windowless))
    if retired := await _retired_stages(definition):
        problems.append(StageRetired(item=definition.code, stages=retired))
    return problems


def _units_of(definition: ItemDefinition) -> list[str]:
    """Every authority that must act."""
    units = [definition.unit]
    for stage in definition.stages:
        units += [branch.unit for branch in stage.branches]
        units += [stage.report_up.unit] if stage.report_up else []
    return list(dict.fromkeys(units))


async def _retired_stages(definition: ItemDefinition) -> list[str]:
    """Codes of stages that an earlier version had and the present one has given up."""
    item = await Item.get_or_none(code=definition.code)
    if item is None:
        return []
    versions = await ItemVersion.filter(item_code=item.code).order_by("version").values_list("definition", flat=True)
    stages = [{stage.code for stage in parse(str(text)).stages} for text in versions]
    given_up = set().union(*stages) - (stages[-1] if stages else set())
    return sorted(given_up & {stage.code for stage in definition.stages})


async def published(code: str) -> tuple[ItemVersion, ItemDefinition]:
    """The item's current version. Raises UNKNOWN_ITEM when it is not published."""
    item = await Item.get_or_none(code=code, state=PUBLISHED)
    if item is None:
        raise UnknownItem(item=code)
    version, definition = await version_of(code, item.version)
    if version.secret:  # no door publishes one; should it be there all the same, nobody is told
        raise UnknownItem(item=code)
    return version, definition


async def version_of(code: str, version: int) -> tuple[ItemVersion, ItemDefinition]:
    """The version a case was accepted under, published or since replaced."""
    row = await one(ItemVersion, item_code=code, version=version)
    if row is None:
        raise UnknownItem(item=code)
    return row, _read(row.definition)


@lru_cache(maxsize=256)
def _read(definition: str) -> ItemDefinition:
    """Asked at every step of every case; a published text is never changed."""
    return parse(definition)


async def _swap(item: Item, *, state: str, version: int) -> None:
    changed = await Item.filter(code=item.code, revision=item.revision).update(
        state=state, version=version, revision=item.revision + 1
    )
    if changed != 1:
        raise ChangedMeanwhile(subject=f"item:{item.code}")


class NoWindowThere(Refusal):
    code = "NO_WINDOW_THERE"
    zh = "办理地点{units}不是政务大厅、分厅或便民服务中心。"
    en = "Item {item} is offered at {units}, which is no hall, branch or centre."


class StageRetired(Refusal):
    code = "STAGE_RETIRED"
    zh = "阶段编码{stages}已停用，不得再次使用。"
    en = "The stage codes {stages} were given up and are never used again."
