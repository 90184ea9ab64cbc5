"""Who is who in the sample county, by role and unit; and how a code is read off a text."""

import re

from casework.seed import SeedOfficer, county
from kernel.actor import Role
from server.demo.staging import StepFailed


def people(role: Role) -> list[SeedOfficer]:
    return [officer for officer in county().officers if role in officer.roles]


def chain(unit: str) -> list[SeedOfficer]:
    """The unit's three levels: handler, section head, deputy leader."""
    members = [officer for officer in county().officers if officer.unit_code == unit]
    levels = (Role.HANDLER, Role.SECTION_HEAD, Role.DEPUTY_LEADER)
    return [next(officer for officer in members if role in officer.roles) for role in levels]


def unit_head(unit: str) -> SeedOfficer:
    return next(o for o in county().officers if o.unit_code == unit and Role.UNIT_HEAD in o.roles)


def code_in(text: str) -> str:
    found = re.search(r"回复1(\d{5})", text)
    if found is None:
        raise StepFailed(f"no code in: {text}")
    return found[1]
