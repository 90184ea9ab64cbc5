"""What the operator is told: from rows as a gateway writes them, in a process that knows nothing else."""

from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from alerts.outgoing import Outgoing
from alerts.settling import Outcome, Report
from alerts.states import State
from alerts.tables import Message, WaitingReceipt
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.tables import OutboxEntry
from sms import backlog as figures
from sms.backlog import Trouble, backlog, meaning_of
from sms.carriers import Condition
from sms.cmpp.statuses import SUBMIT_RESULTS
from sms.mas.messages import RESPONSES
from sms.status import Status, status
from sms.statuses import COMMAND_STATUSES, FAMILIES, RECEIPT_ERRORS, RECEIPT_STATES, Fault
from sms.tables import CarrierRow, InboundMessage
from tests.alerts.queue_desk import QueueDesk, failed, submitted
from tests.standing import stand_anew

CONDITION = Condition(
    state="bound",
    in_flight=3,
    window=16,
    waiting=2,
    parts_per_s=50,
    silent_for_s=1.5,
    last_error="cannot connect: TimeoutError",
    counts={"Accepted": 9, "throttled": 1},
    refusals={"ESME_RINVDSTADR": 2},
)


class StatusDesk(QueueDesk):
    """A queue with two carriers, of which the gateway has just said that they are well."""

    async def settle(self) -> None:
        for name in ("east", "west"):
            await CarrierRow.create(
                name=name,
                kind="smpp",
                weight=10,
                effective_weight=7.25,
                condition=msgspec.json.encode(CONDITION).decode(),
                seen_at=self.clock.now(),
            )

    async def carrier(self, name: str, **columns) -> None:
        await CarrierRow.filter(name=name).update(**columns)

    async def status(self) -> Status:
        return await status(self.database, now=self.clock.now())

    async def codes(self) -> list[str]:
        return [concern.code for concern in (await self.status()).concerns]

    async def lose(self, outcome=Outcome.REFUSED, error="ESME_RINVDSTADR", carrier="east", **letter) -> Outgoing:
        await self.put(**letter)
        [message] = await self.claim(1, carrier)
        await self.record(Report(message=message, outcome=outcome, error=error), carrier=carrier)
        return message


@pytest.fixture
async def desk(database: Database, clock: FakeClock) -> StatusDesk:
    made = StatusDesk(database, clock)
    await made.settle()
    return made


async def test_all_is_well_when_carriers_are_up_and_nothing_waits(desk):
    found = await desk.status()
    assert (found.is_well, found.is_serving, found.seen_at) == (True, True, desk.clock.now())
    east, west = found.carriers
    assert (east.name, west.name, east.kind, east.wanted, east.state) == ("east", "west", "smpp", "running", "bound")
    assert (east.window, east.in_flight, east.held_back, east.parts_per_s, east.silent_for_s) == (16, 3, 2, 50, 1.5)
    assert (east.weight, east.effective_weight, east.is_up) == (10, 7.25, True)
    assert (east.counts, east.refusals) == ({"Accepted": 9, "throttled": 1}, {"ESME_RINVDSTADR": 2})
    assert east.last_error == "cannot connect: TimeoutError"


async def test_the_json_is_the_same_value_again(desk):
    await desk.lose()
    await desk.put()
    found = await desk.status()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Status) == found


# ------------------------------------------------------------------------------------------------ is anybody there
async def test_a_server_that_has_said_nothing_for_half_a_minute_is_not_there(desk):
    desk.clock.advance(timedelta(seconds=30))
    assert (await desk.status()).is_serving
    desk.clock.advance(timedelta(seconds=1))
    found = await desk.status()
    assert (found.is_serving, found.carriers[0].is_up) == (False, False)
    assert [concern.code for concern in found.concerns] == ["NOT_SERVING"]


async def test_an_installation_that_never_ran_says_so(database, clock):
    found = await status(database, now=clock.now())
    assert (found.is_serving, found.seen_at, found.carriers, found.is_well) == (False, None, (), False)


