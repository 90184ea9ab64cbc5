from collections.abc import Iterator

import pytest

from kernel.clock import FakeClock
from kernel.db import Database
from tests.alerts.county import County
from tests.sms.mariadb import MariaDb, NoMariaDb
from tests.sms.text_desk import TextDesk


@pytest.fixture
async def county(database: Database, clock: FakeClock) -> County:
    made = County(database, clock)
    await made.settle()
    await made.publish()
    return made


@pytest.fixture
def desk(county: County) -> TextDesk:
    return TextDesk(county)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    try:
        server = MariaDb.start()
    except NoMariaDb as absent:
        pytest.skip(str(absent))
    yield server
    server.stop()
