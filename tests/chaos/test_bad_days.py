"""The bad days of `make chaos`, in small: a few rounds each, and each promise broken once to see that it is missed."""

import logging
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.chaos.installations import Installations
from tests.chaos.scenarios import CONTROLS, SCENARIOS, Stage
from tests.chaos.world import victims
from tests.conftest import SERVER_URL

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

#: By dialect, each day where it is likelier to go wrong. The others take their time, whatever their size.
DAYS = {
    "kill -9 at every point of both paths": "sqlite",
    "carrier cut in the middle of PDUs": "sqlite",
    "clock jumps by hours": "sqlite",
    "kill -9 at random moments": "postgres",
    "two gateways on one account": "postgres",
    "mixed carriers with faults at random": "postgres",
}
PROMISES = ("acknowledge texts before they are kept", "forget which parts were taken", "perform without a key")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(_shelf, dialect, pytestconfig, tmp_path_factory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("chaos")
    async with victims() as servers:
        installations = Installations(folder, pytestconfig.stash.get(SERVER_URL, None))
        await installations.prepare(servers)
        yield Stage(dialect, servers, random.Random(20260918), installations, size=0.1)


@pytest.mark.parametrize("day", DAYS)
async def test_on_a_bad_day_nothing_is_lost_and_nothing_is_done_twice(stage, day, caplog):
    caplog.set_level(logging.CRITICAL)
    if stage.dialect != DAYS[day]:
        pytest.skip(f"played on {DAYS[day]}")
    told = await SCENARIOS[day].play(stage)
    assert not told.violations, told.figures


@pytest.mark.parametrize("promise", PROMISES)
async def test_a_promise_broken_on_purpose_is_missed(stage, promise):
    if stage.dialect != "sqlite":
        pytest.skip("played on sqlite")
    bad_day, expected = CONTROLS[promise]
    told = await bad_day(stage, promise)
    assert any(violation.startswith(expected) for violation in told.violations), told
