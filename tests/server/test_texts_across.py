"""A carrier of kind `ferry`: its settings, what is opened in which zone, and how `zhangban sms status` shows it."""

import asyncio
import tomllib

import pytest

from server.carrier_settings import FerryCarrier
from server.cli_config import template
from server.config_file import SettingsRefused
from server.doors import open_doors
from server.ferry_carrier import TextFerry
from server.ferry_inbox import RelayInbox
from server.processes import Stop
from server.settings import Settings, read
from server.texts_across import carrier_of, inbox_of
from server.wiring import open_system
from sms.inbound import Inbox
from sms.status import status
from tests.server.test_cli_clock import zhangban
from tests.sms.carrier_desk import wait_for

CARRIER = """
[[sms.carriers]]
kind = "ferry"
name = "outer"
peer = "outer"
"""
INNER = """
[ferry]
zone = "inner"
[[ferry.peers]]
kind = "folder"
name = "outer"
relation = "outer"
out = "{folder}/out"
into = "{folder}/in"
"""
OUTER = INNER.replace('"inner"', '"?"').replace('"outer"', '"inner"').replace('"?"', '"outer"')


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsRefused) as refused:
        read(text.encode(), {})
    return [str(problem) for problem in refused.value.problems]


def settings_of(folder, text: str) -> Settings:
    given = text.format(folder=folder)
    return read(f'data_dir = "{folder}"\ndatabase.url = "sqlite://{folder}/z.db"\nhttp.port = 0\n{given}'.encode(), {})


def test_the_example_in_the_template_is_understood_and_names_every_setting():
    example = template().split('kind = "ferry"')[1].split("\n\n")[0]
    lines = [line.removeprefix("# ") for line in example.splitlines() if " = " in line and line.startswith("# ")]
    written = tomllib.loads("\n".join(['kind = "ferry"', *lines]))
    assert written.keys() == FerryCarrier.model_fields.keys()
    assert read((CARRIER + INNER).encode(), {}).sms.carriers == (FerryCarrier(**written),)


@pytest.mark.parametrize("zone", ["", OUTER])
def test_where_texts_leave_directly_it_is_refused(zone):
    [problem] = problems(CARRIER + zone)
    assert problem.startswith("sms.carriers.0.kind：ferry 仅用于内网")
    assert "is for the inner zone only" in problem


@pytest.mark.parametrize("wrong", ['name = "other"', 'into = ""'])
def test_without_a_way_there_and_back_it_is_refused(wrong):
    key = wrong.partition(" ")[0]
    text = "\n".join(wrong if line.startswith(key) else line for line in INNER.splitlines())
    [problem] = [each for each in problems(CARRIER + text) if each.startswith("sms.")]
    assert problem.startswith("sms.carriers.0.peer：")
    assert "is no peer of ferry.peers" in problem


async def test_the_inner_zone_has_the_ferry_for_its_carrier_and_performs_what_people_text(tmp_path):
    async with open_system(settings_of(tmp_path, CARRIER + INNER)) as system:
        (chosen,) = system.settings.sms.carriers
        assert isinstance(chosen, FerryCarrier)
        assert isinstance(carrier_of(chosen, system), TextFerry)
        assert isinstance(inbox_of(system), Inbox)
        stop = Stop()
        async with open_doors(system, stop=stop):
            await wait_for(lambda: system.database.rows("SELECT 1 FROM carrier WHERE seen_at IS NOT NULL"))
            stop()
        (found,) = (await status(system.database, now=system.clock.now())).carriers
    assert (found.name, found.kind, found.state, found.is_up) == ("outer", "ferry", "down", False)
    environment = {"ZHANGBAN_DATABASE__URL": f"sqlite://{tmp_path}/z.db", "ZHANGBAN_DATA_DIR": str(tmp_path)}
    shown = await asyncio.to_thread(zhangban, "sms", "status", **environment)
    assert "ferry" in shown.output


async def test_the_outer_zone_hands_over_what_people_text(tmp_path):
    async with open_system(settings_of(tmp_path, OUTER)) as system:
        assert isinstance(inbox_of(system), RelayInbox)
