"""What a gateway survives: another beside it, a restart, a database that goes away, clocks that jump."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.outgoing import LEASE, Channel, claim
from alerts.settling import Heard, Outcome, Report, record
from alerts.states import CODE_WAIT, State
from alerts.texts import Code
from kernel.db import Database
from server.wiring import TABLES
from sms.carriers import Condition, Sent
from sms.lane import Pace
from sms.leases import Leases
from sms.patience import patiently
from tests.sms.carrier_desk import (
    backlog,
    put,
    running,
    simulated,
    smpp_carrier,
    states_of,
    until,
    until_sent,
    wait_for,
)

PHONE = "13800138000"


class Taker:
    """A carrier next door: takes everything at once and reports it delivered."""

    name, weight, ahead, needs_left, is_up = "east", 10, 1000, timedelta(), True

    def __init__(self) -> None:
        self.took: list[str] = []
        self._leaving = asyncio.Event()

    def condition(self):
        return Condition(state="up")

    def send(self, text, on_sent):
        self.took.append(text.words)
        sms_id = f"{len(self.took):x}"
        on_sent(Sent(((1, sms_id),)))
        self._ears.heard(Heard(sms_id, State.DELIVERED, text.phone))

    async def run(self, ears):
        self._ears = ears
        await self._leaving.wait()
        self._leaving.clear()

    async def drain(self, timeout_s):
        self._leaving.set()


class Holder(Taker):
    """Takes one and never says what became of it."""

    ahead = 1

    def send(self, text, on_sent):
        self.took.append(text.words)


def bodies(count):
    return [f"【衡江政务服务】第{number}件" for number in range(count)]


# -------------------------------------------------------------------------------------------------------- two of them


async def test_two_gateways_on_one_account_send_everything_once_and_hear_each_others_receipts(database, clock):
    async with simulated(clock) as smsc:
        await put(database, clock, *bodies(300), phone=PHONE)
        first, second = smpp_carrier(smsc), smpp_carrier(smsc)
        async with (
            running(database, clock, first, alone=False),
            running(database, clock, second, alone=False),
        ):
            # Receipts come by whichever bind is free.
            await until(database, delivered=300)
            assert smsc.counts["binds"] == 2
        assert sorted(text.text for text in smsc.handset(PHONE).inbox) == sorted(bodies(300))


async def test_what_a_dead_gateway_held_is_taken_over_and_a_living_one_keeps_its_own(database, clock):
    await put(database, clock, "【衡江】留下的", phone=PHONE)
    await claim(database, now=clock.now(), limit=1, channel=Channel.SMS, carrier="east")  # and dies
    holder, taker, pace = Holder(), Taker(), Pace(poll_s=0.02, tend_s=0.3, drain_s=0.1)
    async with running(database, clock, holder, alone=False) as living:
        await put(database, clock, "【衡江】在途的", phone="13900139000")
        await wait_for(lambda: _has_taken(holder, 1))
        async with running(database, clock, taker, alone=False, pace=pace) as gateway:
            await gateway.tend()
            assert taker.took == []
            clock.advance(LEASE)
            await living.tend()
            await wait_for(lambda: _has_taken(taker, 1))
            assert (holder.took, taker.took) == (["【衡江】在途的"], ["【衡江】留下的"])


@pytest.mark.parametrize("dialect_only", ["postgres"])
async def test_gateways_of_two_processes_claim_each_text_once(database_url, clock, dialect, dialect_only):
    """Each with connections of its own: rows that one is claiming are skipped by the other."""
    if dialect != dialect_only:
        pytest.skip("SQLite serves one process")
    pool = [await asyncpg.connect(database_url) for _ in range(2)]
    opened = await Database.open(database_url, modules=TABLES)
    try:
        await put(opened, clock, *bodies(20), phone=PHONE)
        async with pool[0].transaction():
            locked = await pool[0].fetch("SELECT id FROM outstanding ORDER BY id LIMIT 5 FOR UPDATE")
            claimed = await claim(opened, now=clock.now(), limit=20, channel=Channel.SMS, carrier="east")
        assert {row["id"] for row in locked}.isdisjoint(message.id for message in claimed)
        assert len(claimed) == 15
    finally:
        await opened.close()
        for connection in pool:
            await connection.close()


# -------------------------------------------------------------------------------------------------------- restarts


async def test_a_restart_with_ten_thousand_in_flight_repeats_no_recorded_text_and_loses_none(database, clock):
    await backlog(database, clock, 10_000)
    claimed = []
    while batch := await claim(database, now=clock.now(), limit=500, channel=Channel.SMS, carrier="east"):
        claimed += batch
    # Of half of them it is known that the carrier has them, of some only by their parts: then it was killed.
    done = [Report(message=m, outcome=Outcome.SUBMITTED, accepted=((1, f"a{m.id}"),)) for m in claimed[:4000]]
    await record(database, now=clock.now(), carrier="east", reports=done)
    halfway = [Report(message=m, outcome=Outcome.UNKNOWN, accepted=((1, f"a{m.id}"),)) for m in claimed[4000:5000]]
    await record(database, now=clock.now(), carrier="east", reports=halfway)
    taker = Taker()
    async with running(database, clock, taker):
        await until_sent(database)
    recorded = {message.body for message in claimed[:5000]}
    assert Counter(taker.took) == Counter(message.body for message in claimed[5000:])
    assert recorded.isdisjoint(taker.took)


async def test_codes_in_flight_at_a_restart_wait_for_their_receipts(database, clock):
    code = Code("card", "7:n", 5)
    await put(database, clock, "【衡江】1▒▒▒▒▒", phone=PHONE, template="T05", code=code)
    await claim(database, now=clock.now(), limit=1, channel=Channel.SMS, carrier="east")
    taker = Taker()
    async with running(database, clock, taker):
        await until(database, unknown=1)
        await asyncio.sleep(0.1)
        assert taker.took == []
        clock.advance(CODE_WAIT)
        await until(database, delivered=1)


# ------------------------------------------------------------------------------------------------------- the database


async def test_a_database_server_that_throws_everybody_out_loses_nothing_and_cuts_no_bind(
    database, database_url, clock, dialect, caplog
):
    if dialect != "postgres":
        pytest.skip("SQLite has no server")
    async with simulated(clock) as smsc, running(database, clock, carrier := smpp_carrier(smsc)):
        await carrier.bound(60)
        for round in range(5):
            texts = [f"【衡江】第{round}轮{number}" for number in range(60)]
            await patiently(partial(put, database, clock, *texts, phone=PHONE), "put")
            server = await asyncpg.connect(database_url)
            await server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await server.close()
        # What we ask may meet connections that were thrown out, too.
        await patiently(partial(until, database, delivered=300), "until")
        assert len(smsc.handset(PHONE).inbox) == 300
        assert smsc.counts["binds"] == 1
        # What was committed although its connection was gone is not written a second time.
        rows = await patiently(partial(database.rows, "SELECT COUNT(*) AS parts FROM message_part"), "parts")
        assert rows[0]["parts"] == 300


async def test_a_report_that_may_have_been_written_before_is_not_written_twice(database, clock):
    await put(database, clock, "【衡江】甲", phone=PHONE)
    (message,) = await claim(database, now=clock.now(), limit=1, channel=Channel.SMS, carrier="east")
    report = Report(message=message, outcome=Outcome.SUBMITTED, accepted=((1, "a1"),))
    await record(database, now=clock.now(), carrier="east", reports=[report])
    receipt = Heard("a1", State.DELIVERED, PHONE)
    await record(database, now=clock.now(), carrier="east", reports=[report], heard=[receipt], perhaps_before=True)
    assert await states_of(database) == {"delivered": 1}
    assert len(await database.rows("SELECT id FROM message_part")) == 1
    assert await database.rows("SELECT id FROM receipt") == []


async def test_a_text_that_somebody_has_claimed_since_is_not_put_back_by_a_report_written_twice(database, clock):
    await put(database, clock, "【衡江】甲", phone=PHONE)
    claimed = partial(claim, database, now=clock.now(), limit=1, channel=Channel.SMS)
    (message,) = await claimed(carrier="east")
    report = Report(message=message, outcome=Outcome.UNSENT)
    await record(database, now=clock.now(), carrier="east", reports=[report])
    assert await claimed(carrier="west")
    await record(database, now=clock.now(), carrier="east", reports=[report], perhaps_before=True)
    assert await states_of(database) == {"sending": 1}
    assert [row["carrier"] for row in await database.rows("SELECT carrier FROM message_claim")] == ["west"]


# ------------------------------------------------------------------------------------------------------------- clocks

START = datetime(2026, 9, 18, 1, 0, tzinfo=UTC)
LEASE_S = LEASE.total_seconds()


def watched(leases, claimed, *, now, steady_s, held=()):
    return leases.orphans(claimed, held=held, now=now, steady_s=steady_s)


def test_a_lease_that_ended_is_believed_when_nobody_renewed_it_for_three_rounds():
    leases, ended = Leases(15.0), {7: START}
    assert not watched(leases, ended, now=START, steady_s=100.0)
    assert not watched(leases, ended, now=START, steady_s=114.0)
    assert watched(leases, ended, now=START, steady_s=115.0) == {7}


def test_a_lease_that_never_ends_by_our_clock_is_believed_after_its_length():
    """The dead one's clock was hours ahead, or ours was put back."""
    leases, ahead = Leases(15.0), {7: START + timedelta(hours=5)}
    assert not watched(leases, ahead, now=START, steady_s=0.0)
    assert not watched(leases, ahead, now=START, steady_s=LEASE_S - 1)
    assert watched(leases, ahead, now=START, steady_s=LEASE_S) == {7}


@given(st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(-86_400, 86_400)), min_size=1, max_size=50))
def test_what_is_renewed_is_never_taken_over_whatever_the_clocks_say(rounds):
    leases, steady_s, owners_clock = Leases(15.0), 0.0, START
    for round_s, jump_s in rounds:
        steady_s += round_s
        owners_clock += timedelta(seconds=round_s)
        ours = owners_clock + timedelta(seconds=jump_s)
        assert not watched(leases, {7: owners_clock + LEASE}, now=ours, steady_s=steady_s)


def test_ones_own_claims_are_never_orphans():
    leases = Leases(15.0)
    for steady_s in range(0, 600, 5):
        assert not watched(leases, {7: START}, now=START + timedelta(days=1), steady_s=float(steady_s), held={7})


async def _has_taken(carrier, count):
    return len(carrier.took) == count
