"""延续: applied for thirty days before the end, decided before it, or granted by law at the first instant after it."""

from datetime import date, timedelta

import pytest

from casework.acts import Decision, Withdraw
from casework.clock.acts import DeemRenewed
from casework.clock.calendars import builtin_calendar
from casework.clock.ledger import Ended, EndReason
from casework.clock.shown import renewal_of
from casework.clock.tables import Renewal
from casework.clock.time_limits import DaysUnit, renew_by, renewed_by_silence_at
from casework.clock.working_days import start_of_day
from casework.licences.tables import Licence
from casework.rules import CaseworkRules
from casework.tables import Case, Document, Task
from kernel.acts import Done
from kernel.tables import EventRow
from server.processes import CLOCKWORK
from tests.casework.legal_time import LegalTime
from tests.casework.licensed import Registry
from tests.casework.town import Town

CALENDAR = builtin_calendar()


@pytest.fixture
async def registry(town: Town) -> Registry:
    """Licences of three months: granted on 2026-09-18, they end with 2026-12-17."""
    registry = Registry(town)
    await registry.publish(valid_months=3)
    return registry


async def licence_of(registry: Registry) -> tuple[str, date]:
    """A granted licence: its number and its last day."""
    licence = await Licence.get(case_number=await registry.granted())
    return licence.number, licence.valid_until or date.max


def test_the_thirty_days_are_calendar_days_unless_a_region_says_otherwise():
    until = date(2026, 12, 17)
    assert renew_by(until, CALENDAR) == date(2026, 11, 17)
    assert renew_by(until, CALENDAR, DaysUnit.WORKING) == date(2026, 11, 5)
    assert renewed_by_silence_at(until) == start_of_day(until + timedelta(days=1))


async def test_a_renewal_nobody_decided_is_granted_by_law_when_the_licence_ends(town, registry):
    licence, until = await licence_of(registry)
    town.at(f"{renew_by(until, CALENDAR)}")
    number = await registry.accepted(stage="renewal", licence_number=licence)
    town.at(f"{until} 23:59")
    assert await town.do(DeemRenewed()) == Done(count=0)
    town.at(f"{until + timedelta(days=1)} 00:00")
    assert await town.do(DeemRenewed()) == Done(count=1)
    assert await town.do(DeemRenewed()) == Done(count=0)
    case = await Case.get(number=number)
    assert (case.status, case.outcome, case.decided_at) == ("granted", "granted", renewed_by_silence_at(until))
    renewed = await Licence.get(number=licence)
    assert (renewed.valid_until, renewed.state) == (date(2027, 3, 17), "valid")
    notice = await LegalTime(town).paper(number, "deemed_renewal")
    assert licence in notice
    assert "第五十条" in notice
    shown = await renewal_of(town.database, case.id)
    assert shown == {
        "licence_number": licence,
        "valid_until": until,
        "deemed_at": renewed_by_silence_at(until),
    }
    [event] = await EventRow.filter(tag="case.renewal_deemed")
    assert f'"licence":"{licence}"' in event.body
    ended = (await LegalTime(town).entries(number))[-1]
    assert ended == Ended(day=until + timedelta(days=1), reason=EndReason.DEEMED_RENEWED)
    # What is left is to finish and deliver, within ten working days (art. 44).
    task = await Task.get(case_id=case.id, closed_at=None)
    assert (task.step, task.due_on) == ("complete", CALENDAR.nth_working_day_after(until + timedelta(days=1), 10))
    assert (await town.decide("HANDLER", number, "complete", Decision.COMPLETE, "办结。")).status == "granted"


async def test_a_server_that_was_down_renews_as_of_the_instant_it_should_have(town, registry):
    licence, until = await licence_of(registry)
    town.at("2026-11-01")
    number = await registry.accepted(stage="renewal", licence_number=licence)
    town.at("2026-12-28")
    assert await town.do(DeemRenewed()) == Done(count=1)
    assert (await Case.get(number=number)).decided_at == renewed_by_silence_at(until)
    assert (await Licence.get(number=licence)).valid_until == date(2027, 3, 17)


