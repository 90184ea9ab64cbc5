"""The directory: a phone, first or second, is one person's."""

import pytest

from kernel.actor import THE_OPERATOR, Assurance, Role
from kernel.directory import EVENTS, EnterDirectory, OfficerEntry, UnitEntry, enter_directory, officer_with_phone
from kernel.events import EventCodec
from kernel.office import Office, Rule
from kernel.outbox import Outbox
from kernel.permissions import the_system
from kernel.tables import Officer

UNIT = UnitEntry(code="A", name="甲局", short_name="甲", kind="department")
FIRST, SECOND, OTHER = "13900000001", "13900000002", "13900000003"


def entry(id: str, phone: str, second: str = "", **more) -> OfficerEntry:
    return OfficerEntry(
        id=id, name="甲", unit_code="A", phone=phone, second_phone=second, roles=(Role.HANDLER,), **more
    )


@pytest.fixture
def office(bench) -> Office:
    rules = [Rule(EnterDirectory, enter_directory, the_system, Assurance.SYSTEM)]
    return Office(bench.desk, outbox=Outbox(bench.desk.database, EventCodec(EVENTS), ()), rules=rules)


async def entered(office: Office, *officers: OfficerEntry):
    return await office.perform(EnterDirectory(units=(UNIT,), officers=officers), THE_OPERATOR, key=None)


async def test_an_officer_is_found_by_either_phone_while_they_serve(office):
    await entered(office, entry("OFF-1", FIRST, SECOND), entry("OFF-2", OTHER))
    for phone in (FIRST, SECOND):
        found = await officer_with_phone(phone)
        assert found is not None
        assert found.id == "OFF-1"
    await entered(office, entry("OFF-1", FIRST, SECOND, active=False))
    assert await officer_with_phone(SECOND) is None
    assert await officer_with_phone("") is None  # which is OFF-2's second phone as it stands in the row


@pytest.mark.parametrize(
    "stranger",
    [
        entry("OFF-2", SECOND),  # somebody's second as a first
        entry("OFF-2", OTHER, FIRST),  # somebody's first as a second
        entry("OFF-2", OTHER, SECOND),  # somebody's second as a second
        entry("OFF-2", OTHER, OTHER),  # one's own twice
    ],
)
async def test_a_phone_is_one_persons(office, stranger):
    await entered(office, entry("OFF-1", FIRST, SECOND))
    outcome = await entered(office, stranger)
    assert outcome.code == "INVALID"
    assert await Officer.all().count() == 1


async def test_who_has_no_second_phone_is_in_nobodys_way(office):
    await entered(office, entry("OFF-1", FIRST), entry("OFF-2", OTHER))
    assert await Officer.all().count() == 2
    await entered(office, entry("OFF-1", FIRST, SECOND))
    await entered(office, entry("OFF-1", FIRST))
    assert (await Officer.get(id="OFF-1")).second_phone == ""
