from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from casework.acts import ViewCase
from casework.queries import visible_case
from kernel.db import instant
from kernel.log import verify
from kernel.refusals import Refusal
from tests.mobile_api.stage import (
    CARD_LEADER,
    CHIEF,
    CLERK,
    HANDLER,
    HEAD,
    LEADER,
    OTHER_HANDLER,
    RA,
    SUPERVISOR,
    Phone,
    Stage,
)

PDF = b"%PDF-1.7\n" + b"x" * 200_000


async def prepared(stage: Stage, case: str, decision: str = "AGREE", opinion: str = "同意。"):
    phone = await stage.phone(HANDLER)
    chosen = {"case": case, "revision": 2, "step": "level:1", "decision": decision, "opinion": opinion}
    return phone, chosen, await stage.get("PrepareDecision", phone.token, decision=chosen)


@pytest.mark.feature("MOB-02")
async def test_a_decision_signed_on_the_phone_moves_the_case_at_once(stage: Stage) -> None:
    case = await stage.accepted()
    phone, chosen, request = await prepared(stage, case)
    assert "意见" in request["display"]
    assert "同意。" in request["display"]
    decided = await stage.get(
        "Decide", phone.token, idempotencyKey="decide-1", decision=chosen, signed=phone.signed(request)
    )
    assert (decided["case"]["step"], decided["case"]["revision"]) == ("level:2", 3)
    detail = await stage.get("Case", phone.token, number=case)
    assert detail["steps"][-1]["evidence"].startswith("SG")
    assert (await stage.get("Todos", phone.token))["nodes"] == []


@pytest.mark.feature("MOB-02")
async def test_a_foreign_signature_changes_nothing(stage: Stage) -> None:
    case = await stage.accepted()
    phone, chosen, request = await prepared(stage, case)
    phone.key = ec.generate_private_key(ec.SECP256R1())
    refused = await stage.get(
        "Decide", phone.token, idempotencyKey="decide-1", decision=chosen, signed=phone.signed(request)
    )
    assert (refused["__typename"], refused["code"]) == ("Refusal", "SIGNATURE_INVALID")
    assert (await stage.get("Case", phone.token, number=case))["revision"] == 2


@pytest.mark.feature("MOB-02")
async def test_a_revoked_certificate_signs_nothing(stage: Stage) -> None:
    case = await stage.accepted()
    phone, chosen, request = await prepared(stage, case)
    (row,) = await stage.database.rows("SELECT serial FROM certificate WHERE holder = $1", HANDLER)
    ra = await stage.phone("OFF-0034")
    revoked = await stage.get(
        "RevokeCertificate", ra.token, idempotencyKey="lost-phone", serial=row["serial"], reason="KEY_COMPROMISE"
    )
    assert revoked["__typename"] == "CertificatePayload", revoked
    answer = await stage.ask(
        "Decide", phone.token, idempotencyKey="decide-1", decision=chosen, signed=phone.signed(request)
    )
    code = answer["data"]["decide"]["code"] if "data" in answer else answer["errors"][0]["extensions"]["code"]
    assert code == "CERTIFICATE_REVOKED"


@pytest.mark.feature("TRUST-02")
async def test_a_certificate_that_expires_before_the_signature_arrives_signs_nothing(stage: Stage) -> None:
    case = await stage.accepted()
    await stage.phone(HANDLER)
    (row,) = await stage.database.rows("SELECT not_after FROM certificate WHERE holder = $1", HANDLER)
    end = instant(row["not_after"])
    assert end is not None
    stage.clock.set(end - timedelta(seconds=31))
    tablet = Phone(stage, HANDLER)  # its certificate is younger and keeps the officer's session alive
    await tablet.enrol(device="平板")
    await tablet.log_in()
    stage.clock.set(end - timedelta(seconds=30))
    phone, chosen, request = await prepared(stage, case)
    stage.clock.set(end + timedelta(seconds=1))
    refused = await stage.get(
        "Decide", tablet.token, idempotencyKey="decide-1", decision=chosen, signed=phone.signed(request)
    )
    assert refused["code"] == "CERTIFICATE_EXPIRED"
    assert (await stage.get("Case", tablet.token, number=case))["revision"] == 2


async def test_words_changed_after_signing_are_refused(stage: Stage) -> None:
    case = await stage.accepted()
    phone, chosen, request = await prepared(stage, case)
    refused = await stage.get(
        "Decide",
        phone.token,
        idempotencyKey="decide-1",
        decision={**chosen, "opinion": "不同意。"},
        signed=phone.signed(request),
    )
    assert refused["code"] == "SIGNED_SOMETHING_ELSE"


