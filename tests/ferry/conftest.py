"""Two databases of one run's dialect, and the pair of zones on them."""

from pathlib import Path

import pytest

from tests.ferry.pair import Pair


@pytest.fixture
async def pair(_shelf, clock, tmp_path: Path):
    made = Pair(clock, tmp_path)
    urls = [_shelf.migrated() for _ in made.sides]
    for side, url in zip(made.sides, urls, strict=True):
        await side.open(url)
    await made.start()
    made.databases += urls
    yield made
    for side in made.sides:
        await side.close()
    for url in made.databases:
        _shelf.discard(url)
