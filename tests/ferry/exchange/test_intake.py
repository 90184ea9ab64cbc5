"""Batches come in: who may send, what is taken, what is marked, and that nothing happens twice."""

import io
import zipfile
from datetime import date, timedelta
from typing import cast

import pytest
from cryptography import x509

from certs.authority import Authority
from certs.keyring import Keyring
from certs.settings import CertSettings
from ferry.exchange.acts import ImportBatch, ImportPart, ReleaseHeldRows, RevokeSender, TurnReportedLights, WatchDays
from ferry.exchange.codes import Table
from ferry.exchange.faults import Verdict
from ferry.exchange.package import MANIFEST, Package
from ferry.exchange.reconciling import drifts_on
from ferry.exchange.rules import Sender
from ferry.exchange.tables import ExchangeBatch, ExchangeCase, ExchangeGap, ExchangeRecord, ExchangeSender
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from supervision.region import reporting_systems
from supervision.tables import Finding, ReportedDay
from tests.ferry.exchange.systems import SendingSystem, clock_does, deliver, register, utc
from tests.mobile_api.stage import Stage


def codes_of(parts, line: int) -> tuple[str, ...]:
    return next((receipt.codes for part in parts for receipt in part.receipts if receipt.line == line), ())


async def refusal(stage: Stage, octets: bytes) -> str:
    package = Package(io.BytesIO(octets))
    opening = ImportBatch(manifest=package.octets, signature=package.signature)
    answer = await stage.office.perform(opening, THE_OPERATOR, key=None)
    assert isinstance(answer, Refusal), answer
    return f"{answer.code} {answer.details.get('why', '')}".strip()


async def findings(stage: Stage) -> list[str]:
    while await stage.courier.deliver():
        pass
    return [row.kind for row in await Finding.all().order_by("id")]


# ---------------------------------------------------------------------------------------------------- who may send
@pytest.mark.feature("EXCH-01")
async def test_a_batch_of_a_registered_sender_is_taken_and_any_other_refused(stage: Stage, system: SendingSystem):
    batch, _ = await deliver(stage, system.package(system.case()))
    assert (batch.accepted, batch.rejected, batch.drifts, batch.complete) == (7, 0, 0, True)
    assert await ExchangeRecord.all().count() == 7

    stranger = SendingSystem(Sender(source_system="WJJ-YWXT", org="WJJ", region="430421"))
    stranger.certificates = system.certificates  # somebody else's certificate, their own key
    assert await refusal(stage, stranger.package(stranger.case("X1"))) == "EXCHANGE_UNFIT SIGNATURE_WRONG"

    elsewhere = Authority.open(
        Keyring(stage.services.files.parent / "elsewhere", b"another CA's passphrase"),
        CertSettings(),
        now=stage.clock.now(),
    )
    provisions = cast("dict[type, object]", stage.desk.provisions)
    provisions[Authority] = elsewhere
    await register(stage, stranger)
    provisions[Authority] = stage.authority
    assert await refusal(stage, stranger.package(stranger.case("X1"))) == "EXCHANGE_UNFIT CERTIFICATE_UNFIT"

    unsigned = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(system.package(system.case()))) as whole, zipfile.ZipFile(unsigned, "w") as bare:
        for name in whole.namelist():
            if name != "manifest.jws":
                bare.writestr(name, whole.read(name))
    with zipfile.ZipFile(unsigned) as bare:
        manifest = bare.read(MANIFEST)
    answer = await stage.office.perform(ImportBatch(manifest=manifest, signature=""), THE_OPERATOR, key=None)
    assert isinstance(answer, Refusal)
    assert answer.details["why"] == "SIGNATURE_WRONG"


async def test_a_revoked_sender_is_refused_even_for_the_rest_of_a_batch(stage: Stage, system: SendingSystem):
    octets = system.package(system.case())
    package = Package(io.BytesIO(octets))
    opening = ImportBatch(manifest=package.octets, signature=package.signature)
    await stage.office.perform(opening, THE_OPERATOR, key=None)
    await stage.office.perform(RevokeSender(source_system="SJJ-YWXT"), THE_OPERATOR, key=None)
    part = ImportPart(source_system="SJJ-YWXT", batch="B1", number=1, octets=package.part(package.manifest.parts[0]))
    answer = await stage.office.perform(part, THE_OPERATOR, key=None)
    assert isinstance(answer, Refusal)
    assert answer.code == "CERTIFICATE_REVOKED"
    system.batch = "B2"
    assert await refusal(stage, system.package(system.case("A2"))) == "CERTIFICATE_REVOKED"
    assert await ExchangeRecord.all().count() == 0


