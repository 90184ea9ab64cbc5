"""`zhangban serve`: it starts on an empty folder, answers, stops in good order, and says why it will not start."""

import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from tests.scenarios.server_process import (
    carrier,
    configuration,
    fill_queue,
    opened,
    serving,
    states,
    until,
    zhangban,
)

INTROSPECTION = {"query": "{ __schema { queryType { name } } }"}


async def test_it_starts_on_an_empty_folder_answers_is_alone_there_and_ends_on_sigterm(tmp_path: Path):
    async with serving(tmp_path, ZHANGBAN_HTTP__PORT="0") as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/healthz/livez")).status_code == 200
        assert (await client.get("/healthz/readyz")).status_code == 200
        asked = await client.post("/graphql", json={"query": "{ __typename }"})
        assert asked.json() == {"data": {"__typename": "Query"}}
        refused = await client.post("/graphql", json=INTROSPECTION)
        assert refused.json()["errors"]
        assert "data" not in refused.json()
        explorer = await client.get("/graphql", headers={"Accept": "text/html"})
        assert explorer.status_code == 405
        code, _, said = await zhangban(tmp_path, "serve", ZHANGBAN_HTTP__PORT="0")
        assert code == 1
        assert said == "database.url：另一个服务进程正在使用此数据库 · another server is using this database\n"
        assert (await client.get("/healthz/readyz")).status_code == 200
        begun = time.monotonic()
        assert await server.stop() == 0
        assert time.monotonic() - begun < 5
    assert "stopped" in server.lines[-1]
    assert "Traceback" not in server.said
    assert sqlite3.connect(tmp_path / "var" / "zhangban.db").execute("SELECT COUNT(*) FROM calendar_day").fetchone()[0]
    assert (tmp_path / "var").stat().st_mode & 0o077 == 0


async def test_sigterm_finishes_what_is_under_way_and_the_next_start_sends_the_rest_once(
    tmp_path: Path, installed_url: str
):
    phones = {f"138000{n:05d}": f"【衡江政务服务】第{n}件" for n in range(1000)}
    await fill_queue(installed_url, phones)
    async with carrier() as smsc:
        smsc.faults.response_delay_s = 0.06
        config = configuration(tmp_path, installed_url, smsc)
        async with serving(tmp_path, "--config", str(config)) as server:
            await until(lambda: smsc.counts["accepted"] >= 30)
            assert await server.stop() == 0
        async with opened(installed_url) as database:
            left = await states(database)
            assert left.keys() <= {"queued", "submitted", "delivered"}
            assert left["queued"] > 0
            [parts] = await database.rows("SELECT COUNT(*) AS n FROM message_part")
            assert parts["n"] == smsc.counts["accepted"] == len(phones) - left["queued"]
        assert smsc.connections == 0
        smsc.faults.response_delay_s = 0.0
        async with serving(tmp_path, "--config", str(config)) as server, opened(installed_url) as database:
            await until(lambda: delivered(database, len(phones)), pause_s=0.05)
            assert await server.stop() == 0
        assert sorted(pdu.destination for _, pdu in smsc.accepted) == sorted(phones)


async def test_a_carrier_that_is_dead_at_the_start_gets_the_texts_when_it_lives(tmp_path: Path, installed_url: str):
    async with carrier() as gone:
        config = configuration(tmp_path, installed_url, gone)
    await fill_queue(installed_url, {f"138000{n:05d}": f"【衡江政务服务】第{n}件" for n in range(20)})
    async with serving(tmp_path, "--config", str(config)) as server:
        await until(lambda: "cannot connect" in server.said)
        async with carrier(port=gone.port), opened(installed_url) as database:
            await until(lambda: delivered(database, 20), pause_s=0.05)
        assert await server.stop() == 0


async def delivered(database, count: int) -> bool:
    return await states(database) == {"delivered": count}


async def test_a_database_that_hangs_up_is_called_again_and_no_text_is_lost(
    tmp_path: Path, installed_url: str, dialect: str
):
    if dialect == "sqlite":
        pytest.skip("a file does not hang up")
    phones = {f"138000{n:05d}": f"【衡江政务服务】第{n}件" for n in range(200)}
    await fill_queue(installed_url, phones)
    async with carrier() as smsc:
        smsc.faults.response_delay_s = 0.02
        config = configuration(tmp_path, installed_url, smsc)
        async with serving(tmp_path, "--config", str(config)) as server, opened(installed_url) as database:
            for accepted in (40, 80, 120):
                await until(lambda accepted=accepted: smsc.counts["accepted"] >= accepted)
                assert await database.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await until(lambda: delivered(database, len(phones)), pause_s=0.05)
            assert await server.stop() == 0
            [parts] = await database.rows("SELECT COUNT(*) AS n FROM message_part")
        assert parts["n"] == 200, "what was recorded was not sent again"
        assert {pdu.destination for _, pdu in smsc.accepted} == set(phones)
