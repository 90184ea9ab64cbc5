"""代理: for a while another signs in the absent officer's name; both names stand on the record."""

from datetime import date
from typing import Any

import pytest

from casework.acts import CaseView, Decision, PrepareDecision
from casework.flow.acts import Delegate, DelegationView, PrepareDelegation, RevokeDelegation
from casework.flow.delegations import colleagues_of, delegates_of, delegations_of
from casework.flow.tables import Delegation
from casework.tables import Step
from kernel.acts import SignedBytes
from kernel.tables import EventRow, Officer
from tests.casework.flow import absent, accepted, levels, shown, staged, waiting
from tests.casework.town import Town, person


async def at_level_2(town: Town, **changes) -> str:
    number = await town.accepted(**changes)
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    return number


async def todo_of(town: Town, who: str) -> list[tuple[str, str | None]]:
    rows, _ = await waiting(town, who)
    return [(row["step"], row["on_behalf_of"]) for row in rows]


@pytest.mark.feature("FLOW-16")
async def test_a_delegate_signs_for_a_period_and_both_names_stand_on_the_record(town):
    number = await at_level_2(town)
    assert (await town.decide("CHIEF", number, "level:2", Decision.AGREE)).code == "NOT_PERMITTED"
    made = await absent(town)
    assert isinstance(made, DelegationView)
    assert await todo_of(town, "CHIEF") == [("level:2", "王科长")]

    request = await town.do(
        PrepareDecision(case=number, revision=3, step="level:2", decision=Decision.AGREE, opinion="同意。"),
        person("CHIEF"),
    )
    assert ("签署人", "周一把 代 王科长") in town.notary.shown(request).lines
    assert isinstance(await town.decide("CHIEF", number, "level:2", Decision.AGREE), CaseView)
    step = await Step.get(step="level:2")
    assert (step.officer, step.officer_name, step.principal, step.principal_name, step.role) == (
        "CHIEF", "周一把", "HEAD", "王科长", "section_head",
    )  # fmt: skip
    assert '"principal":"HEAD"' in (await EventRow.get(tag="case.signed_on_behalf")).body
    seen = await shown(town, "HANDLER", number)
    assert (seen["steps"][-1]["officer_name"], seen["steps"][-1]["on_behalf_of"]) == ("周一把", "王科长")
    signers = {entry["officer_name"] for entry in seen["timeline"] if entry["tag"] == "case.advanced"}
    assert signers == {"张承办", "周一把 代 王科长"}


@pytest.mark.feature("FLOW-16")
async def test_a_delegation_ends_with_its_last_day_or_when_it_is_revoked(town):
    first, second = await at_level_2(town), await at_level_2(town)
    made = await absent(town)
    town.at("2026-09-25 23:59")
    assert isinstance(await town.decide("CHIEF", first, "level:2", Decision.AGREE), CaseView)
    town.at("2026-09-26 00:00")
    assert (await town.decide("CHIEF", second, "level:2", Decision.AGREE)).code == "NOT_PERMITTED"
    assert await todo_of(town, "CHIEF") == []

    await absent(town, first_day=date(2026, 9, 26), last_day=date(2026, 10, 30))
    assert isinstance(await town.do(RevokeDelegation(delegation=made.id + 1), person("HEAD")), DelegationView)
    assert (await town.decide("CHIEF", second, "level:2", Decision.AGREE)).code == "NOT_PERMITTED"
    again = await town.do(RevokeDelegation(delegation=made.id + 1), person("HEAD"))
    assert again.code == "UNKNOWN_DELEGATION"


@pytest.mark.feature("FLOW-16")
async def test_a_delegate_who_handled_the_case_at_the_adjacent_level_is_blocked(town):
    await absent(town, stand_in="HANDLER")
    mine, anothers = await at_level_2(town), await town.accepted()
    await town.decide("HANDLER2", anothers, "level:1", Decision.AGREE)
    assert (await town.decide("HANDLER", mine, "level:2", Decision.AGREE)).code == "SAME_PERSON_TWICE"
    assert await todo_of(town, "HANDLER") == [("level:2", "王科长")]  # of the other's case only
    assert isinstance(await town.decide("HANDLER", anothers, "level:2", Decision.AGREE), CaseView)


@pytest.mark.feature("FLOW-16")
async def test_whoever_had_a_level_signed_in_their_name_takes_neither_of_its_neighbours(town):
    """The opinion was theirs: BOTH, for whom level 1 was signed, does not sign level 2."""
    await absent(town, who="BOTH", stand_in="CHIEF", roles=("handler",))
    number = await town.accepted()
    await town.decide("CHIEF", number, "level:1", Decision.AGREE)
    assert (await Step.get(step="level:1")).principal == "BOTH"
    assert (await town.decide("BOTH", number, "level:2", Decision.AGREE)).code == "SAME_PERSON_TWICE"
    assert await todo_of(town, "BOTH") == []


