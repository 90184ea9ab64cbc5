"""The cases of other systems as their rows tell them, with days and lights by our own reckoning.

The limit is what was promised at acceptance; special procedures and an extension move it as the law says, by the same
functions that reckon our own cases. What a row says about the limit is kept beside it and decides nothing.
Source: Administrative Licensing Law, art. 42, 45, 82.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from msgspec import Struct

from casework.clock import ledger as ledgers
from casework.clock.time_limits import due_on, red_at, yellow_at
from casework.clock.working_days import Calendar, CalendarUnknown, day_of
from ferry.exchange import payloads
from ferry.exchange.acts import TurnReportedLights
from ferry.exchange.codes import (
    AcceptState,
    DaysUnit,
    FinishResult,
    HandlingKind,
    Op,
    SpecialKind,
    SpecialOutcome,
    Table,
)
from ferry.exchange.rules import Filing
from ferry.exchange.standard import decode_payload
from ferry.exchange.tables import ExchangeCase
from kernel.acts import Done
from kernel.db import Database, Row, SqlValue, chunks, instant_of
from kernel.refusals import Refusal
from kernel.rows import change
from kernel.work import Work
from supervision.events import ReportedLightTurned

_TELLING = (Table.APPLY, Table.ACCEPT, Table.SPECIAL_APPLY, Table.SPECIAL_RESULT, Table.FINISH)
_AT_ONCE = 200
#: Ends that do not count as a decision in time or late: the case was taken out.
_TAKEN_OUT = frozenset({FinishResult.VOIDED, FinishResult.DELETED})


#: Of the table, without its id.
_COLUMNS = tuple(name for name in ExchangeCase._meta.fields_map if name != "id")
_AGAIN = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("source_system", "projid"))


class Told(Struct, frozen=True, kw_only=True):
    """One valid row of a case."""

    table: Table
    number: int
    at: datetime
    payload: payloads.Payload


async def project(work: Work, source_system: str, filing: Filing, projids: Sequence[str]) -> None:
    """Makes these cases anew from their rows."""
    for part in chunks(sorted(projids), _AT_ONCE):
        kept = {row.projid: row for row in await ExchangeCase.filter(source_system=source_system, projid__in=part)}
        told = await _rows(work.database, source_system, part)
        for projid in kept.keys() - told.keys():  # every row of it was withdrawn
            await change(ExchangeCase, {"id": kept[projid].id}, state="voided", due_on=None, next_light_at=None)
        made: list[ExchangeCase] = []
        for projid, rows in told.items():
            case = kept.get(projid) or ExchangeCase(source_system=source_system, projid=projid)
            newest = rows[-1]
            case.org, case.region = str(newest["org"]), str(newest["region"])
            case.unit_code = filing.unit_of(case.org, case.region)
            case.last_event_at = max(instant_of(row["event_time"]) for row in rows)
            _tell(case, [_told(row) for row in rows if Table(str(row["table_name"])) in _TELLING], work.given(Calendar))
            made.append(case)
        await work.database.insert(
            "exchange_case",
            _COLUMNS,
            [tuple(getattr(case, name) for name in _COLUMNS) for case in made],
            tail=f"ON CONFLICT (source_system, projid) DO UPDATE SET {_AGAIN}",
        )


def _tell(case: ExchangeCase, told: list[Told], calendar: Calendar) -> None:
    """Sets what the rows say, from nothing."""
    case.state, case.applied_at, case.accepted_at = "applied", None, None
    case.promise_date = case.due_on = case.ended_at = case.extended_no = None
    case.result = ""
    accepted: payloads.Accept | None = None
    for row in told:
        match row.payload:
            case payloads.Apply() as apply:
                case.item_code, case.item_name, case.applied_at = apply.item_code, apply.item_name, row.at
                case.handling = apply.handling or case.handling
            case payloads.Accept() as accept:
                case.accepted_at, case.promise_date = row.at, accept.promise_date
                case.handling = accept.handling or case.handling
                taken = accept.state in (AcceptState.ACCEPTED, AcceptState.SUPPLEMENTED)
                case.state = "accepted" if taken else "refused"
                accepted = accept if taken else None
            case payloads.SpecialApply(kind=SpecialKind.EXTENSION):
                case.extended_no = case.extended_no or row.number
            case payloads.Finish() as finish:
                case.state, case.ended_at, case.result = "finished", row.at, finish.result
            case _:
                pass
    if accepted is not None and accepted.promise_days is not None:
        case.due_on = _due(told, accepted.promise_days, case.handling, calendar) or accepted.promise_date
    _light(case, calendar)


def _due(told: Iterable[Told], days: int, handling: str, calendar: Calendar) -> date | None:
    """The last day in time; None where the calendar ends. A procedure that our law does not know stops nothing."""
    rows = list(told)
    accepted_on = day_of(next(row.at for row in rows if row.table is Table.ACCEPT))
    kind = ledgers.Handling.JOINT if handling == HandlingKind.JOINT else ledgers.Handling.SINGLE
    ledger = ledgers.Ledger((ledgers.Started(day=accepted_on, handling=kind),))
    try:
        for entry in sorted(_entries(rows, kind, calendar), key=lambda entry: entry.day):
            try:
                ledger = ledgers.append(ledger, entry)
            except Refusal:
                continue  # told too long, twice, or under no notice: the mark stands at its row
        return due_on(ledger, days, calendar).day
    except CalendarUnknown:
        return None


def _entries(
    rows: list[Told], kind: ledgers.Handling, calendar: Calendar
) -> Iterable[ledgers.Stopped | ledgers.Resumed | ledgers.Extended]:
    refused = {
        row.number
        for row in rows
        if isinstance(row.payload, payloads.SpecialResult) and row.payload.outcome is SpecialOutcome.REFUSED
    }
    grounds = {row.number: row.payload for row in rows if isinstance(row.payload, payloads.SpecialApply)}
    for row in rows:
        day, notice = day_of(row.at), str(row.number)
        match row.payload:
            case payloads.SpecialApply(kind=SpecialKind.EXTENSION) as asked if row.number not in refused:
                yield ledgers.Extended(
                    day=day,
                    working_days=asked.days,
                    approver=ledgers.EXTENSIONS[kind].approver,
                    reason=asked.reason,
                    notice=notice,
                )
            case payloads.SpecialApply(kind=SpecialKind.STATUTORY, ground=ground) as asked if ground is not None:
                until = (
                    calendar.nth_working_day_after(day, asked.days)
                    if asked.days_unit is DaysUnit.WORKING
                    else day + timedelta(days=asked.days)
                )
                yield ledgers.Stopped(day=day, ground=ledgers.StopGround(ground), notice=notice, told_until=until)
            case payloads.SpecialResult() as result:
                asked_for = grounds.get(row.number)
                if asked_for is not None and asked_for.kind is SpecialKind.STATUTORY:
                    yield ledgers.Resumed(day=result.result_date, notice=notice)
            case _:
                pass


# ------------------------------------------------------------------------------------------------------------ lights
def _light(case: ExchangeCase, calendar: Calendar) -> None:
    """A case that ended in time turns no more; one that ended late still turns red, however late it was told."""
    if case.due_on is None or case.result in _TAKEN_OUT:
        case.yellow_at = case.red_at = case.next_light_at = None
        return
    case.red_at = red_at(case.due_on)
    try:
        case.yellow_at = yellow_at(case.due_on, calendar)
    except CalendarUnknown:
        case.yellow_at = case.red_at
    case.next_light_at = _next(case)


def _next(case: ExchangeCase) -> datetime | None:
    assert case.yellow_at is not None
    assert case.red_at is not None
    turns = [case.red_at] if case.ended_at is not None else [case.yellow_at, case.red_at]
    return next(
        (
            turn
            for turn in turns
            if (case.said_at is None or turn > case.said_at) and (case.ended_at is None or case.ended_at >= turn)
        ),
        None,
    )


async def turn_reported_lights(work: Work, act: TurnReportedLights) -> Done:
    """Each turn is announced once for its instant; of two that are due at once, the later."""
    due = await ExchangeCase.filter(next_light_at__lte=work.now).order_by("next_light_at").limit(act.limit)
    for case in due:
        assert case.red_at is not None
        assert case.due_on is not None
        is_red = case.red_at <= work.now
        case.said_at = case.red_at if is_red else case.next_light_at
        assert case.said_at is not None
        colour = "red" if is_red else "yellow"
        await change(ExchangeCase, {"id": case.id}, said_at=case.said_at, next_light_at=_next(case))
        work.record(
            ReportedLightTurned(
                report=case.projid,
                source=case.source_system,
                unit=case.unit_code,
                colour=colour,
                at=case.said_at,
                due_on=case.due_on,
            )
        )
    return Done(count=len(due))


# ------------------------------------------------------------------------------------------------------------- below
async def _rows(database: Database, source_system: str, projids: Sequence[str]) -> dict[str, list[Row]]:
    """The valid rows of each case in the order of their events; of tables that tell nothing, without payload."""
    marks = ", ".join(f"${n}" for n in range(2, len(projids) + 2))
    values: list[SqlValue] = [source_system, *projids]
    found = await database.rows(
        "SELECT projid, table_name, number, op, org, region, event_time, payload FROM exchange_record"
        f" WHERE source_system = $1 AND projid IN ({marks}) AND superseded = FALSE AND state = 'kept'"
        f" AND op <> '{Op.DELETE}' ORDER BY event_time, id",
        *values,
    )
    grouped: dict[str, list[Row]] = {}
    for row in found:
        grouped.setdefault(str(row["projid"]), []).append(row)
    return grouped


def _told(row: Row) -> Told:
    table = Table(str(row["table_name"]))
    return Told(
        table=table,
        number=int(str(row["number"])),
        at=instant_of(row["event_time"]),
        payload=decode_payload(table, str(row["payload"]).encode()),
    )
