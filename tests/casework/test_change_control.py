"""Change control: a draft comes into force through public notice and the signatures of others, or not at all."""

import asyncio
import json
from datetime import date
from typing import Any

import pytest

from casework.acts import Decision
from casework.catalogue import queries
from casework.catalogue.acts import (
    BringChangesIntoEffect,
    ChangeDecision,
    ChangeKind,
    ChangeState,
    ChangeStep,
    ChangeView,
    CheckChange,
    CommentOnChange,
    DecideChange,
    DiscardChange,
    PrepareChangeDecision,
)
from casework.catalogue.publishing import published
from casework.catalogue.tables import ChangeComment, ItemChange
from casework.rules import CaseworkRules
from casework.tables import Case, Item, ItemVersion
from kernel.actor import ANYBODY
from kernel.acts import SignedBytes, SigningRequest
from kernel.refusals import ChangedMeanwhile
from kernel.tables import EventRow, Officer
from tests.casework.changes import DAY_AFTER, LAST_DAY, LEGAL, PRICE, REFORM, SUBMIT, Changes
from tests.casework.town import Town, item, person

FEES = [{"name": "工本费", "standard": "每证10元", "basis": "价费〔2020〕1号", "amount_cents": 1000}]


@pytest.fixture
def changes(town: Town) -> Changes:
    return Changes(town)


def with_fees(code: str = "ZJ-XK-001", **changes) -> bytes:
    definition = json.loads(item(code, **changes))
    definition["stages"][0]["fees"] = FEES
    return json.dumps(definition, ensure_ascii=False).encode()


async def shown(who: str, number: str) -> Any:
    return await queries.change(person(who), number, CaseworkRules())


async def notices(today: date) -> Any:
    return await queries.notices(CaseworkRules(), today=today, first=10)


async def waiting_for(who: str, today: date, first: int = 10) -> Any:
    return await queries.waiting_for(person(who), today=today, first=first)


async def in_force(code: str = "ZJ-XK-001") -> tuple[str, int]:
    row = await Item.get(code=code)
    return row.state, row.version


# ------------------------------------------------------------------------------------------------- the whole way


@pytest.mark.feature("CAT-11")
async def test_a_change_takes_effect_after_notice_and_two_confirmations_and_cases_keep_their_limits(town, changes):
    under_way = await town.accepted()
    saved = await changes.save(item(committed=5, levels=1))
    assert (saved.state, saved.next_step) == (ChangeState.DRAFT, SUBMIT)
    submitted = await changes.decide(saved.number, SUBMIT)
    assert (submitted.state, submitted.next_step) == (ChangeState.ON_NOTICE, REFORM)
    assert submitted.notice_until == date(2026, 9, 24)
    town.at(LAST_DAY)
    assert (await changes.decide(saved.number, REFORM)).code == "NOTICE_RUNNING"
    town.at(DAY_AFTER)
    assert await in_force() == ("published", 1)
    confirmed = await changes.decide(saved.number, REFORM)
    assert (confirmed.state, confirmed.next_step) == (ChangeState.REFORM_CONFIRMED, LEGAL)
    assert await in_force() == ("published", 1)
    effective = await changes.decide(saved.number, LEGAL)
    assert (effective.state, effective.next_step) == (ChangeState.EFFECTIVE, None)
    assert await in_force() == ("published", 2)
    assert (await ItemVersion.get(item_code="ZJ-XK-001", version=2)).change_number == saved.number
    case = await Case.get(number=under_way)
    assert (case.item_version, case.committed_days) == (1, 20)
    moved = await town.decide("HANDLER", under_way, "level:1", Decision.AGREE)  # still three levels
    assert moved.step == "level:2"
    assert (await Case.get(number=await town.accepted())).committed_days == 5


