"""What an operator does at the server itself: fill an empty installation with the sample county, and approve the first
certificates, for which there is nobody else yet."""

import msgspec

from casework.acts import PublishItem
from casework.seed import county, items
from casework.tables import Item
from certs.acts import ApproveEnrolment, CheckIdentity
from kernel.actor import THE_OPERATOR
from kernel.acts import Act, V
from kernel.directory import EnterDirectory, OfficerEntry, UnitEntry
from kernel.refusals import Refusal
from server.wiring import System


async def load_county(system: System) -> int:
    """Enters the directory, publishes what is not published yet, and returns how many items the county has."""
    sample = county()
    units = tuple(msgspec.convert(unit, UnitEntry, from_attributes=True) for unit in sample.units)
    officers = tuple(msgspec.convert(officer, OfficerEntry, from_attributes=True) for officer in sample.officers)
    await _done(system, EnterDirectory(units=units, officers=officers))
    for item in items():
        if not await Item.exists(code=item.code):
            await _done(system, PublishItem(definition=msgspec.json.encode(item)))
    return len(items())


async def approve_at_the_desk(system: System, enrolment: str, *, document: str) -> None:
    """Checks and approves an enrolment on the operator's own authority. Raises the refusal."""
    await _done(system, CheckIdentity(enrolment=enrolment, document=document))
    await _done(system, ApproveEnrolment(enrolment=enrolment))


async def _done(system: System, act: Act[V]) -> None:
    outcome = await system.office.perform(act, THE_OPERATOR, key=None)
    if isinstance(outcome, Refusal):
        raise outcome