async def test_a_sender_speaks_for_its_own_organisation_region_and_system_only(stage: Stage, system: SendingSystem):
    rows = [
        system.row(Table.APPLY, case="A1"),
        system.row(Table.APPLY, case="A2", org="WJJ"),
        system.row(Table.APPLY, case="A3", region="430422"),
        system.row(Table.APPLY, case="A4", source_system="WJJ-YWXT"),
        system.row(Table.APPLY, case="A5", batch="B9"),
    ]
    batch, parts = await deliver(stage, system.package(rows))
    assert (batch.accepted, batch.rejected) == (1, 4)
    found = [receipt.codes for receipt in parts[0].receipts]
    assert found == [("ORG_FOREIGN",), ("REGION_FOREIGN",), ("SYSTEM_FOREIGN",), ("BATCH_FOREIGN",)]


async def test_a_level_of_government_speaks_for_everyone_below_it(stage: Stage):
    city = SendingSystem(Sender(source_system="HENGYANG", org="ALL", region="430400"))
    await register(stage, city)
    rows = [
        city.row(Table.APPLY, case="C1", org="SJJ", region="430421"),
        city.row(Table.APPLY, case="C2", org="WJJ", region="430422"),
        city.row(Table.APPLY, case="C3", org="WJJ", region="430100"),
    ]
    batch, _ = await deliver(stage, city.package(rows))
    assert (batch.accepted, batch.rejected) == (2, 1)


# ------------------------------------------------------------------------------------------------- nothing twice
@pytest.mark.feature("EXCH-09")
async def test_replay_reorder_and_back_dating(stage: Stage, system: SendingSystem):
    system_rows = [
        system.row(Table.APPLY, "2026-09-17T08:00"),
        system.row(Table.ACCEPT, "2026-09-17T09:00"),
        system.row(Table.STEP, "2026-09-17T11:00"),
    ]
    await deliver(stage, system.package(system_rows))
    # Replay: the same numbers in another batch change nothing.
    system.batch = "B2"
    again = [system.row(Table.APPLY, "2026-09-17T08:00"), system.row(Table.ACCEPT, "2026-09-17T09:00")]
    batch, parts = await deliver(stage, system.package(again, made="2026-09-17T21:00"))
    assert (batch.ignored, batch.accepted) == (2, 0)
    assert codes_of(parts, 1) == ("DUPLICATE",)
    # A number that stood for something else.
    system.batch = "B3"
    other = [system.row(Table.STEP, "2026-09-17T12:00", no=2, rid="A1.apply.1.1")]
    _, parts = await deliver(stage, system.package(other, made="2026-09-17T21:00"))
    assert codes_of(parts, 1) == ("RID_REUSED",)
    # An event older than one that is known: kept, and marked.
    system.batch = "B4"
    older = [system.row(Table.STEP, "2026-09-17T10:00", no=3)]
    batch, parts = await deliver(stage, system.package(older, made="2026-09-17T21:00"))
    assert (batch.flagged, codes_of(parts, 1)) == (1, ("OLDER_THAN_KNOWN",))
    assert (await ExchangeRecord.get(rid="A1.step.3.1")).flags == "OLDER_THAN_KNOWN"
    # A version that moves its event to an earlier hour, and an event set into a day that was reconciled.
    stage.clock.set(utc("2026-09-18T10:00"))
    system.batch = "B5"
    await deliver(stage, system.package([], made="2026-09-18T09:30"))
    assert (await ExchangeSender.get(source_system="SJJ-YWXT")).closed_on == date(2026, 9, 17)
    system.batch = "B6"
    dated = [
        system.row(Table.STEP, "2026-09-17T10:30", version=2, sent="2026-09-18T09:40"),
        system.row(Table.STEP, "2026-09-17T14:00", no=4, sent="2026-09-18T09:40"),
    ]
    _, parts = await deliver(stage, system.package(dated, day=date(2026, 9, 18), made="2026-09-18T09:45"))
    assert codes_of(parts, 1) == ("BACK_DATED",)
    assert codes_of(parts, 2) == ("BACK_DATED",)
    assert "report_suspect" in await findings(stage)