@pytest.mark.feature("CAT-11")
async def test_what_took_effect_is_filed_with_the_legal_and_the_efficiency_office(town, changes):
    effective = await changes.confirmed()
    rows = await EventRow.filter(subject=f"change:{effective.number}").order_by("seq").values_list("tag", "body")
    assert [tag for tag, _ in rows] == [
        *("change.saved", "change.submitted", "change.confirmed", "change.confirmed", "change.effective")
    ]
    assert json.loads(rows[-1][1])["filed_to"] == ["legal_office", "efficiency_office"]
    for who in ("LEGAL", "EFFICIENCY"):
        filed, _ = await queries.changes(person(who), state=ChangeState.EFFECTIVE, first=10)
        assert [row["number"] for row in filed] == [effective.number]


@pytest.mark.parametrize("steps", [(LEGAL,), (PRICE,), (REFORM, REFORM)])
async def test_no_step_is_taken_out_of_its_order(town, changes, steps):
    number = await changes.on_notice()
    town.at(DAY_AFTER)
    *before, last = steps
    for step in before:
        assert isinstance(await changes.decide(number, step), ChangeView)
    who = "REFORM2" if last is REFORM else ""
    assert (await changes.decide(number, last, who=who)).code == "CHANGE_STEP_CLOSED"
    assert await in_force() == ("published", 1)


async def test_a_draft_that_nobody_submitted_is_confirmed_by_nobody(changes):
    saved = await changes.save(item(committed=10))
    for step in (PRICE, REFORM, LEGAL):
        assert (await changes.decide(saved.number, step)).code == "CHANGE_STEP_CLOSED"


@pytest.mark.parametrize(
    ("step", "who"),
    [
        (SUBMIT, "LEADER"),  # the deputy is not the head
        (SUBMIT, "FIRE_CHIEF"),  # the head of another unit
        (REFORM, "LEGAL"),
        (REFORM, "CHIEF"),
        (LEGAL, "REFORM2"),
        (PRICE, "EFFICIENCY"),
    ],
)
async def test_a_step_is_signed_in_its_role_and_no_other(changes, step, who):
    saved = await changes.save(item(committed=10))
    assert (await changes.decide(saved.number, step, who=who)).code == "NOT_PERMITTED"


async def test_a_role_that_was_taken_away_confirms_no_more(town, changes):
    number = await changes.on_notice()
    town.at(DAY_AFTER)
    await Officer.filter(id="REFORM").update(roles=["window_clerk"])
    assert (await changes.decide(number, REFORM)).code == "NOT_PERMITTED"  # whatever the token still says


async def test_who_wrote_or_submitted_does_not_confirm_and_nobody_confirms_twice(town, changes):
    saved = await changes.save(item(committed=10), who="MANY_HATS")
    await changes.decide(saved.number, SUBMIT)
    town.at(DAY_AFTER)
    assert (await changes.decide(saved.number, REFORM, who="MANY_HATS")).code == "CONFIRMS_OWN_CHANGE"
    await changes.decide(saved.number, REFORM)
    assert (await changes.decide(saved.number, LEGAL, who="MANY_HATS")).code == "CONFIRMS_OWN_CHANGE"
    other = await changes.on_notice(item("ZJ-XK-002"), kind=ChangeKind.ADD, item="ZJ-XK-002")
    town.at("2026-10-15")
    await changes.decide(other, REFORM, who="MANY_HATS")
    assert (await changes.decide(other, LEGAL, who="MANY_HATS")).code == "CONFIRMS_OWN_CHANGE"


async def test_of_two_officers_who_confirm_at_once_one_is_told_that_it_is_done(town, changes):
    number = await changes.on_notice()
    town.at(DAY_AFTER)
    outcomes = await asyncio.gather(
        changes.decide(number, REFORM, who="REFORM"), changes.decide(number, REFORM, who="REFORM2")
    )
    won = [outcome for outcome in outcomes if isinstance(outcome, ChangeView)]
    lost = [outcome.code for outcome in outcomes if not isinstance(outcome, ChangeView)]
    assert (len(won), lost) in [(1, ["CHANGED_MEANWHILE"]), (1, ["CHANGE_STEP_CLOSED"])]
    assert (await ItemChange.get(number=number)).state == ChangeState.REFORM_CONFIRMED


