"""What texts cost, by the unit they were sent for: parts that a carrier took, as its own bill will count them.

A part is counted in the month, on the office's calendar, in which the carrier answered for it: what became of it later
moves it from one column to another, never out of the bill. Numbers and words are not looked at, so a bill of last year
says the same after they were struck out. Texts of no unit (login codes, answers, calendar warnings) are the office's.
Limits: carriers differ on whether they charge what they could not deliver, so both numbers are told and no price.
"""

import re
from datetime import date

from msgspec import Struct

from casework.clock.working_days import start_of_day
from kernel.db import Database, Row
from kernel.refusals import Invalid

#: In place of the name of a unit.
NO_UNIT = "系统公用"
_MONTH = re.compile(r"\A(20\d\d)-(0[1-9]|1[0-2])\Z")


class Charge(Struct, frozen=True, kw_only=True):
    """`parts` = `delivered` + `failed` + `open`. `texts`: of how many messages they are parts."""

    texts: int
    parts: int
    delivered: int
    failed: int
    #: Taken, and nothing heard of since.
    open: int


class BillLine(Struct, frozen=True, kw_only=True):
    """`unit` is empty for the office's own texts."""

    unit: str
    unit_name: str
    carrier: str
    message_class: str
    charge: Charge


class Bill(Struct, frozen=True, kw_only=True):
    """`month` as 2026-10. A text of which parts went in two months, or by two carriers, is a text in each line."""

    month: str
    lines: tuple[BillLine, ...]
    total: Charge


def month_of(text: str) -> date:
    """The first day of "2026-10". Raises INVALID."""
    found = _MONTH.match(text)
    if found is None:
        raise Invalid(field="month", why="格式如2026-10")
    return date(int(found[1]), int(found[2]), 1)


async def bill(database: Database, month: date) -> Bill:
    """The parts of the month of `month` by unit, carrier and class, most parts first within a unit."""
    first = month.replace(day=1)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    # A part whose message is gone was sent all the same.
    lines = await database.rows(
        "SELECT COALESCE(m.unit_code, '') AS unit, COALESCE(MAX(u.name), '') AS unit_name, p.carrier,"
        f" COALESCE(m.message_class, '') AS message_class, {_COUNTS}"
        " FROM message_part p LEFT JOIN message m ON m.id = p.message_id LEFT JOIN unit u ON u.code = m.unit_code"
        " WHERE p.submitted_at >= $1 AND p.submitted_at < $2"
        " GROUP BY COALESCE(m.unit_code, ''), p.carrier, COALESCE(m.message_class, '')"
        " ORDER BY 1, parts DESC, 3, 4",
        start_of_day(first),
        start_of_day(after),
    )
    total = await database.rows(
        f"SELECT {_COUNTS} FROM message_part p WHERE p.submitted_at >= $1 AND p.submitted_at < $2",
        start_of_day(first),
        start_of_day(after),
    )
    return Bill(month=f"{first:%Y-%m}", lines=tuple(map(_line, lines)), total=_charge(total[0]))


_COUNTS = (
    "COUNT(DISTINCT p.message_id) AS texts, COUNT(*) AS parts,"
    " COALESCE(SUM(CASE WHEN p.state = 'delivered' THEN 1 ELSE 0 END), 0) AS delivered,"
    " COALESCE(SUM(CASE WHEN p.state IN ('failed', 'expired') THEN 1 ELSE 0 END), 0) AS failed"
)


def _line(row: Row) -> BillLine:
    unit = str(row["unit"])
    return BillLine(
        unit=unit,
        unit_name=str(row["unit_name"]) or unit or NO_UNIT,
        carrier=str(row["carrier"]),
        message_class=str(row["message_class"]),
        charge=_charge(row),
    )


def _charge(row: Row) -> Charge:
    texts, parts, delivered, failed = (int(str(row[name])) for name in ("texts", "parts", "delivered", "failed"))
    return Charge(texts=texts, parts=parts, delivered=delivered, failed=failed, open=parts - delivered - failed)
