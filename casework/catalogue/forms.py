"""The online form of a stage: a JSON Schema (draft 2020-12) that the server and the phone read alike.

A form is written by a department and run against strangers' answers, so it stays small and closed: one object at its
root, references into its own `$defs` only and never in a circle, nothing fetched from anywhere.
Limits: which words of JSON Schema every validator reads alike, and whether answers fit, is `casework.intake.forms`.
"""

from collections.abc import Iterator, Mapping

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from casework.intake.forms import dialect_fault

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_OCTETS = 64 * 1024
MAX_DEPTH = 24
#: A regular expression longer than this belongs in a rule, not in a form; it also bounds what matching may cost.
MAX_PATTERN = 200
#: Definitions that use definitions twice over make a small form endless.
MAX_PARTS = 1000
_LOCAL = "#/$defs/"

Form = dict[str, object]


def form_fault(form: Form) -> str:
    """What keeps `form` from being a stage's form, in Chinese; empty when it is fit."""
    try:
        if len(msgspec.json.encode(form)) > MAX_OCTETS:
            return f"超过{MAX_OCTETS // 1024}KB"
        nodes = list(_nodes(form, 0))
    except (RecursionError, _TooDeepError):
        return f"嵌套超过{MAX_DEPTH}层"
    if form.get("$schema", DIALECT) != DIALECT or form.get("type") != "object":
        return "应为2020-12版JSON Schema，且根为object"
    if fault := next(filter(None, map(_node_fault, nodes)), ""):
        return fault
    try:
        Draft202012Validator.check_schema(form)
    except SchemaError as error:
        return f"{error.json_path}：{error.message}"[:200]
    return _reference_fault(form) or dialect_fault(form)


class _TooDeepError(Exception):
    pass


def _nodes(value: object, depth: int) -> Iterator[Form]:
    """Every object in `value`, schemas and lists of properties alike."""
    if depth > MAX_DEPTH:
        raise _TooDeepError
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner, depth + 1)


def _node_fault(node: Form) -> str:
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith(_LOCAL):
        return f"只能引用本表单的{_LOCAL}，不得引用{reference[:60]}"
    pattern = node.get("pattern")
    if isinstance(pattern, str) and len(pattern) > MAX_PATTERN:
        return f"正则表达式超过{MAX_PATTERN}个字符"
    return ""


def _reference_fault(form: Form) -> str:
    """A name that is not there, or definitions that lead back to themselves."""
    definitions = form.get("$defs", {})
    if not isinstance(definitions, dict):
        return "$defs应为object"
    leads = {name: _referenced(inner) for name, inner in definitions.items()}
    if missing := sorted((_referenced(form) | set().union(*leads.values())) - leads.keys()):
        return f"没有{_LOCAL}{missing[0]}"
    parts: dict[str, int] = {}
    while leaves := [name for name, onward in leads.items() if not onward - parts.keys()]:
        parts |= {name: _parts(definitions[name], parts) for name in leaves}
        leads = {name: onward for name, onward in leads.items() if name not in leaves}
    if leads:
        return f"{_LOCAL}{min(leads)}循环引用"
    return f"逐一展开后超过{MAX_PARTS}项" if _parts(form, parts) > MAX_PARTS else ""


def _parts(value: object, parts: Mapping[str, int]) -> int:
    """How many objects `value` is, each definition counted wherever it is referred to."""
    return sum(1 + parts.get(name, 0) for name in (_reference(node) for node in _nodes(value, 0)))


def _referenced(value: object) -> set[str]:
    return {name for node in _nodes(value, 0) if (name := _reference(node))}


def _reference(node: Form) -> str:
    """The definition that an object refers to; empty when it refers to none."""
    reference = node.get("$ref")
    return reference.removeprefix(_LOCAL) if isinstance(reference, str) else ""
