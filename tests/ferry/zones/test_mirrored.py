"""What of the office crosses is a table that somebody has to write: nothing crosses by itself."""

import importlib
from fnmatch import fnmatchcase

import pytest
from tortoise.models import Model

from ferry.records import Registry
from ferry.zones.mirrored import INSIDE, KIND_OF, KINDS, LOCAL, MIRRORED, SHARED, SameAs, Way
from ferry.zones.mirroring import state_records
from ferry.zones.shapes import columns_of, row_of
from server.wiring import EVENTS, TABLES


def tables() -> dict[str, str]:
    """Every table of the system by its name, and the module it stands in."""
    return {
        model._meta.db_table: name
        for name in TABLES
        for model in vars(importlib.import_module(name)).values()
        if isinstance(model, type) and issubclass(model, Model) and model.__module__ == name
    }


def test_every_table_is_mirrored_or_local_or_inside_and_only_one_of_them():
    mirrored = {table.name for table in MIRRORED}
    for table, module in tables().items():
        lists = [
            table in mirrored,
            any(fnmatchcase(table, name) or fnmatchcase(module, name) for name in LOCAL),
            any(fnmatchcase(table, name) or fnmatchcase(module, name) for name in INSIDE),
        ]
        assert lists.count(True) == 1, f"{table}: decide in ferry/zones/mirrored.py where it belongs"
    known = {*tables(), *TABLES}
    for name in {*LOCAL, *INSIDE}:
        assert any(fnmatchcase(each, name) for each in known), f"{name} is no table"


@pytest.mark.parametrize("table", MIRRORED, ids=lambda table: f"{table.kind}-{table.name}")
def test_every_column_of_a_mirrored_table_crosses_or_has_a_neutral_value(table):
    fields = table.model._meta.fields_map
    assert set(table.crossing) | set(table.withheld) == set(fields)
    assert len(columns_of(table)) == len(fields)
    assert row_of(table).__struct_fields__ == table.crossing
    for name, neutral in table.withheld.items():
        if isinstance(neutral, SameAs):
            assert neutral.column in table.crossing
        elif neutral is None:
            assert fields[name].null
        else:
            assert not fields[name].unique
    assert set(table.ways) <= set(table.crossing)


def test_numbers_of_rows_are_their_own_only_where_a_zone_has_rows_too():
    theirs = {table.name for table in MIRRORED if table.ways.get("id") is Way.THEIRS}
    assert {*SHARED, "event"} <= theirs


def test_what_every_event_is_about_is_mirrored_or_known_not_to_be():
    assert {event.about for event in EVENTS} == set(KIND_OF)
    assert {kind for kind in KIND_OF.values() if kind is not None} | {"seals"} == set(KINDS)


def test_every_state_is_of_a_bounded_and_closed_shape():
    types = Registry(state_records())
    states = {f"{way}.{kind}" for kind in KINDS for way in ("state", "shown")}
    assert {kind.name for kind in types} == {*states, "state.age", "state.census"}
