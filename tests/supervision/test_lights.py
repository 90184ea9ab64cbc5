"""Lights as comparisons: no database, no clock."""

from datetime import UTC, datetime, timedelta

import pytest

from casework.clock.time_limits import Light
from supervision.lights import Limits, Turn, due_turns, light_of

YELLOW = datetime(2026, 10, 20, 16, tzinfo=UTC)  # 2026-10-21 00:00 in Shanghai
RED = datetime(2026, 10, 22, 16, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def limits(**changes) -> Limits:
    return Limits(**{"yellow_at": YELLOW, "red_at": RED, "next_light_at": YELLOW, **changes})


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        (YELLOW - TICK, Light.GREEN),
        (YELLOW, Light.YELLOW),
        (RED - TICK, Light.YELLOW),  # 23:59:59.999999 of the due day is in time
        (RED, Light.RED),
    ],
)
def test_the_light_shown_is_a_comparison_with_now(now, shown):
    assert light_of(limits(), now) is shown


def test_a_closed_task_shows_no_light_and_a_task_without_limits_is_green():
    assert light_of(limits(closed_at=YELLOW), RED) is Light.OUT
    assert light_of(Limits(yellow_at=None, red_at=None), RED) is Light.GREEN


@pytest.mark.feature("CLK-08")
@pytest.mark.parametrize(
    ("changes", "now", "due"),
    [
        ({}, YELLOW - TICK, ()),
        ({}, YELLOW, (Light.YELLOW,)),
        ({}, RED, (Light.YELLOW, Light.RED)),  # first seen after both
        ({"next_light_at": RED}, RED - TICK, ()),  # yellow was announced
        ({"next_light_at": RED}, RED, (Light.RED,)),
        ({"next_light_at": None}, RED, ()),  # the clock stands still, or all was announced
        ({"yellow_at": None, "next_light_at": RED}, RED, (Light.RED,)),
        ({"closed_at": RED + TICK}, RED + TICK, (Light.YELLOW, Light.RED)),  # closed late: the light was earned
        ({"closed_at": RED}, RED, (Light.YELLOW, Light.RED)),  # 00:00:00 of the next day is overdue
        ({"closed_at": RED - TICK}, RED, (Light.YELLOW,)),  # the last instant of the due day is in time
        ({"closed_at": YELLOW - TICK}, RED, ()),
    ],
)
def test_each_unannounced_turn_is_due_once_its_instant_has_come(changes, now, due):
    assert tuple(turn.colour for turn in due_turns(limits(**changes), now)) == due


def test_a_turn_bears_the_instant_at_which_it_turned_not_the_one_at_which_it_was_seen():
    assert due_turns(limits(), RED + timedelta(hours=5)) == (Turn(Light.YELLOW, YELLOW), Turn(Light.RED, RED))
