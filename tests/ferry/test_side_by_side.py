"""Two processes of one side at the same moment, each with its own connections to the one database."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from tortoise.exceptions import OperationalError

from tests.ferry.pair import Side
from tests.ferry.test_survival import agree, send_a_file


@asynccontextmanager
async def beside(side: Side):
    """Another process of the same side."""
    twin = Side(side.own, side.peer, side.clock, side.folder)
    twin.out, twin.into = side.out, side.into
    await twin.open(side.url)
    await twin.start()
    try:
        yield twin
    finally:
        await twin.close()


async def turned(side: Side) -> tuple[int, int]:
    """What it sealed and took in; a database that is busy is tried again in the next turn, as in serving."""
    try:
        await side.turn()
    except OperationalError:
        return 0, 0
    return side.last.sealed, side.last.taken


async def test_two_sealers_and_two_appliers_at_once_share_the_work_and_do_nothing_twice(pair):
    done: dict[int, tuple[int, int]] = {}
    rounds = 0
    async with beside(pair.outer) as sealer, beside(pair.inner) as applier:
        while rounds < 3 or not all(sealed and taken for sealed, taken in done.values()):
            assert rounds < 30, "one of them did nothing"
            number, rounds = rounds, rounds + 1
            for side in pair.sides:
                await side.hand_over(*(f"{number}-{place}" for place in range(5)))
                await side.hand_over(f"u{number}", type="sms.text")
            await send_a_file(pair.outer, f"{number}".encode() * 50)
            pair.clock.advance(timedelta(seconds=5))
            for those in ((pair.outer, sealer), (pair.inner, applier)):
                for side, (sealed, taken) in zip(those, await asyncio.gather(*map(turned, those)), strict=True):
                    before = done.get(id(side), (0, 0))
                    done[id(side)] = before[0] + sealed, before[1] + taken
                pair.there.sweep()
                pair.back.sweep()
    await pair.settle()
    for _ in range(5):
        await pair.step()
    expected = {f"case.state/{n}-{m}" for n in range(rounds) for m in range(5)}
    expected |= {f"sms.text/u{n}" for n in range(rounds)}
    await agree(pair, {side.own: expected for side in pair.sides})
    for side in pair.sides:
        numbered = await side.rows("SELECT lane, seq, count FROM ferry_parcel ORDER BY lane, seq")
        for lane in {row["lane"] for row in numbered}:
            seqs = [row["seq"] for row in numbered if row["lane"] == lane]
            assert seqs == list(range(1, len(seqs) + 1))
        assert sum(row["count"] for row in numbered if row["lane"] == "case") == rounds * 5
