"""Weights fall with errors and slowness, come back, and are kept to in the long run."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms.alarms import FAILING_BELOW
from sms.weights import FLOOR, HALF_LIFE, Health, Turns, quota, speed

START = datetime(2026, 9, 18, 1, 0, tzinfo=UTC)
rounds = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000), st.floats(-3600, 3600)), max_size=30)


def seen(*batches, health=None, every=timedelta(seconds=5)) -> Health:
    health = health or Health(at=START)
    for good, bad in batches:
        health = health.after(health.at + every, good=good, bad=bad)
    return health


# ------------------------------------------------------------------------------------------------------------ health


@given(rounds)
def test_a_level_stays_between_its_floor_and_one_whatever_is_seen_and_however_the_clock_jumps(batches):
    health = Health(at=START)
    for good, bad, seconds in batches:
        health = health.after(health.at + timedelta(seconds=seconds), good=good, bad=bad)
        assert FLOOR <= health.level <= 1.0


@given(rounds)
def test_whatever_happened_time_alone_brings_the_whole_weight_back(batches):
    health = Health(at=START)
    for good, bad, seconds in batches:
        health = health.after(health.at + timedelta(seconds=seconds), good=good, bad=bad)
    levels = [seen(*[(0, 0)] * n, health=health, every=HALF_LIFE).level for n in range(15)]
    assert levels == sorted(levels)
    assert levels[-1] > 0.97


@given(rounds, st.integers(0, 5000))
def test_success_never_lowers_a_level_and_failure_never_raises_it(batches, more):
    health = seen(*[(good, bad) for good, bad, _ in batches])
    as_it_was = health.after(health.at)
    assert health.after(health.at, good=more).level >= as_it_was.level - 1e-9
    assert health.after(health.at, bad=more).level <= as_it_was.level + 1e-9


@pytest.mark.parametrize(
    ("batches", "least", "most"),
    [
        ([(100, 0)] * 10, 1.0, 1.0),
        ([(0, 1)], 0.55, 0.75),  # one failure in an idle hour
        ([(99, 1)] * 10, 0.93, 0.97),
        ([(95, 5)] * 10, 0.7, 0.85),
        ([(80, 20)] * 10, 0.25, 0.45),  # one in five
        ([(8, 2)] * 2, 0.35, 0.5),  # already after twenty texts
        ([(0, 100)] * 10, FLOOR, FLOOR),
        ([(100_000, 0)] * 10 + [(160, 40)], 0.3, 0.65),  # a long good past is no excuse
    ],
)
def test_the_level_falls_with_the_part_that_fails(batches, least, most):
    assert least <= seen(*batches).level <= most


def test_a_carrier_that_fails_one_text_in_five_is_worth_an_alarm_and_one_in_twenty_is_not():
    assert seen(*[(80, 20)] * 10).level < FAILING_BELOW
    assert seen(*[(8, 2)] * 2).level < FAILING_BELOW
    assert seen(*[(95, 5)] * 10).level > FAILING_BELOW


def test_success_brings_it_back_sooner_than_time():
    failed = seen(*[(80, 20)] * 10)
    assert seen(*[(100, 0)] * 4, health=failed).level > 0.8
    assert seen(*[(0, 0)] * 4, health=failed).level < 0.5


@pytest.mark.parametrize(
    ("answer_s", "others_s", "kept"),
    [
        (None, [0.1], 1.0),  # nothing known
        (0.9, [0.001], 1.0),  # under a second nobody is slow
        (2.0, [1.0], 1.0),
        (6.0, [1.0], 0.5),
        (4.0, [0.1], 0.25),
        (5.0, [], 1.0),  # alone there is only the limit
        (10.0, [], 0.5),
        (10.0, [10.0], 0.5),  # both are slow
        (1e9, [0.1], FLOOR),
    ],
)
def test_slowness_is_told_by_the_quickest_other_and_by_a_limit(answer_s, others_s, kept):
    assert speed(answer_s, others_s) == pytest.approx(kept)


# ------------------------------------------------------------------------------------------------------------- turns


def served(weights: dict[str, float], arrivals: list[int], rooms: dict[str, int]) -> Counter[str]:
    """Who took how many, when so many texts at a time come to carriers that are done with them at once."""
    turns, took = Turns(), Counter({name: 0 for name in weights})
    for waiting in arrivals:
        asked: set[str] = set()
        while ready := {name: weight for name, weight in weights.items() if name not in asked}:
            name = turns.first(ready)
            limit = quota(name, rooms, ready)
            count = min(waiting, limit)
            waiting -= count
            took[name] += count
            turns.took(name, count, ready)
            if count < limit:
                asked.add(name)
        assert waiting == 0
    return took


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.5, 100), min_size=1, max_size=4),
    st.lists(st.integers(0, 300), min_size=40, max_size=60),
    st.lists(st.integers(1, 64), min_size=4, max_size=4),
)
def test_in_the_long_run_each_carrier_takes_its_share_and_nothing_is_left_waiting(weights, arrivals, rooms):
    named = {f"c{n}": weight for n, weight in enumerate(weights)}
    took = served(named, arrivals, {name: rooms[n] for n, name in enumerate(named)})
    total = sum(arrivals)
    assert sum(took.values()) == total
    for name, weight in named.items():
        # Off by what it may take at once, however many there were.
        assert abs(took[name] - total * weight / sum(weights)) <= 64 * len(weights) + 1


def test_single_texts_are_shared_by_weight_too():
    assert served({"east": 30.0, "west": 10.0}, [1] * 400, {"east": 64, "west": 64}) == {"east": 300, "west": 100}


def test_one_alone_takes_everything():
    assert served({"east": 0.1}, [1000], {"east": 64}) == {"east": 1000}


def test_who_could_not_take_anything_is_owed_nothing_for_it():
    turns = Turns()
    turns.took("west", 10_000, {"west": 10.0})
    assert [turns.first({"east": 10.0, "west": 10.0}) for _ in range(2)] == ["east", "east"]
    turns.took("east", 1, {"east": 10.0, "west": 10.0})
    assert turns.first({"east": 10.0, "west": 10.0}) == "west"


def test_what_is_owed_after_a_long_time_is_bounded():
    turns = Turns()
    both = {"east": 10.0, "west": 10.0}
    for _ in range(1000):
        turns.took("west", 100, both)
    caught_up = 0
    while turns.first(both) == "east":
        turns.took("east", 10, both)
        caught_up += 10
    assert caught_up <= 2 * Turns.MOST + 10
