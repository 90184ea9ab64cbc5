"""Every day both sides close their books, compare them to the octet, and name what is not the same."""

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from casework.clock.working_days import day_of, end_of_day
from certs.notary import CertNotary
from ferry import quarantine
from ferry.lanes import Lane
from ferry.ledger import Account, Kind, LedgerPart, Stretch, compared, mark_of, sorts_of
from ferry.ledger_sheet import Sheet, sheets
from ferry.orders import Routes
from ferry.overview import Concern, overview
from ferry.reconciling import (
    EVENTS,
    LEDGER,
    LedgerRules,
    ReconcileFerry,
    Way,
    accept,
    ledger_records,
    reconcile_ferry,
)
from ferry.records import Direction, Registry
from ferry.refusals import RecordMalformed, RecordRefused
from ferry.simulator.gap import Faults
from kernel.actor import THE_CLOCK, Assurance
from kernel.acts import Done
from kernel.chance import Secrets
from kernel.events import EventCodec
from kernel.office import Office, Rule
from kernel.outbox import Outbox
from kernel.permissions import the_system
from kernel.work import Desk
from tests.ferry.pair import PACE, TYPES, Side
from tests.ferry.test_recovery import backups  # noqa: F401  a fixture

TWO_WAY = Way(late_after=timedelta(minutes=30))


class Books:
    """Two zones with a timer each."""

    def __init__(self, pair, way: Way = TWO_WAY) -> None:
        self.pair, self.ways = pair, {"outer": way, "inner": way}
        for side in pair.sides:
            side.changes["route"] = msgspec.structs.replace(
                side.route, types=Registry([*TYPES, *ledger_records(side.peer)])
            )

    async def reconcile(self, *sides: Side) -> None:
        for side in sides or self.pair.sides:
            rules = LedgerRules(ways={side.peer: self.ways[side.own]})
            given = {Routes: Routes(zone=side.own, routes=[side.station.route]), LedgerRules: rules}
            desk = Desk(
                database=side.database, clock=side.clock, notary=CertNotary(), secrets=Secrets(b"k" * 32),
                provisions=given,
            )  # fmt: skip
            rule = Rule(ReconcileFerry, reconcile_ferry, the_system, Assurance.SYSTEM)
            office = Office(desk, outbox=Outbox(side.database, EventCodec(EVENTS), ()), rules=[rule])
            with side.here():
                outcome = await office.perform(ReconcileFerry(), THE_CLOCK, key=None)
            assert isinstance(outcome, Done), outcome

    @property
    def there(self) -> list[tuple[Side, str]]:
        return [(self.pair.outer, "out"), (self.pair.inner, "in")]

    async def midnight(self, *, dropping: str = "") -> date:
        """The day ends, and the timers of both sides go on."""
        day = day_of(self.pair.clock.now())
        self.pair.clock.advance(end_of_day(day) - self.pair.clock.now() + timedelta(minutes=6))
        await self.tell(dropping=dropping)
        return day

    async def tell(self, *, dropping: str = "") -> None:
        """The claim crosses, the answer comes back; of what is to be dropped nothing arrives."""
        for _ in range(2):
            await self.reconcile()
            for _ in range(2):
                self.pair.clock.advance(timedelta(seconds=30))
                await self.pair.outer.turn()
                files = self.pair.there.entrance.files
                for name in [name for name in files if dropping and dropping in name]:
                    del files[name]
                self.pair.there.sweep()
                await self.pair.inner.turn()
                self.pair.back.sweep()
        await self.reconcile()

    async def alter(self, sql: str, *values: str, of: Side | None = None) -> None:
        side = of or self.pair.inner
        with side.here():
            assert await side.database.execute(sql, *values)

    async def concerns(self, side: Side) -> set[Concern]:
        with side.here():
            found = await overview(side.station, now=side.clock.now())
        return {alarm.concern for alarm in found.alarms} & {Concern.LEDGERS_DIFFER}

    async def sheet(self, side: Side, way: str, day: date) -> Sheet:
        with side.here():
            [found] = [
                each
                for each in await sheets(side.database, side.peer, self.ways[side.own], day=day, now=side.clock.now())
                if each.way == way
            ]
        return found

    async def states(self, day: date) -> list[str]:
        """Of the direction from outer to inner, then the other; of each the sender's verdict and the receiver's."""
        outer, inner = self.pair.sides
        found = [(outer, "out"), (inner, "in"), (inner, "out"), (outer, "in")]
        return [(await self.sheet(side, way, day)).state for side, way in found]

    async def named(self, side: Side, way: str, day: date) -> list[tuple[str, str, int, int]]:
        found = (await self.sheet(side, way, day)).differences
        return [(each.kind, each.lane, each.first, each.last) for each in found]


