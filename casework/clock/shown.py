"""What a case's page shows of its hearing and of the licence it renews."""

from datetime import datetime

from casework.clock.acts import HearingState
from casework.clock.time_limits import Light
from casework.queries import day
from kernel.db import Database, Row, instant


async def hearing_of(database: Database, case: int, *, now: datetime) -> Row | None:
    """The case's hearing, with the light of what the authority must do next."""
    found = await database.rows(
        "SELECT h.*, o.name AS presider_name FROM hearing h LEFT JOIN officer o ON o.id = h.presider"
        " WHERE h.case_id = $1",
        case,
    )
    if not found:
        return None
    row = found[0]
    days = ("told_on", "ask_by", "asked_on", "announce_by", "hold_by", "announced_on", "hearing_on", "held_on")
    return {
        **{name: day(row[name]) for name in days},
        "state": row["state"],
        "subject": row["subject"],
        "asked_by": row["asked_by"],
        "place": row["place"],
        "presider_name": row["presider_name"],
        "light": _light(row, now),
    }


async def renewal_of(database: Database, case: int) -> Row | None:
    """The licence that the case renews, its end, and whether the law has renewed it."""
    found = await database.rows("SELECT licence_number, valid_until, deemed_at FROM renewal WHERE case_id = $1", case)
    if not found:
        return None
    row = found[0]
    return {**row, "valid_until": day(row["valid_until"]), "deemed_at": instant(row["deemed_at"])}


def _light(row: Row, now: datetime) -> Light:
    if row["state"] not in (HearingState.ASKED, HearingState.ANNOUNCED):
        return Light.OUT
    yellow, red = instant(row["yellow_at"]), instant(row["red_at"])
    if red is not None and now >= red:
        return Light.RED
    return Light.YELLOW if yellow is not None and now >= yellow else Light.GREEN
