"""Series without gaps."""

import pytest

from kernel.db import Database
from kernel.numbers import next_number


async def test_numbers_follow_each_other(database: Database):
    async with database.transaction():
        drawn = [await next_number("x"), await next_number("x", 5), await next_number("x"), await next_number("y")]
    assert drawn == [1, 2, 7, 1]


async def test_a_number_whose_act_was_undone_is_given_again(database: Database):
    async def draw_and_fail() -> None:
        async with database.transaction():
            await next_number("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await draw_and_fail()
    async with database.transaction():
        assert await next_number("x") == 1
