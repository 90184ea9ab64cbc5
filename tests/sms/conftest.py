from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kernel.clock import FakeClock
from kernel.db import Database
from tests.alerts.county import County
from tests.ferry.pair import Pair
from tests.shelves import Shelf
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


@pytest.fixture
async def zones(database: Database, clock: FakeClock, tmp_path: Path, _shelf: Shelf) -> AsyncIterator[Pair]:
    """`database` as the inner of two zones."""
    made = Pair(clock, tmp_path)
    made.inner.live_in(database)
    url = _shelf.migrated()
    await made.outer.open(url)
    yield made
    await made.outer.close()
    _shelf.discard(url)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    try:
        server = MariaDb.start()
    except NoMariaDb as absent:
        pytest.skip(str(absent))
    yield server
    server.stop()