async def test_what_was_prepared_before_somebody_else_decided_is_refused(town, changes):
    number = await changes.on_notice()
    town.at(DAY_AFTER)
    row = await ItemChange.get(number=number)
    fields = {
        "change": number,
        "revision": row.revision,
        "step": REFORM,
        "decision": ChangeDecision.AGREE,
        "opinion": "同意。",
    }
    request = await town.do(PrepareChangeDecision(**fields), person("REFORM2"))
    assert isinstance(request, SigningRequest)
    await changes.decide(number, REFORM, ChangeDecision.RETURN, "理由不充分。")
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    outcome = await town.do(DecideChange(**fields), person("REFORM2"), proof=proof)
    assert outcome == ChangedMeanwhile(subject=f"change:{number}")


async def test_a_decision_other_than_the_signed_one_is_refused(town, changes):
    number = await changes.on_notice()
    town.at(DAY_AFTER)
    revision = (await ItemChange.get(number=number)).revision
    fields = {"change": number, "revision": revision, "step": REFORM, "opinion": "理由不充分。"}
    request = await town.do(PrepareChangeDecision(decision=ChangeDecision.RETURN, **fields), person("REFORM"))
    agreed = DecideChange(decision=ChangeDecision.AGREE, **fields)
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    assert (await town.do(agreed, person("REFORM"), proof=proof)).code == "SIGNED_SOMETHING_ELSE"
    assert (await town.do(agreed, person("REFORM"))).code == "ASSURANCE_TOO_LOW"


# --------------------------------------------------------------------------------------------- return and discard


async def test_a_returned_change_is_a_draft_again_and_begins_from_the_front(town, changes):
    number = await changes.on_notice()
    assert (await changes.decide(number, REFORM, ChangeDecision.RETURN, " ")).code == "REASON_MISSING"
    returned = await changes.decide(number, REFORM, ChangeDecision.RETURN, "承诺时限应再压缩。")
    assert (returned.state, returned.next_step, returned.notice_until) == (ChangeState.DRAFT, SUBMIT, None)
    saved = await changes.save(item(committed=8), change=number, revision=returned.revision)
    assert saved.number == number
    town.at("2026-09-28")
    assert (await changes.decide(number, SUBMIT)).notice_until == date(2026, 10, 10)  # a Saturday that is worked
    town.at("2026-10-11")
    await changes.decide(number, REFORM)
    assert (await changes.decide(number, LEGAL)).state == ChangeState.EFFECTIVE
    _, definition = await published("ZJ-XK-001")
    assert definition.stages[0].committed_limit_days == 8


async def test_a_draft_is_discarded_by_its_unit_and_by_nobody_else(town, changes):
    saved = await changes.save(item(committed=10))
    discard = DiscardChange(change=saved.number, revision=saved.revision)
    assert (await town.do(discard, person("FIRE"))).code == "NOT_PERMITTED"
    assert (await town.do(discard, person("HEAD"))).state == ChangeState.DISCARDED
    assert (await changes.decide(saved.number, SUBMIT)).code == "CHANGE_STEP_CLOSED"
    again = await changes.save(item(committed=8), change=saved.number, revision=saved.revision + 1)
    assert again.code == "CHANGE_STEP_CLOSED"


async def test_what_lies_open_is_not_rewritten(changes):
    number = await changes.on_notice()
    revision = (await ItemChange.get(number=number)).revision
    assert (await changes.save(item(committed=3), change=number, revision=revision)).code == "CHANGE_STEP_CLOSED"


async def test_two_who_write_the_same_draft_do_not_overwrite_each_other(changes):
    saved = await changes.save(item(committed=10))
    assert isinstance(await changes.save(item(committed=9), change=saved.number, revision=1, who="HEAD"), ChangeView)
    late = await changes.save(item(committed=8), change=saved.number, revision=1)
    assert late == ChangedMeanwhile(subject=f"change:{saved.number}")
    assert (await ItemChange.get(number=saved.number)).authors == ["HANDLER", "HEAD"]


