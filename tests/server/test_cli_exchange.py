"""`zhangban exchange` at the command line: two installations, one file between them, and a vendor without either."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from kernel.clock import FakeClock
from server.__main__ import app
from server.wiring import open_system
from tests.contracts.sources import ROOT
from tests.mobile_api.stage import HANDLER, HEAD, LEADER, Stage
from tests.server.texted import settings_in
from tools import exchange_sample_ca as sample

SAMPLES = ROOT / "docs" / "exchange" / "samples"
MORNING = datetime(2026, 3, 18, 1, 0, tzinfo=UTC)
DAYS = ("--from", "2026-03-01", "--to", "2026-03-31")


def zhangban(*words: str, at: Path | None = None, name: str = "HENGJIANG") -> Result:
    """Anything but an answer or a sentence is a defect."""
    places = {"ZHANGBAN_DATA_DIR": str(at), "ZHANGBAN_DATABASE__URL": f"sqlite://{at}/z.db"} if at else {}
    result = CliRunner().invoke(app, words, env={**places, "ZHANGBAN_EXCHANGE__SOURCE_SYSTEM": name})
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with a granted case and one at its first level."""
    folder = tmp_path_factory.mktemp("county")
    asyncio.run(_worked(folder))
    return folder


async def _worked(folder: Path) -> None:
    clock = FakeClock(MORNING)
    async with open_system(settings_in(folder), clock=clock) as system:
        stage = Stage(system.database, clock, system.authority, folder / "files")
        await stage.settle()
        number = await stage.accepted()
        for officer, decision in ((HANDLER, "AGREE"), (HEAD, "AGREE"), (LEADER, "GRANT")):
            clock.advance(timedelta(minutes=10))
            await stage.decide(officer, number, decision)
        await stage.accepted()


def test_a_vendor_checks_a_file_with_nothing_but_the_command(tmp_path: Path):
    good = zhangban("exchange", "check", str(SAMPLES / "good.zip"), "--root", str(SAMPLES / "root.pem"), "--json")
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["believed"] is True
    bad = zhangban("exchange", "check", str(SAMPLES / "bad" / "COLUMN_MISSING.jsonl"))
    assert bad.exit_code == 1
    assert "#1 SJJ2026000001.apply.1.1 item_code" in bad.stdout
    assert "COLUMN_MISSING" in bad.stdout
    absent = zhangban("exchange", "check", str(tmp_path / "nothing.zip"))
    assert absent.exit_code == 1
    assert "Traceback" not in absent.output


@pytest.mark.feature("EXCH-01")
def test_what_one_installation_exports_another_imports_and_reconciles(county: Path, tmp_path: Path):
    city, request, chain, batch = (tmp_path / name for name in ("city", "county.csr", "county.pem", "day.zip"))
    assert zhangban("exchange", "sender", "request", "--out", str(request), at=county).exit_code == 0
    files = ("--csr", str(request), "--out", str(chain))
    sender = ("HENGJIANG", "--org", "ALL", "--region", "430421", "--name", "衡江县", *files)
    added = zhangban("exchange", "sender", "add", *sender, at=city)
    assert added.exit_code == 0, added.output
    assert "EXCHANGE_SENDER_TAKEN" in zhangban("exchange", "sender", "add", *sender, at=city).output
    exported = zhangban("exchange", "export", str(batch), *DAYS, "--certificate", str(chain), at=county)
    assert exported.exit_code == 0, exported.output
    checked = json.loads(zhangban("exchange", "check", str(batch), "--json").stdout)
    assert checked["conforms"], checked["codes"]
    assert checked["rows"] > 8
    receipts = tmp_path / "receipts.jsonl"
    taken = zhangban("exchange", "import", str(batch), "--receipts", str(receipts), "--json", at=city)
    assert taken.exit_code == 0, taken.output
    view = json.loads(taken.stdout)
    assert (view["rejected"], view["held"], view["drifts"], view["complete"]) == (0, 0, 0, True)
    assert view["rows"] == checked["rows"] == view["accepted"] + view["flagged"]
    assert len(receipts.read_text().splitlines()) == view["flagged"]  # months after they happened
    compared = zhangban("exchange", "reconcile", "--day", checked["tallies"][0]["day"], "--json", at=city)
    assert (compared.exit_code, json.loads(compared.stdout)["systems"]) == (0, {"HENGJIANG": []})
    assert zhangban("exchange", "sender", "revoke", "HENGJIANG", at=city).exit_code == 0
    assert "CERTIFICATE_REVOKED" in zhangban("exchange", "import", str(batch), at=city).output
    (listed,) = json.loads(zhangban("exchange", "sender", "list", "--json", at=city).stdout)
    assert listed["revoked_at"] is not None


