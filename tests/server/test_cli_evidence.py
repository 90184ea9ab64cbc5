"""`zhangban evidence`: the file holds everything, needs the root alone, and no octet of it changes unnoticed."""

import asyncio
import io
import json
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from certs.authority import pem
from certs.encodings import unb64u
from kernel.clock import FakeClock
from server.__main__ import app
from server.archive import zipped
from server.archive.checking import read_root
from server.evidence.checking import FaultCode, verify
from server.evidence.package import package
from server.evidence.record import RECORD, RECORD_SEAL, RECORD_SEALER
from server.wiring import open_system
from tests.certs.made import Ca
from tests.certs.phones import openssl
from tests.server.test_archive import repacked, unpacked
from tests.server.texted import STRANGER, Texted, settings_in, texted

NOON = datetime(2026, 9, 18, 4, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Files:
    """The office was closed after they were made: nothing of it is needed."""

    said: Texted
    agreed: bytes
    refused: bytes

    @property
    def root(self) -> x509.Certificate:
        return read_root(self.said.root)

    def zhangban(self, *arguments: str) -> Result:
        """Anything but an answer or a sentence is a defect."""
        folder = self.said.folder
        environment = {"ZHANGBAN_DATA_DIR": str(folder), "ZHANGBAN_DATABASE__URL": f"sqlite://{folder}/z.db"}
        result = CliRunner().invoke(app, arguments, env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return result


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return asyncio.run(_made(tmp_path_factory.mktemp("office")))


async def _made(folder: Path) -> Files:
    clock = FakeClock(NOON)
    said = await texted(folder, clock)
    async with open_system(settings_in(folder), clock=clock) as system:
        agreed, refused = [
            (await package(system, number, what="export")).octets for number in (said.agreed, said.refused)
        ]
    return Files(said, agreed, refused)


@pytest.mark.feature("SMS-08")
def test_it_verifies_with_the_root_alone_and_says_who_asked_for_what_and_what_came_of_it(files: Files):
    verdict = verify(files.agreed, files.root)
    assert verdict.faults == ()
    assert verdict.body is not None
    assert verdict.record is not None
    body, record = verdict.body, verdict.record
    assert (body.sender, body.receiver, body.text) == (files.said.leader_phone, "10690000", f"同意 {files.said.code}")
    assert body.act == {"act": "card.confirm", "card": None, "code": files.said.code}
    assert (record.evidence, record.outcome) == (files.said.agreed, "card")
    request = record.request
    assert request is not None
    assert (request.purpose, request.about, request.wrong_tries) == ("confirm", files.said.card, 0)
    assert request.used_at is not None
    assert request.text is not None
    assert request.text.to == files.said.leader_phone
    assert [part.state for part in request.text.parts] == ["delivered"] * len(request.text.parts)
    assert all(part.sms_id and part.receipt_at for part in request.text.parts)
    assert files.said.code not in request.text.words  # the text's row never held it
    assert record.answer is not None
    assert files.said.agreed in record.answer.words
    names = zipfile.ZipFile(io.BytesIO(files.agreed)).namelist()
    assert {"evidence.json", "record.json", "frames/001.bin", "certificates/revocations.crl"} <= set(names)
    frame = zipfile.ZipFile(io.BytesIO(files.agreed)).read("frames/001.bin")
    assert [unb64u(pdu) for pdu in body.pdus] == [frame]


@pytest.mark.feature("SMS-07")
@pytest.mark.feature("SMS-08")
def test_a_refused_try_is_evidence_like_what_was_done(files: Files):
    verdict = verify(files.refused, files.root)
    assert verdict.faults == ()
    assert verdict.body is not None
    assert verdict.record is not None
    assert verdict.body.sender == STRANGER
    assert verdict.body.actor["kind"] == "anonymous"
    assert (verdict.record.outcome, verdict.record.request) == ("NOT_THE_REGISTERED_NUMBER", None)


@pytest.mark.feature("SMS-08")
def test_every_octet_counts(files: Files):
    """One bit in each octet of the file, whatever it belongs to, is found and what does not fit is named."""
    names = set(zipfile.ZipFile(io.BytesIO(files.agreed)).namelist())
    for at in range(len(files.agreed)):
        altered = bytearray(files.agreed)
        altered[at] ^= 1 << (at % 8)
        faults = verify(bytes(altered), files.root).faults
        assert faults, at
        assert all(fault.where == "—" or fault.where in names for fault in faults), (at, faults)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_every_octet_of_every_file_counts_even_when_the_zip_is_made_anew(files: Files, data):
    """Who changes a file also mends its checksum."""
    contents = unpacked(files.agreed)
    name = data.draw(st.sampled_from(sorted(contents)))
    altered = bytearray(contents[name])
    at, bit = data.draw(st.integers(0, len(altered) - 1)), data.draw(st.integers(0, 7))
    altered[at] ^= 1 << bit
    faults = verify(repacked({**contents, name: bytes(altered)}), files.root).faults
    suspects = {name, "record.json"} if name in (RECORD, RECORD_SEAL, RECORD_SEALER) else {name}
    assert {fault.where for fault in faults} & suspects, (name, at, faults)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("evidence.json", FaultCode.FILE_MISSING),
        ("frames/001.bin", FaultCode.FILE_MISSING),
        ("record.sig", FaultCode.FILE_MISSING),
        ("certificates/issuing.pem", FaultCode.FILE_MISSING),
        ("record.json", FaultCode.RECORD_UNREADABLE),
    ],
)
def test_a_file_that_is_missing_is_named(files: Files, name: str, code: FaultCode):
    contents = unpacked(files.agreed)
    del contents[name]
    found = {(fault.code, fault.where) for fault in verify(repacked(contents), files.root).faults}
    assert (code, name) in found


