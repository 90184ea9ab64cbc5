"""The ferry in a serving process: it waits for its keys, wakes for what is urgent, and outlives what fails."""

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs

from ferry.lanes import RULES, Lane
from ferry.zones.bell import Bell
from ferry.zones.relaying import RelayOffice
from kernel.office import Office
from server import zones
from server.ferry_stations import rules_of
from server.processes import Pace, Stop, running, until_stopped
from server.settings import read
from server.wiring import open_system
from server.zones import Ferryman, bells_of, inner_route, loops, office_of


async def test_a_ferry_without_keys_waits_says_so_once_and_stops_when_told(blank_url, tmp_path):
    settings = read(
        f"""
data_dir = "{tmp_path}"
[ferry]
zone = "outer"
[[ferry.peers]]
kind = "folder"
name = "inner"
relation = "inner"
out = "{tmp_path}/out"
into = "{tmp_path}/into"
[[ferry.peers]]
kind = "folder"
name = "city"
relation = "above"
out = "{tmp_path}/up"
into = "{tmp_path}/down"
""".encode(),
        {"ZHANGBAN_DATABASE__URL": blank_url},
    )
    async with open_system(settings) as system:
        assert isinstance(system.office, RelayOffice)
        assert inner_route(settings).outgoing("urgent") == "outer-inner.urgent"
        turns = loops(system, Pace())
        assert {"ferry inner", "ferry city"} <= turns.keys()
        assert "acts from outside" not in turns
        ferryman, stop = Ferryman(system, system.settings.ferry.peers[0]), Stop()
        with capture_logs() as logs:
            async with running(until_stopped(stop, "ferry inner", ferryman.turn, pause_s=0), stop=stop):
                for _ in range(3):
                    await asyncio.sleep(0)
                    bells_of(system).leaving.ring()
                while not logs:  # noqa: ASYNC110  the loop has no bell
                    await asyncio.sleep(0.001)
                stop()
                bells_of(system).leaving.ring()
        assert [(log["event"], log["peer"]) for log in logs] == [("the ferry waits", "inner")]
        single = read(b"", {"ZHANGBAN_DATABASE__URL": blank_url})
        assert type(office_of(single, system.desk, system.office._outbox)) is Office


async def test_a_bell_that_rang_before_the_wait_is_heard():
    bell = Bell()
    heard = bell.rung
    bell.ring()
    assert await bell.wait(heard, 60)
    assert not await bell.wait(bell.rung, 0.001)
    waiting = [asyncio.create_task(bell.wait(bell.rung, 60)) for _ in range(2)]
    await asyncio.sleep(0)
    bell.ring()
    assert await asyncio.gather(*waiting) == [True, True]


async def test_what_comes_into_the_folder_ends_the_rest_and_what_leaves_waits_no_longer_than_is_set(
    installed_url, tmp_path, monkeypatch
):
    monkeypatch.setattr(zones, "REST_S", 3600)
    into = tmp_path / "into"
    into.mkdir()
    settings = read(
        f"""
data_dir = "{tmp_path}"
[ferry]
zone = "outer"
gather_milliseconds = 30
[[ferry.peers]]
kind = "folder"
name = "inner"
relation = "inner"
into = "{into}"
""".encode(),
        {"ZHANGBAN_DATABASE__URL": installed_url},
    )
    assert rules_of(settings)[Lane.URGENT].after == timedelta(milliseconds=30)
    assert rules_of(read(b"", {}))[Lane.URGENT] == RULES[Lane.URGENT]
    async with open_system(settings) as system, asyncio.timeout(60):
        ferryman, leaving = Ferryman(system, settings.ferry.peers[0]), bells_of(system).leaving
        resting = asyncio.create_task(ferryman._rest(leaving, leaving.rung, await ferryman._glance()))
        await asyncio.sleep(0)
        (into / "arrived").touch()
        await resting
        leaving.ring()
        await ferryman._rest(leaving, leaving.rung - 1, await ferryman._glance())