async def test_a_carrier_that_left_the_settings_is_left_out_after_a_day(desk):
    await CarrierRow.create(name="old", kind="mas", seen_at=desk.clock.now() - timedelta(hours=23))
    assert len((await desk.status()).carriers) == 3
    await desk.carrier("old", seen_at=desk.clock.now() - timedelta(hours=25))
    assert [carrier.name for carrier in (await desk.status()).carriers] == ["east", "west"]


async def test_a_carrier_that_was_never_seen_has_no_state(desk):
    await desk.carrier("west", condition="{}", seen_at=None)
    west = (await desk.status()).carriers[1]
    assert (west.state, west.is_up, west.window) == ("unseen", False, 0)


# ------------------------------------------------------------------------------------------------ what needs a person
async def test_a_carrier_that_is_down_needs_a_person_and_one_that_was_paused_does_not(desk):
    await desk.carrier("east", down_since=desk.clock.now() - timedelta(minutes=5))
    found = await desk.status()
    [concern] = found.concerns
    assert (concern.code, concern.carrier) == ("CARRIER_DOWN", "east")
    assert "cannot connect" in concern.en
    over = replace(CONDITION, state="closed", last_error_at=desk.clock.now(), is_error_past=True)
    await desk.carrier("east", condition=msgspec.json.encode(over).decode())
    found = await desk.status()
    assert found.concerns[0].en == "carrier east is down: closed"
    assert (found.carriers[0].last_error_at, found.carriers[0].is_error_past) == (desk.clock.now(), True)
    assert not found.carriers[0].is_up
    await desk.carrier("east", wanted="paused", down_since=None)
    assert (await desk.status()).is_well
    await desk.carrier("west", wanted="drained")
    assert await desk.codes() == ["ALL_STOPPED"]


async def test_a_text_that_waits_ten_minutes_needs_a_person_unless_its_hour_has_not_come(desk):
    await desk.put(wait=timedelta(hours=5))
    await desk.put()
    desk.clock.advance(timedelta(minutes=10))
    await desk.carrier("east", seen_at=desk.clock.now())
    await desk.carrier("west", seen_at=desk.clock.now())
    assert await desk.codes() == []
    desk.clock.advance(timedelta(seconds=1))
    assert await desk.codes() == ["QUEUE_SLOW"]


async def test_a_lost_text_needs_a_person_only_when_nobody_followed_it_up(desk):
    message = await desk.lose()
    assert await desk.codes() == []  # the clock will look in a moment
    desk.clock.advance(timedelta(minutes=3))
    for name in ("east", "west"):
        await desk.carrier(name, seen_at=desk.clock.now())
    assert await desk.codes() == ["DEAD_LETTERS"]
    assert (await desk.status()).queue.dead_letters == 1
    await Message.filter(id=message.id).update(replaced_at=desk.clock.now())
    found = await desk.status()
    assert (found.is_well, found.carriers[0].lost_last_day, found.queue.dead_letters) == (True, 1, 0)


async def test_an_account_that_is_refused_needs_a_person(desk):
    await desk.lose(Outcome.AGAIN, "ESME_RINVSRCADR")
    assert await desk.codes() == ["TECHNICAL_FAULT"]


async def test_texts_from_people_and_events_that_failed_to_the_end_need_a_person(desk):
    now = desk.clock.now()
    for tries in (0, 2, 3):
        await InboundMessage.create(carrier="east", sender="1", receiver="2", text="x", received_at=now, tries=tries)
    await desk.database.insert(
        "event",
        ("id", "subject", "seq", "tag", "at", "actor", "body", "previous_hash", "hash"),
        [(1, "x:1", 1, "x", now, "system:clock", "{}", "0", "0")],
    )
    for parked in (True, False):
        await desk.database.insert(
            "outbox",
            ("event_id", "consumer", "due_at", "attempts", "last_error", "parked"),
            [(1, "alerts", now, 8, "ValueError", parked)],
        )
    found = await desk.status()
    assert [concern.code for concern in found.concerns] == ["INBOX_STUCK", "EVENTS_PARKED"]
    assert (found.inbox.waiting, found.inbox.stuck, found.inbox.oldest_at) == (3, 1, now)
    assert (found.events.waiting, found.events.stuck, found.events.oldest_at) == (2, 1, now)


