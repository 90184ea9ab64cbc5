"""Our own cases in case-exchange/1, from their events, opinions, clock ledgers, papers and lights as they stand.

A row's number and version follow from what is kept, so the same day exported twice is the same rows. Secret cases,
cases of other systems and who complained of whom are never exported; of people goes out what the standard asks for.

Limits: what the office does not keep stays out (fees, who collected a result); a correction on the spot raises the
version of the application and keeps its hour.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct

from casework.acts import Channel
from casework.clock.working_days import CHINA, day_of, start_of_day
from casework.flow.steps import ACCEPT, SUPPLEMENT
from casework.intake.acts import PreReviewOutcome
from ferry.exchange import codes, payloads
from ferry.exchange.codes import Op, Table
from ferry.exchange.own_course import Said, clean, day_in, notes, on_day, result_files, specials, steps, whole
from ferry.exchange.profiles.mapping import id_kind_of
from ferry.exchange.standard import STANDARD, Envelope, Read
from kernel.db import Database, Row, SqlValue, chunks, instant_of

_AT_ONCE = 100
_OURS = "c.secret = FALSE AND c.channel <> 'self_built'"
_SELECT_CASES = (
    "SELECT c.*, u.name AS unit_name FROM case_file c LEFT JOIN unit u ON u.code = c.unit_code"
    f" WHERE {_OURS} AND c.received_on <= $1"
    " AND EXISTS (SELECT 1 FROM event e WHERE e.subject = 'case:' || c.number AND e.at >= $2)"
)
_body = msgspec.json.Decoder(dict[str, Any])  # an event's fields, whichever it is

_CHANNELS = {Channel.WINDOW: codes.ApplyChannel.WINDOW, Channel.ONLINE: codes.ApplyChannel.PC}
_GROUNDS = {"refuse_acceptance": codes.AcceptState.REFUSED}
_REVIEWED = {PreReviewOutcome.FAIL: codes.PreacceptState.REFUSED}


class Voice(Struct, frozen=True, kw_only=True):
    """In whose name the rows are written, and when they are sent."""

    source_system: str
    region: str
    batch: str
    sent_time: datetime


async def own_rows(
    database: Database, voice: Voice, *, since: date, until: date, unit: str | None = None
) -> AsyncIterator[list[Read]]:
    """The rows of each case whose events fall on these local days, case by case in the order of their numbers."""
    values: list[SqlValue] = [until, start_of_day(since)]
    only = ""
    if unit is not None:
        values.append(unit)
        only = " AND c.unit_code = $3"
    last = 0
    while True:
        cases = await database.rows(f"{_SELECT_CASES}{only} AND c.id > {last} ORDER BY c.id LIMIT {_AT_ONCE}", *values)
        if not cases:
            return
        last = whole(cases[-1]["id"])
        async for said in _said(database, cases):
            rows = [_row(said.case, each, voice) for each in said.rows if since <= day_of(each.at) <= until]
            if rows:
                yield rows


async def rows_of(database: Database, voice: Voice, numbers: Sequence[str]) -> AsyncIterator[list[Read]]:
    """All rows of these cases of ours, case by case; of a secret case, and of another system's, none."""
    for part in chunks(numbers, _AT_ONCE):
        marks = ", ".join(f"${n}" for n in range(1, len(part) + 1))
        cases = await database.rows(
            "SELECT c.*, u.name AS unit_name FROM case_file c LEFT JOIN unit u ON u.code = c.unit_code"
            f" WHERE {_OURS} AND c.number IN ({marks}) ORDER BY c.id",
            *part,
        )
        async for said in _said(database, cases):
            yield [_row(said.case, each, voice) for each in said.rows]


class _SaidOfCase(Struct, frozen=True):
    case: Row
    rows: list[Said]


async def _said(database: Database, cases: Sequence[Row]) -> AsyncIterator[_SaidOfCase]:
    """What there is to say of each case, in its order."""
    if not cases:
        return
    told = await _all_about(database, [whole(case["id"]) for case in cases], [str(case["number"]) for case in cases])
    for case in cases:
        rows = sorted(_told_of(case, told), key=lambda each: (each.at, list(Table).index(each.table), each.no))
        yield _SaidOfCase(case, rows)


def _row(case: Row, said: Said, voice: Voice) -> Read:
    number, place = str(case["number"]), list(Table).index(said.table) + 1
    envelope = Envelope(
        std=STANDARD,
        table=said.table,
        rid=f"{number}:{place}.{said.no}.{said.version}",
        projid=number,
        op=Op.INSERT if said.version == 1 else Op.UPDATE,
        org=str(case["unit_code"]),
        region=voice.region,
        source_system=voice.source_system,
        event_time=said.at.astimezone(CHINA),
        sent_time=max(voice.sent_time, said.at).astimezone(CHINA),
        batch=voice.batch,
        no=said.no,
        version=said.version,
    )
    return Read(envelope=envelope, payload=said.payload)


