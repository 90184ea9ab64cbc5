"""Online forms: one schema, one verdict, on phone and office alike."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casework.acts import Channel
from casework.intake.forms import MOST_OCTETS, MOST_POINTERS, dialect_fault, mistakes
from casework.tables import Case
from tests.casework.counter import Counter
from tests.casework.town import Town

SPEC = Path(__file__).parents[2] / "clients" / "flutter_spec" / "forms" / "vectors.json"
PUBLISHED = json.loads(SPEC.read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = PUBLISHED["schemas"]
VECTORS: list[dict[str, Any]] = PUBLISHED["vectors"]
PERMIT = SCHEMAS["permit"]
#: Another implementation, as a client has one: in Rust, with patterns as ECMA 262 has them.
CLIENTS = {name: jsonschema_rs.validator_for(schema) for name, schema in SCHEMAS.items()}


@pytest.mark.feature("INT-12")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_office_says_what_the_published_vectors_say(vector: dict[str, Any]) -> None:
    found = mistakes(SCHEMAS[vector["schema"]], vector["document"])
    assert (found == [], found) == (vector["valid"], vector["errors"])


@pytest.mark.feature("INT-12")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_another_implementation_says_the_same(vector: dict[str, Any]) -> None:
    """Size, depth and syntax are asked before a validator is; there is nothing to compare."""
    if vector["errors"] == [""] and vector["document"] not in ("[]", '"project"'):
        return
    document = json.loads(vector["document"])
    client = CLIENTS[vector["schema"]]
    assert client.is_valid(document) == vector["valid"]


ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "project": st.one_of(st.text(max_size=12), st.integers()),
        "area": st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.booleans()),
        "floors": st.one_of(st.integers(-2, 3), st.just(2.0), st.booleans()),
        "phone": st.one_of(st.from_regex(r"1\d{9,11}"), st.just("13800000001")),
        "kind": st.sampled_from(["新建", "改建", "拆除", None]),
        "rented": st.one_of(st.booleans(), st.integers(0, 1)),
        "landlord": st.one_of(st.dictionaries(st.sampled_from(["name", "id", "x"]), st.text(max_size=3)), st.none()),
        "builders": st.lists(st.fixed_dictionaries({}, optional={"name": st.text(max_size=2)}), max_size=4),
        "x/~": st.none(),
    },
)


@pytest.mark.feature("INT-12")
@settings(max_examples=200, deadline=None)
@given(ANSWERS)
def test_both_implementations_agree_on_whatever_is_typed(answers: dict[str, Any]) -> None:
    found = mistakes(PERMIT, json.dumps(answers))
    assert (found == []) == CLIENTS["permit"].is_valid(answers)
    assert all(pointer == "" or pointer.startswith("/") for pointer in found)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.recursive(st.none() | st.text(), st.lists).map(json.dumps)))
def test_nothing_that_is_sent_is_more_than_a_mistake(sent: str) -> None:
    assert isinstance(mistakes(PERMIT, sent), list)


def test_what_is_too_large_or_too_deep_is_not_looked_at() -> None:
    assert mistakes(SCHEMAS["amounts"], json.dumps({"x": "长" * MOST_OCTETS})) == [""]
    assert mistakes(SCHEMAS["amounts"], "[" * 60_000 + "]" * 60_000) == [""]


@pytest.mark.parametrize(
    "part",
    [
        {"format": "date"},
        {"multipleOf": 0.01},
        {"anyOf": [{}]},
        {"pattern": r"^\w+$"},
        {"pattern": r"^.*$"},
        {"pattern": r"\d+"},
        {"pattern": r"^(?=a)a$"},
        {"pattern": r"^a++$"},
        {"pattern": r"^(a+)+$"},  # a text of forty letters would keep a validator for hours
        {"pattern": r"^(a|a)*$"},
        {"pattern": r"^((a?){9}){9}$"},
        {"pattern": r"^[a-z]*[a-z]*[a-z]*$", "maxLength": 1000},
        {"pattern": "^" + "a?" * 30 + "a{30}$"},
        {"additionalProperties": {"type": "string"}},
        {"items": {"format": "email"}},
        {"allOf": [{"uniqueItems": True}]},
    ],
)
def test_a_form_keeps_to_what_every_validator_reads_alike(part: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"x": part}}
    assert "/properties/x" in dialect_fault(schema)
    assert dialect_fault({"type": "object", "$defs": {"x": part}})


@pytest.mark.parametrize(
    "part",
    [
        {"pattern": r"^(0\d{2,3}-)?\d{7,8}$"},
        {"pattern": r"^(\d{1,3}\.){3}\d{1,3}$"},
        {"pattern": r"^[a-z.]+@[a-z]+\.[a-z]+$", "maxLength": 64},
        {"pattern": r"^([A-Z]{2}-)*\d+$", "maxLength": 40},
        {"pattern": r"^[一-龥·]{2,30}$"},
        {"pattern": r"^[(+*]\(\)+$"},
    ],
)
def test_what_people_write_is_fit(part: dict[str, Any]) -> None:
    assert dialect_fault({"type": "object", "properties": {"x": part}}) == ""


def test_a_text_that_is_too_long_anyway_is_not_matched() -> None:
    schema = {"type": "object", "properties": {"x": {"pattern": r"^[a-z]+@[a-z]+@$", "maxLength": 50}}}
    assert mistakes(schema, json.dumps({"x": "a" * 60_000})) == ["/x"]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_published_schemas_are_such_forms(schema: dict[str, Any]) -> None:
    assert dialect_fault(schema) == ""


@pytest.mark.feature("INT-12")
async def test_each_stage_version_has_its_form_and_a_filing_is_held_to_it(town: Town, counter: Counter) -> None:
    await counter.publish(stage={"form": PERMIT})
    with pytest.raises(AssertionError) as refused:
        await town.file(form='{"project": "一号楼", "phone": "1", "builders": [{"name": "甲"}], "x": 1}')
    assert all(word in str(refused.value) for word in ("FORM_ANSWERS_INVALID", "/phone", "/x"))
    with pytest.raises(AssertionError, match="FORM_ANSWERS_INVALID"):
        await town.file()  # nothing filled in
    answers = '{"project": "一号楼", "phone": "13800000001", "builders": [{"name": "甲"}]}'
    filed = await town.file(form=answers)
    assert (await Case.get(number=filed.number)).form == answers
    await counter.publish(stage={"form": SCHEMAS["amounts"]})
    assert (await town.file(form='{"count": 1}')).number
    await counter.publish()
    with pytest.raises(AssertionError, match="FORM_UNEXPECTED"):
        await town.file(form=answers)


async def test_at_the_window_the_form_may_be_on_paper(town: Town, counter: Counter) -> None:
    await counter.publish(stage={"form": PERMIT})
    assert (await town.file(channel=Channel.WINDOW)).number
    with pytest.raises(AssertionError, match="FORM_ANSWERS_INVALID"):
        await town.file(channel=Channel.WINDOW, form="{}")


async def test_a_refusal_names_so_many_places_and_no_more(town: Town, counter: Counter) -> None:
    many = {f"a{n:02d}": {"type": "string"} for n in range(MOST_POINTERS + 5)}
    await counter.publish(stage={"form": {"type": "object", "properties": many, "required": sorted(many)}})
    with pytest.raises(AssertionError) as refused:
        await town.file(form="{}")
    assert str(refused.value).count("/a") == MOST_POINTERS
