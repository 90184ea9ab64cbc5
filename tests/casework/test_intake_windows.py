"""Where an application may be filed: online, at a hall, branch or centre, in time, or as a second entry."""

from datetime import date
from typing import Any

import pytest

from casework.acts import Channel, Decision, FileApplication
from casework.intake.second_entry import second_entries, second_entry_tallies
from casework.intake.tables import SecondEntry
from casework.tables import Case, Document, Task
from kernel.actor import ANYBODY, Actor
from kernel.tables import Unit
from tests.casework.counter import BRANCHES, CENTRES, code_of, events
from tests.casework.town import Town, person


def application(channel: Channel, **changes: Any) -> FileApplication:
    fields: dict[str, Any] = {
        "item": "ZJ-XK-001",
        "stage": "ZJ-XK-001-01",
        "applicant_name": "甲",
        "applicant_id_number": "1",
        "applicant_phone": "13800000001",
    }
    return FileApplication(**{**fields, **changes}, channel=channel)


async def files_at(town: Town, who: Actor, channel: Channel = Channel.WINDOW, **changes: Any) -> Any:
    return await town.do(application(channel, **changes), who)


@pytest.mark.feature("INT-13")
async def test_a_section_is_no_window(town, counter):
    await counter.open_windows()
    refused = await files_at(town, counter.clerk_of("KS"))
    assert (code_of(refused), refused.details["unit"]) == ("NOT_A_WINDOW", "建筑业管理科")
    assert code_of(await files_at(town, ANYBODY, Channel.ONLINE, window="KS")) == "NOT_A_WINDOW"
    assert code_of(await files_at(town, ANYBODY, Channel.ONLINE, window="ZJ")) == "NOT_A_WINDOW"
    assert not await Case.exists()


@pytest.mark.feature("INT-13")
async def test_every_authority_is_served_by_at_least_one_window(town, counter):
    """The hall takes what is offered everywhere, so an authority without windows of its own has one."""
    filed = await files_at(town, person("CLERK"))
    case = await Case.get(number=filed.number)
    assert (case.unit_code, case.window_unit, (await Task.get()).unit_code) == ("ZJ", "HALL", "HALL")


@pytest.mark.feature("CAT-22")
async def test_an_item_may_be_offered_at_some_windows_only(town, counter):
    await counter.open_windows()
    assert await Unit.filter(kind="hall").count() == 1
    assert (await Unit.filter(kind="branch").count(), await Unit.filter(kind="centre").count()) == (3, 15)
    assert (len(BRANCHES), len(CENTRES)) == (3, 15)
    await counter.publish(offered_at=["XZ01", "FT3"])
    for unit in ("XZ01", "FT3"):
        filed = await files_at(town, counter.clerk_of(unit))
        assert (await Case.get(number=filed.number)).window_unit == unit
    refused = await files_at(town, counter.clerk_of("JD5"))
    assert code_of(refused) == "NOT_OFFERED_HERE"
    assert refused.details["offered_at"] == [CENTRES["XZ01"], BRANCHES["FT3"]]
    assert code_of(await files_at(town, person("CLERK"))) == "NOT_OFFERED_HERE"


async def test_a_case_stays_with_the_window_that_took_it(town, counter):
    await counter.open_windows()
    filed = await files_at(town, counter.clerk_of("XZ02"))
    assert (await Document.get(number=filed.receipt)).unit_code == "XZ02"
    assert code_of(await counter.correct(filed.number, "电话")) == "NOT_PERMITTED"  # the hall's clerk
    refused = await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    assert code_of(refused) == "NOT_PERMITTED"


async def test_online_the_applicant_may_choose_among_the_windows_that_offer_the_item(town, counter):
    await counter.open_windows()
    chosen = await files_at(town, ANYBODY, Channel.ONLINE, window="FT1")
    assert (await Case.get(number=chosen.number)).window_unit == "FT1"
    await counter.publish(offered_at=["XZ03", "XZ04"])
    filed = await files_at(town, ANYBODY, Channel.ONLINE)
    assert (await Case.get(number=filed.number)).window_unit == "XZ03"
    assert code_of(await files_at(town, ANYBODY, Channel.ONLINE, window="FT1")) == "NOT_OFFERED_HERE"