# ----------------------------------------------------------------------------------------------------- what is kept
class _About(Struct, frozen=True, kw_only=True):
    """Everything kept of a handful of cases, by case."""

    events: dict[str, list[Row]]
    steps: dict[int, list[Row]]
    ledger: dict[int, list[Row]]
    materials: dict[int, list[Row]]
    documents: dict[int, list[Row]]
    reviews: dict[int, list[Row]]
    lights: dict[int, list[Row]]
    orders: dict[int, list[Row]]
    cards: dict[int, list[Row]]
    officers: dict[str, str]


async def _all_about(database: Database, ids: Sequence[int], numbers: Sequence[str]) -> _About:
    async def by_case(sql: str) -> dict[int, list[Row]]:
        return await _grouped(database, sql, ids)

    events: dict[str, list[Row]] = {}
    for part in chunks([f"case:{number}" for number in numbers], _AT_ONCE):
        marks = ", ".join(f"${n}" for n in range(1, len(part) + 1))
        for row in await database.rows(
            f"SELECT subject, seq, tag, at, actor, body FROM event WHERE subject IN ({marks}) ORDER BY subject, seq",
            *part,
        ):
            events.setdefault(str(row["subject"]).removeprefix("case:"), []).append(row)
    officers = {str(row["id"]): str(row["name"]) for row in await database.rows("SELECT id, name FROM officer")}
    return _About(
        events=events,
        officers=officers,
        steps=await by_case("SELECT * FROM case_step WHERE case_id IN ({0}) ORDER BY case_id, seq"),
        ledger=await by_case("SELECT case_id, entry, actor, at FROM clock_entry WHERE case_id IN ({0}) ORDER BY id"),
        materials=await by_case("SELECT * FROM material WHERE case_id IN ({0}) ORDER BY id"),
        documents=await by_case(
            "SELECT case_id, kind, number, title, issued_at FROM document WHERE case_id IN ({0}) ORDER BY id"
        ),
        reviews=await by_case("SELECT * FROM pre_review WHERE case_id IN ({0}) ORDER BY id"),
        lights=await by_case("SELECT case_id, colour, at FROM light WHERE case_id IN ({0}) ORDER BY id"),
        orders=await by_case(
            "SELECT case_id, number, reason, limit_on, issued_at FROM supervision_order WHERE case_id IN ({0})"
            " ORDER BY issued_at, number"
        ),
        cards=await by_case(
            "SELECT case_id, number, colour, facts, served_at FROM card WHERE case_id IN ({0})"
            " AND served_at IS NOT NULL ORDER BY served_at, id"
        ),
    )


async def _grouped(database: Database, sql: str, ids: Sequence[int]) -> dict[int, list[Row]]:
    marks = ", ".join(f"${n}" for n in range(1, len(ids) + 1))
    found: dict[int, list[Row]] = {}
    for row in await database.rows(sql.format(marks), *ids):
        found.setdefault(whole(row["case_id"]), []).append(row)
    return found


# ------------------------------------------------------------------------------------------------------ what is said
def _told_of(case: Row, about: _About) -> Iterator[Said]:
    id_, events = whole(case["id"]), about.events.get(str(case["number"]), [])
    filed = next((event for event in events if event["tag"] == "case.filed"), None)
    if filed is None:
        return
    begun = on_day(day_in(case["received_on"]), instant_of(filed["at"]))
    yield _apply(case, begun, version=1 + sum(event["tag"] == "case.corrected" for event in events))
    yield from _materials(about.materials.get(id_, ()), begun)
    yield from _reviews(about.reviews.get(id_, ()))
    yield from _by_events(case, events, about, begun)
    yield from steps(about.steps.get(id_, ()))
    yield from specials(about.ledger.get(id_, ()), about.officers)
    yield from result_files(about.documents.get(id_, ()))
    yield from notes(about.lights.get(id_, ()), about.orders.get(id_, ()), about.cards.get(id_, ()))


def _apply(case: Row, at: datetime, *, version: int) -> Said:
    number, agent = str(case["applicant_id_number"] or ""), str(case["agent_name"] or "")
    kind = id_kind_of(number)
    payload = payloads.Apply(
        item_code=str(case["item_code"]),
        item_name=clean(case["item_name"], 200),
        project_name=clean(case["item_name"], 200),
        applicant_kind={
            codes.IdKind.ID_CARD: codes.ApplicantKind.PERSON,
            codes.IdKind.CREDIT_CODE: codes.ApplicantKind.ENTERPRISE,
        }.get(kind, codes.ApplicantKind.OTHER),
        applicant_name=clean(case["applicant_name"], 200) or "—",
        applicant_id_kind=kind,
        applicant_id=clean(number, 40) or "—",
        channel=_CHANNELS.get(Channel(str(case["channel"])), codes.ApplyChannel.OTHER),
        contact_name=clean(agent or case["applicant_name"], 60) or None,
        contact_phone=clean(case["agent_phone"] or case["applicant_phone"], 20) or None,
    )
    return Said(table=Table.APPLY, at=at, payload=payload, version=version)


