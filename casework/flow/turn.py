"""A case at its open step, as the officer whose turn it is finds it."""

from dataclasses import dataclass
from typing import NamedTuple

from casework.catalogue.definitions import Stage
from casework.catalogue.publishing import version_of
from casework.clock.time_limits import REVIEW_WITHIN
from casework.flow.steps import Move
from casework.tables import Case, Task
from kernel.actor import Actor, Role
from kernel.tables import Officer


class Post(NamedTuple):
    """Who stands on a level: the holders of `role` in `unit`; and its limits in working days.

    `limit_days` run from the opening of the level, `line_days` from acceptance, for all levels of its line together.
    """

    role: Role
    unit: str
    limit_days: int | None
    line_days: int | None = None


@dataclass(frozen=True)
class Turn:
    """A case at its open step, as the deciding officer finds it. `principal`: in whose name, if not their own."""

    case: Case
    task: Task
    stage: Stage
    move: Move
    principal: Officer | None = None

    def signer(self, actor: Actor) -> str:
        """Who signs, as the record names them: X, or X 代 Y."""
        return signed_by(actor.name, self.principal.name if self.principal else "")


async def stage_of(case: Case) -> Stage:
    """The stage a case was filed against, as its pinned version says it."""
    _, definition = await version_of(case.item_code, case.item_version)
    return definition.stage(case.stage_code)


def posts_of(stage: Stage, case: Case, branch: int = 0) -> tuple[Post, ...]:
    """The levels of a line, first to last: a co-unit's, or the case's own and above it those of the authority that
    it is reported to. The first review has its limit until it is over: twenty days, unless a law says otherwise
    (art. 43).
    """
    if branch:
        part = stage.branches[branch - 1]
        return tuple(Post(level.role, part.unit, level.limit_days, part.limit_days) for level in part.levels)
    above = stage.report_up
    review = None
    if above and case.reported_up_at is None:
        review = above.review_limit_days if above.basis.strip() else min(above.review_limit_days, REVIEW_WITHIN)
    own = tuple(Post(level.role, case.unit_code, level.limit_days, review) for level in stage.levels)
    return own + tuple(Post(level.role, above.unit, level.limit_days) for level in above.levels) if above else own


def signed_by(name: str, principal: str) -> str:
    """X, or X 代 Y when X signed in the name of Y."""
    return f"{name} 代 {principal}" if principal else name
