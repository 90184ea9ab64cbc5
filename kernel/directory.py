"""The directory of units and officers: who exists, in which unit, with which roles and phone (组织与角色)."""

from typing import ClassVar

import msgspec

from kernel.actor import Role
from kernel.acts import Act, Done
from kernel.events import Event
from kernel.refusals import Invalid
from kernel.tables import Officer, Unit
from kernel.work import Work


class UnitEntry(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    short_name: str
    kind: str
    phone: str = ""


class OfficerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Roles are the entry's, whole: an entry without a role takes it away."""

    id: str
    name: str
    unit_code: str
    phone: str
    email: str = ""
    roles: tuple[Role, ...] = ()
    active: bool = True


class EnterDirectory(Act[Done], frozen=True, tag="directory.enter"):
    """Adds units and officers or brings them up to date; nobody is ever deleted, only made inactive."""

    units: tuple[UnitEntry, ...] = ()
    officers: tuple[OfficerEntry, ...] = ()


class OfficerEntered(Event, frozen=True, tag="directory.officer"):
    """`roles` from now on; the person's name and phone stay in the directory."""

    about: ClassVar[str] = "officer"
    officer: str
    unit: str
    roles: tuple[Role, ...]
    active: bool


EVENTS = (OfficerEntered,)


async def enter_directory(work: Work, act: EnterDirectory) -> Done:
    """Raises INVALID for an officer of an unknown unit or a phone that is somebody else's."""
    for unit in act.units:
        await Unit.update_or_create(code=unit.code, defaults=msgspec.structs.asdict(unit))
    for officer in act.officers:
        if not await Unit.exists(code=officer.unit_code):
            raise Invalid(field=officer.id, why=f"没有单位{officer.unit_code}")
        if await Officer.filter(phone=officer.phone).exclude(id=officer.id).exists():
            raise Invalid(field=officer.id, why="手机号码已登记给他人")
        defaults = {**msgspec.structs.asdict(officer), "roles": [role.value for role in officer.roles]}
        await Officer.update_or_create(id=officer.id, defaults=defaults)
        work.record(
            OfficerEntered(officer=officer.id, unit=officer.unit_code, roles=officer.roles, active=officer.active)
        )
    return Done(count=len(act.units) + len(act.officers))