async def test_the_highest_version_holds_and_the_same_version_may_not_say_something_else(
    stage: Stage, system: SendingSystem
):
    await deliver(
        stage,
        system.package([system.row(Table.APPLY), system.row(Table.APPLY, version=3, payload={"item_name": "改名"})]),
    )
    system.batch = "B2"
    rows = [
        system.row(Table.APPLY, version=2),
        system.row(Table.APPLY, version=3, rid="other", payload={"item_name": "又改名"}),
        system.row(Table.APPLY, version=3, rid="same", payload={"item_name": "改名"}),
    ]
    _, parts = await deliver(stage, system.package(rows))
    assert [receipt.codes for receipt in parts[0].receipts] == [
        ("VERSION_LOWER",),
        ("VERSION_CONFLICT",),
        ("DUPLICATE",),
    ]
    assert (await ExchangeCase.get(projid="A1")).item_name == "改名"
    current = await ExchangeRecord.filter(superseded=False)
    assert [(row.version, row.rid) for row in current] == [(3, "A1.apply.1.3")]


async def test_the_same_part_again_answers_the_same_receipts(stage: Stage, system: SendingSystem):
    octets = system.package([system.row(Table.APPLY), system.row(Table.APPLY, case="A2", org="WJJ")])
    first, answers = await deliver(stage, octets)
    second, again = await deliver(stage, octets)
    assert (first, answers) == (second, again)
    assert await ExchangeRecord.all().count() == 1
    system.batch = "B1"
    assert await refusal(stage, system.package([])) == "EXCHANGE_BATCH_REUSED"


async def test_a_part_that_is_not_what_was_signed_is_refused(stage: Stage, system: SendingSystem):
    package = Package(io.BytesIO(system.package([system.row(Table.APPLY)])))
    await stage.office.perform(
        ImportBatch(manifest=package.octets, signature=package.signature), THE_OPERATOR, key=None
    )
    octets = package.part(package.manifest.parts[0]).replace(b"window", b"mobile")
    act = ImportPart(source_system="SJJ-YWXT", batch="B1", number=1, octets=octets)
    answer = await stage.office.perform(act, THE_OPERATOR, key=None)
    assert isinstance(answer, Refusal)
    assert answer.details["why"] == "PART_CHANGED"
    assert await ExchangeRecord.all().count() == 0


# ------------------------------------------------------------------------------------------------------ the order
async def test_a_row_waits_for_what_must_come_before_it_and_no_longer_than_a_day(stage: Stage, system: SendingSystem):
    rows = [system.row(Table.APPLY, "2026-09-17T08:00"), system.row(Table.STEP, "2026-09-17T11:00")]
    batch, parts = await deliver(stage, system.package(rows))
    assert (batch.accepted, batch.held) == (1, 1)
    assert codes_of(parts, 2) == ("ORDER_HELD",)
    assert (await ExchangeRecord.get(table_name="step")).state == "held"
    system.batch = "B2"
    await deliver(stage, system.package([system.row(Table.ACCEPT, "2026-09-17T12:00")]))
    released = await ExchangeRecord.get(table_name="step")
    assert (released.state, released.flags) == ("kept", "TIME_BACKWARDS")  # before its case was accepted

    system.batch = "B3"
    await deliver(stage, system.package([system.row(Table.FINISH, case="A9")]))
    await clock_does(stage, ReleaseHeldRows())
    assert (await ExchangeRecord.get(projid="A9")).state == "held"
    stage.clock.advance(timedelta(hours=24))
    assert (await clock_does(stage, ReleaseHeldRows())).count == 1
    late = await ExchangeRecord.get(projid="A9")
    assert (late.state, late.flags, late.held_until) == ("kept", "ORDER_BROKEN", None)
    assert await findings(stage) == ["report_suspect"]


async def test_marks_of_the_law(stage: Stage, system: SendingSystem):
    rows = [
        system.row(Table.APPLY, "2026-09-15T09:00", sent="2026-09-15T10:00"),
        system.row(Table.ACCEPT, "2026-09-16T09:00", payload={"promise_date": "2026-09-25"}),
        system.row(Table.SPECIAL_APPLY, "2026-09-16T10:00", payload={"days": 11}),
        system.row(Table.SPECIAL_APPLY, "2026-09-16T11:00", no=2),
        system.row(Table.FINISH, "2026-09-16T12:00"),
        system.row(Table.STEP, "2026-09-16T13:00", sent="2026-09-17T14:00"),
    ]
    _, parts = await deliver(stage, system.package(rows, made="2026-09-17T15:00"))
    assert [receipt.codes for receipt in parts[0].receipts] == [
        ("SENT_STALE",),
        ("SENT_STALE", "PROMISE_DATE_WRONG"),
        ("SENT_STALE", "EXTENSION_TOO_LONG"),
        ("SENT_STALE", "EXTENSION_TWICE"),
        ("SENT_STALE", "SPECIAL_UNPAIRED"),
        ("LATE_REPORT", "AFTER_FINISH"),
    ]
    assert {receipt.verdict for receipt in parts[0].receipts} == {Verdict.FLAGGED}


