from datetime import UTC, datetime

import pytest

from certs.authority import Authority
from certs.keyring import Keyring
from certs.settings import CertSettings
from kernel.clock import FakeClock
from kernel.db import Database
from tests.mobile_api.stage import Stage


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The demo CA; its ceremony is held once for all tests."""
    keyring = Keyring(tmp_path_factory.mktemp("pki"), b"only for tests, 16+")
    return Authority.open(keyring, CertSettings(), now=datetime(2026, 9, 1, tzinfo=UTC))


@pytest.fixture
async def stage(database: Database, clock: FakeClock, authority: Authority, tmp_path) -> Stage:
    """The sample county with two items published, on Friday 2026-09-18 at nine."""
    stage = Stage(database, clock, authority, tmp_path / "files")
    await stage.settle()
    return stage