@pytest.fixture
async def books(pair):
    made = Books(pair)
    await pair.start()
    return made


EQUAL = ["equal"] * 4


@pytest.mark.feature("FERRY-07")
async def test_after_days_with_a_hostile_device_both_ledgers_are_the_same_and_what_was_dropped_is_named(books, pair):
    days = []
    for number in range(3):
        pair.there.faults = pair.back.faults = Faults(repeats=0.3, delays=0.3, loses=0.1, replays=0.2)
        await pair.outer.hand_over(f"a{number}", f"b{number}")
        await pair.inner.hand_over(f"z{number}", type="sms.text")
        await pair.step(20)
        days.append(day_of(pair.clock.now()))
        pair.clock.advance(end_of_day(days[-1]) - pair.clock.now() + timedelta(minutes=6))
        await books.reconcile()
        await pair.step(20)  # what is under way is applied on the next day
    pair.there.faults = pair.back.faults = Faults()
    await pair.settle(seconds=20)
    await books.tell()
    for day in days:
        assert await books.states(day) == EQUAL
        here, there = await books.sheet(pair.outer, "out", day), await books.sheet(pair.inner, "in", day)
        assert (here.ours, here.theirs) == (there.theirs, there.ours)
        assert (here.ours.sorts["case.state"], here.ours.refused, here.is_altered) == (2, 0, False)
    # A parcel arrives spoilt, is discarded by a person, and never comes again.
    pair.there.faults = Faults(flips_a_bit=1.0)
    await pair.outer.hand_over("spoilt")
    await pair.step(30)
    pair.there.faults = Faults()
    await pair.step(5)
    for item in await pair.inner.rows("SELECT id FROM ferry_quarantine WHERE state = 'kept'"):
        with pair.inner.here():
            await quarantine.close(pair.inner.station, item["id"], state="discarded", why="演练", now=pair.clock.now())
    [lost] = [row["seq"] for row in await pair.outer.parcels("sealed") if row["lane"] == "case"]
    day = await books.midnight(dropping=f".case.{lost}.")
    assert (await books.states(day))[:2] == ["open"] * 2, "it is still under way"
    pair.clock.advance(TWO_WAY.late_after)
    await books.tell(dropping=f".case.{lost}.")
    assert await books.states(day) == ["different", "different", "equal", "equal"]
    for side, way in ((pair.outer, "out"), (pair.inner, "in")):
        assert await books.named(side, way, day) == [(Kind.MISSING, "case", lost, lost)]
        assert await books.concerns(side) == {Concern.LEDGERS_DIFFER}
    assert (await books.sheet(pair.inner, "in", day)).aside["discarded"] >= 1
    await pair.settle(seconds=60)
    await books.tell()
    assert await books.states(day) == EQUAL
    assert not await books.concerns(pair.outer)