def test_older_standards_and_plain_forms_are_written_too(county: Path, tmp_path: Path):
    for name, words in (
        ("rows.jsonl", ("--format", "jsonl")),
        ("rows.xml", ("--format", "xml")),
        ("gd.jsonl", ("--profile", "gd-2013")),
    ):
        written = zhangban("exchange", "export", str(tmp_path / name), *DAYS, *words, at=county)
        assert written.exit_code == 0, written.output
    for name in ("rows.jsonl", "rows.xml"):
        assert zhangban("exchange", "check", str(tmp_path / name)).exit_code == 0
    first = json.loads((tmp_path / "gd.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["table"].startswith("EX_GDBS_")
    unsigned = zhangban("exchange", "import", str(tmp_path / "rows.jsonl"), at=county)
    assert (unsigned.exit_code, "EXCHANGE_UNFIT" in unsigned.output) == (1, True)
    assert zhangban("exchange", "export", str(tmp_path / "x.zip"), *DAYS, at=county).exit_code == 2
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.feature("EXCH-03")
def test_the_register_of_exemptions_is_kept_at_the_command_line(county: Path):
    words = ("SJJ", "--document", "湘政办函〔2026〕18号", "--granted", "2026-09-01", "--until", "2126-09-30")
    added = zhangban("exchange", "exemption", "add", *words, at=county)
    assert added.exit_code == 0, added.output
    (listed,) = json.loads(zhangban("exchange", "exemption", "list", "--json", at=county).stdout)
    assert listed["document"] == "湘政办函〔2026〕18号"
    unknown = zhangban("exchange", "exemption", "add", "NOBODY", *words[1:], at=county)
    assert (unknown.exit_code, "NOT_FOUND" in unknown.output) == (1, True)


EVENT_LOG = ROOT / "tests" / "ferry" / "exchange" / "golden" / "log.xes"


def signing(folder: Path, number: int = 3) -> tuple[str, ...]:
    """The certificate of the samples' sender, and the key of that number: 3 is its own."""
    chain, key = folder / "sjj.pem", folder / "sjj.key"
    chain.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in reversed(sample.authority()[1:])))
    key.write_bytes(sample.own(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return "--certificate", str(chain), "--key", str(key)


def test_an_event_log_alone_is_enough_to_report(tmp_path: Path):
    batch = str(tmp_path / "day.zip")
    written = zhangban("exchange", "from-log", str(EVENT_LOG), batch, *signing(tmp_path), "--to", "2026-09-30")
    assert (written.exit_code, "合格" in written.output) == (0, True), written.output
    checked = zhangban("exchange", "check", batch, "--root", str(SAMPLES / "root.pem"), "--json")
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["believed"] is True


def test_a_log_that_cannot_be_told_leaves_no_file(tmp_path: Path):
    golden = EVENT_LOG.read_text(encoding="utf-8")
    batch, log = tmp_path / "day.zip", tmp_path / "log.xes"
    for number, text, words in (
        (3, golden.replace('value="case-1"', 'value="办件1"'), ("TEXT_UNFIT", "办件1.apply.1.1 projid")),
        (3, golden.replace('"deadline"', '"limit"'), ("LOG_WITHOUT_DEADLINE", "case-1")),
        (3, golden.replace("case-2", "case-1"), ("LOG_CASE_TWICE", "case-1")),
        (3, golden[:-20], ("LOG_TRUNCATED",)),
        (2, golden, ("SIGNATURE_WRONG", "sjj.key")),
    ):
        log.write_text(text, encoding="utf-8")
        told = zhangban("exchange", "from-log", str(log), str(batch), *signing(tmp_path, number))
        assert told.exit_code == 1, told.output
        assert all(word in told.output for word in words), told.output
        assert [path.name for path in tmp_path.glob("day.zip*")] == []
