import pytest

from tests.ferry.conftest import pair  # noqa: F401  a fixture
from tests.ferry.zones.zoned import Zoned
from tests.mobile_api.conftest import authority  # noqa: F401  a fixture


@pytest.fixture
async def zoned(pair, authority, tmp_path):  # noqa: F811
    made = Zoned(pair, authority, tmp_path)
    await made.open()
    return made


@pytest.fixture
async def glass(pair, authority, tmp_path):  # noqa: F811
    from tests.ferry.zones.glass import Glass

    made = Glass(pair, authority, tmp_path)
    await made.open()
    return made
