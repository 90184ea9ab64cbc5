"""A task's lights: pure, comparisons of the instants its clock gave it with now. Nothing is stored to be green.

A light belongs to the instant at which it turns, not to the moment somebody looked: a task first seen after both
instants gets both lights, and a task that was closed late keeps the light it earned before it was closed.
Source: 临近办理时限亮黄灯, 超过办理时限亮红灯. A day ends before 24:00: `red_at` is the first instant too
late, and a task closed then is late. A step with a limit of its own (环节时限) may be late while its case is not; the
case's own lights follow.
"""

from datetime import datetime

import msgspec

from casework.clock.time_limits import Light


class Turn(msgspec.Struct, frozen=True):
    """A light turns `colour` at `at`. `of_step`: by the step's own limit, not by the case's."""

    colour: Light
    at: datetime
    of_step: bool = False


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The instants of one task; `next_light_at` is the first turn that was not announced yet.

    `of_step`: the first two are by the step's own limit; the case's follow, where the task answers for the case.
    """

    yellow_at: datetime | None
    red_at: datetime | None
    of_step: bool = False
    case_yellow_at: datetime | None = None
    case_red_at: datetime | None = None
    next_light_at: datetime | None = None
    closed_at: datetime | None = None


def light_of(limits: Limits, now: datetime) -> Light:
    """The colour to show at `now`."""
    if limits.closed_at is not None:
        return Light.OUT
    if limits.red_at is not None and now >= limits.red_at:
        return Light.RED
    return Light.YELLOW if limits.yellow_at is not None and now >= limits.yellow_at else Light.GREEN


def due_turns(limits: Limits, now: datetime) -> tuple[Turn, ...]:
    """The unannounced turns up to `now`, in the order in which they turned."""
    if limits.next_light_at is None:
        return ()
    turns = (
        (Light.YELLOW, limits.yellow_at, limits.of_step),
        (Light.RED, limits.red_at, limits.of_step),
        (Light.YELLOW, limits.case_yellow_at, False),
        (Light.RED, limits.case_red_at, False),
    )
    until = now if limits.closed_at is None else min(now, limits.closed_at)
    due = [
        Turn(colour, at, of_step)
        for colour, at, of_step in turns
        if at is not None and limits.next_light_at <= at <= until
    ]
    return tuple(sorted(due, key=lambda turn: turn.at))
