"""One contract for every way across: what was put is there whole or not at all; of the device nothing is believed."""

import asyncio
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from ferry.transports.databases import connection
from tests.ferry.transports.ways import folder_way, sftp_way, table_way
from tests.sms.mariadb import MariaDb, NoMariaDb
from tools.postgres import Postgres

NAME = "outer-inner.case.12.0a1b2c3d.fry"
MIB = 1 << 20


@pytest.fixture(scope="module")
def postgres_url():
    with Postgres.start() as server:
        yield server.url


@pytest.fixture(scope="module")
def mysql_url():
    try:
        server = MariaDb.start()
    except NoMariaDb as why:
        pytest.skip(str(why))
    where = f"mysql://mas:{server.password}@127.0.0.1:{server.port}"
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _made(f"{where}/mysql")).result()
    yield f"{where}/front"
    server.stop()


async def _made(url: str) -> None:
    opened: Any = connection(url)
    await opened.write([("CREATE DATABASE front", ())])
    await opened.close()


@asynccontextmanager
async def flagged_way(tmp_path, clock, url):
    async with table_way(tmp_path, clock, url, taken="flag") as way:
        yield way


WAYS: dict[str, Any] = {
    "folder": folder_way,
    "sftp": sftp_way,
    "table-sqlite": table_way,
    "table-flagged": flagged_way,
    "table-postgres": table_way,
    "table-mysql": table_way,
}
SERVERS = {"table-postgres": "postgres_url", "table-mysql": "mysql_url"}


@pytest.fixture(params=WAYS)
async def way(request, tmp_path, clock):
    url = request.getfixturevalue(SERVERS[request.param]) if request.param in SERVERS else ""
    async with WAYS[request.param](tmp_path, clock, url) as made:
        yield made
        if url:
            with suppress(OSError):
                await made.driver.write([("DROP TABLE IF EXISTS ferry_out", ())])


def sealed(tmp_path, octets: bytes):
    path = tmp_path / "sealed"
    path.write_bytes(octets)
    return path


async def fetched(way, tmp_path, name: str = NAME) -> bytes:
    target = tmp_path / "fetched"
    await way.transport.get(name, target)
    return target.read_bytes()


@pytest.mark.parametrize("octets", [b"", b"x", os.urandom(MIB), os.urandom(3 * MIB + 17)], ids=len)
async def test_what_was_put_comes_out(way, tmp_path, octets):
    path = sealed(tmp_path, octets)
    await way.transport.put(NAME, path)
    assert not path.exists()
    assert list(await way.transport.names()) == [NAME]
    assert await fetched(way, tmp_path) == octets


async def test_a_file_of_64_mebibytes_crosses(way, tmp_path):
    octets = os.urandom(MIB) * 64
    await way.transport.put(NAME, sealed(tmp_path, octets))
    assert await fetched(way, tmp_path) == octets


async def test_nothing_is_there_at_first(way):
    assert list(await way.transport.names()) == []


async def test_what_was_removed_is_gone_and_may_be_removed_again(way, tmp_path):
    await way.transport.put(NAME, sealed(tmp_path, b"parcel"))
    for _ in range(2):
        await way.transport.remove(NAME)
        assert list(await way.transport.names()) == []
    with pytest.raises(FileNotFoundError):
        await fetched(way, tmp_path)


async def test_half_a_file_is_not_there(way, tmp_path):
    await way.begin(NAME, b"half a par")
    assert list(await way.transport.names()) == []


async def test_a_file_that_somebody_else_began_is_written_whole(way, tmp_path):
    await way.begin(NAME, b"half a par")
    await way.transport.put(NAME, sealed(tmp_path, b"the whole parcel"))
    assert await fetched(way, tmp_path) == b"the whole parcel"


async def test_a_file_that_the_device_took_away_is_not_found(way, tmp_path):
    await way.transport.put(NAME, sealed(tmp_path, b"parcel"))
    await way.take_away(NAME)
    assert list(await way.transport.names()) == []
    with pytest.raises(FileNotFoundError):
        await fetched(way, tmp_path)
    await way.transport.remove(NAME)


async def test_a_file_that_is_delivered_twice_is_the_same_file(way, tmp_path):
    octets = os.urandom(MIB + 5)
    await way.transport.put(NAME, sealed(tmp_path, octets))
    await way.repeat(NAME)
    for name in await way.transport.names():
        assert await fetched(way, tmp_path, name) == octets


async def test_the_same_name_again_replaces_the_file(way, tmp_path):
    await way.transport.put(NAME, sealed(tmp_path, b"first, and longer"))
    await way.transport.put(NAME, sealed(tmp_path, b"second"))
    assert list(await way.transport.names()) == [NAME]
    assert await fetched(way, tmp_path) == b"second"


async def test_files_keep_apart(way, tmp_path):
    names = [NAME.replace("12", str(number)) for number in range(5)]
    for name in names:
        await way.transport.put(name, sealed(tmp_path, name.encode()))
    assert sorted(await way.transport.names()) == sorted(names)
    for name in names:
        assert await fetched(way, tmp_path, name) == name.encode()


async def test_an_end_that_cannot_be_reached_is_an_error_to_try_again_after(way, tmp_path):
    await way.transport.put(NAME, sealed(tmp_path, b"parcel"))
    await way.break_off()
    path = sealed(tmp_path, b"another")
    with pytest.raises(OSError, match=r"\w") as refused:
        await way.transport.put(NAME, path)
    assert path.read_bytes() == b"another"
    assert not re.search("parcel|another|password", str(refused.value))


async def test_an_end_that_is_full_half_way_has_nothing_of_the_file_and_takes_it_whole_afterwards(way, tmp_path):
    """Each attempt has another name: beginnings that stay would keep the end full for good."""
    octets = os.urandom(2 * MIB + 17)
    await way.fill(NAME)
    with pytest.raises(OSError, match=r"\w"):
        await way.transport.put(NAME, sealed(tmp_path, octets))
    await way.empty()
    assert await way.left() == []
    await way.transport.put(NAME, sealed(tmp_path, octets))
    assert await fetched(way, tmp_path) == octets


@pytest.mark.parametrize("name", ["x" * 65, "../inbox", "包裹.fry", ".hidden", "a b"])
async def test_a_name_that_some_device_does_not_carry_is_not_put(tmp_path, clock, name):
    for made in (sftp_way, table_way):
        async with made(tmp_path / made.__name__, clock, f"sqlite://{tmp_path}/front.db") as way:
            with pytest.raises(OSError, match="not a name"):
                await way.transport.put(name, sealed(tmp_path, b"parcel"))
