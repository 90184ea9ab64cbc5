import pytest

from kernel.clock import FakeClock
from kernel.db import Database
from tests.alerts.county import County
from tests.alerts.queue_desk import QueueDesk


@pytest.fixture
def queue(database: Database, clock: FakeClock) -> QueueDesk:
    return QueueDesk(database, clock)


@pytest.fixture
async def county(database: Database, clock: FakeClock) -> County:
    made = County(database, clock)
    await made.settle()
    await made.publish()
    return made