async def test_a_row_that_was_altered_is_named_on_both_sides(books, pair):
    await pair.outer.hand_over("a1")
    await pair.step()
    await pair.outer.hand_over("a2")
    await pair.settle()
    day = await books.midnight()
    assert await books.states(day) == EQUAL
    await books.alter("UPDATE ferry_inbox SET content_id = $1 WHERE lane = 'case' AND seq = 2", "e" * 64)
    pair.clock.advance(timedelta(hours=1))
    await books.tell()
    assert await books.states(day) == ["different", "different", "equal", "equal"]
    for side, way in ((pair.outer, "out"), (pair.inner, "in")):
        assert await books.named(side, way, day) == [(Kind.OTHER, "case", 2, 2)]
    row = "UPDATE ferry_ledger SET state = 'equal', differences = '[]' WHERE way = 'in'"
    await books.alter(row)
    found = await books.sheet(pair.inner, "in", day)
    assert (found.state, found.is_altered, found.is_wrong) == ("equal", True, True)


async def test_what_was_only_counted_otherwise_is_named_as_well(books, pair):
    await pair.outer.hand_over("a1")
    await pair.settle()
    await books.alter("UPDATE ferry_inbox SET count = 7 WHERE lane = 'case'")
    day = await books.midnight()
    assert await books.named(pair.inner, "in", day) == [(Kind.TOTALS, "case", 1, 1)]


async def test_a_refused_record_is_in_both_ledgers(books, pair):
    await pair.outer.hand_over("a1", "bad", text="poison")
    await pair.settle()
    await pair.step(60)
    day = await books.midnight()
    assert await books.states(day) == EQUAL
    assert {(await books.sheet(side, way, day)).ours.refused for side, way in books.there} == {2}
    await books.alter("UPDATE ferry_record SET refused = '' WHERE rid = 'bad'", of=pair.outer)
    pair.clock.advance(timedelta(hours=1))
    await books.reconcile(pair.outer)
    assert await books.named(pair.outer, "out", day) == [(Kind.UNTOLD, "case", 1, 1)]


async def test_days_without_anything_are_equal_and_a_day_of_silence_is_a_difference(books, pair):
    await pair.settle()
    await books.midnight()
    day = await books.midnight()
    assert await books.states(day) == EQUAL
    day = day_of(pair.clock.now())
    # Switched off at midnight, and started in the morning: the other side has as long from then.
    pair.clock.advance(end_of_day(day) - pair.clock.now() + timedelta(hours=9))
    assert (await books.sheet(pair.inner, "in", day)).state == "unknown"
    await books.reconcile(pair.inner)  # and the other side's timer stands still
    assert (await books.sheet(pair.inner, "in", day)).state == "open"
    pair.clock.advance(TWO_WAY.late_after)
    await books.reconcile(pair.inner)
    assert await books.named(pair.inner, "in", day) == [(Kind.UNHEARD, "", 0, 0)]
    await books.tell()
    assert await books.states(day) == EQUAL


async def test_what_a_receiver_forgot_crosses_under_other_numbers_and_both_books_say_so(books, pair, backups):  # noqa: F811
    await pair.outer.hand_over("a1")
    await pair.settle()
    restore = await backups.of(pair.inner)
    await pair.outer.hand_over("a2")
    await pair.settle()
    day = await books.midnight()
    assert await books.states(day) == EQUAL
    pair.clock.advance(timedelta(hours=9))
    await restore()
    named = []
    for _ in range(6):
        await pair.step(20)
        pair.clock.advance(timedelta(seconds=40))
        await books.reconcile()
        named += await books.named(pair.outer, "out", day)
    assert set(named) <= {(Kind.MISSING, "case", 2, 2)}
    for _ in range(6):
        await pair.step(20)
    await pair.settle()
    for _ in range(2):
        pair.clock.advance(timedelta(minutes=11))  # an account that changes is told no oftener
        await books.tell()
    assert await books.states(day) == EQUAL
    assert await pair.inner.effects() == {"case.state/a1": 1, "case.state/a2": 1}
    assert await pair.inner.rows("SELECT seq FROM ferry_inbox WHERE lane = 'case' AND seq = 2") == []


