"""What every test may ask for: an empty migrated database, on SQLite or (`--database postgres`) on PostgreSQL.

`database`      the open `kernel.db.Database` with every table and no row
`database_url`  the same, not opened
`blank_url`     a database without tables: for tests of migrations, and of a started program, which migrates by itself
`clock`         a `FakeClock` standing at the morning of a working day

One run, one dialect: tortoise remembers prepared SQL per process. In the PostgreSQL run only the tests that ask
for a database are run, because the others have already passed in the SQLite run.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from kernel.clock import FakeClock
from kernel.db import Database
from server.wiring import TABLES
from tools.postgres import Postgres

pytest_plugins = ("tools.features",)

ROOT = Path(__file__).parents[1]
MEMORY_DISK = Path("/dev/shm")
SERVER_URL = pytest.StashKey[str]()


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


@pytest.fixture(scope="session")
def _shelf(pytestconfig: pytest.Config, dialect: str) -> Iterator["Shelf"]:
    folder = Path(tempfile.mkdtemp(prefix="zb-tests-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
    shelf = PostgresShelf(pytestconfig) if dialect == "postgres" else SqliteShelf(folder)
    yield shelf
    shutil.rmtree(folder)


class SqliteShelf:
    """Databases are files in one folder; a migrated one is a copy of a file migrated once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = count(1)
        self._template = folder / "template.db"

    def blank(self) -> str:
        return f"sqlite://{self._folder / f'{next(self._names)}.db'}"

    def migrated(self) -> str:
        if not self._template.exists():
            _elsewhere(_create_schema(f"sqlite://{self._template}"))
        url = self.blank()
        shutil.copyfile(self._template, url.removeprefix("sqlite://"))
        return url

    def discard(self, url: str) -> None:
        name = Path(url).name
        for file in self._folder.glob(f"{name}*"):  # with its -wal and -shm
            file.unlink()


class PostgresShelf:
    """Databases of one server; a migrated one is cloned from a template migrated once per worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._server_url = config.stash[SERVER_URL]
        self._worker = getattr(config, "workerinput", {}).get("workerid", "main")
        self._names = count(1)
        self._template = ""

    def blank(self) -> str:
        return self._created(template="template0")

    def migrated(self) -> str:
        if not self._template:
            url = self.blank()
            _elsewhere(_create_schema(url))
            self._template = url.rsplit("/", 1)[1]
        return self._created(template=self._template)

    def discard(self, url: str) -> None:
        self._run(f'DROP DATABASE "{url.rsplit("/", 1)[1]}" WITH (FORCE)')

    def _created(self, *, template: str) -> str:
        name = f"{self._worker}_{next(self._names)}"
        # Copying files beats writing the copy to the log as long as nobody waits for a disk.
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return f"{self._server_url.rsplit('/', 1)[0]}/{name}"

    def _run(self, statement: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self._server_url)
            await connection.execute(statement)
            await connection.close()

        _elsewhere(run())


Shelf = SqliteShelf | PostgresShelf


async def _create_schema(url: str) -> None:
    database = await Database.open(url, modules=TABLES)
    await database.create_schema()
    await database.close()


def _elsewhere(work: Coroutine[None, None, None]) -> None:
    """Runs `work` in a loop and a thread of its own: the loop of the test must not be disturbed."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
