"""What the exchange does by itself in a serving process, and the settings that say so."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ferry.exchange.acts import SenderView
from ferry.exchange.codes import Table
from ferry.exchange.senders import senders
from ferry.exchange.standard import encode
from ferry.exchange.tables import ExchangeRecord
from ferry.transports.databases import Sqlite
from kernel.clock import FakeClock
from server.__main__ import app
from server.config_file import SettingsRefused
from server.exchange_loops import loops, row_table
from server.processes import Pace
from server.settings import Settings, read
from server.wiring import open_system
from tests.ferry.exchange.systems import SENDER, SendingSystem

FRONTS = """
[[exchange.fronts]]
kind = "folder"
name = "daily"
path = "{folder}/daily"

[[exchange.fronts]]
kind = "table"
name = "market"
url = "sqlite://{folder}/front.db"
source_system = "SJJ-YWXT"
org = "SJJ"
region = "430421"
"""


def settings_of(folder: Path, more: str = "") -> Settings:
    begin = f'data_dir = "{folder}"\n[database]\nurl = "sqlite://{folder}/z.db"\n'
    return read((begin + more).encode(), {})


async def looked_at(clock: FakeClock, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, FRONTS.format(folder=tmp_path))
    async with open_system(settings, clock=clock) as system:
        turns = loops(system, Pace())
        assert set(turns) == {"front daily", "front market"}
        assert [rest for _, rest in turns.values()] == [30, 30]
        _, front = settings.exchange.fronts
        await (await row_table(system, front)).make_table()  # type: ignore[arg-type]
        row = SendingSystem(SENDER).row(Table.APPLY)
        insert = "INSERT INTO case_exchange_row (id, line, flag) VALUES (1, ?, '0')"
        line = encode(row.envelope, row.payload).decode()
        await Sqlite(f"{tmp_path}/front.db").write([(insert, (line,))])
        assert [await turn() for turn, _ in turns.values()] == [False, True]
        assert [await turn() for turn, _ in turns.values()] == [False, False]
        assert (await ExchangeRecord.get()).projid == "A1"
        registered: list[SenderView] = await senders()
        assert [(each.source_system, each.name) for each in registered] == [("SJJ-YWXT", "前置库market")]


def test_fronts_are_looked_at_and_a_tables_system_is_registered_at_the_first_look(clock: FakeClock, tmp_path: Path):
    asyncio.run(looked_at(clock, tmp_path))
    places = {"ZHANGBAN_DATA_DIR": str(tmp_path), "ZHANGBAN_DATABASE__URL": f"sqlite://{tmp_path}/z.db"}
    told = CliRunner().invoke(app, ["exchange", "status", "--json"], env=places)
    assert told.exit_code == 0, told.output
    status = json.loads(told.stdout)
    assert (status["above"]["waiting"], [each["source"] for each in status["below"]]) == (0, ["SJJ-YWXT"])
    assert "SJJ-YWXT" in CliRunner().invoke(app, ["exchange", "status"], env=places).stdout


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ('above_url = "http://city.example"', "above_url"),
        ('above_url = "https://city.example"', "exchange"),
        ('above_url = "https://city.example"\nabove_peer = "city"\nabove_certificate = "c.pem"', "exchange"),
        ('above_peer = "city"\nabove_certificate = "c.pem"', "above_peer"),
        ('[[exchange.fronts]]\nkind = "table"\nname = "a"\nurl = "ftp://x"\n'
         'source_system = "S"\norg = "O"\nregion = "430421"', "fronts"),
        (2 * '[[exchange.fronts]]\nkind = "folder"\nname = "a"\npath = "x"\n', "fronts"),
    ],
)  # fmt: skip
def test_settings_that_lead_nowhere_or_in_the_clear_are_refused(wrong: str, where: str):
    with pytest.raises(SettingsRefused) as refused:
        read(f"[exchange]\n{wrong}\n".encode(), {})
    assert where in str([str(problem) for problem in refused.value.problems])


def test_a_level_above_may_be_on_this_machine_without_tls():
    chosen = read(b'[exchange]\nabove_url = "http://127.0.0.1:8001"\nabove_certificate = "c.pem"\n', {}).exchange
    assert chosen.reports
