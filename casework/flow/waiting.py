"""Which open turns are somebody's, as SQL conditions on `task t` and `case_file c`.

A turn is an officer's by office (their unit and one of their roles) or by a delegation, in another's name. Each way is
one range of the to-do index, so each is asked by itself and the lists are merged.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from casework.clock.time_limits import Light
from casework.flow.delegations import Mandate
from kernel.actor import Actor
from kernel.db import SqlValue


class Sql:
    """Collects bound values while a statement is written down."""

    def __init__(self) -> None:
        self.values: list[SqlValue] = []

    def __call__(self, value: SqlValue) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def each(self, values: Iterable[SqlValue]) -> str:
        return ", ".join(self(value) for value in values)


class TodoFilter(NamedTuple):
    """Narrows a to-do list: one light only, one step only, a piece of the case number or item name."""

    light: Light | None = None
    step: str | None = None
    text: str = ""


EVERYTHING = TodoFilter()


def turns_of(sql: Sql, actor: Actor, mandate: Mandate | None) -> str:
    """A condition on `t` and `c`: open turns that are the actor's by office, or by `mandate` in another's name."""
    unit, roles, holder = (
        (mandate.unit, mandate.roles, mandate.principal) if mandate else (actor.unit, actor.roles, actor.id)
    )
    turns = (
        f"t.closed_at IS NULL AND t.unit_code = {sql(unit)} AND t.role IN ({sql.each(sorted(roles)) or 'NULL'})"
        f" AND (t.assignee IS NULL OR t.assignee = {sql(holder)})"
    )
    return turns + (f" AND c.item_code IN ({sql.each(mandate.items)})" if mandate and mandate.items else "")


def acted_on_the_adjacent_level(sql: Sql, actor: Actor, mandate: Mandate | None) -> str:
    """Whether the actor, or whom they stand in for, signed the level below or above the open one: they would be
    refused (SAME_PERSON_TWICE).
    """
    people = sql.each([actor.id, mandate.principal] if mandate else [actor.id])
    return (
        "(t.level > 0 AND EXISTS (SELECT 1 FROM case_step s WHERE s.case_id = t.case_id AND s.branch = t.branch"
        " AND s.level > 0 AND s.level IN (t.level - 1, t.level + 1)"
        f" AND (s.officer IN ({people}) OR s.principal IN ({people}))))"
    )


def narrowed(sql: Sql, only: TodoFilter, now: datetime) -> str:
    """The rest of a condition, beginning with AND."""
    more = ""
    if only.light is Light.RED:
        more += f" AND t.red_at <= {sql(now)}"
    elif only.light is Light.YELLOW:
        more += f" AND t.yellow_at <= {sql(now)} AND t.red_at > {sql(now)}"
    elif only.light is not None:
        more += f" AND (t.yellow_at IS NULL OR t.yellow_at > {sql(now)})"
    if only.step is not None:
        more += f" AND t.step = {sql(only.step)}"
    if only.text:
        more += f" AND (c.number = {sql(only.text)} OR c.item_name LIKE {sql(f'%{_plain(only.text)}%')} ESCAPE '!')"
    return more


def _plain(text: str) -> str:
    """`text` without the wildcards of LIKE."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
