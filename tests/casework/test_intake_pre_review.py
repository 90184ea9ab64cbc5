"""材料预审, 原件核对 and the three modes of handling."""

import pytest

from casework.acts import Channel, Decision, DeemAccepted
from casework.clock.acts import DeemRenewed
from casework.flow.steps import COMPLETE, DELIVER
from casework.intake.acts import PreReviewOutcome
from casework.intake.records import originals_due
from casework.intake.tables import OriginalsCheck, PreReview
from casework.licences.tables import Licence
from casework.tables import Case, Document, Task
from kernel.acts import Done
from tests.casework.counter import code_of, events
from tests.casework.town import Town


async def decided(town: Town, case: str, decision: Decision = Decision.GRANT):
    """Through all three levels; what the last was answered."""
    await town.decide("HANDLER", case, "level:1", Decision.AGREE)
    await town.decide("HEAD", case, "level:2", Decision.AGREE)
    return await town.decide("LEADER", case, "level:3", decision, "经审查，作出决定。")


@pytest.mark.feature("INT-10")
async def test_a_pre_review_happens_inside_the_five_days_and_does_not_stop_them(town, counter):
    filed = await town.file()
    before = await Case.get(number=filed.number)
    town.at("2026-09-22")
    view = await counter.review(filed.number, PreReviewOutcome.PASS)
    after = await Case.get(number=filed.number)
    assert (view.status, after.deemed_at, after.received_on) == ("received", before.deemed_at, before.received_on)
    assert [(row.outcome, row.officer) for row in await PreReview.all()] == [("pass", "HANDLER")]
    town.at("2026-09-24 23:59")
    assert await town.do(DeemAccepted()) == Done(count=0)
    town.at("2026-09-25 00:00")
    assert await town.do(DeemAccepted()) == Done(count=1)
    assert (await Case.get(number=filed.number)).accepted_on == before.received_on


@pytest.mark.feature("INT-10")
async def test_after_the_window_there_is_nothing_left_to_pre_review(town, counter):
    filed = await town.file()
    town.at("2026-09-25 00:00")
    assert code_of(await counter.review(filed.number, PreReviewOutcome.PASS)) == "TOLD_TOO_LATE"
    await town.do(DeemAccepted())
    assert code_of(await counter.review(filed.number, PreReviewOutcome.PASS)) == "PRE_REVIEW_CLOSED"


async def test_a_pre_review_says_why_and_is_the_units_or_the_windows(town, counter):
    filed = await town.file()
    assert code_of(await counter.review(filed.number, PreReviewOutcome.FAIL, " ")) == "OPINION_MISSING"
    assert code_of(await counter.review(filed.number, PreReviewOutcome.FAIL, "长" * 501)) == "INVALID"
    assert code_of(await counter.review(filed.number, PreReviewOutcome.PASS, who="FIRE")) == "NOT_PERMITTED"
    await counter.review(filed.number, PreReviewOutcome.FAIL, "缺规划许可证。", who="CLERK")
    assert (await events(filed.number, "case.pre_reviewed"))[0]["outcome"] == "fail"


@pytest.mark.feature("HALL-14")
async def test_nothing_is_decided_until_the_originals_that_were_asked_for_are_seen(town, counter):
    filed = await town.file()
    await counter.review(filed.number, PreReviewOutcome.ORIGINALS, "材料齐全，请核对原件。")
    notice = await Document.get(kind="originals")
    assert notice.title == "原件核对通知书"
    (asked,) = await events(filed.number, "case.originals_asked")  # the text to the applicant follows from it
    assert (asked["document"], asked["window"]) == (notice.number, "HALL")
    assert [row["number"] for row in await originals_due(town.database, "HALL", first=5)] == [filed.number]
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT, "予以受理。")
    assert code_of(await decided(town, filed.number)) == "ORIGINALS_OUTSTANDING"
    refused = await town.decide("LEADER", filed.number, "level:3", Decision.REFUSE, "不符合条件。")
    assert code_of(refused) == "ORIGINALS_OUTSTANDING"
    await counter.see_originals(filed.number)
    assert await originals_due(town.database, "HALL", first=5) == []
    granted = await town.decide("LEADER", filed.number, "level:3", Decision.GRANT)
    assert granted.status == "granted"


async def test_originals_that_differ_can_be_refused_or_seen_again_but_not_granted(town, counter):
    filed = await town.file()
    await counter.review(filed.number, PreReviewOutcome.ORIGINALS)
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    assert code_of(await counter.see_originals(filed.number, matches=False)) == "INVALID"
    await counter.see_originals(filed.number, matches=False, note="合同金额不一致。")
    assert code_of(await decided(town, filed.number)) == "ORIGINALS_DIFFER"
    await counter.see_originals(filed.number, note="更换后一致。")
    assert code_of(await counter.see_originals(filed.number)) == "ORIGINALS_ALREADY_CHECKED"
    assert (await town.decide("LEADER", filed.number, "level:3", Decision.GRANT)).status == "granted"


