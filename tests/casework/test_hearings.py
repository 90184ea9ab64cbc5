"""听证: told, asked for in five days, announced seven days before, held in twenty; not counted, not decided past."""

from datetime import date

import pytest

from casework.acts import Decision
from casework.clock.acts import AskHearing, NoteOverruns, TurnHearingLights
from casework.clock.calendars import builtin_calendar
from casework.clock.ledger import StopGround, Stopped
from casework.clock.shown import hearing_of
from casework.clock.tables import Hearing
from casework.clock.time_limits import (
    DaysUnit,
    Light,
    announce_hearing_by,
    ask_hearing_by,
    earliest_hearing,
    hold_hearing_by,
)
from casework.rules import CaseworkRules
from casework.tables import Case, Document
from kernel.actor import ANYBODY
from kernel.tables import EventRow
from supervision.findings import consumer as findings
from tests.casework.legal_time import LegalTime
from tests.casework.town import Town, person

CALENDAR = builtin_calendar()


@pytest.fixture
def time(town: Town) -> LegalTime:
    return LegalTime(town)


def test_the_days_of_a_hearing_are_working_days_of_the_authority():
    # told on a Friday: Sunday 20 September is worked, 25 September is not
    assert ask_hearing_by(date(2026, 9, 18), CALENDAR) == date(2026, 9, 24)
    assert hold_hearing_by(date(2026, 9, 24), CALENDAR) == date(2026, 10, 29)
    assert earliest_hearing(date(2026, 9, 24), CALENDAR) == date(2026, 10, 12)  # Saturday 10-10 is worked
    assert announce_hearing_by(date(2026, 10, 29), CALENDAR) == date(2026, 10, 20)


def test_a_region_may_count_the_applicants_five_days_by_the_calendar():
    counted = ask_hearing_by(date(2026, 9, 18), CALENDAR, DaysUnit.CALENDAR)
    assert counted == date(2026, 9, 23)
    # one that would end on a day of rest ends on the next working day (Civil Code art. 203)
    assert ask_hearing_by(date(2026, 9, 26), CALENDAR, DaysUnit.CALENDAR) == date(2026, 10, 8)


async def test_a_hearing_runs_as_excluded_time_from_asking_to_its_record(town, time):
    number = await town.accepted()
    told = await time.tell_right(number)
    assert told.committed_due == date(2026, 10, 22)  # telling stops nothing
    assert "五日内" in await time.paper(number, "hearing_right")
    town.at("2026-09-24")
    asked = await time.ask(number, on_behalf_of="相邻住户代表")
    [_, stopped] = await time.entries(number)
    assert isinstance(stopped, Stopped)
    assert (stopped.ground, stopped.day, stopped.told_until) == (
        StopGround.HEARING,
        date(2026, 9, 24),
        date(2026, 10, 29),
    )
    assert asked.committed_due == date(2026, 11, 19)  # twenty working days after 22 October
    await time.announce(number, date(2026, 10, 13))
    assert "政务大厅三楼听证室" in await time.paper(number, "hearing_notice")
    town.at("2026-10-13")
    held = await time.hold(number)
    # excluded is (09-24, 10-13]: eight working days
    assert held.committed_due == date(2026, 11, 3)
    assert "核对笔录无误" in await time.paper(number, "hearing_record")
    assert (await Hearing.get()).state == "held"
    tags = [row.tag for row in await EventRow.filter(tag__startswith="case.hearing").order_by("id")]
    assert tags == ["case.hearing_right_told", "case.hearing_asked", "case.hearing_announced", "case.hearing_held"]


async def test_the_applicant_asks_with_the_query_password(town, time):
    filed = await town.file()
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT, "材料齐全。")
    await time.tell_right(filed.number)
    wrong = await town.do(AskHearing(case=filed.number, password="000000"), ANYBODY)
    assert wrong.code == "QUERY_PASSWORD_WRONG"
    act = AskHearing(case=filed.number, password=town.password_of(filed))
    assert (await town.do(act, ANYBODY)).committed_due == date(2026, 11, 19)
    assert (await town.do(act, ANYBODY)).code == "HEARING_ALREADY_ASKED"
    stranger = AskHearing(case=filed.number, password=town.password_of(filed))
    assert (await town.do(stranger, person("FIRE"))).code == "NOT_PERMITTED"  # an officer of another unit


async def test_what_comes_too_late_or_before_its_turn_is_refused(town, time):
    number = await town.accepted()
    assert (await time.ask(number)).code == "HEARING_NOT_TOLD"
    assert (await time.announce(number, date(2026, 10, 10))).code == "HEARING_NOT_ASKED"
    assert (await time.hold(number)).code == "HEARING_NOT_ASKED"
    assert (await time.tell_right(number, " ")).code == "REASON_MISSING"
    assert (await time.tell_right(number, "听" * 501)).code == "INVALID"
    await time.tell_right(number)
    assert (await time.tell_right(number)).code == "HEARING_ALREADY_TOLD"
    town.at("2026-09-24 23:59")
    assert (await time.ask(number, on_behalf_of="人" * 61)).code == "INVALID"
    town.at("2026-09-25 00:00")
    assert (await time.ask(number)).code == "HEARING_ASKED_TOO_LATE"
    assert (await Case.get(number=number)).committed_due == date(2026, 10, 22)


