"""Long and repeated texts from people, however the carrier cuts, orders and repeats them."""

import asyncio
from datetime import timedelta
from itertools import permutations

import pytest

from sms.inbound import InboxRules
from sms.mo_parts import JOIN_WITHIN, REPEAT_WITHIN
from sms.smpp.vocabulary import DeliverSm, Sar
from sms.text import segments
from tests.alerts.county import APPLICANT
from tests.sms.text_desk import ACCESS_NUMBER, TextDesk

LONG = "CX{}" + "　" * 150  # three parts, most of them blanks that somebody's phone adds


def wide(body: str, reference: int) -> list[DeliverSm]:
    """With a 16-bit reference (element 08)."""
    return [
        DeliverSm(source=APPLICANT, destination=ACCESS_NUMBER, esm_class=0x40, data_coding=8, short_message=octets)
        for octets in segments(body, reference=reference, wide=True).parts
    ]


def by_tlv(body: str, reference: int) -> list[DeliverSm]:
    """Without a header: sar_msg_ref_num, sar_total_segments, sar_segment_seqnum."""
    octets = body.encode("utf-16-be")
    pieces = [octets[at : at + 100] for at in range(0, len(octets), 100)]
    return [
        DeliverSm(
            source=APPLICANT,
            destination=ACCESS_NUMBER,
            data_coding=8,
            short_message=piece,
            sar=Sar(reference, len(pieces), number),
        )
        for number, piece in enumerate(pieces, 1)
    ]


def by_payload(body: str, reference: int) -> list[DeliverSm]:
    """In one piece: message_payload."""
    octets = body.encode("utf-16-be")
    return [DeliverSm(source=APPLICANT, destination=ACCESS_NUMBER, data_coding=8, message_payload=octets)]


def narrow(body: str, reference: int) -> list[DeliverSm]:
    return [
        DeliverSm(source=APPLICANT, destination=ACCESS_NUMBER, esm_class=0x40, data_coding=8, short_message=octets)
        for octets in segments(body, reference=reference).parts
    ]


@pytest.mark.parametrize("cut", [narrow, wide, by_tlv, by_payload])
async def test_a_long_text_is_read_whole_however_it_was_cut_and_in_whatever_order_it_comes(county, desk, cut):
    number = await county.accepted()
    parts = cut(LONG.format(number), 0x1234)
    for reference, order in enumerate(permutations(range(len(parts)))):
        for at in order:
            await desk.take(cut(LONG.format(number), 0x1200 + reference)[at])
        desk.clock.advance(timedelta(minutes=11))
        await desk.inbox.handle_waiting()
    asked = await desk.database.rows("SELECT is_complete, text FROM inbound_message")
    assert {(bool(row["is_complete"]), str(row["text"]).strip()) for row in asked} == {(True, f"CX{number}")}


@pytest.mark.parametrize("cut", [narrow, wide, by_tlv])
async def test_two_texts_at_once_are_told_apart_by_reference_and_sender(county, desk, cut):
    number = await county.accepted()
    first, second = cut(LONG.format(number), 7), cut(LONG.format(number), 8)
    for pdu in (first[0], second[0], second[1], first[1], first[2], second[2]):
        await desk.take(pdu)
    for rest in (*first[3:], *second[3:]):
        await desk.take(rest)
    assert await desk.inbox.handle_waiting() == 2


async def test_parts_that_two_processes_take_are_joined_by_whoever_comes_last(county, desk):
    other = TextDesk(county)
    parts = narrow(LONG.format(await county.accepted()), 9)
    await desk.take(parts[0])
    await other.take(parts[1])
    await desk.take(parts[2])
    assert await other.inbox.handle_waiting() == 1
    assert await desk.inbox.handle_waiting() == 0
    assert await desk.outcomes() == ["progress"]


