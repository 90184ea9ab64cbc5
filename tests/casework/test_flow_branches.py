"""Parallel handling: lead and co-units at once, each with a limit and lights of its own, one decision for all."""

import pytest

from casework.acts import CaseView, Decision, StopClock, Withdraw
from casework.clock.clocks import ledger_of
from casework.clock.ledger import Handling, StopGround
from casework.clock.time_limits import Light
from casework.flow.tables import Branch
from casework.intake.query_passwords import query_password
from casework.tables import Case, Step, Task
from kernel.actor import ANYBODY
from kernel.tables import EventRow
from supervision.acts import TurnLights
from supervision.rules import SupervisionRules
from supervision.tables import Card, LightRow
from tests.casework.flow import PARALLEL, parallel, shown, waiting
from tests.casework.town import Town, person


async def open_steps(number: str) -> dict[str, str]:
    """Step to due day of every open turn, in the order of the lines."""
    case = await Case.get(number=number)
    tasks = await Task.filter(case_id=case.id, closed_at=None).order_by("branch")
    return {task.step: str(task.due_on) for task in tasks}


async def lead_agrees(town: Town, number: str) -> None:
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("HEAD", number, "level:2", Decision.AGREE)


async def todo_of(town: Town, who: str) -> list[str]:
    rows, _ = await waiting(town, who)
    return [f"{row['case']['number']}/{row['step']}" for row in rows]


@pytest.mark.feature("FLOW-05")
async def test_lead_and_co_units_work_at_once_and_the_lead_decides_when_all_have_spoken(town):
    number = await parallel(town)
    # Accepted on 2026-09-18: 40, 10 and 15 working days.
    assert await open_steps(number) == {"level:1": "2026-11-19", "branch:1:1": "2026-10-09", "branch:2:1": "2026-10-15"}
    assert str((await Case.get(number=number)).statutory_due) == "2026-11-26"
    for who, step in (("HANDLER", "level:1"), ("FIRE", "branch:1:1"), ("SHELTER", "branch:2:1")):
        assert await todo_of(town, who) == [f"{number}/{step}"]

    await lead_agrees(town, number)
    early = await town.decide("LEADER", number, "level:3", Decision.GRANT)
    assert (early.code, early.details["branches"]) == ("BRANCHES_OPEN", ["消防设计审查", "人防工程审查"])
    await town.decide("FIRE", number, "branch:1:1", Decision.AGREE, "符合消防规范。")
    ended = await town.decide("FIRE_HEAD", number, "branch:1:2", Decision.CONCUR, "同意。")
    assert ended.step == "level:3"
    assert (await town.decide("LEADER", number, "level:3", Decision.REFUSE, "不符。")).details["branches"] == [
        "人防工程审查"
    ]
    await town.decide("SHELTER", number, "branch:2:1", Decision.CONCUR, "符合人防要求。")
    assert await EventRow.filter(tag="case.branches_joined").count() == 1
    assert (await town.decide("LEADER", number, "level:3", Decision.GRANT)).status == "granted"
    signed = await Step.filter(decision__in=("concur", "dissent"))
    assert all(step.opinion and step.signature for step in signed)


@pytest.mark.feature("FLOW-05")
async def test_a_dissent_needs_reasons_and_granting_over_it_needs_an_answer(town):
    number = await parallel(town)
    await lead_agrees(town, number)
    await town.decide("FIRE", number, "branch:1:1", Decision.AGREE)
    await town.decide("FIRE_HEAD", number, "branch:1:2", Decision.CONCUR)
    assert (await town.decide("SHELTER", number, "branch:2:1", Decision.DISSENT, " ")).code == "REASON_MISSING"
    await town.decide("SHELTER", number, "branch:2:1", Decision.DISSENT, "人防面积不足。")
    silent = await town.decide("LEADER", number, "level:3", Decision.GRANT)
    assert (silent.code, silent.details["branches"]) == ("DISSENT_UNANSWERED", ["人防工程审查"])
    answers = ("申请人已承诺易地建设并缴费。",)
    granted = await town.decide("LEADER", number, "level:3", Decision.GRANT, "准予。", items=answers)
    assert granted.status == "granted"
    branch = await Branch.get(number=2)
    assert (branch.verdict, branch.opinion, branch.answer) == ("dissent", "人防面积不足。", answers[0])
    assert await EventRow.filter(tag="case.dissent_answered").count() == 1