async def test_a_hearing_is_announced_seven_days_before_on_a_working_day_within_the_twenty(town, time):
    number = await town.accepted()
    await time.tell_right(number)
    await time.ask(number)
    assert (await time.announce(number, date(2026, 9, 28))).code == "HEARING_TOO_SOON"
    assert (await time.announce(number, date(2026, 10, 23))).code == "HEARING_TOO_LATE"
    assert (await time.announce(number, date(2026, 10, 1))).code == "HEARING_ON_REST_DAY"
    assert (await time.announce(number, date(2026, 10, 9), place=" ")).code == "INVALID"
    assert (await time.announce(number, date(2026, 10, 9), presider="NOBODY")).code == "PRESIDER_UNKNOWN"
    # who examined the application does not preside (art. 48)
    assert (await time.announce(number, date(2026, 10, 9), presider="CLERK")).code == "PRESIDER_EXAMINED"
    assert not await Document.exists(kind="hearing_notice")
    await time.announce(number, date(2026, 10, 9))
    town.at("2026-10-08")
    assert (await time.hold(number)).code == "HEARING_NOT_YET"
    # put off, with seven days again
    assert (await time.announce(number, date(2026, 10, 15))).code == "HEARING_TOO_SOON"
    assert not hasattr(await time.announce(number, date(2026, 10, 19)), "code")
    town.at("2026-10-19")
    assert (await time.hold(number, " ")).code == "INVALID"
    assert not hasattr(await time.hold(number), "code")
    assert (await time.hold(number)).code == "HEARING_NOT_ASKED"


async def test_nobody_decides_before_the_five_days_are_over_or_the_hearing_is_held(town, time):
    number = await town.accepted()
    await time.tell_right(number)
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("HEAD", number, "level:2", Decision.AGREE)
    assert (await town.decide("LEADER", number, "level:3", Decision.GRANT)).code == "HEARING_PENDING"
    town.at("2026-09-24")
    await time.ask(number)
    town.at("2026-10-08")
    assert (await town.decide("LEADER", number, "level:3", Decision.REFUSE, "不符合条件。")).code == "HEARING_PENDING"
    await time.announce(number, date(2026, 10, 19))
    town.at("2026-10-19")
    await time.hold(number)
    granted = await town.decide("LEADER", number, "level:3", Decision.GRANT)
    assert granted.status == "granted"


async def test_who_does_not_ask_gives_the_right_up(town, time):
    number = await town.accepted()
    await time.tell_right(number)
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("HEAD", number, "level:2", Decision.AGREE)
    town.at("2026-09-25 00:00")
    assert (await town.decide("LEADER", number, "level:3", Decision.GRANT)).status == "granted"


async def test_the_authoritys_days_have_lights_and_a_late_hearing_is_found(town, time):
    number = await town.accepted()
    await time.tell_right(number)
    await time.ask(number)
    case = await Case.get(number=number)

    async def light() -> object:
        shown = await hearing_of(town.database, case.id, now=town.clock.now())
        assert shown is not None
        return shown["light"]

    hearing = await Hearing.get()
    assert (hearing.announce_by, hearing.hold_by) == (date(2026, 10, 13), date(2026, 10, 22))
    assert await light() is Light.GREEN
    for when, count, colour in (
        ("2026-10-11 23:59", 0, Light.GREEN),
        ("2026-10-12 00:00", 1, Light.YELLOW),
        ("2026-10-13 23:59", 0, Light.YELLOW),
        ("2026-10-14 00:00", 1, Light.RED),
        ("2026-10-15 00:00", 0, Light.RED),
    ):
        town.at(when)
        assert (await town.do(TurnHearingLights())).count == count, when
        assert await light() is colour, when
    turned = await EventRow.filter(tag="case.hearing_light").order_by("id")
    assert ['"colour":"yellow"' in row.body for row in turned] == [True, False]
    assert turned[1].tag in {"case.hearing_light"} & {each.__struct_config__.tag for each in findings().wants}
    # The time of a hearing that is not held runs out like that of every other procedure.
    town.at("2026-10-23 00:00")
    assert (await town.do(NoteOverruns())).count == 1


async def test_a_region_that_counts_by_the_calendar_gives_the_applicant_other_days(database, clock):
    town = Town(database, clock, CaseworkRules(hearing_days_unit=DaysUnit.CALENDAR))
    await town.settle()
    await town.publish()
    number = await town.accepted()
    await LegalTime(town).tell_right(number)
    assert (await Hearing.get()).ask_by == date(2026, 9, 23)
