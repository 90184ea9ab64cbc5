"""The clock of a case: stoppages and their overrun, extensions, steps with limits of their own, the end of it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from casework.acts import CheckCalendar, Decision, ExtendClock, Withdraw
from casework.clock.acts import NoteOverruns
from casework.clock.ledger import Approver, Ended, EndReason, Extended, Resumed, StopGround, Stopped
from casework.clock.tables import Stoppage
from casework.tables import Case, ClockEntry, Document, Task
from kernel.acts import Done, SignedBytes
from kernel.tables import EventRow
from supervision.acts import IssueOrders, TurnLights
from supervision.tables import Card, LightRow, SupervisionOrder
from tests.alerts.county import APPLICANT, County
from tests.casework.legal_time import LegalTime, limited_steps, stage_of
from tests.casework.test_flow_report_up import reported
from tests.casework.town import Town, item, person


@pytest.fixture
def time(town: Town) -> LegalTime:
    return LegalTime(town)


@pytest.fixture
async def county(database, clock) -> County:
    """The town with supervision and alerts above it."""
    county = County(database, clock)
    await county.settle()
    return county


async def open_task(number: str) -> Task:
    return await Task.get(case_id=(await Case.get(number=number)).id, closed_at=None)


def local_midnight(day: date | None) -> datetime:
    assert day is not None
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)


# ---------------------------------------------------------------------------------------------------- stoppages


@pytest.mark.feature("CLK-03")
async def test_an_article_45_procedure_stops_the_clock_with_a_written_notice(town, time):
    number = await town.accepted()
    town.at("2026-09-22")
    await time.stop(number, 9)
    town.at("2026-10-12")
    await time.resume(number)
    case = await Case.get(number=number)
    assert case.committed_due == date(2026, 11, 4)
    assert "专家评审" in await time.paper(number, "special_procedure")
    assert str((await open_task(number)).due_on) == "2026-11-04"


async def test_a_stoppage_that_tells_no_time_is_refused(town, time):
    number = await town.accepted()
    assert (await time.stop(number, 0)).code == "STOPPAGE_UNNOTIFIED"


async def test_nobody_stops_a_clock_for_good_without_reason_or_after_its_end(town, time):
    number = await town.accepted()
    assert (await time.stop(number, 3000)).code == "STOPPAGE_TOO_LONG"
    assert (await time.stop(number, 5, reason=" ")).code == "REASON_MISSING"
    assert (await time.resume(number)).code == "NOTHING_STOPPED"
    assert (await time.tell_longer(number, 5)).code == "NOTHING_STOPPED"
    town.at("2026-10-23")
    assert (await time.stop(number, 5)).code == "STOPPAGE_TOO_LATE"
    assert not await Document.exists(kind="special_procedure")


@pytest.mark.feature("CLK-04")
async def test_a_procedure_that_outruns_what_was_told_is_warned_of_and_the_clock_runs_again(town, time):
    number = await town.accepted()
    town.at("2026-09-22")
    await time.stop(number, 5)  # until 2026-09-30: 09-25 is a holiday
    due = (await Case.get(number=number)).committed_due
    town.at("2026-09-30 23:59")
    assert await town.do(NoteOverruns()) == Done(count=0)
    town.at("2026-10-01 00:00")
    assert await town.do(NoteOverruns()) == Done(count=1)
    assert await town.do(NoteOverruns()) == Done(count=0)
    [overrun] = await EventRow.filter(tag="case.stoppage_overran")
    assert '"told_until":"2026-09-30"' in overrun.body
    # The clock runs although nobody resumed it: the due day is the one that was told.
    town.at("2026-10-12")
    await time.resume(number)
    assert (await Case.get(number=number)).committed_due == due
    assert await EventRow.filter(tag="case.stoppage_overran").count() == 1


@pytest.mark.feature("CLK-04")
async def test_only_a_further_written_notice_stops_the_clock_further(town, time):
    number = await town.accepted()
    town.at("2026-09-22")
    await time.stop(number, 5)
    town.at("2026-10-09")  # nine days late, two of them working days that count
    assert (await time.tell_longer(number, 5, reason=" ")).code == "REASON_MISSING"
    assert (await time.tell_longer(number, 0)).code == "STOPPAGE_UNNOTIFIED"
    longer = await time.tell_longer(number, 4)
    assert longer.committed_due == date(2026, 11, 4)  # 22 October, five and four working days later
    first, second = await Document.filter(kind="special_procedure").order_by("id")
    entries = (await time.entries(number))[1:]
    assert [type(entry) for entry in entries] == [Stopped, Resumed, Stopped]
    assert [entry.notice for entry in entries] == [first.number, first.number, second.number]
    # It was not noted in time, so it is noted now; the second notice has an end of its own.
    assert await EventRow.filter(tag="case.stoppage_overran").count() == 1
    assert (await Stoppage.get(notice=second.number)).told_until == date(2026, 10, 14)


async def test_a_notice_before_the_told_end_leaves_no_gap_and_no_warning(town, time):
    number = await town.accepted()
    town.at("2026-09-22")
    await time.stop(number, 5)
    town.at("2026-09-28")
    assert (await time.tell_longer(number, 10)).committed_due == date(2026, 11, 10)
    town.at("2026-10-13")
    assert await town.do(NoteOverruns()) == Done(count=0)


async def test_a_result_in_time_and_an_ended_case_give_no_warning(town, time):
    in_time, withdrawn = await town.accepted(), await town.file()
    await town.decide("CLERK", withdrawn.number, "accept", Decision.ACCEPT, "材料齐全。")
    town.at("2026-09-22")
    await time.stop(in_time, 5)
    await time.stop(withdrawn.number, 5)
    await time.resume(in_time)
    await town.do(Withdraw(case=withdrawn.number, password=town.password_of(withdrawn)))
    town.at("2026-12-01")
    await town.do(NoteOverruns())
    assert not await EventRow.exists(tag="case.stoppage_overran")
    assert not await Stoppage.filter(overruns_at__isnull=False).exists()


# --------------------------------------------------------------------------------------------------- extensions


@pytest.mark.feature("CLK-05")
async def test_an_extension_is_ten_working_days_once_by_the_heads_signature_with_its_reason(town, time):
    number = await town.accepted()
    assert (await time.extend(number, 11)).code == "EXTENSION_TOO_LONG"
    assert (await time.extend(number, 0)).code == "EXTENSION_TOO_LONG"
    assert (await time.extend(number, 10, reason=" ")).code == "EXTENSION_UNEXPLAINED"
    assert (await time.extend(number, 10, who="HANDLER")).code == "NOT_PERMITTED"
    assert (await time.extend(number, 10, who="MAYOR")).code == "EXTENSION_UNAPPROVED"
    assert not await Document.exists(kind="extension")
    assert (await time.extend(number, 10)).committed_due == date(2026, 11, 5)
    notice = await time.paper(number, "extension")
    assert "案情复杂" in notice
    assert "本行政机关负责人" in notice
    assert (await time.extend(number, 1)).code == "ALREADY_EXTENDED"
    [event] = await EventRow.filter(tag="case.clock_extended")
    assert '"officer":"CHIEF","evidence":"EV' in event.body


async def test_an_extension_is_what_the_head_signed_and_nothing_else(town, time):
    number = await town.accepted()
    assert (await time.extend(number, 3, submitted={"days": 10})).code == "SIGNED_SOMETHING_ELSE"
    assert (await time.extend(number, 3, submitted={"reason": "另有原因"})).code == "SIGNED_SOMETHING_ELSE"
    assert not await Document.exists(kind="extension")
    unsigned = ExtendClock(case=number, revision=2, days=3, reason="案情复杂")
    assert (await town.do(unsigned, person("CHIEF"))).code == "ASSURANCE_TOO_LOW"
    stale = ExtendClock(case=number, revision=1, days=3, reason="案情复杂")
    assert (await town.do(stale, person("CHIEF"), proof=SignedBytes(nonce="?", signature=b"s"))).code in (
        "CHANGED_MEANWHILE",
        "SIGNED_SOMETHING_ELSE",
    )


@pytest.mark.feature("FLOW-06")
async def test_joint_handling_has_45_days_and_15_more_only_from_the_head_of_the_government(town, time):
    too_long = await town.publish(stage_of(item(statutory=46, committed=45), handling="joint"))
    assert too_long.code == "JOINT_LIMIT_TOO_LONG"
    await town.publish(stage_of(item(statutory=45, committed=45), handling="joint"))
    number = await town.accepted()
    assert (await Case.get(number=number)).committed_due == date(2026, 11, 26)  # V6
    assert (await time.extend(number, 16, who="MAYOR")).code == "EXTENSION_TOO_LONG"
    refused = await time.extend(number, 15, who="CHIEF")
    assert refused.code == "EXTENSION_UNAPPROVED"
    assert "本级人民政府负责人" in refused.text
    assert (await time.extend(number, 15, who="LEADER")).code == "EXTENSION_UNAPPROVED"
    assert (await time.extend(number, 15, who="HANDLER")).code == "NOT_PERMITTED"
    assert (await time.extend(number, 15, who="MAYOR")).committed_due == date(2026, 12, 17)  # V6
    [extended] = [entry for entry in await time.entries(number) if isinstance(entry, Extended)]
    assert extended.approver is Approver.HEAD_OF_GOVERNMENT
    assert "本级人民政府负责人" in await time.paper(number, "extension")


async def test_parallel_handling_is_extended_by_the_government_too(town, time):
    branch = {"unit": "XF", "name": "消防审查", "limit_days": 10}
    await town.publish(stage_of(item(statutory=45, committed=30), handling="parallel", branches=[branch]))
    number = await town.accepted()
    assert (await time.extend(number, 15, who="CHIEF")).code == "EXTENSION_UNAPPROVED"
    assert (await time.extend(number, 15, who="MAYOR")).committed_due == date(2026, 11, 26)


async def test_of_a_case_that_was_reported_up_the_authority_above_extends_and_stops(town):
    number = await reported(town)
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("LEADER", number, "level:2", Decision.REPORT_UP, "初审同意，上报。")
    time = LegalTime(town)
    assert (await time.stop(number, 5)).code == "NOT_PERMITTED"
    assert (await time.extend(number, 5, who="CHIEF")).code == "NOT_PERMITTED"
    assert (await time.extend(number, 5, who="CITY_LEADER")).committed_due == date(2026, 11, 26)
    assert (await Document.get(kind="extension")).unit_code == "SZJ"


# ------------------------------------------------------------------------------------------- lights, and steps


async def test_a_moved_due_date_moves_the_lights(town, time):
    number = await town.accepted()
    await time.extend(number, 10)
    task = await open_task(number)
    # due 2026-11-05: yellow one working day before at 00:00, red when the due day has ended, in Shanghai
    assert task.yellow_at == local_midnight(date(2026, 11, 4))
    assert task.red_at == local_midnight(date(2026, 11, 6))
    assert task.next_light_at == task.yellow_at


@pytest.mark.feature("CLK-07")
async def test_a_step_is_overdue_by_its_own_limit_while_its_case_is_in_time(county):
    await county.publish(limited_steps(3, 5, 5))
    number = await county.accepted()
    task, case = await open_task(number), await Case.get(number=number)
    assert (task.due_on, task.case_due_on) == (date(2026, 9, 22), date(2026, 10, 22))
    county.at("2026-09-23 00:00")
    await county.turn_lights()
    assert (await open_task(number)).red_at <= county.clock.now() < local_midnight(case.committed_due)
    [late] = await EventRow.filter(tag="supervision.step_overdue")
    assert f'"step":"level:1","due_on":"{date(2026, 9, 22)}"' in late.body
    lights = await LightRow.all().order_by("at").values_list("colour", "of_step", "due_on")
    assert lights == [("yellow", True, date(2026, 9, 22)), ("red", True, date(2026, 9, 22))]
    assert [card.ground for card in await Card.all()] == ["step_overtime"]
    assert not await SupervisionOrder.exists()  # that is for cases
    assert any("环节超时" in body for _, body in await county.texts("T04"))
    # The case's own lights follow the step's, once each.
    for when in ("2026-10-21 00:00", "2026-10-23 00:00", "2026-10-24"):
        county.at(when)
        await county.turn_lights()
    case_lights = await LightRow.filter(of_step=False).order_by("at").values_list("colour", "due_on")
    assert case_lights == [("yellow", case.committed_due), ("red", case.committed_due)]
    assert await SupervisionOrder.all().count() == 1
    assert sorted([card.ground for card in await Card.all()]) == ["over_committed_limit", "step_overtime"]


async def test_a_server_that_was_down_announces_every_light_and_proposes_one_card(county):
    await county.publish(limited_steps(3, 5, 5))
    await county.accepted()
    county.at("2026-10-24")
    await county.turn_lights()
    lights = await LightRow.all().order_by("at").values_list("colour", "of_step")
    assert lights == [("yellow", True), ("red", True), ("yellow", False), ("red", False)]
    # The late step is part of the late case.
    assert [card.ground for card in await Card.all()] == ["over_committed_limit"]


async def test_a_step_whose_limit_ends_on_its_cases_day_is_one_light_and_one_card(county):
    await county.publish(limited_steps(20, None, None))
    number = await county.accepted()
    task = await open_task(number)
    assert (task.due_on, task.case_due_on) == (date(2026, 10, 22), None)
    for when in ("2026-10-21 00:00", "2026-10-23 00:00", "2026-10-24"):
        county.at(when)
        await county.turn_lights()
    lights = await LightRow.all().order_by("at").values_list("colour", "of_step")
    assert lights == [("yellow", False), ("red", False)]
    assert [card.ground for card in await Card.all()] == ["over_committed_limit"]


async def test_each_step_has_its_days_from_the_day_it_begins_and_never_more_than_the_case(town):
    await town.publish(limited_steps(3, 5, None))
    number = await town.accepted()
    town.at("2026-10-15")
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    task = await open_task(number)
    assert (task.due_on, task.case_due_on) == (date(2026, 10, 22), None)  # the case's day, which comes no later
    await town.decide("HEAD", number, "level:2", Decision.AGREE)
    assert (await open_task(number)).due_on == date(2026, 10, 22)
    assert (await open_task(number)).limit_days is None


async def test_a_step_of_one_day_is_not_warned_about_before_it_began(town):
    await town.publish(limited_steps(1, None, None))
    task = await open_task(await town.accepted())
    assert task.due_on == date(2026, 9, 20)  # a worked Sunday
    assert task.yellow_at == local_midnight(date(2026, 9, 19))
    assert task.yellow_at > town.clock.now()


async def test_stopped_days_and_an_extension_move_the_steps_day_too(town, time):
    await town.publish(limited_steps(3, 5, 5))
    number = await town.accepted()
    await time.stop(number, 2)  # 20 and 21 September
    assert (await open_task(number)).due_on == date(2026, 9, 24)
    town.at("2026-09-21")
    await time.resume(number)
    assert (await open_task(number)).due_on == date(2026, 9, 24)
    await time.extend(number, 4)  # asked for by the step that is open
    task = await open_task(number)
    assert (task.due_on, task.case_due_on) == (date(2026, 10, 8), date(2026, 10, 30))


async def test_a_step_opened_while_the_clock_stands_still_loses_none_of_its_days(town, time):
    await town.publish(limited_steps(3, 5, None))
    number = await town.accepted()
    await time.stop(number, 6)  # until 2026-09-28
    town.at("2026-09-21")
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    assert (await open_task(number)).due_on == date(2026, 10, 10)  # five working days after the 28th


# -------------------------------------------------------------------------------------------------- ends, records


@pytest.mark.feature("CLK-13")
@pytest.mark.parametrize("accepted", [True, False])
async def test_after_a_withdrawal_no_light_card_order_or_text_comes_any_more(county, accepted):
    await county.publish(limited_steps(3, 5, 5))
    filed = await county.file()
    if accepted:
        await county.decide("CLERK", filed.number, "accept", Decision.ACCEPT, "材料齐全，予以受理。")
        await LegalTime(county).stop(filed.number, 2)
    await county.do(Withdraw(case=filed.number, password=county.password_of(filed)))
    await county.tell()
    said = await county.texts()
    for when in ("2026-09-25 00:00", "2026-10-21 00:00", "2026-10-23 00:00", "2026-12-01"):
        county.at(when)
        for act in (TurnLights(), IssueOrders(), NoteOverruns()):
            await county.do(act)
        await county.tell()
    assert await county.texts() == said
    assert not [phone for phone, body in said if phone == APPLICANT and "超期" in body]
    for table in (LightRow, Card, SupervisionOrder):
        assert not await table.exists(), table
    if accepted:
        ended = (await LegalTime(county).entries(filed.number))[-1]
        assert ended == Ended(day=date(2026, 9, 18), reason=EndReason.WITHDRAWN)


async def test_every_ledger_line_names_who_made_it(town, time):
    number = await town.accepted()
    await time.stop(number, 5)
    lines = await ClockEntry.all().order_by("seq")
    assert [line.actor for line in lines] == ["officer:CLERK", "officer:HANDLER"]
    assert await EventRow.filter(tag="case.clock_stopped").count() == 1


async def test_a_clock_that_does_not_run_cannot_be_stopped(town, time):
    filed = await town.file()
    assert (await time.stop(filed.number, 5)).code == "CLOCK_NOT_RUNNING"
    assert (await time.extend(filed.number, 5)).code == "CLOCK_NOT_RUNNING"


async def test_of_a_granted_case_the_delivery_has_ten_working_days(county):
    await county.publish()
    county.at("2026-09-30")
    number = await county.accepted()
    await county.decide("HANDLER", number, "level:1", Decision.AGREE)
    await county.decide("HEAD", number, "level:2", Decision.AGREE)
    await county.decide("LEADER", number, "level:3", Decision.GRANT)
    assert (await open_task(number)).due_on == date(2026, 10, 20)  # art. 44; 10-01..07 rested, Saturday 10-10 worked
    await county.decide("HANDLER", number, "complete", Decision.COMPLETE, "办结。")
    task = await open_task(number)
    assert (task.step, task.due_on) == ("deliver", date(2026, 10, 20))
    county.at("2026-10-21 00:00")
    await county.turn_lights()
    assert await LightRow.filter(colour="red", step="deliver").count() == 1


async def test_the_hearing_ground_is_one_of_the_eight(town, time):
    number = await town.accepted()
    assert (await time.stop(number, 5, ground=StopGround.HEARING)).committed_due == date(2026, 10, 29)


@pytest.mark.feature("CLK-10")
async def test_from_november_the_missing_arrangement_of_next_year_is_alarmed_once(town):
    town.at("2026-10-31")
    assert await town.do(CheckCalendar()) == Done(count=0)
    town.at("2026-11-01")
    assert await town.do(CheckCalendar()) == Done(count=1)
    assert await EventRow.filter(subject="calendar:2027", tag="calendar.provisional").count() == 1
    town.at("2026-11-02")
    assert await town.do(CheckCalendar()) == Done(count=0)


@pytest.mark.feature("CLK-10")
async def test_a_clock_that_reaches_a_year_without_arrangement_is_marked_and_never_raises(town):
    town.at("2026-12-10")
    case = await Case.get(number=await town.accepted())
    assert case.due_provisional is True
    assert str(case.committed_due) > "2027-01-01"
