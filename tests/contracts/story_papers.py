"""The wording of a document on its way through the legal office, and documents opened by a query password."""

from casework.papers.acts import EnterTemplates
from kernel.actor import THE_OPERATOR
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import HANDLER

LEGAL, DRAFTER = "OFF-0082", "OFF-0031"


async def tell(record: Recorder) -> None:
    await record.stage.office.perform(EnterTemplates(), THE_OPERATOR, key=None)
    await _the_applicant_opens_documents(record)
    await _a_wording_is_approved(record)


async def _the_applicant_opens_documents(record: Recorder) -> None:
    filed = await record.stage.file()
    known = {"number": filed["number"], "password": filed["queryPassword"]}
    await record("DocumentsByPassword/happy", **known)
    await record("DocumentsByPassword/wrong_password", **{**known, "password": "000000"})
    await record("DocumentsByPassword/unknown_case", number="202699999999", password="000000")


async def _a_wording_is_approved(record: Recorder) -> None:
    opening = ["你（单位）于{received_on}提出的“{item}”申请（办件编号：{case}），予以受理。"]
    wording = {"kind": "ACCEPTANCE", "title": "受理通知书", "opening": opening}
    await record("DraftTemplate/happy", DRAFTER, idempotencyKey="1", template=wording)
    unknown = {**wording, "opening": ["{applicant_phone}：予以受理。"]}
    await record("DraftTemplate/malformed", DRAFTER, idempotencyKey="2", template=unknown)
    await record("DraftTemplate/not_permitted", HANDLER, idempotencyKey="3", template=wording)
    chosen = {"kind": "ACCEPTANCE", "version": 2, "approve": True, "opinion": "引用条款正确，同意使用。"}
    request = await record("PrepareTemplateDecision/happy", LEGAL, decision=chosen)
    await record("PrepareTemplateDecision/unknown", LEGAL, decision={**chosen, "version": 9})
    signed = (await record.stage.phone(LEGAL)).signed(request)
    await record("DecideTemplate/happy", LEGAL, idempotencyKey="1", decision=chosen, signed=signed)
    await record("PrepareTemplateDecision/already_decided", LEGAL, decision=chosen)
    await record("DecideTemplate/signature_used", LEGAL, idempotencyKey="2", decision=chosen, signed=signed)
    await record("DocumentTemplates/happy", DRAFTER, kind="ACCEPTANCE")
    await record("DocumentTemplates/login_needed")
