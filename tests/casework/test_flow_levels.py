"""From level to level: as many as the item says, one back or further, six signed links from end to end."""

import pytest

from casework.acts import CaseView, Decide, Decision, MaterialGiven, PrepareDecision, ReceiveSupplement
from casework.tables import Case, Step, Task
from kernel.acts import SignedBytes
from kernel.tables import EventRow
from tests.casework.flow import accepted, levels, shown, staged
from tests.casework.town import person


@pytest.mark.feature("FLOW-01")
async def test_all_six_links_are_signed_and_the_whole_case_shows_each_opinion(town):
    filed = await town.file()
    number = filed.number
    await town.decide("CLERK", number, "accept", Decision.ASK_SUPPLEMENT, "缺规划许可证。", items=("规划许可证",))
    arrived = ReceiveSupplement(case=number, revision=2, materials=(MaterialGiven(name="规划许可证"),), complete=True)
    assert isinstance(await town.do(arrived, person("CLERK")), CaseView)
    for who, step, decision, opinion in (
        ("CLERK", "supplement", Decision.ACCEPT, "补正齐全，予以受理。"),
        ("HANDLER", "level:1", Decision.AGREE, "符合法定条件。"),
        ("HEAD", "level:2", Decision.AGREE, "审核同意。"),
        ("LEADER", "level:3", Decision.GRANT, "准予许可。"),
        ("HANDLER", "complete", Decision.COMPLETE, "已制证。"),
        ("CLERK", "deliver", Decision.DELIVER, "申请人当面领取。"),
    ):
        unsigned = (await town.decide(who, number, step, decision, " ")).code
        assert unsigned in ("OPINION_MISSING", "REASON_MISSING"), step
        assert isinstance(await town.decide(who, number, step, decision, opinion), CaseView), step

    case = await shown(town, "HANDLER", number)
    signed = [(step["step_name"], step["decision_name"], step["officer_name"]) for step in case["steps"]]
    assert signed == [
        ("受理", "告知补正", "窗小李"),
        ("补正", "予以受理", "窗小李"),
        ("承办", "同意，报上一级", "张承办"),
        ("审核", "同意，报上一级", "王科长"),
        ("批准", "准予许可", "赵局长"),
        ("办结", "办结", "张承办"),
        ("送达", "送达", "窗小李"),
    ]
    assert all(step["opinion"] and step["evidence"] for step in case["steps"])
    assert case["open_tasks"] == []


@pytest.mark.feature("FLOW-02")
@pytest.mark.parametrize(
    "chain",
    [
        [("CHIEF", "unit_head")],
        [("HANDLER", "handler"), ("CHIEF", "unit_head")],
        [("HANDLER", "handler"), ("HEAD", "section_head"), ("LEADER", "deputy_leader"), ("CHIEF", "unit_head")],
        [("HANDLER", "handler"), ("HANDLER2", "handler"), ("HANDLER", "handler"), ("HEAD", "section_head"),
         ("LEADER", "deputy_leader"), ("CHIEF", "unit_head")],
    ],
    ids=len,
)  # fmt: skip
async def test_a_case_passes_as_many_levels_as_its_item_says(town, chain):
    number = await accepted(town, staged("ZJ-XK-010", levels=levels(*(role for _, role in chain))))
    for level, (who, _) in enumerate(chain[:-1], 1):
        moved = await town.decide(who, number, f"level:{level}", Decision.AGREE)
        assert moved.step == f"level:{level + 1}"
    assert (await town.decide(chain[-1][0], number, f"level:{len(chain)}", Decision.GRANT)).status == "granted"


@pytest.mark.feature("FLOW-02")
async def test_nobody_acts_on_two_adjacent_levels_of_any_length_of_chain(town):
    number = await accepted(town, staged("ZJ-XK-010", levels=levels("handler", "handler", "handler", "unit_head")))
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    assert (await town.decide("HANDLER", number, "level:2", Decision.AGREE)).code == "SAME_PERSON_TWICE"
    await town.decide("HANDLER2", number, "level:2", Decision.AGREE)
    assert (await town.decide("HANDLER2", number, "level:3", Decision.AGREE)).code == "SAME_PERSON_TWICE"
    assert isinstance(await town.decide("HANDLER", number, "level:3", Decision.AGREE), CaseView)


@pytest.mark.feature("FLOW-02")
async def test_an_assigned_turn_at_the_adjacent_level_counts_as_acting_there(town):
    """BOTH is given level 1 again after a return; until then they may not take level 2 of the same case."""
    number = await town.accepted()
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await Task.filter(step="level:1").update(assignee="BOTH")
    assert (await town.decide("BOTH", number, "level:2", Decision.AGREE)).code == "SAME_PERSON_TWICE"


@pytest.mark.feature("FLOW-03")
async def test_where_the_item_allows_it_a_return_goes_to_a_chosen_earlier_level(town):
    number = await accepted(town, staged("ZJ-XK-010", return_anywhere=True))
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("HEAD", number, "level:2", Decision.AGREE)
    due = (await Case.get(number=number)).committed_due
    for nowhere in ("level:3", "level:4", "accept", "branch:1:1", "level:0"):
        refused = await town.decide("LEADER", number, "level:3", Decision.RETURN, "重新勘查。", return_to=nowhere)
        assert refused.code == "RETURN_IMPOSSIBLE", nowhere
    returned = await town.decide("LEADER", number, "level:3", Decision.RETURN, "重新勘查现场。", return_to="level:1")
    assert (returned.step, returned.committed_due) == ("level:1", due)
    case = await Case.get(number=number)
    assert case.returns == 1
    (event,) = await EventRow.filter(tag="case.returned")
    assert '"next_step":"level:1"' in event.body
    assert (await Step.get(decision="return")).opinion == "重新勘查现场。"


@pytest.mark.feature("FLOW-03")
async def test_without_that_a_return_goes_exactly_one_level_back(town):
    number = await town.accepted()
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("HEAD", number, "level:2", Decision.AGREE)
    far = await town.decide("LEADER", number, "level:3", Decision.RETURN, "重来。", return_to="level:1")
    assert far.code == "RETURN_IMPOSSIBLE"
    one = await town.decide("LEADER", number, "level:3", Decision.RETURN, "请补充审核意见。", return_to="level:2")
    assert one.step == "level:2"


async def test_only_a_return_says_where_it_goes(town):
    number = await town.accepted()
    refused = await town.decide("HANDLER", number, "level:1", Decision.AGREE, return_to="level:1")
    assert refused.code == "RETURN_IMPOSSIBLE"


async def test_where_a_case_goes_back_to_is_part_of_what_is_signed(town):
    number = await accepted(town, staged("ZJ-XK-010", return_anywhere=True))
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("HEAD", number, "level:2", Decision.AGREE)
    request = await town.do(
        PrepareDecision(
            case=number, revision=4, step="level:3", decision=Decision.RETURN, opinion="重来。", return_to="level:1"
        ),
        person("LEADER"),
    )
    assert ("退回至", "承办") in town.notary.shown(request).lines
    unsaid = Decide(case=number, revision=4, step="level:3", decision=Decision.RETURN, opinion="重来。")
    refused = await town.do(unsaid, person("LEADER"), proof=SignedBytes(nonce=request.nonce, signature=b"s"))
    assert refused.code == "SIGNED_SOMETHING_ELSE"
