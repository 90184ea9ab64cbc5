"""The approval flow: signed steps, three levels, one decision whoever races."""

import asyncio

import pytest

from casework.acts import CaseView, Decide, Decision, PrepareDecision
from casework.files import find
from casework.rules import CaseworkRules
from casework.tables import Case, Document, Step, Task
from kernel.acts import SignedBytes
from kernel.tables import EventRow
from tests.casework.town import Town, item, person


@pytest.mark.feature("FLOW-01")
async def test_every_step_from_acceptance_to_delivery_is_closed_by_a_signed_opinion(town):
    number = await town.granted()
    await town.decide("HANDLER", number, "complete", Decision.COMPLETE, "已制证，办结。")
    last = await town.decide("CLERK", number, "deliver", Decision.DELIVER, "申请人当面领取。")
    assert last.status == "delivered"
    signed = await Step.all().order_by("seq")
    assert [step.step for step in signed] == ["accept", "level:1", "level:2", "level:3", "complete", "deliver"]
    assert all(step.opinion and step.signature and step.officer for step in signed)
    assert not await Task.filter(closed_at=None).exists()


@pytest.mark.feature("FLOW-01")
async def test_a_step_without_opinion_signature_or_the_right_role_stays_open(town):
    number = await town.accepted()
    assert (await town.decide("HANDLER", number, "level:1", Decision.AGREE, "  ")).code == "OPINION_MISSING"
    assert (await town.decide("HEAD", number, "level:1", Decision.AGREE)).code == "NOT_PERMITTED"
    unsigned = Decide(case=number, revision=2, step="level:1", decision=Decision.AGREE, opinion="同意")
    assert (await town.do(unsigned, person("HANDLER"))).code == "ASSURANCE_TOO_LOW"
    assert (await Task.get(closed_at=None)).step == "level:1"


async def test_an_officer_cannot_sign_one_opinion_and_submit_another(town):
    number = await town.accepted()
    fields = {"case": number, "revision": 2, "step": "level:1", "decision": Decision.AGREE}
    request = await town.do(PrepareDecision(**fields, opinion="同意"), person("HANDLER"))
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    refused = await town.do(Decide(**fields, opinion="不同意"), person("HANDLER"), proof=proof)
    assert refused.code == "SIGNED_SOMETHING_ELSE"
    assert (await find(number)).revision == 2


async def test_a_list_that_was_signed_as_one_item_cannot_be_submitted_as_two(town):
    filed = await town.file()
    fields = {
        "case": filed.number,
        "revision": 1,
        "step": "accept",
        "decision": Decision.ASK_SUPPLEMENT,
        "opinion": "缺材料",
    }
    request = await town.do(PrepareDecision(**fields, items=("甲；乙",)), person("CLERK"))
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    refused = await town.do(Decide(**fields, items=("甲", "乙")), person("CLERK"), proof=proof)
    assert refused.code == "SIGNED_SOMETHING_ELSE"


@pytest.mark.feature("FLOW-02")
async def test_levels_follow_the_items_definition_and_nobody_acts_on_two_adjacent_ones(town):
    number = await town.accepted()
    await town.decide("BOTH", number, "level:1", Decision.AGREE)
    assert (await town.decide("BOTH", number, "level:2", Decision.AGREE)).code == "SAME_PERSON_TWICE"
    assert isinstance(await town.decide("HEAD", number, "level:2", Decision.AGREE), CaseView)

    await town.publish(item("ZJ-XK-002", levels=1))
    single = await town.accepted(item="ZJ-XK-002", stage="ZJ-XK-002-01")
    assert (await town.decide("LEADER", single, "level:1", Decision.AGREE)).code == "ILLEGAL_STEP"
    assert (await town.decide("LEADER", single, "level:1", Decision.GRANT)).status == "granted"


@pytest.mark.feature("FLOW-02")
async def test_a_small_county_may_let_one_person_act_on_adjacent_levels(database, clock):
    town = Town(database, clock, CaseworkRules(same_person_adjacent=True))
    await town.settle()
    await town.publish()
    number = await town.accepted()
    await town.decide("BOTH", number, "level:1", Decision.AGREE)
    assert isinstance(await town.decide("BOTH", number, "level:2", Decision.AGREE), CaseView)