def test_what_was_added_is_named_and_what_is_cut_is_no_file_of_evidence(files: Files):
    contents = unpacked(files.agreed) | {"note.txt": b"by hand"}
    assert (FaultCode.FILE_ADDED, "note.txt") in {
        (fault.code, fault.where) for fault in verify(repacked(contents), files.root).faults
    }
    for cut in (0, 1, 100, len(files.agreed) - 1):
        (fault,) = verify(files.agreed[:cut], files.root).faults
        assert fault.code is FaultCode.NOT_A_PACKAGE


def test_the_record_of_another_text_does_not_pass_for_this_one(files: Files):
    ours, theirs = unpacked(files.agreed), unpacked(files.refused)
    mixed = {name: theirs[name] if name.startswith("record.") else ours[name] for name in ours}
    codes = {fault.code for fault in verify(repacked(mixed), files.root).faults}
    assert {FaultCode.RECORD_DIFFERS, FaultCode.FILE_CHANGED} <= codes


def test_another_office_vouches_for_nothing_here(files: Files):
    stranger = Ca("别的根 CA").certificate
    codes = {fault.code for fault in verify(files.agreed, stranger).faults}
    assert codes == {
        FaultCode.RECORD_SEAL_INVALID,
        FaultCode.EVIDENCE_SEAL_INVALID,
        FaultCode.REVOCATIONS_INVALID,
    }


@given(st.binary(max_size=300))
def test_no_octets_make_the_check_fail(files: Files, octets: bytes):
    assert not verify(octets, files.root).intact


@given(st.dictionaries(st.sampled_from(["record.json", "evidence.json", "record.pem", "a"]), st.binary(max_size=60)))
def test_no_package_of_anything_makes_the_check_fail(files: Files, contents: dict[str, bytes]):
    if contents:
        assert not verify(repacked(contents), files.root).intact


@pytest.mark.feature("SMS-08")
def test_openssl_alone_can_check_it(files: Files, tmp_path: Path):
    """As README.txt says, without a line of ours."""
    zipfile.ZipFile(io.BytesIO(files.agreed)).extractall(tmp_path)
    (tmp_path / "root.pem").write_bytes(files.said.root)
    for name in ("evidence", "record"):
        key = openssl(tmp_path, "x509", "-in", f"{name}.pem", "-pubkey", "-noout")
        (tmp_path / "key.pub").write_text(key.stdout)
        told = openssl(tmp_path, "dgst", "-sha256", "-verify", "key.pub", "-signature", f"{name}.sig", f"{name}.json")
        assert told.stdout.strip() == "Verified OK", told.stderr
        chain = openssl(
            tmp_path, "verify", "-CAfile", "root.pem", "-untrusted", "certificates/issuing.pem",
            "-purpose", "any", "-no_check_time", f"{name}.pem",
        )  # fmt: skip
        assert chain.returncode == 0, chain.stderr


def test_the_zip_is_read_by_anybody_and_its_json_is_plain(files: Files):
    archive = zipfile.ZipFile(io.BytesIO(files.agreed))
    assert archive.testzip() is None
    assert json.loads(archive.read("record.json"))["format"] == "zhangban-evidence/1"
    assert "zhangban evidence verify" in archive.read("README.txt").decode()
    assert pem(files.root) == files.said.root
    assert [entry.name for entry in zipped.read(io.BytesIO(files.agreed))][:3] == [
        "record.json",
        "record.sig",
        "record.pem",
    ]


# ----------------------------------------------------------------------------------------------- at the command line
@pytest.fixture
def taken(files: Files, tmp_path: Path) -> Path:
    """The evidence as an operator took it out, with the root beside it."""
    file = tmp_path / "evidence.zip"
    result = files.zhangban("evidence", "export", f" {files.said.agreed.lower()} ", str(file))
    assert result.exit_code == 0, result.stderr
    assert files.said.agreed in result.stdout
    (tmp_path / "root.pem").write_bytes(files.said.root)
    return file


