"""A day in the sample county, told through the contract's operations; every answer becomes a fixture.

What chance or a key decides (tokens, nonces, signatures, digests) is masked by the name of its field, so the same
story gives the same octets on every machine and both databases.
"""

import json
import re
from datetime import datetime
from typing import Any

from casework.clock.working_days import CHINA
from certs.encodings import b64u, spki_of
from supervision.acts import TurnLights
from tests.mobile_api.stage import (
    CARD_LEADER,
    CHIEF,
    CLERK,
    HANDLER,
    HEAD,
    ITEM,
    LEADER,
    RA,
    RA2,
    STAGE,
    SUPERVISOR,
    Phone,
    Stage,
)

LONG = "经审查，申请人提交的材料齐全、符合法定形式，用地批准手续、规划许可、施工图审查合格书均在有效期内。" * 6
_OCTETS = "bWFza2Vk"
_DIGEST = "0" * 64
_MASKS = {
    "token": "masked.session.token",
    "ticket": "masked.ticket",
    "upload": "masked.receipt",
    "pickup": "masked-pickup",
    "nonce": "masked-nonce",
    "payload": _OCTETS,
    "toSign": _OCTETS,
    "signature": _OCTETS,
    "publicKey": _OCTETS,
    "certificate": _OCTETS,
    "definitions": _OCTETS,
    "chain": _OCTETS,
    "checkCode": "0000-0000-0000",
    "serial": "00",
    "sealSerial": "00",
    "sha256": _DIGEST,
    "hash": _DIGEST,
    "url": "/files/masked",
    "evidence": "SG00000001",  # numbers of signatures skip those that were rolled back
}
#: Words drawn at random that stand in fields of other meaning.
_DRAWN = re.compile(r"^[A-Za-z0-9_-]{32}$")