# ------------------------------------------------------------------------------------------------------- the cases
async def test_a_case_of_another_system_gets_its_days_and_lights_from_the_law(stage: Stage, system: SendingSystem):
    rows = [system.row(Table.APPLY, "2026-09-17T08:00"), system.row(Table.ACCEPT, "2026-09-17T09:00")]
    await deliver(stage, system.package(rows))
    case = await ExchangeCase.get(projid="A1")
    assert (case.state, case.due_on, case.unit_code) == (
        "accepted",
        date(2026, 9, 23),
        "SJJ",
    )  # Sunday the 20th is worked
    stage.clock.set(utc("2026-09-23T00:00"))
    assert (await clock_does(stage, TurnReportedLights())).count == 1
    assert (await clock_does(stage, TurnReportedLights())).count == 0
    # Stopped for a hearing of three working days, then extended by five: the light moves with the law's days.
    stage.clock.set(utc("2026-09-23T20:00"))
    system.batch = "B2"
    rows = [
        system.row(
            Table.SPECIAL_APPLY,
            "2026-09-23T09:00",
            payload={"kind": "statutory", "ground": "hearing", "days": 3},
        ),
        system.row(Table.SPECIAL_RESULT, "2026-09-23T18:00", payload={"outcome": "ended", "result_date": "2026-09-24"}),
        system.row(Table.SPECIAL_APPLY, "2026-09-23T19:00", no=2),
    ]
    await deliver(stage, system.package(rows, day=date(2026, 9, 23), made="2026-09-23T20:00"))
    case = await ExchangeCase.get(projid="A1")
    # Five promised, five more by the extension, and the day of the hearing left out.
    assert case.due_on == stage.services.calendars().nth_working_day_after(date(2026, 9, 17), 5 + 1 + 5)
    stage.clock.set(utc("2026-10-20T00:00"))
    await clock_does(stage, TurnReportedLights())
    assert "reported_overdue" in await findings(stage)
    assert (await Finding.get(kind="reported_overdue")).unit_code == "SJJ"


async def test_an_end_in_time_turns_no_light_and_a_late_one_turns_red_however_late_it_is_told(
    stage: Stage, system: SendingSystem
):
    await deliver(stage, system.package(system.case("A1")))
    stage.clock.set(utc("2026-09-30T09:00"))
    assert (await clock_does(stage, TurnReportedLights())).count == 0
    system.batch = "B2"
    rows = [
        system.row(Table.APPLY, "2026-09-17T08:00", case="A2", sent="2026-09-29T18:00"),
        system.row(Table.ACCEPT, "2026-09-17T09:00", case="A2", sent="2026-09-29T18:00"),
        system.row(Table.FINISH, "2026-09-25T09:00", case="A2", sent="2026-09-29T18:00"),
    ]
    await deliver(stage, system.package(rows, day=date(2026, 9, 29), made="2026-09-29T19:00"))
    assert (await clock_does(stage, TurnReportedLights())).count == 1
    assert "reported_overdue" in await findings(stage)


async def test_in_time_only_by_a_report_after_the_limit_is_marked(stage: Stage, system: SendingSystem):
    await deliver(stage, system.package([system.row(Table.APPLY), system.row(Table.ACCEPT)]))
    stage.clock.set(utc("2026-09-28T20:00"))
    system.batch = "B2"
    rows = [system.row(Table.FINISH, "2026-09-23T17:00", sent="2026-09-28T19:00")]
    _, parts = await deliver(stage, system.package(rows, day=date(2026, 9, 28), made="2026-09-28T19:30"))
    assert codes_of(parts, 1) == ("LATE_REPORT", "BACK_DATED")


async def test_what_was_reported_counts_for_its_unit_and_day(stage: Stage, system: SendingSystem):
    await deliver(stage, system.package(system.case()))
    days = await ReportedDay.all().order_by("day")
    assert [(row.unit_code, row.day, row.rows, row.flagged) for row in days] == [
        ("SJJ", date(2026, 9, 17), 7, 0),
    ]


