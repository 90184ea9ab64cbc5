"""Archive packages: what was closed can be shown, checked by strangers, and not changed by anybody."""

import io
import json
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from casework.archive.acts import ArchiveCases
from casework.archive.tables import ArchiveRecord
from casework.tables import Case
from certs.authority import Authority, pem
from kernel.refusals import Refusal
from server.archive import manifest as manifests
from server.archive import zipped
from server.archive.checking import read_root, verify
from server.archive.faults import ArchiveVerdict, FaultCode
from server.archive.filing import package
from tests.certs.made import Ca
from tests.mobile_api.stage import Stage
from tests.server.archived import PDF, archived, delivered, packed

Files = dict[str, bytes]


def unpacked(octets: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(octets)) as found:
        return {name: found.read(name) for name in found.namelist()}


def repacked(files: Files) -> bytes:
    return container(*files.items())


def container(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    zipped.write(out, [(name, len(each), zlib.crc32(each), iter([each])) for name, each in files])
    return out.getvalue()


def judged(octets: bytes, authority: Authority) -> ArchiveVerdict:
    return verify(io.BytesIO(octets), authority.root)


def codes(verdict: ArchiveVerdict) -> dict[str, str]:
    """Where to what, the first of each place."""
    return {fault.where: fault.code for fault in reversed(verdict.faults)}


# ----------------------------------------------------------------------------------------------------- the package
@pytest.mark.feature("CERT-04")
async def test_a_closed_case_becomes_a_package_that_verifies_with_the_root_alone(stage: Stage, tmp_path: Path):
    case = await archived(stage)
    octets = await packed(stage, case)
    verdict = verify(io.BytesIO(octets), read_root(pem(stage.authority.root)))
    assert verdict.faults == ()
    assert (verdict.case, verdict.unit, verdict.decisions) == (case, "ZJJ", 6)
    record = await ArchiveRecord.get(case_number=case)
    assert (verdict.archive, verdict.sha256) == (record.number, record.sha256)
    assert set(verdict.record) == {"申请人信息", "经办人信息", "收文信息", "发文信息", "回执信息", "数据交换信息"}
    assert all(count > 0 for name, count in verdict.record.items() if name != "数据交换信息")
    # One event edited, and one deleted, in the middle of the record.
    for meddled in (
        lambda lines: [*lines[:2], lines[2].replace(b"officer", b"offices", 1), *lines[3:]],
        lambda lines: [*lines[:2], *lines[3:]],
    ):
        files = unpacked(octets)
        files["events.jsonl"] = b"\n".join(meddled(files["events.jsonl"].splitlines())) + b"\n"
        found = codes(judged(repacked(files), stage.authority))
        assert found["events.jsonl"] == FaultCode.FILE_CHANGED
        assert found["#3"] == FaultCode.EVENT_CHAIN_BROKEN


async def test_a_package_holds_facts_originals_seals_signatures_and_materials(stage: Stage):
    case = await archived(stage)
    files = unpacked(await packed(stage, case))
    manifest = json.loads(files["manifest.json"])
    assert [material["name"] for material in manifest["materials"]] == ["申请表", "用地批准手续"]
    assert files["materials/0001"] == PDF
    facts = json.loads(files["case.json"])
    assert (facts["number"], facts["applicant_name"], len(facts["steps"])) == (case, "衡江建设有限公司", 6)
    titles = {
        json.loads(files[paper["path"]])["draft"]["title"] for paper in manifest["papers"] if paper["kind"] != "licence"
    }
    assert {"受理通知书", "准予行政许可决定书"} <= titles
    assert {path.split("/")[-1] for path in files if path.startswith("decisions/")} == {
        "payload.bin",
        "signature.der",
        "signer.pem",
    }
    assert list(files)[3:] == sorted(list(files)[3:])


async def test_every_part_verifies_with_plain_openssl(stage: Stage, tmp_path: Path):
    files = unpacked(await packed(stage, await archived(stage)))
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "root.pem").write_bytes(pem(stage.authority.root))

    def openssl(*words: str) -> str:
        done = subprocess.run(["openssl", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    (tmp_path / "seal.pub").write_text(openssl("x509", "-in", "manifest.pem", "-pubkey", "-noout"))
    check = ("dgst", "-sha256", "-verify", "seal.pub", "-signature")
    assert "Verified OK" in openssl(*check, "manifest.sig", "manifest.json")
    for listed in json.loads(files["manifest.json"])["files"]:
        assert openssl("dgst", "-sha256", "-r", listed["path"]).startswith(listed["sha256"])


async def test_the_same_case_gives_the_same_package_octet_by_octet(stage: Stage):
    case = await archived(stage)
    assert await packed(stage, case) == await packed(stage, case)


async def test_every_closed_case_is_archived_once_under_a_number_without_gaps(stage: Stage):
    first = await delivered(stage)
    second = await delivered(stage)
    await stage.accepted()  # still open
    for count in (2, 0):
        assert (await stage.clock_does(ArchiveCases())).count == count
    numbers = [(await Case.get(number=case)).archive_number for case in (first, second)]
    assert [number[-2:] for number in numbers] == ["1号", "2号"]
    (row,) = await stage.database.rows(
        "SELECT body FROM event WHERE subject = $1 ORDER BY seq DESC LIMIT 1", f"case:{first}"
    )
    record = await ArchiveRecord.get(case_number=first)
    assert json.loads(str(row["body"])) == {
        "event": "case.archived",
        "case": first,
        "archive": record.number,
        "sha256": record.sha256,
    }


async def test_a_departments_own_system_keeps_its_own_archive(stage: Stage):
    case = await delivered(stage)
    await stage.database.execute("UPDATE case_file SET channel = 'self_built'")
    assert (await stage.clock_does(ArchiveCases())).count == 0
    assert (await Case.get(number=case)).archive_number == "自建系统"
    assert await ArchiveRecord.all().count() == 0


async def test_a_case_that_cannot_be_archived_keeps_no_other_waiting(stage: Stage):
    broken, sound = await delivered(stage), await delivered(stage)
    await stage.database.execute("UPDATE document SET seal_serial = 'f00' WHERE number LIKE '%1号'")
    assert (await stage.clock_does(ArchiveCases())).count == 1
    assert (await Case.get(number=broken)).archive_number == ""
    assert (await Case.get(number=sound)).archive_number != ""


async def test_a_case_that_is_not_closed_has_no_package(stage: Stage):
    case = await stage.accepted()
    with pytest.raises(Refusal, match="NOT_ARCHIVED"):
        await package(stage.authority, stage.database, case, stage.services.files)
    with pytest.raises(Refusal, match="UNKNOWN_CASE"):
        await package(stage.authority, stage.database, "000", stage.services.files)


#: What somebody does to the database, and the path whose octets it changes.
CHANGES = (
    ("UPDATE case_file SET applicant_name = '别人'", "case.json"),
    ("UPDATE case_step SET opinion = '不同意。' WHERE seq = 4", "case.json"),
    ("UPDATE event SET body = '{}' WHERE seq = 2 AND subject LIKE 'case:%'", "events.jsonl"),
    ("DELETE FROM event WHERE seq = 2 AND subject LIKE 'case:%'", "events.jsonl"),
    ("UPDATE document SET content = '{}' WHERE kind = 'grant'", "documents/"),
    ("UPDATE document SET seal_signature = NULL WHERE kind = 'grant'", "documents/"),
    (
        "UPDATE signing_request SET payload ="
        " (SELECT g.signature FROM signature g WHERE g.nonce = signing_request.nonce)",
        "decisions/",
    ),
    ("UPDATE item_version SET definition = '{}'", "item.json"),
    ("DELETE FROM item_version", "item.json"),
    ("DELETE FROM signature", "decisions/"),
    ("UPDATE archive_record SET manifest = REPLACE(manifest, '档〔2026〕', '档〔2025〕')", "manifest.json"),
    ("UPDATE archive_record SET seal_serial = 'f00'", "manifest.json"),
    ("UPDATE archive_record SET manifest = '{}'", "manifest.json"),
)


class _Undone(Exception):
    """Rolls a transaction back."""


async def test_what_is_changed_after_archiving_is_named_and_not_exported(stage: Stage):
    case = await archived(stage)
    for statement, path in CHANGES:
        with suppress(_Undone):
            async with stage.database.transaction():
                await stage.database.execute(statement)
                with pytest.raises(Refusal, match="ARCHIVE_DIFFERS") as refused:
                    await package(stage.authority, stage.database, case, stage.services.files)
                differing = refused.value.details["files"]
                assert isinstance(differing, list)
                assert any(each.startswith(path) for each in differing), statement
                raise _Undone
    await package(stage.authority, stage.database, case, stage.services.files)


async def test_a_lost_or_changed_material_is_named(stage: Stage):
    case = await archived(stage)
    (kept,) = [path for path in stage.services.files.rglob("*") if path.is_file() and path.read_bytes() == PDF]
    kept.write_bytes(PDF + b"!")
    with pytest.raises(Refusal, match="materials/0001"):
        await package(stage.authority, stage.database, case, stage.services.files)
    kept.unlink()
    with pytest.raises(Refusal, match="materials/0001"):
        await package(stage.authority, stage.database, case, stage.services.files)


async def test_what_happens_after_archiving_is_no_part_of_it_and_breaks_nothing(stage: Stage):
    case = await archived(stage)
    before = await packed(stage, case)
    phone = await stage.phone("OFF-0001")
    await stage.get("Case", phone.token, number=case)
    await stage.clock_does(ArchiveCases())
    assert await packed(stage, case) == before


async def test_a_unit_that_is_renamed_later_does_not_spoil_its_archives(stage: Stage):
    case = await archived(stage)
    before = await packed(stage, case)
    await stage.database.execute("UPDATE unit SET name = '衡江县住房保障和城乡建设局', short_name = '住保局'")
    assert await packed(stage, case) == before


# ------------------------------------------------------------------------------------------------------- tampering
def _edit(path: str, change: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    return lambda files: {**files, path: change(files[path])}


def _without(path: str) -> Callable[[Files], Files]:
    return lambda files: {name: each for name, each in files.items() if name != path}


def _first(prefix: str, suffix: str) -> Callable[[Files], str]:
    return lambda files: next(name for name in files if name.startswith(prefix) and name.endswith(suffix))


def _reordered(files: Files) -> Files:
    names = list(files)
    names[3], names[4] = names[4], names[3]
    return {name: files[name] for name in names}


#: What somebody does to the files, where it must show, and as what.
MEDDLING: tuple[tuple[Callable[[Files], Files], str, str], ...] = (
    (_edit("case.json", lambda each: each.replace("准予".encode(), "不予".encode())), "case.json", "FILE_CHANGED"),
    (_edit("materials/0001", lambda each: each[:-1]), "materials/0001", "FILE_CHANGED"),
    (_without("documents/0001.json"), "documents/0001.json", "FILE_MISSING"),
    (_without("materials/0001"), "materials/0001", "FILE_MISSING"),
    (lambda files: {**files, "documents/0099.json": b"{}"}, "documents/0099.json", "FILE_ADDED"),
    (_reordered, "case.json", "ORDER_CHANGED"),
    (_edit("documents/0002.json", lambda each: each.replace(b"draft", b"craft")), "documents/0002.json", ""),
    (_edit("documents/0002.sig", lambda each: each[:-1] + bytes([each[-1] ^ 1])), "documents/0002.sig", ""),
    (_edit("certificates/revocations.crl", lambda each: each[:-1]), "certificates/revocations.crl", ""),
    (_without("certificates/issuing.pem"), "manifest.json", "MANIFEST_SEAL_INVALID"),
    (_edit("manifest.sig", lambda each: each[:-1] + bytes([each[-1] ^ 1])), "manifest.json", ""),
    (_without("manifest.pem"), "manifest.json", "MANIFEST_SEAL_INVALID"),
    (
        _edit("manifest.json", lambda each: each.replace("档〔2026〕".encode(), "档〔2025〕".encode())),
        "manifest.json",
        "MANIFEST_SEAL_INVALID",
    ),
)


async def test_every_meddling_is_named(stage: Stage):
    octets = await packed(stage, await archived(stage))
    for meddle, where, code in MEDDLING:
        found = codes(judged(repacked(meddle(unpacked(octets))), stage.authority))
        assert where in found
        assert code in found[where]


def _deep_document(files: Files) -> bytes:
    """A document's fields in their types, and a number that canonical JSON does not have."""
    return files["documents/0001.json"].replace(b'"template":1', b'"template":%d' % (1 << 60))


async def test_whatever_octets_stand_in_a_file_are_a_fault_and_never_a_crash(stage: Stage):
    files = unpacked(await packed(stage, await archived(stage)))
    deep = b'{"x":' + b"[" * 100_000
    event = json.loads(files["events.jsonl"].splitlines()[0])
    early = json.dumps({**event, "at": "0001-01-01T00:00:00+14:00"}).encode()
    nested = json.dumps({**event, "body": deep.decode()}).encode()
    for path, content in files.items():
        middle = len(content) // 2
        damaged = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
        for octets in (damaged, b"", b"\xff", b'{"number":"\xff"}', deep, early, nested, _deep_document(files)):
            if path == "manifest.json" and octets is not damaged:
                continue  # no package at all, and refused as such
            with suppress(Refusal) if path == "manifest.json" else nullcontext():
                assert judged(repacked({**files, path: octets}), stage.authority).faults, (path, octets[:40])


async def test_a_meddled_signature_is_named_even_under_a_new_seal(stage: Stage):
    """Whoever holds the unit's seal can seal another manifest, but not sign for the officers."""
    case = await archived(stage)
    files = unpacked(await packed(stage, case))
    payload = _first("decisions/SG00000002", "payload.bin")(files)
    files[payload] = files[payload].replace("同意".encode(), "反对".encode())
    files["documents/0002.json"] = files["documents/0002.json"].replace("衡江建设".encode(), "衡江地产".encode())
    removed = _first("decisions/SG00000003", "signer.pem")(files).split("/")[1]
    for name in [name for name in files if removed in name]:
        del files[name]
    sealed = _sealed_anew(stage, files, without=removed)
    found = codes(judged(sealed, stage.authority))
    assert "manifest.json" not in found
    assert found[payload.split("/")[1]] == FaultCode.DECISION_INVALID
    assert found["documents/0002.json"] == FaultCode.PAPER_SEAL_INVALID
    assert found[removed] == FaultCode.DECISION_MISSING
    assert FaultCode.SIGNED_DOCUMENT_MISSING in found.values()


def _sealed_anew(stage: Stage, files: Files, *, without: str) -> bytes:
    manifest = json.loads(files["manifest.json"])
    manifest["decisions"] = [each for each in manifest["decisions"] if each["evidence"] != without]
    manifest["files"] = [
        {"path": each["path"], "sha256": _sha256(files[each["path"]]), "size": len(files[each["path"]])}
        for each in manifest["files"]
        if each["path"] in files
    ]
    manifest["root"] = manifests.root_of(manifests.Listed(**each) for each in manifest["files"])
    octets = manifests.written(manifests.read(json.dumps(manifest).encode()))
    key = stage.authority.keyring.key(f"unitseal.{manifest['unit']}")
    return repacked({**files, "manifest.json": octets, "manifest.sig": key.sign(octets, ec.ECDSA(hashes.SHA256()))})


def _sha256(octets: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(octets)
    return digest.finalize().hex()


async def test_another_root_vouches_for_nothing(stage: Stage):
    octets = await packed(stage, await archived(stage))
    verdict = verify(io.BytesIO(octets), Ca("别的根 CA").certificate)
    assert codes(verdict)["manifest.json"] == FaultCode.MANIFEST_SEAL_INVALID
    assert {fault.code for fault in verdict.faults} >= {FaultCode.DECISION_INVALID, FaultCode.PAPER_SEAL_INVALID}


def test_a_root_that_is_no_self_signed_certificate_is_refused():
    issued = pem(Ca(issuer=Ca()).certificate)
    for octets in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", issued):
        with pytest.raises(Refusal, match="ARCHIVE_ROOT_UNREADABLE"):
            read_root(octets)


# -------------------------------------------------------------------------------------------------- hostile files
def zip_of(*entries: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, content in entries:
            made.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, compression)
    return out.getvalue()


PLAIN = repacked({"manifest.json": b"{}", "a": b"1"})


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"", "ARCHIVE_UNREADABLE"),
        (b"%PDF-1.7", "ARCHIVE_UNREADABLE"),
        (b"PK\x05\x06" + bytes(18), "ARCHIVE_UNREADABLE"),  # an empty ZIP
        (PLAIN[:20], "ARCHIVE_UNREADABLE"),
        (PLAIN[:60], "ARCHIVE_UNREADABLE"),
        (PLAIN[:-1], "ARCHIVE_UNREADABLE"),
        (PLAIN + b"\0", "ARCHIVE_UNREADABLE"),  # something behind the end
        (b"\0" + PLAIN, "ARCHIVE_UNREADABLE"),  # something before the beginning
        (zip_of(("a", bytes(50_000_000)), compression=zipfile.ZIP_DEFLATED), "ARCHIVE_COMPRESSED"),  # a bomb
        (zip_of(("../evil", b"")), "ARCHIVE_PATH_UNSAFE"),
        (zip_of(("/etc/passwd", b"")), "ARCHIVE_PATH_UNSAFE"),
        (zip_of(("a/../../b", b"")), "ARCHIVE_PATH_UNSAFE"),
        (zip_of(("C:evil", b"")), "ARCHIVE_PATH_UNSAFE"),
        (zip_of(("a\\b", b"")), "ARCHIVE_PATH_UNSAFE"),
        (zip_of((".hidden", b"")), "ARCHIVE_PATH_UNSAFE"),
        (zip_of(("档案", b"")), "ARCHIVE_PATH_UNSAFE"),
        (zip_of(("a" * 101, b"")), "ARCHIVE_PATH_UNSAFE"),
        (container(("a", b"1"), ("b", b"2"), ("a", b"3")), "ARCHIVE_NAME_TWICE"),
        (PLAIN, "ARCHIVE_MANIFEST_UNREADABLE"),
        (repacked({"manifest.json": b"[" * 100_000}), "ARCHIVE_MANIFEST_UNREADABLE"),
        (repacked({"manifest.json": b"\xff"}), "ARCHIVE_MANIFEST_UNREADABLE"),
        (repacked({"a": b""}), "ARCHIVE_MANIFEST_UNREADABLE"),
        (repacked({"manifest.json": b" " * ((4 << 20) + 1)}), "ARCHIVE_TOO_LARGE"),
        (repacked({"manifest.json": b" " * ((16 << 20) + 1)}), "ARCHIVE_TOO_LARGE"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} octets",
)
def test_a_hostile_file_is_refused_with_its_code(octets: bytes, code: str):
    with pytest.raises(Refusal) as refused:
        verify(io.BytesIO(octets), Ca().certificate)
    assert refused.value.code == code


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zipped, "MOST_ENTRIES", 2)
    with pytest.raises(Refusal, match="ARCHIVE_TOO_LARGE"):
        repacked({"a": b"", "b": b"", "c": b""})
    octets = zip_of(("a", b""), ("b", b""), ("c", b""))
    monkeypatch.setattr(zipped, "MOST_ENTRIES", 3)
    whole = repacked({"a": b"", "b": b"", "c": b""})
    monkeypatch.setattr(zipped, "MOST_ENTRIES", 2)
    for each in (whole, octets):
        with pytest.raises(Refusal):
            zipped.read(io.BytesIO(each))


@settings(max_examples=300)
@given(place=st.integers(min_value=0), value=st.integers(min_value=1, max_value=255))
def test_no_octet_of_the_container_can_be_changed_unseen(place: int, value: int):
    whole = repacked({"manifest.json": b"{}", "b": b"12345", "c/d.sig": b""})
    damaged = bytearray(whole)
    damaged[place % len(whole)] ^= value
    try:
        entries = zipped.read(io.BytesIO(bytes(damaged)))
    except Refusal:
        return
    assert not all(entry.sound for entry in entries)


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_random_octets_never_crash_the_reader(octets: bytes):
    for each in (octets, PLAIN[:40] + octets, PLAIN + octets):
        try:
            verify(io.BytesIO(each), ROOT)
        except Refusal:
            continue


ROOT = Ca().certificate


def test_every_unzip_opens_it():
    files = {"a": b"1", "b/c.json": "中".encode(), "e": b""}
    assert unpacked(repacked(files)) == files
    with zipfile.ZipFile(io.BytesIO(repacked(files))) as found:
        assert found.testzip() is None
