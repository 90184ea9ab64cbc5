import pytest

from kernel.clock import FakeClock
from kernel.db import Database
from tests.supervision.office import County


@pytest.fixture
async def county(database: Database, clock: FakeClock) -> County:
    county = County(database, clock)
    await county.settle()
    return county
