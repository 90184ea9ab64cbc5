"""What every test may ask for: an empty migrated database, on SQLite or (`--database postgres`) on PostgreSQL.

`database`      the open `kernel.db.Database` with every table and no row
`database_url`  the same, not opened
`blank_url`     a database without tables: for tests of migrations, and of a program's first start
`installed_url` a database as the program leaves it after its first start: for tests of commands and running programs
`clock`         a `FakeClock` standing at the morning of a working day

One run, one dialect: tortoise remembers prepared SQL per process. In the PostgreSQL run only the tests that ask
for a database are run, because the others have already passed in the SQLite run.
"""

import asyncio
import functools
import gc
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import TypeVar, cast

import asyncpg
import hypothesis
import pytest
import typer.testing
from tortoise.apps import Apps
from typer.main import get_command

from kernel.clock import FakeClock
from kernel.db import Database
from server.settings import DatabaseSettings, Settings
from server.wiring import TABLES, open_system
from tools.postgres import Postgres

pytest_plugins = ("tools.features",)

ROOT = Path(__file__).parents[1]
MEMORY_DISK = Path("/dev/shm")
SERVER_URL = pytest.StashKey[str]()
T = TypeVar("T")


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
# Nor do the commands change from one that is typed to the next.
setattr(typer.testing, "_get_command", functools.cache(get_command))  # noqa: B010  nor is that one offered


# Nor does one come here that httpx looks for on the whole path, in vain, at every request it hands to a program.
sys.modules.setdefault("sniffio", cast(ModuleType, None))


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
    if config.getoption("database") == "sqlite":
        return
    wanted = [item for item in items if "_shelf" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: the collector, which takes a third of a second for them, need not look."""
    gc.collect()
    gc.freeze()


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
def database_url(_shelf: "Shelf") -> Iterator[str]:
    url = _shelf.migrated()
    yield url
    _shelf.discard(url)


@pytest.fixture
def blank_url(_shelf: "Shelf") -> Iterator[str]:
    url = _shelf.blank()
    yield url
    _shelf.discard(url)


@pytest.fixture
def installed_url(_shelf: "Shelf") -> Iterator[str]:
    url = _shelf.installed()
    yield url
    _shelf.discard(url)


@pytest.fixture(scope="session")
def _shelf(pytestconfig: pytest.Config, dialect: str) -> Iterator["Shelf"]:
    folder = Path(tempfile.mkdtemp(prefix="zb-tests-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
    shelf = PostgresShelf(pytestconfig) if dialect == "postgres" else SqliteShelf(folder)
    yield shelf
    shelf.close()
    shutil.rmtree(folder)


class SqliteShelf:
    """Databases are files in one folder; what is made at length is made once and copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = count(1)
        self._templates: dict[str, Path] = {}

    def blank(self) -> str:
        return f"sqlite://{self._folder / f'{next(self._names)}.db'}"

    def migrated(self) -> str:
        return self.copy("migrated", _create_schema)

    def installed(self) -> str:
        return self.copy("installed", _install)

    def copy(self, name: str, make: "Make") -> str:
        """A database like the one that `make` made when `name` was first asked for."""
        if name not in self._templates:
            self._templates[name] = self._folder / f"template-{name}.db"
            _elsewhere(make(f"sqlite://{self._templates[name]}"))
        url = self.blank()
        shutil.copyfile(self._templates[name], url.removeprefix("sqlite://"))
        return url

    def discard(self, url: str) -> None:
        name = Path(url).name
        for file in self._folder.glob(f"{name}*"):  # with its -wal and -shm
            file.unlink()

    def close(self) -> None:
        """The folder goes with everything in it."""


class PostgresShelf:
    """Databases of one server; what is made at length is made once per worker and cloned.

    A thread of its own drops what was used and clones the next one meanwhile, on one connection.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._server_url = config.stash[SERVER_URL]
        self._worker = getattr(config, "workerinput", {}).get("workerid", "main")
        self._names = count(1)
        self._templates: dict[str, str] = {}
        self._ahead: dict[str, Future[str]] = {}
        self._loop, self._thread = asyncio.new_event_loop(), ThreadPoolExecutor(1)
        self._connection = self._does(asyncpg.connect(self._server_url)).result()
        self._drops: list[Future[str]] = []

    def blank(self) -> str:
        return self._cloned("template0").result()

    def migrated(self) -> str:
        return self.copy("migrated", _create_schema)

    def installed(self) -> str:
        return self.copy("installed", _install)

    def copy(self, name: str, make: "Make") -> str:
        """A database like the one that `make` made when `name` was first asked for."""
        if name not in self._templates:
            url = self.blank()
            _elsewhere(make(url))
            self._templates[name] = url.rsplit("/", 1)[1]
        ready = self._ahead.pop(name, None) or self._cloned(self._templates[name])
        self._ahead[name] = self._cloned(self._templates[name])
        return ready.result()

    def discard(self, url: str) -> None:
        self._drops.append(self._does(self._run(f'DROP DATABASE "{url.rsplit("/", 1)[1]}" WITH (FORCE)', url)))

    def close(self) -> None:
        for drop in self._drops:
            drop.result()
        self._does(self._connection.close()).result()
        self._thread.submit(self._loop.close).result()
        self._thread.shutdown()

    def _cloned(self, template: str) -> "Future[str]":
        name = f"{self._worker}_{next(self._names)}"
        # Copying files beats writing the copy to the log as long as nobody waits for a disk.
        statement = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'
        return self._does(self._run(statement, f"{self._server_url.rsplit('/', 1)[0]}/{name}"))

    async def _run(self, statement: str, url: str) -> str:
        await self._connection.execute(statement)
        return url

    def _does(self, work: Coroutine[None, None, T]) -> "Future[T]":
        return self._thread.submit(self._loop.run_until_complete, work)


Shelf = SqliteShelf | PostgresShelf
#: Fills the new database of that URL, and closes it.
Make = Callable[[str], Coroutine[None, None, None]]


async def _install(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), database=DatabaseSettings(url=url))
        async with open_system(settings, clock=FakeClock(datetime(2026, 9, 1, tzinfo=UTC))):
            pass


async def _create_schema(url: str) -> None:
    database = await Database.open(url, modules=TABLES)
    await database.create_schema()
    await database.close()


def _elsewhere(work: Coroutine[None, None, None]) -> None:
    """Runs `work` in a loop and a thread of its own: the loop of the test must not be disturbed."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
