"""docs/roles.md: who may do what, how sure the office must be, and through which door; from the program itself.

    python -m tools.roles [--write]       # without --write, exit 1 when the page has drifted

Rules are the rows of server/acts.py; doors are read from the code that performs: the resolvers of the graph, the verbs
of the text messages, the clock's table, the operator's desk.
Limits: what a permission asks about a case (its holder, its unit) is told by its name only.
"""

import argparse
import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, get_args

from strawberry.types.base import StrawberryObjectDefinition

from casework.papers import printing
from casework.permissions import SUPERVISORS
from ferry.exchange import fronts, taking
from ferry.zones import performing, relaying
from kernel.actor import Role
from kernel.acts import Act
from kernel.office import Rule
from mobile_api import files, uploads
from mobile_api.schema import build_schema
from server import desk, exchange_desk, exchange_loops, ferry_desk, replay, replay_exchange, text_desk, wiring
from server.acts import RULES
from server.evidence import package
from server.processes import CLOCKWORK
from sms.commands import Command
from sms.inbound import Inbox

PAGE = Path(__file__).parents[1] / "docs" / "roles.md"
AnAct = type[Act[Any]]

#: What is served beside the graph, and to whom.
ROUTES = {
    "/graphql": "by field, above",
    "/files": "an officer with a session, or whoever holds a filing ticket",
    "/files/{link}": "whom the link was made for, as long as they may see the case",
    "/public/guides": "anybody",
    "/public/guides/{code}": "anybody",
    "/public/forms/{code}": "anybody",
    "/public/forms/{code}/{name}": "anybody",
    "/public/results": "anybody",
    "/public/announcements": "anybody",
    "/public/feeds/{name}": "anybody; framed by the portals that settings name",
    "/verify": "anybody",
    "/verify/{document:path}": "whoever holds a document, by its check code",
    "/healthz/livez": "anybody",
    "/healthz/readyz": "anybody",
    "/pki/issuing.crl": "anybody",
    "/metrics": "the addresses that settings allow",
    "/exchange/v1/packages": "whoever signs with a registered certificate, where settings open it",
}
_SUPERVISION = " or ".join(SUPERVISORS)
#: Fields whose rule is asked inside what they call.
_ASKED_INSIDE = {
    "enrolment": "whoever holds the pickup secret",
    "openFiling": "anybody, at a limited rate",
    **dict.fromkeys(("complaints", "coverage", "findings", "findingTallies", "secondEntries"), _SUPERVISION),
    **dict.fromkeys(("regionCases", "reportingSystems"), _SUPERVISION),
}
_ANYBODY = "anybody"


def fields(kind: str) -> dict[str, FunctionType]:
    """The fields of `Query` or `Mutation` by their name in the contract, with what resolves them."""
    definition = build_schema().get_type_by_name(kind)
    assert isinstance(definition, StrawberryObjectDefinition)
    found: dict[str, FunctionType] = {}
    for field in definition.fields:
        assert field.base_resolver is not None
        function = field.base_resolver.wrapped_func
        assert isinstance(function, FunctionType)
        found[_camel(field.python_name)] = function
    return found


def verbs() -> dict[str, AnAct | None]:
    """What a person may text, by the words of the grammar, and the act it becomes; None is only answered."""
    (answer,) = ast.parse(textwrap.dedent(inspect.getsource(Inbox._answer))).body
    acts: dict[str, AnAct] = {}
    for case in [node for node in ast.walk(answer) if isinstance(node, ast.match_case)]:
        assert isinstance(case.pattern, ast.MatchClass)
        assert isinstance(case.pattern.cls, ast.Name)
        for name in [node.id for body in case.body for node in ast.walk(body) if isinstance(node, ast.Name)]:
            for act in _acts([Inbox._answer.__globals__.get(name)]):
                acts[case.pattern.cls.id] = act
    return {str(command.__struct_config__.tag): acts.get(command.__name__) for command in get_args(Command)}


def performed_by(function: Callable[..., object]) -> set[AnAct]:
    """The acts that `function` names, itself or through functions of ours that it calls."""
    return set(_acts(_reached(function)))


