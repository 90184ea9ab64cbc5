"""Granted decisions, published as each item's own policy says (审批结果公开); no person can be recognised.

Source: Administrative Licensing Law, art. 40 (decisions to grant are public), 5(2) (secrets and privacy are not). What
is published is masked before it is kept: 张三 is 张*, an id number its first five characters. The name of an
organisation is no privacy and stays. Whether an item publishes is asked when the decision is made, and a retired or
secret item takes its list with it.
"""

import re
from datetime import date

from casework.catalogue.definitions import ItemDefinition
from casework.clock.working_days import day_of
from casework.licences.tables import Licence, PublicResult
from casework.tables import Case, Document
from kernel.db import Database, Row
from kernel.work import Work

#: GB 32100: registration department, category, six digits of region, nine of the body, one check character.
_ORGANISATION = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}")
_CHECKS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_RESIDENT = re.compile(r"\d{6}(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[\dXx]")
_SHOWN_OF_ID = 5


async def publish_result(
    work: Work, case: Case, item: ItemDefinition, decision: Document, licence: Licence | None
) -> None:
    """Puts a granted case on the public list, if its item publishes results."""
    if not item.results_public or item.secret or case.secret:
        return
    await PublicResult.create(
        case_number=case.number,
        item_code=case.item_code,
        item_name=case.item_name,
        unit_code=decision.unit_code,
        holder=public_name(case.applicant_name, case.applicant_id_number),
        holder_id=public_id(case.applicant_id_number),
        document_number=decision.number,
        licence_number=licence.number if licence else "",
        decided_on=day_of(work.now),
    )


async def granted_decisions(
    database: Database, *, first: int = 20, before: int | None = None, unit: str | None = None, item: str | None = None
) -> tuple[list[Row], int | None]:
    """The public list, newest first, and the id before which the next page begins."""
    values: list[str | int] = [before if before is not None else (1 << 62)]
    sql = (
        "SELECT r.id, r.case_number, r.item_code, r.item_name, r.unit_code, u.name AS unit_name, r.holder,"
        " r.holder_id, r.document_number, r.licence_number, r.decided_on, l.state, l.valid_until FROM public_result r"
        " JOIN item i ON i.code = r.item_code AND i.state = 'published'"
        " JOIN item_version v ON v.item_code = i.code AND v.version = i.version AND v.secret = FALSE"
        " LEFT JOIN unit u ON u.code = r.unit_code LEFT JOIN licence l ON l.number = r.licence_number WHERE r.id < $1"
    )
    for column, value in (("r.unit_code", unit), ("r.item_code", item)):
        if value is not None:
            values.append(value)
            sql += f" AND {column} = ${len(values)}"
    found = await database.rows(f"{sql} ORDER BY r.id DESC LIMIT {int(first) + 1}", *values)
    rows: list[Row] = [
        {
            "number": row["case_number"],
            "item": row["item_code"],
            "item_name": row["item_name"],
            "unit": row["unit_code"],
            "unit_name": row["unit_name"],
            "holder": row["holder"],
            "holder_id": row["holder_id"],
            "document": row["document_number"],
            "licence": row["licence_number"] or None,
            "state": row["state"],
            "decided_on": _day(row["decided_on"]),
            "valid_until": None if row["valid_until"] is None else _day(row["valid_until"]),
        }
        for row in found[:first]
    ]
    return rows, int(str(found[first - 1]["id"])) if len(found) > first else None


def public_name(name: str, id_number: str) -> str:
    """An organisation's own name; of a person only the surname's character: 张*, 欧***."""
    name = name.strip()
    return name if _is_organisations(id_number) else name[:1] + "*" * max(1, len(name) - 1)


def public_id(id_number: str) -> str:
    """91430***: enough to tell a company from a person, and one region from another."""
    return id_number[:_SHOWN_OF_ID] + "***" if len(id_number) > 2 * _SHOWN_OF_ID else "***"


def _is_organisations(id_number: str) -> bool:
    """A resident's number with a slip in its date looks like an organisation's that has no letters: then only the
    check character tells.
    """
    if not _ORGANISATION.fullmatch(id_number) or _RESIDENT.fullmatch(id_number):
        return False
    if not id_number[:17].isdigit():
        return True
    weighed = sum(int(digit) * pow(3, place, 31) for place, digit in enumerate(id_number[:17]))
    return _CHECKS[-weighed % 31] == id_number[17]


def _day(value: object) -> date:
    """A date column of a raw row: SQLite gives text, PostgreSQL a date."""
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