# --------------------------------------------------------------------------------------------------- the queue
async def test_the_queue_is_told_by_priority_and_class(desk):
    began = desk.clock.now()
    await desk.put(template="T02")
    await desk.put(template="T11")
    desk.clock.advance(timedelta(minutes=1))
    await desk.put(template="T04")
    await desk.put(template="T11", wait=timedelta(hours=1))
    levels = (await desk.status()).queue.levels
    assert [(level.priority, level.waiting, level.later, level.by_class) for level in levels] == [
        (1, 2, 0, {"warning": 2}),
        (4, 2, 1, {"item": 2}),
    ]
    assert [level.oldest_due_at for level in levels] == [began, began]
    assert (await desk.status()).queue.oldest_due_at == began


async def test_what_carriers_have_is_told_by_carrier(desk):
    for carrier in ("east", "east", "west"):
        await desk.put()
        [message] = await desk.claim(1, carrier)
        await desk.record(submitted(message, f"id{message.id}"), carrier=carrier)
    desk.clock.advance(timedelta(hours=1))
    await desk.put()
    [fresh] = await desk.claim(1, "west")
    await desk.record(submitted(fresh, "fresh"), carrier="west")
    await desk.put()
    await desk.claim(1, "east")
    await desk.put_code()
    [code] = await desk.claim(1, "west")
    await desk.record(Report(message=code, outcome=Outcome.UNKNOWN), carrier="west")
    found = await desk.status()
    east, west = found.carriers
    assert (east.receipts_outstanding, east.receipts_outstanding_over_1h, east.sending) == (2, 2, 1)
    assert (west.receipts_outstanding, west.receipts_outstanding_over_1h, west.unknown) == (2, 1, 1)
    wanted = {"sending": 1, "submitted": 4, "unknown": 1, "queued": 0}
    assert {state: found.queue.totals[state] for state in wanted} == wanted


async def test_a_receipt_that_did_not_come_in_three_days_is_expected_no_more(desk):
    await desk.put()
    [message] = await desk.claim()
    await desk.record(submitted(message, "1"))
    desk.clock.advance(timedelta(days=3))
    assert (await desk.status()).carriers[0].receipts_outstanding == 0


async def test_troubles_of_the_last_day_are_named_with_their_meaning(desk):
    await desk.lose(error="ESME_RINVDSTADR")
    desk.clock.advance(timedelta(hours=2))
    await desk.lose(error="ESME_RINVDSTADR")
    await desk.lose(Outcome.AGAIN, "ESME_RTHROTTLED", carrier="west")
    await desk.put(template="T02")
    [message] = await desk.claim(1)
    await desk.record(submitted(message, "7"))
    await desk.record(heard=[failed("7", "MK:0001 MK")])
    refused = COMMAND_STATUSES[0x0B]
    throttled = COMMAND_STATUSES[0x58]
    assert (await desk.status()).troubles == (
        trouble("east", "ESME_RINVDSTADR", refused, last_hour=1, last_day=2),
        trouble("east", "MK:0001 MK", FAMILIES["MK"], last_hour=1, last_day=1),
        trouble("west", "ESME_RTHROTTLED", throttled, waiting=1),
    )
    desk.clock.advance(timedelta(hours=23))
    assert next((each.error, each.last_day) for each in (await desk.status()).troubles) == ("ESME_RINVDSTADR", 1)


def trouble(carrier, error, meaning, *, last_hour=0, last_day=0, waiting=0) -> Trouble:
    return Trouble(
        carrier=carrier,
        error=error,
        fault=meaning.fault,
        zh=meaning.zh,
        en=meaning.en,
        last_hour=last_hour,
        last_day=last_day,
        waiting=waiting,
    )


async def test_receipts_for_nothing_we_know_are_counted(desk):
    at = desk.clock.now()
    await WaitingReceipt.create(carrier="east", sms_id="9", phone="1", state="delivered", at=at)
    assert (await desk.status()).unmatched_receipts == 1


