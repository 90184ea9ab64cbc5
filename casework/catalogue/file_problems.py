"""What is wrong with a catalogue file, and where: a refusal of an item becomes a sentence about a row and a column.

Limits: pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from casework.catalogue import sheets
from casework.catalogue.definitions import ItemDefinition
from kernel.refusals import Refusal

#: Which column a fault of a whole item or stage is about.
_COLUMN_OF = {
    "ITEM_CODE_INVALID": (sheets.ITEMS, "code"),
    "ITEM_NAME_INVALID": (sheets.ITEMS, "name"),
    "ITEM_SECRET": (sheets.ITEMS, "secret"),
    "ITEM_UNGRADED": (sheets.ITEMS, "grade"),
    "DEFERRAL_UNEXPLAINED": (sheets.ITEMS, "deferral.reason"),
    "MODE_CONTRADICTS_LEVEL": (sheets.ITEMS, "mode"),
    "DEED_INVALID": (sheets.ITEMS, "deeds"),
    "STAGE_CODE_INVALID": (sheets.STAGES, "code"),
    "STAGE_WITHOUT_BASIS": (sheets.STAGES, "basis"),
    "COMMITTED_OVER_STATUTORY": (sheets.STAGES, "committed_limit_days"),
    "STEP_LIMITS_OVER_TOTAL": (sheets.STAGES, "committed_limit_days"),
    "LIMIT_INVALID": (sheets.STAGES, "committed_limit_days"),
    "REVIEW_TOO_LONG": (sheets.STAGES, "report_up.review_limit_days"),
    "JOINT_LIMIT_TOO_LONG": (sheets.STAGES, "statutory_limit_days"),
    "HANDLING_INVALID": (sheets.STAGES, "handling"),
    "LEVEL_UNKNOWN": (sheets.LEVELS, "role"),
    "LEVELS_MISSING": (sheets.STAGES, "code"),
    "TEXT_TOO_LONG": (sheets.STAGES, "code"),
    "LICENCE_INVALID": (sheets.ITEMS, "licence.valid_months"),
    "PACKAGE_INVALID": (sheets.ITEMS, "code"),
    "MATERIAL_WITHOUT_BASIS": (sheets.MATERIALS, "basis"),
    "PAPER_IN_ONLINE_MODE": (sheets.MATERIALS, "form"),
    "FEE_WITHOUT_BASIS": (sheets.FEES, "basis"),
    "FORM_SCHEMA_INVALID": (sheets.FORMS, "text"),
    "NO_WINDOW_THERE": (sheets.ITEMS, "offered_at"),
    "STAGE_RETIRED": (sheets.STAGES, "code"),
    "NOT_FOUND": (sheets.ITEMS, "unit"),
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, and where: sheet and row as Excel counts them, the column's header; for JSON the number of the
    item in the list and the path in it. `item`: its code where one is known.
    """

    sheet: str
    row: int
    column: str
    code: str
    text: str
    text_en: str
    item: str = ""

    def __str__(self) -> str:
        where = " ".join(part for part in (self.sheet, f"第{self.row}行" if self.row else "", self.column) if part)
        return f"{where or '文件'}：{self.text} · {self.text_en} [{self.code}]"


class Place(NamedTuple):
    """Where a thing stands in the file. `name` tells materials and fees of one stage apart."""

    sheet: str
    row: int
    of: str
    name: str = ""


@dataclass
class Reading:
    """What a file says, item by item, and everything wrong with it."""

    items: list[ItemDefinition] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def blame(self, item: ItemDefinition, refusal: Refusal) -> None:
        """Adds a refusal of the item, at the row and column it is about."""
        self.problems.extend(_blamed(self.places, item, refusal))


def _blamed(places: Sequence[Place], item: ItemDefinition, refusal: Refusal) -> Iterator[Problem]:
    stage = str(refusal.details.get("stage", ""))
    sheet, name = _COLUMN_OF.get(refusal.code, (sheets.STAGES if stage else sheets.ITEMS, ""))
    named = refusal.details.get("materials", refusal.details.get("fees", refusal.details.get("roles", ())))
    names = {str(each) for each in named} if isinstance(named, list | tuple) else set()
    stages = {stage} if stage else {each.code for each in item.stages}
    rows = [
        place.row
        for place in places
        if place.sheet == sheet.name
        and ((place.of in stages and place.name in names) if names else place.of == (stage or item.code))
    ]
    where, column = sheet.name, sheet.column(name)
    if not rows:  # JSON, or a thing without a row of its own
        owner = next((place for place in places if place.of in (stage, item.code)), Place("", 0, ""))
        where, rows = owner.sheet, [owner.row]
        column = "" if where else " ".join(part for part in (stage, name) if part)
    if not column and isinstance(missing := refusal.details.get("missing"), list | tuple):
        column = "、".join(map(str, missing))
    for row in rows:
        yield Problem(
            sheet=where,
            row=row,
            column=column,
            code=refusal.code,
            text=refusal.text,
            text_en=refusal.text_en,
            item=item.code,
        )
