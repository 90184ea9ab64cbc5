"""What an operator does with the catalogue at the server itself: judge a file, publish from it, write one.

Publishing takes what is good and names what is not; importing takes a file as a whole or not at all.
"""

from collections.abc import AsyncIterator, Sequence

import msgspec

from casework.acts import ItemView, PublishItem
from casework.catalogue import publishing
from casework.catalogue.checks import check
from casework.catalogue.current import items_in_force
from casework.catalogue.definitions import ItemDefinition, ItemMalformed, parse
from casework.catalogue.exchange import as_excel, as_json, definitions, read
from casework.catalogue.file_problems import Problem, Reading
from casework.catalogue.workbooks import CatalogueFileRefused
from casework.refusals import UnknownItem
from kernel.actor import THE_OPERATOR
from kernel.refusals import NotFound, Refusal
from server.provisions import casework_rules
from server.wiring import System


async def judge_file(system: System, document: bytes) -> Reading:
    """The items of a JSON or Excel file and everything wrong with it, with the file alone and beside what is here."""
    reading = read(document, casework_rules(system.settings))
    codes = {item.code for item in reading.items} | {item.code for item in await items_in_force(system.database)}
    for item in reading.items:
        for refusal in await publishing.standing_problems(item):
            reading.blame(item, refusal)
        for part in item.package:
            if part.item not in codes:
                reading.blame(item, NotFound(what=f"事项{part.item}"))
    return reading


async def import_items(
    system: System, document: bytes
) -> tuple[Sequence[Problem], Sequence[tuple[str, ItemView | Refusal]]]:
    """Publishes every item of a file without a single problem; else the problems, and nothing is published."""
    reading = await judge_file(system, document)
    if reading.problems:
        return reading.problems, ()
    return (), [(item.code, await _published(system, item, msgspec.json.encode(item))) for item in reading.items]


async def export_items(system: System, suffix: str) -> tuple[bytes, int]:
    """Every item in force that is not secret, as `.json` or `.xlsx`, and how many they are."""
    items = await items_in_force(system.database)
    return (as_json if suffix == ".json" else as_excel)(items), len(items)


async def publish_items(system: System, document: bytes) -> AsyncIterator[tuple[str, ItemView | Sequence[Refusal]]]:
    """Publishes one definition or a list of them: per item its name and its version, or everything wrong with it.

    What is published in the same words already keeps its version, so a mended file may be given again.
    """
    for number, definition in enumerate(_definitions(document), 1):
        try:
            item = parse(definition)
        except ItemMalformed as malformed:
            yield f"[{number}]", [malformed]
            continue
        outcome = await _published(system, item, definition)
        if isinstance(outcome, ItemView):
            yield item.code, outcome
        else:
            yield item.code, check(item, casework_rules(system.settings)) or [outcome]


def _definitions(document: bytes) -> list[bytes]:
    try:
        return definitions(document)
    except CatalogueFileRefused as refused:
        raise ItemMalformed(why=str(refused)) from None


async def _published(system: System, item: ItemDefinition, definition: bytes) -> ItemView | Refusal:
    """The item's version: the present one if it says the same, else the next."""
    try:
        version, standing = await publishing.published(item.code)
    except UnknownItem:
        standing = None
    else:
        if standing == item:
            return ItemView(code=item.code, version=version.version, state=publishing.PUBLISHED)
    return await system.office.perform(PublishItem(definition=definition), THE_OPERATOR, key=None)
