"""The wording of texts at the door: proposed by one, approved over a signature by another, in force for new texts."""

import pytest

from alerts.dispatch import Notice, Recipient, notify
from alerts.templates import TEMPLATES
from alerts.wordings import EnterTextTemplates
from kernel.actor import THE_OPERATOR, Role
from kernel.tables import Officer
from tests.alerts.county import ALERT_RULES
from tests.mobile_api.stage import APPLICANT_PHONE, HANDLER, SUPERVISOR, Stage

LEGAL, INFORMATION_CENTRE = "OFF-0082", "OFF-0035"
ID = "T11_ACCEPTED"
BODY = "您的申请{no}已受理，将于{date}前办结（承诺{days}个工作日）。查进度请回复CX{no}。"
PROPOSAL = {
    "template": ID,
    "body": BODY,
    "reason": "先说日期。",
    "registrations": [{"carrier": "cloud", "number": "9e11"}],
}


async def propose(stage: Stage, who: str = INFORMATION_CENTRE, **changes):
    token = (await stage.phone(who)).token
    key = stage.secrets.token()
    return await stage.get("ProposeSmsTemplate", token, idempotencyKey=key, template={**PROPOSAL, **changes})


async def decide(stage: Stage, version: int, *, approve: bool = True, who: str = LEGAL):
    phone = await stage.phone(who)
    chosen = {"template": ID, "version": version, "approve": approve, "opinion": "表述准确。"}
    request = await stage.get("PrepareSmsTemplateDecision", phone.token, decision=chosen)
    if request["__typename"] != "SigningPayload":
        return request
    return await stage.get(
        "DecideSmsTemplate",
        phone.token,
        idempotencyKey=stage.secrets.token(),
        decision=chosen,
        signed=phone.signed(request),
    )


async def accepted_text(stage: Stage, key: str) -> tuple[int, str]:
    words = {"no": "202600000123", "days": "20", "date": "10月22日"}
    notice = Notice(key=key, template=TEMPLATES["T11"], to=Recipient(phone=APPLICANT_PHONE), variables=words)
    await notify(stage.database, [notice], rules=ALERT_RULES, now=stage.clock.now())
    [row] = await stage.database.rows("SELECT template_version, body FROM message WHERE dedupe_key = $1", f"{key}:sms")
    return int(str(row["template_version"])), str(row["body"])


@pytest.fixture(autouse=True)
async def register(stage: Stage) -> None:
    await stage.office.perform(EnterTextTemplates(), THE_OPERATOR, key=None)


@pytest.mark.feature("SMS-21")
async def test_words_are_proposed_read_with_a_sample_signed_by_another_and_then_used(stage: Stage) -> None:
    assert (await accepted_text(stage, "before"))[0] == 1
    proposed = await propose(stage)
    assert (proposed["version"], proposed["state"], proposed["parts"]) == (2, "DRAFT", 2)
    assert proposed["sample"].startswith("您的申请202600000123已受理，将于10月22日前办结（承诺20个工作日）")
    assert (await accepted_text(stage, "meanwhile"))[0] == 1
    phone = await stage.phone(LEGAL)
    chosen = {"template": ID, "version": 2, "approve": True, "opinion": "表述准确。"}
    shown = (await stage.get("PrepareSmsTemplateDecision", phone.token, decision=chosen))["display"]
    for said in (BODY, proposed["sample"], "先说日期。", "cloud 9e11"):
        assert said in shown
    assert (await decide(stage, 2))["state"] == "APPROVED"
    version, body = await accepted_text(stage, "after")
    assert version == 2
    assert "将于10月22日前办结" in body
    newest, own = await stage.get("SmsTemplates", phone.token, template=ID)
    assert (newest["author"], newest["decidedBy"], newest["isInForce"]) == (INFORMATION_CENTRE, LEGAL, True)
    assert newest["evidence"].startswith("SG")
    assert newest["registrations"] == [{"__typename": "SmsRegistration", "carrier": "cloud", "number": "9e11"}]
    assert {each["name"] for each in newest["variables"]} == {"no", "days", "date"}
    assert (own["version"], own["author"], own["isInForce"]) == (1, "system", False)


