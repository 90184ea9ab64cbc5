"""The wording of a text on its way through the legal office."""

from alerts.wordings import EnterTextTemplates
from kernel.actor import THE_OPERATOR
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import HANDLER, SUPERVISOR

LEGAL, INFORMATION_CENTRE = "OFF-0082", "OFF-0035"
BODY = "您的申请{no}已受理，将于{date}前办结（承诺{days}个工作日）。查进度请回复CX{no}。"


async def tell(record: Recorder) -> None:
    await record.stage.office.perform(EnterTextTemplates(), THE_OPERATOR, key=None)
    words = {
        "template": "T11_ACCEPTED",
        "body": BODY,
        "reason": "改为先说办结日期。",
        "registrations": [{"carrier": "cloud", "number": "5aa85e61"}],
    }
    proposed = await record("ProposeSmsTemplate/happy", INFORMATION_CENTRE, idempotencyKey="propose-1", template=words)
    short = {**words, "body": "您的申请{no}已受理。"}
    await record("ProposeSmsTemplate/malformed", INFORMATION_CENTRE, idempotencyKey="propose-2", template=short)
    unknown = {**words, "template": "T99_NONE"}
    await record("ProposeSmsTemplate/unknown", INFORMATION_CENTRE, idempotencyKey="propose-3", template=unknown)
    await record("ProposeSmsTemplate/not_permitted", HANDLER, idempotencyKey="propose-4", template=words)
    version = proposed["version"]
    chosen = {"template": "T11_ACCEPTED", "version": version, "approve": True, "opinion": "表述准确，同意使用。"}
    request = await record("PrepareSmsTemplateDecision/happy", LEGAL, decision=chosen)
    await record("PrepareSmsTemplateDecision/unknown", LEGAL, decision={**chosen, "version": 9})
    await record("PrepareSmsTemplateDecision/not_permitted", SUPERVISOR, decision=chosen)
    signed = (await record.stage.phone(LEGAL)).signed(request)
    await record("DecideSmsTemplate/happy", LEGAL, idempotencyKey="decide-01", decision=chosen, signed=signed)
    await record("PrepareSmsTemplateDecision/already_decided", LEGAL, decision=chosen)
    await record("SmsTemplates/happy", INFORMATION_CENTRE, template="T11_ACCEPTED")
    await record("SmsTemplates/login_needed")
