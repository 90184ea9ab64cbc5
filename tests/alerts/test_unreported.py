"""Texts that a carrier took and never spoke of again: they end, are counted, and the grave ones are followed up."""

from datetime import timedelta

import pytest

from alerts import unreported
from alerts.by_hand import Kept, KeptBack, ResendTexts
from alerts.dead_letters import FollowUpUndelivered
from alerts.outgoing import Channel
from alerts.states import FINAL, MOVES, State
from alerts.tables import Message
from alerts.unreported import Unreported
from kernel.actor import THE_CLOCK, THE_OPERATOR
from sms.backlog import backlog
from supervision.findings import FindingKind
from supervision.queries import findings
from tests.alerts.queue_desk import delivered, failed, submitted

LIFE, GRACE = timedelta(days=1), timedelta(hours=24)
LONG = "【衡江】" + "长" * 100


@pytest.fixture
def walk() -> Unreported:
    return Unreported(GRACE)


async def taken(queue, *sms_ids: str, **letter) -> int:
    await queue.put(**{"valid": LIFE, **letter})
    (message,) = await queue.claim(1)
    await queue.record(submitted(message, *(sms_ids or (f"id{message.id}",))))
    return message.id


async def end(queue, walk, after=timedelta()) -> list[str]:
    queue.clock.advance(after)
    await walk.end(queue.database, now=queue.clock.now())
    return await queue.states()


def test_what_is_final_leads_nowhere_but_to_what_is_final():
    assert {State.DELIVERED, State.FAILED, State.EXPIRED, State.DEAD, State.MERGED, State.UNREPORTED} == FINAL
    assert all(MOVES[state] <= FINAL for state in FINAL)
    assert {state for state in MOVES if State.UNREPORTED in MOVES[state]} == {State.SUBMITTED}


async def test_a_text_without_a_receipt_ends_a_day_after_its_life_and_not_before(queue, walk):
    message = await taken(queue)
    assert await end(queue, walk, LIFE) == ["submitted"]  # the carrier may deliver it until now
    assert await end(queue, walk, GRACE - timedelta(seconds=1)) == ["submitted"]
    assert await end(queue, walk, timedelta(minutes=1)) == ["unreported"]
    row = await Message.get(id=message)
    assert (row.error, row.finished_at) == ("no receipt", queue.clock.now())
    assert await queue.claim() == []
    assert (await backlog(queue.database, now=queue.clock.now())).by_carrier["east"].unreported_last_day == 1


@pytest.mark.parametrize(("receipt", "state"), [(delivered, "delivered"), (failed, "failed")])
async def test_a_receipt_that_comes_after_all_corrects_the_record_once(queue, walk, receipt, state):
    await taken(queue, "a1")
    assert await end(queue, walk, LIFE + GRACE) == ["unreported"]
    await queue.record(heard=[receipt("a1")])
    assert await queue.states() == [state]
    await queue.record(heard=[failed("a1"), delivered("a1")])
    assert await end(queue, walk, timedelta(days=1)) == [state]


async def test_a_long_text_of_which_one_half_was_reported_ends_too_and_is_corrected_too(queue, walk):
    await taken(queue, "a1", "a2", body=LONG)
    await queue.record(heard=[delivered("a1")])
    assert await end(queue, walk, LIFE + GRACE) == ["unreported"]
    await queue.record(heard=[delivered("a2")])
    assert await queue.states() == ["delivered"]


async def test_a_mail_has_no_receipt_and_nothing_is_missing(queue, walk):
    await queue.put(channel=Channel.MAIL, valid=LIFE)
    (mail,) = await queue.claim(channel=Channel.MAIL)
    await queue.record(submitted(mail))
    assert await end(queue, walk, LIFE + GRACE) == ["submitted"]


async def test_however_many_they_are_a_round_looks_at_a_slice_of_them(queue, walk, monkeypatch):
    monkeypatch.setattr(unreported, "SLICE", 2)
    for number in range(5):
        await taken(queue, template="T01" if number % 2 else "T02")
    young = await taken(queue, valid=timedelta(days=9))
    rounds = [(await end(queue, walk, LIFE + GRACE if not number else timedelta())) for number in range(6)]
    assert [states.count("unreported") for states in rounds] == sorted(states.count("unreported") for states in rounds)
    assert rounds[0].count("unreported") <= 2
    assert rounds[-1].count("unreported") == 5
    assert (await Message.get(id=young)).state == "submitted"


async def test_a_red_light_without_a_receipt_is_followed_up_and_listed_and_an_ordinary_text_is_not(county, queue, walk):
    number = await county.accepted()
    county.at("2026-10-23 00:00")
    await county.turn_lights()
    claimed = await queue.claim()
    await queue.record(*(submitted(each, *(f"{each.id}-{part}" for part in range(each.parts))) for each in claimed))
    red = [each for each in claimed if each.template.startswith(("T03", "T05"))]
    assert 0 < len(red) < len(claimed)
    assert set(await end(queue, walk, timedelta(days=3) + GRACE)) >= {"unreported"}
    done = await county.do(FollowUpUndelivered(), THE_CLOCK)
    await county.tell()
    assert done.count == len(red)
    shown = await findings(county.database, kind=FindingKind.TEXT_UNDELIVERED)
    assert {row["case_number"] for row in shown} == {number}
    assert (await county.do(FollowUpUndelivered(), THE_CLOCK)).count == 0
    await queue.record(heard=[delivered(f"{red[0].id}-{part}") for part in range(red[0].parts)])
    assert (await Message.get(id=red[0].id)).state == "delivered"


async def test_an_operator_sends_it_again_only_knowing_that_it_may_be_read_twice(county, queue, walk):
    texts = [await taken(queue), await taken(queue)]
    await end(queue, walk, LIFE + GRACE)
    act = ResendTexts(texts=tuple(texts), by="root")
    kept = await county.office.perform(act, THE_OPERATOR, key=None)
    assert kept.kept == tuple(KeptBack(text, Kept.OUTCOME_UNKNOWN) for text in texts)
    again = await county.office.perform(ResendTexts(texts=tuple(texts), even_if_unknown=True), THE_OPERATOR, key=None)
    assert [each.text for each in again.resent] == texts
