"""Statistics: each number as docs/statistics.md defines it, against hand counts, raw events and a brute force."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from casework.acts import (
    Decision,
    ExtendClock,
    FillCalendar,
    ForeignCaseRow,
    ImportForeignCases,
    ReportForeignSteps,
    ResumeClock,
    StopClock,
    Withdraw,
)
from casework.clock.calendars import builtin_calendar
from casework.clock.ledger import StopGround
from casework.clock.working_days import day_of
from kernel.actor import THE_CLOCK
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.refusals import NotPermitted, Refusal
from supervision.statistics import (
    DIMENSION_NAMES,
    NUMBERS,
    Colour,
    Dimension,
    Figures,
    PeriodOf,
    Result,
    StatisticsFilter,
    narrowed_for,
    statistics,
)
from supervision.tables import Card
from tests.casework.town import item
from tests.hall.office import Hall

XK, FW = "ZJ-XK-001", "ZJ-FW-002"


@pytest.fixture
async def hall(database: Database, clock: FakeClock) -> Hall:
    hall = Hall(database, clock)
    await hall.settle()
    await hall.do(FillCalendar(), THE_CLOCK)
    await hall.publish(item(XK, statutory=20, committed=5))
    await hall.publish(item(FW, statutory=20, committed=10, item_class="service", grade="A"))
    return hall


async def figures(hall: Hall, only: StatisticsFilter | None = None, *by: Dimension) -> list[Figures]:
    return await statistics(
        hall.database,
        today=day_of(hall.clock.now()),
        calendar=builtin_calendar(),
        only=only or StatisticsFilter(),
        by=by,
    )


async def total(hall: Hall, **only) -> Figures:
    (row,) = await figures(hall, StatisticsFilter(**only))
    return row


async def decided(hall: Hall, number: str, outcome: Decision = Decision.GRANT) -> None:
    await hall.decide("HANDLER", number, "level:1", Decision.AGREE)
    await hall.decide("HEAD", number, "level:2", Decision.AGREE)
    await hall.decide("LEADER", number, "level:3", outcome, "决定。")


async def a_month(hall: Hall) -> None:
    """Nine cases: the 18th is a Friday, five working days end on the 24th (Sunday the 20th is worked)."""
    early, in_time, late, refused = [await hall.accepted(item=XK, stage=f"{XK}-01") for _ in range(4)]
    open_late = await hall.accepted(item=XK, stage=f"{XK}-01")
    await hall.accepted(item=FW, stage=f"{FW}-01")  # in process, its limit is in October
    withdrawn = await hall.file(item=FW, stage=f"{FW}-01")
    await hall.do(Withdraw(case=withdrawn.number, password=hall.password_of(withdrawn)))
    unaccepted = await hall.file(item=FW, stage=f"{FW}-01")
    await hall.decide("CLERK", unaccepted.number, "accept", Decision.REFUSE_ACCEPTANCE, "不属于许可事项。")
    secret = await hall.accepted(item=XK, stage=f"{XK}-01")
    await hall.database.execute("UPDATE case_file SET secret = TRUE WHERE number = $1", secret)
    hall.at("2026-09-22")
    await decided(hall, early)
    hall.at("2026-09-24 23:00")
    await decided(hall, in_time)
    await decided(hall, refused, Decision.REFUSE)
    hall.at("2026-09-28")
    await decided(hall, late)
    for number, colour in ((late, "yellow"), (late, "red"), (open_late, "red")):
        await hall.database.execute(
            "INSERT INTO light (case_id, task_id, unit_code, step, role, colour, at, noticed_at)"
            " SELECT id, 1, unit_code, 'level:1', 'handler', $1, $2, $2 FROM case_file WHERE number = $3",
            colour,
            hall.clock.now(),
            number,
        )


@pytest.mark.feature("STAT-03")
async def test_the_standard_indicators_are_as_they_are_defined(hall: Hall) -> None:
    await a_month(hall)
    row = await total(hall)
    assert (row.received, row.accepted, row.in_process, row.closed, row.undecided) == (8, 6, 2, 4, 2)
    assert (row.granted, row.refused) == (3, 1)
    # Closed on the 22nd before, on the 24th twice at, on the 28th after the due date.
    assert (row.on_time, row.early, row.overdue) == (3, 1, 2)
    assert (row.on_time_rate, row.early_rate) == ("75.0", "25.0")
    # 20, 21, 22 September; 20 to 24 twice; 28 September is the sixth, 25 to 27 are days off.
    assert row.average_days == "4.8"
    assert (row.yellow_lights, row.red_lights, row.yellow_cards, row.red_cards) == (1, 2, 0, 0)
    assert row.received == row.in_process + row.closed + row.undecided


async def test_of_no_case_there_are_no_rates(hall: Hall) -> None:
    row = await total(hall)
    assert (row.received, row.on_time_rate, row.early_rate, row.average_days) == (0, None, None, None)
    assert await figures(hall, None, Dimension.UNIT) == []


@pytest.mark.feature("STAT-02")
async def test_the_numbers_of_every_dimension_add_up_to_all_cases(hall: Hall) -> None:
    await a_month(hall)
    assert len(Dimension) >= 8
    whole = await total(hall)
    for dimension in Dimension:
        rows = await figures(hall, None, dimension)
        for name in list(NUMBERS)[:-4]:
            assert sum(getattr(row, name) for row in rows) == getattr(whole, name), (dimension, name)
    by_all = await figures(hall, None, *Dimension)
    assert sum(row.received for row in by_all) == whole.received
    assert {len(row.keys) for row in by_all} == {len(Dimension)}


@pytest.mark.feature("STAT-02")
async def test_the_numbers_are_those_of_the_log(hall: Hall) -> None:
    await a_month(hall)
    row = await total(hall)

    async def logged(tag: str, body: str = "%") -> int:
        (count,) = await hall.database.rows(
            "SELECT COUNT(*) AS n FROM event e JOIN case_file c ON e.subject = 'case:' || c.number"
            " WHERE e.tag = $1 AND e.body LIKE $2 AND c.secret = FALSE",
            tag,
            body,
        )
        return int(str(count["n"]))

    assert row.received == await logged("case.filed")
    assert row.accepted == await logged("case.accepted")
    assert row.closed == await logged("case.decided")
    assert row.granted == await logged("case.decided", '%"outcome":"granted"%')
    assert row.undecided == await logged("case.withdrawn") + await logged("case.acceptance_refused")


@pytest.mark.feature("STAT-01")
async def test_every_filter_narrows_to_what_it_says(hall: Hall) -> None:
    await a_month(hall)
    for only, received in (
        ({"unit": "ZJ"}, 8),
        ({"unit": "HALL"}, 0),
        ({"item": XK}, 5),
        ({"stage": f"{FW}-01"}, 3),
        ({"item_class": "service"}, 3),
        ({"item_class": "permit"}, 5),
        ({"grade": "A"}, 3),
        ({"channel": "online"}, 8),
        ({"channel": "window"}, 0),
        ({"light": Colour.RED}, 2),
        ({"light": Colour.YELLOW}, 0),  # the only one with a yellow light also has a red one
        ({"light": Colour.NONE}, 6),
        ({"card": Colour.NONE}, 8),
        ({"result": Result.GRANTED}, 3),
        ({"result": Result.OPEN}, 2),
        ({"result": Result.UNDECIDED}, 2),
        ({"status": "withdrawn"}, 1),
        ({"since": date(2026, 9, 18), "until": date(2026, 9, 18)}, 8),
        ({"since": date(2026, 9, 19)}, 0),
        ({"since": date(2026, 9, 24), "until": date(2026, 9, 30), "period_of": PeriodOf.CLOSED}, 3),
        ({"until": date(2026, 9, 18), "period_of": PeriodOf.ACCEPTED}, 6),
        ({"item": XK, "result": Result.REFUSED, "light": Colour.NONE}, 1),
    ):
        assert (await total(hall, **only)).received == received, only


async def test_a_card_counts_when_it_is_in_effect(hall: Hall) -> None:
    await a_month(hall)
    (case,) = await hall.database.rows("SELECT id, number FROM case_file WHERE status = 'granted' ORDER BY id LIMIT 1")
    for id, state in (("C000001", "proposed"), ("C000002", "effective"), ("C000003", "rejected")):
        await Card.create(
            id=id,
            colour="red",
            ground="other",
            state=state,
            case_id=case["id"],
            case_number=case["number"],
            item_name="",
            unit_code="ZJ",
            proposed_at=hall.clock.now(),
            proposed_by="",
        )
    row = await total(hall, card=Colour.RED)
    assert (row.received, row.red_cards, row.yellow_cards) == (1, 1, 0)


async def test_cases_of_self_built_systems_count_by_their_own_deadlines(hall: Hall) -> None:
    moment = hall.clock.now()
    row = ForeignCaseRow(
        number="F1",
        unit="ZJ",
        item_name="外部事项",
        channel="",
        responsible="",
        started_at=moment,
        deadline=moment + timedelta(days=3),
    )
    await hall.do(ImportForeignCases(source="住建", cases=(row,)), THE_CLOCK)
    counted = await total(hall, channel="self_built")
    assert (counted.received, counted.accepted, counted.in_process, counted.overdue) == (1, 1, 1, 0)
    await hall.do(ReportForeignSteps(case="F1", ended_at=moment + timedelta(days=4)), THE_CLOCK)
    counted = await total(hall, channel="self_built")
    assert (counted.closed, counted.on_time, counted.overdue, counted.average_days) == (1, 0, 1, None)
    assert (await figures(hall, None, Dimension.RESULT))[0].keys == ("ended",)


async def test_the_average_counts_the_days_that_the_law_counts(hall: Hall) -> None:
    """Random stoppages and extensions against a count day by day."""
    chance, calendar = random.Random(7), builtin_calendar()
    counted = []
    for _ in range(6):
        number = await hall.accepted(item=XK, stage=f"{XK}-01")
        begun = day_of(hall.clock.now())
        excluded: set[date] = set()
        revision = 2
        if chance.random() < 0.7:
            told = chance.randint(6, 8)
            stop = StopClock(case=number, revision=revision, ground=StopGround.HEARING, told_days=told, reason="听证。")
            assert not isinstance(await hall.do(stop, await hall.officer("HANDLER")), Refusal)
            revision += 1
            after = day_of(hall.clock.now())
            hall.clock.advance(timedelta(days=chance.randint(1, 2)))
            if chance.random() < 0.6:
                outcome = await hall.do(ResumeClock(case=number, revision=revision), await hall.officer("HANDLER"))
                assert not isinstance(outcome, Refusal), outcome
                revision += 1
                until = day_of(hall.clock.now())
            else:
                until = date.max
            excluded = {after + timedelta(days=n) for n in range(1, 40) if after + timedelta(days=n) <= until}
        if chance.random() < 0.5:
            extend = ExtendClock(case=number, revision=revision, days=3, reason="案情复杂。")
            await hall.do(extend, await hall.officer("CHIEF"))
        hall.clock.advance(timedelta(days=chance.randint(0, 1)))
        await decided(hall, number)
        end = day_of(hall.clock.now())
        days = [begun + timedelta(days=n) for n in range(1, (end - begun).days + 1)]
        counted.append(
            sum(calendar.working_days_between(day - timedelta(days=1), day) for day in days if day not in excluded)
        )
        (row,) = await hall.database.rows("SELECT decided_at FROM case_file WHERE number = $1", number)
        assert row["decided_at"] is not None
    assert (await total(hall, item=XK)).average_days == f"{round(sum(counted) / len(counted) + 1e-9, 1):.1f}"
    by_item = await figures(hall, None, Dimension.ITEM)
    assert [row.average_days for row in by_item] == [(await total(hall)).average_days]


async def test_officers_count_their_own_unit_and_supervisors_every_unit(hall: Hall) -> None:
    everything = StatisticsFilter()
    assert narrowed_for(await hall.officer("JCCLERK"), everything) == everything
    assert narrowed_for(await hall.officer("HANDLER"), everything).unit == "ZJ"
    with pytest.raises(NotPermitted):
        narrowed_for(await hall.officer("HANDLER"), StatisticsFilter(unit="HALL"))
    with pytest.raises(NotPermitted):
        narrowed_for(await hall.applicant("13800000001"), everything)


def test_every_number_and_dimension_has_its_name_and_its_definition() -> None:
    page = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert set(NUMBERS) == set(Figures.__struct_fields__) - {"keys"}
    assert set(DIMENSION_NAMES) == set(Dimension)
    for name, words in NUMBERS.items():
        assert f"| {words.removesuffix('（%）')} | `{name}` |" in page
    for dimension, words in DIMENSION_NAMES.items():
        assert f"| {words} | `{dimension}` |" in page
