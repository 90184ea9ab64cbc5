"""A window's day: forms, agents, pre-review, originals, papers, fees, second entries; and who watches. For the
fixtures.
"""

from typing import Any

from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.demanding import application, publish_demanding
from tests.mobile_api.stage import CLERK, HANDLER, LEADER, SUPERVISOR

AGENT = {"name": "陈代办", "idNumber": "430400199001011234", "phone": "13800000002"}


async def tell(record: Recorder) -> None:
    await publish_demanding(record.stage)
    case = await _filing(record)
    await _before_acceptance(record, case)
    await _papers(record, case)
    await _the_bill(record, case)
    await _other_answers(record)
    await _watching(record)


async def _filing(record: Recorder) -> str:
    filed = await record("FileApplication/form_and_agent", idempotencyKey="1", application=application(agent=AGENT))
    wrong = '{"outlet": "河", "tons": -1, "colour": "蓝"}'
    await record("FileApplication/form_answers_invalid", idempotencyKey="2", application=application(form=wrong))
    await record("FileApplication/not_a_window", idempotencyKey="3", application=application(window="ZJJ"))
    late = application(channel="WINDOW", receivedOn="2026-09-01")
    await record("FileApplication/received_too_long_ago", CLERK, idempotencyKey="4", application=late)
    again = application(channel="SECOND_ENTRY", receivedOn="2026-09-16", source="省排水许可系统", materials=[])
    await record("FileApplication/second_entry", CLERK, idempotencyKey="5", application=again)
    return str(filed["number"])


async def _before_acceptance(record: Recorder, case: str) -> None:
    review = {"case": case, "revision": 1, "outcome": "ORIGINALS", "opinion": "材料齐全，请核对权属证明原件。"}
    await record("ReviewMaterials/not_permitted", LEADER, idempotencyKey="1", **review)
    await record("ReviewMaterials/happy", HANDLER, idempotencyKey="2", **review)
    await record("Duties/happy", CLERK)
    correction = {"corrected": ["联系电话少写一位"], "applicantPhone": "13800000011"}
    await record("CorrectOnSpot/happy", CLERK, idempotencyKey="1", case=case, revision=2, correction=correction)
    nothing: dict[str, Any] = {"corrected": []}
    await record(
        "CorrectOnSpot/nothing_corrected", CLERK, idempotencyKey="2", case=case, revision=3, correction=nothing
    )
    accept = {"case": case, "revision": 3, "step": "accept", "decision": "ACCEPT", "opinion": "予以受理。"}
    await record("PrepareDecision/papers_not_received", CLERK, decision=accept)
    await record("ConfirmPapers/happy", CLERK, idempotencyKey="1", case=case)
    await record("ConfirmPapers/no_papers_here", CLERK, idempotencyKey="2", case=case)
    await record.stage.decide(CLERK, case, "ACCEPT", "予以受理。")


async def _papers(record: Recorder, case: str) -> None:
    await record("HandOverPapers/happy", CLERK, idempotencyKey="1", case=case, toUnit="ZJJ")
    await record("HandOverPapers/no_papers_here", CLERK, idempotencyKey="2", case=case, toUnit="ZJJ")
    await record("Duties/papers", HANDLER)
    await record("WaivePapers/invalid", HANDLER, idempotencyKey="1", case=case, reason=" ")
    reason = "原件由窗口留存，凭影印件办理。"
    await record("WaivePapers/happy", HANDLER, idempotencyKey="2", case=case, reason=reason)
    await record.stage.decide(HANDLER, case, "AGREE", "初审同意。")
    differs = {"case": case, "revision": 5, "matches": False, "note": ""}
    await record("RecordOriginals/invalid", CLERK, idempotencyKey="1", **differs)
    seen = {**differs, "matches": True, "note": "与网上提交的一致。"}
    await record("RecordOriginals/happy", CLERK, idempotencyKey="2", **seen)
    await record("RecordOriginals/already_checked", CLERK, idempotencyKey="3", **{**seen, "revision": 6})


async def _the_bill(record: Recorder, case: str) -> None:
    await record("SettleBill/fee_amount_missing", CLERK, idempotencyKey="1", case=case)
    await record("EnterFee/fee_fixed", CLERK, idempotencyKey="1", case=case, line=1, amountCents=5)
    await record("EnterFee/happy", CLERK, idempotencyKey="2", case=case, line=2, amountCents=36000)
    unlisted = {"case": case, "fee": "资料费", "amountCents": 5000, "reason": "误收，已告知退还。"}
    await record("ChargeUnlisted/happy", CLERK, idempotencyKey="1", **unlisted)
    await record("ChargeUnlisted/fee_is_listed", CLERK, idempotencyKey="2", **{**unlisted, "fee": "工本费"})
    await record("SettleBill/happy", CLERK, idempotencyKey="2", case=case)
    await record("SettleBill/bill_closed", CLERK, idempotencyKey="3", case=case)
    await record("CaseIntake/happy", CLERK, number=case)
    await record("CaseIntake/masked", SUPERVISOR, number=case)
    await record("CaseIntake/unknown", CLERK, number="202699999999")


async def _other_answers(record: Recorder) -> None:
    filed = await record.stage.file()
    not_ours: dict[str, Any] = {
        "case": filed["number"],
        "revision": 1,
        "step": "accept",
        "decision": "NOT_OURS",
        "opinion": "城市道路挖掘由城市管理部门审批。",
    }
    await record("PrepareDecision/not_ours_without_authority", CLERK, decision=not_ours)
    named = {**not_ours, "items": ["衡江县城市管理和综合执法局"]}
    await record("PrepareDecision/not_ours", CLERK, decision=named)
    await record.stage.decide(CLERK, str(filed["number"]), "NOT_OURS", not_ours["opinion"], items=named["items"])


async def _watching(record: Recorder) -> None:
    await record.stage.courier.deliver(limit=200)
    await record("Findings/happy", SUPERVISOR)
    await record("Findings/not_accepted", SUPERVISOR, kind="NOT_ACCEPTED", first=1)
    await record("Findings/not_permitted", HANDLER)
    await record("FindingTallies/happy", SUPERVISOR, since="2026-09-01")
    await record("SecondEntries/happy", SUPERVISOR, since="2026-09-01", until="2026-09-30")
    await record("SecondEntries/invalid", SUPERVISOR, since="2026-09-30", until="2026-09-01")
