"""What the window may answer beside acceptance (Administrative Licensing Law, art. 32(1)(1) to (3))."""

import pytest

from casework.acts import Decision, DeemAccepted
from casework.tables import Case, Document, Material
from kernel.acts import Done
from tests.casework.counter import code_of, events, paper

FORM = {
    "type": "object",
    "properties": {"project": {"type": "string", "minLength": 2}},
    "required": ["project"],
    "additionalProperties": False,
}


@pytest.mark.feature("INT-08")
async def test_what_needs_no_permit_is_told_at_once(town):
    filed = await town.file()
    view = await town.decide("CLERK", filed.number, "accept", Decision.NOT_NEEDED, "小型工程依法不需要施工许可。")
    assert view.status == "not_accepted"
    document = await Document.get(kind="not_needed")
    assert "不需要取得行政许可" in document.content
    (event,) = await events(filed.number, "case.acceptance_refused")
    assert (event["ground"], event["document"]) == ("not_needed", document.number)
    assert not await events(filed.number, "case.accepted")


@pytest.mark.feature("INT-08")
async def test_who_is_not_competent_names_the_authority_that_is(town):
    filed = await town.file()
    words = "申请事项由城市管理部门审批。"
    bare = await town.decide("CLERK", filed.number, "accept", Decision.NOT_OURS, words, items=(" ",))
    assert code_of(bare) == "NOT_OURS_WITHOUT_AUTHORITY"
    assert (await Case.get(number=filed.number)).status == "received"
    named = ("城市管理和综合执法局",)
    view = await town.decide("CLERK", filed.number, "accept", Decision.NOT_OURS, words, items=named)
    assert view.status == "not_accepted"
    document = await Document.get(kind="non_acceptance")
    assert "城市管理和综合执法局" in document.content
    assert "行政复议" in document.content
    (event,) = await events(filed.number, "case.acceptance_refused")
    assert (event["ground"], event["authority"]) == ("not_ours", "城市管理和综合执法局")


@pytest.mark.feature("INT-08")
async def test_what_can_be_mended_on_the_spot_is_mended_and_the_case_goes_on(town, counter):
    filed = await town.file()
    before = await Case.get(number=filed.number)
    view = await counter.correct(
        filed.number, "身份证号少写一位", applicant_id_number="91430400MA4L000018", materials=(paper("授权委托书"),)
    )
    after = await Case.get(number=filed.number)
    assert (view.status, after.applicant_id_number) == ("received", "91430400MA4L000018")
    assert (after.applicant_name, after.deemed_at, after.supplement_asked) == (
        before.applicant_name,
        before.deemed_at,
        False,
    )
    assert await Material.filter(case_id=after.id).count() == 2
    (event,) = await events(filed.number, "case.corrected")
    assert (event["fields"], event["corrected"]) == (["applicant_id_number", "materials"], 1)
    assert "91430400MA4L000018" not in str(event)
    accepted = await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT, "更正后予以受理。")
    assert accepted.status == "in_approval"


@pytest.mark.parametrize("decision", [Decision.NOT_NEEDED, Decision.NOT_OURS])
async def test_the_other_two_refusals_need_their_reasons_as_well(town, decision):
    filed = await town.file()
    bare = await town.decide("CLERK", filed.number, "accept", decision, " ", items=("城管局",))
    assert code_of(bare) == "REASON_MISSING"


@pytest.mark.parametrize(
    ("corrected", "entries", "code"),
    [
        ((" ",), {}, "NOTHING_CORRECTED"),
        (("电话",), {"applicant_phone": "123"}, "INVALID"),
        (("材料",), {"materials": (paper(""),)}, "INVALID"),
        (("表单",), {"form": "{}"}, "FORM_UNEXPECTED"),
    ],
)
async def test_a_correction_is_said_in_words_and_leaves_a_sound_application(town, counter, corrected, entries, code):
    filed = await town.file()
    assert code_of(await counter.correct(filed.number, *corrected, **entries)) == code
    assert not await events(filed.number, "case.corrected")


async def test_a_corrected_form_is_checked_like_the_first(town, counter):
    await counter.publish(stage={"form": FORM})
    filed = await town.file(form='{"project": "一号楼"}')
    refused = await counter.correct(filed.number, "工程名称", form='{"project": "一"}')
    assert code_of(refused) == "FORM_ANSWERS_INVALID"
    await counter.correct(filed.number, "工程名称", form='{"project": "二号楼"}')
    assert (await Case.get(number=filed.number)).form == '{"project": "二号楼"}'


async def test_corrections_end_with_acceptance_and_with_the_fifth_day(town, counter):
    accepted, silent = await town.accepted(), await town.file()
    assert code_of(await counter.correct(accepted, "电话")) == "CORRECTION_TOO_LATE"
    town.at("2026-09-25 00:00")
    assert code_of(await counter.correct(silent.number, "电话")) == "TOLD_TOO_LATE"
    assert await town.do(DeemAccepted()) == Done(count=1)


async def test_nobody_but_the_window_corrects(town, counter):
    filed = await town.file()
    assert code_of(await counter.correct(filed.number, "电话", who="HANDLER")) == "NOT_PERMITTED"