async def test_originals_asked_for_hold_up_no_law(town, counter):
    filed = await town.file()
    await counter.review(filed.number, PreReviewOutcome.ORIGINALS)
    town.at("2026-09-25 00:00")
    assert await town.do(DeemAccepted()) == Done(count=1)
    assert (await OriginalsCheck.get()).checked_at is None


async def test_only_the_window_that_keeps_the_case_sees_originals(town, counter):
    filed = await town.file()
    assert code_of(await counter.see_originals(filed.number, who="HANDLER")) == "NOT_PERMITTED"


@pytest.mark.feature("CAT-15")
async def test_windows_first_an_item_of_the_first_mode_is_filed_and_issued_at_the_window(town, counter):
    await counter.publish(mode="window")
    with pytest.raises(AssertionError, match="ONLINE_NOT_OFFERED"):
        await town.file()
    case = await town.accepted(channel=Channel.WINDOW)
    await decided(town, case)
    await town.decide("HANDLER", case, COMPLETE, Decision.COMPLETE)
    delivered = await town.decide("CLERK", case, DELIVER, Decision.DELIVER, "申请人当面领取。")
    assert delivered.status == "delivered"
    assert not await OriginalsCheck.exists()  # what came in at the window was seen as it came


@pytest.mark.feature("CAT-15")
async def test_of_the_second_mode_the_window_looks_before_it_hands_out(town, counter):
    await counter.publish(mode="pre_review")
    case = await town.accepted()
    await decided(town, case)
    await town.decide("HANDLER", case, COMPLETE, Decision.COMPLETE)
    assert (await Task.get(closed_at=None)).step == DELIVER
    await town.decide("CLERK", case, DELIVER, Decision.DELIVER, "申请人当面领取。")
    (check,) = await OriginalsCheck.all()
    assert (check.matches, check.officer) == (True, "CLERK")
    assert (await events(case, "case.originals_checked"))[0]["officer"] == "CLERK"


async def test_who_is_refused_needs_no_originals_to_hear_it(town, counter):
    case = await town.accepted()
    await decided(town, case, Decision.REFUSE)
    await town.decide("HANDLER", case, COMPLETE, Decision.COMPLETE)
    assert (await town.decide("CLERK", case, DELIVER, Decision.DELIVER, "邮寄送达。")).status == "delivered"
    assert not await OriginalsCheck.exists()


@pytest.mark.feature("CAT-15")
async def test_of_the_third_mode_nobody_comes_to_the_window(town, counter):
    await counter.publish(mode="online", grade="A")
    filed = await town.file()
    asked = await counter.review(filed.number, PreReviewOutcome.ORIGINALS)
    assert code_of(asked) == "ORIGINALS_NOT_ASKED"
    assert code_of(await counter.see_originals(filed.number)) == "ORIGINALS_NOT_ASKED"
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    await decided(town, filed.number)
    completed = await town.decide("HANDLER", filed.number, COMPLETE, Decision.COMPLETE)
    assert (completed.status, completed.step) == ("delivered", None)
    assert "电子送达" in (await Document.get(kind="delivery")).content
    assert not await Task.filter(closed_at=None).exists()
    assert not await OriginalsCheck.exists()
    (event,) = await events(filed.number, "case.delivered")
    assert event["document"] == (await Document.get(kind="delivery")).number


async def test_who_came_to_the_window_is_served_at_the_window_whatever_the_mode(town, counter):
    await counter.publish(mode="online", grade="A")
    case = await town.accepted(channel=Channel.WINDOW)
    await decided(town, case)
    completed = await town.decide("HANDLER", case, COMPLETE, Decision.COMPLETE)
    assert completed.step == DELIVER


async def test_originals_that_never_came_do_not_keep_a_renewal_by_silence_from_its_holder(town, registry, counter):
    await registry.publish(valid_months=3)
    licence = await Licence.get(case_number=await registry.granted())
    town.at("2026-11-17")
    filed = await registry.filing(stage="renewal", licence_number=licence.number)
    await counter.review(filed.number, PreReviewOutcome.ORIGINALS)
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    town.at("2026-12-18 00:00")
    assert await town.do(DeemRenewed()) == Done(count=1)
    await town.decide("HANDLER", filed.number, COMPLETE, Decision.COMPLETE)
    assert (await town.decide("CLERK", filed.number, DELIVER, Decision.DELIVER, "当面送达。")).status == "delivered"
    check = await OriginalsCheck.get()
    assert (check.matches, check.officer) == (True, "CLERK")