class Recorder:
    """Performs operations and keeps what was asked and answered, masked."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.fixtures: dict[str, str] = {}
        #: Tokens of applicants who logged in, by their phones, which stand for them in `who`.
        self.applicants: dict[str, str] = {}

    async def __call__(self, path: str, who: str | None = None, **variables: Any) -> Any:
        """`path` is "<Operation>/<case>"; returns the unmasked root field, or None when there is none."""
        name = path.partition("/")[0]
        token = self.applicants.get(who or "") or (None if who is None else (await self.stage.phone(who)).token)
        if "idempotencyKey" in variables:
            variables["idempotencyKey"] = f"{path}/{variables['idempotencyKey']}"[-64:]
        answer = await self.stage.ask(name, token, **variables)
        fixture = {"operation": name, "variables": masked(variables), "response": masked(answer)}
        assert path not in self.fixtures, path
        self.fixtures[f"{path}.json"] = json.dumps(fixture, ensure_ascii=False, indent=2) + "\n"
        return next(iter(answer["data"].values())) if answer.get("data") else None


def masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: masked(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, name) for inner in value]
    # The payload of an enrolment is an object of the same name as its id.
    if value is not None and name in _MASKS and isinstance(value, str) and value:
        return _MASKS[name]
    if name == "code" and isinstance(value, str) and value.isdecimal():
        return "000000"  # a login code, not a refusal's
    if name == "display" and isinstance(value, str):
        return re.sub(r"[A-Za-z0-9_-]{32}|[0-9a-f]{64}", "…", value)
    return "masked-id" if isinstance(value, str) and _DRAWN.match(value) else value


async def tell(record: Recorder) -> None:
    await _the_public_reads_and_files(record)
    await _a_phone_enrols(record)
    case = await _a_case_is_decided(record)
    await _the_case_is_looked_at(record, case)
    await _clocks_stop_and_start(record)
    await _a_limit_passes(record)
    await _things_end(record)


def application(**changes: Any) -> dict[str, Any]:
    return {
        "item": ITEM,
        "stage": STAGE,
        "applicantName": "衡江建设有限公司",
        "applicantIdNumber": "91430400MA4L000000",
        "applicantPhone": "13800000001",
        "materials": [{"name": "建筑工程施工许可证申请表"}],
        **changes,
    }


async def _the_public_reads_and_files(record: Recorder) -> None:
    page = await record("Guides/happy", first=1)
    await record("Guides/last_page", first=1, after=page["endCursor"])
    await record("Guides/empty", text="没有这个事项")
    await record("Guide/happy", code=ITEM)
    await record("Guide/unknown", code="ZJ-XK-999")
    ticket = (await record("OpenFiling/happy"))["ticket"]
    upload = await record.stage.http.post(
        "/files",
        params={"name": "申请表.pdf"},
        content=b"%PDF-1.7\n",
        headers={"authorization": f"Ticket {ticket}"},
    )
    materials = [{"name": "建筑工程施工许可证申请表", "upload": upload.json()["upload"]}, {"name": "用地批准手续"}]
    filed = await record("FileApplication/happy", idempotencyKey="1", application=application(materials=materials))
    await record("FileApplication/invalid", idempotencyKey="1", application=application(applicantPhone="12345"))
    await record("FileApplication/unknown_item", idempotencyKey="1", application=application(item="ZJ-XK-999"))
    await record("Progress/happy", number=filed["number"], password=filed["queryPassword"])
    await record("Progress/wrong_password", number=filed["number"], password="000000")
    await record("Progress/unknown_number", number="202699999999", password="000000")


async def _a_phone_enrols(record: Recorder) -> None:
    phone = Phone(record.stage, HANDLER)
    spki = b64u(spki_of(phone.key.public_key()))
    asked = {"officer": HANDLER, "device": "周明远的手机", "publicKey": spki}
    opened = await record("RequestEnrolment/happy", idempotencyKey="1", **asked)
    await record("RequestEnrolment/key_used", idempotencyKey="2", **asked)
    enrolment = opened["enrolment"]
    await record("SubmitCsr/signature_invalid", idempotencyKey="1", enrolment=enrolment, signature=phone.sign(_OCTETS))
    await record("SubmitCsr/happy", idempotencyKey="2", enrolment=enrolment, signature=phone.sign(opened["toSign"]))
    await record("EnrolmentStatus/waiting", id=enrolment, pickup=opened["pickup"])
    await record("EnrolmentStatus/not_found", id=enrolment, pickup="guess")
    await record("WaitingEnrolments/happy", RA)
    await record("WaitingEnrolments/not_permitted", CLERK)
    await record("ApproveEnrolment/identity_unchecked", RA, idempotencyKey="1", enrolment=enrolment)
    await record("CheckIdentity/happy", RA, idempotencyKey="1", enrolment=enrolment, document="身份证原件")
    await record("ApproveEnrolment/happy", RA2, idempotencyKey="2", enrolment=enrolment)
    status = await record("EnrolmentStatus/issued", id=enrolment, pickup=opened["pickup"])
    phone.certificate = status["chain"][0]
    challenge = await record("BeginLogin/happy", certificate=phone.certificate)
    await record("BeginLogin/unknown_certificate", serial="00")
    await record("FinishLogin/signature_invalid", nonce=challenge["nonce"], signature=phone.sign(_OCTETS))
    session = await record("FinishLogin/happy", nonce=challenge["nonce"], signature=phone.sign(challenge["payload"]))
    phone.token, phone.until = session["token"], datetime.fromisoformat(session["expiresAt"])
    record.stage.phones[HANDLER] = phone
    await record("Me/happy", HANDLER)
    await record("Me/nobody")


async def _a_case_is_decided(record: Recorder) -> str:
    page = await record("Todos/clerk", CLERK)
    await record("Todos/empty", HANDLER)
    await record("Todos/login_needed")
    await record("Todos/invalid_cursor", CLERK, after="bm9uc2Vuc2U")
    case = str(page["nodes"][0]["case"]["number"])
    chosen = _decision(case, 1, "accept", "ACCEPT", LONG)
    request = await record("PrepareDecision/happy", CLERK, decision=chosen)
    await record("PrepareDecision/opinion_missing", CLERK, decision={**chosen, "opinion": " "})
    await record("PrepareDecision/illegal_step", CLERK, decision={**chosen, "decision": "GRANT"})
    await record("PrepareDecision/not_permitted", HANDLER, decision=chosen)
    signed = (await record.stage.phone(CLERK)).signed(request)
    changed = {**chosen, "opinion": "予以受理。"}
    await record("Decide/signed_something_else", CLERK, idempotencyKey="1", decision=changed, signed=signed)
    await record("Decide/happy", CLERK, idempotencyKey="2", decision=chosen, signed=signed)
    await record("PrepareDecision/changed_meanwhile", CLERK, decision=chosen)
    await record("Todos/happy", HANDLER)
    await record("Todos/filtered", HANDLER, filter={"light": "RED"})
    return case


async def _the_case_is_looked_at(record: Recorder, case: str) -> None:
    shown = await record("Case/happy", HANDLER, number=case)
    await record("Case/supervisor", SUPERVISOR, number=case)
    await record("Case/unknown", HANDLER, number="202699999999")
    await record("CaseRecord/happy", HANDLER, number=case)
    file, paper = shown["materials"]
    await record("ViewMaterial/happy", HANDLER, case=case, id=file["id"])
    await record("ViewMaterial/on_paper", HANDLER, case=case, id=paper["id"])
    await record("ViewDocument/happy", HANDLER, case=case, id=shown["documents"][0]["id"])
    await record.stage.decide(HANDLER, case, "AGREE", "初审同意。")
    await record.stage.decide(HEAD, case, "RETURN", "缺少规划许可证。")
    await record("Done/happy", HANDLER)
    await record("Done/empty", LEADER)


async def _clocks_stop_and_start(record: Recorder) -> None:
    incomplete = str((await record.stage.file())["number"])
    await record.stage.decide(CLERK, incomplete, "ASK_SUPPLEMENT", "材料不齐。", items=["规划许可证"])
    about = {"case": incomplete, "materials": [{"name": "规划许可证"}], "complete": True}
    await record("ReceiveSupplement/happy", CLERK, idempotencyKey="1", revision=2, **about)
    await record("ReceiveSupplement/already_complete", CLERK, idempotencyKey="2", revision=3, **about)
    case = await record.stage.accepted()
    hearing = {"case": case, "ground": "HEARING", "toldDays": 5, "reason": "申请人要求听证。"}
    await record("StopClock/happy", HANDLER, idempotencyKey="1", revision=2, **hearing)
    record.stage.clock.set(datetime(2026, 9, 21, 9, tzinfo=CHINA))
    await record("ResumeClock/happy", HANDLER, idempotencyKey="1", case=case, revision=3)
    longer = {"case": case, "days": 10, "reason": "案情复杂。"}
    request = await record("PrepareExtension/happy", CHIEF, revision=4, **longer)
    signed = (await record.stage.phone(CHIEF)).signed(request)
    await record("ExtendClock/happy", CHIEF, idempotencyKey="1", revision=4, signed=signed, **longer)
    await record("ExtendClock/signing_request_used", CHIEF, idempotencyKey="2", revision=5, signed=signed, **longer)
    await record("PrepareExtension/already_extended", CHIEF, revision=5, **longer)


async def _a_limit_passes(record: Recorder) -> None:
    await record("Overdue/empty", HANDLER)
    await record("PendingCards/empty", CARD_LEADER)
    other = await record.stage.accepted()
    record.stage.clock.set(datetime(2026, 9, 30, 9, tzinfo=CHINA))
    await record.stage.clock_does(TurnLights())
    await record("Overdue/happy", HANDLER)
    await record("Overdue/supervised", CARD_LEADER, scope="SUPERVISED")
    await record("Overdue/not_permitted", HANDLER, scope="SUPERVISED")
    cards = await record("PendingCards/happy", CARD_LEADER)
    await record("PendingCards/not_permitted", HANDLER)
    assert [card["caseNumber"] for card in cards][-1] == other
    leader = await record.stage.phone(CARD_LEADER)
    first, second = cards[0]["id"], cards[1]["id"]
    request = await record("PrepareCardDecision/happy", CARD_LEADER, decision=_card(first, "CONFIRM"))
    answer = {"card": first, "revision": 1, "signed": leader.signed(request)}
    await record("ConfirmCard/happy", CARD_LEADER, idempotencyKey="1", **answer)
    await record("PrepareCardDecision/already_decided", CARD_LEADER, decision=_card(first, "CONFIRM"))
    reject = {**_card(second, "REJECT"), "reason": "系统故障。"}
    request = await record.stage.get("PrepareCardDecision", leader.token, decision=reject)
    await record(
        "DecideCard/signature_used",
        CARD_LEADER,
        idempotencyKey="1",
        decision=reject,
        signed=answer["signed"],
    )
    await record(
        "RejectCard/happy",
        CARD_LEADER,
        idempotencyKey="1",
        card=second,
        revision=1,
        reason="系统故障。",
        signed=leader.signed(request),
    )
    await record("Card/happy", CHIEF, id=first)
    await record("Card/not_visible", CHIEF, id=second)
    await record("AcknowledgeCard/happy", CHIEF, idempotencyKey="1", card=first)
    await record("AcknowledgeCard/not_served", CHIEF, idempotencyKey="2", card=second)
    bypass = {"case": other, "colour": "RED", "ground": "OTHER", "facts": "窗口要求申请人线下重复提交材料。"}
    await record("ProposeCard/happy", SUPERVISOR, idempotencyKey="1", **bypass)
    await record("ProposeCard/card_exists", SUPERVISOR, idempotencyKey="2", **bypass)
    await record("ProposeCard/facts_missing", SUPERVISOR, idempotencyKey="3", **{**bypass, "facts": ""})
    await record("ProposeCard/not_permitted", HANDLER, idempotencyKey="4", **bypass)


async def _things_end(record: Recorder) -> None:
    filed = await record.stage.file()
    number = filed["number"]
    await record("Withdraw/wrong_password", idempotencyKey="1", case=number, password="000000")
    await record("Withdraw/happy", idempotencyKey="2", case=number, password=filed["queryPassword"])
    stray = Phone(record.stage, CHIEF)
    opened = await record.stage.get(
        "RequestEnrolment",
        idempotencyKey="a stray phone",
        officer=CHIEF,
        device="旧手机",
        publicKey=b64u(spki_of(stray.key.public_key())),
    )
    await record("RejectEnrolment/happy", RA, idempotencyKey="1", enrolment=opened["enrolment"], reason="非本人申请")
    (row,) = await record.stage.database.rows("SELECT serial FROM certificate WHERE holder = $1", HEAD)
    await record("RevokeCertificate/happy", RA, idempotencyKey="1", serial=row["serial"], reason="KEY_COMPROMISE")


def _decision(case: str, revision: int, step: str, decision: str, opinion: str) -> dict[str, Any]:
    return {"case": case, "revision": revision, "step": step, "decision": decision, "opinion": opinion}


def _card(card: str, decision: str) -> dict[str, Any]:
    return {"card": card, "revision": 1, "decision": decision}
