"""Steps of a migration taken together: for tortoise, which keeps a copy of all tables before every single operation,
and builds every one of their classes anew for it. With a hundred tables that is seconds at each first start, and a
write lock on SQLite that other processes lose patience with.
"""

from collections.abc import Iterable
from typing import cast

from tortoise.migrations.operations import (
    AddField,
    AddIndex,
    CreateModel,
    Operation,
    RemoveField,
    RemoveIndex,
    TortoiseOperation,
)
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State

#: What may be put off: each looks at the state before and after, and at nothing that happens in between.
_KINDS = (CreateModel, AddField, AddIndex, RemoveIndex)


class Together(TortoiseOperation):
    """Many operations as one step."""

    def __init__(self, operations: Iterable[TortoiseOperation]) -> None:
        self.operations = tuple(operations)

    def describe(self) -> str:
        return "; ".join(operation.describe() for operation in self.operations)

    def state_forward(self, app_label: str, state: State) -> None:
        later = _Later(state)
        for operation in self.operations:
            operation.state_forward(app_label, cast(State, later))  # which has what these operations use of a State
        state.reload_models(later.changed)

    async def database_forward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        for operation in self.operations:
            await operation.database_forward(app_label, old_state, new_state, state_editor)

    async def database_backward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        for operation in reversed(self.operations):
            await operation.database_backward(app_label, old_state, new_state, state_editor)


class _Later:
    """A state that notes which models are to be built anew, and leaves it at that."""

    def __init__(self, state: State) -> None:
        self.models, self.apps = state.models, state.apps
        self.changed: set[tuple[str, str]] = set()

    def reload_model(self, app_label: str, model_name: str) -> None:
        self.changed.add((app_label, model_name))

    def reload_models(self, models: Iterable[tuple[str, str]]) -> None:
        self.changed.update(models)


def together(operations: Iterable[Operation]) -> list[Operation]:
    """The same operations as one step. Raises TypeError for one that must stand alone."""
    found = list(operations)
    if alone := [type(each).__name__ for each in found if not isinstance(each, _KINDS)]:
        raise TypeError(f"must be a step of its own: {', '.join(alone)}")
    return [Together([each for each in found if isinstance(each, _KINDS)])]


class DropColumn(RemoveField):
    """Takes out a column and leaves the rest of its table alone, which tortoise makes anew on SQLite."""

    async def database_forward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        if state_editor:
            table = old_state.apps.get_model(f"{app_label}.{self.model_name}")._meta.db_table
            await state_editor.client.execute_query(f"ALTER TABLE {table} DROP COLUMN {self.name}")


class KeepRoom(TortoiseOperation):
    """Fills pages of `table` to so many percent only, on PostgreSQL: a row that changes later stays in its page."""

    def __init__(self, table: str, *, percent: int) -> None:
        self.table, self.percent = table, percent

    def describe(self) -> str:
        return f"Keep room in {self.table}"

    def state_forward(self, app_label: str, state: State) -> None:
        """Models do not know."""

    async def database_forward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        if state_editor and state_editor.client.capabilities.dialect == "postgres":
            await state_editor.client.execute_query(f"ALTER TABLE {self.table} SET (fillfactor = {self.percent})")
