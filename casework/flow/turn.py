"""A case at its open step, as the officer whose turn it is finds it."""

from dataclasses import dataclass

from casework.catalogue.definitions import Stage
from casework.catalogue.publishing import version_of
from casework.flow.steps import Move
from casework.tables import Case, Task


@dataclass(frozen=True)
class Turn:
    """A case at its open step, as the deciding officer finds it."""

    case: Case
    task: Task
    stage: Stage
    move: Move


async def stage_of(case: Case) -> Stage:
    """The stage a case was filed against, as its pinned version says it."""
    _, definition = await version_of(case.item_code, case.item_version)
    return definition.stage(case.stage_code)
