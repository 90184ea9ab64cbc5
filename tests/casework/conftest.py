import pytest

from casework.rules import CaseworkRules
from kernel.clock import FakeClock
from kernel.db import Database
from tests.casework.town import Town


@pytest.fixture
async def town(database: Database, clock: FakeClock) -> Town:
    """A town with its item published, on Friday 2026-09-18."""
    town = Town(database, clock, CaseworkRules())
    await town.settle()
    await town.publish()
    return town
