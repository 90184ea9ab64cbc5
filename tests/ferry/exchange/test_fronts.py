"""Systems that push nothing: a file a day in a folder, rows in a table of a front-end database."""

import errno
import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from ferry.exchange.codes import Table
from ferry.exchange.fronts import RowTable, Signer, take_folder
from ferry.exchange.standard import encode
from ferry.exchange.tables import ExchangeBatch, ExchangeRecord
from ferry.transports.databases import Sqlite
from tests.ferry.exchange.systems import SendingSystem
from tests.mobile_api.stage import Stage


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.is_file())


async def test_a_daily_file_is_taken_whole_and_its_receipt_lies_beside_it(
    stage: Stage, system: SendingSystem, tmp_path: Path
):
    rows = [*system.case(), system.row(Table.APPLY, case="A3", org="GAJ")]
    (tmp_path / "20260917.zip").write_bytes(system.package(rows))
    (tmp_path / "20260916.zip.part").write_bytes(b"still being written")
    (tmp_path / "20260915.zip").write_bytes(b"no package")
    # A crash left one under way: it is finished first, and what was taken of it is taken once.
    (tmp_path / "taking").mkdir()
    system.batch = "B0"
    (tmp_path / "taking" / "20260914.zip").write_bytes(system.package(system.case("A0")))
    assert await take_folder(stage.office, tmp_path) == 3
    assert await take_folder(stage.office, tmp_path) == 0
    assert files(tmp_path) == [
        *("20260914.zip.receipt.jsonl", "20260915.zip.receipt.jsonl", "20260916.zip.part"),
        "20260917.zip.receipt.jsonl",
    ]
    assert files(tmp_path / "taken") == [*("20260914.zip", "20260915.zip", "20260917.zip")]
    *reasons, last = map(json.loads, (tmp_path / "20260917.zip.receipt.jsonl").read_text().splitlines())
    assert [(each["rid"], each["verdict"], each["codes"]) for each in reasons] == [
        ("A3.apply.1.1", "rejected", ["ORG_FOREIGN"])
    ]
    assert (last["batch"]["accepted"], last["batch"]["complete"]) == (7, True)
    (refused,) = map(json.loads, (tmp_path / "20260915.zip.receipt.jsonl").read_text().splitlines())
    assert refused["refusal"]["code"] == "EXCHANGE_UNFIT"
    assert await ExchangeRecord.all().count() == 14


async def test_a_receipt_for_which_there_is_no_room_is_written_later_and_nothing_is_taken_twice(
    stage: Stage, system: SendingSystem, tmp_path: Path, monkeypatch
):
    for name, case in (("20260914.zip", "A0"), ("20260915.zip", "A1")):
        system.batch = case
        (tmp_path / name).write_bytes(system.package(system.case(case)))
    honest, failures = os.fsync, iter([OSError(errno.ENOSPC, "full")])

    def fsync(descriptor: int) -> None:
        for failure in failures:
            raise failure
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert await take_folder(stage.office, tmp_path) == 1
    assert files(tmp_path / "taking") == ["20260914.zip"]
    assert "20260914.zip.receipt.jsonl" not in files(tmp_path)
    rows = await ExchangeRecord.all().count()
    assert await take_folder(stage.office, tmp_path) == 1
    assert files(tmp_path) == ["20260914.zip.receipt.jsonl", "20260915.zip.receipt.jsonl"]
    assert files(tmp_path / "taken") == ["20260914.zip", "20260915.zip"]
    assert await ExchangeRecord.all().count() == rows == 14


class Crash(Exception):
    pass


class Cut(Sqlite):
    """A database that is gone at the third write: after the rows were claimed and taken, before they are answered."""

    def __init__(self, file: str, writes: int) -> None:
        super().__init__(file)
        self.left = writes

    async def write(self, statements) -> None:
        if not self.left:
            raise Crash
        self.left -= 1
        await super().write(statements)


async def test_rows_of_a_front_end_table_are_taken_and_flagged_with_their_reasons(
    stage: Stage, system: SendingSystem, tmp_path: Path
):
    file = str(tmp_path / "front.db")
    sender = system.sender
    signer = Signer(
        source_system=sender.source_system,
        org=sender.org,
        region=sender.region,
        key=system.key,
        chain=system.certificates,
    )
    front, names = Sqlite(file), iter(("T1", "T2", "T3"))
    await RowTable(front, "case_exchange_row", signer).make_table()
    rows = [*system.case(), system.row(Table.STEP, case="A2")]
    lines = [encode(replace(row.envelope, batch="any"), row.payload).decode() for row in rows]
    lines += ["not a row", lines[0].replace('"projid":"A1"', '"projid":"A9"').replace("A1.apply", "A9.apply")]
    lines[-1] = lines[-1].replace('"applicant_name"', '"applicant"')
    for number, line in enumerate(lines, 1):
        insert = "INSERT INTO case_exchange_row (id, line, flag) VALUES (?, ?, '0')"
        await front.write([(insert, (number, line))])

    async def take(connection: Sqlite) -> int:
        table = RowTable(connection, "case_exchange_row", signer)
        return await table.take(stage.office, now=stage.clock.now(), name=lambda: next(names))

    with pytest.raises(Crash):
        await take(Cut(file, 1))
    assert await ExchangeRecord.all().count() == 8
    assert await take(front) == 10
    assert await take(front) == 0
    found = await front.rows("SELECT id, flag, batch, verdict, codes FROM case_exchange_row ORDER BY id")
    assert {(row[1], row[2]) for row in found} == {("1", "T1")}
    assert [tuple(row[3:]) for row in found] == [
        *[("accepted", "")] * 7,
        ("held", "ORDER_HELD"),
        ("rejected", "COLUMN_MISSING"),
        ("rejected", "COLUMN_UNKNOWN,COLUMN_MISSING"),
    ]
    assert await ExchangeRecord.all().count() == 8
    batch = await ExchangeBatch.get()
    assert (batch.accepted, batch.held, batch.rejected) == (7, 1, 2)
