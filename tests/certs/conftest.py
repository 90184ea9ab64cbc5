from pathlib import Path

import pytest

from certs.authority import Authority
from certs.keyring import Keyring
from certs.settings import CertSettings
from kernel.clock import FakeClock
from kernel.db import Database
from tests.certs.phones import Bench


@pytest.fixture
def authority(tmp_path: Path, clock: FakeClock) -> Authority:
    return Authority.open(Keyring(tmp_path / "keys", b"passphrase"), CertSettings(), now=clock.now())


@pytest.fixture
def bench(database: Database, clock: FakeClock, authority: Authority) -> Bench:
    return Bench(database=database, clock=clock, authority=authority)
