"""The catalogue as it stands now: every published item that is not secret, and who looks for what in it.

百件实事 and items are linked both ways: an item carries the numbers of the deeds it belongs to, a deed leads to its
items. A hall, a branch or a centre offers the items that name it, and those that name no place at all.

Source: 百件实事网上办; township and street services (乡镇街道便民服务).
Limits: definitions are read whole; a catalogue is a few thousand items, and published ones never change.
"""

from functools import lru_cache

import msgspec

from casework.catalogue.definitions import ItemDefinition, parse
from casework.catalogue.flowchart import Flowchart, flowchart
from casework.catalogue.publishing import WINDOW_KINDS
from casework.catalogue.reports import Catalogue, UnitEntry
from casework.rules import CaseworkRules
from kernel.db import Database, Row
from kernel.refusals import NotFound

_IN_FORCE = (
    "SELECT v.definition FROM item i JOIN item_version v ON v.item_code = i.code AND v.version = i.version"
    " WHERE i.state = 'published' AND v.secret = FALSE"
)


async def items_in_force(database: Database) -> list[ItemDefinition]:
    """In the order of their codes."""
    items = [_parsed(str(row["definition"])) for row in await database.rows(_IN_FORCE)]
    return sorted(items, key=lambda item: item.code)  # as pages compare, whatever the database's collation


async def whole_catalogue(database: Database, rules: CaseworkRules) -> Catalogue:
    """What reports are made of."""
    units = await database.rows("SELECT code, name, short_name, kind, phone FROM unit ORDER BY code")
    return Catalogue(await items_in_force(database), [msgspec.convert(unit, UnitEntry) for unit in units], rules)


async def unit_names(database: Database, *, short: bool = False) -> dict[str, str]:
    rows = await database.rows("SELECT code, name, short_name FROM unit")
    return {str(row["code"]): str(row["short_name" if short else "name"]) for row in rows}


async def chart_of(database: Database, item: str, stage: str) -> Flowchart:
    """How a stage of an item in force is handled. Raises NOT_FOUND, STAGE_UNKNOWN."""
    rows = await database.rows(f"{_IN_FORCE} AND i.code = $1", item)
    if not rows:
        raise NotFound(what=f"事项{item}")
    return flowchart(_parsed(str(rows[0]["definition"])), stage, await unit_names(database, short=True))


async def deeds(database: Database, *, first: int, after: str = "") -> tuple[list[Row], str | None]:
    """百件实事 by number, each with its items and how many they are, and the number after which a page begins."""
    by_number: dict[str, list[Row]] = {}
    for item in await items_in_force(database):
        for number in item.deeds:
            by_number.setdefault(number, []).append(_link(item))
    numbers = [number for number in sorted(by_number) if number > after]
    rows: list[Row] = [
        {"number": number, "count": len(by_number[number]), "items": by_number[number]} for number in numbers[:first]
    ]
    return rows, numbers[first - 1] if len(numbers) > first else None


async def windows(database: Database) -> list[Row]:
    """Every hall, branch and centre with the number of items it offers."""
    kinds = ", ".join(f"'{kind}'" for kind in WINDOW_KINDS)
    rows = await database.rows(f"SELECT code, name, kind, phone FROM unit WHERE kind IN ({kinds}) ORDER BY code")
    items = await items_in_force(database)
    return [{**row, "count": sum(_offers(item, str(row["code"])) for item in items)} for row in rows]


async def offered(database: Database, window: str, *, first: int, after: str = "") -> tuple[list[Row], str | None]:
    """What a window takes, by code, and the code after which the next page begins. Raises NOT_FOUND."""
    if window not in {row["code"] for row in await windows(database)}:
        raise NotFound(what=f"办理地点{window}")
    items = [item for item in await items_in_force(database) if item.code > after and _offers(item, window)]
    return [_link(item) for item in items[:first]], items[first - 1].code if len(items) > first else None


def _offers(item: ItemDefinition, window: str) -> bool:
    return not item.offered_at or window in item.offered_at


def _link(item: ItemDefinition) -> Row:
    return {"code": item.code, "name": item.name, "unit": item.unit, "deeds": list(item.deeds)}


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ItemDefinition:
    """A published text says the same for ever."""
    return parse(text)
