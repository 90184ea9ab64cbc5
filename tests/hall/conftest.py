import pytest

from kernel.clock import FakeClock
from kernel.db import Database
from tests.hall.office import Hall


@pytest.fixture
async def hall(database: Database, clock: FakeClock) -> Hall:
    hall = Hall(database, clock)
    await hall.settle()
    await hall.publish()
    return hall