@pytest.mark.feature("FLOW-03")
async def test_a_return_goes_one_level_back_with_a_reason_while_the_clock_runs(town):
    number = await town.accepted()
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    due = (await Task.get(closed_at=None)).red_at
    assert (await town.decide("HEAD", number, "level:2", Decision.RETURN, "")).code == "REASON_MISSING"
    returned = await town.decide("HEAD", number, "level:2", Decision.RETURN, "图纸与申请表不符。")
    assert returned.step == "level:1"
    task = await Task.get(closed_at=None)
    assert (task.role, task.red_at) == ("handler", due)
    assert (await Case.get(number=number)).returns == 1
    assert await EventRow.filter(tag="case.returned").count() == 1
    assert (await town.decide("HANDLER", number, "level:1", Decision.RETURN, "退")).code == "ILLEGAL_STEP"


@pytest.mark.feature("FLOW-10")
async def test_a_refusal_states_reasons_and_remedy_in_writing(town):
    number = await town.accepted()
    await town.decide("HANDLER", number, "level:1", Decision.AGREE, "建议不予许可。")
    await town.decide("HEAD", number, "level:2", Decision.AGREE, "同意不予许可。")
    bare = await town.decide("LEADER", number, "level:3", Decision.REFUSE, "")
    assert bare.code == "REASON_MISSING"
    refused = await town.decide("LEADER", number, "level:3", Decision.REFUSE, "未取得用地批准手续。")
    assert refused.status == "refused"
    document = await Document.get(kind="refusal")
    assert "未取得用地批准手续。" in document.content
    assert "行政诉讼" in document.content


async def test_the_decision_ends_the_clock_and_delivery_has_ten_working_days(town):
    await town.granted()
    task = await Task.get(closed_at=None)
    assert (task.step, str(task.due_on)) == ("complete", "2026-10-09")


@pytest.mark.feature("FLOW-15")
async def test_two_officers_at_once_make_one_decision_and_one_hears_why_not(town):
    number = await town.accepted()
    answers = await asyncio.gather(
        *(town.decide(who, number, "level:1", Decision.AGREE, revision=2) for who in ("HANDLER", "HANDLER2"))
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["CaseView", "ChangedMeanwhile"]
    assert await Step.filter(step="level:1").count() == 1
    assert await Task.filter(closed_at=None).count() == 1


async def test_a_stale_revision_is_refused_and_nothing_is_written(town):
    number = await town.accepted()
    before = await EventRow.all().count()
    assert (await town.decide("HANDLER", number, "level:1", Decision.AGREE, revision=1)).code == "CHANGED_MEANWHILE"
    assert await EventRow.all().count() == before


async def test_a_retry_after_a_cut_connection_gets_the_same_answer(town):
    number = await town.accepted()
    fields = {"case": number, "revision": 2, "step": "level:1", "decision": Decision.AGREE, "opinion": "同意"}
    request = await town.do(PrepareDecision(**fields), person("HANDLER"))
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    first = await town.do(Decide(**fields), person("HANDLER"), key="retry", proof=proof)
    again = await town.do(Decide(**fields), person("HANDLER"), key="retry", proof=proof)
    assert first == again
    assert await Step.filter(step="level:1").count() == 1


async def test_another_units_officer_may_not_act(town):
    from kernel.tables import Officer

    number = await town.accepted()
    await Officer.filter(id="HANDLER").update(unit_code="HALL")
    assert (await town.decide("HANDLER", number, "level:1", Decision.AGREE)).code == "NOT_PERMITTED"
    await Officer.filter(id="HANDLER").update(unit_code="ZJ", active=False)
    assert (await town.decide("HANDLER", number, "level:1", Decision.AGREE)).code == "NOT_PERMITTED"


async def test_every_open_case_is_somebodys_turn(town):
    for _ in range(3):
        await town.accepted()
    await town.granted()
    open_cases = await Case.filter(closed_at=None).values_list("id", flat=True)
    turns = await Task.filter(closed_at=None).values_list("case_id", flat=True)
    assert sorted(turns) == sorted(open_cases)


async def test_an_officer_is_shown_which_stage_of_the_item_they_sign(town):
    """To grant and to cancel are stages of one item, and 准予 is said of both."""
    filed = await town.file()
    act = PrepareDecision(case=filed.number, revision=1, step="accept", decision=Decision.ACCEPT, opinion="受理。")
    request = await town.do(act, person("CLERK"))
    assert ("阶段", "核发") in town.notary.shown(request).lines