# ------------------------------------------------------------------------------------------------------- meanings
@pytest.mark.parametrize(
    "table", [COMMAND_STATUSES, RECEIPT_STATES, RECEIPT_ERRORS, FAMILIES, RESPONSES, SUBMIT_RESULTS]
)
def test_every_name_of_every_table_has_its_meaning(table):
    for meaning in table.values():
        assert meaning_of(meaning.name) == meaning
        assert meaning_of(f"anything {meaning.name}") == meaning


@pytest.mark.parametrize("error", ["outcome unknown", "no answer: TimeoutError"])
def test_an_unknown_outcome_is_known_to_be_one(error):
    known = meaning_of(error)
    assert known is not None
    assert known.fault is Fault.UNKNOWN


def test_a_code_of_the_carriers_own_list_has_the_fault_that_was_agreed():
    known = meaning_of("MK:0010 temporary")
    assert known is not None
    assert known.fault is Fault.TEMPORARY


def test_what_no_table_knows_has_no_meaning():
    assert meaning_of("0x00000400") is None
    assert meaning_of("the connection ended") is None


# ----------------------------------------------------------------------------------------------- however long it is
async def test_a_long_queue_is_counted_whole_and_looked_at_in_part(desk, monkeypatch):
    for number in range(12):
        await desk.put(template="T11", key=f"long:{number}")
        await desk.lose(key=f"lost:{number}", template="T02")
    monkeypatch.setattr(figures, "LOOK_AT", 5)
    found = await backlog(desk.database, now=desk.clock.now())
    assert (found.totals["queued"], found.totals["submitted"]) == (12, 0)
    [level] = found.levels
    assert (level.waiting, level.by_class) == (12, {"item": 5})
    assert found.by_carrier["east"].lost_last_day == 5
    monkeypatch.setattr(figures, "COUNT_TO", 10)
    found = await backlog(desk.database, now=desk.clock.now())
    assert (found.totals["queued"], found.levels[0].oldest_due_at) == (10, desk.clock.now())
    parked = OutboxEntry(event_id=1, consumer="alerts", due_at=desk.clock.now(), parked=True)
    old = desk.clock.now() - timedelta(hours=1)
    due = [OutboxEntry(event_id=n, consumer="alerts", due_at=old + timedelta(minutes=n)) for n in range(12)]
    await OutboxEntry.bulk_create([*reversed(due), parked])
    texts = [{"carrier": "east", "sender": "1", "receiver": "2", "text": "", "received_at": old} for _ in range(12)]
    await InboundMessage.bulk_create([InboundMessage(**each) for each in texts])
    found = await backlog(desk.database, now=desk.clock.now())
    assert (found.events.waiting, found.events.stuck, found.events.oldest_at) == (11, 1, old)
    assert (found.inbox.waiting, found.inbox.oldest_at) == (10, old)


async def test_no_question_reads_the_whole_table(desk, dialect, monkeypatch):
    """Each goes by an index, or stops after so many rows: what the database says it would do."""
    if dialect != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole whatever indexes they have")
    asked = []
    rows = desk.database.rows

    async def listening(sql, *values):
        asked.append((sql, values))
        return await rows(sql, *values)

    for number, state in enumerate(State, 1):
        await desk.put()
        await Message.filter(id=number).update(state=state)
    await stand_anew(desk.database)
    monkeypatch.setattr(desk.database, "rows", listening)
    await backlog(desk.database, now=desk.clock.now())
    assert len(asked) >= 6
    for sql, values in asked:
        plan = [str(row["detail"]) for row in await rows(f"EXPLAIN QUERY PLAN {sql}", *values)]
        scans = [step for step in plan if step.startswith("SCAN") and "LIMIT" not in sql]
        # Claims are a few at a time, and `each` is what one of them says.
        assert all("outbox" in step or step.split()[1] in ("c", "each") for step in scans), (sql, plan)
        assert not [step for step in plan if step.startswith(("SCAN message", "SCAN m ", "SCAN m\n"))], (sql, plan)
