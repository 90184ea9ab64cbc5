"""Turning the knobs of a simulated carrier by name, from a command line or from JSON: checked first, then all at once.

Every faults dataclass fits: its fields' types say what may stand in them. Limits: a field is a number, a truth, a word,
an enum, or a list or set of those.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Protocol, get_origin, get_type_hints

import msgspec

from sms.simulator.handset import Handset


class Simulated(Protocol):
    """What every simulated carrier has."""

    host: str
    port: int
    counts: Counter[str]

    @property
    def faults(self) -> object: ...

    @property
    def connections(self) -> int: ...

    def stats(self) -> dict[str, object]:
        """What has happened and what waits, ready for JSON; no words of texts."""

    def reset(self) -> None:
        """Forgets what has happened. Faults and connections stay."""

    def handset(self, number: str) -> Handset: ...

    def cut(self) -> None: ...


class KnobRefused(ValueError):
    """No Refusal: the office is not asked. Says which knob and why."""


def turn(faults: object, wanted: Mapping[str, object], *, as_text: bool = False) -> None:
    """Sets the fields of `faults` to `wanted`, all or none. `as_text`: values are as somebody typed them.

    Raises KnobRefused.
    """
    hints = get_type_hints(type(faults))
    turned = {name: _value(name, value, hints, as_text=as_text) for name, value in wanted.items()}
    for name, value in turned.items():
        setattr(faults, name, value)


def typed(assignment: str) -> tuple[str, str]:
    """ "name=value" as it stands on a command line. Raises KnobRefused."""
    name, equals, value = assignment.partition("=")
    if not equals:
        raise KnobRefused(f"{name}: say it as name=value")
    return name.strip(), value.strip()


def state_of(faults: object) -> dict[str, Any]:
    """Every field and where it stands, fit for JSON."""
    return {field.name: _plain(getattr(faults, field.name)) for field in fields(faults)}  # type: ignore[arg-type]  # a dataclass, which has no name in typing


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, (set, frozenset)) else msgspec.to_builtins(value)


def _value(name: str, value: object, hints: Mapping[str, Any], *, as_text: bool) -> object:
    hint = hints.get(name)
    if hint is None:
        close = get_close_matches(name, hints, n=1)
        raise KnobRefused(
            f"no knob {name}; " + (f"is it {close[0]}?" if close else f"there are {', '.join(sorted(hints))}")
        )
    if as_text and isinstance(value, str) and get_origin(hint) in (list, set):
        value = [each.strip() for each in value.split(",") if each.strip()]
    try:
        # Text may be "3"; JSON has its own numbers, and "3" there is a mistake.
        found = msgspec.convert(value, hint, strict=not as_text)
    except msgspec.ValidationError as error:
        raise KnobRefused(f"{name}: {str(error).lower()}") from None
    if isinstance(found, (int, float)) and not (math.isfinite(found) and found >= 0):
        raise KnobRefused(f"{name}: expected a number from 0 on")
    return found
