"""The upload door: what it takes, what it refuses, and that nothing of a refused file stays."""

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from casework.intake.acts import CollectUploads
from casework.intake.tables import Upload
from mobile_api.uploads import ENDINGS
from tests.mobile_api.stage import CLERK, HANDLER, Stage

PDF = b"%PDF-1.7\n" + b"x" * 1000
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"x" * 100
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 100
LIMIT = 4096


def zipped(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "<ofd:OFD/>")
    return made.getvalue()


async def brings(stage: Stage, content: Any, name: str = "申请表.pdf", **headers: str) -> httpx.Response:
    if not headers:
        ticket = (await stage.get("OpenFiling"))["ticket"]
        headers = {"authorization": f"Ticket {ticket}"}
    return await stage.http.post("/files", params={"name": name}, content=content, headers=headers)


def code_of(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


def left(stage: Stage) -> list[Path]:
    return [path for path in stage.services.files.rglob("*") if path.is_file()]


TAKEN = (
    (PDF, "申请表.pdf", "application/pdf"),
    (JPEG, "照片.JPG", "image/jpeg"),
    (JPEG + b"2", "照片.jpeg", "image/jpeg"),
    (PNG, " 扫描件.png ", "image/png"),
    (zipped("OFD.xml", "Doc_0/Document.xml"), "营业执照.ofd", "application/ofd"),
)
NOT_TAKEN = (
    (b"", "申请表.pdf"),
    (b"<html><script>", "申请表.pdf"),
    (b"MZ\x90\x00", "申请表.pdf"),
    (b"GIF89a", "图.png"),
    (PDF, "申请表.exe"),  # the name is what a browser will save
    (PDF, "申请表"),
    (PDF, "申请表.png"),
    (zipped("word/document.xml"), "合同.docx"),
    (zipped("word/document.xml"), "合同.ofd"),
    (zipped("OFD.xml"), "营业执照.zip"),
    (zipped("OFD.xml")[:-10], "营业执照.ofd"),
    (b"PK\x03\x04", "营业执照.ofd"),
    (
        zipped("OFD.xml", *(f"{n}".ljust(30_000, "x") for n in range(40))),
        "目录.ofd",
    ),  # reading such a list takes seconds
)


async def test_a_file_is_what_its_octets_say_and_is_kept_by_its_digest(stage: Stage) -> None:
    for content, name, media_type in TAKEN:
        answer = (await brings(stage, content, name)).json()
        digest = sha256(content).hexdigest()
        assert (answer["sha256"], answer["size"], answer["mediaType"]) == (digest, len(content), media_type)
        assert (stage.services.files / digest[:2] / digest).read_bytes() == content
        row = await Upload.get(sha256=digest)
        assert (row.size, row.media_type, row.kept) == (len(content), media_type, False)


async def test_what_it_does_not_take_leaves_nothing_behind(stage: Stage) -> None:
    for content, name in NOT_TAKEN:
        refused = await brings(stage, content, name)
        assert (refused.status_code, code_of(refused)) == (415, "FILE_TYPE_REFUSED"), name
    assert left(stage) == []
    assert not await Upload.exists()


async def test_a_name_is_short_and_printable(stage: Stage) -> None:
    for name in ("", " ", "长" * 121 + ".pdf", "a\x00b.pdf", "a\nb.pdf"):
        refused = await brings(stage, PDF, name)
        assert (refused.status_code, code_of(refused)) == (400, "BAD_REQUEST"), name


async def test_a_file_up_to_the_limit_and_not_an_octet_more(stage: Stage) -> None:
    stage.open_door(file_octets=LIMIT)
    assert (await brings(stage, PDF.ljust(LIMIT, b"x"))).status_code == 200
    refused = await brings(stage, PDF.ljust(LIMIT + 1, b"x"))
    assert (refused.status_code, code_of(refused)) == (413, "TOO_LARGE")


async def test_a_stream_without_a_length_is_cut_off_at_the_limit(stage: Stage) -> None:
    stage.open_door(file_octets=LIMIT)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * LIMIT:
            sent += 1024
            yield PDF.ljust(1024, b"x")[:1024]

    refused = await brings(stage, endless())
    assert (refused.status_code, code_of(refused)) == (413, "TOO_LARGE")
    assert left(stage) == []


async def test_a_strange_length_is_not_believed(stage: Stage) -> None:
    stage.open_door(file_octets=LIMIT)
    ticket = (await stage.get("OpenFiling"))["ticket"]
    for length in ("-1", "9" * 5000, "1e9", ""):
        headers = [(b"authorization", f"Ticket {ticket}".encode()), (b"content-length", length.encode())]
        request = stage.http.build_request("POST", "/files", params={"name": "表.pdf"}, headers=headers)
        request.stream = httpx.ByteStream(PDF)
        assert (await stage.http.send(request)).status_code == 200, length


async def test_the_same_file_twice_is_one_file(stage: Stage) -> None:
    first, second = await brings(stage, PDF), await brings(stage, PDF)
    assert first.json()["sha256"] == second.json()["sha256"]
    assert len(left(stage)) == 1
    assert await Upload.all().count() == 1


async def test_nobody_brings_a_file_without_a_ticket_or_a_session(stage: Stage) -> None:
    anonymous = await stage.http.post("/files", params={"name": "表.pdf"}, content=PDF)
    assert (anonymous.status_code, code_of(anonymous)) == (401, "LOGIN_NEEDED")
    forged = await brings(stage, PDF, authorization="Ticket e30.00")
    assert (forged.status_code, code_of(forged)) == (403, "LINK_INVALID")
    token = (await stage.phone(CLERK)).token
    assert (await brings(stage, PDF, authorization=f"Bearer {token}")).status_code == 200


async def test_a_ticket_is_for_so_many_files(stage: Stage) -> None:
    stage.open_door(per_ticket="2 per 2 hours")
    ticket = (await stage.get("OpenFiling"))["ticket"]
    answers = [await brings(stage, PDF, authorization=f"Ticket {ticket}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert (await brings(stage, PDF)).status_code == 200  # another ticket


async def test_a_ticket_and_a_receipt_live_two_hours(stage: Stage) -> None:
    ticket = (await stage.get("OpenFiling"))["ticket"]
    receipt = (await brings(stage, PDF)).json()["upload"]
    stage.clock.advance(timedelta(hours=2))
    assert (await brings(stage, PDF, authorization=f"Ticket {ticket}")).status_code == 403
    late = await stage.ask("FileApplication", idempotencyKey="too-late", application=_application(receipt))
    assert late["data"]["fileApplication"]["code"] == "LINK_INVALID"


async def test_a_repeat_needs_no_file_any_more_and_another_filing_does(stage: Stage) -> None:
    application = _application((await brings(stage, PDF)).json()["upload"])
    filed = await stage.get("FileApplication", idempotencyKey="filing-1", application=application)
    await Upload.all().delete()
    again = await stage.get("FileApplication", idempotencyKey="filing-1", application=application)
    assert (again["number"], again["queryPassword"]) == (filed["number"], filed["queryPassword"])
    other = await stage.get("FileApplication", idempotencyKey="filing-2", application=application)
    assert other["code"] == "LINK_INVALID"


async def test_a_repeat_is_answered_when_its_receipt_has_expired_and_nothing_else_is(stage: Stage) -> None:
    application = _application((await brings(stage, PDF)).json()["upload"])
    filed = await stage.get("FileApplication", idempotencyKey="filing-1", application=application)
    stage.clock.advance(timedelta(days=3))
    again = await stage.get("FileApplication", idempotencyKey="filing-1", application=application)
    assert again["number"] == filed["number"]
    for key, changes in (("filing-2", {}), ("filing-1", {"applicantName": "另一家公司"})):
        late = await stage.get("FileApplication", idempotencyKey=key, application={**application, **changes})
        assert late["code"] == ("LINK_INVALID" if key == "filing-2" else "KEY_REUSED")


async def test_what_is_filed_stays_and_what_is_not_is_collected(stage: Stage) -> None:
    filed, forgotten = (await brings(stage, PDF)).json(), (await brings(stage, PNG, "图.png")).json()
    await stage.file(materials=[{"name": "申请表", "upload": filed["upload"]}])
    stage.clock.advance(timedelta(hours=25))
    assert (await stage.clock_does(CollectUploads())).count == 1
    assert [path.name for path in left(stage)] == [filed["sha256"]]
    assert not await Upload.exists(sha256=forgotten["sha256"])


async def test_one_file_has_one_name_in_the_log(stage: Stage) -> None:
    number, phone = await stage.accepted(), await stage.phone(HANDLER)
    (id,) = [str(row["id"]) for row in await stage.database.rows("SELECT MIN(id) AS id FROM document")]
    await stage.get("ViewDocument", phone.token, case=number, id=f"000{id}")
    refused = await stage.get("ViewDocument", phone.token, case=number, id=chr(ord("０") + int(id)))
    assert refused["code"] == "NOT_FOUND"
    logged = await stage.database.rows("SELECT what FROM view_log WHERE what LIKE 'link %'")
    assert [row["what"] for row in logged] == [f"link document:{id}"]


async def test_every_look_at_a_file_is_logged_and_a_link_is_short_lived(stage: Stage) -> None:
    upload = (await brings(stage, PDF)).json()["upload"]
    case = await stage.accepted(materials=[{"name": "申请表", "upload": upload}])
    phone = await stage.phone(HANDLER)
    (material,) = (await stage.get("Case", phone.token, number=case))["materials"]
    link = await stage.get("ViewMaterial", phone.token, case=case, id=material["id"])
    for _ in range(2):
        assert (await stage.http.get(link["url"])).content == PDF
    rows = await stage.database.rows("SELECT what, viewer FROM view_log WHERE what = $1", f"material:{material['id']}")
    assert [row["viewer"] for row in rows] == [f"officer:{HANDLER}"] * 2
    stage.clock.advance(timedelta(minutes=5))
    assert (await stage.http.get(link["url"])).status_code == 403


HEADS = st.sampled_from(
    [b"", b"%PDF-", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"PK\x05\x06", zipped("OFD.xml")]
)
NAMES = st.one_of(st.text(max_size=130), st.sampled_from(["a.pdf", "a.png", "a.jpg", "a.ofd", "../a.pdf", "a.pdf\x00"]))


async def test_whatever_is_brought_is_kept_whole_or_refused_in_words(stage: Stage) -> None:
    stage.open_door(file_octets=LIMIT, per_ticket="100000 per 2 hours")
    ticket = (await stage.get("OpenFiling"))["ticket"]

    tries: list[tuple[bytes, str, str]] = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(HEADS, st.binary(max_size=2 * LIMIT), NAMES, st.sampled_from(["Ticket", "Ticket", "Bearer", "x"]))
    @example(zipped("OFD.xml"), b"PK\x05\x06" + b"\xff" * 18, "a.ofd", "Ticket")
    def collect(head: bytes, tail: bytes, name: str, scheme: str) -> None:
        tries.append((head + tail, name, scheme))

    collect()
    for content, name, scheme in tries:
        before = set(left(stage))
        answer = await brings(stage, content, name, authorization=f"{scheme} {ticket}")
        if answer.status_code == 200:
            kept = answer.json()
            assert kept["sha256"] == sha256(content).hexdigest()
            assert Path(name.strip().lower()).suffix in ENDINGS[kept["mediaType"]]
            assert len(content) <= LIMIT
        else:
            assert answer.status_code in (400, 401, 403, 413, 415), answer.text
            assert code_of(answer)
            assert set(left(stage)) == before
        assert not [path for path in left(stage) if path.suffix == ".part"]


def _application(receipt: str) -> dict[str, Any]:
    return {
        "item": "ZJ-XK-001",
        "stage": "ZJ-XK-001-01",
        "applicantName": "衡江建设有限公司",
        "applicantIdNumber": "91430400MA4L000000",
        "applicantPhone": "13800000001",
        "materials": [{"name": "申请表", "upload": receipt}],
    }
