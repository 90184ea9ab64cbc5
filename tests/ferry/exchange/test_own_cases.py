"""Our own cases go out in the standard and come in elsewhere as the same cases; secret ones never leave."""

import io
from datetime import date, timedelta
from pathlib import Path

import pytest

from casework.clock.calendars import builtin_calendar
from certs.authority import Authority
from certs.keyring import Keyring
from certs.settings import CertSettings
from ferry.exchange.checking import check
from ferry.exchange.codes import Table
from ferry.exchange.own_cases import Voice, own_rows
from ferry.exchange.payloads import SuperviseNote
from ferry.exchange.rules import Sender
from ferry.exchange.standard import Read
from ferry.exchange.tables import ExchangeCase, ExchangeRecord
from ferry.exchange.writing import as_lines
from kernel.clock import FakeClock
from kernel.db import Database
from server.wiring import TABLES
from supervision.acts import IssueOrders, TurnLights
from tests.ferry.exchange.systems import SendingSystem, deliver, register
from tests.mobile_api.stage import CLERK, HANDLER, HEAD, LEADER, Stage

COUNTY = Sender(source_system="HENGJIANG", org="ALL", region="430421")


async def rows_of(
    stage: Stage, since: str = "2026-09-01", until: str = "2026-12-31", unit: str | None = None
) -> list[Read]:
    voice = Voice(source_system="HENGJIANG", region="430421", batch="B1", sent_time=stage.clock.now())
    begin, end = date.fromisoformat(since), date.fromisoformat(until)
    return [row async for case in own_rows(stage.database, voice, since=begin, until=end, unit=unit) for row in case]


async def granted(stage: Stage) -> str:
    """A case that was asked for corrections, signed at three levels, delivered."""
    number = await stage.accepted()
    stage.clock.advance(timedelta(hours=1))
    for officer, decision in ((HANDLER, "AGREE"), (HEAD, "AGREE"), (LEADER, "GRANT"), (HANDLER, "COMPLETE")):
        await stage.decide(officer, number, decision)
        stage.clock.advance(timedelta(minutes=10))
    await stage.decide(CLERK, number, "DELIVER")
    return number


async def test_a_case_of_ours_is_told_from_application_to_delivery(stage: Stage):
    number = await granted(stage)
    rows = await rows_of(stage)
    assert {row.envelope.projid for row in rows} == {number}
    tables = [row.envelope.table for row in rows if row.envelope.table is not Table.MATERIAL]
    assert tables == [
        Table.APPLY,
        Table.ACCEPT,
        *(Table.STEP,) * 3,
        Table.FINISH,
        Table.RESULT_FILE,
        Table.PICKUP,
        Table.RESULT_FILE,
    ]
    told = check(io.BytesIO(b"".join(as_lines(rows))), calendar=builtin_calendar())
    assert (told.conforms, told.facts) == (True, [])


async def test_lights_and_orders_go_out_as_notes(stage: Stage):
    await stage.accepted()
    stage.clock.advance(timedelta(days=60))
    await stage.clock_does(TurnLights())
    await stage.clock_does(IssueOrders())
    notes = [row.payload.kind for row in await rows_of(stage) if isinstance(row.payload, SuperviseNote)]
    assert set(notes) == {"yellow_light", "red_light", "order"}
    assert notes[-1] == "order"


async def test_what_lies_outside_the_days_or_the_unit_stays_here(stage: Stage):
    await granted(stage)
    assert await rows_of(stage, "2026-09-19", "2026-09-30") == []
    assert await rows_of(stage, "2026-09-01", "2026-09-17") == []
    assert await rows_of(stage, unit="SJJ") == []
    assert len(await rows_of(stage, "2026-09-18", "2026-09-18", unit="ZJJ")) == 10


async def test_a_secret_case_is_never_exported(stage: Stage):
    number = await granted(stage)
    other = await stage.accepted()
    await stage.database.execute("UPDATE case_file SET secret = TRUE WHERE number = $1", number)
    rows = await rows_of(stage)
    assert {row.envelope.projid for row in rows} == {other}
    assert number.encode() not in b"".join(as_lines(rows))


async def test_the_same_days_exported_twice_are_the_same_rows(stage: Stage):
    await granted(stage)
    first = [(row.envelope.rid, row.digest) for row in await rows_of(stage)]
    stage.clock.advance(timedelta(days=2))
    assert [(row.envelope.rid, row.digest) for row in await rows_of(stage)] == first


async def test_what_leaves_one_installation_arrives_at_another_with_equal_counts_and_hashes(
    stage: Stage, clock: FakeClock, request: pytest.FixtureRequest, tmp_path: Path
):
    await granted(stage)
    await stage.accepted()
    county = SendingSystem(COUNTY)
    rows = await rows_of(stage)
    await stage.database.close()

    shelf = request.getfixturevalue("_shelf")
    url = shelf.migrated()
    database = await Database.open(url, modules=TABLES)
    try:
        elsewhere = Authority.open(
            Keyring(tmp_path / "city", b"the city's passphrase"), CertSettings(), now=clock.now()
        )
        city = Stage(database, clock, elsewhere, tmp_path / "files")
        await city.settle()
        await register(city, county)
        octets = county.package(rows, day=date(2026, 9, 18), made="2026-09-18T10:40")
        clock.advance(timedelta(hours=2))
        report = check(io.BytesIO(octets), calendar=builtin_calendar(), root=elsewhere.root)
        assert (report.conforms, report.believed) == (True, True)
        batch, _ = await deliver(city, octets)
        assert (batch.accepted, batch.rows, batch.rejected, batch.drifts) == (len(rows), len(rows), 0, 0)
        assert {row.digest for row in rows} == {row.digest for row in await ExchangeRecord.all()}
        states = {row.state: row.unit_code for row in await ExchangeCase.all()}
        assert states == {"finished": "430421.ZJJ", "accepted": "430421.ZJJ"}
    finally:
        await database.close()
        shelf.discard(url)


@pytest.mark.parametrize("name", ["衡江\u200b建设", "衡江\n建设", "e\u0301"])
async def test_names_that_hide_something_go_out_clean(stage: Stage, name: str):
    number = await stage.accepted()
    await stage.database.execute("UPDATE case_file SET applicant_name = $1 WHERE number = $2", name, number)
    told = check(io.BytesIO(b"".join(as_lines(await rows_of(stage)))), calendar=builtin_calendar())
    assert told.conforms
