"""Numbers without gaps: documents and cards are numbered per unit and year by the law's own practice."""

from tortoise.expressions import F

from kernel.tables import NumberSeries


async def next_number(series: str, count: int = 1) -> int:
    """The first of `count` fresh numbers of `series`, starting at 1.

    Taken inside the caller's transaction: rolled back with it, so no number is ever missing; on PostgreSQL the
    series' row stays locked until then, so two units of work cannot draw the same one.
    """
    if await _advance(series, count) == 0:
        await NumberSeries.get_or_create(name=series, defaults={"reached": 0})
        await _advance(series, count)
    row = await NumberSeries.get(name=series)
    return int(row.reached) - count + 1


async def _advance(series: str, count: int) -> int:
    return await NumberSeries.filter(name=series).update(reached=F("reached") + count)