# --------------------------------------------------------------------------------------------------------- kinds


async def test_a_new_item_is_added(changes):
    assert (await changes.confirmed(item("ZJ-XK-002"), kind=ChangeKind.ADD, item="ZJ-XK-002")).state == "effective"
    assert await in_force("ZJ-XK-002") == ("published", 1)


async def test_an_item_that_is_split_is_used_no_more_unless_it_goes_on_as_a_part(changes):
    parts = (item("ZJ-XK-002"), item("ZJ-XK-003"))
    assert (await changes.confirmed(*parts, kind=ChangeKind.SPLIT)).state == "effective"
    assert [await in_force(code) for code in ("ZJ-XK-001", "ZJ-XK-002", "ZJ-XK-003")] == [
        ("retired", 1),
        ("published", 1),
        ("published", 1),
    ]
    parts = (item("ZJ-XK-002", name="登记"), item("ZJ-XK-004"))
    number = await changes.on_notice(*parts, kind=ChangeKind.SPLIT, item="ZJ-XK-002")
    changes.town.at("2026-10-15")
    await changes.decide(number, REFORM)
    await changes.decide(number, LEGAL)
    assert await in_force("ZJ-XK-002") == ("published", 2)


@pytest.mark.feature("CAT-03")
async def test_a_removed_item_goes_for_good_and_its_code_with_it(town, changes):
    number = await town.accepted()
    assert (await changes.removed()).state == "effective"
    assert await in_force() == ("retired", 1)
    anew = await changes.save(item(), kind=ChangeKind.ADD)
    assert anew.code == "ITEM_RETIRED"
    moved = await town.decide("HANDLER", number, "level:1", Decision.AGREE)  # what was accepted goes on
    assert moved.step == "level:2"


@pytest.mark.parametrize(
    ("kind", "definitions", "more", "code"),
    [
        (ChangeKind.ADJUST, (item("ZJ-XK-002"),), {}, "CHANGE_MALFORMED"),  # an item's code is never changed
        (ChangeKind.ADJUST, (), {}, "CHANGE_MALFORMED"),
        (ChangeKind.SPLIT, (item("ZJ-XK-002"),), {}, "CHANGE_MALFORMED"),
        (ChangeKind.SPLIT, (item("ZJ-XK-002"), item("ZJ-XK-002")), {}, "CHANGE_MALFORMED"),
        (ChangeKind.REMOVE, (item(),), {}, "CHANGE_MALFORMED"),
        (ChangeKind.ADD, (item(),), {}, "ITEM_EXISTS"),
        (ChangeKind.ADJUST, (item("ZJ-XK-009"),), {"item": "ZJ-XK-009"}, "UNKNOWN_ITEM"),
        (ChangeKind.ADJUST, (item(unit="XF"),), {}, "ITEM_OF_ANOTHER_UNIT"),
        (ChangeKind.REMOVE, (), {"who": "FIRE"}, "ITEM_OF_ANOTHER_UNIT"),
        (ChangeKind.REMOVE, (), {"who": "REFORM"}, "NOT_PERMITTED"),  # confirms, and does not propose
        (ChangeKind.ADJUST, (item(),), {"reason": " "}, "INVALID"),
        (ChangeKind.ADJUST, (item(),), {"effective_on": date(2026, 9, 17)}, "INVALID"),
        (ChangeKind.ADJUST, (b"\xd6\xd0",), {}, "ITEM_MALFORMED"),  # not UTF-8
        (ChangeKind.ADJUST, (item(secret=True),), {}, "ITEM_SECRET"),
        (ChangeKind.ADJUST, (item(grade="C"),), {}, "DEFERRAL_UNEXPLAINED"),
        (ChangeKind.ADJUST, (item(grade="C", deferral={"reason": "待对接"}),), {}, "DEFERRAL_UNEXPLAINED"),
    ],
)
async def test_a_draft_that_makes_no_sense_is_not_kept(changes, kind, definitions, more, code):
    assert (await changes.save(*definitions, kind=kind, **more)).code == code
    assert not await ItemChange.exists()


