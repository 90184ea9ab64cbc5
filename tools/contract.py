"""The contract with the app team, generated: schema, manifest, error catalogue, fixtures.

    python -m tools.contract --write      # after a change of the graph; the contract test says when it is needed

Operations and fragments are written by hand under clients/flutter_spec/graphql; everything this module makes from
them is compared with the files by the tests.
"""

import argparse
import asyncio
import hashlib
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from kernel.refusals import Refusal, every_refusal
from mobile_api.schema import sdl

SPEC = Path(__file__).parents[1] / "clients" / "flutter_spec"


@dataclass(frozen=True)
class Operation:
    """One screen action. `body` is the text a phone sends, with __typename and its fragments; `id` its SHA-256."""

    name: str
    type: str
    screen: str
    body: str
    id: str


@cache
def operations(spec: Path = SPEC) -> tuple[Operation, ...]:
    fragments = {
        definition.name.value: definition
        for file in sorted((spec / "graphql" / "fragments").glob("*.graphql"))
        for definition in parse(file.read_text()).definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    files = sorted((spec / "graphql" / "operations").glob("*/*.graphql"))
    return tuple(_operation(file, fragments) for file in files)


def _operation(file: Path, fragments: dict[str, FragmentDefinitionNode]) -> Operation:
    (definition,) = parse(file.read_text(), no_location=True).definitions
    assert isinstance(definition, OperationDefinitionNode)
    assert definition.name is not None
    assert definition.name.value == file.stem, f"{file} holds {definition.name.value}"
    used: dict[str, FragmentDefinitionNode] = {}
    _use(definition.selection_set, fragments, used)
    document = visit(DocumentNode(definitions=(definition, *used.values())), _WithTypename())
    body = print_ast(document)
    return Operation(
        name=file.stem,
        type=definition.operation.value,
        screen=file.parent.name,
        body=body,
        id=hashlib.sha256(body.encode()).hexdigest(),
    )


def _use(
    selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], used: dict[str, FragmentDefinitionNode]
) -> None:
    """The fragments in order of use."""
    for node in selections.selections:
        if isinstance(node, FragmentSpreadNode):
            if node.name.value not in used:
                used[node.name.value] = fragments[node.name.value]
                _use(fragments[node.name.value].selection_set, fragments, used)
        elif getattr(node, "selection_set", None) is not None:
            _use(node.selection_set, fragments, used)  # type: ignore[attr-defined]  # a field or an inline fragment


class _WithTypename(Visitor):
    """__typename last in every selection set but the root's, as the phones' generators insert it."""

    def leave_selection_set(
        self, node: SelectionSetNode, key: object, parent: object, path: object, ancestors: object
    ) -> SelectionSetNode | None:
        if isinstance(parent, OperationDefinitionNode):
            return None
        return SelectionSetNode(selections=(*node.selections, FieldNode(name=NameNode(value="__typename"))))


def manifest() -> str:
    """In the form of Apollo's persisted query manifest, with the screen beside."""
    return _json(
        {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [
                {"id": each.id, "name": each.name, "type": each.type, "screen": each.screen, "body": each.body}
                for each in operations()
            ],
        }
    )


#: What a screen does with a refusal, when it is more than showing the message.
_SCREEN_DOES = {
    "login": "Forget the token, log in again by challenge, then repeat the request with the same key.",
    "reload": "Reload the case or list, show what changed, let the person decide anew with a new key.",
    "prepare": "Ask for a new signing request, show it again, sign again.",
    "later": "Wait, then repeat the same request with the same key; see offline.md for the pauses.",
    "bring": "Open the link anew; of a filing, bring its files again and repeat the request with the same key.",
    "mend": "Mark the field named in details; keep everything the person typed.",
    "again": "Show that it is on its way. Repeat the same request with the same key every few seconds until another "
    "answer comes; without a key, the same request. Never a new key: see offline.md.",
    "update": "Tell the person to update the app; report the code to the developers.",
    "show": "Show message; nothing to repeat.",
}
_DOES = {
    "PENDING": "again",
    "LOGIN_NEEDED": "login",
    "TOKEN_EXPIRED": "login",
    "TOKEN_INVALID": "login",
    "CHANGED_MEANWHILE": "reload",
    "STEP_CLOSED": "reload",
    "CHANGE_STEP_CLOSED": "reload",
    "CARD_ALREADY_DECIDED": "reload",
    "LICENCE_NOT_STANDING": "reload",
    "SIGNING_REQUEST_EXPIRED": "prepare",
    "SIGNING_REQUEST_UNKNOWN": "prepare",
    "SIGNING_REQUEST_USED": "prepare",
    "SIGNED_SOMETHING_ELSE": "prepare",
    "LOGIN_CHALLENGE_EXPIRED": "login",
    "LOGIN_CHALLENGE_UNKNOWN": "login",
    "LOGIN_CHALLENGE_USED": "login",
    "INVALID": "mend",
    "OPINION_MISSING": "mend",
    "REASON_MISSING": "mend",
    "RETURN_IMPOSSIBLE": "mend",
    "DISSENT_UNANSWERED": "mend",
    "DELEGATE_UNFIT": "mend",
    "DELEGATION_EMPTY": "mend",
    "BRANCHES_OPEN": "reload",
    "SUPPLEMENT_EMPTY": "mend",
    "TEMPLATE_MALFORMED": "mend",
    "TEMPLATE_DECIDED": "reload",
    "TEXT_TEMPLATE_MALFORMED": "mend",
    "TEXT_TEMPLATE_DECIDED": "reload",
    "FORM_ANSWERS_INVALID": "mend",
    "NOT_OURS_WITHOUT_AUTHORITY": "mend",
    "NOTHING_CORRECTED": "mend",
    "CARD_FACTS_MISSING": "mend",
    "LICENCE_REASON_MISSING": "mend",
    "CASE_ALREADY_RATED": "reload",
    "LICENCE_UNCHANGED": "mend",
    "LICENCE_CHECK_FAILED": "mend",
    "QUERY_PASSWORD_WRONG": "mend",
    "FILE_TYPE_REFUSED": "mend",
    "LINK_INVALID": "bring",
    "TOO_LARGE": "mend",
    "BAD_REQUEST": "update",
    "QUERY_TOO_COSTLY": "update",
    "KEY_REUSED": "update",
}


