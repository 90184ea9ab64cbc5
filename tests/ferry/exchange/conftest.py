import pytest

from tests.ferry.exchange.systems import SendingSystem, register
from tests.mobile_api.conftest import authority, stage
from tests.mobile_api.stage import Stage

__all__ = ["authority", "stage"]


@pytest.fixture
async def system(stage: Stage) -> SendingSystem:
    """The market supervision's own system, registered, on Friday 2026-09-18 at nine."""
    system = SendingSystem()
    await register(stage, system, unit="SJJ")
    return system
