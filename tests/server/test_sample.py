"""Sample cases: rows that every list understands, that grow by loading more, and that never mix with real cases."""

from datetime import UTC, datetime

import pytest

from casework.acts import Channel, FileApplication, FiledView
from casework.queries import todos
from casework.tables import Case, Item, Step, Task
from kernel.actor import ANYBODY, Actor, ActorKind, Assurance, Role
from kernel.clock import FakeClock
from server.desk import load_county
from server.sample import OPEN_DAYS, CasesHere, NothingPublished, load_sample
from server.settings import DatabaseSettings, Settings
from server.wiring import open_system

NOW = datetime(2026, 9, 18, 2, tzinfo=UTC)


@pytest.fixture
async def system(installed_url, tmp_path):
    settings = Settings(data_dir=tmp_path, database=DatabaseSettings(url=installed_url))
    async with open_system(settings, clock=FakeClock(NOW)) as opened:
        yield opened


async def test_samples_are_cases_of_every_item_with_tasks_opinions_and_a_clock(system):
    await load_county(system)
    seen = []
    assert await load_sample(system, 1000, days=10, watcher=lambda done, total: seen.append((done, total))) == 1000
    assert seen[-1] == (1000, 1000)
    assert len(seen) == 10
    numbers = [case.number for case in await Case.all().order_by("number")]
    assert numbers[0] == "S000000000001"
    assert numbers[999] == "S000000001000"
    with_levels = await Item.filter(state="published").count()
    assert len(set(await Case.all().values_list("item_code", flat=True))) <= with_levels
    assert await Case.filter(closed_at=None).count() == 100 * OPEN_DAYS
    assert await Task.filter(closed_at=None).count() == 100 * OPEN_DAYS
    for model in (Task, Step):
        assert set(await model.all().values_list("case_id", flat=True)) == set(
            await Case.all().values_list("id", flat=True)
        )
    assert await Task.filter(next_light_at__not_isnull=True).count() == 0


async def test_an_officer_finds_them_in_the_to_do_list(system):
    await load_county(system)
    await load_sample(system, 600, days=4)
    officer = Actor(
        kind=ActorKind.OFFICER,
        id="OFF-0001",
        roles=frozenset({Role.HANDLER}),
        unit="ZJJ",
        assurance=Assurance.SESSION,
    )
    page = await todos(system.database, officer, calendar=system.calendar, now=NOW, first=5)
    assert page.rows
    assert all("S0000" in str(row) for row in page.rows)


async def test_loading_more_goes_on_with_the_numbers(system):
    await load_county(system)
    assert await load_sample(system, 150, days=5) == 150
    assert await load_sample(system, 7, days=5) == 157
    assert await Case.filter(number="S000000000157").exists()
    assert not await Case.filter(number__startswith="SMODEL").exists()


async def test_an_office_with_real_cases_is_refused(system):
    await load_county(system)
    filed = await system.office.perform(
        FileApplication(
            item="ZJ-XK-001",
            stage="ZJ-XK-001-01",
            applicant_name="衡江建设有限公司",
            applicant_id_number="91430400MA4L000000",
            applicant_phone="13800000001",
            channel=Channel.ONLINE,
        ),
        ANYBODY,
        key="file",
    )
    assert isinstance(filed, FiledView)
    with pytest.raises(CasesHere):
        await load_sample(system, 10)


async def test_without_a_catalogue_there_is_nothing_to_copy(system):
    with pytest.raises(NothingPublished):
        await load_sample(system, 10)