@pytest.mark.feature("MOB-14")
async def test_a_retry_after_a_cut_connection_gets_the_same_answer_and_one_decision(stage: Stage) -> None:
    case = await stage.accepted()
    phone, chosen, request = await prepared(stage, case)
    sent = {"idempotencyKey": "the-same-key", "decision": chosen, "signed": phone.signed(request)}
    first = await stage.get("Decide", phone.token, **sent)  # the answer is lost on the way
    again = await stage.get("Decide", phone.token, **sent)
    assert again == first
    assert again["case"]["step"] == "level:2"
    steps = await stage.database.rows("SELECT id FROM case_step WHERE step = 'level:1'")
    assert len(steps) == 1


async def test_the_same_key_for_something_else_is_refused(stage: Stage) -> None:
    application = {
        "item": "ZJ-XK-001",
        "stage": "ZJ-XK-001-01",
        "applicantName": "甲",
        "applicantIdNumber": "1",
        "applicantPhone": "13800000001",
        "materials": [],
    }
    first = await stage.get("FileApplication", idempotencyKey="key-of-mine", application=application)
    same = await stage.get("FileApplication", idempotencyKey="key-of-mine", application=application)
    other = await stage.get(
        "FileApplication", idempotencyKey="key-of-mine", application={**application, "applicantName": "乙"}
    )
    assert same == first
    assert other["code"] == "KEY_REUSED"


async def test_a_stale_revision_is_told_as_changed_meanwhile(stage: Stage) -> None:
    case = await stage.accepted()
    phone, chosen, _ = await prepared(stage, case)
    refused = await stage.get("PrepareDecision", phone.token, decision={**chosen, "revision": 1})
    assert (refused["code"], refused["retryable"]) == ("CHANGED_MEANWHILE", False)


@pytest.mark.feature("FLOW-04")
async def test_the_record_has_six_parts_and_a_deleted_entry_breaks_the_chain(stage: Stage) -> None:
    case = await stage.accepted()
    await stage.decide(HANDLER, case, "AGREE")
    await stage.decide(HEAD, case, "AGREE")
    await stage.decide(LEADER, case, "GRANT")
    await stage.decide(HANDLER, case, "COMPLETE", "办结。")
    await stage.decide(CLERK, case, "DELIVER", "申请人当面领取。")
    detail = await stage.get("CaseRecord", (await stage.phone(HANDLER)).token, number=case)
    parts = {part["title"]: {entry["title"] for entry in part["entries"]} for part in detail["record"]}
    assert list(parts) == ["申请人信息", "经办人信息", "收文信息", "发文信息", "回执信息", "数据交换信息"]
    assert {"受理", "同意，报上一级", "准予许可", "办结", "送达"} <= parts["经办人信息"]
    assert "接件" in parts["收文信息"]
    assert {"受理", "准予许可"} <= parts["发文信息"]
    assert parts["回执信息"] == {"接件", "送达"}
    assert [entry["seq"] for entry in detail["timeline"]] == list(range(1, len(detail["timeline"]) + 1))
    assert (await verify(stage.database)).broken is None
    await stage.database.execute("DELETE FROM event WHERE subject = $1 AND tag = 'case.decided'", f"case:{case}")
    broken = (await verify(stage.database)).broken
    assert broken is not None
    assert broken.subject == f"case:{case}"


async def test_supervision_sees_the_case_but_not_the_applicants_number(stage: Stage) -> None:
    case = await stage.accepted()
    seen = await stage.get("Case", (await stage.phone(SUPERVISOR)).token, number=case)
    handled = await stage.get("Case", (await stage.phone(HANDLER)).token, number=case)
    assert seen["applicant"]["idNumber"] == "914•••••••••••••00"
    assert handled["applicant"]["idNumber"] == "91430400MA4L000000"


async def uploaded(stage: Stage, content: bytes = PDF, name: str = "申请表.pdf"):
    ticket = (await stage.get("OpenFiling"))["ticket"]
    return await stage.http.post(
        "/files", params={"name": name}, content=content, headers={"authorization": f"Ticket {ticket}"}
    )


@pytest.mark.feature("MOB-03")
async def test_an_attachment_is_shown_by_a_short_lived_link_and_every_view_is_logged(stage: Stage) -> None:
    receipt = (await uploaded(stage)).json()
    case = await stage.accepted(materials=[{"name": "申请表", "upload": receipt["upload"]}])
    token = (await stage.phone(HANDLER)).token
    (material,) = (await stage.get("Case", token, number=case))["materials"]
    assert (material["sha256"], material["size"], material["onPaper"]) == (receipt["sha256"], len(PDF), False)
    link = await stage.get("ViewMaterial", token, case=case, id=material["id"])
    file = await stage.http.get(link["url"])
    assert (file.status_code, file.content, file.headers["content-type"]) == (200, PDF, "application/pdf")
    assert file.headers["cache-control"] == "private, no-store"
    log = await stage.database.rows("SELECT what, viewer FROM view_log ORDER BY id")
    assert [(row["what"], row["viewer"]) for row in log] == [
        ("case", f"officer:{HANDLER}"),
        (f"link material:{material['id']}", f"officer:{HANDLER}"),
        (f"material:{material['id']}", f"officer:{HANDLER}"),
    ]
    stage.clock.advance(stage.services.limits.link_life)
    assert (await stage.http.get(link["url"])).status_code == 403


