"""Texts after one zone was restored from a backup: each comes to an end inside, and nobody gets one twice."""

import pytest

from alerts.states import CODE_WAIT
from tests.ferry.test_recovery import backups  # noqa: F401  a fixture
from tests.ferry.zones.test_texts import (
    WORDS,
    Inside,
    across,  # noqa: F401  a fixture
    carried_outside,
    only,
    put_inside,
)

CODE = "【衡江政务服务】发牌请回复1▒▒▒▒▒"
DELIVERED = "SELECT 1 FROM message WHERE state = 'delivered'"


class Day:
    """Both zones at work, until something is so inside."""

    def __init__(self, across) -> None:  # noqa: F811
        self.across, self.inside = across, Inside(across)
        self.read: list[str] = []

    async def until(self, sql: str) -> None:
        for _ in range(80):
            await self.inside.live()
            with self.across.outer.here():
                await carried_outside(self.across, self.read)
                await self.across.relay().round()
            await self.across.pair.step(15)
            if await self.across.inner.rows(sql):
                break
        else:
            raise AssertionError(f"never so: {sql}")
        await self.inside.die()

    async def until_taken_and_not_reported(self) -> None:
        while await self.across.inner.rows("SELECT 1 FROM message WHERE id NOT IN (SELECT reference FROM text_across)"):
            await self.inside.live()
        await self.across.pair.settle()
        with self.across.outer.here():
            await carried_outside(self.across, self.read)
        assert self.read


@pytest.fixture
async def day(across):  # noqa: F811
    await across.pair.settle()  # each knows the other's epoch
    return Day(across)


async def test_an_inner_zone_that_forgot_a_report_is_told_it_again(day, backups):  # noqa: F811
    await put_inside(day.across, WORDS, template="T05")
    restore = await backups.of(day.across.inner)
    await day.until(DELIVERED)
    await restore()
    assert (await only(day.across.inner, "SELECT state FROM message"))["state"] == "queued"
    await day.until(DELIVERED)
    assert day.read == [WORDS]


async def test_what_an_outer_zone_forgot_and_had_reported_is_not_sent_again(day, backups):  # noqa: F811
    restore = await backups.of(day.across.outer)
    await put_inside(day.across, WORDS)
    await day.until(DELIVERED)
    await restore()
    await put_inside(day.across, "【衡江政务服务】第二件")
    await day.until(f"{DELIVERED} AND body LIKE '%第二件'")
    assert day.read == [WORDS, "【衡江政务服务】第二件"]
    left_out = await day.across.inner.rows(
        "SELECT r.rid FROM ferry_record r JOIN ferry_place s ON s.id = r.id"
        " WHERE s.parcel = 0 AND r.rid LIKE 'text.%' ORDER BY r.id"
    )
    assert str(left_out[0]["rid"]).startswith("text.1.1.")


async def test_what_an_outer_zone_forgot_and_never_reported_is_of_unknown_outcome(day, backups):  # noqa: F811
    """An ordinary text goes again at once, under another number, and may be read twice; a code not before its time."""
    restore, inner = await backups.of(day.across.outer), day.across.inner
    await put_inside(day.across, WORDS)
    await put_inside(day.across, CODE, template="T05", phone="13900139000")
    await day.until_taken_and_not_reported()
    assert sorted(day.read) == sorted([WORDS, CODE])
    await restore()
    await day.until("SELECT 1 FROM message WHERE state = 'unknown'")
    await day.until(DELIVERED)
    assert {str(row["state"]) for row in await inner.rows("SELECT state FROM message")} == {"delivered", "unknown"}
    assert sorted(day.read) == sorted([WORDS, CODE, WORDS])
    assert {row["tries"] for row in await inner.rows("SELECT tries FROM text_across")} == {1, 2}
    day.across.clock.advance(CODE_WAIT)
    await day.until(f"{DELIVERED} AND body = '{CODE}'")
    assert sorted(day.read) == sorted(2 * [WORDS, CODE])
