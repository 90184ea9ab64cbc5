"""Who may change the catalogue: a unit proposes for its own items, the offices confirm, and nobody else sees drafts."""

from casework.catalogue.acts import (
    ChangeState,
    ChangeStep,
    CheckChange,
    DecideChange,
    DiscardChange,
    PrepareChangeDecision,
    SaveChange,
)
from casework.catalogue.change_control import ROLE_OF
from casework.catalogue.tables import ItemChange
from kernel.actor import ActorKind, Role
from kernel.permissions import permission
from kernel.tables import Officer
from kernel.work import Work

#: Roles of a unit that write drafts.
DRAFTERS = (Role.HANDLER, Role.SECTION_HEAD, Role.DEPUTY_LEADER, Role.UNIT_HEAD, Role.LIAISON)
#: Offices that see every unit's changes once they are submitted.
OVERSEERS = (Role.REFORM_OFFICE, Role.LEGAL_OFFICE, Role.PRICE_OFFICE, Role.EFFICIENCY_OFFICE)
#: States that only the proposing unit sees.
OWN = (ChangeState.DRAFT, ChangeState.DISCARDED)


@permission("officer of the proposing unit")
async def drafter(work: Work, act: SaveChange | DiscardChange) -> bool:
    officer = await _officer(work)
    if officer is None or set(DRAFTERS).isdisjoint(officer.roles):
        return False
    return act.change is None or await ItemChange.exists(number=act.change, unit_code=officer.unit_code)


@permission("officer of the step's role")
async def officer_of_the_step(work: Work, act: PrepareChangeDecision | DecideChange) -> bool:
    officer = await _officer(work)
    if officer is None or ROLE_OF[act.step] not in officer.roles:
        return False
    return act.step is not ChangeStep.SUBMIT or await ItemChange.exists(number=act.change, unit_code=officer.unit_code)


@permission("officer who may see the change")
async def may_see_change(work: Work, act: CheckChange) -> bool:
    officer = await _officer(work)
    change = await ItemChange.get_or_none(number=act.change)
    if officer is None or change is None:
        return False
    if officer.unit_code == change.unit_code and not set(DRAFTERS).isdisjoint(officer.roles):
        return True
    return change.state not in OWN and not set(OVERSEERS).isdisjoint(officer.roles)


async def _officer(work: Work) -> Officer | None:
    if work.actor.kind is not ActorKind.OFFICER:
        return None
    return await Officer.get_or_none(id=work.actor.id, active=True)
