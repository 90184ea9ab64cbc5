"""Documents at the door: links to PDFs, public verification, the wording's way through the legal office."""

import base64
import hashlib
import re

import pytest

from casework.papers.acts import EnterTemplates
from casework.papers.printing import check_code
from casework.papers.wordings import canonical
from certs.acts import RevocationReason, RevokeCertificate
from kernel.actor import THE_OPERATOR
from tests.casework.test_papers_printing import Printed
from tests.mobile_api.stage import CHIEF, HANDLER, Stage

LEGAL, DRAFTER = "OFF-0082", "OFF-0031"


async def accepted(stage: Stage) -> tuple[str, dict]:
    """A case and its 《受理通知书》."""
    case = await stage.accepted()
    token = (await stage.phone(CHIEF)).token
    return case, (await stage.get("Case", token, number=case))["documents"][-1]


async def fetched(stage: Stage, case: str, document: dict, form: str = "PDF", who: str = CHIEF):
    token = (await stage.phone(who)).token
    link = await stage.get("ViewDocument", token, case=case, id=document["id"], form=form)
    return await stage.http.get(link["url"])


def path_and_code(printed: Printed) -> str:
    (link,) = printed.codes()
    return link.removeprefix("http://localhost:8000")


@pytest.mark.feature("INT-06")
async def test_a_document_is_a_pdf_whose_seal_anybody_can_verify(stage: Stage) -> None:
    case, document = await accepted(stage)
    response = await fetched(stage, case, document)
    assert response.headers["content-type"] == "application/pdf"
    printed = Printed.of(response.content)
    for said in ("受理通知书", "".join(document["number"].split()), "2026年9月18日", "衡江建设有限公司"):
        assert said in printed.text
    page = await stage.http.get(path_and_code(printed))
    assert page.status_code == 200
    for said in (
        "印章有效",
        "受理通知书",
        document["number"],
        "衡江县住房和城乡建设局",
        "2026-09-18",
        document["sha256"],
    ):
        assert said in page.text
    log = await stage.database.rows("SELECT what, viewer FROM view_log ORDER BY id DESC")
    assert (log[0]["what"], log[0]["viewer"]) == (f"document:{document['id']}", f"officer:{CHIEF}")


async def test_a_print_is_made_once_and_again_when_it_was_lost(stage: Stage) -> None:
    case, document = await accepted(stage)
    first, second = await fetched(stage, case, document), await fetched(stage, case, document, who=HANDLER)
    assert first.content == second.content
    (row,) = await stage.database.rows("SELECT sha256, size, made_with FROM document_print")
    assert (row["sha256"], row["size"]) == (hashlib.sha256(first.content).hexdigest(), len(first.content))
    assert str(row["made_with"]).startswith("typst ")
    for kept in (stage.services.files / "prints").rglob("*"):
        if kept.is_file():
            kept.unlink()
    assert (await fetched(stage, case, document)).content == first.content
    assert len(await stage.database.rows("SELECT id FROM document_print")) == 1


async def test_the_sealed_octets_and_the_page_are_there_beside_the_pdf(stage: Stage) -> None:
    case, document = await accepted(stage)
    original = await fetched(stage, case, document, "SEALED")
    assert hashlib.sha256(original.content).hexdigest() == document["sha256"]
    assert canonical(original.json()) == original.content
    page = await fetched(stage, case, document, "HTML")
    assert document["number"] in page.text
    assert "sandbox" in page.headers["content-security-policy"]


# ---------------------------------------------------------------------------------------------------- verification
async def test_verification_tells_nothing_about_persons_and_nothing_without_the_code(stage: Stage) -> None:
    case, document = await accepted(stage)
    printed = Printed.of((await fetched(stage, case, document)).content)
    page = await stage.http.get(path_and_code(printed))
    for secret in (case, "衡江建设", "91430400MA4L000000", "13800000001", "施工许可", "同意"):
        assert secret not in page.text
    assert set((await stage.http.get(path_and_code(printed), headers={"accept": "application/json"})).json()) == {
        *("number", "title", "unit", "issued_on", "sha256", "seal_serial", "seal", "copy"),
    }
    code = check_code(stage.secrets, document["number"])
    for path in (
        f"/verify/{document['id']}",
        f"/verify/{document['id']}?c={'0' * 10}",
        f"/verify/{int(document['id']) + 1}?c={code}",
        "/verify/99999999999999999999?c=1",
        "/verify/é?c=%01",
    ):
        told = await stage.http.get(path)
        assert told.status_code == 404, path
        assert document["number"] not in told.text


async def test_number_and_code_may_be_typed_as_they_are_read(stage: Stage) -> None:
    _, document = await accepted(stage)
    code = check_code(stage.secrets, document["number"])
    assert (await stage.http.get("/verify")).status_code == 200
    for typed in (code, f"{code[:5]}-{code[5:]}", f" {code.lower()} ", code.replace("0", "O").replace("1", "l")):
        page = await stage.http.get("/verify", params={"number": f" {document['number']} ", "c": typed})
        assert "印章有效" in page.text, typed
    assert "valid" in (await stage.http.get(f"/verify/{document['number']}?c={code}")).text


