"""Statistics of cases (综合查询统计): one statement, filtered and grouped by any of the dimensions.

The same function serves the phones and the command line, so both show the same numbers; docs/statistics.md defines
each of them. They are counted from cases, lights, cards, ratings and clock ledgers as they stand, nothing is kept
beside them. Secret cases are in no number.

Limits: a period asks about one day of each case (received, accepted or closed), so the numbers of one answer are
always about the same cases; whoever wants what came in and what went out of a month asks twice.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

import msgspec

from casework.clock.working_days import Calendar
from casework.permissions import SUPERVISORS
from casework.queries import day, gaps_of
from kernel.actor import Actor, ActorKind
from kernel.db import Database, Row, SqlValue, chunks
from kernel.refusals import NotPermitted
from supervision.findings import LOW_RATING


class Dimension(StrEnum):
    UNIT = "unit"
    ITEM = "item"
    STAGE = "stage"
    ITEM_CLASS = "item_class"
    GRADE = "grade"
    CHANNEL = "channel"
    MONTH = "month"
    LIGHT = "light"
    CARD = "card"
    RESULT = "result"
    STATUS = "status"


class PeriodOf(StrEnum):
    """Which day of a case a period asks about."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    CLOSED = "closed"


class Result(StrEnum):
    OPEN = "open"  # 办理中
    GRANTED = "granted"  # 准予
    REFUSED = "refused"  # 不予
    ENDED = "ended"  # 自建系统办结，结果未报送
    UNDECIDED = "undecided"  # 未作决定而终止：不予受理、撤回等


class Colour(StrEnum):
    """The worst light or card of a case."""

    NONE = "none"
    YELLOW = "yellow"
    RED = "red"


class StatisticsFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Narrows to the cases that fit every value given; `since` and `until` are days, both included."""

    since: date | None = None
    until: date | None = None
    period_of: PeriodOf = PeriodOf.RECEIVED
    unit: str | None = None
    item: str | None = None
    stage: str | None = None
    item_class: str | None = None
    grade: str | None = None
    channel: str | None = None
    light: Colour | None = None
    card: Colour | None = None
    result: Result | None = None
    status: str | None = None


EVERYTHING = StatisticsFilter()


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one group; `keys` are its values in the order of the dimensions. Rates are per cent."""

    keys: tuple[str, ...]
    received: int
    accepted: int
    in_process: int
    closed: int
    undecided: int
    granted: int
    refused: int
    on_time: int
    early: int
    overdue: int
    yellow_lights: int
    red_lights: int
    yellow_cards: int
    red_cards: int
    rated: int
    low_ratings: int
    on_time_rate: str | None
    early_rate: str | None
    average_days: str | None
    satisfaction: str | None


#: The numbers by their names in reports, in order.
NUMBERS = {
    "received": "收件数",
    "accepted": "受理数",
    "in_process": "在办数",
    "closed": "办结数",
    "undecided": "未作决定终止数",
    "granted": "准予数",
    "refused": "不予数",
    "on_time": "按时办结数",
    "early": "提前办结数",
    "overdue": "超期数",
    "yellow_lights": "黄灯数",
    "red_lights": "红灯数",
    "yellow_cards": "黄牌数",
    "red_cards": "红牌数",
    "rated": "评价数",
    "low_ratings": "差评数",
    "on_time_rate": "按时率（%）",
    "early_rate": "提前率（%）",
    "average_days": "平均办理工作日",
    "satisfaction": "满意度（%）",
}
_COUNTS = tuple(NUMBERS)[:-4]
_LEDGERS_AT_ONCE = 500
#: Ratings are 1 to 5.
BEST_RATING = 5
DIMENSION_NAMES = {
    Dimension.UNIT: "单位",
    Dimension.ITEM: "事项",
    Dimension.STAGE: "阶段",
    Dimension.ITEM_CLASS: "类别",
    Dimension.GRADE: "档次",
    Dimension.CHANNEL: "来源",
    Dimension.MONTH: "月份",
    Dimension.LIGHT: "亮灯",
    Dimension.CARD: "发牌",
    Dimension.RESULT: "结果",
    Dimension.STATUS: "状态",
}

# ------------------------------------------------------------------------------------------------- the statement