@pytest.mark.parametrize(("next", "kind"), [([], Kind.EXTRA), (["b1"], Kind.OTHER)])  # or another took its number
async def test_what_a_sender_forgot_with_its_database_is_named_by_both(books, pair, backups, next, kind):  # noqa: F811
    await pair.outer.hand_over("a1")
    await pair.settle()
    restore = await backups.of(pair.outer)
    await pair.outer.hand_over("lost")
    await pair.settle()
    await restore()
    await pair.outer.hand_over(*next)
    for _ in range(6):
        await pair.step(20)
    await pair.settle()
    day = await books.midnight()
    pair.clock.advance(TWO_WAY.late_after)
    await books.tell()
    for side, way in books.there:
        assert await books.named(side, way, day) == [(kind, "case", 2, 2)]
    with pair.inner.here():  # nothing brings it back, and two officers know
        assert await accept("outer", day) == 1
    await books.reconcile(pair.inner)
    assert (await books.sheet(pair.inner, "in", day)).state == "accepted"
    assert not await books.concerns(pair.inner)
    await books.alter("UPDATE ferry_inbox SET content_id = $1 WHERE lane = 'ctl' AND seq = 1", "e" * 64)
    pair.clock.advance(timedelta(hours=1))
    await books.reconcile(pair.inner)
    assert (await books.sheet(pair.inner, "in", day)).state == "different"


async def test_one_way_the_receiver_compares_alone(pair):
    pace = replace(PACE, repeats=(timedelta(0), timedelta(minutes=1)), patience=timedelta(minutes=5))
    pair.outer.changes = {"pace": pace, "into": None}
    pair.inner.changes = {"pace": pace, "out": None}
    books = Books(pair)
    books.ways = {"outer": Way(takes=False), "inner": Way(sends=False)}
    await pair.start()
    await pair.outer.hand_over("a1")
    await pair.step()
    pair.there.faults = Faults(loses=1.0)
    await pair.outer.hand_over("lost")
    for _ in range(9):
        await pair.step()
    await pair.step(60)
    pair.there.faults = Faults()
    day = await books.midnight()
    assert (await books.sheet(pair.outer, "out", day)).state == "alone"
    assert (await books.sheet(pair.inner, "in", day)).state == "open"
    pair.clock.advance(timedelta(hours=2))
    await books.reconcile()
    assert await books.named(pair.inner, "in", day) == [(Kind.MISSING, "case", 2, 2)]
    assert not await pair.inner.rows("SELECT id FROM ferry_record WHERE rid LIKE 'ledger:%'")


# ------------------------------------------------------------------------------------------------------ what crosses
EPOCH = "0" * 32


def stretch(marks: str, first: int = 1, **changes) -> Stretch:
    count = len(marks)
    given = {
        "lane": Lane.CASE, "epoch": EPOCH, "first": first, "last": first + count - 1, "parcels": count,
        "records": count, "octets": 9, "sorts": {"case.state": count}, "digest": "a" * 64,
        "marks": "".join(mark_of(mark.lower() * 8, is_void=mark.isupper()) for mark in marks),
    }  # fmt: skip
    return Stretch(**{**given, **changes})


def compare(sent: Stretch, *taken: Stretch) -> list[tuple[str, int, int]]:
    found = compared(Account(stretches=(sent,)), Account(stretches=taken))
    return [(each.kind, each.first, each.last) for each in found]