async def test_before_acceptance_and_during_a_stoppage_silence_speaks_as_well(town, registry):
    licence, _ = await licence_of(registry)
    town.at("2026-11-16")
    stopped = await registry.accepted(stage="renewal", licence_number=licence)
    await LegalTime(town).stop(stopped, 60)
    town.at("2026-12-18 00:00")
    await town.do(DeemRenewed())
    assert (await Case.get(number=stopped)).outcome == "granted"
    second = (await Licence.get(number=licence)).valid_until
    assert second == date(2027, 3, 17)
    town.at("2027-02-10")
    filed = await registry.filing(stage="renewal", licence_number=licence)
    await Case.filter(number=filed.number).update(deemed_at=None)  # as if nobody had looked at it
    town.at(f"{second + timedelta(days=1)} 00:00")
    await town.do(DeemRenewed())
    assert (await Case.get(number=filed.number)).outcome == "granted"


@pytest.mark.parametrize("how", ["granted", "refused", "withdrawn", "corrections", "cancelled"])
async def test_silence_grants_nothing_that_is_not_before_the_authority(town, registry, how):
    licence, _ = await licence_of(registry)
    town.at("2026-11-01")
    filed = await registry.filing(stage="renewal", licence_number=licence)
    number = filed.number
    if how == "corrections":
        await town.decide("CLERK", number, "accept", Decision.ASK_SUPPLEMENT, "不齐。", items=("年度报告",))
    else:
        await town.decide("CLERK", number, "accept", Decision.ACCEPT, "材料齐全。")
    if how == "granted":
        await registry.grant(number)
    if how == "refused":
        await town.decide("LEADER", number, "level:1", Decision.REFUSE, "不符合延续条件。")
    if how == "withdrawn":
        await town.do(Withdraw(case=number, password=town.password_of(filed)))
    if how == "cancelled":
        await Licence.filter(number=licence).update(state="cancelled")
    town.at("2026-12-18 00:00")
    await town.do(DeemRenewed())
    assert not await EventRow.exists(tag="case.renewal_deemed")
    assert not await Document.exists(kind="deemed_renewal")
    assert not await Renewal.filter(silent_at__isnull=False).exists()


async def test_who_asks_later_than_thirty_days_before_the_end_is_refused(town, registry):
    licence, _ = await licence_of(registry)
    town.at("2026-11-18")
    late = await registry.filing(stage="renewal", licence_number=licence)
    assert late.code == "RENEWAL_TOO_LATE"
    assert "2026-11-17" in late.text
    assert not await Renewal.exists()


async def test_nobody_renews_anothers_licence_by_silence(town, registry):
    licence, _ = await licence_of(registry)
    theirs = await registry.filing(stage="renewal", licence_number=licence, applicant_id_number="91430400MA4L999999")
    assert theirs.code == "LICENCE_OF_ANOTHER_HOLDER"


async def test_a_licence_that_never_ends_or_is_not_in_the_library_is_not_watched(town, registry):
    await registry.filing(stage="renewal", licence_number="旧证2019-001")
    await registry.publish(valid_months=None)
    endless, _ = await licence_of(registry)
    await registry.filing(stage="renewal", licence_number=endless)
    assert not await Renewal.exists()


async def test_a_region_may_count_the_thirty_days_as_working_days(database, clock):
    town = Town(database, clock, CaseworkRules(renewal_days_unit=DaysUnit.WORKING))
    await town.settle()
    registry = Registry(town)
    await registry.publish(valid_months=3)
    licence, _ = await licence_of(registry)
    town.at("2026-11-06")
    assert (await registry.filing(stage="renewal", licence_number=licence)).code == "RENEWAL_TOO_LATE"


def test_the_clock_renews_before_it_lets_licences_lapse():
    order = [type(act).__name__ for act, _ in CLOCKWORK]
    assert order.index("DeemRenewed") < order.index("TendLicences")
