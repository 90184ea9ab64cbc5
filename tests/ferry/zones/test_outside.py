"""What the outer zone does by itself, sends inside, or refuses: each act, loop and root field has its place."""

import pytest
from graphql import parse

from kernel.permissions import the_system
from kernel.refusals import NotInThisZone
from mobile_api.guards import refuse_absent
from mobile_api.schema import build_schema
from server.acts import RULES
from server.config_file import SettingsRefused
from server.outside import FILING, INSIDE_ONLY, LOCAL_OUTSIDE, crossing
from server.processes import CLOCKWORK, clockwork_of
from server.settings import read
from supervision.acts import TurnLights

CROSSING = crossing(RULES)


def test_every_act_has_its_place():
    every = {rule.act for rule in RULES}
    assert every >= LOCAL_OUTSIDE
    assert set(CROSSING.values()) >= FILING
    assert not set(CROSSING.values()) & LOCAL_OUTSIDE
    systems = {rule.act for rule in RULES if rule.may is the_system}
    assert not systems & set(CROSSING.values())
    assert every == LOCAL_OUTSIDE | systems | set(CROSSING.values())


def test_outside_the_clock_does_nothing_to_cases():
    outside = {type(act) for act, _ in clockwork_of("outer")}
    assert outside < {type(act) for act, _ in CLOCKWORK}
    assert TurnLights not in outside
    assert clockwork_of("inner") == clockwork_of("single") == CLOCKWORK
    modules = {act.__module__ for act in outside}
    assert not {each for each in modules if each.startswith("supervision")}, modules


def test_root_fields_that_show_what_is_not_mirrored_are_refused():
    schema = build_schema()._schema
    assert schema.query_type is not None
    assert schema.query_type.fields.keys() >= INSIDE_ONLY
    refuse_absent(parse("{ todos { endCursor } }"), INSIDE_ONLY)
    for asked in (
        "{ smsBill { endCursor } }",
        "query Q { me { id } ... on Query { complaints { endCursor } } }",
        "query Q { ...F } fragment F on Query { x: waitingEnrolments { id } }",
    ):
        with pytest.raises(NotInThisZone):
            refuse_absent(parse(asked), INSIDE_ONLY)


@pytest.mark.parametrize(
    ("zone", "relations", "is_good"),
    [
        ("single", [], True),
        ("single", ["above"], True),
        ("outer", ["inner"], True),
        ("outer", ["inner", "above"], True),
        ("outer", [], False),
        ("outer", ["outer"], False),
        ("outer", ["inner", "inner"], False),
        ("inner", ["outer"], True),
        ("inner", ["outer", "below"], True),
        ("inner", ["outer", "inner"], False),
        ("inner", [], False),
    ],
)
def test_a_zone_must_have_the_peers_it_needs(zone, relations, is_good):
    peers = "".join(
        f'[[ferry.peers]]\nkind = "folder"\nname = "p{number}"\nrelation = "{relation}"\nout = "/x"\ninto = "/y"\n'
        for number, relation in enumerate(relations)
    )
    content = f'[ferry]\nzone = "{zone}"\n{peers}'.encode()
    if is_good:
        assert read(content, {}).ferry.zone == zone
        return
    with pytest.raises(SettingsRefused) as refused:
        read(content, {})
    assert f"zone = {zone}" in str(refused.value)
    assert " · " in str(refused.value)
