import pytest

from casework.rules import CaseworkRules
from kernel.clock import FakeClock
from kernel.db import Database
from tests.casework.counter import Counter
from tests.casework.licensed import Registry
from tests.casework.town import Town


@pytest.fixture
async def town(database: Database, clock: FakeClock) -> Town:
    """A town with its item published, on Friday 2026-09-18."""
    town = Town(database, clock, CaseworkRules())
    await town.settle()
    await town.publish()
    return town


@pytest.fixture
async def registry(town: Town) -> Registry:
    """The town once more, with an item whose grant makes a licence."""
    registry = Registry(town)
    await registry.publish()
    return registry


@pytest.fixture
def counter(town: Town) -> Counter:
    """The town's counter, with its one window."""
    return Counter(town)
