"""What outages of processes and connections may not do to texts from people: each of these once went wrong."""

import asyncio
from datetime import timedelta

import pytest
from tortoise.exceptions import OperationalError

from alerts.outgoing import Channel, claim, renew, take_over
from alerts.settling import Heard, Outcome, Report, record, tend
from alerts.states import State
from alerts.texts import Code
from kernel.actor import Assurance
from kernel.office import Office, Rule
from kernel.permissions import anybody
from kernel.work import Work
from sms.carriers import Arrival
from sms.inbound import Inbox, InboxRules
from sms.receipts import same_message_ids
from sms.smpp.carrier import identity_of
from sms.smpp.pdus import encode
from supervision.acts import CardView, ConfirmCard
from supervision.tables import Card
from tests.alerts.county import APPLICANT, LEADER_PHONE
from tests.sms.carrier_desk import (
    ACCESS_NUMBER,
    SECRETS,
    backlog,
    put,
    running,
    simulated,
    smpp_carrier,
    states_of,
    wait_for,
)


async def test_a_text_under_which_processes_are_killed_is_not_blamed_for_it(county, desk, monkeypatch):
    """Three kills in a row would leave it to a person: only a handling that fails counts as a try."""
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)
    plain, seen = Inbox._judged, []

    async def judged(*given):
        seen.extend(await county.database.rows("SELECT tries FROM inbound_message"))
        return await plain(*given)

    monkeypatch.setattr(Inbox, "_judged", judged)
    await desk.inbox.handle_waiting()
    assert seen == [{"tries": 0}]
    assert await desk.outcomes() == ["progress"]


async def test_a_text_whose_handling_fails_is_left_to_a_person_after_three_tries(county, desk, monkeypatch):
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await desk.take(pdu)

    async def broken(*_):
        raise RecursionError

    monkeypatch.setattr(Inbox, "_judged", broken)
    for _ in range(3):
        with pytest.raises(RecursionError):
            await desk.inbox.handle_waiting()
    assert await desk.inbox.handle_waiting() == 0
    assert await county.database.rows("SELECT tries FROM inbound_message") == [{"tries": 3}]


async def test_what_a_busy_office_could_not_do_is_done_later_and_nobody_is_told_to_try_again(desk):
    async def locked(work: Work, act: ConfirmCard) -> CardView:
        raise OperationalError("database is locked")

    await desk.propose_a_card()
    office = desk.county.office
    desk.county.office = Office(
        desk.county.desk, outbox=desk.county.outbox, rules=[Rule(ConfirmCard, locked, anybody, Assurance.NONE)]
    )
    desk.restart()
    [pdu] = desk.parts(LEADER_PHONE, f"1{await desk.code()}")
    await desk.take(pdu)
    with pytest.raises(OperationalError):
        await desk.inbox.handle_waiting()
    assert (await desk.outcomes(), await desk.answers(LEADER_PHONE)) == ([""], [])
    desk.county.office = office
    desk.restart()
    await desk.inbox.handle_waiting()
    assert (await Card.get()).state == "effective"
    assert len(await desk.answers(LEADER_PHONE)) == 1


@pytest.mark.parametrize("outage", [timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=55)])
async def test_what_a_carrier_says_again_after_an_outage_is_the_same_text(county, desk, outage):
    """It was kept and answered; only the acknowledgement was lost with the connection, or with the process."""
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    first = await taken(desk, pdu)
    await desk.inbox.handle_waiting()
    county.clock.advance(outage)
    await taken(desk, pdu, connected_at=county.clock.now())
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]
    assert first.connected_at < county.clock.now()


async def test_what_waited_until_its_connection_was_gone_and_is_said_again_later_is_the_same_text(county, desk):
    """The database was slow: when the text was kept, the line had broken, and the next connection stood already."""
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    first = county.clock.now()
    async with desk.inbox._taking:
        keeping = asyncio.create_task(taken(desk, pdu, connected_at=first))
        await asyncio.sleep(0)
        county.clock.advance(timedelta(seconds=1))
        second = county.clock.now()
        county.clock.advance(timedelta(seconds=1))
    await keeping
    await desk.inbox.handle_waiting()
    county.clock.advance(timedelta(seconds=30))
    await taken(desk, pdu, connected_at=second)
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]


async def test_a_repetition_that_waited_long_is_as_old_as_when_it_was_said(county, desk):
    """Both copies came over lines that broke at once, and the database was slow between the two."""
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    said = county.clock.now()
    arrival = await taken(desk, pdu, connected_at=said)
    await desk.inbox.handle_waiting()
    county.clock.advance(timedelta(seconds=12))
    async with county.database.transaction():
        await desk.inbox._parts.keep(arrival, said, county.clock.now())
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress"]


