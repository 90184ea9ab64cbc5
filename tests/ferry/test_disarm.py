"""What is in an attachment: honest files of every listed type cross, and nothing that acts, hides or explodes."""

import hashlib
import io
import struct
import zipfile
import zlib
from datetime import timedelta
from typing import Any

import openpyxl
import pikepdf
import pytest
from PIL import Image

from ferry.clamd import Clamd
from ferry.disarm import ENDINGS, inspect
from ferry.inspecting import Inspector, verdict_of
from ferry.outgoing import hand_over_file
from ferry.refusals import AttachmentRefused, AttachmentUnchecked
from mobile_api import uploads
from tests.ferry.clamd_server import EICAR, VERSION, ClamdServer

MIB = 1 << 20
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


# ---- honest files


def pdf(change=lambda document: None, **saved) -> bytes:
    document = pikepdf.new()
    document.add_blank_page()
    change(document)
    out = io.BytesIO()
    document.save(out, **saved)
    return out.getvalue()


def attached(document, content: bytes) -> Any:
    made: Any = pikepdf.AttachedFileSpec  # its stub wants every name its code gives a default
    return made(document, content)


def picture(kind: str, **saved) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((80, 60), 40).convert("RGB").save(out, kind, **saved)
    return out.getvalue()


def packed(parts: dict[str, bytes], compression=zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def docx(extra: dict[str, bytes] | None = None, *, types: str = "", rels: str = "") -> bytes:
    return packed(
        {
            "[Content_Types].xml": f'<Types xmlns="t"><Default Extension="xml" ContentType="text/xml"/>{types}</Types>'
            .encode(),
            "_rels/.rels": f'<Relationships xmlns="r">{rels}</Relationships>'.encode(),
            "word/document.xml": "<w:document xmlns:w='w'>申请书</w:document>".encode(),
            **(extra or {}),
        }
    )  # fmt: skip


def xlsx() -> bytes:
    book = openpyxl.Workbook()
    book.create_sheet("材料")["A1"] = "材料清单"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def ofd(extra: dict[str, bytes] | None = None) -> bytes:
    parts = {"OFD.xml": b"<OFD/>", "Doc_0/Document.xml": b"<Document/>", "Doc_0/Res/image.png": picture("PNG")}
    return packed({**parts, **(extra or {})})


HONEST = {
    ".pdf": pdf,
    ".jpg": lambda: picture("JPEG"),
    ".jpeg": lambda: picture("JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    ".png": lambda: picture("PNG"),
    ".docx": docx,
    ".xlsx": xlsx,
    ".ofd": ofd,
}


def looked(tmp_path, octets: bytes, name: str = "", max_octets: int = 100 * MIB):
    path = tmp_path / "attachment"
    path.write_bytes(octets)
    return inspect(path, name=name, max_octets=max_octets)


def why(tmp_path, octets: bytes, **given) -> str:
    with pytest.raises(AttachmentRefused) as refused:
        looked(tmp_path, octets, **given)
    return str(refused.value.details["why"])


@pytest.mark.parametrize("ending", HONEST)
def test_an_honest_file_of_every_listed_type_may_cross(tmp_path, ending):
    found = looked(tmp_path, HONEST[ending](), f"材料{ending}")
    assert ending in ENDINGS[found.media_type]


def test_every_type_that_may_be_uploaded_may_cross():
    assert {kind: ENDINGS[kind] for kind in uploads.ENDINGS} == uploads.ENDINGS


def test_a_document_of_this_program_may_cross(tmp_path):
    """It carries its sealed content and the signature as attachments, which nothing opens."""

    def attach(document):
        for name, content in {
            "document.json": b'{"form":"x"}',
            "seal.der": b"\x30\x45\x02\x20\xfe" + bytes(66),
        }.items():
            document.attachments[name] = attached(document, content)

    assert looked(tmp_path, pdf(attach)).media_type == "application/pdf"


# ---- type, size


@pytest.mark.parametrize("ending", HONEST)
def test_a_name_that_says_another_type_is_refused(tmp_path, ending):
    other = ".png" if ending != ".png" else ".pdf"
    assert "another type" in why(tmp_path, HONEST[ending](), name=f"材料{other}")


@pytest.mark.parametrize(
    "octets",
    [
        b"MZ\x90\0" + bytes(200),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        b"Rar!\x1a\x07\0" + bytes(60),
        b"<html><script>alert(1)</script></html>",
        b"plain words",
        packed({"notes.txt": b"an archive of nothing known"}),
        packed({"OFD.xml": b"<OFD/>", "word/document.xml": b"<w/>"}),
        picture("GIF"),
    ],
    ids=["program", "old office", "rar", "page", "text", "archive", "two at once", "gif"],
)
def test_a_type_that_is_not_listed_is_refused(tmp_path, octets):
    assert why(tmp_path, octets) == "a type that is not listed"


def test_size_is_limited_both_ways(tmp_path):
    assert why(tmp_path, picture("PNG"), max_octets=100) == "too large"
    assert why(tmp_path, b"") == "empty"


# ---- pictures


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_with_something_behind_it_is_refused(tmp_path, kind):
    for tail in (b"PK\x03\x04 another file", b"<?php ?>", picture(kind)):
        assert why(tmp_path, picture(kind) + tail) == "something behind the picture"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_cut_short_anywhere_is_refused(tmp_path, kind):
    whole = picture(kind)
    for at in range(40, len(whole) - 1, max(1, len(whole) // 60)):
        assert why(tmp_path, whole[:at])


def test_a_picture_that_claims_to_be_giant_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    giant = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert why(tmp_path, giant) == "a picture of impossible size"


# ---- PDF


def action(kind: str, **more):
    return pikepdf.Dictionary(S=pikepdf.Name(kind), **more)


def script(document):
    return action("/JavaScript", JS="app.alert(1)")


def named_script(document) -> None:
    tree = pikepdf.Dictionary(Names=pikepdf.Array(["x", script(document)]))
    document.Root.Names = pikepdf.Dictionary(JavaScript=tree)


def hidden_script(document) -> None:
    """Behind three references, in an annotation nobody sees."""
    inner = document.make_indirect(script(document))
    annotation = document.make_indirect(
        pikepdf.Dictionary(Type=pikepdf.Name("/Annot"), AA=document.make_indirect(pikepdf.Dictionary(E=inner)))
    )
    document.pages[0].Annots = document.make_indirect(pikepdf.Array([annotation]))


ACTIVE = {
    "open action": lambda document: setattr(document.Root, "OpenAction", script(document)),
    "named": named_script,
    "hidden": hidden_script,
    "launch": lambda document: setattr(document.Root, "OpenAction", action("/Launch", F="cmd.exe")),
    "submit": lambda document: setattr(document.Root, "OpenAction", action("/SubmitForm", F="http://x")),
    "remote": lambda document: setattr(document.Root, "OpenAction", action("/GoToR", F="x")),
    "form": lambda document: setattr(
        document.Root, "AcroForm", pikepdf.Dictionary(XFA=pikepdf.Stream(document, b"<x/>"))
    ),
}


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("packs_objects", [False, True])
def test_a_pdf_that_acts_by_itself_is_refused(tmp_path, name, packs_objects):
    mode = pikepdf.ObjectStreamMode.generate if packs_objects else pikepdf.ObjectStreamMode.disable
    assert why(tmp_path, pdf(ACTIVE[name], object_stream_mode=mode)) == "active content"


def test_a_word_of_a_pdf_written_in_hexadecimal_hides_nothing(tmp_path):
    plain = pdf(ACTIVE["open action"], object_stream_mode=pikepdf.ObjectStreamMode.disable)
    hidden = plain.replace(b"/JavaScript", b"/J#61vaScrip").replace(b"/JS ", b"/#4aS")
    assert why(tmp_path, hidden) in {"active content", "a damaged PDF"}


def test_a_pdf_that_carries_a_program_is_refused(tmp_path):
    def attach(document):
        document.attachments["x.exe"] = attached(document, b"MZ" + bytes(3000))

    assert "not looked into" in why(tmp_path, pdf(attach))


def test_a_pdf_with_a_password_or_damage_is_refused(tmp_path):
    assert "password" in why(tmp_path, pdf(encryption=pikepdf.Encryption(owner="o", user="u")))
    assert "password" in why(tmp_path, pdf(encryption=pikepdf.Encryption(owner="o", user="")))
    assert why(tmp_path, pdf()[:-60])
    assert why(tmp_path, b"%PDF-1.7\n" + bytes(500)) == "a damaged PDF"


# ---- packages


@pytest.mark.parametrize(
    "part",
    [
        "word/vbaProject.bin", "word/VBAPROJECT.BIN", "xl/macrosheets/sheet1.xml", "word/activeX/activeX1.xml",
        "word/embeddings/oleObject1.bin", "word/run.exe", "word/media/page.html", "Doc_0/Attachs/Attachments.xml",
    ],
)  # fmt: skip
def test_a_package_with_macros_or_programs_is_refused(tmp_path, part):
    assert why(tmp_path, docx({part: b"Attribute VB_Name"})) == "active content"


def test_a_macro_that_its_type_gives_away_is_refused(tmp_path):
    types = '<Override PartName="/word/x.xml" ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/>'
    assert why(tmp_path, docx(types=types)) == "active content"
    spelt = types.replace("macroEnabled", "&#109;acroEnabled")
    assert why(tmp_path, docx(types=spelt)) == "active content"


def test_a_package_that_fetches_something_when_it_is_opened_is_refused(tmp_path):
    rel = '<Relationship Type="http://x/attachedTemplate" Target="http://x/t.dotm" TargetMode="External"/>'
    assert why(tmp_path, docx(rels=rel)) == "something fetched from elsewhere"
    link = '<Relationship Type="http://x/hyperlink" Target="http://www.gov.cn" TargetMode="External"/>'
    assert looked(tmp_path, docx(rels=link)).media_type == DOCX


def test_entities_in_a_package_are_not_expanded(tmp_path):
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha">]><Types>&a;</Types>'
    parts = {"[Content_Types].xml": laughs, "word/document.xml": b"<w/>"}
    assert why(tmp_path, packed(parts)) == "damaged XML"


def test_an_archive_bomb_is_refused(tmp_path):
    assert why(tmp_path, docx({"word/media/image1.bmp": bytes(64 * MIB)})) == "an archive bomb"


def test_a_bomb_of_many_entries_is_refused(tmp_path):
    assert why(tmp_path, docx({f"word/media/{number}.xml": b"" for number in range(6000)})) == "too many entries"


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path):
    size = 63 * MIB + 12_345
    octets = docx({"word/media/image1.bmp": bytes(size)})
    # Both headers of the entry claim a hundred octets.
    claimed, real = struct.pack("<I", 100), struct.pack("<I", size)
    assert octets.count(real) == 2
    assert why(tmp_path, octets.replace(real, claimed)) in {"a damaged archive", "an archive bomb"}


def test_an_archive_within_a_package_is_refused(tmp_path):
    inner = packed({"deeper.txt": bytes(1000)})
    assert "not looked into" in why(tmp_path, docx({"word/media/image1.png": inner}))


@pytest.mark.parametrize("name", ["../evil.xml", "/etc/x.xml", "word/../../x.xml", "C:\\x.xml"])
def test_a_path_out_of_a_package_is_refused(tmp_path, name):
    assert why(tmp_path, docx({name: b"<x/>"})) == "a path out of the archive"


def test_a_package_that_is_something_else_besides_is_refused(tmp_path):
    assert why(tmp_path, docx() + b"behind") == "something before or behind the archive"
    assert why(tmp_path, b"%PDF-1.7\n" + docx()) == "a damaged PDF"


def test_any_change_of_a_file_is_judged_and_never_breaks_the_judge(tmp_path):
    """Every file with octets changed here and there is either refused or still what it was."""
    for make in (pdf, docx, xlsx, HONEST[".jpg"], HONEST[".png"]):
        whole = make()
        for at in range(0, len(whole), max(1, len(whole) // 50)):
            changed = bytearray(whole)
            changed[at] ^= 0xFF
            try:
                looked(tmp_path, bytes(changed))
            except AttachmentRefused:
                continue


# ---- the scanner


@pytest.fixture
async def scanner(tmp_path):
    server = ClamdServer()
    async with server.listening() as address:
        server.address = address
        yield server


def put(tmp_path, octets: bytes):
    path = tmp_path / "scanned"
    path.write_bytes(octets)
    return path


async def test_the_scanner_is_asked_and_its_version_kept(scanner, tmp_path):
    octets = picture("PNG")
    inspector = Inspector(max_octets=MIB, scan=Clamd(scanner.address, timeout_s=30))
    assert await inspector.look(put(tmp_path, octets)) == ("image/png", f"disarm/1, {VERSION}")
    assert scanner.scanned == [len(octets)]


async def test_the_test_virus_is_found_in_an_honest_looking_file(scanner, tmp_path):
    infected = docx({"word/comments.xml": b"<x>" + EICAR + b"</x>"})
    with zipfile.ZipFile(io.BytesIO(infected)) as archive:
        stored = packed({name: archive.read(name) for name in archive.namelist()}, zipfile.ZIP_STORED)
    inspector = Inspector(max_octets=MIB, scan=Clamd(scanner.address, timeout_s=30))
    with pytest.raises(AttachmentRefused) as refused:
        await inspector.look(put(tmp_path, stored))
    assert refused.value.details["why"] == "the scanner found Eicar-Test-Signature"


async def test_a_scanner_listens_on_a_unix_socket_too(tmp_path):
    async with ClamdServer().listening(tmp_path / "clamd.sock") as address:
        assert await Clamd(address, timeout_s=30)(put(tmp_path, b"harmless")) == VERSION


@pytest.mark.parametrize(
    "answers",
    [
        {b"INSTREAM": None},
        {b"INSTREAM": "stream: UNKNOWN"},
        {b"INSTREAM": "INSTREAM size limit exceeded. ERROR"},
        {b"INSTREAM": "x" * 5000},
        {b"INSTREAM": ""},
        {b"VERSION": None},
        {b"VERSION": ""},
    ],
    ids=str,
)
async def test_without_a_clear_answer_nothing_is_clean(scanner, tmp_path, answers):
    scanner.answers = answers
    with pytest.raises(AttachmentUnchecked):
        await Clamd(scanner.address, timeout_s=30)(put(tmp_path, b"harmless"))


async def test_a_file_too_long_for_the_scanner_is_not_clean(tmp_path):
    async with ClamdServer(stream_max=1000).listening() as address:
        with pytest.raises(AttachmentUnchecked):
            await Clamd(address, timeout_s=30)(put(tmp_path, bytes(5 * MIB)))


async def test_a_scanner_that_is_gone_lets_nothing_pass(tmp_path):
    async with ClamdServer().listening() as address:
        pass
    with pytest.raises(AttachmentUnchecked):
        await Clamd(address, timeout_s=30)(put(tmp_path, b"harmless"))


# ---- on both sides


async def handed(side, octets: bytes) -> str:
    sha256 = hashlib.sha256(octets).hexdigest()
    path = side.files.path_of(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    with side.here():
        async with side.database.transaction():
            await hand_over_file(side.database, side.route, sha256=sha256, size=len(octets), now=side.clock.now())
    return sha256


async def inspected(pair, *sides, scan=None) -> None:
    for side in sides:
        side.changes["inspector"] = Inspector(max_octets=100 * MIB, scan=scan)
        await side.start()


BAD = {
    "type sniff mismatch": b"MZ\x90\0" + bytes(2000),
    "archive bomb": docx({"word/media/image1.bmp": bytes(64 * MIB)}),
    "macro": docx({"word/vbaProject.bin": b"Attribute VB_Name"}),
    "active pdf": pdf(ACTIVE["named"]),
}


@pytest.mark.feature("FERRY-06")
@pytest.mark.parametrize("name", BAD)
async def test_a_malicious_file_is_sealed_by_no_sender_and_kept_by_no_receiver(pair, name):
    good = picture("PNG")
    await inspected(pair, pair.outer, pair.inner)
    bad, fine = await handed(pair.outer, BAD[name]), await handed(pair.outer, good)
    await pair.settle()
    assert pair.inner.files.path_of(fine).read_bytes() == good
    assert not pair.inner.files.path_of(bad).exists()
    assert await pair.inner.rows("SELECT 1 FROM ferry_file WHERE sha256 = $1", bad) == []
    with pair.outer.here():
        verdict = await verdict_of(bad)
    assert verdict is not None
    assert verdict.code == "ATTACHMENT_REFUSED"
    # A sender that does not look: the receiver does.
    pair.outer.changes["inspector"] = None
    await pair.outer.start()
    other = BAD[name] + b"\n" if name == "type sniff mismatch" else BAD[name]
    await pair.outer.rows("DELETE FROM ferry_piece WHERE sha256 = $1", bad)
    again = await handed(pair.outer, other)
    await pair.settle()
    await pair.step()
    assert not pair.inner.files.path_of(again).exists()
    state = await pair.inner.rows("SELECT state FROM ferry_file WHERE sha256 = $1", again)
    assert [row["state"] for row in state] == ["refused"]
    assert await pair.inner.quarantined() == {"ATTACHMENT_REFUSED": "kept"}


async def test_without_its_scanner_a_receiver_keeps_nothing_until_it_answers(pair):
    server, octets = ClamdServer(), picture("PNG")
    async with server.listening() as address:
        await inspected(pair, pair.inner, scan=Clamd(address, timeout_s=30))
        server.answers = {b"INSTREAM": None}
        sha256 = await handed(pair.outer, octets)
        await pair.settle()
        await pair.step()
        assert not pair.inner.files.path_of(sha256).exists()
        server.answers = {}
        pair.clock.advance(timedelta(seconds=40))
        await pair.step()
        assert pair.inner.files.path_of(sha256).read_bytes() == octets
    with pair.inner.here():
        verdict = await verdict_of(sha256)
    assert verdict is not None
    assert (verdict.code, verdict.media_type, verdict.engine) == ("", "image/png", f"disarm/1, {VERSION}")


async def test_without_its_scanner_a_sender_seals_no_file(pair):
    server, octets = ClamdServer(), picture("PNG")
    async with server.listening() as address:
        await inspected(pair, pair.outer, scan=Clamd(address, timeout_s=30))
        server.answers = {b"INSTREAM": None}
        sha256 = await handed(pair.outer, octets)
        for _ in range(3):
            await pair.step()
        assert await pair.outer.parcels("acked", "sealed") == [
            row for row in await pair.outer.parcels("acked", "sealed") if row["lane"] != "bulk"
        ]
        server.answers = {}
        pair.clock.advance(timedelta(seconds=40))
        await pair.settle()
    assert pair.inner.files.path_of(sha256).read_bytes() == octets
