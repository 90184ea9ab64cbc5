"""Whom supervision asks: its own leaders about a proposed card, a unit's leaders about a served one."""

from collections.abc import Sequence

from kernel.actor import Actor, ActorKind, Role
from kernel.tables import Officer
from kernel.work import Work

#: Who answers for a unit: its head, or where none is registered its deputy leaders.
UNIT_LEADERS = (Role.UNIT_HEAD, Role.DEPUTY_LEADER)


async def supervision_leaders(work: Work) -> list[Officer]:
    rows = await work.database.rows(
        "SELECT id FROM officer WHERE active AND CAST(roles AS TEXT) LIKE $1", f'%"{Role.SUPERVISION_LEADER}"%'
    )
    return await Officer.filter(id__in=[str(row["id"]) for row in rows]).order_by("id") if rows else []


async def unit_leaders(unit: str) -> list[Officer]:
    officers: Sequence[Officer] = await Officer.filter(unit_code=unit, active=True).order_by("id")
    for role in UNIT_LEADERS:
        if holders := [officer for officer in officers if role in officer.roles]:
            return holders
    return []


async def officer_behind(actor: Actor) -> Officer | None:
    """The actor as the directory has them now, whatever a token once said; None when they no longer serve."""
    return await Officer.get_or_none(id=actor.id, active=True) if actor.kind is ActorKind.OFFICER else None


def who(actor: Actor) -> str:
    """The actor as rows and events name them."""
    return f"{actor.kind}:{actor.id}"
