"""A site brings its own cryptography: an installed package and a word in the settings; no caller knows."""

import io
from importlib import metadata
from importlib.metadata import EntryPoint

import pytest

from ferry import suites
from ferry.opening import look
from ferry.refusals import ParcelUnknownSuite
from ferry.suites import DEFAULT, ENTRY_POINTS, suite_named
from server.config_file import SettingsRefused
from server.ferry_stations import routes_of
from server.settings import read
from tests.ferry.other_suite import P256Sm4GcmSm3

NAME = "P256-SM4GCM-SM3"
PEER = '[{{kind="folder", name="inner", relation="inner", out="/out", into="/in", suite="{suite}"}}]'


@pytest.fixture
def brought(monkeypatch):
    """As if a package with this entry point were installed."""
    point = EntryPoint(NAME, "tests.ferry.other_suite:P256Sm4GcmSm3", ENTRY_POINTS)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == ENTRY_POINTS else [])
    suites._installed.cache_clear()
    yield
    suites._installed.cache_clear()


def settings(suite: str):
    return read(b"", {"ZHANGBAN_FERRY__ZONE": "outer", "ZHANGBAN_FERRY__PEERS": PEER.format(suite=suite)})


async def test_two_zones_that_have_another_suite_seal_with_it_and_open_both(pair, brought):
    pair.outer.changes = {"suite": suite_named(NAME)}
    await pair.start()
    await pair.outer.hand_over("a")
    await pair.inner.hand_over("b")
    await pair.settle()
    assert (await pair.inner.effects(), await pair.outer.effects()) == ({"case.state/a": 1}, {"case.state/b": 1})
    for device, name in ((pair.there, NAME), (pair.back, DEFAULT.name)):
        assert {look(io.BytesIO(octets)).suite for _, octets in device.swallowed} == {name}


async def test_whoever_does_not_have_it_puts_its_parcels_aside_under_their_own_code(pair):
    pair.outer.changes = {"suite": P256Sm4GcmSm3()}
    await pair.start()
    await pair.outer.hand_over("a")
    for _ in range(3):
        await pair.step()
    assert not await pair.inner.effects()
    assert await pair.inner.quarantined() == {"PARCEL_UNKNOWN_SUITE": "kept"}


def test_the_settings_say_which_and_name_none_that_is_not_there(brought):
    assert routes_of(settings(NAME)).routes
    with pytest.raises(SettingsRefused) as refused:
        settings("SM2-SM4GCM-SM3")
    assert "SM2-SM4GCM-SM3" in str(refused.value.problems[0])
    with pytest.raises(ParcelUnknownSuite):
        suite_named("SM2-SM4GCM-SM3")


def test_nobody_takes_the_place_of_ours(brought, monkeypatch):
    point = EntryPoint("x", "tests.ferry.test_suites:Impostor", ENTRY_POINTS)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
    suites._installed.cache_clear()
    assert suite_named(DEFAULT.name) is DEFAULT


class Impostor(suites.P256A256Gcm):
    pass
