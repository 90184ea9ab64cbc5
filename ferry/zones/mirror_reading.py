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
    open_keys = [key for key in keys if kind in WHOLE or not await _is_secret(kind, key)]
    found: dict[str, dict[str, list[Struct]]] = {key: {table.name: [] for table in KINDS[kind]} for key in keys}
    #: By table and id of a row, whose it is: rows of other tables say only that.
    owners: dict[type[Model], dict[object, str]] = {}
    for table in KINDS[kind]:
        owned = owners[table.model] = {}
        for key, row in await _rows_of(table, kind, open_keys, owners):
            owned[row.pk] = key
            found[key][table.name].append(told(table, row, secrets))
    return dict(found)


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


async def _is_secret(kind: str, key: str) -> bool:
    if kind == "case":
        return await Case.exists(number=key, secret=True)
    if kind == "licence":
        return await Licence.exists(number=key, secret=True)
    if kind == "card":
        card = await Card.get_or_none(id=key)
        return card is not None and await Case.exists(id=card.case_id, secret=True)
    items: list[str] = []
    if kind == "item":
        items = [key]
    elif kind == "change":
        items = [each.item_code for each in await ItemChange.filter(number=key)]
    elif kind == "package":
        items = [each.item_code for each in await Package.filter(number=key)]
        items += [each.item_code for each in await PackagePart.filter(package_number=key)]
    elif kind == "consultation":
        items = [each.item_code for each in await Consultation.filter(number=key)]
    return bool(items) and await ItemVersion.exists(item_code__in=items, secret=True)