@pytest.mark.feature("MOB-03")
async def test_a_document_is_shown_sealed_and_sandboxed(stage: Stage) -> None:
    case = await stage.accepted()
    token = (await stage.phone(CHIEF)).token
    document = (await stage.get("Case", token, number=case))["documents"][0]
    link = await stage.get("ViewDocument", token, case=case, id=document["id"], form="HTML")
    shown = await stage.http.get(link["url"])
    assert document["number"] in shown.text
    assert "sandbox" in shown.headers["content-security-policy"]


async def test_links_are_for_those_who_may_see_the_case_and_cannot_be_forged(stage: Stage) -> None:
    case = await stage.accepted()
    stranger = (await stage.phone(OTHER_HANDLER)).token
    assert (await stage.get("ViewDocument", stranger, case=case, id="1"))["code"] == "NOT_FOUND"
    token = (await stage.phone(HANDLER)).token
    url = (await stage.get("ViewDocument", token, case=case, id="1"))["url"]
    for forged in (url[:-1] + ("0" if url[-1] != "0" else "1"), url.replace("/files/", "/files/x"), "/files/é.é"):
        assert (await stage.http.get(forged)).status_code == 403, forged


@pytest.mark.parametrize(
    ("content", "name", "status"),
    [
        (PDF, "申请表.pdf", 200),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 10, "a.png", 200),
        (b"PK\x03\x04" + b"0" * 10, "公文.ofd", 415),  # no OFD inside
        (b"PK\x03\x04" + b"0" * 10, "macro.docm", 415),
        (b"<html><script>", "a.html", 415),
        (b"", "empty.pdf", 415),
        (b"%PDF-" + b"0" * 3_000_000, "large.pdf", 413),
        (PDF, "x" * 121, 400),
        (PDF, "line\nbreak.pdf", 400),
    ],
)
async def test_only_documents_of_known_kind_and_size_are_kept(stage: Stage, content, name, status) -> None:
    stage.open_door(file_octets=2_000_000)
    response = await uploaded(stage, content, name)
    assert response.status_code == status, response.text
    kept = [file for file in stage.services.files.rglob("*") if file.is_file()]
    assert len(kept) == (status == 200)


async def test_an_upload_needs_a_ticket_or_a_session(stage: Stage) -> None:
    assert (await stage.http.post("/files", params={"name": "a.pdf"}, content=PDF)).status_code == 401
    forged = await stage.http.post(
        "/files", params={"name": "a.pdf"}, content=PDF, headers={"authorization": "Ticket abc.def"}
    )
    assert forged.status_code == 403
    token = (await stage.phone(CLERK)).token
    session = await stage.http.post(
        "/files", params={"name": "a.pdf"}, content=PDF, headers={"authorization": f"Bearer {token}"}
    )
    assert session.status_code == 200


async def test_a_forged_upload_receipt_is_refused(stage: Stage) -> None:
    answer = await stage.get(
        "FileApplication",
        idempotencyKey="forged-receipt",
        application={
            "item": "ZJ-XK-001",
            "stage": "ZJ-XK-001-01",
            "applicantName": "甲",
            "applicantIdNumber": "1",
            "applicantPhone": "13800000001",
            "materials": [{"name": "申请表", "upload": "e30.00"}],
        },
    )
    assert (answer["__typename"], answer["code"]) == ("Refusal", "LINK_INVALID")


@pytest.mark.parametrize("secret", [False, True])
async def test_whoever_may_not_see_a_case_may_not_perform_a_view_of_it_and_nothing_is_logged(stage, secret) -> None:
    """One rule of who may see, asked by the act and by the reading alike."""
    case = await stage.accepted()
    await stage.database.execute("UPDATE case_file SET secret = $1", secret)
    for who in (HANDLER, CHIEF, CLERK, SUPERVISOR, CARD_LEADER, OTHER_HANDLER, RA):
        phone = await stage.phone(who)
        actor = await stage.services.authenticator.actor_of(phone.token)
        seen = await visible_case(stage.database, actor, case) is not None
        logged = await stage.database.rows("SELECT id FROM view_log")
        outcome = await stage.office.perform(ViewCase(case=case), actor, key=None)
        assert isinstance(outcome, Refusal) is not seen, who
        assert len(await stage.database.rows("SELECT id FROM view_log")) == len(logged) + seen, who
        assert (await stage.get("Case", phone.token, number=case) is not None) is seen, who