async def test_a_rejected_wording_stays_out_and_a_decision_is_made_once(stage: Stage) -> None:
    await propose(stage)
    assert (await decide(stage, 2, approve=False))["state"] == "REJECTED"
    assert (await accepted_text(stage, "1"))[0] == 1
    assert (await decide(stage, 2))["code"] == "TEXT_TEMPLATE_DECIDED"
    assert (await propose(stage))["version"] == 3


async def test_a_draft_that_a_newer_wording_overtook_is_not_approved_any_more(stage: Stage) -> None:
    await propose(stage)
    await propose(stage, body=BODY.replace("请回复", "回复"))
    assert (await decide(stage, 3))["state"] == "APPROVED"
    assert (await decide(stage, 2))["code"] == "TEXT_TEMPLATE_DECIDED"
    assert (await decide(stage, 2, approve=False))["state"] == "REJECTED"


@pytest.mark.feature("SMS-21")
async def test_nobody_approves_what_they_proposed_and_nobody_else_may(stage: Stage) -> None:
    assert (await propose(stage, HANDLER))["code"] == "NOT_PERMITTED"
    assert (await propose(stage, LEGAL))["code"] == "NOT_PERMITTED"
    both = [Role.SUPERVISOR, Role.LEGAL_OFFICE]
    await Officer.filter(id=SUPERVISOR).update(roles=both)
    await propose(stage, SUPERVISOR)
    assert (await decide(stage, 2, who=SUPERVISOR))["code"] == "TEXT_TEMPLATE_OWN"
    assert (await decide(stage, 2, who=INFORMATION_CENTRE))["code"] == "NOT_PERMITTED"
    assert (await decide(stage, 2))["state"] == "APPROVED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"template": "T99_NONE"}, "TEXT_TEMPLATE_UNKNOWN"),
        ({"body": "您的申请已受理。"}, "TEXT_TEMPLATE_MALFORMED"),
        ({"body": BODY + "联系人13812345678。"}, "TEXT_TEMPLATE_MALFORMED"),
        ({"reason": " "}, "TEXT_TEMPLATE_MALFORMED"),
        ({"registrations": [{"carrier": "云", "number": "1"}]}, "TEXT_TEMPLATE_MALFORMED"),
        ({"registrations": [{"carrier": "a", "number": n} for n in "12"]}, "TEXT_TEMPLATE_MALFORMED"),
    ],
)
async def test_what_cannot_be_a_wording_is_refused(stage: Stage, changes, code) -> None:
    assert (await propose(stage, **changes))["code"] == code


async def test_what_does_not_exist_is_not_decided_and_needs_an_opinion(stage: Stage) -> None:
    await propose(stage)
    assert (await decide(stage, 7))["code"] == "TEXT_TEMPLATE_UNKNOWN"
    phone = await stage.phone(LEGAL)
    chosen = {"template": ID, "version": 2, "approve": True, "opinion": " "}
    assert (await stage.get("PrepareSmsTemplateDecision", phone.token, decision=chosen))["code"] == "OPINION_MISSING"


async def test_another_decision_than_the_signed_one_is_refused(stage: Stage) -> None:
    await propose(stage)
    phone = await stage.phone(LEGAL)
    chosen = {"template": ID, "version": 2, "approve": False, "opinion": "不妥。"}
    request = await stage.get("PrepareSmsTemplateDecision", phone.token, decision=chosen)
    turned = {**chosen, "approve": True}
    refused = await stage.get(
        "DecideSmsTemplate", phone.token, idempotencyKey="decide-01", decision=turned, signed=phone.signed(request)
    )
    assert refused["code"] == "SIGNED_SOMETHING_ELSE"
