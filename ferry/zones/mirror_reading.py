"""What the mirror tells of a subject, read from the tables: many subjects with as many queries as there are tables.

Secret items and cases, and what belongs to them, have no rows here.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec import Struct
from tortoise.models import Model

from casework.catalogue.tables import ItemChange
from casework.clock.tables import CalendarNotice
from casework.flow.tables import Package, PackagePart
from casework.licences.tables import Licence
from casework.tables import Case, ItemVersion
from ferry.zones.mirrored import ALL, KINDS, WHOLE, Mirrored
from ferry.zones.shapes import State, told
from hall.tables import Consultation
from kernel.chance import Secrets
from kernel.db import Database
from supervision.tables import Card


async def read_states(kind: str, keys: Sequence[str], secrets: Secrets) -> dict[str, State]:
    """The rows that cross of each of these subjects; none for what is secret or not there."""
    secret = await _secret_ones(kind, keys)
    open_keys = [key for key in keys if key not in secret]
    found: dict[str, dict[str, list[Struct]]] = {key: {table.name: [] for table in KINDS[kind]} for key in keys}
    #: By table and id of a row, whose it is: rows of other tables say only that.
    owners: dict[type[Model], dict[object, str]] = {}
    for table in KINDS[kind]:
        owned = owners[table.model] = {}
        for key, row in await _rows_of(table, kind, open_keys, owners):
            owned[row.pk] = key
            found[key][table.name].append(told(table, row, secrets))
    return dict(found)


async def secret_items(database: Database) -> set[str]:
    rows = await database.rows("SELECT DISTINCT item_code FROM item_version WHERE secret = TRUE")
    return {str(row["item_code"]) for row in rows}


async def subjects_of_item(database: Database, item: str) -> list[str]:
    """Everything that would name the item."""
    return [f"{kind}:{row['key']}" for kind, sql in _OF_ITEM.items() for row in await database.rows(sql, item)]


async def all_subjects(database: Database) -> AsyncIterator[str]:
    for kind, tables in KINDS.items():
        root = tables[0]
        if kind in WHOLE:
            yield f"{kind}:{ALL}"
        elif kind == "calendar":
            # Years without a notice are the program's own, at either end.
            for row in await CalendarNotice.all().distinct().values("year"):
                yield f"{kind}:{row['year']}"
        else:
            for row in await database.rows(f"SELECT {root.by} AS key FROM {root.name} ORDER BY {root.by}"):
                yield f"{kind}:{row['key']}"


# ------------------------------------------------------------------------------------------------------------ below
_OF_ITEM = {
    "item": "SELECT code AS key FROM item WHERE code = $1",
    "case": "SELECT number AS key FROM case_file WHERE item_code = $1",
    "card": "SELECT c.id AS key FROM card c JOIN case_file f ON f.id = c.case_id WHERE f.item_code = $1",
    "licence": "SELECT number AS key FROM licence WHERE item_code = $1",
    "package": "SELECT number AS key FROM package WHERE item_code = $1"
    " UNION SELECT package_number FROM package_part WHERE item_code = $1",
    "change": "SELECT number AS key FROM item_change WHERE item_code = $1",
    "consultation": "SELECT number AS key FROM consultation WHERE item_code = $1",
}


async def _rows_of(
    table: Mirrored, kind: str, keys: Sequence[str], owners: Mapping[type[Model], Mapping[object, str]]
) -> list[tuple[str, Model]]:
    """The rows of a table that belong to these subjects, each with the key of its subject."""
    rows = table.model.filter(**{f"{name}__in": list(values) for name, values in table.only.items()})
    rows = rows.order_by(str(table.model._meta.pk_attr))
    if table.of == "all":
        return [(key, row) for key in keys for row in await rows]
    if table.of == "year":
        days = [
            (key, await rows.filter(**{f"{table.by}__gte": f"{key}-01-01", f"{table.by}__lte": f"{key}-12-31"}))
            for key in keys
            if key.isascii() and key.isdecimal() and len(key) == 4
        ]
        return [(key, row) for key, found in days for row in found]
    if isinstance(table.of, str):
        whose: Mapping[object, str] = {f"{kind}:{key}" if table.of == "subject" else key: key for key in keys}
        column = table.model._meta.fields_map[table.by]
        if column.field_type is int:
            whose = {int(str(value)): key for value, key in whose.items() if str(value).isdecimal()}
    else:
        whose = owners[table.of]
    found_rows = await rows.filter(**{f"{table.by}__in": list(whose)}) if whose else []
    return [(whose[getattr(row, table.by)], row) for row in found_rows]


async def _secret_ones(kind: str, keys: Sequence[str]) -> set[str]:
    """Which of these may not be told: they are secret, or belong to an item that is, perhaps since today."""
    secret = set[str]()
    items: list[tuple[str, str]] = []
    if kind in ("case", "licence"):
        table = Case if kind == "case" else Licence
        for number, is_secret, item in await table.filter(number__in=keys).values_list("number", "secret", "item_code"):
            items.append((number, item))
            secret |= {number} if is_secret else set()
    elif kind == "card":
        cards = await Card.filter(id__in=keys).values_list("id", "case_id")
        of_case = Case.filter(id__in=[case for _, case in cards]).values_list("id", "secret", "item_code")
        cases = {id: (is_secret, item) for id, is_secret, item in await of_case}
        for card, case in cards:
            is_secret, item = cases.get(case, (False, ""))
            items.append((card, item))
            secret |= {card} if is_secret else set()
    elif kind == "item":
        items = [(key, key) for key in keys]
    elif kind == "change":
        items = await ItemChange.filter(number__in=keys).values_list("number", "item_code")
    elif kind == "package":
        items = await Package.filter(number__in=keys).values_list("number", "item_code")
        items += await PackagePart.filter(package_number__in=keys).values_list("package_number", "item_code")
    elif kind == "consultation":
        items = await Consultation.filter(number__in=keys).values_list("number", "item_code")
    named = ItemVersion.filter(item_code__in={item for _, item in items}, secret=True)
    hidden = {str(row["item_code"]) for row in await named.values("item_code")} if items else set()
    return secret | {key for key, item in items if item in hidden}
