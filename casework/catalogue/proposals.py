"""What a change of the catalogue proposes, and writing it as a draft.

Source: the catalogue rules on adding, adjusting, splitting and removing items (事项增减调整拆分), on deferred items and
on secret ones, which no draft may hold. A draft may be incomplete; what publishing still needs is asked when it is
submitted (`change_control`).
"""

import hashlib
from datetime import date

import msgspec

from casework.catalogue.acts import ChangeKind, ChangeState, ChangeStep, ChangeView, DiscardChange, SaveChange
from casework.catalogue.checks import ItemSecret, ensure_deferral_explained, ensure_name_shown
from casework.catalogue.definitions import NONE, ItemDefinition, parse
from casework.catalogue.events import ChangeDiscarded, ChangeSaved
from casework.catalogue.publishing import PUBLISHED, published
from casework.catalogue.refusals import (
    ChangeMalformed,
    ChangeStepClosed,
    ItemExists,
    ItemOfAnotherUnit,
    UnknownChange,
)
from casework.catalogue.tables import ItemChange
from casework.clock.working_days import day_of
from casework.refusals import ItemRetired
from casework.rules import CaseworkRules
from casework.tables import Item
from kernel.numbers import next_number
from kernel.refusals import ChangedMeanwhile, Invalid
from kernel.tables import Officer
from kernel.work import Work

