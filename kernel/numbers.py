"""Numbers without gaps: documents and cards are numbered per unit and year by the law's own practice."""

from kernel.tables import NumberSeries

_TAKE = (
    "INSERT INTO number_series (name, reached) VALUES ({0}1, {0}2)"
    " ON CONFLICT (name) DO UPDATE SET reached = number_series.reached + excluded.reached RETURNING reached"
)
_SQL = {"sqlite": _TAKE.format("?"), "postgres": _TAKE.format("$")}


async def next_number(series: str, count: int = 1) -> int:
    """The first of `count` fresh numbers of `series`, starting at 1.

    Taken inside the caller's transaction: rolled back with it, so no number is ever missing; on PostgreSQL the
    series' row stays locked until then, so two units of work cannot draw the same one.
    """
    connection = NumberSeries._meta.db
    [row] = await connection.execute_query_dict(_SQL[connection.capabilities.dialect], [series, count])
    return int(row["reached"]) - count + 1
