"""Every verifiable mistake in clients/flutter_spec fails here.

`python -m tools.contract --write` mends what is generated.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    validate,
)

from mobile_api.guards import measure
from mobile_api.schema import build_schema, sdl
from mobile_api.services import Limits
from tests.contracts.stories import CHAPTERS, told
from tests.mobile_api.conftest import authority, stage  # noqa: F401  fixtures
from tests.mobile_api.stage import Stage
from tools.contract import SPEC, every_code, generated, operations

SCHEMA = build_schema()._schema
FIXTURES = sorted((SPEC / "fixtures").glob("*/*.json"))
SCALARS = {
    "Date": r"\d{4}-\d\d-\d\d",
    "DateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00",
    "Base64URL": r"[A-Za-z0-9_-]*",
}


def test_the_schema_file_is_the_running_schema() -> None:
    assert (SPEC / "graphql" / "schema.graphql").read_text() == sdl()


@pytest.mark.parametrize("path", sorted(generated()))
def test_generated_files_are_up_to_date(path: str) -> None:
    assert (SPEC / path).read_text() == generated()[path], "run python -m tools.contract --write"


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
def test_every_operation_validates_and_stays_within_the_limits(operation) -> None:
    document = parse(operation.body, max_tokens=Limits().tokens)
    assert validate(SCHEMA, document) == []
    measure(document, Limits())


def test_files_import_exactly_the_fragments_they_use() -> None:
    for file in (SPEC / "graphql").glob("**/*.graphql"):
        if file.name == "schema.graphql":
            continue
        text = file.read_text()
        imported = re.findall(r"^# import '(.+)'$", text, re.M)
        assert all((file.parent / path).is_file() for path in imported), file
        used = set(re.findall(r"\.\.\.([A-Z]\w+)", text))
        assert {Path(path).stem for path in imported} == used, file


def test_every_root_field_has_an_operation() -> None:
    asked = {
        selection.name.value
        for operation in operations()
        for selection in root_of(parse(operation.body)).selections
        if isinstance(selection, FieldNode)
    }
    assert SCHEMA.query_type is not None
    assert SCHEMA.mutation_type is not None
    assert asked == set(SCHEMA.query_type.fields) | set(SCHEMA.mutation_type.fields)


def test_every_mutation_that_changes_the_world_needs_a_key() -> None:
    """Without one: challenges, signing requests, tickets and links; a login is keyed by its nonce."""
    assert SCHEMA.mutation_type is not None
    keyless = {name for name, field in SCHEMA.mutation_type.fields.items() if "idempotencyKey" not in field.args}
    assert keyless == {
        *("beginLogin", "finishLogin", "prepareDecision", "prepareCardDecision", "prepareChangeDecision"),
        *("prepareTemplateDecision", "prepareSmsTemplateDecision"),
        "prepareExtension",
        *("openFiling", "viewMaterial", "viewDocument", "viewOwnMaterial", "viewOwnDocument"),
        *("prepareAnnouncementStep", "prepareDelegation"),
        *("prepareLicenceChange", "prepareLicenceEnd"),
    }


def test_every_mutation_answers_with_a_union_that_holds_refusal() -> None:
    assert SCHEMA.mutation_type is not None
    for name, field in SCHEMA.mutation_type.fields.items():
        union = field.type.of_type
        assert isinstance(union, GraphQLUnionType), name
        assert "Refusal" in {member.name for member in union.types}, name


def test_the_catalogue_of_errors_holds_every_code_and_no_other() -> None:
    catalogue = yaml.safe_load((SPEC / "errors.yaml").read_text())["errors"]
    assert set(catalogue) == set(every_code())
    for code, entry in catalogue.items():
        assert set(entry) == {"zh", "en", "retryable", "screen"}, code
        assert re.search(r"[\u4e00-\u9fff]", entry["zh"]), code


@pytest.mark.parametrize("chapter", CHAPTERS)
async def test_the_fixtures_are_what_the_server_answers(stage: Stage, chapter: str, dialect: str) -> None:  # noqa: F811
    for path, content in (await told(stage, chapter)).items():
        file = SPEC / "fixtures" / path
        assert file.exists(), f"{path} is missing: python -m tools.contract --write"
        kept = file.read_text()
        if dialect == "postgres":
            kept, content = without_ids(kept), without_ids(content)
        assert kept == content, f"{path} has changed: python -m tools.contract --write"


def without_ids(fixture: str) -> str:
    """PostgreSQL gives no generated id twice, not even one that a rehearsed decision took and gave back."""
    return re.sub(r'"(id|material|document|endCursor|after)": "[A-Za-z0-9_-]+"', r'"\1": "…"', fixture)


def test_no_fixture_is_left_of_an_older_story() -> None:
    told_of = "".join(file.read_text() for file in Path(__file__).parent.glob("*story*.py"))
    left = [str(file) for file in FIXTURES if f'"{file.parent.name}/{file.stem}"' not in told_of]
    assert left == []


def test_every_operation_has_a_fixture() -> None:
    assert {file.parent.name for file in FIXTURES} == {operation.name for operation in operations()}


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_fixture_fits_its_operation(file: Path) -> None:
    fixture = json.loads(file.read_text())
    operation = next(each for each in operations() if each.name == fixture["operation"])
    document = parse(operation.body)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    response = fixture["response"]
    for error in response.get("errors", ()):
        assert error["extensions"]["code"] in every_code()
    root = SCHEMA.query_type if operation.type == "query" else SCHEMA.mutation_type
    if response["data"] is not None:
        fits(response["data"], root, root_of(document), fragments)


def root_of(document: DocumentNode) -> SelectionSetNode:
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return operation.selection_set


def fits(value: Any, kind: Any, selections: Any, fragments: dict[str, Any]) -> None:
    """Asserts that `value` is an answer to `selections` on `kind`: no field more, none less, each of its type."""
    if isinstance(kind, GraphQLNonNull):
        assert value is not None
        return fits(value, kind.of_type, selections, fragments)
    if value is None:
        return None
    if isinstance(kind, GraphQLList):
        for inner in value:
            fits(inner, kind.of_type, selections, fragments)
        return None
    if isinstance(kind, GraphQLUnionType):
        kind = next(member for member in kind.types if member.name == value["__typename"])
    if isinstance(kind, GraphQLObjectType):
        expected = fields_on(kind, selections, fragments)
        assert set(value) == set(expected), kind.name
        for key, node in expected.items():
            if node.name.value != "__typename":
                fits(value[key], kind.fields[node.name.value].type, node.selection_set, fragments)
    elif isinstance(kind, GraphQLEnumType):
        assert value in kind.values
    elif isinstance(kind, GraphQLScalarType):
        assert isinstance(value, bool | int | str)
        if kind.name in SCALARS:
            assert re.fullmatch(SCALARS[kind.name], str(value)), (kind.name, value)
    return None


def fields_on(kind: GraphQLObjectType, selections: Any, fragments: dict[str, Any]) -> dict[str, FieldNode]:
    found: dict[str, FieldNode] = {}
    for node in selections.selections:
        if isinstance(node, FieldNode):
            found[node.name.value] = node
            continue
        fragment = fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
        if fragment.type_condition.name.value == kind.name:
            found |= fields_on(kind, fragment.selection_set, fragments)
    return found


def test_pages_link_to_files_that_exist_and_every_screen_has_its_page() -> None:
    for page in SPEC.glob("screens/*.md"):
        linked = re.findall(r"\]\((\.\./[^)]+)\)", page.read_text())
        assert all((page.parent / link).is_file() for link in linked), page
        assert {Path(link).stem for link in linked} == {each.name for each in operations() if each.screen == page.stem}
    assert {page.stem for page in SPEC.glob("screens/*.md")} == {each.screen for each in operations()}


def test_the_examples_of_scalars_are_what_they_say() -> None:
    parsers = {name: SCHEMA.type_map[name] for name in SCALARS}
    rows = re.findall(r"^\| `(\w+)` \|.*\| `([^`]+)` \| `([^`]+)` \|$", (SPEC / "scalars.md").read_text(), re.M)
    checked = {name: (valid, invalid) for name, valid, invalid in rows if name in parsers}
    assert set(checked) == set(parsers)
    for name, (valid, invalid) in checked.items():
        scalar = parsers[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.coerce_input_value(valid)
        with pytest.raises((ValueError, GraphQLError)):
            scalar.coerce_input_value(invalid)


def test_the_limits_in_the_readme_are_the_doors() -> None:
    limits, text = Limits(), (SPEC / "README.md").read_text()
    assert (
        f"depth {limits.depth}, {limits.aliases} aliases, {limits.directives} directives,"
        f" {limits.selected_fields} fields, {limits.tokens} tokens, {limits.body_octets // 1024} KiB"
    ) in text
