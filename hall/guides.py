"""The public guide (办事指南): every published item with its fourteen elements, in the order of the catalogue rules.

Source: Administrative Licensing Law, art. 30 and 33 (made public, and on the network). Drafts, retired and secret
items do not exist here, whoever asks.
"""

from casework.catalogue.definitions import CLASS_NAMES, ItemDefinition, elements_in_order, parse
from kernel.db import Database, Row

_PUBLISHED = (
    "SELECT i.code, v.version, v.name, v.unit_code, u.name AS unit_name, v.definition, v.published_at FROM item i"
    " JOIN item_version v ON v.item_code = i.code AND v.version = i.version"
    " LEFT JOIN unit u ON u.code = v.unit_code WHERE i.state = 'published' AND v.secret = FALSE"
)


async def guides(
    database: Database, *, first: int = 20, after: str = "", unit: str | None = None, text: str = ""
) -> tuple[list[Row], str | None]:
    """Published items in the order of their codes, and the code after which the next page begins.

    `text` narrows to items whose name contains it.
    """
    sql, values = _PUBLISHED + " AND i.code > $1", [after]
    if unit is not None:
        values.append(unit)
        sql += f" AND v.unit_code = ${len(values)}"
    if text:
        values.append("%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%")
        sql += f" AND v.name LIKE ${len(values)} ESCAPE '!'"
    found = await database.rows(f"{sql} ORDER BY i.code LIMIT {int(first) + 1}", *values)
    rows = [_guide(row) for row in found[:first]]
    return rows, str(found[first - 1]["code"]) if len(found) > first else None


async def guide(database: Database, code: str) -> Row | None:
    """The guide of one published item; None for anything else."""
    found = await database.rows(_PUBLISHED + " AND i.code = $1", code)
    return _guide(found[0]) if found else None


def _guide(row: Row) -> Row:
    item = parse(str(row["definition"]))
    return {
        "code": row["code"],
        "version": row["version"],
        "name": row["name"],
        "item_class": item.item_class,
        "class_name": CLASS_NAMES[item.item_class],
        "unit": row["unit_code"],
        "unit_name": row["unit_name"],
        "section": item.section,
        "person": item.person,
        "phone": item.phone,
        "elements": [
            {"number": element.number, "name": element.name, "lines": list(element.lines)}
            for element in elements_in_order(item)
        ],
        "stages": _stages(item),
    }


def _stages(item: ItemDefinition) -> list[Row]:
    return [
        {
            "code": stage.code,
            "name": stage.name,
            "statutory_days": stage.statutory_limit_days,
            "committed_days": stage.committed_limit_days,
            "materials": [
                {"name": material.name, "required": material.required, "form": material.form}
                for material in (() if isinstance(stage.materials, str) else stage.materials)
            ],
        }
        for stage in item.stages
    ]
