"""The directory of units and officers: who exists, in which unit, with which roles and phone (组织与角色)."""

from typing import ClassVar

import msgspec
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

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
    second_phone: str = ""
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
    """Raises INVALID for an officer of an unknown unit, or a first or second phone that is somebody else's."""
    for unit in act.units:
        await Unit.update_or_create(code=unit.code, defaults=msgspec.structs.asdict(unit))
    for officer in act.officers:
        if not await Unit.exists(code=officer.unit_code):
            raise Invalid(field=officer.id, why=f"没有单位{officer.unit_code}")
        if officer.second_phone == officer.phone:
            raise Invalid(field=officer.id, why="第二号码与手机号码相同")
        for phone in filter(None, (officer.phone, officer.second_phone)):
            if await _with_phone(phone).exclude(id=officer.id).exists():
                raise Invalid(field=officer.id, why="手机号码已登记给他人")
        defaults = {**msgspec.structs.asdict(officer), "roles": [role.value for role in officer.roles]}
        if await Officer.filter(id=officer.id).exclude(phone=officer.phone).exists():
            defaults["phone_since"] = work.now  # what was texted to the old number is worth nothing any more
        await Officer.update_or_create(id=officer.id, defaults=defaults)
        work.record(
            OfficerEntered(officer=officer.id, unit=officer.unit_code, roles=officer.roles, active=officer.active)
        )
    return Done(count=len(act.units) + len(act.officers))


async def officer_with_phone(phone: str) -> Officer | None:
    """Whose first or second phone it is, among those who serve."""
    return await _with_phone(phone).filter(active=True).first() if phone else None


def _with_phone(phone: str) -> QuerySet[Officer]:
    return Officer.filter(Q(phone=phone) | Q(second_phone=phone))