async def test_two_processes_that_join_at_once_make_one_text_of_it(county, desk):
    """What both took in the same instant is joined by the housekeeping of both."""
    other = TextDesk(county)
    parts = narrow(LONG.format(await county.accepted()), 10)
    for pdu in parts:
        await desk.take(pdu)
    # As if neither had seen the other's part.
    await desk.database.execute("UPDATE inbound_pdu SET message_id = NULL")
    await desk.database.execute("DELETE FROM inbound_message")
    await asyncio.gather(*(each.inbox.give_up_waiting() for each in (desk, other) * 3))
    assert len(await desk.database.rows("SELECT id FROM inbound_message")) == 1


async def test_two_processes_answer_one_text_once(county, desk):
    other = TextDesk(county)
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)
    await asyncio.gather(desk.inbox.handle_waiting(), other.inbox.handle_waiting())
    assert len(await desk.answers(APPLICANT)) == 1


async def test_what_lacks_a_part_is_never_a_decision(desk):
    """The part that never came may have said "not"."""
    await desk.propose_a_card()
    body = f"{'　' * 70}1{await desk.code()}"
    _, second = narrow(body, 3)
    await desk.take(second)
    desk.clock.advance(JOIN_WITHIN)
    await desk.inbox.give_up_waiting()
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["HELP"]


async def test_a_reference_that_comes_again_after_the_patience_is_another_text(county, desk):
    number = await county.accepted()
    first, *rest = narrow(LONG.format(number), 5)
    await desk.take(first)
    desk.clock.advance(InboxRules().join_within)
    await desk.inbox.give_up_waiting()
    for pdu in (first, *rest):
        await desk.take(pdu)
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["HELP", "progress"]


# --------------------------------------------------------------------------------------------------------- repetitions
async def test_a_part_repeated_after_the_whole_was_answered_is_no_new_text(county, desk):
    parts = narrow(LONG.format(await county.accepted()), 6)
    for pdu in parts:
        await desk.take(pdu)
    await desk.inbox.handle_waiting()
    desk.clock.advance(JOIN_WITHIN - timedelta(seconds=1))
    for pdu in parts:
        await desk.take(pdu)
    desk.clock.advance(JOIN_WITHIN)
    await desk.inbox.give_up_waiting()
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]


async def test_a_text_that_the_carrier_repeats_at_once_is_one_text_also_when_it_was_answered(county, desk):
    """Its response got lost: who acknowledged it, we know, and the carrier does not."""
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)
    await desk.inbox.handle_waiting()
    desk.clock.advance(REPEAT_WITHIN - timedelta(seconds=1))
    await desk.take(pdu)
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]


async def test_a_text_repeated_while_the_first_still_waits_is_one_text(county, desk):
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)
    desk.clock.advance(timedelta(minutes=5))
    await desk.take(pdu)
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]


async def test_a_person_who_asks_again_later_is_answered_again(county, desk):
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    for _ in range(2):
        await desk.take(pdu)
        await desk.inbox.handle_waiting()
        desk.clock.advance(REPEAT_WITHIN)
    assert await desk.outcomes() == ["progress", "progress"]


async def test_a_carriers_own_id_is_never_another_text_however_late_it_comes_again(county, desk):
    number = await county.accepted()
    [pdu] = desk.parts(APPLICANT, f"CX{number}")
    await desk.take(pdu, dated=b"\x11\x22\x33\x44\x55\x66\x77\x88")
    await desk.inbox.handle_waiting()
    desk.clock.advance(timedelta(days=2))
    desk.restart()
    await desk.take(pdu, dated=b"\x11\x22\x33\x44\x55\x66\x77\x88")
    await desk.take(pdu, dated=b"\x11\x22\x33\x44\x55\x66\x77\x99")
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress", "progress"]


async def test_what_was_kept_twice_before_a_crash_is_answered_once(county, desk):
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)
    desk.restart()
    desk.clock.advance(timedelta(minutes=2))
    await desk.take(pdu)
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]
