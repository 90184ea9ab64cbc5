"""Whom supervision asks: its leaders about a proposed card, then those above; a unit's leaders about a served one."""

from collections.abc import Sequence

from certs.revocation import phone_lost_at
from kernel.actor import Actor, ActorKind, Role
from kernel.tables import Officer
from kernel.work import Work
from supervision.rules import SupervisionRules

#: Who answers for a unit: its head, or where none is registered its deputy leaders.
UNIT_LEADERS = (Role.UNIT_HEAD, Role.DEPUTY_LEADER)


async def supervision_leaders(work: Work) -> list[Officer]:
    return await _holders(work, Role.SUPERVISION_LEADER)


async def those_above(work: Work) -> list[Officer]:
    """Whom an unanswered card is escalated to: the holders of the first role of the rules that anybody holds."""
    rules = work.given(SupervisionRules)
    for role in rules.escalate_to:
        holders = await _holders(work, role)
        if role is Role.UNIT_HEAD:
            holders = [officer for officer in holders if officer.unit_code == rules.supervision_unit]
        if holders:
            return holders
    return []


async def unit_leaders(unit: str) -> list[Officer]:
    officers: Sequence[Officer] = await Officer.filter(unit_code=unit, active=True).order_by("id")
    for role in UNIT_LEADERS:
        if holders := [officer for officer in officers if role in officer.roles]:
            return holders
    return []


async def _holders(work: Work, role: Role) -> list[Officer]:
    rows = await work.database.rows(
        "SELECT id FROM officer WHERE active AND CAST(roles AS TEXT) LIKE $1", f'%"{role}"%'
    )
    return await Officer.filter(id__in=[str(row["id"]) for row in rows]).order_by("id") if rows else []


async def officer_behind(actor: Actor) -> Officer | None:
    """The actor as the directory has them now, whatever a token once said; None when they no longer serve."""
    return await Officer.get_or_none(id=actor.id, active=True) if actor.kind is ActorKind.OFFICER else None


async def is_phone_lost(officer: Officer) -> bool:
    """Whether the phone of this officer's number may be in other hands: their certificate was revoked, and neither has
    another been issued since, nor another number been entered."""
    lost_at = await phone_lost_at(officer.id)
    return lost_at is not None and (officer.phone_since is None or officer.phone_since < lost_at)


def who(actor: Actor) -> str:
    """The actor as rows and events name them."""
    return f"{actor.kind}:{actor.id}"