KIND_NAMES = {
    ChangeKind.ADD: "新增",
    ChangeKind.ADJUST: "调整",
    ChangeKind.SPLIT: "拆分",
    ChangeKind.REMOVE: "取消",
}
_LONGEST_REASON = 1000


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed and sealed, written as JSON in the order of these fields. `base_version`: of the item that is
    changed, 0 for a new one. Definitions stand as the unit wrote them, octet for octet.
    """

    number: str
    kind: ChangeKind
    item: str
    unit: str
    base_version: int
    effective_on: date | None
    reason: str
    definitions: tuple[str, ...]

    def written(self) -> str:
        return msgspec.json.encode(self).decode()

    def items(self) -> list[ItemDefinition]:
        return [parse(text) for text in self.definitions]


def proposal_of(change: ItemChange) -> Proposal:
    return msgspec.json.decode(change.document, type=Proposal)


def digest_of(text: str) -> str:
    """SHA-256, hex, of the UTF-8 octets."""
    return hashlib.sha256(text.encode()).hexdigest()


async def save_change(work: Work, act: SaveChange) -> ChangeView:
    """Writes a draft for an item of the officer's own unit, or rewrites it.

    Raises ITEM_MALFORMED, ITEM_NAME_INVALID, ITEM_SECRET, DEFERRAL_UNEXPLAINED, CHANGE_MALFORMED,
    ITEM_OF_ANOTHER_UNIT, UNKNOWN_ITEM, ITEM_EXISTS, ITEM_RETIRED, CHANGED_MEANWHILE, CHANGE_STEP_CLOSED.
    """
    items = [parse(definition) for definition in act.definitions]
    _check_words(work, act)
    _check_items(items, act, work.given(CaseworkRules))
    unit = str((await Officer.get(id=work.actor.id)).unit_code)
    base_version, name = await _base(act, items, unit)
    draft = await draft_of(act.change, act.revision) if act.change is not None else None
    year = day_of(work.now).year
    number = draft.number if draft else f"BG{year}{await next_number(f'item-change:{year}'):06d}"
    authors = draft.authors if draft else []
    columns = {
        "kind": act.kind,
        "item_code": act.item,
        "item_name": name,
        "document": Proposal(
            number=number,
            kind=act.kind,
            item=act.item,
            unit=unit,
            base_version=base_version,
            effective_on=act.effective_on,
            reason=act.reason.strip(),
            definitions=tuple(definition.decode() for definition in act.definitions),
        ).written(),
        "has_fees": any(stage.fees != NONE and stage.fees for item in items for stage in item.stages),
        "effective_on": act.effective_on,
        "authors": authors if work.actor.id in authors else [*authors, work.actor.id],
        "saved_at": work.now,
    }
    if draft is None:
        draft = ItemChange(number=number, state=ChangeState.DRAFT, unit_code=unit, next_step=ChangeStep.SUBMIT)
        await draft.update_from_dict(columns).save(force_create=True)
    else:
        await swap_change(draft, act.revision, **columns)
    work.record(ChangeSaved(change=number, kind=act.kind, item=act.item, unit=unit, officer=work.actor.id))
    return view_of(draft)


async def discard_change(work: Work, act: DiscardChange) -> ChangeView:
    """撤销: the unit gives a draft up."""
    change = await draft_of(act.change, act.revision)
    await swap_change(change, act.revision, state=ChangeState.DISCARDED, next_step="")
    work.record(ChangeDiscarded(change=change.number, officer=work.actor.id))
    return view_of(change)


async def find_change(number: str) -> ItemChange:
    change = await ItemChange.get_or_none(number=number)
    if change is None:
        raise UnknownChange(change=number)
    return change


async def draft_of(number: str, revision: int) -> ItemChange:
    change = await find_change(number)
    if change.revision != revision:
        raise ChangedMeanwhile(subject=f"change:{number}")
    if change.state != ChangeState.DRAFT:
        raise ChangeStepClosed(change=number, step="草案")
    return change


async def swap_change(change: ItemChange, revision: int, **columns: object) -> None:
    """Writes `columns` if the change is still at `revision`, and brings `change` up to date.

    Raises CHANGED_MEANWHILE.
    """
    changed = await ItemChange.filter(number=change.number, revision=revision).update(revision=revision + 1, **columns)
    if changed != 1:
        raise ChangedMeanwhile(subject=f"change:{change.number}")
    change.update_from_dict({"revision": revision + 1, **columns})


def view_of(change: ItemChange) -> ChangeView:
    return ChangeView(
        number=change.number,
        state=ChangeState(change.state),
        revision=change.revision,
        next_step=ChangeStep(change.next_step) if change.next_step else None,
        notice_until=change.notice_until,
    )


async def ensure_new(code: str) -> None:
    """Raises ITEM_EXISTS or ITEM_RETIRED."""
    if (item := await Item.get_or_none(code=code)) is not None:
        raise ItemExists(item=code) if item.state == PUBLISHED else ItemRetired(item=code)


async def ensure_base(proposal: Proposal) -> None:
    """Raises CHANGED_MEANWHILE when the item is not the one that the change was written for any more."""
    if proposal.kind is ChangeKind.ADD:
        return await ensure_new(proposal.item)
    item = await Item.get_or_none(code=proposal.item, state=PUBLISHED)
    if item is None or item.version != proposal.base_version:
        raise ChangedMeanwhile(subject=f"item:{proposal.item}")


def _check_words(work: Work, act: SaveChange) -> None:
    if not act.reason.strip() or len(act.reason) > _LONGEST_REASON:
        raise Invalid(field="变更理由", why=f"请写明理由（不超过{_LONGEST_REASON}字）")
    if act.effective_on is not None and act.effective_on < day_of(work.now):
        raise Invalid(field="生效日期", why="不得早于今天")


def _check_items(items: list[ItemDefinition], act: SaveChange, rules: CaseworkRules) -> None:
    codes = [item.code for item in items]
    fits = {
        ChangeKind.ADD: codes == [act.item],
        ChangeKind.ADJUST: codes == [act.item],
        ChangeKind.SPLIT: len(codes) >= 2 and len(set(codes)) == len(codes),
        ChangeKind.REMOVE: not codes,
    }
    if not fits[act.kind]:
        raise ChangeMalformed()
    for item in items:
        if item.secret:
            raise ItemSecret(item=item.code)
        ensure_name_shown(item)
        ensure_deferral_explained(item, rules)


async def _base(act: SaveChange, items: list[ItemDefinition], unit: str) -> tuple[int, str]:
    """The version that is changed, and what the item is called."""
    for item in items:
        if item.unit != unit:
            raise ItemOfAnotherUnit(item=item.code)
        if act.kind is ChangeKind.ADD or (act.kind is ChangeKind.SPLIT and item.code != act.item):
            await ensure_new(item.code)
    if act.kind is ChangeKind.ADD:
        return 0, items[0].name
    version, _ = await published(act.item)
    if version.unit_code != unit:
        raise ItemOfAnotherUnit(item=act.item)
    return version.version, version.name
