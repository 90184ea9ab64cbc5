"""Who must be told: found in the directory and among the live codes at the moment of the event."""

from datetime import datetime, timedelta

from tortoise.expressions import Q

from alerts.dispatch import Recipient
from alerts.texts import Code
from casework.flow.delegations import delegates_of
from casework.tables import Case, Step, Task
from kernel.actor import Role
from kernel.tables import Officer
from kernel.work import Work
from supervision.events import CardProposed, CardReminded, CardServed
from supervision.people import supervision_leaders, unit_leaders
from supervision.reply_codes import Purpose
from supervision.rules import SupervisionRules
from supervision.tables import Card, ReplyCode


def as_recipients(officers: list[Officer]) -> list[Recipient]:
    """Each once, however many reasons there are to tell them."""
    return [Recipient(phone=officer.phone, email=officer.email) for officer in {o.id: o for o in officers}.values()]


async def holders(unit: str, *roles: str) -> list[Officer]:
    """The active officers of `unit` who hold any of `roles`."""
    officers = await Officer.filter(unit_code=unit, active=True).order_by("id")
    return [officer for officer in officers if not set(roles).isdisjoint(officer.roles)]


async def holders_anywhere(role: str) -> list[Officer]:
    """The active officers of all units who hold `role`."""
    return [officer for officer in await Officer.filter(active=True).order_by("id") if role in officer.roles]


async def holders_of_turn(unit: str, role: str, assignee: str | None) -> list[Officer]:
    """Whose turn it is: the one it was given to, or anybody of the unit with the role."""
    if assignee is not None:
        return await Officer.filter(id=assignee, active=True)
    return await holders(unit, role)


async def takers_of_turn(work: Work, case: Case, unit: str, role: str, assignee: str | None) -> list[Officer]:
    """Whose turn it is, and who stands in for them."""
    turn = await holders_of_turn(unit, role, assignee)
    return [*turn, *await delegates_of(turn, role, case.item_code, work.now)]


async def turn_at(case: Case, unit: str) -> Task | None:
    """The case's open turn at `unit`, of a parallel case the unit's own; elsewhere the case's own line."""
    open_turns = await Task.filter(case_id=case.id, closed_at=None).order_by("branch", "id")
    return next((task for task in open_turns if task.unit_code == unit), open_turns[0] if open_turns else None)


async def answerable(case: Case, unit: str) -> list[Officer]:
    """For a case over its limit: who handled it, whose turn it is, the section's head, the unit's leaders."""
    task = await turn_at(case, unit)
    steps = Step.filter(case_id=case.id, role=Role.HANDLER, branch=task.branch if task else 0)
    handled = await steps.values_list("officer", flat=True)
    return [
        *await Officer.filter(Q(id__in=list(handled)), active=True),
        *(await holders_of_turn(task.unit_code, task.role, task.assignee) if task else []),
        *([] if handled else await holders(unit, Role.HANDLER)),
        *await holders(unit, Role.SECTION_HEAD),
        *await unit_leaders(unit),
    ]


async def asked_about(work: Work, card: str, purpose: Purpose) -> list[Recipient]:
    """Everybody with a live code for `card`, each with their own; the code itself is derived when the text leaves."""
    rows = await ReplyCode.filter(
        card_id=card, purpose=purpose, used_at=None, locked_at=None, expires_at__gt=work.now
    ).order_by("id")
    digits = work.given(SupervisionRules).code_digits
    return [
        Recipient(phone=row.phone, code=Code("card-reply", f"{row.id}:{row.nonce}", digits), until=row.expires_at)
        for row in rows
    ]


async def concerned_by(work: Work, event: CardProposed | CardReminded | CardServed) -> list[Officer]:
    """The leaders who decide about a card, or whose unit it was served on."""
    if not isinstance(event, CardProposed):
        return await Officer.filter(id__in=list(event.officers), active=True).order_by("id")
    proposer = (await Card.get(id=event.card)).proposed_by
    return [leader for leader in await supervision_leaders(work) if proposer != f"officer:{leader.id}"]


async def turns(unit: str, role: str, assignee: str | None, *, before: datetime) -> tuple[int, Task | None]:
    """How many turns with a limit the holders have, and the one whose limit is nearest."""
    waiting = Task.filter(Q(assignee=assignee) | Q(assignee=None), unit_code=unit, role=role, closed_at=None)
    waiting = waiting.filter(sort_at__lt=before)
    return await waiting.count(), await waiting.order_by("sort_at", "id").first()


def last_moment(task: Task) -> datetime:
    """An instant of the last day in time: red is the first instant too late."""
    moment: datetime = task.sort_at
    return moment - timedelta(seconds=1)
