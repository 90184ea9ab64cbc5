"""xes: a department's event log (IEEE 1849-2016), for a system that can say nothing but what happened when.

A trace is an application that was accepted as it came; an event is a step; the trace's end is the end of the case.
Numbers of steps are places in the log, which is only ever added to, so the same log told again is the same rows.
Source: Civil Code, art. 203: a period that ends on a day of rest ends on the next working day.

Limits: the standard's limit is working days and ends with a day, the log's deadline is an instant. What is told is the
first working day that does not end before the log's deadline, and never the day of the start: the log's light may turn
earlier than the standard's, by the rest of that day or the days of rest before it, never later. A log holds no
versions: a deadline or an end that changed after it was told is refused as VERSION_CONFLICT by who was told.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from msgspec import Struct

from casework.clock.working_days import Calendar, CalendarUnknown, day_of
from casework.intake.xes import ForeignCase, ForeignEvent, each_once
from ferry.exchange.codes import Table
from ferry.exchange.own_course import clean
from ferry.exchange.profiles.mapping import DAY, INSTANT, ForeignRow, ForeignTable, Line, Profile, codes

_TRACE, _EVENT, _END = "trace", "event", "trace:end"
_NOBODY = "—"

XES = Profile(
    name="xes",
    title="事件日志（IEEE 1849 XES）",
    notes=(
        "只能转入：`zhangban exchange from-log`。每个 trace 为一件，startdate（缺则首个事件）为申办和受理时间；"
        "每个 event 为一个环节，不论 lifecycle；enddate 为办结时间。",
        "期限为 deadline，缺则为 enddate_planned；两者皆缺、同一办件出现两次的日志不转换。承诺办结日为期限所在日，"
        "零时到期的为前一日，遇休息日顺延至下一工作日，至少为受理的下一工作日；承诺工作日由工作日历推算。"
        "标准的期限止于一日之末，因此亮灯可晚于日志的期限，不会早于它。",
        "日志没有的内容：申请人（写作“—”），事项（由命令给出），办结结果（写作“办结”），环节种类和意见（写作“其他环节”"
        "“已办”），更正的版本。channel 中 Desk 为窗口、Internet 为网上，其余为其他。",
        "department 只作名称，部门编码以证书为准；lifecycle 和其余属性不转换。",
        "环节早于开始、晚于办结，办结早于开始的，照日志报送并由接收方标记；历史日志的各条均标记为迟报。",
    ),
    tables=(
        ForeignTable(
            name=_TRACE,
            sources=(Table.APPLY, Table.ACCEPT),
            lines=(
                Line("concept:name", "apply.@projid"),
                Line("startdate", "apply.@event_time", INSTANT),
                Line("--item", "apply.item_code"),
                Line("--item-name", "apply.item_name"),
                Line("--item-name", "apply.project_name"),
                Line("channel", "apply.channel", codes({"window": "Desk", "pc": "Internet"}, otherwise="other")),
                Line("concept:name", "accept.@projid"),
                Line("startdate", "accept.@event_time", INSTANT),
                Line("responsible", "accept.officer_name"),
                Line("department", "accept.org_name"),
                Line("deadline", "accept.promise_date", DAY),
            ),
            given={
                "apply.channel": "other",
                "apply.applicant_kind": "other",
                "apply.applicant_name": _NOBODY,
                "apply.applicant_id_kind": "other",
                "apply.applicant_id": _NOBODY,
                "accept.state": "accepted",
                "accept.officer_name": _NOBODY,
            },
        ),
        ForeignTable(
            name=_EVENT,
            sources=(Table.STEP,),
            lines=(
                Line("trace", "step.@projid"),
                Line("place", "step.@no"),
                Line("time:timestamp", "step.@event_time", INSTANT),
                Line("concept:name", "step.name"),
                Line("org:resource", "step.officer_name"),
                Line("org:group", "step.org_name"),
            ),
            given={"step.kind": "other", "step.result": "done", "step.officer_name": _NOBODY},
        ),
        ForeignTable(
            name=_END,
            sources=(Table.FINISH,),
            lines=(
                Line("concept:name", "finish.@projid"),
                Line("enddate", "finish.@event_time", INSTANT),
                Line("department", "finish.org_name"),
            ),
            given={"finish.result": "ended"},
        ),
    ),
)


class Item(Struct, frozen=True, kw_only=True):
    """What the log's cases are about, which it does not say."""

    code: str = "self_built"
    name: str = "自建系统办件"


def told(
    log: Iterable[ForeignCase], item: Item, calendar: Calendar, *, since: date = date.min, until: date = date.max
) -> Iterator[ForeignRow]:
    """What the log says of these local days in the profile's tables, case by case, each in the order of time.

    Raises LOG_CASE_TWICE and LOG_WITHOUT_DEADLINE, of every case.
    """

    def is_of_these(at: datetime) -> bool:
        return since <= day_of(at) <= until

    for case in each_once(log):
        trace = _trace(case, item, calendar)
        if is_of_these(case.started_at):
            yield _TRACE, trace
        places = ((place, event) for place, event in enumerate(case.events, 1) if is_of_these(event.at))
        events = sorted(places, key=lambda each: each[1].at)
        before = [each for each in events if case.ended_at is None or each[1].at <= case.ended_at]
        yield from (_event(case, *each) for each in before)
        if case.ended_at is not None and is_of_these(case.ended_at):
            row = {"concept:name": case.id, "enddate": case.ended_at.isoformat()}
            yield _END, {**row, "department": clean(case.department, 120)}
        yield from (_event(case, *each) for each in events[len(before) :])


def due_day(case: ForeignCase, calendar: Calendar) -> date:
    """The day by whose end the standard wants the case done."""
    started, due = day_of(case.started_at), day_of(case.due_at - timedelta(microseconds=1))
    if due < started:
        return due  # no limit that the standard could say: LIMIT_MISSING at its row
    try:
        return calendar.next_working_day(max(due - timedelta(days=1), started))
    except CalendarUnknown:
        return due


def _trace(case: ForeignCase, item: Item, calendar: Calendar) -> dict[str, str]:
    return {
        "concept:name": case.id,
        "startdate": case.started_at.isoformat(),
        "deadline": due_day(case, calendar).isoformat(),
        "channel": case.channel,
        "department": clean(case.department, 120),
        "responsible": clean(case.responsible, 60),
        "--item": item.code,
        "--item-name": item.name,
    }


def _event(case: ForeignCase, place: int, event: ForeignEvent) -> ForeignRow:
    return _EVENT, {
        "trace": case.id,
        "place": str(place),
        "time:timestamp": event.at.isoformat(),
        "concept:name": clean(event.activity, 80),
        "org:resource": clean(event.resource, 60),
        "org:group": clean(event.group, 120),
    }