@pytest.mark.feature("FLOW-16")
async def test_a_delegation_reaches_no_further_than_its_roles_and_items(town):
    await town.publish(staged("ZJ-XK-011"))
    await absent(town, items=("ZJ-XK-011",))
    other, meant = await at_level_2(town), await at_level_2(town, item="ZJ-XK-011", stage="ZJ-XK-011-01")
    assert await todo_of(town, "CHIEF") == [("level:2", "王科长")]
    assert (await town.decide("CHIEF", other, "level:2", Decision.AGREE)).code == "NOT_PERMITTED"
    assert isinstance(await town.decide("CHIEF", meant, "level:2", Decision.AGREE), CaseView)

    await absent(town, who="BOTH", stand_in="LEADER", roles=("handler",))
    assert (await town.decide("LEADER", other, "level:2", Decision.AGREE)).code == "NOT_PERMITTED"
    unheld = await absent(town, who="HANDLER", roles=("section_head",))
    assert unheld.code == "DELEGATION_EMPTY"


async def test_what_was_delegated_cannot_be_passed_on(town):
    number = await at_level_2(town)
    await absent(town)
    await absent(town, who="CHIEF", stand_in="LEADER")
    assert (await town.decide("LEADER", number, "level:2", Decision.AGREE)).code == "NOT_PERMITTED"


async def test_the_head_of_the_unit_may_delegate_for_somebody_who_cannot_and_nobody_else_may(town):
    assert (await absent(town, stand_in="LEADER", by="HANDLER")).code == "NOT_PERMITTED"
    made = await absent(town, stand_in="LEADER", by="CHIEF")
    assert isinstance(made, DelegationView)
    assert (await town.do(RevokeDelegation(delegation=made.id), person("LEADER"))).code == "NOT_PERMITTED"
    assert (await town.do(RevokeDelegation(delegation=made.id), person("CHIEF"))).revoked


@pytest.mark.parametrize(
    ("stand_in", "changes", "code"),
    [
        ("HEAD", {}, "DELEGATE_UNFIT"),  # themselves
        ("CLERK", {}, "DELEGATE_UNFIT"),  # of another unit
        ("NOBODY", {}, "DELEGATE_UNFIT"),
        ("CHIEF", {"last_day": date(2026, 9, 17)}, "DELEGATION_EMPTY"),
        ("CHIEF", {"first_day": date(2026, 9, 1), "last_day": date(2026, 9, 17)}, "DELEGATION_EMPTY"),
        ("CHIEF", {"first_day": date(2026, 9, 17)}, "DELEGATION_EMPTY"),  # after the fact
        ("CHIEF", {"first_day": date.min, "last_day": date.max}, "DELEGATION_EMPTY"),
        ("CHIEF", {"last_day": date(2027, 10, 1)}, "DELEGATION_EMPTY"),  # for good
        ("CHIEF", {"items": ("ZJ-XK-404",)}, "DELEGATION_EMPTY"),
        ("CHIEF", {"roles": ("supervisor",)}, "DELEGATION_EMPTY"),
        ("CHIEF", {"reason": " "}, "REASON_MISSING"),
    ],
)
async def test_a_delegation_needs_a_fit_delegate_a_period_a_scope_and_a_reason(town, stand_in, changes, code):
    assert (await absent(town, stand_in=stand_in, **changes)).code == code


AWAY: dict[str, Any] = {
    "delegate": "CHIEF",
    "first_day": date(2026, 9, 18),
    "last_day": date(2026, 9, 25),
    "reason": "赴省厅培训。",
}


async def test_handing_over_ones_signature_takes_a_signature(town):
    unsigned = await town.do(Delegate(**AWAY), person("HEAD"))
    assert unsigned.code == "ASSURANCE_TOO_LOW"
    never_prepared = SignedBytes(nonce="?", signature=b"s")
    assert (await town.do(Delegate(**AWAY), person("HEAD"), proof=never_prepared)).code == "SIGNED_SOMETHING_ELSE"
    assert not await Delegation.exists()

    request = await town.do(PrepareDelegation(**AWAY, items=("ZJ-XK-001",)), person("HEAD"))
    statement = town.notary.shown(request)
    assert (statement.kind, statement.subject) == ("delegation", "delegation:HEAD")
    assert statement.lines == (
        ("委托人", "王科长（HEAD）"),
        ("代理人", "周一把（CHIEF）"),
        ("起止", "2026-09-18至2026-09-25"),
        ("角色", "科室负责人"),
        ("事项", "ZJ-XK-001"),
        ("理由", "赴省厅培训。"),
    )
    assert isinstance(await absent(town), DelegationView)
    assert '"evidence":"EV' in (await EventRow.get(tag="officer.delegated")).body


