"""`zhangban simulate mas --database`: the machine over a real MariaDB, as a process of its own."""

import asyncio
import signal

import pytest
from typer.testing import CliRunner

from server.__main__ import app
from sms.simulator.mas_tables import server_of
from tests.sms.carrier_desk import ACCESS_NUMBER
from tests.sms.mariadb_desk import CODE, asked, database_carrier, fresh_database, jasson
from tests.sms.mas_desk import PHONE, WORDS, Ears, eventually, running_carrier
from tests.sms.test_simulate import simulated


async def test_texts_cross_a_real_database_to_the_simulated_machine_and_answers_come_back(mariadb, clock):
    server = await fresh_database(mariadb)
    url = f"mariadb://{server.user}:{server.password}@{server.host}:{server.port}/{server.database}"
    machine = ("mas", "--database", url, "--dialect", "jasson", "--application", CODE)
    async with simulated(*machine, "--fault", "undeliverable=13900139000") as (process, address, control):
        assert address == f"{server.host}:{server.port}"
        async with running_carrier(database_carrier(server, jasson(), clock), ears := Ears()) as line:
            assert [sent.fault for sent in await line.send(WORDS)] == [None]
            await eventually(lambda: ears.receipts)
            assert (await control.get(f"/handsets/{PHONE}")).json()["inbox"][0]["text"] == WORDS
            assert (await control.post("/cut")).json()["broken"] >= 1
            said = {"from": PHONE, "to": ACCESS_NUMBER, "text": "CX202600000001"}
            assert (await control.post("/mo", json=said)).json() == {"taken": True}
            assert (await control.post("/faults", json={"no_receipts": True, "results": [8]})).status_code == 200
            stats = (await control.get("/stats")).json()
            assert (stats["counts"]["taken"], stats["faults"]["results"]) == (1, [8])
        assert await asked(server, f"SELECT COUNT(*) FROM api_mt_{CODE}") == [(0,)]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60.0) == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--database", "postgres://x/y"], "mysql://USER:PASSWORD@HOST:3306/DATABASE"),
        (["--database", "mysql://root:s3cret@127.0.0.1/"], "mysql://USER"),
        (["--database", "mysql://root:s3cret@127.0.0.1:x/mas"], "the port is no number"),
        (["--database", "mysql://h/mas", "--dialect", "other"], "one of emas, jasson"),
        (["--database", "mysql://h/mas", "--charset", "klingon"], "utf8mb4"),
        (["--database", "mysql://h/mas", "--application", "a;b"], "letters, digits and _"),
        (["--database", "mysql://h/mas", "--push-to", "http://x"], "pushes nothing"),
    ],
)
def test_what_is_no_database_is_refused_without_its_password(arguments, why):
    result = CliRunner().invoke(app, ["simulate", "mas", *arguments])
    assert result.exit_code == 2
    assert why in " ".join(result.output.replace("│", " ").split())
    assert "s3cret" not in result.output


def test_a_database_that_is_not_there_is_named_and_ends_it():
    result = CliRunner().invoke(app, ["simulate", "mas", "--database", "mysql://root:s3cret@127.0.0.1:1/mas"])
    assert (result.exit_code, "no database there: cannot connect" in result.output) == (1, True)
    assert "s3cret" not in result.output


def test_a_url_is_read_whole():
    server = server_of("mysql://z%40b:p%2Fw@mas.example/dbadapter")
    assert (server.host, server.port, server.database) == ("mas.example", 3306, "dbadapter")
    assert (server.user, server.password) == ("z@b", "p/w")