async def test_a_draft_may_be_incomplete_but_is_not_submitted_so(changes):
    saved = await changes.save(item(changes={"name": ""}))
    assert isinstance(saved, ChangeView)
    _, problems = await shown("HANDLER", saved.number)
    assert [problem.code for problem in problems] == ["ITEM_INCOMPLETE"]
    assert (await changes.decide(saved.number, SUBMIT)).code == "ITEM_INCOMPLETE"


async def test_one_item_has_one_change_under_way(changes):
    first = await changes.on_notice()
    second = await changes.save(item(committed=9))
    refused = await changes.decide(second.number, SUBMIT)
    assert (refused.code, refused.details["change"]) == ("CHANGE_UNDER_WAY", first)


async def test_a_change_of_what_has_changed_since_does_not_take_effect(town, changes):
    number = await changes.on_notice()
    town.at(DAY_AFTER)
    await changes.decide(number, REFORM)
    await town.publish(item(committed=15))  # the operator, at the desk
    assert await changes.decide(number, LEGAL) == ChangedMeanwhile(subject="item:ZJ-XK-001")
    assert (await changes.decide(number, LEGAL, ChangeDecision.RETURN, "事项已变化。")).state == ChangeState.DRAFT


# --------------------------------------------------------------------------------------------------- day of effect


async def test_a_later_day_of_effect_is_kept_by_the_clock(town, changes):
    confirmed = await changes.confirmed(effective_on=date(2026, 10, 20))
    assert confirmed.state == ChangeState.LEGAL_CONFIRMED
    town.at("2026-10-19 23:59")
    assert (await town.do(BringChangesIntoEffect())).count == 0
    town.at("2026-10-20 00:00")
    assert (await town.do(BringChangesIntoEffect())).count == 1
    assert await in_force() == ("published", 2)
    assert (await town.do(BringChangesIntoEffect())).count == 0


async def test_a_confirmed_change_that_fits_no_more_goes_back_and_holds_up_no_other(town, changes):
    stale = await changes.confirmed(effective_on=date(2026, 10, 20))
    town.at("2026-09-28")
    other = await changes.on_notice(
        item("ZJ-XK-002"), kind=ChangeKind.ADD, item="ZJ-XK-002", effective_on=date(2026, 10, 20)
    )
    town.at("2026-10-15")
    await changes.decide(other, REFORM)
    await changes.decide(other, LEGAL)
    await town.publish(item(committed=15))
    town.at("2026-10-20")
    assert (await town.do(BringChangesIntoEffect())).count == 2
    assert (await ItemChange.get(number=stale.number)).state == ChangeState.DRAFT
    assert await in_force("ZJ-XK-002") == ("published", 1)
    assert await in_force() == ("published", 2)


# ----------------------------------------------------------------------------------------------------------- fees


@pytest.mark.feature("CAT-17")
async def test_fees_take_effect_only_when_the_price_office_has_confirmed_them(town, changes):
    number = await changes.on_notice(with_fees())
    town.at(DAY_AFTER)
    assert (await changes.decide(number, REFORM)).code == "CHANGE_STEP_CLOSED"
    assert (await changes.decide(number, PRICE, who="REFORM")).code == "NOT_PERMITTED"
    priced = await changes.decide(number, PRICE, opinion="收费依据和标准核定无误。")
    assert (priced.state, priced.next_step) == (ChangeState.PRICE_CONFIRMED, REFORM)
    await changes.decide(number, REFORM)
    assert (await changes.decide(number, LEGAL)).state == ChangeState.EFFECTIVE