@pytest.mark.parametrize(
    "submitted",
    [
        {"delegate": "LEADER"},
        {"last_day": date(2026, 9, 28)},
        {"first_day": date(2026, 9, 19)},
        {"principal": "BOTH"},
        {"roles": ("handler",)},
        {"items": ("ZJ-XK-001",)},
        {"reason": "另有原因。"},
    ],
)
async def test_a_delegation_is_what_was_signed_and_nothing_else(town, submitted):
    """By the head of the unit, who may delegate for anybody there: a signature for one is good for no other."""
    signed = {"who": "BOTH" if "roles" in submitted else "HEAD", "stand_in": "HANDLER", "by": "CHIEF"}
    assert (await absent(town, **signed, submitted=submitted)).code == "SIGNED_SOMETHING_ELSE"
    assert not await Delegation.exists()


async def test_a_role_that_is_gained_or_lost_after_signing_is_not_handed_over(town):
    request = await town.do(PrepareDelegation(**AWAY), person("HEAD"))
    await Officer.filter(id="HEAD").update(roles=["section_head", "deputy_leader"])
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    assert (await town.do(Delegate(**AWAY), person("HEAD"), proof=proof)).code == "SIGNED_SOMETHING_ELSE"


async def test_a_delegate_must_hold_a_certificate_and_be_in_service(town):
    town.notary.without_certificate.add("CHIEF")
    assert (await absent(town)).code == "DELEGATE_UNFIT"
    await Officer.filter(id="LEADER").update(active=False)
    assert (await absent(town, stand_in="LEADER")).code == "DELEGATE_UNFIT"


async def test_a_role_that_the_absent_officer_loses_is_not_exercised_in_their_name(town):
    number = await at_level_2(town)
    await absent(town)
    await Officer.filter(id="HEAD").update(roles=["handler"])
    assert (await town.decide("CHIEF", number, "level:2", Decision.AGREE)).code == "NOT_PERMITTED"
    assert await todo_of(town, "CHIEF") == []


async def test_own_and_delegated_turns_are_one_list_in_the_order_of_their_limits(town):
    chain = levels("handler", "section_head", "unit_head")
    late = await accepted(town, staged("ZJ-XK-012", levels=chain, committed_limit_days=15))
    await town.decide("HANDLER", late, "level:1", Decision.AGREE)
    own = await accepted(town, staged("ZJ-XK-013", levels=levels("unit_head"), committed_limit_days=10))
    soon = await accepted(town, staged("ZJ-XK-014", levels=chain, committed_limit_days=5))
    await town.decide("HANDLER", soon, "level:1", Decision.AGREE)
    await absent(town)
    rows, place = await waiting(town, "CHIEF", first=2)
    assert [row["case"]["number"] for row in rows] == [soon, own]
    rows, place = await waiting(town, "CHIEF", first=2, after=place)
    assert [(row["case"]["number"], row["on_behalf_of"]) for row in rows] == [(late, "王科长")]
    assert place is None


async def test_both_officers_see_the_delegation_and_may_choose_among_colleagues(town):
    await absent(town)
    for who in ("HEAD", "CHIEF"):
        (row,) = await delegations_of(town.database, who, town.clock.now())
        assert (row["principal_name"], row["delegate_name"], row["in_force"]) == ("王科长", "周一把", True)
        assert (row["first_day"], row["last_day"]) == (date(2026, 9, 18), date(2026, 9, 25))
    names = [row["name"] for row in await colleagues_of(town.database, "HEAD")]
    assert "周一把" in names
    assert "窗小李" not in names
    assert "王科长" not in names


async def test_who_has_left_the_unit_stands_in_for_nobody_there(town):
    number = await at_level_2(town)
    await absent(town)
    principals = await Officer.filter(id="HEAD")
    assert [each.id for each in await delegates_of(principals, "section_head", "ZJ-XK-001", town.clock.now())] == [
        "CHIEF"
    ]
    await Officer.filter(id="CHIEF").update(unit_code="XF")
    assert (await town.decide("CHIEF", number, "level:2", Decision.AGREE)).code == "NOT_PERMITTED"
    assert await todo_of(town, "CHIEF") == []
    assert await delegates_of(principals, "section_head", "ZJ-XK-001", town.clock.now()) == []
