"""What intake keeps of a case, and what a unit still has to do: dict rows.

A case is read by whoever may see it. Agent and form are whole for the unit that handles the case and its window,
the agent's numbers masked for everybody else, and the form not shown.
"""

from casework.process_record import masked
from casework.queries import day, visible_case
from kernel.actor import Actor, Role
from kernel.db import Database, Row, instant, instant_of

#: A unit hears of a secret case only while it holds an open step of it, whatever else waits there.
_SHOWN = (
    "(c.secret = FALSE OR EXISTS"
    " (SELECT 1 FROM task s WHERE s.case_id = c.id AND s.closed_at IS NULL AND s.unit_code = $1))"
)


async def intake_of(database: Database, actor: Actor, number: str) -> Row | None:
    """Everything intake holds about one case; None when the actor may not see it, or there is none."""
    case = await visible_case(database, actor, number)
    if case is None:
        return None
    id = int(str(case["case_id"]))
    handles = actor.unit in (case["case_unit"], case["window_unit"]) or actor.has(Role.WINDOW_CLERK)
    return {
        "number": case["number"],
        "revision": case["revision"],
        "channel": case["channel"],
        "window": case["window_unit"],
        "licence_number": case["licence_number"] or None,
        "agent": _agent(case, whole=handles),
        "form": (case["form"] or None) if handles else None,
        "pre_reviews": await _pre_reviews(database, id),
        "originals": await _originals(database, id),
        "papers": await _papers(database, id),
        "bill": await _bill(database, id),
        "second_entry": await _second_entry(database, id),
    }


async def originals_due(database: Database, unit: str, *, first: int) -> list[Row]:
    """Cases whose originals the window `unit` still has to see, longest asked first."""
    found = await database.rows(
        "SELECT c.number, c.item_name, c.applicant_name, c.revision, o.asked_at FROM originals_check o"
        " JOIN case_file c ON c.id = o.case_id WHERE o.unit_code = $1 AND o.checked_at IS NULL AND c.closed_at IS NULL"
        f" AND {_SHOWN} ORDER BY o.asked_at, o.id LIMIT {int(first)}",
        unit,
    )
    return [{**row, "asked_at": instant_of(row["asked_at"])} for row in found]


async def papers_due(database: Database, unit: str, *, first: int) -> list[Row]:
    """Papers on their way to `unit`, longest on their way first."""
    found = await database.rows(
        "SELECT c.number, c.item_name, c.applicant_name, m.name AS material, p.from_unit, p.handed_at"
        " FROM paper_move p JOIN case_file c ON c.id = p.case_id JOIN material m ON m.id = p.material_id"
        " WHERE p.to_unit = $1 AND p.received_at IS NULL AND p.waived_reason = '' AND c.closed_at IS NULL"
        f" AND {_SHOWN} ORDER BY p.handed_at, p.id LIMIT {int(first)}",
        unit,
    )
    return [{**row, "from_unit": row["from_unit"] or None, "handed_at": instant_of(row["handed_at"])} for row in found]


def _agent(case: Row, *, whole: bool) -> Row | None:
    if not case["agent_name"]:
        return None
    id_number, phone = str(case["agent_id_number"]), str(case["agent_phone"])
    return {
        "name": case["agent_name"],
        "id_number": id_number if whole else masked(id_number),
        "phone": phone if whole else masked(phone),
    }


async def _pre_reviews(database: Database, case: int) -> list[Row]:
    found = await database.rows(
        "SELECT outcome, opinion, officer_name, at FROM pre_review WHERE case_id = $1 ORDER BY id", case
    )
    return [{**row, "at": instant_of(row["at"])} for row in found]


async def _originals(database: Database, case: int) -> Row | None:
    found = await database.rows(
        "SELECT unit_code, notice, asked_at, checked_at, matches, note FROM originals_check WHERE case_id = $1", case
    )
    if not found:
        return None
    row = found[0]
    return {
        "window": row["unit_code"],
        "notice": row["notice"] or None,
        "asked_at": instant(row["asked_at"]),
        "checked_at": instant(row["checked_at"]),
        "matches": None if row["matches"] is None else bool(row["matches"]),
        "note": row["note"],
    }


async def _papers(database: Database, case: int) -> list[Row]:
    found = await database.rows(
        "SELECT m.name AS material, p.from_unit, p.to_unit, p.handed_at, p.received_at, p.waived_reason"
        " FROM paper_move p JOIN material m ON m.id = p.material_id WHERE p.case_id = $1 ORDER BY p.id",
        case,
    )
    return [
        {
            **row,
            "from_unit": row["from_unit"] or None,
            "handed_at": instant_of(row["handed_at"]),
            "received_at": instant(row["received_at"]),
            "waived_reason": row["waived_reason"] or None,
        }
        for row in found
    ]


async def _bill(database: Database, case: int) -> Row | None:
    found = await database.rows("SELECT id, number, settled_at FROM fee_bill WHERE case_id = $1", case)
    if not found:
        return None
    lines = await database.rows(
        "SELECT seq, name, standard, basis, amount_cents, fixed, listed, reason FROM fee_line WHERE bill_id = $1"
        " ORDER BY seq",
        int(str(found[0]["id"])),
    )
    return {
        "number": found[0]["number"],
        "settled_at": instant(found[0]["settled_at"]),
        "total_cents": sum(int(str(line["amount_cents"] or 0)) for line in lines),
        "lines": [
            {
                **line,
                "fixed": bool(line["fixed"]),
                "listed": bool(line["listed"]),
                "reason": line["reason"] or None,
            }
            for line in lines
        ],
    }


async def _second_entry(database: Database, case: int) -> Row | None:
    found = await database.rows(
        "SELECT source, operator, received_on, entered_on, late_working_days FROM second_entry WHERE case_id = $1",
        case,
    )
    if not found:
        return None
    row = found[0]
    return {**row, "received_on": day(row["received_on"]), "entered_on": day(row["entered_on"])}