async def test_the_price_office_sees_the_fees_it_signs(town, changes):
    number = await changes.on_notice(with_fees())
    town.at(DAY_AFTER)
    revision = (await ItemChange.get(number=number)).revision
    prepare = PrepareChangeDecision(
        change=number, revision=revision, step=PRICE, decision=ChangeDecision.AGREE, opinion="同意。"
    )
    await town.do(prepare, person("PRICE"))
    (statement,) = town.notary._prepared.values()
    assert ("ZJ-XK-001审批收费", "工本费：每证10元（价费〔2020〕1号）") in statement.lines


# -------------------------------------------------------------------------------------------- notice and comments


async def test_anybody_comments_while_the_notice_lies_open(town, changes):
    saved = await changes.save(item(committed=10))
    comment = CommentOnChange(change=saved.number, text="建议压缩到七个工作日。", name="李先生")
    assert (await town.do(comment, ANYBODY)).code == "NOT_ON_NOTICE"
    await changes.decide(saved.number, SUBMIT)
    assert (await town.do(CommentOnChange(change=saved.number, text=" "), ANYBODY)).code == "INVALID"
    town.at(f"{LAST_DAY} 23:59")
    await town.do(comment, ANYBODY)
    town.at(f"{DAY_AFTER} 00:00")
    assert (await town.do(comment, ANYBODY)).code == "NOT_ON_NOTICE"
    (kept,) = await ChangeComment.all()
    assert (kept.name, kept.text) == ("李先生", "建议压缩到七个工作日。")
    (event,) = await EventRow.filter(tag="change.commented")
    assert "李先生" not in event.body
    # Whoever confirms signs that there was a comment.
    await changes.decide(saved.number, REFORM, opinion="意见已研究，维持原方案。")
    row, _ = await shown("LEGAL", saved.number)
    assert [each["text"] for each in row["comments"]] == ["建议压缩到七个工作日。"]


async def test_the_public_reads_what_lies_open_and_nothing_else(town, changes):
    await changes.save(item(committed=9))
    assert await notices(date(2026, 9, 18)) == ([], None)
    number = await changes.on_notice()
    (notice,), end = await notices(date(2026, 9, 24))
    assert (notice["number"], notice["notice_until"], end) == (number, date(2026, 9, 24), None)
    assert len(notice["proposed"][0]["elements"]) == 14
    assert await notices(date(2026, 9, 25)) == ([], None)


async def test_a_region_sets_how_long_a_notice_lies_open(database, clock):
    town = Town(database, clock, CaseworkRules(notice_working_days=10))
    await town.settle()
    await town.publish()
    changes = Changes(town)
    saved = await changes.save(item(committed=10))
    assert (await changes.decide(saved.number, SUBMIT)).notice_until == date(2026, 10, 9)


# ------------------------------------------------------------------------------------------------ signed and sealed


async def test_what_was_signed_and_sealed_verifies_until_one_element_is_altered(town, changes):
    effective = await changes.confirmed()
    verdict = await town.do(CheckChange(change=effective.number), person("EFFICIENCY"))
    assert verdict.faults == ()
    assert [seen.step for seen in verdict.signatures] == [SUBMIT, REFORM, LEGAL]
    assert [seen.officer for seen in verdict.signatures] == ["CHIEF", "REFORM", "LEGAL"]
    version = await ItemVersion.get(item_code="ZJ-XK-001", version=2)
    altered = version.definition.replace('"inspection": "无"', '"inspection": "每年一次"')
    assert altered != version.definition
    await ItemVersion.filter(id=version.id).update(definition=altered)
    verdict = await town.do(CheckChange(change=effective.number), person("EFFICIENCY"))
    assert verdict.faults == ("生效的事项定义与签字盖章的定义不一致",)


async def test_a_draft_has_no_signature_to_check(town, changes):
    saved = await changes.save(item(committed=10))
    verdict = await town.do(CheckChange(change=saved.number), person("HANDLER"))
    assert verdict.faults == ("尚未报审，没有签名和印章",)
    assert (await town.do(CheckChange(change=saved.number), person("LEGAL"))).code == "NOT_PERMITTED"


# ------------------------------------------------------------------------------------------------- who sees what