#: Whose refusals no phone ever hears: other doors, the command line, the replay of logs.
_ELSEWHERE = (
    "alerts.",
    "casework.clock.arrangements",
    "casework.clock.calendar_import",
    "casework.intake.xes",
    "server.",
    "sms.",
    "tests.",
)


def every_code() -> dict[str, type[Refusal]]:
    """Every refusal that the phones' door may answer, whatever else has been imported."""
    import server.wiring  # noqa: F401  brings in every package that refuses

    return {code: refusal for code, refusal in every_refusal().items() if not refusal.__module__.startswith(_ELSEWHERE)}


def errors_yaml() -> str:
    """Every refusal: what it says, whether it may be repeated, what the screen does. Details are named in braces."""
    lines = ["# Generated. Decide by the code, show the message; never compare texts.", "errors:"]
    for code, refusal in every_code().items():
        does = _DOES.get(code, "later" if refusal.retryable else "show")
        lines += [
            f"  {code}:",
            f"    zh: {_quoted(refusal.zh)}",
            f"    en: {_quoted(refusal.en)}",
            f"    retryable: {'true' if refusal.retryable else 'false'}",
            f"    screen: {_quoted(_SCREEN_DOES[does])}",
        ]
    return "\n".join(lines) + "\n"


def generated() -> dict[str, str]:
    """Path under clients/flutter_spec to content, for everything but the fixtures."""
    return {
        "graphql/schema.graphql": sdl(),
        "graphql/operations.json": manifest(),
        "errors.yaml": errors_yaml(),
    }


async def fixtures() -> dict[str, str]:
    """Path under clients/flutter_spec to content: the story of tests/contracts, told to a fresh office."""
    from certs.authority import Authority
    from certs.keyring import Keyring
    from certs.settings import CertSettings
    from kernel.clock import FakeClock
    from kernel.db import Database
    from server.wiring import TABLES
    from tests.contracts.stories import CHAPTERS, told
    from tests.mobile_api.stage import Stage

    found: dict[str, str] = {}
    for chapter in CHAPTERS:
        with tempfile.TemporaryDirectory() as folder:
            database = await Database.open(f"sqlite://{folder}/office.db", modules=TABLES)
            try:
                await database.create_schema()
                clock = FakeClock(datetime(2026, 9, 18, 1, 0, tzinfo=UTC))
                keyring = Keyring(Path(folder) / "pki", b"only for fixtures")
                authority = Authority.open(keyring, CertSettings(), now=clock.now())
                stage = Stage(database, clock, authority, Path(folder) / "files")
                await stage.settle()
                told_here = await told(stage, chapter)
            finally:
                await database.close()
        assert not found.keys() & told_here.keys()
        found |= told_here
    return {f"fixtures/{path}": content for path, content in found.items()}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files; without it, only say what differs")
    arguments = parser.parse_args()
    made = generated() | asyncio.run(fixtures())
    for file in sorted((SPEC / "fixtures").glob("*/*.json")):
        if str(file.relative_to(SPEC)) not in made and arguments.write:
            file.unlink()
    for path, content in made.items():
        file = SPEC / path
        if file.exists() and file.read_text() == content:
            continue
        print(("wrote " if arguments.write else "differs: ") + path)
        if arguments.write:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)


if __name__ == "__main__":
    main()
