"""Papers follow the electronic case: a log of hand-overs, and no step closed without them."""

from typing import Any

import pytest

from casework.acts import Channel, Decision, DeemAccepted, MaterialGiven, ReceiveSupplement
from casework.intake.records import intake_of, originals_due, papers_due
from casework.intake.tables import OriginalsCheck, PaperMove
from casework.tables import Case
from kernel.acts import Done
from tests.casework.counter import Counter, code_of, events, material, paper, revision
from tests.casework.town import Town, person

DEED, FORM = "土地使用证原件", "申请表"
DEMANDED = [material(FORM), material(DEED, form="paper")]


@pytest.fixture
async def demanding(town: Town, counter: Counter) -> Town:
    await counter.publish(stage={"materials": DEMANDED})
    return town


@pytest.mark.feature("INT-11")
async def test_the_next_step_is_not_closed_before_the_papers_are_there(demanding, counter):
    town = demanding
    case = await town.accepted(channel=Channel.WINDOW, materials=(paper(FORM), paper(DEED)))
    waiting = await town.decide("HANDLER", case, "level:1", Decision.AGREE)
    assert (code_of(waiting), waiting.details["materials"]) == ("PAPERS_NOT_RECEIVED", [DEED])
    assert await counter.hand_over(case, "ZJ") == Done(count=1)
    assert code_of(await town.decide("HANDLER", case, "level:1", Decision.AGREE)) == "PAPERS_NOT_RECEIVED"
    assert [row["number"] for row in await papers_due(town.database, "ZJ", first=5)] == [case]
    town.at("2026-09-18 11:00")
    await counter.confirm(case, "HANDLER")
    assert (await town.decide("HANDLER", case, "level:1", Decision.AGREE)).step == "level:2"
    record: Any = await intake_of(town.database, person("HANDLER"), case)
    log = record["papers"]
    assert [(row["material"], row["from_unit"], row["to_unit"]) for row in log] == [
        (DEED, None, "HALL"),
        (DEED, "HALL", "ZJ"),
    ]
    assert log[1]["received_at"] == town.clock.now()
    assert await papers_due(town.database, "ZJ", first=5) == []


@pytest.mark.feature("INT-11")
async def test_papers_that_do_not_come_are_waived_with_a_reason(demanding, counter):
    town = demanding
    case = await town.accepted(channel=Channel.WINDOW, materials=(paper(DEED),))
    assert code_of(await counter.waive(case, " ", "HANDLER")) == "INVALID"
    assert code_of(await counter.waive(case, "长" * 201, "HANDLER")) == "INVALID"
    await counter.waive(case, "原件留存窗口，凭复印件办理。", "HANDLER")
    (event,) = await events(case, "case.papers_waived")
    assert (event["materials"], event["unit"], event["officer"]) == ([DEED], "ZJ", "HANDLER")
    assert (await town.decide("HANDLER", case, "level:1", Decision.AGREE)).step == "level:2"
    # They come after all: a waiver moved nothing.
    assert await counter.hand_over(case, "ZJ") == Done(count=1)
    assert await counter.confirm(case, "HANDLER") == Done(count=1)


async def test_online_the_paper_is_on_its_way_to_the_window(demanding, counter):
    town = demanding
    filed = await town.file(materials=(paper(FORM), paper(DEED)))
    early = await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    assert code_of(early) == "PAPERS_NOT_RECEIVED"
    await counter.confirm(filed.number, "CLERK")
    assert (await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)).status == "in_approval"


async def test_papers_hold_up_neither_silence_nor_what_goes_no_further(demanding, counter):
    town = demanding
    asked, silent = await town.file(materials=(paper(DEED),)), await town.file(materials=(paper(DEED),))
    assert (asked.missing, silent.missing) == ((FORM,), (FORM,))
    view = await town.decide("CLERK", asked.number, "accept", Decision.ASK_SUPPLEMENT, "缺", items=(FORM,))
    assert view.status == "awaiting_supplement"
    town.at("2026-09-25 00:00")
    assert await town.do(DeemAccepted()) == Done(count=1)


async def test_a_paper_that_comes_with_the_corrections_is_followed_from_then_on(demanding, counter):
    town = demanding
    filed = await town.file(channel=Channel.WINDOW, materials=(paper(FORM),))
    await town.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "缺", items=(DEED,))
    given = ReceiveSupplement(
        case=filed.number, revision=await revision(filed.number), materials=(paper(DEED),), complete=True
    )
    await town.do(given, person("CLERK"))
    assert [(move.to_unit, bool(move.received_at)) for move in await PaperMove.all()] == [("HALL", True)]


async def test_a_file_and_a_paper_that_could_be_one_are_not_followed(demanding):
    await demanding.knows("0" * 64)
    scanned = MaterialGiven(name=DEED, file_name="证.pdf", media_type="application/pdf", sha256="0" * 64, size=9)
    await demanding.file(channel=Channel.WINDOW, materials=(paper(FORM), scanned))
    assert not await PaperMove.exists()


async def test_only_those_who_have_or_await_the_papers_touch_them(demanding, counter):
    case = await demanding.accepted(channel=Channel.WINDOW, materials=(paper(DEED),))
    assert code_of(await counter.confirm(case, "FIRE")) == "NOT_PERMITTED"
    assert code_of(await counter.hand_over(case, "XF", who="HANDLER")) == "NO_PAPERS_HERE"
    assert code_of(await counter.confirm(case, "CLERK")) == "NO_PAPERS_HERE"
    assert code_of(await counter.hand_over(case, "HALL")) == "NOT_FOUND"
    assert code_of(await counter.hand_over(case, "NOWHERE")) == "NOT_FOUND"
    await counter.hand_over(case, "XF")
    assert await counter.confirm(case, "FIRE") == Done(count=1)


async def test_a_paper_that_a_correction_brings_is_followed_too(demanding, counter):
    filed = await demanding.file()
    await counter.correct(filed.number, "补交原件", materials=(paper(DEED),))
    move = await PaperMove.get()
    assert (move.to_unit, move.received_by) == ("HALL", "CLERK")


async def test_a_secret_case_is_no_duty_of_a_unit_that_does_not_hold_its_step(demanding, counter):
    town = demanding
    case = await town.accepted(channel=Channel.WINDOW, materials=(paper(FORM), paper(DEED)))
    await counter.hand_over(case, "XF")
    assert len(await papers_due(town.database, "XF", first=5)) == 1
    await Case.filter(number=case).update(secret=True)
    assert await papers_due(town.database, "XF", first=5) == []
    await OriginalsCheck.create(case_id=(await Case.get(number=case)).id, unit_code="HALL", asked_at=town.clock.now())
    assert await originals_due(town.database, "HALL", first=5) == []