async def test_drafts_are_the_units_own_and_what_is_submitted_is_the_offices_too(town, changes):
    saved = await changes.save(item(committed=10))
    seen = {"HANDLER", "HEAD", "CHIEF", "MANY_HATS"}
    everybody = ("HANDLER", "HEAD", "CHIEF", "MANY_HATS", "FIRE", "CLERK", "REFORM", "LEGAL", "PRICE", "EFFICIENCY")
    assert await who_see(saved.number, everybody) == seen
    await changes.decide(saved.number, SUBMIT)
    assert await who_see(saved.number, everybody) == seen | {"REFORM", "LEGAL", "PRICE", "EFFICIENCY"}


async def who_see(number: str, everybody: tuple[str, ...]) -> set[str]:
    seen = set()
    for who in everybody:
        listed, _ = await queries.changes(person(who), first=10)
        one = await shown(who, number)
        assert (number in [row["number"] for row in listed]) == (one is not None)
        if one is not None:
            seen.add(who)
    return seen


async def test_a_change_waits_for_those_whose_signature_it_needs(town, changes):
    number = await changes.on_notice(with_fees())
    for day, waiting in (("2026-09-24", ()), (DAY_AFTER, ("PRICE",))):
        town.at(day)
        assert await waits_for(number, date.fromisoformat(day)) == waiting
    await changes.decide(number, PRICE)
    assert await waits_for(number, date.fromisoformat(DAY_AFTER)) == ("REFORM",)
    await changes.decide(number, REFORM, ChangeDecision.RETURN, "请补充依据。")
    assert await waits_for(number, date.fromisoformat(DAY_AFTER)) == ("CHIEF",)


async def waits_for(number: str, today: date) -> tuple[str, ...]:
    found = []
    for who in ("CHIEF", "FIRE_CHIEF", "PRICE", "REFORM", "LEGAL"):
        row = await waiting_for(who, today)
        found += [who for change in row["changes"] if change["number"] == number]
    return tuple(found)


@pytest.mark.feature("CAT-09")
async def test_an_item_that_is_not_online_by_its_day_is_on_the_reform_offices_list(town, changes):
    unexplained = await changes.save(item(grade="C"))
    assert unexplained.code == "DEFERRAL_UNEXPLAINED"
    planned = {"reason": "等待省系统对接", "planned_on": "2026-10-31"}
    deferred = item(grade="C", deferral=planned, online_level="display", mode="window")
    await changes.confirmed(deferred)
    on_the_day = await waiting_for("REFORM", date(2026, 10, 31))
    assert on_the_day["overdue_deferrals"] == []
    later = await waiting_for("REFORM", date(2026, 11, 1))
    (late,) = later["overdue_deferrals"]
    assert (late["code"], late["unit"], late["planned_on"]) == ("ZJ-XK-001", "ZJ", date(2026, 10, 31))
    nobody_else = await waiting_for("LEGAL", date(2026, 11, 1))
    assert nobody_else["overdue_deferrals"] == []
    town.at("2026-11-02")
    await town.publish(item())  # it went online
    assert await queries.overdue_deferrals(date(2026, 11, 3)) == []


async def test_pages_of_changes_follow_each_other(changes):
    numbers = [(await changes.save(item(committed=days))).number for days in (3, 4, 5)]
    first, after = await queries.changes(person("HANDLER"), first=2)
    second, end = await queries.changes(person("HANDLER"), first=2, after=after or "")
    assert [row["number"] for row in (*first, *second)] == numbers[::-1]
    assert end is None
    waiting = await waiting_for("CHIEF", date(2026, 9, 18), first=2)
    assert ([row["number"] for row in waiting["changes"]], waiting["end_cursor"]) == (numbers[:2], numbers[1])


def test_the_states_are_in_the_order_of_the_rules():
    assert [state.value for state in ChangeState][:6] == [
        *("draft", "on_notice", "price_confirmed", "reform_confirmed", "legal_confirmed", "effective")
    ]
    assert list(ChangeStep) == [SUBMIT, PRICE, REFORM, LEGAL]
