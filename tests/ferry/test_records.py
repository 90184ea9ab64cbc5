"""The whitelist: what may cross, in which direction and shape; everything else is refused on both sides."""

import string
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from ferry.lanes import Lane
from ferry.records import MAX_RECORD_OCTETS, Direction, Envelope, Registry, rid_of
from ferry.refusals import RecordRefused
from tests.ferry.pair import TYPES, Note, count_effect, kind

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


class Person(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=10)]


class Nested(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    people: Annotated[tuple[Person, ...], Meta(max_length=3)] = ()
    when: datetime | None = None


LIST = Registry(
    [
        kind("case.state", Lane.CASE, direction=Direction.OUTWARD),
        kind("case.people", Lane.CASE, direction=Direction.OUTWARD, struct=Nested),
        kind("sms.text", Lane.URGENT, direction=Direction.EITHER),
    ]
)


def envelope(type: str = "case.state", body: Struct | None = None, **changes) -> Envelope:
    given = {"rid": "r1", "type": type, "key": "SL2026", "at": NOON, "body": body or Note(text="承办"), **changes}
    return Envelope(**given)


def refusal(line: bytes, direction=Direction.OUTWARD, types=LIST) -> str:
    with pytest.raises(RecordRefused) as refused:
        types.read(line, direction)
    return refused.value.code


def changed(line: bytes, change) -> bytes:
    plain = msgspec.json.decode(line)
    change(plain)
    return msgspec.json.encode(plain, order="sorted")


def test_what_is_written_is_read():
    one = envelope(body=Note(text="转交科长\n第二行", number=3), expires=NOON)
    assert LIST.read(LIST.line(one, Direction.OUTWARD), Direction.OUTWARD) == one


@pytest.mark.parametrize("kind", list(TYPES), ids=lambda kind: kind.name)
@given(name=st.text(string.ascii_lowercase, min_size=1, max_size=12), value=st.integers() | st.text(max_size=5))
def test_a_field_that_is_not_listed_is_refused_in_every_type(kind, name, value):
    body = {"new": "0" * 32, "old": "", "last_known": {}} if kind.name == "ctl.epoch" else {"text": "x", "number": 1}
    line = {"rid": "r1", "type": kind.name, "key": "k", "at": "2026-11-22T04:00:00Z", "body": body}
    good = msgspec.json.encode(line, order="sorted")
    TYPES.read(good, Direction.OUTWARD)
    for place in ("body", None):
        inside = line[place] if place else line
        if name not in inside and name != "expires":
            bad = {**line, place: {**inside, name: value}} if place else {**line, name: value}
            assert refusal(msgspec.json.encode(bad, order="sorted"), types=TYPES).startswith("RECORD_")


def test_an_unknown_type_and_a_wrong_direction_are_refused_on_both_sides():
    line = LIST.line(envelope(), Direction.OUTWARD)
    assert refusal(line, Direction.INWARD) == "RECORD_MISDIRECTED"
    assert refusal(changed(line, lambda plain: plain.update(type="case.secret"))) == "RECORD_UNKNOWN_TYPE"
    with pytest.raises(RecordRefused):
        LIST.line(envelope(), Direction.INWARD)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"text": "x" * 4001, "number": 0}, "RECORD_MALFORMED", id="a string too long"),
        pytest.param({"text": "x", "number": 1_000_001}, "RECORD_MALFORMED", id="a number too great"),
        pytest.param({"text": "x", "number": "1"}, "RECORD_MALFORMED", id="a number as text"),
        pytest.param({"text": "a\u0007b"}, "RECORD_MALFORMED", id="a control character"),
        pytest.param({"text": "a\u202eb"}, "RECORD_MALFORMED", id="writing turned around"),
        pytest.param({"text": "e\u0301"}, "RECORD_MALFORMED", id="not in NFC"),
        pytest.param({"number": 1}, "RECORD_MALFORMED", id="a field missing"),
        pytest.param({"text": "x" * MAX_RECORD_OCTETS}, "RECORD_OVERSIZE", id="too many octets"),
        pytest.param({"text": [[[[[[[[[["deep"]]]]]]]]]]}, "RECORD_MALFORMED", id="nested too deep"),
    ],
)
def test_what_the_shape_does_not_allow_is_refused(body, code):
    line = LIST.line(envelope(), Direction.OUTWARD)
    assert refusal(changed(line, lambda plain: plain.update(body=body))) == code


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda line: line.replace(b'{"at"', b'{ "at"'), id="a space"),
        pytest.param(lambda line: line.replace(b'{"at"', b'{"rid":"r0","at"'), id="a key twice"),
        pytest.param(lambda line: line.replace(b'"r1"', b'"\\u0072\\u0031"'), id="another escape"),
        pytest.param(lambda line: b"[" * 20_000, id="a deep hole"),
        pytest.param(lambda line: line[:-1], id="cut"),
        pytest.param(lambda line: b"\xff" + line, id="not text"),
    ],
)
def test_a_record_has_one_spelling(change):
    assert refusal(change(LIST.line(envelope(), Direction.OUTWARD))) == "RECORD_MALFORMED"


def test_a_refusal_never_quotes_the_value():
    line = changed(
        LIST.line(envelope(), Direction.OUTWARD), lambda plain: plain.update(body={"text": 1, "secret": "x"})
    )
    with pytest.raises(RecordRefused) as refused:
        LIST.read(line, Direction.OUTWARD)
    assert "secret" not in str(refused.value) or "`secret`" not in str(refused.value)


@given(st.binary(max_size=200))
def test_any_octets_are_refused_and_nothing_else(octets):
    assert refusal(octets).startswith("RECORD_")
    assert isinstance(rid_of(octets), str)


class Unbounded(Struct, forbid_unknown_fields=True):
    text: str


class Open(Struct):
    text: Annotated[str, Meta(max_length=3)]


class Numbers(Struct, forbid_unknown_fields=True):
    number: int


class Lists(Struct, forbid_unknown_fields=True):
    of: list[bool]


class Anything(Struct, forbid_unknown_fields=True):
    it: object


class Within(Struct, forbid_unknown_fields=True):
    inside: Annotated[tuple[Open, ...], Meta(max_length=2)]


@pytest.mark.parametrize("struct", [Unbounded, Open, Numbers, Lists, Anything, Within])
def test_a_type_that_does_not_bound_its_content_cannot_be_listed(struct):
    with pytest.raises(TypeError, match="case\\.state"):
        Registry([kind("case.state", Lane.CASE, struct=struct, apply=count_effect)])


def test_a_type_is_listed_once():
    with pytest.raises(TypeError):
        Registry([kind("case.state", Lane.CASE)] * 2)