@pytest.mark.parametrize(
    ("sent", "taken", "found"),
    [
        pytest.param("abc", "abc", [], id="the same"),
        pytest.param("abcd", "a--d", [("missing", 2, 3)], id="missing in the middle"),
        pytest.param("abc", "abf", [("other", 3, 3)], id="another content"),
        pytest.param("ab", "abc", [("extra", 3, 3)], id="more than was sent"),
        pytest.param("a-c", "abc", [("extra", 2, 2)], id="the sender's row is gone"),
        pytest.param("aBc", "a-c", [], id="given up with its epoch"),
        pytest.param("aBc", "aBc", [], id="given up, and had arrived"),
        pytest.param("aBc", "aDc", [("other", 2, 2)], id="given up, and another had arrived"),
        pytest.param("abcd", "-b-f", [("missing", 1, 1), ("missing", 3, 3), ("other", 4, 4)], id="everything at once"),
    ],
)
def test_differences_are_named_by_their_numbers(sent, taken, found):
    assert compare(stretch(sent), stretch(taken)) == found


def test_an_account_that_never_came_misses_everything():
    assert compare(stretch("abc")) == [("missing", 1, 3)]


def test_what_was_never_counted_is_not_compared():
    assert compare(stretch("ab"), stretch("ab", sorts={}, octets=0)) == []
    for change in ({"octets": 8}, {"sorts": {"case.state": 1, "level.day": 1}}, {"records": 3}, {"digest": "b" * 64}):
        assert compare(stretch("ab"), stretch("ab", **change)) == [("totals", 1, 2)]


def test_types_are_counted_by_what_stands_last_in_a_record():
    lines = b'{"body":{"text":"\\"type\\":\\"x\\"}"},"type":"case.state"}\n' * 2 + b"nonsense\n"
    assert msgspec.json.decode(sorts_of(lines)) == {"case.state": 2, "?": 1}


LIST = Registry(ledger_records("outer"))
BODY = {
    "account": "sent", "day": "2026-09-18", "stamp": 1, "part": 1, "parts": 1, "aside": {"dropped": 0},
    "stretches": [msgspec.to_builtins(stretch("ab"))],
}  # fmt: skip
GOOD = {
    "rid": "ledger:sent:2026-09-18:1:1", "type": LEDGER, "key": "2026-09-18", "at": "2026-09-18T16:06:00Z",
    "body": BODY,
}  # fmt: skip


def read(line: bytes) -> LedgerPart:
    body = LIST.read(line, Direction.INWARD).body
    assert isinstance(body, LedgerPart)
    return body


PLACES = {
    "record": lambda line: line,
    "body": lambda line: line["body"],
    "aside": lambda line: line["body"]["aside"],
    "stretch": lambda line: line["body"]["stretches"][0],
    "sorts": lambda line: line["body"]["stretches"][0]["sorts"],
}


@settings(max_examples=60)
@given(
    place=st.sampled_from(sorted(PLACES)),
    name=st.sampled_from(["day", "stamp", "first", "last", "marks", "refused", "lane"]) | st.text(max_size=8),
    value=st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=7),
)
def test_whatever_is_changed_in_a_ledger_is_refused_or_within_its_bounds(place, name, value):
    changed = msgspec.json.decode(msgspec.json.encode(GOOD))
    PLACES[place](changed)[name] = value
    try:
        part = read(msgspec.json.encode(changed, order="sorted"))
    except RecordRefused:
        return
    assert place in ("aside", "sorts") or name in GOOD or name in msgspec.structs.asdict(part) | {"first": 0, "last": 0}


@given(st.binary(max_size=200))
def test_any_octets_are_no_ledger(octets):
    with pytest.raises(RecordRefused):
        read(octets)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"part": 2}, id="more parts than there are"),
        pytest.param({"stretches": [{**msgspec.to_builtins(stretch("ab")), "last": 1 << 50}]}, id="no mark for most"),
        pytest.param({"stretches": [{**msgspec.to_builtins(stretch("ab")), "first": 3}]}, id="backwards"),
    ],
)
async def test_an_account_that_does_not_hold_together_is_poison(database, clock, body):
    line = msgspec.json.encode({**GOOD, "body": BODY | body}, order="sorted")
    [kind] = LIST
    with pytest.raises(RecordMalformed):
        await kind.apply(database, clock.now(), LIST.read(line, Direction.INWARD))