#: The instant at which a case was closed: decided, or ended by the system that has it.
_END = "COALESCE(c.decided_at, CASE WHEN c.channel = 'self_built' THEN c.closed_at END)"
_LOCAL_DAY = {
    "sqlite": "date({0}, '+8 hours')",
    "postgres": "CAST(({0}) AT TIME ZONE 'Asia/Shanghai' AS date)",
}
_JSON_FIELD = {"sqlite": "json_extract({0}, '$.{1}')", "postgres": "(CAST({0} AS json)->>'{1}')"}
_WORST = "CASE WHEN {0}.red > 0 THEN 'red' WHEN {0}.yellow > 0 THEN 'yellow' ELSE 'none' END"
_TALLY = (
    "(SELECT case_id, SUM(CASE WHEN colour = 'yellow' THEN 1 ELSE 0 END) AS yellow,"
    " SUM(CASE WHEN colour = 'red' THEN 1 ELSE 0 END) AS red FROM {0} GROUP BY case_id)"
)
#: Working days count from the first day of the calendar; the difference of two is the working days between them.
_WORKDAYS = "(SELECT day, SUM(CASE WHEN working THEN 1 ELSE 0 END) OVER (ORDER BY day) AS n FROM calendar_day)"

#: The numbers over the inner rows; one row is one case.
_SUMS = """
  COUNT(*) AS received,
  SUM(CASE WHEN accepted THEN 1 ELSE 0 END) AS accepted,
  SUM(CASE WHEN result = 'open' THEN 1 ELSE 0 END) AS in_process,
  SUM(CASE WHEN end_day IS NOT NULL THEN 1 ELSE 0 END) AS closed,
  SUM(CASE WHEN result = 'undecided' THEN 1 ELSE 0 END) AS undecided,
  SUM(CASE WHEN result = 'granted' THEN 1 ELSE 0 END) AS granted,
  SUM(CASE WHEN result = 'refused' THEN 1 ELSE 0 END) AS refused,
  SUM(CASE WHEN end_day <= due THEN 1 ELSE 0 END) AS on_time,
  SUM(CASE WHEN end_day < due THEN 1 ELSE 0 END) AS early,
  SUM(CASE WHEN end_day > due OR (result = 'open' AND due < {today}) THEN 1 ELSE 0 END) AS overdue,
  SUM(CASE WHEN end_day IS NOT NULL AND due IS NOT NULL THEN 1 ELSE 0 END) AS limited,
  SUM(yellow_lights) AS yellow_lights, SUM(red_lights) AS red_lights,
  SUM(yellow_cards) AS yellow_cards, SUM(red_cards) AS red_cards,
  COUNT(score) AS rated, SUM(CASE WHEN score <= {low} THEN 1 ELSE 0 END) AS low_ratings, SUM(score) AS scores,
  SUM(ended.n - began.n) AS days, COUNT(ended.n - began.n) AS timed
"""


async def statistics(
    database: Database,
    *,
    today: date,
    calendar: Calendar,
    only: StatisticsFilter = EVERYTHING,
    by: Sequence[Dimension] = (),
) -> list[Figures]:
    """The numbers of every group that has a case, sorted by its keys; without `by` one row for all.

    `today` is the local day by which an open case is overdue. For whom: `narrowed_for`.
    """
    values: list[SqlValue] = []

    def bound(value: SqlValue) -> str:
        values.append(value)
        return f"${len(values)}"

    wanted = [
        *(f"{name} = {bound(value)}" for name in Dimension if (value := getattr(only, name, None)) is not None),
        *([f"period_day >= {bound(only.since)}"] if only.since else ()),
        *([f"period_day <= {bound(only.until)}"] if only.until else ()),
    ]
    cases = f"({_cases(database.dialect, only.period_of)}) r"
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    stopped = await database.rows(
        f"SELECT {_listed(by)} id, begun_on, end_day FROM {cases}{where}{' AND' if wanted else ' WHERE'} was_stopped",
        *values,
    )
    columns = ", ".join(by)
    found = await database.rows(
        f"SELECT {_listed(by)}{_SUMS.format(today=bound(today), low=LOW_RATING)} FROM {cases}"
        f" LEFT JOIN {_WORKDAYS} began ON began.day = r.begun_on LEFT JOIN {_WORKDAYS} ended ON ended.day = r.end_day"
        + where
        + (f" GROUP BY {columns} ORDER BY {columns}" if by else ""),
        *values,
    )
    uncounted = await _uncounted(database, stopped, by, calendar)
    return [_figures(row, by, uncounted) for row in found]


def narrowed_for(actor: Actor, only: StatisticsFilter) -> StatisticsFilter:
    """What this officer may count: their own unit, supervisors every unit. Raises NotPermitted for more."""
    if actor.kind is not ActorKind.OFFICER or actor.unit is None:
        raise NotPermitted(act="statistics", needs="officer")
    if actor.has(*SUPERVISORS):
        return only
    if only.unit not in (None, actor.unit):
        raise NotPermitted(act="statistics", needs=" | ".join(SUPERVISORS))
    return msgspec.structs.replace(only, unit=actor.unit)


