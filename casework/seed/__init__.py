"""Data a new installation starts with, and what reads it: a fictional county and its catalogue.

`county.json` names units and officers of 衡江县, which does not exist; phones are not in use. `items/` holds one file
per department: permits as the law sets them, each limit with the article it comes from; promised limits are the
county's own. docs/sample-county.md says what a region must verify before it takes an item over.
"""

from functools import cache
from importlib.resources import files

import msgspec

from casework.catalogue.definitions import ItemDefinition
from kernel.actor import Role


class SeedUnit(msgspec.Struct, frozen=True):
    """A row of the table `unit`."""

    code: str
    name: str
    short_name: str
    kind: str
    phone: str


class SeedOfficer(msgspec.Struct, frozen=True):
    """A row of the table `officer`."""

    id: str
    name: str
    unit_code: str
    phone: str
    email: str
    roles: tuple[Role, ...]


class County(msgspec.Struct, frozen=True):
    region_code: str
    name: str
    sms_signature: str
    units: tuple[SeedUnit, ...]
    officers: tuple[SeedOfficer, ...]


@cache
def county() -> County:
    return msgspec.json.decode(_read("county.json"), type=County)


@cache
def items() -> tuple[ItemDefinition, ...]:
    """The catalogue, department by department as the county lists them, each by the codes of its items."""
    departments = [unit.code for unit in county().units if unit.kind == "department"]
    return tuple(
        item
        for code in departments
        for item in msgspec.json.decode(_read(f"items/{code}.json"), type=list[ItemDefinition])
    )


def _read(name: str) -> bytes:
    return files(__name__).joinpath(name).read_bytes()