@pytest.mark.feature("SMS-08")
def test_an_operator_takes_it_out_and_a_stranger_verifies_it_where_there_is_no_database(taken: Path, tmp_path: Path):
    empty = tmp_path / "elsewhere"
    result = CliRunner().invoke(
        app,
        ["evidence", "verify", str(taken), "--root", str(taken.with_name("root.pem"))],
        env={"ZHANGBAN_DATA_DIR": str(empty), "ZHANGBAN_DATABASE__URL": f"sqlite://{empty}/none.db"},
    )
    assert result.exit_code == 0, result.stderr
    assert "完好 · intact" in result.stdout
    assert not empty.exists()
    octets = taken.read_bytes()
    taken.write_bytes(octets[:5000] + bytes([octets[5000] ^ 1]) + octets[5001:])
    meddled = CliRunner().invoke(app, ["evidence", "verify", str(taken), "--root", str(taken.with_name("root.pem"))])
    assert meddled.exit_code == 1
    assert "完好" not in meddled.stdout
    assert "FILE_CHANGED" in meddled.stderr or "NOT_A_PACKAGE" in meddled.stderr


def test_a_person_is_told_what_was_said_by_which_number_and_what_came_of_it(files: Files):
    result = files.zhangban("evidence", "show", files.said.agreed)
    assert result.exit_code == 0, result.stderr
    for words in (
        *(
            files.said.agreed,
            files.said.leader_phone,
            f"同意 {files.said.code}",
            "10690000",
            "同意（确认发牌，或签收）",
        ),
        *(
            "发牌确认",
            files.said.card,
            "T05_CARD_CONFIRM",
            "delivered",
            "T07_MO_RECEIPT",
            "SHA-256",
            "serialNumber=server",
        ),
    ):
        assert words in result.stdout, words
    refused = files.zhangban("evidence", "show", files.said.refused)
    assert "非登记人员" in refused.stdout
    assert "NOT_THE_REGISTERED_NUMBER" in refused.stdout
    with closing(sqlite3.connect(files.said.folder / "z.db")) as database:
        seen = database.execute("SELECT subject, body FROM event WHERE tag = 'certs.evidence_viewed'").fetchall()
    assert (f"evidence:{files.said.agreed}", "show") in {(subject, json.loads(body)["what"]) for subject, body in seen}


def test_the_account_and_the_verdict_come_as_json(files: Files, taken: Path):
    told = json.loads(files.zhangban("evidence", "show", files.said.agreed, "--json").stdout)
    assert told["body"]["sender"] == files.said.leader_phone
    assert told["record"]["outcome"] == "card"
    root = str(taken.with_name("root.pem"))
    verdict = json.loads(files.zhangban("evidence", "verify", str(taken), "--root", root, "--json").stdout)
    assert (verdict["intact"], verdict["faults"]) == (True, [])


def test_evidence_is_verified_in_place_and_a_row_that_was_changed_is_named(files: Files):
    assert files.zhangban("evidence", "verify", files.said.refused).exit_code == 0
    with closing(sqlite3.connect(files.said.folder / "z.db")) as database:
        (inbound,) = database.execute(
            "SELECT inbound FROM evidence_record WHERE number = ?", (files.said.refused,)
        ).fetchone()
        database.execute("UPDATE inbound_pdu SET frame = X'00' WHERE message_id = ?", (inbound,))
        database.commit()
    result = files.zhangban("evidence", "verify", files.said.refused.lower())
    assert result.exit_code == 1
    assert "ROWS_DIFFER" in result.stderr
    assert "inbound_pdu" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "EV99999999"), "[NOT_FOUND]"),
        (("export", "SG00000001", "none.zip"), "[NOT_FOUND]"),
        (("verify", "none.zip"), "核验文件须有 --root"),
    ],
)
def test_what_does_not_exist_is_said_in_a_sentence(files: Files, arguments, says: str):
    result = files.zhangban("evidence", *arguments)
    assert result.exit_code != 0
    assert says in result.stderr
    assert not Path("none.zip").exists()


def test_a_file_that_cannot_be_written_or_read_is_said_to_be(files: Files, tmp_path: Path):
    result = files.zhangban("evidence", "export", files.said.agreed, str(tmp_path / "none" / "e.zip"))
    assert (result.exit_code, "[ARCHIVE_FILE_UNUSABLE]" in result.stderr) == (1, True)
    root = tmp_path / "root.pem"
    root.write_bytes(files.said.root)
    result = files.zhangban("evidence", "verify", str(tmp_path / "none.zip"), "--root", str(root))
    assert (result.exit_code, "[ARCHIVE_FILE_UNUSABLE]" in result.stderr) == (1, True)
