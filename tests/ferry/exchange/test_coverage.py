"""Coverage: units that work here, units that report from their own systems, units that show nothing, exemptions."""

from datetime import date

import pytest
from msgspec.structs import replace

from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from supervision.coverage import Covered, ExemptionView, RegisterExemption, coverage, exemptions
from tests.ferry.exchange.systems import SendingSystem, deliver, utc
from tests.mobile_api.stage import HANDLER, SUPERVISOR, Stage


async def covered(stage: Stage, **more) -> dict[str, Covered]:
    found = await coverage(stage.database, today=stage.clock.now().date(), calendar=stage.services.calendars(), **more)
    return {each.unit: each for each in found}


@pytest.mark.feature("MON-13")
async def test_units_without_an_event_in_some_working_days_are_listed(stage: Stage):
    units = await covered(stage)
    assert {each.kind for each in units.values()} == {"department", "hall", "branch", "centre"}
    assert all(each.listed and each.last_on is None for each in units.values())
    await stage.accepted()  # for the housing authority, at the hall's window
    units = await covered(stage)
    assert [code for code, each in units.items() if not each.listed] == ["ZJJ", "ZWZX"]
    assert (units["ZJJ"].own, units["ZJJ"].silent_working_days) == (1, 0)
    # Five working days later they are still there, after one more they are listed as well.
    stage.clock.set(utc("2026-09-24T09:00"))
    assert not (await covered(stage))["ZJJ"].listed
    stage.clock.set(utc("2026-09-29T09:00"))
    late = (await covered(stage))["ZJJ"]
    assert (late.listed, late.own, late.last_on) == (True, 0, date(2026, 9, 18))
    assert not (await covered(stage, silent_after=10))["ZJJ"].listed


@pytest.mark.feature("EXCH-02")
async def test_a_connected_system_shows_in_coverage(stage: Stage, system: SendingSystem):
    assert (await covered(stage))["SJJ"].listed
    await deliver(stage, system.package(system.case()))
    unit = (await covered(stage))["SJJ"]
    assert (unit.listed, unit.own, unit.reported, unit.sources) == (False, 0, 7, ("SJJ-YWXT",))
    assert unit.last_on == date(2026, 9, 17)


@pytest.mark.feature("EXCH-03")
async def test_an_exemption_has_its_document_and_ends_on_its_day(stage: Stage):
    exempt = RegisterExemption(
        unit="SJJ", document="湘政办函〔2026〕18号", granted_on=date(2026, 9, 1), until=date(2026, 9, 30)
    )
    view = await stage.office.perform(exempt, THE_OPERATOR, key=None)
    assert view == ExemptionView(
        unit="SJJ", document="湘政办函〔2026〕18号", granted_on=date(2026, 9, 1), until=date(2026, 9, 30)
    )
    unit = (await covered(stage))["SJJ"]
    assert (unit.listed, unit.exempted_by, unit.exempted_until) == (False, "湘政办函〔2026〕18号", date(2026, 9, 30))
    assert await exemptions(stage.database, today=date(2026, 10, 1)) == []
    assert len(await exemptions(stage.database, today=date(2026, 10, 1), ended=True)) == 1
    stage.clock.set(utc("2026-10-08T09:00"))
    assert (await covered(stage))["SJJ"].listed
    for wrong, code in (
        ({"unit": "NOBODY"}, "NOT_FOUND"),
        ({"document": " "}, "INVALID"),
        ({"until": date(2026, 8, 1)}, "INVALID"),
    ):
        refused = await stage.office.perform(replace(exempt, **wrong), THE_OPERATOR, key=None)
        assert isinstance(refused, Refusal)
        assert refused.code == code


async def test_supervision_reads_coverage_on_the_phone_and_nobody_else(stage: Stage, system: SendingSystem):
    await deliver(stage, system.package(system.case()))
    token = (await stage.phone(SUPERVISOR)).token
    answer = await stage.get("Coverage", token)
    first, shown = answer["units"][0], {each["unit"]: each for each in answer["units"]}
    assert first["listed"]
    assert first["silentWorkingDays"] is None
    assert answer["listed"] == len(shown) - 1
    assert shown["SJJ"]["reported"] == 7
    assert [each["unit"] for each in (await stage.get("Coverage", token, unit="SJJ"))["units"]] == ["SJJ"]
    refused = await stage.ask("Coverage", token, silentAfter=0)
    assert refused["errors"][0]["extensions"]["code"] == "INVALID"
    token = (await stage.phone(HANDLER)).token
    assert (await stage.ask("Coverage", token))["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"
