"""Who may do what, as values that can be combined, named and listed.

A permission is asked inside the act's transaction, at the moment of the act: a delegation or a role that ended
a second ago no longer counts.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from kernel.actor import ActorKind, Role
from kernel.acts import Act, View
from kernel.work import Work

# A rule's permission is only ever asked about the rule's own act.
AnAct = TypeVar("AnAct", bound=Act[Any])
Question = Callable[[Work, AnAct], Awaitable[bool]]


class Permission:
    """A named yes-or-no question about one act. `a & b`: both; `a | b`: either."""

    def __init__(self, name: str, question: Callable[[Work, Act[View]], Awaitable[bool]]) -> None:
        self.name = name
        self._question = question

    async def __call__(self, work: Work, act: Act[View]) -> bool:
        return await self._question(work, act)

    def __and__(self, other: "Permission") -> "Permission":
        async def both(work: Work, act: Act[View]) -> bool:
            return await self(work, act) and await other(work, act)

        return Permission(f"{self.name} & {other.name}", both)

    def __or__(self, other: "Permission") -> "Permission":
        async def either(work: Work, act: Act[View]) -> bool:
            return await self(work, act) or await other(work, act)

        return Permission(f"({self.name} | {other.name})", either)

    def __repr__(self) -> str:
        return f"<{self.name}>"


def permission(name: str) -> Callable[[Callable[[Work, AnAct], Awaitable[bool]]], Permission]:
    """Names a question: `@permission("holder of the open task")`."""

    def named(question: Callable[[Work, AnAct], Awaitable[bool]]) -> Permission:
        return Permission(name, question)  # type: ignore[arg-type]  # asked only with the rule's own act

    return named


def role(*roles: Role) -> Permission:
    """An officer who holds one of `roles`."""

    async def holds(work: Work, act: Act[View]) -> bool:
        return work.actor.kind is ActorKind.OFFICER and work.actor.has(*roles)

    return Permission(" | ".join(role.value for role in roles), holds)


def _of_kind(name: str, *kinds: ActorKind) -> Permission:
    async def is_one(work: Work, act: Act[View]) -> bool:
        return work.actor.kind in kinds

    return Permission(name, is_one)


#: No identity needed: the public's doors. Rate limits stand before them.
anybody = _of_kind("anybody", *ActorKind)
any_officer = _of_kind("any officer", ActorKind.OFFICER)
#: The timer, a worker or the operator's command line; never a door open to the network.
the_system = _of_kind("the system", ActorKind.SYSTEM)