def doors() -> dict[AnAct, list[str]]:
    """Every act that anything performs, and where."""
    found: dict[AnAct, list[str]] = {}

    def note(acts: Iterable[AnAct], door: str) -> None:
        for act in acts:
            found.setdefault(act, []).append(door)

    for kind in ("Mutation", "Query"):
        for name, function in fields(kind).items():
            note(performed_by(function), f"`{name}`")
    for verb, act in verbs().items():
        note([act] if act else [], f"text `{verb}`")
    note(performed_by(Inbox._note), "a refused text")
    note([type(act) for act, _ in CLOCKWORK], "the clock")
    followed = (files.follow, printing.print_of)
    note({act for function in followed for act in performed_by(function)}, "GET /files/{link}")
    note(performed_by(uploads.store), "POST /files")
    for module, door in (
        (desk, "the desk"),
        (text_desk, "the desk"),
        (exchange_desk, "the desk"),
        (taking, "the exchange"),
        (fronts, "the exchange"),
        (exchange_loops, "the exchange"),
        (ferry_desk, "the desk"),
        (package, "the desk"),
        (wiring, "the start"),
        (replay, "replay"),
        (relaying, "the ferry"),
        (performing, "the ferry"),
    ):
        note({act for function in _functions(module) for act in performed_by(function)}, door)
    note([type(act) for clockwork in (replay.CLOCKWORK, replay_exchange.CLOCKWORK) for act in clockwork.acts], "replay")
    return found


def readers() -> dict[str, str]:
    """Fields of the graph that perform no act, and who may ask for them."""
    return {
        name: _asker(name, function)
        for kind in ("Mutation", "Query")
        for name, function in fields(kind).items()
        if not performed_by(function)
    }


def page() -> str:
    by_door = doors()
    lines = [
        "# Roles",
        "",
        "Generated by `python -m tools.roles --write`. Everything that can be done here, by whom, how sure the office",
        "must be of them, and through which doors. Whatever is not here cannot be done.",
        "",
        "## Who there is",
        "",
        "| role | 角色 |",
        "|---|---|",
        *(f"| `{role}` | {name} |" for role, name in role_names().items()),
        "",
        "## What can be done",
        "",
        "| act | who may | assurance | doors |",
        "|---|---|---|---|",
        *(_row(rule, by_door.get(rule.act, [])) for rule in RULES),
        "",
        "## What can be read without an act",
        "",
        "| field | who may |",
        "|---|---|",
        *(f"| `{name}` | {who} |" for name, who in sorted(readers().items())),
        "",
        "## What is served beside the graph",
        "",
        "| address | for whom |",
        "|---|---|",
        *(f"| `{path}` | {who} |" for path, who in ROUTES.items()),
        "",
        "What a MAS pushes is taken under an address that only it knows, from the addresses that settings allow.",
        "At the command line of the server the operator acts as the system itself.",
    ]
    return "\n".join(lines) + "\n"


def role_names() -> dict[Role, str]:
    """The roles with the names that kernel/actor.py gives them."""
    named = dict(re.findall(r'^ +([A-Z_]+) = "\w+"  # (.+)$', inspect.getsource(Role), re.MULTILINE))
    return {role: named[role.name] for role in Role}


# ------------------------------------------------------------------------------------------------------------ below


def _row(rule: Rule, doors: list[str]) -> str:
    cells = (f"`{rule.act.__name__}`", rule.may.name, rule.assurance.name, ", ".join(doors))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _asker(name: str, function: FunctionType) -> str:
    if name in _ASKED_INSIDE:
        return _ASKED_INSIDE[name]
    names = set(_names(function.__code__))
    if "applicant" in names:
        return "an applicant, of their own cases"
    if "officer" not in names:
        return _ANYBODY
    roles = [role.value for role in Role if role.name in names]
    return " or ".join(roles) if roles else "any officer, of what they may see"


def _reached(function: Callable[..., object]) -> set[object]:
    seen: set[object] = set()
    waiting: list[object] = [function]
    while waiting:
        thing = waiting.pop()
        if thing in seen:
            continue
        seen.add(thing)
        if isinstance(thing, FunctionType):
            near = [thing.__globals__.get(name) for name in _names(thing.__code__)]
            waiting += [*_acts(near), *(each for each in near if _is_ours(each, thing.__module__))]
    return seen


def _names(code: CodeType) -> Iterator[str]:
    """Every name that the code and what is nested in it uses."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """Of a module and of its classes."""
    for thing in vars(module).values():
        if isinstance(thing, type) and thing.__module__ == module.__name__:
            methods = [getattr(each, "__func__", each) for each in vars(thing).values()]
            yield from (method for method in methods if isinstance(method, FunctionType))
        elif isinstance(thing, FunctionType) and thing.__module__ == module.__name__:
            yield thing


def _is_ours(thing: object, module: str) -> bool:
    return isinstance(thing, FunctionType) and thing.__module__ == module


def _acts(things: Iterable[object]) -> Iterator[AnAct]:
    return (thing for thing in things if isinstance(thing, type) and issubclass(thing, Act) and thing is not Act)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/roles.md")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    return 0 if PAGE.read_text(encoding="utf-8") == page() else 1


if __name__ == "__main__":
    sys.exit(main())