def _materials(rows: Iterable[Row], begun: datetime) -> Iterator[Said]:
    for no, row in enumerate(rows, 1):
        electronic = bool(row["sha256"])
        payload = payloads.Material(
            name=clean(row["name"], 200),
            form=codes.MaterialForm.ELECTRONIC if electronic else codes.MaterialForm.ORIGINAL,
            file_name=clean(row["file_name"], 200) or None,
            media_type=clean(row["media_type"], 100) or None,
            sha256=str(row["sha256"]) if electronic else None,
            size=whole(row["size"]) if electronic else None,
        )
        yield Said(table=Table.MATERIAL, at=max(instant_of(row["received_at"]), begun), payload=payload, no=no)


def _reviews(rows: Iterable[Row]) -> Iterator[Said]:
    for no, row in enumerate(rows, 1):
        outcome = PreReviewOutcome(str(row["outcome"]))
        payload = payloads.Preaccept(
            state=_REVIEWED.get(outcome, codes.PreacceptState.PASSED),
            officer_name=clean(row["officer_name"], 60),
            officer_code=str(row["officer"]),
            opinion=clean(row["opinion"], 1000) or None,
        )
        yield Said(table=Table.PREACCEPT, at=instant_of(row["at"]), payload=payload, no=no)


def _by_events(case: Row, events: Iterable[Row], about: _About, begun: datetime) -> Iterator[Said]:
    asked = received = delivered = 0
    for event in events:
        body, at = _body.decode(str(event["body"])), instant_of(event["at"])
        officer = about.officers.get(str(body.get("officer") or str(event["actor"]).partition(":")[2]), "系统")
        match str(event["tag"]):
            case "case.accepted":
                at = max(on_day(date.fromisoformat(body["accepted_on"]), at), begun)
                yield Said(table=Table.ACCEPT, at=at, payload=_accepted(case, body, officer))
            case "case.acceptance_refused":
                yield Said(table=Table.ACCEPT, at=at, payload=_not_accepted(case, body, officer, about))
            case "case.supplement_asked":
                asked += 1
                notice = payloads.SupplementNotice(
                    officer_name=officer,
                    items=tuple(clean(item, 200) for item in body["missing"][:100]) or ("—",),
                    document_no=clean(body["document"], 60) or None,
                )
                yield Said(table=Table.SUPPLEMENT_NOTICE, at=at, payload=notice, no=asked)
            case "case.supplement_received":
                received += 1
                items = tuple(clean(item, 200) for item in body["materials"][:100])
                taken = payloads.SupplementAccept(officer_name=officer, items=items or None, complete=body["complete"])
                # Each delivery answers the notice: told once, corrected in one or several deliveries.
                yield Said(table=Table.SUPPLEMENT_ACCEPT, at=at, payload=taken, no=max(asked, 1), version=received)
            case "case.decided" | "case.renewal_deemed" | "case.withdrawn" as tag:
                yield Said(table=Table.FINISH, at=at, payload=_finished(case, tag, body, officer))
            case "case.delivered":
                delivered += 1
                pickup = payloads.Pickup(way=codes.ResultWay.COLLECT, officer_name=officer)
                yield Said(table=Table.PICKUP, at=at, payload=pickup, no=delivered)


def _accepted(case: Row, body: dict[str, Any], officer: str) -> payloads.Accept:
    return payloads.Accept(
        state=codes.AcceptState.SUPPLEMENTED if case["supplemented_on"] else codes.AcceptState.ACCEPTED,
        officer_name="视为受理" if body.get("deemed") else officer,
        org_name=clean(case["unit_name"] or case["unit_code"], 120),
        receipt_no=clean(body.get("document"), 60) or None,
        statutory_days=whole(case["statutory_days"]) or None,
        promise_days=whole(body["committed_days"]),
        promise_date=date.fromisoformat(body["committed_due"]),
    )


def _not_accepted(case: Row, body: dict[str, Any], officer: str, about: _About) -> payloads.Accept:
    taken = about.steps.get(whole(case["id"]), ())
    opinion = next((step["opinion"] for step in taken if step["step"] in (ACCEPT, SUPPLEMENT)), "")
    return payloads.Accept(
        state=_GROUNDS.get(body["ground"], codes.AcceptState.NOT_OURS),
        officer_name=officer,
        org_name=clean(case["unit_name"] or case["unit_code"], 120),
        receipt_no=clean(body.get("document"), 60) or None,
        reason=clean(opinion, 1000) or None,
    )


def _finished(case: Row, tag: str, body: dict[str, Any], officer: str) -> payloads.Finish:
    granted = tag == "case.renewal_deemed" or body.get("outcome") == "granted"
    result = codes.FinishResult.GRANTED if granted else codes.FinishResult.REFUSED
    return payloads.Finish(
        result=codes.FinishResult.WITHDRAWN if tag == "case.withdrawn" else result,
        org_name=clean(case["unit_name"] or case["unit_code"], 120),
        officer_name=officer,
        certificate_no=clean(body.get("document"), 100) or None if granted else None,
    )