async def test_a_clerk_files_at_no_window_but_their_own(town, counter):
    await counter.open_windows()
    assert code_of(await files_at(town, counter.clerk_of("XZ01"), window="FT1")) == "INVALID"


@pytest.mark.feature("CAT-07")
@pytest.mark.parametrize(
    ("level", "mode", "code"),
    [("display", "window", "NOT_ONLINE"), ("acceptance", "pre_review", None), ("handling", "pre_review", None)],
)
async def test_an_item_that_is_only_displayed_is_not_filed_online(town, counter, level, mode, code):
    await counter.publish(online_level=level, mode=mode)
    outcome = await files_at(town, ANYBODY, Channel.ONLINE)
    if code is None:
        assert outcome.number
    else:
        assert code_of(outcome) == code
        assert "窗口" in outcome.text
    assert (await files_at(town, person("CLERK"))).number


async def test_an_item_that_goes_online_later_says_so(town, counter):
    await counter.publish(grade="C", deferral={"reason": "等待国垂系统接口", "planned_on": "2027-01-01"})
    refused = await files_at(town, ANYBODY, Channel.ONLINE)
    assert code_of(refused) == "ONLINE_NOT_OFFERED"
    assert "等待国垂系统接口" in refused.text


async def test_a_window_may_be_a_little_late_and_no_more(town):
    # Five working days before Friday 2026-09-18 is Friday 2026-09-11.
    assert (await files_at(town, person("CLERK"), received_on=date(2026, 9, 11))).number
    late = await files_at(town, person("CLERK"), received_on=date(2026, 9, 10))
    assert (code_of(late), late.details["most"]) == ("RECEIVED_TOO_LONG_AGO", 5)


@pytest.mark.feature("EXCH-06")
@pytest.mark.feature("INT-14")
async def test_a_second_entry_is_marked_with_its_operator_and_how_late_it_is(town):
    filed = await files_at(
        town, person("CLERK"), Channel.SECOND_ENTRY, received_on=date(2026, 9, 2), source="省工程审批系统"
    )
    case = await Case.get(number=filed.number)
    assert (case.channel, case.received_on) == ("second_entry", date(2026, 9, 2))
    entry = await SecondEntry.get(case_id=case.id)
    assert (entry.operator, entry.source, entry.late_working_days) == ("CLERK", "省工程审批系统", 12)
    (event,) = await events(case.number, "case.second_entry")
    assert (event["officer"], event["late_working_days"]) == ("CLERK", 12)
    await files_at(town, person("CLERK"), Channel.SECOND_ENTRY, received_on=date(2026, 9, 18), source="国垂系统")
    (tally,) = await second_entry_tallies(town.database, since=date(2026, 9, 1), until=date(2026, 9, 30))
    assert (tally.unit, tally.entries, tally.same_day) == ("ZJ", 2, 1)
    assert (tally.late_days, tally.most_late_days) == (12, 12)
    latest = await second_entries(town.database, unit="ZJ")
    assert [row["late_working_days"] for row in latest] == [0, 12]
    assert await second_entries(town.database, unit="XF") == []


async def test_a_second_entry_counts_from_its_original_day(town):
    filed = await files_at(
        town, person("CLERK"), Channel.SECOND_ENTRY, received_on=date(2026, 9, 16), source="省工程审批系统"
    )
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    assert (await Case.get(number=filed.number)).accepted_on == date(2026, 9, 16)


@pytest.mark.parametrize("changes", [{"received_on": None}, {"source": " "}, {"source": "长" * 61}])
async def test_a_second_entry_needs_its_day_and_its_source(town, changes):
    fields = {"received_on": date(2026, 9, 2), "source": "省工程审批系统", **changes}
    assert code_of(await files_at(town, person("CLERK"), Channel.SECOND_ENTRY, **fields)) == "INVALID"


async def test_nobody_but_a_window_makes_second_entries(town):
    fields = {"received_on": date(2026, 9, 2), "source": "省工程审批系统"}
    for who in (ANYBODY, person("HANDLER")):
        assert code_of(await files_at(town, who, Channel.SECOND_ENTRY, **fields)) == "NOT_PERMITTED"
