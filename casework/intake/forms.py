"""Online forms: a stage's JSON Schema (2020-12) and what it says of an applicant's answers.

Phone and office must reach the same verdict, so a form may use only what every validator reads alike: no `format`
(an annotation to some, a rule to others), no decimals (`multipleOf`), and patterns that mean the same in ECMA 262 and
here. The vectors under clients/flutter_spec/forms are run by the tests; a phone's validator must pass them too.

Limits: no references beyond the schema itself, no `anyOf`, `oneOf`, `not`: their errors name no place.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from casework.intake.refusals import FormAnswersInvalid

Schema = Mapping[str, object]

MOST_OCTETS = 64 * 1024
MOST_LEVELS = 16
#: How many places a refusal names; who has more mistakes begins with these.
MOST_POINTERS = 20
#: How many ways a pattern may give a validator to read the longest text it is for. Strangers choose the text, and a
#: validator that tries every way stands still for hours.
MOST_WAYS = 1_000_000

#: Keywords whose values are schemas, by how they hold them.
_ONE = frozenset({"items", "if", "then", "else"})
_NAMED = frozenset({"properties", "$defs"})
_MANY = frozenset({"allOf"})
KEYWORDS = (
    _ONE
    | _NAMED
    | _MANY
    | {
        *("$schema", "$ref", "title", "description", "default", "examples"),
        *("type", "enum", "const", "required", "dependentRequired", "additionalProperties"),
        *("minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems"),
    }
)
#: Anchored; classes, groups, alternatives, quantifiers and \d. No dot, \s or \w: validators differ about them.
_PATTERN = re.compile(r"\^(?:\[\^?(?:\\[d\\\]\[^-]|[^\\\[\]])+\]|\\[d\\.+*?()\[\]{}|/^$-]|\((?!\?)|[^\\\[\].^$(])*\$")


def dialect_fault(schema: Schema) -> str:
    """What in `schema` validators might read differently, in Chinese; empty when there is nothing.

    That it is a schema at all, and refers to nothing outside, is asked of it when its item is published.
    """
    for where, part in _parts(schema, ""):
        if strangers := sorted(part.keys() - KEYWORDS):
            return f"{where or '/'}不得使用{'、'.join(strangers)}"
        if "pattern" in part and not _PATTERN.fullmatch(str(part["pattern"])):
            return f"{where}/pattern：各端对该正则表达式的理解可能不同"
        if "pattern" in part and _ways(str(part["pattern"]), _longest(part)) > MOST_WAYS:
            return f"{where}/pattern：该正则表达式可能匹配过久，请减少嵌套和不定次数的重复，或写明较小的maxLength"
        if not isinstance(part.get("additionalProperties", True), bool):
            return f"{where}/additionalProperties应为true或false"
    return ""


def ensure_valid(schema: Schema, answers: str) -> None:
    """Raises FORM_ANSWERS_INVALID with the places in `answers` (JSON) that do not fit."""
    if pointers := mistakes(schema, answers):
        raise FormAnswersInvalid(count=len(pointers), pointers=pointers[:MOST_POINTERS])


def mistakes(schema: Schema, answers: str) -> list[str]:
    """JSON Pointers to what does not fit, sorted; a missing or superfluous member is named itself.

    The whole document (the pointer "") where it is no JSON, too large or nested too deep.
    """
    if len(answers.encode("utf-8", "surrogatepass")) > MOST_OCTETS:
        return [""]
    try:
        document: object = msgspec.json.decode(answers)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return [""]
    if _depth(document) > MOST_LEVELS:
        return [""]
    errors: Iterator[ValidationError] = _Validator(schema).iter_errors(document)
    return sorted({pointer for error in errors for pointer in _places(error)})


class _TypeChecking(Protocol):
    def is_type(self, instance: object, type: str) -> bool: ...


def _pattern(validator: _TypeChecking, pattern: str, instance: object, schema: Schema) -> Iterator[ValidationError]:
    """As ECMA 262 reads it: \\d is 0 to 9, and $ is the very end, not before a last line feed.

    What is longer than the schema allows is a mistake at the same place already.
    """
    if not isinstance(instance, str) or len(instance) > _longest(schema):
        return
    if not re.search(pattern.removesuffix("$") + r"\Z", instance, re.ASCII):
        yield ValidationError("does not match")


_Validator = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # its stub has none


def _longest(schema: Schema) -> int:
    longest = schema.get("maxLength", MOST_OCTETS)
    return int(longest) if isinstance(longest, int | float) else MOST_OCTETS


def _ways(pattern: str, longest: int) -> int:
    """An upper bound of the ways in which `pattern` can be laid over a text of `longest` characters: the product of
    what each repetition, option and alternative leaves open. A group that leaves something open counts as often as it
    may be repeated.
    """
    shape, ways = _LETTER.sub("x", pattern[1:-1]), 1
    if _TWICE.search(shape):
        return MOST_WAYS + 1  # a++ is one thing here and none there
    while group := _GROUP.search(shape):
        inner, quantifier, times = group.groups()
        if _OPEN.search(inner) and quantifier not in ("", "?"):
            if times is None or int(times) * len(inner) > _LONGEST_SHAPE:
                return MOST_WAYS + 1
            inner *= int(times)
        else:
            inner = inner or "x"
        shape = f"{shape[: group.start()]}{inner}{quantifier}{shape[group.end() :]}"
    for repetition in _OPEN.findall(shape):
        least, comma, most = repetition.strip("{}").partition(",")
        bounded = int(most) - int(least) + 1 if comma and most else longest
        ways *= 2 if repetition in "?|" else max(1, bounded)
    return ways


#: A class or an escaped sign stands for one letter.
_LETTER = re.compile(r"\[\^?(?:\\.|[^\\\]])+\]|\\.")
#: The innermost group, how it is repeated, and how often at most.
_GROUP = re.compile(r"\(([^()]*)\)([*+?]|\{(?:\d+,)?(\d+)\}|\{\d+,\}|)")
_LONGEST_SHAPE = 2000
_OPEN = re.compile(r"[*+?|]|\{\d+,\d*\}")
_TWICE = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})[*+{]")


def _places(error: ValidationError) -> list[str]:
    here = _pointer(error.absolute_path)
    given = error.instance if isinstance(error.instance, dict) else {}
    rules = error.schema if isinstance(error.schema, Mapping) else {}
    match error.validator:
        case "required":
            names = [name for name in rules["required"] if name not in given]
        case "additionalProperties":
            names = [name for name in given if name not in rules.get("properties", {})]
        case "dependentRequired":
            needed = [name for member, names in rules["dependentRequired"].items() if member in given for name in names]
            names = [name for name in needed if name not in given]
        case _:
            return [here]
    return [f"{here}/{_escaped(name)}" for name in names]


def _pointer(path: Sequence[str | int]) -> str:
    return "".join(f"/{_escaped(str(step))}" for step in path)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _parts(schema: Schema, where: str) -> Iterator[tuple[str, Schema]]:
    """Every schema within, with its place; `true` and `false` say nothing of their own."""
    yield where, schema
    for keyword, value in schema.items():
        here = f"{where}/{_escaped(keyword)}"
        if keyword in _ONE and isinstance(value, dict):
            yield from _parts(value, here)
        elif keyword in _NAMED and isinstance(value, dict):
            for name, part in value.items():
                if isinstance(part, dict):
                    yield from _parts(part, f"{here}/{_escaped(name)}")
        elif keyword in _MANY and isinstance(value, list):
            for place, part in enumerate(value):
                if isinstance(part, dict):
                    yield from _parts(part, f"{here}/{place}")


def _depth(document: object) -> int:
    """How deep objects and lists lie within each other; no recursion, because that is what is asked."""
    deepest, waiting = 0, [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(value, dict):
            waiting += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in value]
    return deepest
