"""Every operation answered by plan and by graphql-core's own way: the octets must be equal."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from graphql import FieldNode, GraphQLError, OperationDefinitionNode
from graphql import parse as parse_document

from casework.clock.time_limits import Light
from mobile_api.door import encoded
from mobile_api.plans import Plans
from mobile_api.schema import build_schema
from tests.mobile_api.stage import CARD_LEADER, HANDLER, HEAD, ITEM, LEADER, Stage

TASK = {
    "id": 7,
    "step": "level:1",
    "light": Light.RED,
    "due_on": date(2026, 9, 22),
    "opened_at": datetime(2026, 9, 18, 1, 0, 0, 250, tzinfo=UTC),
    "days_left": -1,
}


async def test_plan_and_executor_give_the_same_octets(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    case = await stage.accepted()
    await stage.decide(HANDLER, case, "AGREE")
    await stage.accepted()
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("Todos", HANDLER, {}),
        ("Todos", LEADER, {}),
        ("Done", HANDLER, {}),
        ("Overdue", HEAD, {}),
        ("Case", HANDLER, {"number": case}),
        ("Case", HANDLER, {"number": "none"}),
        ("CaseRecord", HANDLER, {"number": case}),
        ("PendingCards", CARD_LEADER, {}),
        ("Guides", HANDLER, {}),
        ("Guide", HANDLER, {"code": ITEM}),
        ("Me", HANDLER, {}),
    ]
    compiled = [await answered(stage, *call) for call in calls]
    monkeypatch.setattr(Plans, "shape_for", lambda *_: None)
    assert [await answered(stage, *call) for call in calls] == compiled


async def answered(stage: Stage, name: str, who: str, variables: dict[str, Any]) -> bytes:
    return encoded(await stage.ask(name, (await stage.phone(who)).token, **variables))


def shape(selection: str) -> Any:
    schema = build_schema()._schema
    (operation,) = parse_document(f"{{ todos {{ nodes {{ {selection} }} }} }}").definitions
    assert isinstance(operation, OperationDefinitionNode)
    (root,) = operation.selection_set.selections
    assert isinstance(root, FieldNode)
    assert schema.query_type is not None
    return Plans().shape_for(schema, schema.query_type.fields["todos"].type, [root], {})


def test_a_plan_writes_values_as_the_scalars_do() -> None:
    shaped = shape("id step light dueOn at: openedAt daysLeft __typename")({"nodes": [TASK]})
    assert encoded(shaped) == (
        b'{"nodes":[{"id":"7","step":"level:1","light":"RED","dueOn":"2026-09-22",'
        b'"at":"2026-09-18T01:00:00.000250+00:00","daysLeft":-1,"__typename":"Task"}]}'
    )


@pytest.mark.parametrize("selection", ["id @include(if: true)", "... on Task @skip(if: false) { id }", "nothing"])
def test_what_is_more_than_a_copy_is_left_to_the_executor(selection: str) -> None:
    assert shape(selection) is None


@pytest.mark.parametrize(
    "row",
    [{**TASK, "id": None}, {**TASK, "light": "mauve"}, {**TASK, "days_left": "many"}, {"id": 7}],
)
def test_a_row_that_does_not_fit_its_type_is_left_to_the_executor(row: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, GraphQLError)):
        shape("id light daysLeft")({"nodes": [row]})
