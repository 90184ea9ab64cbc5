"""上报: the lower authority reviews within its own twenty days, then everything goes to the one that decides."""

import json

import pytest

from casework.acts import Decision, MaterialGiven
from casework.tables import Case, Document, Task
from kernel.tables import EventRow
from tests.casework.flow import levels, shown, staged
from tests.casework.town import Town

REPORTED = staged(
    "ZJ-XK-030",
    statutory_limit_days=40,
    committed_limit_days=40,
    levels=levels("handler", "deputy_leader"),
    materials=[
        {"name": "申请表", "basis": "《办法》第五条"},
        {"name": "业绩证明", "basis": "《办法》第六条"},
    ],
    report_up={"unit": "SZJ", "review_limit_days": 20, "levels": levels("handler", "deputy_leader")},
)


async def reported(town: Town) -> str:
    await town.publish(REPORTED)
    return await town.accepted(
        item="ZJ-XK-030",
        stage="ZJ-XK-030-01",
        materials=(MaterialGiven(name="申请表"), MaterialGiven(name="业绩证明")),
    )


@pytest.mark.feature("FLOW-14")
async def test_the_first_review_has_its_own_twenty_days_and_reports_up_everything(town):
    number = await reported(town)
    review = await Task.get(closed_at=None)
    case = await Case.get(number=number)
    assert (str(review.due_on), str(case.committed_due)) == ("2026-10-22", "2026-11-19")
    await town.decide("HANDLER", number, "level:1", Decision.AGREE, "初审：材料真实，符合条件。")
    assert str((await Task.get(closed_at=None)).due_on) == "2026-10-22"
    assert (await town.decide("LEADER", number, "level:2", Decision.GRANT)).code == "ILLEGAL_STEP"

    up = await town.decide("LEADER", number, "level:2", Decision.REPORT_UP, "初审同意，上报市局。")
    assert up.step == "level:3"
    task = await Task.get(closed_at=None)
    assert (task.unit_code, task.role, str(task.due_on)) == ("SZJ", "handler", "2026-11-19")
    event = json.loads((await EventRow.get(tag="case.reported_up")).body)
    assert (event["from_unit"], event["to_unit"], event["materials"], len(event["opinions"])) == ("ZJ", "SZJ", 2, 2)
    letter = await Document.get(kind="report_up")
    assert (letter.unit_code, letter.number) == ("ZJ", event["document"])
    for said in (
        "市住房和城乡建设局",
        "初审意见（张承办）",
        "初审：材料真实，符合条件。",
        "初审同意，上报市局。",
        "业绩证明",
    ):
        assert said in letter.content
    seen = await shown(town, "CITY", number)
    assert [material["name"] for material in seen["materials"]] == ["申请表", "业绩证明"]
    assert "初审同意，上报市局。" in [step["opinion"] for step in seen["steps"]]
    assert seen["applicant"]["phone"] == "13800000001"

    await town.decide("CITY", number, "level:3", Decision.AGREE, "复核同意。")
    assert (await town.decide("CITY_LEADER", number, "level:4", Decision.GRANT, "准予。")).status == "granted"
    assert (await Document.get(kind="grant")).unit_code == "SZJ"
    done = await town.decide("CITY", number, "complete", Decision.COMPLETE, "已制证。")
    assert done.step == "deliver"


async def test_the_authority_above_may_return_to_the_one_below_and_the_review_clock_does_not_begin_anew(town):
    number = await reported(town)
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("LEADER", number, "level:2", Decision.REPORT_UP, "上报。")
    town.at("2026-10-26")
    returned = await town.decide("CITY", number, "level:3", Decision.RETURN, "请核实业绩。")
    # The first level of the authority above has one below it: the last of the first review.
    assert returned.step == "level:2"
    assert str((await Task.get(closed_at=None)).due_on) == "2026-11-19"


async def test_a_single_reviewer_reports_up(town):
    definition = json.loads(REPORTED)
    definition["stages"][0]["levels"] = levels("handler")
    await town.publish(json.dumps(definition, ensure_ascii=False).encode())
    number = await town.accepted(item="ZJ-XK-030", stage="ZJ-XK-030-01")
    assert (await town.decide("HANDLER", number, "level:1", Decision.AGREE)).code == "ILLEGAL_STEP"
    assert (await town.decide("HANDLER", number, "level:1", Decision.REPORT_UP, "上报。")).step == "level:2"


async def test_a_law_may_give_the_first_review_more_than_twenty_days(town):
    """Art. 43: 法律、法规另有规定的，依照其规定."""
    definition = json.loads(REPORTED)
    definition["stages"][0] |= {"statutory_limit_days": 60, "committed_limit_days": 60}
    definition["stages"][0]["report_up"] |= {"review_limit_days": 30, "basis": "《某法》第九条"}
    await town.publish(json.dumps(definition, ensure_ascii=False).encode())
    await town.accepted(item="ZJ-XK-030", stage="ZJ-XK-030-01")
    task = await Task.get(closed_at=None)
    assert (task.line_days, str(task.due_on)) == (30, "2026-11-05")
