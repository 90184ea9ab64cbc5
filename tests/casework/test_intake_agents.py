"""委托代理 (Administrative Licensing Law, art. 29), and materials that the library of licences makes superfluous."""

from typing import Any

import msgspec
import pytest

from casework.acts import Decision
from casework.intake.records import intake_of
from casework.tables import Case, Document
from hall.progress import ProgressView, QueryProgress
from kernel.actor import ANYBODY
from tests.casework.counter import definition, material
from tests.casework.licensed import HOLDER_ID, KIND
from tests.casework.town import person

AGENT: dict[str, Any] = {
    "agent_name": "陈代办",
    "agent_id_number": "430400199001011234",
    "agent_phone": "13800000002",
}


@pytest.mark.feature("HALL-15")
async def test_applicant_and_agent_both_follow_the_case_and_the_decision_is_the_applicant_s(town):
    case = await town.accepted(**AGENT)
    row = await Case.get(number=case)
    assert (row.applicant_name, row.agent_name) == ("衡江建设有限公司", "陈代办")
    for phone in (row.applicant_phone, row.agent_phone):
        seen = await town.do(QueryProgress(number=case), msgspec.structs.replace(ANYBODY, phone=phone))
        assert isinstance(seen, ProgressView)
    stranger = await town.do(QueryProgress(number=case), msgspec.structs.replace(ANYBODY, phone="13800000003"))
    assert stranger.code == "QUERY_PASSWORD_NEEDED"
    await town.decide("HANDLER", case, "level:1", Decision.AGREE)
    await town.decide("HEAD", case, "level:2", Decision.AGREE)
    await town.decide("LEADER", case, "level:3", Decision.GRANT)
    decision = msgspec.json.decode((await Document.get(kind="grant")).content)
    assert decision["draft"]["addressee"] == "衡江建设有限公司"
    assert "陈代办" not in str(decision)


async def test_the_receipt_names_the_agent_and_others_see_masked_numbers(town):
    filed = await town.file(**AGENT)
    assert "陈代办" in (await Document.get(number=filed.receipt)).content
    whole = await intake_of(town.database, person("CLERK"), filed.number)
    assert whole is not None
    assert whole["agent"] == {"name": "陈代办", "id_number": "430400199001011234", "phone": "13800000002"}


@pytest.mark.parametrize(
    "changes", [{"agent_phone": "12"}, {"agent_name": " ", "agent_phone": "13800000002"}, {"agent_id_number": ""}]
)
async def test_an_agent_is_named_whole_or_not_at_all(town, changes):
    with pytest.raises(AssertionError, match="INVALID"):
        await town.file(**{**AGENT, **changes})


async def test_what_is_missing_is_said_and_keeps_nobody_from_filing(town, counter):
    demanded = [material("申请表"), material("用地批准书"), material("照片", required=False)]
    await counter.publish(stage={"materials": demanded})
    filed = await town.file()
    assert filed.missing == ("用地批准书",)
    assert '["尚缺材料","用地批准书"]' in (await Document.get(number=filed.receipt)).content


async def test_a_licence_that_the_library_holds_is_not_asked_for_again(town, registry):
    granted = await registry.granted()
    number = await registry.number_of(granted)
    needs = [material("申请表"), material("施工许可证", licence=KIND)]
    other = definition(stage={"materials": needs}).replace(b"ZJ-XK-001", b"ZJ-XK-002")
    await town.publish(other)
    filed = await town.file(item="ZJ-XK-002", stage="ZJ-XK-002-01", applicant_id_number=HOLDER_ID)
    assert (filed.missing, filed.reused) == ((), ("施工许可证",))
    assert f"施工许可证（{number}，免于提交）" in (await Document.get(number=filed.receipt)).content
    reads = await town.database.rows("SELECT licence_number FROM licence_read WHERE case_number = $1", filed.number)
    assert [row["licence_number"] for row in reads] == [number]
    stranger = await town.file(item="ZJ-XK-002", stage="ZJ-XK-002-01", applicant_id_number="another")
    assert stranger.missing == ("施工许可证",)
