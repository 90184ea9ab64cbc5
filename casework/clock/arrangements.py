"""What a notice on holidays says, read from the file of an operator and checked before anybody may approve it.

A year's arrangement is the weekday rule (Monday to Friday are worked) and what the State Council's notice changes:
days of rest, and weekend days that are worked instead (调休). A city's own notice (停止办公) changes single days.

JSON: {"year": 2027, "notice": "国办发明电〔2026〕7号", "source": "国务院办公厅关于2027年部分节假日安排的通知",
"holidays": ["2027-01-01..2027-01-03", …], "workdays": ["2027-02-20", …]}, and "local": true for a city's own.
CSV: one fact a line: `year,2027` `notice,…` `source,…` `local,yes` `holiday,2027-01-01..2027-01-03,元旦` `workday,…`.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from kernel.refusals import Refusal
from kernel.words import is_plain

#: A year's notice has a few dozen lines; nothing that is longer is one.
MOST_OCTETS = 64 * 1024
_MOST_PROBLEMS = 20
_LONGEST_RANGE = 31
#: Days of rest by law whose date is fixed (全国年节及纪念日放假办法); the others follow the moon.
_ALWAYS_REST = ((1, 1), (5, 1), (10, 1), (10, 2), (10, 3))
#: A year's notice named 25 to 40 days of rest and 4 to 8 make-up days since 2008.
_FEWEST_HOLIDAYS, _MOST_HOLIDAYS, _MOST_WORKDAYS = 11, 60, 15
_MOST_LOCAL = 31
#: A notice may touch the end of the year before, as that of 2012 did: 2011-12-31 was worked.
_BEFORE_THE_YEAR = timedelta(days=10)
MOST_NOTICE, MOST_SOURCE = 60, 100


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """`is_local`: a city's own days over the State Council's year."""

    year: int
    notice: str
    source: str
    holidays: tuple[date, ...]
    workdays: tuple[date, ...]
    is_local: bool = False


class _Named(NamedTuple):
    """A day as a row of the file names it."""

    where: str
    day: date
    works: bool


class _JsonFile(msgspec.Struct, forbid_unknown_fields=True):
    year: int
    notice: str
    source: str
    holidays: list[str]
    workdays: list[str]
    local: bool = False


def read(document: bytes) -> Arrangement:
    """The arrangement of a JSON or CSV file. Raises CalendarRefused naming every wrong row."""
    if len(document) > MOST_OCTETS:
        raise CalendarRefused(problems=[f"文件超过{MOST_OCTETS // 1024}KB"])
    try:
        text = document.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise CalendarRefused(problems=[f"第{error.start + 1}个字节不是 UTF-8"]) from None
    return _from_json(text) if text.startswith("{") else _from_csv(text)


def check(arrangement: Arrangement, *, first_year: int, last_year: int) -> None:
    """Raises CalendarRefused with everything that keeps the arrangement from being one."""
    days = [
        *(_Named(day.isoformat(), day, works=False) for day in arrangement.holidays),
        *(_Named(day.isoformat(), day, works=True) for day in arrangement.workdays),
    ]
    problems = [*_head_problems(arrangement), *_day_problems(arrangement, days)]
    if not first_year <= arrangement.year <= last_year:
        problems.append(f"年份应为{first_year}至{last_year}，不能是{arrangement.year}")
    _refuse(problems)


def _from_json(text: str) -> Arrangement:
    try:
        file = msgspec.json.decode(text, type=_JsonFile)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CalendarRefused(problems=[f"JSON：{error}"]) from None
    rows = [
        *((f"holidays[{n}]", words, False) for n, words in enumerate(file.holidays)),
        *((f"workdays[{n}]", words, True) for n, words in enumerate(file.workdays)),
    ]
    return _arranged(file.year, file.notice, file.source, rows, is_local=file.local, problems=[])


def _from_csv(text: str) -> Arrangement:
    head: dict[str, str] = {}
    rows: list[tuple[str, str, bool]] = []
    problems: list[str] = []
    try:
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise CalendarRefused(problems=[f"CSV：{error}"]) from None
    for number, line in enumerate(lines, 1):
        kind, value = (line[0].strip().lower(), line[1].strip()) if len(line) in (2, 3) else ("", "")
        if kind in ("holiday", "workday"):
            rows.append((f"第{number}行", value, kind == "workday"))
        elif kind in ("year", "notice", "source", "local") and kind not in head:
            head[kind] = value
        elif line:
            problems.append(f"第{number}行：不是 year、notice、source、local（各一次）、holiday 或 workday")
    year = head.get("year", "")
    if not (year.isascii() and year.isdigit() and len(year) == 4):
        problems.append("缺少年份，或不是四位数字")
    number_of_year = int(year) if year.isascii() and year.isdigit() and len(year) == 4 else 0
    is_local = head.get("local", "no").lower() in ("yes", "true", "1")
    return _arranged(
        number_of_year, head.get("notice", ""), head.get("source", ""), rows, is_local=is_local, problems=problems
    )


def _arranged(
    year: int,
    notice: str,
    source: str,
    rows: Sequence[tuple[str, str, bool]],
    *,
    is_local: bool,
    problems: list[str],
) -> Arrangement:
    """What the rows say. Raises CalendarRefused."""
    days: list[_Named] = []
    for where, words, works in rows:
        try:
            days += [_Named(where, day, works) for day in _days_of(words)]
        except ValueError:
            problems.append(f"{where}：应为日期或日期范围，如 2027-01-01 或 2027-01-01..2027-01-03")
    arrangement = Arrangement(
        year=year,
        notice=notice.strip(),
        source=source.strip(),
        holidays=tuple(day.day for day in days if not day.works),
        workdays=tuple(day.day for day in days if day.works),
        is_local=is_local,
    )
    _refuse([*problems, *_head_problems(arrangement), *_day_problems(arrangement, days)])
    return arrangement


def _days_of(words: str) -> list[date]:
    """Raises ValueError."""
    first, _, last = words.strip().partition("..")
    begin = date.fromisoformat(first)
    end = date.fromisoformat(last) if last else begin
    length = (end - begin).days + 1
    if not 1 <= length <= _LONGEST_RANGE or len(first) != 10:
        raise ValueError(words)
    return [begin + timedelta(days=n) for n in range(length)]


def _head_problems(arrangement: Arrangement) -> Iterator[str]:
    for name, value, most in (
        ("通知文号", arrangement.notice, MOST_NOTICE),
        ("通知名称", arrangement.source, MOST_SOURCE),
    ):
        if not value or len(value) > most or not is_plain(value):
            yield f"{name}应为1至{most}个可见字符"


def _day_problems(arrangement: Arrangement, days: Sequence[_Named]) -> Iterator[str]:
    year, seen = arrangement.year, dict[date, _Named]()
    earliest = date(year, 1, 1) - _BEFORE_THE_YEAR if 1 < year < 9999 else date.max
    for named in days:
        where, day, works = named
        if not earliest <= day <= date(max(year, 1), 12, 31):
            yield f"{where}：{day}不在{year}年"
        if (earlier := seen.get(day)) is not None:
            clash = "既放假又上班" if earlier.works != works else "重复"
            yield f"{where}：{day}{clash}（{earlier.where}）"
        seen[day] = named
        if works and not arrangement.is_local and day.weekday() < 5:
            yield f"{where}：{day}不是周末，调休上班日应为星期六或星期日"
    if arrangement.is_local:
        if not 1 <= len(days) <= _MOST_LOCAL:
            yield f"本地安排应为1至{_MOST_LOCAL}日，文件中有{len(days)}日"
        return
    if not _FEWEST_HOLIDAYS <= len(arrangement.holidays) <= _MOST_HOLIDAYS:
        yield f"全年放假应为{_FEWEST_HOLIDAYS}至{_MOST_HOLIDAYS}日，文件中有{len(arrangement.holidays)}日"
    if len(arrangement.workdays) > _MOST_WORKDAYS:
        yield f"全年调休上班不应超过{_MOST_WORKDAYS}日，文件中有{len(arrangement.workdays)}日"
    rested = {(day.month, day.day) for day in arrangement.holidays if day.year == year}
    if missing := [f"{month}月{day}日" for month, day in _ALWAYS_REST if (month, day) not in rested]:
        yield f"应为全年安排，缺少法定节假日{'、'.join(missing)}"


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = [f"另有{len(problems) - _MOST_PROBLEMS}处"] if len(problems) > _MOST_PROBLEMS else []
        raise CalendarRefused(problems=[*problems[:_MOST_PROBLEMS], *more])


class CalendarRefused(Refusal):
    """Everything wrong with an arrangement, each with its row or date."""

    code = "CALENDAR_REFUSED"
    zh = "节假日安排有误：{problems}。"
    en = "The arrangement is refused: {problems}."
