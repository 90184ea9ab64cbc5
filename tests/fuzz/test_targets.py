"""Every fuzz target takes its seeds and what is nearly them; and whatever `make fuzz` has found stays found."""

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import mutations
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_takes_what_encoders_make_and_what_is_nearly_that(target):
    seeds = list(TARGETS[target].seeds())
    assert seeds
    for data in (*seeds, *islice(mutations(seeds, random.Random(1), longest=4096), 400)):
        TARGETS[target].read(data)


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.binary(max_size=200))
def test_a_target_takes_anything(target, data):
    TARGETS[target].read(data)
