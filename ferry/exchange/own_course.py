"""How a case of ours went, in case-exchange/1: opinions, special procedures, results, lights and cards.

Numbers are places in what is kept, which is only ever added to; so a row is the same row whenever it is exported.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time

import msgspec
from msgspec import Struct

from casework.acts import Decision
from casework.clock.ledger import GROUND_NAMES, Entry, Extended, Resumed, Stopped
from casework.clock.working_days import CHINA, end_of_day, start_of_day
from casework.flow.steps import ACCEPT, COMPLETE, DELIVER, SUPPLEMENT, step_name
from casework.papers.kinds import DocumentKind
from ferry.exchange import codes, payloads
from ferry.exchange.codes import Table
from kernel.db import Row, instant_of

_NOON = time(12)
_entry = msgspec.json.Decoder(Entry)
_RESULTS = {
    **dict.fromkeys((Decision.AGREE, Decision.REPORT_UP, Decision.CONCUR, Decision.GRANT), codes.StepResult.AGREED),
    **dict.fromkeys((Decision.DISSENT, Decision.REFUSE), codes.StepResult.DISAGREED),
    Decision.RETURN: codes.StepResult.RETURNED,
}
_FILES = {
    DocumentKind.GRANT: codes.ResultKind.DECISION,
    DocumentKind.REFUSAL: codes.ResultKind.DECISION,
    DocumentKind.DEEMED_RENEWAL: codes.ResultKind.DECISION,
    DocumentKind.DELIVERY: codes.ResultKind.NOTICE,
}


class Said(Struct, frozen=True, kw_only=True):
    table: Table
    at: datetime
    payload: payloads.Payload
    no: int = 1
    version: int = 1


def steps(rows: Iterable[Row]) -> Iterator[Said]:
    signed = [row for row in rows if str(row["step"]) not in (ACCEPT, SUPPLEMENT, COMPLETE, DELIVER)]
    for no, row in enumerate(signed, 1):
        decision = Decision(str(row["decision"]))
        kind = codes.StepKind.REVIEW
        if decision in (Decision.GRANT, Decision.REFUSE):
            kind = codes.StepKind.APPROVE
        elif whole(row["level"]) == 1 and not whole(row["branch"]):
            kind = codes.StepKind.HANDLE
        payload = payloads.Step(
            kind=kind,
            name=clean(step_name(str(row["step"]), str(row["role"])), 80),
            officer_name=clean(row["officer_name"], 60),
            officer_code=str(row["officer"]),
            result=_RESULTS.get(decision, codes.StepResult.DONE),
            opinion=clean(row["opinion"], 2000) or None,
        )
        yield Said(table=Table.STEP, at=instant_of(row["at"]), payload=payload, no=no)


def specials(rows: Iterable[Row], officers: Mapping[str, str]) -> Iterator[Said]:
    numbers: dict[str, int] = {}
    for row in rows:
        entry, at = _entry.decode(str(row["entry"])), instant_of(row["at"])
        officer = officers.get(str(row["actor"]).partition(":")[2], "系统")
        match entry:
            case Stopped():
                no = numbers[entry.notice] = len(numbers) + 1
                asked = payloads.SpecialApply(
                    kind=codes.SpecialKind.STATUTORY,
                    ground=codes.SpecialGround(entry.ground),
                    reason=GROUND_NAMES[entry.ground],
                    days=(entry.told_until - entry.day).days,
                    days_unit=codes.DaysUnit.CALENDAR,
                    approver_name=officer,
                    document_no=clean(entry.notice, 60),
                )
                yield Said(table=Table.SPECIAL_APPLY, at=on_day(entry.day, at), payload=asked, no=no)
            case Resumed() if entry.notice in numbers:
                ended = payloads.SpecialResult(outcome=codes.SpecialOutcome.ENDED, result_date=entry.day)
                yield Said(
                    table=Table.SPECIAL_RESULT, at=on_day(entry.day, at), payload=ended, no=numbers[entry.notice]
                )
            case Extended():
                no = numbers[entry.notice] = len(numbers) + 1
                asked = payloads.SpecialApply(
                    kind=codes.SpecialKind.EXTENSION,
                    reason=clean(entry.reason, 1000),
                    days=entry.working_days,
                    days_unit=codes.DaysUnit.WORKING,
                    approver_name=officer,
                    document_no=clean(entry.notice, 60),
                )
                allowed = payloads.SpecialResult(outcome=codes.SpecialOutcome.ALLOWED, result_date=entry.day)
                yield Said(table=Table.SPECIAL_APPLY, at=on_day(entry.day, at), payload=asked, no=no)
                yield Said(table=Table.SPECIAL_RESULT, at=on_day(entry.day, at), payload=allowed, no=no)
            case _:
                pass


def result_files(rows: Iterable[Row]) -> Iterator[Said]:
    kept = [row for row in rows if DocumentKind(str(row["kind"])) in _FILES]
    for no, row in enumerate(kept, 1):
        payload = payloads.ResultFile(
            kind=_FILES[DocumentKind(str(row["kind"]))],
            name=clean(row["title"], 200),
            document_no=clean(row["number"], 100),
        )
        yield Said(table=Table.RESULT_FILE, at=instant_of(row["issued_at"]), payload=payload, no=no)


def notes(lights: Iterable[Row], orders: Iterable[Row], cards: Iterable[Row]) -> Iterator[Said]:
    found = [
        *(
            (instant_of(row["at"]), payloads.SuperviseNote(kind=codes.NoteKind(f"{row['colour']}_light")))
            for row in lights
        ),
        *((instant_of(row["issued_at"]), _ordered(row)) for row in orders),
        *((instant_of(row["served_at"]), _carded(row)) for row in cards),
    ]
    for no, (at, payload) in enumerate(sorted(found, key=lambda note: note[0]), 1):
        yield Said(table=Table.SUPERVISE_NOTE, at=at, payload=payload, no=no)


def _ordered(row: Row) -> payloads.SuperviseNote:
    return payloads.SuperviseNote(
        kind=codes.NoteKind.ORDER,
        document_no=clean(row["number"], 100),
        content=clean(row["reason"], 1000) or None,
        limit_date=day_in(row["limit_on"]),
    )


def _carded(row: Row) -> payloads.SuperviseNote:
    return payloads.SuperviseNote(
        kind=codes.NoteKind(f"{row['colour']}_card"),
        document_no=clean(row["number"], 100) or None,
        content=clean(row["facts"], 1000) or None,
    )


def on_day(day: date, at: datetime) -> datetime:
    """`at`, if it fell on that day; what was entered later happened at noon of the day it is said to have."""
    if start_of_day(day) <= at < end_of_day(day):
        return at
    return datetime.combine(day, _NOON, CHINA)


def clean(value: object, most: int) -> str:
    """Text as the standard takes it: NFC, nothing hidden, on one line, cut to its column."""
    text = unicodedata.normalize("NFC", str(value or ""))
    shown = "".join(
        " " if char in "\n\r\t" else char
        for char in text
        if char in "\n\r\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    )
    return shown.strip()[:most]


def day_in(value: object) -> date:
    return date.fromisoformat(str(value)[:10])


def whole(value: object) -> int:
    return int(str(value or 0))
