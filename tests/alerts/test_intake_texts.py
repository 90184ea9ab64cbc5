"""What intake tells people: originals, electronic delivery, charges outside the list, applicant and agent both."""

import json
from typing import Any

import pytest

from casework.acts import Decision
from casework.intake.acts import ChargeUnlisted, PreReviewOutcome, ReviewMaterials
from tests.alerts.county import APPLICANT, County, phone_of
from tests.casework.town import item, person

AGENT_PHONE = "13800000009"
AGENT: dict[str, Any] = {"agent_name": "陈代办", "agent_id_number": "430400199001011234", "agent_phone": AGENT_PHONE}


@pytest.mark.feature("HALL-14")
async def test_who_must_bring_originals_is_told_by_text(county: County) -> None:
    filed = await county.file()
    act = ReviewMaterials(case=filed.number, revision=1, outcome=PreReviewOutcome.ORIGINALS, opinion="材料齐全。")
    await county.do(act, person("HANDLER"))
    await county.tell()
    ((phone, body),) = await county.texts("T26")
    assert phone == APPLICANT
    assert body == (
        f"【衡江政务服务】您的申请{filed.number}材料预审通过，请携带原件到衡政务核对，核对前不能作出决定。咨询07348123456。"
    )


async def test_who_need_not_come_is_not_sent_to_the_window(county: County) -> None:
    made = {**json.loads(item()), "mode": "online", "grade": "A"}
    await county.publish(json.dumps(made, ensure_ascii=False).encode())
    case = await county.granted()
    await county.decide("HANDLER", case, "complete", Decision.COMPLETE)
    await county.tell()
    assert await county.texts("T15") == []
    ((phone, body),) = await county.texts("T27")
    assert phone == APPLICANT
    assert "电子送达" in body


async def test_a_charge_outside_the_list_warns_the_window_and_the_handlers(county: County) -> None:
    case = await county.accepted()
    charged = ChargeUnlisted(case=case, name="资料费", amount_cents=5000, reason="误收。")
    await county.do(charged, person("CLERK"))
    await county.tell()
    told = await county.texts("T04")
    assert {phone_of("CLERK"), phone_of("HANDLER")} <= {phone for phone, _ in told}
    assert all("收取了清单以外的费用" in body for _, body in told)


@pytest.mark.feature("HALL-15")
async def test_applicant_and_agent_are_both_told(county: County) -> None:
    await county.accepted(**AGENT)
    await county.tell()
    for template in ("T09", "T11"):
        assert [phone for phone, _ in await county.texts(template)] == [APPLICANT, AGENT_PHONE]


async def test_an_agent_with_the_applicants_phone_is_told_once(county: County) -> None:
    await county.file(**{**AGENT, "agent_phone": APPLICANT})
    await county.tell()
    assert [phone for phone, _ in await county.texts("T09")] == [APPLICANT]
