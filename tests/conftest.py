"""What every test may ask for: an empty migrated database, on SQLite or (`--database postgres`) on PostgreSQL.

`database`      the open `kernel.db.Database` with every table and no row
`database_url`  the same, not opened
`blank_url`     a database without tables: for tests of migrations, and of a program's first start
`installed_url` a database as the program leaves it after its first start: for tests of commands and running programs
`clock`         a `FakeClock` standing at the morning of a working day

One run, one dialect: tortoise remembers prepared SQL per process. In the PostgreSQL run only the tests that ask
for a database are run, because the others have already passed in the SQLite run.
"""

import functools
import gc
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import cast

import hypothesis
import pytest
import typer.testing
from tortoise.apps import Apps
from tortoise.migrations.schema_generator.state_apps import StateApps
from typer.main import get_command

from kernel.clock import FakeClock
from kernel.db import Database
from server.wiring import TABLES
from tests.alone import spare_the_thread
from tests.shelves import PostgresShelf, Shelf, SqliteShelf
from tools.postgres import Postgres

pytest_plugins = ("tools.features",)

ROOT = Path(__file__).parents[1]
MEMORY_DISK = Path("/dev/shm")
SERVER_URL = pytest.StashKey[str]()


_prepared: set[object] = set()
_prepare = Apps._build_initial_querysets


def _prepare_once(apps: Apps) -> None:
    """What tortoise derives from the models at every opening, 20 ms long, is the same each time: one dialect a run."""
    models = frozenset((model, model._meta.default_connection) for model in apps.get_models_iterable())
    if models not in _prepared:
        _prepare(apps)
        _prepared.clear()
        _prepared.add(models)


setattr(Apps, "_build_initial_querysets", _prepare_once)  # noqa: B010  a method is replaced
# Between two steps of a migration nobody needs it: none of ours asks a model for rows.
setattr(StateApps, "_build_initial_querysets", lambda apps: None)  # noqa: B010
# Nor do the commands change from one that is typed to the next.
setattr(typer.testing, "_get_command", functools.cache(get_command))  # noqa: B010  nor is that one offered


# Nor does one come here that httpx looks for on the whole path, in vain, at every request it hands to a program.
sys.modules.setdefault("sniffio", cast(ModuleType, None))


spare_the_thread()


# A slow machine is no defect: how long an example takes is never what a property says.
hypothesis.settings.register_profile("patient", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=("sqlite", "postgres"), default="sqlite", help="dialect of this run")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("database") != "postgres":
        return
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        config.stash[SERVER_URL] = workerinput["server_url"]
        return
    server = Postgres.start()
    config.add_cleanup(server.stop)
    config.stash[SERVER_URL] = server.url


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """pytest-xdist: every worker uses the one server of this run."""
    node.workerinput["server_url"] = node.config.stash.get(SERVER_URL, "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Whole stories first: begun last, one of them would run alone at the end.
    items.sort(key=lambda item: "scenarios" not in item.path.parts)
    if config.getoption("database") == "sqlite":
        return
    wanted = [item for item in items if "_shelf" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: the collector, which takes a third of a second for them, need not look."""
    gc.collect()
    gc.freeze()
    # Nor often at what migrations and commands leave behind: it is let go as well in larger heaps.
    gc.set_threshold(200_000, 20, 50)


@pytest.fixture(scope="session")
def dialect(pytestconfig: pytest.Config) -> str:
    return str(pytestconfig.getoption("database"))


@pytest.fixture
def clock() -> FakeClock:
    """Friday 2026-09-18 09:00 in Shanghai, the receipt day of most vectors."""
    return FakeClock(datetime(2026, 9, 18, 1, 0, tzinfo=UTC))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url, modules=TABLES)
    yield opened
    await opened.close()


@pytest.fixture
def database_url(_shelf: Shelf) -> Iterator[str]:
    url = _shelf.migrated()
    yield url
    _shelf.discard(url)


@pytest.fixture
def blank_url(_shelf: Shelf) -> Iterator[str]:
    url = _shelf.blank()
    yield url
    _shelf.discard(url)


@pytest.fixture
def installed_url(_shelf: Shelf) -> Iterator[str]:
    url = _shelf.installed()
    yield url
    _shelf.discard(url)


@pytest.fixture(scope="session")
def _shelf(pytestconfig: pytest.Config, dialect: str) -> Iterator[Shelf]:
    folder = Path(tempfile.mkdtemp(prefix="zb-tests-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
    if dialect == "postgres":
        worker = getattr(pytestconfig, "workerinput", {}).get("workerid", "main")
        shelf: Shelf = PostgresShelf(pytestconfig.stash[SERVER_URL], worker)
    else:
        shelf = SqliteShelf(folder)
    yield shelf
    shelf.close()
    shutil.rmtree(folder)