# ------------------------------------------------------------------------------------------------------ every day
@pytest.mark.feature("EXCH-05")
async def test_a_day_without_its_batch_by_eight_of_the_next_working_day_is_noticed(stage: Stage, system: SendingSystem):
    # Registered on Friday 18 September; the batch of that day is due at eight on Sunday the 20th, which is worked.
    stage.clock.set(utc("2026-09-20T07:59"))
    assert (await clock_does(stage, WatchDays())).count == 0
    stage.clock.set(utc("2026-09-20T08:00"))
    assert (await clock_does(stage, WatchDays())).count == 1
    assert (await clock_does(stage, WatchDays())).count == 0
    assert await findings(stage) == ["report_missing"]
    gap = await ExchangeGap.get()
    assert (gap.source_system, gap.day, gap.healed_at) == ("SJJ-YWXT", date(2026, 9, 18), None)
    # It comes late: healed. The next day's comes in time, with nothing in it: no gap.
    system.batch = "B2"
    await deliver(stage, system.package([], day=date(2026, 9, 18), made="2026-09-20T07:50"))
    assert (await ExchangeGap.get()).healed_at == stage.clock.now()
    stage.clock.set(utc("2026-09-20T19:00"))
    system.batch = "B3"
    await deliver(stage, system.package([], day=date(2026, 9, 20), made="2026-09-20T18:30"))
    stage.clock.set(utc("2026-09-21T08:00"))
    await clock_does(stage, WatchDays())
    assert await ExchangeGap.all().count() == 1


@pytest.mark.feature("EXCH-08")
async def test_both_sides_counts_and_hashes_are_compared_and_a_difference_is_told(stage: Stage, system: SendingSystem):
    batch, _ = await deliver(stage, system.package(system.case()))
    assert batch.drifts == 0
    assert await drifts_on(stage.database, date(2026, 9, 17)) == {"SJJ-YWXT": []}
    # One row of the batch is not taken: what they say and what we hold differ, and supervision hears of it.
    system.batch = "B2"
    rows = [system.row(Table.APPLY, case="A2"), system.row(Table.APPLY, case="A3", org="WJJ")]
    batch, _ = await deliver(stage, system.package([*system.case(), *rows]))
    assert batch.drifts == 1
    drifts = (await drifts_on(stage.database, date(2026, 9, 17)))["SJJ-YWXT"]
    assert [(drift.org, drift.table, drift.ours) for drift in drifts] == [("WJJ", Table.APPLY, None)]
    assert "report_drifted" in await findings(stage)
    # A row that vanished here is found by the daily look.
    await ExchangeRecord.filter(rid="A1.step.1.1").delete()
    drifts = (await drifts_on(stage.database, date(2026, 9, 17)))["SJJ-YWXT"]
    assert {drift.table for drift in drifts} == {Table.APPLY, Table.STEP}


async def test_a_day_differs_until_a_batch_that_tells_of_it_again_agrees(stage: Stage, system: SendingSystem):
    foreign = system.row(Table.APPLY, case="A3", org="WJJ")
    differing: list[object] = []
    for batch, rows in (("B1", [*system.case(), foreign]), ("B2", []), ("B3", system.case()), ("B4", [])):
        stage.clock.advance(timedelta(minutes=1))
        system.batch = batch
        await deliver(stage, system.package(rows))
        (shown,) = await reporting_systems(stage.database)
        differing.append(shown["days_that_differ"])
    assert differing == [1, 1, 0, 0]


async def test_a_batch_of_many_parts_is_whole_when_the_last_is_in(stage: Stage, system: SendingSystem):
    rows = [system.row(Table.APPLY, case=f"N{number}") for number in range(2500)]
    package = Package(io.BytesIO(system.package(rows)))
    assert [part.rows for part in package.manifest.parts] == [1000, 1000, 500]
    opening = ImportBatch(manifest=package.octets, signature=package.signature)
    opened = await stage.office.perform(opening, THE_OPERATOR, key=None)
    assert not isinstance(opened, Refusal)
    for number in (3, 1, 2):
        assert not (await ExchangeBatch.get()).complete_at
        part = ImportPart(
            source_system="SJJ-YWXT", batch="B1", number=number, octets=package.part(package.manifest.parts[number - 1])
        )
        assert not isinstance(await stage.office.perform(part, THE_OPERATOR, key=None), Refusal)
    whole = await ExchangeBatch.get()
    assert (whole.accepted, whole.drifts, whole.complete_at is not None) == (2500, 0, True)
    assert await ExchangeCase.all().count() == 2500


async def test_the_certificate_says_for_whom_it_speaks(stage: Stage, system: SendingSystem):
    names = system.certificates[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["case-exchange:430421:SJJ:SJJ-YWXT"]
