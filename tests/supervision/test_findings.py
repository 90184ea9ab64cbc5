"""What supervision collects by itself."""

import json
from datetime import date, timedelta

import pytest

from casework.events import CaseAccepted
from supervision.queries import course_of
from supervision.tables import Finding
from tests.supervision.office import County

CASE = "202600000001"


def accepted(*, deemed: bool) -> CaseAccepted:
    return CaseAccepted(
        case=CASE,
        unit="FGW",
        accepted_on=date(2026, 9, 18),
        statutory_due=date(2026, 10, 22),
        committed_due=date(2026, 10, 22),
        committed_days=20,
        deemed=deemed,
    )


async def happens(county: County, event: CaseAccepted) -> None:
    async with county.database.transaction():
        await county.outbox.write([event], at=county.clock.now(), actor="system:clock")


@pytest.mark.feature("INT-05")
async def test_silence_that_became_acceptance_is_a_finding(county: County):
    await happens(county, accepted(deemed=True))
    assert await county.courier.deliver(10) == 1
    finding = await Finding.get()
    assert (finding.case_number, finding.unit_code, finding.kind) == (CASE, "FGW", "silence")
    [event] = await county.events("supervision.finding")
    assert json.loads(event)["kind"] == "silence"


async def test_an_acceptance_that_somebody_spoke_is_none(county: County):
    await happens(county, accepted(deemed=False))
    await county.courier.deliver(10)
    assert await Finding.all().count() == 0


async def test_the_course_of_a_case_is_there_as_soon_as_it_happens_and_nobody_types_it_in(county: County):
    await happens(county, accepted(deemed=True))
    county.wait(seconds=1)
    await county.courier.deliver(10)
    course = await course_of(county.database, CASE)
    assert [(row["tag"], row["finding"]) for row in course] == [
        ("case.accepted", "silence"),
        ("supervision.finding", None),
    ]
    assert course[0]["at"] == county.clock.now() - timedelta(seconds=1)