async def test_after_a_new_connection_one_repetition_is_the_carriers_and_the_next_a_persons(county, desk):
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    await taken(desk, pdu)
    await desk.inbox.handle_waiting()
    county.clock.advance(timedelta(minutes=5))
    again = county.clock.now()
    for _ in range(2):
        await taken(desk, pdu, connected_at=again)
        await desk.inbox.handle_waiting()
        county.clock.advance(timedelta(minutes=5))
    assert await desk.outcomes() == ["progress", "progress"]


async def test_who_asks_again_over_the_same_connection_is_answered_again(county, desk):
    [pdu] = desk.parts(APPLICANT, f"CX{await county.accepted()}")
    bound = county.clock.now()
    await taken(desk, pdu, connected_at=bound)
    await desk.inbox.handle_waiting()
    county.clock.advance(timedelta(minutes=1))
    await taken(desk, pdu, connected_at=bound)
    await desk.inbox.handle_waiting()
    assert await desk.outcomes() == ["progress", "progress"]


async def test_a_text_whose_acknowledgement_was_cut_off_is_performed_once(county, desk):
    """Through a real connection: kept, cut, answered, and a minute later said again."""
    number = await county.accepted()

    async def answered():
        return await desk.outcomes() == ["progress"]

    class CutOff(Inbox):
        cuts = 1

        async def take(self, arrival):
            status = await super().take(arrival)
            if self.cuts:
                self.cuts -= 1
                smsc.faults.bind_status = 0x0D  # nobody gets in for a minute
                smsc.cut()
                await wait_for(answered)
                county.clock.advance(timedelta(minutes=1))
                smsc.faults.clear()
            return status

    inbox = CutOff(
        county.office, county.database, county.clock, SECRETS, alert_rules=county.rules, rules=InboxRules(tend_s=0.05)
    )
    async with (
        simulated(county.clock) as smsc,
        running(county.database, county.clock, smpp_carrier(smsc), inbox=inbox),
    ):
        await wait_for(lambda: _is_bound(smsc, 1))
        county.clock.advance(timedelta(seconds=1))
        await smsc.handset(APPLICANT).send(ACCESS_NUMBER, f"CX{number}", timeout_s=60)
        assert smsc.counts["binds"] == 2
        assert await desk.outcomes() == ["progress"]


async def taken(desk, pdu, *, connected_at=None) -> Arrival:
    frame = encode(pdu, 1)
    arrival = Arrival("east", pdu.part(frame), identity_of(frame), connected_at=connected_at or desk.clock.now())
    assert await desk.inbox.take(arrival) == 0
    return arrival


async def _is_bound(smsc, times):
    return smsc.counts["binds"] >= times


# ------------------------------------------------------------------------------------------------- thousands at once


async def test_ten_thousand_claims_are_kept_and_taken_over_in_no_time(database, clock):
    """The list of messages is not gone through for each of them: it took a minute and a half, with the file locked."""
    await backlog(database, clock, 10_000)
    claimed = set()
    while batch := await claim(database, now=clock.now(), limit=500, channel=Channel.SMS, carrier="east"):
        claimed |= {message.id for message in batch}
    async with asyncio.timeout(20):
        await renew(database, claimed, now=clock.now())
        assert await take_over(database, claimed, now=clock.now()) == 10_000


async def test_thousands_of_receipts_about_nobodys_texts_do_not_hold_up_codes_of_unknown_outcome(database, clock):
    code = Code("card", "1:n", 5)
    await put(database, clock, *[f"【衡江】{number}▒▒▒▒▒" for number in range(1000)], template="T05", code=code)
    while claimed := await claim(database, now=clock.now(), limit=500, channel=Channel.SMS, carrier="east"):
        unknown = [Report(message=message, outcome=Outcome.UNKNOWN) for message in claimed]
        await record(database, now=clock.now(), carrier="east", reports=unknown)
    heard = [Heard(f"c{number}", State.DELIVERED, f"139{number:08d}") for number in range(20_000)]
    heard.append(Heard("ours", State.DELIVERED, "13800138000"))
    await record(database, now=clock.now(), carrier="east", heard=heard)
    async with asyncio.timeout(20):
        for _ in range(20):
            await tend(database, now=clock.now(), spellings=same_message_ids)
    assert await states_of(database) == {"unknown": 999, "delivered": 1}