@pytest.mark.feature("FLOW-05")
async def test_each_branch_has_lights_of_its_own(town):
    town.desk.provisions[SupervisionRules] = SupervisionRules()
    await parallel(town)
    town.at("2026-10-16 00:00")
    await town.do(TurnLights())
    lights = await LightRow.all().order_by("at", "id")
    assert [(light.colour, light.unit_code, str(light.due_on)) for light in lights] == [
        ("yellow", "XF", "2026-10-09"),
        ("red", "XF", "2026-10-09"),
        ("yellow", "RF", "2026-10-15"),
        ("red", "RF", "2026-10-15"),
    ]
    assert {card.unit_code for card in await Card.all()} == {"XF", "RF"}  # each answers for its own lateness


async def test_handling_by_several_units_runs_by_the_rules_of_joint_handling(town):
    number = await parallel(town)
    case = await Case.get(number=number)
    assert (await ledger_of(case)).started.handling is Handling.JOINT


async def test_a_stoppage_moves_every_line(town):
    number = await parallel(town)
    before = await open_steps(number)
    stop = StopClock(case=number, revision=2, ground=StopGround.EXPERT_REVIEW, told_days=5, reason="专家评审。")
    assert isinstance(await town.do(stop, person("HANDLER")), CaseView)
    after = await open_steps(number)
    assert after.keys() == before.keys()
    assert all(after[step] > before[step] for step in before)


async def test_a_branch_returns_within_itself_and_its_people_decide_nothing_else(town):
    number = await parallel(town)
    await town.decide("FIRE", number, "branch:1:1", Decision.AGREE)
    await town.decide("FIRE_HEAD", number, "branch:1:2", Decision.RETURN, "请附审查表。")
    assert "branch:1:1" in await open_steps(number)
    assert (await town.decide("FIRE", number, "level:1", Decision.AGREE)).code == "NOT_PERMITTED"
    assert (await town.decide("FIRE", number, "branch:2:1", Decision.CONCUR)).code == "NOT_PERMITTED"
    assert (await town.decide("FIRE", number, "branch:1:1", Decision.GRANT)).code == "ILLEGAL_STEP"
    assert (await town.decide("HANDLER", number, "level:1", Decision.CONCUR)).code == "ILLEGAL_STEP"


async def test_whoever_takes_part_sees_the_whole_case_with_its_branches(town):
    number = await parallel(town)
    await town.decide("SHELTER", number, "branch:2:1", Decision.DISSENT, "人防面积不足。")
    seen = await shown(town, "FIRE", number)
    assert seen["applicant"]["id_number"] == "91430400MA4L000000"
    assert [task["step"] for task in seen["open_tasks"]] == ["level:1", "branch:1:1"]
    assert seen["open_task"]["step"] == "level:1"
    fire, shelter = seen["branches"]
    assert (fire["step_name"], fire["verdict"], str(fire["due_on"])) == ("会办承办", None, "2026-10-09")
    assert (shelter["verdict"], shelter["opinion"], shelter["officer_name"]) == ("dissent", "人防面积不足。", "沈人防")
    assert "并联会办意见" in [entry["title"] for entry in seen["timeline"]]
    stranger = await shown(town, "CITY", number)
    assert stranger is None


async def test_a_withdrawn_case_leaves_no_branch_open(town):
    await town.publish(PARALLEL)
    filed = await town.file(item="ZJ-XK-020", stage="ZJ-XK-020-01")
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT, "受理。")
    withdrawn = await town.do(Withdraw(case=filed.number, password=town.password_of(filed)), ANYBODY)
    assert withdrawn.status == "withdrawn"
    assert not await Task.filter(closed_at=None).exists()


async def test_no_branch_is_late_in_a_case_that_was_withdrawn(town):
    number = await parallel(town)
    await town.do(Withdraw(case=number, password=query_password(town.secrets, number)), ANYBODY)
    town.at("2026-12-18")
    assert {branch["light"] for branch in (await shown(town, "HANDLER", number))["branches"]} == {Light.OUT}
    assert not await Task.filter(closed_at=None).exists()
