"""The public guide (办事指南): every published item with its fourteen elements, in the order of the catalogue rules.

Source: Administrative Licensing Law, art. 30 and 33 (made public, and on the network). Drafts, retired and secret
items do not exist here, whoever asks.
"""

from collections.abc import Mapping

import msgspec

from casework.catalogue.definitions import (
    MODE_NAMES,
    NONE,
    ONLINE_LEVEL_NAMES,
    Grade,
    ItemDefinition,
    Stage,
    parse,
)
from casework.catalogue.elements import complaint_channel, elements_in_order
from casework.rules import CaseworkRules
from kernel.db import Database, Row

_PUBLISHED = (
    "SELECT i.code, v.version, v.name, v.unit_code, u.name AS unit_name, v.definition, v.published_at FROM item i"
    " JOIN item_version v ON v.item_code = i.code AND v.version = i.version"
    " LEFT JOIN unit u ON u.code = v.unit_code WHERE i.state = 'published' AND v.secret = FALSE"
)


async def guides(
    database: Database,
    rules: CaseworkRules,
    *,
    first: int = 20,
    after: str = "",
    unit: str | None = None,
    text: str = "",
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
    names = await _unit_names(database)
    rows = [_guide(row, rules, names) for row in found[:first]]
    return rows, str(found[first - 1]["code"]) if len(found) > first else None


async def guide(database: Database, rules: CaseworkRules, code: str) -> Row | None:
    """The guide of one published item; None for anything else."""
    found = await database.rows(_PUBLISHED + " AND i.code = $1", code)
    return _guide(found[0], rules, await _unit_names(database)) if found else None


async def definition(database: Database, code: str) -> tuple[ItemDefinition, str] | None:
    """The definition of one published item and its unit's name; None for anything else."""
    found = await database.rows(_PUBLISHED + " AND i.code = $1", code)
    return (parse(str(found[0]["definition"])), str(found[0]["unit_name"] or "")) if found else None


async def _unit_names(database: Database) -> dict[str, str]:
    return {str(row["code"]): str(row["name"]) for row in await database.rows("SELECT code, name FROM unit")}


def _guide(row: Row, rules: CaseworkRules, unit_names: Mapping[str, str]) -> Row:
    item = parse(str(row["definition"]))
    return {
        "code": row["code"],
        "version": row["version"],
        "name": row["name"],
        "item_class": item.item_class,
        "class_name": rules.class_names[item.item_class],
        "grade": item.grade,
        "grade_name": _grade_name(item.grade, rules),
        "online_level": item.online_level,
        "online_level_name": ONLINE_LEVEL_NAMES[item.online_level],
        "mode": item.mode,
        "mode_name": MODE_NAMES[item.mode],
        "unit": row["unit_code"],
        "unit_name": row["unit_name"],
        "section": item.section,
        "person": item.person,
        "duties": item.duties,
        "phone": item.phone,
        "complaint_channel": list(complaint_channel(item)),
        "offered_at": [{"code": code, "name": unit_names.get(code, code)} for code in item.offered_at],
        "licence": item.licence,
        "deeds": item.deeds,
        "elements": elements_in_order(item),
        "stages": [_stage(stage) for stage in item.stages],
    }


def _grade_name(grade: Grade | None, rules: CaseworkRules) -> str:
    """Empty for what was published before grades were asked for."""
    return "" if grade is None else rules.grade_names[grade]


def _stage(stage: Stage) -> Row:
    return {
        "code": stage.code,
        "name": stage.name,
        "kind": stage.kind,
        "basis": stage.basis,
        "statutory_days": stage.statutory_limit_days,
        "committed_days": stage.committed_limit_days,
        "form": None if stage.form is None else msgspec.json.encode(stage.form).decode(),
        "materials": () if stage.materials == NONE else stage.materials,
        "fees": () if stage.fees == NONE else stage.fees,
    }