async def test_an_altered_document_and_a_revoked_seal_show(stage: Stage) -> None:
    _, document = await accepted(stage)
    path = f"/verify/{document['id']}?c={check_code(stage.secrets, document['number'])}"
    revoke = RevokeCertificate(serial=document["sealSerial"], reason=RevocationReason.SUPERSEDED)
    await stage.office.perform(revoke, THE_OPERATOR, key=None)
    assert "印章证书已于事后吊销" in (await stage.http.get(path)).text
    await stage.database.execute("UPDATE document SET content = REPLACE(content, '受理', '不受理')")
    assert "印章无效" in (await stage.http.get(path)).text


async def test_a_pdf_is_recognised_by_its_octets_and_one_changed_octet_is_not(stage: Stage) -> None:
    case, document = await accepted(stage)
    octets = (await fetched(stage, case, document)).content
    found = await stage.http.post("/verify", content=octets)
    assert (found.status_code, found.json()["number"], found.json()["copy"]) == (200, document["number"], True)
    changed = octets[:-10] + b"x" + octets[-9:]
    assert (await stage.http.post("/verify", content=changed)).json() == {"found": False}
    stage.open_door(file_octets=1000)
    assert (await stage.http.post("/verify", content=octets)).status_code == 413


async def test_a_secret_case_has_documents_without_code_that_nobody_verifies(stage: Stage) -> None:
    case, document = await accepted(stage)
    await stage.database.execute("UPDATE case_file SET secret = TRUE")
    octets = (await fetched(stage, case, document, who=HANDLER)).content
    assert Printed.of(octets).codes() == []
    code = check_code(stage.secrets, document["number"])
    assert (await stage.http.get(f"/verify/{document['id']}?c={code}")).status_code == 404
    assert (await stage.http.post("/verify", content=octets)).status_code == 404


async def test_the_page_of_verification_runs_no_script_but_its_own(stage: Stage) -> None:
    page = await stage.http.get("/verify")
    (script,) = re.findall(r"<script>(.*)</script>", page.text, re.S)
    policy = page.headers["content-security-policy"]
    digest = hashlib.sha256(script.encode()).digest()
    assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "default-src 'none'" in policy


# ------------------------------------------------------------------------------------------------- by query password
async def test_the_query_password_opens_the_documents_of_its_case(stage: Stage) -> None:
    filed = await stage.file()
    answer = await stage.get("DocumentsByPassword", number=filed["number"], password=filed["queryPassword"])
    (receipt,) = answer["documents"]
    assert (receipt["kind"], receipt["number"]) == ("RECEIPT", filed["receipt"])
    response = await stage.http.get(receipt["url"])
    assert filed["queryPassword"] in Printed.of(response.content).text
    (log,) = await stage.database.rows("SELECT what, viewer FROM view_log")
    assert str(log["what"]).startswith("document:")
    assert log["viewer"] == "applicant:password"
    wrong = await stage.get("DocumentsByPassword", number=filed["number"], password="000000")
    assert wrong["code"] == "QUERY_PASSWORD_WRONG"
    stage.clock.advance(stage.services.limits.link_life)
    assert (await stage.http.get(receipt["url"])).status_code == 403


async def test_a_secret_case_is_opened_by_no_password(stage: Stage) -> None:
    filed = await stage.file()
    answer = await stage.get("DocumentsByPassword", number=filed["number"], password=filed["queryPassword"])
    await stage.database.execute("UPDATE case_file SET secret = TRUE")
    again = await stage.get("DocumentsByPassword", number=filed["number"], password=filed["queryPassword"])
    assert again["code"] == "UNKNOWN_CASE"
    assert (await stage.http.get(answer["documents"][0]["url"])).status_code == 404


# -------------------------------------------------------------------------------------------------------- wordings
@pytest.mark.feature("FLOW-12")
async def test_a_wording_is_drafted_signed_by_the_legal_office_and_then_used(stage: Stage) -> None:
    await stage.office.perform(EnterTemplates(), THE_OPERATOR, key=None)
    drafter, legal = await stage.phone(DRAFTER), await stage.phone(LEGAL)
    template = {"kind": "ACCEPTANCE", "title": "受理通知书", "opening": ["“{item}”（{case}）予以受理。"]}
    drafted = await stage.get("DraftTemplate", drafter.token, idempotencyKey="draft-0001", template=template)
    assert (drafted["version"], drafted["state"]) == (2, "DRAFT")
    await stage.accepted()
    chosen = {"kind": "ACCEPTANCE", "version": 2, "approve": True, "opinion": "符合规定。"}
    request = await stage.get("PrepareTemplateDecision", legal.token, decision=chosen)
    assert "“{item}”（{case}）予以受理。" in request["display"]
    decided = await stage.get(
        "DecideTemplate", legal.token, idempotencyKey="decide-0001", decision=chosen, signed=legal.signed(request)
    )
    assert decided["state"] == "APPROVED"
    await stage.accepted()
    rows = await stage.database.rows("SELECT template_version FROM document WHERE kind = 'acceptance' ORDER BY id")
    assert [row["template_version"] for row in rows] == [1, 2]
    newest, oldest = await stage.get("DocumentTemplates", drafter.token, kind="ACCEPTANCE")
    assert (newest["version"], newest["author"], newest["decidedBy"]) == (2, DRAFTER, LEGAL)
    assert newest["evidence"].startswith("SG")
    assert (oldest["version"], oldest["author"], oldest["evidence"]) == (1, "system", None)
