"""What a row must agree with, beyond its form: the sender, the law's days, and what is known of its case.

Pure: the calendar, the sender and what is known are arguments. The marks are supervision's: a mark says that somebody
should look, never that anybody did wrong.
Source: Administrative Licensing Law, art. 42 (extension: 10 working days, 15 in joint handling, once), 45, 82.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from msgspec import Struct

from casework.clock.ledger import EXTENSIONS, Handling
from casework.clock.working_days import Calendar, CalendarUnknown, day_of, end_of_day
from ferry.exchange import payloads
from ferry.exchange.codes import AcceptState, DaysUnit, FinishResult, HandlingKind, Op, SpecialKind, Table
from ferry.exchange.faults import Verdict, verdict_of
from ferry.exchange.identities import fault_of
from ferry.exchange.reading import Finding
from ferry.exchange.standard import CASE_TABLES, NEEDS, TABLES, Key, Read

#: A report is prompt within a day (实时传送, at least daily).
PROMPT = timedelta(hours=24)
#: How long a row waits for the one that must come before it.
HOLD = timedelta(hours=24)
#: Two clocks are never quite the same.
_SKEW = timedelta(minutes=5)
#: A certificate's organisation that stands for every one of its region: a level of government reports up.
EVERY_ORG = "ALL"
#: As long as the code of a unit may be.
_MOST_OF_UNIT = 16


class Sender(Struct, frozen=True, kw_only=True):
    """For whom a certificate speaks. A region that ends in 00 covers what lies in it: 430400 covers 430421."""

    source_system: str
    org: str
    region: str

    def covers_region(self, region: str) -> bool:
        stem = self.region
        while stem.endswith("00"):
            stem = stem[:-2]
        return region.startswith(stem)

    def covers_org(self, org: str) -> bool:
        return self.org in (EVERY_ORG, org)


class Filing(Struct, frozen=True, kw_only=True):
    """Under which unit a sender's cases are filed here: `unit` of our directory, or what its rows say.

    A level of government has units of its own, which may be called as ours are: its region stands before them.
    """

    unit: str
    org: str  # of the certificate

    def unit_of(self, org: str, region: str) -> str:
        within = f"{region}.{org}"
        return self.unit or (within if self.org == EVERY_ORG and len(within) <= _MOST_OF_UNIT else org)


class Known(Struct, kw_only=True):
    """What is held under one key of a case. `digest`: of what it says; a held row waits for another."""

    rid: str
    version: int
    digest: str
    event_time: datetime
    org: str = ""
    op: Op = Op.INSERT
    held: bool = False
    needs: Table | None = None  # of a held row: the table it waits for


class CaseKnown(Struct, kw_only=True):
    """What is known of one case, the newest version under each key."""

    rows: dict[Key, Known] = {}
    handling: HandlingKind | None = None
    due_on: date | None = None
    extended: int | None = None  # the number of the special procedure that extended the limit

    @property
    def latest(self) -> datetime | None:
        """When the case last moved; companions tell of no movement."""
        moved = (row.event_time for (table, _), row in self.rows.items() if table in CASE_TABLES and _counts(row))
        return max(moved, default=None)

    def before(self, key: Key, needed: Table) -> Known | None:
        """The row of the table `needed` that a row of this key follows, if it is there and not waiting itself."""
        table, number = key
        same_number = NEEDS[table][1]
        for (other, its_number), row in self.rows.items():
            if (
                other is needed
                and (its_number == number or not same_number)
                and not row.held
                and row.op is not Op.DELETE
            ):
                return row
        return None


class Judgement(Struct, frozen=True, kw_only=True):
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return verdict_of(tuple(finding.code for finding in self.findings))

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(finding.code for finding in self.findings))


#: Ends of cases that need not have been accepted.
_WITHOUT_ACCEPTANCE = frozenset(
    {
        FinishResult.WITHDRAWN,
        FinishResult.VOIDED,
        FinishResult.DELETED,
        FinishResult.RETURNED,
        FinishResult.NOT_SUPPLEMENTED,
    }
)


def needed(table: Table, payload: payloads.Payload) -> Table | None:
    """What must have been said of a case before this."""
    if isinstance(payload, payloads.Finish) and payload.result in _WITHOUT_ACCEPTANCE:
        return Table.APPLY
    return NEEDS[table][0] if table in NEEDS else None


def judge_alone(
    read: Read, *, sender: Sender | None, batch: str | None, made_at: datetime | None, calendar: Calendar
) -> list[Finding]:
    """What the row itself shows. Without `sender`, `batch` and `made_at` (an unsigned file) those are not asked."""
    envelope, payload = read.envelope, read.payload
    found: list[Finding] = []
    if not TABLES[envelope.table].many and envelope.no != 1:
        found.append(Finding("NUMBER_NOT_ONE", "no"))
    if envelope.event_time > envelope.sent_time + _SKEW:
        found.append(Finding("EVENT_AFTER_SENT", "event_time"))
    elif envelope.sent_time - envelope.event_time > PROMPT:
        found.append(Finding("LATE_REPORT", "sent_time"))
    if made_at is not None and made_at - envelope.sent_time > PROMPT:
        found.append(Finding("SENT_STALE", "sent_time"))
    if sender is not None:
        found += _of_the_sender(read, sender)
    if batch is not None and envelope.batch != batch:
        found.append(Finding("BATCH_FOREIGN", "batch"))
    match payload:
        case payloads.Apply():
            found += _number("applicant_id", fault_of(payload.applicant_id_kind, payload.applicant_id))
            found += _number("contact_id", fault_of(payload.contact_id_kind, payload.contact_id))
        case payloads.Pickup():
            found += _number("person_id", fault_of(payload.person_id_kind, payload.person_id))
        case payloads.Accept():
            found += _of_the_promise(payload, day_of(envelope.event_time), calendar)
        case payloads.SpecialApply() if payload.kind is SpecialKind.STATUTORY and payload.ground is None:
            found.append(Finding("GROUND_MISSING", "ground"))
        case _:
            pass
    return found


def judge_known(
    read: Read, known: CaseKnown, rids: Mapping[str, str], *, closed_on: date | None = None
) -> list[Finding]:
    """What the row is beside the rows before it.

    `rids`: number of a row to the digest of what it said, for those that were sent before. `closed_on`: the last day
    that the sender has reconciled with us; what happens on it afterwards is back-dated.
    """
    envelope = read.envelope
    table, _ = read.key
    if envelope.rid in rids:
        return [Finding("DUPLICATE" if rids[envelope.rid] == read.digest else "RID_REUSED", "rid")]
    held = known.rows.get(read.key)
    if held is not None and held.version > envelope.version:
        return [Finding("VERSION_LOWER", "version")]
    if held is not None and held.version == envelope.version:
        return [Finding("DUPLICATE" if held.digest == read.digest else "VERSION_CONFLICT", "version")]
    found: list[Finding] = []
    needs = needed(table, read.payload)
    before = known.before(read.key, needs) if needs is not None else None
    if needs is not None and before is None:
        found.append(Finding("ORDER_HELD"))
    elif before is not None and envelope.event_time < before.event_time:
        found.append(Finding("TIME_BACKWARDS", "event_time"))
    latest = known.latest
    if held is None and table in CASE_TABLES and latest is not None and envelope.event_time < latest:
        found.append(Finding("OLDER_THAN_KNOWN", "event_time"))
    if _is_back_dated(read, held, known, closed_on):
        found.append(Finding("BACK_DATED", "event_time"))
    return found + _of_the_course(read, known)


def enter(read: Read, known: CaseKnown, *, held: bool) -> None:
    """Takes the row up into what is known."""
    known.rows[read.key] = Known(
        rid=read.envelope.rid,
        version=read.envelope.version,
        digest=read.digest,
        event_time=read.envelope.event_time,
        org=read.envelope.org,
        op=read.envelope.op,
        held=held,
        needs=needed(read.envelope.table, read.payload) if held else None,
    )
    match read.payload:
        case payloads.Apply() | payloads.Accept():
            known.handling = read.payload.handling or known.handling
        case _:
            pass
    if isinstance(read.payload, payloads.Accept):
        known.due_on = read.payload.promise_date
    if isinstance(read.payload, payloads.SpecialApply) and read.payload.kind is SpecialKind.EXTENSION:
        known.extended = known.extended or read.envelope.no


# ------------------------------------------------------------------------------------------------------------- below
def _of_the_sender(read: Read, sender: Sender) -> list[Finding]:
    envelope = read.envelope
    asked = (
        (sender.covers_region(envelope.region), "REGION_FOREIGN", "region"),
        (sender.covers_org(envelope.org), "ORG_FOREIGN", "org"),
        (sender.source_system == envelope.source_system, "SYSTEM_FOREIGN", "source_system"),
    )
    return [Finding(code, column) for is_so, code, column in asked if not is_so]


def _number(column: str, code: str | None) -> list[Finding]:
    return [Finding(code, column)] if code else []


def _of_the_promise(payload: payloads.Accept, accepted_on: date, calendar: Calendar) -> list[Finding]:
    if payload.state not in (AcceptState.ACCEPTED, AcceptState.SUPPLEMENTED):
        return []
    if payload.promise_days is None or payload.promise_date is None:
        return [Finding("LIMIT_MISSING", "promise_date" if payload.promise_date is None else "promise_days")]
    try:
        due = calendar.nth_working_day_after(accepted_on, payload.promise_days)
    except CalendarUnknown:
        return [Finding("CALENDAR_UNKNOWN", "promise_date")]
    return [] if due == payload.promise_date else [Finding("PROMISE_DATE_WRONG", "promise_date")]


def _is_back_dated(read: Read, held: Known | None, known: CaseKnown, closed_on: date | None) -> bool:
    """An instant moved to an earlier one, set into a reconciled day, or in time only by a report after the limit."""
    event_time, sent_time = read.envelope.event_time, read.envelope.sent_time
    if held is not None:
        return event_time < held.event_time
    if closed_on is not None and day_of(event_time) <= closed_on:
        return True
    if read.envelope.table is not Table.FINISH or known.due_on is None:
        return False
    limit = end_of_day(known.due_on)
    return event_time < limit and sent_time - limit > PROMPT


def _of_the_course(read: Read, known: CaseKnown) -> list[Finding]:
    table = read.envelope.table
    match read.payload:
        case payloads.SpecialApply(kind=SpecialKind.EXTENSION) as asked:
            return _of_the_extension(asked, known, read.key)
        case _:
            pass
    if table is Table.FINISH and _open_specials(known):
        return [Finding("SPECIAL_UNPAIRED")]
    finish = known.rows.get((Table.FINISH, 1))
    is_after = finish is not None and finish.op is not Op.DELETE and read.envelope.event_time > finish.event_time
    return [Finding("AFTER_FINISH")] if table is Table.STEP and is_after else []


def _of_the_extension(asked: payloads.SpecialApply, known: CaseKnown, key: Key) -> list[Finding]:
    handling = Handling.JOINT if known.handling is HandlingKind.JOINT else Handling.SINGLE
    most = EXTENSIONS[handling].most_working_days
    found = []
    if asked.days > most or asked.days_unit is not DaysUnit.WORKING:
        found.append(Finding("EXTENSION_TOO_LONG", "days"))
    if known.extended not in (None, key[1]):
        found.append(Finding("EXTENSION_TWICE"))
    return found


def _open_specials(known: CaseKnown) -> list[int]:
    asked = {number for (table, number), row in known.rows.items() if table is Table.SPECIAL_APPLY and _counts(row)}
    ended = {number for (table, number), row in known.rows.items() if table is Table.SPECIAL_RESULT and _counts(row)}
    return sorted(asked - ended)


def _counts(row: Known) -> bool:
    return row.op is not Op.DELETE