def _cases(dialect: str, period_of: PeriodOf) -> str:
    """One row per case with every dimension."""
    end_day = _LOCAL_DAY[dialect].format(_END)
    field = _JSON_FIELD[dialect].format
    period_day = {
        PeriodOf.RECEIVED: "c.received_on",
        PeriodOf.ACCEPTED: "c.accepted_on",
        PeriodOf.CLOSED: end_day,
    }[period_of]
    return (
        "SELECT c.id, c.unit_code AS unit, c.item_code AS item, c.stage_code AS stage, c.channel, c.status,"
        f" COALESCE({field('v.definition', 'item_class')}, '') AS item_class,"
        f" COALESCE({field('v.definition', 'grade')}, '') AS grade,"
        f" {period_day} AS period_day, COALESCE(SUBSTR(CAST({period_day} AS TEXT), 1, 7), '') AS month,"
        f" {_WORST.format('l')} AS light, {_WORST.format('k')} AS card,"
        f" CASE WHEN c.outcome <> '' THEN c.outcome WHEN {_END} IS NOT NULL THEN 'ended'"
        " WHEN c.closed_at IS NOT NULL THEN 'undecided' ELSE 'open' END AS result,"
        " (c.accepted_on IS NOT NULL OR c.channel = 'self_built') AS accepted,"
        f" {end_day} AS end_day, c.committed_due AS due,"
        " CASE WHEN c.decided_at IS NOT NULL THEN c.accepted_on END AS begun_on,"
        " (c.decided_at IS NOT NULL AND EXISTS (SELECT 1 FROM clock_entry e WHERE e.case_id = c.id"
        ' AND e.entry LIKE \'{"entry":"stop"%\')) AS was_stopped,'
        " COALESCE(l.yellow, 0) AS yellow_lights, COALESCE(l.red, 0) AS red_lights,"
        " COALESCE(k.yellow, 0) AS yellow_cards, COALESCE(k.red, 0) AS red_cards, g.score"
        " FROM case_file c LEFT JOIN item_version v ON v.item_code = c.item_code AND v.version = c.item_version"
        f" LEFT JOIN {_TALLY.format('light')} l ON l.case_id = c.id"
        " LEFT JOIN " + _TALLY.format("(SELECT case_id, colour FROM card WHERE state = 'effective') x") + " k"
        " ON k.case_id = c.id LEFT JOIN rating g ON g.case_number = c.number WHERE c.secret = FALSE"
    )


async def _uncounted(
    database: Database, stopped: Sequence[Row], by: Sequence[Dimension], calendar: Calendar
) -> dict[tuple[str, ...], int]:
    """Working days between acceptance and decision that the law does not count (art. 45), by group."""
    found: dict[tuple[str, ...], int] = {}
    for part in chunks(stopped, _LEDGERS_AT_ONCE):
        gaps = await gaps_of(database, [int(str(row["id"])) for row in part])
        for row in part:
            began, ended = day(row["begun_on"]), day(row["end_day"])
            assert began is not None
            assert ended is not None
            within = [(max(after, began), min(until, ended)) for after, until in gaps.get(int(str(row["id"])), ())]
            days = sum(calendar.working_days_between(after, until) for after, until in within if after < until)
            keys = _keys(row, by)
            found[keys] = found.get(keys, 0) + days
    return found


def _listed(by: Sequence[Dimension]) -> str:
    return "".join(f"{name}, " for name in by)


def _keys(row: Row, by: Sequence[Dimension]) -> tuple[str, ...]:
    return tuple(str(row[dimension]) for dimension in by)


def _figures(row: Row, by: Sequence[Dimension], uncounted: Mapping[tuple[str, ...], int]) -> Figures:
    number = {
        name: int(str(row[name] or 0)) for name in (*NUMBERS, "limited", "days", "timed", "scores") if name in row
    }
    keys = _keys(row, by)
    return Figures(
        keys=keys,
        **{name: number[name] for name in _COUNTS},
        on_time_rate=_share(100 * number["on_time"], number["limited"]),
        early_rate=_share(100 * number["early"], number["limited"]),
        average_days=_share(number["days"] - uncounted.get(keys, 0), number["timed"]),
        satisfaction=_share(100 * number["scores"], BEST_RATING * number["rated"]),
    )


def _share(part: int, whole: int) -> str | None:
    """One decimal, as words: the same on every screen and in every file."""
    if whole == 0:
        return None
    return str((Decimal(part) / Decimal(whole)).quantize(Decimal("0.1"), ROUND_HALF_UP))
