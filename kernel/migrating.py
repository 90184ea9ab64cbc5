"""Tables created together: for tortoise, which keeps a copy of all tables before every single operation, and builds
every one of their classes anew for it. With seventy tables that is seconds at each first start, and a write lock on
SQLite that other processes lose patience with.
"""

from collections.abc import Iterable
from itertools import groupby

from tortoise.migrations.operations import CreateModel, Operation, TortoiseOperation
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import ModelState, State


class CreateModels(TortoiseOperation):
    """Many `CreateModel` as one step."""

    def __init__(self, models: Iterable[CreateModel]) -> None:
        self.models = tuple(models)

    def describe(self) -> str:
        return f"Create models {', '.join(model.name for model in self.models)}"

    def state_forward(self, app_label: str, state: State) -> None:
        made = {(app_label, create.name): ModelState.make_from_model(app_label, create.model) for create in self.models}
        state.models.update(made)
        state.reload_models(made)

    async def database_forward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        for create in self.models:
            await create.database_forward(app_label, old_state, new_state, state_editor)

    async def database_backward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        for create in reversed(self.models):
            await create.database_backward(app_label, old_state, new_state, state_editor)


def together(operations: Iterable[Operation]) -> list[Operation]:
    """The same operations, each run of created tables as one."""
    result: list[Operation] = []
    for creates, run in groupby(operations, key=lambda operation: isinstance(operation, CreateModel)):
        found = list(run)
        result += [CreateModels(each for each in found if isinstance(each, CreateModel))] if creates else found
    return result
